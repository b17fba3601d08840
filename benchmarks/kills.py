"""Runs killed with SIGKILL at random points, resumed, and compared with runs that nobody disturbed.

    python benchmarks/kills.py [--trials 300] [--ray 0] [--seed 1] [--work DIR]

Each trial takes a small archive into a new index, or a changed archive (pages changed, put in and taken out, files moved,
copied, deleted, saved anew, new) into an index of the older one, and is killed one to three times: at a step chosen at random
(before or after any transaction of the ledger, operation of the index, page read, or write of the manifest), or after a random
time. After each kill the index is opened and looked at: every document in it is whole, in its old or its new version. Then the
run goes on. At its end the index must be the same as without a kill: ids, chunks, cards, ledger. A small parser and a model made
of hashes stand for the real ones, so that a run takes a fraction of a second; all else is what users run. With ``--ray N`` as
many further trials have their pages read by two workers of a Ray cluster, which is started once and outlives the drivers that
are killed: the run that is disturbed, and by chance the one that goes on; some lose a worker as well. The last line is JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from crash_archive import HashModel, LineParser, write_new, write_old

from paperlode.api import directory
from paperlode.api.archive import Archive, IngestOptions
from paperlode.ingest.document import to_json
from paperlode.ingest.ledger import Ledger
from paperlode.retrieval import edge, edge_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

QUIET = IngestOptions(remove_missing=True, free_bytes=1)


class Steps:
    """Counts the steps of this process, by what they are, and ends it at one of them."""

    def __init__(self, last: int | None) -> None:
        self.last = last
        self.count = 0
        self.lock = threading.Lock()
        self.at: Counter[str] = Counter()

    def __call__(self, what: str) -> None:
        """One step."""
        with self.lock:
            self.count += 1
            self.at[what] += 1
            if self.count == self.last:
                os.write(REPORT, f"{what}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)


REPORT = 2


class Watched:
    """The engine's shard, each of its writes with a step before and after it."""

    def __init__(self, shard: Any, step: Steps) -> None:
        self._own, self._step = shard, step

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._own, name)
        if name not in {"update", "flush", "optimize", "close"}:
            return found

        def watched(*args: Any) -> Any:
            self._step(f"index: before {name}")
            out = found(*args)
            self._step(f"index: after {name}")
            return out

        return watched


def watch(step: Steps) -> None:
    """Puts the steps into everything that writes. Only in a process made for it."""
    edge.TIDY_EVERY = 20  # so that the engine puts its segments in order in the middle of a run,
    edge_engine.EXACT_KB, edge_engine.SEGMENTS = 8, 0  # makes new ones, merges them at its end
    edge_engine.MOST_SMALL = 2  # and on the way
    create, load = edge.create_shard, edge.load_shard
    edge.create_shard = lambda *a: Watched(create(*a), step)
    edge.load_shard = lambda *a: Watched(load(*a), step)
    work = Ledger._work  # noqa: SLF001

    @contextlib.contextmanager
    def counted(self: Ledger) -> Iterator[Any]:
        step("ledger: before a transaction")
        with work(self) as db:
            yield db
            step("ledger: in a transaction")
        step("ledger: after a transaction")

    Ledger._work = counted  # type: ignore[method-assign]  # noqa: SLF001
    written = directory.Manifest.write

    def write(self: Any, where: Any) -> None:
        step("manifest: before")
        written(self, where)
        step("manifest: after")

    directory.Manifest.write = write  # type: ignore[method-assign]
    page = LineParser.page

    def read(self: LineParser, *args: Any) -> Any:
        step("parser: a page")
        return page(self, *args)

    LineParser.page = read  # type: ignore[method-assign]


def ingest(files: Path, index: Path, cluster: str = "") -> None:
    """What a user's run does; with the address of a Ray cluster, its workers read."""
    with contextlib.ExitStack() as stack:
        archive = stack.enter_context(Archive.open_or_create(index, embedder=HashModel()))
        parser: Any = LineParser()
        if cluster:
            from paperlode.ingest.ray import RayOptions, RayParser
            from paperlode.ingest.ray_cluster import Cluster

            joined = stack.enter_context(Cluster.joined(cluster))
            parser = RayParser(joined, parser, LineParser, RayOptions(workers=2, cpus=0.5))
            stack.callback(parser.close)
        archive.ingest([files], parser=parser, options=QUIET)


