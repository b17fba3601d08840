"""A plan's arithmetic: hours, bytes and the stage that holds up the others, from a sample's totals."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from paperlode.ingest.plan_estimate import draws, estimate_of
from paperlode.ingest.plan_pages import RECOGNISED, PageKind
from paperlode.ingest.plan_servers import CLIENT_CPU, PAGES_PER_SECOND, SHARE_OF_LIMIT, assumptions
from paperlode.ingest.plan_values import COSTS, Estimate, KindEstimate, Plan, ServerPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.plan_estimate import Draw
    from paperlode.ingest.plan_values import Machine, MeasuredRun, Survey

__all__ = ["LOG_LIMIT", "plan_of", "stages_of", "wall_of"]

LOG_LIMIT = 32 << 20
"""Bytes of the index engine's log, which is begun anew when it is full."""
GRAPH_FROM = 20_000
"""Chunks from which the engine builds a graph over the vectors (``edge_engine.EXACT_KB``)."""
GRAPH_CPU = 0.003
"""CPU seconds a chunk for that graph, and for merging segments: 1 to 3 ms measured (``benchmarks/million.py``)."""
GRAPH_BYTES = 300
"""Of a chunk in that graph: 16 neighbours of 4 bytes on upper levels, 32 below, and some more: an assumption, not measured."""
_ADVICE = {
    "recognition": (
        "Recognising scans on the processor takes most of the time: read them on a GPU (paperlode vllm serve, then ingest "
        "--server URL), or give more cores (--workers)."
    ),
    "layout": "Reading digital pages with tables and columns takes most of the time: more cores and --workers help.",
    "finding lines": (
        "Workers wait for each other to find the lines of scans, one at a time for the sake of memory: more workers gain "
        "little; split the archive over machines, or read scans on a GPU (ingest --server URL)."
    ),
    "embedding": (
        "Embedding takes most of the time: use a server with a GPU (--embedding openai:MODEL@URL); on the processor at most four "
        "texts are embedded at a time."
    ),
    "structure": "Assembling and chunking, in one process, holds up the rest: split the archive over several indexes.",
    "index": "Writing the index, in one process, holds up the rest: use a Qdrant server (--qdrant URL).",
    "server": "The recognition servers are the limit: more GPUs, one replica each.",
    "client": "The client's processor is the limit, not the servers: give it more cores, or fewer GPUs suffice.",
}


def plan_of(
    survey: Survey,
    runs: Sequence[MeasuredRun],
    machine: Machine,
    *,
    seed: int = 0,
    gpus: int = 0,
    replicas: int = 0,
    pages_per_second: float = PAGES_PER_SECOND,
) -> Plan:
    """The plan that follows from what was found and measured.

    Args:
        survey: the archive's files.
        runs: pages that were read.
        machine: where they were, and where the run will be.
        seed: of the resamples.
        gpus: that will serve PaddleOCR-VL; 0 plans no server.
        replicas: on them; 0 takes one a GPU.
        pages_per_second: of one replica.
    """
    all_draws = draws(survey, runs, seed)
    base = all_draws[0]
    stages = stages_of(base, machine)
    held_by = _bottleneck(stages, base.total("alone"), machine)
    workers = sorted({1, *(2**i for i in range(1, 9) if 2**i < machine.cores), machine.cores, machine.workers})
    measured = Counter(p.kind for r in runs for p in r.pages)
    failed = Counter(p.kind for r in runs for p in r.pages if p.failed)
    server = None
    if gpus:
        server = _with_server(all_draws, machine, gpus, replicas or gpus, pages_per_second)
    return Plan(
        documents=estimate_of(all_draws, lambda d: d.documents),
        unreadable_files=estimate_of(all_draws, lambda d: d.unreadable),
        pages=estimate_of(all_draws, lambda d: sum(d.pages.values())),
        kinds={
            k: KindEstimate(
                pages=estimate_of(all_draws, lambda d, k=k: d.pages.get(k, 0.0)),  # type: ignore[misc]
                measured=measured[k],
                failed=failed[k],
                costs=dict(zip(COSTS, base.costs_of(k), strict=True)),
            )
            for k in base.pages
        },
        chunks=estimate_of(all_draws, lambda d: d.total("chunks")),
        rows=estimate_of(all_draws, lambda d: d.total("rows")),
        cpu_seconds=estimate_of(all_draws, lambda d: sum(stages_of(d, machine).values())),
        wall_seconds=estimate_of(all_draws, lambda d: wall_of(d, machine, machine.workers)),
        by_workers={n: estimate_of(all_draws, lambda d, n=n: wall_of(d, machine, n)) for n in workers},  # type: ignore[misc]
        stages=stages,
        ledger_bytes=estimate_of(
            all_draws, lambda d: machine.ledger_bytes + machine.page_factor * d.total("page_bytes")
        ),
        index_bytes=estimate_of(all_draws, lambda d: _index_bytes(d, machine)),
        index_memory=estimate_of(all_draws, lambda d: _memory(d, machine)),
        bottleneck=held_by,
        advice=(_ADVICE[held_by],),
        opened=len(survey.seen),
        looked_at=sum(len(s.looks) for s in survey.seen),
        measured=sum(measured.values()),
        workers=machine.workers,
        server=server,
    )


