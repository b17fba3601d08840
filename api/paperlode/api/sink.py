"""Where a run's chunks go: embedded, staged in the index, published a document at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paperlode.retrieval.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paperlode.ingest.document import Chunk
    from paperlode.retrieval.embedding import Embedder
    from paperlode.retrieval.glossary import Glossary
    from paperlode.retrieval.index import Index

__all__ = ["Cleaner", "IndexSink", "with_sink_stages"]


class Cleaner:
    """The part of a sink that needs no model: dropping what is staged, and whole documents."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def version(self, document: str) -> str:
        """Which version of the document is searchable."""
        return self._index.version(document)

    def count(self, document: str) -> int:
        """Searchable chunks of the document."""
        return self._index.count(document)

    def discard(self, document: str) -> None:
        """Drop what is staged of the document."""
        self._index.discard(document, staged_only=True)

    def remove(self, document: str) -> None:
        """Drop the document altogether."""
        self._index.discard(document)


class IndexSink(Cleaner):
    """A ``paperlode.ingest.pipeline.Sink`` that writes into an index.

    Args:
        index, embedder, glossary: as for ``Writer``.
        name_of: a document's file name, by its digest.
    """

    def __init__(
        self, index: Index, embedder: Embedder, *, name_of: Callable[[str], str], glossary: Glossary | None = None
    ) -> None:
        super().__init__(index)
        self._writer = Writer(index, embedder, glossary=glossary)
        self._name_of = name_of

    @property
    def seconds(self) -> dict[str, float]:
        """Wall seconds so far of its own stages: ``embed``, ``lexical``, ``index``."""
        return dict(self._writer.seconds)

    @property
    def written(self) -> int:
        """Chunks so far that were embedded and staged; the others lay in the index already."""
        return self._writer.written

    def begin(self, document: str) -> None:
        """A document starts."""
        self._writer.begin(document)

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Embed and stage chunks of it."""
        self._writer.add(chunks)

    def commit(self, document: str, version: str) -> None:
        """Make it searchable, in place of an older version."""
        self._writer.commit(document, self._name_of(document), version)

    def discard(self, document: str) -> None:
        """Drop what was added since ``begin``; a searchable version stays."""
        self._writer.begin(document)

    def flush(self) -> None:
        """Make everything durable."""
        self._writer.flush()


def with_sink_stages(seconds: dict[str, float], sink: dict[str, float]) -> dict[str, float]:
    """The stage ``index``, as seen by the run, split into what the sink did in it."""
    whole = seconds.pop("index", 0.0)
    last = {k: seconds.pop(k) for k in ("optimize",) if k in seconds}
    split = {**sink, "index": max(0.0, whole - sum(v for k, v in sink.items() if k != "index"))}
    return {**seconds, **split, **last}
