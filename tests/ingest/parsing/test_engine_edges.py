"""The layout engine's model of boxes finds the same when its products are made for each box and not for each pair."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pymupdf
import pytest
from onnx import TensorProto, helper, numpy_helper

from paperlode.ingest.parsing.engine_edges import factored, scattered_by_rows, settled, with_factored_edges
from paperlode.ingest.parsing.onnx_file import OnnxModel
from paperlode.ingest.workers import _quicker

RESOURCES = Path(pymupdf.__file__).parent / "layout" / "resources" / "onnx"
MODEL = next(RESOURCES.glob("layout_rf*.onnx"))
WIDTHS = {"x": 8, "rf_features": 118, "text_patterns": 40, "image_features": 358}


def opened(model: Path | bytes) -> ort.InferenceSession:
    """The model, ready to run, with one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model if isinstance(model, bytes) else str(model), options)


@pytest.fixture(scope="module")
def both() -> tuple[ort.InferenceSession, ort.InferenceSession]:
    """The engine's model as it is, and in its quicker form."""
    return opened(MODEL), opened(with_factored_edges(MODEL))


def page(boxes: int, pairs: int, *, pages: int = 1) -> dict[str, Any]:
    """What the model is given for so many boxes, with generated numbers."""
    rng = np.random.default_rng(boxes)
    features = {name: rng.random((boxes, width), dtype=np.float32) for name, width in WIDTHS.items()}
    return {
        **features,
        "edge_index": rng.integers(0, boxes, (2, pairs)),
        "edge_attr": rng.random((pairs, 24), dtype=np.float32),
        "k": np.array(min(boxes, 20), dtype=np.int64),
        "batch": np.sort(rng.integers(0, pages, boxes)),
    }


@pytest.mark.parametrize(("boxes", "pairs"), [(1, 1), (2, 1), (3, 4), (20, 50), (21, 60), (150, 400)])
def test_the_quicker_form_finds_the_same(both: tuple[Any, Any], boxes: int, pairs: int) -> None:
    """Both outputs are those of the engine's file within 1e-3, of pages with one box, two, and more than have neighbours."""
    before, after = (session.run(None, page(boxes, pairs)) for session in both)
    assert [a.shape for a in after] == [(boxes, 11), (pairs, 2)]
    assert any(np.ptp(a) > 0.1 for a in before), "Nothing is compared."
    assert all(np.abs(a - b).max() < 1e-3 for a, b in zip(before, after, strict=True))


def test_every_form_is_found_in_this_engine() -> None:
    """The installed engine's model has all that is looked for, so that no gain is lost in silence."""
    model = OnnxModel(MODEL.read_bytes())
    assert (settled(model), scattered_by_rows(model), factored(model)) == (10, 6, 3)
    kinds = Counter(node.op_type for node in onnx.load_model_from_string(with_factored_edges(MODEL)).graph.node)
    assert kinds["If"] == 0
    assert kinds["Sub"] == 3, "Two for distances and one for a variance are left, none for pairs."


def test_a_worker_opens_the_quicker_form(tmp_path: Path) -> None:
    """A worker is given the quicker form of this model; a file of its name that is none is left to the engine."""
    assert _quicker(str(MODEL)) == (with_factored_edges(MODEL), [])
    for name in ("layout_rf_missing.onnx", "layout_rf_broken.onnx", "another.onnx"):
        path = tmp_path / name
        if "missing" not in name:
            path.write_bytes(b"\xff\xff\xff")
        assert _quicker(str(path)) == (str(path), [])


