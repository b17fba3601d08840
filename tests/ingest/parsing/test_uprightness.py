"""Pages are turned on evidence, and pages that stand are never turned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pymupdf
import pytest

from paperlode.ingest.parsing.turning import lying
from paperlode.ingest.parsing.uprightness import Uprightness, turn_of, turned

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROSE = "The quick brown fox jumps over the lazy dog and asks for the annual report of the company. " * 14


@pytest.fixture(scope="module")
def prose() -> NDArray[np.uint8]:
    page = pymupdf.open().new_page(width=400, height=560)
    page.insert_textbox(pymupdf.Rect(40, 40, 360, 520), PROSE, fontsize=10)
    pix = page.get_pixmap(dpi=150)
    return np.frombuffer(pix.samples, np.uint8).reshape(pix.height, pix.width, 3).copy()


def test_a_page_that_stands_is_told_by_its_lines_alone(prose: NDArray[np.uint8]) -> None:
    """Nothing is read: that is what makes it cheap."""
    assert turn_of(prose) == Uprightness(0, "lines")


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_turned_page_is_turned_back(prose: NDArray[np.uint8], turn: int) -> None:
    """Whichever way it lies; the turn found undoes the turn made."""
    found = turn_of(turned(prose, turn))
    assert (found.turn + turn) % 360 == 0
    assert found.by == "reading"


def test_white_print_on_black_is_print(prose: NDArray[np.uint8]) -> None:
    """A dark page is judged by its light strokes."""
    assert turn_of(turned(255 - prose, 180)).turn == 180


def test_a_blank_page_stays() -> None:
    """And costs next to nothing: no model is asked."""
    assert turn_of(np.full((1400, 1000, 3), 250, np.uint8)) == Uprightness(0, "blank")


def test_a_drawing_without_text_stays() -> None:
    """Circles and slanted lines say nothing about up and down."""
    picture = np.full((900, 700, 3), 255, np.uint8)
    for k in range(12):
        cv2.circle(picture, (60 + 50 * k, 300 + 20 * k), 40, (0, 0, 0), 3)
        cv2.line(picture, (20, 60 * k), (680, 900 - 50 * k), (90, 90, 90), 2)
    assert turn_of(picture).turn == 0


def test_vertical_writing_counts_as_upright_in_a_text_layer() -> None:
    """MuPDF gives such lines a direction down the page, as for a page on its side."""
    spans = [{"text": "二〇二三年度の報告書"}]
    upright = [{"lines": [{"dir": (0.0, 1.0), "wmode": 1, "spans": spans}]}]
    on_its_side = [{"lines": [{"dir": (0.0, 1.0), "wmode": 0, "spans": spans}]}]
    assert lying(upright) == 0
    assert lying(on_its_side) == 270


def test_turning_is_clockwise() -> None:
    """The top left corner goes to the top right."""
    picture = np.zeros((2, 3, 3), np.uint8)
    picture[0, 0] = 255
    assert turned(picture, 90).shape == (3, 2, 3)
    assert turned(picture, 90)[0, 1].all()
    assert turned(picture, 0) is picture
