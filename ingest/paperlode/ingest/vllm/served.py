"""What a recognition server says of itself before work begins: the model's name, and so its version; its context."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from paperlode.ingest.errors import (
    InvalidRequest,
    MissingExtra,
    ServerError,
    ServerIncompatible,
    ServerKeyRefused,
    ServerTimeout,
    ServerUnreachable,
)
from paperlode.ingest.vllm.flags import MODELS
from paperlode.ingest.vllm.replies import error_of, may_help_again, model_names

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

__all__ = ["NEWEST", "Served", "get", "look", "run_apart", "served_version", "version_of"]

T = TypeVar("T")

NEWEST = max(MODELS, key=lambda v: tuple(map(int, v.split("."))))
"""The version that a model is taken for whose name says nothing."""
PATIENCE = 3.0
"""Seconds until some server must have answered: who starts a run has a server, or has mistyped its address."""
_PAUSE = 0.5
_LONGEST = 1 << 20
_NAME = re.compile(
    r"paddleocr[-_ ]?vl(?![a-z])(?:[-_ ]0\.9b(?![a-z0-9.]))?(?:[-_ ]v?(\d+\.\d+)(?![\d.]|b))?", re.IGNORECASE
)
_ENDS = re.compile(r"(?:[-_ ]0\.9b)?(?:/.*)?", re.IGNORECASE | re.DOTALL)

log = logging.getLogger(__name__)


def version_of(name: str) -> str | None:
    """The version of PaddleOCR-VL that a served model's name tells; None when it tells none that is known.

    ``PaddlePaddle/PaddleOCR-VL-1.5`` is 1.5. The plain name is 1.0, as on the Hugging Face hub; so is
    ``PaddleOCR-VL-0.9B``, PaddleX's name for it, where 0.9 counts the parameters. ``PaddleOCR-VL-mine`` may be any.
    """
    found = list(_NAME.finditer(name[:1000]))
    if not found:
        return None
    last = found[-1]
    version = last[1] or ("1.0" if _ENDS.fullmatch(name[:1000], last.end()) else None)
    return version if version in MODELS else None


@dataclass(frozen=True, slots=True)
class Served:
    """What a server shows.

    Attributes:
        url: its address.
        names: of its models, in its order; the first is the one that is asked unless another is wanted.
        context: most tokens of prompt and output of the first (``max_model_len``); None where it does not say.
    """

    url: str
    names: tuple[str, ...]
    context: int | None = None


async def look(url: str, *, key: str | None = None, seconds: float = PATIENCE) -> Served:
    """What ``/v1/models`` of the server at this address shows.

    Raises:
        ServerError: it is not there, refuses the key, or is no such server; with the address.
        MissingExtra: httpx is not installed.
    """
    body = await get(f"{url}/v1/models", key=key, seconds=seconds)
    names = model_names(body)
    if not names:
        raise ServerIncompatible(
            f"{url} shows no models.",
            hint="Is this the address of an OpenAI-compatible server? See: paperlode vllm serve",
        )
    return Served(url, names, _context(body, names[0]))


async def get(where: str, *, key: str | None = None, seconds: float = PATIENCE) -> bytes:
    """The first MiB of what stands there.

    Raises:
        ServerError: nothing, or not within ``seconds``.
        MissingExtra: httpx is not installed.
    """
    try:
        import httpx
    except ImportError as exc:
        raise MissingExtra.named("httpx", "vllm") from exc
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body = bytearray()
    try:
        async with (
            asyncio.timeout(seconds),
            httpx.AsyncClient(timeout=seconds, trust_env=False) as client,
            client.stream("GET", where, headers=headers) as response,
        ):
            async for data in response.aiter_bytes():
                body += data
                if len(body) > _LONGEST:
                    break
    except (TimeoutError, httpx.TimeoutException) as exc:
        raise ServerTimeout(
            f"{where} did not answer within {seconds:g} s.", hint="Is the server still starting, or overloaded?"
        ) from exc
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as exc:
        raise ServerUnreachable(
            f"{where} cannot be reached ({type(exc).__name__}: {str(exc)[:200]}).",
            hint="Start a server with: paperlode vllm serve. Or give its right address: --server, PAPERLODE_SERVER.",
        ) from exc
    if response.status_code != httpx.codes.OK:
        error = error_of(response.status_code, bytes(body), where=where)
        if isinstance(error, ServerKeyRefused):
            error.hint = "Give the key the server was started with: PAPERLODE_SERVER_KEY."
        raise error
    return bytes(body[:_LONGEST])


def _context(body: bytes, name: str) -> int | None:
    try:
        models = [m for m in json.loads(body)["data"] if isinstance(m, dict) and m.get("id") == name]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    length = models[0].get("max_model_len") if models else None
    return length if isinstance(length, int) and not isinstance(length, bool) and length > 0 else None


def served_version(
    urls: Sequence[str],
    *,
    model: str | None = None,
    key: str | None = None,
    notice: Callable[[str], None] | None = None,
    patience: float = PATIENCE,
) -> str:
    """The version of PaddleOCR-VL that the servers serve, by the model's name.

    Args:
        urls: addresses, as ``VLLMRecogniser.urls`` gives them.
        model: the name that will be asked for; then the servers are not asked for theirs.
        key: bearer key.
        notice: told when the name says no version and the newest is taken; default a warning in the log.
        patience: seconds until some server must have answered.

    Raises:
        ServerError: none answers, or none accepts the key; each with its address and what to do.
        InvalidRequest: they serve different versions, so that results would depend on which one is asked.
        MissingExtra: httpx is not installed.
    """
    shown = {"the option": model} if model else run_apart(lambda: _names(urls, key=key, patience=patience))
    versions: dict[str, str] = {}
    for url, name in shown.items():
        version = version_of(name)
        if version is None:
            (notice or log.warning)(
                f"The model is served as {_short(name)!r}, which tells no version of PaddleOCR-VL: it is taken for "
                f"{NEWEST}. Give the version with --vl-version (PAPERLODE_VL_VERSION) if it is another."
            )
        versions[url] = version or NEWEST
    if len(set(versions.values())) > 1:
        told = ", ".join(f"{url} {version} ({_short(shown[url])})" for url, version in versions.items())
        raise InvalidRequest(
            f"The servers serve different versions of PaddleOCR-VL: {told}.",
            hint="Give only servers of one version with --server, or say with --vl-version how to treat them all.",
        )
    return next(iter(versions.values()))


async def _names(urls: Sequence[str], *, key: str | None, patience: float) -> dict[str, str]:
    """The first model's name of each server that answers, once one does."""
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    while True:
        found = await asyncio.gather(*(look(u, key=key, seconds=patience) for u in urls), return_exceptions=True)
        if answers := {s.url: s.names[0] for s in found if isinstance(s, Served)}:
            return answers
        errors = [e for e in found if isinstance(e, BaseException)]
        for error in errors:
            if not isinstance(error, ServerError):
                raise error
        for error in errors:
            if not may_help_again(error):
                raise error
        if loop.time() + _PAUSE >= until:
            raise errors[0]
        await asyncio.sleep(_PAUSE)


def _short(name: str) -> str:
    """A name from outside, as one bounded line."""
    return "".join(c if c.isprintable() else " " for c in name[:100])


def run_apart(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The coroutine's result, from code that is not asynchronous itself but may be called from an event loop's thread."""
    with ThreadPoolExecutor(1, thread_name_prefix="served") as thread:
        return thread.submit(lambda: asyncio.run(make())).result()
