"""A million chunks in an embedded index: written beside a bare engine loop, opened by a fresh process, searched.

    python benchmarks/million.py --work DIR [--chunks 1000000] [--per-document 200] [--n 300] [--keep]

Documents of made-up chunks are generated on the way, by a seed: Zipf-distributed words, vectors around 500 centres, a tenth of
the chunks tables with ten row vectors, roles, a card a document. Making them is not timed. Each document is then written twice,
turn by turn: by ``EdgeIndex`` (staged 128 chunks at a time, its card, published: as ``Writer`` does), and by a bare loop over
the engine (the same named vectors, a payload of as many bytes, 128 points an upsert, no index of payload; into a new shard after
every 100,000 chunks, for the sake of memory). Both are flushed every 16 documents, as runs do. Putting segments in order, which
``EdgeIndex`` does on the way and at the end, and opening the index anew for it, is timed by itself. Then new processes with warm
file caches open the index, and one asks ``Search.search`` questions whose vectors are ready. The last line is JSON:
``ingest_ratio`` (chunks a second, ours over bare; ``cpu_ratio`` by CPU seconds), ``flush_s`` (part of it), ``tidy_s`` (of it
``optimize_s`` at the end), ``anonymous_mb`` (the most, of this process, which generates too), ``open_s`` (median of three
processes, after the imports), ``search_p50_ms``, ``bytes`` on the disk.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
from latency_scale import VOCABULARY, organisation, questions, vocabulary

from paperlode.ingest.document import Box, Chunk, DocumentCard, Kind, Layer, PageBox, chunk_id
from paperlode.retrieval.cards import sparse_whole
from paperlode.retrieval.edge import EdgeIndex
from paperlode.retrieval.edge_engine import config, give_memory_back
from paperlode.retrieval.fields import pair_term
from paperlode.retrieval.index import Schema
from paperlode.retrieval.lexical import CHUNK_TERMS, PAGE_TERMS, SparseVector, term_counts
from paperlode.retrieval.points import DENSE, LEXICAL, PAGE, PAIRS, ROWS, payload_of
from paperlode.retrieval.search import Search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

WORDS, CENTRES, ROW_VECTORS, PER_PAGE, BATCH, DIMENSIONS = 120, 500, 10, 4, 128, 384
FLUSHED, ANEW = 16, 500
"""Documents after which both are flushed, and after which the bare loop begins a new shard."""
ROLES = ("income_statement", "balance_sheet", "cash_flow_statement", "segments", "governing_law")


class Ready:
    """An embedder whose vectors are ready: a question's is made of its words' hash."""

    name, dimensions, max_tokens = "minilm", DIMENSIONS, 256

    def __init__(self) -> None:
        self._vectors: dict[str, NDArray[np.float32]] = {}

    def prepare(self, texts: list[str]) -> None:
        """Vectors around the centres of the index."""
        centres = np.random.default_rng(1).standard_normal((CENTRES, DIMENSIONS)).astype(np.float32)
        for text in texts:
            rng = np.random.default_rng(crc32(text.encode()))
            self._vectors[text] = _unit(centres[rng.integers(CENTRES)] + 0.7 * rng.standard_normal(DIMENSIONS))

    def count(self, text: str) -> int:
        """Words."""
        return len(text.split())

    def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """As ``Embedder``."""
        return np.stack([self.embed_query(t) for t in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """What was prepared."""
        if text not in self._vectors:
            self.prepare([text])
        return self._vectors[text]

    def reads(self, _text: str) -> float:
        """All of it."""
        return 1.0


@dataclass(slots=True)
class Made:
    """A document, as the index takes it."""

    chunks: list[Chunk]
    dense: NDArray[np.float32]
    sparse: list[SparseVector]
    pages: list[SparseVector]
    pairs: list[SparseVector]
    rows: list[NDArray[np.float32]]
    roles: list[tuple[str, ...]]
    card: DocumentCard
    whole: SparseVector


def _unit(vectors: Any) -> NDArray[np.float32]:
    out: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
    return out


def _weighed(terms: NDArray[np.int64], usual: int) -> SparseVector:
    """BM25 weights as ``lexical`` makes them, of words that are terms already."""
    found, often = np.unique(terms, return_counts=True)
    weights = often * 2.2 / (often + 1.2 * (0.25 + 0.75 * len(terms) / usual))
    return SparseVector(tuple(found.tolist()), tuple(weights.tolist()))


def documents(chunks: int, each: int) -> Iterator[Made]:
    """The same documents every time."""
    rng = np.random.default_rng(7)
    centres = np.random.default_rng(1).standard_normal((CENTRES, DIMENSIONS)).astype(np.float32)
    words = vocabulary(np.random.default_rng(0))
    terms = np.array([next(iter(term_counts(w)), crc32(w.encode())) for w in words], np.int64)
    likely = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    likely /= likely[-1]
    none = np.zeros((0, DIMENSIONS), np.float32)
    for d in range(-(-chunks // each)):
        n = min(each, chunks - d * each)
        digest, name = f"{d:064x}", organisation(words, d // 4 % 1000)
        picked = np.searchsorted(likely, rng.random((n, WORDS)))
        texts = [" ".join([words[i] for i in row]) for row in picked]
        found = [sorted({pair_term(words[a], words[b]) for a, b in pairwise(row)}) for row in picked.tolist()]
        noise = rng.standard_normal((n, DIMENSIONS), dtype=np.float32)
        dense = _unit(centres[rng.integers(CENTRES, size=n)] + 0.7 * noise)
        tables = rng.random(n) < 0.1
        pages = [_weighed(terms[picked[s : s + PER_PAGE]].ravel(), PAGE_TERMS) for s in range(0, n, PER_PAGE)]
        card = DocumentCard(digest, f"{d}.pdf", kind="annual_report", names=(name,), year=2019 + d % 4)
        yield Made(
            chunks=[_chunk(digest, i, text) for i, text in enumerate(texts)],
            dense=dense,
            sparse=[_weighed(terms[row], CHUNK_TERMS) for row in picked],
            pages=[pages[i // PER_PAGE] for i in range(n)],
            pairs=[SparseVector(tuple(f), (1.0,) * len(f)) for f in found],
            rows=[dense[rng.integers(n, size=ROW_VECTORS)] if t else none for t in tables],
            roles=[(ROLES[int(rng.integers(len(ROLES)))],) if rng.random() < 0.02 else () for _ in texts],
            card=card,
            whole=sparse_whole(term_counts(" ".join(texts[:20])), card),
        )


def _chunk(digest: str, i: int, text: str) -> Chunk:
    top = 72 + 150.0 * (i % PER_PAGE)
    return Chunk(
        id=chunk_id(digest, str(i)),
        document=digest,
        ordinal=i,
        text=text,
        kind=Kind.TEXT,
        layer=Layer.BODY,
        regions=(PageBox(i // PER_PAGE, Box(72, top, 500, top + 128)),),
        span=(i, i + 1),
        tokens=WORDS,
        parser="synthetic",
    )


def write_ours(index: EdgeIndex, m: Made) -> None:
    for s in range(0, len(m.chunks), BATCH):
        part = slice(s, s + BATCH)
        index.stage(
            m.chunks[part],
            m.dense[part],
            m.sparse[part],
            m.pages[part],
            m.rows[part],
            pairs=m.pairs[part],
            roles=m.roles[part],
        )
    index.stage_card(m.card, m.whole)
    index.publish(m.card.document)


def write_bare(shard: Any, m: Made, payloads: list[dict[str, Any]]) -> None:
    from qdrant_edge import Point, UpdateOperation
    from qdrant_edge import SparseVector as EdgeSparse

    def sparse(v: SparseVector) -> Any:
        return EdgeSparse(list(v.indices), list(v.values))

    for s in range(0, len(m.chunks), BATCH):
        points = []
        for i in range(s, min(s + BATCH, len(m.chunks))):
            vectors: dict[str, Any] = {
                DENSE: m.dense[i].tolist(),
                LEXICAL: sparse(m.sparse[i]),
                PAGE: sparse(m.pages[i]),
            }
            vectors[PAIRS] = sparse(m.pairs[i])
            if len(m.rows[i]):
                vectors[ROWS] = m.rows[i].tolist()
            points.append(Point(m.chunks[i].id, vectors, payloads[i]))
        shard.update(UpdateOperation.upsert_points(points))


def same_size(chunk: Chunk, roles: tuple[str, ...]) -> dict[str, Any]:
    """Two fields, as many bytes of JSON as ours have."""
    ours = len(json.dumps(payload_of(chunk, roles)))
    payload = {"document": chunk.document, "text": ""}
    return {**payload, "text": (chunk.text * 4)[: max(0, ours - len(json.dumps(payload)))]}


class Timed:
    """Wall and CPU seconds, summed up by name."""

    def __init__(self) -> None:
        self.wall: Counter[str] = Counter()
        self.cpu: Counter[str] = Counter()

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """What is done in here."""
        began, spent = time.perf_counter(), time.process_time()
        yield
        self.wall[name] += time.perf_counter() - began  # type: ignore[assignment]
        self.cpu[name] += time.process_time() - spent  # type: ignore[assignment]

    def each(self, name: str, call: Callable[..., None]) -> Callable[..., None]:
        """The same call, timed."""

        def made(*args: Any) -> None:
            with self.of(name):
                call(*args)

        return made


class Bare:
    """The engine alone."""

    def __init__(self, work: Path) -> None:
        self._folder = work / "bare"
        self.begin()

    def begin(self) -> None:
        """A new shard."""
        from qdrant_edge import EdgeShard

        self._folder.mkdir(parents=True)
        self.shard = EdgeShard.create(str(self._folder), config(DIMENSIONS))

    def end(self) -> None:
        """Nothing is left of it."""
        self.shard.close()
        shutil.rmtree(self._folder)
        give_memory_back()


def anonymous_mb() -> int:
    """Of this process."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("Anonymous:"))


