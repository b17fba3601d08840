"""The numbers that headings begin with: their form and their value (``Section 4.2``, ``ARTICLE IV``, ``B.``, ``第三章``)."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["STRUCTURAL", "Number", "number_of"]

STRUCTURAL = frozenset(
    {"part", "exhibit", "item", "article", "section", "note", "zh_chapter", "zh_section", "zh_article"}
)
"""Forms that name what they number: such a heading stands over every heading without a number that follows it."""

_ROMAN = re.compile(r"m{0,3}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})", re.IGNORECASE)
_ROMAN_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}
_ZH_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")}
_ZH = "零一二三四五六七八九十百"
_EXHIBIT = r"([a-z](?:-\d{1,2})?|[ivx]{1,5}|\d{1,3}(?:[-.]\d{1,3}){0,3})"
_VALUE = r"(?:[ivxlc]{1,7}|\d{1,3})"

_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (form, re.compile(pattern, re.IGNORECASE))
    for form, pattern in (
        ("part", rf"(?:part|volume|book)\s+({_VALUE})\b[.:]?"),
        ("exhibit", rf"(?:exhibit|annex|appendix|schedule|attachment)\s+{_EXHIBIT}\b[.:]?"),
        ("exhibit", rf"附[件录表]\s*([{_ZH}\d]{{0,3}})"),
        ("item", r"item\s+(\d{1,2}[a-z]?)\b[.:]?"),
        ("article", rf"(?:article|chapter|clause)\s+({_VALUE})\b[.:]?"),
        ("section", r"(?:section|sec\.|§)\s*(\d{1,3}(?:\.\d{1,3}){0,4})\b[.:]?"),
        ("note", r"note\s+(\d{1,3})\b[.:]?"),
        ("zh_part", rf"第([{_ZH}\d]{{1,4}})[部编篇]"),
        ("zh_chapter", rf"第([{_ZH}\d]{{1,4}})章"),
        ("zh_section", rf"第([{_ZH}\d]{{1,4}})节"),
        ("zh_article", rf"第([{_ZH}\d]{{1,4}})条"),
        ("zh_list", rf"([{_ZH}]{{1,3}})[、.．]"),
        ("zh_paren", rf"[(（]([{_ZH}]{{1,3}})[)）]"),
    )
)  # fmt: skip
_DECIMAL = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,5})(?:[.)、：:]|(?=\s)|(?=[^\x00-\x7f])|(?=\s?-\s?[A-Z]))")
_LETTERED = re.compile(r"(\d{1,3})([A-Za-z])\.(?=\s)|([A-Z])(\d{1,2})\.(?=\s)")
_LETTER = re.compile(r"([A-Za-z]|[ivxIVX]{2,6})[.)](?=\s)")
_PAREN = re.compile(r"\(([A-Za-z]|[ivxIVX]{2,6}|\d{1,2}|([a-z])\2)\)")


@dataclass(frozen=True, slots=True)
class Number:
    """The number a heading begins with.

    Attributes:
        form: what kind: ``part``, ``item``, ``article``, ``section``, ``note``, ``exhibit``, ``decimal``, ``roman``,
            ``upper``, ``lower``, ``lettered`` (``A1``, ``11L``), the same in parentheses (``(lower``), or ``zh_…``.
        values: its parts as integers; letters count from 1.
        end: offset in the text behind the number.
    """

    form: str
    values: tuple[int, ...]
    end: int

    def leads(self, other: Number) -> bool:
        """Whether the other is numbered inside this one: 4 and 4.2, Article IV and Section 4.2, A and A1."""
        n = len(self.values)
        inside = len(other.values) > n and other.values[:n] == self.values
        if self.form in _DOTTED and other.form in _DOTTED - {"article"}:
            return inside
        return self.form == "upper" and other.form == "lettered" and inside

    def follows(self, other: Number) -> bool:
        """Whether this comes later than the other in one series of their form."""
        return self.form == other.form and len(self.values) == len(other.values) and self.values > other.values

    def goes_on(self, other: Number) -> bool:
        """Whether this is the next of a series that is set in parentheses in one place only: ``c.``, then ``(d)``."""
        plain = self.form.lstrip("(") == other.form.lstrip("(") and self.form != other.form
        return plain and len(self.values) == 1 and self.values[0] == other.values[0] + 1


_DOTTED = frozenset({"article", "section", "decimal", "zh_chapter"})


def number_of(text: str, *, letter: bool = False) -> Number | None:
    """The number at the start of ``text``, or None.

    ``letter``: read a single ``I``, ``V``, ``X`` (or small) as a letter and not as a Roman numeral.
    """
    text = text[:64]
    for form, pattern in _FORMS:
        if m := pattern.match(text):
            return Number(form, _values(m.group(1)), m.end())
    if m := _LETTERED.match(text):
        first, second = (m.group(1), m.group(2)) if m.group(1) else (m.group(3), m.group(4))
        return Number("lettered", (_value(first, letter=True), _value(second, letter=True)), m.end())
    if m := _DECIMAL.match(text):
        values = tuple(int(v) for v in m.group(1).split("."))
        while len(values) > 1 and values[-1] == 0:  # 2.0 opens chapter 2, as 2 does
            values = values[:-1]
        return Number("decimal", values, m.end())
    if m := _LETTER.match(text):
        return _lettered(m, "", letter)
    if m := _PAREN.match(text):
        if m.group(1).isdigit():
            return Number("(decimal", (int(m.group(1)),), m.end())
        return _lettered(m, "(", letter)
    return None


def _lettered(m: re.Match[str], prefix: str, letter: bool) -> Number | None:
    sign = m.group(1)
    roman = bool(_ROMAN.fullmatch(sign)) and not (letter and len(sign) == 1)
    if len(sign) > 1 and not roman and sign[0] != sign[1]:
        return None
    if len(sign) == 1 and sign.lower() not in "ivx":
        roman = False
    case = "upper" if sign[0].isupper() else "lower"
    return Number(f"{prefix}{case}{'_roman' if roman else ''}", (_value(sign, letter=not roman),), m.end())


def _values(text: str) -> tuple[int, ...]:
    if not text:
        return ()
    m = re.fullmatch(r"(\d{1,3})([A-Za-z])", text)
    if m:
        return (int(m.group(1)), _value(m.group(2), letter=True))
    return tuple(_value(v, letter=False) for v in re.split(r"[-.]", text))


def _value(text: str, *, letter: bool) -> int:
    if text.isdigit():
        return int(text)
    if text[0] in _ZH:
        return _chinese(text)
    low = text.lower()
    if not letter and all(c in _ROMAN_VALUES for c in low) and _ROMAN.fullmatch(low):
        out = 0
        for c, after in zip(low, [*low[1:], ""], strict=True):
            v = _ROMAN_VALUES[c]
            out += -v if after and _ROMAN_VALUES[after] > v else v
        return out
    return ord(low[0]) - ord("a") + 1 + 26 * (len(low) - 1)


def _chinese(text: str) -> int:
    out = digit = 0
    for c in text:
        if c in _ZH_DIGITS:
            digit = _ZH_DIGITS[c]
        elif c.isdigit():
            digit = 10 * digit + int(c)
        else:
            out, digit = out + (digit or 1) * (10 if c == "十" else 100), 0
    return out + digit
