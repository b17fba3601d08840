"""Tables over pages: one table where a table goes on, two where another begins, and no cell lost whatever comes."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paperlode.ingest.assembly import CUT_BY_FAILED_PAGE, assemble
from paperlode.ingest.document import (
    Block,
    Box,
    Cell,
    Kind,
    Layer,
    Line,
    PageBox,
    PageFailure,
    ParsedPage,
    Table,
    from_json,
)
from paperlode.ingest.table_from_lines import as_rows
from paperlode.ingest.table_headers import carried_rows
from paperlode.ingest.table_joins import CARRIED, merge_tables

from .strategies import HEIGHT, WIDTH, blocks, grid_table, page_of, parsed_pages, squeezed, table_of, text_block

if TYPE_CHECKING:
    from collections.abc import Iterable

HEAD = [["Item", "2023", "2022"]]
SAMPLE: list[dict[str, Any]] = [
    json.loads(ln)
    for ln in gzip.decompress((Path(__file__).parent / "generated_tables.jsonl.gz").read_bytes()).decode().splitlines()
]


def rows(first: int, last: int) -> list[list[str]]:
    return [[f"Place {i}", f"{i},100", f"({i})"] for i in range(first, last)]


def assembled(*pages: ParsedPage) -> list[Block]:
    return list(assemble(pages))


def tables(found: Iterable[Block]) -> list[Table]:
    return [table_of(b) for b in found if b.kind is Kind.TABLE]


def two_pages(second: list[list[str]], *before: Block, after: tuple[Block, ...] = (), head: bool = True) -> list[Block]:
    """A table of nine rows at the end of a page, ``before`` and ``second`` at the head of the next."""
    first = grid_table([*(HEAD if head else []), *rows(0, 9)], 0, y=500)
    return assembled(page_of(0, first, *after), page_of(1, *before, grid_table(second, 1, y=100)))


# ---------------------------------------------------------------- generated documents


@pytest.mark.parametrize("doc", SAMPLE, ids=[d["name"] for d in SAMPLE])
def test_generated_documents(doc: dict[str, Any]) -> None:
    """Each table of a generated document is one block with all its rows, once; no block has rows of two tables."""
    pages = [from_json(ParsedPage, json.dumps(p)) for p in doc["pages"]]
    failure = PageFailure("page_timeout", "too slow")
    pages = [ParsedPage(p.page, 0, 0, p.parser, failure=failure) if p.page in doc["failed"] else p for p in pages]
    found = [b for b in assembled(*pages) if b.kind is Kind.TABLE]
    texts = [squeezed(b.text) for b in found]
    holding = [
        [i for i, text in enumerate(texts) if all(squeezed(m) in text for marks in t["marks"] for m in marks)]
        for t in doc["tables"]
    ]
    assert all(len(h) == 1 for h in holding), doc["traits"]
    assert len({h[0] for h in holding}) == len(holding), doc["traits"]
    for (i,), t in zip(holding, doc["tables"], strict=True):
        assert table_of(found[i]).rows - table_of(found[i]).header_rows == t["rows"], doc["traits"]
        assert all(texts[i].count(squeezed(m)) == 1 for marks in t["marks"] for m in marks)
    assert sum(CUT_BY_FAILED_PAGE in b.flags for b in found) == (2 if doc["failed"] else 0)


# ---------------------------------------------------------------- one table


@pytest.mark.parametrize("mark", ["(continued)", "(Cont'd)", "(cont.)", "Continued", "(续)", "（续表）", "续上表"])
def test_a_header_that_says_continued_is_left_out(mark: str) -> None:
    """A header that is repeated with a mark of continuation is the same header."""
    (table,) = tables(two_pages([[f"Item {mark}", "2023", "2022"], *rows(9, 12)]))
    assert (table.rows, table.header_rows) == (13, 1)


@pytest.mark.parametrize(
    "title", ["Table 3 (continued)", "Table 3. Places (Cont'd)", "表3 明细（续）", "(continued from page 2)"]
)
def test_a_title_that_says_continued(title: str) -> None:
    """A title with a mark of continuation stands over the same table, as caption, heading or text."""
    for kind in (Kind.CAPTION, Kind.HEADING, Kind.TEXT):
        found = two_pages([*HEAD, *rows(9, 12)], text_block(title, 1, y=80, kind=kind))
        assert [t.rows for t in tables(found)] == [13]
        assert title in [b.text for b in found]


def test_nested_headers_parted_differently() -> None:
    """Header words that the parser parted into other rows and cells on the next page are the same header."""
    first = [["", "Year ended", "Year ended"], ["Item", "2023", "2022"], *rows(0, 9)]
    second = [["Item", "Year ended 2023", "Year ended 2022"], *rows(9, 12)]
    found = assembled(page_of(0, grid_table(first)), page_of(1, grid_table(second, 1)))
    assert [(t.rows, t.header_rows) for t in tables(found)] == [(14, 2)]


def test_a_header_read_into_the_first_row() -> None:
    """A repeated header that the parser read into one row with the first data is the same header, and kept."""
    head = [["Name", "Country", "Code"]]
    first = grid_table([*head, *([f"n{i} x", "Norway", f"A-{i}"] for i in range(9))])
    second = grid_table(
        [["Name Corfe", "Country Chile", "Code A-10"], *([f"m{i} x", "Spain", f"B-{i}"] for i in range(5))], 1
    )
    assert [t.rows for t in tables(assembled(page_of(0, first), page_of(1, second)))] == [16]


def test_a_header_line_left_outside() -> None:
    """A line of the header that the parser took for a heading over the second part does not part the tables."""
    head = [["", "Valued by reference", "to prices"], ["Item", "First", "Second"]]
    first = replace(
        grid_table([*head, *rows(0, 9)]), table=replace(table_of(grid_table([*head, *rows(0, 9)])), header_rows=2)
    )
    line = text_block("Valued by reference to prices", 1, y=80, kind=Kind.HEADING)
    assert [t.rows for t in tables(assembled(page_of(0, first), page_of(1, line, grid_table(rows(9, 14), 1))))] == [16]


def test_a_label_beside_the_second_part() -> None:
    """A first label that was not seen as a cell stands beside the table's rows; over them it is a title."""
    first = grid_table([*HEAD, *rows(0, 9)])
    cells = tuple(
        Cell(r, c, t, region=PageBox(1, Box(228 + 156 * c, 100 + 15 * r, 380 + 156 * c, 112 + 15 * r)))
        for r, row in enumerate(rows(9, 14))
        for c, t in enumerate(row[1:])
    )
    second = Block(Kind.TABLE, "", (PageBox(1, Box(228, 100, 540, 175)),), table=Table(5, 2, cells))
    label = Block(Kind.TEXT, "Dissolution", (PageBox(1, Box(72, 100, 140, 115)),))
    over = Block(Kind.TEXT, "Dissolution", (PageBox(1, Box(72, 60, 140, 75)),))
    assert len(tables(assembled(page_of(0, first), page_of(1, label, second)))) == 1
    assert len(tables(assembled(page_of(0, first), page_of(1, over, second)))) == 2


