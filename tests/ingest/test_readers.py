"""Which parser read a page is kept with every chunk and counted for every document, from the run to the ledger."""

import sqlite3
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from paperlode.ingest.chunking import CHUNKER_VERSION
from paperlode.ingest.document import Block, Box, Chunk, Kind, Layer, PageBox, PageFailure, ParsedPage, Source
from paperlode.ingest.ledger import Arrival, Ledger, Recipe
from paperlode.ingest.pipeline import RunOptions, run
from paperlode.ingest.readers import Readers
from paperlode.ingest.sources import Stamp

RECIPE = Recipe("fake-1", CHUNKER_VERSION, "words")
STAMP = Stamp(1_000_000_000, 9, 7)


class Words:
    """A tokenizer whose tokens are words, plus two special ones."""

    max_tokens = 64

    def count(self, text):
        return len(text.split()) + 2


class Lines:
    """Reads '%PDF-' text files, one line a page; the first word says how the page was read, FAIL that it was not."""

    fingerprint = "fake-1"
    documents_at_once = 1

    def stands(self, read_by):
        return False

    def page_prints(self, source, stop):
        return ()

    def page_count(self, source):
        return len(Path(source.uri).read_text().splitlines()) - 1

    def parse(self, source, pages):
        lines = Path(source.uri).read_text().splitlines()[1:]
        for n in pages:
            way, _, text = lines[n].partition(" ")
            failure = PageFailure("page_timeout", "late") if way == "FAIL" else None
            blocks = () if failure else (Block(Kind.TEXT, f"The {40 * text}.", (PageBox(n, Box(72, 100, 540, 120)),)),)
            yield ParsedPage(n, 612, 792, f"fake-1/{way}", blocks, failure=failure)

    def close(self):
        pass


class Kept:
    """A sink that keeps the chunks."""

    def __init__(self):
        self.chunks = []

    def begin(self, document):
        pass

    def add(self, chunks):
        self.chunks += chunks

    discard = remove = begin

    def commit(self, document, version):
        pass

    def version(self, document):
        return ""

    def count(self, document):
        return 0

    def flush(self):
        pass


def source(digest="a" * 64, name="a.pdf"):
    return Source(f"/docs/{name}", name, "application/pdf", digest, 9)


def page(number, parser, *, failed=False):
    return ParsedPage(number, 1, 1, parser, failure=PageFailure("x", "y") if failed else None)


def chunk(*pages):
    regions = tuple(PageBox(p, Box(1, 2, 3, 4)) for p in pages)
    return Chunk("i", "d", 0, "t", Kind.TEXT, Layer.BODY, regions, (0, 1), 3, "fake-1")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=50), st.randoms())
def test_readers_know_every_page_and_count_them(pages, rng):
    """In whatever order the pages come; one that failed was read by nothing."""
    readers = Readers()
    order = list(enumerate(pages))
    rng.shuffle(order)
    for n, (parser, failed) in order:
        readers.note(page(n, parser, failed=failed))
    for n, (parser, failed) in enumerate(pages):
        assert readers.of([n]) == (() if failed else (parser,))
    sound = [parser for parser, failed in pages if not failed]
    assert readers.counts == {p: sound.count(p) for p in set(sound)}
    assert readers.of([-1, len(pages)]) == ()


def test_a_chunk_over_pages_names_each_reader_once_in_order():
    """Pages 0 to 3 read by b, a, nobody, b."""
    readers = Readers()
    for n, parser in enumerate(["b", "a", "a", "b"]):
        readers.note(page(n, parser, failed=n == 2))
    assert readers.mark(chunk(0, 1, 2, 3)).read_by == ("b", "a")
    assert readers.mark(chunk(2)).read_by == ()


