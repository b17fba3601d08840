"""New documents of the embedded index: one write each; what does not fit in memory is hidden until all of it is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from paperlode.ingest.errors import ArchiveCorrupt, StorageFull
from paperlode.retrieval import edge, edge_engine, edge_waiting
from paperlode.retrieval.edge import EdgeIndex
from paperlode.retrieval.index import Filter, HybridQuery, Schema
from paperlode.retrieval.lexical import sparse_document, sparse_query

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from paperlode.ingest.document import Chunk

    ChunkOf = Callable[..., Chunk]


class Watched:
    """A shard that notes its updates; ``fails`` says which of them raises, after it was applied."""

    def __init__(self, shard: Any, fails: int | None = None) -> None:
        self.shard, self.fails, self.updates = shard, fails, 0

    def update(self, operation: Any) -> None:
        """As the shard's."""
        self.updates += 1
        self.shard.update(operation)
        if self.updates == self.fails:
            raise Exception("a segment could not be written")  # noqa: TRY002  the engine's own type

    def __getattr__(self, name: str) -> Any:
        return getattr(self.shard, name)


def stage(index: EdgeIndex, chunks: Sequence[Chunk], batch: int = 4) -> None:
    """A few at a time, as a writer does."""
    for start in range(0, len(chunks), batch):
        part = chunks[start : start + batch]
        vectors = np.ones((len(part), index._dimensions), dtype=np.float32)
        index.stage(part, vectors, [sparse_document(c.embedded_text) for c in part])


def seen(index: EdgeIndex) -> int:
    """Chunks that a search finds."""
    return len(index.search(HybridQuery(None, sparse_query("zebra"), 100, Filter())))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hardly anything may wait."""
    monkeypatch.setattr(edge_waiting, "MOST_VECTORS", 6)


def test_a_new_document_is_one_write(index: EdgeIndex, chunk_of: ChunkOf) -> None:
    """Nothing is in the shard before it is published, and one operation puts all of it there."""
    index._shard = shard = Watched(index._shard)
    stage(index, [chunk_of(f"zebra {i}", ordinal=i) for i in range(20)])
    assert (shard.updates, seen(index)) == (0, 0)
    index.publish("d1")
    assert (shard.updates, seen(index), index.count("d1")) == (1, 20, 20)


@pytest.mark.usefixtures("few")
def test_more_than_may_wait_is_hidden_until_it_is_published(index: EdgeIndex, chunk_of: ChunkOf) -> None:
    """Of this document and of another that waits beside it; then each appears whole."""
    one = [chunk_of(f"zebra {i}", document="d1", ordinal=i) for i in range(10)]
    two = [chunk_of(f"zebra {i}", document="d2", ordinal=i) for i in range(3)]
    index._shard = shard = Watched(index._shard)
    stage(index, two)
    stage(index, one)
    assert shard.updates > 0
    assert (seen(index), index.documents(), index.count()) == (0, set(), 0)
    index.publish("d1")
    assert (seen(index), index.documents()) == (10, {"d1"})
    index.publish("d2")
    assert list(index.chunks("d1")) == one
    assert list(index.chunks("d2")) == two


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("n", [3, 10])
def test_what_waits_can_be_given_up(index: EdgeIndex, chunk_of: ChunkOf, n: int) -> None:
    """Whether it lies in memory or in the shard; the version that is published stays."""
    stage(index, [chunk_of("zebra", version="old")])
    index.publish("d1")
    stage(index, [chunk_of(f"zebra {i}", ordinal=i, version="new") for i in range(n)])
    index.discard("d1", staged_only=True)
    index.publish("d2")
    assert (seen(index), index.count("d1")) == (1, 1)
    stage(index, [chunk_of(f"zebra {i}", ordinal=i, version="new") for i in range(n)])
    index.publish("d1")
    assert {c.parser for c in index.chunks("d1")} == {chunk_of("zebra", version="new").parser}
    assert index.count("d1") == n


def test_a_publication_that_fails_in_the_engine_shows_nothing(index: EdgeIndex, chunk_of: ChunkOf) -> None:
    """Though its points may be in the shard; tried again, all is there, and given up, nothing."""
    chunks = [chunk_of(f"zebra {i}", ordinal=i) for i in range(5)]
    index._shard = Watched(index._shard, fails=1)
    stage(index, chunks)
    with pytest.raises(ArchiveCorrupt, match="a segment could not be written"):
        index.publish("d1")
    assert (seen(index), index.documents(), index.get([chunks[0].id])) == (0, set(), [])
    index.publish("d1")
    assert (seen(index), list(index.chunks("d1"))) == (5, chunks)
    index._shard = Watched(index._shard, fails=1)
    stage(index, [chunk_of(f"zebra {i}", document="d2", ordinal=i) for i in range(5)])
    with pytest.raises(ArchiveCorrupt, match="a segment could not be written"):
        index.publish("d2")
    index.discard("d2", staged_only=True)
    assert (seen(index), index.count()) == (5, 5)


def test_a_failed_publication_staged_anew_beyond_what_may_wait_is_shown(
    index: EdgeIndex, chunk_of: ChunkOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its points lie in the shard already, unmarked; published again, all are seen, and given up instead, none."""
    for document, give_up in (("d1", False), ("d2", True)):
        chunks = [chunk_of(f"zebra {i}", document=document, ordinal=i) for i in range(10)]
        shard, index._shard = index._shard, Watched(index._shard, fails=1)
        stage(index, chunks)
        with pytest.raises(ArchiveCorrupt, match="a segment could not be written"):
            index.publish(document)
        index._shard = shard
        with monkeypatch.context() as few:
            few.setattr(edge_waiting, "MOST_VECTORS", 6)
            stage(index, chunks)
        if give_up:
            index.discard(document, staged_only=True)
        else:
            index.publish(document)
        assert (seen(index), index.documents(), index.count()) == (10, {"d1"}, 10)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import make_chunk
