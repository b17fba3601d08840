"""A table's rows as short texts to search by, each leading to its row: path, column heads, units; no figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paperlode.ingest.document import Entry
from paperlode.ingest.numbers import parse_number
from paperlode.ingest.table_reading import TableReading, read_table
from paperlode.ingest.text_cuts import first_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paperlode.ingest.tables import Cell, Table

__all__ = ["row_entries"]

BETWEEN = " > "
"""Between the steps of a path, as between headings."""
MOST_HEADS = 40
"""Columns whose heads are named; the others of a wide table say little more, and each is counted in tokens."""


def row_entries(table: Table, *, first: int, stop: int, size: Callable[[str], int], limit: int) -> tuple[Entry, ...]:
    """One short text for each body row that says something, in the order of the rows; equal texts once.

    A row's text is its path (sections and labels) and its words, the heads of its filled columns, and, as far as there is
    room, the table's caption and units. Figures are left out, years and dates stay. Section rows and empty rows give none.

    Args:
        table: the whole table.
        first: first row.
        stop: row after the last one, both 0-based in the table.
        size: tokens of a text.
        limit: most tokens of an entry.
    """
    if limit < 1:
        return ()
    reading = read_table(table)
    rows: dict[int, list[Cell]] = {}
    for (r, _), cell in reading.cells.items():
        if max(first, reading.header) <= r < stop:
            rows.setdefault(r, []).append(cell)
    heads: dict[tuple[int, ...], str] = {}
    caption = _one_line(table.caption)
    seen: set[str] = set()
    out: list[Entry] = []
    for r in sorted(rows):
        if r in reading.sections:
            continue
        cells = sorted((c for c in rows[r] if c.col >= reading.labels), key=lambda c: c.col)
        columns = tuple(c.col for c in cells)[:MOST_HEADS]
        if columns not in heads:
            heads[columns] = _heads(reading, columns)
        own = [*reading.row_paths[r], *(t for c in cells if (t := _one_line(c.text)) and not _figure(t))]
        if not own:
            continue  # nothing tells it from the other rows
        text = _fitted([BETWEEN.join(dict.fromkeys(own)), heads[columns], caption], size, limit)
        if text and text not in seen:
            seen.add(text)
            out.append(Entry(r, text))
    return tuple(out)


def _heads(reading: TableReading, columns: Sequence[int]) -> str:
    """The heads of the columns, what several have in common said once."""
    texts = [t for c in columns for t in reading.column_paths[c]]
    return ", ".join(dict.fromkeys(texts))


def _figure(text: str) -> bool:
    return parse_number(text) is not None or not any(c.isalnum() for c in text)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _fitted(parts: Sequence[str], size: Callable[[str], int], limit: int) -> str:
    """The parts line by line while there is room; the first one that is too long is cut after a word."""
    text = ""
    for part in parts:
        if not part:
            continue
        longer = f"{text}\n{part}" if text else part
        if size(longer) <= limit:
            text = longer
            continue
        room = limit - size(text) - 1 if text else limit
        cut = first_words(part, size=size, limit=room) if room > 0 else ""
        longer = f"{text}\n{cut}" if text and cut else text or cut
        return longer if size(longer) <= limit else text
    return text
