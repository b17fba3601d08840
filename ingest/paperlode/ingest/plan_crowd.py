"""How much of the machine is left where others compute on it too."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["Clock", "Crowd", "cores"]

_STAT = Path("/proc/stat")
_BUSY = 0.9
"""Share of the cores' time from which the machine counts as full: whoever computes then takes it from others."""
_LEAST_SECONDS = 3.0
_LATEST = 3.0
"""Times the seconds that work was given, after which it ends however little of the machine it got."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


class Crowd:
    """Compares what this process and its workers compute with what the whole machine does, from now on."""

    def __init__(self) -> None:
        self._began = self._last = (time.perf_counter(), time.process_time(), _busy_seconds())
        self._workers = 0.0

    def note(self, worker_seconds: float) -> None:
        """CPU seconds that workers have spent since; to be called while there is work enough for all of them."""
        self._workers += worker_seconds
        self._last = (time.perf_counter(), time.process_time(), _busy_seconds())

    def share(self) -> float:
        """Of the cores' time, what we get where we ask for all: 1 on a machine that is ours, and where it cannot be told."""
        wall, cpu, busy = (b - a for a, b in zip(self._began, self._last, strict=True))
        if wall < _LEAST_SECONDS or busy < _BUSY * wall * (os.cpu_count() or 1):
            return 1.0
        return min(1.0, max(0.1, (cpu + self._workers) / busy))


def _busy_seconds() -> float:
    """CPU seconds that all processes have taken, and that other machines took from this one; 0 where nobody says."""
    try:
        fields = _STAT.read_text().split("\n", 1)[0].split()[1:]
        user, nice, system, _idle, _wait, irq, softirq, steal = (int(f) for f in fields[:8])
    except (OSError, ValueError):
        return 0.0
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class Clock:
    """Goes by the work done: the CPU seconds of this process and its workers, divided by the cores.

    On an idle machine that is about the time that passes. On a busy one it goes slower, though never three times as slow, so that
    a sample is as large there.
    """

    def __init__(self) -> None:
        self._began, self._cpu, self._workers = time.monotonic(), time.process_time(), 0.0

    def worked(self, seconds: float) -> None:
        """CPU seconds of a worker."""
        self._workers += seconds

    def now(self) -> float:
        """Seconds."""
        cpu = time.process_time() - self._cpu + self._workers
        return max(cpu / cores(), (time.monotonic() - self._began) / _LATEST)
