"""The async client: crops to an OpenAI-compatible server (vLLM, SGLang, llama.cpp), recognitions back.

``VLLMRecogniser`` presses each server as hard as it can take (``pressure``), goes to another one or waits when one fails
(``replicas``), trusts nothing of what comes back (``replies``), and asks again only where that can help.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

from paperlode.ingest.errors import (
    InvalidRequest,
    MissingExtra,
    ServerBusy,
    ServerError,
    ServerIncompatible,
    ServerKeyRefused,
    ServerModelUnknown,
    ServerTimeout,
    ServerUnreachable,
)
from paperlode.ingest.vllm.replicas import Patience, Place, Replica, Replicas
from paperlode.ingest.vllm.replies import LONGEST_BODY, Lines, Reply, error_of, may_help_again, model_names
from paperlode.ingest.vllm.values import Task

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    import httpx

    from paperlode.ingest.vllm.values import Crop, Recognition

__all__ = ["Limits", "VLLMRecogniser", "Watch"]


_LAST_BYTES = 1.0
"""Seconds for the end of a stream whose content is complete."""


_PER_POOL = 16
"""Connections in one pool of httpx: the work for each request grows with the square of those in its pool (httpcore 1.0)."""
_MOST_POOLS = 64


class Watch(Protocol):
    """Looks for a loop in one output while it arrives."""

    def feed(self, delta: str) -> int | None:
        """Takes the next piece; the position in the whole text where a loop began, or None."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may cost; times in seconds.

    Attributes:
        deadline: from sending a crop to its last token; then the request is cancelled on the wire. PaddleX waits 600 s;
            4096 tokens at 25 tokens a second, what a full GPU leaves one stream, take 164 s.
        silence: without a single byte; a server that was told to stop may hang for ever (seen with vLLM 0.32).
        connect: for a connection.
        attempts: how often a crop is sent before the last error is raised; a time-out counts twice. Refusals for load and
            connections that never came about do not count: they are not the crop's doing.
        pause, longest_pause: the n-th pause before another attempt is drawn from 0 to ``pause * 2**n`` ("full jitter").
        patience: how long to wait when no server is there.
    """

    deadline: float = 300.0
    silence: float = 90.0
    connect: float = 10.0
    attempts: int = 4
    pause: float = 0.25
    longest_pause: float = 10.0
    patience: Patience = field(default_factory=Patience)


class VLLMRecogniser:
    """Reads crops through ``/v1/chat/completions``; a ``Recogniser``. Belongs to the event loop of its first call.

    Any number of callers may wait; what is under way is bounded, and only that holds encoded pictures and connections.

    Args:
        urls: one address or several replicas, with or without ``/v1``.
        model: the served name; default the first that ``/v1/models`` shows, read from each replica.
        key: bearer key.
        watch: makes a loop watch for each attempt.
        limits: times and attempts.
        tokens_field: ``max_completion_tokens``, or ``max_tokens`` for servers that know only that (llama.cpp, MLX).
        most_at_once: upper bound of requests under way at each replica; default what the open files allow. There is no
            need to set it for speed.
        proxy: address of an HTTP proxy; the environment is not asked.

    Raises:
        InvalidRequest: no address, one that is no http address, or a key that cannot be sent.
        MissingExtra: httpx is not installed.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        model: str | None = None,
        key: str | None = None,
        watch: Callable[[Crop], Watch] | None = None,
        limits: Limits | None = None,
        tokens_field: str = "max_completion_tokens",
        most_at_once: int | None = None,
        proxy: str | None = None,
    ) -> None:
        _require_httpx()
        self.urls = tuple(dict.fromkeys(_address(u) for u in ([urls] if isinstance(urls, str) else urls)))
        if not self.urls:
            raise InvalidRequest("No address of a recognition server.", hint="Give one like http://127.0.0.1:8000.")
        if key is not None and not (key.isascii() and key.isprintable()):
            raise InvalidRequest(
                "The server's key holds characters that cannot be sent.", hint="Is there a line end in it?"
            )
        self._model = model
        self._key = key
        self._watch = watch
        self._limits = limits or Limits()
        self._tokens_field = tokens_field
        self._proxy = proxy
        self._replicas = Replicas(
            self.urls,
            probe=self._probe,
            patience=self._limits.patience,
            most=most_at_once or _open_files_allow(len(self.urls)),
        )
        self._clients: dict[str, list[httpx.AsyncClient]] = {}
        self._tls: ssl.SSLContext | None = None
        self._turn = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def under_way(self) -> int:
        """Requests at the servers now."""
        return sum(r.pressure.in_flight for r in self._replicas.all)

    async def recognise(self, crop: Crop, *, temperature: float = 0.0, max_tokens: int = 4096) -> Recognition:
        """The model's output for the crop; waits for its turn first.

        Raises:
            CropRefused, CropTooLong: this crop cannot be read by the server; another crop may.
            ServerError: the server could not be used, retries included.
            InvalidRequest: the recogniser was closed.
        """
        sent, pauses = 0, 0
        avoid: Replica | None = None
        refused_since: float | None = None
        while True:
            place = await self._replicas.enter(avoid=avoid)
            try:
                return await self._attempt(place, crop, temperature=temperature, max_tokens=max_tokens)
            except ServerError as e:
                loop_time = asyncio.get_running_loop().time()
                avoid = place.replica
                if self._closed or not (may_help_again(e) or self._may_help_elsewhere(e)):
                    raise
                if isinstance(e, ServerBusy):
                    refused_since = loop_time if refused_since is None else refused_since
                    if loop_time - refused_since > self._limits.patience.comeback:
                        raise
                elif not _never_sent(e):
                    sent += 2 if isinstance(e, ServerTimeout) else 1
                    if sent >= self._limits.attempts:
                        raise
            longest = min(self._limits.longest_pause, self._limits.pause * 2.0 ** min(pauses, 30))
            pauses += 1
            await asyncio.sleep(random.uniform(0.0, longest))  # noqa: S311 - jitter

    def _may_help_elsewhere(self, error: ServerError) -> bool:
        """Whether the error is about one server of several, or about a name that is read anew from it."""
        if isinstance(error, ServerModelUnknown) and self._model is None:
            return True
        return len(self.urls) > 1 and isinstance(error, ServerIncompatible | ServerModelUnknown | ServerKeyRefused)

    async def _attempt(self, place: Place, crop: Crop, *, temperature: float, max_tokens: int) -> Recognition:
        error: BaseException | None = asyncio.CancelledError()
        try:
            recognition = await self._ask(place, crop, temperature=temperature, max_tokens=max_tokens)
            error = None
        except ServerError as e:
            error = e
            raise
        else:
            return recognition
        finally:
            self._replicas.leave(place, error)

    async def _ask(self, place: Place, crop: Crop, *, temperature: float, max_tokens: int) -> Recognition:
        """One request on the wire, within its deadline.

        Raises:
            ServerError: of every kind.
        """
        import httpx

        url = place.replica.url
        where = f"{crop.name or 'A crop'}: {url}"
        body = self._body(crop, model=place.replica.model, temperature=temperature, max_tokens=max_tokens)
        loop_at = self._watch(crop).feed if self._watch is not None else None
        reply = Reply(where=where, loop_at=loop_at, max_tokens=max_tokens)
        try:
            async with (
                asyncio.timeout(self._limits.deadline),
                self._client(url, place.replica.pressure.in_flight).stream(
                    "POST", "/v1/chat/completions", content=body
                ) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise error_of(response.status_code, await _beginning(response), where=where)
                if "text/event-stream" not in response.headers.get("content-type", ""):
                    raise reply.garbage(await _beginning(response))
                await _gather(response, reply, place, Lines(where=where))
        except TimeoutError as e:
            raise ServerTimeout(
                f"{where} did not finish within {self._limits.deadline:g} s.",
                hint="See whether the server is overloaded.",
            ) from e
        except (httpx.HTTPError, httpx.StreamError) as e:
            raise _broken(e, where, self._limits) from e
        return reply.recognition()

    def _body(self, crop: Crop, *, model: str, temperature: float, max_tokens: int) -> bytes:
        picture = f"data:{crop.media_type};base64,{base64.b64encode(crop.image).decode('ascii')}"
        content = [
            {"type": "image_url", "image_url": {"url": picture}},
            {"type": "text", "text": str(crop.task)},
        ]
        request = {
            "model": model,
            "messages": [{"role": "user", "content": content}],
            "temperature": temperature,
            self._tokens_field: max_tokens,
            "skip_special_tokens": crop.task is not Task.SPOTTING,  # its coordinates are special tokens
            "stream": True,
            "stream_options": {"include_usage": True},
            "logprobs": True,
        }
        return json.dumps(request).encode()

    def _client(self, url: str, in_flight: int = 1) -> httpx.AsyncClient:
        """One of a replica's pools of connections, in turn; more of them the more is under way."""
        if self._closed:
            raise InvalidRequest("The recogniser is closed.")
        clients = self._clients.setdefault(url, [])
        self._turn += 1
        which = self._turn % (1 + min(in_flight, _MOST_POOLS * _PER_POOL - 1) // _PER_POOL)
        while len(clients) <= which:
            clients.append(self._new_client(url))
        return clients[which]

    def _new_client(self, url: str) -> httpx.AsyncClient:
        import httpx

        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)  # 20 ms, once for all pools
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        limits = self._limits
        return httpx.AsyncClient(
            base_url=url,
            headers=headers,
            timeout=httpx.Timeout(limits.silence, connect=limits.connect, pool=None),
            # uvicorn drops an idle connection after 5 s; one that we drop first cannot break under a request
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=3.0),
            proxy=self._proxy,
            trust_env=False,
            verify=self._tls,
        )

    async def _probe(self, replica: Replica) -> str:
        """Whether the server is healthy and knows our key, and the name of its model.

        Raises:
            ServerError: it is not there, refuses us, or serves no such model.
        """
        names = model_names(await self._get(replica.url, "/v1/models"))
        with contextlib.suppress(ServerIncompatible):  # not every server has it; that it shows its models must do then
            await self._get(replica.url, "/health")
        if not names:
            raise ServerIncompatible(
                f"{replica.url} shows no models.", hint="Is this the address of an OpenAI-compatible server?"
            )
        if self._model is not None and self._model not in names:
            shown = ", ".join(n[:80] for n in names[:5])
            raise ServerModelUnknown(
                f"{replica.url} serves no model {self._model!r}, but: {shown}.", hint="Give one of these, or none."
            )
        return self._model or names[0]

    async def _get(self, url: str, path: str) -> bytes:
        import httpx

        where = f"{url}{path}"
        seconds = self._limits.connect
        try:
            async with asyncio.timeout(seconds), self._client(url).stream("GET", path) as response:
                body = await _beginning(response, longest=1 << 20)
        except TimeoutError as e:
            raise ServerTimeout(
                f"{where} did not answer within {seconds:g} s.", hint="Is the server overloaded?"
            ) from e
        except (httpx.HTTPError, httpx.StreamError) as e:
            raise _broken(e, where, self._limits) from e
        if response.status_code != httpx.codes.OK:
            raise error_of(response.status_code, body, where=where)
        return body

    async def close(self) -> None:
        """Ends the connections and every waiting; requests under way end with an error. Idempotent."""
        self._closed = True
        await self._replicas.close()
        while self._clients:
            _, clients = self._clients.popitem()
            for client in clients:
                await client.aclose()


