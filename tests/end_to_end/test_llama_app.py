"""The way of a LlamaIndex app: reader, node parser, pipeline with upserts, vector store, retriever, agent, cited answer."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymupdf
import pytest
from llama_index.core import Document, SimpleDirectoryReader, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import MetadataMode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.tools import QueryEngineTool, RetrieverTool
from llama_index.core.vector_stores.types import FilterOperator, MetadataFilter, MetadataFilters
from pydantic import Field

from paperlode.api.llama_index import (
    CitationQueryEngine,
    PaddleOCRVLReader,
    PaperlodeEmbedding,
    PaperlodeVectorStore,
    StructureNodeParser,
    blocks_of,
)

from ..retrieval.chat import ScriptedLLM  # noqa: TID252  no root to import tests from

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SAMPLES = Path(__file__).parents[2] / "samples" / "archive"
PAGES = 8
CHANGED = 6
"""Page of the agreement that is written on, 0-based."""
ADDED = "Nine spare pumps are kept in Bremen."
QUESTION = "How long is the initial term of the supply agreement?"


class Embedding(PaperlodeEmbedding):
    """The embedded model, which remembers what it was given."""

    given: list[str] = Field(default_factory=list, exclude=True)

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        self.given.extend(texts)
        return super()._get_text_embeddings(texts)


@pytest.fixture(scope="module")
def embedding() -> Embedding:
    made = Embedding()
    assert made.embedder.name == "minilm"
    return made


@pytest.fixture(scope="module")
def reader() -> Iterator[PaddleOCRVLReader]:
    with PaddleOCRVLReader(parser="local", ids="path", workers=1) as made:
        yield made


def pipeline_on(store: PaperlodeVectorStore, embedding: Embedding, **options: Any) -> IngestionPipeline:
    return IngestionPipeline(
        **{
            "transformations": [StructureNodeParser(tokenizer=embedding.embedder), embedding],
            "docstore": SimpleDocumentStore(),
            "vector_store": store,
            "docstore_strategy": DocstoreStrategy.UPSERTS,
            **options,
        }
    )


def everything(store: PaperlodeVectorStore) -> dict[str, Any]:
    return {n.node_id: n for n in store.get_nodes()}


def agreement(folder: Path) -> Path:
    """The first pages of the sample, as a file in the folder."""
    made = folder / "supply_agreement.pdf"
    with pymupdf.open(SAMPLES / made.name) as document:
        document.select(range(PAGES))
        document.save(made)
    return made


def write_on(path: Path, page: int, text: str) -> None:
    """The PDF saved anew with a line more at the foot of one page."""
    fresh = path.with_suffix(".new")
    with pymupdf.open(path) as document:
        document[page].insert_text((108, 724), text, fontsize=10)
        document.save(fresh)
    fresh.replace(path)


class App:
    """An archive of one agreement, ingested."""

    def __init__(self, folder: Path, reader: PaddleOCRVLReader, embedding: Embedding) -> None:
        self.reader, self.embedding = reader, embedding
        self.files = folder / "files"
        self.files.mkdir()
        self.pdf = agreement(self.files)
        self.store = PaperlodeVectorStore(folder / "store")
        self.pipeline = pipeline_on(self.store, embedding)

    def ingest(self) -> Sequence[Any]:
        self.embedding.given.clear()
        return self.pipeline.run(documents=self.reader.load_data(self.files))

    @property
    def index(self) -> VectorStoreIndex:
        return VectorStoreIndex.from_vector_store(self.store, embed_model=self.embedding)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, reader: PaddleOCRVLReader, embedding: Embedding) -> App:
    made = App(tmp_path_factory.mktemp("app"), reader, embedding)
    made.ingest()
    return made


# -------------------------------------------------------------------------------------------------------------- upserts


def test_a_changed_page_of_a_pdf_replaces_only_its_chunks(tmp_path, reader, embedding):
    """All other nodes stay as they are, ids and all; only texts of that page are embedded; nothing of the old page is left."""
    app = App(tmp_path, reader, embedding)
    assert len(app.ingest()) == len(embedding.given) == len(app.store)
    before = everything(app.store)
    assert {n.metadata["page_index"] for n in before.values()} == set(range(PAGES))
    assert list(app.ingest()) == []
    assert embedding.given == []

    write_on(app.pdf, CHANGED, ADDED)
    fresh = app.ingest()
    after = everything(app.store)
    assert {n.metadata["page_index"] for n in fresh} == {CHANGED}
    assert embedding.given == [n.get_content(metadata_mode=MetadataMode.EMBED) for n in fresh]
    assert {i: n for i, n in after.items() if n.metadata["page_index"] != CHANGED} == {
        i: n for i, n in before.items() if n.metadata["page_index"] != CHANGED
    }
    assert {i for i, n in after.items() if n.metadata["page_index"] == CHANGED} == {n.node_id for n in fresh}
    assert sum(ADDED in n.get_content() for n in after.values()) == 1
    # a chunk of that page whose text did not change has its id still
    assert {n.node_id for n in fresh} & before.keys()


def test_by_bytes_another_version_is_another_document(tmp_path, embedding):
    """What ``ids="path"`` is for: without it a changed file is read as a new one, and the old one has to be deleted."""
    pdf = agreement(tmp_path)
    with PaddleOCRVLReader(parser="local", workers=1) as by_bytes:
        before = by_bytes.load_data(pdf)
        write_on(pdf, CHANGED, ADDED)
        after = by_bytes.load_data(pdf)
    assert not {d.id_ for d in before} & {d.id_ for d in after}
    assert all("file_digest" in d.metadata for d in before)


def test_simple_directory_reader_leads_to_the_same_upserts(tmp_path, reader, embedding):
    """Its own metadata (dates, sizes) change nothing for the pages that did not change, and neither does a touched file."""
    files = tmp_path / "files"
    files.mkdir()
    pdf = agreement(files)
    pipeline = pipeline_on(PaperlodeVectorStore(tmp_path / "store"), embedding)

    def ingest() -> Sequence[Any]:
        return pipeline.run(documents=SimpleDirectoryReader(files, file_extractor={".pdf": reader}).load_data())

    assert ingest()
    write_on(pdf, CHANGED, ADDED)
    assert {n.metadata["page_index"] for n in ingest()} == {CHANGED}


MARKDOWN = {
    "pumps.md": "# Pumps\n\n## Starting\n\nPress the green button.\n\n## Stopping\n\nPress the red button twice.",
    "prices.md": "# Prices\n\n| item | price |\n|---|---|\n| bolt | 1.00 |\n| nut | 2.00 |",
    "terms.md": "# Terms\n\nThe term is five years.",
}


def markdown(pages: dict[str, str]) -> list[Document]:
    """As any reader of Markdown gives it: an id that stays, and metadata."""
    return [Document(id_=name, text=text, metadata={"file_name": name}) for name, text in pages.items()]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_markdown_of_any_reader_is_upserted_page_by_page(tmp_path, embedding, asynchronous):
    """Changed, new and deleted pages, with UPSERTS_AND_DELETE; sync and async give the same store."""
    store = PaperlodeVectorStore(tmp_path / "store")
    pipeline = pipeline_on(store, embedding, docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE)

    def ingest(pages: dict[str, str]) -> list[str]:
        embedding.given.clear()
        documents = markdown(pages)
        nodes = asyncio.run(pipeline.arun(documents=documents)) if asynchronous else pipeline.run(documents=documents)
        assert len(embedding.given) == len(nodes)
        return sorted({n.ref_doc_id or "" for n in nodes})

    assert ingest(MARKDOWN) == sorted(MARKDOWN)
    before = everything(store)
    changed = {k: v.replace("five", "six") for k, v in MARKDOWN.items() if k != "prices.md"} | {
        "new.md": "# New\n\nText."
    }
    assert ingest(changed) == ["new.md", "terms.md"]
    after = everything(store)
    assert {n.ref_doc_id for n in after.values()} == {"pumps.md", "terms.md", "new.md"}
    assert {i for i, n in before.items() if n.ref_doc_id == "pumps.md"} <= after.keys()
    assert "six years" in next(n.get_content() for n in after.values() if n.ref_doc_id == "terms.md")


def test_a_pipeline_goes_on_after_it_was_persisted(tmp_path, embedding):
    """Docstore and cache from disk, the store from its folder: nothing is embedded again, and a change replaces its page."""
    folder = tmp_path / "store"
    first = pipeline_on(PaperlodeVectorStore(folder), embedding)
    first.run(documents=markdown(MARKDOWN))
    first.persist(str(tmp_path / "pipeline"))
    del first

    store = PaperlodeVectorStore(folder)
    again = pipeline_on(store, embedding)
    again.load(str(tmp_path / "pipeline"))
    embedding.given.clear()
    assert list(again.run(documents=markdown(MARKDOWN))) == []
    again.run(documents=markdown(MARKDOWN | {"terms.md": "# Terms\n\nSix years."}))
    assert (
        embedding.given == ["heading_path: Terms\nfile_name: terms.md\n\n# Terms\n\nSix years."]
        or len(embedding.given) == 1
    )
    assert sorted(n.get_content() for n in store.get_nodes() if n.ref_doc_id == "terms.md") == ["# Terms\n\nSix years."]


def test_the_cache_spares_what_was_embedded_once(tmp_path, embedding):
    """A second pipeline with the first one's cache, and with no docstore, parses and embeds nothing."""
    first = pipeline_on(PaperlodeVectorStore(tmp_path / "a"), embedding, docstore=None)
    made = first.run(documents=markdown(MARKDOWN))
    embedding.given.clear()
    fresh = PaperlodeVectorStore(tmp_path / "b")
    again = pipeline_on(fresh, embedding, docstore=None, cache=first.cache)
    assert [n.node_id for n in again.run(documents=markdown(MARKDOWN))] == [n.node_id for n in made]
    assert embedding.given == []
    assert everything(fresh).keys() == {n.node_id for n in made}


