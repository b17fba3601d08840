"""What a source of an answer says, ready to be compared with the answer: its text, its figures, its periods."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from paperlode.ingest.document import Box, PageBox

from .amounts import Amount, Measure, amounts, plain_characters, said_scales
from .assigned_periods import periods_of
from .cell_naming import TableLabels
from .periods import Period, periods
from .quotes import sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paperlode.ingest.document import Chunk

    from .table_meaning import FigureMeaning, ReadTable, TableMeaning

__all__ = ["Evidence", "Figure"]

BETWEEN = " | "
"""Between the cells of a row in a table's text."""
_PERCENT_CONTEXT = re.compile(r"%|percent|\brates?\b|\bmargins?\b|\bratios?\b|\byield|占比|比例|率", re.IGNORECASE)
_UNSCALED = re.compile(
    r"\bper\b|\bshares?\b|\bnumber\b|\bunits?\b|\bemployees\b|\bstores\b|%|\brate|\byears\b|每股|股数|人数",
    re.IGNORECASE,
)
"""Rows that a table's scale may not govern."""
_ISO = re.compile(r"[A-Z]{3}|[$¥]")
_AND = re.compile(r"\s*(?:,|\||and|or|to|和|、)\s*(?:and|or|\|)?\s*", re.IGNORECASE)
_SPACES = re.compile(r"\s+")
_QUOTES = str.maketrans("“”„‟«»‘’‚‛′", '""""""' + "'" * 5)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that stands in a source.

    Attributes:
        value, step: as in ``Amount``, in full, without sign. others: values that it may also have, with their measure.
        printed: as printed, without the scale that stands elsewhere.
        negative: by its own sign; None where brackets leave it open.
        table, row, col: place among the source's tables; None in running text.
        label, head: what heads its row and column, joined. own: the innermost of the row's names.
        before, after: the words around it in its sentence.
        periods: what its column, row or sentence says; empty when nothing does.
        quote: its row or sentence as printed. boxes: where that stands.
    """

    value: Decimal
    step: Decimal
    printed: Decimal
    measure: Measure
    currency: str
    negative: bool | None
    others: tuple[tuple[Decimal, Decimal, Measure], ...] = ()
    table: int | None = None
    row: int | None = None
    col: int | None = None
    label: str = ""
    own: str = ""
    head: str = ""
    before: str = ""
    after: str = ""
    periods: tuple[Period, ...] = ()
    quote: str = ""
    boxes: tuple[PageBox, ...] = ()
    percent_context: bool = False

    @property
    def signed(self) -> Decimal:
        """The value with its sign."""
        return -self.value if self.negative else self.value


class Evidence:
    """One numbered source.

    Args:
        n: its number in the prompt and the answer.
        chunks: what is shown of it, the hit's own chunk first.
        around: what the model is told beside it: name of the document, title, page.
        read_table: what its tables' cells mean; None to read them as lines.
    """

    def __init__(
        self, n: int, chunks: Sequence[Chunk], *, around: str = "", read_table: ReadTable | None = None
    ) -> None:
        self.n = n
        self.chunks = tuple(chunks)
        self.tables: list[TableLabels] = []
        self._read_table = read_table
        self._around = "\n".join((around, *(" ".join((c.title, *c.heading_path, *c.labels)) for c in self.chunks)))

    @cached_property
    def text(self) -> str:
        """All that stands in its boxes, with the captions and header rows repeated there."""
        return "\n".join(c.shown_text for c in self.chunks)

    @cached_property
    def folded(self) -> str:
        """The text for comparing words: one space, plain marks, lower case."""
        return folded(self.text)

    @cached_property
    def known(self) -> str:
        """The text with headings and names, folded: where names, dates and clause numbers may stand."""
        return folded(f"{self._around}\n{self.text}")

    @cached_property
    def periods(self) -> tuple[Period, ...]:
        """Every period named in it, its headings or its document's name."""
        text = plain_characters(f"{re.sub('[_/]', ' ', self._around)}\n{self.text}")
        found = periods(text)
        for i in range(1, len(found)):
            a, b = found[i - 1], found[i]
            if a.day and b.month is None and b.quarter is None and _AND.fullmatch(text[a.end : b.start]):
                found[i] = replace(b, month=a.month, day=a.day)  # December 31, 2022 and 2021
        return tuple(found)

    @cached_property
    def figures(self) -> tuple[Figure, ...]:
        """Every number in it."""
        return tuple(f for c in self.chunks for f in self._figures(c))

    def _figures(self, chunk: Chunk) -> Iterator[Figure]:
        if chunk.part is not None and self._read_table is not None:
            meaning = self._read_table(chunk.part.table)
            self.tables.append(TableLabels.of(meaning))
            yield from _cells(meaning, len(self.tables) - 1, chunk)
            for line in (meaning.table.caption, *chunk.context.splitlines()):
                yield from _prose(line, chunk)
            return
        lines = chunk.shown_text.split("\n")
        rows = [[cell.strip() for cell in line.split(BETWEEN)] for line in lines if BETWEEN in line]
        if rows:
            labels = {r: (row[0],) for r, row in enumerate(rows) if not _is_figure(row[0])}
            self.tables.append(TableLabels(labels, {}))
            yield from _rows(rows, len(self.tables) - 1, chunk, _scales_of(lines, rows))
        for is_row, group in groupby(lines, key=lambda line: BETWEEN in line):
            if not is_row:
                for sentence in sentences("\n".join(group), shortest=1):
                    yield from _prose(sentence, chunk)


