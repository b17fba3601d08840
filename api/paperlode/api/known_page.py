"""A page whose words are known, to see whether a recognition server reads what is printed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from paperlode.ingest.document import Box
from paperlode.ingest.vllm.values import Task

if TYPE_CHECKING:
    import numpy as np
    import pymupdf
    from numpy.typing import NDArray

__all__ = ["ALIKE", "DPI", "PRINTED", "Printed", "draw", "likeness"]

DPI = 200
ALIKE = 0.9
"""Least similarity of what is read to what is printed, 0 to 1: clean print leaves room for a mark or two."""
FORMULA_ALIKE = 0.8
"""The same for a formula, whose LaTeX may be written in more than one way."""
_WIDTH, _HEIGHT = 595, 842  # points: A4
_ROWS = (
    ("Year", "Sales", "Costs"),
    ("2021", "1,284", "961"),
    ("2022", "1,530", "1,078"),
    ("2023", "1,806", "1,215"),
)


@dataclass(frozen=True, slots=True)
class Printed:
    """One thing on the page.

    Attributes:
        name: for people.
        task: what the model is asked for.
        box: around its ink, in points.
        text: what the model should say; a table as OTSL.
    """

    name: str
    task: Task
    box: Box
    text: str

    @property
    def shown(self) -> str:
        """The text for people: a table without its tags."""
        return self.text.replace("<nl>", " / ").replace("<fcel>", " | ").strip(" |/")

    @property
    def least(self) -> float:
        """The similarity from which on it counts as read."""
        return FORMULA_ALIKE if self.task is Task.FORMULA else ALIKE


PRINTED = (
    Printed(
        "text",
        Task.OCR,
        Box(70, 147, 486, 198),
        "Total sales rose to 1,806 in the third year, from 1,284 in the first.\n"
        "The warehouse in Lyon was closed in May, and 37 people moved to Graz.\n"
        "Further figures are given in the table below, in thousands of euros.",
    ),
    Printed(
        "table",
        Task.TABLE,
        Box(90, 240, 450, 344),
        "".join("".join(f"<fcel>{cell}" for cell in row) + "<nl>" for row in _ROWS),
    ),
    Printed("formula", Task.FORMULA, Box(180, 392, 346, 432), "x^{2} + 3y = 7z^{2} + 5"),
)
"""What stands on the page beside its title and number, top to bottom."""


def draw() -> NDArray[np.uint8]:
    """The page as an RGB picture (h, w, 3) at ``DPI``."""
    import numpy as np
    import pymupdf

    document = pymupdf.open()
    page = document.new_page(width=_WIDTH, height=_HEIGHT)
    page.insert_text((72, 110), "Annual Report of the Warehouses", fontsize=20, fontname="hebo")
    text, table, formula = PRINTED
    for n, line in enumerate(text.text.split("\n")):
        page.insert_text((72, 160 + 17 * n), line, fontsize=12.5, fontname="helv")
    _draw_table(page, table.box)
    _draw_formula(page, formula.box)
    page.insert_text((293, 800), "17", fontsize=10, fontname="helv")
    pixels = page.get_pixmap(dpi=DPI, alpha=False)
    picture = np.frombuffer(pixels.samples, np.uint8).reshape(pixels.height, pixels.width, 3).copy()
    document.close()
    return picture


def _draw_table(page: pymupdf.Page, box: Box) -> None:
    height, width = box.height / len(_ROWS), box.width / len(_ROWS[0])
    for r, row in enumerate(_ROWS):
        for c, cell in enumerate(row):
            x, y = box.x0 + c * width, box.y0 + r * height
            page.draw_rect((x, y, x + width, y + height), width=0.8)
            page.insert_text((x + 12, y + 18), cell, fontsize=12.5, fontname="helv" if r else "hebo")


def _draw_formula(page: pymupdf.Page, box: Box) -> None:
    import pymupdf

    x, y = box.x0 + 4, box.y1 - 10
    for piece, raised in (("x", 0), ("2", 1), (" + 3y = 7z", 0), ("2", 1), (" + 5", 0)):
        for mark in piece:
            font, size = ("tiit" if mark.isalpha() else "tiro"), (15 if raised else 24)
            page.insert_text((x, y - 10 * raised), mark, fontsize=size, fontname=font)
            x += pymupdf.get_text_length(mark, fontname=font, fontsize=size)


def likeness(printed: Printed, said: str) -> float:
    """How much the model's output is like what is printed, 0 to 1; of a table, the share of cells in their places."""
    if printed.task is Task.TABLE:
        return _same_cells(said)
    plain = _plain_formula if printed.task is Task.FORMULA else _plain
    return SequenceMatcher(None, plain(said), plain(printed.text), autojunk=False).ratio()


def _plain(text: str) -> str:
    from paperlode.ingest.parsing.vl_outputs import clean_text

    return " ".join(clean_text(text).split())


_DRESS = re.compile(r"\\(?:left|right|displaystyle|mathrm|quad|[,;:! ])|[\s{}~]")


def _plain_formula(text: str) -> str:
    """Its marks alone: LaTeX allows the same formula with and without braces and spaces."""
    from paperlode.ingest.parsing.vl_outputs import clean_formula

    return _DRESS.sub("", clean_formula(text))


def _same_cells(said: str) -> float:
    from paperlode.ingest.parsing.otsl import parse_otsl

    table = parse_otsl(said)
    if table is None or table.rows * table.cols > 1000:
        return 0.0
    read = {(c.row, c.col): "".join(c.text.split()) for c in table.cells if (c.row_span, c.col_span) == (1, 1)}
    right = sum(read.get((r, c)) == cell for r, row in enumerate(_ROWS) for c, cell in enumerate(row))
    return right / max(table.rows * table.cols, sum(map(len, _ROWS)))
