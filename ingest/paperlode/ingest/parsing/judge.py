"""One region's picture, read and judged: asked again, cut, read on the CPU, or kept and flagged; never lost.

The policy, in order, until an answer is sound: the model as it is; the model with a little temperature, which leaves most
loops; the picture cut in two between its rows, each half read alone; the CPU's recognition; what came nearest, flagged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from paperlode.ingest.errors import (
    ServerError,
    ServerIncompatible,
    ServerKeyRefused,
    ServerModelUnknown,
    ServerUnreachable,
)
from paperlode.ingest.parsing.crops import BLANK, crop_of, ink, row_bands
from paperlode.ingest.vllm.loops import cut_repeats
from paperlode.ingest.vllm.values import End, Task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.parsing.crops import Budget
    from paperlode.ingest.vllm.values import Recogniser, Recognition

    Picture = NDArray[np.uint8]

__all__ = ["Answer", "Judge", "OnCpu", "Problem", "problem_of"]

RETRY_TEMPERATURE = 0.2
"""Reported to leave loops that greedy decoding falls into (0.2 to 0.3); higher invents."""
PIXELS_A_CHARACTER = 40.0
"""No print is denser: 4 point type at 200 dpi takes about 60 pixels a character, dense tables as OTSL less."""
SPARE_CHARACTERS = 80
_NO_SERVER = (ServerUnreachable, ServerKeyRefused, ServerModelUnknown, ServerIncompatible)
"""Errors of the whole server, after the client's own patience: they fail the page, which a later run may read again."""
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
    """

    texts: tuple[str, ...]
    confidence: float | None = None
    flags: tuple[str, ...] = ()
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an output is not trusted, as a flag."""

    flag: str


def problem_of(recognition: Recognition, piece: Picture) -> Problem | None:
    """What is wrong with an output for a picture that has ink on it; None when nothing is."""
    if recognition.end is End.LOOP:
        return Problem("output_loop")
    if recognition.end is End.LENGTH:
        return Problem("output_truncated")
    if not recognition.text.strip():
        return Problem("output_empty")
    if len(recognition.text) > SPARE_CHARACTERS + piece.shape[0] * piece.shape[1] / PIXELS_A_CHARACTER:
        return Problem("output_too_long")
    return None


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
        """The answer for one picture (h, w, 3).

        Raises:
            ServerUnreachable, ServerKeyRefused, ServerModelUnknown, ServerIncompatible: there is no server to ask.
        """
        if not await self._in_thread(_inked, piece):
            return Answer((), flags=("blank",))
        first = await self._try(piece, task, name)
        if not first.flag:
            return _sound((first,))
        tries = [first]
        if first.recognition is not None:
            again = await self._try(piece, task, name, temperature=RETRY_TEMPERATURE)
            if not again.flag:
                return _sound((again,), "read_again")
            tries.append(again)
        if halves := await self._in_halves(piece, task, name, first):
            return _sound(halves, "read_in_parts")
        if self._on_cpu is not None:
            text, confidence = await self._on_cpu(piece, name)
            if text.strip():
                return Answer((text,), confidence, (first.flag, "read_on_cpu"), plain=True)
        return _as_it_came(tries, task)

    async def _try(self, piece: Picture, task: Task, name: str, *, temperature: float = 0.0) -> _Try:
        crop = await self._in_thread(_crop, piece, task, self._budget(task), self._media_type, name)
        try:
            recognition = await self._recogniser.recognise(
                crop,  # type: ignore[arg-type]
                temperature=temperature,
                max_tokens=self._max_tokens,
            )
        except _NO_SERVER:
            raise  # nothing is wrong with this picture: read on the CPU, a mistyped key would pass in silence
        except ServerError as e:
            return _Try(None, e.code)
        problem = problem_of(recognition, piece)
        return _Try(recognition, problem.flag if problem else "")

    async def _in_halves(self, piece: Picture, task: Task, name: str, first: _Try) -> tuple[_Try, ...]:
        """Both halves, if the picture can be cut between rows and both are read soundly; else nothing."""
        splits = first.flag in {"output_loop", "output_truncated", "output_too_long", "crop_refused", "crop_too_long"}
        if not splits or task not in {Task.OCR, Task.TABLE}:
            return ()
        bands: list[tuple[int, int]] = await self._in_thread(row_bands, piece, 2)  # type: ignore[assignment]
        if len(bands) < 2:
            return ()
        read: list[_Try] = []
        for k, (top, bottom) in enumerate(bands, 1):
            half = await self._try(piece[top:bottom], task, f"{name}, part {k}")
            if half.flag:
                return ()
            read.append(half)
        return tuple(read)


def _inked(piece: Picture) -> bool:
    return ink(piece) >= BLANK


def _crop(piece: Picture, task: Task, budget: Budget, media_type: str, name: str) -> object:
    return crop_of(piece, task, budget=budget, media_type=media_type, name=name)


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
