"""What to keep of a layout model's regions: the post-processing of PaddleX's layout analysis, step by step.

The steps and limits are those of PaddleOCR-VL's pipeline (PaddleX, ``layout_analysis/processors.py``), with these
differences, all in favour of keeping what is printed:

* what a rule removes is handed back, with the reason and the region that stands for it;
* page headers, footers, numbers and other furniture stay (they are a layer, see ``layout_labels``);
* a ``reference`` frame goes only when ``reference_content`` lies inside it;
* a region is removed only in favour of one that stays: of two that contain each other, PaddleX removes both;
* an inline formula goes when more than half of *it* is covered, not when it covers half of something smaller.

Every function is pure, and keeps the order of its input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from paperlode.ingest.document import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from paperlode.ingest.parsing.layout import Region

__all__ = [
    "Reason",
    "Removed",
    "Ruled",
    "apply_rules",
    "clip",
    "drop_contained",
    "drop_duplicates",
    "drop_frames",
    "drop_overlapping",
    "drop_page_pictures",
    "drop_slivers",
    "in_order",
    "polygon_overlap",
    "simplify",
    "unclip",
]

_SAME_LABEL = 0.6  # intersection over union
_OTHER_LABEL = 0.98
_PAGE_LANDSCAPE, _PAGE_PORTRAIT = 0.82, 0.93  # of the page's area
_INSIDE = 0.8  # of the inner region's area
_SWALLOWS = frozenset({"chart", "display_formula", "doc_title", "inline_formula", "paragraph_title"})
"""Labels merged in the mode "large": whatever lies inside is part of them."""
_SMALLEST = 6.0  # pixels
_COVERED = 0.7  # of the smaller region
_COVERED_INLINE = 0.5
_PICTURES = frozenset({"image", "seal", "chart"})  # may lie on other things, and other things on them
_NEARLY_BOX, _NEARLY_QUAD = 0.95, 0.8  # intersection over union, for an outline to be replaced by a simpler one
_TOUCHING = 0.01
_RASTER = 512  # cells along the longer side when outlines are compared: an error under one percent


class Reason(StrEnum):
    """Why a region was removed."""

    OUTSIDE = "outside"
    """No part of it is on the page."""
    DUPLICATE = "duplicate"
    """A surer region covers the same place."""
    PAGE_PICTURE = "page_picture"
    """A picture as large as the page: the scan itself."""
    CONTAINED = "contained"
    """It is part of a heading, formula or chart."""
    REFERENCE_FRAME = "reference_frame"
    """Its references are regions of their own."""
    SLIVER = "sliver"
    """Too thin to hold anything."""
    INLINE_FORMULA = "inline_formula"
    """It is read with the text around it."""
    OVERLAPPED = "overlapped"
    """A larger region covers it."""


@dataclass(frozen=True, slots=True)
class Removed:
    """A region that a rule took away; ``by`` is the region that stands for it, where there is one."""

    region: Region
    reason: Reason
    by: Region | None = None


@dataclass(frozen=True, slots=True)
class Ruled:
    """What a rule kept and what it removed: together all that it was given, each in the order given."""

    kept: tuple[Region, ...]
    removed: tuple[Removed, ...] = ()


def apply_rules(regions: Iterable[Region], *, width: int, height: int) -> Ruled:
    """All steps on the regions of a picture of that size in pixels; what is kept is in reading order.

    Regions are clipped to the picture first, and outlines are simplified before the last step.
    """
    ruled = clip(regions, width=width, height=height)
    ruled = _then(ruled, drop_duplicates)
    ruled = _then(ruled, lambda r: drop_page_pictures(r, width=width, height=height))
    ruled = _then(ruled, drop_contained)
    ruled = Ruled(unclip(simplify(in_order(ruled.kept))), ruled.removed)
    for rule in (drop_frames, drop_slivers, drop_overlapping):
        ruled = _then(ruled, rule)
    return ruled


def _then(ruled: Ruled, rule: Callable[[Sequence[Region]], Ruled]) -> Ruled:
    after = rule(ruled.kept)
    return Ruled(after.kept, ruled.removed + after.removed)


def _ruled(regions: Sequence[Region], gone: dict[int, Removed]) -> Ruled:
    kept = tuple(r for i, r in enumerate(regions) if i not in gone)
    return Ruled(kept, tuple(gone[i] for i in sorted(gone)))


def clip(regions: Iterable[Region], *, width: int, height: int) -> Ruled:
    """Boxes and outlines cut to the picture; a region without area there is removed as it was."""
    kept, removed = [], []
    for r in regions:
        x0, y0 = max(0.0, r.box.x0), max(0.0, r.box.y0)
        x1, y1 = min(float(width), r.box.x1), min(float(height), r.box.y1)
        if not all(map(math.isfinite, r.box)) or x1 <= x0 or y1 <= y0:
            removed.append(Removed(r, Reason.OUTSIDE))
            continue
        polygon = tuple((min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))) for x, y in r.polygon)
        kept.append(replace(r, box=Box(x0, y0, x1, y1), polygon=polygon))
    return Ruled(tuple(kept), tuple(removed))


def drop_duplicates(regions: Iterable[Region]) -> Ruled:
    """Step 1: of regions on the same place the surest stays (IoU 0.6 for one label, 0.98 for two)."""
    given = tuple(regions)
    kept: list[int] = []
    gone: dict[int, Removed] = {}
    for i in sorted(range(len(given)), key=lambda i: -given[i].score):
        rival = next((k for k in kept if _same_place(given[k], given[i])), None)
        if rival is None:
            kept.append(i)
        else:
            gone[i] = Removed(given[i], Reason.DUPLICATE, given[rival])
    return _ruled(given, gone)


def _same_place(a: Region, b: Region) -> bool:
    shared = a.box.overlap(b.box)
    limit = _SAME_LABEL if a.label == b.label else _OTHER_LABEL
    return shared >= limit * (a.box.area + b.box.area - shared)


def drop_page_pictures(regions: Iterable[Region], *, width: int, height: int) -> Ruled:
    """Step 2: an ``image`` over more than 0.82 of a landscape page or 0.93 of another, unless nothing else is there."""
    given = tuple(regions)
    limit = (_PAGE_LANDSCAPE if width > height else _PAGE_PORTRAIT) * width * height
    gone = {
        i: Removed(r, Reason.PAGE_PICTURE) for i, r in enumerate(given) if r.label == "image" and r.box.area > limit
    }
    return Ruled(given) if len(gone) == len(given) else _ruled(given, gone)


def drop_contained(regions: Iterable[Region]) -> Ruled:
    """Step 3: what lies by 0.8 of its area inside a chart, formula or heading that is larger and stays."""
    given = tuple(regions)
    kept: list[int] = []
    gone: dict[int, Removed] = {}
    for i in _largest_first(given):
        holder = next((k for k in kept if given[k].label in _SWALLOWS and _inside(given[i].box, given[k].box)), None)
        if holder is None:
            kept.append(i)
        else:
            gone[i] = Removed(given[i], Reason.CONTAINED, given[holder])
    return _ruled(given, gone)


def _inside(inner: Box, outer: Box) -> bool:
    return inner.overlap(outer) >= _INSIDE * inner.area


def _largest_first(regions: Sequence[Region]) -> list[int]:
    return sorted(range(len(regions)), key=lambda i: (-regions[i].box.area, -regions[i].score))


def in_order(regions: Iterable[Region]) -> tuple[Region, ...]:
    """Step 4: by reading order; those of equal or unknown order keep theirs, the unknown come last."""
    return tuple(sorted(regions, key=lambda r: (r.order is None, r.order or 0)))


def simplify(regions: Iterable[Region]) -> tuple[Region, ...]:
    """Step 5: an outline becomes the tilted rectangle around it when it nearly is one, and the box when that is nearly it.

    An outline keeps its form where the box would reach into the region before it.
    """
    out: list[Region] = []
    for r in regions:
        before = out[-1] if out else None
        out.append(replace(r, polygon=_simpler(r, before)) if r.polygon else r)
    return tuple(out)


def _simpler(region: Region, before: Region | None) -> tuple[tuple[float, float], ...]:
    import cv2
    import numpy as np

    corners = _corners(region.box)
    tilted = cv2.boxPoints(cv2.minAreaRect(np.array(region.polygon, np.float32)))
    quad = tuple((float(x), float(y)) for x, y in tilted)
    if polygon_overlap(region.polygon, quad, of="union") < _NEARLY_QUAD:
        return region.polygon
    if before is not None and polygon_overlap(_outline(before), corners, of="smaller") >= _TOUCHING:
        return region.polygon
    return corners if polygon_overlap(corners, quad, of="union") >= _NEARLY_BOX else quad


def _corners(box: Box) -> tuple[tuple[float, float], ...]:
    return ((box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1))


def _outline(region: Region) -> tuple[tuple[float, float], ...]:
    return region.polygon or _corners(region.box)


def polygon_overlap(
    a: Sequence[tuple[float, float]], b: Sequence[tuple[float, float]], *, of: str = "smaller"
) -> float:
    """What two outlines share, over their union (``of="union"``) or the smaller of them; 0 to 1, to about a hundredth.

    Both are drawn on one grid, so that outlines that cross themselves are no special case.
    """
    import cv2
    import numpy as np

    points = np.array([*a, *b], np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    span = float((high - low).max())
    if not np.isfinite(span) or span <= 0:
        return 0.0
    scale = (_RASTER - 1) / span
    cols, rows = (np.ceil((high - low) * scale) + 1).astype(int)
    drawn = []
    for outline in (a, b):
        canvas = np.zeros((rows, cols), np.uint8)
        cv2.fillPoly(canvas, [np.round((np.array(outline) - low) * scale).astype(np.int32)], 1)
        drawn.append(canvas)
    shared = int(np.count_nonzero(drawn[0] & drawn[1]))
    areas = [int(np.count_nonzero(d)) for d in drawn]
    return shared / (sum(areas) - shared if of == "union" else min(areas))


def unclip(regions: Iterable[Region], ratio: float = 1.0) -> tuple[Region, ...]:
    """Step 6: boxes widened about their centre by ``ratio``; 1.0, the published value, leaves them as they are."""
    if ratio == 1.0:
        return tuple(regions)

    def widened(box: Box) -> Box:
        dx, dy = box.width * (ratio - 1) / 2, box.height * (ratio - 1) / 2
        return Box(box.x0 - dx, box.y0 - dy, box.x1 + dx, box.y1 + dy)

    return tuple(replace(r, box=widened(r.box)) for r in regions)


def drop_frames(regions: Iterable[Region]) -> Ruled:
    """Step 7a: a ``reference`` frame with ``reference_content`` inside; a frame without stays and is read whole."""
    given = tuple(regions)
    contents = [r for r in given if r.label == "reference_content"]
    gone: dict[int, Removed] = {}
    for i, r in enumerate(given):
        inside = next((c for c in contents if _inside(c.box, r.box)), None) if r.label == "reference" else None
        if inside is not None:
            gone[i] = Removed(r, Reason.REFERENCE_FRAME, inside)
    return _ruled(given, gone)


def drop_slivers(regions: Iterable[Region], side: float = _SMALLEST) -> Ruled:
    """Step 7b: regions with a side shorter than ``side`` pixels."""
    given = tuple(regions)
    gone = {i: Removed(r, Reason.SLIVER) for i, r in enumerate(given) if min(r.box.width, r.box.height) < side}
    return _ruled(given, gone)


def drop_overlapping(regions: Iterable[Region]) -> Ruled:
    """Step 7c: the smaller of two that share more than 0.7 of it, outlines too where both have one.

    Pictures, charts and seals share their place with other labels. An inline formula goes when more than half of it
    lies in another region.
    """
    given = tuple(regions)
    kept: list[int] = []
    gone: dict[int, Removed] = {}
    for i in sorted(_largest_first(given), key=lambda i: given[i].label == "inline_formula"):
        found = next(((k, why) for k in kept if (why := _covered(given[i], given[k]))), None)
        if found is None:
            kept.append(i)
        else:
            gone[i] = Removed(given[i], found[1], given[found[0]])
    return _ruled(given, gone)


def _covered(region: Region, other: Region) -> Reason | None:
    """Why ``region`` goes because of ``other``, which is larger or comes before inline formulas; None when it stays."""
    share = region.box.overlap(other.box) / region.box.area if region.box.area > 0 else 0.0
    if region.label == "inline_formula" != other.label:
        return Reason.INLINE_FORMULA if share > _COVERED_INLINE else None
    if share <= _COVERED or (region.label != other.label and _PICTURES & {region.label, other.label}):
        return None
    if region.polygon and other.polygon and polygon_overlap(region.polygon, other.polygon) < _COVERED:
        return None
    return Reason.OVERLAPPED
