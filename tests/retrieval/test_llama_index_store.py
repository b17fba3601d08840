"""The vector store: any LlamaIndex node comes back as it was, found by vector, by words, by both, within any filter."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core import StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.schema import (
    Document,
    ImageNode,
    IndexNode,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStore,
    VectorStoreQuery,
    VectorStoreQueryMode,
)
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

from paperlode.ingest.errors import (
    ArchiveCorrupt,
    ArchiveLocked,
    InvalidRequest,
    PaperlodeError,
    SchemaMismatch,
)
from paperlode.retrieval.llama_filters import restriction
from paperlode.retrieval.llama_index import PaperlodeVectorStore
from paperlode.retrieval.vector_store import fused

MODE = VectorStoreQueryMode
OP = FilterOperator


class LetterEmbedding(BaseEmbedding):
    """A model that counts letters: the same text has the same vector, other texts others."""

    def _get_text_embedding(self, text: str) -> list[float]:
        counts = [0.1] * 26
        for c in text.lower():
            if "a" <= c <= "z":
                counts[ord(c) - 97] += 1.0
        return counts

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def node(text: str, vector=(1.0, 0.0), *, of: str | None = None, **metadata) -> TextNode:
    relationships = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=of)} if of else {}
    return TextNode(id_=text, text=text, embedding=list(vector), metadata=metadata, relationships=relationships)


def bare(n):
    """A node without its vector, which stores do not give back."""
    return n.model_copy(update={"embedding": None})


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return PaperlodeVectorStore(tmp_path_factory.mktemp("shared") / "store")


@pytest.fixture
def store(tmp_path):
    with_it = PaperlodeVectorStore(tmp_path / "store")
    yield with_it
    with_it.close()


# ------------------------------------------------------------------------------------------------------- conformance


def test_it_is_a_vector_store_as_llamaindex_has_them(store):
    assert BasePydanticVectorStore.__name__ in [b.__name__ for b in PaperlodeVectorStore.__mro__]
    assert isinstance(store, VectorStore)
    assert PaperlodeVectorStore.class_name() == "PaperlodeVectorStore"
    assert store.stores_text
    assert store.is_embedding_query
    assert store


def test_it_overrides_every_method_of_the_base():
    ours = PaperlodeVectorStore.__dict__
    for name in ("client", "add", "async_add", "delete", "adelete", "delete_nodes", "adelete_nodes", "get_nodes",
                 "aget_nodes", "query", "aquery", "clear", "aclear", "persist"):  # fmt: skip
        assert name in ours


def test_it_comes_back_from_dict_json_and_pickle_onto_the_same_nodes(store):
    store.add([node("a")])
    for again in (
        PaperlodeVectorStore.from_dict(store.to_dict()),
        PaperlodeVectorStore.from_json(store.to_json()),
        PaperlodeVectorStore.from_params(store.path),
        pickle.loads(pickle.dumps(store)),  # noqa: S301
        store.model_copy(deep=True),
    ):
        assert again.to_dict() == store.to_dict()
        assert [n.node_id for n in again.get_nodes()] == ["a"]


def test_an_empty_store_answers_and_makes_no_folder(store, tmp_path):
    assert len(store) == 0
    assert store.client is None
    assert store.get_nodes() == []
    assert store.query(VectorStoreQuery(query_embedding=[1.0], similarity_top_k=2)).nodes == []
    store.delete("x")
    store.clear()
    assert not (tmp_path / "store").exists()


# -------------------------------------------------------------------------------------------------------- the same node


EVERY = [
    TextNode(
        text="rent of 1,250 euros — 租金\ud800",
        embedding=[1.0, 0.0],
        metadata={
            "a.b": "x",
            'q"': None,
            "n": 2,
            "f": 0.5,
            "big": 1 << 70,
            "l": ["a", 1],
            "o": {"p": [1]},
            "t": True,
            "": "e",
        },
        relationships={
            NodeRelationship.SOURCE: RelatedNodeInfo(node_id="d", metadata={"k": 1}, hash="h"),
            NodeRelationship.NEXT: RelatedNodeInfo(node_id="n"),
            NodeRelationship.CHILD: [RelatedNodeInfo(node_id="c1"), RelatedNodeInfo(node_id="c2")],
        },
        excluded_embed_metadata_keys=["n"],
        excluded_llm_metadata_keys=["f"],
        metadata_template="{key}={value}",
        text_template="{content}",
        start_char_idx=3,
        end_char_idx=9,
    ),
    Document(text="a document", embedding=[0.0, 1.0], metadata={"file_name": "a.pdf"}),
    IndexNode(text="leads on", index_id="other", embedding=[0.0, 1.0]),
    IndexNode(text="leads to a node", index_id="in", obj=TextNode(text="inside"), embedding=[0.0, 1.0]),
    ImageNode(text="a picture", image_mimetype="image/png", embedding=[0.0, 1.0]),
    Node.model_validate({"embedding": [0.5, 0.5], "metadata": {"bare": True}}),
]


@pytest.mark.parametrize("given_node", EVERY, ids=lambda n: f"{type(n).__name__}-{n.get_content()[:8]}")
def test_a_node_of_any_class_comes_back_as_it_was(shared, given_node):
    shared.add([given_node])
    (back,) = shared.get_nodes([given_node.node_id])
    assert type(back) is type(given_node)
    assert back.to_dict() == bare(given_node).to_dict()
    assert back.hash == given_node.hash


class OwnNode(TextNode):
    """A class of the app's own."""

    colour: str = ""

    @classmethod
    def class_name(cls) -> str:
        return "OwnNode"


