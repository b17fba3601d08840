"""Cursors: where a list goes on, as an opaque word."""

import base64
import json

from paperlode.ingest.errors import InvalidRequest

__all__ = ["read_cursor", "write_cursor"]


def write_cursor(*last: str | float) -> str:
    """A word for what the last item of a page is ordered by."""
    return base64.urlsafe_b64encode(json.dumps(last, separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(text: str, *kinds: type) -> tuple[object, ...]:
    """What was given to ``write_cursor``, of these kinds. Raises InvalidRequest."""
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if isinstance(found, list) and [type(x) for x in found] == list(kinds):
            return tuple(found)
    except (ValueError, RecursionError):
        pass
    raise InvalidRequest("This cursor is none of ours.", hint="Take it from `next` of the page before, as it is.")
