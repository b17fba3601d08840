"""Several addresses that serve the same model: which one takes the next request, which is out, and when it comes back.

A replica is out after repeated failures, or at once when it refuses our key or has no such model. A task of its own then
asks it again and again; when it answers it gets one request on trial, and is in again when that succeeds. While none is
in, callers wait; after ``Patience`` has run out they are told why.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from paperlode.ingest.errors import (
    InvalidRequest,
    ServerBusy,
    ServerError,
    ServerIncompatible,
    ServerKeyRefused,
    ServerModelUnknown,
    ServerTimeout,
    ServerUnreachable,
)
from paperlode.ingest.vllm.gates import Breaker, Gate
from paperlode.ingest.vllm.pressure import Flight, Outcome, Pressure
from paperlode.ingest.vllm.replies import may_help_again

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["Patience", "Place", "Replica", "Replicas"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for servers.

    Attributes:
        first_answer: seconds until some server must have answered for the first time; 0 tries once.
        comeback: seconds that all servers may be away later on: a run outlives a restart. vLLM with this model loads in
            about a minute.
        probe_first, probe_longest: seconds before the first probe of a server that is out, and the most between two.
    """

    first_answer: float = 30.0
    comeback: float = 900.0
    probe_first: float = 0.5
    probe_longest: float = 10.0


@dataclass(slots=True, eq=False)
class Replica:
    """One server. ``model`` is the name it serves, empty until it has answered."""

    url: str
    pressure: Pressure
    breaker: Breaker
    model: str = ""
    error: ServerError | None = None
    """Why it is out."""
    received: int = 0
    """Tokens of its streams at its last failure."""
    on_trial: bool = False
    """Whether the one request is under way that decides whether it is in again."""
    prober: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def available(self) -> bool:
        """Whether it may take one more request now."""
        if self.breaker.state == "closed":
            return self.pressure.room
        return self.breaker.state == "half-open" and not self.on_trial


@dataclass(slots=True, eq=False)
class Place:
    """A request's place at a replica; given back by ``Replicas.leave``."""

    replica: Replica
    flight: Flight
    trial: bool = False


