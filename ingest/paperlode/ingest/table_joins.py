"""Tables that go on over a page break, made one, with every region kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Box, Cell, PageBox, Table
from paperlode.ingest.header_match import Match, Top, match_header, plain
from paperlode.ingest.table_columns import SAMPLE_ROWS, Columns, columns_of, first_cells, last_cells, moved
from paperlode.ingest.table_headers import carried_rows, is_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CARRIED", "merge_tables", "same_words"]

CARRIED = "carried_forward"
"""Flag of a table some rows of which only carry a sum over a page break."""
WIDTHS_DIFFER = 0.10
"""Share by which the widths of the two parts of a table without a repeated header may differ."""
STARTS_DIFFER = 15.0
"""Points by which their left sides may differ where the widths do not agree."""
PLACES_FIT = 0.75
"""Share of columns that must stand at the same place when numbers of columns differ."""
ONE_SORT = 0.8
"""Share of a column's cells that makes it a column of figures; under the rest of it, one of words."""
LONG_ENOUGH = 8
"""Characters without spaces of a Chinese cell that can go on on the next page."""

FILLS = 0.6
"""Length of a label, as a share of the longest, under which it was not too long for its line."""

_ENDS = ".;:!?。；：！？"
_OPEN = "-,，、(（&/"


def same_words(a: str, b: str) -> bool:
    """Whether two captions or headings say the same, a mark of continuation, case and spaces aside."""
    return plain(a) == plain(b)


def merge_tables(first: Block, second: Block, *, doubtful: bool = False) -> Block | None:
    """One table of both, or None when the second is not the continuation of the first.

    Header rows that the second repeats in the same words (``continued`` aside) are left out (its region still covers
    them); others become rows. A row that the break cut is made whole. The text of the result is not set: the caller
    sets it once, when the table is whole. Captions are the caller's too: the second's is ignored. ``doubtful`` asks
    for a repeated header: something stood between the two.
    """
    a, b = first.table, second.table
    if a is None or b is None or not a.rows or not b.rows or not first.regions or not second.regions:
        return None
    recognised = first.confidence is not None or second.confidence is not None
    top = match_header(a, b, recognised=recognised)
    columns = columns_of(a, b, first.regions[-1].page)
    if columns is None:
        return None
    if top.match is not Match.REPEATED and _heads_by_column(a, b, columns):
        top = Top(Match.REPEATED, 1)
    if top.match is Match.OWN:
        return None
    if doubtful and top.match is not Match.REPEATED and not (columns.exact and _same_figures(first, second, columns)):
        return None
    if not _fits(first, second, columns, repeated=top.match is Match.REPEATED):
        return None
    if top.match is Match.NONE and columns.exact and _other_sorts(a, b):
        return None
    left_out = top.repeated if top.repeated < b.rows else 0
    table = _stacked(a, b, columns, left_out)
    known = [c for c in (first.confidence, second.confidence) if c is not None]
    flags = dict.fromkeys(first.flags + second.flags)
    if CARRIED not in flags and carried_rows(_seam(table, a.rows)):
        flags[CARRIED] = None
    return replace(
        first,
        regions=first.regions + second.regions,
        table=table,
        confidence=min(known) if known else None,
        flags=tuple(flags),
        findings=first.findings + second.findings,
    )


