"""A search over a large synthetic index beside a bare Edge hybrid query on a copy of the same shard, turn by turn.

    python benchmarks/latency_scale.py --work DIR [--chunks 200000] [--n 500]

Builds ``WORK/edge`` once: documents of 400 chunks with Zipf-distributed words, vectors around 500 centres, a tenth of the chunks
tables with ten row vectors each, roles, cards with organisations and years. Questions are made of such words; half name an
organisation and a year, a quarter ask for a measure of the glossary. Ours: ``Search.search`` to finished hits. Bare: the question
embedded, its words weighed, one query of the engine over both vectors (200 of each, reciprocal rank fusion), payload included.
The last line is JSON: p50 and p99 of both in milliseconds, the ratio of the p50s, and ours p99 over p50.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paperlode.ingest.document import Box, Chunk, DocumentCard, Kind, Layer, PageBox, chunk_id
from paperlode.retrieval.cards import sparse_whole
from paperlode.retrieval.edge import EdgeIndex
from paperlode.retrieval.embedding import load_embedder
from paperlode.retrieval.fields import sparse_pairs
from paperlode.retrieval.index import Schema
from paperlode.retrieval.lexical import sparse_document, sparse_page, sparse_query, term_counts
from paperlode.retrieval.points import DENSE, LEXICAL
from paperlode.retrieval.search import DEPTH, Search

if TYPE_CHECKING:
    from collections.abc import Callable

PER_DOCUMENT, PER_PAGE, WORDS, VOCABULARY, CENTRES, ROWS = 400, 4, 120, 50_000, 500, 10
ROLES = ("income_statement", "balance_sheet", "cash_flow_statement", "segments", "governing_law")
MEASURES = ("operating margin", "quick ratio", "free cash flow", "governing law", "segment revenue")


def vocabulary(rng: np.random.Generator) -> list[str]:
    """Pronounceable words, the same every time."""
    syllables = [a + b for a in "bcdfghklmnprstvwz" for b in "aeiou"]
    return ["".join(rng.choice(syllables, size=rng.integers(2, 5))) for _ in range(VOCABULARY)]


def organisation(words: list[str], n: int) -> str:
    return f"{words[1000 + n].title()} {words[3000 + n].title()} Inc"


def build(folder: Path, chunks: int, words: list[str], embedder: Any) -> None:
    """The index, a document at a time."""
    rng = np.random.default_rng(1)
    likely = 1 / np.arange(1, VOCABULARY + 1)
    likely /= likely.sum()
    centres = rng.standard_normal((CENTRES, embedder.dimensions)).astype(np.float32)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    index = EdgeIndex(part, Schema.of(embedder), create=True)
    for d in range(chunks // PER_DOCUMENT):
        digest, name = f"{d:064x}", organisation(words, d // 4)
        picked = rng.choice(VOCABULARY, size=(PER_DOCUMENT, WORDS), p=likely)
        texts = [" ".join(words[i] for i in row) for row in picked]
        counts = [term_counts(t) for t in texts]
        pages = []
        for start in range(0, PER_DOCUMENT, PER_PAGE):
            together = sum(counts[start + 1 : start + PER_PAGE], counts[start].copy())
            pages += [sparse_page(together)] * PER_PAGE
        vectors = centres[rng.integers(CENTRES, size=PER_DOCUMENT)] + 0.7 * rng.standard_normal(
            (PER_DOCUMENT, embedder.dimensions)
        )
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        none = np.zeros((0, embedder.dimensions), dtype=np.float32)
        tables = rng.random(PER_DOCUMENT) < 0.1
        rows = [vectors[rng.integers(PER_DOCUMENT, size=ROWS)] if t else none for t in tables]
        roles = [(ROLES[int(rng.integers(len(ROLES)))],) if rng.random() < 0.02 else () for _ in texts]
        made = [
            Chunk(
                id=chunk_id(digest, str(i)),
                document=digest,
                ordinal=i,
                text=text,
                kind=Kind.TEXT,
                layer=Layer.BODY,
                regions=(
                    PageBox(i // PER_PAGE, Box(72, 72 + 150.0 * (i % PER_PAGE), 500, 200 + 150.0 * (i % PER_PAGE))),
                ),
                span=(i, i + 1),
                tokens=WORDS,
                parser="synthetic",
            )
            for i, text in enumerate(texts)
        ]
        sparse, pairs = [sparse_document(t) for t in texts], [sparse_pairs(t) for t in texts]
        index.stage(made, vectors, sparse, pages, rows, pairs=pairs, roles=roles)
        card = DocumentCard(digest, f"{d}.pdf", kind="annual_report", names=(name,), year=2019 + d % 4)
        index.stage_card(card, sparse_whole(term_counts(" ".join(texts[:20])), card))
        index.publish(digest)
        print(f"\r{(d + 1) * PER_DOCUMENT:,} of {chunks:,} chunks", end="", file=sys.stderr)
    print(file=sys.stderr)
    index.optimize()
    index.close()
    part.rename(folder)


def questions(words: list[str], documents: int, n: int) -> list[str]:
    rng = np.random.default_rng(2)
    made = []
    for i in range(n):
        said = " ".join(words[int(w)] for w in rng.integers(20, 5000, size=rng.integers(3, 9)))
        measure = f"{MEASURES[i % len(MEASURES)]} of " if i % 4 == 0 else ""
        named = f" for {organisation(words, int(rng.integers(documents // 4)))} in FY{2019 + i % 4}" if i % 2 else ""
        made.append(f"What is the {measure}{said}{named}?")
    return made


def bare(folder: Path, embedder: Any, limit: int) -> Callable[[str], Any]:
    from qdrant_edge import EdgeShard, Fusion, Prefetch, Query, QueryRequest, SparseVector

    shard = EdgeShard.load(str(folder))

    def ask(question: str) -> Any:
        terms = sparse_query(question)
        legs = [
            Prefetch(limit=DEPTH, query=Query.Nearest(embedder.embed_query(question).tolist(), using=DENSE)),
            Prefetch(
                limit=DEPTH,
                query=Query.Nearest(SparseVector(list(terms.indices), list(terms.values)), using=LEXICAL),
            ),
        ]
        return shard.query(QueryRequest(limit=limit, prefetches=legs, query=Fusion.Rrf(k=60), with_payload=True))

    return ask


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--work", type=Path, required=True)
    ap.add_argument("--chunks", type=int, default=200_000)
    ap.add_argument("--n", type=int, default=500)
    ap.add_argument("--limit", type=int, default=5)
    a = ap.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    embedder = load_embedder("minilm")
    words = vocabulary(np.random.default_rng(0))
    folder, copy = a.work / "edge", a.work / "copy"
    if not folder.exists():
        build(folder, a.chunks, words, embedder)
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    index = EdgeIndex(folder, Schema.of(embedder))
    search = Search(index, embedder)
    ways: dict[str, Callable[[str], Any]] = {
        "ours": lambda q: search.search(q, limit=a.limit),
        "bare": bare(copy, embedder, a.limit),
    }
    asked = questions(words, a.chunks // PER_DOCUMENT, a.n)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for warm in (True, False):
        for q in asked[:50] if warm else asked:
            for name, way in ways.items():
                start = time.perf_counter()
                way(q)
                if not warm:
                    times[name].append(1000 * (time.perf_counter() - start))
    index.close()
    shutil.rmtree(copy)
    at = {n: (float(np.percentile(t, 50)), float(np.percentile(t, 99))) for n, t in times.items()}
    said = {f"{n}_{p}_ms": round(v[k], 2) for n, v in at.items() for k, p in enumerate(("p50", "p99"))}
    ratio, tail = at["ours"][0] / at["bare"][0], at["ours"][1] / at["ours"][0]
    print(
        json.dumps(
            {"chunks": a.chunks, "n": a.n, **said, "p50_ratio": round(ratio, 3), "ours_p99_over_p50": round(tail, 2)}
        )
    )


if __name__ == "__main__":
    main()
