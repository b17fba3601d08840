"""The embedded index: Qdrant's engine in this process, one shard in one folder.

A staged point carries ``state: staged``; publishing removes that field from a whole document in one logged operation,
so that a crash leaves all of it or none. What is still staged when the shard is opened is thrown away. (A flag
``visible: true`` to be matched cost 54 ms a search over 7,000 points, its absence costs nothing.)

The rows of a table are the vectors of one multivector of its chunk, and the best of them counts (MaxSim).
Vectors are searched exactly up to ``EXACT_KB`` of them (about 20,000 chunks, 2 to 3 ms), and by HNSW beyond that.
"""

from __future__ import annotations

import errno
import shutil
from contextlib import contextmanager
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import Chunk, Layer, from_json, to_json
from paperlode.ingest.errors import ArchiveCorrupt, ArchiveNotFound, PaperlodeError, SchemaMismatch, StorageFull

from .index import Filter, HybridQuery, Passage, Schema, Scored

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from .lexical import SparseVector

__all__ = ["EdgeIndex"]

DENSE, LEXICAL, PAGE, ROWS = "dense", "lexical", "page", "rows"
STATE, STAGED = "state", "staged"
EXACT_KB = 32_000
MIN_FREE = 128 << 20
"""Bytes that must be free before a write: the engine maps its files, and a full disk would kill the process."""
SCROLL = 512
_MEANT = {layer for layer in Layer if layer is not Layer.FURNITURE}
"""Layers whose chunks have a vector of meaning."""


