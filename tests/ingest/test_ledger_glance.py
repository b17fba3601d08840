"""A glance at the ledger says what the ledger says, in every state, and nothing where it cannot."""

import sqlite3
import subprocess
import sys

import pytest

from paperlode.ingest.document import Source
from paperlode.ingest.errors import SourceCorrupt
from paperlode.ingest.ledger import Arrival, Ledger, Recipe
from paperlode.ingest.ledger_glance import Glance, glance, names
from paperlode.ingest.ledger_reindex import Reindexed
from paperlode.ingest.sources import Stamp

A, B, C = "a" * 64, "b" * 64, "c" * 64
RECIPE = Recipe("fake-1", "chunker-1", "embedder-1")
STAMP = Stamp(1_000_000_000, 9, 7)


def source(name, digest):
    return Source(f"/docs/{name}", name, "application/pdf", digest, 9)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "what? a #1 folder%20" / "ledger.sqlite"


@pytest.fixture
def ledger(path):
    """Two searchable documents of 3 and 4 chunks."""
    path.parent.mkdir()
    ledger = Ledger.open(path)
    for name, digest, chunks in (("a.pdf", A, 3), ("合同.pdf", B, 4)):
        ledger.begin(source(name, digest), 1, RECIPE)
        ledger.finish(Arrival(source(name, digest), RECIPE, STAMP, pages=1, chunks=chunks))
    yield ledger
    ledger.close()


def settled(ledger):
    """Whether it is settled, by what opening an archive asks the ledger itself."""
    return not (ledger.staging() or ledger.orphans() or ledger.reindex.under_way())


def pend(ledger):
    ledger.begin(source("c.pdf", C), 1, RECIPE)


def leave(ledger):
    pend(ledger)
    ledger.leave(C)


def stage_again(ledger):
    ledger.begin(source("a.pdf", A), 1, RECIPE)


def orphan(ledger):
    ledger.add_path("/docs/a.pdf", B, STAMP)


def fail(ledger):
    ledger.begin(source("c.pdf", C), 1, RECIPE)
    ledger.fail("/docs/c.pdf", SourceCorrupt("broken"), digest=C)


def begin_reindex(ledger):
    ledger.reindex.note("edge-2", "{}", Reindexed(A, "other", "chunker-1", 5, 0.0))


def end_reindex(ledger):
    begin_reindex(ledger)
    ledger.reindex.take_over("edge-2")


def begin_removal(ledger):
    ledger.begin_removal(A)


def remove(ledger):
    ledger.remove(A)


def forget_index(ledger):
    ledger.forget_index()


STATES = {
    pend: False,
    leave: True,
    stage_again: False,
    orphan: False,
    fail: True,
    begin_reindex: False,
    end_reindex: True,
    begin_removal: False,
    remove: True,
    forget_index: True,
}


@pytest.mark.parametrize("change", STATES, ids=lambda f: f.__name__)
def test_a_glance_agrees_with_the_ledger_in_every_state(ledger, path, change):
    """Whether anything is staged, orphaned or under way, and the chunks recorded; also once the ledger is closed."""
    assert glance(path) == Glance(settled=True, chunks=7)
    change(ledger)
    seen = glance(path)
    assert seen == Glance(settled=settled(ledger), chunks=ledger.counts().chunks)
    assert seen.settled is STATES[change]
    ledger.close()
    assert glance(path) == seen


def test_names_agree_with_the_ledger(ledger, path):
    """Names of the documents asked for, unknown ones left out; of none, none."""
    for asked in ({A, B, C}, {B}, {C}, set()):
        assert names(path, asked) == ledger.names(asked)
    assert names(path, {A, B}) == {A: "a.pdf", B: "合同.pdf"}


def test_an_empty_ledger_is_settled(path):
    """One that was just made holds nothing."""
    path.parent.mkdir()
    Ledger.open(path).close()
    assert glance(path) == Glance(settled=True, chunks=0)


def test_what_a_killed_run_left_in_the_log_is_seen(ledger, path):
    """A run that ends without closing leaves its last work in the write-ahead log beside the file; a glance reads that too."""
    ledger.close()
    code = (
        "import os, sys; from pathlib import Path; from paperlode.ingest.ledger import Ledger;"
        "Ledger.open(Path(sys.argv[1])).remove('a' * 64); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert path.with_name("ledger.sqlite-wal").stat().st_size
    assert glance(path) == Glance(settled=True, chunks=4)
    assert [p.name for p in path.parent.iterdir()] == ["ledger.sqlite"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE meta SET value = '99' WHERE key = 'version'",
        "DELETE FROM meta",
        "DROP TABLE reindexed",
        "DROP TABLE documents",
    ],
)
def test_another_version_and_a_missing_table_are_left_to_the_ledger(ledger, path, change):
    """A glance says nothing of a ledger that it does not know."""
    ledger.close()
    with sqlite3.connect(path) as db:
        db.execute(change)
    db.close()
    assert glance(path) is None


@pytest.mark.parametrize("data", [None, b"", b"garbage" * 999])
def test_what_is_no_ledger_is_left_to_the_ledger(path, data):
    """No file, an empty one, another one: nothing is said, and nothing is made."""
    path.parent.mkdir()
    if data is not None:
        path.write_bytes(data)
    assert glance(path) is None
    assert names(path, {A}) is None
    assert path.exists() is (data is not None)


def test_a_glance_needs_no_sqlalchemy():
    """The module stands without that import."""
    code = "import sys; import paperlode.ingest.ledger_glance; assert 'sqlalchemy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
