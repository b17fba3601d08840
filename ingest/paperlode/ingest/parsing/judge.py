"""One region's picture, read and judged: asked again, cut, read on the CPU, or kept and flagged; never lost.

The policy, in order, until an answer is sound: the model as it is; the model with a little temperature, which leaves most
loops; the picture cut in two between its rows, each half read alone; the CPU's recognition; what came nearest, flagged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from paperlode.ingest.errors import ServerError
from paperlode.ingest.parsing.crops import BLANK, crop_of, decode, row_bands, strokes, without_colour
from paperlode.ingest.parsing.print_lines import bands_of
from paperlode.ingest.vllm.loops import cut_repeats
from paperlode.ingest.vllm.values import End, Task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.document import Box
    from paperlode.ingest.parsing.crops import Budget
    from paperlode.ingest.vllm.values import Crop, Recogniser, Recognition

    Picture = NDArray[np.uint8]

__all__ = ["Answer", "Judge", "OnCpu", "Problem", "problem_of"]

RETRY_TEMPERATURE = 0.2
"""Reported to leave loops that greedy decoding falls into (0.2 to 0.3); higher invents."""
PIXELS_A_CHARACTER = 40.0
"""No print is denser: 4 point type at 200 dpi takes about 60 pixels a character, dense tables as OTSL less."""
SPARE_CHARACTERS = 80
_FINER = 1.5
"""A picture with that many times the pixels that are sent of it is kept until its answer is sound: its halves show more."""
UNSURE = math.log(0.2)
"""A token less likely than this makes its block one to look at."""


class OnCpu(Protocol):
    """The recognition that needs no server."""

    def __call__(self, piece: Picture, name: str) -> Awaitable[tuple[str, float | None]]:
        """The text of a picture and the confidence, 0 to 1; an empty text when nothing can be read."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read of one region.

    Attributes:
        texts: the model's outputs, top to bottom; more than one when the picture was cut.
        confidence: geometric mean of the tokens' probabilities, 0 to 1; None when the server gave none.
        flags: how it came about and what is wrong with it: ``blank``, ``read_again``, ``read_in_parts``, ``read_on_cpu``,
            ``output_loop``, ``output_truncated``, ``output_empty``, ``output_too_long``, ``unsure_token``, or the code of the
            server's error.
        plain: whether the texts are plain characters from the CPU, and not the task's own form (OTSL, LaTeX).
        bands: where the picture of a text has lines of print, in shares of its width and height; see ``print_lines``.
    """

    texts: tuple[str, ...]
    confidence: float | None = None
    flags: tuple[str, ...] = ()
    plain: bool = False
    bands: tuple[Box, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an output is not trusted, as a flag."""

    flag: str


def problem_of(recognition: Recognition, pixels: int) -> Problem | None:
    """What is wrong with an output for a picture of so many pixels that has ink on it; None when nothing is."""
    if recognition.end is End.LOOP:
        return Problem("output_loop")
    if recognition.end is End.LENGTH:
        return Problem("output_truncated")
    if not recognition.text.strip():
        return Problem("output_empty")
    if len(recognition.text) > SPARE_CHARACTERS + pixels / PIXELS_A_CHARACTER:
        return Problem("output_too_long")
    return None


@dataclass(frozen=True, slots=True)
class _Shown:
    """A picture as it is sent, and what is needed should that not do.

    Thousands of them may wait for their answers: what is kept are the encoded bytes, a tenth of the pixels.
    """

    crop: Crop
    pixels: int
    finer: Picture | None
    bands: tuple[Box, ...] = ()

    @classmethod
    def of(cls, piece: Picture, task: Task, budget: Budget, media_type: str, name: str) -> _Shown | None:
        """None for a picture without ink."""
        import numpy as np

        piece = without_colour(piece)
        dark = strokes(piece)
        if np.count_nonzero(dark) < BLANK * dark.size:
            return None
        bands = bands_of(dark) if task is Task.OCR else ()
        crop = crop_of(piece, task, budget=budget, media_type=media_type, name=name)
        pixels = piece.shape[0] * piece.shape[1]
        return cls(crop, pixels, piece.copy() if pixels > _FINER * crop.width * crop.height else None, bands)

    def picture(self) -> Picture:
        """The picture itself where it is finer than what was sent, else that."""
        return self.finer if self.finer is not None else decode(self.crop.image)


@dataclass(frozen=True, slots=True)
class _Try:
    recognition: Recognition | None
    flag: str = ""  # empty: sound


