"""The embedded index: what is published is found, whole, and nothing else is; broken files are named as such."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from paperlode.ingest.document import Cell, Chunk, Kind, Layer, PageBox, Table, TablePart
from paperlode.ingest.errors import ArchiveCorrupt, ArchiveNotFound, InvalidRequest, SchemaMismatch, StorageFull
from paperlode.retrieval.edge import EdgeIndex, _chunk
from paperlode.retrieval.index import Filter, HybridQuery, Schema, Scored
from paperlode.retrieval.lexical import sparse_document, sparse_query

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from paperlode.retrieval.minilm import MiniLM

    Write = Callable[[Sequence[Chunk]], None]
    ChunkOf = Callable[..., Chunk]


def found(index: EdgeIndex, question: str, only: Filter | None = None) -> dict[str, Scored]:
    """Candidates by words alone."""
    query = HybridQuery(None, sparse_query(question), 10, only or Filter())
    return {s.id: s for s in index.search(query)}


def stage(index: EdgeIndex, embedder: MiniLM, chunks: Sequence[Chunk]) -> None:
    """Staged, not published."""
    index.stage(
        chunks, embedder.embed([c.embedded_text for c in chunks]), [sparse_document(c.embedded_text) for c in chunks]
    )


def test_a_chunk_comes_back_exactly(index: EdgeIndex, write: Write, chunk_of: ChunkOf) -> None:
    """Every field, in order of ordinal, with tables, boxes and Chinese text."""
    box = PageBox(3, chunk_of("").regions[0].box)
    cells = (Cell(0, 0, "Year"), Cell(0, 1, "净利润", region=box), Cell(1, 0, "2019", row_span=2), Cell(1, 1, "1,577"))
    table = TablePart(7, 4, 6, 9, Table(3, 2, cells, header_rows=1, caption="In millions"))
    chunks = [
        chunk_of("2019 | 1,577", ordinal=0, page=3, kind=Kind.TABLE, context="Year | 净利润", part=table),
        chunk_of("A note.\nTwo lines", ordinal=1, pages=(3, 4), layer=Layer.NOTE, confidence=0.5, flags=("low",)),
        chunk_of("Text", ordinal=2, page=4, heading_path=("Part I", "Item 7"), read_by=("local-2/scan", "x/y")),
    ]
    write(chunks)
    assert list(index.chunks("d1")) == chunks
    assert index.get([chunks[2].id, "00000000-0000-0000-0000-000000000000", chunks[0].id]) == [chunks[2], chunks[0]]


def test_what_read_a_chunk_stands_in_its_payload(index: EdgeIndex, write: Write, chunk_of: ChunkOf) -> None:
    """Under a name of its own, to be filtered by; points that were written before it was noted read back without it."""
    chunk = chunk_of("Text", read_by=("local-2/scan",))
    write([chunk])
    (payload,) = index._retrieve([chunk.id], with_payload=True).values()
    assert payload["read_by"] == ["local-2/scan"]
    older = {k: v for k, v in payload.items() if k != "read_by"}
    assert _chunk(chunk.id, older) == replace(chunk, read_by=())


def test_scores_are_a_cosine_and_bm25(index: EdgeIndex, write: Write, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """Each vector gives its own score; a rare word weighs more than a common one."""
    texts = ["The net income of the company", "The company has offices", "The company and its zebra", "Other matters"]
    write([chunk_of(t, ordinal=i, page=i) for i, t in enumerate(texts)])
    by_words = found(index, "company zebra")
    scores = [by_words[i].lexical if i in by_words else None for i in (c.id for c in index.chunks("d1"))]
    assert scores[3] is None
    assert scores[2] is not None
    assert scores[0] is not None
    assert scores[2] > 2 * scores[0] > 0
    query = HybridQuery(embedder.embed_query("profit"), None, 10)
    by_meaning = {s.id: s.dense for s in index.search(query)}
    assert len(by_meaning) == 4
    cosine = float(embedder.embed([texts[0]])[0] @ embedder.embed_query("profit"))
    assert by_meaning[next(index.chunks("d1")).id] == pytest.approx(cosine, abs=1e-5)


def test_a_page_is_scored_by_the_words_of_all_its_chunks(index: EdgeIndex, write: Write, chunk_of: ChunkOf) -> None:
    """A chunk without the word has the page score of its page, and no score of its own."""
    write([chunk_of("Zebra crossing"), chunk_of("Second paragraph", ordinal=1), chunk_of("Else", ordinal=2, page=1)])
    first, second, other = (c.id for c in index.chunks("d1"))
    scored = found(index, "zebra")
    assert scored[first].page == scored[second].page != None  # noqa: E711
    assert scored[second].lexical is None
    assert other not in scored


def test_nothing_staged_is_visible_until_published(index: EdgeIndex, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """Not by search, id, window, count or list; then all of it."""
    chunks = [chunk_of(f"Zebra {i}", ordinal=i) for i in range(3)]
    stage(index, embedder, chunks[:2])
    stage(index, embedder, chunks[2:])
    ids = [c.id for c in chunks]
    assert not found(index, "zebra")
    assert not index.get(ids)
    assert not index.passages([("d1", 0, 9)])
    assert not list(index.chunks("d1"))
    assert (index.count(), index.documents()) == (0, set())
    index.publish("d1")
    assert set(found(index, "zebra")) == set(ids)
    assert index.get(ids) == chunks
    assert [p.ordinal for p in index.passages([("d1", 1, 9), ("d1", 0, 1)])] == [0, 1, 2]
    assert (index.count(), index.count("d1"), index.count("d2"), index.documents()) == (3, 3, 0, {"d1"})


def test_publishing_replaces_the_older_version(index: EdgeIndex, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """The old stays searchable until then; chunks with the same id stay, the others go."""
    old = [chunk_of(f"Zebra {i}", ordinal=i) for i in range(3)]
    stage(index, embedder, old)
    index.publish("d1")
    new = [old[0], chunk_of("Zebra anew", ordinal=1, version="2")]
    stage(index, embedder, new)
    assert set(found(index, "zebra")) == {c.id for c in old}
    index.publish("d1")
    assert list(index.chunks("d1")) == new
    assert set(found(index, "zebra")) == {c.id for c in new}


def test_a_document_without_chunks_replaces_one_with(index: EdgeIndex, write: Write, chunk_of: ChunkOf) -> None:
    """Publishing what has nothing staged leaves nothing."""
    write([chunk_of("Zebra")])
    index.publish("d1")
    assert index.count() == 0


def test_discard_forgets_one_document_or_only_its_staged_part(
    index: EdgeIndex, write: Write, embedder: MiniLM, chunk_of: ChunkOf
) -> None:
    """Other documents stay as they are."""
    write([chunk_of("Zebra")])
    write([chunk_of("Zebra", document="d2")])
    stage(index, embedder, [chunk_of("Zebra new", version="2")])
    index.discard("d1", staged_only=True)
    assert index.documents() == {"d1", "d2"}
    index.discard("d1")
    assert index.documents() == {"d2"}
    index.publish("d1")
    assert index.count() == 1


@pytest.mark.parametrize(
    ("only", "ordinals"),
    [
        (Filter(), {0, 1, 2, 3}),
        (Filter(documents=("d1",)), {0, 1, 2}),
        (Filter(documents=("d2", "d1")), {0, 1, 2, 3}),
        (Filter(kinds=(Kind.TABLE, Kind.LIST_ITEM)), {1}),
        (Filter(pages=(5, 6)), {1}),
        (Filter(pages=(7, 7)), {1, 2}),
        (Filter(layers=(Layer.BODY,)), {0, 1, 3}),
        (Filter(documents=("d1",), layers=(Layer.FURNITURE,), pages=(0, 9)), {2}),
        (Filter(documents=("nobody",)), set()),
    ],
)
def test_filters(index: EdgeIndex, write: Write, chunk_of: ChunkOf, only: Filter, ordinals: set[int]) -> None:
    """By document, kind, page range (a chunk counts on each of its pages) and layer; all must hold."""
    write(
        [
            chunk_of("Zebra", ordinal=0, page=0),
            chunk_of("Zebra", ordinal=1, pages=(6, 7), kind=Kind.TABLE),
            chunk_of("Zebra", ordinal=2, page=7, layer=Layer.FURNITURE),
        ]
    )
    write([chunk_of("Zebra", document="d2", ordinal=3)])
    assert {c.ordinal for c in index.get(list(found(index, "zebra", only)))} == ordinals


def test_furniture_has_no_vector_of_meaning(
    index: EdgeIndex, write: Write, embedder: MiniLM, chunk_of: ChunkOf
) -> None:
    """A question's meaning never finds running headers, in whatever layers it looks; its words do."""
    layers = (Layer.BODY, Layer.NOTE, Layer.FURNITURE)
    write([chunk_of("Zebra", ordinal=i, layer=layer) for i, layer in enumerate(layers)])
    meaning = embedder.embed_query("zebra")
    for wanted, ordinals in ((layers[:2], {0, 1}), (layers, {0, 1}), ((), {0, 1}), (layers[2:], set())):
        hits = index.search(HybridQuery(meaning, None, 10, Filter(layers=wanted)))
        assert {c.ordinal for c in index.get([h.id for h in hits])} == ordinals
    assert {c.ordinal for c in index.get(list(found(index, "zebra", Filter(layers=layers[2:]))))} == {2}