def test_a_class_of_the_apps_own_comes_back_too(store):
    store.add([OwnNode(id_="o", text="x", colour="red", embedding=[1.0])])
    (back,) = store.get_nodes(["o"])
    assert isinstance(back, OwnNode)
    assert back.colour == "red"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(st.text(), st.text(min_size=1), st.dictionaries(st.text(), json_values, max_size=4))
def test_any_text_id_and_json_metadata_come_back(shared, text, node_id, metadata):
    made = TextNode(id_=node_id, text=text, embedding=[1.0, 0.5], metadata=metadata)
    shared.add([made])
    (back,) = shared.get_nodes([node_id])
    assert back.to_dict() == bare(made).to_dict()


def test_an_id_that_is_known_is_replaced_and_the_last_of_a_batch_counts(store):
    assert store.add([node("a", n=1), node("a", n=2), node("b")]) == ["a", "a", "b"]
    store.add([node("a", (0.0, 1.0), n=3)])
    assert len(store) == 2
    assert store.get_nodes(["a"])[0].metadata == {"n": 3}
    assert store.query(VectorStoreQuery(query_embedding=[0.0, 1.0])).ids == ["a"]


def test_nodes_are_there_when_the_store_is_opened_again(store):
    store.add([node("a")])
    store.close()
    store.close()
    assert [n.node_id for n in store.get_nodes()] == ["a"]


# ---------------------------------------------------------------------------------------------------------- deleting


def test_a_documents_nodes_are_deleted_by_its_id_and_no_others(store):
    store.add([node("a", of="d1"), node("b", of="d1"), node("c", of="d2"), node("d")])
    store.delete("d1")
    assert sorted(n.node_id for n in store.get_nodes()) == ["c", "d"]


def test_nodes_are_deleted_by_id_by_filter_and_by_both(store):
    store.add([node(i, n=k % 2) for k, i in enumerate("abcdef")])
    odd = MetadataFilters(filters=[MetadataFilter(key="n", value=1)])
    store.delete_nodes(["a", "b"], odd)
    assert sorted(n.node_id for n in store.get_nodes()) == list("acdef")
    store.delete_nodes(["a"])
    store.delete_nodes(filters=odd)
    assert sorted(n.node_id for n in store.get_nodes()) == ["c", "e"]
    store.delete_nodes([])
    assert len(store) == 2
    with pytest.raises(InvalidRequest, match="Neither"):
        store.delete_nodes()


def test_a_cleared_store_takes_vectors_of_another_length(store):
    store.add([node("a")])
    store.clear()
    assert len(store) == 0
    store.add([node("b", (1.0, 2.0, 3.0))])
    assert len(store) == 1
    store.optimize()
    assert store.query(VectorStoreQuery(query_embedding=[1.0, 2.0, 3.0])).ids == ["b"]


