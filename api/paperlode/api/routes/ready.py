"""Whether the process lives, and whether it can be sent work: for whoever starts and watches it. No key is asked for."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from paperlode.api.models import example
from paperlode.api.service.desk import desk_of

__all__ = ["router"]

router = APIRouter(prefix="/health", tags=["health"])


class Live(BaseModel):
    """The process answers."""

    model_config = example({"status": "live"})

    status: Literal["live"] = "live"


class Ready(BaseModel):
    """What is needed to work, part by part."""

    model_config = example({"ready": True, "parts": {"database": "ok", "workers": "ok"}})

    ready: bool
    parts: Annotated[dict[str, str], Field(description="ok, or what is wrong")]


@router.get("/live", summary="Does the process live")
async def live() -> Live:
    """Answers as long as the process does: one that does not answer is to be started anew."""
    return Live()


@router.get("/ready", summary="Can it be sent work", responses={503: {"model": Ready, "description": "Not now"}})
def ready(request: Request, response: Response) -> Ready:
    """Answers 200 when the database can be read and, where there are to be workers, one of them lives; otherwise 503."""
    parts = desk_of(request).service.parts()
    good = all(said == "ok" for said in parts.values())
    if not good:
        response.status_code = 503
    return Ready(ready=good, parts=parts)
