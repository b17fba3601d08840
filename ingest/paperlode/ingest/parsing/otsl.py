"""OTSL, the table language of PaddleOCR-VL and docling, to cells and back.

Every place of the grid has one tag: ``<fcel>`` a cell with text, ``<ecel>`` an empty one, ``<lcel>`` what is left of it goes
on, ``<ucel>`` what is above goes on, ``<xcel>`` the inside of a cell over several rows and columns; ``<nl>`` ends a row.
docling adds ``<ched>``, ``<rhed>`` and ``<srow>`` for column heads, row heads and section rows; PaddleOCR-VL has none of these.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from paperlode.ingest.document import Cell, Table
from paperlode.ingest.table_headers import infer_header_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["parse_otsl", "to_otsl"]

_FILLED = frozenset({"fcel", "ched", "rhed", "srow"})
_TAGGED = _FILLED | {"ecel"}
_BARE = ""  # stands for the tag that is missing before text at the start of a row
_CELLS = _TAGGED | {_BARE}
_GOES_ON = frozenset({"lcel", "ucel", "xcel"})
_NAMES = "fcel|ched|rhed|srow|ecel|lcel|ucel|xcel|nl"
_TAG = re.compile(rf"<({_NAMES})>|</(?:{_NAMES})>|</?otsl>")

_SMALL_GRID = 100_000
"""Places any table may have; the largest printed ones have a tenth."""
_SPARSEST = 16
"""Places a tag in larger grids. One row that never ended would else make a grid of the square of the output."""


class _Place(NamedTuple):
    tag: str
    text: str


def parse_otsl(text: str) -> Table | None:
    """The table that the tags describe; None where no tag stands for a place of a grid.

    What the model got wrong is repaired so that cells do not overlap and no text is lost:

    - Rows of unequal length: as many columns as give the least sum of differences to the rows' lengths, but at least up to
      the rightmost cell with text (PaddleX's rule). What is missing stays uncovered, what is over was empty.
    - A row beside which the grid would be nearly void, because its ``<nl>`` are missing, is broken at the usual width.
    - ``<lcel>``, ``<ucel>``, ``<xcel>`` that continue no cell, or would make its outline no rectangle, are uncovered places,
      or a cell of their own where text follows them.
    - An empty place is covered by no cell, as everywhere in ``Table``, unless it spans.
    - Text after a tag that continues a cell joins that cell's text. Text before the first tag becomes a row of its own over
      all columns; text at the start of a later row its first cell.

    Column heads are the leading rows with ``<ched>``, else inferred. Takes time linear in the text, and never raises.
    """
    lead, rows = _rows(text)
    if not any(p.tag in _TAGGED or (p.tag and p.text) for row in rows for p in row):
        return None
    cols = _width(rows)
    if len(rows) * cols > max(_SMALL_GRID, _SPARSEST * sum(map(len, rows))):
        cols = _median(rows)
        rows = [row[i : i + cols] for row in rows for i in range(0, len(row), cols)]
    else:
        rows = [row[:cols] for row in rows]
    headed = any(p.tag == "ched" for row in rows for p in row)
    if lead:
        first = _Place("ched" if headed else "fcel", lead)
        rows.insert(0, [first, *[_Place("lcel", "")] * (cols - 1)])
    cells, starts = _cells(rows)
    table = Table(len(rows), cols, tuple(cells))
    return replace(table, header_rows=_headed(starts, cells) if headed else infer_header_rows(table))


def to_otsl(table: Table, *, header_tags: bool = False) -> str:
    """The table as OTSL, one ``<nl>`` after each row; without its caption, which stands outside a table's picture.

    ``parse_otsl`` gives the same cells back, if they stand in reading order, their text is stripped, and none is empty without a
    span. A tag within a cell's text is written with a space after ``<``.

    Args:
        table: cells that do not overlap.
        header_tags: write ``<ched>`` in the header rows, as docling does and PaddleOCR-VL does not.

    Raises:
        ValueError: a cell lies outside the grid or on another.
    """
    places = [[""] * table.cols for _ in range(table.rows)]
    for cell in table.cells:
        named = "ched" if header_tags and cell.row < table.header_rows else "fcel" if cell.text.strip() else "ecel"
        for r in range(cell.row, cell.row_end + 1):
            for c in range(cell.col, cell.col_end + 1):
                if not (0 <= r < table.rows and 0 <= c < table.cols) or places[r][c]:
                    raise ValueError(
                        f"the cell at row {cell.row}, column {cell.col} overlaps another or leaves the grid"
                    )
                first_row, first_col = r == cell.row, c == cell.col
                places[r][c] = "<lcel>" if first_row else "<ucel>" if first_col else "<xcel>"
        places[cell.row][cell.col] = f"<{named}>{_unmistakable(cell.text.strip())}"
    heads = table.header_rows if header_tags else 0
    empty = ["<ched>" if r < heads else "<ecel>" for r in range(table.rows)]
    return "".join("".join(p or empty[r] for p in row) + "<nl>" for r, row in enumerate(places))


def _unmistakable(text: str) -> str:
    return _TAG.sub(lambda m: f"< {m[0][1:]}", text)


def _rows(text: str) -> tuple[str, list[list[_Place]]]:
    """The text before the first tag, and the places of each row that has any."""
    parts: list[tuple[str, str]] = []  # each tag with the text after it
    before, end, tag = "", 0, ""
    for m in _TAG.finditer(text):
        _part(parts, tag, text[end : m.start()])
        tag, end = m[1] or "", m.end()
    _part(parts, tag, text[end:])
    if parts and not parts[0][0]:
        before = parts.pop(0)[1]
    rows: list[list[_Place]] = [[]]
    for name, said in parts:
        if name == "nl":
            rows.append([_Place(_BARE, said)] if said else [])
        elif name:
            rows[-1].append(_Place(name, said))
        elif rows[-1]:
            place = rows[-1][-1]
            rows[-1][-1] = _Place(place.tag, f"{place.text} {said}".strip())
        else:
            rows[-1].append(_Place(_BARE, said))
    return before, [row for row in rows if row]


def _part(parts: list[tuple[str, str]], tag: str, text: str) -> None:
    said = text.strip()
    if tag or said:
        parts.append((tag, said))


def _median(rows: Sequence[Sequence[_Place]]) -> int:
    """The lower median of the rows' lengths: the least width whose differences to all of them sum up to the least."""
    lengths = sorted(map(len, rows))
    return lengths[(len(lengths) - 1) // 2]


def _width(rows: Sequence[Sequence[_Place]]) -> int:
    """Columns by PaddleX's rule; the sum of differences is convex, so that the bound decides where the median is below it."""
    said = (i + 1 for row in rows for i, p in enumerate(row) if p.text or p.tag in _FILLED)
    return max(_median(rows), max(said, default=1))


def _cells(rows: Sequence[Sequence[_Place]]) -> tuple[list[Cell], list[set[str]]]:
    """Cells with text or a span in reading order, none on another; for each row the tags with which places start there."""
    taken = [bytearray(len(row)) for row in rows]
    cells: list[Cell] = []
    starts: list[set[str]] = [set() for _ in rows]
    for r, row in enumerate(rows):
        for c, place in enumerate(row):
            if taken[r][c] or (place.tag in _GOES_ON and not place.text):
                continue
            width = height = 1
            if place.tag in _CELLS:
                while c + width < len(row) and row[c + width].tag == "lcel":
                    width += 1
                while r + height < len(rows) and _goes_on(rows[r + height], taken[r + height], c, width):
                    height += 1
            inside = [(y, x) for y in range(r, r + height) for x in range(c, c + width)]
            for y, x in inside:
                taken[y][x] = 1
            said = " ".join(t for y, x in inside if (t := rows[y][x].text))
            starts[r].add(place.tag)
            if said or len(inside) > 1:
                cells.append(Cell(r, c, said, height, width))
    return cells, starts


def _goes_on(row: Sequence[_Place], taken: bytearray, col: int, width: int) -> bool:
    """Whether a cell of ``width`` columns at ``col`` in the row above covers this row as well.

    Only the first place must be ``<ucel>``; inside, models mix the three.
    """
    if col + width > len(row) or row[col].tag != "ucel":
        return False
    return not any(taken[col : col + width]) and all(p.tag in _GOES_ON for p in row[col + 1 : col + width])


def _headed(starts: Sequence[set[str]], cells: Sequence[Cell]) -> int:
    """Leading rows in which a ``<ched>`` starts, or that cells from such rows cover whole."""
    count = bottom = 0
    ends = [-1] * len(starts)
    for cell in cells:
        ends[cell.row] = max(ends[cell.row], cell.row_end)
    for row, tags in enumerate(starts):
        if "ched" not in tags and (tags or bottom < row):
            break
        count, bottom = row + 1, max(bottom, ends[row])
    return count
