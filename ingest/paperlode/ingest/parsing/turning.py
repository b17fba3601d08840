"""PDF pages that lie: how their text runs, and the page turned, with its rotation made part of its content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pymupdf

__all__ = ["lying", "remove_rotation", "turned_page"]


def lying(blocks: Sequence[dict[str, Any]]) -> int:
    """Clockwise degrees that bring most of the page's characters upright; 0 when most of them are.

    Args:
        blocks: ``page.get_text("dict")["blocks"]``. Vertical writing counts as upright.
    """
    votes: dict[int, int] = {}
    for b in blocks:
        for line in b.get("lines", ()):
            x, y = line["dir"] if not line.get("wmode") else (1.0, 0.0)
            # (1, 0) is upright, (0, -1) reads upwards, (0, 1) downwards, (-1, 0) is upside down; y runs down
            turn = 0 if x > 0.9 else 90 if y < -0.9 else 270 if y > 0.9 else 180 if x < -0.9 else 0
            votes[turn] = votes.get(turn, 0) + sum(len(s["text"]) for s in line["spans"])
    return max(votes, key=lambda t: votes[t], default=0)


def turned_page(page: pymupdf.Page, degrees: int) -> pymupdf.Page:
    """A copy of the page in a document of its own, turned clockwise, its rotation made part of the content."""
    import pymupdf

    copy = pymupdf.open()
    number = int(page.number or 0)
    copy.insert_pdf(page.parent, from_page=number, to_page=number)
    turned = copy[0]
    turned.set_rotation((turned.rotation + degrees) % 360)
    remove_rotation(turned)
    return turned


def remove_rotation(page: pymupdf.Page) -> None:
    """Makes the page's rotation part of its content; size and content stay as displayed.

    ``Page.remove_rotation`` alone loses the crop box and with it the place of everything on a cropped page.
    """
    import pymupdf

    if page.rotation:
        media, crop = page.mediabox, page.cropbox  # the crop box is given with y down from the media box's top
        page.set_mediabox(pymupdf.Rect(crop.x0, media.y1 - crop.y1, crop.x1, media.y1 - crop.y0) & media)
        page.remove_rotation()