class Judge:
    """Reads pictures of regions through a recogniser, and judges what comes back.

    Args:
        recogniser: the server.
        budget: pixels of a crop, by task.
        media_type: of the crops, ``image/png`` or ``image/jpeg``.
        on_cpu: reads what the server cannot; None to do without.
        in_thread: runs work on pictures away from the event loop.
        max_tokens: most output tokens of one crop.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        *,
        budget: Callable[[Task], Budget],
        in_thread: Callable[..., Awaitable[object]],
        media_type: str = "image/png",
        on_cpu: OnCpu | None = None,
        max_tokens: int = 4096,
    ) -> None:
        self._recogniser = recogniser
        self._budget = budget
        self._in_thread = in_thread
        self._media_type = media_type
        self._on_cpu = on_cpu
        self._max_tokens = max_tokens

    async def read(self, piece: Picture, task: Task, *, name: str) -> Answer:
        """The answer for one picture (h, w, 3), which is let go of once it is encoded.

        Raises:
            ServerError: no server can be used at all (``everywhere``).
        """
        shown = await self._show(piece, task, name)
        del piece
        if shown is None:
            return Answer((), flags=("blank",))
        first = await self._try(shown)
        if not first.flag:
            return replace(_sound((first,)), bands=shown.bands)
        tries = [first]
        if first.recognition is not None:
            again = await self._try(shown, temperature=RETRY_TEMPERATURE)
            if not again.flag:
                return replace(_sound((again,), "read_again"), bands=shown.bands)
            tries.append(again)
        if halves := await self._in_halves(shown, task, name, first):
            return _sound(halves, "read_in_parts")
        if self._on_cpu is not None:
            text, confidence = await self._on_cpu(await self._in_thread(shown.picture), name)  # type: ignore[arg-type]
            if text.strip():
                return Answer((text,), confidence, (first.flag, "read_on_cpu"), plain=True, bands=shown.bands)
        return _as_it_came(tries, task)

    def _show(self, piece: Picture, task: Task, name: str) -> Awaitable[_Shown | None]:
        return self._in_thread(_Shown.of, piece, task, self._budget(task), self._media_type, name)  # type: ignore[return-value]

    async def _try(self, shown: _Shown, *, temperature: float = 0.0) -> _Try:
        try:
            recognition = await self._recogniser.recognise(
                shown.crop, temperature=temperature, max_tokens=self._max_tokens
            )
        except ServerError as e:
            if (
                e.everywhere
            ):  # nothing is wrong with this picture: read on the CPU, a mistyped key would pass in silence
                raise
            return _Try(None, e.code)
        problem = problem_of(recognition, shown.pixels)
        return _Try(recognition, problem.flag if problem else "")

    async def _in_halves(self, shown: _Shown, task: Task, name: str, first: _Try) -> tuple[_Try, ...]:
        """Both halves, if the picture can be cut between rows and both are read soundly; else nothing.

        A half without ink has nothing to be read.
        """
        splits = first.flag in {"output_loop", "output_truncated", "output_too_long", "crop_refused", "crop_too_long"}
        if not splits or task not in {Task.OCR, Task.TABLE}:
            return ()
        piece: Picture = await self._in_thread(shown.picture)  # type: ignore[assignment]
        bands: list[tuple[int, int]] = await self._in_thread(row_bands, piece, 2)  # type: ignore[assignment]
        if len(bands) < 2:
            return ()
        halves = [await self._show(piece[a:b], task, f"{name}, part {k}") for k, (a, b) in enumerate(bands, 1)]
        read: list[_Try] = []
        for half in halves:
            if half is not None:
                read.append(await self._try(half))
                if read[-1].flag:
                    return ()
        return tuple(read)


def _sound(tries: tuple[_Try, ...], *flags: str) -> Answer:
    known = [t.recognition for t in tries if t.recognition is not None]
    unsure = any(r.lowest_logprob is not None and r.lowest_logprob < UNSURE for r in known)
    return Answer(tuple(r.text for r in known), _confidence(known), (*flags, "unsure_token") if unsure else flags)


def _confidence(known: list[Recognition]) -> float | None:
    """Over all tokens of the parts; None when a part has none."""
    weighed = [(r.mean_logprob, max(1, r.tokens)) for r in known if r.mean_logprob is not None]
    if not weighed or len(weighed) < len(known):
        return None
    total = sum(n for _, n in weighed)
    return round(math.exp(sum(p * n for p, n in weighed) / total), 4)


def _as_it_came(tries: list[_Try], task: Task) -> Answer:
    """The longest output without its repeats, flagged; empty when there is none."""
    known = [t.recognition for t in tries if t.recognition is not None]
    flags = tuple(dict.fromkeys(t.flag for t in tries))
    if not known:
        return Answer((), flags=flags)
    cleaned = [replace(r, text=cut_repeats(r.text, table=task is Task.TABLE)[0]) for r in known]
    best = max(cleaned, key=lambda r: len(r.text))
    return Answer((best.text,) if best.text.strip() else (), _confidence([best]), flags)
