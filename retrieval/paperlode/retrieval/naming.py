"""What a question says only to name the document that the search is restricted to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["without_names"]

_WORD = re.compile(r"[a-z]{2,}")
_EDGE = re.compile(r"^\W+|(?:['’]s)?\W*$")


def without_names(question: str, names: Iterable[str]) -> str:
    """The question without the words of the documents' file names (``ADOBE_2022_10K``: Adobe); years stay.

    Inside one document these words stand on every page and tell no page from another, but the whole archive's word
    statistics call them rare. A question of which nothing would be left is returned as it is.
    """
    known = {w for name in names for w in _WORD.findall(name.rsplit(".", 1)[0].lower().replace("_", " "))}
    kept = [w for w in question.split() if _EDGE.sub("", w.lower()) not in known]
    return " ".join(kept) if any(any(c.isalnum() for c in w) for w in kept) else question
