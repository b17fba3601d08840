"""The retriever: what our search finds as LlamaIndex nodes, with page, boxes and filters, wherever LlamaIndex takes one."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent, ReActAgent
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.bridge.pydantic import Field
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.retrieval import RetrievalEndEvent, RetrievalStartEvent
from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata, MockLLM
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.retrievers.fusion_retriever import FUSION_MODES
from llama_index.core.schema import MetadataMode, NodeRelationship, QueryBundle, TextNode
from llama_index.core.tools import QueryEngineTool, RetrieverTool
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from paperlode.ingest.document import Box, Kind, Layer, PageBox
from paperlode.ingest.errors import InvalidRequest
from paperlode.retrieval.index import Filter
from paperlode.retrieval.llama_index import PaperlodeRetriever, boxes_of
from paperlode.retrieval.llama_scope import scope_of
from paperlode.retrieval.search import Hit, Search

from .conftest import make_chunk

OP = FilterOperator
NAMES = {"lease": "lease.pdf", "manual": "manual.pdf"}


def leaf(key: str, value: Any, operator: FilterOperator = OP.EQ) -> MetadataFilter:
    return MetadataFilter(key=key, value=value, operator=operator)


def where(*filters, condition: FilterCondition = FilterCondition.AND) -> MetadataFilters:
    return MetadataFilters(filters=list(filters), condition=condition)


class KnownHits:
    """A searcher that knows its hits beforehand, and what it was asked."""

    def __init__(self, *chunks, seconds: float = 0.0) -> None:
        self.chunks, self.seconds = chunks, seconds
        self.asked: list[tuple[str, int, Filter | None]] = []

    def search(self, question: str, *, limit: int, filters: Filter | None) -> list[Hit]:
        time.sleep(self.seconds)
        self.asked.append((question, limit, filters))
        return [Hit(rank, 1.0 / rank, c, c.pages[0], c.shown_text) for rank, c in enumerate(self.chunks[:limit], 1)]


CHUNKS = (
    make_chunk("The deposit is three months of rent.", document="lease", heading_path=("Lease", "Deposit"), page=2),
    make_chunk("Either party may give ninety days of notice.", document="lease", ordinal=1, flags=("low_confidence",)),
    make_chunk("Press the red button to stop the pump.", document="manual", kind=Kind.LIST_ITEM, page=1),
)


def known(*chunks, **options) -> PaperlodeRetriever:
    return PaperlodeRetriever(KnownHits(*(chunks or CHUNKS)), name_of=NAMES.__getitem__, **options)


# ---------------------------------------------------------------------------------------------------------- over an index


@pytest.fixture
def retriever(index, write, embedder):
    for document in ("lease", "manual"):
        write([c for c in CHUNKS if c.document == document])
    return PaperlodeRetriever.over(index, embedder, name_of=NAMES.__getitem__)


def test_it_finds_what_the_search_finds_in_its_order(retriever, index, embedder):
    hits = Search(index, embedder).search("How much is the deposit?")
    nodes = retriever.retrieve("How much is the deposit?")
    assert nodes[0].node.get_content() == "The deposit is three months of rent."
    assert [(n.node_id, n.score) for n in nodes] == [(h.chunk.id, h.score) for h in hits]
    assert asyncio.run(retriever.aretrieve("How much is the deposit?")) == nodes


def test_filters_hold_it_to_documents_pages_and_kinds(index, write, embedder, retriever):
    def found(*filters):
        only = PaperlodeRetriever.over(index, embedder, filters=where(*filters))
        return sorted(
            n.metadata["page_label"] + n.metadata["file_digest"] for n in only.retrieve("deposit button notice")
        )

    assert found() == ["1lease", "2manual", "3lease"]
    assert found(leaf("document", "lease")) == ["1lease", "3lease"]
    assert found(leaf("page_label", "2", OP.GTE)) == ["2manual", "3lease"]
    assert found(leaf("page_index", 1, OP.LT)) == ["1lease"]
    assert found(leaf("kind", ["list_item"], OP.IN)) == ["2manual"]
    assert found(leaf("flags", "low_confidence")) == ["1lease"]
    assert found(leaf("flags", "low_confidence", OP.NE)) == ["2manual", "3lease"]
    assert found(leaf("layer", "note")) == []


# -------------------------------------------------------------------------------------------------------------- the node


def test_a_node_says_where_it_stands():
    node = known().retrieve("deposit")[0].node
    assert isinstance(node, TextNode)
    assert node.metadata == {
        "file_name": "lease.pdf",
        "file_digest": "lease",
        "page_label": "3",
        "page_index": 2,
        "kind": "text",
        "layer": "body",
        "boxes": "[[2,72.0,72.25,500.0,90.5]]",
        "heading_path": "Lease > Deposit",
    }
    assert boxes_of(node) == (PageBox(2, Box(72.0, 72.25, 500.0, 90.5)),)
    assert node.node_id == CHUNKS[0].id
    assert node.ref_doc_id == "lease"
    assert node.relationships[NodeRelationship.SOURCE].metadata == {"file_name": "lease.pdf"}
    json.dumps(node.metadata)


def test_a_model_is_shown_what_it_can_cite_by_and_no_boxes():
    nodes = known().retrieve("deposit")
    assert nodes[0].node.get_content(metadata_mode=MetadataMode.LLM) == (
        "file_name: lease.pdf\npage_label: 3\nheading_path: Lease > Deposit\n\nThe deposit is three months of rent."
    )
    assert nodes[0].node.get_content(metadata_mode=MetadataMode.EMBED).startswith("heading_path: Lease > Deposit\n\n")
    assert nodes[1].metadata["flags"] == "low_confidence"


def test_without_names_a_node_has_the_digest_alone():
    (node,) = PaperlodeRetriever(KnownHits(CHUNKS[0])).retrieve("x")
    assert "file_name" not in node.metadata
    assert node.metadata["file_digest"] == "lease"


@pytest.mark.parametrize("written", [None, "x", "[[1]]", "[1]"])
def test_boxes_that_are_not_ours_are_refused(written):
    with pytest.raises(InvalidRequest, match="boxes"):
        boxes_of(TextNode(text="x", metadata={} if written is None else {"boxes": written}))


def test_as_many_nodes_as_are_asked_for():
    searcher = KnownHits(*CHUNKS)
    retriever = PaperlodeRetriever(searcher, similarity_top_k=2)
    assert len(retriever.retrieve(QueryBundle("x"))) == 2
    retriever.similarity_top_k = 1
    assert len(retriever.retrieve("x")) == 1
    assert [limit for _, limit, _ in searcher.asked] == [2, 1]
    assert retriever.similarity_top_k == 1


# ---------------------------------------------------------------------------------------------------------------- filters


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        (where(), Filter()),
        (where(leaf("file_name", ["a", "b"], OP.IN)), Filter(documents=("digest-a", "digest-b"))),
        (where(leaf("file_digest", "a"), leaf("kind", "table")), Filter(documents=("digest-a",), kinds=(Kind.TABLE,))),
        (where(leaf("page_label", 3, OP.GT), leaf("page_label", 7, OP.LTE)), Filter(pages=(3, 6))),
        (where(leaf("page_label", ["4", "5"], OP.IN)), Filter(pages=(3, 4))),
        (where(leaf("page_index", 4)), Filter(pages=(4, 4))),
        (where(leaf("layer", "furniture", OP.NE)), Filter(layers=(Layer.BODY, Layer.NOTE))),
        (where(leaf("kind", ["text", "table"], OP.IN), leaf("kind", ["table", "toc"], OP.IN)), Filter(kinds=(Kind.TABLE,))),
        (where(leaf("flags", ["a", "b"], OP.ANY), leaf("flags", "c", OP.NE)), Filter(flags=("a", "b"), without_flags=("c",))),
        (where(leaf("flags", ["a"], OP.ALL)), Filter(flags=("a",))),
        (where(leaf("document", "a"), leaf("document", "b"), condition=FilterCondition.OR),
         Filter(documents=("digest-a", "digest-b"))),
        (where(leaf("flags", "a"), leaf("page_index", 3, OP.GTE), condition=FilterCondition.NOT),
         Filter(without_flags=("a",), pages=(0, 2))),
        (where(where(leaf("kind", "table")), where(leaf("document", "a"), condition=FilterCondition.OR)),
         Filter(kinds=(Kind.TABLE,), documents=("digest-a",))),
        (where(leaf("document", "a"), leaf("document", "b")), None),
        (where(leaf("document", [], OP.IN)), None),
        (where(leaf("page_index", [], OP.IN)), None),
        (where(leaf("page_index", 5, OP.LT), leaf("page_index", 5, OP.GT)), None),
        (where(leaf("page_label", 1, OP.LT)), None),
    ],
)  # fmt: skip
def test_filters_become_the_indexs_own(filters, wanted):
    assert scope_of(filters, digest_of=lambda name: f"digest-{name}") == wanted


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (where(leaf("colour", "red")), "colour"),
        (where(leaf("document", "a", OP.NE)), "named, not left out"),
        (where(leaf("file_name", "a")), "without the documents' names"),
        (where(leaf("page_label", "iv")), "no page"),
        (where(leaf("page_label", 1.5)), "no page"),
        (where(leaf("page_label", ["1", "3"], OP.IN)), "gaps"),
        (where(leaf("page_label", 3, OP.NE)), "one range"),
        (where(leaf("kind", "tables")), "no kind"),
        (where(leaf("kind", "table", OP.TEXT_MATCH)), "cannot be told"),
        (where(leaf("flags", ["a", "b"], OP.ALL)), "cannot be told"),
        (where(leaf("flags", "a"), leaf("flags", "b")), "second list"),
        (where(leaf("kind", None)), "compares with nothing"),
        (where(leaf("document", "a"), leaf("kind", "table"), condition=FilterCondition.OR), "one key"),
        (where(where(leaf("kind", "table")), condition=FilterCondition.NOT), "nest"),
        (where(leaf("flags", "a", OP.TEXT_MATCH), condition=FilterCondition.NOT), "turned round"),
    ],
)
def test_filters_that_cannot_be_told_are_refused_by_name_when_the_retriever_is_made(filters, said):
    with pytest.raises(InvalidRequest, match=said):
        known_without_digests(filters)


def known_without_digests(filters):
    return PaperlodeRetriever(KnownHits(), filters=filters)


def test_what_nothing_can_pass_is_not_even_searched():
    searcher = KnownHits(*CHUNKS)
    assert PaperlodeRetriever(searcher, filters=where(leaf("document", [], OP.IN))).retrieve("x") == []
    assert searcher.asked == []


# -------------------------------------------------------------------------------------------------------- as LlamaIndex has it


def test_it_is_a_retriever():
    assert BaseRetriever.__name__ in [b.__name__ for b in PaperlodeRetriever.__mro__]


class Heard(BaseEventHandler):
    """Remembers retrieval events."""

    events: list[Any] = Field(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        return "Heard"

    def handle(self, event, **kwargs: Any) -> None:
        if isinstance(event, (RetrievalStartEvent, RetrievalEndEvent)):
            self.events.append(event)


@pytest.fixture
def heard():
    handler = Heard(events=[])
    root = get_dispatcher()
    root.add_event_handler(handler)
    yield handler.events
    root.event_handlers.remove(handler)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_callbacks_and_instrumentation_hear_of_a_retrieval(heard, asynchronous):
    debug = LlamaDebugHandler(print_trace_on_end=False)
    retriever = known(callback_manager=CallbackManager([debug]))
    nodes = asyncio.run(retriever.aretrieve("deposit")) if asynchronous else retriever.retrieve("deposit")
    ((start, end),) = debug.get_event_pairs(CBEventType.RETRIEVE)
    assert start.payload and end.payload
    assert start.payload[EventPayload.QUERY_STR] == "deposit"
    assert end.payload[EventPayload.NODES] == nodes
    assert [type(e).__name__ for e in heard] == ["RetrievalStartEvent", "RetrievalEndEvent"]
    assert heard[1].nodes == nodes


def test_an_asynchronous_retrieval_leaves_the_event_loop_free():
    retriever = PaperlodeRetriever(KnownHits(*CHUNKS, seconds=0.4))

    async def beside() -> int:
        beats, both = 0, asyncio.gather(retriever.aretrieve("a"), retriever.aretrieve("b"))
        while not both.done():
            await asyncio.sleep(0.02)
            beats += 1
        await both
        return beats

    assert asyncio.run(beside()) >= 5


def test_a_query_engine_answers_from_it_and_names_its_sources():
    answer = RetrieverQueryEngine.from_args(known(), llm=MockLLM()).query("How much is the deposit?")
    assert [n.metadata["page_label"] for n in answer.source_nodes] == ["3", "1", "2"]
    assert "page_label: 3" in str(answer)
    assert "boxes" not in str(answer)


@pytest.mark.parametrize("mode", [FUSION_MODES.RECIPROCAL_RANK, FUSION_MODES.SIMPLE, FUSION_MODES.RELATIVE_SCORE])
def test_a_fusion_of_retrievers_knows_the_same_node_again(mode):
    fusion = QueryFusionRetriever(
        [known(), known()], llm=MockLLM(), num_queries=1, mode=mode, similarity_top_k=5, use_async=False
    )
    assert sorted(n.node_id for n in fusion.retrieve("deposit")) == sorted(c.id for c in CHUNKS)


agents = pytest.mark.filterwarnings(
    "ignore::pydantic.warnings.PydanticDeprecationWarning"
)  # LlamaIndex's workflows look at all members


def scripted(tool: str) -> MockFunctionCallingLLM:
    """A model that calls the tool, and then says what it was told."""

    def say(messages, **_: Any) -> ChatMessage:
        if messages[-1].role == MessageRole.TOOL:
            return ChatMessage(role=MessageRole.ASSISTANT, content=f"I read: {messages[-1].content}")
        call = ToolCallBlock(tool_call_id="1", tool_name=tool, tool_kwargs={"input": "How much is the deposit?"})
        return ChatMessage(role=MessageRole.ASSISTANT, blocks=[call])

    return MockFunctionCallingLLM(response_generator=say, is_chat_model=True)


@agents
@pytest.mark.parametrize("through", ["retriever", "query engine"])
def test_a_function_agent_uses_it_as_a_tool(through):
    if through == "retriever":
        tool: Any = RetrieverTool.from_defaults(known(), name="archive", description="Finds pages.")
    else:
        engine = RetrieverQueryEngine.from_args(known(), llm=MockLLM())
        tool = QueryEngineTool.from_defaults(engine, name="archive", description="Answers.")
    agent = FunctionAgent(tools=[tool], llm=scripted("archive"), streaming=False)

    async def run():
        return await agent.run("deposit?")

    answer = asyncio.run(run())
    assert answer.response.content.startswith("I read: ")
    assert "The deposit is three months of rent." in answer.response.content


class Reasoning(CustomLLM):
    """A model that reasons in ReAct's words: it acts once, then answers with what it observed."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        if "Observation: " not in prompt.rpartition("Current Conversation")[2]:
            text = 'Thought: I need to look.\nAction: archive\nAction Input: {"input": "deposit"}'
        else:
            observed = "three months of rent" in prompt
            text = f"Thought: I can answer.\nAnswer: {'Three months of rent' if observed else 'Unknown'}, page 3"
        return CompletionResponse(text=text)

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any):
        yield self.complete(prompt, formatted=formatted, **kwargs)


@agents
@pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning")
def test_a_react_agent_uses_it_as_a_tool():
    tool = RetrieverTool.from_defaults(known(), name="archive", description="Finds pages.")
    agent = ReActAgent(tools=[tool], llm=Reasoning(), streaming=False)

    async def run():
        return await agent.run("How much is the deposit?")

    assert "Three months of rent, page 3" in asyncio.run(run()).response.content


# ------------------------------------------------------------------------------------------------------------ the packaging


@pytest.mark.parametrize(
    "module", ["paperlode.retrieval.llama_index", "paperlode.ingest.llama_index", "paperlode.api.llama_index"]
)
def test_without_llamaindex_the_extra_is_named(module):
    code = (
        "import sys; sys.modules['llama_index'] = None\n"
        "from paperlode.ingest.errors import MissingExtra\n"
        f"try:\n    import {module}\nexcept MissingExtra as e:\n    print(e)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "paperlode[llama-index]" in out
