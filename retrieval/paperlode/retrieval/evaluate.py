"""How good ranked pages and cited pages are: metrics of one question, estimates over many, two runs compared.

A ranked page is right when its document and one of its pages are evidence of the question. ``hit@k``: whether one of the best k
is right; ``MRR@10``: 1 / rank of the first right one of the best ten, else 0; ``all pages@10``: share of the evidence pages among
the best ten; ``right document@1``: whether the best is of the right document. Nothing found scores 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "ALL_PAGES",
    "DEPTH",
    "KS",
    "MRR",
    "RIGHT_DOCUMENT",
    "Comparison",
    "Estimate",
    "Ranked",
    "citation_metrics",
    "compare",
    "document_metrics",
    "estimate",
    "page_metrics",
    "rank_of",
    "sign_test",
]

DEPTH = 10
"""Ranked pages that count."""
KS = (1, 3, 5, 10)
MRR, ALL_PAGES, RIGHT_DOCUMENT = "MRR@10", "all pages@10", "right document@1"
RESAMPLES = 2000
TAIL = 0.025
"""On each side of a 95 % interval."""

Place = tuple[str, int]
"""Document and 0-based page."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A ranked item: its document, and the 0-based pages it stands on."""

    document: str
    pages: tuple[int, ...]

    @property
    def places(self) -> frozenset[Place]:
        """Its pages with their document."""
        return frozenset((self.document, p) for p in self.pages)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The mean of a metric over ``n`` questions, with its 95 % interval."""

    name: str
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric of two runs over the same ``n`` questions.

    Attributes:
        value, against: the means of the one and of the other. difference: the one less the other.
        low, high: 95 % interval of the difference (paired bootstrap).
        better, worse: questions on which the one is better, worse.
        p: of the two-sided sign test over these.
    """

    name: str
    value: float
    against: float
    difference: float
    low: float
    high: float
    better: int
    worse: int
    p: float
    n: int


def page_metrics(evidence: frozenset[Place], ranked: Sequence[Ranked]) -> dict[str, float]:
    """``hit@k``, ``MRR@10`` and ``all pages@10`` of one question whose ``evidence`` is not empty."""
    rank = rank_of(evidence, ranked[:DEPTH])
    found = evidence & {place for item in ranked[:DEPTH] for place in item.places}
    return {
        **{f"hit@{k}": float(rank is not None and rank <= k) for k in KS},
        MRR: 1 / rank if rank else 0.0,
        ALL_PAGES: len(found) / len(evidence),
    }


def document_metrics(document: str, ranked: Sequence[Ranked]) -> dict[str, float]:
    """``right document@1`` of one question."""
    return {RIGHT_DOCUMENT: float(bool(ranked) and ranked[0].document == document)}


def rank_of(evidence: frozenset[Place], ranked: Sequence[Ranked]) -> int | None:
    """The rank of the first right item, from 1; None where none is right."""
    return next((n for n, item in enumerate(ranked, 1) if item.places & evidence), None)


def citation_metrics(evidence: frozenset[Place], cited: Sequence[frozenset[Place]]) -> dict[str, float]:
    """Of the citations of one answer: the share that stands on an evidence page, and the share of evidence pages cited.

    Args:
        evidence: not empty.
        cited: the places of each citation; with none there is no precision, and recall is 0.
    """
    recall = len(evidence & frozenset().union(*cited)) / len(evidence)
    if not cited:
        return {"citation recall": recall}
    return {"citation precision": sum(bool(c & evidence) for c in cited) / len(cited), "citation recall": recall}


def estimate(name: str, values: Sequence[float], *, seed: int = 0) -> Estimate:
    """The mean with its bootstrap interval over questions; the same seed gives the same interval.

    Where all values are 0, or all are 1, a bootstrap sees no spread: the exact binomial bound is given.
    """
    import numpy as np

    scores = np.asarray(values, dtype=np.float64)
    low, high = _interval(scores, seed)
    if not scores.any():
        high = 1 - TAIL ** (1 / len(scores))
    elif (scores == 1).all():
        low = TAIL ** (1 / len(scores))
    return Estimate(name, float(scores.mean()), low, high, len(scores))


def compare(
    name: str, values: Mapping[str, float], against: Mapping[str, float], *, seed: int = 0
) -> Comparison | None:
    """Two runs on the questions that both have, by id; None where they share none."""
    import numpy as np

    both = [q for q in values if q in against]
    if not both:
        return None
    a, b = np.array([values[q] for q in both]), np.array([against[q] for q in both])
    low, high = _interval(a - b, seed)
    better, worse = int((a > b).sum()), int((a < b).sum())
    means = float(a.mean()), float(b.mean())
    return Comparison(name, *means, means[0] - means[1], low, high, better, worse, sign_test(better, worse), len(both))


def sign_test(better: int, worse: int) -> float:
    """Two-sided p of the exact sign test; ties are left out."""
    n = better + worse
    if not n:
        return 1.0
    whole = math.lgamma(n + 1) - n * math.log(2)
    tail = sum(math.exp(whole - math.lgamma(i + 1) - math.lgamma(n - i + 1)) for i in range(min(better, worse) + 1))
    return min(1.0, 2 * tail)


def _interval(values: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """2.5 and 97.5 percent of the means of resamples."""
    import numpy as np

    rng = np.random.default_rng(seed)
    n = len(values)
    means = [values[rng.integers(0, n, n)].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [TAIL, 1 - TAIL])
    return float(low), float(high)
