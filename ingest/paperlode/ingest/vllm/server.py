"""``vllm serve``, launched and watched: every replica of a plan, from the first log line to the last signal."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from paperlode.ingest.errors import (
    InvalidRequest,
    MissingExtra,
    ServerFailed,
    ServerIncompatible,
    ServerTimeout,
)
from paperlode.ingest.vllm.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from paperlode.ingest.vllm.flags import Replica, ServePlan

__all__ = ["Limits", "Progress", "VllmServer", "find_vllm"]

_POLL = 0.25
_SHOWN_LINES = 20
_PROBE_SECONDS = 5.0
_BODY_BYTES = 1_000_000


def find_vllm(given: str | None = None) -> str:
    """The ``vllm`` command: the one given (a command, or the environment it is installed in), beside this Python, on PATH.

    Raises:
        MissingExtra: there is none.
    """
    if given:
        path = Path(given).expanduser()
        candidates = [str(path / "bin" / "vllm") if path.is_dir() else str(path) if path.parent.name else given]
    else:
        candidates = [str(Path(sys.executable).parent / "vllm"), "vllm"]
    for candidate in candidates:
        if found := shutil.which(candidate):
            return found
    where = f"as {given!r}" if given else "beside this Python or on PATH"
    raise MissingExtra(
        f"There is no vllm command {where}.",
        hint="Run: pip install 'vllm>=0.11.1' in an environment of its own, and name that with --vllm.",
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """Patience.

    Attributes:
        start: seconds until every replica must answer; the first start loads 2 GB of weights.
        grace: seconds between SIGTERM and SIGKILL.
        restarts: how often a replica that had answered is started again after it died, within ``within`` seconds.
    """

    start: float = 1_200.0
    grace: float = 15.0
    restarts: int = 3
    within: float = 3_600.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the start is.

    Attributes:
        ready: replicas that answer.
        replicas: all of them.
        seconds: since the start.
        line: the latest log line of one that does not answer yet.
    """

    ready: int
    replicas: int
    seconds: float
    line: str


class VllmServer:
    """The replicas of a plan, as a context manager: inside it they answer, after it they are gone.

    Args:
        plan: what to start.
        limits: patience.
        environment: of this process; the replicas inherit it.
        on_progress: called every now and then while they start.
        on_line: called with the number of a replica and each line of its log, from other threads.
    """

    def __init__(
        self,
        plan: ServePlan,
        *,
        limits: Limits | None = None,
        environment: Mapping[str, str] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        on_line: Callable[[int, str], None] | None = None,
    ) -> None:
        self.plan = plan
        self.limits = limits or Limits()
        self.model = ""
        self._environment = dict(os.environ if environment is None else environment)
        self._on_progress = on_progress
        self._on_line = on_line
        self._processes: dict[int, Process] = {}
        self._deaths: dict[int, list[float]] = {}

    @property
    def urls(self) -> tuple[str, ...]:
        """Where the replicas answer, without ``/v1``."""
        return tuple(r.url for r in self.plan.replicas)

    @property
    def pids(self) -> tuple[int, ...]:
        """The process of each replica; empty before the start and after the end."""
        return tuple(self._processes[n].pid for n in sorted(self._processes))

    def start(self) -> None:
        """Starts every replica and waits until all answer; when one cannot, all are ended.

        Raises:
            InvalidRequest: a port is taken.
            MissingExtra: there is no such command.
            ServerFailed: a replica died; the message ends with the last lines of its log.
            ServerTimeout: a replica did not answer in time; likewise.
            ServerIncompatible: what answers is no vLLM.
        """
        try:
            numbers = [n for n in range(len(self.plan.replicas)) if n not in self._processes]
            for number in numbers:
                _check_port(self.plan.replicas[number])
            for number in numbers:
                self._launch(number)
            self._await(numbers)
        except BaseException:
            self.stop()
            raise

    def failed(self) -> ServerFailed | None:
        """The error of the first replica that died; None while all run."""
        for number in sorted(self._processes):
            if (code := self._processes[number].exit_code()) is not None:
                return self._died(number, code)
        return None

    def restart(self, number: int = 0) -> None:
        """Ends what is left of a replica, and starts it again on its port; raises as ``start``, and leaves the others."""
        if number in self._processes:
            self._processes.pop(number).end(self.limits.grace)
        try:
            _check_port(self.plan.replicas[number])
            self._launch(number)
            self._await([number])
        except BaseException:
            if number in self._processes:
                self._processes.pop(number).end(self.limits.grace)
            raise

    def watch(self, *, on_restart: Callable[[int, ServerFailed], None] | None = None) -> None:
        """Waits, and starts a replica again that died, until it did so too often.

        Args:
            on_restart: called with its number and what happened, before it is started again.

        Raises:
            ServerFailed: a replica died once too often, or could not be started again.
        """
        while True:
            for number in sorted(self._processes):
                if (code := self._processes[number].exit_code()) is None:
                    continue
                error = self._died(number, code)
                now = time.monotonic()
                recent = [t for t in self._deaths.get(number, []) if now - t < self.limits.within]
                if len(recent) >= self.limits.restarts:
                    raise error
                self._deaths[number] = [*recent, now]
                if on_restart is not None:
                    on_restart(number, error)
                self.restart(number)
            time.sleep(_POLL)

    def stop(self) -> None:
        """Ends every replica: SIGTERM to all, then SIGKILL to what is left of their groups. Idempotent."""
        for process in self._processes.values():
            process.ask()
        deadline = time.monotonic() + self.limits.grace
        interrupted: BaseException | None = None
        while self._processes:
            process = self._processes[min(self._processes)]
            try:
                # A second Ctrl-C means at once
                process.end(0 if interrupted else max(0.0, deadline - time.monotonic()))
            except KeyboardInterrupt as exc:
                interrupted = exc
                continue
            del self._processes[min(self._processes)]
        if interrupted is not None:
            raise interrupted

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launch(self, number: int) -> None:
        replica = self.plan.replicas[number]
        show = self._on_line
        self._processes[number] = Process(
            replica.command,
            environment=self._environment | dict(replica.environment),
            secrets=self.plan.keys,
            on_line=None if show is None else lambda line: show(number, line),
        )

    def _await(self, numbers: list[int]) -> None:
        began = time.monotonic()
        waiting = list(numbers)
        told = 0.0
        while waiting:
            for number in list(waiting):
                process = self._processes[number]
                model = _answers(self.plan.replicas[number], self.plan.keys)
                # Asked after the answer: a dead one's port may be answered by another's server
                if (code := process.exit_code()) is not None:
                    raise self._died(number, code)
                if model is not None:
                    self.model = model
                    waiting.remove(number)
            passed = time.monotonic() - began
            if waiting and passed > self.limits.start:
                raise self._late(waiting[0])
            if self._on_progress is not None and (not waiting or passed - told >= 1):
                told = passed
                line = self._processes[waiting[0]].last_line if waiting else ""
                self._on_progress(Progress(len(numbers) - len(waiting), len(numbers), passed, line))
            if waiting:
                time.sleep(_POLL)

    def _died(self, number: int, code: int) -> ServerFailed:
        process = self._processes[number]
        process.drain()
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return ServerFailed(f"{self._named(number)} {how}. {_log(process)}", hint=_hint(process))

    def _late(self, number: int) -> ServerTimeout:
        process = self._processes[number]
        return ServerTimeout(
            f"{self._named(number)} did not answer within {self.limits.start:g} s. {_log(process)}",
            hint=_hint(process) or "Where it is still loading, give it more time: --start-timeout.",
        )

    def _named(self, number: int) -> str:
        replica = self.plan.replicas[number]
        place = "the processor" if replica.gpu is None else f"GPU {replica.gpu.id}"
        return f"vLLM on {place}, port {replica.port},"


