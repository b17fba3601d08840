"""What can be quoted from a hit: the sentences of text, the rows of a table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paperlode.ingest.document import Box, PageBox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paperlode.ingest.document import Table

    from .search import Hit

__all__ = ["Quote", "quotable"]

_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+(?=[\"'“‘(]?[A-Z0-9])|(?<=[。！？；])|\n{2,}")
_ABBREVIATION = re.compile(r"\b(?:No|Nos|Inc|Corp|Ltd|Co|Mr|Ms|Mrs|Dr|vs|e\.g|i\.e|U\.S|St|Fig|Sec|Art|[A-Z])\.$")
SHORTEST = 3
"""Words or digits: less says nothing."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence or a row.

    Attributes:
        hit: where it comes from.
        text: as printed.
        reading: as an answer shows it: a row with the names of its columns.
        page: where it starts. boxes: where it stands.
        subject: what a row's first cell is one of: the name of its column.
    """

    hit: Hit
    text: str
    reading: str
    page: int
    boxes: tuple[PageBox, ...]
    subject: str = ""

    @property
    def embedded(self) -> str:
        """With the heading above it, to be compared with a question."""
        path = self.hit.chunk.heading_path
        said = f"{self.subject} {self.reading}" if self.subject else self.reading
        return f"{path[-1]}\n{said}" if path else said


def quotable(hit: Hit) -> Iterator[Quote]:
    """The hit's own sentences or rows, in order; header rows are no quotes of their own."""
    part = hit.chunk.part
    if part is None:
        for sentence in sentences(hit.chunk.text):
            yield Quote(hit, sentence, sentence, hit.page, hit.regions)
        return
    for row in range(part.table.header_rows, part.table.rows):
        text = part.table.row_text(row)
        if len(text.split()) >= SHORTEST:
            boxes = _row_boxes(part.table, row) or hit.regions
            page, subject = boxes[0].page if boxes else hit.page, _column(part.table, 0)
            yield Quote(hit, text, _reading(part.table, row), page, boxes, subject)


def sentences(text: str, *, shortest: int = SHORTEST) -> Iterator[str]:
    """Sentences of English and Chinese text, printed lines joined; numbers and common abbreviations do not end one.

    English ones of fewer than ``shortest`` words are left out, unless they are the last.
    """
    held = ""
    for piece in _END.split(text):
        held = " ".join(f"{held} {piece}".split())
        if held and not _ABBREVIATION.search(held):
            if len(held.split()) >= shortest or not held.isascii():
                yield held
            held = ""
    if held:
        yield held


def _reading(table: Table, row: int) -> str:
    """A row with its columns' names: ``Net sales: 2018 32,765; 2017 31,657 (in millions)``."""
    first, *rest = [(c, t) for c in table.row_cells(row) if (t := " ".join(c.text.split()))]
    if not rest:
        return first[1]
    values = "; ".join(" ".join(t for t in (_column(table, c.col), text) if t) for c, text in rest)
    return f"{first[1]}: {values}" + (f" ({table.caption})" if table.caption else "")


def _column(table: Table, col: int) -> str:
    """The header cells above a column, top down."""
    above = [c for c in table.cells if c.row < table.header_rows and c.col <= col <= c.col_end]
    return " ".join(dict.fromkeys(" ".join(c.text.split()) for c in sorted(above, key=lambda c: c.row) if c.text))


def _row_boxes(table: Table, row: int) -> tuple[PageBox, ...]:
    """One box a page around the row's cells; none when the cells' places are unknown."""
    by_page: dict[int, list[Box]] = {}
    for cell in table.row_cells(row):
        if cell.region:
            by_page.setdefault(cell.region.page, []).append(cell.region.box)
    return tuple(PageBox(page, Box.around(boxes)) for page, boxes in sorted(by_page.items()))
