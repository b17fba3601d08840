"""Further sparse vectors of chunks and questions: pairs of neighbouring terms, and line items that a question asks for."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING
from zlib import crc32

from .lexical import SparseVector, term_counts, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["sparse_pairs", "sparse_wanted"]


PAIR_TERMS = 1 << 18
"""How many pairs are told apart: each segment of an index keeps a list of all there are, and reads it when it is opened (4 MB,
and 17 MB with four times as many, which took .3 s). A chunk of a hundred pairs has one of a question's by chance once in 2,600
chunks; what is found is the same with 2^20, 2^18 and 2^17 (docs/benchmarks.md)."""


def sparse_pairs(text: str) -> SparseVector:
    """Each distinct pair of terms that follow one another, with weight 1: what was said together."""
    indices = tuple(sorted({pair_term(a, b) for a, b in pairwise(tokens(text))}))
    return SparseVector(indices, (1.0,) * len(indices))


def pair_term(first: str, second: str) -> int:
    """The index of a pair of terms: the lower bits of the CRC-32 of both with a space between."""
    return crc32(f"{first} {second}".encode()) % PAIR_TERMS


def sparse_wanted(phrases: Mapping[str, float]) -> SparseVector:
    """Every term of the phrases, with the weight of the strongest phrase it stands in."""
    weights: dict[int, float] = {}
    for phrase, weight in phrases.items():
        for term in term_counts(phrase):
            weights[term] = max(weights.get(term, 0.0), weight)
    indices = tuple(sorted(weights))
    return SparseVector(indices, tuple(weights[i] for i in indices))
