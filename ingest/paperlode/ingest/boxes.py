"""Rectangles on pages: points, origin at the top left of the page as it is displayed, x to the right, y down."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Box", "PageBox"]


class Box(NamedTuple):
    """An axis-parallel rectangle on a page: points, origin top left, ``x0 <= x1`` and ``y0 <= y1``."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Horizontal extent in points."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Vertical extent in points."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Square points; never negative."""
        return max(0.0, self.width) * max(0.0, self.height)

    def union(self, other: Box) -> Box:
        """The smallest box around both."""
        return Box(min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1))

    def overlap(self, other: Box) -> float:
        """Area shared with ``other``, in square points."""
        w = min(self.x1, other.x1) - max(self.x0, other.x0)
        h = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(0.0, w) * max(0.0, h)

    def grown(self, by: float) -> Box:
        """The box with ``by`` points more on every side."""
        return Box(self.x0 - by, self.y0 - by, self.x1 + by, self.y1 + by)

    def rounded(self) -> Box:
        """Coordinates rounded to 1/100 point, so that stored values are short and stable."""
        return Box(*(round(v, 2) for v in self))

    @classmethod
    def around(cls, boxes: Iterable[Box]) -> Box:
        """The smallest box around all of ``boxes``. Raises ValueError when there is none."""
        xs = list(boxes)
        if not xs:
            raise ValueError("no boxes to put a box around")
        return cls(min(b.x0 for b in xs), min(b.y0 for b in xs), max(b.x1 for b in xs), max(b.y1 for b in xs))


class PageBox(NamedTuple):
    """A box and the 0-based page it lies on."""

    page: int
    box: Box
