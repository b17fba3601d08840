"""The layout engine's faster functions return what those they stand for return."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pymupdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paperlode.ingest.parsing import engine_graphs, engine_pace
from paperlode.ingest.parsing.engine_levels import OnePage, run_together
from paperlode.ingest.parsing.engine_pace import overprinted, resized, text_pattern, without_styles

if TYPE_CHECKING:
    from paperlode.ingest.parsing.engine_levels import Levels

ARCHIVE = Path(__file__).parents[3] / "samples" / "archive"
RESOURCES = Path(pymupdf.__file__).parent / "layout" / "resources" / "onnx"


@given(st.text(alphabet="ab1 2•-*+.:(※²é§\t漢$,%)<>", max_size=70))
def test_text_pattern_is_the_engines(text: str) -> None:
    """The description of a text is the engine's own, digit for digit."""
    from pymupdf.layout.common_util import get_text_pattern

    assert text_pattern(text) == get_text_pattern(text)


@pytest.mark.parametrize("shape", [(79, 61, 3), (300, 300, 3), (5, 9, 3), (40, 50)])
@pytest.mark.parametrize("gray", [False, True])
def test_resized_is_the_engines(shape: tuple[int, ...], gray: bool) -> None:
    """A picture in another size is the engine's own, pixel for pixel, in colour and in gray."""
    from pymupdf.layout.common_util import resize_image

    picture = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    if gray and len(shape) == 3:
        picture[...] = picture[..., :1]
    assert np.array_equal(resized(picture, (300, 360)), resize_image(picture, (300, 360)))


def test_pooling_is_the_engines() -> None:
    """What is pooled of a box is the engine's own, bit for bit, of features and of chances."""
    from pymupdf.layout import roi_pooling

    rng = np.random.default_rng(2)
    places = [rng.integers(0, 40, 30) for _ in range(2)]
    places += [places[0] + rng.integers(0, 9, 30), places[1] + rng.integers(0, 9, 30)]
    features = rng.normal(size=(12, 50, 50)).astype(np.float32)
    chances = np.exp(features) / np.exp(features).sum(axis=0)
    slow: Any = _untouched(roi_pooling, "_path_naive")
    for ops in (roi_pooling.DEFAULT_FEATURE_MAP_POOLING_OPS, roi_pooling.DEFAULT_CLASS_LOGITS_POOLING_OPS):
        fast = engine_pace._pooled_in_place_of(slow)
        assert np.array_equal(fast(features, chances, *places, ops), slow(features, chances, *places, ops))


def _untouched(module: Any, name: str) -> Any:
    """The function as its file has it, whoever has replaced it in this process."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(f"fresh_{name}", module.__file__)
    assert spec is not None and spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    return getattr(fresh, name)


@pytest.mark.parametrize(
    "args", [(1, 2, 3, 4), ((1, 2, 3, 4),), (pymupdf.Rect(1, 2, 3, 4),), ((1, 2), (3, 4)), ([1, 2, 3, 4],), ()]
)
def test_rectangles_are_the_librarys(args: tuple[Any, ...]) -> None:
    """A rectangle made of any kind of arguments is the library's own."""
    expected = tuple(_untouched_rect(*args))

    class Rect(pymupdf.Rect):  # type: ignore[misc]
        pass

    setattr(Rect, "__init__", engine_pace._rect_in_place_of(_untouched_rect.__init__))  # noqa: B010
    made = Rect(*args)
    assert (made.x0, made.y0, made.x1, made.y1) == expected
    assert all(isinstance(v, float) for v in (made.x0, made.y0, made.x1, made.y1))


class _untouched_rect(pymupdf.Rect):  # type: ignore[misc]  # noqa: N801
    """The library's rectangle, made as the library makes it."""

    def __init__(self, *args: Any) -> None:
        self.x0, self.y0, self.x1, self.y1 = map(float, pymupdf.util_make_rect(*args))


def test_every_function_is_found_in_this_engine() -> None:
    """The installed engine has all functions that are replaced, so that no gain is lost in silence."""
    code = "from paperlode.ingest.parsing.engine_pace import hasten; print(*sorted(set(hasten())))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert done == [
        "__init__",
        "_path_naive",
        "extract_rf_features",
        "get_rf_features",
        "get_text_pattern",
        "intersect_rects",
        "resize_image",
    ]


COMPARED = """
import copy, json, sys
from collections import Counter
import numpy as np
import pymupdf4llm.helpers.utils as helpers
from pymupdf.layout import pymupdf_util_ext, roi_pooling
from pymupdf.layout.onnx import BoxRFDGNN, ImageFeatureExtractorV1, TableGridExtractorV2
from paperlode.ingest.pages import PageRef
from paperlode.ingest.parsing.engine_pace import hasten
from paperlode.ingest.parsing.local import LocalOptions, parse_page

places = [
    (BoxRFDGNN, "get_text_pattern"), (BoxRFDGNN, "get_rf_features"), (ImageFeatureExtractorV1, "resize_image"),
    (TableGridExtractorV2, "resize_image"), (pymupdf_util_ext, "extract_rf_features"), (roi_pooling, "_path_naive"),
    (helpers, "intersect_rects"),
]
originals = [getattr(module, name) for module, name in places]
hasten()
calls, differ = Counter(), Counter()

def told(value):
    return value.tobytes() if isinstance(value, np.ndarray) else repr(value)

def filled(lines):
    return {key: copy.deepcopy(lines[key]) for key in ("bboxes", "text", "custom_features")}

def compared(name, original, fast):
    def both(*args, **named):
        changes = name == "extract_rf_features"  # its first argument, and returns nothing
        again = ({**args[0], **filled(args[0])}, *args[1:]) if changes else args
        out, wanted = fast(*args, **named), original(*again, **named)
        if changes:
            differ[name] += told(filled(args[0])) != told(filled(again[0]))
        calls[name] += 1
        differ[name] += told(out) != told(wanted)
        return out
    return both

for (module, name), original in zip(places, originals):
    setattr(module, name, compared(name, original, getattr(module, name)))
for name in sys.argv[1:]:
    for page in range(2):
        assert parse_page(PageRef(name, page, pdf=True), LocalOptions(route="layout")).failure is None
print(json.dumps([calls, differ]))
"""


