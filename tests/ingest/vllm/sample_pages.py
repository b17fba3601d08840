"""For the STAND-INS that read: the sample pages as pictures, and what stands where on them, from ``samples/layout.json``.

Pictures are gray and upright, rendered here and not by the code under test. Places are pixels of these pictures.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["DPI", "SAMPLES", "KnownCell", "KnownRegion", "SamplePage", "Word", "ink_box", "joined", "load_pages"]

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
DPI = 200
_UPSIDE_DOWN = {"upside_down"}
"""Documents that lie upside down in their files."""

Gray = Any
"""(h, w) uint8."""
Quad = Any
"""(4, 2) float64: the corners from the top left clockwise."""
Span = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


@dataclass(frozen=True, slots=True)
class Word:
    """A printed word as a model writes it."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class KnownCell:
    """A cell of a printed table; ``row`` counts from the first row on this page. ``span`` is None where nothing is printed."""

    row: int
    col: int
    row_span: int
    col_span: int
    text: str
    quad: Quad
    span: Span | None


@dataclass(frozen=True, slots=True)
class KnownRegion:
    """A region with PP-DocLayout's label; ``lines`` from top to bottom."""

    label: str
    frame: int
    quad: Quad
    lines: tuple[tuple[Word, ...], ...]
    cells: tuple[KnownCell, ...]
    latex: str
    ink: Span | None
    """Around what is dark in it."""

    @property
    def span(self) -> Span:
        return span_of(self.quad)


class SamplePage:
    """One page: ``picture`` gray (h, w), ``regions`` in reading order."""

    def __init__(self, entry: dict[str, Any], regions: Sequence[dict[str, Any]]) -> None:
        self.doc, self.page = str(entry["doc"]), int(entry["page"])
        self.picture = _picture(SAMPLES / "archive" / entry["file"], self.page)
        height, width = self.picture.shape
        scale = np.diag([width / entry["size"][0], height / entry["size"][1], 1.0])
        self._move = scale @ (np.array(entry["move"]).reshape(3, 3) if entry["move"] else np.eye(3))
        if self.doc in _UPSIDE_DOWN:
            self.picture = np.ascontiguousarray(self.picture[::-1, ::-1])
            self._move = np.array([[-1.0, 0, width], [0, -1.0, height], [0, 0, 1]]) @ self._move
        self.regions = tuple(self._region(r) for r in regions)

    @cached_property
    def quarter(self) -> Gray:
        """The picture at a quarter of its sides."""
        return cv2.resize(self.picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)

    def quad(self, box: Sequence[float]) -> Quad:
        """Where a box of the page as set lies in the picture."""
        x0, y0, x1, y1 = box
        p = self._move @ np.array([[x0, x1, x1, x0], [y0, y0, y1, y1], [1, 1, 1, 1]], np.float64)
        return (p[:2] / p[2]).T

    def _region(self, entry: dict[str, Any]) -> KnownRegion:
        quad = self.quad(entry["box"])
        return KnownRegion(
            entry["label"],
            entry["frame"],
            quad,
            tuple(tuple(self._words(*line)) for line in entry.get("lines", ())),
            tuple(self._cell(c) for c in entry.get("cells", ())),
            entry.get("latex", ""),
            ink_box(self.picture, span_of(quad)),
        )

    def _words(self, top: float, bottom: float, ends: list[float], text: str) -> list[Word]:
        said = text.split(" ")  # a no-break space parts no words
        pairs = zip(ends[::2], ends[1::2], strict=True)
        return [
            Word(t.replace("\u00a0", " "), span_of(self.quad((a, top, b, bottom))))
            for t, (a, b) in zip(said, pairs, strict=True)
        ]

    def _cell(self, c: dict[str, Any]) -> KnownCell:
        quad = self.quad(c["box"])
        x0, y0, x1, y1 = span_of(quad)
        ink = ink_box(self.picture, (x0 + 5, y0 + 5, x1 - 5, y1 - 5)) if c["text"] else None
        return KnownCell(c["row"], c["col"], c["row_span"], c["col_span"], c["text"], quad, ink)


def load_pages(docs: Sequence[str] = ()) -> tuple[SamplePage, ...]:
    """The pages of these documents (file names without ending), or of all."""
    truth = json.loads((SAMPLES / "layout.json").read_text(encoding="utf-8"))
    by_page: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for r in truth["regions"]:
        by_page.setdefault((r["doc"], r["page"]), []).append(r)
    return tuple(
        SamplePage(p, by_page.get((p["doc"], p["page"]), [])) for p in truth["pages"] if not docs or p["doc"] in docs
    )


def span_of(quad: Quad) -> Span:
    """The upright box around corners."""
    (x0, y0), (x1, y1) = quad.min(axis=0), quad.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def joined(words: Sequence[str]) -> str:
    """Words of a line with the spaces that are printed: none beside Chinese characters."""
    out = ""
    for w in words:
        out += " " if out and w and not (_chinese(out[-1]) or _chinese(w[0])) else ""
        out += w
    return out


def _chinese(character: str) -> bool:
    return character >= "\u2e80"


def ink_box(picture: Gray, span: Span) -> Span | None:
    """Around what is clearly darker than the paper within a place; None when nothing is."""
    x0, y0 = max(0, int(span[0])), max(0, int(span[1]))
    piece = picture[y0 : int(np.ceil(span[3])), x0 : int(np.ceil(span[2]))]
    if not piece.size:
        return None
    dark = piece < 0.75 * np.percentile(piece, 95)
    rows, cols = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    if not rows.size:
        return None
    return float(x0 + cols[0]), float(y0 + rows[0]), float(x0 + cols[-1] + 1), float(y0 + rows[-1] + 1)


def _picture(path: Path, page: int) -> NDArray[np.uint8]:
    """Gray, (h, w); a PDF page at 200 dpi, a photograph at its own resolution."""
    if path.suffix != ".pdf":
        return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)
    import pymupdf

    with pymupdf.open(path) as doc:
        pix = doc[page].get_pixmap(dpi=DPI, alpha=False)
    rgb = np.frombuffer(pix.samples, np.uint8).reshape(pix.height, pix.width, 3)
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
