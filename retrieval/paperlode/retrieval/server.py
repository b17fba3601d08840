"""The index on a Qdrant server or cluster: the same points as on Edge, read and written over the network.

A staged point carries ``state: staged``. Publishing sets ``swapped: true`` on all points of the document that are to
change, old and new, in one operation: a point is hidden when it is staged and not swapped, or swapped and not staged, so
that one operation shows the new ones and hides the old. Clearing up follows: the old are deleted, the new lose both
fields. Whatever breaks off in between is finished, or thrown away, by the next one that opens the index to write.

What a reader sees meanwhile: through this object all of the old or all of the new, for searches wait while the operation
runs. From another process, once the operation is done, the same. While it runs, a matter of milliseconds, Qdrant applies
it piece by piece (and on each shard for itself), so that such a reader may find some of the document's chunks new and
others still old. After a crash of a server its log applies the operation whole on each shard. docs/qdrant.md says more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import ArchiveError, IndexServerFailed, PaperlodeError, SchemaMismatch

from . import server_filters as where
from .index import Filter, Schema
from .lexical import SparseVector
from .node_payload import node_payload
from .points import (
    PLACE,
    STAGED,
    STATE,
    SWAPPED,
    WHOLE,
    StoredPoint,
    card_point,
    lies_at,
    payload_of,
    place_in_order,
    vectors_of,
)
from .server_collections import PUSH, describe, make, note, search_params
from .server_reader import ServerReader, wire_sparse
from .server_upload import Uploader, json_size
from .server_wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.document import Chunk, DocumentCard

    from .server_options import CollectionOptions, ServerOptions

__all__ = ["QdrantIndex"]

_RENUMBERED = 256
"""Chunks in one request."""


class QdrantIndex(ServerReader):
    """An ``Index`` on a Qdrant server. Read from any number of processes, written from one.

    Args:
        server: where it is; its ``collection`` may be an alias, or the collection's own name.
        schema: what the vectors are made with; checked against what the collection says. None to take what it says.
        create: make a new collection with the alias, where there is none.
        recover: finish or throw away what a writer left that ended before it was through; for the one that writes.
        exact: search without the graph and quantised vectors: slower, for comparisons.
        wire: a connection to use; it stays yours to close.

    Attributes:
        schema: what the collection was written with.
        shards: parts its points are spread over.
        place: the collection and its server, for messages.

    Raises:
        ArchiveNotFound: no such collection.
        SchemaMismatch: it was written with another model or version, or by another program.
        IndexServerUnreachable, IndexServerKeyRefused, IndexServerIncompatible: as they say.
        MissingExtra: qdrant-client is not installed.
    """

    def __init__(
        self,
        server: ServerOptions,
        schema: Schema | None = None,
        *,
        create: CollectionOptions | None = None,
        recover: bool = False,
        exact: bool = False,
        wire: Wire | None = None,
    ) -> None:
        if schema:
            schema.check()
        self._wire, self._own = wire or Wire(server), wire is None
        self._name = server.collection
        self.place = server.place
        try:
            self._wire.check_version()
            if create:
                make(self._wire, schema, create)
            found = describe(self._wire, self._name)
            if schema and found.schema != schema:
                raise _other(found.schema, schema, server)
        except PaperlodeError:
            self._let_go()
            raise
        self.schema = found.schema
        self.shards = found.shards
        self._nodes = bool(found.notes.get("nodes", True))
        self._copy = found.notes.get(PUSH) is not None
        super().__init__(self._wire, self._name, search_params(found, exact=exact))
        self._staged: dict[str, set[str]] = {}
        self._moved: dict[str, dict[str, Chunk]] = {}
        self._broken: set[str] = set()
        self._swapping: set[str] = set()
        parallel = 0 if self._wire.local else server.parallel
        self._upload = Uploader(self._send, points=server.batch_points, size=server.batch_bytes, parallel=parallel)
        self._closed = False
        if recover:
            self._recover()

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
        """Takes chunks with their vectors, invisibly; see ``Index.stage``. Stored for certain once ``flush`` returned."""
        if dense.shape != (len(chunks), self.schema.dimensions):
            raise SchemaMismatch(
                f"Vectors of shape {dense.shape} do not fit {len(chunks)} chunks of {self.schema.dimensions} dimensions.",
                hint="Embed with the model the index was made with.",
            )
        for i, chunk in enumerate(chunks):
            page, entries = pages[i] if pages else None, rows[i] if rows is not None else None
            pair = pairs[i] if pairs is not None else None
            vectors = vectors_of(chunk, dense[i], sparse[i], page=page, rows=entries, pairs=pair, sparse=wire_sparse)
            self._stage(chunk.id, vectors, payload_of(chunk, roles[i] if roles is not None else ()))

    def stage_card(self, card: DocumentCard, whole: SparseVector, version: str = "") -> None:
        """Takes a document's card, invisibly; see ``Index.stage_card``."""
        point, payload = card_point(card, whole, version)
        self._stage(point, {WHOLE: wire_sparse(whole)}, payload)

    def put(self, points: Iterable[StoredPoint]) -> None:
        """Takes points as they lie in another index, published; for copying into a collection that nobody reads yet."""
        for p in points:
            self._add(
                p.id, {k: wire_sparse(v) if isinstance(v, SparseVector) else v for k, v in p.vectors.items()}, p.payload
            )

    def hold(self, chunks: Sequence[Chunk]) -> set[str]:
        """Keeps what is published of these; see ``Index.hold``."""
        if not chunks:
            return set()
        found = self._read("retrieve", ids=[c.id for c in chunks], with_payload=[*PLACE, STATE, SWAPPED])
        lie = {str(p.id): p.payload or {} for p in found if not where.is_hidden(p.payload or {})}
        for chunk in chunks:
            if (there := lie.get(chunk.id)) is None:
                continue
            self._staged.setdefault(chunk.document, set()).add(chunk.id)
            if not lies_at(there, place_in_order(chunk)):
                self._moved.setdefault(chunk.document, {})[chunk.id] = chunk
        return set(lie)

    def publish(self, document: str) -> None:
        """Swaps what was staged for a document in, and what was published out; see ``Index.publish``."""
        from qdrant_client import models as m

        self.flush()
        if document in self._broken:
            raise IndexServerFailed(
                f"Some chunks of a document could not be stored in {self._wire.options.place}.",
                hint="Ingest again: the document is begun anew, its older version is still searchable.",
            )
        self._finish(document)
        staged = self._staged.setdefault(document, set())
        of_it = where.equals("document", document)
        published = [str(p.id) for p in self._scroll(where.visible(Filter(), of_it), payload=False)]
        kept: list[Any] = [i for i in published if i in staged]
        stays = [m.HasIdCondition(has_id=kept)] if kept else []
        with self._publishing, self._lock.alone():
            if len(kept) == len(published):
                self._forget_states(where.staged(of_it))
            elif not staged:
                self._delete(where.all_of(of_it))
            else:
                self._swapping.add(document)
                self._write(
                    "set_payload", payload={SWAPPED: True}, points=where.all_of(of_it, none_of=stays), ordering="strong"
                )
            self._renumber(document)
            self.generation += 1
        self._finish(document)
        del self._staged[document]

    def discard(self, document: str, *, staged_only: bool = False) -> None:
        """Forgets a document, or only what was staged for it."""
        if staged_only and document not in self._staged:
            return
        try:
            self.flush()
        except ArchiveError:
            if not staged_only:
                raise
        of_it = where.equals("document", document)
        if staged_only:
            self._finish(document)
            self._delete(where.staged(of_it))
        else:
            with self._publishing, self._lock.alone():
                self._delete(where.all_of(of_it))
        self._staged.pop(document, None)
        self._moved.pop(document, None)
        self.generation += 1
        self._broken.discard(document)
        self._swapping.discard(document)

    def flush(self) -> None:
        """Returns once all that was staged is stored on the server."""
        with self._noting_failure():
            self._upload.drain()

    def claim(self) -> None:
        """Notes that an archive writes to this collection from now on, where it was made as a copy: no push replaces it."""
        if self._copy:
            note(self._wire, self._name, **{PUSH: None})
            self._copy = False

    def optimize(self) -> None:
        """Nothing to do: the server rearranges its points by itself."""

    def close(self, *, send: bool = True) -> None:
        """Sends what was staged (unless told not to) and lets go of the connections; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            if send:
                self.flush()
        finally:
            self._upload.close()
            self._let_go()

    # Inside

    def _stage(self, point: str, vectors: dict[str, Any], payload: dict[str, Any]) -> None:
        self._staged.setdefault(payload["document"], set()).add(
            point
        )  # before: what fails half way must stay hidden too
        self._add(point, vectors, {**payload, STATE: STAGED})

    def _add(self, point: str, vectors: dict[str, Any], payload: Mapping[str, Any]) -> None:
        from qdrant_client import models as m

        stored = {**payload, **(node_payload(point, payload) if self._nodes else {})}
        with self._noting_failure():
            self._upload.add(m.PointStruct(id=point, vector=vectors, payload=stored), json_size(vectors, stored))

    def _send(self, batch: list[Any]) -> None:
        from qdrant_client import models as m

        self._write("upsert", points=batch, update_mode=m.UpdateMode.INSERT_ONLY)

    def _noting_failure(self) -> _Noting:
        return _Noting(self._broken, self._staged)

    def _finish(self, document: str | None) -> None:
        """Clears up after a swap: what it took out is deleted, what it brought in stands as if it always had."""
        if document is not None and document not in self._swapping:
            return
        of_it = [where.equals("document", document)] if document is not None else []
        self._delete(where.old(*of_it))
        self._forget_states(where.new(*of_it))
        if document is not None:
            self._swapping.discard(document)

    def _renumber(self, document: str) -> None:
        """Gives the chunks that stayed the places that they have now."""
        from qdrant_client import models as m

        moved = list(self._moved.pop(document, {}).values())
        for start in range(0, len(moved), _RENUMBERED):
            operations = []
            for chunk in moved[start : start + _RENUMBERED]:
                payload = place_in_order(chunk)
                if self._nodes:
                    payload |= node_payload(chunk.id, payload_of(chunk))
                operations.append(m.SetPayloadOperation(set_payload=m.SetPayload(payload=payload, points=[chunk.id])))
            self._wire.call(
                "written",
                "batch_update_points",
                collection_name=self._name,
                update_operations=operations,
                wait=True,
                ordering="strong",
            )

    def _recover(self) -> None:
        """Finishes the swaps of a run that ended too early, and throws away what it left staged."""
        if self._read("count", count_filter=where.unfinished(), exact=True).count:
            self._finish(None)
            self._delete(where.staged())

    def _forget_states(self, which: Any) -> None:
        self._write("delete_payload", keys=[STATE, SWAPPED], points=which, ordering="strong")

    def _delete(self, which: Any) -> None:
        self._write("delete", points_selector=which, ordering="strong")

    def _write(self, method: str, **arguments: Any) -> None:
        self._wire.call("written", method, collection_name=self._name, wait=True, **arguments)

    def _let_go(self) -> None:
        if self._own:
            self._wire.close()


class _Noting:
    """Notes the documents under way when a batch fails: some of their chunks may be missing, so none may be published."""

    def __init__(self, broken: set[str], staged: dict[str, set[str]]) -> None:
        self._broken, self._staged = broken, staged

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._broken.update(self._staged)


def _other(found: Schema, wanted: Schema, server: ServerOptions) -> SchemaMismatch:
    return SchemaMismatch(
        f"The collection {server.place} was written with the model {found.embedder!r} ({found.dimensions} dimensions), "
        f"not with {wanted.embedder!r} ({wanted.dimensions}).",
        hint="Open it with what it was written with, or take another collection.",
    )