class EdgeIndex:
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
        self._path, self._dimensions, self._min_free = path, schema.dimensions, min_free
        self._lock = RLock()
        self._staged: dict[str, set[str]] = {}
        if not create and not (path / "edge_config.json").exists():
            raise ArchiveNotFound(f"There is no index in {path}.", hint="Ingest documents into it first.")
        path.mkdir(parents=True, exist_ok=True)
        self._need_room()
        with self._engine("cannot be opened"):
            self._shard: Any = _create(path, self._dimensions) if create else _load(path, self._dimensions)
            self._recover()

    # Writing

    def stage(
        self,
        chunks: Sequence[Chunk],
        dense: NDArray[np.float32],
        sparse: Sequence[SparseVector],
        pages: Sequence[SparseVector] | None = None,
        rows: Sequence[NDArray[np.float32]] | None = None,
    ) -> None:
        """Stores chunks with their vectors, invisibly; see ``Index.stage``."""
        if dense.shape != (len(chunks), self._dimensions):
            raise SchemaMismatch(
                f"Vectors of shape {dense.shape} do not fit {len(chunks)} chunks of {self._dimensions} dimensions.",
                hint="Embed with the model the index was made with.",
            )
        self._need_room()
        from qdrant_edge import Point, UpdateMode, UpdateOperation

        points = []
        for i, chunk in enumerate(chunks):
            vectors: dict[str, Any] = {LEXICAL: _sparse(sparse[i])}
            if chunk.layer is not Layer.FURNITURE:
                vectors[DENSE] = dense[i].tolist()
            if pages:
                vectors[PAGE] = _sparse(pages[i])
            if rows is not None and len(rows[i]):
                vectors[ROWS] = rows[i].tolist()
            points.append(Point(chunk.id, vectors, _payload(chunk) | {STATE: STAGED}))
        with self._lock, self._engine("cannot be written"):
            for chunk in chunks:  # before the write: a write that fails half way must stay hidden too
                self._staged.setdefault(chunk.document, set()).add(chunk.id)
            if points:
                self._shard.update(UpdateOperation.upsert_points(points, update_mode=UpdateMode.InsertOnly))

    def publish(self, document: str) -> None:
        """Swaps what was staged for a document in, and what was published out; see ``Index.publish``."""
        self._need_room()
        from qdrant_edge import UpdateOperation

        with self._lock, self._engine("cannot be written"):
            staged = self._staged.setdefault(document, set())
            present = (p.id for p in self._scroll(Filter(documents=(document,)), False))
            old = [i for i in present if str(i) not in staged]
            self._shard.update(UpdateOperation.delete_payload_by_filter(_staged_of(document), [STATE]))
            if old:
                self._shard.update(UpdateOperation.delete_points(old))
            del self._staged[document]
            self._shard.flush()

    def discard(self, document: str, *, staged_only: bool = False) -> None:
        """Forgets a document, or only what was staged for it."""
        from qdrant_edge import UpdateOperation

        if staged_only and document not in self._staged:
            return
        with self._lock, self._engine("cannot be written"):
            which = _staged_of(document) if staged_only else _must(_is("document", document))
            self._shard.update(UpdateOperation.delete_points_by_filter(which))
            self._staged.pop(document, None)
            self._shard.flush()

    def flush(self) -> None:
        """Makes everything durable, staged points too."""
        with self._lock, self._engine("cannot be written"):
            self._shard.flush()

    def optimize(self) -> None:
        """Merges segments, drops deleted points, builds HNSW for large ones; holds the interpreter meanwhile."""
        self._need_room()
        with self._lock, self._engine("cannot be written"):
            self._shard.optimize()

    def close(self) -> None:
        """Flushes and releases the files; a second call does nothing."""
        with self._lock:
            shard, self._shard = self._shard, None
            if shard is not None:
                with self._engine("cannot be closed"):
                    shard.close()

    # Reading

    def search(self, query: HybridQuery) -> list[Scored]:
        """Candidates of both vectors, unfused; see ``Index.search``."""
        from qdrant_edge import Query, QueryBatchRequest, QueryRequest

        legs = {}
        with self._lock, self._engine("cannot be read"):
            if query.dense is not None:
                # Only furniture has no such vector: a filter for the other layers would double the time of this leg.
                wide = replace(query.filter, layers=()) if set(query.filter.layers) == _MEANT else query.filter
                asked = query.dense.tolist()
                legs[DENSE] = (Query.Nearest(asked, using=DENSE), self._condition(wide))
                legs[ROWS] = (Query.Nearest([asked], using=ROWS), self._condition(wide))
            if query.sparse is not None and query.sparse.indices:
                terms, only = _sparse(query.sparse), self._condition(query.filter)
                legs |= {name: (Query.Nearest(terms, using=name), only) for name in (LEXICAL, PAGE)}
            found = self._shard.query_batch(
                QueryBatchRequest([QueryRequest(limit=query.limit, query=q, filter=f) for q, f in legs.values()])
            )
        ids: dict[int, Any] = {}  # hashing a UUID, and making one anew, take longer than all the rest here
        by_leg: dict[str, dict[int, float]] = {}
        for name, points in zip(legs, found, strict=True):
            scores = by_leg[name] = {}
            for p in points:
                uuid = p.id
                key = uuid.int
                ids[key] = uuid
                scores[key] = p.score
        dense, lexical, page, row = (by_leg.get(name, {}).get for name in (DENSE, LEXICAL, PAGE, ROWS))
        return [Scored(str(uuid), dense(i), lexical(i), page(i), row(i)) for i, uuid in ids.items()]

    def get(self, ids: Sequence[str]) -> list[Chunk]:
        """Published chunks by id, in the order asked, unknown ones left out."""
        found = self._retrieve(ids, with_payload=True)
        return [_chunk(i, found[i]) for i in ids if i in found]

    def passages(self, windows: Sequence[tuple[str, int, int]]) -> list[Passage]:
        """Shown text of windows of ordinals, ordered by document and ordinal, each once."""
        from qdrant_edge import Filter as EdgeFilter

        if not windows:
            return []
        any_of = EdgeFilter(should=[_must(_is("document", d), _between("ordinal", a, b)) for d, a, b in windows])
        with self._lock, self._engine("cannot be read"):
            points = list(self._scroll(Filter(), True, any_of))  # choosing among the fields takes longer
        found = [_passage(str(r.id), r.payload) for r in points]
        return sorted(found, key=lambda p: (p.document, p.ordinal))

    def chunks(self, document: str) -> Iterator[Chunk]:
        """A document's published chunks by ordinal, a few hundred in memory at a time."""
        from qdrant_edge import PayloadSelector

        with self._lock, self._engine("cannot be read"):
            order = sorted(
                (int(r.payload["ordinal"]), str(r.id))
                for r in self._scroll(Filter(documents=(document,)), PayloadSelector.Include(["ordinal"]))
            )
        for start in range(0, len(order), SCROLL):
            yield from self.get([i for _, i in order[start : start + SCROLL]])

    def labelled(self, document: str, label: str, *, referring: bool = False) -> list[Chunk]:
        """Chunks with a label, or that refer to it; see ``Index.labelled``."""
        which = _must(_is("references" if referring else "labels", label))
        with self._lock, self._engine("cannot be read"):
            found = list(self._scroll(Filter(documents=(document,)), True, which))
        return sorted((_chunk(str(r.id), r.payload) for r in found), key=lambda c: c.ordinal)

    def documents(self) -> set[str]:
        """Digests of published documents."""
        from qdrant_edge import FacetRequest

        with self._lock, self._engine("cannot be read"):
            request = FacetRequest("document", limit=1 << 31, exact=True, filter=self._condition(Filter()))
            return {
                str(hit.value) for hit in self._shard.facet(request).hits if hit.count
            }  # deleted values stay, with 0

    def count(self, document: str | None = None) -> int:
        """Published chunks."""
        from qdrant_edge import CountRequest

        only = self._condition(Filter(documents=(document,) if document is not None else ()))
        with self._lock, self._engine("cannot be read"):
            return int(self._shard.count(CountRequest(exact=True, filter=only)))

    # Inside

    def _recover(self) -> None:
        """Throws away what a run left staged that ended before it published."""
        from qdrant_edge import CountRequest, UpdateOperation

        left = _must(_is(STATE, STAGED))
        if self._shard.count(CountRequest(exact=True, filter=left)):
            self._shard.update(UpdateOperation.delete_points_by_filter(left))
            self._shard.flush()

    def _retrieve(self, ids: Sequence[str], *, with_payload: Any) -> dict[str, dict[str, Any]]:
        if not ids:
            return {}
        with self._lock, self._engine("cannot be read"):
            records = self._shard.retrieve(list(ids), with_payload, False)
        return {str(r.id): r.payload for r in records if STATE not in r.payload}

    def _scroll(self, only: Any, payload: Any, more: Any = None) -> Iterator[Any]:
        from qdrant_edge import Filter as EdgeFilter
        from qdrant_edge import ScrollRequest

        condition = self._condition(only) if isinstance(only, Filter) else only
        parts = [c for c in (condition, more) if c is not None]
        condition = EdgeFilter(must=parts) if len(parts) > 1 else (parts[0] if parts else None)
        offset = None
        while True:
            request = ScrollRequest(
                offset=offset, limit=SCROLL, filter=condition, with_payload=payload, with_vector=False
            )
            records, offset = self._shard.scroll(request)
            yield from records
            if offset is None:
                return

    def _condition(self, only: Filter) -> Any:
        """The engine's filter; None when nothing is restricted, which is faster than a filter that all points pass."""
        from qdrant_edge import FieldCondition, MatchAny
        from qdrant_edge import Filter as EdgeFilter

        must: list[Any] = [
            FieldCondition(key, match=MatchAny([str(v) for v in values])) for key, values in _restricted(only) if values
        ]
        if only.pages:
            must.append(_between("pages", *only.pages))
        must_not = [_is(STATE, STAGED)] if self._staged else []
        if only.without_flags:
            must_not.append(FieldCondition("flags", match=MatchAny(list(only.without_flags))))
        return EdgeFilter(must=must or None, must_not=must_not or None) if must or must_not else None

    def _need_room(self) -> None:
        free = shutil.disk_usage(self._path).free
        if free < self._min_free:
            raise _full(self._path, f"{free >> 20} MB are free, {self._min_free >> 20} MB are needed")

    @contextmanager
    def _engine(self, what: str) -> Iterator[None]:
        """The one place where the engine's errors become ours."""
        try:
            yield
        except PaperlodeError:
            raise
        except BaseException as exc:
            if isinstance(exc, OSError) and exc.errno == errno.ENOSPC:
                raise _full(self._path, str(exc)) from exc
            # The engine raises bare Exception, and PanicException (no Exception) where Rust code gave up.
            if type(exc) is not Exception and type(exc).__name__ != "PanicException":
                raise
            if "No space left" in str(exc) or "os error 28" in str(exc):
                raise _full(self._path, str(exc)) from exc
            raise ArchiveCorrupt(
                f"The index in {self._path} {what}: {str(exc).splitlines()[0][:300]}.",
                hint="Delete its folder and ingest again; pages that were read before are not read twice.",
            ) from exc


