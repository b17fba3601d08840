"""For the STAND-INS that read: which sample page a picture shows, and which part of it a crop shows.

Nothing here knows how the parser cuts: a crop is found by its pixels alone. First it is held against the places where
something is known to stand, then searched for on whole pages at many scales. Turned crops are not found.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .sample_pages import SamplePage, Span

__all__ = ["Locator", "Spot", "likeness"]

_THUMB = (96, 128)
_LIKE_PAGE = 0.8  # correlation of thumbnails; another page of the same document has at most about 0.6
_SMALL = 12_000  # pixels in which a crop is first compared
_LIKE_CROP = 0.85  # correlation at the crop's own size; the same text moved by a stroke's width has about 0.5
_LIKE_WORD = 0.7
_INSIDE = 0.8  # of a word that must be in the crop to be read
_WHITE = 255
_UNSCALED = (200_000, 700_000)
"""Pixels between which a crop has its size on the page, with much room: all versions enlarge to at most 188 tokens of 28 by 28
pixels, and shrink to at least 1280."""

Gray = Any


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a crop lies: pixel (u, v) of the crop is (x0 + u / sx, y0 + v / sy) of the page's picture."""

    page: SamplePage
    x0: float
    y0: float
    sx: float
    sy: float
    crop: Gray
    shown: Gray
    """The page at this place, at the size of the crop."""

    def share(self, span: Span) -> float:
        """Share of a place that lies within the crop."""
        x0, y0, x1, y1 = self._to_crop(span)
        height, width = self.crop.shape
        inner = max(0.0, min(x1, width) - max(x0, 0.0)) * max(0.0, min(y1, height) - max(y0, 0.0))
        return float(inner / max(1e-6, (x1 - x0) * (y1 - y0)))

    def sees(self, span: Span) -> bool:
        """Whether the crop holds a place by most of its area, and shows there what the page shows."""
        if self.share(span) < _INSIDE:
            return False
        x0, y0, x1, y1 = self._to_crop(span)
        rows = slice(max(0, int(y0)), int(np.ceil(y1)))
        cols = slice(max(0, int(x0)), int(np.ceil(x1)))
        return likeness(self.crop[rows, cols], self.shown[rows, cols]) >= _LIKE_WORD

    def _to_crop(self, span: Span) -> Span:
        x0, y0, x1, y1 = span
        return (x0 - self.x0) * self.sx, (y0 - self.y0) * self.sy, (x1 - self.x0) * self.sx, (y1 - self.y0) * self.sy


def likeness(a: Gray, b: Gray, mask: Gray | None = None) -> float:
    """Correlation of two pictures of one size, -1 to 1, within the mask; 0 where one of them has no contrast."""
    x, y = a.astype(np.float32), b.astype(np.float32)
    if mask is not None:
        x, y = x[mask], y[mask]
    if not x.size:
        return 0.0
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / norm if norm > 1e-3 * x.size else 0.0


@dataclass(frozen=True, slots=True)
class _Place:
    """A place on a page where a crop may have been cut: whole pixels, and the outline within."""

    page: SamplePage
    box: tuple[int, int, int, int]
    quad: Any

    @property
    def aspect(self) -> float:
        return (self.box[2] - self.box[0]) / (self.box[3] - self.box[1])


