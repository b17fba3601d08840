"""References in a text: ``Section 4.2(b)``, ``Exhibit A``, ``Note 7``, ``第十二条``, each with the label of what is meant.

A label is written without spaces and in one way: ``4.2(b)`` for sections, clauses and paragraphs, ``Article4`` (Roman
numbers become digits), ``ExhibitA``, ``Table3``, ``第12条``. References to other documents (``Section 10(b) of the
Securities Act``) are none. Time is linear in the text: one pass finds the words, and what follows a word is read with
bounded patterns.
"""

from __future__ import annotations

import re
from string import ascii_lowercase
from typing import TYPE_CHECKING, NamedTuple

from paperlode.ingest.numerals import chinese_number, roman_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "CHINESE", "GROUPS", "NUMBER", "Reference", "chinese_label", "label_of", "references_in", "split_groups", "squeezed",
    "word_of",
]  # fmt: skip

_GAP = r"[\s\u200b]{0,3}"
_IN = "[A-Za-z]|[ivxl]{2,6}|[IVXL]{2,5}|\\d{1,2}|" + "|".join(2 * c for c in ascii_lowercase)
GROUPS = rf"(?:[\s\u200b]?\((?:{_IN})\)){{0,6}}"
"""Pattern of ``(b)(ii)``, up to six of them, each with at most one space before it."""
NUMBER = r"\d{1,4}(?:\.\d{1,3}){0,5}(?:[A-Z](?![A-Za-z]))?"
"""Pattern of ``4``, ``4.2.1``, ``409A``."""
_ROMAN = r"[IVXLC]{1,7}(?![A-Za-z])"
_LETTER = (
    rf"[A-Z]{{1,2}}(?:[-.]\d{{1,3}}){{0,2}}(?!\w)|\d{{1,3}}(?:\.\d{{1,3}}){{0,3}}(?:-?[A-Z](?!\w)|(?![\w%]))|{_ROMAN}"
)
_FIGURE = rf"\d{{1,3}}(?:[.-]\d{{1,3}}){{0,3}}[A-Z]?(?![\w%])|{_ROMAN}"

_SECTION = ("section", "sec", "clause", "paragraph", "para", "subsection", "subclause", "subparagraph", "§")
_LETTERED = ("exhibit", "schedule", "annex", "appendix", "attachment")
_NUMBERED = ("note", "table", "figure", "fig", "chart", "item", "chapter", "part")
_SINGULAR = {"annexes": "annex", "appendices": "appendix", "§§": "§"}
_LOWER = frozenset({*_SECTION, "article", "note", "table", "figure", "fig"})
"""Words that refer also in small letters (``exhibit a strong ...`` does not)."""
_WORD = re.compile(
    r"(?<![\w-])(?:(?:sub-?)?(?:sections?|clauses?|paragraphs?)|secs?\.|paras?\.|articles?|exhibits?|schedules?|annex(?:es)?"
    r"|appendix|appendices|attachments?|notes?|tables?|figures?|figs?\.|charts?|items?|chapters?|parts?)"
    r"(?=[\s\u200b“\"‘'(\d])|§{1,2}",
    re.IGNORECASE,
)
_AFTER = {
    "section": re.compile(rf"{_GAP}(?P<id>{NUMBER}|{_ROMAN})?(?P<groups>{GROUPS})(?![\w%])"),
    "article": re.compile(rf"{_GAP}(?P<id>{NUMBER}|{_ROMAN})(?P<groups>{GROUPS})(?![\w%])"),
    "lettered": re.compile(rf"{_GAP}[“\"‘']?(?P<id>{_LETTER})[”\"’']?(?P<groups>{GROUPS})"),
    "numbered": re.compile(rf"{_GAP}(?P<id>{_FIGURE})(?P<groups>{GROUPS})"),
}
_AND = re.compile(
    r"\s{0,2}(?:,\s{0,2}(?:and/or|and|or|&|through|to)?|;|and/or|and\b|or\b|&|through\b|thru\b|to\b|[-–—])\s{0,2}",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    r"\s{1,2}(?:(?:business|calendar|working)\s)?(?:days?|weeks?|months?|years?|per\s?cent|million|billion)\b"
)
_OF = re.compile(r",?\s{1,2}(?:of|in|under|to|from)\s{1,2}", re.IGNORECASE)
_INITIALS = re.compile(r"the\s{1,2}[A-Z]{3,8}(?![\w-])")
_STATUTE = re.compile(r"\.\d|[-–]\d")
"""After a number: ``1.368-1`` and ``240.12b-2`` are of regulations."""
_POINTS = ".,;:()“”\"‘’'\u037e"
"""Around a word; the Greek question mark looks like a semicolon and occurs in its place."""
_THEREOF = re.compile(r"\s{0,2},?\s{0,2}thereof\b", re.IGNORECASE)
_GROUP = re.compile(r"\(([A-Za-z]{1,6}|\d{1,2})\)")
_OWN = re.compile(r"\s*[.:：)—–-]*(?:\s+[A-Z“\"‘(\[\u4e00-\u9fff]|\s*$|\s*\n|\s+[-–—])")

