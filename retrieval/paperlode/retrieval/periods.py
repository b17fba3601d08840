"""Years, quarters and dates in running text, English and Chinese."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Period", "blanked", "periods"]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<{0}>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_YEAR = r"(?:19|20)\d\d"
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "一": 1, "二": 2, "三": 3, "四": 4}
_DATES = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    rf"(?P<iso_y>{_YEAR})[-/.](?P<iso_m>0?[1-9]|1[0-2])[-/.](?P<iso_d>3[01]|[12]\d|0?[1-9])(?!\d)"
    rf"|(?P<us_m>0?[1-9]|1[0-2])/(?P<us_d>3[01]|[12]\d|0?[1-9])/(?P<us_y>{_YEAR})(?!\d)"
    rf"|{_MONTH.format('a_m')}\s+(?P<a_d>3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?(?!\d|[.,]\d)"
    rf"(?:\s*,?\s*(?:\|\s*)?(?P<a_y>{_YEAR})(?!\d))?"
    rf"|(?P<b_d>3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH.format('b_m')}(?:\s*,?\s*(?P<b_y>{_YEAR})(?!\d))?"
    rf"|{_MONTH.format('c_m')}\s*,?\s+(?:of\s+)?(?P<c_y>{_YEAR})(?!\d)"
    r")",
    re.IGNORECASE,
)
_CHINESE_DATE = re.compile(
    rf"(?P<y>{_YEAR})\s*年度?(?:\s*(?P<m>1[0-2]|0?[1-9])\s*月(?:\s*(?P<d>3[01]|[12]\d|0?[1-9])\s*日)?)?"
    r"|(?<!\d)(?P<n>1[0-2]|0?[1-9])\s*月\s*(?P<e>3[01]|[12]\d|0?[1-9])\s*日"
)
_QUARTERS = re.compile(
    rf"(?<![A-Za-z0-9])q(?P<a>[1-4])(?:['’\s-]*(?:of\s+)?(?:(?:fiscal|fy)\s*)?(?P<a_y>{_YEAR}|\d\d(?!\d)))?(?![A-Za-z0-9])"
    rf"|(?<![A-Za-z0-9])(?P<c>[1-4])q\s*(?P<c_y>{_YEAR}|\d\d)(?!\d)"
    rf"|\b(?P<b>first|second|third|fourth)[\s-]+(?:fiscal\s+)?quarters?\b(?:\s+(?:of\s+)?(?:fiscal\s+(?:year\s+)?)?(?P<b_y>{_YEAR})(?!\d))?"
    r"|第(?P<d>[一二三四1-4])季度?",
    re.IGNORECASE,
)
_YEARS = re.compile(
    rf"(?<![A-Za-z0-9.,$€£¥#-])(?:(?P<fiscal>fy|fiscal(?:\s+years?)?|f)\s*['’]?\s*(?P<short>{_YEAR}|\d\d)(?![\d%,.]\d|\d)"
    rf"|(?P<y>{_YEAR})(?!\d|[,.]\d|\s*(?:%|percent|thousand|million|billion|万|亿|元)))",
    re.IGNORECASE,
)
_RANGE_END = re.compile(rf"(?P<a>{_YEAR})\s*[-–—~至/]\s*(?P<b>{_YEAR}|\d\d)(?!\d|[.,]\d|%)")


@dataclass(frozen=True, slots=True)
class Period:
    """A year, quarter, month or day that a text names; what it does not say is None.

    ``start`` and ``end`` are offsets into the text. ``fiscal``: it is said to be a fiscal year, which may end in the next
    (or begin in the last) calendar year.
    """

    start: int
    end: int
    year: int | None = None
    quarter: int | None = None
    month: int | None = None
    day: int | None = None
    fiscal: bool = False


def periods(text: str) -> list[Period]:
    """The periods in ``text``, in order; none overlaps another."""
    found: list[Period] = []
    left = text
    for m in _DATES.finditer(left):
        g = m.groupdict()
        key = next(k for k in ("iso", "us", "a", "b", "c") if g.get(f"{k}_m"))
        month = g[f"{key}_m"]
        number = int(month) if month.isdecimal() else _MONTHS.index(month[:3].lower()) + 1
        found.append(Period(m.start(), m.end(), _int(g.get(f"{key}_y")), None, number, _int(g.get(f"{key}_d"))))
    left = _blank(left, found)
    found += [
        Period(m.start(), m.end(), _int(m["y"]), None, _int(m["m"] or m["n"]), _int(m["d"] or m["e"]))
        for m in _CHINESE_DATE.finditer(left)
    ]
    left = _blank(left, found)
    for m in _QUARTERS.finditer(left):
        said = m["a"] or m["b"] or m["c"] or m["d"]
        quarter = int(said) if said.isdecimal() else _ORDINALS[said.lower()]
        found.append(Period(m.start(), m.end(), _year(m["a_y"] or m["b_y"] or m["c_y"]), quarter, fiscal=True))
    left = _blank(left, found)
    for m in _RANGE_END.finditer(left):
        first = int(m["a"])
        last = int(m["b"]) if len(m["b"]) == 4 else first // 100 * 100 + int(m["b"])
        if first < last <= first + 60:
            found += [Period(m.start("a"), m.end("a"), first), Period(m.start("b"), m.end("b"), last)]
    left = _blank(left, found)
    for m in _YEARS.finditer(left):
        year = _year(m["short"]) if m["fiscal"] else int(m["y"])
        found.append(Period(m.start(), m.end(), year, fiscal=bool(m["fiscal"])))
    return sorted(found, key=lambda p: p.start)


def blanked(text: str, spans: list[Period]) -> str:
    """The text with spaces where the periods stand: offsets stay the same."""
    return _blank(text, spans)


def _blank(text: str, spans: list[Period]) -> str:
    out = list(text)
    for p in spans:
        out[p.start : p.end] = " " * (p.end - p.start)
    return "".join(out)


def _int(text: str | None) -> int | None:
    return int(text) if text else None


def _year(text: str | None) -> int | None:
    """A year of two or four digits: ``22`` is 2022, ``98`` is 1998."""
    if not text:
        return None
    number = int(text)
    if number >= 100:
        return number
    return 2000 + number if number < 70 else 1900 + number
