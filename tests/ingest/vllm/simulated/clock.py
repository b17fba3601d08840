"""An event loop on virtual time: its clock jumps to the next timer whenever nothing is ready, so that minutes take seconds."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["VirtualLoop", "run"]

T = TypeVar("T")


class _Jumping(selectors.DefaultSelector):
    """Never waits: the time it was asked to wait for has passed at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("Nothing will ever happen: no task is ready and no timer is set.")
            self.now += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its ``time()`` starts at 0. For coroutines without sockets and threads: those need real time."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds."""
        return self._jumping.now


def run(work: Coroutine[Any, Any, T]) -> T:
    """What the coroutine gives, run to its end on a loop of its own; tasks that it leaves behind are cancelled."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
