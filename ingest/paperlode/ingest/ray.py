"""A parser whose pages are read by the workers of a Ray cluster. Everything else of a run stays where it is, on the driver.

A document's pages go out in short runs, several at a time, and come back in order. What a lost worker or node had in
flight is read by another. A page whose worker dies under it each time, on nodes that live, is a failed page in the end; so
is one that takes the process down that reads it inside the worker, after as many tries.
"""

from __future__ import annotations

import uuid
from collections import deque
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import PageFailure, ParsedPage
from paperlode.ingest.errors import PageCrashed, SourceUnreadable
from paperlode.ingest.ray_ahead import Ahead
from paperlode.ingest.ray_pool import PATIENCE, ActorPool, WorkerLost
from paperlode.ingest.ray_worker import Outcome, PageWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from paperlode.ingest.document import Source
    from paperlode.ingest.parsing.base import Parser
    from paperlode.ingest.ray_cluster import Cluster
    from paperlode.ingest.ray_pool import Begun

__all__ = ["RayOptions", "RayParser"]

MOST_DOCUMENTS = 64
_LOSSES = 2
"""Workers that a page may cost while they read nothing else, after its worker died under it twice."""
_TRIES = 3
"""Times that a page is read that takes the process beneath its worker down."""
_POLL = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class RayOptions:
    """How the cluster is used; nothing of it changes a result.

    Attributes:
        workers: actors that read pages; None for as many as the cluster has CPUs, from time to time.
        calls_at_once: runs of pages that one worker has at a time, the waiting ones included.
        pages_a_call: of a run.
        cpus, gpus: what Ray sets aside for one worker; a GPU may be shared (.25).
        patience: seconds to wait while there is no worker at all.
    """

    workers: int | None = None
    calls_at_once: int = 2
    pages_a_call: int = 4
    cpus: float = 1.0
    gpus: float = 0.0
    patience: float = PATIENCE


class RayParser:
    """A ``Parser``; see the module.

    Args:
        cluster: joined for as long as the parser is used.
        wrapped: the parser, for this process: it counts pages and says the fingerprint. Closed with this one.
        make: makes its like in a worker; pickled.
        options: see ``RayOptions``.
    """

    def __init__(
        self, cluster: Cluster, wrapped: Parser, make: Callable[[], Parser], options: RayOptions | None = None
    ) -> None:
        self.options = o = options or RayOptions()
        self._cluster, self._wrapped = cluster, wrapped
        self._ahead = Ahead()
        actor = cluster.ray.remote(
            num_cpus=o.cpus,
            num_gpus=o.gpus,
            max_restarts=0,
            max_concurrency=o.calls_at_once,
            scheduling_strategy="SPREAD",
        )(PageWorker)
        run = uuid.uuid4().hex[:12]
        self.pool = ActorPool(
            cluster,
            lambda: actor.remote(make, wrapped.fingerprint, run),
            workers=self._workers,
            calls_at_once=o.calls_at_once,
            patience=o.patience,
        )

    def _workers(self) -> int:
        o = self.options
        if o.workers is not None:
            return o.workers
        room = self._cluster.cpus / o.cpus if o.cpus else 1.0
        return int(min(room, self._cluster.gpus / o.gpus) if o.gpus else room)

    @property
    def workers(self) -> list[Begun]:
        """The workers that are ready."""
        return self.pool.ready

    @property
    def fingerprint(self) -> str:
        """The wrapped parser's: what reads a page is the same."""
        return self._wrapped.fingerprint

    @property
    def documents_at_once(self) -> int:
        """Two a worker, for documents may be of one page."""
        return max(self._wrapped.documents_at_once, min(MOST_DOCUMENTS, 2 * self.pool.workers))

    def page_count(self, source: Source) -> int:
        """Number of pages, counted in a process of this machine, which has the file. Raises like the wrapped parser's."""
        return self._wrapped.page_count(source)

    def stands(self, read_by: str) -> bool:
        """As the wrapped parser says."""
        return self._wrapped.stands(read_by)

    def page_prints(self, source: Source, stop: int) -> Sequence[str]:
        """What the pages before ``stop`` show: the first is looked at here, all of a document by a worker."""
        if stop <= 1:
            return self._wrapped.page_prints(source, stop)
        document = _Document(self, source, rank=0)
        try:
            prints: Sequence[str] = document.value(document.send("prints", stop), "prints", stop)
        except WorkerLost:
            return [""] * stop
        return prints

    def parse(self, source: Source, pages: Sequence[int]) -> Iterator[ParsedPage]:
        """The pages in the order asked for. See ``parsing.base.Parser``.

        Raises:
            SourceError: the file vanished or cannot be opened any more.
            ServerError: the cluster, or what the wrapped parser needs, cannot be used.
        """
        stretch = self._ahead.begin()
        document = _Document(self, source, stretch.rank)
        flying: deque[tuple[Sequence[int], Future[Any]]] = deque()
        sent = 0
        try:
            while sent < len(pages) or flying:
                most = 2 * self.pool.workers * self.options.calls_at_once * self.options.pages_a_call
                while sent < len(pages) and self._ahead.may_send(stretch, most):
                    run = tuple(pages[sent : sent + self.options.pages_a_call])
                    flying.append((run, document.send("read", run, losses=0 if len(run) > 1 else _LOSSES)))
                    sent += len(run)
                    stretch.untaken += len(run)
                first, future = flying[0]
                if not wait([future], timeout=_POLL).done:
                    continue  # more may be sent meanwhile
                flying.popleft()
                for page in document.settled(first, future):
                    stretch.untaken -= 1
                    yield page
        finally:
            for _, future in flying:
                future.cancel()
            self._ahead.end(stretch)

    def failed(self, source: Source, page: int, why: WorkerLost) -> ParsedPage:
        """The page whose workers died."""
        error = PageCrashed(f"page {page + 1} of {source.uri}: the workers reading it died each time: {why}.")
        return ParsedPage(page, 0.0, 0.0, self.fingerprint, failure=PageFailure(error.code, str(error)))

    def close(self) -> None:
        """Ends the workers. Idempotent."""
        self.pool.close()
        self._wrapped.close()

    def ship(self, source: Source) -> Any:
        """A reference to the file's bytes, from which each node gets them once.

        Raises:
            SourceUnreadable: the file cannot be read here either.
        """
        import numpy as np

        try:
            return self._cluster.ray.put(np.fromfile(source.uri, dtype=np.uint8))
        except OSError as exc:
            raise SourceUnreadable(f"The file {source.uri!r} cannot be read: {exc.strerror or exc}.") from exc


