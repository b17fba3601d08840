"""Each rule removes what it should, hands it back with its reason, and keeps everything else."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlode.ingest.document import Box
from paperlode.ingest.parsing.layout import Region
from paperlode.ingest.parsing.layout_labels import LABELS
from paperlode.ingest.parsing.layout_rules import (
    Reason,
    Ruled,
    apply_rules,
    clip,
    drop_contained,
    drop_duplicates,
    drop_frames,
    drop_overlapping,
    drop_page_pictures,
    drop_slivers,
    in_order,
    polygon_overlap,
    simplify,
    unclip,
)

WIDTH, HEIGHT = 800, 1000
RULES = [
    drop_duplicates,
    drop_contained,
    drop_frames,
    drop_slivers,
    drop_overlapping,
    lambda r: drop_page_pictures(r, width=WIDTH, height=HEIGHT),
]


def at(  # noqa: PLR0917 (four of them are the box)
    x0: float, y0: float, x1: float, y1: float, label: str = "text", score: float = 0.9, **other
) -> Region:
    return Region(label, score, Box(x0, y0, x1, y1), **other)


@st.composite
def regions(draw: st.DrawFn) -> Region:
    """Regions on a coarse grid, so that they often coincide, contain each other or overlap."""
    x0, y0 = draw(st.integers(-1, 9)) * 80.0, draw(st.integers(-1, 9)) * 100.0
    w, h = draw(st.sampled_from([2, 40, 80, 160, 640, 900])), draw(st.sampled_from([3, 50, 60, 100, 500, 1100]))
    label = draw(st.sampled_from(LABELS))
    order = draw(st.none() | st.integers(0, 9))
    polygon = ((x0, y0), (x0 + w, y0), (x0 + w, y0 + h)) if draw(st.booleans()) else ()
    return Region(label, draw(st.floats(0.3, 1.0)), Box(x0, y0, x0 + w, y0 + h), polygon, order)


PAGES = st.lists(regions(), max_size=12)


def reasons(ruled: Ruled) -> list[Reason]:
    return [r.reason for r in ruled.removed]


@given(PAGES, st.sampled_from(RULES))
def test_a_rule_loses_and_moves_nothing(page: list[Region], rule) -> None:
    """Kept and removed are the input once; both keep its order; what stands for a removed region was in the input."""
    ruled = rule(page)
    assert Counter([*ruled.kept, *(r.region for r in ruled.removed)]) == Counter(page)
    rest = iter(page)
    assert all(any(k is r for r in rest) for k in ruled.kept)
    rest = iter(page)
    assert all(any(k.region is r for r in rest) for k in ruled.removed)
    assert all(r.by is None or r.by in page for r in ruled.removed)
    assert rule(page) == ruled
    assert rule(ruled.kept).kept == ruled.kept


@given(PAGES, st.sampled_from(RULES))
def test_a_region_goes_only_for_one_that_stays(page: list[Region], rule) -> None:
    """Whatever stands for a removed region was kept by that rule: no two remove each other."""
    ruled = rule(page)
    assert all(r.by is None or r.by in ruled.kept for r in ruled.removed)


@given(PAGES)
def test_all_rules_together(page: list[Region]) -> None:
    """Nothing is lost, the order is the reading order, boxes lie on the page, and no two of one label overlap much."""
    ruled = apply_rules(page, width=WIDTH, height=HEIGHT)

    def key(r: Region) -> tuple[str, float, int | None]:
        return r.label, r.score, r.order

    assert Counter(map(key, [*ruled.kept, *(r.region for r in ruled.removed)])) == Counter(map(key, page))
    orders = [math.inf if r.order is None else r.order for r in ruled.kept]
    assert orders == sorted(orders)
    for i, a in enumerate(ruled.kept):
        assert 0 <= a.box.x0 < a.box.x1 <= WIDTH
        assert 0 <= a.box.y0 < a.box.y1 <= HEIGHT
        for b in ruled.kept[i + 1 :]:
            if a.label == b.label:
                smaller = min(a.box.area, b.box.area)
                outlines = bool(a.polygon and b.polygon) and polygon_overlap(a.polygon, b.polygon) < 0.7
                assert a.box.overlap(b.box) <= 0.7 * smaller or outlines
    assert apply_rules(page, width=WIDTH, height=HEIGHT) == ruled


@given(PAGES)
def test_furniture_and_pictures_are_not_dropped_for_what_they_are(page: list[Region]) -> None:
    """Every removal has a geometric reason: a page with one region of any label keeps it."""
    for r in page:
        if r.box.width >= 6 and r.box.height >= 6 and clip([r], width=WIDTH, height=HEIGHT).kept:
            kept = apply_rules([r], width=WIDTH, height=HEIGHT).kept
            inside = clip([r], width=WIDTH, height=HEIGHT).kept[0].box
            assert len(kept) == 1 or min(inside.width, inside.height) < 6


def test_boxes_are_clipped_to_the_page() -> None:
    """Overhang is cut off, with the outline; what is outside, empty or not a number is removed as it was."""
    over = at(-5, -5, 900, 50, polygon=((-5.0, 3.0), (900.0, 3.0), (900.0, 50.0)))
    out, flat, none = at(900, 0, 950, 50), at(10, 10, 10, 50), at(math.nan, 0, 50, 50)
    ruled = clip([over, out, flat, none], width=WIDTH, height=HEIGHT)
    assert [r.box for r in ruled.kept] == [Box(0, 0, 800, 50)]
    assert ruled.kept[0].polygon == ((0, 3), (800, 3), (800, 50))
    assert [r.region for r in ruled.removed] == [out, flat, none]
    assert set(reasons(ruled)) == {Reason.OUTSIDE}


def test_step_1_the_surest_of_a_place_stays() -> None:
    """IoU 0.6 within a label, 0.98 across labels; the score decides."""
    weak, sure = at(0, 0, 100, 100, score=0.5), at(0, 0, 100, 70, score=0.8)
    ruled = drop_duplicates([weak, sure])
    assert ruled.kept == (sure,)
    assert ruled.removed[0].by is sure
    assert reasons(ruled) == [Reason.DUPLICATE]
    assert drop_duplicates([weak, at(0, 0, 100, 59)]).removed == ()
    assert drop_duplicates([weak, at(0, 0, 100, 97, "table")]).removed == ()
    assert drop_duplicates([weak, at(0, 0, 100, 98.5, "table")]).removed[0].region is weak


@pytest.mark.parametrize(("width", "height", "share"), [(1000, 800, 0.82), (800, 1000, 0.93), (900, 900, 0.93)])
def test_step_2_a_picture_of_the_whole_page_goes(width: int, height: int, share: float) -> None:
    """Only an image, only above the limit of the page's form, and not when nothing else is there."""
    text = at(10, 10, 50, 50)

    def image(part: float, label: str = "image") -> Region:
        return at(0, 0, width, height * part, label)

    def ruled(*page: Region) -> Ruled:
        return drop_page_pictures(page, width=width, height=height)

    assert reasons(ruled(image(share + 0.01), text)) == [Reason.PAGE_PICTURE]
    assert ruled(image(share - 0.01), text).removed == ()
    assert ruled(image(share + 0.01, "chart"), text).removed == ()
    assert ruled(image(share + 0.01)).removed == ()


