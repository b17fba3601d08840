"""Where the service keeps what: folders under its root, which is an index folder or a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Places"]


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of a service.

    Attributes:
        root: of all.
    """

    root: Path

    @property
    def database(self) -> Path:
        """Of tenants, keys and jobs, where that is a file."""
        return self.root / "service.sqlite"

    @property
    def lock(self) -> Path:
        """Held by the process that owns the indexes."""
        return self.root / "service.lock"

    @property
    def working(self) -> Path:
        """Held, shared, by each worker that is alive."""
        return self.root / "service.working"

    def index(self, collection: str) -> Path:
        """The archive of a collection (its id)."""
        return self.root / "collections" / collection / "index"

    def files(self, collection: str) -> Path:
        """The files of a collection, as they were uploaded."""
        return self.root / "collections" / collection / "files"

    def whole(self, collection: str) -> Path:
        """All of a collection."""
        return self.root / "collections" / collection
