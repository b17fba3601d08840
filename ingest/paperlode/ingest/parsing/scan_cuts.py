"""Found text lines cut where they run over two columns: at upright ruled lines, and at wide gaps without ink."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from paperlode.ingest.parsing import ocr

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.document import Box

__all__ = ["cut_lines"]

_GAP = 0.8  # line heights without ink that part two columns; a blank is a third of one
_EDGE = 0.15  # of a line's height, top and bottom: what the neighbours reach into
_SPECK = 0.04  # share of a pixel column that may be dark in a gap
_CONTRAST = 40  # grey levels between ink and paper, or there is nothing to be told
_LEVEL = 0.1  # slope of a line up to which its box is its quadrilateral
_INSIDE = 1.0  # line heights from its ends at which a ruled line may cut a text line


def cut_lines(picture: NDArray[np.uint8], quads: NDArray[np.float32], rules: Sequence[Box]) -> NDArray[np.float32]:
    """The quadrilaterals, those of level lines cut into one a column.

    Args:
        picture: RGB, upright.
        quads: text lines in its pixels, shape (n, 4, 2), clockwise from top left.
        rules: ruled lines in its pixels; only the upright ones cut.
    """
    import numpy as np

    upright = [r for r in rules if r.height > r.width]
    out: list[NDArray[np.float32]] = []
    for quad in quads:
        out += _parts(quad, _cuts(picture, quad, upright))
    return np.stack(out).astype(np.float32) if out else quads


def _cuts(picture: NDArray[np.uint8], quad: NDArray[np.float32], upright: Sequence[Box]) -> list[tuple[float, float]]:
    """Stretches to leave out, as shares of the line's length from its left end."""
    import numpy as np

    (x0, y0), (x1, y1) = quad[0], quad[1]
    length, tall = float(np.linalg.norm(quad[1] - quad[0])), float(np.linalg.norm(quad[3] - quad[0]))
    if length < 3 * tall or abs(y1 - y0) > _LEVEL * length or x1 <= x0:
        return []
    top, bottom = float(quad[:, 1].min()), float(quad[:, 1].max())
    middle = (top + bottom) / 2
    found = [
        ((r.x0 - x0) / length, (r.x1 - x0) / length)
        for r in upright
        if r.y0 <= middle - 0.4 * tall
        and r.y1 >= middle + 0.4 * tall
        and x0 + _INSIDE * tall < r.x0
        and r.x1 < x1 - _INSIDE * tall
    ]
    crop = ocr.crop(picture, quad)
    if crop.shape[0] <= crop.shape[1]:
        found += _gaps(crop)
    return sorted((float(a), float(b)) for a, b in found)


def _gaps(crop: NDArray[np.uint8]) -> list[tuple[float, float]]:
    """Wide runs of pixel columns without ink between inked ones, as shares of the crop's width."""
    import cv2
    import numpy as np

    gray = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    edge = round(_EDGE * gray.shape[0])
    gray = cv2.medianBlur(np.ascontiguousarray(gray[edge : gray.shape[0] - edge]), 3)
    _, dark = cv2.threshold(gray, 0, 1, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)
    if 2 * int(dark.sum()) > dark.size:
        dark = 1 - dark
    ink = dark.astype(bool)
    if not ink.any() or abs(float(gray[ink].mean()) - float(gray[~ink].mean())) < _CONTRAST:
        return []
    inked = np.flatnonzero(ink.sum(axis=0) > _SPECK * ink.shape[0])
    width = crop.shape[1]
    return [((a + 1) / width, b / width) for a, b in pairwise(inked.tolist()) if b - a > _GAP * crop.shape[0]]


def _parts(quad: NDArray[np.float32], cuts: Sequence[tuple[float, float]]) -> list[NDArray[np.float32]]:
    """What is left of the quadrilateral, with a little of each gap on both sides."""
    import numpy as np

    if not cuts:
        return [quad]
    tall = float(np.linalg.norm(quad[3] - quad[0])) / max(float(np.linalg.norm(quad[1] - quad[0])), 1.0)
    ends = [0.0]
    for a, b in cuts:
        margin = min(0.25 * tall, (b - a) / 3)
        ends += [a + margin, b - margin]
    ends.append(1.0)
    out: list[NDArray[np.float32]] = []
    for a, b in zip(ends[::2], ends[1::2], strict=True):
        if b - a < 0.2 * tall:
            continue
        top, bottom = quad[1] - quad[0], quad[2] - quad[3]
        out.append(np.stack([quad[0] + a * top, quad[0] + b * top, quad[3] + b * bottom, quad[3] + a * bottom]))
    return out or [quad]