def test_a_page_range_must_make_sense() -> None:
    """Backwards and negative ranges are refused."""
    for pages in ((3, 2), (-1, 4)):
        with pytest.raises(InvalidRequest):
            Filter(pages=pages)


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
def stage(document, n):
    chunks = [make_chunk(f"Zebra {{i}}", document=document, ordinal=i) for i in range(n)]
    index.stage(chunks, np.ones((n, 384), dtype=np.float32), [sparse_document(c.text) for c in chunks])
stage("whole", 300)
index.publish("whole")
stage("half", 300)
{then}
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("then", "documents"),
    [("", {"whole"}), ("index.flush()", {"whole"}), ("index.publish('half')", {"whole", "half"})],
)
def test_a_killed_process_leaves_whole_documents_only(folder: Path, then: str, documents: set[str]) -> None:
    """Killed while staging: nothing of it is there and it can be staged again; killed after publishing: all is there."""
    code = KILLED.format(path=str(folder), then=then, tests=os.path.dirname(__file__))  # noqa: PTH120
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    index = EdgeIndex(folder, Schema("minilm", 384))
    assert index.documents() == documents
    assert index.count() == 300 * len(documents)
    assert all(c.document in documents for c in index.get(list(found(index, "zebra"))))
    index.publish("half")
    assert index.count("half") == 0
    index.close()


