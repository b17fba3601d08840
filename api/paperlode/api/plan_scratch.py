"""What pages cost after they were read: assembled, chunked, embedded and indexed in a folder that is thrown away."""

from __future__ import annotations

import hashlib
import statistics
import time
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from paperlode.ingest.assembly import assemble
from paperlode.ingest.chunking import chunk
from paperlode.ingest.document import Source, to_json
from paperlode.ingest.ledger import Arrival, Ledger, Recipe
from paperlode.ingest.pipeline import WAITING
from paperlode.ingest.plan_estimate import size_of
from paperlode.ingest.plan_values import MeasuredPage, MeasuredRun
from paperlode.ingest.sources import Stamp
from paperlode.retrieval.points import SPARSE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.document import Chunk
    from paperlode.ingest.plan_pages import PageCost
    from paperlode.ingest.plan_sample import Run
    from paperlode.retrieval.embedding import Embedder

__all__ = ["Scratch", "Storage"]

_EMPTY = 5


@dataclass(frozen=True, slots=True)
class Storage:
    """Bytes on the disk.

    Attributes:
        fixed, ledger: of an empty index and ledger.
        other: of a chunk, beside its vectors of meaning; words: of those, what searches by words go through.
        log: of a chunk, in the engine's log.
        page_factor: in the ledger, for each compressed byte of a page.
    """

    fixed: float
    ledger: float
    other: float
    log: float
    words: float
    page_factor: float


