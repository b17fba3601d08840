"""Documents in buckets and at web addresses: found, known by their version, fetched for as long as they are read."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import os
import threading
import time

import fsspec  # type: ignore[import-untyped]
import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from paperlode.ingest.addresses import is_url, local_file, name_of, scrubbed, shown
from paperlode.ingest.copies import Copies
from paperlode.ingest.errors import (
    InvalidRequest,
    MissingExtra,
    SourceChanged,
    SourceError,
    SourceUnreadable,
    StorageFull,
)
from paperlode.ingest.objects import RemoteFile, check_addresses, discover_all, remote_file

from .test_pipeline import FakeParser, go


class CountingMemory(MemoryFileSystem):  # type: ignore[misc]
    """fsspec's file system in memory, which notes what is opened, and fails where it is told to."""

    protocol = "bucket"
    store: dict = {}  # noqa: RUF012
    pseudo_dirs: list = [""]  # noqa: RUF012
    opened: list = []  # noqa: RUF012
    broken: dict = {}  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path):
        return "/" + path.removeprefix("bucket://").strip("/")

    def _open(self, path, mode="rb", **kwargs):
        if mode == "rb":
            self.opened.append(path)
            if error := self.broken.get(path):
                raise error
        return super()._open(path, mode, **kwargs)

    def ls(self, path, detail=True, **kwargs):
        if error := self.broken.get(self._strip_protocol(path)):
            raise error
        found = super().ls(path, detail=detail, **kwargs)
        return [self._tagged(i) for i in found] if detail else found

    def info(self, path, **kwargs):
        return self._tagged(super().info(path, **kwargs))

    def _tagged(self, info):
        if info["type"] == "file":
            info["ETag"] = hashlib.md5(self.store[info["name"]].getvalue()).hexdigest()  # noqa: S324
        return info


fsspec.register_implementation("bucket", CountingMemory, clobber=True)


@pytest.fixture
def bucket():
    """An empty bucket."""
    for kept in (CountingMemory.store, CountingMemory.opened, CountingMemory.broken):
        kept.clear()
    CountingMemory.pseudo_dirs[:] = [""]
    yield fsspec.filesystem("bucket")
    CountingMemory.store.clear()


def put(fs, path, *lines):
    """A document of these pages."""
    fs.pipe_file(path, "\n".join(("%PDF-fake", *lines)).encode())


def names(paths, **kw):
    """What is found, errors by their kind."""
    return [
        type(i).__name__ if isinstance(i, SourceError) else getattr(i, "uri", str(i))
        for _, i in discover_all(paths, **kw)
    ]


def test_a_bucket_is_searched_to_the_bottom(bucket, tmp_path):
    """In order, each once, hidden ones and other kinds left out, beside paths; a glob gives what matches."""
    for path in ("/b/r/z.pdf", "/b/r/a.pdf", "/b/r/deep/er/c.PNG", "/b/r/.hidden.pdf", "/b/r/notes.txt", "/b/q/x.pdf"):
        put(bucket, path, "one")
    (tmp_path / "local.pdf").write_text("%PDF-fake")
    found = ["bucket://b/r/a.pdf", "bucket://b/r/deep/er/c.PNG", "bucket://b/r/z.pdf"]
    assert names(["bucket://b/r/"]) == names(["bucket://b/r"]) == found
    assert names(["bucket://b/r/z.pdf", tmp_path, "bucket://b/r"]) == [
        found[2],
        str(tmp_path / "local.pdf"),
        *found[:2],
    ]
    assert names(["bucket://b/*/?.pdf"]) == ["bucket://b/q/x.pdf", "bucket://b/r/a.pdf", "bucket://b/r/z.pdf"]
    assert names(["bucket://b/r/notes.txt"]) == ["bucket://b/r/notes.txt"]
    assert names(["bucket://b/none", "bucket://b/n*"]) == ["SourceNotFound", "SourceNotFound"]


def test_objects_become_documents_by_their_address(bucket, sink, ledger, tmp_path):
    """Name, path and digest stand in the ledger; the copies are gone, and unchanged objects are not read again."""
    put(bucket, "/b/r/a.pdf", "one", "two")
    put(bucket, "/b/r/deep/b.pdf", "three")
    copies = Copies(tmp_path / "fetched")
    report = go(["bucket://b/r"], sink, ledger, copies=copies)
    assert [d.path for d in report.ingested] == ["bucket://b/r/a.pdf", "bucket://b/r/deep/b.pdf"]
    record = ledger.document("bucket://b/r/a.pdf")
    assert (record.name, record.uri, record.paths) == ("a.pdf", "bucket://b/r/a.pdf", ("bucket://b/r/a.pdf",))
    assert not (tmp_path / "fetched").exists()
    CountingMemory.opened.clear()
    parser = FakeParser()
    report = go(["bucket://b/r"], sink, ledger, parser, copies=copies)
    assert report.skipped == ["bucket://b/r/a.pdf", "bucket://b/r/deep/b.pdf"]
    assert CountingMemory.opened == parser.parsed == []


