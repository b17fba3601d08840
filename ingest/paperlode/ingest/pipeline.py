"""One run over many documents, into anything that takes chunks.

A document becomes visible whole, once it is read to the end (``Sink.commit``). Making that durable (``Sink.flush``) costs
the same for one document as for many, so that several wait for it; only then they count as done (``Ledger.finish``). What will
be noted is written down before the commit (``Ledger.arriving``), so that a crash in between loses nothing.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from paperlode.ingest.assembly import assemble
from paperlode.ingest.chunking import chunk
from paperlode.ingest.errors import (
    PaperlodeError,
    SourceChanged,
    SourceCorrupt,
    SourceEmpty,
    SourceError,
    SourceNotFound,
    StorageFull,
)
from paperlode.ingest.feed import Done, Failed, Feed, Opened, Page, ends_run, internal_error, storage_full
from paperlode.ingest.gone import sweep
from paperlode.ingest.ledger_arrivals import Arrival
from paperlode.ingest.objects import check_addresses
from paperlode.ingest.page_stamps import PageStamps
from paperlode.ingest.readers import Readers
from paperlode.ingest.recovery import Remover, recover
from paperlode.ingest.report import IngestedDocument, Meter, PageProblem, Progress, RunReport, SourceProblem
from paperlode.ingest.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from paperlode.ingest.chunking import ChunkOptions, TokenCounter
    from paperlode.ingest.copies import Copies
    from paperlode.ingest.document import Chunk, ParsedPage
    from paperlode.ingest.feed import Delivery
    from paperlode.ingest.ledger import Ledger, Recipe
    from paperlode.ingest.parsing.base import Parser

__all__ = [
    "WAITING",
    "IngestedDocument",
    "PageProblem",
    "Progress",
    "RunOptions",
    "RunReport",
    "Sink",
    "SourceProblem",
    "run",
]

_BATCH = 128
WAITING = 16
"""Documents that are visible and wait until that is durable, at most;"""
_WAITING_SECONDS = 2.0
"""and for how long, unless a long document is on its way."""

log = logging.getLogger(__name__)


class Sink(Remover, Protocol):
    """Takes chunks of one document at a time; nothing of a document is visible before ``commit``."""

    def begin(self, document: str) -> None:
        """A document (its digest) starts; what an interrupted run left staged of it is dropped."""
        ...

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Stage chunks of the document begun last."""
        ...

    def commit(self, document: str, version: str) -> None:
        """Make what is staged visible at once, in place of an older version; durable after the next ``flush``.

        ``version`` is a name for what is visible then.
        """
        ...

    def flush(self) -> None:
        """Make everything durable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run goes; none of these changes what a document becomes.

    Attributes:
        retry_failed: parse pages again that failed in an earlier run.
        remove_missing: take documents out of the index whose files are gone from the folders given.
        lanes: documents read at once.
        disk: folder on whose disk the results go; None for no check of its free space.
        free_bytes: what must be free there before a document is begun.
        copies: where documents from elsewhere (URLs) are put while they are read; None for a temporary folder.
        gone_from: folders in which files that are gone are looked for; None for the paths of the run.
    """

    retry_failed: bool = False
    remove_missing: bool = False
    lanes: int = 2
    disk: Path | None = None
    free_bytes: int = 256_000_000
    copies: Copies | None = None
    gone_from: Sequence[str | Path] | None = None


def run(
    paths: Sequence[str | Path],
    *,
    parser: Parser,
    counter: TokenCounter,
    sink: Sink,
    ledger: Ledger,
    recipe: Recipe,
    on_progress: Callable[[Progress], None] | None = None,
    options: RunOptions | None = None,
    chunking: ChunkOptions | None = None,
    watch: Stopwatch | None = None,
) -> RunReport:
    """Take every document under ``paths`` that is not done yet.

    Errors of one file are recorded in the report and the ledger, and the run goes on. A full disk ends it early
    (``RunReport.stopped``). Memory grows with neither the length of a document nor their number.

    Args:
        paths: files, folders, globs, URLs.
        parser: called from other threads. It is closed when the run is broken off.
        counter: the embedder's tokenizer.
        sink: called from this thread only.
        ledger: what was done before; pages are kept there.
        recipe: a document done with it is skipped; of one begun, only the missing pages are parsed.
        on_progress: called from this thread, at most ten times a second.
        options: see ``RunOptions``.
        chunking: how long chunks get; its fingerprint belongs into ``recipe``.
        watch: takes the seconds a stage; the sink may count its own in it.

    Raises:
        KeyboardInterrupt: after cleaning up; pages parsed so far and finished documents are kept.
        ArchiveError, ModelError, MissingExtra: not one file's fault.
        InvalidRequest: a URL of an unknown kind.
    """
    options = options or RunOptions()
    swept = paths if options.gone_from is None else options.gone_from
    check_addresses((*paths, *swept))
    recover(sink, ledger)
    ledger.prune_failures()
    feed = partial(
        Feed,
        parser=parser,
        ledger=ledger,
        recipe=recipe,
        retry_failed=options.retry_failed,
        disk=(options.disk, options.free_bytes) if options.disk else None,
        lanes=options.lanes,
        copies=options.copies,
    )
    meter = Meter(paths, on_progress)
    watch = watch or Stopwatch()
    chunker = partial(chunk, parser=recipe.parser, counter=counter, options=chunking)
    work = _Run(feed=feed, chunker=chunker, sink=sink, ledger=ledger, recipe=recipe, meter=meter, watch=watch)
    report = work.go(paths)
    ledger.prune_pages()
    if report.stopped is None:
        report.gone += sweep(swept, ledger, sink, remove=options.remove_missing)
    return report


