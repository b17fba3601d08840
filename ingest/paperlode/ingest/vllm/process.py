"""One server process: started in a process group of its own, its log's end kept, and ended with all its children."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import InvalidRequest, MissingExtra, ServerFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Process"]

_TAIL_LINES = 400  # the engine's error stands 60 and more lines above the end: the API process adds its own traceback
_LINE_BYTES = 2_000  # a line without end (a progress bar, say) is cut into such pieces
_ACCESS = re.compile(r'^INFO:\s+\S+ - "[A-Z]+ /')  # uvicorn's line for each request: hundreds would hide the reason
_WHO = r"^(\(.*?pid=\d+\) )?"
_FRAME = re.compile(_WHO + r"([A-Z]+ [\d-]+ [\d:]+ \[[^\]]*\]( |$))?(\s|Traceback \(most recent|$)")
_QUIET = re.compile(_WHO + r"(INFO|DEBUG)\b")
_LATEST = 3  # lines of any kind that end what is shown: what it was doing when it was killed
_SHOWN_CHARACTERS = 300  # the engine dumps its whole configuration in one line
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


class Process:
    """A command under way. Its process stays a zombie until ``end`` has signalled its group: no signal can reach another's.

    Args:
        command: the program and its arguments.
        environment: the whole environment.
        secrets: never shown in what is kept of the log.
        on_line: called with each line of the log, from another thread.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        secrets: Sequence[str] = (),
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        if not hasattr(os, "waitid"):
            raise InvalidRequest("vLLM is started on Linux only.", hint="Start it there, and give its address.")
        self._secrets = tuple(secrets)
        self._on_line = on_line
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._ended = False
        try:
            # A session of its own: Ctrl-C reaches us alone, and we end the server in order
            self._popen = subprocess.Popen(  # noqa: S603
                list(command),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except FileNotFoundError as exc:
            raise MissingExtra(
                f"There is no command {command[0]!r}.", hint="Install vLLM, or name its command."
            ) from exc
        except OSError as exc:
            raise ServerFailed(f"{command[0]!r} cannot be started: {exc.strerror or exc}.") from exc
        self._reader = threading.Thread(target=self._read, name="paperlode-vllm-log", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Also the number of its group."""
        return self._popen.pid

    @property
    def last_line(self) -> str:
        """The latest line of the log; empty before the first."""
        return self._tail[-1] if self._tail else ""

    def tail(self) -> str:
        """The end of the log, as much as is kept, without stack frames, requests, colours and secrets."""
        return "\n".join(self._told())

    def gist(self, lines: int) -> str:
        """The last warnings and errors and what else has no level, each once and cut, and the very last lines of any kind."""
        told = self._told()
        kept = {line: n for n, line in enumerate(told) if not _QUIET.match(line)}  # of equal ones the last
        latest = range(max(0, len(told) - _LATEST), len(told))
        shown = sorted({*latest, *sorted(kept.values())[-max(1, lines - _LATEST) :]})
        return "\n".join(told[n][:_SHOWN_CHARACTERS] for n in shown)

    def _told(self) -> list[str]:
        return [line for line in list(self._tail) if not _FRAME.match(line)]

    def exit_code(self) -> int | None:
        """None while it runs; negative for the number of a signal."""
        if self._ended:
            return self._popen.returncode
        # WNOWAIT leaves it a zombie, which keeps its number and that of its group from being given away
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def wait(self, seconds: float) -> int | None:
        """Its exit code, as soon as there is one; None when it still runs after that time."""
        until = time.monotonic() + seconds
        while (code := self.exit_code()) is None and time.monotonic() < until:
            time.sleep(0.05)
        return code

    def drain(self, seconds: float = 2.0) -> None:
        """Waits until the log of a dead process is read; its children may live on and hold it open."""
        until = time.monotonic() + seconds
        empty = 0
        while empty < 2 and time.monotonic() < until:
            self._reader.join(0.05)
            if not self._reader.is_alive():
                return
            readable = select.select([self._stream()], [], [], 0)[0]
            empty = 0 if readable else empty + 1

    def ask(self) -> None:
        """SIGTERM, to the server alone: it ends its children itself."""
        if not self._ended and self.exit_code() is None:
            os.kill(self.pid, signal.SIGTERM)

    def end(self, grace: float = 15.0) -> None:
        """SIGTERM, and after ``grace`` seconds SIGKILL for what is left of its group. Idempotent; safe to interrupt."""
        if self._ended:
            return
        try:
            self.ask()
            self.wait(grace)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()
            self._ended = True
            self._gone()
            self._reader.join(2.0)
            if not self._reader.is_alive():
                self._stream().close()

    def _gone(self, seconds: float = 5.0) -> None:
        """Waits until the killed children are gone, and with them their port and their GPU memory."""
        until = time.monotonic() + seconds
        while _lives(self.pid) and time.monotonic() < until:
            time.sleep(0.05)

    def _stream(self) -> Any:
        assert self._popen.stdout is not None
        return self._popen.stdout

    def _read(self) -> None:
        stream = self._stream()
        inside = False  # of a long line, whose beginning tells enough
        with contextlib.suppress(OSError, ValueError):
            while raw := stream.readline(_LINE_BYTES):
                rest, inside = inside and b"\r" not in raw, not raw.endswith(b"\n")
                line = _ANSI.sub("", raw.decode("utf-8", "replace")).rstrip().rpartition("\r")[2]
                for secret in self._secrets:
                    line = line.replace(secret, "***")
                if line and not rest and not _ACCESS.match(line):
                    self._tail.append(line)
                if line and self._on_line is not None:
                    self._on_line(line)


def _lives(group: int) -> bool:
    """Whether a process of the group holds anything still; a zombie that init was slow to bury does not."""
    import psutil

    try:
        os.killpg(group, 0)  # asks, and harms nobody
    except OSError:
        return False
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False