def test_only_the_object_that_changed_is_fetched(bucket, sink, ledger):
    """And of it only the page that shows something else is parsed."""
    put(bucket, "/b/a.pdf", "one", "two")
    put(bucket, "/b/b.pdf", "three")
    go(["bucket://b"], sink, ledger)
    CountingMemory.opened.clear()
    put(bucket, "/b/a.pdf", "one", "other")
    parser = FakeParser()
    go(["bucket://b"], sink, ledger, parser)
    assert CountingMemory.opened == ["/b/a.pdf"]
    assert [n for _, n in parser.parsed] == [1]
    assert sink.texts() == ["oneother", "three"]


def test_the_same_document_here_and_there_is_one(bucket, sink, ledger, tmp_path):
    """It has both paths."""
    put(bucket, "/b/a.pdf", "one")
    (tmp_path / "mine.pdf").write_text("%PDF-fake\none")
    go([tmp_path / "mine.pdf", "bucket://b"], sink, ledger)
    assert ledger.document("mine.pdf").paths == tuple(sorted([str(tmp_path / "mine.pdf"), "bucket://b/a.pdf"]))


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (FileNotFoundError("x"), "source_not_found", "There is no file"),
        (PermissionError("AKIA secret"), "source_unreadable", "No permission to read bucket://b/b.pdf."),
        (ConnectionResetError("by peer"), "source_unreadable", "cannot be read: ConnectionResetError: by peer"),
        (OSError("https://u:pw@h/x?sig=abc refused"), "source_unreadable", "https://h/x?… refused"),
    ],
)
def test_an_object_that_cannot_be_had_fails_alone(bucket, sink, ledger, error, kind, words):  # noqa: PLR0917
    """With its address and the reason, and no secret of the library's message."""
    for name in "abc":
        put(bucket, f"/b/{name}.pdf", name)
    CountingMemory.broken["/b/b.pdf"] = error
    report = go(["bucket://b"], sink, ledger)
    assert sink.texts() == ["a", "c"]
    (problem,) = report.failed
    assert (problem.path, problem.code) == ("bucket://b/b.pdf", kind)
    assert words in problem.what
    assert "secret" not in problem.what + problem.hint
    CountingMemory.broken.clear()
    assert len(go(["bucket://b"], sink, ledger).ingested) == 1
    assert ledger.failures() == []


def test_a_transfer_that_breaks_off_is_no_document(bucket, tmp_path, monkeypatch):
    """Fewer bytes than told, or more, or another version afterwards: said, and nothing stays on the disk."""
    put(bucket, "/b/a.pdf", "one")
    file = remote_file("bucket://b/a.pdf")
    copies = Copies(tmp_path / "fetched")
    told = dict(bucket.info("/b/a.pdf"))
    for size, error in ((1000, SourceUnreadable), (3, SourceChanged)):
        monkeypatch.setattr(CountingMemory, "info", lambda _self, _path, size=size: told | {"size": size})
        with pytest.raises(error, match=r"bucket://b/a\.pdf"), copies.of(file):
            pass
        assert not (tmp_path / "fetched").exists()
    tags = iter(("v1", "v2"))
    monkeypatch.setattr(CountingMemory, "info", lambda _self, _path: told | {"ETag": next(tags)})
    with pytest.raises(SourceChanged, match="changed while it was fetched"), copies.of(file):
        pass


