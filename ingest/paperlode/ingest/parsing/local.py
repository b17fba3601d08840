"""The local parser: CPU only, nothing downloaded, the way chosen page by page."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import PageFailure, ParsedPage
from paperlode.ingest.errors import PageError, PageOutOfMemory, PageUnreadable, SourceError
from paperlode.ingest.pages import PageRef, bookmarks_of, count_pages, open_pdf, read_picture
from paperlode.ingest.parsing.prints import prints_of
from paperlode.ingest.parsing.turning import lying, remove_rotation, turned_page
from paperlode.ingest.workers import WorkerLimits, WorkerPool, is_memory_error, tidy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pymupdf

    from paperlode.ingest.document import Block, Source
    from paperlode.ingest.parsing.evidence import Word

__all__ = ["LocalOptions", "LocalParser", "parse_page"]

NUMBER = 3
VERSION = f"local-{NUMBER}"
SINCE = {"blank": 2, "plain": 3, "layout": 3, "scan": 3}
"""For each way to read a page the version since which it is chosen, and reads, as it does now: raised with ``NUMBER`` for the
ways that a change concerns."""
SCAN_DPI = 200
SPECKS_LEFT_OUT = "layer_specks_left_out"
"""Flag of a searchable scan whose invisible layer has lone signs where nothing can be read in the picture."""
_MOST_ENLARGED = 2.0
"""Times that resolution, for a searchable scan in tiny type."""
_TIDY_PAGES = 8
"""Pages a worker reads before it gives back memory: 390 MB after 720 pages, where it had grown to 650."""
_read = count(1)


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """What changes the result.

    Attributes:
        route: ``auto`` chooses page by page; ``plain``, ``layout`` and ``scan`` force one way (for measuring).
    """

    route: str = "auto"


class LocalParser:
    """Parses pages in worker processes.

    Args:
        options: what changes the result.
        password: tried on every encrypted document.
        workers: processes; default one a core.
        limits: time and memory of one page.
    """

    def __init__(
        self,
        *,
        options: LocalOptions | None = None,
        password: str | None = None,
        workers: int | None = None,
        limits: WorkerLimits | None = None,
    ) -> None:
        self.options = options or LocalOptions()
        self._password = password
        self.pool = WorkerPool(workers, limits)

    @property
    def fingerprint(self) -> str:
        """``local-3``, and the route where it is forced."""
        return VERSION if self.options.route == "auto" else f"{VERSION}-{self.options.route}"

    @property
    def documents_at_once(self) -> int:
        """Two keep the workers busy; where there are more workers, four."""
        return max(2, min(4, self.pool.workers))

    def _ref(self, source: Source, page: int) -> PageRef:
        return PageRef(source.uri, page, pdf=source.media_type == "application/pdf", password=self._password)

    def page_count(self, source: Source) -> int:
        """Number of pages. Raises SourceEncrypted, SourceCorrupt, SourceEmpty, or PageError when opening it kills a worker."""
        return self.pool.call(count_pages, self._ref(source, 0), what=source.uri)

    def page_prints(self, source: Source, stop: int) -> Sequence[str]:
        """What the pages before ``stop`` show; see ``base.Parser``. Empty for pages that kill a worker."""
        return prints_of(self.pool, self._ref(source, 0), stop)

    def stands(self, read_by: str) -> bool:
        """Whether that way still reads as it did then; see ``base.Parser``. Nothing stands where a way is forced."""
        version, _, way = read_by.partition("/")
        number = version.removeprefix("local-")
        return self.options.route == "auto" and number.isdigit() and SINCE.get(way, NUMBER + 1) <= int(number) <= NUMBER

    def parse(self, source: Source, pages: Sequence[int]) -> Iterator[ParsedPage]:
        """The pages in the order asked for; a few are read ahead. See ``base.Parser``."""
        ahead = 8 * self.pool.workers
        flying: deque[tuple[PageRef, Any]] = deque()
        todo = iter(pages)
        try:
            while True:
                while len(flying) < ahead and (page := next(todo, None)) is not None:
                    ref = self._ref(source, page)
                    flying.append((ref, self.pool.submit(parse_page, ref, self.options)))
                if not flying:
                    return
                ref, future = flying.popleft()
                yield self._settle(ref, future)
        finally:
            for _, future in flying:
                future.cancel()

    def _settle(self, ref: PageRef, future: Any) -> ParsedPage:
        try:
            page: ParsedPage = self.pool.result(future, str(ref))
        except PageError as e:
            return _failed(ref, e)
        return page

    def close(self) -> None:
        """Ends the workers. Idempotent."""
        self.pool.close()


def _failed(ref: PageRef, error: PageError, width: float = 0.0, height: float = 0.0) -> ParsedPage:
    return ParsedPage(ref.page, width, height, VERSION, failure=PageFailure(error.code, str(error)))


def parse_page(ref: PageRef, options: LocalOptions) -> ParsedPage:
    """One page, parsed in the calling process; every failure of the page is a value.

    Raises:
        SourceError: the file vanished or cannot be opened any more.
    """
    if next(_read) % _TIDY_PAGES == 0:
        tidy()
    try:
        page = _parse_pdf(ref, options) if ref.pdf else _parse_scan(ref)
        return replace(page, bookmarks=bookmarks_of(ref))
    except PageError as e:
        return _failed(ref, e)
    except SourceError:  # the file is gone or not to be opened any more: that is no page's fault
        raise
    except Exception as e:  # noqa: BLE001  a library's error about one page must not end a document
        kind = PageOutOfMemory if is_memory_error(e) else PageUnreadable
        return _failed(ref, kind(f"{ref} cannot be parsed: {type(e).__name__}: {e}."))


def _parse_pdf(ref: PageRef, options: LocalOptions) -> ParsedPage:
    from paperlode.ingest.parsing.engine import enlargement
    from paperlode.ingest.parsing.evidence import digital_evidence, glyphs_of, layer_flags, words_of
    from paperlode.ingest.parsing.quality import judged
    from paperlode.ingest.parsing.textlayer import Trust, judge

    doc = open_pdf(ref.path, ref.password)
    page = doc[ref.page]
    remove_rotation(page)
    width, height = float(page.rect.width), float(page.rect.height)
    textpage = page.get_textpage(flags=layer_flags())
    text: Any = page.get_text("dict", textpage=textpage)
    blocks: list[dict[str, Any]] = text["blocks"]
    if options.route == "scan":
        return _parse_scan(ref)
    verdict = judge(page, blocks)
    if verdict.trust is Trust.BLANK:
        return ParsedPage(ref.page, width, height, f"{VERSION}/blank")
    if options.route == "auto" and verdict.searchable:
        dpi = round(SCAN_DPI * min(_MOST_ENLARGED, enlargement(page)))
        if (twice := _parse_searchable(ref, words_of(textpage, blocks), dpi)) is not None:
            return twice
    if verdict.scan and options.route == "auto":
        scanned = _parse_scan(ref)
        return replace(scanned, flags=(*scanned.flags, f"text_layer_{verdict.trust}"))
    way, found, rotation = _read_digital(page, blocks, ref.page, options)
    read = ParsedPage(ref.page, width, height, f"{VERSION}/{way}", found, rotation=rotation)
    return judged(read, lambda: digital_evidence(page, *(glyphs_of(page) if way == "layout" else (textpage, blocks))))


def _read_digital(
    page: pymupdf.Page, blocks: list[dict[str, Any]], index: int, options: LocalOptions
) -> tuple[str, tuple[Block, ...], int]:
    from paperlode.ingest.parsing.choice import features, needs_layout
    from paperlode.ingest.parsing.engine import read_layout
    from paperlode.ingest.parsing.geometry import Affine, map_blocks
    from paperlode.ingest.parsing.lines import lines_of
    from paperlode.ingest.parsing.plain import read_plain

    lines = [ln for ln in lines_of(blocks) if ln.text]
    seen = features(lines)
    turn = lying(blocks)
    if turn == 180 or (turn and seen.upright < 0.5):
        width, height = float(page.rect.width), float(page.rect.height)
        upright = turned_page(page, turn)
        back = Affine.quarter_turn(turn, width, height).inverse()
        return "layout", map_blocks(read_layout(upright, index), back.box, width, height), turn
    if options.route == "layout" or (options.route == "auto" and needs_layout(seen)):
        return "layout", read_layout(page, index), 0
    return "plain", read_plain(lines, index, float(page.rect.height)), 0


def _parse_searchable(ref: PageRef, words: Sequence[Word], dpi: int) -> ParsedPage | None:
    """A scan that has an invisible layer, which is a second reader; None where the layer is to be read alone."""
    from paperlode.ingest.parsing.second_reader import settled

    page = _parse_scan(ref, dpi)
    if (both := settled(page.blocks, words, ref.page)) is None:
        return None
    blocks, specks = both
    return replace(page, blocks=blocks, flags=(*page.flags, *([SPECKS_LEFT_OUT] if specks else [])))


def _parse_scan(ref: PageRef, dpi: int = SCAN_DPI) -> ParsedPage:
    from paperlode.ingest.parsing.evidence import Evidence, ink_of
    from paperlode.ingest.parsing.quality import judged
    from paperlode.ingest.parsing.scan import read_scan

    picture, width, height = read_picture(ref, dpi=dpi)
    result = read_scan(picture, width, height, ref.page)
    flags = (f"unreadable_lines_{result.unreadable}",) if result.unreadable else ()
    page = ParsedPage(
        ref.page,
        width,
        height,
        f"{VERSION}/scan",
        result.blocks,
        rotation=result.rotation,
        skew=result.skew,
        flags=flags,
    )
    return judged(page, lambda: Evidence(ink=ink_of(picture, width, height)))
