"""Pages that lie, pages without regions, pages whose text layer is kept: from the file to blocks, through the STAND-IN server."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pymupdf
import pytest
from PIL import Image

from paperlode.ingest.document import Box, Kind
from paperlode.ingest.errors import InvalidRequest
from paperlode.ingest.pages import PageRef
from paperlode.ingest.parsing.geometry import Affine
from paperlode.ingest.parsing.layout import Region
from paperlode.ingest.parsing.paddleocr_vl import PaddleOCRVLParser
from paperlode.ingest.parsing.uprightness import turned
from paperlode.ingest.parsing.vl_pages import PageReader, VLOptions
from paperlode.ingest.parsing.vl_render import prepare_page
from paperlode.ingest.vllm.client import VLLMRecogniser

from .standin import serving
from .test_parser import QUICK, pages_file, texts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from paperlode.ingest.document import ParsedPage

    from .standin import StandIn

PROSE = "The quick brown fox jumps over the lazy dog and asks for the annual report. " * 12
WIDTH, HEIGHT = 400, 560
TEXT = Box(40, 40, 360, 300)
"""Where the prose stands on the upright page, in points."""


class Finds:
    """A layout model that finds what it is told, in points of the upright page, and keeps the pictures that it saw."""

    def __init__(self, *regions: tuple[str, Box], width: float = WIDTH) -> None:
        self.regions, self.width = regions, width
        self.saw: list[NDArray[np.uint8]] = []

    def detect(self, picture: NDArray[np.uint8]) -> tuple[Region, ...]:
        self.saw.append(picture)
        scale = picture.shape[1] / self.width
        return tuple(
            Region(label, 0.9, Box(*(v * scale for v in box)), order=n) for n, (label, box) in enumerate(self.regions)
        )


class Here:
    """In place of the worker processes: calls where it is."""

    def call(self, function: Callable[..., Any], *args: Any, what: str) -> Any:
        del what
        return function(*args)


async def in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await asyncio.to_thread(function, *args, **kwargs)


def read(served: tuple[StandIn, Callable[[Any], Any]], path: Path, layout: Finds, **options: Any) -> ParsedPage:
    server, run = served

    async def page() -> ParsedPage:
        recogniser = VLLMRecogniser(server.url, limits=QUICK)
        reader = PageReader(
            recogniser,
            lambda picture: in_thread(layout.detect, picture),
            pool=Here(),  # type: ignore[arg-type]
            in_thread=in_thread,
            options=VLOptions(**{"version": "1.6", "cpu_fallback": False, **options}),
            fingerprint="vl",
        )
        try:
            return await reader.read(PageRef(str(path), 0, pdf=path.suffix == ".pdf"))
        finally:
            await recogniser.close()

    read_page: ParsedPage = run(page())
    return read_page


def prose_page(**page: Any) -> pymupdf.Page:
    made = pymupdf.open().new_page(width=WIDTH, height=HEIGHT, **page)
    assert made.insert_textbox(pymupdf.Rect(*TEXT), PROSE, fontsize=9) > 0
    return made


def picture_of(page: pymupdf.Page) -> NDArray[np.uint8]:
    pix = page.get_pixmap(dpi=144)
    return np.frombuffer(pix.samples, np.uint8).reshape(pix.height, pix.width, 3).copy()


def saved(picture: NDArray[np.uint8], path: Path) -> Path:
    Image.fromarray(picture).save(path, dpi=(144, 144))
    return path


def near(a: Box, b: Box, by: float = 1.0) -> bool:
    return max(abs(x - y) for x, y in zip(a, b, strict=True)) <= by


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_scan_that_lies_is_laid_out_upright_and_points_back(tmp_path: Path, turn: int) -> None:
    """The layout model sees the page that stands; rotation, size and boxes are those of the page as displayed."""
    upright = picture_of(prose_page())
    path = saved(turned(upright, turn), tmp_path / "a.png")
    layout = Finds(("text", TEXT))
    with serving(lambda _: "prose") as served:
        page = read(served, path, layout)
    assert (layout.saw[0] == upright).all()
    assert page.rotation == (360 - turn) % 360
    assert (round(page.width), round(page.height)) == ((HEIGHT, WIDTH) if turn != 180 else (WIDTH, HEIGHT))
    assert texts(page) == ["prose"]
    assert near(page.blocks[0].regions[0].box, Affine.quarter_turn(turn, WIDTH, HEIGHT).box(TEXT))


def test_a_page_may_be_left_as_it_lies(tmp_path: Path) -> None:
    """``upright=False``: the layout model sees what the file holds."""
    lying = turned(picture_of(prose_page()), 180)
    layout = Finds(("text", TEXT))
    with serving(lambda _: "prose") as served:
        page = read(served, saved(lying, tmp_path / "a.png"), layout, upright=False)
    assert (layout.saw[0] == lying).all()
    assert page.rotation == 0


@pytest.mark.parametrize("cropped", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_text_is_kept_from_the_layer_of_a_page_that_lies(tmp_path: Path, rotation: int, cropped: bool) -> None:
    """Its own words, in order, without confidence; on a page shown turned and cropped too, and nothing is sent."""
    page = prose_page()
    origin = (0.0, 0.0)
    if cropped:
        page.set_cropbox(pymupdf.Rect(20, 30, WIDTH, HEIGHT))
        origin = (20.0, 30.0)
    page.set_rotation(rotation)
    path = tmp_path / "a.pdf"
    page.parent.save(path)
    box = Box(TEXT.x0 - origin[0], TEXT.y0 - origin[1], TEXT.x1 - origin[0], TEXT.y1 - origin[1])
    wide, tall = WIDTH - origin[0], HEIGHT - origin[1]
    layout = Finds(("text", box), width=wide)
    with serving(lambda _: "sent") as served:
        read_page = read(served, path, layout, text_layer="keep")
        assert served[0].asked == []
    (block,) = read_page.blocks
    assert block.text.split() == PROSE.split()
    assert block.confidence is None
    assert block.flags == ()
    assert read_page.parser == "vl/text-layer"
    assert read_page.rotation == (360 - rotation) % 360
    assert near(block.regions[0].box, Affine.quarter_turn(rotation, wide, tall).box(box))
    assert [block.text[ln.start : ln.end] for ln in block.lines] == block.text.split("\n")
    first = Affine.quarter_turn((360 - rotation) % 360, read_page.width, read_page.height).box(
        block.lines[0].region.box
    )
    assert first.height < 15
    assert box.y0 <= first.y0 < first.y1 < box.y0 + 20


def test_only_what_the_layer_cannot_say_is_sent(tmp_path: Path) -> None:
    """Tables, formulas, text in a font of symbols, text that is a picture, and text with a picture in it."""
    page = pymupdf.open().new_page(width=WIDTH, height=HEIGHT)
    places = {
        "plain": ("text", Box(40, 30, 360, 60)),
        "table": ("table", Box(40, 80, 360, 110)),
        "formula": ("display_formula", Box(40, 130, 360, 160)),
        "maths": ("text", Box(40, 180, 360, 210)),
        "drawn": ("text", Box(40, 230, 360, 260)),
        "mixed": ("text", Box(40, 280, 360, 340)),
    }
    said = "Costs of the year and of the year before, in millions"
    for name, (_, box) in places.items():
        if name != "drawn":
            page.insert_text((box.x0, box.y0 + 18), said, fontsize=11)
    page.insert_text((330, 198), "abg", fontname="symb", fontsize=11)
    letters = pymupdf.open().new_page(width=320, height=30)
    letters.insert_text((2, 20), said, fontsize=11)
    for name, top in (("drawn", 0), ("mixed", 28)):
        box = places[name][1]
        page.insert_image(
            pymupdf.Rect(box.x0, box.y0 + top, box.x1, box.y0 + top + 30), pixmap=letters.get_pixmap(dpi=200)
        )
    path = tmp_path / "a.pdf"
    page.parent.save(path)
    with serving(lambda a: "<fcel>1<nl>" if "Table" in a.prompt else "sent") as served:
        read_page = read(served, path, Finds(*places.values()), text_layer="keep")
        assert sorted(a.prompt for a in served[0].asked) == [
            "Formula Recognition:",
            *["OCR:"] * 3,
            "Table Recognition:",
        ]
        whole = read(served, path, Finds(*places.values()))
    assert dict(zip(places, texts(read_page), strict=True)) == {
        "plain": said,
        "table": "1",
        "formula": "sent",
        "maths": "sent",
        "drawn": "sent",
        "mixed": "sent",
    }
    assert texts(whole)[0] == "sent"
    assert whole.parser == "vl"


def test_a_layer_that_is_not_trusted_is_not_kept(tmp_path: Path) -> None:
    """A scanner's invisible words under the picture of a page: the page is read."""
    page = pymupdf.open().new_page(width=WIDTH, height=HEIGHT)
    page.insert_image(page.rect, stream=_png(picture_of(prose_page())))
    page.insert_textbox(pymupdf.Rect(*TEXT), PROSE, fontsize=9, render_mode=3)
    page.parent.save(tmp_path / "a.pdf")
    with serving(lambda _: "sent") as served:
        read_page = read(served, tmp_path / "a.pdf", Finds(("text", TEXT)), text_layer="keep")
    assert texts(read_page) == ["sent"]


