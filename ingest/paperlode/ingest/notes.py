"""Notes tied to where they are called: ``(1)`` under a table to the cells marked so, ``7`` at a page's foot to its word.

A note is a block of the note layer, or a paragraph that stands right under a table (or under another of its notes) and
begins with a mark that the table calls: those keep their kind and layer. Notes come after what calls them, so nothing is
held back but the calls of the last page. Where a mark could mean two places, nothing is tied.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from paperlode.ingest.document import Block, Kind, Layer, Link

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["NoteMark", "note_marks", "tie_notes"]

MOST_TARGETS = 128
"""Blocks back that are looked at for calls."""
MOST_CALLS = 16
"""Calls of one mark in a table that are linked: the first ones."""

_SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_DIGIT = {c: str(n) for n, c in enumerate(_SUPERSCRIPT)}
_SYMBOLS = "*†‡§¶"
_MARK = re.compile(
    rf"\s*(?:[(（](?P<in>\d{{1,2}}|[a-z]{{1,2}})[)）]|\[(?P<square>\d{{1,3}})\](?!\()|(?P<sign>[*†‡§¶]{{1,4}})"
    rf"|(?P<high>[{_SUPERSCRIPT}]{{1,3}})|(?P<plain>[1-9]\d{{0,2}})[.)]?(?=\s+[^\W\d_]|\s+[\"“‘(]|[A-Z]))"
)
_CALL = re.compile(
    rf"[(（](?P<in>\d{{1,2}}|[a-z]{{1,2}})[)）]|\[(?P<square>\d{{1,3}})\](?!\()|(?P<sign>[*†‡§¶]{{1,40}})"
    rf"|(?P<high>[{_SUPERSCRIPT}]{{1,20}})|(?<![\d.,])(?P<plain>[1-9]\d{{0,2}})(?![\d\w%$€£°/(]|[.,:\-–]\d)"
)
_GLUED = re.compile(r"[a-z\u00df-\u00ff]{3,}[.,;:)\]”\"’]{0,2}$|[a-z][)”\"’][.,;:]?$")
_NAMES = re.compile(
    r"(?:notes?|tables?|figures?|fig|sections?|items?|pages?|levels?|forms?|parts?|article|exhibit|chapter|phase|tier|class"
    r"|step|type|series|group|category|stage|version|covid|no|nos|vol|january|february|march|april|may|june|july|august"
    r"|september|october|november|december)[.:]?$",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?:^|\D)(?:19|20)\d\d$")
_JOINING = re.compile(
    r"(?:^|\W)(?:and|or|to|of|in|by|for|with|under|clauses?|paragraphs?|sections?|items?)$", re.IGNORECASE
)


class NoteMark(NamedTuple):
    """A note's mark: how it is written (``in`` brackets, ``square``, ``sign``, ``plain``), what it says, where it stands.

    ``start`` and ``end`` are offsets into the note's text.
    """

    sort: str
    value: str
    start: int
    end: int


@dataclass(slots=True)
class _Target:
    """A block that may call notes; its calls are found once, when the first note asks."""

    block: Block
    found: dict[tuple[str, str], list[tuple[int, int]]] | None = None

    @property
    def calls(self) -> dict[tuple[str, str], list[tuple[int, int]]]:
        """Places of each mark's calls in the text."""
        if self.found is None:
            self.found = {}
            for key, start, end in _calls(self.block):
                self.found.setdefault(key, []).append((start, end))
        return self.found


def tie_notes(blocks: Iterable[Block]) -> Iterator[Block]:
    """The same blocks in the same order, notes with a ``note`` link to each call they answer."""
    targets: deque[_Target] = deque(maxlen=MOST_TARGETS)
    table: _Target | None = None  # the table that a paragraph with a mark would be a note of
    for b in blocks:
        if b.layer is Layer.FURNITURE or not b.regions or not b.ref:
            yield b
            continue
        if b.layer is Layer.NOTE or b.kind is Kind.FOOTNOTE:
            yield _linked(b, _of_page(b, targets))
            continue
        links = _of_table(b, table)
        yield _linked(b, links)
        if b.table is not None or b.kind is Kind.TABLE:
            table = _Target(b)
            targets.append(table)
        elif not links:
            if b.text.strip():
                table = None
            targets.append(_Target(b))


def _linked(block: Block, links: list[Link]) -> Block:
    return replace(block, links=tuple(dict.fromkeys((*block.links, *links)))) if links else block


def _of_table(block: Block, table: _Target | None) -> list[Link]:
    """Links of a paragraph right under a table, or under its other notes; none when it is no note."""
    if table is None or block.kind not in (Kind.TEXT, Kind.LIST_ITEM) or not _share_page(block, table.block):
        return []
    marks = note_marks(block)
    if not marks or marks[0].sort == "square" or not _calls_of(table, marks[0]):
        return []
    return [k for m in marks for k in _calls_of(table, m)]


