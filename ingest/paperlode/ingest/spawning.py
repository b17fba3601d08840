"""Processes that start without the caller's main module.

Every spawned process runs the main script again first. That ends in an error where a script has no
``if __name__ == "__main__"``, and cannot work for one that comes from standard input. Our workers need nothing of it.
"""

from __future__ import annotations

import threading
from multiprocessing import spawn
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

__all__ = ["CONTEXT"]

_ours = threading.local()
_prepared = spawn.get_preparation_data


def _preparation(name: str) -> dict[str, Any]:
    """What a new process is told; other processes of the application are told what they were before."""
    data: dict[str, Any] = _prepared(name)
    if getattr(_ours, "starting", False):
        data.pop("init_main_from_name", None)
        data.pop("init_main_from_path", None)
    return data


spawn.get_preparation_data = _preparation


class Worker(SpawnProcess):
    """A process of ours."""

    def start(self) -> None:
        """Starts it; see ``multiprocessing.Process.start``."""
        _ours.starting = True
        try:
            super().start()
        finally:
            _ours.starting = False


class _Workers(SpawnContext):
    Process = Worker


CONTEXT = _Workers()
"""A context of ``multiprocessing`` that starts such processes."""
