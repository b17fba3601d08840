"""The embedded index: Qdrant's engine in this process, one shard in one folder.

A document of which nothing is published waits in memory, and is written in one logged operation: a crash leaves all of it
or none. What does not fit there, or takes the place of an older version, is staged: its points carry ``state: staged``, and
publishing removes that field from all in one operation. Where there is an older version, all points that are to change, old
and new, are marked ``swapped`` in one operation first: a crash after it is completed, one before it undone, at the next start.
Nobody searches in between. (A flag ``visible: true`` to be matched cost 54 ms a search over 7,000 points, its absence
costs nothing.)

The rows of a table are the vectors of one multivector of its chunk, and the best of them counts (MaxSim).
Vectors are searched exactly up to ``EXACT_KB`` of them (about 20,000 chunks, 2 to 3 ms), and by HNSW beyond that.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import ArchiveNotFound, SchemaMismatch

from .edge_engine import (
    ANY,
    all_of,
    create_shard,
    engine_sparse,
    equals,
    full_disk,
    give_memory_back,
    load_shard,
    most_segments,
    segments_without_small,
    staged_of,
)
from .edge_reader import MANY_ROWS, EdgeReader
from .edge_waiting import Waiting
from .index import Filter
from .points import (
    PAGE,
    PLACE,
    STAGED,
    STATE,
    SWAPPED,
    WHOLE,
    card_point,
    lies_at,
    payload_of,
    place_in_order,
    vectors_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.document import Chunk, DocumentCard

    from .index import Schema
    from .lexical import SparseVector

__all__ = ["EdgeIndex"]

MIN_FREE = 128 << 20
"""Bytes that must be free before a write: the engine maps its files, and a full disk would kill the process."""
YES = "yes"
"""Of points that are ``swapped``: the engine's filters find no truth values."""
TIDY_EVERY = 8_192
"""Points written since the engine last put its segments in order, from which on that is done in the middle of a run (1 to 3 ms
a chunk, in which nothing else runs in this process): until then all that is in them lies in memory, 16 kB a chunk."""
MOST_UNTIDY = 2 * TIDY_EVERY
"""The same in a large index, from eight times as many points on: each segment that comes of it makes every later write longer
(.65 µs a chunk), and 130 MB more are little beside what such an index holds."""


