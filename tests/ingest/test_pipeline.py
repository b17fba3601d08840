"""A run: what is done, what is skipped, what fails, what a second run repeats."""

import os
import signal
import threading
import time
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import pytest

from paperlode.ingest.chunking import CHUNKER_VERSION
from paperlode.ingest.document import Block, Box, Kind, PageBox, PageFailure, ParsedPage
from paperlode.ingest.errors import LedgerServerUnreachable, ModelUnknown, SourceCorrupt, StorageFull
from paperlode.ingest.ledger import Recipe
from paperlode.ingest.pipeline import RunOptions, run
from paperlode.ingest.recovery import recover
from paperlode.ingest.stopwatch import Stopwatch

RECIPE = Recipe("fake-1", CHUNKER_VERSION, "words")


class Words:
    """A tokenizer whose tokens are words, plus two special ones."""

    max_tokens = 64

    def count(self, text):
        return len(text.split()) + 2


def lines_of(source):
    """The pages of a file."""
    return Path(source.uri).read_text().splitlines()[1:]


class FakeParser:
    """Reads '%PDF-' text files: one line a page; 'FAIL' fails, 'BOOM' raises, 'ODD' is left out."""

    fingerprint = "fake-1"
    documents_at_once = 2

    def __init__(self, *, gate=None):
        self.parsed = []
        self.gate = gate
        self.closed = False

    def stands(self, read_by):
        return False

    def page_prints(self, source, stop):
        return [blake2b(line.encode(), digest_size=16).hexdigest() for line in lines_of(source)[:stop]]

    def page_count(self, source):
        lines = Path(source.uri).read_text().splitlines()[1:]
        if lines == ["CORRUPT"]:
            raise SourceCorrupt(f"{source.name} is broken.")
        return len(lines)

    def parse(self, source, pages):
        for n in pages:
            text = Path(source.uri).read_text().splitlines()[n + 1]
            if self.gate:
                self.gate(self, source, n)
            self.parsed.append((source.name, n))
            if text == "BOOM":
                raise RuntimeError("boom")
            if text != "ODD":
                yield self.page(n, text)

    def page(self, n, text):
        if text == "FAIL":
            return ParsedPage(n, 612, 792, "fake-1", failure=PageFailure("page_timeout", "late"))
        block = Block(Kind.TEXT, text, (PageBox(n, Box(72, 100, 540, 120)),))
        return ParsedPage(n, 612, 792, "fake-1", (block,))

    def close(self):
        self.closed = True


class ListSink:
    """Keeps chunks in dictionaries, and a diary of what it was told."""

    def __init__(self):
        self.staged, self.visible, self.versions, self.diary = {}, {}, {}, []
        self.fail_with = None

    def begin(self, document):
        self.staged[document] = []

    def add(self, chunks):
        if self.fail_with:
            raise self.fail_with
        self.staged[chunks[0].document] += chunks

    def commit(self, document, version):
        self.diary.append(("commit", document))
        self.visible[document] = self.staged.pop(document)
        self.versions[document] = version

    def version(self, document):
        return self.versions.get(document, "")

    def count(self, document):
        return len(self.visible.get(document, ()))

    def discard(self, document):
        self.diary.append(("discard", document))
        self.staged.pop(document, None)

    def remove(self, document):
        self.diary.append(("remove", document))
        self.staged.pop(document, None)
        self.visible.pop(document, None)
        self.versions.pop(document, None)

    def flush(self):
        self.diary.append(("flush", ""))

    def texts(self):
        return sorted("".join("".join(c.text for c in chunks).split()) for chunks in self.visible.values())


def write(path, *lines):
    path.write_text("\n".join(("%PDF-fake", *lines)))
    return path


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


def go(paths, sink, ledger, parser=None, **options):
    return run(
        [paths] if isinstance(paths, Path) else paths,
        parser=parser or FakeParser(),
        counter=Words(),
        sink=sink,
        ledger=ledger,
        recipe=options.pop("recipe", RECIPE),
        on_progress=options.pop("on_progress", None),
        options=RunOptions(**options),
    )


