"""Printed lines, and how they become the text of a block without losing where each character stands."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import Block, Box, Kind, Layer, Line, PageBox

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["LIST_MARKER", "PrintedLine", "block_of", "clean", "is_cjk", "join_lines", "lines_of"]

LIST_MARKER = re.compile(
    r"(?:[•●○◦▪■□◆▶►‣⁃·\-–—*✓➢]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)]|\d{1,3}(?:\.\d{1,3}){1,4}\.?|（[一二三四五六七八九十\d]+）)$"
)
"""A bullet or an item number standing alone: what a list item begins with."""

_BOLD_FLAG = 16  # PyMuPDF span flags: bit 4 is bold, bit 1 italic
_SOFT_HYPHEN = "\u00ad"
_COMPOUND_HEADS = frozenset(
    (
        "long",
        "short",
        "well",
        "self",
        "non",
        "co",
        "high",
        "low",
        "full",
        "part",
        "third",
        "first",
        "second",
        "half",
        "cross",
        "year",
        "one",
        "two",
        "three",
        "four",
        "five",
        "multi",
        "semi",
        "pre",
        "post",
        "anti",
        "mid",
        "off",
        "on",
        "over",
        "under",
        "same",
        "single",
        "double",
        "fair",
        "right",
        "real",
        "risk",
        "tax",
        "cash",
    )
)
"""First parts of English compounds that keep their hyphen (long-term, tax-exempt)."""
_BREAKABLE = re.compile(r"[A-Za-z]{2}[-\u2010\u00ad]$")


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """A run of characters on one baseline without wide gaps. ``size`` is the font size in points."""

    text: str
    box: Box
    size: float
    bold: bool = False
    font: str = ""
    confidence: float | None = None
    horizontal: bool = True


def clean(text: str) -> str:
    """Control characters out, ligatures apart, white space single."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(
            unicodedata.normalize("NFKC", c) if "\ufb00" <= c <= "\ufb06" else c
            for c in text
            if c.isspace() or unicodedata.category(c) not in ("Cc", "Cs")
        )
    return " ".join(text.split())


def is_cjk(char: str) -> bool:
    """True for characters written without spaces between words (Chinese, kana) and their punctuation."""
    return "\u2e80" <= char <= "\u9fff" or "\uf900" <= char <= "\ufaff" or "\uff00" <= char <= "\uffef"


def lines_of(blocks: Iterable[dict[str, Any]], *, gap: float = 1.0) -> Iterator[PrintedLine]:
    """Lines of PyMuPDF's ``dict`` text blocks, split where spans stand more than ``gap`` font sizes apart."""
    for block in blocks:
        if block.get("type", 0) != 0:
            continue
        for line in block["lines"]:
            run: list[dict[str, Any]] = []
            for span in line["spans"]:
                if not span["text"].strip():
                    continue
                if run and _far(run[-1], span, line, gap):
                    yield _line(run, line)
                    run = []
                run.append(span)
            if run:
                yield _line(run, line)


def _far(a: dict[str, Any], b: dict[str, Any], line: dict[str, Any], gap: float) -> bool:
    along = 0 if abs(line["dir"][0]) >= abs(line["dir"][1]) else 1
    distance = b["bbox"][along] - a["bbox"][along + 2]
    return bool(distance > gap * max(a["size"], b["size"], 1.0))


def _line(spans: list[dict[str, Any]], line: dict[str, Any]) -> PrintedLine:
    text = ""
    for i, s in enumerate(spans):
        if i and not text.endswith(" ") and not s["text"].startswith(" "):
            space = s["bbox"][0] - spans[i - 1]["bbox"][2] > 0.15 * s["size"]
            text += " " if space else ""
        text += s["text"]
    letters = {id(s): len(s["text"].strip()) for s in spans}
    main = max(spans, key=lambda s: letters[id(s)])
    bold = sum(letters[id(s)] for s in spans if s["flags"] & _BOLD_FLAG or "bold" in s["font"].lower())
    return PrintedLine(
        text=clean(text),
        box=Box.around(Box(*s["bbox"]) for s in spans),
        size=float(main["size"]),
        bold=bold * 2 > sum(letters.values()),
        font=str(main["font"]),
        horizontal=abs(line["dir"][0]) > 0.9,
    )


def join_lines(lines: Sequence[PrintedLine], page: int) -> tuple[str, tuple[Line, ...]]:
    """The text of a block and where each line stands in it.

    Lines are joined by a space, by nothing between Chinese characters, and by nothing where a word was broken: its
    hyphen goes when the next line starts in lower case, and stays when it does not.
    """
    text = ""
    out: list[Line] = []
    for line in lines:
        if not line.text:
            continue
        if text:
            if _BREAKABLE.search(text) and line.text[0].isalpha():
                if line.text[0].islower() and not _compound(text, lines):
                    text = text[:-1]
                    last = out[-1]
                    out[-1] = Line(last.start, len(text), last.region, last.confidence)
            elif not (is_cjk(text[-1]) and is_cjk(line.text[0])):
                text += " "
        start = len(text)
        text += line.text
        out.append(Line(start, len(text), PageBox(page, line.box.rounded()), line.confidence))
    return text, tuple(out)


def _compound(text: str, lines: Sequence[PrintedLine]) -> bool:
    """True when the word before the break keeps its hyphen: by its meaning, or as written elsewhere in the block."""
    head = text.rsplit(" ", 1)[-1]
    return head[:-1].lower() in _COMPOUND_HEADS or any(
        f"{head}{c}" in ln.text for ln in lines for c in "abcdefghijklmnopqrstuvwxyz"
    )


def block_of(
    kind: Kind,
    lines: Sequence[PrintedLine],
    page: int,
    *,
    layer: Layer = Layer.BODY,
    level: int | None = None,
    box: Box | None = None,
    flags: tuple[str, ...] = (),
) -> Block:
    """A text block from its lines; ``box`` defaults to the box around them."""
    text, placed = join_lines(lines, page)
    known = [ln.confidence for ln in lines if ln.confidence is not None]
    around = box or Box.around(ln.box for ln in lines)
    letters: dict[float, int] = {}
    for ln in lines:
        letters[round(ln.size, 1)] = letters.get(round(ln.size, 1), 0) + len(ln.text)
    bold = sum(len(ln.text) for ln in lines if ln.bold)
    return Block(
        kind=kind,
        text=text,
        regions=(PageBox(page, around.rounded()),),
        layer=layer,
        level=level,
        confidence=round(sum(known) / len(known), 3) if known else None,
        lines=placed,
        flags=flags,
        size=max(letters, key=lambda k: (letters[k], k)) if letters and not known else None,
        bold=bold * 2 > sum(letters.values()) if letters and not known else None,
    )
