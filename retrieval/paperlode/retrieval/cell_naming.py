"""Whether words name a row or column of a table, and whether they name another than the one a figure stands in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from .amounts import plain_characters
from .lexical import stem
from .periods import periods
from .scripts import cjk_share
from .wording import without_brackets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .table_meaning import TableMeaning

__all__ = ["Label", "TableLabels", "terms"]

_WORD = re.compile(r"[a-z][a-z&'’.-]*[a-z]|[a-z]", re.IGNORECASE)
_HAN = re.compile(r"[\u4e00-\u9fff]+")
_LITTLE_WORDS = """
the a an of in for to and or by on at from with as its our than be was were is are during per
"""
_LITTLE = frozenset(_LITTLE_WORDS.split())
_VERB = (
    r"\s*(?:,\s*)?(?:(?:for|in|of|at|as of|during)\s+[^,;]{0,40})?"
    r"\b(?:was|were|is|are|of|amounted|totall?ed|stood|reached|came|equall?ed|rose|fell|grew|increased|decreased|declined)\b|\s*[:：]"
)


@dataclass(frozen=True, slots=True)
class Label:
    """What heads a row or column: its own words and those of what it is under; ``han`` is its Chinese text."""

    own: frozenset[str]
    above: frozenset[str]
    han: str = ""
    printed: str = ""

    def named(self, text: str, said: frozenset[str]) -> bool:
        """Whether ``text``, whose terms are ``said``, holds the whole label."""
        if self.han:
            return self.han in text
        if not self.own or not self.own <= said:
            return False
        return len(self.own) > 1 or _subject(next(iter(self.own)), text)


class TableLabels:
    """The labels of a table's rows with figures, and of its columns where these are no periods."""

    def __init__(self, rows: Mapping[int, Sequence[str]], cols: Mapping[int, Sequence[str]]) -> None:
        """``rows`` and ``cols`` give the paths of those that hold figures."""
        self.rows = {r: _label(path) for r, path in rows.items()}
        self.cols = {c: _label(path) for c, path in cols.items()}
        shared = (
            frozenset.intersection(*(c.own for c in self.cols.values())) if len(self.cols) > 1 else frozenset[str]()
        )
        self.cols = {c: Label(v.own - shared, frozenset(), v.han, v.printed) for c, v in self.cols.items()}

    @classmethod
    def of(cls, meaning: TableMeaning) -> TableLabels:
        """Those of a table that was read."""
        figures = [(r, c) for (r, c) in meaning.cells if meaning.value(r, c) is not None]
        return cls(
            {r: meaning.row_paths[r] for r in sorted({r for r, _ in figures})},
            {c: meaning.column_paths[c] for c in sorted({c for _, c in figures})},
        )

    def another(self, place: int, windows: Sequence[str], *, column: bool = False) -> str:
        """The label that the first of ``windows`` to name one names instead of that at ``place``; empty if none."""
        labels = self.cols if column else self.rows
        mine = labels.get(place)
        if mine is None or not (mine.own or mine.han):
            return ""
        for window in windows:
            named = _named(labels.values(), window)
            if not named:
                continue
            return "" if _is_among(mine, named, window) else min(n.printed for n in named)
        return ""

    def names(self, place: int, text: str) -> bool:
        """Whether a text names the row at ``place``, be it in part of another's name."""
        mine = self.rows.get(place)
        return mine is not None and mine.named(text, _terms(text))

    def named(self, text: str) -> list[int]:
        """The rows that a text names, none of them only in part of another's name."""
        found = _named(self.rows.values(), text)
        return [r for r, label in self.rows.items() if label in found]


def terms(text: str) -> frozenset[str]:
    """The words of a text that carry meaning, lower case, without plural endings, brackets and figures."""
    return _terms(text)


@lru_cache(maxsize=1 << 14)
def _terms(text: str) -> frozenset[str]:
    words = (
        w.lower().strip(".'’-") for w in _WORD.findall(plain_characters(without_brackets(text)).replace("--", " "))
    )
    return frozenset(stem(w.removesuffix("'s").removesuffix("’s")) for w in words if w and w not in _LITTLE)


def _label(path: Sequence[str]) -> Label:
    if not path:
        return Label(frozenset(), frozenset())
    own = _without_periods(path[-1])
    if cjk_share(own) > 0.5:
        han = "".join(_HAN.findall(without_brackets(own)))
        han = re.sub(r"^[一二三四五六七八九十]+(?=[\u4e00-\u9fff]{3})|^(?:其中|加|减)(?=.{2})", "", han)
        return Label(frozenset(), frozenset(), han if len(han) > 1 else "", path[-1])
    return Label(_terms(own), _terms(" ".join(map(_without_periods, path[:-1]))), "", path[-1])


def _without_periods(text: str) -> str:
    """A label without its dates: ``2022`` heads a column, and names none."""
    out = text
    for p in reversed(periods(text)):
        out = out[: p.start] + " " + out[p.end :]
    return re.sub(
        r"\b(?:(?:years?|months?|weeks?|quarters?|periods?)(?:\s+(?:ended|ending))?|as of|three|six|nine|twelve|fiscal)\b",
        " ",
        out,
        flags=re.IGNORECASE,
    )


def _named(labels: Iterable[Label], text: str) -> list[Label]:
    said = _terms(text)
    found = {label for label in labels if label.named(text, said)}
    return [a for a in found if not any(_within(a, b, said) and not _apart(a, b, text) for b in found if b is not a)]


def _apart(a: Label, b: Label, text: str) -> bool:
    """Whether the shorter label is also printed where the longer one is not: ``sales was 5 % of net sales``."""
    short, long = (" ".join(without_brackets(x.printed).split()).strip(" :：").lower() for x in (a, b))
    if not short or short == long or short not in long:
        return False
    return short in " ".join(text.lower().split()).replace(long, " ")


def _within(a: Label, b: Label, said: frozenset[str]) -> bool:
    """Whether ``a`` is named only as part of ``b``, or ``b`` is the same name under a heading that is named too."""
    if a.han or b.han:
        return bool(a.han and b.han and a.han != b.han and a.han in b.han)
    if a.own != b.own:
        return a.own < b.own
    return b.above <= said and (a.above < b.above or not a.above <= said)


def _is_among(mine: Label, named: Sequence[Label], text: str) -> bool:
    if mine.han:
        return any(mine.han == n.han for n in named)
    said = _terms(text)
    same = [n for n in named if n.own == mine.own]
    if same:
        return any(n.above == mine.above or not (n.above and n.above <= said) for n in same)
    if any(mine.own >= n.own and len(mine.own & said) > len(n.own) for n in named):
        return True
    largest = max(len(n.own) for n in named)
    return largest == 1 and bool(mine.own & said) and not any(n.own <= mine.own for n in named)


def _subject(word: str, text: str) -> bool:
    """Whether a label of one word is what the text speaks of, and not one word among others."""
    forms = rf"(?:^|[\s(“\"])(?:the\s+)?{re.escape(word)}(?:s|es)?\b(?:{_VERB})"
    return bool(re.search(forms, text, re.IGNORECASE)) or _terms(text) == {word}
