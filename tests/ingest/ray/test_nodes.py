"""A node of a cluster of several is lost in the middle; here they are several raylets on this machine."""

from __future__ import annotations

import time
import warnings
from functools import partial
from typing import TYPE_CHECKING

import pytest

from paperlode.ingest.ray import RayParser
from paperlode.ingest.ray_cluster import Cluster
from paperlode.ingest.sources import open_source

from .parsers import SlowParser, write_pdf

if TYPE_CHECKING:
    from pathlib import Path

QUICK = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
"""So that the loss of a node is noticed within two seconds."""


@pytest.mark.slow
def test_a_lost_node_costs_no_page_and_a_new_one_gets_work(tmp_path: Path) -> None:
    """Its pages are read elsewhere, without counting as theirs; a node that joins in the middle reads some of them."""
    warnings.simplefilter("ignore")
    from ray.cluster_utils import Cluster as Nodes

    notes = tmp_path / "notes"
    notes.mkdir()
    source = open_source(write_pdf(tmp_path / "a.pdf", 120))
    memory = {"object_store_memory": 80_000_000, "include_dashboard": False}
    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "_system_config": QUICK, **memory})
    parser = None
    try:
        lost = nodes.add_node(num_cpus=2, object_store_memory=80_000_000)
        with Cluster.joined(nodes.address) as cluster:
            parser = RayParser(cluster, SlowParser(), partial(SlowParser, 0.25, notes))
            until = time.monotonic() + 90
            while len(parser.workers) < 3:
                assert time.monotonic() < until
                time.sleep(0.1)
            there = {w.pid for w in parser.workers if w.node == lost.node_id}
            pages = parser.parse(source, range(120))
            read = [next(pages) for _ in range(8)]
            nodes.remove_node(lost, allow_graceful=False)
            joined = nodes.add_node(num_cpus=2, object_store_memory=80_000_000)
            read += pages
            new = {w.pid for w in parser.workers if w.node == joined.node_id}
            parser.close()
    finally:
        if parser is not None:
            parser.close()
        nodes.shutdown()
    assert [p.page for p in read] == list(range(120))
    assert not [p.failure for p in read if p.failure]
    assert len(there) == 2
    readers = {int(p.name) for p in notes.iterdir()}
    assert there & readers
    assert new & readers
