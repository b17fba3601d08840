"""A STAND-IN for a server with OpenAI's paths, for tests only.

It has ``/v1/models``, ``/v1/embeddings``, and vLLM's ``/tokenize``, ``/v1/score`` and ``/v1/rerank``. Its vectors are
hashes of words, a score is the share of the question's words in the text, a token is a word, with two special ones
around a text. A thread on a loopback socket.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ModelServer"]

DIMENSIONS = 16


def vector_of(text: str) -> list[float]:
    """The sum of its words' directions, not of unit length."""
    out = [0.01] * DIMENSIONS
    for word in text.lower().split():
        out[hashlib.sha256(word.strip(".,?").encode()).digest()[0] % DIMENSIONS] += 1
    return out


def score_of(question: str, text: str) -> float:
    """The share of the question's words that are in the text."""
    words = set(question.lower().split())
    return len(words & set(text.lower().split())) / len(words)


class ModelServer:
    """The server.

    Args:
        model: name it serves.
        length: tokens it reads; a longer text is refused.
        key: bearer key it wants.
        lacks: paths that it does not have.
        fault: (status, headers) to answer a request with in place of an answer, or None; called with path and number.
        delay: seconds before each answer.
        answer: changes what is answered.

    Attributes:
        asked: path, body and headers of every request.
        most: requests that ran at the same time at most.
    """

    def __init__(
        self,
        *,
        model: str = "tiny",
        length: int = 128,
        key: str | None = None,
        lacks: tuple[str, ...] = (),
        fault: Callable[[str, int], tuple[int, dict[str, str]] | None] = lambda *_: None,
        delay: float = 0.0,
        answer: Callable[[str, Any], Any] = lambda _, value: value,
    ) -> None:
        self.model, self.length, self.key, self.lacks = model, length, key, lacks
        self.fault, self.delay, self.answer = fault, delay, answer
        self.asked: list[tuple[str, Any, dict[str, str]]] = []
        self.most = self.running = 0
        self._lock = threading.Lock()

    def paths(self) -> list[str]:
        """Of the requests, in order."""
        return [path for path, _, _ in self.asked]

    def texts(self) -> list[str]:
        """All texts that were to be embedded."""
        return [text for path, body, _ in self.asked if path == "/v1/embeddings" for text in body["input"]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        served = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._handle(None)

            def do_POST(self) -> None:
                self._handle(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _handle(self, body: Any) -> None:
                with served._lock:
                    served.asked.append((self.path, body, dict(self.headers)))
                    number = len(served.asked)
                    served.running += 1
                    served.most = max(served.most, served.running)
                try:
                    time.sleep(served.delay)
                    status, value, headers = served._serve(self.path, body, number, self.headers.get("Authorization"))
                finally:
                    with served._lock:
                        served.running -= 1
                data = value.encode() if isinstance(value, str) else json.dumps(value).encode()
                self.send_response(status)
                for name, held in headers.items():
                    self.send_header(name, held)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, path: str, body: Any, number: int, auth: str | None) -> tuple[int, Any, dict[str, str]]:
        if fault := self.fault(path, number):
            return fault[0], {"error": {"message": "as the test wants it"}}, fault[1]
        if self.key and auth != f"Bearer {self.key}":
            return 401, {"error": f"Unauthorized: {auth}"}, {}
        if path in self.lacks:
            return 404, {"detail": "Not Found"}, {}
        if path == "/v1/models":
            data = [{"id": self.model, "object": "model", "max_model_len": self.length}]
            return 200, self.answer(path, {"object": "list", "data": data}), {}
        if body["model"] != self.model:
            return 404, {"error": {"message": f"The model `{body['model']}` does not exist.", "code": 404}}, {}
        make = {
            "/v1/embeddings": self._embed,
            "/tokenize": self._tokenize,
            "/v1/score": self._score,
            "/v1/rerank": self._rerank,
        }.get(path)
        if make is None:
            return 404, {"detail": "Not Found"}, {}
        status, value = make(body)
        return status, self.answer(path, value) if status == 200 else value, {}

    def _tokens(self, text: str) -> int:
        return len(text.split()) + 2

    def _too_long(self, texts: list[str]) -> bool:
        return any(self._tokens(t) > self.length for t in texts)

    def _embed(self, body: Any) -> tuple[int, Any]:
        texts = body["input"]
        if self._too_long(texts):
            return 400, {"error": {"message": f"maximum context length is {self.length} tokens", "code": 400}}
        data = [{"index": i, "embedding": vector_of(t)} for i, t in enumerate(texts)]
        return 200, {"data": data[::-1]}  # nothing promises their order

    def _tokenize(self, body: Any) -> tuple[int, Any]:
        return 200, {"count": self._tokens(body["prompt"]), "max_model_len": self.length}

    def _score(self, body: Any) -> tuple[int, Any]:
        texts = body["text_2"]
        if self._too_long([f"{body['text_1']} {t}" for t in texts]):
            return 400, {"error": {"message": f"maximum context length is {self.length} tokens", "code": 400}}
        data = [{"index": i, "score": score_of(body["text_1"], t)} for i, t in enumerate(texts)]
        return 200, {"data": data}

    def _rerank(self, body: Any) -> tuple[int, Any]:
        results = [{"index": i, "relevance_score": score_of(body["query"], t)} for i, t in enumerate(body["documents"])]
        return 200, {"results": sorted(results, key=lambda r: -r["relevance_score"])}
