"""Connections to recognition servers: httpx clients of one connection each, and httpx's errors as ours."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from paperlode.ingest.errors import (
    InvalidRequest,
    MissingExtra,
    ServerError,
    ServerIncompatible,
    ServerTimeout,
    ServerUnreachable,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

    import httpx

__all__ = [
    "Connections",
    "address",
    "broken",
    "never_sent",
    "new_event_loop",
    "open_files_allow",
    "raise_open_files",
    "require_httpx",
]


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Uvloop's where it is installed (the extra ``vllm`` does, save on Windows): a tenth of the client's work less."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class Connections:
    """The clients of one recogniser. Belongs to one event loop.

    Each has one connection: in a pool of httpx the work for every request grows with its connections (httpcore 1.0).

    Args:
        key: bearer key.
        silence: seconds without a byte before a request is given up.
        connect: seconds for a connection.
        proxy: address of an HTTP proxy; the environment is not asked.
        transport: makes what carries requests, in place of the network.
    """

    def __init__(
        self,
        *,
        key: str | None,
        silence: float,
        connect: float,
        proxy: str | None = None,
        transport: Callable[[], httpx.AsyncBaseTransport] | None = None,
    ) -> None:
        self._key, self._silence, self._connect = key, silence, connect
        self._proxy, self._transport = proxy, transport
        self._all: list[httpx.AsyncClient] = []
        self._idle: dict[str, list[httpx.AsyncClient]] = {}
        self._tls: ssl.SSLContext | None = None
        self.closed = False

    @contextlib.asynccontextmanager
    async def to(self, url: str) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the server that nobody else uses meanwhile; the one used last first.

        Raises:
            InvalidRequest: they were closed.
        """
        if self.closed:
            raise InvalidRequest("The recogniser is closed.")
        idle = self._idle.setdefault(url, [])
        if idle:
            client = idle.pop()
        else:
            client = self._new(url)
            self._all.append(client)
        try:
            yield client
        finally:
            idle.append(client)

    def _new(self, url: str) -> httpx.AsyncClient:
        import httpx

        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)  # 20 ms, once for all
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return httpx.AsyncClient(
            base_url=url,
            headers=headers,
            timeout=httpx.Timeout(self._silence, connect=self._connect, pool=None),
            # uvicorn drops an idle connection after 5 s; one that we drop first cannot break under a request
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=3.0),
            proxy=self._proxy,
            transport=self._transport() if self._transport is not None else None,
            trust_env=False,
            verify=self._tls,
        )

    async def close(self) -> None:
        """Ends them; requests under way end with an error. Idempotent."""
        self.closed = True
        while self._all:
            await self._all.pop().aclose()


def never_sent(error: ServerError) -> bool:
    """Whether no connection came about."""
    import httpx

    return isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError)


def broken(error: Exception, where: str, *, silence: float) -> ServerError:
    """Our error for one of httpx's."""
    import httpx

    why = f"{type(error).__name__}{f': {error}' if str(error) else ''}"[:200]
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        return ServerUnreachable(
            f"{where} cannot be reached ({why}).", hint="Is the server running, and the address right?"
        )
    if isinstance(error, httpx.TimeoutException):
        return ServerTimeout(
            f"{where} was silent for {silence:g} s ({why}).",
            hint="See whether the server is overloaded or stuck.",
        )
    if isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol):
        return ServerUnreachable(f"{where} broke off ({why}).", hint="See the server's log.")
    return ServerIncompatible(f"{where} cannot be understood ({why}).", hint="Check the address.")


def require_httpx() -> None:
    """Raises MissingExtra when httpx is not installed."""
    try:
        import httpx  # noqa: F401
    except ImportError as e:
        raise MissingExtra.named("httpx", "vllm") from e


def address(url: str) -> str:
    """The address without a trailing ``/v1``.

    Raises:
        InvalidRequest: it is no http address, or holds a user's name and password, which would appear in messages.
    """
    import httpx

    hint = "Give one like http://127.0.0.1:8000."
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as e:
        raise InvalidRequest(f"{url!r} is no address of a server.", hint=hint) from e
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise InvalidRequest(f"{url!r} is no address of a server.", hint=hint)
    if parsed.userinfo or parsed.query:
        raise InvalidRequest("The server's address holds a password or a query.", hint="Give the key as an option.")
    return url.strip().rstrip("/").removesuffix("/v1").rstrip("/")


def raise_open_files() -> None:
    """Lets this process open as many files as its hard limit has it: 1,024, the usual soft limit, end at 512 requests."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 1 << 16 if hard == resource.RLIM_INFINITY else min(hard, 1 << 16)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def open_files_allow(replicas: int) -> int:
    """Connections to each replica: half of the files that the process may have open, at most 16,384 for all."""
    try:
        import resource
    except ImportError:  # not on Windows
        files = 1024
    else:
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files < 0:
        files = 1 << 20
    return max(1, min(16384, files // 2) // replicas)
