"""What was ingested, page by page, and from what. Resume and incremental runs stand on it.

One SQL database (SQLite, or a schema of PostgreSQL). A page is kept as soon as it is parsed, so that no page is parsed twice;
a document counts as done only once all of its chunks are searchable.
"""

from __future__ import annotations

import os
import re
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from paperlode.ingest.addresses import is_url
from paperlode.ingest.errors import (
    DocumentNotFound,
    InvalidRequest,
    PaperlodeError,
)
from paperlode.ingest.ledger_arrivals import Arrival, all_arrivals, forget_arrival, put_arrival
from paperlode.ingest.ledger_engine import open_database
from paperlode.ingest.ledger_errors import mapped
from paperlode.ingest.ledger_findings import (
    FlaggedPage,
    count_flagged,
    read_with,
)
from paperlode.ingest.ledger_pages import KeptPages
from paperlode.ingest.ledger_prints import PrintBooks
from paperlode.ingest.ledger_reindex import ReindexBooks
from paperlode.ingest.ledger_rows import (
    document_for,
    drop_pages,
    holds,
    pages_by_reader,
    pages_of,
    put_path,
    put_readers,
    recipe_columns,
    record_of,
    remove_content,
    remove_document,
)
from paperlode.ingest.ledger_tables import (
    Counts,
    DocumentRecord,
    FailedPage,
    FailureRecord,
    Recipe,
    documents,
    failures,
    findings,
    pages,
    paths,
    read_by,
)
from paperlode.ingest.page_store import DatabasePages, few
from paperlode.ingest.sources import Stamp

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from paperlode.ingest.document import Source
    from paperlode.ingest.ledger_postgres import Claim
    from paperlode.ingest.page_store import PageStore

__all__ = ["Arrival", "Counts", "DocumentRecord", "FailedPage", "FailureRecord", "FlaggedPage", "Ledger", "Recipe"]

_PATHS = 1000


