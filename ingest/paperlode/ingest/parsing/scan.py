"""A page without a text layer: turned upright, deskewed, read, and given a text layer that the layout engine reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import Box
from paperlode.ingest.parsing import ocr
from paperlode.ingest.parsing.engine import read_layout
from paperlode.ingest.parsing.geometry import Affine, map_blocks
from paperlode.ingest.parsing.lines import clean, is_cjk
from paperlode.ingest.parsing.scan_cuts import cut_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pymupdf
    from numpy.typing import NDArray

    from paperlode.ingest.document import Block

__all__ = ["ScanLine", "ScanResult", "read_scan", "upright"]

_UNREADABLE = 0.3
_SMALLEST_SKEW = 0.15  # degrees: less moves the end of a 2000 pixel line by five pixels
_LARGEST_SKEW = 20.0
_PAD = 0.15  # line heights of paper that the detector leaves left and right of the ink
_PROBES = 8  # lines read both ways to tell up from down
_ENOUGH = 3  # of them, where one way is twice as sure by then
_SURE = 2.0


@dataclass(frozen=True, slots=True)
class ScanLine:
    """A recognised line: its box in points of the upright page."""

    text: str
    box: Box
    confidence: float


@dataclass(frozen=True, slots=True)
class ScanResult:
    """Blocks in points of the page as displayed, and what was done to the picture to get them."""

    blocks: tuple[Block, ...]
    rotation: int
    skew: float
    unreadable: int


def read_scan(picture: NDArray[np.uint8], width: float, height: float, index: int) -> ScanResult:
    """Reads an RGB picture of a page of ``width`` by ``height`` points."""
    probes = _Probes()
    straight, quads, to_straight, rotation, skew = upright(picture, probes)
    scale = width / picture.shape[1]
    rules = _rules(straight)
    lines, unreadable = _read(straight, cut_lines(straight, quads, rules), scale, probes)
    if not lines:
        return ScanResult((), rotation, skew, unreadable)
    page = _text_layer(lines, rules, straight.shape[1] * scale, straight.shape[0] * scale, scale)
    blocks = read_layout(page, index, confidence=_Confidences(lines))
    back = Affine.scale(1 / scale, 1 / scale).then(to_straight.inverse())
    back = back.then(Affine.scale(scale, height / picture.shape[0]))
    return ScanResult(map_blocks(blocks, back.box, width, height), rotation, skew, unreadable)


def upright(
    picture: NDArray[np.uint8], probes: _Probes | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.float32], Affine, int, float]:
    """The picture turned so that its text runs left to right and level.

    Args:
        picture: RGB.
        probes: takes what was read on the way.

    Returns:
        The picture, its text lines (see ``ocr.detect``), the map from old to new pixels, the clockwise turn in
        degrees (0, 90, 180, 270) and the skew removed after it, in degrees clockwise.
    """
    import numpy as np

    quads = ocr.detect(picture)
    height, width = picture.shape[:2]
    if len(quads) == 0:
        return picture, quads, Affine.quarter_turn(0, width, height), 0, 0.0
    rotation = _turn(picture, quads, probes or _Probes())
    turned = np.ascontiguousarray(np.rot90(picture, k=-rotation // 90))
    move = Affine.quarter_turn(rotation, width, height)
    quads = _moved(quads, move)
    skew = _skew(quads)
    if abs(skew) >= _SMALLEST_SKEW:
        turned, level = _level(turned, skew)
        move = move.then(level)
    else:
        skew = 0.0
    if rotation or skew:
        quads = ocr.detect(turned)
    return turned, quads, move, rotation, round(skew, 2)


def _turn(picture: NDArray[np.uint8], quads: NDArray[np.float32], probes: _Probes) -> int:
    """Clockwise degrees to upright: the longest lines are read both ways, the surer way wins.

    ``ocr.crop`` turns tall crops left by 90 degrees, so on a page lying on its side the crops read as they would after
    a left turn (270 degrees clockwise).
    """
    import numpy as np

    w = np.linalg.norm(quads[:, 1] - quads[:, 0], axis=1)
    h = np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1)
    lying = float(h[h > 1.5 * w].sum()) > float(w[w >= h].sum())
    chosen = [i for i in np.argsort(-np.maximum(w, h), kind="stable") if (h[i] > 1.5 * w[i]) == lying][:_PROBES]
    as_is = flipped = 0.0
    for n, i in enumerate(chosen, 1):
        crop = ocr.crop(picture, quads[i])
        straight, over = ocr.recognise([crop, np.ascontiguousarray(crop[::-1, ::-1])])
        probes.keep(crop, straight)
        as_is += straight.confidence * len(straight.text)
        flipped += over.confidence * len(over.text)
        if n >= _ENOUGH and max(as_is, flipped) > _SURE * min(as_is, flipped):
            break
    turned = flipped > 1.1 * as_is
    if lying:
        return 90 if turned else 270
    return 180 if turned else 0


class _Probes:
    """Lines read to tell up from down: those of a page that stands upright are not read again."""

    def __init__(self) -> None:
        self._known: list[tuple[NDArray[np.uint8], ocr.Reading]] = []

    def keep(self, crop: NDArray[np.uint8], reading: ocr.Reading) -> None:
        """Takes a line's picture, and what it says."""
        self._known.append((crop, reading))

    def recognise(self, crops: Sequence[NDArray[np.uint8]]) -> list[ocr.Reading]:
        """``ocr.recognise``, but for the pictures that were read before."""
        import numpy as np

        known = [next((r for k, r in self._known if k.shape == c.shape and np.array_equal(k, c)), None) for c in crops]
        rest = iter(ocr.recognise([c for c, r in zip(crops, known, strict=True) if r is None]))
        return [r if r is not None else next(rest) for r in known]


