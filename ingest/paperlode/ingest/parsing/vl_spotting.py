"""A page without regions to read, read as a whole: the spotting task's lines become paragraphs with their places."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Box, Kind, Line, PageBox
from paperlode.ingest.parsing.vl_outputs import clean_text, parse_spotting

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from paperlode.ingest.parsing.judge import Answer

__all__ = ["spotted_blocks"]

_LEADING = 0.8  # heights of a line that may lie between two lines of a paragraph
_SAME_SIZE = 1.5  # of two heights
_SHARED = 0.5  # of the narrower: lines of one column
_WORD_SPACE = 1.5  # heights: pieces of one row further apart are columns


@dataclass(slots=True)
class _Paragraph:
    rows: list[tuple[str, Box]] = field(default_factory=list)

    @property
    def box(self) -> Box:
        return Box.around(b for _, b in self.rows)


def spotted_blocks(
    answer: Answer,
    size: tuple[float, float],
    page: int,
    *,
    scale: float,
    read: Iterable[Box] = (),
    flags: tuple[str, ...] = ("spotted",),
) -> tuple[Block, ...]:
    """Paragraphs, from top to bottom and left to right; pieces without a place come last, in one block.

    Args:
        answer: of the spotting task, or plain characters from the CPU.
        size: of the picture in pixels, width and height.
        page: 0-based.
        scale: points a pixel.
        read: places in pixels that other blocks account for; pieces whose middle is in one are left out.
        flags: of every block, before those of the answer.
    """
    whole = PageBox(page, Box(0.0, 0.0, size[0] * scale, size[1] * scale).rounded())
    flags = (*flags, *answer.flags)
    if answer.plain:
        text = "\n".join(answer.texts).strip()
        return (Block(Kind.TEXT, text, (whole,), confidence=answer.confidence, flags=flags),) if text else ()
    lines = [ln for text in answer.texts for ln in parse_spotting(text, width=size[0], height=size[1])]
    others = tuple(read)
    placed = [(clean_text(ln.text), ln.box) for ln in lines if ln.box is not None]
    rows = _rows([(t, b) for t, b in placed if t and not any(_middle_in(b, o) for o in others)])
    blocks = [_block(p, page, scale, answer.confidence, flags) for p in _paragraphs(rows)]
    if loose := "\n".join(t for ln in lines if ln.box is None and (t := clean_text(ln.text))):
        blocks.append(Block(Kind.TEXT, loose, (whole,), confidence=answer.confidence, flags=(*flags, "no_place")))
    return tuple(blocks)


def _middle_in(box: Box, other: Box) -> bool:
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return other.x0 <= x <= other.x1 and other.y0 <= y <= other.y1


def _rows(pieces: Sequence[tuple[str, Box]]) -> list[tuple[str, Box]]:
    """Pieces of one row that stand no wider apart than words are joined."""
    rows: list[tuple[str, Box]] = []
    for text, box in sorted(pieces, key=lambda p: (p[1].x0, p[1].y0)):
        at = next((i for i, (_, b) in enumerate(rows) if _goes_on(b, box)), None)
        if at is None:
            rows.append((text, box))
        else:
            rows[at] = (f"{rows[at][0]} {text}", rows[at][1].union(box))
    return sorted(rows, key=lambda r: (r[1].y0, r[1].x0))


def _goes_on(row: Box, box: Box) -> bool:
    low = min(row.height, box.height)
    shared = min(row.y1, box.y1) - max(row.y0, box.y0)
    return shared > _SHARED * low and -low < box.x0 - row.x1 < _WORD_SPACE * low


def _paragraphs(rows: Sequence[tuple[str, Box]]) -> list[_Paragraph]:
    out: list[_Paragraph] = []
    for row in rows:
        above = [p for p in out if _follows(p.rows[-1][1], row[1])]
        if above:
            max(above, key=lambda p: p.rows[-1][1].y1).rows.append(row)
        else:
            out.append(_Paragraph([row]))
    return sorted(out, key=lambda p: (p.box.y0, p.box.x0))


def _follows(above: Box, below: Box) -> bool:
    low, high = sorted((above.height, below.height))
    shared = min(above.x1, below.x1) - max(above.x0, below.x0)
    near = -0.5 * low < below.y0 - above.y1 < _LEADING * low
    return near and high < _SAME_SIZE * max(low, 1e-6) and shared > _SHARED * min(above.width, below.width)


def _block(paragraph: _Paragraph, page: int, scale: float, confidence: float | None, flags: tuple[str, ...]) -> Block:
    text = ""
    lines: list[Line] = []
    for said, box in paragraph.rows:
        start = len(text) + (1 if text else 0)
        text = f"{text}\n{said}" if text else said
        lines.append(Line(start, len(text), PageBox(page, Box(*(v * scale for v in box)).rounded()), confidence))
    where = PageBox(page, Box(*(v * scale for v in paragraph.box)).rounded())
    return Block(Kind.TEXT, text, (where,), confidence=confidence, lines=tuple(lines), flags=flags)
