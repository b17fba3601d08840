"""Where the files for the LlamaIndex reader lie: this machine, an fsspec file system, or bytes in memory."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from paperlode.ingest.errors import InvalidRequest, PaperlodeError, SourceError, SourceNotFound, SourceUnreadable
from paperlode.ingest.sources import MEDIA_TYPES, discover

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

__all__ = ["FileSystem", "Found", "Origin", "in_order", "origins"]

T = TypeVar("T")


class FileSystem(Protocol):
    """What is asked of an fsspec file system."""

    def isdir(self, path: str) -> bool:
        """Whether it is a folder."""
        ...

    def exists(self, path: str) -> bool:
        """Whether there is anything."""
        ...

    def find(self, path: str) -> Any:
        """Every file below."""
        ...

    def glob(self, path: str) -> Any:
        """Everything that matches."""
        ...

    def open(self, path: str, mode: str) -> Any:
        """The file."""
        ...

    def unstrip_protocol(self, name: str) -> str:
        """The path with the name of the file system in front."""
        ...


@dataclass(frozen=True, slots=True)
class Origin:
    """One file to read.

    Attributes:
        path: as it is shown and stored: absolute, a URL, or the name given with bytes.
        name: file name.
        data: its bytes, where they were given.
        fs, fs_path: where it lies on another file system.
    """

    path: str
    name: str
    data: bytes | None = None
    fs: FileSystem | None = None
    fs_path: str = ""

    @contextmanager
    def local(self) -> Iterator[str]:
        """A path that worker processes can open, as long as the context lasts; what is remote is copied there.

        Raises:
            SourceNotFound, SourceUnreadable: the other file system does not give it.
        """
        if self.data is None and self.fs is None:
            yield self.path
            return
        with tempfile.TemporaryDirectory(prefix="paperlode-") as folder:
            copy = Path(folder) / "document"
            with copy.open("wb") as out:
                if self.data is not None:
                    out.write(self.data)
                elif self.fs is not None:
                    with _remote(self.path), self.fs.open(self.fs_path, "rb") as file:
                        shutil.copyfileobj(file, out, 1 << 20)
            yield str(copy)

    @contextmanager
    def shown_in_errors(self, path: str) -> Iterator[None]:
        """Errors name the file as the caller knows it, not its copy."""
        try:
            yield
        except PaperlodeError as e:
            if path == self.path or path not in e.what:
                raise
            raise type(e)(e.what.replace(path, self.path), hint=e.hint) from e


@contextmanager
def _remote(path: str) -> Iterator[None]:
    """Whatever an fsspec file system raises becomes one of our errors; its own are of many libraries."""
    try:
        yield
    except PaperlodeError:
        raise
    except FileNotFoundError as e:
        raise SourceNotFound(f"There is no file or folder {path!r}.", hint="Check the spelling.") from e
    except Exception as e:
        raise SourceUnreadable(f"{path} cannot be read: {type(e).__name__}: {e}.") from e


Found = tuple[str, Origin | SourceError]
"""A path as it was asked for or found, and the file there or why there is none."""


def origins(file: Any, *, fs: FileSystem | None, name: str | None) -> tuple[bool, Iterable[Found]]:
    """What to read, and whether that is one file named by itself (True) or may be several.

    Args:
        file: a path, a folder, a glob, bytes, or several paths.
        fs: the fsspec file system the paths belong to; None or a local one for this machine.
        name: file name of bytes.

    Raises:
        InvalidRequest: none of these, or bytes without a name.
    """
    if isinstance(file, bytes | bytearray | memoryview):
        if not name:
            raise InvalidRequest("Bytes were given without a name.", hint="Give a file name: name='report.pdf'.")
        return True, ((name, Origin(name, PurePath(name).name, data=bytes(file))),)
    if name is not None:
        raise InvalidRequest("A name goes with bytes; a file has its own.")
    paths = _paths(file)
    many = not isinstance(file, str | os.PathLike)
    if fs is None or _is_local(fs):
        texts = [str(Path(_local_path(p)).expanduser()) for p in paths]
        many = many or any(Path(t).is_dir() or (glob.has_magic(t) and not os.path.lexists(t)) for t in texts)
        return not many, _on_this_machine(texts)
    return _elsewhere(paths, fs, many=many)


def _paths(file: Any) -> list[str]:
    if isinstance(file, str | os.PathLike):
        return [str(file)]
    given: Sequence[Any] = list(file) if isinstance(file, list | tuple | set | frozenset) else [None]
    if not all(isinstance(p, str | os.PathLike) for p in given):
        raise InvalidRequest(
            f"{type(file).__name__} is nothing to read.", hint="Give a path, a folder, bytes, or a list of paths."
        )
    return [str(p) for p in given]


def _is_local(fs: FileSystem) -> bool:
    from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

    return isinstance(fs, LocalFileSystem)


def _local_path(path: str) -> str:
    return path.removeprefix("file://") if path.startswith("file:///") else path


def _on_this_machine(paths: Sequence[str]) -> Iterator[Found]:
    seen: set[str] = set()
    for path in paths:
        for found in discover([path], seen=seen):
            if isinstance(found, SourceError):
                yield path, found
            else:
                yield str(found), Origin(str(found.absolute()), found.name)


def _elsewhere(paths: Sequence[str], fs: FileSystem, *, many: bool) -> tuple[bool, Iterable[Found]]:
    def one(path: str) -> tuple[bool, list[str]]:
        with _remote(path):
            if fs.isdir(path):
                return True, _documents(fs.find(path), path)
            if glob.has_magic(path) and not fs.exists(path):
                return True, _documents(fs.glob(path), path)
        return False, [path]

    if not many:
        several, found = one(paths[0])
        return not several, _named(found, paths[0], fs)

    def every() -> Iterator[Found]:
        for path in paths:
            try:
                yield from _named(one(path)[1], path, fs)
            except SourceError as e:
                yield path, e

    return False, every()


def _documents(found: Iterable[str], below: str) -> list[str]:
    """Those with a document's extension, sorted; hidden ones (below the folder asked for) left out."""
    known = {e for es in MEDIA_TYPES.values() for e in es}
    asked = PurePath(below.split("://", 1)[-1].strip("/")).parts
    depth = next((i for i, part in enumerate(asked) if glob.has_magic(part)), len(asked))
    return sorted(
        p
        for p in found
        if PurePath(p).suffix.lower() in known
        and not any(part.startswith(".") for part in PurePath(p.strip("/")).parts[depth:])
    )