def test_good_files_are_indexed_and_bad_ones_listed(docs, sink, ledger):
    """Ten good and three bad files: ten become searchable, three are listed with their reasons, none is lost."""
    for n in range(10):
        write(docs / f"good{n}.pdf", f"text number {n}", "second page")
    (docs / "empty.pdf").touch()
    (docs / "text.pdf").write_text("no document")
    write(docs / "corrupt.pdf", "CORRUPT")
    report = go(docs, sink, ledger)
    assert [Path(d.path).name for d in report.ingested] == [f"good{n}.pdf" for n in range(10)]
    assert {(Path(f.path).name, f.code) for f in report.failed} == {
        ("empty.pdf", "source_empty"),
        ("text.pdf", "source_unsupported"),
        ("corrupt.pdf", "source_corrupt"),
    }
    assert len(sink.visible) == 10
    assert ledger.counts().documents == 10
    assert {Path(f.path).name for f in ledger.failures()} == {"empty.pdf", "text.pdf", "corrupt.pdf"}
    assert (report.pages_parsed, report.chunks) == (20, sum(len(c) for c in sink.visible.values()))


def test_a_second_run_parses_and_embeds_nothing(docs, sink, ledger):
    """What is done is skipped, by its stamp or by its digest."""
    write(docs / "a.pdf", "one")
    go(docs, sink, ledger)
    parser = FakeParser()
    diary = list(sink.diary)
    report = go(docs, sink, ledger, parser)
    assert (report.ingested, len(report.skipped), parser.parsed) == ([], 1, [])
    assert [d for d in sink.diary[len(diary) :] if d[0] != "flush"] == []


def test_a_renamed_or_copied_file_only_gets_its_path_added(docs, sink, ledger):
    """The digest is the identity: a copy is the same document under a second path; a path that is gone leaves."""
    write(docs / "a.pdf", "one")
    (docs / "copy.pdf").write_bytes((docs / "a.pdf").read_bytes())
    parser = FakeParser()
    report = go(docs, sink, ledger, parser)
    (docs / "copy.pdf").rename(docs / "renamed.pdf")
    again = go(docs, sink, ledger, parser)
    assert parser.parsed == [("a.pdf", 0)] or parser.parsed == [("copy.pdf", 0)]
    assert (len(report.ingested), len(report.skipped), len(again.skipped)) == (1, 1, 2)
    (record,) = ledger.documents()
    assert {Path(p).name for p in record.paths} == {"a.pdf", "renamed.pdf"}


def test_copies_of_a_broken_file_all_fail(docs, sink, ledger):
    """No copy passes for done because its twin was on the way."""
    for n in range(4):
        write(docs / f"{n}.pdf", "CORRUPT")
    report = go(docs, sink, ledger)
    assert len(report.failed) == 4
    assert not report.skipped


def test_changed_content_replaces_the_old_version(docs, sink, ledger):
    """A path with new content: the new document is visible, and the old one gone, in index and ledger."""
    write(docs / "a.pdf", "old")
    go(docs, sink, ledger)
    write(docs / "a.pdf", "new text")
    go(docs, sink, ledger)
    assert sink.texts() == ["newtext"]
    assert len(ledger.documents()) == 1


def test_changed_content_that_fails_keeps_the_old_version(docs, sink, ledger):
    """Until the new content can be taken, the old one stays searchable, and the failure is on record."""
    write(docs / "a.pdf", "old")
    go(docs, sink, ledger)
    write(docs / "a.pdf", "CORRUPT")
    go(docs, sink, ledger)
    assert sink.texts() == ["old"]
    assert [f.code for f in ledger.failures()] == ["source_corrupt"]


def test_the_old_version_stays_while_another_file_holds_it(docs, sink, ledger):
    """A document goes only when no path holds it any more."""
    write(docs / "a.pdf", "old")
    write(docs / "b.pdf", "old")
    go(docs, sink, ledger)
    write(docs / "a.pdf", "new")
    go(docs, sink, ledger)
    assert sink.texts() == ["new", "old"]