def _fits(first: Block, second: Block, columns: Columns, *, repeated: bool) -> bool:
    """Whether the parts stand so that they can be one: the same widths, or the same left sides and columns."""
    one, two = _extent(first.regions, last=True), _extent(second.regions, last=False)
    widest = max(one.width, two.width, 1.0)
    alike = abs(one.width - two.width) <= WIDTHS_DIFFER * widest
    starts = abs(one.x0 - two.x0) <= STARTS_DIFFER or (not columns.exact and abs(one.x1 - two.x1) <= STARTS_DIFFER)
    if columns.exact:
        return alike or repeated or (starts and columns.share >= PLACES_FIT)
    few = min(first.table.cols, second.table.cols) if first.table and second.table else 0
    if repeated:
        return columns.share >= PLACES_FIT or starts or alike
    if abs(columns.cols - few) > max(1, few // 3):
        return False
    return columns.share >= PLACES_FIT and (alike or starts)


def _heads_by_column(a: Table, b: Table, columns: Columns) -> bool:
    """Whether the first row of a second part with fewer columns is the header over just those columns."""
    if columns.exact or columns.second is None or not a.header_rows:
        return False
    heads = {c.col: plain(c.text) for c in first_cells(a, a.header_rows) if c.text.strip()}
    top = [c for c in b.cells if c.row == 0 and c.text.strip() and c.row_span == 1]
    return bool(top) and all(0 <= c.col < b.cols and heads.get(columns.second[c.col][0]) == plain(c.text) for c in top)


def _same_figures(first: Block, second: Block, columns: Columns) -> bool:
    """Whether the parts stand at one place, column by column, and hold figures in the same columns, at least two."""
    a, b = first.table, second.table
    if a is None or b is None or columns.share < 1 or b.header_rows:
        return False
    one, two = _extent(first.regions, last=True), _extent(second.regions, last=False)
    if abs(one.x0 - two.x0) > STARTS_DIFFER or abs(one.x1 - two.x1) > STARTS_DIFFER:
        return False
    pairs = zip(_figures(a, a.header_rows), _figures(b, 0), strict=True)
    known = [(x, y) for x, y in pairs if x is not None and y is not None]
    return (
        len(known) > 1
        and all((x >= ONE_SORT) is (y >= ONE_SORT) for x, y in known)
        and any(x >= ONE_SORT for x, _ in known)
    )


def _extent(regions: Sequence[PageBox], *, last: bool) -> Box:
    page = regions[-1 if last else 0].page
    return Box.around(r.box for r in regions if r.page == page)


def _other_sorts(a: Table, b: Table) -> bool:
    """Whether a column of figures would go on in words, or the other way about."""
    mine, other = _figures(a, a.header_rows), _figures(b, b.header_rows)
    return any(
        x is not None
        and y is not None
        and ((x >= ONE_SORT and y <= 1 - ONE_SORT) or (y >= ONE_SORT and x <= 1 - ONE_SORT))
        for x, y in zip(mine, other, strict=True)
    )


def _figures(table: Table, skip: int) -> list[float | None]:
    """For each column but the first the share of figures among its cells; None where there are fewer than four."""
    total, figures = [0] * table.cols, [0] * table.cols
    for c in last_cells(table.cells, table.rows, SAMPLE_ROWS):
        if c.row >= skip and 0 <= c.col < table.cols and c.text.strip():
            total[c.col] += 1
            figures[c.col] += is_figure(c.text)
    return [f / t if t >= 4 and i else None for i, (f, t) in enumerate(zip(figures, total, strict=True))]


def _stacked(a: Table, b: Table, columns: Columns, left_out: int) -> Table:
    cells = a.cells if columns.first is None else tuple(moved(c, columns.first, 0) for c in a.cells)
    cells = tuple(
        c if c.row < a.rows else replace(c, row=c.row + b.rows) for c in cells
    )  # outside the grid it stays outside
    more = [moved(c, columns.second, a.rows - left_out) for c in b.cells if c.row >= left_out]
    rows = a.rows + b.rows - left_out
    whole = _cut_row(cells, more, a.rows, columns.cols)
    if whole is not None:
        return replace(a, rows=rows - 1, cols=columns.cols, cells=whole)
    return replace(a, rows=rows, cols=columns.cols, cells=(*cells, *more))


def _cut_row(cells: Sequence[Cell], more: Sequence[Cell], at: int, cols: int) -> tuple[Cell, ...] | None:
    """All cells with row ``at`` (the first after the break) put into the row before, when it is that row's rest."""
    tail = last_cells(cells, at, SAMPLE_ROWS)
    upper = {c.col: c for c in tail if c.row_end == at - 1 and c.text.strip()}
    lower = {c.col: c for c in more if c.row == at and c.text.strip()}
    if (
        not upper
        or not lower
        or any(c.row == at and c.row_span > 1 for c in more)
        or not _goes_on(upper, lower, cols, _longest(tail))
    ):
        return None
    last = {id(c) for c in upper.values()}
    taken = set[int]()
    out: list[Cell] = []
    for c in cells:
        if id(c) in last and (rest := lower.get(c.col)) is not None:
            taken.add(id(rest))
            out.append(replace(c, text=_put_together(c.text, rest.text)))
        else:
            out.append(c)
    for c in more:
        if id(c) in taken or (c.row == at and not c.text.strip()):
            continue
        out.append(replace(c, row=c.row - 1))
    return tuple(out)


def _longest(cells: Sequence[Cell]) -> int:
    """Characters of the longest label."""
    return max((len(c.text) for c in cells if c.col == 0), default=0)


def _goes_on(upper: dict[int, Cell], lower: dict[int, Cell], cols: int, longest: int) -> bool:
    if 0 not in lower:  # no label: texts that break off go on, and no figure starts a row
        if any(is_figure(c.text) for c in lower.values()) or not set(lower) <= set(upper):
            return False
        return all(_breaks_off(upper[i].text, c.text) for i, c in lower.items())
    label = lower[0].text.strip()
    if 0 not in upper or len(upper[0].text) < FILLS * longest or not _breaks_off(upper[0].text, label):
        return False
    if _chinese(label[0]) and upper[0].text.strip()[-1] not in _OPEN:
        return False
    if set(upper) == {0}:  # the figures stand with the label's last line
        return len(lower) > 1 or cols == 1
    both = set(upper) & set(lower)
    return (
        not any(is_figure(lower[i].text) for i in lower)
        and all(_breaks_off(upper[i].text, lower[i].text) for i in both)
        and (set(lower) <= set(upper))
    )


def _breaks_off(above: str, below: str) -> bool:
    """Whether the text above stops in the middle and the one below takes it up."""
    up, down = above.strip(), below.strip()
    if not up or not down or up[-1] in _ENDS or is_figure(up) or is_figure(down):
        return False
    if up[-1] in _OPEN:
        return True
    if _chinese(down[0]):
        return _chinese(up[-1]) and len("".join(up.split())) >= LONG_ENOUGH
    return down[0].islower()


def _chinese(char: str) -> bool:
    return "\u3400" <= char <= "\u9fff" or char in "，、（）《》“”"


def _put_together(above: str, below: str) -> str:
    up, down = above.rstrip(), below.lstrip()
    return up + ("" if _chinese(up[-1]) and _chinese(down[0]) else " ") + down


def _seam(table: Table, at: int) -> Table:
    """The rows around row ``at``, where a carried sum stands."""
    start, end = max(0, at - 3), min(table.rows, at + 3)
    near = last_cells(table.cells, table.rows, table.rows - start)
    cells = tuple(replace(c, row=c.row - start) for c in near if start <= c.row < end)
    return replace(table, rows=end - start, cells=cells, header_rows=0, caption="")