def test_carried_sums_are_kept_and_told() -> None:
    """Rows that carry a sum over the break stay rows, and the table is flagged."""
    first = grid_table([*HEAD, *rows(0, 9), ["Carried forward", "900", "36"]])
    second = grid_table([*HEAD, ["Brought forward", "900", "36"], *rows(9, 12)], 1)
    (block,) = assembled(page_of(0, first), page_of(1, second))
    assert CARRIED in block.flags
    assert carried_rows(table_of(block)) == {10, 11}
    assert table_of(block).rows == 15


@pytest.mark.parametrize(
    ("label", "carried"),
    [
        ("Carried forward", True), ("Balance c/f", True), ("Balance b/f", True), ("Total brought forward", True),
        ("Subtotal carried forward to next page", True), ("承前页", True), ("过次页", True), ("转下页", True),
        ("Loss carried forward", False), ("Tax loss carryforwards", False), ("Total", False), ("本年利润", False),
        ("Forward contracts", False),
    ],
)  # fmt: skip
def test_what_a_carried_row_is(label: str, carried: bool) -> None:
    """Only rows that repeat a sum over a break are carried; losses carried forward are figures of their own."""
    table = table_of(grid_table([*HEAD, ["Place", "1", "2"], [label, "3", "4"]], header_rows=1))
    assert carried_rows(table) == ({2} if carried else set())


