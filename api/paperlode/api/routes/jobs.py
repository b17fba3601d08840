"""Jobs: files on their way into a collection."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from paperlode.api.job_models import JobList, JobOut
from paperlode.api.service.desk import ServiceDesk, desk_of
from paperlode.api.service.job import Job, State
from paperlode.api.service.keys import Caller

from .access import Reader, Writer
from .cursor import read_cursor, write_cursor

__all__ = ["router"]

router = APIRouter(prefix="/jobs", tags=["jobs"])

MOST_LISTED = 200
POLL_SECONDS = 0.3
"""Between two looks for events."""

LastEventId = Annotated[
    int | None, Header(ge=0, le=2**62, description="`id` of the last event seen: what came after it is told")
]

JobId = Annotated[UUID, Path(description="id of the job", examples=["2c6e7f0e-5f59-4b7e-9d0c-0a4a3b1f6c11"])]


@router.get("", summary="Jobs")
def jobs(
    request: Request,
    caller: Reader,
    *,
    collection: Annotated[str | None, Query(max_length=63, description="only of this collection")] = None,
    state: Annotated[list[State] | None, Query(description="only in this state; repeatable")] = None,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 50,
) -> JobList:
    """The caller's jobs, the newest first, page by page."""
    desk = desk_of(request)
    names = {c.id: c.name for c in desk.service.tenants.collections(caller.tenant)}
    only = desk.collection(caller, collection).id if collection is not None else None
    before = cast("tuple[float, str]", read_cursor(cursor, float, str)) if cursor is not None else None
    found = desk.service.queue.listed(
        caller.tenant, collection=only, states=state or (), before=before, limit=limit + 1
    )
    page, more = found[:limit], len(found) > limit
    return JobList(
        jobs=[JobOut.of(j, names.get(j.collection, "")) for j in page],
        next=write_cursor(page[-1].created, page[-1].id) if more else None,
    )


@router.get("/events", summary="What happens to all jobs", response_class=EventSourceResponse)
async def all_events(
    request: Request, caller: Reader, last_event_id: LastEventId = None
) -> AsyncIterator[ServerSentEvent]:
    """A stream of events, each a job as it is then, from now on, or from the last event that was seen; it does not end."""
    newest = desk_of(request).service.events.newest
    since = await run_in_threadpool(newest, caller.tenant) if last_event_id is None else last_event_id
    async for event in _followed(desk_of(request), caller, since):
        yield event


@router.get("/{job}", summary="One job")
def job(request: Request, caller: Reader, job: JobId) -> JobOut:
    """A job as it is now."""
    desk = desk_of(request)
    return _out(desk, caller, desk.service.queue.get(caller.tenant, str(job)))


def _found(request: Request, caller: Reader, job: JobId) -> Job:
    """Asked before a stream begins: afterwards its status is sent, and nothing can be refused."""
    return desk_of(request).service.queue.get(caller.tenant, str(job))


@router.get("/{job}/events", summary="What happens to a job", response_class=EventSourceResponse)
async def events(
    request: Request, caller: Reader, job: Annotated[Job, Depends(_found)], last_event_id: LastEventId = None
) -> AsyncIterator[ServerSentEvent]:
    """A stream of events, each the job as it is then; it ends with the job. Who comes back says the last event that it saw."""
    async for event in _followed(desk_of(request), caller, last_event_id or 0, job.id):
        yield event


async def _followed(
    desk: ServiceDesk, caller: Caller, since: int, job: str | None = None
) -> AsyncIterator[ServerSentEvent]:
    while True:
        found = await run_in_threadpool(desk.service.events.after, caller.tenant, since, job=job)
        for event in found:
            since = event.number
            yield ServerSentEvent(data=event.job, event="job", id=str(event.number))
        if job is not None and found and found[-1].is_last:
            return
        if not found:
            await asyncio.sleep(POLL_SECONDS)


@router.post("/{job}/cancel", summary="Cancel a job")
def cancel(request: Request, caller: Writer, job: JobId) -> JobOut:
    """Ends a job that waits; one that runs within seconds, with all that it does. One that has ended stays as it is."""
    desk = desk_of(request)
    return _out(desk, caller, desk.service.queue.cancel(caller.tenant, str(job)))


@router.post("/{job}/retry", summary="Retry a job")
def retry(request: Request, caller: Writer, job: JobId) -> JobOut:
    """Begins anew what has ended: pages that were read stay, those that failed are read again."""
    desk = desk_of(request)
    return _out(desk, caller, desk.service.queue.retry(caller.tenant, str(job)))


def _out(desk: ServiceDesk, caller: Caller, found: Job) -> JobOut:
    names = {c.id: c.name for c in desk.service.tenants.collections(caller.tenant)}
    return JobOut.of(found, names.get(found.collection, ""))
