"""An archive on a Qdrant server embedded anew: beside the old collection, kept the same, swapped by the alias."""

from __future__ import annotations

from typing import Any

import pytest

from paperlode.api.archive import Archive
from paperlode.api.directory import Manifest
from paperlode.ingest.errors import IndexServerFailed, StorageFull
from paperlode.retrieval.server_collections import KEPT, REINDEX
from paperlode.retrieval.server_options import CollectionOptions, ServerOptions

from ..retrieval.qdrant_standin import StandIn, standing_in  # noqa: TID252
from .test_reindex import OtherModel, stored


@pytest.fixture
def server():
    with standing_in() as state:
        yield state


@pytest.fixture
def archive(tmp_path, docs, parser, word_model, server):
    """The archive of two documents, on the server, with settings of its own."""
    place = ServerOptions(url=server.url, collection="papers")
    kept = CollectionOptions(hnsw_m=8, llama_index=False)
    with Archive.create(tmp_path / "index", embedder=word_model, server=place, collection=kept) as archive:
        archive.ingest([docs], parser=parser)
        yield archive


def state_of(server: StandIn) -> tuple[set[str], dict[str, str]]:
    """Collections, and aliases with what they stand for."""
    collections = {c.name for c in server.client.get_collections().collections}
    return collections, {a.alias_name: a.collection_name for a in server.client.get_aliases().aliases}


def said(server: StandIn, name: str) -> Any:
    return server.client.get_collection(name).config.metadata["paperlode"]


def test_the_alias_stands_for_the_new_vectors(archive, server, docs, parser) -> None:
    """The same chunks, kept as before; the old collection is gone; it opens again, and what is done is skipped."""
    before = stored(archive)
    report = archive.reindex(OtherModel())
    assert (report.documents, report.chunks) == (2, len(before))
    assert state_of(server) == ({"papers-2"}, {"papers": "papers-2"})
    assert (said(server, "papers-2")[KEPT]["hnsw_m"], said(server, "papers-2")["nodes"]) == (8, False)
    assert stored(archive) == before
    assert archive.check() == []
    archive.close()
    with Archive.open(archive.directory.root, embedder=OtherModel()) as again:
        assert "red button" in again.search("red button to stop the pump", limit=1)[0].chunk.text
        assert len(again.ingest([docs], parser=parser).skipped) == 2
        assert again.check() == []


def test_the_old_vectors_are_searched_until_the_swap(archive, server) -> None:
    """By this archive and by whoever reads the alias."""
    seen = []

    def during(_progress: Any) -> None:
        seen.append((archive.search("monthly rent", limit=1)[0].page, state_of(server)[1]["papers"]))

    archive.reindex(OtherModel(), on_progress=during)
    assert set(seen) == {(0, "papers-1")}


def test_an_interrupted_run_goes_on(archive, server) -> None:
    """The archive is as it was; a document that was through is not embedded again."""
    with pytest.raises(KeyboardInterrupt):
        archive.reindex(OtherModel(gives_up_after=1))
    assert state_of(server)[1] == {"papers": "papers-1"}
    assert archive.check() == []
    assert archive.reindex(OtherModel()).kept == 1
    assert state_of(server) == ({"papers-2"}, {"papers": "papers-2"})


def test_what_was_begun_for_another_model_is_dropped(archive, server) -> None:
    """Also where none of its documents was through."""
    with pytest.raises(KeyboardInterrupt):
        archive.reindex(OtherModel(gives_up_after=0))
    assert state_of(server)[0] == {"papers-1", "papers-2"}
    assert not archive.reindex(archive.embedder).needed
    assert state_of(server)[0] == {"papers-1"}


@pytest.mark.parametrize("after", ["manifest", "alias", "drop"])
def test_a_death_in_the_swap_is_completed_at_the_next_opening(archive, server, after) -> None:
    """The manifest decides: the alias follows, the old collection goes, the books are right."""
    before = stored(archive)

    def dies(request: Any) -> tuple[int, str | None] | None:
        manifest_counts = Manifest.read(archive.directory).schema["embedder"] == "other"
        swap = {
            "manifest": request.path.endswith("/aliases") and request.method == "POST",
            "alias": request.method == "DELETE" and request.path == "/collections/papers-1",
            "drop": request.method == "PATCH",
        }
        return (400, None) if manifest_counts and swap[after] else None

    server.faults = dies
    with pytest.raises(IndexServerFailed, match="as ordered"):
        archive.reindex(OtherModel())
    server.faults = lambda _: None
    with Archive.open(archive.directory.root, embedder=OtherModel()) as again:
        assert state_of(server) == ({"papers-2"}, {"papers": "papers-2"})
        assert said(server, "papers-2")[REINDEX] is None
        assert stored(again) == before
        assert again.check() == []
        assert {d.recipe.embedder for d in again.documents()} == {"other"}


def test_a_server_without_room_costs_nothing(archive, server) -> None:
    """The run ends with the reason; the archive is as it was, and the same call completes."""
    server.faults = lambda r: (507, None) if r.path == "/collections/papers-2/points" else None
    with pytest.raises(StorageFull):
        archive.reindex(OtherModel())
    server.faults = lambda _: None
    assert archive.check() == []
    assert archive.reindex(OtherModel()).documents == 2
    assert state_of(server) == ({"papers-2"}, {"papers": "papers-2"})
