"""OTSL: what is valid comes through exactly, what is not is repaired without overlap and without losing a word."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paperlode.ingest.document import Cell, Table
from paperlode.ingest.parsing.otsl import parse_otsl, to_otsl

TAGS = ("<fcel>", "<ecel>", "<lcel>", "<ucel>", "<xcel>", "<nl>", "<ched>", "<rhed>", "<srow>")
WORDS = ("a", "7", "net", "1,284.50", "营业", "<", "<fcel", "x<y", "$5", "\\(x\\)", "two words", "&lt;", "\n")

texts = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), max_size=8).map(str.strip)
texts = texts.filter(lambda t: not re.search(r"</?\w+>", t))


@st.composite
def grids(draw) -> Table:
    """Grids cut into rectangles at random; header rows only where no cell crosses out of them."""
    rows, cols = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    free = {(r, c) for r in range(rows) for c in range(cols)}
    header = draw(st.integers(0, rows))
    cells = []
    for r in range(rows):
        for c in range(cols):
            if (r, c) not in free:
                continue
            bottom = header if r < header else rows
            h, w = draw(st.integers(1, min(3, bottom - r))), draw(st.integers(1, min(3, cols - c)))
            if not {(y, x) for y in range(r, r + h) for x in range(c, c + w)} <= free:
                h = w = 1
            free -= {(y, x) for y in range(r, r + h) for x in range(c, c + w)}
            text = draw(texts)
            if text or h * w > 1:
                cells.append(Cell(r, c, text, h, w))
    return Table(rows, cols, tuple(cells), header)


def assert_sound(table: Table) -> None:
    covered = [(r, c) for x in table.cells for r in range(x.row, x.row_end + 1) for c in range(x.col, x.col_end + 1)]
    assert len(covered) == len(set(covered))
    assert all(0 <= r < table.rows and 0 <= c < table.cols for r, c in covered)
    assert 0 <= table.header_rows <= table.rows


@given(grids())
def test_valid_grids_come_back_exactly(table: Table):
    """Cells, spans, grid and header rows survive the way out and back."""
    if table.header_rows:  # else nothing is tagged, and heads are inferred
        assert parse_otsl(to_otsl(table, header_tags=True)) == table
    again = parse_otsl(to_otsl(table))
    assert again is not None
    assert replace(again, header_rows=0) == replace(table, header_rows=0)


@given(st.lists(st.sampled_from(TAGS + WORDS), max_size=60))
@example(["<lcel>", "a", "<nl>", "<ucel>", "b"])
@example(["<fcel>", "a", "<lcel>", "<nl>", "<ucel>", "<fcel>", "b", "<nl>"])
@example(["a", "<fcel>", "<nl>", "b", "<fcel>", "c"])
@example(["a", "<nl>", "b"])
def test_garbage_is_repaired_and_no_word_lost(parts: list[str]):
    """Tags and words in any order: a sound table with every word, or None where no tag stands for a cell."""
    table = parse_otsl(" ".join(parts))
    if table is None:
        assert not any(p in TAGS[:2] + TAGS[6:] for p in parts)
        return
    assert_sound(table)
    said = sorted(" ".join(c.text for c in table.cells).split())
    assert said == sorted(w for p in parts if p not in TAGS for w in p.split())


@given(st.text("<>fcelunxo/ a\n", max_size=200))
def test_any_characters_do_no_harm(text: str):
    """Never raises."""
    table = parse_otsl(text)
    if table is not None:
        assert_sound(table)


def cells_of(otsl: str) -> list[tuple[int, int, str, int, int]]:
    table = parse_otsl(otsl)
    assert table is not None
    return [(c.row, c.col, c.text, c.row_span, c.col_span) for c in table.cells]


def test_spans_in_both_directions():
    """A 2 by 2 block, a head over two columns and a row head over two rows."""
    assert cells_of("<fcel>H<lcel><fcel>A<lcel><nl><fcel>R<fcel>1<ucel><xcel><nl><ucel><fcel>2<ecel><ecel><nl>") == [
        (0, 0, "H", 1, 2),
        (0, 2, "A", 2, 2),
        (1, 0, "R", 2, 1),
        (1, 1, "1", 1, 1),
        (2, 1, "2", 1, 1),
    ]


@pytest.mark.parametrize(
    ("otsl", "cells"),
    [
        pytest.param("<lcel><fcel>a<nl>", [(0, 1, "a", 1, 1)], id="nothing to the left"),
        pytest.param("<ucel><fcel>a<nl>", [(0, 1, "a", 1, 1)], id="nothing above"),
        pytest.param(
            "<fcel>a<lcel><nl><ucel><fcel>b<nl>",
            [(0, 0, "a", 1, 2), (1, 1, "b", 1, 1)],
            id="no rectangle: not downwards",
        ),
        pytest.param("<ecel><fcel>a<nl><fcel>b<xcel><nl>", [(0, 1, "a", 1, 1), (1, 0, "b", 1, 1)], id="crossing spans"),
        pytest.param("<fcel>a<lcel>b<nl>", [(0, 0, "a b", 1, 2)], id="text in a continued place"),
        pytest.param("<fcel>a<nl><xcel>b<nl>", [(0, 0, "a", 1, 1), (1, 0, "b", 1, 1)], id="text in an orphan"),
        pytest.param("<ecel>a<nl>", [(0, 0, "a", 1, 1)], id="text in an empty place"),
        pytest.param("x<fcel>a<fcel>b<nl>", [(0, 0, "x", 1, 2), (1, 0, "a", 1, 1), (1, 1, "b", 1, 1)], id="before all"),
        pytest.param(
            "<fcel>a<nl>b<fcel>c", [(0, 0, "a", 1, 1), (1, 0, "b", 1, 1), (1, 1, "c", 1, 1)], id="a tag missing"
        ),
        pytest.param("<otsl><fcel>a</fcel><nl></otsl>", [(0, 0, "a", 1, 1)], id="closing tags"),
    ],
)
def test_malformed_places(otsl: str, cells: list[tuple[int, int, str, int, int]]):
    """Each kind of mistake has one repair."""
    assert cells_of(otsl) == cells


@pytest.mark.parametrize(
    ("lengths", "cols"),
    [
        ([3, 3, 3, 5], 3),
        ([3, 5, 5, 5], 5),
        ([2, 4], 2),
        ([1, 2, 3], 2),
    ],
)
def test_ragged_rows_get_the_width_of_least_deviation(lengths: list[int], cols: int):
    """Rows of empty places: the least sum of differences, the lesser width where two are as good."""
    table = parse_otsl("".join("<ecel>" * n + "<nl>" for n in lengths))
    assert table is not None
    assert table.cols == cols
    costs = {w: sum(abs(n - w) for n in lengths) for w in range(1, 6)}
    assert cols == min(costs, key=lambda w: (costs[w], w))


def test_ragged_rows_reach_the_rightmost_filled_cell():
    """One row with text far right widens all; its empty rest is cut."""
    table = parse_otsl("<fcel>a<nl>" * 5 + "<fcel>a<ecel><ecel><fcel>z<ecel><nl>")
    assert table is not None
    assert (table.rows, table.cols) == (6, 4)


def test_heads():
    """``<ched>`` decides where it stands, also under a row that is covered whole; else the rows' content does."""
    tagged = parse_otsl("<ched>1<ched>2<nl><ucel><ucel><nl><ched>3<ched>4<nl><rhed>5<fcel>6<nl><srow>7<lcel><nl>")
    assert tagged is not None
    assert tagged.header_rows == 3
    assert tagged.cells[-1].col_span == 2
    guessed = parse_otsl("<ecel><fcel>2023<fcel>2022<nl><fcel>Net<fcel>5<fcel>6<nl>")
    assert guessed is not None
    assert guessed.header_rows == 1