def _log(process: Process) -> str:
    gist = process.gist(_SHOWN_LINES)
    return f"From the end of its log, without stack frames:\n{gist}\n" if gist else "It wrote no log."


_HINTS = (
    (
        ("less than desired GPU memory",),
        "Another process uses this GPU: end it, or give -- --gpu-memory-utilization 0.5.",
    ),
    (
        ("No available memory for the cache", "larger than the available KV cache"),
        "Give it more memory or less to hold: -- --gpu-memory-utilization 0.9 --max-model-len 8192.",
    ),
    (
        ("out of memory", "OutOfMemoryError"),
        "Give it less to hold at once: -- --max-num-batched-tokens 8192 --max-num-seqs 64.",
    ),
    (("Bfloat16 is only supported",), "This GPU has no bfloat16: -- --dtype float32."),
    (("Failed to infer device type",), "vLLM sees no GPU: check the driver, and that this build is meant for it."),
    (("unrecognized arguments",), "This vLLM does not know the flag; paperlode needs 0.11.1 or later."),
    (("ddress already in use",), "Another server took the port meanwhile: give another --port."),
    (
        ("LocalEntryNotFound", "RepositoryNotFound", "couldn't connect to", "Max retries exceeded"),
        "The weights could not be fetched: fetch them once where the hub can be reached, and give the folder as --model.",
    ),
)


def _hint(process: Process) -> str:
    """What to do about the known causes, by words from vLLM's own messages."""
    log = process.tail()
    return next((hint for words, hint in _HINTS if any(w in log for w in words)), "")


def _check_port(replica: Replica) -> None:
    """Refuses a port that is taken: what answers there would be taken for ours."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            replica.host or None, replica.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with contextlib.closing(socket.socket(family, kind, protocol)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as vLLM does: old connections do not count
            probe.bind(address)
    except OSError as exc:
        raise InvalidRequest(
            f"{replica.host}:{replica.port} cannot be listened on: {exc.strerror or exc}.",
            hint="Give another --port; each replica takes the next one.",
        ) from exc


def _get(url: str, path: str, key: str | None) -> tuple[int, bytes]:
    """Status and body. No proxy stands in front of our own process, so none is asked."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
        answer = connection.getresponse()
        return answer.status, answer.read(_BODY_BYTES)
    finally:
        connection.close()


def _answers(replica: Replica, keys: tuple[str, ...]) -> str | None:
    """The name of the model, once ``/health`` and ``/v1/models`` answer; None before.

    Raises:
        ServerIncompatible: they answer something that vLLM would not.
    """
    key = keys[0] if keys else None
    try:
        if _get(replica.url, "/health", key)[0] != 200:
            return None
        status, body = _get(replica.url, "/v1/models", key)
    except (OSError, http.client.HTTPException):
        return None
    if status >= 500:
        return None
    try:
        models: Any = json.loads(body)["data"]
        return str(models[0]["id"])
    except (ValueError, LookupError, TypeError) as exc:
        raise ServerIncompatible(
            f"{replica.url}/v1/models answers {status} and names no model.",
            hint="Is this command vLLM, version 0.11.1 or later?",
        ) from exc
