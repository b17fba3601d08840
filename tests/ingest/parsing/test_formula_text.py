"""A digital formula's characters become LaTeX where their places say enough, and stay characters where they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pymupdf
import pytest

from paperlode.ingest.document import Box, Kind
from paperlode.ingest.parsing.engine import read_layout
from paperlode.ingest.parsing.formula_glyphs import Glyph, roots_in
from paperlode.ingest.parsing.formula_signs import latex_of
from paperlode.ingest.parsing.formula_text import formula_latex, is_wordy, may_be_formula

SAMPLES = Path(__file__).resolve().parents[3] / "samples" / "archive"


def glyph(char: str, x: float, y: float = 100.0, size: float = 10.0, *, bold: bool = False) -> Glyph:
    """A character of half its size in width, set in italics when it is a letter."""
    return Glyph(
        char, Box(x, y - 0.7 * size, x + 0.5 * size, y), y, size, italic=char.isalpha() and not bold, bold=bold
    )


def row(text: str, x: float = 0.0, y: float = 100.0, size: float = 10.0) -> list[Glyph]:
    """Characters side by side; a blank leaves its room."""
    return [glyph(c, x + 0.6 * size * i, y, size) for i, c in enumerate(text) if c != " "]


def test_scripts_by_size_and_baseline() -> None:
    """Small characters over the baseline are superscripts, under it subscripts, both at one base."""
    glyphs = [*row("x", 0), glyph("2", 6, 95, 7), glyph("i", 6, 103, 7), *row("+α", 12)]
    assert formula_latex(glyphs, []) == "x_{i}^{2}+\\alpha"


def test_a_fraction_by_its_rule() -> None:
    """What stands over and under a rule is numerator and denominator; a fraction in a fraction comes first."""
    inner = [glyph("a", 32, 80), glyph("b", 32, 94)]
    outer = [*row("1+", 14, 86), glyph("c", 25, 112)]
    rules = [Box(31, 83, 38, 83.5), Box(12, 99, 40, 99.5)]
    assert formula_latex([*row("y=", 0, 102), *inner, *outer], rules) == "y=\\frac{1+\\frac{a}{b}}{c}"


def test_limits_of_tall_signs() -> None:
    """Small characters over and under a sum are its limits, also where the sign hangs from its origin as in TeX fonts."""
    sign = Glyph("∑", Box(0, 90, 10, 105), 90, 10)
    glyphs = [sign, *row("i=1", -1, 113, 7), glyph("n", 3, 87, 7), *row("i", 14)]
    assert formula_latex(glyphs, []) == "\\sum_{i=1}^{n}i"


def test_rows_and_numbers() -> None:
    """Rows under each other are gathered, and an equation's number stands apart at the end of its row."""
    glyphs = [*row("a=b", 0, 100), *row("(2)", 200, 100), *row("c=d", 0, 130)]
    assert formula_latex(glyphs, []) == "\\begin{gathered}\na=b \\qquad (2) \\\\\nc=d\n\\end{gathered}"


def test_words_and_functions() -> None:
    """Upright letters that touch are one word; names that LaTeX knows are its commands."""
    upright = [replace(g, italic=False) for g in (*row("sin", 0, size=10), *row("max", 60))]
    close = [replace(g, box=Box(g.box.x0, g.box.y0, g.box.x0 + 5.5, g.box.y1)) for g in upright]
    assert formula_latex([*close[:3], *row("x", 22), *row("=", 40), *close[3:]], []) == "\\sin x=\\max"


@pytest.mark.parametrize(
    "glyphs",
    [
        [*row("x="), glyph("\ue001", 20)],  # an unmapped glyph
        [*row("x="), glyph("a", 14), glyph("b", 15)],  # one upon the other
        [*row("x=1"), glyph("2", 20, 94)],  # full size and off the baseline: neither row nor script
        [*row("x="), glyph("⎛", 20)],  # a piece of a bracket
        [],
    ],
)
def test_none_when_unsure(glyphs: list[Glyph]) -> None:
    """What cannot be told gives no LaTeX at all."""
    assert formula_latex(glyphs, []) is None


def test_an_overline_is_not_lost() -> None:
    """A rule over a letter that parts nothing would be lost: no LaTeX."""
    assert formula_latex(row("x=1"), [Box(0, 91.5, 5, 92)]) is None


def test_signs() -> None:
    """Alphabets of Unicode and of TeX's fonts are told; specials are escaped."""
    assert latex_of("𝔼", italic=False, bold=False, font="") == "\\mathbb{E}"
    assert latex_of("L", italic=True, bold=False, font="CMSY10") == "\\mathcal{L}"
    assert latex_of("𝛼", italic=False, bold=False, font="") == "\\alpha"
    assert latex_of("B", italic=False, bold=True, font="Times-Bold") == "\\mathbf{B}"
    assert latex_of("%", italic=False, bold=False, font="") == "\\%"
    assert latex_of("\ufffd", italic=False, bold=False, font="") is None


def test_what_may_be_a_formula() -> None:
    """A relation and letters without words may be one; prose, prices and a row of check boxes are none."""
    assert may_be_formula("2 5.281, 3, 0.152 v p χ = = =")
    assert not may_be_formula("Revenue = price times volume")
    assert not may_be_formula("1 = 2")
    assert is_wordy("Large accelerated filer ☒ Smaller reporting company ☐")
    assert not is_wordy("max sin log x = y")


def test_drawn_roots() -> None:
    """A root drawn as lines is a root; a curve drawn in the formula makes it unsure."""
    page = pymupdf.open().new_page()
    page.draw_polyline([(10, 100), (12, 99), (14, 106), (18, 92), (60, 92)])
    found = roots_in(Box(5, 85, 70, 110), page.get_drawings())
    assert found is not None
    signs, rules = found
    glyphs = [*row("y=", -20, 104), *signs, *row("a+b", 22, 104)]
    assert formula_latex(glyphs, rules) == "y=\\sqrt{a+b}"
    page.draw_bezier((10, 100), (20, 80), (30, 120), (40, 100))
    assert roots_in(Box(5, 85, 70, 110), page.get_drawings()) is None


def test_formulas_of_a_paper() -> None:
    """All numbered equations of a sample paper come out as they are printed."""
    with pymupdf.open(SAMPLES / "paper_two_columns.pdf") as doc:
        found = [b.text for page in doc for b in read_layout(page, page.number or 0) if b.kind is Kind.FORMULA]
    assert "s(t)=\\sqrt{\\delta^{2}+2Kt}-\\delta. \\qquad (4)" in found
    assert any(f.startswith("\\theta_{m}=\\frac{1}{L}\\int_{0}^{L}\\theta(x,t)") for f in found)
    assert sorted(f[-3:] for f in found) == [f"({n})" for n in range(1, 8)]
