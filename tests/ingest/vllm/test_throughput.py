"""The client fills a SIMULATED GPU server by itself, beats PaddleX's policy (RESTATED), and faults of crops do not stop it.

On virtual time, so that no figure depends on the machine. A replica here has a quarter of the slots and of the speed of a
published one, for the sake of the suite's time; ``benchmarks/throughput.py`` has the full ones.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from functools import partial

import httpx
import pytest

from paperlode.ingest.errors import ServerTimeout
from paperlode.ingest.vllm.client import Limits, VLLMRecogniser
from paperlode.ingest.vllm.values import End

from .simulated.clock import run
from .simulated.engine import CARDS, PUBLISHED, Engine, Job
from .simulated.limit import limit
from .simulated.ours import ours
from .simulated.paddlex import AT_ONCE, paddlex
from .simulated.server import MODEL, SimulatedServers, one_address, output_of
from .simulated.work import LONGEST_OUTPUT, STUCK, Fault, Work

SMALL = replace(PUBLISHED, slots=64, base=4 * PUBLISHED.base, each=4 * PUBLISHED.each, read=4 * PUBLISHED.read)


# ------------------------------------------------------------------------------------------------- the measures


@pytest.mark.parametrize("replicas", [1, 8])
@pytest.mark.parametrize("balanced", [True, False])
def test_the_server_is_filled_within_30_seconds(replicas, balanced):
    """From then on it does .95 of the work that it does when its slots are never empty, and nothing was set."""
    addresses = one_address(replicas, SMALL) if balanced else {f"http://r{i}:8000": [SMALL] for i in range(replicas)}
    own = limit(SMALL, Work())
    read = ours(Work(), addresses, seconds=60)
    assert read.found_after(0.95 * own.work * replicas) <= 30
    assert read.work(30, 60) >= 0.95 * own.work * replicas
    assert read.lost == 0


@pytest.mark.slow  # 8 whole replicas: 200 crops at once are too few for them, and too many for eight small ones
def test_faster_than_paddlex():
    """At 8 replicas the server does at least 1.3 times the work that it does for its policy, kindly in one call for all."""
    theirs = paddlex(Work(), one_address(8), seconds=200).work(30, 200)
    assert ours(Work(), one_address(8), seconds=40).work(30, 40) >= 1.3 * theirs > 0


def test_faulty_crops_cost_little():
    """With 1 % of the crops slow or failing it is at least 2 times as fast, and above .85 of the server's limit."""
    addresses = one_address(4, SMALL)
    read = ours(Work(faulty=0.01), addresses, seconds=90)
    theirs = paddlex(Work(faulty=0.01), addresses, seconds=600, document=20).rate(30, 600)
    assert read.rate(30, 90) >= 2 * theirs > 0
    assert read.rate(30, 90) >= 0.85 * 4 * limit(SMALL, Work()).pages


# ------------------------------------------------------------------------------------- the simulation is what it says


def test_a_published_replica_does_what_was_published():
    """1.22 pages/s and 1.9k tokens/s on one A100, within 5 %."""
    own = limit(PUBLISHED, Work())
    work = Work()
    tokens = sum(p.tokens for n in range(2000) for p in work.page(n).pieces) / 2000
    assert own.pages == pytest.approx(1.22, rel=0.05)
    assert own.pages * tokens == pytest.approx(1900, rel=0.1)
    assert own.work == pytest.approx(1.0, rel=0.01)


def test_every_card_has_a_limit_of_its_own():
    """They are different servers, not one under five names; only the wire differs where tokens come one by one."""
    pages = {name: round(limit(card, Work(), seconds=60.0).pages, 2) for name, card in CARDS.items()}
    assert pages["one by one"] == pages["published"]
    assert len(set(pages.values())) == len(CARDS) - 1


def test_steps_last_as_stated():
    """Two crops of 3 and 5 tokens: the first step reads both, the others have two streams and then one."""

    async def body() -> None:
        card = replace(PUBLISHED, base=1.0, each=0.1, read=0.01, api=0.0)
        loop, engine = asyncio.get_running_loop(), Engine(card)
        seen: list[tuple[str, int, float]] = []

        def note(name: str, n: int) -> None:
            seen.append((name, n, round(loop.time(), 3)))

        engine.add(Job(50, 3, partial(note, "a")))
        engine.add(Job(50, 5, partial(note, "b")))
        await asyncio.sleep(20)
        # b's first step waits: one crop alone was there when the step began
        assert seen == [("a", 1, 1.6), ("b", 1, 3.3), ("a", 3, 4.5), ("b", 5, 7.8)]
        assert engine.load == 0

    run(body())