def test_a_run_marks_chunks_and_counts_pages(tmp_path, ledger):
    """Chunks, report and ledger agree; pages kept by an earlier run that was broken off count as well."""
    path = tmp_path / "a.pdf"
    path.write_text("%PDF-fake\nscan one \nplain two \nFAIL\nscan four ")
    sink = Kept()
    first = run(
        [path], parser=Lines(), counter=Words(), sink=sink, ledger=ledger, recipe=RECIPE, options=RunOptions(lanes=1)
    )
    counts = {"fake-1/scan": 2, "fake-1/plain": 1}
    assert [c.read_by for c in sink.chunks] == [("fake-1/scan",), ("fake-1/plain",), ("fake-1/scan",)]
    assert first.read_by == dict(first.ingested[0].read_by) == counts
    (record,) = ledger.documents()
    assert record.read_by == ledger.counts().read_by == counts
    ledger.forget_index()
    assert ledger.counts().read_by == {}
    again = run(
        [path], parser=Lines(), counter=Words(), sink=Kept(), ledger=ledger, recipe=RECIPE, options=RunOptions(lanes=1)
    )
    assert (again.pages_kept, again.read_by) == (4, counts)
    assert ledger.counts().read_by == counts


def test_counts_follow_documents_in_and_out(ledger):
    """Only searchable documents count: a new version replaces the old counts when it is finished, a removal takes them."""
    other = source("b" * 64, "b.pdf")
    for s, counts in ((source(), {"x/a": 2, "x/b": 3}), (other, {"x/b": 5})):
        ledger.begin(s, 5, RECIPE)
        ledger.finish(Arrival(s, RECIPE, STAMP, pages=5, chunks=1, read_by=counts))
    assert ledger.counts().read_by == {"x/a": 2, "x/b": 8}
    ledger.begin(source(), 5, Recipe("new-1", "c", "e"))
    assert ledger.document("a.pdf").read_by == {"x/a": 2, "x/b": 3}
    ledger.finish(Arrival(source(), Recipe("new-1", "c", "e"), STAMP, pages=5, chunks=1, read_by={"y": 5}))
    assert ledger.document("a.pdf").read_by == {"y": 5}
    assert ledger.counts().read_by == {"x/b": 5, "y": 5}
    ledger.begin_removal("b" * 64)
    assert ledger.counts().read_by == {"y": 5}
    ledger.remove("b" * 64)
    ledger.forget_index()
    assert ledger.counts().read_by == {}


def test_a_ledger_of_before_opens_and_counts_by_fingerprint(tmp_path):
    """Without the table it is made; documents that nothing was noted of count by their parser, beside those of now."""
    path = tmp_path / "old.sqlite"
    ledger = Ledger.open(path)
    ledger.begin(source(), 5, RECIPE)
    ledger.finish(Arrival(source(), RECIPE, STAMP, pages=5, chunks=1))
    ledger.close()
    with sqlite3.connect(path) as db:
        db.execute("drop table read_by")
    db.close()
    ledger = Ledger.open(path)
    ledger.begin(source("b" * 64, "b.pdf"), 3, RECIPE)
    ledger.finish(Arrival(source("b" * 64, "b.pdf"), RECIPE, STAMP, pages=3, chunks=1, read_by={"fake-1/scan": 3}))
    assert [d.read_by for d in ledger.documents()] == [{"fake-1": 5}, {"fake-1/scan": 3}]
    assert ledger.counts().read_by == {"fake-1": 5, "fake-1/scan": 3}
    ledger.close()


def test_counting_looks_at_no_page(ledger):
    """The status of an archive reads what was counted when each document was finished: the pages may be gone."""
    ledger.begin(source(), 3, RECIPE)
    ledger.finish(Arrival(source(), RECIPE, STAMP, pages=3, chunks=1, read_by={"fake-1/scan": 3}))
    seen = []
    import sqlalchemy as sa

    sa.event.listen(ledger._engine, "before_cursor_execute", lambda *a: seen.append(a[2]))
    assert ledger.counts().read_by == {"fake-1/scan": 3}
    assert seen
    assert not any("FROM pages" in statement for statement in seen)
