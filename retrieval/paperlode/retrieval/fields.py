"""Further sparse vectors of chunks and questions: pairs of neighbouring terms, and line items that a question asks for."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING
from zlib import crc32

from .lexical import SparseVector, term_counts, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["sparse_pairs", "sparse_wanted"]


def sparse_pairs(text: str) -> SparseVector:
    """Each distinct pair of terms that follow one another, with weight 1: what was said together."""
    indices = tuple(sorted({crc32(f"{a} {b}".encode()) for a, b in pairwise(tokens(text))}))
    return SparseVector(indices, (1.0,) * len(indices))


def sparse_wanted(phrases: Mapping[str, float]) -> SparseVector:
    """Every term of the phrases, with the weight of the strongest phrase it stands in."""
    weights: dict[int, float] = {}
    for phrase, weight in phrases.items():
        for term in term_counts(phrase):
            weights[term] = max(weights.get(term, 0.0), weight)
    indices = tuple(sorted(weights))
    return SparseVector(indices, tuple(weights[i] for i in indices))
