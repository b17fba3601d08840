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
def ledger(ledger_place):
    """An empty ledger."""
    made = Ledger.open(ledger_place)
    yield made
    made.close()
