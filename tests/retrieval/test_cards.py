"""Cards beside questions: names as people write them, periods, and a question without its names."""

from __future__ import annotations

import pytest

from paperlode.ingest.document import DocumentCard
from paperlode.retrieval.cards import fit, sparse_names, sparse_whole, unnamed
from paperlode.retrieval.glossary import Glossary
from paperlode.retrieval.lexical import term_counts
from paperlode.retrieval.understanding import understand

CARD = DocumentCard("d1", "HARROWVALE_2022_10K.pdf", kind="annual_report", names=("HARROW & VALE, INC.",), year=2022)
BANK = DocumentCard("d2", "x.pdf", kind="annual_report", names=("North Lake Communications Corporation",), year=2021)
CHINESE = DocumentCard("d3", "年报.pdf", kind="annual_report", names=("恒澜科技股份有限公司",), year=2023)


def fitting(card: DocumentCard, question: str):
    """How the card fits."""
    return fit(card, understand(question, Glossary.load()), question)


@pytest.mark.parametrize(
    "called", ["Harrow & Vale", "HARROW AND VALE's", "Harrowvale", "Harrow", "Harrow & Vale, Inc."]
)
def test_an_organisation_is_known_by_what_people_call_it(called: str) -> None:
    """Case, possessives, the form of its company, words run together or the first alone."""
    found = fitting(CARD, f"What was the revenue of {called} in 2022?")
    assert found.name == 1.0
    assert found.said


def test_it_is_said_which_organisation_was_meant() -> None:
    """By its name on the card, the one that the question has."""
    two = DocumentCard("d", "a.pdf", kind="contract", names=("Orlen Pumps, Inc", "Kestrel Marine LLC"))
    assert fitting(two, "What must Kestrel deliver?").said == "Kestrel Marine LLC"
    assert fitting(CHINESE, "恒澜科技股份有限公司的营业收入").said == "恒澜科技股份有限公司"


@pytest.mark.parametrize(
    "question", ["What is the lake's depth?", "Who pays for the north wall?", "The value of a harrowing day?"]
)
def test_a_part_of_a_name_is_no_name(question: str) -> None:
    """Short first words, later words and words that only begin alike."""
    assert fitting(CARD, question).name == fitting(BANK, question).name == 0.0


def test_the_beginning_of_a_name_is_one_where_it_is_written_as_one() -> None:
    """With a capital, or in a question without any; a file's name is the whole of one."""
    assert fitting(BANK, "What did North earn?").name == 1.0
    assert fitting(BANK, "what did north earn?").name == 1.0
    assert fitting(BANK, "What of the north?").name == 0.0
    assert fitting(CARD, "What did harrowvale earn?").name == 1.0


def test_periods_count_for_and_against() -> None:
    """The year itself most, the year before a little (reports show both), another not at all; quarters likewise."""
    at = [fitting(CARD, f"Revenue in {y}?").period for y in (2022, 2021, 2020, 2019)]
    assert at[0] == 1.0
    assert 0 < at[1] < 1
    assert at[3] == 0.0
    quarter = DocumentCard("d", "q.pdf", kind="quarterly_report", year=2023, quarter=2)
    assert fitting(quarter, "Net sales in Q2 2023?").quarter == 1.0
    assert fitting(quarter, "Net sales in Q3 2023?").quarter < 0
    assert fitting(CARD, "Net sales in Q2 2022?").quarter < 0


def test_a_question_is_searched_without_the_names_of_its_documents() -> None:
    """With the form behind a name; other words stay, also those that a name is made of when they are written small."""
    assert unnamed("What did Harrow & Vale, Inc. pay for rent?", [CARD]) == "What did pay for rent?"
    assert unnamed("How deep may the harrow cut?", [CARD]) == "How deep may the harrow cut?"
    assert unnamed("恒澜科技股份有限公司的营业收入是多少？", [CHINESE]).strip() == "的营业收入是多少？"
    assert unnamed("What is the 'Harrow Business' in the deed?", [CARD]) == "What is the 'Harrow Business' in the deed?"
    assert unnamed("Where is the Harrow Road depot?", [CARD]) == "Where is the Harrow Road depot?"
    assert unnamed("What was Harrow FY2022 net sales growth?", [CARD]) == "What was FY2022 net sales growth?"
    assert unnamed("What did Harrow & Vale pay for rent?", []) == "What did Harrow & Vale pay for rent?"


def test_a_question_that_is_hardly_more_than_a_name_is_left_alone() -> None:
    """Otherwise nothing would be searched for."""
    assert unnamed("Harrow & Vale, Inc.", [CARD]) == "Harrow & Vale, Inc."


def test_a_document_is_found_by_its_names_and_its_words() -> None:
    """Its names stand in its vector as every spelling; the more chunks have a term, the more it weighs, below 1."""
    whole = sparse_whole(term_counts("rent rent pump"), CARD)
    weights = dict(zip(whole.indices, whole.values, strict=True))
    (rent,), (pump,) = term_counts("rent"), term_counts("pump")
    assert weights[pump] == 1 / 2
    assert weights[rent] == 2 / 3
    assert set(sparse_names("Harrowvale's rent").indices) <= set(whole.indices)
