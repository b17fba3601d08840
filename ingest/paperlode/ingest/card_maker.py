"""Document cards made from a document's first pages and its file name, by rules and without a model."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from paperlode.ingest.card import DocumentCard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["card_of"]

FRONT_CHARACTERS = 6000
"""Of the first two pages, which say what a document is; a contract names its parties within them."""
MOST_NAMES = 8

ANNUAL, QUARTERLY, CURRENT, RELEASE, CONTRACT = (
    "annual_report",
    "quarterly_report",
    "current_report",
    "release",
    "contract",
)

_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (ANNUAL, re.compile(r"\bannual report\b|\bform\s*(?:10-?k|20-?f|40-?f)\b|年度报告|年报", re.IGNORECASE)),
    (
        QUARTERLY,
        re.compile(
            r"\bquarterly report\b|\bform\s*10-?q\b|\binterim report\b|季度报告|季报|半年度报告|中期报告", re.IGNORECASE
        ),
    ),
    (CURRENT, re.compile(r"\bcurrent report\b|\bform\s*[86]-?k\b|临时公告", re.IGNORECASE)),
    (
        RELEASE,
        re.compile(
            r"\b(?:reports|announces)\b.{0,80}\b(?:results|earnings)\b|\bearnings release\b|业绩公告", re.IGNORECASE
        ),
    ),
    (CONTRACT, re.compile(r"\bagreement\b|\bcontract\b|\blease\b|\bby and between\b|合同|协议书|协议", re.IGNORECASE)),
)
_NAME_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (ANNUAL, re.compile(r"10-?k(?![a-z])|20-?f(?![a-z])|annual", re.IGNORECASE)),
    (QUARTERLY, re.compile(r"10-?q(?![a-z])|quarterly|interim", re.IGNORECASE)),
    (CURRENT, re.compile(r"(?<!\d)[86]-?k(?![a-z])", re.IGNORECASE)),
    (RELEASE, re.compile(r"earnings|results|release", re.IGNORECASE)),
    (CONTRACT, re.compile(r"agreement|contract|lease|合同|协议", re.IGNORECASE)),
)
_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_PERIOD_END = re.compile(
    rf"(?:year|quarter|quarterly period|months|period|weeks)\s+ended:?\s+{_MONTH}\s+\d{{1,2}},?\s+((?:19|20)\d\d)",
    re.IGNORECASE,
)
_FISCAL = re.compile(r"\b(?:fiscal|FY)(?:\s+year)?[\s-]*((?:19|20)\d\d)\b", re.IGNORECASE)
_CHINESE_YEAR = re.compile(r"((?:19|20)\d\d)\s*年(?:年度|半年度|度|第[一二三四1-4]季度)?\s*(?:报告|财务)")
_ANY_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(?!\d)")
_NAME_QUARTER = re.compile(r"(?<![a-z])Q([1-4])(?!\d)|(?<!\d)([1-4])Q(?![a-z])", re.IGNORECASE)
_QUARTER = re.compile(r"\b(first|second|third|fourth)\s+(?:fiscal\s+)?quarter\b|第([一二三四])季度", re.IGNORECASE)
_QUARTERS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "一": 1, "二": 2, "三": 3, "四": 4}
_DATE = re.compile(
    rf"(?:dated|as of|effective as of|entered into)[^.]{{0,40}}?({_MONTH})\s+(\d{{1,2}}),?\s+((?:19|20)\d\d)",
    re.IGNORECASE,
)
_WRITTEN = "Inc Incorporated Corp Corporation Company Co LLC L.L.C Ltd Limited PLC LP L.P LLP N.A S.A AG GmbH B.V N.V Trust Bank"
_FORMS = [*_WRITTEN.split(), *_WRITTEN.upper().split()]
_SUFFIX = "(?:" + "|".join(re.escape(f) for f in dict.fromkeys(_FORMS)) + ")"
_ORGANISATION = re.compile(rf"((?:[A-Z0-9][\w&’'.-]*,?\s+(?:(?:of|and|the|&)\s+)?){{1,6}}?{_SUFFIX})\b(?!-)\.?")
_REGISTRANT = re.compile(r"([^\n()]{3,80}?)\s*\n?\s*\(\s*exact name of (?:the )?registrant", re.IGNORECASE)
_CHINESE_ORGANISATION = re.compile(
    r"[\u4e00-\u9fff（）()]{2,30}?(?:股份有限公司|有限责任公司|有限公司|集团公司|研究院|研究所)"
)
_SHORT = re.compile(r"\(\s*(?:the\s+|together[^()]{0,80}?,?\s+)?[\"“']([A-Z][\w.& -]{1,30})[\"”']\s*\)")
_TITLES = (
    "agreement party parties effective date term amendment exhibit whereas contract commission number reporting filer"
)
_NO_NAME = frozenset(_TITLES.split())
"""Words of titles and forms that run into a name."""
_LETTERS = re.compile(r"[^\W\d_]+")
_SMALL = re.compile(r"(?<![\w.@/-])[a-z]+(?![\w@/-]|\.\w)")
_FORM_WORDS = frozenset([f.lower() for f in _FORMS] + ["the", "of", "and"])
_ROLE_ALONE = frozenset(["the", "a", "company", "corporation", "co", "trust", "bank", "current", "inc"])


def card_of(document: str, name: str, title: str, front: str) -> DocumentCard:
    """The card of a document, from its file name, its title and the text of its first two pages (lines kept)."""
    front = unicodedata.normalize("NFKC", front[:FRONT_CHARACTERS])
    stem = name.rsplit(".", 1)[0]
    named = [k for k, p in _NAME_KINDS if p.search(stem)]
    kind = (
        (CONTRACT if CONTRACT in named else named[0]) if named else _kind(f"{title}\n{front}")
    )  # an exhibit of a 10-K
    date = _date(front)
    report = kind and kind != CONTRACT
    quarter = _quarter(stem, f"{title}\n{front[:1500]}") if report and kind != ANNUAL else None
    year = _year(stem, front) if report else int(date[:4]) if date else _first_year(stem)
    names = tuple(dict.fromkeys(_names(f"{title}\n{front}", kind)))[:MOST_NAMES]
    return DocumentCard(document, name, title, kind, names, year, quarter, date)


def _kind(text: str) -> str:
    """The kind whose word comes first."""
    found = [(m.start(), k) for k, p in _KINDS if (m := p.search(text))]
    return min(found)[1] if found else ""


def _year(stem: str, front: str) -> int | None:
    """The fiscal year: as the file's name has it, else as the cover says, where a year may end in the next January."""
    if year := _first_year(stem):
        return year
    for pattern in (_PERIOD_END, _FISCAL, _CHINESE_YEAR, _ANY_YEAR):
        if found := pattern.search(front):
            return int(found[1])
    return None


