"""Files that are gone: moved ones are found where they are now, missing ones are told, and removed when that is asked for."""

import pytest

from .test_pipeline import FakeParser, go, write


@pytest.fixture
def docs(tmp_path):
    """A folder of three documents, one of them deeper."""
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    for name, text in (("a.pdf", "one"), ("b.pdf", "two"), ("deep/c.pdf", "three")):
        write(folder / name, text)
    return folder


def told(report):
    """What the report says of files that are gone."""
    return [(g.path.rsplit("/", 1)[-1], g.held_by.rsplit("/", 1)[-1], g.removed) for g in report.gone]


def test_a_moved_file_is_parsed_by_nobody_and_found_where_it_is(docs, sink, ledger):
    """Its old path leaves the books, and the document has its new name."""
    go(docs, sink, ledger)
    (docs / "a.pdf").rename(docs / "deep" / "z.pdf")
    parser = FakeParser()
    report = go(docs, sink, ledger, parser)
    assert parser.parsed == []
    assert told(report) == [("a.pdf", "z.pdf", False)]
    record = ledger.document("z.pdf")
    assert record.paths == (str(docs / "deep" / "z.pdf"),) == (record.uri,)
    assert sink.texts() == ["one", "three", "two"]
    assert told(go(docs, sink, ledger)) == []


def test_a_copy_that_is_gone_leaves_its_document(docs, sink, ledger):
    """The other file holds it; nothing is removed, with or without being asked for."""
    write(docs / "copy.pdf", "one")
    go(docs, sink, ledger)
    (docs / "a.pdf").unlink()
    assert told(go(docs, sink, ledger, remove_missing=True)) == [("a.pdf", "copy.pdf", False)]
    assert ledger.document("copy.pdf").name == "copy.pdf"
    assert sink.texts() == ["one", "three", "two"]


def test_a_missing_file_is_told_until_its_removal_is_asked_for(docs, sink, ledger):
    """Its document stays searchable meanwhile; removed, nothing of it is left in index and ledger."""
    go(docs, sink, ledger)
    digest = ledger.document("c.pdf").digest
    (docs / "deep" / "c.pdf").unlink()
    for _ in range(2):
        assert told(go(docs, sink, ledger)) == [("c.pdf", "", False)]
        assert sink.texts() == ["one", "three", "two"]
    assert told(go(docs, sink, ledger, remove_missing=True)) == [("c.pdf", "", True)]
    assert sink.texts() == ["one", "two"]
    assert ledger.done_pages(digest, "fake-1") == set()
    assert told(go(docs, sink, ledger)) == []


def test_a_document_of_several_missing_files_goes_once(docs, sink, ledger):
    """Both paths are told."""
    write(docs / "copy.pdf", "one")
    go(docs, sink, ledger)
    (docs / "a.pdf").unlink()
    (docs / "copy.pdf").unlink()
    assert told(go(docs, sink, ledger, remove_missing=True)) == [("a.pdf", "", True), ("copy.pdf", "", True)]
    assert sink.texts() == ["three", "two"]
    assert sum(kind == "remove" for kind, _ in sink.diary) == 1


def test_only_the_folders_given_are_looked_at(docs, sink, ledger):
    """A file named by itself, a folder that is not there (a disk that is not mounted), another folder: nothing is gone."""
    go(docs, sink, ledger)
    other = docs.parent / "other"
    other.mkdir()
    write(other / "d.pdf", "four")
    (docs / "a.pdf").unlink()
    assert told(go([docs / "a.pdf", docs / "b.pdf"], sink, ledger, remove_missing=True)) == []
    assert told(go(other, sink, ledger, remove_missing=True)) == []
    docs.rename(docs.parent / "away")
    assert told(go(docs, sink, ledger, remove_missing=True)) == []
    assert sink.texts() == ["four", "one", "three", "two"]


def test_like_names_are_no_folders(docs, sink, ledger):
    """``docs_old`` is not in ``docs``, and signs of patterns in a folder's name mean themselves."""
    odd = docs.parent / "docs_%"
    odd.mkdir()
    write(odd / "e.pdf", "five")
    near = docs.parent / "DOCS_%"
    near.mkdir()
    write(near / "f.pdf", "six")
    go([docs, odd, near], sink, ledger)
    (odd / "e.pdf").unlink()
    (near / "f.pdf").unlink()
    write(odd / "g.pdf", "seven")
    assert told(go(odd, sink, ledger)) == [("e.pdf", "", False)]
