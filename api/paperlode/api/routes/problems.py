"""Errors as problem documents (RFC 9457): one table from paperlode's errors to HTTP status codes."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from paperlode.api.models import Problem
from paperlode.ingest import errors

from .gate import Busy

__all__ = ["RESPONSES", "SECURITY_HEADERS", "STATUS", "handle_problems", "problem", "status_of"]

SECURITY_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""On every response: it is data, never a page, and nobody's cache keeps what is in the archive."""

STATUS: Mapping[type[errors.PaperlodeError], int] = {
    errors.KeyRefused: 401,
    errors.NotAllowed: 403,
    errors.LimitReached: 429,
    errors.Conflict: 409,
    errors.DocumentNotFound: 404,
    errors.InvalidRequest: 422,
    errors.ArchiveLocked: 503,
    errors.StorageFull: 503,
    errors.IndexServerBusy: 503,
    errors.IndexServerUnreachable: 503,
    errors.LedgerServerUnreachable: 503,
    errors.ArchiveNotFound: 500,
    errors.ArchiveCorrupt: 500,
    errors.SchemaMismatch: 500,
    errors.ArchiveError: 500,
    errors.ModelError: 500,
    # a language model that is asked for an answer, or an embedding model behind an address
    errors.ServerBusy: 503,
    errors.ServerTimeout: 504,
    errors.ServerError: 502,
    errors.MissingExtra: 501,
    # a picture is drawn from the original file, which may have gone or changed since it was ingested
    errors.SourceNotFound: 404,
    errors.SourceTooLarge: 413,
    errors.SourceUnsupported: 415,
    errors.SourceEmpty: 422,
    errors.SourceError: 409,
    errors.PageTimeout: 504,
    errors.PageError: 500,
    errors.PaperlodeError: 500,
}
"""The most special class an error belongs to decides."""

_EXTRA: Mapping[int, Mapping[str, str]] = {
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "5"},  # seconds
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": "5"},
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
}
"""Headers that go with a status."""

_TEXT = "application/problem+json"
_LOG = logging.getLogger(__name__)

_CONTENT: dict[str, Any] = {_TEXT: {"schema": {"$ref": "#/components/schemas/Problem"}}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    401: {"description": "No key, or not a good one", "content": _CONTENT},
    403: {"description": "The key does not allow this", "content": _CONTENT},
    404: {"description": "No such collection, document, page, hit or job", "content": _CONTENT},
    422: {"description": "The request makes no sense", "content": _CONTENT},
    503: {"description": "The archive is busy, locked or full: try again later", "content": _CONTENT},
    "default": {"description": "Any other problem", "content": _CONTENT},
}
"""For the OpenAPI document."""


def status_of(error: errors.PaperlodeError) -> int:
    """The HTTP status of an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem(
    status: int, code: str, detail: str, *, title: str = "", hint: str = "", headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A problem document as response."""
    body = Problem(
        type=f"urn:paperlode:problem:{code}",
        title=title or code.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        hint=hint,
        code=code,
    )
    extra = _EXTRA.get(status, {})
    return JSONResponse(
        body.model_dump(), status, headers={**SECURITY_HEADERS, **extra, **(headers or {})}, media_type=_TEXT
    )


def handle_problems(app: FastAPI) -> None:
    """Answers every error of ``app`` with a problem document."""
    app.add_exception_handler(errors.PaperlodeError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Busy, _busy)
    app.add_exception_handler(Exception, _unexpected)


def _ours(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.PaperlodeError)
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _LOG.error("%s: %s", error.code, error)
    return problem(status, error.code, error.what, hint=error.hint)


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    wrong = [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors()]
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid_request",
        f"The request was not understood: {'; '.join(wrong[:5])}.",
        hint="See /openapi.json for what each endpoint takes.",
    )


def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    return problem(
        error.status_code,
        title.lower().replace(" ", "_"),
        f"{error.detail}.",
        title=title,
        hint="See /openapi.json for the endpoints.",
        headers=error.headers,
    )


def _busy(_request: Request, _error: Exception) -> JSONResponse:
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "busy",
        "The archive is busy with other requests.",
        hint="Try again in a moment.",
    )


def _unexpected(_request: Request, _error: Exception) -> JSONResponse:
    # the server logs the traceback: it tells too much to be sent
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal_error",
        "Something unexpected went wrong.",
        hint="See the server's log.",
    )
