"""The files of collections, as they were uploaded: each in a folder named by the digest of its bytes.

What a caller names a file becomes part of a path only after everything that means something to a file system is taken out.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Self

from paperlode.api.service.job import NewFile
from paperlode.ingest.errors import SourceEmpty, SourceTooLarge
from paperlode.ingest.feed import storage_full

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Files", "Incoming", "plain_name"]

_LONGEST_NAME = 150
"""Bytes of a file's name in UTF-8; file systems take 255, and what is kept beside it has longer ones."""
_LONGEST_SUFFIX = 10
"""What is longer is no type of file."""
_FALLBACK = "document"
_RESERVED = re.compile(r'[<>:"/\\|?*]')


def plain_name(given: str) -> str:
    """A name that is one part of a path on any system, as like the given one as can be; ``document`` where nothing is left."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", given))[-1]
    kept = "".join(c for c in last if unicodedata.category(c)[0] != "C" and c not in "\u2028\u2029")
    kept = _RESERVED.sub("_", " ".join(kept.split())).strip(". ")
    stem, dot, suffix = kept.rpartition(".")
    if not dot or len(suffix) > _LONGEST_SUFFIX:
        stem, suffix = kept, ""
    end = f".{suffix}" if suffix else ""
    room = _LONGEST_NAME - len(end.encode())
    return (stem.encode()[:room].decode(errors="ignore").rstrip(". ") + end).lstrip(".") or _FALLBACK


class Files:
    """The files of one collection.

    Args:
        folder: of the collection; made when it is needed.
        most_bytes: of one file.
    """

    def __init__(self, folder: Path, *, most_bytes: int) -> None:
        self._folder = folder
        self._most = most_bytes

    def incoming(self) -> Incoming:
        """A file that is about to come. Raises StorageFull, OSError."""
        return Incoming(self._folder, self._most)

    def drop(self, content: str) -> None:
        """Removes what has these bytes; nothing there is no error."""
        if re.fullmatch(r"[0-9a-f]{64}", content):
            shutil.rmtree(self._place(content), ignore_errors=True)

    def clear_incoming(self, older_than: float) -> None:
        """Removes what was never finished, where nothing was written to it since then (seconds since 1970)."""
        for path in self._coming():
            if path.stat().st_mtime < older_than:
                path.unlink(missing_ok=True)

    def _coming(self) -> Iterator[Path]:
        yield from self._folder.glob("coming-*")

    def _place(self, content: str) -> Path:
        return self._folder / content[:2] / content


class Incoming:
    """A file while it comes: written to piece by piece, then kept under its digest, or not at all."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._most = folder, most_bytes
        number, name = tempfile.mkstemp(prefix="coming-", dir=folder)
        self._file, self._path = os.fdopen(number, "wb"), Path(name)
        self._digest, self.size = hashlib.sha256(), 0

    def write(self, piece: bytes) -> None:
        """The next bytes.

        Raises:
            SourceTooLarge: there are more than one file may have.
            StorageFull: no room.
        """
        self.size += len(piece)
        if self.size > self._most:
            raise SourceTooLarge(
                f"The file has more than {self._most >> 20} MB.", hint="Split it, or have the limit raised."
            )
        self._digest.update(piece)
        try:
            self._file.write(piece)
        except OSError as exc:
            raise storage_full(exc) or exc from exc

    def keep(self, name: str) -> NewFile:
        """It has come whole: on the disk when this returns, and seen by nobody before.

        Raises:
            SourceEmpty: it has no bytes.
            StorageFull: no room.
        """
        if not self.size:
            raise SourceEmpty("The file has no bytes.", hint="Send it again.")
        content, plain = self._digest.hexdigest(), plain_name(name)
        place = self._folder / content[:2] / content
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            place.mkdir(parents=True, exist_ok=True)
            there = next((p for p in sorted(place.iterdir()) if p.stat().st_size == self.size), None)
            if there is None:
                there = place / plain
                self._path.replace(there)
                _sync_folder(place)
        except OSError as exc:
            raise storage_full(exc) or exc from exc
        return NewFile(str(there), there.name, content, self.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """What was not kept is removed."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
