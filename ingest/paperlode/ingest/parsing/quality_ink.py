"""What was read of a page, held against the ink of its picture: print that no block covers, and boxes over nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paperlode.ingest.boxes import Box, PageBox
from paperlode.ingest.document import Finding, Kind
from paperlode.ingest.parsing.quality_rows import bands_left_over, print_bands

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.document import Block, ParsedPage
    from paperlode.ingest.parsing.evidence import Ink

    Grid = NDArray[np.bool_]

__all__ = ["check_ink"]

_SLACK = 3.0  # points around a block that count as covered: descenders, accents, boxes drawn tight; of small print
_SLACK_SHARE = 0.3  # of a line's height
_LETTER_GAP = 7  # dots between letters and words of one line that are joined
_LOWEST, _TALLEST = 4, 60  # points: lower is a rule or a dotted line, taller a picture
_NARROWEST = 14.0  # points: narrower is a mark, a bullet, a fold, the edge of a cover box
_LEAST = 60.0  # points of print in all: less is a mark or a logo
_FULLEST = 0.8  # of a piece's box: fuller is a bar or a panel
_THINNEST = 0.12  # of a piece's box: less is a frame, or dust
_STROKES = 0.4  # runs of ink across a piece as long as it is high: letters have two or three, a bar has one
_FEWEST_STROKES = 3  # a bar without its inside has two
_UNREAD = frozenset({Kind.FIGURE, Kind.CHART, Kind.SEAL, Kind.FORMULA})
_RULE = 25  # dots in a straight line: no stroke of a letter is so long
_DENSE = 0.17  # of a line's height that a character takes at least: condensed print has 0.3
_STANDS = 1.5  # widths: a line of one letter or two is no higher
_SPARE = 12  # characters


def check_ink(page: ParsedPage, ink: Ink) -> tuple[dict[int, list[Finding]], list[Finding]]:
    """Findings by index of the block, and those of the page."""
    grid = ink.grid()
    sx, sy = ink.cols / max(1.0, page.width), ink.rows / max(1.0, page.height)
    view = _View(grid, sx, sy)
    found: dict[int, list[Finding]] = {}
    for i, block in enumerate(page.blocks):
        if some := [*view.empty(block, page.page), *view.overfull(block), *view.rows_missing(block, page.page)]:
            found[i] = some
    return found, list(view.uncovered(page))


class _View:
    """The grid of a page with ``sx``, ``sy`` dots a point."""

    def __init__(self, grid: Grid, sx: float, sy: float) -> None:
        self._grid = without_rules(grid)
        self._sx, self._sy = sx, sy

    def uncovered(self, page: ParsedPage) -> Iterator[Finding]:
        left = self._grid.copy()
        for block in page.blocks:
            slack = _slack(block)
            for box in _places(block, page.page):
                left[self._slice(box.grown(slack))] = False
        pieces = self._print(left)
        if sum(b.width for b in pieces) >= _LEAST:
            what = "Nothing was read of a page with print on it" if not page.blocks else "No block covers this print"
            where = tuple(PageBox(page.page, b.rounded()) for b in pieces)
            yield Finding(
                "uncovered_ink", f"{what} ({len(pieces)} {'piece' if len(pieces) == 1 else 'pieces'}).", where
            )

    def empty(self, block: Block, page: int) -> Iterator[Finding]:
        """A box without ink under it that is said to hold text."""
        if block.kind in _UNREAD or sum(map(str.isalnum, block.text)) < 2:
            return
        bare = [
            ln.region
            for ln in block.lines
            if ln.region.page == page and _wordy(block.text[ln.start : ln.end]) and not self._has_ink(ln.region.box)
        ]
        regions = [r for r in block.regions if r.page == page]
        if not bare and regions and not any(self._has_ink(r.box) for r in regions):
            bare = regions
        if bare:
            yield Finding("text_outside_box", "Nothing is printed where this text is said to stand.", tuple(bare))

    def overfull(self, block: Block) -> Iterator[Finding]:
        """More characters than can be printed there."""
        if block.kind in _UNREAD or block.table is not None or not block.text:
            return
        room = sum(self._room(ln.region.box) for ln in block.lines) or sum(self._bands(r.box) for r in block.regions)
        if len(block.text) > room + _SPARE:
            reason = f"It says {len(block.text)} characters, and at most {int(room)} can be printed in its box."
            yield Finding("text_outside_box", reason, block.regions)

    def rows_missing(self, block: Block, page: int) -> Iterator[Finding]:
        """Print inside a table's box at a height where no row has a cell."""
        table = block.table
        if table is None or not block.regions or block.regions[0].page != page:
            return
        box = block.regions[0].box
        left = self._grid[self._slice(box)].copy()
        cells = [c.region.box for c in table.cells if c.region is not None and c.region.page == page]
        if not cells:
            if over := bands_left_over(table, print_bands(left, box)):
                where = tuple(PageBox(page, b.rounded()) for b in over)
                yield Finding("table_row_missing", "The table has fewer rows than are printed.", where)
            return
        top = int(box.y0 * self._sy)
        for c in cells:
            a, b = int(c.y0 * self._sy) - 1 - top, int(c.y1 * self._sy) + 2 - top
            left[max(0, a) : max(0, b)] = False
        pieces = [Box(b.x0 + box.x0, b.y0 + box.y0, b.x1 + box.x0, b.y1 + box.y0) for b in self._print(left)]
        if pieces:
            where = tuple(PageBox(page, b.rounded()) for b in _lines(pieces))
            yield Finding("table_row_missing", "Print stands in the table where it has no row.", where)

    def _slice(self, box: Box) -> tuple[slice, slice]:
        x0, y0 = max(0, int(box.x0 * self._sx)), max(0, int(box.y0 * self._sy))
        return slice(y0, max(y0, int(box.y1 * self._sy) + 1)), slice(x0, max(x0, int(box.x1 * self._sx) + 1))

    def _has_ink(self, box: Box) -> bool:
        return bool(self._grid[self._slice(box)].any())

    def _room(self, box: Box) -> float:
        if box.height > _STANDS * box.width:
            return float("inf")  # vertical writing, or lines that stand side by side
        return box.width / max(1.0, _DENSE * box.height)

    def _bands(self, box: Box) -> float:
        """Characters that fit into the lines of print in the box."""
        import numpy as np

        part = self._grid[self._slice(box)]
        rows = np.concatenate([[False], part.any(axis=1), [False]]).astype(np.int8)
        edges = np.flatnonzero(np.diff(rows)).reshape(-1, 2)
        heights = (edges[:, 1] - edges[:, 0]) / self._sy
        return float(sum(box.width / max(1.0, _DENSE * h) * max(1.0, h / 14) for h in heights if h >= 2))

    def _print(self, grid: Grid) -> list[Box]:
        """Pieces that look like words or lines of print, top to bottom, in points."""
        import cv2
        import numpy as np

        if not grid.any():
            return []
        dots = grid.view(np.uint8)
        joined = cv2.morphologyEx(dots, cv2.MORPH_CLOSE, np.ones((1, _LETTER_GAP), np.uint8))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
        inked = np.bincount(labels[grid], minlength=count)
        out: list[Box] = []
        for x, y, w, h, _, dark in np.column_stack([stats, inked])[1:].tolist():
            wide, tall = w / self._sx, h / self._sy
            fits = wide >= _NARROWEST and _LOWEST <= tall <= _TALLEST and _THINNEST <= dark / (w * h) <= _FULLEST
            if fits and _strokes(grid[y : y + h, x : x + w]) >= max(_FEWEST_STROKES, _STROKES * w / h):
                out.append(Box(x / self._sx, y / self._sy, (x + w) / self._sx, (y + h) / self._sy))
        return out


