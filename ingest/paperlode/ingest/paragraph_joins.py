"""Paragraphs and list items that go on over a page or column break, joined with every region kept."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Kind, Line

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["join_paragraphs"]

_CLOSERS = "\"'”’)]}）】』」»*†‡"
_ENDS = ".!?:;。！？：；…"
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_CJK_MARKS = "，、“”‘’（）《》〈〉—…·％"
_STARTS_ITEM = re.compile(r"(?:[•▪●○–—-]\s|[(（]?\w{1,4}[.)、）]\s|第[一二三四五六七八九十百\d]+[章节条])")
_RUNS_ON = re.compile(
    r"(?:,|，|、|(?<=\s)(?:a|an|the|of|and|or|to|in|on|by|for|with|from|as|at|our|its|their|this|that|than|which|"
    r"section|sections|article|articles|exhibit|note|item|inc\.|mr\.|ms\.|dr\.|no\.|nos\.|vs\.|u\.s\.|&|\$))$",
    re.IGNORECASE,
)
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
    if second.kind is not Kind.TEXT or first.kind not in (Kind.TEXT, Kind.LIST_ITEM) or not _goes_on(a, b):
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
    )


def _lines(block: Block) -> Sequence[Line]:
    if not block.lines and len(block.regions) == 1:
        return (Line(0, len(block.text), block.regions[0], block.confidence),)
    return block.lines


def _goes_on(a: str, b: str) -> bool:
    if len(a) < 12 or not b or _STARTS_ITEM.match(b):
        return False
    bare = a.rstrip(_CLOSERS) or a
    if bare[-1] in _ENDS and not _RUNS_ON.search(a):
        return False
    if b[0].islower() or a.endswith("\u00ad"):
        return True
    if _wide(a[-1]) and (_wide(b[0]) or b[0].isalnum()):
        return len(a) >= 20
    return bool(_RUNS_ON.search(a)) and (b[0].isalnum() or b[0] in '$€£¥"“(')


def _wide(char: str) -> bool:
    return bool(_CJK.match(char)) or char in _CJK_MARKS


def _cut_word(a: str) -> bool:
    m = re.search(r"([^\W\d_]+)-$", a)
    return bool(m) and m.group(1).islower() and m.group(1) not in _KEEPS_HYPHEN if m else False