def _moved(quads: NDArray[np.float32], move: Affine) -> NDArray[np.float32]:
    """Quads after a quarter turn, their corners again clockwise from top left."""
    import numpy as np

    x, y = quads[..., 0], quads[..., 1]
    out = np.stack([move.a * x + move.b * y + move.c, move.d * x + move.e * y + move.f], axis=-1)
    first = np.argmin(out[..., 0] + out[..., 1], axis=1)
    return np.stack([np.roll(q, -int(f), axis=0) for q, f in zip(out, first, strict=True)]).astype(np.float32)


def _skew(quads: NDArray[np.float32]) -> float:
    """Median slope in degrees (clockwise positive, y runs down) of the lines, each weighing its length."""
    import numpy as np

    across = quads[:, 1] - quads[:, 0]
    length = np.linalg.norm(across, axis=1)
    tall = np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1)
    wide = length > 5 * tall
    if wide.sum() < 3:
        return 0.0
    angles = np.degrees(np.arctan2(across[wide, 1], across[wide, 0]))
    order = np.argsort(angles, kind="stable")
    weight = np.cumsum(length[wide][order])
    angle = float(angles[order][np.searchsorted(weight, weight[-1] / 2)])
    return angle if abs(angle) <= _LARGEST_SKEW else 0.0


def _level(picture: NDArray[np.uint8], degrees: float) -> tuple[NDArray[np.uint8], Affine]:
    """The picture turned back by ``degrees`` about its centre, on a canvas that holds all of it."""
    import cv2
    import numpy as np

    h, w = picture.shape[:2]
    m = cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1.0)
    cos, sin = abs(m[0, 0]), abs(m[0, 1])
    new_w, new_h = int(h * sin + w * cos) + 1, int(h * cos + w * sin) + 1
    m[0, 2] += (new_w - w) / 2
    m[1, 2] += (new_h - h) / 2
    paper = tuple(int(v) for v in np.percentile(picture.reshape(-1, 3)[::97], 90, axis=0))
    out = cv2.warpAffine(picture, m, (new_w, new_h), flags=cv2.INTER_CUBIC, borderValue=paper)
    return np.asarray(out, dtype=np.uint8), Affine(*(float(v) for v in m.reshape(-1)))


