"""An embedded index copied to a Qdrant server: nothing is embedded anew, and the copy is compared before it is used.

The points go into a new collection, ``NAME-2`` after ``NAME-1``. Once it holds what the index holds, by count, by sampled
points and by sampled questions, the alias ``NAME`` is given to it in one request. A copy that was broken off is gone on
with by the next run, where the index and the settings are still the same; another one is begun anew.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import InvalidRequest, SchemaMismatch
from paperlode.retrieval.server_collections import PUSH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from paperlode.api.directory import Manifest
    from paperlode.api.push_check import Check
    from paperlode.retrieval.edge import EdgeIndex
    from paperlode.retrieval.embedding import Embedder
    from paperlode.retrieval.index import Index, Schema
    from paperlode.retrieval.points import StoredPoint
    from paperlode.retrieval.server import QdrantIndex
    from paperlode.retrieval.server_options import CollectionOptions, ServerOptions
    from paperlode.retrieval.server_wire import Wire

__all__ = ["Plan", "Push", "PushReport", "Samples", "pushing"]

BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """How much of a copy is compared.

    Attributes:
        points: compared with payload and vectors.
        questions: asked of both sides. top: hits of each that are compared.
        agreement: share of the hits that must be the same, on average.
    """

    points: int = 200
    questions: int = 20
    top: int = 10
    agreement: float = 0.95

    def __post_init__(self) -> None:
        if self.points < 1 or self.questions < 0 or self.top < 1 or not 0 <= self.agreement <= 1:
            raise InvalidRequest(
                "At least one point and a share between 0 and 1 are needed to compare.", hint="Leave them out."
            )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a push would do.

    Attributes:
        url, alias: where to.
        collection: that the points go into. begun: whether a run before has begun it.
        replaces: the collection behind the alias now; None where there is none.
        points, documents: in the index; a point is a chunk or a document's card.
        vector_bytes, payload_bytes: about what they take on the server, unquantised and without its graph.
    """

    url: str
    alias: str
    collection: str
    begun: bool
    replaces: str | None
    points: int
    documents: int
    vector_bytes: int
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class PushReport:
    """What a push did.

    Attributes:
        plan: what it set out to do.
        copied: points sent. there: points that an earlier run had sent.
        check: how the copy compares.
        swapped: whether the alias points at the copy now.
        dropped: the collection that was behind it, deleted; None where there was none or it was kept.
        seconds: of the whole run.
        moved: whether the archive's index is that collection now, and no longer in its folder.
    """

    plan: Plan
    copied: int
    there: int
    check: Check
    swapped: bool
    dropped: str | None
    seconds: float
    moved: bool = False


