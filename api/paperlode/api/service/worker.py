"""A worker of the service: takes jobs, reads and embeds their files, and hands the chunks to whoever has the index.

It is a process of its own, which may die at any moment: pages that were read are in the ledger of the collection, and the
next worker goes on from there. So where it has to stop at once (a job was cancelled, its lease is lost, the owner is gone) it
ends itself, with all the processes beneath it.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn, cast

from paperlode.api.archive import Archive
from paperlode.api.parsers import make_parser
from paperlode.api.service.job import Job, State
from paperlode.api.service.remote_index import OwnerGone, RemoteIndex
from paperlode.ingest.errors import PaperlodeError, SourceError, StorageFull

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paperlode.api.service.places import Places
    from paperlode.api.service.queue import Queue
    from paperlode.api.values import IngestOptions
    from paperlode.ingest.parsing.base import Parser
    from paperlode.ingest.pipeline import Progress, RunReport
    from paperlode.retrieval.embedding import Embedder
    from paperlode.retrieval.index import Index

__all__ = ["NO_BLAME", "Worker"]

AT_ONCE = 16
"""Files taken at a time,"""
BYTES_AT_ONCE = 4 << 20
"""and their bytes: a large file is taken alone, so that small ones do not wait for it."""
IDLE_SECONDS = 0.25
NO_BLAME = 75
"""Exit code of a worker that ended itself: no job is at fault."""
STEP_SECONDS = 0.5
"""Between two notes of how far a job is."""

log = logging.getLogger(__name__)


class Worker:
    """See the module.

    Args:
        queue: of jobs.
        places: of the service.
        connect: to the index of a collection (its id), through its owner; or straight to its server.
        embedder: of all collections.
        options: how files are read.
        name: that no other worker has, ever.
        parser: makes one; of the options where None.
        beat: seconds between two notes that it is still there.
    """

    def __init__(
        self,
        queue: Queue,
        places: Places,
        connect: Callable[[str], RemoteIndex],
        embedder: Embedder,
        *,
        options: IngestOptions,
        name: str,
        parser: Callable[[], Parser] | None = None,
        beat: float = 5.0,
    ) -> None:
        self._queue = queue
        self._places = places
        self._connect = connect
        self._embedder = embedder
        self._options = replace(options, optimize=False)
        self._make_parser = parser or (lambda: make_parser(options))
        self._parser: Parser | None = None
        self.name = name
        self._beat = beat
        self._held: set[str] = set()
        self._untidy: str | None = None
        self._stop = threading.Event()

    def stop(self) -> None:
        """Ends after what is under way; a second call at once."""
        if self._stop.is_set():
            self.end_now()
        self._stop.set()

    def run(self, *, until_idle: bool = False) -> None:
        """Works until ``stop``. Raises OwnerGone where the owner has ended."""
        self._embedder.embed(["ready"])  # what it loads late is loaded before a job waits for it
        keep = threading.Thread(target=self._keep, name="keep", daemon=True)
        keep.start()
        try:
            while not self._stop.is_set():
                jobs = self._take()
                if jobs:
                    self._do(jobs)
                elif self._untidy is not None:
                    self._tidy(self._untidy)
                elif until_idle:
                    return
                else:
                    self._stop.wait(IDLE_SECONDS)
        finally:
            self._stop.set()
            keep.join()
            self._queue.give_back(self.name)
            self._drop_parser()

    def _take(self) -> list[Job]:
        jobs = self._queue.take(self.name, most=AT_ONCE, most_bytes=BYTES_AT_ONCE)
        self._held = {j.id for j in jobs}
        return jobs

    def _do(self, jobs: Sequence[Job]) -> None:
        collection = jobs[0].collection
        if self._untidy not in (None, collection):
            self._tidy(str(self._untidy))
        watched = _Watched(self._queue, self.name, jobs)
        options = replace(self._options, retry_failed=jobs[0].again)
        try:
            with closing(self._connect(collection)) as index:
                where = self._places.index(collection)
                with Archive.attached(where, index=cast("Index", index), embedder=self._embedder) as archive:
                    report = archive.ingest(
                        [j.file.path for j in jobs],
                        options=options,
                        parser=self._own_parser(),
                        on_progress=watched.step,
                    )
                    self._untidy = collection
                    self._settle(jobs, report, archive)
        except (OwnerGone, StorageFull):
            self._queue.give_back(self.name)
            raise
        except PaperlodeError as exc:
            log.exception("%s could not be worked on", [j.id for j in jobs])
            self._held = set()
            self._queue.lost(
                self.name, exc
            )  # no file's fault (a server is away, a lock is held): it is tried again, later
            self._drop_parser()  # what went wrong may have closed it
        finally:
            self._held = set()

    def _finish(self, job: Job, state: State, *, error: PaperlodeError | None = None, **pages: int) -> None:
        self._held.discard(job.id)  # before it is through: it would be taken for one that another has
        self._queue.finish(self.name, job.id, state, error=error, **pages)

    def _drop_parser(self) -> None:
        parser, self._parser = self._parser, None
        if parser is not None:
            parser.close()

    def _own_parser(self) -> Parser:
        """One that outlives a run."""
        if self._parser is None:
            self._parser = self._make_parser()
        return cast("Parser", _Kept(self._parser))

    def _settle(self, jobs: Sequence[Job], report: RunReport, archive: Archive) -> None:
        """Each job ends as its file did."""
        if report.stopped is not None:
            raise report.stopped
        failed = {p.path: p for p in report.failed}
        through = {d.path: (d.pages, d.failed_pages) for d in report.ingested}
        for job in jobs:
            path = job.file.path
            if path in failed:
                problem = failed[path]
                error = _Problem(problem.what, hint=problem.hint, code=problem.code)
                self._finish(job, State.FAILED, error=error)
                continue
            if path not in through:  # it was done before, by a worker that died before it could say so
                record = archive.document(job.file.content)
                through[path] = record.page_count, record.failed_pages
            pages, bad = through[path]
            self._finish(job, State.DONE, pages=pages, pages_done=pages, pages_failed=bad)

    def _tidy(self, collection: str) -> None:
        """When nothing else is to be done."""
        self._untidy = None
        with closing(self._connect(collection)) as index:
            index.optimize()

    def _keep(self) -> None:
        """Says that this worker is still there, frees the jobs of those that are not, and ends it where a job must not go on."""
        while not self._stop.wait(self._beat):
            held = set(self._held)
            try:
                self._queue.reap()
                kept = self._queue.keep(self.name)
            except PaperlodeError:
                log.exception("the books cannot be reached; until then nothing is heard of cancelled jobs")
                continue
            lost = held - kept.keys()
            if any(kept.values()) or lost & self._held:
                self.end_now(cancelled=[j for j, cancel in kept.items() if cancel])

    def end_now(self, *, cancelled: Sequence[str] = ()) -> NoReturn:
        """Ends this process as it is: whoever started it frees its jobs, but for those that are cancelled, and what it leaves."""
        for job in cancelled:
            self._queue.finish(self.name, job, State.CANCELLED)
        os._exit(NO_BLAME)

    @staticmethod
    def orphaned() -> NoReturn:
        """Whoever started it is gone: it ends with all the processes beneath it."""
        os.killpg(0, signal.SIGKILL)
        os._exit(1)


class _Watched:
    """Notes how far the jobs of a run are."""

    def __init__(self, queue: Queue, worker: str, jobs: Sequence[Job]) -> None:
        self._queue, self._worker = queue, worker
        self._jobs = {j.file.path: j.id for j in jobs}
        self._noted = 0.0

    def step(self, progress: Progress) -> None:
        """As ``on_progress``."""
        job = self._jobs.get(progress.uri)
        now = time.monotonic()
        if job is None or now - self._noted < STEP_SECONDS:
            return
        self._noted = now
        self._queue.progress(self._worker, job, pages=progress.pages, done=progress.page, failed=progress.page_failures)


class _Kept:
    """A parser that a run does not close."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser

    def __getattr__(self, name: str) -> object:
        return getattr(self._parser, name)

    def close(self) -> None:
        """Not yet."""


class _Problem(SourceError):
    """A file's error as the report of a run has it."""

    def __init__(self, what: str, *, hint: str, code: str) -> None:
        super().__init__(what, hint=hint)
        self._code = code

    @property
    def code(self) -> str:
        return self._code
