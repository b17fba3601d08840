"""Crops hold what the region holds, in a size that every server takes as it is."""

from __future__ import annotations

import io
import time
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from paperlode.ingest.document import Box
from paperlode.ingest.errors import InvalidRequest
from paperlode.ingest.parsing.crops import (
    BLANK,
    BUDGETS,
    SPOTTING,
    Budget,
    budget_for,
    crop_of,
    cut,
    encode,
    grid_size,
    hide_figures,
    ink,
    make_crop,
    pad,
    row_bands,
    trim,
)
from paperlode.ingest.parsing.layout import Region
from paperlode.ingest.vllm.values import Task

BUDGET = BUDGETS["1.6"]
ALL_BUDGETS = st.sampled_from([*BUDGETS.values(), SPOTTING, Budget(784, 156_800)])
SIDES = st.one_of(st.integers(1, 60), st.integers(1, 12_000))


def white(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 255, np.uint8)


def written(height: int, width: int, *, size: float = 1.0, gray: int = 0, paper: int = 255) -> np.ndarray:
    """Lines of text over the whole picture."""
    out = np.full((height, width, 3), paper, np.uint8)
    for y in range(40, height, 40):
        cv2.putText(out, "net sales of the year " * 9, (4, y - 8), cv2.FONT_HERSHEY_SIMPLEX, size, (gray,) * 3, 2)
    return out


