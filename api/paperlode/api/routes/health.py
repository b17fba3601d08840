"""Is the service well."""

from fastapi import APIRouter

from paperlode.api.directory import package_version
from paperlode.api.models import Health

from .access import GateDep

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/health", summary="Is the service well")
def health(gate: GateDep) -> Health:
    """Answers with 200 when the archive can be read; with a problem otherwise."""
    with gate.enter() as archive:
        status = archive.status()
    counts = status.counts
    return Health(
        status="ok",
        version=package_version(),
        documents=counts.documents,
        pages=counts.pages,
        failed_pages=counts.failed_pages,
        read_by=dict(counts.read_by),
        chunks=counts.chunks,
        pending=status.pending,
    )
