"""``PaperlodeVectorStore``: nodes of any reader and any embedding model in a folder, on Qdrant's engine in this process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from paperlode.ingest.errors import InvalidRequest

from .lexical import sparse_query
from .llama_filters import restriction
from .llama_nodes import node_from, point_id, point_of
from .node_shard import NodeShard

if TYPE_CHECKING:
    from collections.abc import Sequence

    import fsspec  # type: ignore[import-untyped]
    from llama_index.core.schema import BaseNode
    from llama_index.core.vector_stores.types import MetadataFilters, VectorStoreQuery

    from .node_shard import Scores

__all__ = ["PaperlodeVectorStore", "fused"]

DEPTH = 100
"""Fewest candidates of each kind that a hybrid query fuses."""
ALPHA = 0.5
"""Share of the vectors in a hybrid query that does not say."""
MMR_THRESHOLD = 0.5


class PaperlodeVectorStore(BasePydanticVectorStore):
    """A vector store in a folder. It is no index of an ``Archive``: it takes whatever nodes an app has.

    The vectors' length is that of the first ones added. Adding a node with an id that is known replaces it. What is
    written is durable once a call returns. One process holds the folder at a time; stores on the same folder in one
    process share it. Async methods run in a thread.

    Query modes: ``default`` by vector (scores are cosines), ``sparse`` and ``text_search`` by words (BM25, English and
    Chinese), ``hybrid`` by both, ``mmr``. In ``hybrid`` each kind of score is scaled to 0 to 1 over its candidates, and
    ``alpha`` is the share of the vectors, from 0 (only words) to 1 (only vectors), one half if not given.

    Attributes:
        path: the folder; made when the first node is added.
    """

    stores_text: bool = True
    is_embedding_query: bool = True
    path: str = Field(description="Folder of the store.")

    _kept: Any = PrivateAttr(default=None)

    def __init__(self, path: str | Path, **options: Any) -> None:
        fields: dict[str, Any] = {"path": str(path), **options}
        super().__init__(**fields)

    @classmethod
    def class_name(cls) -> str:
        """Name under which LlamaIndex serialises it."""
        return "PaperlodeVectorStore"

    @classmethod
    def from_params(cls, path: str | Path, **options: Any) -> Self:
        """A store on this folder."""
        return cls(path, **options)

    @property
    def client(self) -> Any:
        """The open ``qdrant_edge.EdgeShard``; None while nothing was ever added."""
        return self._shard.engine

    @property
    def _shard(self) -> NodeShard:
        """Kept by the instance, and looked up anew in a forked process, which may not touch its parent's."""
        shard = self._kept = NodeShard.at(Path(self.path))
        return shard

    def __getstate__(self) -> dict[str, Any]:
        return {  # the folder is all it takes: another process opens it anew
            "__dict__": dict(self.__dict__),
            "__pydantic_extra__": None,
            "__pydantic_fields_set__": set(self.model_fields_set),
            "__pydantic_private__": None,
        }

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return type(self)(**self.__dict__)

    # ------------------------------------------------------------------------------------------------------- writing

    def add(self, nodes: Sequence[BaseNode], **_: Any) -> list[str]:
        """Stores nodes with their vectors; returns their ids.

        Raises:
            InvalidRequest: a node without a vector, or with metadata that is no JSON.
            SchemaMismatch: vectors of another length than those stored.
            ArchiveLocked, ArchiveCorrupt, StorageFull: the folder cannot be used.
        """
        points = {p.id: p for p in map(point_of, nodes)}
        self._shard.add(list(points.values()))
        return [n.node_id for n in nodes]

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Like ``add``."""
        return await asyncio.to_thread(self.add, nodes, **kwargs)

    def delete(self, ref_doc_id: str, **_: Any) -> None:
        """Forgets the nodes made of the document with this id."""
        self._shard.delete(restriction(ref_doc_ids=[ref_doc_id]))

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Like ``delete``."""
        await asyncio.to_thread(self.delete, ref_doc_id, **delete_kwargs)

    def delete_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **_: Any) -> None:
        """Forgets the nodes with these ids that pass the filters; either may be left out.

        Raises:
            InvalidRequest: both are left out, or a filter cannot be meant.
        """
        only = restriction(filters, ids=_points(node_ids))
        if only is None:
            raise InvalidRequest("Neither ids nor filters say which nodes to delete.", hint="clear() deletes all.")
        self._shard.delete(only)

    async def adelete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """Like ``delete_nodes``."""
        await asyncio.to_thread(self.delete_nodes, node_ids, filters, **delete_kwargs)

    def clear(self) -> None:
        """Forgets everything, the vectors' length too."""
        self._shard.clear()

    async def aclear(self) -> None:
        """Like ``clear``."""
        await asyncio.to_thread(self.clear)

    def persist(self, persist_path: str, fs: fsspec.AbstractFileSystem | None = None) -> None:
        """Nothing is left to do: what was written is durable in ``path``."""

    def optimize(self) -> None:
        """Drops what was deleted, and builds an index over many vectors (some 20,000): worth a call after a large load."""
        self._shard.optimize()

    def close(self) -> None:
        """Lets go of the folder, for another process to use; the next call takes it again. Idempotent."""
        self._shard.close()

    # ------------------------------------------------------------------------------------------------------- reading

    def __len__(self) -> int:
        return self._shard.count()

    def __bool__(self) -> bool:
        return True  # an empty store is a store: LlamaIndex asks ``if vector_store``

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """The nodes with these ids that pass the filters, in the order of the ids; all nodes when neither is given."""
        found = [node_from(n) for n in self._shard.nodes(restriction(filters, ids=_points(node_ids)))]
        if node_ids is None:
            return found
        by_id = {n.node_id: n for n in found}
        return [by_id[i] for i in dict.fromkeys(node_ids) if i in by_id]

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """Like ``get_nodes``."""
        return await asyncio.to_thread(self.get_nodes, node_ids, filters)

    def query(self, query: VectorStoreQuery, *, mmr_threshold: float | None = None, **_: Any) -> VectorStoreQueryResult:
        """The nodes that answer best, best first.

        Args:
            query: what is asked; without ``node_ids`` or ``doc_ids``, and with no ``node_ids`` at all, all nodes count, with
                no ``doc_ids`` at all none does.
            mmr_threshold: for mode ``mmr``, 1 for near to 0 for unlike, where the query does not say: LlamaIndex's retrievers
                hand on their ``vector_store_kwargs``.

        Raises:
            InvalidRequest: a mode that there is not, a filter that cannot be meant, or the vector or text is missing.
            SchemaMismatch: a vector of another length than those stored.
        """
        # LlamaIndex's retrievers ask for no nodes at all when they mean any
        only = restriction(query.filters, ids=_points(query.node_ids or None), ref_doc_ids=query.doc_ids)
        diverse = next((t for t in (query.mmr_threshold, mmr_threshold) if t is not None), MMR_THRESHOLD)
        scores = self._scores(query, only, diverse)
        nodes = [node_from(n) for n, _ in scores]
        return VectorStoreQueryResult(nodes=nodes, similarities=[s for _, s in scores], ids=[n.node_id for n in nodes])

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Like ``query``."""
        return await asyncio.to_thread(self.query, query, **kwargs)

    def _scores(self, query: VectorStoreQuery, only: Any, diverse: float) -> Scores:
        mode, limit = query.mode, query.similarity_top_k
        if limit < 1:
            return []
        if mode == VectorStoreQueryMode.DEFAULT:
            return self._shard.nearest(_vector(query), limit, only)
        if mode == VectorStoreQueryMode.MMR:
            return self._shard.nearest(_vector(query), limit, only, diverse=diverse)
        if mode in (VectorStoreQueryMode.SPARSE, VectorStoreQueryMode.TEXT_SEARCH):
            return self._shard.saying(sparse_query(_text(query)), query.sparse_top_k or limit, only)
        if mode == VectorStoreQueryMode.HYBRID:
            return self._hybrid(query, only)
        raise InvalidRequest(
            f"The vector store has no query mode {getattr(mode, 'value', mode)!r}.",
            hint="Modes: default, sparse, text_search, hybrid, mmr.",
        )

    def _hybrid(self, query: VectorStoreQuery, only: Any) -> Scores:
        alpha = ALPHA if query.alpha is None else query.alpha
        if not 0 <= alpha <= 1:
            raise InvalidRequest(f"alpha is {alpha}.", hint="0 is only words, 1 only vectors.")
        limit = query.hybrid_top_k or query.similarity_top_k
        depth = max(DEPTH, limit, query.similarity_top_k, query.sparse_top_k or 0)
        near = self._shard.nearest(_vector(query), depth, only) if alpha > 0 else []
        said = self._shard.saying(sparse_query(_text(query)), depth, only) if alpha < 1 else []
        return fused(near, said, alpha)[:limit]


def fused(near: Scores, said: Scores, alpha: float) -> Scores:
    """Both lists as one, best first: each list's scores scaled to 0 to 1, then ``alpha`` parts of the first's added.

    A node that a list does not have counts as the last of it, with 0; where all scores of a list are the same, as 1.
    Equal sums keep the order of the vectors, then that of the words.
    """
    total: dict[str, float] = {}
    for scores, weight in ((near, alpha), (said, 1 - alpha)):
        if not scores or not weight:
            continue
        low, high = min(s for _, s in scores), max(s for _, s in scores)
        for node, score in scores:
            scaled = (score - low) / (high - low) if high > low else 1.0
            total[node] = total.get(node, 0.0) + weight * scaled
    return sorted(total.items(), key=lambda item: -item[1])


def _points(node_ids: Sequence[str] | None) -> list[str] | None:
    return None if node_ids is None else [point_id(i) for i in node_ids]


def _vector(query: VectorStoreQuery) -> Sequence[float]:
    if not query.query_embedding:
        raise InvalidRequest("The query has no vector.", hint="Give query_embedding, or ask by words: mode sparse.")
    return query.query_embedding


def _text(query: VectorStoreQuery) -> str:
    if query.query_str is None:
        raise InvalidRequest("The query has no text.", hint="Give query_str; modes sparse and hybrid need it.")
    return query.query_str
