"""Tables over pages: how many are found as one, and whether two were ever made one.

    python benchmarks/table_joins.py [--generated N [--first K]] [--pdfs DIR ...] [--parsed DIR ...] [--verbose]

Generated documents (``generated_tables.py``) go through the local parser and the assembly; the truth is theirs. With
``--pdfs``, the tables listed by hand in ``truth/table_joins.json`` (document, pages, boxes) are looked for in the
documents in those folders; with ``--parsed``, in pages that were parsed before (``NAME.jsonl``, a page a line).

The list was made by looking at rendered pages: ``one`` are tables over pages (``read_as`` ``text`` where the local parser
saw no table on one side of a break: scored apart), ``apart`` pairs of neighbouring tables that are two. Two places that a
reader may take either way are in neither.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paperlode.ingest.assembly import assemble
from paperlode.ingest.document import Box, ParsedPage, from_json
from paperlode.ingest.parsing.local import LocalParser
from paperlode.ingest.sources import open_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from paperlode.ingest.document import Block

TRUTH = Path(__file__).parent / "truth" / "table_joins.json"
COVERED = 0.5
"""Share of a listed box that a table must cover."""


@dataclass
class Score:
    """Tallies of one track."""

    tables: int = 0
    found: int = 0
    breaks: int = 0
    joined: int = 0
    apart: int = 0
    fused: int = 0
    rows_fit: int = 0
    rows_asked: int = 0
    notes: list[str] = field(default_factory=list)

    def print(self, name: str) -> None:
        """One line, and what went wrong."""
        share = self.found / self.tables if self.tables else 0.0
        rows = f", rows fit {self.rows_fit}/{self.rows_asked}" if self.rows_asked else ""
        print(
            f"{name}: found as one {self.found}/{self.tables} ({share:.3f}), breaks joined {self.joined}/{self.breaks},"
            f" wrong fusions {self.fused} of {self.apart} pairs{rows}"
        )


def holders(blocks: Iterable[Block], part: dict[str, Any]) -> set[int]:
    """Which of the tables cover the listed part."""
    box = Box(*part["box"])
    out = set[int]()
    for i, b in enumerate(blocks):
        over = sum(r.box.overlap(box) for r in b.regions if r.page == part["page"])
        if over >= COVERED * max(box.area, 1.0):
            out.add(i)
    return out


def score_listed(parsed: Iterable[tuple[str, list[ParsedPage]]], read_as: str) -> Score:
    """The hand-made list against the assembled documents."""
    truth = json.loads(TRUTH.read_text(encoding="utf-8"))
    score = Score()
    for name, pages in parsed:
        tables = [b for b in assemble(pages) if b.table]
        for t in truth["one"]:
            if t["doc"] != name or t["read_as"] != read_as:
                continue
            found = [holders(tables, p) for p in t["parts"]]
            score.tables += 1
            score.found += bool(set.intersection(*found))
            score.breaks += len(found) - 1
            for (a, x), (b, y) in pairwise(zip(t["parts"], found, strict=True)):
                score.joined += bool(x & y)
                if not x & y:
                    score.notes.append(f"not joined: {name} pages {a['page']} and {b['page']}")
        for t in truth["apart"] if read_as == "table" else ():
            if t["doc"] == name:
                score.apart += 1
                if set.intersection(*(holders(tables, p) for p in t["parts"])):
                    score.fused += 1
                    score.notes.append(f"fused: {name} pages {[p['page'] for p in t['parts']]}")
        if read_as == "table":
            score.notes += unlisted(name, tables, truth["one"])
    return score


def unlisted(name: str, tables: list[Block], known: list[dict[str, Any]]) -> Iterator[str]:
    """Tables over a break that the list does not have: to be looked at."""
    steps = {(t["doc"], a["page"], b["page"]) for t in known for a, b in pairwise(t["parts"])}
    for b in tables:
        pages = sorted({r.page for r in b.regions})
        for x, y in pairwise(pages):
            if (name, x, y) not in steps:
                yield f"not in the list: {name} pages {x} and {y}"


def parse_folder(folders: list[Path], names: set[str]) -> Iterator[tuple[str, list[ParsedPage]]]:
    """The listed documents that lie in the folders, parsed."""
    parser = LocalParser()
    try:
        for f in sorted(f for d in folders for f in d.glob("*.pdf") if f.stem in names):
            source = open_source(str(f))
            yield f.stem, list(parser.parse(source, range(parser.page_count(source))))
    finally:
        parser.close()


def read_folder(folders: list[Path], names: set[str]) -> Iterator[tuple[str, list[ParsedPage]]]:
    """The listed documents whose pages lie in the folders."""
    for f in sorted(f for d in folders for f in d.glob("*.jsonl") if f.stem in names):
        yield f.stem, [from_json(ParsedPage, ln) for ln in f.read_text(encoding="utf-8").splitlines()]


def score_generated(count: int, first: int, keep: Path | None) -> tuple[Score, Counter[str]]:
    """Generated documents through parser and assembly."""
    from generated_tables import documents, write_pdf

    score, missed = Score(), Counter[str]()
    parser = LocalParser()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            for doc in documents(count, first):
                path = (keep or Path(scratch)) / f"{doc.name}.pdf"
                write_pdf(doc, path)
                source = open_source(str(path))
                pages = list(parser.parse(source, range(parser.page_count(source))))
                if keep:
                    lines = "\n".join(to_line(p) for p in pages)
                    path.with_suffix(".jsonl").write_text(lines + "\n", encoding="utf-8")
                check(doc, pages, score, missed)
        finally:
            parser.close()
    return score, missed


def rescore_generated(count: int, first: int, kept: Path) -> tuple[Score, Counter[str]]:
    """The same over pages kept by an earlier run."""
    from generated_tables import documents

    score, missed = Score(), Counter[str]()
    for doc in documents(count, first):
        file = kept / f"{doc.name}.jsonl"
        if file.exists():
            check(
                doc, [from_json(ParsedPage, ln) for ln in file.read_text(encoding="utf-8").splitlines()], score, missed
            )
    return score, missed


def to_line(page: ParsedPage) -> str:
    from paperlode.ingest.document import to_json

    return to_json(page)


def squeezed(text: str) -> str:
    return "".join(text.split())


def check(doc: Any, pages: list[ParsedPage], score: Score, missed: Counter[str]) -> None:
    """One generated document: every logical table one block, no block with rows of two, rows all there and once."""
    from paperlode.ingest.document import PageFailure

    pages = [
        ParsedPage(p.page, 0, 0, p.parser, failure=PageFailure("page_timeout", "planted"))
        if p.page in doc.failed
        else p
        for p in pages
    ]
    blocks = list(assemble(pages))
    tables = [b for b in blocks if b.table]
    texts = [squeezed(b.text) for b in tables]
    holding: list[set[int]] = []
    for t in doc.tables:
        parts = [
            {i for i, x in enumerate(texts) if sum(squeezed(m) in x for m in marks) > len(marks) / 2}
            for marks in t.marks
        ]
        holding.append(set().union(*parts))
        if doc.failed or len(t.marks) < 2:
            continue
        score.tables += 1
        score.breaks += len(parts) - 1
        score.joined += sum(bool(x & y) for x, y in pairwise(parts))
        one = set.intersection(*parts) if parts else set[int]()
        score.found += bool(one)
        if not one:
            score.notes.append(f"not one: {doc.name} {doc.traits} {[sorted(p) for p in parts]}")
            missed.update(doc.traits)
        else:
            score.rows_asked += 1
            whole = texts[min(one)]
            got = tables[min(one)].table
            assert got is not None
            counts = [whole.count(squeezed(m)) for marks in t.marks for m in marks]
            body = got.rows - got.header_rows
            if all(c == 1 for c in counts) and body == t.body_rows:
                score.rows_fit += 1
            else:
                score.notes.append(
                    f"rows: {doc.name} {doc.traits} want {t.body_rows} got {body} (header {got.header_rows}),"
                    f" lost {counts.count(0)}, doubled {sum(c > 1 for c in counts)}"
                )
    for i, x in enumerate(holding):
        for y in holding[i + 1 :]:
            score.apart += 1
            if x & y:
                score.fused += 1
                score.notes.append(f"fused: {doc.name} {doc.traits}")
                missed.update(f"fused {t}" for t in doc.traits)
    if doc.failed:
        flagged = [b for b in tables if "table_cut_by_failed_page" in b.flags and b.findings]
        score.apart += 1
        if len(flagged) != 2:
            score.notes.append(f"failed page not told: {doc.name} {doc.traits} {len(flagged)} flagged")


def write_sample(count: int, kept: Path, target: Path, most: int = 12) -> None:
    """A few short documents of an earlier run, each with a trait that those before it lack, for the tests."""
    from generated_tables import documents

    seen, lines = set[str](), list[str]()
    for doc in documents(count):
        file = kept / f"{doc.name}.jsonl"
        new = {t for t in doc.traits if t not in seen and t != "plain"}
        if not new or len(doc.sheets) > 3 or len(lines) == most or not file.exists():
            continue
        seen |= new
        pages = [json.loads(ln) for ln in file.read_text(encoding="utf-8").splitlines()]
        tables = [{"marks": t.marks, "rows": t.body_rows} for t in doc.tables]
        line = {"name": doc.name, "traits": doc.traits, "failed": doc.failed, "tables": tables, "pages": pages}
        lines.append(json.dumps(line, ensure_ascii=False))
    with gzip.GzipFile(target, "wb", mtime=0) as out:
        out.write(("\n".join(lines) + "\n").encode())
    print(f"{len(lines)} documents in {target}: {sorted(seen)}")


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--generated", type=int, default=0, metavar="N", help="documents to generate")
    ap.add_argument("--first", type=int, default=0, help="number of the first of them")
    ap.add_argument("--keep", type=Path, help="folder for the generated documents and their pages")
    ap.add_argument("--again", action="store_true", help="do not parse: take the pages from --keep")
    ap.add_argument("--pdfs", type=Path, nargs="+", metavar="DIR")
    ap.add_argument("--parsed", type=Path, nargs="+", metavar="DIR")
    ap.add_argument("--verbose", action="store_true")
    ap.add_argument("--sample", type=Path, metavar="FILE", help="write a sample of the kept documents for the tests")
    a = ap.parse_args()
    if a.keep:
        a.keep.mkdir(parents=True, exist_ok=True)
    if a.sample:
        write_sample(a.generated, a.keep, a.sample)
    elif a.generated:
        score, missed = (
            rescore_generated(a.generated, a.first, a.keep)
            if a.again
            else score_generated(a.generated, a.first, a.keep)
        )
        score.print("generated")
        if a.verbose:
            print(*score.notes, sep="\n")
            print(missed.most_common(30))
    if a.pdfs or a.parsed:
        names = {t["doc"] for part in json.loads(TRUTH.read_text(encoding="utf-8")).values() for t in part}
        parsed = list(parse_folder(a.pdfs, names) if a.pdfs else read_folder(a.parsed, names))
        for read_as, name in (("table", "listed by hand"), ("text", "listed by hand, one side read as text")):
            score = score_listed(parsed, read_as)
            score.print(name)
            if a.verbose:
                print(*score.notes, sep="\n")
    if not (a.generated or a.pdfs or a.parsed):
        sys.exit("nothing to do: --generated N, --pdfs DIR or --parsed DIR")


if __name__ == "__main__":
    main()
