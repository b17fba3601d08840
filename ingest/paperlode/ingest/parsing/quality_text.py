"""What a page's blocks show by themselves, without a look at the page: loops, garbage, scripts, doubles, order, doubt."""

from __future__ import annotations

import re
from collections import Counter
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from paperlode.ingest.document import Finding, Kind, Layer
from paperlode.ingest.parsing.geometry import Affine
from paperlode.ingest.vllm.loops import cut_repeats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paperlode.ingest.document import Block, ParsedPage

__all__ = ["LOOP", "LOW_CONFIDENCE", "check_text"]

LOOP = "text_repeats"

LOW_CONFIDENCE = 0.6
"""Of a block, mean over its characters: below it RapidOCR's lines are wrong more often than right."""
_COPIES = 3  # of a phrase, one after the other; prose has two at most ("had had", a chorus)
_PHRASE = 3  # words of a phrase
_PHRASE_LETTERS = 8
_WORD_COPIES = 8  # of a single word or a pair of them
_SAME_ROWS = 4  # rows of a table with the same letters and digits one below the other
_ODD_SHARE, _ODD_LEAST = 0.04, 3  # of a block's characters that have no meaning, and how many at least
_VOWELLESS, _LONG_WORDS = 0.6, 8  # share of long Latin words without a vowel, and how many there must be
_OTHER_SCRIPT = 8  # letters of a script that the rest of the page does not have
_SAME_TEXT = 20  # characters of a text that two blocks may not both say in one place
_RUNNING = frozenset({Kind.TITLE, Kind.HEADING, Kind.TEXT, Kind.LIST_ITEM, Kind.TABLE})
_ONE_COLUMN = 0.8  # of the wider block's width that both share
_WORD = re.compile(r"[^\W_]+")
_LATIN_WORD = re.compile(r"[A-Za-z]{4,}")
_VOWEL = re.compile(r"[aeiouyAEIOUY]")
_SCRIPTS: tuple[tuple[int, int, str], ...] = (
    (0x0041, 0x024F, "Latin"),
    (0x0370, 0x03FF, "Greek"),
    (0x0400, 0x052F, "Cyrillic"),
    (0x0590, 0x05FF, "Hebrew"),
    (0x0600, 0x06FF, "Arabic"),
    (0x0900, 0x0DFF, "Indic"),
    (0x0E00, 0x0E7F, "Thai"),
    (0x3040, 0x30FF, "Chinese or Japanese"),
    (0x3400, 0x9FFF, "Chinese or Japanese"),
    (0xAC00, 0xD7AF, "Korean"),
)
_OF_RECOGNITION = {
    "output_loop": "The model repeated itself here.",
    "output_truncated": "The model's answer was cut off.",
    "output_too_long": "The model said more than can be printed here.",
    "output_empty": "The model said nothing of a place with print.",
    "output_no_table": "The model's answer for this table has no cells.",
}
"""Flags of ``judge.Answer`` that stay although a region was read again, cut and given to the CPU."""


def check_text(page: ParsedPage, *, compared: bool = False) -> dict[int, list[Finding]]:
    """Findings by index of the block. Scripts are not looked at where all words are ``compared`` with a text layer."""
    scripts = [Counter[str]() if compared else _scripts(b.text) for b in page.blocks]
    found: dict[int, list[Finding]] = {}
    for i, block in enumerate(page.blocks):
        some = [*_repeats(block), *_garbage(block), *_doubt(block), *_changes(block, i, scripts)]
        if some:
            found[i] = some
    for i, finding in (*_doubles(page), *_jumps(page)):
        found.setdefault(i, []).append(finding)
    return found


def _repeats(block: Block) -> Iterator[Finding]:
    if block.table is not None:
        for text, rows in groupby(range(block.table.rows), key=block.table.row_text):
            same = len(list(rows))
            if same >= _SAME_ROWS and sum(map(str.isalpha, text)) >= _PHRASE_LETTERS:
                yield Finding(LOOP, f"{same} rows say “{text[:60]}”.", block.regions)
                return
        texts = [c.text for c in block.table.cells if len(c.text) > _COPIES * _PHRASE_LETTERS]
    else:
        texts = [block.text]
    for text in texts:
        if unit := _loop(text):
            yield Finding(LOOP, f"“{unit[:60]}” is said over and over.", block.regions)
            return
    if block.kind is not Kind.TOC and cut_repeats(block.text, table=block.table is not None)[1]:
        yield Finding(LOOP, "The text repeats itself over and over.", block.regions)


