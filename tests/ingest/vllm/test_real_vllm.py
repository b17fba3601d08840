"""The real vLLM, built for the processor, launched and watched by us; the model is tiny and knows nothing.

PAPERLODE_TEST_VLLM names the environment that ``setup_real_vllm.sh`` made.
"""

from __future__ import annotations

import base64
import io
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from paperlode.ingest.errors import ServerFailed
from paperlode.ingest.vllm.flags import plan_serving
from paperlode.ingest.vllm.server import Limits, VllmServer, find_vllm

VARIABLE = "PAPERLODE_TEST_VLLM"
HERE = Path(__file__).parent
TINY_PROGRAM = HERE / "tiny_vl.py"
OFFLINE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(
        not os.environ.get(VARIABLE),
        reason=f"THE REAL VLLM WAS NOT TESTED: {VARIABLE} is not set. Run tests/ingest/vllm/setup_real_vllm.sh FOLDER "
        f"(2.5 GB, some minutes), then {VARIABLE}=FOLDER pytest -m vllm.",
    ),
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The tiny checkpoint, written by the Python of vLLM's environment: its transformers is what will load it."""
    folder = tmp_path_factory.mktemp("vllm") / "tiny-paddleocr-vl"
    python = Path(os.environ[VARIABLE]) / "bin" / "python"
    subprocess.run([python, TINY_PROGRAM, folder], check=True, capture_output=True, env=os.environ | OFFLINE)
    return folder


def plan_for(tiny, *, extra=()):
    """A plan for the processor, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return plan_serving(str(tiny), gpus=(), cores=2, port=port, executable=find_vllm(os.environ[VARIABLE]), extra=extra)


@pytest.fixture(scope="module")
def server(tiny):
    """A running server; module-wide, since it takes most of a minute to start."""
    with VllmServer(plan_for(tiny), limits=Limits(start=240), environment=os.environ | OFFLINE) as running:
        yield running


def picture(width=280, height=56):
    """A white PNG as a data URL; both sides are multiples of 28."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def ask(server, *, pictures=1, **options):
    """One chat completion with a picture, as the wire has it."""
    import httpx

    parts = [{"type": "image_url", "image_url": {"url": picture()}}] * pictures
    content = [*parts, {"type": "text", "text": "OCR:"}]
    body = {"model": server.model, "messages": [{"role": "user", "content": content}], "temperature": 0}
    url = f"{server.urls[0]}/v1/chat/completions"
    return httpx.post(url, json=body | {"max_completion_tokens": 8} | options, timeout=60, trust_env=False)


def group(pid):
    """The processes of that group that live."""
    alive = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z" and int(fields[2]) == pid:
            alive.append(entry.name)
    return alive


def test_it_reads_a_picture(server):
    """Launched with our flags it serves the model under its folder's name, and answers a crop with text."""
    assert server.model == "tiny-paddleocr-vl"
    answer = ask(server, logprobs=True)
    assert answer.status_code == 200, answer.text
    choice = answer.json()["choices"][0]
    assert choice["message"]["content"]
    assert choice["finish_reason"] in {"length", "stop"}
    assert len(choice["logprobs"]["content"]) == answer.json()["usage"]["completion_tokens"] <= 8
    # 280 by 56 pixels are below the least of 144 tokens, and are scaled up
    assert answer.json()["usage"]["prompt_tokens"] >= 144


def test_the_flags_took_hold(server):
    """One picture a request and a context of 16384, as we told it."""
    import httpx

    refused = ask(server, pictures=2)
    assert refused.status_code == 400
    assert "image" in refused.json()["error"]["message"]
    told = httpx.get(f"{server.urls[0]}/v1/models", timeout=30, trust_env=False).json()["data"][0]
    assert told["max_model_len"] == 16_384


