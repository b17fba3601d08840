"""Running headers, footers and page numbers that a parser left among the body: recognised because they repeat.

A short block in the top or bottom margin is furniture when a page at most two away (so that left and right pages may
differ) has the same text at the same height, digits aside. A bare number that is the first or last thing on its page is
its number when a page near it ends or begins with the number that follows from it, at whatever height. Text is never
dropped: only kind and layer change.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Kind, Layer, ParsedPage
from paperlode.ingest.table_headers import is_units_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["CONTINUED", "mark_furniture", "settle_layer"]

REACH = 2
"""Pages to either side that are compared."""
MARGIN = 0.12
"""Share of the page height at top and bottom in which furniture is looked for."""
SAME_HEIGHT = 6.0
"""Points by which the height of repeated furniture may differ."""
LONGEST = 200
"""Characters; a longer block is no running header."""

CONTINUED = re.compile(
    r"[\s(（\[–—-]*(?:cont(?:inue)?d\.?|cont\.|续(?:表|上表)?|接上(?:页|表))[\s)）\]]*", re.IGNORECASE
)
"""The mark that something goes on from the page before."""

_NUMBER = re.compile(
    r"[\s\-–—|]*(?:(?:page|p\.)\s*)?(?:#|[ivxlc]+)(?:\s*(?:of|/)\s*#)?[\s\-–—|]*|第\s*#\s*页(?:\s*[,，/]?\s*共\s*#\s*页)?",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"(?:[-–—|]\s*)?(?:(?:page|p\.)\s*)?(\d{1,4})(?:\s*(?:of|/)\s*\d{1,4})?(?:\s*[-–—|])?", re.IGNORECASE
)
_LAYERS = {
    Kind.PAGE_HEADER: Layer.FURNITURE,
    Kind.PAGE_FOOTER: Layer.FURNITURE,
    Kind.PAGE_NUMBER: Layer.FURNITURE,
    Kind.FOOTNOTE: Layer.NOTE,
}
_CANDIDATES = frozenset({Kind.TEXT, Kind.HEADING, Kind.TITLE, Kind.LIST_ITEM, Kind.CAPTION, Kind.ASIDE})


@dataclass(frozen=True, slots=True)
class _Mark:
    """A block that may be furniture: its index on the page, its text without digits, its height on the page."""

    index: int
    key: str
    y: float
    heading: bool


def settle_layer(block: Block) -> Block:
    """The block in the layer its kind belongs to, where the parser left it in the body."""
    layer = _LAYERS.get(block.kind, block.layer)
    return replace(block, layer=layer) if block.layer is Layer.BODY and layer is not block.layer else block


def mark_furniture(pages: Iterable[ParsedPage]) -> Iterator[ParsedPage]:
    """The pages, their repeated margin lines turned into furniture. Holds at most ``2 * REACH + 1`` pages."""
    window: deque[tuple[ParsedPage, list[_Mark]]] = deque()
    ahead = 0
    for page in pages:
        window.append((page, _marks(page)))
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
    for i, b in enumerate(page.blocks):
        if b.layer is not Layer.BODY or b.kind not in _CANDIDATES or not b.regions or len(b.text) > LONGEST:
            continue
        if is_units_line(b.text):
            continue
        box = b.regions[0].box
        if box.y1 > page.height * MARGIN and box.y0 < page.height * (1 - MARGIN):
            continue
        key = re.sub(r"\d+", "#", CONTINUED.sub(" ", b.text).casefold())
        if key := " ".join(key.split()):
            out.append(_Mark(i, key, box.y0, b.kind in (Kind.HEADING, Kind.TITLE)))
    return out


def _edge_numbers(page: ParsedPage) -> list[tuple[int, int]]:
    """Index and value of the bare numbers that begin or end the page's body, furniture already known left aside."""
    body = [i for i, b in enumerate(page.blocks) if b.layer is Layer.BODY and b.kind not in _LAYERS]
    ends = dict.fromkeys(i for i in (*body[:1], *body[-1:]) if page.blocks[i].kind in _CANDIDATES)
    found = ((i, _BARE.fullmatch(page.blocks[i].text.strip())) for i in ends)
    return [(i, int(m.group(1))) for i, m in found if m]


def _marked(window: deque[tuple[ParsedPage, list[_Mark]]], at: int) -> ParsedPage:
    page, marks = window[at]
    near = [(p.page, ms) for i, (p, ms) in enumerate(window) if i != at and abs(p.page - page.page) <= REACH]
    blocks = list(page.blocks)
    for i, n in _edge_numbers(page):
        if any(o - p.page == n - page.page for p, _ in window if p is not page for _, o in _edge_numbers(p)):
            blocks[i] = replace(blocks[i], kind=Kind.PAGE_NUMBER, layer=Layer.FURNITURE, level=None)
    for m in marks:
        # the first of a run of equal headings opens the section; only its repetitions are furniture
        pages = [(n, ms) for n, ms in near if not m.heading or n < page.page]
        if not any(o.key == m.key and abs(o.y - m.y) <= SAME_HEIGHT for _, ms in pages for o in ms):
            continue
        top = m.y < page.height / 2
        kind = Kind.PAGE_NUMBER if _NUMBER.fullmatch(m.key) else Kind.PAGE_HEADER if top else Kind.PAGE_FOOTER
        blocks[m.index] = replace(blocks[m.index], kind=kind, layer=Layer.FURNITURE, level=None)
    return replace(page, blocks=tuple(settle_layer(b) for b in blocks))
