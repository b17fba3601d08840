"""Prints of a whole document's pages, taken by the workers side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paperlode.ingest.errors import PageError
from paperlode.ingest.page_prints import PRINTS_AT_ONCE, page_prints

if TYPE_CHECKING:
    from paperlode.ingest.pages import PageRef
    from paperlode.ingest.workers import WorkerPool

__all__ = ["prints_of"]


def prints_of(pool: WorkerPool, first: PageRef, stop: int) -> tuple[str, ...]:
    """The prints of the pages from ``first`` to ``stop`` (exclusive). Pages that take a worker down with them have none.

    Raises:
        SourceError: the file vanished or cannot be opened any more.
    """
    calls = []
    for start in range(first.page, stop, PRINTS_AT_ONCE):
        end = min(start + PRINTS_AT_ONCE, stop)
        calls.append((start, end, pool.submit(page_prints, replace(first, page=start), end)))
    found: list[str] = []
    for start, end, call in calls:
        try:
            found += pool.result(call, f"pages {start + 1} to {end} of {first.path}")
        except PageError:
            found += [""] * (end - start)
    return tuple(found)