class Replicas:
    """The servers of one recogniser. Belongs to one event loop.

    Args:
        urls: their addresses, each once.
        probe: asks a server whether it works, and gives the name of the model it serves; raises ServerError.
        patience: how long callers wait for servers.
        most: requests at once for each, at most.
        now: seconds.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        probe: Callable[[Replica], Awaitable[str]],
        patience: Patience,
        most: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        first, longest = patience.probe_first, patience.probe_longest
        self.all = tuple(
            Replica(u, Pressure(now=now, most=most), Breaker(first=first, longest=longest)) for u in dict.fromkeys(urls)
        )
        self._probe = probe
        self._patience = patience
        self._now, self._most = now, most
        self._gate: Gate[Place] = Gate()
        self._answered = False
        self._alone_since: float | None = None
        self._closed = False

    @property
    def in_line(self) -> int:
        """Callers that wait for a place."""
        return self._gate.waiting

    async def enter(self, *, avoid: Replica | None = None) -> Place:
        """A place at the least loaded replica, as soon as there is one.

        Args:
            avoid: taken only if no other has room: it has just failed this request.

        Raises:
            ServerError: every replica refuses us, or none came back in time.
            InvalidRequest: the recogniser was closed.
        """
        self._check_open()
        self._start()
        if self._given_up():
            raise self._why()
        return await self._gate.wait(
            lambda: self._pick(avoid), undo=lambda place: self.leave(place, asyncio.CancelledError())
        )

    def _pick(self, avoid: Replica | None) -> Place | None:
        free = [r for r in self.all if r.available]
        if not free:
            return None
        best = min(
            free, key=lambda r: (r is avoid, r.breaker.state != "half-open", r.pressure.in_flight / r.pressure.limit)
        )
        best.on_trial = trial = best.breaker.state == "half-open"
        return Place(best, best.pressure.begin(), trial)

    def leave(self, place: Place, error: BaseException | None) -> None:
        """The request is over; ``error`` says how it failed, and None that it was answered.

        What a caller's cancellation or a refused crop says about the server: that it answers, or nothing.
        """
        replica = place.replica
        if place.trial:
            replica.on_trial = False
        if error is None or (isinstance(error, ServerError) and not _is_its_doing(error)):
            place.flight.end(Outcome.DONE)
            replica.breaker.succeeded()
        elif isinstance(error, ServerBusy):
            place.flight.end(Outcome.BUSY)
            replica.breaker.succeeded()
        else:
            place.flight.end(Outcome.LATE if isinstance(error, ServerTimeout) else Outcome.FAILED)
            if isinstance(error, ServerError):
                self._failed(replica, error)
        self._gate.wake()

    def _failed(self, replica: Replica, error: ServerError) -> None:
        if isinstance(error, _REFUSALS) and replica.breaker.state != "open":
            replica.breaker.open()
        else:
            broken = isinstance(error, ServerUnreachable)
            if not replica.breaker.failed(connection=broken, others_go_on=self._others_go_on(replica, broken=broken)):
                return
        self._out(replica, error)

    def _others_go_on(self, replica: Replica, *, broken: bool) -> bool:
        """Whether the replica works for others: where hundreds begin at once, nine of them may fail before any ends."""
        pressure = replica.pressure
        before, replica.received = replica.received, pressure.received
        if broken:
            return pressure.received > before  # all connections break in one moment where a server dies
        return self._now() - pressure.last_received < _ALIVE

    def _out(self, replica: Replica, error: ServerError | None) -> None:
        replica.error = error
        replica.received = 0
        replica.pressure = Pressure(
            now=self._now, most=self._most
        )  # streams that hang there are none of the next server's
        if replica.prober is None and not self._closed:
            replica.prober = asyncio.get_running_loop().create_task(self._bring_back(replica))

    def _start(self) -> None:
        """All are out until they have answered once."""
        if self._alone_since is None and not self._answered:
            self._alone_since = self._now()
            for r in self.all:
                r.breaker.state = "open"
                self._out(r, None)

    # --------------------------------------------------------------------------------------------------- coming back

    async def _bring_back(self, replica: Replica) -> None:
        try:
            while True:
                await asyncio.sleep(random.uniform(0.5, 1.0) * replica.breaker.delay)  # noqa: S311 - jitter
                try:
                    replica.model = await self._probe(replica)
                except ServerError as e:
                    replica.error = e
                    replica.breaker.open()
                    self._note_absence()
                    continue
                replica.error = None
                replica.breaker.probed()
                self._answered, self._alone_since = True, None
                return
        finally:
            replica.prober = None
            self._gate.wake()

    def _note_absence(self) -> None:
        if all(r.breaker.state == "open" for r in self.all):
            if self._alone_since is None:
                self._alone_since = self._now()
            if self._given_up():
                self._gate.fail(self._why)

    def _given_up(self) -> bool:
        """Whether no replica is in, and waiting longer is useless or no longer wanted."""
        if self._alone_since is None or any(r.breaker.state != "open" or r.error is None for r in self.all):
            return False
        if all(r.error is not None and not may_help_again(r.error) for r in self.all):
            return True  # wrong key, wrong model, no such server: all of them answer, and none will serve us
        longest = self._patience.comeback if self._answered else self._patience.first_answer
        return self._now() - self._alone_since >= longest

    def _why(self) -> ServerError:
        """A new error: one that is raised twice would gather the traces of both."""
        errors = [r.error for r in self.all if r.error is not None]
        worst = next((e for e in errors if not may_help_again(e)), errors[0])
        why = type(worst)(worst.what, hint=worst.hint)
        why.everywhere = True
        return why

    # ---------------------------------------------------------------------------------------------------------- end

    def _check_open(self) -> None:
        if self._closed:
            raise _closed()

    async def close(self) -> None:
        """Ends the probes and every waiting; idempotent."""
        self._closed = True
        self._gate.fail(_closed)
        probers = [r.prober for r in self.all if r.prober is not None]
        for task in probers:
            task.cancel()
        for task in probers:
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _closed() -> InvalidRequest:
    return InvalidRequest("The recogniser is closed.")


_ALIVE = 1.0
"""Seconds without a token from any stream after which failures speak against the server."""
_REFUSALS = (ServerKeyRefused, ServerModelUnknown)
"""Errors that every request to the replica would meet."""


def _is_its_doing(error: ServerError) -> bool:
    """Whether the error speaks against the server, not against the crop or the request."""
    return may_help_again(error) or isinstance(error, (*_REFUSALS, ServerIncompatible))
