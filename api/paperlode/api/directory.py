"""The index folder: who holds it, and what it was written with."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import (
    ArchiveCorrupt,
    ArchiveError,
    ArchiveLocked,
    ArchiveNotFound,
    SchemaMismatch,
    StorageFull,
)

if TYPE_CHECKING:
    from pathlib import Path

    from paperlode.retrieval.index import Schema

__all__ = ["SERVICE", "Directory", "Lock", "Manifest"]

FORMAT = "paperlode archive"
VERSION = 1
"""Of the folder's layout; raised when an older folder can no longer be used as it is."""
FIRST_SHARD = "edge"
_SHARD = re.compile(rf"{FIRST_SHARD}(-\d{{1,9}})?")


SERVICE = "service"
"""Folder in which a service keeps what is its own, beside the index that it serves."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Where what lies in an index folder."""

    root: Path

    @property
    def manifest(self) -> Path:
        """What the index was written with (JSON)."""
        return self.root / "archive.json"

    @property
    def fresh_manifest(self) -> Path:
        """The next one while it is written, before it takes the place of the manifest."""
        return self.manifest.with_suffix(".new")

    @property
    def ledger(self) -> Path:
        """What was ingested (SQLite), unless the manifest says that it is in another database."""
        return self.root / "ledger.sqlite"

    def shard(self, name: str) -> Path:
        """Vectors and chunks (Qdrant Edge); which one counts stands in the manifest."""
        return self.root / name

    def shards(self) -> list[Path]:
        """All that are there: the one that counts, one being made, and what a killed run has left."""
        found = self.root.iterdir() if self.root.is_dir() else ()
        return sorted(p for p in found if _SHARD.fullmatch(p.name))

    def next_shard(self) -> str:
        """A name that none of them has."""
        taken = [int(p.name.partition("-")[2] or 1) for p in self.shards()]
        return f"{FIRST_SHARD}-{max(taken, default=1) + 1}"

    @property
    def glossary(self) -> Path:
        """A glossary of the archive's own, in place of the one that comes with paperlode; usually there is none."""
        return self.root / "glossary.toml"

    @property
    def fetched(self) -> Path:
        """Copies of documents from buckets and URLs, while they are read; else there is none."""
        return self.root / "fetched"

    @property
    def lock(self) -> Path:
        """Held while a process has the index open; names that process."""
        return self.root / "lock"

    def is_foreign(self) -> bool:
        """Whether it exists and holds other things than an index."""
        own = (self.manifest, self.fresh_manifest, self.ledger, self.lock, self.glossary, self.fetched, *self.shards())
        ours = {SERVICE, *(p.name for p in own)}
        return self.root.is_dir() and any(
            p.name not in ours and not p.name.startswith(f"{self.ledger.name}-") for p in self.root.iterdir()
        )

    def size(self) -> int:
        """Bytes that its files take on the disk (the index maps files that are mostly holes)."""
        return sum(p.stat().st_blocks * 512 for p in self.root.rglob("*") if p.is_file())


