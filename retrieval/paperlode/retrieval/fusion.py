"""Candidates to one ranking: every kind of score measured in standard deviations, weighted, and added.

The weights were chosen on development questions of annual reports and contracts; docs/search.md has the method, the figures
and what was tried. They lie on a plateau: halving or doubling one of the small ones moves few questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from paperlode.ingest.document import document_mark, mark_of

from .glossary import NAMED
from .index import HAS_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .cards import CardFit
    from .index import Scored
    from .understanding import Understood

__all__ = ["Candidate", "Weights", "fuse"]

_NO_SPREAD = 1e-9
_STATEMENT = 1.5
"""Worth of a chunk that has a role by what it contains and is also called by it, beside 1 for either the first alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What each kind of evidence counts; the first seven in standard deviations over the candidates, the others as they are.

    Attributes:
        dense: meaning of the chunk. row: of its best table row.
        lexical: words of the chunk. page: of its page. pairs: neighbouring words.
        wanted: words of the line items and phrases that would answer, times the strength of the notion.
        document: words of the whole document.
        role: the chunk is of a kind that answers, times the strength of the notion.
        label: the chunk has the clause number or defines the term asked for.
        name, period, quarter, kind: of the document's card, see ``CardFit``.
    """

    dense: float = 0.5
    row: float = 0.12
    lexical: float = 0.25
    page: float = 0.3
    pairs: float = 0.1
    wanted: float = 0.3
    document: float = 0.45
    role: float = 0.9
    label: float = 0.5
    name: float = 0.6
    period: float = 0.8
    quarter: float = 0.6
    kind: float = 0.3


class Candidate(NamedTuple):
    """A chunk's id, its fused score, and the roles that were asked for and that it has."""

    id: str
    score: float
    roles: tuple[str, ...] = ()


def fuse(
    candidates: Sequence[Scored],
    understood: Understood,
    *,
    depth: int,
    documents: Mapping[str, tuple[float, CardFit]] | None = None,
    readable: float = 1.0,
    weights: Weights | None = None,
) -> list[Candidate]:
    """The candidates, best first, equal scores by id.

    A score that a candidate lacks counts as the lowest of a list that was cut at ``depth`` (the true one is not higher), and
    as 0 where the list was not full.

    Args:
        candidates: with their scores.
        understood: what the question asks.
        depth: candidates asked for by each vector.
        documents: by digest score and card of the documents found for the question as a whole; none where one is searched.
        readable: share of the question that the embedding model can read: as much less counts its meaning, and as much
            more its words.
        weights: None for the default.
    """
    import numpy as np

    if not candidates:
        return []
    w = weights or Weights()
    marked = {
        document_mark(digest): (
            score,
            w.name * card.name + w.period * card.period + w.quarter * card.quarter + w.kind * card.kind,
        )
        for digest, (score, card) in (documents or {}).items()
    }
    own = [marked.get(mark_of(c.id), (None, 0.0)) for c in candidates] if marked else [(None, 0.0)] * len(candidates)
    words = w.dense / 2 * (1 - readable)
    roles = understood.roles
    scores = np.array(
        [
            (*c[1:7], score)  # dense, lexical, page, row, pairs, wanted: as ``Scored`` has them
            for c, (score, _) in zip(candidates, own, strict=True)
        ],
        dtype=np.float64,  # None becomes NaN
    )
    missing = np.isnan(scores)
    given = len(candidates) - missing.sum(axis=0)
    lowest = np.where(given >= depth, np.where(missing, np.inf, scores).min(axis=0), 0.0)
    scores = np.where(missing, lowest, scores)
    spread = scores.std(axis=0)
    usable = (given > 0) & (spread > _NO_SPREAD)
    standard = np.where(usable, (scores - scores.mean(axis=0)) / np.where(usable, spread, 1.0), 0.0)
    by_score = standard @ np.array(
        (
            w.dense * readable,
            w.lexical + words,
            w.page + words,
            w.row * readable,
            w.pairs,
            w.wanted * understood.strength,
            w.document,
        )
    )
    by_traits = [
        w.role * _role(c.traits, roles) + w.label * (HAS_LABEL in c.traits) if c.traits else 0.0 for c in candidates
    ]
    total = (by_score + by_traits + [of_card for _, of_card in own]).tolist()
    order = sorted((-score, c.id, c.traits) for score, c in zip(total, candidates, strict=True))
    return [
        Candidate(point, -score, tuple(r for r in roles if r in traits) if traits else ())
        for score, point, traits in order
    ]


def _role(of_chunk: Sequence[str], asked: Mapping[str, float]) -> float:
    return max(
        (s * (_STATEMENT if r + NAMED in of_chunk else 1.0) for r, s in asked.items() if r in of_chunk), default=0.0
    )
