"""What the query API gives of jobs and collections, as JSON."""

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from paperlode.api.examples import JOB
from paperlode.api.models import example
from paperlode.api.service.job import Job, State
from paperlode.api.service.tenants import CollectionRecord

__all__ = ["CollectionList", "CollectionOut", "JobList", "JobOut", "NewCollection"]


class JobOut(BaseModel):
    """A file on its way into a collection."""

    model_config = example(JOB)

    id: str
    collection: Annotated[str, Field(description="name of the collection")]
    name: Annotated[str, Field(description="of the file; part of a path on no system")]
    content: Annotated[str, Field(description="digest (sha256) of its bytes: the document's id, when it is searchable")]
    size: Annotated[int, Field(description="bytes")]
    state: Annotated[
        State,
        Field(
            description="queued, running, done, failed (the file cannot be taken), cancelled, quarantined (whatever took it died)"
        ),
    ]
    cancelling: Annotated[bool, Field(description="it ends as soon as its worker hears of it")]
    attempts: Annotated[int, Field(description="begun since it last got on")]
    pages: Annotated[int, Field(description="of the file; 0 until that is known")]
    pages_done: Annotated[int, Field(description="of these, through")]
    pages_failed: Annotated[int, Field(description="of these, not to be read; POST …/retry reads them again")]
    code: Annotated[str, Field(description="why it failed, stable and machine-readable; empty where it has not")]
    reason: Annotated[str, Field(description="the same, for a person")]
    hint: Annotated[str, Field(description="what to do next")]
    created: datetime
    updated: datetime

    @classmethod
    def of(cls, job: Job, collection: str) -> Self:
        """From the value; ``collection`` is the name of its collection."""
        return cls(
            id=job.id,
            collection=collection,
            name=job.file.name,
            content=job.file.content,
            size=job.file.size,
            state=job.state,
            cancelling=job.cancelling,
            attempts=job.attempts,
            pages=job.pages,
            pages_done=job.pages_done,
            pages_failed=job.pages_failed,
            code=job.code,
            reason=job.reason,
            hint=job.hint,
            created=datetime.fromtimestamp(job.created, UTC),
            updated=datetime.fromtimestamp(job.updated, UTC),
        )


class JobList(BaseModel):
    """Jobs, the newest first."""

    model_config = example({"jobs": [JOB], "next": "WzE3Njg0Njk0MDAuMCwiMmM2ZTdmMGUiXQ"})

    jobs: list[JobOut]
    next: Annotated[str | None, Field(description="cursor of the next page; null on the last")]


class CollectionOut(BaseModel):
    """A collection: an index of its own."""

    model_config = example({"name": "contracts", "created": "2026-11-24T09:00:00Z"})

    name: str
    created: datetime

    @classmethod
    def of(cls, record: CollectionRecord) -> Self:
        """From the value."""
        return cls(name=record.name, created=datetime.fromtimestamp(record.created, UTC))


class CollectionList(BaseModel):
    """The caller's collections, by name."""

    model_config = example({"collections": [{"name": "contracts", "created": "2026-11-24T09:00:00Z"}]})

    collections: list[CollectionOut]


class NewCollection(BaseModel):
    """A collection to be made."""

    model_config = example({"name": "contracts"}, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="a-z, 0-9, _ and -, at most 63")]
