"""Numbers, years and dates in running text are read as people read them, in English and Chinese."""

from __future__ import annotations

from decimal import Decimal

import pytest

from paperlode.retrieval.amounts import Measure, amounts, plain_characters, said_scales
from paperlode.retrieval.periods import periods


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Revenue was $1,420 million, up from $1.26 billion.", ["1420000000", "1260000000"]),
        ("It fell by 12.5% to 1,234.56.", ["12.5", "1234.56"]),
        ("营业收入12.84亿元，员工3,900人，研发3,400万元", ["1284000000", "3900", "34000000"]),
        ("１，２３４元", ["1234"]),
        ("ninety days, three hundred and five, twenty-one", ["90", "305", "21"]),
        ("二十三家子公司，三千万元，百分之五", ["23", "30000000", "5"]),
        ("€5.5bn and £3m, USD 7k", ["5500000000", "3000000", "7000"]),
        ("12,34,567 and 1.234,56", ["1234567", "1234.56"]),
        ("220 basis points, 1.5 percentage points", ["2.2", "1.5"]),
        ("1.5x and (36.8%)", ["1.5", "36.8"]),
        ("one of the parties, 第一, 万一, 一般", []),
        ("3M, 10-K, COVID-19, 5G, clause 7.2.1, Rule 10b-5", []),
        ("in 2022 and FY21, December 31, 2020, Q3 2019, 2018-2020, 2017年6月30日", []),
        ("", []),
    ],
)
def test_numbers_in_full(text: str, values: list[str]) -> None:
    """With scale words and without what are names, ordinals, years and dates."""
    assert [a.value for a in amounts(text)] == [Decimal(v) for v in values]


@pytest.mark.parametrize(
    ("text", "negative"),
    [
        ("-5.3%", True),
        ("−$1,250", True),
        ("a loss of $(123) million", True),
        ("(4.2)%", True),
        ("ninety (90) days", False),
        ("a margin (36.8%)", False),
        ("5-10 days", False),
        ("收入为-12元", True),
    ],
)
def test_signs(text: str, negative: bool) -> None:
    """A minus or brackets, but not the dash of a range nor brackets that say a number again."""
    assert amounts(text)[-1].negative is negative


def test_what_stands_beside_a_number_is_kept() -> None:
    """Currency, measure, the step of the last place, and whether it has a scale word."""
    money, share, points = amounts("US$1.42 billion is 12.5% of it, 20 bps more")
    assert (money.currency, money.step, money.scaled, money.printed) == ("USD", Decimal("1E+7"), True, Decimal("1.42"))
    assert (share.measure, share.step) == (Measure.PERCENT, Decimal("0.1"))
    assert points.measure is Measure.POINTS


@pytest.mark.parametrize("text", ["$5 to 10 million", "$5, $7 and $10 million", "between 5 and 10 million"])
def test_a_list_shares_the_scale_of_its_last_number(text: str) -> None:
    """The 5 is in millions too."""
    first = amounts(text)[0]
    assert first.borrowed == (Decimal(5_000_000), Measure.NUMBER)


def test_a_scale_that_is_said_once_is_found() -> None:
    """In brackets, in words, and on a Chinese units line."""
    million = Decimal(10**6)
    assert said_scales("(in millions of dollars)") == {million}
    assert said_scales("1,577 (USD millions)") == {million}
    assert said_scales("单位：百万元") == {million}
    assert said_scales("($000)") == {Decimal(1000)}
    assert said_scales("millions of people") == frozenset()


def test_plain_characters_keep_their_places() -> None:
    """Offsets into the text stay true."""
    text = "－１，２３４．５％　（约）"
    assert len(plain_characters(text)) == len(text)
    assert plain_characters(text) == "-1,234.5% (约)"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("December 31, 2022", [(2022, None, 12, 31)]),
        ("31 December 2022 and 2021", [(2022, None, 12, 31), (2021, None, None, None)]),
        ("2022-12-31, 12/31/2021", [(2022, None, 12, 31), (2021, None, 12, 31)]),
        ("FY22, fiscal 2023", [(2022, None, None, None), (2023, None, None, None)]),
        (
            "Q2 2023, 2Q23, the third quarter of 2021",
            [(2023, 2, None, None), (2023, 2, None, None), (2021, 3, None, None)],
        ),
        ("2022年度 2021年6月30日 第三季度", [(2022, None, None, None), (2021, None, 6, 30), (None, 3, None, None)]),
        ("2018-20", [(2018, None, None, None), (2020, None, None, None)]),
        ("Years ended December 31, | 2022", [(2022, None, 12, 31)]),
        ("June 2023", [(2023, None, 6, None)]),
        ("$2,022 and 2022 million and 12022 and 2022.5", []),
    ],
)
def test_periods(text: str, found: list[tuple[int | None, int | None, int | None, int | None]]) -> None:
    """Year, quarter, month and day as far as they are said."""
    assert [(p.year, p.quarter, p.month, p.day) for p in periods(text)] == found
