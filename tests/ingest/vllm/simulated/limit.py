"""The simulated server's own limit: what it does when its slots are never empty, with the same crops and no client."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .clock import run
from .engine import Engine, Job
from .server import output_of
from .work import Fault, Work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .engine import Card
    from .work import Piece

__all__ = ["Limit", "limit"]


@dataclass(frozen=True, slots=True)
class Limit:
    """Pages a second, and ``Engine.work`` a second."""

    pages: float
    work: float


def limit(card: Card, work: Work, *, warm: float = 60.0, seconds: float = 300.0) -> Limit:
    """What one replica does at most. Pages a second: each crop counts for its share of its page.

    Two crops for every slot are always there, so that neither the API processes nor the queue run empty. Crops that
    are stuck or fail take no time here: the limit is one of work done.

    Args:
        card: the replica.
        work: its pages from the first on.
        warm: virtual seconds that are not counted.
        seconds: virtual seconds that are.
    """

    async def ideal() -> Limit:
        loop = asyncio.get_running_loop()
        engine = Engine(card)
        done = 0.0

        def crops() -> Iterator[tuple[Piece, float]]:
            for page in work.pages():
                share = 1 / len(page.pieces)
                yield from ((p, share) for p in page.pieces if p.fault is not Fault.FAIL)

        coming = crops()

        def add() -> None:
            piece, share = next(coming)
            tokens = output_of(piece)[0]

            def wrote(written: int) -> None:
                nonlocal done
                if written == tokens:
                    done += share if loop.time() >= warm else 0.0
                    add()

            engine.add(Job(piece.prompt, tokens, wrote))

        for _ in range(2 * card.slots):
            add()
        await asyncio.sleep(warm)
        before = engine.work
        await asyncio.sleep(seconds)
        return Limit(done / seconds, (engine.work - before) / seconds)

    return run(ideal())
