"""What a recognition server answers, read with suspicion: its errors, and its stream of tokens.

Everything here comes from outside: lengths are bounded, no bytes make it raise anything but our own errors.
"""

from __future__ import annotations

import json
import math
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
    ServerTimeout,
    ServerUnreachable,
)
from paperlode.ingest.vllm.values import End, Recognition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["LONGEST_BODY", "Lines", "Reply", "error_of", "may_help_again", "model_names"]

LONGEST_BODY = 64 << 10
"""Bytes of an error body that are read; the longest of vLLM's own are under 2 KiB."""
_LONGEST_MESSAGE = 300
_LONGEST_LINE = 1 << 20
"""Bytes of one line of the stream; one token with its log-probability takes about 400."""
_HINTS: dict[type[ServerError], str] = {
    ServerBusy: "Ask again later.",
    ServerFailed: "See the server's log.",
    ServerKeyRefused: "Give the key the server was started with.",
    ServerModelUnknown: "Give the name that /v1/models shows, or none to take that one.",
    ServerIncompatible: "Check the address: it must be an OpenAI-compatible server with /v1/chat/completions.",
    CropRefused: "The block is kept without text; look at its picture.",
    CropTooLong: "Start the server with a longer --max-model-len, or send a smaller picture.",
    ServerRequestRefused: "See docs/vllm.md for what each server accepts.",
}


def may_help_again(error: BaseException) -> bool:
    """Whether the same request may succeed later, or on another replica."""
    return isinstance(error, ServerUnreachable | ServerTimeout | ServerBusy | ServerFailed)


# ---------------------------------------------------------------------------------------------------------- errors


def error_of(status: int, body: bytes, *, where: str) -> ServerError:
    """The named error for an answer that is not 200; never raises.

    Understands ``{"error": {"message", "type", "param", "code"}}``, ``{"error": "..."}``, ``{"detail": ...}`` (vLLM 0.32,
    recorded) and ``{"message": ..., "type": ...}`` (SGLang, older vLLM); any other body counts by its status alone.

    Args:
        status: of HTTP.
        body: as received; only the first ``LONGEST_BODY`` bytes are looked at.
        where: server and crop, for the message.
    """
    message, param = _said(body[:LONGEST_BODY])
    kind = _kind(status, message.lower(), param)
    says = f": {_shown(message)}" if message else ""
    return kind(f"{where} answered {status}{says}", hint=_HINTS.get(kind, ""))


def _said(body: bytes) -> tuple[str, str]:
    """Message and parameter named in an error body; empty where there are none."""
    value = _json(body)
    if value is None:
        return "", ""  # a proxy's HTML page helps nobody
    if isinstance(value, dict):
        inner = value.get("error", value.get("detail", value))
        if isinstance(inner, dict):
            return _text(inner.get("message", inner.get("msg", ""))), _text(inner.get("param"))
        value = inner
    return _text(value), ""


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""


def _json(raw: bytes | str) -> Any:
    """The value, or None for what is no JSON."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):  # UnicodeDecodeError and too long integers are ValueErrors
        return None


def _shown(message: str) -> str:
    """One bounded line without control characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in message[: 4 * _LONGEST_MESSAGE]).split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 3] + "..."


_TOO_LONG = (
    "maximum context length",  # vLLM
    "longer than the maximum model length",  # vLLM before 0.12
    "longer than the model's context length",  # SGLang
    "exceeds the available context size",  # llama.cpp
)
_PICTURE = (
    "failed to load image",
    "failed to apply",  # the processor: an aspect over 200, a side too small
    "non-base64 digit",
    "incorrect padding",
    "invalid base64",
    "cannot identify image",
    "cannot connect to host",  # the server was to fetch the picture itself
    "failed to decode image",  # llama.cpp
    "absolute aspect ratio",
)
_OVER_CONTEXT_PARAMS = frozenset({"input_tokens"})


def _kind(status: int, message: str, param: str) -> type[ServerError]:
    if status in {401, 403}:
        return ServerKeyRefused
    if status in {408, 504}:
        return ServerTimeout
    if status in {425, 429, 503, 529}:
        return ServerBusy
    if status == 502:
        return ServerUnreachable
    if status == 404 and (param == "model" or ("model" in message and "does not exist" in message)):
        return ServerModelUnknown
    if status == 413:
        return CropRefused
    if status in {400, 422, 500}:  # vLLM answers some bad requests with 500
        return _by_message(status, message, param)
    return ServerFailed if status >= 500 else ServerIncompatible


def _by_message(status: int, message: str, param: str) -> type[ServerError]:
    if param in _OVER_CONTEXT_PARAMS or any(t in message for t in _TOO_LONG):
        return CropTooLong
    if any(t in message for t in _PICTURE):
        return CropRefused
    if status == 500 and "--allowed-local-media-path" not in message:
        return ServerFailed
    return ServerRequestRefused


def model_names(body: bytes) -> tuple[str, ...]:
    """The names in an answer of ``/v1/models``, in its order; empty when it holds none."""
    value = _json(body)
    data = value.get("data") if isinstance(value, dict) else None
    ids = [d.get("id") for d in data if isinstance(d, dict)] if isinstance(data, list) else []
    return tuple(i for i in ids if isinstance(i, str) and i)


# ---------------------------------------------------------------------------------------------------------- stream