def at(x0: float, y0: float, x1: float, y1: float, *polygon: tuple[float, float], label: str = "text") -> Region:
    return Region(label, 0.9, Box(x0, y0, x1, y1), polygon)


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@given(SIDES, SIDES, ALL_BUDGETS)
def test_every_size_fits_grid_and_budget(width: int, height: int, budget: Budget) -> None:
    """After padding, any size becomes multiples of 28 within the budget, its form kept within one step of the grid."""
    height, width = max(height, 28, -(-width // 200)), max(width, 28, -(-height // 200))
    wide, tall = grid_size(width, height, budget)
    assert wide % 28 == tall % 28 == 0
    assert budget.least <= wide * tall <= budget.most
    # one scale takes both sides to within one step of where they are
    low = max((wide - 28) / width, (tall - 28) / height)
    high = min((wide + 28) / width, (tall + 28) / height)
    assert low <= high
    assert grid_size(wide, tall, budget) == (wide, tall)


@pytest.mark.parametrize(
    ("size", "tokens"), [((600, 40), 188), ((700, 200), 175), ((760, 600), 567), ((1654, 2339), 1260)]
)
def test_sizes_of_usual_crops(size: tuple[int, int], tokens: int) -> None:
    """The prompt tokens that the model's documentation counts for a line, a paragraph, a column and a page."""
    wide, tall = grid_size(*size, BUDGET)
    assert wide * tall // 28**2 == tokens


def test_budgets_by_version_and_task() -> None:
    """Tokens of the published bounds; spotting has its own; a later version gets the newest."""
    tokens = {v: (b.least // 784, b.most // 784) for v, b in BUDGETS.items()}
    assert tokens == {"1.0": (187, 3600), "1.5": (144, 1280), "1.6": (144, 1280)}
    assert budget_for("1.0") is BUDGETS["1.0"]
    assert budget_for("1.5", Task.SPOTTING) is SPOTTING
    assert budget_for("2.0", Task.TABLE) is BUDGETS["1.6"]
    for least, most in ((0, 10**6), (10**6, 10**6), (784, 100_000)):
        with pytest.raises(InvalidRequest, match="No crop fits"):
            Budget(least, most)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.data())
def test_a_crop_is_what_it_says(height: int, width: int, data: st.DataObject) -> None:
    """Any region of any picture, any task, both formats: the bytes decode to the stated size, and no error is raised."""
    x0, x1 = (data.draw(st.floats(-50, 350)) for _ in range(2))
    y0, y1 = (data.draw(st.floats(-50, 350)) for _ in range(2))
    media_type = data.draw(st.sampled_from(["image/png", "image/jpeg"]))
    task = data.draw(st.sampled_from(Task))
    budget = budget_for("1.6", task)
    region = at(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    crop = make_crop(written(height, width), region, task, budget=budget, media_type=media_type, name="p1 b2")
    picture = Image.open(io.BytesIO(crop.image))
    assert picture.size == (crop.width, crop.height)
    assert f"image/{picture.format.lower()}" == crop.media_type == media_type
    assert (crop.task, crop.name) == (task, "p1 b2")
    assert crop.width % 28 == crop.height % 28 == 0
    assert budget.least <= crop.width * crop.height <= budget.most


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2, 9000), (9000, 1), (28, 5601)])
def test_thin_pictures_are_padded_white(size: tuple[int, int]) -> None:
    """Any thin picture gets 28 pixels a side and at most 1 to 200, its own pixels in the middle."""
    out = pad(np.zeros((*size, 3), np.uint8))
    assert min(out.shape[:2]) >= 28
    assert max(out.shape[:2]) <= 200 * min(out.shape[:2])
    assert (out == 0).sum() == size[0] * size[1] * 3
    assert crop_of(np.zeros((*size, 3), np.uint8), Task.OCR, budget=BUDGET).tokens >= 144


def test_what_needs_no_change_is_not_changed() -> None:
    """A piece already on the grid and within the budget arrives bit for bit, in colour and in gray."""
    colours = np.random.default_rng(0).integers(0, 256, (280, 560, 3)).astype(np.uint8)
    assert (decoded(crop_of(colours, Task.OCR, budget=BUDGET).image) == colours).all()
    grays = np.repeat(colours[..., :1], 3, axis=2)
    crop = crop_of(grays, Task.OCR, budget=BUDGET)
    assert Image.open(io.BytesIO(crop.image)).mode == "L"
    assert (decoded(crop.image) == grays).all()
    assert np.abs(decoded(encode(written(280, 560), "image/jpeg")).astype(int) - written(280, 560)).mean() < 3


def test_other_formats_and_empty_pictures_are_refused() -> None:
    """Only PNG and JPEG are sent, and only pictures with pixels."""
    with pytest.raises(InvalidRequest, match="image/webp"):
        encode(white(28, 28), "image/webp")
    with pytest.raises(InvalidRequest, match="empty"):
        crop_of(white(0, 28), Task.OCR, budget=BUDGET)


def test_small_pages_are_doubled_for_spotting() -> None:
    """Both sides under 1500 pixels: twice the size; a larger page keeps its own."""
    assert crop_of(written(560, 560), Task.SPOTTING, budget=SPOTTING).width == 1120
    assert crop_of(written(560, 1680), Task.SPOTTING, budget=SPOTTING).width == 1680
    assert crop_of(written(560, 560), Task.OCR, budget=BUDGET).width == 560


def test_cut_takes_whole_pixels_and_paints_outside_white() -> None:
    """The box rounded outwards and clipped; inside the outline the page, outside white; the page is untouched."""
    picture = np.full((100, 100, 3), 7, np.uint8)
    assert cut(picture, at(10.6, 20.2, 30.1, 40)).shape == (20, 21, 3)
    assert cut(picture, at(90, -5, 140, 10)).shape == (10, 10, 3)
    assert cut(picture, at(200, 200, 300, 300)).shape == (1, 1, 3)
    corner = cut(picture, at(0, 0, 40, 40, (0.0, 0.0), (40.0, 0.0), (0.0, 40.0)))
    assert corner[2, 2].tolist() == [7, 7, 7]
    assert corner[38, 38].tolist() == [255, 255, 255]
    assert 0.45 < (corner == 7).mean() < 0.6
    assert (picture == 7).all()
    outside = cut(picture, at(0, 0, 40, 40, (60.0, 60.0), (70.0, 60.0), (70.0, 70.0)))
    assert (outside == 7).all(), "an outline that misses its box must not blank it"


def test_formulas_lose_their_margins_only() -> None:
    """Margins lighter than gray 200 go; a speck or an even picture stays as it is; other tasks keep margins."""
    piece = white(200, 400)
    piece[90:110, 150:250] = 0
    piece[5, 5] = 230
    assert trim(piece).shape == (20, 100, 3)
    speck = white(200, 400)
    speck[50:52, 60:90] = 0
    assert trim(speck).shape == speck.shape
    assert trim(white(20, 20)).shape == (20, 20, 3)
    formula, text = (crop_of(piece, t, budget=BUDGET) for t in (Task.FORMULA, Task.OCR))
    assert decoded(formula.image).mean() < 150 < decoded(text.image).mean()


@pytest.mark.parametrize("paper", [255, 200, 120])
def test_ink_counts_strokes_and_not_paper(paper: int) -> None:
    """Text on white, gray and dark paper is inked; the same paper without it is blank, noisy and unevenly lit too."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 5, (300, 500, 1))
    light = np.linspace(-40, 0, 500)[None, :, None]
    blank = np.clip(np.full((300, 500, 3), paper) + noise + light, 0, 255).astype(np.uint8)
    assert ink(blank) < BLANK
    text = np.clip(written(300, 500, paper=paper, gray=paper // 4) + noise + light, 0, 255).astype(np.uint8)
    assert 0.02 < ink(text) < 0.5


def test_ink_of_edge_cases() -> None:
    """Print from the back of the page is no ink, faint print and a single full stop are; white on dark is."""
    assert ink(written(300, 500, gray=218)) < BLANK
    assert ink(written(300, 500, gray=170)) > 0.02
    stop = white(40, 100)
    stop[28:31, 4:7] = 20
    assert ink(stop) > BLANK
    assert ink(written(300, 500, gray=255, paper=40)) > 0.02
    assert ink(np.full((300, 500, 3), 60, np.uint8)) == 0
    assert ink(white(1, 1)) == 0


def table(rows: int, *, horizontal: bool, vertical: bool, height: int = 40) -> np.ndarray:
    """A table of two lines of text a row, the lines of one row close together."""
    out = white(rows * height + 2, 600)
    for r in range(rows):
        for x in (10, 210, 410):
            for line in (0, 1):
                cv2.putText(out, f"{r} cell", (x, r * height + 17 + 16 * line), 0, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        if horizontal:
            out[r * height : r * height + 2] = 0
    if horizontal:
        out[-2:] = 0
    if vertical:
        out[:, [1, 200, 400, 598]] = 0
    return out


@pytest.mark.parametrize("vertical", [False, True])
@pytest.mark.parametrize("parts", [2, 3, 4])
def test_a_ruled_table_is_cut_at_its_rules(vertical: bool, parts: int) -> None:
    """Each cut goes through a horizontal rule, as evenly as they stand."""
    picture = table(12, horizontal=True, vertical=vertical)
    bands = row_bands(picture, parts)
    assert len(bands) == parts
    assert all(picture[top, 50].max() == 0 for top, _ in bands[1:])
    assert all(abs((bottom - top) - len(picture) / parts) <= 20 for top, bottom in bands)


@pytest.mark.parametrize("vertical", [False, True])
def test_a_table_without_rules_is_cut_in_gaps(vertical: bool) -> None:
    """No cut goes through print: the rows at a cut are white but for vertical rules."""
    picture = table(12, horizontal=False, vertical=vertical)
    bands = row_bands(picture, 4)
    assert len(bands) == 4
    for top, _ in bands[1:]:
        assert (picture[top, :, 0] < 128).sum() <= 4


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_bands_are_all_of_the_table(parts: int, seed: int) -> None:
    """Bands follow each other without gap or overlap, none is empty, never more than asked for."""
    rng = np.random.default_rng(seed)
    height = int(rng.integers(1, 200))
    picture = np.where(rng.random((height, 1, 1)) < 0.4, white(height, 60), rng.integers(0, 255, (height, 60, 1)))
    bands = row_bands(picture.astype(np.uint8), parts)
    assert 1 <= len(bands) <= parts
    assert bands[0][0] == 0
    assert bands[-1][1] == height
    assert all(a[1] == b[0] for a, b in pairwise(bands))
    assert all(top < bottom for top, bottom in bands)


def test_text_without_gaps_is_not_cut() -> None:
    """A picture with ink in every row stays one band."""
    picture = white(300, 200)
    for y in range(300):
        picture[y, y * 7 % 180 : y * 7 % 180 + 10] = 0
    assert row_bands(picture, 3) == [(0, 300)]


def test_figures_in_a_table_become_words() -> None:
    """A figure inside is replaced by its token in black on white; small ones and those outside stay."""
    picture = np.full((400, 400, 3), 90, np.uint8)
    frame = at(50, 50, 350, 350, label="table")
    inside, tiny, outside = (
        at(*b, label="image") for b in ((100, 100, 200, 160), (210, 210, 230, 230), (0, 0, 60, 60))
    )
    out, named = hide_figures(picture, frame, [outside, inside, tiny])
    assert named == (("[F2]", inside),)
    figure = out[100:160, 100:200]
    assert (figure == 255).mean() > 0.6
    assert 0.01 < ink(figure) < 0.4
    out[100:160, 100:200] = 90
    assert (out == 90).all()
    assert (picture == 90).all()
    many = hide_figures(picture, frame, [inside] * 9)[1]
    assert [t for t, _ in many] == ["[F2]", "[F3]", "[F4]", "[F5]", "[F6]", "[F7]", "[F8]", "[F22]", "[F23]"]


def test_a_paragraph_is_ready_in_time() -> None:
    """The best of five for a scanned paragraph of 1400 x 400 pixels: 20 ms are wanted, 100 ms never exceeded."""
    noise = np.random.default_rng(0).normal(-8, 4, (400, 1400, 1))
    paragraph = np.clip(written(400, 1400) + noise, 0, 255).astype(np.uint8)
    took = []
    for _ in range(5):
        start = time.perf_counter()
        crop_of(paragraph, Task.OCR, budget=BUDGET)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.1
