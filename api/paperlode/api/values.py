"""What the archive takes and tells, beside documents and hits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paperlode.api.parsers import Recognition

if TYPE_CHECKING:
    from pathlib import Path

    from paperlode.ingest.ledger import Counts, FailureRecord
    from paperlode.ingest.workers import WorkerLimits

__all__ = ["IngestOptions", "Recognition", "Scope", "Status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestOptions:
    """How files are taken in.

    Attributes:
        parser: ``local``, ``paddleocr-vl``, or ``auto``: PaddleOCR-VL where a server is configured, else the CPU's.
        recognition: the recognition server, for PaddleOCR-VL.
        password: tried on every encrypted document.
        workers: processes that parse; None for one a core. With Ray: workers of the cluster; None for one a CPU.
        limits: time and memory of one page.
        retry_failed: parse pages again that failed in an earlier run.
        remove_missing: take documents out whose files are gone from the folders given.
        free_bytes: what must be free on the index's disk before a document is begun.
        fetch_bytes: copies of documents from buckets and URLs may take so much at a time; a larger document is refused.
        gone_from: folders in which files that are gone are looked for; None for the paths that are ingested.
        optimize: rearrange the index for faster search at the end of the run.
        engine: ``local``: processes of this machine; ``ray``: workers of a Ray cluster, see ``api.ray_engine``.
        address: of the cluster: ``auto`` or ``HOST:PORT``; None starts a Ray on this machine for the run.
        embedders: workers there that embed; None for some where a cluster was joined, and for none on this machine.
    """

    parser: str = "auto"
    recognition: Recognition = field(default_factory=Recognition)
    password: str | None = None
    workers: int | None = None
    limits: WorkerLimits | None = None
    retry_failed: bool = False
    remove_missing: bool = False
    free_bytes: int = 256_000_000
    fetch_bytes: int = 2_000_000_000
    gone_from: tuple[str | Path, ...] | None = None
    optimize: bool = True
    engine: str = "local"
    address: str | None = None
    embedders: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where to search. Empty fields do not restrict.

    Attributes:
        documents: names as ``Archive.document`` takes them.
        kinds: of blocks (``table``, ``formula``, ...), see ``paperlode.ingest.document.Kind``.
        pages: first and last page, 0-based, both inclusive.
        layers: ``body``, ``note``, ``furniture``; body and notes when empty.
        flags: only what has one of these flags (``sum_mismatch``, ``low_confidence``, ...).
        without_flags: nothing that has one of these.
        roles: only what has one of these roles (``balance_sheet``, ...), see ``paperlode.retrieval.glossary``.
        labels: only what can be referred to by one of these (``4.2(b)``, ``Table3``, ``term:Affiliate``).
    """

    documents: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    pages: tuple[int, int] | None = None
    layers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    without_flags: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """What an archive holds.

    Attributes:
        folder: the index folder. bytes: of its files.
        server: where the index is on a Qdrant server (``url``, ``collection``, ``grpc``); None where it is in the folder.
        ledger: address of the database that the ledger is in, with the schema; empty where it is a file in the folder.
        embedder, dimensions: the model that its vectors are made with.
        parser, chunker: of the last run.
        counts: documents, pages, failed pages, chunks, failed files.
        failures: files that could not be taken.
        outdated: documents made with another parser or chunker than the last run's; ingest them again to renew them.
        pending: documents begun and not finished.
    """

    folder: str
    bytes: int
    embedder: str
    dimensions: int
    parser: str
    chunker: str
    counts: Counts
    failures: list[FailureRecord]
    outdated: int
    pending: int
    server: dict[str, Any] | None = None
    ledger: str = ""
