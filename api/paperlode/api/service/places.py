"""Where the service keeps what: a folder beside the index that it serves, which is one of its collections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from paperlode.api.directory import SERVICE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ROOT", "Places"]

ROOT = "root"
"""Id of the collection that is the index folder itself."""


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of a service.

    Attributes:
        root: the index folder.
    """

    root: Path

    @property
    def folder(self) -> Path:
        """What is the service's own."""
        return self.root / SERVICE

    @property
    def database(self) -> Path:
        """Of tenants, keys and jobs, where that is a file."""
        return self.folder / "service.sqlite"

    @property
    def lock(self) -> Path:
        """Held by the process that owns the indexes."""
        return self.folder / "lock"

    @property
    def working(self) -> Path:
        """Held, shared, by each worker that is alive."""
        return self.folder / "working"

    def whole(self, collection: str) -> Path:
        """What there is of a collection (its id), but for the index of ``ROOT``."""
        return self.folder / "collections" / collection

    def index(self, collection: str) -> Path:
        """The archive of a collection."""
        return self.root if collection == ROOT else self.whole(collection) / "index"

    def files(self, collection: str) -> Path:
        """The files of a collection, as they were uploaded."""
        return self.whole(collection) / "files"
