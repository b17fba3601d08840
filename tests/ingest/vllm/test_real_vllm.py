"""The real vLLM, built for the processor, started by ``paperlode vllm serve``; the model is tiny and knows nothing.

PAPERLODE_TEST_VLLM names the environment that ``setup_real_vllm.sh`` made. A start takes 20 to 40 seconds, so the tests
of a server share it, in the order in which they stand here: the last of each ends it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys

import pytest

from paperlode.ingest.errors import CropRefused, ServerKeyRefused, ServerModelUnknown, ServerRequestRefused
from paperlode.ingest.vllm.client import VLLMRecogniser
from paperlode.ingest.vllm.flags import STREAM_INTERVAL
from paperlode.ingest.vllm.values import Crop, End, Task

from ..parsing.tiny_layout import make_checkpoint  # noqa: TID252 - tests are no package to import from
from .provoked import EMBEDDING, KEY, PLAIN, PROVOKED, STRICT, Asking, data_url, difference, picture
from .real import ARCHIVE, OFFLINE, VARIABLE, Bands, Serving, group, read_through, write_tiny

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not os.environ.get(VARIABLE),
        reason=f"THE REAL VLLM WAS NOT TESTED: {VARIABLE} is not set. Run make vllm-env (2.5 GB), then make test-vllm.",
    ),
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("vllm") / "tiny-paddleocr-vl")


@pytest.fixture(scope="module")
def served(tiny):
    """With our flags alone."""
    with Serving(tiny, options=["--json"]) as running:
        yield running.ready()


@pytest.fixture(scope="module")
def strict(tiny):
    """It wants a key, takes one request at a time, and has a short context."""
    options = ["--restarts", "0"]
    with Serving(tiny, *STRICT, options=options, variables={"VLLM_API_KEY": KEY}) as running:
        yield running.ready()


def crop(number=0, *, image=None, width=280, height=56):
    image = picture(width, height, grey=255 - number) if image is None else image
    return Crop(image, "image/png", width, height, Task.OCR, f"crop {number}")


def recognise(url, *crops, key=None, model=None, max_tokens=8, temperature=0.0):
    """What our client makes of each crop, all given to it at once: recognitions, or its errors."""

    async def run():
        async with VLLMRecogniser(url, key=key, model=model) as client:
            asked = [client.recognise(c, max_tokens=max_tokens, temperature=temperature) for c in crops]
            return await asyncio.gather(*asked, return_exceptions=True)

    return asyncio.run(run())


def counted(url, name):
    """The sum of that counter of the server."""
    lines = Asking(url).send("GET", "/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name}{{"))


def test_it_says_where_it_answers(served):
    """Once the command says so it does answer, under the folder's name; a script reads the address from its output."""
    assert json.loads(served.printed) == {"model": "tiny-paddleocr-vl", "urls": [served.url]}
    assert f"Ready: tiny-paddleocr-vl at {served.url}" in served.said
    told = Asking(served.url).send("GET", "/v1/models").json()["data"]
    assert [(m["id"], m["max_model_len"]) for m in told] == [("tiny-paddleocr-vl", 16_384)]
    assert len(group(served.pid)) >= 3  # API server, engine, worker


def test_tokens_come_in_bunches_and_all_are_counted(served):
    """The first comes alone, then a few an event, each with its log-probability; the client counts what the server does."""
    answer = Asking(served.url).chat(
        data_url(picture()), stream=True, logprobs=True, ignore_eos=True, max_completion_tokens=40
    )
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    tokens = [len(logprobs["content"]) for e in events if (logprobs := e["choices"][0]["logprobs"])]
    whole, rest = divmod(40 - 1, STREAM_INTERVAL)
    assert tokens == [1, *[STREAM_INTERVAL] * whole, rest]
    before = counted(served.url, "vllm:generation_tokens_total")
    read = recognise(served.url, *map(crop, range(8)), max_tokens=40, temperature=0.9)
    assert {r.end for r in read} <= {End.STOP, End.LENGTH}
    assert all(r.mean_logprob < 0 and r.lowest_logprob <= r.mean_logprob for r in read)
    assert sum(r.tokens for r in read) == counted(served.url, "vllm:generation_tokens_total") - before


@pytest.mark.parametrize("name", PLAIN)
def test_each_refusal_again(served, name):
    """What was recorded is refused again, likewise, and becomes the same error."""
    assert not difference(name, PROVOKED[name].how(Asking(served.url)))


def test_refusals_through_the_client(served):
    """The client itself raises the error of each, for the one crop alone; its neighbours are read."""
    broken, unlike = crop(1, image=b"no picture"), crop(2, image=picture(9_000, 28), width=9_000, height=28)
    read = recognise(served.url, crop(0), broken, unlike, crop(3))
    assert [type(r).__name__ for r in read] == ["Recognition", "CropRefused", "CropRefused", "Recognition"]
    assert isinstance(read[1], CropRefused)
    (refused,) = recognise(served.url, crop(), max_tokens=0)
    assert isinstance(refused, ServerRequestRefused)
    (unknown,) = recognise(served.url, crop(), model="nope")
    assert isinstance(unknown, ServerModelUnknown)


