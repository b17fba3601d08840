"""Whether an answer says what a question file expects: figures, dates and quoted words by value, else by its words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paperlode.ingest.document import Chunk, Kind, Layer

from .amounts import Measure, amounts, said_scales
from .answer_sentences import Sentence, without_marks
from .citation_check import check_sentence
from .evidence import Evidence, folded
from .lexical import tokens
from .periods import periods

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["answer_metrics"]

_SCALES = {3: "thousands", 6: "millions", 9: "billions"}


def answer_metrics(question: str, expected: str, answer: str, *, refused: bool = False) -> dict[str, float]:
    """``figures right`` where the expected answer has figures, dates or quoted words, else ``words found``.

    Args:
        question: whose periods and scale (``in USD millions``) the expected answer need not say.
        expected: as the question file has it. All its figures, dates and quoted words must stand in the answer, by value, at
            least as precise, and of no other period; the answer may say more. Where it has none of these: the share of its
            terms that the answer has.
        answer: its text.
        refused: whether it is a refusal, which scores 0 whatever passages it shows.
    """
    said = without_marks(answer)[0]
    right = _figures_right(question, expected, said)
    if right is None:
        return {"words found": 0.0 if refused else _words_found(expected, said)}
    return {"figures right": float(right and not refused)}


def _figures_right(question: str, expected: str, said: str) -> bool | None:
    source = {1: Evidence(1, (Chunk("answer", "", 0, said, Kind.TEXT, Layer.BODY, (), (0, 1), 0, ""),))}
    asked = [question[p.start : p.end] for p in periods(question)]
    seen = False
    for text in _ways_to_say(question, expected, said):
        figures = check_sentence(Sentence(text, (1,)), source, question=question).figures
        told = [f for f in figures if f.text not in asked]  # what the question names need not be said again
        seen = seen or bool(told)
        if told and not any(f.problem for f in told):
            return True
    return False if seen else None


def _ways_to_say(question: str, expected: str, said: str) -> Iterator[str]:
    """The expected answer with the scale and the one period that the question names; also in the scale that the answer states."""
    text, found = expected, amounts(expected)
    named = periods(question)
    if len(named) == 1 and found and not periods(expected):
        text += f" ({question[named[0].start : named[0].end]})"
    if not any(a.scaled for a in found):
        text += "".join(f" (in {_SCALES[s.adjusted()]})" for s in said_scales(question) if s.adjusted() in _SCALES)
    yield text
    for scale in sorted(said_scales(said)):
        scaled = text
        for a in reversed([a for a in found if a.scaled and a.measure is Measure.NUMBER]):
            scaled = f"{scaled[: a.start]}{a.currency if a.currency == '$' else ''}{a.value / scale:f}{scaled[a.end :]}"
        if scaled != text:
            yield scaled


def _words_found(expected: str, said: str) -> float:
    wanted, there = set(tokens(expected)), set(tokens(said))
    if not wanted:
        return float(folded(expected) in folded(said))
    return len(wanted & there) / len(wanted)
