"""The graph of all-MiniLM-L6-v2, written: nodes, and tensors that point into the published ``model.safetensors``.

    python -m paperlode.retrieval.minilm_graph     # writes data/minilm.onnx anew; wants the package onnx

It is kept as a file, so that the model runs without ``onnx``; a test holds the file against what is written here.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

from .minilm import DIMENSIONS, GRAPH, WEIGHTS, published_weights

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_graph"]

LAYERS = 6
HEADS = 12
EPSILON = 1e-12
CONTRIB = "com.microsoft"


def write_graph(weights: Path) -> bytes:
    """The model from ``ids`` (n,) to a unit ``vector`` (384,), serialised; its tensors lie in ``weights``."""
    from onnx import TensorProto, helper

    graph = _Graph(weights)
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
        heads = [
            graph.add("Unsqueeze", [graph.dense(x, f"{attention}self.{part}"), zero], f"{part}{i}")
            for part in ("query", "key", "value")
        ]
        seen = graph.add("MultiHeadAttention", heads, f"seen{i}", domain=CONTRIB, num_heads=HEADS)
        seen = graph.dense(graph.add("Squeeze", [seen, zero], f"flat{i}"), attention + "output.dense")
        x = graph.norm(graph.add("Add", [x, seen], f"attended{i}"), attention + "output.LayerNorm")
        wide = graph.add("Gelu", [graph.dense(x, layer + "intermediate.dense")], f"wide{i}", domain=CONTRIB)
        x = graph.add("Add", [x, graph.dense(wide, layer + "output.dense")], f"fed{i}")
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

    def dense(self, x: str, name: str) -> str:
        weights = [self.weight(f"{name}.weight"), self.weight(f"{name}.bias")]
        return self.add("Gemm", [x, *weights], name, transB=1)

    def norm(self, x: str, name: str) -> str:
        weights = [self.weight(f"{name}.weight"), self.weight(f"{name}.bias")]
        return self.add("LayerNormalization", [x, *weights], name, epsilon=EPSILON)


if __name__ == "__main__":
    GRAPH.write_bytes(write_graph(published_weights() / WEIGHTS))
