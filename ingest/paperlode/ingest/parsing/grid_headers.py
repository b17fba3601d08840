"""Headings over several columns that no box is drawn around: told by their words, or by the line under them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from paperlode.ingest.parsing.grid_spans import Span, is_value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from paperlode.ingest.parsing.grid_rules import Level
    from paperlode.ingest.parsing.grid_words import Word

    Place = tuple[int, int]

__all__ = ["centred_spans", "phrase_spans", "underlined_spans"]

_NEAR = 3.0  # points between a grid line and the ruled line it stands for
_BLANK = 0.45  # font sizes: the widest blank within a phrase; columns stand further apart
_UNDER = 0.7  # share of a column's width that a line must run under
_CENTRED = 0.12  # of its columns' width: how far a heading's middle may be from theirs
_MONTH = re.compile(
    r"\b(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\b\.?",
    re.IGNORECASE,
)
_DAY = re.compile(r"\d{1,2},?(?: (?:19|20)\d\d)?(?: \(\w\))?$")
_YEAR = re.compile(r"(?:19|20)\d\d")
_OFF_CENTRE = 0.1  # of the line's length: how far a heading's middle may be from its line's


def phrase_spans(
    xs: Sequence[float],
    rows: int,
    lines: Sequence[Level],
    words: Mapping[Place, Sequence[Word]],
    taken: Collection[Place],
) -> list[Span]:
    """Neighbours of a row whose words run on from one to the next with no more than a blank between them.

    Figures are left where they are, and so are words with an upright line between them. ``xs`` are the columns' edges,
    ``lines`` the upright lines, ``taken`` the (row, column) places of other spans.
    """
    out: list[Span] = []
    cols = len(xs) - 1
    for r in range(rows):
        start = 0
        for c in range(1, cols + 1):
            if c < cols and (r, c) not in taken and (r, c - 1) not in taken and _runs_on(words, lines, xs, r, c):
                continue
            if c - start > 1:
                out.append(Span(r, start, r, c - 1))
            start = c
    return out


def _runs_on(
    words: Mapping[Place, Sequence[Word]], lines: Sequence[Level], xs: Sequence[float], row: int, col: int
) -> bool:
    before, after = words.get((row, col - 1), ()), words.get((row, col), ())
    if not before or not after or is_value(before) or (is_value(after) and not _dates(before, after)):
        return False
    height = sum(w.y for w in (*before, *after)) / (len(before) + len(after))
    if any(abs(ln.at - xs[col]) <= _NEAR and ln.holds(height) for ln in lines):
        return False
    gaps = list(_gaps(before, after))
    return bool(gaps) and max(gaps) <= _BLANK


def _dates(before: Sequence[Word], after: Sequence[Word]) -> bool:
    """True when a month stands before a day: December | 31, 2023."""
    return bool(_MONTH.search(_text(before)) and _DAY.match(_text(after)))


def _gaps(before: Sequence[Word], after: Sequence[Word]) -> Iterator[float]:
    """On each printed line of the left cell, the gap to the right cell's words beside it, in font sizes."""
    for a in before:
        if any(a.line == o.line and o.box.x0 > a.box.x0 for o in before):
            continue
        beside = [b for b in after if min(a.box.y1, b.box.y1) > max(a.box.y0, b.box.y0)]
        if beside:
            yield (min(b.box.x0 for b in beside) - a.box.x1) / max(a.size, 1.0)


def centred_spans(cols: int, rows: int, words: Mapping[Place, Sequence[Word]], taken: Collection[Place]) -> list[Span]:
    """The headings of the first row, where each stands in the middle over its part of the second row's columns.

    All columns of the second row must be shared out so, left to right. ``taken`` are the places of other spans.
    """
    if rows < 3 or any((r, c) in taken for r in (0, 1) for c in range(cols)):
        return []
    first = 1 if words.get((1, 0)) and not words.get((0, 0)) else 0
    heads = [c for c in range(first, cols) if words.get((0, c))]
    while heads and heads[0] == first and first < cols - 1 and _over_own(words, first, rows):
        heads.pop(0)
        first += 1
    under = [c for c in range(first, cols) if words.get((1, c))]
    if not heads or len(under) <= len(heads) or under != list(range(under[0], under[0] + len(under))):
        return []
    if any(is_value(words[0, c]) and not _YEAR.search(_text(words[0, c])) for c in heads):
        return []
    groups = _shared_out([_middle(words[0, c]) for c in heads], [_extent(words, c, rows) for c in under])
    if not groups:
        return []
    spans = [Span(0, under[a], 0, under[b]) for a, b in groups]
    good = all(s.col <= c <= s.col_end for s, c in zip(spans, heads, strict=True))
    return [s for s in spans if s.col_end > s.col] if good else []


