"""Who changed what, and when, and how it ended: a row for every request that may change something, also those refused."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from paperlode.api.service.tables import audit

if TYPE_CHECKING:
    from paperlode.api.service.database import ServiceDatabase

__all__ = ["Audit", "AuditRow"]

_LONGEST = 1000
"""Characters of a path or a query that are kept."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A request; ``at`` in seconds since 1970 (UTC), ``key`` the id of the key, empty where none was asked for."""

    number: int
    at: float
    tenant: str
    key: str
    request: str
    method: str
    path: str
    query: str
    status: int


class Audit:
    """The log. Methods may be called from any thread or process; each is one transaction."""

    def __init__(self, database: ServiceDatabase) -> None:
        self._database = database

    def note(self, *, tenant: str, key: str, request: str, method: str, path: str, query: str, status: int) -> None:
        """One more row; long paths and queries are cut."""
        row = {"tenant": tenant, "key": key, "request": request, "method": method, "status": status, "at": time.time()}
        with self._database.begin() as db:
            db.execute(audit.insert().values(**row, path=path[:_LONGEST], query=query[:_LONGEST]))

    def before(self, tenant: str, number: int | None = None, *, limit: int = 100) -> list[AuditRow]:
        """A tenant's rows, the newest first; only those before that number."""
        which = [audit.c.tenant == tenant, *([audit.c.number < number] if number is not None else [])]
        columns = (audit.c[name] for name in AuditRow.__slots__)
        query = sa.select(*columns).where(*which).order_by(audit.c.number.desc()).limit(limit)
        with self._database.read() as db:
            return [AuditRow(*row) for row in db.execute(query)]
