"""Printed lines of recognised text: found in the picture, matched to the text, never made up."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlode.ingest.document import Box, PageBox
from paperlode.ingest.parsing.crops import strokes
from paperlode.ingest.parsing.print_lines import bands_of, lines_in

LINES = [
    "The Supplier shall deliver the goods within thirty days",
    "of each order, and shall pay 0.75% of the price of the",
    "delayed goods for each week of delay.",
]
REGION = PageBox(3, Box(100.0, 200.0, 400.0, 260.0))


def printed(lines: list[str], *, size: float = 11.0, rule: bool = False) -> np.ndarray:
    """The lines set in Helvetica at 200 dpi, a rule down their left side if asked for."""
    doc = pymupdf.open()
    page = doc.new_page(width=330, height=20 + 1.3 * size * len(lines))
    for i, line in enumerate(lines):
        page.insert_text((12, 16 + 1.3 * size * i), line, fontsize=size)
    if rule:
        page.draw_line((4, 0), (4, page.rect.height), width=1)
    pixels = page.get_pixmap(dpi=200)
    return np.frombuffer(pixels.samples, np.uint8).reshape(pixels.h, pixels.w, 3)


@pytest.mark.parametrize("rule", [False, True])
def test_each_line_of_print_is_a_band(rule: bool) -> None:
    """In order, apart from each other, as wide as their print; a rule beside them joins nothing."""
    bands = bands_of(strokes(printed(LINES, rule=rule)))
    assert len(bands) == 3
    assert all(a.y1 <= b.y0 for a, b in pairwise(bands))
    widths = [pymupdf.get_text_length(t, fontsize=11) / 330 for t in LINES]
    assert [b.width for b in bands] == pytest.approx(widths, abs=0.02)


def test_accents_and_dots_belong_to_their_line() -> None:
    """Small marks over or under a line are no line of their own."""
    assert len(bands_of(strokes(printed(["ÀÉÎÕÜ ÀÉÎÕÜ", "Ünder ýéä, ii jj", "... ,,, ___"], size=14)))) == 3


def test_a_picture_without_ink_has_none() -> None:
    """Nothing is found in white."""
    assert bands_of(np.zeros((50, 80), np.bool_)) == ()


def test_kept_line_ends_are_told_apart_exactly() -> None:
    """Each line of the text has its band's place on the page."""
    text = "\n".join(LINES)
    lines = lines_in(text, bands_of(strokes(printed(LINES))), REGION)
    assert [text[ln.start : ln.end] for ln in lines] == LINES
    assert all(ln.region.page == 3 for ln in lines)
    assert all(REGION.box.y0 <= ln.region.box.y0 < ln.region.box.y1 <= REGION.box.y1 for ln in lines)


def test_joined_lines_are_shared_out_by_their_width() -> None:
    """Every word of a line lies within its share, which may take a few characters more on either side."""
    text = " ".join(LINES)
    lines = lines_in(text, bands_of(strokes(printed(LINES))), REGION)
    assert len(lines) == 3
    at = 0
    for printed_line, line in zip(LINES, lines, strict=True):
        assert line.start <= at + 3
        assert line.end >= at + len(printed_line) - 3
        assert line.end - line.start < 1.3 * len(printed_line)
        at += len(printed_line) + 1


def test_text_that_does_not_go_with_the_picture_gets_no_lines() -> None:
    """More lines than bands, or one band only: the region's own box is all that is known."""
    bands = bands_of(strokes(printed(LINES)))
    assert lines_in("a\nb\nc\nd", bands, REGION) == ()
    assert lines_in("a b", bands[:1], REGION) == ()


@given(
    st.text(st.sampled_from("ab 营业，\n"), min_size=1, max_size=200),
    st.lists(st.floats(0.05, 1.0), min_size=2, max_size=8),
)
def test_lines_cover_the_text_in_order(text: str, widths: list[float]) -> None:
    """Whatever the text: offsets lie in it, lines go down, and no character but a line end is in none."""
    bands = tuple(Box(0.0, i / len(widths), w, (i + 0.8) / len(widths)) for i, w in enumerate(widths))
    lines = lines_in(text, bands, REGION)
    assert all(0 <= ln.start < ln.end <= len(text) for ln in lines)
    assert [ln.region.box.y0 for ln in lines] == sorted(ln.region.box.y0 for ln in lines)
    if lines:
        covered = {i for ln in lines for i in range(ln.start, ln.end)}
        assert all(i in covered or text[i] == "\n" for i in range(len(text)))
