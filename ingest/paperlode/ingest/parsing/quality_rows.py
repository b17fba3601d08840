"""Rows of a table that has no boxes of cells, held against the bands of print in its box: is a band left over?

A recognition model says the rows in order and not where they stand. Each row takes one band of print or, wrapped, a few; how wide
it is printed follows from its characters. The cheapest assignment of bands to rows tells the bands that belong to none.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from paperlode.ingest.boxes import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.document import Table

__all__ = ["bands_left_over", "print_bands"]

_FEWEST, _MOST = 4, 150  # rows: of fewer the width of a character is unknown, more take too long
_WRAPPED = 4  # bands of one row at most
_PART = 0.5  # of the usual band's height: lower is an underline or a row of dots
_DOUBLE = 1.7  # of the usual band's height: higher are rows that touch
_NARROW = 30.0  # points: a band of less may be a wrapped word
_SHARE = 0.2  # of a mean row's width, likewise
_MISFIT = 0.1  # of the rows' width that may be off for the assignment to be believed
_FEW = 0.2  # of the rows that may be missing: more are another reading of the table
_HEADER = 3  # bands at the top that may be lines of a header, side by side in one row: they tell nothing
_WIDE, _THIN = 1.35, 0.6  # digits that a capital and a sign are wide


def bands_left_over(table: Table, bands: Sequence[tuple[Box, float]]) -> list[Box]:
    """The bands that belong to no row; none where that cannot be told.

    Args:
        table: without spans over rows.
        bands: see ``print_bands``.
    """
    said = [w for r in range(table.rows) if (w := _width(table.row_text(r)))]
    if not _FEWEST <= len(said) < len(bands) <= _MOST or any(c.row_span > 1 for c in table.cells):
        return []
    widths = [w for _, w in bands]
    whole = sum(widths) / sum(said)
    tries = [_settled(said, widths, start) for start in (whole, whole * len(said) / len(bands))]
    left, misfit, scale = min(tries, key=lambda t: t[1] + _price(said, t[2]) * len(t[0]))
    clear = misfit <= _MISFIT * scale * sum(said) and len(left) <= max(1, _FEW * len(said))
    kept = [i for i in left if i >= _HEADER]
    return [bands[i][0] for i in kept] if clear else []


def _settled(said: Sequence[float], widths: Sequence[float], scale: float) -> tuple[list[int], float, float]:
    """Bands left over, misfit, and the points of a digit, which the bands that are not left over tell."""
    left, misfit = _left([n * scale for n in said], widths, _price(said, scale))
    for _ in range(2):
        scale = (sum(widths) - sum(widths[i] for i in left)) / sum(said)
        left, misfit = _left([n * scale for n in said], widths, _price(said, scale))
    return left, misfit, scale


def _price(said: Sequence[float], scale: float) -> float:
    return max(_NARROW, _SHARE * scale * sum(said) / len(said))


def _width(text: str) -> float:
    """How wide a text is printed, in digits: about what it is in Helvetica and Times."""
    return sum(
        _WIDE if c.isupper() or ord(c) >= 0x2E80 else 1.0 if c.isalnum() else _THIN for c in text if c not in " |"
    )


def _left(rows: Sequence[float], bands: Sequence[float], price: float) -> tuple[list[int], float]:
    """The cheapest assignment, in order, of one band or more to every row: bands left over, and its misfit in points."""
    upto = [0.0, *accumulate(bands)]
    endless = float("inf")
    best = [price * j for j in range(len(bands) + 1)]  # cost of the first j bands and no row: all left over
    came: list[list[int]] = [[1] * (len(bands) + 1)]
    for row in rows:
        now, steps = [endless] * (len(bands) + 1), [0] * (len(bands) + 1)
        for j in range(1, len(bands) + 1):
            now[j], steps[j] = now[j - 1] + price, -1
            for k in range(1, min(_WRAPPED, j) + 1):
                cost = best[j - k] + abs(upto[j] - upto[j - k] - row)
                if cost < now[j]:
                    now[j], steps[j] = cost, k
        best = now
        came.append(steps)
    left: list[int] = []
    i, j = len(rows), len(bands)
    while j > 0:
        step = came[i][j] if i else -1
        if step < 0:
            left.append(j - 1)
            j -= 1
        else:
            i, j = i - 1, j - step
    return left[::-1], best[-1] - price * len(left)


def print_bands(part: NDArray[np.bool_], box: Box) -> list[tuple[Box, float]]:
    """The bands of print in a table, top to bottom: each its box and how much of its width is printed, in points.

    Args:
        part: the ink in the table's box, without rules.
        box: of the table, in points.
    """
    import cv2
    import numpy as np

    if not part.any():
        return []
    sx, sy = part.shape[1] / max(box.width, 1.0), part.shape[0] / max(box.height, 1.0)
    rows = np.concatenate([[False], part.any(axis=1), [False]]).astype(np.int8)
    runs: list[tuple[int, int]] = [(int(a), int(b)) for a, b in np.flatnonzero(np.diff(rows)).reshape(-1, 2)]
    heights = sorted(b - a for a, b in runs)
    usual = heights[len(heights) // 2]
    out: list[tuple[Box, float]] = []
    for top, bottom in runs:
        if bottom - top < _PART * usual:
            continue
        parts = max(1, round((bottom - top) / usual)) if bottom - top > _DOUBLE * usual else 1
        cuts = [top + round(k * (bottom - top) / parts) for k in range(parts + 1)]
        for a, b in pairwise(cuts):
            columns = np.asarray(part[a:b].any(axis=0), dtype=np.uint8).reshape(1, -1)
            printed = cv2.morphologyEx(columns, cv2.MORPH_CLOSE, np.ones((1, 3), np.uint8)) > 0
            where = np.flatnonzero(printed)
            if len(where):
                x0, x1 = int(where[0]) / sx, (int(where[-1]) + 1) / sx
                place = Box(box.x0 + x0, box.y0 + a / sy, box.x0 + x1, box.y0 + b / sy)
                out.append((place, len(where) / sx))
    return out
