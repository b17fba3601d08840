"""What cells mean: paths by spans and by place, units and scale with their exceptions, and no error on odd tables."""

from __future__ import annotations

import time
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from paperlode.ingest.document import Box, Cell, PageBox, Table
from paperlode.ingest.table_reading import Reading, TableReading, read_table


def table(
    rows: list[list[str]], *, header: int = 1, caption: str = "", indents: dict[int, float] | None = None
) -> Table:
    """A table of plain cells; ``indents`` gives the left edge of the labels of some rows."""
    cells: list[Cell] = []
    for r, row in enumerate(rows):
        for c, text in enumerate(row):
            x = (indents or {}).get(r, 0.0) if c == 0 else 100.0 * c
            region = PageBox(0, Box(x, 10.0 * r, x + 50, 10.0 * r + 9)) if indents is not None else None
            if text:
                cells.append(Cell(r, c, text, region=region))
    return Table(len(rows), max(map(len, rows)), tuple(cells), header, caption)


def at(reading: TableReading, row: int, col: int) -> Reading:
    """The figure there, which must be one."""
    found = reading.value(row, col)
    assert found is not None
    return found


def test_spans_make_column_paths() -> None:
    """A header over several columns heads each of them."""
    cells = (
        Cell(0, 1, "2023", col_span=2),
        Cell(1, 1, "Q3"),
        Cell(1, 2, "Q4"),
        Cell(2, 0, "Revenue"),
        Cell(2, 1, "5"),
        Cell(2, 2, "6"),
    )
    assert read_table(Table(3, 3, cells, 2)).column_paths == ((), ("2023", "Q3"), ("2023", "Q4"))


def test_upper_headers_reach_over_empty_neighbours() -> None:
    """Without spans an upper header reaches right, or to both sides where it stands over the middle of its group."""
    left = table([["", "2023", "", "2022", ""], ["", "Q3", "Q4", "Q3", "Q4"], ["Sales", "5", "6", "7", "8"]], header=2)
    assert read_table(left).column_paths[1:] == (("2023", "Q3"), ("2023", "Q4"), ("2022", "Q3"), ("2022", "Q4"))
    middle = table([["", "", "2022", "", "", "2021", ""], ["", *"abcabc"], ["Sales", *"567567"]], header=2)
    assert [p[0] for p in read_table(middle).column_paths[1:]] == ["2022"] * 3 + ["2021"] * 3


def test_a_parted_header_is_one() -> None:
    """``Three Months | Ended June 30,`` is one header over both columns."""
    t = table([["", "Three Months", "Ended June 30,"], ["", "2023", "2022"], ["Sales", "5", "6"]], header=2)
    assert read_table(t).column_paths[2] == ("Three Months Ended June 30,", "2022")


def test_sections_head_rows_and_totals_close_them() -> None:
    """A row without figures heads those under it until its total."""
    t = table([["", "2023"], ["Assets:", ""], ["Cash", "5"], ["Total assets", "5"], ["Other", "7"]])
    assert read_table(t).row_paths[1:] == (("Assets:",), ("Assets:", "Cash"), ("Assets:", "Total assets"), ("Other",))


def test_indentation_tells_depth() -> None:
    """With known label boxes a section ends where labels move out again, and rows can be under rows."""
    rows = [["", "2023"], ["Assets", ""], ["Current", ""], ["Cash", "5"], ["of it pledged", "1"], ["Land", "7"]]
    paths = read_table(table(rows, indents={1: 10, 2: 20, 3: 30, 4: 40, 5: 20})).row_paths
    assert paths[3:] == (
        ("Assets", "Current", "Cash"),
        ("Assets", "Current", "Cash", "of it pledged"),
        ("Assets", "Land"),
    )


def test_label_columns_and_row_spans() -> None:
    """Labels in several leading columns are one path; a label that spans rows heads each of them."""
    cells = (
        Cell(0, 2, "2023"),
        Cell(1, 0, "Europe", row_span=2),
        Cell(1, 1, "Books"),
        Cell(2, 1, "Films"),
        Cell(1, 2, "5"),
        Cell(2, 2, "6"),
    )
    reading = read_table(Table(3, 3, cells, 1))
    assert (reading.labels, reading.row_paths[1:]) == (2, (("Europe", "Books"), ("Europe", "Films")))


