"""What a digital page holds of a formula: its characters with their places and fonts, its rules and drawn roots."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Glyph", "glyphs_in", "has_drawn_signs", "roots_in", "rules_in"]

_FLAT = 1.6  # points: a thicker mark is no rule
_ITALIC_FLAG, _BOLD_FLAG = 2, 16  # PyMuPDF span flags
_ITALIC = re.compile(r"CMMI|MTMI|Ital|Obli|LMMath.*Ital|^TeX.*mi\b", re.IGNORECASE)
_BOLD = re.compile(r"CMBX|CMMIB|Bold|Black|LMRoman\d+-Bold", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Glyph:
    """A character with its ink box, baseline and font size in points; or a built part, whose ``latex`` is set."""

    char: str
    box: Box
    baseline: float
    size: float
    italic: bool = False
    bold: bool = False
    font: str = ""
    latex: str = ""


def glyphs_in(box: Box, printed: Sequence[Box], blocks: Sequence[dict[str, Any]]) -> list[Glyph]:
    """The characters (no blanks) inside the boxes ``printed``; ``blocks`` are PyMuPDF's ``rawdict`` blocks."""
    out: list[Glyph] = []
    for block in blocks:
        if block.get("type", 0) != 0 or not Box(*block["bbox"]).grown(1).overlap(box.grown(1)):
            continue
        for line in block["lines"]:
            for span in line["spans"]:
                font, flags = str(span["font"]), int(span["flags"])
                italic = bool(flags & _ITALIC_FLAG or _ITALIC.search(font))
                bold = bool(flags & _BOLD_FLAG or _BOLD.search(font))
                for ch in span["chars"]:
                    ink = Box(*ch["bbox"])
                    x, y = (ink.x0 + ink.x1) / 2, (ink.y0 + ink.y1) / 2
                    if ch["c"].isspace() or not any(
                        b.x0 - 0.5 <= x <= b.x1 + 0.5 and b.y0 - 0.5 <= y <= b.y1 + 0.5 for b in printed
                    ):
                        continue
                    out.append(Glyph(ch["c"], ink, float(ch["origin"][1]), float(span["size"]), italic, bold, font))
    return out


def rules_in(box: Box, blocks: Sequence[dict[str, Any]]) -> list[Box]:
    """Flat horizontal vector marks in the box; ``blocks`` read with ``TEXT_COLLECT_VECTORS``."""
    found = (Box(*b["bbox"]) for b in blocks if b.get("type") == 3)
    inside = (r for r in found if r.height <= _FLAT and r.width >= 3 and r.grown(0.3).overlap(box) > 0)
    return [r for r in inside if r.width <= box.width + 1]


def has_drawn_signs(box: Box, blocks: Sequence[dict[str, Any]]) -> bool:
    """Whether something is drawn in the box that is neither a rectangle nor larger than it: a root, a brace, an arrow."""
    found = (Box(*b["bbox"]) for b in blocks if b.get("type") == 3 and not b.get("isrect"))
    return any(
        r.overlap(box) > 0 and r.height > _FLAT and (r.width < 1.3 * box.width and r.height < 5 * box.height)
        for r in found
    )


def roots_in(box: Box, drawings: Sequence[dict[str, Any]]) -> tuple[list[Glyph], list[Box]] | None:
    """Roots drawn as lines in the box: their signs and their rules. None where something else is drawn there.

    Args:
        box: of the formula.
        drawings: ``page.get_drawings()``.
    """
    signs: list[Glyph] = []
    rules: list[Box] = []
    for d in drawings:
        steps = d["items"]
        points = [(float(p.x), float(p.y)) for step in steps if step[0] == "l" for p in step[1:3]]
        if any(step[0] in ("re", "qu") for step in steps) or not points:
            curved = any(step[0] == "c" for step in steps)
            if curved and Box(*d["rect"]).overlap(box) > 0 and Box(*d["rect"]).width < 1.3 * box.width:
                return None
            continue
        around = Box.around(Box(x, y, x, y) for x, y in points)
        if around.height <= _FLAT or around.grown(0.1).overlap(box) <= 0 or around.width > 1.3 * box.width:
            continue
        top = max(
            (Box(min(a[0], b[0]), a[1], max(a[0], b[0]), b[1]) for a, b in pairwise(points) if abs(a[1] - b[1]) < 0.3),
            key=lambda r: r.width,
            default=None,
        )
        if top is None or top.y0 > around.y0 + 0.5 or top.x1 < around.x1 - 0.5 or len(points) > 14 or len(points) < 4:
            return None
        sign = Box(around.x0, around.y0, top.x0, around.y1)
        signs.append(Glyph("√", sign, around.y1, 0.0))
        rules.append(Box(top.x0, top.y0 - 0.2, top.x1, top.y1 + 0.2))
    return signs, rules