def test_failed_pages_do_not_end_a_document(docs, sink, ledger):
    """A failed page, and one that the parser leaves out, are listed; the others are searchable."""
    write(docs / "a.pdf", "one", "FAIL", "three")
    write(docs / "b.pdf", "one again", "ODD")
    report = go(docs, sink, ledger)
    assert {(Path(p.path).name, p.page, p.code) for p in report.page_problems} == {
        ("a.pdf", 1, "page_timeout"),
        ("b.pdf", 1, "page_unreadable"),
    }
    assert sorted(d.failed_pages for d in report.ingested) == [1, 1]
    assert sink.texts() == ["oneagain", "onethree"]


def test_a_document_without_a_readable_page_has_failed(docs, sink, ledger):
    """It is listed among the failures with its first page's reason, and nothing of it is visible."""
    write(docs / "a.pdf", "FAIL", "FAIL")
    report = go(docs, sink, ledger)
    (failure,) = report.failed
    assert "None of the 2 pages" in failure.what
    assert "late" in failure.what
    assert sink.visible == {}


def test_failed_pages_are_tried_again_on_demand_only(docs, sink, ledger):
    """A plain second run leaves failed pages; with retry_failed only they are parsed again."""
    write(docs / "a.pdf", "one", "FAIL", "three")
    go(docs, sink, ledger)

    class Better(FakeParser):
        def page(self, n, text):
            return super().page(n, text.replace("FAIL", "two"))

    plain, better = Better(), Better()
    go(docs, sink, ledger, plain)
    report = go(docs, sink, ledger, better, retry_failed=True)
    assert (plain.parsed, better.parsed) == ([], [("a.pdf", 1)])
    assert (report.pages_kept, sink.texts()) == (2, ["onetwothree"])


def test_a_bug_met_in_one_document_is_its_failure(docs, sink, ledger, caplog):
    """An unexpected exception is reported for the file where it was met, logged, and the run goes on."""
    write(docs / "a.pdf", "one", "BOOM")
    write(docs / "b.pdf", "two")
    report = go(docs, sink, ledger)
    assert [(Path(f.path).name, f.code) for f in report.failed] == [("a.pdf", "source_error")]
    assert sink.texts() == ["two"]
    assert "boom" in caplog.text


def test_a_file_that_changes_while_it_is_read_is_not_taken(docs, sink, ledger):
    """SourceChanged is recorded, nothing of the mixture is visible, and no page of it is kept."""

    def gate(parser, source, n):
        if n == 1 and source.name == "a.pdf":
            write(Path(source.uri), "other", "bytes", "now", "here")

    write(docs / "a.pdf", "one", "two", "three", "four")
    write(docs / "b.pdf", "fine")
    report = go(docs, sink, ledger, FakeParser(gate=gate))
    assert [f.code for f in report.failed] == ["source_changed"]
    assert sink.texts() == ["fine"]
    old = [d for d in ledger.documents() if d.status == "failed"]
    assert [ledger.done_pages(d.digest, "fake-1") for d in old] == [set()]
    assert not go(docs, sink, ledger).failed


def test_commit_comes_before_finish(docs, sink, ledger):
    """When the process dies between the two, the document counts as unfinished, and is committed again."""
    write(docs / "a.pdf", "one")

    class Dies(ListSink):
        def commit(self, document, version):
            super().commit(document, version)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(docs, Dies(), ledger)
    assert ledger.counts().documents == 0
    parser = FakeParser()
    report = go(docs, sink, ledger, parser)
    assert (len(report.ingested), parser.parsed, sink.texts()) == (1, [], ["one"])


def test_an_interrupt_keeps_pages_and_repeats_none(docs, sink, ledger):
    """After Ctrl-C nothing of the document is staged, the pages parsed are kept, and the next run parses the others."""
    write(docs / "a.pdf", *(f"page {n}" for n in range(100)))

    def stop(progress):
        if progress.page >= 40:
            raise KeyboardInterrupt

    def gate(parser, source, n):
        time.sleep(0.004)

    first, second = FakeParser(gate=gate), FakeParser()
    with pytest.raises(KeyboardInterrupt):
        go(docs, sink, ledger, first, on_progress=stop)
    assert (sink.staged, sink.visible) == ({}, {})
    report = go(docs, sink, ledger, second)
    kept = report.pages_kept
    assert kept >= 40
    assert [n for _, n in second.parsed] == list(range(kept, 100))
    assert sink.texts() == ["".join(f"page{n}" for n in range(100))]


