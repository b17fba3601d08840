"""A question for one figure is answered by its cell, with row, column, unit and place, or by no cell at all."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from paperlode.ingest.document import Box, Cell, Chunk, Kind, PageBox, Table, TablePart
from paperlode.ingest.table_reading import read_table
from paperlode.retrieval.answer import QuotingAnswerer
from paperlode.retrieval.figure_answer import FigureAnswer, FigureFinder, asks_one_figure
from paperlode.retrieval.search import Hit
from paperlode.retrieval.table_parts import with_neighbours

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paperlode.retrieval.minilm import MiniLM

    ChunkOf = Callable[..., Chunk]

HEAD = ("", "Year ended December 31, 2022", "Year ended December 31, 2021")
ROWS = (
    ("Total revenue", "17,606", "15,785"),
    ("Cost of revenue", "2,165", "1,865"),
    ("Purchases of property and equipment", "(442)", "(348)"),
    ("Effective tax rate", "21.0%", "18.5%"),
)
ZH_ROWS = (("营业收入", "1,284.50", "1,102.30"), ("净利润", "128.40", "(12.60)"))


def table_of(
    chunk_of: ChunkOf,
    rows: Sequence[Sequence[str]] = ROWS,
    head: Sequence[str] = HEAD,
    caption: str = "(in millions of US$)",
) -> Chunk:
    """A table with a place for every cell."""
    cells = [
        Cell(r, c, text, region=PageBox(4, Box(100.0 * c, 20.0 * r, 100.0 * c + 80, 20.0 * r + 12)))
        for r, row in enumerate((head, *rows))
        for c, text in enumerate(row)
        if text
    ]
    table = Table(len(rows) + 1, len(head), tuple(cells), 1, caption)
    return chunk_of(table.to_text(), page=4, kind=Kind.TABLE, part=TablePart(2, 1, table.rows, table.rows, table))


def find(question: str, *chunks: Chunk, **options: object) -> FigureAnswer | None:
    """The cell, if one is certain."""
    hits = [Hit(n, 1 / n, c, c.pages[0], c.shown_text) for n, c in enumerate(chunks, 1)]
    finder = FigureFinder(read_table, name_of=lambda _: "acme_2022.pdf", **options)  # type: ignore[arg-type]
    return finder.find(question, hits)


@pytest.mark.parametrize(
    ("question", "printed", "value"),
    [
        ("What was the total revenue in FY2022?", "17,606", "17606000000"),
        ("How much was Acme's cost of revenue in 2021?", "1,865", "1865000000"),
        ("FY2022 purchases of property and equipment amount (in USD millions) for Acme", "(442)", "-442000000"),
        ("What was the effective tax rate for the year ended December 31, 2021?", "18.5%", "18.5"),
    ],
)
def test_the_cell_is_found(chunk_of: ChunkOf, question: str, printed: str, value: str) -> None:
    """By its row's label and its column's period; printed, and in full."""
    found = find(question, table_of(chunk_of))
    assert found is not None
    assert (found.printed, found.value) == (printed, Decimal(value))


def test_it_has_all_that_a_reader_needs(chunk_of: ChunkOf) -> None:
    """Row, column, unit, scale, period, the row as printed, and the cell's own box."""
    found = find("What was the total revenue in 2022?", table_of(chunk_of))
    assert found == FigureAnswer(
        ("Total revenue",),
        ("Year ended December 31, 2022",),
        "17,606",
        Decimal(17_606_000_000),
        "USD",
        Decimal(1_000_000),
        "December 31, 2022",
        4,
        (PageBox(4, Box(100.0, 20.0, 180.0, 32.0)),),
        "Total revenue | 17,606 | 15,785",
        1,
    )
    assert found.text == "Total revenue, Year ended December 31, 2022: 17,606 million USD"


