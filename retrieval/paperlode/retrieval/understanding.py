"""What a question asks, read without a model: its notions, periods, kinds of document, labels and defined terms.

Everything found is used softly: it lets chunks and documents rise, and never hides one.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .glossary import Glossary, Notion

__all__ = ["Understood", "understand"]

_ONLY_IF = re.compile(
    r"[^.?!;。？！；]*\bif\b[^.?!]*\b(?:state|say|explain|mention|indicate|note)\b[^.?!]*[.?!]?", re.IGNORECASE
)
"""How to answer when there is no answer: its words stand for nothing that is looked for."""
_INSTRUCTION = re.compile(r"^(?:please\s+)?(?:round|answer|give|provide|express|assume|respond|show)\b", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.?!])\s+")
LEAST_LEFT = 3
"""Words that must be left of a question without its instructions."""

_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(?!\d)")
_SHORT_YEAR = re.compile(r"\bFY\s*['’]?(\d\d)(?!\d)", re.IGNORECASE)
_QUARTER_YEAR = re.compile(r"\bQ[1-4]\s*['’]?((?:19|20)\d\d)", re.IGNORECASE)
_QUARTER = re.compile(
    r"(?<![a-z])Q([1-4])(?!\d(?!\d{3}))|\b(first|second|third|fourth)\s+quarter\b|第([一二三四])季度", re.IGNORECASE
)
_QUARTERS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "一": 1, "二": 2, "三": 3, "四": 4}
_KINDS = {
    "annual_report": re.compile(
        r"\b10-?k\b|\bannual report|\bFY\s*['’]?\d{2,4}|\bfiscal(?: year)? \d{4}|年报|年度报告", re.IGNORECASE
    ),
    "quarterly_report": re.compile(
        r"\b10-?q\b|\bquarterly report|(?<![a-z])Q[1-4](?!\d(?!\d{3}))|季报|季度", re.IGNORECASE
    ),
    "current_report": re.compile(r"\b[86]-?k\b|\bcurrent report", re.IGNORECASE),
    "release": re.compile(r"\bearnings (?:release|call|report)|\bpress release", re.IGNORECASE),
    "contract": re.compile(r"\b(?:agreement|contract)\b|合同|协议", re.IGNORECASE),
}
_DEFINED = re.compile(r"\b(?:defin\w*|mean(?:s|ing|t)?)\b|定义|含义|是指", re.IGNORECASE)
_QUOTED = re.compile(r"['\"“‘「《]([^'\"”’」》]{2,60})['\"”’」》]")
_CLAUSE = re.compile(r"\b(section|clause|article|paragraph)\s+([0-9IVX]+(?:\.\d+)*(?:\([a-z0-9]+\))*)", re.IGNORECASE)
_CHINESE_CLAUSE = re.compile(r"第\s*(\d{1,3}|[零一二三四五六七八九十百]{1,7})\s*([条章])")


@dataclass(frozen=True, slots=True)
class Understood:
    """A question, and what was found in it.

    Attributes:
        asked: the question without instructions for its answer.
        notions: what it asks for, as the glossary knows it.
        years, quarters, kinds: of the documents it speaks of.
        labels: clause numbers and defined terms, as ``Chunk.labels`` has them.
    """

    asked: str
    notions: tuple[Notion, ...] = ()
    years: frozenset[int] = frozenset()
    quarters: frozenset[int] = frozenset()
    kinds: frozenset[str] = frozenset()
    labels: tuple[str, ...] = ()

    @property
    def strength(self) -> float:
        """Of its strongest notion; 0 without one."""
        return max((n.strength for n in self.notions), default=0.0)

    @property
    def wanted(self) -> dict[str, float]:
        """Line items and phrases that answer it, each with the strength of its notion."""
        return _strongest((phrase, n.strength) for n in self.notions for phrase in n.find)

    @property
    def roles(self) -> dict[str, float]:
        """Roles of the tables and sections that answer it, each with the strength of its notion."""
        return _strongest((role, n.strength) for n in self.notions for role in n.roles)


def _strongest(items: Iterable[tuple[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in items:
        found[key] = max(found.get(key, 0.0), value)
    return found


def understand(question: str, glossary: Glossary, *, said: str | None = None) -> Understood:
    """What ``question`` asks.

    Args:
        question: as it was asked.
        glossary: of notions.
        said: the question as it is searched for, when that is not the same (without the names of the documents searched).
    """
    text = unicodedata.normalize("NFKC", question)
    asked = without_instructions(said if said is not None else question)
    years = {int(y) for y in _YEAR.findall(text)} | {int(y) for y in _QUARTER_YEAR.findall(text)}
    years |= {2000 + int(y) for y in _SHORT_YEAR.findall(text)}
    quarters = {int(a) if a else _QUARTERS[(b or c).lower()] for a, b, c in _QUARTER.findall(text)}
    kinds = {k for k, p in _KINDS.items() if p.search(text)}
    notions = tuple(glossary.notions_in(asked))
    return Understood(asked, notions, frozenset(years), frozenset(quarters), frozenset(kinds), _labels(text))


def without_instructions(question: str) -> str:
    """The question without what it says about the form of its answer (``Round to …``, ``If …, then state that``)."""
    parts = _SENTENCE.split(_ONLY_IF.sub(" ", question).strip())
    kept = " ".join(p for i, p in enumerate(parts) if i == 0 or not _INSTRUCTION.match(p)).strip(" ;")
    return kept if len(kept.split()) >= LEAST_LEFT else question


def _labels(text: str) -> tuple[str, ...]:
    """Clause numbers, articles, and quoted words where a definition is asked for."""
    found: list[str] = []
    for word, number in _CLAUSE.findall(text):
        found += [f"Article{_arabic(number)}"] if word.lower() == "article" else []
        found.append(number)
    found += [f"第{_chinese(number)}{unit}" for number, unit in _CHINESE_CLAUSE.findall(text)]
    if _DEFINED.search(text):
        found += [f"term:{q.strip()}" for q in _QUOTED.findall(text)]
    return tuple(dict.fromkeys(found))


def _chinese(number: str) -> str:
    """``二十三`` in digits; up to 999."""
    if number.isdecimal():
        return number
    total = digit = 0
    for c in number:
        if c in "十百":
            total += (digit or 1) * (10 if c == "十" else 100)
            digit = 0
        else:
            digit = "零一二三四五六七八九".index(c)
    return str(total + digit)


def _arabic(number: str) -> str:
    values = {"I": 1, "V": 5, "X": 10}
    if not set(number) <= set(values):
        return number
    worth = [values[c] for c in number]
    return str(sum(-v if i + 1 < len(worth) and worth[i + 1] > v else v for i, v in enumerate(worth)))