def test_an_interrupt_does_not_wait_for_a_hanging_page(docs, sink, ledger):
    """The parser is closed when a lane hangs in it, which frees the lane."""
    free = threading.Event()

    class Hangs(FakeParser):
        def close(self):
            super().close()
            free.set()

    def gate(parser, source, n):
        if n == 3:
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
            free.wait(60)

    write(docs / "a.pdf", *(f"page {n}" for n in range(5)))
    parser = Hangs(gate=gate)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        go(docs, sink, ledger, parser)
    assert parser.closed
    assert time.monotonic() - began < 10
    (record,) = ledger.documents()
    assert 3 not in ledger.done_pages(record.digest, "fake-1")


def test_what_a_killed_run_left_staged_is_cleared(docs, sink, ledger):
    """recover() drops staged chunks and documents whose file holds another content by now."""
    write(docs / "a.pdf", "one")
    go(docs, sink, ledger)
    (record,) = ledger.documents()
    other = replace(_source(docs / "a.pdf"), digest="b" * 64, uri="/elsewhere")
    ledger.begin(other, 1, RECIPE)
    sink.staged["b" * 64] = ["half"]
    recover(sink, ledger)
    assert sink.staged == {}
    assert ledger.staging() == {}
    assert set(sink.visible) == {record.digest}


def _source(path):
    from paperlode.ingest.sources import open_source

    return open_source(path)


def test_a_full_disk_ends_the_run_and_keeps_what_is_done(docs, sink, ledger):
    """StorageFull is not the document's fault: the run stops, says so, and a later run goes on."""
    write(docs / "a.pdf", "one")
    write(docs / "b.pdf", "two")

    class Fills(ListSink):
        def add(self, chunks):
            if self.visible:
                raise OSError(28, "No space left on device")
            super().add(chunks)

    full = Fills()
    report = go(docs, full, ledger, lanes=1)
    assert isinstance(report.stopped, StorageFull)
    assert (len(report.ingested), report.failed, full.staged) == (1, [], {})
    assert ledger.counts().failures == 0
    assert go(docs, sink, ledger).stopped is None
    assert sink.texts() == ["two"]


def test_too_little_free_space_stops_before_reading(docs, sink, ledger, tmp_path):
    """The preflight names how much is free and how much is wanted; no document is begun."""
    write(docs / "a.pdf", "one")
    parser = FakeParser()
    report = go(docs, sink, ledger, parser, disk=tmp_path, free_bytes=10**18)
    assert "1,000,000,000,000 MB are wanted" in str(report.stopped)
    assert parser.parsed == []


def test_an_error_of_the_embedder_ends_the_run(docs, sink, ledger):
    """It is no single file's fault: no file is blamed, nothing stays staged."""
    write(docs / "a.pdf", "one")
    sink.fail_with = ModelUnknown("no such model")
    with pytest.raises(ModelUnknown):
        go(docs, sink, ledger)
    assert sink.staged == {}
    assert ledger.failures() == []


def test_another_recipe_uses_the_kept_pages(docs, sink, ledger):
    """A new chunker or embedder chunks again without parsing; a new parser parses again."""
    write(docs / "a.pdf", "one", "two")
    go(docs, sink, ledger)
    parser = FakeParser()
    report = go(docs, sink, ledger, parser, recipe=replace(RECIPE, embedder="other"))
    assert (len(report.ingested), report.pages_kept, parser.parsed) == (1, 2, [])
    report = go(docs, sink, ledger, parser, recipe=replace(RECIPE, parser="fake-2"))
    assert (report.pages_parsed, len(ledger.documents())) == (2, 1)


