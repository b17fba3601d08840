"""The layout engine's models in forms that run faster and return the same to some 1e-6.

The picture model's 26 ``PRelu`` have one slope each, which is a ``LeakyRelu``; that ONNX Runtime computes within the convolution
before it, and a ``PRelu`` it does not. The engine opens its models itself, so the file is read here and the model is given on as
bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from paperlode.ingest.parsing.onnx_file import OnnxModel, float_attribute

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["with_leaky_relu"]


def with_leaky_relu(path: Path) -> bytes:
    """The model in the file; each ``PRelu`` whose slope is one constant number is a ``LeakyRelu``.

    Raises:
        OSError: no such file.
        ValueError: no ONNX model.
    """
    model = OnnxModel(path.read_bytes())
    for node in model.nodes:
        slope = model.tensor(node.inputs[-1]) if node.op == "PRelu" else None
        if slope is not None and slope.size == 1:
            node.op, node.inputs = "LeakyRelu", node.inputs[:-1]
            node.attributes = [float_attribute("alpha", float(slope.flat[0]))]
    model.drop_unused()
    return model.written()