class Lines:
    """Cuts a stream of bytes into lines, with a bound on the length of each."""

    def __init__(self, *, where: str) -> None:
        self._where = where
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that ``data`` completes, without their ends.

        Raises:
            ServerIncompatible: a line without end.
        """
        self._rest += data
        *whole, rest = self._rest.split(b"\n")
        self._rest = rest
        for line in whole:
            yield bytes(line).rstrip(b"\r")
        if len(self._rest) > _LONGEST_LINE:
            raise ServerIncompatible(
                f"{self._where} sent a line longer than {_LONGEST_LINE} bytes.", hint=_HINTS[ServerIncompatible]
            )


class Reply:
    """Gathers one streamed chat completion.

    Args:
        where: server and crop, for messages.
        loop_at: is fed each piece of text, and gives the position in the whole text where a loop began, or None.
        max_tokens: of the request; a server that sends twice as many pieces is cut off.
    """

    def __init__(self, *, where: str, loop_at: Callable[[str], int | None] | None = None, max_tokens: int) -> None:
        self._where = where
        self._loop_at = loop_at
        self._max_tokens = max_tokens
        self._pieces: list[str] = []
        self._length = 0
        self._logprobs: list[tuple[int, float]] = []  # where the token begins, and its value
        self._received = 0  # tokens
        self._usage: int | None = None
        self._end: End | None = None
        self._cut: int | None = None
        self._model = ""
        self.done = False
        """Whether nothing more is to come: the stream said so, or a loop began."""

    @property
    def looped(self) -> bool:
        """Whether a loop began: the rest of the stream is not wanted."""
        return self._cut is not None

    def feed(self, line: bytes) -> int:
        """Takes one line of the stream; how many tokens it brought.

        Raises:
            ServerError: the line holds an error, or is none of this protocol.
        """
        if not line.startswith(b"data:"):
            if not line or line.startswith((b":", b"event:", b"id:", b"retry:")):
                return 0
            raise self.garbage(line)
        data = line[5:].strip()
        if data == b"[DONE]":
            self.done = True
            return 0
        value = _json(data)
        if not isinstance(value, dict):
            raise self.garbage(data)
        if value.get("error") is not None:
            raise error_of(_code(value["error"]), data, where=f"{self._where}, in the middle of its answer,")
        return self._take(value)

    def _take(self, value: dict[str, Any]) -> int:
        if isinstance(model := value.get("model"), str) and model:
            self._model = model[:_LONGEST_MESSAGE]
        if isinstance(usage := value.get("usage"), dict) and isinstance(n := usage.get("completion_tokens"), int):
            self._usage = n
        choices = value.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return 0
        choice = choices[0]
        delta = choice.get("delta")
        text = delta.get("content") if isinstance(delta, dict) else None
        reason = choice.get("finish_reason")
        text = text if isinstance(text, str) else ""
        tokens = list(_tokens(choice))
        count = max(len(tokens), 1 if text else 0)
        if reason is not None and tokens and not (text and text.endswith(tokens[-1][0])):
            tokens.pop()  # the end mark, which is no token of the text
        at = self._length
        for token, p in tokens:
            if p is not None:
                self._logprobs.append((at, p))
            at += len(token)
        self._received += count
        if self._received > 2 * self._max_tokens + 16:
            raise ServerIncompatible(
                f"{self._where} sent {self._received} tokens where {self._max_tokens} were asked for.",
                hint=_HINTS[ServerIncompatible],
            )
        if text:
            self._add(text)
        if reason is not None and self._cut is None:
            self._end = self._reason(reason)
        return count

    def _add(self, text: str) -> None:
        self._pieces.append(text)
        self._length += len(text)
        at = self._loop_at(text) if self._loop_at is not None else None
        if at is not None:
            self._cut = max(0, min(at, self._length))
            self._end = End.LOOP
            self.done = True

    def _reason(self, reason: Any) -> End:
        if reason == "stop":
            return End.STOP
        if reason == "length":
            return End.LENGTH
        if reason in ("abort", "error"):  # a tuple: what a server sends may have no hash
            raise ServerFailed(f"{self._where} gave up in the middle of its answer.", hint=_HINTS[ServerFailed])
        raise ServerIncompatible(
            f"{self._where} ended its answer with the unknown reason {_shown(_text(reason))!r}.",
            hint=_HINTS[ServerIncompatible],
        )

    def garbage(self, line: bytes) -> ServerIncompatible:
        """The error for an answer that is none of this protocol, with its beginning."""
        begin = _shown(line[:80].decode("utf-8", "replace"))
        return ServerIncompatible(
            f"{self._where} answered with something that is no stream of a chat completion: {begin!r}.",
            hint=_HINTS[ServerIncompatible],
        )

    def recognition(self) -> Recognition:
        """What was read.

        Raises:
            ServerUnreachable: the stream broke off before it said why it ended.
        """
        if self._end is None:
            raise ServerUnreachable(f"{self._where} broke off after {self._received} tokens of its answer.")
        text = "".join(self._pieces)[: self._cut]
        inside = [p for at, p in self._logprobs if self._cut is None or at < self._cut]
        tokens = self._received if self._usage is None or self._cut is not None else self._usage
        return Recognition(
            text=text,
            end=self._end,
            tokens=tokens,
            mean_logprob=math.fsum(inside) / len(inside) if inside else None,
            lowest_logprob=min(inside) if inside else None,
            model=self._model,
        )


def _code(error: Any) -> int:
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500


def _tokens(choice: dict[str, Any]) -> Iterator[tuple[str, float | None]]:
    """Each token of the piece with its log-probability; None for one that makes no sense."""
    outer = choice.get("logprobs")
    content = outer.get("content") if isinstance(outer, dict) else None
    for token in content if isinstance(content, list) else ():
        named, p = (token.get("token"), token.get("logprob")) if isinstance(token, dict) else (None, None)
        sound = isinstance(p, int | float) and not isinstance(p, bool) and -1e6 <= p <= 1e-3
        yield named if isinstance(named, str) else "", min(0.0, float(p)) if sound and p is not None else None
