"""Furniture told by place and form alone, for pages that have no neighbours to repeat it.

From the top and from the bottom edge inwards, row by row, until a row belongs to the body. A row is furniture when it
shares its line with what is known to be, when it is a folio (a page number apart from a running title), when it says so
(``Download date``), or when it stands alone in the margin, short, set no larger than the body and well apart from it.
Footnotes, signatures, sources, dates, units and sentences are never taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from paperlode.ingest.boxes import Box
from paperlode.ingest.document import Block, Kind, Layer, ParsedPage
from paperlode.ingest.table_headers import is_units_line

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["lone_furniture", "says_it_is_furniture"]

MARGIN = 0.13
"""Share of the page's height at top and bottom in which rows are looked at."""
EDGE = 0.06
"""Share at the very edge, where type of the body's size is furniture too."""
APART = 2.2
"""Body sizes between furniture and the body."""
LARGEST = 1.12
"""Of the body's size: what is set larger is a heading, at the very edge too."""
SMALL = 0.82
"""Of the body's size: what is set so small in the margin is no body."""
LONGEST = 120
"""Characters of a row."""
LOGO_LINES = 3
"""Lines of a block beside known furniture."""
MOST_ROWS = 4
"""Rows at either edge."""

_TEXT_KINDS = frozenset({Kind.TEXT, Kind.HEADING, Kind.TITLE, Kind.LIST_ITEM, Kind.CAPTION, Kind.ASIDE})
_KNOWN = frozenset({Kind.PAGE_HEADER, Kind.PAGE_FOOTER, Kind.PAGE_NUMBER})
_NUMBER = re.compile(
    r"[\[(|–—-]?\s*(?:(?:page|p\.|seite|第)\s*)?(?:\d{1,4}|[ivxl]{1,8}|[IVXL]{1,8}|[A-Z]{1,2}-\d{1,3})"
    r"(?:\s*(?:of|/|von|页)\s*\d{0,4})?\s*[\])|–—-]?\.?",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?:1[6-9]|20)\d\d")
_NOTICE = re.compile(
    r"(?:download(?:ed)?|print(?:ed)?|retrieved|accessed|generated)\s+(?:date|by|from|on|at|via)\b"
    r"|(?:this (?:content|copy|document) (?:was|is) (?:downloaded|printed))|(?:©|\(c\)|copyright)\s*(?:©\s*)?(?:19|20)\d\d"
    r"|digitized by\b|page\s+\d+\s+of\s+\d+",
    re.IGNORECASE,
)
_BODY_FORM = re.compile(
    r"(?:[*†‡§¹²³⁴⁵⁶⁷⁸⁹]|\(?[\da-z]{1,2}[).\]]?\s+[A-Z“\"'(]|\([\da-z]{1,3}\)|[•▪●–—-]\s)"  # a footnote or an item
    r"|(?:by|name|title|its|date|signed|signature|re|to|from|cc|dear|attention|attn)\b\s*[:.]?|_{4}",
    re.IGNORECASE,
)
_REMARK = re.compile(r"(?:source|sources|notes?|see|for)\b", re.IGNORECASE)  # of a table or figure over it
_DATE = re.compile(
    r"(?:[a-z]+\s+\d{1,2}(?:st|nd|rd|th)?,?\s+\d{4}|\d{1,2}(?:st|nd|rd|th)?\.?\s+[a-z]+\.?,?\s+\d{4}|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4})\.?",
    re.IGNORECASE,
)


def says_it_is_furniture(text: str) -> bool:
    """Whether a short line is a notice that no body begins with: when it was downloaded, who owns the copy."""
    return len(text) <= LONGEST and _NOTICE.match(text.strip()) is not None


def lone_furniture(page: ParsedPage) -> dict[int, Kind]:
    """Index in ``page.blocks`` of what is furniture, and as what. Known furniture is not named again."""
    body = _body_size(page.blocks)
    out: dict[int, Kind] = {}
    for top in (True, False):
        out |= _edge(page, body, top=top, taken=frozenset(out))
    left = [b for i, b in enumerate(page.blocks) if b.layer is Layer.BODY and b.kind not in _KNOWN and i not in out]
    return out if any(b.text.strip() for b in left) else {}  # a page of margins only has its body there


@dataclass(frozen=True, slots=True)
class _Row:
    """Blocks side by side at an edge of the page: their box, the way to the next row, whether some are known furniture."""

    blocks: tuple[Block, ...]
    box: Box
    gap: float
    top: bool
    page: ParsedPage

    @property
    def fresh(self) -> list[Block]:
        """Those that are body so far."""
        return [b for b in self.blocks if b.layer is Layer.BODY and b.kind not in _KNOWN]

    def within(self, share: float) -> bool:
        """Whether it lies in that share of the page's height at its edge."""
        height = self.page.height
        return self.box.y1 <= share * height if self.top else self.box.y0 >= (1 - share) * height


def _edge(page: ParsedPage, body: float, *, top: bool, taken: frozenset[int]) -> dict[int, Kind]:
    rows = _rows(page.blocks, top=top)
    out: dict[int, Kind] = {}
    for n, at in enumerate(rows[:MOST_ROWS]):
        blocks = tuple(page.blocks[i] for i in at)
        box = Box.around(b.regions[0].box for b in blocks)
        rest = [page.blocks[i].regions[0].box for r in rows[n + 1 :] for i in r]
        gap = min((o.y0 - box.y1 if top else box.y0 - o.y1 for o in rest), default=page.height)
        row = _Row(blocks, box, gap, top, page)
        if taken.intersection(at) or (row.fresh and not _is_furniture(row, body)):
            break
        for i in at:
            if page.blocks[i] in row.fresh:
                number = _is_number(page.blocks[i].text)
                out[i] = Kind.PAGE_NUMBER if number else Kind.PAGE_HEADER if top else Kind.PAGE_FOOTER
    return out


