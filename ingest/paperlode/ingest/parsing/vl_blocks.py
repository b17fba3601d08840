"""A region and what was read of it become a block."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Box, Cell, Kind, PageBox, Table
from paperlode.ingest.parsing.layout_labels import meaning_of
from paperlode.ingest.parsing.otsl import parse_otsl
from paperlode.ingest.parsing.outline import heading_level
from paperlode.ingest.parsing.vl_outputs import clean_formula, clean_seal, clean_table, clean_text, parse_chart

if TYPE_CHECKING:
    from paperlode.ingest.parsing.judge import Answer
    from paperlode.ingest.parsing.layout import Region

__all__ = ["region_block"]

_LINE = 1.35  # heights of a line of print over its font size


def region_block(region: Region, answer: Answer, *, page: int, scale: float, body: float = 10.0) -> Block:
    """The block of a region, nothing of the answer left out.

    Args:
        region: in pixels.
        answer: what was read of it.
        page: 0-based.
        scale: points a pixel.
        body: font size in points of the page's running text, for the levels of headings.
    """
    meaning = meaning_of(region.label)
    where = PageBox(page, Box(*(v * scale for v in region.box)).rounded())
    block = Block(meaning.kind, "", (where,), meaning.layer, confidence=answer.confidence, flags=answer.flags)
    joined = "\n".join(answer.texts).strip()
    if not joined:
        return block
    if answer.plain:
        return _levelled(replace(block, text=joined), body)
    if meaning.kind is Kind.TABLE:
        return _table(block, answer, joined)
    if meaning.kind is Kind.CHART:
        chart = parse_chart(joined)
        return replace(block, text=chart.to_text() if chart else joined, table=chart, raw=joined)
    if meaning.kind is Kind.FORMULA:
        return replace(block, text=clean_formula(joined), raw=joined)
    if meaning.kind is Kind.SEAL:
        return replace(block, text=clean_seal(joined))
    return _levelled(replace(block, text=clean_text(joined)), body)


def _levelled(block: Block, body: float) -> Block:
    """A heading with its level: from its number, else from the height of its lines."""
    if block.kind is Kind.TITLE:
        return replace(block, level=1)
    if block.kind is not Kind.HEADING:
        return block
    lines = block.text.count("\n") + 1
    size = block.regions[0].box.height / lines / _LINE
    return replace(block, level=heading_level(block.text, size=size, body=body))


def _table(block: Block, answer: Answer, raw: str) -> Block:
    """The table of all parts, one below the other; without cells in the output, its text and a flag."""
    tables = [t for text in answer.texts if (t := parse_otsl(text))]
    if len(tables) < len(answer.texts) or not tables:
        return replace(block, text=raw, raw=raw, flags=(*block.flags, "output_no_table"))
    table = tables[0]
    for part in tables[1:]:
        table = _below(table, part)
    table = clean_table(table)
    return replace(block, text=table.to_text(), table=table, raw=raw)


def _below(upper: Table, lower: Table) -> Table:
    """Both as one grid. The lower one was cut off between rows: its first rows are no header."""
    moved: list[Cell] = [replace(c, row=c.row + upper.rows) for c in lower.cells]
    return replace(upper, rows=upper.rows + lower.rows, cols=max(upper.cols, lower.cols), cells=(*upper.cells, *moved))
