"""Rows and columns that the layout engine's grid runs together: told apart by the figures in them."""

from __future__ import annotations

import re
from bisect import bisect_right, insort
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.parsing.grid_words import Word

__all__ = ["parted_columns", "parted_rows"]

_FIGURE = re.compile(r"[-+\u2212(]*[\d][\d.,\u2009\u00a0]*[)%]*$")
_YEAR = re.compile(r"(?:19|20)\d\d$")
_GUTTER = 0.8  # font sizes between two columns
_MOST = 0.6  # share of rows (columns) in which both parts must be there
_FEWEST_ROWS = 3
_FEWEST_COLUMNS = 2


def parted_rows(xs: Sequence[float], ys: Sequence[float], words: Sequence[Word]) -> list[float]:
    """The rows' edges, with one more between two printed rows that share a grid row.

    That is so where several columns end in a figure on one line, with something else of theirs on the line above: a
    figure, or the heading of the column. Years do not count as figures under a heading: they end headings.
    """
    out = list(ys)
    for top, bottom in pairwise(ys):
        inside = [w for w in words if top <= w.y < bottom]
        lines = _lines(inside)
        if len(lines) < 2:
            continue
        for upper, lower in pairwise(lines):
            if _two_rows(upper, lower, inside, xs):
                insort(out, (max(w.box.y1 for w in upper) + min(w.box.y0 for w in lower)) / 2)
                break
    return out


def _lines(words: Sequence[Word]) -> list[list[Word]]:
    """Words by height: those whose middles lie within each other's boxes are on one line."""
    out: list[list[Word]] = []
    for w in sorted(words, key=lambda w: w.y):
        if out and w.y - out[-1][0].y < 0.5 * max(w.size, out[-1][0].size):
            out[-1].append(w)
        else:
            out.append([w])
    return out


def _two_rows(upper: Sequence[Word], lower: Sequence[Word], inside: Sequence[Word], xs: Sequence[float]) -> bool:
    if max(w.box.y1 for w in upper) > min(w.box.y0 for w in lower) + 1.0:
        return False
    height = min(w.y for w in lower)
    above, under = _by_column([w for w in inside if w.y < height], xs), _by_column(lower, xs)
    rest = _by_column([w for w in inside if w.y > max(w.y for w in lower)], xs)
    if rest:
        return False
    figures = [c for c, ws in under.items() if all(_FIGURE.match(w.text) for w in ws)]
    over = [c for c in figures if c in above]
    if len(over) < _FEWEST_COLUMNS or len(over) < _MOST * len(set(above) | set(under)):
        return False
    years = all(_YEAR.match(w.text) for c in over for w in under[c])
    heads = sum(not all(_FIGURE.match(w.text) for w in above[c]) for c in over)
    return heads == 0 or (heads == len(over) and not years)


def _by_column(words: Sequence[Word], xs: Sequence[float]) -> dict[int, list[Word]]:
    out: dict[int, list[Word]] = {}
    for w in words:
        out.setdefault(bisect_right(xs, w.x), []).append(w)
    return out


def parted_columns(xs: Sequence[float], ys: Sequence[float], words: Sequence[Word]) -> list[float]:
    """The columns' edges, with one more where a column holds two: a gutter through it, with figures on its right."""
    out = list(xs)
    for left, right in pairwise(xs):
        inside = [w for w in words if left <= w.x < right]
        at = _gutter(inside, ys)
        if at is not None:
            insort(out, at)
    return out


def _gutter(words: Sequence[Word], ys: Sequence[float]) -> float | None:
    rows: dict[int, list[Word]] = {}
    for w in words:
        rows.setdefault(bisect_right(ys, w.y), []).append(w)
    if sum(len(ws) > 1 for ws in rows.values()) < _FEWEST_ROWS:
        return None
    reach = None
    for w in sorted(words, key=lambda w: w.box.x0):
        if reach is not None and w.box.x0 - reach > _GUTTER * w.size:
            at = (reach + w.box.x0) / 2
            both = [ws for ws in rows.values() if _parted(ws, at)]
            if len(both) >= max(_FEWEST_ROWS, _MOST * len(rows)):
                return at
        reach = w.box.x1 if reach is None else max(reach, w.box.x1)
    return None


def _parted(words: Sequence[Word], at: float) -> bool:
    """True when there is text left of the place and one figure right of it."""
    right = [w for w in words if w.x > at]
    return (
        len(right) == 1
        and bool(_FIGURE.match(right[0].text))
        and any(c.isalnum() for w in words if w.x < at for c in w.text)
    )
