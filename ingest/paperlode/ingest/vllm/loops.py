"""A model that repeats itself: seen while its output arrives, and cut off from outputs that are finished.

When is a repetition a loop? A unit of ``p`` characters that follows itself is one at its third copy and about 60 tokens more.
So a unit of one token may stand some 60 times, a row of ten tokens nine times, a paragraph of 200 tokens three times and
a bit; print has each less often, save these, which have bounds of their own:

- leaders and blanks (no letter, digit or tag: ``. . . .``, ``____``, ``|---|``): ``LEADER`` characters in a line, ``BLANK_LINES``
  lines. Tokenizers join such characters, so that even these are usually a few dozen tokens.
- empty cells: ``EMPTY_CELLS`` in a row, ``EMPTY_ROWS`` rows. Forms have many; only these two may take far more than 64 tokens.

Tokens are estimated from above, without a tokenizer: a tag (``<fcel>``, ``<|LOC_7|>``) is one, two Latin letters in a word are
one, every other character is one. A wrong cut costs a second try of the crop in halves, and a flag; it loses no block.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import accumulate

__all__ = ["BLANK_LINES", "EMPTY_CELLS", "EMPTY_ROWS", "LEADER", "LONGEST_UNIT", "LoopWatch", "cut_repeats"]

LONGEST_UNIT = 1200
"""Characters of the longest unit looked for: a row of a wide table, or a long paragraph."""
LEADER = 240
"""Characters of dots or rules in one line; a line across A4 in 6 point dots has some 160."""
BLANK_LINES = 60
"""Lines of rules or blanks under each other; a page of ruled paper has 40."""
EMPTY_CELLS = 100
"""Empty cells in one row; attendance sheets have 31, wide forms some 50."""
EMPTY_ROWS = 60
"""Rows of empty cells under each other; a page holds about 50."""

_COPIES = 3
_TOKENS = 61  # after the third copy; with up to 4 in an event (as paperlode serves), 64 are the promise
_STEP = 8
"""Characters between two looks, some two tokens: what a look costs is spread, and the answer comes that much later."""
_ANCHOR = 12
"""The last characters of a repetition stand in the copy before as well; where they do not, nothing else is looked at."""
_WINDOWS = (6, 9, 13, 19, 28, 42, 63, 94, 140, 210, 315, 470, 700, 900, LONGEST_UNIT)
"""Longest unit of each look; each at most 1.5 times the one before, so that two of it are full by the unit's third copy."""

_TAG = re.compile(r"</?\|?[A-Za-z]\w{0,20}\|?>")
_TOKEN = re.compile(rf"{_TAG.pattern}|[A-Za-z\u00c0-\u024f]{{1,2}}|.", re.DOTALL)
_SINGLE = re.compile(rf"{_TAG.pattern}|.", re.DOTALL)
_EMPTY_TAG = re.compile(r"<[eflux]cel>")


class LoopWatch:
    """Sees a loop in one output while it arrives.

    Costs a few microseconds a token. What it answers depends on the text alone, not on how it was cut into pieces.
    Units up to ``LONGEST_UNIT`` characters are seen, exact repetitions only.
    """

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._waits = 0
        self._tail = ""  # the last characters, long enough for every window
        self._read = 0  # characters of the whole text up to the end of the tail
        self._runs: dict[int, tuple[int, int]] = {}  # period -> where its run began, and where it is long enough
        self._began: int | None = None

    def feed(self, delta: str) -> int | None:
        """Takes the next piece.

        Returns:
            Where the text should end: after the unit's first copy, at the end of its line, row or word; None while there is
            no loop. Once there is one, always the same.
        """
        if self._began is not None:
            return self._began
        self._waiting.append(delta)
        self._waits += len(delta)
        if self._waits < _STEP:
            return None
        text = "".join(self._waiting)
        whole = len(text) - len(text) % _STEP
        self._waiting, self._waits = [text[whole:]], len(text) - whole
        for i in range(0, whole, _STEP):
            self._began = self._step(text[i : i + _STEP])
            if self._began is not None:
                return self._began
        return None

    def _step(self, piece: str) -> int | None:
        if len(self._tail) > 6 * LONGEST_UNIT:
            self._tail = self._tail[-3 * LONGEST_UNIT :]
        tail = self._tail = self._tail + piece
        self._read += _STEP
        if self._runs:
            self._runs = {
                p: run for p, run in self._runs.items() if tail.endswith(piece, 0, -p) and len(tail) >= p + _STEP
            }
        self._look()
        for period, (start, enough) in self._runs.items():
            if self._read >= enough:
                return _clean_end(start + period, tail[-period:], self._read)
        return None

    def _look(self) -> None:
        """Adds the periods with which the text ends to the runs."""
        tail, size = self._tail, len(self._tail)
        nearest = tail.rfind(tail[-_ANCHOR:], max(0, size - _ANCHOR - LONGEST_UNIT), size - 1)
        if nearest < 0:
            return
        least = size - _ANCHOR - nearest
        for longest in _WINDOWS:
            if longest < least:
                continue
            if size < 2 * longest:
                return
            period = _period(tail[-2 * longest :])
            if period and period not in self._runs:
                start = self._read - _run(tail, period)
                self._runs[period] = (start, start + _enough(tail[-period:]))


def _period(text: str) -> int | None:
    """The least ``p`` up to half the text's length, for which every character equals the one ``p`` before; None if none.

    The search runs in C and is linear.
    """
    half = len(text) // 2
    period = text.find(text[:half], 1)
    return period if period > 0 and text[period:] == text[:-period] else None


def _run(text: str, period: int) -> int:
    """Characters at the end of the text that repeat with the period, the first copy included."""
    end = len(text)
    unit = text[end - period :]
    start = end - period
    while start >= period and text.startswith(unit, start - period):
        start -= period
    while start > 0 and text[start - 1] == text[start - 1 + period]:
        start -= 1
    return end - start


