"""A document's file on the node of a worker: at the path that the driver has it at, or a copy of the bytes that it sent.

Both are judged by their digest, once for as long as the file's stamp stays what it is.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat as stat_bits
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import SourceChanged, SourceError, SourceUnreadable
from paperlode.ingest.sources import open_source, stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from paperlode.ingest.document import Source
    from paperlode.ingest.sources import Stamp

__all__ = ["FilesOfNode"]

MOST_BYTES = 4_000_000_000
"""Of copies on a node; the ones used longest ago go first."""
IN_USE = 900.0
"""Seconds in which a copy that was asked for is not taken away."""
STALE = 86_400.0
"""Seconds after which the copies of a run that was killed are cleared away."""
_PREFIX = "paperlode-ray-"


class FilesOfNode:
    """The copies of one run on this node, shared by its workers there.

    Args:
        run: name of the run, the same for all workers.
        most_bytes: see ``MOST_BYTES``.
    """

    def __init__(self, run: str, *, most_bytes: int = MOST_BYTES) -> None:
        self.folder = Path(tempfile.gettempdir()) / f"{_PREFIX}{os.getuid()}-{run}"
        self._most_bytes = most_bytes
        self._judged: dict[str, tuple[Stamp, str]] = {}
        _clear_stale(self.folder)

    def found(self, source: Source, sent: Callable[[], Any] | None) -> Source | None:
        """The source, with the path at which this node has just its bytes.

        Args:
            source: as the driver saw it.
            sent: gives the bytes as an array of uint8; None where the driver has not sent them.

        Returns:
            None where the file is not here, or is another one, and was not sent.

        Raises:
            SourceChanged: what was sent is not what the driver saw either.
            SourceUnreadable: the copy cannot be written.
        """
        if self._is(source.uri, source):
            return source
        copy = self.folder / source.digest
        try:
            if self._is(str(copy), source):
                os.utime(copy)
            elif sent is None:
                return None
            else:
                self._write(copy, source, sent)
        except OSError as exc:
            raise SourceUnreadable(
                f"The file {source.uri!r} could not be copied to a node of the cluster: {exc}.",
                hint="Put the files on a file system that all nodes see, or make room in the temporary folder there.",
            ) from exc
        return replace(source, uri=str(copy))

    def _is(self, path: str, source: Source) -> bool:
        try:
            now = stamp(path)
            if now.size != source.size:
                return False
            before = self._judged.get(path)
            if before is None or before[0] != now:
                if len(self._judged) > 1000:
                    self._judged.clear()
                before = self._judged[path] = (now, open_source(path).digest)
        except SourceError:
            return False
        return before[1] == source.digest

    def _write(self, copy: Path, source: Source, sent: Callable[[], Any]) -> None:
        _make_private(self.folder)
        with (self.folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._is(str(copy), source):  # another worker has just written it
                return
            self._make_room(source.size)
            part = copy.with_suffix(f".{os.getpid()}")
            part.write_bytes(memoryview(sent()))
            part.replace(copy)
        if not self._is(str(copy), source):
            copy.unlink(missing_ok=True)
            raise SourceChanged(
                f"The file {source.uri!r} changed while it was read.",
                hint="Run ingest again when nothing writes to it.",
            )

    def _make_room(self, size: int) -> None:
        kept = sorted((p.stat().st_mtime, p.stat().st_size, p) for p in self.folder.iterdir() if p.name != "lock")
        total = size + sum(s for _, s, _ in kept)
        for used, taken, path in kept:
            if total <= self._most_bytes or used > time.time() - IN_USE:
                return
            path.unlink(missing_ok=True)
            total -= taken

    def clear(self) -> None:
        """Takes the copies of this run on this node away."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _make_private(folder: Path) -> None:
    """Makes the folder for nobody else; OSError where somebody else was there first."""
    folder.mkdir(mode=0o700, exist_ok=True)
    info = folder.lstat()
    if not stat_bits.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")


def _clear_stale(own: Path) -> None:
    for folder in own.parent.glob(f"{_PREFIX}{os.getuid()}-*"):
        with suppress(OSError):
            info = folder.lstat()
            if folder != own and info.st_uid == os.getuid() and info.st_mtime < time.time() - STALE:
                shutil.rmtree(folder, ignore_errors=True)
