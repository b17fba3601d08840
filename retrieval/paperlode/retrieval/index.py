"""What every index can do, and the values that pass through it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from paperlode.ingest.errors import InvalidRequest, SchemaMismatch

from . import lexical
from .ahead import Ahead

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.document import Chunk, DocumentCard, Kind, Layer

    from .embedding import Embedder
    from .lexical import SparseVector

__all__ = ["HAS_LABEL", "INDEX_VERSION", "Filter", "HybridQuery", "Index", "Passage", "Schema", "Scored"]

INDEX_VERSION = 7
"""Raised when stored points cannot be read by older code, or older points by this code."""
HAS_LABEL = ":label"
"""The trait of a candidate that has one of the labels asked for."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What an index was written with; whoever stores an index stores this beside it.

    Attributes:
        embedder: the model's name, as ``load_embedder`` takes it.
        dimensions: of its vectors.
        version: of the stored points.
        lexical: version of the sparse vectors.
    """

    embedder: str
    dimensions: int
    version: int = INDEX_VERSION
    lexical: int = lexical.VERSION

    @classmethod
    def of(cls, embedder: Embedder) -> Schema:
        """The schema of an index written now, with this model."""
        return cls(embedder.name, embedder.dimensions)

    def to_dict(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Schema:
        """The schema back from its JSON object. Raises SchemaMismatch when something is missing or unknown."""
        if set(data) != {f.name for f in fields(cls)}:
            raise SchemaMismatch(
                f"The index's schema has the fields {sorted(data)}, this paperlode writes others.",
                hint="Ingest the documents into a new index.",
            )
        return cls(**data)

    def check(self, embedder: Embedder | None = None) -> None:
        """Raises SchemaMismatch unless this code (and ``embedder``, if given) can use an index with this schema."""
        wanted = Schema.of(embedder) if embedder else Schema(self.embedder, self.dimensions)
        differing = [
            f"{f.name} {getattr(self, f.name)!r} where {getattr(wanted, f.name)!r} is wanted"
            for f in fields(self)
            if getattr(self, f.name) != getattr(wanted, f.name)
        ]
        if differing:
            raise SchemaMismatch(
                f"The index was written with {', '.join(differing)}.",
                hint="Open it with what it was written with, or ingest the documents into a new index.",
            )


@dataclass(frozen=True, slots=True)
class Filter:
    """Which chunks count. Empty fields do not restrict.

    Attributes:
        documents: digests. kinds, layers: any of them.
        pages: first and last, 0-based, both inclusive.
        flags: chunks with any of these flags. without_flags: chunks with none of these.
        roles: chunks with any of these roles (``Glossary``). labels: chunks with any of these labels.
    """

    documents: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    pages: tuple[int, int] | None = None
    layers: tuple[Layer, ...] = ()
    flags: tuple[str, ...] = ()
    without_flags: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pages and not 0 <= self.pages[0] <= self.pages[1]:
            raise InvalidRequest(
                f"Pages {self.pages[0]} to {self.pages[1]} are no range.", hint="Pages are 0-based: (first, last)."
            )


@dataclass(frozen=True, slots=True)
class HybridQuery:
    """One question to an index: up to ``limit`` best chunks by each of its vectors, any of which may be missing.

    Attributes:
        dense: shape ``(dimensions,)``; also compared with the rows of tables. While it is still being made, an index may look
            for the words.
        sparse: the question's terms, for chunks and for pages.
        limit: candidates by each vector.
        filter: which chunks count. Within named documents, how rare a term is, is counted in these documents.
        pairs: terms that follow one another in the question.
        wanted: terms of line items and phrases that would answer it.
        roles, labels: chunks that have one of them are candidates too.
        prefer: digests of documents whose chunks are candidates too, by the same vectors.
    """

    dense: NDArray[np.float32] | Ahead[NDArray[np.float32]] | None
    sparse: SparseVector | None
    limit: int
    filter: Filter = Filter()
    pairs: SparseVector | None = None
    wanted: SparseVector | None = None
    roles: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    prefer: tuple[str, ...] = ()

    @property
    def meaning(self) -> NDArray[np.float32] | None:
        """The vector ``dense``, waited for. Raises what making it raised."""
        return self.dense.result() if isinstance(self.dense, Ahead) else self.dense


class Scored(NamedTuple):
    """A candidate and how well it fits, None where it was not among the best by that vector.

    ``dense`` is a cosine, ``lexical`` the chunk's BM25, ``page`` the BM25 of the page it starts on, ``row`` the cosine of
    the best of its table rows, ``pairs`` the BM25 of pairs of terms, ``wanted`` that of the terms that would answer.
    ``traits`` are those of the roles asked for that it has, and ``HAS_LABEL`` where it has one of the labels asked for.
    """

    id: str
    dense: float | None
    lexical: float | None
    page: float | None
    row: float | None = None
    pairs: float | None = None
    wanted: float | None = None
    traits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk's text as it is shown, without its structure: cheap to fetch when a hit is grown to its neighbours."""

    id: str
    document: str
    ordinal: int
    pages: tuple[int, ...]
    layer: Layer
    text: str
    context: str
    table: int | None
    """Index of the table's block in the document, when it is (part of) a table."""


