"""A text layer is believed only where it shows what the page shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pymupdf
import pytest

from paperlode.ingest.parsing.textlayer import Trust, judge

ARCHIVE = Path(__file__).resolve().parents[3] / "samples" / "archive"
SENTENCE = "The Supplier shall deliver the Products within the period stated in the order confirmation."


def spans_of(page: pymupdf.Page) -> list[dict[str, Any]]:
    """Text blocks as the parser reads them."""
    flags = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_PRESERVE_LIGATURES | pymupdf.TEXT_ACCURATE_BBOXES
    blocks: list[dict[str, Any]] = page.get_text("dict", flags=flags)["blocks"]
    return blocks


def trust(page: pymupdf.Page) -> Trust:
    """What the page's text layer is good for."""
    return judge(page, spans_of(page)).trust


def prose(rows: int = 30) -> pymupdf.Page:
    """A digital page of that many lines."""
    page = pymupdf.open().new_page()
    for i in range(rows):
        page.insert_text((72, 80 + 20 * i), SENTENCE, fontsize=11)
    return page


def scanned(rows: int = 30) -> pymupdf.Page:
    """The same page as a picture only."""
    pix = prose(rows).get_pixmap(dpi=100, colorspace=pymupdf.csGRAY)
    page = pymupdf.open().new_page()
    page.insert_image(page.rect, pixmap=pix)
    return page


def hand_made(text: str) -> list[dict[str, Any]]:
    """Blocks of a text layer that says ``text``."""
    span = {"text": text, "bbox": (72, 80, 500, 90), "size": 10.0, "flags": 0, "font": "F", "alpha": 255}
    return [{"type": 0, "lines": [{"spans": [span], "dir": (1.0, 0.0), "bbox": (72, 80, 500, 90)}]}]


def test_digital_text_is_trusted() -> None:
    """A page set in type is read; so is one with a letterhead picture, and one with few words."""
    page = prose()
    assert trust(page) is Trust.DIGITAL
    assert not judge(page, spans_of(page)).scan
    page.insert_image(pymupdf.Rect(400, 10, 500, 60), pixmap=scanned().get_pixmap(dpi=20))
    assert trust(page) is Trust.DIGITAL
    assert trust(prose(rows=1)) is Trust.DIGITAL


def test_a_picture_without_text_is_a_scan() -> None:
    """A page that is one picture has no text to speak of, also with a stamp of a few characters on it."""
    page = scanned()
    assert trust(page) is Trust.NONE
    assert judge(page, spans_of(page)).scan
    page.insert_text((72, 30), "Filed 12 May 2025", fontsize=8)
    assert trust(page) is Trust.NONE


def test_text_drawn_as_curves_is_a_scan() -> None:
    """Ink without any character must be recognised."""
    page = pymupdf.open().new_page()
    for i in range(30):
        page.draw_line((72, 100 + 12 * i), (400, 100 + 12 * i), width=4)
    assert trust(page) is Trust.NONE


def test_a_blank_page_is_blank() -> None:
    """Neither text nor ink; blanks alone are no text."""
    page = pymupdf.open().new_page()
    assert trust(page) is Trust.BLANK
    page.insert_text((72, 72), "   ")
    assert trust(page) is Trust.BLANK


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\ufffd" * 60 + SENTENCE, "unmapped"),
        ("".join(chr(0xE000 + i % 40) for i in range(300)), "unmapped"),
        ("\x03\x0f\x1b" * 100, "unmapped"),
        ("".join(chr(ord(c) - 29) if c.isalpha() else c for c in SENTENCE * 4), ""),  # codes shifted by 29
        ("7KH VXSSOLHU VKDOO GHOLYHU WKH SURGXFWV ZLWKLQ WKH SHULRG VWDWHG LQ WKH RUGHU FRQIUPDWLRQ " * 3, "no vowel"),
        ("#$%&'()*+,/:;<=>?@[]^`{}~!" * 10, "letters or digits"),
    ],
)
def test_garbage_is_not_believed(text: str, reason: str) -> None:
    """Unmapped glyphs and shifted encodings send the page to recognition, and the verdict says why."""
    verdict = judge(prose(), hand_made(text))
    assert verdict.trust is Trust.GARBAGE
    assert reason in verdict.reason
    assert verdict.scan


@pytest.mark.parametrize(
    "text",
    [
        SENTENCE * 4,
        "公司实现营业收入1,284,563,210.45元，同比增长12.37%；" * 8,
        "Общая сумма договора составляет пять тысяч рублей. " * 8,
        "Revenue 414.8 381.4 165.5 152.3 (0.8) 6.7 5.9 (3.8) $ 1,250 % " * 8,
        "Definitions .................................................................. 3 " * 6,
        "BC-4110 XKCD PQR-771 " * 10 + SENTENCE * 4,
    ],
)
def test_honest_text_is_no_garbage(text: str) -> None:
    """Chinese, Cyrillic, columns of numbers, leaders and part numbers are text."""
    assert judge(prose(), hand_made(text)).trust is Trust.DIGITAL


def test_an_invisible_layer_on_the_ink_is_trusted() -> None:
    """A searchable scan whose hidden words lie on the picture's words is read from its layer."""
    page = scanned()
    for i in range(30):
        page.insert_text((72, 80 + 20 * i), SENTENCE, fontsize=11, render_mode=3)
    assert trust(page) is Trust.DIGITAL
    assert judge(page, spans_of(page)).searchable
    assert not judge(prose(), spans_of(prose())).searchable


def test_a_short_invisible_layer_is_still_a_second_reader() -> None:
    """A searchable scan of few words is recognised, and its layer is known to be there."""
    page = scanned(rows=1)
    page.insert_text((72, 80), SENTENCE, fontsize=11, render_mode=3)
    verdict = judge(page, spans_of(page))
    assert verdict.trust is Trust.NONE
    assert verdict.searchable


def test_an_invisible_layer_beside_the_ink_is_not() -> None:
    """Hidden words that lie on bare paper are of another page, another size or another rotation."""
    page = scanned(rows=8)
    for i in range(30):
        page.insert_text((72, 300 + 14 * i), SENTENCE, fontsize=11, render_mode=3)
    verdict = judge(page, spans_of(page))
    assert verdict.trust is Trust.MISFIT
    assert "of the invisible words lie on ink" in verdict.reason
    assert verdict.scan


def test_samples() -> None:
    """Digital samples are trusted on every page, scans on none."""
    for name, expected in (
        ("annual_report", Trust.DIGITAL),
        ("paper_two_columns", Trust.DIGITAL),
        ("supply_agreement", Trust.DIGITAL),
        ("service_agreement_scan", Trust.NONE),
        ("chinese_report_scan", Trust.NONE),
    ):
        with pymupdf.open(ARCHIVE / f"{name}.pdf") as doc:
            assert {trust(page) for page in doc} == {expected}, name
