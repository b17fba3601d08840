"""From files to searchable: pages a second, peak memory of all processes, and where the time goes.

    python benchmarks/ingest.py --pdfs DIR [--pdfs DIR …] [--docs FILE] [--work DIR] [--peer [pymupdf4llm] …]

The last line is JSON: ``pages``, ``failed_pages``, ``unaccounted`` (pages neither parsed nor failed: must be 0), ``chunks``,
``longest_chunk_tokens``, ``pages_per_s``, ``cpu_s`` (user and system, of all processes), ``peak_mb`` (proportional set size
summed over all processes, looked at every two seconds, since a look costs 20 ms of CPU), ``peak_rss_mb``, ``seconds`` by
stage. ``--docs`` is a JSON list of file names without ``.pdf`` to restrict to. ``--peer`` then runs LlamaIndex's default on the
same files (``peer.py``), ``--peer pymupdf4llm`` the same with that reader, ``--peer pymupdf pymupdf4llm`` both; what they
print, and how many times as fast we are, is added under ``peers``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import cpu_seconds, ingest, peak_memory

from paperlode.api.archive import Archive
from paperlode.ingest.document import Chunk, from_json


def longest_chunk(archive: Archive) -> int:
    """Word pieces of the longest embedded text, counted again with the embedder's own tokenizer."""
    return max(
        (
            archive.embedder.count(from_json(Chunk, line).embedded_text)
            for d in archive.documents()
            for line in archive.export(d.digest, "jsonl")
        ),
        default=0,
    )


def peer(reader: str, files: list[Path]) -> dict[str, float]:
    """What the peer prints, run in a process of its own on an otherwise idle machine."""
    command = [sys.executable, str(Path(__file__).with_name("peer.py")), "--reader", reader, *map(str, files)]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    result: dict[str, float] = json.loads(out.splitlines()[-1])
    return result


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pdfs", type=Path, required=True, action="append")
    ap.add_argument("--docs", type=Path)
    ap.add_argument("--work", type=Path, help="keep the index here (default: a temporary folder)")
    ap.add_argument(
        "--peer",
        nargs="*",
        metavar="READER",
        help="run LlamaIndex on the same files afterwards: pymupdf, its default reader, or pymupdf4llm",
    )
    a = ap.parse_args()
    files = sorted(f for d in a.pdfs for f in d.glob("*.pdf"))
    if a.docs:
        names = set(json.loads(a.docs.read_text(encoding="utf-8")))
        files = [f for f in files if f.stem in names]
    if not files:
        sys.exit(f"{a.pdfs}: no PDFs")
    with tempfile.TemporaryDirectory() as scratch, peak_memory(interval=2.0) as peak:
        where = a.work or Path(scratch) / "index"
        start, cpu = time.perf_counter(), cpu_seconds()
        with Archive.open_or_create(where) as archive:
            report = ingest(archive, [str(f) for f in files])
            seconds, cpu = time.perf_counter() - start, cpu_seconds() - cpu
            expected = sum(d.page_count for d in archive.documents())
            longest = longest_chunk(archive)
    pages = report.pages_parsed + report.pages_kept
    result = {
        "documents": len(report.ingested),
        "failed_documents": [p.path for p in report.failed],
        "pages": pages,
        "failed_pages": len(report.page_problems),
        "unaccounted": expected - pages,
        "chunks": report.chunks,
        "longest_chunk_tokens": longest,
        "wall_s": round(seconds, 1),
        "pages_per_s": round(pages / seconds, 2),
        "cpu_s": round(cpu, 1),
        "peak_mb": round(peak.pss_mb),
        "peak_rss_mb": round(peak.rss_mb),
        "seconds": {k: round(v, 1) for k, v in report.seconds.items()},
    }
    if a.peer is not None:
        for reader in a.peer or ["pymupdf"]:
            theirs = peer(reader, files)
            result.setdefault("peers", {})[reader] = theirs | {
                "times_the_peer": round(pages / seconds / theirs["pages_per_s"], 2)
            }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