def test_copies_are_bounded(bucket, tmp_path):
    """What would be too much at a time waits; what alone is too much is refused; a full disk ends the run."""
    for n in range(4):
        bucket.pipe_file(f"/b/{n}.pdf", b"x" * 40)
    copies = Copies(tmp_path / "fetched", most_bytes=100)
    sizes = []

    def fetch(n):
        with copies.of(remote_file(f"bucket://b/{n}.pdf")):
            time.sleep(0.05)
            there = 0
            for path in (tmp_path / "fetched").iterdir():
                with contextlib.suppress(FileNotFoundError):  # another one's, just let go of
                    there += path.stat().st_size
            sizes.append(there)

    threads = [threading.Thread(target=fetch, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(sizes) == 4
    assert max(sizes) <= 80
    bucket.pipe_file("/b/big.pdf", b"x" * 101)
    with pytest.raises(SourceUnreadable, match="PAPERLODE_FETCH_LIMIT"), copies.of(remote_file("bucket://b/big.pdf")):
        pass
    huge = Copies(tmp_path / "fetched", most_bytes=10**18)
    full = RemoteFile("bucket://b/0.pdf", "0.pdf", _Huge(), "/b/0.pdf")
    with pytest.raises(StorageFull, match="free"), huge.of(full):
        pass


class _Huge:
    def invalidate_cache(self, path=None):
        pass

    def info(self, path):
        return {"size": 10**17, "type": "file"}


def test_what_a_killed_run_left_is_cleared(bucket, tmp_path):
    """And an object's name is never a name here."""
    (tmp_path / "fetched").mkdir()
    (tmp_path / "fetched" / "old").write_text("x")
    put(bucket, "/b/C:\\..%2f..%2fevil name.pdf", "one")
    (file,) = (i for _, i in discover_all(["bucket://b"]))
    assert isinstance(file, RemoteFile)
    with Copies(tmp_path / "fetched").of(file) as copy:
        assert [p.name for p in (tmp_path / "fetched").iterdir()] == [copy.path.name]
        assert copy.path.name.replace("-", "").isalnum()


def test_objects_that_are_gone_are_found_moved_or_told(bucket, sink, ledger):
    """As files are; of a bucket that is empty or cannot be listed nothing is said."""
    for name in "abc":
        put(bucket, f"/b/r/{name}.pdf", name)
    go(["bucket://b/r"], sink, ledger)
    bucket.mv("/b/r/a.pdf", "/b/r/deep/z.pdf")
    bucket.rm("/b/r/b.pdf")
    CountingMemory.broken["/b/r/deep"] = PermissionError()
    assert go(["bucket://b/r"], sink, ledger, remove_missing=True).gone == []
    CountingMemory.broken.clear()
    gone = go(["bucket://b/r"], sink, ledger, remove_missing=True).gone
    assert [(g.path, g.held_by, g.removed) for g in gone] == [
        ("bucket://b/r/a.pdf", "bucket://b/r/deep/z.pdf", False),
        ("bucket://b/r/b.pdf", "", True),
    ]
    assert sink.texts() == ["a", "c"]
    assert ledger.failures() == []
    bucket.rm("/b/r", recursive=True)
    assert go(["bucket://b/r"], sink, ledger, remove_missing=True).gone == []
    assert sink.texts() == ["a", "c"]


@pytest.mark.parametrize(
    ("info", "other", "same"),
    [
        ({"ETag": '"a"', "size": 1}, {"etag": "a", "size": 1}, True),
        ({"ETag": '"a"', "size": 1}, {"ETag": '"b"', "size": 1}, False),
        ({"size": 1, "Last-Modified": "Mon, 30 Nov 2026 21:54:59 GMT"}, {"size": 1, "mtime": 1796075699}, True),
        ({"size": 1, "mtime": 5.0}, {"size": 2, "mtime": 5.0}, False),
        ({"size": 1, "LastModified": "2026-11-30T21:54:59+00:00"}, {"size": 1, "mtime": 1796075699}, True),
    ],
)
def test_a_version_is_known_by_what_the_file_system_tells(info, other, same):
    """A tag before a time; the same in a listing and asked for alone, whatever the names."""
    one, two = (RemoteFile("b://x", "x", None, "x", i).stamp() for i in (info, other))
    assert (one == two) is same


def test_addresses_are_shown_without_secrets():
    """User, password and parameters are nowhere; documents that differ by parameters stay apart, signatures do not count."""
    signed = "https://me:pw@h.org/get%20it.pdf?id=5&X-Amz-Signature=abc&X-Amz-Date=1#f"
    assert shown(signed) == shown("https://h.org/get%20it.pdf?X-Amz-Signature=other&id=5") == shown(shown(signed))
    assert shown(signed) != shown("https://h.org/get%20it.pdf?id=6")
    assert not any(s in shown(signed) for s in ("me", "pw", "abc", "id"))
    assert name_of(shown(signed)) == "get it.pdf"
    assert shown("sftp://u:p@h:22/a@b.pdf") == "sftp://h:22/a@b.pdf"
    assert shown("abfs://box@acc.net/a.pdf") == "abfs://box@acc.net/a.pdf"
    assert scrubbed("at https://u:p@h/x?a=b and s3://k:s@b/y") == "at https://h/x?… and s3://b/y"
    for bad in ("sftp://u:p/q@h/a.pdf", "zip://x::s3://b/a.zip"):
        with pytest.raises(InvalidRequest) as told:
            check_addresses([bad])
        assert "u:p" not in str(told.value)


def test_a_recorded_address_that_lacks_its_parameters_says_so():
    """It cannot be fetched again."""
    with pytest.raises(SourceUnreadable, match="whole address"):
        remote_file(shown("https://h.org/get?id=5"))


def test_file_urls_are_paths(tmp_path, sink, ledger):
    """The document is the same as by its path, whether the URL is encoded or not."""
    path = tmp_path / "a b.pdf"
    path.write_text("%PDF-fake\none")
    go([path.as_uri(), f"file://{path}"], sink, ledger)
    assert ledger.document("a b.pdf").paths == (str(path),)
    assert not is_url(path.as_uri())
    assert local_file("plain") == "plain"


def test_what_is_not_installed_is_said_before_anything_runs(sink, ledger, monkeypatch):
    """The package and the command; an unknown kind of address is a mistake."""

    def refuse(url, **_):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", refuse)
    with pytest.raises(MissingExtra, match="pip install s3fs"):
        go(["s3://bucket/x"], sink, ledger)
    monkeypatch.undo()
    with pytest.raises(InvalidRequest, match="nosuch://"):
        go(["nosuch://bucket/x"], sink, ledger)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; ``/secret`` is denied, what is asked for is noted."""

    asked: list = []  # noqa: RUF012

    def log_message(self, *_):
        pass

    def send_head(self):
        self.asked.append((self.command, self.path))
        if self.path.startswith("/secret"):
            self.send_error(403)
            return None
        return super().send_head()


@pytest.fixture
def web(tmp_path):
    """A folder served over HTTP: (its address, the folder)."""
    folder = tmp_path / "web"
    folder.mkdir()
    Handler.asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()
    thread.join()


def test_web_addresses_are_read(web, sink, ledger):
    """A folder that the server lists, to the bottom; files by name; what is denied or missing says so."""
    address, folder = web
    (folder / "r" / "deep").mkdir(parents=True)
    for name, text in (("r/a b.pdf", "one"), ("r/deep/c.pdf", "two"), ("r/x.txt", "three"), ("d.pdf", "four")):
        (folder / name).write_text(f"%PDF-fake\n{text}")
        past = time.time() - 60
        os.utime(folder / name, (past, past))
    report = go([f"{address}/r/", f"{address}/d.pdf?token=hush"], sink, ledger)
    assert not report.failed
    assert [d.path.removeprefix(address) for d in report.ingested] == ["/r/a%20b.pdf", "/r/deep/c.pdf", "/d.pdf?…"]
    assert ledger.document("a b.pdf").name == "a b.pdf"
    Handler.asked.clear()
    assert len(go([f"{address}/r/"], sink, ledger).skipped) == 2
    assert [p for c, p in Handler.asked if c == "GET" and p.endswith(".pdf")] == []
    report = go([f"{address}/secret/a.pdf?token=hush", f"{address}/none.pdf"], sink, ledger)
    assert [f.code for f in report.failed] == ["source_unreadable", "source_not_found"]
    assert report.failed[0].what == f"No permission to read {address}/secret/a.pdf?…."
    assert "hush" not in str(report) + str(ledger.failures())


def test_documents_that_fill_all_room_for_copies_do_not_wait_for_one_another(
    bucket, sink, ledger, tmp_path, monkeypatch
):
    """Where the second is fetched before the first, which wants the same room: the first has it first, and both are taken."""
    for n in range(4):
        put(bucket, f"/b/{n}.pdf", "text " * 8, f"document {n}")
    plain = RemoteFile.look

    def slow(self):
        if self.name == "0.pdf":
            time.sleep(0.3)
        return plain(self)

    monkeypatch.setattr(RemoteFile, "look", slow)
    done = []
    copies = Copies(tmp_path / "fetched", most_bytes=90)
    taking = threading.Thread(
        target=lambda: done.append(go(["bucket://b"], sink, ledger, copies=copies, lanes=3)), daemon=True
    )
    taking.start()
    taking.join(20.0)
    assert done, "the run hangs"
    assert len(done[0].ingested) == 4
