"""The words of a table: whole, with their place on the page."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import Box

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Word", "place_of", "words_of"]

_WORD_GAP = 0.3  # font sizes between two characters that are not of one word


@dataclass(frozen=True, slots=True)
class Word:
    """Characters that stand together.

    Attributes:
        text: as printed. space: whether a blank follows it.
        box: around its characters, in points.
        centres: of its characters, in points.
        size: of the font, in points.
        line: which printed line it is of (words of one line have the same number).
        x: middle of the word, left to right.
        y: mean height of its characters' centres.
    """

    text: str
    space: bool
    box: Box
    centres: tuple[tuple[float, float], ...]
    size: float
    line: int = 0
    x: float = field(init=False, repr=False, compare=False)
    y: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Its place is asked for some hundred times a word, so it is kept."""
        object.__setattr__(self, "x", (self.box.x0 + self.box.x1) / 2)
        object.__setattr__(self, "y", sum(y for _, y in self.centres) / len(self.centres))


def words_of(line: dict[str, Any], mine: Sequence[Box], number: int = 0) -> Iterator[Word]:
    """The words of the line whose characters stand inside the boxes ``mine``.

    Characters of lines that were given to another area are not ours, whatever box they stand in.
    """
    chars: list[tuple[str, tuple[float, float, float, float]]] = []
    end, size = None, 0.0
    for span in line["spans"]:
        for ch in span["chars"]:
            x0, y0, x1, y1 = ch["bbox"]
            blank = ch["c"].isspace()
            if blank or (end is not None and x0 - end > _WORD_GAP * span["size"]):
                if chars:
                    yield _word(chars, number, size, space=blank)
                chars = []
            end = x1
            x, y = (x0 + x1) / 2, (y0 + y1) / 2
            if blank or not any(b.x0 - 0.5 <= x <= b.x1 + 0.5 and b.y0 - 0.5 <= y <= b.y1 + 0.5 for b in mine):
                continue
            size = span["size"]
            chars.append((ch["c"], (x0, y0, x1, y1)))
    if chars:
        yield _word(chars, number, size, space=False)


def _word(
    chars: Sequence[tuple[str, tuple[float, float, float, float]]], line: int, size: float, *, space: bool
) -> Word:
    x0s, y0s, x1s, y1s = zip(*(b for _, b in chars), strict=True)
    around = Box(min(x0s), min(y0s), max(x1s), max(y1s))
    centres = tuple(((x0 + x1) / 2, (y0 + y1) / 2) for _, (x0, y0, x1, y1) in chars)
    return Word("".join(c for c, _ in chars), space, around, centres, size, line)


def place_of(word: Word, xs: Sequence[float], ys: Sequence[float]) -> tuple[int, int]:
    """The (row, column) that holds most of the word's characters, the first of equals.

    A word is never cut by a grid line: on a scan the place of a character within its line is only an estimate.
    """
    rows, columns = len(ys) - 2, len(xs) - 2
    places: dict[tuple[int, int], int] = {}
    for x, y in word.centres:
        at = (min(max(bisect_right(ys, y) - 1, 0), rows), min(max(bisect_right(xs, x) - 1, 0), columns))
        places[at] = places.get(at, 0) + 1
    return max(places, key=places.__getitem__)
