"""Where the time of a run goes: exclusive seconds a stage, also through nested iterators."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Stopwatch"]

T = TypeVar("T")


class Stopwatch:
    """Wall seconds a stage, of one thread. A stage entered inside another stops the other's clock until it is left."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._stack: list[str] = []
        self._since = 0.0

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds so far, in the order in which the stages first ran."""
        return dict(self._seconds)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside the ``with`` for ``name``, except what nested stages take."""
        self._settle()
        self._seconds.setdefault(name, 0.0)
        self._stack.append(name)
        try:
            yield
        finally:
            self._settle()
            self._stack.pop()

    def iterate(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """The same items; the time to produce each is counted for ``name``, the consumer's time is not."""
        source = iter(items)
        while True:
            with self.stage(name):
                try:
                    item = next(source)
                except StopIteration:
                    return
            yield item

    def _settle(self) -> None:
        now = time.perf_counter()
        if self._stack:
            self._seconds[self._stack[-1]] += now - self._since
        self._since = now