def _never_sent(error: ServerError) -> bool:
    """Whether no connection came about."""
    import httpx

    return isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError)


async def _gather(response: httpx.Response, reply: Reply, place: Place, lines: Lines) -> None:
    stream = response.aiter_bytes()
    async for data in stream:
        for line in lines.feed(data):
            tokens = reply.feed(line)
            if tokens:
                place.flight.tokens(tokens)
            if reply.looped:
                return  # leaving the response unread closes the connection, and the server stops
        if reply.done:
            break
    import httpx

    with contextlib.suppress(TimeoutError, httpx.HTTPError):  # read to its very end, the connection can be used again
        async with asyncio.timeout(_LAST_BYTES):
            async for _ in stream:
                break


async def _beginning(response: httpx.Response, *, longest: int = LONGEST_BODY) -> bytes:
    body = bytearray()
    async for data in response.aiter_bytes():
        body += data
        if len(body) > longest:
            break
    return bytes(body[:longest])


def _broken(error: Exception, where: str, limits: Limits) -> ServerError:
    """Our error for one of httpx's."""
    import httpx

    why = f"{type(error).__name__}{f': {error}' if str(error) else ''}"[:200]
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        return ServerUnreachable(
            f"{where} cannot be reached ({why}).", hint="Is the server running, and the address right?"
        )
    if isinstance(error, httpx.TimeoutException):
        return ServerTimeout(
            f"{where} was silent for {limits.silence:g} s ({why}).",
            hint="See whether the server is overloaded or stuck.",
        )
    if isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol):
        return ServerUnreachable(f"{where} broke off ({why}).", hint="See the server's log.")
    return ServerIncompatible(f"{where} cannot be understood ({why}).", hint="Check the address.")


def _require_httpx() -> None:
    try:
        import httpx  # noqa: F401
    except ImportError as e:
        raise MissingExtra.named("httpx", "vllm") from e


def _address(url: str) -> str:
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


def _open_files_allow(replicas: int) -> int:
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