_SMALL = frozenset(
    {
        "the",
        "such",
        "that",
        "said",
        "its",
        "our",
        "their",
        "a",
        "an",
        "each",
        "any",
        "applicable",
        "and",
        "of",
        "for",
        "on",
        "&",
    }
)
_LAWS = frozenset(
    {
        "act", "acts", "cfr", "code", "constitution", "convention", "decree", "directive", "erisa", "finra", "gdpr", "hipaa",
        "law", "laws", "ordinance", "regulation", "regulations", "rule", "rules", "statute", "statutes", "treaty", "usc",
    }
)  # fmt: skip
_PAPERS = frozenset(
    {
        "addendum", "agreement", "amendment", "articles", "by-laws", "bylaws", "certificate", "charter", "contract", "guarantee",
        "guaranty", "indenture", "lease", "license", "mortgage", "note", "order", "plan", "policy", "settlement",
    }
)  # fmt: skip
_FILINGS = frozenset({"form", "report", "statement", "registration", "proxy", "filing", "8-k", "10-k", "10-q", "s-1"})
_LAW_BEFORE = re.compile(
    r"(?:\b(?:Code|Act|ERISA|IRC|Regulations?|Rules?|Reg\.|Statutes?|Law|Topic|ASC)|Regulation\s[A-Z]{1,2}(?:-[A-Z]{1,2})?|U\.?S\.?C\.?|C\.?F\.?R\.?)\s{0,2},?\s{0,2}$"
)
CHINESE = re.compile(
    r"第(?P<no>[一二三四五六七八九十百零〇两\d]{1,6}(?:\.\d{1,3}){0,4})(?P<sort>[章节節条條款项])"
    r"|(?P<word>附件|附录|附表|附注|(?<![报列代发图附])[表图])\s{0,2}"
    r"(?P<id>\d{1,3}(?:[-.]\d{1,3}){0,2}|[一二三四五六七八九十]{1,3}(?![\u4e00-\u9fff])|(?<=附件)[一二三四五六七八九十]{1,3})"
)
_CHINESE_OWN = re.compile(r"[\s:：、.．]|$")


class Reference(NamedTuple):
    """What is referred to, by its label, and where: offsets into the text."""

    label: str
    start: int
    end: int


class _Item(NamedTuple):
    """One number of a list: its word's singular, its number, its brackets, where it stands."""

    word: str
    number: str
    groups: str
    start: int
    end: int


def references_in(text: str) -> tuple[Reference, ...]:
    """The references of a text, in order. A number that a line begins with, and a name follows, is the line's own."""
    found = [
        *_english(text),
        *(_in_chinese(text) if "第" in text or "附" in text or "表" in text or "图" in text else ()),
    ]
    return tuple(sorted(found, key=lambda r: (r.start, r.end)))


def _english(text: str) -> Iterator[Reference]:
    held: list[
        _Item
    ] = []  # what has not shown yet whose document it is of: ``Section 13(a) or Section 15(d) of the ... Act``
    for items, start, foreign in _lists(text):
        joined = bool(held) and _joined(text[held[-1].end : start]) and _sort(held[-1].word) == _sort(items[0].word)
        if held and not (joined and foreign):
            yield from _references(held)
        held = [] if foreign else items
    yield from _references(held)


