"""Whether a table adds up: stated row and column sums, columns without figures, headers without rows."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from paperlode.ingest.document import Finding
from paperlode.ingest.row_paths import is_total
from paperlode.ingest.sum_judgement import added_up, all_relations, broken_lanes
from paperlode.ingest.sum_relations import Grid, Relation, Strength
from paperlode.ingest.table_reading import TableReading, read_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.boxes import PageBox
    from paperlode.ingest.numbers import Number
    from paperlode.ingest.tables import Table

__all__ = ["EMPTY_COLUMN", "HEADER_WITHOUT_ROWS", "SUM_MISMATCH", "table_findings"]

SUM_MISMATCH = "sum_mismatch"
EMPTY_COLUMN = "empty_column"
HEADER_WITHOUT_ROWS = "header_without_rows"

PLACES = 6
"""Decimal places that are told apart in sums; figures with more are left out."""
MOST_DIGITS = 24
"""Digits of a figure above which it is left out of sums."""
MOST_FINDINGS = 20
"""No table is given more sum findings than this; the first ones stay."""
FEWEST_FULL = 3
"""Columns that must be full, and figures each must hold, before one without figures is told."""

_HINT = re.compile(
    r"net\b|gross (?:profit|margin|income)\b|adjusted\b|ebit|.*\b(?:before|after) (?:income )?tax"
    r"|operating (?:income|profit|loss)|.*\bbalances?\b.*|(?:ending|closing)\b|comprehensive\b|期末|净|.*余额",
    re.IGNORECASE,
)
_LESS = re.compile(r"(?:less|deduct|minus|减)\b|减[:：]", re.IGNORECASE)
_INSIDE = re.compile(r"(?:of which|thereof|including|incl\.|其中)", re.IGNORECASE)
_NOT_SUMMED = re.compile(
    r"\b(?:average|mean|median|prices?|rates?|ratios?|yields?|multiple|margin|change|growth|variance|percent\w*|cagr|per)\b"
    r"|%|平均|比例|率|增减|变动",
    re.IGNORECASE,
)
_EXCEPT = re.compile(r"\bexcept\b.*", re.IGNORECASE)
_BRACKETS = re.compile(r"\([^()]*\)")
_MEMO = re.compile(r"\bincluded? above\b|\bas (?:a )?percent", re.IGNORECASE)
_ROW_NOT_SUMMED = re.compile(r"\b(?:average|mean|median)\b(?!.*\bshares\b)|%\s+(?:of|to)\b|平均|增长率", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Figures:
    """The additive figures of a table: rows and columns that hold any, and each figure by place."""

    reading: TableReading
    rows: tuple[int, ...]
    cols: tuple[int, ...]
    numbers: dict[tuple[int, int], Number]
    places: int

    def whole(self, row: int, col: int) -> int | None:
        n = self.numbers.get((row, col))
        return None if n is None else int(n.value.scaleb(self.places))

    def step(self, row: int, col: int) -> int:
        n = self.numbers.get((row, col))
        return 0 if n is None or n.nil else int(n.step.scaleb(self.places))

    def text(self, value: int) -> str:
        return f"{Decimal(value).scaleb(-self.places):,f}"


def table_findings(table: Table, *, ignore_rows: frozenset[int] = frozenset()) -> tuple[Finding, ...]:
    """What in the table wants a look; see the codes of this module.

    A sum is *stated* when its label says so or when it holds in several other lanes; it is *broken* in a lane when
    it holds in most others but not there, or when a total adds up nowhere and it looks as if a digit had been changed or
    a row were missing. Rounding is allowed: one unit of the last place for two addends.

    Args:
        table: the table.
        ignore_rows: rows that take part in no sum (carried forward from the page before).
    """
    reading = read_table(table)
    figures = _figures(reading, ignore_rows)
    down, across = _row_sums(figures), _column_sums(figures)
    broken = [*_doubtful(down, across), *_doubtful(across, down)]
    return (*(_finding(figures, b) for b in broken[:MOST_FINDINGS]), *_empty_columns(reading), *_no_rows(reading))


def _figures(reading: TableReading, ignore: frozenset[int]) -> _Figures:
    numbers: dict[tuple[int, int], Number] = {}
    for r, c in reading.cells:
        if r in ignore or _share(reading, r):
            continue
        n = reading.number(r, c)
        if n is None or n.percent or n.unit or len(n.value.as_tuple().digits) > MOST_DIGITS:
            continue
        if n.step >= Decimal(1).scaleb(-PLACES) and abs(n.value.adjusted()) <= MOST_DIGITS:
            numbers[r, c] = n
    places = max((-int(n.step.adjusted()) for n in numbers.values()), default=0)
    percents = _percent_columns(reading)
    mixed = {c for c, p in enumerate(reading.column_paths) if any(_NOT_SUMMED.search(_EXCEPT.sub("", t)) for t in p)}
    cols = sorted({c for _, c in numbers if c not in percents and c not in mixed})
    keep = set(cols)
    numbers = {at: n for at, n in numbers.items() if at[1] in keep}
    rows = range(reading.header, reading.table.rows)
    return _Figures(reading, tuple(r for r in rows if r not in ignore), tuple(cols), numbers, max(0, places))


def _percent_columns(reading: TableReading) -> set[int]:
    """Columns in which half the figures or more show a percent sign, or the first one and no amount beside it."""
    found: dict[int, list[Number]] = {}
    for r, c in sorted(reading.cells):
        if not _share(reading, r) and (n := reading.number(r, c)) is not None:
            found.setdefault(c, []).append(n)
    return {
        c
        for c, ns in found.items()
        if 2 * sum(n.percent for n in ns) >= len(ns)
        or (any(n.percent for n in ns) and not any(n.currency or n.grouped for n in ns))
    }


def _share(reading: TableReading, row: int) -> bool:
    """Whether the row's figures are no amounts that add up: percent, per share, averages."""
    unit = reading.row_measures[row].unit
    label = reading.row_paths[row][-1] if reading.row_paths[row] else ""
    if unit == "%":  # "Tax at the statutory rate" may be an amount
        own = [n for c in range(reading.labels, reading.table.cols) if (n := reading.number(row, c)) is not None]
        return any(n.percent for n in own) or not any(n.currency or n.grouped for n in own)
    return bool(unit and unit != "shares") or bool(_ROW_NOT_SUMMED.search(_BRACKETS.sub(" ", label[:300])))


