"""PyMuPDF's layout engine on one page: boxes with classes in reading order, tables with cells.

We call the engine itself (``Page.get_layout``) and pymupdf4llm's reading order, and read text and cells on our own:
``pymupdf4llm.to_json`` walks the whole document's form fields for every call, and asks each cell about each character.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import Block, Box, Kind, Layer, PageBox
from paperlode.ingest.parsing.engine_pace import hasten, without_styles
from paperlode.ingest.parsing.formula_glyphs import glyphs_in, has_drawn_signs, roots_in, rules_in
from paperlode.ingest.parsing.formula_text import formula_latex, is_wordy, may_be_formula
from paperlode.ingest.parsing.geometry import Affine, map_blocks
from paperlode.ingest.parsing.grid import table_of
from paperlode.ingest.parsing.lines import PrintedLine, block_of, lines_of
from paperlode.ingest.parsing.outline import all_italic, heading_level, leading_heading, stands_out
from paperlode.ingest.parsing.spacing import lacks_spaces, with_spaces

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pymupdf

__all__ = ["enlargement", "read_layout"]

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

_TINY = 4.5  # points: half of the page's characters are set smaller
_USUAL_SIZE = 10.0
_LARGEST_PAGE = 2000.0  # points
_SMALLEST = 2.0  # points: boxes flatter than this hold nothing


@dataclass(slots=True)
class _Area:
    """A box of the engine, and the lines that turned out to lie in it."""

    name: str
    box: Box
    grid: Any = None
    lines: list[PrintedLine] = field(default_factory=list)
    latex: str = ""


def read_layout(
    page: pymupdf.Page, index: int, *, confidence: Callable[[Box], float | None] | None = None
) -> tuple[Block, ...]:
    """Blocks in reading order, in the page's own points (origin top left, its rotation removed by the caller).

    ``confidence`` tells how sure the recognition was of what stands in a box, when the text layer is our own.
    Lines that the engine puts in no box become text blocks of their own, at their height: nothing is dropped.
    A page set in tiny type (a book page said to be stamp-sized) is read enlarged: the engine knows type of usual sizes.
    """
    times = enlargement(page)
    if times == 1.0:
        return _read(page, index, confidence)
    width, height = float(page.rect.width), float(page.rect.height)
    sure = confidence and (lambda box: confidence(Box(*(v / times for v in box))))
    blocks = _read(_enlarged(page, times), index, sure)
    back = Affine.scale(1 / times, 1 / times)
    return tuple(
        replace(b, size=b.size / times if b.size is not None else None)
        for b in map_blocks(blocks, back.box, width, height)
    )


def enlargement(page: pymupdf.Page) -> float:
    """How many times larger the page's type must be to have the usual size; 1 unless it is tiny."""
    import pymupdf

    blocks: Any = page.get_text("dict", flags=pymupdf.TEXT_MEDIABOX_CLIP)
    spans = [(s["size"], len(s["text"])) for b in blocks["blocks"] for ln in b["lines"] for s in ln["spans"]]
    half = sum(n for _, n in spans) / 2
    for size, n in sorted(spans):
        half -= n
        if half <= 0:
            room = _LARGEST_PAGE / max(page.rect.width, page.rect.height, 1.0)
            return max(1.0, min(_USUAL_SIZE / max(size, 0.1), room)) if size < _TINY else 1.0
    return 1.0


def _enlarged(page: pymupdf.Page, times: float) -> pymupdf.Page:
    import pymupdf

    target = pymupdf.open().new_page(width=page.rect.width * times, height=page.rect.height * times)
    target.show_pdf_page(target.rect, page.parent, int(page.number or 0))
    return target


def _read(page: pymupdf.Page, index: int, confidence: Callable[[Box], float | None] | None) -> tuple[Block, ...]:
    import pymupdf
    from pymupdf4llm.helpers import utils

    hasten()
    flags = (
        pymupdf.TEXT_COLLECT_STYLES
        | pymupdf.TEXT_COLLECT_VECTORS
        | pymupdf.TEXT_PRESERVE_IMAGES
        | pymupdf.TEXT_ACCURATE_BBOXES
        | pymupdf.TEXT_MEDIABOX_CLIP
        | pymupdf.TEXT_IGNORE_ACTUALTEXT
    )
    textpage = page.get_textpage(flags=without_styles(page, flags), clip=pymupdf.INFINITE_RECT())
    raw = textpage.extractDICT()["blocks"]
    if lacks_spaces(raw):
        raw = with_spaces(textpage.extractRAWDICT()["blocks"])
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
    math = [] if confidence else [a for a in areas if _may_be_math(a)]
    cells = textpage.extractRAWDICT()["blocks"] if math or any(a.name == "table" for a in areas) else []
    for a in math:
        _write_formula(a, page, cells)
    if not confidence:
        areas = _headings_apart(areas)
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


