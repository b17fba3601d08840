"""Chinese, however it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from paperlode.retrieval import chinese
from paperlode.retrieval.chinese import clauses, numerals, simplified

TABLE = Path(chinese.__file__).parent / "data" / "simplified.txt"


def test_traditional_becomes_simplified():
    """Character by character; what is simplified, Latin or a figure stays."""
    assert simplified("營業收入與淨利潤 Q1 2023") == "营业收入与净利润 Q1 2023"
    assert simplified("营业收入") == "营业收入"


def test_the_table_is_of_pairs_that_do_not_chain():
    """A character to another, each once, in one step: what is simplified twice is as after the first time."""
    pairs = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert len(pairs) > 2900
    assert all(len(p) == 2 and p[0] != p[1] for p in pairs)
    assert len({p[0] for p in pairs}) == len(pairs)
    once = simplified("".join(p[0] for p in pairs))
    assert simplified(once) == once


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("二零二三年十月一日", ["2023"]),
        ("二〇二三年", ["2023"]),
        ("三十日内", ["30"]),
        ("十五个工作日", ["15"]),
        ("一百五十日", ["150"]),
        ("两千零八十元", ["2080"]),
        ("百分之五十", ["50"]),
        ("三万五千元", []),
        ("十二万元", []),
        ("三千万元", []),
        ("十分重要，一二三四", []),
        ("第三百零五条", ["305"]),
    ],
)
def test_figures_in_words(text, values):
    """Years digit by digit, and numbers below ten thousand; larger ones, single digits and words are none."""
    assert list(numerals(text)) == values


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("依照第十条第（三）项、第5章", ["第10条", "第5章"]),
        ("第一百零二條", ["第102条"]),
        ("第12条第2款", ["第12条", "第2款"]),
        ("第二零条", ["第20条"]),
        ("第三方、第一次、次第", []),
    ],
)
def test_clauses_by_number(text, named):
    """In words or in digits, traditional or simplified; what is not a clause is none."""
    assert list(clauses(text)) == named