def test_the_wire_is_understood_and_a_closed_stream_frees_its_slot():
    """The real client reads whole texts with their probabilities; a loop is left early and its slot is free."""

    async def body() -> None:
        work = Work(faulty=0.3)
        pieces = [p for n in range(20) for p in work.page(n).pieces]
        servers = SimulatedServers(work, one_address(1))
        async with VLLMRecogniser("http://balancer:8000", transport=servers.transport) as client:
            sound = next(p for p in pieces if p.fault is None)
            answer = await client.recognise(sound.crop())
            assert (answer.end, answer.tokens, answer.model) == (End.STOP, sound.tokens, MODEL)
            assert len(answer.text.split()) == sound.tokens
            assert answer.mean_logprob is not None
            long = next(p for p in pieces if p.fault is Fault.LONG)
            asked = asyncio.ensure_future(client.recognise(long.crop()))
            await asyncio.sleep(2)
            assert servers.engines["balancer"][0].load == 1
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            await asyncio.sleep(1)
            assert servers.engines["balancer"][0].load == 0
            answer = await client.recognise(long.crop())
            assert (answer.end, answer.tokens) == (End.LENGTH, LONGEST_OUTPUT)
            stuck = next(p for p in pieces if p.fault is Fault.STUCK)
            begun = asyncio.get_running_loop().time()
            assert (await client.recognise(stuck.crop())).end is End.STOP
            assert asyncio.get_running_loop().time() - begun > STUCK
        quick = Limits(silence=20.0)
        async with VLLMRecogniser("http://balancer:8000", limits=quick, transport=servers.transport) as client:
            with pytest.raises(ServerTimeout, match="silent for 20 s"):
                await client.recognise(stuck.crop())

    run(body())


def test_a_bounded_queue_refuses():
    """503 beyond slots and queue, as vLLM with --max-num-queued-reqs; the client comes again and loses nothing."""
    tiny = replace(SMALL, slots=8)
    read = ours(Work(), one_address(1, tiny), seconds=60, queue=4)
    assert read.lost == 0
    assert read.seconds[-1].limit <= 16
    assert read.work(30, 60) >= 0.8 * limit(tiny, Work()).work


def test_paddlex_waits_for_its_batch_and_ends_with_its_first_failure():
    """Its pages come in batches, never more than 200 crops are asked for, and a failing crop costs all of its batch."""
    work = Work(faulty=0.002, seed=3)
    read = paddlex(work, one_address(1), seconds=200, document=20)
    failing = {n for n in range(40) if any(p.fault is Fault.FAIL for p in work.page(n).pieces)}
    assert len(set(read.pages)) < len(read.pages) / 4
    assert AT_ONCE == 200
    assert failing == set() or read.lost > 0
    whole = work.page(0).pieces[0]
    assert output_of(whole) == (whole.tokens, True)


def test_work_is_the_same_in_every_run():
    """Crops do not change with the share of faults, nor with the order in which pages are asked for."""
    first, second = Work(), Work(faulty=0.5)
    second.page(30)
    assert [p.tokens for p in first.page(7).pieces] == [p.tokens for p in second.page(7).pieces]
    assert {p.fault for p in second.pieces} == {None, *Fault}


def test_virtual_time_does_not_wait():
    """A wait that nothing can end is an error, not a hang."""

    async def hangs() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="Nothing will ever happen"):
        run(hangs())


def test_transport_is_asked_like_a_server():
    """Health, models, and the refusal of a failing crop in vLLM's form."""

    async def body() -> None:
        work = Work(faulty=1.0)
        failing = next(p for n in range(9) for p in work.page(n).pieces if p.fault is Fault.FAIL)
        servers = SimulatedServers(work, one_address(1))
        async with httpx.AsyncClient(transport=servers, base_url="http://balancer:8000") as client:
            assert (await client.get("/health")).status_code == 200
            assert (await client.get("/v1/models")).json()["data"][0]["id"] == MODEL
            picture = "data:image/png;base64," + base64.b64encode(failing.crop().image).decode()
            content = [{"type": "image_url", "image_url": {"url": picture}}]
            body = {"messages": [{"content": content}], "temperature": 0, "max_completion_tokens": 9}
            answer = await client.post("/v1/chat/completions", json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (500, 500)

    run(body())