class _Document:
    """The calls for one document. Its bytes are sent along once a worker has said that its node has them not."""

    def __init__(self, parser: RayParser, source: Source, rank: int) -> None:
        self._parser, self._source, self._rank = parser, source, rank
        self._sent: tuple[Any, ...] = ()

    def send(self, method: str, what: Any, *, losses: int = _LOSSES) -> Future[Any]:
        """The call, on its way."""
        return self._parser.pool.submit(method, self._source, what, self._sent, rank=self._rank, losses=losses)

    def value(self, future: Future[Any], method: str, what: Any) -> Sequence[Any]:
        """What the call gives. Raises its error, or WorkerLost."""
        outcome: Outcome = future.result()
        if outcome.missing:
            self._sent = self._sent or (self._parser.ship(self._source),)
            outcome = self.send(method, what).result()
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    def settled(self, run: Sequence[int], future: Future[Any]) -> list[ParsedPage]:
        """The pages of a run; where its workers were lost, and what crashed, is read again page by page."""
        try:
            read = list(self.value(future, "read", run))
        except WorkerLost as exc:
            if len(run) == 1:
                return [self._parser.failed(self._source, run[0], exc)]
            alone = [((page,), self.send("read", (page,))) for page in run]
            return [page for one, call in alone for page in self.settled(one, call)]
        return [self._again(page) if _crashed(page) else page for page in read]

    def _again(self, page: ParsedPage) -> ParsedPage:
        """A page that took its process down, or whose process was killed: nobody can tell."""
        for _ in range(_TRIES - 1):
            try:
                (page,) = self.value(self.send("read", (page.page,)), "read", (page.page,))
            except WorkerLost as exc:
                return self._parser.failed(self._source, page.page, exc)
            if not _crashed(page):
                break
        return page


def _crashed(page: ParsedPage) -> bool:
    return page.failure is not None and page.failure.code == PageCrashed("").code
