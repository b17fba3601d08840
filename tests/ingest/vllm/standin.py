"""A STAND-IN for a recognition server, for tests only: it speaks vLLM's wire format and recognises nothing.

What is like vLLM 0.32: the paths ``/v1/models``, ``/v1/chat/completions``, ``/health`` and ``/metrics``, the bearer key, the
shape of error bodies, the stream of server-sent events with one token each, its log-probabilities, the closing piece with
``finish_reason``, the usage, and ``[DONE]``. What is not: every answer comes from the function it is given; a token is
a piece of three characters; log-probabilities are made up; nothing is batched. Plain asyncio on a loopback socket.

    async with StandIn(lambda asked: "text") as server:
        server.url; server.fault = ...; await server.stop(); await server.start()
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Asked", "Fault", "StandIn", "pieces", "serving"]

MODEL = "PaddleOCR-VL-0.9B"


class Fault(StrEnum):
    BUSY = "busy"  # 503
    FAILED = "failed"  # 500
    KEY = "key"  # 401
    HANG = "hang"  # takes the request and never answers
    HANG_INSIDE = "hang inside"  # stops in the middle of its answer
    CUT = "cut"  # drops the connection in the middle of its answer
    LOOP = "loop"  # repeats the last line until it is cut off
    GARBAGE = "garbage"  # 200 with something else
    ABORT = "abort"  # an error inside the stream
    REFUSED = "refused"  # 400: the picture


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as the server understood it."""

    image: bytes
    media_type: str
    prompt: str
    body: dict[str, Any]
    headers: dict[str, str]


def pieces(text: str) -> list[str]:
    """The tokens of the stand-in."""
    return [text[i : i + 3] for i in range(0, len(text), 3)]


