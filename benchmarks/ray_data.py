"""Ray Data beside a pool of actors, for documents that come one after the other: docs/decisions/0011 rests on it.

    python -m benchmarks.ray_data [--documents 6] [--pages 8]

Run from the repository's root, with the extra ``ray``. The same made-up parser (``LOAD`` seconds to load, ``PAGE`` a page)
reads documents by two workers: with Ray Data a streaming dataset a document, mapped by a pool of two actors; with
``RayParser`` as a run does it. Both after a first document that is not counted. Then a page that kills its worker each
time: does the reading end within ``PATIENCE`` seconds, and with how many pages? The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymupdf

from paperlode.ingest.document import ParsedPage
from paperlode.ingest.ray import RayOptions, RayParser
from paperlode.ingest.ray_cluster import Cluster
from paperlode.ingest.sources import open_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[1]
LOAD, PAGE, PATIENCE = 1.0, 0.05, 60.0
WORKERS = 2
RUN = 4


class Timed:
    """A parser that only passes time."""

    fingerprint = "timed"
    documents_at_once = 1

    def __init__(self, load: float = LOAD, deadly: int = -1) -> None:
        time.sleep(load)
        self.deadly = deadly

    def page_count(self, _: Any) -> int:
        """Not asked."""
        return 0

    def page_prints(self, _: Any, __: int) -> Sequence[str]:
        """None."""
        return ()

    def parse(self, _: Any, pages: Sequence[int]) -> Iterator[ParsedPage]:
        """Empty pages, after a while."""
        for n in pages:
            time.sleep(PAGE)
            if n == self.deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            yield ParsedPage(n, 1.0, 1.0, self.fingerprint)

    def close(self) -> None:
        """Nothing."""


class Mapper:
    """The same, as Ray Data calls it."""

    def __init__(self, deadly: int = -1) -> None:
        self.parser = Timed(deadly=deadly)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Pages to pages."""
        return {"page": [p.page for p in self.parser.parse(None, [int(n) for n in batch["item"]])]}


def by_data(pages: int, deadly: int = -1) -> Iterator[int]:
    """One document by Ray Data."""
    import ray

    numbers = ray.data.from_items(list(range(pages)), override_num_blocks=-(-pages // RUN))
    options: dict[str, Any] = {"batch_size": RUN, "concurrency": WORKERS, "fn_constructor_args": (deadly,)}
    for row in numbers.map_batches(Mapper, **options).iter_rows():
        yield int(row["page"])


def timed(documents: list[Iterator[Any]]) -> dict[str, float]:
    """Seconds a document, and to its first page, on the average."""
    first, whole = [], []
    for pages in documents:
        began = time.perf_counter()
        next(pages)
        first.append(time.perf_counter() - began)
        for _ in pages:
            pass
        whole.append(time.perf_counter() - began)
    return {"first_page_s": round(sum(first) / len(first), 2), "document_s": round(sum(whole) / len(whole), 2)}


def within_patience(pages: Iterator[Any]) -> dict[str, Any]:
    """Whether the reading ends, and with what."""
    found: dict[str, Any] = {"ended": False, "pages": 0}

    def go() -> None:
        try:
            for page in pages:
                failed = getattr(page, "failure", None) is not None
                found["failed" if failed else "pages"] = found.get("failed" if failed else "pages", 0) + 1
        except Exception as exc:  # noqa: BLE001  that is what is asked
            found["error"] = type(exc).__name__
        found["ended"] = True

    began = time.perf_counter()
    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return {**found, "seconds": round(time.perf_counter() - began, 1)}


def main() -> None:
    """See the module."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--documents", type=int, default=6)
    ap.add_argument("--pages", type=int, default=8)
    a = ap.parse_args()
    warnings.simplefilter("ignore")
    roots = (ROOT, *(ROOT / part for part in ("ingest", "retrieval", "api")))
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, roots))
    sys.modules["benchmarks.ray_data"] = sys.modules[__name__]
    Timed.__module__ = Mapper.__module__ = "benchmarks.ray_data"  # it is __main__ here, and not in the workers
    result: dict[str, Any] = {"load_s": LOAD, "page_s": PAGE, "pages": a.pages}
    with tempfile.TemporaryDirectory() as work, Cluster.joined(cpus=2 * WORKERS) as cluster:
        doc = pymupdf.open()
        doc.new_page()
        doc.save(Path(work) / "a.pdf")
        source = open_source(Path(work) / "a.pdf")
        options = RayOptions(workers=WORKERS, pages_a_call=RUN)
        parser = RayParser(cluster, Timed(0.0), Timed, options)
        list(parser.parse(source, range(a.pages)))
        result["actors"] = timed([parser.parse(source, range(a.pages)) for _ in range(a.documents)])
        parser.close()
        parser = RayParser(cluster, Timed(0.0), partial(Timed, deadly=2), options)
        result["actors_deadly"] = within_patience(parser.parse(source, range(a.pages)))
        parser.close()
        print(result, flush=True)
        import ray.data

        ray.data.DataContext.get_current().enable_progress_bars = False
        list(by_data(a.pages))
        result["ray_data"] = timed([by_data(a.pages) for _ in range(a.documents)])
        result["ray_data_deadly"] = within_patience(by_data(a.pages, deadly=2))
        print(json.dumps(result), flush=True)
        os._exit(0)  # a dataset that does not end would hold the interpreter


if __name__ == "__main__":
    main()