@pytest.mark.slow
def test_a_pipeline_in_several_processes_gives_the_same_nodes(tmp_path):
    """Parser and model travel to other processes."""
    embedding = PaperlodeEmbedding()
    options: dict[str, Any] = {"transformations": [StructureNodeParser(), embedding]}
    nodes = IngestionPipeline(**options, vector_store=PaperlodeVectorStore(tmp_path / "store")).run(
        documents=markdown(MARKDOWN), num_workers=2
    )
    assert [n.to_dict() for n in nodes] == [
        n.to_dict() for n in IngestionPipeline(**options).run(documents=markdown(MARKDOWN))
    ]


# ------------------------------------------------------------------------------------------------------ asking the store


def test_an_index_over_the_store_finds_the_page_and_its_boxes(app):
    """By vector, by words, by both; async as sync; with filters; each node leads to its boxes."""
    where = MetadataFilters(
        filters=[
            MetadataFilter(key="file_name", value="supply_agreement.pdf"),
            MetadataFilter(key="page_index", value=3, operator=FilterOperator.LTE),
        ]
    )
    for mode in ("default", "sparse", "hybrid"):
        retriever = app.index.as_retriever(similarity_top_k=4, vector_store_query_mode=mode, filters=where)
        found = retriever.retrieve(QUESTION)
        assert any("31 March 2028" in n.text or "initial term" in n.text.lower() for n in found), mode
        assert all(n.metadata["page_index"] <= 3 for n in found)
        assert asyncio.run(retriever.aretrieve(QUESTION)) == found
        for n in found:
            assert {r.page for b in blocks_of(n) for r in b.regions} >= {n.metadata["page_index"]}


