"""What Chinese text says in more than one way: traditional and simplified, figures in words, numbers of clauses."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["clauses", "numerals", "simplified"]

_TABLE = Path(__file__).parent / "data" / "simplified.txt"
_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_POWERS = {"十": 10, "百": 100, "千": 1000}
_HAN = "".join(_DIGITS)
_NUMERAL = re.compile(
    rf"(?P<year>[{_HAN}]{{4}})(?=年)"  # digit by digit
    rf"|(?<![{_HAN}百千万亿])(?:[{_HAN}]?十|[{_HAN}][百千])[{_HAN}十百千]*(?![万亿])"  # no word begins with a number of 万
)
_CLAUSE = re.compile(rf"第(?P<number>\d+|[{_HAN}十百千]+)(?P<kind>[条條章节節款项項编編])")


def simplified(text: str) -> str:
    """The text with every traditional ideograph as a simplified one, character by character.

    Good enough to find, not to read: where one of several simplified characters would be right, it is always the same one.
    """
    return text.translate(_table())


def numerals(text: str) -> Iterator[str]:
    """The values of the figures written in words: ``2023`` for 二〇二三年, ``30`` for 三十日; none for a single digit."""
    for m in _NUMERAL.finditer(text):
        if m["year"]:
            yield "".join(str(_DIGITS[c]) for c in m[0])
        elif len(m[0]) > 1:
            yield str(_value(m[0]))


def clauses(text: str) -> Iterator[str]:
    """The clauses that are named, by number: ``第12条`` for 第十二条, 第12條 and 第一十二条."""
    for m in _CLAUSE.finditer(text):
        number = m["number"]
        yield f"第{number if number.isdecimal() else _value(number)}{simplified(m['kind'])}"


def _value(numeral: str) -> int:
    """Of a numeral below ten thousand; without powers of ten it is read digit by digit."""
    if not any(c in _POWERS for c in numeral):
        return int("".join(str(_DIGITS[c]) for c in numeral))
    total = digit = 0
    for c in numeral:
        if c in _POWERS:
            total += (digit or 1) * _POWERS[c]
            digit = 0
        else:
            digit = _DIGITS[c]
    return total + digit


@lru_cache(maxsize=1)
def _table() -> dict[int, int]:
    lines = _TABLE.read_text(encoding="utf-8").splitlines()
    return {ord(line[0]): ord(line[1]) for line in lines if not line.startswith("#")}
