"""What LlamaIndex and its integration packages check of components of each kind, checked of ours."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import tomllib
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import MockEmbedding, QueryBundle, VectorStoreIndex
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.chat_engine import CondenseQuestionChatEngine, ContextChatEngine
from llama_index.core.indices.vector_store import VectorIndexAutoRetriever, VectorIndexRetriever
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.llms.mock import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.node_parser import NodeParser
from llama_index.core.query_engine import RetrieverQueryEngine, RouterQueryEngine, TransformQueryEngine
from llama_index.core.readers.base import BasePydanticReader, BaseReader
from llama_index.core.retrievers import RouterRetriever, TransformRetriever
from llama_index.core.schema import (
    BaseComponent,
    Document,
    IndexNode,
    NodeRelationship,
    NodeWithScore,
    RelatedNodeInfo,
    TextNode,
    TransformComponent,
)
from llama_index.core.selectors import LLMSingleSelector
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.tools import QueryEngineTool, RetrieverTool
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    MetadataInfo,
    VectorStoreInfo,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from paperlode.api import llama_index as ours
from paperlode.api.llama_index import (
    CitationQueryEngine,
    PaddleOCRVLReader,
    PaperlodeEmbedding,
    PaperlodeRetriever,
    PaperlodeVectorStore,
    StructureNodeParser,
)
from paperlode.retrieval.search import Hit

from .chat import ScriptedLLM
from .conftest import make_chunk

ROOT = Path(__file__).parents[2]
OP = FilterOperator
COMPONENTS = {
    PaddleOCRVLReader: (BasePydanticReader, BaseReader),
    StructureNodeParser: (NodeParser, TransformComponent),
    PaperlodeEmbedding: (BaseEmbedding, TransformComponent),
    PaperlodeVectorStore: (BasePydanticVectorStore,),
    PaperlodeRetriever: (BaseRetriever,),
    CitationQueryEngine: (BaseQueryEngine,),
}


@pytest.fixture
def store(tmp_path):
    made = PaperlodeVectorStore(tmp_path / "store")
    yield made
    made.close()


# ------------------------------------------------------------------------------------------------------------- packaging


@pytest.mark.parametrize("kind", COMPONENTS, ids=lambda k: k.__name__)
def test_each_is_of_its_kind_and_complete(kind):
    """As every integration package tests it: the base is in the MRO. And nothing abstract is left."""
    names = [b.__name__ for b in kind.__mro__]
    assert all(base.__name__ in names for base in COMPONENTS[kind])
    assert not inspect.isabstract(kind)
    if issubclass(kind, BaseComponent):
        assert kind.class_name() == kind.__name__


def test_llamahub_names_classes_that_import_from_where_it_says():
    """``[tool.llamahub]``: exactly our components, each an attribute of ``import_path``; the example is there."""
    hub = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["llamahub"]
    module = importlib.import_module(hub["import_path"])
    assert {getattr(module, name) for name in hub["class_authors"]} == set(COMPONENTS)
    assert hub["class_authors"].keys() <= set(module.__all__)
    assert all(isinstance(author, str) and author for author in hub["class_authors"].values())
    assert hub["contains_example"] is (ROOT / "docs" / "llama-index.md").exists()


def test_the_one_module_exports_what_it_names():
    """Sorted, and nothing that is not there."""
    assert sorted(ours.__all__) == list(ours.__all__)
    assert all(hasattr(ours, name) for name in ours.__all__)


@pytest.mark.parametrize("kind", COMPONENTS, ids=lambda k: k.__name__)
def test_whoever_overrides_a_method_takes_what_its_base_takes(kind):
    """LlamaIndex calls by position and by name: each parameter of the base's is there, in order, and no new one is required."""
    for base in COMPONENTS[kind]:
        for name, theirs in inspect.getmembers(base, inspect.isfunction):
            mine = inspect.unwrap(getattr(kind, name))
            if name.startswith(("__", "model_")) or name not in kind.__dict__:
                continue  # model_: pydantic's
            given = inspect.signature(mine).parameters
            named = [p for p in inspect.signature(theirs).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
            anything = any(p.kind is p.VAR_KEYWORD for p in given.values())
            assert anything or [p.name for p in named] == list(given)[: len(named)], (kind, name)
            known = {p.name for p in named}
            extra = [p for p in given.values() if p.name not in known and p.kind is not p.VAR_KEYWORD]
            open_ended = any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(theirs).parameters.values())
            assert open_ended or all(p.default is not p.empty for p in extra), (kind, name)


