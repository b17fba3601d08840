"""Blanks that a page shows by small gaps only are put in; type that is evenly spaced out stays as it is."""

from __future__ import annotations

from typing import Any

import pymupdf

from paperlode.ingest.document import Box
from paperlode.ingest.parsing.choice import features, needs_layout
from paperlode.ingest.parsing.engine import read_layout
from paperlode.ingest.parsing.lines import PrintedLine, lines_of
from paperlode.ingest.parsing.spacing import lacks_spaces, with_spaces

WORDS = ["composition", "of", "the", "training", "data"]


def tight(gap: float, tracking: float = 0.0) -> pymupdf.Page:
    """The words without blanks, set apart by ``gap`` font sizes; every letter by ``tracking`` more."""
    page = pymupdf.open().new_page()
    x = 72.0
    for word in WORDS:
        for c in word:
            page.insert_text((x, 100), c, fontsize=10)
            x += pymupdf.get_text_length(c, fontsize=10) + 10 * tracking
        x += 10 * gap
    return page


def raw(page: pymupdf.Page) -> list[dict[str, Any]]:
    """Characters as the engine reads them, in one span."""
    text: Any = page.get_text("rawdict", flags=pymupdf.TEXT_ACCURATE_BBOXES)
    blocks: list[dict[str, Any]] = text["blocks"]
    spans = [s for b in blocks for ln in b["lines"] for s in ln["spans"]]
    chars = [c for s in spans for c in s["chars"] if c["c"] != " "]
    line = {**blocks[0]["lines"][0], "spans": [{**spans[0], "chars": chars}]}
    return [{**blocks[0], "lines": [line]}]


def said(page: pymupdf.Page) -> str:
    """What the page says once its blanks are put in."""
    return " ".join(ln.text for ln in lines_of(with_spaces(raw(page))))


def test_gaps_that_stand_out_are_blanks() -> None:
    """A gap too small for the library parts words all the same, where no blank stands in a long run of letters."""
    assert said(tight(0.2)) == " ".join(WORDS)


def test_even_tracking_is_no_blank() -> None:
    """Letters evenly spaced out are one run."""
    assert said(tight(0.0, tracking=0.05)) == "".join(WORDS)


def test_only_runs_are_looked_at() -> None:
    """Text with blanks, short words and Chinese are left alone."""
    for text, found in (
        ("Compositionofthepretrainingdata", True),
        ("Composition of the data", False),
        ("公司" * 30, False),
    ):
        assert lacks_spaces([{"type": 0, "lines": [{"spans": [{"text": text}]}]}]) is found


def test_a_page_that_runs_together_takes_the_layout_path() -> None:
    """The cheap path does not put blanks in, so such a page is not read by it; the engine's text has them."""
    line = PrintedLine("Compositionofthepretrainingdata", Box(0, 0, 100, 10), 10)
    assert needs_layout(features([line]))
    page = tight(0.1)
    assert " ".join(WORDS) in " ".join(b.text for b in read_layout(page, 0))
