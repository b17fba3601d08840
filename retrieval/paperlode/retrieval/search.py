"""Questions to hits: one hybrid query, fused, one hit a page, each grown to a passage that can be read alone.

Fusion: cosine, BM25 of the chunk, BM25 of its page and the cosine of its best table row are each measured in standard
deviations over the candidates, then added: half meaning, half words (chunk and page alike), and a fifth more for rows.
The weights are round, but were chosen on development questions: the halves among about 20 variants on 1,071 of them,
where this was as good overall as reciprocal ranks, min-max scaling and Qdrant's distribution-based fusion, the fifth
among about 30 on 287. What is meaning shrinks with the share of the question that the model cannot read, as Chinese
for an English model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from paperlode.ingest.document import Chunk, Layer
from paperlode.ingest.errors import InvalidRequest

from .index import Filter, HybridQuery
from .lexical import sparse_query
from .passages import PASSAGE_WORDS, grow, window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paperlode.ingest.document import PageBox

    from .embedding import Embedder
    from .index import Index, Scored

__all__ = ["Hit", "Search", "fuse"]

DEPTH = 100
"""Candidates taken by each vector."""
MAX_LIMIT = 1000
MEANING = 0.5
"""Weight of the dense vector for a question that the model can read."""
ROW = 0.4
"""Weight of the best table row, as a share of that of the dense vector."""
_NO_SPREAD = 1e-9
SHOWN = (Layer.BODY, Layer.NOTE)
"""Layers searched unless the filter names others: no running headers and footers."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One page that answers, by its best chunk.

    Attributes:
        rank: 1 for the best.
        score: higher is better; comparable within one search only.
        chunk: the evidence.
        page: the page this hit stands for, 0-based.
        passage: the chunk's text grown to its neighbours on that page.
    """

    rank: int
    score: float
    chunk: Chunk
    page: int
    passage: str

    @property
    def document(self) -> str:
        """Digest of the document."""
        return self.chunk.document

    @property
    def pages(self) -> tuple[int, ...]:
        """All pages the evidence stands on."""
        return self.chunk.pages

    @property
    def regions(self) -> tuple[PageBox, ...]:
        """Where the evidence stands, on all its pages."""
        return self.chunk.regions


class Search:
    """Searches an index with the model it was written with.

    Args:
        index: to be searched.
        embedder: whose vectors are in it.
        passage_words: how long a passage may grow; a chunk longer than that stays whole, and so does a table of a page.
    """

    def __init__(self, index: Index, embedder: Embedder, *, passage_words: int = PASSAGE_WORDS) -> None:
        self._index = index
        self._embedder = embedder
        self._passage_words = passage_words

    def search(self, question: str, *, limit: int = 5, filters: Filter | None = None) -> list[Hit]:
        """The best pages for ``question``, best first; fewer than ``limit`` when there are not more.

        Raises:
            InvalidRequest: an empty question, or a limit outside 1 to 1000.
        """
        if not question.strip():
            raise InvalidRequest("The question is empty.", hint="Ask with at least one word.")
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidRequest(f"{limit} hits were asked for.", hint=f"Ask for 1 to {MAX_LIMIT}.")
        only = filters or Filter()
        if not only.layers:
            only = replace(only, layers=SHOWN)
        readable = self._embedder.reads(question)
        dense = self._embedder.embed_query(question) if readable else None
        query = HybridQuery(dense, sparse_query(question), max(DEPTH, 10 * limit), only)
        ranked = fuse(self._index.search(query), meaning=MEANING * readable, depth=query.limit)
        best = list(islice(self._one_a_page(ranked, only.pages, limit + 2), limit))
        return self._hits(best)

    def _one_a_page(
        self, ranked: Sequence[tuple[str, float]], pages: tuple[int, int] | None, step: int
    ) -> Iterator[tuple[Chunk, float, int]]:
        """The best chunk of every page with its score and page, asking the index for ``step`` chunks at a time."""
        seen: set[tuple[str, int]] = set()
        for start in range(0, len(ranked), step):
            part = ranked[start : start + step]
            chunks = {c.id: c for c in self._index.get([i for i, _ in part])}
            for i, score in part:
                chunk = chunks.get(i)
                if chunk is None:
                    continue  # deleted meanwhile
                on = chunk.pages
                page = next((p for p in on if pages and pages[0] <= p <= pages[1]), on[0] if on else 0)
                if (chunk.document, page) not in seen:
                    seen.add((chunk.document, page))
                    yield chunk, score, page

    def _hits(self, best: Sequence[tuple[Chunk, float, int]]) -> list[Hit]:
        around = self._index.passages([window(chunk) for chunk, _, _ in best])
        return [
            Hit(rank, score, chunk, page, grow(chunk, page, around, self._passage_words))
            for rank, (chunk, score, page) in enumerate(best, 1)
        ]


def fuse(candidates: Sequence[Scored], *, meaning: float, depth: int) -> list[tuple[str, float]]:
    """Ids and fused scores, best first, equal scores by id.

    Each kind of score is standardised over all candidates. A missing one counts as the lowest of a list that was cut at
    ``depth`` (the true one is not higher), and as 0 where the list was not full. ``meaning`` is the weight of the dense
    score, 0 to 1; the rest is shared by chunk and page.
    """
    import numpy as np

    if not candidates:
        return []
    words = (1 - meaning) / 2
    scores = np.array([(c.dense, c.lexical, c.page, c.row) for c in candidates], dtype=np.float64)  # None becomes NaN
    missing = np.isnan(scores)
    known = len(candidates) - missing.sum(axis=0)
    lowest = np.where(known >= depth, np.where(missing, np.inf, scores).min(axis=0), 0.0)
    scores = np.where(missing, lowest, scores)
    spread = scores.std(axis=0)
    usable = (known > 0) & (spread > _NO_SPREAD)
    standard = np.where(usable, (scores - scores.mean(axis=0)) / np.where(usable, spread, 1.0), 0.0)
    total: list[float] = (standard @ np.array((meaning, words, words, ROW * meaning))).tolist()
    order = sorted(range(len(candidates)), key=lambda i: (-total[i], candidates[i].id))
    return [(candidates[i].id, total[i]) for i in order]
