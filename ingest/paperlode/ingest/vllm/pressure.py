"""How hard to press a server: concurrency that finds its own limit.

What is measured, and why. A server with continuous batching answers every stream a little slower the fuller its batch is,
while it still does more work in all: latency alone would stop too early. Two other things tell the truth, and both are
seen in the streams themselves, without asking the server:

- tokens per second over all streams: as long as they grow with the streams, the server is not full;
- how many streams wait for their first token, beyond those the server is reading the picture of: that is its queue.

The limit doubles while the first grows and the second is small, and is then kept where the queue is small but not empty,
so that the server never waits for us. A limit that is a little too high costs nothing but a place in the server's queue;
one that is too low costs throughput: doubts are decided upwards.

Pure logic on an injected clock.
"""

from __future__ import annotations

import math
import time
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Flight", "Outcome", "Pressure"]

START = 16
"""Requests at once before anything is known: a page's blocks need not wait, and a server of one slot is hardly flooded."""
SETTLE = (0.2, 1.0)
"""Seconds after a change of the limit that are not measured: twice the time to the first token, within these bounds."""
MEASURE = 0.8
"""Seconds that are measured. With the above, 10 doublings (16,384 streams) take 10 to 20 s."""
LONGEST_MEASURE = 5.0
"""Seconds after which a window closes with fewer than ``FEWEST_TOKENS``."""
FEWEST_TOKENS = 20
FULL = 0.8
"""Share of the limit that must be in use for a window to say anything about the server."""
DOUBLED_PAYS = 1.2
"""Doubled streams that bring this many times the tokens call for another doubling (BBR's start-up uses 1.25)."""
LESS = 0.7
"""A quarter more streams that bring less than this share of the tokens, ``FALLS`` windows in a row, are taken back.
That they bring no more is no reason to: where reading pictures is most of the work, tokens per second vary by a third from
window to window, and the last twentieth of the throughput is found long after the growth is too small to be seen."""
FALLS = 3
SHORT_QUEUE = 0.05
"""Share of the streams that wait in the server, below which the limit grows; at least half a stream."""
LONG_QUEUE = 0.2
"""The same, above which it shrinks; at least one stream and a half."""
KEPT = 0.95
"""A cut that leaves less than this share of the tokens per second is taken back."""
HOLD = 30.0
"""Seconds for which a refuted change is not tried again."""


class Outcome(StrEnum):
    """How a request ended, as far as the limit is concerned."""

    DONE = "done"
    BUSY = "busy"
    """Refused for load (503, 429): halves the limit."""
    LATE = "late"
    """Past its deadline: halves the limit when it is not alone."""
    FAILED = "failed"
    """Broken for another reason, or cancelled: says nothing of the load."""


class Flight:
    """One request on its way; ``tokens`` as they come, then ``end`` once."""

    __slots__ = ("_began", "_epoch", "_open", "_pressure", "_waiting")

    def __init__(self, pressure: Pressure, began: float, epoch: int) -> None:
        self._pressure = pressure
        self._began = began
        self._epoch = epoch
        self._waiting = True
        self._open = True

    def tokens(self, count: int = 1) -> None:
        """The stream brought ``count`` tokens."""
        first_after = self._pressure.now() - self._began if self._waiting else None
        self._waiting = False
        self._pressure._received(count, first_after)  # noqa: SLF001 - two halves of one thing

    def end(self, outcome: Outcome) -> None:
        """The request is over. Idempotent."""
        if self._open:
            self._open = False
            self._pressure._ended(outcome, waiting=self._waiting, epoch=self._epoch)  # noqa: SLF001 - as above


