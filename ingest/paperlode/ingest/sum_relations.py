"""Which lines of a table add up to which: found from labels and from arithmetic that holds in several lanes.

Lines are rows and lanes columns, or the other way round. Figures are whole numbers of one common small unit, so that
sums are exact; None is an empty place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd, log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Grid", "Relation", "Strength", "find_relations", "tolerance"]

FARTHEST = 40
"""Addends that are tried for a line whose label does not say that it is a total."""
FARTHEST_TOTAL = 200
"""The same for one whose label does."""
PIVOTS = 4
"""A sum must hold in one of this many lanes (those with the largest figures) to be looked at in all."""
MIXED = 6
"""Most addends whose signs are tried one by one."""
DIGITS_SAID = 1.2
"""Decimal digits of agreement that make a sum of a line whose label says total."""
DIGITS_HINTED = 3.0
"""The same where the label hints at it (``Net income``)."""
DIGITS_UNSAID = 4.5
"""The same where no label says so: one in 10**4.5 at random, and some 40 sums are tried a line."""


class Strength:
    """What a line's label says: nothing, that it may be a sum (``Net ...``), that it is one (``Total ...``)."""

    NONE, HINT, TOTAL = range(3)


@dataclass(frozen=True, slots=True)
class Grid:
    """Figures by line and lane.

    Attributes:
        values: whole numbers of the common unit, None where there is no figure.
        steps: one unit of the last printed place, in the common unit.
        strength: what each line's label says (see ``Strength``).
        less: lines whose label says that they are taken off.
        heads: lines without figures, which begin a section.
        ends: lines after which a section or the table ends.
        differences: whether lines may be taken off where no label says so.
        inside: lines that repeat a part of another (``of which``): no addends.
    """

    values: Sequence[Sequence[int | None]]
    steps: Sequence[Sequence[int]]
    strength: Sequence[int]
    less: frozenset[int] = frozenset()
    heads: frozenset[int] = frozenset()
    ends: frozenset[int] = frozenset()
    inside: frozenset[int] = frozenset()
    differences: bool = True


@dataclass(frozen=True, slots=True)
class Relation:
    """``total`` is the signed sum of ``parts``; ``holds`` and ``fails`` are lanes, ``digits`` how sure it is.

    ``found`` is False for a total whose label says so and that no lines add up to; ``parts`` then are those it should be,
    and ``instead`` other choices.
    """

    total: int
    parts: tuple[tuple[int, int], ...]
    holds: tuple[int, ...]
    fails: tuple[int, ...]
    digits: float
    found: bool = True
    instead: tuple[Relation, ...] = ()


def tolerance(steps: Sequence[int]) -> int:
    """How far a sum of rounded figures may be off, by the places they were rounded to."""
    return max(steps, default=1) * _units(len(steps))


def _units(addends: int) -> int:
    """Units of the last place by which a rounded sum of rounded addends is off in one of thirty cases: 1 for four, 2 for ten."""
    return max(1, int(2.2 * ((addends + 1) / 12) ** 0.5))


@dataclass(frozen=True, slots=True)
class _Trial:
    parts: tuple[tuple[int, int], ...]
    holds: tuple[int, ...]
    fails: tuple[int, ...]
    strong: int
    digits: float
    bound: bool
    odd: int = 0
    changed: float = 0.0
    repeats: bool = False


def find_relations(grid: Grid) -> list[Relation]:
    """All sums that are stated, top down; each line is the total of at most one."""
    out: list[Relation] = []
    live: list[int] = []  # lines not yet added up, oldest first
    said: list[int] = []  # the same, if every total took all lines since the one before or since its section's head
    bounds: set[int] = set()  # lines that begin a section or follow a total
    totals: set[int] = set()
    section = 0
    fresh = True
    for t, row in enumerate(grid.values):
        if t in grid.heads:
            fresh = True
            section = t
            continue
        if t in grid.inside or all(v is None for v in row):
            continue
        if fresh:
            bounds.add(t)
            fresh = False
        relation = _relation(grid, t, live, said, _Seen(bounds, totals, section))
        if relation is not None:
            out.append(relation)
            if relation.found:
                taken = {k for k, _ in relation.parts}
                totals.add(t)
                if taken & bounds:
                    bounds.add(t)
                live = [k for k in live if k not in taken]
                said = [k for k in said if k not in taken]
        if grid.strength[t] == Strength.TOTAL or (relation is not None and not relation.found):
            fresh = True
            if relation is None or not relation.found:
                start = _natural(said, bounds)
                said = said[:start]
        live.append(t)
        said.append(t)
    return out


