"""Every region gets an answer: asked again, cut, read on the CPU, or kept and flagged."""

from __future__ import annotations

import asyncio
import math
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from paperlode.ingest.errors import (
    CropRefused,
    ServerError,
    ServerFailed,
    ServerIncompatible,
    ServerKeyRefused,
    ServerModelUnknown,
    ServerUnreachable,
)
from paperlode.ingest.parsing.crops import budget_for
from paperlode.ingest.parsing.judge import Answer, Judge, problem_of
from paperlode.ingest.vllm.values import Crop, End, Recognition, Task

if TYPE_CHECKING:
    from collections.abc import Sequence


def said(text: str, end: End = End.STOP, mean: float | None = -0.1, lowest: float | None = -0.5) -> Recognition:
    return Recognition(text, end, max(1, len(text) // 3), mean, lowest)


def printed(rows: int = 6) -> np.ndarray:
    """A white picture of 600 by 40 * rows pixels with a black bar for each row of print."""
    picture = np.full((40 * rows, 600, 3), 255, np.uint8)
    for r in range(rows):
        picture[40 * r + 12 : 40 * r + 24, 20:580:9] = 0
    return picture


class Scripted:
    """A recogniser that says what it was told to, in order, and remembers what it was asked."""

    in_line = under_way = 0

    def __init__(self, answers: Sequence[Recognition | ServerError]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[Crop, float]] = []

    async def recognise(self, crop: Crop, *, temperature: float = 0.0, max_tokens: int = 4096) -> Recognition:
        self.asked.append((crop, temperature))
        answer = self.answers.pop(0)
        if isinstance(answer, ServerError):
            raise answer
        return answer

    async def close(self) -> None:
        pass


async def in_thread(function: Any, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


async def reads_on_cpu(piece: np.ndarray, name: str) -> tuple[str, float | None]:
    return "by hand", 0.9


async def reads_nothing(piece: np.ndarray, name: str) -> tuple[str, float | None]:
    return "", None


def judged(
    answers: Sequence[Recognition | ServerError],
    task: Task = Task.OCR,
    picture: np.ndarray | None = None,
    cpu: Any = None,
) -> tuple[Answer, Scripted]:
    recogniser = Scripted(answers)
    judge = Judge(recogniser, budget=lambda t: budget_for("1.6", t), in_thread=in_thread, on_cpu=cpu)
    answer = asyncio.run(judge.read(printed() if picture is None else picture, task, name="p1"))
    assert not recogniser.answers, "asked less often than expected"
    return answer, recogniser


def test_a_sound_answer_is_taken_as_it_is() -> None:
    """Text and confidence, no flags; the confidence is the tokens' geometric mean probability."""
    answer, _ = judged([said("Hello", mean=math.log(0.8))])
    assert answer == Answer(("Hello",), 0.8)


def test_a_blank_crop_is_never_sent() -> None:
    """The model invents text for nothing: a crop without ink is flagged instead."""
    answer, recogniser = judged([], picture=np.full((60, 300, 3), 250, np.uint8))
    assert (answer.texts, answer.flags, recogniser.asked) == ((), ("blank",), [])


def test_an_unlikely_token_is_told() -> None:
    """One token under a probability of .2 flags the block, whatever the mean."""
    assert judged([said("1,721", lowest=math.log(0.1))])[0].flags == ("unsure_token",)


@pytest.mark.parametrize(
    "bad",
    [said("a a a", End.LOOP), said("a a a", End.LENGTH), said("  "), said("x" * 9000)],
    ids=["loop", "length", "empty", "too long"],
)
def test_a_bad_answer_is_asked_for_again_with_some_temperature(bad: Recognition) -> None:
    """And what is said then is taken when it is sound."""
    answer, recogniser = judged([bad, said("fine")])
    assert (answer.texts, answer.flags) == (("fine",), ("read_again",))
    assert [t for _, t in recogniser.asked] == [0.0, 0.2]


def test_a_table_that_loops_twice_is_read_in_two_bands() -> None:
    """Both halves' outputs, top first, and each half is half as high."""
    loop = said("<fcel>a" * 9, End.LOOP)
    answer, recogniser = judged([loop, loop, said("<fcel>top<nl>"), said("<fcel>bottom<nl>")], Task.TABLE)
    assert (answer.texts, answer.flags) == (("<fcel>top<nl>", "<fcel>bottom<nl>"), ("read_in_parts",))
    whole, half = recogniser.asked[0][0], recogniser.asked[2][0]
    assert half.height / half.width < 0.7 * whole.height / whole.width


def test_formulas_are_not_cut() -> None:
    """Half a formula is none."""
    loop = said(r"\frac" * 9, End.LOOP)
    answer, _ = judged([loop, loop], Task.FORMULA, cpu=reads_on_cpu)
    assert answer == Answer(("by hand",), 0.9, ("output_loop", "read_on_cpu"), plain=True)


def test_a_refused_crop_is_read_on_the_cpu() -> None:
    """After its halves were refused too; the server's reason stays as a flag."""
    answer, _ = judged([CropRefused("no"), CropRefused("no")], cpu=reads_on_cpu)
    assert answer == Answer(("by hand",), 0.9, ("crop_refused", "read_on_cpu"), plain=True)


def test_a_crop_that_breaks_the_server_is_read_on_the_cpu() -> None:
    """No second try and no halves; what the server said stays as a flag."""
    answer, recogniser = judged([ServerFailed("500")], cpu=reads_on_cpu)
    assert (answer.texts, answer.flags) == (("by hand",), ("server_failed", "read_on_cpu"))
    assert len(recogniser.asked) == 1


@pytest.mark.parametrize("error", [ServerUnreachable, ServerKeyRefused, ServerModelUnknown, ServerIncompatible])
def test_without_a_server_nothing_is_read_in_its_place(error: type[ServerError]) -> None:
    """A wrong address or key is an error, and no archive read on the CPU in silence."""
    why = error("no")
    why.everywhere = True
    with pytest.raises(error):
        judged([why], cpu=reads_on_cpu)


def test_a_crop_whose_connections_all_break_costs_only_itself() -> None:
    """The server is there for others: what breaks it with each attempt is read on the CPU, and flagged."""
    answer, _ = judged([ServerUnreachable("broke off")], cpu=reads_on_cpu)
    assert (answer.texts, answer.flags) == (("by hand",), ("server_unreachable", "read_on_cpu"))


def test_a_waiting_picture_is_kept_as_it_is_sent() -> None:
    """While the answer is awaited the page's pixels are free again; only a picture finer than what is sent stays."""
    seen: list[bool] = []

    async def go(shape: tuple[int, int]) -> None:
        pixels = np.full((*shape, 3), 255, np.uint8)
        pixels[10:40, 10:-10] = 0
        gone = weakref.ref(pixels)

        class Waits(Scripted):
            async def recognise(self, crop: Crop, *, temperature: float = 0.0, max_tokens: int = 4096) -> Recognition:
                await asyncio.sleep(0)
                seen.append(gone() is None)
                return said("text")

        judge = Judge(Waits([]), budget=lambda t: budget_for("1.6", t), in_thread=in_thread)
        reading = judge.read(pixels, Task.OCR, name="x")
        del pixels
        await reading

    asyncio.run(go((400, 600)))
    assert seen == [True]


def test_what_nothing_could_read_is_kept_and_flagged() -> None:
    """The longest output without its repeats, with the reasons; or no text at all, with the reasons."""
    loop = said("Intro. " + "spam and eggs " * 40, End.LOOP)
    half = said("", End.STOP)
    answer, _ = judged([loop, said("x", End.LENGTH), half], cpu=reads_nothing)
    assert answer.flags == ("output_loop", "output_truncated")
    assert answer.texts[0].startswith("Intro.")
    assert len(answer.texts[0]) < len(loop.text) / 4
    answer, _ = judged([ServerFailed("500")], cpu=None)
    assert (answer.texts, answer.flags) == ((), ("server_failed",))


def test_a_dense_page_is_not_too_long() -> None:
    """4,000 characters fit a page of 1,600 by 2,200 pixels; 4,000 on a line of print do not."""
    assert problem_of(said("word " * 800), 2200 * 1600) is None
    assert problem_of(said("word " * 800), 40 * 1600) is not None