class Pressure:
    """The number of requests that may be under way at one server, found from what it does with them.

    Args:
        now: seconds, from any origin.
        most: the limit never grows above this.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic, most: int = 1 << 16) -> None:
        self.now = now
        self.most = max(1, most)
        self._waiting = 0
        self._running = 0
        self._epoch = 0
        self.received = 0
        """Tokens of all streams until now."""
        self.last_received = -math.inf
        """When the last of them came."""
        self.restart()

    @property
    def limit(self) -> int:
        """Requests that may be under way at once, at least 1."""
        return self._limit

    @property
    def in_flight(self) -> int:
        """Requests under way; above ``limit`` for a while after it was cut."""
        return self._waiting + self._running

    @property
    def room(self) -> bool:
        """Whether one more may begin."""
        return self.in_flight < self._limit

    def begin(self) -> Flight:
        """One more request is under way, whether there is room or not."""
        self._pass()
        self._waiting += 1
        return Flight(self, self.now(), self._epoch)

    def restart(self) -> None:
        """Forgets what was learnt: the server is new or came back."""
        self._limit = min(START, self.most)
        self._climbing = True
        self._best_first: float | None = None
        self._quickest: float = math.inf
        self._recent_first = 0.0
        self._rate_before = 0.0
        self._strikes = self._falls = 0
        self._streak = 0
        self._ceiling, self._ceiling_until = self.most, 0.0
        self._no_cut_until = 0.0
        self._before_cut: tuple[int, float] | None = None
        self._anchor: tuple[int, float] | None = None
        self._epoch += 1
        self._open_window()

    # ------------------------------------------------------------------------------------------------ what is seen

    def _open_window(self) -> None:
        t = self.now()
        low, high = SETTLE
        self._from = t + min(high, max(low, 2 * self._recent_first))
        self._last = t
        self._waited = self._ran = 0.0  # stream seconds
        self._tokens = self._firsts = self._ends = self._lates = 0
        self._first_seconds, self._all_firsts = 0.0, 0

    def _pass(self) -> None:
        """Brings the sums up to now, and judges the window if it is over."""
        t = self.now()
        dt = t - max(self._last, self._from)
        if dt > 0:
            self._waited += self._waiting * dt
            self._ran += self._running * dt
        self._last = t
        span = t - self._from
        if span >= MEASURE and (self._tokens >= FEWEST_TOKENS or span >= LONGEST_MEASURE):
            self._judge(span)

    def _received(self, count: int, first_after: float | None) -> None:
        self._pass()
        self.received += count
        self.last_received = self._last
        measured = self._last >= self._from
        if first_after is not None:
            self._waiting -= 1
            self._running += 1
            self._first_seconds += first_after
            self._quickest = min(self._quickest, first_after)
            self._all_firsts += 1
            self._firsts += measured
        if measured:
            self._tokens += count

    def _ended(self, outcome: Outcome, *, waiting: bool, epoch: int) -> None:
        self._pass()
        self._waiting -= waiting
        self._running -= not waiting
        self._ends += 1
        if outcome is Outcome.LATE:
            self._lates += 1
        if epoch != self._epoch:
            return  # it began before the last cut, which has answered it already
        if outcome is Outcome.BUSY:
            self._halve(ceiling=max(1, int(0.9 * self._limit)))
        elif outcome is Outcome.LATE and self._many_late():
            self._halve(ceiling=self.most)

    def _many_late(self) -> bool:
        """Single crops may hang by themselves; a slow server is late with a tenth of them, and with more than one."""
        return self._lates >= min(2, self._limit) and self._lates * 10 >= self._ends

    def _halve(self, ceiling: int) -> None:
        self._epoch += 1
        self._ceiling, self._ceiling_until = ceiling, self.now() + HOLD
        self._climbing = ceiling == self.most
        self._rate_before, self._strikes, self._streak = 0.0, 0, 2  # up to the ceiling it is known ground
        self._anchor = self._before_cut = None
        self._set(self._limit // 2)

    # ------------------------------------------------------------------------------------------------ what follows

    def _set(self, limit: int) -> None:
        ceiling = self._ceiling if self.now() < self._ceiling_until else self.most
        self._limit = max(1, min(limit, ceiling, self.most))
        self._open_window()

    def _judge(self, span: float) -> None:
        if self._all_firsts:
            mean = self._first_seconds / self._all_firsts
            self._recent_first = mean
            # twice the quickest of all: where the first window had a queue already, its mean is no measure
            self._best_first = min(mean, self._best_first or mean, 2 * self._quickest)
        rate = self._tokens / span
        waiting, running = self._waited / span, self._ran / span
        reading = min(waiting, self._firsts / span * (self._best_first or 0.0))
        queue = waiting - reading
        if not self._tokens or not FULL * self._limit <= waiting + running <= 1.1 * self._limit + 1:
            self._open_window()  # a stall, too few callers, or those of before a cut: nothing to learn
        elif self._climbing:
            self._climb(rate, queue, busy=running + reading)
        else:
            self._steady(rate, queue, busy=running + reading)

    def _climb(self, rate: float, queue: float, busy: float) -> None:
        limit = self._limit
        grew = rate >= DOUBLED_PAYS * self._rate_before
        queued = queue >= max(0.1 * limit, 0.7)
        if (grew and queue < limit / 3) or (not queued and rate >= 1.05 * self._rate_before):
            self._rate_before, self._strikes = rate, 0
            if limit < self.most:
                self._set(2 * limit)
                return
        self._strikes += 1
        if self._strikes < 2 and limit < self.most:
            self._open_window()  # once may be chance
            return
        self._climbing, self._strikes = False, 0
        self._anchor = (limit, rate)
        self._set(self._fitting(busy) if queued else limit)

    def _fitting(self, busy: float) -> int:
        """The limit that keeps the server busy and a tenth more waiting, at least one."""
        return min(self._limit, round(busy + max(1.0, 0.1 * busy)))

    def _steady(self, rate: float, queue: float, busy: float) -> None:
        limit = self._limit
        if self._cut_was_wrong(rate):
            return
        if queue > max(LONG_QUEUE * limit, 1.5) and self.now() >= self._no_cut_until:
            self._streak, self._anchor = 0, None
            self._strikes += 1
            if self._strikes < 2:
                self._open_window()  # the first may hold what the server still did before it became slower
                return
            self._strikes = 0
            self._before_cut = (limit, rate)
            self._set(self._fitting(busy))
            return
        self._strikes = 0
        if queue < max(SHORT_QUEUE * limit, 0.5):
            self._grow(rate)
        else:
            self._streak = 0
            self._anchor = (limit, self._smoothed(rate))
            self._open_window()

    def _cut_was_wrong(self, rate: float) -> bool:
        if self._before_cut is None:
            return False
        (limit, before), self._before_cut = self._before_cut, None
        if rate >= KEPT * before:
            return False
        self._no_cut_until = self.now() + HOLD
        self._set(limit)
        return True

    def _grow(self, rate: float) -> None:
        """A tenth more, then two, four, eight tenths, as long as nothing waits in the server and not much less comes out."""
        limit = self._limit
        if self._anchor is None:
            self._anchor = (limit, rate)
        elif limit >= 1.25 * self._anchor[0] and limit > 2:
            if rate < LESS * self._anchor[1]:
                self._falls += 1
                if self._falls < FALLS:
                    self._open_window()
                    return
                self._ceiling, self._ceiling_until = self._anchor[0], self.now() + HOLD
                self._streak = self._falls = 0
                self._set(self._anchor[0])
                return
            self._falls = 0
            self._anchor = (limit, self._smoothed(rate))
        more = max(1, round(limit * min(1.0, 0.1 * 2**self._streak)))
        self._set(limit + more)
        self._streak = min(self._streak + 1, 4) if self._limit == limit + more else 0

    def _smoothed(self, rate: float) -> float:
        """The anchor's rate, halfway to the new one."""
        return rate if self._anchor is None else (self._anchor[1] + rate) / 2
