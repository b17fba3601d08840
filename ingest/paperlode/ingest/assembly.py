"""Pages to document: furniture told apart, captions with their tables, what runs over pages made whole, outline.

Streaming: a few pages are looked at together; only what goes on over a page break is held longer. Nothing is dropped.
What lies between the two ends of something joined (footers, notes, headers) follows it. The text of every page is in
the blocks, but for header rows that a table's continuation repeats word for word.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from paperlode.ingest.captions import Item, items
from paperlode.ingest.document import Block, Finding, Kind, Layer, ParsedDocument, ParsedPage, Source, without_blocks
from paperlode.ingest.furniture import mark_furniture
from paperlode.ingest.half_tables import whole_tables
from paperlode.ingest.headings import mark_headings
from paperlode.ingest.outline import Outline
from paperlode.ingest.paragraph_joins import interrupts, is_lone_number, join_paragraphs
from paperlode.ingest.refs import named, tied
from paperlode.ingest.table_breaks import (
    Between,
    captions_allow,
    is_reference,
    new_title,
    of_header,
    running_key,
    stands_after,
    stands_before,
    stands_beside,
)
from paperlode.ingest.table_checks import checked_whole
from paperlode.ingest.table_from_lines import as_rows
from paperlode.ingest.table_headers import table_text
from paperlode.ingest.table_joins import merge_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from paperlode.ingest.document import PageBox

__all__ = ["assemble", "assemble_document"]

CUT_BY_FAILED_PAGE = "table_cut_by_failed_page"
"""Flag, and code of the finding, of both parts of a table between which a page could not be read."""
RUNNING_LINES = 64
"""Headers and footers of the last pages that are remembered."""
EMPTY_PAGES = 2
"""Pages without text between the two halves of a paragraph, at most."""
TITLES_BACK = 2
"""Pages before, on which a running line must have stood (left and right pages may differ)."""

_OPEN_KINDS = frozenset({Kind.TEXT, Kind.LIST_ITEM, Kind.TABLE, Kind.HEADING})


def assemble(pages: Iterable[ParsedPage]) -> Iterator[Block]:
    """The document's blocks in reading order. Pages must come in ascending order; failed ones have no blocks."""
    outline = Outline()
    marked = outline.noting(whole_tables(mark_headings(mark_furniture(pages))))
    return tied(outline.placed(_joined(named(marked))))


def assemble_document(source: Source, pages: Iterable[ParsedPage]) -> ParsedDocument:
    """The whole document as one value (all of it in memory)."""
    records: list[ParsedPage] = []

    def noted() -> Iterator[ParsedPage]:
        for p in pages:
            records.append(without_blocks(p))
            yield p

    blocks = tuple(assemble(noted()))
    return ParsedDocument(source=source, pages=tuple(records), blocks=blocks)


@dataclass(slots=True)
class _Open:
    """A block that may go on after the next break, where it ends, and what has come since.

    ``doubtful``: something has come after which only a repeated header shows that a table goes on. ``failed``: the first
    and the last of the pages right after it that could not be read. ``blank``: a page without a body has come.
    """

    block: Block
    page: int
    since: list[Item] = field(default_factory=list)
    doubtful: bool = False
    failed: tuple[int, int] | None = None
    blank: bool = False

    @property
    def next_page(self) -> int:
        """The page on which it would go on."""
        return (self.failed[1] if self.failed else self.page) + 1


