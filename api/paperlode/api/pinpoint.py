"""A quotation's own place: the lines that were quoted, where a hit's boxes are those of its whole chunk."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from paperlode.ingest.document import Block, PageBox, ParsedPage
    from paperlode.retrieval.answer import Citation

__all__ = ["pinpoint"]


def pinpoint(citation: Citation, pages: Iterable[ParsedPage]) -> Citation:
    """The citation with the page and boxes of the quoted lines alone; as it was, where its text is not found.

    Args:
        citation: its boxes are those of the chunk that was quoted from.
        pages: the document's parsed pages on which those boxes stand.
    """
    text, places = _without_spaces(_blocks_under(pages, citation.boxes))
    boxes: list[PageBox] = []
    for quote in _quotes(citation.quote, text):
        at = text.find(quote)
        if at < 0:
            return citation
        for block, start, end in _runs(places[at : at + len(quote)]):
            boxes += block.regions_of(start, end)
    return replace(citation, page=boxes[0].page, boxes=tuple(dict.fromkeys(boxes))) if boxes else citation


def _quotes(quote: str, text: str) -> list[str]:
    """The quote without white space; line by line where it does not stand there in one."""
    whole = "".join(quote.split())
    if whole in text:
        return [whole] if whole else []
    return [q for line in quote.splitlines() if (q := "".join(line.split()))]


def _blocks_under(pages: Iterable[ParsedPage], boxes: Sequence[PageBox]) -> list[Block]:
    """Blocks of text that lie (also) in the boxes, in reading order. Rows of tables have boxes of their own already."""
    return [
        b
        for page in pages
        for b in page.blocks
        if b.table is None
        and any(r.page == box.page and r.box.overlap(box.box) > 0 for r in b.regions for box in boxes)
    ]


def _without_spaces(blocks: Sequence[Block]) -> tuple[str, list[tuple[Block, int]]]:
    """The blocks' characters but white space, and for each the block and offset it comes from."""
    places = [(b, i) for b in blocks for i, c in enumerate(b.text) if not c.isspace()]
    return "".join(b.text[i] for b, i in places), places


def _runs(places: Sequence[tuple[Block, int]]) -> Iterable[tuple[Block, int, int]]:
    """Block, first and last (exclusive) offset of each block touched."""
    from itertools import groupby

    for _, run in groupby(places, key=lambda p: id(p[0])):
        items = list(run)
        yield items[0][0], items[0][1], items[-1][1] + 1
