"""An ONNX file as nodes and tensors that can be changed and written again, without the package ``onnx``.

An ONNX file is Protocol Buffers (https://protobuf.dev/programming-guides/encoding): fields of a number, a kind and a value, some
of them nested. The numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Only the graph's nodes, tensors
and outputs are looked into; everything else is carried over as it is.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    Field = tuple[int, int, bytes]

__all__ = ["Node", "OnnxModel", "attribute_name", "float_attribute", "int_attribute"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_GRAPH = 7  # of ModelProto
_NODE, _TENSOR, _OUTPUT = 1, 5, 12  # of GraphProto
_IN, _OUT, _OP_TYPE = 1, 2, 4  # of NodeProto
_ATTRIBUTES = 5
_FLOAT, _INT, _TEXT, _ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH = 2, 3, 4, 5, 6  # of AttributeProto
_DIMS, _DATA_TYPE, _FLOATS, _INT64S, _NAME, _RAW = 1, 2, 4, 7, 8, 9  # of TensorProto
_FLOAT32, _INT64 = 1, 7  # TensorProto.DataType, of those that are read and written here


@dataclass(slots=True)
class Node:
    """One operation: what it takes, what it gives (names of values), and its attributes, each as it is written."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: list[bytes] = field(default_factory=list)
    rest: list[Field] = field(default_factory=list)
    """Name, domain, and what else stands in the file."""

    def value(self, attribute: str) -> float | bytes | None:
        """An attribute that is a number, or the bytes of one that is a text, tensor or graph; None if it is none of these."""
        data = next((a for a in self.attributes if attribute_name(a) == attribute), b"")
        for n, k, v in _fields(data):
            if (n, k) == (_FLOAT, _FIXED32):
                return float(struct.unpack("<f", v)[0])
            if (n, k) == (_INT, _VARINT):
                return _as_int(v)
            if n in (_TEXT, _ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH) and k == _BYTES:
                return v
        return None


