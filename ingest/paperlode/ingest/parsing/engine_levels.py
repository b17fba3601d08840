"""The layout engine's picture of a page at five sizes, pooled in boxes without being enlarged to one size first.

The engine's picture model ends by enlarging five maps of 32 channels (9 to 150 cells on a side) to 300 x 300 and putting them
together: a third of the model's time and 58 MB, of which the engine then takes the mean and the largest value of each channel in
the box of each text line. Both are had from the small maps. The mean of values between cells is a sum of cells with weights. And
between four cells a bilinear value is largest at one of the samples nearest to them (it is linear along both axes), so that
the first and the last sample between each two cells are enough.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from paperlode.ingest.parsing.onnx_file import OnnxModel

    Floats = NDArray[np.float32]
    Places = NDArray[np.intp]

__all__ = ["TOGETHER", "Levels", "OnePage", "run_together", "take_apart"]

TOGETHER = "combined"
"""The engine's name for the enlarged maps."""


def take_apart(model: OnnxModel) -> list[str]:
    """Has the picture model return its maps as they are. Their names, finest first; none where the model ends otherwise."""
    made = {out: node for node in model.nodes for out in node.outputs}
    end = made.get(TOGETHER) if TOGETHER in model.outputs else None
    if end is None or end.op != "Concat":
        return []
    enlarged = [made.get(name) for name in end.inputs]
    maps = [
        node.inputs[0]
        for node in enlarged
        if node is not None and node.op == "Resize" and node.value("mode") == b"linear"
    ]
    if len(maps) < len(end.inputs):
        return []
    model.return_instead(TOGETHER, maps)
    return maps


class Levels:
    """Maps of one page, as the array (channels, height, width) float32 that they are when enlarged and put together.

    Args:
        maps: each (channels, rows, columns).
        height: rows of the enlarged maps; each map has fewer.
        width: columns of the enlarged maps.
    """

    ndim = 3
    dtype: Final = np.dtype(np.float32)

    def __init__(self, maps: Sequence[Floats], height: int, width: int) -> None:
        self._maps = [np.ascontiguousarray(m.transpose(1, 2, 0)) for m in maps]
        self._axes = [(_axis(m.shape[1], height), _axis(m.shape[2], width)) for m in maps]
        self.shape = (sum(m.shape[0] for m in maps), height, width)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The enlarged maps themselves, for whoever wants them."""
        whole = [
            np.einsum("yr,rxc->cyx", y.weights, np.matmul(x.weights, m), optimize=True)
            for m, (y, x) in zip(self._maps, self._axes, strict=True)
        ]
        return np.concatenate(whole).astype(dtype or self.dtype, copy=False)

    def __getitem__(self, item: Any) -> Any:
        return np.asarray(self)[item]

    def pooled(self, x0: Places, y0: Places, x1: Places, y1: Places) -> Floats:
        """For each box (first and last column and row, both within) the channels' means, then their largest: (n, 2 channels)."""
        means, most = [], []
        for cells, (down, along) in zip(self._maps, self._axes, strict=True):
            rows, columns, channels = cells.shape
            high = (down.mean(y0, y1) @ cells.reshape(rows, -1)).reshape(len(y0), columns, channels)
            means.append(np.matmul(along.mean(x0, x1)[:, None], high)[:, 0])
            most.append(_largest(np.matmul(along.weights, cells), down, x0, y0, x1, y1))
        return np.concatenate(means + most, axis=1)


class OnePage:
    """The same with a first axis of one page, which is how the engine's picture model returns it."""

    ndim = 4
    dtype = Levels.dtype

    def __init__(self, levels: Levels) -> None:
        self._levels = levels
        self.shape = (1, *levels.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self._levels.__array__(dtype, copy)[None]

    def __getitem__(self, item: Any) -> Any:
        return self._levels if isinstance(item, int) and item in (0, -1) else np.asarray(self)[item]


def run_together(
    run: Callable[[list[str]], Sequence[Any]], maps: Sequence[str], names: Sequence[str], size: Sequence[int]
) -> list[Any]:
    """What a session returns for ``names``, of which ``TOGETHER`` is made of ``maps``, for pictures of this height and width."""
    wanted = [m for name in names for m in (maps if name == TOGETHER else (name,))]
    found = dict(zip(wanted, run(wanted), strict=True))
    height, width = size
    return [
        OnePage(Levels([found[m][0] for m in maps], height, width)) if name == TOGETHER else found[name]
        for name in names
    ]


def _largest(wide: Floats, down: _Axis, *boxes: Places) -> Floats:
    """The largest value of each channel in each box, of cells (rows, columns, channels) enlarged along their rows only."""
    out = np.empty((len(boxes[0]), wide.shape[2]), dtype=np.float32)
    for row, left, first, right, last in zip(out, *(b.tolist() for b in boxes), strict=True):
        top, bottom = down.before[first], down.before[last] + 1
        cells = wide[top : bottom + 1, left : right + 1]
        lines = _ends(down, first, last) @ cells.reshape(len(cells), -1)
        lines.reshape(-1, wide.shape[2]).max(axis=0, out=row)
    return out


class _Axis:
    """Where samples lie among cells, as ``pytorch_half_pixel`` in ONNX's Resize has it, for one side of a picture."""

    def __init__(self, cells: int, samples: int) -> None:
        at = np.clip((np.arange(samples) + 0.5) * (cells / samples) - 0.5, 0, cells - 1)
        self.before: list[int] = np.minimum(at.astype(int), cells - 2).tolist()
        """The first of the two cells that each sample lies between."""
        share = at - self.before
        weights = np.zeros((samples, cells))
        weights[np.arange(samples), self.before] = 1 - share
        weights[np.arange(samples), np.array(self.before) + 1] += share
        self.weights: Floats = weights.astype(np.float32)
        """Of each cell in each sample: (samples, cells)."""
        self._sums = np.concatenate((np.zeros((1, cells)), weights.cumsum(axis=0)))

    def mean(self, first: Places, last: Places) -> Floats:
        """Of the samples from ``first`` to ``last`` (n,) the weight of each cell in their mean: (n, cells)."""
        weights: Floats = ((self._sums[last + 1] - self._sums[first]) / (last + 1 - first)[:, None]).astype(np.float32)
        return weights


@lru_cache(maxsize=4096)
def _ends(axis: _Axis, first: int, last: int) -> Floats:
    """The weights of the first and the last sample between each two cells, of samples ``first`` to ``last``."""
    at = axis.before
    some = [i for i in range(first, last + 1) if i in (first, last) or at[i - 1] != at[i] or at[i + 1] != at[i]]
    weights: Floats = np.ascontiguousarray(axis.weights[some, at[first] : at[last] + 2])
    return weights


@lru_cache(maxsize=16)
def _axis(cells: int, samples: int) -> _Axis:
    return _Axis(cells, samples)