def test_a_row_cut_by_the_break_is_made_whole() -> None:
    """A first row without a label that goes on with the words of the last row is that row's rest."""
    first = [
        ["Name", "What"],
        ["Arden", "the lease of the premises with all fixtures"],
        ["Bexley", "repair of two pumps which"],
    ]
    second = [["", "had been damaged in the flood"], ["Corfe", "a new roof for the northern hall"]]
    (table,) = tables(assembled(page_of(0, grid_table(first)), page_of(1, grid_table(second, 1))))
    assert table.grid()[2:] == [
        ["Bexley", "repair of two pumps which had been damaged in the flood"],
        ["Corfe", "a new roof for the northern hall"],
    ]


def test_a_label_cut_by_the_break() -> None:
    """A label whose last words and figures stand on the next page is one row; a section's name is not the label's start."""
    long = "Accumulated other comprehensive income of the parts"
    (table,) = tables(two_pages([["held for sale", "1,000", "5"], *rows(9, 11)], head=True)[:1])
    assert table.grid()[10] == ["held for sale", "1,000", "5"]
    first = grid_table([*HEAD, *rows(0, 4), [long, "", ""]])
    second = grid_table([["that are held for sale", "1,000", "5"], *rows(9, 11)], 1)
    (table,) = tables(assembled(page_of(0, first), page_of(1, second)))
    assert table.grid()[5] == [f"{long} that are held for sale", "1,000", "5"]


@pytest.mark.parametrize(
    "row", [["", "1,000", "5"], ["", "Other", "5"], ["of which leased", "1,000", "5"], ["", "", "n/a"]], ids=str
)
def test_a_row_of_its_own_stays_one(row: list[str]) -> None:
    """Figures without a label, and labels under a full row, are rows of their own."""
    (table,) = tables(two_pages([row, *rows(9, 12)]))
    assert table.rows == 14


def test_a_column_that_was_empty_on_the_next_page() -> None:
    """Columns are matched by their places: figures stand in the column they stood under, header words tell the rest."""
    first = grid_table([*HEAD, *rows(0, 9)])
    boxes = [PageBox(1, Box(72, 100, 350, 115)), PageBox(1, Box(350, 100, 536, 115))]
    cells = (Cell(0, 0, "Place 9", region=boxes[0]), Cell(0, 1, "(9)", region=boxes[1]))
    second = Block(Kind.TABLE, "", (PageBox(1, Box(72, 100, 540, 115)),), table=Table(1, 2, cells))
    (table,) = tables(assembled(page_of(0, first), page_of(1, second)))
    assert table.grid()[-1] == ["Place 9", "", "(9)"]


def test_a_note_between() -> None:
    """A note under the first part parts the tables, unless the header is repeated or the figures stand in their columns."""
    note = text_block("(1) As restated.", 0, y=700)
    assert [t.rows for t in tables(two_pages([*HEAD, *rows(9, 12)], after=(note,)))] == [13]
    assert [t.rows for t in tables(two_pages(rows(9, 14), after=(note,)))] == [15]
    words = grid_table([["Name", "What"], *([f"n{i}", "some words"] for i in range(5))])
    more = grid_table([[f"m{i}", "other words"] for i in range(5)], 1)
    assert len(tables(assembled(page_of(0, words, note), page_of(1, more)))) == 2


