"""From a page's picture to the crops that the recognition model reads.

Pictures are RGB arrays (h, w, 3) of uint8. Crops are resized here and not by the server, so that every server sees the
same pixels: sides are multiples of 28 and the area is within the model's budget, which servers leave as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paperlode.ingest.errors import InvalidRequest
from paperlode.ingest.vllm.values import Crop, Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.parsing.layout import Region

__all__ = [
    "BLANK",
    "BUDGETS",
    "SPOTTING",
    "Budget",
    "budget_for",
    "crop_of",
    "cut",
    "decode",
    "encode",
    "figures_inside",
    "grid_size",
    "hide_figures",
    "ink",
    "make_crop",
    "pad",
    "row_bands",
    "strokes",
    "trim",
    "without_colour",
]

GRID = 28  # pixels: patches of 14, merged 2 by 2 (the models' preprocessor_config.json)
_LONGEST = 200  # long side over short side: the models' image processor raises an error above it
_INK = 200  # gray, after stretching to 0 to 255: margins of formulas are lighter (PaddleX crop_margin)
_LEAST_TRIMMED = 2  # pixels: a smaller rest is a speck, not a formula
_DOUBLED = (
    1500  # pixels: pages for spotting with both sides below are doubled (the spotting sample of 1.5's model card)
)
_LEAST_FIGURE = 25  # pixels: smaller pictures in a table are characters or marks
_DARKER = 0.8  # of the background: print seen through the paper is lighter (about 0.85), light gray print darker (0.7)
_CONTRAST = 32  # gray levels that ink is darker at least: on dark paper a fifth is within the noise of a scan
_BACKGROUND = 31  # pixels: wider than the strokes of a heading at 200 dpi, narrower than a shaded cell
_RULE = 0.6  # of a row or column that is dark: a ruling line, and no text
_GAP = 0.002  # of a row that may be dark where a table is cut: dust
_JPEG_QUALITY = 95  # no visible blocks at the edges of characters
_PNG_EFFORT = 1  # 0 to 9: level 6 takes five times as long and saves a tenth


@dataclass(frozen=True, slots=True)
class Budget:
    """The least and the most pixels of a crop after resizing. ``most`` must leave room for rounding to the grid.

    Raises:
        InvalidRequest: the bounds cross, or are so close that some pictures cannot be fitted.
    """

    least: int
    most: int

    def __post_init__(self) -> None:
        if self.least <= 0 or self.most < max(4 * self.least, GRID * GRID * _LONGEST):
            raise InvalidRequest(
                f"No crop fits between {self.least} and {self.most} pixels.",
                hint=f"Let the most be at least four times the least, and {GRID * GRID * _LONGEST}.",
            )


BLANK = 0.0005
"""Share of ink below which a crop holds nothing to read: a single full stop in a text box is about 0.001."""

BUDGETS = {"1.0": Budget(147_384, 2_822_400), "1.5": Budget(112_896, 1_003_520), "1.6": Budget(112_896, 1_003_520)}
"""By version of PaddleOCR-VL: ``min_pixels`` and ``max_pixels`` of its preprocessor_config.json (188 to 3600 tokens,
144 to 1280). PaddleX sends the second pair for all versions."""

SPOTTING = Budget(112_896, 1_605_632)
"""For ``Task.SPOTTING``, 1.5 and later (144 to 2048 tokens)."""


def budget_for(version: str, task: Task = Task.OCR) -> Budget:
    """The budget of a version ("1.0", "1.5", "1.6") for a task; a version not known here gets that of the newest."""
    if task is Task.SPOTTING:
        return SPOTTING
    return BUDGETS.get(version, BUDGETS["1.6"])


def make_crop(
    picture: NDArray[np.uint8],
    region: Region,
    task: Task,
    *,
    budget: Budget,
    media_type: str = "image/png",
    name: str = "",
) -> Crop:
    """The region of the page's picture, ready to be sent: ``cut``, then ``crop_of``."""
    return crop_of(cut(picture, region), task, budget=budget, media_type=media_type, name=name)


def crop_of(
    piece: NDArray[np.uint8], task: Task, *, budget: Budget, media_type: str = "image/png", name: str = ""
) -> Crop:
    """Any picture, ready to be sent: formulas trimmed, padded where too thin, resized to the grid, encoded.

    A picture without colour is sent as gray: servers make it RGB again, and it is a third of the work.

    Raises:
        InvalidRequest: an empty picture, or a media type other than PNG and JPEG.
    """
    import numpy as np
    from PIL import Image

    if task is Task.FORMULA:
        piece = trim(piece)
    piece = pad(without_colour(piece))
    height, width = piece.shape[:2]
    resample = Image.Resampling.BICUBIC  # as the models' own image processor
    if task is Task.SPOTTING and max(width, height) < _DOUBLED:
        size, resample = grid_size(2 * width, 2 * height, budget), Image.Resampling.LANCZOS
    else:
        size = grid_size(width, height, budget)
    if size != (width, height):
        piece = np.asarray(Image.fromarray(piece).resize(size, resample))
    return Crop(encode(piece, media_type), media_type, size[0], size[1], task, name)


