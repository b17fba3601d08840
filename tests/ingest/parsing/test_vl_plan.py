"""From regions to what is asked, and from answers to blocks: charts with text in them, tables with figures in them."""

from __future__ import annotations

import numpy as np
import pytest

from paperlode.ingest.document import Box, Kind
from paperlode.ingest.parsing.judge import Answer
from paperlode.ingest.parsing.layout import Region
from paperlode.ingest.parsing.vl_blocks import page_blocks
from paperlode.ingest.parsing.vl_plan import Part, piece_of, plan_page
from paperlode.ingest.parsing.vl_spotting import spotted_blocks
from paperlode.ingest.vllm.values import Task

W, H = 1000, 1200
CHART = Region("chart", 0.9, Box(100, 100, 900, 800), order=1)
CAPTION = Region("figure_title", 0.9, Box(120, 110, 600, 150), order=0)
NOTE = Region("text", 0.9, Box(120, 700, 600, 760), order=2)
TABLE = Region("table", 0.9, Box(100, 100, 900, 800), order=0)
LOGO = Region("image", 0.9, Box(500, 300, 620, 420), order=1)
AFTER = Region("text", 0.9, Box(100, 900, 900, 1000), order=2)


def gray(value: int = 128) -> np.ndarray:
    return np.full((H, W, 3), value, np.uint8)


def plan(*regions: Region, picture: np.ndarray | None = None) -> tuple[Part, ...]:
    return plan_page(gray() if picture is None else picture, regions, version="1.6").parts


def chart_blocks(
    said: str, *, caption: str = "Sales", note: str, note_flags: tuple[str, ...] = ()
) -> list[tuple[Kind, str]]:
    parts = plan(CHART, CAPTION, NOTE)
    answers = {
        "chart": Answer((said,), 0.9),
        "figure_title": Answer((caption,), 0.9),
        "text": Answer((note,) if note else (), 0.9, note_flags),
    }
    blocks = page_blocks(parts, [answers[p.region.label] for p in parts], page=0, scale=0.36)
    assert all("in_chart" in b.flags for b in blocks if b.kind is not Kind.CHART)
    return [(b.kind, b.text) for b in blocks]


def test_a_note_in_a_chart_is_kept_when_the_chart_does_not_say_it() -> None:
    """With its caption before and the note after, as the model orders them."""
    kept = chart_blocks("Year | Sales\n2023 | 5", note="Source: the company")
    assert kept == [(Kind.CAPTION, "Sales"), (Kind.CHART, "Year | Sales\n2023 | 5"), (Kind.TEXT, "Source: the company")]


@pytest.mark.parametrize("note", ["YEAR 2023", "Ｓales: 5", "2023\nyear"])
def test_a_note_that_the_chart_says_too_is_left_out(note: str) -> None:
    """Case, width, punctuation and order aside."""
    assert Kind.TEXT not in [k for k, _ in chart_blocks("Year | Sales\n2023 | 5", note=note)]


def test_a_number_within_a_number_is_not_said() -> None:
    """A chart with 2023 does not say 23."""
    assert (Kind.TEXT, "23") in chart_blocks("Year | Sales\n2023 | 5", note="23")


def test_chinese_is_compared_without_word_breaks() -> None:
    """The chart says a part of its words in other cells."""
    assert Kind.TEXT not in [k for k, _ in chart_blocks("年份 | 销售额\n2023年 | 5", note="销售额")]


def test_a_caption_in_a_chart_never_vanishes() -> None:
    """Also when the chart repeats it."""
    assert (Kind.CAPTION, "Sales") in chart_blocks("Sales\nYear | Sales\n2023 | 5", note="x")


def test_a_note_that_could_not_be_read_is_kept_and_flagged() -> None:
    """An empty place is left out only where nothing is printed."""
    assert (Kind.TEXT, "") in chart_blocks("a | b", note="", note_flags=("server_busy",))
    assert Kind.TEXT not in [k for k, _ in chart_blocks("a | b", note="", note_flags=("blank",))]


def test_a_figure_in_a_table_is_hidden_from_it_and_stands_after_it() -> None:
    """Its place in the crop is white with a token; the page's picture stays; the figure's block comes next, flagged."""
    picture = gray()
    parts = plan(TABLE, LOGO, AFTER, picture=picture)
    assert [(p.region.label, p.flags) for p in parts] == [("table", ()), ("image", ("in_table",)), ("text", ())]
    piece = piece_of(picture, parts[0])
    assert piece.shape[:2] == (700, 800)
    assert (piece[200:210, 400:520] == 255).all()
    assert (piece[250:270, 410:510] < 100).any()
    assert (piece[:190] == 128).all()
    assert (picture == 128).all()


