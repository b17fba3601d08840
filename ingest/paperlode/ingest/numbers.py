r"""A cell's text as a number: signs, digit groups of several countries, percent, currency, footnote marks.

What is no single number is None: ranges, dates, bare years, comparisons (``<5``), text. The text itself is never
changed. Styles: English ``1,234.5``, European ``1.234,5``, French and Swiss ``1 234,5`` and ``1'234.5``, Indian
``12,34,567``, Chinese ``1,234.56万元`` and ``3.2亿``, full-width digits, LaTeX cells ``\\(12.5\\)``.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LONGEST_NUMBER", "Number", "decimal_mark", "parse_number"]

LONGEST_NUMBER = 64
"""Characters above which a cell is no number, whatever it says."""


@dataclass(frozen=True, slots=True)
class Number:
    """What a cell's figure says.

    Attributes:
        value: with its sign and the multiplier printed in the cell itself (``3.2亿`` is 320,000,000); percent as
            printed (``5.2%`` is 5.2).
        percent: a percent sign stands in the cell.
        currency: ISO code where the mark says one (``US$`` is ``USD``), the mark itself where it does not (``$``);
            empty if none.
        nil: the cell is a lone dash; value 0.
        step: one unit of the last place printed (``1,234.50`` has 0.01, ``3.2亿`` has 10,000,000).
        multiplier: what was printed in the cell after the figure (10,000 for ``万``), else 1: a table's scale does
            not apply on top of it.
        unit: ``x``, ``bps`` or ``pp`` where it stands in the cell.
        grouped: whether thousands are set apart.
    """

    value: Decimal
    percent: bool = False
    currency: str = ""
    nil: bool = False
    step: Decimal = Decimal(1)
    multiplier: Decimal = Decimal(1)
    unit: str = ""
    grouped: bool = False


_CURRENCIES = {
    "us$": "USD", "usd": "USD", "美元": "USD", "hk$": "HKD", "hkd": "HKD", "港元": "HKD", "港币": "HKD", "c$": "CAD",
    "ca$": "CAD", "cad": "CAD", "a$": "AUD", "au$": "AUD", "aud": "AUD", "nz$": "NZD", "nzd": "NZD", "s$": "SGD",
    "sgd": "SGD", "nt$": "TWD", "r$": "BRL", "brl": "BRL", "$": "$", "€": "EUR", "eur": "EUR", "euro": "EUR",
    "欧元": "EUR", "£": "GBP", "gbp": "GBP", "¥": "¥", "rmb": "CNY", "cny": "CNY", "人民币": "CNY", "元": "CNY",
    "人民币元": "CNY", "jpy": "JPY", "日元": "JPY", "円": "JPY", "₹": "INR", "inr": "INR", "rs.": "INR", "rs": "INR",
    "₩": "KRW", "krw": "KRW", "원": "KRW", "₽": "RUB", "chf": "CHF", "fr.": "CHF", "sek": "SEK", "nok": "NOK",
    "dkk": "DKK", "mxn": "MXN", "zar": "ZAR",
}  # fmt: skip
_MULTIPLIERS = {
    "百": 2, "千": 3, "万": 4, "十万": 5, "百万": 6, "千万": 7, "亿": 8, "十亿": 9, "百亿": 10, "千亿": 11, "万亿": 12,
    "thousand": 3, "million": 6, "millions": 6, "mn": 6, "mio.": 6, "mio": 6, "billion": 9, "billions": 9, "bn": 9,
    "mrd.": 9, "mrd": 9, "trillion": 12, "lakh": 5, "lakhs": 5, "crore": 7, "crores": 7,
}  # fmt: skip
_LETTERS = {"k": 3, "m": 6, "b": 9, "t": 12}
"""Multipliers of one letter count only beside a currency: ``5 m`` may be metres."""
_UNITS = {"x": "x", "×": "x", "bp": "bps", "bps": "bps", "pp": "pp", "ppt": "pp", "ppts": "pp", "pts": "pp"}
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹ᵃᵇᶜᵈᵉᶠ⁽⁾"
_DASHES = "-‐‑‒–—―−─－"
_IGNORED = {ord(c): None for c in "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069\ufeff"}
_FOOTNOTE = re.compile(
    r"\s*(?:\((?:[1-9]|[12]\d|[a-z]{1,2})\)|\[(?:\d{1,2}|[a-z]{1,2})\]|[*†‡§¶#]{1,4})$", re.IGNORECASE
)
_LATEX = re.compile(r"\\\((.*)\\\)|\$([^$]*)\$", re.DOTALL)
_LATEX_MARK = re.compile(r"\^\{?\s*(?:\*{1,3}|\\dagger|\\ddagger|\\ast|[a-z])\s*\}?$")
_LATEX_STYLE = re.compile(r"\\(?:mathbf|mathrm|mathit|textbf|textit|text|bf|rm|boldsymbol|underline)\b")
_PARTS = re.compile(r"[()%]|[+\-]|\d(?:[\d.,' ]*\d)?|\.\d+|[^\d()%+\-\s.]+(?:\.(?!\d))?|\s+")
_GROUPED = re.compile(r"(?!0)(?:\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}|\d{1,4}(?:,\d{4}){2,})")
_EUROPEAN = re.compile(r"\d{1,3}(?:\.\d{3})+")
_SPACED = re.compile(r"\d{1,3}(?: \d{3})+|\d{1,3}(?:'\d{3})+")
_YEAR = re.compile(r"(?:19|20)\d\d")


def parse_number(text: str, *, decimal: str = "", years: bool = False) -> Number | None:
    """The number a cell shows, or None if it shows none or more than one.

    Args:
        text: the cell's text.
        decimal: the table's decimal mark, ``.`` or ``,`` (see ``decimal_mark``); empty when unknown: then ``1,234``
            is English, ``1.234`` a decimal fraction and ``12,5`` European.
        years: whether a bare 1900 to 2099 is a number (it is a year otherwise).
    """
    if not text or len(text) > LONGEST_NUMBER * 2:
        return None
    return _parsed(text, decimal, years)


@lru_cache(maxsize=8192)  # a table's figures are asked for by the parser, the judge, sums, rows and chunks
def _parsed(text: str, decimal: str, years: bool) -> Number | None:
    t = _plain(text)
    if not t or len(t) > LONGEST_NUMBER:
        return None
    if all(c in "-$€£¥% ()" for c in t):
        return _nil(t)
    t = _without_footnotes(t)
    if not years and _YEAR.fullmatch(t):
        return None
    return _signed(t, decimal)


def decimal_mark(texts: Iterable[str]) -> str:
    """The decimal mark that a table's cells prove: ``.`` or ``,``, empty when they prove none or both."""
    point = comma = False
    for text in texts:
        if not text or len(text) > LONGEST_NUMBER:
            continue
        for m in re.finditer(r"\d[\d.,' ]*\d", _plain(text)):
            found = _proves(m[0])
            point, comma = point or found == ".", comma or found == ","
            if point and comma:
                return ""
    return "." if point else "," if comma else ""