class Ledger(KeptPages):
    """The ledger. Its methods may be called from several threads; each is one transaction."""

    def __init__(self, engine: sa.Engine, name: str, store: PageStore | None = None) -> None:
        self._engine = engine
        self._name = name
        self._lock = threading.RLock()
        self._store: PageStore = store or DatabasePages(self._work)

    @classmethod
    def open(cls, where: str | Path, *, store: PageStore | None = None, claim: Claim | None = None) -> Ledger:
        """Open the ledger at a path (SQLite) or a database URL, made if there is none.

        Args:
            where: path, or URL of SQLite or PostgreSQL (see ``ledger_place``).
            store: where parsed pages are kept; None for the ledger's own database.
            claim: the archive that it must belong to, in PostgreSQL; None for any.

        Raises:
            ArchiveCorrupt: the file is no ledger, or damaged; or it does not belong to the archive.
            SchemaMismatch: written by a later paperlode.
            StorageFull, ArchiveLocked, ArchiveError: it cannot be written, or its server cannot be used.
            InvalidRequest, MissingExtra: an address of no database, or of one whose driver is not installed.
        """
        engine, name = open_database(where, claim)
        return cls(engine, name, store)

    def close(self) -> None:
        """Let go of the database. Idempotent."""
        self._engine.dispose()

    @contextmanager
    def _work(self) -> Iterator[sa.Connection]:
        with self._lock, mapped(self._name), self._engine.begin() as db:
            yield db

    # -- one document's way through

    def begin(self, source: Source, page_count: int, recipe: Recipe) -> str:
        """Note that the document is being worked on. A version that is already searchable stays the recorded one.

        Returns:
            The document of which these bytes are a version.
        """
        row = {
            "uri": source.uri,
            "name": source.name,
            "media_type": source.media_type,
            "size": source.size,
            "page_count": page_count,
            "updated": time.time(),
        }
        fresh = {**recipe_columns(recipe), "status": "pending", "chunks": 0, "failed_pages": 0}
        with self._work() as db:
            stale = sa.select(documents.c.digest).where(
                documents.c.uri == source.uri,
                documents.c.content != source.digest,
                documents.c.status != "indexed",
                ~documents.c.staging,
                documents.c.digest.not_in(sa.select(paths.c.digest)),
            )
            for digest in db.scalars(stale).all():
                remove_document(db, digest)
            document = document_for(db, source)
            mine = documents.c.digest == document
            found = db.execute(sa.select(documents.c.status, documents.c.coming).where(mine)).one_or_none()
            if found is None:
                content = {"content": source.digest, "coming": source.digest}
                db.execute(documents.insert().values(digest=document, staging=True, **content, **row, **fresh))
                return document
            indexed = found.status == "indexed"
            changed = {} if indexed else {"content": source.digest, **row, **fresh}
            db.execute(documents.update().where(mine).values(staging=True, coming=source.digest, **changed))
            if found.coming != source.digest:
                remove_content(db, found.coming)
        return document

    def arriving(self, arrival: Arrival) -> None:
        """Write down what ``finish`` will note, before the version is published: if the process dies in between, it is known."""
        with self._work() as db:
            put_arrival(db, arrival)

    def arrivals(self) -> list[Arrival]:
        """Versions that were about to be published when a run ended without noting them."""
        with self._work() as db:
            return all_arrivals(db)

    def finish(self, arrival: Arrival) -> None:
        """Note that all chunks of that version are searchable, and that the file at its ``uri`` holds it.

        What was kept of an older version goes.
        """
        source, recipe = arrival.source, arrival.recipe
        with self._work() as db:
            mine = documents.c.digest == source.document
            bad = sa.select(sa.func.count()).where(*pages_of(source.digest, recipe.parser), pages.c.code != "")
            before = db.scalar(sa.select(documents.c.content).where(mine))
            names = ("uri", "name", "media_type", "size") if before != source.digest else ()
            db.execute(
                documents.update()
                .where(mine)
                .values(
                    **recipe_columns(recipe),
                    **{n: getattr(source, n) for n in names},
                    content=source.digest,
                    coming=source.digest,
                    page_count=arrival.pages,
                    status="indexed",
                    staging=False,
                    chunks=arrival.chunks,
                    failed_pages=db.scalar(bad) or 0,
                    updated=time.time(),
                )
            )
            drop_pages(db, pages.c.digest == source.digest, pages.c.parser != recipe.parser)
            db.execute(findings.delete().where(findings.c.digest == source.digest, findings.c.parser != recipe.parser))
            if before is not None and before != source.digest:
                remove_content(db, before)
            put_readers(db, source.document, arrival.read_by)
            put_path(db, source.uri, source.document, arrival.stamp)
            forget_arrival(db, source.document)

    def leave(self, digest: str) -> None:
        """Note that nothing of the document is staged any more (its pages stay)."""
        with self._work() as db:
            db.execute(documents.update().where(documents.c.digest == digest).values(staging=False))
            forget_arrival(db, digest)

    def fail(self, path: str, error: PaperlodeError, *, digest: str = "") -> None:
        """Note that the file could not be taken, and why. What it held before stays searchable."""
        with self._work() as db:
            db.execute(failures.delete().where(failures.c.path == path))
            values = {"digest": digest, "code": error.code, "what": error.what, "hint": error.hint}
            db.execute(failures.insert().values(path=path, updated=time.time(), **values))
            mine = (documents.c.coming == digest) & (digest != "")
            db.execute(documents.update().where(mine).values(staging=False))
            db.execute(documents.update().where(mine, documents.c.status != "indexed").values(status="failed"))

    def add_path(self, path: str, digest: str, stamp: Stamp) -> None:
        """Note that the file at ``path`` holds this document too."""
        with self._work() as db:
            put_path(db, path, digest, stamp)

    def drop_path(self, path: str, other: str) -> None:
        """Note that the file is gone, and that its document is to be found at ``other``, one of its paths."""
        with self._work() as db:
            db.execute(paths.delete().where(paths.c.path == path))
            named = {"uri": other, "name": Path(other).name}
            db.execute(documents.update().where(documents.c.uri == path).values(**named))

    def forget_index(self) -> None:
        """Note that nothing is searchable any more; pages stay, so nothing is parsed again."""
        with self._work() as db:
            db.execute(documents.update().values(status="pending", staging=False, chunks=0))
            db.execute(read_by.delete())

    def begin_removal(self, digest: str) -> None:
        """Note that the document is about to go: if the process dies now, the next run removes it from the index."""
        with self._work() as db:
            db.execute(documents.update().where(documents.c.digest == digest).values(status="pending", staging=True))
            put_readers(db, digest, {})

    def remove(self, digest: str) -> None:
        """Drop everything known of a document."""
        with self._work() as db:
            remove_document(db, digest)

    @property
    def prints(self) -> PrintBooks:
        """What the pages of documents show, by which pages that were read before are found again."""
        return PrintBooks(self._work, self._load, self.save_pages)

    @property
    def reindex(self) -> ReindexBooks:
        """What is known of an index that is made to take the place of this one."""
        return ReindexBooks(self._work)

    # -- questions

    def is_done(self, content: str, recipe: Recipe, *, whole: bool = False) -> bool:
        """Whether bytes with that digest are searchable as made by ``recipe``; with ``whole``, also without a failed page.

        Pages that were read again by another parser since (``adopt_pages``) do not unmake it.
        """
        return bool(self.holder(content, recipe, whole=whole))

    def holder(self, content: str, recipe: Recipe, *, whole: bool = False) -> str:
        """The document for which ``is_done``; empty where there is none."""
        query = sa.select(documents.c.digest).where(*holds(content), *_done(recipe, whole=whole))
        with self._work() as db:
            return db.scalar(query.order_by(documents.c.digest).limit(1)) or ""

    def done_among(self, files: Sequence[str], recipe: Recipe, *, whole: bool = False) -> dict[str, Stamp]:
        """Of files (absolute paths) those whose document ``is_done``, with the stamp that the file had when it was ingested.

        The file holds it still where it has that stamp.
        """
        columns = (paths.c.path, paths.c.mtime_ns, paths.c.size, paths.c.inode)
        held = sa.select(*columns).join(documents, documents.c.digest == paths.c.digest)
        with self._work() as db:
            rows = db.execute(held.where(paths.c.path.in_(files), *_done(recipe, whole=whole)))
            return {path: Stamp(*seen) for path, *seen in rows}

    def documents(self) -> list[DocumentRecord]:
        """Every document, by name."""
        return self._records(sa.true())

    def documents_after(self, last: tuple[str, str] | None, limit: int) -> list[DocumentRecord]:
        """The next searchable documents, by name and digest, after one of that name and digest; None for the first."""
        key = sa.tuple_(documents.c.name, documents.c.digest)
        which = documents.c.status == "indexed"
        if last is not None:
            which &= key > sa.tuple_(*(sa.literal(part, documents.c.name.type) for part in last))
        query = sa.select(documents.c.digest).where(which).order_by(documents.c.name, documents.c.digest).limit(limit)
        with self._work() as db:
            chosen = list(db.scalars(query))
        return self._records(documents.c.digest.in_(chosen))

    def document(self, ref: str) -> DocumentRecord:
        """The document named by its digest, a path, its file name, the name without extension, or 6+ digits of digest.

        Raises:
            DocumentNotFound: none is called that.
            InvalidRequest: several are.
        """
        stem = documents.c.name.startswith(f"{ref}.", autoescape=True)
        ways: list[sa.ColumnElement[bool]] = [
            documents.c.digest == ref,
            documents.c.content == ref,
            documents.c.digest.in_(sa.select(paths.c.digest).where(paths.c.path.in_([str(Path(ref).absolute()), ref]))),
            documents.c.name == ref,
            stem,
        ]
        if re.fullmatch(r"[0-9a-f]{6,64}", ref):
            ways.append(documents.c.digest.startswith(ref))
        for way in ways:
            found = self._records(way)
            if way is stem:
                found = [d for d in found if Path(d.name).stem == ref]
            if len(found) == 1:
                return found[0]
            if found:
                some = ", ".join(f"{d.digest[:12]} ({d.paths[0] if d.paths else d.uri})" for d in found[:5])
                raise InvalidRequest(f"{len(found)} documents are called {ref!r}: {some}.", hint="Give the digest.")
        raise DocumentNotFound(f"There is no document {ref!r} in the index.", hint="See: paperlode status")

    def names(self, digests: Collection[str]) -> dict[str, str]:
        """File names by digest."""
        found: dict[str, str] = {}
        with self._work() as db:
            for some in few(digests):
                query = sa.select(documents.c.digest, documents.c.name).where(documents.c.digest.in_(some))
                found |= {row.digest: row.name for row in db.execute(query)}
        return found

    def paths_in(self, folder: str) -> Iterator[tuple[str, str]]:
        """Files in a folder (an absolute path) and below it, each with the digest of the document it held; by path."""
        start, after = folder.rstrip(os.sep) + os.sep, ""
        within = paths.c.path.startswith(
            start, autoescape=True
        )  # SQLite takes large and small letters for the same there
        while True:
            query = sa.select(paths.c.path, paths.c.digest).where(within, paths.c.path > after)
            with self._work() as db:
                rows = db.execute(query.order_by(paths.c.path).limit(_PATHS)).all()
            yield from ((path, digest) for path, digest in rows if path.startswith(start))
            if len(rows) < _PATHS:
                return
            after = rows[-1][0]

    def document_at(self, path: str) -> DocumentRecord | None:
        """The document that the file at this absolute path held when it was last ingested."""
        found = self._records(documents.c.digest.in_(sa.select(paths.c.digest).where(paths.c.path == path)))
        return found[0] if found else None

    def _records(self, where: sa.ColumnElement[bool]) -> list[DocumentRecord]:
        with self._work() as db:
            rows = db.execute(sa.select(documents).where(where).order_by(documents.c.name, documents.c.digest)).all()
            chosen = sa.select(documents.c.digest).where(where)
            held: dict[str, list[str]] = {}
            query = sa.select(paths.c.digest, paths.c.path).where(paths.c.digest.in_(chosen)).order_by(paths.c.path)
            for digest, path in db.execute(query):
                held.setdefault(digest, []).append(path)
            readers: dict[str, dict[str, int]] = {}
            for digest, parser, count in db.execute(sa.select(read_by).where(read_by.c.digest.in_(chosen))):
                readers.setdefault(digest, {})[parser] = count
        return [record_of(row, tuple(held.get(row.digest, ())), readers.get(row.digest, {})) for row in rows]

    def staging(self) -> dict[str, str]:
        """Documents that were being staged when a run ended without cleaning up: digest -> status."""
        query = sa.select(documents.c.digest, documents.c.status).where(documents.c.staging)
        with self._work() as db:
            return {row.digest: row.status for row in db.execute(query)}

    def orphans(self) -> list[str]:
        """Digests of searchable documents that no file holds any more (its path holds another content now)."""
        lost = documents.c.digest.not_in(sa.select(paths.c.digest))
        with self._work() as db:
            return list(db.scalars(sa.select(documents.c.digest).where(documents.c.status == "indexed", lost)))

    def failures(self) -> list[FailureRecord]:
        """Files that could not be taken when they were last tried, by path."""
        with self._work() as db:
            return [FailureRecord(*row) for row in db.execute(sa.select(failures).order_by(failures.c.path))]

    def prune_failures(self) -> None:
        """Forget the failures of files that are no longer there; of URLs nobody knows without asking."""
        self.forget_failures([f.path for f in self.failures() if not is_url(f.path) and not os.path.lexists(f.path)])

    def forget_failures(self, paths: Collection[str]) -> None:
        """Forget that these could not be taken: they are gone."""
        with self._work() as db:
            for path in paths:
                db.execute(failures.delete().where(failures.c.path == path))

    def counts(self) -> Counts:
        """Sums for the status."""
        d = documents.c
        sums = sa.select(
            sa.func.count(), *(sa.func.coalesce(sa.func.sum(c), 0) for c in (d.page_count, d.failed_pages, d.chunks))
        ).where(d.status == "indexed")
        with self._work() as db:
            row: Any = db.execute(sums).one()
            failed = db.scalar(sa.select(sa.func.count()).select_from(failures)) or 0
            by_reader = pages_by_reader(db, int(row[1]) - int(row[2]))
            flagged = count_flagged(db)
        return Counts(int(row[0]), int(row[1]), int(row[2]), int(row[3]), failed, by_reader, flagged)


def _done(recipe: Recipe, *, whole: bool) -> list[sa.ColumnElement[bool]]:
    """The condition for documents that are searchable as made by the recipe."""
    made = [documents.c[k] == v for k, v in recipe_columns(recipe).items() if k != "parser"]
    where = [documents.c.status == "indexed", read_with(recipe.parser), *made]
    return [*where, documents.c.failed_pages == 0] if whole else where
