"""Cells as numbers: every style reads back what it printed, and what is no number is None."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paperlode.ingest.numbers import LONGEST_NUMBER, decimal_mark, parse_number

EXAMPLES = settings(max_examples=150, deadline=None)
NUMBERS = st.tuples(st.integers(0, 10**12), st.integers(0, 4)).map(lambda x: Decimal(x[0]).scaleb(-x[1]))


def grouped(value: Decimal, between: str, mark: str, *, indian: bool = False) -> str:
    """The number with its thousands set apart."""
    whole, _, fraction = f"{value:f}".partition(".")
    head, tail = (whole[:-3], whole[-3:]) if len(whole) > 3 else ("", whole)
    size = 2 if indian else 3
    parts = [tail]
    while head:
        parts.insert(0, head[-size:])
        head = head[:-size]
    return between.join(parts) + (mark + fraction if fraction else "")


def value_of(text: str, decimal: str = "") -> Decimal | None:
    number = parse_number(text, decimal=decimal, years=True)
    return None if number is None else number.value


@EXAMPLES
@given(NUMBERS, st.sampled_from([",", "'", "’", "\u00a0", " "]))
def test_english_and_swiss_read_back(value: Decimal, between: str) -> None:
    """A number printed with a decimal point and any mark between thousands is read as that number."""
    assert value_of(grouped(value, between, "."), "" if between != "," else ".") == value


@EXAMPLES
@given(NUMBERS, st.sampled_from([".", " ", "\u202f", "'"]))
def test_european_reads_back_when_the_table_says_so(value: Decimal, between: str) -> None:
    """With a decimal comma proven by the table, 1.234 and 1.234,5 are read as printed."""
    assert value_of(grouped(value, between, ","), ",") == value


@EXAMPLES
@given(NUMBERS)
def test_indian_groups_read_back(value: Decimal) -> None:
    """Groups of two after the first of three are read."""
    assert value_of(grouped(value, ",", ".", indian=True), ".") == value


@EXAMPLES
@given(NUMBERS, st.sampled_from(["({})", "-{}", "−{}", "{}-", "($ {})", "$ ({})", "-${}", "({})%", "{}-%"]))
def test_negatives_read_back(value: Decimal, style: str) -> None:
    """Brackets and minus signs before or after make the number negative."""
    assert value_of(style.format(grouped(value, ",", ".")), ".") == -value


@EXAMPLES
@given(st.decimals(0, 10**6, places=2), st.sampled_from([("万元", 4), ("亿", 8), ("百万元", 6), (" million", 6)]))
def test_multipliers_in_the_cell_count(value: Decimal, printed: tuple[str, int]) -> None:
    """3.2亿 is 320,000,000, and its last place is known."""
    word, power = printed
    number = parse_number(f"{value:,f}{word}", years=True)
    assert number is not None
    assert number.value == value.scaleb(power)
    assert number.step == Decimal(1).scaleb(power - 2)
    assert number.multiplier == Decimal(1).scaleb(power)


@pytest.mark.parametrize("text", ["—", "-", "$ —", "– %", "(-)"])
def test_a_lone_dash_is_nil(text: str) -> None:
    """A dash stands for nothing: 0, marked as nil."""
    number = parse_number(text)
    assert number is not None
    assert number.nil
    assert number.value == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234 (1)", "1234"),
        ("1,234*", "1234"),
        ("1,234²", "1234"),
        ("(1)", "-1"),
        ("$ 12 (a)(b)", "12"),
        ("7.5 [3]", "7.5"),
    ],
)
def test_footnote_marks_are_no_part_of_the_number(text: str, value: str) -> None:
    """Marks after the figure are left off; a number in brackets alone is negative and no mark."""
    assert value_of(text) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "currency", "percent", "unit"),
    [
        ("US$ 5", "USD", False, ""),
        ("€5m", "EUR", False, ""),
        ("人民币 1,234 元", "CNY", False, ""),
        ("5 kr", "", False, ""),
        ("１２．５％", "", True, ""),
        ("12 bps", "", False, "bps"),
        ("3.5x", "", False, "x"),
        ("CHF 1'234.50", "CHF", False, ""),
    ],
)
def test_marks_around_the_number(text: str, currency: str, percent: bool, unit: str) -> None:
    """Currency, percent and unit are told apart from the value; an unknown word makes it no number."""
    number = parse_number(text)
    if text == "5 kr":
        assert number is None
        return
    assert number is not None
    assert (number.currency, number.percent, number.unit) == (currency, percent, unit)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "2022",
            "FY2022",
            "10-15",
            "10–15",
            "10 to 15",
            "12/31/2022",
            "31.12.2022",
            "2022-12-31",
            "<5",
            "n/a",
            "104 (234)",
        ),
        *(
            "12,345,67",
            "1,23,4",
            "Q4",
            "5 m",
            "10⁻³",
            "234)",
            "((5))",
            "-(5)",
            "+-5",
            "\\(99.9\\pm0.1\\)",
            "1.2.3",
            "٪",
            "1,234 5,678",
        ),
    ],
)
def test_no_number(text: str) -> None:
    """Ranges, dates, bare years, comparisons, two figures and broken groups are not read as a number."""
    assert parse_number(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("\\(12.5\\)", "12.5"),
        ("$\\mathbf{4.1}$", "4.1"),
        ("\\(1{,}234\\)", "1234"),
        ("\\(12.5\\%\\)", "12.5"),
        ("\\(-3^{*}\\)", "-3"),
    ],
)
def test_latex_cells(text: str, value: str) -> None:
    """A cell that is a formula of one number is that number."""
    assert value_of(text) == Decimal(value)


def test_what_is_ambiguous_is_read_as_english_unless_the_table_says_otherwise() -> None:
    """1,234 and 1.234 depend on the table; 12,5 and 1.234,5 do not."""
    assert (value_of("1,234"), value_of("1.234")) == (Decimal(1234), Decimal("1.234"))
    assert (value_of("1,234", ","), value_of("1.234", ",")) == (Decimal("1.234"), Decimal(1234))
    assert (value_of("12,5"), value_of("1.234,5")) == (Decimal("12.5"), Decimal("1234.5"))
    assert value_of("100 121", ".") is None


def test_decimal_mark_is_proven_or_unknown() -> None:
    """One cell can prove the mark; cells that contradict each other prove none."""
    assert decimal_mark(["1.234", "12,5"]) == ","
    assert decimal_mark(["1,234.5", "7"]) == "."
    assert decimal_mark(["1,234,567"]) == "."
    assert decimal_mark(["1,234", "5"]) == ""
    assert decimal_mark(["12,5", "12.5"]) == ""


@EXAMPLES
@given(st.text(max_size=80))
def test_any_text_is_read_without_error(text: str) -> None:
    """No text raises, and a long one is no number."""
    parse_number(text)
    decimal_mark([text])
    assert parse_number("1" * (LONGEST_NUMBER + 1)) is None
