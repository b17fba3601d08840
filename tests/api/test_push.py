"""An embedded index pushed to a server: the same chunks, vectors and hits, swapped in only when they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from paperlode.api import cli
from paperlode.api.archive import Archive
from paperlode.api.directory import Manifest
from paperlode.api.places import place_of
from paperlode.api.push import Samples
from paperlode.ingest.errors import IndexServerBusy, InvalidRequest
from paperlode.retrieval.search import Search
from paperlode.retrieval.server import QdrantIndex
from paperlode.retrieval.server_options import CollectionOptions, ServerOptions

from ..retrieval.qdrant_standin import standing_in  # noqa: TID252


@pytest.fixture
def server():
    with standing_in() as state:
        yield state


@pytest.fixture
def there(server):
    return ServerOptions(url=server.url, collection="papers", patience=0.0, batch_points=2)


def names(server) -> set[str]:
    return {c.name for c in server.client.get_collections().collections}


def aliases(server) -> dict[str, str]:
    return {a.alias_name: a.collection_name for a in server.client.get_aliases().aliases}


def hits(index, archive, question) -> list[tuple[str, float, str]]:
    found = Search(index, archive.embedder).search(question, limit=10)
    return [(h.chunk.id, round(h.score, 4), h.passage) for h in found]


def test_a_pushed_index_gives_the_same_hits(archive, server, there) -> None:
    """Chunk by chunk and vector by vector; nothing is embedded for it but the sampled questions."""
    report = archive.push(there, samples=Samples(points=50, questions=5))
    assert report.swapped
    assert report.check.sound
    assert report.check.agreement == 1.0
    assert report.check.points == report.copied == report.plan.points == archive.status().counts.chunks + 2  # and cards
    assert aliases(server) == {"papers": "papers-1"}
    index = QdrantIndex(there)
    for record in archive.documents():
        assert list(index.chunks(record.digest)) == list(archive._index.chunks(record.digest))
    for question in ("monthly rent", "How do I stop the pump?", "notice"):
        assert hits(index, archive, question) == hits(archive._index, archive, question)
    index.close()


def test_a_second_push_replaces_the_first(archive, server, there, docs) -> None:
    """The new collection takes the alias and the old one goes, unless it is to be kept."""
    archive.push(there)
    archive.delete("manual")
    report = archive.push(there)
    assert (report.plan.replaces, report.plan.collection, report.dropped) == ("papers-1", "papers-2", "papers-1")
    assert (names(server), aliases(server)) == ({"papers-2"}, {"papers": "papers-2"})
    kept = archive.push(there, keep_old=True)
    assert kept.dropped is None
    assert (names(server), aliases(server)) == ({"papers-2", "papers-3"}, {"papers": "papers-3"})


def test_a_push_that_broke_off_goes_on(archive, server, there) -> None:
    """What was sent is not sent again; the alias stays where it was until all is there."""
    archive.push(there)
    sent = [0]

    def after_one(request: Any) -> tuple[int, str | None] | None:
        if request.method == "PUT" and request.path.endswith("/points"):
            sent[0] += 1
            return (503, None) if sent[0] == 2 else None
        return None

    server.faults = after_one
    with pytest.raises(IndexServerBusy):
        archive.push(there)
    assert aliases(server) == {"papers": "papers-1"}
    assert archive.push_plan(there).begun
    server.faults = lambda _: None
    report = archive.push(there)
    assert (report.plan.collection, report.there > 0, report.copied > 0) == ("papers-2", True, True)
    assert report.check.sound
    assert names(server) == {"papers-2"}


@pytest.mark.parametrize("change", ["index", "options"])
def test_what_was_begun_is_begun_anew_where_it_does_not_fit(archive, server, there, change) -> None:
    """Another index or other settings: the unfinished copy is dropped, and another made."""
    server.faults = lambda r: (503, None) if r.method == "PUT" and r.path.endswith("/points") else None
    with pytest.raises(IndexServerBusy):
        archive.push(there)
    server.faults = lambda _: None
    if change == "index":
        archive.delete("manual")
    options = CollectionOptions(hnsw_m=8) if change == "options" else CollectionOptions()
    report = archive.push(there, options)
    assert (report.there, report.check.sound) == (0, True)
    assert names(server) == {report.plan.collection} == {"papers-2"}


def spoil_text(server, name: str) -> None:
    (point, *_), _ = server.client.scroll(name, limit=1)
    server.client.set_payload(name, {"text": "something else"}, [point.id])


def spoil_vector(server, name: str) -> None:
    from qdrant_client import models as m

    point = next(p for p in server.client.scroll(name, limit=9, with_vectors=True)[0] if "dense" in p.vector)
    turned = [-x for x in point.vector["dense"]]
    server.client.update_vectors(name, [m.PointVectors(id=point.id, vector={"dense": turned})])


def lose_one(server, name: str) -> None:
    chunk = next(p for p in server.client.scroll(name, limit=9)[0] if p.payload["kind"] != "card")
    server.client.delete(name, [chunk.id])


def spoil_words(server, name: str) -> None:
    for p in server.client.scroll(name, limit=99)[0]:
        server.client.delete_vectors(name, ["lexical", "dense", "page", "pairs"], [p.id])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_text, "payload text"),
        (spoil_vector, "vectors dense"),
        (lose_one, "holds"),
        (spoil_words, "of the hits"),
    ],
)
def test_a_copy_that_differs_is_never_swapped_in(archive, server, there, spoil, said) -> None:
    """It says what differs; the alias stays, and the next push does not go on with that copy."""
    archive.push(there)
    spoilt = []

    def before_it_is_compared(request: Any) -> None:
        if request.path == "/collections/papers-2/points" and request.method == "POST" and not spoilt:
            spoilt.append(spoil(server, "papers-2"))

    server.faults = before_it_is_compared
    report = archive.push(there, samples=Samples(points=100))
    assert not report.swapped
    assert said in "; ".join(report.check.problems())
    assert aliases(server) == {"papers": "papers-1"}
    server.faults = lambda _: None
    again = archive.push(there)
    assert again.there == 0
    assert again.swapped
    assert names(server) == {again.plan.collection}


def test_a_push_replaces_only_what_was_pushed(archive, server, there, tmp_path, word_model) -> None:
    """Neither the collection that another archive writes to, nor another program's, is replaced or deleted."""
    from qdrant_client import models as m

    Archive.create(tmp_path / "other", embedder=word_model, server=there).close()
    vectors = m.VectorParams(size=2, distance=m.Distance.DOT)
    server.client.create_collection("theirs-1", vectors)
    alias = m.CreateAlias(collection_name="theirs-1", alias_name="theirs")
    server.client.update_collection_aliases([m.CreateAliasOperation(create_alias=alias)])
    before = names(server)
    for name, whose in (("papers", "an archive"), ("theirs", "another program")):
        place = replace(there, collection=name)
        for push in (archive.push_plan, archive.push):
            with pytest.raises(InvalidRequest, match=whose) as caught:
                push(place)
            assert "--collection" in caught.value.hint
    assert names(server) == before
    assert aliases(server) == {"papers": "papers-1", "theirs": "theirs-1"}


