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
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

from paperlode.ingest.errors import (
    InvalidRequest,
    ServerBusy,
    ServerError,
    ServerIncompatible,
    ServerKeyRefused,
    ServerModelUnknown,
    ServerTimeout,
)
from paperlode.ingest.vllm.connections import (
    Connections,
    address,
    broken,
    never_sent,
    open_files_allow,
    require_httpx,
)
from paperlode.ingest.vllm.replicas import Patience, Place, Replica, Replicas
from paperlode.ingest.vllm.replies import LONGEST_BODY, Lines, Reply, error_of, may_help_again, model_names
from paperlode.ingest.vllm.values import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import httpx

    from paperlode.ingest.vllm.values import Crop, Recognition

__all__ = ["Limits", "VLLMRecogniser", "Watch"]


_LAST_BYTES = 1.0
"""Seconds for the end of a stream whose content is complete."""


_PICTURE = "<picture>"


class Watch(Protocol):
    """Looks for a loop in one output while it arrives."""

    def feed(self, delta: str) -> int | None:
        """Takes the next piece; the position in the whole text where a loop began, or None."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may cost; times in seconds.

    Attributes:
        deadline: from sending a crop to its last token; then the request is cancelled on the wire. 4096 tokens take 585 s at
            7 tokens a second, which is what a full A100 leaves each of 256 streams (PaddleX waits 600 s). One that hangs
            is given up earlier, by its silence.
        silence: without a single byte; a server that was told to stop may hang for ever (seen with vLLM 0.32).
        connect: for a connection.
        attempts: how often a crop is sent before the last error is raised; a time-out, and what is no answer at all, counts
            twice. Refusals for load and connections that never came about do not count: they are not the crop's doing.
        pause, longest_pause: the n-th pause before another attempt is drawn from 0 to ``pause * 2**n`` ("full jitter").
        patience: how long to wait when no server is there.
    """

    deadline: float = 900.0
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
        most_at_once: upper bound of requests under way at each replica; default what the open files allow. There is no
            need to set it for speed.
        proxy: address of an HTTP proxy; the environment is not asked.
        transport: makes what carries requests, in place of the network; called once for each pool of connections.

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
        most_at_once: int | None = None,
        proxy: str | None = None,
        transport: Callable[[], httpx.AsyncBaseTransport] | None = None,
    ) -> None:
        require_httpx()
        self.urls = tuple(dict.fromkeys(address(u) for u in ([urls] if isinstance(urls, str) else urls)))
        if not self.urls:
            raise InvalidRequest("No address of a recognition server.", hint="Give one like http://127.0.0.1:8000.")
        if key is not None and not (key.isascii() and key.isprintable()):
            raise InvalidRequest(
                "The server's key holds characters that cannot be sent.", hint="Is there a line end in it?"
            )
        self._model = model
        self._watch = watch
        self._limits = limits or Limits()
        self._replicas = Replicas(
            self.urls,
            probe=self._probe,
            patience=self._limits.patience,
            most=most_at_once or open_files_allow(len(self.urls)),
            now=_loop_time,
        )
        self._connections = Connections(
            key=key,
            silence=self._limits.silence,
            connect=self._limits.connect,
            proxy=proxy,
            transport=transport,
        )
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def under_way(self) -> int:
        """Requests at the servers now."""
        return sum(r.pressure.in_flight for r in self._replicas.all)

    @property
    def in_line(self) -> int:
        """Crops that wait for their turn."""
        return self._replicas.in_line

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
                elif not never_sent(e):
                    sent += 2 if isinstance(e, ServerTimeout | ServerIncompatible) else 1
                    if sent >= self._limits.attempts:
                        raise
            longest = min(self._limits.longest_pause, self._limits.pause * 2.0 ** min(pauses, 30))
            pauses += 1
            await asyncio.sleep(random.uniform(0.0, longest))  # noqa: S311 - jitter

    def _may_help_elsewhere(self, error: ServerError) -> bool:
        """Whether the error is about one server of several, about a name that is read anew, or of something in between.

        What is no answer at all comes from a proxy as often as from a server: it is asked for once more.
        """
        if isinstance(error, ServerIncompatible) or (isinstance(error, ServerModelUnknown) and self._model is None):
            return True
        return len(self.urls) > 1 and isinstance(error, ServerModelUnknown | ServerKeyRefused)

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
                self._connections.to(url) as client,
                client.stream("POST", "/v1/chat/completions", content=body) as response,
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
            raise broken(e, where, silence=self._limits.silence) from e
        return reply.recognition()

    def _body(self, crop: Crop, *, model: str, temperature: float, max_tokens: int) -> bytes:
        picture = b"data:%s;base64,%s" % (crop.media_type.encode(), base64.b64encode(crop.image))
        request = {
            "model": model,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": _PICTURE}},
                        {"type": "text", "text": str(crop.task)},
                    ],
                }
            ],
            "temperature": temperature,
            "max_completion_tokens": max_tokens,
            "max_tokens": max_tokens,  # its old name, the only one that llama.cpp and MLX know
            "skip_special_tokens": crop.task is not Task.SPOTTING,  # its coordinates are special tokens
            "stream": True,
            "stream_options": {"include_usage": True},
            "logprobs": True,
        }
        # a picture as base64 needs no escapes: looking for them is a tenth of a request's work
        before, after = json.dumps(request).encode().split(_PICTURE.encode(), 1)
        return b"".join((before, picture, after))

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
            async with (
                asyncio.timeout(seconds),
                self._connections.to(url) as client,
                client.stream("GET", path) as response,
            ):
                body = await _beginning(response, longest=1 << 20)
        except TimeoutError as e:
            raise ServerTimeout(
                f"{where} did not answer within {seconds:g} s.", hint="Is the server overloaded?"
            ) from e
        except (httpx.HTTPError, httpx.StreamError) as e:
            raise broken(e, where, silence=self._limits.silence) from e
        if response.status_code != httpx.codes.OK:
            raise error_of(response.status_code, body, where=where)
        return body

    async def close(self) -> None:
        """Ends the connections and every waiting; requests under way end with an error. Idempotent."""
        self._closed = True
        await self._replicas.close()
        await self._connections.close()


def _loop_time() -> float:
    """Seconds of the running event loop's clock: the one its time-outs go by, monotonic outside it."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()


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
