"""Taking away what workers may be busy with: they are ended first, so that nothing comes back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from paperlode.api.service.job import State
from paperlode.api.service.places import ROOT
from paperlode.ingest.errors import Conflict

if TYPE_CHECKING:
    from paperlode.api.service.service import Service
    from paperlode.ingest.ledger_tables import DocumentRecord

__all__ = ["remove_collection", "remove_document"]

PATIENCE = 30.0
"""Seconds until a job that is cancelled has ended: its worker hears of it within a few."""
_POLL = 0.05


def remove_collection(service: Service, tenant: str, name: str) -> None:
    """Removes a tenant's collection with all that it holds.

    Raises:
        DocumentNotFound: the tenant has none of that name.
        Conflict: what is busy with it did not end in time, and it is as it was, but for jobs that were cancelled; or it is the
            index folder itself.
    """
    record = service.tenants.collection(tenant, name)
    if record.id == ROOT:
        raise Conflict(f"The collection {name!r} is the index that is served.", hint="Delete its documents.")
    _end_jobs(service, tenant, record.id)
    if not service.shelf.remove(record.id, seconds=PATIENCE):
        service.shelf.take_back(record.id)
        raise _busy()
    service.tenants.forget_collection(tenant, name)


def remove_document(service: Service, tenant: str, collection: str, record: DocumentRecord) -> None:
    """Removes a document of a collection (its id) from the index and the books, and its file.

    Raises:
        DocumentNotFound: it is gone already.
        Conflict: the job that is busy with it did not end in time.
    """
    _end_jobs(service, tenant, collection, {record.digest, record.content})
    with service.shelf.archive(collection) as archive:
        archive.delete(record.digest)
        archive.index.flush()
    files = service.files(collection)
    for content in {record.digest, record.content}:
        files.drop(content)


def _end_jobs(service: Service, tenant: str, collection: str, contents: set[str] | None = None) -> None:
    queue, until = service.queue, time.monotonic() + PATIENCE
    while True:
        active = [
            j
            for j in queue.listed(tenant, collection=collection, states=(State.QUEUED, State.RUNNING), limit=100_000)
            if contents is None or j.file.content in contents
        ]
        if not active:
            return
        if time.monotonic() > until:
            raise _busy()
        for job in active:
            queue.cancel(tenant, job.id)
        time.sleep(_POLL)


def _busy() -> Conflict:
    return Conflict("A job is busy with it and does not end.", hint="Try again in a minute.")
