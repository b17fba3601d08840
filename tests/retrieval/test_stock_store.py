"""A collection of ours in LlamaIndex's own ``QdrantVectorStore``: the same nodes, with text and metadata."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.schema import MetadataMode
from llama_index.core.vector_stores.types import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from paperlode.ingest.document import Cell, Chunk, Kind, Layer, Table, TablePart
from paperlode.retrieval.index import HybridQuery, Schema
from paperlode.retrieval.lexical import sparse_document, sparse_query
from paperlode.retrieval.points import DENSE, LEXICAL
from paperlode.retrieval.server import QdrantIndex
from paperlode.retrieval.server_options import CollectionOptions, ServerOptions
from paperlode.retrieval.server_wire import Wire
from paperlode.retrieval.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from paperlode.retrieval.minilm import MiniLM

OPTIONS = ServerOptions(url="http://localhost:6333", collection="contracts")


def sparse_documents(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
    """Our vectors of words in the shape that the stock store wants."""
    vectors = [sparse_document(t) for t in texts]
    return [list(v.indices) for v in vectors], [list(v.values) for v in vectors]


def sparse_queries(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
    """The same of questions."""
    vectors = [sparse_query(t) for t in texts]
    return [list(v.indices) for v in vectors], [list(v.values) for v in vectors]


@pytest.fixture
def client() -> QdrantClient:
    return QdrantClient(":memory:")


@pytest.fixture
def index(client: QdrantClient, embedder: MiniLM) -> QdrantIndex:
    return QdrantIndex(OPTIONS, Schema.of(embedder), create=CollectionOptions(), wire=Wire(OPTIONS, client))


@pytest.fixture
def chunks(index: QdrantIndex, embedder: MiniLM, chunk_of: Callable[..., Chunk]) -> list[Chunk]:
    """Three kinds of chunks, published."""
    cells = (Cell(0, 0, "Year"), Cell(0, 1, "Net income"), Cell(1, 0, "2019"), Cell(1, 1, "1,577"))
    table = TablePart(7, 0, 2, 2, Table(2, 2, cells, header_rows=1))
    made = [
        chunk_of("2019 | 1,577", ordinal=0, page=3, kind=Kind.TABLE, context="Year | Net income 净利润", part=table),
        chunk_of(
            "The tenant may keep a zebra.", ordinal=1, pages=(3, 4), heading_path=("Lease", "Pets"), flags=("low",)
        ),
        chunk_of("Page 4", ordinal=2, page=4, layer=Layer.FURNITURE),
    ]
    writer = Writer(index, embedder)
    writer.begin("d1")
    writer.add(made)
    writer.commit("d1")
    return made


@pytest.fixture
def store(client: QdrantClient, chunks: list[Chunk]) -> QdrantVectorStore:
    return QdrantVectorStore(
        OPTIONS.collection,
        client=client,
        dense_vector_name=DENSE,
        sparse_vector_name=LEXICAL,
        enable_hybrid=True,
        sparse_doc_fn=sparse_documents,
        sparse_query_fn=sparse_queries,
    )


def asked(embedder: MiniLM, question: str, **other: Any) -> VectorStoreQuery:
    return VectorStoreQuery(embedder.embed_query(question).tolist(), query_str=question, similarity_top_k=5, **other)


def test_a_dense_query_gives_our_chunks_as_nodes(
    store: QdrantVectorStore, index: QdrantIndex, chunks: list[Chunk], embedder: MiniLM
) -> None:
    """Id, text, source and every field of metadata are those of the chunk; scores are those of our dense vector."""
    result = store.query(asked(embedder, "pets"))
    assert result.nodes is not None
    by_id = {c.id: c for c in chunks}
    assert {n.node_id for n in result.nodes} == {c.id for c in chunks[:2]}  # running headers have no dense vector
    ours = {s.id: s.dense for s in index.search(HybridQuery(embedder.embed_query("pets"), None, 5))}
    assert dict(zip(result.ids or (), result.similarities or (), strict=True)) == pytest.approx(ours)
    for node in result.nodes:
        chunk = by_id[node.node_id]
        assert node.get_content(MetadataMode.NONE) == chunk.shown_text
        assert node.ref_doc_id == chunk.document
        boxes = [[r.page, *r.box] for r in chunk.regions]
        metadata = {**node.metadata, "boxes": json.loads(node.metadata["boxes"])}
        assert metadata == {
            "document": "d1",
            "ordinal": chunk.ordinal,
            "kind": str(chunk.kind),
            "layer": str(chunk.layer),
            "pages": list(chunk.pages),
            "page_label": {0: "4", 1: "4-5"}[chunk.ordinal],
            "heading_path": " > ".join(chunk.heading_path),
            "flags": list(chunk.flags),
            "boxes": boxes,
        }


def test_what_a_model_is_shown_of_a_node(store: QdrantVectorStore, chunks: list[Chunk]) -> None:
    """Headings, page and text; no digests and boxes."""
    (node,) = store.get_nodes(node_ids=[chunks[1].id])
    shown = node.get_content(MetadataMode.LLM)
    assert shown == "page_label: 4-5\nheading_path: Lease > Pets\n\nThe tenant may keep a zebra."
    assert node.get_content(MetadataMode.EMBED) == "The tenant may keep a zebra."


def test_a_hybrid_query_finds_by_words_too(store: QdrantVectorStore, chunks: list[Chunk], embedder: MiniLM) -> None:
    """With our two functions for sparse vectors: Chinese words and running headers, which no dense vector finds."""
    sparse = store.query(asked(embedder, "净利润", mode=VectorStoreQueryMode.SPARSE))
    assert sparse.ids == [chunks[0].id]
    footer = store.query(asked(embedder, "page 4", mode=VectorStoreQueryMode.HYBRID, sparse_top_k=5, hybrid_top_k=5))
    assert {c.id for c in chunks} == set(footer.ids or ())


@pytest.mark.parametrize(
    ("only", "ordinals"),
    [
        (MetadataFilter(key="kind", value="table"), {0}),
        (MetadataFilter(key="pages", value=4), {1}),
        (MetadataFilter(key="flags", value="low"), {1}),
        (MetadataFilter(key="document", operator=FilterOperator.IN, value=["d1", "d2"]), {0, 1}),
        (MetadataFilter(key="document", operator=FilterOperator.NE, value="d1"), set()),
        (MetadataFilter(key="ordinal", operator=FilterOperator.GT, value=0), {1}),
    ],
)
def test_metadata_filters(store: QdrantVectorStore, embedder: MiniLM, only: MetadataFilter, ordinals: set[int]) -> None:
    """On the fields that stand in the payload under the name they have in the metadata."""
    result = store.query(asked(embedder, "pets", filters=MetadataFilters(filters=[only])))
    assert {n.metadata["ordinal"] for n in result.nodes or ()} == ordinals


def test_what_is_staged_is_kept_out_by_a_filter(
    store: QdrantVectorStore, index: QdrantIndex, embedder: MiniLM, chunk_of: Callable[..., Chunk]
) -> None:
    """The stock store knows nothing of staging: it sees what an ingest has staged, unless it asks for an empty state."""
    chunk = chunk_of("A second zebra", document="d2")
    index.stage([chunk], embedder.embed([chunk.text]), [sparse_document(chunk.text)])
    index.flush()
    published = MetadataFilters(filters=[MetadataFilter(key="state", operator=FilterOperator.IS_EMPTY, value=None)])
    assert chunk.id in (store.query(asked(embedder, "zebra")).ids or ())
    assert chunk.id not in (store.query(asked(embedder, "zebra", filters=published)).ids or ())


def test_documents_are_chosen_and_deleted_by_their_id(
    store: QdrantVectorStore, index: QdrantIndex, embedder: MiniLM, chunk_of: Callable[..., Chunk]
) -> None:
    """``doc_id`` is the document's digest, as the store expects it."""
    writer = Writer(index, embedder)
    writer.begin("d2")
    writer.add([chunk_of("Another zebra", document="d2")])
    writer.commit("d2")
    result = store.query(asked(embedder, "zebra", doc_ids=["d2"]))
    assert [n.metadata["document"] for n in result.nodes or ()] == ["d2"]
    store.delete("d2")
    assert index.documents() == {"d1"}


