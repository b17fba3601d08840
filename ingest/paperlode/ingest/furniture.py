"""Running headers, footers and page numbers that a parser left among the body: recognised because they repeat.

A short block in the top or bottom margin, or first or last on its page, is furniture when a page at most two away (left
and right pages may differ) has the same text there, digits aside. A bare number in the margin, or first or last on its
page, is its number when a page near it has the number that follows from it. The other way about, what a parser took for
a page header is a heading when it does not run and stands right over a table, and a caption when it is a mere year.
Where there are too few pages to repeat anything, place and form decide (``margins``).
Text is never dropped: only kind and layer change.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from paperlode.ingest.document import Block, Kind, Layer, ParsedPage
from paperlode.ingest.margins import lone_furniture, says_it_is_furniture
from paperlode.ingest.table_headers import is_units_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["CONTINUED", "mark_furniture", "settle_layer"]

REACH = 2
"""Pages to either side that are compared."""
ENOUGH = 2
"""Pages near a page from which repetition can be told; with fewer, place and form decide (see ``margins``)."""
MARGIN = 0.12
"""Share of the page height at top and bottom in which furniture is looked for."""
SAME_HEIGHT = 6.0
"""Points by which the height of repeated furniture may differ."""
LONG_ENOUGH = 12
"""Characters of a running line that is known by its words alone, at whatever height of its margin."""
LONGEST = 200
"""Characters; a longer block is no running header."""

CONTINUED = re.compile(
    r"[\s(（\[–—-]*(?:cont(?:inue)?d\.?|cont\.|续(?:表|上表)?|接上(?:页|表))[\s)）\]]*", re.IGNORECASE
)
"""The mark that something goes on from the page before."""

_BARE = re.compile(
    r"(?:[-–—|]\s*)?(?:(?:page|p\.)\s*)?(\d{1,4})(?:\s*(?:of|/)\s*\d{1,4})?(?:\s*[-–—|])?", re.IGNORECASE
)
_A_YEAR = re.compile(r"(?:19|20)\d\d")
_LAYERS = {
    Kind.PAGE_HEADER: Layer.FURNITURE,
    Kind.PAGE_FOOTER: Layer.FURNITURE,
    Kind.PAGE_NUMBER: Layer.FURNITURE,
    Kind.FOOTNOTE: Layer.NOTE,
}
_CANDIDATES = frozenset({Kind.TEXT, Kind.HEADING, Kind.TITLE, Kind.LIST_ITEM, Kind.CAPTION, Kind.ASIDE})


@dataclass(frozen=True, slots=True)
class _Mark:
    """A block in the margin: its index on the page, its text without digits, its height, and whether it is a heading."""

    index: int
    key: str
    y: float
    top: bool
    block: Block

    @property
    def heading(self) -> bool:
        """Whether the parser took it for a heading."""
        return self.block.kind in (Kind.HEADING, Kind.TITLE)

    def same(self, other: _Mark) -> bool:
        """Whether both are one running line: in the same words, and at the same height if the words are few."""
        if self.key != other.key or self.top != other.top:
            return False
        return abs(self.y - other.y) <= SAME_HEIGHT or len(self.key) >= LONG_ENOUGH


class _Seen(NamedTuple):
    """A page of the window with what stands in its margins and the bare numbers it begins or ends with."""

    page: ParsedPage
    marks: list[_Mark]
    numbers: list[tuple[int, int]]


def settle_layer(block: Block) -> Block:
    """The block in the layer its kind belongs to, where the parser left it in the body."""
    layer = _LAYERS.get(block.kind, block.layer)
    return replace(block, layer=layer) if block.layer is Layer.BODY and layer is not block.layer else block


def mark_furniture(pages: Iterable[ParsedPage]) -> Iterator[ParsedPage]:
    """The pages, their repeated margin lines turned into furniture. Holds at most ``2 * REACH + 1`` pages."""
    window: deque[_Seen] = deque()
    ahead = 0
    for page in pages:
        window.append(_Seen(page, _marks(page), _edge_numbers(page)))
        ahead += 1
        if ahead > REACH:
            yield _marked(window, len(window) - 1 - REACH)
            ahead -= 1
        if len(window) > 2 * REACH:
            window.popleft()
    for i in range(len(window) - ahead, len(window)):
        yield _marked(window, i)


def _marks(page: ParsedPage) -> list[_Mark]:
    out: list[_Mark] = []
    body = [i for i, b in enumerate(page.blocks) if settle_layer(b).layer is Layer.BODY]
    first, last = (body[0], body[-1]) if len(body) > 1 else (-1, -1)
    for i, b in enumerate(page.blocks):
        known = b.kind in (Kind.PAGE_HEADER, Kind.PAGE_FOOTER)
        if not (known or (b.layer is Layer.BODY and b.kind in _CANDIDATES)) or not b.regions or len(b.text) > LONGEST:
            continue
        box = b.regions[0].box
        top = b.kind is Kind.PAGE_HEADER or (box.y1 <= page.height * MARGIN and b.kind is not Kind.PAGE_FOOTER)
        key = " ".join(re.sub(r"\d+", "#", CONTINUED.sub(" ", b.text).casefold()).split())
        if not known and not top and box.y0 < page.height * (1 - MARGIN):
            if i not in (first, last) or len(key) < LONG_ENOUGH:
                continue
            top = i == first
        if key and not _BARE.fullmatch(b.text.strip()) and not is_units_line(b.text):
            out.append(_Mark(i, key, box.y0, top, b))
    return out


def _edge_numbers(page: ParsedPage) -> list[tuple[int, int]]:
    """Index and value of the bare numbers in the margins, or that begin or end the page's body."""
    body = [i for i, b in enumerate(page.blocks) if b.layer is Layer.BODY and b.kind not in _LAYERS]
    low, high = page.height * MARGIN, page.height * (1 - MARGIN)
    edge = [i for i in body if (r := page.blocks[i].regions) and (r[0].box.y1 <= low or r[0].box.y0 >= high)]
    ends = sorted({*body[:1], *body[-1:], *edge})
    found = ((i, _BARE.fullmatch(page.blocks[i].text.strip())) for i in ends if page.blocks[i].kind in _CANDIDATES)
    return [(i, int(m.group(1))) for i, m in found if m]


