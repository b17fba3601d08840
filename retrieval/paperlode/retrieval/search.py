"""Questions to hits: the question is understood, documents and chunks are looked for, one hit a page is grown to a passage.

What a question names (a company and its year, a statement, a clause, a defined term) lets chunks rise and hides none. The
order of steps: cards of documents that fit; one hybrid query; fusion (``fusion.Weights``); the best chunk of each page;
copies of it in other documents folded into it; neighbours up to a passage.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING

from paperlode.ingest.document import Chunk, Layer
from paperlode.ingest.errors import InvalidRequest

from .ahead import Ahead
from .cards import CardFit, fit, sparse_names, unnamed
from .fields import sparse_pairs, sparse_wanted
from .fusion import fuse
from .glossary import Glossary
from .index import Filter, HybridQuery
from .lexical import sparse_query, tokens
from .passages import PASSAGE_WORDS, grow, window
from .understanding import understand

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from paperlode.ingest.document import DocumentCard, PageBox

    from .embedding import Embedder
    from .fusion import Candidate, Weights
    from .index import Index
    from .understanding import Understood

__all__ = ["Copy", "Hit", "Search"]

DEPTH = 100
"""Candidates taken by each vector."""
DOCUMENTS = 100
"""Documents looked at by their cards."""
PREFERRED = 8
"""Documents of the organisation that a question names whose chunks are candidates whatever else is found."""
MAX_LIMIT = 1000
LEAST_TERMS = 30
"""Terms of a text whose copies are folded: shorter ones are alike by chance."""
SHOWN = (Layer.BODY, Layer.NOTE)
"""Layers searched unless the filter names others: no running headers and footers."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Where the text of a hit stands a second time: chunk id, digest of the document, first page (0-based)."""

    chunk: str
    document: str
    page: int


@dataclass(frozen=True, slots=True)
class Hit:
    """One page that answers, by its best chunk.

    Attributes:
        rank: 1 for the best.
        score: higher is better; comparable within one search only.
        chunk: the evidence.
        page: the page this hit stands for, 0-based.
        passage: the chunk's text grown to its neighbours on that page.
        because: what in the question this hit answers to, beside its words and meaning, in words.
        copies: where the same text stands in other documents.
    """

    rank: int
    score: float
    chunk: Chunk
    page: int
    passage: str
    because: tuple[str, ...] = ()
    copies: tuple[Copy, ...] = ()

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


@dataclass(slots=True)
class _Found:
    chunk: Chunk
    candidate: Candidate
    page: int
    copies: tuple[Copy, ...] = ()


