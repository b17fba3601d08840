"""Where numbered clauses begin, how deep they are, and what names their later parts."""

from __future__ import annotations

import pytest

from paperlode.ingest.clauses import BULLET, NO_CLAUSE, Trail, clause_mark, explains
from paperlode.ingest.document import Kind

from .strategies import text_block


@pytest.mark.parametrize(
    ("text", "number", "label"),
    [
        ("12.3 Confidential Information. The parties", "12.3", "12.3 Confidential Information."),
        ("4. Payment is due", "4.", "4."),
        ("ARTICLE IV TERM", "ARTICLE IV", "ARTICLE IV"),
        ("Section 4.2 Term. All of it", "Section 4.2", "Section 4.2 Term."),
        ("(iii) each of them", "(iii)", "(iii)"),
        ("a) each of them", "a)", "a)"),
        ("第三条 保密义务 双方", "第三条", "第三条 保密义务"),
    ],
)
def test_numbers_of_clauses(text: str, number: str, label: str) -> None:
    """A clause's number is read as printed, with its name where it has one."""
    mark = clause_mark(text)
    assert mark is not None
    assert (mark.number, mark.label) == (number, label)


@pytest.mark.parametrize(
    "text", ["2022 was a year", "1.5 million in sales", "30 days after", "(In millions)", "Articles", ""]
)
def test_numbers_that_begin_no_clause(text: str) -> None:
    """Figures and words in parentheses begin no clause."""
    assert clause_mark(text) is None


def test_depths_are_ordered() -> None:
    """Articles, sections, sub-sections, letters, roman numbers and half parentheses lie ever deeper."""
    marks = [
        clause_mark(f"{t} The words") for t in ("Article 1", "1.", "1.2", "1.2.3", "(a)", "(ii)", "(A)", "(1)", "a)")
    ]
    depths = [m.depth for m in marks if m]
    assert len(depths) == len(marks)
    assert depths == sorted(depths)


def test_the_trail_names_what_is_above() -> None:
    """A sub-clause has the clause's name over it, an item under a colon the announcing sentence, a heading ends both."""
    trail = Trail()
    assert trail.place(text_block("4. Term and End. It lasts.")) == (2, "")
    assert trail.place(text_block("(h) the eighth")) == (10, "4. Term and End.")
    assert trail.place(text_block("(i) the ninth")) == (10, "4. Term and End.")
    assert trail.place(text_block("5. Duties. Each shall see to it that:"))[1] == ""
    assert trail.place(text_block("(a) it pays")) == (10, "5. Duties.")
    trail.clear()
    assert trail.place(text_block("Bring along:")) == (NO_CLAUSE, "")
    assert trail.place(text_block("bread", kind=Kind.LIST_ITEM)) == (BULLET, "Bring along:")
    assert trail.place(text_block("1. Salt and more", kind=Kind.LIST_ITEM)) == (2, "Bring along:")
    assert trail.place(text_block("A paragraph.")) == (NO_CLAUSE, "")
    assert trail.place(text_block("water", kind=Kind.LIST_ITEM)) == (BULLET, "")


def test_what_explains_a_formula() -> None:
    """A paragraph that goes on with ``where`` explains; one that begins anew does not."""
    assert explains(text_block("where x is the rate"))
    assert explains(text_block("其中 x 为利率"))
    assert not explains(text_block("Whereas the parties agree"))
    assert not explains(text_block("The rate is high"))
