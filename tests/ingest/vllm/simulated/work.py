"""Pages for the simulated server: how many crops each has, how large they are, and how long their outputs.

Drawn with a seed, so that the n-th page is the same in every run. A page has 15 regions on the average (4 to 30): 55 %
lines (titles, headers, captions), 35 % paragraphs, 5 % formulas, 5 % tables; about 1,500 output tokens, which is what the
published 1.9k tokens/s at 1.22 pages/s come to. A crop has at least 144 picture tokens, since small ones are enlarged.
"""

from __future__ import annotations

import itertools
import math
import random
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from paperlode.ingest.vllm.values import Crop, Task

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LONGEST_OUTPUT", "STUCK", "Fault", "Page", "Piece", "Work"]

LONGEST_OUTPUT = 4096
"""Tokens asked for, by PaddleX and by us."""
STUCK = 75.0
"""Seconds that a stuck crop waits in the server before it is worked on."""
_SMALLEST = 144
"""Picture tokens of a small crop (1.5 and 1.6: 112,896 pixels)."""


class Fault(StrEnum):
    """What is wrong with a crop; each as frequent as the others."""

    LOOP = "loop"
    """The model repeats itself up to the most tokens allowed; not when asked again with a little temperature."""
    LONG = "long"
    """It writes on, without repeating itself, up to the most tokens allowed."""
    STUCK = "stuck"
    """Nothing comes for ``STUCK`` seconds, then the answer."""
    FAIL = "fail"
    """500, as often as it is asked."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A crop as the server knows it.

    Attributes:
        number: of the crop in all the work; its picture carries it.
        task: asked for.
        width, height: pixels, multiples of 28.
        tokens: of a sound output.
        fault: what is wrong with it.
    """

    number: int
    task: Task
    width: int
    height: int
    tokens: int
    fault: Fault | None = None

    @property
    def prompt(self) -> int:
        """Picture tokens and about 12 of text."""
        return (self.width // 28) * (self.height // 28) + 12

    def crop(self) -> Crop:
        """As the client sends it: a small picture in place of the real one, with the number in its last 8 bytes."""
        return Crop(
            _PNG + self.number.to_bytes(8, "big"),
            "image/png",
            self.width,
            self.height,
            self.task,
            f"crop {self.number}",
        )


@dataclass(frozen=True, slots=True)
class Page:
    """One page's crops."""

    number: int
    pieces: tuple[Piece, ...]


class Work:
    """An endless row of pages; ``page(n)`` is the n-th.

    Args:
        seed: of everything.
        faulty: share of crops with a fault.
        lengths: factor on all output lengths.
    """

    def __init__(self, *, seed: int = 1, faulty: float = 0.0, lengths: float = 1.0) -> None:
        self._random = random.Random(seed)
        self._faults = random.Random(seed + 1)  # of its own: the crops are the same with and without faults
        self._faulty, self._lengths = faulty, lengths
        self._pages: list[Page] = []
        self.pieces: list[Piece] = []

    def page(self, number: int) -> Page:
        """The page of that number."""
        while len(self._pages) <= number:
            n = min(30, max(4, round(self._random.gauss(15, 5))))
            pieces = tuple(self._piece(len(self.pieces) + i) for i in range(n))
            self.pieces += pieces
            self._pages.append(Page(len(self._pages), pieces))
        return self._pages[number]

    def pages(self) -> Iterator[Page]:
        """All of them, from the first."""
        return (self.page(n) for n in itertools.count())

    def _piece(self, number: int) -> Piece:
        draw = self._random
        kind = draw.random()
        prompt: float = _SMALLEST
        if kind < 0.55:
            task, tokens = Task.OCR, draw.uniform(3, 25)
        elif kind < 0.9:
            task, prompt, tokens = Task.OCR, draw.uniform(150, 500), _long(draw, 140, 0.6, most=700)
        elif kind < 0.95:
            task, prompt, tokens = Task.FORMULA, draw.uniform(144, 250), draw.uniform(20, 120)
        else:
            task, prompt, tokens = Task.TABLE, draw.uniform(400, 1280), _long(draw, 500, 0.6, most=2000)
        rows = max(4, round(math.sqrt(prompt / 3)))
        fault = self._faults.choice(list(Fault)) if self._faults.random() < self._faulty else None
        columns = math.ceil(prompt / rows)
        return Piece(number, task, 28 * columns, 28 * rows, max(1, round(tokens * self._lengths)), fault)


def _long(draw: random.Random, median: float, spread: float, *, most: float) -> float:
    return min(most, max(20.0, draw.lognormvariate(math.log(median), spread)))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


_PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", (28).to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00")
    + _chunk(b"IDAT", zlib.compress(28 * (b"\x00" + 28 * b"\xff")))
    + _chunk(b"IEND", b"")
)
"""28 by 28 white pixels: what pictures cost the client is measured elsewhere."""