def _references(items: Iterable[_Item]) -> Iterator[Reference]:
    for item in items:
        if label := label_of(item.word, item.number, item.groups):
            yield Reference(label, item.start, item.end)


def _joined(between: str) -> bool:
    return len(between) <= 12 and _AND.fullmatch(between) is not None


def _lists(text: str) -> Iterator[tuple[list[_Item], int, bool]]:
    """Each word with its number or list of numbers, where it begins, and whether it is of another document."""
    done = 0
    for m in _WORD.finditer(text):
        if m.start() < done:
            continue
        items = _items(text, m)
        if not items:
            continue
        start, end = m.start(), items[-1].end
        done = end
        own = len(items) == 1 and not text[start].islower() and _begins_line(text, start)
        if not (own and _OWN.match(text, end)):
            yield items, start, _elsewhere(text, start, end, items[0])


def _items(text: str, m: re.Match[str]) -> list[_Item]:
    """What a word refers to: one number or a list of them; empty when nothing that can be told."""
    word, plural = word_of(m.group())
    if m.group()[0].islower() and word not in _LOWER:
        return []
    sort = _sort(word)
    first = _AFTER[sort].match(text, m.end())
    if first is None or not (first["id"] or first["groups"]):
        return []
    if sort == "numbered" and m.group()[0].islower() and not first["id"][0].isdigit():
        return []
    if not plural and _STATUTE.match(text, first.end()):
        return []
    items = [_Item(word, first["id"] or "", squeezed(first["groups"]), m.start(), first.end())]
    while len(items) < 40:
        last = items[-1]
        sep = _AND.match(text, last.end)
        more = _AFTER[sort].match(text, sep.end()) if sep else None
        if more is None or not (more["id"] or more["groups"]) or _COUNTED.match(text, more.end()):
            break
        number, groups = more["id"] or "", squeezed(more["groups"])
        if sep and sep.group().strip() in "-–—" and not plural:
            break
        if number and not (plural or (sort == "section" and ("." in number or groups) and number[0].isdigit())):
            break
        if number and sort in ("section", "article") and not last.number:
            break
        if not number and not last.groups:
            break
        if not number:
            number, groups = last.number, _next_groups(last.groups, groups)
        at = more.start() + len(more.group()) - len(more.group().lstrip())
        items.append(_Item(word, number, groups, at, more.end()))
    return items if items[0].number else _under(text, items)


def _under(text: str, items: list[_Item], depth: int = 0) -> list[_Item]:
    """``paragraph (c) of Section 5``: the items under what is named after them; empty when nothing is."""
    of = _OF.match(text, items[-1].end)
    m = _WORD.match(text, of.end()) if of else None
    if m is None or depth > 3:
        return []
    word, _ = word_of(m.group())
    sort = _sort(word)
    base = _AFTER[sort].match(text, m.end())
    if sort not in ("section", "article") or base is None or not (base["id"] or base["groups"]):
        return []
    over = [_Item(word, base["id"] or "", squeezed(base["groups"]), m.start(), base.end())]
    if not over[0].number:
        over = _under(text, over, depth + 1)
        if not over:
            return []
    top = over[0]
    out = [_Item(top.word, top.number, top.groups + i.groups, i.start, i.end) for i in items]
    out[-1] = out[-1]._replace(end=top.end)
    return out


def word_of(text: str) -> tuple[str, bool]:
    """The word in the singular and in small letters, without a point, and whether it stood in the plural."""
    word = text.casefold().rstrip(".").replace("-", "")
    if word in _SINGULAR:
        return _SINGULAR[word], True
    plural = word.endswith("s") and word[:-1] in (*_SECTION, "article", *_LETTERED, *_NUMBERED)
    return (word[:-1] if plural else word), plural


def _sort(word: str) -> str:
    if word in _LETTERED:
        return "lettered"
    if word in _NUMBERED:
        return "numbered"
    return "article" if word == "article" else "section"


