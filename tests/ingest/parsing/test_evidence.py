"""What a page shows: words with their places, and ink that is print whatever the paper; the same while parsing and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pymupdf
import pytest

from paperlode.ingest.document import Box, ParsedPage
from paperlode.ingest.pages import PageRef, read_picture
from paperlode.ingest.parsing.evidence import Evidence, Ink, evidence_of, ink_of, prepare_with_evidence
from paperlode.ingest.parsing.local import LocalOptions, parse_page

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TEXT = "The annual report tells of revenue, costs and the outlook."


def prose(path: Path, *, rotation: int = 0, picture: NDArray[np.uint8] | None = None) -> PageRef:
    """A page of 400 by 600 points with ten lines from y 100 on, 20 points apart, and maybe a picture below them."""
    doc = pymupdf.open()
    page = doc.new_page(width=400, height=600)
    for n in range(10):
        page.insert_text((40, 100 + 20 * n), TEXT, fontsize=10)
    if picture is not None:
        png = cv2.imencode(".png", picture)[1].tobytes()
        page.insert_image(pymupdf.Rect(40, 320, 360, 560), stream=png)
    page.set_rotation(rotation)
    doc.save(path)
    return PageRef(str(path), 0, pdf=True)


def page_of(parser: str) -> ParsedPage:
    """A stored page that this parser read."""
    return ParsedPage(0, 400, 600, parser)


def notice() -> NDArray[np.uint8]:
    """A picture of several lines of print."""
    out = np.full((720, 960, 3), 255, np.uint8)
    for n in range(8):
        cv2.putText(out, "Printed in a picture only", (40, 80 + 80 * n), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (0, 0, 0), 3)
    return out


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (600, 400)])
def test_ink_comes_back_as_it_was(shape: tuple[int, int]) -> None:
    """Every dot, also where the number of dots is no multiple of eight."""
    grid = np.random.default_rng(0).random(shape) < 0.3
    kept = Ink.of(grid)
    assert np.array_equal(kept.grid(), grid)
    assert kept == Ink.of(grid)


def test_words_and_places(tmp_path: Path) -> None:
    """Of a digital page that the local parser read: its words, where they stand, and no picture is looked at."""
    found = evidence_of(prose(tmp_path / "a.pdf"), page_of("local-3/plain"))
    assert found.ink is None
    assert found.words is not None
    assert " ".join(w.text for w in found.words) == " ".join([TEXT] * 10)
    assert all(w.printed for w in found.words)
    assert abs(found.words[0].box.x0 - 40) < 1
    assert found.words[0].box.y0 < 100 < found.words[0].box.y1 + 1


def test_invisible_words(tmp_path: Path) -> None:
    """Are told apart."""
    path = tmp_path / "a.pdf"
    prose(path)
    doc = pymupdf.open(path)
    doc[0].insert_text((40, 50), "hidden", fontsize=10, render_mode=3)
    doc.save(tmp_path / "b.pdf")
    found = evidence_of(PageRef(str(tmp_path / "b.pdf"), 0, pdf=True), page_of("local-3/plain"))
    assert found.words is not None
    assert [w.text for w in found.words if not w.printed] == ["hidden"]


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_places_are_those_of_the_page_as_displayed(tmp_path: Path, rotation: int) -> None:
    """Whatever its rotation, words lie on ink, for a page that was recognised too."""
    ref = prose(tmp_path / "a.pdf", rotation=rotation)
    found = evidence_of(ref, page_of("vl"))
    assert found.words
    assert found.ink
    grid = found.ink.grid()
    assert grid.shape == ((600, 400) if rotation in {0, 180} else (400, 600))
    for w in found.words:
        b = Box(*(round(v) for v in w.box))
        assert grid[int(b.y0) : int(b.y1), int(b.x0) : int(b.x1)].any()


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_page_for_recognition_brings_the_same(tmp_path: Path, rotation: int) -> None:
    """Turned upright or not, its evidence is that of the page as displayed."""
    ref = prose(tmp_path / "a.pdf", rotation=rotation)
    prepared, found = prepare_with_evidence(ref, dpi=144, upright=True, layer=False)
    after = evidence_of(ref, page_of("vl"))
    assert found.words == after.words
    assert found.ink
    assert after.ink
    assert (prepared.turn != 0) == (rotation != 0)
    assert np.mean(found.ink.grid() != after.ink.grid()) < 0.02  # rendered at another resolution


def test_pictures_on_a_digital_page_are_looked_at(tmp_path: Path) -> None:
    """Print in a picture that nothing reads is told by the local parser; the page without it wants no look."""
    page = parse_page(prose(tmp_path / "a.pdf", picture=notice()), LocalOptions(route="plain"))
    assert [f.code for f in page.findings] == ["uncovered_ink"]
    assert all(r.box.y0 > 315 for r in page.findings[0].regions)
    plain = parse_page(prose(tmp_path / "b.pdf"), LocalOptions(route="plain"))
    assert plain.findings == ()
    assert all(b.findings == () for b in plain.blocks)


def test_a_scan_has_ink_only(tmp_path: Path) -> None:
    """A picture, and a PDF page that is one."""
    assert cv2.imwrite(str(tmp_path / "a.png"), notice())
    found = evidence_of(PageRef(str(tmp_path / "a.png"), 0, pdf=False), page_of("local-3/scan"))
    assert found.words is None
    assert found.ink
    assert found.ink.grid().any()
    doc = pymupdf.open()
    doc.new_page(width=400, height=300).insert_image(pymupdf.Rect(0, 0, 400, 300), filename=str(tmp_path / "a.png"))
    doc.save(tmp_path / "b.pdf")
    found = evidence_of(PageRef(str(tmp_path / "b.pdf"), 0, pdf=True), page_of("local-3/scan"))
    assert found.words is None


def ink_share(picture: NDArray[np.uint8]) -> float:
    """Of the dots of a page of 400 by 300 points."""
    return float(ink_of(picture, 400, 300).grid().mean())


def test_ink_is_what_stands_out() -> None:
    """Print on white, on gray, and white on black is ink; plain paper of any tone and soft shading are none."""
    black_on_white = notice()
    usual = ink_share(black_on_white)
    assert 0.01 < usual < 0.3
    on_gray = np.minimum(black_on_white, 170).astype(np.uint8)
    assert ink_share(on_gray) == pytest.approx(usual, rel=0.2)
    assert ink_share((255 - black_on_white).astype(np.uint8)) == pytest.approx(usual, rel=0.2)
    for tone in (0, 128, 255):
        assert ink_share(np.full((720, 960, 3), tone, np.uint8)) == 0
    shaded = np.tile(np.linspace(90, 255, 960, dtype=np.uint8)[None, :, None], (720, 1, 3))
    assert ink_share(shaded) == 0


def test_resolution_changes_little(tmp_path: Path) -> None:
    """Ink of a page rendered at 200 dpi stands where that of 72 dpi does."""
    ref = prose(tmp_path / "a.pdf")
    fine, coarse = (ink_of(*read_picture(ref, dpi=dpi)).grid() for dpi in (200, 72))
    assert fine.shape == coarse.shape
    near = cv2.dilate(coarse.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert fine[~near].mean() < 0.001
    assert fine.any()


def test_the_same_file_gives_the_same_evidence(tmp_path: Path) -> None:
    """Twice."""
    ref = prose(tmp_path / "a.pdf", picture=notice())
    first: Evidence = evidence_of(ref, page_of("local-3/plain"))
    assert first == evidence_of(ref, page_of("local-3/plain"))
    assert first.ink is not None