def _natural(stack: Sequence[int], bounds: set[int]) -> int:
    """Where the lines begin that a total without a sum should be the sum of: the last section, or all."""
    return next((i for i in range(len(stack) - 1, -1, -1) if stack[i] in bounds), 0)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known above a line: lines that begin a section, lines that are sums, the last section's head."""

    bounds: set[int]
    totals: set[int]
    section: int


def _relation(grid: Grid, t: int, live: Sequence[int], said: Sequence[int], seen: _Seen) -> Relation | None:
    strength, bounds = grid.strength[t], seen.bounds
    trials = _trials(grid, t, live, seen)
    if strength == Strength.TOTAL and list(said) != list(live):
        trials += _trials(grid, t, said, seen)
    if not trials and len(live) > 1 and grid.differences:
        trials = _mixed(grid, t, live, bounds)
    best = max(trials, key=_rank, default=None)
    if best is not None and _accepted(best, strength):
        return Relation(t, best.parts, best.holds, best.fails, best.digits)
    if not said or (strength != Strength.TOTAL and not (strength == Strength.HINT and t in grid.ends)):
        return None
    if best is not None and not best.fails:
        return None  # adds up, only too few digits say so
    return _unmet(grid, t, said, seen)


def _unmet(grid: Grid, t: int, said: Sequence[int], seen: _Seen) -> Relation | None:
    """A total that no lines add up to, with those it should be the sum of: its section, or as much again above that."""
    lowest = max(0, len(said) - FARTHEST_TOTAL)
    starts = [i for i in range(len(said) - 1, lowest - 1, -1) if said[i] in seen.bounds][:2] or [lowest]
    bare = len(said) - starts[0] == 1 and said[starts[0]] in seen.totals
    if bare:  # under another sum: of lines that are not in the table, or of all sums so far, where a digit was changed
        starts = starts[1:]
    tried: list[Relation] = []
    for start in starts:
        parts = tuple((k, _sign(grid, k)) for k in said[start:])
        trial = _trial(grid, t, parts, seen.bounds)
        if bare and (trial.odd or not all(k in seen.totals for k, _ in parts)):
            continue
        if trial.fails and len(parts) >= 3 - grid.strength[t]:
            tried.append(Relation(t, parts, trial.holds, trial.fails, trial.digits, found=False))
    return replace(tried[0], instead=tuple(tried[1:])) if tried else None


def _rank(trial: _Trial) -> tuple[float, float, bool, int]:
    return trial.strong - len(trial.fails), round(trial.digits, 6), trial.bound, -len(trial.parts)


def _accepted(trial: _Trial, strength: int) -> bool:
    holds, fails = len(trial.holds), len(trial.fails)
    if strength == Strength.TOTAL:
        if len(trial.parts) == 1:
            return not fails
        most = holds > fails or (holds == fails and trial.digits + trial.changed >= DIGITS_HINTED)
        return most and (trial.digits >= DIGITS_SAID or not fails)
    if len(trial.parts) == 1:
        return trial.bound and not fails and trial.repeats
    if not trial.strong:
        return False
    least = DIGITS_HINTED if strength == Strength.HINT else DIGITS_UNSAID
    explained = fails and not trial.odd and trial.changed >= 1
    enough = trial.strong >= 2 or explained or (len(trial.parts) >= 4 and not fails)
    hinted = strength == Strength.HINT
    sure = trial.digits + trial.changed >= least + 1.5 * trial.odd
    return bool(enough and sure and holds >= fails and holds > 2 * trial.odd - hinted)


def _sign(grid: Grid, k: int) -> int:
    """-1 for a line labelled ``less`` that is printed without a minus sign."""
    if k not in grid.less:
        return 1
    return -1 if all(v is None or v >= 0 for v in grid.values[k]) else 1


