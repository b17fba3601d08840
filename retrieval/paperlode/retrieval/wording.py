"""Words around a figure that say which way it goes: up, down, a loss, money paid; and that it was computed."""

from __future__ import annotations

import re

__all__ = ["CONTRAST", "PRIOR", "computed", "direction", "hedge", "says_loss", "says_negative", "without_brackets"]

_UP = (
    r"increas\w*|grew|grow(?:s|n|th|ing)?|rose|ris(?:e|es|ing|en)|climb\w*|improv\w*|higher|gain(?:s|ed)?|up(?!\s+to\b)"
    r"|expand\w*"
    r"|增长|上升|增加|提高|上涨|上浮|高于"
)
_DOWN = (
    r"decreas\w*|declin\w*|fell|fall(?:s|en|ing)?|drop\w*|lower|reduc\w*|down|shrank|shrunk|contract(?:ed|ion)|slipp?ed"
    r"|下降|减少|降低|下滑|下跌|低于"
)
_LOSS = r"loss(?:es)?|deficits?|outflows?|亏损|净流出|赤字"
_FILLER = r"(?:\s+(?!to\b|from\b|at\b|was\b|were\b|is\b|are\b|by\b|of\b|and\b|which\b)[^\W\d]+){0,4}"
_LINK = (
    r"(?:\s*(?:by|of|in|:|了|约|近|为|达|至?约|approximately|about|nearly|roughly|around|over|almost|some|another|a|an"
    r"|more than))*\s*$"
)
_WAY = re.compile(rf"(?<![A-Za-z])(?:(?P<up>{_UP})|(?:{_DOWN}))(?![A-Za-z])", re.IGNORECASE)
_TO_FIGURE = re.compile(rf"(?:{_FILLER}\s+(?:by|of|was|is|were)|{_FILLER})?{_LINK}", re.IGNORECASE)
_LOSS_BEFORE = re.compile(
    rf"(?<![A-Za-z(])(?:{_LOSS})(?![A-Za-z)])(?:\s+(?!from\b|to\b|compared\b)[^\W\d]+){{0,6}}"
    rf"\s*(?:of|was|were|is|are|totall?ed|amounted to|reached|came to|:|为|达|约|是)?{_LINK}",
    re.IGNORECASE,
)
_AFTER = {
    1: re.compile(rf"\s*(?:of\s+)?(?:的|[\w-]+\s+){{0,2}}?(?:{_UP})(?![A-Za-z])", re.IGNORECASE),
    -1: re.compile(rf"\s*(?:of\s+)?(?:的|[\w-]+\s+){{0,2}}?(?:{_DOWN}|(?:net\s+)?loss)(?![A-Za-z])", re.IGNORECASE),
}
_BREAK = re.compile(r"[,;:.，；。：]|\b(?:and|or|to|from|which|while|compared|but)\b", re.IGNORECASE)
_NEGATIVE = re.compile(
    rf"(?<![A-Za-z])(?:{_DOWN}|{_LOSS}|negative|used|paid|pay(?:s|ing|able|ments?)?|repa\w+|repurchas\w*|purchas\w*"
    r"|acqui\w*|bought|buyback\w*|dividends?|distribut\w*|capital expenditures?|capex|invest(?:ed|ing|ments?)?"
    r"|spen[dt]\w*|spending|expenses?|costs?|charg\w*|tax(?:es)?|provisions?|deduct\w*|treasury"
    r"|write-?(?:off|down)s?|written off|amorti[sz]ation|depreciation"
    r"|impairments?|redempt\w*|redeem\w*|withheld|eliminat\w*|allowances?|accumulated|contra|retire\w*|settle\w*|overdr\w*"
    r"|forfeit\w*|cancell?\w*|unrecogni[sz]ed|hedg\w*|settl\w*|financing activities|outlays?|additions? to property)(?![A-Za-z])"
    r"|支付|流出|购买|购建|偿还|分配|支出|费用|成本|损失|税|负|减值|折旧|摊销|投资|回购|处置",
    re.IGNORECASE,
)
_LOSING = re.compile(rf"(?<![A-Za-z])(?:{_DOWN}|{_LOSS}|negative|used|outlays?)(?![A-Za-z])|流出", re.IGNORECASE)
_BRACKETS = re.compile(r"[(（][^()（）]*[)）]")
_COMPUTED = {
    "growth": re.compile(
        rf"(?<![A-Za-z])(?:{_UP}|{_DOWN}|chang\w*|year[\s-]over[\s-]year|yoy|y/y)(?![A-Za-z])|同比|环比|变动|变化",
        re.IGNORECASE,
    ),
    "ratio": re.compile(
        r"\b(?:ratios?|margins?|share|percent(?:age)?|proportion|times|turnover|represent\w*|account(?:s|ed)?\s+for|divid\w*"
        r"|conversion|relative to|as a part of|equal(?:s|ed)? to)\b|%\s+of\b|/|÷|占|比率|比例|率|比重|倍",
        re.IGNORECASE,
    ),
    "difference": re.compile(
        rf"(?<![A-Za-z])(?:differ\w*|gap|minus|less|exceed\w*|more than|net of|chang\w*|{_UP}|{_DOWN})(?![A-Za-z])"
        r"|\s-\s|差额|相差|差异",
        re.IGNORECASE,
    ),
    "sum": re.compile(
        r"\b(?:total\w*|sum|combined|together|altogether|aggregate)\b|\+|合计|共计|总计|总共|之和", re.IGNORECASE
    ),
    "average": re.compile(r"\b(?:average|mean)\b|平均", re.IGNORECASE),
}
_HEDGES = {
    "above": re.compile(
        r"\b(?:over|more than|above|exceed\w*|at least|in excess of|upwards? of)\s*$|(?:超过|逾|多于|超)\s*$",
        re.IGNORECASE,
    ),
    "below": re.compile(
        r"\b(?:nearly|almost|just under|under|less than|below|close to|up to)\s*$|(?:近|接近|不到|不足)\s*$",
        re.IGNORECASE,
    ),
    "about": re.compile(
        r"\b(?:about|approximately|approx\.?|roughly|around|some|circa|ca\.|c\.)\s*$|~\s*$|(?:约|大约|大概|约为)\s*$",
        re.IGNORECASE,
    ),
}
CONTRAST = re.compile(
    r"\b(?:compared|(?:prior|previous|preceding)(?:\s+fiscal)?\s+(?:year|period|quarter)"
    r"|(?:year|quarter)\s+(?:earlier|ago)|last year)\b"
    r"|上年|上期|去年|同期|相比|较"
    r"|\b(?:from|than|versus|vs\.?|against)(?:\s+(?:about|approximately|nearly|a|an|the|loss|profit|of))*\W*$",
    re.IGNORECASE,
)
"""A figure after these words is not of the period named before them."""
PRIOR = re.compile(
    r"(?:\s*\w+){0,3}?\s*\b(?:prior|previous|preceding|earlier|last|year[\s-]ago|a year ago)\b|\s*[(（]?(?:上年|上期|去年)",
    re.IGNORECASE,
)


