"""A SIMULATED vLLM server behind httpx's transport: real bytes of the wire format, from a GPU that only passes time.

``/v1/chat/completions`` streams server-sent events with the log-probability of every token, as vLLM does; the picture's
last 8 bytes say which crop it is. Closing the stream frees its slot. An address stands for one engine, or for several with
a balancer in front that gives each request to the least loaded. One millisecond lies between client and server.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections import deque
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx

from .engine import PUBLISHED, Card, Engine, Job
from .work import LONGEST_OUTPUT, STUCK, Fault, Piece

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from .work import Work

__all__ = ["MODEL", "SimulatedServers", "one_address", "output_of"]

MODEL = "PaddleOCR-VL-0.9B"
WIRE = 0.001
_LOOP = 10
"""Tokens of a loop's unit."""
_VOCABULARY = 4096


def output_of(piece: Piece, *, temperature: float = 0.0, most: int = LONGEST_OUTPUT) -> tuple[int, bool]:
    """Tokens of the answer, and whether the model itself ends it."""
    endless = piece.fault is Fault.LONG or (piece.fault is Fault.LOOP and temperature == 0)
    tokens = LONGEST_OUTPUT if endless else piece.tokens
    return min(tokens, most), not endless and tokens <= most


def one_address(replicas: int, card: Card = PUBLISHED) -> dict[str, list[Card]]:
    """One address with that many replicas behind it."""
    return {"http://balancer:8000": [card] * replicas}


