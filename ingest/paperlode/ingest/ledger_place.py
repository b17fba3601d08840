"""Where a ledger is that is no file: a schema of a PostgreSQL database, by an address without a password."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paperlode.ingest.errors import InvalidRequest

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = ["DatabasePlace", "ledger_place"]

_KINDS = frozenset({"postgresql", "postgres", "postgresql+psycopg"})
_SCHEMA = re.compile(r"(?!pg_|information_schema$)[a-z_][a-z0-9_]{0,62}")
_DEFAULT = "paperlode"
_FORM = "Give it as postgresql://USER@HOST/DATABASE, or postgresql://USER@HOST/DATABASE?schema=NAME."


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """A schema of a PostgreSQL database.

    Attributes:
        url: of the database, as SQLAlchemy takes it; no password in it.
        schema: in which the ledger's tables are; a plain name.
    """

    url: sa.URL
    schema: str

    @classmethod
    def parse(cls, given: str) -> DatabasePlace:
        """The place that an address means.

        Raises:
            InvalidRequest: it is no address of a PostgreSQL database, or holds a password, which would be stored. It is not
                repeated in the message.
        """
        import sqlalchemy as sa
        from sqlalchemy.exc import ArgumentError

        try:
            url = sa.make_url(given)
        except (ArgumentError, ValueError):
            raise InvalidRequest("The address of the ledger cannot be read.", hint=_FORM) from None
        if url.drivername not in _KINDS:
            raise InvalidRequest(f"The ledger cannot be kept in {url.drivername!r}, only in PostgreSQL.", hint=_FORM)
        if url.password or any("password" in key.lower() for key in url.query):
            raise InvalidRequest(
                "The address of the ledger holds a password, which would be stored.",
                hint="Give it without: PostgreSQL's client takes the password from ~/.pgpass or from PGPASSWORD by itself.",
            )
        if not url.database:
            raise InvalidRequest("The address of the ledger names no database.", hint=_FORM)
        query = dict(url.query)
        schema = query.pop("schema", _DEFAULT)
        if not isinstance(schema, str) or not _SCHEMA.fullmatch(schema):
            raise InvalidRequest(
                f"The ledger's schema {schema!r} is no name that can be taken.",
                hint="Up to 63 of a-z, 0-9 and _, no digit first, and not pg_… or information_schema.",
            )
        where = (url.username, None, url.host, url.port, url.database)
        return cls(sa.URL.create("postgresql+psycopg", *where, query=query), schema)

    def __str__(self) -> str:
        """As it is stored and shown: the schema is always named."""
        url = self.url.set(drivername="postgresql", query={**self.url.query, "schema": self.schema})
        return url.render_as_string()


def ledger_place(given: str) -> str:
    """What a manifest keeps of where the ledger is; empty for a file in the index folder. Raises like ``DatabasePlace.parse``."""
    return str(DatabasePlace.parse(given)) if given else ""
