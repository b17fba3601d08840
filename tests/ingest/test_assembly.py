"""Pages to document: nothing dropped, what runs over pages made whole, furniture told apart, headings in order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from paperlode.ingest.assembly import assemble, assemble_document
from paperlode.ingest.document import Block, Box, Cell, Kind, Layer, Line, PageBox, PageFailure, ParsedPage, Table
from paperlode.ingest.table_headers import infer_header_rows, is_section_row, is_units_line, rows_of

from .strategies import HEIGHT, SOURCE, WIDTH, grid_table, page_of, parsed_pages, squeezed, table_of, text_block


def assembled(*pages: ParsedPage) -> list[Block]:
    return list(assemble(pages))


def texts(blocks: Iterable[Block], layer: Layer = Layer.BODY) -> list[str]:
    return [b.text for b in blocks if b.layer is layer]


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
# ---------------------------------------------------------------- nothing dropped


@settings(max_examples=50, deadline=None)
@given(parsed_pages())
def test_nothing_is_dropped(pages: list[ParsedPage]) -> None:
    """Every text and every cell of every page is in the document, and every region is on one of its blocks."""
    blocks = list(assemble(pages))
    whole = squeezed("".join(b.text for b in blocks))
    boxes = {r for b in blocks for r in b.regions}
    for page in pages:
        for b in page.blocks:
            for text in [c.text for c in b.table.cells] if b.table else [b.text]:
                assert squeezed(text).rstrip("-\u00ad") in whole
            assert set(b.regions) <= boxes


@settings(max_examples=30, deadline=None)
@given(parsed_pages())
def test_assembly_is_deterministic_and_keeps_page_records(pages: list[ParsedPage]) -> None:
    """The same pages give the same document; failed pages stay in it with their reasons."""
    first, second = assemble_document(SOURCE, pages), assemble_document(SOURCE, pages)
    assert first == second
    assert [p.page for p in first.pages] == [p.page for p in pages]
    assert [p.failure for p in first.failed_pages] == [p.failure for p in pages if p.failure]
    for b in first.blocks:
        assert b.table is None or b.text == b.table.to_text()


def test_assembly_streams() -> None:
    """Blocks leave while pages still come: at most a few pages are held."""
    taken: list[int] = []

    def endless() -> Iterator[ParsedPage]:
        for n in range(10_000):
            taken.append(n)
            yield page_of(n, text_block(f"A paragraph of page {n} that ends.", n), text_block("Another one.", n, y=400))

    out = assemble(endless())
    for _ in range(4):
        next(out)
    assert len(taken) < 10


# ---------------------------------------------------------------- paragraphs


def with_lines(text: str, page: int, *cuts: int) -> Block:
    """A paragraph with its printed lines, which end before the offsets ``cuts``."""
    ends = [*cuts, len(text)]
    starts = [0, *(c for c in cuts)]
    lines = tuple(
        Line(s, e, PageBox(page, Box(72.0, 100.0 + 14 * i, 540.0, 112.0 + 14 * i)))
        for i, (s, e) in enumerate(zip(starts, ends, strict=True))
    )
    return Block(Kind.TEXT, text, (PageBox(page, Box(72.0, 100.0, 540.0, 100.0 + 14 * len(ends))),), lines=lines)


def test_paragraph_over_a_page_break() -> None:
    """A paragraph that breaks off is joined with its rest; both regions stay, and lines fit the joined text."""
    first = with_lines("The Company shall deliver the goods and the", 0, 12)
    second = with_lines("documents that belong to them.", 1, 10)
    footer = text_block("Confidential", 0, y=760, kind=Kind.PAGE_FOOTER, layer=Layer.FURNITURE)
    note = text_block("1 As defined.", 0, y=700, kind=Kind.FOOTNOTE)
    blocks = assembled(page_of(0, first, note, footer), page_of(1, second, text_block("New paragraph.", 1, y=400)))
    joined = blocks[0]
    assert joined.text == "The Company shall deliver the goods and the documents that belong to them."
    assert [r.page for r in joined.regions] == [0, 1]
    assert [joined.text[ln.start : ln.end].strip() for ln in joined.lines] == [
        "The Company", "shall deliver the goods and the", "documents", "that belong to them.",
    ]  # fmt: skip
    assert [r.page for r in joined.regions_of(0, 10)] == [0]
    assert [r.page for r in joined.regions_of(50, 60)] == [1]
    assert texts(blocks[1:]) == ["New paragraph."]
    assert [b.layer for b in blocks[1:3]] == [Layer.NOTE, Layer.FURNITURE]


@pytest.mark.parametrize(
    ("a", "b", "joined"),
    [
        ("It was a great trans-", "formation of all things.", "It was a great transformation of all things."),
        ("It was a great trans\u00ad", "formation of things.", "It was a great transformation of things."),
        ("We issued some long-", "term debt in the year.", "We issued some long-term debt in the year."),
        ("as set out in Section", "2.01 of this Agreement.", "as set out in Section 2.01 of this Agreement."),
        (
            "本公司二〇二二年度经审计的营业收入为人民币",
            "一百亿元。",
            "本公司二〇二二年度经审计的营业收入为人民币一百亿元。",
        ),
        ("paid by Apple, Google,", "Microsoft and others.", "paid by Apple, Google, Microsoft and others."),
    ],
)
def test_how_paragraphs_are_joined(a: str, b: str, joined: str) -> None:
    """Hyphens that cut a word go, those of a compound stay; Chinese needs no space; offsets still fit."""
    (block,) = assembled(page_of(0, with_lines(a, 0)), page_of(1, with_lines(b, 1)))
    assert block.text == joined
    assert block.lines[-1].end == len(joined)
    assert block.text[block.lines[1].start : block.lines[1].end] == b


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("This sentence is complete.", "and this one starts small."),
        ("A first part without an end", "A new sentence that starts big."),
        ("The parties agree as follows:", "the first point."),
        ("The conditions shall be met and", "(a) the first of them is this."),
    ],
)
def test_what_is_not_joined(a: str, b: str) -> None:
    """A complete sentence, a new start, an announcement or a numbered item begin a block of their own."""
    assert len(assembled(page_of(0, text_block(a)), page_of(1, text_block(b, 1)))) == 2


def test_no_join_over_a_failed_page() -> None:
    """Text on both sides of a page that could not be read is not put together."""
    failed = ParsedPage(1, WIDTH, HEIGHT, "fake-1", failure=PageFailure("page_timeout", "too slow"))
    a, b = text_block("The Company shall deliver the"), text_block("goods at once.", 2)
    assert len(assembled(page_of(0, a), failed, page_of(2, b))) == 2


def test_paragraph_over_a_column_break() -> None:
    """The same within a page, from the foot of one column to the head of the next, and not down one column."""
    left = Block(Kind.TEXT, "the end of the left column runs", (PageBox(0, Box(50, 600, 290, 700)),))
    right = Block(Kind.TEXT, "on at the top of the right one.", (PageBox(0, Box(310, 60, 550, 200)),))
    below = replace(right, regions=(PageBox(0, Box(50, 720, 290, 760)),))
    assert len(assembled(page_of(0, left, right))) == 1
    assert len(assembled(page_of(0, left, below))) == 2


# ---------------------------------------------------------------- tables

HEAD = [["", "Year ended December 31,", ""], ["", "2023", "2022"]]
CAPTION = "Table 1. Results (in millions)"


def rows(first: int, last: int) -> list[list[str]]:
    return [[f"Item {i}", f"{i},100", f"({i})"] for i in range(first, last)]


def test_table_over_three_pages() -> None:
    """One table, header once, caption once, every page's boxes on cells and regions, furniture after it."""
    pages = []
    for n in range(3):
        label = CAPTION if n == 0 else "Table 1 (continued)"
        pages.append(
            page_of(
                n,
                text_block(label, n, y=80, kind=Kind.CAPTION),
                grid_table([*HEAD, *rows(10 * n, 10 * n + 10)], n, y=100),
                text_block(str(n + 1), n, y=770, kind=Kind.PAGE_NUMBER, layer=Layer.FURNITURE),
            )
        )
    blocks = assembled(*pages, page_of(3, text_block("After.", 3)))
    table = table_of(blocks[0])
    assert table is not None
    assert (table.rows, table.cols, table.header_rows, table.caption) == (32, 3, 2, CAPTION)
    assert [r[0] for r in table.grid()[2:]] == [f"Item {i}" for i in range(30)]
    assert {r.page for r in blocks[0].regions} == {0, 1, 2}
    assert {c.region.page for c in table.cells if c.region} == {0, 1, 2}
    assert blocks[0].text == table.to_text()
    assert texts(blocks) == [blocks[0].text, "After."]
    assert sorted(texts(blocks, Layer.FURNITURE)) == ["1", "2", "3", "Table 1 (continued)", "Table 1 (continued)"]


