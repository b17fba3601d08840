"""PaddleX's client policy RESTATED for virtual time, from the source of PaddleX 3.7.2; it is not PaddleX's own code.

Its own code can be installed without weights, but runs on threads and the wall clock. Restated here
(``pipelines/paddleocr_vl/pipeline.py``, ``models/doc_vlm/predictor.py``, ``models/common/genai.py``):

- A call reads pages in batches of 64 in one thread, lays them out in batches of 8 in another, and recognises in a third;
  at most 64 batches wait between two of them.
- The third gathers laid-out batches for 0.5 s, or until they hold 8192 regions, asks for all their crops, at most 200 at
  once, and waits for the last one before it gathers again. When the layout is through, what still waits is asked for 8
  pages at a time.
- No stream, 4096 tokens at most, 600 s for a request. The openai client asks twice more after a time-out or a 5xx, 0.5 and
  1 s later. What still fails cancels its batch and ends the call.

Kindly: reading takes ``LOAD`` a page and layout ``LAYOUT``, whatever the machine; its client costs no time; crops of all tasks
go out together; a crop counts when it was read, if its batch is delivered later; and whoever calls knows at once which page
a failed crop was on, and calls again from the first page that is missing, without that one.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import httpx

from .clock import run
from .ours import Read, Second
from .server import WIRE, SimulatedServers, output_of
from .work import STUCK, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .engine import Card
    from .work import Page, Piece, Work

__all__ = ["AT_ONCE", "paddlex"]

AT_ONCE = 200
LOAD = 0.02
LAYOUT = 0.0238
"""Seconds; PP-DocLayoutV3 on an A100 (PaddleOCR#17837)."""
TIMEOUT = 600.0
_RETRIES = (0.5, 1.0)


class _Ended(Exception):
    """The call ended with an error, because of this page."""

    def __init__(self, page: Page) -> None:
        super().__init__(page.number)
        self.page = page


def paddlex(
    work: Work, addresses: Mapping[str, Sequence[Card]], *, seconds: float, document: int | None = None
) -> Read:
    """Reads pages for so many virtual seconds.

    Args:
        work: the pages.
        addresses: one only: PaddleX takes a single address.
        seconds: to the end of the run.
        document: pages of a call; None for all documents in one call.
    """
    (url,) = addresses

    async def drive() -> Read:
        loop, servers = asyncio.get_running_loop(), SimulatedServers(work, addresses)
        client = _Client(servers, httpx.URL(url).host)
        calling = asyncio.create_task(client.documents(work, document))
        while (now := loop.time()) < seconds:
            await asyncio.sleep(min(1.0, seconds - now))
            client.result.seconds.append(Second(loop.time(), AT_ONCE, client.at_once, servers.work))
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        return client.result

    return run(drive())


class _Client:
    def __init__(self, servers: SimulatedServers, host: str) -> None:
        self._servers, self._host = servers, host
        self._semaphore = asyncio.Semaphore(AT_ONCE)
        self._loop = asyncio.get_running_loop()
        self.result = Read()

    @property
    def at_once(self) -> int:
        """Requests at the server now."""
        return sum(e.load for e in self._servers.engines[self._host])

    async def documents(self, work: Work, document: int | None) -> None:
        for first in itertools.count(0, document or 1):
            left: set[int] = set()
            done: set[int] = set()
            while True:
                try:
                    await self._call(_missing(work, first, document, left | done), done)
                except _Ended as e:
                    left.add(e.page.number)
                    self.result.lost += 1
                else:
                    break

    async def _call(self, pages: Iterator[Page], done: set[int]) -> None:
        """One ``predict``; puts the numbers of delivered pages into ``done``."""
        loaded: asyncio.Queue[list[Page] | None] = asyncio.Queue(64)
        laid_out: asyncio.Queue[list[Page] | None] = asyncio.Queue(64)
        workers = [
            asyncio.create_task(self._load(pages, loaded)),
            asyncio.create_task(self._lay_out(loaded, laid_out)),
        ]
        try:
            await self._recognise(laid_out, done)
        finally:
            for w in workers:
                w.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _load(self, rest: Iterator[Page], out: asyncio.Queue[list[Page] | None]) -> None:
        while batch := list(itertools.islice(rest, 64)):
            await asyncio.sleep(LOAD * len(batch))
            await out.put(batch)
        await out.put(None)

    async def _lay_out(self, loaded: asyncio.Queue[list[Page] | None], out: asyncio.Queue[list[Page] | None]) -> None:
        while (batch := await loaded.get()) is not None:
            for i in range(0, len(batch), 8):
                await asyncio.sleep(LAYOUT * len(batch[i : i + 8]))
                await out.put(batch[i : i + 8])
        await out.put(None)

    async def _recognise(self, laid_out: asyncio.Queue[list[Page] | None], done: set[int]) -> None:
        while True:
            gathered: list[Page] = []
            end, through = self._loop.time() + 0.5, False
            while (wait := end - self._loop.time()) > 0 and sum(len(p.pieces) for p in gathered) < 8192:
                try:
                    batch = await asyncio.wait_for(laid_out.get(), wait)
                except TimeoutError:
                    break
                if batch is None:
                    through = True
                    break
                gathered += batch
            await self._batch(gathered, done)
            if through:
                return

    async def _batch(self, pages: list[Page], done: set[int]) -> None:
        got: list[tuple[float, float]] = []
        crops = [asyncio.create_task(self._crop(p, page, got)) for page in pages for p in page.pieces]
        try:
            await asyncio.gather(*crops)
        except asyncio.CancelledError:  # the run is over; what came counts, unless the batch was bound to fail
            if not any(p.fault is Fault.FAIL for page in pages for p in page.pieces):
                self.result.crops += got
            raise
        finally:
            for c in crops:
                c.cancel()
            await asyncio.gather(*crops, return_exceptions=True)
        self.result.crops += got
        self.result.pages += [self._loop.time()] * len(pages)
        done.update(p.number for p in pages)

    async def _crop(self, piece: Piece, page: Page, got: list[tuple[float, float]]) -> None:
        async with self._semaphore:
            for pause in (*_RETRIES, None):
                try:
                    async with asyncio.timeout(TIMEOUT):
                        if await self._ask(piece):
                            got.append((self._loop.time(), 1 / len(page.pieces)))
                            return
                except TimeoutError:
                    pass
                if pause is None:
                    raise _Ended(page)
                await asyncio.sleep(pause)

    async def _ask(self, piece: Piece) -> bool:
        """Whether an answer came; all of it at once."""
        await asyncio.sleep(WIRE)
        if piece.fault is Fault.FAIL:
            await asyncio.sleep(0.1)
            return False
        if piece.fault is Fault.STUCK:
            await asyncio.sleep(STUCK)
        tokens, _ = output_of(piece)
        whole: asyncio.Future[None] = self._loop.create_future()

        def wrote(written: int) -> None:
            if written == tokens and not whole.done():
                whole.set_result(None)

        engine, job = self._servers.submit(self._host, piece, tokens, wrote)
        try:
            await whole
        finally:
            engine.cancel(job)
        await asyncio.sleep(WIRE)
        return True


def _missing(work: Work, first: int, pages: int | None, without: set[int]) -> Iterator[Page]:
    """The pages of a call, but some."""
    numbers = itertools.count(first) if pages is None else range(first, first + pages)
    return (work.page(n) for n in numbers if n not in without)
