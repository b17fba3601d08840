"""Document cards beside a question: whose document it speaks of, and of which period and kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from .lexical import SparseVector, term_counts, tokens
from .scripts import cjk_share

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Sequence

    from paperlode.ingest.document import DocumentCard

    from .understanding import Understood

__all__ = ["CardFit", "fit", "names_of", "sparse_names", "sparse_whole", "unnamed"]

_WORD = re.compile(r"[A-Za-z0-9&]+(?:['’][A-Za-z0-9&]+)*")
_LETTERS = re.compile(r"[A-Za-z&]{2,}")
_POSSESSIVE = re.compile(r"['’]s\b", re.IGNORECASE)
_FORM = frozenset(
    [
        "inc",
        "incorporated",
        "corp",
        "corporation",
        "company",
        "co",
        "llc",
        "ltd",
        "limited",
        "plc",
        "lp",
        "llp",
        "trust",
        "bank",
        "group",
        "holding",
        "holdings",
        "international",
        "the",
        "of",
        "and",
        "com",
    ]
)
"""Words of an organisation's name that questions leave out."""
_NO_NAME = frozenset(
    [
        "ex",
        "form",
        "annual",
        "quarterly",
        "report",
        "reports",
        "earnings",
        "results",
        "release",
        "agreement",
        "contract",
        "exhibit",
        "final",
        "draft",
        "dated",
        "pdf",
        "doc",
        "copy",
        "scan",
        "version",
    ]
)
"""Words of file names that name nobody."""
SHORTEST = 3
"""Characters of a name: shorter ones stand in other words' places."""
_QUOTES = tuple("'\"“‘「《")
LEAST_LEFT = 2
"""Terms that must be left of a question without its names."""
SURE = 5
"""Characters of the first word of a longer name by which alone it is known (Verizon Communications: Verizon)."""


@dataclass(frozen=True, slots=True)
class CardFit:
    """How a document's card fits a question, each 0 to 1, or below 0 where it speaks against it.

    Attributes:
        name: it is of the organisation that the question names.
        said: that organisation, as the card has it.
        period: it is about the year asked for (1), a year with it beside it (less).
        quarter: it is about the quarter asked for, or not.
        kind: it is of the kind that the question speaks of.
    """

    name: float = 0.0
    said: str = ""
    period: float = 0.0
    quarter: float = 0.0
    kind: float = 0.0


def fit(card: DocumentCard, understood: Understood, question: str) -> CardFit:
    """How well a document fits a question, by its card."""
    names, firsts = _known_by(card)
    said = ""
    if not firsts.isdisjoint(_said(question)) or any(name in question for name in names):
        said = next((name for name, calls in names_of(card).items() if _is_said(name, calls, question)), "")
    return CardFit(
        float(bool(said)),
        said,
        _period(card, understood),
        _quarter(card, understood),
        float(card.kind in understood.kinds),
    )


def _is_said(name: str, calls: frozenset[tuple[str, ...]], question: str) -> bool:
    """Whether a question names an organisation. The first word of a longer name alone counts where it is written as a name."""
    if name in question:
        return True
    words = _said(question)
    for call in calls:
        at = _stand(call, words) if call[0] in words else []
        if at and call == (core := _core(_words(name)))[:1] != core and not question.islower():
            placed = _placed(question)
            at = [i for i in at if question[placed[i][1]].isupper()]
        if at:
            return True
    return False


def unnamed(question: str, cards: Iterable[DocumentCard]) -> str:
    """The question without the names of the documents' organisations, where they are written as names, in capitals.

    What is looked for in a document does not stand beside its organisation's name more than elsewhere. A question of which
    hardly anything would be left is returned as it is.
    """
    placed = _placed(question)
    words = [w for w, _, _ in placed]
    gone: set[int] = set()
    left = question
    for card in cards:
        for name, calls in names_of(card).items():
            if cjk_share(name) > 0:
                left = left.replace(name, " ")
            for call in calls:
                for i in _stand(call, words):
                    end = i + len(call)
                    while end < len(words) and words[end] in _FORM and question[placed[end][1]].isupper():
                        end += 1
                    if _is_name_alone(question, placed, i, end):
                        gone.update(range(i, end))
    if gone and left == question:
        pieces = [question[a:b] for a, b in _outside(placed, gone, len(question))]
        left = " ".join(w for w in " ".join(pieces).split() if any(c.isalnum() for c in w))
    return left if sum(1 for _ in tokens(left)) >= LEAST_LEFT else question


def _is_name_alone(question: str, placed: Sequence[tuple[str, int, int]], start: int, end: int) -> bool:
    """Whether words are written as a name, and are no part of a longer one or of something quoted."""
    first, last = placed[start][1], placed[end - 1][2]
    if question[first:last] == question[first:last].lower() or question[first - 1 : first] in _QUOTES:
        return False
    if end == len(placed):
        return True
    word, a, b = placed[end]
    longer = question[last:a] == " " and question[a].isupper() and word.isalpha() and not question[a:b].isupper()
    return not longer


