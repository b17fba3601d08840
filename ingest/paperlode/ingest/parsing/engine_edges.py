"""The layout engine's model of boxes in a form that does once for each box what the file does for each pair of boxes.

The model tells what a box is from itself and its 20 nearest boxes, and whether two boxes belong together. For each pair (i, j)
it multiplies the features of both, side by side, by one weight: ``W [x_i, x_j - x_i] + b``. With ``W = [U, V]`` that is
``(U - V) x_i + b`` and ``V x_j`` added: two products for each box, then rows of 128 numbers for each pair in place of 1024. What
is told to a box is the largest of its pairs' numbers, found with one index for each number; one for each row says the same.

All of it is found by its form. What has another form stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paperlode.ingest.parsing.onnx_file import Node, OnnxModel, attribute_name, int_attribute

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Rows = tuple[str, str]
    """A value and the index of the rows taken of it; no index is all rows."""

__all__ = ["factored", "scattered_by_rows", "settled", "with_factored_edges"]

_KEEPS_WIDTH = {"Relu", "LeakyRelu", "Clip", "Max", "Identity"}
_NOTHING = Node("", [], [])


def with_factored_edges(path: Path) -> bytes:
    """The model in the file, with products for each box in place of each pair, and the largest taken row by row.

    Raises:
        OSError: no such file.
        ValueError: no ONNX model.
    """
    model = OnnxModel(path.read_bytes())
    settled(model)
    scattered_by_rows(model)
    factored(model)
    model.drop_unused()
    return model.written()


def settled(model: OnnxModel) -> int:
    """Puts in place of each ``If`` that can go only one way what it does; returns how many there were."""
    view, nodes, count = _View(model), list[Node](), 0
    for node in model.nodes:
        way = _only_way(view, node) if node.op == "If" else ""
        if not way:
            nodes.append(node)
            continue
        inside, outputs = model.branch(node, way)
        nodes += inside
        nodes += [Node("Identity", [a], [b]) for a, b in zip(outputs, node.outputs, strict=True)]
        count += 1
    model.nodes = nodes
    return count


def _only_way(view: _View, node: Node) -> str:
    """The branch that is always taken; empty unless it is one of the two kinds written for ``squeeze`` and ``scatter``."""
    condition = view.maker(_input(node), "Equal")
    asked, number = view.maker(_input(condition)), view.number(_input(condition, 1))
    if asked.op == "Size" and number == 0:  # of a shape: a value without dimensions
        parts = view.maker(view.taken(view.taken(_input(asked), "Shape"), "ConstantOfShape"), "Concat").inputs
        return "else_branch" if any(view.maker(p, "Unsqueeze").op for p in parts) else ""
    if asked.op == "Gather" and number == 1 and view.number(_input(asked, 1)) == 0:  # the first dimension is 1
        first = view.maker(view.taken(_input(asked), "Shape"), "Unsqueeze")
        return "then_branch" if first.op and view.number(_input(first, 1)) == 0 else ""
    return ""


def scattered_by_rows(model: OnnxModel) -> int:
    """Makes each ``ScatterElements`` of whole rows a ``ScatterND``, which has one index a row; returns how many.

    It is one of whole rows if its index is a column spread over as many columns as what is written into has.
    """
    view, count = _View(model), 0
    for node in model.nodes:
        if node.op != "ScatterElements" or node.value("axis") != 0:
            continue
        spread = view.maker(_input(node, 1), "Expand")
        shape = view.maker(view.taken(_input(node), "ConstantOfShape"), "Concat").inputs
        width = view.maker(view.taken(shape[1], "Unsqueeze"), "Gather") if len(shape) == 2 else _NOTHING
        if not (spread.op and width.op and view.is_column(_input(spread)) and view.number(_input(width, 1)) == 1):
            continue
        like = view.through(view.taken(_input(width), "Shape"))  # of this value's width
        if like and like in (view.through(_input(node, 2)), view.through(view.taken(_input(spread, 1), "Shape"))):
            node.op, node.inputs[1] = "ScatterND", _input(spread)
            node.attributes = [a for a in node.attributes if attribute_name(a) == "reduction"]
            count += 1
    return count


def factored(model: OnnxModel) -> int:
    """Makes each ``Gemm`` of gathered rows, side by side, gathered rows of ``Gemm``; returns how many there were.

    The rows may be one gathered value less another, and a ``BatchNormalization`` may stand before the ``Gemm``: it is put
    into the weights.
    """
    view, nodes, count = _View(model), list[Node](), 0
    for node in model.nodes:
        parts = _parts(view, node) if node.op == "Gemm" else None
        if parts is None:
            nodes.append(node)
            continue
        out, sums = node.outputs[0], list[str]()
        for i, ((source, index), weight) in enumerate(parts.weights.items()):
            name = f"{out}/part{i}"
            inputs = [source, model.put(f"{name}/weight", weight.astype(np.float32))]
            if i == 0:
                inputs.append(model.put(f"{name}/bias", parts.bias.astype(np.float32)))
            nodes.append(Node("Gemm", inputs, [name], list(node.attributes)))
            if index:
                nodes.append(Node("Gather", [name, index], [f"{name}/rows"], [int_attribute("axis", 0)]))
            sums.append(f"{name}/rows" if index else name)
        for i, name in enumerate(sums[1:], 2):
            total = out if i == len(sums) else f"{out}/sum{i}"
            nodes.append(Node("Add", [sums[0], name], [total]))
            sums[0] = total
        count += 1
    model.nodes = nodes
    return count


@dataclass(frozen=True, slots=True)
class _Parts:
    """A product as the sum of products: the weight of each."""

    weights: dict[Rows, Floats]
    bias: Floats


def _parts(view: _View, gemm: Node) -> _Parts | None:
    plain = gemm.value("transB") == 1 and not gemm.value("transA")
    weight, bias = view.floats(_input(gemm, 1)), view.floats(_input(gemm, 2))
    if weight is None or bias is None or not plain or {gemm.value(a) for a in ("alpha", "beta")} - {None, 1.0}:
        return None
    joined = view.maker(view.through(_input(gemm)))
    if joined.op == "BatchNormalization":
        if (scaled := _normalized(view, joined)) is None:
            return None
        bias = bias + weight @ scaled[1]
        weight = weight * scaled[0]
        joined = view.maker(view.through(_input(joined)))
    if joined.op != "Concat" or joined.value("axis") not in (-1, 1):
        return None
    pieces = [_terms(view, name) for name in joined.inputs]
    widths = _widths(view, pieces, weight.shape[1])
    rows = {r for piece in pieces for r, _ in piece}
    if widths is None or len(rows) < 2 or not any(index for _, index in rows):
        return None
    weights: dict[Rows, Floats] = {}
    for piece, part in zip(pieces, np.split(weight, np.cumsum(widths)[:-1], axis=1), strict=True):
        for row, sign in piece:
            weights[row] = weights.get(row, np.zeros_like(part)) + sign * part
    return _Parts(weights, bias)


def _normalized(view: _View, norm: Node) -> tuple[Floats, Floats] | None:
    """What the node multiplies with and what it adds."""
    scale, shift, mean, variance = (view.floats(_input(norm, at)) for at in range(1, 5))
    epsilon = norm.value("epsilon")
    if scale is None or shift is None or mean is None or variance is None or norm.value("training_mode"):
        return None
    scale = scale / np.sqrt(variance + (epsilon if isinstance(epsilon, float) else 1e-5))
    return scale, shift - mean * scale


def _terms(view: _View, name: str) -> list[tuple[Rows, int]]:
    """The value as rows of others, each to be added or taken away."""
    name = view.through(name)
    node = view.maker(name)
    if node.op == "Sub":
        less = [(rows, -sign) for rows, sign in _terms(view, _input(node, 1))]
        return _terms(view, _input(node)) + less
    if node.op == "Gather" and not node.value("axis"):
        return [((view.through(_input(node)), _input(node, 1)), 1)]
    return [((name, ""), 1)]


def _widths(view: _View, pieces: list[list[tuple[Rows, int]]], total: int) -> list[int] | None:
    """How many columns each has: as many as the value whose rows it has; one value's are what the others leave."""
    sources = [{source for (source, _), _ in piece} for piece in pieces]
    if any(len(s) > 1 for s in sources):
        return None
    names = [s.pop() for s in sources]
    known = {name: view.width(name) for name in names}
    missing = [name for name in names if not known[name]]
    left = total - sum(known[name] for name in names)
    if missing and (len(set(missing)) > 1 or left % len(missing)):
        return None
    widths = [known[name] or left // len(missing) for name in names]
    return widths if sum(widths) == total and min(widths) > 0 else None


def _input(node: Node, at: int = 0) -> str:
    """What the node takes there; empty if it takes less."""
    return node.inputs[at] if at < len(node.inputs) else ""


class _View:
    """Who makes which value of a model."""

    def __init__(self, model: OnnxModel) -> None:
        self._model = model
        self._makers = {name: node for node in model.nodes for name in node.outputs if name}

    def maker(self, name: str, op: str = "") -> Node:
        """The node that makes the value, if it is of this kind; one without kind otherwise."""
        node = self._makers.get(self.through(name), _NOTHING)
        return node if op in ("", node.op) else _NOTHING

    def taken(self, name: str, op: str) -> str:
        """The first value from which a node of this kind makes the value; empty if it is of another kind."""
        return next(iter(self.maker(name, op).inputs), "")

    def through(self, name: str) -> str:
        """The value of which this is no more than another name, or to which a first dimension was added and taken away."""
        while node := self._makers.get(name):
            before = self._makers.get(_input(node), _NOTHING) if node.inputs else _NOTHING
            around = node.op == "Squeeze" and before.op == "Unsqueeze"
            if around and all(len(n.inputs) == 2 and self.number(_input(n, 1)) == 0 for n in (node, before)):
                name = _input(before)
            elif node.op == "Identity":
                name = _input(node)
            else:
                break
        return name

    def number(self, name: str) -> int | None:
        """A constant that is one whole number."""
        values = self._model.tensor(name)
        return int(values.flat[0]) if values is not None and values.size == 1 and values.dtype == np.int64 else None

    def floats(self, name: str) -> Floats | None:
        """A constant of float numbers."""
        values = self._model.tensor(name)
        return None if values is None or values.dtype != np.float32 else values.astype(np.float64)

    def is_column(self, name: str) -> bool:
        """Whether the value was made one column wide."""
        node = self.maker(name)
        if node.op == "Unsqueeze":
            return self.number(_input(node, 1)) == 1
        shape = self._model.tensor(_input(node, 1)) if node.op == "Reshape" else None
        return shape is not None and shape.tolist() == [-1, 1]

    def width(self, name: str) -> int:
        """Columns of a value, where the weight that makes it tells; else 0."""
        node = self.maker(name)
        while node.op in _KEEPS_WIDTH:
            node = self.maker(_input(node))
        weight = self.floats(_input(node, 1)) if node.op == "Gemm" and node.value("transB") == 1 else None
        return 0 if weight is None else len(weight)