def test_continuation_without_header() -> None:
    """A table that goes on without repeating its header is one table."""
    (block,) = assembled(page_of(0, grid_table([*HEAD, *rows(0, 9)])), page_of(1, grid_table(rows(9, 20), 1)))
    assert table_of(block).rows == 22
    assert table_of(block).header_rows == 2


def test_a_header_read_slightly_differently_is_kept_as_a_row() -> None:
    """Header rows of the continuation that are not word for word the same stay as rows: nothing is lost."""
    other = [["", "Year ended December 31,", ""], ["", "2023", "2O22"]]
    (block,) = assembled(
        page_of(0, grid_table([*HEAD, *rows(0, 9)])), page_of(1, grid_table([*other, *rows(9, 12)], 1))
    )
    assert table_of(block).rows == 16
    assert "2O22" in block.text


@pytest.mark.parametrize(
    "second",
    [
        [text_block("Balance sheet", 1, y=60, kind=Kind.HEADING, level=1), grid_table(rows(0, 5), 1)],
        [text_block("Another paragraph.", 1, y=60), grid_table(rows(0, 5), 1)],
        [text_block("Table 2. Costs", 1, y=80, kind=Kind.CAPTION), grid_table(rows(0, 5), 1)],
        [grid_table([["", "Shares", "Price"], ["Grants", "1,000", "5"]], 1)],
        [grid_table([["a", "1", "2", "3", "4", "5"]], 1)],
    ],
    ids=["heading", "paragraph", "caption", "header", "columns"],
)
def test_another_table_is_not_a_continuation(second: list[Block]) -> None:
    """A heading, text, another label, another header or other columns between them: two tables."""
    blocks = assembled(page_of(0, text_block(CAPTION, y=80), grid_table([*HEAD, *rows(0, 9)])), page_of(1, *second))
    assert sum(b.kind is Kind.TABLE for b in blocks) == 2


