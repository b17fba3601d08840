"""Every figure in a document's tables with what it means: value, unit, scale, and the paths of its row and column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from paperlode.ingest.table_reading import read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from decimal import Decimal

    from paperlode.ingest.boxes import PageBox
    from paperlode.ingest.document import Block

__all__ = ["Figure", "figures"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a table.

    Attributes:
        table: index of the table's block in the document. caption: of the table, as printed.
        row, col: 0-based place in the table.
        row_path, column_path: what heads it, outermost first.
        text: the cell as printed. value: what it says in full: the printed number times ``scale``.
        unit: ``%``, ``USD``, ``$ per share``, ...; empty when nothing says it.
        region: where the cell stands, if known.
    """

    table: int
    caption: str
    row: int
    col: int
    row_path: tuple[str, ...]
    column_path: tuple[str, ...]
    text: str
    value: Decimal
    unit: str
    scale: Decimal
    region: PageBox | None


def figures(blocks: Iterable[Block]) -> Iterator[Figure]:
    """The figures of all tables among a document's blocks, row by row."""
    for index, block in enumerate(blocks):
        if block.table is None:
            continue
        reading = read_table(block.table)
        for (row, col), cell in sorted(reading.cells.items()):
            if (said := reading.value(row, col)) is not None:
                yield Figure(
                    index, block.table.caption, row, col, said.row_path, said.column_path,
                    cell.text, said.value, said.unit, said.scale, cell.region,
                )  # fmt: skip
