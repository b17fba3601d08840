"""A changed file holds a new version of its document: the same identity, and the same chunks where nothing changed."""

from __future__ import annotations

import time
from dataclasses import replace

from paperlode.ingest.parsing import local
from paperlode.ingest.parsing.local import LocalOptions, LocalParser
from paperlode.ingest.sources import open_source

from .test_pipeline import RECIPE, FakeParser, go, write

WORDS = [f"Page{n} " * 50 + "ends." for n in range(12)]


def chunks_of(sink):
    """Of the only searchable document."""
    ((_, chunks),) = sink.visible.items()
    return chunks


def test_a_changed_file_is_the_same_document(tmp_path, sink, ledger):
    """It keeps its identity; the ledger says what bytes it holds now, and nothing is kept of those before."""
    path = write(tmp_path / "a.pdf", "one", "two")
    go(path, sink, ledger)
    (before,) = ledger.documents()
    assert before.digest == before.content == open_source(path).digest
    write(path, "one", "2", "three")
    report = go(path, sink, ledger)
    (after,) = ledger.documents()
    assert (after.digest, after.content) == (before.digest, open_source(path).digest)
    assert (after.page_count, after.size) == (3, path.stat().st_size)
    assert report.ingested[0].digest == before.digest
    assert set(sink.visible) == {before.digest}
    assert ledger.done_pages(before.content, RECIPE.parser) == set()
    assert not ledger.prints.known(before.content)
    assert go(path, sink, ledger).skipped == [str(path)]


def test_chunks_of_pages_that_did_not_change_keep_their_ids(tmp_path, sink, ledger):
    """Also where there are more pages and chunks before them than there were."""
    path = write(tmp_path / "a.pdf", *WORDS)
    go(path, sink, ledger)
    old = {c.id: c for c in chunks_of(sink)}
    write(path, *WORDS[:5], "Other " * 300 + "ends.", *WORDS[6:])
    go(path, sink, ledger)
    new = {c.id: c for c in chunks_of(sink)}
    assert {p for i in old.keys() - new.keys() for p in old[i].pages} == {5}
    assert {p for i in new.keys() - old.keys() for p in new[i].pages} == {5}
    assert any(old[i].ordinal != new[i].ordinal for i in old.keys() & new.keys())
    assert [c.ordinal for c in chunks_of(sink)] == list(range(len(new)))


def test_a_file_with_copies_begins_a_new_document(tmp_path, sink, ledger):
    """The others still hold what it held."""
    path, copy = write(tmp_path / "a.pdf", "one"), write(tmp_path / "b.pdf", "one")
    go([path, copy], sink, ledger)
    (first,) = ledger.documents()
    write(path, "two")
    go([path, copy], sink, ledger)
    assert {(d.digest, d.content, d.paths) for d in ledger.documents()} == {
        (first.digest, first.digest, (str(copy),)),
        (open_source(path).digest, open_source(path).digest, (str(path),)),
    }


def test_bytes_whose_document_moved_on_make_another_one(tmp_path, sink, ledger):
    """Of two documents that were first seen with the same bytes each has an identity of its own."""
    path = write(tmp_path / "a.pdf", "one")
    go(path, sink, ledger)
    write(path, "two")
    go(path, sink, ledger)
    other = write(tmp_path / "b.pdf", "one")
    go(other, sink, ledger)
    first, second = (ledger.document_at(str(p)) for p in (path, other))
    assert first.digest == second.content == open_source(other).digest
    assert second.digest not in {first.digest, first.content}
    assert len(sink.visible) == 2
    assert ledger.document(first.content).digest == first.digest


def test_a_version_that_failed_leaves_the_older_one(tmp_path, sink, ledger):
    """In the books too: its pages and size; and the next version takes its place."""
    path = write(tmp_path / "a.pdf", "one", "two")
    go(path, sink, ledger)
    (before,) = ledger.documents()
    write(path, "FAIL")
    assert len(go(path, sink, ledger).failed) == 1
    (still,) = ledger.documents()
    assert (still.status, still.content, still.page_count) == ("indexed", before.content, 2)
    assert ledger.done_pages(before.content, RECIPE.parser) == {0, 1}
    failed = open_source(path).digest
    write(path, "one", "two", "three")
    assert not go(path, sink, ledger).failed
    assert ledger.done_pages(failed, RECIPE.parser) == set()
    assert [d.digest for d in ledger.documents()] == [before.digest]


