"""Single rows of the ledger: written, removed, and turned into values, each inside the caller's transaction."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from paperlode.ingest.ledger_arrivals import forget_arrival
from paperlode.ingest.ledger_findings import put_findings
from paperlode.ingest.ledger_tables import (
    DocumentRecord,
    Recipe,
    documents,
    failures,
    findings,
    loose,
    pages,
    paths,
    prints,
    read_by,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from paperlode.ingest.document import ParsedPage, Source
    from paperlode.ingest.sources import Stamp

__all__ = [
    "document_for",
    "drop_pages",
    "holds",
    "pages_by_reader",
    "pages_of",
    "put_pages",
    "put_path",
    "put_readers",
    "recipe_columns",
    "record_of",
    "remove_content",
    "remove_document",
]

_FRESH_NS = 2_000_000_000  # a file touched within the last 2 s may change again without a new time stamp


def recipe_columns(recipe: Recipe) -> dict[str, str]:
    """The columns of ``documents`` that hold it."""
    return {"parser": recipe.parser, "chunker": recipe.chunker, "embedder": recipe.embedder}


def pages_of(digest: str, parser: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """The condition for a document's pages as one parser read them."""
    return pages.c.digest == digest, pages.c.parser == parser


def put_pages(db: sa.Connection, digest: str, parser: str, parsed: Sequence[ParsedPage], names: Sequence[str]) -> None:
    """Note pages that are kept under these names, in place of those of the same number, with what the judge said of them."""
    rows = [
        {
            "digest": digest,
            "parser": parser,
            "page": p.page,
            "code": p.failure.code if p.failure else "",
            "message": p.failure.message if p.failure else "",
            "blob": name,
        }
        for p, name in zip(parsed, names, strict=True)
    ]
    numbers = [p.page for p in parsed]
    drop_pages(db, *pages_of(digest, parser), pages.c.page.in_(numbers))
    db.execute(pages.insert(), rows)
    put_findings(db, digest, parser, parsed)


def drop_pages(db: sa.Connection, *which: sa.ColumnElement[bool]) -> None:
    """Forget pages; what was kept of them is let go of at the end of a run, if no other page says the same."""
    names = sa.select(pages.c.blob).where(*which, pages.c.blob.not_in(sa.select(loose.c.blob))).distinct()
    db.execute(loose.insert().from_select(["blob"], names))
    db.execute(pages.delete().where(*which))


def put_path(db: sa.Connection, path: str, digest: str, stamp: Stamp) -> None:
    """Note that the file holds this document, and failed no longer."""
    fresh = time.time_ns() - stamp.mtime_ns < _FRESH_NS
    values = {"digest": digest, "mtime_ns": 0 if fresh else stamp.mtime_ns, "size": stamp.size, "inode": stamp.inode}
    db.execute(paths.delete().where(paths.c.path == path))
    db.execute(paths.insert().values(path=path, **values))
    db.execute(failures.delete().where(failures.c.path == path))


def put_readers(db: sa.Connection, digest: str, counts: Mapping[str, int]) -> None:
    """Note a document's pages by what read them, in place of what was noted before."""
    db.execute(read_by.delete().where(read_by.c.digest == digest))
    if counts:
        rows = [{"digest": digest, "parser": parser, "pages": n} for parser, n in sorted(counts.items())]
        db.execute(read_by.insert(), rows)


def pages_by_reader(db: sa.Connection, readable: int) -> dict[str, int]:
    """Pages of all searchable documents by what read them: sums over documents, no page is looked at.

    ``readable`` is their number. Where less was noted, the rest is counted by the fingerprint of each document's parser.
    """
    noted = sa.select(read_by.c.parser, sa.func.sum(read_by.c.pages)).group_by(read_by.c.parser)
    found = {parser: int(count) for parser, count in db.execute(noted)}
    if sum(found.values()) < readable:
        mine = read_by.c.digest == documents.c.digest
        others = (
            sa.select(documents.c.parser, sa.func.sum(documents.c.page_count - documents.c.failed_pages))
            .where(documents.c.status == "indexed", ~sa.exists().where(mine))
            .group_by(documents.c.parser)
        )
        for parser, count in db.execute(others):
            found[parser] = found.get(parser, 0) + int(count)
    return dict(sorted(found.items()))


def remove_document(db: sa.Connection, document: str) -> None:
    """Drop everything known of a document."""
    row = db.execute(
        sa.select(documents.c.content, documents.c.coming).where(documents.c.digest == document)
    ).one_or_none()
    for table in (paths, read_by, documents):
        db.execute(table.delete().where(table.c.digest == document))
    forget_arrival(db, document)
    for content in set(row or ()):
        remove_content(db, content)


def remove_content(db: sa.Connection, content: str) -> None:
    """Drop what was read from bytes that no document holds any more."""
    held = (documents.c.content == content) | (documents.c.coming == content)
    if db.scalar(sa.select(sa.literal(1)).select_from(documents).where(held)) is None:
        drop_pages(db, pages.c.digest == content)
        for table in (findings, prints):
            db.execute(table.delete().where(table.c.digest == content))


def holds(content: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """The condition for documents that hold these bytes, and of which no other version is on its way."""
    return documents.c.content == content, (documents.c.coming == content) | ~documents.c.staging


def document_for(db: sa.Connection, source: Source) -> str:
    """The document that the bytes are a version of.

    That which has these bytes already, and is not about to have others; else that which the file held until now, where no other
    file holds it; else a new one, under the digest of the bytes, or a hash of it where a document is called that which has other
    bytes by now.
    """
    same = sa.select(documents.c.digest).where(*holds(source.digest)).order_by(documents.c.digest)
    if found := db.scalar(same.limit(1)):
        return str(found)
    held = db.scalar(sa.select(paths.c.digest).where(paths.c.path == source.uri))
    if held and db.scalar(sa.select(sa.func.count()).where(paths.c.digest == held)) == 1:
        return str(held)
    name, number = source.digest, 0
    while db.scalar(sa.select(sa.literal(1)).select_from(documents).where(documents.c.digest == name)) is not None:
        number += 1
        name = hashlib.sha256(f"{source.digest}\x1f{number}".encode()).hexdigest()
    return name


def record_of(row: Any, held: tuple[str, ...], readers: Mapping[str, int]) -> DocumentRecord:
    """The value of a row of ``documents``, of the paths that hold it, and of what read its pages."""
    recipe = Recipe(row.parser, row.chunker, row.embedder)
    if not readers and row.status == "indexed":
        readers = {recipe.parser: row.page_count - row.failed_pages}
    return DocumentRecord(
        digest=row.digest,
        uri=row.uri,
        name=row.name,
        media_type=row.media_type,
        size=row.size,
        page_count=row.page_count,
        status=row.status,
        recipe=recipe,
        chunks=row.chunks,
        failed_pages=row.failed_pages,
        updated=row.updated,
        paths=held,
        content=row.content,
        read_by=dict(readers),
    )