class StandIn:
    """The server.

    Args:
        answer: the text for each crop.
        fault: what goes wrong with a request, or None; called once for each.
        latency: seconds before the first token.
        per_token: seconds between tokens.
        slots: requests that run at once; more of them queue. None for no bound.
        key: bearer key it wants.
        model: name it serves.
    """

    def __init__(
        self,
        answer: Callable[[Asked], str],
        *,
        fault: Callable[[Asked], Fault | None] = lambda _: None,
        latency: float = 0.0,
        per_token: float = 0.0,
        slots: int | None = None,
        key: str | None = None,
        model: str = MODEL,
        port: int = 0,
    ) -> None:
        self.answer, self.fault, self.latency, self.per_token = answer, fault, latency, per_token
        self.key, self.model, self.port = key, model, port
        self.asked: list[Asked] = []
        self.served = 0
        """Requests answered to their end."""
        self.disconnects = 0
        """Requests whose client went away first."""
        self.running = 0
        self.most_running = 0
        self.connections = 0
        self._slots = asyncio.Semaphore(slots or 10**9)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens; on the same port as before when it was stopped."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, limit=64 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """As if killed: connections break where they are."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for t in list(self._tasks):
            t.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ------------------------------------------------------------------------------------------------------- wire

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:  # accepted in the moment it was stopped
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection may be used again."""
        head = await reader.readuntil(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in rest if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if path.startswith("/v1/") and self.key and headers.get("authorization") != f"Bearer {self.key}":
            return await _json(writer, 401, {"error": "Unauthorized"})
        if path == "/health":
            return await _plain(writer, 200, b"", "text/plain")
        if path == "/metrics":
            lines = f'vllm:num_requests_running{{model_name="{self.model}"}} {float(self.running)}\n'
            return await _plain(writer, 200, lines.encode(), "text/plain; version=0.0.4")
        if path == "/v1/models":
            data = [{"id": self.model, "object": "model", "owned_by": "stand-in", "max_model_len": 16384}]
            return await _json(writer, 200, {"object": "list", "data": data})
        if path != "/v1/chat/completions":
            return await _json(writer, 404, {"detail": "Not Found"})
        if method != "POST":
            return await _json(writer, 405, {"detail": "Method Not Allowed"})
        return await self._watched(reader, writer, json.loads(body), headers)

    async def _watched(self, reader, writer, body: dict[str, Any], headers: dict[str, str]) -> bool:
        """Answers, and stops when the client goes away, as vLLM does."""
        work = asyncio.ensure_future(self._complete(writer, body, headers))
        gone = asyncio.ensure_future(reader.read(1))  # a client that waits sends nothing: this ends when it leaves
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() or isinstance(work.exception(), ConnectionError):
                self.disconnects += 1
                return False
            return work.result() and not gone.done()
        finally:
            for t in (work, gone):
                t.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)

    async def _complete(self, writer: asyncio.StreamWriter, body: dict[str, Any], headers: dict[str, str]) -> bool:
        if body.get("model") != self.model:
            return await _refuse(
                writer, 404, f"The model `{body.get('model')}` does not exist.", "NotFoundError", "model"
            )
        asked = _asked(body, headers)
        self.asked.append(asked)
        fault = self.fault(asked)
        if fault is Fault.BUSY:
            return await _refuse(writer, 503, "The engine is currently busy.", "Service Unavailable")
        if fault is Fault.KEY:
            return await _json(writer, 401, {"error": "Unauthorized"})
        if fault is Fault.REFUSED:
            return await _refuse(writer, 400, "Failed to load image: cannot identify image file", "BadRequestError")
        if fault is Fault.GARBAGE:
            return await _plain(writer, 200, b"<html>Welcome to the hotel network</html>", "text/html")
        async with self._slots:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            try:
                await asyncio.sleep(self.latency)
                if fault is Fault.HANG:
                    await asyncio.Event().wait()
                if fault is Fault.FAILED:
                    return await _refuse(writer, 500, "EngineCore encountered an issue.", "InternalServerError")
                again = await self._stream(writer, asked, fault)
                self.served += fault is None
                return again
            finally:
                self.running -= 1

    async def _stream(self, writer: asyncio.StreamWriter, asked: Asked, fault: Fault | None) -> bool:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        tokens = pieces(self.answer(asked))
        most = asked.body.get("max_completion_tokens") or asked.body.get("max_tokens") or 10**6
        if fault is Fault.LOOP:
            tokens += pieces("and again\n") * 10**4
        sent = tokens[:most]
        await self._event(writer, _choice({"role": "assistant", "content": ""}))
        for i, token in enumerate(sent):
            if i >= len(sent) // 2 and fault in {Fault.CUT, Fault.HANG_INSIDE, Fault.ABORT}:
                return await self._break(writer, fault)
            if self.per_token or fault is Fault.LOOP:
                await asyncio.sleep(self.per_token)
            await self._event(writer, _choice({"content": token}, -0.1 * (i % 3)))
        reason = "length" if len(tokens) > most else "stop"
        await self._event(writer, _choice({"content": ""}, -5.0, reason=reason))
        if (asked.body.get("stream_options") or {}).get("include_usage"):
            await self._event(writer, {"choices": [], "usage": {"completion_tokens": len(sent)}})
        await _chunk(writer, b"data: [DONE]\n\n")
        await _chunk(writer, b"")
        return True

    async def _break(self, writer: asyncio.StreamWriter, fault: Fault | None) -> bool:
        if fault is Fault.HANG_INSIDE:
            await asyncio.Event().wait()
        if fault is Fault.ABORT:
            error = {"message": "EngineCore encountered an issue.", "type": "InternalServerError", "code": 500}
            await _chunk(writer, b"data: " + json.dumps({"error": error}).encode() + b"\n\ndata: [DONE]\n\n")
            await _chunk(writer, b"")
        return False

    async def _event(self, writer: asyncio.StreamWriter, value: dict[str, Any]) -> None:
        value = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": self.model, **value}
        await _chunk(writer, b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n")


@contextlib.contextmanager
def serving(answer: Callable[[Asked], str], **options: Any) -> Iterator[tuple[StandIn, Callable[[Any], Any]]]:
    """A stand-in with these options in a thread of its own, and a way to run its coroutines."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    async def made() -> StandIn:
        server = StandIn(answer, **options)
        await server.start()
        return server

    server = run(made())
    try:
        yield server, run
    finally:
        run(server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _asked(body: dict[str, Any], headers: dict[str, str]) -> Asked:
    picture, prompt = body["messages"][0]["content"]
    head, _, data = picture["image_url"]["url"].partition(";base64,")
    return Asked(base64.b64decode(data, validate=True), head.removeprefix("data:"), prompt["text"], body, headers)


def _choice(delta: dict[str, str], logprob: float | None = None, reason: str | None = None) -> dict[str, Any]:
    token = {"token": delta["content"], "logprob": logprob, "bytes": None, "top_logprobs": []}
    logprobs = None if logprob is None else {"content": [token]}
    return {"choices": [{"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}]}


async def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))
    await writer.drain()


async def _refuse(writer: asyncio.StreamWriter, status: int, message: str, kind: str, param: str | None = None) -> bool:
    return await _json(writer, status, {"error": {"message": message, "type": kind, "param": param, "code": status}})


async def _json(writer: asyncio.StreamWriter, status: int, value: Any) -> bool:
    return await _plain(writer, status, json.dumps(value).encode(), "application/json")


async def _plain(writer: asyncio.StreamWriter, status: int, body: bytes, kind: str) -> bool:
    head = f"HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    return True
