"""Numbers written in words: ``ninety``, ``three hundred and five``, ``二十三``, ``百分之五``. The word one is no claim."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["number_words"]

_SMALL = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
"""
_UNITS = {w: i for i, w in enumerate(_SMALL.split())}
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_WORD = "|".join(sorted((*_UNITS, *_TENS), key=len, reverse=True))
_ANY = "|".join(sorted((*_UNITS, *_TENS, *_SCALES), key=len, reverse=True))
_ENGLISH = re.compile(
    rf"(?<![\w-])(?:{_WORD})(?:(?:[\s-]+(?:and\s+)?)(?:{_ANY}))*(?![\w])(?!-(?!year|day|month|week|point)[A-Za-z])(?P<p>\s+per\s?cent)?",
    re.IGNORECASE,
)
_HAN = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_HAN_POWERS = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
_HAN_DIGITS = "".join(_HAN)
_CHINESE = re.compile(
    rf"(?P<p>百分之)(?P<a>[{_HAN_DIGITS}十百点]+)"
    rf"|(?<![第\d.{_HAN_DIGITS}十百千万亿])(?P<b>[{_HAN_DIGITS}十百千万亿]+)(?P<m>个|名|家|项|年|月|日|天|人|倍|条|次|股|处|座|台|件|种|类|份|元|位|期|大(?=业|板|类|分))"
)


def number_words(text: str) -> Iterator[tuple[int, int, Decimal, bool]]:
    """Start, end, value, and whether it is percent, of each number in words."""
    for m in _ENGLISH.finditer(text):
        words = [w for w in re.split(r"[\s-]+", m[0].lower()) if w in _UNITS or w in _TENS or w in _SCALES]
        value = _english(words)
        if value is not None and not (value == 1 and not m["p"]):
            yield m.start(), m.end(), Decimal(value), bool(m["p"])
    for m in _CHINESE.finditer(text):
        said = m["a"] or m["b"]
        value_han = _chinese(said)
        if value_han is not None and (m["p"] or value_han > 1):
            yield m.start(), m.end("a" if m["a"] else "b"), value_han, bool(m["p"])


def _english(words: list[str]) -> int | None:
    total = group = 0
    last = 0
    for w in words:
        if w in _SCALES:
            if w == "hundred":
                group = max(group, 1) * 100
            else:
                total += max(group, 1) * _SCALES[w]
                group = 0
            last = _SCALES[w]
            continue
        value = _UNITS.get(w, _TENS.get(w, 0))
        if last and last < 100 and not (last >= 20 and value < 10 and last % 10 == 0):
            return None  # "two three": two numbers
        group += value
        last = value or 1
    return total + group


def _chinese(text: str) -> Decimal | None:
    if "点" in text:
        whole, _, part = text.partition("点")
        left = _chinese(whole)
        if left is None or not part or any(c not in _HAN for c in part):
            return None
        return left + Decimal("0." + "".join(str(_HAN[c]) for c in part))
    if all(c in _HAN for c in text):
        return Decimal(_HAN[text]) if len(text) == 1 else None  # a year or a code, digit by digit
    total = section = digit = 0
    for c in text:
        if c in _HAN:
            digit = _HAN[c]
        elif c in "万亿":
            total = (total + section + digit) * _HAN_POWERS[c]
            section = digit = 0
        else:
            section += (digit or 1) * _HAN_POWERS[c]
            digit = 0
    if text[0] in "百千万亿":
        return None  # 万一, 百般: no number begins so
    return Decimal(total + section + digit)
