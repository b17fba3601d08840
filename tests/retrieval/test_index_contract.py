"""What every index can do, on Qdrant Edge and on a server: what is published is found, whole, and nothing else is."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, NoReturn

import pytest
from qdrant_client import QdrantClient

from paperlode.ingest.document import Cell, Chunk, DocumentCard, Kind, Layer, PageBox, Table, TablePart, make_card
from paperlode.ingest.errors import ServerError
from paperlode.retrieval.ahead import Ahead
from paperlode.retrieval.edge import EdgeIndex
from paperlode.retrieval.fields import sparse_pairs
from paperlode.retrieval.index import HAS_LABEL, Filter, HybridQuery, Index, Schema, Scored
from paperlode.retrieval.lexical import sparse_document, sparse_query
from paperlode.retrieval.server import QdrantIndex
from paperlode.retrieval.server_options import CollectionOptions, ServerOptions
from paperlode.retrieval.server_wire import Wire

from .qdrant_standin import standing_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from paperlode.retrieval.minilm import MiniLM

    Write = Callable[[Sequence[Chunk]], None]
    ChunkOf = Callable[..., Chunk]


@pytest.fixture(params=["edge", "local mode", "over HTTP"])
def index(request: pytest.FixtureRequest, folder: Path, embedder: MiniLM) -> Iterator[Index]:
    """An empty index of each kind; the server is simulated by its client, in this process and behind the real wire."""
    schema, new = Schema.of(embedder), CollectionOptions()
    with ExitStack() as stack:
        if request.param == "edge":
            opened: Index = EdgeIndex(folder, schema)
        elif request.param == "local mode":
            options = ServerOptions(url="http://localhost", collection="contracts", batch_points=2)
            opened = QdrantIndex(options, schema, create=new, wire=Wire(options, QdrantClient(":memory:")))
        else:
            url = stack.enter_context(standing_in()).url
            opened = QdrantIndex(ServerOptions(url=url, collection="contracts", batch_points=2), schema, create=new)
        stack.callback(opened.close)
        yield opened


def found(index: Index, question: str, only: Filter | None = None) -> dict[str, Scored]:
    """Candidates by words alone."""
    query = HybridQuery(None, sparse_query(question), 10, only or Filter())
    return {s.id: s for s in index.search(query)}


def stage(index: Index, embedder: MiniLM, chunks: Sequence[Chunk]) -> None:
    """Staged, not published."""
    index.stage(
        chunks, embedder.embed([c.embedded_text for c in chunks]), [sparse_document(c.embedded_text) for c in chunks]
    )


def test_a_chunk_comes_back_exactly(index: Index, write: Write, chunk_of: ChunkOf) -> None:
    """Every field, in order of ordinal, with tables, boxes and Chinese text."""
    box = PageBox(3, chunk_of("").regions[0].box)
    cells = (Cell(0, 0, "Year"), Cell(0, 1, "净利润", region=box), Cell(1, 0, "2019", row_span=2), Cell(1, 1, "1,577"))
    table = TablePart(7, 4, 6, 9, Table(3, 2, cells, header_rows=1, caption="In millions"))
    chunks = [
        chunk_of("2019 | 1,577", ordinal=0, page=3, kind=Kind.TABLE, context="Year | 净利润", part=table),
        chunk_of("A note.\nTwo lines", ordinal=1, pages=(3, 4), layer=Layer.NOTE, confidence=0.5, flags=("low",)),
        chunk_of("Text", ordinal=2, page=4, heading_path=("Part I", "Item 7"), read_by=("local-3/scan", "x/y")),
    ]
    write(chunks)
    assert list(index.chunks("d1")) == chunks
    assert index.get([chunks[2].id, "00000000-0000-0000-0000-000000000000", chunks[0].id]) == [chunks[2], chunks[0]]


def test_scores_are_a_cosine_and_bm25(index: Index, write: Write, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """Each vector gives its own score; a rare word weighs more than a common one."""
    texts = ["The net income of the company", "The company has offices", "The company and its zebra", "Other matters"]
    write([chunk_of(t, ordinal=i, page=i) for i, t in enumerate(texts)])
    by_words = found(index, "company zebra")
    scores = [by_words[i].lexical if i in by_words else None for i in (c.id for c in index.chunks("d1"))]
    assert scores[3] is None
    assert scores[2] is not None
    assert scores[0] is not None
    assert scores[2] > 2 * scores[0] > 0
    query = HybridQuery(embedder.embed_query("profit"), None, 10)
    by_meaning = {s.id: s.dense for s in index.search(query)}
    assert len(by_meaning) == 4
    cosine = float(embedder.embed([texts[0]])[0] @ embedder.embed_query("profit"))
    assert by_meaning[next(index.chunks("d1")).id] == pytest.approx(cosine, abs=1e-5)


def test_a_page_is_scored_by_the_words_of_all_its_chunks(index: Index, write: Write, chunk_of: ChunkOf) -> None:
    """A chunk without the word has the page score of its page, and no score of its own."""
    write([chunk_of("Zebra crossing"), chunk_of("Second paragraph", ordinal=1), chunk_of("Else", ordinal=2, page=1)])
    first, second, other = (c.id for c in index.chunks("d1"))
    scored = found(index, "zebra")
    assert scored[first].page == scored[second].page != None  # noqa: E711
    assert scored[second].lexical is None
    assert other not in scored


def test_nothing_staged_is_visible_until_published(index: Index, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """Not by search, id, window, count or list; then all of it."""
    chunks = [chunk_of(f"Zebra {i}", ordinal=i) for i in range(3)]
    stage(index, embedder, chunks[:2])
    stage(index, embedder, chunks[2:])
    ids = [c.id for c in chunks]
    assert not found(index, "zebra")
    assert not index.get(ids)
    assert not index.passages([("d1", 0, 9)])
    assert not list(index.chunks("d1"))
    assert (index.count(), index.documents()) == (0, set())
    index.publish("d1")
    assert set(found(index, "zebra")) == set(ids)
    assert index.get(ids) == chunks
    assert [p.ordinal for p in index.passages([("d1", 1, 9), ("d1", 0, 1)])] == [0, 1, 2]
    assert (index.count(), index.count("d1"), index.count("d2"), index.documents()) == (3, 3, 0, {"d1"})


def test_publishing_replaces_the_older_version(index: Index, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """The old stays searchable until then; chunks with the same id stay, the others go."""
    old = [chunk_of(f"Zebra {i}", ordinal=i) for i in range(3)]
    stage(index, embedder, old)
    index.publish("d1")
    new = [old[0], chunk_of("Zebra anew", ordinal=1, version="2")]
    stage(index, embedder, new)
    assert set(found(index, "zebra")) == {c.id for c in old}
    index.publish("d1")
    assert list(index.chunks("d1")) == new
    assert set(found(index, "zebra")) == {c.id for c in new}


def test_a_document_without_chunks_replaces_one_with(index: Index, write: Write, chunk_of: ChunkOf) -> None:
    """Publishing what has nothing staged leaves nothing."""
    write([chunk_of("Zebra")])
    index.publish("d1")
    assert index.count() == 0


def test_discard_forgets_one_document_or_only_its_staged_part(
    index: Index, write: Write, embedder: MiniLM, chunk_of: ChunkOf
) -> None:
    """Other documents stay as they are."""
    write([chunk_of("Zebra")])
    write([chunk_of("Zebra", document="d2")])
    stage(index, embedder, [chunk_of("Zebra new", version="2")])
    index.discard("d1", staged_only=True)
    assert index.documents() == {"d1", "d2"}
    index.discard("d1")
    assert index.documents() == {"d2"}
    index.publish("d1")
    assert index.count() == 1


@pytest.mark.parametrize(
    ("only", "ordinals"),
    [
        (Filter(), {0, 1, 2, 3}),
        (Filter(documents=("d1",)), {0, 1, 2}),
        (Filter(documents=("d2", "d1")), {0, 1, 2, 3}),
        (Filter(kinds=(Kind.TABLE, Kind.LIST_ITEM)), {1}),
        (Filter(pages=(5, 6)), {1}),
        (Filter(pages=(7, 7)), {1, 2}),
        (Filter(layers=(Layer.BODY,)), {0, 1, 3}),
        (Filter(documents=("d1",), layers=(Layer.FURNITURE,), pages=(0, 9)), {2}),
        (Filter(documents=("nobody",)), set()),
    ],
)
def test_filters(index: Index, write: Write, chunk_of: ChunkOf, only: Filter, ordinals: set[int]) -> None:
    """By document, kind, page range (a chunk counts on each of its pages) and layer; all must hold."""
    write(
        [
            chunk_of("Zebra", ordinal=0, page=0),
            chunk_of("Zebra", ordinal=1, pages=(6, 7), kind=Kind.TABLE),
            chunk_of("Zebra", ordinal=2, page=7, layer=Layer.FURNITURE),
        ]
    )
    write([chunk_of("Zebra", document="d2", ordinal=3)])
    assert {c.ordinal for c in index.get(list(found(index, "zebra", only)))} == ordinals


def test_furniture_has_no_vector_of_meaning(index: Index, write: Write, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """A question's meaning never finds running headers, in whatever layers it looks; its words do."""
    layers = (Layer.BODY, Layer.NOTE, Layer.FURNITURE)
    write([chunk_of("Zebra", ordinal=i, layer=layer) for i, layer in enumerate(layers)])
    meaning = embedder.embed_query("zebra")
    for wanted, ordinals in ((layers[:2], {0, 1}), (layers, {0, 1}), ((), {0, 1}), (layers[2:], set())):
        hits = index.search(HybridQuery(meaning, None, 10, Filter(layers=wanted)))
        assert {c.ordinal for c in index.get([h.id for h in hits])} == ordinals
    assert {c.ordinal for c in index.get(list(found(index, "zebra", Filter(layers=layers[2:]))))} == {2}


