"""The archive: documents in, cited answers out. Every face (command line, HTTP) calls this one class."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from paperlode.api.archive_contents import Contents
from paperlode.api.archive_folder import DEFAULT_EMBEDDER, load_model
from paperlode.api.directory import Manifest
from paperlode.api.places import place_of, server_at
from paperlode.api.stores import clear_shards, clear_strays, open_on_server
from paperlode.api.values import IngestOptions, Scope, Status
from paperlode.ingest.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from llama_index.core.llms import LLM

    from paperlode.api.push import Plan, PushReport, Samples
    from paperlode.api.reindex import ReindexProgress, ReindexReport
    from paperlode.api.reparse import PageOutcome, ReparseReport
    from paperlode.ingest.ledger import DocumentRecord, Recipe
    from paperlode.ingest.parsing.base import Parser
    from paperlode.ingest.pipeline import Progress, RunReport
    from paperlode.retrieval.answer import Answer, Citation, QuotingAnswerer
    from paperlode.retrieval.embedding import Embedder
    from paperlode.retrieval.llama_index import PaperlodeRetriever
    from paperlode.retrieval.llm_answer import AnswerEvent, LLMAnswerer
    from paperlode.retrieval.query_engine import CitationQueryEngine
    from paperlode.retrieval.rerank import Reranker
    from paperlode.retrieval.search import Hit
    from paperlode.retrieval.server_options import CollectionOptions, ServerOptions

__all__ = ["DEFAULT_EMBEDDER", "Archive", "IngestOptions", "Scope", "Status"]


class Archive(Contents):
    """One index folder, held by this process until ``close``. Use ``open``, ``create`` or ``open_or_create``.

    Methods may be called from several threads; ``ingest`` from one at a time.

    Attributes:
        reranker: judges the hits of every search that names none; None where searches stand as they are.
        reranking: how many hits a reranker judges, and for how long.
        llm: a LlamaIndex language model that writes the answers; None where they are quotations.
    """

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
            paths: files, folders, globs, URLs of them (``s3://…``, ``https://…``; what fsspec reads).
            options: see ``IngestOptions``.
            parser: None for the one that the options ask for; closed at the end.
            on_progress: called from this thread, at most ten times a second.
            on_notice: told at the start what was taken where the options leave it open; default the log.

        Raises:
            ServerError: no recognition server can be used, or not the Ray cluster.
            KeyboardInterrupt: after cleaning up; finished documents and parsed pages are kept.
            ArchiveError, ModelError: not one file's fault.
        """
        from paperlode.api.parsers import make_parser
        from paperlode.api.ray_engine import engine_of
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
            if on_notice and (note := getattr(embedder, "note", "")):
                on_notice(note)
            if (engine := engine_of(options, notice=on_notice)) is not None and parser is None:
                parser, embedder = stack.enter_context(engine.on(embedder, self._models))
            parser = parser or make_parser(options, notice=on_notice)
            stack.callback(parser.close)
            sink = IndexSink(self._index, embedder, name_of=self._name_of, glossary=self.glossary)
            recipe = self._recipe(parser.fingerprint, chunking.fingerprint)
            self._note(recipe)
            self.copies.most_bytes = options.fetch_bytes
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
                    remove_missing=options.remove_missing,
                    lanes=parser.documents_at_once,
                    disk=self.directory.root,
                    free_bytes=options.free_bytes,
                    copies=self.copies,
                    gone_from=options.gone_from,
                ),
                chunking=chunking,
                watch=watch,
            )
            if report.ingested and options.optimize and report.stopped is None:
                with watch.stage("optimize"):
                    self._index.optimize()
        report.seconds = with_sink_stages(watch.seconds, sink.seconds)
        report.chunks_written = sink.written
        return report

    def _recipe(self, parser: str, chunker: str) -> Recipe:
        from paperlode.ingest.ledger import Recipe

        return Recipe(parser, chunker, str(self._manifest.schema["embedder"]))

    def _note(self, recipe: Recipe) -> None:
        if (self._manifest.parser, self._manifest.chunker) != (recipe.parser, recipe.chunker):
            self._manifest = replace(self._manifest, parser=recipe.parser, chunker=recipe.chunker)
            self._manifest.write(self.directory)

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
            sink = IndexSink(self._index, self.embedder, name_of=self._name_of, glossary=self.glossary)
            space = (self.directory.root, options.free_bytes)
            work = Reparse(self._ledger, sink, self.embedder, parser, space=space, copies=self.copies, on_page=on_page)
            return work.run([(self.document(d), pages) for d, pages in wanted.items()])

    def push(
        self,
        server: ServerOptions,
        collection: CollectionOptions | None = None,
        *,
        samples: Samples | None = None,
        keep_old: bool = False,
        move: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> PushReport:
        """Copy the embedded index to a Qdrant server and compare the copy. See ``api.push``.

        Args:
            server: to; its ``collection`` is the alias.
            collection: how the new one is kept.
            samples: how much is compared.
            keep_old: leave the collection that was behind the alias on the server.
            move: where the copy is sound, it is the archive's index from then on, and the embedded one is removed.
            on_progress: told points done and points in all.

        Raises:
            InvalidRequest: the index is on a server already, or empty.
            ArchiveError: the server cannot be used; the same call goes on later.
        """
        from paperlode.api.push import pushing

        with self._ingesting, pushing(self._index, self._manifest, self.directory.root, server, collection) as push:
            report = push.run(self.embedder, samples=samples, keep_old=keep_old, on_progress=on_progress)
            if not (move and report.swapped):
                return report
            self._move_to(server)
            return replace(report, moved=True)

    def _move_to(self, server: ServerOptions) -> None:
        """Makes the collection that was just pushed the archive's index: one write of the manifest."""
        manifest = replace(self._manifest, server=place_of(server))
        index = open_on_server(manifest, manifest.stored_schema(self.directory.root), server.api_key)
        self._resources.callback(index.close)
        manifest.write(self.directory)  # from here on the one on the server counts
        old, self._index, self._manifest = self._index, index, manifest
        self._server_key = server.api_key
        index.claim()
        old.close()
        self._ledger.reindex.forget()
        clear_shards(self.directory)

    def push_plan(self, server: ServerOptions, collection: CollectionOptions | None = None) -> Plan:
        """What ``push`` would do; nothing is changed. Raises like ``push``."""
        from paperlode.api.push import pushing

        with self._ingesting, pushing(self._index, self._manifest, self.directory.root, server, collection) as push:
            return push.plan()

    def reindex(
        self,
        embedder: str | Embedder,
        *,
        on_progress: Callable[[ReindexProgress], None] | None = None,
    ) -> ReindexReport:
        """Embed everything anew with another model, without parsing; see ``api.reindex``.

        The old vectors are searched until all new ones are there. A search in another thread that is under way at that
        moment may fail, and can be asked again.

        Args:
            embedder: name of the model, or a model.
            on_progress: called from this thread.

        Raises:
            ModelUnknown, MissingExtra, ServerError: the model cannot be had; what is done of it is kept for the next run.
            StorageFull: no room for a second index beside the first.
            KeyboardInterrupt: the archive is as it was; documents embedded so far are kept for the next run.
            ArchiveError: the Qdrant server of the index cannot be used. Where that was so at the swap, the archive is closed;
                opening it completes the swap.
        """
        from paperlode.api.reindex import Reindex

        with self._ingesting:
            model = load_model(embedder, self._models)
            stores = (self.directory, self._manifest, self._ledger, self._index)
            server = server_at(self.server, self._server_key) if self.server else None
            work = Reindex(*stores, model, server=server, glossary=self.glossary, on_progress=on_progress)
            try:
                manifest, index, report = work.run()
            except BaseException:
                if (
                    Manifest.read(self.directory).schema != self._manifest.schema
                ):  # the new one counts, unlike what is open
                    self.close()
                raise
            finally:
                work.close()
            if index is not None:
                old, self._index, self._manifest, self._embedder = self._index, index, manifest, model
                self._resources.callback(index.close)
                old.close()
                clear_strays(self.directory, manifest, self._ledger)
        return report

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

    def search(
        self,
        question: str,
        *,
        limit: int = 5,
        scope: Scope | None = None,
        reranker: Reranker | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> list[Hit]:
        """The best pages for the question, best first.

        Args:
            question: in plain words.
            limit: how many pages.
            scope: where to search.
            reranker: judges the best hits once more; None for ``self.reranker``, which is None unless it was set.
            on_notice: told where it could not judge them, or not all; default the log.

        Raises:
            InvalidRequest: an empty question, or a limit or scope that makes no sense.
            DocumentNotFound: the scope names an unknown document.
        """
        from paperlode.retrieval.naming import without_names
        from paperlode.retrieval.search import Search

        asked = without_names(question, [self.document(d).name for d in scope.documents] if scope else [])
        glossary = self.glossary  # before the model, which may still be loading in a thread
        plain = Search(self._index, self.embedder, glossary=glossary)
        search: Search | RerankedSearch = plain
        if judge := reranker or self.reranker:
            from paperlode.retrieval.rerank import RerankedSearch

            search = RerankedSearch(plain, judge, options=self.reranking, on_note=on_notice)
        return search.search(question, limit=limit, filters=self._filter(scope), said=asked)

    def as_retriever(self, **options: Any) -> PaperlodeRetriever:
        """The archive as a LlamaIndex retriever; the archive stays yours to close.

        Args:
            options: of ``PaperlodeRetriever``: ``similarity_top_k``, ``filters``, ``callback_manager``, ...

        Raises:
            MissingExtra: LlamaIndex is not installed.
            InvalidRequest, DocumentNotFound: filters that cannot be told.
        """
        from paperlode.api.archive_retriever import retriever_over

        return retriever_over(self, **options)

    def ask(
        self,
        question: str,
        *,
        limit: int = 5,
        scope: Scope | None = None,
        reranker: Reranker | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> tuple[Answer, list[Hit]]:
        """An answer that cites the best ``limit`` hits, and those hits. Arguments and errors as for ``search``.

        Raises:
            ServerError: the language model's server gives no answer.
        """
        hits = self.search(question, limit=limit, scope=scope, reranker=reranker, on_notice=on_notice)
        return self.answer(question, hits), hits

    def answer(self, question: str, hits: Sequence[Hit]) -> Answer:
        """What ``hits`` answer: as ``self.llm`` writes it, or with quotations. Raises like ``ask``."""
        return self._placed(self._answerer(hits).answer(question, hits))

    def ask_in_pieces(self, question: str, hits: Sequence[Hit]) -> Iterator[AnswerEvent]:
        """What ``self.llm`` answers from ``hits``, sentence by checked sentence; closing the iterator stops the model.

        Raises:
            InvalidRequest: the archive has no language model.
            ServerError: its server gives no answer.
        """
        from paperlode.retrieval.llm_answer import AnswerDone, LLMAnswerer

        answerer = self._answerer(hits)
        if not isinstance(answerer, LLMAnswerer):
            raise InvalidRequest("No language model is set.", hint="Set the archive's llm, or PAPERLODE_LLM_URL.")
        with closing(answerer.stream(question, hits)) as events:
            for event in events:
                yield AnswerDone(self._placed(event.answer)) if isinstance(event, AnswerDone) else event

    def as_query_engine(self, llm: LLM, **options: Any) -> CitationQueryEngine:
        """The archive as a LlamaIndex query engine whose answers cite and are checked; the archive stays yours to close.

        Args:
            llm: any LlamaIndex model.
            options: of ``CitationQueryEngine`` (``streaming``, ``unsupported``, ``budget``, ``callback_manager``), the
                others of ``PaperlodeRetriever``.

        Raises:
            MissingExtra: LlamaIndex is not installed.
            InvalidRequest, DocumentNotFound: filters that cannot be told.
        """
        from paperlode.api.answering import engine_over

        return engine_over(self, self._index, self._pinpointed, llm, **options)

    def _answerer(self, hits: Sequence[Hit]) -> QuotingAnswerer | LLMAnswerer:
        from paperlode.api.answering import llm_answerer, quoting_answerer

        names = self.names(hits)
        if self.llm is not None:
            return llm_answerer(self.llm, self._index, self.embedder, names)
        return quoting_answerer(self._index, self.embedder, names)

    def _placed(self, answer: Answer) -> Answer:
        return replace(answer, citations=tuple(map(self._pinpointed, answer.citations)))

    def _pinpointed(self, citation: Citation) -> Citation:
        from paperlode.api.pinpoint import pinpoint

        on = sorted({r.page for r in citation.boxes})
        if not on:
            return citation
        record = self._ledger.document(citation.document)
        pages = self._ledger.pages(record.content, record.recipe.parser, start=on[0], stop=on[-1] + 1)
        return pinpoint(citation, pages)
