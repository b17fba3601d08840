"""What a run would take, from a sample that is really read, chunked, embedded and indexed on this machine."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict, deque
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import pstdev
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import InvalidRequest, PaperlodeError
from paperlode.ingest.plan_arithmetic import GRAPH_FROM, plan_of
from paperlode.ingest.plan_crowd import Clock, Crowd, cores
from paperlode.ingest.plan_estimate import page_weights
from paperlode.ingest.plan_pages import RECOGNISED, PageCost, PageKind, read_and_time
from paperlode.ingest.plan_sample import FoundFile, Run, reading_order, runs_of
from paperlode.ingest.plan_servers import PAGES_PER_SECOND
from paperlode.ingest.plan_survey import find_files, open_files, page_ref, without_twins
from paperlode.ingest.plan_values import COSTS, Machine, Survey
from paperlode.ingest.workers import WorkerLimits, WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from paperlode.ingest.plan_values import MeasuredRun, Plan
    from paperlode.retrieval.embedding import Embedder

__all__ = ["PlanOptions", "make_plan"]

_POLL = 0.02
LOOKING = 0.3
"""Share of the time for opening files and looking at pages; the rest is for reading some."""
EMBEDDERS = 4
"""Texts that the embedded model takes at a time, at most (``minilm.MAX_THREADS``)."""
_GUESS = {PageKind.PLAIN: 0.3, PageKind.LAYOUT: 1.0, PageKind.BLANK: 0.05, PageKind.UNREADABLE: 0.05}
_RECOGNISED_GUESS = 8.0
"""CPU seconds a page is thought to take before one was read: for the choice of what to read first alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """How an archive is sampled, and for what.

    Attributes:
        seconds: for the sampling, about, as ``plan_crowd.Clock`` counts them: of a machine that does nothing else.
        seed: of what is drawn.
        workers: processes that parse, of the run and of the sampling; None for one a core, at most 8.
        password: tried on every encrypted document.
        limits: time and memory of one page.
        gpus, replicas, pages_per_second: of PaddleOCR-VL; see ``plan_arithmetic.plan_of``.
    """

    seconds: float = 60.0
    seed: int = 0
    workers: int | None = None
    password: str | None = None
    limits: WorkerLimits | None = None
    gpus: int = 1
    replicas: int = 0
    pages_per_second: float = PAGES_PER_SECOND


