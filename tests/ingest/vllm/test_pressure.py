"""The limit on concurrency finds a server's capacity by itself, and the gate and the breaker keep their promises."""

from __future__ import annotations

import asyncio
import heapq
import random
from dataclasses import dataclass

import pytest

from paperlode.ingest.vllm.gates import Breaker, Gate
from paperlode.ingest.vllm.pressure import Flight, Outcome, Pressure


@dataclass
class _Job:
    left: int
    flight: Flight
    begun: float


class _Server:
    """A simulated GPU server with continuous batching, driven on a clock of its own.

    A step lasts ``base`` seconds, ``each`` more for every stream in it, and ``read`` more for every picture begun in it (at
    most ``begun_at_once``); every stream that runs gets ``stride`` tokens a step. More than ``slots`` streams queue; more
    than ``slots + queue`` are refused.
    """

    def __init__(
        self,
        slots,
        *,
        base=0.008,
        each=0.00002,
        read=0.002,
        queue=10**9,
        seed=1,
        tokens=(20, 300),
        limit=None,
        stride=1,
        begun_at_once=8,
    ):
        self.slots, self.base, self.each, self.read, self.queue = slots, base, each, read, queue
        self.tokens, self.stride, self.begun_at_once = tokens, stride, begun_at_once
        self.random = random.Random(seed)
        self.time = 0.0
        self.pressure = Pressure(now=lambda: self.time)
        self.fixed = limit
        self.waiting, self.running = [], []
        self.done = 0
        self.refused = 0
        self.deadline = 60.0
        self.retry = []

    def fill(self, callers):
        while (here := len(self.waiting) + len(self.running)) + len(self.retry) < callers:
            if not (self.pressure.room if self.fixed is None else here < self.fixed):
                break
            flight = self.pressure.begin()
            if here >= self.slots + self.queue:
                self.refused += 1
                flight.end(Outcome.BUSY)
                heapq.heappush(self.retry, self.time + 0.2)
                continue
            self.waiting.append(_Job(self.random.randint(*self.tokens), flight, self.time))

    def step(self, callers, *, stalled=False):
        while self.retry and self.retry[0] <= self.time:
            heapq.heappop(self.retry)
        self.fill(callers)
        self.waiting, self.running = self._in_time(self.waiting), self._in_time(self.running)
        if stalled:
            self.time += 0.05
            return
        new = min(max(0, self.slots - len(self.running)), len(self.waiting), self.begun_at_once)
        self.running += self.waiting[:new]
        del self.waiting[:new]
        self.time += self.base + self.each * len(self.running) + self.read * new if self.running else 0.005
        left = []
        for j in self.running:
            n = min(self.stride, j.left)
            j.flight.tokens(n)
            j.left -= n
            self.done += n
            if j.left:
                left.append(j)
            else:
                j.flight.end(Outcome.DONE)
        self.running = left

    def _in_time(self, jobs):
        for j in jobs:
            if self.time - j.begun > self.deadline:
                j.flight.end(Outcome.LATE)
        return [j for j in jobs if self.time - j.begun <= self.deadline]

    def run(self, until, callers=10**6, **k):
        while self.time < until:
            self.step(callers, **k)

    def rate(self, seconds, callers=10**6):
        before, start = self.done, self.time
        self.run(start + seconds, callers)
        return (self.done - before) / (self.time - start)


def _best(slots, seconds=20.0, **k):
    """Tokens a second of the same server, never without work."""
    server = _Server(slots, limit=2 * slots + 2, **k)
    server.run(5.0)
    return server.rate(seconds)


@pytest.mark.parametrize("slots", [1, 8, 64, 512])
def test_finds_capacity_within_30_seconds(slots):
    """After 30 s without any setting the limit is near the slots, and at least .95 of the server's own rate is reached."""
    server = _Server(slots)
    server.run(30.0)
    assert slots <= server.pressure.limit <= 1.4 * slots + 3
    assert server.rate(20.0) >= 0.95 * _best(slots)


@pytest.mark.parametrize("tokens", [(3, 12), (400, 900)])
@pytest.mark.parametrize("slots", [8, 128])
def test_short_and_long_outputs(slots, tokens):
    """One-line crops, where reading the picture is most of the work, and whole pages of text are served as well."""
    server = _Server(slots, tokens=tokens, seed=5)
    server.run(30.0)
    assert server.rate(15.0) >= 0.95 * _best(slots, 15.0, tokens=tokens, seed=5)


def test_latency_that_rises_gently_does_not_stop_the_climb():
    """Where a full batch is three times as slow per token as an empty one, its throughput is still found."""
    server = _Server(256, each=0.0000625)
    server.run(30.0)
    assert server.rate(10.0) >= 0.95 * _best(256, 10.0, each=0.0000625)


