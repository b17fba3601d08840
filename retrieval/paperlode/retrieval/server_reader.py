"""Reading a collection on a Qdrant server: what is published, and nothing else."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any

from . import server_filters as where
from .index import Filter
from .legs import legs_of, put_together, trait_legs
from .lexical import SparseVector
from .node_payload import NODE_FIELDS
from .points import CARD, PASSAGE_FIELDS, VERSION, WHOLE, StoredPoint, card_from, chunk_from, passage_from
from .server_lock import SharedLock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from paperlode.ingest.document import Chunk, DocumentCard

    from .index import HybridQuery, Passage, Scored
    from .legs import Leg
    from .server_wire import Wire

__all__ = ["ServerReader", "wire_sparse"]

SCROLL = 512
WITH_VECTORS = 128
"""Points a request, where their vectors come along."""
MOST_DOCUMENTS = 1 << 24
"""Counted by one request."""


class ServerReader:
    """The reading half of an ``Index`` on a Qdrant server.

    Args:
        wire: the connection.
        name: the collection's, or its alias.
        params: of every search; None for the server's own.
    """

    def __init__(self, wire: Wire, name: str, params: Any) -> None:
        self._wire, self._name, self._params = wire, name, params
        self._lock = SharedLock()
        self.generation = 0
        self._publishing = RLock()

    def steady(self) -> AbstractContextManager[Any]:
        """Nothing is published meanwhile through this object; see ``Index.steady``."""
        return self._publishing

    def search(self, query: HybridQuery) -> list[Scored]:
        """Candidates of all vectors, unfused; see ``Index.search``."""
        from qdrant_client import models as m

        legs = legs_of(query)
        if not legs:
            return []
        with self._lock.shared():
            found = self._run(legs, query.limit)
            ids = list(dict.fromkeys(i for points in found for i, _ in points))
            traits = trait_legs(query) if ids else []
            found += self._run(traits, len(ids), m.HasIdCondition(has_id=list(ids))) if traits else []
        return put_together([*legs, *traits], found, str)

    def _run(self, legs: Sequence[Leg], limit: int, *also: Any) -> list[list[tuple[str, float]]]:
        answers = self._read("query_batch_points", requests=[self._request(leg, limit, *also) for leg in legs])
        return [[(str(p.id), float(p.score)) for p in a.points] for a in answers]

    def _request(self, leg: Leg, limit: int, *also: Any) -> Any:
        from qdrant_client import models as m

        sparse, params = isinstance(leg.vector, SparseVector), self._params
        if leg.vector is None:
            return m.QueryRequest(filter=where.visible(leg.filter, *also), limit=limit, with_payload=False)
        if sparse and leg.corpus:
            corpus = m.IdfCorpusParams(corpus=where.visible(Filter(documents=leg.corpus)))
            params = (params or m.SearchParams()).model_copy(update={"idf": corpus})
        return m.QueryRequest(
            query=m.NearestQuery(nearest=wire_sparse(leg.vector) if sparse else leg.vector),
            using=leg.using,
            filter=where.visible(leg.filter),
            limit=limit,
            params=params,
            with_payload=False,
        )

    def cards(self, terms: SparseVector, limit: int, documents: Sequence[str] = ()) -> list[tuple[DocumentCard, float]]:
        """The documents that fit the terms best; see ``Index.cards``."""
        if not terms.indices:
            return []
        only = where.visible(Filter(documents=tuple(documents)))
        with self._lock.shared():
            answer = self._read(
                "query_points",
                query=wire_sparse(terms),
                using=WHOLE,
                query_filter=only,
                limit=limit,
                with_payload=[CARD],
            )
        return [(card_from(p.payload), float(p.score)) for p in answer.points]

    def version(self, document: str) -> str:
        """Which version of the document is published; see ``Index.version``."""
        with self._lock.shared():
            cards = self._scroll(
                where.visible(Filter(documents=(document,)), where.equals("kind", CARD)), payload=[VERSION]
            )
            return next((str(p.payload.get(VERSION, "")) for p in cards), "")

    def get(self, ids: Sequence[str]) -> list[Chunk]:
        """Published chunks by id, in the order asked, unknown ones left out."""
        from qdrant_client import models as m

        if not ids:
            return []
        wanted = m.PayloadSelectorExclude(exclude=list(NODE_FIELDS))
        with self._lock.shared():
            records = self._read("retrieve", ids=list(ids), with_payload=wanted, with_vectors=False)
        found = {str(r.id): r.payload for r in records if not where.is_hidden(r.payload) and CARD not in r.payload}
        return [chunk_from(i, found[i]) for i in ids if i in found]

    def passages(self, windows: Sequence[tuple[str, int, int]]) -> list[Passage]:
        """Shown text of windows of ordinals, ordered by document and ordinal, each once."""
        from qdrant_client import models as m

        if not windows:
            return []
        any_of = m.Filter(
            should=[where.all_of(where.equals("document", d), where.between("ordinal", a, b)) for d, a, b in windows]
        )
        with self._lock.shared():
            points = list(self._scroll(where.visible(Filter(), any_of), payload=list(PASSAGE_FIELDS)))
        found = [passage_from(str(p.id), p.payload) for p in points]
        return sorted(found, key=lambda p: (p.document, p.ordinal))

    def chunks(self, document: str) -> Iterator[Chunk]:
        """A document's published chunks by ordinal, a few hundred in memory at a time."""
        with self._lock.shared():
            chunks = where.visible(Filter(documents=(document,)), where.between("ordinal", 0, None))
            points = self._scroll(chunks, payload=["ordinal"])
            order = sorted((int(p.payload["ordinal"]), str(p.id)) for p in points)
        for start in range(0, len(order), SCROLL):
            yield from self.get([i for _, i in order[start : start + SCROLL]])

    def labelled(self, document: str, label: str, *, referring: bool = False) -> list[Chunk]:
        """Chunks with a label, or that refer to it; see ``Index.labelled``."""
        which = where.equals("references" if referring else "labels", label)
        with self._lock.shared():
            found = list(self._scroll(where.visible(Filter(documents=(document,)), which), payload=True))
        return sorted((chunk_from(str(p.id), p.payload) for p in found), key=lambda c: c.ordinal)

    def points(self, ids: Sequence[str] | None = None) -> Iterator[StoredPoint]:
        """Published points with their vectors, all of them by id, or those with the given ids."""
        if ids is not None:
            found = self._read("retrieve", ids=list(ids), with_payload=True, with_vectors=True) if ids else []
            yield from (_stored(p) for p in found if not where.is_hidden(p.payload))
            return
        yield from map(_stored, self._scroll(where.visible(Filter()), payload=True, vectors=True))

    def missing(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that no point has, published or not."""
        there = {str(r.id) for r in self._read("retrieve", ids=list(ids), with_payload=False, with_vectors=False)}
        return set(ids) - there

    def documents(self) -> set[str]:
        """Digests of published documents."""
        with self._lock.shared():
            answer = self._read(
                "facet", key="document", limit=MOST_DOCUMENTS, exact=True, facet_filter=where.visible(Filter())
            )
        return {str(hit.value) for hit in answer.hits if hit.count}

    def count(self, document: str | None = None) -> int:
        """Published chunks."""
        only = where.visible(
            Filter(documents=(document,) if document is not None else ()), none_of=[where.equals("kind", CARD)]
        )
        with self._lock.shared():
            return int(self._read("count", count_filter=only, exact=True).count)

    # Inside

    def _read(self, method: str, **arguments: Any) -> Any:
        return self._wire.call("read", method, collection_name=self._name, **arguments)

    def _scroll(self, which: Any, *, payload: bool | list[str], vectors: bool = False) -> Iterator[Any]:
        offset = None
        while True:
            found, offset = self._read(
                "scroll",
                scroll_filter=which,
                limit=WITH_VECTORS if vectors else SCROLL,
                offset=offset,
                with_payload=payload,
                with_vectors=vectors,
            )
            yield from found
            if offset is None:
                return


def wire_sparse(vector: SparseVector) -> Any:
    """The vector as the client sends it."""
    from qdrant_client import models as m

    return m.SparseVector(indices=list(vector.indices), values=list(vector.values))


def _stored(point: Any) -> StoredPoint:
    own = {
        k: SparseVector(tuple(v.indices), tuple(v.values)) if hasattr(v, "indices") else v
        for k, v in point.vector.items()
    }
    return StoredPoint(str(point.id), {k: v for k, v in point.payload.items() if k not in NODE_FIELDS}, own)
