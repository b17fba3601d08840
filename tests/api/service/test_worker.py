"""Workers hand their chunks to the process that has the index: it becomes the one that this process would have made."""

import contextlib
import threading

import numpy as np
import pytest

from paperlode.api.archive import Archive
from paperlode.api.service.files import Files
from paperlode.api.service.index_owner import IndexOwner
from paperlode.api.service.job import State
from paperlode.api.service.places import Places
from paperlode.api.service.remote_index import OwnerGone, RemoteIndex
from paperlode.api.service.shelf import Shelf
from paperlode.api.service.worker import Worker
from paperlode.api.values import IngestOptions
from paperlode.ingest.errors import ArchiveLocked, DocumentNotFound, SchemaMismatch, ServerUnreachable


def contents(archive):
    """Everything that is stored: points with their vectors, and the books."""
    points = {p.id: (p.payload, p.vectors) for p in archive.index.points()}
    return points, [(d.digest, d.name, d.status, d.chunks, d.page_count) for d in archive.documents()]


@pytest.fixture
def places(tmp_path):
    return Places(tmp_path / "service")


@pytest.fixture
def shelf(places, word_model):
    made = Shelf(places, word_model)
    yield made
    made.close()


@pytest.fixture
def owner(shelf):
    made = IndexOwner(shelf.index)
    yield made
    made.close()


@pytest.fixture
def worker(queue, places, owner, word_model, parser):
    return Worker(
        queue,
        places,
        lambda collection: RemoteIndex(owner.address, owner.secret, collection),
        word_model,
        options=IngestOptions(),
        name="w1",
        parser=lambda: parser,
    )


@pytest.fixture
def uploaded(places, docs):
    """The files of ``docs`` as the service keeps them for a collection."""

    def kept(collection):
        out = []
        for path in sorted(docs.iterdir()):
            with Files(places.files(collection), most_bytes=1 << 20).incoming() as coming:
                coming.write(path.read_bytes())
                out.append(coming.keep(path.name))
        return out

    return kept


def test_the_index_is_that_of_an_archive_without_workers(  # noqa: PLR0917
    queue, collection_of, uploaded, worker, shelf, tmp_path, word_model, parser
):
    """Every stored point with its vectors, and the books."""
    acme, mine = collection_of()
    files = uploaded(mine)
    jobs = queue.submit(acme, mine, files)
    with shelf.archive(mine):
        pass  # made by the owner, before a worker may write to it
    worker.run(until_idle=True)
    assert [queue.get(acme, j.id).state for j in jobs] == [State.DONE] * len(jobs)
    assert all(queue.get(acme, j.id).pages == queue.get(acme, j.id).pages_done > 0 for j in jobs)
    with Archive.create(tmp_path / "alone", embedder=word_model) as alone:
        alone.ingest([f.path for f in files], parser=parser)
        wanted = contents(alone)
    with shelf.archive(mine) as archive:
        assert contents(archive) == wanted
        assert archive.check() == []
        assert archive.search("pump", limit=1)


def test_what_a_worker_staged_goes_with_it(shelf, owner, collection_of, word_model, chunk_for):
    """Nothing of it was seen, and nothing of it is left; what was published stays."""
    _, mine = collection_of()
    with shelf.archive(mine) as archive:
        with contextlib.closing(RemoteIndex(owner.address, owner.secret, mine)) as remote:
            for name in ("seen", "unseen"):
                chunk = chunk_for(name)
                remote.stage([chunk], word_model.embed([chunk.text]), [_terms(chunk.text)])
            remote.publish("seen")
            remote.flush()
            assert (remote.count("seen"), remote.count("unseen"), remote.count()) == (1, 0, 1)
        _until(lambda: not archive.index._waiting.of("unseen"))
        archive.index.publish("unseen")
        assert archive.index.documents() == {"seen"}


def _terms(text):
    from paperlode.retrieval.lexical import sparse_document

    return sparse_document(text)


def _until(holds):
    import time

    for _ in range(500):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("never")


