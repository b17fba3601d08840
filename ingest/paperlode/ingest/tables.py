"""Tables as values: cells on a grid, with spans, header rows and caption."""

from __future__ import annotations

from dataclasses import dataclass

from paperlode.ingest.boxes import PageBox  # noqa: TC001  read at run time by the JSON codec

__all__ = ["Cell", "Table", "TablePart"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A table cell at the 0-based ``row`` and ``col`` of its top left corner, covering ``row_span`` by ``col_span``."""

    row: int
    col: int
    text: str
    row_span: int = 1
    col_span: int = 1
    region: PageBox | None = None

    @property
    def row_end(self) -> int:
        """Last row covered, inclusive."""
        return self.row + self.row_span - 1

    @property
    def col_end(self) -> int:
        """Last column covered, inclusive."""
        return self.col + self.col_span - 1


@dataclass(frozen=True, slots=True)
class Table:
    """Cells on a grid of ``rows`` by ``cols``; the first ``header_rows`` are column headers.

    ``caption`` holds the caption and the units line ("in millions"), as printed; empty when there is none.
    Grid positions covered by no cell are empty.
    """

    rows: int
    cols: int
    cells: tuple[Cell, ...]
    header_rows: int = 0
    caption: str = ""

    def row_cells(self, row: int) -> tuple[Cell, ...]:
        """Cells whose top row is ``row``, left to right."""
        return tuple(sorted((c for c in self.cells if c.row == row), key=lambda c: c.col))

    def row_text(self, row: int) -> str:
        """The row as one line, its non-empty cells joined by `` | `` (inner line breaks become spaces)."""
        return " | ".join(t for c in self.row_cells(row) if (t := " ".join(c.text.split())))

    def to_text(self) -> str:
        """Caption, then one line a non-empty row: the text of a table block."""
        lines = [self.caption] if self.caption else []
        lines += [t for r in range(self.rows) if (t := self.row_text(r))]
        return "\n".join(lines)

    def grid(self) -> list[list[str]]:
        """``rows`` lists of ``cols`` strings; a spanning cell's text stands at its top left, its other places are empty."""
        out = [[""] * self.cols for _ in range(self.rows)]
        for c in self.cells:
            out[c.row][c.col] = c.text
        return out

    def cut_rows(self) -> frozenset[int]:
        """Rows before which the table may be cut: every row that no row span runs into and that is no header row."""
        crossed = {r for c in self.cells for r in range(c.row + 1, c.row_end + 1)}
        return frozenset(r for r in range(max(1, self.header_rows), self.rows) if r not in crossed)


@dataclass(frozen=True, slots=True)
class TablePart:
    """The rows ``row_start`` to ``row_end`` (exclusive) of a table, with what is needed to read them alone.

    ``table`` holds the header rows followed by the part's rows, re-based to row 0, with the caption of the whole;
    ``header_rows`` of them repeat the header (also in the first part, where they are own text and not context).
    ``block`` is the table's index in ``ParsedDocument.blocks``.
    """

    block: int
    row_start: int
    row_end: int
    rows: int
    table: Table
