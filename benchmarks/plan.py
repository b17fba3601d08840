"""``paperlode plan`` on an archive, then its ingestion, as two processes: what was thought beside what it took.

    python benchmarks/plan.py --pdfs DIR [--pdfs DIR …] [--docs FILE] [--seconds 60] [--seed 0] [--workers N]

``--pdfs`` takes folders and files of every type that is read; ``--docs`` is a JSON list of file names without extension to
restrict to. The last line is JSON: for pages, chunks, CPU seconds of all processes, wall seconds, and bytes on the disk (blocks
in use: the index maps files that are mostly holes) what was ``thought`` (with the interval), what it ``took``, and the ``ratio``.
``got``: CPU seconds a second and core in each process: where others compute too, wall seconds compare badly and CPU seconds well.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from paperlode.ingest.sources import MEDIA_TYPES


def timed(*command: str) -> tuple[dict[str, Any], float, float]:
    """What ``paperlode`` prints as JSON, and the wall and CPU seconds of it and its workers."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    out = subprocess.run([sys.executable, "-m", "paperlode", *command, "--json"], check=True, stdout=subprocess.PIPE)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(out.stdout), wall, cpu


def in_use(folder: Path, *names: str) -> int:
    """Bytes of the blocks in use by the files whose path begins with one of the names."""
    files = (f for f in folder.rglob("*") if f.is_file() and f.relative_to(folder).parts[0].startswith(names))
    return sum(f.stat().st_blocks * 512 for f in files)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pdfs", type=Path, required=True, action="append")
    ap.add_argument("--docs", type=Path)
    ap.add_argument("--seconds", default="60")
    ap.add_argument("--seed", default="0")
    ap.add_argument("--workers")
    a = ap.parse_args()
    known = {e for es in MEDIA_TYPES.values() for e in es}
    files = sorted(f for p in a.pdfs for f in (p.rglob("*") if p.is_dir() else [p]) if f.suffix.lower() in known)
    if a.docs:
        names = set(json.loads(a.docs.read_text(encoding="utf-8")))
        files = [f for f in files if f.stem in names]
    if not files:
        sys.exit(f"{a.pdfs}: no documents")
    paths = [str(f) for f in files]
    more = ["--workers", a.workers] if a.workers else []
    cores = os.cpu_count() or 1
    plan, plan_wall, plan_cpu = timed("plan", *paths, "--seconds", a.seconds, "--seed", a.seed, *more)
    with tempfile.TemporaryDirectory() as scratch:
        index = Path(scratch) / "index"
        report, wall, cpu = timed("ingest", *paths, "--index", str(index), *more)
        taken = {
            "pages": report["pages_parsed"],
            "chunks": report["chunks"],
            "cpu_seconds": cpu,
            "wall_seconds": wall,
            "ledger_bytes": in_use(index, "ledger"),
            "index_bytes": in_use(index, "edge"),
        }
    rows = {
        name: {
            "thought": round(plan[name]["value"], 1),
            "interval": [round(plan[name]["low"], 1), round(plan[name]["high"], 1)],
            "took": round(took, 1),
            "ratio": round(plan[name]["value"] / took, 3) if took else None,
        }
        for name, took in taken.items()
    }
    for name, row in rows.items():
        print(f"{name:<14} {row}")
    result = {
        "documents": len(report["ingested"]),
        "failed_documents": len(report["failed"]),
        **rows,
        "kinds": {k: round(v["pages"]["value"]) for k, v in plan["kinds"].items()},
        "measured_pages": plan["measured"],
        "plan_wall_s": round(plan_wall, 1),
        "got": {"plan": round(plan_cpu / plan_wall / cores, 2), "ingest": round(cpu / wall / cores, 2)},
        "stages_thought": {k: round(v, 1) for k, v in plan["stages"].items()},
        "stages_wall": {k: round(v, 1) for k, v in report["seconds"].items()},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
