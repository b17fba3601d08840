"""Regions come out of the models as transformers itself would read them, without torchvision."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paperlode.ingest.document import Kind, Layer
from paperlode.ingest.errors import InvalidRequest, MissingExtra, ModelError, ModelUnknown
from paperlode.ingest.parsing import layout
from paperlode.ingest.parsing.layout import DocLayout, prepared
from paperlode.ingest.parsing.layout_labels import LABELS, meaning_of
from paperlode.ingest.parsing.layout_outputs import chained_order, mask_outline, voted_order
from paperlode.ingest.vllm.values import Task

from .tiny_layout import QUERIES, VERSIONS, make_checkpoint, page, reference

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (877, 620)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("layout")
    return {v: make_checkpoint(folder / v, v) for v in VERSIONS}


def random_outputs(version: str, seed: int, queries: int = 40) -> SimpleNamespace:
    """Raw outputs as a model gives them, spread out, with masks of a few blobs each."""
    rng = np.random.default_rng(seed)

    def tensor(*shape: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
        return torch.from_numpy(rng.normal(shift, scale, (1, *shape)).astype(np.float32))

    out = SimpleNamespace(logits=tensor(queries, len(LABELS), scale=2.0, shift=-4.0))
    if version == "v4":
        centres, offsets = rng.uniform(0.1, 0.9, (1, queries, 2)), rng.uniform(0.3, 0.7, (1, queries, 8))
        out.pred_boxes = torch.from_numpy(np.concatenate([centres, offsets], -1).astype(np.float32))
        out.relative_order_logits = tensor(queries, queries, scale=3.0)
        out.successor_order_logits = tensor(queries, queries, scale=3.0, shift=-5.0)
        return out
    boxes = np.concatenate([rng.uniform(0.1, 0.9, (1, queries, 2)), rng.uniform(0.01, 0.4, (1, queries, 2))], -1)
    out.pred_boxes = torch.from_numpy(boxes.astype(np.float32))
    out.order_logits = tensor(queries, queries, scale=3.0)
    if version == "v3":
        coarse = rng.normal(0.3, 2.0, (queries, 12, 12)).astype(np.float32)
        masks = np.stack([cv2.resize(c, (200, 200), interpolation=cv2.INTER_CUBIC) for c in coarse])
        out.out_masks = torch.from_numpy(masks[None])
    return out


def assert_same(version: str, raw: SimpleNamespace, threshold: float) -> int:
    """Our regions are transformers' own: labels, scores, boxes, order, outlines. Returns how many."""
    theirs = reference(version).post_process_object_detection(raw, threshold=threshold, target_sizes=[SIZE])[0]
    reader = DocLayout(None, version=version, labels=LABELS, thresholds=[threshold] * 25, mask_threshold=threshold)
    arrays = {k: v[0].numpy() for k, v in vars(raw).items()}
    ours = reader._regions(arrays, SIZE[1], SIZE[0])
    assert [r.order for r in ours] == theirs["order_seq"].tolist()
    # transformers leaves the order of equal ranks (one query under two labels) to an unstable sort
    mine = sorted(range(len(ours)), key=lambda i: (ours[i].order, -ours[i].score))
    other = sorted(range(len(ours)), key=lambda i: (int(theirs["order_seq"][i]), -float(theirs["scores"][i])))
    for i, j in zip(mine, other, strict=True):
        assert ours[i].label == LABELS[int(theirs["labels"][j])]
        assert ours[i].score == pytest.approx(float(theirs["scores"][j]), abs=1e-6)
        assert tuple(ours[i].box) == pytest.approx(theirs["boxes"][j].tolist(), abs=1e-3)
        if version == "v2":
            assert ours[i].polygon == ()
        else:
            np.testing.assert_allclose(ours[i].polygon, np.asarray(theirs["polygon_points"][j]), atol=1e-3)
    return len(ours)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("seed", range(4))
def test_outputs_are_read_as_transformers_reads_them(version: str, seed: int) -> None:
    """Scores, labels, boxes, reading order and outlines equal transformers' post-processing on random outputs."""
    assert assert_same(version, random_outputs(version, seed), 0.3) > 10


