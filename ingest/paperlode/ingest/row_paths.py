"""Row headers as paths: sections over their rows, indentation, labels in several leading columns."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from paperlode.ingest.table_headers import is_units_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.tables import Cell, Table

__all__ = ["is_total", "row_paths"]

INDENT = 3.0
"""Points by which a label must stand further in to be under the one above."""
DEEPEST = 8
"""Sections kept over a row."""

_TOTAL = re.compile(
    r"(?:(?:sub|grand)?-?\s*totals?\b|sum\b|合\s*计|总\s*计|小\s*计|共\s*计)|.{0,80}(?:\btotals?|合\s*计|总\s*计|小\s*计)\W*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Open:
    """A section or parent row that is still open: indentation in points (None unknown), text, whether it has figures.

    ``indents`` says whether what is under it stands further in.
    """

    indent: float | None
    text: str
    figures: bool
    row: int
    indents: bool = False


def is_total(label: str) -> bool:
    """Whether a row's label says that it is a sum of rows: ``Total assets``, ``小计``."""
    return bool(_TOTAL.match(label.strip()[:200]))


def row_paths(
    table: Table, rows: Sequence[Sequence[Cell]], header: int, labels: int
) -> tuple[tuple[tuple[str, ...], ...], frozenset[int]]:
    """For each row its path, and the rows that only head others."""
    out: list[tuple[str, ...]] = [()] * table.rows
    sections: set[int] = set()
    stack: list[_Open] = []
    held: dict[int, Cell] = {}
    wrapped = ""
    width = labels
    for r in range(header, table.rows if labels else 0):
        own = _own_labels(rows[r], width, held, r)
        filled = [c for c in rows[r] if c.text.strip()]
        bare = len(filled) == 1 and filled[0].col < width and filled[0].row_span == 1
        text = own[-1][1] if own else ""
        if bare and not is_units_line(filled[0].text):
            sections.add(r)
            following = _first_label(rows, r + 1, table.rows)
            if _wraps(text, following):
                wrapped = f"{wrapped} {text}".strip()
                continue
            text, wrapped = f"{wrapped} {text}".strip(), ""
            indent = _indent(filled[0])
            _close_for_section(stack, indent, text, r)
            out[r] = (*(s.text for s in stack), text)
            stack.append(_Open(indent, text, figures=False, row=r))
            del stack[:-DEEPEST]
            continue
        if wrapped and own:
            own[0] = (own[0][0], f"{wrapped} {own[0][1]}")
            text = own[-1][1]
        wrapped = ""
        indent = _indent(own[0][0]) if own else None
        lead = own[0][1] if own else ""
        if lead:
            _close_for_row(stack, indent, r)
        out[r] = (*(s.text for s in stack), *(t for _, t in own))
        if is_total(lead):
            _close_for_total(stack, lead)
        elif own and len(own) == 1 and indent is not None:
            stack.append(_Open(indent, text, figures=True, row=r))
            del stack[:-DEEPEST]
    return tuple(out), frozenset(sections)


def _own_labels(row: Sequence[Cell], width: int, held: dict[int, Cell], r: int) -> list[tuple[Cell, str]]:
    """The labels of a row, left to right, with those that span into it from above."""
    for c in row:
        if c.col < width and c.text.strip():
            held[c.col] = c
    found = [held[j] for j in sorted(held) if held[j].row <= r <= held[j].row_end]
    for j in [j for j in held if held[j].row_end <= r]:
        del held[j]
    return [(c, " ".join(c.text.split())) for c in found]


def _first_label(rows: Sequence[Sequence[Cell]], r: int, stop: int) -> str:
    if r >= stop or not rows[r] or rows[r][0].col > 0:
        return ""
    return rows[r][0].text.strip()


def _wraps(text: str, following: str) -> bool:
    """Whether a label without figures is only the first line of the next row's label."""
    return bool(following) and following[0].islower() and not text.endswith((":", "：", "."))


def _indent(cell: Cell) -> float | None:
    return cell.region.box.x0 if cell.region is not None else None


def _close_for_section(stack: list[_Open], indent: float | None, text: str, r: int) -> None:
    _note_indent(stack, indent, r)
    while stack and stack[-1].figures and not _deeper(indent, stack[-1].indent):
        stack.pop()
    if not stack:
        return
    if _deeper(indent, stack[-1].indent):
        return
    if any(_deeper(s.indent, indent) for s in stack):
        while stack and not _deeper(indent, stack[-1].indent):
            stack.pop()
        return
    if stack[-1].row == r - 1 and not (stack[-1].text.endswith(":") and not text.endswith(":")):
        return  # a section right under a section is inside it, where indentation says nothing
    same = next((k for k, s in enumerate(stack) if s.text.endswith(":") == text.endswith(":")), len(stack) - 1)
    del stack[same:]


def _close_for_row(stack: list[_Open], indent: float | None, r: int) -> None:
    """Parents that are not further out than the row are closed; a section with no row yet heads what follows it."""
    _note_indent(stack, indent, r)
    while stack and not _deeper(indent, stack[-1].indent):
        top = stack[-1]
        if not (top.figures or top.indents or (_deeper(top.indent, indent) and top.row < r - 1)):
            return
        stack.pop()


def _note_indent(stack: list[_Open], indent: float | None, r: int) -> None:
    if stack and stack[-1].row == r - 1 and _deeper(indent, stack[-1].indent):
        stack[-1] = replace(stack[-1], indents=True)


def _close_for_total(stack: list[_Open], label: str) -> None:
    """A total closes the section it names, else the innermost one."""
    named = [k for k, s in enumerate(stack) if _names(label, s.text)]
    if named:
        del stack[named[-1] :]
        return
    while stack and stack[-1].figures:
        stack.pop()
    if stack:
        stack.pop()


def _names(label: str, section: str) -> bool:
    words = _words(section)
    return bool(words) and words == _words(label)


def _words(text: str) -> frozenset[str]:
    return frozenset(w for w in re.findall(r"\w+", text.lower()) if w not in ("total", "subtotal", "the", "of", "and"))


def _deeper(a: float | None, b: float | None) -> bool:
    """Whether ``a`` stands further in than ``b``; False where one is unknown."""
    return a is not None and b is not None and a > b + INDENT
