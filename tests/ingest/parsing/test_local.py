"""The local parser gives pages in the order asked for, and a page that fails is a value among the others."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymupdf
import pytest
from PIL import Image

from paperlode.ingest.document import Box, Kind, ParsedPage, Source
from paperlode.ingest.errors import PageOutOfMemory, SourceCorrupt, SourceEncrypted, SourceUnreadable
from paperlode.ingest.pages import PageRef
from paperlode.ingest.parsing.local import LocalOptions, LocalParser, parse_page
from paperlode.ingest.workers import WorkerLimits, is_memory_error

if TYPE_CHECKING:
    from collections.abc import Iterator

ARCHIVE = Path(__file__).resolve().parents[3] / "samples" / "archive"
SENTENCE = "The Supplier shall deliver the Products within the period stated in the order confirmation."


@pytest.fixture(scope="module")
def parser() -> Iterator[LocalParser]:
    """One parser with two workers for the tests of this file."""
    local = LocalParser(workers=2)
    yield local
    local.close()


def source(path: Path) -> Source:
    """The file as a source."""
    data = path.read_bytes()
    kind = "application/pdf" if path.suffix == ".pdf" else "image/png"
    return Source(str(path), path.name, kind, hashlib.sha256(data).hexdigest(), len(data))


def saved(doc: pymupdf.Document, path: Path, **saving: Any) -> Source:
    """The document, written to ``path``."""
    doc.save(path, **saving)
    return source(path)


def prose(doc: pymupdf.Document, text: str, **size: float) -> pymupdf.Page:
    """A new page with ``text`` above some lines of prose."""
    page = doc.new_page(**size)
    page.insert_text((72, 72), text, fontsize=11)
    for i in range(5):
        page.insert_text((72, 120 + 14 * i), SENTENCE, fontsize=11)
    return page


def here(path: Path, page: int = 0, route: str = "auto") -> ParsedPage:
    """The page parsed in this process."""
    return parse_page(PageRef(str(path), page, pdf=True), LocalOptions(route))


def test_pages_come_in_the_order_asked_for(parser: LocalParser, tmp_path: Path) -> None:
    """More pages than are read ahead, asked for backwards, come backwards, each with its own text."""
    doc = pymupdf.open()
    for i in range(40):
        prose(doc, f"This is sheet number {i}")
    src = saved(doc, tmp_path / "many.pdf")
    assert parser.page_count(src) == 40
    asked = [*range(39, -1, -1), 7]
    pages = list(parser.parse(src, asked))
    assert [p.page for p in pages] == asked
    assert [p.blocks[0].text for p in pages] == [f"This is sheet number {i}" for i in asked]
    assert {p.parser for p in pages} == {"local-3/plain"}
    assert {(p.width, p.height) for p in pages} == {(595.0, 842.0)}


def test_a_parse_may_be_left_early(parser: LocalParser, tmp_path: Path) -> None:
    """A consumer that stops after a page leaves a parser that parses the next file."""
    doc = pymupdf.open()
    for i in range(30):
        prose(doc, f"Sheet {i}")
    src = saved(doc, tmp_path / "many.pdf")
    pages: Any = parser.parse(src, range(30))
    assert next(pages).page == 0
    pages.close()
    assert [p.page for p in parser.parse(src, [29])] == [29]


def test_a_broken_page_is_a_failed_value(parser: LocalParser, tmp_path: Path) -> None:
    """A page that cannot be rendered fails with code and reason; those before and after it are parsed."""
    doc = pymupdf.open()
    prose(doc, "First")
    hair = doc.new_page(width=14_000, height=3)
    hair.insert_image(hair.rect, pixmap=prose(pymupdf.open(), "x").get_pixmap(dpi=10), keep_proportion=False)
    prose(doc, "Third")
    pages = list(parser.parse(saved(doc, tmp_path / "odd.pdf"), range(3)))
    assert [p.page for p in pages] == [0, 1, 2]
    assert [p.failure is None for p in pages] == [True, False, True]
    assert [p.text[:5] for p in pages] == ["First", "", "Third"]
    assert pages[1].failure is not None
    assert pages[1].failure.code == "page_too_large"
    assert "page 2 of" in pages[1].failure.message


def test_a_page_past_the_end_is_a_failed_value(parser: LocalParser, tmp_path: Path) -> None:
    """A page tree that promises more pages than it has fails for those pages only."""
    doc = pymupdf.open()
    prose(doc, "Only")
    good, missing = parser.parse(saved(doc, tmp_path / "one.pdf"), [0, 5])
    assert good.failure is None
    assert missing.failure is not None
    assert (missing.page, missing.failure.code) == (5, "page_unreadable")


def test_a_broken_content_stream_keeps_what_can_be_read(tmp_path: Path) -> None:
    """Junk in a page's content ends in a page without it, never in an exception; other pages are whole."""
    doc = pymupdf.open()
    prose(doc, "First")
    page = prose(doc, "Second")
    doc.update_stream(page.get_contents()[0], b"\xff\x00(((( BT /Nope 12 Tf junk" * 20)
    saved(doc, tmp_path / "junk.pdf")
    assert "First" in here(tmp_path / "junk.pdf", 0).text
    broken = here(tmp_path / "junk.pdf", 1)
    assert broken.failure is None
    assert len(broken.blocks) <= 1


