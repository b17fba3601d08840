"""Searching: the right page first, one hit a page, grown to a passage; filters; Chinese; numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from paperlode.ingest.document import Cell, Chunk, Entry, Kind, Layer, Table, TablePart
from paperlode.ingest.errors import InvalidRequest
from paperlode.retrieval.fusion import Weights, fuse
from paperlode.retrieval.index import Filter, HybridQuery, Scored
from paperlode.retrieval.passages import TABLE_WORDS
from paperlode.retrieval.search import Search
from paperlode.retrieval.understanding import Understood
from paperlode.retrieval.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paperlode.retrieval.edge import EdgeIndex
    from paperlode.retrieval.minilm import MiniLM

    Write = Callable[[Sequence[Chunk]], None]
    ChunkOf = Callable[..., Chunk]

TEXTS = [
    "This Agreement is governed by the laws of the State of Delaware.",
    "Either party may end the Agreement with thirty days of written notice.",
    "Total revenue rose to $1,284,563,210.45 in fiscal 2019.",
    "The company employs 3,900 people in nine countries.",
    "公司2022年的净利润为1,284万元，同比增长12%。",
    "公司员工总数为3,900人，其中研发人员占三成。",
    "本合同适用中华人民共和国法律。",
]


@pytest.fixture
def search(index: EdgeIndex, write: Write, embedder: MiniLM, chunk_of: ChunkOf) -> Search:
    """Seven pages, two of them in a second document's first page range."""
    write([chunk_of(t, ordinal=i, page=i) for i, t in enumerate(TEXTS[:4])])
    write([chunk_of(t, document="d2", ordinal=i, page=i) for i, t in enumerate(TEXTS[4:])])
    return Search(index, embedder)


@pytest.mark.parametrize(
    ("question", "best"),
    [
        ("Which law applies to the contract?", 0),
        ("How can the contract be cancelled?", 1),
        ("1284563210.45", 2),
        ("1,284,563,210.45", 2),
        ("How big is the workforce?", 3),
        ("净利润是多少？", 4),
        ("利润", 4),
        ("公司有多少员工？", 5),
        ("合同适用什么法律？", 6),
    ],
)
def test_the_right_page_comes_first(search: Search, question: str, best: int) -> None:
    """By other words, by numbers however written, and by Chinese words and their parts."""
    hits = search.search(question, limit=3)
    assert hits[0].chunk.text == TEXTS[best]
    assert [h.rank for h in hits] == [1, 2, 3][: len(hits)]
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)


def test_the_same_question_gives_the_same_hits(search: Search) -> None:
    """To the last digit."""
    assert search.search("profit of the company") == search.search("profit of the company")


def test_a_chinese_question_without_its_words_finds_nothing(search: Search) -> None:
    """An English model's idea of Chinese is not asked."""
    assert search.search("火星探测器") == []


def test_filters_hold(search: Search) -> None:
    """By document, kind and page."""
    assert {h.document for h in search.search("law", filters=Filter(documents=("d2",)))} == {"d2"}
    assert {h.page for h in search.search("law", filters=Filter(pages=(1, 2)))} == {1, 2}
    assert search.search("law", filters=Filter(kinds=(Kind.TABLE,))) == []


def test_requests_without_sense_are_refused(search: Search) -> None:
    """An empty question, no hits or too many."""
    for question, limit in (("  ", 5), ("law", 0), ("law", 10_000)):
        with pytest.raises(InvalidRequest):
            search.search(question, limit=limit)


def test_an_empty_index_gives_no_hits(index: EdgeIndex, embedder: MiniLM) -> None:
    """And no error."""
    assert Search(index, embedder).search("law") == []


