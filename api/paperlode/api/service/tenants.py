"""Tenants, and the collections that each has: nothing of one is found by asking for another."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from paperlode.api.service.tables import collections, jobs, keys, tenants
from paperlode.ingest.errors import DocumentNotFound, InvalidRequest, LimitReached

if TYPE_CHECKING:
    from paperlode.api.service.database import ServiceDatabase

__all__ = ["DEFAULT_COLLECTION", "LOCAL", "CollectionRecord", "Tenants"]

LOCAL = "local"
"""The tenant of whoever calls from this machine where no key is asked for; the index folder is its ``default``."""
DEFAULT_COLLECTION = "default"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_NAMES = "1 to 63 of a-z, 0-9, _ and -, the first a letter or digit"


@dataclass(frozen=True, slots=True)
class CollectionRecord:
    """A collection: an index of its own.

    Attributes:
        id: random; names its folder.
        tenant: id of whose it is.
        name: unique with that tenant.
        created: seconds since 1970 (UTC).
    """

    id: str
    tenant: str
    name: str
    created: float


class Tenants:
    """Who there is. Methods may be called from any thread or process; each is one transaction."""

    def __init__(self, database: ServiceDatabase) -> None:
        self._database = database

    def id_of(self, name: str) -> str:
        """The tenant's id, which is made if there is none.

        Raises:
            InvalidRequest: no name that can be taken.
        """
        _check(name, "tenant")
        with self._database.begin() as db:
            found: str | None = db.scalar(sa.select(tenants.c.id).where(tenants.c.name == name))
            if found is None:
                found = str(uuid.uuid4())
                db.execute(tenants.insert().values(id=found, name=name, created=time.time(), served=0.0))
            return found

    def names(self) -> dict[str, str]:
        """All tenants' names by id."""
        with self._database.read() as db:
            return {row.id: row.name for row in db.execute(sa.select(tenants.c.id, tenants.c.name))}

    def collections(self, tenant: str) -> list[CollectionRecord]:
        """Those of a tenant, by name."""
        with self._database.read() as db:
            rows = db.execute(sa.select(collections).where(collections.c.tenant == tenant).order_by(collections.c.name))
            return [CollectionRecord(**row._mapping) for row in rows]  # noqa: SLF001  SQLAlchemy's public name

    def collection(self, tenant: str, name: str) -> CollectionRecord:
        """One of a tenant's. Raises DocumentNotFound, the same whoever else has one of that name."""
        with self._database.read() as db:
            mine = (collections.c.tenant == tenant, collections.c.name == name)
            row = db.execute(sa.select(collections).where(*mine)).one_or_none()
        if row is None:
            raise _no_collection(name)
        return CollectionRecord(**row._mapping)  # noqa: SLF001

    def make_collection(
        self, tenant: str, name: str, *, most: int | None = None, collection: str | None = None
    ) -> CollectionRecord:
        """A new one; that of the same name, if there is one.

        Args:
            tenant: whose.
            name: of the new one.
            most: that a tenant may have.
            collection: id of the new one; None for a random one.

        Raises:
            InvalidRequest: no name that can be taken.
            LimitReached: the tenant has as many as it may.
        """
        _check(name, "collection")
        with self._database.begin() as db:
            mine = collections.c.tenant == tenant
            row = db.execute(sa.select(collections).where(mine, collections.c.name == name)).one_or_none()
            if row is not None:
                return CollectionRecord(**row._mapping)  # noqa: SLF001
            if most is not None and (db.scalar(sa.select(sa.func.count()).where(mine)) or 0) >= most:
                raise LimitReached(f"There are {most} collections, which is the most.", hint="Delete one first.")
            made = CollectionRecord(collection or str(uuid.uuid4()), tenant, name, time.time())
            values = {"id": made.id, "tenant": tenant, "name": name, "created": made.created}
            db.execute(collections.insert().values(**values))
            return made

    def forget_collection(self, tenant: str, name: str) -> CollectionRecord:
        """Takes it out of the books, with its jobs; what is in its folder is the caller's to remove. Raises DocumentNotFound."""
        with self._database.begin() as db:
            mine = (collections.c.tenant == tenant, collections.c.name == name)
            row = db.execute(sa.select(collections).where(*mine)).one_or_none()
            if row is None:
                raise _no_collection(name)
            found = CollectionRecord(**row._mapping)  # noqa: SLF001
            db.execute(jobs.delete().where(jobs.c.collection == found.id))
            db.execute(collections.delete().where(*mine))
            return found

    def forget(self, name: str) -> list[CollectionRecord]:
        """Takes a tenant out of the books, with its keys and jobs. Returns what were its collections; none if unknown."""
        with self._database.begin() as db:
            found = db.scalar(sa.select(tenants.c.id).where(tenants.c.name == name))
            if found is None:
                return []
            rows = db.execute(sa.select(collections).where(collections.c.tenant == found)).all()
            for table in (jobs, keys, collections):
                db.execute(table.delete().where(table.c.tenant == found))
            db.execute(tenants.delete().where(tenants.c.id == found))
            return [CollectionRecord(**row._mapping) for row in rows]  # noqa: SLF001


def _no_collection(name: str) -> DocumentNotFound:
    return DocumentNotFound(f"There is no collection {name!r}.", hint="GET /v1/collections lists them.")


def _check(name: str, what: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"{name!r} is no name for a {what}.", hint=f"Names are {_NAMES}.")
