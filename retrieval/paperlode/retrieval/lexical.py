"""Text to sparse vectors for BM25, English and Chinese.

A document's vector holds the saturated term frequencies of BM25, a question's vector ones; the index multiplies by the
inverse document frequency (Qdrant's IDF modifier). Length is normalised by a fixed average, so a document's vector
depends on nothing but its text.

Tokens: NFKC and lower case; numbers whole and without thousands separators (``$1,284.50`` is ``1284.50``); English
words without stop words, plural and verb endings folded; Chinese words by jieba, longer words with their parts.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zlib import crc32

from .embedding import is_cjk

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["VERSION", "SparseVector", "sparse_document", "sparse_query", "tokens"]

VERSION = 1
"""Raised when the same text gives another vector; stored with an index."""

K1 = 1.2
B = 0.75
AVERAGE_LENGTH = 100
"""Tokens after stop words of a 200-word-piece chunk: the fixed length that BM25 compares with."""

_TOKEN = re.compile(
    r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)"  # 1,284,563.45
    r"|\d+(?:\.\d+)*(?![^\W\d_])"  # 2022, 3.5, clause 4.2.1
    r"|[^\W_]+"  # words, also q4, fy2022, 10k
)
_STOP_WORDS = frozenset(
    ["a", "about", "above", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because", "been", "before", "being", "below", "between", "both", "but", "by", "can", "could", "did", "do", "does", "doing", "down", "during", "each", "few", "for", "from", "further", "had", "has", "have", "having", "he", "her", "here", "hers", "him", "his", "how", "i", "if", "in", "into", "is", "it", "its", "itself", "just", "me", "more", "most", "my", "no", "nor", "not", "of", "off", "on", "once", "only", "or", "other", "our", "out", "over", "own", "per", "same", "shall", "she", "should", "so", "some", "such", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those", "through", "to", "too", "under", "until", "up", "us", "very", "was", "we", "were", "what", "when", "where", "which", "while", "who", "whom", "why", "will", "with", "would", "you", "your", "的", "了", "和", "是", "在", "与", "及", "或", "等", "为", "于", "对", "中", "其", "之", "以", "由", "从", "到", "而", "并", "被", "将", "这", "那", "该", "也", "都", "有", "吗", "呢", "什么", "多少", "哪些", "如何", "请问"]
)


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Distinct ``indices`` (unsigned 32 bits, ascending) and their ``values``."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


def tokens(text: str) -> Iterator[str]:
    """The terms of ``text`` in order, repeats included; of a long Chinese word its parts as well."""
    for match in _TOKEN.finditer(unicodedata.normalize("NFKC", text).lower()):
        token = match[0]
        if token[0].isdigit():
            yield token.replace(",", "")
        elif any(map(is_cjk, token)):
            yield from (t for t in _segmenter()(token) if t not in _STOP_WORDS)
        elif token not in _STOP_WORDS:
            yield stem(token)


def sparse_document(text: str) -> SparseVector:
    """BM25 weights of ``text`` without the inverse document frequency; empty for a text without terms."""
    counts = Counter(_index(t) for t in tokens(text))
    norm = K1 * (1 - B + B * counts.total() / AVERAGE_LENGTH)
    return _vector({i: n * (K1 + 1) / (n + norm) for i, n in counts.items()})


def sparse_query(text: str) -> SparseVector:
    """Every distinct term of ``text`` with weight 1."""
    return _vector(dict.fromkeys(map(_index, tokens(text)), 1.0))


def _vector(weights: dict[int, float]) -> SparseVector:
    indices = tuple(sorted(weights))
    return SparseVector(indices, tuple(weights[i] for i in indices))


def _index(token: str) -> int:
    return crc32(token.encode())


@lru_cache(maxsize=1 << 15)
def stem(word: str) -> str:
    """An English word without its plural or verb ending; cautious: figures and short words stay as they are."""
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "ches", "shes", "xes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return word


@lru_cache(maxsize=1)
def _segmenter() -> Any:
    import jieba

    return jieba.cut_for_search
