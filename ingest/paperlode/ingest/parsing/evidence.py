"""What a page itself shows, whatever was read of it: the words of its text layer, and the ink of its picture."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from paperlode.ingest.boxes import Box
from paperlode.ingest.pages import MAX_RENDER_SIDE, open_pdf, read_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pymupdf
    from numpy.typing import NDArray

    from paperlode.ingest.document import ParsedPage
    from paperlode.ingest.pages import PageRef
    from paperlode.ingest.parsing.vl_render import PreparedPage

__all__ = [
    "INK_DPI",
    "Evidence",
    "Ink",
    "Word",
    "digital_evidence",
    "evidence_of",
    "glyphs_of",
    "ink_of",
    "layer_flags",
    "prepare_with_evidence",
    "words_of",
]

INK_DPI = 72
"""One dot a point: lines of print stay apart, and a page takes about 2 ms to render and 20 KB to keep."""
_CONTRAST = 45  # gray levels to the paper around it: lighter is shading, or the back of the sheet shining through
_AROUND = (
    13  # dots of the half-size picture that tell the paper around a dot: wider than a stroke, narrower than a panel
)
_PICTURE = 0.03  # of a digital page: a smaller picture is a logo
_MOSTLY = 0.5  # of the characters


class Word(NamedTuple):
    """A word of the text layer and its box in points of the page as displayed.

    ``printed`` is false for invisible characters: a parser may say them and need not.
    """

    text: str
    box: Box
    printed: bool = True


@dataclass(frozen=True, slots=True)
class Ink:
    """Where the page is printed on, as a grid of dots: ``rows`` by ``cols``, ``INK_DPI`` or less, kept compressed."""

    rows: int
    cols: int
    packed: bytes

    @classmethod
    def of(cls, dark: NDArray[np.bool_]) -> Ink:
        """From a grid of shape (rows, cols), true where there is ink."""
        import numpy as np

        return cls(dark.shape[0], dark.shape[1], zlib.compress(np.packbits(dark).tobytes(), 1))

    def grid(self) -> NDArray[np.bool_]:
        """The grid back: (rows, cols), true where there is ink."""
        import numpy as np

        bits = np.unpackbits(np.frombuffer(zlib.decompress(self.packed), dtype=np.uint8), count=self.rows * self.cols)
        return bits.reshape(self.rows, self.cols).view(np.bool_)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a judge holds against what was read.

    Attributes:
        words: of a text layer that can be trusted, in its order; None where there is none.
        ink: of the picture; None where it was not looked at.
    """

    words: tuple[Word, ...] | None = None
    ink: Ink | None = None


def words_of(textpage: pymupdf.TextPage, blocks: Sequence[dict[str, Any]]) -> tuple[Word, ...]:
    """The words of a text page whose rotation is removed.

    Args:
        textpage: of the page.
        blocks: its ``extractDICT()["blocks"]``, which tell what is invisible.
    """
    hidden = {
        (block["number"], n)
        for block in blocks
        for n, line in enumerate(block.get("lines", ()))
        if any(s.get("alpha", 255) == 0 for s in line["spans"])
    }
    return tuple(
        Word(str(text), Box(x0, y0, x1, y1), (block, line) not in hidden)
        for x0, y0, x1, y1, text, block, line, _ in textpage.extractWORDS()
    )