def test_columns_are_matched_by_place() -> None:
    """A continuation in which one column was empty, and so not seen, has its cells under the right columns."""
    first = grid_table([["", "2023", "2022"], ["Item", "1,000", "2,000"]])
    part = grid_table([["Item 2", "", "3,000"]], 1)
    item, _, figure = table_of(part).cells
    cells = (item, replace(figure, col=1))
    second = replace(part, table=Table(1, 2, cells))
    (block,) = assembled(page_of(0, first), page_of(1, second))
    assert table_of(block).grid()[-1] == ["Item 2", "", "3,000"]


def test_captions_and_units_join_their_table() -> None:
    """A caption, a short announcement and a units line right above a table become its caption, with their regions."""
    blocks = assembled(
        page_of(
            0,
            text_block("Net sales by segment were as follows:", y=60),
            text_block("(In millions, except per share data)", y=78),
            grid_table([*HEAD, *rows(0, 3)], y=100),
        )
    )
    (block,) = blocks
    assert table_of(block).caption == "Net sales by segment were as follows:\n(In millions, except per share data)"
    assert len(block.regions) == 3
    assert block.text.startswith(table_of(block).caption)


def test_text_far_above_or_plain_stays_text() -> None:
    """A paragraph above a table, or a units line far from it, stays a block."""
    far = assembled(page_of(0, text_block("(In millions)", y=20), grid_table(rows(0, 3), y=300)))
    plain = assembled(page_of(0, text_block("We sold things.", y=80), grid_table(rows(0, 3), y=100)))
    assert len(far) == len(plain) == 2