def build(work: Path, chunks: int, each: int) -> dict[str, Any]:
    index, bare, timed = EdgeIndex(work / "edge", Schema.of(Ready()), create=True), Bare(work), Timed()
    for name in ("_tidy", "_reopen"):  # neither is called by the other
        setattr(index, name, timed.each("tidy", getattr(index, name)))
    written, most, parts = 0, 0, []

    def ratio(by: Counter[str], tidied: float) -> float:
        return round(by["bare"] / (by["ours"] - tidied), 3)

    tidied = (0.0, 0.0)
    for n, made in enumerate(documents(chunks, each)):
        payloads = [same_size(c, r) for c, r in zip(made.chunks, made.roles, strict=True)]
        most = max(most, anonymous_mb()) if n % FLUSHED == FLUSHED - 1 else most
        for name in ("ours", "bare") if n % 2 else ("bare", "ours"):
            with timed.of(name):
                if name == "ours":
                    write_ours(index, made)
                else:
                    write_bare(bare.shard, made, payloads)
                if n % FLUSHED == FLUSHED - 1:
                    with timed.of(f"{name} flush"):
                        (index if name == "ours" else bare.shard).flush()
        if n % ANEW == ANEW - 1:
            bare.end()
            bare.begin()
        tidied = (timed.wall["tidy"], timed.cpu["tidy"])  # which is in ours
        written += len(made.chunks)
        if written * 10 // chunks > len(parts):
            parts.append(ratio(timed.wall, tidied[0]))
            seconds = {k: (round(v, 1), round(timed.cpu[k], 1)) for k, v in timed.wall.items()}
            print(
                f"{written:,} chunks: {seconds} (wall, CPU s), {parts[-1]} by wall, "
                f"{ratio(timed.cpu, tidied[1])} by CPU, {anonymous_mb()} MB",
                file=sys.stderr,
                flush=True,
            )
    bare.end()
    before = timed.wall["tidy"]
    index.optimize()
    index.close()
    files = [f for f in (work / "edge").rglob("*") if f.is_file()]
    return {
        "chunks": written,
        "ours_chunks_per_s": round(written / (timed.wall["ours"] - tidied[0])),
        "bare_chunks_per_s": round(written / timed.wall["bare"]),
        "ingest_ratio": ratio(timed.wall, tidied[0]),
        "cpu_ratio": ratio(timed.cpu, tidied[1]),
        "ratio_by_tenths": parts,
        "flush_s": {
            "ours": round(timed.wall["ours flush"] - tidied[0], 1),
            "bare": round(timed.wall["bare flush"], 1),
        },
        "tidy_s": round(timed.wall["tidy"], 1),
        "optimize_s": round(timed.wall["tidy"] - before, 1),
        "anonymous_mb": most,
        "bytes": sum(f.stat().st_blocks * 512 for f in files),
    }


