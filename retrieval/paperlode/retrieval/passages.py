"""A chunk grown to a passage: its whole table on the page, then what stands around it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paperlode.ingest.document import Layer

from .scripts import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.document import Chunk

    from .index import Passage

__all__ = ["PASSAGE_WORDS", "grow", "window"]

PASSAGE_WORDS = 260
"""Five passages then cost a reader no more words than five chunks of the usual 512 tokens (1,036 against 1,099, measured)."""
REACH = 2
"""Chunks looked at on either side: more were never taken within the budget, measured on reports and contracts."""
TABLE_WORDS = 800
"""A table is shown whole up to this length, beyond the budget: a page full of figures. Of a longer one the rows around."""
TABLE_REACH = 10
"""Parts of its own table looked at on either side of a part: 800 words are about ten parts of 256 tokens."""


def window(chunk: Chunk) -> tuple[str, int, int]:
    """Document, first and last ordinal that ``chunk`` may grow into."""
    reach = (
        TABLE_REACH if chunk.part is not None and chunk.part.row_end - chunk.part.row_start < chunk.part.rows else REACH
    )
    return chunk.document, max(0, chunk.ordinal - reach), chunk.ordinal + reach


def grow(chunk: Chunk, page: int, around: Sequence[Passage], budget: int) -> str:
    """The text of ``chunk`` with neighbours on ``page``, in reading order, at most ``budget`` words unless alone longer.

    The rows of its own table come first, up to ``TABLE_WORDS``, then what stands before and after in turn, within the
    budget; growing in a direction ends where the page does or the budget would be passed. Running headers and footers are
    stepped over. What is repeated at the head of every part of a table is shown once.
    """
    place = {p.ordinal: p for p in around if p.document == chunk.document and page in p.pages}
    here = place.pop(chunk.ordinal, None)
    if here is None:
        return chunk.shown_text
    taken = [here]
    used = words(chunk.shown_text)
    edge = {-1: chunk.ordinal, 1: chunk.ordinal}
    for same_table in (True, False) if here.table is not None else (False,):
        room = (max(budget, TABLE_WORDS) if same_table else budget) - used
        steps = [-1, 1]
        while steps:
            for step in tuple(steps):
                near = place.get(edge[step] + step)
                skipped = near is not None and near.layer is Layer.FURNITURE
                if near is None or (not skipped and same_table and near.table != here.table):
                    steps.remove(step)
                elif skipped:
                    edge[step] += step
                elif (cost := words(near.text)) <= room:
                    edge[step] += step
                    room -= cost
                    used += cost
                    taken.append(near)
                else:
                    steps.remove(step)
    return _text(sorted(taken, key=lambda p: p.ordinal))


def _text(parts: Sequence[Passage]) -> str:
    lines: list[str] = []
    table: int | None = None
    for part in parts:
        repeated = part.table is not None and part.table == table
        lines += [part.context] if part.context and not repeated else []
        lines.append(part.text)
        table = part.table
    return "\n".join(lines)
