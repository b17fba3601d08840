r"""Markdown, or plain text, as blocks of the text itself: each a stretch from one offset to another, in order.

The blocks together hold every character that is no white space: what the Markdown parser passes over (link
definitions, front matter) is a paragraph. Only blocks are parsed, nothing in them. Beside CommonMark: pipe tables;
HTML tables, also with blank lines in them; formulas between ``$$`` or ``\[`` and ``\]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import Kind
from paperlode.ingest.errors import MissingExtra
from paperlode.ingest.markdown_tables import PIPE_HEADER, SourceTable, html_table, pipe_table
from paperlode.ingest.text_cuts import trimmed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.token import Token

__all__ = ["MarkdownBlock", "markdown_blocks"]

LONGEST_FORMULA = 60
"""Lines that a formula may have: a ``$$`` without its end is text."""
LONGEST_CAPTION = 400
"""Characters of a paragraph that can be a table's caption."""

_LINE_END = re.compile(r"\r\n?|\n")
_FORMULAS = {"$$": "$$", "\\[": "\\]"}
_INLINE_FORMULA = re.compile(r"\$\$.{1,4000}?\$\$|\\\[.{1,4000}?\\\]", re.DOTALL)
_MATHS = re.compile(r"(?<!\\)\\[A-Za-z]{2,}|(?<!\\)[\^_]|=")
"""What tells a formula from a bracket that Markdown escapes: ``\\[1\\]``."""
_LABEL = re.compile(r"[\s.,;:]*(?:[(（][^()（）]{1,20}[)）])?[\s.,;:]*")
_TABLE_START = re.compile(
    r"\s{0,3}(?:<(?:html|body|div|center|p|figure)\b[^<>]{0,400}>\s*){0,6}<table\b", re.IGNORECASE
)
_TABLE_TAG = re.compile(r"<(/?)table\b", re.IGNORECASE)
_EMPHASISED = re.compile(r"(\*{1,3}|_{1,3})(?=\S)[^*]+(?<=\S)\1", re.DOTALL)
_TABLE_NAME = re.compile(r"(?:\*{1,2}|_{1,2})?(?:table|tab\.|表)\s*[\dA-Z一二三四五六七八九十]", re.IGNORECASE)
_MARKS = re.compile(r"(?<!\\)(?:[*_`~]+|!?\[([^\]]*)\]\([^)]*\))|\\(?=[^\w\s])")
_KINDS = {
    "paragraph_open": Kind.TEXT,
    "blockquote_open": Kind.TEXT,
    "html_block": Kind.TEXT,
    "hr": Kind.TEXT,
    "fence": Kind.CODE,
    "code_block": Kind.CODE,
    "formula": Kind.FORMULA,
}


@dataclass(frozen=True, slots=True)
class MarkdownBlock:
    """A block of a text.

    Attributes:
        kind: what it is.
        start, end: its offsets; neither end is white space.
        level: of a heading, 1 the highest.
        title: a heading's words without Markdown.
        table: its rows, for a table.
        of_list: number of the list it is an item of, from 1; 0 for none.
        fence: what opens the code, and what ends it, where it is fenced.
    """

    kind: Kind
    start: int
    end: int
    level: int | None = None
    title: str = ""
    table: SourceTable | None = None
    of_list: int = 0
    fence: tuple[str, str] | None = None


def markdown_blocks(text: str) -> list[MarkdownBlock]:
    """The blocks of a text, in order.

    Raises:
        MissingExtra: the package ``markdown-it-py`` is not installed.
    """
    found = list(_Reader(text).blocks())
    return [_captioned(b, found[i + 1] if i + 1 < len(found) else None, text) for i, b in enumerate(found)]


def _captioned(block: MarkdownBlock, below: MarkdownBlock | None, text: str) -> MarkdownBlock:
    """A short paragraph right over a table, wholly emphasised or named ``Table 2``, is its caption."""
    if block.kind is not Kind.TEXT or block.of_list or below is None or below.table is None:
        return block
    words = text[block.start : block.end]
    named = _EMPHASISED.fullmatch(words) or _TABLE_NAME.match(words)
    return replace(block, kind=Kind.CAPTION) if named and len(words) <= LONGEST_CAPTION else block


