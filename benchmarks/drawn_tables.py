"""What generated tables are drawn of: words, texts and lines on sheets, rows and frames. Points, origin top left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BOTTOM",
    "COUNTRIES",
    "FURTHER",
    "LANDSCAPE",
    "LEFT",
    "PHRASES",
    "PLACES",
    "PORTRAIT",
    "ROW",
    "SIZE",
    "THINGS",
    "TOP",
    "ZH_COUNTRIES",
    "ZH_FURTHER",
    "ZH_PHRASES",
    "ZH_PLACES",
    "ZH_THINGS",
    "Put",
    "Sheet",
    "Style",
    "draw_frame",
    "draw_row",
]

ROW = 15.0
SIZE = 8.5
LEFT, TOP, BOTTOM = 60.0, 92.0, 70.0
PORTRAIT, LANDSCAPE = (595.0, 842.0), (842.0, 595.0)

PLACES = (
    "Arden",
    "Bexley",
    "Corfe",
    "Dunmore",
    "Elgin",
    "Fairlop",
    "Gorton",
    "Hexham",
    "Ilford",
    "Jarrow",
    "Kelso",
    "Ludlow",
    "Marlow",
    "Newark",
    "Oakham",
    "Penrith",
)
THINGS = ("depot", "store", "mill", "yard", "plant", "office", "terminal", "quarry")
COUNTRIES = ("Ireland", "Norway", "Chile", "Japan", "Kenya", "Canada", "Spain", "Peru")
PHRASES = (
    "the lease of the premises together with all fixtures",
    "supply of spare parts under the agreement signed in spring",
    "works on the northern wall and the drains beneath it",
    "repair of two pumps and of the valves that belong to them",
)
FURTHER = (
    "and of the land that goes with it",
    "which were delivered after the end of the year",
    "as far as they had been approved",
)
ZH_PLACES = ("华东", "华南", "华北", "西南", "东北", "沿江", "临港", "高新")
ZH_THINGS = ("仓库", "门店", "工厂", "码头", "办事处", "车间")
ZH_COUNTRIES = ("德国", "法国", "日本", "智利", "挪威", "泰国")
ZH_PHRASES = (
    "位于开发区的厂房及其附属设施的租赁合同",
    "根据春季签订的协议供应的备品备件",
    "北侧围墙以及地下排水管道的修缮工程",
)
ZH_FURTHER = ("以及与其相连的土地使用权", "并已于年末之后交付完毕")


@dataclass(frozen=True)
class Put:
    """A text with its place: ``right`` sets it flush right at ``x``."""

    x: float
    y: float
    text: str
    size: float = SIZE
    bold: bool = False
    right: bool = False


@dataclass
class Sheet:
    """What is drawn on one page."""

    width: float
    height: float
    puts: list[Put] = field(default_factory=list)
    lines: list[tuple[float, float, float, float]] = field(default_factory=list)


@dataclass
class Style:
    """How a table looks: column edges in points, header rows, borders, whether its cells are figures or words."""

    zh: bool
    edges: list[float]
    header: list[list[str]]
    border: str
    words: bool

    @property
    def cols(self) -> int:
        """Columns."""
        return len(self.edges) - 1


def draw_row(
    sheet: Sheet, style: Style, y: float, cells: Sequence[str], *, bold: bool = False, rule: bool = False
) -> float:
    """One row of cells at height ``y``, words flush left, figures flush right; returns the height of the next."""
    base = y + ROW - 4.5
    for i, text in enumerate(cells):
        if text and i and not style.words:
            sheet.puts.append(Put(style.edges[i + 1] - 5, base, text, SIZE, bold, right=True))
        elif text:
            sheet.puts.append(Put(style.edges[i] + 3, base, text, SIZE, bold))
    if style.border == "ruled" or rule or (style.border == "rules" and not bold):
        sheet.lines.append((style.edges[0], y + ROW, style.edges[-1], y + ROW))
    return y + ROW


def draw_frame(sheet: Sheet, style: Style, y0: float, y1: float) -> None:
    """The lines around the table between two heights, as its borders ask for."""
    if style.border == "ruled":
        sheet.lines += [(x, y0, x, y1) for x in style.edges]
    if style.border != "none":
        sheet.lines.append((style.edges[0], y0, style.edges[-1], y0))
        sheet.lines.append((style.edges[0], y1, style.edges[-1], y1))
