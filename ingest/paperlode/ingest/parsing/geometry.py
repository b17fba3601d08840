"""Turning a page and mapping boxes back to the page as it is displayed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Box, Line, PageBox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Affine", "map_blocks"]


@dataclass(frozen=True, slots=True)
class Affine:
    """``x' = a x + b y + c``, ``y' = d x + e y + f`` in points or pixels, y down."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    def box(self, box: Box) -> Box:
        """The smallest axis-parallel box around the mapped corners."""
        xs = [self.a * x + self.b * y + self.c for x in (box.x0, box.x1) for y in (box.y0, box.y1)]
        ys = [self.d * x + self.e * y + self.f for x in (box.x0, box.x1) for y in (box.y0, box.y1)]
        return Box(min(xs), min(ys), max(xs), max(ys))

    def inverse(self) -> Affine:
        """The map back. Raises ZeroDivisionError for a map that flattens."""
        det = self.a * self.e - self.b * self.d
        a, b, d, e = self.e / det, -self.b / det, -self.d / det, self.a / det
        return Affine(a, b, -(a * self.c + b * self.f), d, e, -(d * self.c + e * self.f))

    def then(self, other: Affine) -> Affine:
        """First this, then ``other``."""
        return Affine(
            other.a * self.a + other.b * self.d,
            other.a * self.b + other.b * self.e,
            other.a * self.c + other.b * self.f + other.c,
            other.d * self.a + other.e * self.d,
            other.d * self.b + other.e * self.e,
            other.d * self.c + other.e * self.f + other.f,
        )

    @classmethod
    def scale(cls, x: float, y: float) -> Affine:
        """Stretch by ``x`` and ``y`` about the origin."""
        return cls(x, 0, 0, 0, y, 0)

    @classmethod
    def quarter_turn(cls, degrees: int, width: float, height: float) -> Affine:
        """Clockwise by 0, 90, 180 or 270 degrees, for a page of that size before the turn; stays at the origin."""
        return {
            0: cls(1, 0, 0, 0, 1, 0),
            90: cls(0, -1, height, 1, 0, 0),
            180: cls(-1, 0, width, 0, -1, height),
            270: cls(0, 1, 0, -1, 0, width),
        }[degrees % 360]


def map_blocks(
    blocks: Sequence[Block], to_page: Callable[[Box], Box], width: float, height: float
) -> tuple[Block, ...]:
    """Every box of the blocks mapped, clipped to the page and rounded."""

    def move(region: PageBox) -> PageBox:
        b = to_page(region.box)
        x0, y0 = min(max(b.x0, 0.0), width), min(max(b.y0, 0.0), height)
        return PageBox(region.page, Box(x0, y0, max(x0, min(b.x1, width)), max(y0, min(b.y1, height))).rounded())

    def moved(block: Block) -> Block:
        table = block.table
        if table is not None:
            cells = tuple(replace(c, region=move(c.region) if c.region else None) for c in table.cells)
            table = replace(table, cells=cells)
        return replace(
            block,
            regions=tuple(move(r) for r in block.regions),
            lines=tuple(Line(ln.start, ln.end, move(ln.region), ln.confidence) for ln in block.lines),
            table=table,
        )

    return tuple(moved(b) for b in blocks)
