"""Requests to a server with OpenAI's paths: retried while it is busy or broken, and its refusals as our errors."""

from __future__ import annotations

import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import (
    InvalidRequest,
    MissingExtra,
    ServerBusy,
    ServerError,
    ServerFailed,
    ServerIncompatible,
    ServerKeyRefused,
    ServerModelUnknown,
    ServerRequestRefused,
    ServerTimeout,
    ServerUnreachable,
)

from .embedding import AT

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

__all__ = ["Endpoint", "base_of", "split_address"]

LONGEST_WAIT = 60.0
"""Seconds: a server that asks for a longer pause (``Retry-After``) is asked again after these."""
_AGAIN = (ServerBusy, ServerFailed, ServerTimeout, ServerUnreachable)


class Endpoint:
    """One server. Its methods may be called from several threads.

    Args:
        url: its address, with or without ``/v1``.
        key: bearer key.
        key_name: the setting that holds it, for the message.
        timeout: seconds that a request may take.
        attempts: times that a request is made at most.
        backoff: seconds before the second attempt, doubled each time.
        connections: most at a time.

    Raises:
        MissingExtra: httpx is not installed.
        InvalidRequest: no http address, or one that holds a password, which would be stored and shown.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None,
        key_name: str,
        timeout: float,
        attempts: int,
        backoff: float,
        connections: int = 4,
    ) -> None:
        try:
            import httpx
        except ImportError as exc:
            raise MissingExtra.named("httpx", "vllm") from exc
        self.url = base_of(url)
        self._key, self._key_name = key, key_name
        self._timeout, self._attempts, self._backoff = timeout, max(1, attempts), backoff
        self._stopping = threading.Event()
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0), pool=None),
            # uvicorn drops an idle connection after 5 s; one that we drop first cannot break under a request
            limits=httpx.Limits(max_connections=connections, keepalive_expiry=3.0),
            trust_env=False,
        )
        self.close = weakref.finalize(self, self._client.close)  # a model has no end of its own

    def get(self, path: str) -> dict[str, Any]:
        """The JSON object there. Raises like ``post``."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The JSON object that the server answers with.

        Raises:
            ServerError: it cannot be reached, stayed busy or broken through all attempts, or refuses; with its address.
        """
        return self._ask("POST", path, body)

    def served_length(self, model: str) -> int | None:
        """The most tokens that the server's model reads (vLLM's ``max_model_len``); None where it does not say."""
        try:
            served = self.get("/v1/models").get("data")
        except (ServerIncompatible, ServerRequestRefused):
            return None
        for entry in served if isinstance(served, list) else []:
            if isinstance(entry, dict) and entry.get("id") == model:
                length = entry.get("max_model_len")
                return length if isinstance(length, int) and length > 0 else None
        return None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Of requests made inside, in any thread, none is made again once what is inside has failed."""
        self._stopping.clear()
        try:
            yield
        except BaseException:
            self._stopping.set()
            raise

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        for attempt in range(self._attempts):
            try:
                return self._once(method, path, body)
            except _AGAIN as exc:
                pause = min(LONGEST_WAIT, max(self._backoff * 2**attempt, getattr(exc, "pause", 0.0)))
                if attempt + 1 == self._attempts or self._stopping.wait(pause):
                    raise
        raise AssertionError

    def _once(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        import httpx

        where = f"{self.url}{path}"
        try:
            answer = self._client.request(method, where, json=body)
            if answer.status_code != httpx.codes.OK:
                raise self._refusal(answer, where, asked=body is not None)
            value = answer.json()
        except httpx.TimeoutException as exc:
            connecting = isinstance(exc, httpx.ConnectTimeout)
            kind = ServerUnreachable if connecting else ServerTimeout
            what = "cannot be reached" if connecting else f"did not answer within {self._timeout:g} s"
            raise _everywhere(kind(f"{where} {what}.", hint=_RUNNING)) from exc
        except httpx.TransportError as exc:
            why = f"{type(exc).__name__}{f': {exc}' if str(exc) else ''}"[:200]
            raise _everywhere(ServerUnreachable(f"{where} cannot be reached ({why}).", hint=_RUNNING)) from exc
        except ValueError as exc:
            raise _everywhere(ServerIncompatible(f"{where} answered with something else than JSON.", hint=_V1)) from exc
        if not isinstance(value, dict):
            raise _everywhere(ServerIncompatible(f"{where} answered with JSON that is no object.", hint=_V1))
        return value

    def _refusal(self, answer: httpx.Response, where: str, *, asked: bool) -> ServerError:
        status = answer.status_code
        said = _said(answer)
        if self._key:
            said = said.replace(self._key, "…")
        what = f"{where} answered {status}{f': {said}' if said else ''}"
        if status in {401, 403}:
            return _everywhere(ServerKeyRefused(what, hint=f"Give the server's key in {self._key_name}."))
        if status in {429, 503}:
            return _everywhere(ServerBusy(what, hint="Try again later, or with fewer requests at a time."), answer)
        if status == 408:
            return _everywhere(ServerTimeout(what, hint=_RUNNING))
        if status in {404, 405, 501} or status < 400:
            if status == 404 and asked and "model" in said.lower():
                return _everywhere(ServerModelUnknown(what, hint=f"See which it serves: {self.url}/v1/models"))
            return _everywhere(ServerIncompatible(what, hint=_V1))
        if status >= 500:
            return _everywhere(ServerFailed(what, hint="See the server's log."), answer)
        return ServerRequestRefused(what, hint="See what the server says, and how it was started.")


_RUNNING = "Is the server running, and the address right?"
_V1 = "Is it a server with OpenAI's paths (the address is what stands before /v1), and the model served for this use?"


def _everywhere(error: ServerError, answer: httpx.Response | None = None) -> ServerError:
    """The error of a server that cannot be used for anything; with the pause that it asks for."""
    error.everywhere = True
    if answer is not None:
        told = answer.headers.get("retry-after", "")
        setattr(error, "pause", float(told) if told.isdigit() else 0.0)  # noqa: B010  kept for the next attempt only
    return error


def _said(answer: httpx.Response) -> str:
    """The message in a refusal, in one line; each server has a shape of its own."""
    try:
        value: Any = answer.json()
    except ValueError:
        value = answer.text
    for _ in range(3):
        if isinstance(value, dict):
            value = next((value[k] for k in ("error", "message", "detail", "msg") if value.get(k)), "")
        elif isinstance(value, list):
            value = value[0] if value else ""
    return " ".join(str(value).split())[:300]


def split_address(name: str, prefix: str, override: str | None) -> tuple[str, str]:
    """``MODEL@URL`` in two; ``override`` goes before the address in the name.

    Raises:
        InvalidRequest: there is no address.
    """
    model, at, rest = name.partition(AT)
    url = override or (f"http{rest}" if at else "")
    if not url:
        raise InvalidRequest(
            f"{prefix}{name} does not say where the model is served.",
            hint=f"Give its address: {prefix}{name}@http://127.0.0.1:8000",
        )
    return model, url


def base_of(url: str) -> str:
    """The address without a trailing ``/v1``.

    Raises:
        InvalidRequest: it is no http address, or holds a user's name, a password or a query, which would be shown.
    """
    import httpx

    hint = "Give one like http://127.0.0.1:8000."
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL as exc:
        raise InvalidRequest("The model's address is no address of a server.", hint=hint) from exc
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise InvalidRequest(f"{url!r} is no address of a server.", hint=hint)
    if parsed.userinfo or parsed.query:
        raise InvalidRequest("The model's address holds a password or a query.", hint="Give the key by its setting.")
    return url.strip().rstrip("/").removesuffix("/v1").rstrip("/")
