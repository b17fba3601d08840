"""The layout engine's boxes become blocks and tables; no line of the page is lost and no word is cut."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlode.ingest.document import Block, Box, Kind, Layer, Table
from paperlode.ingest.parsing.engine import _Area, _assign, _place, enlargement, read_layout
from paperlode.ingest.parsing.grid import _placed
from paperlode.ingest.parsing.lines import PrintedLine, clean

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
TRUTH: dict[str, Any] = json.loads((SAMPLES / "truth.json").read_text(encoding="utf-8"))
HEADER = ["Item", "Quantity", "Unit price", "Amount"]
ROWS = [
    ["Gear housing", "75", "5,105.00", "382,875.00"],
    ["Propeller blade", "256", "2,315.00", "592,640.00"],
    ["Bearing cap", "1,200", "48.50", "58,200.00"],
    ["Valve body", "90", "(310.25)", "(27,922.50)"],
]
SENTENCE = "The prices below are in euros and hold for the whole of the contract year."


def page_with_table(*, ruled: bool) -> pymupdf.Page:
    """Prose, a table of five rows and four columns, prose."""
    page = pymupdf.open().new_page()
    for i in range(6):
        page.insert_text((72, 80 + 14 * i), SENTENCE, fontsize=10)
        page.insert_text((72, 340 + 14 * i), SENTENCE, fontsize=10)
    xs = [72, 200, 290, 390, 520]
    for r, row in enumerate([HEADER, *ROWS]):
        y = 200 + 20 * r
        for c, text in enumerate(row):
            width = pymupdf.get_text_length(text, fontsize=10)
            x = xs[c] + 4 if c == 0 else xs[c + 1] - 4 - width
            page.insert_text((x, y + 14), text, fontsize=10, fontname="hebo" if r == 0 else "helv")
    if ruled:
        for y in range(200, 301, 20):
            page.draw_line((72, y), (520, y), width=0.5)
        for x in xs:
            page.draw_line((x, 200), (x, 300), width=0.5)
    return page


@lru_cache
def sample(name: str, page: int) -> tuple[Block, ...]:
    """A sample page's blocks."""
    with pymupdf.open(SAMPLES / "archive" / f"{name}.pdf") as doc:
        return read_layout(doc[page], page)


def content(blocks: tuple[Block, ...]) -> str:
    """All that the blocks say, without the marks that part a table's cells; formulas' LaTeX as characters again."""
    return " ".join(
        " ".join(c.text for c in b.table.cells) if b.table else spoken(b.text) if b.kind is Kind.FORMULA else b.text
        for b in blocks
    )


SIGNS = {"rho": "ρ", "varphi": "φ", "delta": "δ", "theta": "θ", "infty": "∞", "int": "∫", "sum": "∑"}


def spoken(latex: str) -> str:
    """The characters that stand on the page for the LaTeX: commands of form go, those of signs become the sign."""
    latex = re.sub(r"\\(?:frac|sqrt|mathrm|qquad|gathered)|[_^{}]", " ", latex).replace("-", "−")
    return re.sub(r"\\([a-z]+)", lambda m: SIGNS[m.group(1)], latex)


def letters(text: str) -> Counter[str]:
    """How often each character stands there, blanks and hyphens not counted."""
    return Counter(c for c in clean(text) if not c.isspace() and c not in "-\u00ad\u2010")


@pytest.mark.parametrize("ruled", [True, False])
def test_a_table_comes_out_with_its_cells(*, ruled: bool) -> None:
    """Ruled or not, the table's cells are where they stand, and the prose around it is text."""
    blocks = read_layout(page_with_table(ruled=ruled), 4)
    (block,) = [b for b in blocks if b.kind is Kind.TABLE]
    assert block.table is not None
    assert block.table.grid() == [HEADER, *ROWS]
    assert block.text == block.table.to_text()
    prose = " ".join(b.text for b in blocks if b.kind is not Kind.TABLE)
    assert prose.count(SENTENCE) == 12
    at = [b.kind is Kind.TABLE for b in blocks].index(True)
    assert 0 < at < len(blocks) - 1
    for cell in block.table.cells:
        assert cell.region is not None
        assert cell.region.page == 4
    dozen = next(c for c in block.table.cells if c.text == "1,200")
    assert dozen.region is not None
    assert dozen.region.box.overlap(Box(262, 265, 286, 276)) > 0.9 * 24 * 11


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("supply_agreement", 11),
        ("annual_report", 3),
        ("annual_report", 4),
        ("paper_two_columns", 0),
        ("paper_two_columns", 1),
    ],
)
def test_no_character_of_the_page_is_dropped(name: str, page: int) -> None:
    """Every character that the page's text layer holds stands in exactly one block."""
    with pymupdf.open(SAMPLES / "archive" / f"{name}.pdf") as doc:
        words = " ".join(w[4] for w in doc[page].get_text("words"))
    got = letters(content(sample(name, page)))
    assert letters(words) - got == Counter()
    assert got - letters(words) == Counter()