class _DocumentError(Exception):
    def __init__(self, error: PaperlodeError) -> None:
        super().__init__(str(error))
        self.error = error


class _Run:
    def __init__(
        self,
        *,
        feed: Callable[[Sequence[str | Path]], Feed],
        chunker: Callable[..., Iterator[Chunk]],
        sink: Sink,
        ledger: Ledger,
        recipe: Recipe,
        meter: Meter,
        watch: Stopwatch,
    ) -> None:
        self.make_feed = feed
        self.chunker = chunker
        self.sink = sink
        self.ledger = ledger
        self.recipe = recipe
        self.meter = meter
        self.watch = watch
        self.report = RunReport()
        self.visible: list[tuple[str, Arrival]] = []
        self.flushed = time.monotonic()
        self.twins: list[tuple[str, Done]] = []
        self.failed: set[str] = set()

    def go(self, paths: Sequence[str | Path]) -> RunReport:
        """Take what is under the paths."""
        began = time.perf_counter()
        again = self._pass(paths)
        for path in self._pass(again) if again else ():
            self._failed(path, SourceChanged(f"{path!r} holds something else each time.", hint="Run again."), "")
        self.report.seconds = self.watch.seconds
        self.report.total = time.perf_counter() - began
        self.meter.show(last=True)
        return self.report

    def _pass(self, paths: Sequence[str | Path]) -> Sequence[str]:
        """Take what is under the paths; those that want another pass are told (``_settle_twins``)."""
        self.feed = self.make_feed(paths)
        try:
            try:
                for delivery in self.watch.iterate("parse wait", self.feed):
                    self._take(delivery)
            finally:
                self._settle()
            return self._settle_twins()
        except Exception as exc:
            self.report.stopped = exc if isinstance(exc, StorageFull) else storage_full(exc)
            if self.report.stopped is None:
                raise
            return ()
        finally:
            self.feed.close()

    def _take(self, delivery: Delivery) -> None:
        with self.watch.stage("parse wait"):
            first = delivery.events.get()
        if isinstance(first, Failed):
            self._failed(delivery.path, first.error, first.digest)
            self.meter.passed(delivery.path, failed=True)
            self.feed.settle(first.digest)
        elif isinstance(first, Done):
            self._done_before(delivery.path, first)
        elif isinstance(first, Opened):
            self.meter.opened(first.source, first.page_count)
            done = self._ingest(delivery, first)
            self.meter.closed(failed=not done)
            if not done:
                self.feed.settle(first.source.digest)
        if len(self.visible) >= WAITING or time.monotonic() - self.flushed > _WAITING_SECONDS:
            self._settle()

    def _done_before(self, path: str, done: Done) -> None:
        if done.source is not None and done.stamp is not None:
            if not (document := self.ledger.holder(done.digest, self.recipe)):
                self.twins.append((path, done))  # its twin is still on the way, or failed
                return
            with self._moving(path, document):
                self.ledger.add_path(path, document, done.stamp)
        self.report.skipped.append(path)
        self.meter.passed(path, failed=False)

    def _settle_twins(self) -> list[str]:
        """Files of the same content as others: where these hold it, it is noted; where they failed, so do these.

        Returns:
            Those that hold what another file held until this run gave it something else: they are to be read themselves.
        """
        waiting, self.twins = self.twins, []
        again = []
        for path, done in waiting:
            if self.ledger.is_done(done.digest, self.recipe):
                self._done_before(path, done)
            elif done.digest in self.failed:
                why = SourceError(f"Another file with the same content as {path!r} failed.", hint="See that file.")
                self._failed(path, why, done.digest)
                self.meter.passed(path, failed=True)
            else:
                again.append(path)
        return again

    def _ingest(self, delivery: Delivery, opened: Opened) -> bool:
        """Take the document just opened; False if it failed."""
        document, path = opened.source.document, delivery.path
        problems = len(self.report.page_problems)
        readers = Readers()
        try:
            self.sink.begin(document)
            chunks = self._stage(delivery, opened, readers)
            failed = self.report.page_problems[problems:]
            if len(failed) == opened.page_count:
                raise _DocumentError(_hopeless(path, failed))
            arrival = Arrival(
                opened.source, self.recipe, opened.stamp, pages=opened.page_count, chunks=chunks, read_by=readers.counts
            )
            with _uninterrupted(), self.watch.stage("index"):
                self.ledger.arriving(arrival)
                self.sink.commit(document, arrival.version)
                self.visible.append((path, arrival))
        except _DocumentError as exc:
            self.sink.discard(document)
            self._failed(path, exc.error, opened.source.digest)
            return False
        except BaseException:
            with suppress(Exception):  # what cannot be cleared away now is when the next run begins
                self.sink.discard(document)
                self.ledger.leave(document)
            raise
        log.info("%s: %d pages (%d failed), %d chunks", path, opened.page_count, len(failed), chunks)
        self.report.add(IngestedDocument(path, document, opened.page_count, len(failed), chunks, readers.counts))
        return True

    def _settle(self) -> None:
        """What is visible is made durable, and counts as done."""
        waiting, self.visible = self.visible, []
        with _uninterrupted(), self.watch.stage("index"):
            self.sink.flush()
            for path, arrival in waiting:
                with self._moving(path, arrival.source.document):
                    self.ledger.finish(arrival)
                self.feed.settle(arrival.source.digest)
        self.flushed = time.monotonic()

    def _stage(self, delivery: Delivery, opened: Opened, readers: Readers) -> int:
        stamps = PageStamps()
        pages = self.watch.iterate("parse wait", self._pages(delivery, readers, stamps))
        blocks = self.watch.iterate("assemble", assemble(pages))
        chunks = self.watch.iterate("chunk", self.chunker(blocks, source=opened.source, stamps=stamps))
        total = 0
        while batch := _next_batch(chunks, delivery.path):
            total += len(batch)
            with self.watch.stage("index"):
                self.sink.add([readers.mark(c) for c in batch])
        return total

    def _pages(self, delivery: Delivery, readers: Readers, stamps: PageStamps) -> Iterator[ParsedPage]:
        while isinstance(event := delivery.events.get(), Page):
            page = event.parsed
            readers.note(page)
            stamps.note(page)
            if event.kept:
                self.report.pages_kept += 1
            else:
                self.report.pages_parsed += 1
            if why := page.failure:
                self.report.page_problems.append(PageProblem(delivery.path, page.page, why.code, why.message))
            self.meter.page(kept=event.kept, failed=why is not None)
            yield page
        if isinstance(event, Failed):
            raise event.error

    @contextmanager
    def _moving(self, path: str, document: str) -> Iterator[None]:
        """Around noting what the file holds now: the document it held before goes, unless another file holds it."""
        before = self.ledger.document_at(path)
        yield
        if before and before.digest != document and set(before.paths) == {path}:
            self.sink.remove(before.digest)
            self.ledger.remove(before.digest)

    def _failed(self, path: str, error: PaperlodeError, digest: str) -> None:
        if ends_run(error):
            raise error
        if not isinstance(error, SourceNotFound):  # a mistyped name is for the report, not for the books
            self.ledger.fail(path, error, digest=digest)
        log.info("%s: %s", path, error)
        self.failed.add(digest)
        self.report.failed.append(SourceProblem(path, error.code, error.what, error.hint))


def _next_batch(chunks: Iterator[Chunk], path: str) -> list[Chunk]:
    """The next chunks; what goes wrong in making them is the document's failure, unless it ends the run."""
    try:
        return list(islice(chunks, _BATCH))
    except Exception as exc:
        error = exc if isinstance(exc, PaperlodeError) else internal_error(path, exc)
        if error is exc and ends_run(error):
            raise
        if ends_run(error):
            raise error from exc
        raise _DocumentError(error) from exc


def _hopeless(path: str, failed: Sequence[PageProblem]) -> SourceError:
    if not failed:
        return SourceEmpty(f"The document {path!r} has no pages.", hint="Get the file again.")
    pages = "The only page" if len(failed) == 1 else f"None of the {len(failed)} pages"
    return SourceCorrupt(
        f"{pages} of {path!r} could be read. {failed[0].message}",
        hint="Get the file again, or try once more with --retry-failed.",
    )


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until the end of the ``with``: commit and note belong together."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    old = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, old)
    if came:
        raise KeyboardInterrupt
