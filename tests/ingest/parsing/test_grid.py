"""Words, ruled lines and the engine's grid become cells: spans where lines or words tell them, none where they do not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pymupdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paperlode.ingest.document import Box, Table
from paperlode.ingest.parsing.grid import table_of
from paperlode.ingest.parsing.grid_rules import fitted, levels_of, rules_of
from paperlode.ingest.parsing.scan_cuts import cut_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

XS = [72.0, 200.0, 290.0, 380.0, 470.0]
ROW = 20.0
TOP = 100.0


@dataclass(frozen=True)
class Grid:
    """What the layout engine says of a table: its inner lines, relative to the table's box."""

    h_lines: list[float]
    v_lines: list[float]


class Sheet:
    """A page on which a table is set cell by cell; ``table`` reads it back through the grid given."""

    def __init__(self) -> None:
        self.page = pymupdf.open().new_page()

    def put(self, row: float, col: int, text: str, *, end: int | None = None) -> None:
        """The text in the middle of columns ``col`` to ``end``, on the given row."""
        middle = (XS[col] + XS[(col if end is None else end) + 1]) / 2
        width = pymupdf.get_text_length(text, fontsize=10)
        self.page.insert_text((middle - width / 2, TOP + ROW * row + 13), text, fontsize=10)

    def flat(self, row: float, start: int = 0, end: int = 4) -> None:
        """A line above the row, over the columns from ``start`` to ``end`` (exclusive)."""
        self.page.draw_line((XS[start], TOP + ROW * row), (XS[end], TOP + ROW * row), width=0.5)

    def upright(self, col: int, start: float, end: float) -> None:
        """A line left of the column, from row ``start`` to row ``end`` (exclusive)."""
        self.page.draw_line((XS[col], TOP + ROW * start), (XS[col], TOP + ROW * end), width=0.5)

    def table(self, rows: Sequence[float], cols: Sequence[float] = tuple(XS[1:-1]), *, height: float = 5) -> Table:
        """The table, where the engine put row edges above ``rows`` (in rows) and column edges at ``cols`` (in points)."""
        box = Box(XS[0], TOP, XS[-1], TOP + ROW * height)
        flags = pymupdf.TEXT_ACCURATE_BBOXES | pymupdf.TEXT_COLLECT_VECTORS
        blocks: list[dict[str, Any]] = self.page.get_textpage(flags=flags).extractRAWDICT()["blocks"]
        printed = [Box(*ln["bbox"]) for b in blocks if b["type"] == 0 for ln in b["lines"]]
        return table_of(box, Grid([ROW * r for r in rows], [x - box.x0 for x in cols]), printed, 0, blocks)


def spans(table: Table) -> dict[str, tuple[int, int, int, int]]:
    """Row, column, last row, last column of each cell that spans, by its text."""
    return {c.text: (c.row, c.col, c.row_end, c.col_end) for c in table.cells if c.row_span > 1 or c.col_span > 1}


def body(sheet: Sheet, first: int, rows: int = 3) -> None:
    """Rows with a name and three figures each."""
    for r in range(first, first + rows):
        sheet.put(r, 0, f"Item {'abcdefgh'[r]}")
        for c in (1, 2, 3):
            sheet.put(r, c, f"{r}{c}.5")


def lattice(sheet: Sheet, rows: int = 5) -> None:
    """Lines around every cell, but for the head: one cell over the three right columns, one over two rows at its left."""
    for r in range(rows + 1):
        sheet.flat(r, 1 if r == 1 else 0)
    for c in range(5):
        sheet.upright(c, 1 if c in (2, 3) else 0, rows)


def test_lines_around_a_heading_make_it_span() -> None:
    """A box over three columns and a box over two rows are one cell each, the words in both rows of it one text."""
    sheet = Sheet()
    lattice(sheet)
    sheet.put(0, 1, "Years", end=3)
    sheet.put(0.1, 0, "Kind of")
    sheet.put(0.8, 0, "goods")
    for c, year in enumerate(("first", "second", "third"), 1):
        sheet.put(1, c, year)
    body(sheet, 2)
    table = sheet.table([1, 2, 3, 4])
    assert spans(table) == {"Years": (0, 1, 0, 3), "Kind of goods": (0, 0, 1, 0)}
    assert table.grid()[2] == ["Item c", "21.5", "22.5", "23.5"]