def test_scale_with_exceptions() -> None:
    """The units line scales amounts, not per-share data, percent, or shares it excepts."""
    rows = [
        ["(in millions, except share and per share data)", "2023"],
        ["Revenue", "$ 1,234"],
        ["Margin", "12.5 %"],
        ["Earnings per share:", ""],
        ["Diluted", "$ 2.10"],
        ["Weighted average shares outstanding", "5,000,000"],
    ]
    reading = read_table(table(rows))
    assert (at(reading, 1, 1).value, at(reading, 1, 1).unit) == (Decimal(1_234_000_000), "$")
    assert (at(reading, 2, 1).value, at(reading, 2, 1).unit) == (Decimal("12.5"), "%")
    assert (at(reading, 4, 1).value, at(reading, 4, 1).unit) == (Decimal("2.10"), "$ per share")
    assert (at(reading, 5, 1).value, at(reading, 5, 1).unit) == (Decimal(5_000_000), "shares")


def test_other_exceptions_and_shares_in_their_own_scale() -> None:
    """Rows named after ``except`` are not scaled; shares may have a scale of their own."""
    rows = [["", "2023"], ["Revenue", "5"], ["Employees", "70"], ["Number of shares", "8"]]
    reading = read_table(
        table(rows, caption="US$ in thousands, except employees and number of shares, which are reflected in millions")
    )
    assert [at(reading, r, 1).value for r in (1, 2, 3)] == [Decimal(5000), Decimal(70), Decimal(8_000_000)]
    assert at(reading, 1, 1).unit == "USD"


def test_units_of_columns_and_rows_win() -> None:
    """A column head or row label that says its own unit or scale governs its figures."""
    rows = [
        ["", "€m", "Life (in years)", "% of sales"],
        ["Plant", "3", "4", "5"],
        ["Sites (in thousands)", "6", "", ""],
    ]
    reading = read_table(table(rows, caption="(in billions)"))
    assert [(str(x.value.normalize()), x.unit) for x in (at(reading, 1, c) for c in (1, 2, 3))] == [
        ("3E+6", "EUR"),
        ("4", "years"),
        ("5", "%"),
    ]
    assert at(reading, 2, 1).value == 6000


def test_labels_that_name_an_amount_do_not_scale() -> None:
    """``Notes of €300 million`` names the notes: neither currency nor scale of the row."""
    reading = read_table(table([["", "2023"], ["Notes of €300 million", "$ 313"]], caption="($ in millions)"))
    assert (at(reading, 1, 1).value, at(reading, 1, 1).unit) == (Decimal(313_000_000), "$")


def test_chinese_units() -> None:
    """单位：万元 scales by ten thousand; a cell with its own 亿 is not scaled again; rows per share are not."""
    rows = [["项目", "2023年"], ["营业收入", "1,234.56"], ["总资产", "3.2亿"], ["每股收益", "0.5"]]
    reading = read_table(table(rows, caption="单位：万元"))
    assert [at(reading, r, 1).value for r in (1, 2, 3)] == [Decimal(12345600), Decimal(320_000_000), Decimal("0.5")]
    assert at(reading, 1, 1).unit == "CNY"


def test_years_are_figures_only_in_a_column_of_such_figures() -> None:
    """A bare 2012 among ungrouped larger figures is a figure; alone it is a year."""
    counts = read_table(table([["", "Units"], ["a", "15230"], ["b", "2012"], ["c", "48211"]]))
    assert at(counts, 2, 1).value == 2012
    assert read_table(table([["", "Founded"], ["a", "1998"], ["b", "2012"]])).value(2, 1) is None


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.builds(
            Cell,
            st.integers(-1, 6),
            st.integers(-1, 6),
            st.sampled_from(["", "Total", "Assets:", "5", "(1,234)", "2023", "(in millions)", "%", "a" * 200]),
            st.integers(1, 10**6),
            st.integers(1, 10**6),
        ),
        max_size=20,
    ),
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(0, 9),
)
def test_odd_tables_do_not_raise(cells: list[Cell], rows: int, cols: int, header: int) -> None:
    """Colliding spans, cells outside the grid, empty tables and too many header rows are read without error."""
    reading = read_table(Table(rows, cols, tuple(cells), header))
    assert (len(reading.row_paths), len(reading.column_paths)) == (rows, cols)
    for r in range(-1, rows + 1):
        for c in range(-1, cols + 1):
            reading.value(r, c)


def test_time_grows_with_the_cells() -> None:
    """Eight times the rows take about eight times as long, not sixty-four."""

    def seconds(rows: int) -> float:
        t = table([["", "2023", "2022"], *([f"Item {i}", f"{i},100", "(7)"] for i in range(rows))])
        start = time.perf_counter()
        read_table(t)
        return time.perf_counter() - start

    seconds(50)
    assert min(seconds(4000) for _ in range(2)) < 40 * max(min(seconds(500) for _ in range(3)), 1e-3)
