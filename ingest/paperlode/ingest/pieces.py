"""Pieces: the smallest stretches of blocks that chunking moves about, and what can be said of a run of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from paperlode.ingest.document import Block, Kind, PageBox, embedded_text, same_title
from paperlode.ingest.text_cuts import cut, first_words, sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.text_cuts import TokenCounter

__all__ = [
    "CAPTION_SPLIT",
    "Heading",
    "Path",
    "Piece",
    "Role",
    "Sizer",
    "common",
    "halves",
    "joined_text",
    "paragraph_pieces",
    "text_regions",
]

CAPTION_SPLIT = "caption_split"
"""Flag of a chunk with part of a caption that is longer than the budget."""
TITLE_TOKENS = 12
"""Most tokens of the document's title in an embedded text (and no more than an eighth of the limit)."""
LONGEST_INDENT = 64
"""Characters of a line's indentation that are kept."""
LEAST_TITLE = 4
"""With fewer tokens to spare for it, a title says nothing and is left out."""


class Role(Enum):
    """What a piece is to its neighbours."""

    TEXT = "text"
    HEADING = "heading"
    LEAD_IN = "lead_in"
    """A paragraph that announces what follows (``... as follows:``)."""
    FORMULA = "formula"
    """Never cut."""
    CAPTION = "caption"
    ROWS = "rows"
    EMPTY = "empty"
    """A block without text: it takes no room, and its place is kept."""


class Heading(NamedTuple):
    """A heading above a piece: its depth (0 for the title), its text (shortened when very long), its tokens."""

    level: int
    text: str
    tokens: int


Path = tuple[Heading, ...]
"""The headings above a piece, outermost first."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The characters ``start`` to ``end`` of block ``index``; for table rows also ``row_start`` to ``row_end``.

    ``text`` is the block's whole text (a table's as ``Table.to_text``), ``tokens`` the piece's without special tokens.
    ``depth`` is that of the clause that begins with it (see ``clauses``), ``lead`` what must be said over it when it
    begins a chunk, ``tied`` whether the next piece explains it.
    """

    index: int
    block: Block
    text: str
    start: int
    end: int
    tokens: int
    role: Role
    path: Path
    row_start: int = 0
    row_end: int = 0
    flags: tuple[str, ...] = ()
    depth: int = 0
    lead: str = ""
    tied: bool = False

    @property
    def own(self) -> str:
        """The piece's characters."""
        return self.text[self.start : self.end]

    @property
    def sticky(self) -> bool:
        """Whether it wants to stand with what follows."""
        return self.tied or self.role in (Role.HEADING, Role.LEAD_IN)


