"""The embedded index: what is published is found, whole, and nothing else is; broken files are named as such."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from paperlode.ingest.document import make_card
from paperlode.ingest.errors import ArchiveCorrupt, ArchiveNotFound, InvalidRequest, SchemaMismatch, StorageFull
from paperlode.retrieval.ahead import Ahead
from paperlode.retrieval.edge import EdgeIndex
from paperlode.retrieval.index import Filter, HybridQuery, Schema, Scored
from paperlode.retrieval.lexical import sparse_document, sparse_query
from paperlode.retrieval.points import chunk_from

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from paperlode.ingest.document import Chunk
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


def test_what_read_a_chunk_stands_in_its_payload(index: EdgeIndex, write: Write, chunk_of: ChunkOf) -> None:
    """Under a name of its own, to be filtered by."""
    chunk = chunk_of("Text", read_by=("local-3/scan",))
    write([chunk])
    (payload,) = index._retrieve([chunk.id], with_payload=True).values()
    assert payload["read_by"] == "local-3/scan"
    assert chunk_from(chunk.id, payload) == chunk


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


def test_others_search_while_a_question_is_still_embedded(index: EdgeIndex, write: Write, chunk_of: ChunkOf) -> None:
    """A slow model holds up its own question alone."""
    write([chunk_of("Zebra crossing")])
    go_on = Event()

    def slow() -> Any:
        assert go_on.wait(30)
        return np.ones(384, dtype=np.float32)

    waiting = Ahead(lambda: index.search(HybridQuery(Ahead(slow), sparse_query("zebra"), 10)))
    assert len(found(index, "zebra")) == 1
    go_on.set()
    assert [s.lexical is not None for s in waiting.result()] == [True]


def test_cards_are_read_again_when_too_many_are_kept(index: EdgeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stay the same."""
    monkeypatch.setattr("paperlode.retrieval.edge_reader.MOST_CARDS", 2)
    cards = [make_card(f"d{i}", f"Zebra{i}.pdf", "", "") for i in range(4)]
    for card in cards:
        index.stage_card(card, sparse_document(f"zebra {card.name}"))
        index.publish(card.document)
    for card in [*cards, *cards]:
        (found,) = [c for c, _ in index.cards(sparse_query("zebra"), 5, [card.document])]
        assert found == card
        assert len(index._cards) <= 3