def _marked(window: deque[_Seen], at: int) -> ParsedPage:
    page, marks, numbers = window[at]
    near = [s for i, s in enumerate(window) if i != at and abs(s.page.page - page.page) <= REACH]
    blocks = list(page.blocks)
    for i, n in numbers:
        if any(o - s.page.page == n - page.page for s in near for _, o in s.numbers):
            blocks[i] = replace(blocks[i], kind=Kind.PAGE_NUMBER, layer=Layer.FURNITURE, level=None)
    for i, b in enumerate(page.blocks[:-1]):
        if b.kind is Kind.PAGE_HEADER and _A_YEAR.fullmatch(b.text.strip()) and page.blocks[i + 1].kind is Kind.TABLE:
            blocks[i] = replace(b, kind=Kind.CAPTION, layer=Layer.BODY)
    for m in marks:
        before = sum(any(m.same(o) for o in s.marks) for s in near if s.page.page < page.page)
        after = sum(any(m.same(o) for o in s.marks) for s in near if s.page.page > page.page)
        if m.block.kind in (Kind.PAGE_HEADER, Kind.PAGE_FOOTER):
            if m.top and not before and after < REACH and _titles_a_table(page, m, marks):
                blocks[m.index] = replace(m.block, kind=Kind.HEADING, layer=Layer.BODY)
        elif before or (after and not m.heading):
            # the first of a run of equal headings opens the section; only its repetitions are furniture
            kind = Kind.PAGE_HEADER if m.top else Kind.PAGE_FOOTER
            blocks[m.index] = replace(blocks[m.index], kind=kind, layer=Layer.FURNITURE, level=None)
        elif says_it_is_furniture(m.block.text):
            kind = Kind.PAGE_HEADER if m.top else Kind.PAGE_FOOTER
            blocks[m.index] = replace(blocks[m.index], kind=kind, layer=Layer.FURNITURE, level=None)
    if len(near) < ENOUGH:
        so_far = replace(page, blocks=tuple(blocks))
        for i, kind in lone_furniture(so_far).items():
            blocks[i] = replace(blocks[i], kind=kind, layer=Layer.FURNITURE, level=None)
    return replace(page, blocks=tuple(settle_layer(b) for b in blocks))


def _titles_a_table(page: ParsedPage, mark: _Mark, marks: list[_Mark]) -> bool:
    """Whether a header that does not run stands right over a table: the title of a statement, taken for furniture."""
    margin = {m.index for m in marks if m.top}
    if sum(len(w) > 1 and w.isalpha() for w in mark.block.text.split()) < 2:
        return False
    following = (
        b
        for i, b in enumerate(page.blocks)
        if i > mark.index and i not in margin and settle_layer(b).layer is Layer.BODY and not is_units_line(b.text)
    )
    return next((b.kind is Kind.TABLE for b in following), False)