def direction(before: str, after: str) -> int:
    """Which way a figure between the two texts goes: 1 up, -1 down, -2 a loss, 0 where they do not say."""
    for m in reversed(list(_WAY.finditer(before[-80:]))):
        if _TO_FIGURE.fullmatch(before[-80:], m.end()):
            return 1 if m["up"] else -1
    parted = _BREAK.search(after)
    near = after[: parted.start()] if parted else after
    for sign in (1, -1):
        if _AFTER[sign].match(near[:40]):
            return sign
    return -2 if _LOSS_BEFORE.search(without_brackets(before)[-100:]) else 0


def says_negative(text: str) -> bool:
    """Whether a label or clause speaks of losses, decreases or money paid; words in brackets (``income (loss)``) say nothing."""
    return bool(_NEGATIVE.search(without_brackets(text)))


def says_loss(text: str) -> bool:
    """Whether a label speaks of a loss, a decrease or an outflow, so that its figure is negative in meaning."""
    return bool(_LOSING.search(without_brackets(text)))


def without_brackets(text: str) -> str:
    """The text without what stands in round brackets."""
    return _BRACKETS.sub(" ", text)


def computed(text: str) -> frozenset[str]:
    """Which operations a sentence speaks of: growth, ratio, difference, sum, average."""
    return frozenset(name for name, pattern in _COMPUTED.items() if pattern.search(text))


def hedge(before: str) -> str:
    """How a figure after this text is rounded: ``above`` it (``over 5``), ``below`` (``nearly 5``), ``about``, or empty."""
    return next((name for name, pattern in _HEDGES.items() if pattern.search(before[-30:])), "")