def _label(reading: TableReading, row: int) -> str:
    """What names the row itself: the last leading cell of its path that starts there, else the path's last text."""
    for c in range(reading.labels):
        cell = reading.cells.get((row, c))
        if cell is not None:
            return " ".join(cell.text.split())
    return reading.row_paths[row][-1] if reading.row_paths[row] else ""


def _strength(label: str) -> int:
    if is_total(label):
        return Strength.TOTAL
    return Strength.HINT if _HINT.match(label[:200]) else Strength.NONE


@dataclass(frozen=True, slots=True)
class _Broken:
    """A sum that does not hold: what it is called, its cell, the cells of its addends, and their sum."""

    label: str
    at: tuple[int, int]
    parts: tuple[tuple[int, int], ...]
    computed: int
    found: bool = True


@dataclass(frozen=True, slots=True)
class _Checked:
    """Sums of one direction that do not hold, and the cells of those that do."""

    broken: tuple[_Broken, ...]
    sure: frozenset[tuple[int, int]]


def _doubtful(one: _Checked, other: _Checked) -> list[_Broken]:
    """Sums of one direction that do not hold, less those whose every figure is confirmed by the other direction."""
    return [b for b in one.broken if not b.found or not other.sure.issuperset((b.at, *b.parts))]


def _confirmed(relations: Sequence[Relation]) -> set[tuple[int, int]]:
    """Line and lane of every figure that takes part in a sum that holds."""
    return {(k, j) for r in relations if r.found for k in (r.total, *(k for k, _ in r.parts)) for j in r.holds}


def _row_sums(fig: _Figures) -> _Checked:
    """Sums down the columns."""
    reading = fig.reading
    labels = [_label(reading, r) for r in fig.rows]
    filled = {r for r, _ in fig.numbers}
    texted = {r for r, _ in reading.cells}
    grid = Grid(
        values=[[fig.whole(r, c) for c in fig.cols] for r in fig.rows],
        steps=[[fig.step(r, c) for c in fig.cols] for r in fig.rows],
        strength=[_strength(t) for t in labels],
        less=frozenset(i for i, t in enumerate(labels) if _LESS.match(t)),
        heads=frozenset(
            i for i, r in enumerate(fig.rows) if r not in filled and r in texted and not _has_figure(reading, r)
        ),
        inside=frozenset(i for i, t in enumerate(labels) if _INSIDE.match(t) or _MEMO.search(t[:200])),
    )
    ends = frozenset(i for i in range(len(fig.rows)) if i + 1 == len(fig.rows) or i + 1 in grid.heads)
    marked = [_marked(fig, r) for r in fig.rows]
    closing = [
        i for i in range(1, len(fig.rows)) if i in ends and marked[i] and not marked[i - 1] and not grid.strength[i]
    ]
    grid = replace(
        grid, ends=ends, strength=[Strength.HINT if i in closing else s for i, s in enumerate(grid.strength)]
    )
    relations = all_relations(grid)
    out: list[_Broken] = []
    for rel, lane in broken_lanes(grid, relations):
        row, col = fig.rows[rel.total], fig.cols[lane]
        parts = tuple((fig.rows[k], col) for k, _ in rel.parts if grid.values[k][lane])
        out.append(_Broken(labels[rel.total], (row, col), parts, added_up(grid, rel, lane), rel.found))
    sure = frozenset((fig.rows[k], fig.cols[j]) for k, j in _confirmed(relations))
    return _Checked(tuple(out), sure)