class Index(Protocol):
    """Points that are staged, published and searched.

    A document is staged in any number of calls and is invisible until ``publish``. Chunk ids are hashes of what made
    them: staging a chunk that is there changes nothing. Chunks that are published already, as most of a document of which a
    page changed, need not be staged again (``hold``). One process at a time; methods may be called from any thread.

    Attributes:
        generation: another number after everything that changed what searches find, as far as this object knows.
    """

    @property
    def generation(self) -> int:
        """See above."""
        ...

    def steady(self) -> AbstractContextManager[Any]:
        """While the context lasts nothing is published or discarded through this object: whoever would waits."""
        ...

    def stage(
        self,
        chunks: Sequence[Chunk],
        dense: NDArray[np.float32],
        sparse: Sequence[SparseVector],
        pages: Sequence[SparseVector] | None = None,
        rows: Sequence[NDArray[np.float32]] | None = None,
        *,
        pairs: Sequence[SparseVector] | None = None,
        roles: Sequence[tuple[str, ...]] | None = None,
    ) -> None:
        """Stores chunks with their vectors; not searchable yet.

        Args:
            chunks: of any documents.
            dense: shape ``(len(chunks), dimensions)``; the rows of furniture are not used: running headers and footers
                are found by their words only.
            sparse: each chunk's own terms.
            pages: for each chunk the terms of the page it starts on, which help to rank it.
            rows: for each chunk the vectors of its entries (``Chunk.entries``), shape ``(entries, dimensions)``.
            pairs: for each chunk its pairs of terms.
            roles: for each chunk what it is for (``Glossary.roles_of``).

        Raises:
            StorageFull: no room; what was staged before is still there.
            SchemaMismatch: vectors of another length than the index has.
        """
        ...

    def stage_card(self, card: DocumentCard, whole: SparseVector, version: str = "") -> None:
        """Stores a document's card with its terms (``sparse_whole``), in place of an older one once it is published.

        ``version`` names what is published with it.
        """
        ...

    def version(self, document: str) -> str:
        """The name of the version of the document that is published; empty where there is none, or it has no card."""
        ...

    def hold(self, chunks: Sequence[Chunk]) -> set[str]:
        """Which of these are published already: they stay when their documents are published next.

        Their places in the order (``Chunk.ordinal``, ``Chunk.span``, the table's block) become those of the chunks given, then.

        Returns:
            The ids of those that need not be staged.
        """
        ...

    def publish(self, document: str) -> None:
        """Makes all that was staged or held for ``document`` searchable, in place of what was; durable after ``flush``.

        It is one step: whoever searches finds the old ones or the new ones, also after a crash.
        """
        ...

    def discard(self, document: str, *, staged_only: bool = False) -> None:
        """Forgets a document, or only what was staged for it."""
        ...

    def search(self, query: HybridQuery) -> list[Scored]:
        """The candidates of both vectors, unfused, in no particular order. Only published chunks."""
        ...

    def cards(self, terms: SparseVector, limit: int, documents: Sequence[str] = ()) -> list[tuple[DocumentCard, float]]:
        """The published cards of the documents that fit the terms best, with their scores, best first.

        Args:
            terms: of a question (``sparse_names``).
            limit: how many at most.
            documents: digests; all when empty.
        """
        ...

    def get(self, ids: Sequence[str]) -> list[Chunk]:
        """The published chunks with these ids, in the order asked; unknown ids are left out."""
        ...

    def passages(self, windows: Sequence[tuple[str, int, int]]) -> list[Passage]:
        """Published passages, ordered, of every window: document, first and last ordinal, both inclusive."""
        ...

    def chunks(self, document: str) -> Iterator[Chunk]:
        """A document's published chunks, in order."""
        ...

    def labelled(self, document: str, label: str, *, referring: bool = False) -> list[Chunk]:
        """A document's published chunks with that label (``Chunk.labels``), in order; with ``referring``, that refer to it."""
        ...

    def documents(self) -> set[str]:
        """Digests of the documents with published chunks."""
        ...

    def count(self, document: str | None = None) -> int:
        """Published chunks, of one document or of all."""
        ...

    def flush(self) -> None:
        """Makes everything durable."""
        ...

    def optimize(self) -> None:
        """Rearranges the stored points for faster search; may take long."""
        ...

    def close(self) -> None:
        """Flushes and lets go of the files; the index cannot be used afterwards."""
        ...
