"""Following a reference: from ``Section 4.2(b)``, ``Exhibit A`` or a defined term to where the document says it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from paperlode.ingest.references import references_in
from paperlode.ingest.threads import TERM

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["candidates"]

_GROUP = re.compile(r"\([^()]*\)$")
_LONGEST = 200


def candidates(asked: str) -> list[str]:
    """The labels that may be meant, the likeliest first; of a mark inside a clause also the clause: ``3.1(a)``, then ``3.1``.

    Args:
        asked: as printed (``Section 4.2(b)``, ``4.2``, ``Article IV``, a term) or a label as hits give it.
    """
    text = " ".join(asked.split())[:_LONGEST]
    found = [r.label for r in references_in(f"see {text} there")]
    if text[:1].isdigit():
        found += [r.label for r in references_in(f"see Section {text} there")]
    found += [text, text.replace(" ", ""), f"{TERM}{text}"]
    return list(dict.fromkeys(c for label in found for c in _with_parents(label) if c))


def _with_parents(label: str) -> Iterator[str]:
    yield label
    while (shorter := _GROUP.sub("", label)) != label:
        label = shorter
        yield label
