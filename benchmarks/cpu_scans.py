"""What a scan costs on the CPU: beside bare RapidOCR on the same pictures, and two workers beside one.

    python benchmarks/cpu_scans.py --images DIR [--rounds 2] [--part cost|workers]

Bare is RapidOCR as its README calls it, ``RapidOCR()(picture)``, with the same models and as many threads as a worker has: one.
It reads lines; ours also finds out which way is up, rules, tables, reading order and what the judge says. Each side reads all
pictures in a process of its own, after one that is not counted, the sides in turns. Two workers read each picture four times:
in a short row the one that ends last would be waited for.

The last line is JSON: ``ours_cpu_s`` and ``bare_cpu_s`` (user and system seconds a page), ``times_bare``;
``one_pages_per_s``, ``two_pages_per_s`` (wall time), ``two_over_one``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from paperlode.ingest.document import Source
from paperlode.ingest.parsing.local import LocalParser

PICTURES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"}


def bare(files: list[Path]) -> float:
    """CPU seconds a page of RapidOCR alone, in this process."""
    from rapidocr import RapidOCR

    threads = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
    engine: Any = RapidOCR(params={**threads, "Global.log_level": "error"})
    engine(str(files[0]))
    start = time.process_time()
    for f in files:
        engine(str(f))
    return (time.process_time() - start) / len(files)


def read(parser: LocalParser, files: list[Path]) -> None:
    """All pictures through the parser's workers, as many at a time as there are."""
    from concurrent.futures import ThreadPoolExecutor

    def one(f: Path) -> None:
        (page,) = parser.parse(Source(str(f), f.name, "image/any", "", f.stat().st_size), [0])
        if page.failure:
            sys.exit(f"{f}: {page.failure.message}")

    with ThreadPoolExecutor(parser.pool.workers) as pool:
        list(pool.map(one, files))


def family_cpu() -> float:
    """CPU seconds so far of the processes that this one has started and that live."""
    times = [p.cpu_times() for p in psutil.Process().children(recursive=True)]
    return sum(t.user + t.system for t in times)


def ours(files: list[Path], workers: int) -> tuple[float, float]:
    """CPU seconds a page and pages a second, with warm workers."""
    parser = LocalParser(workers=workers)
    try:
        read(parser, [files[0]] * (2 * workers))  # every worker has its models
        cpu, start = family_cpu(), time.perf_counter()
        read(parser, files)
        return (family_cpu() - cpu) / len(files), len(files) / (time.perf_counter() - start)
    finally:
        parser.close()


def bare_apart(images: Path) -> float:
    """``bare`` in a process of its own."""
    command = [sys.executable, __file__, "--images", str(images), "--bare"]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(out.splitlines()[-1])


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--images", type=Path, required=True)
    ap.add_argument("--rounds", type=int, default=2, help="how often each side reads all pictures")
    ap.add_argument("--part", choices=("cost", "workers"), help="only this")
    ap.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    a = ap.parse_args()
    files = sorted(p for p in a.images.iterdir() if p.suffix.lower() in PICTURES)
    if not files:
        sys.exit(f"{a.images}: no pictures")
    if a.bare:
        print(bare(files))
        return
    result: dict[str, Any] = {"pictures": len(files), "rounds": a.rounds}
    if a.part != "workers":
        pairs = [(bare_apart(a.images), ours(files, 1)[0]) for _ in range(a.rounds)]
        result["bare_cpu_s"] = round(statistics.mean(b for b, _ in pairs), 2)
        result["ours_cpu_s"] = round(statistics.mean(o for _, o in pairs), 2)
        result["times_bare"] = round(statistics.median(o / b for b, o in pairs), 3)
        print(result, file=sys.stderr)
    if a.part != "cost":
        speeds = [(ours(files, 1)[1], ours(files * 4, 2)[1]) for _ in range(a.rounds)]
        result["one_pages_per_s"] = round(statistics.mean(o for o, _ in speeds), 3)
        result["two_pages_per_s"] = round(statistics.mean(t for _, t in speeds), 3)
        result["two_over_one"] = round(statistics.median(t / o for o, t in speeds), 3)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
