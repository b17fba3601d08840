"""The whole way from a file to parsed pages, through a STAND-IN server that answers from a list and recognises nothing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import cv2
import pymupdf
import pytest

from paperlode.ingest.document import Box, Kind, Layer
from paperlode.ingest.errors import ModelError, ServerKeyRefused, ServerUnreachable
from paperlode.ingest.parsing.layout import Region
from paperlode.ingest.parsing.paddleocr_vl import PaddleOCRVLParser, VLOptions
from paperlode.ingest.sources import open_source
from paperlode.ingest.vllm.client import Limits, VLLMRecogniser
from paperlode.ingest.vllm.loops import LoopWatch
from paperlode.ingest.vllm.replicas import Patience

from .standin import Asked, Fault, serving

if TYPE_CHECKING:
    from pathlib import Path

    from paperlode.ingest.document import ParsedPage

POINTS = {
    "header": Box(50, 15, 350, 25),
    "doc_title": Box(50, 40, 350, 70),
    "text": Box(50, 90, 350, 150),
    "table": Box(50, 170, 350, 300),
    "display_formula": Box(50, 320, 350, 360),
    "image": Box(50, 380, 350, 460),
    "number": Box(190, 470, 210, 480),
}
"""Where things stand on the test page of 400 by 500 points, in reading order."""
SAYS = {
    "Table Recognition:": "<ched>Year<ched>Sales<nl><fcel>2023<fcel>1,284<nl>",
    "Formula Recognition:": r"\[E = mc^2\]",
    "OCR:": r"Costs $5 and \(x^2\).",
}


def by_task(asked: Asked) -> str:
    return SAYS[asked.prompt]


class KnownLayout:
    """A layout model that knows the test page."""

    def __init__(self, fails_at: int | None = None, error: Exception | None = None) -> None:
        self.pages, self.fails_at = 0, fails_at
        self.error = error or RuntimeError("the model broke")

    def detect(self, picture: Any) -> tuple[Region, ...]:
        self.pages += 1
        if self.pages == self.fails_at:
            raise self.error
        scale = picture.shape[1] / 400
        return tuple(
            Region(label, 0.9, Box(*(v * scale for v in box)), order=n) for n, (label, box) in enumerate(POINTS.items())
        )


def pages_file(path: Path, pages: int) -> str:
    doc = pymupdf.open()
    for number in range(pages):  # no crop of a page looks like one of another
        page = doc.new_page(width=400, height=500)
        for box in POINTS.values():
            page.insert_text((box.x0 + 2, box.y1 - 2), f"{number} print " * max(1, int(box.width / 40)), fontsize=7)
    doc.save(path)
    return str(path)


QUICK = Limits(
    deadline=5.0,
    silence=2.0,
    connect=2.0,
    pause=0.01,
    longest_pause=0.1,
    patience=Patience(first_answer=1.0, comeback=20.0, probe_first=0.02, probe_longest=0.1),
)


def parser_for(
    url: str, *, fails_at: int | None = None, fallback: bool = False, error: Exception | None = None
) -> PaddleOCRVLParser:
    return PaddleOCRVLParser(
        lambda: VLLMRecogniser(url, watch=lambda _: LoopWatch(), limits=QUICK),
        lambda: KnownLayout(fails_at, error),
        options=VLOptions(cpu_fallback=fallback),
        workers=1,
    )


def parsed(parser: PaddleOCRVLParser, path: str) -> list[ParsedPage]:
    source = open_source(path)
    try:
        return list(parser.parse(source, range(parser.page_count(source))))
    finally:
        parser.close()


def texts(page: ParsedPage) -> list[str]:
    return [b.text for b in page.blocks]


WHOLE = [
    "Costs $5 and $x^2$.",
    "Costs $5 and $x^2$.",
    "Costs $5 and $x^2$.",
    "Year | Sales\n2023 | 1,284",
    "E = mc^2",
    "",
    "Costs $5 and $x^2$.",
]


def test_a_page_becomes_blocks(tmp_path: Path) -> None:
    """Kinds, layers, boxes in points, tables with header and raw OTSL, LaTeX without delimiters, confidence."""
    with serving(by_task) as (server, _):
        (page,) = parsed(parser_for(server.url), pages_file(tmp_path / "a.pdf", 1))
    assert page.failure is None
    assert texts(page) == WHOLE
    kinds = [Kind.PAGE_HEADER, Kind.TITLE, Kind.TEXT, Kind.TABLE, Kind.FORMULA, Kind.FIGURE, Kind.PAGE_NUMBER]
    assert [b.kind for b in page.blocks] == kinds
    assert [b.layer is Layer.FURNITURE for b in page.blocks] == [True, False, False, False, False, False, True]
    for block, box in zip(page.blocks, POINTS.values(), strict=True):
        assert max(abs(a - b) for a, b in zip(block.regions[0].box, box, strict=True)) < 0.5
    table = page.blocks[3]
    assert table.table is not None
    assert (table.table.header_rows, table.table.grid()) == (1, [["Year", "Sales"], ["2023", "1,284"]])
    assert table.raw == SAYS["Table Recognition:"]
    assert table.confidence is not None
    assert 0 < table.confidence <= 1


def test_nothing_is_lost_when_the_server_dies_in_the_middle(tmp_path: Path) -> None:
    """Killed and started again on its port while pages are under way: every block of every page is read."""
    with serving(by_task, per_token=0.002) as (server, run):
        source = open_source(pages_file(tmp_path / "a.pdf", 12))
        parser = parser_for(server.url)
        pages = parser.parse(source, range(12))
        read = [next(pages)]
        run(server.stop())
        threading.Timer(0.5, lambda: run(server.start())).start()
        read += pages
        parser.close()
    assert [p.page for p in read] == list(range(12))
    assert all(texts(p) == WHOLE for p in read)
    judged = {f.code for p in read for f in p.concerns}  # the server's answers are not what the pages show
    assert {f for p in read for b in p.blocks for f in b.flags} <= {"unsure_token", *judged}


def test_faults_of_single_requests_cost_nothing(tmp_path: Path) -> None:
    """Every third region is refused for load, broken off or failed the first time it is asked for: the pages are whole."""
    faults = [Fault.BUSY, Fault.CUT, Fault.FAILED]
    seen: set[bytes] = set()

    def fault(asked: Asked) -> Fault | None:
        if asked.image in seen:
            return None
        seen.add(asked.image)
        return faults[len(seen) % 9 // 3] if len(seen) % 3 == 0 else None

    with serving(by_task, fault=fault) as (server, _):
        pages = parsed(parser_for(server.url), pages_file(tmp_path / "a.pdf", 5))
    assert all(texts(p) == WHOLE for p in pages)


def test_a_block_that_loops_is_flagged_and_its_page_is_whole(tmp_path: Path) -> None:
    """Also after a second try; the others on the page are untouched."""
    loops = lambda a: Fault.LOOP if a.prompt == "Formula Recognition:" else None  # noqa: E731
    with serving(
        lambda a: SAYS[a.prompt] if "Formula" not in a.prompt else "E = \\alpha \\beta \\gamma \\delta\n", fault=loops
    ) as (
        server,
        _,
    ):
        (page,) = parsed(parser_for(server.url), pages_file(tmp_path / "a.pdf", 1))
    formula = page.blocks[4]
    assert formula.flags == ("output_loop",)
    assert formula.text.startswith("E = ")
    assert len(formula.text) < 200
    assert [t for i, t in enumerate(texts(page)) if i != 4] == [t for i, t in enumerate(WHOLE) if i != 4]


@pytest.mark.parametrize(
    "error", [RuntimeError("the model broke"), cv2.error("the model broke"), KeyError("the model broke")]
)
def test_a_page_whose_layout_fails_is_a_failed_page(tmp_path: Path, error: Exception) -> None:
    """It says so, whatever a library raises; the pages before and after are read."""
    with serving(by_task) as (server, _):
        pages = parsed(parser_for(server.url, fails_at=2, error=error), pages_file(tmp_path / "a.pdf", 3))
    failed = [p for p in pages if p.failure]
    assert len(failed) == 1
    assert failed[0].failure is not None
    assert "the model broke" in failed[0].failure.message
    assert sum(texts(p) == WHOLE for p in pages) == 2


def test_a_layout_model_that_cannot_be_had_ends_the_run(tmp_path: Path) -> None:
    """That is no page's fault."""
    with serving(by_task) as (server, _), pytest.raises(ModelError):
        parsed(parser_for(server.url, fails_at=2, error=ModelError("no weights")), pages_file(tmp_path / "a.pdf", 3))


