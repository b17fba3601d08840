"""How far to read ahead: which document may begin its next page, so that no server waits and memory stays bounded.

A page is begun (rendered, laid out), then its crops are with the recogniser, then it is read, then taken by the caller, who
wants a document's pages in order. One slow crop holds back the pages after it, which are kept until it is done.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paperlode.ingest.vllm.values import Recogniser

__all__ = ["PageOnItsWay", "ReadAhead", "Stretch"]

LEAST_OPEN = 8
"""Pages that may always be open."""
MOST_OPEN = 16384
"""Most crops of a page are read long before its slowest: an open page waits for three on the average, and holds these as they
are sent, about 50 KB each. So full servers need a page open for every three or four crops that they take."""
MOST_KEPT = 16384
"""Pages read and not yet taken, about 50 KB each; reached where servers read 60 pages a second and one crop takes minutes."""
LEAST_IN_LINE = 16
"""Crops that should wait for their turn; at least half as many as are under way, which lasts while a page is laid out."""


class ReadAhead:
    """Lets the pages of several documents begin; belongs to one event loop.

    Args:
        recogniser: gets the crops.
        preparing: pages that may be rendered and laid out at once.
        most_open, most_kept: bounds; see the constants.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        *,
        preparing: int = LEAST_OPEN,
        most_open: int = MOST_OPEN,
        most_kept: int = MOST_KEPT,
    ) -> None:
        self._recogniser = recogniser
        self._preparing = preparing
        self._most_open, self._most_kept = most_open, most_kept
        self._stretches: list[Stretch] = []
        self.being_prepared = 0
        self.open = 0
        self.kept = 0

    def stretch(self) -> Stretch:
        """The pages of one more document, after those of all others in rank."""
        made = Stretch(self)
        self._stretches.append(made)
        return made

    def may_begin(self, stretch: Stretch) -> bool:
        """Whether one more page of the document may begin now.

        The first document not yet taken to its end may always go on: its caller waits for it, and would never come to
        take what is kept of the others.
        """
        first = stretch is self._stretches[0]
        most = self._most_kept if first else self._most_kept // 2
        if (stretch.untaken if first else self.open + self.kept) >= most:
            return False
        if self.open < LEAST_OPEN:
            return True
        enough = max(LEAST_IN_LINE, self._recogniser.under_way // 2)
        return (
            self.open < self._most_open and self.being_prepared < self._preparing and self._recogniser.in_line < enough
        )

    def wake(self) -> None:
        """Something changed: lets pages begin, those of the first documents first."""
        for stretch in list(self._stretches):
            stretch.serve()

    def ended(self, stretch: Stretch) -> None:
        """Nothing more of the document will begin or be taken."""
        if stretch in self._stretches:
            self._stretches.remove(stretch)
            self.wake()


class Stretch:
    """The pages of one document on their way; see ``ReadAhead.stretch``."""

    def __init__(self, ahead: ReadAhead) -> None:
        self._ahead = ahead
        self._line: deque[asyncio.Future[PageOnItsWay]] = deque()
        self._open: set[PageOnItsWay] = set()
        self._kept = 0
        self._ended = False

    @property
    def untaken(self) -> int:
        """Pages begun and not yet taken."""
        return len(self._open) + self._kept

    async def begin(self) -> PageOnItsWay:
        """Waits until the next page may begin; that page, which then counts."""
        future: asyncio.Future[PageOnItsWay] = asyncio.get_running_loop().create_future()
        self._line.append(future)
        self.serve()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                future.result().read()
            raise

    def serve(self) -> None:
        """Lets those in line begin, as far as they may."""
        while self._line and (self._line[0].done() or self._ahead.may_begin(self)):
            future = self._line.popleft()
            if not future.done():
                page = PageOnItsWay(self, self._ahead)
                self._open.add(page)
                future.set_result(page)

    def left(self, page: PageOnItsWay) -> None:
        """The page is read; it is kept until it is taken."""
        self._open.discard(page)
        if not self._ended:
            self._kept += 1
            self._ahead.kept += 1

    def taken(self) -> None:
        """The caller has taken a page that was read."""
        if not self._ended:
            self._kept -= 1
            self._ahead.kept -= 1
            self._ahead.wake()

    def end(self) -> None:
        """The caller wants no more; what is kept is given up. Idempotent."""
        if not self._ended:
            self._ended = True
            self._ahead.kept -= self._kept
            self._kept = 0
            self._ahead.ended(self)


class PageOnItsWay:
    """One page, from its beginning until it is read."""

    __slots__ = ("_ahead", "_prepared", "_read", "_stretch")

    def __init__(self, stretch: Stretch, ahead: ReadAhead) -> None:
        self._stretch, self._ahead = stretch, ahead
        self._prepared = self._read = False
        ahead.open += 1
        ahead.being_prepared += 1

    def prepared(self) -> None:
        """Its crops are with the recogniser. Idempotent."""
        if not self._prepared:
            self._prepared = True
            self._ahead.being_prepared -= 1
            self._ahead.wake()

    def read(self) -> None:
        """It is read, failed or given up. Idempotent."""
        if not self._read:
            self._read = True
            self._ahead.open -= 1
            self._stretch.left(self)
            self.prepared()
            self._ahead.wake()
