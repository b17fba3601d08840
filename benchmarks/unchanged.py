"""A second run over an unchanged archive, beside a plain script that reads and hashes the same files, turn by turn.

    python benchmarks/unchanged.py --work DIR [--documents 1000] [--kilobytes 1000] [--n 5]

Makes the files once: PDFs of one page of text, with an attachment of random bytes that brings them to their size. Ingests
them once (``WORK/index``). Then, as new processes with warm file caches, in turn: ``paperlode ingest``, the script
(``hashlib.sha256``, a megabyte at a time), and ``paperlode ingest`` after every file was touched, so that it is read and hashed
and found to be the same. The last line is JSON: medians of the wall seconds, and the ratios of the first and the last to the
script's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from random import Random

from paperlode.api.archive import Archive

PLAIN = """
import hashlib, os, sys
seen = {}
for folder, _, names in os.walk(sys.argv[1]):
    for name in sorted(names):
        made = hashlib.sha256()
        with open(os.path.join(folder, name), "rb") as file:
            while piece := file.read(1 << 20):
                made.update(piece)
        seen[name] = made.hexdigest()
print(len(seen))
"""
WORDS = (
    "lease",
    "rent",
    "notice",
    "deposit",
    "tenant",
    "supply",
    "price",
    "delivery",
    "warranty",
    "audit",
    "revenue",
    "margin",
)


def make(folder: Path, documents: int, kilobytes: int) -> None:
    """The files, the same every time."""
    import pymupdf

    if len(list(folder.glob("*/*.pdf"))) == documents:
        return
    rng = Random(7)  # noqa: S311
    for n in range(documents):
        path = folder / f"{n // 100:03d}" / f"document {n:05d}.pdf"
        path.parent.mkdir(parents=True, exist_ok=True)
        with pymupdf.open() as doc:
            page = doc.new_page()
            for line in range(12):
                page.insert_text((72, 90 + 18 * line), f"{n}.{line} " + " ".join(rng.choices(WORDS, k=9)))
            doc.embfile_add("data.bin", rng.randbytes(1000 * kilobytes))
            doc.save(path)


def timed(command: list[str]) -> float:
    """Wall seconds of a process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - start


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--work", type=Path, required=True)
    ap.add_argument("--documents", type=int, default=1000)
    ap.add_argument("--kilobytes", type=int, default=1000)
    ap.add_argument("--n", type=int, default=5)
    a = ap.parse_args()
    files, index = a.work / "files", a.work / "index"
    make(files, a.documents, a.kilobytes)
    with Archive.open_or_create(index) as archive:
        first = archive.ingest([files])
    if len(first.ingested) + len(first.skipped) != a.documents:
        raise SystemExit(f"{len(first.failed)} documents failed")
    ours = [str(Path(sys.executable).with_name("paperlode")), "ingest", str(files), "--index", str(index), "--json"]
    plain = [sys.executable, "-c", PLAIN, str(files)]
    times: dict[str, list[float]] = {"unchanged": [], "plain": [], "touched": []}
    for n in range(a.n + 1):
        took = {"unchanged": timed(ours), "plain": timed(plain)}
        for path in files.glob("*/*.pdf"):
            os.utime(path)
        took["touched"] = timed(ours)
        time.sleep(2.5)  # a file touched within the last two seconds is looked at again
        timed(ours)
        if n:  # the first fills the file caches
            for name, seconds in took.items():
                times[name].append(seconds)
    at = {name: statistics.median(t) for name, t in times.items()}
    ratios = {f"{name}_over_plain": round(at[name] / at["plain"], 3) for name in ("unchanged", "touched")}
    print(json.dumps({"documents": a.documents, **{f"{k}_s": round(v, 3) for k, v in at.items()}, **ratios}))


if __name__ == "__main__":
    main()
