"""Which printed lines of a page are headings by their face, and how deep one is by its number, size and face."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.parsing.lines import PrintedLine

__all__ = ["all_italic", "heading_level", "leading_heading", "numbering_depth", "stands_out"]

_NUMBERED = (
    (1, re.compile(r"(?:part|article|chapter|schedule|annex|exhibit|appendix)\s+[\dIVXLA-Z]{1,6}\b", re.IGNORECASE)),
    (1, re.compile(r"第[一二三四五六七八九十百\d]+[章编部]")),
    (2, re.compile(r"第[一二三四五六七八九十百\d]+[节条]")),
    (2, re.compile(r"(?:section|item|note)\s+\d{1,3}[A-Z]?\b", re.IGNORECASE)),
    (2, re.compile(r"[一二三四五六七八九十]{1,3}、")),
    (3, re.compile(r"（[一二三四五六七八九十]{1,3}）")),
    (2, re.compile(r"[IVX]{1,5}\.\s")),
)
_DECIMAL = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,4})\.?\s")
_DEEPEST = 6
_ITALIC = re.compile(r"ital|obliq", re.IGNORECASE)
_RUNS_ON = re.compile(
    r"(?:[-–—&,/(]|\b(?:a|an|and|as|at|by|for|from|in|into|of|on|or|our|the|their|to|under|with|vs\.))$", re.IGNORECASE
)
_UNFINISHED = (",", ";", ":", "，", "；", "：")
_ENDED = (".", "?", "!", "。", "？", "！")

MOST_ROWS = 4
"""Rows of a heading that is a bold sentence, as risk factors have."""
LONGEST_BOLD = 400
"""Characters of such a heading."""
LONGEST_ITALIC = 110
"""Characters of a heading in italics that are not bold: one line of it."""
SHORT = 0.08
"""Share of its column's width by which the last row of a heading falls short, where text follows right under it."""


def numbering_depth(text: str) -> int | None:
    """Depth that the heading's number says (``ARTICLE IV`` 1, ``2.`` 2, ``2.3`` 3), None where there is no number."""
    for depth, pattern in _NUMBERED:
        if pattern.match(text):
            return depth
    if m := _DECIMAL.match(text):
        return min(m.group(1).count(".") + 2, _DEEPEST)
    return None


def heading_level(text: str, *, size: float, body: float, bold: bool = True, italic: bool = False) -> int:
    """Level 1 (highest) to 6 of a heading set in ``size`` points where running text has ``body`` points.

    Without a number: 1 and 2 for larger type, 2 for capitals, 3 for bold (or an unknown face), 4 for bold italic, 5 for
    italic alone. The assembly learns from these which faces of a document stand over which.
    """
    if (depth := numbering_depth(text)) is not None:
        return depth
    ratio = size / max(body, 1.0)
    if ratio >= 1.5:
        return 1
    if ratio >= 1.15 or text.isupper():
        return 2
    if not italic:
        return 3
    return 4 if bold else 5


def all_italic(lines: Sequence[PrintedLine]) -> bool:
    """Whether every line is set in italics, as the name of its font says."""
    return bool(lines) and all(_ITALIC.search(ln.font) for ln in lines)


def stands_out(lines: Sequence[PrintedLine], following: Sequence[PrintedLine]) -> bool:
    """Whether a block of text is a heading by its face: all bold or all italic, over text that is not.

    Args:
        lines: of the block.
        following: of the block after it in reading order.
    """
    text = " ".join(ln.text for ln in lines).strip()
    if not lines or not following or not _may_head(text):
        return False
    bold, italic = all(ln.bold for ln in lines), all_italic(lines)
    first = following[0]
    under = first.box.y0 >= lines[-1].box.y1 - 0.5 * first.size
    if not (bold or italic) or not under or first.bold or (italic and not bold and all_italic(following)):
        return False
    rows = _row_count(lines)
    if not bold:
        return rows == 1 and len(text) <= LONGEST_ITALIC and not text.endswith(_ENDED) and _capital(text)
    if text.endswith(_ENDED):
        return rows <= MOST_ROWS and len(text) <= LONGEST_BOLD
    return rows <= 2 and len(text) <= 2 * LONGEST_ITALIC


def leading_heading(lines: Sequence[PrintedLine], right: float) -> int:
    """How many lines at the start of a block are a heading of their own, over the block's other lines; 0 for none.

    They are set in bold or italics and the others are not, or in another size; their last row ends short, and what
    follows begins like a sentence. A bold row is also one where the first word of the next, bold too, had fitted into it.

    Args:
        lines: of the block.
        right: edge of its column, in points.
    """
    for n in range(1, min(len(lines), 2 * MOST_ROWS)):
        upper, last, first = lines[:n], lines[n - 1], lines[n]
        if first.box.y0 < last.box.y0 + 0.5 * last.size:  # on the same row
            continue
        left = min(ln.box.x0 for ln in lines)
        other_size = last.bold and first.bold and (_other_size(last, first) or _had_room(upper, first, right))
        if not other_size and max(ln.box.x1 for ln in lines) - last.box.x1 < SHORT * (
            max(ln.box.x1 for ln in lines) - left
        ):
            continue
        text = " ".join(ln.text for ln in upper)
        if not _may_head(text) or not _begins(first.text):
            continue
        if other_size:
            return n if _row_count(upper) == 1 else 0
        rest = lines[n:]
        if stands_out(upper, rest) and not any(ln.bold or _ITALIC.search(ln.font) for ln in rest[:2]):
            return n
    return 0


def _other_size(last: PrintedLine, first: PrintedLine) -> bool:
    return abs(first.size - last.size) > 0.05 * last.size


def _had_room(upper: Sequence[PrintedLine], first: PrintedLine, right: float) -> bool:
    """Whether the next row's first word had fitted at the end of a row that is not centred over it."""
    last = upper[-1]
    if _row_count(upper) > 1 or not _capital(first.text) or _RUNS_ON.search(last.text):
        return False
    centred = abs(upper[0].box.x0 + last.box.x1 - first.box.x0 - first.box.x1) < first.size
    word = first.text.split(" ", 1)[0]
    width = first.box.width * (len(word) + 1) / max(1, len(first.text))
    return right - last.box.x1 > 1.5 * width + 2 * first.size and not (
        centred and abs(last.box.width - first.box.width) > 2
    )


def _may_head(text: str) -> bool:
    return len(text) > 2 and any(c.isalpha() for c in text) and not text.endswith(_UNFINISHED) and text[0] not in "(（*"


def _capital(text: str) -> bool:
    word = next((c for c in text if c.isalpha()), "")
    return not word.islower()


def _begins(text: str) -> bool:
    return bool(text) and not text[0].islower() and text[0] not in ",.;:)）"


def _row_count(lines: Sequence[PrintedLine]) -> int:
    rows = 0
    bottom = float("-inf")
    for ln in lines:
        middle = (ln.box.y0 + ln.box.y1) / 2
        if middle > bottom:
            rows += 1
            bottom = ln.box.y1
    return rows
