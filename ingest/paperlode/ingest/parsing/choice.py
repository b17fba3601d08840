"""Which way a page is read: the cheap path for plain prose, the layout engine for tables, columns and formulas."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paperlode.ingest.parsing.lines import LIST_MARKER
from paperlode.ingest.parsing.spacing import runs_together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.parsing.lines import PrintedLine

__all__ = ["MATH_FONT", "Features", "features", "needs_layout"]

MATH_FONT = re.compile(r"CM(?:MI|SY|EX)|Math|MTMI|MTSY|STIX.*Math|MSBM|Symbol", re.IGNORECASE)
_LEADER = re.compile(r"^[.\s·…_]+$")
_PROSE_CHARS = 50
_MANY_PIECES = 4


@dataclass(frozen=True, slots=True)
class Features:
    """What the choice rests on; counts of rows of text on the page.

    Attributes:
        rows: rows of text.
        split_rows: rows that hold two or more pieces with a wide gap between them (item numbers not counted).
        aligned: split rows with a piece, the first aside, that starts or ends where one of another split row does.
        columns: rows whose pieces on both sides of a gap look like running prose.
        math: lines set in a mathematical font.
        upright: share of lines that run left to right.
        wide: rows of at least four pieces.
        unspaced: lines that are a run of words without blanks (see ``spacing``), which only the layout path mends.
    """

    rows: int
    split_rows: int
    aligned: int
    columns: int
    math: int
    upright: float
    wide: int = 0
    unspaced: int = 0


def features(lines: Sequence[PrintedLine]) -> Features:
    """Counts over the page's printed lines (split at wide gaps)."""
    rows: list[list[PrintedLine]] = []
    for line in sorted((ln for ln in lines if ln.horizontal), key=lambda ln: (ln.box.y0 + ln.box.y1, ln.box.x0)):
        middle = (line.box.y0 + line.box.y1) / 2
        if rows and rows[-1][0].box.y0 < middle < rows[-1][0].box.y1:
            rows[-1].append(line)
        else:
            rows.append([line])
    split = [pieces for r in rows if len(pieces := _pieces(r)) > 1]
    edges = [[(round(p.box.x0), round(p.box.x1)) for p in row[1:]] for row in split]
    aligned = sum(
        any(_lined_up(mine, other) for j, other in enumerate(edges) if j != i) for i, mine in enumerate(edges)
    )
    return Features(
        rows=len(rows),
        split_rows=len(split),
        aligned=aligned,
        columns=sum(sum(len(p.text) >= _PROSE_CHARS // 2 for p in r) >= 2 for r in split),
        math=sum(bool(MATH_FONT.search(ln.font)) for ln in lines if len(ln.text) > 1),
        upright=sum(ln.horizontal for ln in lines) / len(lines) if lines else 1.0,
        wide=sum(len(r) >= _MANY_PIECES for r in split),
        unspaced=sum(runs_together(ln.text) for ln in lines),
    )


def _lined_up(mine: list[tuple[int, int]], other: list[tuple[int, int]]) -> bool:
    """Whether a piece of one row starts or ends where one of the other does."""
    return any(abs(a - c) <= 3 or abs(b - d) <= 3 for a, b in mine for c, d in other)


def _pieces(row: list[PrintedLine]) -> list[PrintedLine]:
    """The row's pieces left to right that stand apart by more than a wide space, without leading item numbers (two at most)."""
    row = sorted(row, key=lambda ln: ln.box.x0)
    out: list[PrintedLine] = []
    for line in row:
        if _LEADER.match(line.text):
            continue
        if out and line.box.x0 - out[-1].box.x1 < 1.0 * line.size:
            continue
        out.append(line)
    leading = 0
    while leading < min(2, len(out) - 1) and LIST_MARKER.match(out[leading].text.strip()):
        leading += 1
    return out[leading:]


def needs_layout(f: Features) -> bool:
    """True when plain reading order and paragraphs would be wrong or a table would be lost."""
    table = f.aligned >= 3 or f.split_rows >= 5 or f.wide >= 2
    return table or f.columns >= 4 or f.math >= 2 or f.unspaced > 0
