"""Names of blocks and the ties between them: captions, notes and their calls."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings

from paperlode.ingest.assembly import assemble
from paperlode.ingest.document import Block, Box, Kind, Layer, Line, PageBox, ParsedPage
from paperlode.ingest.notes import note_marks, tie_notes
from paperlode.ingest.refs import named, tied

from .strategies import grid_table, page_of, parsed_pages, table_of, text_block


def foot(text: str, page: int = 0, **more: object) -> Block:
    return replace(text_block(text, page, y=700.0, kind=Kind.FOOTNOTE, layer=Layer.NOTE), **more)  # type: ignore[arg-type]


def ties(*blocks: Block) -> list[tuple[str, str, str]]:
    """For each link of these blocks: the text it is from, the target's text with the mark in brackets, the mark."""
    ready = [replace(b, ref=f"p0.{i}") for i, b in enumerate(blocks)]
    out = list(tie_notes(ready))
    assert [replace(b, links=()) for b in out] == ready
    by = {b.ref: b.text for b in out}
    return [(b.text, by[k.target], by[k.target][k.start : k.end]) for b in out for k in b.links]


# ---------------------------------------------------------------- names


@settings(max_examples=40, deadline=None)
@given(parsed_pages())
def test_every_block_has_a_name(pages: list[ParsedPage]) -> None:
    """Every assembled block has its own name, that of the page and place it began at; a second run gives the same."""
    blocks = list(assemble(pages))
    names = [b.ref for b in blocks]
    assert all(names)
    assert len(set(names)) == len(names)
    assert names == [b.ref for b in assemble(pages)]
    assert {k.target for b in blocks for k in b.links} <= set(names)
    for b in blocks:
        assert b.ref.startswith(f"p{b.page}.")


def test_joined_blocks_keep_the_first_name() -> None:
    """A table over two pages has the name of its first part."""
    rows = [["Item", "2022", "2021"], ["Sales", "1", "2"], ["Costs", "3", "4"]]
    first = grid_table(rows, 0, y=600.0, header_rows=1)
    second = grid_table([rows[0], ["Profit", "5", "6"]], 1, y=60.0, header_rows=1)
    out = list(assemble([page_of(0, text_block("Sales."), first), page_of(1, second, text_block("The end.", 1))]))
    table = next(b for b in out if b.table)
    assert table_of(table).rows == 4
    assert table.ref == "p0.1"
    assert out[-1].ref == "p1.1"


def test_a_caption_that_a_continued_table_brings_has_the_name_of_that_part() -> None:
    """The part itself lives on under the first one's name."""
    rows = [["Item", "2022", "2021"], ["Sales", "1", "2"], ["Costs", "3", "4"]]
    first = grid_table(rows, 0, y=600.0, header_rows=1)
    second = grid_table([rows[0], ["Profit", "5", "6"]], 1, y=60.0, header_rows=1)
    assert second.table is not None
    second = replace(second, table=replace(second.table, caption="Table 1 (continued)"))
    out = list(assemble([page_of(0, text_block("Sales."), first), page_of(1, second, text_block("The end.", 1))]))
    assert [b.ref for b in out if b.kind is Kind.CAPTION] == ["p1.0"]
    assert next(b for b in out if b.table).ref == "p0.1"


def test_names_of_disordered_pages_are_unique() -> None:
    """Pages that come twice or out of order still give every block a name of its own."""
    pages = [page_of(n, text_block("a", n), text_block("b", n)) for n in (2, 0, 2, 2, 3)]
    names = [b.ref for p in named(pages) for b in p.blocks]
    assert len(set(names)) == 10
    assert names[:2] == ["p2.0", "p2.1"]
    assert names[-1] == "p3.1"


# ---------------------------------------------------------------- captions


def test_caption_is_tied_to_its_float() -> None:
    """A caption under a figure is linked to it; so is one over a chart; a paragraph is not."""
    figure = text_block("", y=100.0, kind=Kind.FIGURE, height=90.0)
    under = text_block("Figure 1", y=195.0, kind=Kind.CAPTION)
    over = text_block("Figure 2", y=300.0, kind=Kind.CAPTION)
    chart = text_block("", y=316.0, kind=Kind.CHART, height=90.0)
    ready = [replace(b, ref=f"r{i}") for i, b in enumerate((figure, under, text_block("Text."), over, chart))]
    links = [[(k.relation, k.target) for k in b.links] for b in tied(ready)]
    assert links == [[], [("caption", "r0")], [], [("caption", "r4")], []]


@pytest.mark.parametrize("page,y", [(1, 100.0), (0, 420.0)])
def test_caption_elsewhere_is_not_tied(page: int, y: float) -> None:
    """A caption on another page than the figure, or far from it, has no link."""
    figure = replace(text_block("", y=100.0, kind=Kind.FIGURE, height=90.0), ref="a")
    caption = replace(text_block("What it shows", page, y=y, kind=Kind.CAPTION), ref="b")
    assert [b.links for b in tied([figure, caption])] == [(), ()]


# ---------------------------------------------------------------- notes


def test_note_under_a_table() -> None:
    """Paragraphs right under a table are tied to the cells that call them, each call with its place."""
    table = grid_table([["", "2022 (2)"], ["Debt(1)", "5"], ["Cash (1)", "(1)"]])
    one, two = text_block("(1) Net of tax."), text_block("(2) Restated.", kind=Kind.LIST_ITEM)
    found = ties(table, one, two)
    assert [(a, c) for a, _, c in found] == [(one.text, "(1)"), (one.text, "(1)"), (two.text, "(2)")]


