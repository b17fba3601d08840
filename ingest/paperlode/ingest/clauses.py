"""Numbered clauses, their sub-clauses and announced lists: where one begins, how deep, and what names it later on."""

from __future__ import annotations

import re
from typing import NamedTuple

from paperlode.ingest.document import Block, Kind, Layer
from paperlode.ingest.text_cuts import sentences

__all__ = ["BULLET", "NO_CLAUSE", "Mark", "Trail", "announces", "clause_mark", "explains"]

NO_CLAUSE = 0
"""Depth of a block that begins no clause."""
LETTERS = 10
"""Depth of ``(a)``; numbers are above it: ``Article 4`` is 1, ``4.`` is 2, ``4.2`` is 3."""
PLAIN = 2
"""Depth of ``4.``, which may be a clause or an item of a list."""
BULLET = 60
"""Depth of a list item without a number."""
LONGEST_LEAD = 240
"""Characters of a sentence with a colon that is repeated over the later items of its list."""
LOOKED_AT = 400
"""Characters of a block that are looked at for its number and name."""

_NUMBER = re.compile(
    r"\s*(?:(?P<word>(?i:section|sec\.|article|clause|chapter)|§)\s*(?P<of>[\dIVX]{1,5}(?:\.\d{1,3}){0,5})\b[.:)]?"
    r"|(?P<dots>\d{1,3}(?:\.\d{1,3}){1,5})[.)]?(?=\s+[^\W\da-z_]|\s+[\"“(\[])|(?P<one>\d{1,3})(?:\.|(?=\s[A-Z][^.:;\n]{2,70}[.:]\s))(?=\s+[^\W\d_]|\s+[\"“(\[]))"
)
_LETTER = re.compile(r"\s*(?:\((?P<in>[A-Za-z]{1,4}|\d{1,2})\)|(?P<half>[a-z]|[ivx]{1,5}|\d{1,2})\))(?=\s)")
_CHINESE = re.compile(
    r"\s*(?:第[一二三四五六七八九十百零〇\d]{1,5}(?P<sort>[章节条款])|(?P<in>[（(][一二三四五六七八九十]{1,3}[)）]))"
)
_CHINESE_DEPTH = {"章": 1, "节": 2, "条": 3, "款": 4}
_RUN_IN = re.compile(
    r"\s*(?:(?:Section|SECTION|Article|ARTICLE|Clause)\s+)?[(]?(?:\d{1,3}(?:\.\d{1,3}){0,4}|[A-Za-z]|[IVXivx]{1,5})[.)]*\s+"
    r"[A-Z][^.:;\n]{2,70}[.:](?=\s)|\s*第[一二三四五六七八九十百\d]{1,5}条\s*[^\s，。：；]{0,20}"
)
_EXPLAINS = re.compile(r"\s*,?\s*(?:[Ww]here(?:in|by)?|[Ii]n which|[Hh]ere|with|and)\b|\s*(?:其中|式中|这里)")
_NEXT_LETTER = {"i": "h", "v": "u", "x": "w"}


class Mark(NamedTuple):
    """The beginning of a clause: its depth (see ``LETTERS``), its number as printed, and number with name if it has one."""

    depth: int
    number: str
    label: str


def clause_mark(text: str) -> Mark | None:
    """What a text that begins a clause begins with: ``12.3 Confidential Information.``, ``(a)``, ``第三条``; else None."""
    start = text[:LOOKED_AT]
    if m := _CHINESE.match(start):
        depth = _CHINESE_DEPTH[m["sort"]] if m["sort"] else LETTERS
    elif m := _LETTER.match(start):
        depth = _letter_depth(m["in"] or m["half"], half=m["in"] is None)
    elif m := _NUMBER.match(start):
        number = m["of"] or m["dots"] or m["one"]
        article = (m["word"] or "").casefold() in ("article", "chapter")
        depth = 1 if article else 2 + number.count(".")
    else:
        return None
    named = _RUN_IN.match(start)
    number = m.group().strip()
    return Mark(depth, number, named.group().strip() if named else number)


def _letter_depth(letters: str, *, half: bool) -> int:
    if letters.isdigit():
        depth = LETTERS + 3
    elif letters[0].isupper():
        depth = LETTERS + 2
    elif len(letters) == len(set(letters)) == 1 and letters not in _NEXT_LETTER:
        depth = LETTERS
    else:
        depth = LETTERS + 1 if set(letters) <= set("ivx") else LETTERS
    return depth + 4 if half else depth


def announces(text: str) -> bool:
    """Whether a text ends with a colon: what follows belongs to it."""
    return text.rstrip().endswith((":", "："))


def explains(block: Block) -> bool:
    """Whether a paragraph goes on from a formula: ``where x is the rate``, ``其中``."""
    return block.kind is Kind.TEXT and block.layer is Layer.BODY and bool(_EXPLAINS.match(block.text[:40]))


class Trail:
    """The clauses that are open above a block, and the sentence that announced the list it may be an item of."""

    def __init__(self) -> None:
        self._open: list[Mark] = []
        self._announced = ""

    def clear(self) -> None:
        """A heading: the heading path names what follows."""
        self._open, self._announced = [], ""

    def place(self, block: Block) -> tuple[int, str]:
        """The block's depth, and what must be said over it when it begins a chunk, one line each; empty for nothing.

        For a block of the body only, in reading order: it becomes part of the trail.
        """
        mark = clause_mark(block.text) if block.kind in (Kind.TEXT, Kind.LIST_ITEM) else None
        item = block.kind is Kind.LIST_ITEM
        if mark is None:
            if not item:
                if block.kind is Kind.TEXT:
                    self._announced = _last_sentence(block.text)
                return NO_CLAUSE, self._announced if block.kind is Kind.CODE else ""
            return BULLET, self._over(())
        if mark.depth == LETTERS + 1 and any(
            m.depth == LETTERS and m.number.strip("()") == _NEXT_LETTER.get(mark.number.strip("()")) for m in self._open
        ):
            mark = mark._replace(depth=LETTERS)  # (i) after (h) is a letter
        self._open = [m for m in self._open if m.depth < mark.depth]
        if mark.depth < LETTERS:
            if not (item and mark.depth == PLAIN and mark.label == mark.number):
                self._announced = ""  # a clause with a name, and no item of an announced list
            above = self._over([m for m in self._open if m.label != m.number])
        else:
            above = self._over(self._open[-2:])
        lead = _last_sentence(block.text)
        whole = lead if lead and block.text.strip() == lead else mark.label
        self._open.append(mark._replace(label=whole))
        return mark.depth, above

    def _over(self, marks: tuple[Mark, ...] | list[Mark]) -> str:
        return "\n".join(dict.fromkeys(t for t in (self._announced, *(m.label for m in marks[-2:])) if t))


def _last_sentence(text: str) -> str:
    """The last sentence when it ends with a colon and is short; else nothing."""
    if not announces(text):
        return ""
    tail = text[-2 * LONGEST_LEAD :]
    spans = sentences(tail)
    if not spans or (spans[-1][0] == 0 and len(tail) < len(text)):
        return ""
    start, end = spans[-1]
    return tail[start:end] if end - start <= LONGEST_LEAD else ""
