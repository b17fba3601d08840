"""A folder with one Qdrant Edge shard for nodes of any kind: their vectors, their words, and what they are filtered by.

It is made when the first vectors come, for then their length is known. One process holds the folder at a time; within
it all stores on the folder share one shard, which is opened when it is used and let go of by ``close``.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar

from paperlode.ingest.errors import SchemaMismatch

from .node_folder import NodeFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from .lexical import SparseVector

__all__ = ["NODE", "NodePoint", "NodeShard", "Scores"]

DENSE, WORDS = "dense", "lexical"
NODE = "node"
"""Payload field with the whole node as JSON."""
REF_DOC = "ref_doc_id"
"""Payload field with the id of the document that a node was made of; has an index."""
EXACT_KB = 32_000
"""Vectors up to this size are searched exactly, more by HNSW once ``optimize`` was called."""
BATCH = 512

Scores = list[tuple[str, float]]
"""Nodes as JSON with their scores, best first."""


@dataclass(frozen=True, slots=True)
class NodePoint:
    """A node to be stored: a UUID, its vector, its words, and its payload."""

    id: str
    vector: Sequence[float]
    words: SparseVector
    payload: Mapping[str, Any]


class NodeShard:
    """The shard in a folder; ``NodeShard.at`` gives the one of this process.

    Every method raises:
        ArchiveLocked: another process holds the folder.
        ArchiveCorrupt: the files do not open.
        SchemaMismatch: another version wrote them.
        StorageFull: no room to write.
        InvalidRequest: the folder holds other things.
    """

    _known: ClassVar[weakref.WeakValueDictionary[tuple[int, str], NodeShard]] = weakref.WeakValueDictionary()
    _knowing = RLock()

    def __init__(self, folder: Path) -> None:
        self._folder = NodeFolder(folder)
        weakref.finalize(self, self._folder.release)
        self._lock = RLock()
        self._shard: Any = None
        self._dimensions: int | None = None
        self._ending: weakref.finalize[..., Any] | None = None

    @classmethod
    def at(cls, folder: Path) -> NodeShard:
        """The shard of a folder, the same for everyone in this process; nothing is opened yet."""
        key = (os.getpid(), str(folder.expanduser().resolve()))
        with cls._knowing:
            found = cls._known.get(key)
            if found is None:
                found = cls._known[key] = cls(folder.expanduser().resolve())
            return found

    # Writing

    def add(self, points: Sequence[NodePoint]) -> None:
        """Stores nodes, in place of those with the same ids; durable once this returns.

        Raises:
            SchemaMismatch: vectors of another length than those stored.
        """
        from qdrant_edge import Point, SparseVector, UpdateOperation

        if not points:
            return
        with self._lock:
            shard = self._opened(len(points[0].vector))
            wrong = next((p for p in points if len(p.vector) != self._dimensions), None)
            if wrong is not None:
                raise self._other_length(len(wrong.vector))
            self._folder.need_room()
            with self._folder.engine("cannot be written"):
                for start in range(0, len(points), BATCH):
                    batch = [
                        Point(
                            p.id,
                            {
                                DENSE: list(p.vector),
                                WORDS: SparseVector(list(p.words.indices), list(p.words.values)),
                            },
                            dict(p.payload),
                        )
                        for p in points[start : start + BATCH]
                    ]
                    shard.update(UpdateOperation.upsert_points(batch))
                shard.flush()

    def delete(self, only: Any) -> None:
        """Forgets the nodes that pass the engine's filter; durable once this returns."""
        from qdrant_edge import UpdateOperation

        with self._lock, self._folder.engine("cannot be written"):
            if (shard := self._opened()) is not None:
                shard.update(UpdateOperation.delete_points_by_filter(only))
                shard.flush()

    def clear(self) -> None:
        """Forgets all nodes, and the length of their vectors."""
        with self._lock, self._folder.engine("cannot be emptied"):
            if self._opened() is None:
                return
            self._close_shard()
            self._folder.empty()
            self._dimensions = None

    def optimize(self) -> None:
        """Drops what was deleted, builds HNSW for many vectors; holds the interpreter meanwhile."""
        with self._lock, self._folder.engine("cannot be written"):
            if (shard := self._opened()) is not None:
                self._folder.need_room()
                shard.optimize()

    def close(self) -> None:
        """Lets go of the folder; the next call opens it again. Idempotent."""
        with self._lock:
            self._close_shard()
            self._folder.release()

    # Reading

    @property
    def dimensions(self) -> int | None:
        """Length of the vectors; None while there are none."""
        with self._lock:
            self._opened()
            return self._dimensions

    @property
    def engine(self) -> Any:
        """The open ``EdgeShard``; None while there is none."""
        with self._lock:
            return self._opened()

    def count(self) -> int:
        """Stored nodes."""
        from qdrant_edge import CountRequest

        with self._lock, self._folder.engine("cannot be read"):
            shard = self._opened()
            return int(shard.count(CountRequest(exact=True))) if shard is not None else 0

    def nodes(self, only: Any) -> Iterator[str]:
        """The nodes that pass the filter, ordered by id."""
        from qdrant_edge import ScrollRequest

        offset = None
        with self._lock, self._folder.engine("cannot be read"):
            shard = self._opened()
            while shard is not None:
                request = ScrollRequest(offset=offset, limit=BATCH, filter=only, with_payload=[NODE], with_vector=False)
                records, offset = shard.scroll(request)
                yield from (str(r.payload[NODE]) for r in records)
                if offset is None:
                    return

    def nearest(self, vector: Sequence[float], limit: int, only: Any, *, diverse: float | None = None) -> Scores:
        """The nodes whose vectors are nearest, with their cosines; with ``diverse`` (1 for near, 0 for unlike) by MMR.

        Raises:
            SchemaMismatch: a vector of another length than those stored.
        """
        from qdrant_edge import Mmr, Query

        with self._lock:
            if self._opened() is None:
                return []
            if len(vector) != self._dimensions:
                raise self._other_length(len(vector))
            asked = list(vector)
            query = (
                Query.Nearest(asked, using=DENSE)
                if diverse is None
                else Mmr(asked, diverse, max(4 * limit, 20), using=DENSE)
            )
            return self._query(query, limit, only)

    def saying(self, words: SparseVector, limit: int, only: Any) -> Scores:
        """The nodes that say these words, with their BM25 scores."""
        from qdrant_edge import Query, SparseVector

        with self._lock:
            if self._opened() is None or not words.indices:
                return []
            asked = SparseVector(list(words.indices), list(words.values))
            return self._query(Query.Nearest(asked, using=WORDS), limit, only)

    def _query(self, query: Any, limit: int, only: Any) -> Scores:
        from qdrant_edge import QueryRequest

        request = QueryRequest(limit=limit, query=query, filter=only, with_payload=[NODE])
        with self._folder.engine("cannot be read"):
            return [(str(p.payload[NODE]), float(p.score)) for p in self._shard.query(request)]

    # Inside

    def _opened(self, dimensions: int | None = None) -> Any:
        """The open shard; None when there is none yet and ``dimensions`` is not given, which makes one."""
        if self._shard is not None:
            return self._shard
        folder = self._folder
        if dimensions is None and not folder.exists:
            return None
        folder.hold()
        known = folder.dimensions()
        if known is None and dimensions is None:
            return None
        folder.need_room()
        with folder.engine("cannot be opened"):
            if known is None:
                assert dimensions is not None
                folder.begin()
                self._shard = _create(folder.edge, dimensions)
                folder.made(dimensions)
            else:
                self._shard = _load(folder.edge, known)
        self._dimensions = known or dimensions
        self._ending = weakref.finalize(self, _end, self._shard, os.getpid())
        return self._shard

    def _close_shard(self) -> None:
        shard, self._shard = self._shard, None
        if self._ending is not None:
            self._ending.detach()
            self._ending = None
        if shard is not None:
            with self._folder.engine("cannot be closed"):
                shard.close()

    def _other_length(self, length: int) -> SchemaMismatch:
        return SchemaMismatch(
            f"A vector of {length} dimensions does not fit the vector store {str(self._folder.path)!r}, which has "
            f"{self._dimensions}.",
            hint="Embed with the model that the store was filled with, or clear() it.",
        )


