"""A page that hangs, dies or bloats costs nothing but itself."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import numpy as np
import pymupdf
import pytest

from paperlode.ingest import workers
from paperlode.ingest.errors import (
    PageCrashed,
    PageError,
    PageOutOfMemory,
    PageTimeout,
    PageUnreadable,
    SourceEncrypted,
)
from paperlode.ingest.pages import PageRef, count_pages
from paperlode.ingest.workers import WorkerLimits, WorkerPool, _frugal_onnx, exclusive, make_room

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    """One worker with 1 GB and ample time for a call."""
    with WorkerPool(1, WorkerLimits(seconds=60, memory_mb=1000)) as one:
        yield one


def alive(pool: WorkerPool) -> bool:
    """True when a worker (not this process) answers."""
    return pool.call(os.getpid, what="a question") != os.getpid()


def test_hanging_call_times_out_and_the_next_one_works() -> None:
    """A call past its limit is a PageTimeout that names the page and the option; the pool goes on."""
    with WorkerPool(1, WorkerLimits(seconds=1)) as hurried:
        with pytest.raises(PageTimeout, match=r"page 7 of x\.pdf took longer than 1 s") as error:
            hurried.call(time.sleep, 60, what="page 7 of x.pdf")
        assert "--page-timeout" in error.value.hint
        assert alive(hurried)


def test_killed_worker_is_a_crash_and_the_next_call_works(pool: WorkerPool) -> None:
    """A worker that exits or is killed is a PageCrashed with its exit code; the pool goes on."""
    with pytest.raises(PageCrashed, match=r"p1.*exit code 3"):
        pool.call(os._exit, 3, what="p1")
    assert alive(pool)
    with pytest.raises(PageCrashed, match=r"p2.*exit code -9"):
        pool.call(signal.raise_signal, signal.SIGKILL, what="p2")
    assert alive(pool)


def test_bloated_call_is_out_of_memory_and_the_next_one_works(pool: WorkerPool) -> None:
    """Memory past the limit is refused by the system, and becomes a PageOutOfMemory that says the limit."""
    with pytest.raises(PageOutOfMemory, match="p1 needed more than the 1000 MB") as error:
        pool.call(bytearray, 3 << 30, what="p1")
    assert "--memory-limit" in error.value.hint
    assert alive(pool)


def test_only_the_call_that_died_is_lost(pool: WorkerPool) -> None:
    """Calls waiting behind a crash give their results, in order."""
    futures = [pool.submit(*call) for call in ((abs, -1), (os._exit, 1), (abs, -2), (abs, -3))]
    assert pool.result(futures[0], "a") == 1
    with pytest.raises(PageCrashed):
        pool.result(futures[1], "b")
    assert [pool.result(f, "c") for f in futures[2:]] == [2, 3]


def test_a_worker_killed_between_calls_costs_nothing(pool: WorkerPool) -> None:
    """The system may kill an idle worker (memory ran short): the next calls get a new one."""
    for _ in range(2):
        os.kill(pool.call(os.getpid, what="p"), signal.SIGKILL)
        time.sleep(0.3)
        assert alive(pool)


def test_calls_in_line_survive_the_death_of_every_worker() -> None:
    """Calls that went down with their pool are made again in a new one."""
    with WorkerPool(2, WorkerLimits(seconds=60)) as pool:
        calls = [pool.submit(os._exit, 1), pool.submit(os._exit, 2), *(pool.submit(abs, -i) for i in range(6))]
        for call in calls[:2]:
            with pytest.raises(PageCrashed):
                pool.result(call, "p")
        assert [pool.result(c, "p") for c in calls[2:]] == list(range(6))


def test_a_closed_pool_ends_the_calls_in_line() -> None:
    """Calls waiting when the pool is closed are page errors; no worker is started for them again."""
    pool = WorkerPool(1)
    calls = [pool.submit(time.sleep, 30), pool.submit(abs, -1)]
    pool.close()
    for call in calls:
        with pytest.raises(PageError):
            pool.result(call, "p")
    assert pool._pool is None


def test_our_errors_cross_the_process_border(pool: WorkerPool, tmp_path: Path) -> None:
    """An error of ours arrives with its type, what and hint; any other exception becomes a PageUnreadable."""
    path = str(tmp_path / "locked.pdf")
    doc = pymupdf.open()
    doc.new_page()
    doc.save(path, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="open sesame")
    with pytest.raises(SourceEncrypted) as error:
        pool.call(count_pages, PageRef(path, 0, pdf=True), what="p")
    assert error.value.what == f"{path} is encrypted."
    assert error.value.hint == "Give its password with --password."
    with pytest.raises(PageUnreadable, match="p cannot be read: ValueError"):
        pool.call(int, "x", what="p")


def test_workers_leave_interrupts_and_cores_alone(pool: WorkerPool) -> None:
    """A worker ignores Ctrl-C (the parent ends it) and computes with one thread."""
    pool.call(signal.raise_signal, signal.SIGINT, what="p")
    assert pool.call(os.getenv, "OMP_NUM_THREADS", what="p") == "1"


def test_closing_ends_the_workers_and_may_be_repeated() -> None:
    """After close no worker process is left; a second close does nothing."""
    pool = WorkerPool(1)
    pid = pool.call(os.getpid, what="p")
    pool.close()
    pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_exclusive_holds_others_off_inside_a_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a pool the lock is held while the body runs and free after it; outside there is none."""
    import fcntl

    path = tmp_path / "lock"
    with exclusive():
        assert not path.exists()
    monkeypatch.setenv("PAPERLODE_WORKER_LOCK", str(path))
    with exclusive(), path.open("a") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with path.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize(("shape", "arena"), [(["n", 1, 30, 30], True), (["n", 1, 30, "width"], False), (["n"], False)])
def test_models_of_one_input_size_get_an_arena_in_a_worker(
    monkeypatch: pytest.MonkeyPatch, shape: list[int | str], arena: bool
) -> None:
    """Memory is kept between pages only where it cannot grow with the size of an input; one thread always."""
    import onnxruntime
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    monkeypatch.setattr(onnxruntime, "InferenceSession", onnxruntime.InferenceSession)  # put back afterwards
    monkeypatch.setattr(workers, "_WITH_ARENA", [])
    _frugal_onnx()
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = False
    made = onnxruntime.InferenceSession(model.SerializeToString(), options)
    settings = made.get_session_options()
    assert (settings.intra_op_num_threads, settings.enable_cpu_mem_arena) == (1, arena)
    if arena:
        picture = np.ones((2, 1, 30, 30), np.float32)
        make_room()
        assert (made.run(None, {"x": picture})[0] == picture).all()  # it works on after its memory was given back
