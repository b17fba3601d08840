"""What a block can be referred to by: ``4.2(b)``, ``Article4``, ``Table3``, as the blocks of a document stream by."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from paperlode.ingest.document import Kind, Layer
from paperlode.ingest.numerals import roman_number
from paperlode.ingest.references import (
    CHINESE,
    GROUPS,
    NUMBER,
    chinese_label,
    label_of,
    split_groups,
    squeezed,
    word_of,
)

if TYPE_CHECKING:
    from paperlode.ingest.document import Block

__all__ = ["Labels", "labels_of"]

LOOKED_AT = 240
"""Characters of a block that are looked at for its number."""
DEEPEST = 8
"""Marks such as ``(b)`` that are kept under one another."""

_PRE = r"[\s\u200b“\"]{0,4}"
_NAMED = re.compile(
    rf"{_PRE}(?P<word>(?i:exhibit|schedule|annex|appendix|attachment|note|table|figure|fig\.|chart|item|part|chapter))\s{{0,3}}"
    rf"[“\"‘']?(?P<id>[A-Z]{{1,2}}(?:[-.]\d{{1,3}}){{0,2}}(?!\w)|\d{{1,3}}(?:[.-]\d{{1,3}}){{0,3}}(?:-?[A-Z](?!\w))?(?![\w%])|[IVX]{{1,6}}(?!\w))[”\"’']?(?P<groups>{GROUPS})"
)
_WORDED = re.compile(
    rf"{_PRE}(?P<word>(?i:section|sec\.|article|clause|paragraph)|§)[\s\u200b]{{0,3}}"
    rf"(?P<id>{NUMBER}|[IVXLC]{{1,7}}(?!\w))(?P<groups>{GROUPS})"
)
_DOTTED = re.compile(rf"{_PRE}(?P<id>\d{{1,3}}(?:\.\d{{1,3}}){{1,5}}[A-Z]?)(?P<groups>{GROUPS})(?![\w%])")
_PLAIN = re.compile(
    rf"{_PRE}(?P<id>\d{{1,3}}|[IVXL]{{1,6}})(?P<end>[.)、．:]?)(?P<groups>{GROUPS})(?:(?<=\d\.)(?=[A-Z][a-z])|(?![\w%.,/-]))"
)
_LETTERED = re.compile(rf"{_PRE}(?P<groups>{GROUPS})(?=[\s\u200b]|$|[\u4e00-\u9fff])")
_HALF = re.compile(rf"{_PRE}(?P<mark>[a-z]|[ivx]{{2,5}}|[A-H]|\d{{1,2}})(?P<end>[.)])(?=\s)")
_NAME = re.compile(
    r"[.:：)\]—–-]?(?:\s{1,4}[A-Z“\"‘(\[\d$*]|\s{0,4}[\u4e00-\u9fff]|\s{0,4}$|\s{0,4}\n|[\s.:]{0,4}[-–—_])"
)
_LEADERS = re.compile(r"(?:\.\s?){5,}|…{2,}")
_FINANCIAL_NOTES = re.compile(
    r"\s{0,3}(?:\d{1,2}\.\s)?notes\s+to\s+(?:the\s+)?(?:[\w()&’']{1,20}\s+){0,5}(?:financial\s+)?statements",
    re.IGNORECASE,
)
_PART_OF_NOTE = re.compile(r"(Note\d{1,3})\(([A-Z])\)$")
"""``B.`` under note 13 is referred to as ``Note 13B``."""
_RUN_IN = re.compile(r"[^\n()]{0,90}[.:—–-]\s{1,3}\((?P<mark>[aAi1])\)\s")
_FIRST = frozenset({"a", "i", "A", "1", "I"})
_EARLY = _FIRST | {"b", "c", "ii", "iii", "B", "C", "2", "3"}
"""Marks that can be the first of a list to begin a block: those before them may stand in the paragraph above."""
_NEW_NUMBERS = frozenset({"exhibit", "schedule", "annex", "appendix", "attachment", "item", "part", "chapter"})
_FLOATS = frozenset({"table", "figure", "fig", "chart"})
_HEADS = frozenset({Kind.HEADING, Kind.TITLE, Kind.CAPTION, Kind.TABLE, Kind.FIGURE, Kind.CHART})
_TEXTS = frozenset({Kind.HEADING, Kind.TITLE, Kind.TEXT, Kind.LIST_ITEM})
SHORT = 200
"""Characters of a paragraph that can be a caption or a heading."""


def labels_of(block: Block) -> tuple[str, ...]:
    """The labels of a block by itself; what stands under an open clause needs ``Labels``."""
    return Labels().place(block)


class _Mark(NamedTuple):
    """An open mark: how it is written (``(a)``, ``a.``) and what it says."""

    style: str
    value: str


class Labels:
    """The clause that is open, and the marks under it: blocks go through in reading order."""

    def __init__(self) -> None:
        self._open = ""
        self._top = 0
        self._marks: list[_Mark] = []
        self._notes = False
        self._articles = False

    def place(self, block: Block) -> tuple[str, ...]:
        """The block's labels, none for most; it becomes what later blocks stand under.

        A Roman number gives two labels, as printed and in digits; a list of contents gives none.
        """
        if block.layer is not Layer.BODY or any(k.relation == "note" for k in block.links):
            return ()
        text = block.text[:LOOKED_AT].lstrip("\u200b\ufeff ")
        if block.kind in (Kind.TABLE, Kind.FIGURE, Kind.CHART, Kind.CAPTION):
            return tuple(dict.fromkeys(x for t in text.split("\n")[:4] for x in self._float(t)))
        if block.kind not in _TEXTS or not text or _LEADERS.search(text):
            return ()
        if block.kind in (Kind.HEADING, Kind.TITLE) and _FINANCIAL_NOTES.match(text):
            self._notes = True
            self._start("")
        found = self._named(text, block) or self._worded(text, block) or self._chinese(text, block)
        found = found or self._numbered(text, block) or self._lettered(text, block)
        return tuple(dict.fromkeys(x for x in found if x))

    def _start(self, label: str, groups: str = "", top: int = 0) -> None:
        self._open, self._top = label, top
        self._marks = [_Mark("()", g) for g in split_groups(groups)][:DEEPEST]

    def _float(self, line: str) -> tuple[str, ...]:
        if m := _NAMED.match(line):
            word, _ = word_of(m["word"])
            return (label_of(word, m["id"]),) if word in _FLOATS or word == "exhibit" else ()
        m = CHINESE.match(line.lstrip())
        return (chinese_label(m),) if m and m["word"] else ()

    def _named(self, text: str, block: Block) -> tuple[str, ...]:
        m = _NAMED.match(text)
        if m is None or not _is_name(text, m.end(), block):
            return ()
        word, _ = word_of(m["word"])
        if block.kind in (Kind.TEXT, Kind.LIST_ITEM) and (len(block.text) > SHORT or text.lstrip()[0].islower()):
            return ()
        label = label_of(word, m["id"], squeezed(m["groups"]))
        if word in _NEW_NUMBERS:
            self._notes = False
            self._start("")
        elif word == "note":
            self._start(label)
        return (label,)

    def _worded(self, text: str, block: Block) -> tuple[str, ...]:
        m = _WORDED.match(text)
        if m is None or not _is_name(text, m.end(), block) or text.lstrip('“" ')[0].islower():
            return ()
        word, _ = word_of(m["word"])
        number, groups = m["id"], squeezed(m["groups"])
        label = label_of(word, number)
        if not label:
            return ()
        digits = _leading(number)
        self._articles = self._articles or word == "article"
        self._start(label, groups, digits if word != "article" or "." in number else 0)
        roman = label_of(word, number) != (printed := ("Article" if word == "article" else "") + number)
        return (label + groups, *([printed + groups] if roman and word == "article" else []))

    def _chinese(self, text: str, block: Block) -> tuple[str, ...]:
        m = CHINESE.match(text)
        if m is None or (m["word"] and len(block.text) > SHORT):
            return ()
        label = chinese_label(m)
        if not m["word"] or m["word"].startswith("附"):
            self._start("" if m["word"] else label, top=0)
        printed = "".join(m.group().split())
        return label, printed

    def _numbered(self, text: str, block: Block) -> tuple[str, ...]:
        if m := _DOTTED.match(text):
            number, groups = m["id"], squeezed(m["groups"])
            inner = block.kind is Kind.LIST_ITEM and _leading(number) == self._top  # may go on in small letters
            if not inner and not _is_name(text, m.end(), block, bare=True):
                return ()
            self._start(number, groups, _leading(number))
            short = number.partition(".0")[0] if number.count(".") == 1 and number.endswith((".0", ".00")) else ""
            return number + groups, short, self._run_in(text, m.end())
        m = _PLAIN.match(text)
        glued = m is not None and text[m.end() : m.end() + 1].isalpha()
        if m is None or not (glued or _is_name(text, m.end("end"), block, bare=not m["groups"])):
            return ()
        number, end = m["id"], m["end"]
        value = int(number) if number.isdigit() else roman_number(number) or 0
        next_one = value == self._top + 1
        if not value or (not number.isdigit() and (not end or not next_one)):
            return ()
        if not end and not m["groups"] and not (next_one and text[m.end() :].lstrip()[:1].isalpha()):
            return ()
        style = "1" + end
        inner = any(k.style == style and k.value == str(value - 1) for k in self._marks)
        if self._open and (end == ")" or (not next_one and (value == 1 or inner) and block.kind is not Kind.HEADING)):
            return (self._mark(style, str(value)),)
        self._start(str(value), squeezed(m["groups"]), value)
        chinese = f"第{value}条" if re.match(r"\s*[\u4e00-\u9fff]", text[m.end() :]) else ""
        note = f"Note{value}" if self._notes and block.kind is Kind.HEADING else ""
        article = (
            "" if self._articles or m["groups"] else f"Article{value}"
        )  # what has no articles calls its sections so
        return str(value) + squeezed(m["groups"]), article, chinese, note, self._run_in(text, m.end())

    def _lettered(self, text: str, block: Block) -> tuple[str, ...]:
        m = _LETTERED.match(text)
        if m is not None and m["groups"]:
            label = ""
            for g in split_groups(m["groups"]):
                label = self._mark("()", g)
            return (label,)
        h = _HALF.match(text)
        if h is None or (h["end"] == "." and block.kind is not Kind.LIST_ITEM and not _is_name(text, h.end(), block)):
            return ()
        label = self._mark(h["end"], h["mark"])
        return label, _PART_OF_NOTE.sub(r"\1\2", label) if _PART_OF_NOTE.match(label) else ""

    def _run_in(self, text: str, at: int) -> str:
        """``4.2 Fees. (a) The ...``: the first mark that stands in the clause's own first line."""
        m = _RUN_IN.match(text, at)
        return self._mark("()", m["mark"]) if m and self._open else ""

    def _mark(self, style: str, value: str) -> str:
        """Opens a mark under the clause, in place of the last that counts as it does; its label, if a clause is open.

        A mark that neither goes on from an open one nor begins a list (``(y)`` after ``(a)``) opens and names nothing.
        """
        back = range(len(self._marks) - 1, -1, -1)
        alike = [n for n in back if self._marks[n].style == style]
        at = next((n for n in alike if _is_next(self._marks[n].value, value)), None)
        if at is None and value in _FIRST:
            at = next((n for n in alike if self._marks[n].value == value), None)
        elif at is None and value not in _EARLY:
            at = next((n for n in back if _is_next(self._marks[n].value, value)), None)
        if at is None:
            if value not in _EARLY:
                return ""
            at = len(self._marks)
        self._marks = [*self._marks[: min(at, DEEPEST - 1)], _Mark(style, value)]
        return self._open + "".join(f"({m.value})" for m in self._marks) if self._open else ""


