"""Retrieval on a set of PDFs with questions: ingests them once, then answers every question twice.

    python benchmarks/retrieval.py --pdfs DIR --questions FILE --work DIR [--limit 10]

Writes ``WORK/doc.jsonl`` (search inside the question's document) and ``WORK/corpus.jsonl`` (search over all documents), one
line a question: ``{"question_id", "ranked": [{"doc", "page", "pages", "text"}]}``, best first, pages 0-based.
The index is kept in ``WORK/index``: a second run only searches. ``--questions`` is ``{"docs": {…}, "questions": [{"question_id",
"question", "doc_name"}]}``; a document's name is its file name without ``.pdf``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from common import ingest, peak_memory

from paperlode.api.archive import Archive, Scope


def ranked(
    archive: Archive, question: str, names: dict[str, str], limit: int, where: Scope | None
) -> list[dict[str, Any]]:
    return [
        {"doc": names[h.document], "page": h.page, "pages": list(h.pages), "text": h.passage}
        for h in archive.search(question, limit=limit, scope=where)
    ]


def answer_all(archive: Archive, questions: list[dict[str, Any]], work: Path, *, limit: int) -> list[str]:
    """Writes both runs; gives the names of documents that the archive does not have."""
    names = {d.digest: Path(d.name).stem for d in archive.documents()}
    digests = {n: d for d, n in names.items()}
    with (
        (work / "doc.jsonl").open("w", encoding="utf-8") as doc,
        (work / "corpus.jsonl").open("w", encoding="utf-8") as corpus,
    ):
        for q in questions:
            digest = digests.get(q["doc_name"])
            inside = ranked(archive, q["question"], names, limit, Scope(documents=(digest,))) if digest else []
            everywhere = ranked(archive, q["question"], names, limit, None)
            for out, hits in ((doc, inside), (corpus, everywhere)):
                out.write(json.dumps({"question_id": q["question_id"], "ranked": hits}, ensure_ascii=False) + "\n")
    return sorted({q["doc_name"] for q in questions} - set(digests))


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pdfs", type=Path, required=True)
    ap.add_argument("--questions", type=Path, required=True)
    ap.add_argument("--work", type=Path, required=True)
    ap.add_argument("--limit", type=int, default=10)
    a = ap.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    questions = json.loads(a.questions.read_text(encoding="utf-8"))["questions"]
    with Archive.open_or_create(a.work / "index") as archive:
        with peak_memory() as peak:
            start = time.perf_counter()
            report = ingest(archive, [str(a.pdfs)])
        print(
            f"ingested {report.pages_parsed} pages (kept {report.pages_kept}), {report.chunks} chunks in "
            f"{time.perf_counter() - start:.0f} s; peak {peak.pss_mb:.0f} MB; {len(report.page_problems)} failed pages",
            file=sys.stderr,
        )
        if missing := answer_all(archive, questions, a.work, limit=a.limit):
            print(f"not in {a.pdfs}: {', '.join(missing)}", file=sys.stderr)
        print(f"{len(questions)} questions answered into {a.work}", file=sys.stderr)


if __name__ == "__main__":
    main()
