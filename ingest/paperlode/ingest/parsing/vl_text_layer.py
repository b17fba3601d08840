"""The page's own text, for regions that need no recognition: ``VLOptions.text_layer = "keep"``.

The layer is read in the worker that renders the page. A region's text is the words whose centres lie in it, in the layer's
order, a line of print a line. What the layer cannot be trusted with is recognised: see ``TextLayer.text_of``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from paperlode.ingest.document import Box
from paperlode.ingest.parsing.choice import MATH_FONT
from paperlode.ingest.parsing.crops import cut, strokes
from paperlode.ingest.parsing.lines import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy as np
    import pymupdf
    from numpy.typing import NDArray

    from paperlode.ingest.parsing.layout import Region

__all__ = ["LayerLine", "LayerWord", "RegionText", "TextLayer", "layer_of"]

_BULLETS = frozenset("•·●○◦▪■□◆▶►‣⁃∙–—-*")
_SAME_ROW = 0.5  # of the lower line's height that is shared
_UNCOVERED = 0.15  # of a region's ink outside its words: more is a picture, handwriting or a formula drawn as lines
_AROUND = 0.15  # of a word's height: what its glyphs reach over its box


class LayerWord(NamedTuple):
    """A word and its box in points of the upright page, origin top left."""

    text: str
    box: Box


@dataclass(frozen=True, slots=True)
class LayerLine:
    """Words of one line, in the layer's order.

    ``odd`` when its characters may not be what is printed: mathematical fonts, private-use, replacement or control
    characters, invisible text (a scanner's own recognition), vertical writing.
    """

    words: tuple[LayerWord, ...]
    odd: bool = False


@dataclass(frozen=True, slots=True)
class RegionText:
    """What the layer says in a region: its printed lines, each with the box around its words in points."""

    lines: tuple[tuple[str, Box], ...]

    @property
    def text(self) -> str:
        """The lines, one below the other."""
        return "\n".join(text for text, _ in self.lines)


@dataclass(frozen=True, slots=True)
class TextLayer:
    """All lines of a page, in the layer's order."""

    lines: tuple[LayerLine, ...]

    def text_of(self, region: Region, picture: NDArray[np.uint8], *, scale: float) -> RegionText | None:
        """The text of a region (pixels of ``picture``, ``scale`` points each); None where it must be recognised.

        That is where no word lies in it, a line with a word in it is odd, or a good part of its ink is none of its words'.
        """
        rows: list[list[LayerWord]] = []
        for line in self.lines:
            mine = [w for w in line.words if _holds(region, w.box, scale)]
            if mine and line.odd:
                return None
            if mine and rows and _one_row(rows[-1], mine):
                rows[-1] += mine
            elif mine:
                rows.append(mine)
        if not rows or _ink_outside([w.box for r in rows for w in r], region, picture, scale) > _UNCOVERED:
            return None
        return RegionText(tuple((" ".join(w.text for w in r), Box.around(w.box for w in r)) for r in rows))


def _holds(region: Region, word: Box, scale: float) -> bool:
    x, y = (word.x0 + word.x1) / 2 / scale, (word.y0 + word.y1) / 2 / scale
    b = region.box
    if not (b.x0 <= x <= b.x1 and b.y0 <= y <= b.y1):
        return False
    return len(region.polygon) < 3 or _within(region.polygon, x, y)


def _within(outline: Sequence[tuple[float, float]], x: float, y: float) -> bool:
    """Whether a ray to the right of the point crosses the outline an odd number of times."""
    inside = False
    for (x0, y0), (x1, y1) in zip(outline, (*outline[1:], outline[0]), strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            inside = not inside
    return inside


def _one_row(row: Sequence[LayerWord], words: Sequence[LayerWord]) -> bool:
    """Whether the words go on a row that the layer holds in pieces."""
    a, b = Box.around(w.box for w in row), Box.around(w.box for w in words)
    shared = min(a.y1, b.y1) - max(a.y0, b.y0)
    return b.x0 >= a.x1 and shared > _SAME_ROW * min(a.height, b.height)


def _ink_outside(words: Iterable[Box], region: Region, picture: NDArray[np.uint8], scale: float) -> float:
    """Share of the region's ink that lies outside the words' boxes, 0 to 1."""
    dark = strokes(cut(picture, region))
    total = int(dark.sum())
    x, y = int(region.box.x0), int(region.box.y0)
    for b in words:
        room = _AROUND * b.height / scale
        x0, y0 = max(0, int(b.x0 / scale - room) - x), max(0, int(b.y0 / scale - room) - y)
        dark[y0 : max(0, int(b.y1 / scale + room) + 2 - y), x0 : max(0, int(b.x1 / scale + room) + 2 - x)] = False
    return int(dark.sum()) / total if total else 0.0


def layer_of(page: pymupdf.Page, flags: int, upright: Callable[[Box], Box]) -> TextLayer:
    """The lines of a page whose rotation is removed, their boxes mapped by ``upright``."""
    textpage = page.get_textpage(flags=flags)
    odd = {key for key, line in _numbered(textpage.extractDICT()["blocks"]) if _odd(line)}
    grouped: dict[tuple[int, int], list[LayerWord]] = {}
    for x0, y0, x1, y1, text, block, line, _ in textpage.extractWORDS():
        if said := clean(str(text)):
            grouped.setdefault((block, line), []).append(LayerWord(said, upright(Box(x0, y0, x1, y1))))
    return TextLayer(tuple(LayerLine(tuple(words), key in odd) for key, words in grouped.items()))


def _numbered(blocks: Sequence[dict[str, Any]]) -> Iterator[tuple[tuple[int, int], dict[str, Any]]]:
    for block in blocks:
        for n, line in enumerate(block.get("lines", ())):
            yield (block["number"], n), line


def _odd(line: dict[str, Any]) -> bool:
    return bool(line.get("wmode")) or any(_odd_span(s) for s in line["spans"])


def _odd_span(span: dict[str, Any]) -> bool:
    text = str(span["text"]).strip()
    if not text or set(text) <= _BULLETS:
        return False
    hidden = span.get("alpha", 255) == 0
    return hidden or bool(MATH_FONT.search(str(span["font"]))) or any(map(_unmapped, text))


def _unmapped(c: str) -> bool:
    return c == "\ufffd" or "\ue000" <= c <= "\uf8ff" or ord(c) < 32 or 0x7F <= ord(c) < 0xA0