def cited(app: App, **options: Any) -> CitationQueryEngine:
    retriever = app.index.as_retriever(similarity_top_k=3, vector_store_query_mode="hybrid")
    return CitationQueryEngine(retriever, ScriptedLLM("Each price is fixed until 31 March 2026 [1]."), **options)


def test_a_cited_answer_points_at_the_page_and_the_boxes(app):
    """Over the store's nodes, not an archive: citations still have document, page and boxes."""
    response = cited(app).query("Until when are the prices of the Products in Schedule 1 fixed?")
    assert "31 March 2026 [1]" in str(response) or "31 March 2026. [1]" in str(response)
    assert response.metadata
    (citation,) = response.metadata["citations"]
    node = response.source_nodes[0]
    assert (citation["node_id"], citation["file_name"]) == (node.node_id, "supply_agreement.pdf")
    assert citation["page"] == node.metadata["page_index"] == 6
    assert citation["document"] == str(app.pdf)
    assert citation["boxes"]
    assert {tuple(b) for b in citation["boxes"]} == {(r.page, *r.box) for b in blocks_of(node) for r in b.regions}
    assert all(b[0] == 6 and 0 <= b[1] < b[3] <= 612 and 0 <= b[2] < b[4] <= 792 for b in citation["boxes"])
    again: Any = asyncio.run(cited(app).aquery("Until when are the prices fixed?"))
    assert again.metadata["refused"] is False