def _png(picture: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return out.getvalue()


def spotted(*lines: tuple[str, float, float, float, float]) -> str:
    """The spotting task's output for boxes in thousandths."""
    out = ""
    for text, x0, y0, x1, y1 in lines:
        numbers = "".join(f"<|LOC_{round(v)}|>" for v in (x0, y0, x1, y0, x1, y1, x0, y1))
        out += f"<|TEXT_START|>{text}<|TEXT_END|><|LOC_BEGIN|>{numbers}<|LOC_END|>"
    return out


SPOTTED = spotted(
    ("and its second line", 100, 130, 500, 155), ("A paragraph", 100, 100, 500, 125), ("Far below", 100, 800, 400, 830)
)


@pytest.mark.parametrize("regions", [(), (("image", Box(0, 0, WIDTH, HEIGHT)),)])
def test_a_page_of_one_picture_is_spotted(tmp_path: Path, regions: tuple[tuple[str, Box], ...]) -> None:
    """No region at all, or one picture: its lines become paragraphs with their places, from top to bottom."""
    path = saved(picture_of(prose_page()), tmp_path / "a.png")
    with serving(lambda _: SPOTTED) as served:
        page = read(served, path, Finds(*regions))
        assert [a.prompt for a in served[0].asked] == ["Spotting:"]
    blocks = [b for b in page.blocks if b.kind is Kind.TEXT]
    assert [b.text for b in blocks] == ["A paragraph\nand its second line", "Far below"]
    assert all("spotted" in b.flags for b in blocks)
    assert near(blocks[0].regions[0].box, Box(40, 56, 200, 86.8))
    assert len(page.blocks) - len(blocks) == len(regions)


def test_version_1_0_reads_such_a_page_as_text(tmp_path: Path) -> None:
    """It does not know spotting."""
    path = saved(picture_of(prose_page()), tmp_path / "a.png")
    with serving(lambda _: "All of it") as served:
        page = read(served, path, Finds(), version="1.0")
        assert [a.prompt for a in served[0].asked] == ["OCR:"]
    assert texts(page) == ["All of it"]
    assert "read_whole" in page.blocks[0].flags


def test_a_page_that_spotting_finds_nothing_on_says_so(tmp_path: Path) -> None:
    """Inked, without a region, without an answer: empty, and flagged, also by the judge, which sees the ink."""
    path = saved(picture_of(prose_page()), tmp_path / "a.png")
    with serving(lambda _: "") as served:
        page = read(served, path, Finds())
    assert page.blocks == ()
    assert page.flags == ("nothing_read", "output_empty", "uncovered_ink")


def test_a_blank_page_is_not_sent(tmp_path: Path) -> None:
    """And says that it is blank."""
    path = saved(np.full((1120, 800, 3), 255, np.uint8), tmp_path / "a.png")
    with serving(lambda _: SPOTTED) as served:
        page = read(served, path, Finds())
        assert served[0].asked == []
    assert (page.blocks, page.flags) == ((), ("blank",))


def test_pages_with_text_are_not_spotted(tmp_path: Path) -> None:
    """A picture as large as the page behind the regions of its text is the scan itself."""
    path = saved(picture_of(prose_page()), tmp_path / "a.png")
    with serving(lambda _: "prose") as served:
        page = read(served, path, Finds(("image", Box(0, 0, WIDTH, HEIGHT)), ("text", TEXT)))
        assert [a.prompt for a in served[0].asked] == ["OCR:"]
    assert texts(page) == ["prose"]
    assert page.flags == ("layout_removed_page_picture_1",)


def test_every_region_is_a_block_or_counted(tmp_path: Path) -> None:
    """A note that the chart says too is counted on the page; one that it does not say is a block."""
    path = saved(picture_of(prose_page()), tmp_path / "a.png")
    layout = Finds(("chart", TEXT), ("text", Box(50, 50, 350, 90)), ("text", Box(50, 100, 350, 140)))
    texts_said = iter(["Sales 2023", "Source"])
    with serving(lambda a: "Year | Sales\n2023 | 5" if "Chart" in a.prompt else next(texts_said)) as served:
        page = read(served, path, layout)
    assert sorted(texts(page)) == ["Source", "Year | Sales\n2023 | 5"]
    assert page.flags == ("layout_removed_contained_1",)


def test_options_that_change_the_result_are_in_the_fingerprint() -> None:
    """A mistyped way of text layers is an error at once."""

    def of(**options: Any) -> str:
        parser = PaddleOCRVLParser(lambda: None, lambda: None, options=VLOptions(**options), workers=1)  # type: ignore[arg-type, return-value]
        parser.close()
        return parser.fingerprint

    assert len({of(upright=u, text_layer=t) for u in (True, False) for t in ("ignore", "keep")}) == 4
    with pytest.raises(InvalidRequest, match="kepe"):
        VLOptions(text_layer="kepe")


def test_a_text_layer_that_breaks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture stands for it, and the page says so; it is not passed off as a page without a text layer."""

    def breaks(*_: object) -> None:
        raise RuntimeError("broken content stream")

    path = pages_file(tmp_path / "a.pdf", 1)
    monkeypatch.setattr("paperlode.ingest.parsing.textlayer.judge", breaks)
    page = prepare_page(PageRef(path, 0, pdf=True), dpi=72, upright=True, layer=True)
    assert (page.layer, page.flags) == (None, ("text_layer_unreadable",))
    monkeypatch.undo()
    assert prepare_page(PageRef(path, 0, pdf=True), dpi=72, upright=True, layer=True).flags == ()
