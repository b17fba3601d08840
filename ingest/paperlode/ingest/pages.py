"""Files to page pictures: opening, rendering and decoding, with limits. These functions run inside a worker process."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from paperlode.ingest.document import Bookmark
from paperlode.ingest.errors import (
    PageTooLarge,
    PageUnreadable,
    PaperlodeError,
    SourceCorrupt,
    SourceEmpty,
    SourceEncrypted,
    SourceUnreadable,
)

if TYPE_CHECKING:
    import numpy as np
    import pymupdf
    from numpy.typing import NDArray
    from PIL import Image

    from paperlode.ingest.document import Box

__all__ = [
    "PageRef",
    "bookmarks_of",
    "count_pages",
    "fresh_pdf",
    "open_pdf",
    "page_size",
    "read_picture",
    "render_page",
]

POINTS_PER_INCH = 72.0
MAX_PIXELS = 200_000_000
"""Pictures with more pixels are refused (a 30,000 x 6,000 scan passes): decoding them takes over 600 MB."""
MAX_RENDER_SIDE = 4000
"""Longest side of a rendered page in pixels: A3 at 240 dpi."""
LETTER_INCHES = 11.0
MAX_BOOKMARKS = 20_000
"""Entries of a PDF's outline that are read; a longer one is cut."""
MAX_TITLE = 500
"""Characters of a bookmark's title that are kept."""


@dataclass(frozen=True, slots=True)
class PageRef:
    """One page of one file, as a worker is told about it. ``pdf`` says which library opens it."""

    path: str
    page: int
    pdf: bool
    password: str | None = None

    def __str__(self) -> str:
        return f"page {self.page + 1} of {self.path}"


def count_pages(ref: PageRef) -> int:
    """Pages in the file (``ref.page`` is not used). Runs in a worker.

    Raises:
        SourceEncrypted, SourceCorrupt, SourceEmpty.
    """
    if ref.pdf:
        return int(open_pdf(ref.path, ref.password).page_count)
    with _open_image(ref.path) as picture:
        return int(getattr(picture, "n_frames", 1))


def open_pdf(path: str, password: str | None) -> pymupdf.Document:
    """The document, opened once a worker for as long as it reads the same unchanged file.

    Raises:
        SourceEncrypted, SourceCorrupt, SourceEmpty, SourceUnreadable.
    """
    try:
        st = Path(path).stat()
    except OSError as e:
        raise SourceUnreadable(f"{path} cannot be read: {e.strerror}.") from e
    return _open_pdf(path, password, st.st_mtime_ns, st.st_size)


@lru_cache(maxsize=1)
def _open_pdf(path: str, password: str | None, _mtime: int, _size: int) -> pymupdf.Document:
    return fresh_pdf(path, password)


def fresh_pdf(path: str, password: str | None) -> pymupdf.Document:
    """The document, opened for the caller, who closes it. Raises like ``open_pdf``."""
    import pymupdf

    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    try:
        doc = pymupdf.open(path, filetype="pdf")
        locked = doc.needs_pass and not (password and doc.authenticate(password))
        count = 0 if locked else doc.page_count  # raises where the page tree is cut off
    except MemoryError:
        raise
    except Exception as e:
        raise SourceCorrupt(
            f"{path} cannot be opened as a PDF: {e}.", hint="The file is damaged or cut short; get it again."
        ) from e
    if locked:
        what = "needs another password than the one given" if password else "is encrypted"
        raise SourceEncrypted(f"{path} {what}.", hint="Give its password with --password.")
    if count == 0:
        raise SourceEmpty(f"{path} has no pages.", hint="The file is damaged or cut short; get it again.")
    return doc


def bookmarks_of(ref: PageRef) -> tuple[Bookmark, ...]:
    """The entries of the PDF's outline that lead to the page, in their order; none for a picture. Runs in a worker."""
    if not ref.pdf:
        return ()
    doc = open_pdf(ref.path, ref.password)
    return _bookmarks(doc).get(ref.page, ())


@lru_cache(maxsize=1)
def _bookmarks(doc: pymupdf.Document) -> dict[int, tuple[Bookmark, ...]]:
    """By page; an outline that cannot be read is none."""
    found: dict[int, tuple[Bookmark, ...]] = {}
    try:
        entries = doc.get_toc(simple=False)
    except Exception:  # noqa: BLE001  a broken outline is no page's failure; MuPDF raises bare exceptions
        return {}
    for level, title, page, place in entries[:MAX_BOOKMARKS]:
        text = " ".join(str(title).split())
        if not text or not 1 <= page <= doc.page_count:
            continue
        to = place.get("to") if isinstance(place, dict) else None
        y = round(float(to.y), 2) if to is not None and to.y > 0 else None
        found[page - 1] = (*found.get(page - 1, ()), Bookmark(int(level), text[:MAX_TITLE], y))
    return found


def _open_image(path: str) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # our own limit below is a clear error instead of a warning
    try:
        return Image.open(path)
    except (UnidentifiedImageError, SyntaxError, ValueError) as e:
        raise SourceCorrupt(f"{path} cannot be opened as a picture.", hint="The file is damaged; get it again.") from e
    except OSError as e:
        raise SourceUnreadable(f"{path} cannot be read: {e}.") from e


