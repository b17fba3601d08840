"""Nested column headers as paths: by spans, and by place where an upper header has no span."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from paperlode.ingest.table_headers import is_units_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.tables import Cell, Table

__all__ = ["HEADER_DEPTH", "column_paths"]

HEADER_DEPTH = 8
"""Header rows that are read; no path is deeper."""

_MONTH = r"(?:january|february|march|april|may|june|july|august|september|october|november|december)"
_UNFINISHED = re.compile(
    rf"(?:\b(?:months?|weeks?|years?|quarters?|ended|ending|of|at|as|and|{_MONTH}))$", re.IGNORECASE
)
_GOES_ON = re.compile(rf"(?:ended|ending|of|and|{_MONTH})\b|\d{{1,2}},", re.IGNORECASE)


def column_paths(
    table: Table, header: Sequence[Sequence[Cell]], labels: int
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """For each column the texts over it, outermost first, and the units lines over it (``€m``), which are no names.

    A units line that stands alone in its row is said of the whole table, not of its column.

    Args:
        table: the table.
        header: cells that start in each header row, left to right.
        labels: leading columns that name rows: no upper header reaches into them.
    """
    cols = table.cols
    lines = _covered(cols, header)
    below = [False] * cols
    for r in range(len(lines) - 1, -1, -1):
        if any(below):
            _reach(lines[r], below, labels)
        for j, text in enumerate(lines[r]):
            below[j] = below[j] or bool(text)
    out: list[tuple[str, ...]] = []
    for j in range(cols):
        texts = [t for line in lines if (t := line[j]) and not is_units_line(t)]
        out.append(tuple(t for k, t in enumerate(texts) if not k or t != texts[k - 1]))
    shared = [sum(bool(c.text.strip()) for c in row if c.col >= labels) > 1 for row in header]
    units = [
        tuple(t for line, own in zip(lines, shared, strict=True) if own and is_units_line(t := line[j]))
        for j in range(cols)
    ]
    return tuple(out), tuple(units)


def _covered(cols: int, header: Sequence[Sequence[Cell]]) -> list[list[str]]:
    """Each header row's text over each column, spans filled; where spans collide the cell that starts there stays."""
    lines = [[""] * cols for _ in header]
    for r, row in enumerate(header):
        starts = [*(c.col for c in row), cols][1:]
        for c, following in zip(row, starts, strict=True):
            text = " ".join(c.text.split())
            if not text or not 0 <= c.col < cols:
                continue
            for j in range(c.col, min(c.col_end + 1, max(following, c.col + 1), cols)):
                for k in range(r, min(c.row_end + 1, len(header))):
                    if not lines[k][j]:
                        lines[k][j] = text
    return lines


def _reach(line: list[str], below: Sequence[bool], labels: int) -> None:
    """Gives an upper header to the columns beside it that have none of their own but a name under it.

    Headers stand over the first column of their group, or over its middle: then the first column has none.
    """
    cols = len(line)
    heads = _heads(line, labels)
    free = [j for j in range(labels, cols) if not line[j] and below[j]]
    if not heads or (len(heads) == 1 and not free):
        _write(line, heads)
        return
    first = next((j for j in range(labels, cols) if below[j] or line[j]), cols)
    last = max((j for j in range(cols) if below[j] or line[j]), default=0)
    centred = _centred(heads, first, last)
    _write(line, heads)
    at = 0
    for j in free:
        while at + 1 < len(heads) and (
            heads[at + 1][0] <= j if not centred else abs(_middle(heads[at + 1]) - j) < abs(_middle(heads[at]) - j)
        ):
            at += 1
        if not line[j] and (centred or heads[at][0] < j):
            line[j] = heads[at][2]


def _centred(heads: Sequence[tuple[int, int, str]], first: int, last: int) -> bool:
    """Whether the headers stand over the middle of their groups, which then begin left of them."""
    before = heads[0][0] - first
    if len(heads) == 1:
        return before > 0 and abs(before - (last - heads[0][1])) <= 1
    return 0 < before <= (_middle(heads[1]) - _middle(heads[0])) / 2


def _heads(line: Sequence[str], labels: int) -> list[tuple[int, int, str]]:
    """First and last column and text of each header of the row; a phrase that was parted among cells is one."""
    heads: list[tuple[int, int, str]] = []
    for j in range(labels, len(line)):
        text = line[j]
        if not text or is_units_line(text):
            continue
        if heads and heads[-1][2] == text and heads[-1][1] == j - 1:
            heads[-1] = (heads[-1][0], j, text)
        elif heads and _UNFINISHED.search(heads[-1][2]) and _GOES_ON.match(text):
            heads[-1] = (heads[-1][0], j, f"{heads[-1][2]} {text}")
        else:
            heads.append((j, j, text))
    return heads


def _write(line: list[str], heads: Sequence[tuple[int, int, str]]) -> None:
    for a, b, text in heads:
        for j in range(a, b + 1):
            line[j] = text


def _middle(head: tuple[int, int, str]) -> float:
    return (head[0] + head[1]) / 2