def test_several_documents_wait_for_one_flush(tmp_path, sink, ledger):
    """None counts as done before it; all do after it."""
    paths = [write(tmp_path / f"{n}.pdf", f"text {n}") for n in range(9)]
    done = []
    plain = sink.flush

    def flush():
        done.append(sum(d.status == "indexed" for d in ledger.documents()))
        plain()

    sink.flush = flush
    go(paths, sink, ledger)
    assert done[0] == 0
    assert len(done) < 9
    assert {d.status for d in ledger.documents()} == {"indexed"}


class NewParser(FakeParser):
    """A later version: pages that begin with a capital come out the same."""

    fingerprint = "fake-2"

    def stands(self, read_by):
        return read_by.endswith("/capital")


class OldParser(FakeParser):
    """Says which way it read a page."""

    def page(self, n, text):
        made = super().page(n, text)
        return replace(made, parser="fake-1/capital" if text[0].isupper() else "fake-1/small")


def test_a_new_parser_reads_only_what_it_would_change(tmp_path, sink, ledger):
    """What an older version read, and would be read the same, is taken over; what failed is not."""
    path = write(tmp_path / "a.pdf", "One", "two", "FAIL", "Four", "five")
    go(path, sink, ledger, OldParser())
    new = NewParser()
    recipe = replace(RECIPE, parser="fake-2")
    report = go(path, sink, ledger, new, recipe=recipe)
    assert sorted(n for _, n in new.parsed) == [1, 2, 4]
    assert (report.pages_parsed, report.pages_kept) == (3, 2)
    assert ledger.done_pages(open_source(path).digest, "fake-1") == set()
    assert go(path, sink, ledger, new, recipe=recipe).skipped


def test_the_local_parser_knows_since_when_each_way_reads_as_it_does(monkeypatch):
    """A version that changes how scans are read leaves the other pages as they are."""
    parser = LocalParser(workers=1)
    now = local.NUMBER
    assert parser.stands(f"local-{now}/plain")
    assert not any(
        map(parser.stands, ("local-1/plain", f"local-{now}/other", "paddleocr-vl-1/x", f"local-{now + 1}/plain", ""))
    )
    assert not LocalParser(options=LocalOptions(route="scan"), workers=1).stands(f"local-{now}/scan")
    monkeypatch.setattr(local, "NUMBER", now + 1)
    monkeypatch.setitem(local.SINCE, "scan", now + 1)
    assert parser.stands(f"local-{now}/plain")
    assert not parser.stands(f"local-{now}/scan")
    assert parser.stands(f"local-{now + 1}/scan")


def test_files_that_changed_places_are_both_taken(tmp_path, sink, ledger):
    """In one run: each holds what the other held."""
    one, two = write(tmp_path / "a.pdf", "one"), write(tmp_path / "b.pdf", "two", "pages")
    go([one, two], sink, ledger)
    write(one, "two", "pages")
    write(two, "one")
    report = go([one, two], sink, ledger)
    assert not report.failed
    assert {(d.content, d.paths) for d in ledger.documents()} == {
        (open_source(p).digest, (str(p),)) for p in (one, two)
    }
    assert len(sink.visible) == 2
    assert go([one, two], sink, ledger).skipped == [str(one), str(two)]


def test_a_copy_of_what_a_file_held_before_is_a_document_of_its_own(tmp_path, sink, ledger):
    """Also where both are met in one run: the later version does not take the copy with it."""
    path, copy = write(tmp_path / "a.pdf", "one"), tmp_path / "b.pdf"
    go(path, sink, ledger)
    write(path, "one", "more")
    write(copy, "one")
    assert not go([path, copy], sink, ledger).failed
    assert {(d.content, d.paths) for d in ledger.documents()} == {
        (open_source(p).digest, (str(p),)) for p in (path, copy)
    }
    assert len(sink.visible) == 2


def test_the_first_of_several_copies_names_the_document(tmp_path, sink, ledger):
    """Whichever of them is read faster."""

    class Slow(FakeParser):
        def page_count(self, source):
            time.sleep(0.02)
            return super().page_count(source)

    for n in range(8):
        paths = [write(tmp_path / f"{n}-{k}.pdf", f"text {n}") for k in range(3)]
        assert not go(paths, sink, ledger, Slow(), lanes=3).failed
        assert ledger.document_at(str(paths[2])).name == f"{n}-0.pdf"
