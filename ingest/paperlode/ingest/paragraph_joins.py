"""Paragraphs and list items that go on over a page or column break, joined with every region kept."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Kind, Line

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["interrupts", "is_lone_number", "join_paragraphs"]

_CLOSERS = "\"'”’)]}）】』」»*†‡"
_ENDS = ".!?:;。！？：；…"
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_CJK_MARKS = "，、“”‘’（）《》〈〉—…·％"
_STARTS_ITEM = re.compile(
    r"(?:[•▪●○–—-]\s|[(（]?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,6}|[一二三四五六七八九十]{1,3})[.)、）]\s?(?!\d)"
    r"|第[一二三四五六七八九十百\d]+[章节条])"
)
_DASHED = re.compile(r"[–—-]\s")
_LONE_NUMBER = re.compile(r"[-–—\s]{0,4}(?:page\s+)?(?:[A-Z]{1,3}-)?(?:\d{1,4}|[ivxl]{1,7})[-–—\s]{0,4}", re.IGNORECASE)
_RUNS_ON = re.compile(
    r"(?:,|，|、|(?<=\s)(?:a|an|the|of|and|or|to|in|on|by|for|with|from|as|at|our|its|their|this|that|than|which|"
    r"section|sections|article|articles|exhibit|note|item|inc\.|mr\.|ms\.|dr\.|no\.|nos\.|vs\.|u\.s\.|&|\$))$",
    re.IGNORECASE,
)
_STRAIGHT = str.maketrans("“”„", '""' + '"')

FEWEST_WORDS = 10
"""Words of a text that is told from a list of names."""
FULL_LINE = 0.7
"""Share of the longest line's characters that the last line before a break has, where the text goes on."""
SINGLE_LINE = 80
"""Characters of a full line at least: by these a paragraph's only line before the break is measured."""
QUOTE_BACK = 80
QUOTE_AHEAD = 300
"""Characters before and after a break in which a quotation opens and closes."""

_COMPANY = re.compile(r"\b(?:inc|corp|co|ltd)\.$", re.IGNORECASE)
"""Ends a sentence as often as not."""

_KEEPS_HYPHEN = frozenset(
    (
        "all",
        "anti",
        "co",
        "cross",
        "ex",
        "full",
        "half",
        "high",
        "inter",
        "large",
        "long",
        "low",
        "mid",
        "multi",
        "near",
        "net",
        "non",
        "off",
        "on",
        "one",
        "over",
        "part",
        "post",
        "pre",
        "re",
        "real",
        "second",
        "self",
        "semi",
        "short",
        "small",
        "so",
        "state",
        "sub",
        "third",
        "three",
        "time",
        "two",
        "un",
        "under",
        "up",
        "well",
        "year",
        "day",
        "month",
    )
)


def join_paragraphs(first: Block, second: Block) -> Block | None:
    """One block of both, or None when the second does not go on where the first breaks off.

    Args:
        first: the last paragraph or list item before the break.
        second: the first paragraph after it; the caller has seen to it that only furniture and notes lie between.

    A hyphen that only cuts a word at the break goes; offsets of all lines fit the joined text.
    """
    a, b = first.text.rstrip(), second.text.lstrip()
    if not _kinds_fit(first, second, a, b) or not _goes_on(first, a, b):
        return None
    lead = len(second.text) - len(b)
    glue = " "
    if a.endswith("\u00ad") or (_cut_word(a) and b[:1].islower()):
        a, glue = a[:-1], ""
    elif (a.endswith("-") and b[:1].islower()) or (_wide(a[-1]) and _wide(b[0])):
        glue = ""
    shift = len(a) + len(glue) - lead
    mine = [replace(ln, end=min(ln.end, len(a))) for ln in _lines(first) if ln.start < len(a)]
    theirs = [
        replace(ln, start=max(ln.start, lead) + shift, end=ln.end + shift) for ln in _lines(second) if ln.end > lead
    ]
    known = [c for c in (first.confidence, second.confidence) if c is not None]
    return replace(
        first,
        text=a + glue + b,
        regions=first.regions + second.regions,
        lines=tuple(mine + theirs) if mine and theirs else (),
        confidence=min(known) if known else None,
        flags=tuple(dict.fromkeys(first.flags + second.flags)),
        findings=first.findings + second.findings,
    )