def make_plan(
    paths: Sequence[str | Path],
    load_embedder: Callable[[], Embedder],
    *,
    options: PlanOptions | None = None,
    done: Callable[[Sequence[str]], Iterable[str]] | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Plan:
    """The plan of ingesting ``paths``. Nothing is kept of what is read.

    Args:
        paths: files, folders, globs.
        load_embedder: the embedding model that the run would take.
        options: see ``PlanOptions``.
        done: of absolute paths, those that an index holds already.
        on_progress: told how many of ``options.seconds`` have gone by.

    Raises:
        InvalidRequest: nothing to ingest is found, or nothing is left.
        ModelError, MissingExtra: the model cannot be loaded.
    """
    options = options or PlanOptions()
    clock = Clock()
    tick = (lambda: on_progress(clock.now())) if on_progress else (lambda: None)
    files, problems = find_files(paths)
    left = _left(files, done)
    if not left:
        raise InvalidRequest(
            "There is nothing to plan: " + ("all of it is in the index." if files else problems[0].what),
            hint="Without --index all files count." if files else problems[0].hint,
        )
    unique = without_twins(left, options.seconds / 20)
    survey = Survey(
        files=tuple(unique),
        seen=(),
        done=len(files) - len(left),
        twins=len(left) - len(unique),
        problems=tuple(p.what for p in problems),
    )
    with WorkerPool(options.workers, options.limits) as pool:
        seen = open_files(
            unique,
            pool,
            seed=options.seed,
            clock=clock,
            until=LOOKING * options.seconds,
            password=options.password,
            tick=tick,
        )
        survey = replace(survey, seen=tuple(seen))
        work = _Sampling(survey, pool, options, clock=clock, tick=tick)
        runs, machine = work.measure(load_embedder)
    plan = plan_of(
        survey,
        runs,
        machine,
        seed=options.seed,
        gpus=options.gpus,
        replicas=options.replicas,
        pages_per_second=options.pages_per_second,
    )
    return replace(plan, notes=_notes(survey, plan))


def _left(files: list[FoundFile], done: Callable[[Sequence[str]], Iterable[str]] | None) -> list[FoundFile]:
    if done is None:
        return files
    names = {str(f.path.expanduser().absolute()): f for f in files}
    held = set(done(list(names)))
    return [f for name, f in names.items() if name not in held]


def _notes(survey: Survey, plan: Plan) -> tuple[str, ...]:
    out = [*survey.problems[:10]]
    if survey.done:
        out.append(f"{survey.done} files are in the index already and are not counted.")
    if survey.twins:
        out.append(f"{survey.twins} files have the content of another one and are not counted.")
    if plan.chunks.value > GRAPH_FROM:
        out.append("What the graph over so many vectors takes (time, disk, memory) is an assumption, not measured.")
    if len(survey.seen) < len(survey.files):
        out.append(f"{len(survey.seen)} of {len(survey.files)} files were opened; --seconds opens more.")
    few = [f"{e.measured} of kind {k}" for k, e in plan.kinds.items() if e.pages.value >= 1 and e.measured < 3]
    if few:
        out.append(f"Few pages were read: {', '.join(few)}; --seconds reads more.")
    return tuple(out)


class _Sampling:
    """The second part: runs of pages are read in workers, and taken into a scratch index here, side by side as in a run."""

    def __init__(
        self, survey: Survey, pool: WorkerPool, options: PlanOptions, *, clock: Clock, tick: Callable[[], None]
    ) -> None:
        self._pool, self._options, self._clock, self._tick = pool, options, clock, tick
        weighted = page_weights(survey)
        self._queues = reading_order((r for s, w in weighted for r in runs_of(s, w)), options.seed)
        self._expected: dict[PageKind, float] = defaultdict(float)
        for s, w in weighted:
            for look in s.looks:
                self._expected[look.kind] += w
        self._spent: dict[PageKind, list[float]] = defaultdict(list)
        self._loading: dict[PageKind, list[float]] = defaultdict(list)
        self._begun: dict[PageKind, int] = defaultdict(int)

    def measure(self, load_embedder: Callable[[], Embedder]) -> tuple[list[MeasuredRun], Machine]:
        """Reads runs until the time is up or all are read."""
        from paperlode.api.plan_scratch import Scratch
        from paperlode.ingest.parsing.local import LocalOptions, LocalParser

        cpu = time.process_time()
        self._how = LocalOptions()
        flying: deque[tuple[Run, Any]] = deque()
        self._fill(flying)  # workers load while the model is loaded
        embedder = load_embedder()
        start = time.process_time() - cpu
        runs: list[MeasuredRun] = []
        with (
            tempfile.TemporaryDirectory(prefix="paperlode-plan-") as folder,
            Scratch(Path(folder), embedder, LocalParser(workers=1).fingerprint) as scratch,
        ):
            crowd = Crowd()
            while flying:
                run, call = self._first_settled(flying)
                costs = self._result(run, call)
                spent = sum(c.cpu + c.loading for c in costs)
                self._clock.worked(spent)
                if self._fill(flying):
                    crowd.note(spent)
                if costs and not runs:
                    start += scratch.warm(run, costs)
                if costs:
                    runs.append(scratch.take(run, costs))
                    self._learn(runs[-1], costs)
                self._tick()
            per_document, disk_wait = scratch.empty_document()
            storage = scratch.storage()
        machine = Machine(
            cores=cores(),
            workers=self._pool.workers,
            embedders=EMBEDDERS,
            share=crowd.share(),
            start_cpu=start,
            loading={k: max(v) for k, v in self._loading.items()},
            per_document=per_document,
            disk_wait=disk_wait,
            fixed_bytes=storage.fixed,
            ledger_bytes=storage.ledger,
            other_bytes=storage.other,
            log_bytes=storage.log,
            memory_bytes=storage.words,
            page_factor=storage.page_factor,
            dimensions=embedder.dimensions,
        )
        return [_without_commit(r, per_document) for r in runs], machine

    def _fill(self, flying: deque[tuple[Run, Any]]) -> bool:
        """Submits runs until the workers have enough to do; False where nothing more is to be read."""
        while len(flying) < 2 * self._pool.workers:
            waiting = sum(self._mean(r.kind) * len(r.looks) for r, _ in flying)
            kind = self._next_kind(waiting / self._pool.workers)
            if kind is None:
                return False
            run = self._queues[kind].pop()
            self._begun[kind] += len(run.looks)
            flying.append((run, self._submit(run)))
        return True

    def _first_settled(self, flying: deque[tuple[Run, Any]]) -> tuple[Run, Any]:
        """The first that is through, taken out: nobody waits for a scan while prose is ready."""
        while True:
            for i, (_, call) in enumerate(flying):
                if call is None or self._pool.settled(call):
                    found = flying[i]
                    del flying[i]
                    return found
            self._tick()
            time.sleep(_POLL)

    def _submit(self, run: Run) -> Any:
        try:
            ref = page_ref(run.file, 0, self._options.password)
        except OSError:
            return None  # gone since it was looked at
        return self._pool.submit(read_and_time, ref, tuple(look.page for look in run.looks), run.kind, self._how)

    def _next_kind(self, ahead: float) -> PageKind | None:
        """The kind whose next pages make the total surer by most, of those that can be read in time."""
        left = self._options.seconds - self._clock.now() - ahead
        best: tuple[float, PageKind] | None = None
        for kind, queue in self._queues.items():
            if not queue:
                continue
            spent, n, mean = self._spent[kind], self._begun[kind], self._mean(kind)
            if n and mean * len(queue[-1].looks) / self._pool.workers > left:
                continue
            spread = max(pstdev(spent), 0.3 * mean) if len(spent) > 1 else mean
            gain = self._expected[kind] * spread / (n + 0.1) / max(mean, 1e-3) ** 0.5
            if best is None or gain > best[0]:
                best = gain, kind
        return best[1] if best else None

    def _mean(self, kind: PageKind) -> float:
        spent = self._spent[kind]
        guess = _RECOGNISED_GUESS if kind in RECOGNISED else _GUESS[kind]
        return sum(spent) / len(spent) if spent else guess

    def _result(self, run: Run, call: Any) -> Sequence[PageCost]:
        """The pages' costs; none where the file or the worker was lost, which a run records and goes on from."""
        if call is None:
            return ()
        try:
            found: Sequence[PageCost] = self._pool.result(call, str(run.file.path))
        except PaperlodeError:
            return ()
        return found

    def _learn(self, measured: MeasuredRun, costs: Sequence[PageCost]) -> None:
        for page, cost in zip(measured.pages, costs, strict=True):
            whole = sum(page.costs[COSTS.index(name)] for name in ("parse", "structure", "embed", "index"))
            self._spent[page.kind].append(whole)
            if cost.loading:
                self._loading[measured.run.kind].append(cost.loading)


def _without_commit(measured: MeasuredRun, per_document: float) -> MeasuredRun:
    """A run of pages went in as a document; what a document costs by itself is counted for real ones."""
    at, share = COSTS.index("index"), per_document / len(measured.pages)
    pages = (
        replace(p, costs=(*p.costs[:at], max(0.0, p.costs[at] - share), *p.costs[at + 1 :])) for p in measured.pages
    )
    return replace(measured, pages=tuple(pages))
