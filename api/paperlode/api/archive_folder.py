"""An index folder opened, made and closed: what the archive stands on."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from paperlode.api.directory import Directory, Lock, Manifest, make_root
from paperlode.api.places import claimed, elsewhere, pages_place, place_of
from paperlode.api.stores import clear_stores, open_stores
from paperlode.ingest.errors import ArchiveNotFound, InvalidRequest
from paperlode.ingest.ledger_place import ledger_place
from paperlode.retrieval.ahead import Ahead

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

    from paperlode.api.late_ledger import LateLedger
    from paperlode.ingest.copies import Copies
    from paperlode.ingest.ledger import Ledger
    from paperlode.ingest.workers import WorkerPool
    from paperlode.retrieval.embedding import Embedder, ModelOptions
    from paperlode.retrieval.glossary import Glossary
    from paperlode.retrieval.index import Index
    from paperlode.retrieval.rerank import Reranker, RerankOptions
    from paperlode.retrieval.server_options import CollectionOptions, ServerOptions

__all__ = ["DEFAULT_EMBEDDER", "OpenFolder", "load_model"]

DEFAULT_EMBEDDER = "minilm"


class OpenFolder:
    """One index folder, held by this process until ``close``: its stores, its manifest and its model.

    Attributes:
        reranker: judges the hits of every search that names none; None where searches stand as they are.
        reranking: how many hits a reranker judges, and for how long.
        llm: a LlamaIndex language model that writes the answers; None where they are quotations.
    """

    def __init__(
        self,
        directory: Directory,
        manifest: Manifest,
        embedder: Embedder | None,
        stack: ExitStack,
        models: ModelOptions | None = None,
        *,
        server_key: str | None = None,
        collection: CollectionOptions | None = None,
        to_search: bool = False,
        stores: tuple[Index, LateLedger] | None = None,
    ) -> None:
        """Not for callers. ``stack`` lets go of the locked ``directory``; the archive takes over what is on it."""
        self.directory = directory
        self._manifest = replace(manifest, ready=True)
        self._embedder = embedder
        self._models = models
        self._server_key = server_key
        self.reranker: Reranker | None = None
        self.reranking: RerankOptions | None = None
        self.llm: LLM | None = None
        self._lazily = threading.Lock()
        self._ingesting = threading.Lock()
        self._pool: WorkerPool | None = None
        self._model_ahead: Ahead[Embedder] | None = None
        if to_search and embedder is None and manifest.schema.get("embedder") == DEFAULT_EMBEDDER:
            self._model_ahead = Ahead(self._load_to_search)
        self._index, self._late_ledger = stores or open_stores(
            directory, manifest, stack, server_key=server_key, collection=collection
        )
        self._resources = stack.pop_all()

    @property
    def _ledger(self) -> Ledger:
        """The ledger, opened in full when first needed."""
        return self._late_ledger.whole()

    @cached_property
    def glossary(self) -> Glossary:
        """``glossary.toml`` of the folder, else the one that comes with paperlode.

        Raises:
            InvalidRequest: the file is not written as it should be.
        """
        from paperlode.retrieval.glossary import Glossary

        own = self.directory.glossary
        return Glossary.load(own if own.exists() else None)

    @cached_property
    def copies(self) -> Copies:
        """Where documents from buckets and URLs are put while they are read."""
        from paperlode.ingest.copies import Copies

        return Copies(self.directory.fetched)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        embedder: str | Embedder | None = None,
        models: ModelOptions | None = None,
        server_key: str | None = None,
        to_search: bool = False,
    ) -> Self:
        """Open an index folder.

        Args:
            folder: made by ``create``.
            embedder: name of the model, or a model; None for the one the index was made with.
            models: how models are found and reached: keys, tokenizers, where a server has moved to.
            server_key: API key of the Qdrant server, where the index is on one.
            to_search: a question follows at once: the embedded model is loaded while the stores are opened. Where it cannot
                be loaded, the first question says so, as without this.

        Raises:
            ArchiveNotFound, ArchiveLocked, ArchiveCorrupt: there is none, another process has it, it is damaged.
            SchemaMismatch: made with another model or by another version; both are named.
            ArchiveError: the Qdrant server, or that of the ledger, cannot be used.
        """
        from paperlode.retrieval.embedding import named_address

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
            if isinstance(embedder, str) and embedder != manifest.schema.get("embedder"):
                models = named_address(embedder, models)
            given = None if isinstance(embedder, str) else embedder
            return cls(directory, manifest, given, stack, models, server_key=server_key, to_search=to_search)

    @classmethod
    def attached(cls, folder: str | Path, *, index: Index, embedder: Embedder | None = None) -> Self:
        """The archive in a folder that another process holds, to be written to.

        Args:
            folder: of an archive that is ready.
            index: through which that process takes what is written.
            embedder: the archive's model, where it is loaded already.

        Raises:
            ArchiveNotFound, ArchiveCorrupt, SchemaMismatch: there is none, it is damaged, or made with another model or by
                another version.
        """
        from paperlode.api.late_ledger import LateLedger

        directory = Directory(Path(folder).expanduser())
        manifest = Manifest.read(directory)
        schema = manifest.stored_schema(directory.root)
        if embedder is not None:
            schema.check(embedder)
        with ExitStack() as stack:
            late = LateLedger(directory.ledger, manifest)
            stack.callback(late.close)
            return cls(directory, manifest, embedder, stack, stores=(index, late))

    @classmethod
    def create(
        cls,
        folder: str | Path,
        *,
        embedder: str | Embedder = DEFAULT_EMBEDDER,
        models: ModelOptions | None = None,
        server: ServerOptions | None = None,
        collection: CollectionOptions | None = None,
        pages: str = "",
        ledger: str = "",
    ) -> Self:
        """Make an empty index in a new or empty folder. ``models`` as for ``open``.

        With a ``server``, chunks and vectors go there, into a new collection kept as ``collection`` says; the folder keeps
        the ledger. The key is not stored. Parsed pages are kept in ``pages``, a folder or whatever fsspec reaches
        (``s3://bucket/pages``); empty for the ledger's own database. The ledger is a file in the folder, or in PostgreSQL where
        ``ledger`` is the address of a database (``postgresql://user@host/db?schema=name``, no password), in a schema of its own.

        Raises:
            ModelUnknown, MissingExtra, ModelChecksumMismatch: the model cannot be had; nothing is made.
            ArchiveError: the folder cannot be written, or holds other things; the ledger's server cannot be used.
            StorageFull: no room.
            InvalidRequest: an address that cannot be taken, or a schema that is another archive's.
        """
        from paperlode.retrieval.index import Schema

        model = load_model(embedder, models)
        if kept := pages_place(pages):
            from paperlode.ingest.page_store import open_pages

            open_pages(kept)  # an address that nothing reads is told before anything is made
        directory = Directory(Path(folder).expanduser())
        books, archive = claimed(ledger, directory)
        make_root(directory)
        with ExitStack() as stack:
            stack.callback(Lock(directory).release)
            if directory.manifest.exists() and Manifest.read(directory).ready:
                raise InvalidRequest(f"There is an index in {str(directory.root)!r} already.", hint="Open it.")
            place = place_of(server) if server else None
            manifest = Manifest(Schema.of(model).to_dict(), server=place, pages=kept, ledger=books, archive=archive)
            manifest.write(directory)
            clear_stores(directory)
            key = server.api_key if server else None
            return cls(directory, manifest, model, stack, models, server_key=key, collection=collection)

    @classmethod
    def open_or_create(
        cls,
        folder: str | Path,
        *,
        embedder: str | Embedder | None = None,
        models: ModelOptions | None = None,
        server: ServerOptions | None = None,
        server_key: str | None = None,
        collection: CollectionOptions | None = None,
        pages: str = "",
        ledger: str = "",
    ) -> Self:
        """Open the index, or make one where there is none. Arguments and errors as for ``open`` and ``create``.

        Also raises:
            InvalidRequest: there is one, and not on that ``server``, or with its pages or its ledger elsewhere.
        """
        key = server.api_key if server else server_key
        try:
            archive = cls.open(folder, embedder=embedder, models=models, server_key=key)
        except ArchiveNotFound:
            places: Any = {"server": server, "collection": collection, "pages": pages, "ledger": ledger}
            return cls.create(folder, embedder=embedder or DEFAULT_EMBEDDER, models=models, **places)
        if server and place_of(server) != archive.server:
            archive.close()
            raise elsewhere(archive.directory.root, archive.server, server)
        if pages and pages_place(pages) != archive.pages_place:
            archive.close()
            raise InvalidRequest(
                f"The index {str(archive.directory.root)!r} keeps its pages {archive.pages_place or 'in its ledger'}.",
                hint="Leave out --pages, or ingest into another index.",
            )
        if ledger and ledger_place(ledger) != archive.ledger_place:
            archive.close()
            raise InvalidRequest(
                f"The index {str(archive.directory.root)!r} has its ledger {archive.ledger_place or 'in its folder'}.",
                hint="Leave out --ledger (PAPERLODE_LEDGER), or ingest into another index.",
            )
        return archive

    def close(self) -> None:
        """Let go of the folder. Idempotent."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        self._resources.close()

    def leave(self) -> None:
        """As ``close``, but for the index and the lock, where the process ends at once and nothing was written."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        self._late_ledger.close()

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
                ahead, self._model_ahead = self._model_ahead, None
                model = ahead.result() if ahead else self._load_model()
                self._manifest.stored_schema(self.directory.root).check(model)
                self._embedder = model
            return self._embedder

    @property
    def index(self) -> Index:
        """Its index, to be written to beside the archive's own ways: by whoever keeps its ledger in step."""
        return self._index

    def _load_model(self) -> Embedder:
        return load_model(str(self._manifest.schema["embedder"]), self._models, named=False)

    def _load_to_search(self) -> Embedder:
        model = self._load_model()
        model.embed_query("")  # what it loads for its first question is loaded now
        return model

    @property
    def server(self) -> dict[str, Any] | None:
        """Where the index is on a Qdrant server; None for an embedded one."""
        return self._manifest.server

    @property
    def pages_place(self) -> str:
        """Where parsed pages are kept: a folder or an address; empty for the ledger's own database."""
        return self._manifest.pages

    @property
    def ledger_place(self) -> str:
        """Where the ledger is: the address of a database, with the schema; empty for a file in the folder."""
        return self._manifest.ledger

    @property
    def shard(self) -> str:
        """Name of the embedded index, a folder in the archive's."""
        return self._manifest.shard


def load_model(embedder: str | Embedder, models: ModelOptions | None, *, named: bool = True) -> Embedder:
    """The model. ``named``: the caller named it expressly, so an address in the name goes before that in the options."""
    if not isinstance(embedder, str):
        return embedder
    from paperlode.retrieval.embedding import load_embedder, named_address

    models = named_address(embedder, models) if named else models
    return load_embedder(embedder) if models is None else load_embedder(embedder, options=models)