def interrupts(first: Block, block: Block) -> bool:
    """Whether a body block may stand in the middle of a text that broke off: a lone page number, a picture."""
    if first.kind not in (Kind.TEXT, Kind.LIST_ITEM) or _ended(first.text.rstrip()):
        return False
    return block.kind in (Kind.FIGURE, Kind.CHART) or is_lone_number(block)


def is_lone_number(block: Block) -> bool:
    """Whether a block is nothing but a page number, wherever on the page it stands."""
    return block.kind in (Kind.TEXT, Kind.LIST_ITEM) and bool(_LONE_NUMBER.fullmatch(block.text.strip()[:24]))


def _lines(block: Block) -> Sequence[Line]:
    if not block.lines and len(block.regions) == 1:
        return (Line(0, len(block.text), block.regions[0], block.confidence),)
    return block.lines


def _kinds_fit(first: Block, second: Block, a: str, b: str) -> bool:
    if first.kind is Kind.HEADING:  # a bold sentence cut by the end of the page
        return second.kind is Kind.TEXT and bool(first.bold and second.bold) and len(a) > 40 and b[:1].islower()
    if first.kind not in (Kind.TEXT, Kind.LIST_ITEM):
        return False
    return second.kind is Kind.TEXT or (second.kind is Kind.LIST_ITEM and _in_quotes(a, b))


def _goes_on(first: Block, a: str, b: str) -> bool:
    if len(a) < 12 or not b:
        return False
    if _in_quotes(a, b):
        return True
    if _STARTS_ITEM.match(b) or _ended(a):
        return False
    if b[0].islower() or a.endswith("\u00ad"):
        return True
    if _wide(a[-1]) and (_wide(b[0]) or b[0].isalnum()):
        return len(a) >= 20
    opens = (b[0].isalnum() or b[0] in '$€£¥"“(') and not _COMPANY.search(a)
    return opens and (bool(_RUNS_ON.search(a)) or _cut_off(first, a, b))


def _ended(a: str) -> bool:
    """Whether a text closes with the end of a sentence that is no abbreviation."""
    bare = a.rstrip(_CLOSERS) or a
    return not bare or (bare[-1] in _ENDS and not _RUNS_ON.search(a))


def _cut_off(first: Block, a: str, b: str) -> bool:
    """Whether running text stops without a mark at the end of a full line, and running text follows."""
    if not a[-1].isalnum() and a[-1] not in "’'\"”)%":
        return False
    words = a[-400:].split()
    small = sum(w[0].islower() for w in words)
    if len(words) < FEWEST_WORDS or small < 0.35 * len(words) or not _prose(b):
        return False
    here = [ln for ln in first.lines if ln.region.page == first.regions[-1].page] if first.regions else []
    if not here:
        return False
    widest = max(SINGLE_LINE, *(ln.end - ln.start for ln in here))
    return here[-1].end - here[-1].start >= FULL_LINE * widest


def _prose(b: str) -> bool:
    words = b[:400].split()
    small = sum(w[0].islower() for w in words)
    return len(words) >= FEWEST_WORDS - 4 and small >= 0.35 * len(words)


def _in_quotes(a: str, b: str) -> bool:
    """Whether a quotation opened shortly before the break is closed shortly after it (``see "Item 1A.`` | ``- Risks"``)."""
    tail, head = a[-QUOTE_BACK:].translate(_STRAIGHT), b[:QUOTE_AHEAD].translate(_STRAIGHT)
    if a.translate(_STRAIGHT).count('"') % 2 == 0 or b.translate(_STRAIGHT).count('"') % 2 == 0:
        return False
    opened = tail.rfind('"')
    closes = head.find('"')
    return (
        opened >= 0
        and closes > 0
        and (opened == 0 or not tail[opened - 1].isalnum())
        and tail[opened + 1 : opened + 2].isalnum()
        and not head[closes - 1].isspace()
        and (len(b) == closes + 1 or not head[closes + 1 : closes + 2].isalnum())
        and (b[0].islower() or bool(_DASHED.match(b)) or not _ended(a))
    )


def _wide(char: str) -> bool:
    return bool(_CJK.match(char)) or char in _CJK_MARKS


def _cut_word(a: str) -> bool:
    m = re.search(r"([^\W\d_]+)-$", a)
    return bool(m) and m.group(1).islower() and m.group(1) not in _KEEPS_HYPHEN if m else False
