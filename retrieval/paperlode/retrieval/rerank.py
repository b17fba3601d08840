"""The best pages of a search, judged once more by a model that reads question and passage together.

A model reads what a person would: title and headings, then the passage. What is longer than the model reads is cut to its
best window: the stretch of that length with the most of the question's words in it, where these stand in its middle; the
text's beginning where it has none of them.

Nothing that a model or a server does can lose a hit: what it could not judge in time keeps its order behind what it did, and
when it fails the search's own order stands; both are told.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from paperlode.ingest.errors import InvalidRequest, ModelUnknown, PaperlodeError

from .lexical import term_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .embedding import ModelOptions
    from .index import Filter
    from .search import Hit, Search

__all__ = [
    "RerankOptions",
    "Reranked",
    "RerankedSearch",
    "Reranker",
    "best_window",
    "load_reranker",
    "read_text",
    "rerank",
]

log = logging.getLogger(__name__)

CROSS_ENCODER = "st:"
SERVED = "vllm:"
STEPS = 8
"""Windows are tried at every eighth of their length."""


class Reranker(Protocol):
    """A model that says how well texts answer a question.

    Attributes:
        name: what ``load_reranker`` takes to load it again.
    """

    @property
    def name(self) -> str:
        """What ``load_reranker`` takes to load it again."""
        ...

    def score(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        """One number a text, higher for a better answer; comparable within one question.

        A text longer than the model reads is judged by its ``best_window``.

        Raises:
            PaperlodeError: the model or its server cannot be used.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankOptions:
    """How far a search is judged again.

    Attributes:
        candidates: hits that are judged at most; never fewer than are wanted.
        batch: texts that the model is given at a time.
        seconds: no batch is begun after these; one under way is waited for.
    """

    candidates: int = 30
    batch: int = 8
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if self.candidates < 1 or self.batch < 1 or not self.seconds > 0:
            raise InvalidRequest(
                f"{self.candidates} candidates in batches of {self.batch} within {self.seconds:g} s cannot be judged.",
                hint="Each must be positive.",
            )


@dataclass(frozen=True, slots=True)
class Reranked:
    """Hits in their new order.

    Attributes:
        hits: ranked from 1; the score of one that was judged is the model's. Those that were not follow, with scores under
            the lowest of the model's, as far apart as they were.
        judged: how many were.
        note: what a person should know of it: too little time, or a failure; empty where all went well.
    """

    hits: list[Hit]
    judged: int
    note: str = ""