def pairs_model(nodes: list[onnx.NodeProto], weight: np.ndarray) -> bytes:
    """A model that makes ``y`` of rows ``x`` and two indices of rows, ``i`` and ``j``."""
    values = {"x": (TensorProto.FLOAT, ["n", weight.shape[1] // 2]), "i": (TensorProto.INT64, ["e"])}
    inputs = [helper.make_tensor_value_info(n, *v) for n, v in {**values, "j": values["i"]}.items()]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    constants = [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(weight[:, 0].copy(), "b")]
    graph = helper.make_graph(nodes, "pairs", inputs, [output], constants)
    opset = [helper.make_opsetid("", 16)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())


GATHERED = [
    helper.make_node("Gather", ["x", "i"], ["xi"], axis=0),
    helper.make_node("Gather", ["x", "j"], ["xj"], axis=0),
]
JOINED = [
    helper.make_node("Sub", ["xj", "xi"], ["less"]),
    helper.make_node("Concat", ["xi", "less"], ["pair"], axis=-1),
]
TURNED = {"transB": 1}


@pytest.mark.parametrize(
    ("nodes", "found"),
    [
        ([*GATHERED, *JOINED, helper.make_node("Gemm", ["pair", "w", "b"], ["y"], **TURNED)], 1),
        ([*GATHERED, *JOINED, helper.make_node("Gemm", ["pair", "w", "b"], ["y"], alpha=2.0, **TURNED)], 0),
        ([*GATHERED, *JOINED, helper.make_node("Gemm", ["pair", "w"], ["y"], **TURNED)], 0),
        (
            [
                *GATHERED,
                *JOINED,
                helper.make_node("Relu", ["pair"], ["positive"]),
                helper.make_node("Gemm", ["positive", "w", "b"], ["y"], **TURNED),
            ],
            0,
        ),
        (
            [
                helper.make_node("Concat", ["x", "x"], ["twice"], axis=1),
                helper.make_node("Gemm", ["twice", "w", "b"], ["y"], **TURNED),
            ],
            0,
        ),
    ],
)
def test_another_form_stays_and_computes_the_same(tmp_path: Path, nodes: list[onnx.NodeProto], found: int) -> None:
    """A product of pairs is found as it is drawn; with a factor, no bias or a step between, it stays; all compute the same."""
    rng = np.random.default_rng(4)
    path = tmp_path / "pairs.onnx"
    path.write_bytes(pairs_model(nodes, rng.normal(size=(5, 6)).astype(np.float32)))
    assert factored(OnnxModel(path.read_bytes())) == found
    rows = {"x": rng.normal(size=(4, 3)).astype(np.float32), "i": np.array([0, 3, 1]), "j": np.array([2, 3, 0])}
    before, after = (opened(model).run(None, rows)[0] for model in (path, with_factored_edges(path)))
    assert np.abs(before - after).max() < 1e-5


def test_an_if_that_can_go_both_ways_stays(tmp_path: Path) -> None:
    """A branch taken because of a value stays, with what it needs of the graph around it, and computes the same."""
    ways = [
        helper.make_graph([helper.make_node(op, ["seen"], [op])], op, [], [helper.make_tensor_value_info(op, 1, None)])
        for op in ("Relu", "Neg")
    ]
    nodes = [
        helper.make_node("Abs", ["x"], ["seen"]),
        helper.make_node("Constant", [], ["none"], value=numpy_helper.from_array(np.zeros(1, np.int64))),
        helper.make_node("Equal", ["j", "none"], ["flat"]),
        helper.make_node("If", ["flat"], ["y"], then_branch=ways[0], else_branch=ways[1]),
    ]
    path = tmp_path / "ways.onnx"
    path.write_bytes(pairs_model(nodes, np.ones((5, 6), np.float32)))
    assert settled(OnnxModel(path.read_bytes())) == 0
    after = opened(with_factored_edges(path))
    for j in (0, 1):
        rows = {"x": np.full((1, 3), -2, np.float32), "i": np.array([0]), "j": np.array([j])}
        assert after.run(None, rows)[0].tolist() == [[2.0 - 4 * j] * 3]


def test_a_file_that_is_no_model_is_said_to_be_none(tmp_path: Path) -> None:
    """Bytes that are no ONNX file are a ValueError, which leaves the file to the engine."""
    (tmp_path / "x.onnx").write_bytes(b"\xff\xff\xff")
    with pytest.raises(ValueError, match="no ONNX model"):
        with_factored_edges(tmp_path / "x.onnx")