# ---------------------------------------------------------------------------------------------------------- vector store


def three() -> list[TextNode]:
    """The nodes that LlamaIndex tests its own store with: weights, ranks, lists, identifiers."""
    rows: list[tuple[str, list[float], dict[str, Any]]] = [
        ("A", [1.0, 0.0], {"weight": 1.0, "rank": "a", "quality": ["medium", "high"], "identifier": "6FTR78Yun"}),
        ("B", [0.0, 1.0], {"weight": 2.0, "rank": "c", "quality": ["medium"], "identifier": "6FTR78Ygl"}),
        ("C", [1.0, 1.0], {"weight": 3.0, "rank": "c", "quality": ["low", "medium", "high"], "identifier": "6FTR78Ztl"}),
    ]  # fmt: skip
    return [
        TextNode(
            id_=name,
            text="lorem ipsum",
            embedding=vector,
            metadata=metadata,
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"test-{i}")},
        )
        for i, (name, vector, metadata) in enumerate(rows)
    ]


def leaf(key: str, value: Any, operator: FilterOperator = OP.EQ) -> MetadataFilter:
    return MetadataFilter(key=key, value=value, operator=operator)


QUERIES: list[dict[str, Any]] = [
    {},
    {"similarity_top_k": 1},
    {"node_ids": ["C"]},
    {"node_ids": ["C", "unknown"], "filters": [leaf("rank", "c")]},
    {"filters": [leaf("rank", "c")]},
    {"filters": [leaf("rank", "c")], "similarity_top_k": 1},
    {"filters": [leaf("rank", "c"), leaf("weight", 2.0)]},
    {"filters": [leaf("weight", 2), leaf("weight", 3)]},
    {"filters": [leaf("unknown_field", "c")]},
    {"filters": [leaf("rank", "c"), leaf("weight", 1.0)], "condition": FilterCondition.OR},
    {"filters": [leaf("rank", "a")], "condition": FilterCondition.NOT},
    {"filters": [leaf("rank", "a"), leaf("weight", 2.0)], "condition": FilterCondition.NOT},
    {"filters": [leaf("rank", "a"), leaf("weight", 2.0)], "condition": None},
    *({"filters": [leaf("weight", 2.0, op)]} for op in (OP.EQ, OP.NE, OP.GT, OP.GTE, OP.LT, OP.LTE)),
    *({"filters": [leaf("rank", ["a", "c"], op)]} for op in (OP.IN, OP.NIN)),
    {"filters": [leaf("rank", ["c"], OP.NIN)]},
    *({"filters": [leaf("quality", v, OP.CONTAINS)]} for v in ("high", "none")),
    *({"filters": [leaf("quality", ["high", "low"], op)]} for op in (OP.ANY, OP.ALL)),
    {"filters": [leaf("identifier", "6FTR78Y", OP.TEXT_MATCH)]},
    {"filters": [leaf("identifier", "6ftr78y", OP.TEXT_MATCH)]},
    {"filters": [leaf("identifier", "6ftr78y", OP.TEXT_MATCH_INSENSITIVE)]},
    {"filters": [leaf("missing", "a", OP.NE)]},
    {"filters": [leaf("missing", ["a"], OP.NIN), leaf("rank", "a")]},
    {"filters": [leaf("missing", None, OP.IS_EMPTY)]},
]


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """LlamaIndex's own store and ours with the same nodes."""
    simple, mine = SimpleVectorStore(), PaperlodeVectorStore(tmp_path_factory.mktemp("beside") / "store")
    simple.add(three())
    mine.add(three())
    return simple, mine


@pytest.mark.parametrize("asked", QUERIES, ids=str)
def test_every_query_is_answered_as_llamaindexs_simple_store_answers_it(beside, asked):
    """The same ids in the same order with the same similarities, sync and async."""
    rest = {k: v for k, v in asked.items() if k not in ("filters", "condition")}
    filters = (
        MetadataFilters(filters=asked["filters"], condition=asked.get("condition", FilterCondition.AND))
        if "filters" in asked
        else None
    )
    query = VectorStoreQuery(**{"query_embedding": [1.0, 0.9], "similarity_top_k": 3, "filters": filters, **rest})
    simple, mine = beside
    theirs, found = simple.query(query), mine.query(query)
    assert found.ids == theirs.ids
    assert found.similarities == pytest.approx(theirs.similarities, abs=1e-6)
    assert [n.node_id for n in found.nodes] == found.ids
    assert asyncio.run(mine.aquery(query)) == found


