"""The service as one thing: its books, its archives, and the workers that fill them."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from paperlode.api.service.audit import Audit
from paperlode.api.service.database import ServiceDatabase
from paperlode.api.service.files import Files
from paperlode.api.service.index_owner import IndexOwner
from paperlode.api.service.job_events import JobEvents
from paperlode.api.service.keys import Keys
from paperlode.api.service.locks import FileLock
from paperlode.api.service.places import ROOT, Places
from paperlode.api.service.queue import Queue
from paperlode.api.service.shelf import Shelf
from paperlode.api.service.supervisor import Supervisor
from paperlode.api.service.tenants import DEFAULT_COLLECTION, LOCAL, Tenants
from paperlode.api.worker_command import OWNER, OWNER_SECRET
from paperlode.ingest.errors import PaperlodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from paperlode.api.archive import Archive
    from paperlode.retrieval.embedding import Embedder

__all__ = ["Limits", "Service"]

ORPHANS_SECONDS = 20.0
"""For which a new service waits until workers of one that was killed have ended: they notice at once."""
LEFT_SECONDS = 86_400.0
"""After which an upload that nothing was written to is taken for one that was broken off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a caller may take.

    Attributes:
        file_bytes: of one upload.
        jobs: of a tenant that wait or run.
        collections: of a tenant.
    """

    file_bytes: int = 512 << 20
    jobs: int = 10_000
    collections: int = 100


class Service:
    """See the module; one process at a time has a folder. ``close`` in any case.

    Args:
        root: index folder, made where there is none: the collection ``default`` of the tenant ``local``.
        embedder: the model of all collections.
        limits: see ``Limits``.
        workers: processes that take jobs; 0: none.
        worker_command: starts one, by its name; None for ``paperlode worker``.
        environment: added to that of the workers.
        opened: opens the archive in a folder, or makes it; None for an embedded one with that model.

    Raises:
        ArchiveLocked: another process has the folder.
        SchemaMismatch, ArchiveError: its database, or the index, cannot be used.
    """

    def __init__(
        self,
        root: Path,
        embedder: Embedder,
        *,
        limits: Limits | None = None,
        workers: int = 1,
        worker_command: Callable[[str], Sequence[str]] | None = None,
        environment: Mapping[str, str] | None = None,
        opened: Callable[[Path], Archive] | None = None,
    ) -> None:
        self.places = places = Places(root.expanduser().absolute())
        self.limits = limits or Limits()
        places.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with ExitStack() as stack:
            stack.callback(FileLock(places.lock).release)
            FileLock(places.working, seconds=ORPHANS_SECONDS, what="worker").release()
            self.database = ServiceDatabase.open(places.database)
            stack.callback(self.database.close)
            self.tenants, self.keys = Tenants(self.database), Keys(self.database)
            self.queue, self.events = Queue(self.database), JobEvents(self.database)
            self.audit = Audit(self.database)
            self.queue.reap(all_of_them=True)
            self.tenants.make_collection(self.tenants.id_of(LOCAL), DEFAULT_COLLECTION, collection=ROOT)
            self.shelf = Shelf(places, embedder, opened=opened)
            stack.callback(self.shelf.close)
            with self.shelf.archive(ROOT):
                pass  # what is wrong with it is said now, and whoever else has it is found
            self.owner = IndexOwner(self.shelf.index)
            stack.callback(self.owner.close)
            told = {**(environment or {}), OWNER: self.owner.address, OWNER_SECRET: self.owner.secret}
            command = worker_command or self._worker
            self.supervisor = Supervisor(self.queue, command, workers=workers, environment=told)
            stack.callback(self.supervisor.stop)
            self._embedder, self._workers = embedder, workers
            self.supervisor.start()
            self._resources = stack.pop_all()

    def _worker(self, name: str) -> list[str]:
        root, model = str(self.places.root), self._embedder.name
        return [sys.executable, "-m", "paperlode", "worker", "--index", root, "--name", name, "--embedding", model]

    def parts(self) -> dict[str, str]:
        """What is needed to work: ``ok``, or what is wrong with it."""
        try:
            self.queue.backlog()
            database = "ok"
        except PaperlodeError as exc:
            database = exc.code
        alive = len(self.supervisor.processes)
        return {"database": database, "workers": "ok" if alive or not self._workers else "none is running"}

    def files(self, collection: str) -> Files:
        """Those of a collection (its id)."""
        files = Files(self.places.files(collection), most_bytes=self.limits.file_bytes)
        files.clear_incoming(time.time() - LEFT_SECONDS)
        return files

    def close(self) -> None:
        """Lets the workers end what they have under way, for a while, and lets go of everything. Idempotent."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