def _enough(unit: str) -> int:
    """Characters of a run of this unit that make it a loop: see the module."""
    unit = _turned(unit)
    size = len(unit)
    bare, tags = _TAG.subn("", unit)
    rows = unit.count("<nl>")
    if tags and not bare.strip() and all(t == "<nl>" or _EMPTY_TAG.fullmatch(t) for t in _TAG.findall(unit)):
        return size * math.ceil(EMPTY_ROWS / rows if rows else EMPTY_CELLS / tags)
    lines = unit.count("\n")
    if not tags and not any(c.isalnum() for c in unit):
        return size * math.ceil(BLANK_LINES / lines) if lines else max(LEADER, 3 * size)
    pattern = _TOKEN if size > 4 else _SINGLE  # a letter that repeats is no word
    lengths = [len(t) for t in pattern.findall(unit)]
    late = max(1, sum(n < _STEP for n in accumulate(sorted(lengths) * _STEP)) + 1)  # tokens between two looks, at most
    rounds, rest = divmod(max(0, _TOKENS - late), len(lengths))
    sums = [0, *accumulate(lengths * 2)]
    densest = min(sums[i + rest] - sums[i] for i in range(len(lengths)))  # a copy may begin anywhere in the unit
    return size * (_COPIES + rounds) + densest


def _turned(unit: str) -> str:
    """The unit from its first ``<`` on, so that no tag stands half at its end and half at its beginning."""
    at = max(0, unit.find("<"))
    return unit[at:] + unit[:at]


def _clean_end(end: int, unit: str, read: int) -> int:
    """``end`` or the next place, less than a unit on, where a row, line, word or cell ends. ``unit`` ends at ``read``."""
    size = len(unit)
    shift = (end - read) % size
    around = (unit[shift:] + unit[:shift]) * 2  # the run from one unit before ``end`` to one after
    for mark in ("<nl>", "\n"):
        at = around.find(mark, max(0, size - len(mark)))
        if at >= 0 and at + len(mark) - size < size:
            return end + at + len(mark) - size
    if (at := around.find("<", size)) >= 0 and _TAG.search(around):
        return end + at - size
    at = around.find(" ", size - 1)
    return end + at + 1 - size if 0 <= at < 2 * size - 1 else end


_SHORTEST, _SHORTEST_TABLE = 50, 5000
_LONG_LINE = 100
_SUFFIX_UNIT, _SUFFIX_COPIES = 8, 5
_ALL_COPIES = 10
_LINES, _LINES_SHARE = 10, 0.8


def cut_repeats(text: str, *, table: bool) -> tuple[str, bool]:
    """A finished output without its repetition, and whether it had one. Linear in the text.

    The rules are PaddleX's: from 50 characters on (5,000 for a table),

    - a line of more than 100 characters, more than half of which is a unit of 8 or more at its end, 5 times or more;
    - a text that is nothing but one unit, 10 times or more;
    - 10 lines or more (rows, in a table) of which one makes up 80 %.

    Ours differ in three points. The first copy and every other line are kept, where PaddleX throws them away: they may be
    on the page. A repetition at the end that ``LoopWatch`` would stop is cut, however little of the text it is, over however
    many lines. Leaders, blank lines and empty cells have the bounds named in the module.
    """
    if len(text) < (_SHORTEST_TABLE if table else _SHORTEST):
        return text, False
    body = text.rstrip()
    for cut in (_without_suffix(body), _without_copies(body), _without_lines(body, "<nl>" if table else "\n")):
        if cut is not None:
            return cut, True
    return text, False


def _without_suffix(text: str) -> str | None:
    period = _loop_at_end(text) or _phrase_at_end(text)
    if period is None:
        return None
    return text[: _clean_end(len(text) - _run(text, period) + period, text[-period:], len(text))].rstrip()


def _loop_at_end(text: str) -> int | None:
    for longest in _WINDOWS:
        if len(text) < 2 * longest:
            return None
        period = _period(text[-2 * longest :])
        if period and _run(text, period) >= _enough(text[-period:]):
            return period
    return None


def _phrase_at_end(text: str) -> int | None:
    if "\n" in text or len(text) <= _LONG_LINE:
        return None
    period = _period(text[-(len(text) // 2 + 1) :])
    if period is None or _has_bound(text[-period:]):
        return None
    copies = _run(text, period) // (period * math.ceil(_SUFFIX_UNIT / period))
    return period if copies >= _SUFFIX_COPIES else None


def _without_copies(text: str) -> str | None:
    if "\n" in text:
        return None
    size = (text + text).find(text, 1)
    unit = text[:size]
    if size * _ALL_COPIES > len(text) or (_has_bound(unit) and len(text) < _enough(unit)):
        return None
    return unit


def _without_lines(text: str, mark: str) -> str | None:
    lines = text.split(mark)
    counts = Counter(said for line in lines if (said := line.strip()))
    if not counts:
        return None
    (common, count), total = counts.most_common(1)[0], counts.total()
    unit = common + mark
    if count < _LINES or count < _LINES_SHARE * total or (_has_bound(unit) and count * len(unit) < _enough(unit)):
        return None
    kept, seen = [], False
    for line in lines:
        if line.strip() != common:
            kept.append(line)
        elif not seen:
            kept.append(line)
            seen = True
    return mark.join(kept)


def _has_bound(unit: str) -> bool:
    """Whether the unit is one of those that may stand more often than others."""
    unit = _turned(unit)
    bare = _TAG.sub("", unit)
    return not bare.strip() if _TAG.search(unit) else not any(c.isalnum() for c in unit)