def _joined(pages: Iterable[ParsedPage]) -> Iterator[Block]:
    held: _Open | None = None
    running: deque[tuple[int, str]] = deque(maxlen=RUNNING_LINES)
    for page in pages:
        if held and page.failure and held.block.kind is Kind.TABLE and page.page == held.next_page:
            held.failed = (held.failed[0] if held.failed else page.page, page.page)
            continue
        if held and page.page > held.next_page:
            yield from _flush(held)
            held = None
        for item in items(page):
            if item.block.layer is Layer.FURNITURE:
                running.append((page.page, item.block.text))
            if held is None:
                held = _Open(item.block, page.page) if _can_go_on(item.block) else None
                if held is None:
                    yield _whole(item.block)
                continue
            b = item.block
            if b.layer is not Layer.BODY:
                if held.block.kind is Kind.HEADING:
                    yield _whole(b)  # furniture goes before a heading, not between it and its section
                else:
                    held.since.append(item)
                continue
            if held.block.kind is Kind.TABLE and (between := _between(b, held, page.page, running)) is not Between.NO:
                held.doubtful = held.doubtful or between is Between.DOUBTFUL
                held.since.append(item)
                continue
            if interrupts(held.block, b):
                held.since.append(item)
                continue
            here = _told_of_failure(held, item, page.page, running)
            if (joined := _join(held, here, page.page, running)) is None and (tail := _tail(held)) is not None:
                yield from _flush(held)
                held = tail
                joined = _join(held, here, page.page, running)
            if joined is not None:
                held = joined
                continue
            yield from _flush(held)
            held = None
            if _can_go_on(here.block):
                held = _Open(here.block, page.page)
            else:
                yield _whole(here.block)
        if held and held.block.kind is Kind.TABLE and held.page == page.page - 1 and not held.blank and not held.failed:
            held.page, held.blank = page.page, True
        elif held and held.page == page.page - 1 and not page.failure and _passed_over(page, held.block):
            held.page = page.page
    if held:
        yield from _flush(held)


def _passed_over(page: ParsedPage, held: Block) -> bool:
    """Whether a text may go on behind this page: it is empty, or has pictures only, and not too many such have come."""
    near = bool(held.regions) and page.page - held.regions[-1].page <= EMPTY_PAGES
    pictures = (Kind.FIGURE, Kind.CHART)
    return near and not any(b.layer is Layer.BODY and b.kind not in pictures and b.text.strip() for b in page.blocks)


def _can_go_on(block: Block) -> bool:
    return block.layer is Layer.BODY and block.kind in _OPEN_KINDS


def _flush(held: _Open) -> Iterator[Block]:
    yield _whole(held.block)
    for item in held.since:
        yield _whole(item.block)


def _tail(held: _Open) -> _Open | None:
    """The last text after a table that did not go on, taken from it: that text may go on itself."""
    if held.block.kind is not Kind.TABLE:
        return None
    at = next((i for i in range(len(held.since) - 1, -1, -1) if _can_go_on(held.since[i].block)), None)
    if at is None:
        return None
    block = held.since[at].block
    tail = _Open(block, block.regions[-1].page if block.regions else held.page, held.since[at + 1 :])
    held.since = held.since[:at]
    return tail


def _whole(block: Block) -> Block:
    """The block as it leaves: a table's text is written once, when all its parts are there."""
    return block if block.table is None else checked_whole(replace(block, text=table_text(block.table)))


def _between(block: Block, held: _Open, page: int, running: Iterable[tuple[int, str]]) -> Between:
    """Whether a body block after a table may stand between its two parts: ``(continued)``, ``See accompanying notes``."""
    if page == held.page and not held.blank:
        return stands_after(block, held.block)
    keys = [running_key(t) for p, t in running if p < page]
    return stands_before(block, held.block, keys) if page <= held.next_page else Between.NO


def _join(held: _Open, item: Item, page: int, running: Iterable[tuple[int, str]]) -> _Open | None:
    """The held block with the item as its continuation, or None."""
    first, second = held.block, item.block
    if first.kind is Kind.TABLE:
        if page != held.page + 1:
            return None
        merged = _merged(held, item, page, running)
        if merged is None:
            return None
        aside = [Item(replace(b, layer=Layer.FURNITURE, level=None)) for b in _captions(item)]
        since = [
            _aside(i, second) if i.block.regions and i.block.page > first.regions[-1].page else i for i in held.since
        ]
        return _Open(merged, page, since + aside)
    if page == held.page and not _next_column(first, second) and not any(_cuts(i.block) for i in held.since):
        return None
    joined = join_paragraphs(first, second)
    if joined is None:
        return None
    held.block, held.page = joined, page
    held.since = [Item(_numbered(i.block)) if is_lone_number(i.block) else i for i in held.since]
    return held


