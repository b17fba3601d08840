"""The glossary: roles of tables and sections, notions of questions, and a user's own file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from paperlode.ingest.document import Cell, Kind, Table, TablePart
from paperlode.ingest.errors import InvalidRequest
from paperlode.retrieval.glossary import DATA, Glossary, row_labels

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from paperlode.ingest.document import Chunk

    ChunkOf = Callable[..., Chunk]

OWN = """
[[role]]
name = "crew_list"
rows = [["master"], ["mate", "first officer"], ["engineer"]]
least = 2
heads = ["crew"]

[[role]]
name = "salvage"
heads = ["salvage"]
says = ["no cure no pay"]

[[notion]]
ask = ["captain", "skipper"]
find = ["master"]
roles = ["crew_list"]

[[notion]]
ask = ["deputy captain"]
find = ["mate"]
roles = ["crew_list"]
strength = 0.25
"""


def table(*rows: tuple[str, ...]) -> TablePart:
    """A whole table."""
    cells = tuple(Cell(r, c, text) for r, row in enumerate(rows) for c, text in enumerate(row))
    return TablePart(1, 0, len(rows), len(rows), Table(len(rows), len(rows[0]), cells, header_rows=1))


@pytest.fixture
def own(tmp_path: Path) -> Glossary:
    """A user's glossary of another field."""
    path = tmp_path / "glossary.toml"
    path.write_text(OWN, "utf-8")
    return Glossary.load(path)


def test_a_table_has_a_role_by_its_row_labels(own: Glossary, chunk_of: ChunkOf) -> None:
    """When enough groups of labels are met, whatever the heading says; labels of all its parts count."""
    crew = chunk_of("Master | 1", kind=Kind.TABLE, part=table(("", "Number"), ("Master", "1"), ("First officer", "2")))
    assert own.roles_of(crew, row_labels(crew)) == ("crew_list",)
    one = chunk_of("Master | 1", kind=Kind.TABLE, part=table(("", "Number"), ("Master", "1"), ("Cooks", "2")))
    assert own.roles_of(one, row_labels(one)) == ()
    assert own.roles_of(one, ["Master", "Engineers"]) == ("crew_list",)


def test_a_heading_that_names_it_makes_it_the_statement_itself(own: Glossary, chunk_of: ChunkOf) -> None:
    """Beside what it contains; a table that is only called so has the named role alone."""
    part = table(("", "Number"), ("Master", "1"), ("Mate", "2"))
    crew = chunk_of("Master | 1", kind=Kind.TABLE, part=part, heading_path=("The crew",))
    assert own.roles_of(crew, row_labels(crew)) == ("crew_list", "crew_list.named")


def test_a_section_has_a_role_by_heading_or_phrase(own: Glossary, chunk_of: ChunkOf) -> None:
    """A short heading counts, a sentence for a heading does not."""
    assert own.roles_of(chunk_of("Anything.", heading_path=("12. Salvage",))) == ("salvage",)
    assert own.roles_of(chunk_of("It is agreed: no cure, no pay.")) == ("salvage",)
    long = "Owners rights where salvage was neither asked nor refused by anybody aboard during hours of urgent need and danger"
    assert own.roles_of(chunk_of("Anything.", heading_path=(long,))) == ()


def test_notions_are_found_by_any_of_their_names(own: Glossary) -> None:
    """In plural and other case; one whose name is part of another's that stands there is left out."""
    assert [n.name for n in own.notions_in("Who were the Skippers?")] == ["captain"]
    assert [n.name for n in own.notions_in("Who is deputy captain?")] == ["deputy captain"]
    assert own.notions_in("Who is the cook?") == []


def test_the_one_that_comes_with_it_knows_derived_measures_and_legal_notions() -> None:
    """Measures lead to line items and statements, legal notions to sections, in English and Chinese."""
    shipped = Glossary.load()
    (margin,) = shipped.notions_in("What was the FY2021 operating margin?")
    assert "operating income" in margin.find
    assert "income_statement" in margin.roles
    assert shipped.notions_in("Which country's law governs the contract?")
    assert "营业收入" in shipped.notions_in("公司去年卖了多少？")[0].find
    assert "预付款" in shipped.notions_in("預付多少？")[0].find  # traditional characters


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[role]\nname = 1", "not written"),
        ("[[role]]\nrows = []", "not written"),
        ('[[notion]]\nask = "one"', "not written"),
        ('[[notion]]\nask = ["captain"]\nroles = ["crew"]', "no role 'crew'"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """With the file's name and what is wrong."""
    path = tmp_path / "own.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(InvalidRequest, match=says) as caught:
        Glossary.load(path)
    assert "own.toml" in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """It is not replaced by the shipped one in silence."""
    with pytest.raises(InvalidRequest, match="cannot be read"):
        Glossary.load(tmp_path / "none.toml")


def test_the_shipped_file_is_a_glossary_like_any_other() -> None:
    """It loads by its path, so a copy of it can be edited."""
    assert len(Glossary.load(DATA).notions) == len(Glossary.load().notions)


def test_a_phrase_of_small_words_is_found_as_it_is_written() -> None:
    """One-off is not in every question that says one; how long is not in every question that says long."""
    shipped = Glossary.load()
    assert not [n.name for n in shipped.notions_in("May one party assign the pump?") if n.name == "non recurring"]
    assert "non recurring" in [n.name for n in shipped.notions_in("Were there one-off costs?")]
    assert "r d" in [n.name for n in shipped.notions_in("What was spent on R&D?")]
    assert not shipped.notions_in("Is the long table in the hall?")
