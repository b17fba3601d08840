"""The database of a ledger, opened: its connections, its tables, and their version."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event

from paperlode.ingest.errors import SchemaMismatch
from paperlode.ingest.ledger_errors import mapped
from paperlode.ingest.ledger_tables import LEDGER_VERSION, meta, metadata

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from paperlode.ingest.ledger_postgres import Claim

__all__ = ["open_database", "sqlite_settings"]


def open_database(where: str | Path, claim: Claim | None) -> tuple[sa.Engine, str]:
    """The database at a path (SQLite) or URL, with the ledger's tables, made if there are none; and its name for messages.

    Raises like ``Ledger.open``.
    """
    text = str(where)
    is_url = isinstance(where, str) and "://" in where
    make_tables: Callable[[sa.Connection], None]
    if is_url and not text.startswith("sqlite"):
        from paperlode.ingest.ledger_place import DatabasePlace
        from paperlode.ingest.ledger_postgres import open_engine, take_schema

        place = DatabasePlace.parse(text)
        engine, name = open_engine(place), str(place)
        make_tables = partial(take_schema, place=place, claim=claim)
    else:
        engine = sa.create_engine(text if is_url else sa.URL.create("sqlite", database=text))
        event.listen(engine, "connect", sqlite_settings)
        name, make_tables = text, metadata.create_all
    try:
        with mapped(name), engine.begin() as db:
            make_tables(db)
            _check_version(db, name)
    except BaseException:
        engine.dispose()
        raise
    return engine, name


def sqlite_settings(connection: Any, _record: Any) -> None:
    """Of every connection: others may read while one writes."""
    cursor = connection.cursor()
    for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _check_version(db: sa.Connection, name: str) -> None:
    found = db.scalar(sa.select(meta.c.value).where(meta.c.key == "version"))
    if found is None:
        db.execute(meta.insert().values(key="version", value=str(LEDGER_VERSION)))
    elif found != str(LEDGER_VERSION):
        raise SchemaMismatch(
            f"The ledger {name} has version {found}, this paperlode reads {LEDGER_VERSION}.",
            hint="Use the paperlode that wrote it, or ingest into a new index folder.",
        )
