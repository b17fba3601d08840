"""What a run says of itself: how far it is, and what it did."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from paperlode.ingest.errors import SourceError
from paperlode.ingest.objects import RemoteFile, discover_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from paperlode.ingest.document import Source
    from paperlode.ingest.errors import StorageFull
    from paperlode.ingest.gone import GoneFile

__all__ = ["IngestedDocument", "Meter", "PageProblem", "Progress", "RunReport", "SourceProblem"]

_PROGRESS_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        document: name of the one under way; ``page`` of its ``pages`` are through, ``page_failures`` of which failed.
        uri: of the same.
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
    page_failures: int = 0
    uri: str = ""


@dataclass(frozen=True, slots=True)
class IngestedDocument:
    """A document that became searchable in this run; ``read_by`` as in ``RunReport``."""

    path: str
    digest: str
    pages: int
    failed_pages: int
    chunks: int
    read_by: Mapping[str, int] = field(default_factory=dict)


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
        chunks: made searchable; chunks_written: of them (and of documents that failed) those that were embedded and written,
            unlike those that were searchable before as they are. None where the sink does not say.
        read_by: pages of ingested documents by what read them (``ParsedPage.parser``), without those that failed.
        gone: files that were in the folders of the run before, and are not any more.
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
    chunks_written: int | None = None
    read_by: dict[str, int] = field(default_factory=dict)
    gone: list[GoneFile] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    total: float = 0.0
    stopped: StorageFull | None = None

    def add(self, document: IngestedDocument) -> None:
        """Note a document that became searchable."""
        self.ingested.append(document)
        self.chunks += document.chunks
        for parser, pages in document.read_by.items():
            self.read_by[parser] = self.read_by.get(parser, 0) + pages


class Meter:
    """Counts for ``Progress``, and shows it at most ten times a second.

    Args:
        paths: as given to the run; looked through once beforehand for their number and size, if there is a ``show``.
        show: takes the progress.
    """

    def __init__(self, paths: Iterable[str | Path], show: Callable[[Progress], None] | None) -> None:
        self._show = show
        self._last = 0.0
        self._name = self._uri = ""
        self._page = self._pages = self._page_failures = 0
        self._done = self._failed = self._total = 0
        self._pages_done = self._pages_kept = self._pages_failed = 0
        self._pages_known = 0
        self._bytes_known = self._bytes_left = 0
        self._elsewhere: dict[str, int] = {}
        if show:
            for _, item in discover_all(paths):
                self._total += 1
                self._bytes_left += _size(item)
                if isinstance(item, RemoteFile):
                    self._elsewhere[item.uri] = item.size or 0

    def opened(self, source: Source, pages: int) -> None:
        """A document is under way."""
        self._name, self._uri = source.name, source.uri
        self._page, self._pages, self._page_failures = 0, pages, 0
        self._pages_known += pages
        self._bytes_known += source.size
        self._bytes_left -= self._elsewhere.pop(source.uri, source.size)
        self.show()

    def page(self, *, kept: bool, failed: bool) -> None:
        """One of its pages is through."""
        self._page += 1
        self._pages_done += 1
        self._pages_kept += kept
        self._pages_failed += failed
        self._page_failures += failed
        self.show()

    def closed(self, *, failed: bool) -> None:
        """It is through, or has failed."""
        self._pages_known -= self._pages - self._page
        self._failed += failed
        self._done += not failed
        self.show()

    def passed(self, path: str, *, failed: bool) -> None:
        """A file was through without being opened: done before, or not to be taken."""
        self._failed += failed
        self._done += not failed
        self._bytes_left -= self._elsewhere.pop(path) if path in self._elsewhere else _size(Path(path))
        self.show()

    def show(self, *, last: bool = False) -> None:
        """Show the progress, if it is time."""
        now = time.monotonic()
        if self._show is None or (not last and now - self._last < _PROGRESS_SECONDS):
            return
        self._last = now
        density = self._pages_known / self._bytes_known if self._bytes_known else 0.0
        ahead = 0 if last else round(max(0, self._bytes_left) * density)
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
                pages_expected=self._pages_known + ahead,
                page_failures=self._page_failures,
                uri=self._uri,
            )
        )


def _size(item: Path | RemoteFile | SourceError) -> int:
    """Bytes; 0 where they are not known without asking."""
    if isinstance(item, SourceError):
        return 0
    if isinstance(item, RemoteFile):
        return item.size or 0
    try:
        return item.stat().st_size
    except OSError:
        return 0
