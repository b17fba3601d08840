"""Tables with spans: drawn on the page in ranges of rows, and written down as truth."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from making.typeset import Box, Sheets, Style, width, word_width, words, wrap


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as it is printed. ``align`` overrides the column's."""

    row: int
    col: int
    text: str
    row_span: int = 1
    col_span: int = 1
    align: str = ""
    bold: bool = False


def _plain(text: str) -> str:
    """Without the marks for bold, italics, and raised or lowered characters."""
    return re.sub(r"[*^~]", "", text)


def _printed(c: Cell, row: int, box: Box) -> dict[str, Any]:
    """A cell as the layout file has it; ``row`` counts from the first of the part."""
    spans = {"row": row, "col": c.col, "row_span": c.row_span, "col_span": c.col_span}
    return {**spans, "text": _plain(c.text), "box": [round(v, 1) for v in box]}


@dataclass
class Grid:
    """A table: column widths in points, cells, and how it is ruled.

    ``look`` is ``grid`` (every border), ``statement`` (rules under the header groups, hairlines right of the first
    column, strong rules before ``breaks``) or ``plain`` (three rules only).
    """

    widths: list[float]
    aligns: list[str]
    cells: list[Cell]
    header_rows: int
    style: Style
    look: str = "grid"
    pad: float = 3.0
    breaks: frozenset[int] = frozenset()
    where: dict[tuple[int, int], tuple[int, Box]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows, header rows included."""
        return max(c.row + c.row_span for c in self.cells)

    def height(self, row: int) -> float:
        """The height of a row: its tallest cell that does not span rows."""
        lines = [len(self._lines(c)) for c in self.cells if c.row == row and c.row_span == 1 and c.text]
        return max(lines, default=1) * self.style.leading + 2 * self.pad

    def fits(self, first: int, room: float) -> int:
        """The row after the last one that fits into ``room`` when a part starts with ``first``, cut at breaks only."""
        used = sum(self.height(r) for r in range(self.header_rows)) if first else 0.0
        best = first
        for row in range(first, self.rows):
            used += self.height(row)
            if used > room:
                return best
            if row + 1 == self.rows or (row >= self.header_rows and (not self.breaks or row + 1 in self.breaks)):
                best = row + 1
        return best

    def draw(self, sheets: Sheets, page: int, x: float, y: float, rows: range, *, frame: int = 0) -> float:
        """Draw ``rows`` with the header rows above them; returns the lower end."""
        shown = [*range(self.header_rows), *(r for r in rows if r >= self.header_rows)]
        tops: dict[int, float] = {}
        for r in shown:
            tops[r] = y
            y += self.height(r)
        edges = [x + sum(self.widths[:i]) for i in range(len(self.widths) + 1)]
        region = sheets.region("table", page, (edges[0], next(iter(tops.values())), edges[-1], y), frame=frame)
        place = {r: i for i, r in enumerate(tops)}
        for c in sorted((c for c in self.cells if c.row in tops), key=lambda c: (c.row, c.col)):
            last = c.row + c.row_span - 1
            box = (edges[c.col], tops[c.row], edges[c.col + c.col_span], tops[last] + self.height(last))
            self._cell(sheets, page, c, box, frame)
            self.where.setdefault((c.row, c.col), (page, box))
            region.cells.append(_printed(c, place[c.row], box))
        self._rules(sheets, page, edges, tops, y)
        return y

    def truth(self, doc: str, caption: str) -> dict[str, Any]:
        """The table as the truth file has it."""
        cells = []
        for c in sorted(self.cells, key=lambda c: (c.row, c.col)):
            page, box = self.where[c.row, c.col]
            cells.append(
                {
                    "row": c.row,
                    "col": c.col,
                    "row_span": c.row_span,
                    "col_span": c.col_span,
                    "text": _plain(c.text),
                    "page": page,
                    "box": [round(v, 2) for v in box],
                }
            )
        pages = sorted({page for page, _ in self.where.values()})
        return {"doc": doc, "pages": pages, "caption": caption, "header_rows": self.header_rows, "cells": cells}

    def _lines(self, c: Cell) -> list[Any]:
        style = self.style.but(bold=c.bold or self.style.bold)
        return wrap(words(c.text, style), style, sum(self.widths[c.col : c.col + c.col_span]) - 2 * self.pad)

    def _cell(self, sheets: Sheets, page: int, c: Cell, box: Box, frame: int) -> None:
        style = self.style.but(bold=c.bold or self.style.bold)
        lines = self._lines(c)
        align = c.align or self.aligns[c.col]
        free = box[3] - box[1] - 2 * self.pad - len(lines) * style.leading
        y = box[1] + self.pad + (free if c.row < self.header_rows else 0.0)
        gap = 0.0 if style.family == "cjk" else width(" ", style.face(), style.size)
        for line in lines:
            base = y + style.leading - 0.28 * style.size
            total = sum(word_width(w) for w in line) + gap * (len(line) - 1)
            hang = width(")", style.face(), style.size) if align == "right" and c.text.endswith(")") else 0.0
            hang = hang if c.row >= self.header_rows else 0.0
            x = {
                "left": box[0] + self.pad,
                "center": (box[0] + box[2] - total) / 2,
                "right": box[2] - self.pad - total + hang,
            }[align]
            for i, w in enumerate(line):
                space = i < len(line) - 1 and gap > 0
                x = sheets.put(page, x, base, w, frame=frame, colour=style.colour, space=space) + (gap if space else 0)
            y += style.leading

    def _rules(self, sheets: Sheets, page: int, edges: list[float], tops: dict[int, float], end: float) -> None:
        def across(y: float, weight: float, col: int = 0) -> None:
            sheets.rule(page, (edges[col], y), (edges[-1], y), weight=weight)

        first = next(iter(tops.values()))
        body = [r for r in tops if r >= self.header_rows]
        heavy = 0.9
        across(first, heavy if self.look != "grid" else 0.6)
        across(end, heavy if self.look != "grid" else 0.6)
        if body and self.look != "grid":
            across(tops[body[0]], 0.7)
        if self.look == "statement":
            for c in self.cells:
                if c.row < self.header_rows - 1 and c.row_span == 1 and c.text:
                    y = tops[c.row] + self.height(c.row)
                    sheets.rule(page, (edges[c.col] + 4, y), (edges[c.col + c.col_span] - 2, y), weight=0.4)
            for r in body[1:]:
                across(tops[r], 0.7 if r in self.breaks else 0.2, 0 if r in self.breaks else 1)
        if self.look == "grid":
            self._borders(sheets, page, edges, tops)

    def _borders(self, sheets: Sheets, page: int, edges: list[float], tops: dict[int, float]) -> None:
        for c in self.cells:
            if c.row not in tops:
                continue
            last = c.row + c.row_span - 1
            box = (edges[c.col], tops[c.row], edges[c.col + c.col_span], tops[last] + self.height(last))
            sheets.rule(page, (box[0], box[3]), (box[2], box[3]))
            sheets.rule(page, (box[2], box[1]), (box[2], box[3]))
            if c.col == 0:
                sheets.rule(page, (box[0], box[1]), (box[0], box[3]))
