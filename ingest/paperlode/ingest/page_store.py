"""Where parsed pages are kept, each under the hash of what it says: in the ledger's database, in a folder, or in an object store.

Which page of which bytes that is stands in the ledger. Equal pages are kept once; what is read back is held against its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa

from paperlode.ingest.addresses import is_url, local_file
from paperlode.ingest.errors import ArchiveError, StorageFull
from paperlode.ingest.ledger_tables import metadata
from paperlode.ingest.ledger_text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from contextlib import AbstractContextManager

__all__ = ["DatabasePages", "FolderPages", "PageStore", "RemotePages", "few", "open_pages", "packed", "unpacked"]

_AT_ONCE = 500

blobs = sa.Table(
    "blobs",
    metadata,
    sa.Column("name", Text(64), primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)


def packed(said: str) -> tuple[str, bytes]:
    """The name under which a page's JSON is kept (sha256 of it, hexadecimal), and the bytes that are kept (zlib)."""
    raw = said.encode()
    return hashlib.sha256(raw).hexdigest(), zlib.compress(raw, 3)


def unpacked(name: str, data: bytes) -> bytes:
    """The JSON back. Raises ValueError for bytes that are not what the name says."""
    try:
        raw = zlib.decompress(data)
    except zlib.error as exc:
        raise ValueError(str(exc)) from exc
    if hashlib.sha256(raw).hexdigest() != name:
        raise ValueError(f"these are not the bytes of {name}")
    return raw


class PageStore(Protocol):
    """Keeps bytes under names. Putting what is there already, and dropping what is not, are no errors."""

    def put(self, found: Mapping[str, bytes]) -> None:
        """Keep these; all of them are there once this returns."""
        ...

    def get(self, names: Collection[str]) -> dict[str, bytes]:
        """Those that are there."""
        ...

    def drop(self, names: Collection[str]) -> None:
        """Let go of these."""
        ...


class DatabasePages:
    """In a table of the ledger's database: the default, without a file for each page.

    Args:
        work: begins a transaction there.
    """

    def __init__(self, work: Callable[[], AbstractContextManager[sa.Connection]]) -> None:
        self._work = work

    def put(self, found: Mapping[str, bytes]) -> None:
        """See ``PageStore``."""
        with self._work() as db:
            there = set(db.scalars(sa.select(blobs.c.name).where(blobs.c.name.in_(list(found)))))
            if rows := [{"name": n, "data": d} for n, d in found.items() if n not in there]:
                db.execute(blobs.insert(), rows)

    def get(self, names: Collection[str]) -> dict[str, bytes]:
        """See ``PageStore``."""
        with self._work() as db:
            rows = db.execute(sa.select(blobs.c.name, blobs.c.data).where(blobs.c.name.in_(list(names))))
            return {str(name): bytes(data) for name, data in rows}

    def drop(self, names: Collection[str]) -> None:
        """See ``PageStore``."""
        with self._work() as db:
            db.execute(blobs.delete().where(blobs.c.name.in_(list(names))))


class FolderPages:
    """In a local folder, a file for each page: ``ab/abcdef…``, whole or not there.

    Raises (every method):
        ArchiveError, StorageFull: the folder cannot be used.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, found: Mapping[str, bytes]) -> None:
        """See ``PageStore``."""
        with _ours(str(self._root)):
            for name, data in found.items():
                path = self._path(name)
                if path.exists() and path.stat().st_size == len(data):
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as f:
                    f.write(data)
                Path(f.name).replace(path)

    def get(self, names: Collection[str]) -> dict[str, bytes]:
        """See ``PageStore``."""
        found = {}
        with _ours(str(self._root)):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    found[name] = self._path(name).read_bytes()
        return found

    def drop(self, names: Collection[str]) -> None:
        """See ``PageStore``."""
        with _ours(str(self._root)):
            for name in names:
                self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._root / name[:2] / name


class RemotePages:
    """In whatever fsspec reaches, an object for each page; many at a time.

    Args:
        url: of the folder, as fsspec takes it: ``s3://bucket/pages``. Keys come from the environment, as the store's client
            finds them.

    Raises:
        MissingExtra: fsspec, or what it needs for this kind of address, is not installed.
        InvalidRequest: an address of no kind that fsspec knows.
        ArchiveError (every method): the store cannot be used.
    """

    def __init__(self, url: str) -> None:
        from paperlode.ingest.objects import file_system

        self._fs, self._root = file_system(url)
        self._url = url

    def put(self, found: Mapping[str, bytes]) -> None:
        """See ``PageStore``."""
        with _ours(self._url):
            self._fs.pipe({self._path(name): data for name, data in found.items()})

    def get(self, names: Collection[str]) -> dict[str, bytes]:
        """See ``PageStore``."""
        if not names:
            return {}
        by_path = {self._path(name): name for name in names}
        with _ours(self._url):
            found: dict[str, Any] = self._fs.cat(list(by_path), on_error="return") if by_path else {}
        out = {}
        for path, data in found.items():
            if isinstance(data, FileNotFoundError):
                continue
            if isinstance(data, BaseException):
                raise ArchiveError(
                    f"Pages kept at {self._url} cannot be read: {data}.", hint="Run again later."
                ) from data
            out[by_path[path]] = data
        return out

    def drop(self, names: Collection[str]) -> None:
        """See ``PageStore``."""
        for name in names:
            with _ours(self._url), contextlib.suppress(FileNotFoundError):
                self._fs.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name[:2]}/{name}"


@contextlib.contextmanager
def _ours(where: str) -> Any:
    """Errors of the store become ours."""
    from paperlode.ingest.feed import storage_full

    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as exc:
        if full := storage_full(exc):
            raise StorageFull(full.what, hint=full.hint) from exc
        raise ArchiveError(
            f"Pages cannot be kept at {where}: {type(exc).__name__}: {exc}.",
            hint="Check that it is there and may be written.",
        ) from exc


def open_pages(where: str) -> PageStore:
    """The store at a folder's path (also as ``file://…``) or an address."""
    place = local_file(where)
    return RemotePages(where) if is_url(place) else FolderPages(Path(place).expanduser())


def few(names: Collection[str]) -> list[list[str]]:
    """The names, some hundred at a time: databases and stores take no end of them at once badly."""
    ordered = sorted(names)
    return [ordered[i : i + _AT_ONCE] for i in range(0, len(ordered), _AT_ONCE)]