def ink_of(picture: NDArray[np.uint8], width: float, height: float) -> Ink:
    """The ink of a picture, gray (h, w) or RGB (h, w, 3), of a page of that many points.

    Ink is what stands out from the paper around it, darker or lighter: shading and photographs' soft parts are none.
    """
    import cv2
    import numpy as np

    zoom = INK_DPI / 72
    size = (max(2, round(width * zoom)), max(2, round(height * zoom)))
    small = picture
    if picture.shape[1] != size[0] or picture.shape[0] != size[1]:
        small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    gray = small if small.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(small), cv2.COLOR_RGB2GRAY)
    half = cv2.resize(gray, (max(1, size[0] // 2), max(1, size[1] // 2)), interpolation=cv2.INTER_AREA)
    paper = cv2.resize(cv2.medianBlur(half, _AROUND), size, interpolation=cv2.INTER_LINEAR)
    return Ink.of(np.asarray(cv2.absdiff(gray, paper) > _CONTRAST))


def digital_evidence(page: pymupdf.Page, textpage: pymupdf.TextPage, blocks: Sequence[dict[str, Any]]) -> Evidence:
    """For a page whose text layer is read: its words, and its ink where pictures may hold text that no layer has.

    Args:
        page: its rotation removed.
        textpage: see ``words_of``.
        blocks: see ``words_of``.
    """
    import pymupdf

    words = words_of(textpage, blocks)
    area = abs(page.rect) or 1.0
    pictures = page.get_image_info() if page.get_images() else []  # the second is cheap, and mostly empty
    large = any(abs(pymupdf.Rect(i["bbox"]) & page.rect) > _PICTURE * area for i in pictures)
    return Evidence(words, _rendered(page) if large else None)


def _rendered(page: pymupdf.Page) -> Ink | None:
    """None where the page cannot be rendered: its words are read all the same."""
    import numpy as np
    import pymupdf

    zoom = min(INK_DPI / 72, MAX_RENDER_SIDE / max(page.rect.width, page.rect.height, 1.0))
    try:
        pix = page.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), colorspace=pymupdf.csGRAY, alpha=False)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  MuPDF's own kinds, on a broken picture
        return None
    gray = np.frombuffer(pix.samples, dtype=np.uint8).reshape(pix.height, pix.width)
    return ink_of(gray, float(page.rect.width), float(page.rect.height))


def evidence_of(ref: PageRef, page: ParsedPage) -> Evidence:
    """The evidence for a page that was parsed before, taken from its file again: what its parser had. Runs in a worker.

    Raises:
        PageTooLarge, PageUnreadable, SourceError.
    """
    digital = _digital(ref, glyphs=not page.parser.endswith("/plain"))
    if digital is not None and page.parser.startswith("local"):
        return digital
    picture, width, height = read_picture(ref, dpi=INK_DPI)
    return Evidence(digital.words if digital else None, ink_of(picture, width, height))


def _digital(ref: PageRef, *, glyphs: bool) -> Evidence | None:
    """None where there is no text layer, or one that is not to be trusted. ``glyphs``: see ``glyphs_of``."""
    from paperlode.ingest.parsing.textlayer import Trust, judge
    from paperlode.ingest.parsing.turning import turned_page

    if not ref.pdf:
        return None
    page = open_pdf(ref.path, ref.password)[ref.page]
    if page.rotation:
        page = turned_page(page, 0)
    textpage = page.get_textpage(flags=layer_flags())
    text: Any = page.get_text("dict", textpage=textpage)
    if judge(page, text["blocks"]).trust is not Trust.DIGITAL:
        return None
    return digital_evidence(page, *(glyphs_of(page) if glyphs else (textpage, text["blocks"])))


def glyphs_of(page: pymupdf.Page) -> tuple[pymupdf.TextPage, list[dict[str, Any]]]:
    """A text page, and its blocks, of the characters that are printed, whatever the file says that they stand for.

    That is what the layout engine and a recognition model read; a drawn check box stands for "checked" in some files.
    """
    import pymupdf

    textpage = page.get_textpage(flags=layer_flags() | pymupdf.TEXT_IGNORE_ACTUALTEXT)
    text: Any = page.get_text("dict", textpage=textpage)
    return textpage, text["blocks"]


def layer_flags() -> int:
    """What a text page is made with: ligatures and white space as they are, nothing from outside the page."""
    import pymupdf

    return int(
        pymupdf.TEXT_PRESERVE_LIGATURES
        | pymupdf.TEXT_PRESERVE_WHITESPACE
        | pymupdf.TEXT_MEDIABOX_CLIP
        | pymupdf.TEXT_ACCURATE_BBOXES
    )


def prepare_with_evidence(ref: PageRef, *, dpi: int, upright: bool, layer: bool) -> tuple[PreparedPage, Evidence]:
    """``vl_render.prepare_page``, and what the page shows, in one visit to the worker.

    Raises:
        PageTooLarge, PageUnreadable, SourceError.
    """
    import numpy as np

    from paperlode.ingest.parsing.vl_render import prepare_page

    prepared = prepare_page(ref, dpi=dpi, upright=upright, layer=layer)
    lying = np.rot90(prepared.picture, k=prepared.turn // 90)  # as displayed again
    return prepared, Evidence(_printed(ref), ink_of(lying, prepared.width, prepared.height))


def _printed(ref: PageRef) -> tuple[Word, ...] | None:
    """The words of a text layer that is to be trusted and mostly visible; a broken one is none, and the page says so."""
    try:
        digital = _digital(ref, glyphs=True)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  MuPDF's own kinds, on a broken content stream
        return None
    words = digital.words if digital is not None else None
    if words is None:
        return None
    shown = sum(len(w.text) for w in words if w.printed)
    return words if shown > _MOSTLY * sum(len(w.text) for w in words) else None
