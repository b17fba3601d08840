r"""What real weights of PaddleOCR-VL said, recorded by others, becomes text and tables without loss.

Tables: a live server with PaddleOCR-VL, noted in a public repository as "Real OCR raw grids", November 2026; long cells left out
where a row stands for others like it. Text: PaddleOCR-VL-1.6 (GGUF, llama.cpp), ``tests/fixtures/compat_cache.json`` and the
layout of ``tests/fixtures/golden/magazine.json`` in AIwork4me/PaddleOCR-VL-ROCm. References of what the model says, not truth.
"""

from __future__ import annotations

import pytest

from paperlode.ingest.parsing.otsl import parse_otsl, to_otsl
from paperlode.ingest.parsing.vl_outputs import clean_table, clean_text
from paperlode.ingest.vllm.loops import LoopWatch, cut_repeats

PAPER = (
    r"<fcel>Class<fcel>Pytheas<lcel><fcel>TIRS<lcel><fcel>SP_CRF<lcel><fcel>Heuristics<lcel><nl>"
    r"<ucel><fcel>P<fcel>R<fcel>P<fcel>R<fcel>P<fcel>R<fcel>P<fcel>R<nl>"
    r"<fcel>DATA<fcel>\(99.93\pm0.02\)<fcel>\(99.90\pm0.02\)<fcel>\(99.92\pm0.01\)<fcel>\(91.94\pm0.59\)"
    r"<fcel>\(99.27\pm0.11\)<fcel>\(99.80\pm0.09\)<fcel>\(99.03\pm0.13\)<fcel>\(99.89\pm0.01\)<nl>"
    r"<fcel>SUBHEADER<fcel>\(88.14\pm3.34\)<fcel>\(88.72\pm1.98\)<fcel>-<fcel>-<fcel>\(50.00\pm16.67\)<fcel>\(0.0\pm0.0\)"
    r"<fcel>-<fcel>-<nl>"
)
CODES = (
    "<fcel>CODE<fcel>SESSIONS COURTS<nl><fcel>51<fcel>Civil Proceedings by & against the Government<nl>"
    "<fcel>71<fcel>FIRST CLASS MAGISTRATES' COURTS<nl><ecel><fcel>Application for Execution<nl>"
    "<fcel>SECOND CLASS MAGISTRATES' COURTS<lcel><nl><fcel>91<fcel>Civil Summons by Government<nl>"
)
BANNER = (
    r"<fcel>astana hub<fcel>Internal regulatory document\nAstana Hub International Technopark of IT startups Corporate Fund"
    r"<fcel>Page 1<nl><fcel>REGISTRATION PROCEDURE FOR PARTICIPANTS OF ASTANA HUB INTERNATIONAL TECHNOLOGY PARK OF IT STARTUPS"
    r"<lcel><lcel><nl>"
)
INVOICE = (
    "<fcel>DATE / TIME<lcel><fcel>PAGE<fcel>CASH SALE NO.<lcel><fcel>USER<fcel>SALESMAN<nl>"
    "<fcel>NO<fcel>ITEM DESCRIPTION<lcel><lcel><fcel>QTY<fcel>UNIT PRICE<fcel>AMOUNT (RM)<nl>"
    "<fcel>1<fcel>VECTOR 16HX AI<lcel><lcel><fcel>1<fcel>14,500.00<fcel>14,500.00<nl>"
    "<ucel><ucel><xcel><xcel><fcel>1<fcel>14,500.00<ecel><nl><ucel><ucel><xcel><xcel><fcel>TOTAL<fcel>14,500.00<ecel><nl>"
)
TABLES = {"paper": PAPER, "codes": CODES, "banner": BANNER, "invoice": INVOICE}
TEXTS = (
    "六六七",
    "逐客不妨员外置，\n诗人例作水曹郎。\n只惭无补丝毫事，\n尚费官家压酒囊。",
    "Hold fast to dreams\nFor if dreams die\nLife is a broken-winged\nbird that cannot fly.",
    "3 | B2B 到 B2C 的轉型",
    "· 加大AI技術投資：建議將營收的15～20%投入數位轉型。",
    "2025.03 no.405 5",
)


@pytest.mark.parametrize("raw", TABLES.values(), ids=TABLES)
def test_no_cell_of_a_recorded_table_is_lost(raw: str) -> None:
    """Every text between tags stands in one cell, and the cells written as OTSL again are the recorded ones."""
    table = parse_otsl(raw + "\n")  # servers end an answer with a line end
    assert table is not None
    said = [piece.partition(">")[2] for piece in raw.split("<")]
    assert [c.text for c in sorted(table.cells, key=lambda c: (c.row, c.col)) if c.text] == [t for t in said if t]
    assert to_otsl(table) == raw


def test_a_header_of_two_rows_over_figures_in_latex() -> None:
    """Spans as printed; the rows of results are data though their figures are formulas."""
    table = parse_otsl(PAPER)
    assert table is not None
    assert table.header_rows == 2
    spans = {(c.row, c.col): (c.row_span, c.col_span) for c in table.cells if c.row_span * c.col_span > 1}
    assert spans == {(0, 0): (2, 1), (0, 1): (1, 2), (0, 3): (1, 2), (0, 5): (1, 2), (0, 7): (1, 2)}
    assert clean_table(table).grid()[2][:3] == ["DATA", r"$99.93\pm0.02$", r"$99.90\pm0.02$"]


def test_a_line_end_in_a_cell_is_one() -> None:
    r"""The model writes it as the two characters \n; LaTeX that begins with them stays."""
    table = parse_otsl(BANNER)
    assert table is not None
    text = "Internal regulatory document\nAstana Hub International Technopark of IT startups Corporate Fund"
    assert clean_table(table).grid()[0][1] == text
    latex = parse_otsl(r"<fcel>\(\nu_1\)<fcel>a \nabla b\nc<nl><fcel>x \neq y\nNext<fcel>\\name<nl>")
    assert latex is not None
    assert clean_table(latex).grid() == [[r"$\nu_1$", "a \\nabla b\nc"], ["x \\neq y\nNext", r"\\name"]]


def test_an_item_over_three_rows_stays_one_cell() -> None:
    """A number and a description beside three rows of amounts, the description also over three columns."""
    table = parse_otsl(INVOICE)
    assert table is not None
    assert {c.text: (c.row_span, c.col_span) for c in table.cells if c.row_span > 1} == {
        "1": (3, 1),
        "VECTOR 16HX AI": (3, 3),
    }


@pytest.mark.parametrize("text", TEXTS)
def test_recorded_text_stays_as_it_is(text: str) -> None:
    """Poems with refrains, dialogue, lists and numbers: nothing is cleaned away, and nothing is taken for a loop."""
    assert clean_text(text) == text
    assert cut_repeats(text, table=False)[0] == text
    assert LoopWatch().feed(text) is None


@pytest.mark.parametrize("raw", TABLES.values(), ids=TABLES)
def test_a_recorded_table_is_no_loop(raw: str) -> None:
    """Rows of the same form with other content."""
    assert LoopWatch().feed(raw) is None
    assert cut_repeats(raw, table=True)[0] == raw