def _restricted(only: Filter) -> tuple[tuple[str, Sequence[str]], ...]:
    return ("document", only.documents), ("kind", only.kinds), ("layer", only.layers), ("flags", only.flags)


def _full(path: Path, why: str) -> StorageFull:
    return StorageFull(f"There is no room to write the index in {path}: {why}.", hint="Free some space and run again.")


def _config(dimensions: int) -> Any:
    from qdrant_edge import (
        Distance,
        EdgeConfig,
        EdgeOptimizersConfig,
        EdgeSparseVectorParams,
        EdgeVectorParams,
        Modifier,
        MultiVectorComparator,
        MultiVectorConfig,
    )

    best = MultiVectorConfig(comparator=MultiVectorComparator.MaxSim)
    return EdgeConfig(
        vectors={
            DENSE: EdgeVectorParams(size=dimensions, distance=Distance.Cosine),
            ROWS: EdgeVectorParams(size=dimensions, distance=Distance.Cosine, multivector_config=best),
        },
        sparse_vectors={name: EdgeSparseVectorParams(modifier=Modifier.Idf) for name in (LEXICAL, PAGE)},
        optimizers=EdgeOptimizersConfig(indexing_threshold=EXACT_KB),
    )


def _create(path: Path, dimensions: int) -> Any:
    from qdrant_edge import EdgeShard, PayloadSchemaType, UpdateOperation

    shard = EdgeShard.create(str(path), _config(dimensions))
    for field in ("document", "kind", "layer", "flags", "labels", "references", STATE):
        shard.update(UpdateOperation.create_field_index(field, PayloadSchemaType.Keyword))
    for field in ("pages", "ordinal"):
        shard.update(UpdateOperation.create_field_index(field, PayloadSchemaType.Integer))
    shard.flush()
    return shard


