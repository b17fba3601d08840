"""Printed lines that the parser took for text, read as rows of the table that they go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Cell, Kind, PageBox, Table
from paperlode.ingest.line_rows import all_in_lines, column_of
from paperlode.ingest.table_columns import edges_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.document import Line

__all__ = ["as_rows"]

FEWEST_ROWS = 3
"""Rows without which lines are no table."""
FULL = 0.6
"""Share of rows in which more than one column must be filled."""
SAME_PLACE = 4.0
"""Points by which the lines of a column may differ in where they begin (or end)."""
IN_PLACE = 0.7
"""Share of a column's lines that must begin (or end) at one place."""


def as_rows(table: Block, block: Block, *, fewest: int = FEWEST_ROWS) -> Block | None:
    """The block as a table with the columns of ``table``, or None when its lines do not stand in them.

    Every line must lie in one column, two columns must be used, and the lines must hold all of the block's text.
    """
    if table.table is None or table.table.cols < 2 or not block.lines or not block.regions or block.table is not None:
        return None
    edges = edges_of(table.table, table.regions[-1].page)
    if any(e is None for e in edges):
        return None
    known = [e for e in edges if e is not None]
    lines = sorted(block.lines, key=lambda ln: (ln.region.box.y0, ln.region.box.x0))
    placed = [(column_of(ln.region.box, known), ln) for ln in lines]
    if any(c is None for c, _ in placed) or not all_in_lines(block):
        return None
    rows = _rows([(c, ln) for c, ln in placed if c is not None])
    filled = sum(len({c for c, _ in r}) > 1 for r in rows)
    if len(rows) < fewest or filled < FULL * len(rows) or not _aligned(rows, table.table.cols):
        return None
    cells: list[Cell] = []
    for r, row in enumerate(rows):
        for c in sorted({c for c, _ in row}):
            mine = [ln for col, ln in row if col == c]
            text = " ".join(block.text[ln.start : ln.end].strip() for ln in mine)
            box = mine[0].region.box
            for ln in mine[1:]:
                box = box.union(ln.region.box)
            cells.append(Cell(r, c, text, region=PageBox(mine[0].region.page, box.rounded())))
    found = Table(len(rows), table.table.cols, tuple(cells))
    return Block(
        Kind.TABLE, found.to_text(), block.regions, block.layer, confidence=block.confidence, table=found,
        flags=block.flags, findings=block.findings,
    )  # fmt: skip


def _rows(placed: Sequence[tuple[int, Line]]) -> list[list[tuple[int, Line]]]:
    """Lines that stand at one height, together."""
    rows: list[list[tuple[int, Line]]] = []
    for c, ln in placed:
        box = ln.region.box
        last = rows[-1] if rows else None
        if last is not None:
            top = min(x.region.box.y0 for _, x in last)
            bottom = max(x.region.box.y1 for _, x in last)
            if min(bottom, box.y1) - max(top, box.y0) > 0.5 * min(bottom - top, box.height) and all(
                x != c for x, _ in last
            ):
                last.append((c, ln))
                continue
        rows.append([(c, ln)])
    return rows


def _aligned(rows: Sequence[Sequence[tuple[int, Line]]], cols: int) -> bool:
    for col in range(cols):
        boxes = [ln.region.box for r in rows for c, ln in r if c == col]
        if not boxes:
            continue
        starts = max(sum(abs(b.x0 - o.x0) <= SAME_PLACE for o in boxes) for b in boxes[:8])
        ends = max(sum(abs(b.x1 - o.x1) <= SAME_PLACE for o in boxes) for b in boxes[:8])
        if max(starts, ends) < IN_PLACE * len(boxes):
            return False
    return True
