"""Heading levels made consistent: from the parser's level, the numbering and the form, as the headings stream."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from paperlode.ingest.document import Kind, Layer

if TYPE_CHECKING:
    from paperlode.ingest.document import Block

__all__ = ["Outline"]

DEEPEST = 6

_STYLES: tuple[tuple[int, re.Pattern[str]], ...] = (
    (10, re.compile(r"(?:part|volume|book)\s+(?:[ivxlc]+|\d+)\b|第[一二三四五六七八九十百\d]+[部编篇]", re.IGNORECASE)),
    (12, re.compile(r"(?:exhibit|annex|appendix|schedule|attachment)\s+[\w.-]{1,6}\b|附[录件表]", re.IGNORECASE)),
    (
        20,
        re.compile(
            r"(?:item|chapter|article)\s+(?:[ivxlc]+|\d+[a-z]?)\b|第[一二三四五六七八九十百\d]+章", re.IGNORECASE
        ),
    ),
    (25, re.compile(r"第[一二三四五六七八九十百\d]+[节節条]")),
    (30, re.compile(r"(?:note|section)\s+\d+\b(?!\.\d)", re.IGNORECASE)),
    (32, re.compile(r"[一二三四五六七八九十]+[、.．]")),
    (34, re.compile(r"[（(][一二三四五六七八九十]+[)）]")),
    (70, re.compile(r"[(（](?:[a-z]|[ivx]+|\d{1,2})[)）]")),
)
_NUMBERED = re.compile(r"(?:section\s+|§\s*)?(\d{1,3}(?:\.\d{1,3}){0,5})\.?(?=[\s、：:]|$|[^\x00-\x7f])", re.IGNORECASE)
_ASIDE = re.compile(r"[(（][^()（）]*[)）]")
_CAPITALS = 35
_NUMBERS = 40
_PLAIN = 60


@dataclass(frozen=True, slots=True)
class _Open:
    """A heading that is open: how it sorts (smaller is higher), and its number, if it has one."""

    key: tuple[int, int]
    number: tuple[str, ...] = ()


class Outline:
    """Gives each heading of a document its depth among the headings open above it.

    The parser's level comes first; among headings it puts on one level, the form decides (part, item, note, capitals,
    numbers, plain). A number such as 2.3.1 goes under 2.3 whatever the parser said. Levels have no gaps.
    """

    def __init__(self) -> None:
        self._stack: list[_Open] = []
        self._usual: dict[int, int] = {}  # the parser's level for headings of a form, where it knows one

    def place(self, block: Block) -> Block:
        """The heading with its level; any other block as it is."""
        if block.layer is not Layer.BODY or not block.text.strip():
            return block
        if block.kind is Kind.TITLE:
            self._stack = []
            return block
        if block.kind is not Kind.HEADING:
            return block
        rank, number = _style(block.text.strip())
        given = block.level or self._usual.get(rank, 1)
        if block.level:
            self._usual[rank] = block.level
        parent = next((i for i, o in enumerate(self._stack) if o.number and o.number == number[:-1]), None)
        if parent is not None:
            del self._stack[parent + 1 :]
            key = max(self._stack[-1].key, (given, rank))
        else:
            key = (given, rank)
            while self._stack and self._stack[-1].key >= key:
                self._stack.pop()
        self._stack.append(_Open(key, number))
        return replace(block, level=min(len(self._stack), DEEPEST))


def _style(text: str) -> tuple[int, tuple[str, ...]]:
    for rank, pattern in _STYLES:
        if pattern.match(text):
            return rank, ()
    if m := _NUMBERED.match(text):
        number = tuple(m.group(1).split("."))
        if number[-1] in {"0", "00"}:  # 2.0 opens chapter 2, as 2 does
            number = number[:-1] or number
        return _NUMBERS + len(number), number
    bare = _ASIDE.sub("", text)
    return (_CAPITALS if bare.upper() == bare and bare.lower() != bare else _PLAIN), ()
