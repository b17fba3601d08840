"""How much one caller may ask for: requests a second (a bucket that fills again), and requests at the same time."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paperlode.ingest.errors import LimitReached

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Limiter"]

_MOST_CALLERS = 10_000
"""That are remembered; of those that have nothing under way the longest silent are forgotten."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float
    inside: int = 0


class Limiter:
    """See the module. Its methods may be called from any thread.

    Args:
        per_second: requests, over a longer time; 0 for any number.
        burst: requests at once after a pause.
        at_once: requests under way at the same time; 0 for any number.
    """

    def __init__(self, *, per_second: float = 50.0, burst: int = 200, at_once: int = 64) -> None:
        self._rate, self._burst, self._at_once = per_second, burst, at_once
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, who: str) -> Iterator[None]:
        """Around one request of a caller. Raises LimitReached, with how long to wait in its hint."""
        bucket = self._enter(who)
        try:
            yield
        finally:
            with self._lock:
                bucket.inside -= 1

    def _enter(self, who: str) -> _Bucket:
        now = time.monotonic()
        with self._lock:
            bucket = self._buckets.setdefault(who, _Bucket(float(self._burst), now))
            self._buckets.move_to_end(who)
            bucket.left = min(float(self._burst), bucket.left + (now - bucket.at) * self._rate)
            bucket.at = now
            if self._at_once and bucket.inside >= self._at_once:
                raise LimitReached(
                    f"{bucket.inside} requests of this key are under way, which is the most.",
                    hint="Wait for some of them.",
                )
            if self._rate and bucket.left < 1:
                seconds = math.ceil((1 - bucket.left) / self._rate)
                raise LimitReached(
                    f"This key asks more than {self._rate:g} times a second.",
                    hint=f"Try again in {seconds} second{'s' if seconds != 1 else ''}.",
                )
            bucket.left -= 1
            bucket.inside += 1
            while len(self._buckets) > _MOST_CALLERS and not (oldest := next(iter(self._buckets.items())))[1].inside:
                del self._buckets[oldest[0]]
            return bucket
