"""An archive embedded anew with another model, from what is stored: nothing is parsed.

A new index is made beside the old one (a shard, or a collection on the same server), document by document, from the stored
chunks. A document with a chunk or a table row that is longer than the new model reads is cut anew from its kept pages. When
all are in, one write of the manifest makes the new one count: until then the old one is searched, and a run that was broken
off goes on where it was. The ledger follows, and on a server the alias; where the process dies between, they do when the
archive is opened.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from paperlode.api.export import source_of
from paperlode.api.reindex_places import CollectionPlace, ShardPlace
from paperlode.api.sink import IndexSink
from paperlode.ingest.errors import ArchiveCorrupt, ArchiveError
from paperlode.ingest.ledger_reindex import Reindexed
from paperlode.retrieval.index import Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from paperlode.api.directory import Directory, Manifest
    from paperlode.api.reindex_places import Place
    from paperlode.ingest.chunking import ChunkOptions
    from paperlode.ingest.document import Chunk, ParsedPage
    from paperlode.ingest.ledger import DocumentRecord, Ledger
    from paperlode.retrieval.embedding import Embedder
    from paperlode.retrieval.glossary import Glossary
    from paperlode.retrieval.index import Index
    from paperlode.retrieval.server_options import ServerOptions

__all__ = ["Reindex", "ReindexProgress", "ReindexReport"]

_BATCH = 128

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReindexProgress:
    """How far a run is.

    Attributes:
        document: name of the one under way.
        documents_done: of ``documents_total``; those that an earlier run did count as done.
        chunks_done: of ``chunks_total``, which is what the old index holds of the documents.
    """

    document: str
    documents_done: int
    documents_total: int
    chunks_done: int
    chunks_total: int


@dataclass(slots=True)
class ReindexReport:
    """What a run did.

    Attributes:
        before, embedder: names of the models that the archive had and has.
        documents, chunks: in the new index.
        cut_anew: names of the documents with something longer than the new model reads.
        kept: documents that an earlier run, which was broken off, had embedded.
        seconds: of the whole run.
        needed: whether there was anything to do; an archive that was made with the model stays as it is.
    """

    before: str
    embedder: str
    documents: int = 0
    chunks: int = 0
    cut_anew: list[str] = field(default_factory=list)
    kept: int = 0
    seconds: float = 0.0
    needed: bool = True


class _TooLong(Exception):
    """A stored chunk is longer than the model reads."""


class Reindex:
    """One run.

    Args:
        directory: the archive's, locked by this process.
        manifest: it counts now.
        ledger, index: that belong to it.
        embedder: the new model.
        server: where the index is on one, with its key.
        glossary: of roles; None for the one that comes with paperlode.
        on_progress: called from this thread.
    """

    def __init__(
        self,
        directory: Directory,
        manifest: Manifest,
        ledger: Ledger,
        index: Index,
        embedder: Embedder,
        *,
        server: ServerOptions | None = None,
        glossary: Glossary | None = None,
        on_progress: Callable[[ReindexProgress], None] | None = None,
    ) -> None:
        self._directory, self._manifest = directory, manifest
        self._ledger, self._old, self._embedder = ledger, index, embedder
        self._glossary, self._on_progress = glossary, on_progress
        self._schema = Schema.of(embedder)
        self._made_with = json.dumps(self._schema.to_dict(), sort_keys=True)
        self._place: Place = (
            CollectionPlace(server, manifest, self._schema) if server else ShardPlace(directory, manifest, self._schema)
        )
        self._name = ""
        self._total = self._records_done = self._chunks_done = self._chunks_total = 0

    def run(self) -> tuple[Manifest, Index | None, ReindexReport]:
        """The manifest that counts afterwards, its open index (None where nothing changed), and what was done.

        Raises:
            StorageFull: no room for a second index.
            ServerError: the server of the new model cannot be used any more; the same command goes on later.
            ArchiveError: pages of a document that must be cut anew are not kept.
        """
        began = time.perf_counter()
        report = ReindexReport(str(self._manifest.schema["embedder"]), self._embedder.name)
        if self._schema.to_dict() == self._manifest.schema:
            self._forget()
            report.needed = False
            return self._manifest, None, report
        new, name = self._new()
        try:
            self._fill(new, name, report)
            new.optimize()
            new.flush()
            self._check(new, report)
            manifest = self._place.manifest(name)
            manifest.write(self._directory)  # from here on the new one counts
            new = self._place.swap(new, name)
        except BaseException:
            new.close()
            raise
        self._ledger.reindex.take_over(name)
        report.seconds = time.perf_counter() - began
        return manifest, new, report

    def close(self) -> None:
        """Let go of what the run needed, but not of the index that it made."""
        self._place.close()

    # -- the new index

    def _new(self) -> tuple[Index, str]:
        """The one that an earlier run has begun for this model, or an empty one; and its name."""
        begun = self._ledger.reindex.under_way()
        if begun and begun[1] == self._made_with and (index := self._place.begun(begun[0])) is not None:
            return index, begun[0]
        self._forget()
        return self._place.fresh()

    def _forget(self) -> None:
        """Take away what was begun for another model."""
        self._ledger.reindex.forget()
        self._place.forget()

    def _fill(self, new: Index, name: str, report: ReindexReport) -> None:
        records = [r for r in self._ledger.documents() if r.status == "indexed"]
        self._total, self._chunks_total = len(records), sum(r.chunks for r in records)
        for gone in new.documents() - {r.digest for r in records}:
            new.discard(gone)
        done = self._ledger.reindex.done()
        names = {r.digest: r.name for r in records}
        sink = IndexSink(new, self._embedder, name_of=lambda digest: names[digest], glossary=self._glossary)
        for record in records:
            self._name = record.name
            self._show()
            before = done.get(record.digest)
            if before and before.updated == record.updated and new.count(record.digest) == before.chunks:
                report.kept += 1
                report.chunks += before.chunks
            else:
                row = self._document(record, sink, report)
                self._ledger.reindex.note(name, self._made_with, row)
                report.chunks += row.chunks
            report.documents += 1
            self._records_done += 1
            self._chunks_done += record.chunks
        self._show()

    def _check(self, new: Index, report: ReindexReport) -> None:
        if (held := new.count()) != report.chunks:
            raise ArchiveCorrupt(
                f"The new index holds {held:,} chunks where {report.chunks:,} were written.",
                hint="The old one is as it was. Run the same command again.",
            )

    # -- one document

    def _document(self, record: DocumentRecord, sink: IndexSink, report: ReindexReport) -> Reindexed:
        chunker = record.recipe.chunker
        try:
            chunks = self._put(record, sink, chunker, self._stored(record))
        except _TooLong:
            from paperlode.ingest.chunking import ChunkOptions

            options = ChunkOptions()
            chunker = options.fingerprint
            chunks = self._put(record, sink, chunker, self._cut_anew(record, options))
            report.cut_anew.append(record.name)
        log.info("%s: %d chunks", record.name, chunks)
        return Reindexed(record.digest, self._embedder.name, chunker, chunks, record.updated)

    def _put(self, record: DocumentRecord, sink: IndexSink, chunker: str, chunks: Iterator[Chunk]) -> int:
        recipe = replace(record.recipe, chunker=chunker, embedder=self._embedder.name)
        sink.begin(record.digest)
        total = 0
        while batch := list(islice(chunks, _BATCH)):
            sink.add(batch)
            total += len(batch)
            self._show(total)
        sink.commit(record.digest, recipe.version(record.content))
        sink.flush()
        return total

    def _stored(self, record: DocumentRecord) -> Iterator[Chunk]:
        """The stored chunks with their length for the new model.

        Raises:
            _TooLong: one is longer than it reads.
        """
        for chunk in self._old.chunks(record.digest):
            tokens = self._embedder.count(chunk.embedded_text)
            rows = (self._embedder.count(e.text) for e in chunk.entries)
            if tokens > self._embedder.max_tokens or any(n > self._embedder.max_tokens for n in rows):
                raise _TooLong
            yield replace(chunk, tokens=tokens)

    def _cut_anew(self, record: DocumentRecord, options: ChunkOptions) -> Iterator[Chunk]:
        from paperlode.ingest.assembly import assemble
        from paperlode.ingest.chunking import chunk
        from paperlode.ingest.page_stamps import PageStamps
        from paperlode.ingest.readers import Readers

        parser = record.recipe.parser
        kept = len(self._ledger.done_pages(record.content, parser))
        if kept < record.page_count:
            raise ArchiveError(
                f"{record.name!r} must be cut anew for {self._embedder.name!r}, and {kept} of its {record.page_count} "
                "pages are kept.",
                hint=f"Delete it from the index, ingest it again, then go on: paperlode delete {record.digest[:12]}",
            )
        readers, stamps = Readers(), PageStamps()

        def pages() -> Iterator[ParsedPage]:
            for page in self._ledger.pages(record.content, parser):
                readers.note(page)
                stamps.note(page)
                yield page

        made = chunk(
            assemble(pages()),
            source=source_of(record),
            parser=parser,
            counter=self._embedder,
            options=options,
            stamps=stamps,
        )
        return map(readers.mark, made)

    def _show(self, chunks: int = 0) -> None:
        if self._on_progress:
            done = min(self._chunks_done + chunks, self._chunks_total)
            self._on_progress(ReindexProgress(self._name, self._records_done, self._total, done, self._chunks_total))