def test_64_replicas_behind_one_address():
    """16,384 slots (64 replicas of 256) are filled within 30 s; tokens come twenty at a time, as with --stream-interval."""
    fleet = {"base": 0.2, "each": 0.0, "read": 0.0, "stride": 20, "begun_at_once": 16384}
    server = _Server(16384, **fleet)
    server.run(30.0)
    assert 16384 <= server.pressure.limit <= 1.4 * 16384
    assert server.rate(3.0) >= 0.95 * _best(16384, 3.0, **fleet)


def test_refusals_are_few_and_cost_little():
    """A server that answers 503 above its slots and four more is still used to .9, with few refusals."""
    server = _Server(64, queue=4)
    server.run(30.0)
    before = server.refused
    assert server.rate(30.0) >= 0.9 * _best(64)
    assert server.refused - before <= 30


def test_recovers_after_a_stall():
    """A server that stands still for 20 s, with requests timing out, is back at .95 within 30 s of its return."""
    server = _Server(64)
    server.deadline = 8.0
    server.run(30.0)
    full = server.pressure.limit
    server.run(50.0, stalled=True)
    assert server.pressure.limit <= full // 2
    server.run(80.0)
    assert server.rate(15.0) >= 0.95 * _best(64, 15.0)


def test_follows_a_server_that_shrinks_and_grows():
    """Capacity that falls to a quarter and comes back is followed in both directions."""
    server = _Server(128)
    server.run(30.0)
    server.slots = 32
    server.run(60.0)
    assert server.pressure.limit <= 32 * 2
    server.slots = 128
    server.run(90.0)
    assert server.rate(10.0) >= 0.95 * _best(128, 10.0)


def test_few_callers_do_not_inflate_the_limit():
    """The limit says what was tried, not what was wished: with 5 callers it stays where it began."""
    server = _Server(512)
    server.run(60.0, callers=5)
    assert server.pressure.limit <= 16


def test_single_late_crops_do_not_halve():
    """One hanging crop in a hundred is the crop's fault, not the load's."""
    clock = [0.0]
    p = Pressure(now=lambda: clock[0])
    p._limit = 64
    flights = [p.begin() for _ in range(50)]
    for f in flights[:40]:
        f.tokens()
        f.end(Outcome.DONE)
    flights[40].end(Outcome.LATE)
    assert p.limit == 64
    for f in flights[41:]:
        f.end(Outcome.LATE)
    assert p.limit == 32, "many late ones halve it, once"


def test_never_below_one_and_never_above_most():
    clock = [0.0]
    p = Pressure(now=lambda: clock[0], most=3)
    for _ in range(10):
        p.begin().end(Outcome.BUSY)
        assert 1 <= p.limit <= 3
    assert p.limit == 1
    server = _Server(512)
    server.pressure.most = 3
    server.run(20.0)
    assert server.pressure.limit == 3


def test_a_flight_ends_once():
    p = Pressure()
    f = p.begin()
    f.end(Outcome.DONE)
    f.end(Outcome.BUSY)
    assert p.in_flight == 0


def test_gate_serves_in_order_and_cancelled_callers_take_nothing():
    """First come first served; a caller cancelled in the moment it is served gives its place back."""

    async def run():
        free = [0]
        served: list[int] = []

        def pick():
            if not free[0]:
                return None
            free[0] -= 1
            return 1

        def undo(_):
            free[0] += 1

        gate: Gate[int] = Gate()

        async def caller(i):
            await gate.wait(pick, undo=undo)
            served.append(i)

        tasks = [asyncio.create_task(caller(i)) for i in range(4)]
        await asyncio.sleep(0)
        assert gate.waiting == 4
        tasks[0].cancel()
        await asyncio.sleep(0)
        free[0] = 1
        gate.wake()
        tasks[1].cancel()  # its future is set already
        await asyncio.sleep(0)
        gate.wake()
        await asyncio.sleep(0)
        assert served == [2]
        gate.fail(lambda: RuntimeError("down"))
        with pytest.raises(RuntimeError):
            await tasks[3]
        await asyncio.gather(*tasks, return_exceptions=True)
        assert free == [0]
        assert gate.waiting == 0

    asyncio.run(run())


def test_breaker_opens_on_trial_and_closes():
    """Three broken connections open it; a probe puts it on trial; the trial's success closes it, its failure opens it."""
    b = Breaker(first=1.0, longest=4.0)
    assert [b.failed(connection=True) for _ in range(3)] == [False, False, True]
    assert (b.state, b.delay) == ("open", 1.0)
    b.succeeded()
    assert b.state == "open", "an answer from before does not close it"
    b.probed()
    assert b.failed(connection=False)
    assert b.delay == 2.0
    for _ in range(5):
        b.open()
    assert b.delay == 4.0
    b.probed()
    b.succeeded()
    assert (b.state, b.delay) == ("closed", 0.0)


def test_breaker_forgives_single_failures():
    """Failures with successes between them never open it."""
    b = Breaker()
    for _ in range(50):
        assert not b.failed(connection=False)
        b.succeeded()
    assert b.state == "closed"