class Push:
    """One push.

    Args:
        index: from; nobody may write to it meanwhile.
        schema: what it was written with.
        server: to; its ``collection`` is the alias.
        collection: how the new one is kept.
        wire: a connection to use; it stays yours to close.
    """

    def __init__(
        self, index: EdgeIndex, schema: Schema, server: ServerOptions, collection: CollectionOptions, wire: Wire
    ) -> None:
        self._index, self._schema = index, schema
        self._server, self._options, self._wire = server, collection, wire
        self._sums: dict[str, Any] | None = None
        self._held = 0

    def plan(self) -> Plan:
        """What ``run`` would do; nothing is changed.

        Raises:
            IndexServerUnreachable, IndexServerKeyRefused, IndexServerIncompatible: as they say.
            InvalidRequest: a collection has the alias's name, or the index is empty.
        """
        from paperlode.retrieval.server_collections import behind, new_name

        self._wire.check_version()
        self._note(done=False)
        count = self._held
        if not count:
            raise InvalidRequest("The index is empty, there is nothing to push.", hint="Ingest documents first.")
        alias = self._server.collection
        fresh = new_name(self._wire, alias)
        old = behind(self._wire, alias)
        if old:
            self._check_replaceable(old)
        begun = self._begun(old)
        some = list(islice(self._index.points(), BATCH))
        numbers = sum(_numbers(p) for p in some) * count // len(some)
        text = sum(map(self._payload_size, some)) * count // len(some)
        documents = len(self._index.documents())
        return Plan(
            self._server.url, alias, begun or fresh, begun is not None, old, count, documents, 4 * numbers, text
        )

    def run(
        self,
        embedder: Embedder,
        *,
        samples: Samples | None = None,
        keep_old: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> PushReport:
        """Copies, compares, and gives the alias to the copy if it is sound.

        Args:
            embedder: the index's model; embeds the sampled questions only.
            samples: how much is compared.
            keep_old: leave the collection that was behind the alias on the server.
            on_progress: told points done and points in all.

        Raises:
            ArchiveError: the server cannot be used any more; the same call goes on later.
        """
        from paperlode.api.push_check import compare
        from paperlode.retrieval.server import QdrantIndex
        from paperlode.retrieval.server_collections import create, drop, note, point_alias

        began = time.perf_counter()
        samples = samples or Samples()
        plan = self.plan()
        self._clear(plan)
        if not plan.begun:
            create(self._wire, plan.collection, self._schema, self._options, **{PUSH: self._note(done=False)})
        copy = QdrantIndex(_named(self._server, plan.collection), self._schema, exact=True, wire=self._wire)
        try:
            copied, sampled = self._copy(copy, plan, samples.points, on_progress)
            check = compare(self._index, copy, sampled, embedder, samples)
        except BaseException:
            copy.close(send=False)
            raise
        copy.close()
        dropped = None
        if check.sound:
            note(self._wire, plan.collection, **{PUSH: self._note(done=True)})
            point_alias(self._wire, plan.alias, plan.collection)
            if plan.replaces and not keep_old:
                drop(self._wire, plan.replaces)
                dropped = plan.replaces
        else:  # whatever is wrong with it, the next run shall not go on with it
            note(self._wire, plan.collection, **{PUSH: {"done": False}})
        seconds = time.perf_counter() - began
        return PushReport(plan, copied, plan.points - copied, check, check.sound, dropped, seconds)

    # -- inside

    def _check_replaceable(self, old: str) -> None:
        """A copy that was pushed may be replaced by another; what an archive or another program lives in may not.

        Raises:
            InvalidRequest: it is none that was pushed.
        """
        from paperlode.retrieval.server_collections import notes_of

        notes = notes_of(self._wire, old)
        if notes is None or not isinstance(notes.get(PUSH), dict):
            whose = "the index of an archive" if notes else "another program's"
            raise InvalidRequest(
                f"The collection {self._server.place} is {whose}, and no copy that was pushed: it is not replaced.",
                hint="Take another name with --collection.",
            )

    def _payload_size(self, point: StoredPoint) -> int:
        from paperlode.retrieval.node_payload import node_payload

        stored = {**point.payload, **(node_payload(point.id, point.payload) if self._options.llama_index else {})}
        return len(json.dumps(stored, ensure_ascii=False).encode())

    def _copy(
        self, copy: QdrantIndex, plan: Plan, sampled: int, on_progress: Callable[[int, int], None] | None
    ) -> tuple[int, list[StoredPoint]]:
        """Sends the points that are not there yet; returns how many, and a sample of all."""
        every = max(1, plan.points // sampled)
        copied = done = 0
        sample: list[StoredPoint] = []
        for batch in _batches(self._index.points()):
            missing = copy.missing([p.id for p in batch]) if plan.begun else {p.id for p in batch}
            copy.put(p for p in batch if p.id in missing)
            copied += len(missing)
            sample += [p for n, p in enumerate(batch, done) if n % every == 0 and n // every < sampled]
            done += len(batch)
            if on_progress:
                on_progress(done, plan.points)
        copy.flush()
        return copied, sample

    def _note(self, *, done: bool) -> dict[str, Any]:
        """What stands in the copy's metadata: what it is a copy of, so that another run knows whether to go on with it."""
        if self._sums is None:
            held = hashlib.sha256()
            for point in self._index.ids():
                held.update(point.encode())
                self._held += 1
            options = json.dumps(asdict(self._options), sort_keys=True)
            self._sums = {"ids": held.hexdigest(), "options": hashlib.sha256(options.encode()).hexdigest()}
        return {**self._sums, "done": done}

    def _ours(self, old: str | None) -> Iterator[tuple[str, Any]]:
        """Copies that no alias points at and that were never finished, newest first, with what they say of themselves."""
        from paperlode.retrieval.server_collections import describe, generations

        for name in reversed(generations(self._wire, self._server.collection)):
            if name == old:
                continue
            try:
                said = describe(self._wire, name)
            except SchemaMismatch:  # of another version, or not ours
                continue
            push = said.notes.get(PUSH)
            if isinstance(push, dict) and push.get("done") is False:
                yield name, (said.schema, push)

    def _begun(self, old: str | None) -> str | None:
        wanted = (self._schema, self._note(done=False))
        return next((name for name, said in self._ours(old) if said == wanted), None)

    def _clear(self, plan: Plan) -> None:
        """Drops copies that were broken off and will not be gone on with."""
        from paperlode.retrieval.server_collections import drop

        for name, _ in list(self._ours(plan.replaces)):
            if name != plan.collection:
                drop(self._wire, name)


@contextmanager
def pushing(
    index: Index, manifest: Manifest, root: Path, server: ServerOptions, collection: CollectionOptions | None
) -> Iterator[Push]:
    """The push of an archive's index to a server; the connection ends with the block.

    Raises:
        InvalidRequest: the index is on a server already.
    """
    from paperlode.retrieval.edge import EdgeIndex
    from paperlode.retrieval.server_options import CollectionOptions
    from paperlode.retrieval.server_wire import Wire

    if not isinstance(index, EdgeIndex):
        raise InvalidRequest(
            f"The index of {str(root)!r} is on a Qdrant server already.",
            hint="Only an embedded index is pushed; on the server, take a snapshot of the collection.",
        )
    wire = Wire(server)
    try:
        yield Push(index, manifest.stored_schema(root), server, collection or CollectionOptions(), wire)
    finally:
        wire.close()


def _named(server: ServerOptions, collection: str) -> ServerOptions:
    return replace(server, collection=collection)


def _batches(points: Iterator[StoredPoint]) -> Iterator[list[StoredPoint]]:
    while batch := list(islice(points, BATCH)):
        yield batch


def _numbers(point: StoredPoint) -> int:
    """Numbers of four bytes in its vectors."""
    from paperlode.retrieval.points import DENSE, ROWS

    dense = len(point.vectors.get(DENSE) or ()) + sum(len(row) for row in point.vectors.get(ROWS) or ())
    return dense + sum(2 * len(v.indices) for v in point.vectors.values() if hasattr(v, "indices"))
