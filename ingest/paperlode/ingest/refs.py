"""Names of blocks within a document, and the ties between them: captions to what they stand at, notes to their calls.

Names are given as pages come in (``p12.3``: page 12, fourth block on it, both counted from 0), so what is joined keeps
the name of its first part. Ties are made as assembled blocks leave, when their text is final.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Box, Kind, Link, ParsedPage
from paperlode.ingest.floats import groups
from paperlode.ingest.notes import tie_notes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from paperlode.ingest.floats import Group

__all__ = ["named", "tied"]

NEAR = 60.0
"""Points between a caption and what it belongs to: more than ``captions.NEAR``, a picture's ink is often less than its frame."""


def named(pages: Iterable[ParsedPage]) -> Iterator[ParsedPage]:
    """The pages with a ``ref`` for every block, whatever it had before: unique in the document, the same on every run.

    A page that comes out of order or a second time has its place in the stream in the name (``p12r40.3``).
    """
    highest = -1
    for place, page in enumerate(pages):
        name = f"p{page.page}" if page.page > highest else f"p{page.page}r{place}"
        highest = max(highest, page.page)
        yield replace(page, blocks=tuple(replace(b, ref=f"{name}.{i}") for i, b in enumerate(page.blocks)))


def tied(blocks: Iterable[Block]) -> Iterator[Block]:
    """The same blocks in the same order, captions and notes with links to what they belong to.

    A caption is tied to the figure, chart, formula or table it stands over or under on one page; what was taken into
    ``Table.caption`` is no block any more and needs no link. Notes: see ``notes.tie_notes``.
    """
    return tie_notes(b for group in groups(blocks) for b in _captioned(group))


def _captioned(group: Group) -> Iterator[Block]:
    anchor = group.block
    for i, b in group.items:
        mine = group.anchor is not None and i != group.anchor and anchor.ref and _stands_at(b, anchor)
        yield replace(b, links=tuple(dict.fromkeys((*b.links, Link("caption", anchor.ref))))) if mine else b


def _stands_at(caption: Block, anchor: Block) -> bool:
    """Whether the caption is over, under or beside a part of the anchor on its own page, near it."""
    if caption.kind is not Kind.CAPTION or not caption.regions:
        return False
    page, box = caption.regions[0]
    return any(r.page == page and _gap(box, r.box) <= NEAR for r in anchor.regions)


def _gap(a: Box, b: Box) -> float:
    """Points between two boxes along the axis on which they are further apart; 0 when they meet."""
    across = max(a.x0, b.x0) - min(a.x1, b.x1)
    down = max(a.y0, b.y0) - min(a.y1, b.y1)
    return max(0.0, across, down)