def _first_year(stem: str) -> int | None:
    found = _ANY_YEAR.search(stem) or re.search(r"(?<!\d)((?:19|20)\d\d)(?=[01]\d[0-3]\d(?!\d))", stem)
    return int(found[1]) if found else None


def _quarter(stem: str, front: str) -> int | None:
    if found := _NAME_QUARTER.search(stem):
        return int(found[1] or found[2])
    if found := _QUARTER.search(front):
        return _QUARTERS[(found[1] or found[2]).lower()]
    return None


def _date(front: str) -> str:
    from datetime import datetime

    found = _DATE.search(front)
    if not found:
        return ""
    try:
        return datetime.strptime(f"{found[1].title()} {found[2]} {found[3]}", "%B %d %Y").date().isoformat()  # noqa: DTZ007
    except ValueError:  # February 30
        return ""


def _names(text: str, kind: str) -> Iterator[str]:
    registrants = [_clean(m[1]) for m in _REGISTRANT.finditer(text)]
    yield from registrants
    limit = MOST_NAMES if kind == CONTRACT else 0 if registrants else 1
    small = set(_SMALL.findall(text))
    found = [n for n in _some((_clean(m[1]) for m in _ORGANISATION.finditer(text)), limit) if not _common(n, small)]
    yield from found
    yield from _some((m[0].strip("（）()") for m in _CHINESE_ORGANISATION.finditer(text)), limit)
    if kind == CONTRACT:
        short = [m[1] for m in _SHORT.finditer(text) if any(_is_short_for(m[1], whole) for whole in found)]
        yield from (n for n in short if not _common(n, small))


def _common(name: str, small: set[str]) -> bool:
    """A word that the text also writes small, with a form behind it at most (``Investment Company``), names nobody."""
    words = [w.lower() for w in _LETTERS.findall(name)]
    own = [w for w in words if w not in _FORM_WORDS] or words
    return len(own) == 1 and own[0] in small


def _is_short_for(name: str, whole: str) -> bool:
    """A word of the whole name, its initials, or those with its form (``Kestrel``, ``KRF``, ``KRF LLC``); no part it plays."""
    words = [w.lower() for w in _LETTERS.findall(whole)]
    said = [w.lower() for w in _LETTERS.findall(name)]
    initials = {"".join(w[0] for w in words[:n]) for n in range(2, len(words) + 1)}
    return bool(said) and (said[0] in initials or any(w in words and w not in _FORM_WORDS for w in said))


def _is_name(name: str) -> bool:
    """Not a sentence's end and start run together, and more than a word that any organisation is called by."""
    said = [w.strip(".,'’").lower() for w in name.split()]
    return not (
        set(said) & _NO_NAME or set(said) <= _ROLE_ALONE or name[:1].isdigit() or re.search(r"[a-z]\. [A-Z0-9]", name)
    )


def _some(names: Iterable[str], most: int) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name not in seen and _is_name(name) and len(seen) < most:
            seen.add(name)
            yield name


def _clean(name: str) -> str:
    return re.sub(r"^(?:and|the)\s+", "", " ".join(name.split()), flags=re.IGNORECASE).strip(" ,")
