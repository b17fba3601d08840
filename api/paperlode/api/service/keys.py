"""API keys: who calls, and what for. Only a hash of each is kept; what is random and long needs no slow one.

A key is ``pk_`` + its id + ``_`` + 43 characters (256 random bits, base64url). It is found by its id, and its hash compared in
a time that tells nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import sqlalchemy as sa

from paperlode.api.service.tables import keys, tenants
from paperlode.ingest.errors import DocumentNotFound, InvalidRequest

if TYPE_CHECKING:
    from paperlode.api.service.database import ServiceDatabase

__all__ = ["Caller", "KeyRecord", "Keys", "Scope"]

_FORM = re.compile(r"pk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NOBODY = hashlib.sha256(b"").hexdigest()
_MOST_NAME = 100


class Scope(IntEnum):
    """What a key allows; each allows what those before it do."""

    READ = 1
    WRITE = 2
    ADMIN = 3

    @classmethod
    def named(cls, name: str) -> Scope:
        """By its name, ``read``, ``write`` or ``admin``. Raises InvalidRequest."""
        try:
            return cls[name.upper()]
        except KeyError:
            known = ", ".join(s.name.lower() for s in cls)
            raise InvalidRequest(f"There is no scope {name!r}.", hint=f"Known: {known}.") from None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a tenant, by a key.

    Attributes:
        tenant: its id.
        scope: what the key allows.
        key: the key's id; empty where none is asked for.
    """

    tenant: str
    scope: Scope
    key: str = ""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as the books have it; times in seconds since 1970 (UTC), None for never."""

    id: str
    tenant: str
    name: str
    scope: Scope
    created: float
    expires: float | None
    revoked: float | None

    def is_good(self, now: float) -> bool:
        """Neither revoked nor expired."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class Keys:
    """The keys of all tenants. Methods may be called from any thread or process; each is one transaction."""

    def __init__(self, database: ServiceDatabase) -> None:
        self._database = database

    def make(self, tenant: str, *, name: str, scope: Scope, days: float | None = None) -> tuple[str, KeyRecord]:
        """A new key of a tenant (its id). It is told here once, and never again.

        Raises:
            InvalidRequest: a name that is empty or over 100 characters, or no time for which it would be good.
        """
        if not 0 < len(name) <= _MOST_NAME:
            raise InvalidRequest(f"A key's name has 1 to {_MOST_NAME} characters.", hint="Say who or what uses it.")
        if days is not None and not days > 0:
            raise InvalidRequest("A key that is good for no time is of no use.", hint="Give it a day or more.")
        now = time.time()
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        made = KeyRecord(key_id, tenant, name, scope, now, now + 86400 * days if days is not None else None, None)
        row = {"id": key_id, "tenant": tenant, "name": name, "hash": _hash(secret), "scope": scope.name.lower()}
        with self._database.begin() as db:
            db.execute(keys.insert().values(**row, created=now, expires=made.expires, revoked=None))
        return f"pk_{key_id}_{secret}", made

    def caller(self, given: str) -> Caller | None:
        """Who calls with this key; None for one that is unknown, revoked or expired, whichever it is."""
        match = _FORM.fullmatch(given)
        key_id, secret = match.groups() if match else ("", "")
        with self._database.read() as db:
            row = db.execute(sa.select(keys).where(keys.c.id == key_id)).one_or_none()
        same = hmac.compare_digest(row.hash if row else _NOBODY, _hash(secret))
        if row is None or not same:
            return None
        record = _record(row)
        return Caller(record.tenant, record.scope, record.id) if record.is_good(time.time()) else None

    def all(self, tenant: str | None = None) -> list[KeyRecord]:
        """Those of a tenant (its id), or all; by when they were made. Revoked and expired ones too."""
        which = () if tenant is None else (keys.c.tenant == tenant,)
        with self._database.read() as db:
            return [_record(row) for row in db.execute(sa.select(keys).where(*which).order_by(keys.c.created))]

    def revoke(self, key_id: str, tenant: str | None = None) -> KeyRecord:
        """From now on it is not good. A second time changes nothing.

        Args:
            key_id: of the key.
            tenant: whose it has to be; None for any.

        Raises:
            DocumentNotFound: there is none.
        """
        which = (keys.c.id == key_id, *(() if tenant is None else (keys.c.tenant == tenant,)))
        with self._database.begin() as db:
            db.execute(keys.update().where(*which, keys.c.revoked.is_(None)).values(revoked=time.time()))
            row = db.execute(sa.select(keys).where(*which)).one_or_none()
        if row is None:
            raise DocumentNotFound(f"There is no key {key_id!r}.", hint="See: paperlode keys list")
        return _record(row)

    def any(self) -> bool:
        """Whether there is one, good or not."""
        with self._database.read() as db:
            return db.scalar(sa.select(keys.c.id).join(tenants, tenants.c.id == keys.c.tenant).limit(1)) is not None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _record(row: sa.Row[tuple[object, ...]]) -> KeyRecord:
    scope = Scope.named(row.scope)
    return KeyRecord(row.id, row.tenant, row.name, scope, row.created, row.expires, row.revoked)
