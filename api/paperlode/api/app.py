"""The query API: search, ask, documents, page pictures, over HTTP.

    /v1/search  /v1/ask  /v1/documents  /v1/documents/{id}  /v1/documents/{id}/pages/{page}/picture.png  /v1/health
    /openapi.json   what each takes and gives, with examples

It has no keys yet, so it answers only to the names it is told (``hosts``): otherwise any web page could have its
visitor's browser read an archive on this machine, by a name that is made to point here (DNS rebinding).
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, Request, Response

from .archive_like import ArchiveLike
from .directory import package_version
from .models import Problem
from .routes import documents, health, search
from .routes.access import Desk, OneArchive
from .routes.problems import RESPONSES, SECURITY_HEADERS, handle_problems, problem
from .routes.requests import SAFE, follow_request

if TYPE_CHECKING:
    from .service.audit import Audit
    from .service.limiter import Limiter
    from .service.metrics import Metrics
    from .service.service import Service

__all__ = ["LOOPBACK", "create_app", "create_service_app"]

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Names of this machine for itself."""

API = "/v1"


class _Service(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, with the schema of problems, which no endpoint returns by itself."""
        document = super().openapi()
        document["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
        return document


def create_app(archive: ArchiveLike, *, hosts: Sequence[str] = LOOPBACK, patience: float = 30.0) -> FastAPI:
    """The API over one open archive, to be read; the archive is not closed.

    Args:
        archive: it is called from worker threads, one call at a time.
        hosts: names (without port) by which it may be called; ``"*"`` allows any.
        patience: seconds a request waits for those before it, before it is told to come back (503).
    """
    return _app(OneArchive(archive, patience=patience), (search.router, documents.router, health.router), hosts)


def create_service_app(
    service: "Service",
    *,
    with_keys: bool | None,
    hosts: Sequence[str] = LOOPBACK,
    patience: float = 30.0,
    limiter: "Limiter | None" = None,
) -> FastAPI:
    """The API over a service, which is not closed.

    Args:
        service: see ``Service``.
        with_keys: whether a key is asked for, None: as soon as there is one; without, whoever calls may do everything.
        hosts: as for ``create_app``.
        patience: as for ``create_app``.
        limiter: how much a caller may ask for; None for any amount.
    """
    from paperlode.api.service.desk import ServiceDesk

    from .routes import audit, collections, jobs, keys, metrics, ready, uploads

    routers = (
        search.router,
        documents.router,
        uploads.router,
        jobs.router,
        collections.router,
        keys.router,
        audit.router,
        health.router,
    )
    desk = ServiceDesk(service, with_keys=with_keys, patience=patience, limiter=limiter)
    app = _app(desk, routers, hosts, service.audit, desk.metrics)
    app.include_router(ready.router)
    app.include_router(metrics.router)
    return app


def _app(
    desk: Desk,
    routers: Sequence[APIRouter],
    hosts: Sequence[str],
    audit: "Audit | None" = None,
    told: "Metrics | None" = None,
) -> FastAPI:
    # no page of documentation: it would run scripts from elsewhere beside the archive; /openapi.json reads anywhere
    app = _Service(
        title="paperlode",
        summary="Searches an archive of documents and points at the page and the box.",
        description=(
            "Pages are 0-based. Boxes are [x0, y0, x1, y1] in PDF points (1/72 inch), origin at the top left of the page as "
            "displayed. Errors are problem documents (RFC 9457)."
        ),
        version=package_version(),
        docs_url=None,
        redoc_url=None,
        responses=RESPONSES,
    )
    app.state.desk = desk
    allowed = frozenset(h.lower() for h in hosts)

    @app.middleware("http")
    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        if "*" not in allowed and _host(request) not in allowed:
            return problem(
                421,
                "unknown_host",
                "This service is not known by that name.",
                hint="Call it by the address it was started with.",
            )
        if request.method not in SAFE and _from_elsewhere(request):
            return problem(
                403,
                "foreign_page",
                "A page of another site may not change anything here.",
                hint="Call from a program, or from a page of this service.",
            )
        response = await follow_request(request, call_next, audit, told)
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    handle_problems(app)
    for router in routers:
        app.include_router(router, prefix=API)
    return app


def _from_elsewhere(request: Request) -> bool:
    """Whether a browser sends this for another site's page: it needs no leave for that, and may be on this machine."""
    origin = request.headers.get("origin")
    try:
        return origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()
    except ValueError:  # no address at all
        return True


def _host(request: Request) -> str:
    try:
        return (urlsplit(f"//{request.headers.get('host', '')}").hostname or "").lower()
    except ValueError:
        return ""
