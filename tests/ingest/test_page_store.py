"""Where parsed pages are kept: the same in a database, a folder and an object store."""

from __future__ import annotations

import uuid

import fsspec  # type: ignore[import-untyped]
import pytest
import sqlalchemy as sa

from paperlode.ingest.document import Block, Box, Kind, PageBox, ParsedPage, to_json
from paperlode.ingest.errors import ArchiveCorrupt, ArchiveError, InvalidRequest, MissingExtra
from paperlode.ingest.ledger import Ledger
from paperlode.ingest.ledger_tables import loose, pages
from paperlode.ingest.page_store import FolderPages, RemotePages, open_pages, packed, unpacked

from .test_pipeline import RECIPE, FakeParser, ListSink, go, write


@pytest.fixture(params=["database", "postgresql", "folder", "file://", "memory://"])
def store(request, tmp_path):
    """A store of each kind; None for the ledger's own."""
    where = {
        "database": None,
        "postgresql": None,
        "folder": str(tmp_path / "pages"),
        "file://": f"file://{tmp_path}/pages",
        "memory://": f"memory://{uuid.uuid4().hex}",
    }[request.param]
    return open_pages(where) if where else None


@pytest.fixture
def ledger(request, tmp_path, store):
    """An empty ledger that keeps its pages there."""
    in_postgres = request.node.callspec.params["store"] == "postgresql"
    place = request.getfixturevalue("fresh_schema") if in_postgres else tmp_path / "ledger.sqlite"
    made = Ledger.open(place, store=store)
    yield made
    made.close()


def page(number, text):
    block = Block(Kind.TEXT, text, (PageBox(number, Box(72, 100, 540, 120)),))
    return ParsedPage(number, 612, 792, "fake-1", (block,))


def kept(ledger):
    """Names of all that is kept, and whether it is there."""
    with ledger._work() as db:
        names = set(db.scalars(sa.select(pages.c.blob).union(sa.select(loose.c.blob))))
    return set(ledger._store.get(names))


def test_pages_come_back_whole_and_in_order(ledger):
    """More than one batch of them, and Chinese."""
    pages = [page(n, f"第{n}页") for n in range(150)]
    ledger.save_pages("a" * 64, "fake-1", pages)
    assert list(ledger.pages("a" * 64, "fake-1")) == pages


def test_equal_pages_are_kept_once(ledger):
    """Of whatever document they are."""
    for digest in ("a" * 64, "b" * 64):
        ledger.save_pages(digest, "fake-1", [page(0, "same")])
    assert kept(ledger) == {packed(to_json(page(0, "same")))[0]}


def test_what_no_document_has_any_more_goes_at_the_end_of_a_run(tmp_path, ledger):
    """Pages of an older version; those that the new one has too stay, and can be read."""
    path = write(tmp_path / "a.pdf", "one", "two", "three")
    sink = ListSink()
    go(path, sink, ledger)
    before = kept(ledger)
    write(path, "one", "2", "three")
    go(path, sink, ledger)
    after = kept(ledger)
    assert (len(before), len(after), len(before & after)) == (3, 3, 2)
    (record,) = ledger.documents()
    assert [p.text for p in ledger.pages(record.content, RECIPE.parser)] == ["one", "2", "three"]
    assert ledger._store.get(before - after) == {}


def test_chunks_are_made_again_without_parsing(tmp_path, ledger):
    """Another chunker takes the kept pages, wherever they are."""
    path = write(tmp_path / "a.pdf", "one", "two")
    go(path, ListSink(), ledger)
    parser = FakeParser()
    report = go(path, ListSink(), ledger, parser, recipe=RECIPE.__class__("fake-1", "chunker-2", "embedder-1"))
    assert (report.pages_kept, parser.parsed) == (2, [])


def test_a_page_that_is_lost_or_damaged_is_named(ledger, store):
    """Never another page in its place."""
    ledger.save_page("a" * 64, "fake-1", page(0, "one"))
    (name,) = kept(ledger)
    ledger._store.drop([name])
    with pytest.raises(ArchiveCorrupt, match="Page 1 of document aaaaaaaaaaaa"):
        list(ledger.pages("a" * 64, "fake-1"))
    ledger._store.put({name: packed(to_json(page(0, "two")))[1]})
    with pytest.raises(ArchiveCorrupt, match="damaged or missing"):
        list(ledger.pages("a" * 64, "fake-1"))


def test_putting_twice_and_dropping_nothing_are_no_errors(ledger):
    """As after a crash."""
    name, data = packed("{}")
    for _ in range(2):
        ledger._store.put({name: data})
    assert unpacked(name, ledger._store.get([name])[name]) == b"{}"
    for _ in range(2):
        ledger._store.drop([name])
    assert ledger._store.get([name]) == ledger._store.get([]) == {}


def test_a_folder_holds_whole_files_only(tmp_path):
    """A page is written beside its place and moved there: what is left by a crash has another name."""
    store = FolderPages(tmp_path / "pages")
    name, data = packed("{}")
    store.put({name: data})
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()] == [
        f"pages/{name[:2]}/{name}"
    ]


def test_a_store_that_cannot_be_used_says_so(tmp_path, monkeypatch):
    """A file in place of the folder, an unknown kind of address, a missing client, a store that answers with errors."""
    (tmp_path / "file").touch()
    with pytest.raises(ArchiveError, match="cannot be kept at"):
        FolderPages(tmp_path / "file").put({"ab": b""})
    with pytest.raises(InvalidRequest, match="nonsense"):
        RemotePages("nonsense://bucket/pages")
    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda _: (_ for _ in ()).throw(ImportError("Install s3fs")))
    with pytest.raises(MissingExtra, match="s3fs"):
        RemotePages("s3://bucket/pages")
    monkeypatch.undo()
    broken = RemotePages("memory://broken")

    def fails(*_, **__):
        raise PermissionError("no entry")

    broken._fs = type(
        "Broken", (), {"pipe": fails, "rm_file": fails, "cat": lambda *_, **__: {"/broken/ab/ab": OSError("gone")}}
    )()
    for use in (lambda: broken.put({"ab": b""}), lambda: broken.drop(["ab"]), lambda: broken.get(["ab"])):
        with pytest.raises(ArchiveError, match="memory://broken"):
            use()
