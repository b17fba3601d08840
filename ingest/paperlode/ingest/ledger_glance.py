"""A look at a SQLite ledger without SQLAlchemy, for commands that are short: is all settled, and what are files called?

It only reads, and answers only what it is sure of: None stands for everything else (no such file, damage, another version, an
older ledger without some table), and is for ``Ledger`` to deal with, in its words. A test holds the two against each other.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

__all__ = ["LEDGER_VERSION", "Glance", "glance", "names"]

LEDGER_VERSION = 2
"""Raised when an older ledger can no longer be read as it is."""

_STATE = """
SELECT (SELECT value FROM meta WHERE key = 'version'),
       EXISTS (SELECT 1 FROM documents WHERE staging)
    OR EXISTS (SELECT 1 FROM documents WHERE status = 'indexed' AND digest NOT IN (SELECT digest FROM paths))
    OR EXISTS (SELECT 1 FROM reindexed),
       (SELECT COALESCE(SUM(chunks), 0) FROM documents WHERE status = 'indexed')
"""
_NAMES = "SELECT digest, name FROM documents WHERE digest IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class Glance:
    """What opening an archive wants to know.

    Attributes:
        settled: nothing is staged, no searchable document has lost its last file, no other index is being made.
        chunks: recorded of the searchable documents.
    """

    settled: bool
    chunks: int


def glance(path: Path) -> Glance | None:
    """The state of the ledger in that file; None where only ``Ledger`` can tell. The caller holds the folder's lock."""
    rows = _rows(path, _STATE)
    if not rows or rows[0][0] != str(LEDGER_VERSION):
        return None
    return Glance(settled=not rows[0][1], chunks=int(rows[0][2]))


def names(path: Path, digests: Collection[str]) -> dict[str, str] | None:
    """File names by digest, as ``Ledger.names``; None where only ``Ledger`` can tell."""
    import json

    rows = _rows(path, _NAMES, json.dumps(list(digests)))
    return None if rows is None else dict(rows)


def _rows(path: Path, query: str, *values: Any) -> list[Any] | None:
    """None when the database cannot be read.

    It is opened for writing, and forbidden to: a connection that may only read would leave the files of the write-ahead log
    behind, and could not take in what a killed run has left in them.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as db:
            db.execute("PRAGMA query_only=ON")
            return db.execute(query, values).fetchall()
    except sqlite3.Error:
        return None