def _named(found: Sequence[str], asked: str, fs: FileSystem) -> Iterator[Found]:
    if not found:
        yield asked, SourceNotFound(f"{asked!r} holds no documents.")
    for path in found:
        yield path, Origin(fs.unstrip_protocol(path), PurePath(path).name, fs=fs, fs_path=path)


_FILES_AHEAD = 32
"""Most files read at a time, whatever the parser could take: remote ones are copied to this machine's disk meanwhile."""


def in_order(
    found: Iterable[Found],
    read: Callable[[Origin, Callable[[], bool]], T],
    *,
    stop: threading.Event,
    at_once: Callable[[], int],
) -> Generator[tuple[str, Origin | SourceError, Callable[[], T]]]:
    """Each file with what waits for its reading; some are read ahead meanwhile, for short files alone fill no server.

    Args:
        found: the files.
        read: reads one in whatever thread it is called in, until the function given to it says stop.
        stop: set by the caller to end all of them.
        at_once: files read at a time; asked only where there are several.
    """
    files = iter(found)
    start = list(islice(files, 2))
    ended = threading.Event()

    readers: set[int] = set()

    def stopped() -> bool:
        return stop.is_set() or ended.is_set()

    def in_thread(origin: Origin) -> T:
        readers.add(threading.get_ident())
        return read(origin, stopped)

    if len(start) < 2:
        for asked, origin in start:
            yield asked, origin, lambda origin=origin: read(origin, stopped)  # type: ignore[misc]
        return
    many = max(1, min(at_once(), _FILES_AHEAD))
    coming: deque[tuple[str, Origin | SourceError, Callable[[], T]]] = deque()
    threads = ThreadPoolExecutor(many, thread_name_prefix="files")
    try:
        for asked, origin in chain(start, files):
            reading: Future[T] = Future() if isinstance(origin, SourceError) else threads.submit(in_thread, origin)
            coming.append((asked, origin, reading.result))
            if len(coming) > many:
                yield coming.popleft()
        yield from coming
    finally:
        ended.set()
        # a left iteration may be closed by the garbage collector in one of its own threads, which cannot wait for itself
        threads.shutdown(wait=threading.get_ident() not in readers, cancel_futures=True)
