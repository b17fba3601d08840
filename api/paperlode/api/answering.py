"""What an archive answers with: quotations and cells, or a language model whose sentences are checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paperlode.ingest.table_reading import read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from llama_index.core.llms import LLM

    from paperlode.api.archive import Archive
    from paperlode.ingest.document import Chunk
    from paperlode.retrieval.answer import Citation, QuotingAnswerer
    from paperlode.retrieval.embedding import Embedder
    from paperlode.retrieval.index import Index
    from paperlode.retrieval.llm_answer import LLMAnswerer
    from paperlode.retrieval.query_engine import CitationQueryEngine
    from paperlode.retrieval.search import Hit

__all__ = ["engine_over", "llm_answerer", "quoting_answerer"]


def quoting_answerer(index: Index, embedder: Embedder, names: Mapping[str, str]) -> QuotingAnswerer:
    """Answers without a language model; for a question that asks for one figure, with its cell."""
    from paperlode.retrieval.answer import QuotingAnswerer
    from paperlode.retrieval.figure_answer import FigureFinder

    figures = FigureFinder(read_table, name_of=names.__getitem__, more_of=_parts_in(index))
    return QuotingAnswerer(embedder, name_of=names.__getitem__, figures=figures)


def llm_answerer(llm: LLM, index: Index, embedder: Embedder, names: Mapping[str, str]) -> LLMAnswerer:
    """Answers with a language model, which sees tables whole; refuses with quotations."""
    from paperlode.retrieval.llm_answer import LLMAnswerer

    return LLMAnswerer(
        llm,
        name_of=names.__getitem__,
        read_table=read_table,
        more_of=_parts_in(index),
        fallback=quoting_answerer(index, embedder, names),
    )


def engine_over(
    archive: Archive, index: Index, placed: Callable[[Citation], Citation], llm: LLM, **options: Any
) -> CitationQueryEngine:
    """A LlamaIndex query engine whose answers are checked against the archive's tables; see ``Archive.as_query_engine``."""
    from paperlode.ingest.errors import DocumentNotFound
    from paperlode.retrieval.query_engine import CitationQueryEngine

    of_engine = {k: options.pop(k) for k in ("streaming", "unsupported", "budget", "callback_manager") if k in options}

    def chunk_of(node_id: str) -> Chunk | None:
        try:
            return archive.hit(node_id)
        except DocumentNotFound:  # deleted since it was found
            return None

    return CitationQueryEngine(
        archive.as_retriever(**options),
        llm,
        chunk_of=chunk_of,
        read_table=read_table,
        more_of=_parts_in(index),
        placed=placed,
        **of_engine,
    )


def _parts_in(index: Index) -> Callable[[Hit], list[Chunk]]:
    """The other parts of a hit's table, where it was cut."""

    def parts(hit: Hit) -> list[Chunk]:
        from paperlode.retrieval.passages import window

        part = hit.chunk.part
        if part is None or part.row_end - part.row_start == part.rows:
            return []
        same = [p.id for p in index.passages([window(hit.chunk)]) if p.table == part.block]
        return index.get(same)

    return parts
