"""How deep a heading is, from its numbering first and its size second."""

from __future__ import annotations

import re

__all__ = ["heading_level", "numbering_depth"]

_NUMBERED = (
    (1, re.compile(r"(?:part|article|chapter|schedule|annex|exhibit|appendix)\s+[\dIVXLA-Z]{1,6}\b", re.IGNORECASE)),
    (1, re.compile(r"第[一二三四五六七八九十百\d]+[章编部]")),
    (2, re.compile(r"第[一二三四五六七八九十百\d]+[节条]")),
    (2, re.compile(r"(?:section|item|note)\s+\d{1,3}[A-Z]?\b", re.IGNORECASE)),
    (2, re.compile(r"[一二三四五六七八九十]{1,3}、")),
    (3, re.compile(r"（[一二三四五六七八九十]{1,3}）")),
    (2, re.compile(r"[IVX]{1,5}\.\s")),
)
_DECIMAL = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,4})\.?\s")
_DEEPEST = 6


def numbering_depth(text: str) -> int | None:
    """Depth that the heading's number says (``ARTICLE IV`` 1, ``2.`` 2, ``2.3`` 3), None where there is no number."""
    for depth, pattern in _NUMBERED:
        if pattern.match(text):
            return depth
    if m := _DECIMAL.match(text):
        return min(m.group(1).count(".") + 2, _DEEPEST)
    return None


def heading_level(text: str, *, size: float, body: float) -> int:
    """Level 1 (highest) to 6 of a heading set in ``size`` points where running text has ``body`` points."""
    if (depth := numbering_depth(text)) is not None:
        return depth
    ratio = size / max(body, 1.0)
    if ratio >= 1.5:
        return 1
    if ratio >= 1.15:
        return 2
    return 2 if text.isupper() else 3