from paperlode.retrieval import edge, edge_engine, edge_waiting
edge_waiting.MOST_VECTORS = {most}
from paperlode.retrieval.edge import EdgeIndex
from paperlode.retrieval.index import Schema
from test_edge_waiting import Watched, stage
index = EdgeIndex(Path({path!r}), Schema("minilm", 384))
def document(name, n):
    stage(index, [make_chunk(f"zebra {{i}}", document=name, ordinal=i) for i in range(n)], 30)
document("whole", 300)
index.publish("whole")
document("half", 300)
if {publish}:
    index.publish("half")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("publish", [False, True])
@pytest.mark.parametrize("most", [40, 1000])
def test_a_kill_leaves_whole_documents(folder: Path, most: int, publish: bool) -> None:
    """Whether they waited in memory or in the shard."""
    code = KILLED.format(path=str(folder), most=most, publish=publish, tests=os.path.dirname(__file__))  # noqa: PTH120
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    opened = EdgeIndex(folder, Schema("minilm", 384))
    assert {d: opened.count(d) for d in ("whole", "half")} == {"whole": 300, "half": 300 if publish else 0}
    assert opened.documents() == ({"whole", "half"} if publish else {"whole"})
    opened.close()


def test_a_long_run_puts_its_segments_in_order_on_the_way(
    index: EdgeIndex, chunk_of: ChunkOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many points, when they are made durable; not before, nor twice; everything is found as before."""
    monkeypatch.setattr(edge, "TIDY_EVERY", 12)
    tidied: list[int] = []
    own = index._tidy

    def tidy() -> None:
        tidied.append(index.count())
        own()

    monkeypatch.setattr(index, "_tidy", tidy)
    for d in range(6):
        stage(index, [chunk_of(f"zebra {i}", document=f"d{d}", ordinal=i) for i in range(5)])
        index.publish(f"d{d}")
        index.flush()
    assert tidied == [15, 30]
    assert (seen(index), len(index.documents())) == (30, 6)


def test_a_large_index_puts_its_segments_in_order_less_often(
    index: EdgeIndex, chunk_of: ChunkOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an eighth of what it has, but no more than ``MOST_UNTIDY`` points."""
    monkeypatch.setattr(edge, "TIDY_EVERY", 5)
    monkeypatch.setattr(edge, "MOST_UNTIDY", 10)
    tidied: list[int] = []

    def tidy() -> None:
        tidied.append(index._size)
        index._untidy = 0

    monkeypatch.setattr(index, "_tidy", tidy)
    for d in range(40):
        stage(index, [chunk_of(f"zebra {i}", document=f"d{d}", ordinal=i) for i in range(5)])
        index.publish(f"d{d}")
        index.flush()
    assert tidied[:9] == [*range(5, 46, 5)]
    assert tidied[9:] == [*range(55, 201, 10)]


def test_no_room_to_put_segments_in_order_is_a_full_disk(
    index: EdgeIndex, chunk_of: ChunkOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine asks for room beforehand, in words of its own; what is published stays, and the next time it is tried again."""

    class Tight(Watched):
        def optimize(self) -> None:
            raise Exception("Not enough space available for optimization, needed: 20, available: 10")  # noqa: TRY002

    monkeypatch.setattr(edge, "TIDY_EVERY", 3)
    own, index._shard = index._shard, Tight(index._shard)
    stage(index, [chunk_of(f"zebra {i}", ordinal=i) for i in range(5)])
    index.publish("d1")
    with pytest.raises(StorageFull, match="no room to write the index"):
        index.flush()
    assert seen(index) == 5
    index._shard = own
    index.flush()
    assert (seen(index), index._untidy) == (5, 0)


@pytest.mark.parametrize(("segment_kb", "merged"), [(1 << 20, True), (8, False)])
def test_few_segments_are_merged_at_the_end_alone(
    folder: Path, chunk_of: ChunkOf, monkeypatch: pytest.MonkeyPatch, segment_kb: int, merged: bool
) -> None:
    """On the way each stays; at the end the smallest are merged, full ones not; what is staged meanwhile can be published."""
    monkeypatch.setattr(edge_engine, "EXACT_KB", 8)
    monkeypatch.setattr(edge_engine, "SEGMENTS", 1)
    monkeypatch.setattr(edge_engine, "SEGMENT_KB", segment_kb)
    monkeypatch.setattr(edge, "TIDY_EVERY", 30)
    monkeypatch.setattr(edge_waiting, "MOST_VECTORS", 0)
    index = EdgeIndex(folder, Schema("minilm", 384))
    stage(index, [chunk_of("zebra late", document="late")])
    for d in range(5):
        stage(index, [chunk_of(f"zebra {i}", document=f"d{d}", ordinal=i) for i in range(30)])
        index.publish(f"d{d}")
        index.flush()
    written = index._shard.info().segments_count
    assert written >= 6  # one is being written to
    index.optimize()
    assert index._shard.info().segments_count == (2 if merged else written)
    index.publish("late")
    assert (index.count(), len(index.documents())) == (151, 6)
    index.close()
    opened = EdgeIndex(folder, Schema("minilm", 384))
    assert (opened.count(), seen(opened)) == (151, 100)
    opened.close()


def test_many_small_segments_are_merged_on_the_way(
    folder: Path, chunk_of: ChunkOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are never many, however long a run; what is staged meanwhile can be published, and everything is found."""
    monkeypatch.setattr(edge_engine, "EXACT_KB", 8)
    monkeypatch.setattr(edge_engine, "MOST_SMALL", 3)
    monkeypatch.setattr(edge, "TIDY_EVERY", 30)
    monkeypatch.setattr(edge_waiting, "MOST_VECTORS", 0)
    index = EdgeIndex(folder, Schema("minilm", 384))
    stage(index, [chunk_of("zebra late", document="late")])
    segments: list[int] = []
    for d in range(12):
        stage(index, [chunk_of(f"zebra {i}", document=f"d{d}", ordinal=i) for i in range(30)])
        index.publish(f"d{d}")
        index.flush()
        segments.append(index._shard.info().segments_count)
    assert max(segments) > min(segments[3:]), "none was merged"
    assert max(segments) <= 3 + 2, "beside the small ones the one that is written to, and what came of them"
    index.publish("late")
    assert (index.count(), len(index.documents())) == (361, 13)
    index.close()
    opened = EdgeIndex(folder, Schema("minilm", 384))
    assert (opened.count(), seen(opened)) == (361, 100)
    opened.close()


def test_few_segments_are_not_opened_anew(index: EdgeIndex, chunk_of: ChunkOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a small run costs no more than putting its segments in order."""
    monkeypatch.setattr(edge, "load_shard", None)
    stage(index, [chunk_of(f"zebra {i}", ordinal=i) for i in range(5)])
    index.publish("d1")
    index.optimize()
    assert seen(index) == 5


def test_no_room_to_merge_leaves_the_index_as_it_was(
    index: EdgeIndex, chunk_of: ChunkOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says so; the shard is open again, not to be merged on the way, and finds and takes what it did."""
    asked: list[int] = []
    own = edge_engine.load_shard

    def load(path: Path, dimensions: int, segments: int = edge_engine.ANY) -> Any:
        asked.append(segments)
        return own(path, dimensions, segments)

    def tidy() -> None:
        if asked:
            raise Exception("Not enough space available for optimization")  # noqa: TRY002  the engine's own type

    monkeypatch.setattr(edge, "load_shard", load)
    monkeypatch.setattr(edge, "most_segments", lambda _: 7)
    monkeypatch.setattr(index, "_tidy", tidy)
    stage(index, [chunk_of(f"zebra {i}", ordinal=i) for i in range(5)])
    index.publish("d1")
    with pytest.raises(StorageFull):
        index.optimize()
    assert asked == [7, edge_engine.ANY]
    stage(index, [chunk_of("zebra", document="d2")])
    index.publish("d2")
    assert seen(index) == 6
