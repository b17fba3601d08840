"""Guarantee 2: tables are cut between rows, every part readable alone and knowing its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from paperlode.ingest.chunking import ChunkOptions, TokenCounter, chunk
from paperlode.ingest.document import Block, Box, Cell, Chunk, Kind, PageBox, Table, TablePart
from paperlode.ingest.table_headers import table_text

from .strategies import SOURCE, CharCounter, WordCounter, counters, grid_table, squeezed, tables, text_block

if TYPE_CHECKING:
    from collections.abc import Iterable

EXAMPLES = settings(max_examples=50, deadline=None)
SPLITS = {"row_split", "row_span_split", "header_split"}
REGION = PageBox(0, Box(72.0, 100.0, 540.0, 700.0))


def as_block(table: Table) -> Block:
    return Block(Kind.TABLE, table_text(table), (REGION,), table=table)


def chunks_of(blocks: Iterable[Block], counter: TokenCounter | None = None, **options: Any) -> list[Chunk]:
    return list(
        chunk(blocks, source=SOURCE, parser="fake-1", counter=counter or WordCounter(), options=ChunkOptions(**options))
    )


def part_of(chunk_: Chunk) -> TablePart:
    """The chunk's rows, which it must have."""
    assert chunk_.part is not None
    return chunk_.part


def report(rows: int, *, header: int = 2) -> Block:
    """A statement of two header rows, with its figures."""
    head = [["", "Year ended December 31,", ""], ["", "2023", "2022"]][:header]
    body = [[f"Line item {i}", f"{i},100", f"({i})"] for i in range(rows)]
    return grid_table([*head, *body], header_rows=header, caption="(In millions)")


@EXAMPLES
@given(tables())
def test_table_text_is_to_text(table: Table) -> None:
    """The one-pass text of a table is ``Table.to_text``."""
    assert table_text(table) == table.to_text()


@EXAMPLES
@given(tables(), counters)
def test_rows_are_covered_once_and_cut_where_allowed(table: Table, counter: TokenCounter) -> None:
    """Parts cover all rows in order; they meet only where the table may be cut, but for flagged exceptions."""
    chunks = [c for c in chunks_of([as_block(table)], counter) if c.part]
    if not chunks:
        assert not table.to_text().strip()
        return
    ranges = [(part_of(c).row_start, part_of(c).row_end) for c in chunks]
    assert {r for a, b in ranges for r in range(a, b)} == set(range(table.rows))
    assert ranges == sorted(ranges)
    cuts = table.cut_rows()
    for c, (start, _) in zip(chunks, ranges, strict=True):
        if not SPLITS & set(c.flags):
            assert start in cuts or start == 0
    for (_, before), (after, _), c in zip(ranges, ranges[1:], chunks[1:], strict=False):
        assert before == after or "row_split" in c.flags


@EXAMPLES
@given(tables(huge=False), st.integers(100, 256).map(WordCounter))
def test_small_cells_are_never_split(table: Table, counter: TokenCounter) -> None:
    """With cells of a few words no exception is needed: no part is flagged."""
    for c in chunks_of([as_block(table)], counter):
        assert not (SPLITS | {"embedded_prefix"}) & set(c.flags)


@EXAMPLES
@given(tables(), counters)
def test_each_part_carries_caption_and_header(table: Table, counter: TokenCounter) -> None:
    """What a person sees of a part has the caption and every header row, and so has its table."""
    chunks = [c for c in chunks_of([as_block(table)], counter) if c.part]
    header = [table.row_text(r) for r in range(table.header_rows)]
    whole = [c for c in chunks if part_of(c).row_end > table.header_rows and "row_split" not in c.flags]
    for c in whole:
        if counter.count(table.caption) < counter.max_tokens // 4:  # a longer one is cut like text
            assert squeezed(table.caption) in squeezed(c.shown_text)
        assert part_of(c).table.caption == table.caption
        assert part_of(c).table.header_rows == table.header_rows
        assert [part_of(c).table.row_text(r) for r in range(table.header_rows)] == header
    for c in whole[1:]:
        assert all(squeezed(h) in squeezed(c.shown_text) for h in header)