def _of_page(note: Block, targets: Iterable[_Target]) -> list[Link]:
    """Links of a note at the foot of a page: to the one place in the text that calls it, else to the table over it."""
    here = [t for t in targets if _share_page(note, t.block)]
    tables = [t for t in here if t.block.table is not None]
    texts = [t for t in here if t.block.table is None]
    out: list[Link] = []
    for mark in note_marks(note):
        places = [k for t in texts for k in _calls_of(t, mark) if _on_page(t.block, k, note.page)]
        over = next((found for t in reversed(tables) if (found := _calls_of(t, mark))), [])
        if len(places) == 1 and not over:
            out += places
        elif over and not places:
            out += over
    return out


def _calls_of(target: _Target, mark: NoteMark) -> list[Link]:
    found = target.calls.get((mark.sort, mark.value), [])
    return [Link("note", target.block.ref, s, e) for s, e in found[:MOST_CALLS]]


def _share_page(note: Block, target: Block) -> bool:
    return any(r.page == note.regions[0].page for r in target.regions)


def _on_page(block: Block, link: Link, page: int) -> bool:
    return any(r.page == page for r in block.regions_of(link.start, link.end))


def note_marks(block: Block) -> list[NoteMark]:
    """The marks of a note, or of the several notes a block holds: at its start, and where a line begins with the next.

    Empty when the block does not begin with a mark.
    """
    text = block.text
    marks: list[NoteMark] = []
    starts = {0, *(ln.start for ln in block.lines), *(m.end() for m in re.finditer(r"\n", text))}
    for at in sorted(s for s in starts if 0 <= s < len(text)):
        m = _MARK.match(text, at)
        mark = _mark(m) if m else None
        if at == 0 and mark is None:
            return []
        if mark is not None and (not marks or _follows(marks[-1], mark)):
            marks.append(mark)
    return marks


def _mark(m: re.Match[str]) -> NoteMark | None:
    sort, value = _read(m)
    start, end = m.span(m.lastgroup or 0)
    if sort == "in" and not value.isdigit() and len(value) > 1 and value[0] != value[-1]:
        return None  # (ii), (xv): an enumeration
    return NoteMark(sort, value, start, end)


def _read(m: re.Match[str]) -> tuple[str, str]:
    """How a mark is written and what it says; a raised digit is as good as a plain one."""
    sort = m.lastgroup or ""
    value: str = m[sort]
    if sort == "high":
        return "plain", "".join(_DIGIT[c] for c in value)
    return sort, value


def _follows(before: NoteMark, mark: NoteMark) -> bool:
    """Whether a line that begins with a mark begins the next note, and is not a line of text by chance."""
    if before.sort == "sign" or mark.sort == "sign":
        return mark.sort == "sign" or mark.value in ("1", "a")
    if before.sort != mark.sort or before.value.isdigit() != mark.value.isdigit():
        return False
    if mark.value.isdigit():
        return int(mark.value) == int(before.value) + 1
    return len(mark.value) == len(before.value) and ord(mark.value[0]) == ord(before.value[0]) + 1


def _calls(block: Block) -> Iterator[tuple[tuple[str, str], int, int]]:
    """Every place that calls a note: its mark's sort and value, start and end in the text."""
    text, table = block.text, block.table is not None
    for m in _CALL.finditer(text):
        before, after = text[max(0, m.start() - 40) : m.start()], text[m.end() : m.end() + 40]
        sort, value = _read(m)
        is_call = {"plain": _plain_call, "in": _bracket_call}.get(sort, _sign_call)
        if m.lastgroup == "high":
            is_call = _sign_call
        if len(value) <= 4 and is_call(before, after, value, table=table):
            yield (sort, value), m.start(), m.end()


def _plain_call(before: str, after: str, value: str, *, table: bool) -> bool:  # noqa: ARG001
    """A raised digit that lost its place: glued to a word of three letters or more (``m2`` and ``Note7`` are none)."""
    word = before.rsplit(None, 1)[-1] if before.strip() and not before[-1].isspace() else ""
    return bool(_GLUED.search(word)) and not _NAMES.search(word.strip('(“"‘')) and "@" not in word and "/" not in word


def _bracket_call(before: str, after: str, value: str, *, table: bool) -> bool:
    """``Total debt (1)``, ``2021(1)``: after a word, never alone in a cell, where it would be a negative number."""
    bare = before.rstrip()
    if not bare or before.endswith("\n") or bare[-1] in "|$€£¥(,;:-–—":
        return False
    glued = bare == before
    if table:
        if bare[-1].isdigit() and not glued and not _YEAR.search(bare):
            return False
        return not _JOINING.search(bare)
    if not value.isdigit() or bare[-1].isdigit() or len(before) - len(bare) > 1:
        return False
    if glued:
        return bare[-1].isalpha() or bare[-1] in '.”"’)'
    ends = not after.strip() or after[0] in '.,;:)”"'
    return bare[-1].isalpha() and not _JOINING.search(bare) and (ends or after.lstrip()[0].isalpha())


def _sign_call(before: str, after: str, value: str, *, table: bool) -> bool:
    """A sign glued to a word, or one that is all a cell says; ``[*]`` is a text taken out."""
    if before.endswith(("[", "{")) or after.startswith(("]", "}")):
        return False
    if value[0] == "§" or not before.strip():
        return table and value[0] != "§" and bool(after.strip())
    if table:
        return before[-1] != "\n"
    return not before[-1].isspace() and (not after or not after[0].isalnum())