def _over_own(words: Mapping[Place, Sequence[Word]], col: int, rows: int) -> bool:
    """True when the first row's words stand over the rest of their column alone, not over the gap to the next."""
    start, end = _extent(words, col, rows)
    head = words[0, col]
    return min(w.box.x0 for w in head) < end and max(w.box.x1 for w in head) > start and not words.get((1, col))


def _text(words: Sequence[Word]) -> str:
    return " ".join(w.text for w in words)


def _middle(words: Sequence[Word]) -> float:
    return (min(w.box.x0 for w in words) + max(w.box.x1 for w in words)) / 2


def _extent(words: Mapping[Place, Sequence[Word]], col: int, rows: int) -> tuple[float, float]:
    inked = [w.box for r in range(1, rows) for w in words.get((r, col), ())]
    return (min(b.x0 for b in inked), max(b.x1 for b in inked)) if inked else (0.0, 0.0)


def _shared_out(middles: Sequence[float], extents: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """For each heading the first and last of its columns; empty where they cannot be shared out with all in the middle."""
    out: list[tuple[int, int]] = []
    start = 0
    for i, middle in enumerate(middles):
        last = i == len(middles) - 1
        most = len(extents) - (len(middles) - 1 - i)
        ends = [len(extents) - 1] if last else range(start, most)
        fits = [(abs((extents[start][0] + extents[end][1]) / 2 - middle), end) for end in ends]
        if not fits:
            return []
        off, end = min(fits)
        if off > _CENTRED * max(extents[end][1] - extents[start][0], 1.0):
            return []
        out.append((start, end))
        start = end + 1
    return out


def underlined_spans(
    rows: int, cols: int, lines: Sequence[Level], words: Mapping[Place, Sequence[Word]], spans: Sequence[Span]
) -> list[Span]:
    """Headings with a line under them that runs over several columns, each with something below: they span those columns.

    A line from the table's first column on parts header and body, and spans nothing. ``spans`` are those known so far;
    one that lies within a new one is part of it.
    """
    out: list[Span] = []
    wide = [_wide(words, rows, c) for c in range(cols)]
    owner = {at: s for s in spans for at in s.places()}
    for r in range(rows - 1):
        here = [w for c in range(cols) for w in words.get((r, c), ())]
        below = [w for c in range(cols) for w in words.get((r + 1, c), ())]
        if not here or not below:
            continue
        for level in lines:
            if not max(w.y for w in here) < level.at < min(w.y for w in below):
                continue
            for a, b in level.spans:
                under = [c for c in range(cols) if (e := wide[c]) and _share(e, a, b) >= _UNDER]
                if len(under) < 2 or under[0] == 0 or under[-1] - under[0] + 1 != len(under):
                    continue
                span = Span(r, under[0], r, under[-1])
                if _heads(span, words, owner, (a + b) / 2, b - a):
                    out.append(span)
    return out


def _wide(words: Mapping[Place, Sequence[Word]], rows: int, col: int) -> tuple[float, float] | None:
    """Where the column's words stand: the widest of what stands in single places, its heads not counted twice."""
    inked = [w.box for r in range(1, rows) for w in words.get((r, col), ())]
    return (min(b.x0 for b in inked), max(b.x1 for b in inked)) if inked else None


def _share(extent: tuple[float, float], a: float, b: float) -> float:
    start, end = extent
    return max(0.0, min(end, b) - max(start, a)) / max(end - start, 1.0)


def _heads(
    span: Span, words: Mapping[Place, Sequence[Word]], owner: Mapping[Place, Span], middle: float, length: float
) -> bool:
    filled = [at for at in span.places() if words.get(at)]
    below = sum(bool(words.get((span.row + 1, c))) for c in range(span.col, span.col_end + 1))
    if not filled or below < 2:
        return False
    owners = {owner.get(at) for at in span.places()}
    one = len(filled) == 1 and owners == {None}
    if not one:
        known = owners - {None}
        (only,) = known if len(known) == 1 else (None,)
        if only is None or only.row != only.row_end or not set(filled) <= set(only.places()):
            return False
        if only.col < span.col or only.col_end > span.col_end:
            return False
    inked = [w.box for at in filled for w in words[at]]
    centre = (min(b.x0 for b in inked) + max(b.x1 for b in inked)) / 2
    return abs(centre - middle) <= _OFF_CENTRE * length
