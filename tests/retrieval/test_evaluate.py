"""Metrics of ranked and cited pages, intervals, comparisons, and what counts as the expected answer."""

import math

import pytest

from paperlode.retrieval.answer_marks import answer_metrics
from paperlode.retrieval.evaluate import (
    Ranked,
    citation_metrics,
    compare,
    document_metrics,
    estimate,
    page_metrics,
    rank_of,
    sign_test,
)

EVIDENCE = frozenset({("a", 4), ("a", 5)})


def ranked(*items):
    """Items of a document and its pages."""
    return [Ranked(document, pages) for document, *pages in items for pages in [tuple(pages)]]


def test_a_page_is_right_with_its_document():
    """The page of another document, or another page, is not; a chunk over two pages counts for both."""
    found = ranked(("b", 4), ("a", 3), ("a", 5, 6), ("a", 4))
    assert page_metrics(EVIDENCE, found) == {
        "hit@1": 0.0, "hit@3": 1.0, "hit@5": 1.0, "hit@10": 1.0, "MRR@10": 1 / 3, "all pages@10": 1.0,
    }  # fmt: skip
    assert page_metrics(EVIDENCE, found[:3])["all pages@10"] == 0.5
    assert rank_of(EVIDENCE, found) == 3
    assert document_metrics("a", found) == {"right document@1": 0.0}
    assert document_metrics("b", found) == {"right document@1": 1.0}


def test_what_comes_after_ten_counts_nothing():
    """Though its rank is known."""
    found = ranked(*[("b", n) for n in range(10)], ("a", 4))
    assert set(page_metrics(EVIDENCE, found).values()) == {0.0}
    assert rank_of(EVIDENCE, found) == 11


def test_nothing_found_scores_nothing():
    """Neither pages nor the document, and there is no rank."""
    assert set(page_metrics(EVIDENCE, []).values()) == {0.0}
    assert document_metrics("a", []) == {"right document@1": 0.0}
    assert rank_of(EVIDENCE, []) is None


def test_citations_have_precision_and_recall():
    """Of three citations two stand on evidence pages; one of two evidence pages is cited. Without any there is no precision."""
    cited = [frozenset({("a", 4)}), frozenset({("a", 4), ("a", 3)}), frozenset({("b", 5)})]
    assert citation_metrics(EVIDENCE, cited) == {"citation precision": 2 / 3, "citation recall": 0.5}
    assert citation_metrics(EVIDENCE, []) == {"citation recall": 0.0}


def test_an_interval_is_the_same_for_the_same_seed_and_narrower_for_more_questions():
    """And lies about the mean: for shares as the normal approximation has it."""
    few, many = [1.0, 0.0] * 20, [1.0, 0.0] * 500
    varied = [n / 100 for n in range(100)]
    assert estimate("m", varied) == estimate("m", varied) != estimate("m", varied, seed=1)
    e = estimate("m", many)
    half = 1.96 * math.sqrt(0.25 / 1000)
    assert (e.value, e.n) == (0.5, 1000)
    assert e.low == pytest.approx(0.5 - half, abs=0.005)
    assert e.high == pytest.approx(0.5 + half, abs=0.005)
    assert estimate("m", few).high - estimate("m", few).low > 4 * (e.high - e.low)


def test_all_right_is_not_certain():
    """Ten of ten leave room for a share of 0.69, the exact binomial bound; none of ten for 0.31."""
    assert estimate("m", [1.0] * 10).low == pytest.approx(0.6915, abs=1e-4)
    assert estimate("m", [0.0] * 10).high == pytest.approx(0.3085, abs=1e-4)
    assert (estimate("m", [1.0] * 10).high, estimate("m", [0.0] * 10).low) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("better", "worse", "p"), [(0, 0, 1.0), (5, 0, 0.0625), (3, 3, 1.0), (9, 1, 0.021484375), (1, 9, 0.021484375)]
)
def test_the_sign_test_is_exact(better, worse, p):
    """Two-sided, ties left out."""
    assert sign_test(better, worse) == pytest.approx(p)


