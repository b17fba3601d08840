"""The real vLLM for tests and benchmarks: ``paperlode vllm serve`` as its user runs it, and documents read through it.

The model is ``tiny_vl``'s and knows nothing. What is checked with it is launch, wire and accounting.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

from paperlode.ingest.document import Box
from paperlode.ingest.parsing.layout import Region
from paperlode.ingest.parsing.layout_labels import meaning_of
from paperlode.ingest.parsing.paddleocr_vl import PaddleOCRVLParser, VLOptions
from paperlode.ingest.sources import open_source
from paperlode.ingest.vllm.client import VLLMRecogniser
from paperlode.ingest.vllm.loops import LoopWatch

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from paperlode.ingest.document import Block
    from paperlode.ingest.vllm.values import Crop, Recognition

__all__ = ["ARCHIVE", "OFFLINE", "VARIABLE", "Account", "Bands", "Serving", "group", "read_through", "write_tiny"]

VARIABLE = "PAPERLODE_TEST_VLLM"
"""Names the environment that ``setup_real_vllm.sh`` made."""
OFFLINE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
START = 240.0
"""Seconds a start may take: 20 on two idle cores."""
ARCHIVE = Path(__file__).parents[3] / "samples" / "archive"


def write_tiny(folder: Path) -> Path:
    """The tiny checkpoint, written by the Python of vLLM's environment: its transformers is what will load it."""
    python = Path(os.environ[VARIABLE]) / "bin" / "python"
    program = Path(__file__).with_name("tiny_vl.py")
    subprocess.run([python, program, folder], check=True, capture_output=True, env=os.environ | OFFLINE)
    return folder


def group(pid: int) -> list[psutil.Process]:
    """The processes of that group that live."""
    alive = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == pid and process.status() != psutil.STATUS_ZOMBIE:
                alive.append(process)
    return alive


class Serving:
    """``python -m paperlode vllm serve`` in a process of its own, on a free port, and what it prints.

    Args:
        model: folder of the checkpoint.
        flags: for vLLM itself.
        options: of the command.
        variables: of its environment, beside those of this process.
    """

    def __init__(
        self, model: Path, *flags: str, options: Sequence[str] = (), variables: Mapping[str, str] | None = None
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        chosen = ["--model", str(model), "--gpus", "cpu", "--port", str(self.port), "--vllm", os.environ[VARIABLE]]
        self.command = [sys.executable, "-m", "paperlode", "vllm", "serve", *chosen, *options, "--", *flags]
        self._environment = os.environ | OFFLINE | dict(variables or {})
        self._lines: list[str] = []
        self._printed: list[str] = []
        self._seen: list[int] = []  # every vLLM that was started

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self._environment
        )
        self._readers = [
            threading.Thread(target=self._read, args=[stream, lines])
            for stream, lines in zip(self._streams, (self._printed, self._lines), strict=True)
        ]
        for reader in self._readers:
            reader.start()
        return self

    @property
    def _streams(self) -> list[Any]:
        return [self._process.stdout, self._process.stderr]

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line)  # noqa: PERF402 - seen while they come

    @property
    def said(self) -> str:
        """Standard error so far, with single spaces."""
        return " ".join("".join(list(self._lines)).split())

    @property
    def printed(self) -> str:
        """Standard output so far."""
        return "".join(list(self._printed))

    @property
    def pid(self) -> int:
        """The vLLM server that is its child, started in a group of its own; 0 while there is none."""
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self._process.pid).children():
                if child.status() != psutil.STATUS_ZOMBIE:
                    self._seen = [*self._seen, child.pid]
                    return int(child.pid)
        return 0

    @property
    def worker(self) -> psutil.Process:
        """The one process of it that computes."""
        (worker,) = [p for p in group(self.pid) if "Worker" in " ".join(p.cmdline())]
        return worker

    def ready(self, times: int = 1, seconds: float = START) -> Self:
        """Waits until it has said that many times that all answer; fails with what it said when it ends before."""
        self.wait(lambda: self.said.count("1 of 1 ready") >= times, seconds)
        return self

    def wait(self, until: Callable[[], object], seconds: float = START) -> None:
        """Waits until that is true."""
        deadline = time.monotonic() + seconds
        while not until():
            assert self._process.poll() is None, f"it ended: {self.said}"
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {self.said}"
            time.sleep(0.05)

    def ends(self, seconds: float = 60.0) -> int:
        """Its exit code, once it has ended."""
        code = self._process.wait(seconds)
        for reader in self._readers:
            reader.join(10)
        return code

    def send(self, number: signal.Signals) -> None:
        """A signal, to the command alone."""
        assert self.pid >= 0  # looks for it, so that what it leaves behind is found
        self._process.send_signal(number)

    @property
    def left(self) -> list[psutil.Process]:
        """Processes of any vLLM it started that live."""
        return [process for pid in dict.fromkeys(self._seen) for process in group(pid)]

    def __exit__(self, *_: object) -> None:
        assert self.pid >= 0  # looks for it a last time, so that what it leaves behind is found
        self._process.terminate()
        try:
            self.ends()
        except subprocess.TimeoutExpired:
            self._process.kill()
        for process in self.left:  # whatever a failed test left
            with contextlib.suppress(psutil.Error):
                process.kill()
        for stream in self._streams:
            stream.close()


