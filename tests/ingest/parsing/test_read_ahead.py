"""Pages begin as long as the servers want crops, in the order of the documents, and memory stays bounded."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paperlode.ingest.parsing.read_ahead import LEAST_OPEN, PageOnItsWay, ReadAhead, Stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


@dataclass
class Wants:
    """A recogniser with a line of crops and crops under way, as told."""

    in_line: int = 0
    under_way: int = 0

    async def recognise(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


async def _begun(stretch: Stretch, most: int = 10_000) -> list[PageOnItsWay]:
    """Pages of the document that begin without anything else happening."""
    pages: list[PageOnItsWay] = []
    while len(pages) < most:
        waiting = asyncio.ensure_future(stretch.begin())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not waiting.done():
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            break
        pages.append(waiting.result())
    return pages


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(body())


def test_a_few_pages_are_always_open() -> None:
    """However long the line of crops is."""

    async def body() -> None:
        assert len(await _begun(ReadAhead(Wants(in_line=10**6)).stretch())) == LEAST_OPEN

    run(body)


def test_more_pages_begin_while_the_line_is_short() -> None:
    """As many as may be prepared at once, and again as many when those are; none when the line is long enough."""

    async def body() -> None:
        wants = Wants(in_line=10, under_way=400)
        stretch = ReadAhead(wants, preparing=20).stretch()
        first = await _begun(stretch)
        assert len(first) == 20
        for page in first:
            page.prepared()
        assert len(await _begun(stretch)) == 20
        for page in first:
            page.read()
        wants.in_line = 200
        assert not await _begun(stretch)
        wants.in_line = 199
        assert len(await _begun(stretch)) == 0  # 20 are still being prepared

    run(body)


def test_a_page_that_waits_begins_when_another_is_done() -> None:
    """Without anybody asking again."""

    async def body() -> None:
        stretch = ReadAhead(Wants(in_line=10**6)).stretch()
        pages = await _begun(stretch)
        waiting = asyncio.ensure_future(stretch.begin())
        await asyncio.sleep(0)
        assert not waiting.done()
        pages[3].read()
        pages[3].read()
        await asyncio.sleep(0)
        assert waiting.done()
        assert len(await _begun(stretch)) == 0

    run(body)


def test_the_first_document_goes_before_the_others() -> None:
    """A place that becomes free is given to the document that stands first, not to the one that asked first."""

    async def body() -> None:
        ahead = ReadAhead(Wants(in_line=10**6))
        first, second = ahead.stretch(), ahead.stretch()
        pages = await _begun(second)
        late = asyncio.ensure_future(second.begin())
        await asyncio.sleep(0)
        early = asyncio.ensure_future(first.begin())
        await asyncio.sleep(0)
        pages[0].read()
        await asyncio.sleep(0)
        assert (early.done(), late.done()) == (True, False)
        late.cancel()

    run(body)


def test_what_is_kept_of_later_documents_never_stops_the_first() -> None:
    """Its caller waits for it, and would not come to take the others: they stop at half of what may be kept."""

    async def body() -> None:
        ahead = ReadAhead(Wants(), most_kept=100)
        first, second = ahead.stretch(), ahead.stretch()
        kept = 0
        while pages := await _begun(second, 1):
            pages[0].read()
            kept += 1
        assert kept == ahead.kept == 50
        mine = 0
        while pages := await _begun(first, 1):
            pages[0].read()
            mine += 1
        assert mine == 100
        first.taken()
        assert len(await _begun(first, 5)) == 1

    run(body)


def test_a_document_that_ends_gives_everything_back() -> None:
    """What was kept of it no longer counts, and the next document is the first."""

    async def body() -> None:
        ahead = ReadAhead(Wants(), most_kept=4)
        first, second = ahead.stretch(), ahead.stretch()
        for page in await _begun(first, 4):
            page.read()
        assert not await _begun(second)
        waiting = asyncio.ensure_future(second.begin())
        await asyncio.sleep(0)
        first.end()
        first.end()
        await asyncio.sleep(0)
        assert waiting.done()
        waiting.result().read()
        assert (ahead.open, ahead.being_prepared, ahead.kept) == (0, 0, 1)

    run(body)


def test_one_that_stops_waiting_takes_no_place() -> None:
    """Cancelled in the moment it was let in, its page counts as given up."""

    async def body() -> None:
        ahead = ReadAhead(Wants(in_line=10**6))
        stretch = ahead.stretch()
        pages = await _begun(stretch)
        waiting = asyncio.ensure_future(stretch.begin())
        await asyncio.sleep(0)
        pages[0].read()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert ahead.open == LEAST_OPEN - 1

    run(body)
