"""The graphs of all-MiniLM-L6-v2, written: nodes, and tensors that point into the published ``model.safetensors``.

    python -m paperlode.retrieval.minilm_graph CHUNKS…     # writes data/minilm*.onnx anew; wants the package onnx

They are kept as files, so that the model runs without ``onnx``; a test holds the files against what is written here.

In the int8 graph each weight, and what is multiplied by it, becomes a whole number between -127 and 127 times a spread: one for
each row of the weight, and one for all that a text has there. One channel that is large (up to 30, where most are below 2)
would leave the others few steps, so it is made smaller before and its weights larger, half way and a half as SmoothQuant does it
(arXiv:2211.10438, alpha .75). How large channels become was seen on the chunks of ``samples/archive`` (exported as JSON lines:
the arguments above), and is kept in the graph.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .minilm import DIMENSIONS, GRAPH, INT8_GRAPH, WEIGHTS, MiniLM, published_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["kept_largest", "largest_seen", "write_graph", "write_int8_graph"]

LAYERS = 6
HEADS = 12
EPSILON = 1e-12
ALPHA = 0.75
"""How much of a channel's size goes over into its weights."""
LEAST = 1e-3
"""Of the largest channel: smaller ones are taken as this large."""
LARGEST = "largest."
CONTRIB = "com.microsoft"


def write_graph(weights: Path) -> bytes:
    """The model from ``ids`` (n,) to a unit ``vector`` (384,), serialised; its tensors lie in ``weights``."""
    return _written(_Graph(weights))


def write_int8_graph(weights: Path, largest: Mapping[str, NDArray[np.float16]]) -> bytes:
    """The same with int8 multiplications.

    Args:
        weights: as for ``write_graph``.
        largest: for each value that weights are multiplied by, how large its channels become.
    """
    return _written(_Int8Graph(weights, largest))


def _written(graph: _Graph) -> bytes:
    from onnx import TensorProto, helper

    zero = graph.constant("zero", 0)
    length = graph.add("Shape", ["ids"], "length")
    words = graph.add("Gather", [graph.weight("embeddings.word_embeddings.weight"), "ids"], "words")
    places = graph.add("Slice", [graph.weight("embeddings.position_embeddings.weight"), zero, length, zero], "places")
    one = graph.constant("one", 1)
    kind = graph.add("Slice", [graph.weight("embeddings.token_type_embeddings.weight"), zero, one, zero], "kind")
    x = graph.add("Add", [graph.add("Add", [words, kind], "typed"), places], "placed")
    x = graph.norm(x, "embeddings.LayerNorm")
    for i in range(LAYERS):
        layer = f"encoder.layer.{i}."
        attention = layer + "attention."
        parts = ("query", "key", "value")
        projected = graph.dense(x, *(f"{attention}self.{part}" for part in parts))
        heads = [graph.add("Unsqueeze", [p, zero], f"{part}{i}") for part, p in zip(parts, projected, strict=True)]
        seen = graph.add("MultiHeadAttention", heads, f"seen{i}", domain=CONTRIB, num_heads=HEADS)
        (seen,) = graph.dense(graph.add("Squeeze", [seen, zero], f"flat{i}"), attention + "output.dense")
        x = graph.norm(graph.add("Add", [x, seen], f"attended{i}"), attention + "output.LayerNorm")
        wide = graph.add("Gelu", graph.dense(x, layer + "intermediate.dense"), f"wide{i}", domain=CONTRIB)
        x = graph.add("Add", [x, *graph.dense(wide, layer + "output.dense")], f"fed{i}")
        x = graph.norm(x, layer + "output.LayerNorm")
    mean = graph.add("ReduceMean", [x, zero], "mean", keepdims=0)
    graph.add("LpNormalization", [mean], "vector", axis=-1, p=2)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "all-MiniLM-L6-v2",
            [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
            [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [DIMENSIONS])],
            list(graph.tensors.values()),
        ),
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(CONTRIB, 1)],
        ir_version=9,
    )
    data: bytes = model.SerializeToString()
    return data