def _proves(digits: str) -> str:
    """What one run of digits and marks says about the decimal mark."""
    dots, commas = digits.count("."), digits.count(",")
    if dots and commas:
        whole, mark = (
            (digits.rpartition("."), ".") if digits.rfind(".") > digits.rfind(",") else (digits.rpartition(","), ",")
        )
        return mark if mark not in whole[0] and _groups(whole[0], "," if mark == "." else ".") else ""
    mark, other = (".", ",") if dots else (",", ".")
    if dots + commas > 1:
        return other if _groups(digits, mark) else ""
    if dots + commas == 1:
        left, _, right = digits.partition(mark)
        if len(right) != 3 or left == "0" or len(left) > 3:
            return mark if left.replace(" ", "").replace("'", "").isdecimal() and right.isdecimal() else ""
    return ""


def _groups(digits: str, mark: str) -> bool:
    return bool((_GROUPED if mark == "," else _EUROPEAN).fullmatch(digits))


def _plain(text: str) -> str:
    """Without superscript marks at the end, LaTeX, invisible characters; digits, signs and brackets in ASCII."""
    t = text.strip().translate(_IGNORED)
    m = _LATEX.fullmatch(t)
    if m and any(c.isdigit() for c in t):
        t = _latex(m[1] if m[1] is not None else m[2])
    t = t.rstrip()
    if t.rstrip(_SUPERSCRIPTS) and any(c.isdecimal() for c in t):
        t = t.rstrip(_SUPERSCRIPTS)
    if t.isascii():
        return " ".join(t.replace("`", "'").split())
    out: list[str] = []
    for c in t:
        if c in _SUPERSCRIPTS or c in "⁻⁺½¼¾⅓⅔⅛":
            out.append("^")  # inside a number it makes it none
        elif c in _DASHES:
            out.append("-")
        elif c in "’‘ʼ´`＇":
            out.append("'")
        elif c == "￥":
            out.append("¥")
        elif c == "٫":
            out.append(".")
        elif c == "٬":
            out.append(",")
        elif c.isdecimal():
            out.append(str(unicodedata.decimal(c)))
        else:
            out.append(unicodedata.normalize("NFKC", c) if ord(c) > 127 else c)
    return " ".join("".join(out).split())


def _latex(text: str) -> str:
    t = _LATEX_MARK.sub("", text.strip())
    t = _LATEX_STYLE.sub("", t)
    for a, b in (("{,}", ","), (r"\,", " "), (r"\;", " "), (r"\ ", " "), ("~", " "), (r"\%", "%"), (r"\$", "$")):
        t = t.replace(a, b)
    return t.replace("{", "").replace("}", "")


def _without_footnotes(t: str) -> str:
    for _ in range(4):
        m = _FOOTNOTE.search(t)
        if not m or not any(c.isdecimal() for c in t[: m.start()]):
            break
        t = t[: m.start()]
    return t.strip()