def test_64_crops_at_once(served):
    """All are answered, and the server has done each of them exactly once."""
    before = counted(served.url, "vllm:request_success_total")
    read = recognise(served.url, *map(crop, range(64)))
    assert [type(r).__name__ for r in read] == ["Recognition"] * 64
    assert all(r.text and r.model == "tiny-paddleocr-vl" for r in read)
    assert counted(served.url, "vllm:request_success_total") - before == 64


def test_a_document_through_the_command_line(served, tmp_path):
    """``paperlode ingest --server``, with a layout model that is loaded as the published one is: its weights are random."""
    layout = make_checkpoint(tmp_path / "layout", "v3")
    before = counted(served.url, "vllm:prompt_tokens_total")
    command = [sys.executable, "-m", "paperlode", "ingest", str(ARCHIVE / "receipt_photo.jpg"), "--json"]
    options = ["--index", str(tmp_path / "index"), "--parser", "paddleocr-vl", "--vl-version", "1.6"]
    where = ["--server", served.url, "--layout", str(layout)]
    done = subprocess.run(
        [*command, *options, *where], check=False, capture_output=True, text=True, env=os.environ | OFFLINE
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["pages_parsed"], report["failed"], report["failed_pages"]) == (1, [], [])
    (reader,) = report["read_by"]
    assert reader.startswith("paddleocr-vl-1.6")
    assert counted(served.url, "vllm:prompt_tokens_total") > before


def test_the_archive_and_the_server_killed_in_the_middle(served):
    """Seven documents, 28 pages: every block sent is accounted for, and none is given up for want of a server.

    The server is killed with -9 while it works on crops. The command says by which signal it died, ends its engine and its
    worker, and starts it again on its port; the run waits and goes on by itself.
    """
    first = served.pid
    at_work = []

    def kill(pages, under_way):
        if pages >= 5 and under_way and not at_work:
            at_work.append(under_way)
            os.kill(first, signal.SIGKILL)

    account = read_through(served.url, sorted(ARCHIVE.iterdir()), on_page=kill)
    assert at_work
    assert "was ended by signal 9" in served.ready(times=2).said
    assert group(first) == []
    assert served.pid not in {0, first}
    assert (account.pages, account.failed) == (28, 0)
    assert account.blocks == account.found == 28 * len(Bands.LABELS)
    assert account.sent + account.blank == account.to_read
    assert account.lost == []
    assert (account.answered, account.excused, account.accounted) == (account.sent, 0, 1.0)


def test_ctrl_c_ends_it(served):
    """And nothing of vLLM is left."""
    assert len(group(served.pid)) >= 3
    served.send(signal.SIGINT)
    assert served.ends() == 130
    assert served.left == []


@pytest.mark.parametrize(
    "name", [n for n, p in PROVOKED.items() if p.server == "strict" and n != "engine_dead_inflight"]
)
def test_each_refusal_of_a_strict_server_again(strict, name):
    """What was recorded is refused again, likewise, and becomes the same error."""
    assert not difference(name, PROVOKED[name].how(Asking(strict.url, KEY)))


def test_a_server_that_takes_one_at_a_time(strict):
    """Refusals for load cost time and no crop; keys and contexts are errors of their own."""
    read = recognise(strict.url, *map(crop, range(16)), key=KEY)
    assert [type(r).__name__ for r in read] == ["Recognition"] * 16
    (refused,) = recognise(strict.url, crop(), key="wrong")
    assert isinstance(refused, ServerKeyRefused)


def test_a_dead_worker_ends_it_and_its_log_is_shown(strict):
    """A request under way gets the error; the server ends itself, and the command shows why and ends too."""
    assert KEY not in strict.said
    name = "engine_dead_inflight"
    assert not difference(name, PROVOKED[name].how(Asking(strict.url, KEY, strict.worker)))
    assert strict.ends() == 1
    assert any(w in strict.said for w in ("Executor failed", "died unexpectedly", "EngineDeadError")), strict.said
    assert strict.left == []


def test_an_embedding_that_is_too_long(tiny):
    """The last of the recorded refusals, from a server of vectors."""
    name = "embeddings_too_long"
    with Serving(tiny, *EMBEDDING) as running:
        assert not difference(name, PROVOKED[name].how(Asking(running.ready().url)))


def test_sigterm_while_it_starts(tiny):
    """A start that is called off leaves nothing behind."""
    with Serving(tiny) as starting:
        starting.wait(lambda: starting.pid and len(group(starting.pid)) > 1)
        starting.send(signal.SIGTERM)
        assert starting.ends() == 130
        assert starting.left == []


def test_a_flag_it_does_not_know(tiny):
    """A wrong flag ends the start at once, with vLLM's own complaint and our hint."""
    with Serving(tiny, "--no-such-flag") as starting:
        assert starting.ends(240) == 1
        assert "unrecognized arguments: --no-such-flag" in starting.said
        assert "does not know the flag" in starting.said


def test_a_context_that_does_not_fit(tiny):
    """The engine's own reason is shown although a long traceback of the API process follows it."""
    variables = {"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1"}
    with Serving(tiny, "--max-model-len", "300000", variables=variables) as starting:
        assert starting.ends(240) == 1
        assert "larger than the available KV cache" in starting.said
        assert "--max-model-len 8192" in starting.said  # our hint
