"""The one door to the archive: whoever holds it is alone with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Annotated

from fastapi import Depends, Request

from paperlode.api.archive_like import ArchiveLike

__all__ = ["Busy", "Gate", "GateDep"]


class Busy(Exception):
    """The archive did not become free in time."""


class Gate:
    """An archive and the lock around it.

    Args:
        archive: synchronous, one call at a time, but for ``answer``.
        patience: seconds a caller waits for the others before ``Busy``.
    """

    def __init__(self, archive: ArchiveLike, *, patience: float = 30.0) -> None:
        self._archive = archive
        self._lock = Lock()
        self._patience = patience

    @contextmanager
    def enter(self) -> Iterator[ArchiveLike]:
        """The archive, for this caller alone. Raises Busy."""
        if not self._lock.acquire(timeout=self._patience):
            raise Busy
        try:
            yield self._archive
        finally:
            self._lock.release()

    @property
    def aside(self) -> ArchiveLike:
        """The archive for what may run beside whoever is inside: ``answer`` alone."""
        return self._archive


def _gate(request: Request) -> Gate:
    gate: Gate = request.app.state.gate
    return gate


GateDep = Annotated[Gate, Depends(_gate)]