class Locator:
    """Finds pictures among sample pages."""

    def __init__(self, pages: Sequence[SamplePage]) -> None:
        self.pages = tuple(pages)
        self.shown: deque[SamplePage] = deque(maxlen=10)
        """Pages that were looked at last: where a crop is searched for first."""
        self._thumbs = np.array([_thumb(p.picture) for p in pages])
        self._places = [place for p in pages for place in _places(p)]

    def page_of(self, picture: Gray) -> tuple[SamplePage | None, bool]:
        """The page that a whole picture shows, and whether it shows it upside down; None for no sample page."""
        found = []
        for upside_down in (False, True):
            like = self._thumbs @ _thumb(picture[::-1, ::-1] if upside_down else picture)
            best = int(np.argmax(like))
            found.append((float(like[best]), self.pages[best], upside_down))
        like, page, turned = max(found, key=lambda f: f[0])
        if like < _LIKE_PAGE:
            return None, False
        self.shown.appendleft(page)
        return page, turned

    def spot_of(self, crop: Gray) -> Spot | None:
        """Where a crop was cut; None when no page shows it, or it is upside down."""
        found = self._at_known_places(crop)
        if found is None and self._at_known_places(np.ascontiguousarray(crop[::-1, ::-1])) is None:
            found = self.search(crop)
        return found

    def _at_known_places(self, crop: Gray) -> Spot | None:
        height, width = crop.shape
        shrink = min(1.0, (_SMALL / (width * height)) ** 0.5)
        size = (max(8, round(width * shrink)), max(8, round(height * shrink)))
        small = _resized(crop, size)
        least = max(42, min(width, height))
        slack = 1.05 * least / (least - 28)  # sides are rounded up to the model's grid of 28 pixels
        near = [p for p in self._places if 1 / slack < p.aspect * height / width < slack]
        ahead = set(self.shown)
        for places in ([p for p in near if p.page in ahead], [p for p in near if p.page not in ahead]):
            ranked = sorted(((_compare(p, small), i) for i, p in enumerate(places)), key=lambda x: (-x[0], x[1]))
            for like, i in ranked[:3]:
                if like < _LIKE_CROP - 0.15:
                    break
                p = places[i]
                if _compare(p, crop) < _LIKE_CROP:
                    continue
                x0, y0, x1, y1 = p.box
                return _spot(p.page, x0, y0, width / (x1 - x0), height / (y1 - y0), crop=crop)
        return None

    def search(self, crop: Gray) -> Spot | None:
        """The place of a crop cut anywhere, at any scale from a half to twelve; takes up to half a second a page.

        Crops of a medium size are neither shrunk nor enlarged: see ``_UNSCALED``.
        """
        pixels = crop.shape[0] * crop.shape[1]
        scales = [
            s
            for s in (1.025**k for k in range(-28, 101))
            if (s < 1.08 or pixels < _UNSCALED[0]) and (s > 0.92 or pixels > _UNSCALED[1])
        ]
        for page in dict.fromkeys(self.shown) or self.pages:
            tried = sorted((_matched(page, crop, s) for s in scales), key=lambda m: -m[0])
            for _, x0, y0, scale in tried[:3]:
                spot = _refined(page, crop, x0, y0, scale)
                if spot is not None and likeness(spot.crop, spot.shown) >= _LIKE_CROP:
                    return spot
        return None


def _thumb(picture: Gray) -> Any:
    v = cv2.resize(picture, _THUMB, interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    v -= v.mean()
    return v / max(1e-6, float(np.linalg.norm(v)))


def _places(page: SamplePage) -> Iterator[_Place]:
    """Around each region, and around its ink: no thinner than 28 pixels, as the model wants its crops."""
    height, width = page.picture.shape
    for r in page.regions:
        for span in filter(None, (r.span, r.ink if r.latex else None)):
            x0, y0 = max(0, int(span[0])), max(0, int(span[1]))
            x1, y1 = min(width, int(np.ceil(span[2]))), min(height, int(np.ceil(span[3])))
            dx, dy = max(0, 28 - (x1 - x0)), max(0, 28 - (y1 - y0))
            x0, y0 = x0 - dx // 2, y0 - dy // 2
            yield _Place(page, (x0, y0, max(x1, x0 + 28), max(y1, y0 + 28)), r.quad)


def _compare(p: _Place, crop: Gray) -> float:
    height, width = crop.shape
    x0, y0, x1, y1 = p.box
    if width < 0.3 * (x1 - x0) and y1 - y0 > 200:  # a quarter of the pixels will do
        piece = _piece(p.page.quarter, *(round(v / 4) for v in p.box))
    else:
        piece = _piece(p.page.picture, *p.box)
    shown = _resized(piece, (width, height))
    if abs(p.quad[0, 1] - p.quad[1, 1]) < 1 > abs(p.quad[0, 0] - p.quad[3, 0]):
        return likeness(crop, shown)  # the outline is the box
    mask = np.zeros(crop.shape, np.uint8)
    corners = (p.quad - (x0, y0)) * (width / (x1 - x0), height / (y1 - y0))
    cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 1)
    return likeness(crop, shown, mask > 0)


