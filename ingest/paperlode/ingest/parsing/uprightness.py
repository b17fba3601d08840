"""Which way up is a page picture? Cheap for pages that stand: lines by morphology, up or down by a small classifier.

Only a page that seems to lie or to stand on its head, or that nothing can be said of, is read: some of its lines both
ways, and where that says nothing either, after text detection on a small copy. A page is turned on evidence only.
Figures: ``benchmarks/upright.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from paperlode.ingest.workers import worker_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

__all__ = ["Uprightness", "turn_of", "turned"]

_SIDE = 1000  # pixels of the reduced page: 9 point type is 10 pixels high on A4
_PAPER = 15  # pixels: the background is what stays when strokes are closed; wider than those of a heading
_DARKER = 32  # gray levels below the background
_LETTER_GAP, _WIDE_GAP = 9, 25  # pixels closed along a line; the second where letters or words stand far apart
_LEAST_HEIGHT, _MOST_HEIGHT = 5, 40  # pixels of a line of print
_LEAST_ASPECT = 4  # a line is that much longer than high
_LEAST_FILL = 0.35  # of its box: a frame or a diagonal fills less
_LINES, _READ = 8, 4  # classified and read a page: the longest
_ASPECT = 6.0  # of a crop: the classifier sees 4 (48 by 192 pixels), squeezed a little
_SURE = 0.2  # mean probability of upside down below which a page stands
_LITTLE_INK = 0.001  # of the reduced page: less is no writing
_DETECTED_SIDE = 960  # pixels of the copy for text detection
_TURN = 1.25  # the better reading over the other, for a page to be turned
_READABLE = 0.6  # mean confidence of what is read, for a page to be turned
_LETTERS = 6  # likewise


@dataclass(frozen=True, slots=True)
class Uprightness:
    """``turn``: clockwise degrees that bring the text upright (0, 90, 180, 270). ``by``: what it rests on.

    ``blank``, ``lines`` (the classifier, nothing read), ``reading``, ``detection``, or ``unknown`` (then ``turn`` is 0).
    """

    turn: int
    by: str


def turned(picture: Picture, degrees: int) -> Picture:
    """The picture turned clockwise by a multiple of 90 degrees."""
    import numpy as np

    return np.ascontiguousarray(np.rot90(picture, k=-(degrees // 90))) if degrees % 360 else picture


def turn_of(picture: Picture) -> Uprightness:
    """How an RGB picture (h, w, 3) of a page must be turned."""
    dark, scale = _dark(picture)
    if float(dark.mean()) < _LITTLE_INK:
        return Uprightness(0, "blank")
    lying, crops = _lines(picture, dark, scale)
    if crops and not lying and _upside_down(crops) < _SURE:
        return Uprightness(0, "lines")
    if crops and (turn := _by_reading(crops[:_READ], lying=lying)) is not None:
        return Uprightness(turn, "reading")
    lying, crops = _detected(picture)
    if crops and (turn := _by_reading(crops, lying=lying)) is not None:
        return Uprightness(turn, "detection")
    return Uprightness(0, "unknown")


def _dark(picture: Picture) -> tuple[NDArray[np.uint8], float]:
    """1 where the reduced page is clearly darker than its paper (lighter, on dark paper), and its scale."""
    import cv2
    import numpy as np

    height, width = picture.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    gray = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    if np.median(gray) < 128:
        gray = 255 - gray
    paper = cv2.morphologyEx(gray, cv2.MORPH_CLOSE, np.ones((_PAPER, _PAPER), np.uint8))
    return (cv2.subtract(paper, gray) > _DARKER).astype(np.uint8), scale


def _lines(picture: Picture, dark: NDArray[np.uint8], scale: float) -> tuple[bool, list[Picture]]:
    """Whether more lines of print run down than across, and the longest of them as crops, turned left if they do."""
    import numpy as np

    for gap in (_LETTER_GAP, _WIDE_GAP):
        across = _line_boxes(dark, gap)
        down = _line_boxes(np.ascontiguousarray(dark.T), gap)
        lying = int(down[:, 2].sum()) > int(across[:, 2].sum())
        found = down if lying else across
        if len(found):
            break
    longest = found[np.argsort(-found[:, 2], kind="stable")][:_LINES]
    out: list[Picture] = []
    for x, y, w, h in longest:
        along, over = ((int(v / scale) for v in (a - 2, a + n + 2)) for a, n in ((x, w), (y, h)))
        a0, a1 = along
        o0, o1 = over
        a0, o0 = max(0, a0), max(0, o0)
        a1 = min(a1, a0 + round(_ASPECT * (o1 - o0)))
        piece = np.rot90(picture[a0:a1, o0:o1]) if lying else picture[o0:o1, a0:a1]
        out.append(np.ascontiguousarray(piece))
    return lying, [c for c in out if min(c.shape[:2]) > 2]


def _line_boxes(dark: NDArray[np.uint8], gap: int) -> NDArray[np.int32]:
    """x, y, width, height of what looks like a line of print running along x: shape (n, 4)."""
    import cv2
    import numpy as np

    wide = cv2.copyMakeBorder(dark, 0, 0, gap, gap, cv2.BORDER_CONSTANT)
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, np.ones((1, gap), np.uint8))[:, gap:-gap]
    stats = cv2.connectedComponentsWithStats(np.ascontiguousarray(closed), connectivity=4)[2][1:]
    w, h, area = stats[:, 2], stats[:, 3], stats[:, 4]
    keep = (h >= _LEAST_HEIGHT) & (h <= _MOST_HEIGHT) & (w >= _LEAST_ASPECT * h) & (area > _LEAST_FILL * w * h)
    return np.asarray(stats[keep][:, :4], np.int32)


@lru_cache(maxsize=1)
def _classifier() -> Any:
    """RapidOCR's classifier of line direction (0.6 MB, in its wheel); its other models are not loaded."""
    import logging

    from rapidocr import RapidOCR

    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    return RapidOCR(
        params={
            "Global.use_det": False,
            "Global.use_rec": False,
            "Global.use_preprocess_img": False,
            "Global.log_level": "error",
            "EngineConfig.onnxruntime.intra_op_num_threads": worker_threads(),
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "EngineConfig.onnxruntime.enable_cpu_mem_arena": False,
        }
    )