class SimulatedServers(httpx.AsyncBaseTransport):
    """All addresses of one run; ``transport`` gives the client what carries its requests.

    Args:
        work: whose crops are asked for.
        addresses: the replicas behind each.
        queue: crops that may wait at an address beyond its slots, before it answers 503; None for no bound, as vLLM.
    """

    def __init__(self, work: Work, addresses: Mapping[str, Sequence[Card]], *, queue: int | None = None) -> None:
        self._work = work
        self._loop = asyncio.get_running_loop()
        self.engines = {httpx.URL(url).host: [Engine(c) for c in cards] for url, cards in addresses.items()}
        self._most = {
            host: None if queue is None else queue + sum(e.card.slots for e in engines)
            for host, engines in self.engines.items()
        }
        self.refused = 0

    @property
    def work(self) -> float:
        """``Engine.work`` of all engines."""
        return sum(e.work for engines in self.engines.values() for e in engines)

    def transport(self) -> httpx.AsyncBaseTransport:
        """For each pool of connections; they share the servers."""
        return self

    def submit(self, host: str, piece: Piece, tokens: int, wrote: Callable[[int], None]) -> tuple[Engine, Job]:
        """Gives the crop to the least loaded engine of an address."""
        engine = min(self.engines[host], key=lambda e: e.load)
        job = Job(piece.prompt, tokens, wrote)
        engine.add(job)
        return engine, job

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer; its stream runs on while it is read."""
        await asyncio.sleep(WIRE)
        path, host = request.url.path, request.url.host
        if path == "/health":
            return httpx.Response(200)
        if path == "/v1/models":
            return httpx.Response(200, json={"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        body = json.loads(await request.aread())
        url = body["messages"][0]["content"][0]["image_url"]["url"]
        piece = self._work.pieces[int.from_bytes(base64.b64decode(url.partition(",")[2])[-8:], "big")]
        most = self._most[host]
        if most is not None and sum(e.load for e in self.engines[host]) >= most:
            self.refused += 1
            return _refused(503, "The engine queue is full.", "Service Unavailable")
        if piece.fault is Fault.FAIL:
            await asyncio.sleep(0.1)
            return _refused(500, "EngineCore encountered an issue.", "InternalServerError")
        read = request.extensions.get("timeout", {}).get("read")
        stream = _Answer(self, host, piece, body, read)
        return httpx.Response(200, headers={"content-type": "text/event-stream; charset=utf-8"}, stream=stream)


class _Answer(httpx.AsyncByteStream):
    """One stream of events.

    Args:
        servers, host, piece: who answers what.
        body: of the request.
        silence: seconds without a byte after which the reader gets ``httpx.ReadTimeout``.
    """

    def __init__(
        self, servers: SimulatedServers, host: str, piece: Piece, body: dict[str, Any], silence: float | None
    ) -> None:
        self._silence = silence
        self._tokens, self._ends = output_of(piece, temperature=body["temperature"], most=body["max_completion_tokens"])
        self._loops = piece.fault is Fault.LOOP and body["temperature"] == 0
        self._at = 16 * random.Random(piece.number).randrange(_VOCABULARY // 16)
        self._sent = 0
        self._ready: deque[bytes] = deque((_ROLE,))
        self._reader: asyncio.Future[None] | None = None
        self._left: Callable[[], None] | None = None
        self._loop = asyncio.get_running_loop()
        if piece.fault is Fault.STUCK:
            handle = self._loop.call_later(STUCK, self._begin, servers, host, piece)
            self._left = handle.cancel
        else:
            self._begin(servers, host, piece)

    def _begin(self, servers: SimulatedServers, host: str, piece: Piece) -> None:
        engine, job = servers.submit(host, piece, self._tokens, self._wrote)
        self._left = lambda: engine.cancel(job)

    def _wrote(self, tokens: int) -> None:
        at, n = self._sent, tokens - self._sent
        self._sent = tokens
        if self._loops:
            self._ready.append(
                _event(self._at + at % _LOOP, min(n, _LOOP)) if n <= _LOOP else _looping(self._at, at, n)
            )
        else:
            self._ready.append(_event((self._at + at) % _VOCABULARY, n))
        if tokens == self._tokens:
            self._ready.append(_end(self._tokens, ends=self._ends))
        self._loop.call_later(WIRE, self._wake)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _late(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_exception(httpx.ReadTimeout("silent"))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._ready:
                data = self._ready.popleft()
                yield data
                if data.endswith(_DONE):
                    return
            self._reader = self._loop.create_future()
            late = self._loop.call_later(self._silence, self._late) if self._silence else None
            try:
                await self._reader
            finally:
                if late is not None:
                    late.cancel()

    async def aclose(self) -> None:
        if self._left is not None:
            self._left()
            self._left = None


# ------------------------------------------------------------------------------------------------------------ bytes


def _words() -> list[str]:
    draw = random.Random(7)
    return ["".join(draw.choices("aeioulnrstdmcp", k=draw.randint(2, 6))) + " " for _ in range(_VOCABULARY)]


_WORDS = _words()
_HEAD = f'data: {{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"{MODEL}","choices":['
_DONE = b"data: [DONE]\n\n"
_ROLE = (
    _HEAD + '{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}\n\n'
).encode()


@cache
def _event(at: int, n: int) -> bytes:
    """The event with ``n`` tokens from that place of the text."""
    return _with([_WORDS[(at + i) % _VOCABULARY] for i in range(n)])


def _looping(at: int, begin: int, n: int) -> bytes:
    return _with([_WORDS[(at + (begin + i) % _LOOP) % _VOCABULARY] for i in range(n)])


def _with(words: list[str]) -> bytes:
    tokens = [
        {"token": w, "logprob": -0.05 * (len(w) % 4), "bytes": list(w.encode()), "top_logprobs": []} for w in words
    ]
    choice = {"index": 0, "delta": {"content": "".join(words)}, "logprobs": {"content": tokens}, "finish_reason": None}
    return (_HEAD + json.dumps(choice) + "]}\n\n").encode()


@cache
def _end(tokens: int, *, ends: bool) -> bytes:
    reason = "stop" if ends else "length"
    last = f'{{"index":0,"delta":{{"content":""}},"logprobs":null,"finish_reason":"{reason}"}}]}}\n\n'
    usage = f'],"usage":{{"prompt_tokens":1,"total_tokens":{tokens + 1},"completion_tokens":{tokens}}}}}\n\n'
    return (_HEAD + last + _HEAD + usage).encode() + _DONE


def _refused(status: int, message: str, kind: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"message": message, "type": kind, "param": None, "code": status}})
