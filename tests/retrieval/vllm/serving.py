"""The real ``vllm serve`` for a pooling model, on the processor, in a process group of its own that ends with the test."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VARIABLE", "PoolingServer"]

VARIABLE = "PAPERLODE_TEST_VLLM"
"""Names vLLM's environment."""
START = 240.0
"""Seconds a start may take: 30 on two idle cores."""


class PoolingServer:
    """Serves the model in ``folder`` under the folder's name until the end of the ``with``.

    Args:
        folder: of the checkpoint.
        log: file that takes what vLLM says.
        variables: of its environment.
    """

    def __init__(self, folder: Path, log: Path, *, variables: Mapping[str, str] | None = None) -> None:
        self._folder, self._log, self._variables = folder, log, dict(variables or {})
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        own = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
        vllm = Path(os.environ[VARIABLE]) / "bin" / "vllm"
        flags = ["--host", "127.0.0.1", "--runner", "pooling", "--dtype", "float32", "--enforce-eager"]
        named = ["--port", str(self.port), "--served-model-name", self._folder.name]
        self._stream: IO[bytes] = self._log.open("wb")
        self._process = subprocess.Popen(
            [vllm, "serve", self._folder, *flags, *named],
            stdout=self._stream,
            stderr=subprocess.STDOUT,
            env=os.environ | own | self._variables,
            start_new_session=True,
        )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait(self) -> None:
        import httpx

        deadline = time.monotonic() + START
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/health", timeout=5, trust_env=False).status_code == httpx.codes.OK:
                    return
            said = self._log.read_text(errors="replace")[-3000:] if self._process.poll() is not None else ""
            assert self._process.poll() is None, f"vLLM ended: {said}"
            assert time.monotonic() < deadline, f"vLLM does not answer after {START:g} s, see {self._log}"
            time.sleep(0.5)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(60)
        with contextlib.suppress(ProcessLookupError):  # its workers, where they outlive it
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        self._stream.close()
