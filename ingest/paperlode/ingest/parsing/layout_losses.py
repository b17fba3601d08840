"""What the layout rules removed although no region that stays says it: text in charts, and parts that nothing covers.

The rules follow PaddleX, which drops such regions. Here a text inside a chart is read beside the chart, and what sticks out
of the region that stands for a removed one is read as well, when there is ink on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from paperlode.ingest.document import Box
from paperlode.ingest.parsing.crops import cut, strokes
from paperlode.ingest.parsing.layout_labels import meaning_of
from paperlode.ingest.parsing.layout_rules import (
    Reason,
    Removed,
    Ruled,
    drop_overlapping,
    drop_slivers,
    simplify,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.parsing.layout import Region

__all__ = ["IN_CHART", "PARTLY_COVERED", "Found", "restore"]

IN_CHART, PARTLY_COVERED = "in_chart", "partly_covered"
"""Flags of the blocks."""

_CHECKED = frozenset(
    {Reason.CONTAINED, Reason.DUPLICATE, Reason.INLINE_FORMULA, Reason.OVERLAPPED, Reason.REFERENCE_FRAME}
)
_COVERED = 0.9  # of the removed region: the rest is its margin
_LINE = 13  # pixels, odd: less is no line of print (4 points at 200 dpi), but the edge of a neighbour
_INK = 50  # pixels: a digit of 9 points at 200 dpi has about 90
_WHOLE_ROWS = 0.8  # of the region's width: such a rest is read alone, a narrower one would cut lines


@dataclass(frozen=True, slots=True)
class Found:
    """A region to be read: one that the rules kept, or one restored, with the flag that says why.

    ``chart``: the chart that it lies in, whose own answer may say the same.
    """

    region: Region
    flag: str = ""
    chart: Region | None = None


def restore(ruled: Ruled, picture: NDArray[np.uint8]) -> tuple[tuple[Found, ...], tuple[Removed, ...]]:
    """What is to be read in reading order, and what stays removed.

    A restored region stands at its place in the model's order, after the region that it was removed for where that is
    unknown. Of a region covered in part the uncovered rows are restored, or all of it where whole rows would not be.
    """
    restored: list[tuple[Removed, Found]] = []
    for x in ruled.removed:
        restored += [(x, f) for f in _restored(x, ruled.kept, picture)]
    back = _settled([f for _, f in restored])
    removed = tuple(x for x in ruled.removed if not any(x is y and f in back for y, f in restored))
    out = [Found(r) for r in ruled.kept]
    for x, found in sorted(restored, key=lambda p: _place(p[1].region)):
        if found in back:
            out.insert(_index(out, found.region, x.by), found)
    return tuple(out), removed


def _restored(x: Removed, kept: Sequence[Region], picture: NDArray[np.uint8]) -> list[Found]:
    if x.reason not in _CHECKED or meaning_of(x.region.label).task is None:
        return []
    chart = next((k for k in kept if x.by is not None and x.by.label == "chart" and _same(k, x.by)), None)
    if x.reason is Reason.CONTAINED and chart is not None and x.region.label != "chart":
        return [Found(simplify((x.region,))[0], IN_CHART, chart)]
    readers = [k for k in kept if meaning_of(k.label).task is not None and (k.label != "chart" or _same_label(k, x))]
    return [Found(r, PARTLY_COVERED) for r in _uncovered(simplify((x.region,))[0], readers, picture)]


def _same(a: Region, b: Region) -> bool:
    """Whether they are one region, its outline simplified or not."""
    return (a.label, a.box) == (b.label, b.box)


def _same_label(a: Region, x: Removed) -> bool:
    return a.label == x.region.label


def _uncovered(region: Region, covers: Iterable[Region], picture: NDArray[np.uint8]) -> list[Region]:
    """The rows of the region that no other covers and that hold ink; the region itself where these are no whole rows."""
    import cv2
    import numpy as np

    piece = cut(picture, region)
    origin = (int(region.box.x0), int(region.box.y0))
    mask = np.zeros(piece.shape[:2], np.uint8)
    _fill(mask, region, origin, 1)
    area = int(mask.sum())
    for c in covers:
        _fill(mask, c, origin, 0)
    if not area or int(mask.sum()) <= (1 - _COVERED) * area:
        return []
    framed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT)  # the border counts as outside
    mask = np.asarray(cv2.morphologyEx(framed, cv2.MORPH_OPEN, np.ones((_LINE, _LINE), np.uint8)))[1:-1, 1:-1]
    inked = strokes(piece) & (mask == 1)
    count, places, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(mask), connectivity=4)
    parts = [k for k in range(1, count) if int(np.count_nonzero(inked & (places == k))) >= _INK]
    if not all(stats[k][2] >= _WHOLE_ROWS * piece.shape[1] for k in parts):
        return [region]
    return [replace(region, box=_moved(stats[k], origin), polygon=()) for k in parts]


def _fill(mask: NDArray[np.uint8], region: Region, origin: tuple[int, int], value: int) -> None:
    import cv2
    import numpy as np

    b = region.box
    outline = region.polygon if len(region.polygon) > 2 else ((b.x0, b.y0), (b.x1, b.y0), (b.x1, b.y1), (b.x0, b.y1))
    cv2.fillPoly(mask, [np.round(np.array(outline, np.float64) - origin).astype(np.int32)], value)


def _moved(stats: NDArray[np.int32], origin: tuple[int, int]) -> Box:
    x, y, w, h = (float(v) for v in stats[:4])
    return Box(x + origin[0], y + origin[1], x + w + origin[0], y + h + origin[1])


def _settled(found: Sequence[Found]) -> list[Found]:
    """Without those that are slivers or lie in others that are restored too."""
    kept = drop_overlapping(drop_slivers(f.region for f in found).kept).kept
    return [f for f in found if any(_same(f.region, k) for k in kept)]


def _place(region: Region) -> tuple[bool, int, float, float]:
    return region.order is None, region.order or 0, region.box.y0, region.box.x0


def _index(found: Sequence[Found], region: Region, by: Region | None) -> int:
    if region.order is not None:
        later = (i for i, f in enumerate(found) if f.region.order is not None and f.region.order > region.order)
        return next(later, len(found))
    at = next((i for i, f in enumerate(found, 1) if by is not None and _same(f.region, by)), len(found))
    while at < len(found) and found[at].flag and found[at].region.order is None:
        at += 1
    return at