def _rows(blocks: Sequence[Block], *, top: bool) -> list[list[int]]:
    """Indices of blocks that stand side by side, from the edge inwards. Empty pictures do not count."""
    rows: list[tuple[list[int], float, float]] = []
    placed = [(i, b.regions[0].box) for i, b in enumerate(blocks) if b.regions and (b.text.strip() or b.table)]
    for i, box in sorted(placed, key=lambda p: p[1].y0 if top else -p[1].y1):
        last = rows[-1] if rows else None
        shared = min(last[2], box.y1) - max(last[1], box.y0) if last else 0.0
        if last and shared > 0.4 * min(last[2] - last[1], box.height):
            last[0].append(i)
            rows[-1] = (last[0], min(last[1], box.y0), max(last[2], box.y1))
        else:
            rows.append(([i], box.y0, box.y1))
    return [r for r, _, _ in rows]


def _is_furniture(row: _Row, body: float) -> bool:
    text = " ".join(b.text.strip() for b in row.blocks)
    fresh = row.fresh
    mixed = len(fresh) < len(row.blocks)
    kinds = _TEXT_KINDS | {Kind.FIGURE} if mixed else _TEXT_KINDS  # a logo with words beside the page number
    if len(text) > LONGEST or any(b.kind not in kinds for b in fresh) or is_units_line(text):
        return False
    if any(len(_baselines(b)) > (LOGO_LINES if mixed else 1) for b in fresh):
        return False
    if not row.within(MARGIN):
        return _ends_the_page(row, text, body)
    if says_it_is_furniture(text):
        return True
    size = max(_size(b) for b in fresh)
    if _is_folio(row.blocks, size, top=row.top) or (mixed and not any(_is_body_form(b.text) for b in fresh)):
        return row.gap > 0
    if _is_body_form(text) or _DATE.fullmatch(text) or not any(c.isalpha() for c in text):
        return False
    edge = row.within(EDGE)
    loud = any(b.bold or b.kind is Kind.TITLE for b in fresh)
    small = size <= SMALL * body and not _REMARK.match(text)
    return row.gap >= APART * body and (small or (edge and size <= LARGEST * body and not (row.top and loud)))


def _ends_the_page(row: _Row, text: str, body: float) -> bool:
    """A bare number in the middle of the page's width, last on a page that is not full, well under the text."""
    middle = abs((row.box.x0 + row.box.x1) / 2 - row.page.width / 2) < 0.04 * row.page.width
    number = re.fullmatch(r"[-–—]?\s*\d{1,3}\s*[-–—]?", text) is not None
    return number and middle and not row.top and row.gap >= APART * body


def _is_folio(row: Sequence[Block], size: float, *, top: bool) -> bool:
    """A page number alone, or at one end of a row and apart from the running title or chapter beside it."""
    pieces = sorted(((b.text[ln.start : ln.end], ln.region.box) for b in row for ln in b.lines), key=lambda p: p[1].x0)
    if not pieces:
        pieces = [(b.text, b.regions[0].box) for b in row]
    if len(pieces) == 1:
        return _is_number(pieces[0][0]) and not _YEAR.fullmatch(pieces[0][0].strip())
    words = [t for t, _ in pieces if any(c.isalpha() for c in t) and not _is_number(t)]
    if not words or any(map(_is_sentence, words)) or (len(pieces) > 3 and top):
        return False
    left = _is_number(pieces[0][0]) and pieces[1][1].x0 - pieces[0][1].x1 > 3 * size
    right = _is_number(pieces[-1][0]) and pieces[-1][1].x0 - pieces[-2][1].x1 > 3 * size
    numbers = sum(_is_number(t) for t, _ in pieces)
    return (left or right) and numbers == 1


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text.strip()) is not None


def _is_body_form(text: str) -> bool:
    """Whether it begins like a footnote, an item or a signature, or reads like a sentence."""
    return _BODY_FORM.match(text.strip()) is not None or _is_sentence(text)


def _is_sentence(text: str) -> bool:
    words = text.split()
    return len(words) >= 6 and text.rstrip().endswith((".", ";", ":", ",")) and sum(w.islower() for w in words) >= 3


def _baselines(block: Block) -> list[float]:
    """The heights at which its lines stand, those of one row counted once."""
    out: list[float] = []
    for ln in sorted(block.lines, key=lambda ln: ln.region.box.y1):
        if not out or ln.region.box.y1 - out[-1] > 0.5 * ln.region.box.height:
            out.append(ln.region.box.y1)
    return out


def _size(block: Block) -> float:
    """Its font size in points; of a recognised block the usual height of its lines."""
    if block.size is not None:
        return block.size
    heights = [ln.region.box.height for ln in block.lines]
    return median(heights) if heights else block.regions[0].box.height


def _body_size(blocks: Sequence[Block]) -> float:
    """The size at which half of the running text is set no larger; 10 where there is none."""
    sizes = sorted(
        (_size(b), len(b.text))
        for b in blocks
        if b.layer is Layer.BODY and b.lines and b.kind in (Kind.TEXT, Kind.LIST_ITEM)
    )
    half = sum(n for _, n in sizes) / 2
    for size, n in sizes:
        half -= n
        if half <= 0:
            return size
    return 10.0
