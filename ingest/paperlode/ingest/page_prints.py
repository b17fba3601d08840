"""What a page shows, as a hash: where two are equal, so are the pages. These functions run inside a worker process."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from paperlode.ingest.pages import POINTS_PER_INCH, PageRef, bookmarks_of, fresh_pdf, read_picture

if TYPE_CHECKING:
    import pymupdf

__all__ = ["PRINTS_AT_ONCE", "page_prints"]

VERSION = b"1"
PRINTS_AT_ONCE = 32
"""Pages of one call."""
MOST_PIXELS = 20_000_000
"""Of a rendered page; a larger one is looked at in less detail."""


def page_prints(ref: PageRef, stop: int) -> tuple[str, ...]:
    """The prints of the pages from ``ref.page`` to ``stop`` (exclusive), 32 hexadecimal digits each.

    Of a PDF page it is the picture in grey at 72 dpi, its size, its text (which may be invisible) and the bookmarks that lead to
    it: a file that was saved anew has the prints of before. 4 to 8 ms a page. Empty for a page that cannot be rendered: it
    equals no other.

    Raises:
        SourceEncrypted, SourceCorrupt, SourceEmpty, SourceUnreadable: the file cannot be opened.
    """
    if not ref.pdf:
        return tuple(_of_picture(PageRef(ref.path, n, pdf=False)) for n in range(ref.page, stop))
    with fresh_pdf(ref.path, ref.password) as doc:  # parsing changes the pages of the one that a worker keeps open
        return tuple(
            _of_page(doc, PageRef(ref.path, n, pdf=True, password=ref.password)) for n in range(ref.page, stop)
        )


def _of_page(doc: pymupdf.Document, ref: PageRef) -> str:
    import pymupdf

    try:
        page = doc[ref.page]
        width, height = page.rect.width, page.rect.height
        scale = min(1.0, (MOST_PIXELS / max(1.0, width * height)) ** 0.5)
        picture = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csGRAY, alpha=False)
        text = str(page.get_text("text"))
    except Exception:  # noqa: BLE001  MuPDF raises bare exceptions; the parser says what is wrong with the page
        return ""
    size = f"{width:.2f} {height:.2f} {page.rotation} {POINTS_PER_INCH}"
    return _hash(size, repr(bookmarks_of(ref)), text, picture.samples_mv)


def _of_picture(ref: PageRef) -> str:
    try:
        pixels, width, height = read_picture(ref, dpi=0)  # at its own resolution
    except Exception:  # noqa: BLE001  as above
        return ""
    return _hash(f"{pixels.shape} {width} {height}", pixels.tobytes())


def _hash(*parts: str | bytes | memoryview) -> str:
    made = hashlib.blake2b(VERSION, digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        made.update(len(data).to_bytes(8, "big"))
        made.update(data)
    return made.hexdigest()