def _loop(text: str) -> str:
    """The phrase that follows itself too often; empty when there is none. Linear in the text."""
    words = _WORD.findall(text.casefold())
    last: dict[tuple[str, ...], int] = {}
    period = run = 0
    for i in range(len(words) - _PHRASE + 1):
        key = tuple(words[i : i + _PHRASE])
        step = i - last[key] if key in last else 0
        last[key] = i
        run = run + 1 if step and step == period else (1 if step else 0)
        period = step
        copies = _COPIES if period >= _PHRASE else _WORD_COPIES
        if run and run + _PHRASE - 1 >= (copies - 1) * period:
            unit = " ".join(words[i + _PHRASE - period : i + _PHRASE])
            if sum(map(str.isalpha, unit)) >= (_PHRASE_LETTERS if period >= _PHRASE else 2):
                return unit
    return ""


def _garbage(block: Block) -> Iterator[Finding]:
    text = block.text
    if text.isascii() and len(text) < _LONG_WORDS * 4:
        return
    odd = (
        0 if text.isascii() else sum(c == "\ufffd" or "\ue000" <= c <= "\uf8ff" or 0x7F <= ord(c) < 0xA0 for c in text)
    )
    if odd >= _ODD_LEAST and odd > _ODD_SHARE * len(text):
        yield Finding("garbled_text", f"{odd} of {len(text)} characters have no meaning.", block.regions)
        return
    words = _LATIN_WORD.findall(text) if block.kind not in (Kind.FORMULA, Kind.CODE) else []
    if len(words) >= _LONG_WORDS:
        spoken = sum(bool(_VOWEL.search(w)) for w in words)
        if len(words) - spoken > _VOWELLESS * len(words):
            reason = f"{len(words) - spoken} of {len(words)} long words have no vowel."
            yield Finding("garbled_text", reason, block.regions)


def _doubt(block: Block) -> Iterator[Finding]:
    if block.text and block.confidence is not None and block.confidence < LOW_CONFIDENCE:
        yield Finding("low_confidence", f"Recognised with a confidence of {block.confidence:.2f} only.", block.regions)
    for flag in block.flags:
        if flag in _OF_RECOGNITION:
            yield Finding(flag, _OF_RECOGNITION[flag], block.regions)


def _scripts(text: str) -> Counter[str]:
    """Letters by script."""
    if text.isascii():
        return Counter({"Latin": sum(map(str.isalpha, text))})
    return Counter(s for c in text if c.isalpha() and (s := _script(ord(c))))


def _script(code: int) -> str:
    return next((name for first, last, name in _SCRIPTS if first <= code <= last), "")


def _changes(block: Block, index: int, scripts: Sequence[Counter[str]]) -> Iterator[Finding]:
    """Letters of a script that stand nowhere else on the page; Latin and Greek letters stand in every language."""
    own = [s for s, n in scripts[index].items() if n >= _OTHER_SCRIPT and s not in ("Latin", "Greek")]
    if not own or block.kind is Kind.FORMULA:
        return
    others: Counter[str] = Counter()
    for i, c in enumerate(scripts):
        if i != index:
            others.update(c)
    alien = [s for s in own if not others[s]]
    if alien and others.total() > 5 * _OTHER_SCRIPT:
        usual = others.most_common(1)[0][0]
        yield Finding("script_changes", f"It has {alien[0]} letters on a page of {usual} ones.", block.regions)


def _doubles(page: ParsedPage) -> Iterator[tuple[int, Finding]]:
    """Blocks that say what another says in the same place."""
    long = [
        (i, b, " ".join(b.text.split()))
        for i, b in enumerate(page.blocks)
        if len(b.text) >= _SAME_TEXT and b.kind is not Kind.FIGURE
    ]
    for at, (_, a, said) in enumerate(long):
        for j, b, again in long[at + 1 :]:
            x, y = a.regions[0], b.regions[0]
            least = min(x.box.area, y.box.area)
            if x.page == y.page and x.box.overlap(y.box) > 0.5 * least and (again in said or said in again):
                reason = f"“{again[:60]}” is said by another block in the same place."
                yield j, Finding("boxes_overlap", reason, (y, x))


def _jumps(page: ParsedPage) -> Iterator[tuple[int, Finding]]:
    """Blocks of running text that stand above the one before, in the same column."""
    running = [
        (i, b)
        for i, b in enumerate(page.blocks)
        if b.text and b.layer is Layer.BODY and b.kind in _RUNNING and b.regions
    ]
    upright = Affine.quarter_turn(page.rotation, page.width, page.height)
    for (_, before), (i, after) in pairwise(running):
        a, b = before.regions[-1], after.regions[0]
        over, under = upright.box(a.box), upright.box(b.box)
        shared = min(over.x1, under.x1) - max(over.x0, under.x0)
        column = shared > _ONE_COLUMN * max(over.width, under.width)
        if a.page == b.page and column and under.y1 < over.y0:
            yield i, Finding("order_jumps", "It is read after a block that stands below it in the same column.", (b, a))
