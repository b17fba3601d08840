"""The archive: documents in, cited answers out. Every face (command line, HTTP) calls this one class."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from paperlode.api.directory import Directory, Lock, Manifest, make_root
from paperlode.api.stores import clear_stores, open_stores, settle
from paperlode.api.values import IngestOptions, Scope, Status
from paperlode.ingest.errors import ArchiveNotFound, DocumentNotFound, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from paperlode.api.reparse import PageOutcome, ReparseReport
    from paperlode.ingest.document import Box, Chunk
    from paperlode.ingest.ledger import DocumentRecord, FailedPage, FlaggedPage, Recipe
    from paperlode.ingest.parsing.base import Parser
    from paperlode.ingest.pipeline import Progress, RunReport
    from paperlode.ingest.workers import WorkerPool
    from paperlode.retrieval.answer import Answer, Citation
    from paperlode.retrieval.embedding import Embedder
    from paperlode.retrieval.search import Hit

__all__ = ["Archive", "IngestOptions", "Scope", "Status"]

DEFAULT_EMBEDDER = "minilm"


class Archive:
    """One index folder, held by this process until ``close``. Use ``open``, ``create`` or ``open_or_create``.

    Methods may be called from several threads; ``ingest`` from one at a time.
    """

    def __init__(self, directory: Directory, manifest: Manifest, embedder: Embedder | None, stack: ExitStack) -> None:
        """Not for callers. ``stack`` lets go of the locked ``directory``; the archive takes over what is on it."""
        self.directory = directory
        self._manifest = replace(manifest, ready=True)
        self._embedder = embedder
        self._lazily = threading.Lock()
        self._ingesting = threading.Lock()
        self._pool: WorkerPool | None = None
        self._index, self._ledger = open_stores(directory, manifest, stack)
        if not manifest.ready:
            self._manifest.write(directory)
        settle(self._index, self._ledger, directory)
        self._resources = stack.pop_all()

    # -- opening and closing

    @classmethod
    def open(cls, folder: str | Path, *, embedder: str | Embedder | None = None) -> Archive:
        """Open an index folder.

        Args:
            folder: made by ``create``.
            embedder: name of the model, or a model; None for the one the index was made with.

        Raises:
            ArchiveNotFound, ArchiveLocked, ArchiveCorrupt: there is none, another process has it, it is damaged.
            SchemaMismatch: made with another model or by another version; both are named.
        """
        directory = Directory(Path(folder).expanduser())
        manifest = Manifest.read(directory)
        with ExitStack() as stack:
            stack.callback(Lock(directory).release)
            manifest = Manifest.read(directory)  # again: another process may just have been creating it
            if not manifest.ready:
                raise ArchiveNotFound(
                    f"The index in {str(directory.root)!r} was begun and never finished.",
                    hint=f"Make it with: paperlode ingest PATH --index {directory.root}",
                )
            if embedder is not None:
                manifest.check_embedder(embedder if isinstance(embedder, str) else embedder.name, directory.root)
            given = None if isinstance(embedder, str) else embedder
            return cls(directory, manifest, given, stack)

    @classmethod
    def create(cls, folder: str | Path, *, embedder: str | Embedder = DEFAULT_EMBEDDER) -> Archive:
        """Make an empty index in a new or empty folder.

        Raises:
            ModelUnknown, MissingExtra, ModelChecksumMismatch: the model cannot be had; nothing is made.
            ArchiveError: the folder cannot be written, or holds other things. StorageFull: no room.
        """
        from paperlode.retrieval.index import Schema

        model = _load(embedder)
        directory = Directory(Path(folder).expanduser())
        make_root(directory)
        with ExitStack() as stack:
            stack.callback(Lock(directory).release)
            if directory.manifest.exists() and Manifest.read(directory).ready:
                raise InvalidRequest(f"There is an index in {str(directory.root)!r} already.", hint="Open it.")
            manifest = Manifest(Schema.of(model).to_dict())
            manifest.write(directory)
            clear_stores(directory)
            return cls(directory, manifest, model, stack)

    @classmethod
    def open_or_create(cls, folder: str | Path, *, embedder: str | Embedder | None = None) -> Archive:
        """Open the index, or make one where there is none. Raises like ``open`` and ``create``."""
        try:
            return cls.open(folder, embedder=embedder)
        except ArchiveNotFound:
            return cls.create(folder, embedder=embedder or DEFAULT_EMBEDDER)

    def close(self) -> None:
        """Let go of the folder. Idempotent."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def embedder(self) -> Embedder:
        """The model of this index, loaded when first needed.

        Raises:
            SchemaMismatch: the model of that name gives other vectors today.
        """
        with self._lazily:
            if self._embedder is None:
                model = _load(str(self._manifest.schema["embedder"]))
                self._manifest.stored_schema(self.directory.root).check(model)
                self._embedder = model
            return self._embedder

    # -- documents in

    def ingest(
        self,
        paths: Sequence[str | Path],
        *,
        options: IngestOptions | None = None,
        parser: Parser | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> RunReport:
        """Take in files, folders and globs; what is done already is skipped. See ``paperlode.ingest.pipeline.run``.

        Args:
            paths: files, folders, globs.
            options: see ``IngestOptions``.
            parser: None for the one that the options ask for; closed at the end.
            on_progress: called from this thread, at most ten times a second.
            on_notice: told at the start what was taken where the options leave it open; default the log.

        Raises:
            ServerError: no recognition server can be used.
            KeyboardInterrupt: after cleaning up; finished documents and parsed pages are kept.
            ArchiveError, ModelError: not one file's fault.
        """
        from paperlode.api.parsers import make_parser
        from paperlode.api.sink import IndexSink, with_sink_stages
        from paperlode.ingest.chunking import ChunkOptions
        from paperlode.ingest.pipeline import RunOptions, run
        from paperlode.ingest.stopwatch import Stopwatch

        options = options or IngestOptions()
        chunking = ChunkOptions()
        watch = Stopwatch()
        with self._ingesting, ExitStack() as stack:
            with watch.stage("load model"):
                embedder = self.embedder
            parser = parser or make_parser(options, notice=on_notice)
            stack.callback(parser.close)
            sink = IndexSink(self._index, embedder)
            recipe = self._recipe(parser.fingerprint, chunking.fingerprint)
            self._note(recipe)
            report = run(
                paths,
                parser=parser,
                counter=embedder,
                sink=sink,
                ledger=self._ledger,
                recipe=recipe,
                on_progress=on_progress,
                options=RunOptions(
                    retry_failed=options.retry_failed,
                    lanes=parser.documents_at_once,
                    disk=self.directory.root,
                    free_bytes=options.free_bytes,
                ),
                chunking=chunking,
                watch=watch,
            )
            if report.ingested and options.optimize and report.stopped is None:
                with watch.stage("optimize"):
                    self._index.optimize()
        report.seconds = with_sink_stages(watch.seconds, sink.seconds)
        return report

    def _recipe(self, parser: str, chunker: str) -> Recipe:
        from paperlode.ingest.ledger import Recipe

        return Recipe(parser, chunker, str(self._manifest.schema["embedder"]))

    def _note(self, recipe: Recipe) -> None:
        if (self._manifest.parser, self._manifest.chunker) != (recipe.parser, recipe.chunker):
            self._manifest = replace(self._manifest, parser=recipe.parser, chunker=recipe.chunker)
            self._manifest.write(self.directory)

    def flagged(self, documents: Sequence[str] = ()) -> list[FlaggedPage]:
        """Pages that failed or that the judge wants looked at, with reasons and boxes, by document and page.

        Raises:
            DocumentNotFound, InvalidRequest: no document, or several, are called that.
        """
        if not documents:
            return self._ledger.flagged_pages()
        return [p for d in documents for p in self._ledger.flagged_pages(self.document(d).digest)]

    def reparse(
        self,
        documents: Sequence[str] = (),
        *,
        codes: Sequence[str] = (),
        options: IngestOptions | None = None,
        parser: Parser | None = None,
        on_page: Callable[[PageOutcome], None] | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> ReparseReport:
        """Read the pages that want a look again, with the parser that the options ask for; see ``api.reparse``.

        Args:
            documents: only of these; all when empty.
            codes: only pages with one of these findings; all when empty.
            options: which parser, and how.
            parser: None for the one that the options ask for; closed at the end.
            on_page: told what came of each page.
            on_notice: as for ``ingest``.

        Raises:
            DocumentNotFound, InvalidRequest: no such document or finding.
            SourceError: a document's file is gone, or holds something else now.
            ServerError: no recognition server can be used.
        """
        from paperlode.api.parsers import make_parser
        from paperlode.api.reparse import Reparse, ReparseReport, chosen
        from paperlode.api.sink import IndexSink

        wanted = chosen(self.flagged(documents), codes=codes)
        if not wanted:
            return ReparseReport()
        options = options or IngestOptions()
        with self._ingesting, ExitStack() as stack:
            parser = parser or make_parser(options, notice=on_notice)
            stack.callback(parser.close)
            sink = IndexSink(self._index, self.embedder)
            space = (self.directory.root, options.free_bytes)
            work = Reparse(self._ledger, sink, self.embedder, parser, space=space, on_page=on_page)
            return work.run([(self.document(d), pages) for d, pages in wanted.items()])

    def delete(self, document: str) -> DocumentRecord:
        """Take a document out of the index; the file itself is not touched. Returns what it was.

        Raises:
            DocumentNotFound, InvalidRequest: no document, or several, are called that.
        """
        record = self.document(document)
        self._ledger.begin_removal(record.digest)
        self._index.discard(record.digest)
        self._ledger.remove(record.digest)
        return record

    # -- questions

    def search(self, question: str, *, limit: int = 5, scope: Scope | None = None) -> list[Hit]:
        """The best pages for the question, best first.

        Raises:
            InvalidRequest: an empty question, or a limit or scope that makes no sense.
            DocumentNotFound: the scope names an unknown document.
        """
        from paperlode.retrieval.naming import without_names
        from paperlode.retrieval.search import Search

        asked = without_names(question, [self.document(d).name for d in scope.documents] if scope else [])
        return Search(self._index, self.embedder).search(asked, limit=limit, filters=self._filter(scope))

    def ask(self, question: str, *, limit: int = 5, scope: Scope | None = None) -> tuple[Answer, list[Hit]]:
        """An answer that cites the best ``limit`` hits, and those hits. Raises like ``search``."""
        from paperlode.retrieval.answer import QuotingAnswerer

        hits = self.search(question, limit=limit, scope=scope)
        names = self.names(hits)
        answer = QuotingAnswerer(self.embedder, name_of=lambda digest: names[digest]).answer(question, hits)
        return replace(answer, citations=tuple(map(self._pinpointed, answer.citations))), hits

    def _pinpointed(self, citation: Citation) -> Citation:
        from paperlode.api.pinpoint import pinpoint

        on = sorted({r.page for r in citation.boxes})
        if not on:
            return citation
        parser = self._ledger.document(citation.document).recipe.parser
        pages = self._ledger.pages(citation.document, parser, start=on[0], stop=on[-1] + 1)
        return pinpoint(citation, pages)

    def _filter(self, scope: Scope | None) -> Any:
        from paperlode.ingest.document import Kind, Layer
        from paperlode.retrieval.index import Filter

        scope = scope or Scope()
        return Filter(
            documents=tuple(self.document(d).digest for d in scope.documents),
            kinds=_members(Kind, scope.kinds, "kind"),
            pages=scope.pages,
            layers=_members(Layer, scope.layers, "layer"),
            flags=scope.flags,
            without_flags=scope.without_flags,
        )

    def names(self, hits: Sequence[Hit]) -> dict[str, str]:
        """File names of the hits' documents, by digest."""
        return self._ledger.names({h.document for h in hits})

    def hit(self, chunk: str) -> Chunk:
        """The chunk with this id.

        Raises:
            DocumentNotFound: there is none.
        """
        found = self._index.get([chunk])
        if not found:
            raise DocumentNotFound(f"There is no hit {chunk!r} in the index.", hint="Ids are in the search's output.")
        return found[0]

    def follow(self, document: str, label: str, *, referring: bool = False) -> list[Chunk]:
        """Where the document says what is referred to by ``label``: ``Section 4.2(b)``, ``Exhibit A``, a defined term.

        Args:
            document: as for ``document``.
            label: as printed, or as in ``Chunk.references``. Of a mark that has no place of its own, the clause around it.
            referring: the chunks that refer to it, in place of what they refer to.

        Raises:
            DocumentNotFound, InvalidRequest: no document, or several, are called that.
        """
        from paperlode.api.follow import candidates

        digest = self.document(document).digest
        for one in candidates(label):
            if found := self._index.labelled(digest, one, referring=referring):
                return found
        return []

    # -- what is in it

    def status(self) -> Status:
        """What the archive holds."""
        from paperlode.ingest.ledger_findings import base_of

        m = self._manifest
        documents = self._ledger.documents()
        indexed = [d for d in documents if d.status == "indexed"]
        return Status(
            folder=str(self.directory.root),
            bytes=self.directory.size(),
            embedder=str(m.schema["embedder"]),
            dimensions=int(m.schema["dimensions"]),
            parser=m.parser,
            chunker=m.chunker,
            counts=self._ledger.counts(),
            failures=self._ledger.failures(),
            outdated=sum((base_of(d.recipe.parser), d.recipe.chunker) != (m.parser, m.chunker) for d in indexed),
            pending=sum(d.status == "pending" for d in documents),
        )

    def documents(self) -> list[DocumentRecord]:
        """Every searchable document, by name."""
        return [d for d in self._ledger.documents() if d.status == "indexed"]

    def document(self, ref: str) -> DocumentRecord:
        """The document named by digest, 6 or more digits of it, path, file name, or file name without extension.

        Raises:
            DocumentNotFound, InvalidRequest: none, or several, are called that.
        """
        return self._ledger.document(ref)

    def failed_pages(self, document: str) -> list[FailedPage]:
        """The document's pages that could not be parsed, with the reasons."""
        record = self.document(document)
        return self._ledger.failed_pages(record.digest, record.recipe.parser)

    def export(self, document: str, form: str) -> Iterator[str]:
        """The document as ``json``, ``markdown``, ``html``, ``docling``, ``jsonl`` (chunks) or ``figures``, in pieces of text.

        Raises:
            DocumentNotFound, InvalidRequest: no such document or format.
        """
        from paperlode.api.export import export

        return export(self._ledger, self._index, self.document(document), form)

    def page_picture(
        self, document: str, page: int, *, boxes: Sequence[Box] = (), dpi: int = 110, password: str | None = None
    ) -> bytes:
        """A page (0-based) as PNG, with boxes (points) drawn on it.

        Raises:
            DocumentNotFound: no such document or page.
            SourceError: the file is gone, or holds something else now, or needs a password.
            PageError: the page cannot be rendered.
        """
        from paperlode.api.export import find_source
        from paperlode.ingest.pages import PageRef, render_page

        record = self.document(document)
        if not 0 <= page < record.page_count:
            raise DocumentNotFound(
                f"{record.name!r} has no page {page + 1}; its pages are 1 to {record.page_count}.",
                hint="People count pages from 1, the JSON from 0.",
            )
        path = find_source(record)
        ref = PageRef(path, page, pdf=record.media_type == "application/pdf", password=password)
        return self._workers().call(render_page, ref, dpi, tuple(boxes), what=str(ref))

    def _workers(self) -> WorkerPool:
        from paperlode.ingest.workers import WorkerPool

        with self._lazily:
            if self._pool is None:
                self._pool = WorkerPool(workers=1)
            return self._pool

    def check(self) -> list[str]:
        """What does not fit together in the folder, in words; empty when it is sound."""
        indexed = {d.digest: d for d in self.documents()}
        held = self._index.documents()
        problems = [
            f"{d.name} is recorded, but not in the index" for d in indexed.values() if d.chunks and d.digest not in held
        ]
        problems += [f"the index holds {digest[:12]}, which is not recorded" for digest in sorted(held - set(indexed))]
        count, recorded = self._index.count(), sum(d.chunks for d in indexed.values())
        if count != recorded:
            problems.append(f"the index holds {count} chunks, {recorded} are recorded")
        return problems


def _load(embedder: str | Embedder) -> Embedder:
    if not isinstance(embedder, str):
        return embedder
    from paperlode.retrieval.embedding import load_embedder

    return load_embedder(embedder)


_M = TypeVar("_M", bound=StrEnum)


def _members(kind: type[_M], names: Sequence[str], what: str) -> tuple[_M, ...]:
    try:
        return tuple(kind(n) for n in names)
    except ValueError:
        known = ", ".join(kind)
        raise InvalidRequest(f"There is no {what} among {', '.join(names)!r}.", hint=f"Known: {known}.") from None
