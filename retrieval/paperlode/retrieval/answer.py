"""Hits to an answer that can be checked: every statement carries the page and the boxes it was taken from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from paperlode.ingest.document import PageBox  # noqa: TC001  pydantic reads the annotations

from .lexical import tokens
from .quotes import quotable
from .scripts import cjk_share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .citation_check import SentenceCheck
    from .embedding import Embedder
    from .figure_answer import FigureAnswer, FigureFinder
    from .quotes import Quote
    from .search import Hit

__all__ = ["Answer", "Answerer", "Citation", "QuotingAnswerer"]

HITS = 5
"""Hits that are quoted from."""
CANDIDATES = 24
"""Sentences and rows compared with the question by meaning; found by their words first."""
LEAST_WORDS = 1 / 3
LEAST_MEANING = 0.4
"""A quote must share this much of the question's terms, by weight, or be this near to it: cosine, unrelated text has 0."""
NEAR_BEST = 0.75
"""Further quotes must score this share of the best."""

_WHOLE = re.compile(r"\d+\.0+")

NOTHING = "Nothing in the archive answers this question."
NOTHING_CHINESE = "资料中没有找到答案。"


@dataclass(frozen=True, slots=True)
class Citation:
    """Where quote ``n`` of an answer was taken from.

    Attributes:
        n: the number that stands in brackets in the answer, from 1.
        document: digest. name: of the file, as people know it.
        page: 0-based.
        boxes: where it stands on that page, and on others if the table row or paragraph goes on there.
        quote: the words as they are printed.
        read_by: what read the pages of its chunk (``Chunk.read_by``).
    """

    n: int
    document: str
    name: str
    page: int
    boxes: tuple[PageBox, ...]
    quote: str
    read_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What can be said, with ``[n]`` after what citation n shows.

    Attributes:
        text: the answer.
        citations: what its numbers mean.
        checks: each sentence that a language model wrote, also those left out, and what the check of it said.
        refused: nothing supported can be said; the text says why, and its citations are the nearest passages.
        model: the language model that wrote it; empty where it is made of quotations.
        figure: the cell that answers, where the question asks for one figure and one is certain.
    """

    text: str
    citations: tuple[Citation, ...] = ()
    checks: tuple[SentenceCheck, ...] = ()
    refused: bool = False
    model: str = ""
    figure: FigureAnswer | None = None


class Answerer(Protocol):
    """Turns hits into an answer."""

    def answer(self, question: str, hits: Sequence[Hit]) -> Answer:
        """The answer to ``question`` that ``hits``, best first, give."""
        ...


class QuotingAnswerer:
    """Answers without a language model: quotes the sentences and table rows that fit best.

    Args:
        embedder: compares sentences with the question.
        name_of: the name of a document, by its digest.
        quotes: how many at most.
        figures: finds the cell for a question that asks for one figure; it then stands before the quotations.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        name_of: Callable[[str], str] = lambda digest: digest[:12],
        quotes: int = 3,
        figures: FigureFinder | None = None,
    ) -> None:
        self._embedder = embedder
        self._name_of = name_of
        self._quotes = quotes
        self._figures = figures

    def answer(self, question: str, hits: Sequence[Hit]) -> Answer:
        """The best quotes, best first, each followed by its number; before them the figure asked for, where it is certain."""
        figure = self._figures.find(question, hits) if self._figures else None
        picked = self._pick(question, [q for hit in hits[:HITS] for q in quotable(hit)])
        if figure:
            picked = [q for q in picked if q.text != figure.quote]
        if not picked and not figure:
            return Answer(NOTHING_CHINESE if cjk_share(question) > 0.5 else NOTHING, refused=True)
        said = [figure.text] if figure else []
        citations = [self._cited(figure, next(h for h in hits if h.rank == figure.hit))] if figure else []
        for n, q in enumerate(picked, len(citations) + 1):
            said.append(q.reading)
            read_by = q.hit.chunk.read_by or (q.hit.chunk.parser,)
            citations.append(
                Citation(n, q.hit.document, self._name_of(q.hit.document), q.page, q.boxes, q.text, read_by)
            )
        text = "\n".join(f"{t} [{n}]" for n, t in enumerate(said, 1))
        return Answer(text, tuple(citations), figure=figure)

    def _cited(self, figure: FigureAnswer, hit: Hit) -> Citation:
        read_by = hit.chunk.read_by or (hit.chunk.parser,)
        return Citation(1, hit.document, self._name_of(hit.document), figure.page, figure.boxes, figure.quote, read_by)

    def _pick(self, question: str, quotes: Sequence[Quote]) -> list[Quote]:
        unique = list({q.text: q for q in reversed(quotes)}.values())[::-1]
        shared = _shared_terms(question, unique)
        shortlist = sorted(range(len(unique)), key=lambda i: (-shared[i], i))[:CANDIDATES]
        near = self._nearness(question, [unique[i] for i in shortlist])
        weight = 0.5 * self._embedder.reads(question)
        scored = [
            ((1 - weight) * shared[i] + weight * near[k], unique[i])
            for k, i in enumerate(shortlist)
            if shared[i] >= LEAST_WORDS or near[k] >= LEAST_MEANING
        ]
        scored.sort(key=lambda s: (-s[0], s[1].hit.rank))
        return [q for score, q in scored[: self._quotes] if score >= NEAR_BEST * scored[0][0]]

    def _nearness(self, question: str, quotes: Sequence[Quote]) -> list[float]:
        if not quotes or not self._embedder.reads(question):
            return [0.0] * len(quotes)
        readable = [q.embedded if self._embedder.count(q.embedded) <= self._embedder.max_tokens else "" for q in quotes]
        vectors = self._embedder.embed(readable)
        cosines = vectors @ self._embedder.embed_query(question)
        return [float(c) if text else 0.0 for c, text in zip(cosines, readable, strict=True)]


def _shared_terms(question: str, quotes: Sequence[Quote]) -> list[float]:
    """The share, by weight, of the question's terms in each quote, 0 to 1; rare terms among the quotes weigh more."""
    from math import log

    asked = _terms(question)
    found = [asked & _terms(q.embedded) for q in quotes]
    weight = {t: log(1 + len(quotes) / (0.5 + sum(t in f for f in found))) for t in asked}
    total = sum(weight.values())
    return [sum(weight[t] for t in f) / total if total else 0.0 for f in found]


def _terms(text: str) -> set[str]:
    """Its terms; of a decimal also the whole number that it is (12.000: 12)."""
    found = set(tokens(text))
    return found | {t.split(".")[0] for t in found if _WHOLE.fullmatch(t)}
