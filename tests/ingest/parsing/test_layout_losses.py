"""What the layout rules remove is read all the same where nothing that stays says it."""

from __future__ import annotations

import numpy as np
import pytest

from paperlode.ingest.document import Box
from paperlode.ingest.parsing.layout import Region
from paperlode.ingest.parsing.layout_losses import IN_CHART, PARTLY_COVERED, Found, restore
from paperlode.ingest.parsing.layout_rules import Reason, apply_rules

W, H = 1000, 1200


def region(label: str, *box: float, score: float = 0.9, order: int | None = None) -> Region:
    return Region(label, score, Box(*box), order=order)


def paper(*inked: tuple[int, int, int, int]) -> np.ndarray:
    """White, with rows of strokes like print in the boxes."""
    out = np.full((H, W, 3), 255, np.uint8)
    for x0, y0, x1, y1 in inked:
        for y in range(y0, y1 - 10, 30):
            for x in range(x0, x1 - 4, 12):
                out[y : y + 18, x : x + 4] = 0
    return out


def settled(picture: np.ndarray, *regions: Region) -> tuple[tuple[Found, ...], dict[str, int]]:
    found, removed = restore(apply_rules(regions, width=W, height=H), picture)
    return found, {str(r): sum(x.reason is r for x in removed) for r in Reason if any(x.reason is r for x in removed)}


def test_text_inside_a_chart_is_read_beside_it() -> None:
    """Caption and note come back, with the chart that they lie in, at their place in the order; pictures in it do not."""
    chart = region("chart", 100, 100, 900, 800, order=1)
    inner = [
        region("figure_title", 120, 110, 600, 150, order=0),
        region("text", 120, 700, 600, 760, order=2),
        region("image", 500, 300, 700, 500, order=3),
    ]
    found, removed = settled(paper((100, 100, 900, 800)), chart, *inner)
    assert [(f.region.label, f.flag) for f in found] == [("figure_title", IN_CHART), ("chart", ""), ("text", IN_CHART)]
    assert all(f.chart == chart for f in found if f.flag)
    assert removed == {"contained": 1}


def test_what_lies_in_a_heading_or_formula_stays_with_it() -> None:
    """It is read with the outer one, which covers it."""
    outer, inner = region("display_formula", 100, 100, 900, 200), region("formula_number", 800, 120, 880, 180)
    found, removed = settled(paper((100, 100, 900, 200)), outer, inner)
    assert [f.region for f in found] == [outer]
    assert removed == {"contained": 1}


def test_rows_that_the_larger_region_does_not_cover_are_read() -> None:
    """A quarter of the smaller one sticks out at the bottom: those rows come back, and no others, after the larger."""
    large, small = region("text", 100, 100, 900, 400), region("abstract", 100, 250, 900, 450)
    found, removed = settled(paper((100, 100, 900, 450)), large, small)
    assert [(f.region.label, f.flag) for f in found] == [("text", ""), ("abstract", PARTLY_COVERED)]
    rest = found[1].region.box
    assert (rest.x0, rest.x1) == (100, 900)
    assert rest.y0 == pytest.approx(400, abs=2)
    assert rest.y1 == 450
    assert removed == {}


def test_a_region_that_sticks_out_at_its_side_is_read_whole() -> None:
    """Cut there, its lines would be torn."""
    large, small = region("text", 100, 100, 700, 600), region("abstract", 400, 200, 800, 300)
    found, _ = settled(paper((100, 100, 800, 600)), large, small)
    assert found[1].region.box == small.box


def test_an_uncovered_part_without_ink_stays_removed() -> None:
    """White paper says nothing."""
    large, small = region("text", 100, 100, 900, 400), region("abstract", 100, 250, 900, 450)
    found, removed = settled(paper((100, 100, 900, 390)), large, small)
    assert [f.region for f in found] == [large]
    assert removed == {"overlapped": 1}


def test_what_a_reference_frame_holds_beside_its_references_is_read() -> None:
    """The rows of a reference that the layout found no region for; not the ones it did."""
    frame = region("reference", 100, 100, 900, 700, order=0)
    listed = [
        region("reference_content", 100, 100, 900, 300, order=1),
        region("reference_content", 100, 500, 900, 700, order=3),
    ]
    found, removed = settled(paper((100, 100, 900, 700)), frame, *listed)
    assert [f.region.label for f in found] == ["reference", "reference_content", "reference_content"]
    assert (found[0].region.box.y0, found[0].region.box.y1) == (pytest.approx(300, abs=2), pytest.approx(500, abs=2))
    assert removed == {}


def test_a_frame_that_its_references_fill_stays_removed() -> None:
    """Nothing would be read twice."""
    frame = region("reference", 100, 100, 900, 700)
    listed = [region("reference_content", 100, y, 900, y + 195) for y in (100, 300, 500)]
    found, removed = settled(paper((100, 100, 900, 700)), frame, *listed)
    assert [f.region for f in found] == listed
    assert removed == {"reference_frame": 1}


def test_a_duplicate_that_reaches_further_is_read_where_it_does() -> None:
    """The surer region ends two lines early."""
    sure, longer = region("text", 100, 100, 900, 400, score=0.9), region("text", 100, 100, 900, 480, score=0.5)
    found, removed = settled(paper((100, 100, 900, 480)), sure, longer)
    assert [f.flag for f in found] == ["", PARTLY_COVERED]
    assert found[1].region.box.y0 == pytest.approx(400, abs=2)
    assert removed == {}


def test_what_another_region_covers_is_not_read_twice() -> None:
    """The rows that stick out are a region of their own."""
    sure, longer = region("text", 100, 100, 900, 400, score=0.9), region("text", 100, 100, 900, 480, score=0.5)
    last = region("text", 100, 402, 900, 480)
    found, _ = settled(paper((100, 100, 900, 480)), sure, longer, last)
    assert [f.region for f in found] == [sure, last]


def test_a_picture_covers_no_text() -> None:
    """It is not read: a text removed for another text must be covered by that."""
    large, small = region("text", 100, 100, 900, 400), region("abstract", 100, 250, 900, 450)
    photo = region("image", 100, 395, 900, 600)
    found, _ = settled(paper((100, 100, 900, 450)), large, small, photo)
    assert PARTLY_COVERED in [f.flag for f in found]