def test_the_sign_test_does_not_overflow():
    """With as many questions as anybody has."""
    assert 0 < sign_test(40_000, 41_000) < 0.001


def test_two_runs_are_compared_on_the_questions_both_have():
    """Paired: a small difference that is always there is told from chance, which two separate intervals would not."""
    a = {f"q{n}": n / 100 for n in range(50)} | {"only a": 1.0}
    b = {f"q{n}": n / 100 - 0.01 for n in range(50)} | {"only b": 1.0}
    c = compare("m", a, b)
    assert c is not None
    assert (c.n, c.better, c.worse) == (50, 50, 0)
    assert c.difference == pytest.approx(0.01)
    assert (c.low, c.high) == (pytest.approx(0.01), pytest.approx(0.01))
    assert c.p < 1e-10
    assert compare("m", {"x": 1.0}, {"y": 1.0}) is None


RIGHT = [
    ("What was the tax rate in 2021?", "23.1% in 2021", "The effective rate was 23.1 %. [1]"),
    ("What was capex in USD millions?", "$1577.00", "Capex was $1,577 million. [1]"),
    ("What was capex in FY2018?", "$1,577 million", "Purchases: 2018 1,577; 2017 1,373 (in millions) [1]"),
    ("What was capex?", "$1.58 billion", "Capex was $1,577 million [1]"),
    ("Within what time?", "Within ninety minutes.", "The Contractor shall respond within 90 minutes. [1]"),
    ("What was the result?", "(5.0) million", "The net loss was $5 million. [1]"),
    ("When does it end?", "March 31, 2025", "It ends on March 31, 2025 [1]."),
    ("净利润是多少？", "1.2亿元", "净利润，2023年：12,000 万元 [1]"),
    ("What does it say?", 'It says "as is".', 'The goods are sold "as is". [1]'),
]
WRONG = [
    ("What was the tax rate in 2021?", "23.1%", "2020: 23.1 % [1]"),
    ("What was capex in FY2017?", "$1,577 million", "Purchases: 2018 1,577; 2017 1,373 (in millions) [1]"),
    ("What was capex?", "$1,577 million", "It was about $1.6 billion. [1]"),
    ("What was capex?", "$1,577 million", "It was $1,577 thousand. [1]"),
    ("What was the price?", "5,105 each; 75 a year", "5,105 each [1]"),
    ("When does it end?", "March 31, 2025", "It ends on March 31, 2026 [1]."),
    ("What does it say?", 'It says "as is".', "The goods are sold as they are. [1]"),
    ("Which source?", "1", "Nothing more. [1]"),
]


@pytest.mark.parametrize(("question", "expected", "answer"), RIGHT)
def test_expected_figures_are_found_by_value(question, expected, answer):
    """However they are written, with the scale and the period that the question or the answer states."""
    assert answer_metrics(question, expected, answer) == {"figures right": 1.0}


@pytest.mark.parametrize(("question", "expected", "answer"), WRONG)
def test_other_figures_are_not_taken_for_them(question, expected, answer):
    """Another period, scale, date or precision, or only half of them; citation marks are no figures."""
    assert answer_metrics(question, expected, answer) == {"figures right": 0.0}


def test_without_figures_words_count():
    """The share of the expected terms that the answer has; a refusal has none, whatever passages it shows."""
    assert answer_metrics("Who?", "Kestrel & Rowe", "The contractor is Kestrel & Rowe Ltd. [1]") == {"words found": 1.0}
    assert answer_metrics("Who?", "Kestrel Meridian", "It is Kestrel. [1]") == {"words found": 0.5}
    assert answer_metrics("Is it?", "It is", "So it is.") == {"words found": 1.0}
    assert answer_metrics("Who?", "Kestrel", "Not found. Nearest: Kestrel", refused=True) == {"words found": 0.0}
    assert answer_metrics("How much?", "5", "Not found. Nearest: 5 [1]", refused=True) == {"figures right": 0.0}
