"""Terms that a document defines, and where they are used afterwards.

Patterns are bounded, so the time is linear in the text. Terms are compared in their own capitals and as whole words,
with single spaces.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["MOST_TERMS", "Glossary", "defined_terms"]

MOST_TERMS = 2000
"""Terms a document is known by; the first ones count."""
LONGEST = 80
"""Characters of a term."""

_QUOTED = r"(?:[“\"「『„]|''|``)(?P<term>[^“”\"「」『』„\n;]{1,80}?),?(?:[”\"」』“]|'')"
_MEANS = re.compile(
    rf"{_QUOTED}(?:\s{{0,3}}(?:or|and)\s{{0,3}}[“\"][^“”\"\n]{{1,80}}[”\"])?"
    r"(?:\s{0,3},?\s{0,3}(?:(?:as|when) used (?:herein|in this \w{1,20})|with respect to [^“”\".;]{1,80}|of [^“”\".;]{1,60}),?)?"
    r"(?:\s{0,3}\([^()\n]{1,80}\))?"
    r"\s{0,3}(?::|(?:shall |will |also |is hereby )?"
    r"(?:means?|refers? to|ha(?:ve|s) the (?:same )?meanings?|(?:is )?defined|includes?)"
    r"\b|是指|系指|意指|指)"
)
_TERM = re.compile(_QUOTED)
_BRACKET = re.compile(r"[(（](?P<inside>[^()（）\n]{2,240})[)）]")
_WORDS = re.compile(r"[a-z]+")
_FILLING = frozenset(
    {
        "a", "also", "an", "and", "any", "as", "be", "called", "collectively", "defined", "each", "either", "hereafter", "herein",
        "hereinafter", "in", "individually", "its", "jointly", "known", "or", "party", "parties", "referred", "respectively",
        "simply", "singularly", "sometimes", "such", "the", "these", "this", "to", "together", "under", "with", "being", "all",
        "both", "every", "term", "terms", "company", "agreement", "is", "are", "may", "for", "purposes", "of", "which",
        "below",
    }
)  # fmt: skip
"""Small words that stand with a term in brackets: ``(hereinafter referred to as the "Company")``."""
_CHINESE = re.compile(
    r"(?:以下|下文|下称|简称|合称|统称|以下简称|以下统称)(?:均|统|简|合)?(?:称)?(?:为|作)?[:：]?\s{0,2}"
    r"[“\"「『](?P<term>[^“”\"「」『』\n]{1,40})[”\"」』]"
)
_TOKEN = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")
_BEGINS = re.compile(r"[A-Z0-9]|[\u3400-\u9fff]")
_COMMON = frozenset({"A", "An", "The", "This", "Yes", "No", "I", "And", "Or", "N/A", "As Is", "as is", "AS IS"})


def defined_terms(text: str) -> tuple[str, ...]:
    """The terms a text defines, in order, each once: ``"Product" means ...``, ``(the "Company")``, ``（以下简称“甲方”）``.

    A term begins with a capital, a digit or a Chinese character.
    """
    if not any(c in text for c in "“\"「『„`'"):
        return ()
    found = [(m.start("term"), m["term"]) for m in _MEANS.finditer(text)]
    found += [(m.start("term"), m["term"]) for m in _CHINESE.finditer(text)]
    found += _in_brackets(text)
    return tuple(dict.fromkeys(t for _, raw in sorted(found) if (t := _clean(raw))))


def _in_brackets(text: str) -> Iterator[tuple[int, str]]:
    for m in _BRACKET.finditer(text):
        inside, at = m["inside"], 0
        terms: list[tuple[int, str]] = []
        rest = ""
        for q in _TERM.finditer(inside):
            terms.append((m.start("inside") + q.start("term"), q["term"]))
            rest += inside[at : q.start()] + " "
            at = q.end()
        rest += inside[at:]
        words = _WORDS.findall(rest.casefold())
        if terms and len(words) <= 16 and all(w in _FILLING for w in words):
            yield from terms


def _clean(raw: str) -> str:
    term = " ".join(raw.split()).strip(" .,:;’'‘")
    if not term or len(term) > LONGEST or term in _COMMON or not _BEGINS.match(term):
        return ""
    return term if any(c.isalpha() for c in term) and (len(term) > 1 or "\u3400" <= term <= "\u9fff") else ""


class Glossary:
    """The terms defined so far, found in a text by their first word."""

    def __init__(self) -> None:
        self._terms: dict[str, dict[int, set[str]]] = {}
        self._count = 0

    def add(self, terms: Iterable[str]) -> None:
        """Terms that are known from now on, ``MOST_TERMS`` in all."""
        for term in terms:
            first = _TOKEN.search(term)
            if first is None or first.start() or self._count >= MOST_TERMS:
                continue
            known = self._terms.setdefault(first.group(), {}).setdefault(len(term), set())
            if term not in known:
                known.add(term)
                self._count += 1

    def used_in(self, text: str) -> tuple[str, ...]:
        """The known terms a text uses, in order, each once; of terms that begin at one place the longest."""
        if not self._terms:
            return ()
        text = " ".join(text.split())
        used: dict[str, None] = {}
        end = 0
        for m in _TOKEN.finditer(text):
            if m.start() < end:
                continue
            word = m.group()
            sizes = self._terms.get(word) or (self._terms.get(word[:-1]) if word.endswith("s") else None) or {}
            for size in sorted(sizes, reverse=True):
                term = text[m.start() : m.start() + size]
                if term in sizes[size] and _ends_word(text, m.start() + size):
                    used[term] = None
                    end = m.start() + size
                    break
        return tuple(used)


def _ends_word(text: str, at: int) -> bool:
    """Whether a term that ends here is whole; a plural or a possessive after it is the same term."""
    if at >= len(text) or text[at - 1] >= "\u3400" or not text[at].isalnum():
        return True
    return text[at] == "s" and (at + 1 >= len(text) or not text[at + 1].isalnum())