class _Reader:
    """The tokens of a text, and where its lines begin."""

    def __init__(self, text: str) -> None:
        self._text = text
        ends = [m.end() for m in _LINE_END.finditer(text)]
        self._lines = [0, *ends, len(text)]
        self._lists = 0

    def blocks(self) -> Iterator[MarkdownBlock]:
        at = 0  # the first line that no block holds yet
        tokens = _parser().parse(self._text)
        for i, token in enumerate(tokens):
            if token.level or token.nesting < 0 or token.map is None:
                continue
            first, stop = token.map
            yield from self._missed(at, first)
            yield from self._block(token, tokens, i)
            at = max(at, stop)
        yield from self._missed(at, len(self._lines))

    def _span(self, first: int, stop: int) -> tuple[int, int]:
        last = len(self._lines) - 1
        return trimmed(self._text, self._lines[min(first, last)], self._lines[min(stop, last)])

    def _missed(self, first: int, stop: int) -> Iterator[MarkdownBlock]:
        """Lines that the parser passed over, if they say anything."""
        start, end = self._span(first, stop)
        if start < end:
            yield MarkdownBlock(Kind.TEXT, start, end)

    def _block(self, token: Token, tokens: list[Token], i: int) -> Iterator[MarkdownBlock]:
        assert token.map is not None
        start, end = self._span(*token.map)
        if start >= end:
            return
        if token.type == "heading_open":
            yield MarkdownBlock(Kind.HEADING, start, end, int(token.tag[1:]), _plain(tokens[i + 1].content))
        elif token.type == "table_open":
            yield from self._pipe_table(*token.map)
        elif token.type == "html_table":
            yield MarkdownBlock(Kind.TABLE, start, end, table=html_table(self._text, start, end))
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            yield from self._items(token, tokens, i)
        elif token.type == "fence":
            opening = self._text[start:end].split("\n", 1)[0].rstrip()
            yield MarkdownBlock(Kind.CODE, start, end, fence=(opening, token.markup))
        elif token.type == "paragraph_open":
            yield from self._paragraph(start, end)
        else:
            yield MarkdownBlock(_KINDS.get(token.type, Kind.TEXT), start, end)

    def _pipe_table(self, first: int, stop: int) -> Iterator[MarkdownBlock]:
        """A table, and what stands right under it without a pipe: a row to Markdown, a paragraph to those who wrote it."""
        end = stop
        while end > first + PIPE_HEADER and "|" not in self._text[slice(*self._span(end - 1, end))]:
            end -= 1
        rows = [r for n in range(first, end) if (r := self._span(n, n + 1))[0] < r[1]]
        yield MarkdownBlock(Kind.TABLE, rows[0][0], rows[-1][1], table=pipe_table(rows))
        yield from self._missed(end, stop)

    def _items(self, token: Token, tokens: list[Token], i: int) -> Iterator[MarkdownBlock]:
        """The items of a list with all that is in them."""
        assert token.map is not None
        self._lists += 1
        number, (at, stop) = self._lists, token.map
        for inner in tokens[i + 1 :]:
            if inner.level == 0:
                break
            if inner.type != "list_item_open" or inner.level != 1 or inner.map is None:
                continue
            start, end = self._span(at, inner.map[1])
            if start < end:
                yield MarkdownBlock(Kind.LIST_ITEM, start, end, of_list=number)
            at = inner.map[1]
        yield from self._missed(at, stop)

    def _paragraph(self, start: int, end: int) -> Iterator[MarkdownBlock]:
        """A paragraph; one with formulas set apart by their marks in parts."""
        at = start
        for m in _INLINE_FORMULA.finditer(self._text, start, end):
            if not _is_maths(m[0]):
                continue
            yield from self._part(Kind.TEXT, at, m.start())
            yield from self._part(Kind.FORMULA, *m.span())
            at = m.end()
        yield from self._part(Kind.TEXT, at, end)

    def _part(self, kind: Kind, start: int, end: int) -> Iterator[MarkdownBlock]:
        s, e = trimmed(self._text, start, end)
        if s < e:
            yield MarkdownBlock(kind, s, e)


def _plain(content: str) -> str:
    """A heading's words, without the marks of emphasis, code and links."""
    return " ".join(_MARKS.sub(lambda m: m[1] or "", content).split())


def _is_maths(text: str) -> bool:
    return text.startswith("$$") or bool(_MATHS.search(text[2:-2]))


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    try:
        from markdown_it import MarkdownIt
    except ModuleNotFoundError as exc:
        raise MissingExtra.named("markdown-it-py", "llama-index") from exc
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    over: Any = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    parser.block.ruler.before("table", "html_table", _html_table, over)
    parser.block.ruler.before("html_table", "formula", _formula, over)
    return parser


def _formula(state: StateBlock, first: int, stop: int, silent: bool) -> bool:
    """A block rule: a formula that begins its line, to the line with its end."""
    if state.is_code_block(first):
        return False
    line = _line(state, first)
    closing = _FORMULAS.get(line[:2])
    if closing is None:
        return False
    at, rest, said, blank = first, line[2:], bool(line[2:].strip()), False
    while closing not in rest:
        at += 1
        if at >= min(stop, first + LONGEST_FORMULA) or state.sCount[at] < state.blkIndent:
            return False
        rest = _line(state, at)
        if rest.strip():
            if blank and said and not rest.startswith(closing):
                return False  # a blank line within: the mark was that of another formula's end, or of money
            said = True
        else:
            blank = True
    body = state.src[state.bMarks[first] + state.tShift[first] : state.eMarks[at]]
    if not _LABEL.fullmatch(rest.partition(closing)[2]) or not _is_maths(body):
        return False
    if not silent:
        _take(state, "formula", first, at + 1)
    return True


def _html_table(state: StateBlock, first: int, stop: int, silent: bool) -> bool:
    """A block rule: an HTML table with what wraps it, to the line with its end, blank lines or not."""
    if state.is_code_block(first) or not _TABLE_START.match(_line(state, first)):
        return False
    begin, end = state.bMarks[first], state.eMarks[stop - 1]
    last = state.env.get("last_table_end")
    if last is None:
        last = state.env["last_table_end"] = state.src.lower().rfind("</table")
    if last < begin:
        return False
    depth, closed = 0, -1
    for m in _TABLE_TAG.finditer(state.src, begin, end):
        depth += -1 if m[1] else 1
        if m[1]:
            closed = m.end()
        if depth == 0:
            break
    if closed < 0:
        return False
    at = first
    while state.eMarks[at] < closed:
        at += 1
    if not silent:
        _take(state, "html_table", first, at + 1)
    return True


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]


def _take(state: StateBlock, kind: str, first: int, stop: int) -> None:
    state.line = stop
    token = state.push(kind, "", 0)
    token.map = [first, stop]