def _captions(item: Item) -> tuple[Block, ...]:
    """The captions of a table that may go on: blocks beside it, and what its parser had in the table itself."""
    if item.block.table is None:
        return item.captions
    beside = "\n".join(t for b in item.captions if (t := b.text.strip()))
    own = item.block.table.caption.removeprefix(beside).strip()
    return (*item.captions, *([Block(Kind.CAPTION, own, item.block.regions[-1:], ref=item.block.ref)] if own else []))


def _cuts(block: Block) -> bool:
    return block.layer is Layer.BODY and (block.kind in (Kind.FIGURE, Kind.CHART) or is_lone_number(block))


def _numbered(block: Block) -> Block:
    return replace(block, kind=Kind.PAGE_NUMBER, layer=Layer.FURNITURE)


def _merged(held: _Open, item: Item, page: int, running: Iterable[tuple[int, str]]) -> Block | None:
    """The held table with the item's rows, or None when the item is no continuation of it."""
    first, second = held.block, item.block
    between = [i.block for i in held.since if i.block.regions and i.block.page > first.regions[-1].page]
    repeated = any(of_header(b.text, first.table) for b in between)
    if second.kind is not Kind.TABLE:
        rows = as_rows(first, second, fewest=1) if repeated else as_rows(first, second)
        if rows is None:
            return None
        second = rows
    if not captions_allow(_captions(item), first):
        return None
    keys = [running_key(t) for p, t in running if p < page]
    for b in between:
        unsure = b.layer is Layer.BODY and stands_before(b, first, keys) is Between.BESIDE
        if unsure and not stands_beside(b, second):
            return None
    doubtful = held.doubtful and not repeated
    earlier = [(p, t) for p, t in running if page - TITLES_BACK <= p < page]
    for i in held.since:
        if i.block.kind is Kind.PAGE_HEADER and i.block.layer is Layer.FURNITURE and i.block.regions:
            verdict = new_title(i.block, second, earlier)
            if verdict is Between.NO:
                return None
            doubtful = doubtful or (verdict is Between.DOUBTFUL and not repeated)
    return merge_tables(first, second, doubtful=doubtful)


def _told_of_failure(held: _Open, item: Item, page: int, running: Iterable[tuple[int, str]]) -> Item:
    """The item, and the held table, with a finding where both look like parts of a table that failed pages cut."""
    if not held.failed or page != held.next_page or item.block.kind is not Kind.TABLE:
        return item
    if _merged(held, item, page, running) is None:
        return item
    start, end = held.failed
    pages = f"Page {start + 1}" if start == end else f"Pages {start + 1} to {end + 1}"
    reason = f"{pages} could not be read: the parts of the table before and after stand apart, rows are missing between them."
    held.block = _cut(held.block, reason, held.block.regions[-1:])
    return replace(item, block=_cut(item.block, reason, item.block.regions[:1]))


def _cut(block: Block, reason: str, regions: tuple[PageBox, ...]) -> Block:
    finding = Finding(CUT_BY_FAILED_PAGE, reason, regions)
    flags = tuple(dict.fromkeys((*block.flags, CUT_BY_FAILED_PAGE)))
    return replace(block, flags=flags, findings=(*block.findings, finding))


def _aside(item: Item, second: Block) -> Item:
    """What stood before the second part: a repeated title or a mark of continuation is furniture, a reference stays."""
    b = item.block
    if b.layer is not Layer.BODY or is_reference(b) or not b.text.strip() or stands_beside(b, second):
        return item
    return Item(replace(b, layer=Layer.FURNITURE, level=None))


def _next_column(first: Block, second: Block) -> bool:
    if not first.regions or not second.regions or first.regions[-1].page != second.regions[0].page:
        return False
    a, b = first.regions[-1].box, second.regions[0].box
    return b.x0 >= a.x1 - 2 and b.y0 < a.y1 and abs(a.width - b.width) < 0.35 * max(a.width, b.width, 1)