def _is_next(before: str, value: str) -> bool:
    """Whether a mark goes on from another, one left out at most: letters, numbers, Roman numbers, ``aa`` after ``z``."""
    if before.isdigit() or value.isdigit():
        return before.isdigit() and value.isdigit() and 1 <= int(value) - int(before) <= 2
    if before.isupper() != value.isupper():
        return False
    if (
        len(before) == len(value)
        and len(set(before)) == len(set(value)) == 1
        and 1 <= ord(value[0]) - ord(before[0]) <= 2
    ):
        return len(before) == 1 or before not in ("ii", "xx")
    if before in ("z", "y") and value in ("aa", "bb"):
        return True
    a, b = roman_number(before.upper()), roman_number(value.upper())
    return a is not None and b is not None and 1 <= b - a <= 2


def _leading(number: str) -> int:
    digits = re.match(r"\d{1,4}", number)
    return int(digits.group()) if digits else roman_number(number) or 0


def _is_name(text: str, at: int, block: Block, *, bare: bool = False) -> bool:
    """Whether a block goes on after its number as what is numbered does, and not as a sentence about it.

    ``bare``: a number without a word needs something after it; a page number has nothing.
    """
    rest = text[at:].replace("\u200b", "")
    if bare and not rest.strip(" .:)\n"):
        return block.kind in (Kind.HEADING, Kind.LIST_ITEM) and bool(rest.strip() or "." in text)
    if block.kind in _HEADS and not bare and not rest[:1].isalnum():
        return True
    return _NAME.match(rest) is not None
