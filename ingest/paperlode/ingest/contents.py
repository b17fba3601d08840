"""Contents pages: the headings they announce, read from lines and table rows that end in a page number."""

from __future__ import annotations

import re
from collections import OrderedDict
from itertools import pairwise
from typing import TYPE_CHECKING

from paperlode.ingest.document import Kind, Layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paperlode.ingest.document import Block, ParsedPage

__all__ = ["Contents", "title_key"]

MOST_ENTRIES = 2000
"""Entries that are remembered; a contents list is not longer."""
FEWEST = 3
"""Entries that make a page one of contents."""
EARLY = 20
"""Pages from the document's start on which contents are looked for."""
LONGEST_BLOCK = 20_000
"""Characters of a block that are looked through."""
LONGEST_ENTRY = 300
"""Characters of an entry."""
_LEADER = re.compile(r"\.(?: ?\.){3,}")
_PAGE = re.compile(r"\s*(?:[A-Z]{1,2}-)?(?:\d{1,4}|[ivxl]{1,6})(?=\s|$)")
_LAST_CELL = re.compile(r"(?:[A-Z]{1,2}-)?\d{1,4}|[ivxl]{1,6}")
_WORD = re.compile(r"\w+")


def title_key(text: str) -> str:
    """The title's words without case, blanks and marks, to compare it with others."""
    return "".join(_WORD.findall(text[:400].casefold()))


class Contents:
    """What the contents pages so far announce."""

    def __init__(self) -> None:
        self._keys: OrderedDict[str, None] = OrderedDict()
        self._last = -2

    def lists(self, key: str) -> bool:
        """Whether a heading with this key (see ``title_key``) was announced."""
        return key in self._keys

    def read(self, page: ParsedPage) -> frozenset[int]:
        """Takes down the page's entries; returns the indices of the blocks that are nothing but such entries."""
        if page.page >= EARLY:
            return frozenset()
        found: list[str] = []
        blocks: set[int] = set()
        for i, b in enumerate(page.blocks):
            if b.layer is not Layer.BODY:
                continue
            entries = list(_entries(b))
            if entries:
                found += entries
                blocks.add(i)
        if len(found) < (1 if self._last == page.page - 1 else FEWEST):
            return frozenset()
        self._last = page.page
        for title in found:
            if (key := title_key(title)) and len(self._keys) < MOST_ENTRIES:
                self._keys[key] = None
        return frozenset(blocks)


def _entries(block: Block) -> Iterator[str]:
    if block.kind is Kind.TABLE and block.table is not None:
        rows = [[c.text.strip() for c in block.table.row_cells(r) if c.text.strip()] for r in range(block.table.rows)]
        paged = [r for r in rows if len(r) > 1 and _LAST_CELL.fullmatch(r[-1]) and len(" ".join(r[:-1])) > 3]
        titled = [r for r in paged if not any(re.fullmatch(r"[\d.,$%()\-—–\s]+", c) for c in r[1:-1])]
        if len(titled) > 0.6 * len(rows) and _ascending([r[-1] for r in titled]):
            yield from (" ".join(r[:-1]) for r in titled)
    elif block.kind in (Kind.TEXT, Kind.LIST_ITEM, Kind.TOC, Kind.HEADING):
        yield from _led(block.text[:LONGEST_BLOCK])


def _led(text: str) -> Iterator[str]:
    """The titles in ``Title ..... 12 Title ..... 13``."""
    start = 0
    for dots in _LEADER.finditer(text):
        page = _PAGE.match(text, dots.end())
        if page:
            yield text[start : dots.start()].strip()[-LONGEST_ENTRY:]
            start = page.end()


def _ascending(pages: list[str]) -> bool:
    """Whether the numbers are page numbers: they do not fall, one exception allowed."""
    numbers = [int(p) for p in pages if p.isdigit()]
    falls = sum(b < a for a, b in pairwise(numbers))
    return len(numbers) >= FEWEST and falls <= 1
