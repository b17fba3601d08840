"""A new version of a document of which most stayed: what is published already is held, and one step brings in the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from paperlode.ingest.document import Cell, Kind, Table, TablePart
from paperlode.retrieval.edge import EdgeIndex
from paperlode.retrieval.index import Schema
from paperlode.retrieval.search import Search
from paperlode.retrieval.server import QdrantIndex
from paperlode.retrieval.writer import Writer

from .test_index_contract import found, index, stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from paperlode.ingest.document import Chunk
    from paperlode.retrieval.index import Index
    from paperlode.retrieval.minilm import MiniLM

    Write = Callable[[Sequence[Chunk]], None]
    ChunkOf = Callable[..., Chunk]

__all__ = ["index"]


def versions(chunk_of: ChunkOf) -> tuple[list[Chunk], list[Chunk]]:
    """Ten chunks; and a later version in which the fourth became two, so that those after it have other places."""
    table = chunk_of("zebra 9", ordinal=9, kind=Kind.TABLE)
    grid = Table(3, 1, tuple(Cell(i, 0, f"zebra {i}") for i in range(3)))
    plain = [chunk_of(f"zebra {i}", ordinal=i, page=i) for i in range(9)]
    old = [*plain, replace(table, part=TablePart(9, 0, 3, 3, grid))]
    fresh = [chunk_of(f"zebra anew {i}", ordinal=3 + i, page=3, version="2") for i in range(2)]
    later = [replace(c, ordinal=c.ordinal + 1, span=(c.span[0] + 1, c.span[1] + 1)) for c in old[4:]]
    later[-1] = replace(later[-1], part=TablePart(10, 0, 3, 3, grid))
    return old, [*old[:3], *fresh, *later]


def test_what_is_published_is_held(index: Index, write: Write, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """It stays, under its new place, without being staged; what is neither held nor staged goes."""
    old, new = versions(chunk_of)
    write(old)
    held = index.hold(new)
    assert held == {c.id for c in old} - {old[3].id}
    stage(index, embedder, [c for c in new if c.id not in held])
    assert list(index.chunks("d1")) == old
    index.publish("d1")
    assert list(index.chunks("d1")) == new
    assert [p.ordinal for p in index.passages([("d1", 2, 5)])] == [2, 3, 4, 5]
    assert set(found(index, "zebra")) <= {c.id for c in new}


def test_only_what_is_published_can_be_held(index: Index, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """Staged chunks, and those of nobody, are no such; holding nothing is no error."""
    old, _ = versions(chunk_of)
    stage(index, embedder, old[:2])
    assert index.hold(old) == set()
    assert index.hold([]) == set()
    index.publish("d1")
    assert index.count() == 2


def test_a_hold_ends_with_the_staging(index: Index, write: Write, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """After a discard nothing is held: the next version stands for itself."""
    old, new = versions(chunk_of)
    write(old)
    index.hold(new)
    index.discard("d1", staged_only=True)
    assert list(index.chunks("d1")) == old
    stage(index, embedder, new[3:5])
    index.publish("d1")
    assert list(index.chunks("d1")) == new[3:5]


def test_a_writer_embeds_only_what_is_new(index: Index, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """Of a changed document only the chunks that changed; where nothing changed, nothing, and the index stays as it is."""
    old, new = versions(chunk_of)

    def put(chunks: list[Chunk]) -> int:
        writer = Writer(index, embedder)
        writer.begin("d1")
        writer.add(chunks)
        writer.commit("d1")
        writer.flush()
        return writer.written

    assert put(old) == 10
    assert put(new) == 2
    assert put(new) == 0
    assert list(index.chunks("d1")) == new


def test_a_search_during_a_publication_is_made_again(
    index: Index, write: Write, embedder: MiniLM, chunk_of: ChunkOf
) -> None:
    """Hits are of one version, also where another one is published between the looking and the fetching."""
    old, _ = versions(chunk_of)
    write(old)
    new = [chunk_of(f"zebra anew {i}", ordinal=i, page=i, version="2") for i in range(10)]
    plain, times = index.get, []

    def meddling(ids: Sequence[str]) -> list[Chunk]:
        if not times:
            times.append(1)
            stage(index, embedder, new)
            index.publish("d1")
        return plain(ids)

    index.get = meddling  # type: ignore[method-assign]
    hits = Search(index, embedder).search("zebra", limit=10)
    assert times
    assert {h.chunk.id for h in hits} == {c.id for c in new}


def test_no_search_finds_two_versions(index: Index, write: Write, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """Also where versions are published faster than a search takes."""
    if isinstance(index, QdrantIndex) and index._wire.local:
        pytest.skip("the client's own store is not made for several threads")
    write([chunk_of(f"zebra {i}", ordinal=i, page=i, version="v0") for i in range(5)])
    stop, published = threading.Event(), 0

    def publish() -> None:
        nonlocal published
        while not stop.is_set():
            published += 1
            stage(
                index, embedder, [chunk_of(f"zebra {i}", ordinal=i, page=i, version=f"v{published}") for i in range(5)]
            )
            index.publish("d1")

    writer = threading.Thread(target=publish)
    writer.start()
    try:
        for _ in range(15):
            hits = Search(index, embedder).search("zebra", limit=10)
            assert len(hits) == 5
            assert len({h.chunk.parser for h in hits}) == 1
    finally:
        stop.set()
        writer.join()
    assert published > 1


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import make_chunk
from paperlode.retrieval.edge import EdgeIndex
from paperlode.retrieval.index import Schema
from paperlode.retrieval.lexical import sparse_document
import numpy as np
index = EdgeIndex(Path({path!r}), Schema("minilm", 384))
def stage(first, n, version):
    chunks = [make_chunk(f"Zebra {{i}}", ordinal=i, version=version) for i in range(first, n)]
    index.stage(chunks, np.ones((len(chunks), 384), dtype=np.float32), [sparse_document(c.text) for c in chunks])
    return chunks
stage(0, 200, "1")
index.publish("d1")
index.flush()
stage(0, 50, "1")
stage(50, 300, "2")
shard, left = index._shard, {left}
class Dying:
    def update(self, operation):
        global left
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        shard.update(operation)
    def __getattr__(self, name):
        return getattr(shard, name)
index._shard = Dying()
index.publish("d1")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("left", range(5))
def test_a_kill_in_the_middle_of_a_publication_leaves_one_version(folder: Path, left: int) -> None:
    """Before the swap, which follows the unseen writing of what is new, the old one; after it the new one; never both."""
    code = KILLED.format(path=str(folder), left=left, tests=os.path.dirname(__file__))  # noqa: PTH120
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    opened = EdgeIndex(folder, Schema("minilm", 384))
    assert opened.count("d1") == (300 if left > 1 else 200)
    assert len(list(opened.chunks("d1"))) == opened.count("d1")
    opened.close()
