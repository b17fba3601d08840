"""Who may go to a server now: the line of those who wait, and the breaker that keeps work away from one that is down."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Breaker", "Gate"]

T = TypeVar("T")


class Gate(Generic[T]):
    """Callers wait here, first come first served, until ``pick`` has something for them.

    A waiting caller costs a future, and what it holds itself.
    """

    def __init__(self) -> None:
        self._line: deque[tuple[asyncio.Future[T], Callable[[], T | None]]] = deque()
        self.waiting = 0
        """Callers in the line."""

    async def wait(self, pick: Callable[[], T | None], *, undo: Callable[[T], None]) -> T:
        """What ``pick`` gives, as soon as it is this caller's turn and it gives something.

        Args:
            pick: takes what is free, or says None; called again after each ``wake``.
            undo: gives back what was taken for a caller that was cancelled in the same moment.
        """
        self.wake()
        if not self._line:
            taken = pick()
            if taken is not None:
                return taken
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._line.append((future, pick))
        self.waiting += 1
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                undo(future.result())
            raise
        finally:
            self.waiting -= 1

    def wake(self) -> None:
        """Something may be free: serves the line from its head."""
        while self._line:
            future, pick = self._line[0]
            if not future.done():
                taken = pick()
                if taken is None:
                    return
                future.set_result(taken)
            self._line.popleft()

    def fail(self, error: Callable[[], BaseException]) -> None:
        """Ends the waiting of all: each gets an error of its own."""
        line, self._line = self._line, deque()
        for future, _ in line:
            if not future.done():
                future.set_exception(error())


class Breaker:
    """Keeps work away from a server that does not answer.

    Closed: all is well. ``TRIP`` points of failure in a row open it. Open: nothing goes there until a probe succeeded.
    On trial (half open): one request at a time; the first that succeeds closes it, the first that fails opens it again,
    and the next probe waits twice as long.

    Args:
        first, longest: seconds before the first probe, and the most between two.
    """

    TRIP = 9
    """Points that open it: 3 broken connections, or 9 other failures in a row, since single crops fail by themselves."""

    def __init__(self, *, first: float = 0.5, longest: float = 10.0) -> None:
        self._first = first
        self._longest = longest
        self._points = 0
        self._opened = 0
        self.state = "closed"

    @property
    def delay(self) -> float:
        """Seconds to the next probe, before jitter."""
        return min(self._longest, self._first * 2.0 ** min(self._opened - 1, 30)) if self._opened else 0.0

    def succeeded(self) -> None:
        """A request was answered."""
        if self.state != "open":  # an answer from before it opened
            self.state, self._points, self._opened = "closed", 0, 0

    def failed(self, *, connection: bool, others_go_on: bool = False) -> bool:
        """A request failed; whether that opened the breaker.

        Args:
            connection: whether its connection broke.
            others_go_on: whether other requests get tokens meanwhile: then the failures are the requests' own.
        """
        if others_go_on and self.state == "closed":
            self._points = 0
        self._points += 3 if connection else 1
        if self.state == "open" or (self.state == "closed" and self._points < self.TRIP):
            return False
        self.open()
        return True

    def open(self) -> None:
        """Opens it, or counts one more vain probe."""
        self.state = "open"
        self._opened += 1

    def probed(self) -> None:
        """A probe succeeded: the next request is the trial, unless nothing ever failed there."""
        self.state, self._points = "half-open" if self._opened else "closed", 0
