"""What is a heading and what is not, told from the pages around: series of numbers, bookmarks, contents pages, form.

Streaming, with two pages of look-ahead (a line at the head of a page is no running header when neither runs it). Texts
are never changed; a label and the title under it (``ARTICLE III`` / ``THIRD PARTY AGREEMENTS``) become one heading.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from paperlode.ingest.contents import Contents, title_key
from paperlode.ingest.document import Block, Kind, Layer, ParsedPage
from paperlode.ingest.front_page import Titles
from paperlode.ingest.heading_forms import ends_in_phrase, is_bare_label, is_no_heading, is_signed, reads_as_title
from paperlode.ingest.numbering import STRUCTURAL, Number, number_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from paperlode.ingest.boxes import Box

__all__ = ["mark_headings"]

AHEAD = 2
"""Pages looked ahead."""
RUNNING = 4
"""Pages back whose headers and footers are remembered."""
NEAR = 2.6
"""Heights of a line between a label and the title under it, at most."""
TIGHT = 0.9
"""Font sizes between two rows of one heading, at most."""
LONGEST_TITLE = 160
"""Characters of a title that stands under its label."""

MARGIN = 0.12
"""Share of the page height at top and bottom in which a running line stands."""
SAME_HEIGHT = 6.0
"""Points by which its height may differ from page to page."""
MOST_OF_IT = 0.6
"""Share of a line's letters that a running line in it has at least."""
SHORTEST_RUN = 8
"""Letters of a running line that is known by its words."""

_SERIES = frozenset({"section", "article", "decimal", "upper", "lower", "(lower", "(upper", "lettered", "upper_roman"})


class _Margin(NamedTuple):
    """A line in the margin of a page: its words, its box, and whether it was taken for furniture."""

    key: str
    box: Box
    furniture: bool


def mark_headings(pages: Iterable[ParsedPage]) -> Iterator[ParsedPage]:
    """The pages with headings told from text. Holds ``AHEAD`` pages besides the one it works on."""
    contents = Contents()
    back: deque[tuple[_Margin, ...]] = deque(maxlen=RUNNING)
    window: deque[ParsedPage] = deque()
    titles = Titles()

    def done() -> ParsedPage:
        page = window.popleft()
        margins = [_margins(p) for p in window]
        running = frozenset(m.key for ms in (*back, *margins) for m in ms)
        ahead = [tuple(m for m in ms if m.furniture) for ms in margins]
        here = _without_running(page, [*back, *ahead])
        marked = _marked(here, contents, running, titles)
        back.append(_margins(page))
        return marked

    for page in pages:
        window.append(page)
        if len(window) > AHEAD:
            yield done()
    while window:
        yield done()


def _margins(page: ParsedPage) -> tuple[_Margin, ...]:
    """What stands in the page's margins, furniture or not."""
    out = [
        _Margin(_running_key(b.text), b.regions[0].box, b.layer is Layer.FURNITURE)
        for b in page.blocks
        if b.regions and len(b.text) < 300 and (b.layer is Layer.FURNITURE or _in_margin(b, page.height))
    ]
    return tuple(m for m in out if len(m.key) >= SHORTEST_RUN)


def _in_margin(block: Block, height: float) -> bool:
    box = block.regions[0].box
    return box.y1 <= MARGIN * height or box.y0 >= (1 - MARGIN) * height


def _is_run(key: str, running: Iterable[str]) -> bool:
    return any(
        key == r or (len(r) >= SHORTEST_RUN and len(key) >= SHORTEST_RUN and (key in r or r in key)) for r in running
    )


def _runs(block: Block, page: ParsedPage, near: Sequence[tuple[_Margin, ...]]) -> bool:
    """Whether a block in the margin is a running line, or one row of it, that pages before have at its place."""
    if not block.regions or len(block.text) > LONGEST_TITLE or not _in_margin(block, page.height):
        return False
    key, box = _running_key(block.text), block.regions[0].box
    if len(key) < SHORTEST_RUN:
        return False
    return any(
        (_part_of(key, m.key) if m.furniture else m.key == key and block.kind is Kind.HEADING)
        and m.box.y0 - SAME_HEIGHT <= box.y0 <= m.box.y1 + SAME_HEIGHT
        for margins in near
        for m in margins
    )


def _part_of(key: str, run: str) -> bool:
    """Whether the words are those of a running line, a row of it, or it with little more."""
    return key in run or (run in key and len(run) >= MOST_OF_IT * len(key))


def _without_running(page: ParsedPage, near: Sequence[tuple[_Margin, ...]]) -> ParsedPage:
    blocks = tuple(
        replace(
            b,
            kind=Kind.PAGE_HEADER if b.regions[0].box.y0 < page.height / 2 else Kind.PAGE_FOOTER,
            layer=Layer.FURNITURE,
            level=None,
        )
        if b.layer is Layer.BODY and b.kind in (Kind.HEADING, Kind.TEXT) and _runs(b, page, near)
        else b
        for b in page.blocks
    )
    return replace(page, blocks=blocks)


def _running_key(text: str) -> str:
    return re.sub(r"\d+", "#", title_key(text))


def _marked(page: ParsedPage, contents: Contents, running: frozenset[str], titles: Titles) -> ParsedPage:
    entries = contents.read(page)
    marks = {title_key(b.title) for b in page.bookmarks}
    blocks = list(page.blocks)
    body = [i for i, b in enumerate(blocks) if b.layer is Layer.BODY and b.text.strip()]
    for at, i in enumerate(body):
        b = blocks[i]
        after = blocks[body[at + 1]] if at + 1 < len(body) else None
        blocks[i] = _settled(b, after, contents, marks, listed=i in entries)
    for i, b in enumerate(blocks):
        if b.kind is Kind.PAGE_HEADER and _opens_page(b, contents, marks, running):
            blocks[i] = replace(b, kind=Kind.HEADING, layer=Layer.BODY, level=b.level or 3)
    titles.unfile(blocks)
    blocks = _joined_rows(blocks)
    titles.mark(blocks)
    return replace(page, blocks=tuple(blocks))


