"""The one door to an archive: whoever holds it is alone with it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock

from paperlode.api.archive_like import ArchiveLike

__all__ = ["Busy", "Gate"]


class Busy(Exception):
    """The archive did not become free in time."""


class Gate:
    """An archive and the lock around it.

    Args:
        opened: gives the archive, open as long as the context lasts; it is synchronous, one call at a time, but for ``answer``.
        patience: seconds a caller waits for the others before ``Busy``.
    """

    def __init__(self, opened: Callable[[], AbstractContextManager[ArchiveLike]], *, patience: float = 30.0) -> None:
        self._opened = opened
        self._lock = Lock()
        self._patience = patience

    @contextmanager
    def enter(self) -> Iterator[ArchiveLike]:
        """The archive, for this caller alone. Raises Busy."""
        if not self._lock.acquire(timeout=self._patience):
            raise Busy
        try:
            with self._opened() as archive:
                yield archive
        finally:
            self._lock.release()

    def aside(self) -> AbstractContextManager[ArchiveLike]:
        """The archive for what may run beside whoever is inside: ``answer`` alone."""
        return self._opened()
