"""What a table's cells mean, as answers need it. ``paperlode.ingest.table_reading.read_table`` gives it.

This room does not import the reading of tables: whoever makes an answerer hands it in. Without it a table is read as lines
of text, and a figure is not tied to its row and column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from paperlode.ingest.document import Cell, PageBox, Table

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = ["FigureMeaning", "PrintedNumber", "ReadTable", "TableMeaning"]


class PrintedNumber(Protocol):
    """The number in a cell: ``value`` with its sign and the multiplier printed beside it, ``step`` of its last place."""

    @property
    def value(self) -> Decimal: ...  # noqa: D102
    @property
    def step(self) -> Decimal: ...  # noqa: D102
    @property
    def percent(self) -> bool: ...  # noqa: D102
    @property
    def currency(self) -> str: ...  # noqa: D102
    @property
    def nil(self) -> bool: ...  # noqa: D102


class FigureMeaning(Protocol):
    """A cell's figure: ``value`` is in full, the number times ``scale``; the paths name its row and column."""

    @property
    def number(self) -> PrintedNumber: ...  # noqa: D102
    @property
    def unit(self) -> str: ...  # noqa: D102
    @property
    def scale(self) -> Decimal: ...  # noqa: D102
    @property
    def value(self) -> Decimal: ...  # noqa: D102
    @property
    def row_path(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def column_path(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def region(self) -> PageBox | None: ...  # noqa: D102


class TableMeaning(Protocol):
    """A table as it is read: leading ``header`` rows and ``labels`` columns, a path for each row and column."""

    @property
    def table(self) -> Table: ...  # noqa: D102
    @property
    def header(self) -> int: ...  # noqa: D102
    @property
    def labels(self) -> int: ...  # noqa: D102
    @property
    def row_paths(self) -> Sequence[tuple[str, ...]]: ...  # noqa: D102
    @property
    def column_paths(self) -> Sequence[tuple[str, ...]]: ...  # noqa: D102
    @property
    def cells(self) -> Mapping[tuple[int, int], Cell]: ...  # noqa: D102

    def value(self, row: int, col: int) -> FigureMeaning | None:
        """The figure that stands there; None for a header, a label, text, or nothing."""
        ...


ReadTable = Callable[[Table], TableMeaning]