def test_a_line_the_grid_lacks_parts_two_rows() -> None:
    """Where the engine took two ruled rows for one, the line between them makes them two."""
    sheet = Sheet()
    for r in range(5):
        sheet.flat(r)
    body(sheet, 0, 4)
    assert sheet.table([2, 3], height=4).grid()[:2] == [
        ["Item a", "01.5", "02.5", "03.5"],
        ["Item b", "11.5", "12.5", "13.5"],
    ]


def test_a_grid_line_within_a_ruled_row_falls() -> None:
    """In a ruled table a row edge with no line along it, through a name of two lines, is none: the row is one."""
    sheet = Sheet()
    for r in (0, 1, 3, 4, 5):
        sheet.flat(r)
    for c in range(5):
        sheet.upright(c, 0, 5)
    body(sheet, 0, 1)
    sheet.put(1, 0, "A long name")
    sheet.put(2, 0, "that goes on")
    for c in (1, 2, 3):
        sheet.put(1, c, f"7{c}")
    body(sheet, 3, 2)
    table = sheet.table([1, 2, 3, 4])
    assert table.rows == 4
    assert table.grid()[1] == ["A long name that goes on", "71", "72", "73"]


@pytest.mark.parametrize("boxed", [True, False])
def test_rows_without_lines_between_them_stay_apart(*, boxed: bool) -> None:
    """A body drawn as one box, or with a line above a total only, is not run together."""
    sheet = Sheet()
    body(sheet, 0, 5)
    sheet.flat(4, 1)
    if boxed:
        sheet.flat(0)
        sheet.flat(5)
        for c in range(5):
            sheet.upright(c, 0, 5)
    table = sheet.table([1, 2, 3, 4])
    assert table.rows == 5
    assert spans(table) == {}


def test_a_phrase_is_not_cut_by_a_column() -> None:
    """Words of one line with a blank between them are one cell, over both columns; figures as near are two cells."""
    sheet = Sheet()
    sheet.put(0, 1, "Three Months Ended", end=2)
    body(sheet, 1)
    sheet.page.insert_text((XS[2] - 14, TOP + 4 * ROW + 13), "12 34", fontsize=10)
    table = sheet.table([1, 2, 3, 4])
    assert spans(table) == {"Three Months Ended": (0, 1, 0, 2)}
    assert table.grid()[4][1:3] == ["12", "34"]


def test_a_line_under_a_heading_tells_its_columns() -> None:
    """The heading in the middle over a line spans the columns above which the line runs; one set to a side does not."""
    for end, expected in ((2, {"Sold": (0, 1, 0, 2)}), (1, {})):
        sheet = Sheet()
        sheet.put(0, 1, "Sold", end=end)
        sheet.flat(1, 1, 3)
        sheet.put(0, 3, "Left")
        for c, text in enumerate(("here", "abroad", "over"), 1):
            sheet.put(1, c, text)
        body(sheet, 2)
        assert spans(sheet.table([1, 2, 3, 4])) == expected


def test_headings_in_the_middle_over_their_columns_span_them() -> None:
    """Without any line: headings that share out the columns below, each in the middle over its own, span them."""
    sheet = Sheet()
    sheet.put(0, 1, "2023", end=2)
    sheet.put(0, 3, "2022")
    for c, text in enumerate(("sold", "left", "sold"), 1):
        sheet.put(1, c, text)
    body(sheet, 2)
    assert spans(sheet.table([1, 2, 3, 4])) == {"2023": (0, 1, 0, 2)}


