"""LlamaIndex components: a vector store of any nodes, an embedding model, a retriever over what paperlode ingested."""

from __future__ import annotations

from paperlode.ingest.errors import MissingExtra

try:
    import llama_index.core  # noqa: F401
except ModuleNotFoundError as exc:
    if (exc.name or "").split(".")[0] != "llama_index":
        raise
    raise MissingExtra.named("llama-index-core", "llama-index") from exc

from .llama_embedding import PaperlodeEmbedding
from .llama_retriever import PaperlodeRetriever, Searcher, boxes_of
from .vector_store import PaperlodeVectorStore

__all__ = ["PaperlodeEmbedding", "PaperlodeRetriever", "PaperlodeVectorStore", "Searcher", "boxes_of"]