def _settled(block: Block, after: Block | None, contents: Contents, marks: set[str], *, listed: bool) -> Block:
    text = " ".join(block.text[:600].split())
    if block.kind is Kind.HEADING:
        known = title_key(text) in marks
        signed = after is not None and is_signed(after.text[:40].strip())
        drop = listed or (not known and (signed or is_no_heading(block, text)))
        return replace(block, kind=Kind.TEXT, level=None) if drop else block
    if block.kind not in (Kind.TEXT, Kind.LIST_ITEM) or listed or len(text) > LONGEST_TITLE:
        return block
    key = title_key(text)
    known = key in marks or (contents.lists(key) and reads_as_title(text))
    if (known and len(key) > 2 and any(c.isalpha() for c in key)) or _in_series(block, text, after):
        return replace(block, kind=Kind.HEADING, level=block.level or 3)
    return block


def _in_series(block: Block, text: str, after: Block | None) -> bool:
    """Whether a line is the heading of a clause: a number, a few words in title case, and text or deeper clauses under it."""
    number = number_of(text)
    if (
        number is None
        or number.form not in _SERIES
        or len(block.lines) > 2
        or after is None
        or after.kind is Kind.TABLE
    ):
        return False
    title = text[number.end :].strip()
    if not title or not reads_as_title(title):
        return False
    below = number_of(" ".join(after.text[:80].split()))
    if after.kind is Kind.HEADING:
        return number.form in STRUCTURAL or (below is not None and _differ(number, below))
    if below is not None:
        return number.form in STRUCTURAL or _differ(number, below)
    return number.form in STRUCTURAL or len(after.text) > len(text)


def _differ(number: Number, below: Number) -> bool:
    """Whether what follows is no item of the same list."""
    return number.form != below.form or len(below.values) > len(number.values)


def _opens_page(block: Block, contents: Contents, marks: set[str], running: frozenset[str]) -> bool:
    """Whether a line at the head of a page is a heading: it runs on no page near, and is bold and named, or listed."""
    text = " ".join(block.text.split())
    run = _running_key(text)
    if len(text) > LONGEST_TITLE or not any(c.isalpha() for c in text) or _is_run(run, running):
        return False
    key = title_key(text)
    if key in marks or contents.lists(key):
        return True
    number = number_of(text)
    named = number is not None and number.form in STRUCTURAL - {"exhibit"}
    return (named or bool(block.bold)) and reads_as_title(text) and not is_no_heading(block, text)


def _joined_rows(blocks: Sequence[Block]) -> list[Block]:
    out: list[Block] = []
    for b in blocks:
        if out and (_titles(out[-1], b) or _goes_on(out[-1], b)):
            out[-1] = _one(out[-1], b)
        else:
            out.append(b)
    return out


def _titles(label: Block, title: Block) -> bool:
    """Whether the second block is the title of the first, which is a bare label of the sort ``ARTICLE III``."""
    if label.kind is not Kind.HEADING or label.layer is not Layer.BODY or title.layer is not Layer.BODY:
        return False
    if title.kind not in (Kind.HEADING, Kind.TEXT) or not label.regions or not title.regions:
        return False
    below = " ".join(title.text.split())
    if not is_bare_label(label.text) or len(below) > LONGEST_TITLE or number_of(below) is not None:
        return False
    upper, lower = label.regions[-1], title.regions[0]
    height = max(label.size or 0.0, upper.box.height, 1.0)
    near = upper.page == lower.page and -1 <= lower.box.y0 - upper.box.y1 <= NEAR * height
    return near and len(title.lines) <= 3 and reads_as_title(below)


def _goes_on(first: Block, second: Block) -> bool:
    """Whether two headings are rows of one: set alike and close, the first cut in a phrase, or both centred capitals."""
    if any(b.kind is not Kind.HEADING or b.layer is not Layer.BODY or not b.regions for b in (first, second)):
        return False
    upper, lower = first.regions[-1], second.regions[0]
    a, b = upper.box, lower.box
    alike = first.size is not None and first.size == second.size and first.bold == second.bold
    if not alike or upper.page != lower.page or not -1 <= b.y0 - a.y1 <= TIGHT * (first.size or 0.0):
        return False
    if number_of(second.text[:80].strip()) is not None or is_bare_label(first.text):
        return False
    capitals = first.text.isupper() and second.text.isupper()
    centred = abs(a.x0 + a.x1 - b.x0 - b.x1) < SAME_HEIGHT and abs(a.x0 - b.x0) > SAME_HEIGHT
    return ends_in_phrase(first.text) or second.text[:1].islower() or (capitals and centred)


def _one(first: Block, second: Block) -> Block:
    """Both as one heading: every region kept, lines with offsets into the joined text."""
    shift = len(first.text) + 1
    lines = (*first.lines, *(replace(ln, start=ln.start + shift, end=ln.end + shift) for ln in second.lines))
    known = [c for c in (first.confidence, second.confidence) if c is not None]
    return replace(
        first,
        text=f"{first.text} {second.text}",
        regions=(*first.regions, *second.regions),
        lines=lines if first.lines and second.lines else (),
        confidence=min(known) if known else None,
        flags=tuple(dict.fromkeys((*first.flags, *second.flags))),
        findings=(*first.findings, *second.findings),
    )
