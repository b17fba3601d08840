"""Reading the embedded index: what is published, and nothing else."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import ArchiveCorrupt, PaperlodeError

from .edge_engine import all_of, between, engine_sparse, equals, full_disk, own_vector, says_full, uuid_text
from .index import Filter
from .legs import meaning_legs, put_together, trait_legs, word_legs
from .lexical import SparseVector
from .points import (
    CARD,
    ROWS,
    STAGED,
    STATE,
    VERSION,
    WHOLE,
    StoredPoint,
    card_from,
    chunk_from,
    passage_from,
    restricted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from paperlode.ingest.document import Chunk, DocumentCard

    from .index import HybridQuery, Passage, Scored
    from .legs import Leg

__all__ = ["MANY_ROWS", "EdgeReader"]

MANY_ROWS = 20_000
"""Chunks of an index in which table rows are compared only for what the other vectors have found."""
SCROLL = 512
MOST_CARDS = 8192
"""Cards that are kept: reading those of a hundred documents again takes as long as finding them."""


class EdgeReader:
    """The reading half of an ``Index`` on Qdrant Edge.

    Args:
        path: the shard's folder, for messages.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = RLock()
        self._shard: Any = None
        self._size = 0
        self._cards: dict[int, DocumentCard] = {}  # by the number of the point's id: another card has another
        self._hidden: set[str] = set()  # documents with staged points in the shard
        self._half: set[str] = set()  # new documents whose publication failed in the engine: nothing of them is shown
        self.generation = 0

    def steady(self) -> AbstractContextManager[Any]:
        """Nothing is published meanwhile; see ``Index.steady``."""
        return self._lock

    def search(self, query: HybridQuery) -> list[Scored]:
        """Candidates of all vectors, unfused; see ``Index.search``.

        In a large index the rows of tables are compared for the candidates of the other vectors alone: the engine goes
        through all rows (12 ms for 120,000 of them), whatever their index.
        """
        ids: dict[int, Any] = {}  # hashing a UUID, and making one anew, take longer than all the rest here
        legs = word_legs(query)
        with self._lock, self._engine("cannot be read"):
            found = self._run(legs, query.limit, ids)
        meant = meaning_legs(query)  # outside: others search while the vector is waited for
        with self._lock, self._engine("cannot be read"):
            late = [leg for leg in meant if leg.using == ROWS] if self._size > MANY_ROWS else []
            meant = [leg for leg in meant if leg not in late] if late else meant
            found += self._run(meant, query.limit, ids)
            narrow = [replace(leg, filter=Filter()) for leg in late[:1]] + trait_legs(query)
            found += self._run(narrow, len(ids), ids, among=set(ids.values())) if ids else ([],) * len(narrow)
        return put_together([*legs, *meant, *narrow], found, uuid_text)

    def _run(
        self, legs: Sequence[Leg], limit: int, ids: dict[int, Any], among: set[Any] | None = None
    ) -> list[list[tuple[int, float]]]:
        """What each leg finds, ``among`` these ids; ``ids`` takes up those that are new."""
        from qdrant_edge import Filter as EdgeFilter
        from qdrant_edge import HasIdCondition, IdfParams, QueryBatchRequest, QueryRequest, SearchParams

        here = HasIdCondition(among) if among is not None else None
        conditions: dict[Filter, Any] = {}
        requests = []
        for leg in legs:
            if leg.filter not in conditions:
                conditions[leg.filter] = self._condition(leg.filter)
            only = conditions[leg.filter]
            if here is not None:
                only = EdgeFilter(must=[here, *([only] if only is not None else [])])
            sparse = isinstance(leg.vector, SparseVector)
            corpus = self._condition(Filter(documents=leg.corpus)) if leg.corpus and sparse else None
            requests.append(
                QueryRequest(
                    limit=limit,
                    query=self._nearest(leg),
                    filter=only,
                    params=SearchParams(idf=IdfParams(corpus)) if corpus is not None else None,
                )
            )
        out: list[list[tuple[int, float]]] = []
        for points in self._shard.query_batch(QueryBatchRequest(requests)) if requests else ():
            uuids = [p.id for p in points]  # the engine makes one anew each time
            keys = [uuid.int for uuid in uuids]
            ids.update(zip(keys, uuids, strict=True))
            out.append([*zip(keys, [p.score for p in points], strict=True)])
        return out

    @staticmethod
    def _nearest(leg: Leg) -> Any:
        from qdrant_edge import Query

        if leg.vector is None:
            return None
        return Query.Nearest(
            engine_sparse(leg.vector) if isinstance(leg.vector, SparseVector) else leg.vector, using=leg.using
        )

    def cards(self, terms: SparseVector, limit: int, documents: Sequence[str] = ()) -> list[tuple[DocumentCard, float]]:
        """The documents that fit the terms best; see ``Index.cards``."""
        from qdrant_edge import PayloadSelector, Query, QueryRequest

        if not terms.indices:
            return []
        asked, only = (
            Query.Nearest(engine_sparse(terms), using=WHOLE),
            self._condition(Filter(documents=tuple(documents))),
        )
        with self._lock, self._engine("cannot be read"):
            found = [(p.id.int, p.score) for p in self._shard.query(QueryRequest(limit, query=asked, filter=only))]
            if len(self._cards) > MOST_CARDS:
                self._cards.clear()
            if new := [uuid_text(i) for i, _ in found if i not in self._cards]:
                records = self._shard.retrieve(new, PayloadSelector.Include([CARD]), False)
                self._cards.update((r.id.int, card_from(r.payload)) for r in records)
            return [(self._cards[i], score) for i, score in found]

    def get(self, ids: Sequence[str]) -> list[Chunk]:
        """Published chunks by id, in the order asked, unknown ones left out."""
        found = self._retrieve(ids, with_payload=True)
        return [chunk_from(i, found[i]) for i in ids if i in found]

    def passages(self, windows: Sequence[tuple[str, int, int]]) -> list[Passage]:
        """Shown text of windows of ordinals, ordered by document and ordinal, each once."""
        from qdrant_edge import Filter as EdgeFilter

        if not windows:
            return []
        any_of = EdgeFilter(should=[all_of(equals("document", d), between("ordinal", a, b)) for d, a, b in windows])
        with self._lock, self._engine("cannot be read"):
            points = list(self._scroll(Filter(), True, any_of))  # choosing among the fields takes longer
        found = [passage_from(str(r.id), r.payload) for r in points]
        return sorted(found, key=lambda p: (p.document, p.ordinal))

    def chunks(self, document: str) -> Iterator[Chunk]:
        """A document's published chunks by ordinal, a few hundred in memory at a time."""
        from qdrant_edge import PayloadSelector

        with self._lock, self._engine("cannot be read"):
            order = sorted(
                (int(r.payload["ordinal"]), str(r.id))
                for r in self._scroll(
                    Filter(documents=(document,)), PayloadSelector.Include(["ordinal"]), between("ordinal", 0, None)
                )
            )
        for start in range(0, len(order), SCROLL):
            yield from self.get([i for _, i in order[start : start + SCROLL]])

    def labelled(self, document: str, label: str, *, referring: bool = False) -> list[Chunk]:
        """Chunks with a label, or that refer to it; see ``Index.labelled``."""
        which = all_of(equals("references" if referring else "labels", label))
        with self._lock, self._engine("cannot be read"):
            found = list(self._scroll(Filter(documents=(document,)), True, which))
        return sorted((chunk_from(str(r.id), r.payload) for r in found), key=lambda c: c.ordinal)

    def version(self, document: str) -> str:
        """Which version of the document is published; see ``Index.version``."""
        from qdrant_edge import PayloadSelector

        with self._lock, self._engine("cannot be read"):
            cards = self._scroll(
                Filter(documents=(document,)), PayloadSelector.Include([VERSION]), all_of(equals("kind", CARD))
            )
            return next((str(p.payload.get(VERSION, "")) for p in cards), "")

    def ids(self) -> Iterator[str]:
        """Of all published points, ascending."""
        yield from (str(p.id) for p in self._pages(payload=False, vectors=False))

    def points(self) -> Iterator[StoredPoint]:
        """All published points with their vectors, by id, a few hundred in memory at a time: for copying."""
        for p in self._pages(payload=True, vectors=True):
            yield StoredPoint(str(p.id), p.payload, {k: own_vector(v) for k, v in p.vector.items()})

    def _pages(self, *, payload: bool, vectors: bool) -> Iterator[Any]:
        from qdrant_edge import ScrollRequest

        wanted: dict[str, Any] = {"limit": SCROLL // 2, "with_payload": payload, "with_vector": vectors}
        offset = None
        while True:
            with self._lock, self._engine("cannot be read"):
                request = ScrollRequest(offset=offset, filter=self._condition(Filter()), **wanted)
                found, offset = self._shard.scroll(request)
            yield from found
            if offset is None:
                return

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
        with self._lock, self._engine("cannot be read"):
            return self._count(document)

    # Inside

    def _count(self, document: str | None = None, *, exact: bool = True) -> int:
        from qdrant_edge import CountRequest
        from qdrant_edge import Filter as EdgeFilter

        found = self._condition(Filter(documents=(document,) if document is not None else ()))
        only = EdgeFilter(must=[found] if found is not None else None, must_not=[equals("kind", CARD)])
        return int(self._shard.count(CountRequest(exact=exact, filter=only)))

    def _retrieve(self, ids: Sequence[str], *, with_payload: Any) -> dict[str, dict[str, Any]]:
        if not ids:
            return {}
        with self._lock, self._engine("cannot be read"):
            records = self._shard.retrieve(list(ids), with_payload, False)
        return {str(r.id): r.payload for r in records if self._is_shown(r.payload) and CARD not in r.payload}

    def _is_shown(self, payload: dict[str, Any]) -> bool:
        """Whether a point is published; to be told when it was asked for by its id."""
        return STATE not in payload and payload["document"] not in self._half

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
            FieldCondition(key, match=MatchAny([str(v) for v in values])) for key, values in restricted(only) if values
        ]
        if only.pages:
            must.append(between("pages", *only.pages))
        must_not = [equals(STATE, STAGED)] if self._hidden else []
        must_not += [equals("document", document) for document in self._half]
        if only.without_flags:
            must_not.append(FieldCondition("flags", match=MatchAny(list(only.without_flags))))
        return EdgeFilter(must=must or None, must_not=must_not or None) if must or must_not else None

    @contextmanager
    def _engine(self, what: str) -> Iterator[None]:
        """The one place where the engine's errors become ours."""
        try:
            yield
        except PaperlodeError:
            raise
        except BaseException as exc:
            if isinstance(exc, OSError) and exc.errno == errno.ENOSPC:
                raise full_disk(self._path, str(exc)) from exc
            # The engine raises bare Exception, and PanicException (no Exception) where Rust code gave up.
            if type(exc) is not Exception and type(exc).__name__ != "PanicException":
                raise
            if says_full(exc):
                raise full_disk(self._path, str(exc)) from exc
            raise ArchiveCorrupt(
                f"The index in {self._path} {what}: {str(exc).splitlines()[0][:300]}.",
                hint="Delete its folder and ingest again; pages that were read before are not read twice.",
            ) from exc
