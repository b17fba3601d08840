"""Everything for LlamaIndex apps in one place; see docs/llama-index.md.

The reader and the node parser live in ``paperlode.ingest.llama_index``, the others in ``paperlode.retrieval.llama_index``.
"""

from __future__ import annotations

from paperlode.ingest.llama_index import (
    KeepOwnBlocks,
    PaddleOCRVLReader,
    StructureNodeParser,
    blocks_of,
    failed_pages_of,
)
from paperlode.retrieval.llama_index import PaperlodeEmbedding, PaperlodeRetriever, PaperlodeVectorStore, boxes_of
from paperlode.retrieval.query_engine import CitationQueryEngine

__all__ = [
    "CitationQueryEngine",
    "KeepOwnBlocks",
    "PaddleOCRVLReader",
    "PaperlodeEmbedding",
    "PaperlodeRetriever",
    "PaperlodeVectorStore",
    "StructureNodeParser",
    "blocks_of",
    "boxes_of",
    "failed_pages_of",
]