def test_a_move_makes_the_collection_the_archives_index(archive, server, there, docs, parser) -> None:
    """It is searched and written there, also after opening again; the embedded one is gone, and no push replaces it."""
    found = [(h.chunk.id, h.page) for h in archive.search("monthly rent")]
    assert archive.status().server is None
    assert archive.push(there, move=True).moved
    assert archive.status().server == {"url": server.url, "collection": "papers", "grpc": False}
    assert archive.directory.shards() == []
    assert [(h.chunk.id, h.page) for h in archive.search("monthly rent")] == found
    archive.delete("manual")
    with pytest.raises(InvalidRequest, match="already"):
        archive.push(there)
    embedder = archive.embedder
    archive.close()
    with Archive.open(archive.directory.root, embedder=embedder) as again:
        assert again.check() == []
        assert again.search("monthly rent")[0].chunk.id == found[0][0]
        assert len(again.ingest([docs], parser=parser).ingested) == 1
        assert server.client.count("papers-1").count == again.status().counts.chunks + 2
    with (
        Archive.create(docs / "other", embedder=embedder) as other,
        pytest.raises(InvalidRequest, match="an archive"),
    ):
        other.ingest([docs], parser=parser)
        other.push(there)


COMPARED = ("POST", "/collections/papers-1/points")


def test_a_copy_that_is_not_sound_is_not_moved_to(archive, server, there) -> None:
    """The archive keeps its embedded index."""
    server.faults = lambda r: lose_one(server, "papers-1") if (r.method, r.path) == COMPARED else None
    report = archive.push(there, samples=Samples(points=100), move=True)
    assert not (report.swapped or report.moved)
    assert archive.server is None
    assert archive.check() == []


def test_a_move_that_died_is_completed_at_the_next_opening(archive, server, there, tmp_path) -> None:
    """Once the manifest names the server the collection counts: it becomes the archive's own, the folder's index goes."""
    archive.push(there)
    embedder = archive.embedder
    archive.close()
    manifest = Manifest.read(archive.directory)
    replace(manifest, server=place_of(there)).write(archive.directory)
    with Archive.open(tmp_path / "index", embedder=embedder) as again:
        assert again.directory.shards() == []
        assert again.check() == []
        assert server.client.get_collection("papers-1").config.metadata["paperlode"]["push"] is None
    said = CliRunner().invoke(cli.app, ["status", "--index", str(archive.directory.root)]).output
    assert f"The index is the collection 'papers' on {server.url}." in " ".join(said.split())


def test_an_empty_index_is_not_pushed(tmp_path, there, word_model) -> None:
    """There would be nothing to compare."""
    with (
        Archive.create(tmp_path / "empty", embedder=word_model) as archive,
        pytest.raises(InvalidRequest, match="empty"),
    ):
        archive.push(there)


def test_samples_make_sense() -> None:
    """At least one point is compared, and no share is above one."""
    wrongs: list[dict[str, Any]] = [{"points": 0}, {"agreement": 1.5}, {"top": 0}]
    for wrong in wrongs:
        with pytest.raises(InvalidRequest):
            Samples(**wrong)


def test_its_help_names_the_settings() -> None:
    """What stands in square brackets in a help text is shown, and not taken for markup."""
    said = CliRunner().invoke(cli.app, ["push", "--help"], env={"COLUMNS": "200"}).output
    for words in ("paperlode[qdrant]", "[env: PAPERLODE_QDRANT]", "default: paperlode]"):
        assert words in said