@pytest.mark.slow
def test_a_slow_page_does_not_hold_up_the_others(tmp_path: Path) -> None:
    """A page over its time limit is a page_timeout; the pages around it are parsed by new workers."""
    doc = pymupdf.open()
    prose(doc, "First")
    with pymupdf.open(ARCHIVE / "service_agreement_scan.pdf") as scan:
        doc.insert_pdf(scan, from_page=0, to_page=0)
    prose(doc, "Third")
    local = LocalParser(workers=1, limits=WorkerLimits(seconds=6))
    try:
        pages = list(local.parse(saved(doc, tmp_path / "slow.pdf"), range(3)))
    finally:
        local.close()
    assert [p.failure.code if p.failure else "" for p in pages] == ["", "page_timeout", ""]
    assert pages[2].text.startswith("Third")


def test_documents_that_cannot_be_opened(parser: LocalParser, tmp_path: Path) -> None:
    """Locked and damaged files are refused before any page; the right password opens."""
    doc = pymupdf.open()
    prose(doc, "Secret")
    locked = saved(doc, tmp_path / "locked.pdf", encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="key")
    with pytest.raises(SourceEncrypted):
        parser.page_count(locked)
    keyed = LocalParser(password="key", workers=1)  # noqa: S106
    try:
        assert keyed.page_count(locked) == 1
        assert next(iter(keyed.parse(locked, [0]))).text.startswith("Secret")
    finally:
        keyed.close()
    (tmp_path / "cut.pdf").write_bytes((ARCHIVE / "annual_report.pdf").read_bytes()[:300])
    with pytest.raises(SourceCorrupt):
        parser.page_count(source(tmp_path / "cut.pdf"))


def test_a_file_that_vanishes_is_no_failed_page(parser: LocalParser, tmp_path: Path) -> None:
    """Pages of a file that is gone are not recorded as failed: the parse ends with a SourceUnreadable."""
    doc = pymupdf.open()
    prose(doc, "Here")
    src = saved(doc, tmp_path / "gone.pdf")
    (tmp_path / "gone.pdf").unlink()
    with pytest.raises(SourceUnreadable, match=r"gone\.pdf"):
        list(parser.parse(src, [0]))


def test_fingerprints() -> None:
    """The fingerprint names the parser and a forced route: what changes the result, and nothing else."""
    assert LocalParser().fingerprint == "local-3"
    assert LocalParser(workers=3, password="x").fingerprint == "local-3"  # noqa: S106
    assert LocalParser(options=LocalOptions("layout")).fingerprint == "local-3-layout"


def test_memory_errors_of_libraries_are_known_by_their_words() -> None:
    """MuPDF and ONNX Runtime say that memory ran out in their own words."""
    for error in (MemoryError(), RuntimeError("std::bad_alloc"), RuntimeError("code=2: malloc (7 bytes) failed")):
        assert is_memory_error(error)
    assert not is_memory_error(ValueError("bad page"))
    assert PageOutOfMemory("x").code == "page_out_of_memory"


# ------------------------------------------------------------------------------------------------------------ routes


def test_blank_pages_and_forced_routes(tmp_path: Path) -> None:
    """A blank page has no blocks and is no failure; a route that is forced is taken and named."""
    doc = pymupdf.open()
    prose(doc, "Prose")
    doc.new_page()
    path = tmp_path / "a.pdf"
    doc.save(path)
    assert here(path).parser == "local-3/plain"
    assert here(path, route="layout").parser == "local-3/layout"
    blank = here(path, 1)
    assert (blank.parser, blank.blocks, blank.failure) == ("local-3/blank", (), None)


@pytest.mark.slow
def test_garbage_text_is_read_from_the_picture(tmp_path: Path) -> None:
    """A text layer of nonsense is set aside: the page is recognised, and flagged."""
    pix = pymupdf.open()
    page = pix.new_page(width=400, height=120)
    page.insert_text((30, 60), "Readable words here", fontsize=24)
    doc = pymupdf.open()
    page = doc.new_page(width=400, height=120)
    page.insert_image(page.rect, pixmap=pix[0].get_pixmap(dpi=120))
    for i in range(4):  # glyphs of a broken font subset
        page.insert_text((10, 20 + 25 * i), "#$%&'()*+,/:;<=>?@[]^`{}~!" * 2, fontsize=8, render_mode=3)
    doc.save(tmp_path / "bad.pdf")
    got = here(tmp_path / "bad.pdf")
    assert (got.parser, got.flags[-1]) == ("local-3/scan", "text_layer_garbage")
    assert "Readable words here" in got.text


