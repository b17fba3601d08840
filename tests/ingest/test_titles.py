"""The document's title, from its first blocks or the file's name."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

from paperlode.ingest.document import Block, Kind
from paperlode.ingest.titles import readable_name, title_of, with_title

from .strategies import text_block

if TYPE_CHECKING:
    from collections.abc import Iterator


def heading(text: str, level: int = 1) -> Block:
    return text_block(text, kind=Kind.HEADING, level=level)


def test_a_title_block_comes_before_headings() -> None:
    """A title is what the parser took for one, wherever it stands on the first page."""
    assert title_of([heading("Contents of it"), text_block("The  Report", kind=Kind.TITLE)], "a.pdf") == "The Report"


def test_of_several_the_one_the_file_is_named_after_counts() -> None:
    """Of several titles the one that shares most words with the file's name counts, else the first."""
    found = [text_block(t, kind=Kind.TITLE) for t in ("FORM 10-K", "ACME INC.", "Annual")]
    assert title_of(found, "ACME_2022.pdf") == "ACME INC."
    assert title_of(found, "scan.pdf") == "FORM 10-K"
    assert title_of([*found, text_block("Best Buy Co.", kind=Kind.TITLE)], "BESTBUY_2023_10K.pdf") == "Best Buy Co."


def test_labels_and_numbered_headings_name_no_document() -> None:
    """An exhibit's label is passed over, and so is the heading of a section."""
    assert (
        title_of([heading("Exhibit 10.2"), heading("SUPPLY AGREEMENT", 2), heading("Recitals", 3)], "x")
        == "SUPPLY AGREEMENT"
    )
    assert title_of([heading("2.1 Sampling"), heading("Section 3. Costs")], "field_notes.pdf") == "field notes"


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("ADOBE_2022_10K.pdf", "ADOBE 2022 10K"),
        ("folder/supply-agreement (signed).docx", "supply agreement (signed)"),
        ("年度报告.pdf", "年度报告"),
        ("9f86d081884c7d659a2feaa0c55ad015.pdf", ""),
        ("0001.pdf", ""),
        ("", ""),
    ],
)
def test_names_are_made_readable(name: str, readable: str) -> None:
    """A file's name loses its extension and its underscores; numbers and digests say nothing."""
    assert readable_name(name) == readable


def test_the_title_is_known_after_the_first_page() -> None:
    """No more than the first page, or thirty blocks, is read before the title is there; nothing is lost by it."""
    taken: list[int] = []

    def blocks(page_of: int) -> Iterator[Block]:
        for i in range(1000):
            taken.append(i)
            yield text_block(f"Block {i}", i // page_of)

    title, rest = with_title(blocks(4), "Some_File.pdf")
    assert (title, len(taken)) == ("Some File", 5)
    assert [b.text for b in islice(rest, 8)] == [f"Block {i}" for i in range(8)]
    taken.clear()
    with_title(blocks(500), "Some_File.pdf")
    assert len(taken) == 30