class Search:
    """Searches an index with the model it was written with.

    Args:
        index: to be searched.
        embedder: whose vectors are in it.
        passage_words: how long a passage may grow; a chunk longer than that stays whole, and so does a table of a page.
        glossary: of notions; None for the one that comes with paperlode.
        weights: of the fusion; None for the default.
    """

    def __init__(
        self,
        index: Index,
        embedder: Embedder,
        *,
        passage_words: int = PASSAGE_WORDS,
        glossary: Glossary | None = None,
        weights: Weights | None = None,
    ) -> None:
        self._index = index
        self._embedder = embedder
        self._passage_words = passage_words
        self._glossary = glossary or Glossary.load()
        self._weights = weights

    def search(
        self, question: str, *, limit: int = 5, filters: Filter | None = None, said: str | None = None
    ) -> list[Hit]:
        """The best pages for ``question``, best first; fewer than ``limit`` when there are not more.

        Args:
            question: as it was asked.
            limit: 1 to 1000.
            filters: where to search.
            said: the question without what only names the documents searched.

        Raises:
            InvalidRequest: an empty question, or a limit outside 1 to 1000.
        """
        if not question.strip():
            raise InvalidRequest("The question is empty.", hint="Ask with at least one word.")
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidRequest(f"{limit} hits were asked for.", hint=f"Ask for 1 to {MAX_LIMIT}.")
        before, hits = self._index.generation, self._search(question, limit, filters, said)
        if self._index.generation == before:
            return hits
        with self._index.steady():  # a document that was published in the middle would be found half as it was
            return self._search(question, limit, filters, said)

    def _search(self, question: str, limit: int, filters: Filter | None, said: str | None) -> list[Hit]:
        only = filters or Filter()
        if not only.layers:
            only = replace(only, layers=SHOWN)
        understood = understand(question, self._glossary, said=said)
        documents = self._documents(question, understood, only)
        named = _named(documents)
        asked = unnamed(understood.asked, (documents[d][0] for d in named))
        readable = self._embedder.reads(asked)
        query = HybridQuery(
            Ahead(lambda: self._embedder.embed_query(asked)) if readable else None,
            sparse_query(asked),
            max(DEPTH, 10 * limit),
            only,
            pairs=sparse_pairs(asked),
            wanted=sparse_wanted(understood.wanted),
            roles=tuple(understood.roles),
            labels=tuple(dict.fromkeys(v for label in understood.labels for v in _cases(label))),
            prefer=named if len(named) < len(documents) else (),
        )
        fits = {d: (score, fitting) for d, (_, score, fitting) in documents.items()}
        ranked = fuse(
            self._index.search(query),
            understood,
            depth=query.limit,
            documents=fits,
            readable=readable,
            weights=self._weights,
        )
        pages = self._one_a_page(ranked, only.pages, limit + 2)
        best = list(islice(pages if only.documents else _folded(pages), limit))
        return self._hits(best, understood, documents)

    def _documents(
        self, question: str, understood: Understood, only: Filter
    ) -> dict[str, tuple[DocumentCard, float, CardFit]]:
        """The documents that fit the question, with their score and how their cards fit; none within one document."""
        if len(only.documents) == 1:
            return {}
        found = self._index.cards(sparse_names(question), DOCUMENTS, only.documents)
        return {card.document: (card, score, fit(card, understood, question)) for card, score in found}

    def _one_a_page(self, ranked: Sequence[Candidate], pages: tuple[int, int] | None, step: int) -> Iterator[_Found]:
        """The best chunk of every page, asking the index for ``step`` chunks at a time."""
        seen: set[tuple[str, int]] = set()
        for start in range(0, len(ranked), step):
            part = ranked[start : start + step]
            chunks = {c.id: c for c in self._index.get([c.id for c in part])}
            for candidate in part:
                chunk = chunks.get(candidate.id)
                if chunk is None:
                    continue  # deleted meanwhile
                on = chunk.pages
                page = next((p for p in on if pages and pages[0] <= p <= pages[1]), on[0] if on else 0)
                if (chunk.document, page) not in seen:
                    seen.add((chunk.document, page))
                    yield _Found(chunk, candidate, page)

    def _hits(
        self,
        best: Sequence[_Found],
        understood: Understood,
        documents: dict[str, tuple[DocumentCard, float, CardFit]],
    ) -> list[Hit]:
        around = self._index.passages([window(f.chunk) for f in best])
        return [
            Hit(
                rank,
                f.candidate.score,
                f.chunk,
                f.page,
                grow(f.chunk, f.page, around, self._passage_words),
                tuple(_reasons(f, understood, documents)),
                f.copies,
            )
            for rank, f in enumerate(best, 1)
        ]


def _cases(label: str) -> tuple[str, ...]:
    """A label as documents may write it: a defined term or a letter of a clause, small or with capitals."""
    kind, colon, text = label.rpartition(":")
    return tuple(kind + colon + way for way in (text, text.lower(), text.upper(), text.capitalize(), text.title()))


def _named(documents: dict[str, tuple[DocumentCard, float, CardFit]]) -> tuple[str, ...]:
    """The documents of the organisation that the question names, those first that fit best."""
    named = [(d, f, score) for d, (_, score, f) in documents.items() if f.name > 0]
    named.sort(key=lambda n: (-(n[1].period + n[1].quarter + n[1].kind), -n[2], n[0]))
    return tuple(d for d, _, _ in named[:PREFERRED])


def _folded(pages: Iterable[_Found]) -> Iterator[_Found]:
    """The hits, each text once: the same words in another document are noted with the first."""
    whole = cache(lambda text: tuple(tokens(text)))  # few texts begin alike
    by_head: dict[tuple[str, ...], list[_Found]] = {}
    for found in pages:
        head = tuple(islice(tokens(found.chunk.text), LEAST_TERMS))
        alike = by_head.setdefault(head, []) if len(head) == LEAST_TERMS else []
        first = next((f for f in alike if whole(f.chunk.text) == whole(found.chunk.text)), None)
        if first is None:
            alike.append(found)
        elif first.chunk.document != found.chunk.document:
            first.copies += (Copy(found.chunk.id, found.chunk.document, found.page),)
            continue
        yield found


def _reasons(
    found: _Found, understood: Understood, documents: dict[str, tuple[DocumentCard, float, CardFit]]
) -> Iterator[str]:
    """What in the question a hit answers to, in words."""
    if found.chunk.document in documents:
        card, _, fitting = documents[found.chunk.document]
        if fitting.said:
            yield f"document of {fitting.said}"
        if fitting.period >= 1 and card.year:
            yield f"about {card.year}" + (f", quarter {card.quarter}" if card.quarter and fitting.quarter > 0 else "")
    for role in found.candidate.roles:
        yield f"is {role.replace('_', ' ')}"
    for label in understood.labels:
        if label.lower() in {own.lower() for own in found.chunk.labels}:
            yield f"defines {label.removeprefix('term:')}" if label.startswith("term:") else f"is {label}"
