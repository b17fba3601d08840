"""The blocks of one page with each table's caption, units line and header rows put to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Kind, Layer, ParsedPage
from paperlode.ingest.table_headers import infer_header_rows, is_units_line

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Item", "items"]

NEAR = 40.0
"""Points between a table and what is taken for its caption."""
LONGEST_LEAD_IN = 240
"""Characters of ``The following table shows ...:`` that are taken for a caption."""
LONGEST_TITLE = 100
"""Characters of a line without a sentence end, right over a table or its units, that is taken for its title."""
MOST_CAPTIONS = 3
"""Blocks in front of a table that are looked at."""

_LABEL = re.compile(r"(?:table|tab\.|表)\s*[\dA-Z一二三四五六七八九十(（]?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Item:
    """A block of one page; for a table with the blocks that were taken for its caption."""

    block: Block
    captions: tuple[Block, ...] = ()


def items(page: ParsedPage) -> Iterator[Item]:
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
            yield Item(b)
            continue
        captions = tuple(blocks[j] for j in taken.get(i, ()))
        yield Item(_with_captions(b, captions), captions)


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
        findings=(*block.findings, *(f for b in captions for f in b.findings)),
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
