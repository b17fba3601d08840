"""``CitationQueryEngine`` answers as any LlamaIndex query engine does, with what its nodes say and nothing else."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.llms.mock import MockLLM
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.tools import QueryEngineTool

from paperlode.ingest.document import Box, Cell, Chunk, Kind, PageBox, Table, TablePart
from paperlode.ingest.table_reading import read_table
from paperlode.retrieval.llama_retriever import node_of
from paperlode.retrieval.query_engine import CitationQueryEngine
from paperlode.retrieval.search import Hit

from .chat import ScriptedLLM

if TYPE_CHECKING:
    from collections.abc import Callable

    ChunkOf = Callable[..., Chunk]

LEASE = "Either party may end this lease with ninety days of notice. The rent is EUR 1,250 a month."
RIGHT = "The notice is 90 days [1]. The rent is €1,250 a month [1]."
WRONG = "The notice is 60 days [1]."


class Fixed(BaseRetriever):
    """Gives the same nodes to every question."""

    def __init__(self, *nodes: TextNode) -> None:
        self._nodes = nodes
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [NodeWithScore(node=n, score=0.5) for n in self._nodes]


def hit_on(chunk: Chunk) -> Hit:
    return Hit(1, 0.9, chunk, chunk.pages[0], chunk.shown_text)


def engine(llm: Any, *nodes: TextNode, **options: Any) -> CitationQueryEngine:
    return CitationQueryEngine(Fixed(*nodes), llm, **options)


def test_it_answers_with_checked_citations(chunk_of: ChunkOf) -> None:
    """Text, the nodes, and for each citation document, page and boxes."""
    chunk = chunk_of(LEASE, page=3)
    response = engine(ScriptedLLM(RIGHT), node_of(hit_on(chunk), "lease.pdf")).query("How long is the notice?")
    assert isinstance(response, Response)
    assert str(response) == "The notice is 90 days. [1] The rent is €1,250 a month. [1]"
    assert [n.node.node_id for n in response.source_nodes] == [chunk.id]
    assert response.metadata is not None
    (citation,) = response.metadata["citations"]
    assert (citation["n"], citation["node_id"], citation["document"]) == (1, chunk.id, "d1")
    assert (citation["file_name"], citation["page"]) == ("lease.pdf", 3)
    assert citation["boxes"] == [[r.page, *r.box] for r in chunk.regions]
    assert response.metadata["refused"] is False
    assert [s["supported"] for s in response.metadata["sentences"]] == [True, True]


def test_what_is_invented_is_refused(chunk_of: ChunkOf) -> None:
    """In plain words, with the reasons beside."""
    response = engine(ScriptedLLM(WRONG), node_of(hit_on(chunk_of(LEASE)))).query("How long is the notice?")
    assert isinstance(response, Response)
    assert str(response).startswith("No answer can be given")
    assert response.metadata is not None
    assert response.metadata["refused"] is True
    assert "60" in response.metadata["sentences"][0]["problems"][0]


def test_it_streams_what_passed(chunk_of: ChunkOf) -> None:
    """Sentence by sentence; the metadata is whole when the text has ended."""
    node = node_of(hit_on(chunk_of(LEASE)))
    response = engine(ScriptedLLM(f"{RIGHT} {WRONG}"), node, streaming=True).query("How long?")
    assert isinstance(response, StreamingResponse)
    assert list(response.response_gen) == ["The notice is 90 days. [1]", " The rent is €1,250 a month. [1]"]
    assert response.metadata is not None
    assert [s["supported"] for s in response.metadata["sentences"]] == [True, True, False]
    refused = engine(ScriptedLLM(WRONG), node, streaming=True).query("How long?")
    assert str(refused).startswith("No answer can be given")


def test_it_can_be_awaited(chunk_of: ChunkOf) -> None:
    """Whole and streamed."""
    node = node_of(hit_on(chunk_of(LEASE)))

    async def ask() -> tuple[str, str]:
        whole = await engine(ScriptedLLM(RIGHT), node).aquery("How long?")
        pieces = await engine(ScriptedLLM(RIGHT), node, streaming=True).aquery("How long?")
        assert isinstance(pieces, AsyncStreamingResponse)
        return str(whole), "".join([p async for p in pieces.response_gen])

    whole, streamed = asyncio.run(ask())
    assert whole == streamed == "The notice is 90 days. [1] The rent is €1,250 a month. [1]"


def test_a_model_that_cites_nothing_is_refused(chunk_of: ChunkOf) -> None:
    """LlamaIndex's own mock repeats the prompt or says ``text text``: neither is an answer."""
    for llm in (MockLLM(max_tokens=8), MockLLM()):
        response = engine(llm, node_of(hit_on(chunk_of(LEASE)))).query("How long is the notice?")
        assert response.metadata is not None
        assert response.metadata["refused"] is True


def test_nodes_of_any_retriever_will_do() -> None:
    """Without our metadata there are no boxes, and the check is of the text."""
    node = TextNode(text=LEASE, id_="n1", metadata={"file_name": "x.md", "boxes": "nonsense", "kind": "odd"})
    response = engine(ScriptedLLM(RIGHT), node).query("How long is the notice?")
    assert response.metadata is not None
    (citation,) = response.metadata["citations"]
    assert (citation["node_id"], citation["boxes"], citation["file_name"]) == ("n1", [], "x.md")
    assert engine(ScriptedLLM(WRONG), node).query("How long?").metadata["refused"]  # type: ignore[index]


