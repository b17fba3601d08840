"""Figures, charts, tables and formulas with the captions that belong to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Kind, PageBox, TablePart
from paperlode.ingest.pieces import Path, Piece, Role, Sizer, paragraph_pieces, text_regions
from paperlode.ingest.text_cuts import first_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from paperlode.ingest.document import Entry

__all__ = ["FloatFrame", "Group", "groups"]

ANCHORS = frozenset({Kind.FIGURE, Kind.CHART, Kind.TABLE, Kind.FORMULA})
"""Kinds that a caption belongs to."""

_TABLE = re.compile(r"(?:table|tab\.|表)\s*[\dA-Z一二三四五六七八九十(（]?", re.IGNORECASE)
_FIGURE = re.compile(r"(?:fig(?:ure|\.)|chart|exhibit|图)\s*[\dA-Z一二三四五六七八九十(（]?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring blocks that belong together, with their indexes; ``anchor`` is the float, None for a lone block."""

    items: tuple[tuple[int, Block], ...]
    anchor: int | None = None

    @property
    def block(self) -> Block:
        """The float itself, or the lone block."""
        return next((b for i, b in self.items if i == self.anchor), self.items[0][1])

    @property
    def captions(self) -> tuple[tuple[int, Block], ...]:
        """The caption blocks with their indexes."""
        return tuple((i, b) for i, b in self.items if i != self.anchor) if self.anchor is not None else ()

    @property
    def span(self) -> tuple[int, int]:
        """First and last (exclusive) index."""
        return self.items[0][0], self.items[-1][0] + 1


def groups(blocks: Iterable[Block]) -> Iterator[Group]:
    """Each block once, in order, captions together with the float they stand over or under.

    A caption belongs to the float before it, if that has none yet and neither its link nor its label speaks against it
    (``Table 2`` under a figure), else to the float after it, else to the one before. Only neighbours of one layer are joined.
    """
    held: list[tuple[int, Block]] = []  # an anchor with its captions, complete or not
    anchor: int | None = None
    waiting: list[tuple[int, Block]] = []  # captions that may belong to what comes

    for item in enumerate(blocks):
        i, b = item
        neighbours = waiting or held
        if neighbours and b.layer is not neighbours[-1][1].layer:
            yield from _settle(held, anchor, waiting)
            held, anchor, waiting = [], None, []
        if b.kind is Kind.CAPTION:
            has_one = any(j != anchor for j, _ in held) or any(c.table and c.table.caption for _, c in held)
            if held and not waiting and not has_one and not _against(b, held[-1][1]):
                held.append(item)
            else:
                waiting.append(item)
        elif b.kind in ANCHORS:
            if held:
                yield Group(tuple(held), anchor)
            held, anchor, waiting = [*waiting, item], i, []
        else:
            yield from _settle(held, anchor, waiting)
            held, anchor, waiting = [], None, []
            yield Group((item,))
    yield from _settle(held, anchor, waiting)


def _settle(held: list[tuple[int, Block]], anchor: int | None, waiting: list[tuple[int, Block]]) -> Iterator[Group]:
    """Nothing more follows: captions that waited belong to the float before, or stand alone."""
    if held:
        yield Group((*held, *waiting), anchor)
    else:
        for item in waiting:
            yield Group((item,))


def _against(caption: Block, anchor: Block) -> bool:
    named = [k.target for k in caption.links if k.relation == "caption"]
    if named and anchor.ref:
        return anchor.ref not in named
    if anchor.regions and caption.regions and caption.regions[0].page > anchor.regions[-1].page:
        return True
    text = caption.text.strip()
    if anchor.kind is Kind.TABLE:
        return bool(_FIGURE.match(text))
    return bool(_TABLE.match(text))


class FloatFrame:
    """A figure, chart or formula with its captions: every chunk of it spans them all and shows where the float stands.

    Where the text does not fit one chunk, the captions are context of the chunks that do not hold them.
    """

    def __init__(self, group: Group, path: Path, sizer: Sizer) -> None:
        self.kind: Kind | None = group.block.kind
        self.span: tuple[int, int] | None = group.span
        self._group = group
        self._path = path
        self._sizer = sizer

    def pieces(self, *, whole: int, most: int) -> list[Piece]:
        """The group's blocks as pieces; a formula in one."""
        out: list[Piece] = []
        for i, b in self._group.items:
            role = Role.CAPTION if b.kind is Kind.CAPTION else Role.FORMULA if b.kind is Kind.FORMULA else Role.TEXT
            out += paragraph_pieces(i, b, self._path, self._sizer, whole=whole, most=most, role=role)
        return out

    def context(self, pieces: Sequence[Piece]) -> str:
        """The captions that are not among the pieces."""
        mine = {p.index for p in pieces}
        return "\n".join(t for i, b in self._group.captions if i not in mine and (t := b.text.strip()))

    def shortened(self, pieces: Sequence[Piece], limit: int) -> str:
        """The captions' first words."""
        return first_words(self.context(pieces), size=self._sizer.size, limit=limit)

    def embedded(self, text: str) -> str:
        """All of it."""
        return text

    def regions(self, pieces: Sequence[Piece]) -> list[PageBox]:
        """The float, and the lines of the pieces."""
        mine = {p.index for p in pieces}
        boxes = [] if self._group.anchor in mine else list(self._group.block.regions)
        return [*boxes, *(r for r in text_regions(pieces) if r not in boxes)]

    def part(self, pieces: Sequence[Piece]) -> TablePart | None:  # noqa: ARG002
        """No rows."""
        return None

    def entries(self, pieces: Sequence[Piece]) -> tuple[Entry, ...]:  # noqa: ARG002
        """No rows."""
        return ()