def test_figures_that_share_a_row_or_a_column_are_parted() -> None:
    """A heading run together with the first row, and a name with its figure, come apart; headings of two lines do not."""
    sheet = Sheet()
    for c in (1, 2, 3):
        sheet.put(0, c, "Amount")
        sheet.put(0.6, c, "in euros")
    body(sheet, 2)
    assert sheet.table([2, 3, 4]).rows == 4
    sheet = Sheet()
    for c in (1, 2, 3):
        sheet.put(0, c, "Amount")
    body(sheet, 1, 4)
    table = sheet.table([2, 3, 4], cols=XS[2:-1])
    assert table.grid()[:2] == [["", "Amount", "Amount", "Amount"], ["Item b", "11.5", "12.5", "13.5"]]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 3), st.sampled_from(["a", "12", "total of", "(3)"])),
        max_size=14,
        unique_by=lambda t: t[:2],
    ),
    st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 4), st.integers(1, 5)), max_size=10),
    st.lists(st.floats(0.2, 4.8), max_size=5),
)
def test_whatever_is_drawn_the_table_is_valid_and_complete(
    texts: list[tuple[int, int, str]], lines: list[tuple[bool, int, int, int]], rows: list[float]
) -> None:
    """Cells never overlap, all lie within the grid, and every word is there as often as it was printed."""
    sheet = Sheet()
    for r, c, text in texts:
        sheet.put(r, c, text)
    for is_flat, at, start, length in lines:
        if is_flat:
            sheet.flat(at, min(start, 3), min(start + length, 4))
        else:
            sheet.upright(min(at, 4), start, min(start + length, 5))
    table = sheet.table(sorted(rows))
    covered = Counter(
        (r, c)
        for cell in table.cells
        for r in range(cell.row, cell.row_end + 1)
        for c in range(cell.col, cell.col_end + 1)
    )
    assert all(n == 1 for n in covered.values())
    assert all(r < table.rows and c < table.cols for r, c in covered)
    printed = Counter("".join(t.replace(" ", "") for _, _, t in texts))
    assert Counter("".join(c.text.replace(" ", "") for c in table.cells)) == printed


def test_a_strip_of_a_filled_area_is_no_line() -> None:
    """Areas set in pieces of one colour show no line where the pieces meet; a stroke in another colour does."""
    page = pymupdf.open().new_page()
    for y in (100, 121):
        page.draw_rect((72, y, 300, y + 20), color=None, fill=(0.8, 0.8, 0.8))
    page.draw_rect((72, 120, 300, 121), color=None, fill=(0.8, 0.8, 0.8))
    page.draw_line((72, 141), (300, 141), width=1)
    blocks = page.get_textpage(flags=pymupdf.TEXT_COLLECT_VECTORS).extractDICT()["blocks"]
    rules = rules_of(blocks, Box(72, 100, 300, 160))
    assert [round(level.at) for level in rules.flat] == [141]


def test_strokes_on_one_line_are_joined() -> None:
    """Pieces that meet are one stretch, pieces apart are two, and strokes close to each other are one line."""
    (level,) = levels_of([(10.0, 0.0, 50.0), (10.5, 51.0, 80.0), (11.0, 120.0, 150.0)])
    assert len(level.spans) == 2
    assert level.covered(0, 80) == pytest.approx(1)
    assert level.covered(80, 120) < 0.1


def test_edges_without_words_between_lines_stay() -> None:
    """No line, no change; a line that no words stand on both sides of changes nothing either."""
    assert fitted([0, 10, 20], [], [], [], rows=True) == [0, 10, 20]
    assert fitted([0, 10, 20], levels_of([(5, 0, 100)]), [], [], rows=True) == [0, 10, 20]


def picture_of(*, gap: bool) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Two groups of dark strokes in a white strip of 40 by 400 pixels, far apart or a blank apart."""
    picture = np.full((60, 460, 3), 255, dtype=np.uint8)
    ends = ((30, 180), (280, 430)) if gap else ((30, 220), (232, 430))
    for start, end in ends:
        for x in range(start, end, 8):
            picture[18:42, x : x + 3] = 20
    return picture


QUAD = np.array([[[20, 10], [440, 10], [440, 50], [20, 50]]], dtype=np.float32)


def test_a_scanned_line_is_cut_at_a_wide_gap() -> None:
    """A line found over two columns becomes two that hold the ink of both; a blank does not cut."""
    left, right = cut_lines(picture_of(gap=True), QUAD, [])
    assert 180 < left[1, 0] < right[0, 0] < 280
    assert (left[0, 0], right[1, 0]) == (20, 440)
    assert len(cut_lines(picture_of(gap=False), QUAD, [])) == 1


def test_a_scanned_line_is_cut_at_a_ruled_line() -> None:
    """An upright line through it cuts it; one that ends above it, or stands at its end, does not."""
    picture = picture_of(gap=False)
    assert len(cut_lines(picture, QUAD, [Box(225, 0, 228, 60)])) == 2
    assert len(cut_lines(picture, QUAD, [Box(225, 0, 228, 20)])) == 1
    assert len(cut_lines(picture, QUAD, [Box(425, 0, 428, 60)])) == 1