class OurModel(BaseEmbedding):
    """The embedded model as LlamaIndex takes one."""

    _model: Any = None

    def _get_query_embedding(self, query: str) -> list[float]:
        vector: list[float] = self._model.embed_query(query).tolist()
        return vector

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        vector: list[float] = self._model.embed([text])[0].tolist()
        return vector


def test_a_vector_store_index_retrieves_from_it(
    store: QdrantVectorStore, chunks: list[Chunk], embedder: MiniLM
) -> None:
    """As an app uses it: ``VectorStoreIndex.from_vector_store(...).as_retriever()``."""
    model = OurModel()
    model._model = embedder
    retriever = VectorStoreIndex.from_vector_store(store, embed_model=model).as_retriever(similarity_top_k=1)
    (hit,) = retriever.retrieve("may I keep pets?")
    assert (hit.node.node_id, hit.node.get_content(MetadataMode.NONE)) == (chunks[1].id, chunks[1].shown_text)


def test_a_collection_without_nodes(embedder: MiniLM, chunk_of: Callable[..., Chunk]) -> None:
    """``llama_index=False`` leaves them out, and saves what they cost; our own search is the same."""
    client = QdrantClient(":memory:")
    lean = CollectionOptions(llama_index=False)
    index = QdrantIndex(OPTIONS, Schema.of(embedder), create=lean, wire=Wire(OPTIONS, client))
    chunk = chunk_of("A zebra")
    index.stage([chunk], embedder.embed([chunk.text]), [sparse_document(chunk.text)])
    index.publish("d1")
    assert index.get([chunk.id]) == [chunk]
    (record,) = client.retrieve(OPTIONS.collection, [chunk.id])
    assert record.payload is not None
    assert not {"_node_content", "doc_id"} & set(record.payload)
