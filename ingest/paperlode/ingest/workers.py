"""Worker processes that may crash, hang or run out of memory: a pool with limits, and what holds inside a worker.

``WorkerPool`` turns a dead, late or bloated worker into one of our errors while the others go on.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
import time
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from paperlode.ingest.errors import (
    PageCrashed,
    PageError,
    PageOutOfMemory,
    PageTimeout,
    PageUnreadable,
    PaperlodeError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = [
    "WorkerLimits",
    "WorkerPool",
    "exclusive",
    "exclusive_seconds",
    "is_memory_error",
    "make_room",
    "release_arena",
    "tidy",
    "trim_memory",
    "worker_threads",
]

T = TypeVar("T")

_ATTEMPTS = 3  # calls that went down with their pool are made that often


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What one page may cost: ``seconds`` of wall time and ``memory_mb`` of private memory of its worker."""

    seconds: float = 180.0
    memory_mb: int = 1800


# ---------------------------------------------------------------------------------------------------- worker side


def worker_threads() -> int:
    """Threads a model may use inside a worker: one, since there are as many workers as cores."""
    return 1


def _start_worker(memory_mb: int, lock_path: str) -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us in order
    os.environ["OMP_NUM_THREADS"] = str(worker_threads())
    os.environ[_LOCK_VARIABLE] = lock_path
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on every platform
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))
    _frugal_onnx()


_PICTURE_MODEL, _BOX_MODEL = "feature_imf", "layout_rf"
_WITH_ARENA: list[Any] = []
"""This worker's ONNX sessions that keep memory between runs, in one arena for all of them."""


def _frugal_onnx() -> None:
    """Gives every ONNX session of a worker one thread, and a memory arena where it cannot grow without end.

    ONNX Runtime takes every core by default and PyMuPDF's layout engine gives no option: .40 CPU seconds a page with one
    thread, .65 with two, for 10 % less wall time. The engine also turns the arena off, since inputs of many sizes would
    make it grow. Two of its three models read pictures of one size: with an arena they spare 2 million page faults on
    46 pages (a quarter of the time) for 210 MB, nearly all of which ``release_arena`` gives back.
    """
    import onnxruntime as ort

    from paperlode.ingest.parsing.engine_levels import TOGETHER, run_together

    if not _WITH_ARENA:
        place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
        only_what_is_asked_for = 1  # arena_extend_strategy; the default doubles what it has
        ort.create_and_register_allocator(place, ort.OrtArenaCfg(0, only_what_is_asked_for, -1, -1))

    class Frugal(ort.InferenceSession):  # type: ignore[misc]
        def __init__(self, path: Any, sess_options: Any = None, **kwargs: Any) -> None:
            options = sess_options or ort.SessionOptions()
            options.intra_op_num_threads = worker_threads()
            options.inter_op_num_threads = 1
            path, self._maps = _quicker(path)
            super().__init__(path, options, **kwargs)
            if not options.enable_cpu_mem_arena and _one_size(self):
                options.enable_cpu_mem_arena = True
                options.add_session_config_entry("session.use_env_allocators", "1")
                options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
                super().__init__(path, options, **kwargs)
                _WITH_ARENA.append(self)

        def get_outputs(self) -> Sequence[Any]:
            outputs = super().get_outputs()
            own = [o for o in outputs if o.name not in self._maps]
            return [*own, SimpleNamespace(name=TOGETHER)] if self._maps else outputs

        def run(self, output_names: Any, input_feed: Any, run_options: Any = None) -> Any:
            if not self._maps or output_names is None:
                return super().run(output_names, input_feed, run_options)
            size = next(iter(input_feed.values())).shape[-2:]
            ask = partial(super().run, input_feed=input_feed, run_options=run_options)
            return run_together(ask, self._maps, output_names, size)

    ort.InferenceSession = Frugal


def _quicker(path: Any) -> tuple[Any, list[str]]:
    """The layout engine's models of pictures and of boxes in forms that run faster, and the maps that the former ends in."""
    from paperlode.ingest.parsing.engine_edges import with_factored_edges
    from paperlode.ingest.parsing.engine_graphs import quicker_picture_model

    name = Path(path).name if isinstance(path, (str, Path)) else ""
    with contextlib.suppress(OSError, ValueError):  # the engine's own file says then what is wrong
        if name.startswith(_PICTURE_MODEL):
            return quicker_picture_model(Path(path))
        if name.startswith(_BOX_MODEL):
            return with_factored_edges(Path(path)), []
    return path, []


def release_arena() -> None:
    """Gives back what this worker's arena holds, before a step that needs the memory; it fills again with use."""
    import numpy as np
    import onnxruntime as ort

    shrinking = ort.RunOptions()
    shrinking.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    for session in _WITH_ARENA[-1:]:  # any of them: they share it
        blank = {i.name: np.zeros((1, *i.shape[1:]), np.float32) for i in session.get_inputs()}
        session.run(None, blank, shrinking)


def _one_size(session: Any) -> bool:
    """Whether every input of the model has one size, whatever the batch."""
    return all(len(i.shape) > 1 and all(isinstance(n, int) for n in i.shape[1:]) for i in session.get_inputs())


_LOCK_VARIABLE = "PAPERLODE_WORKER_LOCK"
_held = [0.0]


