"""The folder of a vector store: who holds it, what is in it, and the errors of the engine's files as ours."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from typing import TYPE_CHECKING

from paperlode.ingest.errors import (
    ArchiveCorrupt,
    ArchiveError,
    ArchiveLocked,
    InvalidRequest,
    PaperlodeError,
    SchemaMismatch,
    StorageFull,
)

from . import lexical
from .edge_engine import says_full

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["NodeFolder"]

FORMAT, VERSION = "paperlode vector store", 1
MIN_FREE = 128 << 20
"""Bytes that must be free before a write: the engine maps its files, and a full disk would kill the process."""
_ANEW = "Delete its folder and fill it again."


class NodeFolder:
    """Where what lies: ``store.json`` (the vectors' length and the versions), ``edge`` (the shard), ``lock``.

    Attributes:
        path: the folder. edge: the shard's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.edge = path / "edge"
        self._manifest = path / "store.json"
        self._fd: int | None = None
        self._pid = os.getpid()

    def hold(self) -> None:
        """Takes the folder for this process, made if it is missing; the operating system frees it if the process dies.

        Raises:
            ArchiveLocked: another process holds it.
            InvalidRequest: it holds other things.
            ArchiveError: it cannot be written.
        """
        if self._fd is not None:
            return
        import fcntl

        try:
            self.path.mkdir(parents=True, exist_ok=True)
            ours = {"store.json", "store.new", "edge", "lock"}
            if not self._manifest.exists() and any(p.name not in ours for p in self.path.iterdir()):
                raise InvalidRequest(
                    f"{str(self.path)!r} holds other things than a vector store.", hint="Give a folder of its own."
                )
            fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as exc:
            raise self._unwritable(exc) from exc
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(fd, 32).decode("ascii", "replace").strip()
            os.close(fd)
            raise ArchiveLocked(
                f"The vector store {str(self.path)!r} is in use by process {holder or '(unknown)'}.",
                hint="Wait until it is through, or call close() there.",
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Lets go of the folder. Idempotent; in a forked process it does nothing: the parent holds it."""
        if self._fd is not None and self._pid == os.getpid():
            os.close(self._fd)
        self._fd = None

    @property
    def exists(self) -> bool:
        """Whether there is such a folder."""
        return self.path.exists()

    def dimensions(self) -> int | None:
        """Length of the stored vectors; None when none were ever stored.

        Raises:
            ArchiveCorrupt, SchemaMismatch: the folder is no store's, or another version's.
        """
        try:
            written = json.loads(self._manifest.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as exc:
            raise ArchiveCorrupt(f"{str(self._manifest)!r} cannot be read: {exc}.", hint=_ANEW) from exc
        if not isinstance(written, dict) or written.get("format") != FORMAT:
            raise ArchiveCorrupt(f"{str(self._manifest)!r} is not what a vector store writes.", hint=_ANEW)
        if (written.get("version"), written.get("lexical")) != (VERSION, lexical.VERSION):
            raise SchemaMismatch(
                f"The vector store {str(self.path)!r} has version {written.get('version')} (words: "
                f"{written.get('lexical')}), this paperlode reads {VERSION} (words: {lexical.VERSION}).",
                hint=_ANEW,
            )
        return int(written["dimensions"])

    def begin(self) -> None:
        """Makes room for a new shard: what a run left that never finished making one is thrown away."""
        shutil.rmtree(self.edge, ignore_errors=True)
        self.edge.mkdir()

    def made(self, dimensions: int) -> None:
        """Writes down, in one step, that the shard is there."""
        fresh = self._manifest.with_suffix(".new")
        written = {"format": FORMAT, "version": VERSION, "lexical": lexical.VERSION, "dimensions": dimensions}
        fresh.write_text(json.dumps(written), "utf-8")
        fresh.replace(self._manifest)

    def empty(self) -> None:
        """Deletes the shard."""
        self._manifest.unlink()  # first: without it the rest counts for nothing
        shutil.rmtree(self.edge, ignore_errors=True)

    def need_room(self) -> None:
        """Raises StorageFull unless the disk has room to write."""
        free = shutil.disk_usage(self.path).free
        if free < MIN_FREE:
            raise self._full(f"{free >> 20} MB are free, {MIN_FREE >> 20} MB are needed")

    @contextlib.contextmanager
    def engine(self, what: str) -> Iterator[None]:
        """The one place where the engine's errors become ours; ``what`` ends the sentence that begins with the store."""
        try:
            yield
        except PaperlodeError:
            raise
        except OSError as exc:
            raise self._unwritable(exc) from exc
        except BaseException as exc:
            # The engine raises bare Exception, and PanicException (no Exception) where Rust code gave up.
            if type(exc) is not Exception and type(exc).__name__ != "PanicException":
                raise
            if says_full(exc):
                raise self._full(str(exc)) from exc
            raise ArchiveCorrupt(
                f"The vector store {str(self.path)!r} {what}: {next(iter(str(exc).splitlines()), '')[:300]}.",
                hint=_ANEW,
            ) from exc

    def _full(self, why: str) -> StorageFull:
        return StorageFull(f"There is no room to write {str(self.path)!r}: {why}.", hint="Free some space.")

    def _unwritable(self, exc: OSError) -> ArchiveError:
        if exc.errno == errno.ENOSPC:
            return self._full(str(exc))
        return ArchiveError(
            f"The vector store {str(self.path)!r} cannot be written: {exc.strerror}.", hint="Check its permissions."
        )
