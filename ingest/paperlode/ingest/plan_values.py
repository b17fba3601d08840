"""What a plan measured, and what it says: frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paperlode.ingest.plan_pages import PageKind
    from paperlode.ingest.plan_sample import FileSeen, FoundFile, Run

__all__ = [
    "COSTS",
    "Estimate",
    "KindEstimate",
    "Machine",
    "MeasuredPage",
    "MeasuredRun",
    "Plan",
    "ServerPlan",
    "Survey",
]

COSTS = ("parse", "alone", "structure", "embed", "index", "chunks", "rows", "tokens", "page_bytes")
"""What a page costs. CPU seconds: ``parse`` (in a worker), of those ``alone`` (in which no other worker may do the same),
``structure`` (assembly and chunking), ``embed``, ``index`` (words' vectors, index and ledger). Counts: ``chunks``, ``rows`` of
tables with a vector, ``tokens`` embedded. Bytes: ``page_bytes``, compressed."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 90 % interval, from resampling what was sampled. It says nothing of how busy the machine will be."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class MeasuredPage:
    """A page that went all the way: its costs in the order of ``COSTS``; ``size`` tells what they are thought to grow with."""

    kind: PageKind
    size: float
    costs: tuple[float, ...]
    failed: bool = False


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """Pages that were read together."""

    run: Run
    pages: tuple[MeasuredPage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found without reading pages.

    Attributes:
        files: what there is to ingest. done: files that the index holds already. twins: files with the content of another one.
        seen: those that were opened; all of ``files`` where there was time.
        problems: paths that gave nothing, with the reason.
    """

    files: tuple[FoundFile, ...]
    seen: tuple[FileSeen, ...]
    done: int = 0
    twins: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """This machine, and what was seen of it.

    Attributes:
        cores, workers: that a run would use. embedders: texts embedded at a time.
        share: of the cores' time that the plan's own processes got while they were busy; less than 1 where others compute.
        start_cpu: CPU seconds until the first page is under way, of the process that indexes: model, libraries.
        loading: CPU seconds a worker takes to load what a kind of page needs.
        per_document: CPU seconds a document costs beside its pages. disk_wait: seconds it waits for the disk.
        fixed_bytes, ledger_bytes: of an empty index and ledger.
        other_bytes: of a chunk beside its vectors of meaning. log_bytes: of a chunk, in the engine's log. memory_bytes: of a
            chunk, for its words, in memory.
        page_factor: bytes in the ledger of a page's compressed byte.
        dimensions: of a vector.
    """

    cores: int
    workers: int
    embedders: int
    share: float
    start_cpu: float
    loading: Mapping[PageKind, float]
    per_document: float
    disk_wait: float
    fixed_bytes: float
    ledger_bytes: float
    other_bytes: float
    log_bytes: float
    memory_bytes: float
    page_factor: float
    dimensions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KindEstimate:
    """Of one kind of page: how many there are, how many were measured, and the mean costs of one by name."""

    pages: Estimate
    measured: int
    failed: int
    costs: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPlan:
    """With PaddleOCR-VL on GPUs: assumptions in words, and what follows from them.

    Attributes:
        gpus, replicas: that serve.
        gpu_hours: of all GPUs together, at the assumed rate. hours: of wall time, the client's own work included.
        client_cpu_hours: on this machine.
        bottleneck: ``server``, or a stage of the client.
        assumptions: each constant with its source.
    """

    gpus: int
    replicas: int
    gpu_hours: Estimate
    hours: Estimate
    client_cpu_hours: Estimate
    bottleneck: str
    assumptions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is thought to take.

    Attributes:
        documents: that open. unreadable_files: that do not.
        pages: in all; ``kinds`` by kind. chunks, rows: to be searched.
        cpu_seconds: of all processes. wall_seconds: with ``workers``. by_workers: wall seconds by number of workers, up to the
            cores.
        stages: CPU seconds by stage.
        ledger_bytes, index_bytes: on disk. index_memory: bytes that searches go through.
        bottleneck: the stage that holds up the others; advice: what to change.
        opened, looked_at, measured: files and pages that this rests on.
        server: the same with a GPU server.
    """

    documents: Estimate
    unreadable_files: Estimate
    pages: Estimate
    kinds: Mapping[PageKind, KindEstimate]
    chunks: Estimate
    rows: Estimate
    cpu_seconds: Estimate
    wall_seconds: Estimate
    by_workers: Mapping[int, Estimate]
    stages: Mapping[str, float]
    ledger_bytes: Estimate
    index_bytes: Estimate
    index_memory: Estimate
    bottleneck: str
    advice: tuple[str, ...]
    opened: int
    looked_at: int
    measured: int
    workers: int
    server: ServerPlan | None = None
    notes: tuple[str, ...] = field(default=())
