"""How errors of the ledger's database become ours: SQLite's by their words, PostgreSQL's by their codes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from paperlode.ingest.errors import (
    ArchiveCorrupt,
    ArchiveError,
    ArchiveLocked,
    LedgerServerRefused,
    LedgerServerUnreachable,
    PaperlodeError,
    StorageFull,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["mapped"]


@contextmanager
def mapped(name: str) -> Iterator[None]:
    """Turn database errors into ours. ``name`` is the ledger's file or address, for the message."""
    try:
        yield
    except DBAPIError as exc:
        detail = " ".join(str(exc.orig).split())
        if (state := getattr(exc.orig, "sqlstate", _NO_SERVER)) != _NO_SERVER:
            raise _of_server(name, detail, state or "", lost=exc.connection_invalidated) from exc
        error = _of_file(name, detail)
        if error is None:
            raise
        raise error from exc


_NO_SERVER = "-"
_Kind = tuple[type[PaperlodeError], str, str, tuple[str, ...]]

_FILE: tuple[_Kind, ...] = (
    (
        StorageFull,
        "There is no room left on the disk to write",
        "Free some space, then run ingest again.",
        ("is full",),
    ),
    (
        ArchiveCorrupt,
        "The ledger does not open",
        "Restore it from a backup, or delete the index folder and ingest again; your documents are not touched.",
        ("malformed", "not a database", "no such table", "no such column", "disk i/o error"),
    ),
    (ArchiveLocked, "Another process is using", "Wait until it ends, or end it.", ("database is locked",)),
    (
        ArchiveError,
        "There is no permission to write",
        "Change the owner or permissions of the index folder.",
        ("readonly", "read-only", "unable to open"),
    ),
)


def _of_file(name: str, detail: str) -> PaperlodeError | None:
    low = detail.lower()
    for kind, what, hint, needles in _FILE:
        if any(n in low for n in needles):
            return kind(f"{what}: {name} ({detail}).", hint=hint)
    return None


_AWAY: _Kind = (
    LedgerServerUnreachable,
    "There is no connection to the database server of the ledger",
    "Start it, or check host and port, then run the same command again: it goes on where it was.",
    ("08", "57P", "53300"),
)
_REFUSED: _Kind = (
    LedgerServerRefused,
    "The database server of the ledger does not let us in",
    "Check user and database in the address. The password is taken from ~/.pgpass or from PGPASSWORD.",
    ("28", "3D000"),
)
_OTHER: _Kind = (ArchiveError, "The database of the ledger reports an error", "See the database server's log.", ())
_STATES: tuple[_Kind, ...] = (  # by the first characters of SQLSTATE
    (
        StorageFull,
        "There is no room left on the disk of the ledger's database server",
        "Free some space there, then run ingest again.",
        ("53100",),
    ),
    (
        ArchiveLocked,
        "Another process is using the ledger",
        "Wait until it ends, or end it.",
        ("55P03",),
    ),
    (
        ArchiveError,
        "There is no permission to write the ledger",
        "Let the database's owner run: CREATE SCHEMA name AUTHORIZATION user; with the schema and user of the address.",
        ("42501",),
    ),
    (
        ArchiveError,
        "The database of the ledger can only be read",
        "Give the address of the server that takes writes, not of a standby.",
        ("25006",),
    ),
    (
        ArchiveCorrupt,
        "The ledger is damaged",
        "Restore its schema from a backup.",
        ("42P01", "42703", "3F000", "XX001", "XX002"),
    ),
    _REFUSED,
    _AWAY,
)
_NOT_LET_IN = ("authentication failed", "no password supplied", "pg_hba.conf", "does not exist")
"""Of a connection that was not made no code is known, only what the server said."""


def _of_server(name: str, detail: str, state: str, *, lost: bool) -> PaperlodeError:
    found: _Kind | None = None
    if state:
        found = next((k for k in _STATES if state.startswith(k[3])), None)
    elif any(n in detail for n in _NOT_LET_IN):
        found = _REFUSED
    kind, what, hint, _ = found or (_AWAY if lost or not state else _OTHER)
    return kind(f"{what}: {name} ({detail}).", hint=hint)