def test_delete_leaves_what_llamaindexs_simple_store_leaves(store):
    simple = SimpleVectorStore()
    for one in (simple, store):
        one.add(three())
        one.delete("test-1")
        one.delete("test-1")
        one.delete("unknown")
        one.delete_nodes(["A"], MetadataFilters(filters=[leaf("rank", "c")]))
    query = VectorStoreQuery(query_embedding=[1.0, 1.0], similarity_top_k=5)
    assert store.query(query).ids == simple.query(query).ids == ["C", "A"]
    assert [n.node_id for n in store.get_nodes(["A", "B", "C"])] == ["A", "C"]
    store.clear()
    assert store.get_nodes(["A", "B", "C"]) == []
    assert store.query(query).ids == []


@pytest.mark.parametrize("mode", [VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.MMR, VectorStoreQueryMode.HYBRID])
@pytest.mark.parametrize(
    ("doc_ids", "wanted"), [(None, "ABC"), ([], ""), (["missing"], ""), (["test-0", "test-2"], "AC")]
)
def test_an_indexs_retriever_is_held_to_documents_and_to_none_when_none_is_given(store, mode, doc_ids, wanted):
    store.add(three())
    index = VectorStoreIndex.from_vector_store(store, embed_model=MockEmbedding(embed_dim=2))
    retriever = index.as_retriever(doc_ids=doc_ids, similarity_top_k=10, vector_store_query_mode=mode)
    found = retriever.retrieve(QueryBundle("lorem", embedding=[1.0, 0.5]))
    assert "".join(sorted(n.node_id for n in found)) == wanted


def test_values_of_another_type_are_another_value(store):
    """1 is not "1": as in the tests of LlamaIndex's Qdrant store."""
    store.add([TextNode(id_=str(i), text="t", embedding=[1.0], metadata={"k": v}) for i, v in enumerate((1, 2, "3"))])

    def found(value: list[Any], operator: FilterOperator) -> list[str]:
        return [n.node_id for n in store.get_nodes(filters=MetadataFilters(filters=[leaf("k", value, operator)]))]

    assert sorted(found([1, 2], OP.IN)) == ["0", "1"]
    assert found([1, 2], OP.NIN) == ["2"]
    assert found(["3"], OP.IN) == ["2"]
    assert found([3], OP.IN) == []


def test_all_nodes_of_one_document_are_upserted_together(store):
    """A regression of LlamaIndex's: none of the nodes that share a document may be lost, and the next version replaces all."""

    def nodes(version: str, count: int) -> list[TextNode]:
        source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="doc")}
        return [
            TextNode(id_=f"{version}{i}", text=f"{version} {i}", embedding=[1.0], relationships=dict(source))
            for i in range(count)
        ]

    pipeline = IngestionPipeline(
        transformations=[],
        docstore=SimpleDocumentStore(),
        vector_store=store,
        docstore_strategy=DocstoreStrategy.UPSERTS,
    )
    pipeline.run(nodes=nodes("a", 5))
    assert sorted(n.node_id for n in store.get_nodes()) == [f"a{i}" for i in range(5)]


def test_a_retriever_may_say_how_unlike_its_nodes_are(store):
    """``vector_store_kwargs`` reach the store."""
    store.add(
        [
            TextNode(id_=i, text="t", embedding=v)
            for i, v in (("a", [1.0, 0.1]), ("a2", [1.0, 0.11]), ("b", [0.7, -0.7]))
        ]
    )
    index = VectorStoreIndex.from_vector_store(store, embed_model=MockEmbedding(embed_dim=2))

    def found(threshold: float) -> list[str]:
        retriever = index.as_retriever(
            similarity_top_k=2, vector_store_query_mode="mmr", vector_store_kwargs={"mmr_threshold": threshold}
        )
        return [n.node_id for n in retriever.retrieve(QueryBundle("t", embedding=[1.0, 0.0]))]

    assert found(0.1) == ["a", "b"]
    assert found(1.0) == ["a", "a2"]


