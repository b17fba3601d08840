"""Threads that take things at the same time, and do one step of each in the order in which they were given."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Turns"]

_POLL = 0.1


class Turns:
    """Each number from 0 on has its turn once all before it have passed. Every one must pass, whatever comes of it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next = 0
        self._passed: set[int] = set()

    def wait(self, number: int, check: Callable[[], object]) -> None:
        """Returns when it is that one's turn. ``check`` is called again and again; what it raises ends the waiting."""
        with self._changed:
            while self._next < number:
                check()
                self._changed.wait(_POLL)

    def done(self, number: int) -> None:
        """That one has passed: in its turn or before. More than once is no error."""
        with self._changed:
            if number < self._next:
                return
            self._passed.add(number)
            while self._next in self._passed:
                self._passed.remove(self._next)
                self._next += 1
            self._changed.notify_all()
