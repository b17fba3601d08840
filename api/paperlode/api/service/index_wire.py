"""What passes between a worker and the process that has the embedded index: frames of JSON followed by arrays as they lie.

Nothing that is received is run: no pickles. Sparse vectors and rows are put one after another, with their lengths.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from paperlode.retrieval.lexical import SparseVector

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Frame", "pack_rows", "pack_sparse", "receive", "send", "unpack_rows", "unpack_sparse"]

_HEAD = struct.Struct("!IQ")
"""Bytes of the JSON, and of all that follows it."""
_MOST = 1 << 30
_KINDS = ("float32", "float64", "uint32", "int64")


@dataclass(slots=True)
class Frame:
    """One message.

    Attributes:
        said: what is JSON.
        arrays: what is not; by number.
    """

    said: dict[str, Any]
    arrays: list[NDArray[Any]] = field(default_factory=list)


def send(connection: socket.socket, frame: Frame) -> None:
    """Raises OSError where the other end is gone."""
    arrays = [np.ascontiguousarray(a) for a in frame.arrays]
    shapes = [[str(a.dtype), list(a.shape)] for a in arrays]
    text = json.dumps({"said": frame.said, "arrays": shapes}, separators=(",", ":")).encode()
    connection.sendall(_HEAD.pack(len(text), sum(a.nbytes for a in arrays)) + text)
    for array in arrays:
        connection.sendall(array.data.cast("B") if array.size else b"")


def receive(connection: socket.socket) -> Frame | None:
    """The next message; None where the other end has closed. Raises OSError, ValueError for what is no message."""
    head = _exactly(connection, _HEAD.size)
    if head is None:
        return None
    text_bytes, rest_bytes = _HEAD.unpack(head)
    if text_bytes + rest_bytes > _MOST:
        raise ValueError("a message that is too long")
    text, rest = _exactly(connection, text_bytes), _exactly(connection, rest_bytes)
    if text is None or rest is None:
        return None
    data = json.loads(text)
    arrays, start = [], 0
    for kind, shape in data["arrays"]:
        if kind not in _KINDS:
            raise ValueError("an array of an unknown kind")
        count = int(np.prod(shape, dtype=np.int64))
        arrays.append(np.frombuffer(rest, dtype=kind, count=count, offset=start).reshape(shape))
        start += arrays[-1].nbytes
    return Frame(data["said"], arrays)


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    out = bytearray(count)
    view, got = memoryview(out), 0
    while got < count:
        n = connection.recv_into(view[got:])
        if not n:
            return None
        got += n
    return bytes(out)


def pack_sparse(vectors: Sequence[SparseVector]) -> list[NDArray[Any]]:
    """Vectors as arrays: which of the different ones each is, their lengths, indices and values. Repeats are sent once."""
    different: dict[int, int] = {}
    which = np.array([different.setdefault(id(v), len(different)) for v in vectors], np.int64)
    once = list({id(v): v for v in vectors}.values())
    lengths = np.array([len(v.indices) for v in once], np.int64)
    indices = np.array([i for v in once for i in v.indices], np.uint32)
    values = np.array([x for v in once for x in v.values], np.float64)
    return [which, lengths, indices, values]


def unpack_sparse(arrays: Sequence[NDArray[Any]]) -> list[SparseVector]:
    """The vectors back; those that were one object are one again."""
    which, lengths, indices, values = arrays
    once, start = [], 0
    for n in lengths.tolist():
        once.append(SparseVector(tuple(indices[start : start + n].tolist()), tuple(values[start : start + n].tolist())))
        start += n
    return [once[i] for i in which.tolist()]


def pack_rows(rows: Sequence[NDArray[np.float32]], dimensions: int) -> list[NDArray[Any]]:
    """The rows of each chunk: their numbers, and all vectors."""
    whole = np.concatenate([np.zeros((0, dimensions), np.float32), *rows])
    return [np.array([len(r) for r in rows], np.int64), whole.astype(np.float32)]


def unpack_rows(arrays: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
    """The rows back."""
    lengths, whole = arrays
    ends = np.cumsum(lengths)
    return [whole[end - n : end] for n, end in zip(lengths.tolist(), ends.tolist(), strict=True)]