@pytest.mark.parametrize("text", ["", "words only", "<nl><nl>", "a<nl>b", "<lcel><ucel>", "<td>a</td>"])
def test_no_cell_is_no_table(text: str):
    """Nothing that stands for a cell: None, so that the caller keeps the text."""
    assert parse_otsl(text) is None


def test_a_row_that_never_ends_makes_no_giant_grid():
    """5,000 cells in one row over 5,000 short rows: broken at the usual width, all words kept."""
    table = parse_otsl("<fcel>a<fcel>b<nl>" * 5000 + "<fcel>c" * 5000)
    assert table is not None
    assert table.rows * table.cols < 50_000
    assert len(table.cells) == 15_000


@pytest.mark.parametrize(
    "unit",
    [
        "<fcel>0<fcel>1<nl>",
        "<ecel>",
        "<fcel>a<lcel><nl><ucel><xcel><nl>",
        "<ucel>",
        "<lcel>",
        "<nl>",
        "<ched>",
        "<",
        "a",
    ],
)
def test_time_is_linear(unit: str):
    """Sixteen times the output takes about sixteen times the processor time; eighty are allowed, 256 would be quadratic."""

    def seconds(text: str) -> float:
        best = 1e9
        for _ in range(3):
            start = time.process_time()
            parse_otsl(text)
            best = min(best, time.process_time() - start)
        return best

    short, long = "<fcel>x" + unit * 2_000, "<fcel>x" + unit * 32_000
    assert seconds(long) < 80 * seconds(short) + 0.1


def test_the_writer_refuses_what_is_no_grid():
    """Overlapping cells and cells outside raise; tags within a text are defused."""
    with pytest.raises(ValueError, match="overlaps"):
        to_otsl(Table(1, 2, (Cell(0, 0, "a", col_span=2), Cell(0, 1, "b"))))
    with pytest.raises(ValueError, match="leaves"):
        to_otsl(Table(1, 1, (Cell(0, 1, "b"),)))
    assert to_otsl(Table(1, 1, (Cell(0, 0, "a<nl>b"),))) == "<fcel>a< nl>b<nl>"
