"""Which documents a new index beside the old one holds already, and the books put right when it takes the old one's place.

The rows outlive a run that was broken off, so that the next one goes on. All are of one index, the one being made last.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import sqlalchemy as sa

from paperlode.ingest.ledger_tables import documents, metadata
from paperlode.ingest.ledger_text import Text

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = ["ReindexBooks", "Reindexed"]

table = sa.Table(  # an older ledger gets the table when it is opened
    "reindexed",
    metadata,
    sa.Column("digest", Text(64), primary_key=True),
    sa.Column("embedder", Text(), nullable=False),
    sa.Column("chunker", Text(), nullable=False),
    sa.Column("chunks", sa.Integer, nullable=False),
    sa.Column("updated", sa.Float, nullable=False),
    sa.Column("shard", Text(), nullable=False),  # name of the new index
    sa.Column("made_with", Text(), nullable=False),  # its schema, as JSON
)


@dataclass(frozen=True, slots=True)
class Reindexed:
    """A document in the new index.

    Attributes:
        digest: of the document.
        embedder: that it was embedded with. chunker: fingerprint of what cut it.
        chunks: in the new index.
        updated: of its record then: another one now means that it was ingested again since.
    """

    digest: str
    embedder: str
    chunker: str
    chunks: int
    updated: float


_COLUMNS = tuple(f.name for f in fields(Reindexed))


class ReindexBooks:
    """The rows of the index being made. Each method is one transaction.

    Args:
        work: begins one.
    """

    def __init__(self, work: Callable[[], AbstractContextManager[sa.Connection]]) -> None:
        self._work = work

    def under_way(self) -> tuple[str, str] | None:
        """Name and schema (JSON) of the index being made; None when none is, or none of its documents is done."""
        with self._work() as db:
            row = db.execute(sa.select(table.c.shard, table.c.made_with).limit(1)).first()
        return None if row is None else (str(row[0]), str(row[1]))

    def done(self) -> dict[str, Reindexed]:
        """The documents that it holds, by digest."""
        with self._work() as db:
            rows = db.execute(sa.select(*(table.c[name] for name in _COLUMNS)))
            return {row.digest: Reindexed(*row) for row in rows}

    def note(self, shard: str, made_with: str, document: Reindexed) -> None:
        """Note that it holds this document."""
        values = {name: getattr(document, name) for name in _COLUMNS}
        with self._work() as db:
            db.execute(table.delete().where(table.c.digest == document.digest))
            db.execute(table.insert().values(shard=shard, made_with=made_with, **values))

    def forget(self) -> None:
        """Note that no index is being made any more."""
        with self._work() as db:
            db.execute(table.delete())

    def take_over(self, shard: str) -> None:
        """Put the documents' embedder, chunker and chunks right, if ``shard`` is the index that was being made."""
        with self._work() as db:
            for one in db.execute(sa.select(table).where(table.c.shard == shard)).all():
                values = {"embedder": one.embedder, "chunker": one.chunker, "chunks": one.chunks}
                db.execute(documents.update().where(documents.c.digest == one.digest).values(**values))
            db.execute(table.delete().where(table.c.shard == shard))