def _headings_apart(areas: Sequence[_Area]) -> list[_Area]:
    """Headings that the engine took for text, and those it joined with what stands under them, as areas of their own."""
    out: list[_Area] = []
    right = max((a.box.x1 for a in areas), default=0.0)
    for a in areas:
        while a.name in ("text", "list-item", "section-header") and (
            n := leading_heading(a.lines, _edge(a, areas, right))
        ):
            out.append(_Area("section-header", Box.around(ln.box for ln in a.lines[:n]), None, a.lines[:n]))
            rest = a.lines[n:]
            a = _Area(a.name, Box.around(ln.box for ln in rest), None, rest)  # noqa: PLW2901
        out.append(a)
    for a, after in pairwise(out):
        if a.name in ("text", "list-item") and after.name in ("text", "list-item") and stands_out(a.lines, after.lines):
            a.name = "section-header"
    return out


def _edge(area: _Area, areas: Sequence[_Area], right: float) -> float:
    """Right edge of the area's column: where the nearest area beside it begins, else that of the page's text."""
    beside = (
        a.box.x0 for a in areas if a.box.x0 >= area.box.x1 and min(a.box.y1, area.box.y1) > max(a.box.y0, area.box.y0)
    )
    return min(beside, default=right)


def _body_size(areas: Sequence[_Area]) -> float:
    """Font size in points of most of the page's running text; 10 where there is none."""
    weight: dict[float, int] = {}
    for a in areas:
        if a.name in ("text", "list-item", "table"):
            for ln in a.lines:
                weight[round(ln.size, 1)] = weight.get(round(ln.size, 1), 0) + len(ln.text)
    return max(weight, key=lambda s: (weight[s], -s), default=10.0)


def _may_be_math(area: _Area) -> bool:
    if area.name == "formula":
        return bool(area.lines)
    return area.name == "text" and may_be_formula(" ".join(ln.text for ln in area.lines))


def _write_formula(area: _Area, page: pymupdf.Page, blocks: Sequence[dict[str, Any]]) -> None:
    """The area's LaTeX where it can be had; running text becomes a formula only if it can, and has letters in italics."""
    glyphs = glyphs_in(area.box, [ln.box for ln in area.lines], blocks)
    if area.name == "text" and not any(g.italic and g.char.isalpha() for g in glyphs):
        return
    if not glyphs:
        return
    box = Box.around(g.box for g in glyphs).grown(2)  # the engine's box may be the panel that the formula stands on
    rules = rules_in(box, blocks)
    if has_drawn_signs(box, blocks):
        drawn = roots_in(box, page.get_drawings())
        if drawn is None:
            return
        glyphs, rules = [*glyphs, *drawn[0]], [*rules, *drawn[1]]
    latex = formula_latex(glyphs, rules)
    if latex:
        area.name, area.latex = "formula", latex


def _block(area: _Area, page: int, body: float, cells: Sequence[dict[str, Any]]) -> Block:
    kind, layer = _KINDS.get(area.name, (Kind.TEXT, Layer.BODY))
    if area.grid is not None and kind is Kind.TABLE:
        table = table_of(area.box, area.grid, [ln.box for ln in area.lines], page, cells)
        region = PageBox(page, area.box.rounded())
        return Block(kind, table.to_text(), (region,), layer, confidence=_mean_confidence(area), table=table)
    if not area.lines:
        return Block(kind, "", (PageBox(page, area.box.rounded()),), layer)
    if area.latex:
        box = Box.around([area.box, *(ln.box for ln in area.lines)]).rounded()
        return Block(kind, area.latex, (PageBox(page, box),), layer, size=max(ln.size for ln in area.lines))
    if kind is Kind.FORMULA and is_wordy(" ".join(ln.text for ln in area.lines)):
        kind = Kind.TEXT
    lines = area.lines if kind is not Kind.FIGURE else _top_down(area.lines)
    size = max(ln.size for ln in lines)
    text = " ".join(ln.text for ln in lines)
    face = {"bold": any(ln.bold for ln in lines), "italic": all_italic(lines)}
    level = heading_level(text, size=size, body=body, **face) if kind in (Kind.TITLE, Kind.HEADING) else None
    return block_of(kind, lines, page, layer=layer, level=1 if kind is Kind.TITLE else level, box=area.box)


def _mean_confidence(area: _Area) -> float | None:
    known = [ln.confidence for ln in area.lines if ln.confidence is not None]
    return round(sum(known) / len(known), 3) if known else None


def _top_down(lines: Sequence[PrintedLine]) -> list[PrintedLine]:
    return sorted(lines, key=lambda ln: (round(ln.box.y0), ln.box.x0))
