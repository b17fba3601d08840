"""A ledger in PostgreSQL: the connection, and the schema that belongs to one archive and to one process at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.schema import CreateSchema

from paperlode.ingest.errors import ArchiveCorrupt, ArchiveError, InvalidRequest, MissingExtra
from paperlode.ingest.ledger_errors import mapped
from paperlode.ingest.ledger_tables import meta, metadata

if TYPE_CHECKING:
    from paperlode.ingest.ledger_place import DatabasePlace

__all__ = ["Claim", "check_place", "open_engine", "take_schema"]

_ARCHIVE = "archive"
_PATIENCE = "5s"
_CONNECTION = {
    "connect_timeout": "10",
    "client_encoding": "utf8",
    "fallback_application_name": "paperlode",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
"""For libpq, where the address says nothing else: a server that does not answer is noticed."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Which archive wants a schema.

    Attributes:
        archive: its id.
        new: it is being made; else its ledger has to be there.
    """

    archive: str
    new: bool = False


def open_engine(place: DatabasePlace, *, hold: bool = True, connections: int = 1) -> sa.Engine:
    """Connections to the database whose statements mean the tables of the schema; none is made yet.

    Args:
        place: which.
        hold: keep other processes out as long as there is a connection.
        connections: at most.

    Raises:
        MissingExtra: PostgreSQL's driver is not installed.
    """
    query = {**_CONNECTION, **place.url.query}
    try:
        engine = sa.create_engine(
            place.url.set(query=query),
            execution_options={"schema_translate_map": {None: place.schema}},
            pool_pre_ping=True,
            pool_size=connections,
            max_overflow=0,
        )
    except ImportError:
        raise MissingExtra.named("psycopg", "postgres") from None
    if hold:

        def take(connection: Any, _record: Any) -> None:
            _hold(connection, place.schema)

        event.listen(engine, "connect", take)
    return engine


def _hold(connection: Any, schema: str) -> None:
    """The lock lasts as long as the connection, whose end the server notices soon also where this machine is gone."""
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for name, value in (("idle", 60), ("interval", 10), ("count", 3)):
                cursor.execute(f"SET tcp_keepalives_{name} = {value}")
            cursor.execute(f"SET lock_timeout = '{_PATIENCE}'")
            cursor.execute("SELECT pg_advisory_lock(hashtextextended('paperlode ' || %s, 0))", [schema])
            cursor.execute("RESET lock_timeout")
        connection.autocommit = False
    except BaseException:
        connection.close()
        raise


def check_place(place: DatabasePlace, archive: str) -> None:
    """Pass if a new archive can have its ledger there; nothing is made.

    Raises:
        InvalidRequest: another archive's ledger, or other tables, are in the schema.
        MissingExtra, ArchiveError: the database cannot be used.
    """
    engine = open_engine(place, hold=False)
    try:
        with mapped(str(place)), engine.begin() as db:
            _check_encoding(db, place)
            _is_there(db, place, Claim(archive, new=True))
    finally:
        engine.dispose()


def take_schema(db: sa.Connection, place: DatabasePlace, claim: Claim | None) -> None:
    """Make the schema and its tables, or pass if they are those of the archive; of any, where none claims them.

    Raises:
        InvalidRequest: a new archive cannot have it: it holds another one's ledger, or other tables.
        ArchiveCorrupt: it does not hold the archive's ledger.
    """
    _check_encoding(db, place)
    there = _is_there(db, place, claim)
    if not sa.inspect(db).has_schema(place.schema):
        db.execute(CreateSchema(place.schema))
    metadata.create_all(db)
    if claim and not there:
        db.execute(meta.insert().values(key=_ARCHIVE, value=claim.archive))


def _check_encoding(db: sa.Connection, place: DatabasePlace) -> None:
    encoding = db.scalar(sa.select(sa.func.current_setting("server_encoding")))
    if encoding != "UTF8":
        raise ArchiveError(
            f"The database of the ledger keeps its text as {encoding}, which cannot hold every name: {place}.",
            hint="Make one that can: createdb --encoding UTF8 --template template0 NAME",
        )


def _is_there(db: sa.Connection, place: DatabasePlace, claim: Claim | None) -> bool:
    """Whether the schema holds the ledger that is claimed, or one, where none is."""
    tables = set(sa.inspect(db).get_table_names(schema=place.schema))
    ours = {"meta", "documents", "pages"} <= tables
    owner = db.scalar(sa.select(meta.c.value).where(meta.c.key == _ARCHIVE)) if ours else None
    if claim is None or (ours and owner == claim.archive):
        return ours
    if not claim.new:
        lost = f"The ledger {place} " + ("is that of another archive" if ours else "is missing")
        raise ArchiveCorrupt(
            f"{lost}.", hint="Restore the schema from a backup, or correct the address in archive.json."
        )
    if tables:
        what = "the ledger of another archive" if ours else "other tables"
        raise InvalidRequest(
            f"The schema {place.schema!r} of the database holds {what}: {place}.",
            hint="Take another with ?schema=NAME at the end of the address; where that archive is gone, "
            f"DROP SCHEMA {place.schema} CASCADE lets go of its ledger.",
        )
    return False
