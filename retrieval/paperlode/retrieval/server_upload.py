"""Points on their way to a server, in batches, a few at a time."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from .points import DENSE, ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Uploader", "json_size"]

FLOAT_BYTES, TERM_BYTES = 12, 22
"""Of a number, and of an index with its value, written as JSON."""


class Uploader:
    """Gathers points into batches and sends these from threads of its own.

    ``add`` waits while ``parallel`` batches are under way: whoever makes points is held to the pace of the server, and no
    more than that many batches and one are in memory. What ``drain`` returned after is stored.

    Args:
        send: sends one batch, and returns once it is stored.
        points, size: a batch is sent once it has so many points, or so many bytes.
        parallel: batches under way; 0 to send within ``add``.
    """

    def __init__(self, send: Callable[[list[Any]], None], *, points: int, size: int, parallel: int) -> None:
        self._send = send
        self._points, self._limit, self._parallel = points, size, parallel
        self._batch: list[Any] = []
        self._bytes = 0
        self._under_way: set[Future[None]] = set()
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix="paperlode-upload") if parallel else None

    def add(self, point: Any, size: int) -> None:
        """Takes a point of about ``size`` bytes. Raises what an earlier batch failed with."""
        if self._batch and self._bytes + size > self._limit:
            self._launch()
        self._batch.append(point)
        self._bytes += size
        if len(self._batch) >= self._points:
            self._launch()

    def drain(self) -> None:
        """Returns once all is stored. Raises what a batch failed with; then nothing is left under way."""
        try:
            self._launch()
        finally:
            done = wait(self._under_way).done
            self._under_way = set()
        _raise_first(done)

    def close(self) -> None:
        """Ends the threads; what is in no batch under way is forgotten."""
        if self._threads:
            self._threads.shutdown(wait=True, cancel_futures=True)

    def _launch(self) -> None:
        if not self._batch:
            return
        batch, self._batch, self._bytes = self._batch, [], 0
        if self._threads is None:
            self._send(batch)
            return
        while len(self._under_way) >= self._parallel:
            done, self._under_way = wait(self._under_way, return_when=FIRST_COMPLETED)
            _raise_first(done)
        self._under_way.add(self._threads.submit(self._send, batch))


def _raise_first(done: set[Future[None]]) -> None:
    for future in done:
        future.result()


def json_size(vectors: Mapping[str, Any], payload: Mapping[str, Any]) -> int:
    """About how many bytes a point takes in a request."""
    size = len(vectors.get(DENSE) or ()) + sum(len(row) for row in vectors.get(ROWS) or ())
    terms = sum(len(v.indices) for v in vectors.values() if hasattr(v, "indices"))
    return FLOAT_BYTES * size + TERM_BYTES * terms + sum(len(str(v)) + len(k) for k, v in payload.items())