@pytest.mark.slow
def test_a_picture_file_is_one_scanned_page(tmp_path: Path, parser: LocalParser) -> None:
    """A PNG is recognised; its boxes are in points of its own resolution."""
    doc = pymupdf.open()
    page = doc.new_page(width=400, height=150)
    page.insert_text((50, 80), "Invoice 2041", fontsize=30)
    shown = Image.open(io.BytesIO(page.get_pixmap(dpi=144).tobytes("png")))
    shown.save(tmp_path / "shot.png", dpi=(144, 144))
    src = source(tmp_path / "shot.png")
    assert parser.page_count(src) == 1
    (got,) = parser.parse(src, [0])
    assert (got.width, got.height) == pytest.approx((400, 150), abs=0.1)
    assert "Invoice 2041" in got.text
    expected = Box(*page.search_for("Invoice 2041")[0])
    assert got.blocks[0].regions[0].box.overlap(expected) > 0.5 * expected.area


# ------------------------------------------------------------------------------------------- boxes as displayed


def words_as_displayed(path: Path) -> list[tuple[str, Box]]:
    """The words of the first page, their boxes turned as the page is displayed."""
    with pymupdf.open(path) as doc:
        page = doc[0]
        return [(w[4], Box(*(pymupdf.Rect(w[:4]) * page.rotation_matrix))) for w in page.get_text("words")]


def every_word_is_where_it_stands(page: ParsedPage, path: Path) -> None:
    """Asserts that each word lies within a line or cell that holds it."""
    lines = [(b.text[ln.start : ln.end], ln.region.box) for b in page.blocks for ln in b.lines]
    lines += [(c.text, c.region.box) for b in page.blocks if b.table for c in b.table.cells if c.region]
    words = words_as_displayed(path)
    assert words
    for word, box in words:
        assert box.x1 <= page.width + 1
        assert box.y1 <= page.height + 1
        assert any(word in text and at.overlap(box) > 0.5 * box.area for text, at in lines), (word, box)


@pytest.mark.parametrize("crop", [(0, 0, 600, 500), (10, 20, 570, 460)])
@pytest.mark.parametrize("origin", [(0, 0), (-30, 40)])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotated_and_cropped_pages_have_boxes_as_displayed(
    tmp_path: Path, rotation: int, origin: tuple[int, int], crop: tuple[int, int, int, int]
) -> None:
    """``/Rotate`` and the crop box are applied: sideways text that is upright on the turned page is plain prose."""
    doc = pymupdf.open()
    page = doc.new_page(width=600, height=500)
    page.set_mediabox(pymupdf.Rect(origin[0], origin[1], origin[0] + 600, origin[1] + 500))
    page.set_rotation(rotation)
    back = page.derotation_matrix
    for i in range(6):
        page.insert_text(pymupdf.Point(60, 60 + 14 * i) * back, SENTENCE, fontsize=8, rotate=rotation)
    x0, y0, x1, y1 = crop
    page.set_cropbox(pymupdf.Rect(x0 + origin[0], y0, x1 + origin[0], y1))
    path = tmp_path / "turned.pdf"
    doc.save(path)
    got = here(path)
    assert (got.parser, got.rotation) == ("local-3/plain", 0)
    size = (x1 - x0, y1 - y0)
    assert (got.width, got.height) == (size[::-1] if rotation in (90, 270) else size)
    every_word_is_where_it_stands(got, path)


@pytest.mark.parametrize(("drawn", "rotation"), [(90, 90), (270, 270), (180, 180)])
def test_a_lying_page_is_read_upright_and_points_back(tmp_path: Path, drawn: int, rotation: int) -> None:
    """A landscape table on a portrait page without ``/Rotate`` is read along its lines; boxes are as displayed."""
    doc = pymupdf.open()
    page = doc.new_page(width=612, height=792)
    rows = [["Item", "First half", "Second half"], *([f"Segment {i}", f"{i}41.5", f"({i}8.25)"] for i in range(1, 7))]
    width, height = (612, 792) if drawn == 180 else (792, 612)
    at = {90: lambda x, y: (y, width - x), 270: lambda x, y: (height - y, x), 180: lambda x, y: (width - x, height - y)}
    for i in range(4):
        page.insert_text(at[drawn](72, 60 + 14 * i), SENTENCE, fontsize=10, rotate=drawn)
    for r, row in enumerate(rows):
        for c, text in enumerate(row):
            page.insert_text(at[drawn](100 + 150 * c, 150 + 20 * r), text, fontsize=10, rotate=drawn)
    path = tmp_path / "lying.pdf"
    doc.save(path)
    got = here(path)
    assert (got.parser, got.rotation) == ("local-3/layout", rotation)
    assert (got.width, got.height) == (612, 792)
    every_word_is_where_it_stands(got, path)
    (table,) = [b for b in got.blocks if b.kind is Kind.TABLE]
    assert table.table is not None
    assert table.table.grid() == rows
    assert SENTENCE in got.text


def test_samples_lose_no_word(tmp_path: Path) -> None:
    """Every page of the longest sample is parsed, and all its words are there."""
    path = ARCHIVE / "supply_agreement.pdf"
    with pymupdf.open(path) as doc:
        for i in range(0, doc.page_count, 3):
            text = "".join(here(path, i).text.split()).replace("-", "")
            lost = [w[4] for w in doc[i].get_text("words") if w[4].strip("-|").replace("-", "") not in text]
            assert lost == [], i