def test_step_3_parts_of_headings_formulas_and_charts_go() -> None:
    """A region by 0.8 inside one of the five swallowing labels goes, inside another label it stays."""
    part = at(10, 10, 50, 50)
    for label in ("chart", "display_formula", "doc_title", "inline_formula", "paragraph_title"):
        ruled = drop_contained([part, at(0, 0, 200, 100, label)])
        assert [(r.region, r.reason) for r in ruled.removed] == [(part, Reason.CONTAINED)]
    for label in ("text", "table", "image", "reference", "seal"):
        assert drop_contained([part, at(0, 0, 200, 100, label)]).removed == ()
    assert drop_contained([at(0, 0, 100, 100), at(0, 0, 300, 79, "chart")]).removed == ()


def test_step_3_two_that_contain_each_other_do_not_both_go() -> None:
    """Of a title found twice under two labels the larger stays."""
    title, heading = at(0, 0, 300, 40, "doc_title", 0.6), at(0, 0, 300, 37, "paragraph_title")
    ruled = drop_contained([heading, title])
    assert ruled.kept == (title,)
    assert ruled.removed[0].by is title


def test_step_4_reading_order_is_stable() -> None:
    """By order; equal orders keep their place, unknown ones come last."""
    a, b, c, d = (at(0, i, 9, i + 9, order=o) for i, o in enumerate((None, 2, 1, 2)))
    assert in_order([a, b, c, d]) == (c, b, d, a)


def test_step_5_outlines_become_as_simple_as_they_may() -> None:
    """Nearly a box: the box. Nearly a tilted rectangle: that. Neither, or in the way of the one before: as it is."""
    ragged = at(0, 0, 100, 50, polygon=((1.0, 0.0), (100.0, 1.0), (99.0, 50.0), (0.0, 49.0)))
    assert simplify([ragged])[0].polygon == ((0, 0), (100, 0), (100, 50), (0, 50))
    diamond = at(0, 0, 100, 100, polygon=((51.0, 0.0), (100.0, 49.0), (50.0, 100.0), (0.0, 50.0)))
    assert len(simplify([diamond])[0].polygon) == 4
    assert polygon_overlap(simplify([diamond])[0].polygon, diamond.polygon, of="union") > 0.9
    corner = ((0.0, 0.0), (100.0, 0.0), (100.0, 30.0), (30.0, 30.0), (30.0, 100.0), (0.0, 100.0))
    assert simplify([at(0, 0, 100, 100, polygon=corner)])[0].polygon == corner
    assert simplify([at(20, 20, 60, 60, "image"), ragged])[1].polygon == ragged.polygon
    assert simplify([at(0, 0, 9, 9)])[0].polygon == ()