def _nil(t: str) -> Number | None:
    if not 1 <= t.count("-") <= 3:
        return None
    mark = next((c for c in t if c in "$€£¥"), "")
    return Number(Decimal(0), percent="%" in t, currency=_CURRENCIES.get(mark, ""), nil=True)


def _signed(t: str, decimal: str) -> Number | None:
    """The number from its parts: one run of digits, and around it signs, brackets and known marks, each at most once."""
    parts = [p for p in _PARTS.findall(t) if not p.isspace()]
    if sum(len(p) for p in parts) != len(t.replace(" ", "")) + sum(p.count(" ") for p in parts) or len(parts) > 12:
        return None
    runs = [i for i, p in enumerate(parts) if p[0].isdecimal() or (p[0] == "." and len(p) > 1)]
    if len(runs) != 1:
        return None
    at = runs[0]
    before, after = parts[:at], parts[at + 1 :]
    read = _digits(parts[at], decimal)
    sign = _sign(before, after)
    if read is None or sign is None:
        return None
    marks = _marks([p.lower() for p in before if p not in "(+-"], [p.lower() for p in after if p not in ")+-"])
    if marks is None:
        return None
    percent, currency, power, unit = marks
    value, places, grouped = read
    multiplier = Decimal(1).scaleb(power)
    return Number(
        value * sign * multiplier,
        percent=percent,
        currency=currency,
        step=Decimal(1).scaleb(power - places),
        multiplier=multiplier,
        unit=unit,
        grouped=grouped,
    )


def _sign(before: list[str], after: list[str]) -> int | None:
    """1 or -1; None when signs or brackets contradict each other. A bracket that was never closed is negative too."""
    opened, closed = before.count("("), after.count(")")
    lead, trail = sum(p in "+-" for p in before), sum(p in "+-" for p in after)
    if opened > 1 or closed > opened or ")" in before or "(" in after or lead + trail + opened > 1 or "+" in after:
        return None
    return -1 if opened or "-" in before or "-" in after else 1


def _marks(before: list[str], after: list[str]) -> tuple[bool, str, int, str] | None:
    """Percent, currency, power of ten and unit that stand around the digits; None when a word is none of these."""
    percent, currency, power, unit = False, "", 0, ""
    words = [(w, False) for w in before] + [(w, True) for w in after]
    beside = any(w in _CURRENCIES for w, _ in words)
    for w, behind in words:
        if w in ("%", "％") and not percent and behind:
            percent = True
        elif w in _CURRENCIES and currency in ("", _CURRENCIES[w]):
            currency = _CURRENCIES[w]
        elif behind and w in _UNITS and not unit:
            unit = _UNITS[w]
        elif behind and not power and (split := _power(w, beside)):
            power, left = split
            if left and currency not in ("", "¥", left):
                return None
            currency = currency or left
        else:
            return None
    return percent, currency, power, unit


def _power(word: str, beside: bool) -> tuple[int, str] | None:
    """``万元`` as 4 and ``CNY``; ``million`` as 6; ``m`` as 6 beside a currency."""
    if word in _MULTIPLIERS:
        return _MULTIPLIERS[word], ""
    if beside and word in _LETTERS:
        return _LETTERS[word], ""
    for size in (2, 1):
        head, tail = word[:size], word[size:]
        if head in _MULTIPLIERS and tail in _CURRENCIES and ord(head[0]) > 127:
            return _MULTIPLIERS[head], _CURRENCIES[tail]
    return None


def _digits(run: str, decimal: str) -> tuple[Decimal, int, bool] | None:
    """Value, decimal places and whether thousands are set apart; None when the marks make no number."""
    for mark, groups in ((".", _GROUPED), (",", _EUROPEAN)):
        if decimal and mark != decimal:
            continue
        whole, _, fraction = run.rpartition(mark) if mark in run else (run, "", "")
        if mark in run and not fraction.isdecimal():
            continue
        if not _one_way(run, mark, decimal):
            continue
        if not whole or whole.isdecimal():
            return _decimal(whole, fraction), len(fraction), False
        if groups.fullmatch(whole) or (_SPACED.fullmatch(whole) and not _two_figures(run, decimal)):
            return _decimal("".join(c for c in whole if c.isdecimal()), fraction), len(fraction), True
    return None


def _decimal(whole: str, fraction: str) -> Decimal:
    return Decimal(f"{whole or '0'}.{fraction}" if fraction else whole)


def _one_way(run: str, mark: str, decimal: str) -> bool:
    """Whether reading ``mark`` as the decimal mark is the reading to take where the table does not say."""
    if decimal or mark == ".":
        # without a hint 1.234 is a fraction, 1.234.567 and 1.234,5 are not
        return run.count(mark) <= 1
    return run.count(",") <= 1 and not (run.count(",") == 1 and _GROUPED.fullmatch(run) and not run.startswith("0,"))


def _two_figures(run: str, decimal: str) -> bool:
    """Whether an English table's ``100 121`` is two cells that ran together."""
    return decimal == "." and run.count(" ") == 1 and "." not in run
