"""The queue of jobs: it lies in the database, so that whatever dies loses none, and any number of workers share it.

A worker leases jobs of one collection, which nobody else works on meanwhile, and says again and again that it is still there.
When it stops saying so, they are free for another. Tenants take turns. A job that was begun ten times without getting on is
put aside: most likely it kills whoever takes it. One that was begun in company before is begun alone the next time, so that
each answers for itself.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from paperlode.api.service.job import ENDED, Job, NewFile, State, job_of
from paperlode.api.service.job_events import drop_steps, note_event
from paperlode.api.service.tables import collections, jobs, meta, tenants
from paperlode.ingest.errors import Conflict, DocumentNotFound, LimitReached, PaperlodeError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from paperlode.api.service.database import ServiceDatabase

__all__ = ["ATTEMPTS", "LEASE_SECONDS", "Backlog", "Queue"]

LEASE_SECONDS = 30.0
ATTEMPTS = 10
"""Many, for whoever kills a worker from outside is not the job's fault, and nothing tells that."""
_LONGEST_WAIT = 60.0
_INSTANT = 1e-6
"""Seconds between jobs submitted together: they keep their order."""
_ON_THE_WAY = (State.QUEUED, State.RUNNING)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What there is to do, and what was done, of the jobs that are in the books.

    Attributes:
        states: jobs by state.
        oldest: seconds that the oldest of those that wait has waited.
        pages_read: pages that are through and were read. pages_failed: those that could not be.
    """

    states: dict[State, int]
    oldest: float
    pages_read: int
    pages_failed: int


class Queue:
    """See the module. Methods may be called from any thread or process; each is one transaction.

    Args:
        database: of the service.
        lease: seconds after which a worker that says nothing is taken to be dead.
        attempts: times that a job is begun without getting on.
    """

    def __init__(self, database: ServiceDatabase, *, lease: float = LEASE_SECONDS, attempts: int = ATTEMPTS) -> None:
        self._database = database
        self._lease = lease
        self._attempts = attempts

    # -- for those who ask for work

    def submit(self, tenant: str, collection: str, files: Sequence[NewFile], *, most: int | None = None) -> list[Job]:
        """New jobs, one a file; for a file that is on its way already, its job.

        Args:
            tenant: id of whose they are.
            collection: id of what they go into.
            files: to be taken in; jobs are taken in this order.
            most: jobs that may wait or run for a tenant.

        Raises:
            DocumentNotFound: the tenant has no such collection (any more).
            LimitReached: there would be more than ``most``.
        """
        now = time.time()
        made: list[Job] = []
        with self._database.begin() as db:
            mine = (collections.c.id == collection, collections.c.tenant == tenant)
            if db.scalar(sa.select(collections.c.id).where(*mine).with_for_update()) is None:
                raise DocumentNotFound("There is no such collection.", hint="GET /v1/collections lists them.")
            active = (jobs.c.tenant == tenant, jobs.c.state.in_(_ON_THE_WAY))
            room = None if most is None else most - (db.scalar(sa.select(sa.func.count()).where(*active)) or 0)
            for file in files:
                same = (jobs.c.collection == collection, jobs.c.path == file.path, jobs.c.content == file.content)
                there = db.execute(sa.select(jobs).where(*active, *same)).first()
                if there is not None:
                    made.append(job_of(there))
                    continue
                if room is not None and room <= 0:
                    raise LimitReached(f"{most} files wait already.", hint="Wait until some are through.")
                room = None if room is None else room - 1
                made.append(self._put(db, tenant, collection, file, now + len(made) * _INSTANT))
        return made

    def _put(self, db: sa.Connection, tenant: str, collection: str, file: NewFile, now: float) -> Job:
        row = {
            "id": str(uuid.uuid4()),
            "tenant": tenant,
            "collection": collection,
            "path": file.path,
            "name": file.name,
            "content": file.content,
            "size": file.size,
            "state": State.QUEUED.value,
            "again": False,
            "cancel": False,
            **dict.fromkeys(("attempts", "pages", "pages_done", "pages_failed"), 0),
            **dict.fromkeys(("code", "reason", "hint", "worker"), ""),
            "created": now,
            "updated": now,
            "not_before": 0.0,
            "lease": 0.0,
        }
        return self._noted(db, db.execute(jobs.insert().values(**row).returning(jobs)).one())

    def get(self, tenant: str, job: str) -> Job:
        """One of a tenant's jobs. Raises DocumentNotFound, the same whoever else has one of that id."""
        with self._database.read() as db:
            return job_of(self._row(db, tenant, job))

    def listed(
        self,
        tenant: str,
        *,
        collection: str | None = None,
        states: Collection[State] = (),
        before: tuple[float, str] | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """A tenant's jobs, the newest first.

        Args:
            tenant: id.
            collection: id of the only one that is asked for.
            states: those that are asked for; all when empty.
            before: ``created`` and ``id`` of the last job of the page before.
            limit: jobs.
        """
        which = [jobs.c.tenant == tenant]
        if collection is not None:
            which.append(jobs.c.collection == collection)
        if states:
            which.append(jobs.c.state.in_(states))
        if before is not None:
            at, last = before
            which.append(sa.or_(jobs.c.created < at, sa.and_(jobs.c.created == at, jobs.c.id < last)))
        order = (jobs.c.created.desc(), jobs.c.id.desc())
        with self._database.read() as db:
            return [job_of(row) for row in db.execute(sa.select(jobs).where(*which).order_by(*order).limit(limit))]

    def cancel(self, tenant: str, job: str) -> Job:
        """Ends a job that waits; one that runs as soon as its worker hears of it. One that has ended stays as it is.

        Raises:
            DocumentNotFound: the tenant has no such job.
        """
        with self._database.begin() as db:
            row = self._row(db, tenant, job)
            if row.state == State.QUEUED:
                return self._change(db, job, state=State.CANCELLED.value)
            if row.state == State.RUNNING and not row.cancel:
                return self._change(db, job, cancel=True)
            return job_of(row)

    def retry(self, tenant: str, job: str) -> Job:
        """Lets a job that has ended begin anew; pages that were read stay, those that failed are read again.

        Raises:
            DocumentNotFound: the tenant has no such job.
            Conflict: nothing of it failed, or it has not ended.
        """
        with self._database.begin() as db:
            row = self._row(db, tenant, job)
            if row.state not in ENDED:
                raise Conflict("The job has not ended.", hint="Cancel it first, or wait.")
            if row.state == State.DONE and not row.pages_failed:
                raise Conflict("Nothing of the job failed.", hint="There is nothing to be tried again.")
            blank = {"code": "", "reason": "", "hint": "", "attempts": 0, "not_before": 0.0, "cancel": False}
            return self._change(db, job, state=State.QUEUED.value, again=True, **blank)

    def backlog(self) -> Backlog:
        """What there is to do, for all tenants together."""
        with self._database.read() as db:
            counts = db.execute(sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)).all()
            first = sa.select(sa.func.min(jobs.c.created)).where(jobs.c.state == State.QUEUED.value)
            oldest = db.scalar(first)
            sums = sa.select(sa.func.sum(jobs.c.pages_done), sa.func.sum(jobs.c.pages_failed))
            done, failed = db.execute(sums).one()
        states = {State(state): int(count) for state, count in counts}
        waits = max(0.0, time.time() - oldest) if oldest is not None else 0.0
        return Backlog(states, waits, int(done or 0) - int(failed or 0), int(failed or 0))

    # -- for workers

    def take(self, worker: str, *, most: int = 1, most_bytes: int | None = None) -> list[Job]:
        """Jobs of one collection for this worker alone, as long as it keeps them: of the tenant that waited longest.

        Args:
            worker: a name that no other has.
            most: jobs at a time.
            most_bytes: of their files together; a larger file is taken alone.
        """
        now = time.time()
        waits = (jobs.c.state == State.QUEUED.value, jobs.c.not_before <= now)
        busy = sa.select(jobs.c.collection).where(jobs.c.state == State.RUNNING.value)
        with self._database.read() as db:  # most times there is nothing: whoever writes is not kept waiting for that
            if db.scalar(sa.select(jobs.c.id).where(*waits, jobs.c.collection.not_in(busy)).limit(1)) is None:
                return []
        with self._database.begin() as db:
            db.execute(sa.select(meta.c.value).where(meta.c.key == "version").with_for_update())  # one takes at a time
            first = db.execute(
                sa.select(jobs)
                .join(tenants, tenants.c.id == jobs.c.tenant)
                .where(*waits, jobs.c.collection.not_in(busy))
                .order_by(tenants.c.served, jobs.c.created, jobs.c.id)
                .limit(1)
            ).first()
            if first is None:
                return []
            ids = [first.id]
            if not first.attempts and most > 1:
                alike = (jobs.c.collection == first.collection, jobs.c.attempts == 0, jobs.c.again == first.again)
                order = (jobs.c.created, jobs.c.id)
                rows = db.execute(sa.select(jobs.c.id, jobs.c.size).where(*waits, *alike).order_by(*order).limit(most))
                ids = _as_many_as_fit(rows.all(), most_bytes)
            db.execute(tenants.update().where(tenants.c.id == first.tenant).values(served=now))
            taken = {"state": State.RUNNING.value, "worker": worker, "lease": now + self._lease}
            return [self._change(db, i, attempts=jobs.c.attempts + 1, **taken) for i in ids]

    def keep(self, worker: str) -> dict[str, bool]:
        """The worker is still there. Returns the jobs that it has, and of each whether it is to be cancelled."""
        with self._database.begin() as db:
            mine = (jobs.c.worker == worker, jobs.c.state == State.RUNNING.value)
            db.execute(jobs.update().where(*mine).values(lease=time.time() + self._lease))
            return {row.id: row.cancel for row in db.execute(sa.select(jobs.c.id, jobs.c.cancel).where(*mine))}

    def progress(self, worker: str, job: str, *, pages: int, done: int, failed: int) -> None:
        """So many pages are through. Of a job that the worker has not any more nothing is noted."""
        with self._database.begin() as db:
            row = self._held(db, worker, job)
            if row is None or ((row.pages, row.pages_failed) == (pages, failed) and done <= row.pages_done):
                return
            onward = {"attempts": 0} if done > row.pages_done else {}
            self._change(db, job, pages=pages, pages_done=max(done, row.pages_done), pages_failed=failed, **onward)

    def finish(self, worker: str, job: str, state: State, *, error: PaperlodeError | None = None, **pages: int) -> bool:
        """The job has ended.

        Args:
            worker: that has it.
            job: id.
            state: how it ended.
            error: why it failed.
            pages: ``pages``, ``pages_done`` and ``pages_failed``, where they are known now.

        Returns:
            Whether that was noted: the worker may have been taken to be dead, and another may have the job.
        """
        why = {"code": error.code, "reason": error.what, "hint": error.hint} if error else {}
        with self._database.begin() as db:
            if self._held(db, worker, job) is None:
                return False
            self._change(db, job, state=state.value, cancel=False, again=False, attempts=0, **why, **pages)
            drop_steps(db, job)
            return True

    def give_back(self, worker: str, only: Collection[str] = ()) -> None:
        """The worker ends, or cannot go on, through no fault of its jobs: others may take them at once.

        Args:
            worker: that has them.
            only: these; all when empty.
        """
        with self._database.begin() as db:
            for row in self._rows_of(db, worker):
                if not only or row.id in only:
                    self._free(db, row, blame=False)

    def lost(self, worker: str, error: PaperlodeError | None = None) -> None:
        """The worker has died, or ``error`` kept it from going on, which is no file's fault."""
        with self._database.begin() as db:
            for row in self._rows_of(db, worker):
                self._free(db, row, blame=True, error=error)

    def reap(self, *, all_of_them: bool = False) -> int:
        """Frees the jobs of workers that say nothing any more; or of all, which are dead for sure. Returns how many."""
        with self._database.begin() as db:
            silent = () if all_of_them else (jobs.c.lease < time.time(),)
            which = (jobs.c.state == State.RUNNING.value, *silent)
            rows = db.execute(sa.select(jobs).where(*which).with_for_update()).all()
            for row in rows:
                self._free(db, row, blame=True)
            return len(rows)

    def _free(self, db: sa.Connection, row: sa.Row[Any], *, blame: bool, error: PaperlodeError | None = None) -> None:
        attempts = row.attempts if blame else max(0, row.attempts - 1)
        if row.cancel:
            self._change(db, row.id, state=State.CANCELLED.value, cancel=False, attempts=0)
        elif attempts >= self._attempts:
            why = f"It was begun {attempts} times, and each time the worker died before it got on."
            hint = "Look at the file; then retry the job, or delete it."
            if error is not None:
                why, hint = f"It was begun {attempts} times, the last time without success: {error.what}", error.hint
            self._change(
                db, row.id, state=State.QUARANTINED.value, code="quarantined", reason=why, hint=hint, attempts=0
            )
        else:
            wait = min(_LONGEST_WAIT, 2.0 ** (attempts - 2)) if attempts > 1 else 0.0
            self._change(db, row.id, state=State.QUEUED.value, attempts=attempts, not_before=time.time() + wait)

    # -- inside

    @staticmethod
    def _row(db: sa.Connection, tenant: str, job: str) -> sa.Row[Any]:
        found = db.execute(sa.select(jobs).where(jobs.c.id == job, jobs.c.tenant == tenant)).one_or_none()
        if found is None:
            raise DocumentNotFound(f"There is no job {job!r}.", hint="GET /v1/jobs lists them.")
        return found

    @staticmethod
    def _held(db: sa.Connection, worker: str, job: str) -> sa.Row[Any] | None:
        mine = (jobs.c.id == job, jobs.c.worker == worker, jobs.c.state == State.RUNNING.value)
        return db.execute(sa.select(jobs).where(*mine).with_for_update()).one_or_none()

    @staticmethod
    def _rows_of(db: sa.Connection, worker: str) -> Sequence[sa.Row[Any]]:
        mine = (jobs.c.worker == worker, jobs.c.state == State.RUNNING.value)
        return db.execute(sa.select(jobs).where(*mine).with_for_update()).all()

    def _change(self, db: sa.Connection, job: str, **values: Any) -> Job:
        changed = jobs.update().where(jobs.c.id == job).values(**values, updated=time.time()).returning(jobs)
        return self._noted(db, db.execute(changed).one())

    @staticmethod
    def _noted(db: sa.Connection, row: sa.Row[Any]) -> Job:
        job = job_of(row)
        note_event(db, job)
        return job


def _as_many_as_fit(rows: Sequence[Any], most_bytes: int | None) -> list[str]:
    """Of rows of ``id`` and ``size`` the first, and those after it as long as all together are no larger."""
    total = 0
    ids: list[str] = []
    for row in rows:
        total += row.size
        if ids and most_bytes is not None and total > most_bytes:
            break
        ids.append(row.id)
    return ids
