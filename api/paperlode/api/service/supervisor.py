"""Keeps the workers of a service alive: one that dies is replaced, and its jobs are free at once."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING

from paperlode.api.service.worker import NO_BLAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from paperlode.api.service.queue import Queue

__all__ = ["Supervisor"]

FAULTLESS = (0, NO_BLAME)
"""Exit codes that tell nothing against the jobs."""
QUICK = 5.0
"""Seconds: a worker that lived shorter is waited for before it is replaced, longer each time;"""
LONGEST = 30.0
"""so many seconds at most."""

log = logging.getLogger(__name__)


class Supervisor:
    """Worker processes, each in a process group of its own, until ``stop``.

    Args:
        queue: whose jobs they take.
        command: of a worker, by its name.
        workers: how many.
        environment: added to this process's.
    """

    def __init__(
        self,
        queue: Queue,
        command: Callable[[str], Sequence[str]],
        *,
        workers: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._queue = queue
        self._command = command
        self._environment = {**os.environ, **(environment or {})}
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._threads = [threading.Thread(target=self._slot, name=f"worker-{n}", daemon=True) for n in range(workers)]

    def start(self) -> None:
        """All of them."""
        for thread in self._threads:
            thread.start()

    @property
    def processes(self) -> dict[str, int]:
        """Process ids of the workers that are alive, by name."""
        with self._lock:
            return {name: p.pid for name, p in self._running.items() if p.poll() is None}

    def stop(self, *, seconds: float = 20.0) -> None:
        """Lets each end after what it has under way, and ends those that take longer. Idempotent."""
        self._stopping.set()
        for process in self._alive():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        until = time.monotonic() + seconds
        for process in self._alive():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
        for process in self._alive():
            _end_group(process)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(5.0)

    def _alive(self) -> list[subprocess.Popen[bytes]]:
        with self._lock:
            return list(self._running.values())

    def _slot(self) -> None:
        quick = 0
        while not self._stopping.is_set():
            name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
            began = time.monotonic()
            code = self._one(name)
            if self._stopping.is_set():
                return
            quick = quick + 1 if time.monotonic() - began < QUICK and code not in FAULTLESS else 0
            if code not in FAULTLESS:
                log.warning("worker %s ended with %s; another takes its place", name, code)
            if quick > 1:
                self._stopping.wait(min(LONGEST, 0.5 * 2.0**quick))

    def _one(self, name: str) -> int:
        """One worker's life."""
        process = subprocess.Popen(  # noqa: S603  our own command, without a shell
            self._command(name), stdin=subprocess.PIPE, env=self._environment, start_new_session=True
        )
        with self._lock:
            self._running[name] = process
        try:
            return process.wait()
        finally:
            _end_group(process)  # what it has left behind
            with self._lock:
                del self._running[name]
            if process.stdin is not None:
                process.stdin.close()
            self._free(name, blame=process.returncode not in FAULTLESS)

    def _free(self, name: str, *, blame: bool) -> None:
        try:
            self._queue.lost(name) if blame else self._queue.give_back(name)
        except Exception:
            log.exception("the jobs of %s are free only when its lease is over", name)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
