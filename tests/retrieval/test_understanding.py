"""What is found in a question: periods, kinds, clause numbers, defined terms, notions; and what is left out of it."""

from __future__ import annotations

import pytest

from paperlode.retrieval.glossary import Glossary
from paperlode.retrieval.understanding import Understood, understand


def of(question: str, said: str | None = None) -> Understood:
    """With the glossary that comes with paperlode."""
    return understand(question, Glossary.load(), said=said)


@pytest.mark.parametrize(
    ("question", "years"),
    [
        ("What was revenue in FY2022?", {2022}),
        ("What was revenue in FY22?", {2022}),
        ("Did sales grow from 2019 to 2021?", {2019, 2021}),
        ("Results for Q3 2023?", {2023}),
        ("Results for Q3'2023?", {2023}),
        ("2023年净利润是多少", {2023}),
        ("Is 102022 a number of shares?", set()),
        ("Room 42?", set()),
    ],
)
def test_years_are_found_as_people_write_them(question: str, years: set[int]) -> None:
    """Fiscal years in two and four digits; no other numbers."""
    assert of(question).years == years


@pytest.mark.parametrize(
    ("question", "quarters", "kinds"),
    [
        ("Q2 2023 net sales?", {2}, {"quarterly_report"}),
        ("net sales of the third quarter?", {3}, set()),
        ("2024年第一季度营业收入", {1}, {"quarterly_report"}),
        ("According to the 10-K, what are the risks?", set(), {"annual_report"}),
        ("What does the 8-K announce?", set(), {"current_report"}),
        ("Summarise the earnings release.", set(), {"release"}),
        ("When does the agreement end?", set(), {"contract"}),
        ("Who is on the board?", set(), set()),
    ],
)
def test_quarters_and_kinds_of_documents_are_found(question: str, quarters: set[int], kinds: set[str]) -> None:
    """In English and Chinese."""
    found = of(question)
    assert (found.quarters, found.kinds) == (quarters, kinds)


@pytest.mark.parametrize(
    ("question", "labels"),
    [
        ("What does Section 4.2(b) say?", ("4.2(b)",)),
        ("What does Article IV say?", ("Article4", "IV")),
        ("第二十三条规定了什么？", ("第23条",)),
        ('What does "Affiliate" mean?', ("term:Affiliate",)),
        ('Who may use the "Marks"?', ()),  # quoted, but no definition is asked for
    ],
)
def test_clauses_and_defined_terms_are_labels(question: str, labels: tuple[str, ...]) -> None:
    """As chunks have them."""
    assert of(question).labels == labels


def test_a_derived_measure_leads_to_line_items_and_statements() -> None:
    """With the strength of its notion; a question without notions wants nothing."""
    found = of("What is the FY2021 quick ratio?")
    assert found.roles["balance_sheet"] == found.strength == 1.0
    assert found.wanted["total current liabilities"] == 1.0
    assert of("Who sat beside the window?").wanted == {}
    assert of("Who sat beside the window?").strength == 0.0


def test_instructions_for_the_answer_are_not_searched_for() -> None:
    """How to round and what to say if it makes no sense are left out; the question itself never is."""
    asked = of(
        "What was the operating margin? Round your answer to one decimal place. If it is not useful, then state that."
    )
    assert asked.asked == "What was the operating margin?"
    assert of("Round the corner of the plant, what is stored?").asked.startswith("Round the corner")


def test_notions_are_looked_for_in_what_is_searched() -> None:
    """The names of the documents searched may hold a notion's words; periods are still read from the whole question."""
    found = of("What did Margin Brothers report for 2020?", said="What did report for 2020?")
    assert not found.notions
    assert found.years == {2020}
