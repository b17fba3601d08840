"""Printed lines that stand in a table's columns, put into its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Box, Cell, PageBox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.table_columns import Edge

__all__ = ["Piece", "all_in_lines", "column_of", "pieces_of", "rows_from"]

OUTSIDE = 4.0
"""Points by which a line may stick out of its column."""
COVERED = 0.8
"""Share of a cell's width that must lie in the column it belongs to."""
APART = 0.7
"""Gap between two labels, in heights of a line, that parts them."""
LEVEL = 0.5
"""Share of a line's height by which it may begin over the label of its row."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A printed line of a block, or a cell of a table, and the column it stands in (None: in no single one).

    ``start`` and ``end`` are offsets into the text of the page's block ``block``, for a cell both its number.
    """

    block: int
    start: int
    end: int
    box: Box
    text: str
    col: int | None


def pieces_of(at: int, block: Block, edges: Sequence[Edge]) -> list[Piece]:
    """The lines or cells of the page's block ``at``; empty when they do not hold all of its text."""
    if block.table is not None:
        out: list[Piece] = []
        for i, c in enumerate(block.table.cells):
            if c.region is None:
                return []
            if c.text.strip():
                out.append(Piece(at, i, i, c.region.box, c.text, _most_in(c.region.box, edges)))
        return out if not block.table.caption else []
    if not block.lines or not all_in_lines(block):
        return []
    return [
        Piece(
            at, ln.start, ln.end, ln.region.box, block.text[ln.start : ln.end].strip(), column_of(ln.region.box, edges)
        )
        for ln in block.lines
    ]


def column_of(box: Box, edges: Sequence[Edge]) -> int | None:
    """The column that the line stands in: the last may be wider than it was."""
    for i, (x0, x1) in enumerate(edges):
        right = x1 + OUTSIDE if i + 1 < len(edges) else max(x1, box.x1)
        if x0 - OUTSIDE <= box.x0 and box.x1 <= right:
            return i
    return None


def _most_in(box: Box, edges: Sequence[Edge]) -> int | None:
    for i, (x0, x1) in enumerate(edges):
        if min(x1, box.x1) - max(x0, box.x0) >= COVERED * max(box.width, 1.0):
            return i
    return None


def all_in_lines(block: Block) -> bool:
    """Whether the lines hold all of the block's text."""
    inside = set[int]()
    for ln in block.lines:
        inside.update(range(ln.start, ln.end))
    return all(i in inside or ch.isspace() for i, ch in enumerate(block.text))


def rows_from(blocks: Sequence[Block], pieces: Sequence[Piece], cols: int, *, one: bool = False) -> list[list[Cell]]:
    """Rows of cells, each begun by what stands in the first column; ``one``: all of it in one row.

    Where every line stands beside a line of the first column, each of those begins a row; else lines of the first column
    that follow close on each other are one label. What stands over the first label is a row without one.
    """
    starts = [] if one else _starts(pieces)
    bands: dict[int, dict[int, list[Piece]]] = {}
    at = -1
    for p in sorted(pieces, key=lambda p: (p.box.y0, p.box.x0)):
        while at + 1 < len(starts) and starts[at + 1] <= p.box.y0 + LEVEL * _height(p):
            at += 1
        if p.col is not None:
            bands.setdefault(at, {}).setdefault(p.col, []).append(p)
    out: list[list[Cell]] = []
    for band in bands.values():
        row = [_cell(blocks, len(out), c, band[c]) for c in range(cols) if c in band]
        out.append(row)
    return out


def _height(piece: Piece) -> float:
    return min(piece.box.height, 12.0)


def _starts(pieces: Sequence[Piece]) -> list[float]:
    labels = sorted((p.box for p in pieces if p.col == 0), key=lambda b: b.y0)
    every = _beside_all(labels, [p.box for p in pieces if p.col])
    out: list[float] = []
    end = 0.0
    for box in labels:
        gap = box.y0 - end
        if not out or gap > APART * box.height or (every and gap > -LEVEL * box.height):
            out.append(box.y0)
        end = max(end, box.y1)
    return out


def _beside_all(labels: Sequence[Box], others: Sequence[Box]) -> bool:
    """Whether every line stands beside a label; both in one pass from top to bottom."""
    at = 0
    for box in sorted(others, key=lambda b: b.y0):
        while at < len(labels) and labels[at].y1 <= box.y0 + LEVEL * min(box.height, labels[at].height):
            at += 1
        if at == len(labels) or labels[at].y0 > box.y0 + LEVEL * box.height:
            return False
    return True


def _cell(blocks: Sequence[Block], row: int, col: int, pieces: Sequence[Piece]) -> Cell:
    texts: list[str] = []
    last: Piece | None = None
    for p in pieces:
        source = blocks[p.block].text
        joint = last is not None and last.block == p.block and last.end < p.start and blocks[p.block].table is None
        if joint and last is not None and not source[last.end : p.start].strip():
            texts[-1] += source[last.end : p.start] + p.text
        else:
            texts.append(p.text)
        last = p
    page = blocks[pieces[0].block].regions[0].page
    return Cell(row, col, " ".join(texts), region=PageBox(page, Box.around(p.box for p in pieces).rounded()))
