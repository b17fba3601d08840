"""One page changed in a long document, and a document saved anew: what is parsed, embedded and written.

    python benchmarks/changed_page.py --work DIR [--pages 500]

Makes a report of text, headings and tables (``WORK/report.pdf``, the seed decides all) and ingests it with the default parser.
Then three times a change and another run: the middle page says something else; the same file is saved anew by another writer
(other bytes, the same pages); a page is put in before the middle. The last line is JSON: of each run the pages parsed, the
chunks written, the pages on which these stand, and the documents in the index. At the end the index is compared with one made
of the last file alone: the chunks must be the same but for their document.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from random import Random
from typing import Any

from paperlode.api.archive import Archive
from paperlode.ingest.document import Chunk, from_json

WORDS = (
    "lease", "rent", "notice", "deposit", "tenant", "supply", "price", "delivery", "warranty",
    "audit", "revenue", "margin", "region", "segment", "quarter", "cost", "inventory", "currency",
    "policy", "estimate", "goodwill", "asset", "liability", "customer", "contract", "order", "backlog",
    "service",
)  # fmt: skip
ROWS = ("Net sales", "Cost of goods sold", "Gross profit", "Operating income", "Interest expense", "Net earnings")


def sentence(rng: Random) -> str:
    """Eight to twenty words."""
    words = rng.choices(WORDS, k=rng.randint(8, 20))
    return f"{' '.join(words).capitalize()}."


def page_of(doc: Any, number: int, at: int, *, changed: bool = False) -> None:
    """A page, always the same for its number: a heading every third page, paragraphs, a table every fourth page."""
    rng = Random(f"{number} {changed}")  # noqa: S311
    page = doc.new_page(pno=at, width=595, height=842)
    y = 72.0
    if number % 3 == 0:
        page.insert_text(
            (72, y), f"{number // 3 + 1}. {' '.join(rng.choices(WORDS, k=4)).title()}", fontsize=16, fontname="hebo"
        )
        y += 36
    for _ in range(3):
        text = " ".join(sentence(rng) for _ in range(4))
        page.insert_textbox((72, y, 523, y + 110), text, fontsize=10, fontname="helv")
        y += 100
    if number % 4 == 0:
        for row, label in enumerate(("In millions", *ROWS)):
            cells = ["2021", "2022", "2023"] if row == 0 else [f"{rng.randint(100, 9999):,}" for _ in range(3)]
            page.insert_text((72, y), label, fontsize=10, fontname="helv")
            for column, cell in enumerate(cells):
                page.insert_text((300 + 75 * column, y), cell, fontsize=10, fontname="helv")
            page.draw_line((72, y + 4), (523, y + 4), width=0.5)
            y += 18


def state(archive: Archive) -> dict[str, Chunk]:
    """All chunks by id."""
    lines = (line for d in archive.documents() for line in archive.export(d.digest, "jsonl"))
    return {c.id: c for c in (from_json(Chunk, line) for line in lines)}


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--work", type=Path, required=True)
    ap.add_argument("--pages", type=int, default=500)
    a = ap.parse_args()
    import pymupdf

    a.work.mkdir(parents=True, exist_ok=True)
    path, middle = a.work / "report.pdf", a.pages // 2
    shutil.rmtree(a.work / "index", ignore_errors=True)
    doc = pymupdf.open()
    for n in range(a.pages):
        page_of(doc, n, n)
    doc.save(path)
    results: dict[str, Any] = {}

    def run(name: str) -> None:
        start = time.perf_counter()
        with Archive.open_or_create(a.work / "index") as archive:
            before = state(archive)
            report = archive.ingest([path])
            after = state(archive)
            results[name] = {
                "pages_parsed": report.pages_parsed,
                "chunks": report.chunks,
                "chunks_written": report.chunks_written,
                "pages_of_new_chunks": sorted({p + 1 for i in after.keys() - before.keys() for p in after[i].pages})[
                    :20
                ],
                "documents": len(archive.documents()),
                "seconds": round(time.perf_counter() - start, 1),
            }
        print(name, json.dumps(results[name]), flush=True)

    run("first")
    doc.delete_page(middle)
    page_of(doc, middle, middle, changed=True)
    doc.save(path, garbage=0)
    run("one page changed")
    doc.save(path, garbage=4, deflate=True, clean=True)
    run("saved anew")
    page_of(doc, a.pages, middle)
    doc.save(path)
    run("a page put in")
    with Archive.open_or_create(a.work / "index") as archive:
        ours = state(archive)
    shutil.rmtree(a.work / "fresh", ignore_errors=True)
    with Archive.open_or_create(a.work / "fresh") as archive:
        archive.ingest([path])
        fresh = state(archive)

    def told(chunks: dict[str, Chunk]) -> list[str]:
        return sorted(
            repr((c.ordinal, c.text, c.context, c.regions, c.span, c.part, c.heading_path)) for c in chunks.values()
        )

    print(json.dumps({**results, "same_as_made_anew": told(ours) == told(fresh), "chunks_made_anew": len(fresh)}))


if __name__ == "__main__":
    main()
