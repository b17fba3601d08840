"""What the ledger remembers, and how it fails."""

import threading
from dataclasses import replace

import pytest

from paperlode.ingest.document import Block, Box, Kind, PageBox, PageFailure, ParsedPage, Source
from paperlode.ingest.errors import (
    ArchiveCorrupt,
    DocumentNotFound,
    InvalidRequest,
    SchemaMismatch,
    SourceCorrupt,
    StorageFull,
)
from paperlode.ingest.ledger import Arrival, Ledger, Recipe
from paperlode.ingest.ledger_tables import meta
from paperlode.ingest.page_store import blobs
from paperlode.ingest.sources import Stamp

RECIPE = Recipe("fake-1", "chunker-1", "embedder-1")
STAMP = Stamp(1_000_000_000, 9, 7)


def source(name="a.pdf", digest="a" * 64, folder="/docs"):
    return Source(f"{folder}/{name}", name, "application/pdf", digest, 9)


def page(number, *, failure=None):
    block = Block(Kind.TEXT, f"page {number} 第", (PageBox(number, Box(1, 2, 3.25, 4)),))
    return ParsedPage(number, 612, 792, "fake-1", () if failure else (block,), failure=failure)


def test_pages_come_back_as_they_were_in_order(ledger):
    """A saved page equals the page read back; order is by page number, whatever the order of saving."""
    ledger.begin(source(), 200, RECIPE)
    pages = [page(n) for n in range(200)]
    ledger.save_pages("a" * 64, "fake-1", pages[100:])
    for p in pages[:100]:
        ledger.save_page("a" * 64, "fake-1", p)
    assert list(ledger.pages("a" * 64, "fake-1")) == pages
    assert list(ledger.pages("a" * 64, "fake-1", start=70, stop=140)) == pages[70:140]
    assert ledger.done_pages("a" * 64, "fake-1") == set(range(200))
    assert ledger.done_pages("a" * 64, "fake-2") == set()


def test_a_failed_page_is_kept_with_its_reason(ledger):
    """Failed pages are accounted for, and can be told from those that were parsed."""
    ledger.begin(source(), 2, RECIPE)
    ledger.save_pages("a" * 64, "fake-1", [page(0), page(1, failure=PageFailure("page_timeout", "late"))])
    assert ledger.done_pages("a" * 64, "fake-1") == {0, 1}
    assert ledger.done_pages("a" * 64, "fake-1", whole=True) == {0}
    (failed,) = ledger.failed_pages("a" * 64, "fake-1")
    assert (failed.page, failed.code, failed.message) == (1, "page_timeout", "late")
    ledger.finish(Arrival(source(), RECIPE, STAMP, pages=2, chunks=1))
    assert ledger.is_done("a" * 64, RECIPE)
    assert not ledger.is_done("a" * 64, RECIPE, whole=True)


def test_done_means_finished_with_the_same_recipe(ledger):
    """A document begun is not done; one finished is, for the recipe it was made with only."""
    ledger.begin(source(), 1, RECIPE)
    assert not ledger.is_done("a" * 64, RECIPE)
    assert ledger.staging() == {"a" * 64: "pending"}
    ledger.finish(Arrival(source(), RECIPE, STAMP, pages=1, chunks=3))
    assert ledger.is_done("a" * 64, RECIPE)
    assert not ledger.is_done("a" * 64, Recipe("fake-1", "chunker-2", "embedder-1"))
    assert ledger.staging() == {}


def test_a_new_version_under_way_leaves_the_record_of_the_searchable_one(ledger):
    """Until the new version is finished, and if it fails, the old one stays recorded as indexed."""
    ledger.begin(source(), 1, RECIPE)
    ledger.finish(Arrival(source(), RECIPE, STAMP, pages=1, chunks=3))
    ledger.begin(source(), 1, Recipe("fake-2", "chunker-1", "embedder-1"))
    ledger.fail("/docs/a.pdf", SourceCorrupt("broken"), digest="a" * 64)
    (record,) = ledger.documents()
    assert (record.status, record.recipe, record.chunks) == ("indexed", RECIPE, 3)


def test_pages_of_other_parsers_go_when_a_document_is_finished(ledger):
    """The ledger keeps one set of pages a finished document."""
    ledger.begin(source(), 1, RECIPE)
    ledger.save_page("a" * 64, "fake-0", page(0))
    ledger.save_page("a" * 64, "fake-1", page(0))
    ledger.finish(Arrival(source(), RECIPE, STAMP, pages=1, chunks=1))
    assert ledger.done_pages("a" * 64, "fake-0") == set()
    assert ledger.done_pages("a" * 64, "fake-1") == {0}


