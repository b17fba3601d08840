"""The cheap path turns a page of prose into headings, paragraphs and items, and loses no word of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlode.ingest.document import Block, Box, Kind, Layer
from paperlode.ingest.parsing.lines import PrintedLine, lines_of
from paperlode.ingest.parsing.outline import heading_level, numbering_depth
from paperlode.ingest.parsing.plain import read_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

ARCHIVE = Path(__file__).resolve().parents[3] / "samples" / "archive"
FULL = "a line of words that runs from the left margin all the way to the right"


def line(text: str, y: float, *, x: float = 72, size: float = 10, bold: bool = False) -> PrintedLine:
    """A printed line whose width follows its length."""
    return PrintedLine(text, Box(x, y, x + 0.5 * size * len(text), y + size), size, bold=bold)


def read(*lines: PrintedLine) -> list[tuple[Kind, str]]:
    """Kind and text of the blocks of a page of 792 points."""
    return [(b.kind, b.text) for b in read_plain(lines, 0, 792)]


def test_a_paragraph_is_one_block() -> None:
    """Lines at the usual distance are one paragraph; a wider gap begins another."""
    got = read(line(FULL, 100), line(FULL, 112), line("ends here.", 124), line(FULL, 150), line("End.", 162))
    assert got == [(Kind.TEXT, f"{FULL} {FULL} ends here."), (Kind.TEXT, f"{FULL} End.")]


def test_paragraphs_without_a_gap() -> None:
    """A short last line that ends a sentence, and an indented first line, begin another paragraph."""
    got = read(line(FULL, 100), line("It ends here.", 112), line(FULL, 124), line(FULL + ".", 136))
    assert [t for _, t in got] == [f"{FULL} It ends here.", f"{FULL} {FULL}."]
    got = read(line(FULL, 100), line(FULL + ".", 112), line(FULL[3:], 124, x=90), line(FULL, 136))
    assert [t for _, t in got] == [f"{FULL} {FULL}.", f"{FULL[3:]} {FULL}"]


@pytest.mark.parametrize("mark", ["2.1", "(a)", "•", "(iv)", "3."])
def test_items(mark: str) -> None:
    """A bullet or an item number begins a list item, and its further lines belong to it, hanging or not."""
    got = read(
        line(FULL, 100),
        line(f"{mark} {FULL}", 112),
        line(FULL, 124, x=90),
        line("until here;", 136, x=90),
        line(f"{mark} {FULL};", 148),
    )
    assert got == [
        (Kind.TEXT, FULL),
        (Kind.LIST_ITEM, f"{mark} {FULL} {FULL} until here;"),
        (Kind.LIST_ITEM, f"{mark} {FULL};"),
    ]


def test_an_item_number_that_stands_apart_joins_its_row() -> None:
    """Number and text are two pieces of one row, also when the number stands a little lower."""
    text = PrintedLine(FULL, Box(108, 100, 460, 110), 10)
    assert read(PrintedLine("(b)", Box(72, 101, 84, 111), 10), text) == [(Kind.LIST_ITEM, f"(b) {FULL}")]


@pytest.mark.parametrize(
    ("text", "size", "bold", "level"),
    [
        ("Annual Report", 20, True, 1),
        ("Management discussion", 12, False, 2),
        ("Liquidity", 10, True, 3),
        ("TERM AND TERMINATION", 10, False, 2),
        ("2. Definitions", 10, True, 2),
        ("2.3 Delivery", 10, True, 3),
        ("ARTICLE IV REPRESENTATIONS", 10, True, 1),
        ("第三节 管理层讨论与分析", 12, True, 2),
    ],
)
def test_headings(text: str, size: float, bold: bool, level: int) -> None:
    """Large, bold or capital lines are headings; the number says the level first, the size second."""
    body = [line(FULL, 140 + 12 * i) for i in range(5)]
    blocks = read_plain([line(text, 100, size=size, bold=bold), *body], 0, 792)
    assert (blocks[0].kind, blocks[0].text, blocks[0].level) == (Kind.HEADING, text, level)
    assert [b.kind for b in blocks[1:]] == [Kind.TEXT]


def test_prose_is_no_heading() -> None:
    """A short sentence, a number alone and a bold word within a paragraph are none."""
    body = [line(FULL, 200 + 12 * i) for i in range(5)]
    for text in ("See Section 4.", "1,250", "therefore,"):
        assert read_plain([line(text, 150), *body], 0, 792)[0].kind is Kind.TEXT


@pytest.mark.parametrize("text", ["12", "- 3 -", "Page 4 of 20", "F-17", "page 9"])
def test_page_numbers_are_furniture(text: str) -> None:
    """A number alone at the foot or the head of the page is furniture; the same amid the text is not."""
    body = [line(FULL, 200 + 12 * i) for i in range(5)]
    foot = read_plain([*body, line(text, 750, x=300)], 0, 792)[-1]
    assert (foot.kind, foot.layer, foot.text) == (Kind.PAGE_NUMBER, Layer.FURNITURE, text)
    assert read_plain([line(text, 30, x=300), *body], 0, 792)[0].kind is Kind.PAGE_NUMBER
    amid = read_plain([line(FULL, 100), line(text, 150, x=300), *body], 0, 792)
    assert [b for b in amid if b.kind is Kind.PAGE_NUMBER] == []


def test_an_empty_page_has_no_blocks() -> None:
    """No lines, no blocks."""
    assert read_plain([], 0, 792) == ()


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("PART II", 1),
        ("Article 5 Price", 1),
        ("第一章 总则", 1),
        ("第二节 概述", 2),
        ("Section 12 Notices", 2),
        ("3. Price", 2),
        ("3.1 Price", 3),
        ("3.1.4.1.5 deep", 6),
        ("二、主要数据", 2),
        ("（三）其他", 3),
        ("IV. Results", 2),
        ("Particular matters", None),
        ("Price", None),
        ("2024 results", None),  # a year is no number of a heading
    ],
)
def test_numbering_depth(text: str, depth: int | None) -> None:
    """Western and Chinese numbering says how deep a heading is."""
    assert numbering_depth(text) == depth


def test_heading_level_without_number() -> None:
    """Half as large again as running text is level 1, a sixth larger 2, equal 3, in capitals 2."""
    assert [heading_level(t, size=s, body=10) for t, s in (("A b", 16), ("A b", 12), ("A b", 10), ("AB", 10))] == [
        1,
        2,
        3,
        2,
    ]


def letters(texts: Sequence[str]) -> Counter[str]:
    """How often each character stands there, blanks and hyphens not counted."""
    return Counter(c for t in texts for c in t if not c.isspace() and c not in "-\u00ad\u2010")


LINES = st.builds(
    lambda text, y, x, size, bold: line(text, y, x=x, size=size, bold=bold),
    st.sampled_from([FULL, "(a) item", "HEADING", "12", "word-", "next", "公司收入", "•", "End."]),
    st.floats(0, 780),
    st.floats(0, 500),
    st.sampled_from([8.0, 10.0, 10.0, 14.0]),
    bold=st.booleans(),
)


@given(st.lists(LINES, max_size=20))
def test_no_character_is_lost(lines: list[PrintedLine]) -> None:
    """Whatever stands where, every printed line is in exactly one block, and within its block's box."""
    blocks: tuple[Block, ...] = read_plain(lines, 4, 792)
    assert letters([b.text for b in blocks]) == letters([ln.text for ln in lines])
    for b in blocks:
        assert [r.page for r in b.regions] == [4]
        box = b.regions[0].box
        assert all(box.union(ln.region.box) == box for ln in b.lines)


def test_a_sample_page() -> None:
    """A page of the supply agreement: its clauses are items, its section titles headings, all of it there."""
    with pymupdf.open(ARCHIVE / "supply_agreement.pdf") as doc:
        lines = [ln for ln in lines_of(doc[3].get_text("dict")["blocks"]) if ln.text]
        blocks = read_plain(lines, 3, 792)
        words = doc[3].get_text("words")
    assert ("2. Term", 2) in [(b.text, b.level) for b in blocks if b.kind is Kind.HEADING]
    clause = next(b for b in blocks if b.text.startswith("2.2 The Buyer may extend"))
    assert clause.kind is Kind.LIST_ITEM
    assert "nine (9) months before the term would otherwise end." in clause.text
    assert letters([b.text for b in blocks]) == letters([w[4] for w in words])
