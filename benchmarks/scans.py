"""The same questions over digital PDFs and over the same PDFs rendered to pictures, in one run.

    python benchmarks/scans.py --pdfs DIR --questions FILE --work DIR [--dpi 200] [--document NAME …]

Renders each named document (file names without ``.pdf``; default: all that have questions) to a PDF of JPEG pages without any
text, ingests both sets, asks every question inside its document and over the set, and prints hit@5 of both and their ratio.
Runs are kept as ``WORK/{digital,scanned}/{doc,corpus}.jsonl``, as ``retrieval.py`` writes them. Scans take seconds a page.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from common import ingest
from retrieval import answer_all

from paperlode.api.archive import Archive


def render(source: Path, target: Path, dpi: int) -> None:
    """The document's pages as pictures, of the same size on paper, with no text layer."""
    import pymupdf

    with pymupdf.open(source) as old, pymupdf.open() as new:
        for page in old:
            picture = page.get_pixmap(dpi=dpi, alpha=False).tobytes("jpeg", jpg_quality=85)
            new.new_page(width=page.rect.width, height=page.rect.height).insert_image(page.rect, stream=picture)
        part = target.with_suffix(".part")
        new.save(part)
        part.rename(target)


def hits_at_5(run: Path, questions: list[dict[str, Any]]) -> float:
    """Share of the questions with an evidence page among the first five hits."""
    ranked = {r["question_id"]: r["ranked"] for r in map(json.loads, run.read_text("utf-8").splitlines())}
    found = 0
    for q in questions:
        gold = {(e["doc"], e["page"]) for e in q["evidence"]}
        found += any((h["doc"], p) in gold for h in ranked[q["question_id"]][:5] for p in h["pages"])
    return found / len(questions)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pdfs", type=Path, required=True)
    ap.add_argument("--questions", type=Path, required=True)
    ap.add_argument("--work", type=Path, required=True)
    ap.add_argument("--dpi", type=int, default=200)
    ap.add_argument("--document", action="append", default=[])
    a = ap.parse_args()
    questions = json.loads(a.questions.read_text("utf-8"))["questions"]
    names = a.document or sorted({q["doc_name"] for q in questions})
    questions = [q for q in questions if q["doc_name"] in names]
    for kind in ("digital", "scanned"):
        (a.work / kind / "pdfs").mkdir(parents=True, exist_ok=True)
        for name in names:
            target = a.work / kind / "pdfs" / f"{name}.pdf"
            if target.exists():
                continue
            if kind == "digital":
                shutil.copyfile(a.pdfs / target.name, target)
            else:
                render(a.pdfs / target.name, target, a.dpi)
        with Archive.open_or_create(a.work / kind / "index") as archive:
            report = ingest(archive, [str(a.work / kind / "pdfs")])
            print(f"{kind}: {report.pages_parsed} pages read, {len(report.page_problems)} failed", flush=True)
            answer_all(archive, questions, a.work / kind, limit=10)
    for where in ("doc", "corpus"):
        digital, scanned = (hits_at_5(a.work / kind / f"{where}.jsonl", questions) for kind in ("digital", "scanned"))
        said = {
            "where": where,
            "questions": len(questions),
            "digital": digital,
            "scanned": scanned,
            "ratio": scanned / digital,
        }
        print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in said.items()}))


if __name__ == "__main__":
    main()