def test_files_that_are_done_are_known_with_their_stamp(ledger):
    """Only as the recipe makes them; one that was touched just now has a stamp that no file has, and must be read."""
    import time

    ledger.begin(source(), 1, RECIPE)
    ledger.finish(Arrival(source(), RECIPE, STAMP, pages=1, chunks=1))
    ledger.begin(source("b.pdf", "b" * 64), 1, RECIPE)
    files = ["/docs/a.pdf", "/docs/b.pdf", "/docs/c.pdf"]
    assert ledger.done_among(files, RECIPE) == {"/docs/a.pdf": STAMP}
    assert ledger.done_among(files, replace(RECIPE, parser="fake-2")) == {}
    assert ledger.done_among(files, replace(RECIPE, chunker="other")) == {}
    assert ledger.done_among(files[1:], RECIPE) == {}
    now = STAMP._replace(mtime_ns=time.time_ns())
    ledger.add_path("/docs/a.pdf", "a" * 64, now)
    assert ledger.done_among(files, RECIPE)["/docs/a.pdf"] != now


def test_documents_are_found_by_every_name(ledger):
    """Digest, its prefix, path, file name and stem lead to the document; ambiguity and absence are clear errors."""
    ledger.begin(source("report.v2.pdf", "abcdef" + "0" * 58), 1, RECIPE)
    ledger.finish(Arrival(source("report.v2.pdf", "abcdef" + "0" * 58), RECIPE, STAMP, pages=1, chunks=1))
    for ref in ("abcdef" + "0" * 58, "abcdef", "/docs/report.v2.pdf", "report.v2.pdf", "report.v2"):
        assert ledger.document(ref).digest.startswith("abcdef")
    for ref in ("abcde", "report", "%", ""):
        with pytest.raises(DocumentNotFound):
            ledger.document(ref)
    ledger.begin(source("report.v2.pdf", "abcdef" + "1" * 58, folder="/other"), 1, RECIPE)
    with pytest.raises(InvalidRequest, match="2 documents"):
        ledger.document("report.v2.pdf")


def test_failures_are_kept_until_the_file_is_taken(ledger, tmp_path):
    """A failure shows until the file succeeds or is gone."""
    ledger.fail(str(tmp_path / "b.pdf"), SourceCorrupt("b is broken.", hint="Get it again."))
    (failure,) = ledger.failures()
    assert (failure.code, failure.what, failure.hint) == ("source_corrupt", "b is broken.", "Get it again.")
    (tmp_path / "b.pdf").touch()
    ledger.prune_failures()
    assert ledger.counts().failures == 1
    ledger.add_path(str(tmp_path / "b.pdf"), "b" * 64, STAMP)
    assert ledger.counts().failures == 0
    ledger.fail(str(tmp_path / "gone.pdf"), SourceCorrupt("gone"))
    ledger.prune_failures()
    assert ledger.failures() == []


def test_an_orphan_is_a_document_whose_only_path_moved_on(ledger):
    """When the path holds another content, the old document is an orphan; with a second path it is none."""
    ledger.begin(source(), 1, RECIPE)
    ledger.finish(Arrival(source(), RECIPE, STAMP, pages=1, chunks=1))
    ledger.add_path("/docs/copy.pdf", "a" * 64, STAMP)
    ledger.begin(source(digest="b" * 64), 1, RECIPE)
    ledger.finish(Arrival(source(digest="b" * 64), RECIPE, STAMP, pages=1, chunks=1))
    assert ledger.orphans() == []
    ledger.add_path("/docs/copy.pdf", "b" * 64, STAMP)
    assert ledger.orphans() == ["a" * 64]
    ledger.remove("a" * 64)
    assert [d.paths for d in ledger.documents()] == [("/docs/a.pdf", "/docs/copy.pdf")]


def test_counts_add_up_the_indexed_documents(ledger):
    """Pending documents do not count."""
    ledger.begin(source(), 4, RECIPE)
    assert ledger.counts().documents == 0
    ledger.finish(Arrival(source(), RECIPE, STAMP, pages=4, chunks=5))
    assert (ledger.counts().documents, ledger.counts().pages, ledger.counts().chunks) == (1, 4, 5)


def test_any_text_comes_back_as_it_was(ledger):
    """Also what databases refuse: NUL in messages, lone surrogates in names that are not UTF-8; and the mark of both."""
    odd = ["/docs/caf\udce9.pdf", "/docs/\U0010ffff0000e9.pdf", "/docs/a%_\\b.pdf", "/docs/𠀀.pdf", "/docs/Z.pdf"]
    for path in odd:
        ledger.fail(path, SourceCorrupt(f"{path}: a\0b", hint="\0"))
        ledger.add_path(f"{path}x", "a" * 64, STAMP)
    assert {(f.path, f.what, f.hint) for f in ledger.failures()} == {(p, f"{p}: a\0b", "\0") for p in odd}
    assert dict(ledger.paths_in("/docs")) == {f"{p}x": "a" * 64 for p in odd}
    assert ledger.done_among(odd, RECIPE) == {}
    ledger.begin(source(), 1, RECIPE)
    ledger.save_page("a" * 64, "fake-1", page(0, failure=PageFailure("page_unreadable", "\0x")))
    assert ledger.failed_pages("a" * 64, "fake-1")[0].message == "\0x"
    with pytest.raises(DocumentNotFound):
        ledger.document("a\0b")


