"""Roman and Chinese numerals as numbers."""

from __future__ import annotations

__all__ = ["chinese_number", "roman_number"]

_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
_TENS = ("", "X", "XX", "XXX", "XL", "L", "LX", "LXX", "LXXX", "XC")
_ONES = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")
_CHINESE = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}


def roman_number(text: str) -> int | None:
    """``IV`` as 4, up to 399 and in capitals; None for what is no Roman number (``IIII``, ``VX``)."""
    if not text or len(text) > 9 or any(c not in _ROMAN for c in text):
        return None
    values = [_ROMAN[c] for c in text]
    total = sum(-v if n + 1 < len(values) and v < values[n + 1] else v for n, v in enumerate(values))
    rightly = "C" * (total // 100) + _TENS[total // 10 % 10] + _ONES[total % 10] if 0 < total < 400 else ""
    return total if rightly == text else None


def chinese_number(text: str) -> int | None:
    """``十二`` as 12, ``一百零三`` as 103, ``二〇`` as 20, up to 999; digits as they are; None for anything else."""
    if text.isascii() and text.isdigit():
        return int(text)
    if not text or len(text) > 6 or any(c not in _CHINESE and c not in "十百" for c in text):
        return None
    if "十" not in text and "百" not in text:
        return int("".join(str(_CHINESE[c]) for c in text))
    total, digit = 0, 0
    for c in text:
        if c in _CHINESE:
            digit = _CHINESE[c]
        else:
            total += (digit or 1) * (100 if c == "百" else 10)
            digit = 0
    return total + digit
