"""Tables of which the parser saw only a part of a page: known again by their header, and by nothing less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paperlode.ingest.assembly import assemble
from paperlode.ingest.document import Block, Box, Cell, Kind, Line, PageBox, ParsedPage, Table
from paperlode.ingest.half_tables import whole_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD = ("Corporate issue", "Delaware law", "Jersey law")
LEFT, WIDE, HIGH = (72.0, 240.0, 410.0), 130.0, 10.0


def line(page: int, col: int, y: float, text: str, kind: Kind = Kind.TEXT, *, width: float = WIDE) -> Block:
    """A block of one printed line in that column."""
    region = PageBox(page, Box(LEFT[col], y, LEFT[col] + width, y + HIGH))
    return Block(kind, text, (region,), lines=(Line(0, len(text), region),))


def table(page: int, y: float, rows: Sequence[Sequence[str]], *, header: int = 1) -> Block:
    """A table in the three columns, its first row at ``y``."""
    cells = tuple(
        Cell(r, c, text, region=PageBox(page, Box(LEFT[c], y + 20 * r, LEFT[c] + WIDE, y + 20 * r + HIGH)))
        for r, row in enumerate(rows)
        for c, text in enumerate(row)
        if text
    )
    made = Table(len(rows), 3, cells, header_rows=header)
    box = Box(LEFT[0], y, LEFT[-1] + WIDE, y + 20 * len(rows) - 10)
    return Block(Kind.TABLE, made.to_text(), (PageBox(page, box),), table=made)


FIRST = table(0, 600, [HEAD, ("Quorum", "A third of votes", "Two members"), ("Proxies", "Three years", "One year")])


def header(page: int, words: Sequence[str] = HEAD) -> list[Block]:
    """The header as the parser may see it: lines that belong to no table."""
    return [line(page, c, 72, w, Kind.HEADING if c == 2 else Kind.TEXT) for c, w in enumerate(words)]


ROWS = [
    line(1, 0, 100, "Dividends"), line(1, 1, 100, "Out of surplus"), line(1, 2, 100, "Out of any account"),
    line(1, 0, 140, "Suits"), line(1, 1, 140, "By shareholders"), line(1, 2, 140, "By leave of the court"),
]  # fmt: skip


def pages(*second: Block) -> list[ParsedPage]:
    return [ParsedPage(0, 595, 842, "fake", (FIRST,)), ParsedPage(1, 595, 842, "fake", second)]


def tables(found: list[Block]) -> list[list[list[str]]]:
    return [b.table.grid() for b in found if b.table]


def test_a_page_that_begins_with_the_header_goes_on_with_the_table() -> None:
    """Its lines in the table's columns are rows of the one table, and their boxes are kept."""
    found = list(assemble(pages(*header(1), *ROWS)))
    (grid,) = tables(found)
    assert grid[1:] == [
        ["Quorum", "A third of votes", "Two members"],
        ["Proxies", "Three years", "One year"],
        ["Dividends", "Out of surplus", "Out of any account"],
        ["Suits", "By shareholders", "By leave of the court"],
    ]
    assert {r.page for b in found if b.table for r in b.regions} == {0, 1}


def test_rows_end_where_something_crosses_the_columns() -> None:
    """A paragraph over the page's width under them stays a paragraph."""
    prose = line(1, 0, 200, "The foregoing is a summary only, and the law itself prevails.", width=460)
    found = list(assemble(pages(*header(1), *ROWS, prose)))
    (grid,) = tables(found)
    assert grid[-1][0] == "Suits"
    assert prose.text in [b.text for b in found if b.kind is Kind.TEXT]


def test_another_header_is_another_table() -> None:
    """Other words over the columns, or text before them, leave the page as it was."""
    other = pages(*header(1, ("Corporate issue", "Nevada law", "Jersey law")), *ROWS)
    assert list(whole_tables(other)) == other
    late = pages(line(1, 0, 50, "We now turn to dividends."), *header(1), *ROWS)
    assert list(whole_tables(late)) == late


def test_columns_elsewhere_are_no_rows() -> None:
    """A line that lies in no single column, beside the rows, leaves the page as it was."""
    across = line(1, 0, 105, "A line that runs from the first column into the second one", width=300)
    odd = pages(*header(1), across, *ROWS[1:])
    (_, second) = whole_tables(odd)
    assert all(b.table is None for b in second.blocks)


def test_a_failed_page_between_forgets_the_header() -> None:
    """What stands two pages on is not taken for rows."""
    first, second = pages(*header(1), *ROWS)
    later = ParsedPage(2, 595, 842, "fake", second.blocks)
    assert list(whole_tables([first, later])) == [first, later]


def test_a_table_parted_on_one_page_is_made_one() -> None:
    """Right under each other in the same columns, the lower without a header: one table; with a header: two."""
    upper = table(0, 100, [HEAD, ("Quorum", "31", "20")])
    lower = table(0, 135, [("Proxies", "3", "1"), ("Suits", "12", "0")], header=0)
    (page,) = whole_tables([ParsedPage(0, 595, 842, "fake", (upper, lower))])
    (one,) = page.blocks
    assert one.table is not None
    assert [r[0] for r in one.table.grid()] == ["Corporate issue", "Quorum", "Proxies", "Suits"]
    apart = ParsedPage(0, 595, 842, "fake", (upper, table(0, 135, [("Law", "Nevada", "Utah"), ("Suits", "12", "0")])))
    assert list(whole_tables([apart])) == [apart]