def cut(picture: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    """The region's box out of the picture, what is outside its outline painted white; at least one pixel."""
    height, width = picture.shape[:2]
    x0, y0 = (min(max(math.floor(v), 0), side - 1) for v, side in zip(region.box[:2], (width, height), strict=True))
    x1 = min(max(math.ceil(region.box.x1), x0 + 1), width)
    y1 = min(max(math.ceil(region.box.y1), y0 + 1), height)
    piece = picture[y0:y1, x0:x1]
    return _inside(piece, region, x0, y0) if len(region.polygon) > 2 else piece


def _inside(piece: NDArray[np.uint8], region: Region, x0: int, y0: int) -> NDArray[np.uint8]:
    import cv2
    import numpy as np

    mask = np.zeros(piece.shape[:2], np.uint8)
    points = np.round(np.array(region.polygon, np.float64) - (x0, y0))
    cv2.fillPoly(mask, [points.astype(np.int32)], 1)
    if mask.all() or not mask.any():
        return piece
    return np.where(mask[..., None] == 1, piece, np.uint8(255))


def trim(piece: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The piece without its empty margins: what is darker than gray 200 of 255 after stretching, and all within.

    Left as it is when there is no contrast, or when no more than 2 pixels of a side would remain.
    """
    import numpy as np

    gray = _gray(piece).astype(np.float32)
    low, high = float(gray.min()), float(gray.max())
    if low == high:
        return piece
    dark = (gray - low) / (high - low) * 255 < _INK
    rows, cols = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    inner = piece[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    return inner if min(inner.shape[:2]) > _LEAST_TRIMMED else piece


def pad(piece: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """White around the piece until each side has 28 pixels and the long side is at most 200 times the short.

    Thinner pictures have ended servers (PaddleOCR#17378).
    """
    import numpy as np

    height, width = piece.shape[:2]
    if not piece.size:
        raise InvalidRequest("An empty picture cannot be read.", hint="Check the region's box.")
    tall = max(height, GRID, math.ceil(width / _LONGEST))
    wide = max(width, GRID, math.ceil(height / _LONGEST))
    if (tall, wide) == (height, width):
        return piece
    out = np.full((tall, wide, *piece.shape[2:]), 255, np.uint8)
    top, left = (tall - height) // 2, (wide - width) // 2
    out[top : top + height, left : left + width] = piece
    return out


def grid_size(width: int, height: int, budget: Budget) -> tuple[int, int]:
    """Width and height on the grid of 28 pixels, closest in form to those given, within the budget.

    The rule is the models' own (``smart_resize``): rounded to the grid, and when that is out of the budget scaled to its
    bound and rounded into it. A size that it gives is given back unchanged.
    """
    tall, wide = (max(GRID, round(side / GRID) * GRID) for side in (height, width))
    if tall * wide > budget.most:
        scale = math.sqrt(height * width / budget.most)
        tall, wide = (max(GRID, math.floor(side / scale / GRID) * GRID) for side in (height, width))
    elif tall * wide < budget.least:
        scale = math.sqrt(budget.least / (height * width))
        tall, wide = (math.ceil(side * scale / GRID) * GRID for side in (height, width))
    return wide, tall


def encode(piece: NDArray[np.uint8], media_type: str) -> bytes:
    """The picture, (h, w, 3) RGB or (h, w) gray, as PNG or JPEG.

    PNG rows are written as differences to the row above, in runs: half the time of zlib's default, at the same size.

    Raises:
        InvalidRequest: another media type.
    """
    import cv2

    png = [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    if (kind := getattr(cv2, "IMWRITE_PNG_FILTER", None)) is not None:  # OpenCV 4.12 and later
        png += [kind, cv2.IMWRITE_PNG_FILTER_UP]
    ways = {
        "image/png": (".png", png),
        "image/jpeg": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]),
    }
    if media_type not in ways:
        raise InvalidRequest(f"Crops cannot be sent as {media_type!r}.", hint="Use image/png or image/jpeg.")
    ending, options = ways[media_type]
    data: bytes = cv2.imencode(ending, piece[..., ::-1] if piece.ndim == 3 else piece, options)[1].tobytes()
    return data


def decode(data: bytes) -> NDArray[np.uint8]:
    """The picture that ``encode`` made, (h, w, 3) RGB or (h, w) gray."""
    import cv2
    import numpy as np

    piece = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert piece is not None
    return np.asarray(piece[..., ::-1] if piece.ndim == 3 else piece, np.uint8)


def hide_figures(
    picture: NDArray[np.uint8], table: Region, figures: Sequence[Region]
) -> tuple[NDArray[np.uint8], tuple[tuple[str, Region], ...]]:
    """The page's picture with the figures inside a table replaced by a word that the model reads back in its cell.

    Figures under 25 pixels, or not wholly inside, are left.

    Returns:
        A copy of the picture, and for each figure replaced its token ``[F<n>]`` and region.
    """
    named = figures_inside(table, figures)
    out = picture.copy()
    for token, figure in named:
        _write(out, figure, token)
    return out, named


def figures_inside(table: Region, figures: Sequence[Region]) -> tuple[tuple[str, Region], ...]:
    """The figures that ``hide_figures`` replaces, each with its token."""
    inside = [f for f in figures if _fits(f, table)]
    return tuple(zip(_tokens(len(inside)), inside, strict=True))


def _fits(figure: Region, table: Region) -> bool:
    a, b = figure.box, table.box
    within = a.x0 >= b.x0 and a.y0 >= b.y0 and a.x1 <= b.x1 and a.y1 <= b.y1
    return within and min(a.width, a.height) >= _LEAST_FIGURE


def _tokens(count: int) -> list[str]:
    """Numbers without 0, 1 and 9, which are taken for O, l and g."""
    out: list[str] = []
    number = 2
    while len(out) < count:
        if not set(str(number)) & set("019"):
            out.append(f"[F{number}]")
        number += 1
    return out


def _write(picture: NDArray[np.uint8], figure: Region, token: str) -> None:
    import cv2

    x0, y0, x1, y1 = (round(v) for v in figure.box)
    picture[max(y0, 0) : y1, max(x0, 0) : x1] = 255
    font = cv2.FONT_HERSHEY_SIMPLEX
    (wide, tall), _ = cv2.getTextSize(token, font, 1.0, 2)
    scale = min(0.9 * (x1 - x0) / wide, 0.9 * (y1 - y0) / tall, 2.0)
    at = (round((x0 + x1 - wide * scale) / 2), round((y0 + y1 + tall * scale) / 2))
    cv2.putText(picture, token, at, font, scale, (0, 0, 0), max(1, round(2 * scale)), cv2.LINE_AA)


def ink(piece: NDArray[np.uint8]) -> float:
    """Share of pixels that are clearly darker than the background around them, 0 to 1.

    The background is what stays when strokes are closed (dilated, then eroded), so shaded paper, dark cells and the
    fold of a book are no ink. White print on dark counts by the dark between its strokes. A crop under ``BLANK`` is not
    worth sending: the model invents text for it (PaddleOCR#17214).
    """
    import numpy as np

    return float(np.count_nonzero(strokes(piece)) / max(1, piece.shape[0] * piece.shape[1]))


def row_bands(piece: NDArray[np.uint8], parts: int) -> list[tuple[int, int]]:
    """A table's picture as at most ``parts`` bands of rows, each (top, bottom) in pixels, together all of it.

    Cuts are made near equal heights, through ruling lines if there are any, else through the middle of white gaps;
    vertical rulings do not count. Where there is neither, no cut is made: text is never cut.
    """
    height = piece.shape[0]
    cuts = [0]
    lines, gaps = _cuttable(piece)
    for k in range(1, parts):
        ideal, reach = k * height / parts, height / (2 * parts)
        for places in (lines, gaps):
            near = [y for y in places if abs(y - ideal) < reach and y > cuts[-1]]
            if near:
                cuts.append(min(near, key=lambda y: (abs(y - ideal), y)))
                break
    return list(zip(cuts, [*cuts[1:], height], strict=True))


def _cuttable(piece: NDArray[np.uint8]) -> tuple[list[int], list[int]]:
    """Rows in the middle of horizontal rulings, and in the middle of gaps between printed rows."""
    import numpy as np

    dark = strokes(piece)
    printed = dark[:, dark.mean(axis=0) < _RULE]
    if not printed.size:
        return [], []
    share = printed.mean(axis=1)
    return _middles(share > _RULE), _middles(np.asarray(share <= _GAP))


def _middles(rows: NDArray[np.bool_]) -> list[int]:
    """The middle of each run of true rows that touches neither end."""
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate([[False], rows, [False]]).astype(np.int8)))
    runs = zip(edges[::2], edges[1::2], strict=True)
    return [int(a + b) // 2 for a, b in runs if a > 0 and b < len(rows)]


def strokes(piece: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where there is ink, see ``ink``: (h, w)."""
    import cv2
    import numpy as np

    gray = _gray(piece)
    paper = cv2.morphologyEx(gray, cv2.MORPH_CLOSE, np.ones((_BACKGROUND, _BACKGROUND), np.uint8))
    dark: NDArray[np.bool_] = gray < np.minimum(paper * np.float32(_DARKER), paper - np.float32(_CONTRAST))
    return dark


def _gray(piece: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2
    import numpy as np

    if piece.ndim == 2:
        return piece
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(piece), cv2.COLOR_RGB2GRAY), np.uint8)


def without_colour(piece: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w) where all three channels are equal, else as it is."""
    if piece.ndim == 2:
        return piece
    few = piece[::8, ::8]  # most colour is seen in few of the pixels
    if (few[..., 0] != few[..., 1]).any() or (few[..., 0] != few[..., 2]).any():
        return piece
    red = piece[..., 0]
    return red if (red == piece[..., 1]).all() and (red == piece[..., 2]).all() else piece