def card_of(document: str, title: str) -> DocumentCard:
    """A card, made as a writer makes it."""
    return make_card(document, f"{document}.pdf", title, title)


def stage_card(index: Index, document: str, title: str) -> DocumentCard:
    """Staged, not published."""
    card = card_of(document, title)
    index.stage_card(card, sparse_document(title))
    return card


def test_cards_are_published_with_their_document(index: Index, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """They come back whole, best first; staged ones are not seen; a new one takes the place of the old one."""
    terms = sparse_query("zebra breeders agreement")
    stage(index, embedder, [chunk_of("Text")])
    first = stage_card(index, "d1", "Zebra Agreement")
    assert index.cards(terms, 5) == []
    index.publish("d1")
    stage(index, embedder, [chunk_of("Text", document="d2")])
    second = stage_card(index, "d2", "Zebra Breeders Agreement")
    index.publish("d2")
    found = index.cards(terms, 5)
    assert [card for card, _ in found] == [second, first]
    assert found[0][1] > found[1][1] > 0
    assert [card for card, _ in index.cards(terms, 1)] == [second]
    assert [card for card, _ in index.cards(terms, 5, ["d1"])] == [first]
    stage(index, embedder, [chunk_of("Text")])
    anew = stage_card(index, "d1", "Zebra Agreement, amended")
    index.publish("d1")
    assert [card for card, _ in index.cards(terms, 5, ["d1"])] == [anew]
    index.discard("d1")
    assert [card for card, _ in index.cards(terms, 5)] == [second]
    assert index.cards(sparse_query(""), 5) == []


def test_cards_are_no_chunks(index: Index, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """They are not counted, listed, or found by any vector of chunks."""
    chunk = chunk_of("Zebra")
    stage(index, embedder, [chunk])
    stage_card(index, "d1", "Zebra Agreement")
    index.publish("d1")
    assert (index.count(), index.count("d1"), index.documents()) == (1, 1, {"d1"})
    assert list(index.chunks("d1")) == [chunk]
    assert set(found(index, "zebra")) == {chunk.id}
    assert [p.id for p in index.passages([("d1", 0, 9)])] == [chunk.id]


def test_pairs_of_terms_wanted_terms_roles_and_labels(index: Index, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """Each has its score; what has a role or a label that is asked for is a candidate, and says that it has it."""
    chunks = [chunk_of("net income of zebras"), chunk_of("income net of tax", ordinal=1, labels=("Table3",))]
    index.stage(
        chunks,
        embedder.embed([c.text for c in chunks]),
        [sparse_document(c.text) for c in chunks],
        pairs=[sparse_pairs(c.text) for c in chunks],
        roles=[("income_statement",), ()],
    )
    index.publish("d1")
    first, second = (c.id for c in chunks)
    pairs = HybridQuery(None, sparse_query("net income"), 10, pairs=sparse_pairs("net income"))
    by_id = {s.id: s for s in index.search(pairs)}
    assert by_id[first].pairs is not None
    assert by_id[second].pairs is None
    assert by_id[first].traits == by_id[second].traits == ()
    traits = replace(pairs, roles=("income_statement",), labels=("Table3", "Table4"))
    assert {s.id: s.traits for s in index.search(traits)} == {first: ("income_statement",), second: (HAS_LABEL,)}
    wanted = HybridQuery(None, sparse_query("zebras"), 10, wanted=sparse_query("tax"))
    assert {s.id: (s.lexical is None, s.wanted is None) for s in index.search(wanted)} == {
        first: (False, True),
        second: (True, False),
    }
    for only, ids in ((Filter(roles=("income_statement",)), {first}), (Filter(labels=("Table3",)), {second})):
        assert set(found(index, "net", only)) == ids
    meaning = HybridQuery(embedder.embed_query("profit"), None, 1, labels=("Table3",), roles=("income_statement",))
    assert {s.id for s in index.search(meaning)} >= {first, second}


def test_rarity_is_counted_in_the_documents_named(index: Index, write: Write, chunk_of: ChunkOf) -> None:
    """A term that stands everywhere in one document is common there, however rare it is elsewhere."""
    write([chunk_of("Zebra crossing"), chunk_of("Zebra herd", ordinal=1, page=1)])
    write([chunk_of(f"Plain text {i}", document="d2", ordinal=i, page=i) for i in range(6)])
    everywhere = found(index, "zebra crossing")
    within = found(index, "zebra crossing", Filter(documents=("d1",)))
    herd = next(c.id for c in index.chunks("d1") if "herd" in c.text)
    near, far = within[herd].lexical, everywhere[herd].lexical
    assert near is not None
    assert far is not None
    assert near < 0.5 * far


def test_a_vector_of_meaning_may_still_be_made(index: Index, embedder: MiniLM, write: Write, chunk_of: ChunkOf) -> None:
    """It is waited for, and gives what it gives when it is there; what making it raised is raised."""
    write([chunk_of("Revenue of the year"), chunk_of("A lake with swans", ordinal=1, page=1)])
    there, terms = embedder.embed_query("profit"), sparse_query("swans")
    later = HybridQuery(Ahead(lambda: embedder.embed_query("profit")), terms, 10)
    key = attrgetter("id")
    assert sorted(index.search(later), key=key) == sorted(index.search(HybridQuery(there, terms, 10)), key=key)

    def fail() -> NoReturn:
        raise ServerError("The model is away.")

    with pytest.raises(ServerError):
        index.search(HybridQuery(Ahead(fail), terms, 10))
