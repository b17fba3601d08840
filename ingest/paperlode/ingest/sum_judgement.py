"""Which sums of a grid are broken: where one holds in most lanes and not in this one, or nowhere though it is stated."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paperlode.ingest.sum_relations import Grid, Relation, Strength, find_relations, tolerance

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["added_up", "all_relations", "broken_lanes"]

LEAST_LEFT = 0.05
"""Part of a total that the rows still there must make, for it to look as if only one were missing."""
FEWEST_EXACT = 7
"""Exact sums in a table beside which a single one that is off within rounding is told."""


def all_relations(grid: Grid) -> list[Relation]:
    """Sums under or right of their parts, and sums over or left of them; the parts of these are looked over once more."""
    relations = find_relations(grid)
    mixed = _never(relations)
    if mixed:
        values = [[None if j in mixed else v for j, v in enumerate(row)] for row in grid.values]
        grid = replace(grid, values=values)
        relations = find_relations(grid)
    found = {r.total for r in relations if r.found}
    known = {_lines(r) for r in relations if r.found}
    back = [r for r in _turned(grid) if r.total not in found and _lines(r) not in known]
    if back and len(found) < len(relations):
        parts = {k for r in back for k, _ in r.parts}
        again = {r.total: r for r in find_relations(replace(grid, inside=grid.inside | parts)) if r.found}
        relations = [again.get(r.total, r) if not r.found else r for r in relations]
    turned = {r.total for r in back}
    return [r for r in relations if r.found or r.total not in turned] + back


def _never(relations: Sequence[Relation]) -> frozenset[int]:
    """Lanes that fail in several sums and hold in none: they hold growth, shares or averages, not amounts."""
    holds = {j for r in relations if r.found for j in r.holds}
    fails = [j for r in relations if r.found for j in r.fails]
    return frozenset(j for j in fails if j not in holds and fails.count(j) > 1)


def _lines(rel: Relation) -> frozenset[int]:
    return frozenset((rel.total, *(k for k, _ in rel.parts)))


def _turned(grid: Grid) -> list[Relation]:
    """Sums that stand above or left of their parts; no label says so, arithmetic must."""
    last = len(grid.values) - 1
    turned = Grid(
        values=grid.values[::-1],
        steps=grid.steps[::-1],
        strength=[min(s, Strength.HINT) if s else Strength.NONE for s in grid.strength[::-1]],
        less=frozenset(last - i for i in grid.less),
        inside=frozenset(last - i for i in grid.inside),
        differences=False,
    )
    return [
        replace(r, total=last - r.total, parts=tuple((last - k, s) for k, s in r.parts))
        for r in find_relations(turned)
        if r.found
    ]


def added_up(grid: Grid, rel: Relation, lane: int) -> int:
    """What the relation's parts add up to in a lane."""
    return sum(s * (grid.values[k][lane] or 0) for k, s in rel.parts)


def broken_lanes(grid: Grid, relations: Sequence[Relation]) -> list[tuple[Relation, int]]:
    """Each relation with each lane in which it should hold and does not."""
    proven = {j for r in relations if r.found for j in r.holds if _adds(grid, r, j)}
    several = sum(r.found for r in relations) > 1
    out = _slips(grid, relations)
    for rel in sorted(relations, key=lambda x: x.total):
        r = rel
        fails = [j for j in r.fails if any(grid.values[k][j] for k, _ in r.parts)]
        if r.found:
            lanes = [j for j in fails if _comparable(grid, r, j) and not _averaged(grid, r, j)]
            lanes = [j for j in lanes if j in proven or not several or _digit(grid, r, j)]
        else:
            choice = next((x for x in (r, *r.instead) if _lost(grid, x)), None)
            lanes = list(_lost(grid, choice)) if choice else []
            r = choice or r
        out += [(r, j) for j in lanes]
    return list(dict.fromkeys(out))


def _slips(grid: Grid, relations: Sequence[Relation]) -> list[tuple[Relation, int]]:
    """The one sum that is off within rounding where all others, and enough of them, are exact."""
    sums = [(r, j) for r in relations if r.found for j in r.holds if _adds(grid, r, j)]
    off = [(r, j) for r, j in sums if added_up(grid, r, j) != grid.values[r.total][j]]
    return off if len(off) == 1 and len(sums) > FEWEST_EXACT else []


def _adds(grid: Grid, rel: Relation, lane: int) -> bool:
    return sum(1 for k, _ in rel.parts if grid.values[k][lane]) >= 2


def _averaged(grid: Grid, rel: Relation, lane: int) -> bool:
    """Whether the stated figure lies among its addends, as averages and rates do."""
    figures = [v for k, _ in rel.parts if (v := grid.values[k][lane])]
    stated = grid.values[rel.total][lane] or 0
    same = all(v > 0 for v in figures) or all(v < 0 for v in figures)
    return same and len(figures) > 1 and abs(stated) <= max(abs(v) for v in figures) and not _digit(grid, rel, lane)


def _digit(grid: Grid, rel: Relation, lane: int) -> bool:
    """Whether one changed digit explains the difference: it has a single digit that is not 0, beyond rounding."""
    steps = [grid.steps[rel.total][lane], *(grid.steps[k][lane] for k, _ in rel.parts if grid.steps[k][lane])]
    stated = grid.values[rel.total][lane]
    if stated is None:
        return False
    off = abs(added_up(grid, rel, lane) - stated)
    step = max(1, min(s for s in steps if s) if any(steps) else 1)
    return off > tolerance(steps[1:] or steps) and off % step == 0 and len(str(off // step).strip("0")) == 1


def _lost(grid: Grid, rel: Relation) -> tuple[int, ...]:
    """The lanes in which a row of the total seems lost; none unless they are most."""
    lanes = [j for j in rel.fails if any(grid.values[k][j] for k, _ in rel.parts)]
    lost = tuple(j for j in lanes if _plausible(grid, rel, j))
    return lost if 3 * len(lost) > 2 * len(lanes) else ()


def _plausible(grid: Grid, rel: Relation, lane: int) -> bool:
    """Whether a total that adds up nowhere looks as if one of its rows were lost, or a digit changed."""
    stated = grid.values[rel.total][lane] or 0
    figures = [s * v for k, s in rel.parts if (v := grid.values[k][lane])]
    places = {_places(grid.steps[k][lane]) for k, _ in rel.parts if grid.values[k][lane]}
    if places and grid.values[rel.total][lane] and _places(grid.steps[rel.total][lane]) not in places:
        return False
    if _digit(grid, rel, lane):
        return True
    if all(f * stated > 0 for f in figures):
        return abs(stated) * LEAST_LEFT < abs(sum(figures)) < abs(stated)
    if grid.strength[rel.total] != Strength.TOTAL:
        return False
    return abs(sum(figures) - stated) < 2 * max(abs(stated), *(abs(f) for f in figures))


def _comparable(grid: Grid, rel: Relation, lane: int) -> bool:
    """Whether the lane's figures are printed to as many places as those of a lane where the sum holds."""

    def places(j: int) -> int:
        return max(
            _places(grid.steps[k][j]) for k in (rel.total, *(k for k, _ in rel.parts)) if grid.values[k][j] is not None
        )

    return places(lane) in {places(j) for j in rel.holds}


def _places(step: int) -> int:
    """The place of the last digit, counted from the smallest one in the table, so that more is coarser."""
    return -len(str(step)) if step else -100
