"""What a server says of itself: a model's name becomes a version; who does not answer, or not with sense, is named."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlode.ingest.errors import (
    InvalidRequest,
    ServerError,
    ServerIncompatible,
    ServerKeyRefused,
    ServerTimeout,
    ServerUnreachable,
)
from paperlode.ingest.parsing.crops import BUDGETS
from paperlode.ingest.parsing.paddleocr_vl import PaddleOCRVLParser, VLOptions
from paperlode.ingest.vllm.served import NEWEST, look, run_apart, served_version, version_of

from .standin import serving
from .test_parser import by_task

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = "http://127.0.0.1:9"


@contextmanager
def answering(body: bytes, status: int = 200, *, wait: threading.Event | None = None) -> Iterator[str]:
    """A server that says the same to everyone; after ``wait``, if there is one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if wait is not None:
                wait.wait(10)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        if wait is not None:
            wait.set()
        server.shutdown()
        thread.join()
        server.server_close()


def models(*shown: dict[str, Any]) -> bytes:
    return json.dumps({"object": "list", "data": list(shown)}).encode()


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("PaddlePaddle/PaddleOCR-VL", "1.0"),
        ("PaddleOCR-VL-0.9B", "1.0"),
        ("PaddlePaddle/PaddleOCR-VL-1.5", "1.5"),
        ("PaddleOCR-VL-1.5-GGUF", "1.5"),
        ("paddleocr-vl-1.5-0.9b", "1.5"),
        ("PaddlePaddle/PaddleOCR-VL-1.6", "1.6"),
        ("PaddleOCR-VL-1.6-0.9B", "1.6"),
        ("/cache/hub/models--PaddlePaddle--PaddleOCR-VL-1.6/snapshots/8f4b1c", "1.6"),
        ("/cache/hub/models--PaddlePaddle--PaddleOCR-VL/snapshots/1.5", "1.0"),
        ("/models/PaddleOCR-VL/", "1.0"),
        ("PaddleOCR-VL-2.0", None),
        ("PaddleOCR-VL-1.6.1", None),
        ("PaddleOCR-VL-1.50", None),
        ("PaddleOCR-VL-1.5B", None),
        ("PaddleOCR-VL-of-our-own", None),
        ("PaddleOCR-VLM", None),
        ("Qwen/Qwen3-VL-2B", None),
        ("", None),
    ],
)
def test_a_name_tells_its_version_or_none(name: str, version: str | None) -> None:
    """Hub names, PaddleX's names with the number of parameters, folders; what is not known is not guessed."""
    assert version_of(name) == version


@given(st.text(max_size=200))
def test_any_name_is_a_known_version_or_none(name: str) -> None:
    """Whatever a server calls its model."""
    assert version_of(name) in {None, *BUDGETS}
    assert version_of("PaddleOCR-VL" + name) in {None, *BUDGETS}


def test_the_newest_is_the_newest_that_is_known() -> None:
    """Every version that can be served has its pixel budget, and the last of them is taken for an unknown name."""
    assert max(BUDGETS) == NEWEST


def test_a_server_shows_its_names_and_its_context() -> None:
    """Of the first model; a context that is no positive number is not known."""
    shown: list[tuple[Any, int | None]] = [(16384, 16384), (None, None), ("16384", None), (True, None), (-1, None)]
    for length, context in shown:
        with answering(models({"id": "a", "max_model_len": length}, {"id": "b", "max_model_len": 5})) as url:
            served = asyncio.run(look(url))
        assert (served.url, served.names, served.context) == (url, ("a", "b"), context)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (models(), 200, ServerIncompatible),
        (b"<html>Welcome to the hotel network</html>", 200, ServerIncompatible),
        (b'{"data": [[[' * 50_000, 200, ServerIncompatible),
        (b'{"error": "Unauthorized"}', 401, ServerKeyRefused),
        (b"Not Found", 404, ServerIncompatible),
    ],
)
def test_an_answer_without_sense_is_a_named_error(body: bytes, status: int, kind: type[ServerError]) -> None:
    """With the address, at once, and with what to do."""
    with answering(body, status) as url, pytest.raises(kind, match=url) as caught:
        served_version([url])
    assert caught.value.hint


