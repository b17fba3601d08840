r"""STAND-INS THAT READ, for tests only: a layout model and a recognition model that know the sample pages, and nothing else.

``SampleLayout`` tells which sample page a picture shows, and gives the regions that stand there, as PP-DocLayout would: with
its labels, outlines and reading order, inline formulas and the frame around references among them. ``SampleReader`` is an
``answer`` for ``standin.StandIn``: it finds by pixels alone what a crop shows, and answers from the truth of what can be seen in
it, in the form of PaddleOCR-VL (lines and ``\( \)``, OTSL, ``\[ \]``). So whoever cuts beside the text, covers some of it, sends
it turned or with another task, gets another answer. What no model would do is get it all right: nothing measured with these
says how well PaddleOCR-VL reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from paperlode.ingest.document import Box
from paperlode.ingest.parsing.layout import Region
from paperlode.ingest.vllm.values import Task

from .locating import Locator, Spot
from .sample_pages import KnownCell, KnownRegion, joined, load_pages, span_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .standin import Asked

__all__ = ["ILLEGIBLE", "SampleLayout", "SampleReader", "samples"]

ILLEGIBLE = "(the stand-in finds this crop on no sample page)"


def samples(docs: Sequence[str] = ()) -> tuple[SampleLayout, SampleReader]:
    """Both stand-ins, for the pages of these documents or of all samples."""
    locator = Locator(load_pages(docs))
    return SampleLayout(locator), SampleReader(locator)


class SampleLayout:
    """A ``LayoutModel``. ``detected`` counts the regions given out by label."""

    version = "stand-in"

    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self.detected: dict[str, int] = {}

    def detect(self, picture: Any) -> tuple[Region, ...]:
        """The regions of an RGB picture (h, w, 3). Raises RuntimeError when it shows no sample page."""
        page, upside_down = self._locator.page_of(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY))
        if page is None:
            raise RuntimeError("the layout stand-in knows only the sample pages, and this is none")
        height, width = picture.shape[:2]
        scale = np.array([width / page.picture.shape[1], height / page.picture.shape[0]])
        out: list[Region] = []
        for label, quad in _labelled(page.regions):
            corners = quad * scale
            if upside_down:
                corners = np.roll((width, height) - corners, 2, axis=0)
            outline = tuple((float(x), float(y)) for x, y in corners)
            out.append(Region(label, 0.9, Box(*span_of(corners)), outline, len(out)))
            self.detected[label] = self.detected.get(label, 0) + 1
        return tuple(out)


def _labelled(regions: Sequence[KnownRegion]) -> Iterator[tuple[str, Any]]:
    """Label and corners of what PP-DocLayout marks, beside the regions each inline formula and each list of references."""
    framed: set[int] = set()
    for r in regions:
        if r.label == "reference_content" and r.frame not in framed:
            framed.add(r.frame)
            corners = np.concatenate([o.quad for o in regions if (o.label, o.frame) == (r.label, r.frame)])
            yield "reference", _corners(span_of(corners))
        yield r.label, r.quad
        for word in (w for line in r.lines for w in line if r"\(" in w.text):
            yield "inline_formula", _corners(word.span)


def _corners(span: tuple[float, float, float, float]) -> Any:
    x0, y0, x1, y1 = span
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


class SampleReader:
    """Answers crops. ``illegible`` counts those that were found on no page."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self.illegible = 0

    def __call__(self, asked: Asked) -> str:
        """The text of a crop, for the task that its prompt names."""
        crop = cv2.imdecode(np.frombuffer(asked.image, np.uint8), cv2.IMREAD_GRAYSCALE)
        spot = self._locator.spot_of(np.asarray(crop, np.uint8))
        if spot is None:
            self.illegible += 1
            return ILLEGIBLE
        if asked.prompt == Task.TABLE:
            return _as_table(spot)
        if asked.prompt == Task.FORMULA:
            return _as_formula(spot)
        return "\n".join(_lines(spot))


def _lines(spot: Spot) -> list[str]:
    """All that can be seen, line by line in reading order."""
    out: list[str] = []
    for r in spot.page.regions:
        if r.latex and r.ink and spot.sees(r.ink):
            out.append(rf"\[{r.latex}\]")
        for row in range(max((c.row for c in r.cells), default=-1) + 1):
            said = [c.text for c in r.cells if c.row == row and c.span and spot.sees(c.span)]
            out += [" ".join(said)] if said else []
        for line in r.lines:
            if seen := [w.text for w in line if spot.sees(w.span)]:
                out.append(joined(seen))
    return out


def _as_formula(spot: Spot) -> str:
    seen = [rf"\[{r.latex}\]" for r in spot.page.regions if r.latex and r.ink and spot.sees(r.ink)]
    return "".join(seen) or rf"\[\text{{{' '.join(_lines(spot))}}}\]"


def _as_table(spot: Spot) -> str:
    """OTSL of the cells in the crop; of a crop without cells, each line as a row."""
    tables = [r for r in spot.page.regions if any(c.span and spot.sees(c.span) for c in r.cells)]
    if not tables:
        return "".join(f"<fcel>{line}<nl>" for line in _lines(spot))
    return "".join(_otsl(spot, r.cells) for r in tables)


def _otsl(spot: Spot, cells: Sequence[KnownCell]) -> str:
    """The rows and columns whose middle lies in the crop; a cell's text where it can be seen, its other places go on."""
    rows = [r for r in range(1 + max(c.row for c in cells)) if spot.share(_line_of(cells, r, row=True)) >= 0.5]
    cols = [k for k in range(1 + max(c.col for c in cells)) if spot.share(_line_of(cells, k, row=False)) >= 0.5]
    at = {(r, k): c for c in cells for r in range(c.row, c.row + c.row_span) for k in range(c.col, c.col + c.col_span)}
    out = ""
    for r in rows:
        for k in cols:
            c = at[r, k]
            origin = (max(c.row, rows[0]), max(c.col, cols[0]))
            if (r, k) == origin:
                out += f"<fcel>{c.text}" if c.span and spot.sees(c.span) else "<ecel>"
            else:
                out += "<lcel>" if r == origin[0] else "<ucel>" if k == origin[1] else "<xcel>"
        out += "<nl>"
    return out


def _line_of(cells: Sequence[KnownCell], number: int, *, row: bool) -> tuple[float, float, float, float]:
    """A point in the middle of a row or column of cells, as a place of one pixel."""
    lone = [c for c in cells if (c.row if row else c.col) == number and (c.row_span if row else c.col_span) == 1]
    x, y = np.concatenate([c.quad for c in lone]).mean(axis=0)
    return x - 0.5, y - 0.5, x + 0.5, y + 0.5
