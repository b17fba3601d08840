"""Chunks into an index: embeds them, makes their lexical vectors, roles and the document's card, stages and publishes."""

from __future__ import annotations

from collections import Counter
from time import perf_counter
from typing import TYPE_CHECKING

from paperlode.ingest.document import Layer, make_card

from .cards import sparse_whole
from .fields import sparse_pairs
from .glossary import Glossary, row_labels
from .lexical import sparse_document, sparse_page, term_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.document import Chunk, DocumentCard

    from .embedding import Embedder
    from .index import Index

__all__ = ["Writer"]

PAGES_BACK = 4
"""Pages whose terms are remembered, for chunks that come late to their page (notes, footers)."""
MOST_HELD = 512
"""Chunks held back for the sake of a long table: its roles then come of the rows read so far."""
FRONT_PAGES = 2
"""Pages whose text a document's card is made from."""


class Writer:
    """A sink for one document's chunks at a time, in reading order.

    A chunk is held back until a later page begins, because it is stored with the terms of the page it starts on, and until
    its whole table is there, whose rows say what it is for.

    Args:
        index: to write to.
        embedder: whose vectors it holds.
        glossary: of roles; None for the one that comes with paperlode.

    Attributes:
        seconds: spent so far, by stage: ``embed``, ``lexical``, ``index``.
        written: chunks so far that were embedded and staged; the others lay in the index already.
    """

    def __init__(self, index: Index, embedder: Embedder, *, glossary: Glossary | None = None) -> None:
        self._index = index
        self._embedder = embedder
        self._glossary = glossary or Glossary.load()
        self._held: list[Chunk] = []
        self._pages: dict[int, Counter[int]] = {}
        self._labels: dict[int, list[str]] = {}
        self._whole: Counter[int] = Counter()
        self._front: list[str] = []
        self._title = ""
        self.written = 0
        self.seconds: dict[str, float] = {"embed": 0.0, "lexical": 0.0, "index": 0.0}

    def begin(self, document: str) -> None:
        """Starts a document; what an earlier run left staged of it is forgotten."""
        self._reset()
        self._index.discard(document, staged_only=True)

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Takes chunks of the document, in order. InvalidRequest for a chunk longer than the embedder reads."""
        started = perf_counter()
        for chunk in chunks:
            terms = term_counts(chunk.shown_text)
            self._pages.setdefault(_first(chunk), Counter()).update(terms)
            if chunk.layer is not Layer.FURNITURE:
                self._whole.update(set(terms))
                self._title = self._title or chunk.title
                if _first(chunk) < FRONT_PAGES:
                    self._front.append(chunk.shown_text)
            if chunk.part is not None:
                self._labels.setdefault(chunk.part.block, []).extend(row_labels(chunk))
        self._held.extend(chunks)
        newest = max(self._pages, default=0)
        self.seconds["lexical"] += perf_counter() - started
        unfinished = self._unfinished()
        self._stage([c for c in self._held if _first(c) < newest and not _is_part(c, unfinished)])
        self._held = [c for c in self._held if _first(c) >= newest or _is_part(c, unfinished)]
        oldest = min([newest - PAGES_BACK + 1, *(_first(c) for c in self._held)])
        self._pages = {p: terms for p, terms in self._pages.items() if p >= oldest}

    def commit(self, document: str, name: str = "", version: str = "") -> DocumentCard:
        """Makes the document searchable, in place of its older version; durable after ``flush``.

        Args:
            document: its digest.
            name: its file name, for its card.
            version: a name of this version, to be told by the index.
        """
        self._stage(self._held)
        card = make_card(document, name, self._title, "\n".join(self._front))
        whole = sparse_whole(self._whole, card)
        filled = bool(self._whole)
        self._reset()
        started = perf_counter()
        if filled:
            self._index.stage_card(card, whole, version)
        self._index.publish(document)
        self.seconds["index"] += perf_counter() - started
        return card

    def discard(self, document: str) -> None:
        """Forgets the document: what was added, and what was searchable of it."""
        self._reset()
        self._index.discard(document)

    def flush(self) -> None:
        """Makes everything durable that was staged."""
        self._index.flush()

    def _reset(self) -> None:
        self._held, self._pages, self._labels = [], {}, {}
        self._whole, self._front, self._title = Counter(), [], ""

    def _unfinished(self) -> int | None:
        """The table whose last rows are still to come."""
        if len(self._held) > MOST_HELD:
            return None
        last = next((c.part for c in reversed(self._held) if c.part is not None), None)
        return last.block if last is not None and last.row_end < last.rows else None

    def _stage(self, passed: Sequence[Chunk]) -> None:
        """What is not published already, as most of a document of which a page changed, is embedded and staged."""
        started = perf_counter()
        held = self._index.hold(passed)
        self.seconds["index"] += perf_counter() - started
        if chunks := [c for c in passed if c.id not in held]:
            self._stage_new(chunks)
        for block in {c.part.block for c in passed if c.part and c.part.row_end >= c.part.rows}:
            self._labels.pop(block, None)

    def _stage_new(self, chunks: Sequence[Chunk]) -> None:
        import numpy as np

        self.written += len(chunks)
        times = [perf_counter()]
        meant = [i for i, c in enumerate(chunks) if c.layer is not Layer.FURNITURE]
        dense = np.zeros((len(chunks), self._embedder.dimensions), dtype=np.float32)
        if meant:
            dense[meant] = self._embedder.embed([chunks[i].embedded_text for i in meant])
        rows = self._rows(chunks)
        times.append(perf_counter())
        sparse = [sparse_document(c.searched_text) for c in chunks]
        by_page = {p: sparse_page(self._pages[p]) for p in {_first(c) for c in chunks}}
        pairs = [sparse_pairs(c.searched_text) for c in chunks]
        roles = [self._glossary.roles_of(c, self._labels.get(c.part.block, ()) if c.part else ()) for c in chunks]
        times.append(perf_counter())
        self._index.stage(chunks, dense, sparse, [by_page[_first(c)] for c in chunks], rows, pairs=pairs, roles=roles)
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


def _is_part(chunk: Chunk, table: int | None) -> bool:
    return table is not None and chunk.part is not None and chunk.part.block == table


def _first(chunk: Chunk) -> int:
    return chunk.regions[0].page if chunk.regions else 0
