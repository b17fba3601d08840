"""``PaperlodeRetriever``: our search as a LlamaIndex retriever, every node with its page and boxes."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Protocol, Self

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeRelationship, NodeWithScore, ObjectType, RelatedNodeInfo, TextNode

from paperlode.ingest.document import Box, PageBox
from paperlode.ingest.errors import InvalidRequest

from .llama_scope import scope_of
from .search import Search

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llama_index.core.callbacks.base import CallbackManager
    from llama_index.core.schema import BaseNode, IndexNode, QueryBundle
    from llama_index.core.vector_stores.types import MetadataFilters

    from .embedding import Embedder
    from .index import Filter, Index
    from .search import Hit

__all__ = ["PaperlodeRetriever", "Searcher", "boxes_of", "node_of"]

BOXES = "boxes"
"""Metadata key of where a node stands: JSON, a list of page (0-based), x0, y0, x1, y1 in points, origin top left."""
IN_PROMPT = frozenset({"file_name", "page_label", "heading_path"})
"""Metadata that helps a model to answer and to cite; the rest is kept out of its prompt."""
EMBEDDED = frozenset({"heading_path"})


class Searcher(Protocol):
    """What finds hits: ``Search``, or anything that does as it."""

    def search(self, question: str, *, limit: int, filters: Filter | None) -> Sequence[Hit]:
        """The best hits, best first."""
        ...


class PaperlodeRetriever(BaseRetriever):
    """Finds what answers a question, one node a page. ``Archive.as_retriever()`` makes one over an archive.

    A node's text is the passage. Its id is the chunk's, so that the same chunk found twice is the same node; its
    metadata are ``file_name``, ``file_digest``, ``page_label`` (from 1) and ``page_index`` (from 0) of the page it was
    found for, ``boxes`` (see ``boxes_of``), ``heading_path``, ``kind``, ``layer``, and where there are any ``flags``;
    its source is the document. The score stands beside the node, as everywhere in LlamaIndex.

    Async calls run in a thread.

    Args:
        searcher: finds hits; ``over`` makes one of an index.
        similarity_top_k: most nodes.
        filters: which nodes count; see ``llama_scope.scope_of`` for the keys.
        name_of: the file name of a document, by its digest; None leaves it out.
        digest_of: the digest of a document, by its name: for filters.
        callback_manager, object_map, objects, verbose: as for every retriever.

    Raises:
        InvalidRequest: filters that cannot be told.
    """

    def __init__(
        self,
        searcher: Searcher,
        *,
        similarity_top_k: int = 5,
        filters: MetadataFilters | None = None,
        name_of: Callable[[str], str] | None = None,
        digest_of: Callable[[str], str] | None = None,
        callback_manager: CallbackManager | None = None,
        object_map: dict[str, Any] | None = None,
        objects: list[IndexNode] | None = None,
        verbose: bool = False,
    ) -> None:
        self._searcher = searcher
        self._top_k = similarity_top_k
        self._name_of = name_of
        self._digest_of = digest_of
        self._only = scope_of(filters, digest_of=digest_of)
        super().__init__(callback_manager, object_map, objects, verbose)

    @classmethod
    def over(cls, index: Index, embedder: Embedder, **options: Any) -> Self:
        """A retriever over an index and the model it was written with."""
        return cls(Search(index, embedder), **options)

    @property
    def similarity_top_k(self) -> int:
        """Most nodes that a question gives."""
        return self._top_k

    @similarity_top_k.setter
    def similarity_top_k(self, value: int) -> None:
        self._top_k = value

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        if self._only is None:
            return []
        hits = self._searcher.search(query_bundle.query_str, limit=self._top_k, filters=self._only)
        return [NodeWithScore(node=node_of(h, self._name(h.document)), score=h.score) for h in hits]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)

    def _name(self, digest: str) -> str:
        return self._name_of(digest) if self._name_of is not None else ""


def node_of(hit: Hit, file_name: str = "") -> TextNode:
    """A hit as a node. The same chunk found for the same page is the same node, whatever was asked."""
    chunk = hit.chunk
    metadata: dict[str, Any] = {"file_name": file_name} if file_name else {}
    metadata |= {
        "file_digest": chunk.document,
        "page_label": str(hit.page + 1),
        "page_index": hit.page,
        "kind": chunk.kind.value,
        "layer": chunk.layer.value,
        BOXES: json.dumps([[r.page, *r.box.rounded()] for r in chunk.regions], separators=(",", ":")),
    }
    if chunk.heading_path:
        metadata["heading_path"] = " > ".join(chunk.heading_path)
    if chunk.flags:
        metadata["flags"] = ", ".join(chunk.flags)
    source = RelatedNodeInfo(
        node_id=chunk.document,
        node_type=ObjectType.DOCUMENT,
        metadata={"file_name": file_name} if file_name else {},
    )
    return TextNode(
        id_=chunk.id,
        text=hit.passage,
        metadata=metadata,
        excluded_embed_metadata_keys=[k for k in metadata if k not in EMBEDDED],
        excluded_llm_metadata_keys=[k for k in metadata if k not in IN_PROMPT],
        relationships={NodeRelationship.SOURCE: source},
    )


def boxes_of(node: BaseNode | NodeWithScore) -> tuple[PageBox, ...]:
    """Where a node from this retriever stands: page (0-based) and box (points, origin top left).

    Raises:
        InvalidRequest: its metadata is not from this retriever.
    """
    inner = node.node if isinstance(node, NodeWithScore) else node
    try:
        found = json.loads(inner.metadata[BOXES])
        return tuple(PageBox(int(b[0]), Box(*(float(v) for v in b[1:5]))) for b in found)
    except (KeyError, ValueError, TypeError, IndexError) as exc:
        raise InvalidRequest(
            f"The boxes of node {inner.node_id!r} cannot be read: {type(exc).__name__}: {exc}.",
            hint="They are there on nodes from PaperlodeRetriever; for those of a reader use blocks_of.",
        ) from exc
