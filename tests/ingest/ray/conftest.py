"""A Ray for the tests, with four workers' worth of CPUs on this machine."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray
except ImportError:
    ray = None


def pytest_collection_modifyitems(items):
    """The tests of the cluster are skipped, loudly, where Ray is not installed."""
    if ray is None:
        why = "Ray is not installed: NOTHING of the engine ray is tested. Run: pip install 'paperlode[ray]'"
        for item in items:
            if "ingest/ray/" in str(item.path) and "without_ray" not in item.name:
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session", autouse=True)
def _importable():
    """The workers import these tests' parsers, and the code under test."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *(str(ROOT / r) for r in ("ingest", "retrieval", "api"))])
    sys.path.insert(0, str(ROOT))
    yield
    sys.path.remove(str(ROOT))
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="module")
def cluster():
    """Started for a module."""
    from paperlode.ingest.ray_cluster import Cluster

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Cluster.joined(cpus=4) as cluster:
            yield cluster