def _upside_down(crops: Sequence[Picture]) -> float:
    """Mean probability that lines stand on their head, 0 to 1."""
    total = 0.0
    for crop in crops:
        found = _classifier()(crop, use_det=False, use_cls=True, use_rec=False)
        ((label, score),) = found.cls_res
        total += float(score) if str(label) == "180" else 1.0 - float(score)
    return total / len(crops)


def _by_reading(crops: Sequence[Picture], *, lying: bool) -> int | None:
    """The turn, from crops (turned left where the page lies) read both ways; None where neither way is read well."""
    import numpy as np

    from paperlode.ingest.parsing import ocr

    scores: list[float] = []
    readable: list[bool] = []
    for pieces in (crops, [np.ascontiguousarray(c[::-1, ::-1]) for c in crops]):
        read = [(r.confidence, len(r.text.strip())) for r in ocr.recognise(pieces)]
        letters = sum(n for _, n in read)
        scores.append(sum(c * n for c, n in read))
        readable.append(letters >= _LETTERS and scores[-1] >= _READABLE * letters)
    better = int(scores[1] > scores[0])
    if not readable[better] or scores[better] < _TURN * scores[1 - better]:
        return None
    return ((270, 90) if lying else (0, 180))[better]


def _detected(picture: Picture) -> tuple[bool, list[Picture]]:
    """As ``_lines``, by text detection: also for handwriting and print on pictures."""
    import cv2
    import numpy as np

    from paperlode.ingest.parsing import ocr

    scale = min(1.0, _DETECTED_SIDE / max(picture.shape[:2]))
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
    quads = ocr.detect(np.asarray(small, np.uint8)) / np.float32(scale)
    if not len(quads):
        return False, []
    w = np.linalg.norm(quads[:, 1] - quads[:, 0], axis=1)
    h = np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1)
    lying = float(h[h > 1.5 * w].sum()) > float(w[w >= h].sum())
    longest = [i for i in np.argsort(-np.maximum(w, h), kind="stable") if (h[i] > 1.5 * w[i]) == lying][:_LINES]
    return lying, [ocr.crop(picture, quads[i]) for i in longest]