def _end(shard: Any, pid: int) -> None:
    """Closes a shard that nobody holds any more; a forked process leaves it to its parent."""
    if os.getpid() == pid:
        with contextlib.suppress(Exception):
            shard.close()


def _config(dimensions: int) -> Any:
    from qdrant_edge import (
        Distance,
        EdgeConfig,
        EdgeOptimizersConfig,
        EdgeSparseVectorParams,
        EdgeVectorParams,
        Modifier,
    )

    return EdgeConfig(
        vectors={DENSE: EdgeVectorParams(size=dimensions, distance=Distance.Cosine)},
        sparse_vectors={WORDS: EdgeSparseVectorParams(modifier=Modifier.Idf)},
        optimizers=EdgeOptimizersConfig(indexing_threshold=EXACT_KB),
    )


def _create(path: Path, dimensions: int) -> Any:
    from qdrant_edge import EdgeShard, PayloadSchemaType, UpdateOperation

    shard = EdgeShard.create(str(path), _config(dimensions))
    shard.update(UpdateOperation.create_field_index(REF_DOC, PayloadSchemaType.Keyword))
    shard.flush()
    return shard


def _load(path: Path, dimensions: int) -> Any:
    from qdrant_edge import EdgeShard

    return EdgeShard.load(str(path), _config(dimensions))