# ---------------------------------------------------------------------------------------------------------- querying


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    store = PaperlodeVectorStore(tmp_path_factory.mktemp("pets") / "store")
    store.add(
        [
            node("dogs bark", (1.0, 0.0), of="d1"),
            node("cats purr", (0.8, 0.6), of="d1"),
            node("cats and dogs play", (0.0, 1.0), of="d2"),
            node("北京的猫", (-1.0, 0.0), of="d3"),
        ]
    )
    return store


def ask(store, **query):
    return store.query(VectorStoreQuery(**{"query_embedding": [1.0, 0.0], "similarity_top_k": 4, **query}))


def test_by_vector_scores_are_cosines_best_first(pets):
    found = ask(pets)
    assert found.ids == ["dogs bark", "cats purr", "cats and dogs play", "北京的猫"]
    assert found.similarities == pytest.approx([1.0, 0.8, 0.0, -1.0], abs=1e-6)
    assert [n.node_id for n in found.nodes] == found.ids


@pytest.mark.parametrize("mode", [MODE.SPARSE, MODE.TEXT_SEARCH])
def test_by_words_only_nodes_that_say_one_are_found_in_english_and_chinese(pets, mode):
    assert sorted(ask(pets, mode=mode, query_str="cat", query_embedding=None).ids) == [
        "cats and dogs play",
        "cats purr",
    ]
    assert ask(pets, mode=mode, query_str="猫", query_embedding=None).ids == ["北京的猫"]
    assert ask(pets, mode=mode, query_str="the", query_embedding=None).ids == []


def test_alpha_goes_from_words_to_vectors(pets):
    by_vector, by_words = ask(pets).ids, ask(pets, mode=MODE.SPARSE, query_str="cats play").ids
    assert ask(pets, mode=MODE.HYBRID, query_str="cats play", alpha=1.0).ids == by_vector
    assert ask(pets, mode=MODE.HYBRID, query_str="cats play", alpha=0.0).ids == by_words
    assert ask(pets, mode=MODE.HYBRID, query_str="cats play").ids[0] == "cats and dogs play"
    assert len(ask(pets, mode=MODE.HYBRID, query_str="cats play", hybrid_top_k=1).ids) == 1


def test_fusing_is_the_weighted_sum_of_scaled_scores():
    near, said = [("a", 0.9), ("b", 0.5), ("c", 0.1)], [("c", 12.0), ("d", 6.0), ("b", 6.0)]
    assert dict(fused(near, said, 0.25)) == pytest.approx({"a": 0.25, "b": 0.125, "c": 0.75, "d": 0.0})
    assert fused([("a", 3.0)], [], 0.5) == [("a", 0.5)]
    assert fused([], [], 0.5) == []


def test_mmr_prefers_what_is_unlike_what_it_has(store):
    store.add([node("a", (1.0, 0.1)), node("a2", (1.0, 0.11)), node("b", (0.7, -0.7))])
    assert ask(store, mode=MODE.MMR, similarity_top_k=2, mmr_threshold=0.1).ids == ["a", "b"]
    assert ask(store, mode=MODE.MMR, similarity_top_k=2, mmr_threshold=1.0).ids == ["a", "a2"]
    asked = VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=2, mode=MODE.MMR)
    assert store.query(asked, mmr_threshold=0.1).ids == ["a", "b"]  # from a retriever's vector_store_kwargs


def test_a_query_can_be_held_to_documents_and_nodes(pets):
    assert sorted(ask(pets, doc_ids=["d2", "d3"]).ids) == ["cats and dogs play", "北京的猫"]
    assert ask(pets, node_ids=["cats purr"]).ids == ["cats purr"]
    assert ask(pets, node_ids=["cats purr"], doc_ids=["d2"]).ids == []
    assert len(ask(pets, node_ids=[]).ids) == 4  # how LlamaIndex's retrievers say any
    assert ask(pets, doc_ids=[]).ids == []  # of documents that are given none is left


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"query_embedding": None}, InvalidRequest),
        ({"mode": MODE.SPARSE}, InvalidRequest),
        ({"mode": MODE.HYBRID, "query_str": "a", "alpha": 2.0}, InvalidRequest),
        ({"mode": MODE.SVM}, InvalidRequest),
        ({"query_embedding": [1.0]}, SchemaMismatch),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(pets, query, error):
    with pytest.raises(error):
        ask(pets, **query)


# ----------------------------------------------------------------------------------------------------------- filtering


