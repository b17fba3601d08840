"""Violations of the six guarantees of a chunk: over generated documents that are nasty on purpose, and over parsed pages.

    python benchmarks/guarantees.py [--documents 10000] [--from SEED] [--pages FOLDER ...]

A FOLDER holds parsed pages as JSON lines, one file a document (``FOLDER/**/*.jsonl``, one ``ParsedPage`` a line, as
``to_json`` writes it). Prints one line a violation kind with its number and the first place, then the counts; leaves
with 1 when there was any. Guarantee 0 is the assembly's: no text lost, none twice.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.ingest.guarantees import Violation, assembly_violations, violations
from tests.ingest.nasty import blocks, budget, pages

from paperlode.ingest.assembly import assemble
from paperlode.ingest.chunking import ChunkOptions, TokenCounter, chunk
from paperlode.ingest.document import Block, ParsedPage, Source, from_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def check(content: Sequence[Block], name: str, counter: TokenCounter, options: ChunkOptions) -> list[Violation]:
    source = Source(uri=name, name=name, media_type="application/pdf", digest="ab" * 32, size=1)
    limit = min(counter.max_tokens, options.max_tokens or counter.max_tokens)

    def made(of: Source) -> list:
        return list(chunk(content, source=of, parser="p-1", counter=counter, options=options))

    other = (
        made(replace(source, digest="cd" * 32)) if len(content) < 12 else []
    )  # the small ones: it is a third of the time
    return violations(content, made(source), counter=counter, limit=limit, again=made(source), other=other)


def generated(first: int, count: int) -> Iterator[tuple[str, list[Violation]]]:
    for seed in range(first, first + count):
        counter = budget(seed)
        options = ChunkOptions(target_tokens=(8, 60, 200, 1000)[seed % 4])
        name = f"Annual_Report_{seed}.pdf"
        try:
            if seed % 3:
                sheets = pages(seed)
                content = list(assemble(sheets))
                found = assembly_violations(sheets, content)
            else:
                content, found = blocks(seed), []
            yield f"seed {seed}", found + check(content, name, counter, options)
        except Exception as e:  # noqa: BLE001  a crash is a violation too
            yield f"seed {seed}", [Violation(-1, f"{type(e).__name__}: {e}"[:200])]


def real(folders: Sequence[str]) -> Iterator[tuple[str, list[Violation]]]:
    from paperlode.retrieval.embedding import load_embedder

    counter = load_embedder()
    for folder in folders:
        for path in sorted(Path(folder).rglob("*.jsonl")):
            with path.open(encoding="utf-8") as lines:
                sheets = [from_json(ParsedPage, line) for line in lines]
            content = list(assemble(sheets))
            found = assembly_violations(sheets, content)
            yield f"{path.name} ({len(sheets)} pages)", found + check(content, path.stem, counter, ChunkOptions())


def main() -> int:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--documents", type=int, default=10_000)
    args.add_argument("--from", dest="first", type=int, default=0)
    args.add_argument("--pages", nargs="*", default=[])
    given = args.parse_args()
    kinds: Counter[tuple[int, str]] = Counter()
    first: dict[tuple[int, str], str] = {}
    bad = {"generated": 0, "real": 0}
    done = {"generated": 0, "real": 0}
    began = time.monotonic()
    sources = (("generated", generated(given.first, given.documents)), ("real", real(given.pages)))
    for sort, documents in sources:
        for name, found in documents:
            done[sort] += 1
            bad[sort] += bool(found)
            for v in found:
                key = (v.guarantee, " ".join(v.what.split()[:5]))
                kinds[key] += 1
                first.setdefault(key, f"{name}, at {v.where}: {v.what}")
    for key, n in sorted(kinds.items()):
        print(f"guarantee {key[0]}: {n} x {first[key]}")
    per = Counter(g for (g, _), n in kinds.items() for _ in range(n))
    print("violations by guarantee:", {g: per[g] for g in range(7)}, "crashes:", per[-1])
    for sort, count in done.items():
        print(f"{sort}: {count} documents, {bad[sort]} with violations")
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main())