@dataclass(frozen=True, slots=True)
class Manifest:
    """``archive.json``: what the index was written with.

    Attributes:
        schema: the stored points' version, embedding model, dimensions and lexical version (``Schema.to_dict``).
        ready: False until everything in the folder has been made.
        parser, chunker: of the last run; documents made with others stay searchable, and are made anew when ingested.
        paperlode: version of the package that wrote it last.
        shard: folder of the index, beside this file; another one takes its place when the archive is embedded anew.
        server: where the index is on a Qdrant server (``url``, ``collection``, ``grpc``), in place of ``shard``; no key.
        pages: folder or address where parsed pages are kept; empty for the ledger's own database.
        ledger: address of the schema that the ledger is in, without a password; empty for a file in the folder.
        archive: id by which that schema is known to be this archive's; empty where the ledger is a file.
    """

    schema: dict[str, Any]
    ready: bool = False
    parser: str = ""
    chunker: str = ""
    paperlode: str = ""
    shard: str = FIRST_SHARD
    server: dict[str, Any] | None = None
    pages: str = ""
    ledger: str = ""
    archive: str = ""
    format: str = FORMAT
    version: int = VERSION

    @classmethod
    def read(cls, directory: Directory) -> Manifest:
        """The folder's manifest.

        Raises:
            ArchiveNotFound: there is none.
            ArchiveCorrupt: it is no manifest.
            SchemaMismatch: of another version; both are named.
        """
        path = directory.manifest
        try:
            data = json.loads(path.read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise ArchiveNotFound(
                f"There is no index in {str(directory.root)!r}.",
                hint=f"Make one with: paperlode ingest PATH --index {directory.root}",
            ) from None
        except OSError as exc:
            raise ArchiveError(f"{str(path)!r} cannot be read: {exc.strerror}.", hint="Check its permissions.") from exc
        except ValueError:
            data = None
        if not isinstance(data, dict) or data.get("format") != FORMAT or "version" not in data:
            raise ArchiveCorrupt(f"{str(path)!r} is not what paperlode writes.", hint=_START_ANEW)
        if data["version"] != VERSION:
            raise SchemaMismatch(
                f"The index {str(directory.root)!r} has layout version {data['version']}, this paperlode "
                f"{package_version()} uses {VERSION}.",
                hint="Use the paperlode that wrote it, or ingest into another folder.",
            )
        try:
            manifest = cls(**data)
        except TypeError:
            raise ArchiveCorrupt(f"{str(path)!r} lacks or has unknown fields.", hint=_START_ANEW) from None
        if not _SHARD.fullmatch(str(manifest.shard)):  # a folder elsewhere is never opened, nor removed
            raise ArchiveCorrupt(f"{str(path)!r} names no folder of an index.", hint=_START_ANEW)
        return manifest

    def write(self, directory: Directory) -> None:
        """Replace the folder's manifest in one step.

        Raises:
            StorageFull, ArchiveError: it cannot be written.
        """
        fresh = directory.fresh_manifest
        data = asdict(replace(self, paperlode=package_version()))
        try:
            with fresh.open("w", encoding="utf-8") as file:
                json.dump(data, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(directory.manifest)
        except OSError as exc:
            raise _unwritable(directory.root, exc) from exc

    def check_embedder(self, name: str, root: Path) -> None:
        """Pass if the index was written with that model, wherever it is served.

        Raises:
            SchemaMismatch: naming both.
        """
        from paperlode.retrieval.embedding import same_model

        mine = str(self.schema.get("embedder"))
        if not same_model(name, mine):
            raise SchemaMismatch(
                f"The index {str(root)!r} was made with the embedding model {mine!r}, not {name!r}.",
                hint=f"Leave out --embedding to use {mine!r}, or change the index's model with: "
                f"paperlode reindex --embedding {name} --index {root}",
            )

    def stored_schema(self, root: Path) -> Schema:
        """The schema of the stored points, checked against this code.

        Raises:
            SchemaMismatch: this paperlode writes others; names what differs.
        """
        from paperlode.retrieval.index import Schema

        try:
            schema = Schema.from_dict(self.schema)
            schema.check()
        except SchemaMismatch as exc:
            raise SchemaMismatch(
                f"{exc.what} (Index {str(root)!r}, written by paperlode {self.paperlode}; this is {package_version()}.)",
                hint=exc.hint,
            ) from exc
        return schema


_START_ANEW = "Restore it from a backup, or delete the folder and ingest again; your documents are not touched."


class Lock:
    """An index folder, held by this process until ``release``. The operating system frees it if the process dies.

    Raises:
        ArchiveLocked: another process (or another ``Archive`` in this one) holds it; its number is in the message.
    """

    def __init__(self, directory: Directory) -> None:
        import fcntl

        try:
            self._fd = os.open(directory.lock, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as exc:
            raise _unwritable(directory.root, exc) from exc
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._fd, 32).decode("ascii", "replace").strip()
            os.close(self._fd)
            who = "this process" if holder == str(os.getpid()) else f"process {holder}" if holder else "another process"
            raise ArchiveLocked(
                f"The index {str(directory.root)!r} is in use by {who}.",
                hint="Wait until it is through, or end it; beside a running `paperlode serve`, ask that over HTTP.",
            ) from None
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        except OSError:  # a full disk: the lock holds all the same, only its holder stays unnamed
            pass

    def release(self) -> None:
        """Let go of the folder. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _unwritable(root: Path, exc: OSError) -> ArchiveError:
    from paperlode.ingest.feed import storage_full

    if full := storage_full(exc):
        return StorageFull(full.what, hint=full.hint)
    return ArchiveError(
        f"The index folder {str(root)!r} cannot be written: {exc.strerror or exc}.",
        hint="Check its permissions, or choose another folder with --index.",
    )


def make_root(directory: Directory) -> None:
    """Make the folder, if it does not exist.

    Raises:
        ArchiveError: it cannot be made, or holds other things.
        StorageFull: no room.
    """
    if directory.is_foreign():
        raise ArchiveError(
            f"The folder {str(directory.root)!r} holds other files and no index.",
            hint="Give a new or empty folder with --index.",
        )
    try:
        directory.root.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise _unwritable(directory.root, exc) from exc


def package_version() -> str:
    """Version of the installed package; ``0`` in a bare checkout."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("paperlode")
    except PackageNotFoundError:
        return "0"