def test_every_operator_means_what_it_means_to_llamaindex(store):
    rows: dict[str, dict[str, Any]] = {
        "a": {"n": 1, "f": 1.5, "s": "Alpha Beta", "l": ["x", "y"], "on": "2023-01-01"},
        "b": {"n": 2.0, "f": -1, "s": "beta", "l": ["y"], "on": "2023-06-01T12:00:00"},
        "c": {"n": None, "s": "", "l": [], "on": "2024-01-01"},
        "d": {"n": True, "s": "alp.ha", "x.y": 1},
    }
    store.add([node(i, **m) for i, m in rows.items()])
    filters = [
        *(MetadataFilter(key="n", value=v, operator=o) for o in (OP.EQ, OP.NE, OP.GT, OP.GTE) for v in (1, 2, 1.5)),
        *(MetadataFilter(key="n", value=v, operator=o) for o in (OP.LT, OP.LTE) for v in (1, 2, 1.5)),
        *(MetadataFilter(key="s", value=v, operator=o) for o in (OP.EQ, OP.NE) for v in ("beta", "Beta", "")),
        *(MetadataFilter(key="n", value=v, operator=o) for o in (OP.IN, OP.NIN) for v in ([1, 7], [2.0], [])),
        *(MetadataFilter(key="s", value=v, operator=o) for o in (OP.IN, OP.NIN) for v in (["beta", "q"], ["zz"])),
        *(MetadataFilter(key="l", value=v, operator=o) for o in (OP.ANY, OP.ALL) for v in (["x"], ["x", "y"], ["z", "y"])),
        *(MetadataFilter(key="l", value=v, operator=OP.CONTAINS) for v in ("x", "z")),
        *(MetadataFilter(key="s", value=v, operator=OP.TEXT_MATCH) for v in ("bet", "Bet", ".")),
        *(MetadataFilter(key="s", value=v, operator=OP.TEXT_MATCH_INSENSITIVE) for v in ("bet", "Bet", ".")),
        *(MetadataFilter(key=k, value=None, operator=OP.IS_EMPTY) for k in ("n", "s", "l", "on", "x.y", "none")),
        MetadataFilter(key="x.y", value=1),
        MetadataFilter(key="none", value=1, operator=OP.NE),
    ]  # fmt: skip
    for f in filters:
        asked = MetadataFilters(filters=[f])
        stock: Any = build_metadata_filter_fn(lambda i: rows[i], asked)
        wanted = {i for i in rows if stock(i)}
        assert {n.node_id for n in store.get_nodes(filters=asked)} == wanted, f


def test_dates_are_compared_as_dates(store):
    store.add([node("a", on="2023-01-01"), node("b", on="2023-06-01T12:00:00+02:00"), node("c", on="2024-01-01")])
    after = MetadataFilters(filters=[MetadataFilter(key="on", value="2023-06-01T10:00:00Z", operator=OP.GTE)])
    assert sorted(n.node_id for n in store.get_nodes(filters=after)) == ["b", "c"]


def test_filters_nest_with_and_or_not(store):
    store.add([node(f"{a}{b}", a=a, b=b) for a in (0, 1, 2) for b in (0, 1, 2)])

    def eq(key, value):
        return MetadataFilter(key=key, value=value)

    inner = MetadataFilters(filters=[eq("b", 0), eq("b", 1)], condition=FilterCondition.OR)
    neither = MetadataFilters(filters=[eq("a", 0), eq("a", 1)], condition=FilterCondition.NOT)
    both = MetadataFilters(filters=[neither, inner])
    assert sorted(n.node_id for n in store.get_nodes(filters=both)) == ["20", "21"]
    turned = MetadataFilters(filters=[both], condition=FilterCondition.NOT)
    assert len(store.get_nodes(filters=turned)) == 7
    assert len(store.get_nodes(filters=MetadataFilters(filters=[]))) == 9
    assert len(ask(store, filters=both).ids) == 2


def test_nodes_can_be_filtered_by_their_document(store):
    store.add([node("a", of="d1"), node("b", of="d2")])
    for key in ("doc_id", "ref_doc_id", "document_id"):
        only = MetadataFilters(filters=[MetadataFilter(key=key, value="d2")])
        assert [n.node_id for n in store.get_nodes(filters=only)] == ["b"]