def test_nodes_of_the_readers_documents_bring_the_boxes_of_their_blocks() -> None:
    """Those that a node's stretch meets, also where its parser left it all of its Document's blocks."""
    blocks = [
        {"kind": "text", "start": 0, "end": 10, "boxes": [[3, 1, 2, 3, 4]]},
        {"kind": "figure", "start": 12, "end": 12, "boxes": [[3, 5, 5, 9, 9]]},
        {"kind": "text", "start": 12, "end": 200, "boxes": [[3, 1, 20, 3, 40], [4, 1, 2, 3, 4]]},
    ]
    metadata = {"blocks": json.dumps(blocks), "page_index": 3, "file_path": "/a/x.pdf"}
    node = TextNode(text=LEASE, id_="n1", metadata=metadata, start_char_idx=12, end_char_idx=100)

    def boxes(of: TextNode) -> list[list[float]]:
        response = engine(ScriptedLLM(RIGHT), of).query("How long is the notice?")
        assert response.metadata is not None
        (citation,) = response.metadata["citations"]
        assert (citation["page"], citation["document"]) == (3, "/a/x.pdf")
        found: list[list[float]] = citation["boxes"]
        return found

    assert boxes(node) == [[3, 5, 5, 9, 9], [3, 1, 20, 3, 40], [4, 1, 2, 3, 4]]
    node.start_char_idx = node.end_char_idx = None
    assert len(boxes(node)) == 4
    node.metadata["blocks"] = "nonsense"
    assert boxes(node) == []


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_callbacks_hear_of_query_and_synthesis(chunk_of: ChunkOf, streaming: bool, asynchronous: bool) -> None:
    """Once each, with question and response, also of a streaming answer, which is whole afterwards."""
    debug = LlamaDebugHandler(print_trace_on_end=False)
    options: dict[str, Any] = {"streaming": streaming, "callback_manager": CallbackManager([debug])}
    made = engine(ScriptedLLM(RIGHT), node_of(hit_on(chunk_of(LEASE))), **options)

    async def ask() -> tuple[Any, str]:
        if not asynchronous:
            answer: Any = made.query("How long?")
            return answer, "".join(answer.response_gen) if streaming else str(answer)
        answer = await made.aquery("How long?")
        return answer, "".join([p async for p in answer.response_gen]) if streaming else str(answer)

    response, said = asyncio.run(ask())
    assert said == "The notice is 90 days. [1] The rent is €1,250 a month. [1]"
    for kind in (CBEventType.QUERY, CBEventType.SYNTHESIZE):
        ((start, end),) = debug.get_event_pairs(kind)
        assert start.payload == {EventPayload.QUERY_STR: "How long?"}
        assert end.payload == {EventPayload.RESPONSE: response}


def test_tables_are_known_where_the_chunk_is(chunk_of: ChunkOf) -> None:
    """A figure of another year is caught, and a right one is cited by its row."""
    cells = [Cell(0, 1, "2022"), Cell(0, 2, "2021"), Cell(1, 0, "Revenue"), Cell(1, 1, "17,606"), Cell(1, 2, "15,785")]
    region = PageBox(0, Box(1.0, 2.0, 3.0, 4.0))
    table = Table(2, 3, (*cells[:-1], Cell(1, 2, "15,785", region=region)), 1, "(in millions of US$)")
    chunk = chunk_of(table.to_text(), kind=Kind.TABLE, part=TablePart(0, 1, 2, 2, table))
    options = {"chunk_of": {chunk.id: chunk}.get, "read_table": read_table}
    node = node_of(hit_on(chunk))
    right = engine(ScriptedLLM("Revenue was $15,785 million in 2021 [1]."), node, **options).query("Revenue?")
    assert right.metadata is not None
    assert right.metadata["citations"][0]["boxes"] == [[0, 1.0, 2.0, 3.0, 4.0]]
    wrong = engine(ScriptedLLM("Revenue was $15,785 million in 2022 [1]."), node, **options).query("Revenue?")
    assert wrong.metadata is not None
    assert wrong.metadata["refused"] is True


def test_instrumentation_sees_query_and_retrieval(chunk_of: ChunkOf) -> None:
    """The events of LlamaIndex's base classes."""

    class Keep(BaseEventHandler):
        seen: list[str] = []  # noqa: RUF012

        @classmethod
        def class_name(cls) -> str:
            return "Keep"

        def handle(self, event: Any, **_: Any) -> None:
            self.seen.append(type(event).__name__)

    handler = Keep()
    root = get_dispatcher()
    root.add_event_handler(handler)
    try:
        engine(ScriptedLLM(RIGHT), node_of(hit_on(chunk_of(LEASE)))).query("How long?")
    finally:
        root.event_handlers.remove(handler)
    assert {
        "QueryStartEvent",
        "RetrievalStartEvent",
        "RetrievalEndEvent",
        "SynthesizeStartEvent",
        "SynthesizeEndEvent",
        "QueryEndEvent",
    } <= set(handler.seen)


def test_it_is_a_tool_for_agents(chunk_of: ChunkOf) -> None:
    """Called with words, it gives the checked answer."""
    tool = QueryEngineTool.from_defaults(engine(ScriptedLLM(RIGHT), node_of(hit_on(chunk_of(LEASE)))))
    assert "90 days" in str(tool.call("How long is the notice?"))


@pytest.mark.parametrize("unsupported", ["drop", "mark"])
def test_unsupported_sentences_are_dropped_or_marked(chunk_of: ChunkOf, unsupported: str) -> None:
    """As asked for."""
    node = node_of(hit_on(chunk_of(LEASE)))
    response = engine(ScriptedLLM(f"{WRONG} {RIGHT}"), node, unsupported=unsupported).query("How long?")
    assert ("[not found in the source]" in str(response)) == (unsupported == "mark")
