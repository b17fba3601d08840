"""How headings are set, and which of two faces stands over the other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paperlode.ingest.document import Block

__all__ = ["Face", "face_of", "larger", "outranks"]

SAME_SIZE = 0.06
"""Share by which the sizes of two headings of one kind may differ; half a point of 9."""
_ASIDE = re.compile(r"[(（][^()（）]*[)）]")
_PLAIN, _ITALIC, _BOLD_ITALIC, _BOLD = range(4)
_SLANTS = {4: _BOLD_ITALIC, 5: _ITALIC}


@dataclass(frozen=True, slots=True)
class Face:
    """How a heading is set.

    Attributes:
        size: of its type in half points; 0 when unknown.
        capitals: whether all its letters are.
        weight: 3 bold, 2 bold italic, 1 italic, 0 neither or unknown.
        rank: the parser's level, where size and weight are unknown: of a recognised page it tells how high the heading's
            lines are against those of the text.
    """

    size: int
    capitals: bool
    weight: int
    rank: int = 0


def face_of(block: Block, text: str) -> Face:
    """How the heading is set; the parser's level tells the slant (see ``parsing.outline.heading_level``)."""
    bare = _ASIDE.sub("", text)
    capitals = bare.upper() == bare and bare.lower() != bare
    if block.size is None:
        return Face(0, capitals, 0, block.level or 3)
    if block.bold:
        weight = _SLANTS.get(block.level or 0, _BOLD) if block.level != 5 else _BOLD
    else:
        weight = _ITALIC if block.level == 5 else _PLAIN
    return Face(round(2 * block.size), capitals, weight)


def outranks(upper: Face, lower: Face, seen: Mapping[tuple[Face, Face], int]) -> bool:
    """Whether a heading of the face ``upper`` has headings of the face ``lower`` under it.

    ``seen`` counts how often a heading of the first face came right before one of the second, with no text between.
    """
    for_it, against = seen.get((upper, lower), 0), seen.get((lower, upper), 0)
    if for_it != against and min(for_it, against) == 0:
        return for_it > against
    return _strength(upper, lower) > _strength(lower, upper)


def _strength(face: Face, other: Face) -> tuple[int, ...]:
    """Larger is higher, against the other: size counts where it differs clearly."""
    return (int(larger(face, other)), -face.rank, int(face.capitals), face.weight)


def larger(face: Face, other: Face) -> bool:
    """Whether the first is set in clearly larger type."""
    return face.size > other.size * (1 + SAME_SIZE) and other.size > 0
