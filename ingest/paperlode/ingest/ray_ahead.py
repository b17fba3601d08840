"""How far the documents of a run are read ahead of where they are taken, so that memory stays bounded."""

from __future__ import annotations

import itertools
import threading

__all__ = ["Ahead", "Stretch"]


class Ahead:
    """Lets the pages of several documents be sent to the workers. Its methods may be called from several threads.

    The document begun first may always go on up to the bound, and each other one has at least one run of pages on its way:
    whoever is waited for gets on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._stretches: list[Stretch] = []

    def begin(self) -> Stretch:
        """One more document, after all others in rank."""
        with self._lock:
            made = Stretch(next(self._numbers))
            self._stretches.append(made)
        return made

    def may_send(self, stretch: Stretch, most: int) -> bool:
        """Whether more pages of the document may be sent, where ``most`` may be sent and not taken of all together."""
        with self._lock:
            if stretch.untaken == 0 or sum(s.untaken for s in self._stretches) < most:
                return True
            return stretch is self._stretches[0] and stretch.untaken < most

    def end(self, stretch: Stretch) -> None:
        """Nothing more of the document is wanted."""
        with self._lock:
            self._stretches.remove(stretch)


class Stretch:
    """The pages of one document on their way.

    Attributes:
        rank: of the document: lower ones were begun before.
        untaken: pages sent and not taken; changed by the document's own thread only.
    """

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.untaken = 0
