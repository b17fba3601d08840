"""What a worker process does for a page of PaddleOCR-VL: its picture, upright, and its text layer where that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paperlode.ingest.pages import open_pdf, read_picture
from paperlode.ingest.parsing.geometry import Affine
from paperlode.ingest.parsing.turning import lying, turned_page
from paperlode.ingest.parsing.uprightness import turn_of, turned
from paperlode.ingest.parsing.vl_text_layer import TextLayer, layer_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pymupdf
    from numpy.typing import NDArray

    from paperlode.ingest.pages import PageRef

__all__ = ["PreparedPage", "prepare_page"]

_MOSTLY = 0.5  # of the characters


@dataclass(frozen=True, slots=True)
class PreparedPage:
    """A page ready for layout.

    Attributes:
        picture: RGB (h, w, 3), turned upright.
        width, height: points of the page as displayed, not turned.
        turn: clockwise degrees by which the picture was turned.
        layer: the page's own text in points of the upright page; None where it is not wanted or not to be trusted.
        flags: ``text_layer_unreadable``: it has one that broke while it was read, and the picture stands for it.
    """

    picture: NDArray[np.uint8]
    width: float
    height: float
    turn: int = 0
    layer: TextLayer | None = None
    flags: tuple[str, ...] = ()

    @property
    def scale(self) -> float:
        """Points a pixel."""
        across = self.height if self.turn in {90, 270} else self.width
        return across / int(self.picture.shape[1])


def prepare_page(ref: PageRef, *, dpi: int, upright: bool, layer: bool) -> PreparedPage:
    """The page, turned if ``upright``, with its text layer if ``layer``. Runs in a worker.

    A trustworthy text layer tells how the page lies; else its picture does (``uprightness``).

    Raises:
        PageTooLarge, PageUnreadable, SourceError.
    """
    picture, width, height = read_picture(ref, dpi=dpi)
    own, broken, turn = None, False, 0
    try:
        own = _own_text(ref) if ref.pdf and (upright or layer) else None
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  MuPDF's own kinds, on a broken content stream
        broken = True
    if upright:
        turn = own.turn if own is not None else turn_of(picture).turn
    text = None
    if layer and own is not None:
        text = layer_of(own.page, own.flags, Affine.quarter_turn(turn, width, height).box)
    flags = ("text_layer_unreadable",) if broken else ()
    return PreparedPage(turned(picture, turn), width, height, turn, text, flags)


@dataclass(frozen=True, slots=True)
class _OwnText:
    page: pymupdf.Page
    flags: int
    turn: int


def _own_text(ref: PageRef) -> _OwnText | None:
    """What is to be known of a text layer; None where it is not to be trusted, or mostly invisible."""
    import pymupdf

    from paperlode.ingest.parsing.textlayer import Trust, judge

    flags = (
        pymupdf.TEXT_PRESERVE_LIGATURES
        | pymupdf.TEXT_PRESERVE_WHITESPACE
        | pymupdf.TEXT_MEDIABOX_CLIP
        | pymupdf.TEXT_ACCURATE_BBOXES
    )
    page = open_pdf(ref.path, ref.password)[ref.page]
    if page.rotation:
        page = turned_page(page, 0)
    text: Any = page.get_text("dict", flags=flags)
    blocks: list[dict[str, Any]] = text["blocks"]
    if judge(page, blocks).trust is not Trust.DIGITAL or _hidden(blocks) > _MOSTLY:
        return None
    return _OwnText(page, flags, _turn(blocks))


def _turn(blocks: Sequence[dict[str, Any]]) -> int:
    """As the local parser turns: a page is turned on its side only when most of its text lies."""
    turn = lying(blocks)
    if turn in {0, 180}:
        return turn
    lengths = [(abs(ln["dir"][0]) > 0.9, sum(len(s["text"]) for s in ln["spans"])) for ln in _lines(blocks)]
    level = sum(n for flat, n in lengths if flat)
    return turn if level < _MOSTLY * sum(n for _, n in lengths) else 0


def _lines(blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for b in blocks for line in b.get("lines", ())]


def _hidden(blocks: Sequence[dict[str, Any]]) -> float:
    """Share of characters that are invisible: recognised by a scanner, not printed."""
    spans = [s for line in _lines(blocks) for s in line["spans"]]
    total = sum(len(s["text"]) for s in spans)
    return sum(len(s["text"]) for s in spans if s.get("alpha", 255) == 0) / total if total else 0.0