def exclusive_seconds() -> float:
    """CPU seconds so far in which this worker has kept the others out of ``exclusive``."""
    return _held[0]


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Held by one worker of a pool at a time: for steps whose memory peak must not be taken twice.

    A file lock, because the operating system frees it when a worker is killed. Outside a pool it does nothing.
    """
    path = os.environ.get(_LOCK_VARIABLE)
    if not path:
        yield
        return
    import fcntl

    with Path(path).open("a") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        began = time.process_time()
        try:
            yield
        finally:
            _held[0] += time.process_time() - began


def make_room() -> None:
    """Gives back what this worker keeps only to be faster: before a step that needs the memory."""
    release_arena()
    tidy()


def tidy() -> None:
    """Empties MuPDF's cache of fonts and pictures, most of it of pages gone by (it may grow to 256 MB), and trims."""
    if "pymupdf" in sys.modules:
        sys.modules["pymupdf"].TOOLS.store_shrink(100)
    trim_memory()


def trim_memory() -> None:
    """Gives freed memory back to the system (glibc keeps it otherwise)."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


# ---------------------------------------------------------------------------------------------------- parent side


@dataclass(slots=True, eq=False)
class _Call:
    """A call on its way, with what is needed to make it again."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    pool: Any = None
    future: Any = None

    def cancel(self) -> None:
        self.future.cancel()


class WorkerPool:
    """Worker processes with a time and a memory limit for each call; started on first use.

    pebble gives a pool up for good when a worker dies between two calls or in the first moment of one (the system
    killed it, say). Such a pool is replaced here, and the calls that went down with it are made again.

    Args:
        workers: processes; default as many as there are cores, at most 8.
        limits: what one call may cost.
    """

    def __init__(self, workers: int | None = None, limits: WorkerLimits | None = None) -> None:
        self.workers = workers or min(8, os.cpu_count() or 1)
        self.limits = limits or WorkerLimits()
        self._pool: Any = None
        self._lock_file: Any = None
        self._changing = threading.Lock()

    def _started(self) -> Any:
        if self._pool is None:
            from pebble import ProcessPool

            from paperlode.ingest.spawning import CONTEXT

            self._lock_file = tempfile.NamedTemporaryFile(prefix="paperlode-", suffix=".lock")  # noqa: SIM115
            self._pool = ProcessPool(
                max_workers=self.workers,
                initializer=_start_worker,
                initargs=(self.limits.memory_mb, self._lock_file.name),
                context=CONTEXT,
            )
        return self._pool

    def submit(self, function: Callable[..., T], *args: Any) -> Any:
        """Schedules the call; pass what it returns to ``result``, or ``cancel()`` it."""
        call = _Call(function, args)
        self._schedule(call)
        return call

    def _schedule(self, call: _Call, *, again: bool = False) -> None:
        with self._changing:
            if again and self._pool is None:
                raise PageCrashed("The processes were ended before they were done.")
            if self._pool is not None and not self._pool.active:
                self._end()
            call.pool = self._started()
            call.future = call.pool.schedule(call.function, args=call.args, timeout=self.limits.seconds)

    def _settled(self, call: _Call, what: str) -> Any:
        """The call's future, done; the call is made again where its pool broke.

        Raises:
            PageCrashed: the pool broke each time, or was closed.
        """
        from concurrent.futures.process import BrokenProcessPool

        for _ in range(_ATTEMPTS):
            while not wait([call.future], timeout=1.0).done and call.pool.active:
                pass
            future = call.future
            if future.done() and (future.cancelled() or not isinstance(future.exception(), BrokenProcessPool)):
                return future
            self._schedule(call, again=True)
        raise PageCrashed(f"{what}: the process reading it died {_ATTEMPTS} times.")

    @staticmethod
    def settled(call: Any) -> bool:
        """Whether ``result`` would not wait, or not for long."""
        return bool(call.future.done())

    def result(self, call: Any, what: str) -> Any:
        """The call's result.

        Args:
            call: from ``submit``.
            what: the page or file, for the message.

        Raises:
            PageTimeout, PageOutOfMemory, PageCrashed: the worker was late, too big, or died.
            PaperlodeError: raised by the function itself.
        """
        from pebble import ProcessExpired

        try:
            return self._settled(call, what).result()
        except PaperlodeError:
            raise
        except (FutureTimeout, TimeoutError) as e:
            raise PageTimeout(
                f"{what} took longer than {self.limits.seconds:g} s and was given up.", hint="Raise --page-timeout."
            ) from e
        except MemoryError as e:
            raise _out_of_memory(what, self.limits) from e
        except ProcessExpired as e:
            raise PageCrashed(f"{what}: the process reading it died (exit code {e.exitcode}).") from e
        except Exception as e:
            if is_memory_error(e):
                raise _out_of_memory(what, self.limits) from e
            raise PageUnreadable(f"{what} cannot be read: {type(e).__name__}: {e}.") from e

    def call(self, function: Callable[..., T], *args: Any, what: str) -> T:
        """Runs the function in a worker and waits; raises like ``result``."""
        value: T = self.result(self.submit(function, *args), what)
        return value

    def close(self) -> None:
        """Ends the workers. Idempotent."""
        with self._changing:
            if self._pool is not None:
                self._end()

    def _end(self) -> None:
        pool, self._pool = self._pool, None
        pool.stop()
        pool.join()
        self._lock_file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _out_of_memory(what: str, limits: WorkerLimits) -> PageError:
    return PageOutOfMemory(
        f"{what} needed more than the {limits.memory_mb} MB a worker may take.", hint="Raise --memory-limit."
    )


def is_memory_error(error: BaseException) -> bool:
    """Whether a library's error says that memory ran out, in whatever words."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(
        t in text for t in ("bad_alloc", "failed to allocate", "malloc", "insufficient memory", "out of memory")
    )
