"""The ledger of an index folder, opened in full when that is first needed: a search only glances at it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from paperlode.ingest import ledger_glance

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from paperlode.ingest.ledger import Ledger
    from paperlode.ingest.ledger_glance import Glance

__all__ = ["LateLedger"]


class LateLedger:
    """The ledger at a path, in a folder that this process holds. Its methods may be called from several threads.

    ``pages`` is where parsed pages are kept; empty for its own database.
    """

    def __init__(self, path: Path, pages: str = "") -> None:
        self._path = path
        self._pages = pages
        self._lock = threading.Lock()
        self._ledger: Ledger | None = None

    def whole(self) -> Ledger:
        """The ledger with all that it can do; made if there is none. Raises like ``Ledger.open``."""
        with self._lock:
            if self._ledger is None:
                from paperlode.ingest.ledger import Ledger
                from paperlode.ingest.page_store import open_pages

                store = open_pages(self._pages) if self._pages else None
                self._ledger = Ledger.open(self._path, store=store)
            return self._ledger

    def glance(self) -> Glance | None:
        """What can be told without opening it in full; None where that is not enough."""
        return ledger_glance.glance(self._path)

    def names(self, digests: Collection[str]) -> dict[str, str]:
        """File names by digest. Raises like ``Ledger.names``."""
        found = ledger_glance.names(self._path, digests) if self._ledger is None else None
        return self.whole().names(digests) if found is None else found

    def close(self) -> None:
        """Let go of the database. Idempotent; what is asked for afterwards opens it again, as with ``Ledger``."""
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()
