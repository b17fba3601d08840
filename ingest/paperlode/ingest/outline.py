"""How deep each heading is, as the headings stream by: from bookmarks, numbering, and the faces of those open above it.

Only what was seen before counts, and the bookmarks of the few pages that the assembly holds; memory is the headings that
are open now and one entry a face. Levels have no gaps.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from paperlode.ingest.contents import title_key
from paperlode.ingest.document import Kind, Layer
from paperlode.ingest.numbering import STRUCTURAL, Number, number_of
from paperlode.ingest.outline_faces import Face, face_of, larger, outranks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from paperlode.ingest.document import Block, ParsedPage

__all__ = ["Outline"]

DEEPEST = 9
MOST_HELD = 64
"""Blocks that a heading waits with for the next one of the body."""
PAGES_REMEMBERED = 16
"""Pages whose bookmarks are kept until their headings come: what is joined over pages comes late."""

FLATTENED = 6
"""Level of bookmarks at which programs that make PDFs from headings put all deeper ones too."""
_LEAF = re.compile(
    r"(?:agreements?|table of contents?|contents|index|whereas|recitals?|background|witnesseth|preamble|preliminary statements?"
    r"|w i t n e s s e t h|目\s*录|鉴于|前言)\W*",
    re.IGNORECASE,
)
"""Front matter: nothing that follows stands under it."""
_INSIDE = re.compile(r"\bto\s+(?:the\s+)?(?:exhibit|annex|appendix|schedule|attachment)\b", re.IGNORECASE)
_TOPS = {"part": 0, "zh_part": 0, "exhibit": 1, "item": 1, "article": 2, "zh_chapter": 2, "zh_section": 3, "note": 3}
"""Forms with a fixed place: a heading of one goes right under the last open one with a smaller number here."""


@dataclass(frozen=True, slots=True)
class _Open:
    """A heading that is open: what it looks like, its number, its bookmark's level.

    ``leaf``: nothing goes under it. ``lead``: right after it, with no text between, came a heading set as it is: one under it.
    """

    face: Face
    number: Number | None
    bookmark: int | None
    leaf: bool = False
    lead: bool = False

    @property
    def form(self) -> str:
        """Form of its number, empty without one."""
        return self.number.form if self.number else ""


class Outline:
    """Gives each heading of a document its level: its depth among the headings that are open above it.

    A part, item, article or exhibit has its place by name; 2.3.1 goes under 2.3, and a number goes beside the one it
    follows. Else a bookmark of the PDF decides, where it has levels. Else the face: beside the last heading set like it,
    or under the last one whose face stands higher. Which of two faces stands higher is learned where a heading comes
    right after another, and else judged by size, capitals, weight and slant.
    """

    def __init__(self) -> None:
        self._stack: list[_Open] = []
        self._bookmarks: OrderedDict[int, list[tuple[str, int]]] = OrderedDict()
        self._depths: set[int] = set()
        self._over: Counter[tuple[Face, Face]] = Counter()
        self._last: _Open | None = None

    def noting(self, pages: Iterable[ParsedPage]) -> Iterator[ParsedPage]:
        """The pages as they are, their bookmarks taken down before their headings come."""
        for page in pages:
            if page.bookmarks:
                self._bookmarks[page.page] = [(title_key(b.title), b.level) for b in page.bookmarks]
                self._depths.update(b.level for b in page.bookmarks)
                if len(self._bookmarks) > PAGES_REMEMBERED:
                    self._bookmarks.popitem(last=False)
            yield page

    def placed(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """The blocks, headings with their levels. A heading waits for the next block of the body."""
        held: list[Block] = []
        for block in blocks:
            if block.layer is Layer.BODY and block.text.strip():
                if held:
                    yield self._place(held[0], block)
                    yield from held[1:]
                    held = []
                if block.kind is Kind.HEADING:
                    held = [block]
                    continue
                self._last = None
                if block.kind is Kind.TITLE:
                    self._stack = []
            if not held:
                yield block
                continue
            held.append(block)
            if len(held) > MOST_HELD:
                yield self._place(held[0], None)
                yield from held[1:]
                held = []
        if held:
            yield self._place(held[0], None)
            yield from held[1:]

    def _place(self, block: Block, after: Block | None) -> Block:
        """The heading with its level; ``after`` is the body's next block."""
        new = self._opened(block)
        follows = after is not None and after.kind is Kind.HEADING and not number_of(after.text[:80].strip())
        lead = follows and after is not None and face_of(after, " ".join(after.text[:400].split())) == new.face
        new = replace(new, lead=lead and not new.leaf)
        if self._last and self._last.face != new.face and not self._last.leaf and not (self._last.number or new.number):
            self._over[self._last.face, new.face] += 1
        del self._stack[self._kept(new, block.text[:400]) :]
        self._stack.append(new)
        self._last = new
        return replace(block, level=min(len(self._stack), DEEPEST))

    def _opened(self, block: Block) -> _Open:
        text = " ".join(block.text[:400].split())
        return _Open(face_of(block, text), self._number(text), self._bookmark(block, text), bool(_LEAF.fullmatch(text)))

    def _number(self, text: str) -> Number | None:
        """The heading's number; ``I`` after ``H`` is a letter."""
        number = number_of(text)
        if number and number.form.endswith("_roman"):
            letter = number_of(text, letter=True)
            before = [o.number for o in self._stack if o.number and letter and o.number.form == letter.form]
            if letter and before and before[-1].values[0] + 1 == letter.values[0]:
                return letter
        return number

    def _bookmark(self, block: Block, text: str) -> int | None:
        if len(self._depths) < 2 or not block.regions:
            return None
        key = title_key(text)
        for title, level in self._bookmarks.get(block.regions[0].page, ()):
            if key and (title == key or (len(title) > 20 and (key.startswith(title) or title.startswith(key)))):
                return level
        return None

    def _kept(self, new: _Open, text: str) -> int:
        """How many of the open headings stay open above the new one."""
        stack = self._stack
        while stack and stack[-1].leaf:
            stack.pop()
        if new.number:
            inside = new.form == "exhibit" and bool(_INSIDE.search(text))
            place = self._kept_by_number(new.number, inside=inside)
            if place is not None:
                return place
        if new.bookmark is not None:
            above = [i for i, o in enumerate(stack) if o.bookmark is not None and o.bookmark < new.bookmark]
            if above:
                floor = above[-1] + 1
                return max(floor, self._kept_by_face(new)) if new.bookmark >= FLATTENED else floor
        return self._kept_by_face(new)

    def _kept_by_number(self, number: Number, *, inside: bool) -> int | None:
        stack = self._stack
        for i in range(len(stack) - 1, -1, -1):
            o = stack[i].number
            if o and o.leads(number):
                return i + 1
        if inside and (at := [i for i, o in enumerate(stack) if o.form == "exhibit"]):
            return at[0] + 1
        if (top := _TOPS.get(number.form)) is not None:
            above = [i for i, o in enumerate(stack) if _TOPS.get(o.form, 9) < top]
            return above[-1] + 1 if above else 0
        for i in range(len(stack) - 1, -1, -1):
            o = stack[i].number
            if o and (number.follows(o) or number.goes_on(o) or (o.form == number.form and o.values == number.values)):
                return i
        return None

    def _kept_by_face(self, new: _Open) -> int:
        stack = self._stack
        keep = len(stack)
        for i in range(len(stack) - 1, -1, -1):
            o = stack[i]
            if o.form in STRUCTURAL and new.form != o.form:
                break
            if o.face == new.face and (o.form == new.form or not new.number or not o.number):
                if o.lead == new.lead:
                    return i
                if o.lead:
                    break
                keep = i
                continue
            if o.number:
                # what has no number, or one of another form, goes under what has, unless its like is open above, or it
                # is set larger
                alike = any(p.face == new.face and p.form == new.form for p in stack[:i])
                if not alike and not larger(new.face, o.face) and not (new.face.capitals and not o.face.capitals):
                    break
                keep = i
            elif not outranks(o.face, new.face, self._over):
                keep = i
            else:
                break
        return keep
