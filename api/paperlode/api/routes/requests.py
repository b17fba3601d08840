"""What every request has: a name, a line in the logs under it, and a row in the audit log if it may change something."""

import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from paperlode.api.service.audit import Audit
from paperlode.api.service.metrics import Metrics
from paperlode.ingest.errors import PaperlodeError

__all__ = ["REQUEST_ID", "SAFE", "follow_request"]

REQUEST_ID = "X-Request-ID"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KNOWN = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

log = logging.getLogger("paperlode.requests")


async def follow_request(
    request: Request,
    call_next: Callable[[Request], Awaitable[Response]],
    audit: Audit | None,
    metrics: Metrics | None,
) -> Response:
    """The response, named; noted where that is wanted. What was asked for is logged, never what a document says."""
    given = request.headers.get(REQUEST_ID, "")
    name = given if _NAME.fullmatch(given) else uuid.uuid4().hex
    request.state.request_id = name
    began = time.perf_counter()
    response = await call_next(request)
    response.headers[REQUEST_ID] = name
    caller = getattr(request.state, "caller", None)
    seconds = time.perf_counter() - began
    if metrics is not None:
        route = getattr(request.scope.get("route"), "path", "none")
        method = request.method if request.method in _KNOWN else "other"
        metrics.note(method=method, route=route, status=response.status_code, seconds=seconds)
    line = {
        "request": name,
        "method": request.method,
        "path": request.url.path,
        "status": response.status_code,
        "ms": round(1000 * seconds, 1),
        "tenant": caller.tenant if caller else "",
        "key": caller.key if caller else "",
    }
    log.info("%s", json.dumps(line, ensure_ascii=True))
    if audit is not None and caller is not None and request.method not in SAFE:
        try:
            await run_in_threadpool(
                audit.note,
                tenant=caller.tenant,
                key=caller.key,
                request=name,
                method=request.method,
                path=request.url.path,
                query=request.url.query,
                status=response.status_code,
            )
        except PaperlodeError:
            log.exception("request %s is not in the audit log", name)
    return response
