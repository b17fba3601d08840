"""A searchable scan's invisible layer corrects our reading where only the layer has a word, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pymupdf
import pytest

from paperlode.ingest.document import Block, Box, Kind, Line, PageBox
from paperlode.ingest.pages import PageRef
from paperlode.ingest.parsing.evidence import Word
from paperlode.ingest.parsing.local import LocalOptions, parse_page
from paperlode.ingest.parsing.second_reader import known_words, settle_words, settled

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("ours", "theirs", "better"),
    [
        ("All tbe succeeding crops", "All the succeeding crops", "All the succeeding crops"),
        ("ARCH + TRAININ6", "ARCH TRAINING", "ARCH + TRAINING"),
        ("four or five-fold its", "four or live-fold its", "four or five-fold its"),  # both are words: ours
        ("Earthy and saline", "Karthv and saline", "Earthy and saline"),
        ("The-skack-V2:", "The stack V2", "The-stack-V2:"),  # signs stay as we read them
        ("paid 1,286 in 2019", "paid 1,236 in 2018", "paid 1,286 in 2019"),  # numbers are never touched
        ("by Messrs. Trimble", "by Messrs. Trinnble", "by Messrs. Trimble"),  # neither is known: ours
        ("unspaced longwords here", "unspaced long words here", "unspaced long words here"),
        ("left as it is", "", "left as it is"),
        ("Zzyzx", "house", "Zzyzx"),  # too unlike to be one word
    ],
)
def test_words_are_settled(ours: str, theirs: str, better: str) -> None:
    """The layer's word wins where it is known and ours is not; else ours stands."""
    assert settle_words(ours, theirs.split()) == better


def test_vocabulary() -> None:
    """Common words are known, pieces of words and nonsense are not."""
    known = known_words()
    assert {"the", "training", "general"} <= known
    assert not {"tbe", "gcneral", "##ing"} & known


def block(text: str, *, y: float) -> Block:
    """One line at that height."""
    region = PageBox(0, Box(50, y, 350, y + 10))
    return Block(Kind.TEXT, text, (region,), lines=(Line(0, len(text), region, 0.9),), confidence=0.9)


def words(text: str, *, y: float) -> list[Word]:
    """The words of a line at that height."""
    return [Word(w, Box(55 + 40 * i, y + 1, 90 + 40 * i, y + 9), printed=False) for i, w in enumerate(text.split())]


def test_lines_keep_their_places() -> None:
    """Offsets follow the new text; what only the layer says becomes a block of its own, specks do not."""
    layer = [*words("of the house", y=100), *words("seal of office", y=300), *words(". '", y=400)]
    got, specks = settled((block("of tbe house", y=100), block("end", y=500)), layer, 0) or ((), 0)
    assert specks == 1
    assert [b.text for b in got] == ["of the house", "seal of office", "end"]
    assert [(ln.start, ln.end) for ln in got[0].lines] == [(0, 12)]
    assert got[0].confidence == 0.9


def test_a_layer_of_another_page_has_no_say() -> None:
    """Where most of the layer's words stand where we read nothing, the two do not belong together."""
    assert settled((block("of the house", y=100),), words("quite other words", y=600), 0) is None
    assert settled((block("of the house", y=100),), [], 0) is None


def test_a_searchable_scan_is_read_twice(tmp_path: Path) -> None:
    """A picture with an invisible layer gives our reading, with the layer's words for what we misread."""
    sheet = pymupdf.open().new_page(width=400, height=300)
    said = ["Delivery of the goods is due within", "thirty days of the order and no later."]
    for i, line in enumerate(said):
        sheet.insert_text((40, 100 + 30 * i), line, fontsize=14)
    doc = pymupdf.open()
    page = doc.new_page(width=400, height=300)
    page.insert_image(page.rect, pixmap=sheet.get_pixmap(dpi=150))
    for i, line in enumerate(said):
        page.insert_text((40, 100 + 30 * i), line.replace("goods", "gxxds"), fontsize=14, render_mode=3)
    file = tmp_path / "searchable.pdf"
    doc.save(file)
    parsed = parse_page(PageRef(str(file), 0, pdf=True), LocalOptions())
    assert parsed.parser.endswith("/scan")
    assert " ".join(parsed.text.split()) == " ".join(said)