@pytest.mark.parametrize(
    ("value", "operator"),
    [
        (None, OP.EQ), (["a"], OP.EQ), (["a"], OP.GT), ("a", OP.GT), (float("nan"), OP.EQ), (float("nan"), OP.LT),
        (1, OP.TEXT_MATCH), ("", OP.TEXT_MATCH), (None, OP.IN), (["a"], OP.CONTAINS),
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_meant_is_refused_by_name(value, operator):
    f = MetadataFilter.model_construct(key="k", value=value, operator=operator)
    with pytest.raises(InvalidRequest, match="The filter 'k'"):
        restriction(MetadataFilters.model_construct(filters=[f], condition=FilterCondition.AND))


def test_boxes_are_not_filtered_by():
    with pytest.raises(InvalidRequest, match="blocks"):
        restriction(MetadataFilters(filters=[MetadataFilter(key="blocks", value="x")]))


# ------------------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("vector", [None, [], [float("nan"), 0.0], [float("inf")]])
def test_a_node_without_a_usable_vector_is_refused_and_nothing_is_stored(store, vector):
    bad = TextNode(id_="bad", text="x", embedding=vector)
    with pytest.raises(InvalidRequest, match="'bad'"):
        store.add([node("a"), bad])
    assert len(store) == 0


def test_metadata_that_is_no_json_is_refused(store):
    with pytest.raises(InvalidRequest, match="cannot be stored"):
        store.add([node("a", what=object())])


def test_vectors_of_two_lengths_do_not_go_together(store):
    with pytest.raises(SchemaMismatch, match="3 dimensions"):
        store.add([node("a"), node("b", (1.0, 2.0, 3.0))])
    store.add([node("a")])
    with pytest.raises(SchemaMismatch, match="3 dimensions"):
        store.add([node("b", (1.0, 2.0, 3.0))])


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(InvalidRequest, match="other things"):
        PaperlodeVectorStore(tmp_path).add([node("a")])
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("written", "error"),
    [
        ("{", ArchiveCorrupt),
        ("[]", ArchiveCorrupt),
        ('{"format": "paperlode vector store", "version": 99}', SchemaMismatch),
    ],
)
def test_a_folder_that_is_not_read_is_named(store, tmp_path, written, error):
    store.add([node("a")])
    store.close()
    (tmp_path / "store" / "store.json").write_text(written)
    with pytest.raises(error, match="store"):
        store.get_nodes()


def test_damaged_files_are_our_error(store, tmp_path):
    store.add([node("a")])
    store.close()
    (tmp_path / "store" / "edge" / "edge_config.json").write_text("{")
    with pytest.raises(PaperlodeError):
        store.get_nodes()


def test_what_a_run_left_that_never_finished_making_a_shard_is_thrown_away(store, tmp_path):
    (tmp_path / "store" / "edge" / "segments").mkdir(parents=True)
    store.add([node("a")])
    assert len(store) == 1


HOLDER = """
import sys
from llama_index.core.schema import TextNode
from paperlode.retrieval.llama_index import PaperlodeVectorStore
store = PaperlodeVectorStore(sys.argv[1])
store.add([TextNode(id_="theirs", text="x", embedding=[1.0, 0.0])])
print("held", flush=True)
sys.stdin.readline()
"""


def test_another_process_is_told_who_holds_the_folder_and_may_have_it_later(store):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, store.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ArchiveLocked, match=f"process {other.pid}"):
            store.get_nodes()
        other.kill()
    assert [n.node_id for n in store.get_nodes()] == ["theirs"]  # killed, and what it added is there


def _count(path, answers):
    try:
        answers.put(len(PaperlodeVectorStore(path)))
    except ArchiveLocked:
        answers.put("locked")


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_does_not_touch_its_parents_shard(store):
    store.add([node("a")])
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_count, args=(store.path, answers))
    child.start()
    assert answers.get(timeout=30) == "locked"
    child.join()
    store.add([node("b")])
    assert len(store) == 2
    assert os.getpid() != child.pid


def test_a_store_that_nobody_has_any_more_lets_go_of_its_folder(tmp_path):
    store = PaperlodeVectorStore(tmp_path / "s")
    store.add([node("a")])
    del store
    code = (
        "import sys; from paperlode.retrieval.llama_index import PaperlodeVectorStore as S; print(len(S(sys.argv[1])))"
    )
    out = subprocess.run([sys.executable, "-c", code, str(tmp_path / "s")], capture_output=True, text=True, check=True)
    assert out.stdout == "1\n"


