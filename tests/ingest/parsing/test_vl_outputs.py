"""What PaddleOCR-VL says of text, formulas, charts and places becomes structure; money stays, nothing raises."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlode.ingest.document import Box, Cell, Table
from paperlode.ingest.parsing.vl_outputs import (
    SpottedLine,
    clean_formula,
    clean_seal,
    clean_table,
    clean_text,
    parse_chart,
    parse_spotting,
)

PARTS = (
    r"\(",
    r"\)",
    r"\[",
    r"\]",
    "$",
    "$$",
    r"\$",
    "\\",
    r"\\",
    "5",
    "x^2",
    " ",
    "\n",
    r"\text{",
    "}",
    "|",
    "---",
    "a",
)
TAGS = (
    "<|TEXT_START|>",
    "<|TEXT_END|>",
    "<|LOC_BEGIN|>",
    "<|LOC_END|>",
    "<|LOC_7|>",
    "<|LOC_1000|>",
    "<|LOC_1001|>",
    "<|LOC_",
)
garbage = st.lists(st.sampled_from(PARTS), max_size=40).map("".join)
plain = st.text(st.sampled_from("ab 5$,.营\n"), max_size=12)
latex = st.text(st.sampled_from("xy^2+_{}"), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (r"costs $5 and \(x^2\)", "costs $5 and $x^2$"),
        ("$5 to $6", "$5 to $6"),
        (r"a \[ x = 1 \] b", "a $$x = 1$$ b"),
        (r"\[\[ x \]\]", "$$x$$"),
        (r"\[\( x \)\] y", "$$x$$ y"),
        (r"\( a \)\( b \)", "$a$ $b$"),
        (r"\(a\)5", "$a$ 5"),
        (r"costs $\(5\)", "costs $ $5$"),
        (r"\( \$5 \)", r"$\$5$"),
        (r"\( $x$ \)", "$x$"),
        (r"\( 5$ \)", r"$5\$$"),
        (r"\(x", r"\(x"),
        (r"x\) \(y\)", r"x\) $y$"),
        (r"\(a \(b\)", r"\(a $b$"),
        (r"\(\) x", "x"),
        (r"a \\(b\) c", r"a \\(b\) c"),
        ("one\r\ntwo\n\nthree ", "one\ntwo\n\nthree"),
        ("其中\\(x\\)为", "其中$x$为"),
        ("\\(a\n+ b\\)", "$a + b$"),
    ],
)
def test_text(said: str, text: str):
    """Delimiters become Markdown's; money, lines and delimiters without a partner stay."""
    assert clean_text(said) == text


@given(st.lists(st.tuples(plain, latex), max_size=6), plain)
def test_no_currency_sign_is_eaten(pairs: list[tuple[str, str]], rest: str):
    """Any text between any formulas: every ``$`` of the text is still there, plus two a formula; all else in order."""
    said = "".join(f"{t}\\({f}\\)" for t, f in pairs) + rest
    text = clean_text(said)
    assert text.count("$") == said.count("$") + 2 * len(pairs)
    without = re.sub(r"\\[()]|\s", "", said)
    assert re.sub(r"[$\s]", "", text) == without.replace("$", "")
    assert text.replace(" ", "") == _expected(pairs, rest).replace(" ", "")


def _expected(pairs: list[tuple[str, str]], rest: str) -> str:
    return ("".join(f"{t}${f}$" for t, f in pairs) + rest).strip()


@given(plain)
def test_text_without_formulas_is_untouched(text: str):
    """Nothing to clean: the same characters, outer whitespace aside."""
    assert clean_text(text) == text.strip()


@pytest.mark.parametrize(
    ("said", "formula"),
    [
        (r"\[ x^2 \tag{3.1} \]", r"x^2 \tag{3.1}"),
        (r"\[\[ x \]\]", "x"),
        (r"\( x \)", "x"),
        ("$$ x $$", "x"),
        ("$x$", "x"),
        ("x + 1", "x + 1"),
        (r"\[ a \\[2pt] b \]", r"a \\[2pt] b"),
        ("\\[a\\]\n\\[b\\]", "a \\\\\nb"),
        (r"\[ a \] (3)", "a (3)"),
        (r"\[ P = $5 \]", r"P = \$5"),
        (r"\[ P = \$5 \]", r"P = \$5"),
        (r"\[ \text{if $x$} \]", r"\text{if \(x\)}"),
        (r"\[ a", r"\[ a"),
        ("", ""),
    ],
)
def test_formula(said: str, formula: str):
    """LaTeX without its delimiters, with its tag, its line breaks and its money."""
    assert clean_formula(said) == formula


def test_seal_and_table():
    """A seal has no blank lines; LaTeX in cells becomes Markdown's."""
    assert clean_seal(" Acme Ltd. \n\n Registered ") == "Acme Ltd.\nRegistered"
    table = Table(1, 2, (Cell(0, 0, r"\(x\)"), Cell(0, 1, "$5")))
    assert [c.text for c in clean_table(table).cells] == ["$x$", "$5"]


