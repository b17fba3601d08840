"""Our client against the simulated server: the real ``VLLMRecogniser`` and ``ReadAhead``, as ``paddleocr_vl`` uses them.

What is simulated beside the server: rendering and layout of a page (``PREPARE`` seconds, with as many workers as a machine
of 64 cores has) and the encoding of a crop (``ENCODE``). What ``judge`` does on the wire is done here as well: an output that
loops or was cut off is asked for once more with a little temperature; a crop that fails is given up, its page goes on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from paperlode.ingest.errors import ServerError
from paperlode.ingest.parsing.judge import RETRY_TEMPERATURE
from paperlode.ingest.parsing.paddleocr_vl import DOCUMENTS_AT_ONCE
from paperlode.ingest.parsing.read_ahead import ReadAhead
from paperlode.ingest.vllm.client import VLLMRecogniser
from paperlode.ingest.vllm.loops import LoopWatch
from paperlode.ingest.vllm.values import End

from .clock import run
from .server import SimulatedServers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from paperlode.ingest.parsing.read_ahead import PageOnItsWay, Stretch

    from .engine import Card
    from .work import Page, Piece, Work

__all__ = ["Read", "Second", "ours"]

PREPARE = 0.3
"""Seconds to render a page (200 dpi) and lay it out, in a worker."""
ENCODE = 0.01
WORKERS = 64
_PREPARING = 2 * WORKERS + 2  # as ``PaddleOCRVLParser`` has it


@dataclass(frozen=True, slots=True)
class Second:
    """What was seen once a second.

    Attributes:
        at: seconds from the start.
        limit: requests that ``Pressure`` allows, all addresses together.
        at_once: requests under way.
        work: of the engines up to now, see ``Engine.work``.
    """

    at: float
    limit: int
    at_once: int
    work: float


@dataclass
class Read:
    """What a run did; times in seconds from its start.

    Attributes:
        crops: when each crop was read, and its share of its page.
        pages: when each page was read.
        seconds: one entry a second.
        lost: crops given up.
        most_open, most_kept: pages under way, and pages read that waited for those before them, at most.
    """

    crops: list[tuple[float, float]] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    seconds: list[Second] = field(default_factory=list)
    lost: int = 0
    most_open: int = 0
    most_kept: int = 0

    def rate(self, begin: float, end: float) -> float:
        """Pages a second between two moments, each crop counting for its share of its page."""
        return sum(share for t, share in self.crops if begin <= t < end) / (end - begin)

    def work(self, begin: float, end: float) -> float:
        """``Engine.work`` a second between two moments, all engines together."""
        inside = [s for s in self.seconds if begin <= s.at <= end]
        return (inside[-1].work - inside[0].work) / (inside[-1].at - inside[0].at)

    def found_after(self, least: float, window: float = 10.0) -> float:
        """The moment after which the server did so much work a second in every window; the end where it did not."""
        found = self.seconds[-1].at
        for s in reversed(self.seconds):
            if s.at + window <= self.seconds[-1].at:
                if self.work(s.at, s.at + window) < least:
                    return found
                found = s.at
        return found


def ours(
    work: Work,
    addresses: Mapping[str, Sequence[Card]],
    *,
    seconds: float,
    document: int | None = None,
    lanes: int = DOCUMENTS_AT_ONCE,
    queue: int | None = None,
) -> Read:
    """Reads pages for so many virtual seconds, with nothing set.

    Args:
        work: the pages.
        addresses: see ``SimulatedServers``.
        seconds: to the end of the run.
        document: pages of a document; None for one without end.
        lanes: documents at a time; default as many as ``feed`` reads with this parser.
        queue: see ``SimulatedServers``.
    """

    async def drive() -> Read:
        loop = asyncio.get_running_loop()
        servers = SimulatedServers(work, addresses, queue=queue)
        async with VLLMRecogniser(
            list(addresses), watch=lambda _: LoopWatch(), transport=servers.transport
        ) as recogniser:
            reader = _Reader(recogniser)
            documents = _documents(work, document)
            for _ in range(lanes if document else 1):
                reader.start(documents)
            while (now := loop.time()) < seconds:
                await asyncio.sleep(min(1.0, seconds - now))
                limit = sum(r.pressure.limit for r in recogniser._replicas.all)
                reader.result.seconds.append(Second(loop.time(), limit, recogniser.under_way, servers.work))
            await reader.stop()
        return reader.result

    return run(drive())


def _documents(work: Work, pages: int | None) -> Iterator[Iterator[Page]]:
    if pages is None:
        yield work.pages()
        return
    first = 0
    while True:
        yield (work.page(n) for n in range(first, first + pages))
        first += pages


class _Reader:
    """What ``PaddleOCRVLParser`` does, without pictures and threads."""

    def __init__(self, recogniser: VLLMRecogniser) -> None:
        self._recogniser = recogniser
        self._ahead = ReadAhead(recogniser, preparing=_PREPARING)
        self._loop = asyncio.get_running_loop()
        self._lanes: list[asyncio.Task[None]] = []
        self.result = Read()

    def start(self, documents: Iterator[Iterator[Page]]) -> None:
        """One more lane: a document of these after the other."""
        self._lanes.append(asyncio.create_task(self._lane(documents)))

    async def stop(self) -> None:
        """Gives up what is under way; raises what broke a lane."""
        broken = [t for t in self._lanes if t.done()]
        others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for task in broken:
            task.result()

    async def _lane(self, documents: Iterator[Iterator[Page]]) -> None:
        """Their pages are taken in order."""
        for pages in documents:
            stretch = self._ahead.stretch()
            reading: asyncio.Queue[asyncio.Task[None] | None] = asyncio.Queue()
            begun = asyncio.create_task(self._begin(pages, stretch, reading))
            while (page := await reading.get()) is not None:
                await page
                stretch.taken()
            await begun
            stretch.end()

    async def _begin(
        self, pages: Iterator[Page], stretch: Stretch, reading: asyncio.Queue[asyncio.Task[None] | None]
    ) -> None:
        for page in pages:
            place = await stretch.begin()
            reading.put_nowait(asyncio.create_task(self._page(page, place)))
        reading.put_nowait(None)

    async def _page(self, page: Page, place: PageOnItsWay) -> None:
        await asyncio.sleep(PREPARE)
        place.prepared()
        await asyncio.sleep(ENCODE)
        await asyncio.gather(*(self._crop(p, 1 / len(page.pieces)) for p in page.pieces))
        self.result.pages.append(self._loop.time())
        place.read()
        self.result.most_open = max(self.result.most_open, self._ahead.open)
        self.result.most_kept = max(self.result.most_kept, self._ahead.kept)

    async def _crop(self, piece: Piece, share: float) -> None:
        crop = piece.crop()
        try:
            for temperature in (0.0, RETRY_TEMPERATURE):
                try:
                    answer = await self._recogniser.recognise(crop, temperature=temperature)
                finally:
                    self._ahead.wake()
                if answer.end is End.STOP:
                    self.result.crops.append((self._loop.time(), share))
                    return
        except ServerError:
            pass
        self.result.lost += 1