class Heard(BaseEventHandler):
    """Remembers the names of events."""

    events: list[str] = Field(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        return "Heard"

    def handle(self, event: Any, **_: Any) -> None:
        self.events.append(type(event).__name__)


@contextmanager
def hearing() -> Iterator[list[str]]:
    handler, root = Heard(), get_dispatcher()
    root.add_event_handler(handler)
    try:
        yield handler.events
    finally:
        root.event_handlers.remove(handler)


def test_events_and_callbacks_tell_of_every_step(tmp_path, embedding):
    """Parsing, embedding, retrieval and query, by instrumentation and by callbacks."""
    debug = LlamaDebugHandler(print_trace_on_end=False)
    manager = CallbackManager([debug])
    model = PaperlodeEmbedding(callback_manager=manager)
    model._made = embedding.embedder
    store = PaperlodeVectorStore(tmp_path / "store")
    with hearing() as events:
        IngestionPipeline(
            transformations=[StructureNodeParser(callback_manager=manager), model], vector_store=store
        ).run(documents=markdown(MARKDOWN))
        assert events == ["EmbeddingStartEvent", "EmbeddingEndEvent"]
        index = VectorStoreIndex.from_vector_store(store, embed_model=model, callback_manager=manager)
        llm = ScriptedLLM("The term is five years [1].")
        CitationQueryEngine(index.as_retriever(similarity_top_k=1), llm).query("How long is the term?")
    told = [e.removesuffix("Event") for e in events[2:] if e.startswith(("Query", "Retrieval", "Synthesize"))]
    assert told == [
        "QueryStart",
        "RetrievalStart",
        "RetrievalEnd",
        "SynthesizeStart",
        "SynthesizeEnd",
        "QueryEnd",
    ]
    steps = (
        CBEventType.NODE_PARSING,
        CBEventType.EMBEDDING,
        CBEventType.RETRIEVE,
        CBEventType.SYNTHESIZE,
        CBEventType.QUERY,
    )
    for kind in steps:
        assert debug.get_event_pairs(kind), kind
    ((start, end),) = debug.get_event_pairs(CBEventType.QUERY)
    assert start.payload
    assert end.payload
    assert start.payload[EventPayload.QUERY_STR] == "How long is the term?"
    assert "five years" in str(end.payload[EventPayload.RESPONSE])


def scripted(tool: str, asked: str) -> MockFunctionCallingLLM:
    """A model that calls the tool once, and then says what it was told."""

    def say(messages: Any, **_: Any) -> ChatMessage:
        if messages[-1].role == MessageRole.TOOL:
            return ChatMessage(role=MessageRole.ASSISTANT, content=f"I read: {messages[-1].content}")
        call = ToolCallBlock(tool_call_id="1", tool_name=tool, tool_kwargs={"input": asked})
        return ChatMessage(role=MessageRole.ASSISTANT, blocks=[call])

    return MockFunctionCallingLLM(response_generator=say, is_chat_model=True)


@pytest.mark.filterwarnings(
    "ignore::pydantic.warnings.PydanticDeprecationWarning"
)  # LlamaIndex's workflows look at all members
@pytest.mark.parametrize("through", ["retriever", "cited answers"])
def test_an_agent_uses_the_store_as_a_tool(app, through):
    """As a retriever, and as a query engine whose answers are checked."""
    if through == "retriever":
        tool: Any = RetrieverTool.from_defaults(
            app.index.as_retriever(similarity_top_k=3, vector_store_query_mode="hybrid"),
            name="contracts",
            description="Finds.",
        )
    else:
        tool = QueryEngineTool.from_defaults(cited(app), name="contracts", description="Answers.")
    agent = FunctionAgent(
        tools=[tool],
        llm=scripted("contracts", "Until when are the prices of the Products in Schedule 1 fixed?"),
        streaming=False,
    )

    async def run() -> str:
        result: Any = await agent.run("Until when?")
        return str(result.response.content)

    said = asyncio.run(run())
    assert said.startswith("I read: ")
    assert "31 March 2026" in said


def test_the_index_keeps_in_step_with_its_documents(tmp_path, embedding):
    """``insert``, ``refresh_ref_docs`` and ``delete_ref_doc`` of an index that stands on the store."""
    store = PaperlodeVectorStore(tmp_path / "store")
    index = VectorStoreIndex.from_vector_store(store, embed_model=embedding, transformations=[StructureNodeParser()])
    for document in markdown(MARKDOWN):
        index.insert(document)
    assert {n.ref_doc_id for n in store.get_nodes()} == set(MARKDOWN)
    index.delete_ref_doc("terms.md")
    assert {n.ref_doc_id for n in store.get_nodes()} == {"pumps.md", "prices.md"}
    index.update_ref_doc(Document(id_="pumps.md", text="# Pumps\n\nPull the lever."))
    assert [n.get_content() for n in store.get_nodes() if n.ref_doc_id == "pumps.md"] == ["# Pumps\n\nPull the lever."]
    engine = RetrieverQueryEngine.from_args(index.as_retriever(similarity_top_k=1), llm=scripted("none", ""))
    assert [n.node.ref_doc_id for n in engine.retrieve("Which lever?")] == ["pumps.md"]  # type: ignore[arg-type]
