"""What happened to jobs, numbered: whoever follows one says the last number seen, and misses nothing."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from paperlode.api.service.job import ENDED, Job, State, shown
from paperlode.api.service.tables import collections, events

if TYPE_CHECKING:
    from paperlode.api.service.database import ServiceDatabase

__all__ = ["JobEvent", "JobEvents", "drop_steps", "note_event"]


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something that happened.

    Attributes:
        number: higher than that of all before it.
        job: the job as it was then (``job.shown``).
    """

    number: int
    job: dict[str, Any]

    @property
    def is_last(self) -> bool:
        """Nothing more comes, unless the job is tried again."""
        return State(self.job["state"]) in ENDED


class JobEvents:
    """Events of all jobs. Methods may be called from any thread or process; each is one transaction."""

    def __init__(self, database: ServiceDatabase) -> None:
        self._database = database

    def after(self, tenant: str, number: int, *, job: str | None = None, limit: int = 100) -> list[JobEvent]:
        """What happened since, in order.

        Args:
            tenant: id; of others nothing is told.
            number: of the last event seen; 0 for none.
            job: id of the only one that is asked for; None for all.
            limit: events at a time.
        """
        which = [events.c.tenant == tenant, events.c.number > number]
        if job is not None:
            which.append(events.c.job == job)
        with self._database.read() as db:
            rows = db.execute(
                sa.select(events.c.number, events.c.data).where(*which).order_by(events.c.number).limit(limit)
            )
            return [JobEvent(row.number, json.loads(row.data)) for row in rows]

    def newest(self, tenant: str) -> int:
        """Number of the tenant's last event; 0 where there is none."""
        with self._database.read() as db:
            return db.scalar(sa.select(sa.func.max(events.c.number)).where(events.c.tenant == tenant)) or 0


def note_event(db: sa.Connection, job: Job) -> None:
    """The job is as it is now."""
    name = db.scalar(sa.select(collections.c.name).where(collections.c.id == job.collection)) or ""
    data = json.dumps(shown(job, name), ensure_ascii=False)
    db.execute(events.insert().values(job=job.id, tenant=job.tenant, at=time.time(), data=data))


def drop_steps(db: sa.Connection, job: str) -> None:
    """Of a job that has ended the last event is kept: it says all that those before it said."""
    last = sa.select(sa.func.max(events.c.number)).where(events.c.job == job).scalar_subquery()
    db.execute(events.delete().where(events.c.job == job, events.c.number < last))
