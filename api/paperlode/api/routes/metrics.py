"""Metrics for Prometheus, for whoever has a key of an admin of the tenant ``local``: they are about all tenants together."""

from fastapi import APIRouter, Request, Response

from paperlode.api.service.desk import desk_of
from paperlode.ingest.errors import NotAllowed

from .access import Admin

__all__ = ["router"]

router = APIRouter(tags=["health"])

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@router.get(
    "/metrics",
    summary="Metrics",
    response_class=Response,
    responses={
        200: {"description": "as Prometheus reads it", "content": {"text/plain": {"schema": {"type": "string"}}}}
    },
)
def metrics(request: Request, caller: Admin) -> Response:
    """Requests by endpoint and status, jobs by state, age of the queue, pages by outcome, workers alive."""
    desk = desk_of(request)
    if caller.tenant != desk.local:
        raise NotAllowed(
            "Metrics are about all tenants together.", hint="Make a key: paperlode keys create NAME --scope admin"
        )
    return Response(desk.metrics.text(), media_type=CONTENT_TYPE)