def label_of(word: str, number: str, groups: str = "") -> str:
    """The label of a number under a word (in the singular): ``4.2(b)``, ``Article4``, ``ExhibitA``; empty for a statute's."""
    sort = _sort(word)
    if sort == "section":
        if len(number) > 3 and number[-1].isalpha() and "." not in number and number[:-1].isdigit():
            return ""  # 409A, 280G: of a code
        return (number if number[0].isdigit() else str(roman_number(number) or number)) + groups
    if sort == "article":
        if "." in number:
            return number + groups
        return "Article" + (number if number[0].isdigit() else str(roman_number(number) or number)) + groups
    if word in ("part", "chapter") and not number[0].isdigit():
        number = str(roman_number(number) or number)
    name = "Figure" if word == "fig" else word.capitalize()
    return name + number + groups


def chinese_label(m: re.Match[str]) -> str:
    """The label of a match with the groups ``no`` and ``sort``, or ``word`` and ``id``: ``第12条``, ``4.2``, ``附件1``."""
    if m["word"]:
        return m["word"] + _digits(m["id"])
    number = _digits(m["no"])
    return number if "." in number else f"第{number}{m['sort']}"


def _digits(number: str) -> str:
    return number if number[0].isdigit() else str(chinese_number(number) or number)


def _in_chinese(text: str) -> Iterator[Reference]:
    last: Reference | None = None
    for m in CHINESE.finditer(text):
        before = text[max(0, m.start() - 1) : m.start()]
        own = _begins_line(text, m.start()) and _CHINESE_OWN.match(text, m.end()) is not None
        inner = m["sort"] in ("款", "项") if m["sort"] else False
        if inner:  # 第五条第二款: under what stands right before it
            if last and last.end == m.start():
                last = Reference(last.label + chinese_label(m), last.start, m.end())
            continue
        if last:
            yield last
        foreign = before in ("》", "法")
        last = None if own or foreign else Reference(chinese_label(m), m.start(), m.end())
    if last:
        yield last


def _begins_line(text: str, start: int) -> bool:
    before = text[max(0, start - 8) : start].rstrip(' \t\u200b“"')
    return (not before and start <= 8) or before.endswith("\n")


def _elsewhere(text: str, start: int, end: int, item: _Item) -> bool:
    """Whether the reference is to another document, as what stands after it (or a law's name before it) tells."""
    sort = _sort(item.word)
    if (sort == "section" or item.word == "item") and _LAW_BEFORE.search(text[max(0, start - 24) : start]):
        return True
    if _THEREOF.match(text, end):
        return True
    of = _OF.match(text, end)
    if of is None:
        return False
    if _INITIALS.match(text, of.end()) and sort == "section":
        return True
    named = False
    for n, word in enumerate(text[of.end() : of.end() + 160].split()[:12]):
        bare = word.strip(_POINTS)
        key = bare.casefold().replace(".", "") if bare.isascii() else bare.casefold()
        if n == 0 and key in ("this", "these", "hereof"):
            return False
        if not bare:
            continue
        if bare[0].isupper() or bare[0].isdigit():
            if key in _LAWS or (key in _PAPERS and named) or (key in _FILINGS and sort in ("lettered", "numbered")):
                return True
            if word_of(bare)[0] in _LETTERED and sort in ("section", "article"):
                return True
            named = True
        elif key not in _SMALL and not key.endswith(("’s", "'s")):
            return False
        if word.endswith((";", ".")) and len(bare) > 4:
            return False
    return False


def squeezed(groups: str) -> str:
    """``(b) (ii)`` without the blanks, zero-width ones too."""
    return "".join(groups.replace("\u200b", "").split())


def split_groups(groups: str) -> list[str]:
    """``(b)(ii)`` as ``["b", "ii"]``."""
    return _GROUP.findall(groups)


def _mark_sort(mark: str) -> str:
    if mark.isdigit():
        return "1"
    if set(mark) <= set("ivxl") and mark != "l":
        return "i"
    return "A" if mark.isupper() else "a"


def _next_groups(before: str, groups: str) -> str:
    """``(a)(i)`` and then ``(ii)`` is ``(a)(ii)``: a mark takes the place of the last one that counts as it does."""
    marks, new = split_groups(before), split_groups(groups)
    at = next(
        (k for k in range(len(marks) - 1, -1, -1) if _mark_sort(marks[k]) == _mark_sort(new[0])), max(0, len(marks) - 1)
    )
    return "".join(f"({g})" for g in (*marks[:at], *new))
