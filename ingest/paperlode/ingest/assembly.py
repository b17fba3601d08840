"""Pages to document: furniture told apart, captions with their tables, what runs over pages made whole, outline.

Streaming: a few pages are looked at together; only what goes on over a page break is held longer. Nothing is dropped.
What lies between the two ends of something joined (footers, notes, headers) follows it. The text of every page is in
the blocks, but for header rows that a table's continuation repeats word for word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from paperlode.ingest.continuation import join_paragraphs, merge_tables, same_words
from paperlode.ingest.document import Block, Kind, Layer, ParsedDocument, ParsedPage, Source, without_blocks
from paperlode.ingest.furniture import CONTINUED, mark_furniture
from paperlode.ingest.outline import Outline
from paperlode.ingest.table_headers import infer_header_rows, is_units_line, table_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["assemble", "assemble_document"]

NEAR = 40.0
"""Points between a table and what is taken for its caption."""
LONGEST_LEAD_IN = 240
"""Characters of ``The following table shows ...:`` that are taken for a caption."""
LONGEST_TITLE = 100
"""Characters of a line without a sentence end, right over a table or its units, that is taken for its title."""
MOST_CAPTIONS = 3
"""Blocks in front of a table that are looked at."""
LONGEST_BETWEEN = 240
"""Characters of a remark that may stand between the two parts of a table."""

_LABEL = re.compile(r"(?:table|tab\.|表)\s*[\dA-Z一二三四五六七八九十(（]?", re.IGNORECASE)
_SEE_NOTES = re.compile(
    r"(?:the accompanying notes|see (?:the )?(?:accompanying )?notes|\(?continued (?:on|from))", re.IGNORECASE
)
_OPEN_KINDS = frozenset({Kind.TEXT, Kind.LIST_ITEM, Kind.TABLE, Kind.HEADING})


def assemble(pages: Iterable[ParsedPage]) -> Iterator[Block]:
    """The document's blocks in reading order. Pages must come in ascending order; failed ones have no blocks."""
    outline = Outline()
    for block in _joined(mark_furniture(pages)):
        yield outline.place(block)


def assemble_document(source: Source, pages: Iterable[ParsedPage]) -> ParsedDocument:
    """The whole document as one value (all of it in memory)."""
    records: list[ParsedPage] = []

    def noted() -> Iterator[ParsedPage]:
        for p in pages:
            records.append(without_blocks(p))
            yield p

    blocks = tuple(assemble(noted()))
    return ParsedDocument(source=source, pages=tuple(records), blocks=blocks)


@dataclass(frozen=True, slots=True)
class _Item:
    """A block of one page; for a table with the blocks that were taken for its caption."""

    block: Block
    captions: tuple[Block, ...] = ()


@dataclass(slots=True)
class _Open:
    """A block that may go on after the next break, where it ends, and what has come since."""

    block: Block
    page: int
    since: list[_Item] = field(default_factory=list)
    merged: bool = False


def _joined(pages: Iterable[ParsedPage]) -> Iterator[Block]:
    held: _Open | None = None
    for page in pages:
        if held and page.page > held.page + 1:
            yield from _flush(held)
            held = None
        for item in _items(page):
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
            if held.block.kind is Kind.TABLE and _may_stand_between(b, held.block, same_page=page.page == held.page):
                held.since.append(item)
                continue
            if (joined := _join(held, item, page.page)) is not None:
                held = joined
                continue
            yield from _flush(held)
            held = None
            if _can_go_on(b):
                held = _Open(b, page.page)
            else:
                yield _whole(b)
    if held:
        yield from _flush(held)


def _can_go_on(block: Block) -> bool:
    return block.layer is Layer.BODY and block.kind in _OPEN_KINDS


def _flush(held: _Open) -> Iterator[Block]:
    yield _whole(held.block)
    for item in held.since:
        yield _whole(item.block)


def _whole(block: Block) -> Block:
    """The block as it leaves: a table's text is written once, when all its parts are there."""
    return block if block.table is None else replace(block, text=table_text(block.table))


def _may_stand_between(block: Block, table: Block, *, same_page: bool) -> bool:
    """Whether a body block after a table may be a remark on the break: ``(continued)``, ``See accompanying notes``."""
    if block.kind is Kind.TABLE or len(block.text) > LONGEST_BETWEEN:
        return False
    if same_page:
        return bool(_SEE_NOTES.match(block.text.strip()))
    caption = table.table.caption if table.table else ""
    if _SEE_NOTES.match(block.text.strip()) or not CONTINUED.sub("", block.text).strip(" ()（）.:-–—"):
        return True
    return bool(CONTINUED.search(block.text)) or any(same_words(block.text, c) for c in caption.split("\n"))


