"""Chinese retrieval: typesets the documents, ingests them with the embedded default, and answers all questions.

    python benchmarks/chinese.py --work DIR [--limit 10] [--misses]

The texts and the questions stand in ``benchmarks/truth/chinese``: half of the documents is for development, the other is held
out; the archive that is searched is always all of them. Prints, for each half, the share of questions with an evidence page
among the first 1, 3, 5 and 10 hits and the mean reciprocal rank of the first, over the whole archive and inside the document,
then hit@5 over the archive by kind of question. The index is kept in ``DIR/index``: a second run only searches.
``--misses`` lists what the first five do not hold over the archive.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chinese_pages import TEXTS, write
from common import ingest

from paperlode.api.archive import Archive, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

KS = (1, 3, 5, 10)
Ranked = list[tuple[str, tuple[int, ...]]]
"""Document and pages of each hit, best first."""


def first_hit(evidence: set[tuple[str, int]], ranked: Ranked) -> int:
    """The rank of the first hit on a page of the evidence, from 1; 0 when there is none."""
    return next((i for i, (doc, pages) in enumerate(ranked, 1) if any((doc, p) in evidence for p in pages)), 0)


def figures(ranks: Sequence[int]) -> dict[str, float]:
    """hit@k and the mean reciprocal rank over at least one question; a rank of 0 is a miss."""
    out = {f"hit@{k}": sum(0 < r <= k for r in ranks) / len(ranks) for k in KS}
    out["MRR"] = sum(1 / r for r in ranks if r) / len(ranks)
    return out


def answer(archive: Archive, questions: list[dict[str, Any]], limit: int) -> dict[str, dict[str, int]]:
    """For each question, by its id, the rank of the first hit: over the whole ``archive`` and in the ``document``."""
    names = {d.digest: Path(d.name).stem for d in archive.documents()}
    digests = {n: d for d, n in names.items()}
    out = {}
    for q in questions:
        evidence = {(e["doc"], e["page"]) for e in q["evidence"]}
        ranks = {}
        for where, scope in (("archive", None), ("document", Scope(documents=(digests[q["doc_name"]],)))):
            hits = archive.search(q["question"], limit=limit, scope=scope)
            ranks[where] = first_hit(evidence, [(names[h.document], h.pages) for h in hits])
        out[q["question_id"]] = ranks
    return out


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--work", type=Path, required=True)
    ap.add_argument("--limit", type=int, default=10)
    ap.add_argument("--misses", action="store_true")
    a = ap.parse_args()
    questions = json.loads((TEXTS / "questions.json").read_text(encoding="utf-8"))["questions"]
    pdfs = write(a.work / "pdfs")
    with Archive.open_or_create(a.work / "index") as archive:
        start = time.perf_counter()
        report = ingest(archive, [str(p) for p in pdfs])
        parsed = time.perf_counter()
        ranks = answer(archive, questions, a.limit)
        searches = 2 * len(questions)
        print(
            f"{report.pages_parsed} pages parsed, {report.pages_kept} kept, {parsed - start:.0f} s; "
            f"{searches} searches at {1000 * (time.perf_counter() - parsed) / searches:.1f} ms",
            file=sys.stderr,
        )
    for where in ("archive", "document"):
        for half in ("dev", "held", "all"):
            part = [ranks[q["question_id"]][where] for q in questions if half in {q["half"], "all"}]
            shown = "  ".join(f"{k} {v:.3f}" for k, v in figures(part).items())
            print(f"{where:9} {half:5} n={len(part):3}  {shown}")
    kinds = defaultdict(list)
    for q in questions:
        kinds[q["kind"]].append(ranks[q["question_id"]]["archive"])
    print("hit@5     " + "  ".join(f"{k} {figures(v)['hit@5']:.2f} ({len(v)})" for k, v in sorted(kinds.items())))
    if a.misses:
        for q in questions:
            rank = ranks[q["question_id"]]["archive"]
            if not 0 < rank <= 5:
                print(f"{q['question_id']} {q['kind']} rank {rank or '-'}: {q['question']}")


if __name__ == "__main__":
    main()