def test_threads_may_write_and_ask_at_the_same_time(store):
    store.add([node("0")])

    def work(k):
        for i in range(5):
            store.add([node(f"{k}-{i}")])
            assert store.query(VectorStoreQuery(query_embedding=[1.0, 0.0])).ids

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(store) == 21


# ----------------------------------------------------------------------------------------------------------------- async


def test_every_method_has_its_asynchronous_twin(store):
    async def all_of_them():
        assert await store.async_add([node("a", of="d"), node("b"), node("c")]) == ["a", "b", "c"]
        assert len((await store.aquery(VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=3))).ids) == 3
        assert [n.node_id for n in await store.aget_nodes(["b"])] == ["b"]
        await store.adelete("d")
        await store.adelete_nodes(["b"])
        assert [n.node_id for n in await store.aget_nodes()] == ["c"]
        await store.aclear()
        assert await store.aget_nodes() == []

    asyncio.run(all_of_them())


def test_an_asynchronous_call_leaves_the_event_loop_free(store):
    many = [node(f"{i} " + "word " * 60) for i in range(800)]

    async def watched():
        longest, last = 0.0, time.perf_counter()
        task = asyncio.create_task(store.async_add(many))
        while not task.done():
            await asyncio.sleep(0.005)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
        await task
        return longest

    started = time.perf_counter()
    longest = asyncio.run(watched())
    assert longest < max(0.5, (time.perf_counter() - started) / 2)


# -------------------------------------------------------------------------------------------------------- in LlamaIndex


def test_an_index_on_the_store_answers_and_is_found_again_from_its_store_alone(store):
    documents = [Document(text=t, id_=t[:3]) for t in ("rent is due monthly", "dogs are allowed", "keys are returned")]
    context = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex.from_documents(documents, storage_context=context, embed_model=LetterEmbedding())
    assert len(store) == 3
    again = VectorStoreIndex.from_vector_store(store, embed_model=LetterEmbedding())
    answer = again.as_query_engine(llm=MockLLM(), similarity_top_k=1).query("rent is due monthly")
    assert answer.source_nodes[0].node.get_content() == "rent is due monthly"
    assert answer.source_nodes[0].score == pytest.approx(1.0, abs=1e-5)
    assert "rent is due monthly" in str(answer)
    index.delete_ref_doc("ren")
    assert len(store) == 2
    hybrid = again.as_retriever(vector_store_query_mode="hybrid", similarity_top_k=1, alpha=0.0)
    assert [n.text for n in hybrid.retrieve("which dogs")] == ["dogs are allowed"]
    only = MetadataFilters(filters=[MetadataFilter(key="doc_id", value="key")])
    assert [n.text for n in again.as_retriever(filters=only).retrieve("dogs")] == ["keys are returned"]


def test_an_index_persists_beside_the_store_and_loads(store, tmp_path):
    context = StorageContext.from_defaults(vector_store=store)
    VectorStoreIndex.from_documents([Document(text="dogs")], storage_context=context, embed_model=LetterEmbedding())
    context.persist(str(tmp_path / "context"))
    loaded = StorageContext.from_defaults(persist_dir=str(tmp_path / "context"), vector_store=store)
    index = load_index_from_storage(loaded, embed_model=LetterEmbedding())
    assert [n.text for n in index.as_retriever().retrieve("dogs")] == ["dogs"]


def test_it_ranks_by_vector_as_llamaindexs_simple_store_does(store):
    simple = SimpleVectorStore()
    nodes = [
        node(w, LetterEmbedding().get_text_embedding(w), of="d")
        for w in ("rent", "tenant", "dog", "god", "keys", "due")
    ]
    simple.add(nodes)
    store.add(nodes)
    query = VectorStoreQuery(query_embedding=LetterEmbedding().get_query_embedding("tent"), similarity_top_k=6)
    ours, theirs = store.query(query), simple.query(query)
    assert ours.similarities == pytest.approx(theirs.similarities, abs=1e-5)
    assert ours.ids and theirs.ids
    assert ours.ids[:2] == theirs.ids[:2]
