"""A hybrid query as the engines run it: one search for each vector, whose results are put together by chunk."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from .index import Filter, Scored
from .points import DENSE, LEXICAL, MEANT, PAGE, PAIRS, ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .index import HybridQuery

__all__ = ["FACTS", "Leg", "legs_of", "put_together"]

FACTS = ["document", "roles", "labels"]
"""Payload fields that a candidate is judged by, beside its scores."""
WANTED = "wanted"


@dataclass(frozen=True, slots=True)
class Leg:
    """One search by one vector.

    Attributes:
        score: which score of ``Scored`` it gives.
        using: name of the stored vector.
        vector: a list of floats, a list of one such list for rows, or a ``SparseVector``.
        filter: which chunks count.
        corpus: digests of the documents in which it is counted how rare a term is; all when empty.
    """

    score: str
    using: str
    vector: Any
    filter: Filter
    corpus: tuple[str, ...] = ()


def legs_of(query: HybridQuery) -> list[Leg]:
    """The searches that a query asks for; none when it has no vector."""
    legs = list(_of_all(query, query.filter))
    if query.prefer and not query.filter.documents:
        legs += _of_all(query, replace(query.filter, documents=query.prefer))
    return legs


def _of_all(query: HybridQuery, only: Filter) -> Iterator[Leg]:
    corpus = query.filter.documents
    terms = query.sparse if query.sparse is not None and query.sparse.indices else None
    if query.dense is not None:
        # Only furniture has no such vector: a filter for the other layers would double the time of this leg.
        wide = replace(only, layers=()) if set(only.layers) == MEANT else only
        asked = query.dense.tolist()
        yield Leg("dense", DENSE, asked, wide)
        yield Leg("row", ROWS, [asked], wide)
    if terms is not None:
        yield Leg("lexical", LEXICAL, terms, only, corpus)
        yield Leg("page", PAGE, terms, only, corpus)
    for score, using, vector in (("pairs", PAIRS, query.pairs), (WANTED, LEXICAL, query.wanted)):
        if vector is not None and vector.indices:
            yield Leg(score, using, vector, only, corpus)
    narrower = [replace(only, roles=query.roles)] if query.roles else []
    narrower += [replace(only, labels=query.labels)] if query.labels else []
    for narrow in narrower:
        if query.dense is not None:
            yield Leg("dense", DENSE, query.dense.tolist(), narrow)
        elif terms is not None:
            yield Leg("lexical", LEXICAL, terms, narrow, corpus)


K = TypeVar("K", bound=Hashable)


def put_together(
    legs: Iterable[Leg],
    found: Iterable[Iterable[tuple[K, float]]],
    facts: Mapping[K, Mapping[str, Any]],
    name: Callable[[K], str],
) -> list[Scored]:
    """The candidates of all legs, each once.

    Args:
        legs: as they were run.
        found: for each leg keys and scores of the chunks it found.
        facts: for each key that counts its payload's ``FACTS``; others are left out.
        name: a key's chunk id.
    """
    scores: dict[K, dict[str, float]] = {}
    for leg, points in zip(legs, found, strict=True):
        for i, score in points:
            scores.setdefault(i, {})[leg.score] = score
    return [
        Scored(
            name(i),
            s.get("dense"),
            s.get("lexical"),
            s.get("page"),
            s.get("row"),
            s.get("pairs"),
            s.get(WANTED),
            facts[i]["document"],
            tuple(facts[i].get("roles") or ()),
            tuple(facts[i].get("labels") or ()),
        )
        for i, s in scores.items()
        if i in facts
    ]
