"""A job: one file on its way into a collection, as the queue has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = ["ENDED", "Job", "NewFile", "State", "job_of", "shown"]


class State(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """The file cannot be taken; the reason says why."""
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"
    """Whoever took it died too often: it is not tried again by itself."""


ENDED = (State.DONE, State.FAILED, State.CANCELLED, State.QUARANTINED)
"""Nothing more happens to it, unless it is asked for."""


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be taken in.

    Attributes:
        path: where the service keeps it.
        name: as it was uploaded, for people.
        content: digest (sha256) of its bytes.
        size: bytes.
    """

    path: str
    name: str
    content: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it is now; times are seconds since 1970 (UTC).

    Attributes:
        id: random.
        tenant, collection: ids of whose it is, and of what it goes into.
        file: what is taken in.
        state: where it is.
        again: pages that failed before are read again.
        cancelling: it ends as soon as its worker sees that.
        attempts: begun since it last got on.
        pages: of the file, 0 until that is known; ``pages_done`` of them are through, ``pages_failed`` could not be read.
        code, reason, hint: why it failed, as in ``PaperlodeError``; empty where it has not.
        worker: that has it, or had it last; empty: none yet.
    """

    id: str
    tenant: str
    collection: str
    file: NewFile
    state: State
    again: bool
    cancelling: bool
    attempts: int
    pages: int
    pages_done: int
    pages_failed: int
    code: str
    reason: str
    hint: str
    created: float
    updated: float
    worker: str


def job_of(row: sa.Row[Any]) -> Job:
    """From its row."""
    return Job(
        id=row.id,
        tenant=row.tenant,
        collection=row.collection,
        file=NewFile(row.path, row.name, row.content, row.size),
        state=State(row.state),
        again=row.again,
        cancelling=row.cancel,
        attempts=row.attempts,
        pages=row.pages,
        pages_done=row.pages_done,
        pages_failed=row.pages_failed,
        code=row.code,
        reason=row.reason,
        hint=row.hint,
        created=row.created,
        updated=row.updated,
        worker=row.worker,
    )


def shown(job: Job, collection: str) -> dict[str, Any]:
    """The job as its owner sees it, for JSON; ``collection`` is the name."""
    return {
        "id": job.id,
        "collection": collection,
        "name": job.file.name,
        "content": job.file.content,
        "size": job.file.size,
        "state": str(job.state),
        "cancelling": job.cancelling,
        "attempts": job.attempts,
        "pages": job.pages,
        "pages_done": job.pages_done,
        "pages_failed": job.pages_failed,
        "code": job.code,
        "reason": job.reason,
        "hint": job.hint,
        "created": datetime.fromtimestamp(job.created, UTC).isoformat(),
        "updated": datetime.fromtimestamp(job.updated, UTC).isoformat(),
    }