@EXAMPLES
@given(tables(), counters)
def test_part_tables_hold_the_parts_rows(table: Table, counter: TokenCounter) -> None:
    """The part's table is header rows and the part's rows, re-based, cells with their text, columns and regions."""
    for c in chunks_of([as_block(table)], counter):
        if c.part is None:
            continue
        body = range(max(part_of(c).row_start, table.header_rows), part_of(c).row_end)
        assert part_of(c).table.rows == table.header_rows + len(body)
        assert part_of(c).rows == table.rows
        for offset, r in enumerate(body):
            there = {(x.col, x.text, x.region) for x in part_of(c).table.cells if x.row == table.header_rows + offset}
            assert there >= {(x.col, x.text, x.region) for x in table.cells if x.row == r}
        assert all(
            x.row_end < max(1, part_of(c).table.rows) or x.row < table.header_rows for x in part_of(c).table.cells
        )


def test_parts_of_a_report() -> None:
    """Later parts repeat units and both header rows as context; in the first they are own text."""
    chunks = chunks_of([report(60)])
    assert len(chunks) > 4
    context = "(In millions)\nYear ended December 31,\n2023 | 2022"
    assert chunks[0].context == ""
    assert chunks[0].text.startswith(context + "\nLine item 0 | 0,100 | (0)")
    assert all(c.context == context for c in chunks[1:])
    assert all(c.embedded_text.startswith(context) for c in chunks[1:])
    lengths = [c.tokens for c in chunks]
    assert 2 * min(lengths) > max(lengths)


def test_figures_are_shown_and_searched_but_not_embedded() -> None:
    """The embedder reads a table's captions, years, names and units; cells that are only numbers are left out."""
    rows = [
        ["", "2023", "2022"],
        ["Net sales", "$ 1,284.5", "(0.8)%"],
        ["Units sold", "—", "n/a"],
        ["Adobe 365", "7", "7"],
    ]
    (chunk,) = chunks_of([grid_table(rows, header_rows=1, caption="(In millions)")])
    assert chunk.embedded_text == "(In millions)\n2023 | 2022\nNet sales\nUnits sold\nAdobe 365"
    assert chunk.searched_text == chunk.shown_text == chunk.text
    assert "Net sales | $ 1,284.5 | (0.8)%" in chunk.text


def test_a_table_of_figures_alone_is_embedded_as_it_is() -> None:
    """Something is always embedded."""
    (chunk,) = chunks_of([grid_table([["1.5", "2.5"], ["3.5", "4.5"]])])
    assert chunk.embedded_text == "1.5 | 2.5\n3.5 | 4.5"


def test_headings_open_the_first_part() -> None:
    """A heading right above a table is own text of its first part and in the path of the others."""
    head = text_block("Income statement", y=80.0, kind=Kind.HEADING, level=1)
    chunks = chunks_of([head, report(30)])
    assert chunks[0].text.startswith("Income statement\n(In millions)\n")
    assert chunks[0].heading_path == ()
    assert {c.heading_path for c in chunks[1:]} == {("Income statement",)}
    assert {c.kind for c in chunks} == {Kind.TABLE}


def test_lead_in_is_context() -> None:
    """The sentence that announces a table stands once as own text and is context of the table's parts."""
    lead = text_block("We own things. They were as follows:")
    text, *parts = chunks_of([lead, report(30)])
    assert text.text == "We own things. They were as follows:"
    assert all(p.context.startswith("They were as follows:") for p in parts)


def test_short_remark_stays_with_the_table() -> None:
    """A remark of a few words right under a table goes with its last part; a paragraph does not."""
    remark = text_block("See accompanying notes.")
    assert chunks_of([report(3), remark])[-1].text.endswith("\nSee accompanying notes.")
    assert chunks_of([report(3), text_block("word " * 40)])[-1].kind is Kind.TEXT


def test_long_headers_are_shortened_for_the_embedder_only() -> None:
    """Headers and captions over half of the room are whole in what is shown and shortened in what is embedded."""
    names = [" ".join(f"name{c}{i}" for i in range(20)) for c in range(3)]
    block = grid_table([names, *[["a", "1", "2"]] * 40], header_rows=1, caption="About everything " * 10)
    chunks = chunks_of([block], WordCounter(100))
    later = chunks[1]
    assert "context_shortened" in later.flags
    assert all(n in later.shown_text for n in names)
    assert all(n.split()[0] in later.embedded_text for n in names)
    assert later.tokens <= 100


