"""Where a text may be cut: at sentence ends, else at clause marks, else between words, else anywhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Span", "TokenCounter", "cut", "first_words", "sentences"]

Span = tuple[int, int]
"""Start and end (exclusive) of a stretch of text, in characters; it neither starts nor ends with white space."""

_END = re.compile(r"[.!?]+[\"'”’)\]]*(?=\s+[\"'“‘(\[]*[^\W_a-z])|[。！？]+[”’）】」』]*|[.!?…]+[\"'”’)\]]*\s*\n")
_NO_END = re.compile(
    r"(?:^|[\s(“\"])(?:[A-Za-z]|Inc|Corp|Co|Ltd|No|Nos|Mr|Mrs|Ms|Dr|Jr|Sr|St|vs|v|e\.g|i\.e|U\.S|U\.K|Art|Sec|Fig|Eq|Tab|cf|al|approx"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|pp?|ca|Vol|\d{1,3}(?:\.\d{1,3})*)\.$"
)
_CLAUSE = re.compile(r"[;:,；：，、]\s*|\s[–—]\s|\n")
_SPACE = re.compile(r"\s+")
_CELL = re.compile(r" \| ")


class TokenCounter(Protocol):
    """Counts as the embedder does. Every ``Embedder`` is one."""

    @property
    def max_tokens(self) -> int:
        """Most tokens the embedder reads, special tokens included."""
        ...

    def count(self, text: str) -> int:
        """Tokens of the text, special tokens included, without any cut."""
        ...


def trimmed(text: str, start: int, end: int) -> Span:
    """The stretch without white space at its ends; empty (``start == end``) when there is nothing else."""
    part = text[start:end]
    lead = len(part) - len(part.lstrip())
    return (start, start) if lead == len(part) else (start + lead, start + len(part.rstrip()))


def sentences(text: str, start: int = 0, end: int | None = None, *, by_line: bool = False) -> list[Span]:
    """The sentences of a stretch, in order; nothing but white space lies between them.

    Abbreviations, initials and the number of a clause do not end a sentence. With ``by_line`` each line is one.
    """
    end = len(text) if end is None else end
    out: list[Span] = []
    at = start
    for m in (re.compile(r"\n") if by_line else _END).finditer(text, start, end):
        stop = m.end()
        if not by_line and m.group()[0] == "." and _NO_END.search(text, max(at, m.start() - 14), m.start() + 1):
            continue
        s, e = trimmed(text, at, stop)
        if s < e:
            out.append((s, e))
            at = stop
    s, e = trimmed(text, at, end)
    if s < e:
        out.append((s, e))
    return out


def cut(
    text: str, start: int, end: int, *, size: Callable[[str], int], limit: int, cells: bool = False
) -> list[tuple[Span, int]]:
    """The stretch in pieces of at most ``limit`` tokens, halved at the best place near the middle, with their sizes.

    ``cells`` prefers the marks between table cells. A single character is never cut, whatever its size.
    """
    s, e = trimmed(text, start, end)
    if s >= e:
        return []
    tokens = size(text[s:e])
    if tokens <= limit or e - s < 2:
        return [((s, e), tokens)]
    at = _halfway(text, s, e, cells=cells)
    return [
        *cut(text, s, at, size=size, limit=limit, cells=cells),
        *cut(text, at, e, size=size, limit=limit, cells=cells),
    ]


def _halfway(text: str, start: int, end: int, *, cells: bool) -> int:
    """The best place to cut in two: of the best sort of mark that stands in the middle half, the most central."""
    quarter = (end - start) // 4
    lo, hi, middle = start + quarter, end - quarter, (start + end) // 2
    for pattern in (*((_CELL,) if cells else ()), _END, _CLAUSE, _SPACE):
        places = [m.end() for m in pattern.finditer(text, lo, hi) if start < m.end() < end]
        if places:
            return _nearest(places, middle)
    spaces = [m.end() for m in _SPACE.finditer(text, start, end) if start < m.end() < end]
    if spaces and (end - start) < 200:
        return _nearest(spaces, middle)
    return max(start + 1, middle)


def _nearest(places: list[int], middle: int) -> int:
    return min(places, key=lambda p: (abs(p - middle), p))


def first_words(text: str, *, size: Callable[[str], int], limit: int) -> str:
    """A start of the text, ended with ``…``, of at most ``limit`` tokens; cut between words where one ends nearby.

    The whole text when it fits; empty when not even one character does.
    """
    if size(text) <= limit:
        return text
    lo, hi = 0, len(text) - 1
    while lo < hi:
        mid = (lo + hi + 1) // 2
        if size(text[:mid].rstrip() + "…") <= limit:
            lo = mid
        else:
            hi = mid - 1
    start = text[:lo].rstrip()
    word = (
        start.rsplit(maxsplit=1)[0] if len(start.split()) > 1 and lo < len(text) and not text[lo].isspace() else start
    )
    if len(start) - len(word) <= 15 and size(word + "…") <= limit:
        start = word
    return start + "…" if start else ""