def test_lines_that_the_parser_took_for_text() -> None:
    """Lines that stand in the columns of the table before, row by row, are its rows; a paragraph is not."""
    parts = [(f"Place {i}", f"{i},100", f"({i})") for i in range(9, 13)]
    text, lines = "", list[Line]()
    for r, row in enumerate(parts):
        for c, word in enumerate(row):
            start = len(text) + bool(text)
            text += ("\n" if text else "") + word
            box = Box(72 + 156 * c, 100 + 15 * r, 120 + 156 * c, 112 + 15 * r)
            lines.append(Line(start, len(text), PageBox(1, box)))
    block = Block(Kind.TEXT, text, (PageBox(1, Box(72, 100, 540, 160)),), lines=tuple(lines))
    (table,) = tables(assembled(page_of(0, grid_table([*HEAD, *rows(0, 9)])), page_of(1, block)))
    assert table.grid()[10:] == [list(p) for p in parts]
    prose = replace(block, lines=(Line(0, len(text), PageBox(1, Box(72, 100, 540, 160))),))
    assert as_rows(grid_table(rows(0, 9)), prose) is None


# ---------------------------------------------------------------- tables of which a part was seen

LAWS = ["Issue of law", "Law of Jersey", "Law of Delaware"]


def column_lines(page: int, col: int, y: float, *lines: str, kind: Kind = Kind.TEXT) -> Block:
    """A block of lines, 12 points each, in one of the columns of a ``grid_table`` of three."""
    x, ends = 72.0 + 156 * col, list[int]()
    for line in lines:
        ends.append((ends[-1] + 1 if ends else 0) + len(line))
    places = [PageBox(page, Box(x, y + 12 * i, x + 140, y + 12 * i + 10)) for i in range(len(lines))]
    printed = tuple(Line(end - len(t), end, place) for t, end, place in zip(lines, ends, places, strict=True))
    around = PageBox(page, Box(x, y, x + 140, y + 12 * len(lines) - 2))
    return Block(kind, "\n".join(lines), (around,), lines=printed)


def laws(*heads: str) -> tuple[Block, ...]:
    """A page on which no table was seen: the words of a header, a rest without label, a label with two texts."""
    return (
        *(column_lines(1, i, 60, t, kind=Kind.HEADING) for i, t in enumerate(heads)),
        column_lines(1, 2, 80, "what goes on", "from before"),
        column_lines(1, 0, 120, "Suits of", "holders", kind=Kind.HEADING),
        column_lines(1, 1, 120, "A holder may", "apply to the", "court."),
        column_lines(1, 2, 120, "An action is", "open."),
    )


def law_table() -> Block:
    return grid_table([LAWS, *([f"Point {i}", "It is so.", "It is not so."] for i in range(4))], y=600)


def test_a_repeated_header_shows_that_the_text_under_it_is_rows() -> None:
    """Header words over text in the table's columns: labels begin rows, prose over the width ends them."""
    prose = replace(text_block("A paragraph over the whole width.", 1, y=200), lines=())
    found = assembled(page_of(0, law_table()), page_of(1, *laws(*LAWS), prose))
    (table,) = tables(found)
    assert table.grid()[5:] == [
        ["", "", "what goes on\nfrom before"],
        ["Suits of\nholders", "A holder may\napply to the\ncourt.", "An action is\nopen."],
    ]
    assert [b.text for b in found if b.kind is not Kind.TABLE] == [prose.text]


@pytest.mark.parametrize(
    "heads",
    [(), ("Issue of law", "Law of Delaware", "Law of Jersey"), ("Issue of law", "Law of Jersey", "Law of France")],
)
def test_text_in_columns_without_the_header_stays_text(heads: tuple[str, ...]) -> None:
    """Without the header, or with its words over other columns, nothing is made a row."""
    page = page_of(1, *laws(*heads))
    found = assembled(page_of(0, law_table()), page)
    assert [t.rows for t in tables(found)] == [5]
    assert [b.text for b in found if b.kind is not Kind.TABLE] == [b.text for b in page.blocks]