def stages_of(draw: Draw, machine: Machine, workers: int | None = None) -> dict[str, float]:
    """CPU seconds of a whole run, by stage."""
    parse = COSTS.index("parse")
    recognised = sum(n * draw.costs_of(k)[parse] for k, n in draw.pages.items() if k in RECOGNISED)
    loading = max((machine.loading.get(k, 0.0) for k, n in draw.pages.items() if n), default=0.0)
    chunks = draw.total("chunks")
    return {
        "start": machine.start_cpu + loading * (workers or machine.workers),
        "recognition": recognised,
        "layout": draw.total("parse") - recognised,
        "structure": draw.total("structure"),
        "embedding": draw.total("embed"),
        "index": draw.total("index") + machine.per_document * draw.documents + _graph(chunks),
    }


def _graph(chunks: float) -> float:
    return GRAPH_CPU * chunks if chunks > GRAPH_FROM else 0.0


def _loads(stages: dict[str, float], alone: float, machine: Machine, workers: int) -> dict[str, float]:
    """Wall seconds that each part would take if the others took none."""
    embedding = stages["embedding"] / min(machine.cores, machine.embedders)
    return {
        "cpu": sum(v for k, v in stages.items() if k != "start") / machine.cores,
        "workers": (stages["recognition"] + stages["layout"]) / min(workers, machine.cores),
        "alone": alone,
        "main": stages["structure"] + stages["index"] + embedding,
    }


def wall_of(draw: Draw, machine: Machine, workers: int) -> float:
    """Seconds of a run with so many workers: the longest of its parts, which go on side by side, after the start."""
    stages = stages_of(draw, machine, workers)
    loads = _loads(stages, draw.total("alone"), machine, workers)
    loading = max((machine.loading.get(k, 0.0) for k, n in draw.pages.items() if n), default=0.0)
    start = machine.start_cpu + loading * max(1.0, workers / machine.cores)
    graph = _graph(draw.total("chunks"))
    loads["main"] += machine.disk_wait * draw.documents - graph
    loads["cpu"] -= graph / machine.cores
    return (start + max(loads.values()) + graph / machine.cores) / machine.share


def _bottleneck(stages: dict[str, float], alone: float, machine: Machine) -> str:
    """The stage to change: of what is slowest (workers, the process that indexes, or all cores) its largest part."""
    loads = _loads(stages, alone, machine, machine.workers)
    slowest = max(loads, key=lambda k: loads[k])
    among = {
        "cpu": ("recognition", "layout", "structure", "embedding", "index"),
        "workers": ("recognition", "layout"),
        "main": ("structure", "embedding", "index"),
    }
    if slowest == "alone":
        return "finding lines"
    return max(among[slowest], key=lambda k: stages[k])


def _index_bytes(draw: Draw, machine: Machine) -> float:
    chunks, rows = draw.total("chunks"), draw.total("rows")
    vectors = 4.0 * machine.dimensions * (chunks + rows)
    graph = GRAPH_BYTES * chunks if chunks > GRAPH_FROM else 0.0
    log = min(LOG_LIMIT, machine.log_bytes * chunks)
    return machine.fixed_bytes + vectors + machine.other_bytes * chunks + graph + log


def _memory(draw: Draw, machine: Machine) -> float:
    chunks, rows = draw.total("chunks"), draw.total("rows")
    graph = GRAPH_BYTES * chunks if chunks > GRAPH_FROM else 0.0
    return 4.0 * machine.dimensions * (chunks + rows) + machine.memory_bytes * chunks + graph


def _with_server(
    all_draws: Sequence[Draw], machine: Machine, gpus: int, replicas: int, pages_per_second: float
) -> ServerPlan:
    rate = pages_per_second * min(replicas, gpus) * SHARE_OF_LIMIT

    def read(d: Draw) -> float:
        return sum(n for k, n in d.pages.items() if k not in {PageKind.BLANK, PageKind.UNREADABLE})

    def client(d: Draw) -> dict[str, float]:
        own = stages_of(d, machine)
        return {**own, "recognition": 0.0, "layout": CLIENT_CPU * read(d)}

    def hours(d: Draw) -> float:
        loads = _loads(client(d), 0.0, machine, machine.cores)
        return max(read(d) / rate, max(loads.values()) / machine.share) / 3600

    def of_gpus(d: Draw) -> float:
        return gpus * read(d) / rate / 3600

    base = all_draws[0]
    loads = _loads(client(base), 0.0, machine, machine.cores)
    slow = max(loads, key=lambda k: loads[k])
    own = client(base)
    part = max(("layout", "structure", "embedding", "index"), key=lambda k: own[k])
    behind = "client" if part == "layout" or slow == "workers" else part
    return ServerPlan(
        gpus=gpus,
        replicas=replicas,
        gpu_hours=estimate_of(all_draws, of_gpus),
        hours=estimate_of(all_draws, hours),
        client_cpu_hours=estimate_of(all_draws, lambda d: sum(client(d).values()) / 3600),
        bottleneck="server" if read(base) / rate >= loads[slow] / machine.share else behind,
        assumptions=assumptions(pages_per_second, replicas, gpus),
    )


def server_advice(server: ServerPlan) -> str:
    """What to change where a server is planned."""
    return _ADVICE[server.bottleneck]


def whole(estimate: Estimate) -> tuple[int, int, int]:
    """The figure and its interval, rounded."""
    return round(estimate.value), round(estimate.low), round(estimate.high)
