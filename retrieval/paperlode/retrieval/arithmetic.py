"""Figures that an answer computes: one operation on two figures that stand in the source, or on those beside it in its row."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import permutations
from typing import TYPE_CHECKING

from .amounts import Amount, Measure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .evidence import Figure

__all__ = ["Operand", "derivation"]


@dataclass(frozen=True, slots=True)
class Operand:
    """A figure of the source that may have been computed with, and the year it is of, if known."""

    figure: Figure
    year: int | None


def derivation(
    claim: Amount, *, operations: frozenset[str], way: int, operands: Sequence[Operand], slack: Decimal
) -> str:
    """How ``claim`` follows from two of ``operands``, as ``growth of 12 over 10``; empty where it does not.

    Args:
        claim: the figure in the answer.
        operations: what its sentence speaks of (``wording.computed``).
        way: which way it is said to go (``wording.direction``).
        operands: figures of the source, in the order of the sentence.
        slack: how far the result may be off.
    """
    for a, b in permutations(operands, 2):
        for name, result in _results(a, b, operations, claim.measure):
            if abs(abs(result) - claim.value) <= slack and _right_way(name, result, (a, b), claim, way):
                return f"{name} of {a.figure.printed:f} and {b.figure.printed:f}"
    values = [o.figure.signed for o in operands]
    if claim.measure is Measure.NUMBER and len(values) > 2:
        total = sum(values, Decimal(0))
        for name, result in (("sum", total), ("average", total / len(values))):
            if name in operations and abs(abs(result) - claim.value) <= slack:
                return f"{name} of {len(values)} figures"
    return ""


def _results(a: Operand, b: Operand, operations: frozenset[str], measure: Measure) -> Iterator[tuple[str, Decimal]]:
    """``a`` is the later or upper figure. Percent come from figures of one kind, points from percent."""
    x, y = a.figure.signed, b.figure.signed
    if a.figure.measure is not b.figure.measure or (a.figure.currency and b.figure.currency and not _same_money(a, b)):
        return
    percent = a.figure.measure is Measure.PERCENT
    if measure is Measure.PERCENT and not percent and y:
        if "growth" in operations:
            yield "growth", (x - y) / abs(y) * 100
        if "ratio" in operations:
            yield "ratio", x / y * 100
    elif measure is Measure.POINTS and percent:
        yield "difference", x - y
    elif measure is Measure.NUMBER:
        if "ratio" in operations and y:
            yield "ratio", x / y
        if "difference" in operations:
            yield "difference", x - y
        if "sum" in operations:
            yield "sum", x + y
        if "average" in operations:
            yield "average", (x + y) / 2
    elif percent and "difference" in operations:
        yield "difference", x - y


def _same_money(a: Operand, b: Operand) -> bool:
    x, y = a.figure.currency, b.figure.currency
    return x == y or len(x) == 1 or len(y) == 1


def _right_way(name: str, result: Decimal, pair: tuple[Operand, Operand], claim: Amount, way: int) -> bool:
    """A growth or difference is that of the later over the earlier figure, and has the sign that the sentence gives it."""
    a, b = pair
    if name not in {"growth", "difference"}:
        return not claim.negative or result < 0
    if a.year is not None and b.year is not None and a.year != b.year:
        if a.year < b.year:
            return False
        sign = -1 if claim.negative else 1 if way > 0 else -1 if way < 0 else 0
        return not sign or result * sign >= 0
    return name == "difference" or way == 0 or (result >= 0) == (way > 0 and not claim.negative)
