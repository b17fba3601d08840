"""The Ray cluster of a run: one that is joined, or one on this machine that is started for the run and ends with it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

import psutil

from paperlode.ingest.errors import ClusterUnavailable, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["OBJECT_STORE_BYTES", "Cluster", "import_ray"]

OBJECT_STORE_BYTES = 300_000_000
"""Of a Ray that is started for the run: files on their way to workers and read pages lie in it, a few at a time."""
LOOPBACK = "127.0.0.1"
_KNOCK = 10.0


def import_ray() -> Any:
    """The package, told to report nothing to its makers.

    Raises:
        MissingExtra: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault(
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"
    )  # a worker without a share of a GPU sees what is there
    try:
        import ray
    except ImportError as exc:
        raise MissingExtra.named("ray", "ray") from exc
    return ray


class Cluster:
    """What the pools of workers need to know of the cluster. Use ``joined``.

    Attributes:
        ray: the package.
        started: whether it was started for this run, on this machine.
    """

    def __init__(self, ray: Any, *, started: bool) -> None:
        self.ray = ray
        self.started = started

    @classmethod
    @contextmanager
    def joined(cls, address: str | None = None, *, cpus: int | None = None) -> Iterator[Cluster]:
        """The cluster, for as long as the ``with`` lasts. One that the caller has joined already is taken as it is.

        Args:
            address: ``auto`` (the cluster that runs on this machine), or ``HOST:PORT``; None starts one.
            cpus: of one that is started: workers at a time; None for one a core.

        Raises:
            MissingExtra: Ray is not installed.
            ClusterUnavailable: nothing answers there, or it does not let us in.
        """
        ray = import_ray()
        if ray.is_initialized():
            yield cls(ray, started=False)
            return
        try:  # from here on, for Ctrl-C may come while it starts
            with _own_signals():
                _init(ray, address, cpus)
            yield cls(ray, started=address is None)
        finally:
            of_node = _of_node() if address is None else []
            with suppress(Exception):
                ray.shutdown()
            for process in of_node:  # its agents would stay for half a minute
                with suppress(psutil.Error):
                    process.terminate()

    @property
    def cpus(self) -> int:
        """Of all nodes that are alive, as Ray counts them; 0 where it does not answer."""
        return int(self._resources().get("CPU", 0))

    @property
    def gpus(self) -> int:
        """The same."""
        return int(self._resources().get("GPU", 0))

    def _resources(self) -> dict[str, float]:
        try:
            found: dict[str, float] = self.ray.cluster_resources()
        except Exception:  # noqa: BLE001  of many kinds while the head is away: then nothing is known
            return {}
        return found

    def is_alive(self, node: str) -> bool:
        """Whether the node with this id is; True where Ray cannot tell."""
        try:
            return any(n["NodeID"] == node and n["Alive"] for n in self.ray.nodes())
        except Exception:  # noqa: BLE001  as above
            return True


def _init(ray: Any, address: str | None, cpus: int | None) -> None:
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        options |= {
            "address": "local",  # whatever RAY_ADDRESS says
            "num_cpus": cpus or os.cpu_count() or 1,
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
            "_node_ip_address": LOOPBACK,
            "_system_config": {"worker_niceness": 0},  # they are all there is of the run; 15 by default
        }
    else:
        options["address"] = address
    try:
        _knock(address)
        with _loopback_only(ray) if address is None else nullcontext():
            ray.init(**options)
    except Exception as exc:
        where = "on this machine" if address is None else f"at {address!r}"
        raise ClusterUnavailable(
            f"There is no Ray cluster to be used {where}: {exc}.",
            hint="Start one with: ray start --head. Then join it from this machine: --address auto, or --address HOST:6379.",
        ) from exc


def _knock(address: str | None) -> None:
    """OSError where nothing listens at HOST:PORT; Ray itself would try for minutes."""
    host, colon, port = (address or "").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK).close()


@contextmanager
def _loopback_only(ray: Any) -> Iterator[None]:
    """A Ray that starts listens at 127.0.0.1 alone.

    On Linux it would put the machine's own address in its place, and listen everywhere; on macOS and Windows it does not,
    and takes this constant for that. A Ray that has it no more listens as it likes.
    """
    constants = getattr(ray._private, "ray_constants", None)  # noqa: SLF001  there is no public way
    before = getattr(constants, "ENABLE_RAY_CLUSTER", None)
    if before is None:
        yield
        return
    setattr(constants, "ENABLE_RAY_CLUSTER", False)  # noqa: B010
    try:
        yield
    finally:
        setattr(constants, "ENABLE_RAY_CLUSTER", before)  # noqa: B010


def _of_node() -> list[psutil.Process]:
    """The processes of the node that this process has started."""
    try:
        ours = psutil.Process().children()
        return [p for child in ours if child.name() == "raylet" for p in child.children(recursive=True)]
    except psutil.Error:
        return []


@contextmanager
def _own_signals() -> Iterator[None]:
    """What the process does on SIGTERM stays as it is; Ray would exit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