def test_a_server_that_is_silent_or_not_there_is_named() -> None:
    """After a short patience: its address, and how to start one or give another."""
    with answering(b"", wait=threading.Event()) as url, pytest.raises(ServerTimeout, match=url):
        served_version([url], patience=0.2)
    with pytest.raises(ServerUnreachable, match=NOBODY) as caught:
        served_version([NOBODY], patience=5)
    assert "paperlode vllm serve" in caught.value.hint
    assert "--server" in caught.value.hint


def test_the_version_comes_from_a_server_that_answers() -> None:
    """One of two that is down does not matter; with the right key, and a refused one is said with what to set."""
    with serving(by_task, model="PaddleOCR-VL-1.5-0.9B", key="right") as (server, _):
        assert served_version([NOBODY, server.url], key="right") == "1.5"
        with pytest.raises(ServerKeyRefused, match=server.url) as caught:
            served_version([server.url], key="wrong")
    assert "PAPERLODE_SERVER_KEY" in caught.value.hint


def test_a_server_that_comes_late_is_waited_for() -> None:
    """Within the patience: it was just being started."""
    with serving(by_task, model="PaddleOCR-VL-1.5") as (server, run):
        run(server.stop())
        threading.Timer(0.3, lambda: run(server.start())).start()
        assert served_version([server.url], patience=20) == "1.5"


def test_an_unknown_name_is_taken_for_the_newest_and_said() -> None:
    """Clearly: what it is called, what it is taken for, and how to say better; control characters do not come through."""
    told: list[str] = []
    with serving(by_task, model="our\x1b[31m-model") as (server, _):
        assert served_version([server.url], notice=told.append) == NEWEST
    (notice,) = told
    assert "our [31m-model" in notice
    assert NEWEST in notice
    assert "--vl-version" in notice


def test_servers_of_different_versions_are_refused() -> None:
    """Pages would depend on which one was asked; both are named."""
    with (
        serving(by_task, model="PaddleOCR-VL-1.5") as (one, _),
        serving(by_task, model="PaddleOCR-VL-1.6") as (other, _),
        pytest.raises(InvalidRequest) as caught,
    ):
        served_version([one.url, other.url])
    assert f"{one.url} 1.5" in caught.value.what
    assert f"{other.url} 1.6" in caught.value.what


def test_a_name_that_is_asked_for_is_not_asked_about() -> None:
    """The user's own name for the model tells the version; no server is needed."""
    assert served_version([NOBODY], model="PaddlePaddle/PaddleOCR-VL-1.5") == "1.5"


def test_code_in_an_event_loop_may_ask_too() -> None:
    """As in a notebook: the asking runs apart from the loop that is running."""

    async def value() -> int:
        return 7

    async def outside() -> int:
        return run_apart(value)

    assert asyncio.run(outside()) == 7


def tiny_layout(folder: Any) -> str:
    from ..parsing.tiny_layout import make_checkpoint  # noqa: TID252

    return str(make_checkpoint(folder, "v3"))


@pytest.mark.parametrize("version", ["", "1.0"])
def test_the_parser_is_named_for_what_is_served_or_said(tmp_path: Any, version: str) -> None:
    """Without a version the served name decides, and an explicit one asks nobody: before the first page either way."""
    layout = tiny_layout(tmp_path)
    with serving(by_task, model="PaddleOCR-VL-1.5") as (server, _):
        before = server.connections
        parser = PaddleOCRVLParser.on_servers(
            [server.url], layout=layout, options=VLOptions(version=version), workers=1
        )
        parser.close()
        asked = server.connections - before
    assert parser.fingerprint.startswith(f"paddleocr-vl-{version or '1.5'}-")
    assert (asked == 0) == bool(version)


def test_without_a_server_and_a_version_no_parser_is_made(tmp_path: Any) -> None:
    """The error comes before the layout model is loaded, and names the address."""
    with pytest.raises(ServerError, match=NOBODY):
        PaddleOCRVLParser.on_servers([NOBODY], layout=str(tmp_path / "no such"), workers=1)
