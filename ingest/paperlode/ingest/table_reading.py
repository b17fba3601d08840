"""What a table's cells mean: column paths, row paths, and numbers with unit and scale, computed from the table alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from paperlode.ingest.column_paths import HEADER_DEPTH, column_paths
from paperlode.ingest.measures import Measure, label_measure, table_measure
from paperlode.ingest.numbers import Number, decimal_mark, parse_number
from paperlode.ingest.row_paths import row_paths
from paperlode.ingest.table_headers import infer_header_rows, is_units_line, rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from paperlode.ingest.boxes import PageBox
    from paperlode.ingest.tables import Cell, Table

__all__ = ["Reading", "TableReading", "read_table"]

_LEAD = re.compile(r"\s*(\([^()]*\))\s*\S")
_LONG = 1_000
"""A bare figure this large or larger, and no year, in a column: its 2012 is a figure too."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure with what it means.

    Attributes:
        number: as parsed from the cell's text.
        unit: ``%``, ``USD``, ``$ per share``, ``shares``, ``years``, ``x``; empty when nothing says it.
        scale: what the table says the figure is to be multiplied by, 1 when nothing does or an exception holds.
        value: ``number.value`` times ``scale``.
        row_path, column_path: outermost first.
        region: where the cell stands, if known.
    """

    number: Number
    unit: str
    scale: Decimal
    value: Decimal
    row_path: tuple[str, ...]
    column_path: tuple[str, ...]
    region: PageBox | None = None


@dataclass(frozen=True, slots=True)
class TableReading:
    """A table as it is read: for each row and column the path of what heads it.

    Attributes:
        header: leading rows that are headers. labels: leading columns that name the rows.
        column_paths, row_paths: one a column and row, outermost first; empty for a header row.
        sections: rows that only head the rows under them (or are the first line of the next row's label).
        measure: what caption and units line say of the whole table.
        cells: filled cells by row and column, the first where two collide.
    """

    table: Table
    header: int
    labels: int
    column_paths: tuple[tuple[str, ...], ...]
    row_paths: tuple[tuple[str, ...], ...]
    sections: frozenset[int]
    measure: Measure
    cells: Mapping[tuple[int, int], Cell]
    decimal: str
    year_figures: frozenset[int]
    column_measures: tuple[Measure, ...]
    row_measures: tuple[Measure, ...]

    def number(self, row: int, col: int) -> Number | None:
        """The figure of a body cell that starts there; None for headers, labels, text and places outside the grid."""
        cell = self.cells.get((row, col))
        if cell is None or row < self.header or col < self.labels:
            return None
        return parse_number(cell.text, decimal=self.decimal, years=col in self.year_figures)

    def value(self, row: int, col: int) -> Reading | None:
        """The figure with its unit, scale and paths; None where ``number`` is."""
        number = self.number(row, col)
        if number is None:
            return None
        scale = self._scale(number, row, col)
        unit = self._unit(number, row, col)
        region = self.cells[row, col].region
        value = number.value * scale
        return Reading(number, unit, scale, value, self.row_paths[row], self.column_paths[col], region)

    def _said_unit(self, number: Number, row: int, col: int) -> str:
        if number.percent:
            return "%"
        own = number.unit or self.row_measures[row].unit or self.column_measures[col].unit
        return "" if own == "%" and number.currency else own  # a change in money under a head that says "%"

    def _unit(self, number: Number, row: int, col: int) -> str:
        unit = self._said_unit(number, row, col)
        if unit and not unit.startswith("per "):
            return unit
        measures = (self.row_measures[row], self.column_measures[col], self.measure)
        currency = next((c for c in (number.currency, *(m.currency for m in measures)) if c), "")
        if currency == "$":  # the table may say which dollars
            currency = next((m.currency for m in measures if len(m.currency) == 3), currency)
        return f"{currency} {unit}".strip()

    def _scale(self, number: Number, row: int, col: int) -> Decimal:
        one = Decimal(1)
        unit = self._said_unit(number, row, col)
        if number.multiplier != 1 or unit in ("%", "x", "bps", "pp") or unit.startswith("per "):
            return one
        for m in (self.row_measures[row], self.column_measures[col]):
            if m.scale is not None:
                return m.scale
        if unit == "shares" and self.measure.share_scale is not None:
            return self.measure.share_scale
        if self.measure.exempt and row < len(self.row_paths):
            words = {w.strip(".,:;()").rstrip("s") for t in self.row_paths[row] for w in t.lower().split()}
            if words & self.measure.exempt:
                return one
        return self.measure.scale if self.measure.scale is not None else one


def read_table(table: Table) -> TableReading:
    """Reads a table in one pass over its cells; never raises on odd tables (colliding spans, cells outside the grid)."""
    cells: dict[tuple[int, int], Cell] = {}
    for c in table.cells:
        if 0 <= c.row < table.rows and 0 <= c.col < table.cols and c.text.strip():
            cells.setdefault((c.row, c.col), c)
    header = max(0, min(table.header_rows or infer_header_rows(table), table.rows))
    rows = rows_of(table)
    decimal = decimal_mark(c.text for c in cells.values() if c.row >= header)
    figures, years = _figures(table.cols, [c for c in cells.values() if c.row >= header], decimal)
    labels = _label_columns(table, cells, header, figures)
    columns, units = column_paths(table, rows[: min(header, HEADER_DEPTH)], labels)
    paths, sections = row_paths(table, rows, header, labels)
    return TableReading(
        table=table,
        header=header,
        labels=labels,
        column_paths=columns,
        row_paths=paths,
        sections=sections,
        measure=_table_measure(table, rows, header, labels),
        cells=cells,
        decimal=decimal,
        year_figures=years,
        column_measures=_column_measures(
            [p + u for p, u in zip(columns, units, strict=True)], cells, header, labels, decimal
        ),
        row_measures=_row_measures(paths),
    )


def _figures(cols: int, body: Sequence[Cell], decimal: str) -> tuple[list[tuple[int, int]], frozenset[int]]:
    """For each column how many cells are figures and how many are filled; columns whose bare 2012 is a figure too."""
    counts = [[0, 0, 0, 0] for _ in range(cols)]  # figures, filled, like a year, grouped
    large = [False] * cols
    for c in body:
        n = parse_number(c.text, decimal=decimal, years=True)
        count = counts[c.col]
        count[1] += 1
        if n is None:
            continue
        count[0] += 1
        year = parse_number(c.text, decimal=decimal) is None
        count[2] += year
        count[3] += n.grouped
        large[c.col] |= abs(n.value) >= _LONG and not n.grouped and not year
    years = frozenset(j for j, (n, _, y, g) in enumerate(counts) if y and not g and large[j])
    return [(n if j in years else n - y, f) for j, (n, f, y, _) in enumerate(counts)], years


def _label_columns(
    table: Table, cells: Mapping[tuple[int, int], Cell], header: int, figures: Sequence[tuple[int, int]]
) -> int:
    """Leading columns that hold fewer figures than words; one for a table of words, and for one numbered 1, 2, 3."""
    first = next((j for j, (n, filled) in enumerate(figures) if n * 2 > filled), None)
    if first is None:
        return min(1, table.cols)
    if first == 0:
        said = [cells[r, 0].text.strip().rstrip(".") for r in range(header, table.rows) if (r, 0) in cells]
        serial = len(said) > 1 and all(t == str(k) for k, t in enumerate(said, 1))
        return 1 if serial else 0
    return first


def _table_measure(table: Table, rows: Sequence[Sequence[Cell]], header: int, labels: int) -> Measure:
    """The first of caption lines, units lines over the columns and head of the labels that says a scale, else a currency."""
    said = list(table.caption.split("\n"))
    for r, row in enumerate(rows[: header + 1]):
        alone = sum(bool(c.text.strip()) for c in row if c.col >= labels) < 2
        for c in row:
            broken = c.text.count("(") != c.text.count(")")  # a units line that was parted among the columns
            lead = _LEAD.match(c.text) if r < header else None  # a units line that ran into a column head
            if r < header and (c.col < labels or broken):
                said.append(c.text)
            elif lead and is_units_line(lead[1]):
                said.append(lead[1])
            elif alone and is_units_line(c.text):
                said.append(c.text)
    measures = [table_measure(t) for t in said if t.strip()]
    scaled = next((m for m in measures if m.scale is not None), None)
    return scaled or next((m for m in measures if m.currency or m.share_scale), Measure())


def _inner(path: Sequence[str], *, row: bool = False) -> Measure:
    """What a path says, the innermost first: unit, currency and scale each from the first text that says one."""
    found = [label_measure(t, row=row) for t in reversed(path)]
    unit = next((m for m in found if m.unit), None)
    scale = next((m.scale for m in found if m.scale is not None), None)
    return Measure(unit.unit if unit else "", next((m.currency for m in found if m.currency), ""), scale)


def _column_measures(
    paths: Sequence[Sequence[str]], cells: Mapping[tuple[int, int], Cell], header: int, labels: int, decimal: str
) -> tuple[Measure, ...]:
    """What each column's path says; the currency that its first figure and another one show is that of all."""
    first: dict[int, str] = {}
    marks: dict[int, int] = {}
    for r, j in sorted(cells):
        if r < header or j < labels:
            continue
        n = parse_number(cells[r, j].text, decimal=decimal)
        if n is not None:
            first.setdefault(j, n.currency)
            marks[j] = marks.get(j, 0) + (n.currency == first[j])
    out = [_inner(p) for p in paths]
    for j, currency in first.items():
        if currency and marks[j] > 1 and not out[j].currency:
            out[j] = replace(out[j], currency=currency)
    return tuple(out)


def _row_measures(paths: Sequence[tuple[str, ...]]) -> tuple[Measure, ...]:
    known: dict[tuple[str, ...], Measure] = {}
    out: list[Measure] = []
    for p in paths:
        if p not in known:
            known[p] = _inner(p, row=True)
        out.append(known[p])
    return tuple(out)
