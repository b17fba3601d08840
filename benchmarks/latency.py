"""Warm search beside the same questions embedded and sent to a bare Edge shard, in one run, turn by turn.

    python benchmarks/latency.py --index DIR --questions FILE [--n 200] [--limit 5]

Ours: ``Archive.search`` to finished hits (fused, one a page, grown to passages, boxes and all). Bare: the question embedded,
its lexical vector made, and one query with the same four prefetches (dense, table rows, chunk and page words), fused by the
engine, payload included, on a copy of the same shard. The last line is JSON with both medians in milliseconds and their ratio.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paperlode.api.archive import Archive
from paperlode.retrieval.lexical import sparse_query
from paperlode.retrieval.points import DENSE, LEXICAL, PAGE, ROWS
from paperlode.retrieval.search import DEPTH

if TYPE_CHECKING:
    from collections.abc import Callable


def bare(folder: Path, embedder: Any, limit: int) -> Callable[[str], Any]:
    from qdrant_edge import EdgeShard, Fusion, Prefetch, Query, QueryRequest, SparseVector

    shard = EdgeShard.load(str(folder))

    def ask(question: str) -> Any:
        words = sparse_query(question)
        terms = SparseVector(list(words.indices), list(words.values))
        vector = embedder.embed_query(question).tolist()
        legs = [
            Prefetch(limit=DEPTH, query=Query.Nearest(vector, using=DENSE)),
            Prefetch(limit=DEPTH, query=Query.Nearest([vector], using=ROWS)),
        ]
        if words.indices:
            legs += [Prefetch(limit=DEPTH, query=Query.Nearest(terms, using=name)) for name in (LEXICAL, PAGE)]
        return shard.query(QueryRequest(limit=limit, prefetches=legs, query=Fusion.Rrf(k=60), with_payload=True))

    return ask


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--index", type=Path, required=True)
    ap.add_argument("--questions", type=Path, required=True)
    ap.add_argument("--n", type=int, default=200)
    ap.add_argument("--limit", type=int, default=5)
    a = ap.parse_args()
    questions = [q["question"] for q in json.loads(a.questions.read_text(encoding="utf-8"))["questions"]][: a.n]
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(a.index / "edge", Path(scratch) / "edge")
        with Archive.open(a.index) as archive:
            ways = {
                "ours": lambda q: archive.search(q, limit=a.limit),
                "bare": bare(Path(scratch) / "edge", archive.embedder, a.limit),
            }
            times: dict[str, list[float]] = {name: [] for name in ways}
            for warm in (True, False):
                for q in questions[:20] if warm else questions:
                    for name, way in ways.items():
                        start = time.perf_counter()
                        way(q)
                        if not warm:
                            times[name].append(1000 * (time.perf_counter() - start))
    p50 = {name: statistics.median(t) for name, t in times.items()}
    print(
        json.dumps(
            {
                "n": len(questions),
                **{f"{k}_p50_ms": round(v, 2) for k, v in p50.items()},
                "ratio": round(p50["ours"] / p50["bare"], 3),
            }
        )
    )


if __name__ == "__main__":
    main()