def test_an_auto_retriever_filters_by_what_its_model_says(store):
    """The filters that a model writes (its operators, as JSON) work on the store."""
    store.add(three())
    said = '```json\n{"query": "lorem", "filters": [{"key": "weight", "value": 2, "operator": ">="}], "top_k": 3}\n```'

    class Saying(MockLLM):
        def complete(self, *_: Any, **__: Any) -> Any:
            from llama_index.core.llms import CompletionResponse

            return CompletionResponse(text=said)

    retriever = VectorIndexAutoRetriever(
        VectorStoreIndex.from_vector_store(store, embed_model=MockEmbedding(embed_dim=2)),
        vector_store_info=VectorStoreInfo(
            content_info="texts", metadata_info=[MetadataInfo(name="weight", type="float", description="its weight")]
        ),
        llm=Saying(max_tokens=None),
    )
    assert sorted(n.node_id for n in retriever.retrieve("heavy ones")) == ["B", "C"]


def test_an_index_node_leads_to_what_it_stands_for(store):
    """Recursive retrieval: an ``IndexNode`` in the store is followed to its object."""
    store.add([IndexNode(id_="i", text="summary", index_id="inner", embedding=[1.0])])
    index = VectorStoreIndex.from_vector_store(store, embed_model=MockEmbedding(embed_dim=1))
    retriever = VectorIndexRetriever(index, object_map={"inner": TextNode(id_="whole", text="the whole")})
    assert [n.node.node_id for n in retriever.retrieve("anything")] == ["whole"]


# ----------------------------------------------------------------------------------------------------------- node parser


def test_nodes_do_not_share_metadata_with_each_other_or_with_their_document():
    """What is written on one node is on no other."""
    document = Document(id_="d", text="# A\n\ntext\n\n# B\n\nother", metadata={"k": "v"})
    nodes = StructureNodeParser(chunk_size=32, tokenizer=str.split).get_nodes_from_documents([document])
    nodes[0].metadata["new"] = 1
    nodes[0].excluded_llm_metadata_keys.append("new")
    assert all("new" not in n.metadata and "new" not in n.excluded_llm_metadata_keys for n in nodes[1:])
    assert document.metadata == {"k": "v"}
    assert document.excluded_llm_metadata_keys == []


@pytest.mark.parametrize("wanted", [True, False])
def test_neighbours_are_told_as_asked_and_never_across_documents(wanted):
    """``include_prev_next_rel``."""
    parser = StructureNodeParser(chunk_size=32, target_size=1, tokenizer=str.split, include_prev_next_rel=wanted)
    documents = [Document(id_=i, text="# A\n\none\n\n# B\n\ntwo") for i in "de"]
    nodes = parser.get_nodes_from_documents(documents)
    assert [n.ref_doc_id for n in nodes] == ["d", "d", "e", "e"]
    follow = [(n.prev_node is not None, n.next_node is not None) for n in nodes]
    assert follow == ([(False, True), (True, False)] * 2 if wanted else [(False, False)] * 4)
    assert all(n.source_node and n.source_node.hash == d.hash for n, d in zip(nodes[::2], documents, strict=True))


def test_it_is_called_as_any_transformation_is():
    """By call, by ``acall``, by name: the same nodes; the input is left as it was."""
    parser, document = StructureNodeParser(tokenizer=str.split), Document(id_="d", text="# A\n\ntext")
    before = document.to_dict()
    wanted = [n.to_dict() for n in parser.get_nodes_from_documents([document])]
    assert [n.to_dict() for n in parser([document])] == wanted
    assert [n.to_dict() for n in asyncio.run(parser.acall([document]))] == wanted
    assert [n.to_dict() for n in asyncio.run(parser.aget_nodes_from_documents([document]))] == wanted
    assert [n.to_dict() for n in parser.get_nodes_from_documents([document], show_progress=True)] == wanted
    assert document.to_dict() == before
    assert parser([]) == []


# ------------------------------------------------------------------------------------------------- retriever, query engine


class OneHit:
    """Finds the same page for every question."""

    def search(self, question: str, *, limit: int, filters: Any) -> list[Hit]:
        chunk = make_chunk("Either party may end this lease with ninety days of notice.", document="lease", page=2)
        return [Hit(1, 0.9, chunk, 2, chunk.shown_text)]


RIGHT = "The notice is 90 days [1]."


def retriever() -> PaperlodeRetriever:
    return PaperlodeRetriever(OneHit(), name_of=lambda _: "lease.pdf")


