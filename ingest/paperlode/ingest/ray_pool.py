"""A pool of Ray actors: each call goes to the least busy of them, and again to another where one is lost.

One thread on the driver keeps the books. An actor gets no call before it has answered that it is ready, so that one that
waits for room in the cluster holds nothing up. Actors that are lost are replaced; where the number of workers follows the
cluster, nodes that join get workers too.

When an actor dies nobody can tell which of its calls it died of. So they are made again beside others; a call that was lost
twice is from then on made by itself, by a worker that has nothing else meanwhile, and only what it costs there counts.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import queue
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import ClusterUnavailable, PageCrashed, PaperlodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from paperlode.ingest.ray_cluster import Cluster

__all__ = ["PATIENCE", "ActorPool", "Begun", "WorkerLost"]

PATIENCE = 900.0
"""Seconds that calls wait while no worker is ready, before the run ends: as long as for recognition servers."""
_TICK = 1.0
_LEAVE = 2.0
_PAUSE = 2.0
"""Seconds before an actor is started in place of one that died while it started, doubled each time up to a minute."""

_settling = threading.Lock()

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Begun:
    """What an actor's ``begin`` answers.

    Attributes:
        node: id of its node.
        pid: of its process.
        error: why it can do nothing; then no other will, and the run ends.
    """

    node: str
    pid: int
    error: PaperlodeError | None = None


class WorkerLost(Exception):
    """The workers that were given the call died each time, in the end with nothing else to do, on nodes that did not."""


@dataclass(eq=False, slots=True)
class _Call:
    rank: int
    number: int
    method: str
    args: tuple[Any, ...]
    losses: int
    lost: int = 0
    alone: bool = False
    future: Future[Any] = field(default_factory=Future)

    def __lt__(self, other: _Call) -> bool:
        return (self.rank, self.number) < (other.rank, other.number)

    def may_go_on(self) -> bool:
        """Once more lost; whether it is made again."""
        self.lost += 1
        if self.alone:
            self.losses -= 1
        self.alone = self.lost > 1
        return self.losses > 0


@dataclass(eq=False, slots=True)
class _Worker:
    actor: Any
    begun: Begun | None = None
    calls: set[_Call] = field(default_factory=set)


class ActorPool:
    """See the module.

    Args:
        cluster: where they run.
        start: makes an actor, which has ``begin() -> Begun`` and ``end()``.
        workers: how many there should be, asked once a second.
        calls_at_once: most calls of one actor, the ones that wait there included.
        patience: see ``PATIENCE``.
    """

    def __init__(
        self,
        cluster: Cluster,
        start: Callable[[], Any],
        *,
        workers: Callable[[], int],
        calls_at_once: int,
        patience: float = PATIENCE,
    ) -> None:
        self.calls_at_once = calls_at_once
        self._cluster, self._start, self._wanted, self._patience = cluster, start, workers, patience
        self._target = max(1, workers())
        self._events: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._line: list[_Call] = []
        self._suspects: list[_Call] = []
        self._apart: _Worker | None = None
        self._numbers = itertools.count()
        self._workers: list[_Worker] = []
        self._broken: PaperlodeError | None = None
        self._closing = threading.Lock()
        self._closed = False
        self._start_after = 0.0
        self._died_starting = 0
        self._without_since = time.monotonic()
        self._thread = threading.Thread(target=self._keep, name="ray-pool", daemon=True)
        self._thread.start()

    @property
    def workers(self) -> int:
        """How many there should be."""
        return self._target

    @property
    def ready(self) -> list[Begun]:
        """The workers that take calls now."""
        return [w.begun for w in list(self._workers) if w.begun is not None]

    def submit(self, method: str, *args: Any, rank: int = 0, losses: int = 2) -> Future[Any]:
        """Calls the method on one of the actors.

        Args:
            method: of the actor.
            args: for it.
            rank: calls with a lower one go first.
            losses: workers that the call may cost when it is made by itself; 0: it is given up when first lost. Workers
                that are lost with their nodes do not count.

        Returns:
            A future with the result; with ``WorkerLost``; with the error that ends the run; or with PageCrashed where the
            pool was closed.
        """
        call = _Call(rank, next(self._numbers), method, args, losses)
        self._events.put(lambda: self._queue(call))
        if self._closed:  # nobody reads that any more
            _settle(call, error=_ended())
        return call.future

    def close(self) -> None:
        """Ends the actors and gives up what is under way. Idempotent."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._events.put(None)
        self._thread.join()

    # -- in the thread of its own

    def _keep(self) -> None:
        next_look = 0.0
        while True:
            try:
                event = self._events.get(timeout=_TICK)
            except queue.Empty:
                event = _nothing
            if event is None:
                break
            try:
                event()
                if (now := time.monotonic()) >= next_look:
                    next_look = now + _TICK
                    self._look(now)
                self._assign()
            except Exception as exc:  # noqa: BLE001  Ray's, where the head of the cluster is gone; no caller may wait for ever
                self._break(ClusterUnavailable(f"The Ray cluster cannot be used any more: {_one_line(exc)}."))
        self._take_leave()
        for worker in list(self._workers):
            self._end(worker)
        self._give_up(_ended())
        while not self._events.empty():  # calls that came meanwhile
            if (event := self._events.get()) is not None:
                event()
        self._give_up(_ended())

    def _take_leave(self) -> None:
        """Lets the actors put their things in order, if they are not too busy."""
        with suppress(Exception):
            leaving = [w.actor.end.remote() for w in self._workers if w.begun is not None]
            self._cluster.ray.wait(leaving, num_returns=len(leaving), timeout=_LEAVE)

    def _queue(self, call: _Call) -> None:
        if self._broken is not None:
            _settle(call, error=self._broken)
        else:
            heapq.heappush(self._line, call)

    def _look(self, now: float) -> None:
        if self._broken is not None:
            return
        self._target = max(1, self._wanted())
        while len(self._workers) < self._target and now >= self._start_after:
            self._begin()
        if any(w.begun for w in self._workers) or not (self._line or self._suspects):
            self._without_since = now
        elif now - self._without_since > self._patience:
            self._break(
                ClusterUnavailable(
                    f"No worker of the Ray cluster was ready for {self._patience:.0f} s.",
                    hint="Look at it with: ray status. Then run the same command again; what is done is kept.",
                )
            )

    def _begin(self) -> None:
        worker = _Worker(self._start())
        self._workers.append(worker)
        self._when_done(worker.actor.begin.remote(), lambda f: self._begun(worker, f))

    def _begun(self, worker: _Worker, future: Future[Begun]) -> None:
        if worker not in self._workers:
            return
        if future.exception() is not None:
            log.warning("a Ray worker did not start: %s", _one_line(future.exception()))
            self._end(worker)
            self._died_starting += 1
            self._start_after = time.monotonic() + min(60.0, _PAUSE * 2 ** (self._died_starting - 1))
            return
        begun = future.result()
        if begun.error is not None:
            self._break(begun.error)
            return
        worker.begun = begun
        self._died_starting = 0

    def _assign(self) -> None:
        self._assign_suspect()
        while self._line:
            able = [w for w in self._workers if w.begun is not None and len(w.calls) < self.calls_at_once]
            able = [w for w in able if w is not self._apart and not any(c.alone for c in w.calls)]
            if not able:
                return
            self._send(min(able, key=lambda w: len(w.calls)), heapq.heappop(self._line))

    def _assign_suspect(self) -> None:
        """One worker is kept free of other calls for as long as there are some that are made alone."""
        if not self._suspects:
            self._apart = None
            return
        if self._apart not in self._workers:
            self._apart = min((w for w in self._workers if w.begun), key=lambda w: len(w.calls), default=None)
        if self._apart is not None and not self._apart.calls:
            self._send(self._apart, heapq.heappop(self._suspects))

    def _send(self, worker: _Worker, call: _Call) -> None:
        if call.future.cancelled():
            return
        worker.calls.add(call)
        reference = getattr(worker.actor, call.method).remote(*call.args)
        self._when_done(reference, lambda f: self._done(worker, call, f))

    def _done(self, worker: _Worker, call: _Call, future: Future[Any]) -> None:
        error = future.exception()
        if error is None:
            worker.calls.discard(call)
            _settle(call, value=future.result())
        elif self._is_loss(error):
            self._lost(worker, error)
        else:
            worker.calls.discard(call)
            _settle(call, error=error)

    def _is_loss(self, error: BaseException) -> bool:
        kinds = self._cluster.ray.exceptions
        return isinstance(error, kinds.RayError) and not isinstance(error, kinds.RayTaskError)

    def _lost(self, worker: _Worker, error: BaseException) -> None:
        """The worker is given up, its calls go to others; those that were sent to it and come back later are not heeded."""
        if worker not in self._workers:
            return
        assert worker.begun is not None
        calls, worker.calls = worker.calls, set()
        self._end(worker)
        with_node = not self._cluster.is_alive(worker.begun.node)
        log.warning(
            "a Ray worker was lost%s, %d calls are made again: %s",
            " with its node" if with_node else "",
            len(calls),
            _one_line(error),
        )
        for call in calls:
            if with_node or call.may_go_on():
                heapq.heappush(self._suspects if call.alone else self._line, call)
            else:
                _settle(call, error=WorkerLost(_one_line(error)))

    def _end(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        for call in worker.calls:
            _settle(call, error=_ended())
        with suppress(Exception):
            self._cluster.ray.kill(worker.actor)

    def _break(self, error: PaperlodeError) -> None:
        self._broken = error
        self._give_up(error)
        for worker in list(self._workers):
            for call in worker.calls:
                _settle(call, error=error)
            self._end(worker)

    def _give_up(self, error: PaperlodeError) -> None:
        for waiting in (self._line, self._suspects):
            while waiting:
                _settle(waiting.pop(), error=error)

    def _when_done(self, reference: Any, then: Callable[[Future[Any]], None]) -> None:
        future: Future[Any] = reference.future()
        future.add_done_callback(lambda f: self._events.put(lambda: then(f)))


def _nothing() -> None:
    """Only a look around."""


def _ended() -> PageCrashed:
    return PageCrashed("The workers were ended before they were done.")


def _settle(call: _Call, value: Any = None, *, error: BaseException | None = None) -> None:
    with _settling:
        if call.future.done() or not call.future.set_running_or_notify_cancel():
            return
        if error is not None:
            call.future.set_exception(error)
        else:
            call.future.set_result(value)


def _one_line(error: BaseException | None) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