def test_every_page_is_one_hit_by_its_best_chunk(
    index: EdgeIndex, write: Write, embedder: MiniLM, chunk_of: ChunkOf
) -> None:
    """Twenty chunks on each of five pages, and one over two pages: five hits are five pages."""
    chunks = [chunk_of(f"Zebra number {i}", ordinal=i, page=i // 20) for i in range(100)]
    chunks.append(chunk_of("A zebra, all about the zebra", ordinal=100, pages=(4, 5)))
    write(chunks)
    search = Search(index, embedder)
    hits = search.search("all about the zebra", limit=10)
    assert sorted(h.page for h in hits) == [0, 1, 2, 3, 4]
    assert (hits[0].page, hits[0].pages, len(hits[0].regions)) == (4, (4, 5), 2)
    assert [h.page for h in search.search("zebra", filters=Filter(pages=(5, 9)))] == [5]


def test_running_headers_are_found_only_when_asked_for(
    index: EdgeIndex, write: Write, embedder: MiniLM, chunk_of: ChunkOf
) -> None:
    """Body and notes by default."""
    layers = (Layer.BODY, Layer.NOTE, Layer.FURNITURE)
    write([chunk_of("Zebra", ordinal=i, page=i, layer=layer) for i, layer in enumerate(layers)])
    search = Search(index, embedder)
    assert {h.chunk.layer for h in search.search("zebra")} == {Layer.BODY, Layer.NOTE}
    assert {h.chunk.layer for h in search.search("zebra", filters=Filter(layers=(Layer.FURNITURE,)))} == {
        Layer.FURNITURE
    }


def test_a_passage_is_the_chunk_and_its_neighbours_on_the_page(
    index: EdgeIndex, write: Write, embedder: MiniLM, chunk_of: ChunkOf
) -> None:
    """In reading order, within the budget, without headers, and never beyond the page."""
    write(
        [
            chunk_of("On the page before", ordinal=0, page=0),
            chunk_of("Running header", ordinal=1, page=1, layer=Layer.FURNITURE),
            chunk_of("First here", ordinal=2, page=1),
            chunk_of("Zebra here", ordinal=3, page=1),
            chunk_of("Running note", ordinal=4, page=1, layer=Layer.FURNITURE),
            chunk_of("Last here", ordinal=5, page=1),
            chunk_of("On the page after", ordinal=6, page=2),
        ]
    )

    def passage(budget: int) -> str:
        return Search(index, embedder, passage_words=budget).search("zebra", limit=1)[0].passage

    assert passage(300) == "First here\nZebra here\nLast here"
    assert passage(4) == "First here\nZebra here"
    assert passage(0) == "Zebra here"


def test_a_table_is_put_together_before_the_text_around_it(
    index: EdgeIndex, write: Write, embedder: MiniLM, chunk_of: ChunkOf
) -> None:
    """Whole, beyond the budget, with the repeated header once."""

    def part(n: int) -> TablePart:
        return TablePart(9, n, n + 1, 3, Table(1, 1, ()))

    write(
        [
            chunk_of("Text before", ordinal=0),
            chunk_of("Year | Sales\n2017 | 10", ordinal=1, kind=Kind.TABLE, part=part(0)),
            chunk_of("2018 | 20 zebra", ordinal=2, kind=Kind.TABLE, part=part(1), context="Year | Sales"),
            chunk_of("2019 | 30", ordinal=3, kind=Kind.TABLE, part=part(2), context="Year | Sales"),
            chunk_of("Text after", ordinal=4),
        ]
    )

    def passage(budget: int) -> str:
        return Search(index, embedder, passage_words=budget).search("zebra", limit=1)[0].passage

    assert passage(16) == "Year | Sales\n2017 | 10\n2018 | 20 zebra\n2019 | 30"
    assert passage(300).splitlines()[0] == "Text before"
    assert passage(300).count("Year | Sales") == 1
    assert passage(0) == passage(16)


def test_of_an_endless_table_the_rows_around_are_shown(
    index: EdgeIndex, write: Write, embedder: MiniLM, chunk_of: ChunkOf
) -> None:
    """A table longer than a page of figures is not shown whole: what is shown holds the hit and stays bounded."""
    parts = 40
    write(
        [
            chunk_of(
                f"row {n} " + "of many words " * 30 + ("zebra" if n == 20 else ""),
                ordinal=n,
                kind=Kind.TABLE,
                part=TablePart(9, n, n + 1, parts, Table(1, 1, ())),
            )
            for n in range(parts)
        ]
    )
    shown = Search(index, embedder).search("zebra", limit=1)[0].passage
    assert "zebra" in shown
    assert "row 19 " in shown
    assert "row 21 " in shown
    assert len(shown.split()) <= TABLE_WORDS


def test_a_row_leads_to_its_table(index: EdgeIndex, write: Write, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """A chunk is scored by the best of its rows, one without rows is not, and the row helps to rank it."""
    table = TablePart(1, 0, 3, 3, Table(3, 2, ()))
    rows = (Entry(0, "Cash and cash equivalents"), Entry(1, "Cost of goods sold"), Entry(2, "Zebra feed"))
    write(
        [
            chunk_of("1 | 2\n3 | 4", ordinal=0, kind=Kind.TABLE, part=table, entries=rows),
            chunk_of("5 | 6\n7 | 8", ordinal=1, page=1, kind=Kind.TABLE),
            chunk_of("Weather", ordinal=2, page=2),
        ]
    )
    asked = embedder.embed_query("How much cash is there?")
    scored = {s.id: s.row for s in index.search(HybridQuery(asked, None, 10))}
    first, *others = (c.id for c in index.chunks("d1"))
    best = max(float(embedder.embed([e.text])[0] @ asked) for e in rows)
    assert scored[first] == pytest.approx(best, abs=1e-5)
    assert [scored[i] for i in others] == [None, None]
    assert Search(index, embedder).search("How much cash is there?")[0].chunk.id == first


def test_chunks_are_filtered_by_their_flags(
    index: EdgeIndex, write: Write, embedder: MiniLM, chunk_of: ChunkOf
) -> None:
    """Only those with one of the flags, or only those without."""
    write([chunk_of("Zebra one", flags=("sum_mismatch",)), chunk_of("Zebra two", ordinal=1, page=1)])

    def texts(**only: tuple[str, ...]) -> list[str]:
        return [h.chunk.text for h in Search(index, embedder).search("zebra", filters=Filter(**only))]  # type: ignore[arg-type]

    assert texts(flags=("sum_mismatch", "low_confidence")) == ["Zebra one"]
    assert texts(without_flags=("sum_mismatch",)) == ["Zebra two"]
    assert len(texts()) == 2


def test_fusion_weighs_meaning_and_words() -> None:
    """With meaning alone the cosine decides, of a question that the model cannot read the words; equal scores go by id."""
    near = Scored("a", 0.9, 1.0, None)
    worded = Scored("b", 0.1, 9.0, None)
    neither = Scored("c", 0.1, 1.0, None)
    twin = Scored("d", 0.1, 1.0, None)
    candidates = [twin, neither, worded, near]
    asked = Understood("asked")
    meaning = Weights(lexical=0, page=0)
    assert fuse(candidates, asked, depth=10, weights=meaning)[0].id == "a"
    assert fuse(candidates, asked, depth=10, weights=meaning, readable=0)[0].id == "b"
    assert [c.id for c in fuse(candidates, asked, depth=10)][2:] == ["c", "d"]
    assert fuse([], asked, depth=10) == []


def test_a_word_that_only_one_chunk_has_counts() -> None:
    """Where the list of words was not full, what is missing from it has no such word."""
    candidates = [Scored(f"{i}", 0.5 + i / 1000, None, None) for i in range(20)] + [Scored("rare", 0.5, 7.0, 7.0)]
    assert fuse(candidates, Understood("asked"), depth=100)[0].id == "rare"


def publish(index: EdgeIndex, embedder: MiniLM, name: str, chunks: Sequence[Chunk]) -> None:
    """A document with its file name."""
    writer = Writer(index, embedder)
    writer.begin(chunks[0].document)
    writer.add(chunks)
    writer.commit(chunks[0].document, name)


def test_the_named_organisations_document_comes_first_and_the_hit_says_why(
    index: EdgeIndex, embedder: MiniLM, chunk_of: ChunkOf
) -> None:
    """Of two reports with the same sentences that of the company asked about; of its two years the one asked for."""
    for n, (company, year) in enumerate(
        [("Orlen Pumps, Inc.", 2021), ("Orlen Pumps, Inc.", 2022), ("Vale Marine, Inc.", 2022)]
    ):
        front = f"FORM 10-K\nFor the fiscal year ended December 31, {year}\n{company}\n(Exact name of registrant)"
        text = f"Net sales of the year were {n}00 million dollars, and the company had {n}0 plants."
        publish(
            index,
            embedder,
            f"{n}.pdf",
            [chunk_of(front, document=f"d{n}"), chunk_of(text, document=f"d{n}", ordinal=1, page=1)],
        )
    search = Search(index, embedder)
    (best,) = search.search("What were the net sales of Orlen Pumps in FY2022?", limit=1)
    assert (best.document, best.page) == ("d1", 1)
    assert "document of Orlen Pumps, Inc." in best.because
    assert "about 2022" in best.because
    (other,) = search.search("What were the net sales of Vale Marine in FY2022?", limit=1)
    assert (other.document, other.page) == ("d2", 1)


def test_the_name_of_a_party_is_not_searched_for_in_its_contract(
    index: EdgeIndex, embedder: MiniLM, chunk_of: ChunkOf
) -> None:
    """The page with the parties' names and signatures is not better for having them."""
    texts = [
        "SUPPLY AGREEMENT between Kestrel Rowe Facilities LLC and Lindenmoor Foods, Inc. for Lindenmoor services",
        "The Customer shall pay a fixed fee of $48,600 per month.",
        "Signed for Lindenmoor Foods, Inc. Plant services, monthly inspection by Lindenmoor.",
    ]
    publish(index, embedder, "scan.pdf", [chunk_of(t, ordinal=i, page=i) for i, t in enumerate(texts)])
    (best,) = Search(index, embedder).search("What monthly fee does Lindenmoor Foods pay?", limit=1)
    assert best.page == 1


def test_the_same_text_in_other_documents_is_one_hit(index: EdgeIndex, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """Noted with the first; within one document, and when documents are named, every page stays a hit."""
    text = (
        "Either party may end this agreement for convenience with ninety days of written notice to the other, and the Supplier "
        "then delivers all goods ordered before the notice arrived, at the prices and terms of delivery agreed until then. "
        "Tools, drawings, samples and spare parts go back within thirty working days after the last shipment left the factory."
    )
    for document in ("d1", "d2", "d3"):
        publish(index, embedder, f"{document}.pdf", [chunk_of(text, document=document, page=3)])
    publish(index, embedder, "d4.pdf", [chunk_of("Notice goes to the registered office.", document="d4")])
    search = Search(index, embedder)
    hits = search.search("ninety days of notice", limit=3)
    assert [h.chunk.text == text for h in hits].count(True) == 1
    assert {c.document for c in hits[0].copies} | {hits[0].document} == {"d1", "d2", "d3"}
    assert {c.page for c in hits[0].copies} == {3}
    named = search.search("ninety days of notice", filters=Filter(documents=("d1", "d2")))
    assert {h.document for h in named} == {"d1", "d2"}


def test_texts_that_only_begin_alike_are_hits_of_their_own(
    index: EdgeIndex, embedder: MiniLM, chunk_of: ChunkOf
) -> None:
    """Copies of each are folded into the one they are copies of."""
    head = "Ninety days of notice " + " ".join(f"clause{i}" for i in range(40))
    texts = {"d1": f"{head} of goods", "d2": f"{head} of services", "d3": f"{head}, of the Services"}
    for document, text in texts.items():
        publish(index, embedder, f"{document}.pdf", [chunk_of(text, document=document)])
    hits = Search(index, embedder).search("ninety days of notice", limit=3)
    groups = [{h.document, *(c.document for c in h.copies)} for h in hits]
    assert sorted(groups, key=min) == [{"d1"}, {"d2", "d3"}]


def test_a_measure_leads_to_the_statement_that_has_its_line_items(
    index: EdgeIndex, embedder: MiniLM, chunk_of: ChunkOf
) -> None:
    """Which says none of the question's words; the table's role is among the reasons."""
    rows = ["Total current assets | 40", "Inventories | 9", "Total assets | 90", "Total current liabilities | 20"]
    rows += ["Total liabilities | 30", "Accounts payable | 7", "Cash and cash equivalents | 5", "Total equity | 60"]
    cells = tuple(Cell(r, c, t) for r, row in enumerate(rows) for c, t in enumerate(row.split(" | ")))
    part = TablePart(1, 0, len(rows), len(rows), Table(len(rows), 2, cells))
    chunks = [
        chunk_of("The board met in a quick session of less than an hour.", ordinal=0, page=0),
        chunk_of("\n".join(rows), ordinal=1, page=1, kind=Kind.TABLE, part=part),
        *(chunk_of(f"Plant {i} lies beside a river and makes pumps.", ordinal=2 + i, page=2 + i) for i in range(6)),
    ]
    publish(index, embedder, "report.pdf", chunks)
    (best,) = Search(index, embedder).search("What is the quick ratio?", limit=1)
    assert best.page == 1
    assert "is balance sheet" in best.because


def test_labels_are_found_however_they_are_written(
    index: EdgeIndex, write: Write, embedder: MiniLM, chunk_of: ChunkOf
) -> None:
    """A defined term with or without capitals, and the letter of a clause: the hit says what it is."""
    told = "What each party says to the other and marks as secret."
    write([chunk_of(told, labels=("term:Confidential Information", "4.2(B)"))])
    write([chunk_of("The parties confidential and their information.", document="d2")])
    without, with_label = (Search(index, embedder, weights=Weights(label=w)) for w in (0.0, 5.0))
    for question, why in (
        ("What is the meaning of 'confidential information'?", "defines confidential information"),
        ("What is the meaning of 'CONFIDENTIAL INFORMATION'?", "defines CONFIDENTIAL INFORMATION"),
        ("What does section 4.2(b) say?", "is 4.2(b)"),
    ):
        before, after = ({h.document: h for h in s.search(question)} for s in (without, with_label))
        assert after["d1"].score == pytest.approx(before["d1"].score + 5.0)
        assert after["d2"].score == pytest.approx(before["d2"].score)
        assert why in after["d1"].because
