"""What the words around figures say about them: unit, currency and scale (``in millions, except per share data``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Measure", "label_measure", "measure_text", "table_measure"]

LONGEST_LABEL = 300
"""Characters of a label or caption line that are looked at."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a text says about the figures it governs.

    Attributes:
        unit: ``%``, ``per share``, ``shares``, ``years`` and the like; empty if it says none.
        currency: ISO code or mark (``USD``, ``$``); empty if it says none.
        scale: what the figures are to be multiplied by; None if it says nothing.
        share_scale: the same for numbers of shares, where it is another one.
        exempt: words (lower case, without plural s) of rows that the scale does not govern.
    """

    unit: str = ""
    currency: str = ""
    scale: Decimal | None = None
    share_scale: Decimal | None = None
    exempt: frozenset[str] = frozenset()


_POWERS = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "lakh": 5, "crore": 7, "mio": 6}
_SHORT = {"k": 3, "000": 3, "m": 6, "mn": 6, "mm": 6, "mio": 6, "bn": 9, "b": 9, "mrd": 9}
_CHINESE = {"百": 2, "千": 3, "万": 4, "百万": 6, "千万": 7, "亿": 8, "十亿": 9, "": 0}
_MARKS = r"US\$|HK\$|NT\$|C\$|A\$|S\$|R\$|\$|€|£|¥|￥|₹|\b(?:USD|EUR|GBP|RMB|CNY|JPY|CHF|CAD|AUD|HKD|INR|SEK|NOK|DKK)\b"
_SCALE = re.compile(
    r"\bin\s+(?:[\w.$€£¥₹']+\s+(?:of\s+)?){0,3}?(?P<a>hundred|thousand|million|billion|trillion|lakh|crore)s?\b"
    r"|^\W*(?P<b>thousand|million|billion|trillion|lakh|crore)s?\b(?!\s+\w+ing)"
    rf"|(?:{_MARKS}|dollars|euros?)\s*(?:in\s+)?(?P<c>thousand|million|billion|trillion|lakh|crore|mio)s?\b"
    r"|\b(?P<d>thousand|million|billion)s\s+of\b"
    rf"|(?:{_MARKS})\s*['’]?(?P<e>k|000|mn|mm|m|bn|b|mrd)s?(?![\w,.])|(?:^|[(\s]|\bin\s)['’]?(?P<f>000)['’]?s(?!\w)",
    re.IGNORECASE,
)
_CHINESE_SCALE = re.compile(
    r"(?:单位\s*[:：]\s*|[(（]\s*(?:单位\s*[:：]\s*)?|^\s*)(?:人民币)?\s*"
    r"(?P<p>百万|千万|十亿|百|千|万|亿)?(?P<u>元|美元|港元|欧元|日元|股|人|吨|户|份|家|%|年|天|倍)(?:人民币)?(?=\s*(?:$|[)）,，;；/]))"
)
_EXCEPT = re.compile(r"\b(?:except|excluding|unless|other than)\b", re.IGNORECASE)
_CURRENCY = re.compile(
    rf"(?P<mark>{_MARKS})|\b(?P<word>u\.?s\.? dollars?|dollars?|euros?|pounds? sterling|yen|yuan|renminbi)\b"
    r"|(?P<han>美元|港元|欧元|日元|人民币|元)",
    re.IGNORECASE,
)
_ISO = {
    "us$": "USD", "hk$": "HKD", "nt$": "TWD", "c$": "CAD", "a$": "AUD", "s$": "SGD", "r$": "BRL", "€": "EUR",
    "£": "GBP", "￥": "¥", "₹": "INR", "rmb": "CNY", "dollar": "$", "dollars": "$", "euro": "EUR", "euros": "EUR",
    "pound sterling": "GBP", "pounds sterling": "GBP", "yen": "JPY", "yuan": "CNY", "renminbi": "CNY",
    "us dollar": "USD", "us dollars": "USD", "美元": "USD", "港元": "HKD", "欧元": "EUR", "日元": "JPY",
    "人民币": "CNY", "元": "CNY",
}  # fmt: skip
_HAN_UNITS = {"股": "shares", "年": "years", "天": "days", "倍": "x", "人": "persons", "吨": "tons", "%": "%"}
_PER = re.compile(
    r"\bper[\s-]+(?:\w+[\s-]+){0,2}?(?P<a>share|unit|ads|adr|barrel|boe|ton|tonne|day|hour|employee|store|square foot|"
    r"customer|user|subscriber|room|mile|gallon|ounce|kwh|mwh)\b|(?P<b>\beps\b|每股)",
    re.IGNORECASE,
)
_PERCENT = re.compile(
    r"(?<!\d)(?<!\d )%|(?<!\d )(?<!\d)\bpercent(?:age)?s?\b|占比|百分比|同比|\b(?:rate|ratio|yield)s?\W*$",
    re.IGNORECASE,
)
_TIME = re.compile(r"\(\s*(?:in\s+)?(years|months|days|hours)\s*\)|\bin (years|months|days|hours)\b", re.IGNORECASE)
_SHARES = re.compile(
    r"\(\s*in shares\s*\)|\b(?:number of|weighted[\s-]*average|diluted|basic)\b.{0,60}\bshares?\b"
    r"|\bshares?\s+(?:outstanding|used|repurchased|purchased|authorized)\b|股份?数|^\W*shares\W*$",
    re.IGNORECASE,
)
_MONEY_SHARES = re.compile(r"\bpar\b|\bprice\b|\bvalue\b|[$€£]", re.IGNORECASE)
_PAR = re.compile(r"\bpar value\b|面值", re.IGNORECASE)
_EFFECT = re.compile(r"(?:the )?(?:effects?|impacts?|changes?)\b[^%]*$", re.IGNORECASE)
_BRACKETS = re.compile(r"[(（][^()（）\d]{1,60}(?:000s?)?[)）]")
_AMOUNT = re.compile(rf"(?:{_MARKS})\s*(?!000)[\d.,]*\d\s*(?:thousand|million|billion)?", re.IGNORECASE)
_FILLER = frozenset(
    {"data", "amount", "number", "figure", "information", "otherwise", "noted", "where", "which", "reflected", "stated"}
    | {"indicated", "share", "percent", "percentage", "thousand", "million"}
)


def measure_text(text: str) -> str:
    """The part of a text that is looked at: one line, not longer than a label."""
    return " ".join(text[: LONGEST_LABEL * 2].split())[:LONGEST_LABEL]


def table_measure(text: str) -> Measure:
    """What a units line or caption says: scale, currency, and what is excepted."""
    t = measure_text(text)
    m = _EXCEPT.search(t)
    head, tail = (t[: m.start()], t[m.end() :]) if m else (t, "")
    scale, share_scale = None, None
    for part in re.split(r"[,;，；]", head):
        found = _scale(part)
        if found is None:
            continue
        if re.search(r"\bshares?\b|股", part, re.IGNORECASE) and not _CURRENCY.search(part):
            share_scale = share_scale or found
        else:
            scale = scale or found
    bare = re.sub(r"per[\s-]+(?:\w+[\s-]+){0,2}?share", " ", tail, flags=re.IGNORECASE)
    if re.search(r"\bshares?\b", bare, re.IGNORECASE):
        share_scale = _scale(bare) or Decimal(1)
    words = {w.rstrip("s") for w in re.findall(r"[a-z]{4,}", bare.lower())}
    return Measure("", _currency(head), scale, share_scale, frozenset(words - _FILLER))


def label_measure(text: str, *, row: bool = False) -> Measure:
    """What a column head or row label says about its own figures.

    Currency and scale of a row's label count only in brackets: ``Notes of €300 million`` names the notes.
    """
    t = measure_text(text)
    money = " ".join(_BRACKETS.findall(t)) if row else _AMOUNT.sub(" ", t)
    per = None if row and _PAR.search(t) else _PER.search(t)
    if per:
        return Measure(f"per {(per['a'] or 'share').lower()}", _currency(money), Decimal(1))
    if _PERCENT.search(t) and not (row and _EFFECT.match(t)):
        return Measure("%", scale=Decimal(1))
    time = _TIME.search(t)
    if time:
        return Measure((time[1] or time[2]).lower(), scale=Decimal(1))
    scale = _scale(money)
    if _SHARES.search(t) and not _MONEY_SHARES.search(t):
        return Measure("shares", scale=scale)
    han = _CHINESE_SCALE.search(t)
    unit = _HAN_UNITS.get(han["u"], "") if han else ""
    return Measure(unit, "" if unit else _currency(money), scale)


def _scale(text: str) -> Decimal | None:
    m = _SCALE.search(text)
    if m:
        word = next(w for w in m.groups() if w).lower()
        return Decimal(1).scaleb(_POWERS[word] if word in _POWERS else _SHORT[word])
    m = _CHINESE_SCALE.search(text)
    return Decimal(1).scaleb(_CHINESE[m["p"] or ""]) if m else None


def _currency(text: str) -> str:
    m = _CURRENCY.search(text)
    if not m:
        return ""
    said = m[0].replace(".", "")
    return _ISO.get(said.lower(), said.upper())