def _join(held: _Open, item: _Item, page: int) -> _Open | None:
    """The held block with the item as its continuation, or None."""
    first, second = held.block, item.block
    if first.kind is Kind.TABLE:
        if page != held.page + 1 or second.kind is not Kind.TABLE or not _captions_allow(held, item):
            return None
        merged = merge_tables(first, second)
        if merged is None:
            return None
        aside = [replace(b, layer=Layer.FURNITURE, level=None) for b in item.captions]
        since = [
            i if _says_more(i.block) else _Item(replace(i.block, layer=Layer.FURNITURE, level=None)) for i in held.since
        ]
        held.since = since + [_Item(b) for b in aside]
        held.block, held.page, held.merged = merged, page, True
        return held
    if page == held.page and not _next_column(first, second):
        return None
    joined = join_paragraphs(first, second)
    if joined is None:
        return None
    held.block, held.page = joined, page
    return held


def _says_more(block: Block) -> bool:
    return block.layer is not Layer.BODY or bool(_SEE_NOTES.match(block.text.strip()))


def _captions_allow(held: _Open, item: _Item) -> bool:
    """Whether the captions in front of the second part only repeat those of the first."""
    table = held.block.table
    known = [*table.caption.split("\n"), table.caption] if table else []
    return all(bool(CONTINUED.search(b.text)) or any(same_words(b.text, k) for k in known if k) for b in item.captions)


def _next_column(first: Block, second: Block) -> bool:
    if not first.regions or not second.regions or first.regions[-1].page != second.regions[0].page:
        return False
    a, b = first.regions[-1].box, second.regions[0].box
    return b.x0 >= a.x1 - 2 and b.y0 < a.y1 and abs(a.width - b.width) < 0.35 * max(a.width, b.width, 1)


def _items(page: ParsedPage) -> Iterator[_Item]:
    """The page's blocks, each table with its header rows and the caption that stood over (or right under) it."""
    blocks = list(page.blocks)
    taken: dict[int, list[int]] = {}
    used: set[int] = set()
    for i, b in enumerate(blocks):
        if b.table is None or b.layer is not Layer.BODY:
            continue
        over = _over(blocks, i, used)
        under = [] if over or b.table.caption else _under(blocks, i)
        used.update(over, under)
        taken[i] = [*over, *under]
    for i, b in enumerate(blocks):
        if i in used:
            continue
        if b.table is None:
            yield _Item(b)
            continue
        captions = tuple(blocks[j] for j in taken.get(i, ()))
        yield _Item(_with_captions(b, captions), captions)


def _with_captions(block: Block, captions: tuple[Block, ...]) -> Block:
    table = block.table
    assert table is not None
    rows = table.header_rows or infer_header_rows(table)
    caption = "\n".join(t for t in (*(b.text.strip() for b in captions), table.caption) if t)
    regions = (*(r for b in captions for r in b.regions), *block.regions)
    known = [c for c in (block.confidence, *(b.confidence for b in captions)) if c is not None]
    return replace(
        block,
        table=replace(table, header_rows=rows, caption=caption),
        regions=regions,
        confidence=min(known) if known else None,
        flags=tuple(dict.fromkeys((*block.flags, *(f for b in captions for f in b.flags)))),
    )


def _over(blocks: list[Block], at: int, used: set[int]) -> list[int]:
    out: list[int] = []
    below = blocks[at]
    for j in range(at - 1, max(-1, at - 1 - MOST_CAPTIONS), -1):
        b = blocks[j]
        if j in used or b.layer is not Layer.BODY or not _close(b, below) or not _is_caption(b):
            break
        if (
            b.kind is Kind.CAPTION
            and j
            and blocks[j - 1].kind in (Kind.FIGURE, Kind.CHART)
            and not _LABEL.match(b.text)
        ):
            break  # the caption of the figure over it
        out.insert(0, j)
        below = b
    return out


def _under(blocks: list[Block], at: int) -> list[int]:
    if at + 1 >= len(blocks):
        return []
    b = blocks[at + 1]
    labelled = b.kind is Kind.CAPTION and b.layer is Layer.BODY and bool(_LABEL.match(b.text))
    then_table = at + 2 < len(blocks) and blocks[at + 2].table is not None
    return [at + 1] if labelled and not then_table and _close(blocks[at], b) else []


def _is_caption(block: Block) -> bool:
    if block.kind is Kind.CAPTION:
        return True
    text = block.text.strip()
    if block.kind is not Kind.TEXT or not text:
        return False
    if is_units_line(text) or (text.endswith((":", "：")) and len(text) <= LONGEST_LEAD_IN):
        return True
    return (
        len(text) <= LONGEST_TITLE
        and "\n" not in text
        and text[-1] not in ".;,。；，!?！？"
        and _LABEL.match(text) is not None
    )


def _close(above: Block, below: Block) -> bool:
    if not above.regions or not below.regions or above.regions[-1].page != below.regions[0].page:
        return False
    a, b = above.regions[-1].box, below.regions[0].box
    return -5 <= b.y0 - a.y1 <= NEAR and min(a.x1, b.x1) > max(a.x0, b.x0)
