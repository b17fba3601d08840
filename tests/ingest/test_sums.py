"""Stated sums are checked: true tables are left alone, changed digits and lost rows are told with their cells."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paperlode.ingest.document import Box, Cell, PageBox, Table
from paperlode.ingest.sums import EMPTY_COLUMN, HEADER_WITHOUT_ROWS, MOST_FINDINGS, SUM_MISMATCH, table_findings

ITEMS = ["Cash", "Receivables", "Inventories", "Land", "Buildings", "Goodwill", "Deposits", "Prepaid items"]


def table(rows: list[list[str]], *, header: int = 1) -> Table:
    cells = tuple(
        Cell(r, c, text, region=PageBox(3, Box(100.0 * c, 10.0 * r, 100.0 * c + 50, 10.0 * r + 9)))
        for r, row in enumerate(rows)
        for c, text in enumerate(row)
        if text
    )
    return Table(len(rows), max(map(len, rows)), cells, header)


def shown(value: int) -> str:
    return f"({-value:,})" if value < 0 else f"{value:,}"


def balance(rng: random.Random, *, cols: int = 3, items: int = 4) -> list[list[str]]:
    """Two groups with totals and a total of both, in several years."""
    rows = [["", *(str(2023 - c) for c in range(cols))]]
    totals: list[list[int]] = []
    for name in ("current", "other"):
        rows.append([f"{name.title()} assets:", *[""] * cols])
        values = [[rng.randint(100, 90_000) for _ in range(cols)] for _ in range(items)]
        rows += [[ITEMS[i], *map(shown, v)] for i, v in enumerate(values)]
        totals.append([sum(v[c] for v in values) for c in range(cols)])
        rows.append([f"Total {name} assets", *map(shown, totals[-1])])
    rows.append(["Total assets", *(shown(a + b) for a, b in zip(*totals, strict=True))])
    return rows


def mismatches(rows: list[list[str]], ignore: frozenset[int] = frozenset()) -> list[str]:
    return [f.reason for f in table_findings(table(rows), ignore_rows=ignore) if f.code == SUM_MISMATCH]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(2, 8))
def test_tables_that_add_up_are_left_alone(seed: int, cols: int, items: int) -> None:
    """No finding in a nested table whose sums are right."""
    assert table_findings(table(balance(random.Random(seed), cols=cols, items=items))) == ()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_a_changed_digit_is_found(seed: int, cols: int) -> None:
    """A leading digit changed in any figure of a summed column is told, with the region of that cell."""
    rng = random.Random(seed)
    rows = balance(rng, cols=cols)
    r = rng.choice([i for i, row in enumerate(rows) if i and row[1]])
    c = rng.randint(1, cols)
    digit = rows[r][c][0]
    rows[r][c] = str((int(digit) % 9) + 1) + rows[r][c][1:]
    found = [f for f in table_findings(table(rows)) if f.code == SUM_MISMATCH]
    assert any(PageBox(3, Box(100.0 * c, 10.0 * r, 100.0 * c + 50, 10.0 * r + 9)) in f.regions for f in found)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4))
def test_a_lost_row_is_found(seed: int, cols: int) -> None:
    """A total from which an addend is gone is told by its name, in every column."""
    rng = random.Random(seed)
    rows = balance(rng, cols=cols)
    del rows[rng.choice([2, 3, 4, 5])]
    found = mismatches(rows)
    assert sum("Total current assets" in reason for reason in found) == cols


def test_the_reason_names_row_column_and_figures() -> None:
    """The reason says which sum, in which column, what is stated and what the parts add up to."""
    rows = [
        ["", "2023", "2022"],
        ["A", "1,200", "700"],
        ["B", "345", "81"],
        ["C", "60", "9"],
        ["Total", "1,605", "791"],
    ]
    assert mismatches(rows) == []
    rows[4][2] = "890"
    assert mismatches(rows) == ["Total, 2022: 890 is stated, the parts add up to 790."]


def test_rounding_is_allowed() -> None:
    """A sum of rounded figures may be off by a unit of the last place."""
    assert mismatches([["", "2023"], ["A", "33.3"], ["B", "33.3"], ["C", "33.3"], ["Total", "100.0"]]) == []


@pytest.mark.parametrize("less", ["Less: returns", "Returns", "减：退货"])
def test_differences_and_deductions(less: str) -> None:
    """What is taken off with or without brackets is subtracted, where it holds in the columns."""
    for minus in ("{}", "({})"):
        rows = [["", "2023", "2022"], ["Sales", "15,234", "14,871"], [less, minus.format("1,120"), minus.format("987")]]
        rows.append(["Net sales", "14,114", "13,884"])
        assert mismatches(rows) == []
        rows[3][1] = "17,114"
        assert len(mismatches(rows)) == 1


def test_chinese_totals() -> None:
    """合计 and 小计 are totals."""
    rows = [
        ["项目", "2023年", "2022年"],
        ["甲", "1,210", "3,300"],
        ["乙", "2,345", "1,811"],
        ["合计", "3,555", "5,111"],
    ]
    assert mismatches(rows) == []
    rows[3][2] = "5,611"
    assert len(mismatches(rows)) == 1


def test_sums_across_columns() -> None:
    """A column that is the sum of others in most rows is checked in each row, whether it stands last or first."""
    rng = random.Random(5)
    values = [[rng.randint(100, 9000) for _ in range(3)] for _ in range(6)]
    for first in (False, True):
        heads = ["North", "South", "West"]
        rows = [["", "Total", *heads] if first else ["", *heads, "Total"]]
        for i, v in enumerate(values):
            figures = [sum(v), *v] if first else [*v, sum(v)]
            rows.append([ITEMS[i], *map(shown, figures)])
        assert mismatches(rows) == []
        rows[4][2] = shown(int(rows[4][2].replace(",", "")) + 4000)
        assert len(mismatches(rows)) == 1
        assert "Land" in mismatches(rows)[0]


def test_totals_above_their_parts() -> None:
    """A parent above its parts is found from the columns that hold."""
    rows = [["", "2023", "2022", "2021"], ["Sales", "9,105", "8,017", "7,330"], ["Books", "4,003", "5,010", "3,118"]]
    rows.append(["Films", "5,102", "3,007", "4,212"])
    assert mismatches(rows) == []
    rows[2][2] = "5,410"
    assert len(mismatches(rows)) == 1


def test_averages_percent_and_per_share_are_no_sums() -> None:
    """Columns and rows that do not add up by their nature are not told."""
    rows = [
        ["", "Shares", "Average price", "%"],
        ["May", "3,558", "$ 71.60", "12.0 %"],
        ["June", "3,580", "$ 82.18", "30.1 %"],
    ]
    rows += [["July", "1,200", "$ 80.00", "9.0 %"], ["Total", "8,338", "$ 77.35", "14.2 %"]]
    assert mismatches(rows) == []


def test_rows_carried_forward_take_no_part() -> None:
    """Ignored rows are no addends."""
    rows = [
        ["", "2023", "2022"],
        ["A", "1,200", "700"],
        ["B", "345", "81"],
        ["Carried forward", "1,545", "781"],
        ["C", "60", "9"],
    ]
    rows.append(["Total", "1,605", "790"])
    assert mismatches(rows, frozenset({3})) == []


def test_empty_column_and_header_without_rows() -> None:
    """A headed column without figures beside full ones is told, and a header with nothing under it."""
    rows = [["", "2023", "2022", "2021", "2020"], *([i, "5", "6", "", "8"] for i in ITEMS)]
    assert [f.code for f in table_findings(table(rows))] == [EMPTY_COLUMN]
    assert [f.code for f in table_findings(Table(2, 2, (Cell(0, 0, "a"), Cell(0, 1, "b")), 1))] == [HEADER_WITHOUT_ROWS]
    assert table_findings(Table(0, 0, ())) == ()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.builds(
            Cell,
            st.integers(-1, 8),
            st.integers(-1, 5),
            st.sampled_from(
                ["Total", "Less", "5", "(1,234)", "—", "9" * 30, "0.0000001", "12.5 %", "1e5", "3.2亿", ""]
            ),
            st.integers(1, 9),
            st.integers(1, 9),
        ),
        max_size=40,
    ),
    st.integers(0, 8),
    st.integers(0, 5),
    st.integers(0, 3),
)
def test_odd_tables_do_not_raise(cells: list[Cell], rows: int, cols: int, header: int) -> None:
    """Whatever the cells, the check ends without an error, gives few findings, and the same ones again."""
    t = Table(rows, cols, tuple(cells), header)
    found = table_findings(t)
    assert found == table_findings(replace(t))
    assert len(found) <= MOST_FINDINGS + cols + 1


def test_long_and_wide_tables_take_little_time() -> None:
    """2,000 rows, and 300 columns, are checked within seconds."""
    rng = random.Random(1)
    long = table([["", "a", "b"], *([f"x{i}", str(rng.randint(1, 99999)), "7"] for i in range(2000))])
    figures = [[str(rng.randint(1, 999)) for _ in range(300)] for _ in range(30)]
    wide = table([["", *map(str, range(300))], *([f"x{i}", *row] for i, row in enumerate(figures))])
    start = time.perf_counter()
    table_findings(long)
    table_findings(wide)
    assert time.perf_counter() - start < 15