def read_picture(ref: PageRef, *, dpi: int) -> tuple[NDArray[np.uint8], float, float]:
    """The page as it is displayed: RGB pixels of shape (height, width, 3), and its width and height in points.

    PDF pages are rendered at ``dpi`` (less where the longest side would pass MAX_RENDER_SIDE), pictures are read at
    their own resolution and scaled down to that side.

    Raises:
        PageTooLarge, PageUnreadable, SourceError.
    """
    if ref.pdf:
        return _render_pdf(ref, dpi)
    return _read_frame(ref)


def _render_pdf(ref: PageRef, dpi: int) -> tuple[NDArray[np.uint8], float, float]:
    import numpy as np
    import pymupdf

    doc = open_pdf(ref.path, ref.password)
    try:
        page = doc[ref.page]
        rect = page.rect
    except MemoryError:
        raise
    except Exception as e:
        raise PageUnreadable(f"{ref} cannot be read: {e}.") from e
    if not (0 < rect.width < 1e6 and 0 < rect.height < 1e6):
        raise PageTooLarge(
            f"{ref} measures {rect.width:.0f} by {rect.height:.0f} points.", hint="No page is that size."
        )
    zoom = min(dpi / POINTS_PER_INCH, MAX_RENDER_SIDE / max(rect.width, rect.height))
    if min(rect.width, rect.height) * zoom < 1:
        raise PageTooLarge(f"{ref} measures {rect.width:.0f} by {rect.height:.0f} points: too narrow to render.")
    try:
        pix = page.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), colorspace=pymupdf.csRGB, alpha=False)
    except MemoryError:
        raise
    except Exception as e:
        raise PageUnreadable(f"{ref} cannot be rendered: {e}.") from e
    data = np.frombuffer(pix.samples, dtype=np.uint8).reshape(pix.height, pix.width, 3)
    return data.copy(), float(rect.width), float(rect.height)


def _read_frame(ref: PageRef) -> tuple[NDArray[np.uint8], float, float]:
    import numpy as np
    from PIL import ImageOps

    with _open_image(ref.path) as picture:
        try:
            picture.seek(ref.page)
            if picture.width * picture.height > MAX_PIXELS:
                raise PageTooLarge(
                    f"{ref} has {picture.width} by {picture.height} pixels, the limit is {MAX_PIXELS:,} in all.",
                    hint="Scale it down.",
                )
            width, height = page_size(picture.width, picture.height, picture.info.get("dpi"))
            picture.draft("RGB", (MAX_RENDER_SIDE, MAX_RENDER_SIDE))  # JPEG: decoded at a fraction where that does
            turned = ImageOps.exif_transpose(picture)
            frame = _on_white(turned)
        except (PaperlodeError, MemoryError):
            raise
        except Exception as e:
            raise PageUnreadable(f"{ref} cannot be decoded: {e}.", hint="The file is damaged; get it again.") from e
    if (frame.width > frame.height) != (width > height) and frame.width != frame.height:
        width, height = height, width
    longest = max(frame.size)
    if longest > MAX_RENDER_SIDE:
        frame.thumbnail((MAX_RENDER_SIDE, MAX_RENDER_SIDE))
    return np.asarray(frame), width, height


def _on_white(picture: Image.Image) -> Image.Image:
    """The picture as RGB, transparent parts white: a page is paper."""
    import numpy as np
    from PIL import Image

    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        paper = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(paper, rgba).convert("RGB")
    if picture.mode.startswith("I") or picture.mode == "F":  # 16 and 32 bit gray: stretched to 8
        gray = np.asarray(picture, dtype=np.float32)
        low, high = float(gray.min()), float(gray.max())
        if low == high:
            return Image.new("RGB", picture.size, "white")  # one tone all over: nothing stands on it
        return Image.fromarray(((gray - low) * (255 / (high - low))).astype(np.uint8)).convert("RGB")
    return picture.convert("RGB")


def page_size(width_px: int, height_px: int, dpi: tuple[float, float] | None) -> tuple[float, float]:
    """Width and height in points of a picture of that many pixels.

    The file's own resolution counts where it is believable (50 to 1200 dpi); otherwise the longest side is taken for
    the 11 inches of a letter page, so that boxes have the scale of a printed page.
    """
    x, y = (float(v) for v in (dpi or (0.0, 0.0)))
    long_inches = max(width_px / x, height_px / y) if x > 0 and y > 0 else 0.0
    if not (50 <= x <= 1200 and 50 <= y <= 1200 and 2 <= long_inches <= 48):
        x = y = max(width_px, height_px) / LETTER_INCHES
    return round(width_px / x * POINTS_PER_INCH, 2), round(height_px / y * POINTS_PER_INCH, 2)


def render_page(ref: PageRef, dpi: int, boxes: tuple[Box, ...] = ()) -> bytes:
    """The page as a PNG file, with ``boxes`` (points) drawn on it. Runs in a worker; raises like ``read_picture``."""
    from PIL import Image, ImageDraw

    pixels, width, height = read_picture(ref, dpi=dpi)
    picture = Image.fromarray(pixels)
    sx, sy = picture.width / width, picture.height / height
    draw = ImageDraw.Draw(picture, "RGBA")
    for b in boxes:
        xy = (b.x0 * sx - 3, b.y0 * sy - 3, b.x1 * sx + 3, b.y1 * sy + 3)
        draw.rectangle(xy, fill=(255, 200, 0, 60), outline=(220, 60, 0, 255), width=max(2, round(sx)))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
