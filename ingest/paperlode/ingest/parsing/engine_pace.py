"""The layout engine made faster without changing what it finds: some of its Python functions in other words.

A third of its time went into describing each text line to its models, one attribute and one character at a time, and into
resizing pictures with three colours as the innermost loop. The functions here return the same values, and a test holds each
against the one that it stands for. They take their places when the engine is first used, in the process that uses it
(``hasten``); a function that an engine of another version does not have is left alone. See decision 0013.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["hasten", "overprinted", "resized", "text_pattern", "without_styles"]

_SYMBOLS = "•-*+<>()→✓#□■‣◦▪.:※"
_LONGEST = 40  # octal digits that describe a text
_NUMBERS = {"C": 10, "D": 11, "S": 12, "W": 13}
_FIRST_SYMBOL = 14
_KINDS = {
    "is_text": "text",
    "is_image": "image",
    "is_vector": "vector",
    "is_hline_vector": "h-line-vector",
    "is_vline_vector": "v-line-vector",
}
_DOUBLED = re.compile(r"(?:(.)\1+)+")
_NEAR = 2.0  # points: a word printed twice to look bold is moved by less
_BY_CHANNEL = ("mean", "min", "max")
_LEAST = 1e-12  # added to a chance before its logarithm
_NOT_FEATURES = ("this", "thisown", "last_char_rect")


@cache
def hasten() -> tuple[str, ...]:
    """Puts the faster functions into the engine of this process; once. Returns the names of those replaced."""
    import pymupdf
    import pymupdf4llm.helpers.utils as helpers
    from pymupdf.layout import common_util, pymupdf_util_ext, pymupdf_util_rf, roi_pooling
    from pymupdf.layout.onnx import BoxRFDGNN, ImageFeatureExtractorV1, TableGridExtractorV2

    done: list[str] = []

    def put(name: str, new: Callable[..., Any], *places: Any) -> None:
        for place in places:
            if hasattr(place, name):
                setattr(place, name, new)
                done.append(name)

    if _symbols(common_util.get_text_pattern) == (*_SYMBOLS, ""):
        put("get_text_pattern", _pattern_in_place_of(common_util.get_text_pattern), BoxRFDGNN)
    put("get_rf_features", _features_in_place_of(BoxRFDGNN), BoxRFDGNN)
    put("resize_image", resized, ImageFeatureExtractorV1, TableGridExtractorV2)
    put("extract_rf_features", _extracted_in_place_of(pymupdf_util_rf), pymupdf_util_ext)
    if (pool := getattr(roi_pooling, "_path_naive", None)) is not None:
        put("_path_naive", _pooled_in_place_of(pool), roi_pooling)
    put("intersect_rects", _intersected, helpers)
    put("__init__", _rect_in_place_of(pymupdf.Rect.__init__), pymupdf.Rect)
    return tuple(done)


def _symbols(function: Any) -> tuple[str, ...]:
    """The longest tuple of strings among the constants of a function: its bullets."""
    tuples = [c for c in function.__code__.co_consts if isinstance(c, tuple) and c and isinstance(c[0], str)]
    return max(tuples, key=len, default=())


# ------------------------------------------------------------------------------------------------------ of text


@cache
def _class_of(char: str) -> str:
    if char in _SYMBOLS:
        return char
    if char.isspace():
        return "W"
    if char.isdigit():
        return "D"
    return "C" if char.isalnum() else "S"


@lru_cache(maxsize=4096)
def text_pattern(text: str) -> list[float]:
    """Runs of kinds of characters and their lengths, as the engine's first 40 octal digits over 8. Not to be changed."""
    digits: list[float] = []
    for kind, run in groupby(map(_class_of, text)):
        number = _NUMBERS[kind] if kind in _NUMBERS else _FIRST_SYMBOL + _SYMBOLS.index(kind)
        for n in (number, *map(int, str(sum(1 for _ in run)))):
            digits += (n // 8 / 8, n % 8 / 8)
        if len(digits) >= _LONGEST:
            return digits[:_LONGEST]
    return digits + [0.0] * (_LONGEST - len(digits))


def _pattern_in_place_of(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_text_pattern(text: str, text_pattern_: Any = None, return_vector: bool = True) -> Any:
        if text_pattern_ is not None or not return_vector:
            return original(text, text_pattern_, return_vector)
        return text_pattern(text)

    return get_text_pattern


def _extracted_in_place_of(module: Any) -> Callable[..., None]:
    """``extract_rf_features``: the features' names are looked up once, not for each line."""
    names: list[str] = []

    def extract_rf_features(data_dict: dict[str, Any], stext_page: Any) -> None:
        all_features = data_dict["custom_features"]
        for box, into in zip(data_dict["bboxes"], all_features, strict=False):
            region = module.pymupdf.mupdf.FzRect(box[0], box[1], box[2], box[3])
            found = module.rf_features.fz_features_for_region(stext_page, region, 0)
            if not names:
                names.extend(n for n in dir(found) if not n.startswith("_") and n not in _NOT_FEATURES)
            for n in names:
                into[n] = getattr(found, n)
        if any(f["num_numerals"] + f["num_non_numerals"] > 0 and f["invisible"] == 0 for f in all_features):
            visible = [i for i, f in enumerate(all_features) if f["invisible"] != 1]
            if len(visible) < len(all_features):
                for key in ("custom_features", "bboxes", "text"):
                    data_dict[key][:] = [data_dict[key][i] for i in visible]

    return extract_rf_features


def _features_in_place_of(module: Any) -> Callable[..., list[float]]:
    """``get_rf_features``: a line's description in the order of ``names``."""
    original = module.get_rf_features

    def get_rf_features(described: dict[str, Any], names: Sequence[str], do_log_norm: bool = False) -> Any:
        if do_log_norm or module.IGNORE_FEATURE_NAMES:
            return original(described, names, do_log_norm)
        kind = described.get("box_type", "text")
        try:
            return [float(kind == _KINDS[n]) if n in _KINDS else float(described[n]) for n in names]
        except (KeyError, TypeError, ValueError):
            return original(described, names, do_log_norm)  # which says what is wrong

    return get_rf_features


def without_styles(page: Any, flags: int) -> int:
    """The flags of a text page, without the search for styles on a page where it would change no character.

    For each character MuPDF looks through all before it for the same one at the same place, printed twice to look bold: nine
    tenths of the time of a text page. A page without doubled words has none. (The engine's own text page keeps the search: its
    models look at underlines, which are found by it too.)
    """
    import pymupdf

    return flags if overprinted(page) else flags & ~int(pymupdf.TEXT_COLLECT_STYLES)


def overprinted(page: Any) -> bool:
    """Whether a word stands on itself, or is spelt with each letter doubled: text printed twice to look bold."""
    words = sorted((w[4], w[1], w[0]) for w in page.get_text("words"))
    return any(_on_itself(a, b) for a, b in pairwise(words)) or any(
        len(w) > 3 and _DOUBLED.fullmatch(w) for w, _, _ in words
    )


def _on_itself(a: tuple[str, float, float], b: tuple[str, float, float]) -> bool:
    return a[0] == b[0] and abs(a[1] - b[1]) < _NEAR and abs(a[2] - b[2]) < _NEAR


# ----------------------------------------------------------------------------------------- of pictures and boxes


def resized(image: NDArray[np.uint8], new_size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture (h, w) or (h, w, channels) in another size (width, height), bilinear, colour by colour; a gray one once."""
    import numpy as np

    height, width = image.shape[:2]
    new_width, new_height = new_size
    x = (np.arange(new_width) + 0.5) * (width / new_width) - 0.5
    y = (np.arange(new_height) + 0.5) * (height / new_height) - 0.5
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    x1, y1 = np.clip(x0 + 1, 0, width - 1), np.clip(y0 + 1, 0, height - 1)
    dx, dy = (x - x0)[None, :], (y - y0)[:, None]
    x0, y0 = np.clip(x0, 0, width - 1), np.clip(y0, 0, height - 1)
    weights = ((1 - dx) * (1 - dy), dx * (1 - dy), (1 - dx) * dy, dx * dy)

    def plane(of: NDArray[np.uint8]) -> NDArray[np.uint8]:
        upper, lower = of[y0], of[y1]
        corners = (upper[:, x0], upper[:, x1], lower[:, x0], lower[:, x1])
        out = weights[0] * corners[0]
        for w, c in zip(weights[1:], corners[1:], strict=True):
            out += w * c
        np.clip(out, 0, 255, out=out)
        scaled: NDArray[np.uint8] = out.astype(image.dtype)
        return scaled

    if image.ndim == 2:
        return plane(image)
    planes = [np.ascontiguousarray(image[..., c]) for c in range(image.shape[2])]
    done = [plane(planes[0])]
    for before, p in pairwise(planes):
        done.append(done[-1] if np.array_equal(before, p) else plane(p))
    return np.stack(done, axis=-1)


def _pooled_in_place_of(original: Callable[..., Any]) -> Callable[..., Any]:
    """``_path_naive``: what the picture model sees in each box (rows), by channel and in all."""
    from paperlode.ingest.parsing.engine_levels import Levels

    def _path_naive(features: NDArray[np.float32] | Levels, chances: Any, *places: Any) -> Any:
        import numpy as np

        x0, y0, x1, y1, ops = places
        if isinstance(features, Levels):
            if ops == ("mean", "max"):
                return features.pooled(x0, y0, x1, y1)
            features = np.asarray(features)
        if ops not in ((*_BY_CHANNEL, "entropy", "margin"), ("mean", "max")) or features.shape[0] < 2:
            return original(features, chances, *places)
        channels, whole = features.shape[0], "entropy" in ops
        out = np.zeros((len(x0), channels * (3 if whole else 2) + (2 if whole else 0)), dtype=np.float32)
        for row, left, top, right, bottom in zip(out, x0.tolist(), y0.tolist(), x1.tolist(), y1.tolist(), strict=True):
            patch = features[:, top : bottom + 1, left : right + 1]
            count = patch.shape[1] * patch.shape[2]
            if not count:
                continue
            row[:channels] = np.add.reduce(patch, axis=(1, 2)) / np.float32(count)
            if whole:
                row[channels : 2 * channels] = np.minimum.reduce(patch, axis=(1, 2))
                of = chances[:, top : bottom + 1, left : right + 1]
                row[-2] = (-(of * np.log(of + _LEAST)).sum(axis=0)).mean()
                best = np.partition(of, -2, axis=0)
                row[-1] = (best[-1] - best[-2]).mean()
            row[-channels - 2 * whole : len(row) - 2 * whole] = np.maximum.reduce(patch, axis=(1, 2))
        return out

    return _path_naive


def _intersected(r1: Any, r2: Any, bbox_only: bool = False) -> Any:
    """``intersect_rects``, its result made without asking what kind of arguments it is made of."""
    import pymupdf

    a0, b0, a1, b1 = (r1.x0, r1.y0, r1.x1, r1.y1) if isinstance(r1, pymupdf.Rect) else r1
    c0, d0, c1, d1 = (r2.x0, r2.y0, r2.x1, r2.y1) if isinstance(r2, pymupdf.Rect) else r2
    box = (max(a0, c0), max(b0, d0), min(a1, c1), min(b1, d1))
    return box if bbox_only else pymupdf.Rect(*box)


def _rect_in_place_of(original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **named: Any) -> None:  # noqa: N807
        if len(args) == 1 and type(args[0]) is tuple:
            args = args[0] if len(args[0]) == 4 else args
        if len(args) == 4 and not named:
            self.x0, self.y0, self.x1, self.y1 = map(float, args)
        elif len(args) == 1 and type(args[0]) is type(self) and not named:
            self.x0, self.y0, self.x1, self.y1 = args[0].x0, args[0].y0, args[0].x1, args[0].y1
        else:
            original(self, *args, **named)

    return __init__
