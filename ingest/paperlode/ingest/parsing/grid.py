"""The cells of a table: its words put into the grid that the layout engine found."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import Box, Cell, PageBox, Table
from paperlode.ingest.parsing.lines import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["table_of"]

_WORD_GAP = 0.3  # font sizes between two characters that are not of one word


def table_of(box: Box, grid: Any, printed: Sequence[Box], page: int, blocks: Sequence[dict[str, Any]]) -> Table:
    """The table in ``box``. Words fall into the grid cell that holds most of them; a new line inside a cell becomes a space.

    Args:
        box: of the table, in points.
        grid: the engine's lines, relative to the box (``h_lines``, ``v_lines``).
        printed: boxes of the lines that belong to the table.
        page: 0-based.
        blocks: the page's characters, PyMuPDF's ``rawdict`` blocks.
    """
    ys = [box.y0, *(float(h) + box.y0 for h in grid.h_lines), box.y1]
    xs = [box.x0, *(float(v) + box.x0 for v in grid.v_lines), box.x1]
    rows, cols = len(ys) - 1, len(xs) - 1
    texts: dict[tuple[int, int], str] = {}
    for block in blocks:
        if block.get("type", 0) != 0 or not Box(*block["bbox"]).overlap(box):
            continue
        for line in block["lines"]:
            seen: set[tuple[int, int]] = set()
            x0, y0, x1, y1 = Box(*line["bbox"]).grown(0.5)
            mine = [b for b in printed if b.x0 < x1 and b.x1 > x0 and b.y0 < y1 and b.y1 > y0]
            for at, word in _placed(line, mine, xs, ys):
                if at not in seen:
                    seen.add(at)
                    if texts.get(at):
                        texts[at] += " "
                texts[at] = texts.get(at, "") + word
    cells = tuple(
        Cell(r, c, text, region=PageBox(page, Box(xs[c], ys[r], xs[c + 1], ys[r + 1]).rounded()))
        for r in range(rows)
        for c in range(cols)
        if (text := clean(texts.get((r, c), "")))
    )
    return Table(rows, cols, cells)


def _placed(
    line: dict[str, Any], mine: Sequence[Box], xs: list[float], ys: list[float]
) -> list[tuple[tuple[int, int], str]]:
    """The words of the line inside the boxes ``mine``, each with the (row, column) that holds most of its characters.

    A word is never cut by a grid line: on a scan the place of a character within its line is only an estimate.
    Characters of lines that were given to another area are not ours, whatever box they stand in.
    """
    out: list[tuple[tuple[int, int], str]] = []
    word: list[tuple[tuple[int, int], str]] = []
    end = None
    for span in line["spans"]:
        for ch in span["chars"]:
            x0, y0, x1, y1 = ch["bbox"]
            x, y = (x0 + x1) / 2, (y0 + y1) / 2
            blank = ch["c"].isspace()
            if blank or (end is not None and x0 - end > _WORD_GAP * span["size"]):
                out += _one_word(word, space=blank)
                word = []
            end = x1
            if blank or not any(b.x0 - 0.5 <= x <= b.x1 + 0.5 and b.y0 - 0.5 <= y <= b.y1 + 0.5 for b in mine):
                continue
            row = min(max(bisect_right(ys, y) - 1, 0), len(ys) - 2)
            col = min(max(bisect_right(xs, x) - 1, 0), len(xs) - 2)
            word.append(((row, col), ch["c"]))
    return out + _one_word(word, space=False)


def _one_word(word: list[tuple[tuple[int, int], str]], *, space: bool) -> list[tuple[tuple[int, int], str]]:
    if not word:
        return []
    places = [at for at, _ in word]
    at = max(dict.fromkeys(places), key=places.count)
    return [(at, "".join(c for _, c in word) + (" " if space else ""))]
