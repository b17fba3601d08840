"""Cells that cover several rows or columns, told by the ruled lines around them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from paperlode.ingest.parsing.grid_rules import Level, Rules
    from paperlode.ingest.parsing.grid_words import Word

    Place = tuple[int, int]

__all__ = ["Span", "is_value", "ruled_spans", "without_needless"]

_NEAR = 3.0  # points between a grid line and the ruled line it stands for
_DRAWN = 0.7  # share of a cell's side that must be drawn
_SPACE = 1.5  # font sizes between words of one cell
_WIDE_SPACE = 4.0  # the same in justified text
_VALUE = re.compile(r"[^\W\d_]")
_BANDS = 3
_MOST = 0.5


@dataclass(frozen=True, slots=True)
class Span:
    """Grid places that are one cell; all ends inclusive."""

    row: int
    col: int
    row_end: int
    col_end: int

    def places(self) -> list[tuple[int, int]]:
        """Its (row, column) places, row by row."""
        return [(r, c) for r in range(self.row, self.row_end + 1) for c in range(self.col, self.col_end + 1)]


@dataclass(frozen=True, slots=True)
class _Sides:
    """Which sides of the grid's places are drawn: ``below[r][c]`` and ``right[r][c]``, the table's own edges not counted."""

    below: list[list[bool]]
    right: list[list[bool]]


def ruled_spans(
    xs: Sequence[float], ys: Sequence[float], rules: Rules, words: Mapping[Place, Sequence[Word]]
) -> list[Span]:
    """Places with no ruled line between them that are one cell, and not just a part of the table drawn without lines.

    They form a rectangle with lines (or the table's edge) on all sides; the grid lines that run through it are drawn
    elsewhere in the table, or the table is drawn as a lattice that has no such line; and their words read as one text:
    no two values, no wide gaps.
    """
    rows, cols = len(ys) - 1, len(xs) - 1
    sides = _sides(xs, ys, rules, words)
    flat = [any(r) for r in sides.below]
    upright = [any(sides.right[r][c] for r in range(rows)) for c in range(cols - 1)]
    if not any(flat) and not any(upright):
        return []
    lattice = _Lattice(sides, words, rows, cols)
    out: list[Span] = []
    for span in _faces(sides, rows, cols):
        inner_flat = [flat[r] for r in range(span.row, span.row_end)]
        inner_upright = [upright[c] for c in range(span.col, span.col_end)]
        mine = [w for at in span.places() for w in words.get(at, ())]
        if not mine or not _one_text(span, words, wide=not all(inner_upright)):
            continue
        if not all(inner_flat) and not lattice.rows_fall(span):
            continue
        if not all(upright[c] or lattice.column_edge_falls(c) for c in range(span.col, span.col_end)):
            continue
        out.append(span)
    return out


def _sides(xs: Sequence[float], ys: Sequence[float], rules: Rules, words: Mapping[Place, Sequence[Word]]) -> _Sides:
    rows, cols = len(ys) - 1, len(xs) - 1
    tall = [
        _extent(ys[r], ys[r + 1], [(w.box.y0, w.box.y1) for c in range(cols) for w in words.get((r, c), ())])
        for r in range(rows)
    ]
    wide = [
        _extent(xs[c], xs[c + 1], [(w.box.x0, w.box.x1) for r in range(rows) for w in words.get((r, c), ())])
        for c in range(cols)
    ]
    below = [_drawn(ys[r + 1], rules.flat, wide) for r in range(rows - 1)]
    columns = [_drawn(xs[c + 1], rules.upright, tall) for c in range(cols - 1)]
    return _Sides(below, [[columns[c][r] for c in range(cols - 1)] for r in range(rows)])


def _extent(start: float, end: float, inked: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The part of a row or column that has words: a grid line may stand outside the drawn frame."""
    if not inked:
        return start, end
    return max(start, min(a for a, _ in inked)), min(end, max(b for _, b in inked))


def _drawn(at: float, levels: Sequence[Level], stretches: Sequence[tuple[float, float]]) -> list[bool]:
    near = [lv for lv in levels if abs(lv.at - at) <= _NEAR]
    return [any(lv.covered(a, b) >= _DRAWN for lv in near) for a, b in stretches]


def _faces(sides: _Sides, rows: int, cols: int) -> list[Span]:
    """Rectangles of two or more places with no line drawn between neighbours; parts of another shape are left out."""
    seen: set[tuple[int, int]] = set()
    out: list[Span] = []
    for start in ((r, c) for r in range(rows) for c in range(cols)):
        if start in seen:
            continue
        seen.add(start)
        face, todo = [start], [start]
        while todo:
            r, c = todo.pop()
            for at, closed in (
                ((r + 1, c), r + 1 >= rows or sides.below[r][c]),
                ((r - 1, c), r == 0 or sides.below[r - 1][c]),
                ((r, c + 1), c + 1 >= cols or sides.right[r][c]),
                ((r, c - 1), c == 0 or sides.right[r][c - 1]),
            ):
                if not closed and at not in seen:
                    seen.add(at)
                    face.append(at)
                    todo.append(at)
        span = Span(min(face)[0], min(c for _, c in face), max(face)[0], max(c for _, c in face))
        if len(face) > 1 and len(face) == len(span.places()):
            out.append(span)
    return out


def is_value(words: Sequence[Word]) -> bool:
    """True for a number, a date in figures, a dash: text without a letter."""
    return bool(words) and not any(_VALUE.search(w.text) for w in words)


def _one_text(span: Span, words: Mapping[Place, Sequence[Word]], *, wide: bool) -> bool:
    if sum(is_value(words.get(at, ())) for at in span.places()) > 1:
        return False
    if span.col == span.col_end:
        return True
    for row in range(span.row, span.row_end + 1):
        line = sorted(
            ((w, c) for c in range(span.col, span.col_end + 1) for w in words.get((row, c), ())),
            key=lambda wc: (wc[0].line, wc[0].box.x0),
        )
        for (a, ca), (b, cb) in pairwise(line):
            gap = b.box.x0 - a.box.x1
            level = min(a.box.y1, b.box.y1) > max(a.box.y0, b.box.y0)
            if ca != cb and level and gap > (_WIDE_SPACE if wide else _SPACE) * max(a.size, b.size):
                return False
    return True


class _Lattice:
    """Whether a table is drawn with lines around all of its cells, so that a grid line without one is none."""

    def __init__(self, sides: _Sides, words: Mapping[Place, Sequence[Word]], rows: int, cols: int) -> None:
        self._sides, self._words, self._rows, self._cols = sides, words, rows, cols
        self._full = [r for r in range(rows - 1) if all(sides.below[r])]

    def rows_fall(self, span: Span) -> bool:
        """True when the rows of the span, bounded by lines over the whole table, are lines of text of one row."""
        s = self._sides
        top = max((r + 1 for r in self._full if r < span.row), default=0)
        bottom = min((r for r in self._full if r >= span.row_end), default=self._rows - 1)
        band = range(top, bottom + 1)
        drawn = [c for c in range(self._cols - 1) if all(s.right[r][c] for r in band)]
        ruled = [c for c in range(self._cols - 1) if any(s.right[r][c] for r in range(self._rows))]
        if not ruled or drawn != ruled:
            return False
        values = [sum(is_value(self._words.get((r, c), ())) for r in band) for c in range(self._cols)]
        if max(values) > 1:
            return False
        filled = [sum(bool(self._words.get((r, c))) for c in range(self._cols)) for r in band]
        return len(self._full) + 1 >= _BANDS and sum(2 * n > self._cols for n in filled) <= 1

    def column_edge_falls(self, col: int) -> bool:
        """True when the edge right of ``col`` runs between lines drawn through most of the table, and parts no values."""
        left = next((c + 1 for c in range(col - 1, -1, -1) if self._share(c) > _MOST), 0)
        right = next((c for c in range(col + 1, self._cols - 1) if self._share(c) > _MOST), self._cols - 1)
        if left == 0 and right == self._cols - 1:
            return False
        columns = range(left, right + 1)
        return all(sum(is_value(self._words.get((r, c), ())) for c in columns) <= 1 for r in range(self._rows))

    def _share(self, col: int) -> float:
        return sum(self._sides.right[r][col] for r in range(self._rows)) / self._rows


def without_needless(
    xs: Sequence[float], ys: Sequence[float], spans: Sequence[Span], filled: Collection[Place]
) -> tuple[list[float], list[float]]:
    """The columns' and rows' edges without those that only run through spanning cells and beside empty places.

    ``filled`` holds the (row, column) places that have words.
    """
    rows, cols = len(ys) - 1, len(xs) - 1
    owner = {at: i for i, s in enumerate(spans) for at in s.places()}
    filled = set(owner).union(filled)

    def needless(first: Sequence[Place], second: Sequence[Place]) -> bool:
        pairs = list(zip(first, second, strict=True))
        crossed = [a in owner and owner.get(a) == owner.get(b) for a, b in pairs]
        apart = [p for p, x in zip(pairs, crossed, strict=True) if not x]
        return any(crossed) and (not any(a in filled for a, _ in apart) or not any(b in filled for _, b in apart))

    new_ys = [
        y
        for i, y in enumerate(ys)
        if i in (0, rows) or not needless([(i - 1, c) for c in range(cols)], [(i, c) for c in range(cols)])
    ]
    new_xs = [
        x
        for i, x in enumerate(xs)
        if i in (0, cols) or not needless([(r, i - 1) for r in range(rows)], [(r, i) for r in range(rows)])
    ]
    return new_xs, new_ys