class Bands:
    """A STAND-IN for the layout model: it cuts every page into nine bands and looks at nothing."""

    LABELS = ("text",) * 6 + ("table", "display_formula", "image")
    READ = sum(meaning_of(label).task is not None for label in LABELS)

    def __init__(self) -> None:
        self.pages = 0

    def detect(self, picture: Any) -> tuple[Region, ...]:
        self.pages += 1
        height, width = picture.shape[:2]
        step = height / len(self.LABELS)
        return tuple(
            Region(label, 0.9, Box(0, n * step, width, (n + 1) * step), order=n) for n, label in enumerate(self.LABELS)
        )


class Noted(VLLMRecogniser):
    """The client, which also notes the name of every crop that it is asked for."""

    def __init__(self, url: str, asked: list[str], **options: Any) -> None:
        super().__init__(url, watch=lambda _: LoopWatch(), **options)
        self._asked = asked

    async def recognise(self, crop: Crop, *, temperature: float = 0.0, max_tokens: int = 4096) -> Recognition:
        self._asked.append(crop.name)
        return await super().recognise(crop, temperature=temperature, max_tokens=max_tokens)


@dataclass
class Account:
    """What became of every region that was sent.

    Attributes:
        pages: that came back.
        failed: of these, those without blocks.
        found: regions that the layout gave.
        to_read: of these, those with a task.
        blank: of these, those without ink, which are not sent.
        sent: of these, those that were.
        requests: crops that the client was asked for: regions are read again, and in halves.
        blocks: of all pages.
        answered: regions sent whose block has text, or says what is wrong with the model's output.
        excused: regions sent whose block says that the server could not be used.
        lost: names of the regions sent that have no block, or one that says nothing.
    """

    pages: int = 0
    failed: int = 0
    found: int = 0
    to_read: int = 0
    blank: int = 0
    sent: int = 0
    requests: int = 0
    blocks: int = 0
    answered: int = 0
    excused: int = 0
    lost: list[str] = field(default_factory=list)

    @property
    def accounted(self) -> float:
        """Share of the regions sent that were not lost."""
        return (self.sent - len(self.lost)) / self.sent

    def as_json(self) -> str:
        """One line."""
        return json.dumps(vars(self) | {"accounted": self.accounted})


def read_through(
    url: str,
    files: Iterable[Path],
    *,
    key: str | None = None,
    max_tokens: int = 24,
    on_page: Callable[[int, int], None] = lambda *_: None,
) -> Account:
    """The documents, read page by page by the parser on that server.

    Args:
        url: of the server.
        files: documents.
        key: bearer key.
        max_tokens: most output tokens of a crop: the tiny model seldom ends by itself.
        on_page: called after each page with how many came back so far, and how many crops are at the server.
    """
    asked: list[str] = []
    clients: list[Noted] = []
    layout = Bands()
    account = Account()
    blocks: dict[str, Block] = {}
    options = VLOptions(max_tokens=max_tokens, cpu_fallback=False)

    def client() -> Noted:
        clients.append(Noted(url, asked, key=key))
        return clients[-1]

    parser = PaddleOCRVLParser(client, lambda: layout, options=options, workers=1)
    try:
        for file in files:
            source = open_source(file)
            count = parser.page_count(source)
            numbers = []
            for page in parser.parse(source, range(count)):
                numbers.append(page.page)
                account.pages += 1
                account.failed += page.failure is not None
                account.blocks += len(page.blocks)
                named = f"page {page.page + 1} of {source.uri}, region"
                blocks |= {f"{named} {n}": block for n, block in enumerate(page.blocks, 1)}
                on_page(account.pages, sum(client.under_way for client in clients))
            assert numbers == list(range(count)), f"pages of {file.name}: {numbers}"
    finally:
        parser.close()
    sent = {name.partition(", part ")[0] for name in asked}
    account.found = layout.pages * len(Bands.LABELS)
    account.to_read = layout.pages * Bands.READ
    account.blank = sum("blank" in b.flags for b in blocks.values())
    account.sent, account.requests = len(sent), len(asked)
    for name in sorted(sent):
        block = blocks.get(name)
        if block is None or not (block.text or block.flags):
            account.lost.append(name)
        elif any(flag.startswith("server_") for flag in block.flags):
            account.excused += 1
        else:
            account.answered += 1
    return account
