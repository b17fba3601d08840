"""Blanks that a PDF shows and does not say: words set apart by a small move, too small for the library to call a space.

Looked for only in fonts that show a run of letters no language writes; there a gap that stands out from the font's usual
distance between characters is a space. Evenly spaced-out type has no gap that stands out, and stays as it is.
"""

from __future__ import annotations

import re
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from paperlode.ingest.parsing.lines import is_cjk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["lacks_spaces", "runs_together", "with_spaces"]

_RUN = re.compile(r"[^\W\d_]{24,}")
"""Letters in a row: hardly a word in any language set with spaces, and Chinese is looked at apart."""
_STANDS_OUT = 0.09
"""Font sizes more than the usual distance of characters: pairs are kerned by up to 0.06, a space is 0.12 and more."""


def lacks_spaces(blocks: Iterable[dict[str, Any]]) -> bool:
    """Whether some span of PyMuPDF's ``dict`` blocks is a run of words without blanks."""
    return any(runs_together(s["text"]) for s in _spans(blocks))


def with_spaces(blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """PyMuPDF's ``rawdict`` blocks as ``dict`` blocks, blanks put in where the suspect fonts leave gaps."""
    fonts = {s["font"] for s in _spans(blocks) if runs_together(_text(s))}
    return [
        b
        if b.get("type", 0) != 0
        else {**b, "lines": [{**ln, "spans": [_span(s, fonts) for s in ln["spans"]]} for ln in b["lines"]]}
        for b in blocks
    ]


def _spans(blocks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (s for b in blocks if b.get("type", 0) == 0 for ln in b["lines"] for s in ln["spans"])


def runs_together(text: str) -> bool:
    """Whether a text holds so many letters in a row that blanks must be missing."""
    found = _RUN.search(text)
    return bool(found) and not any(map(is_cjk, text))


def _text(span: dict[str, Any]) -> str:
    return "".join(c["c"] for c in span["chars"])


def _span(span: dict[str, Any], fonts: set[str]) -> dict[str, Any]:
    text = _text(span)
    out = {k: v for k, v in span.items() if k != "chars"}
    if span["font"] in fonts and " " not in text and len(text) > 1:
        chars = span["chars"]
        gaps = [(b["bbox"][0] - a["bbox"][2]) / max(span["size"], 0.1) for a, b in pairwise(chars)]
        limit = median(gaps) + _STANDS_OUT
        text = text[0] + "".join(" " * (g > limit) + c for g, c in zip(gaps, text[1:], strict=True))
    return {**out, "text": text}
