"""What is asked of a page: its regions after the rules, each with what it is asked for, or with its text from the layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from paperlode.ingest.document import Box, Layer
from paperlode.ingest.parsing.crops import BLANK, cut, figures_inside, hide_figures, ink
from paperlode.ingest.parsing.layout import Region
from paperlode.ingest.parsing.layout_labels import meaning_of
from paperlode.ingest.parsing.layout_losses import Found, restore
from paperlode.ingest.parsing.layout_rules import Reason, Removed, apply_rules
from paperlode.ingest.vllm.values import Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.parsing.vl_text_layer import RegionText, TextLayer

__all__ = ["WHOLE", "PagePlan", "Part", "piece_of", "plan_page"]

WHOLE = frozenset({"read_whole", "spotted"})
"""Flags of what was read of a whole page without regions."""

_MOST_FIGURES = 0.5  # of a table's area: a larger one is its background, and the table stands on it


@dataclass(frozen=True, slots=True)
class Part:
    """One region of a page.

    Attributes:
        region: pixels of the upright picture.
        task: what the model is asked for; None where nothing is.
        flags: of its block.
        chart: the chart that it lies in.
        figures: pictures inside a table, each with the token that stands in its place when the table is read.
        own: its text from the page's text layer, which need not be asked for.
    """

    region: Region
    task: Task | None
    flags: tuple[str, ...] = ()
    chart: Region | None = None
    figures: tuple[tuple[str, Region], ...] = ()
    own: RegionText | None = None


@dataclass(frozen=True, slots=True)
class PagePlan:
    """All parts in reading order, what the rules removed for good, and flags of the page."""

    parts: tuple[Part, ...]
    removed: tuple[Removed, ...] = ()
    flags: tuple[str, ...] = ()


def plan_page(
    picture: NDArray[np.uint8],
    found: Sequence[Region],
    *,
    version: str,
    layer: TextLayer | None = None,
    scale: float = 1.0,
) -> PagePlan:
    """What to ask of an upright picture with these regions.

    Args:
        picture: RGB (h, w, 3).
        found: the layout model's regions, in pixels.
        version: of PaddleOCR-VL: 1.0 knows neither seals nor spotting.
        layer: the page's own text, if that is kept.
        scale: points a pixel, for the layer.
    """
    ruled = apply_rules(found, width=picture.shape[1], height=picture.shape[0])
    if _only_pictures(ruled.kept, ruled.removed):
        parts = [_part(Found(r), version) for r in ruled.kept]
        own = layer.text_of(_page(picture), picture, scale=scale) if layer is not None else None
        parts += _whole_page(picture, version, own)
        return PagePlan(tuple(parts), ruled.removed, () if parts else ("blank",))
    kept, removed = restore(ruled, picture)
    with_maths = [r.by for r in ruled.removed if r.reason is Reason.INLINE_FORMULA and r.by is not None]
    parts = [_part(f, version) for f in kept]
    if layer is not None:
        parts = [_own(p, picture, layer, scale) if _plain(p, with_maths) else p for p in parts]
    return PagePlan(_with_figures(parts), removed)


def piece_of(picture: NDArray[np.uint8], part: Part) -> NDArray[np.uint8]:
    """The part's picture, figures in a table hidden: a view where nothing is."""
    piece = cut(picture, part.region)
    if not part.figures:
        return piece
    x, y = int(part.region.box.x0), int(part.region.box.y0)
    table, *figures = (
        replace(r, box=Box(r.box.x0 - x, r.box.y0 - y, r.box.x1 - x, r.box.y1 - y), polygon=())
        for r in (part.region, *(f for _, f in part.figures))
    )
    return hide_figures(piece, table, figures)[0]


def _part(found: Found, version: str) -> Part:
    task = meaning_of(found.region.label).task
    if task is Task.SEAL and version == "1.0":
        task = Task.OCR
    return Part(found.region, task, (found.flag,) if found.flag else (), found.chart)


def _only_pictures(kept: Sequence[Region], removed: Sequence[Removed]) -> bool:
    """Whether the layout found nothing to read in the page's body: pictures only, or nothing on a page of one picture."""
    body = [r for r in kept if meaning_of(r.label).layer is Layer.BODY]
    if not body:
        return not kept or any(x.reason is Reason.PAGE_PICTURE for x in removed)
    return all(meaning_of(r.label).task is None for r in body)


def _whole_page(picture: NDArray[np.uint8], version: str, own: RegionText | None) -> list[Part]:
    """The page read as one picture: with places where the version knows that; nothing for a blank one."""
    if ink(picture) < BLANK:
        return []
    page = _page(picture)
    if own is not None or version == "1.0":
        return [Part(page, Task.OCR, ("read_whole",), own=own)]
    return [Part(page, Task.SPOTTING, ("spotted",))]


def _page(picture: NDArray[np.uint8]) -> Region:
    return Region("text", 1.0, Box(0.0, 0.0, float(picture.shape[1]), float(picture.shape[0])))


def _plain(part: Part, with_maths: Sequence[Region]) -> bool:
    """Whether the text layer may have all of it: text, and no formula in a line."""
    return part.task is Task.OCR and not any(
        (m.label, m.box) == (part.region.label, part.region.box) for m in with_maths
    )


def _own(part: Part, picture: NDArray[np.uint8], layer: TextLayer, scale: float) -> Part:
    return replace(part, own=layer.text_of(part.region, picture, scale=scale))


def _with_figures(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Pictures inside a table become part of it, and stand right after it, flagged."""
    tables: dict[int, tuple[tuple[str, Region], ...]] = {}
    gone: set[int] = set()
    for t, table in enumerate(parts):
        if table.task is not Task.TABLE:
            continue
        most = _MOST_FIGURES * table.region.box.area
        free = [
            i for i, p in enumerate(parts) if i not in gone and p.region.label == "image" and p.region.box.area < most
        ]
        named = figures_inside(table.region, [parts[i].region for i in free])
        if named and sum(f.box.area for _, f in named) < most:
            tables[t] = named
            gone |= {i for i in free if any(parts[i].region is f for _, f in named)}
    out: list[Part] = []
    for i, part in enumerate(parts):
        if i in gone:
            continue
        out.append(replace(part, figures=tables.get(i, ())))
        out += [Part(f, None, ("in_table",)) for _, f in tables.get(i, ())]
    return tuple(out)
