"""``CitationQueryEngine``: a LlamaIndex query engine that checks what its model cites before it answers."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from paperlode.ingest.errors import MissingExtra

try:
    from llama_index.core.base.base_query_engine import BaseQueryEngine
    from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
    from llama_index.core.callbacks.schema import CBEventType, EventPayload
    from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
    from llama_index.core.instrumentation.events.synthesis import SynthesizeEndEvent, SynthesizeStartEvent
except ModuleNotFoundError as exc:
    if (exc.name or "").split(".")[0] != "llama_index":
        raise
    raise MissingExtra.named("llama-index-core", "llama-index") from exc

from paperlode.ingest.document import Box, Chunk, Kind, Layer, PageBox

from .llm_answer import AnswerDone, AnswerText, LLMAnswerer
from .search import Hit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.base.response.schema import RESPONSE_TYPE
    from llama_index.core.callbacks.base import CallbackManager
    from llama_index.core.llms import LLM
    from llama_index.core.prompts.mixin import PromptMixinType
    from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle

    from .answer import Answer, Citation
    from .table_meaning import ReadTable

__all__ = ["CitationQueryEngine"]

dispatcher = get_dispatcher(__name__)


class CitationQueryEngine(BaseQueryEngine):
    """Answers from a retriever's nodes; every sentence cites nodes, and what it says of them stands there.

    A sentence whose numbers, dates or quoted words do not stand in a node it cites is left out; an answer of which nothing
    is left is a refusal in plain words. ``Archive.as_query_engine`` makes one that also ties figures to the rows and
    columns of tables; over other nodes a table is its lines of text.

    The response's ``source_nodes`` are all nodes, in the order of their numbers; its metadata hold ``citations`` (``n``,
    ``node_id``, ``document``, ``file_name``, ``page`` from 0, ``boxes``, ``quote``), ``sentences`` (``text``,
    ``supported``, ``problems``, ``citations``) and ``refused``. A streaming response has them when its text has ended.

    Args:
        retriever: of any nodes; those of ``PaperlodeRetriever`` bring pages and boxes, and so do those made of the Documents
            of ``PaddleOCRVLReader``.
        llm: any LlamaIndex model.
        chunk_of: the chunk of a node, by its id, where there is one.
        read_table: what cells mean; for chunks with tables.
        more_of: the other parts of a hit's table.
        placed: a citation with its own lines' boxes, where those of its chunk can be narrowed.
        streaming: answers come sentence by sentence.
        unsupported: what becomes of a sentence that fails: ``drop`` or ``mark``.
        budget: tokens of the prompt; None for what the model reads, at most 6,000.
        callback_manager: as for every query engine.
    """

    def __init__(
        self,
        retriever: BaseRetriever,
        llm: LLM,
        *,
        chunk_of: Callable[[str], Chunk | None] = lambda _: None,
        read_table: ReadTable | None = None,
        more_of: Callable[[Hit], Sequence[Chunk]] = lambda _: (),
        placed: Callable[[Citation], Citation] = lambda citation: citation,
        streaming: bool = False,
        unsupported: Literal["drop", "mark"] = "drop",
        budget: int | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        self._retriever = retriever
        self._llm = llm
        self._chunk_of = chunk_of
        self._placed = placed
        self._streaming = streaming
        self._options: dict[str, Any] = {
            "read_table": read_table,
            "more_of": more_of,
            "unsupported": unsupported,
            "budget": budget,
        }
        super().__init__(callback_manager or getattr(retriever, "callback_manager", None))

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """The retriever's nodes."""
        return self._retriever.retrieve(query_bundle)

    async def aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """The retriever's nodes, asynchronously."""
        return await self._retriever.aretrieve(query_bundle)

    def synthesize(
        self,
        query_bundle: QueryBundle,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
    ) -> RESPONSE_TYPE:
        """The checked answer from ``nodes``."""
        with self._synthesis(query_bundle) as told_of:
            return told_of(self._response(query_bundle.query_str, [*nodes, *(additional_source_nodes or ())]))

    def _response(self, question: str, every: list[NodeWithScore]) -> RESPONSE_TYPE:
        answerer, hits = self._prepared(every)
        metadata: dict[str, Any] = {}
        if not self._streaming:
            answer = answerer.answer(question, hits)
            return Response(answer.text, source_nodes=every, metadata=self._metadata(answer, every))

        def pieces() -> Iterator[str]:
            told = ""
            for event in answerer.stream(question, hits):
                if isinstance(event, AnswerText):
                    told += event.text
                    yield event.text
                elif isinstance(event, AnswerDone):
                    metadata.update(self._metadata(event.answer, every))
                    if not told:
                        yield event.answer.text

        return StreamingResponse(pieces(), source_nodes=every, metadata=metadata)  # type: ignore[arg-type]

    async def asynthesize(
        self,
        query_bundle: QueryBundle,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
    ) -> RESPONSE_TYPE:
        """``synthesize``, asynchronously."""
        with self._synthesis(query_bundle) as told_of:
            return told_of(await self._aresponse(query_bundle.query_str, [*nodes, *(additional_source_nodes or ())]))

    async def _aresponse(self, question: str, every: list[NodeWithScore]) -> RESPONSE_TYPE:
        answerer, hits = self._prepared(every)
        metadata: dict[str, Any] = {}
        if not self._streaming:
            answer = await answerer.aanswer(question, hits)
            return Response(answer.text, source_nodes=every, metadata=self._metadata(answer, every))

        async def pieces() -> AsyncIterator[str]:
            told = ""
            async for event in answerer.astream(question, hits):
                if isinstance(event, AnswerText):
                    told += event.text
                    yield event.text
                elif isinstance(event, AnswerDone):
                    metadata.update(self._metadata(event.answer, every))
                    if not told:
                        yield event.answer.text

        return AsyncStreamingResponse(pieces(), source_nodes=every, metadata=metadata)  # type: ignore[arg-type]

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        with self._callback(CBEventType.QUERY, query_bundle) as told_of:
            return told_of(self.synthesize(query_bundle, self.retrieve(query_bundle)))

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        with self._callback(CBEventType.QUERY, query_bundle) as told_of:
            return told_of(await self.asynthesize(query_bundle, await self.aretrieve(query_bundle)))

    @contextmanager
    def _callback(self, kind: CBEventType, query: QueryBundle) -> Iterator[Callable[[RESPONSE_TYPE], RESPONSE_TYPE]]:
        """Begins a callback event; what it gives is called with the response, and ends it."""
        with self.callback_manager.event(kind, payload={EventPayload.QUERY_STR: query.query_str}) as event:

            def told_of(response: RESPONSE_TYPE) -> RESPONSE_TYPE:
                event.on_end(payload={EventPayload.RESPONSE: response})
                return response

            yield told_of

    @contextmanager
    def _synthesis(self, query: QueryBundle) -> Iterator[Callable[[RESPONSE_TYPE], RESPONSE_TYPE]]:
        """The events that LlamaIndex's own synthesizers have, as callbacks and as instrumentation."""
        dispatcher.event(SynthesizeStartEvent(query=query))
        with self._callback(CBEventType.SYNTHESIZE, query) as ended:

            def told_of(response: RESPONSE_TYPE) -> RESPONSE_TYPE:
                dispatcher.event(SynthesizeEndEvent(query=query, response=ended(response)))
                return response

            yield told_of

    def _prepared(self, nodes: Sequence[NodeWithScore]) -> tuple[LLMAnswerer, list[Hit]]:
        names = {_document(n.node): str(n.node.metadata.get("file_name") or "") for n in nodes}
        hits = [
            Hit(rank, n.score or 0.0, chunk, _page(n.node, chunk), chunk.shown_text)
            for rank, n in enumerate(nodes, 1)
            for chunk in [self._chunk_of(n.node.node_id) or _as_chunk(n.node)]
        ]
        return LLMAnswerer(self._llm, name_of=lambda digest: names.get(digest, ""), **self._options), hits

    def _metadata(self, answer: Answer, nodes: Sequence[NodeWithScore]) -> dict[str, Any]:
        return {
            "citations": [_cited(self._placed(c), nodes) for c in answer.citations],
            "sentences": [
                {"text": c.text, "supported": c.supported, "problems": list(c.problems), "citations": list(c.citations)}
                for c in answer.checks
            ],
            "refused": answer.refused,
            "model": answer.model,
        }


