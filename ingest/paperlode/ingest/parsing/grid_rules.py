"""Ruled lines inside a table, and the grid of the layout engine moved onto them."""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from paperlode.ingest.parsing.grid_words import Word

__all__ = ["Level", "Rules", "fitted", "levels_of", "rules_of"]

_THICKEST = 3.0  # points: a filled strip up to this is a ruled line
_SHORTEST = 3.0  # points
_NEAR = 3.0  # points between strokes that are one line to the eye (double rules, borders drawn cell by cell)
_JOIN = 1.5  # points between the ends of two strokes that meet
_SLICE = 16.0  # points
_VECTOR = 3  # block type of a drawing in PyMuPDF's dictionaries
_NEW_LINE = 0.5  # share of the table that a line must cover to part a row or column of the engine's grid


@dataclass(frozen=True, slots=True)
class Level:
    """Strokes on one line: ``at`` is its place across, ``spans`` the stretches along it, apart and ascending (points)."""

    at: float
    spans: tuple[tuple[float, float], ...]

    def covered(self, start: float, end: float) -> float:
        """The share of ``start`` to ``end`` that is drawn, 0 to 1."""
        if end <= start:
            return float(any(a <= start <= b for a, b in self.spans))
        drawn = sum(max(0.0, min(b, end) - max(a, start)) for a, b in self.spans)
        return drawn / (end - start)

    def holds(self, place: float) -> bool:
        """True when the line is drawn at ``place``."""
        return any(a <= place <= b for a, b in self.spans)


@dataclass(frozen=True, slots=True)
class Rules:
    """Ruled lines: ``flat`` run left to right (``at`` is y), ``upright`` top to bottom (``at`` is x); ascending."""

    flat: tuple[Level, ...]
    upright: tuple[Level, ...]


def rules_of(blocks: Iterable[dict[str, Any]], box: Box) -> Rules:
    """The ruled lines in ``box``, from PyMuPDF's blocks of drawings.

    Thin strips and the borders of drawn rectangles are lines. A thin strip in the colour of a filled area it touches is
    part of that area, and no line is to be seen there.
    """
    around = box.grown(_NEAR)
    flat: list[tuple[float, float, float]] = []
    upright: list[tuple[float, float, float]] = []
    thin: list[tuple[Box, Any]] = []
    fills: list[tuple[Box, Any]] = []
    for b in blocks:
        if b.get("type") != _VECTOR:
            continue
        x0, y0, x1, y1 = b["bbox"]
        if x1 < around.x0 or x0 > around.x1 or y1 < around.y0 or y0 > around.y1:
            continue
        v = Box(x0, y0, x1, y1)
        if min(v.width, v.height) <= _THICKEST:
            if max(v.width, v.height) >= _SHORTEST:
                thin.append((v, None if b.get("stroked") else b.get("color")))
        elif b.get("stroked") and b.get("isrect"):
            flat += [(y0, x0, x1), (y1, x0, x1)]
            upright += [(x0, y0, y1), (x1, y0, y1)]
        elif b.get("isrect"):
            fills.append((v, b.get("color")))
    near = _by_height(fills)
    for v, shade in thin:
        if any(f.grown(1.0).overlap(v) > 0 for f in near.get((shade, int(v.y0 // _SLICE)), ())):
            continue
        if v.width >= v.height:
            flat.append(((v.y0 + v.y1) / 2, v.x0, v.x1))
        else:
            upright.append(((v.x0 + v.x1) / 2, v.y0, v.y1))
    return Rules(levels_of(flat), levels_of(upright))


def _by_height(fills: Iterable[tuple[Box, Any]]) -> dict[tuple[Any, int], list[Box]]:
    """Filled areas by colour and the slices of the page that they reach: a page may hold thousands."""
    out: dict[tuple[Any, int], list[Box]] = {}
    for box, shade in fills:
        for at in range(int((box.y0 - 1) // _SLICE), int((box.y1 + 1) // _SLICE) + 1):
            out.setdefault((shade, at), []).append(box)
    return out


def levels_of(strokes: Iterable[tuple[float, float, float]]) -> tuple[Level, ...]:
    """Strokes (place, start, end) gathered into lines; those close to each other are one."""
    groups: list[list[tuple[float, float, float]]] = []
    for s in sorted(strokes):
        if groups and s[0] - groups[-1][0][0] <= _NEAR:
            groups[-1].append(s)
        else:
            groups.append([s])
    return tuple(Level(_middle(g), _joined((a, b) for _, a, b in g)) for g in groups)


def _middle(group: Sequence[tuple[float, float, float]]) -> float:
    total = sum(b - a for _, a, b in group)
    return sum(at * (b - a) for at, a, b in group) / total if total else group[0][0]


def _joined(spans: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    out: list[tuple[float, float]] = []
    for a, b in sorted(spans):
        if out and a - out[-1][1] <= 2 * _JOIN:
            out[-1] = (out[-1][0], max(out[-1][1], b))
        else:
            out.append((a, b))
    return tuple((a - _JOIN, b + _JOIN) for a, b in out)


def fitted(
    edges: Sequence[float], along: Sequence[Level], across: Sequence[Level], words: Sequence[Word], *, rows: bool
) -> list[float]:
    """The grid's edges moved onto the ruled lines that part the same words; lines that part others are added.

    Args:
        edges: of the rows or the columns, with the table's own two; ascending, in points.
        along: the ruled lines that run along these edges.
        across: those that run across them.
        words: of the table.
        rows: True for the edges of rows, False for those of columns.
    """
    out = list(edges)
    where = [(w.y, w.x) if rows else (w.x, w.y) for w in words]
    start = min((w.box.x0 if rows else w.box.y0 for w in words), default=0.0)
    end = max((w.box.x1 if rows else w.box.y1 for w in words), default=0.0)
    for level in along:
        if not edges[0] < level.at < edges[-1]:
            continue
        places = sorted(at for at, side in where if level.holds(side))
        part = bisect_right(places, level.at)
        if part in (0, len(places)):
            continue
        elsewhere = [(at, side) for at, side in where if not level.holds(side)]
        same = [e for e in out[1:-1] if bisect_right(places, e) == part or abs(e - level.at) <= _NEAR]
        free = [e for e in same if not any(_passed(p, e, level, across) for p in elsewhere)]
        if free:
            out.remove(min(free, key=lambda e: abs(e - level.at)))
            insort(out, level.at)
        elif not same and not (rows and _underlines(level, words)) and level.covered(start, end) >= _NEW_LINE:
            insort(out, level.at)
    return out


def _underlines(level: Level, words: Sequence[Word]) -> bool:
    """True when the line begins and ends with words that stand on it: a link, or words set off."""
    on = [w.box for w in words if abs(w.box.y1 - level.at) <= _NEAR and level.holds(w.x)]
    start, end = level.spans[0][0] + _JOIN, level.spans[-1][1] - _JOIN
    return any(abs(b.x0 - start) <= _JOIN for b in on) and any(abs(b.x1 - end) <= _JOIN for b in on)


def _passed(word: tuple[float, float], edge: float, level: Level, across: Sequence[Level]) -> bool:
    """True when the edge, moved onto the line, would pass the word (its place across and along the line).

    A word behind a line that stands across does not count: its cell may reach over the edge.
    """
    at, side = word
    if not min(edge, level.at) < at < max(edge, level.at):
        return False
    end = min((v for span in level.spans for v in span), key=lambda v: abs(v - side))
    return not any(min(side, end) - _NEAR <= c.at <= max(side, end) + _NEAR and c.holds(at) for c in across)