def test_tokens_of_figures_do_not_stay_in_cells() -> None:
    """Neither in the table nor in its text; what the model put out is kept as it was."""
    parts = plan(TABLE, LOGO, AFTER)
    raw = "<fcel>Logo<fcel>Name<nl><fcel>[F2]<fcel>Acme [F2]<nl>"
    blocks = page_blocks(parts, [Answer((raw,), 0.9), Answer(()), Answer(("After.",))], page=0, scale=0.36)
    assert [b.kind for b in blocks] == [Kind.TABLE, Kind.FIGURE, Kind.TEXT]
    assert blocks[0].table is not None
    assert blocks[0].table.grid() == [["Logo", "Name"], ["", "Acme"]]
    assert blocks[0].text == "Logo | Name\nAcme"
    assert blocks[0].raw == raw


def test_a_figure_whose_token_does_not_come_back_has_its_block() -> None:
    """The model may leave it out."""
    parts = plan(TABLE, LOGO)
    blocks = page_blocks(parts, [Answer(("<fcel>Name<nl>",), 0.9), Answer(())], page=0, scale=0.36)
    assert [(b.kind, b.flags) for b in blocks] == [(Kind.TABLE, ()), (Kind.FIGURE, ("in_table",))]


def test_a_picture_behind_a_table_is_not_hidden() -> None:
    """It would take the table with it."""
    behind = Region("image", 0.9, Box(110, 110, 890, 790), order=1)
    table, _ = plan(TABLE, behind)
    assert table.figures == ()


def test_a_page_with_a_seal_asks_version_1_0_for_text() -> None:
    """It does not know the task."""
    seal = Region("seal", 0.9, Box(100, 100, 300, 300))
    assert [plan_page(gray(), [seal], version=v).parts[0].task for v in ("1.0", "1.6")] == [Task.OCR, Task.SEAL]


def spot(*lines: tuple[str, float, float, float, float]) -> Answer:
    def of(line: tuple[str, float, float, float, float]) -> str:
        text, x0, y0, x1, y1 = line
        numbers = "".join(f"<|LOC_{round(v)}|>" for v in (x0, y0, x1, y0, x1, y1, x0, y1))
        return f"<|TEXT_START|>{text}<|TEXT_END|><|LOC_BEGIN|>{numbers}<|LOC_END|>"

    return Answer(("".join(map(of, lines)),), 0.8)


def test_spotted_lines_of_two_columns_stay_apart() -> None:
    """Pieces of a row join where words would, lines join down a column, a larger heading stays alone."""
    answer = spot(
        ("HEADING", 100, 20, 700, 80),
        ("left one", 100, 100, 300, 120),
        ("goes on", 310, 100, 450, 120),
        ("right one", 600, 100, 900, 120),
        ("left two", 100, 125, 450, 145),
        ("right two", 600, 125, 900, 145),
    )
    blocks = spotted_blocks(answer, (1000, 1000), 3, scale=0.5)
    assert [b.text for b in blocks] == ["HEADING", "left one goes on\nleft two", "right one\nright two"]
    left = blocks[1]
    assert left.regions[0] == (3, Box(50, 50, 225, 72.5))
    assert [(left.text[ln.start : ln.end], ln.region.box) for ln in left.lines] == [
        ("left one goes on", Box(50, 50, 225, 60)),
        ("left two", Box(50, 62.5, 225, 72.5)),
    ]
    assert {b.confidence for b in blocks} == {0.8}


def test_spotted_text_without_a_place_is_kept() -> None:
    """On the whole page, flagged."""
    blocks = spotted_blocks(
        Answer(("<|TEXT_START|>lost<|TEXT_END|>",), flags=("output_truncated",)), (1000, 2000), 0, scale=0.5
    )
    assert [(b.text, b.regions[0].box) for b in blocks] == [("lost", Box(0, 0, 500, 1000))]
    assert blocks[0].flags == ("spotted", "output_truncated", "no_place")


def test_what_other_blocks_say_is_not_spotted_again() -> None:
    """A page number that the layout found is read as that."""
    answer = spot(("7", 480, 960, 520, 980), ("text", 100, 100, 300, 120))
    blocks = spotted_blocks(answer, (1000, 1000), 0, scale=1.0, read=[Box(450, 950, 550, 990)])
    assert [b.text for b in blocks] == ["text"]


def test_plain_text_from_the_cpu_is_one_block() -> None:
    """Read in the server's place: without places of lines."""
    answer = Answer(("one\ntwo",), 0.7, ("output_empty", "read_on_cpu"), plain=True)
    (block,) = spotted_blocks(answer, (1000, 1000), 0, scale=1.0)
    assert (block.text, block.confidence) == ("one\ntwo", 0.7)
    assert block.flags == ("spotted", "output_empty", "read_on_cpu")
