"""Numbers in running text, English and Chinese, with what stands around them: currency, scale words, percent, sign.

Every number becomes its value in full (``$1.42 billion`` is 1,420,000,000) and one unit of its last printed place, which
says how far it may have been rounded. Years, quarters and dates are no amounts: see ``periods``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from .number_words import number_words
from .periods import Period, blanked, periods

__all__ = ["Amount", "Measure", "amounts", "plain_characters", "said_scales"]


class Measure(StrEnum):
    """What a number counts, as far as it must not be taken for another: percent are not points, points not money."""

    NUMBER = "number"
    PERCENT = "percent"
    POINTS = "points"


@dataclass(frozen=True, slots=True)
class Amount:
    """A number in a text.

    Attributes:
        text: as printed, with its marks. start, end: offsets.
        value: in full, without sign: the printed number times its scale word.
        step: one unit of the last printed place, in full.
        printed: the number without its scale word.
        measure: percent as printed (5.2% is 5.2); points are percentage points (220 bps are 2.2).
        currency: ISO code, or a mark that several currencies share (``$``); empty if none.
        negative: a minus stands before it, or brackets around it where nothing else explains them.
        bracketed: brackets stand around it.
        scaled: it has a scale word (``million``, ``万``).
        spelled: it is written in words.
        borrowed: scale and measure of the next number in a list or range (``5 to 10 million``): the value with them.
    """

    text: str
    start: int
    end: int
    value: Decimal
    step: Decimal
    printed: Decimal
    measure: Measure = Measure.NUMBER
    currency: str = ""
    negative: bool = False
    bracketed: bool = False
    scaled: bool = False
    spelled: bool = False
    borrowed: tuple[Decimal, Measure] | None = None


_CURRENCY_MARKS = {
    "us$": "USD", "usd": "USD", "hk$": "HKD", "hkd": "HKD", "c$": "CAD", "a$": "AUD", "$": "$", "€": "EUR", "eur": "EUR",
    "£": "GBP", "gbp": "GBP", "¥": "¥", "rmb": "CNY", "cny": "CNY", "jpy": "JPY", "chf": "CHF", "inr": "INR", "₹": "INR",
    "人民币": "CNY", "美元": "USD", "港元": "HKD", "欧元": "EUR", "日元": "JPY", "元": "CNY", "dollars": "$", "dollar": "$",
    "u.s. dollars": "USD", "us dollars": "USD", "euros": "EUR", "euro": "EUR", "yuan": "CNY", "yen": "JPY",
    "pounds": "GBP",
}  # fmt: skip
_POWERS = {
    "hundred": 2, "thousand": 3, "thousands": 3, "million": 6, "millions": 6, "billion": 9, "billions": 9, "trillion": 12,
    "mn": 6, "mm": 6, "bn": 9, "mrd": 9, "k": 3, "m": 6, "b": 9, "lakh": 5, "crore": 7, "百": 2, "千": 3, "万": 4,
    "十万": 5, "百万": 6, "千万": 7, "亿": 8, "十亿": 9, "百亿": 10, "千亿": 11, "万亿": 12,
}  # fmt: skip
_NUMBER = re.compile(
    r"(?P<open>[(]\s*)?(?P<lead>[-+](?=\s?[\d.$€£¥₹A-Z]))?"
    r"(?P<cur>(?:US|HK|C|A)?\$|[€£¥₹]|(?<![A-Za-z])(?:USD|EUR|GBP|RMB|CNY|JPY|CHF|CAD|AUD|HKD|INR)(?![A-Za-z])|人民币)?"
    r"(?(cur)\s?(?:in\s)?)(?P<inner>[-(](?=\d|\.\d))?"
    r"(?<![A-Za-z0-9_.])(?P<num>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?"
    r"|\d{1,3}(?:\.\d{3})+,\d+|\d+(?:\.\d+)?|\.\d+)"
    r"(?![\d]|[.,]\d)(?P<close0>\))?"
    r"(?:(?P<gap>\s?-?)(?P<power>万亿|千亿|百亿|十亿|千万|百万|十万|[百千万亿]|"
    r"(?:hundred|thousand|million|billion|trillion|lakh|crore)s?(?![A-Za-z])|(?:mn|mm|bn|mrd|[kmb])(?![A-Za-z0-9])))?"
    r"(?P<close1>\))?"
    r"(?:\s?(?P<percent>%|percent(?:age)?(?!\w|\s+points?|-points?)|per\s+cent\b|pct\b)"
    r"|\s?(?P<points>个?百分点|percentage[\s-]+points?|pp(?:ts?)?\b|基点|basis[\s-]+points?|bps\b))?"
    r"(?:\s?(?P<after>美元|港元|欧元|日元|元|(?:u\.?s\.?\s)?dollars?\b|euros?\b|yuan\b|yen\b|"
    r"(?:USD|EUR|GBP|RMB|CNY|JPY|HKD)(?![A-Za-z])))?"
    r"(?P<close2>\s*\))?",
    re.IGNORECASE,
)
_DOTTED = re.compile(r"(?<![\w.])\d+(?:\.\d+){2,}(?![\w])")
_LETTERS = {"k", "m", "b"}
"""Scale words of one letter: ``5 m`` may be metres, and ``3M`` a company, where no currency stands before it."""
_SUFFIX = re.compile(r"[A-Za-z_]|-[A-Za-z]{1,2}\b")
_TIMES = re.compile(r"x\b", re.IGNORECASE)
_BASIS = re.compile(r"基点|basis|bps", re.IGNORECASE)
_PERCENT_BEFORE = re.compile(r"百分之\s*$")
_LARGE = 1000
_LIST = re.compile(
    r"\s*(?:,|and|or|to|and\s+to|through|-|~|/|、|和|及|与|至|到|或|versus|vs\.?)(?:\s*(?:and|or|to))?\s*",
    re.IGNORECASE,
)
_PLAIN = str.maketrans(
    {chr(c): chr(c - 0xFEE0) for c in (*range(0xFF10, 0xFF1A), *map(ord, "．，％（）＋－／＄："))}
    | dict.fromkeys("\u2212\u2013\u2014\u2010\u2011\u2012\u2015", "-")
    | {"￥": "¥", "\u3000": " ", "\u00a0": " ", "\u2009": " ", "\u202f": " "}
)
"""One for one: offsets stay."""
_SCALE_SAID = re.compile(
    r"\bin\s+(?:[A-Za-z$€£¥.]+\s+){0,3}?(?P<a>thousand|million|billion)s?\b"
    r"|\(\s*(?:[A-Za-z$€£¥.]{1,8}\s+)?(?P<b>thousand|million|billion)s?\s*(?:of\s+[^)]{1,20}|[,;][^)]{1,60})?\)"
    r"|(?:USD|US\$|EUR|GBP|RMB|CNY|[$€£¥])\s*(?:in\s+)?(?P<c>thousand|million|billion)s\b"
    r"|\(\s*(?:in\s+)?(?:US)?[$€£¥]?\s*(?P<e>000s?|mn?|bn|k)\s*\)|[$€£]\s?(?P<f>000s?|mn|bn)(?!\w)"
    r"|(?:单位\s*:?\s*|以|[(])\s*(?:人民币|美元|港元)?\s*(?P<d>千|万|百万|千万|亿|十亿)\s*(?:元|美元|股|人|吨)",
    re.IGNORECASE,
)


def plain_characters(text: str) -> str:
    """Full-width digits and marks, dashes and odd spaces as plain ones; no character is added or taken away."""
    return text.translate(_PLAIN)


def amounts(text: str, named: list[Period] | None = None) -> list[Amount]:
    """The numbers in ``text``, in order. ``named`` are its periods, if the caller has them."""
    text = plain_characters(text)
    left = blanked(text, periods(text) if named is None else named)
    left = _DOTTED.sub(lambda m: " " * len(m[0]), left)  # clause 7.2.1
    found = [
        Amount(
            left[start:end], start, end, value, Decimal(1), value,
            Measure.PERCENT if percent else Measure.NUMBER, spelled=True, scaled=value >= _LARGE,
        )
        for start, end, value, percent in number_words(left)
    ]  # fmt: skip
    words = [(a.start, a.end) for a in found]
    ends = {a.end for a in found}
    for m in _NUMBER.finditer(left):
        amount = _amount(m, left, ends)
        if amount is not None and not any(s < amount.end and amount.start < e for s, e in words):
            found.append(amount)
            ends.add(amount.end)
    return _with_borrowed(sorted(found, key=lambda a: a.start), left)


def said_scales(text: str) -> frozenset[Decimal]:
    """What a text says its bare figures are multiplied by (``in millions``)."""
    out = set()
    for m in _SCALE_SAID.finditer(plain_characters(text)):
        word = next(w for w in m.groups() if w).lower()
        out.add(Decimal(1000) if word.startswith("000") else Decimal(10) ** _POWERS[word])
    return frozenset(out)


def _amount(m: re.Match[str], text: str, ends: set[int]) -> Amount | None:
    """The amount that a match is; None where the digits belong to a name. ``ends``: where the numbers before it end."""
    if _is_name(m, text):
        return None
    power, places, printed = _magnitude(m)
    value, step = printed.scaleb(power), Decimal(1).scaleb(power - places)
    measure = _measure(m, text)
    if measure is Measure.POINTS and _BASIS.match(m["points"]):
        value, step = value / 100, step / 100
    opened = bool(m["open"] or m["inner"] == "(")
    closed = bool(m["close0"] or m["close1"] or m["close2"])
    bracketed = opened and closed
    start = m.start() if bracketed else m.start() + len(m["open"] or "")
    end = m.end() if bracketed or not closed else m.end("num") if m["close0"] or m["close1"] else m.start("close2")
    before = text[start - 1] if start else ""
    minus = m["lead"] == "-" or m["inner"] == "-"
    if minus and ((before.isascii() and before.isalnum()) or before in {")", "%"}):  # the dash of a range
        minus = False
        start += m["lead"] == "-"
    restated = bool(ends) and not text[max(e for e in (*ends, 0) if e <= start or e == 0) : start].strip()
    whole = bool(m["open"]) and measure is Measure.PERCENT and not (m["close0"] or m["close1"])
    currency = _CURRENCY_MARKS.get((m["cur"] or m["after"] or "").lower(), "")
    if m["cur"] and m["after"] and len(currency) == 1:
        currency = _CURRENCY_MARKS.get(m["after"].lower(), currency)
    return Amount(
        text[start:end].strip(),
        start,
        end,
        value,
        step,
        printed,
        measure,
        currency,
        negative=minus or (bracketed and not restated and not whole),
        bracketed=bracketed,
        scaled=bool(power),
    )


def _is_name(m: re.Match[str], text: str) -> bool:
    """Whether the digits are part of a name: ``3M``, ``10-K``, ``10b``, ``COVID-19``."""
    power = (m["power"] or "").lower()
    start = m.start("num")
    if power in _LETTERS and (("-" in m["gap"]) or (m["gap"] and not m["cur"]) or (power != "k" and not m["cur"])):
        return True
    if start > 1 and text[start - 1] == "-" and text[start - 2].isalpha() and text[start - 2].isascii():
        return True
    if power or m["percent"] or m["points"] or m["after"]:
        return False
    rest = text[m.end("num") :]
    return bool(_SUFFIX.match(rest)) and not _TIMES.match(rest)


def _magnitude(m: re.Match[str]) -> tuple[int, int, Decimal]:
    """Power of ten of the scale word, decimal places, and the number as printed."""
    digits = m["num"]
    european = "," in digits and "." in digits and digits.rfind(",") > digits.rfind(".")
    clean = digits.replace(".", "").replace(",", ".") if european else digits.replace(",", "")
    word = (m["power"] or "").lower()
    return _POWERS.get(word, _POWERS.get(word.rstrip("s"), 0)), len(clean.partition(".")[2]), Decimal(clean)


def _measure(m: re.Match[str], text: str) -> Measure:
    if m["percent"] or _PERCENT_BEFORE.search(text[: m.start("num")]):
        return Measure.PERCENT
    return Measure.POINTS if m["points"] else Measure.NUMBER


def _with_borrowed(found: list[Amount], text: str) -> list[Amount]:
    """Of ``$5 to 10 million`` the 5 too is in millions."""
    out = list(found)
    for i in range(len(found) - 2, -1, -1):
        a, b = found[i], out[i + 1]
        if a.scaled or a.measure is not Measure.NUMBER or not _LIST.fullmatch(text[a.end : b.start]):
            continue
        if b.borrowed is not None:
            power, measure = b.borrowed[0] / b.value if b.value else Decimal(1), b.borrowed[1]
        elif b.scaled or b.measure is not Measure.NUMBER:
            power, measure = (
                (b.value / b.printed if b.printed and b.measure is Measure.NUMBER else Decimal(1)),
                b.measure,
            )
        else:
            continue
        out[i] = replace(a, borrowed=(a.value * power, measure), currency=a.currency or b.currency)
    return out