class EdgeIndex(EdgeReader):
    """An ``Index`` on Qdrant Edge.

    Args:
        path: the shard's folder.
        schema: what the vectors are made with; checked against this code.
        create: make a new shard in an empty or missing folder, instead of opening one.
        min_free: bytes that must be free on the disk before a write.

    Raises:
        ArchiveNotFound: nothing to open.
        ArchiveCorrupt: the files do not open.
        SchemaMismatch: another version wrote it.
        StorageFull: no room to write.
    """

    def __init__(self, path: Path, schema: Schema, *, create: bool = False, min_free: int = MIN_FREE) -> None:
        schema.check()
        super().__init__(path)
        self._dimensions, self._min_free = schema.dimensions, min_free
        self._staged: dict[str, set[str]] = {}
        self._waiting = Waiting()
        self._untidy = 0
        self._moved: dict[str, dict[str, dict[str, Any]]] = {}
        self._stored: set[str] | None = None  # documents that may have points in the shard; None: not asked yet
        if not create and not (path / "edge_config.json").exists():
            raise ArchiveNotFound(f"There is no index in {path}.", hint="Ingest documents into it first.")
        path.mkdir(parents=True, exist_ok=True)
        self._need_room()
        with self._engine("cannot be opened"):
            self._shard = create_shard(path, self._dimensions) if create else load_shard(path, self._dimensions)
            self._recover()
            self._size = self._count(exact=False)
            if self._size < 2 * MANY_ROWS:  # counting takes a tenth of a millisecond for a thousand
                self._size = self._count()

    # Writing

    def stage(
        self,
        chunks: Sequence[Chunk],
        dense: NDArray[np.float32],
        sparse: Sequence[SparseVector],
        pages: Sequence[SparseVector] | None = None,
        rows: Sequence[NDArray[np.float32]] | None = None,
        *,
        pairs: Sequence[SparseVector] | None = None,
        roles: Sequence[tuple[str, ...]] | None = None,
    ) -> None:
        """Stores chunks with their vectors, invisibly; see ``Index.stage``."""
        if dense.shape != (len(chunks), self._dimensions):
            raise SchemaMismatch(
                f"Vectors of shape {dense.shape} do not fit {len(chunks)} chunks of {self._dimensions} dimensions.",
                hint="Embed with the model the index was made with.",
            )
        points: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        for i, chunk in enumerate(chunks):
            page, entries = pages[i] if pages else None, rows[i] if rows is not None else None
            pair = pairs[i] if pairs is not None else None
            again = (
                page if page is not None and i and pages and page is pages[i - 1] else None
            )  # made for the chunk before
            fresh = None if again else page
            vectors = vectors_of(chunk, dense[i], sparse[i], page=fresh, rows=entries, pairs=pair, sparse=engine_sparse)
            if again:
                vectors[PAGE] = points[-1][1][PAGE]
            points.append((chunk.id, vectors, payload_of(chunk, roles[i] if roles is not None else ())))
        self._insert(points)

    def stage_card(self, card: DocumentCard, whole: SparseVector, version: str = "") -> None:
        """Stores a document's card, invisibly; see ``Index.stage_card``."""
        point, payload = card_point(card, whole, version)
        self._insert([(point, {WHOLE: engine_sparse(whole)}, payload)])

    def _insert(self, points: Sequence[tuple[str, dict[str, Any], dict[str, Any]]]) -> None:
        self._need_room()
        with self._lock, self._engine("cannot be written"):
            for point, vectors, payload in points:
                self._staged.setdefault(payload["document"], set()).add(point)
                self._waiting.add(point, vectors, payload)
            if self._waiting.too_many:
                for document in self._waiting.documents():
                    self._write_hidden(document)

    def _write_hidden(self, document: str) -> None:
        """Puts what waits of a document into the shard, not to be seen before it is published."""
        if points := self._waiting.hidden(document):
            self._may_be_stored(document)
            self._hidden.add(document)  # before the write: one that fails half way must stay hidden too
            self._upsert(points)
            self._waiting.drop(document)

    def _upsert(self, points: Sequence[Any]) -> None:
        from qdrant_edge import UpdateMode, UpdateOperation

        self._shard.update(UpdateOperation.upsert_points(list(points), update_mode=UpdateMode.InsertOnly))

    def hold(self, chunks: Sequence[Chunk]) -> set[str]:
        """Keeps what is published of these; see ``Index.hold``."""
        from qdrant_edge import PayloadSelector

        if not chunks:
            return set()
        with self._lock, self._engine("cannot be read"):
            records = self._shard.retrieve(
                [c.id for c in chunks], PayloadSelector.Include([*PLACE, STATE, "document"]), False
            )
            lie = {str(r.id): r.payload for r in records if self._is_shown(r.payload)}
            for chunk in chunks:
                if (there := lie.get(chunk.id)) is None:
                    continue
                self._staged.setdefault(chunk.document, set()).add(chunk.id)
                place = place_in_order(chunk)
                if not lies_at(there, place):
                    self._moved.setdefault(chunk.document, {})[chunk.id] = place
        return set(lie)

    def publish(self, document: str) -> None:
        """Swaps what was staged for a document in, and what was published out; see ``Index.publish``."""
        self._need_room()
        from qdrant_edge import UpdateOperation

        with self._lock, self._engine("cannot be written"):
            staged, moved = self._staged.setdefault(document, set()), self._moved.pop(document, {})
            waiting = self._waiting.of(document)
            stored = self._may_be_stored(document)
            present = [p.id for p in self._scroll(Filter(documents=(document,)), False)] if stored else []
            old = [i for i in present if str(i) not in staged]
            new: list[Any] = sorted(staged.difference(map(str, present)))
            self._untidy += len(new) + len(old)
            self._size += len(new) - len(old)  # counting takes time by the size of the index
            self.generation += 1
            if waiting and not present and document not in self._hidden:
                self._half.add(document)
                self._upsert(waiting)
                new = []
            else:
                self._write_hidden(document)
            if old and new:
                self._shard.update(UpdateOperation.set_payload([*old, *new], {SWAPPED: YES}))
            if old:
                self._shard.update(UpdateOperation.delete_points(old))
            if new:
                self._shard.update(UpdateOperation.delete_payload(new, [STATE, SWAPPED]))
            for point, place in moved.items():
                self._shard.update(UpdateOperation.set_payload([point], place))
            del self._staged[document]
            self._waiting.drop(document)
            self._hidden.discard(document)
            self._half.discard(document)

    def _may_be_stored(self, document: str) -> bool:
        """Whether the shard may have points of a document; from now on it may.

        A new document is not looked for among all points: that took 6 % of the time of writing it.
        """
        if self._stored is None:
            from qdrant_edge import FacetRequest

            hits = self._shard.facet(FacetRequest("document", limit=1 << 31, exact=True)).hits
            self._stored = {str(hit.value) for hit in hits}
        stored = document in self._stored
        self._stored.add(document)
        return stored

    def discard(self, document: str, *, staged_only: bool = False) -> None:
        """Forgets a document, or only what was staged for it."""
        from qdrant_edge import UpdateOperation

        if staged_only and document not in self._staged:
            return
        with self._lock, self._engine("cannot be written"):
            self._waiting.drop(document)
            if staged_only and document not in self._hidden | self._half:
                self._staged.pop(document, None)
                self._moved.pop(document, None)
                return
            only_hidden = staged_only and document not in self._half  # of a half one nothing was published before
            which = staged_of(document) if only_hidden else all_of(equals("document", document))
            if not staged_only:
                self.generation += 1
                self._size -= self._count(document)
            self._shard.update(UpdateOperation.delete_points_by_filter(which))
            self._staged.pop(document, None)
            self._moved.pop(document, None)
            self._hidden.discard(document)
            self._half.discard(document)
            self._shard.flush()

    def flush(self) -> None:
        """Makes what is published durable."""
        with self._lock, self._engine("cannot be written"):
            if self._untidy >= max(TIDY_EVERY, min(self._size // 8, MOST_UNTIDY)):
                self._tidy()
                self._merge(segments_without_small(self._path))
            else:
                self._shard.flush()

    def optimize(self) -> None:
        """Drops deleted points, builds HNSW for large segments, and merges the smallest where there are too many.

        Holds the interpreter meanwhile: a millisecond for each chunk that is merged. Without room for it, what was there stays.
        """
        with self._lock, self._engine("cannot be written"):
            self._tidy()
            self._merge(most_segments(self._path))

    def _merge(self, segments: int | None) -> None:
        """The smallest into one, until there are so many; None: they are few enough."""
        if segments is None:
            return
        self._reopen(segments)
        try:
            self._tidy()
        finally:  # else every later run would merge whenever it puts them in order
            self._reopen()

    def _tidy(self) -> None:
        self._need_room()
        self._shard.optimize()
        self._shard.flush()  # lets go of the old segments
        self._untidy = 0
        give_memory_back()

    def _reopen(self, segments: int = ANY) -> None:
        shard, self._shard = self._shard, None
        shard.close()
        self._shard = load_shard(self._path, self._dimensions, segments)

    def close(self) -> None:
        """Flushes and releases the files; a second call does nothing."""
        with self._lock:
            shard, self._shard = self._shard, None
            if shard is not None:
                with self._engine("cannot be closed"):
                    shard.close()

    # Inside

    def _recover(self) -> None:
        """Completes the publication in which a run ended, and throws away what it left staged."""
        from qdrant_edge import CountRequest, UpdateOperation
        from qdrant_edge import Filter as EdgeFilter

        staged, swapped = equals(STATE, STAGED), equals(SWAPPED, YES)
        if not self._shard.count(CountRequest(exact=True, filter=EdgeFilter(should=[staged, swapped]))):
            return
        old = EdgeFilter(must=[swapped], must_not=[staged])
        self._shard.update(UpdateOperation.delete_points_by_filter(old))
        if new := [p.id for p in self._scroll(all_of(swapped, staged), False)]:
            self._shard.update(UpdateOperation.delete_payload(new, [STATE, SWAPPED]))
        self._shard.update(UpdateOperation.delete_points_by_filter(all_of(staged)))
        self._shard.flush()

    def _need_room(self) -> None:
        free = shutil.disk_usage(self._path).free
        if free < self._min_free:
            raise full_disk(self._path, f"{free >> 20} MB are free, {self._min_free >> 20} MB are needed")
