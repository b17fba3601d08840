"""Is the service well."""

from importlib.metadata import version

from fastapi import APIRouter

from paperlode.api.models import Health

from .gate import GateDep

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/health", summary="Is the service well")
def health(gate: GateDep) -> Health:
    """Answers with 200 when the archive can be read; with a problem otherwise."""
    with gate.enter() as archive:
        count = len(archive.documents())
    return Health(status="ok", version=version("paperlode"), documents=count)