class _Graph:
    """Nodes, and tensors that point into a safetensors file: 8 bytes of header length, JSON header, data."""

    def __init__(self, weights: Path) -> None:
        with weights.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            self._header: dict[str, Any] = json.loads(file.read(size))
        self._data = 8 + size
        self.nodes: list[Any] = []
        self.tensors: dict[str, Any] = {}

    def weight(self, name: str) -> str:
        from onnx import TensorProto

        if name not in self.tensors:
            start, end = self._header[name]["data_offsets"]
            tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=self._header[name]["shape"])
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", WEIGHTS), ("offset", self._data + start), ("length", end - start)):
                tensor.external_data.add(key=key, value=str(value))
            self.tensors[name] = tensor
        return name

    def constant(self, name: str, value: int) -> str:
        from onnx import TensorProto, helper

        self.tensors[name] = helper.make_tensor(name, TensorProto.INT64, [1], [value])
        return name

    def add(self, op: str, inputs: list[str], output: str, *, domain: str = "", **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(op, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def dense(self, x: str, *names: str) -> list[str]:
        """The same value through each of these layers."""
        return [self.add("Gemm", [x, self.weight(f"{n}.weight"), self.weight(f"{n}.bias")], n, transB=1) for n in names]

    def norm(self, x: str, name: str) -> str:
        weights = [self.weight(f"{name}.weight"), self.weight(f"{name}.bias")]
        return self.add("LayerNormalization", [x, *weights], name, epsilon=EPSILON)


class _Int8Graph(_Graph):
    """What is made of constants alone is made once, when the model is loaded."""

    def __init__(self, weights: Path, largest: Mapping[str, NDArray[np.float16]]) -> None:
        super().__init__(weights)
        self._largest = largest

    def dense(self, x: str, *names: str) -> list[str]:
        from onnx import TensorProto

        own = [self.weight(f"{n}.weight") for n in names]  # (outputs, inputs)
        sizes = [self._over("ReduceMax", self.add("Abs", [w], f"{w}.abs"), 0, f"{w}.columns") for w in own]
        column = self.add("Max", sizes, f"{x}.columns") if len(sizes) > 1 else sizes[0]
        self._float(f"{LARGEST}{x}", self._largest[x])
        seen = self.add("Cast", [f"{LARGEST}{x}"], f"{x}.seen", to=TensorProto.FLOAT)
        up = self.add("Pow", [seen, self._number("alpha", ALPHA)], f"{x}.up")
        down = self.add("Pow", [column, self._number("rest", 1 - ALPHA)], f"{x}.down")
        larger = self.add("Div", [up, down], f"{x}.larger")
        even = self.add("Mul", [x, self.add("Div", [down, up], f"{x}.smaller")], f"{x}.even")
        return [self._layer(even, larger, w, n) for w, n in zip(own, names, strict=True)]

    def _layer(self, even: str, larger: str, weight: str, name: str) -> str:
        from onnx import TensorProto

        wide = self.add("Transpose", [self.add("Mul", [weight, larger], f"{name}.scaled")], f"{name}.wide", perm=[1, 0])
        most = self._over("ReduceMax", self.add("Abs", [wide], f"{name}.sizes"), 0, f"{name}.most")
        step = self.add("Div", [most, self._number("steps", 127)], f"{name}.step")
        zeros = self.add("Cast", [self.add("Sub", [step, step], f"{name}.none")], f"{name}.zeros", to=TensorProto.INT8)
        whole = self.add("QuantizeLinear", [wide, step, zeros], f"{name}.whole", axis=1)
        inputs = [even, whole, step, zeros, self.weight(f"{name}.bias")]
        return self.add("DynamicQuantizeMatMul", inputs, name, domain=CONTRIB)

    def _over(self, op: str, x: str, axis: int, output: str) -> str:
        return self.add(op, [x, self.constant(f"axis{axis}", axis)], output, keepdims=0)

    def _number(self, name: str, value: float) -> str:
        from onnx import TensorProto, helper

        self.tensors[name] = helper.make_tensor(name, TensorProto.FLOAT, [], [value])
        return name

    def _float(self, name: str, values: NDArray[np.float16]) -> None:
        from onnx import numpy_helper

        self.tensors[name] = numpy_helper.from_array(values, name)


def largest_seen(texts: Iterable[str]) -> dict[str, NDArray[np.float16]]:
    """How large each channel becomes, for every value that weights are multiplied by, on texts of at most 256 tokens."""
    import numpy as np
    import onnxruntime as ort
    from onnx import ModelProto, TensorProto, helper

    model, weights = MiniLM(precision="fp32"), published_weights()
    graph = ModelProto.FromString(GRAPH.read_bytes())
    inputs = sorted({node.input[0] for node in graph.graph.node if node.op_type == "Gemm"})
    graph.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inputs)
    options = ort.SessionOptions()
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(weights))
    session = ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    most: dict[str, Any] = {}
    for text in texts:
        found: Any = session.run(inputs, {"ids": np.array(model.token_ids(text), dtype=np.int64)})
        for name, value in zip(inputs, found, strict=True):
            most[name] = np.maximum(most.get(name, 0), np.abs(value).max(axis=0))
    return {name: np.maximum(m, LEAST * m.max()).astype(np.float16) for name, m in most.items()}


def kept_largest() -> dict[str, NDArray[np.float16]]:
    """What was seen when the kept int8 graph was written."""
    from onnx import ModelProto, numpy_helper

    tensors = ModelProto.FromString(INT8_GRAPH.read_bytes()).graph.initializer
    return {t.name.removeprefix(LARGEST): numpy_helper.to_array(t) for t in tensors if t.name.startswith(LARGEST)}


def _main(files: list[str]) -> None:
    from paperlode.ingest.document import Chunk, from_json

    weights = published_weights() / WEIGHTS
    GRAPH.write_bytes(write_graph(weights))
    lines = [line for f in files for line in Path(f).read_text(encoding="utf-8").splitlines()]
    largest = largest_seen(from_json(Chunk, line).embedded_text for line in lines) if lines else kept_largest()
    INT8_GRAPH.write_bytes(write_int8_graph(weights, largest))


if __name__ == "__main__":
    _main(sys.argv[1:])
