"""Which period a figure in a sentence belongs to: ``5 in 2022``, ``5 and 4 in 2022 and 2021, respectively``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .wording import CONTRAST, PRIOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .amounts import Amount
    from .periods import Period

__all__ = ["compatible", "periods_of"]

_RESPECTIVELY = re.compile(r"\brespectively\b|分别", re.IGNORECASE)
_JOINED = re.compile(
    r"\s*(?:,|、|和|与|及|/|;|；)?\s*(?:and|or|versus|vs\.?|to|compared (?:to|with))?\s*(?:in|for|at)?\s*",
    re.IGNORECASE,
)
_BREAK = re.compile(r"[,;:，；：。]|\b(?:and|or|while|whereas|but|than|from|versus|vs|against)\b", re.IGNORECASE)
_BESIDE = re.compile(r"\s*(?:的|为|:|-|是|,)?\s*")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_LONGEST_GAP = 45


def compatible(said: Period, found: Sequence[Period]) -> bool:
    """Whether a figure of the periods ``found`` may be said of ``said``; one without a period may be said of all."""
    known = [f for f in found if f.year is not None or f.quarter is not None or f.month is not None]
    return not known or any(_same(said, f) for f in known)


def _same(said: Period, found: Period) -> bool:
    if said.year is not None and found.year is not None and said.year != found.year:
        early = found.month is not None and found.month <= 3 and said.year == found.year - 1
        if not (said.fiscal and early):
            return False
    for mine, other in ((said.quarter, found.quarter), (said.month, found.month), (said.day, found.day)):
        if mine is not None and other is not None and mine != other:
            return False
    return True


def periods_of(
    text: str, amount: Amount, amounts: Sequence[Amount], named: Sequence[Period], *, sure: bool = False
) -> tuple[Period, ...]:
    """The period of ``amount``, or none where the sentence leaves it open.

    Args:
        text: the sentence.
        amount: one of ``amounts``.
        amounts: all in the sentence, in order.
        named: the periods in the sentence, in order.
        sure: only where the period stands right beside the amount.
    """
    if not named:
        return ()
    if _RESPECTIVELY.search(text):
        return _paired(text, amount, amounts, named)
    beside = next((p for p in named if p.end <= amount.start and _BESIDE.fullmatch(text[p.end : amount.start])), None)
    if beside is not None:
        return (beside,)
    after = _following(text, amount, amounts, named)
    if after is not None:
        return (after,)
    if PRIOR.match(text[amount.end : amount.end + 40]):
        return ()
    before = [p for p in named if p.end <= amount.start]
    if sure:
        between = text[before[-1].end : amount.start] if before else ""
        near = before and not any(before[-1].end <= a.start < amount.start for a in amounts)
        return (before[-1],) if near and not _listed(text, before[-1], named) and not CONTRAST.search(between) else ()
    if before:
        last = before[-1]
        if _listed(text, last, named) or CONTRAST.search(text[last.end : amount.start]):
            return ()
        return (last,)
    if len({(p.year, p.quarter, p.month) for p in named}) == 1:
        return () if CONTRAST.search(text[amount.end : named[0].start]) else (named[0],)
    return ()


def _following(text: str, amount: Amount, amounts: Sequence[Amount], named: Sequence[Period]) -> Period | None:
    """The period that comes next, where nothing parts the two."""
    p = next((p for p in named if p.start >= amount.end), None)
    if p is None:
        return None
    gap = text[amount.end : p.start]
    parted = len(gap) > _LONGEST_GAP or _HAN.search(gap) or _BREAK.search(gap) or CONTRAST.search(gap)
    if parted or any(amount.end <= a.start < p.start for a in amounts) or _listed(text, p, named):
        return None
    return p


def _listed(text: str, period: Period, named: Sequence[Period]) -> bool:
    """Whether the period is one of several in a row: ``2022 and 2021``."""
    return len(_run(text, named.index(period), [(p.start, p.end) for p in named])) > 1


def _paired(text: str, amount: Amount, amounts: Sequence[Amount], named: Sequence[Period]) -> tuple[Period, ...]:
    mine = _run(text, amounts.index(amount), [(a.start, a.end) for a in amounts])
    spans = [(p.start, p.end) for p in named]
    runs: list[list[int]] = []
    for i in range(len(named)):
        run = _run(text, i, spans)
        if run not in runs and len(run) == len(mine):
            runs.append(run)
    if len(mine) < 2 or len(runs) != 1:
        return ()
    return (named[runs[0][mine.index(amounts.index(amount))]],)


def _run(text: str, at: int, spans: Sequence[tuple[int, int]]) -> list[int]:
    """The places in a list of which ``at`` is one: neighbours with nothing but commas and ``and`` between."""
    first = last = at
    while first and _JOINED.fullmatch(text[spans[first - 1][1] : spans[first][0]]):
        first -= 1
    while last + 1 < len(spans) and _JOINED.fullmatch(text[spans[last][1] : spans[last + 1][0]]):
        last += 1
    return list(range(first, last + 1))
