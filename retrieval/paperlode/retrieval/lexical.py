"""Text to sparse vectors for BM25, English and Chinese.

A document's vector holds the saturated term frequencies of BM25, a question's vector ones; the index multiplies by the
inverse document frequency (Qdrant's IDF modifier). Length is normalised by a fixed average, so a text's vector depends
on nothing but the text.

Tokens: NFKC and lower case; numbers whole and without thousands separators (``$1,284.50`` is ``1284.50``); words
without English stop words and plural endings (full stemming found no more, measured on 1,071 questions). Chinese is made
simplified, then gives words by jieba (long ones with their parts) and beside them its characters: a question often shares
only a character with the page, which has another word for it (``docs/benchmarks.md``). Figures in words and the numbers
of clauses are given in digits as well. A term's index is the CRC-32 of its UTF-8 bytes.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any
from zlib import crc32

from .chinese import clauses, numerals, simplified
from .scripts import CJK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["VERSION", "SparseVector", "sparse_document", "sparse_page", "sparse_query", "term_counts", "tokens"]

VERSION = 3
"""Raised when the same text gives another vector; stored with an index."""

K1 = 1.2
B = 0.75
CHUNK_TERMS = 100
"""Terms of a chunk of 200 word pieces, stop words dropped: the length that BM25 takes for average."""
PAGE_TERMS = 300
"""The same for a page."""
NOT_CHINESE = "\u2e80"
"""Chinese has characters from here on, also before they are normalised; a text without any is read word by word."""
LONGEST_KEPT = 64
"""Characters of a word, or of a run of ideographs, whose terms are remembered."""


@cache
def _token(ideographs: str) -> re.Pattern[str]:
    """What a term looks like in a text with ``ideographs`` (the inside of a character class) that may stand beside words."""
    return re.compile(
        r"(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)"  # 1,284,563.45
        rf"|\d+(?:\.\d+)*(?:(?=[{ideographs}])|(?![^\W_])))"  # 2022, 3.5, clause 4.2.1, 1284万
        rf"|(?P<cjk>[{ideographs}]+)"
        rf"|(?:(?![{ideographs}])[^\W_])+"  # words, also q4, fy2022, 10k
    )


_POSSESSIVE = re.compile(r"['’]s\b")
_ENGLISH = """
a about above after again all also am an and any are as at be because been before being below between both but by can
could d did do does doing down during each few for from further had has have having he her here hers him his how i if in
into is it its itself just me more most my no nor not of off on once only or other our out over own same she should so
some such t than that the their them then there these they this those through to too under until up very was we were
what when where which while who whom whose why will with would you your
"""
_CHINESE = """
的 了 和 是 在 与 及 或 等 为 于 对 中 其 之 以 由 从 到 而 并 被 将 这 那 该 也 都 有 吗 呢 什么 多少 哪些 如何 请问
"""
_STOP_WORDS = frozenset(_ENGLISH.split() + _CHINESE.split())


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Distinct ``indices`` (unsigned 32 bits, ascending) and their ``values``."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


def tokens(text: str) -> Iterator[str]:
    """The terms of ``text``, repeats included: clauses by number, then the rest in order."""
    words = text.split()
    if (text.isascii() or max(text) < NOT_CHINESE) and max(map(len, words), default=0) <= LONGEST_KEPT:
        return chain.from_iterable(
            map(_terms_of_word, words)
        )  # no term, and nothing that changes one, goes over a space
    return _terms(text)


@lru_cache(maxsize=1 << 15)
def _terms_of_word(word: str) -> tuple[str, ...]:
    return tuple(_terms(word))


def _terms(text: str) -> Iterator[str]:
    plain = _POSSESSIVE.sub("", unicodedata.normalize("NFKC", text).lower()).replace(
        "〇", "零"
    )  # which is an ideograph
    if "第" in plain:
        yield from clauses(plain)
    chinese = not plain.isascii() and max(plain) >= CJK[0]
    for match in _token(CJK if chinese else CJK[0]).finditer(plain):  # the whole class is slow to compile
        token = match[0]
        if match["number"]:
            yield token.replace(",", "")
        elif match["cjk"]:
            yield from _chinese(token) if len(token) > LONGEST_KEPT else _terms_of_run(token)
        elif token not in _STOP_WORDS:
            yield stem(token)


@lru_cache(maxsize=1 << 10)  # enough for a page or two, whose text is read for its chunks, their pairs and their pages
def _terms_of_run(run: str) -> tuple[str, ...]:
    return tuple(_chinese(run))


def _chinese(run: str) -> Iterator[str]:
    """The words of a run of ideographs, its characters, and the values of its figures."""
    run = simplified(run)
    yield from (t for t in _segmenter()(run) if len(t) > 1 and t not in _STOP_WORDS)
    yield from (c for c in run if c not in _STOP_WORDS)
    yield from numerals(run)


def term_counts(text: str) -> Counter[int]:
    """How often each term stands in ``text``, by its index."""
    return Counter(map(_index, tokens(text)))


def sparse_document(text: str) -> SparseVector:
    """BM25 weights of a chunk's text without the inverse document frequency; empty for a text without terms."""
    return _weights(term_counts(text), CHUNK_TERMS)


def sparse_page(counts: Counter[int]) -> SparseVector:
    """The same for a whole page, from the sum of its chunks' ``term_counts``."""
    return _weights(counts, PAGE_TERMS)


def sparse_query(text: str) -> SparseVector:
    """Every distinct term of ``text`` with weight 1."""
    return _vector(dict.fromkeys(_indices(tokens(text)), 1.0))


def _weights(counts: Counter[int], average: int) -> SparseVector:
    norm = K1 * (1 - B + B * counts.total() / average)
    return _vector({i: n * (K1 + 1) / (n + norm) for i, n in counts.items()})


def _vector(weights: dict[int, float]) -> SparseVector:
    indices = tuple(sorted(weights))
    return SparseVector(indices, tuple(weights[i] for i in indices))


def _indices(terms: Iterable[str]) -> Iterator[int]:
    return map(_index, terms)


@lru_cache(maxsize=1 << 15)
def _index(token: str) -> int:
    return crc32(token.encode())


def stem(word: str) -> str:
    """An English word without its plural ending; figures, codes and short words stay as they are."""
    if len(word) < 4 or word[-1] != "s" or not (word.isascii() and word.isalpha()):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "ches", "shes", "xes", "zes")):
        return word[:-2]
    return word if word.endswith(("ss", "us", "is")) else word[:-1]


@lru_cache(maxsize=1)
def _segmenter() -> Any:
    """Jieba in search mode, quiet; its dictionary (1 s to read) is kept compiled in our cache folder."""
    import logging
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jieba's own source: pkg_resources, invalid escapes
        import jieba

    jieba.setLogLevel(logging.CRITICAL)
    if folder := _cache_folder():
        tokenizer: Any = jieba.dt
        tokenizer.tmp_dir = folder
    return jieba.cut_for_search


def _cache_folder() -> str | None:
    """``PAPERLODE_CACHE``, or ``paperlode`` in the user's cache folder; None where it cannot be made."""
    import os
    from pathlib import Path

    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(os.environ.get("PAPERLODE_CACHE") or Path(home) / "paperlode")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return str(folder)
