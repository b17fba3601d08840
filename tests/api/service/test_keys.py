"""Keys: what they allow, for how long, and how little is kept of them."""

import re
import time

import pytest
import sqlalchemy as sa

from paperlode.api.service.keys import Keys, Scope
from paperlode.api.service.tables import keys as table
from paperlode.ingest.errors import DocumentNotFound, InvalidRequest


@pytest.fixture
def keys(database):
    return Keys(database)


def test_a_key_says_whose_it_is_and_what_it_allows(keys, tenants):
    """To whoever shows all of it; each scope allows what those before it do."""
    acme, other = tenants.id_of("acme"), tenants.id_of("other")
    text, record = keys.make(acme, name="laptop", scope=Scope.WRITE)
    keys.make(other, name="laptop", scope=Scope.ADMIN)
    caller = keys.caller(text)
    assert (caller.tenant, caller.scope, caller.key) == (acme, Scope.WRITE, record.id)
    assert Scope.READ < Scope.WRITE < Scope.ADMIN
    assert [k.name for k in keys.all(acme)] == ["laptop"]
    assert len(keys.all()) == 2


def test_no_other_text_is_a_key(keys, tenants):
    """Not one character less, more or different, in the id or the secret; nor nothing at all."""
    text, _ = keys.make(tenants.id_of("acme"), name="a", scope=Scope.READ)
    for i in range(len(text)):
        other = "A" if text[i] != "A" else "B"
        assert keys.caller(text[:i] + other + text[i + 1 :]) is None
    for wrong in ("", "pk_", text[:-1], f"{text}A", f" {text}", f"{text}\n", text.upper(), "\x00", "pk_' OR 1=1 --"):
        assert keys.caller(wrong) is None


def test_a_revoked_key_is_good_no_more(keys, tenants):
    """A second revocation changes nothing; only a key of the tenant can be revoked by it."""
    acme, other = tenants.id_of("acme"), tenants.id_of("other")
    text, record = keys.make(acme, name="a", scope=Scope.ADMIN)
    with pytest.raises(DocumentNotFound):
        keys.revoke(record.id, other)
    assert keys.caller(text)
    first = keys.revoke(record.id, acme)
    assert keys.caller(text) is None
    assert keys.revoke(record.id).revoked == first.revoked
    with pytest.raises(DocumentNotFound):
        keys.revoke("000000000000")


def test_a_key_expires(keys, tenants, monkeypatch):
    """At its time, and not before."""
    text, record = keys.make(tenants.id_of("acme"), name="a", scope=Scope.READ, days=2)
    assert keys.caller(text)
    monkeypatch.setattr(time, "time", lambda: record.expires - 0.001)
    assert keys.caller(text)
    monkeypatch.setattr(time, "time", lambda: record.expires)
    assert keys.caller(text) is None


def test_the_secret_is_kept_nowhere(keys, tenants, database):
    """Only its hash is in the books, and it is not repeated by whoever holds the record."""
    text, record = keys.make(tenants.id_of("acme"), name="a", scope=Scope.READ)
    secret = text.split("_", 2)[2]
    assert re.fullmatch(r"pk_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", text)
    with database.read() as db:
        assert secret not in str(db.execute(sa.select(table)).all())
    assert secret[:20] not in repr(record)


def test_keys_that_make_no_sense_are_refused(keys, tenants):
    """With what would."""
    acme = tenants.id_of("acme")
    for name, days in (("", None), ("a" * 101, None), ("a", 0), ("a", -1), ("a", float("nan"))):
        with pytest.raises(InvalidRequest):
            keys.make(acme, name=name, scope=Scope.READ, days=days)
    with pytest.raises(InvalidRequest, match="root"):
        Scope.named("root")
    assert keys.all() == []
