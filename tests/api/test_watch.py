"""Following folders and buckets: what is taken when, what is told, and what is never taken for gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fsspec  # type: ignore[import-untyped]
import pytest

from paperlode.api.archive import Archive, IngestOptions
from paperlode.api.watch import Told, Watch, WatchOptions
from paperlode.api.watch_batches import IntoArchive
from paperlode.api.watch_changes import Looking, Several, changes_of
from paperlode.ingest.errors import (
    ArchiveLocked,
    LedgerServerUnreachable,
    ModelUnknown,
    ServerUnreachable,
    SourceNotFound,
    StorageFull,
)
from paperlode.ingest.gone import GoneFile
from paperlode.ingest.report import IngestedDocument, RunReport, SourceProblem

from .conftest import LEASE, MANUAL


class Clock:
    """Seconds that pass when told."""

    now = 1000.0

    def __call__(self):
        return self.now


class Scripted:
    """Changes as the test puts them; waiting takes no time but what the test lets pass."""

    def __init__(self):
        self.next = []
        self.closed = False

    def wait(self, seconds):
        assert seconds >= 0
        found, self.next = self.next, []
        return found

    def close(self):
        self.closed = True


class Taken:
    """A taker that notes its batches, and says or raises what it is told to."""

    def __init__(self):
        self.batches, self.errors, self.reports = [], [], []

    def __call__(self, paths, gone_from, *, remove):
        if self.errors:
            raise self.errors.pop(0)
        self.batches.append(([str(p) for p in paths], [str(p) for p in gone_from], remove))
        return self.reports.pop(0) if self.reports else RunReport()


class Bench:
    """A watch over ``folder``, with everything around it in the test's hands."""

    def __init__(self, folder, **options):
        self.folder, self.clock, self.changes, self.take, self.told = folder, Clock(), Scripted(), Taken(), []
        self.watch = Watch(
            [folder],
            self.changes,
            self.take,
            self.told.append,
            options=WatchOptions(settle=2.0, full_every=3600.0, **options),
            clock=self.clock,
        )

    def write(self, name, text="%PDF-x", *, age=100.0):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        when = time.time() - age
        os.utime(path, (when, when))
        return path

    def turn(self, *changed, seconds=0.0):
        """One turn, so many seconds later; the batches that it took, as names."""
        self.clock.now += seconds
        self.changes.next = [str(c) for c in changed]
        before = len(self.take.batches)
        self.watch.turn()
        return [
            (sorted(os.path.relpath(p, self.folder) for p in files), [os.path.relpath(p, self.folder) for p in gone])
            for files, gone, _ in self.take.batches[before:]
        ]

    def kinds(self):
        """What was told, and forgotten here."""
        told, self.told[:] = [(t.kind, Path(t.path).name) for t in self.told], []
        return told


