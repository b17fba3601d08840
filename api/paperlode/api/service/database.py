"""The database of the service, opened: SQLite in its folder, or a schema of PostgreSQL that several processes share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event

from paperlode.api.service.tables import VERSION, meta, metadata
from paperlode.ingest.errors import SchemaMismatch
from paperlode.ingest.ledger_engine import sqlite_settings
from paperlode.ingest.ledger_errors import mapped
from paperlode.ingest.ledger_place import DatabasePlace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["ServiceDatabase"]


class ServiceDatabase:
    """Connections to the tables of the service; any number of threads and processes at a time."""

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self._engine = engine
        self.name = name

    @classmethod
    def open(cls, where: str | Path) -> ServiceDatabase:
        """The database at a path (SQLite), or the address of a schema of PostgreSQL; its tables are made if there are none.

        Raises:
            SchemaMismatch: another paperlode wrote it.
            ArchiveError, StorageFull: it cannot be used.
            InvalidRequest, MissingExtra: no such address; PostgreSQL's driver is not installed.
        """
        if isinstance(where, str) and "://" in where:
            from paperlode.ingest.ledger_postgres import open_engine

            place = DatabasePlace.parse(where)
            engine, name = open_engine(place, hold=False, connections=8), str(place)
            schema = place.schema
        else:
            engine = sa.create_engine(sa.URL.create("sqlite", database=str(where)), connect_args={"timeout": 30})
            event.listen(engine, "connect", _sqlite_connected)
            event.listen(engine, "begin", _sqlite_begun)
            name, schema = str(where), ""
        database = cls(engine, name)
        try:
            with database.begin() as db:
                if schema and not sa.inspect(db).has_schema(schema):
                    db.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
                metadata.create_all(db)
                database._check_version(db)
        except BaseException:
            engine.dispose()
            raise
        return database

    def _check_version(self, db: sa.Connection) -> None:
        found = db.scalar(sa.select(meta.c.value).where(meta.c.key == "version"))
        if found is None:
            db.execute(meta.insert().values(key="version", value=str(VERSION)))
        elif found != str(VERSION):
            raise SchemaMismatch(
                f"The database of the service {self.name} has version {found}, this paperlode reads {VERSION}.",
                hint="Use the paperlode that wrote it.",
            )

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """One transaction that writes. Its errors are ours."""
        with mapped(self.name), self._engine.begin() as db:
            yield db

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One transaction that only reads, beside those that write. Its errors are ours."""
        with mapped(self.name), self._engine.connect() as db:
            db.execution_options(**{_READS: True})
            with db.begin():
                yield db

    def close(self) -> None:
        """Let go of all connections. Idempotent."""
        self._engine.dispose()


_READS = "paperlode_reads"


def _sqlite_connected(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # else the driver begins by itself, late, and for reading
    sqlite_settings(connection, record)


def _sqlite_begun(connection: sa.Connection) -> None:
    """Of two that read and then write one would fail: so each that is to write waits for its turn at once."""
    reads = connection.get_execution_options().get(_READS)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