def test_row_longer_than_the_limit_is_split_between_cells() -> None:
    """The one exception: a row over the limit is split, flagged, lossless, with the row's first cell repeated."""
    rows = [["Name", "Text"], ["Clause 7", "word " * 150], ["Clause 8", "short"]]
    chunks = chunks_of([grid_table(rows, header_rows=1)])
    split = [c for c in chunks if "row_split" in c.flags]
    assert len(split) >= 3
    assert all(c.tokens <= 64 for c in chunks)
    assert all(c.context.endswith("Clause 7") for c in split[1:])
    assert all(part_of(c).row_start == 1 and "Clause 7" in part_of(c).table.row_text(1) for c in split[1:])
    assert squeezed("".join(c.text for c in chunks)) == squeezed(grid_table(rows).text)


def test_row_span_longer_than_the_limit_is_split_between_rows() -> None:
    """Rows tied by a span that do not fit are cut between rows, flagged, the spanning cell repeated as context."""
    cells = [Cell(0, 0, "Region"), Cell(0, 1, "Amount"), Cell(1, 0, "Europe", row_span=60)]
    cells += [Cell(r, 1, f"{r} and some more words") for r in range(1, 61)]
    table = Table(61, 2, tuple(cells), header_rows=1)
    chunks = chunks_of([as_block(table)])
    assert len(chunks) > 3
    assert all("row_span_split" in c.flags and c.tokens <= 64 for c in chunks)
    assert all(c.context == "Region | Amount\nEurope" for c in chunks[1:])
    assert all(part_of(c).table.grid()[1][0] == "Europe" for c in chunks)


def test_section_row_is_repeated() -> None:
    """A part that begins under a section row has that row as context."""
    rows = [["", "2023"], ["Assets:", ""], *[[f"Asset number {i}", f"{i}"] for i in range(50)]]
    chunks = chunks_of([grid_table(rows, header_rows=1)])
    assert all(c.context.endswith("Assets:") for c in chunks[1:])


def test_regions_of_parts_are_their_cells() -> None:
    """A part has one box a page around its own cells."""
    chunks = chunks_of([report(60)])
    first = chunks[0].regions[-1]
    assert first.box.y1 < chunks[1].regions[0].box.y1
    assert all(len(c.regions) == 1 for c in chunks)


def test_rows_are_entries_of_the_part_they_stand_in() -> None:
    """Each row that says something is an entry of one part, with its row in the whole table; the option turns them off."""
    chunks = chunks_of([report(60)])
    assert len(chunks) > 4
    for c in chunks:
        rows = [e.row for e in c.entries]
        assert rows == list(range(max(2, part_of(c).row_start), part_of(c).row_end))
        assert all(f"Line item {e.row - 2}" in e.text for e in c.entries)
    assert all(c.entries == () for c in chunks_of([report(60)], rows=False))


def test_a_split_row_is_one_entry() -> None:
    """A row that needs several parts is an entry of the part it begins in."""
    rows = [["Name", "Text"], ["Clause 7", "word " * 150], ["Clause 8", "short"]]
    chunks = chunks_of([grid_table(rows, header_rows=1)])
    assert [e.row for c in chunks for e in c.entries] == [1, 2]
    assert chunks[0].entries or chunks[1].entries


def test_empty_table_keeps_its_place() -> None:
    """A table without any text lies in a chunk's span."""
    table = Table(2, 2, ())
    chunks = chunks_of([text_block("before"), as_block(table), text_block("after")])
    assert {i for c in chunks for i in range(*c.span)} == {0, 1, 2}


def test_tables_in_characters() -> None:
    """With a counter that counts line breaks too, a long table still fills its parts without going over."""
    chunks = chunks_of([report(200)], CharCounter(200))
    assert all(c.tokens <= 200 for c in chunks)
    assert sum(len(c.searched_text) for c in chunks[:-1]) / (len(chunks) - 1) > 150
