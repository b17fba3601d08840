"""Chunks into an index: embeds them, makes their lexical vectors, stages and publishes."""

from __future__ import annotations

from collections import Counter
from time import perf_counter
from typing import TYPE_CHECKING

from paperlode.ingest.document import Layer

from .lexical import sparse_document, sparse_page, term_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.document import Chunk

    from .embedding import Embedder
    from .index import Index

__all__ = ["Writer"]

PAGES_BACK = 4
"""Pages whose terms are remembered, for chunks that come late to their page (notes, footers)."""


class Writer:
    """A sink for one document's chunks at a time, in reading order.

    A chunk is held back until a later page begins, because it is stored with the terms of the page it starts on.

    Attributes:
        seconds: spent so far, by stage: ``embed``, ``lexical``, ``index``.
    """

    def __init__(self, index: Index, embedder: Embedder) -> None:
        self._index = index
        self._embedder = embedder
        self._held: list[Chunk] = []
        self._pages: dict[int, Counter[int]] = {}
        self.seconds: dict[str, float] = {"embed": 0.0, "lexical": 0.0, "index": 0.0}

    def begin(self, document: str) -> None:
        """Starts a document; what an earlier run left staged of it is forgotten."""
        self._reset()
        self._index.discard(document, staged_only=True)

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Takes chunks of the document, in order. InvalidRequest for a chunk longer than the embedder reads."""
        started = perf_counter()
        for chunk in chunks:
            self._pages.setdefault(_first(chunk), Counter()).update(term_counts(chunk.shown_text))
        self._held.extend(chunks)
        newest = max(self._pages, default=0)
        self.seconds["lexical"] += perf_counter() - started
        self._stage([c for c in self._held if _first(c) < newest])
        self._held = [c for c in self._held if _first(c) >= newest]
        self._pages = {p: terms for p, terms in self._pages.items() if p > newest - PAGES_BACK}

    def commit(self, document: str) -> None:
        """Makes the document searchable, in place of its older version; durable once this returns."""
        self._stage(self._held)
        self._reset()
        started = perf_counter()
        self._index.publish(document)
        self.seconds["index"] += perf_counter() - started

    def discard(self, document: str) -> None:
        """Forgets the document: what was added, and what was searchable of it."""
        self._reset()
        self._index.discard(document)

    def flush(self) -> None:
        """Makes everything durable that was staged."""
        self._index.flush()

    def _reset(self) -> None:
        self._held = []
        self._pages = {}

    def _stage(self, chunks: Sequence[Chunk]) -> None:
        if not chunks:
            return
        import numpy as np

        times = [perf_counter()]
        meant = [i for i, c in enumerate(chunks) if c.layer is not Layer.FURNITURE]
        dense = np.zeros((len(chunks), self._embedder.dimensions), dtype=np.float32)
        if meant:
            dense[meant] = self._embedder.embed([chunks[i].embedded_text for i in meant])
        rows = self._rows(chunks)
        times.append(perf_counter())
        sparse = [sparse_document(c.searched_text) for c in chunks]
        by_page = {p: sparse_page(self._pages[p]) for p in {_first(c) for c in chunks}}
        times.append(perf_counter())
        self._index.stage(chunks, dense, sparse, [by_page[_first(c)] for c in chunks], rows)
        times.append(perf_counter())
        for stage, start, end in zip(("embed", "lexical", "index"), times, times[1:], strict=False):
            self.seconds[stage] += end - start

    def _rows(self, chunks: Sequence[Chunk]) -> list[NDArray[np.float32]]:
        """The vectors of each chunk's entries; the same text, as in the same table of another year, is embedded once."""
        import numpy as np

        texts = list(dict.fromkeys(e.text for c in chunks for e in c.entries))
        known = dict(zip(texts, self._embedder.embed(texts), strict=True)) if texts else {}
        none = np.zeros((0, self._embedder.dimensions), dtype=np.float32)
        return [np.stack([known[e.text] for e in c.entries]) if c.entries else none for c in chunks]


def _first(chunk: Chunk) -> int:
    return chunk.regions[0].page if chunk.regions else 0
