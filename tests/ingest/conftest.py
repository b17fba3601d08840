"""A ledger and a sink for runs over made-up files."""

from __future__ import annotations

import pytest

from paperlode.ingest.ledger import Ledger

from .test_pipeline import ListSink


@pytest.fixture
def sink():
    """Where chunks go."""
    return ListSink()


@pytest.fixture
def ledger(tmp_path):
    """An empty ledger."""
    made = Ledger.open(tmp_path / "ledger.sqlite")
    yield made
    made.close()