def test_chart():
    """The first line is the header, a corner may be empty, a short row stays short."""
    table = parse_chart("Sales\n | 2022 | 2023\nNorth | $5 | 7%\nSouth | 6\nSource: us")
    assert table is not None
    assert (table.rows, table.cols, table.header_rows, table.caption) == (4, 3, 1, "Sales")
    assert table.grid() == [["", "2022", "2023"], ["North", "$5", "7%"], ["South", "6", ""], ["Source: us", "", ""]]


def test_chart_as_markdown():
    """Outer bars and the rule are no cells; dashes as data are."""
    table = parse_chart("| a | b |\n|---|:--:|\n| - | x\\|y |")
    assert table is not None
    assert table.grid() == [["a", "b"], ["-", "x|y"]]
    dashes = parse_chart("a | b\n- | -")
    assert dashes is not None
    assert dashes.grid() == [["a", "b"], ["-", "-"]]
    assert parse_chart("no bars") is None


def place(*numbers: int) -> str:
    return "<|LOC_BEGIN|>" + "".join(f"<|LOC_{n}|>" for n in numbers) + "<|LOC_END|>"


QUAD = (100, 200, 500, 200, 500, 250, 100, 250)
SPOT = ((20.0, 20.0), (100.0, 20.0), (100.0, 25.0), (20.0, 25.0))


def test_spotting():
    """Both forms, in the caller's units."""
    said = f"<|TEXT_START|>two\nlines<|TEXT_END|>{place(*QUAD)}" + "bare" + "".join(f"<|LOC_{n}|>" for n in QUAD) + "\n"
    lines = parse_spotting(said, width=200, height=100)
    assert lines == (SpottedLine("two\nlines", SPOT), SpottedLine("bare", SPOT))
    assert lines[0].box == Box(20, 20, 100, 25)
    assert SpottedLine("x").box is None


@pytest.mark.parametrize(
    "said",
    [
        f"<|TEXT_START|>a<|TEXT_END|>{place(1, 2, 3)}",
        f"<|TEXT_START|>a<|TEXT_END|>{place(*QUAD, *QUAD)}",
        f"<|TEXT_START|>a<|TEXT_END|>{place(*QUAD[:7], 1001)}",
        "<|TEXT_START|>a<|TEXT_END|><|LOC_BEGIN|><|LOC_END|>",
        "<|TEXT_START|>a",
        "a</s>",
    ],
)
def test_spotting_without_a_usable_place(said: str):
    """The text stays, without a place."""
    assert parse_spotting(said, width=1, height=1) == (SpottedLine("a"),)


def test_a_place_belongs_to_the_text_before_it():
    """An entry without a place does not take its neighbour's; a place without text is none."""
    said = f"<|TEXT_START|>a<|TEXT_END|><|TEXT_START|>b<|TEXT_END|>{place(*QUAD)}{place(*QUAD)}c\nd{place(*QUAD)}"
    assert parse_spotting(said, width=200, height=100) == (
        SpottedLine("a"),
        SpottedLine("b", SPOT),
        SpottedLine("c"),
        SpottedLine("d", SPOT),
    )


@given(garbage)
def test_garbage_raises_nowhere_and_keeps_its_words(text: str):
    """Delimiters, bars and dollars in any order."""
    for cleaned in (clean_text(text), clean_formula(text), clean_seal(text)):
        for word in ("5", "x^2", "a"):
            assert cleaned.count(word) >= text.count(word)
    table = parse_chart(text)
    if table is not None:
        assert all(c.row < table.rows and c.col < table.cols for c in table.cells)
        assert (table.caption + "".join(c.text for c in table.cells)).count("5") == text.count("5")


@given(st.lists(st.sampled_from([*TAGS, "a", "b c", "\n"]), max_size=40).map("".join))
def test_spotting_loses_no_text(text: str):
    """Tags and words in any order: every word is in a line, every quad inside the picture."""
    lines = parse_spotting(text, width=200, height=100)
    assert "".join(s.text for s in lines).count("a") == text.count("a")
    assert all(0 <= x <= 200 and 0 <= y <= 100 for s in lines if s.quad for x, y in s.quad)


@pytest.mark.parametrize("unit", [*PARTS, r"\(a", r"\[\(", r"\)\]", "$a", *TAGS, "<|TEXT_START|>a", "<|LOC_BEGIN|> "])
def test_time_is_linear(unit: str):
    """100,000 characters of the same in well under a second each."""
    text = (unit * 100_000)[:100_000]
    start = time.process_time()
    clean_text(text)
    clean_formula(text)
    parse_chart(text)
    parse_spotting(text, width=1, height=1)
    assert time.process_time() - start < 2