# ---------------------------------------------------------------- header rows


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([["", "2023", "2022"], ["Revenue", "1,950", "2,010"]], 1),
        ([["", "Year ended December 31,", ""], ["", "2023", "2022"], ["Revenue", "1", "2"]], 2),
        ([["", "Year Ended December", "31,"], ["", "2023", "2022"], ["Revenue", "$ 1", "2"]], 2),
        ([["(in millions)", "", ""], ["", "2023", "2022"], ["Assets:", "", ""], ["Cash", "1", "2"]], 2),
        ([["", "2023", "2022"], ["", "(in millions)", ""], ["Cash", "1", "2"]], 2),
        ([["", "2023", "2022"], ["Founded", "1998", "2003"], ["Cash", "1", "2"]], 1),
        ([["Revenue", "1,950", "2,010"], ["Costs", "1", "2"]], 0),
        ([["Revenue", "—", "n/a"], ["Costs", "1", "2"]], 0),
        ([["项目", "2022年", "2021年"], ["营业收入", "1,284,563,210.45", "3"]], 1),
        ([["项目", "2022年12月31日", "2021年12月31日"], ["货币资金", "12.5", "3"]], 1),
        ([["Term", "Meaning"], ["Agreement", "this document"], ["Party", "one of us"]], 1),
        ([["Name of the thing.", "A sentence that goes on and ends."], ["a", "b"], ["c", "d"]], 0),
        ([[f"r{i}", "words only"] for i in range(6)] + [["x", "12"]], 1),
        ([["a", "b"]], 0),
        ([["Total"], ["1"]], 0),
    ],
)
def test_header_rows_are_inferred(table: list[list[str]], expected: int) -> None:
    """Years, dates and units head columns; figures, dashes and section rows do not; a table of words has one at most."""
    assert infer_header_rows(table_of(grid_table(table))) == expected


def test_units_and_section_rows() -> None:
    """Units lines say only what figures mean; a section row has words in its first cell only."""
    for text in ("(In millions)", "(in thousands, except share data)", "US$ in millions", "单位：元", "(Unaudited)"):
        assert is_units_line(text), text
    for text in ("We sold assets in millions of places.", "$ 3,033", "Revenue", "", "Total assets in 2022 rose by $5."):
        assert not is_units_line(text), text
    rows_ = rows_of(table_of(grid_table([["Assets:", "", ""], ["Cash", "1", ""]])))
    assert [is_section_row(r) for r in rows_] == [True, False]


def test_header_rows_of_the_parser_are_kept() -> None:
    """What the parser knows is not guessed again."""
    (block,) = assembled(page_of(0, grid_table([["a", "b"], ["1", "2"], ["3", "4"]], header_rows=2)))
    assert table_of(block).header_rows == 2


# ---------------------------------------------------------------- furniture and outline


def test_running_lines_become_furniture() -> None:
    """Lines that repeat at one height in the margins, digits aside, are furniture; single ones and units lines are not."""
    pages = [
        page_of(
            n,
            text_block("ACME INC. ANNUAL REPORT 2022", n, y=30),
            text_block("(in millions)", n, y=60),
            text_block(f"Only on page number {'abcdef'[n]} stands this.", n, y=300),
            text_block(f"{n + 7}", n, y=765),
        )
        for n in range(5)
    ]
    blocks = assembled(*pages)
    assert {b.kind for b in blocks if b.text.startswith("ACME")} == {Kind.PAGE_HEADER}
    assert {b.kind for b in blocks if b.text.isdigit()} == {Kind.PAGE_NUMBER}
    assert len(texts(blocks, Layer.FURNITURE)) == 10
    assert len(texts(blocks)) == 10


def test_page_numbers_at_any_height() -> None:
    """A number that ends each page and counts up is its number, wherever the page ends; other numbers stay."""
    pages = [
        page_of(n, text_block("Some text of the page.", n, y=100), text_block(str(40 + n), n, y=500 + 37 * n))
        for n in range(3)
    ]
    blocks = assembled(*pages, page_of(3, text_block("1999", 3)))
    assert [b.text for b in blocks if b.kind is Kind.PAGE_NUMBER] == ["40", "41", "42"]
    assert blocks[-1].layer is Layer.BODY


