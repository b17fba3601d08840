"""What is told of a server's log when it died: the reason, which stands far above its last lines."""

from __future__ import annotations

import os
import sys

from paperlode.ingest.vllm.process import Process

DIED = "Worker proc VllmWorker-0 died unexpectedly (exit code: None), shutting down executor."
# As vLLM 0.32 wrote it, shortened: 50 frames stood where 40 are made here
LOG = f"""
INFO:     Started server process [7]
(EngineCore pid=9) INFO 11-24 12:37:58 [core.py:100] Initializing
[transformers] Unrecognized keys in `rope_parameters`
(EngineCore pid=9) ERROR 11-24 12:38:18 [multiproc_executor.py:315] {DIED}
[transformers] Unrecognized keys in `rope_parameters`
(EngineCore pid=9) ERROR 11-24 12:38:18 [dump_input.py:72] Dumping input data: {"model='m', " * 400}
(EngineCore pid=9) ERROR 11-24 12:38:18 [core.py:1512] Traceback (most recent call last):
(EngineCore pid=9) ERROR 11-24 12:38:18 [core.py:1512]   File "core.py", line 1, in step
{chr(10).join(["(EngineCore pid=9) ERROR 11-24 12:38:18 [core.py:1512]     self.step()"] * 40)}
(EngineCore pid=9) ERROR 11-24 12:38:18 [core.py:1512] RuntimeError: cancelled
INFO:     127.0.0.1:35938 - "POST /v1/chat/completions HTTP/1.1" 500 Internal Server Error
{chr(10).join(f"(APIServer pid=7) INFO 11-24 12:38:18 [core_client.py:{n}] [shutdown] step {n}" for n in range(30))}
INFO:     Finished server process [7]
"""


def log_of(*texts):
    """A process that prints these and ends, read to its end."""
    process = Process([sys.executable, "-c", f"print({''.join(texts)!r}, end='')"], environment=os.environ)
    process.wait(20)
    process.drain()
    process.end()
    return process


def test_the_reason_is_shown():
    """Warnings and errors stand in it, each once and cut; frames, requests and the chatter of the shutdown do not."""
    shown = log_of(LOG).gist(10).splitlines()
    assert [line.rpartition("] ")[2][:30] for line in shown] == [
        DIED[:30],
        "Unrecognized keys in `rope_par",
        "Dumping input data: model='m',",
        "RuntimeError: cancelled",
        "step 28",
        "step 29",
        "INFO:     Finished server proc",
    ]
    assert max(map(len, shown)) == 300


def test_chatter_is_shown_where_there_is_nothing_else():
    """A server that was killed says what it was doing."""
    assert log_of("INFO 11-24 12:38:18 [a.py:1] Loading weights\n" * 3).gist(10).count("Loading weights") == 3


def test_a_progress_bar_is_its_latest_state():
    """It has no line ends: each piece replaces what stood there."""
    bar = "".join(f"\rLoading {n:3d} %" for n in range(1, 301)) + "\n"
    assert log_of(bar).last_line == "Loading 300 %"


def test_nothing_is_said():
    assert log_of("").gist(10) == ""
