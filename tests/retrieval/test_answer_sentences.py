"""Sentences with their marks are found while an answer is still being written, wherever the pieces are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlode.retrieval.answer_sentences import Sentence, SentenceStream, without_marks

ANSWER = (
    "Revenue was $5.5 billion [1]. It grew 12% to 6.2. [2][3] Acme Inc. of the U.S. paid [1, 2].\n"
    "- a point of 1.5 [4]\n\n1. First of all [2]"
)
SENTENCES = [
    ("Revenue was $5.5 billion.", (1,)),
    ("It grew 12% to 6.2.", (2, 3)),
    ("Acme Inc. of the U.S. paid.", (1, 2)),
    ("a point of 1.5", (4,)),
    ("First of all", (2,)),
]


def read(text: str, size: int) -> list[Sentence]:
    """The sentences, from pieces of that size."""
    stream = SentenceStream()
    found = [s for i in range(0, len(text), size) for s in stream.add(text[i : i + size])]
    return found + stream.end()


@given(st.integers(1, 200))
def test_the_cuts_do_not_matter(size: int) -> None:
    """Marks before or behind the full stop, lists, abbreviations, numbers."""
    assert [(s.text, s.cited) for s in read(ANSWER, size)] == SENTENCES


@given(st.integers(1, 40))
def test_chinese(size: int) -> None:
    """Full stops without spaces, and Chinese brackets."""
    found = read("营业收入为12.84亿元[1]。同比增长5%。[2]净利润下降【1、2】。", size)
    assert [(s.text, s.cited) for s in found] == [
        ("营业收入为12.84亿元。", (1,)),
        ("同比增长5%。", (2,)),
        ("净利润下降。", (1, 2)),
    ]


@given(st.integers(1, 60))
def test_what_is_thought_aloud_is_left_out(size: int) -> None:
    """Also when the thought never ends."""
    assert [s.text for s in read("<think>Is it 5 [1]?\nNo.</think>\nIt is 6 [1].", size)] == ["It is 6."]
    assert read("<think>Is it 5 [1]? Hm.", size) == []


@given(st.text(alphabet="ab1. [2]\n。", max_size=60), st.integers(1, 9))
def test_no_word_is_lost(text: str, size: int) -> None:
    """Whatever is written: letters stand in the sentences in their order."""
    found = "".join(s.text for s in read(text, size))
    assert [c for c in found if c in "ab"] == [c for c in text if c in "ab"]


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("a [1][2]", (1, 2)),
        ("a [2-4]", (2, 3, 4)),
        ("a [1, 3; 5]", (1, 3, 5)),
        ("a [Source 2]", (2,)),
        ("a [see]", ()),
        ("a [1] b [1]", (1,)),
    ],
)
def test_marks(text: str, cited: tuple[int, ...]) -> None:
    """Lists and ranges; other brackets are text."""
    assert without_marks(text)[1] == cited
