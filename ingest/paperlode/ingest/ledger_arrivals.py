"""Versions of documents on their way into the index: all that will be noted of them, written down before they are published.

A run that ends between publishing and noting leaves such a row. The index says which version of a document it holds; where it
is that of the row, the row is what happened.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from paperlode.ingest.document import Source
from paperlode.ingest.ledger_tables import Recipe, metadata
from paperlode.ingest.ledger_text import Text
from paperlode.ingest.sources import Stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Arrival", "all_arrivals", "forget_arrival", "put_arrival"]

table = sa.Table(
    "arrivals",
    metadata,
    sa.Column("digest", Text(64), primary_key=True),  # of the document
    sa.Column("content", Text(64), nullable=False),
    sa.Column("uri", Text(), nullable=False),
    sa.Column("name", Text(), nullable=False),
    sa.Column("media_type", Text(), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("parser", Text(), nullable=False),
    sa.Column("chunker", Text(), nullable=False),
    sa.Column("embedder", Text(), nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("inode", sa.BigInteger, nullable=False),
    sa.Column("pages", sa.Integer, nullable=False),
    sa.Column("chunks", sa.Integer, nullable=False),
    sa.Column("read_by", Text(), nullable=False),  # JSON
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A version of a document that is about to be searchable, or is and was not noted yet.

    Attributes:
        source: the bytes, and the document that they are a version of.
        recipe: that its chunks were made with.
        stamp: of the file.
        pages, chunks: their numbers.
        read_by: pages by what read them (``ParsedPage.parser``), without those that failed.
    """

    source: Source
    recipe: Recipe
    stamp: Stamp
    pages: int
    chunks: int
    read_by: Mapping[str, int] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """What the index says of the document once it holds this version."""
        return self.recipe.version(self.source.digest)


def put_arrival(db: sa.Connection, arrival: Arrival) -> None:
    """Write it down, in place of another one of the document."""
    source, recipe, stamp = arrival.source, arrival.recipe, arrival.stamp
    forget_arrival(db, source.document)
    db.execute(
        table.insert().values(
            digest=source.document, content=source.digest, uri=source.uri, name=source.name,
            media_type=source.media_type, size=source.size, parser=recipe.parser, chunker=recipe.chunker,
            embedder=recipe.embedder, mtime_ns=stamp.mtime_ns, bytes=stamp.size, inode=stamp.inode, pages=arrival.pages,
            chunks=arrival.chunks, read_by=json.dumps(dict(arrival.read_by)),
        )
    )  # fmt: skip


def forget_arrival(db: sa.Connection, document: str) -> None:
    """It is noted, or will never be."""
    db.execute(table.delete().where(table.c.digest == document))


def all_arrivals(db: sa.Connection) -> list[Arrival]:
    """Those that are written down, by document."""
    return [
        Arrival(
            Source(r.uri, r.name, r.media_type, r.content, r.size, r.digest if r.digest != r.content else ""),
            Recipe(r.parser, r.chunker, r.embedder),
            Stamp(r.mtime_ns, r.bytes, r.inode),
            r.pages,
            r.chunks,
            json.loads(r.read_by),
        )
        for r in db.execute(sa.select(table).order_by(table.c.digest))
    ]