@pytest.mark.parametrize(
    "question",
    [
        "What was the total revenue in 2019?",  # no such column
        "What was the total revenue?",  # which year
        "What was the change in total revenue from 2021 to 2022?",  # computed
        "What was the growth of total revenue in 2022?",  # computed
        "What was the deferred revenue in 2022?",  # another row
        "What was the total revenue of the Northern region's hotels in 2022?",  # more than the row says
        "Why was the total revenue higher in 2022?",  # no figure
        "What percentage was total revenue in 2022?",  # another unit
        "Which year had the highest total revenue?",
    ],
)
def test_no_cell_is_better_than_a_wrong_one(chunk_of: ChunkOf, question: str) -> None:
    """Where period, row, unit or kind of question do not fit."""
    assert find(question, table_of(chunk_of)) is None


def test_two_cells_that_fit_alike_are_none(chunk_of: ChunkOf) -> None:
    """Unless they say the same."""
    other = table_of(chunk_of, (("Total revenue", "9,999", "8,888"), *ROWS[1:]))
    assert find("What was the total revenue in 2022?", table_of(chunk_of), other) is None
    assert find("What was the total revenue in 2022?", table_of(chunk_of), table_of(chunk_of)) is not None


def test_chinese(chunk_of: ChunkOf) -> None:
    """Labels, years and units."""
    chunk = table_of(chunk_of, ZH_ROWS, ("项目", "2022年", "2021年"), "单位：万元")
    found = find("公司2022年的营业收入是多少？", chunk)
    assert found is not None
    assert (found.value, found.text) == (Decimal(12845000), "营业收入, 2022年：1,284.50 万元")
    assert find("公司2022年营业收入增长多少？", chunk) is None
    assert find("2022年的研发费用是多少？", chunk) is None


def test_synonyms_lead_to_a_row(chunk_of: ChunkOf) -> None:
    """From whatever the caller knows."""
    question = "What was capex in 2022?"
    assert find(question, table_of(chunk_of)) is None
    found = find(question, table_of(chunk_of), expand=lambda _: ["purchases of property and equipment"])
    assert found is not None
    assert found.printed == "(442)"


def test_the_row_may_stand_in_another_part_of_the_table(chunk_of: ChunkOf) -> None:
    """The parts are put together again; what does not go on without a gap is left out."""
    whole = table_of(chunk_of).part
    assert whole is not None
    parts = []
    for i, rows in enumerate((ROWS[:2], ROWS[2:])):
        part = table_of(chunk_of, rows).part
        assert part is not None
        place = TablePart(2, 2 * i, 2 * i + 2, 4, part.table)
        parts.append(chunk_of(part.table.to_text(), ordinal=i, page=4, kind=Kind.TABLE, part=place))
    found = find("What was the effective tax rate in 2022?", parts[0], more_of=lambda _: parts)
    assert found is not None
    assert found.printed == "21.0%"
    joined = with_neighbours(parts[0], parts)
    assert joined.part is not None
    assert joined.part.table.grid() == whole.table.grid()
    assert with_neighbours(parts[0], ()) is parts[0]


def test_an_answer_begins_with_the_cell(chunk_of: ChunkOf, embedder: MiniLM) -> None:
    """Cited by its own box; the quotations follow."""
    chunks = table_of(chunk_of), chunk_of("Total revenue in 2022 grew with subscriptions.", ordinal=1, page=9)
    hits = [Hit(n, 1 / n, c, c.pages[0], c.shown_text) for n, c in enumerate(chunks, 1)]
    answerer = QuotingAnswerer(embedder, figures=FigureFinder(read_table))
    answer = answerer.answer("What was the total revenue in 2022?", hits)
    assert answer.text.startswith("Total revenue, Year ended December 31, 2022: 17,606 million USD [1]\n")
    assert answer.figure is not None
    assert answer.citations[0].boxes == answer.figure.boxes
    assert [c.n for c in answer.citations] == [*range(1, len(answer.citations) + 1)]
    assert len(answer.citations) > 1


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("How many employees were there in 2022?", True),
        ("2022年净利润为多少？", True),
        ("How did revenue compare with costs?", False),
        ("Which law governs?", False),
        ("为什么收入下降？", False),
    ],
)
def test_questions_for_one_figure(question: str, asks: bool) -> None:
    """And others."""
    assert asks_one_figure(question) is asks