def _as_chunk(node: BaseNode) -> Chunk:
    """A chunk that says what the node says, and stands where the node stands as far as its metadata tell."""
    from llama_index.core.schema import MetadataMode

    data = node.metadata
    heading = str(data.get("heading_path") or "")
    return Chunk(
        id=node.node_id,
        document=_document(node),
        ordinal=0,
        text=node.get_content(metadata_mode=MetadataMode.NONE),
        kind=_member(Kind, data.get("kind"), Kind.TEXT),
        layer=_member(Layer, data.get("layer"), Layer.BODY),
        regions=_boxes(node),
        span=(0, 1),
        tokens=0,
        parser="",
        heading_path=tuple(heading.split(" > ")) if heading else (),
    )


def _member(kind: Any, value: Any, default: Any) -> Any:
    return kind(value) if value in set(kind) else default


def _document(node: BaseNode) -> str:
    known = (node.metadata.get(key) for key in ("file_digest", "document", "file_path"))
    return str(next(filter(None, known), None) or node.ref_doc_id or node.node_id)


def _page(node: BaseNode, chunk: Chunk) -> int:
    known = node.metadata.get("page_index")
    if isinstance(known, int):
        return known
    label = str(node.metadata.get("page_label") or "")
    return int(label) - 1 if label.isdecimal() and int(label) > 0 else (chunk.pages or (0,))[0]


def _boxes(node: BaseNode) -> tuple[PageBox, ...]:
    """The boxes in a node's metadata, or those of the blocks there; none where they are missing or cannot be read."""
    try:
        if "boxes" in node.metadata:
            found = json.loads(node.metadata["boxes"])
        else:
            found = [b for r in json.loads(node.metadata["blocks"]) if _stands_on(node, r) for b in r["boxes"]]
        return tuple(PageBox(int(b[0]), Box(*(float(v) for v in b[1:5]))) for b in found)
    except (KeyError, ValueError, TypeError, IndexError):
        return ()


def _stands_on(node: BaseNode, block: dict[str, Any]) -> bool:
    """Whether the node's stretch of its Document meets that of a block of ``PaddleOCRVLReader``."""
    start, end = getattr(node, "start_char_idx", None), getattr(node, "end_char_idx", None)
    if start is None or end is None:
        return True
    first, last = int(block["start"]), int(block["end"])
    return bool(start <= first <= end if first == last else first < end and last > start)


def _cited(citation: Citation, nodes: Sequence[NodeWithScore]) -> dict[str, Any]:
    return {
        "n": citation.n,
        "node_id": nodes[citation.n - 1].node.node_id,
        "document": citation.document,
        "file_name": citation.name,
        "page": citation.page,
        "boxes": [[b.page, *b.box] for b in citation.boxes],
        "quote": citation.quote,
    }