def _trials(grid: Grid, t: int, stack: Sequence[int], seen: _Seen) -> list[_Trial]:
    """The last lines of the stack, two and more, that add up to ``t`` in some lane: summed, or the first less the rest."""
    own = grid.values[t]
    lanes = sorted((j for j, v in enumerate(own) if v), key=lambda j: -abs(own[j] or 0))[:PIVOTS]
    if not lanes:
        return []
    total = grid.strength[t] == Strength.TOTAL
    said = grid.strength[t] != Strength.NONE
    sums = dict.fromkeys(lanes, 0)
    step = {j: grid.steps[t][j] for j in lanes}
    out: list[_Trial] = []
    reach = FARTHEST_TOTAL if total else FARTHEST
    for count, k in enumerate(reversed(stack[-reach:]), 1):
        sign, row = _sign(grid, k), grid.values[k]
        slack = _units(count)
        plus = minus = False
        for j in lanes:
            v = row[j] or 0
            before = sums[j]
            sums[j] = before + sign * v
            step[j] = max(step[j], grid.steps[k][j])
            near = step[j] * slack
            target = own[j] or 0
            plus = plus or abs(sums[j] - target) <= near
            minus = minus or (count > 1 and abs(v - before - target) <= near)
        if count == 1 and not total:
            if k - 1 in grid.heads and k in seen.bounds and tuple(row) == tuple(own) and len(lanes) > 1:
                out.append(replace(_trial(grid, t, [(k, 1)], seen.bounds), repeats=True))
            continue
        lines = stack[len(stack) - count :]
        if plus:
            out.append(_trial(grid, t, [(i, _sign(grid, i)) for i in lines], seen.bounds))
        # a line without a hint is no difference of lines of other sections: the last item of a balance would be one
        if minus and grid.differences and (said or k >= seen.section):
            out.append(_trial(grid, t, [(lines[0], 1), *((i, -_sign(grid, i)) for i in lines[1:])], seen.bounds))
    return [x for x in out if x.holds]


def _mixed(grid: Grid, t: int, stack: Sequence[int], bounds: set[int]) -> list[_Trial]:
    """The last few lines with every choice of signs, where no plain sum or difference was found."""
    own = grid.values[t]
    lanes = sorted((j for j, v in enumerate(own) if v), key=lambda j: -abs(own[j] or 0))[:2]
    if len(lanes) < 2:
        return []
    out: list[_Trial] = []
    reached: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((), (0,) * len(lanes))]
    for count, k in enumerate(reversed(stack[-MIXED:]), 1):
        row = grid.values[k]
        moves = [tuple(row[j] or 0 for j in lanes)]
        reached = [
            ((s, *signs), tuple(a + s * b for a, b in zip(sums, moves[0], strict=True)))
            for signs, sums in reached
            for s in ((1, -1) if any(moves[0]) else (1,))
        ]
        if count < 3:
            continue
        lines = stack[len(stack) - count :]
        near = tuple(grid.steps[t][j] * _units(count) for j in lanes)
        for signs, sums in reached:
            if signs[0] == 1 and all(abs(a - (own[j] or 0)) <= n for a, j, n in zip(sums, lanes, near, strict=True)):
                trial = _trial(grid, t, list(zip(lines, signs, strict=True)), bounds)
                if not trial.fails and trial.digits - count * 0.6 >= DIGITS_UNSAID:
                    out.append(trial)
    return out


def _trial(grid: Grid, t: int, parts: Sequence[tuple[int, int]], bounds: set[int]) -> _Trial:
    holds: list[int] = []
    fails: list[int] = []
    digits, strong, odd, changed = 0.0, 0, 0, 0.0
    seen: set[tuple[int, ...]] = set()  # lanes that say the same prove nothing more
    for j, stated in enumerate(grid.values[t]):
        if stated is None:
            continue
        figures = [(s * v, grid.steps[k][j]) for k, s in parts if (v := grid.values[k][j]) is not None]
        if not figures:
            continue
        step = max(1, grid.steps[t][j], *(st for _, st in figures))
        near = step * _units(len(figures))
        off = abs(sum(v for v, _ in figures) - stated)
        several = len([v for v, _ in figures if v]) >= 2
        if off > near:
            fails.append(j)
            if several:
                likely = _changed(off, stated, step)
                changed += likely
                odd += not likely
            continue
        holds.append(j)
        key = (stated, *(v for v, _ in figures))
        if several and stated and key not in seen:
            seen.add(key)
            strong += 1
            size = abs(stated) / gcd(*key) if off == 0 else abs(stated) / step
            digits += max(0.0, log10(min(size, abs(stated) / step) + 1) - log10(2 * off / step + 1))
    return _Trial(tuple(parts), tuple(holds), tuple(fails), strong, digits, parts[0][0] in bounds, odd, changed)


def _changed(off: int, stated: int, step: int) -> float:
    """How many digits of agreement it is that one changed digit explains what a sum is off by; 0 where it does not."""
    units, rest = divmod(off, max(1, step))
    size = abs(stated) // max(1, step) + 1
    if rest or len(str(units).strip("0")) != 1 or units > 10 * size:
        return 0.0
    return max(0.0, log10(size) - log10(18 * len(str(size))))
