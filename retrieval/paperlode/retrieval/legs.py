"""A hybrid query as the engines run it: one search for each vector, whose results are put together by chunk."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from .glossary import NAMED
from .index import HAS_LABEL, Filter, Scored
from .points import DENSE, LEXICAL, MEANT, PAGE, PAIRS, ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .index import HybridQuery

__all__ = ["Leg", "legs_of", "meaning_legs", "put_together", "trait_legs", "word_legs"]

SCORES = ("dense", "lexical", "page", "row", "pairs", "wanted")
"""Scores of ``Scored``, in its order."""
WANTED = "wanted"


@dataclass(frozen=True, slots=True)
class Leg:
    """One search by one vector.

    Attributes:
        score: which score of ``Scored`` it gives, or which trait.
        using: name of the stored vector.
        vector: a list of floats, a list of one such list for rows, or a ``SparseVector``; None looks for a trait.
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
    return [*word_legs(query), *meaning_legs(query)]


def word_legs(query: HybridQuery) -> list[Leg]:
    """The searches by words: nothing of them waits for the vector of meaning."""
    legs: list[Leg] = []
    corpus = query.filter.documents
    terms = query.sparse if query.sparse is not None and query.sparse.indices else None
    for only in _filters(query):
        if terms is not None:
            legs.append(Leg("lexical", LEXICAL, terms, only, corpus))
            legs.append(Leg("page", PAGE, terms, only, corpus))
        for score, using, vector in (("pairs", PAIRS, query.pairs), (WANTED, LEXICAL, query.wanted)):
            if vector is not None and vector.indices:
                legs.append(Leg(score, using, vector, only, corpus))
        if terms is not None and query.dense is None:
            legs += [Leg("lexical", LEXICAL, terms, narrow, corpus) for narrow in _narrower(query, only)]
    return legs


def meaning_legs(query: HybridQuery) -> list[Leg]:
    """The searches by meaning; the query's vector is waited for."""
    meaning = query.meaning
    if meaning is None:
        return []
    asked = meaning.tolist()
    legs: list[Leg] = []
    for only in _filters(query):
        # Only furniture has no such vector: a filter for the other layers would double the time of this leg.
        wide = replace(only, layers=()) if set(only.layers) == MEANT else only
        legs += [Leg("dense", DENSE, asked, wide), Leg("row", ROWS, [asked], wide)]
        legs += [Leg("dense", DENSE, asked, narrow) for narrow in _narrower(query, only)]
    return legs


def trait_legs(query: HybridQuery) -> list[Leg]:
    """Which of the candidates have what is asked for: to be asked among them alone.

    An engine's indexes of payload tell it. Reading the payload takes longer than finding what it belongs to: 10 to 30 ms for 400
    candidates of 200,000 chunks.
    """
    roles = [name for role in query.roles for name in (role, role + NAMED)]
    traits = [Leg(role, "", None, Filter(roles=(role,))) for role in roles]
    return [*traits, Leg(HAS_LABEL, "", None, Filter(labels=query.labels))] if query.labels else traits


def _filters(query: HybridQuery) -> list[Filter]:
    """Where to search: everywhere that is asked for, and once more in the documents preferred."""
    own = query.filter
    return [own, replace(own, documents=query.prefer)] if query.prefer and not own.documents else [own]


def _narrower(query: HybridQuery, only: Filter) -> Iterator[Filter]:
    if query.roles:
        yield replace(only, roles=query.roles)
    if query.labels:
        yield replace(only, labels=query.labels)


K = TypeVar("K", bound=Hashable)


def put_together(
    legs: Iterable[Leg], found: Iterable[Iterable[tuple[K, float]]], name: Callable[[K], str]
) -> list[Scored]:
    """The candidates of all legs, each once.

    Args:
        legs: as they were run.
        found: for each leg keys and scores of the chunks it found.
        name: a key's chunk id.
    """
    scores: dict[K, list[float | None]] = {}
    traits: dict[K, tuple[str, ...]] = {}
    for leg, points in zip(legs, found, strict=True):
        if leg.vector is None:
            for i, _ in points:
                traits[i] = (*traits.get(i, ()), leg.score)
            continue
        place = SCORES.index(leg.score)
        for i, score in points:
            own = scores.get(i)
            if own is None:
                own = scores[i] = [None] * len(SCORES)
            own[place] = score
    return [Scored._make((name(i), *own, traits.get(i, ()))) for i, own in scores.items()]
