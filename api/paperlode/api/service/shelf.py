"""The collections' archives, opened when they are asked for and closed when others need the room."""

from __future__ import annotations

import shutil
import threading
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from paperlode.api.archive import Archive
from paperlode.ingest.errors import DocumentNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from paperlode.api.service.places import Places
    from paperlode.retrieval.embedding import Embedder
    from paperlode.retrieval.index import Index

__all__ = ["MOST_OPEN", "Shelf"]

MOST_OPEN = 64
"""Archives that stay open: each has some files of the engine mapped, and some megabytes."""


@dataclass(slots=True)
class _Held:
    archive: Archive | None = None
    users: int = 0
    opening: threading.Lock = field(default_factory=threading.Lock)


class Shelf:
    """The archives of a service, each open once in this process. Methods may be called from any thread.

    Args:
        places: where they are.
        embedder: the model of all of them, loaded once.
        opened: opens the archive in a folder, or makes it; None for an embedded one with that model.
        most_open: that stay open while nobody uses them.
    """

    def __init__(
        self,
        places: Places,
        embedder: Embedder,
        *,
        opened: Callable[[Path], Archive] | None = None,
        most_open: int = MOST_OPEN,
    ) -> None:
        self._places = places
        self._opened = opened or partial(Archive.open_or_create, embedder=embedder)
        self._most = most_open
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._gone: set[str] = set()
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)

    @contextmanager
    def archive(self, collection: str) -> Iterator[Archive]:
        """The archive of a collection (its id), made if it has none yet; open as long as the context lasts.

        Raises:
            DocumentNotFound: it is being removed.
            ArchiveError: it cannot be opened.
        """
        held = self._take(collection)
        try:
            with held.opening:  # whoever comes first opens it, and others wait for that
                if held.archive is None:
                    held.archive = self._opened(self._places.index(collection))
            yield held.archive
        finally:
            self._give_back(held)

    @contextmanager
    def index(self, collection: str) -> Iterator[Index]:
        """The index alone, for ``IndexOwner``."""
        with self.archive(collection) as archive:
            yield archive.index

    def _take(self, collection: str) -> _Held:
        with self._lock:
            if collection in self._gone:
                raise DocumentNotFound("There is no such collection.", hint="GET /v1/collections lists them.")
            held = self._held.setdefault(collection, _Held())
            self._held.move_to_end(collection)
            held.users += 1
            return held

    def _give_back(self, held: _Held) -> None:
        with self._lock:
            held.users -= 1
            self._freed.notify_all()
            idle = [k for k, h in self._held.items() if not h.users]
            for key in idle[: max(0, len(self._held) - self._most)]:
                _close(self._held.pop(key))

    def remove(self, collection: str, *, seconds: float = 30.0) -> bool:
        """Removes a collection (its id) with all that it holds, as soon as nobody uses it; from now on nobody begins to.

        Returns:
            Whether it is gone; otherwise somebody still used it after so many seconds.
        """
        with self._lock:
            self._gone.add(collection)
            free = self._freed.wait_for(lambda: not self._held.get(collection, _Held()).users, seconds)
            if free:
                _close(self._held.pop(collection, _Held()))
        if free:
            shutil.rmtree(self._places.whole(collection), ignore_errors=True)
        return free

    def take_back(self, collection: str) -> None:
        """It is not removed after all."""
        with self._lock:
            self._gone.discard(collection)

    def close(self) -> None:
        """Closes all archives. Idempotent."""
        with self._lock:
            while self._held:
                _close(self._held.popitem()[1])


def _close(held: _Held) -> None:
    if held.archive is not None:
        held.archive.close()