def test_tiny_type_is_read_as_if_it_were_of_usual_size() -> None:
    """A page shrunk to a stamp gives the same blocks as the page itself, at its own places and sizes."""
    full = page_with_table(ruled=True)
    assert enlargement(full) == 1.0
    small = pymupdf.open().new_page(width=full.rect.width / 4, height=full.rect.height / 4)
    small.show_pdf_page(small.rect, full.parent, 0)
    assert enlargement(small) > 3
    blocks = read_layout(small, 0)
    assert [b.kind for b in blocks] == [b.kind for b in read_layout(full, 0)]
    (table,) = [b.table for b in blocks if b.table]
    assert table.grid() == [HEADER, *ROWS]
    assert all(b.regions[0].box.y1 <= small.rect.height for b in blocks)
    assert {round(b.size, 1) for b in blocks if b.size} == {2.5}


def test_cells_of_the_samples_tables() -> None:
    """The statements' figures stand in one row with their item, in the order of the columns."""
    (table,) = [b.table for b in sample("annual_report", 3) if b.table]
    rows = [table.row_text(r) for r in range(table.rows)]
    assert any(r.endswith("Segment operating income | (0.8) | 6.7 | 5.9 | (3.8) | (2.7) | (6.5)") for r in rows)
    truth = {c["text"] for t in TRUTH["tables"] if t["pages"] == [11] for c in t["cells"]}
    tables = [b.table for b in sample("supply_agreement", 11) if b.table]
    got = {c.text for t in tables for c in t.cells}
    assert len(truth & got) / len(truth) > 0.9


def test_two_columns_are_read_one_after_the_other() -> None:
    """The left column's sentence runs on in the left column; a formula and a caption are what they are."""
    blocks = sample("paper_two_columns", 0)
    text = " ".join(b.text for b in blocks)
    assert "with a root mean square error of 0.21 mm" in text
    left = [i for i, b in enumerate(blocks) if b.layer is Layer.BODY and b.regions[0].box.x1 < 306]
    right = [i for i, b in enumerate(blocks) if b.layer is Layer.BODY and b.regions[0].box.x0 > 306]
    assert max(left) < min(right)
    assert any(b.kind is Kind.FORMULA for b in blocks)
    assert any(b.kind is Kind.CAPTION for b in sample("paper_two_columns", 1))
    assert any(b.kind in (Kind.HEADING, Kind.TITLE) and b.level for b in blocks)


def test_evidence_boxes_of_digital_samples_are_covered() -> None:
    """Where the truth says that a sentence stands, a block stands that holds its words."""
    for question in TRUTH["questions"]:
        for e in question["evidence"]:
            if (e["doc"], e["page"]) not in {("annual_report", 4), ("paper_two_columns", 1)} or "\\" in e["text"]:
                continue
            box = Box(*e["box"])
            touching = [b for b in sample(e["doc"], e["page"]) if any(r.box.overlap(box) for r in b.regions)]
            found = letters(" ".join(b.text for b in touching))
            assert letters(e["text"]) - found == Counter(), e["text"]


def test_confidence_is_asked_for_when_given() -> None:
    """On a page whose text we wrote ourselves every block carries what the recognition was sure of."""
    blocks = read_layout(page_with_table(ruled=True), 0, confidence=lambda _: 0.75)
    assert {b.confidence for b in blocks if b.text} == {0.75}
    assert {b.confidence for b in sample("annual_report", 3)} == {None}


def test_an_empty_page_has_no_blocks() -> None:
    """Nothing on the page, no blocks."""
    assert read_layout(pymupdf.open().new_page(), 0) == ()


