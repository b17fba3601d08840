"""Files, folders and globs -> ``Source``: what there is to read, judged by its bytes; and whether it changed."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import stat as stat_bits
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from paperlode.ingest.document import Source
from paperlode.ingest.errors import (
    SourceChanged,
    SourceEmpty,
    SourceError,
    SourceNotFound,
    SourceUnreadable,
    SourceUnsupported,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "MEDIA_TYPES",
    "READS",
    "Stamp",
    "check_unchanged",
    "discover",
    "is_document",
    "media_type_of",
    "open_source",
    "stamp",
]

MEDIA_TYPES: dict[str, tuple[str, ...]] = {
    "application/pdf": (".pdf",),
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg"),
    "image/tiff": (".tif", ".tiff"),
    "image/webp": (".webp",),
}
"""What is read, and the extensions by which such files are found in a folder."""

_EXTENSIONS = frozenset(e for es in MEDIA_TYPES.values() for e in es)
READS = "PDF, PNG, JPEG, TIFF and WebP"
"""The same for people."""
_HEAD = 1024  # a PDF header may stand anywhere in the first 1,024 bytes
_PIECE = 1 << 20


class Stamp(NamedTuple):
    """What the file system says about a file: changes whenever the content does (and sometimes when it does not)."""

    mtime_ns: int
    size: int
    inode: int


def discover(paths: Iterable[str | Path], *, seen: set[str] | None = None) -> Iterator[Path | SourceError]:
    """Every document under ``paths``, in a stable order, each once, together with the errors met on the way.

    A file named by itself is always given. In a folder (searched to the bottom, entries sorted, hidden ones left out)
    and among the matches of a glob, the files whose extension looks like a document are given.

    Args:
        paths: files, folders, or globs (``*``, ``?``, ``[...]``, ``**``).
        seen: real paths already given; new ones are added, so that several calls together give no file twice.

    Yields:
        A path, or the error (as a value) for a path, folder or glob that gives nothing.
    """
    seen = set() if seen is None else seen
    for given in paths:
        text = os.fspath(given)
        path = Path(text).expanduser()
        if path.is_dir():
            yield from _folder(path, seen)
        elif os.path.lexists(path):
            yield from _once(path, seen)
        elif glob.has_magic(text):
            yield from _matches(str(path), seen)
        else:
            yield SourceNotFound(
                f"There is no file or folder {text!r}.", hint="Check the spelling and the folder you are in."
            )


def _once(path: Path, seen: set[str]) -> Iterator[Path]:
    real = os.path.realpath(path)
    if real not in seen:
        seen.add(real)
        yield path


def _folder(folder: Path, seen: set[str]) -> Iterator[Path | SourceError]:
    found = False
    for item in _walk(folder, set()):
        found = True
        if isinstance(item, SourceError):
            yield item
        else:
            yield from _once(item, seen)
    if not found:
        yield SourceNotFound(
            f"The folder {str(folder)!r} holds no documents.",
            hint=f"paperlode reads {READS}; name a file of another extension by itself to have it read.",
        )


def _matches(pattern: str, seen: set[str]) -> Iterator[Path | SourceError]:
    found = False
    for match in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207  Path.glob refuses absolute patterns
        path = Path(match)
        items: Iterable[Path | SourceError] = ()
        if path.is_dir():
            items = _walk(path, set())
        elif is_document(path):
            items = (path,)
        for item in items:
            found = True
            if isinstance(item, SourceError):
                yield item
            else:
                yield from _once(item, seen)
    if not found:
        yield SourceNotFound(f"No document matches {pattern!r}.", hint=f"paperlode reads {READS}.")


def _walk(folder: Path, visited: set[tuple[int, int]]) -> Iterator[Path | SourceError]:
    """Documents under ``folder``; links to folders are followed, each folder once, so that a loop of links ends."""
    try:
        info = folder.stat()
        if (info.st_dev, info.st_ino) in visited:
            return
        visited.add((info.st_dev, info.st_ino))
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if not e.name.startswith("."))
    except OSError as exc:
        yield _unreadable(folder, exc, what="folder")
        return
    for name in names:
        path = folder / name
        if path.is_dir():
            yield from _walk(path, visited)
        elif is_document(path):
            yield path


def stamp(path: str | Path) -> Stamp:
    """The file's stamp as it is now.

    Raises:
        SourceNotFound, SourceUnreadable: it cannot be looked at.
    """
    with _reading(path):
        info = os.stat(path)  # noqa: PTH116  takes str and Path alike
        return Stamp(info.st_mtime_ns, info.st_size, info.st_ino & 0x7FFF_FFFF_FFFF_FFFF)  # fits a database integer


def open_source(path: str | Path) -> Source:
    """Judge the file by its bytes, whatever its name says, and take its digest, in one pass and in constant memory.

    Raises:
        SourceNotFound, SourceUnreadable, SourceEmpty, SourceUnsupported: it cannot be taken, and why.
        SourceChanged: it was written to while its digest was taken.
    """
    name = os.fspath(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = name.encode(errors="backslashreplace").decode()
        raise SourceUnreadable(f"The file name {shown!r} is not valid UTF-8.", hint="Rename the file.") from None
    with _reading(path):
        # O_NONBLOCK: opening a named pipe that nobody writes to would otherwise wait for ever
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(fd, "rb") as file:
            before = os.fstat(fd)
            if not stat_bits.S_ISREG(before.st_mode):
                raise SourceUnsupported(f"{name!r} is no regular file (a pipe, socket or device).")
            head = file.read(_HEAD)
            if not head:
                raise SourceEmpty(f"The file {name!r} is empty (0 bytes).", hint="Copy or download it again.")
            media_type = media_type_of(head)
            if media_type is None:
                raise SourceUnsupported(
                    f"The file {name!r} is neither a PDF nor a picture (judged by its bytes, not its name).",
                    hint=f"paperlode reads {READS}; convert it first.",
                )
            sha = hashlib.sha256(head)
            while piece := file.read(_PIECE):
                sha.update(piece)
            after = os.fstat(fd)
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise _changed(name)
    absolute = Path(path).expanduser().absolute()
    return Source(str(absolute), absolute.name, media_type, sha.hexdigest(), after.st_size)


def is_document(name: str | Path) -> bool:
    """Whether its extension is one by which documents are found in a folder."""
    return Path(name).suffix.lower() in _EXTENSIONS


def media_type_of(head: bytes) -> str | None:
    """The media type told by the first bytes (1,024 suffice) of a file, None for one that is not read."""
    if b"%PDF-" in head[:_HEAD]:
        return "application/pdf"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
        return "image/tiff"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    return None


def check_unchanged(source: Source, before: Stamp) -> None:
    """Pass if the file's content is still the source's: its stamp is ``before``, or its digest is the same.

    Raises:
        SourceChanged: it is another content now, or the file is gone.
    """
    try:
        if stamp(source.uri) == before or open_source(source.uri).digest == source.digest:
            return
    except SourceError as exc:
        raise _changed(source.uri) from exc
    raise _changed(source.uri)


def _changed(name: str) -> SourceChanged:
    return SourceChanged(
        f"The file {name!r} changed while it was read.", hint="Run ingest again when nothing writes to it."
    )


@contextmanager
def _reading(path: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    except ValueError as exc:  # a NUL byte in the name
        raise SourceNotFound(f"{os.fspath(path)!r} is no possible file name.") from exc


def _unreadable(path: str | Path, exc: OSError, *, what: str = "file") -> SourceError:
    name = os.fspath(path)
    if isinstance(exc, FileNotFoundError | NotADirectoryError):
        link = " (a link to nothing)" if Path(path).is_symlink() else ""
        return SourceNotFound(f"There is no {what} {name!r}{link}.", hint="Check the spelling.")
    if exc.errno == errno.ELOOP:
        return SourceNotFound(f"{name!r} is a link that leads back to itself.")
    if isinstance(exc, PermissionError):
        return SourceUnreadable(f"No permission to read the {what} {name!r}.", hint="Change its permissions or owner.")
    if isinstance(exc, IsADirectoryError):
        return SourceUnsupported(f"{name!r} is a folder, not a file.")
    return SourceUnreadable(f"The {what} {name!r} cannot be read: {exc.strerror or exc}.")
