"""Points of the embedded index that wait in memory until their document is published: a new one is then written at once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from .points import ROWS, STAGED, STATE

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Waiting"]

MOST_VECTORS = 1024
"""Vectors of meaning, those of table rows too, that may wait: some 20 MB with all that belongs to their points, and as much
again while they are written. A document of a hundred pages waits whole."""


class Waiting:
    """The engine's points by document, in the order in which they came."""

    def __init__(self) -> None:
        self._points: dict[str, list[Any]] = {}
        self._vectors: dict[str, int] = {}

    @cached_property
    def _point(self) -> Any:
        from qdrant_edge import Point

        return Point

    def add(self, point: str, vectors: dict[str, Any], payload: dict[str, Any]) -> None:
        """One more, as it is to be seen when it is published."""
        document = payload["document"]
        self._points.setdefault(document, []).append(self._point(point, vectors, payload))
        self._vectors[document] = self._vectors.get(document, 0) + 1 + len(vectors.get(ROWS, ()))

    @property
    def too_many(self) -> bool:
        """Whether no more should wait."""
        return sum(self._vectors.values()) > MOST_VECTORS

    def documents(self) -> list[str]:
        """Those with points that wait."""
        return list(self._points)

    def of(self, document: str) -> Sequence[Any]:
        """The points of a document."""
        return self._points.get(document, ())

    def hidden(self, document: str) -> list[Any]:
        """The same, marked as staged: to be written before their document is published."""
        return [self._point(p.id, p.vector, p.payload | {STATE: STAGED}) for p in self.of(document)]

    def drop(self, document: str) -> None:
        """They are written, or not wanted any more."""
        self._points.pop(document, None)
        self._vectors.pop(document, None)
