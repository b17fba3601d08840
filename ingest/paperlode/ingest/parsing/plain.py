"""The cheap path: a page of plain prose in one column becomes headings, paragraphs and list items."""

from __future__ import annotations

import re
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Box, Kind, Layer
from paperlode.ingest.parsing.lines import LIST_MARKER, PrintedLine, block_of
from paperlode.ingest.parsing.outline import all_italic, heading_level, leading_heading, numbering_depth, stands_out

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["read_plain"]

_SENTENCE_END = re.compile(r"[.!?:;。！？；：][\"'”’)）]*$")
_PAGE_NUMBER = re.compile(r"(?:page\s*)?[-–—\s]*(?:[A-Z]{1,3}-)?\d{1,4}[-–—\s]*(?:(?:of|/)\s*\d{1,4})?$", re.IGNORECASE)
_FIRST_WORD = re.compile(r"\S+")
_LONGEST_HEADING = 120


def read_plain(lines: Sequence[PrintedLine], page: int, height: float) -> tuple[Block, ...]:
    """Blocks in reading order from one column of printed lines; ``height`` of the page in points.

    A paragraph ends at a wide gap, an indented or numbered start, a change of weight or size, or a short last line.
    """
    rows = _rows(lines)
    if not rows:
        return ()
    body = _body_size(rows)
    pitch = _pitch(rows, body)
    groups: list[list[PrintedLine]] = []
    for row in rows:
        if groups and _continues(groups[-1], row, pitch):
            groups[-1].append(row)
        else:
            groups.append([row])
    right = max(r.box.x1 for r in rows)
    groups = [part for g in groups for part in _headings_apart(g, right)]
    out: list[Block] = []
    for i, g in enumerate(groups):
        edge = i in (0, len(groups) - 1)
        head = stands_out(g, groups[i + 1] if i + 1 < len(groups) else ())
        out.append(_block(g, page, body=body, height=height, right=right, edge=edge, head=head))
    return tuple(out)


def _rows(lines: Sequence[PrintedLine]) -> list[PrintedLine]:
    """Pieces that stand on one baseline joined left to right, rows top to bottom."""
    rows: list[list[PrintedLine]] = []
    for line in sorted(lines, key=lambda ln: (round(ln.box.y1, 1), ln.box.x0)):
        last = rows[-1][0] if rows else None
        overlap = min(last.box.y1, line.box.y1) - max(last.box.y0, line.box.y0) if last else 0.0
        if last and overlap > 0.5 * min(last.box.height, line.box.height):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [_joined(sorted(r, key=lambda ln: ln.box.x0)) for r in rows]


def _joined(row: Sequence[PrintedLine]) -> PrintedLine:
    if len(row) == 1:
        return row[0]
    main = max(row, key=lambda ln: len(ln.text))
    chars = sum(len(ln.text) for ln in row)
    return PrintedLine(
        text=" ".join(ln.text for ln in row),
        box=Box.around(ln.box for ln in row),
        size=main.size,
        bold=sum(len(ln.text) for ln in row if ln.bold) * 2 > chars,
        font=main.font,
        confidence=main.confidence,
    )


def _body_size(rows: Sequence[PrintedLine]) -> float:
    weight: dict[float, int] = {}
    for r in rows:
        weight[round(r.size, 1)] = weight.get(round(r.size, 1), 0) + len(r.text)
    return max(weight, key=lambda s: (weight[s], -s))


def _pitch(rows: Sequence[PrintedLine], body: float) -> float:
    """Usual distance of baselines within a paragraph, in points."""
    steps = [b.box.y1 - a.box.y1 for a, b in pairwise(rows)]
    near = [s for s in steps if 0.5 * body < s < 1.8 * body]
    return median(near) if near else 1.2 * body


def _continues(group: Sequence[PrintedLine], line: PrintedLine, pitch: float) -> bool:
    prev = group[-1]
    step = line.box.y1 - prev.box.y1
    if step > 1.35 * max(pitch, 1.1 * prev.size) or step < 0:
        return False
    if abs(line.size - prev.size) > 0.15 * prev.size or line.bold != prev.bold:
        return len(group) == 1 and not prev.bold and prev.text[-1:].isalpha() and line.text[:1].islower()
    if _starts_item(line.text):
        return False
    left = min(ln.box.x0 for ln in group[1:] or group)
    right = max(ln.box.x1 for ln in group)
    ended = bool(_SENTENCE_END.search(prev.text))
    indented = line.box.x0 - left > 0.8 * line.size
    short = right - prev.box.x1 > 0.15 * (right - left)
    if len(group) > 1 and indented and ended:
        return False
    return not (ended and short)


def _headings_apart(group: list[PrintedLine], right: float) -> list[list[PrintedLine]]:
    n = leading_heading(group, right)
    return [group[:n], *_headings_apart(group[n:], right)] if n else [group]


def _starts_item(text: str) -> bool:
    first = _FIRST_WORD.match(text)
    return bool(first and LIST_MARKER.match(first.group()) and len(text) > len(first.group()))


def _block(
    lines: Sequence[PrintedLine], page: int, *, body: float, height: float, right: float, edge: bool, head: bool
) -> Block:
    text = " ".join(ln.text for ln in lines)
    box = Box.around(ln.box for ln in lines)
    if edge and len(lines) == 1 and _PAGE_NUMBER.match(text) and not 0.1 * height < box.y0 < 0.88 * height:
        return block_of(Kind.PAGE_NUMBER, lines, page, layer=Layer.FURNITURE)
    if head or _is_heading(lines, text, body=body, right=right):
        size = max(ln.size for ln in lines)
        face = {"bold": any(ln.bold for ln in lines), "italic": all_italic(lines)}
        return block_of(Kind.HEADING, lines, page, level=heading_level(text, size=size, body=body, **face))
    kind = Kind.LIST_ITEM if _starts_item(text) else Kind.TEXT
    return block_of(kind, lines, page)


def _is_heading(lines: Sequence[PrintedLine], text: str, *, body: float, right: float) -> bool:
    if len(text) > _LONGEST_HEADING or len(lines) > 3 or not any(c.isalpha() for c in text):
        return False
    size = max(ln.size for ln in lines)
    loud = size > 1.15 * body or all(ln.bold for ln in lines)
    capitals = text.isupper() and len(text) > 3
    numbered = numbering_depth(text) is not None and not text.rstrip().endswith((",", ";"))
    prose = text.endswith((".", ",", ";", "。", "；", "，")) and not numbered
    full = lines[-1].box.x1 > right - 2 * body and len(text) > 60
    if prose and not loud:
        return False
    return (loud and not (prose and full)) or (capitals and not full and not prose)
