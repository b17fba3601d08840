"""Tenants and collections: nothing of one is found by asking for another."""

import pytest

from paperlode.ingest.errors import DocumentNotFound, InvalidRequest, LimitReached


def test_names_are_each_tenant_s_own(tenants):
    """Two have a collection of the same name, and each finds its own; what one has not is not there for it."""
    acme, other = tenants.id_of("acme"), tenants.id_of("other")
    assert tenants.id_of("acme") == acme
    mine, theirs = tenants.make_collection(acme, "contracts"), tenants.make_collection(other, "contracts")
    assert mine.id != theirs.id
    assert tenants.make_collection(acme, "contracts") == mine
    assert tenants.collection(acme, "contracts") == mine
    tenants.make_collection(other, "secret")
    with pytest.raises(DocumentNotFound) as of_another:
        tenants.collection(acme, "secret")
    with pytest.raises(DocumentNotFound) as of_none:
        tenants.collection(acme, "neverwas")
    assert str(of_another.value).replace("secret", "neverwas") == str(of_none.value)
    assert [c.name for c in tenants.collections(acme)] == ["contracts"]


def test_a_collection_goes_with_its_jobs(tenants, queue, collection_of, files_of):
    """Those of others stay."""
    acme, mine = collection_of("acme")
    other, theirs = collection_of("other")
    queue.submit(acme, mine, files_of(2))
    queue.submit(other, theirs, files_of(2))
    with pytest.raises(DocumentNotFound):
        tenants.forget_collection(acme, "neverwas")
    assert tenants.forget_collection(acme, "default").id == mine
    assert (tenants.collections(acme), queue.listed(acme)) == ([], [])
    assert len(queue.listed(other)) == 2
    assert [c.id for c in tenants.forget("other")] == [theirs]
    assert (set(tenants.names().values()), queue.listed(other)) == ({"acme"}, [])
    assert tenants.forget("other") == []


def test_names_that_are_none_and_too_many_are_refused(tenants):
    """A name becomes no path and no address that it should not."""
    acme = tenants.id_of("acme")
    for name in ("", "..", "a/b", "A", "-a", "a b", "é", "a" * 64, "a\n"):
        with pytest.raises(InvalidRequest):
            tenants.make_collection(acme, name)
        with pytest.raises(InvalidRequest):
            tenants.id_of(name)
    tenants.make_collection(acme, "one", most=1)
    tenants.make_collection(acme, "one", most=1)
    with pytest.raises(LimitReached, match="the most"):
        tenants.make_collection(acme, "two", most=1)
