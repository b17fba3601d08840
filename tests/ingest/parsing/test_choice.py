"""Plain prose goes the cheap way; tables, columns and formulas go to the layout engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pymupdf
import pytest

from paperlode.ingest.parsing.choice import features, needs_layout
from paperlode.ingest.parsing.lines import lines_of

if TYPE_CHECKING:
    from collections.abc import Sequence

ARCHIVE = Path(__file__).resolve().parents[3] / "samples" / "archive"
SENTENCE = "The Supplier shall deliver the Products within the period stated in the order confirmation."


def layout_wanted(page: pymupdf.Page) -> bool:
    """The choice for the page."""
    return needs_layout(features([ln for ln in lines_of(page.get_text("dict")["blocks"]) if ln.text]))


def page_with(pieces: Sequence[tuple[float, float, str]], font: str = "helv") -> pymupdf.Page:
    """A page with texts of ten points at x, y."""
    page = pymupdf.open().new_page()
    for x, y, text in pieces:
        page.insert_text((x, y), text, fontsize=10, fontname=font)
    return page


def test_prose_is_plain() -> None:
    """A page of sentences in one column needs no layout engine."""
    assert not layout_wanted(page_with([(72, 80 + 14 * i, SENTENCE) for i in range(40)]))


def test_a_borderless_table_of_numbers_needs_layout() -> None:
    """Four rows of aligned numbers amid prose are a table, without any ruled line."""
    prose = [(72.0, 80 + 14.0 * i, SENTENCE) for i in range(30)]
    rows = [
        (x, 520 + 14.0 * i, text)
        for i in range(4)
        for x, text in ((72.0, f"Item number {i}"), (300.0, f"{i},250.00"), (400.0, f"{i},300.50"))
    ]
    assert layout_wanted(page_with(prose + rows))


def test_a_small_table_with_currency_marks_needs_layout() -> None:
    """Three rows, of which only the first and the last have a $ before their figures, line up all the same."""
    prose = [(72.0, 80 + 14.0 * i, SENTENCE) for i in range(30)]
    rows = [(300.0, 520.0, "$"), (340.0, 520.0, "42,794"), (72.0, 520.0, "Domestic")]
    rows += [(345.0, 534.0, "3,504"), (72.0, 534.0, "International")]
    rows += [(300.0, 548.0, "$"), (340.0, 548.0, "46,298"), (72.0, 548.0, "Total revenue")]
    assert layout_wanted(page_with(prose + rows))


def test_two_rows_of_many_pieces_need_layout() -> None:
    """A table of two rows, whose figures line up with nothing, is no prose."""
    prose = [(72.0, 80 + 14.0 * i, SENTENCE) for i in range(30)]
    rows = [(72.0 + 90 * k, 520.0, f"Name {k}") for k in range(5)] + [(80.0 + 80 * k, 534.0, "2,150") for k in range(5)]
    assert layout_wanted(page_with(prose + rows))


def test_two_columns_need_layout() -> None:
    """Prose left and right of a gutter is not read across it."""
    half = SENTENCE[:42]
    assert layout_wanted(page_with([(x, 80 + 14.0 * i, half) for i in range(40) for x in (54.0, 315.0)]))


@pytest.mark.parametrize("mark", ["•", "1.{}", "({})", "–"])
def test_lists_are_plain(mark: str) -> None:
    """Item numbers and bullets that hang left of their text are no column of a table."""
    page = page_with([])
    for i in range(20):
        y = 80 + 28 * i
        page.insert_text((72, y), mark.format(i + 1), fontsize=10, fontname="helv")
        page.insert_text((108, y), SENTENCE[:70], fontsize=10)
        page.insert_text((108, y + 14), SENTENCE[:60], fontsize=10)
    assert not layout_wanted(page)


def test_a_table_of_contents_is_plain() -> None:
    """Dotted leaders between a heading and its page number make no table."""
    pieces = [(72.0, 80 + 14.0 * i, f"Section {i} {'. ' * 60} {i + 3}") for i in range(30)]
    assert not layout_wanted(page_with(pieces))


def test_formulas_need_layout() -> None:
    """Lines in a mathematical font are formulas."""
    page = page_with([(72, 80 + 14 * i, SENTENCE) for i in range(20)])
    for i in range(3):
        page.insert_text((200, 500 + 30 * i), "abc = xyz", fontname="symb", fontsize=10)
    assert layout_wanted(page)


def test_two_pieces_side_by_side_once_are_plain() -> None:
    """A date at the right margin and one signature row make no table."""
    pieces = [(72.0, 120 + 14.0 * i, SENTENCE) for i in range(30)]
    pieces += [
        (72.0, 80.0, "Dear Madam"),
        (430.0, 80.0, "12 May 2025"),
        (72.0, 600.0, "Buyer"),
        (300.0, 600.0, "Supplier"),
    ]
    assert not layout_wanted(page_with(pieces))


def test_upright_share() -> None:
    """The share of lines that run left to right is what a page lying on its side is known by; no lines, no doubt."""
    page = page_with([(72, 80, SENTENCE)])
    for i in range(3):
        page.insert_text((200 + 20 * i, 600), "Up the side", rotate=90)
    assert features(list(lines_of(page.get_text("dict")["blocks"]))).upright == 0.25
    assert features([]).upright == 1.0
    assert not needs_layout(features([]))


@pytest.mark.parametrize(
    ("name", "plain", "layout"),
    [
        ("supply_agreement", [2, 3, 5, 6, 7, 8], [11, 12]),  # clauses; price list and quality targets
        ("annual_report", [], [2, 3, 4, 5]),
        ("paper_two_columns", [], [0, 1]),
    ],
)
def test_samples(name: str, plain: list[int], layout: list[int]) -> None:
    """Clauses of a contract are plain; its schedules, financial statements and a paper need layout."""
    with pymupdf.open(ARCHIVE / f"{name}.pdf") as doc:
        chosen = {i: layout_wanted(doc[i]) for i in (*plain, *layout)}
    assert chosen == {**dict.fromkeys(plain, False), **dict.fromkeys(layout, True)}
