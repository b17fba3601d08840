"""The reading side of a run: threads that open, parse and keep documents ahead of the side that chunks and indexes.

Each lane (thread) takes the next document, and delivers it through a bounded queue of its own; the consumer receives the
deliveries in the order of the documents. What is ahead is bounded: a few documents, and a few pages of each.
"""

from __future__ import annotations

import logging
import queue
import shutil
import threading
import time
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from paperlode.ingest.document import PageFailure, ParsedPage
from paperlode.ingest.errors import (
    ArchiveError,
    MissingExtra,
    ModelError,
    PageUnreadable,
    PaperlodeError,
    SourceError,
    StorageFull,
)
from paperlode.ingest.sources import check_unchanged, discover, open_source, stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from paperlode.ingest.document import Source
    from paperlode.ingest.ledger import Ledger, Recipe
    from paperlode.ingest.parsing.base import Parser
    from paperlode.ingest.sources import Stamp

__all__ = ["Delivery", "Done", "Failed", "Feed", "Opened", "Page", "check_space", "ends_run", "internal_error"]

_PAGES_AHEAD = 16
_DOCUMENTS_AHEAD = 4
_SAVE_PAGES = 32
_SAVE_SECONDS = 1.0
_POLL = 0.1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """The document is known by its bytes and will be delivered page by page."""

    source: Source
    stamp: Stamp
    page_count: int


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing (more) to read. With ``source``: the file holds a document that is done, or on its way in this run."""

    digest: str = ""
    source: Source | None = None
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The document cannot be taken (or, when ``ends_run(error)``, the run cannot go on)."""

    error: BaseException
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
    events: queue.Queue[Event] = field(default_factory=lambda: queue.Queue(_PAGES_AHEAD))


class _Stopped(Exception):  # noqa: N818  a signal inside this module, no error
    pass


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
    ) -> None:
        self._found = self._discover(paths)
        self._parser = parser
        self._ledger = ledger
        self._recipe = recipe
        self._retry = retry_failed
        self._disk = disk
        self._stop = threading.Event()
        self._taking = threading.Lock()
        self._opening = threading.Lock()
        self._order: queue.Queue[Delivery | None] = queue.Queue(_DOCUMENTS_AHEAD)
        self._under_way: set[str] = set()
        self._lanes = [threading.Thread(target=self._lane, daemon=True, name=f"feed-{n}") for n in range(lanes)]
        self._running = lanes

    def __iter__(self) -> Iterator[Delivery]:
        for lane in self._lanes:
            lane.start()
        while (delivery := self._order.get()) is not None:
            yield delivery

    def settle(self, digest: str) -> None:
        """The consumer is through with the document: its twins may be judged by the ledger from now on."""
        with self._taking:
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
    def _discover(paths: Iterable[str | Path]) -> Iterator[tuple[str, Path | SourceError]]:
        seen: set[str] = set()
        for given in paths:
            for item in discover([given], seen=seen):
                yield (str(given) if isinstance(item, SourceError) else str(item.expanduser().absolute())), item

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
                delivery, item = taken
                self._deliver(delivery, item)
        except _Stopped:
            pass
        finally:
            with self._taking:
                self._running -= 1
                last = self._running == 0
            if last and not self._stop.is_set():
                self._order.put(None)

    def _take(self) -> tuple[Delivery, Path | SourceError] | None:
        with self._taking:
            if self._stop.is_set() or (found := next(self._found, None)) is None:
                return None
            delivery = Delivery(found[0])
        # outside the lock: settle() needs it while the order is full
        with self._opening:
            self._put(self._order, delivery)
        return delivery, found[1]
