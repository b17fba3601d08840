"""Files that changed: pages that show the same are not parsed again, wherever they stand now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pymupdf
import pytest
from PIL import Image

from paperlode.ingest.document import (
    Block,
    Bookmark,
    Box,
    Cell,
    Finding,
    Kind,
    Line,
    PageBox,
    ParsedPage,
    Source,
    Table,
)
from paperlode.ingest.parsing.local import LocalParser
from paperlode.ingest.renumbering import renumbered
from paperlode.ingest.sources import open_source

from .test_pipeline import RECIPE, FakeParser, ListSink, go, write

if TYPE_CHECKING:
    from pathlib import Path

BOX = Box(72, 100, 540, 120)


def parsed(path, sink, ledger, **options):
    """The pages (0-based) that a run over the file parses."""
    parser = FakeParser()
    report = go(path, sink, ledger, parser, **options)
    assert not report.failed
    assert report.pages_parsed + report.pages_kept == report.ingested[0].pages
    return [n for _, n in parser.parsed]


def pages_of(sink):
    """Pages of the only searchable document, by text."""
    ((_, chunks),) = sink.visible.items()
    return {word: r.page for c in chunks for r, word in zip(c.regions, c.text.split(), strict=True)}


def test_only_the_page_that_changed_is_parsed(tmp_path, sink, ledger):
    """All other pages come from the version before; the document is whole."""
    lines = [f"page{n}" for n in range(200)]
    path = write(tmp_path / "a.pdf", *lines)
    assert parsed(path, sink, ledger) == list(range(200))
    write(path, *lines[:120], "other", *lines[121:])
    assert parsed(path, sink, ledger) == [120]
    assert pages_of(sink) == {("other" if n == 120 else f"page{n}"): n for n in range(200)}


def test_pages_that_moved_are_not_parsed(tmp_path, sink, ledger):
    """A page put in front, one taken out, two swapped: what is kept has its new place."""
    path = write(tmp_path / "a.pdf", "one", "two", "three", "four")
    parsed(path, sink, ledger)
    write(path, "new", "two", "one", "four")
    assert parsed(path, sink, ledger) == [0]
    assert pages_of(sink) == {"new": 0, "two": 1, "one": 2, "four": 3}


def test_a_like_file_under_another_name_is_compared_page_by_page(tmp_path, sink, ledger):
    """Where its first page is known: a report saved under the name of its next version."""
    parsed(write(tmp_path / "a.pdf", "title", "two", "three"), sink, ledger)
    assert parsed(write(tmp_path / "b.pdf", "title", "two", "3"), sink, ledger) == [2]
    assert parsed(write(tmp_path / "c.pdf", "other title", "two", "three"), sink, ledger) == [0, 1, 2]
    assert len(sink.visible) == 3


def test_a_page_that_failed_is_parsed_again(tmp_path, sink, ledger):
    """The same picture of a page that could not be read says nothing."""
    path = write(tmp_path / "a.pdf", "one", "FAIL", "three")
    parsed(path, sink, ledger)
    write(path, "one", "FAIL", "four")
    assert parsed(path, sink, ledger) == [1, 2]


def test_another_parser_takes_nothing_over(tmp_path, sink, ledger):
    """It would read the same page otherwise."""
    path = write(tmp_path / "a.pdf", "one", "two")
    parsed(path, sink, ledger)
    write(path, "one", "three")
    other = RECIPE.__class__("fake-2", RECIPE.chunker, RECIPE.embedder)
    assert parsed(path, sink, ledger, recipe=other) == [0, 1]


def test_a_file_that_changes_while_it_is_compared_says_nothing(tmp_path, sink, ledger):
    """Prints of other bytes than those opened are neither kept nor followed; the file fails, and is taken the next time."""
    path = write(tmp_path / "a.pdf", "one", "two")
    parsed(path, sink, ledger)
    write(path, "three", "two")
    content = open_source(path).digest

    class Meddler(FakeParser):
        def page_prints(self, source, stop):
            found = super().page_prints(source, stop)
            write(path, "four", "five", "six")
            return found

    report = go(path, sink, ledger, Meddler())
    assert [f.code for f in report.failed] == ["source_changed"]
    (record,) = ledger.documents()
    assert record.status == "indexed"
    assert record.content != content
    assert not ledger.prints.known(content)
    assert parsed(path, sink, ledger) == [0, 1, 2]


def test_a_broken_off_run_goes_on_with_the_pages_taken_over(tmp_path, sink, ledger):
    """They are kept as soon as they are found."""
    path = write(tmp_path / "a.pdf", "one", "two", "three")
    parsed(path, sink, ledger)
    write(path, "one", "2", "three", "4")

    broken = ListSink()
    broken.fail_with = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        go(path, broken, ledger)
    assert set(parsed(path, sink, ledger)) <= {1, 3}
    assert pages_of(sink) == {"one": 0, "2": 1, "three": 2, "4": 3}


def test_a_page_under_another_number_is_whole() -> None:
    """Every region in it is on the new page; regions on other pages stay."""
    own = PageBox(4, BOX)
    finding = Finding("code", "reason", (own,))
    table = Table(1, 1, (Cell(0, 0, "x", region=own),))
    block = Block(Kind.TABLE, "x", (own, PageBox(5, BOX)), table=table, lines=(Line(0, 1, own),), findings=(finding,))
    page = ParsedPage(4, 612, 792, "p", (block,), bookmarks=(Bookmark(1, "A", 3.0),), findings=(finding,))
    moved = renumbered(page, 9)
    assert moved.page == 9
    assert moved.blocks[0].regions == (PageBox(9, BOX), PageBox(5, BOX))
    assert "PageBox(page=4" not in repr(moved)
    assert renumbered(moved, 4) == page
    assert renumbered(page, 4) is page


@pytest.fixture(scope="module")
def parser():
    """The local parser, with one worker."""
    made = LocalParser(workers=1)
    yield made
    made.close()


def made_pdf(path: Path, *texts: str, hidden: str = "") -> Path:
    """A PDF with a line of text a page."""
    with pymupdf.open() as doc:
        for text in texts:
            page = doc.new_page()
            page.insert_text((72, 100), text)
            page.draw_rect((72, 150, 200, 180))
        if hidden:
            doc[0].insert_text((72, 300), hidden, render_mode=3)
        doc.save(path)
    return path


def shown(parser: LocalParser, path: Path) -> tuple[str, ...]:
    """Prints of its pages."""
    source: Source = open_source(path)
    return tuple(parser.page_prints(source, parser.page_count(source)))


def test_a_file_saved_anew_shows_the_same(tmp_path: Path, parser: LocalParser) -> None:
    """Other bytes, cleaned and compressed: all prints are those of before."""
    texts = [f"Page {n} of forty" for n in range(40)]
    path = made_pdf(tmp_path / "a.pdf", *texts)
    with pymupdf.open(path) as doc:
        doc.save(tmp_path / "b.pdf", garbage=4, deflate=True, clean=True)
    assert (tmp_path / "b.pdf").read_bytes() != path.read_bytes()
    prints = shown(parser, path)
    assert prints == shown(parser, tmp_path / "b.pdf")
    assert len(set(prints)) == 40
    assert all(len(p) == 32 for p in prints)


def test_a_changed_page_shows_something_else(tmp_path: Path, parser: LocalParser) -> None:
    """A digit, text that nobody sees, a bookmark: of that page alone."""
    first = shown(parser, made_pdf(tmp_path / "a.pdf", "Total 1,234.56", "second"))
    digit = shown(parser, made_pdf(tmp_path / "b.pdf", "Total 1,234.58", "second"))
    hidden = shown(parser, made_pdf(tmp_path / "c.pdf", "Total 1,234.56", "second", hidden="word"))
    with pymupdf.open(tmp_path / "a.pdf") as doc:
        doc.set_toc([[1, "Total", 1]])
        doc.save(tmp_path / "d.pdf")
    marked = shown(parser, tmp_path / "d.pdf")
    assert len({first[0], digit[0], hidden[0], marked[0]}) == 4
    assert {first[1]} == {digit[1], hidden[1], marked[1]}


def test_parsing_does_not_change_what_a_page_shows(tmp_path: Path, parser: LocalParser) -> None:
    """A worker turns the pages that it parses; the print is that of the file."""
    path = made_pdf(tmp_path / "a.pdf", "one", "two")
    with pymupdf.open(path) as doc:
        doc[0].set_rotation(90)
        doc.save(tmp_path / "b.pdf")
    before = shown(parser, tmp_path / "b.pdf")
    assert [p.failure for p in parser.parse(open_source(tmp_path / "b.pdf"), [0, 1])] == [None, None]
    assert shown(parser, tmp_path / "b.pdf") == before


def test_pictures_are_compared_by_their_pixels(tmp_path: Path, parser: LocalParser) -> None:
    """One format or the other, frame by frame."""
    frames = [Image.new("RGB", (200, 100), color) for color in ("red", "green")]
    frames[0].save(tmp_path / "a.tiff", save_all=True, append_images=frames[1:])
    frames[1].save(tmp_path / "b.png")
    red, green = shown(parser, tmp_path / "a.tiff")
    assert red != green
    assert shown(parser, tmp_path / "b.png") == (green,)