def test_killed_in_the_middle_and_started_again(server):
    """Killed with -9 it is noticed, told by its signal, its engine and worker are ended, and it reads again on its port."""
    (pid,) = server.pids
    urls = server.urls
    assert len(group(pid)) >= 3  # API server, engine, worker
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while (error := server.failed()) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "signal 9" in str(error)
    server.restart()
    assert group(pid) == []
    assert server.urls == urls
    assert ask(server).status_code == 200


class Bands:
    """A layout model that cuts every page into six bands of text, a table and a formula."""

    LABELS = ("text",) * 6 + ("table", "display_formula")

    def detect(self, picture):
        from paperlode.ingest.document import Box
        from paperlode.ingest.parsing.layout import Region

        height, width = picture.shape[:2]
        step = height / len(self.LABELS)
        return tuple(
            Region(label, 0.9, Box(0, n * step, width, (n + 1) * step), order=n) for n, label in enumerate(self.LABELS)
        )


def test_a_document_is_read_through_it_and_a_kill_in_the_middle_loses_nothing(server):
    """Blocks sent are blocks accounted for: each of every page has the model's (meaningless) text, or says why not.

    The server is killed with -9 while pages are under way and started again on its port; the run goes on by itself.
    """
    from paperlode.ingest.parsing.paddleocr_vl import PaddleOCRVLParser, VLOptions
    from paperlode.ingest.sources import open_source
    from paperlode.ingest.vllm.client import VLLMRecogniser
    from paperlode.ingest.vllm.loops import LoopWatch

    archive = HERE.parents[2] / "samples" / "archive"
    source = open_source(archive / "supply_agreement.pdf")
    parser = PaddleOCRVLParser(
        lambda: VLLMRecogniser(server.urls, watch=lambda _: LoopWatch()),
        Bands,
        options=VLOptions(max_tokens=24, cpu_fallback=False),
        workers=1,
        pages_at_once=3,
    )
    try:
        count = parser.page_count(source)
        pages = parser.parse(source, range(count))
        read = [next(pages), next(pages)]
        os.kill(server.pids[0], signal.SIGKILL)
        again = threading.Thread(target=server.restart)
        again.start()
        read += pages
        again.join()
    finally:
        parser.close()
    assert [p.page for p in read] == list(range(count))
    assert all(p.failure is None for p in read)
    blocks = [b for p in read for b in p.blocks]
    assert len(blocks) == 8 * count
    assert all(b.text or b.flags for b in blocks)
    assert sum(bool(b.text) for b in blocks) > count
    assert not {f for b in blocks for f in b.flags if f.startswith("server_")}


def test_a_dead_worker_ends_the_server(server):
    """When only the process that computes is killed, vLLM gives up, and we say so with its own words."""
    (pid,) = server.pids
    workers = [p for p in group(pid) if "Worker" in Path(f"/proc/{p}/cmdline").read_text()]
    assert workers
    os.kill(int(workers[0]), signal.SIGKILL)
    deadline = time.monotonic() + 60
    while (error := server.failed()) is None and time.monotonic() < deadline:
        time.sleep(0.2)
    assert error is not None
    assert any(words in error.what for words in ("Executor failed", "died unexpectedly", "EngineDeadError")), error.what
    server.stop()
    assert group(pid) == []


def test_a_flag_it_does_not_know(tiny):
    """A wrong flag ends the start at once, with vLLM's own complaint and our hint."""
    plan = plan_for(tiny, extra=["--no-such-flag"])
    with pytest.raises(ServerFailed, match="unrecognized arguments: --no-such-flag") as e:
        VllmServer(plan, environment=os.environ | OFFLINE).start()
    assert "does not know the flag" in e.value.hint


def test_a_context_that_does_not_fit(tiny):
    """The engine's own reason is shown although a long traceback of the API process follows it."""
    plan = plan_for(tiny, extra=["--max-model-len", "300000"])
    environment = os.environ | OFFLINE | {"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1"}
    with pytest.raises(ServerFailed, match="larger than the available KV cache") as e:
        VllmServer(plan, limits=Limits(start=240), environment=environment).start()
    assert "--max-model-len" in e.value.hint
