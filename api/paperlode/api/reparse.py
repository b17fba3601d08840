"""Pages that want a look, read again by another parser; the rest of their documents stays as it was read.

A document keeps its place in the index until its mended version is whole: pages are read and kept first, then the
document is chunked and embedded from the kept pages, and swapped in one step. A second run goes on where one was broken off.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from paperlode.api.originals import found_source
from paperlode.ingest.copies import failed_as, shown_as
from paperlode.ingest.errors import InvalidRequest, SourceError
from paperlode.ingest.ledger_findings import mended
from paperlode.ingest.sources import check_unchanged, open_source, stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from paperlode.ingest.copies import Copies
    from paperlode.ingest.document import ParsedPage
    from paperlode.ingest.ledger import DocumentRecord, FlaggedPage, Ledger, Recipe
    from paperlode.ingest.parsing.base import Parser
    from paperlode.ingest.pipeline import Sink
    from paperlode.retrieval.embedding import Embedder

__all__ = ["PageOutcome", "Reparse", "ReparseReport", "chosen"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PageOutcome:
    """What came of a page read again.

    Attributes:
        document: digest. name: of its file. page: 0-based.
        before, after: codes of what the judge said of it.
        kept: whether the page stays as it was read before, because it failed this time (``why``).
    """

    document: str
    name: str
    page: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    kept: bool = False
    why: str = ""


@dataclass(slots=True)
class ReparseReport:
    """What a run did: every page it read again, and the documents that are searchable in their mended version."""

    pages: list[PageOutcome] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)

    @property
    def sound(self) -> int:
        """Pages that want no look any more."""
        return sum(not p.after and not p.kept for p in self.pages)


def chosen(flagged: Sequence[FlaggedPage], *, codes: Sequence[str]) -> dict[str, list[FlaggedPage]]:
    """The pages by document; with ``codes``, only those with one of them.

    Raises:
        InvalidRequest: a code that no page has.
    """
    known = {f.code for p in flagged for f in p.findings}
    if unknown := sorted(set(codes) - known):
        some = f"There are: {', '.join(sorted(known))}." if known else "No page wants a look."
        raise InvalidRequest(f"No page has the finding {', '.join(unknown)}.", hint=some)
    out: dict[str, list[FlaggedPage]] = {}
    for page in flagged:
        if not codes or any(f.code in codes for f in page.findings):
            out.setdefault(page.document, []).append(page)
    return out


class Reparse:
    """One run over pages that want a look.

    Args:
        ledger: where pages are kept.
        sink: into the index.
        embedder: that the index was made with.
        parser: reads the pages.
        space: folder on whose disk the results go, and the bytes that must be free there.
        copies: where documents from elsewhere are put while they are read.
        on_page: told what came of each page.
    """

    def __init__(
        self,
        ledger: Ledger,
        sink: Sink,
        embedder: Embedder,
        parser: Parser,
        *,
        space: tuple[Path, int],
        copies: Copies,
        on_page: Callable[[PageOutcome], None] | None = None,
    ) -> None:
        self._ledger, self._sink, self._embedder, self._parser = ledger, sink, embedder, parser
        self._space = space
        self._copies = copies
        self._on_page = on_page

    def run(self, wanted: Sequence[tuple[DocumentRecord, Sequence[FlaggedPage]]]) -> ReparseReport:
        """Read these pages again, document by document.

        Raises:
            SourceError: a file is gone or holds something else now; that document was not changed.
            ServerError: no recognition server can be used. StorageFull: no room.
        """
        report = ReparseReport()
        for record, pages in wanted:
            path, fingerprint, outcomes = self._read(record, pages)
            report.pages += outcomes
            if not all(o.kept for o in outcomes):
                report.documents += self._put_in(path, replace(record.recipe, parser=fingerprint))
        return report

    def _put_in(self, path: str, recipe: Recipe) -> list[str]:
        """The document, its pages all kept under this recipe, chunked and swapped in."""
        from paperlode.ingest.chunking import ChunkOptions
        from paperlode.ingest.pipeline import RunOptions, run

        options = ChunkOptions()
        done = run(
            [path],
            parser=self._parser,
            counter=self._embedder,
            sink=self._sink,
            ledger=self._ledger,
            recipe=replace(recipe, chunker=options.fingerprint),
            options=RunOptions(disk=self._space[0], free_bytes=self._space[1], copies=self._copies, gone_from=()),
            chunking=options,
        )
        if done.stopped:
            raise done.stopped
        if done.failed:
            raise SourceError(done.failed[0].what, hint=done.failed[0].hint)
        return [d.digest for d in done.ingested]

    def _read(self, record: DocumentRecord, wanted: Sequence[FlaggedPage]) -> tuple[str, str, list[PageOutcome]]:
        """Path, the fingerprint that the pages are kept under, and what came of each page wanted."""
        with found_source(record, self._copies) as (place, path), shown_as(place, path):
            source, before = open_source(path), stamp(path)
            numbers = [p.page for p in wanted]
            fingerprint = mended(record.recipe.parser, self._parser.fingerprint, numbers)
            self._ledger.adopt_pages(record.content, record.recipe.parser, fingerprint)
            outcomes: list[PageOutcome] = []
            for was, read in zip(wanted, _accounted(self._parser.parse(source, numbers), numbers), strict=True):
                check_unchanged(source, before)
                page = failed_as(read, place, path)
                outcome = _outcome(was, page)
                if not outcome.kept:
                    self._ledger.save_page(record.content, fingerprint, page)
                outcomes.append(outcome)
                if self._on_page:
                    self._on_page(outcome)
        return place, fingerprint, outcomes


def _accounted(parsed: Iterator[ParsedPage], numbers: Sequence[int]) -> Iterator[ParsedPage]:
    for number, page in zip(numbers, parsed, strict=True):
        if page.page != number:
            raise ValueError(f"the parser gave page {page.page + 1} where {number + 1} was asked for: a bug in it")
        yield page


def _outcome(was: FlaggedPage, page: ParsedPage) -> PageOutcome:
    before = tuple(dict.fromkeys(f.code for f in was.findings))
    if page.failure is None:
        after = tuple(dict.fromkeys(f.code for f in page.concerns))
        return PageOutcome(was.document, was.name, was.page, before, after)
    log.info("%s page %d: %s", was.name, was.page + 1, page.failure.message)
    why = page.failure.message
    return PageOutcome(was.document, was.name, was.page, before, before, kept=not was.failed, why=why)
