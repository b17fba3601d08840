"""PyMuPDF's layout engine on one page: boxes with classes in reading order, tables with cells.

We call the engine itself (``Page.get_layout``) and pymupdf4llm's reading order, and read text and cells on our own:
``pymupdf4llm.to_json`` walks the whole document's form fields for every call, and asks each cell about each character.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import Block, Box, Kind, Layer, PageBox
from paperlode.ingest.parsing.grid import table_of
from paperlode.ingest.parsing.lines import PrintedLine, block_of, lines_of
from paperlode.ingest.parsing.outline import heading_level

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pymupdf

__all__ = ["read_layout"]

_KINDS: dict[str, tuple[Kind, Layer]] = {
    "text": (Kind.TEXT, Layer.BODY),
    "title": (Kind.TITLE, Layer.BODY),
    "section-header": (Kind.HEADING, Layer.BODY),
    "list-item": (Kind.LIST_ITEM, Layer.BODY),
    "table": (Kind.TABLE, Layer.BODY),
    "caption": (Kind.CAPTION, Layer.BODY),
    "picture": (Kind.FIGURE, Layer.BODY),
    "formula": (Kind.FORMULA, Layer.BODY),
    "footnote": (Kind.FOOTNOTE, Layer.NOTE),
    "page-header": (Kind.PAGE_HEADER, Layer.FURNITURE),
    "page-footer": (Kind.PAGE_FOOTER, Layer.FURNITURE),
}
"""Classes of the engine (pymupdf.layout, its yaml's class list) on ours; an unknown one becomes text."""

_SMALLEST = 2.0  # points: boxes flatter than this hold nothing


@dataclass(slots=True)
class _Area:
    """A box of the engine, and the lines that turned out to lie in it."""

    name: str
    box: Box
    grid: Any = None
    lines: list[PrintedLine] = field(default_factory=list)


def read_layout(
    page: pymupdf.Page, index: int, *, confidence: Callable[[Box], float | None] | None = None
) -> tuple[Block, ...]:
    """Blocks in reading order, in the page's own points (origin top left, its rotation removed by the caller).

    ``confidence`` tells how sure the recognition was of what stands in a box, when the text layer is our own.
    Lines that the engine puts in no box become text blocks of their own, at their height: nothing is dropped.
    """
    import pymupdf
    from pymupdf4llm.helpers import utils

    flags = (
        pymupdf.TEXT_COLLECT_STYLES
        | pymupdf.TEXT_COLLECT_VECTORS
        | pymupdf.TEXT_PRESERVE_IMAGES
        | pymupdf.TEXT_ACCURATE_BBOXES
        | pymupdf.TEXT_MEDIABOX_CLIP
        | pymupdf.TEXT_IGNORE_ACTUALTEXT
    )
    textpage = page.get_textpage(flags=flags, clip=pymupdf.INFINITE_RECT())
    raw = textpage.extractDICT()["blocks"]
    page.get_layout(return_raw=True)
    groups = [g for g in page.layout_information or [] if _has_area(g) and _usable(g)]
    tables = {tuple(round(v, 1) for v in g["group_bbox"][:4]): g["table_grid"] for g in groups if _is_table(g)}
    found = [(*(float(v) for v in g["group_bbox"][:4]), g["class_name"]) for g in groups]
    page.layout_information = found
    utils.clean_pictures(page, raw)
    utils.add_image_orphans(page, raw)
    ordered = utils.find_reading_order(page.rect, raw, list(page.layout_information))

    areas = [_Area(b[4], Box(*map(float, b[:4])), tables.get(tuple(round(v, 1) for v in b[:4]))) for b in ordered]
    for a in areas:
        if a.name == "table" and a.grid is None:
            a.name = "text"
    lines = [ln for ln in lines_of(raw) if ln.text]
    if confidence:
        lines = [replace(ln, confidence=confidence(ln.box)) for ln in lines]
    for stray in _assign(lines, areas):
        areas.insert(_place(stray, areas), stray)
    body = _body_size(areas)
    cells = textpage.extractRAWDICT()["blocks"] if any(a.name == "table" for a in areas) else []
    blocks = [_block(a, index, body, cells) for a in areas]
    return tuple(b for b in blocks if b.text or b.kind in (Kind.FIGURE, Kind.FORMULA))


def _has_area(group: dict[str, Any]) -> bool:
    x0, y0, x1, y1 = group["group_bbox"][:4]
    return bool(x1 - x0 > _SMALLEST and y1 - y0 > _SMALLEST)


def _is_table(group: dict[str, Any]) -> bool:
    return bool(group["class_name"] == "table")


def _usable(group: dict[str, Any]) -> bool:
    return not _is_table(group) or bool(group.get("table_grid"))


def _assign(lines: Sequence[PrintedLine], areas: list[_Area]) -> list[_Area]:
    """Puts each line into the area that covers most of it; returns what no area covers, joined into stray areas."""
    strays: list[_Area] = []
    for line in lines:
        size = max(line.box.area, 0.01)
        best = max(areas, key=lambda a: a.box.overlap(line.box), default=None)
        if best is not None and best.box.overlap(line.box) > 0.3 * size:
            best.lines.append(line)
            continue
        last = strays[-1] if strays else None
        near = last and line.box.y0 - last.box.y1 < 0.8 * line.size and line.box.overlap(last.box.grown(line.size)) > 0
        if last and near:
            last.lines.append(line)
            last.box = last.box.union(line.box)
        else:
            strays.append(_Area("text", line.box, None, [line]))
    return strays


def _place(stray: _Area, areas: Sequence[_Area]) -> int:
    """Index in reading order: before the first area that starts below the stray and is not left of its column."""
    for i, a in enumerate(areas):
        shares_column = min(a.box.x1, stray.box.x1) > max(a.box.x0, stray.box.x0)
        if a.box.y0 >= stray.box.y0 and shares_column:
            return i
    return len(areas)


def _body_size(areas: Sequence[_Area]) -> float:
    """Font size in points of most of the page's running text; 10 where there is none."""
    weight: dict[float, int] = {}
    for a in areas:
        if a.name in ("text", "list-item", "table"):
            for ln in a.lines:
                weight[round(ln.size, 1)] = weight.get(round(ln.size, 1), 0) + len(ln.text)
    return max(weight, key=lambda s: (weight[s], -s), default=10.0)


def _block(area: _Area, page: int, body: float, cells: Sequence[dict[str, Any]]) -> Block:
    kind, layer = _KINDS.get(area.name, (Kind.TEXT, Layer.BODY))
    if area.grid is not None and kind is Kind.TABLE:
        table = table_of(area.box, area.grid, [ln.box for ln in area.lines], page, cells)
        region = PageBox(page, area.box.rounded())
        return Block(kind, table.to_text(), (region,), layer, confidence=_mean_confidence(area), table=table)
    if not area.lines:
        return Block(kind, "", (PageBox(page, area.box.rounded()),), layer)
    lines = area.lines if kind is not Kind.FIGURE else _top_down(area.lines)
    size = max(ln.size for ln in lines)
    text = " ".join(ln.text for ln in lines)
    level = heading_level(text, size=size, body=body) if kind in (Kind.TITLE, Kind.HEADING) else None
    return block_of(kind, lines, page, layer=layer, level=1 if kind is Kind.TITLE else level, box=area.box)


def _mean_confidence(area: _Area) -> float | None:
    known = [ln.confidence for ln in area.lines if ln.confidence is not None]
    return round(sum(known) / len(known), 3) if known else None


def _top_down(lines: Sequence[PrintedLine]) -> list[PrintedLine]:
    return sorted(lines, key=lambda ln: (round(ln.box.y0), ln.box.x0))