@pytest.fixture
def bench(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    return Bench(folder)


def test_the_first_turn_takes_all_that_has_settled(bench):
    """Also where nothing is there; a file that is just being written waits, hidden ones and locks are left out."""
    bench.write("a.pdf")
    bench.write("deep/b.pdf")
    bench.write("new.pdf", age=0)
    for name in (".hidden.pdf", ".git/c.pdf", "~$a.pdf", "d.pdf.part", "e.crdownload", "f.txt"):
        bench.write(name)
    assert bench.turn() == [(["a.pdf", "deep/b.pdf"], ["."])]
    assert bench.kinds() == [("watching", "")]
    assert bench.turn(seconds=1) == []
    assert bench.turn(seconds=1.1) == [(["new.pdf"], [])]
    assert bench.turn(seconds=10) == []


def test_a_file_is_taken_once_nobody_writes_to_it(bench):
    """Every change of size or time begins the wait anew, with or without an event; one batch for what settles together."""
    bench.turn()
    path, other = bench.write("a.pdf"), bench.write("b.pdf")
    assert bench.turn(path, other) == []
    bench.write("a.pdf", "%PDF-longer")
    assert bench.turn(seconds=1.5) == []
    assert bench.turn(other, seconds=1.5) == []
    assert bench.turn(seconds=2.1) == [(["a.pdf", "b.pdf"], [])]


def test_an_empty_file_is_waited_for(bench):
    """A browser makes one under the final name before the download."""
    bench.turn()
    path = bench.write("a.pdf", "")
    bench.turn(path)
    assert bench.turn(seconds=10) == []
    bench.write("a.pdf")
    assert bench.turn(path, seconds=1) == []
    assert bench.turn(seconds=2.1) == [(["a.pdf"], [])]


def test_a_download_is_taken_under_its_last_name(bench):
    """Its parts are nothing, and nothing is looked for when they go."""
    bench.turn()
    part = bench.write("a.pdf.crdownload")
    assert bench.turn(part) == []
    path = part.rename(bench.folder / "a.pdf")
    assert bench.turn(part, path) == []
    assert bench.turn(seconds=2.1) == [(["a.pdf"], [])]


def test_a_moved_file_is_taken_before_it_is_missed(bench):
    """New and old place come in one batch; where the new one is still being written, the old one waits."""
    old = bench.write("a.pdf")
    bench.turn()
    new = bench.folder / "deep" / "z.pdf"
    new.parent.mkdir()
    old.rename(new)
    bench.turn(old, new)
    assert bench.turn(seconds=2.1) == [(["deep/z.pdf"], ["."])]
    bench.write("copy.pdf")
    bench.turn(bench.folder / "copy.pdf", seconds=1)
    new.unlink()
    bench.turn(new)
    for n in range(8):
        bench.write("copy.pdf", "%PDF-" + "x" * n)
        assert bench.turn(seconds=1) == []
    bench.write("copy.pdf", "%PDF-done", age=50)
    bench.turn(seconds=0.1)
    assert bench.turn(seconds=2.1) == [(["copy.pdf"], ["deep"])]


def test_a_folder_moved_in_or_out_is_looked_through(bench, tmp_path):
    """The system tells of the folder alone."""
    bench.write("keep.pdf")
    bench.turn()
    outside = tmp_path / "batch"
    outside.mkdir()
    (outside / "x.pdf").write_text("%PDF-x")
    inside = outside.rename(bench.folder / "batch")
    bench.turn(inside)
    assert bench.turn(seconds=2.1) == [(["batch/x.pdf"], [])]
    inside.rename(outside)
    bench.turn(inside)
    assert bench.turn(seconds=2.1) == [([], ["."])]


def test_a_full_pass_finds_what_no_event_told(bench):
    """Every ``full_every`` seconds, with what is gone."""
    bench.write("a.pdf")
    bench.turn()
    bench.write("b.pdf")
    assert bench.turn(seconds=3000) == []
    assert bench.turn(seconds=700) == [(["a.pdf", "b.pdf"], ["."])]
    assert bench.turn(seconds=3000) == []


def test_an_unmounted_disk_takes_nothing_away(tmp_path):
    """A folder that is empty, gone or another one: said once, and nothing in it is taken for gone."""
    folder = tmp_path / "docs"
    folder.mkdir()
    bench = Bench(folder, remove_missing=True)
    path = bench.write("a.pdf")
    assert bench.turn() == [(["a.pdf"], ["."])]
    assert bench.take.batches[-1][2] is True
    bench.kinds()
    path.unlink()
    bench.turn(path)
    assert bench.turn(seconds=2.1) == []
    assert bench.turn(seconds=4000) == []
    assert bench.kinds() == [("warning", "docs")]
    folder.rename(tmp_path / "away")
    assert bench.turn(seconds=4000) == []
    assert ("warning", "docs") in bench.kinds()
    folder.mkdir()
    bench.write("other.pdf")
    assert bench.turn(seconds=4000) == [(["other.pdf"], [])]
    assert bench.kinds() == [("warning", "docs")]


def test_a_locked_index_is_waited_for(bench):
    """At the start for a while, later for as long as it takes; the batch is not lost."""
    bench.turn()
    bench.kinds()
    path = bench.write("a.pdf")
    bench.turn(path)
    bench.take.errors = [ArchiveLocked("held"), ArchiveLocked("held")]
    assert bench.turn(seconds=2.1) == []
    assert bench.turn(seconds=0.1) == []
    assert len(bench.take.errors) == 1
    assert bench.turn(seconds=1.1) == []
    assert bench.turn(seconds=1.1) == [(["a.pdf"], [])]
    assert bench.kinds() == [("waiting", "")]


def test_what_may_pass_is_tried_again_and_what_will_not_ends_it(bench):
    """A full disk and a server that is away, against a model that is unknown; at the start all are errors."""
    bench.turn()
    for error in (StorageFull("full"), ServerUnreachable("away"), LedgerServerUnreachable("away")):
        path = bench.write("a.pdf")
        bench.turn(path)
        bench.take.errors = [error]
        assert bench.turn(seconds=2.1) == []
        assert bench.turn(seconds=29) == []
        assert bench.turn(seconds=2) == [(["a.pdf"], [])]
    bench.take.reports = [RunReport(stopped=StorageFull("full"))]
    bench.turn(bench.write("b.pdf"))
    bench.turn(seconds=2.1)
    assert bench.turn(seconds=31) == [(["b.pdf"], [])]
    bench.take.errors = [ModelUnknown("which?")]
    bench.turn(bench.write("b.pdf"))
    with pytest.raises(ModelUnknown):
        bench.turn(seconds=2.1)
    fresh = Bench(bench.folder, patience=0.0)
    fresh.take.errors = [ArchiveLocked("held")]
    with pytest.raises(ArchiveLocked):
        fresh.turn()


def test_what_happened_is_told_once(bench):
    """A file that fails again in the same way, and a file that is still gone, are told no second time."""
    bench.write("a.pdf")
    failed = SourceProblem("/d/bad.pdf", "source_corrupt", "It is broken.", "Get it again.")
    for _ in range(2):
        bench.take.reports.append(
            RunReport(
                ingested=[IngestedDocument("/d/a.pdf", "0" * 64, 3, 1, 7)],
                failed=[failed],
                gone=[
                    GoneFile("/d/x.pdf", "1"),
                    GoneFile("/d/y.pdf", "2", held_by="/d/z.pdf"),
                    GoneFile("/d/w.pdf", "3", removed=True),
                ],
            )
        )
    bench.turn()
    assert bench.kinds() == [
        ("taken", "a.pdf"),
        ("failed", "bad.pdf"),
        ("gone", "x.pdf"),
        ("moved", "y.pdf"),
        ("removed", "w.pdf"),
        ("watching", ""),
    ]
    bench.turn(seconds=4000)
    assert bench.kinds() == [("taken", "a.pdf"), ("moved", "y.pdf"), ("removed", "w.pdf")]


def test_what_happens_in_the_index_is_no_change(tmp_path):
    """Where it lies in a folder that is watched: else each batch would lead to the next."""
    (tmp_path / "index").mkdir()
    take = Taken()
    changes = Scripted()
    told: list[Told] = []
    watch = Watch([tmp_path], changes, take, told.append, options=WatchOptions(settle=0), index=tmp_path / "index")
    watch.turn()
    changes.next = [str(tmp_path / "index" / "ledger.sqlite-wal"), str(tmp_path / "index")]
    watch.turn()
    watch.turn()
    assert len(take.batches) == 1


def test_a_path_that_is_none_is_an_error(tmp_path):
    """At once; a glob may match later."""
    with pytest.raises(SourceNotFound):
        Watch([tmp_path / "none"], Scripted(), Taken(), print)
    Watch([tmp_path / "*.pdf"], Scripted(), Taken(), print)


def test_interruption_closes_what_tells_of_changes(bench, monkeypatch):
    """And goes on to the caller."""
    monkeypatch.setattr(bench.take, "errors", [KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        bench.watch.run()
    assert bench.changes.closed


def test_looking_tells_what_changed(tmp_path):
    """New, written to, gone; nothing where nothing happened."""
    clock = Clock()
    one = tmp_path / "one.pdf"
    one.write_text("x")
    look = Looking([tmp_path], every=5, clock=clock)

    def later():
        clock.now += 5
        return set(look.wait(0))

    assert look.wait(0) == ()
    assert later() == set()
    two = tmp_path / "two.pdf"
    two.write_text("x")
    one.write_text("xy")
    assert later() == {str(one), str(two)}
    one.unlink()
    assert later() == {str(one)}
    assert later() == set()


def test_a_bucket_that_changed_is_looked_at_as_it_was_given(tmp_path):
    """By its address; what cannot be listed is a change too, and only once."""
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/watched/a.pdf", b"%PDF-x")
    clock = Clock()
    look = Looking(["memory://watched/"], every=5, clock=clock)

    def later():
        clock.now += 5
        return set(look.wait(0))

    assert later() == set()
    fs.pipe_file("/watched/b.pdf", b"%PDF-y")
    assert later() == {"memory://watched/"}
    fs.rm("/watched", recursive=True)
    assert later() == {"memory://watched/"}
    assert later() == set()


def waited(changes, wanted, seconds=20.0):
    """What was told until all that is wanted was."""
    seen, until = set(), time.monotonic() + seconds
    while not wanted <= seen and time.monotonic() < until:
        seen |= set(changes.wait(0.2))
    return seen


def test_the_systems_events_tell_of_files_and_folders(tmp_path):
    """Made, renamed, removed, in folders made later, and after the folder was replaced by another."""
    folder = tmp_path / "docs"
    folder.mkdir()
    changes = changes_of([folder], poll=None)
    try:
        one = folder / "one.pdf"
        one.write_text("x")
        assert str(one) in waited(changes, {str(one)})
        (folder / "deep").mkdir()
        assert waited(changes, {str(folder / "deep")})
        two = one.rename(folder / "deep" / "two.pdf")
        assert {str(one), str(two)} <= waited(changes, {str(one), str(two)})
        folder.rename(tmp_path / "old")
        folder.mkdir()
        assert str(folder) in waited(changes, {str(folder)})
        three = folder / "three.pdf"
        three.write_text("x")
        assert str(three) in waited(changes, {str(three)})
    finally:
        changes.close()


def test_what_is_told_by_several_comes_together():
    """And waiting ends with the first of it."""
    a, b = Scripted(), Scripted()
    a.next, b.next = ["x"], ["y"]
    both = Several([a, b])
    assert set(both.wait(5)) == {"x", "y"}
    assert set(both.wait(0)) == set()
    both.close()
    assert a.closed
    assert b.closed


def test_an_archive_is_kept_up_to_date_and_free_between_batches(tmp_path, docs, word_model, parser, pdf_writer):
    """New, changed, moved and removed files; another process (another Archive) may search in between."""
    index = tmp_path / "index"
    clock, told = Clock(), []

    def open_archive(model):
        return Archive.open_or_create(index, embedder=model or word_model)

    take = IntoArchive(open_archive, IngestOptions(), parser=lambda: parser)
    options = WatchOptions(settle=0.0, remove_missing=True)
    watch = Watch([docs], Looking([docs], every=0.0), take, told.append, options=options, clock=clock)

    def turn():
        told.clear()
        for _ in range(4):
            watch.turn()
            clock.now += 1
        with Archive.open(index, embedder=word_model) as archive:
            return [(t.kind, Path(t.path).name) for t in told], [d.name for d in archive.documents()]

    assert turn()[1] == ["lease.pdf", "manual.pdf"]
    pdf_writer(docs / "more.pdf", [["Whales sing at night."]])
    assert turn() == ([("taken", "more.pdf")], ["lease.pdf", "manual.pdf", "more.pdf"])
    (docs / "more.pdf").rename(docs / "whales.pdf")
    assert turn() == ([("moved", "more.pdf")], ["lease.pdf", "manual.pdf", "whales.pdf"])
    pdf_writer(docs / "whales.pdf", [["Dolphins click by day."]])
    (docs / "manual.pdf").unlink()
    assert turn() == ([("taken", "whales.pdf"), ("removed", "manual.pdf")], ["lease.pdf", "whales.pdf"])
    (docs / "bad.pdf").write_text("no document")
    (docs / "good.pdf").write_bytes(pdf_writer(tmp_path / "g.pdf", [*LEASE, *MANUAL]).read_bytes())
    happened, names = turn()
    assert sorted(happened) == [("failed", "bad.pdf"), ("taken", "good.pdf")]
    assert names == ["good.pdf", "lease.pdf", "whales.pdf"]


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_command_ends_in_order(tmp_path: Path, docs, sent, code):
    """It tells what it did a line at a time; a signal ends it while it waits, and the index can be opened."""
    index = tmp_path / "index"
    command = [
        sys.executable,
        "-m",
        "paperlode",
        "watch",
        str(docs),
        "--index",
        str(index),
        "--json",
        "--settle",
        "0.1",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        events = []
        for line in process.stdout:
            events.append(json.loads(line))
            if events[-1]["event"] == "watching":
                (docs / "third.pdf").write_bytes((docs / "lease.pdf").read_bytes()[:-1] + b"\n%x\n")
            if events[-1]["path"].endswith("third.pdf"):
                break
        process.send_signal(sent)
        assert process.wait(30) == code
    assert [e["event"] for e in events if e["path"].endswith("third.pdf")] == ["taken"]
    with Archive.open(index) as archive:
        assert len(archive.documents()) == 3