@pytest.mark.parametrize("version", VERSIONS)
def test_a_checkpoint_is_loaded_and_read_as_transformers_reads_it(version: str, checkpoints: dict[str, Path]) -> None:
    """The same holds for a real model's outputs on a page, end to end through ``detect``."""
    model = DocLayout.load(checkpoints[version], threads=1, offline=True)
    assert model.version == version
    with torch.inference_mode():
        raw = model._model(pixel_values=prepared(page()))
    parts = SimpleNamespace(**{k: raw[k] for k in layout._OUTPUTS if k in raw})
    scores = torch.sigmoid(parts.logits).flatten().sort(descending=True).values[:QUERIES]
    gap = int((scores[:-1] - scores[1:]).argmax())  # random weights score much alike: cut where it cannot be a tie
    threshold = float(scores[gap : gap + 2].mean())
    assert assert_same(version, parts, threshold) == gap + 1
    assert assert_same(version, parts, 0.0) == QUERIES
    regions = DocLayout.load(checkpoints[version], threads=1, threshold=0.0, offline=True).detect(page())
    assert len(regions) == QUERIES
    orders = [r.order for r in regions if r.order is not None]
    assert orders == sorted(orders)
    assert len(orders) == QUERIES
    assert all(r.label in LABELS and 0 <= r.score <= 1 for r in regions)


def test_detection_repeats_itself(checkpoints: dict[str, Path]) -> None:
    """The same picture gives the same regions, and every query can come out."""
    model = DocLayout.load(checkpoints["v3"], threads=1, threshold=0.0, offline=True)
    first = model.detect(page())
    assert len(first) == QUERIES
    assert model.detect(page()) == first


def test_torchvision_is_never_imported(checkpoints: dict[str, Path]) -> None:
    """Loading and detecting in a fresh process leave torchvision unimported, and print nothing."""
    code = (
        "import sys\n"
        "sys.modules['torchvision'] = None\n"  # an import of it would now fail
        "import numpy as np\n"
        "from paperlode.ingest.parsing.layout import DocLayout\n"
        "model = DocLayout.load(sys.argv[1], threads=1, offline=True)\n"
        "model.detect(np.full((300, 200, 3), 255, np.uint8))\n"
    )
    paths = [p for p in sys.path if p]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import sys; sys.path[:0] = {paths!r}\n{code}", checkpoints["v3"]],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_picture_is_resized_in_float() -> None:
    """Bicubic as OpenCV does it in float, clipped to 0 to 1; gray values are not rounded in between."""
    picture = page(611, 1203)
    ours = prepared(picture)[0].permute(1, 2, 0).numpy()
    exact = np.clip(cv2.resize(picture.astype(np.float32) / 255, (800, 800), interpolation=cv2.INTER_CUBIC), 0, 1)
    assert ours.shape == (800, 800, 3)
    assert ours.min() >= 0
    assert ours.max() <= 1
    assert np.abs(ours - exact).max() < 1e-3
    assert np.abs(ours * 255 - np.round(ours * 255)).max() > 0.4  # whole gray values would give 0


@pytest.mark.parametrize(
    "picture", [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 4), np.uint8), np.zeros((5, 5, 3)), np.zeros((0, 5, 3))]
)
def test_other_pictures_are_refused(picture: np.ndarray) -> None:
    """Gray, RGBA, float and empty arrays are refused with their shape."""
    with pytest.raises(InvalidRequest, match="uint8"):
        prepared(picture)


