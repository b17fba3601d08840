"""The ledger of an index folder, opened in full when that is first needed: a search only glances at it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from paperlode.ingest import ledger_glance

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from paperlode.api.directory import Manifest
    from paperlode.ingest.ledger import Ledger
    from paperlode.ingest.ledger_glance import Glance
    from paperlode.ingest.ledger_postgres import Claim

__all__ = ["LateLedger"]


class LateLedger:
    """The ledger of a folder that this process holds. Its methods may be called from several threads.

    Args:
        path: where it is, if it is a file.
        manifest: says where it is else, and where parsed pages are kept.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self._path = path
        self._manifest = manifest
        self._lock = threading.Lock()
        self._ledger: Ledger | None = None

    def whole(self) -> Ledger:
        """The ledger with all that it can do; made if there is none. Raises like ``Ledger.open``."""
        with self._lock:
            if self._ledger is None:
                from paperlode.ingest.ledger import Ledger
                from paperlode.ingest.page_store import open_pages

                store = open_pages(self._manifest.pages) if self._manifest.pages else None
                self._ledger = Ledger.open(self._manifest.ledger or self._path, store=store, claim=self._claim())
            return self._ledger

    def _claim(self) -> Claim | None:
        if not self._manifest.ledger:
            return None
        from paperlode.ingest.ledger_postgres import Claim

        return Claim(self._manifest.archive, new=not self._manifest.ready)

    def glance(self) -> Glance | None:
        """What can be told without opening it in full; None where that is not enough, or it is no file."""
        return None if self._manifest.ledger else ledger_glance.glance(self._path)

    def names(self, digests: Collection[str]) -> dict[str, str]:
        """File names by digest. Raises like ``Ledger.names``."""
        glances = self._ledger is None and not self._manifest.ledger
        found = ledger_glance.names(self._path, digests) if glances else None
        return self.whole().names(digests) if found is None else found

    def close(self) -> None:
        """Let go of the database. Idempotent; what is asked for afterwards opens it again, as with ``Ledger``."""
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()
