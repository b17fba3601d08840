"""Pages read by the workers of a Ray on this machine, and what a lost worker costs: nothing."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

import psutil
import pytest

from paperlode.ingest.errors import ClusterUnavailable, ModelError, SourceError
from paperlode.ingest.ray import RayOptions, RayParser
from paperlode.ingest.sources import open_source

from .parsers import DeadlyParser, SlowParser, plain_parser, write_pdf

if TYPE_CHECKING:
    from pathlib import Path

    from paperlode.ingest.ray_cluster import Cluster

TWO = RayOptions(workers=2)


def wait_for(parser: RayParser, workers: int) -> None:
    until = time.monotonic() + 60
    while len(parser.workers) < workers:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_ray_that_is_started_listens_on_loopback_alone(cluster: Cluster) -> None:
    """All its processes."""
    ours = psutil.Process().children(recursive=True)
    places = [c.laddr.ip for p in ours for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert places
    assert {p.removeprefix("::ffff:") for p in places} == {"127.0.0.1"}


def test_pages_are_those_of_the_wrapped_parser_in_order(cluster: Cluster, tmp_path: Path) -> None:
    """Also those asked for out of order, with its fingerprint, count and prints."""
    source = open_source(write_pdf(tmp_path / "a.pdf", 11))
    alone = plain_parser()
    parser = RayParser(cluster, plain_parser(), plain_parser, TWO)
    try:
        assert parser.fingerprint == alone.fingerprint
        assert parser.page_count(source) == 11
        for pages in (range(11), (7, 2, 9, 4, 1, 0)):
            assert list(parser.parse(source, pages)) == list(alone.parse(source, pages))
        assert list(parser.page_prints(source, 11)) == list(alone.page_prints(source, 11))
        assert list(parser.page_prints(source, 1)) == list(alone.page_prints(source, 1))
    finally:
        parser.close()
        alone.close()


def test_a_worker_killed_with_9_costs_no_page(cluster: Cluster, tmp_path: Path) -> None:
    """What it had in flight is read by another, one more is started in its place, and no page is failed."""
    notes = tmp_path / "notes"
    notes.mkdir()
    source = open_source(write_pdf(tmp_path / "a.pdf", 40))
    make = partial(SlowParser, 0.05, notes)
    parser = RayParser(cluster, SlowParser(), make, TWO)
    try:
        wait_for(parser, 2)
        pages = parser.parse(source, range(40))
        read = [next(pages)]
        killed = parser.workers[0].pid
        os.kill(killed, signal.SIGKILL)
        read += pages
        wait_for(parser, 2)
        assert killed not in {w.pid for w in parser.workers}
    finally:
        parser.close()
    assert [p.page for p in read] == list(range(40))
    assert not [p for p in read if p.failure]
    assert len(list(notes.iterdir())) >= 2


def test_the_process_inside_a_worker_killed_with_9_costs_no_page(cluster: Cluster, tmp_path: Path) -> None:
    """As where the system is out of memory: the page is not recorded as one that crashes."""
    source = open_source(write_pdf(tmp_path / "a.pdf", 400))
    parser = RayParser(cluster, plain_parser(), plain_parser, RayOptions(workers=1))
    try:
        wait_for(parser, 1)
        pages = parser.parse(source, range(400))
        read = [next(pages)]
        inside = psutil.Process(parser.workers[0].pid).children(recursive=True)
        for process in inside:
            process.kill()
        read += pages
    finally:
        parser.close()
    assert inside
    assert [p.page for p in read] == list(range(400))
    assert not [p.failure for p in read if p.failure]


def test_a_page_that_kills_every_worker_is_a_failed_page(cluster: Cluster, tmp_path: Path) -> None:
    """After so many workers as it may cost; whatever was read beside it when they died is read."""
    source = open_source(write_pdf(tmp_path / "a.pdf", 14))
    parser = RayParser(cluster, SlowParser(), DeadlyParser, TWO)
    try:
        read = list(parser.parse(source, range(14)))
    finally:
        parser.close()
    assert [p.page for p in read] == list(range(14))
    (failed,) = [p for p in read if p.failure]
    assert (failed.page, failed.failure.code) == (3, "page_crashed")
    assert "a.pdf" in failed.failure.message


def test_a_file_that_the_node_has_not_is_sent(cluster: Cluster, tmp_path: Path, monkeypatch) -> None:
    """Here its path is relative to where the driver is, and the workers are elsewhere. The copies go when the run ends."""
    write_pdf(tmp_path / "a.pdf", 5)
    monkeypatch.chdir(tmp_path)
    absolute = open_source("a.pdf")
    source = type(absolute)("a.pdf", absolute.name, absolute.media_type, absolute.digest, absolute.size)
    parser = RayParser(cluster, plain_parser(), plain_parser, TWO)
    try:
        read = list(parser.parse(source, range(5)))
        copies = [p for p in os.scandir("/tmp") if p.name.startswith("paperlode-ray-")]  # noqa: S108
        assert len(copies) == 1
    finally:
        parser.close()
    assert [p.page for p in read] == list(range(5))
    assert not [p.failure for p in read if p.failure]
    assert not os.path.exists(copies[0].path)  # noqa: PTH110


def test_errors_of_a_file_and_of_all_workers_reach_the_caller(cluster: Cluster, tmp_path: Path) -> None:
    """A file that is gone is the file's; what no worker can have ends the run; so does a worker that reads otherwise."""
    path = write_pdf(tmp_path / "a.pdf", 5)
    source = open_source(path)
    path.unlink()
    cases = (
        (plain_parser, plain_parser(), SourceError),
        (no_model, SlowParser(), ModelError),
        (plain_parser, SlowParser(), ClusterUnavailable),
    )
    for make, wrapped, error in cases:
        parser = RayParser(cluster, wrapped, make, RayOptions(workers=1))
        with pytest.raises(error):
            list(parser.parse(source, range(5)))
        parser.close()


def no_model() -> SlowParser:
    """A parser that cannot be had."""
    raise ModelError("no weights")


def test_without_room_for_a_worker_the_run_ends(cluster: Cluster, tmp_path: Path) -> None:
    """After waiting for it; with what to do."""
    source = open_source(write_pdf(tmp_path / "a.pdf", 2))
    options = RayOptions(workers=1, cpus=1000, patience=2.0)
    parser = RayParser(cluster, SlowParser(), SlowParser, options)
    with pytest.raises(ClusterUnavailable, match="ray status"):
        list(parser.parse(source, range(2)))
    parser.close()


def test_closing_ends_what_is_under_way(cluster: Cluster, tmp_path: Path) -> None:
    """At once, and no process is left."""
    source = open_source(write_pdf(tmp_path / "a.pdf", 30))
    parser = RayParser(cluster, SlowParser(), partial(SlowParser, 1.0), TWO)
    wait_for(parser, 2)
    pids = [w.pid for w in parser.workers]
    pages = parser.parse(source, range(30))
    next(pages)
    began = time.monotonic()
    parser.close()
    parser.close()
    with pytest.raises(Exception, match="ended"):
        list(pages)
    assert time.monotonic() - began < 10
    until = time.monotonic() + 20
    while any(psutil.pid_exists(p) and psutil.Process(p).status() != psutil.STATUS_ZOMBIE for p in pids):
        assert time.monotonic() < until
        time.sleep(0.1)
