"""The audit log of the caller's tenant, for its admins."""

from datetime import UTC, datetime
from typing import Annotated, cast

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from paperlode.api.models import example
from paperlode.api.service.desk import desk_of

from .access import Admin
from .cursor import read_cursor, write_cursor

__all__ = ["router"]

router = APIRouter(prefix="/audit", tags=["audit"])


class AuditOut(BaseModel):
    """A request that may have changed something."""

    model_config = example(
        {
            "at": "2026-01-15T09:30:00Z",
            "key": "0f3a9c51d27b",
            "request": "6f1d2c",
            "method": "DELETE",
            "path": "/v1/documents/8f4b1c9e6a2d",
            "query": "collection=contracts",
            "status": 204,
        }
    )

    at: datetime
    key: Annotated[str, Field(description="id of the key; empty where none was asked for")]
    request: Annotated[str, Field(description="its X-Request-ID")]
    method: str
    path: str
    query: str
    status: Annotated[int, Field(description="with which it was answered")]


class AuditList(BaseModel):
    """Requests, the newest first."""

    model_config = example({"requests": [], "next": "WzEwMV0"})

    requests: list[AuditOut]
    next: Annotated[str | None, Field(description="cursor of the next page; null on the last")]


@router.get("", summary="Who changed what")
def audit(
    request: Request,
    caller: Admin,
    *,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> AuditList:
    """Every request of the caller's tenant that may have changed something, with its outcome, the newest first."""
    last = cast("tuple[int]", read_cursor(cursor, int))[0] if cursor is not None else None
    found = desk_of(request).service.audit.before(caller.tenant, last, limit=limit + 1)
    rows = [
        AuditOut(
            at=datetime.fromtimestamp(r.at, UTC),
            key=r.key,
            request=r.request,
            method=r.method,
            path=r.path,
            query=r.query,
            status=r.status,
        )
        for r in found[:limit]
    ]
    return AuditList(requests=rows, next=write_cursor(found[limit - 1].number) if len(found) > limit else None)
