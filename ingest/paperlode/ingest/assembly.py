"""Pages to document: furniture told apart, captions with their tables, what runs over pages made whole, outline.

Streaming: a few pages are looked at together; only what goes on over a page break is held longer. Nothing is dropped.
What lies between the two ends of something joined (footers, notes, headers) follows it. The text of every page is in
the blocks, but for header rows that a table's continuation repeats word for word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from paperlode.ingest.captions import Item, items
from paperlode.ingest.document import Block, Kind, Layer, ParsedDocument, ParsedPage, Source, without_blocks
from paperlode.ingest.furniture import CONTINUED, mark_furniture
from paperlode.ingest.outline import Outline
from paperlode.ingest.paragraph_joins import join_paragraphs
from paperlode.ingest.table_headers import table_text
from paperlode.ingest.table_joins import merge_tables, same_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["assemble", "assemble_document"]

LONGEST_BETWEEN = 240
"""Characters of a remark that may stand between the two parts of a table."""

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


@dataclass(slots=True)
class _Open:
    """A block that may go on after the next break, where it ends, and what has come since."""

    block: Block
    page: int
    since: list[Item] = field(default_factory=list)
    merged: bool = False


def _joined(pages: Iterable[ParsedPage]) -> Iterator[Block]:
    held: _Open | None = None
    for page in pages:
        if held and page.page > held.page + 1:
            yield from _flush(held)
            held = None
        for item in items(page):
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


def _join(held: _Open, item: Item, page: int) -> _Open | None:
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
            i if _says_more(i.block) else Item(replace(i.block, layer=Layer.FURNITURE, level=None)) for i in held.since
        ]
        held.since = since + [Item(b) for b in aside]
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


def _captions_allow(held: _Open, item: Item) -> bool:
    """Whether the captions in front of the second part only repeat those of the first."""
    table = held.block.table
    known = [*table.caption.split("\n"), table.caption] if table else []
    return all(bool(CONTINUED.search(b.text)) or any(same_words(b.text, k) for k in known if k) for b in item.captions)


def _next_column(first: Block, second: Block) -> bool:
    if not first.regions or not second.regions or first.regions[-1].page != second.regions[0].page:
        return False
    a, b = first.regions[-1].box, second.regions[0].box
    return b.x0 >= a.x1 - 2 and b.y0 < a.y1 and abs(a.width - b.width) < 0.35 * max(a.width, b.width, 1)
