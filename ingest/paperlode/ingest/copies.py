"""Copies on this machine of documents that lie elsewhere: a few at a time, as long as they are read, and no longer."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from paperlode.ingest.errors import PaperlodeError, SourceChanged, SourceUnreadable, StorageFull
from paperlode.ingest.objects import RemoteFile, remote_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from paperlode.ingest.document import ParsedPage
    from paperlode.ingest.sources import Stamp

__all__ = ["MOST_BYTES", "Copies", "Copy", "failed_as", "shown_as"]

MOST_BYTES = 2_000_000_000
"""Of all copies at a time, and so of the largest document that is fetched."""
_AT_ONCE = 16
_PIECE = 1 << 20
_BLOCK = 4 << 20
"""Bytes that a file system may hold ahead; of a web address nothing, for not every server gives parts."""
_SPARE = 64_000_000
_POLL = 0.1


class Copy(NamedTuple):
    """A document's bytes on this machine, and the version (of the other file system) that they are."""

    path: Path
    stamp: Stamp


class Copies:
    """Makes copies in a folder of its own, named by hashes: what documents are called elsewhere is nobody's path here.

    Args:
        folder: made when it is needed; what a killed run left in it is removed then. None: a temporary one.
        most_bytes: of all copies together. Who wants more waits until others are through; a larger document is refused.
    """

    def __init__(self, folder: Path | None = None, *, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._folder = folder
        self._ready: Path | None = None
        self._room = threading.Condition()
        self._number = count(1)
        self._held: list[int] = []

    @contextmanager
    def of(
        self,
        file: RemoteFile,
        *,
        check: Callable[[], object] = lambda: None,
        held: Callable[[], object] = lambda: None,
    ) -> Iterator[Copy]:
        """The document, fetched; it is there as long as the context lasts.

        Args:
            file: where it lies.
            check: called again and again meanwhile; what it raises ends the fetching.
            held: called once there is room for it, before it is fetched.

        Raises:
            SourceNotFound, SourceUnreadable: it is gone, denied, too large, or the transfer broke off.
            SourceChanged: it is another version after the transfer than before.
            StorageFull: there is no room for it on the disk.
        """
        now = file.look()
        need = self.most_bytes if now.size is None else now.size  # of unknown size: as if it were the largest
        if need > self.most_bytes:
            raise _too_large(file.uri, f"has {need / 1e6:,.0f} MB", self.most_bytes)
        with self._holding(need, check):
            held()
            path = self._place(file.uri, 0 if now.size is None else need)
            try:
                self._fetch(now, path, check)
                yield Copy(path, now.stamp())
            finally:
                path.unlink(missing_ok=True)

    @contextmanager
    def _holding(self, size: int, check: Callable[[], object]) -> Iterator[None]:
        with self._room:
            while self._held and (sum(self._held) + size > self.most_bytes or len(self._held) >= _AT_ONCE):
                self._room.wait(_POLL)
                check()
            self._held.append(size)
        try:
            yield
        finally:
            with self._room:
                self._held.remove(size)
                self._room.notify_all()
                self._leave()

    def _place(self, uri: str, size: int) -> Path:
        with self._room:
            if self._ready is None:
                if self._folder is None:
                    self._ready = Path(tempfile.mkdtemp(prefix="paperlode-"))
                else:
                    shutil.rmtree(self._folder, ignore_errors=True)
                    self._folder.mkdir(parents=True, mode=0o700, exist_ok=True)
                    self._ready = self._folder
            folder = self._ready
        free = shutil.disk_usage(folder).free
        if free < size + _SPARE:
            raise StorageFull(
                f"{uri} has {size / 1e6:,.0f} MB, and only {free / 1e6:,.0f} MB are free where it would be copied to.",
                hint="Free some space, then run again; what is done is kept.",
            )
        return folder / f"{hashlib.sha256(uri.encode(errors='surrogatepass')).hexdigest()[:32]}-{next(self._number)}"

    def _leave(self) -> None:
        """The folder goes with the last copy."""
        if not self._held and self._ready is not None:
            with suppress(OSError):
                self._ready.rmdir()
            self._ready = None

    def _fetch(self, file: RemoteFile, path: Path, check: Callable[[], object]) -> None:
        most = self.most_bytes if file.size is None else file.size
        got = 0
        with path.open("xb") as out:
            with remote_errors(file.uri):
                source = file.fs.open(file.path, "rb", block_size=0 if file.uri.startswith("http") else _BLOCK)
            try:
                while True:
                    check()
                    with remote_errors(file.uri):
                        piece: bytes = source.read(_PIECE)
                    if not piece:
                        break
                    got += len(piece)
                    if got > most:
                        break
                    out.write(piece)
            finally:
                with suppress(Exception):
                    source.close()
        if got > most and file.size is None:
            raise _too_large(file.uri, "is longer", self.most_bytes)
        after = file.look()
        if (after.size, after.version) != (file.size, file.version) or got > most:
            raise SourceChanged(
                f"{file.uri} changed while it was fetched.", hint="Run ingest again when nothing writes to it."
            )
        if file.size is not None and got != file.size:
            raise SourceUnreadable(
                f"{file.uri} broke off after {got:,} of {file.size:,} bytes.", hint="Run ingest again."
            )


@contextmanager
def shown_as(place: str, path: str | Path) -> Iterator[None]:
    """Errors name the document as people know it, not its copy on this machine."""
    try:
        yield
    except PaperlodeError as exc:
        if str(path) == place or str(path) not in exc.what:
            raise
        raise type(exc)(exc.what.replace(str(path), place), hint=exc.hint) from exc


def failed_as(page: ParsedPage, place: str, path: str | Path) -> ParsedPage:
    """The page; the reason why it failed names the document as people know it, not its copy on this machine."""
    if page.failure is None or str(path) == place:
        return page
    return replace(page, failure=replace(page.failure, message=page.failure.message.replace(str(path), place)))


def _too_large(uri: str, what: str, most: int) -> SourceUnreadable:
    return SourceUnreadable(
        f"{uri} {what}; at most {most / 1e6:,.0f} MB are fetched.",
        hint="Set PAPERLODE_FETCH_LIMIT (MB) higher, or copy it to this machine and ingest the copy.",
    )
