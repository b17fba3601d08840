"""The cells of a table: its words put into the grid that the layout engine found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import Box, Cell, PageBox, Table
from paperlode.ingest.parsing.grid_headers import centred_spans, phrase_spans, underlined_spans
from paperlode.ingest.parsing.grid_rules import Rules, fitted, rules_of
from paperlode.ingest.parsing.grid_spans import Span, ruled_spans, without_needless
from paperlode.ingest.parsing.grid_splits import parted_columns, parted_rows
from paperlode.ingest.parsing.grid_words import Word, place_of, words_of
from paperlode.ingest.parsing.lines import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["table_of"]

_TEXT = 0  # block type of text in PyMuPDF's dictionaries


def table_of(box: Box, grid: Any, printed: Sequence[Box], page: int, blocks: Sequence[dict[str, Any]]) -> Table:
    """The table in ``box``. Words fall into the grid cell that holds most of them; a new line inside a cell becomes a space.

    Ruled lines correct the grid (see ``grid_rules.fitted``) and tell which cells span (``grid_spans.ruled_spans``).

    Args:
        box: of the table, in points.
        grid: the engine's lines, relative to the box (``h_lines``, ``v_lines``).
        printed: boxes of the lines that belong to the table.
        page: 0-based.
        blocks: the page's characters and drawings, PyMuPDF's ``rawdict`` blocks.
    """
    words = _words(box, printed, blocks)
    rules = rules_of(blocks, box)
    ys, xs = (
        [box.y0, *(float(h) + box.y0 for h in grid.h_lines), box.y1],
        [box.x0, *(float(v) + box.x0 for v in grid.v_lines), box.x1],
    )
    ys = fitted(ys, rules.flat, rules.upright, words, rows=True)
    xs = fitted(xs, rules.upright, rules.flat, words, rows=False)
    ys = parted_rows(xs, ys, words)
    xs = parted_columns(xs, ys, words)
    spans = _spans(xs, ys, rules, _placed_words(words, xs, ys))
    if spans:
        xs, ys = without_needless(xs, ys, spans, _placed_words(words, xs, ys))
        spans = _spans(xs, ys, rules, _placed_words(words, xs, ys))
    return _table(xs, ys, words, spans, page)


def _spans(
    xs: Sequence[float], ys: Sequence[float], rules: Rules, words: Mapping[tuple[int, int], Sequence[Word]]
) -> list[Span]:
    rows, cols = len(ys) - 1, len(xs) - 1
    spans = ruled_spans(xs, ys, rules, words)
    taken = {at for s in spans for at in s.places()}
    spans += phrase_spans(xs, rows, rules.upright, words, taken)
    if not spans:
        spans = centred_spans(cols, rows, words, taken)
    over = underlined_spans(rows, cols, rules.flat, words, spans)
    out: list[Span] = []
    taken = set()
    for s in (*over, *spans):
        if taken.isdisjoint(s.places()):
            out.append(s)
            taken.update(s.places())
    return out


def _words(box: Box, printed: Sequence[Box], blocks: Sequence[dict[str, Any]]) -> list[Word]:
    out: list[Word] = []
    number = 0
    for block in blocks:
        if block.get("type", _TEXT) != _TEXT or not Box(*block["bbox"]).overlap(box):
            continue
        for line in block["lines"]:
            number += 1
            x0, y0, x1, y1 = Box(*line["bbox"]).grown(0.5)
            mine = [b for b in printed if b.x0 < x1 and b.x1 > x0 and b.y0 < y1 and b.y1 > y0]
            out += words_of(line, mine, number)
    return out


def _placed_words(words: Sequence[Word], xs: Sequence[float], ys: Sequence[float]) -> dict[tuple[int, int], list[Word]]:
    out: dict[tuple[int, int], list[Word]] = {}
    for w in words:
        out.setdefault(place_of(w, xs, ys), []).append(w)
    return out


def _table(xs: Sequence[float], ys: Sequence[float], words: Sequence[Word], spans: Sequence[Span], page: int) -> Table:
    rows, cols = len(ys) - 1, len(xs) - 1
    owner = {at: s for s in spans for at in s.places()}
    held: dict[Span, list[Word]] = {}
    for w in words:
        r, c = place_of(w, xs, ys)
        held.setdefault(owner.get((r, c), Span(r, c, r, c)), []).append(w)
    cells = tuple(
        Cell(
            s.row,
            s.col,
            text,
            s.row_end - s.row + 1,
            s.col_end - s.col + 1,
            PageBox(page, Box(xs[s.col], ys[s.row], xs[s.col_end + 1], ys[s.row_end + 1]).rounded()),
        )
        for s in sorted(held, key=lambda s: (s.row, s.col))
        if (text := _text(held[s]))
    )
    return Table(rows, cols, cells)


def _text(words: Sequence[Word]) -> str:
    """The words in the order they were printed; a new line becomes a space."""
    out, line = "", None
    for w in words:
        if line is not None and w.line != line:
            out += " "
        out += w.text + (" " if w.space else "")
        line = w.line
    return clean(out)


def _placed(
    line: dict[str, Any], mine: Sequence[Box], xs: Sequence[float], ys: Sequence[float]
) -> list[tuple[tuple[int, int], str]]:
    """The words of one line, each with its (row, column)."""
    return [(place_of(w, xs, ys), w.text + (" " if w.space else "")) for w in words_of(line, mine)]
