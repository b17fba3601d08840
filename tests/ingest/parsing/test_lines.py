"""Printed lines become a block's text, and every line still knows where it stands in it."""

from __future__ import annotations

import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlode.ingest.document import Box, Kind
from paperlode.ingest.parsing.lines import LIST_MARKER, PrintedLine, block_of, clean, is_cjk, join_lines, lines_of


def printed(*texts: str) -> list[PrintedLine]:
    """Lines below each other, ten points high."""
    return [PrintedLine(t, Box(0, 12 * i, 100, 12 * i + 10), 10) for i, t in enumerate(texts)]


def joined(*texts: str) -> str:
    """The text of a block with these lines."""
    return join_lines(printed(*texts), 0)[0]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (("The buyer", "pays"), "The buyer pays"),
        (("the agree-", "ment ends"), "the agreement ends"),  # a word broken at the line's end
        (("the agree\u00ad", "ment"), "the agreement"),  # soft hyphen
        (("a long-", "term loan"), "a long-term loan"),  # compounds keep theirs
        (("cross-", "border"), "cross-border"),
        (("the Anglo-", "American bank"), "the Anglo-American bank"),  # upper case follows: a name
        (("the year 2024-", "2025"), "the year 2024- 2025"),  # digits are no broken word
        (("pre-tax profit; pre-", "tax loss"), "pre-tax profit; pre-tax loss"),
        (("a drying-front and a drying-", "front"), "a drying-front and a drying-front"),  # as written elsewhere
        (("sum -", "total"), "sum - total"),  # a dash
        (("公司实现营业", "收入增长"), "公司实现营业收入增长"),
        (("净利润，", "同比增长"), "净利润，同比增长"),
        (("公司实现", "Revenue of"), "公司实现 Revenue of"),
        (("Revenue of", "公司"), "Revenue of 公司"),
        (("a", "", "b"), "a b"),
    ],
)
def test_lines_are_joined_as_they_are_read(lines: tuple[str, ...], text: str) -> None:
    """Spaces between words, none between Chinese characters, and a word that was broken is whole again."""
    assert joined(*lines) == text


WORDS = st.text("abcXYZ-\u00ad019 .,;公司，ﬁé", max_size=12).map(clean)


@given(st.lists(WORDS, max_size=8))
def test_offsets_are_exact(texts: list[str]) -> None:
    """``text[start:end]`` is the printed line, short of a hyphen that went; the lines are in order and cover all."""
    text, placed = join_lines(printed(*texts), 7)
    shown = [t for t in texts if t]
    assert len(placed) == len(shown)
    end = 0
    for line, original in zip(placed, shown, strict=True):
        own = text[line.start : line.end]
        assert own == original or (own == original[:-1] and original[-1] in "-\u00ad")
        assert text[end : line.start] in ("", " ")
        assert line.region.page == 7
        end = line.end
    assert end == len(text)


def test_each_line_keeps_its_box() -> None:
    """The line after a broken word still points at its own ink, also through ``Block.regions_of``."""
    block = block_of(Kind.TEXT, printed("the agree-", "ment ends", "on time"), 3)
    assert [ln.region.box for ln in block.lines] == [Box(0, 12 * i, 100, 12 * i + 10) for i in range(3)]
    at = block.text.index("on time")
    assert block.regions_of(at, at + 7) == (block.lines[2].region,)
    assert block.regions[0].box == Box(0, 0, 100, 34)


def test_confidence_of_a_block_is_the_mean_of_its_lines() -> None:
    """Recognised lines give the block their mean; a read text layer has none."""
    lines = [PrintedLine("a", Box(0, 0, 1, 1), 9, confidence=c) for c in (0.5, 1.0)]
    assert block_of(Kind.TEXT, lines, 0).confidence == 0.75
    assert block_of(Kind.TEXT, printed("a"), 0).confidence is None


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("e\ufb03cient \ufb01nance \ufb02ow", "efficient finance flow"),
        ("a\x00b\x07 c", "ab c"),
        ("  many \t blanks\n here ", "many blanks here"),
        ("no\u00a0break\u2003wide", "no break wide"),
        ("x² ½ ａ", "x² ½ ａ"),  # meaning would change
        ("中文\udc80", "中文"),
    ],
)
def test_clean(raw: str, text: str) -> None:
    """Ligatures come apart, control characters go, white space is single; other characters stay as printed."""
    assert clean(raw) == text


@given(st.text())
def test_clean_is_idempotent(raw: str) -> None:
    """Cleaning a clean text changes nothing."""
    assert clean(clean(raw)) == clean(raw)


def test_cjk() -> None:
    """Chinese characters and full-width marks are written without spaces, Latin and Greek with."""
    assert all(map(is_cjk, "公司，。（）Ｚ、々"))
    assert not any(map(is_cjk, "aé1.α–"))


@pytest.mark.parametrize("mark", ["•", "-", "1.", "(a)", "(iv)", "2.3", "10.2.1", "（一）", "12)", "b."])
def test_item_marks(mark: str) -> None:
    """Bullets and item numbers alone are list marks."""
    assert LIST_MARKER.match(mark)


@pytest.mark.parametrize("word", ["The", "2024", "e.g.", "word.", "1,000", "$5", "A"])
def test_words_are_no_item_marks(word: str) -> None:
    """Words, years and amounts are not."""
    assert not LIST_MARKER.match(word)


def test_a_line_is_split_at_wide_gaps() -> None:
    """Cells of one row are lines of their own; words of one sentence, in several fonts, stay one line."""
    page = pymupdf.open().new_page()
    page.insert_text((72, 100), "Left cell", fontsize=10)
    page.insert_text((300, 100), "Right cell", fontsize=10)
    page.insert_htmlbox(pymupdf.Rect(72, 200, 500, 240), "<p>plain and <b>bold words indeed</b></p>")
    lines = list(lines_of(page.get_text("dict")["blocks"]))
    assert [ln.text for ln in lines] == ["Left cell", "Right cell", "plain and bold words indeed"]
    assert [ln.bold for ln in lines] == [False, False, True]  # most letters count
    assert lines[0].box.x0 == pytest.approx(72, abs=1)
    assert all(ln.horizontal for ln in lines)


def test_lines_that_do_not_run_left_to_right_say_so() -> None:
    """Text along the page's side is not horizontal."""
    page = pymupdf.open().new_page()
    page.insert_text((100, 400), "Up the side", rotate=90)
    assert [ln.horizontal for ln in lines_of(page.get_text("dict")["blocks"])] == [False]