def test_memory_ahead_is_bounded(docs, sink, ledger):
    """The parser is never more than a queue ahead of the side that indexes."""
    write(docs / "a.pdf", *(f"page {n}" for n in range(2000)))
    parser = FakeParser()
    ahead = []
    seen = threading.Event()

    class Slow(ListSink):
        def add(self, chunks):
            if not seen.is_set():
                seen.set()
                time.sleep(0.3)
                ahead.append(len(parser.parsed) - 1 - max(c.pages[-1] for c in chunks))
            super().add(chunks)

    go(docs, Slow(), ledger, parser)
    assert ahead
    assert ahead[0] < 100


def test_a_name_that_is_not_utf8_stops_nobody(docs, sink, ledger):
    """The file is listed as failed, in the report and the books; the others are taken."""
    odd = os.fsdecode(os.fsencode(docs) + b"/caf\xe9.pdf")
    write(Path(odd), "one")
    write(docs / "z.pdf", "two")
    for _ in range(2):
        report = go(docs, sink, ledger)
        assert [f.path for f in report.failed] == [odd]
        assert [f.path for f in ledger.failures()] == [odd]
    assert [d.name for d in ledger.documents()] == ["z.pdf"]
    Path(odd).unlink()
    go(docs, sink, ledger)
    assert ledger.failures() == []


def test_a_ledger_that_fails_while_files_are_looked_up_ends_the_run(docs, sink, ledger, monkeypatch):
    """With its error, not as if there were no more files; the next run goes on."""
    for n in range(8):
        write(docs / f"{n}.pdf", f"page {n}")
    monkeypatch.setattr("paperlode.ingest.feed._LOOKED_UP", 1)
    asked = ledger.done_among

    def fails(files, *a, **k):
        if files[0].endswith("5.pdf"):
            raise LedgerServerUnreachable("gone")
        return asked(files, *a, **k)

    monkeypatch.setattr(ledger, "done_among", fails)
    with pytest.raises(LedgerServerUnreachable):
        go(docs, sink, ledger)
    monkeypatch.setattr(ledger, "done_among", asked)
    report = go(docs, sink, ledger)
    assert (len(report.skipped), len(report.ingested)) == (5, 3)


@pytest.mark.parametrize("ledger_place", ["sqlite"], indirect=True)
def test_a_very_long_document_streams(docs, sink, ledger):
    """20,000 pages pass, every page accounted for; the parser is asked for them in order."""
    write(docs / "a.pdf", *(f"p{n}" for n in range(20_000)))

    class Streams(FakeParser):
        def page_prints(self, source, stop):
            return ()

        def page_count(self, source):
            return 20_000

        def parse(self, source, pages):
            for n in pages:
                yield self.page(n, "FAIL" if n % 10 else f"page {n}")

    report = go(docs, sink, ledger, Streams())
    assert (report.pages_parsed, len(report.page_problems)) == (20_000, 18_000)


def test_progress_counts_up_to_everything(docs, sink, ledger):
    """The last progress says: all documents through, all pages done, nothing more expected."""
    for n in range(3):
        write(docs / f"{n}.pdf", *(f"page {n}.{k}" for k in range(n + 1)))
    write(docs / "x.pdf", "CORRUPT")
    seen = []
    go(docs, sink, ledger, on_progress=seen.append)
    last = seen[-1]
    assert (last.documents_done, last.documents_failed, last.documents_total) == (3, 1, 4)
    assert (last.pages_done, last.pages_expected) == (6, 6)


def test_documents_are_read_side_by_side(docs, sink, ledger):
    """With two lanes, the second short document is being parsed while the first still is."""
    both = threading.Barrier(2, timeout=5)

    def gate(parser, source, n):
        both.wait()

    write(docs / "a.pdf", "one")
    write(docs / "b.pdf", "two")
    assert len(go(docs, sink, ledger, FakeParser(gate=gate), lanes=2).ingested) == 2


def test_stages_are_exclusive():
    """Time in a nested stage counts for the inner one only, also through iterators."""
    watch = Stopwatch()

    def inner():
        for n in range(3):
            time.sleep(0.02)
            yield n

    def outer(items):
        for n in items:
            time.sleep(0.01)
            yield n

    assert list(watch.iterate("outer", outer(watch.iterate("inner", inner())))) == [0, 1, 2]
    assert 0.055 < watch.seconds["inner"] < 0.2
    assert 0.025 < watch.seconds["outer"] < 0.055