class _Timed:
    """The embedder, with the processor's time that it takes."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name, self.dimensions, self.max_tokens = embedder.name, embedder.dimensions, embedder.max_tokens
        self.cpu = 0.0

    def count(self, text: str) -> int:
        return self._embedder.count(text)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        began = time.process_time()
        out = self._embedder.embed(texts)
        self.cpu += time.process_time() - began
        return out

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._embedder.embed_query(text)

    def reads(self, text: str) -> float:
        return self._embedder.reads(text)


class Scratch:
    """A ledger and an index in an empty folder, into which runs of pages go as documents.

    Attributes:
        documents, chunks, rows: that went in.
    """

    def __init__(self, folder: Path, embedder: Embedder, parser: str) -> None:
        from paperlode.api.sink import IndexSink
        from paperlode.retrieval.edge import EdgeIndex
        from paperlode.retrieval.index import Schema

        self._shard, self._books = folder / "edge", folder / "ledger.sqlite"
        self._embedder = _Timed(embedder)
        self._index = EdgeIndex(self._shard, Schema.of(embedder), create=True)
        self._ledger = Ledger.open(self._books)
        self._recipe = Recipe(parser, "plan", embedder.name)
        self._sink = IndexSink(self._index, self._embedder, name_of=lambda _digest: "plan.pdf")
        self.documents = self.chunks = self.rows = 0
        self._kept, self._digest = 0.0, ""
        self._before = self._sizes()

    def warm(self, run: Run, costs: Sequence[PageCost]) -> float:
        """Takes the pages in once, so that what is loaded and made only once counts for no page; its CPU seconds."""
        began = time.process_time()
        self.take(replace(run, file=replace(run.file, path=run.file.path / "warm")), costs)
        self._sink.remove(self._digest)
        return time.process_time() - began

    def take(self, run: Run, costs: Sequence[PageCost]) -> MeasuredRun:
        """Takes the pages in as one document, and says what they cost."""
        parsed = [c.parsed for c in costs]
        name = f"{run.file.path}:{run.looks[0].page}"
        self._digest = hashlib.sha256(name.encode(errors="replace")).hexdigest()
        source = Source(name, run.file.path.name, "", self._digest, 0)
        began = time.process_time()
        chunks = list(chunk(assemble(parsed), source=source, parser=self._recipe.parser, counter=self._embedder))
        structure = time.process_time() - began
        began, embed = time.process_time(), self._embedder.cpu
        self._sink.begin(source.digest)
        self._ledger.begin(source, len(parsed), self._recipe)
        self._ledger.save_pages(source.digest, self._recipe.parser, parsed)
        self._sink.add(chunks)
        self._publish(source, pages=len(parsed), chunks=len(chunks))
        embed = self._embedder.cpu - embed
        index = time.process_time() - began - embed
        self.documents += 1
        self.chunks += len(chunks)
        self.rows += sum(len(c.entries) for c in chunks)
        return MeasuredRun(run, self._shared(run, costs, chunks, (structure, embed, index)))

    def _shared(
        self, run: Run, costs: Sequence[PageCost], chunks: Sequence[Chunk], spent: tuple[float, float, float]
    ) -> tuple[MeasuredPage, ...]:
        """What the run cost, divided among its pages by the tokens of the chunks that begin on them."""
        tokens = {c.parsed.page: 1.0 for c in costs}
        number = dict.fromkeys(tokens, 0)
        rows = dict.fromkeys(tokens, 0)
        embedded = dict.fromkeys(tokens, 0.0)
        for c in chunks:
            page = c.regions[0].page if c.regions else costs[0].parsed.page
            here = c.tokens + sum(self._embedder.count(e.text) for e in c.entries)
            tokens[page] += here
            embedded[page] += here
            number[page] += 1
            rows[page] += len(c.entries)
        every = sum(tokens.values())
        pages = []
        for look, cost in zip(run.looks, costs, strict=True):
            share = tokens[look.page] / every
            kept = float(len(zlib.compress(to_json(cost.parsed).encode(), 3)))
            self._kept += kept
            values = (
                cost.cpu,
                cost.alone,
                *(share * s for s in spent),
                number[look.page],
                rows[look.page],
                embedded[look.page],
                kept,
            )
            pages.append(
                MeasuredPage(look.kind, size_of(look.kind, look.chars), values, failed=cost.parsed.failure is not None)
            )
        return tuple(pages)

    def empty_document(self) -> tuple[float, float]:
        """CPU seconds, and seconds of waiting for the disk, that a document costs beside its pages."""
        times = []
        for i in range(_EMPTY):
            source = Source(f"empty {i}", "empty", "", hashlib.sha256(b"empty %d" % i).hexdigest(), 0)
            cpu, wall = time.process_time(), time.perf_counter()
            self._sink.begin(source.digest)
            self._ledger.begin(source, 0, self._recipe)
            self._publish(source, pages=0, chunks=0)
            cpu = time.process_time() - cpu
            times.append((cpu, max(0.0, time.perf_counter() - wall - cpu)))
        cpu, wall = time.process_time(), time.perf_counter()
        self._sink.flush()
        cpu = time.process_time() - cpu
        waited = max(0.0, time.perf_counter() - wall - cpu)
        usual = [statistics.median(t[i] for t in times) for i in range(2)]
        return usual[0] + cpu / WAITING, usual[1] + waited / WAITING  # that many documents wait for one flush

    def _publish(self, source: Source, *, pages: int, chunks: int) -> None:
        """As a run does it."""
        arrival = Arrival(source, self._recipe, Stamp(0, 0, 0), pages=pages, chunks=chunks)
        self._ledger.arriving(arrival)
        self._sink.commit(source.document, arrival.version)
        self._ledger.finish(arrival)

    def storage(self) -> Storage:
        """What came to lie on the disk; the index is rearranged first, as at the end of a run."""
        log = self._sizes()["log"]
        self._index.optimize()
        self._index.flush()
        after = self._sizes()
        grown = {k: max(0.0, after[k] - self._before[k]) for k in after}
        vectors = 4.0 * self._embedder.dimensions * (self.chunks + self.rows)
        chunks = max(1, self.chunks)
        return Storage(
            fixed=self._before["words"] + self._before["rest"] + self._before["meaning"] + self._before["log"],
            ledger=self._before["ledger"],
            other=max(0.0, grown["words"] + grown["rest"] + grown["meaning"] - vectors) / chunks,
            log=max(0.0, log - self._before["log"]) / chunks,
            words=grown["words"] / chunks,
            page_factor=max(1.0, grown["ledger"] / self._kept) if self._kept else 1.0,
        )

    def _sizes(self) -> dict[str, float]:
        """Bytes on the disk: ``meaning`` and ``words`` (vectors), ``log``, ``rest`` of the index, and the ``ledger``."""
        out: dict[str, float] = dict.fromkeys(("meaning", "words", "log", "rest", "ledger"), 0.0)
        for file in self._shard.rglob("*"):
            if not file.is_file():
                continue
            parts = file.relative_to(self._shard).parts
            vector = next((p.rpartition("-")[2] for p in parts if p.startswith(("vector_storage", "vector_index"))), "")
            name = "log" if parts[0] == "wal" else "rest" if not vector else "words" if vector in SPARSE else "meaning"
            out[name] += file.stat().st_blocks * 512
        self._ledger.close()  # what is in its log goes into the file
        out["ledger"] = float(self._books.stat().st_size)
        return out

    def close(self) -> None:
        """Lets go of the files."""
        self._index.close()
        self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