def test_a_heading_under_the_rows_stays_a_heading() -> None:
    """A short line under the last row that stands in the first column alone is no row."""
    heading = column_lines(1, 0, 200, "9. Notices", kind=Kind.HEADING)
    found = assembled(page_of(0, law_table()), page_of(1, *laws(*LAWS), heading))
    assert [t.rows for t in tables(found)] == [7]
    assert [b.text for b in found if b.kind is Kind.HEADING] == ["9. Notices"]


@pytest.mark.parametrize("again", [True, False])
def test_text_between_a_table_and_its_repeated_header(again: bool) -> None:
    """What stands under a table in its columns is its rows if the next page begins with the header, else text."""
    first = grid_table([LAWS, *([f"Point {i}", "It is so.", "It is not so."] for i in range(4))], y=100)
    under = (column_lines(0, 0, 200, "Suits"), column_lines(0, 1, 200, "Some may", "sue."))
    second = grid_table([*([LAWS] if again else []), ["Votes", "One each.", "None."]], 1, y=60)
    found = assembled(page_of(0, first, *under), page_of(1, second))
    assert [t.rows for t in tables(found)] == ([7] if again else [5, 1])
    if again:
        assert tables(found)[0].grid()[5] == ["Suits", "Some may\nsue.", ""]


def test_a_table_parted_on_one_page_is_one() -> None:
    """Two tables right under each other in the same columns are one; not with a header of its own, a gap or text between."""

    def seen(second: Block, *between: Block) -> list[int]:
        return [t.rows for t in tables(assembled(page_of(0, grid_table([*HEAD, *rows(0, 5)]), *between, second)))]

    assert seen(grid_table(rows(5, 9), y=192)) == [10]
    assert seen(grid_table([["Item", "2021", "2020"], *rows(5, 9)], y=192)) == [6, 5]
    assert seen(grid_table(rows(5, 9), y=240)) == [6, 4]
    assert seen(grid_table(rows(5, 9), y=200), text_block("Between.", y=190, height=9)) == [6, 4]


# ---------------------------------------------------------------- two tables


@pytest.mark.parametrize(
    "head",
    [
        [["Item", "2021", "2020"]],
        [["Item", "Shares", "Price"]],
        [["Item (2021)", "2023", "2022"]],
        [["", "December 31, 2022", ""], ["Item", "2023", "2022"]],
        [["Table 4. Costs", "", ""], ["Item", "2023", "2022"]],
    ],
    ids=str,
)
def test_another_header_begins_another_table(head: list[list[str]]) -> None:
    """Other years, words, dates, or a title with another number over the same columns: two tables."""
    pages = (
        page_of(0, text_block("Table 3. Places", y=80), grid_table([*HEAD, *rows(0, 9)], y=100)),
        page_of(1, grid_table([*head, *rows(9, 15)], 1)),
    )
    assert len(tables(assembled(*pages))) == 2


@pytest.mark.parametrize(
    "before",
    [
        text_block("Table 4. Places", 1, y=80, kind=Kind.CAPTION),
        text_block("Table 4 (continued)", 1, y=80, kind=Kind.CAPTION),
        text_block("Southern division", 1, y=80, kind=Kind.HEADING),
        text_block("The others were as follows:", 1, y=80),
        text_block("South", 1, y=80),
        text_block("Discontinued operations", 1, y=80, kind=Kind.HEADING),
        text_block("Income from continued operations", 1, y=80),
        text_block("持续经营业务", 1, y=80, kind=Kind.HEADING),
    ],
    ids=lambda b: b.text,
)
def test_a_new_title_begins_another_table(before: Block) -> None:
    """The same header under another label, heading or lead-in: two tables, though every word of the header is the same."""
    first = page_of(0, text_block("Table 3. Places", y=80), grid_table([*HEAD, *rows(0, 9)], y=100))
    found = assembled(first, page_of(1, before, grid_table([*HEAD, *rows(9, 15)], 1)))
    assert len(tables(found)) == 2