def _read(
    picture: NDArray[np.uint8], quads: NDArray[np.float32], scale: float, probes: _Probes
) -> tuple[list[ScanLine], int]:
    readings = probes.recognise([ocr.crop(picture, q) for q in quads])
    lines: list[ScanLine] = []
    unreadable = 0
    for quad, r in zip(quads, readings, strict=True):
        text = clean(r.text)
        if not text or r.confidence < _UNREADABLE:
            unreadable += bool(text)
            continue
        xs, ys = quad[:, 0] * scale, quad[:, 1] * scale
        lines.append(
            ScanLine(text, Box(float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max())), r.confidence)
        )
    return lines, unreadable


def _rules(picture: NDArray[np.uint8]) -> list[Box]:
    """Long horizontal and vertical ruled lines, in pixels, by morphological opening."""
    import cv2

    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    dark = cv2.adaptiveThreshold(gray, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 25, 12)
    out: list[Box] = []
    length = max(40, picture.shape[1] // 25)
    for shape in ((length, 1), (1, length)):
        opened = cv2.morphologyEx(dark, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_RECT, shape))
        contours, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        for c in contours:
            x, y, w, h = cv2.boundingRect(c)
            if min(w, h) <= 12:
                out.append(Box(x, y, x + w, y + h))
    return out[:2000]


def _text_layer(
    lines: Sequence[ScanLine], rules: Sequence[Box], width: float, height: float, scale: float
) -> pymupdf.Page:
    """A fresh page with each line written into its box, stretched to its width, and the rules drawn."""
    import pymupdf

    doc = pymupdf.open()
    page = doc.new_page(width=width, height=height)
    usual = sorted(ln.box.height for ln in lines)[len(lines) // 2]
    latin: Any = pymupdf.Font("helv")
    wide: Any = pymupdf.Font("cjk")
    for ln in lines:
        font = latin if all(ord(c) < 0x250 and latin.has_glyph(ord(c)) for c in ln.text) else wide
        tall = usual if 0.8 * usual < ln.box.height < 1.25 * usual else ln.box.height
        size = max(2.0, tall * (0.9 if any(map(is_cjk, ln.text)) else 0.8))
        length = font.text_length(ln.text, fontsize=size)
        if length <= 0:
            continue
        pad = min(_PAD * ln.box.height, 0.15 * ln.box.width)
        origin = pymupdf.Point(ln.box.x0 + pad, (ln.box.y0 + ln.box.y1) / 2 + 0.34 * size)
        writer: Any = pymupdf.TextWriter(page.rect)
        writer.append(origin, ln.text, font=font, fontsize=size)
        writer.write_text(page, morph=(origin, pymupdf.Matrix((ln.box.width - 2 * pad) / length, 1)))
    if rules:
        shape = page.new_shape()
        for r in rules:
            x0, y0, x1, y1 = (v * scale for v in r)
            flat = r.width >= r.height
            a = (x0, (y0 + y1) / 2) if flat else ((x0 + x1) / 2, y0)
            b = (x1, (y0 + y1) / 2) if flat else ((x0 + x1) / 2, y1)
            shape.draw_line(a, b)
        shape.finish(width=0.7)
        shape.commit()
    return page


class _Confidences:
    """The confidence of what stands in a box: the mean over the recognised lines that it overlaps, by area."""

    def __init__(self, lines: Sequence[ScanLine]) -> None:
        self._lines = lines

    def __call__(self, box: Box) -> float | None:
        shares = [(ln.box.overlap(box), ln.confidence) for ln in self._lines]
        total = sum(s for s, _ in shares)
        return round(sum(s * c for s, c in shares) / total, 3) if total else None
