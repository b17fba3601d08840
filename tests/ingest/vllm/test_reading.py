"""The STAND-INS that read: they answer what a crop shows, and something else when the crop is not right."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from paperlode.ingest.vllm.values import Task

from .reading import ILLEGIBLE, SampleLayout, SampleReader, samples
from .standin import Asked

DOCS = ("paper_two_columns", "upside_down")
PAPER, CERTIFICATE = 0, 2
"""Pages of these documents: the paper's first, and the certificate."""


@pytest.fixture(scope="module")
def both() -> tuple[SampleLayout, SampleReader]:
    """For two documents."""
    return samples(DOCS)


@pytest.fixture
def layout(both: tuple[SampleLayout, SampleReader]) -> SampleLayout:
    return both[0]


@pytest.fixture
def reader(both: tuple[SampleLayout, SampleReader]) -> SampleReader:
    return both[1]


def page(reader: SampleReader, number: int) -> Any:
    return reader._locator.pages[number]


def shown(reader: SampleReader, number: int) -> Any:
    """The page as a layout model sees it: (h, w, 3)."""
    return np.repeat(page(reader, number).picture[..., None], 3, axis=2)


def region(layout: SampleLayout, reader: SampleReader, number: int, label: str, nth: int = 0) -> Any:
    return [r for r in layout.detect(shown(reader, number)) if r.label == label][nth]


def part(reader: SampleReader, number: int, box: tuple[float, float, float, float]) -> Any:
    x0, y0, x1, y1 = (round(v) for v in box)
    return page(reader, number).picture[y0:y1, x0:x1].copy()


def ask(reader: SampleReader, piece: Any, task: Task = Task.OCR, scale: float = 1.0) -> str:
    """The answer for a piece, its sides rounded to multiples of 28."""
    height, width = piece.shape
    size = tuple(max(28, round(s * scale / 28) * 28) for s in (width, height))
    data = cv2.imencode(".png", cv2.resize(piece, size, interpolation=cv2.INTER_CUBIC))[1].tobytes()
    return reader(Asked(data, "image/png", str(task), {}, {}))


def test_a_paragraph_is_read_at_any_size(layout, reader):
    """As printed, line by line, at its size and enlarged."""
    box = region(layout, reader, PAPER, "abstract").box
    for scale in (1.0, 1.4):
        lines = ask(reader, part(reader, PAPER, box), scale=scale).split("\n")
        assert lines[0] == "Thin beds of wet granular material dry behind a front that"
        assert lines[
            2
        ] == r"two parameters, a kinetic constant K and an equivalent film thickness \(\delta\),".removesuffix(
            r" thickness \(\delta\),"
        )
        assert len(lines) == 10


def test_a_crop_cut_anywhere_is_found(reader):
    """Not along any region: half of two columns at twice the size gives the words that are whole in it."""
    x0, y0, x1, y1 = 400, 1300, 1000, 1420
    text = ask(reader, part(reader, PAPER, (x0, y0, x1, y1)), scale=1.25)
    assert "Detailed pore network" not in text
    words = text.split()
    assert len(words) > 15
    known = {w.text for r in page(reader, PAPER).regions for line in r.lines for w in line}
    assert set(words) <= known


def test_what_is_cut_off_or_covered_is_not_read(layout, reader):
    """Half a paragraph gives its half; a word painted white is missing, the others stay."""
    box = region(layout, reader, PAPER, "abstract").box
    whole = ask(reader, part(reader, PAPER, box)).split("\n")
    piece = part(reader, PAPER, box)
    assert ask(reader, piece[: piece.shape[0] // 2]).split("\n") == whole[:5]
    first = page(reader, PAPER).regions[7].lines[0]
    assert first[3].text == "wet"
    x0, y0, x1, y1 = (round(v) for v in first[3].span)
    piece[y0 - round(box.y0) : y1 - round(box.y0), x0 - round(box.x0) : x1 - round(box.x0)] = 255
    assert ask(reader, piece).split("\n") == [whole[0].replace("wet ", ""), *whole[1:]]


def test_an_upside_down_crop_is_illegible(layout, reader):
    """It is read as nothing that stands there, and counted."""
    before = reader.illegible
    piece = part(reader, PAPER, region(layout, reader, PAPER, "abstract").box)
    assert ask(reader, np.ascontiguousarray(piece[::-1, ::-1])) == ILLEGIBLE
    assert reader.illegible == before + 1


def test_each_task_has_its_form(layout, reader):
    """OTSL for a table, LaTeX in delimiters for a formula; asked for text, a table has no tags."""
    formula = part(reader, PAPER, region(layout, reader, PAPER, "display_formula").box)
    assert ask(reader, formula, Task.FORMULA) == r"\[J = D_e \frac{c_s - c_\infty}{s + \delta}\]"
    table = part(reader, CERTIFICATE, region(layout, reader, CERTIFICATE, "table").box)
    otsl = ask(reader, table, Task.TABLE)
    assert otsl.startswith("<fcel>Reference pressure<fcel>Reading<fcel>Deviation<fcel>Uncertainty (k = 2)<nl>")
    assert otsl.count("<nl>") == 7
    assert ask(reader, table).split("\n")[1] == "0.000 0.002 +0.002 0.008"


def test_the_upper_part_of_a_table_has_its_rows(layout, reader):
    """Cut below the fourth row, the answer has four rows."""
    x0, y0, x1, y1 = region(layout, reader, CERTIFICATE, "table").box
    otsl = ask(reader, part(reader, CERTIFICATE, (x0, y0, x1, y0 + (y1 - y0) * 4 / 7)), Task.TABLE)
    assert otsl.count("<nl>") == 4
    assert "+0.011" in otsl
    assert "+0.016" not in otsl


def test_the_layout_knows_a_page_at_any_resolution(layout, reader):
    """Half the pixels: the same regions at half the places; upside down: at the turned places."""
    picture = shown(reader, PAPER)
    whole = layout.detect(picture)
    half = layout.detect(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    turned = layout.detect(np.ascontiguousarray(picture[::-1, ::-1]))
    assert [r.label for r in whole] == [r.label for r in half] == [r.label for r in turned]
    height, width = picture.shape[:2]
    for a, b, c in zip(whole, half, turned, strict=True):
        assert max(abs(v - 2 * w) for v, w in zip(a.box, b.box, strict=True)) < 1
        x0, y0, x1, y1 = c.box
        assert (
            max(abs(v - w) for v, w in zip(a.box, (width - x1, height - y1, width - x0, height - y0), strict=True)) < 1
        )


def test_another_page_is_an_error(layout):
    """The layout stand-in does not make up regions for a page that it does not know."""
    stripes = np.full((1100, 850, 3), 255, np.uint8)
    stripes[:, ::40] = 0
    with pytest.raises(RuntimeError, match="sample pages"):
        layout.detect(stripes)


def test_a_crop_of_nothing_known_is_illegible(reader):
    """Noise is on no page."""
    noise = np.random.default_rng(3).integers(0, 256, (280, 560), dtype=np.uint8)
    assert ask(reader, noise) == ILLEGIBLE