def test_a_table_of_words_with_another_header() -> None:
    """Names over columns of codes and long texts are a header, though no figure stands under them."""
    first = [
        ["Name", "What", "Code"],
        *([f"n{i} x", "a long description of the works that were done", f"A-{i}"] for i in range(9)),
    ]
    other = [
        ["Vessel", "Cargo", "Berth"],
        *([f"v{i} y", "another long description of what was on board", f"B-{i}"] for i in range(9)),
    ]
    assert len(tables(assembled(page_of(0, grid_table(first)), page_of(1, grid_table(other, 1))))) == 2
    assert len(tables(assembled(page_of(0, grid_table(first)), page_of(1, grid_table(other[1:], 1))))) == 1


def test_titles_taken_for_page_headers() -> None:
    """A line over each table that changes its year, and not as a page number does, is a title: the tables stay apart."""

    def page(n: int, title: str) -> ParsedPage:
        top = text_block(title, n, y=80, kind=Kind.PAGE_HEADER, layer=Layer.FURNITURE)
        return page_of(n, top, grid_table([*HEAD, *rows(9 * n, 9 * n + 9)], n))

    assert len(tables(assembled(*(page(n, f"Q{n + 1} 2023 results by place") for n in range(3))))) == 3
    assert len(tables(assembled(*(page(n, f"Results of Acme by place {n + 7}") for n in range(3))))) == 1


# ---------------------------------------------------------------- failed pages


@pytest.mark.parametrize("failed", [(1,), (1, 2)])
def test_a_failed_page_in_a_table(failed: tuple[int, ...]) -> None:
    """The halves stay apart, both flagged, with a finding that names the page."""
    last = failed[-1] + 1
    gaps = [ParsedPage(n, WIDTH, HEIGHT, "fake-1", failure=PageFailure("page_timeout", "too slow")) for n in failed]
    first = page_of(0, grid_table([*HEAD, *rows(0, 9)]))
    found = assembled(first, *gaps, page_of(last, grid_table([*HEAD, *rows(20, 25)], last)))
    assert [t.rows for t in tables(found)] == [10, 6]
    for b in found:
        assert b.flags == (CUT_BY_FAILED_PAGE,)
        assert b.findings[0].code == CUT_BY_FAILED_PAGE
        assert ("Page 2 " if len(failed) == 1 else "Pages 2 to 3 ") in b.findings[0].reason
        assert b.findings[0].regions
    other = assembled(first, *gaps, page_of(last, grid_table([["Item", "Shares", "Price"], *rows(20, 25)], last)))
    assert [b.flags for b in other] == [(), ()]


# ---------------------------------------------------------------- whatever comes

words = st.sampled_from(
    ["", "Item", "2023", "2022", "1,000", "(5)", "of the", "Table 3 (continued)", "续", "营业收入", "a-", "-"]
)


@st.composite
def nasty_tables(draw: st.DrawFn, page: int) -> Block:
    """A table whose cells collide, lie outside it, have no size or none at all."""
    size_r, size_c = draw(st.integers(0, 6)), draw(st.integers(0, 5))
    cells = []
    for _ in range(draw(st.integers(0, 14))):
        x, y = draw(st.integers(0, 500)), draw(st.integers(0, 700))
        box = Box(x, y, x + draw(st.sampled_from([0, 0, 40, 100])), y + draw(st.sampled_from([0, 12])))
        region = draw(st.sampled_from([None, PageBox(page, box)]))
        r, c = draw(st.integers(0, max(0, size_r - 1))), draw(st.integers(0, 6))
        cells.append(Cell(r, c, draw(words), draw(st.integers(1, 4)), draw(st.integers(1, 4)), region))
    table = Table(
        size_r, size_c, tuple(cells), draw(st.integers(0, max(0, size_r))), draw(st.sampled_from(["", "Table 3"]))
    )
    regions = (PageBox(page, Box(72, 100, 72 + draw(st.sampled_from([0, 468, 468, 468])), 400)),)
    return Block(Kind.TABLE, "", regions, table=table)


