"""Which columns of one table stand over which of another: by the places of their cells, in points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from paperlode.ingest.table_headers import is_figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from paperlode.ingest.document import Cell, Table

__all__ = [
    "SAMPLE_ROWS",
    "Columns",
    "Edge",
    "columns_of",
    "edges_of",
    "first_cells",
    "last_cells",
    "moved",
    "same_place",
]

Edge = tuple[float, float]
"""Left and right of a column in points."""
SAME_START = 12.0
"""Points by which the left sides of two columns may differ that are one."""
OUT_OF_ORDER = 200
"""Cells of other rows after which no cell of the wanted ones is looked for."""
SAMPLE_ROWS = 80
"""Rows at the end of a table that show where its columns stand."""
COVERED = 0.5
"""Share of a column that lies over another when both are one."""


@dataclass(frozen=True, slots=True)
class Columns:
    """How two tables' columns become those of one.

    ``first`` and ``second`` give for each column the first and last column of the whole (inclusive), or None where they
    stay as they are. ``exact``: the numbers of columns are the same. ``share``: of the narrower part's columns that
    begin (or end) where their partners do; 1 when nothing is known about places.
    """

    cols: int
    first: Sequence[tuple[int, int]] | None
    second: Sequence[tuple[int, int]] | None
    exact: bool
    share: float


def first_cells(table: Table, rows: int) -> list[Cell]:
    """The cells of the first ``rows`` rows, without a look at all of a table that has grown over hundreds of pages."""
    return _near(table.cells, lambda c: c.row < rows)


def last_cells(cells: Sequence[Cell], end: int, rows: int) -> list[Cell]:
    """Those of the cells that end in the last ``rows`` rows before ``end``, found from the end: they come row by row."""
    return _near(reversed(cells), lambda c: c.row_end >= end - rows)[::-1]


def _near(cells: Iterable[Cell], wanted: Callable[[Cell], bool]) -> list[Cell]:
    out: list[Cell] = []
    others = 0
    for c in cells:
        if wanted(c):
            out.append(c)
            others = 0
        else:
            others += 1
            if others > OUT_OF_ORDER:
                break
    return out


def edges_of(table: Table, page: int | None = None) -> list[Edge | None]:
    """For each column its left and right, by the cells of one column; on ``page`` only, where it is given."""
    out: list[Edge | None] = [None] * table.cols
    for c in last_cells(table.cells, table.rows, SAMPLE_ROWS):
        if c.region is None or c.col_span != 1 or not 0 <= c.col < table.cols:
            continue
        if page is not None and c.region.page != page:
            continue
        old, box = out[c.col], c.region.box
        out[c.col] = (box.x0, box.x1) if old is None else (min(old[0], box.x0), max(old[1], box.x1))
    return out


def columns_of(a: Table, b: Table, page: int | None = None) -> Columns | None:
    """How the columns of ``b`` go under those of ``a`` (its part on ``page``); None when that is unclear."""
    mine, other = edges_of(a, page), edges_of(b)
    if page is not None and None in mine:  # a column that was empty there stands where it stood before
        mine = [m or e for m, e in zip(mine, edges_of(a), strict=True)]
    if a.cols == b.cols:
        return Columns(a.cols, None, None, exact=True, share=_share(mine, other))
    if b.cols < a.cols:
        under = _under(other, mine)
        return None if under is None else Columns(a.cols, None, under, exact=False, share=_share_of(other, mine, under))
    under = _under(mine, other)
    return None if under is None else Columns(b.cols, under, None, exact=False, share=_share_of(mine, other, under))


def moved(cell: Cell, columns: Sequence[tuple[int, int]] | None, down: int) -> Cell:
    """The cell ``down`` rows lower and in the columns of the whole.

    A figure that could stand in several columns stands in the last, for figures are set flush right; words span them.
    """
    if columns is None or not 0 <= cell.col <= cell.col_end < len(columns):
        return replace(cell, row=cell.row + down)
    start, end = columns[cell.col][0], columns[cell.col_end][1]
    if start < end and cell.col_span == 1 and is_figure(cell.text):
        start = end
    return replace(cell, row=cell.row + down, col=start, col_span=end - start + 1)


def _under(few: Sequence[Edge | None], many: Sequence[Edge | None]) -> list[tuple[int, int]] | None:
    """For each of the few columns the run of the many that it stands over, in order; None if one stands over none."""
    owners: list[int | None] = []
    for wide in many:
        best, most = None, 0.0
        for i, narrow in enumerate(few):
            if wide is None or narrow is None:
                continue
            over = min(wide[1], narrow[1]) - max(wide[0], narrow[0])
            if over > most and over >= COVERED * min(wide[1] - wide[0], narrow[1] - narrow[0]):
                best, most = i, over
        owners.append(best)
    out: list[tuple[int, int]] = []
    for i in range(len(few)):
        mine = [j for j, o in enumerate(owners) if o == i]
        if not mine or (out and mine[0] <= out[-1][1]):
            return None
        out.append((mine[0], mine[-1]))
    return out


def _share(a: Sequence[Edge | None], b: Sequence[Edge | None]) -> float:
    known = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    return sum(same_place(x, y) for x, y in known) / len(known) if known else 1.0


def _share_of(few: Sequence[Edge | None], many: Sequence[Edge | None], under: Sequence[tuple[int, int]]) -> float:
    good = 0
    for narrow, (start, end) in zip(few, under, strict=True):
        left, right = many[start], many[end]
        good += (
            narrow is not None and left is not None and right is not None and same_place(narrow, (left[0], right[1]))
        )
    return good / len(few) if few else 0.0


def same_place(a: Edge, b: Edge) -> bool:
    """Whether two columns begin or end at one place, or lie one over the other."""
    if abs(a[0] - b[0]) <= SAME_START or abs(a[1] - b[1]) <= SAME_START:
        return True
    over = min(a[1], b[1]) - max(a[0], b[0])
    return over > COVERED * max(a[1] - a[0], b[1] - b[0])
