"""The reading side of a run: threads that open, parse and keep documents, ahead of the side that indexes.

Each lane (thread) takes the next document, and delivers it through a bounded queue of its own; the consumer receives
the deliveries in the order of the documents. What is ahead is bounded: a few documents, and a few pages of each.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import queue
import shutil
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple

from paperlode.ingest.copies import Copies, failed_as, shown_as
from paperlode.ingest.document import PageFailure, ParsedPage
from paperlode.ingest.errors import (
    ArchiveError,
    MissingExtra,
    ModelError,
    PageUnreadable,
    PaperlodeError,
    ServerError,
    SourceError,
    StorageFull,
)
from paperlode.ingest.objects import RemoteFile, discover_all
from paperlode.ingest.sources import check_unchanged, open_source, stamp
from paperlode.ingest.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from paperlode.ingest.document import Source
    from paperlode.ingest.ledger import Ledger, Recipe
    from paperlode.ingest.parsing.base import Parser
    from paperlode.ingest.sources import Stamp

__all__ = [
    "Delivery",
    "Done",
    "Failed",
    "Feed",
    "Opened",
    "Page",
    "check_space",
    "ends_run",
    "internal_error",
    "storage_full",
]

_PAGES_AHEAD = 16
_DOCUMENTS_AHEAD = 4
_SAVE_PAGES = 32
_SAVE_SECONDS = 1.0
_POLL = 0.1
_LOOKED_UP = 256

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """The document is known by its bytes and will be delivered page by page."""

    source: Source
    stamp: Stamp
    page_count: int


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing (more) to read. With ``source``: the file holds a document that is done, or on its way in this run.

    ``digest`` is that of the bytes.
    """

    digest: str = ""
    source: Source | None = None
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The document cannot be taken (or, when ``ends_run(error)``, the run cannot go on). ``digest`` is that of its bytes."""

    error: PaperlodeError
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """The next page in order; ``kept`` when an earlier run had parsed it."""

    parsed: ParsedPage
    kept: bool


Event = Opened | Done | Failed | Page


@dataclass(slots=True)
class Delivery:
    """One document on its way: ``path`` as found, then events, the last of them ``Done`` or ``Failed``."""

    path: str
    number: int
    events: queue.Queue[Event] = field(default_factory=lambda: queue.Queue(_PAGES_AHEAD))


class _Stopped(Exception):
    pass


class _Found(NamedTuple):
    """A file, or why there is none; and the stamp it had when the document that it holds was ingested, if that is done."""

    name: str
    item: Path | RemoteFile | SourceError
    stamp: Stamp | None


class _Here(NamedTuple):
    """A document to be read: as it is recorded, and as its bytes lie on this machine, which may be a copy; with both stamps."""

    source: Source
    file: Source
    stamp: Stamp
    file_stamp: Stamp


class Feed:
    """Reads ``paths`` in ``lanes`` threads. Iterate once; ``close`` in any case.

    Args:
        paths: as for ``sources.discover``.
        parser: its methods are called from the lanes.
        ledger: pages are kept there as they come, after checking that the file is still the same.
        recipe: documents done with it are not read again.
        retry_failed: parse pages again that failed in an earlier run.
        disk: (folder, bytes) that must be free there before a document is begun.
        lanes: documents read at once; more keeps the workers busy where documents are short.
        copies: where documents from elsewhere (URLs) are put while they are read.
    """

    def __init__(
        self,
        paths: Iterable[str | Path],
        *,
        parser: Parser,
        ledger: Ledger,
        recipe: Recipe,
        retry_failed: bool = False,
        disk: tuple[Path, int] | None = None,
        lanes: int = 2,
        copies: Copies | None = None,
    ) -> None:
        self._copies = copies or Copies()
        self._found = self._looked_up(self._discover(paths))
        self._parser = parser
        self._ledger = ledger
        self._recipe = recipe
        self._retry = retry_failed
        self._disk = disk
        self._stop = threading.Event()
        self._taking = threading.Lock()
        self._claiming = threading.Lock()
        self._opening = threading.Lock()
        self._order: queue.Queue[Delivery | None] = queue.Queue(max(_DOCUMENTS_AHEAD, lanes))
        self._under_way: set[str] = set()
        self._given = 0
        self._fetched = Turns()
        self._claimed = Turns()
        self._lanes = [threading.Thread(target=self._lane, daemon=True, name=f"feed-{n}") for n in range(lanes)]
        self._running = lanes
        self._broken: Exception | None = None

    def __iter__(self) -> Iterator[Delivery]:
        """Raises, at the end, what kept it from finding more."""
        for lane in self._lanes:
            lane.start()
        while (delivery := self._order.get()) is not None:
            yield delivery
        if self._broken is not None:
            raise self._broken

    def settle(self, digest: str) -> None:
        """The consumer is through with these bytes: files of the same content are judged by the ledger from now on."""
        with self._claiming:
            self._under_way.discard(digest)

    def close(self) -> None:
        """Stop reading, keep what was read, and wait for the lanes. Ends the parser's workers if they are busy."""
        self._stop.set()
        if self._wait(0.5):
            return
        self._parser.close()
        self._wait(10.0)
        self._parser.close()

    def _wait(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        for lane in self._lanes:
            if lane.ident is not None:
                lane.join(max(0.0, until - time.monotonic()))
        return not any(lane.is_alive() for lane in self._lanes)

    # -- in the lanes

    @staticmethod
    def _discover(paths: Iterable[str | Path]) -> Iterator[tuple[str, Path | RemoteFile | SourceError]]:
        for given, item in discover_all(paths):
            if isinstance(item, RemoteFile):
                yield item.uri, item
            else:
                yield (str(given) if isinstance(item, SourceError) else str(item.expanduser().absolute())), item

    def _looked_up(self, found: Iterator[tuple[str, Path | RemoteFile | SourceError]]) -> Iterator[_Found]:
        """What was found, with what the ledger says of it: it is asked for many files at a time."""
        while batch := list(islice(found, _LOOKED_UP)):
            done = self._ledger.done_among([name for name, _ in batch], self._recipe, whole=self._retry)
            yield from (_Found(name, item, done.get(name)) for name, item in batch)

    def _put(self, where: queue.Queue[Event] | queue.Queue[Delivery | None], item: Event | Delivery | None) -> None:
        while True:
            if self._stop.is_set():
                raise _Stopped
            try:
                where.put(item, timeout=_POLL)  # type: ignore[arg-type]
            except queue.Full:
                continue
            return

    def _lane(self) -> None:
        try:
            while (taken := self._take()) is not None:
                self._deliver(*taken)
        except _Stopped:
            pass
        except Exception as exc:  # noqa: BLE001  of the ledger, or in looking for files: else the run would end as if all were read
            self._broken = self._broken or exc
        finally:
            with self._claiming:
                self._running -= 1
                last = self._running == 0
            if last:
                with contextlib.suppress(_Stopped):
                    self._put(self._order, None)

    def _take(self) -> tuple[Delivery, _Found] | None:
        with self._taking:  # also around the put: deliveries stand in the order of the documents
            if self._stop.is_set() or (found := next(self._found, None)) is None:
                return None
            delivery = Delivery(found.name, self._given)
            self._given += 1
            self._put(self._order, delivery)
        return delivery, found

    def _deliver(self, delivery: Delivery, found: _Found) -> None:
        digest: list[str] = []
        if not isinstance(found.item, RemoteFile):
            self._fetched.done(delivery.number)
        try:
            if isinstance(found.item, SourceError):
                raise found.item
            with contextlib.closing(self._events(found.item, found, digest, delivery.number)) as events:
                for event in events:
                    self._claimed.done(delivery.number)
                    self._put(delivery.events, event)
        except _Stopped:
            raise
        except PaperlodeError as exc:
            self._put(delivery.events, Failed(exc, *digest))
        except Exception as exc:  # noqa: BLE001  a bug met in one file must not end the run, nor pass in silence
            self._put(delivery.events, Failed(internal_error(delivery.path, exc), *digest))
        finally:
            self._fetched.done(delivery.number)
            self._claimed.done(delivery.number)

    def _events(self, file: Path | RemoteFile, found: _Found, digest: list[str], number: int) -> Generator[Event]:
        before = file.stamp() if isinstance(file, RemoteFile) else stamp(file)
        if found.stamp == before:
            yield Done()
            return
        with self._here(file, before, number) as here:
            yield from self._read(here, digest, number)

    @contextlib.contextmanager
    def _here(self, file: Path | RemoteFile, before: Stamp, number: int) -> Iterator[_Here]:
        """The document, opened; what lies elsewhere is here as long as the context lasts.

        Room for copies is given in order: a document never waits for the room of one that has to wait for it.
        """
        if not isinstance(file, RemoteFile):
            source = open_source(file)
            yield _Here(source, source, before, before)
            return
        self._fetched.wait(number, self._check_running)
        held = partial(self._fetched.done, number)
        with self._copies.of(file, check=self._check_running, held=held) as copy, shown_as(file.uri, copy.path):
            copied = open_source(copy.path)
            source = replace(copied, uri=file.uri, name=file.name)
            yield _Here(source, copied, copy.stamp, stamp(copy.path))

    def _read(self, here: _Here, digest: list[str], number: int) -> Iterator[Event]:
        source = here.source
        digest.append(source.digest)
        self._claimed.wait(number, self._check_running)  # which of several copies names a document is no race
        with self._claiming:
            twin = source.digest in self._under_way or self._is_done(source.digest)
            if not twin:
                self._under_way.add(source.digest)
        if twin:
            yield Done(source.digest, source, here.stamp)
            return
        if self._disk:
            check_space(*self._disk)
        with self._opening:  # one at a time: the first call starts the parser's workers
            self._check_running()
            count = self._parser.page_count(here.file)
        document = self._ledger.begin(source, count, self._recipe)
        if document != source.digest:
            source = replace(source, version_of=document)
        yield Opened(source, here.stamp, count)
        yield from self._pages(here, count)
        check_unchanged(here.file, here.file_stamp)
        yield Done(source.digest)

    def _pages(self, here: _Here, count: int) -> Iterator[Page]:
        source = here.source
        done = self._ledger.done_pages(source.digest, self._recipe.parser, whole=self._retry)
        if len(done) < count:
            done |= self._ledger.take_over(source.digest, self._recipe.parser, self._parser.stands)
        done |= self._seen_before(here, count, [p for p in range(count) if p not in done])
        missing = [p for p in range(count) if p not in done] if done else range(count)
        parsed = self._parser.parse(here.file, missing)
        keeper = _Keeper(self._ledger, here.file, self._recipe.parser, here.file_stamp)
        try:
            for kept, run in groupby(range(count), key=done.__contains__):
                if kept:
                    numbers = list(run)
                    found = self._ledger.pages(
                        source.digest, self._recipe.parser, start=numbers[0], stop=numbers[-1] + 1
                    )
                    for page in found:
                        self._check_running()
                        yield Page(page, kept=True)
                    continue
                for number in run:
                    page = _accounted(next(parsed, None), number, self._recipe.parser, here)
                    self._check_running()  # a page that fails because the run is ending has not failed
                    keeper.add(page)
                    yield Page(page, kept=False)
        except SourceError:
            raise
        except BaseException:
            keeper.save()
            raise
        else:
            keeper.save()
            if not self._ledger.prints.known(source.digest):
                self._ledger.prints.save(source.digest, self._prints(here, count))
        finally:
            if isinstance(parsed, Generator):
                parsed.close()

    def _prints(self, here: _Here, stop: int) -> Sequence[str]:
        """Of the file that was opened: SourceChanged where it is another one by now."""
        found = self._parser.page_prints(here.file, stop)
        check_unchanged(here.file, here.file_stamp)
        return found

    def _seen_before(self, here: _Here, count: int, missing: Sequence[int]) -> set[int]:
        """Pages that show what a page read before shows, and are kept as such; of an older version of the file, or of a like one.

        It is looked for where the file held another document before, or where its first page is known.
        """
        if not missing:
            return set()
        books, source = self._ledger.prints, here.source
        held = self._ledger.document_at(source.uri)
        changed = held is not None and held.content != source.digest
        if not changed and not books.seen(next(iter(self._prints(here, 1)), "")):
            return set()
        shown = self._prints(here, count)
        books.save(source.digest, shown)
        return books.adopt(source.digest, self._recipe.parser, shown, missing) if len(shown) == count else set()

    def _is_done(self, digest: str) -> bool:
        return self._ledger.is_done(digest, self._recipe, whole=self._retry)

    def _check_running(self) -> None:
        if self._stop.is_set():
            raise _Stopped


class _Keeper:
    """Saves pages in batches, each only after checking that the file is still the one that was opened."""

    def __init__(self, ledger: Ledger, source: Source, parser: str, before: Stamp) -> None:
        self._ledger = ledger
        self._source = source
        self._parser = parser
        self._before = before
        self._pages: list[ParsedPage] = []
        self._saved = time.monotonic()

    def add(self, page: ParsedPage) -> None:
        self._pages.append(page)
        if len(self._pages) >= _SAVE_PAGES or time.monotonic() - self._saved >= _SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        pages, self._pages = self._pages, []
        self._saved = time.monotonic()
        if pages:
            check_unchanged(self._source, self._before)
            self._ledger.save_pages(self._source.digest, self._parser, pages)


def _accounted(page: ParsedPage | None, number: int, parser: str, here: _Here) -> ParsedPage:
    """The page asked for; one that the parser left out or mixed up becomes a failed page, never a missing one."""
    if page is not None and page.page == number:
        return failed_as(page, here.source.uri, here.file.uri)
    got = "nothing" if page is None else f"page {page.page + 1}"
    error = PageUnreadable(f"The parser {parser} gave {got} for page {number + 1}: this is a bug in it.")
    return ParsedPage(number, 0.0, 0.0, parser, failure=PageFailure(error.code, str(error)))


def ends_run(error: PaperlodeError) -> bool:
    """Whether the error is not the document's fault, so that going on with the next one makes no sense."""
    if isinstance(error, ServerError):
        return error.everywhere
    return isinstance(error, ArchiveError | ModelError | MissingExtra)


def storage_full(exc: BaseException) -> StorageFull | None:
    """The error of ours, if ``exc`` (from the system or a library) says that the disk is full."""
    full = isinstance(exc, OSError) and exc.errno in {errno.ENOSPC, errno.EDQUOT}
    if full or "no space left" in str(exc).lower():
        return StorageFull(f"There is no room left on the disk: {exc}.", hint="Free some space, then run again.")
    return None


def internal_error(path: str, exc: Exception) -> PaperlodeError:
    """An error of ours, as the failure of the document where it was met; its traceback goes to the log."""
    if full := storage_full(exc):
        return full
    log.error("unexpected error in %s", path, exc_info=exc)
    return SourceError(
        f"{path!r} could not be taken because of a bug in paperlode: {type(exc).__name__}: {exc}.",
        hint="Please report it with the output of --verbose.",
    )


def check_space(folder: Path, need: int) -> None:
    """Pass if ``need`` bytes are free where ``folder`` lies.

    Raises:
        StorageFull: with both numbers.
    """
    free = shutil.disk_usage(folder).free
    if free < need:
        raise StorageFull(
            f"Only {free / 1e6:,.0f} MB are free where {str(folder)!r} lies, {need / 1e6:,.0f} MB are wanted.",
            hint="Free some space, or choose another folder with --index; what is done is kept.",
        )
