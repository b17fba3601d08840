"""The layout engine's models in forms that run faster and return the same to some 1e-6.

The picture model's 26 ``PRelu`` have one slope each, which is a ``LeakyRelu``; that ONNX Runtime computes within the convolution
before it, and a ``PRelu`` it does not. Its last step is left out (``engine_levels``). The engine opens its models itself: the
file is read here, and the model given on as bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from paperlode.ingest.parsing.engine_levels import take_apart
from paperlode.ingest.parsing.onnx_file import OnnxModel, float_attribute

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["quicker_picture_model"]


def quicker_picture_model(path: Path) -> tuple[bytes, list[str]]:
    """The picture model in the file in a faster form, and the names of the maps that its end is taken apart into.

    Raises:
        OSError: no such file.
        ValueError: no ONNX model.
    """
    model = OnnxModel(path.read_bytes())
    _leaky(model)
    maps = take_apart(model)
    model.drop_unused()
    return model.written(), maps


def _leaky(model: OnnxModel) -> None:
    """Each ``PRelu`` whose slope is one constant number becomes a ``LeakyRelu``."""
    for node in model.nodes:
        slope = model.tensor(node.inputs[-1]) if node.op == "PRelu" else None
        if slope is not None and slope.size == 1:
            node.op, node.inputs = "LeakyRelu", node.inputs[:-1]
            node.attributes = [float_attribute("alpha", float(slope.flat[0]))]
