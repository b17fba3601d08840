"""Can the page's own text be trusted, or must the page be read as a scan?"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import Box

if TYPE_CHECKING:
    import numpy as np
    import pymupdf
    from numpy.typing import NDArray

__all__ = ["Trust", "Verdict", "judge"]


class Trust(StrEnum):
    """What the text layer is good for."""

    DIGITAL = "digital"
    """Trustworthy: read it."""
    NONE = "none"
    """No text to speak of, but ink: a scan."""
    BLANK = "blank"
    """Neither text nor ink."""
    GARBAGE = "garbage"
    """Unmapped or nonsense glyphs."""
    MISFIT = "misfit"
    """Invisible text that does not lie on the picture's ink."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The trust, and the figure it rests on in words.

    ``searchable`` is true for a picture of a page whose words are mostly invisible: a scan that someone has recognised.
    """

    trust: Trust
    reason: str = ""
    searchable: bool = False

    @property
    def scan(self) -> bool:
        """True when the page must be recognised."""
        return self.trust in (Trust.NONE, Trust.GARBAGE, Trust.MISFIT)


_FEW_CHARS = 100
_PROBE_DPI = 50
_WORD = re.compile(r"[A-Za-z]{3,}")
_VOWEL = re.compile(r"[aeiouyAEIOUY]")
_UNMAPPED = re.compile(r"[\ufffd\ue000-\uf8ff\x00-\x1f\x7f-\x9f]")


def judge(page: pymupdf.Page, blocks: list[dict[str, Any]]) -> Verdict:
    """Looks at the characters first, then at the ink under invisible ones.

    Args:
        page: upright, its rotation removed.
        blocks: ``page.get_text("dict")["blocks"]``, pictures not included.
    """
    spans = [s for b in blocks if b.get("type", 0) == 0 for ln in b["lines"] for s in ln["spans"] if s["text"].strip()]
    text = "".join(s["text"] for s in spans)
    solid = "".join(text.split())
    covered = _picture_share(page)
    searchable = covered > 0.5 and _hidden_share(spans) > 0.5
    if len(solid) < _FEW_CHARS and covered > 0.1:
        return Verdict(Trust.NONE, f"{len(solid)} characters, pictures on {covered:.0%} of the page", searchable)
    if not solid:
        ink = _ink(page)
        return Verdict(Trust.NONE, "ink but no text") if _is_written(ink) else Verdict(Trust.BLANK)
    if covered > 0.6 and len(solid) < 3 * _FEW_CHARS and not _hidden_share(spans):
        return Verdict(Trust.NONE, f"{len(solid)} characters on a picture of {covered:.0%} of the page")
    if (why := _nonsense(text, solid)) is not None:
        return Verdict(Trust.GARBAGE, why)
    if _hidden_share(spans) > 0.5:
        fit = _fit(page, [Box(*s["bbox"]) for s in spans if _hidden(s)])
        if fit is not None and fit < 0.6:
            return Verdict(Trust.MISFIT, f"only {fit:.0%} of the invisible words lie on ink")
        return Verdict(Trust.DIGITAL, searchable=searchable)
    return Verdict(Trust.DIGITAL)


def _hidden(span: dict[str, Any]) -> bool:
    return bool(span.get("alpha", 255) == 0)


def _hidden_share(spans: list[dict[str, Any]]) -> float:
    total = sum(len(s["text"]) for s in spans)
    return sum(len(s["text"]) for s in spans if _hidden(s)) / total if total else 0.0


def _picture_share(page: pymupdf.Page) -> float:
    import pymupdf

    area = abs(page.rect) or 1.0
    return float(min(1.0, sum(abs(pymupdf.Rect(i["bbox"]) & page.rect) for i in page.get_image_info()) / area))


def _nonsense(text: str, solid: str) -> str | None:
    """Why the characters cannot be what the page shows, or None.

    Unmapped glyphs come out as U+FFFD, private-use or control characters; a shifted encoding as words without vowels
    or as a run of punctuation.
    """
    unmapped = len(_UNMAPPED.findall(solid))
    if unmapped > 0.1 * len(solid):
        return f"{unmapped} of {len(solid)} characters are unmapped glyphs"
    if len(solid) < _FEW_CHARS:
        return None
    counted = Counter(solid)
    alnum = sum(n for c, n in counted.items() if c.isalnum())
    dots = sum(counted[c] for c in ".·…_-–—|")  # leaders and rules are honest
    if alnum < 0.4 * (len(solid) - dots) and len(solid) - dots > _FEW_CHARS:
        return f"only {alnum} of {len(solid)} characters are letters or digits"
    words = _WORD.findall(text)
    latin = sum(map(len, words))
    if len(words) >= 20 and latin > 0.5 * len(solid):
        spoken = sum(bool(_VOWEL.search(w)) for w in words)
        if spoken < 0.6 * len(words):
            return f"{len(words) - spoken} of {len(words)} words have no vowel"
    return None


def _ink(page: pymupdf.Page) -> NDArray[np.bool_]:
    """Dark pixels of the page at a low resolution, without its text layer's say: shape (height, width)."""
    import numpy as np
    import pymupdf

    zoom = min(_PROBE_DPI / 72, 2000 / max(page.rect.width, page.rect.height, 1.0))
    pix = page.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), colorspace=pymupdf.csGRAY, alpha=False)
    gray = np.frombuffer(pix.samples, dtype=np.uint8).reshape(pix.height, pix.width)
    return gray < min(200, int(np.median(gray)) - 30) if gray.size else np.zeros((0, 0), dtype=bool)


def _is_written(ink: NDArray[np.bool_]) -> bool:
    return bool(ink.size and ink.mean() > 0.0002)


def _fit(page: pymupdf.Page, boxes: list[Box]) -> float | None:
    """Share of the boxes with ink under them; None when ink is everywhere or nowhere, so that nothing can be said."""
    ink = _ink(page)
    if not _is_written(ink) or ink.mean() > 0.5:
        return None
    sy, sx = ink.shape[0] / page.rect.height, ink.shape[1] / page.rect.width
    hits = seen = 0
    for b in boxes:
        patch = ink[max(0, int(b.y0 * sy)) : int(b.y1 * sy) + 1, max(0, int(b.x0 * sx)) : int(b.x1 * sx) + 1]
        seen += 1
        hits += bool(patch.size and patch.mean() > 0.02)
    return hits / seen if seen else None
