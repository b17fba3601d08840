"""Sums of tables as the judge tells them, and of tables whose rows stand on several pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paperlode.ingest.assembly import assemble
from paperlode.ingest.document import Block, Box, Cell, Finding, Kind, PageBox, ParsedPage, Table
from paperlode.ingest.table_checks import checked_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS = [("Rent", 120, 340), ("Wages", 410, 512), ("Travel", 77, 81), ("Energy", 310, 205), ("Paper", 45, 66)]


def table_on(page: int, rows: Sequence[tuple[str, object, object]], y: float) -> Block:
    """A table with the head of its columns, each row at its height."""
    lines = [("", "2023", "2022"), *rows]
    cells = tuple(
        Cell(r, c, str(text), region=PageBox(page, Box(72 + 150 * c, y + 14 * r, 200 + 150 * c, y + 12 + 14 * r)))
        for r, line in enumerate(lines)
        for c, text in enumerate(line)
        if str(text)
    )
    table = Table(len(lines), 3, cells, header_rows=1)
    box = Box(72, y, 500, y + 14 * len(lines))
    return Block(Kind.TABLE, table.to_text(), (PageBox(page, box),), table=table)


def halves(total: tuple[int, int], carried: bool = False) -> list[ParsedPage]:
    """A table of five rows and a total, three of them on the first page."""
    first, second = list(ROWS[:3]), list(ROWS[3:])
    if carried:
        sums = (sum(r[1] for r in first), sum(r[2] for r in first))
        first.append(("Carried forward", *sums))
        second.insert(0, ("Brought forward", *sums))
    second.append(("Total", *total))
    blocks = table_on(0, first, 780 - 14 * (len(first) + 1)), table_on(1, second, 72)
    return [ParsedPage(n, 595, 842, "fake", (b,)) for n, b in enumerate(blocks)]


TRUE = (sum(r[1] for r in ROWS), sum(r[2] for r in ROWS))


def codes(pages: list[ParsedPage]) -> list[str]:
    (block,) = [b for b in assemble(pages) if b.table]
    assert all(code in block.flags for code in {f.code for f in block.findings})
    return [f.code for f in block.findings]


def test_a_total_over_the_page_break_is_checked_against_all_rows() -> None:
    """The whole adds up, though no part does; with another total it does not."""
    assert codes(halves(TRUE)) == []
    assert codes(halves((TRUE[0] + 30, TRUE[1]))) == ["sum_mismatch"]


def test_what_is_only_carried_is_not_added() -> None:
    """Sums carried over the break are no addends."""
    assert codes(halves(TRUE, carried=True)) == []


def test_what_was_said_of_a_part_alone_is_withdrawn() -> None:
    """A finding on the second page's sums goes when the whole table adds up; other findings stay."""
    one, two = halves(TRUE)
    seen = (Finding("sum_mismatch", "no"), Finding("text_disagrees", "yes"))
    block = two.blocks[0]
    two = ParsedPage(
        1, 595, 842, "fake",
        (Block(block.kind, block.text, block.regions, table=block.table, findings=seen, flags=tuple(f.code for f in seen)),),
    )  # fmt: skip
    (whole,) = [b for b in assemble([one, two]) if b.table]
    assert [f.code for f in whole.findings] == ["text_disagrees"]
    assert whole.flags == ("text_disagrees",)


def test_text_has_no_sums() -> None:
    """Only tables are checked."""
    assert checked_sums(Block(Kind.TEXT, "1 + 1 = 3", (PageBox(0, Box(0, 0, 9, 9)),)), read=True) == []