def test_running_lines_at_the_end_of_short_pages() -> None:
    """A line that ends every page is furniture at whatever height the page ends."""
    pages = [
        page_of(
            n, text_block(f"Different {'abc'[n]} text.", n), text_block(f"Acme 2021 Form 10-K {n}", n, y=400 + 50 * n)
        )
        for n in range(3)
    ]
    assert texts(assembled(*pages), Layer.FURNITURE) == [f"Acme 2021 Form 10-K {n}" for n in range(3)]


def test_a_statement_title_is_no_furniture() -> None:
    """A page header that does not run, right over a table, is a heading, a year a caption; a running one stays."""

    def top(text: str, page: int, y: float) -> Block:
        return text_block(text, page, y=y, kind=Kind.PAGE_HEADER, layer=Layer.FURNITURE)

    pages = [
        page_of(n, top(title, n, 30), top("Acme and its Companies", n, 45), grid_table([*HEAD, *rows(0, 3)], n))
        for n, title in enumerate(["Statement of Income", "Balance Sheet", "Statement of Cash Flows"])
    ]
    blocks = assembled(*pages, page_of(3, top("2019", 3, 80), grid_table([*HEAD, *rows(0, 3)], 3)))
    headings = [b.text for b in blocks if b.kind is Kind.HEADING]
    assert headings == ["Statement of Income", "Balance Sheet", "Statement of Cash Flows"]
    assert len({b.level for b in blocks if b.kind is Kind.HEADING}) == 1
    assert table_of(blocks[-1]).caption == "2019"
    assert texts(blocks, Layer.FURNITURE) == ["Acme and its Companies"] * 3


def test_the_first_of_equal_headings_stays() -> None:
    """A heading repeated at the head of each page opens its section once and is furniture after that."""
    pages = [
        page_of(n, text_block("Notes (continued)" if n else "Notes", n, y=40, kind=Kind.HEADING, level=1),
                text_block(f"Different {'abc'[n]} text.", n))
        for n in range(3)
    ]  # fmt: skip
    blocks = assembled(*pages)
    assert [b.kind for b in blocks if b.text.startswith("Notes")] == [Kind.HEADING, Kind.PAGE_HEADER, Kind.PAGE_HEADER]


def test_furniture_does_not_part_a_heading_from_its_section() -> None:
    """Footers after a heading at the foot of a page come before it."""
    foot = text_block("Page", 0, y=760, kind=Kind.PAGE_FOOTER, layer=Layer.FURNITURE)
    pages = [page_of(0, text_block("Risks", kind=Kind.HEADING, level=1), foot), page_of(1, text_block("There are.", 1))]
    assert [b.text for b in assembled(*pages)] == ["Page", "Risks", "There are."]


def test_heading_levels() -> None:
    """Levels follow numbering and form, have no gaps, and put 1.2 under 1 whatever the parser said."""
    names = ["PART I", "Item 1. Business", "OVERVIEW", "Our people", "Item 2. Properties", "PART II", "1 Scope", "1.2 Terms",
             "1.2.1 Money", "2 Price"]  # fmt: skip
    page = page_of(0, *(text_block(t, y=100 + 20 * i, kind=Kind.HEADING, level=1) for i, t in enumerate(names)))
    assert [b.level for b in assembled(page)] == [1, 2, 3, 4, 2, 1, 2, 3, 4, 2]


def test_cells_and_spans_survive_a_merge() -> None:
    """Row spans of both parts are shifted, not changed."""
    head = (Cell(0, 0, "k"), Cell(0, 1, "2023"))
    body = (Cell(1, 0, "Europe", row_span=2), Cell(1, 1, "1"), Cell(2, 1, "2"))
    first = replace(grid_table([["", ""]] * 3), table=Table(3, 2, (*head, *body), header_rows=1))
    more = (Cell(0, 0, "Asia", row_span=2), Cell(0, 1, "3"), Cell(1, 1, "4"))
    second = replace(grid_table([["", ""]] * 2, 1), table=Table(2, 2, more))
    (block,) = assembled(page_of(0, first), page_of(1, second))
    assert [(c.row, c.row_span) for c in table_of(block).cells if c.row_span > 1] == [(1, 2), (3, 2)]
