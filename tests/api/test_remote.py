"""An archive over a bucket: pages are drawn and read again from the object, which is fetched for it."""

import fsspec  # type: ignore[import-untyped]
import pytest

from paperlode.api.archive import Archive, IngestOptions
from paperlode.ingest.errors import SourceChanged, SourceNotFound

URL = "memory://archive/lease.pdf"


@pytest.fixture
def bucket(docs):
    """Two documents in fsspec's memory."""
    fs = fsspec.filesystem("memory")
    fs.put(str(docs / "lease.pdf"), "/archive/lease.pdf")
    fs.put(str(docs / "manual.pdf"), "/archive/deep/manual.pdf")
    yield fs
    fs.rm("/archive", recursive=True)


@pytest.fixture
def remote(bucket, tmp_path, word_model, parser):
    """An archive of them."""
    with Archive.create(tmp_path / "index", embedder=word_model) as archive:
        report = archive.ingest(["memory://archive"], parser=parser)
        assert [d.path for d in report.ingested] == ["memory://archive/deep/manual.pdf", URL]
        yield archive


def test_hits_tell_where_the_object_lies(remote):
    """The document's path is its address; nothing of it is left in the index folder."""
    hit = remote.search("How much is the rent?", limit=1)[0]
    record = remote.document(hit.document)
    assert (record.name, record.paths) == ("lease.pdf", (URL,))
    assert not remote.directory.fetched.exists()
    assert remote.document(URL) == record


def test_a_page_is_drawn_from_the_object(remote):
    """It is fetched for that, and gone afterwards."""
    assert remote.page_picture("lease.pdf", 1).startswith(b"\x89PNG")
    assert not remote.directory.fetched.exists()


def test_a_page_of_an_object_that_changed_or_is_gone_says_so(remote, bucket, docs):
    """By its address."""
    bucket.put(str(docs / "manual.pdf"), "/archive/lease.pdf")
    with pytest.raises(SourceChanged, match=URL):
        remote.page_picture(URL, 0)
    bucket.rm("/archive/lease.pdf")
    with pytest.raises(SourceNotFound, match=URL):
        remote.page_picture(URL, 0)


def test_flagged_pages_of_objects_are_read_again(remote, parser, monkeypatch):
    """And the document is searchable in its mended version, under its address."""
    from paperlode.ingest.document import PageFailure, ParsedPage

    failing = type(parser)()
    monkeypatch.setattr(failing, "fingerprint", "direct-0", raising=False)
    good = failing.parse

    def parse(source, pages):
        for page in good(source, pages):
            yield (
                ParsedPage(page.page, 1, 1, "direct-0", failure=PageFailure("page_timeout", f"{source.uri} is late"))
                if page.page == 1
                else page
            )

    monkeypatch.setattr(failing, "parse", parse)
    remote.ingest([URL], parser=failing)
    (failed,) = remote.failed_pages(URL)
    assert failed.message == f"{URL} is late"
    report = remote.reparse([URL], parser=parser)
    assert report.documents == [remote.document(URL).digest]
    assert remote.failed_pages(URL) == []
    assert not remote.directory.fetched.exists()


def test_an_object_over_the_limit_is_refused(bucket, tmp_path, word_model, parser):
    """With the setting that raises it."""
    with Archive.create(tmp_path / "index", embedder=word_model) as archive:
        report = archive.ingest(["memory://archive"], parser=parser, options=IngestOptions(fetch_bytes=10))
    assert [f.code for f in report.failed] == ["source_unreadable"] * 2
    assert "PAPERLODE_FETCH_LIMIT" in report.failed[0].hint
