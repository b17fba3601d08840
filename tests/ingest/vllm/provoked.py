"""How each recorded refusal of vLLM is provoked again, and which of our errors it must become.

Three servers do for all of them: ``plain`` with our flags alone; ``strict`` with ``STRICT``; ``embedding`` with
``EMBEDDING``, which serves vectors instead of text.
"""

from __future__ import annotations

import base64
import io
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import (
    CropRefused,
    CropTooLong,
    ServerBusy,
    ServerError,
    ServerFailed,
    ServerIncompatible,
    ServerKeyRefused,
    ServerModelUnknown,
    ServerRequestRefused,
)
from paperlode.ingest.vllm.replies import error_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    import psutil

__all__ = ["EMBEDDING", "KEY", "PLAIN", "PROVOKED", "STRICT", "Asking", "Provoked", "data_url", "difference", "picture"]

KEY = "a-key-for-tests"
CONTEXT = 8_192
STRICT = ("--max-num-queued-reqs", "1", "--max-model-len", str(CONTEXT))
"""Flags beside the key, which stands in VLLM_API_KEY."""
EMBEDDING = ("--runner", "pooling", "--convert", "embed", "--max-model-len", "4096")
RECORDED = Path(__file__).parent / "errors"


def picture(width: int = 280, height: int = 56, *, grey: int = 255) -> bytes:
    """A PNG of one grey; both sides had better be multiples of 28."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (grey, grey, grey)).save(buffer, "PNG")
    return buffer.getvalue()


def data_url(image: bytes) -> str:
    """As the wire has it."""
    return "data:image/png;base64," + base64.b64encode(image).decode()


@dataclass(frozen=True)
class Asking:
    """Asks a server as no client of ours would.

    Attributes:
        url: of the server.
        key: bearer key.
        worker: the process that computes, where it is to be killed.
    """

    url: str
    key: str | None = None
    worker: psutil.Process | None = None

    def send(self, method: str, path: str, *, key: str | None = "", **options: Any) -> httpx.Response:
        """One request on a connection of its own; ``key=None`` sends none, and an empty one the right one."""
        import httpx

        with httpx.Client(base_url=self.url, timeout=120, trust_env=False) as client:
            return client.request(method, path, **options, headers=self._headers(key))

    def chat(self, *urls: str, text: str = "OCR:", key: str | None = "", **options: Any) -> httpx.Response:
        """A chat completion with those pictures."""
        return self.send("POST", "/v1/chat/completions", key=key, json=self.body(*urls, text=text) | options)

    def body(self, *urls: str, text: str = "OCR:") -> dict[str, Any]:
        """Of a chat completion."""
        parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        content = [*parts, {"type": "text", "text": text}]
        return {"model": self.model, "messages": [{"role": "user", "content": content}], "max_completion_tokens": 8}

    @property
    def model(self) -> str:
        """The name that the server shows."""
        return str(self.send("GET", "/v1/models").json()["data"][0]["id"])

    def _headers(self, key: str | None) -> dict[str, str]:
        chosen = self.key if key == "" else key
        return {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {chosen}"} if chosen else {})


@dataclass(frozen=True)
class Provoked:
    """One row.

    Attributes:
        error: what it must become.
        server: ``plain``, ``strict`` or ``embedding``.
        how: asks for it, and returns the refusal.
    """

    error: type[ServerError]
    server: str
    how: Callable[[Asking], httpx.Response]


def _chat_with(**options: Any) -> Callable[[Asking], httpx.Response]:
    return lambda s: s.chat(data_url(picture()), **options)


def _chat_about(url: str) -> Callable[[Asking], httpx.Response]:
    return lambda s: s.chat(url)


def _post(path: str, **options: Any) -> Callable[[Asking], httpx.Response]:
    return lambda s: s.send("POST", path, **options)


def _among_many(s: Asking) -> httpx.Response:
    """Eight requests at once, where the queue holds one: the first that was refused."""
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: s.chat(data_url(picture()), **_LONG), range(8)))
    assert {a.status_code for a in answers} >= {200, 503}, [a.text[:200] for a in answers]
    return next(a for a in answers if a.status_code != 200)


def _while_killed(s: Asking) -> httpx.Response:
    """The worker is killed under a request: stopped before it is asked, so that it cannot answer first, then killed.

    On a busy machine a whole answer was seen to come before this thread had its turn to kill a running worker.
    """
    with ThreadPoolExecutor(1) as thread:
        s.worker.suspend()
        asked = thread.submit(s.chat, data_url(picture()), **_LONG)
        time.sleep(2.0)  # on its way to the worker; one that came later would meet the same dead engine
        assert not asked.done(), f"answered by a stopped worker: {asked.result().text[:200]}"
        s.worker.kill()
        return asked.result()


_CHAT = "/v1/chat/completions"
_LONG: dict[str, Any] = {"max_completion_tokens": 500, "ignore_eos": True}
_PNG = picture(280, 280)
PLAIN = {
    "aspect_1x300": Provoked(CropRefused, "plain", _chat_about(data_url(picture(9_000, 28)))),
    "bad_base64": Provoked(CropRefused, "plain", _chat_about("data:image/png;base64,@@@@")),
    "context_overflow_prompt": Provoked(CropTooLong, "plain", _chat_with(text="0 1 2 " * 8_000)),
    "embeddings_on_generate": Provoked(
        ServerIncompatible, "plain", _post("/v1/embeddings", json={"model": "m", "input": "x"})
    ),
    "empty_image": Provoked(CropRefused, "plain", _chat_about("data:image/png;base64,")),
    "empty_messages": Provoked(ServerRequestRefused, "plain", _chat_with(messages=[])),
    "file_url": Provoked(ServerRequestRefused, "plain", _chat_about("file:///etc/hostname")),
    "http_image_unreachable": Provoked(CropRefused, "plain", _chat_about("http://127.0.0.1:9/picture.png")),
    "invalid_json": Provoked(ServerRequestRefused, "plain", _post(_CHAT, content=b"{not json")),
    "max_tokens_too_big": Provoked(
        ServerRequestRefused, "plain", _chat_with(max_tokens=1_000_000, max_completion_tokens=None)
    ),
    "max_tokens_zero": Provoked(ServerRequestRefused, "plain", _chat_with(max_tokens=0, max_completion_tokens=None)),
    "method_get_on_chat": Provoked(ServerIncompatible, "plain", lambda s: s.send("GET", _CHAT)),
    "missing_messages": Provoked(ServerRequestRefused, "plain", _post(_CHAT, json={"model": "m"})),
    "mm_processor_kwargs_disabled": Provoked(
        ServerRequestRefused, "plain", _chat_with(mm_processor_kwargs={"max_pixels": 112_896})
    ),
    "not_an_image": Provoked(CropRefused, "plain", _chat_about(data_url(b"this is no picture"))),
    "not_found": Provoked(ServerIncompatible, "plain", lambda s: s.send("GET", "/v1/nothing")),
    "render_disabled_403": Provoked(
        ServerKeyRefused, "plain", lambda s: s.send("POST", f"{_CHAT}/render", json=s.body())
    ),
    "temperature_negative": Provoked(ServerRequestRefused, "plain", _chat_with(temperature=-1.0)),
    "truncated_png": Provoked(CropRefused, "plain", _chat_about(data_url(_PNG[: len(_PNG) // 2]))),
    "two_images_limit_1": Provoked(ServerRequestRefused, "plain", lambda s: s.chat(*[data_url(picture())] * 2)),
    "unknown_model": Provoked(ServerModelUnknown, "plain", _chat_with(model="nope")),
}
OTHERS = {
    "no_api_key_401": Provoked(ServerKeyRefused, "strict", lambda s: s.send("GET", "/v1/models", key=None)),
    "wrong_api_key_401": Provoked(ServerKeyRefused, "strict", lambda s: s.send("GET", "/v1/models", key="wrong")),
    "text_context_overflow_small": Provoked(CropTooLong, "strict", lambda s: s.chat(text="0 1 2 " * 4_000)),
    "image_context_overflow": Provoked(
        CropTooLong, "strict", lambda s: s.chat(data_url(picture(1_400, 700)), text="0 1 2 " * 2_500)
    ),
    "overloaded_503": Provoked(ServerBusy, "strict", _among_many),
    "engine_dead_inflight": Provoked(ServerFailed, "strict", _while_killed),  # the last: nothing answers afterwards
    "embeddings_too_long": Provoked(
        CropTooLong,
        "embedding",
        lambda s: s.send("POST", "/v1/embeddings", json={"model": s.model, "input": "0 1 2 " * 2_000}),
    ),
}
PROVOKED = PLAIN | OTHERS
"""By the name of the recording, in the order in which a server can be asked for them."""


def difference(name: str, answer: httpx.Response) -> str:
    """What is not as recorded, or not as it must be; empty when all is.

    Compared are the status, the shape of the body with type and parameter, and the error that it becomes.
    """
    recorded = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    was, now = recorded["body"], answer.json()
    error = error_of(answer.status_code, answer.content, where=name)
    pairs = [
        ("status", recorded["status"], answer.status_code),
        ("body", sorted(was), sorted(now)),
        ("error", PROVOKED[name].error.__name__, type(error).__name__),
    ]
    if isinstance(was.get("error"), dict):
        told = now.get("error") or {}
        pairs += [(k, was["error"][k], told.get(k)) for k in ("type", "param", "code")]
    else:
        pairs.append(("body", was, now))
    found = [f"{what}: {expected!r} expected, {got!r} came" for what, expected, got in pairs if expected != got]
    return "; ".join([*found, f"body: {answer.text[:600]}"]) if found else ""
