"""Pages a second with 1, 2, 4 and 8 Ray workers against SIMULATED recognition servers, and what a worker killed with -9 costs.

    python -m benchmarks.ray_scaling [--workers 1,2,4,8] [--rounds 8]

Run from the repository's root, with the extras ``ray`` and ``vllm``. What is real: Ray, ``RayParser``, and in each worker a
``PaddleOCRVLParser`` with its client and its process that renders. What is not: the servers
(``tests/ingest/vllm/simulated/served``: real time, real sockets, every crop takes ``TOKENS * --token`` seconds however many
come: they have capacity to spare), and the layout, which is known: one region a page. Pages are rendered at 72 dpi.

So a worker waits for its servers nearly all the time, and has ``AT_ONCE`` pages there. That is on purpose: what is measured
is whether the driver and Ray keep all workers supplied, not the processors of this machine, which all workers share.
``efficiency``: pages a second, over workers times that of one worker. ``client_cpu_share`` says how far the machine's cores
were from being the limit (with all that others did on it). Chunks are not made, and nothing is embedded.

``killed``: with 4 workers, one of them is killed with -9 in the middle; its pages are compared with an undisturbed reading.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pymupdf

from paperlode.ingest.document import Box
from paperlode.ingest.parsing.layout import Region
from paperlode.ingest.parsing.paddleocr_vl import PaddleOCRVLParser, VLOptions
from paperlode.ingest.ray import RayOptions, RayParser
from paperlode.ingest.ray_cluster import Cluster
from paperlode.ingest.sources import open_source

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
AT_ONCE = 2
"""Pages of one worker at the servers."""
REPLICAS = 4
KILLED_OF = 4


class KnownLayout:
    """One region that covers the print."""

    def detect(self, picture: Any) -> tuple[Region, ...]:
        """That region, whatever is in the picture."""
        height, width = picture.shape[:2]
        return (Region("text", 0.9, Box(0.1 * width, 0.1 * height, 0.9 * width, 0.9 * height), order=0),)


def make(urls: tuple[str, ...]) -> PaddleOCRVLParser:
    """The parser of a worker."""
    from paperlode.ingest.vllm.client import VLLMRecogniser

    return PaddleOCRVLParser(
        partial(VLLMRecogniser, list(urls)),
        KnownLayout,
        layout_name="known",
        options=VLOptions(version="1.6", dpi=72, cpu_fallback=False, upright=False),
        workers=1,
    )


@contextmanager
def served(token: float) -> Iterator[tuple[str, ...]]:
    """The simulated servers, in a process of their own; their addresses."""
    command = [sys.executable, "-m", "tests.ingest.vllm.simulated.served", "--replicas", str(REPLICAS)]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, "--token", str(token)], stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield tuple(process.stdout.readline().strip().split(","))
        finally:
            process.stdin.close()
            process.wait(20)


def document(folder: Path, pages: int) -> Any:
    """A PDF of that many pages."""
    doc = pymupdf.open()
    for n in range(pages):
        page = doc.new_page()
        for line in range(40):
            page.insert_text(
                (70, 100 + 16 * line), f"Page {n}, line {line}: the supplier delivers within {line} days.", fontsize=10
            )
    path = folder / f"{pages}.pdf"
    doc.save(path)
    return open_source(path)


def read(
    cluster: Cluster, urls: tuple[str, ...], workers: int, rounds: int, folder: Path, *, kill: bool = False
) -> Any:
    """One reading: (pages, seconds, share of the machine's processors that was busy)."""
    options = RayOptions(workers=workers, calls_at_once=AT_ONCE, pages_a_call=1)
    parser = RayParser(cluster, make(urls), partial(make, urls), options)
    try:
        while len(parser.workers) < workers:
            time.sleep(0.1)
        first = document(folder, 2 * AT_ONCE * workers)
        list(parser.parse(first, range(2 * AT_ONCE * workers)))  # each worker's process and connections are there
        source = document(folder, rounds * AT_ONCE * workers)
        psutil.cpu_percent()
        began = time.perf_counter()
        pages = []
        for page in parser.parse(source, range(rounds * AT_ONCE * workers)):
            pages.append(page)
            if kill and len(pages) == AT_ONCE * workers:
                os.kill(parser.workers[0].pid, signal.SIGKILL)
        return pages, time.perf_counter() - began, psutil.cpu_percent() / 100
    finally:
        parser.close()


def main() -> None:
    """See the module."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--workers", default="1,2,4,8")
    ap.add_argument("--rounds", type=int, default=8, help="how often each worker's places at the servers are filled")
    ap.add_argument("--token", type=float, default=0.08, help="seconds between tokens of an answer")
    a = ap.parse_args()
    warnings.simplefilter("ignore")
    roots = (ROOT, *(ROOT / part for part in ("ingest", "retrieval", "api")))
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, roots))  # the workers import this module
    counts = [int(n) for n in a.workers.split(",")]
    module = sys.modules["benchmarks.ray_scaling"] = sys.modules[__name__]
    make.__module__ = KnownLayout.__module__ = "benchmarks.ray_scaling"  # it is __main__ here, and not there
    assert module is not None
    rows = []
    with tempfile.TemporaryDirectory() as work, served(a.token) as urls, Cluster.joined(cpus=max(counts)) as cluster:
        for n in counts:
            pages, seconds, busy = read(cluster, urls, n, a.rounds, Path(work))
            row: dict[str, Any] = {"workers": n, "pages": len(pages), "pages_per_s": round(len(pages) / seconds, 3)}
            row |= {"failed": sum(p.failure is not None for p in pages), "client_cpu_share": round(busy, 2)}
            rows.append(row)
            row["efficiency"] = round(row["pages_per_s"] / n / (rows[0]["pages_per_s"] / rows[0]["workers"]), 3)
            print(row, flush=True)
        whole, seconds, _ = read(cluster, urls, KILLED_OF, a.rounds, Path(work))
        again, longer, _ = read(cluster, urls, KILLED_OF, a.rounds, Path(work), kill=True)
        killed = {
            "workers": KILLED_OF,
            "pages": len(again),
            "failed": sum(p.failure is not None for p in again),
            "same_as_undisturbed": again == whole,
            "seconds_undisturbed": round(seconds, 1),
            "seconds": round(longer, 1),
        }
        print(f"killed: {killed}", flush=True)
    print(json.dumps({"simulated": True, "at_once": AT_ONCE, "token_s": a.token, "runs": rows, "killed": killed}))


if __name__ == "__main__":
    main()
