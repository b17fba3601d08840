"""Tables in Markdown, pipe or HTML, as rows of the text itself: where each begins and ends, and which are the header.

The rows share out the table's text without a gap, tags between rows included: whatever is cut between rows, nothing
is lost. Rows tied together by a ``rowspan`` are one row here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING

from paperlode.ingest.table_headers import infer_header_rows
from paperlode.ingest.tables import Cell, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.text_cuts import Span

__all__ = ["PIPE_HEADER", "SourceTable", "html_table", "pipe_table"]

PIPE_HEADER = 2
"""Lines that head a pipe table: the names of the columns, and the line of dashes."""
MOST_SPAN = 1000
"""Rows or columns that a span is believed to cover."""
MOST_CELLS = 400
"""Cells that are looked at to find the header."""

_TAG = re.compile(
    r"<(?P<end>/?)(?P<name>table|thead|tr|t[dh])\b(?P<rest>(?:[^<>\"']|\"[^\"]*\"|'[^']*'){0,400})>", re.IGNORECASE
)
_SPAN = re.compile(r"\b(row|col)span\s*=\s*[\"']?\s*(\d{1,4})", re.IGNORECASE)
_ANY_TAG = re.compile(r"<[^<>]{0,400}>")


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table as it stands in a text.

    Attributes:
        rows: start and end of each row; they share out the table without a gap.
        header: how many of the first rows name the columns.
        opening: what stands over a part that has no header row, so that it is a table.
        closing: what must end a part that is not the last.
    """

    rows: tuple[Span, ...]
    header: int
    opening: str = ""
    closing: str = ""

    @property
    def header_end(self) -> int:
        """Where the header ends; the table's start when it has none."""
        return self.rows[self.header - 1][1] if self.header else self.rows[0][0]


def pipe_table(lines: Sequence[Span]) -> SourceTable:
    """A table of one line a row, the header's two lines first."""
    return SourceTable(tuple(lines), min(PIPE_HEADER, len(lines)))


@dataclass(slots=True)
class _Row:
    """A row while tags go by: its start, whether it is a head's, its cells (tag, text, row span, column span)."""

    start: int
    in_head: bool
    cells: list[tuple[str, str, int, int]]


def html_table(text: str, start: int, end: int) -> SourceTable:
    """The table whose HTML stands from ``start`` to ``end``, with what is wrapped around it."""
    rows = _rows(text, start, end)
    if not rows:
        return SourceTable(((start, end),), 0, "<table>", "</table>")
    header = _header(rows)
    begins = [start, *(rows[i].start for i in _untied(rows, header))]
    spans = tuple(zip(begins, [*begins[1:], end], strict=True))
    heads = sum(1 for b in begins if b < rows[header].start) if header < len(rows) else len(begins)
    return SourceTable(spans, heads if header else 0, "<table>", "</table>")


def _rows(text: str, start: int, end: int) -> list[_Row]:
    """The rows of the outermost table; those of tables within its cells belong to the cells."""
    rows: list[_Row] = []
    depth, in_head = 0, False
    cell: tuple[str, int, int, int] | None = None

    def close(at: int) -> None:
        nonlocal cell
        if cell is not None and rows:
            tag, begin, down, right = cell
            words = " ".join(unescape(_ANY_TAG.sub(" ", text[begin:at])).split())
            rows[-1].cells.append((tag, words, down, right))
        cell = None

    for m in _TAG.finditer(text, start, end):
        name, closing = m["name"].lower(), bool(m["end"])
        if name == "table":
            depth += -1 if closing else 1
            if depth == 0:
                close(m.start())
        elif depth > 1:
            continue
        elif name == "thead":
            in_head = not closing
        elif name == "tr":
            close(m.start())
            if not closing:
                rows.append(_Row(m.start(), in_head, []))
        else:
            close(m.start())
            if not closing:
                spans = {k.lower(): max(1, min(MOST_SPAN, int(n))) for k, n in _SPAN.findall(m["rest"])}
                cell = (name, m.end(), spans.get("row", 1), spans.get("col", 1))
    close(end)
    return rows


def _header(rows: Sequence[_Row]) -> int:
    """The leading rows that name the columns: in a ``thead``, of nothing but ``th``, else as their words tell."""
    count = 0
    while count < len(rows) and (
        rows[count].in_head or (rows[count].cells and all(tag == "th" for tag, *_ in rows[count].cells))
    ):
        count += 1
    if not count:
        count = _inferred(rows)
    return count if count < len(rows) else 0


def _inferred(rows: Sequence[_Row]) -> int:
    cells: list[Cell] = []
    taken: set[tuple[int, int]] = set()
    cols = 0
    for r, row in enumerate(rows):
        col = 0
        for _, words, down, right in row.cells:
            while (r, col) in taken:
                col += 1
            cells.append(Cell(r, col, words, min(down, len(rows) - r), right))
            if down > 1:
                taken |= {(r + i, col + j) for i in range(1, min(down, 8)) for j in range(min(right, 64))}
            col += right
            cols = max(cols, col)
        if len(cells) > MOST_CELLS:
            break
    return infer_header_rows(Table(len(rows), cols, tuple(cells)))


def _untied(rows: Sequence[_Row], header: int) -> list[int]:
    """Rows after the first before which the table may be cut: no cell reaches into them from above."""
    out: list[int] = []
    reach = 0
    for r, row in enumerate(rows):
        if r and (r > reach or r == header):
            out.append(r)
        reach = max([reach, *(r + down - 1 for _, _, down, _ in row.cells)])
    return out