@settings(max_examples=50, deadline=None)
@given(nasty_tables(0), nasty_tables(1), st.booleans())
def test_merging_never_raises_and_never_loses_a_word(first: Block, second: Block, doubtful: bool) -> None:
    """Whatever two tables hold, their words are in the merged one; words of a repeated header may be there once."""
    merged = merge_tables(first, second, doubtful=doubtful)
    if merged is None:
        return
    a, b, whole = table_of(first), table_of(second), table_of(merged)
    said = Counter("".join(c.text for c in whole.cells).replace(" ", ""))
    assert not Counter("".join(c.text for c in a.cells).replace(" ", "")) - said
    left_out = a.rows + b.rows - whole.rows
    kept = "".join(c.text for c in b.cells if c.row >= left_out).replace(" ", "")
    assert not Counter(kept) - said
    assert merged.regions == first.regions + second.regions
    assert all(0 <= c.row < whole.rows for c in whole.cells if c.row_span == 1 or c.text)


@settings(max_examples=15, deadline=None)
@given(parsed_pages(), st.randoms(use_true_random=False), st.lists(blocks(), max_size=2))
def test_pages_in_any_order(pages: list[ParsedPage], rng: Any, more: list[Block]) -> None:
    """Pages out of order, twice, or with blocks that say they stand on another page: nothing raises, nothing is lost."""
    mixed = [*pages, *pages[:1], page_of(1, *more)]
    rng.shuffle(mixed)
    whole = squeezed("".join(b.text for b in assemble(mixed)))
    for page in mixed:
        for b in page.blocks:
            for text in [c.text for c in b.table.cells] if b.table else [b.text]:
                assert squeezed(text).rstrip("-\u00ad") in whole


def test_a_cell_outside_the_grid_stays_outside() -> None:
    """A parser's stray cell under the last row does not turn up among the rows of the continuation."""
    first = grid_table([*HEAD, *rows(0, 9)], 0, y=500)
    table = table_of(first)
    stray = replace(table, cells=(*table.cells, Cell(table.rows, 1, "stray")))
    (whole,) = [
        b
        for b in assembled(page_of(0, replace(first, table=stray)), page_of(1, grid_table(rows(9, 14), 1, y=100)))
        if b.table
    ]
    assert table_of(whole).rows == table.rows + 5
    assert "stray" not in whole.text
    assert "stray" in {c.text for c in table_of(whole).cells}


def captioned(page: int, caption: str, start: int, y: float) -> Block:
    """A table whose caption the parser put into the table itself."""
    block = grid_table([*HEAD, *rows(start, start + 5)], page, y=y)
    table = replace(table_of(block), caption=caption, header_rows=1)
    return replace(block, table=table, text=table.to_text())


def test_a_caption_that_the_parser_put_into_the_table_counts_as_one() -> None:
    """Another one keeps the tables apart; one that repeats the first's is kept beside the joined table."""
    first = captioned(0, "Table 2. Segments", 0, 600)
    apart = assembled(page_of(0, first), page_of(1, captioned(1, "Table 3. Regions", 5, 100)))
    assert [t.caption for t in tables(apart)] == ["Table 2. Segments", "Table 3. Regions"]
    found = assembled(page_of(0, first), page_of(1, captioned(1, "Table 2. Segments (continued)", 5, 100)))
    assert len(tables(found)) == 1
    assert [b.text for b in found if b.kind is Kind.CAPTION] == ["Table 2. Segments (continued)"]