def opened(work: Path) -> tuple[EdgeIndex, float]:
    """The index, and the seconds that opening it took."""
    import qdrant_edge  # noqa: F401  the import is not timed

    schema = Schema.of(Ready())
    began = time.perf_counter()
    index = EdgeIndex(work / "edge", schema)
    return index, time.perf_counter() - began


def read(work: Path, chunks: int, each: int, n: int) -> dict[str, Any]:
    """In a fresh process: opening, then questions."""
    index, open_s = opened(work)
    asked = questions(vocabulary(np.random.default_rng(0)), -(-chunks // each), n)
    embedder = Ready()
    embedder.prepare(asked)
    search = Search(index, embedder)
    for q in asked[:30]:
        search.search(q, limit=5)
    times, spent = [], []
    for q in asked:
        began, cpu = time.perf_counter(), time.process_time()
        search.search(q, limit=5)
        times.append(1000 * (time.perf_counter() - began))
        spent.append(1000 * (time.process_time() - cpu))
    index.close()
    return {
        "open_s": open_s,
        "search_p50_ms": round(statistics.median(times), 2),
        "search_p99_ms": round(float(np.percentile(times, 99)), 2),
        "search_cpu_p50_ms": round(statistics.median(spent), 2),
    }


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--work", type=Path, required=True)
    ap.add_argument("--chunks", type=int, default=1_000_000)
    ap.add_argument("--per-document", type=int, default=200)
    ap.add_argument("--n", type=int, default=300, help="questions")
    ap.add_argument("--keep", action="store_true", help="keep the index, and read it again in a later call")
    ap.add_argument("--only-read", choices=("open", "search"), help=argparse.SUPPRESS)
    a = ap.parse_args()
    if a.only_read == "open":
        print(json.dumps({"open_s": opened(a.work)[1]}))
        return
    if a.only_read == "search":
        print(json.dumps(read(a.work, a.chunks, a.per_document, a.n)))
        return
    a.work.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {"chunks": a.chunks}
    if not (a.work / "edge" / "edge_config.json").exists():
        result = build(a.work, a.chunks, a.per_document)
        print(json.dumps(result), flush=True)
    same = ["--work", str(a.work), "--chunks", str(a.chunks), "--per-document", str(a.per_document), "--n", str(a.n)]

    def fresh(part: str) -> dict[str, Any]:
        command = [sys.executable, str(Path(__file__)), *same, "--only-read", part]
        found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        return found

    fresh("search")  # warms the file caches
    opens = [fresh("open")["open_s"] for _ in range(3)]
    result |= fresh("search")
    result["open_s"] = round(statistics.median(opens), 2)
    if not a.keep:
        shutil.rmtree(a.work / "edge")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
