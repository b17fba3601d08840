"""Figures of tables as data."""

from __future__ import annotations

from decimal import Decimal

from paperlode.ingest.document import Block, Box, Cell, Kind, PageBox, Table
from paperlode.ingest.figures import figures

WHERE = PageBox(4, Box(100, 100, 150, 112))


def test_each_figure_comes_with_value_unit_paths_and_place() -> None:
    """Numbers of a table in millions, except per share, under the head of their year and the name of their row."""
    cells = (
        Cell(0, 0, ""), Cell(0, 1, "2023"), Cell(0, 2, "2022"),
        Cell(1, 0, "Revenue"), Cell(1, 1, "$ 1,234", region=WHERE), Cell(1, 2, "1,100"),
        Cell(2, 0, "Earnings per share"), Cell(2, 1, "0.52"), Cell(2, 2, "(0.10)"),
    )  # fmt: skip
    table = Table(3, 3, cells, header_rows=1, caption="Results (in millions, except per share data)")
    text = Block(Kind.TEXT, "12 months", (PageBox(4, Box(1, 1, 9, 9)),))
    block = Block(Kind.TABLE, table.to_text(), (PageBox(4, Box(72, 90, 500, 200)),), table=table)
    found = list(figures([text, block]))
    assert [(f.table, f.row_path, f.column_path, f.value) for f in found] == [
        (1, ("Revenue",), ("2023",), Decimal(1_234_000_000)),
        (1, ("Revenue",), ("2022",), Decimal(1_100_000_000)),
        (1, ("Earnings per share",), ("2023",), Decimal("0.52")),
        (1, ("Earnings per share",), ("2022",), Decimal("-0.10")),
    ]
    assert (found[0].text, found[0].region, found[0].scale) == ("$ 1,234", WHERE, Decimal(1_000_000))
    assert "share" in found[2].unit


def test_a_document_without_tables_has_no_figures() -> None:
    """Numbers in running text are not read."""
    assert list(figures([Block(Kind.TEXT, "1,234 in 2023", (PageBox(0, Box(1, 1, 9, 9)),))])) == []
