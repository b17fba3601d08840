"""Answers quote what is printed, with the page and boxes it stands on, and say when there is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from paperlode.ingest.document import Box, Cell, Chunk, Kind, PageBox, Table, TablePart
from paperlode.retrieval.answer import NOTHING, NOTHING_CHINESE, Answer, QuotingAnswerer
from paperlode.retrieval.quotes import sentences
from paperlode.retrieval.search import Hit

if TYPE_CHECKING:
    from collections.abc import Callable

    from paperlode.retrieval.minilm import MiniLM

    ChunkOf = Callable[..., Chunk]

LAW = "The parties have signed. This Agreement is governed by the laws of Delaware, U.S. law. Notices go by mail to Mr. X."


def ask(embedder: MiniLM, question: str, *chunks: Chunk) -> Answer:
    """The answer from hits on these chunks, in this order."""
    hits = [Hit(n, 1 / n, c, c.pages[0], c.shown_text) for n, c in enumerate(chunks, 1)]
    return QuotingAnswerer(embedder, name_of=lambda digest: f"{digest}.pdf").answer(question, hits)


def cell(row: int, col: int, text: str, page: int = 4) -> Cell:
    """A cell with a place of its own."""
    return Cell(row, col, text, region=PageBox(page, Box(100.0 * col, 20.0 * row, 100.0 * col + 90, 20.0 * row + 15)))


def test_a_sentence_is_quoted_with_its_place(embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """The one that answers, not its neighbours."""
    chunk = chunk_of(LAW, page=3, heading_path=("Governing law",))
    answer = ask(embedder, "Which law governs the agreement?", chunk_of("Nothing of interest here."), chunk)
    first = answer.citations[0]
    assert answer.text.startswith("This Agreement is governed by the laws of Delaware, U.S. law. [1]")
    assert (first.n, first.document, first.name, first.page) == (1, "d1", "d1.pdf", 3)
    assert first.boxes == chunk.regions
    assert first.quote in chunk.text


def test_a_row_is_read_with_its_columns_and_quoted_as_printed(embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """Its boxes are the row's own cells; the row itself, not the header, is quoted."""
    cells = (
        Cell(0, 1, "Year ended", col_span=2),
        Cell(1, 1, "2018"),
        Cell(1, 2, "2017"),
        *(cell(2, c, t) for c, t in enumerate(("Net sales", "32,765", "31,657"))),
        *(cell(3, c, t) for c, t in enumerate(("Capital expenditures", "1,577", "1,373"))),
    )
    table = Table(4, 3, cells, header_rows=2, caption="In millions")
    chunk = chunk_of(table.to_text(), page=4, kind=Kind.TABLE, part=TablePart(0, 2, 4, 4, table))
    answer = ask(embedder, "What were capital expenditures in 2018?", chunk)
    assert answer.text == ("Capital expenditures: Year ended 2018 1,577; Year ended 2017 1,373 (In millions) [1]")
    assert answer.citations[0].quote == "Capital expenditures | 1,577 | 1,373"
    assert answer.citations[0].boxes == (PageBox(4, Box(0.0, 60.0, 290.0, 75.0)),)


def test_nothing_found_is_said(embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """Without hits, and with hits that do not answer; in the question's language."""
    assert ask(embedder, "Who won the chess championship?") == Answer(NOTHING, refused=True)
    assert ask(embedder, "Who won the chess championship?", chunk_of(LAW)) == Answer(NOTHING, refused=True)
    assert ask(embedder, "谁赢得了冠军？", chunk_of(LAW)) == Answer(NOTHING_CHINESE, refused=True)


def test_chinese_is_quoted_by_its_words(embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """The sentence with the words asked for."""
    chunk = chunk_of("公司成立于1998年。2022年净利润为1,284万元。员工3,900人。", page=1)
    answer = ask(embedder, "2022年的净利润是多少？", chunk)
    assert answer.text == "2022年净利润为1,284万元。 [1]"


def test_the_same_sentence_is_quoted_once(embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """From the better hit."""
    answer = ask(embedder, "Which law governs?", chunk_of(LAW, page=1), chunk_of(LAW, ordinal=1, page=2))
    quotes = [c.quote for c in answer.citations]
    assert len(quotes) == len(set(quotes))
    assert answer.citations[0].page == 1


def test_a_sentence_longer_than_the_model_reads_is_judged_by_its_words(embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """No error, and it is still found."""
    long = "the zebra clause " + "and so on and so forth " * 100
    assert ask(embedder, "zebra clause", chunk_of(long)).citations


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It rose 4.5% to $1.2. Then it fell again.", ["It rose 4.5% to $1.2.", "Then it fell again."]),
        (
            "Acme Inc. of the U.S. Government is here. Yes it is.",
            ["Acme Inc. of the U.S. Government is here.", "Yes it is."],
        ),
        ("第一句。第二句！第三句", ["第一句。", "第二句！", "第三句"]),
        ("One line\nof text goes on.", ["One line of text goes on."]),
        ("", []),
    ],
)
def test_sentences(text: str, parts: list[str]) -> None:
    """Neither numbers nor abbreviations end one."""
    assert list(sentences(text)) == parts