class Sizer:
    """Token counts that can be added up, and heading paths that fit.

    Args:
        counter: the embedder's own.
        limit: most tokens of an embedded text, special tokens included; never more than the counter's ``max_tokens``.
        heading_tokens: most tokens the heading path may take of it.
        title: of the document, said in front of every embedded text; shortened to ``TITLE_TOKENS``.
    """

    def __init__(self, counter: TokenCounter, limit: int, heading_tokens: int, title: str = "") -> None:
        self.count = counter.count
        self.limit = limit
        self._special = counter.count("")
        together, apart = self.size("ab\n" * 16 + "ab"), 17 * self.size("ab")
        self.newline = max(0, -(-(together - apart) // 16))
        self._arrow = max(1, self.size(" > "))
        self._heading_tokens = max(0, min(heading_tokens, limit // 4))
        self._paths: dict[Path, tuple[tuple[str, ...], int]] = {}
        most = min(TITLE_TOKENS, limit // 8)
        self.title = first_words(title, size=self.size, limit=most) if title and most >= LEAST_TITLE else ""
        self._title_cost = self.size(self.title) + self.newline if self.title else 0
        self._leads: dict[str, int] = {"": 0}

    def size(self, text: str) -> int:
        """Tokens of the text without special tokens."""
        return max(0, self.count(text) - self._special)

    @property
    def room(self) -> int:
        """Tokens an embedded text has beside the special tokens and the title."""
        return max(1, self.limit - self._special - self._title_cost)

    def lead(self, piece: Piece) -> int:
        """Tokens of what is said over the piece when it begins a chunk, and of the line break behind it."""
        if piece.lead not in self._leads:
            if len(self._leads) > 64:
                self._leads = {"": 0}
            self._leads[piece.lead] = self.size(piece.lead) + self.newline
        return self._leads[piece.lead]

    def short_lead(self, lead: str) -> str:
        """The lines over a piece that may take a sixth of the limit: all, else the last, else none."""
        few = (lead, lead.rpartition("\n")[2]) if lead else ()
        return next((t for t in few if self.size(t) <= self.limit // 6), "")

    def shown_path(self, path: Path) -> tuple[tuple[str, ...], int]:
        """The path as the embedder reads it, within its share: inner headings first, the innermost cut if it must be.

        With its tokens (and those of the line break after it). An empty path costs nothing, nor does the title in it.
        """
        known = self._paths.get(path)
        if known is not None:
            return known
        shown: list[str] = []
        used = 0
        titled = bool(path and self.title and same_title(self.title, path[0].text))
        for h in reversed(path[1:] if titled else path):
            cost = h.tokens + (self._arrow if shown or self.title else self.newline)
            if used + cost > self._heading_tokens:
                if not shown:
                    gap = max(self.newline, self._arrow)
                    text = first_words(h.text, size=self.size, limit=self._heading_tokens - gap)
                    shown, used = ([text], self.size(text) + gap) if text else ([], 0)
                break
            shown.insert(0, h.text)
            used += cost
        if len(self._paths) > 512:
            self._paths.clear()
        self._paths[path] = (tuple(shown), used)
        return self._paths[path]

    def fits(self, path: Sequence[str], context: str, text: str) -> tuple[str, int] | None:
        """The embedded text and its tokens, or None when it is longer than the limit."""
        embedded = embedded_text(tuple(path), context, text, self.title)
        tokens = self.count(embedded)
        return (embedded, tokens) if tokens <= self.limit else None


def paragraph_pieces(
    index: int, block: Block, path: Path, sizer: Sizer, *, whole: int, most: int, role: Role = Role.TEXT
) -> list[Piece]:
    """A block of text as pieces: one of at most ``whole`` tokens, else its sentences, none over ``most`` tokens."""
    text = block.text
    spans = sentences(text)
    if not spans:
        return [Piece(index, block, text, 0, 0, 0, Role.EMPTY, path)]
    start, end = spans[0][0], spans[-1][1]
    tokens = sizer.size(text[start:end])
    if tokens <= whole or role is Role.FORMULA:
        return [Piece(index, block, text, start, end, tokens, role, path)]
    if block.kind in (Kind.CODE, Kind.TOC, Kind.REFERENCE):
        spans = sentences(text, by_line=True)
    inner = Role.CAPTION if role is Role.CAPTION else Role.TEXT
    parts = [p for s, e in spans for p in cut(text, s, e, size=sizer.size, limit=most)]
    if block.kind is Kind.CODE:
        parts = [((_indented(text, s), e), n) for (s, e), n in parts]
    flags = (CAPTION_SPLIT,) if role is Role.CAPTION and len(parts) > 1 else ()
    return [
        Piece(index, block, text, s, e, n, role if i == len(parts) - 1 else inner, path, flags=flags)
        for i, ((s, e), n) in enumerate(parts)
    ]


def _indented(text: str, start: int) -> int:
    """Where the line's indentation begins, when only that stands before ``start``: it means something in code."""
    at = start
    while at and text[at - 1] in " \t" and start - at < LONGEST_INDENT:
        at -= 1
    return at if at == 0 or text[at - 1] == "\n" else start


def halves(piece: Piece, sizer: Sizer) -> list[Piece]:
    """The piece in two or more smaller ones; itself alone when it cannot be cut."""
    if piece.role is Role.FORMULA or piece.end - piece.start < 2:
        return [piece]
    cells = piece.role is Role.ROWS
    flags = (*piece.flags, "row_split") if cells and "row_split" not in piece.flags else piece.flags
    parts = cut(piece.text, piece.start, piece.end, size=sizer.size, limit=max(1, piece.tokens // 2), cells=cells)
    if len(parts) < 2:  # short for its tokens, as counted: take it apart by characters
        middle = (piece.start + piece.end) // 2
        parts = [((piece.start, middle), piece.tokens // 2), ((middle, piece.end), piece.tokens - piece.tokens // 2)]
    flags = (*flags, CAPTION_SPLIT) if piece.role is Role.CAPTION and CAPTION_SPLIT not in flags else flags
    role = Role.TEXT if piece.role is Role.HEADING else piece.role
    return [
        replace(piece, start=s, end=e, tokens=n, role=role, flags=flags, depth=piece.depth if k == 0 else 0)
        for k, ((s, e), n) in enumerate(parts)
    ]


def joined_text(pieces: Sequence[Piece]) -> str:
    """The pieces' own text: neighbours in one block keep what stands between them, each block on its own line."""
    out: list[str] = []
    last: Piece | None = None
    for p in pieces:
        if p.start == p.end:
            continue
        if last is not None:
            out.append(p.text[last.end : p.start] if last.index == p.index else "\n")
        out.append(p.own)
        last = p
    return "".join(out)


def common(a: Path, b: Path) -> Path:
    """The headings two paths begin with in common."""
    n = 0
    while n < min(len(a), len(b)) and a[n] == b[n]:
        n += 1
    return a[:n]


def text_regions(pieces: Sequence[Piece]) -> list[PageBox]:
    """Where pieces of text blocks stand, each block's stretch in its own boxes."""
    out: list[PageBox] = []
    i = 0
    while i < len(pieces):
        j = i
        while j + 1 < len(pieces) and pieces[j + 1].index == pieces[i].index:
            j += 1
        first, last = pieces[i], pieces[j]
        found = first.block.regions if first.start == last.end else first.block.regions_of(first.start, last.end)
        out += [r for r in found if r not in out[-4:]]
        i = j + 1
    return out