def test_without_a_server_the_run_ends(tmp_path: Path) -> None:
    """Nothing listens: the reader says so once; no page is called failed, and none is read on the CPU in silence."""
    with pytest.raises(ServerUnreachable, match="cannot be reached"):
        parsed(parser_for("http://127.0.0.1:9", fallback=True), pages_file(tmp_path / "a.pdf", 40))


def test_a_wrong_key_ends_the_run(tmp_path: Path) -> None:
    """With the server's own reason."""
    with serving(by_task, key="right") as (server, _), pytest.raises(ServerKeyRefused):
        parsed(parser_for(server.url, fallback=True), pages_file(tmp_path / "a.pdf", 1))


@pytest.mark.slow
def test_a_refused_crop_is_read_on_the_cpu(tmp_path: Path) -> None:
    """The server reads the others; the block says who read it."""
    with serving(by_task, fault=lambda a: Fault.REFUSED if a.prompt == "Table Recognition:" else None) as (server, _):
        (page,) = parsed(parser_for(server.url, fallback=True), pages_file(tmp_path / "a.pdf", 1))
    table = page.blocks[3]
    assert "print" in table.text
    assert table.flags == ("crop_refused", "read_on_cpu")
    assert [t for i, t in enumerate(texts(page)) if i != 3] == [t for i, t in enumerate(WHOLE) if i != 3]


def test_closing_in_the_middle_ends_everything(tmp_path: Path) -> None:
    """No thread stays; a closed parser may be closed again."""
    with serving(by_task, latency=0.2) as (server, _):
        path = pages_file(tmp_path / "a.pdf", 8)
        before = set(threading.enumerate())
        parser = parser_for(server.url)
        source = open_source(path)
        pages = parser.parse(source, range(8))
        next(pages)
        parser.close()
        parser.close()
        assert not {
            t.name for t in set(threading.enumerate()) - before if t.name.startswith(("layout", "pages", "paddle"))
        }


def test_the_fingerprint_names_what_changes_the_result() -> None:
    """Version, layout model, resolution and the form of the crops."""

    def of(**options: Any) -> str:
        parser = PaddleOCRVLParser(lambda: None, lambda: None, options=VLOptions(**options))  # type: ignore[arg-type, return-value]
        parser.close()
        return parser.fingerprint

    changed: list[dict[str, Any]] = [
        {}, {"version": "1.5"}, {"dpi": 150}, {"media_type": "image/png"}, {"upright": False}, {"text_layer": "keep"},
        {"cpu_fallback": False}, {"max_tokens": 512},
    ]  # fmt: skip
    assert len({of(**options) for options in changed}) == len(changed)
