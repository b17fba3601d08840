"""The table of refusals that the real vLLM is asked for is complete, and says what the recorded ones say."""

from __future__ import annotations

from .provoked import PROVOKED
from .test_replies import EXPECTED


def test_every_recorded_refusal_is_provoked_again():
    """None of the 28 is left out, and each must become the same error live as recorded."""
    assert {name: row.error for name, row in PROVOKED.items()} == EXPECTED
