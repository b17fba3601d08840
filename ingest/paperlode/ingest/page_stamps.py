"""What was read of each page, as a hash: part of the ids of the chunks that stand there, so that these change with the page."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from paperlode.ingest.document import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from paperlode.ingest.document import ParsedPage

__all__ = ["PageStamps"]

BYTES = 16


class PageStamps:
    """The stamps of one document's pages, noted as the pages stream by; 16 bytes a page are kept."""

    def __init__(self) -> None:
        self._by_page: dict[int, bytes] = {}

    def note(self, page: ParsedPage) -> None:
        """Take down a page: everything that the parser said of it."""
        self._by_page[page.page] = hashlib.blake2b(to_json(page).encode(), digest_size=BYTES).digest()

    def of(self, pages: Iterable[int]) -> str:
        """The stamps of these pages, ascending; nothing for a page that is not known."""
        return "".join(self._by_page.get(p, b"").hex() for p in sorted(pages))
