"""Markdown cut by its structure: our chunking of its blocks, led back to stretches of the text.

A chunk is made of slices of the blocks' own text, in order (see ``chunking``). So it is a stretch of the Markdown, found
by counting the characters that are no white space, and the cuts together hold each of them once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paperlode.ingest.chunking import ChunkOptions, chunk
from paperlode.ingest.document import Block, Cell, Chunk, Kind, Source, Table
from paperlode.ingest.markdown_blocks import MarkdownBlock, markdown_blocks
from paperlode.ingest.table_headers import table_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from paperlode.ingest.text_cuts import TokenCounter

__all__ = ["Cut", "Piecemeal", "structure_cuts"]

HEADING_TOKENS = 48
"""Most tokens of the heading path that are reckoned with."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch of the text that becomes a node.

    Attributes:
        start, end: offsets in the text. All cuts, in order, hold every character that is no white space, once.
        before: what is repeated over it, so that it can be read alone: a table's caption and header, the opening of a
            code fence, the sentence that announced a list. after: what closes it: ``</table>``, the end of a fence.
        path: headings above it, outermost first, without Markdown.
        kind: of its first block that is no heading.
        flags: what chunking has to say: ``row_split``, ``embedded_prefix`` (a formula longer than the limit), …
    """

    start: int
    end: int
    before: str
    after: str
    path: tuple[str, ...]
    kind: Kind
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Piecemeal:
    """A ``TokenCounter`` made of a function and a limit."""

    count_tokens: Callable[[str], int]
    max_tokens: int

    def count(self, text: str) -> int:
        """Tokens of the text, special tokens included."""
        return self.count_tokens(text)


def structure_cuts(
    text: str, *, counter: TokenCounter, target: int, known: Callable[[int, int], Kind | None] | None = None
) -> list[Cut]:
    """The cuts of a Markdown text.

    Args:
        text: Markdown, or plain text.
        counter: counts tokens; its ``max_tokens`` is the limit for heading path, what is repeated, and text.
        target: tokens up to which paragraphs of a section are put together.
        known: what the block at these offsets is known to be, where Markdown does not tell.

    Raises:
        InvalidRequest: a limit too small to hold anything.
        MissingExtra: the package ``markdown-it-py`` is not installed.
    """
    found = _joined(markdown_blocks(text), text, counter)
    blocks = [_block(b, text, known) for b in found]
    options = ChunkOptions(target_tokens=target, heading_tokens=HEADING_TOKENS, title=False, rows=False)
    source = Source(uri="", name="", media_type="text/markdown", digest="", size=0)
    chunks = chunk(blocks, source=source, parser="", counter=counter, options=options)
    return list(_led_back(chunks, text, found))


def _joined(blocks: Sequence[MarkdownBlock], text: str, counter: TokenCounter) -> list[MarkdownBlock]:
    """The blocks, the items of a list that fits a chunk (with its lead-in) put together."""
    out: list[MarkdownBlock] = []
    i = 0
    while i < len(blocks):
        j = i + 1
        while blocks[i].of_list and j < len(blocks) and blocks[j].of_list == blocks[i].of_list:
            j += 1
        first, last = blocks[i], blocks[j - 1]
        if j - i > 1 and _fits(blocks[i - 1] if i else None, text[first.start : last.end], text, counter):
            out.append(MarkdownBlock(Kind.LIST_ITEM, first.start, last.end, of_list=first.of_list))
        else:
            out += blocks[i:j]
        i = j
    return out


def _fits(above: MarkdownBlock | None, items: str, text: str, counter: TokenCounter) -> bool:
    room = counter.max_tokens - min(HEADING_TOKENS, counter.max_tokens // 4)
    if len(items) > 40 * room:
        return False
    lead = text[above.start : above.end] if above is not None and len(text[above.start : above.end]) < 400 else ""
    return counter.count(lead) + counter.count(items) <= room


def _block(found: MarkdownBlock, text: str, known: Callable[[int, int], Kind | None] | None) -> Block:
    kind, own = found.kind, text[found.start : found.end]
    if found.table is not None:
        # one cell a row, beside an empty first column: a lone first cell would be the name of a section
        rows = found.table.rows
        cells = tuple(Cell(r, 1, text[s:e]) for r, (s, e) in enumerate(rows))
        table = Table(len(rows), 2, cells, found.table.header)
        return Block(Kind.TABLE, table_text(table), (), table=table)
    if kind is Kind.TEXT and known is not None:
        kind = known(found.start, found.end) or kind
    return Block(kind, own, (), level=found.level)


class _Places:
    """Where the characters of a text stand that are no white space."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = [i for i, c in enumerate(text) if not c.isspace()]
        self._done = 0

    def next(self, own: str) -> tuple[int, int] | None:
        """Start and end of the next stretch, which says ``own`` but for white space; None for nothing said."""
        count = sum(1 for c in own if not c.isspace())
        if not count:
            return None
        start, end = self._at[self._done], self._at[self._done + count - 1] + 1
        assert "".join(self._text[start:end].split()) == "".join(own.split()), "chunks are slices of the text, in order"
        self._done += count
        return self._with_indent(start), end

    def _with_indent(self, start: int) -> int:
        """The start with the line's indentation, which means something in lists and code."""
        at = start
        while at and self._text[at - 1] in " \t":
            at -= 1
        return at if at == 0 or self._text[at - 1] in "\r\n" else start


def _led_back(chunks: Iterator[Chunk], text: str, found: Sequence[MarkdownBlock]) -> Iterator[Cut]:
    places = _Places(text)
    starts = [b.start for b in found]
    titles = {" ".join(text[b.start : b.end].split()): b.title for b in found if b.kind is Kind.HEADING}
    for c in chunks:
        span = places.next(c.text)
        if span is None:
            continue
        start, end = span
        before, after = _repeated(c, span, text, found, starts)
        path = tuple(t for h in c.heading_path if (t := titles.get(h) or h.lstrip("# ")))
        yield Cut(start, end, before, after, path, c.kind, c.flags)


def _repeated(
    c: Chunk, span: tuple[int, int], text: str, found: Sequence[MarkdownBlock], starts: list[int]
) -> tuple[str, str]:
    """What must stand around the stretch so that it can be read alone."""
    start, end = span
    first, last = max(0, bisect_right(starts, start) - 1), max(0, bisect_left(starts, end) - 1)
    if c.part is not None:
        block = found[c.part.block]
        table = block.table
        assert table is not None
        after = f"\n{table.closing}" if table.closing and block.start < end < block.end else ""
        if not block.start < start:
            return "", after
        over = [text[b.start : b.end] + "\n\n" for b in _captions(found, c.part.block)]
        if start >= table.header_end:
            head = text[block.start : table.header_end].rstrip()
            over.append(f"{head or table.opening}\n" if head or table.opening else "")
        elif table.opening:
            over.append(f"{table.opening}\n")
        return "".join(over), after
    before = f"{c.context}\n\n" if c.context else ""
    opened, ended = found[first], found[last]
    if opened.fence is not None and opened.start < start:
        before += opened.fence[0] + "\n"
    after = f"\n{ended.fence[1]}" if ended.fence is not None and end < ended.end else ""
    return before, after


def _captions(found: Sequence[MarkdownBlock], table: int) -> Sequence[MarkdownBlock]:
    first = table
    while first and found[first - 1].kind is Kind.CAPTION:
        first -= 1
    return found[first:table]
