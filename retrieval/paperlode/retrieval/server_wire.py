"""One connection to a Qdrant server: requests tried again while that can help, and its errors turned into ours."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import (
    ArchiveError,
    ArchiveNotFound,
    IndexServerBusy,
    IndexServerFailed,
    IndexServerIncompatible,
    IndexServerKeyRefused,
    IndexServerUnreachable,
    MissingExtra,
    SchemaMismatch,
    StorageFull,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .server_options import ServerOptions

__all__ = ["OLDEST_SERVER", "Wire"]

OLDEST_SERVER = (1, 19)
"""From 1.19 on a server counts within named documents how rare a term is. One before 1.17 knows no ``update_mode`` either,
and would overwrite published points."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0
"""Seconds before a request is tried again; doubled each time."""
BROKEN_TRIES = 3
"""How often a request is sent that the server answers with an error of its own (500)."""
_SHOWN = 300


class Wire:
    """A server, and the errors and retries that go with it. May be used from any thread.

    Every request of ours may be sent twice without harm, so one whose answer was lost is sent again.

    Args:
        options: where it is, and how long to try.
        client: a ``QdrantClient`` to use (it stays yours to close) in place of one made from the options.
        sleep, clock: for tests.
    """

    def __init__(
        self,
        options: ServerOptions,
        client: Any = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options
        self._given = client is not None
        self._sleep, self._clock = sleep, clock
        self.client: Any = client if client is not None else _client(options)
        self.local = type(getattr(self.client, "_client", None)).__name__ == "QdrantLocal"
        """Whether it is the client's own simulation: for tests; one thread at a time, no search parameters."""

    def call(self, what: str, method: str, **arguments: Any) -> Any:
        """Calls a method of the client, again and again while the server is away, busy or too slow.

        Args:
            what: what fails where it fails, for the message: ``written``.
            method: its name.
            **arguments: its arguments.

        Raises:
            ArchiveError: of the kind that fits, naming server and collection.
        """
        started, pause, tries = self._clock(), FIRST_PAUSE, 0
        while True:
            try:
                return getattr(self.client, method)(**arguments)
            except Exception as exc:
                tries += 1
                error, again, wanted = self._told(exc, what)
                wait = max(pause, wanted)
                if isinstance(error, IndexServerFailed) and tries >= BROKEN_TRIES:
                    again = False
                if not again or self._clock() - started + wait > self.options.patience:
                    raise error from exc
            self._sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)

    def check_version(self) -> None:
        """Raises IndexServerIncompatible for a server that is too old, or is none."""
        said = str(getattr(self.call("reached", "info"), "version", ""))
        try:
            version = tuple(int(n) for n in said.split("-", maxsplit=1)[0].split(".")[:2])
        except ValueError:
            version = ()
        if version < OLDEST_SERVER:
            needed = ".".join(map(str, OLDEST_SERVER))
            raise IndexServerIncompatible(
                f"The server {self.options.url} is Qdrant {self._clean(said) or 'of an unknown version'}.",
                hint=f"Take Qdrant {needed} or newer.",
            )

    def close(self) -> None:
        """Lets go of the connections it made. Idempotent."""
        if not self._given:
            self.client.close()

    # Errors

    def _told(self, exc: Exception, what: str) -> tuple[ArchiveError, bool, float]:
        """An error of the client as ours, whether trying again may help, and the seconds the server wants left alone."""
        from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
        from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

        if isinstance(exc, ResourceExhaustedResponse):
            return self._busy(what, str(exc)), True, float(exc.retry_after_s)
        if isinstance(exc, UnexpectedResponse):
            error, again = self._status(exc.status_code or 0, _text(exc.content), what)
            return error, again, 0.0
        if isinstance(exc, ResponseHandlingException):
            error, again = self._broken(exc.source, what)
            return error, again, 0.0
        code = getattr(exc, "code", None)
        if callable(code) and type(exc).__module__.startswith("grpc"):
            status = _GRPC.get(getattr(code(), "name", ""), 500)
            error, again = self._status(status, str(getattr(exc, "details", str)()), what)
            return error, again, 0.0
        error, again = self._status(404 if "not found" in str(exc) else 400, str(exc), what)
        return error, again, 0.0

    def _status(self, status: int, text: str, what: str) -> tuple[ArchiveError, bool]:
        said = self._clean(text)
        if status in {401, 403}:
            return IndexServerKeyRefused(
                f"The server {self.options.url} does not accept the key for {self.options.collection!r}: {status} {said}.",
                hint="Give a key that may read and write it with PAPERLODE_QDRANT_KEY.",
            ), False
        if status == 404:
            return ArchiveNotFound(
                f"There is no collection {self.options.place} ({said}).",
                hint="Check the name, or make it with: paperlode push, or paperlode ingest --qdrant.",
            ), False
        if status in {429, 503}:
            return self._busy(what, said), True
        if status in {408, 502, 504}:
            return self._unreachable(what, f"{status} {said}"), True
        if "No space left" in text or "isk is full" in text or "storage is full" in text or status == 507:
            return StorageFull(
                f"The server {self.options.url} has no room: {said}.", hint="Free some space there and run again."
            ), False
        if "dimension" in text.lower() or "Not existing vector name" in text:
            return SchemaMismatch(
                f"The collection {self.options.place} is made for other vectors: {said}.",
                hint="Take the model it was made with, or another collection.",
            ), False
        error = IndexServerFailed(
            f"The collection {self.options.place} could not be {what}: {status} {said}.",
            hint="See the server's log; a second run goes on where this one ended.",
        )
        return error, status >= 500

    def _broken(self, source: Exception, what: str) -> tuple[ArchiveError, bool]:
        import httpx

        if isinstance(source, httpx.TransportError):
            return self._unreachable(what, str(source) or type(source).__name__), True
        if isinstance(source, ValueError):  # what came is not what a Qdrant server says; pydantic's errors are such
            return IndexServerIncompatible(
                f"What answers at {self.options.url} does not speak like a Qdrant server.",
                hint="Check the address and the port; Qdrant's is 6333 for HTTP.",
            ), False
        return self._unreachable(what, f"{type(source).__name__}: {source}"), False

    def _busy(self, what: str, said: str) -> IndexServerBusy:
        return IndexServerBusy(
            f"The server {self.options.url} is too busy; the collection {self.options.collection!r} could not be "
            f"{what}: {self._clean(said)}.",
            hint="Run again later; what was done is kept.",
        )

    def _unreachable(self, what: str, said: str) -> IndexServerUnreachable:
        return IndexServerUnreachable(
            f"The collection {self.options.place} could not be {what}, the server cannot be reached: {self._clean(said)}.",
            hint="Check that it runs, its address and the network, and run again; what was done is kept.",
        )

    def _clean(self, text: str) -> str:
        """One short line of what a server said, without the key should it repeat it."""
        if self.options.api_key:
            text = text.replace(self.options.api_key, "…")
        return " ".join(text.split())[:_SHOWN].rstrip(".")


_GRPC = {
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "INVALID_ARGUMENT": 400,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 502,
    "DEADLINE_EXCEEDED": 504,
}
"""What gRPC calls the statuses of HTTP."""


def _text(content: bytes) -> str:
    """What the server says is wrong, from its JSON where it is that."""
    import json

    raw = content.decode("utf-8", "replace")
    try:
        return str(json.loads(raw)["status"]["error"])
    except (ValueError, KeyError, TypeError):
        return raw


def _client(options: ServerOptions) -> Any:
    try:
        from qdrant_client import QdrantClient
    except ModuleNotFoundError as exc:
        if (exc.name or "").split(".")[0] not in {"qdrant_client", "grpc"}:
            raise
        raise MissingExtra.named("qdrant-client", "qdrant") from exc
    with warnings.catch_warnings():
        # A key over plain HTTP is common inside a private network; docs/qdrant.md warns of it.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        return QdrantClient(
            url=options.url,
            api_key=options.api_key,
            prefer_grpc=options.prefer_grpc,
            grpc_port=options.grpc_port,
            timeout=options.timeout,
            check_compatibility=False,  # a thread of its own, that only warns
        )