def test_what_is_asked_of_them_for_whole_pages_is_answered_as_by_the_engines() -> None:
    """Every call for pages with columns, formulas and tables: the same values, bit for bit; none of them is left out."""
    files = [str(ARCHIVE / name) for name in ("paper_two_columns.pdf", "annual_report.pdf")]
    done = subprocess.run([sys.executable, "-c", COMPARED, *files], check=True, capture_output=True, text=True)
    calls, differ = json.loads(done.stdout.splitlines()[-1])
    assert set(calls) == {
        "get_text_pattern", "get_rf_features", "resize_image", "extract_rf_features", "_path_naive", "intersect_rects",
    }  # fmt: skip
    assert not any(differ.values()), differ


def page_saying(text: str, *, again: float | None = None) -> pymupdf.Page:
    """A page with the text, printed once more so many points to the right."""
    page = pymupdf.open().new_page()
    page.insert_text((72, 100), text)
    if again is not None:
        page.insert_text((72 + again, 100), text)
    return page


def test_text_printed_twice_keeps_the_search_for_it() -> None:
    """A line printed twice to look bold is read once: the search for it is left out only where no word is doubled."""
    flags = int(pymupdf.TEXT_COLLECT_STYLES | pymupdf.TEXT_ACCURATE_BBOXES)
    once, twice = page_saying("Total assets 4,711"), page_saying("Total assets 4,711", again=0.3)
    assert not overprinted(once)
    assert overprinted(twice)
    assert without_styles(once, flags) == int(pymupdf.TEXT_ACCURATE_BBOXES)
    assert twice.get_textpage(flags=without_styles(twice, flags)).extractText().split() == ["Total", "assets", "4,711"]
    assert overprinted(page_saying("TToottaall"))


@pytest.fixture(scope="module")
def pictures() -> tuple[Any, Levels, Any]:
    """What the engine's picture model returns, maps and logits of the quicker one."""
    import onnxruntime as ort

    path = RESOURCES / "feature_imf1.onnx"
    quick, maps = engine_graphs.quicker_picture_model(path)
    kinds = {node.op_type for node in onnx.load_model_from_string(quick).graph.node}
    assert "LeakyRelu" in kinds
    assert "PRelu" not in kinds
    options = ort.SessionOptions()
    options.log_severity_level = 3
    picture = {"input": np.random.default_rng(3).random((1, 1, 300, 300), dtype=np.float32)}
    before: Any = ort.InferenceSession(str(path), options).run(["combined", "logits"], picture)
    session: Any = ort.InferenceSession(quick, options)
    page, logits = run_together(lambda names: session.run(names, picture), maps, ["combined", "logits"], (300, 300))
    assert isinstance(page, OnePage)
    assert (page.shape, page.ndim, page.dtype) == (before[0].shape, 4, before[0].dtype)
    assert np.array_equal(np.asarray(page), page[:])
    return before, page[0], logits


def test_picture_model_says_the_same(pictures: Any) -> None:
    """The engine's picture model in its quicker form finds what the file's finds, to 1e-4; no PRelu is left."""
    (maps, logits), levels, quick = pictures
    assert np.abs(logits - quick).max() < 1e-4
    assert levels.shape == maps[0].shape
    assert np.abs(maps[0] - np.asarray(levels)).max() < 1e-4
    assert np.array_equal(levels[5, 7], np.asarray(levels)[5, 7])


@given(st.lists(st.tuples(*[st.integers(0, 299)] * 4), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_boxes_are_pooled_from_maps_of_any_size(pictures: Any, boxes: list[tuple[int, int, int, int]]) -> None:
    """Mean and largest value of each channel in any box, had from the small maps, are those of the enlarged ones, to 1e-4."""
    (maps, _), levels, _ = pictures
    x, y = np.sort(np.array([b[:2] for b in boxes]), axis=1), np.sort(np.array([b[2:] for b in boxes]), axis=1)
    found = levels.pooled(x[:, 0], y[:, 0], x[:, 1], y[:, 1])
    for row, (x0, x1), (y0, y1) in zip(found, x, y, strict=True):
        patch = maps[0][:, y0 : y1 + 1, x0 : x1 + 1]
        assert np.abs(row - np.concatenate((patch.mean(axis=(1, 2)), patch.max(axis=(1, 2))))).max() < 1e-4


def test_a_model_that_ends_otherwise_is_not_taken_apart() -> None:
    """The engine's table model, which has no enlarged maps, keeps what it returns."""
    path = RESOURCES / "table_grid_model_v4_ep.onnx"
    quick, maps = engine_graphs.quicker_picture_model(path)
    assert maps == []
    outputs = [[o.name for o in onnx.load_model_from_string(m).graph.output] for m in (path.read_bytes(), quick)]
    assert outputs[0] == outputs[1]


def test_a_file_that_is_no_model_is_said_to_be_none(tmp_path: Path) -> None:
    """Bytes that are no ONNX file are a ValueError, which leaves the file to the engine."""
    for data in (b"\xff\xff\xff", b"", b"\x0a\x7f"):
        (tmp_path / "x.onnx").write_bytes(data)
        with pytest.raises(ValueError, match="no ONNX model"):
            engine_graphs.quicker_picture_model(tmp_path / "x.onnx")