def test_names_and_paths_are_in_order_of_their_characters(ledger):
    """Not in that of a language, which databases may have: large letters before small ones, whatever has an accent behind."""
    names = ["B.pdf", "_.pdf", "a b.pdf", "a-c.pdf", "a.pdf", "aa.pdf", "b.pdf", "é.pdf", "第.pdf", "𠀀.pdf"]
    for n, name in enumerate(reversed(names)):
        ledger.begin(source(name, f"{n:064}"), 1, RECIPE)
        ledger.finish(Arrival(source(name, f"{n:064}"), RECIPE, STAMP, pages=1, chunks=1))
        ledger.fail(name, SourceCorrupt("broken"))
        ledger.add_path(f"/docs/copies/{name}", "0" * 64, STAMP)
    assert names == sorted(names)
    assert [d.name for d in ledger.documents()] == names
    assert [f.path for f in ledger.failures()] == names
    assert [p for p, _ in ledger.paths_in("/docs/copies")] == [f"/docs/copies/{n}" for n in names]
    held = ledger.document("0" * 64).paths
    assert list(held) == sorted(held)


def test_names_of_very_many_documents_are_asked_for_at_once(ledger):
    """More than a statement of any database takes."""
    ledger.begin(source(), 1, RECIPE)
    assert ledger.names([*(f"{n:064}" for n in range(70_000)), "a" * 64]) == {"a" * 64: "a.pdf"}


def test_threads_may_share_it(ledger):
    """Pages saved from several threads at once all arrive."""
    ledger.begin(source(), 80, RECIPE)
    threads = [
        threading.Thread(target=lambda k=k: [ledger.save_page("a" * 64, "fake-1", page(n)) for n in range(k, k + 20)])
        for k in range(0, 80, 20)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(ledger.done_pages("a" * 64, "fake-1")) == 80


def test_what_is_saved_survives_without_close(tmp_path):
    """A second ledger on the same file sees what the first has written, though the first never closed."""
    first = Ledger.open(tmp_path / "l.sqlite")
    first.begin(source(), 1, RECIPE)
    first.save_page("a" * 64, "fake-1", page(0))
    second = Ledger.open(f"sqlite:///{tmp_path}/l.sqlite")
    assert second.done_pages("a" * 64, "fake-1") == {0}
    first.close()
    second.close()


def test_a_file_that_is_no_database_is_corrupt(tmp_path):
    """Garbage in place of the ledger is ArchiveCorrupt with what to do."""
    (tmp_path / "l.sqlite").write_bytes(b"garbage " * 1000)
    with pytest.raises(ArchiveCorrupt, match="ingest again"):
        Ledger.open(tmp_path / "l.sqlite")


def test_a_damaged_page_is_corrupt(ledger):
    """A page blob that does not decode is named by page and document."""
    ledger.begin(source(), 1, RECIPE)
    ledger.save_page("a" * 64, "fake-1", page(0))
    with ledger._work() as db:
        db.execute(blobs.update().values(data=b"nonsense"))
    with pytest.raises(ArchiveCorrupt, match="Page 1 of document aaaaaaaaaaaa"):
        list(ledger.pages("a" * 64, "fake-1"))


def test_a_later_ledger_is_refused_naming_both_versions(ledger, ledger_place):
    """The message names the version found and the one wanted."""
    with ledger._work() as db:
        db.execute(meta.update().values(value="99"))
    ledger.close()
    with pytest.raises(SchemaMismatch, match="version 99, this paperlode reads 2"):
        Ledger.open(ledger_place)


def test_a_full_database_is_storage_full_and_keeps_what_it_has(tmp_path):
    """When SQLite has no room, the error is ours and earlier pages stay."""
    import sqlalchemy as sa

    ledger = Ledger.open(tmp_path / "l.sqlite")
    ledger.begin(source(), 3, RECIPE)
    ledger.save_page("a" * 64, "fake-1", page(0))
    sa.event.listen(ledger._engine, "checkout", lambda c, *_: c.execute("PRAGMA max_page_count=1"))
    big = ParsedPage(1, 1, 1, "fake-1", tuple(page(1).blocks[0] for _ in range(1)), flags=(noise(),))
    with pytest.raises(StorageFull, match="Free some space"):
        ledger.save_page("a" * 64, "fake-1", big)
    assert ledger.done_pages("a" * 64, "fake-1") == {0}
    ledger.close()


def noise():
    import random

    return "".join(chr(random.Random(1).randrange(32, 50_000)) for _ in range(1)) + "".join(
        f"{random.Random(n).random()}" for n in range(20_000)
    )