class OnnxModel:
    """A model read from a file's bytes.

    Attributes:
        nodes: in an order in which each value is made before it is taken; of the outermost graph only, and without those
            that are constants: they are kept with the other tensors.
        outputs: names of what the model returns.

    Raises:
        ValueError: no ONNX model.
    """

    def __init__(self, data: bytes) -> None:
        self._model = list(_fields(data))
        graph = [v for n, k, v in self._model if n == _GRAPH and k == _BYTES]
        if len(graph) != 1:
            raise ValueError("This is no ONNX model.")
        self.nodes: list[Node] = []
        self._tensors: dict[str, bytes] = {}
        self._outputs: dict[str, bytes] = {}
        self._graph: list[Field] = []
        for n, k, v in _fields(graph[0]):
            if n == _NODE:
                self.nodes += self._unless_constant(_node(v))
            elif n == _TENSOR:
                self._tensors[_text(v, _NAME)] = v
            elif n == _OUTPUT:
                self._outputs[_text(v, 1)] = v
            else:
                self._graph.append((n, k, v))
        self.outputs = list(self._outputs)

    def _unless_constant(self, node: Node) -> list[Node]:
        value = node.value("value") if node.op == "Constant" else None
        if not isinstance(value, bytes):
            return [node]
        named = [(_NAME, _BYTES, node.outputs[0].encode())]
        self._tensors[node.outputs[0]] = _written([*(f for f in _fields(value) if f[0] != _NAME), *named])
        return []

    def branch(self, node: Node, attribute: str) -> tuple[list[Node], list[str]]:
        """The nodes and outputs of a graph within a node, for taking the node's place; its constants are this graph's now.

        Raises:
            ValueError: the node has no such graph.
        """
        graph = node.value(attribute)
        if not isinstance(graph, bytes):
            raise ValueError(f"The node has no graph {attribute}.")  # noqa: TRY004
        nodes: list[Node] = []
        outputs: list[str] = []
        for n, _, v in _fields(graph):
            if n == _NODE:
                nodes += self._unless_constant(_node(v))
            elif n == _TENSOR:
                self._tensors[_text(v, _NAME)] = v
            elif n == _OUTPUT:
                outputs.append(_text(v, 1))
        return nodes, outputs

    def tensor(self, name: str) -> NDArray[np.float32] | NDArray[np.int64] | None:
        """A constant that is kept in the file, float32 or int64; None if it is none of these."""
        if (data := self._tensors.get(name)) is None:
            return None
        parts = list(_fields(data))
        kind = next((_as_int(v) for n, _, v in parts if n == _DATA_TYPE), 0)
        if kind not in (_FLOAT32, _INT64):
            return None
        dims = [d for n, k, v in parts if n == _DIMS for d in ([_as_int(v)] if k == _VARINT else _ints(v))]
        raw = b"".join(v for n, _, v in parts if n in (_RAW, _FLOATS))
        if not raw:
            raw = b"".join(
                struct.pack("<q", i)
                for n, k, v in parts
                if n == _INT64S
                for i in ([_as_int(v)] if k == _VARINT else _ints(v))
            )
        values = np.frombuffer(raw, dtype="<f4") if kind == _FLOAT32 else np.frombuffer(raw, dtype="<i8")
        return values.reshape(dims) if values.size == int(np.prod(dims)) else None

    def put(self, name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> str:
        """Adds a constant under this name, or in place of the one that has it. Returns the name."""
        kind = _FLOAT32 if values.dtype == np.float32 else _INT64
        dims: list[Field] = [(_DIMS, _VARINT, _varint(d)) for d in values.shape]
        self._tensors[name] = _written(
            [
                *dims,
                (_DATA_TYPE, _VARINT, _varint(kind)),
                (_NAME, _BYTES, name.encode()),
                (_RAW, _BYTES, values.tobytes()),
            ]
        )
        return name

    def return_instead(self, old: str, new: Sequence[str]) -> None:
        """Returns these float values, of any shape, where ``old`` stood among the outputs."""
        at = self.outputs.index(old)
        self.outputs[at : at + 1] = new
        tensor_type = _written([(1, _VARINT, _varint(1))])  # elem_type: float; no shape
        kind = _written([(1, _BYTES, tensor_type)])
        for name in new:
            self._outputs[name] = _written([(1, _BYTES, name.encode()), (2, _BYTES, kind)])

    def drop_unused(self) -> None:
        """Leaves out nodes and constants that no output needs; names inside nested graphs count as used."""
        needed, kept = set(self.outputs), []
        names = {*self._tensors, *(name for node in self.nodes for name in node.outputs)}
        for node in reversed(self.nodes):
            if needed.isdisjoint(node.outputs):
                continue
            kept.append(node)
            needed.update(node.inputs)
            nested = b"".join(node.attributes)
            needed.update(n for n in names - needed if len(nested) > len(n) and n.encode() in nested)
        self.nodes = kept[::-1]
        self._tensors = {n: v for n, v in self._tensors.items() if n in needed}

    def written(self) -> bytes:
        """The model as the bytes of a file."""
        graph: list[Field] = [(_NODE, _BYTES, _written_node(n)) for n in self.nodes]
        graph += self._graph
        graph += [(_TENSOR, _BYTES, v) for v in self._tensors.values()]
        graph += [(_OUTPUT, _BYTES, self._outputs[name]) for name in self.outputs]
        data = _written(graph)
        return _written((n, k, data if n == _GRAPH else v) for n, k, v in self._model)


def attribute_name(attribute: bytes) -> str:
    """The name of one of ``Node.attributes``."""
    return _text(attribute, 1)


def float_attribute(name: str, value: float) -> bytes:
    """An attribute for ``Node.attributes`` that is one float."""
    return _written([(1, _BYTES, name.encode()), (2, _FIXED32, struct.pack("<f", value)), (20, _VARINT, b"\x01")])


def int_attribute(name: str, value: int) -> bytes:
    """An attribute for ``Node.attributes`` that is one whole number."""
    return _written([(1, _BYTES, name.encode()), (3, _VARINT, _varint(value % (1 << 64))), (20, _VARINT, b"\x02")])


def _node(data: bytes) -> Node:
    node = Node("", [], [])
    for n, k, v in _fields(data):
        if n == _IN:
            node.inputs.append(v.decode())
        elif n == _OUT:
            node.outputs.append(v.decode())
        elif n == _OP_TYPE:
            node.op = v.decode()
        elif n == _ATTRIBUTES:
            node.attributes.append(v)
        else:
            node.rest.append((n, k, v))
    return node


def _written_node(node: Node) -> bytes:
    parts: list[Field] = [(_IN, _BYTES, name.encode()) for name in node.inputs]
    parts += [(_OUT, _BYTES, name.encode()) for name in node.outputs]
    parts.append((_OP_TYPE, _BYTES, node.op.encode()))
    parts += [(_ATTRIBUTES, _BYTES, a) for a in node.attributes]
    return _written([*parts, *node.rest])


def _text(data: bytes, number: int) -> str:
    return next((v.decode() for n, _, v in _fields(data) if n == number), "")


def _fields(data: bytes) -> Iterator[Field]:
    at = 0
    try:
        while at < len(data):
            key, at = _read_varint(data, at)
            kind, start = key & 7, at
            if kind == _VARINT:
                at = _read_varint(data, at)[1]
            elif kind == _BYTES:
                size, start = _read_varint(data, at)
                at = start + size
            elif kind in (_FIXED32, _FIXED64):
                at += 4 if kind == _FIXED32 else 8
            else:
                raise ValueError("This is no ONNX model.")
            if at > len(data):
                raise ValueError("This is no ONNX model: it ends too early.")
            yield key >> 3, kind, data[start:at]
    except IndexError as exc:
        raise ValueError("This is no ONNX model.") from exc


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _as_int(data: bytes) -> int:
    value = _read_varint(data, 0)[0]
    return value - (1 << 64) if value >= 1 << 63 else value


def _ints(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _read_varint(data, at)
        yield value - (1 << 64) if value >= 1 << 63 else value


def _written(parts: Iterable[Field]) -> bytes:
    out = bytearray()
    for number, kind, value in parts:
        out += _varint(number << 3 | kind)
        if kind == _BYTES:
            out += _varint(len(value))
        out += value
    return bytes(out)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))
