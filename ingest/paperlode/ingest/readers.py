"""Which parser read each page of a document, and so what a chunk was read by."""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from paperlode.ingest.document import Chunk, ParsedPage

__all__ = ["Readers"]

_NONE = 0
"""Stands for a page that was not read."""


class Readers:
    """The parsers of one document's pages, noted as the pages stream by; four bytes a page are kept."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._by_page = array("I")
        self._counts: dict[str, int] = {}

    @property
    def counts(self) -> dict[str, int]:
        """Pages by what read them (``ParsedPage.parser``); those that failed are not among them."""
        return dict(self._counts)

    def note(self, page: ParsedPage) -> None:
        """Take down a page. Each comes once, in any order."""
        missing = page.page + 1 - len(self._by_page)
        if missing > 0:
            self._by_page.frombytes(bytes(missing * self._by_page.itemsize))
        if page.failure is None:
            self._by_page[page.page] = self._names.setdefault(page.parser, len(self._names) + 1)
            self._counts[page.parser] = self._counts.get(page.parser, 0) + 1

    def of(self, pages: Iterable[int]) -> tuple[str, ...]:
        """What read these pages, in their order, each once; nothing for a page that failed or is not known."""
        numbers = [self._by_page[p] for p in pages if 0 <= p < len(self._by_page)]
        names = list(self._names)
        return tuple(names[n - 1] for n in dict.fromkeys(numbers) if n != _NONE)

    def mark(self, chunk: Chunk) -> Chunk:
        """The chunk with what read its pages."""
        return replace(chunk, read_by=self.of(chunk.pages))
