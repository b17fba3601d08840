"""What read a page, in words: ``paddleocr-vl-1.6-1-v3-200-png/text-layer`` is for machines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["pages_read_by", "reader", "readers"]

_VL = re.compile(r"(paddleocr-vl-\d+\.\d+)-.*")
_LOCAL = re.compile(r"local-\d+")


def reader(parser: str) -> str:
    """``ParsedPage.parser`` in words: ``paddleocr-vl-1.6``, ``paddleocr-vl-1.6 with text layer``, ``local scan``, ``blank``."""
    name, _, way = parser.partition("/")
    if way == "blank":
        return way
    name = _VL.sub(r"\1", name)
    name = "local" if _LOCAL.fullmatch(name) else name
    return f"{name} with text layer" if way == "text-layer" else f"{name} {way}".strip()


def readers(parsers: Iterable[str]) -> str:
    """Several in words, each once: ``paddleocr-vl-1.6, local scan``."""
    return ", ".join(dict.fromkeys(reader(p) for p in parsers))


def pages_read_by(counts: Mapping[str, int]) -> str:
    """``120 by paddleocr-vl-1.6, 3 local scan``, the most first; empty where nothing is known."""
    merged: dict[str, int] = {}
    for parser, pages in counts.items():
        words = _said(parser)
        merged[words] = merged.get(words, 0) + pages
    ordered = sorted(((w, n) for w, n in merged.items() if n), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{n} {w}" for w, n in ordered)


def _said(parser: str) -> str:
    words = reader(parser)
    return f"by {words}" if words.startswith("paddleocr-vl") or "/" not in parser else words