def _scales_of(lines: Sequence[str], rows: Sequence[Sequence[str]]) -> frozenset[Decimal]:
    """What the lines around a table and its first rows say of all its figures; a row's label says it of the row."""
    around = [line for line in lines if BETWEEN not in line and not any(c.isdigit() for c in line[-12:])]
    return said_scales("\n".join((*around, *(" ".join(row) for row in rows[:2]))))


def folded(text: str) -> str:
    """One space for every white space, plain quotation marks and digits, lower case."""
    return _SPACES.sub(" ", plain_characters(text).translate(_QUOTES)).strip().lower()


def _cells(meaning: TableMeaning, table: int, chunk: Chunk) -> Iterator[Figure]:
    caption = meaning.table.caption
    heads = {c: " ".join(path) for c, path in enumerate(meaning.column_paths)}
    seen: dict[int, tuple[str, tuple[PageBox, ...], str]] = {}
    for (row, col), cell in meaning.cells.items():
        if row not in seen:
            label = " ".join(meaning.row_paths[row]) if row < len(meaning.row_paths) else ""
            seen[row] = meaning.table.row_text(row), _row_boxes(meaning, row) or chunk.regions, label
        quote, boxes, label = seen[row]
        head = heads.get(col, "")
        said = meaning.value(row, col)
        own = tuple(periods(head)) or tuple(periods(label))
        if said is not None:
            inner = said.row_path[-1] if said.row_path else ""
            yield _cell(said, (table, row, col), (label, inner, head, caption), own, quote, boxes)
            continue
        scale = _scale_beside(meaning, row)
        for a in amounts(cell.text):
            yield _figure(
                a, cell.text, scales=frozenset({scale}) if scale != 1 and row >= meaning.header else frozenset(),
                place=(table, row, col), label=label, head=head, own=own, quote=quote, boxes=boxes,
            )  # fmt: skip


def _cell(  # noqa: PLR0917  in the order of the cell's own description
    said: FigureMeaning,
    place: tuple[int, int, int],
    names: tuple[str, str, str, str],
    own: tuple[Period, ...],
    quote: str,
    boxes: tuple[PageBox, ...],
) -> Figure:
    label, inner, head, caption = names
    number = said.number
    currency = _ISO.match(said.unit)
    percent = number.percent or said.unit == "%"
    return Figure(
        abs(said.value),
        number.step * said.scale,
        abs(number.value),
        Measure.PERCENT if percent else Measure.POINTS if said.unit in {"pp", "bps"} else Measure.NUMBER,
        currency[0] if currency else "",
        said.value < 0,
        table=place[0],
        row=place[1],
        col=place[2],
        label=label,
        own=inner,
        head=head,
        periods=own,
        quote=quote,
        boxes=boxes,
        percent_context=bool(_PERCENT_CONTEXT.search(f"{label} {head} {caption}")),
    )