class RerankedSearch:
    """A search whose best hits are judged again.

    Args:
        search: gives the candidates.
        reranker: judges them.
        options: how many, and for how long.
        on_note: told what a person should know of a search (``Reranked.note``); it is in the log in any case.
    """

    def __init__(
        self,
        search: Search,
        reranker: Reranker,
        *,
        options: RerankOptions | None = None,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        self._search, self._reranker = search, reranker
        self._options = options or RerankOptions()
        self._on_note = on_note

    def search(
        self, question: str, *, limit: int = 5, filters: Filter | None = None, said: str | None = None
    ) -> list[Hit]:
        """The best pages for ``question``, best first. Arguments and errors as for ``Search.search``."""
        wanted = max(limit, self._options.candidates)
        found = self._search.search(question, limit=wanted, filters=filters, said=said)
        judged = rerank(question, found, self._reranker, options=self._options)
        if judged.note and self._on_note:
            self._on_note(judged.note)
        return judged.hits[:limit]


def rerank(question: str, hits: Sequence[Hit], reranker: Reranker, *, options: RerankOptions | None = None) -> Reranked:
    """The hits, best first as the model judges them; equals stay in their order. Never raises for what a model does."""
    options = options or RerankOptions()
    hits = list(hits)
    until = monotonic() + options.seconds
    scores: list[float] = []
    wanted = min(len(hits), options.candidates)
    note = ""
    try:
        while len(scores) < wanted and monotonic() < until:
            part = hits[len(scores) : min(wanted, len(scores) + options.batch)]
            scores += _sound(reranker.score(question, [read_text(h) for h in part]), len(part))
    except Exception as exc:  # a model is third-party code: whatever it raises, the search's order stands
        why = str(exc) if isinstance(exc, PaperlodeError) else f"{type(exc).__name__}: {exc}"
        note = f"{reranker.name} could not judge the hits, so they stand in the search's own order. {why}"
        log.warning("%s", note, exc_info=not isinstance(exc, PaperlodeError))
        return Reranked(hits, 0, note)
    if len(scores) < wanted:
        note = (
            f"{reranker.name} judged {len(scores)} of {wanted} hits within {options.seconds:g} s; "
            "the others follow in the search's own order."
        )
        log.warning("%s", note)
    return Reranked(_ordered(hits, scores), len(scores), note)


def _sound(scores: Sequence[float], wanted: int) -> list[float]:
    out = [float(s) for s in scores]
    if len(out) != wanted or not all(map(math.isfinite, out)):
        raise ValueError(f"{wanted} finite scores were expected, {out[:4]} came")
    return out


def _ordered(hits: Sequence[Hit], scores: Sequence[float]) -> list[Hit]:
    best = sorted(range(len(scores)), key=lambda i: -scores[i])  # stable
    judged = [(hits[i], scores[i]) for i in best]
    rest = hits[len(scores) :]
    floor = min(scores, default=0.0) - 1e-6
    others = [(h, floor - (rest[0].score - h.score) if scores else h.score) for h in rest]
    return [replace(h, rank=n, score=s) for n, (h, s) in enumerate([*judged, *others], 1)]


def read_text(hit: Hit) -> str:
    """What the model reads of a hit: the document's title, the headings over it, and the passage."""
    chunk = hit.chunk
    above = list(dict.fromkeys(t for t in (chunk.title, *chunk.heading_path) if t.strip()))
    return f"{' > '.join(above)}\n{hit.passage}" if above else hit.passage


def best_window(question: str, text: str, limit: int, count: Callable[[str], int]) -> str:
    """The stretch of ``text`` of at most ``limit`` tokens with the most of the question's words; all of it where it fits.

    Args:
        question: its words count once each.
        text: to be cut.
        limit: most tokens.
        count: tokens of a text.
    """
    total = count(text)
    if total <= limit:
        return text
    wanted = set(term_counts(question))
    size = max(1, len(text) * limit // total)
    step = max(1, size // STEPS)
    starts = range(0, max(1, len(text) - size + step), step)
    found = [len(wanted & set(term_counts(text[a : a + size]))) for a in starts]
    first = found.index(max(found))
    last = next((i for i in range(first, len(found)) if found[i] < found[first]), len(found)) - 1
    start = _word_start(text, starts[(first + last) // 2] if found[first] else 0)
    cut = text[start : start + size]
    while len(cut) > 1 and count(cut) > limit:  # words are longer here than on average
        cut = cut[: len(cut) * 9 // 10]
    if not text[start + len(cut) : start + len(cut) + 1].isspace():
        cut = cut.rpartition(" ")[0] or cut
    return cut.strip()


def _word_start(text: str, at: int) -> int:
    """The first word that begins at or after a place, where one is near."""
    if at == 0 or text[at - 1].isspace():
        return at
    space = text.find(" ", at, at + 32)
    return space + 1 if space >= 0 else at


def load_reranker(name: str, *, options: ModelOptions | None = None) -> Reranker:
    """The reranker called ``name``.

    - ``st:NAME``: any cross-encoder of sentence-transformers, by its name on the Hugging Face hub or its folder.
    - ``vllm:MODEL@URL``: one that vLLM serves under ``/v1/score``, or another server under ``/v1/rerank``.

    Args:
        name: see above.
        options: how models are found and reached; ``key`` and ``tokenizer`` are the reranker's.

    Raises:
        ModelUnknown: no model has that name, or it cannot be loaded.
        MissingExtra: ``st:`` without the extra ``torch``, ``vllm:`` without the extra ``vllm``.
        InvalidRequest: an address that is none.
    """
    model = name.removeprefix(CROSS_ENCODER)
    if model and model != name:
        from .rerankers import CrossEncoderReranker

        return CrossEncoderReranker(model, options=options)
    model = name.removeprefix(SERVED)
    if model and model != name and not model.startswith("@"):
        from .rerankers import EndpointReranker

        return EndpointReranker(model, options=options)
    raise ModelUnknown(
        f"No reranker is called {name!r}.",
        hint="Known: 'st:NAME' with the name or folder of a sentence-transformers cross-encoder, or 'vllm:MODEL@URL' with "
        "the address of a server.",
    )