# ------------------------------------------------------------------------------------------------- lines and areas


def line(text: str, x0: float, y0: float, x1: float) -> PrintedLine:
    """A line of ten points."""
    return PrintedLine(text, Box(x0, y0, x1, y0 + 10), 10)


def test_lines_that_no_area_covers_become_text_at_their_height() -> None:
    """Strays next to each other are one block, placed before what stands below them in their column."""
    areas = [_Area("text", Box(72, 100, 300, 120)), _Area("text", Box(72, 300, 300, 320))]
    lines = [
        line("in", 72, 105, 300),
        line("stray", 72, 200, 300),
        line("on", 72, 212, 300),
        line("in too", 72, 305, 300),
        line("far away", 72, 600, 300),
    ]
    strays = _assign(lines, areas)
    assert [[ln.text for ln in s.lines] for s in strays] == [["stray", "on"], ["far away"]]
    assert [[ln.text for ln in a.lines] for a in areas] == [["in"], ["in too"]]
    assert [_place(s, areas) for s in strays] == [1, 2]


BOXES = st.builds(lambda x, y, w, h: Box(x, y, x + w, y + h), *[st.floats(0, 400)] * 2, *[st.floats(3, 200)] * 2)


@given(st.lists(BOXES, max_size=6), st.lists(st.tuples(st.floats(0, 400), st.floats(0, 400)), max_size=12))
def test_every_line_is_in_exactly_one_area(boxes: list[Box], places: list[tuple[float, float]]) -> None:
    """However the engine's boxes lie, no line is lost and none is read twice."""
    areas = [_Area("text", b) for b in boxes]
    lines = [line(str(i), x, y, x + 50) for i, (x, y) in enumerate(places)]
    for stray in _assign(lines, areas):
        areas.insert(_place(stray, areas), stray)
    assert sorted(int(ln.text) for a in areas for ln in a.lines) == list(range(len(lines)))


def raw_line(text: str, x: float, y: float) -> dict[str, Any]:
    """A line as ``rawdict`` has it: five points a character."""
    chars = [{"c": c, "bbox": (x + 5 * i, y, x + 5 * i + 5, y + 10)} for i, c in enumerate(text)]
    return {"spans": [{"size": 10.0, "chars": chars}]}


@given(
    st.lists(st.text("ab1", min_size=1, max_size=8), min_size=1, max_size=6),
    st.lists(st.floats(1, 299), max_size=5, unique=True),
    st.lists(st.floats(1, 39), max_size=2, unique=True),
)
def test_a_word_is_never_cut_by_a_grid_line(words: list[str], inner_x: list[float], inner_y: list[float]) -> None:
    """Wherever the grid's lines fall, every word is whole in one cell, and all words are there in order."""
    xs, ys = [0, *sorted(inner_x), 300], [0, *sorted(inner_y), 40]
    placed = _placed(raw_line(" ".join(words), 10, 15), [Box(0, 0, 300, 40)], xs, ys)
    assert [w.strip() for _, w in placed] == words
    table = Table(len(ys) - 1, len(xs) - 1, ())
    assert all(0 <= r < table.rows and 0 <= c < table.cols for (r, c), _ in placed)


def test_a_word_goes_where_most_of_it_stands() -> None:
    """Three characters left of the line and two right of it: left. Text of other areas is not taken."""
    assert _placed(raw_line("abcde", 10, 0), [Box(0, 0, 99, 20)], [0, 25, 99], [0, 20]) == [((0, 0), "abcde")]
    assert _placed(raw_line("abcde", 10, 0), [Box(0, 0, 99, 20)], [0, 20, 99], [0, 20]) == [((0, 1), "abcde")]
    assert _placed(raw_line("abcde", 10, 0), [Box(0, 50, 99, 70)], [0, 20, 99], [0, 20]) == []


def test_characters_far_apart_are_two_words() -> None:
    """A gap without a blank character parts words: cells of a row set as one line stay apart."""
    left, right = raw_line("12", 10, 0), raw_line("34", 40, 0)
    both = {"spans": left["spans"] + right["spans"]}
    got = _placed(both, [Box(0, 0, 99, 20)], [0, 30, 99], [0, 20])
    assert got == [((0, 0), "12"), ((0, 1), "34")]