def _scale_beside(meaning: TableMeaning, row: int) -> Decimal:
    """The scale of the figures in a row, for a cell that holds more than one number."""
    scales = {
        said.scale for col in range(meaning.labels, meaning.table.cols) if (said := meaning.value(row, col)) is not None
    }
    return scales.pop() if len(scales) == 1 else Decimal(1)


def _rows(rows: Sequence[Sequence[str]], table: int, chunk: Chunk, scales: frozenset[Decimal]) -> Iterator[Figure]:
    """Figures of a table of which only the text is known: a row's first cell names it, a line of periods heads the next ones."""
    heads: list[Period] = []
    for r, row in enumerate(rows):
        label = "" if _is_figure(row[0]) else row[0]
        cells = row[1:] if label else row
        named = [periods(plain_characters(c)) for c in cells]
        if cells and all(named) and not any(amounts(c) for c in cells):
            heads = [p[-1] for p in named]
            continue
        lined = len(heads) == len(cells)
        told = said_scales(label) or scales
        for c, cell in enumerate(cells):
            for a in amounts(cell):
                yield _figure(
                    a, cell, scales=told, own=(heads[c],) if lined else (), quote=BETWEEN.join(row), boxes=chunk.regions,
                    place=(table, r, c), label=label,
                )  # fmt: skip
        for a in amounts(label):
            yield _figure(a, label, scales=scales, own=(), quote=BETWEEN.join(row), boxes=chunk.regions)


def _is_figure(cell: str) -> bool:
    return bool(amounts(cell) or periods(plain_characters(cell))) and not any(c.isalpha() for c in cell)


def _prose(sentence: str, chunk: Chunk) -> Iterator[Figure]:
    named = periods(plain_characters(sentence))
    found = amounts(sentence, named)
    for a in found:
        own = periods_of(sentence, a, found, named, sure=True)
        yield _figure(a, sentence, scales=frozenset(), own=own, quote=sentence, boxes=chunk.regions)


def _figure(
    a: Amount,
    text: str,
    *,
    scales: frozenset[Decimal],
    own: tuple[Period, ...],
    quote: str,
    boxes: tuple[PageBox, ...],
    place: tuple[int, int, int] | None = None,
    label: str = "",
    head: str = "",
) -> Figure:
    own_value = a.value, a.step, a.measure
    others = (
        [(a.borrowed[0], a.step * (a.borrowed[0] / a.value if a.value else 1), a.borrowed[1])] if a.borrowed else []
    )
    if scales and not a.scaled and a.measure is Measure.NUMBER:
        scaled = [(a.value * s, a.step * s, a.measure) for s in sorted(scales)]
        if len(scaled) == 1 and not _UNSCALED.search(f"{label} {head}"):
            others += [] if a.currency else [own_value]
            own_value = scaled[0]
        else:
            others += scaled
    table, row, col = place or (None, None, None)
    return Figure(
        *own_value[:2], a.printed, own_value[2], a.currency, None if a.bracketed and not a.negative else a.negative,
        tuple(others), table, row, col, label, label, head, text[: a.start], text[a.end :], own, quote, boxes,
        percent_context=bool(_PERCENT_CONTEXT.search(text)) and place is not None,
    )  # fmt: skip


def _row_boxes(meaning: TableMeaning, row: int) -> tuple[PageBox, ...]:
    by_page: dict[int, list[Box]] = {}
    for cell in meaning.table.row_cells(row):
        if cell.region:
            by_page.setdefault(cell.region.page, []).append(cell.region.box)
    return tuple(PageBox(page, Box.around(boxes)) for page, boxes in sorted(by_page.items()))