@pytest.fixture
def chunk_for():
    from paperlode.ingest.document import Box, Chunk, Kind, Layer, PageBox, chunk_id

    def made(document):
        return Chunk(
            id=chunk_id(document, "0"),
            document=document,
            ordinal=0,
            text=f"the zebra of {document}",
            kind=Kind.TEXT,
            layer=Layer.BODY,
            regions=(PageBox(0, Box(0, 0, 10, 10)),),
            span=(0, 1),
            tokens=4,
            parser="p",
        )

    return made


def test_the_errors_of_the_index_are_raised_in_the_worker(shelf, owner, collection_of, chunk_for):
    """As what they are there; the connection goes on."""
    _, mine = collection_of()
    with contextlib.closing(RemoteIndex(owner.address, owner.secret, mine)) as remote:
        chunk = chunk_for("d")
        with pytest.raises(SchemaMismatch, match="dimensions"):
            remote.stage([chunk], np.zeros((1, 3), np.float32), [_terms("a")])
        assert remote.count() == 0


def test_nobody_else_is_let_in(shelf, owner, collection_of):
    """Not without the secret, nor into a collection that is being removed; an owner that has ended is said to be gone."""
    _, mine = collection_of()
    with pytest.raises(OwnerGone):
        RemoteIndex(owner.address, "guessed", mine)
    remote = RemoteIndex(owner.address, owner.secret, mine)
    remote.close()
    assert shelf.remove(mine)
    with pytest.raises(DocumentNotFound):
        RemoteIndex(owner.address, owner.secret, mine)
    remote = RemoteIndex(owner.address, owner.secret, "another")
    owner.close()
    with pytest.raises(OwnerGone):
        remote.count()
    remote.close()
    with pytest.raises(OwnerGone):
        RemoteIndex(owner.address, owner.secret, mine)


def test_a_file_that_cannot_be_read_fails_alone(  # noqa: PLR0917
    queue, collection_of, uploaded, worker, shelf, docs
):
    """Its job says why; those beside it are done."""
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7 nothing of it follows")
    acme, mine = collection_of()
    jobs = queue.submit(acme, mine, uploaded(mine))
    with shelf.archive(mine):
        pass
    worker.run(until_idle=True)
    states = {j.file.name: queue.get(acme, j.id) for j in jobs}
    assert states["broken.pdf"].state is State.FAILED
    assert states["broken.pdf"].code
    assert states["broken.pdf"].reason
    assert {s.state for name, s in states.items() if name != "broken.pdf"} == {State.DONE}


def test_a_failure_of_no_file_is_tried_again(queue, collection_of, uploaded, worker, shelf, monkeypatch):  # noqa: PLR0917
    """The recognition server was away for a moment: the jobs wait, and are done when it is there."""
    acme, mine = collection_of()
    jobs = queue.submit(acme, mine, uploaded(mine))
    with shelf.archive(mine):
        pass
    ingest, away = Archive.ingest, [ServerUnreachable("The server is away.")]

    def sometimes(*args, **options):
        if away:
            raise away.pop()
        return ingest(*args, **options)

    monkeypatch.setattr(Archive, "ingest", sometimes)
    worker.run(until_idle=True)
    assert not away
    assert {queue.get(acme, j.id).state for j in jobs} == {State.DONE}


def test_a_worker_goes_on_saying_that_it_is_there(queue, worker, monkeypatch):
    """Also after the books could not be reached for a moment: else its jobs would be another's, and no cancellation heard."""
    said = []

    def keep(name):
        said.append(name)
        if len(said) == 1:
            raise ArchiveLocked("The database is locked.")
        worker.stop()
        return {}

    monkeypatch.setattr(queue, "keep", keep)
    monkeypatch.setattr(worker, "_beat", 0.01)
    worker._keep()
    assert said == ["w1", "w1"]


def test_the_shelf_opens_an_archive_once(places, word_model):
    """However many ask for it at once; those that nobody uses are closed when there are too many, and open again."""
    shelf = Shelf(places, word_model, most_open=2)
    found = []

    def ask():
        with shelf.archive("a") as archive:
            found.append(archive)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(map(id, found))) == 1
    for name in "bcd":
        with shelf.archive(name):
            pass
    with shelf.archive("a") as again:
        assert again is not found[0]
    shelf.close()
