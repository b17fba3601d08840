"""The service's database, empty, in each kind of place."""

import pytest

from paperlode.api.service.database import ServiceDatabase
from paperlode.api.service.job import NewFile
from paperlode.api.service.queue import Queue
from paperlode.api.service.tenants import Tenants


@pytest.fixture(params=["sqlite", "postgresql"])
def service_place(request, tmp_path):
    """Where the database of a service is to be: a path, or the address of a schema in PostgreSQL."""
    return tmp_path / "service.sqlite" if request.param == "sqlite" else request.getfixturevalue("fresh_schema")


@pytest.fixture
def database(service_place):
    opened = ServiceDatabase.open(service_place)
    yield opened
    opened.close()


@pytest.fixture
def tenants(database):
    return Tenants(database)


@pytest.fixture
def queue(database):
    return Queue(database, lease=60.0, attempts=3)


@pytest.fixture
def collection_of(tenants):
    """Ids of a tenant and of a collection that it has, both made if there are none."""

    def made(tenant="acme", name="default"):
        owner = tenants.id_of(tenant)
        return owner, tenants.make_collection(owner, name).id

    return made


@pytest.fixture
def files_of():
    """So many files that differ."""

    def made(n, prefix="file"):
        return [
            NewFile(f"/kept/{prefix}{i}.pdf", f"{prefix}{i}.pdf", f"{prefix}{i}".ljust(64, "0"), 1000 + i)
            for i in range(n)
        ]

    return made