class Picking(MockLLM):
    """Chooses the first of what it is offered."""

    def complete(self, *_: Any, **__: Any) -> Any:
        from llama_index.core.llms import CompletionResponse

        return CompletionResponse(text='[{"choice": 1, "reason": "the only one"}]')


def test_a_retriever_takes_words_or_a_bundle_and_has_prompts_like_any():
    made = retriever()
    assert made.retrieve("notice") == made.retrieve(QueryBundle("notice")) == asyncio.run(made.aretrieve("notice"))
    assert all(isinstance(n, NodeWithScore) for n in made.retrieve("notice"))
    assert made.get_prompts() == {}


def test_a_retriever_goes_into_llamaindexs_own():
    """Router, transform, chat engine."""
    tool = RetrieverTool.from_defaults(retriever(), name="leases", description="Finds leases.")
    router = RouterRetriever(
        selector=LLMSingleSelector.from_defaults(llm=Picking(max_tokens=None)),
        retriever_tools=[tool],
        llm=Picking(max_tokens=None),
    )
    assert router.retrieve("notice") == retriever().retrieve("notice")

    from llama_index.core.indices.query.query_transform.base import IdentityQueryTransform

    assert TransformRetriever(retriever(), IdentityQueryTransform()).retrieve("notice") == retriever().retrieve(
        "notice"
    )
    chat = ContextChatEngine.from_defaults(retriever(), llm=MockLLM(), memory=ChatMemoryBuffer.from_defaults())
    assert [n.node.node_id for n in chat.chat("How long is the notice?").source_nodes] == [
        n.node.node_id for n in retriever().retrieve("notice")
    ]


def engine(**options: Any) -> CitationQueryEngine:
    return CitationQueryEngine(retriever(), ScriptedLLM(RIGHT), **options)


def test_a_query_engine_goes_into_llamaindexs_own():
    """Router, transform, chat engine: the checked answer and its citations come through."""
    from llama_index.core.indices.query.query_transform.base import IdentityQueryTransform

    tool = QueryEngineTool.from_defaults(engine(), name="leases", description="Answers.")
    router = RouterQueryEngine(
        LLMSingleSelector.from_defaults(llm=Picking(max_tokens=None)), [tool], llm=Picking(max_tokens=None)
    )
    for outer in (router, TransformQueryEngine(engine(), IdentityQueryTransform())):
        response: Any = outer.query("How long is the notice?")
        assert "90 days" in str(response)
        assert response.metadata["citations"][0]["page"] == 2
    chat = CondenseQuestionChatEngine.from_defaults(engine(), llm=MockLLM(), memory=ChatMemoryBuffer.from_defaults())
    assert "90 days" in str(chat.chat("How long is the notice?"))
    assert "90 days" in str(asyncio.run(tool.acall("How long is the notice?")))


def test_a_query_engine_answers_from_given_nodes_and_keeps_additional_ones():
    """``synthesize`` by itself, as sub-question engines call it; of no nodes a refusal is made, no call of the model."""
    llm = ScriptedLLM(RIGHT)
    made = CitationQueryEngine(retriever(), llm)
    nodes = made.retrieve(QueryBundle("notice"))
    extra = NodeWithScore(node=TextNode(id_="x", text="An annex."))
    response: Any = made.synthesize(QueryBundle("notice?"), nodes, additional_source_nodes=[extra])
    assert [n.node.node_id for n in response.source_nodes] == [nodes[0].node.node_id, "x"]
    again: Any = asyncio.run(made.asynthesize(QueryBundle("notice?"), nodes, additional_source_nodes=[extra]))
    assert (again.response, again.metadata) == (response.response, response.metadata)
    calls = len(llm.asked)
    assert made.synthesize(QueryBundle("notice?"), []).metadata["refused"] is True  # type: ignore[index]
    assert len(llm.asked) == calls
    assert made.get_prompts() == {}


def test_our_retriever_serves_their_query_engine_and_theirs_ours(store):
    """No part needs the others."""
    assert RetrieverQueryEngine.from_args(retriever(), llm=MockLLM()).query("notice?").source_nodes
    store.add([TextNode(id_="n", text="The notice is ninety days.", embedding=[1.0])])
    index = VectorStoreIndex.from_vector_store(store, embed_model=MockEmbedding(embed_dim=1))
    response: Any = CitationQueryEngine(index.as_retriever(), ScriptedLLM(RIGHT)).query("notice?")
    assert response.metadata["citations"][0]["node_id"] == "n"
