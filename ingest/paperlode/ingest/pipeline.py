"""One run over many documents, into anything that takes chunks.

A document becomes visible whole, once it is read to the end (``Sink.commit``), and only then counts as done
(``Ledger.finish``): a crash between the two repeats the commit, which changes nothing since chunk ids are deterministic.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from paperlode.ingest.errors import PaperlodeError, SourceCorrupt, SourceError, SourceNotFound, StorageFull
from paperlode.ingest.feed import Delivery, Done, Failed, Feed, Opened, ends_run, internal_error, storage_full
from paperlode.ingest.sources import discover
from paperlode.ingest.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from paperlode.ingest.chunking import TokenCounter
    from paperlode.ingest.document import Chunk, ParsedPage, Source
    from paperlode.ingest.ledger import Ledger, Recipe
    from paperlode.ingest.parsing.base import Parser

__all__ = [
    "IngestedDocument",
    "PageProblem",
    "Progress",
    "RunOptions",
    "RunReport",
    "Sink",
    "SourceProblem",
    "recover",
    "run",
]

_BATCH = 128
_PROGRESS_SECONDS = 0.1


class Sink(Protocol):
    """Takes chunks of one document at a time; nothing of a document is visible before ``commit``."""

    def begin(self, document: str) -> None:
        """A document (its digest) starts; what an interrupted run left staged of it is dropped."""
        ...

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Stage chunks of the document begun last."""
        ...

    def commit(self, document: str) -> None:
        """Make what is staged visible at once, in place of an older version, and durable."""
        ...

    def discard(self, document: str) -> None:
        """Drop what is staged; a visible version stays. Nothing staged is no error."""
        ...

    def remove(self, document: str) -> None:
        """Drop the document altogether. No such document is no error."""
        ...

    def flush(self) -> None:
        """Make everything durable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run goes; none of these changes what a document becomes.

    Attributes:
        retry_failed: parse pages again that failed in an earlier run.
        lanes: documents read at once.
        disk: folder on whose disk the results go; None for no check of its free space.
        free_bytes: what must be free there before a document is begun.
    """

    retry_failed: bool = False
    lanes: int = 2
    disk: Path | None = None
    free_bytes: int = 256_000_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        document: name of the one under way; ``page`` of its ``pages`` are through.
        documents_done, documents_failed: files through (those skipped count as done), of ``documents_total`` found.
        pages_done: pages through; ``pages_kept`` of them had been parsed by an earlier run.
        pages_failed: of ``pages_done``.
        pages_expected: of the whole run: counted for documents opened so far, extrapolated by file size for the others.
    """

    document: str
    page: int
    pages: int
    documents_done: int
    documents_failed: int
    documents_total: int
    pages_done: int
    pages_kept: int
    pages_failed: int
    pages_expected: int


@dataclass(frozen=True, slots=True)
class IngestedDocument:
    """A document that became searchable in this run."""

    path: str
    digest: str
    pages: int
    failed_pages: int
    chunks: int


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """A file that could not be taken."""

    path: str
    code: str
    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class PageProblem:
    """A page (0-based) that could not be parsed; its document went on."""

    path: str
    page: int
    code: str
    message: str


@dataclass(slots=True)
class RunReport:
    """What a run did.

    Attributes:
        ingested: documents that became searchable. skipped: files whose content was searchable already.
        failed: files that could not be taken.
        pages_parsed: in this run; pages_kept: taken over from an earlier one.
        page_problems: pages that could not be parsed, of ingested documents and of failed ones.
        chunks: made searchable.
        seconds: wall seconds a stage of the indexing side (``parse wait``: waiting for pages); total: of the run.
        stopped: why the run ended before its end (a full disk); what was done until then is kept.
    """

    ingested: list[IngestedDocument] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[SourceProblem] = field(default_factory=list)
    page_problems: list[PageProblem] = field(default_factory=list)
    pages_parsed: int = 0
    pages_kept: int = 0
    chunks: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    total: float = 0.0
    stopped: StorageFull | None = None


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
    watch: Stopwatch | None = None,
) -> RunReport:
    """Take every document under ``paths`` that is not done yet.

    Errors of one file are recorded in the report and the ledger, and the run goes on. A full disk ends it early
    (``RunReport.stopped``). Memory grows with neither the length of a document nor their number.

    Args:
        paths: files, folders, globs.
        parser: called from other threads. It is closed when the run is broken off.
        counter: the embedder's tokenizer.
        sink: called from this thread only.
        ledger, recipe: a document done with this recipe is skipped; of one begun, only the missing pages are parsed.
        on_progress: called from this thread, at most ten times a second.
        options: see ``RunOptions``.
        watch: takes the seconds a stage; the sink may count its own in it.

    Raises:
        KeyboardInterrupt: after cleaning up; pages parsed so far and finished documents are kept.
        ArchiveError, ModelError, MissingExtra: not one file's fault.
    """
    recover(sink, ledger)
    ledger.prune_failures()
    return _Run(paths, parser, counter, sink, ledger, recipe, on_progress, options or RunOptions(), watch).go()


def recover(sink: Sink, ledger: Ledger) -> None:
    """Clear away what a crashed run left: staged chunks, and documents that no file holds any more."""
    for digest in ledger.staging():
        sink.discard(digest)
        ledger.leave(digest)
    for digest in ledger.orphans():
        sink.remove(digest)
        ledger.remove(digest)


class _DocumentError(Exception):
    def __init__(self, error: PaperlodeError) -> None:
        super().__init__(str(error))
        self.error = error


class _Run:
    def __init__(
        self,
        paths: Sequence[str | Path],
        parser: Parser,
        counter: TokenCounter,
        sink: Sink,
        ledger: Ledger,
        recipe: Recipe,
        on_progress: Callable[[Progress], None] | None,
        options: RunOptions,
        watch: Stopwatch | None,
    ) -> None:
        self.counter = counter
        self.sink = sink
        self.ledger = ledger
        self.recipe = recipe
        self.watch = watch or Stopwatch()
        self.report = RunReport()
        self.meter = _Meter(paths, on_progress)
        self.twins: list[tuple[str, Done]] = []
        disk = (options.disk, options.free_bytes) if options.disk else None
        self.feed = Feed(
            paths,
            parser=parser,
            ledger=ledger,
            recipe=recipe,
            retry_failed=options.retry_failed,
            disk=disk,
            lanes=options.lanes,
        )

    def go(self) -> RunReport:
        began = time.perf_counter()
        try:
            for delivery in self.watch.iterate("parse wait", self.feed):
                self._take(delivery)
            self._settle_twins()
        except StorageFull as exc:
            self.report.stopped = exc
        except Exception as exc:
            full = storage_full(exc)
            if full is None:
                raise
            self.report.stopped = full
        finally:
            self.feed.close()
            with self.watch.stage("index"):
                self.sink.flush()
        self.report.seconds = self.watch.seconds
        self.report.total = time.perf_counter() - began
        self.meter.show(last=True)
        return self.report

    def _take(self, delivery: Delivery) -> None:
        with self.watch.stage("parse wait"):
            first = delivery.events.get()
        if isinstance(first, Failed):
            self._failed(delivery.path, first.error, first.digest)
            self.feed.settle(first.digest)
        elif isinstance(first, Done):
            self._done_before(delivery.path, first)
        elif isinstance(first, Opened):
            self.meter.opened(first.source, first.page_count)
            try:
                self._ingest(delivery, first)
            finally:
                self.feed.settle(first.source.digest)
            self.meter.closed()

    def _done_before(self, path: str, done: Done) -> None:
        if done.source is None or done.stamp is None:
            self.report.skipped.append(path)
            self.meter.passed(path)
        elif self.ledger.is_done(done.digest, self.recipe):
            self._place(done.source, lambda: self.ledger.add_path(path, done.digest, done.stamp))  # type: ignore[arg-type]
            self.report.skipped.append(path)
            self.meter.passed(path)
        else:
            self.twins.append((path, done))  # its twin is still on the way, or failed

    def _settle_twins(self) -> None:
        waiting, self.twins = self.twins, []
        for path, done in waiting:
            if self.ledger.is_done(done.digest, self.recipe):
                self._done_before(path, done)
            else:
                why = SourceError("Another file with the same content failed.", hint="See that file.")
                self._failed(path, why, done.digest)

    def _ingest(self, delivery: Delivery, opened: Opened) -> None:
        source, digest = opened.source, opened.source.digest
        failed_pages = len(self.report.page_problems)
        try:
            self.sink.begin(digest)
            chunks = self._stage(delivery, opened)
            failed_pages = len(self.report.page_problems) - failed_pages
            if opened.page_count and failed_pages == opened.page_count:
                raise _DocumentError(self._hopeless(opened))  # noqa: TRY301  the same way out as other failures
            with self.watch.stage("index"):
                self.sink.commit(digest)
        except _DocumentError as exc:
            self.sink.discard(digest)
            self._failed(delivery.path, exc.error, digest)
            return
        except BaseException:
            self.sink.discard(digest)
            self.ledger.leave(digest)
            raise
        self._place(source, lambda: self.ledger.finish(source, self.recipe, opened.stamp, chunks=chunks))
        self.report.chunks += chunks
        self.report.ingested.append(IngestedDocument(delivery.path, digest, opened.page_count, failed_pages, chunks))

    def _stage(self, delivery: Delivery, opened: Opened) -> int:
        from paperlode.ingest.assembly import assemble
        from paperlode.ingest.chunking import chunk

        pages = self.watch.iterate("parse wait", self._pages(delivery, opened))
        blocks = self.watch.iterate("assemble", assemble(pages))
        made = chunk(blocks, source=opened.source, parser=self.recipe.parser, counter=self.counter)
        chunks = self.watch.iterate("chunk", made)
        total = 0
        while True:
            try:
                batch = list(islice(chunks, _BATCH))
            except PaperlodeError as exc:
                if ends_run(exc):
                    raise
                raise _DocumentError(exc) from exc
            except Exception as exc:
                error = internal_error(delivery.path, exc)
                if ends_run(error):
                    raise error from exc
                raise _DocumentError(error) from exc
            if not batch:
                return total
            total += len(batch)
            with self.watch.stage("index"):
                self.sink.add(batch)

    def _pages(self, delivery: Delivery, opened: Opened) -> Iterator[ParsedPage]:
        while True:
            event = delivery.events.get()
            if isinstance(event, Done):
                return
            if isinstance(event, Failed):
                raise event.error
            if isinstance(event, Opened):
                raise TypeError("a delivery opens once")
            page = event.parsed
            if event.kept:
                self.report.pages_kept += 1
            else:
                self.report.pages_parsed += 1
            if page.failure:
                why = page.failure
                self.report.page_problems.append(PageProblem(delivery.path, page.page, why.code, why.message))
            self.meter.page(kept=event.kept, failed=page.failure is not None)
            yield page

    def _place(self, source: Source, note: Callable[[], None]) -> None:
        """Note which document the file holds, and drop the one it held before, if no other file holds that."""
        before = self.ledger.document_at(source.uri)
        note()
        if before and before.digest != source.digest and set(before.paths) == {source.uri}:
            with self.watch.stage("index"):
                self.sink.remove(before.digest)
            self.ledger.remove(before.digest)

    def _failed(self, path: str, error: PaperlodeError, digest: str) -> None:
        if ends_run(error):
            raise error
        if not isinstance(error, SourceNotFound):  # a mistyped name is for the report, not for the books
            self.ledger.fail(path, error, digest=digest)
        self.report.failed.append(SourceProblem(path, error.code, error.what, error.hint))
        self.meter.passed(path, failed=True)

    def _hopeless(self, opened: Opened) -> SourceError:
        first = self.report.page_problems[-opened.page_count]
        pages = "The only page" if opened.page_count == 1 else f"None of the {opened.page_count} pages"
        return SourceCorrupt(
            f"{pages} of {opened.source.uri!r} could be read. {first.message}",
            hint="Get the file again, or try once more with --retry-failed.",
        )


class _Meter:
    """Counts for ``Progress``."""

    def __init__(self, paths: Iterable[str | Path], show: Callable[[Progress], None] | None) -> None:
        self._show = show
        self._last = 0.0
        self._name = ""
        self._page = self._pages = 0
        self._done = self._failed = self._total = 0
        self._pages_done = self._pages_kept = self._pages_failed = 0
        self._pages_known = 0
        self._bytes_known = self._bytes_left = 0
        if show:
            for item in discover(paths):
                self._total += 1
                self._bytes_left += _size(item)

    def opened(self, source: Source, pages: int) -> None:
        self._name, self._page, self._pages = source.name, 0, pages
        self._pages_known += pages
        self._bytes_known += source.size
        self._bytes_left -= source.size
        self.show()

    def page(self, *, kept: bool, failed: bool) -> None:
        self._page += 1
        self._pages_done += 1
        self._pages_kept += kept
        self._pages_failed += failed
        self.show()

    def closed(self) -> None:
        self._done += 1
        self.show()

    def passed(self, path: str, *, failed: bool = False) -> None:
        """A file that was skipped, or failed before it was opened or after."""
        self._failed += failed
        self._done += not failed
        if not failed or Path(path).name != self._name:
            self._bytes_left -= _size(Path(path))
        self.show()

    def show(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if self._show is None or (not last and now - self._last < _PROGRESS_SECONDS):
            return
        self._last = now
        density = self._pages_known / self._bytes_known if self._bytes_known else 0.0
        expected = self._pages_known if last else self._pages_known + round(max(0, self._bytes_left) * density)
        self._show(
            Progress(
                document=self._name,
                page=self._page,
                pages=self._pages,
                documents_done=self._done,
                documents_failed=self._failed,
                documents_total=max(self._total, self._done + self._failed),
                pages_done=self._pages_done,
                pages_kept=self._pages_kept,
                pages_failed=self._pages_failed,
                pages_expected=expected,
            )
        )


def _size(item: Path | SourceError) -> int:
    if isinstance(item, SourceError):
        return 0
    try:
        return item.stat().st_size
    except OSError:
        return 0
