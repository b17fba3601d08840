"""What the environment says, read once, here: ``PAPERLODE_INDEX``, ``PAPERLODE_WORKERS`` and the like."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from paperlode.api.environment import bounded, filled

if TYPE_CHECKING:
    from paperlode.retrieval.embedding import ModelOptions
    from paperlode.retrieval.server_options import ServerOptions

__all__ = ["Settings", "read_settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Defaults of the options; an option on the command line goes before. Each is read from ``PAPERLODE_`` + its name.

    Attributes:
        index: the index folder.
        embedding: embedding model of a new index. model: the same, by its older name.
        embedding_url: where the index's model is served now, in place of the address in its name.
        embedding_key: bearer key of that server.
        embedding_tokenizer: folder, ``tokenizer.json`` or hub name of the served model's tokenizer.
        embedding_max_tokens: the longest text that the served model reads, where its server does not say.
        embedding_precision: ``fp32`` or ``int8``, in which MiniLM embeds texts; None takes int8 where the CPU is faster with it.
        embedding_requests: most requests to that server at a time.
        models: folder with models that were put there by hand.
        rerank: name of the reranker; empty for none.
        rerank_key: bearer key of its server. rerank_tokenizer: as for ``embedding``.
        rerank_seconds: after which hits that are not judged yet keep their order. rerank_candidates: hits judged.
        workers: processes that parse; None for one a core.
        page_timeout: seconds one page may take.
        memory_limit: MB of memory one worker may take.
        min_free: MB that must be free on the index's disk before a document is begun.
        fetch_limit: MB that copies of documents from buckets and URLs may take at a time, and so one of them.
        host, port: of the query API.
        parser: ``auto``, ``local`` or ``paddleocr-vl``.
        server: addresses of the recognition server's replicas, separated by commas; empty: none.
        server_key: its bearer key.
        vl_version: of PaddleOCR-VL that is served; None for the one that the served model's name tells.
        text_layer: of digital PDF pages read by PaddleOCR-VL: ``ignore`` or ``keep``.
        layout: folder or hub name of PP-DocLayout; None for the published V3.
        device: where the layout model runs, as torch names it.
        engine: what reads the pages: ``local``, or ``ray``. address: of the Ray cluster; empty: one is started for the run.
        ray_embedders: workers of the cluster that embed; None for some where a cluster is joined.
        pages: where parsed pages of a new index are kept, a folder or an address; empty for its ledger.
        ledger: address of the PostgreSQL database for a new index's ledger, without a password; empty for a file in the index.
        qdrant: address of the Qdrant server of a new index, and of ``push``; empty for an embedded index.
        qdrant_key: its API key. qdrant_grpc: speak gRPC with it. collection: the alias there.
        llm_url: address of a language model that writes the answers; empty: they are quotations.
        llm_model: its name there. llm_key: bearer key. llm_context: tokens that it reads, answer included.
    """

    index: Path = Path("paperlode-index")
    embedding: str | None = None
    model: str | None = None
    embedding_url: str | None = None
    embedding_key: str | None = field(default=None, repr=False)
    embedding_tokenizer: str | None = None
    embedding_max_tokens: int | None = bounded(None, ge=16)
    embedding_precision: str | None = None
    embedding_requests: int = bounded(4, ge=1, le=256)
    models: Path | None = None
    rerank: str = ""
    rerank_key: str | None = field(default=None, repr=False)
    rerank_tokenizer: str | None = None
    rerank_seconds: float = bounded(10.0, gt=0)
    rerank_candidates: int = bounded(30, ge=1, le=1000)
    workers: int | None = bounded(None, ge=1, le=256)
    page_timeout: float = bounded(180.0, gt=0)
    memory_limit: int = bounded(1800, ge=200)
    min_free: int = bounded(256, ge=0)
    fetch_limit: int = bounded(2000, ge=1)
    host: str = "127.0.0.1"
    port: int = bounded(8765, ge=0, le=65535)
    parser: str = "auto"
    server: str = ""
    server_key: str | None = field(default=None, repr=False)
    vl_version: str | None = None
    text_layer: str = "ignore"
    layout: str | None = None
    device: str = "cpu"
    engine: str = "local"
    address: str = ""
    ray_embedders: int | None = bounded(None, ge=0, le=256)
    pages: str = ""
    ledger: str = ""
    qdrant: str = ""
    qdrant_key: str | None = field(default=None, repr=False)
    qdrant_grpc: bool = False
    collection: str = "paperlode"
    llm_url: str = ""
    llm_model: str = ""
    llm_key: str | None = field(default=None, repr=False)
    llm_context: int = bounded(8192, ge=1024)

    @property
    def embedder(self) -> str | None:
        """``embedding``, or ``model``."""
        return self.embedding or self.model

    @property
    def embedding_models(self) -> ModelOptions:
        """How the embedding model is found and reached."""
        from paperlode.retrieval.embedding import ModelOptions

        return ModelOptions(
            precision=self.embedding_precision,
            folder=self.models,
            url=self.embedding_url,
            key=self.embedding_key,
            tokenizer=self.embedding_tokenizer,
            max_tokens=self.embedding_max_tokens,
            concurrency=self.embedding_requests,
        )

    @property
    def rerank_models(self) -> ModelOptions:
        """How the reranker is found and reached: it is waited for no longer than its time, and asked twice at most."""
        from paperlode.retrieval.embedding import ModelOptions

        seconds = min(60.0, self.rerank_seconds)
        return ModelOptions(
            folder=self.models, key=self.rerank_key, tokenizer=self.rerank_tokenizer, timeout=seconds, attempts=2
        )

    @property
    def qdrant_server(self) -> ServerOptions | None:
        """Where the Qdrant server is; None where none is named.

        Raises:
            InvalidRequest: no such address, or no such name for a collection.
        """
        from paperlode.retrieval.server_options import ServerOptions

        if not self.qdrant:
            return None
        return ServerOptions(
            url=self.qdrant, collection=self.collection, api_key=self.qdrant_key, prefer_grpc=self.qdrant_grpc
        )

    @property
    def servers(self) -> tuple[str, ...]:
        """The addresses in ``server``."""
        return tuple(s for part in self.server.split(",") if (s := part.strip()))


def read_settings(**given: object) -> Settings:
    """The settings, with the options that were ``given`` (not None) in front of the environment.

    Raises:
        InvalidRequest: a value makes no sense; names the option, the value and why.
    """
    return filled(Settings, "PAPERLODE_", {k: v for k, v in given.items() if v is not None})
