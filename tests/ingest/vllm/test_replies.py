"""Every recorded refusal of a real vLLM has one named error, and no bytes from a server break the client."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlode.ingest.errors import (
    CropRefused,
    CropTooLong,
    MissingExtra,
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
from paperlode.ingest.vllm.replies import Lines, Reply, error_of, may_help_again, model_names
from paperlode.ingest.vllm.values import End

RECORDED = Path(__file__).parent / "errors"
EXPECTED = {
    "aspect_1x300": CropRefused,
    "bad_base64": CropRefused,
    "context_overflow_prompt": CropTooLong,
    "embeddings_on_generate": ServerIncompatible,
    "embeddings_too_long": CropTooLong,
    "empty_image": CropRefused,
    "empty_messages": ServerRequestRefused,
    "engine_dead_inflight": ServerFailed,
    "file_url": ServerRequestRefused,
    "http_image_unreachable": CropRefused,
    "image_context_overflow": CropTooLong,
    "invalid_json": ServerRequestRefused,
    "max_tokens_too_big": ServerRequestRefused,
    "max_tokens_zero": ServerRequestRefused,
    "method_get_on_chat": ServerIncompatible,
    "missing_messages": ServerRequestRefused,
    "mm_processor_kwargs_disabled": ServerRequestRefused,
    "no_api_key_401": ServerKeyRefused,
    "not_an_image": CropRefused,
    "not_found": ServerIncompatible,
    "overloaded_503": ServerBusy,
    "render_disabled_403": ServerKeyRefused,
    "temperature_negative": ServerRequestRefused,
    "text_context_overflow_small": CropTooLong,
    "truncated_png": CropRefused,
    "two_images_limit_1": ServerRequestRefused,
    "unknown_model": ServerModelUnknown,
    "wrong_api_key_401": ServerKeyRefused,
}


def test_all_28_are_in_the_table():
    assert {p.stem for p in RECORDED.glob("*.json")} == set(EXPECTED)
    assert len(EXPECTED) == 28


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_recorded_body_has_its_error(name):
    """Each body recorded from vLLM 0.32 becomes exactly its error, with the server's own words where it has any."""
    recorded = json.loads((RECORDED / f"{name}.json").read_text())
    error = error_of(recorded["status"], json.dumps(recorded["body"]).encode(), where="http://s, page 1")
    assert type(error) is EXPECTED[name]
    assert str(recorded["status"]) in error.what
    said = recorded["body"].get("detail") or recorded["body"]["error"]
    said = said["message"] if isinstance(said, dict) else said
    assert said.split("\n")[0][:60] in error.what
    assert error.hint
    assert may_help_again(error) is (name in {"engine_dead_inflight", "overloaded_503"})


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (502, b"<html>bad gateway</html>", ServerUnreachable),
        (504, b"", ServerTimeout),
        (429, b"slow down", ServerBusy),
        (500, b"\xff\xfe", ServerFailed),
        (422, b'{"detail":[{"loc":["body"],"msg":"Field required"}]}', ServerRequestRefused),
        (
            400,
            b'{"object":"error","message":"The input is longer than the model\'s context length","code":400}',
            CropTooLong,
        ),
        (400, b'{"error":{"message":"the request exceeds the available context size"}}', CropTooLong),
        (302, b"", ServerIncompatible),
        (418, b"{}", ServerIncompatible),
    ],
)
def test_other_servers_and_proxies(status, body, kind):
    assert type(error_of(status, body, where="x")) is kind


def test_which_errors_a_retry_can_help():
    """Exactly four: no connection, no answer in time, too busy, broken."""
    again = {e for e in ServerError.__subclasses__() if may_help_again(e("x"))}
    assert again == {ServerUnreachable, ServerTimeout, ServerBusy, ServerFailed}
    assert not may_help_again(MissingExtra("x"))
    assert not may_help_again(ValueError("x"))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda c: (
        st.lists(c, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "detail", "message", "param", "code", "choices", "delta", "data", "finish_reason"]
            ),
            c,
        )
    ),
    max_leaves=12,
)


@given(st.integers(100, 999), st.binary(max_size=300) | _JSON.map(lambda v: json.dumps(v).encode()))
def test_no_body_raises(status, body):
    """Any status with any bytes gives a named error with a bounded message on one line."""
    error = error_of(status, body, where="x")
    assert type(error) in ServerError.__subclasses__()
    assert len(error.what) < 400
    assert error.what.isprintable()
    assert isinstance(model_names(body), tuple)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"error":' * 50_000, b"9" * 60_000, b'{"detail":"' + b"x" * 10**6 + b'"}']
)
def test_hostile_bodies(body):
    """Deep nesting, huge integers and megabytes are only another failed answer."""
    assert len(error_of(500, body, where="x").what) < 400
    assert model_names(body) == ()


def test_terminal_escapes_do_not_pass():
    error = error_of(500, json.dumps({"error": {"message": "a\x1b[31mred\nb"}}).encode(), where="x")
    assert error.what == "x answered 500: a [31mred b"


# ---------------------------------------------------------------------------------------------------------- stream


def _piece(text, *logprobs, reason=None, **more):
    content = [{"token": "t", "logprob": p} for p in logprobs]
    choice = {"index": 0, "delta": {"content": text}, "logprobs": {"content": content}, "finish_reason": reason}
    return b"data: " + json.dumps({"model": "m", "choices": [choice], **more}).encode()


def _reply(*lines, **k):
    reply = Reply(where="x", max_tokens=100, **k)
    for line in lines:
        reply.feed(line)
        if reply.done:
            break
    return reply


