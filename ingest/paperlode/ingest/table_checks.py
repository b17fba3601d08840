"""A table's sums as the judge tells them: of what does not add up, that which a reading fault can explain."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from paperlode.ingest.sums import EMPTY_COLUMN, HEADER_WITHOUT_ROWS, SUM_MISMATCH, table_findings
from paperlode.ingest.table_headers import carried_rows

if TYPE_CHECKING:
    from paperlode.ingest.document import Block, Finding

__all__ = ["checked_sums", "checked_whole"]

_CODES = frozenset({SUM_MISMATCH, EMPTY_COLUMN, HEADER_WITHOUT_ROWS})
_MANY = 3  # sums of one table that fail, without a figure that is in all of them
_ROUNDING, _UNITS = Decimal("0.005"), 3  # share of a sum, and units of its last place, that rounding explains
_FIGURES = re.compile(r"(-?\d[\d,]*(?:\.\d+)?) is stated, the parts add up to (-?\d[\d,]*(?:\.\d+)?)\.$")


def checked_whole(block: Block) -> Block:
    """A table made of parts on several pages with what is to be said of its sums as one, in place of what was of its parts."""
    if block.table is None or len({r.page for r in block.regions}) < 2:
        return block
    of_parts = {f.code for f in block.findings} & _CODES
    kept = [f for f in block.findings if f.code not in _CODES]
    told = (*kept, *checked_sums(block, read=block.confidence is None))
    flags = (*(f for f in block.flags if f not in of_parts), *(f.code for f in told))
    return replace(block, findings=tuple(told), flags=tuple(dict.fromkeys(flags)))


def checked_sums(block: Block, *, read: bool) -> list[Finding]:
    """The findings of ``sums`` that a reading fault, or a slip of the author that matters, explains.

    Sums that fail in many places are a table that is built otherwise than it seems. Where the text layer says the same
    figures (``read``) that holds for two already, and a small difference is the author's rounding.
    """
    if block.table is None:
        return []
    told = table_findings(block.table, ignore_rows=carried_rows(block.table))
    found = [f if f.regions else replace(f, regions=block.regions) for f in told]
    wrong = [f for f in found if f.code == SUM_MISMATCH]
    apart = bool(wrong) and not set.intersection(*(set(f.regions) for f in wrong))
    if apart and (read or len(wrong) >= _MANY):
        wrong = []
    elif read:
        wrong = [f for f in wrong if _matters(f)]
    return [f for f in found if f.code != SUM_MISMATCH or f in wrong]


def _matters(finding: Finding) -> bool:
    """Whether the two figures that the reason ends with are apart by more than rounding of many addends."""
    figures = _FIGURES.search(finding.reason)
    if figures is None:
        return True
    a, b = (Decimal(t.replace(",", "")) for t in figures.groups())
    places = max(-int(n.as_tuple().exponent) for n in (a, b))
    return abs(a - b) > max(_ROUNDING * max(abs(a), abs(b)), _UNITS * Decimal(1).scaleb(-places))
