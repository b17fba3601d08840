"""Scans, upright or not, are read, and what is found points back at the ink of the page as displayed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pymupdf
import pytest

from paperlode.ingest.document import Block, Box, Kind, ParsedPage
from paperlode.ingest.pages import PageRef, read_picture
from paperlode.ingest.parsing.geometry import Affine, map_blocks
from paperlode.ingest.parsing.local import LocalOptions, parse_page
from paperlode.ingest.parsing.scan import ScanResult, read_scan, upright

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
TRUTH: dict[str, Any] = json.loads((SAMPLES / "truth.json").read_text(encoding="utf-8"))


def parsed(file: str, page: int = 0) -> ParsedPage:
    """A sample page as the local parser reads it, here in this process."""
    ref = PageRef(str(SAMPLES / "archive" / file), page, pdf=file.endswith(".pdf"))
    return parse_page(ref, LocalOptions())


def part_of(name: str, page: int, y0: float, y1: float) -> ScanResult:
    """A strip of a scanned sample page (points from the top), read; its boxes are in points of the whole page."""
    picture, width, height = read_picture(PageRef(str(SAMPLES / "archive" / f"{name}.pdf"), page, pdf=True), dpi=200)
    scale = picture.shape[0] / height
    strip = np.ascontiguousarray(picture[round(y0 * scale) : round(y1 * scale)])
    result = read_scan(strip, width, strip.shape[0] / scale, page)
    down = Affine(1, 0, 0, 0, 1, round(y0 * scale) / scale)
    return replace(result, blocks=map_blocks(result.blocks, down.box, width, height))


def evidence(name: str, page: int = 0) -> list[tuple[str, Box]]:
    """What the truth file says stands on the page, and where."""
    return [
        (e["text"], Box(*e["box"]))
        for q in TRUTH["questions"]
        for e in q["evidence"]
        if (e["doc"], e["page"]) == (name, page)
    ]


def flat(text: str) -> str:
    """Letters and digits only, in lower case."""
    return re.sub(r"[\W_]", "", text).lower()


def words(text: str) -> list[str]:
    """Words and numbers in lower case."""
    return re.findall(r"\w+(?:[.,]\d+)*", text.lower())


def ink_boxes(blocks: tuple[Block, ...]) -> list[tuple[str, Box]]:
    """Every printed line and table cell with its box."""
    lines = [(b.text[ln.start : ln.end], ln.region.box) for b in blocks for ln in b.lines]
    return lines + [(c.text, c.region.box) for b in blocks if b.table for c in b.table.cells if c.region]


def stands_at(blocks: tuple[Block, ...], text: str, box: Box) -> None:
    """Asserts that lines or cells at ``box`` hold the words of ``text``, and that their boxes meet most of it."""
    near = [(t, b) for t, b in ink_boxes(blocks) if b.overlap(box) > 0.1 * min(b.area, box.area)]
    found = flat(" ".join(t for t, _ in near))
    missing = [w for w in words(text) if flat(w) not in found]
    assert len(missing) <= 0.1 * len(words(text)), f"{missing} of {text!r} not in {near}"
    covered = sum(b.overlap(box) for _, b in near)
    assert covered > 0.5 * box.area, f"{text!r}: {covered / box.area:.0%} of its box"


@pytest.mark.slow
def test_an_upside_down_scan_is_read_and_points_at_its_ink() -> None:
    """The page is turned by 180 degrees and a little skew; its words are found where they stand as displayed."""
    page = parsed("upside_down.pdf")
    assert page.failure is None
    assert page.parser.endswith("/scan")
    assert page.rotation == 180
    assert page.skew == pytest.approx(0.7, abs=0.2)
    assert (page.width, page.height) == (612, 792)
    assert "text_layer_none" in page.flags
    for text, box in evidence("upside_down"):
        stands_at(page.blocks, text, box)
    (table,) = [b.table for b in page.blocks if b.table]
    assert table.grid()[4] == ["12.000", "12.016", "+0.016", "0.009"]
    assert page.blocks[0].text == "Certificate of Calibration"
    assert page.blocks[0].regions[0].box.y0 > 650  # at the foot, as displayed


@pytest.mark.slow
def test_a_skewed_scan_is_read() -> None:
    """A page skewed by 1.3 degrees says so, and its clauses are read almost to the letter, where they stand."""
    result = part_of("service_agreement_scan", 0, 0, 310)
    assert result.rotation == 0
    assert result.skew == pytest.approx(1.3, abs=0.2)
    sentence = (
        "The Contractor shall respond to an emergency call within ninety (90) minutes and to any other call within "
        "eight (8) working hours. A call is an emergency if the temperature in a cold store rises above -12 °C"
    )
    got = set(words(" ".join(b.text for b in result.blocks)))
    assert sum(w in got for w in words(sentence)) > 0.95 * len(words(sentence))
    (place,) = [(text, box) for text, box in evidence("service_agreement_scan") if box.y1 < 310]
    stands_at(result.blocks, *place)
    confidences = [b.confidence for b in result.blocks if b.text]
    assert all(c is not None and 0.6 < c <= 1 for c in confidences)
    assert any(b.kind in (Kind.HEADING, Kind.TITLE) for b in result.blocks)


@pytest.mark.slow
def test_a_chinese_scan_is_read() -> None:
    """Chinese text, its numbers to the digit, and its table are found on a skewed page."""
    result = part_of("chinese_report_scan", 0, 285, 605)
    assert result.skew == pytest.approx(-0.9, abs=0.2)
    text = " ".join(b.text for b in result.blocks)
    expected = [(t, b) for t, b in evidence("chinese_report_scan") if b.y0 > 285]
    assert len(expected) == 4
    for wanted, _ in expected:
        assert sum(c in flat(text) for c in flat(wanted)) > 0.97 * len(flat(wanted)), wanted
    for number in ("98,742,336.50", "67,360,000.00", "7.69%"):
        assert number in text
    (table,) = [b.table for b in result.blocks if b.table]
    assert ["总资产", "2,356,781,094.62", "2,087,430,115.38", "12.90%"] in table.grid()
    assert "公司全年研发投入为98,742,336.50元，占营业收入的7.69%" in text.replace(" ", "")


@lru_cache
def part_of_report() -> tuple[Any, float, float, list[tuple[str, Box]]]:
    """A strip of a digital sample page as a picture, its size in points, and its words with their boxes."""
    clip = pymupdf.Rect(0, 424, 612, 560)
    with pymupdf.open(SAMPLES / "archive" / "annual_report.pdf") as doc:
        pix = doc[0].get_pixmap(dpi=130, clip=clip, colorspace=pymupdf.csRGB)
        found = [(w[4], Box(w[0], w[1] - clip.y0, w[2], w[3] - clip.y0)) for w in doc[0].get_text("words", clip=clip)]
    picture = np.frombuffer(pix.samples, dtype=np.uint8).reshape(pix.height, pix.width, 3)
    return picture, clip.width, clip.height, found


@lru_cache
def turned_page(turn: int) -> ScanResult:
    """The same picture turned clockwise by ``turn`` and read."""
    picture, width, height, _ = part_of_report()
    if turn in (90, 270):
        width, height = height, width
    return read_scan(np.ascontiguousarray(np.rot90(picture, k=-turn // 90)), width, height, 0)


@pytest.mark.slow
@pytest.mark.parametrize("turn", [90, 270])
def test_a_lying_page_is_turned_upright(turn: int) -> None:
    """A page scanned on its side is turned back, read, and its boxes lie on the words as displayed."""
    result = turned_page(turn)
    assert result.rotation == 360 - turn
    _, width, height, found = part_of_report()
    move = Affine.quarter_turn(turn, width, height)
    read = ink_boxes(result.blocks)
    long_words = [(w, move.box(b)) for w, b in found if len(flat(w)) > 3]
    hits = [any(flat(w) in flat(t) and b.overlap(at) > 0.5 * at.area for t, b in read) for w, at in long_words]
    assert len(hits) > 20
    assert sum(hits) > 0.9 * len(hits)


@pytest.mark.slow
def test_an_upright_page_is_left_alone() -> None:
    """A straight picture keeps its pixels, and the map back is the identity."""
    picture, *_ = part_of_report()
    straight, quads, move, rotation, skew = upright(picture)
    assert np.array_equal(straight, picture)
    assert (rotation, skew, move) == (0, 0.0, Affine.quarter_turn(0, 0, 0))
    assert len(quads) > 5


@pytest.mark.parametrize("shade", [255, 120])
def test_a_picture_without_text_gives_no_blocks(shade: int) -> None:
    """Bare paper, white or gray, has nothing on it and is not turned."""
    result = read_scan(np.full((400, 300, 3), shade, dtype=np.uint8), 300, 400, 0)
    assert result == ScanResult((), 0, 0.0, 0)


def test_pictures_of_samples_have_the_size_the_truth_says() -> None:
    """Points of the page as displayed are those of the truth file."""
    for file, doc in TRUTH["docs"].items():
        ref = PageRef(str(SAMPLES / "archive" / file), 0, pdf=file.endswith(".pdf"))
        _, width, height = read_picture(ref, dpi=36)
        assert [width, height] == pytest.approx(doc["sizes"][0], abs=1), file