def test_thresholds_of_v2_are_by_class(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """A V2 checkpoint's own thresholds are used; without them the published ones; ``threshold`` overrides both."""
    own = DocLayout.load(checkpoints["v2"], offline=True)
    assert own._thresholds == (0.0,) * 25
    bare = layout._thresholds("v2", LABELS, SimpleNamespace(class_thresholds=None), None)
    assert {bare[i] for i in (5, 6, 15, 17, 22, 23)} == {0.4}
    assert bare[LABELS.index("seal")] == 0.45
    assert bare[LABELS.index("table")] == 0.5
    assert layout._thresholds("v3", LABELS, None, None) == (0.3,) * 25
    assert layout._thresholds("v2", LABELS, None, 0.7) == (0.7,) * 25


def test_what_cannot_be_loaded_says_why(
    checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing there, another kind of model, a later version, a transformers too old, broken and missing weights."""
    with pytest.raises(ModelUnknown, match="no layout model"):
        DocLayout.load(tmp_path / "nowhere", offline=True)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelUnknown, match="'bert'"):
        DocLayout.load(tmp_path, offline=True)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "pp_doclayout_v9"}))
    with pytest.raises(ModelUnknown, match="PP-DocLayoutV9"):
        DocLayout.load(tmp_path, offline=True)
    old = SimpleNamespace(__version__="5.3.0")
    with pytest.raises(MissingExtra, match=r"transformers>=5\.20; 5\.3\.0 is installed"):
        layout._model_class(old, "v4", "x")
    broken = shutil.copytree(checkpoints["v3"], tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot be loaded"):
        DocLayout.load(broken, offline=True)
    from safetensors.torch import load_file, save_file

    weights = load_file(checkpoints["v3"] / "model.safetensors")
    weights.pop(next(k for k in weights if "backbone" in k))
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lacks 1 weights"):
        DocLayout.load(broken, offline=True)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"'transformers' is not installed.*paperlode\[vllm\]"):
        DocLayout.load(checkpoints["v3"], offline=True)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match="'torch' is not installed"):
        DocLayout.load(checkpoints["v3"], offline=True)


def test_numbered_classes_get_our_names() -> None:
    """A checkpoint that only numbers its 25 classes gets their names; other names stay."""
    assert layout._labels({i: f"LABEL_{i}" for i in range(25)}) == LABELS
    assert layout._labels({0: "stamp", 1: "text"}) == ("stamp", "text")
    assert layout._labels({i: f"LABEL_{i}" for i in range(3)}) == ("LABEL_0", "LABEL_1", "LABEL_2")


@given(st.permutations(range(12)), st.floats(0.5, 20))
def test_clear_votes_give_back_the_order(order: list[int], strength: float) -> None:
    """Logits that put every pair right give exactly that reading order (V2, V3)."""
    place = np.argsort(order)
    logits = np.where(place[:, None] < place[None, :], strength, -strength).astype(np.float32)
    assert voted_order(logits).tolist() == place.tolist()


@given(st.permutations(range(9)), st.integers(0, 2**32 - 1))
def test_chains_are_read_along_their_links(order: list[int], seed: int) -> None:
    """One unbroken chain is the order, whatever the votes; a link back to the start is let go when it is weaker (V4)."""
    rng = np.random.default_rng(seed)
    successor = np.full((9, 9), -3.0, np.float32)
    for a, b in pairwise(order):
        successor[a, b] = rng.uniform(2, 5)
    successor[order[-1], order[0]] = 1.0
    ranks = chained_order(rng.normal(0, 3, (9, 9)).astype(np.float32), successor)
    assert ranks.tolist() == np.argsort(order).tolist()


@given(st.integers(0, 2**32 - 1), st.integers(0, 15))
def test_every_box_has_a_rank_of_its_own(seed: int, count: int) -> None:
    """Any order logits give a permutation, for both ways of ordering."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 9, (2, count, count)).astype(np.float32)
    assert sorted(voted_order(a)) == list(range(count))
    assert sorted(chained_order(a, b)) == list(range(count))


def test_a_mask_that_is_no_help_gives_the_box() -> None:
    """An empty mask, a box without area and a box off the grid give the box's corners, and no error."""
    empty = np.full((200, 200), -9.0, np.float32)
    for box in ((10, 20, 110, 60), (10, 20, 10, 60), (900, 20, 980, 60)):
        corners = mask_outline(empty, np.array(box, np.float32), 800, 800, 0.3)
        x0, y0, x1, y1 = box
        assert corners.tolist() == [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


@pytest.mark.parametrize("label", LABELS)
def test_every_label_has_a_meaning(label: str) -> None:
    """All 25 labels are mapped; only pictures are not read."""
    meaning = meaning_of(label)
    assert (meaning.task is None) == (label in {"image", "header_image", "footer_image"})
    assert (meaning.layer is Layer.FURNITURE) == (label.startswith(("header", "footer")) or label == "number")
    assert (meaning.layer is Layer.NOTE) == (label in {"footnote", "vision_footnote"})
    assert meaning_of(label) is not meaning_of("text") or label == "text"


def test_meanings_of_the_kinds_that_assembly_looks_for() -> None:
    """Titles, captions, references, contents and the tasks other than plain text."""
    kinds = {
        "doc_title": Kind.TITLE,
        "paragraph_title": Kind.HEADING,
        "figure_title": Kind.CAPTION,
        "reference": Kind.REFERENCE,
        "reference_content": Kind.REFERENCE,
        "content": Kind.TOC,
        "algorithm": Kind.CODE,
        "aside_text": Kind.ASIDE,
        "number": Kind.PAGE_NUMBER,
    }
    assert {label: meaning_of(label).kind for label in kinds} == kinds
    tasks = {label: t for label in LABELS if (t := meaning_of(label).task) not in {None, Task.OCR}}
    assert tasks == {
        "chart": Task.CHART,
        "display_formula": Task.FORMULA,
        "inline_formula": Task.FORMULA,
        "seal": Task.SEAL,
        "table": Task.TABLE,
    }
    assert meaning_of("stamp_of_a_later_model").kind is Kind.TEXT