def forked(task: Callable[[], Any], *, kill_after: float | None = None) -> tuple[int, Any]:
    """The status and the result of a task in a process of its own, which is ended after some seconds if that is wanted."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        global REPORT  # noqa: PLW0603
        REPORT = write
        status = 1
        try:
            out = task()
            with os.fdopen(write, "w") as f:
                f.write(json.dumps(out))
            status = 0
        except BaseException as exc:  # noqa: BLE001  nothing of the parent may run in here
            import traceback

            traceback.print_exception(exc)
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(write)
    timer = threading.Timer(kill_after, os.kill, (child, signal.SIGKILL)) if kill_after is not None else None
    if timer:
        timer.start()
    with os.fdopen(read) as f:
        said = f.read()
    _, status = os.waitpid(child, 0)
    if timer:
        timer.cancel()
    return status, said


class Nowhere:
    """A sink for a run that only loads what runs load."""

    def begin(self, document: str) -> None:
        """Nothing."""

    discard = remove = begin

    def add(self, chunks: Any) -> None:
        """Nothing."""

    def commit(self, document: str, version: str) -> None:
        """Nothing."""

    def version(self, document: str) -> str:  # noqa: ARG002
        """None."""
        return ""

    def count(self, document: str) -> int:  # noqa: ARG002
        """None."""
        return 0

    def flush(self) -> None:
        """Nothing."""


def warm(files: Path, work: Path) -> None:
    """Imports all modules and compiles all patterns here, once, so that the processes made of this one need not."""
    import paperlode.api.archive_contents
    import paperlode.api.parsers
    import paperlode.api.sink
    import paperlode.retrieval.writer  # noqa: F401
    from paperlode.ingest.ledger import Recipe
    from paperlode.ingest.pipeline import run

    ledger = Ledger.open(work / "warm.sqlite")
    run(
        [files],
        parser=LineParser(),
        counter=HashModel(),
        sink=Nowhere(),
        ledger=ledger,
        recipe=Recipe("lines-1", "", ""),
    )
    ledger.close()


def run(files: Path, index: Path, last: int | None, cluster: str = "") -> dict[str, int]:
    """A run with steps; the number of each kind, where it comes to its end."""
    step = Steps(last)
    watch(step)
    ingest(files, index, cluster)
    return dict(step.at)


CLUSTER = """
import sys
from paperlode.ingest.ray_cluster import import_ray
import_ray()
from ray.cluster_utils import Cluster
head = {"num_cpus": 2, "object_store_memory": 100 << 20, "include_dashboard": False}
nodes = Cluster(initialize_head=True, head_node_args=head)
print("ADDRESS", nodes.address, flush=True)
sys.stdin.read()
nodes.shutdown()
"""


@contextlib.contextmanager
def ray_cluster() -> Iterator[str]:
    """The address of a Ray cluster of this machine; nothing of Ray is in this process, which is forked."""
    roots = (Path(__file__).parent, *(Path(__file__).parents[1] / part for part in ("ingest", "retrieval", "api")))
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, roots))
    command = [sys.executable, "-c", CLUSTER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as head:
        assert head.stdout
        assert head.stdin
        yield next(line.split()[1] for line in head.stdout if line.startswith("ADDRESS"))
        head.stdin.close()


def end_a_worker(after: float) -> None:
    """Kills a process that reads pages for Ray, if there is one by then."""
    time.sleep(after)
    for process in psutil.process_iter(["cmdline"]):
        if "ray::PageWorker" in " ".join(process.info["cmdline"] or ()):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
            return


def look(index: Path) -> dict[str, Any]:
    """What lies in an index: documents with their chunks, cards and records."""
    with Archive.open(index, embedder=HashModel()) as archive:
        store = archive._index  # noqa: SLF001
        chunks = {d: {c.id: to_json(c) for c in store.chunks(d)} for d in sorted(store.documents())}
        points, vectors = [], []
        for p in store.points():
            points.append((p.id, sorted(p.payload.items(), key=str)))
            hashes = {k: hashlib.sha256(repr(_plain(v)).encode()).hexdigest() for k, v in p.vectors.items()}
            vectors.append((p.id, sorted(hashes.items())))
        records = [
            [
                d.digest,
                d.content,
                d.status,
                d.page_count,
                d.failed_pages,
                d.chunks,
                d.name,
                sorted(map(_short, d.paths)),
            ]
            for d in sorted(archive.documents(), key=lambda d: d.digest)
        ]
        problems = archive.check()
    return {"chunks": chunks, "points": points, "vectors": vectors, "records": records, "problems": problems}


def _plain(vector: Any) -> Any:
    if hasattr(vector, "indices"):
        pairs = sorted(zip(vector.indices, vector.values, strict=True))
        return [(i, round(float(v), 5)) for i, v in pairs]
    return np.round(np.asarray(vector, dtype=float), 4).tolist()


def _short(path: str) -> str:
    return Path(path).name


def looked(index: Path) -> dict[str, Any]:
    """As ``look``, in a process of its own."""
    status, said = forked(lambda: look(index))
    if status:
        raise SystemExit(f"the index {index} does not open")
    found: dict[str, Any] = json.loads(said)
    return found


class Half(Exception):
    """An index with a document that is neither the old nor the new version."""


def check_whole(index: Path, versions: list[dict[str, Any]]) -> None:
    """Raises Half unless every document in the index is whole."""
    if not (index / "archive.json").exists() or not json.loads((index / "archive.json").read_text()).get("ready", True):
        return
    for document, chunks in looked(index)["chunks"].items():
        if chunks.keys() not in [v["chunks"].get(document, {}).keys() for v in versions]:
            raise Half(f"{document[:12]}: {len(chunks)} chunks")


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--trials", type=int, default=300)
    ap.add_argument("--ray", type=int, default=0, help="further trials, on a Ray cluster")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--work", type=Path)
    a = ap.parse_args()
    started, rng = time.perf_counter(), Random(a.seed)  # noqa: S311
    with contextlib.ExitStack() as stack:
        work = a.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work.mkdir(parents=True, exist_ok=True)
        files, index = work / "files", work / "index"
        write_old(files)
        warm(files, work)
        total: dict[str, dict[str, int]] = {}
        _, said = forked(lambda: run(files, work / "old", None))
        total["first"] = json.loads(said)
        old = looked(work / "old")
        later = work / "later" / "files"
        later.parent.mkdir(exist_ok=True)
        shutil.copytree(files, later, dirs_exist_ok=True)
        write_new(later)
        shutil.move(files, work / "old-files")
        shutil.move(later, files)  # where the old one lay: the ledger knows paths
        shutil.copytree(work / "old", work / "new")
        _, said = forked(lambda: run(files, work / "new", None))
        total["update"] = json.loads(said)
        new = looked(work / "new")
        shutil.move(files, work / "new-files")
        wanted = {"first": old, "update": new}
        if any(w["problems"] for w in wanted.values()) or old["chunks"] == new["chunks"]:
            raise SystemExit("the runs that are compared with are not sound")
        outcome: Counter[str] = Counter()
        killed_at: Counter[str] = Counter()
        failures: list[dict[str, Any]] = []
        cluster, workers_lost = "", 0
        for trial in range(a.trials + a.ray):
            if trial == a.trials:
                cluster = stack.enter_context(ray_cluster())
            kind = rng.choice(("first", "update"))
            shutil.rmtree(files, ignore_errors=True)
            shutil.copytree(work / ("old-files" if kind == "first" else "new-files"), files)
            shutil.rmtree(index, ignore_errors=True)
            if kind == "update":
                shutil.copytree(work / "old", index)
            kills, why = rng.choice((1, 1, 2, 3)), ""
            points = []
            for _ in range(kills):
                if cluster and rng.random() < 0.3:
                    workers_lost += 1
                    threading.Thread(target=end_a_worker, args=(rng.uniform(1, 6),), daemon=True).start()
                if rng.random() < 0.2:
                    late = rng.uniform(0.0, 6.0 if cluster else 0.7)
                    status, said = forked(partial(run, files, index, None, cluster), kill_after=late)
                    point = "any time"
                else:
                    at = rng.randint(1, sum(total[kind].values()))
                    status, said = forked(partial(run, files, index, at, cluster))
                    point = said.strip() if status else "after the end"
                points.append(point)
                killed_at[point if status else "after the end"] += 1
                try:
                    check_whole(index, [old, new] if kind == "update" else [old])
                except Half as exc:
                    why = f"half: {exc}"
            goes_on = rng.choice((cluster, ""))
            if status := forked(partial(ingest, files, index, goes_on))[0]:
                why = why or f"the run that goes on ended with {status}"
            else:
                found = looked(index)
                why = why or next((f"{part} differ" for part in found if found[part] != wanted[kind][part]), "")
            outcome["equal" if not why else "unequal"] += 1
            if why:
                failures.append({"trial": trial, "ray": bool(cluster), "kind": kind, "points": points, "why": why})
                print(failures[-1], flush=True)
                if a.work:
                    shutil.copytree(index, work / f"failed-{trial}", dirs_exist_ok=True)
            if trial % 25 == 24 or (cluster and trial % 5 == 4):
                print(f"{trial + 1} trials, {dict(outcome)}, {time.perf_counter() - started:.0f} s", flush=True)
    result = {
        "trials": a.trials, "on_ray": a.ray, "workers_lost": workers_lost,
        "equal": outcome["equal"], "unequal": outcome["unequal"], "kills": sum(killed_at.values()),
        "killed_at": dict(killed_at.most_common()), "steps": {k: sum(v.values()) for k, v in total.items()},
        "failures": failures[:10], "seconds": round(time.perf_counter() - started),
    }  # fmt: skip
    print(json.dumps(result))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