def test_reopening_keeps_everything(folder: Path, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """After close, with flushes and without, and after optimizing."""
    schema = Schema.of(embedder)
    chunks = [chunk_of(f"Zebra {i}", ordinal=i) for i in range(5)]
    with_index = EdgeIndex(folder, schema)
    stage(with_index, embedder, chunks)
    with_index.publish("d1")
    with_index.optimize()
    with_index.close()
    with_index.close()
    again = EdgeIndex(folder, schema)
    assert list(again.chunks("d1")) == chunks
    again.close()


def test_schema_says_what_does_not_fit(tmp_path: Path, embedder: MiniLM, index: EdgeIndex, chunk_of: ChunkOf) -> None:
    """Another model, another version, other dimensions, unknown fields: each is refused and named."""
    schema = Schema.of(embedder)
    assert Schema.from_dict(schema.to_dict()) == schema
    schema.check(embedder)
    wrong: list[tuple[Schema, str]] = [
        (replace(schema, embedder="st:other"), "'st:other' where 'minilm'"),
        (replace(schema, dimensions=768), "dimensions 768 where 384"),
        (replace(schema, version=99), "version 99"),
        (replace(schema, lexical=99), "lexical 99"),
    ]
    for other, message in wrong:
        with pytest.raises(SchemaMismatch, match=message):
            other.check(embedder)
    with pytest.raises(SchemaMismatch, match="version 99"):
        EdgeIndex(tmp_path / "other", wrong[2][0], create=True)
    with pytest.raises(SchemaMismatch, match="fields"):
        Schema.from_dict({"embedder": "minilm"})
    with pytest.raises(SchemaMismatch, match="shape"):
        index.stage([chunk_of("a")], embedder.embed(["a", "b"]), [sparse_document("a")])


def test_an_index_of_other_dimensions_is_refused(folder: Path) -> None:
    """Even where the stored schema was lost."""
    with pytest.raises((SchemaMismatch, ArchiveCorrupt)):
        EdgeIndex(folder, Schema("other", 768))


def test_nothing_there(tmp_path: Path, embedder: MiniLM) -> None:
    """Opening an empty or missing folder says so, and makes nothing."""
    with pytest.raises(ArchiveNotFound):
        EdgeIndex(tmp_path / "missing", Schema.of(embedder))
    assert not (tmp_path / "missing").exists()


def truncated(path: Path) -> None:
    """Half of every segment's description is gone."""
    for file in path.glob("segments/*/segment.json"):
        os.truncate(file, file.stat().st_size // 2)


def emptied(path: Path) -> None:
    """The vectors are gone: the engine's code gives up (a panic, which is no Exception)."""
    for file in path.glob("segments/*/vector_storage-dense/**/*.dat"):
        os.truncate(file, 0)


def unconfigured(path: Path) -> None:
    """The shard's settings are no JSON."""
    (path / "edge_config.json").write_text("{")


@pytest.mark.parametrize("damage", [truncated, emptied, unconfigured])
def test_broken_files_are_called_corrupt(
    folder: Path, embedder: MiniLM, chunk_of: ChunkOf, damage: Callable[[Path], Any]
) -> None:
    """ArchiveCorrupt with the folder and what to do; never the engine's own error."""
    index = EdgeIndex(folder, Schema.of(embedder))
    stage(index, embedder, [chunk_of("Zebra")])
    index.publish("d1")
    index.close()
    damage(folder)
    with pytest.raises(ArchiveCorrupt, match=r"cannot be (opened|read).*ingest again"):
        EdgeIndex(folder, Schema.of(embedder)).search(HybridQuery(embedder.embed_query("zebra"), None, 5))


def test_a_full_disk_is_noticed_before_anything_is_written(folder: Path, embedder: MiniLM, chunk_of: ChunkOf) -> None:
    """StorageFull, and what was published before stays searchable."""
    index = EdgeIndex(folder, Schema.of(embedder))
    stage(index, embedder, [chunk_of("Zebra")])
    index.publish("d1")
    index.close()
    with pytest.raises(StorageFull, match="MB are free"):
        EdgeIndex(folder, Schema.of(embedder), min_free=1 << 60)
    assert EdgeIndex(folder, Schema.of(embedder)).count() == 1


def test_a_new_index_needs_an_empty_folder(folder: Path, embedder: MiniLM) -> None:
    """Nothing is overwritten."""
    with pytest.raises(ArchiveCorrupt):
        EdgeIndex(folder, Schema.of(embedder), create=True)
    assert EdgeIndex(folder, Schema.of(embedder)).count() == 0
