"""Locks between processes on a file; the operating system frees them when their holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING

from paperlode.ingest.errors import ArchiveLocked

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FileLock"]


class FileLock:
    """A file, held by this process until ``release``.

    Args:
        path: of the file, made where there is none.
        shared: others may hold it as well, if they share it too.
        seconds: to wait for it.
        what: that is in use, for the message.

    Raises:
        ArchiveLocked: another process has it.
    """

    def __init__(self, path: Path, *, shared: bool = False, seconds: float = 0.0, what: str = "service") -> None:
        self._number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        until = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(self._number, kind | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() >= until:
                    os.close(self._number)
                    raise ArchiveLocked(
                        f"The {what} in {str(path.parent)!r} is in use by another process.",
                        hint="Wait until it has ended, or end it.",
                    ) from None
                time.sleep(0.05)
            else:
                return

    def release(self) -> None:
        """Let go of it. Idempotent."""
        if self._number >= 0:
            os.close(self._number)
            self._number = -1