def test_a_stream_becomes_a_recognition():
    """Text, end, tokens as the server counts them, mean and lowest log-probability without that of the end mark."""
    usage = b'data: {"choices":[],"usage":{"completion_tokens":4}}'
    lines = [b": ping", b"", _piece("", reason=None), _piece("a", -1.0), _piece("bc", -2.0, -3.0)]
    r = _reply(*lines, _piece("", -9.0, reason="stop"), usage, b"data: [DONE]").recognition()
    assert (r.text, r.end, r.tokens, r.model) == ("abc", End.STOP, 4, "m")
    assert r.mean_logprob == -2.0
    assert r.lowest_logprob == -3.0


def _event(*tokens, reason=None, text=None):
    """A piece of several (token, log-probability), as vLLM 0.32 sends them with --stream-interval."""
    content = [{"token": t, "logprob": p} for t, p in tokens]
    delta = {"content": "".join(t for t, _ in tokens) if text is None else text}
    choice = {"index": 0, "delta": delta, "logprobs": {"content": content}, "finish_reason": reason}
    return b"data: " + json.dumps({"model": "m", "choices": [choice]}).encode()


def test_many_tokens_an_event():
    """The end mark shares its event with the last words: every token is counted, and its value is none of the text's."""
    reply = Reply(where="x", max_tokens=100)
    brought = [
        reply.feed(_event(("x", -1.0))),
        reply.feed(
            _event(
                (" 5", -1.0), (", JSON", -3.0), (" encod", -3.0), ("</s>", -9.0), reason="stop", text=" 5, JSON encod"
            )
        ),
    ]
    r = reply.recognition()
    assert brought == [1, 4]
    assert (r.text, r.end, r.tokens) == ("x 5, JSON encod", End.STOP, 5)
    assert (r.mean_logprob, r.lowest_logprob) == (-2.0, -3.0)
    reply = Reply(where="x", max_tokens=100)
    reply.feed(_event(("a", -1.0), ("b", -5.0), reason="length"))
    assert reply.recognition().lowest_logprob == -5.0


def test_a_loop_that_begins_inside_an_event():
    """Of an event that holds the loop's beginning, the tokens in front of it count, and no others."""
    reply = Reply(where="x", max_tokens=100, loop_at=lambda _: 2)
    reply.feed(_event(("ab", -1.0), ("cd", -0.01), ("cd", -0.01)))
    r = reply.recognition()
    assert (r.text, r.end, r.mean_logprob) == ("ab", End.LOOP, -1.0)


def test_length_and_missing_logprobs():
    r = _reply(_piece("a"), _piece("b", reason="length")).recognition()
    assert (r.text, r.end, r.tokens, r.mean_logprob, r.lowest_logprob) == ("ab", End.LENGTH, 2, None, None)


def test_a_loop_cuts_text_and_logprobs():
    """Neither the loop's text nor its tokens, which are all but certain, count."""
    seen: list[str] = []

    def loop_at(piece):
        seen.append(piece)
        return 2 if len(seen) == 4 else None

    reply = _reply(_piece("ab", -1.0), *[_piece("x", -0.01)] * 9, loop_at=loop_at)
    r = reply.recognition()
    assert reply.done
    assert len(seen) == 4
    assert (r.text, r.end, r.tokens, r.mean_logprob) == ("ab", End.LOOP, 4, -1.0)


def test_broken_off_is_unreachable():
    with pytest.raises(ServerUnreachable, match="after 1 tokens"):
        _reply(_piece("a")).recognition()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'data: {"error":{"message":"EngineCore encountered an issue","code":500}}', ServerFailed),
        (b'data: {"error":{"message":"busy","code":503}}', ServerBusy),
        (b'data: {"error":"x"}', ServerFailed),
        (b"<html>", ServerIncompatible),
        (b"data: nonsense", ServerIncompatible),
        (_piece("", reason="abort"), ServerFailed),
        (_piece("", reason="tool_calls"), ServerIncompatible),
        (_piece("", reason=[]), ServerIncompatible),
        (_piece("a", *[-1.0] * 300), ServerIncompatible),
    ],
)
def test_errors_inside_a_stream(line, kind):
    with pytest.raises(ServerError) as caught:
        _reply(line)
    assert type(caught.value) is kind


@given(st.lists(_JSON.map(lambda v: b"data: " + json.dumps(v).encode()) | st.binary(max_size=60), max_size=8))
def test_no_line_breaks_the_reply(lines):
    """Whatever comes, it is a recognition or one of our errors, and log-probabilities are finite and not positive."""
    try:
        r = _reply(*lines).recognition()
    except ServerError:
        return
    assert r.mean_logprob is None or (math.isfinite(r.mean_logprob) and r.mean_logprob <= 0)


@given(st.lists(st.sampled_from([-1.5, 0, 1e-9, 5, -1e308, "x", None, True, float("nan"), float("-inf")]), max_size=6))
def test_senseless_logprobs_are_left_out(values):
    r = _reply(_piece("a", *values, reason="stop")).recognition()
    assert (r.mean_logprob is None) == (r.lowest_logprob is None)
    if r.mean_logprob is not None and r.lowest_logprob is not None:
        assert -1.5 <= r.lowest_logprob <= r.mean_logprob <= 0


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_lines_do_not_depend_on_how_bytes_arrive(chunks):
    whole = b"".join(chunks) + b"\n"
    pieces = Lines(where="x")
    got = [line for c in [*chunks, b"\n"] for line in pieces.feed(c)]
    assert got == [line.rstrip(b"\r") for line in whole.split(b"\n")[:-1]]


def test_a_line_without_end_is_given_up():
    lines = Lines(where="x")
    with pytest.raises(ServerIncompatible, match="longer than"):
        for _ in range(100):
            list(lines.feed(b"x" * 100_000))
