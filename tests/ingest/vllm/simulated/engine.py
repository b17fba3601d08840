"""A SIMULATED GPU with vLLM's continuous batching, on the event loop's clock. Nothing is computed; only time passes.

Each step gives every running stream one token, and takes in waiting crops as far as slots and the budget of tokens go
(``--max-num-seqs``, ``--max-num-batched-tokens``); the queue has no end. A step lasts

    base + each * streams + read * picture and prompt tokens taken in

Where the figures of ``PUBLISHED`` come from:

- ``base`` and ``each``: vLLM 0.23 with Qwen2.5-0.5B on one L4, 5.1 ms between tokens for one stream, 7.1 ms for 32
  (https://ai.wmx.dev/benchmarks). PaddleOCR-VL's decoder has 0.3 billion parameters; the shape is what matters.
- ``read``: what is left of a page's time at 1.22 pages/s (1.9k tokens/s), one A100 with vLLM: PaddleOCR-VL's technical
  report, arXiv 2510.14528, as remembered; the table could not be read again. That was measured through PaddleX's client, so
  a real server may do more; which part of it is slow is not published. So there are other cards as well, where the same
  time goes into decoding, or into decoding the pictures in the API processes, and one that is five times as fast. They are
  assumptions.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CARDS", "PUBLISHED", "Card", "Engine", "Job"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One replica; seconds and tokens.

    Attributes:
        slots: streams that run at once (vLLM's default is 256 for most GPUs).
        base, each, read: of a step, see the module.
        budget: tokens of one step (the recipe says 16384).
        api: seconds an API process takes for one picture, before the engine sees it.
        processes: API processes.
        interval: tokens sent at a time after the first (``--stream-interval``; our ``serve`` sets 16).
    """

    slots: int = 256
    base: float = 0.005
    each: float = 0.000065
    read: float = 0.00018
    budget: int = 16384
    api: float = 0.005
    processes: int = 4
    interval: int = 16


PUBLISHED = Card()
CARDS = {
    "published": PUBLISHED,
    "decode": replace(PUBLISHED, each=0.00048, read=0.00002),
    "api": replace(PUBLISHED, read=0.00003, api=0.2),
    "quick": replace(PUBLISHED, base=0.003, each=0.00003, read=0.00004),
    "one by one": replace(PUBLISHED, interval=1),
}


class Job:
    """One crop in the engine.

    Args:
        prompt: tokens to read.
        tokens: to write.
        wrote: called when tokens go out, with how many there are so far.
    """

    __slots__ = ("begun", "cancelled", "prompt", "tokens", "wrote")

    def __init__(self, prompt: int, tokens: int, wrote: Callable[[int], None]) -> None:
        self.prompt, self.tokens, self.wrote = prompt, tokens, wrote
        self.begun = -1
        self.cancelled = False


class Engine:
    """One replica's API processes, queue and GPU."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self._loop = asyncio.get_running_loop()
        self._free = [0.0] * card.processes
        self._waiting: deque[Job] = deque()
        self._due: dict[int, list[Job]] = {}  # step -> streams that send at its end
        self._running = 0
        self._step = 0
        self._busy = False
        self.load = 0
        """Crops that are here."""
        self._done = 0.0
        self._now: tuple[float, float, float] = (0.0, 1.0, 0.0)  # begin, length and work of the step at hand

    @property
    def work(self) -> float:
        """Seconds that what was done so far would have taken with every slot in use."""
        begin, lasts, work = self._now
        return self._done + work * min(1.0, (self._loop.time() - begin) / lasts)

    def add(self, job: Job) -> None:
        """Takes a crop in: first an API process, then the queue."""
        self.load += 1
        now = self._loop.time()
        first = min(range(len(self._free)), key=self._free.__getitem__)
        self._free[first] = max(now, self._free[first]) + self.card.api
        self._loop.call_at(self._free[first], self._queue, job)

    def cancel(self, job: Job) -> None:
        """The client went away: its slot is free. Idempotent; also for one that is done."""
        if not job.cancelled:
            job.cancelled = True
            self.load -= 1
            self._running -= job.begun >= 0

    def _queue(self, job: Job) -> None:
        if not job.cancelled:
            self._waiting.append(job)
            if not self._busy:
                self._begin()

    def _begin(self) -> None:
        card, budget, taken = self.card, self.card.budget - self._running, 0
        while self._waiting and self._running < card.slots:
            job = self._waiting[0]
            if job.cancelled:
                self._waiting.popleft()
                continue
            if taken and taken + job.prompt > budget:
                break
            self._waiting.popleft()
            taken += job.prompt
            job.begun = self._step
            self._running += 1
            self._due.setdefault(self._step, []).append(job)
        self._busy = self._running > 0
        if self._busy:
            lasts = card.base + card.each * self._running + card.read * taken
            work = card.read * taken + self._running * (card.base / card.slots + card.each)
            self._now = (self._loop.time(), lasts, work)
            self._loop.call_later(lasts, self._end)

    def _end(self) -> None:
        self._done, self._now = self._done + self._now[2], (0.0, 1.0, 0.0)
        interval = self.card.interval
        for job in self._due.pop(self._step, ()):
            if job.cancelled:
                continue
            written = self._step - job.begun + 1
            if written < job.tokens:
                self._due.setdefault(min(self._step + interval, job.begun + job.tokens - 1), []).append(job)
            else:
                self.cancel(job)
            job.wrote(written)
        self._step += 1
        self._begin()