def test_step_6_unclip_is_neutral_by_default() -> None:
    """Ratio 1 changes nothing; ratio 1.5 widens about the centre."""
    r = at(10, 10, 30, 50)
    assert unclip([r]) == (r,)
    assert unclip([r], 1.5)[0].box == Box(5, 0, 35, 60)


def test_step_7_a_reference_frame_goes_only_with_its_contents() -> None:
    """With reference_content inside it goes; without, or with it elsewhere, it stays."""
    frame, entry = at(0, 0, 400, 300, "reference"), at(10, 10, 390, 40, "reference_content")
    ruled = drop_frames([frame, entry])
    assert [(r.region, r.reason, r.by) for r in ruled.removed] == [(frame, Reason.REFERENCE_FRAME, entry)]
    assert drop_frames([frame]).removed == ()
    assert drop_frames([frame, at(10, 400, 390, 430, "reference_content")]).removed == ()
    assert drop_frames([frame, at(10, 10, 390, 40)]).removed == ()


def test_step_7_slivers_go() -> None:
    """A side under 6 pixels is too thin, 6 is not."""
    thin, fine = at(0, 0, 100, 5.9), at(0, 0, 6, 100)
    ruled = drop_slivers([thin, fine])
    assert ruled.kept == (fine,)
    assert reasons(ruled) == [Reason.SLIVER]
    assert drop_slivers([thin], side=4).removed == ()


def test_step_7_the_smaller_of_two_overlapping_goes() -> None:
    """More than 0.7 of the smaller; pictures share with other labels, not with their own."""
    big, small = at(0, 0, 200, 200), at(150, 0, 220, 50, "table")  # 50 of 70: 0.71
    ruled = drop_overlapping([small, big])
    assert [(r.region, r.reason, r.by) for r in ruled.removed] == [(small, Reason.OVERLAPPED, big)]
    assert drop_overlapping([at(152, 0, 222, 50), big]).removed == ()
    for label in ("image", "seal", "chart"):
        assert drop_overlapping([at(10, 10, 50, 50, label), big]).removed == ()
        assert drop_overlapping([at(10, 10, 50, 50, "table"), at(0, 0, 90, 90, label)]).removed == ()
        assert len(drop_overlapping([at(10, 10, 50, 50, label), at(0, 0, 90, 90, label)]).removed) == 1


def test_step_7_outlines_that_do_not_meet_keep_both() -> None:
    """Boxes of slanted regions overlap; where both outlines are known, those decide."""
    upper = at(0, 0, 100, 100, polygon=((0.0, 0.0), (100.0, 0.0), (100.0, 90.0)))
    lower = at(0, 0, 100, 99, polygon=((0.0, 2.0), (95.0, 99.0), (0.0, 99.0)))
    assert drop_overlapping([upper, lower]).removed == ()
    assert len(drop_overlapping([upper, at(0, 0, 100, 99)]).removed) == 1


def test_step_7_inline_formulas_are_read_with_their_text() -> None:
    """More than half inside another region: gone. Larger than a text inside it: both stay. Two of them: one stays."""
    text = at(0, 0, 400, 40)
    formula = at(100, 22, 200, 52, "inline_formula")  # 18 of 30 rows inside
    ruled = drop_overlapping([formula, text])
    assert [(r.region, r.reason, r.by) for r in ruled.removed] == [(formula, Reason.INLINE_FORMULA, text)]
    assert drop_overlapping([at(100, 26, 200, 56, "inline_formula"), text]).removed == ()
    assert drop_overlapping([at(0, 0, 900, 40, "inline_formula"), text]).removed == ()
    assert len(drop_overlapping([formula, at(100, 22, 200, 50, "inline_formula")]).removed) == 1


@given(st.integers(0, 90), st.integers(0, 90), st.integers(2, 60), st.integers(2, 60))
def test_outline_overlap_of_boxes_is_that_of_their_areas(x: int, y: int, w: int, h: int) -> None:
    """For axis-parallel outlines the raster agrees with arithmetic to two hundredths."""
    a, b = Box(0, 0, 60, 60), Box(x, y, x + w, y + h)
    corners = [[(k.x0, k.y0), (k.x1, k.y0), (k.x1, k.y1), (k.x0, k.y1)] for k in (a, b)]
    shared = a.overlap(b)
    assert polygon_overlap(*corners, of="union") == pytest.approx(shared / (a.area + b.area - shared), abs=0.02)


def test_outlines_without_extent_share_nothing() -> None:
    """A point, or coordinates that are no numbers, share nothing and raise nothing."""
    point = [(5.0, 5.0)] * 3
    assert polygon_overlap(point, point) == 0
    assert polygon_overlap([(math.nan, 1.0)] * 3, [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]) == 0