def without_rules(grid: Grid) -> Grid:
    """The grid without long straight lines, which are rules and frames and no print."""
    import cv2
    import numpy as np

    dots = grid.view(np.uint8)
    flat = cv2.morphologyEx(dots, cv2.MORPH_OPEN, np.ones((1, _RULE), np.uint8))
    steep = cv2.morphologyEx(dots, cv2.MORPH_OPEN, np.ones((_RULE, 1), np.uint8))
    rules = cv2.dilate(cv2.bitwise_or(flat, steep), np.ones((3, 3), np.uint8))
    return np.asarray((dots > 0) & (np.asarray(rules) == 0))


def _strokes(part: Grid) -> int:
    """Runs of ink in the row that has most of them."""
    import numpy as np

    edges = part[:, 1:] & ~part[:, :-1]
    return int((np.count_nonzero(edges, axis=1) + part[:, 0]).max())


def _places(block: Block, page: int) -> Iterator[Box]:
    for r in (*block.regions, *(ln.region for ln in block.lines)):
        if r.page == page:
            yield r.box


def _slack(block: Block) -> float:
    heights = sorted(ln.region.box.height for ln in block.lines)
    return min(_SLACK, _SLACK_SHARE * heights[len(heights) // 2]) if heights else _SLACK


def _wordy(text: str) -> bool:
    return sum(map(str.isalnum, text)) >= 2


def _lines(boxes: Iterable[Box]) -> Sequence[Box]:
    out: list[Box] = []
    for b in sorted(boxes, key=lambda x: x.y0):
        if out and b.y0 < out[-1].y1:
            out[-1] = out[-1].union(b)
        else:
            out.append(b)
    return out
