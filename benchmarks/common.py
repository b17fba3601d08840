"""What the benchmarks share: an archive in a work folder, and the memory of all processes."""

from __future__ import annotations

import resource
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
from rich.console import Console
from rich.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator


def cpu_seconds() -> float:
    """User and system time of this process and of its children that have ended."""
    return sum(
        u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


@dataclass
class Peak:
    """Highest sum over this process and its children, in MB: resident, and with shared pages divided (PSS)."""

    rss_mb: float = 0.0
    pss_mb: float = 0.0


@contextmanager
def peak_memory(interval: float = 0.25) -> Iterator[Peak]:
    """Watches while the block runs."""
    peak, stop = Peak(), threading.Event()

    def watch() -> None:
        me = psutil.Process()
        while not stop.is_set():
            rss = pss = 0
            for p in [me, *me.children(recursive=True)]:
                try:
                    full = p.memory_full_info()
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
                rss += full.rss
                pss += getattr(full, "pss", full.rss)
            peak.rss_mb = max(peak.rss_mb, rss / 2**20)
            peak.pss_mb = max(peak.pss_mb, pss / 2**20)
            stop.wait(interval)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def ingest(archive: Any, paths: list[str]) -> Any:
    """Ingests with a bar on standard error; returns the run's report and prints what failed."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("pages", total=None)
        last = [0.0]

        def on_progress(p: Any) -> None:
            if time.monotonic() - last[0] > 1:
                last[0] = time.monotonic()
                bar.update(task, completed=p.pages_done, total=p.pages_expected or None, description=p.document[:30])

        report = archive.ingest(paths, on_progress=on_progress)
    for problem in (*report.failed, *report.page_problems):
        print(f"failed: {problem}", file=sys.stderr)
    return report
