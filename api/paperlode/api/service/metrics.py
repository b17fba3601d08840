"""What the service tells Prometheus: requests as they come, and the backlog as it is when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from paperlode.api.service.job import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from paperlode.api.service.service import Service

__all__ = ["Metrics"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The metrics of one service.

    Args:
        service: whose backlog and workers are told.
    """

    def __init__(self, service: Service) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "paperlode_requests",
            "Requests by endpoint and status.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "paperlode_request_seconds", "Seconds until the answer begins.", ("route",), buckets=_SECONDS,
            registry=self._registry,
        )  # fmt: skip
        self._registry.register(_Backlog(service))

    def note(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered. ``route`` is the endpoint's template, below ``/v1``: what callers make up names no series."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)


class _Backlog(Collector):
    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        backlog = self._service.queue.backlog()
        jobs = GaugeMetricFamily("paperlode_jobs", "Jobs in the books, by state.", labels=["state"])
        for state in State:
            jobs.add_metric([state.value], backlog.states.get(state, 0))
        yield jobs
        yield GaugeMetricFamily(
            "paperlode_queue_age_seconds", "How long the oldest job that waits has waited.", value=backlog.oldest
        )
        pages = GaugeMetricFamily(
            "paperlode_job_pages", "Pages of the jobs in the books, by outcome.", labels=["outcome"]
        )
        pages.add_metric(["read"], backlog.pages_read)
        pages.add_metric(["failed"], backlog.pages_failed)
        yield pages
        yield GaugeMetricFamily(
            "paperlode_workers", "Worker processes that are alive.", value=len(self._service.supervisor.processes)
        )
