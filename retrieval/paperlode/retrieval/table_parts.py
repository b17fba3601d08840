"""The parts of one table put together again: a search finds one of them, and the row that answers may stand in the next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paperlode.ingest.document import Chunk, Table, TablePart

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["with_neighbours"]


def with_neighbours(chunk: Chunk, others: Sequence[Chunk]) -> Chunk:
    """``chunk`` with the parts of its table among ``others`` that go on without a gap; itself where there are none."""
    if chunk.part is None:
        return chunk
    mine = chunk.part
    same = {
        c.part.row_start: c for c in others if c.part and c.part.block == mine.block and c.document == chunk.document
    }
    same[mine.row_start] = chunk
    run = [chunk]
    ends = {c.part.row_end: c for c in same.values() if c.part}
    while (first := run[0].part) and (before := ends.get(first.row_start)) and before not in run:
        run.insert(0, before)
    while (last := run[-1].part) and (after := same.get(last.row_end)) and after not in run:
        run.append(after)
    if len(run) == 1:
        return chunk
    return _joined(chunk, run)


def _joined(chunk: Chunk, run: Sequence[Chunk]) -> Chunk:
    parts = [c.part for c in run if c.part is not None]
    header = parts[0].table.header_rows
    cells = [c for c in parts[0].table.cells if c.row < header]
    at = header
    for part in parts:
        own = part.table.header_rows
        cells += [replace(c, row=c.row - own + at) for c in part.table.cells if c.row >= own]
        at += part.table.rows - own
    cols = max(p.table.cols for p in parts)
    table = Table(at, cols, tuple(cells), header, parts[0].table.caption)
    part = TablePart(parts[0].block, parts[0].row_start, parts[-1].row_end, parts[0].rows, table)
    regions = tuple(dict.fromkeys(r for c in run for r in c.regions))
    text = "\n".join(c.text for c in run)
    return replace(chunk, text=text, context=run[0].context, regions=regions, part=part, entries=())
