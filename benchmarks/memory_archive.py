"""Memory of ingestion with a user's plain settings: does it grow with the number of documents, or with their length?

    python benchmarks/memory_archive.py --work DIR [--documents 10 100 1000] [--long 5000] [--tables-every 20] [--questions 50]

Makes the files once: digital PDFs of two pages of a paragraph each, where every third has a table on its second page, and one
PDF of ``--long`` such pages, of which every ``--tables-every``-th has a table. Prose is read from the text layer, tables by the
layout engine. The seed decides all; no two pages are equal. Each set is ingested in a process of its own into a new index: the
local parser, the embedded model and Qdrant Edge, one worker a core. Memory is the sum over that process and its workers, every
second: proportional set size (PSS: shared pages are divided) and private (unique) memory, which leaves out what is only mapped
from files. At last the index of the largest set is opened in a new process and asked.

The last line is JSON; a set's ``pss_mb`` is the highest sum, ``by_fifth`` the highest in each fifth of its pages, and
``most_pss_mb`` the highest of all sets, which must be at most 2,048. Exit code 1 where a document failed or is missing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

import psutil
from generated_sources import PERCENT_ROWS, PLACES, ROWS, SUBJECTS

from paperlode.api.archive import Archive

MOST_MB = 2048


# ------------------------------------------------------------------------------------------------------------ files


def _sentence(rng: Random) -> str:
    a, b = rng.uniform(1, 900), rng.uniform(1, 900)
    return (
        f"{rng.choice(SUBJECTS)} in {rng.choice(PLACES)} {'rose' if a > b else 'fell'} from ${b:,.1f} million "
        f"to ${a:,.1f} million in {rng.randint(1990, 2025)}, which the Company explains by {rng.choice(PLACES)}."
    )


def _prose(page: Any, rng: Random) -> None:
    import pymupdf

    page.insert_textbox(pymupdf.Rect(72, 80, 540, 180), " ".join(_sentence(rng) for _ in range(3)), fontsize=10)


def _table(page: Any, rng: Random) -> None:
    page.insert_text((72, 90), f"Selected figures of unit {rng.randint(1, 10**6)} (in millions)", fontsize=11)
    last = rng.randint(2000, 2025)
    rows = [["", *(str(last - k) for k in range(3))]]
    rows += [
        [name, *(f"{rng.uniform(1, 9999):,.1f}" for _ in range(3))] for name in rng.sample(ROWS + PERCENT_ROWS, 14)
    ]
    for r, row in enumerate(rows):
        y = 120 + 18 * r
        page.draw_line((72, y + 5), (540, y + 5), width=0.4)
        for c, text in enumerate(row):
            page.insert_text((72 if c == 0 else 250 + 95 * c, y), text, fontsize=10)


def make(path: Path, seed: int, pages: int, tables_every: int) -> None:
    """A PDF, the same every time; the last of every ``tables_every`` pages has a table."""
    import pymupdf

    rng = Random(seed)  # noqa: S311
    path.parent.mkdir(parents=True, exist_ok=True)
    with pymupdf.open() as doc:
        for n in range(pages):
            page = doc.new_page(width=612, height=792)
            (_table if n % tables_every == tables_every - 1 else _prose)(page, rng)
        doc.save(path, deflate=True, no_new_id=True)


# -------------------------------------------------------------------------------------------------------- measuring


class Sampler:
    """The highest sums over this process and its children, in MB, of the whole and of each fifth of the work."""

    def __init__(self, pages: int) -> None:
        self.done = 0
        self.pss = self.private = 0.0
        self.by_fifth = [0.0] * 5
        self._pages = max(1, pages)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(1.0):
            pss = private = 0
            for p in [me, *me.children(recursive=True)]:
                try:
                    full = p.memory_full_info()
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
                pss += getattr(full, "pss", full.rss)
                private += full.uss
            self.pss, self.private = max(self.pss, pss / 2**20), max(self.private, private / 2**20)
            fifth = min(4, 5 * self.done // self._pages)
            self.by_fifth[fifth] = max(self.by_fifth[fifth], pss / 2**20)

    def end(self) -> dict[str, Any]:
        """The figures; no more samples."""
        self._stop.set()
        self._thread.join()
        fifths = [round(f) for f in self.by_fifth]
        return {"pss_mb": round(self.pss), "private_mb": round(self.private), "by_fifth": fifths}


def ingest(files: Path, index: Path, documents: int, pages: int) -> dict[str, Any]:
    """What a run over a folder takes; in a process of its own."""
    sampler = Sampler(documents * pages)

    def progress(p: Any) -> None:
        sampler.done = p.pages_done

    start = time.perf_counter()
    with Archive.create(index) as archive:
        report = archive.ingest([files], on_progress=progress)
    seconds = time.perf_counter() - start
    whole = sum(d.pages for d in report.ingested)
    return {
        "documents": documents,
        "pages": whole,
        "sound": len(report.ingested) == documents and whole == documents * pages and not report.page_problems,
        "chunks": report.chunks,
        "read_by": dict(sorted(report.read_by.items())),
        "seconds": round(seconds, 1),
        **sampler.end(),
    }


def ask(index: Path, questions: int) -> dict[str, Any]:
    """What opening an index and searching it take; in a process of its own."""
    rng = Random(3)  # noqa: S311
    sampler = Sampler(questions)
    with Archive.open(index) as archive:
        for n in range(questions):
            sampler.done = n
            if not archive.search(f"{rng.choice(ROWS)} of {rng.choice(PLACES)} in {rng.randint(2000, 2025)}", limit=10):
                raise SystemExit("a question found nothing")
    return {"questions": questions, **sampler.end()}


def _child(*values: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, "--child", *values], stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(result), file=sys.stderr)
    return result


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--work", type=Path)
    ap.add_argument("--documents", type=int, nargs="*", default=[10, 100, 1000])
    ap.add_argument("--long", type=int, default=5000, help="Pages of the long document; 0 for none.")
    ap.add_argument("--tables-every", type=int, default=20)
    ap.add_argument("--questions", type=int, default=50)
    ap.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    a = ap.parse_args()
    if a.child:
        what, index, *rest = a.child
        done = (
            ask(Path(index), int(rest[0])) if what == "ask" else ingest(Path(rest[0]), Path(index), *map(int, rest[1:]))
        )
        print(json.dumps(done))
        return
    if a.work is None:
        ap.error("--work is missing")
    sets: list[dict[str, Any]] = []
    asked: dict[str, Any] | None = None
    for count in sorted(a.documents):
        files, index = a.work / f"short-{count}", a.work / f"index-{count}"
        for n in range(count):
            if not (path := files / f"{n // 100:03d}" / f"report {n:05d}.pdf").exists():
                make(path, n, 2, 2 if n % 3 == 0 else 3)
        shutil.rmtree(index, ignore_errors=True)
        sets.append(_child("ingest", str(index), str(files), str(count), "2"))
        if count == max(a.documents) and a.questions:
            asked = _child("ask", str(index), str(a.questions))
        shutil.rmtree(index)
    if a.long:
        files, index = a.work / f"long-{a.long}-{a.tables_every}", a.work / "index-long"
        if not (path := files / "long.pdf").exists():
            make(path, 1_000_000, a.long, a.tables_every)
        shutil.rmtree(index, ignore_errors=True)
        sets.append(_child("ingest", str(index), str(files), "1", str(a.long)))
        shutil.rmtree(index)
    most = max(s["pss_mb"] for s in sets)
    sound = all(s["sound"] for s in sets)
    print(json.dumps({"sets": sets, "asked": asked, "most_pss_mb": most, "met": most <= MOST_MB, "sound": sound}))
    if not sound:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