def _load(path: Path, dimensions: int) -> Any:
    from qdrant_edge import EdgeShard

    return EdgeShard.load(str(path), _config(dimensions))


def _sparse(vector: SparseVector) -> Any:
    from qdrant_edge import SparseVector as EdgeSparseVector

    return EdgeSparseVector(list(vector.indices), list(vector.values))


def _is(key: str, value: str) -> Any:
    from qdrant_edge import FieldCondition, MatchValue

    return FieldCondition(key, match=MatchValue(value))


def _between(key: str, first: int, last: int) -> Any:
    from qdrant_edge import FieldCondition, RangeFloat

    return FieldCondition(key, range=RangeFloat(gte=first, lte=last))


def _must(*conditions: Any) -> Any:
    from qdrant_edge import Filter as EdgeFilter

    return EdgeFilter(must=list(conditions))


def _staged_of(document: str) -> Any:
    return _must(_is("document", document), _is(STATE, STAGED))


def _payload(chunk: Chunk) -> dict[str, Any]:
    """What is filtered or shown, each under its name; the rest of the chunk as JSON."""
    return {
        "document": chunk.document,
        "ordinal": chunk.ordinal,
        "kind": str(chunk.kind),
        "layer": str(chunk.layer),
        "pages": list(chunk.pages),
        "table": chunk.part.block if chunk.part else None,
        "text": chunk.text,
        "context": chunk.context,
        "read_by": list(chunk.read_by),
        "flags": list(chunk.flags),
        "labels": list(chunk.labels),
        "references": list(chunk.references),
        "rest": to_json(replace(chunk, id="", document="", text="", context="", read_by=())),
    }


def _chunk(point_id: str, payload: dict[str, Any]) -> Chunk:
    rest = from_json(Chunk, payload["rest"])
    own = {k: payload[k] for k in ("document", "text", "context")}
    return replace(rest, id=point_id, read_by=tuple(payload.get("read_by", ())), **own)  # older points do not say it


def _passage(point_id: str, p: dict[str, Any]) -> Passage:
    place = (p["document"], p["ordinal"], tuple(p["pages"]), Layer(p["layer"]))
    return Passage(point_id, *place, p["text"], p["context"], p["table"])