def _outside(placed: Sequence[tuple[str, int, int]], gone: set[int], length: int) -> Iterator[tuple[int, int]]:
    """The ranges of a text outside its words ``gone``."""
    start = 0
    for i in sorted(gone):
        yield start, placed[i][1]
        start = placed[i][2]
    yield start, length


def _period(card: DocumentCard, understood: Understood) -> float:
    if not understood.years or card.year is None:
        return 0.0
    last = max(understood.years)
    if card.year == last:
        return 1.0
    if card.year in understood.years:
        return 0.5
    return (
        0.3 if card.year - 1 in understood.years or card.year - 1 == last else 0.0
    )  # reports show the year before too


def _quarter(card: DocumentCard, understood: Understood) -> float:
    if understood.quarters:
        if card.quarter:
            return 1.0 if card.quarter in understood.quarters else -0.5
        return -0.3 if card.kind == "annual_report" else 0.0
    return -0.5 if card.quarter and understood.years and card.kind == "quarterly_report" else 0.0


@lru_cache(maxsize=1024)
def names_of(card: DocumentCard) -> dict[str, frozenset[tuple[str, ...]]]:
    """For each organisation of the card what a question may call it; the last one is that of the file's name.

    As its words, run together, by initials (IBM, JnJ) or beginnings (AmEx).
    """
    found = {name: frozenset(_spellings(_words(name))) for name in card.names}
    stem = [w.lower() for w in _LETTERS.findall(card.name.rsplit(".", 1)[0].replace("_", " "))]
    stem = [w for w in stem if w not in _NO_NAME][:2]
    calls = _spellings(stem) | ({(stem[0],)} if stem and len(stem[0]) >= SURE - 1 else set())
    if calls:
        key = " ".join(stem).title()
        found[key] = found.get(key, frozenset()) | calls
    return found


@lru_cache(maxsize=8192)
def _known_by(card: DocumentCard) -> tuple[tuple[str, ...], frozenset[str]]:
    """Its names, and the first words of all that a question may call them: most questions have none of either."""
    names = names_of(card)
    return tuple(names), frozenset(call[0] for calls in names.values() for call in calls)


def _spellings(words: Sequence[str]) -> set[tuple[str, ...]]:
    core = _core(words)
    if not core:
        return set()
    found = {core, ("".join(core),)}
    if len(core) > 1:
        found |= {("".join(w[0] for w in core),), ("".join(w[:2] for w in core),)}
        found |= {(core[0],)} if len(core[0]) >= SURE else set()
    if len(core) == 2:
        a, b = core
        found |= {(a, "&", b), (a, "and", b), (f"{a[0]}n{b[0]}",), (f"{a[0]}&{b[0]}",)}
    return {s for s in found if len("".join(s)) >= SHORTEST}


def _core(words: Sequence[str]) -> tuple[str, ...]:
    """A name without what says its form, unless it is nothing else."""
    return tuple(w for w in words if w not in _FORM and w != "&") or tuple(w for w in words if w != "the")


def _words(text: str) -> list[str]:
    return [w for w, _, _ in _placed(text)]


@lru_cache(maxsize=4096)
def _placed(text: str) -> tuple[tuple[str, int, int], ...]:
    """The words of a text, small and without a possessive's ending, each with where it starts and ends."""
    found = ((_plain(m[0]), *m.span()) for m in _WORD.finditer(text))
    return tuple((w, a, b) for w, a, b in found if w)


@lru_cache(maxsize=4096)
def _said(question: str) -> tuple[str, ...]:
    return tuple(_words(question))


def _plain(word: str) -> str:
    return _POSSESSIVE.sub("", word.lower()).replace("’", "").replace("'", "")


def _stand(name: tuple[str, ...], words: Sequence[str]) -> list[int]:
    """Where the words of a name stand among others."""
    if name[0] not in words:
        return []
    n = len(name)
    return [i for i in range(len(words) - n + 1) if tuple(words[i : i + n]) == name]


def sparse_whole(counts: Counter[int], card: DocumentCard) -> SparseVector:
    """A whole document's terms with its names: n / (n + 1) for a term in n of its chunks.

    Args:
        counts: for each term the number of chunks it stands in.
        card: the document's.
    """
    counts = counts.copy()
    for term in term_counts(
        " ".join(
            [card.name.replace("_", " "), *sorted({" ".join(c) for calls in names_of(card).values() for c in calls})]
        )
    ):
        counts[term] += 1
    indices = tuple(sorted(counts))
    return SparseVector(indices, tuple(counts[i] / (counts[i] + 1) for i in indices))


def sparse_names(question: str) -> SparseVector:
    """A question's terms as documents are looked for by them: each with weight 1."""
    indices = tuple(sorted(term_counts(_POSSESSIVE.sub("", question))))
    return SparseVector(indices, (1.0,) * len(indices))
