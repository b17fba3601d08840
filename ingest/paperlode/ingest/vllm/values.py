"""What goes to the recognition server and what comes back: crops, tasks, recognitions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

__all__ = ["Crop", "End", "Recogniser", "Recognition", "Task"]


class Task(StrEnum):
    """What the model is asked for; the values are PaddleOCR-VL's own prompts (model card, 1.0 to 1.6)."""

    OCR = "OCR:"
    TABLE = "Table Recognition:"
    FORMULA = "Formula Recognition:"
    CHART = "Chart Recognition:"
    SPOTTING = "Spotting:"
    """Text lines with their places; 1.5 and later."""
    SEAL = "Seal Recognition:"
    """1.5 and later."""


class End(StrEnum):
    """Why the model's output ended."""

    STOP = "stop"
    """The model ended it."""
    LENGTH = "length"
    """It reached the most tokens allowed, or the context."""
    LOOP = "loop"
    """It repeated itself; the client closed the stream."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A picture to be read, as it goes over the wire.

    Attributes:
        image: PNG or JPEG bytes, both sides multiples of 28 pixels.
        media_type: ``image/png`` or ``image/jpeg``.
        width, height: pixels.
        task: what to read in it.
        name: page and block, for messages.
    """

    image: bytes
    media_type: str
    width: int
    height: int
    task: Task
    name: str = ""

    @property
    def tokens(self) -> int:
        """Prompt tokens of the picture: one for every 28 by 28 pixels (patch 14, merged 2 by 2)."""
        return (self.width // 28) * (self.height // 28)


@dataclass(frozen=True, slots=True)
class Recognition:
    """What the model said of one crop.

    Attributes:
        text: its output, up to the end or to the start of a loop.
        end: why it ended.
        tokens: output tokens, as far as they were received.
        mean_logprob, lowest_logprob: natural logarithms over the tokens of ``text``; None when the server gave none.
        model: the name the server gave.
    """

    text: str
    end: End
    tokens: int
    mean_logprob: float | None = None
    lowest_logprob: float | None = None
    model: str = ""


class Recogniser(Protocol):
    """Reads crops. Safe to call many times at once from one event loop; it decides itself how many go out at a time."""

    @property
    def in_line(self) -> int:
        """Crops that wait for their turn: while there are none, it could use more."""
        ...

    @property
    def under_way(self) -> int:
        """Crops at the servers now."""
        ...

    async def recognise(self, crop: Crop, *, temperature: float = 0.0, max_tokens: int = 4096) -> Recognition:
        """The model's output for the crop.

        Raises:
            CropRefused, CropTooLong: this crop cannot be read by the server; another crop may.
            ServerError: the server could not be used before the deadline, retries included.
        """
        ...

    async def close(self) -> None:
        """Ends the connections. Idempotent."""
        ...
