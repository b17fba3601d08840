"""What structure costs: CPU milliseconds a page of assembly and chunking, and memory of a long document over a short one.

    python benchmarks/structure_cost.py --pages FOLDER ... [--documents N] [--long 5000] [--short 500]

A FOLDER holds parsed pages as JSON lines (see guarantees.py). Tokens are counted by the embedded model's own tokenizer.
The long and the short document repeat the folders' pages, renumbered, read from disk as they are taken; each is measured in a
process of its own (peak resident memory). Leaves with 1 above 15 ms a page or 1.2 times the memory.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from paperlode.ingest.assembly import assemble
from paperlode.ingest.chunking import chunk
from paperlode.ingest.document import Block, PageBox, ParsedPage, Source, from_json
from paperlode.retrieval.embedding import load_embedder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_MS = 15.0
MOST_TIMES = 1.2


def source(name: str) -> Source:
    return Source(uri=name, name=name, media_type="application/pdf", digest="ab" * 32, size=1)


def files(folders: Sequence[str], most: int) -> list[Path]:
    found = [sorted(Path(f).rglob("*.jsonl"), key=lambda p: p.name) for f in folders]
    mixed = [paths[k] for k in range(max(map(len, found), default=0)) for paths in found if k < len(paths)]
    return mixed[:most]


def read(path: Path) -> Iterator[ParsedPage]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield from_json(ParsedPage, line)


def cost(paths: Sequence[Path]) -> float:
    """Milliseconds of this process's CPU a page."""
    counter = load_embedder()
    pages = chunks = 0
    assembly = chunking = 0.0
    for path in paths:
        sheets = list(read(path))
        began = time.process_time()
        blocks = list(assemble(sheets))
        between = time.process_time()
        made = sum(1 for _ in chunk(blocks, source=source(path.stem), parser="p", counter=counter))
        after = time.process_time()
        pages, chunks = pages + len(sheets), chunks + made
        assembly, chunking = assembly + between - began, chunking + after - between
    each = [1000 * t / max(1, pages) for t in (assembly, chunking)]
    print(f"{len(paths)} documents, {pages} pages, {chunks} chunks")
    print(
        f"assembly {each[0]:.2f} ms a page, chunking {each[1]:.2f} ms a page, together {sum(each):.2f} ms (at most {MOST_MS})"
    )
    return sum(each)


def moved(block: Block, page: int) -> Block:
    table = block.table
    if table is not None:
        cells = tuple(replace(c, region=c.region and PageBox(page, c.region.box)) for c in table.cells)
        table = replace(table, cells=cells)
    return replace(
        block,
        regions=tuple(PageBox(page, r.box) for r in block.regions),
        lines=tuple(replace(ln, region=PageBox(page, ln.region.box)) for ln in block.lines),
        table=table,
    )


def long_document(paths: Sequence[Path], pages: int) -> Iterator[ParsedPage]:
    page = 0
    while page < pages:
        for path in paths:
            for p in read(path):
                if page >= pages:
                    return
                yield replace(p, page=page, blocks=tuple(moved(b, page) for b in p.blocks), bookmarks=())
                page += 1


def peak(paths: Sequence[Path], pages: int) -> None:
    """Prints the peak memory of this process after one document of that many pages, in MB."""
    counter = load_embedder()
    blocks = assemble(long_document(paths, pages))
    chunks = sum(1 for _ in chunk(blocks, source=source("long"), parser="p", counter=counter))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, chunks)


def measured(folders: Sequence[str], documents: int, pages: int) -> float:
    command = [sys.executable, __file__, "--documents", str(documents), "--peak", str(pages), "--pages", *folders]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    print(f"{pages} pages: {float(out[0]):.0f} MB at most, {out[1]} chunks")
    return float(out[0])


def main() -> int:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--pages", nargs="+", required=True)
    args.add_argument("--documents", type=int, default=40)
    args.add_argument("--long", type=int, default=5000)
    args.add_argument("--short", type=int, default=500)
    args.add_argument("--peak", type=int, default=0, help=argparse.SUPPRESS)
    given = args.parse_args()
    paths = files(given.pages, given.documents)
    if given.peak:
        peak(paths, given.peak)
        return 0
    each = cost(paths)
    short, long = (measured(given.pages, given.documents, n) for n in (given.short, given.long))
    print(f"memory {long / short:.2f} times (at most {MOST_TIMES})")
    return 0 if each <= MOST_MS and long <= MOST_TIMES * short else 1


if __name__ == "__main__":
    sys.exit(main())