def _piece(picture: Gray, x0: int, y0: int, x1: int, y1: int) -> Gray:
    """A part of the picture, white where it reaches beyond."""
    height, width = picture.shape
    piece = picture[max(0, y0) : y1, max(0, x0) : x1]
    if x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height:
        return piece
    around = (max(0, -y0), max(0, y1 - height), max(0, -x0), max(0, x1 - width))
    return cv2.copyMakeBorder(piece, *around, cv2.BORDER_CONSTANT, value=_WHITE)


def _resized(picture: Gray, size: tuple[int, int]) -> Gray:
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    smaller = size[0] * size[1] < picture.shape[0] * picture.shape[1]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def _spot(page: SamplePage, x0: float, y0: float, sx: float, sy: float, *, crop: Gray) -> Spot:
    matrix = np.array([[1 / sx, 0, x0 + 0.5 / sx - 0.5], [0, 1 / sy, y0 + 0.5 / sy - 0.5]])
    height, width = crop.shape
    if max(sx, sy) < 1:  # shrunk: as the mean of the pixels, and not of the nearest four
        x1, y1 = round(x0 + width / sx), round(y0 + height / sy)
        shown = _resized(_piece(page.picture, round(x0), round(y0), x1, y1), (width, height))
    else:
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        shown = cv2.warpAffine(page.picture, matrix, (width, height), flags=flags, borderValue=_WHITE)
    return Spot(page, x0, y0, sx, sy, crop, shown)


def _matched(page: SamplePage, crop: Gray, scale: float) -> tuple[float, float, float, float]:
    """How surely the crop was found at this scale, left and top in pixels of the page, and the scale.

    The same likeness of more pixels is worth more (Fisher's transformation): a few pixels are like something on every page.
    """
    height, width = crop.shape
    size = (round(width / scale / 4), round(height / scale / 4))
    tall, wide = page.quarter.shape
    if min(size) < 5 or size[0] > wide or size[1] > tall:
        return -1.0, 0.0, 0.0, scale
    found = cv2.matchTemplate(page.quarter, _resized(crop, size), cv2.TM_CCOEFF_NORMED)
    _, like, _, at = cv2.minMaxLoc(found)
    return float(np.arctanh(min(0.999, like)) * np.sqrt(size[0] * size[1])), at[0] * 4.0, at[1] * 4.0, scale


def _refined(page: SamplePage, crop: Gray, x0: float, y0: float, scale: float) -> Spot | None:
    """The place to the pixel, both scales on their own."""
    height, width = crop.shape
    half = min(1.0, (4 * _SMALL / (width * height)) ** 0.5)
    small = _resized(crop, (max(8, round(width * half)), max(8, round(height * half))))
    step = 1 / (scale * half)
    matrix = np.array([[step, 0, x0], [0, step, y0]], np.float32)
    rules = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 80, 1e-5)
    try:
        _, m = cv2.findTransformECC(small, page.picture, matrix, cv2.MOTION_AFFINE, rules, None, 5)
    except cv2.error:  # it did not converge: this is not the place
        return None
    dx, dy = (
        float(m[0, 0]),
        float(m[1, 1]),
    )  # pixels of the page in one of the small crop; middles of pixels are matched
    left, top = float(m[0, 2]) + 0.5 - dx / 2, float(m[1, 2]) + 0.5 - dy / 2
    return _spot(page, left, top, 1 / (dx * half), 1 / (dy * half), crop=crop)