def test_negative_numbers_call_nothing() -> None:
    """``(1)`` alone in a cell, or after a figure or a currency sign, is a number."""
    table = grid_table([["Loss", "(1)"], ["Tax", "$ (1)"], ["Other", "5 (1)"]])
    assert not ties(table, text_block("(1) Net of tax."))


def test_list_under_a_table_is_no_note() -> None:
    """A list whose marks the table does not call, or that a paragraph parts from the table, is not tied."""
    table = grid_table([["Debt(1)", "5"]])
    assert not ties(table, text_block("(2) the second condition"))
    assert not ties(table, text_block("We may, at any time:"), text_block("(1) repay the debt;"))


@pytest.mark.parametrize(
    "text,note,mark",
    [
        ("Projects7 were approved. In 2017 there were 7 of them.", "7 Whose cost exceeded 50m", "7"),
        ("The study found somewhere in between37. Then", "37. It is worth noting", "37"),
        ("a “default”6, but", "6 A default is peculiar", "6"),
        ("Prices rose¹ in May.", "1 Source: survey", "¹"),
        ("Prices rose¹ in May.", "¹ Source: survey", "¹"),
        ("was high in all the regions (6).", "(6) Eurostat.", "(6)"),
        ("Our partners* agreed.", "* Not audited", "*"),
        ("Our partners† agreed.", "† Not audited", "†"),
    ],
)
def test_note_at_the_foot_of_a_page(text: str, note: str, mark: str) -> None:
    """A note is tied to the one place in the page's text where its mark stands, glued to a word or after it."""
    assert ties(text_block("Before."), text_block(text), foot(note)) == [(note, text, mark)]


@pytest.mark.parametrize(
    "text,note",
    [
        ("Projects7 were7 approved.", "7 Twice called"),
        ("an area of 30 m2 and CO2 and Note2", "2 No call"),
        ("see Section 4(2) and paragraph (2) of it", "(2) No call"),
        ("grew by 3.7 and 12,7", "7 No call"),
        ("see http://a.example/page7", "7 No call"),
        ("The text [*] was taken out[*]", "* Confidential"),
        ("Projects7 were approved.", "Seven without a mark"),
        ("1 1 1", "1 2 3"),
        ("", "7 Nothing there"),
    ],
)
def test_doubtful_notes_are_not_tied(text: str, note: str) -> None:
    """A mark that stands twice, or may be a number, unit, section or address, is tied to nothing."""
    assert not ties(text_block(text), foot(note))


def test_note_of_another_page() -> None:
    """A call on another page does not count, also in a paragraph that runs over both; the call on the note's page does."""
    text = "Projects7 were approved and others7 were not."
    first, second = PageBox(0, Box(72, 700, 540, 712)), PageBox(1, Box(72, 60, 540, 72))
    block = replace(text_block(text), regions=(first, second), lines=(Line(0, 20, first), Line(20, len(text), second)))
    on_first, on_second = foot("7 Of the first page"), foot("7 Of the second page", 1)
    ready = [replace(b, ref=f"r{i}") for i, b in enumerate((block, on_first, on_second, foot("7 Of a third page", 2)))]
    links = [[(k.target, k.start) for k in b.links] for b in tie_notes(ready)]
    assert links == [[], [("r0", text.index("7"))], [("r0", text.rindex("7"))], []]


def test_several_notes_in_one_block() -> None:
    """Each line that begins with the next mark is a note of its own; a line that begins with another is none."""
    note = "(1) Net of tax, see\n(5) below.\n(2) Restated."
    block = foot(note)
    assert [(m.value, note[m.start : m.end]) for m in note_marks(block)] == [("1", "1"), ("2", "2")]
    table = grid_table([["Debt(1)", "5"], ["Cash(2)", "5"], ["Other(5)", "5"]])
    assert [c for _, _, c in ties(table, block)] == ["(1)", "(2)"]


def test_lines_of_a_note() -> None:
    """Printed lines tell where a note begins, also where the text has a space between them."""
    text = "* Not meaningful (1) Net of tax"
    region = PageBox(0, Box(72, 700, 540, 712))
    block = foot(text, lines=(Line(0, 16, region), Line(17, len(text), region)))
    assert [(m.sort, m.value) for m in note_marks(block)] == [("sign", "*"), ("in", "1")]


@settings(max_examples=40, deadline=None)
@given(parsed_pages())
def test_links_lead_into_the_text(pages: list[ParsedPage]) -> None:
    """Every link's offsets lie in its target's text, and nothing but links is changed by tying."""
    blocks = [b for p in named(pages) for b in p.blocks]
    out = list(tied(blocks))
    assert [replace(b, links=()) for b in out] == [replace(b, links=()) for b in blocks]
    by = {b.ref: b for b in out}
    for b in out:
        for k in b.links:
            assert 0 <= k.start <= k.end <= len(by[k.target].text)
            assert (k.relation == "note") == (k.end > 0)


def test_odd_blocks() -> None:
    """Blocks without regions, name or text pass; a page of notes and calls without end takes little time."""
    bare = Block(Kind.FOOTNOTE, "1 Note", (), Layer.NOTE)
    assert list(tied([bare, text_block(""), bare])) == [bare, text_block(""), bare]
    calls = text_block("word1 " * 20_000 + "(1) * " * 10_000)
    notes = [foot(f"{n % 30} Note" + "\n1 Note" * 50) for n in range(300)]
    start = time.process_time()
    ties(calls, grid_table([["Debt(1)"] * 50] * 50), *notes)
    assert time.process_time() - start < 3
