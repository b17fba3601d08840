"""Tables that go on over a page break, made one, with every region kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Box, Cell, PageBox, Table
from paperlode.ingest.furniture import CONTINUED
from paperlode.ingest.table_headers import heads_figures, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["merge_tables", "same_words"]

MOST_HEADER_ROWS = 5
"""Repeated header rows looked for at the top of a continuation."""
WIDTHS_DIFFER = 0.10
"""Share by which the widths of the two parts of a table may differ."""


def same_words(a: str, b: str) -> bool:
    """Whether two captions or headings say the same, a mark of continuation, case and spaces aside."""
    return _plain(a) == _plain(b)


def _plain(text: str) -> str:
    return "".join(CONTINUED.sub(" ", text).casefold().split()).rstrip(".:：-–—")


def merge_tables(first: Block, second: Block) -> Block | None:
    """One table of both, or None when the second is not the continuation of the first.

    Header rows that the second repeats in the same words are left out (its region still covers them); others become
    rows. The text of the result is not set: the caller sets it once, when the table is whole. Captions are the
    caller's too: the second's is ignored.
    """
    a, b = first.table, second.table
    if a is None or b is None or not a.rows or not b.rows or not _widths_fit(first, second):
        return None
    columns = _columns(a, b)
    if columns is None:
        return None
    cols, map_a, map_b = columns
    repeated = _repeated(a, b)
    if repeated < b.header_rows and heads_figures(b) and not _alike(a, b, repeated):
        return None
    if repeated >= b.rows and b.rows > 0:
        repeated = 0 if b.header_rows == 0 else repeated
    shift = a.rows - repeated
    cells = a.cells if map_a is None else tuple(_moved(c, map_a, 0) for c in a.cells)
    more = [_moved(c, map_b, shift) for c in b.cells if c.row >= repeated]
    table = replace(a, rows=a.rows + b.rows - repeated, cols=cols, cells=(*cells, *more))
    known = [c for c in (first.confidence, second.confidence) if c is not None]
    return replace(
        first,
        regions=first.regions + second.regions,
        table=table,
        confidence=min(known) if known else None,
        flags=tuple(dict.fromkeys(first.flags + second.flags)),
    )


def _moved(cell: Cell, columns: Sequence[int] | None, down: int) -> Cell:
    if columns is None:
        return replace(cell, row=cell.row + down)
    col = columns[cell.col]
    return replace(cell, row=cell.row + down, col=col, col_span=columns[cell.col_end] - col + 1)


def _widths_fit(first: Block, second: Block) -> bool:
    if not first.regions or not second.regions:
        return False
    w1, w2 = _width(first.regions, last=True), _width(second.regions, last=False)
    return abs(w1 - w2) <= WIDTHS_DIFFER * max(w1, w2, 1.0)


def _width(regions: Sequence[PageBox], *, last: bool) -> float:
    page = regions[-1 if last else 0].page
    return Box.around(r.box for r in regions if r.page == page).width


def _repeated(a: Table, b: Table) -> int:
    """How many leading rows of ``b`` say word for word what the leading rows of ``a`` say."""
    limit = min(a.header_rows, MOST_HEADER_ROWS, b.rows)
    if not limit:
        return 0
    count = 0
    crossed = {r for c in b.cells for r in range(c.row + 1, c.row_end + 1)}
    tops_a, tops_b = _top(a, limit), _top(b, limit)
    while count < limit and tops_a[count] and tops_a[count] == tops_b[count]:
        count += 1
    while count and count in crossed:  # a span out of the header cannot be left behind
        count -= 1
    return count if count >= min(b.header_rows, limit) or count == limit else 0


def _top(table: Table, rows: int) -> list[tuple[tuple[int, str], ...]]:
    few = replace(table, rows=rows, cells=tuple(c for c in table.cells if c.row < rows))
    return [tuple((i, "".join(c.text.split())) for i, c in enumerate(r) if c.text.strip()) for r in rows_of(few)]


def _alike(a: Table, b: Table, repeated: int) -> bool:
    """Whether ``b``'s own header rows are close to ``a``'s: a continuation read slightly differently."""
    mine = {t for r in _top(a, min(a.header_rows, a.rows)) for _, t in r}
    other = {t for r in _top(b, b.header_rows)[repeated:] for _, t in r}
    return bool(mine & other) and 2 * len(mine & other) >= len(other)


def _columns(a: Table, b: Table) -> tuple[int, Sequence[int] | None, Sequence[int] | None] | None:
    """Number of columns of the whole, and where each part's columns go (None: as they are)."""
    if a.cols == b.cols:
        return a.cols, None, None
    if b.cols < 2 or a.cols < 2 or abs(a.cols - b.cols) > max(1, min(a.cols, b.cols) // 3):
        return None
    if b.cols < a.cols:
        fit = _fit(_middles(b), _edges(a))
        return None if fit is None else (a.cols, None, fit)
    fit = _fit(_middles(a), _edges(b))
    return None if fit is None else (b.cols, fit, None)


def _edges(table: Table) -> list[tuple[float, float] | None]:
    spans: list[tuple[float, float] | None] = [None] * table.cols
    for c in table.cells:
        if c.region is None or c.col_span != 1 or not 0 <= c.col < table.cols:
            continue
        old, box = spans[c.col], c.region.box
        spans[c.col] = (box.x0, box.x1) if old is None else (min(old[0], box.x0), max(old[1], box.x1))
    return spans


def _middles(table: Table) -> list[float | None]:
    return [None if e is None else (e[0] + e[1]) / 2 for e in _edges(table)]


def _fit(middles: Sequence[float | None], edges: Sequence[tuple[float, float] | None]) -> list[int] | None:
    """For each column of the narrower part the column of the wider one it stands under; None if one is unclear."""
    out: list[int] = []
    for m in middles:
        under = [i for i, e in enumerate(edges) if m is not None and e is not None and e[0] <= m <= e[1]]
        if len(under) != 1 or (out and under[0] <= out[-1]):
            return None
        out.append(under[0])
    return out
