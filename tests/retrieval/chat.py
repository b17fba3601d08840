"""Language models for tests: one that answers from a list, and a server with OpenAI's ``/v1/chat/completions``."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from llama_index.core.llms import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseGen,
    CustomLLM,
    LLMMetadata,
    MessageRole,
)
from pydantic import PrivateAttr

__all__ = ["ChatServer", "ScriptedLLM"]


class ScriptedLLM(CustomLLM):
    """Says what it is told to say, a few characters at a time, and keeps what it was asked.

    Args:
        replies: one an answer, in turn; the last one again.
    """

    context: int = 8192
    _replies: list[str] = PrivateAttr()
    _asked: list[list[ChatMessage]] = PrivateAttr()
    _given: list[str] = PrivateAttr()
    _ended: list[str] = PrivateAttr()

    def __init__(self, *replies: str, context: int = 8192) -> None:
        super().__init__(context=context)
        self._replies = list(replies)
        self._asked, self._given, self._ended = [], [], []

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(context_window=self.context, num_output=200, is_chat_model=True, model_name="scripted")

    @property
    def asked(self) -> list[str]:
        """The last message of each request."""
        return [str(messages[-1].content) for messages in self._asked]

    @property
    def given(self) -> str:
        """What was said so far, of all answers."""
        return "".join(self._given)

    @property
    def ended(self) -> list[str]:
        """How each stream ended: ``done`` or ``closed``."""
        return self._ended

    def _reply(self, messages: list[ChatMessage]) -> str:
        self._asked.append(list(messages))
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    def stream_chat(self, messages: Any, **_: Any) -> ChatResponseGen:
        reply = self._reply(messages)

        def pieces() -> ChatResponseGen:
            said, how = "", "closed"
            try:
                for i in range(0, len(reply), 7):
                    said += reply[i : i + 7]
                    self._given.append(reply[i : i + 7])
                    message = ChatMessage(role=MessageRole.ASSISTANT, content=said)
                    yield ChatResponse(message=message, delta=reply[i : i + 7])
                how = "done"
            finally:
                self._ended.append(how)

        return pieces()

    async def astream_chat(self, messages: Any, **_: Any) -> ChatResponseAsyncGen:
        inner = self.stream_chat(messages)

        async def pieces() -> ChatResponseAsyncGen:
            try:
                for piece in inner:
                    yield piece
            finally:
                inner.close()

        return pieces()

    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        raise NotImplementedError

    def stream_complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponseGen:
        raise NotImplementedError


class ChatServer:
    """A STAND-IN for a model server, on a loopback socket.

    Args:
        reply: streamed word by word. pause: seconds between words.
        status: of the answer, with ``{"error": {"message": ...}}`` where it is not 200.
        key: that it wants.
    """

    def __init__(self, reply: str = "", *, pause: float = 0.0, status: int = 200, key: str = "") -> None:
        self.bodies: list[dict[str, Any]] = []
        self.words_sent = 0
        self.gone = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                outer.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                if key and self.headers.get("authorization") != f"Bearer {key}":
                    self._say(401, {"error": {"message": "wrong key"}})
                elif self.path != "/v1/chat/completions":
                    self._say(404, {"error": {"message": "no such path"}})
                elif status != 200:
                    self._say(status, {"error": {"message": "it says no"}})
                else:
                    self._stream()

            def _say(self, code: int, value: Any) -> None:
                body = json.dumps(value).encode()
                self.send_response(code)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _stream(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                try:
                    for word in reply.split(" "):
                        self._event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": f"{word} "}}]})
                        outer.words_sent += 1
                        time.sleep(pause)
                    self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
                    self.wfile.write(b"data: [DONE]\n\n")
                except OSError:
                    outer.gone.set()
                self.close_connection = True

            def _event(self, value: dict[str, Any]) -> None:
                head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
                self.wfile.write(f"data: {json.dumps(head | value)}\n\n".encode())
                self.wfile.flush()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._server.shutdown()
            self._server.server_close()
        self._thread.join()