def _column_sums(fig: _Figures) -> _Checked:
    """Sums across the rows."""
    if len(fig.cols) < 3:
        return _Checked((), frozenset())
    reading = fig.reading
    heads = [" > ".join(reading.column_paths[c]) for c in fig.cols]
    rows = [r for r in fig.rows if any((r, c) in fig.numbers for c in fig.cols)]
    grid = Grid(
        values=[[fig.whole(r, c) for r in rows] for c in fig.cols],
        steps=[[fig.step(r, c) for r in rows] for c in fig.cols],
        strength=[Strength.HINT if _column_total(reading.column_paths[c]) else Strength.NONE for c in fig.cols],
    )
    relations = [r for r in all_relations(grid) if r.found]
    out: list[_Broken] = []
    for rel, lane in broken_lanes(grid, relations):
        if len(rel.holds) < 3 * len(rel.fails):
            continue
        row, col = rows[lane], fig.cols[rel.total]
        parts = tuple((row, fig.cols[k]) for k, _ in rel.parts if grid.values[k][lane])
        label = f"{_label(reading, row)}, {heads[rel.total]}".strip(", ")
        out.append(_Broken(label, (row, col), parts, added_up(grid, rel, lane)))
    return _Checked(tuple(out), frozenset((rows[j], fig.cols[k]) for k, j in _confirmed(relations)))


def _column_total(path: Sequence[str]) -> bool:
    return bool(path) and (is_total(path[-1]) or bool(_HINT.match(path[-1])))


def _marked(fig: _Figures, row: int) -> bool:
    """Whether all the row's figures have a currency mark: in many reports the first row and the sums have it."""
    own = [n for c in fig.cols if (n := fig.numbers.get((row, c))) is not None]
    return bool(own) and all(n.currency for n in own)


def _amounts(fig: _Figures, row: int) -> bool:
    own = [n for c in fig.cols if (n := fig.numbers.get((row, c))) is not None]
    return len(own) > 1 and any(n.currency or n.grouped for n in own)


def _has_figure(reading: TableReading, row: int) -> bool:
    return any(reading.number(row, c) is not None for c in range(reading.labels, reading.table.cols))


def _finding(fig: _Figures, b: _Broken) -> Finding:
    stated = fig.text(fig.whole(*b.at) or 0)
    column = " > ".join(fig.reading.column_paths[b.at[1]])
    where = f", {column}" if column and column not in b.label else ""
    reason = f"{b.label or 'A sum'}{where}: {stated} is stated, the parts add up to {fig.text(b.computed)}."
    return Finding(SUM_MISMATCH, reason, _regions(fig.reading, [b.at, *b.parts]))


def _regions(reading: TableReading, places: Sequence[tuple[int, int]]) -> tuple[PageBox, ...]:
    cells = (reading.cells.get(p) for p in places)
    return tuple(c.region for c in cells if c is not None and c.region is not None)


def _empty_columns(reading: TableReading) -> list[Finding]:
    """Columns with a head and nothing under it, where the others are full of figures."""
    counts = dict.fromkeys(range(reading.labels, reading.table.cols), 0)
    covered: set[int] = set()
    for (r, c), cell in reading.cells.items():
        if r >= reading.header and c in counts:
            counts[c] += 1
            covered.update(range(c, min(cell.col_end + 1, reading.table.cols)))
    full = [n for n in counts.values() if n >= FEWEST_FULL]
    body = reading.table.rows - reading.header
    if len(full) < FEWEST_FULL or sum(full) < 0.8 * body * len(full):
        return []
    out: list[Finding] = []
    for c, n in counts.items():
        own = reading.cells.get((reading.header - 1, c)) if reading.header else None
        if n == 0 and c not in covered and own is not None and own.col_span == 1:
            reason = f"The column {' > '.join(reading.column_paths[c])} has a head and no figures."
            out.append(Finding(EMPTY_COLUMN, reason, (own.region,) if own.region is not None else ()))
    return out


def _no_rows(reading: TableReading) -> list[Finding]:
    if not reading.header or any(r >= reading.header for r, _ in reading.cells):
        return []
    if not reading.cells:
        return []
    return [
        Finding(HEADER_WITHOUT_ROWS, "The table has a header and no rows.", _regions(reading, sorted(reading.cells)))
    ]
