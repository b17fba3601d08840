"""Document to chunks, streaming, with six guarantees (see HOUSE.md; each is a property test).

How they are kept: pieces are slices of the blocks' own text and leave in order, so nothing can be lost or doubled (1);
tables are cut at ``Table.cut_rows`` and each part repeats caption and header (2); a formula is one piece, and a caption
travels with its float (3); every embedded text is counted as a whole before it leaves (4); ids are hashes of document,
pages, own content, parser and chunker version (5); regions come from the pieces' lines or cells (6).

Where the budget leaves a choice, a chunk begins where a clause, a list item's clause or a section begins; a formula keeps
the sentence before it and the one that explains it; what a chunk goes on from is its context.

Two texts may be shorter than what is shown, never longer than the embedder reads: the heading path keeps its inner
headings, and repeated captions and headers keep their first words (flag ``context_shortened``). A formula longer than
the embedder reads is shown whole, and its start is embedded (flag ``embedded_prefix``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from paperlode.ingest.chunk_maker import CHUNKER_VERSION, Maker, TextFrame, pack
from paperlode.ingest.clauses import BULLET, NO_CLAUSE, Trail, announces, explains
from paperlode.ingest.document import Block, Chunk, Kind, Layer
from paperlode.ingest.errors import InvalidRequest
from paperlode.ingest.floats import FloatFrame, Group, groups
from paperlode.ingest.pieces import Heading, Path, Piece, Role, Sizer, common, paragraph_pieces
from paperlode.ingest.table_chunks import TableFrame
from paperlode.ingest.table_headers import table_text
from paperlode.ingest.text_cuts import TokenCounter, sentences
from paperlode.ingest.titles import with_title

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from paperlode.ingest.document import Source
    from paperlode.ingest.page_stamps import PageStamps

__all__ = ["CHUNKER_VERSION", "ChunkOptions", "TokenCounter", "chunk"]

LEAST_TOKENS = 16
"""A smaller limit leaves no room for a heading and a word."""
LONGEST_REMARK = 32
"""Tokens of a paragraph right under a table (``See accompanying notes``) that goes with the table's last part."""
LONGEST_NAME = 24
"""Tokens of a first sentence that is a clause's name (``2.5 Option to Research License.``): it goes with the next."""
LONGEST_HEADING = 300
"""Characters of a heading that are kept in the heading paths of the chunks under it."""
TABLE_TEXT_DIFFERS = "table_text_differs"
"""Flag of a table whose text is not what its cells say: it is cut as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkOptions:
    """How long chunks get.

    Attributes:
        max_tokens: most tokens of an embedded text, special tokens included; None for what the embedder reads.
        target_tokens: tokens of own text up to which paragraphs of a section are put together.
        heading_tokens: most tokens of the heading path (at most a quarter of ``max_tokens``).
        title: put the document's title in front of what is embedded and searched (at most a dozen tokens).
        rows: make entries of the rows of tables, searched one by one.
    """

    max_tokens: int | None = None
    target_tokens: int = 200
    heading_tokens: int = 48
    title: bool = True
    rows: bool = True

    @property
    def fingerprint(self) -> str:
        """The chunker's version and these options: the same fingerprint cuts the same document alike."""
        sizes = f"{self.max_tokens or 'model'}-{self.target_tokens}-{self.heading_tokens}"
        without = "".join(name for name, on in (("-untitled", self.title), ("-norows", self.rows)) if not on)
        return f"{CHUNKER_VERSION}-{sizes}{without}"


def chunk(
    blocks: Iterable[Block],
    *,
    source: Source,
    parser: str,
    counter: TokenCounter,
    options: ChunkOptions | None = None,
    stamps: PageStamps | None = None,
) -> Iterator[Chunk]:
    """The chunks of one document, in reading order, as its blocks stream by.

    Args:
        blocks: the assembled blocks, in reading order; their places in the stream become ``Chunk.span``.
        source: the document.
        parser: fingerprint of the parser that read it.
        counter: the embedder, or anything that counts as it does.
        options: how long chunks get.
        stamps: what was read of the pages, noted before their blocks come: a chunk has another id where its pages say
            something else.

    Raises:
        InvalidRequest: a limit too small to hold anything.
    """
    options = options or ChunkOptions()
    limit = min(counter.max_tokens, options.max_tokens or counter.max_tokens)
    if limit < LEAST_TOKENS or options.target_tokens < 1:
        raise InvalidRequest(
            f"Chunks of at most {limit} tokens with a target of {options.target_tokens} cannot be made.",
            hint=f"Use a max_tokens of at least {LEAST_TOKENS} and a positive target_tokens.",
        )
    return _run(blocks, source=source, parser=parser, counter=counter, options=options, limit=limit, stamps=stamps)


def _run(
    blocks: Iterable[Block],
    *,
    source: Source,
    parser: str,
    counter: TokenCounter,
    options: ChunkOptions,
    limit: int,
    stamps: PageStamps | None,
) -> Iterator[Chunk]:
    title = ""
    if options.title:
        title, blocks = with_title(blocks, source.name)
    sizer = Sizer(counter, limit, options.heading_tokens, title)
    maker = Maker(source.document, parser, sizer, stamps)
    yield from _Chunker(maker, sizer, options.target_tokens, rows=options.rows).run(blocks)


def _with_next(items: Iterable[Group]) -> Iterator[tuple[Group, Group | None]]:
    """Each group and the one after it."""
    before: Group | None = None
    for item in items:
        if before is not None:
            yield before, item
        before = item
    if before is not None:
        yield before, None


class _Chunker:
    """The open headings, and the pieces of running text that wait to be a chunk."""

    def __init__(self, maker: Maker, sizer: Sizer, target: int, *, rows: bool) -> None:
        self._maker = maker
        self._sizer = sizer
        self._target = target
        self._rows = rows
        self._text = TextFrame()
        self._trail = Trail()
        self._path: Path = ()
        self._open: list[Piece] = []
        self._used = 0
        self._last: tuple[list[Piece], TableFrame] | None = None  # the last rows of the table just passed

    def run(self, blocks: Iterable[Block]) -> Iterator[Chunk]:
        for group, coming in _with_next(groups(blocks)):
            if self._last is not None:
                if self._remark(group):
                    continue
                yield from self._pass_table()
            if self._open and group.block.layer is not self._open[-1].block.layer:
                yield from self._leave(self._take(len(self._open)))
            if group.anchor is not None and not _in_flow(group):
                yield from self._float(group)
                continue
            for index, block in group.items:
                if block.kind in (Kind.HEADING, Kind.TITLE) and block.layer is Layer.BODY and block.text.strip():
                    yield from self._heading(index, block)
                else:
                    yield from self._paragraph(index, block, explained=coming is not None and explains(coming.block))
        yield from self._pass_table()
        yield from self._leave(self._take(len(self._open)))

    def _remark(self, group: Group) -> bool:
        """Puts a short remark right under a table with the table's last rows, when it fits."""
        assert self._last is not None
        pieces, frame = self._last
        block, (index, _) = group.block, group.items[0]
        text = block.text.strip()
        if group.anchor is not None or block.kind is not Kind.TEXT or block.layer is not pieces[-1].block.layer:
            return False
        if len(text) > 8 * LONGEST_REMARK or announces(text):
            return False
        tokens = self._sizer.size(text)
        path = self._under(block)
        used = sum(p.tokens + self._sizer.newline for p in pieces) + frame.later_context()
        if tokens > LONGEST_REMARK or used + tokens + self._sizer.newline > self._room(path):
            return False
        pieces += paragraph_pieces(index, block, path, self._sizer, whole=tokens, most=tokens)
        return True

    def _pass_table(self) -> Iterator[Chunk]:
        if self._last is not None:
            pieces, frame = self._last
            self._last = None
            yield from self._maker.make(pieces, frame)

    def _under(self, block: Block) -> Path:
        return () if block.layer is Layer.FURNITURE else self._path

    def _room(self, path: Path) -> int:
        """Tokens of own text beside the heading path."""
        return max(8, self._sizer.room - self._sizer.shown_path(path)[1])

    def _heading(self, index: int, block: Block) -> Iterator[Chunk]:
        level = 0 if block.kind is Kind.TITLE else max(1, block.level or 1)
        above = tuple(h for h in self._path if h.level < level)
        text = " ".join(block.text.split())
        text = text if len(text) <= LONGEST_HEADING else text[:LONGEST_HEADING].rstrip() + "…"
        if self._open:
            held = self._open_path()
            headings_only = all(p.role is Role.HEADING for p in self._open)
            under_it = common(held, above) == held
            soft = min(self._target, self._room(above))
            if not headings_only and (not under_it or self._used >= soft // 2):
                yield from self._close()
        self._trail.clear()
        half = self._room(above) // 2
        for piece in paragraph_pieces(index, block, above, self._sizer, whole=half, most=half, role=Role.HEADING):
            yield from self._append(piece)
        self._path = (*above, Heading(level, text, self._sizer.size(text)))

    def _paragraph(self, index: int, block: Block, *, explained: bool) -> Iterator[Chunk]:
        path = self._under(block)
        depth, lead = self._trail.place(block) if block.layer is Layer.BODY else (NO_CLAUSE, "")
        lead = self._sizer.short_lead(lead)
        room = self._room(path)
        tail = sum(p.tokens + self._sizer.newline for p in self._tail())
        left = max(8, room // 4, room - tail - self._sizer.newline)
        opens = block.layer is Layer.BODY and (block.kind is Kind.TEXT or depth) and announces(block.text)
        role = Role.FORMULA if block.kind is Kind.FORMULA else Role.LEAD_IN if opens else Role.TEXT
        most = max(8, min(self._target, left))
        pieces = paragraph_pieces(index, block, path, self._sizer, whole=left, most=most, role=role)
        pieces = [replace(p, lead=lead, depth=NO_CLAUSE if k else depth) for k, p in enumerate(pieces)]
        if len(pieces) > 1 and depth and pieces[0].tokens <= LONGEST_NAME:
            pieces[0] = replace(pieces[0], tied=True)
        if role is Role.FORMULA:
            pieces = [replace(p, tied=explained and p.tokens <= room // 2) for p in pieces]
            self._part_sentence(pieces[0])
        if len(pieces) > 1 and depth not in (NO_CLAUSE, BULLET) and self._used >= min(self._target, room) // 2:
            yield from self._close(pieces[0])
        for piece in pieces:
            yield from self._append(piece)

    def _part_sentence(self, formula: Piece) -> None:
        """Parts the last sentence before a formula from its paragraph: it goes where the formula goes."""
        if not self._open:
            return
        last = self._open[-1]
        spans = sentences(last.text, last.start, last.end) if last.block.kind is Kind.TEXT else []
        if last.index != formula.index - 1 or last.role not in (Role.TEXT, Role.LEAD_IN) or not spans:
            return
        start, end = spans[-1]
        tokens = self._sizer.size(last.text[start:end])
        if tokens + formula.tokens > self._room(formula.path) - self._sizer.lead(last):
            return
        before = [replace(last, end=e, tokens=max(0, last.tokens - tokens), role=Role.TEXT) for _, e in spans[-2:-1]]
        depth = NO_CLAUSE if before else last.depth
        self._open[-1:] = [*before, replace(last, start=start, tokens=tokens, role=Role.LEAD_IN, depth=depth)]
        self._measure()

    def _fits(self, piece: Piece) -> bool:
        room = self._room(piece.path)
        soft = min(self._target, room)
        total = self._used + piece.tokens + self._sizer.newline
        return total <= soft or (piece.tokens <= soft // 4 and total <= room)

    def _append(self, piece: Piece) -> Iterator[Chunk]:
        cost = piece.tokens + self._sizer.newline
        room = self._room(piece.path)
        if self._open and cost and not self._fits(piece) and not all(p.sticky for p in self._open):
            yield from self._close(piece)
        if self._open and self._used + cost > room and self._used > room // 2 and piece.role is not Role.FORMULA:
            yield from self._leave(self._take(len(self._open)))  # headings without end: they cannot all wait
        self._used += cost + (0 if self._open else self._sizer.lead(piece))
        self._open.append(piece)

    def _open_path(self) -> Path:
        path = self._open[0].path
        for p in self._open[1:]:
            path = common(path, p.path)
        return path

    def _tail(self) -> list[Piece]:
        """The headings and lead-ins at the end of what is open: they go with what follows."""
        k = len(self._open)
        while k and self._open[k - 1].sticky:
            k -= 1
        return self._open[k:]

    def _take(self, count: int) -> list[Piece]:
        taken, self._open = self._open[:count], self._open[count:]
        self._measure()
        return taken

    def _measure(self) -> None:
        lead = self._sizer.lead(self._open[0]) if self._open else 0
        self._used = lead + sum(p.tokens + self._sizer.newline for p in self._open)

    def _leave(self, pieces: list[Piece]) -> Iterator[Chunk]:
        if pieces:
            yield from self._maker.make(pieces, self._text)

    def _close(self, coming: Piece | None = None) -> Iterator[Chunk]:
        """Lets the open pieces leave, but for a tail that wants to stand with what comes."""
        tail = self._tail()
        path = coming.path if coming else tail[0].path if tail else ()
        room = self._room(path)
        cost = coming.tokens + self._sizer.newline if coming else 0
        tokens = sum(p.tokens + self._sizer.newline for p in tail)
        keep = len(tail) if len(tail) < len(self._open) and (tokens <= room // 2 or 0 < cost <= room - tokens) else 0
        if coming is not None:
            keep = max(keep, self._clause(coming, cost, min(self._target, room)))
        yield from self._leave(self._take(len(self._open) - keep))

    def _clause(self, coming: Piece, cost: int, soft: int) -> int:
        """How many of the open pieces are the clause that what comes belongs to, when all of it fits one chunk.

        A chunk then begins at the clause's start and not in the midst of it; the outermost clause that fits counts.
        """
        goes_on = coming.start > 0 and self._open[-1].index == coming.index
        depth = coming.depth or (BULLET + 1 if goes_on else NO_CLAUSE)
        best, tail = 0, cost
        for k in range(len(self._open) - 1, 0, -1):
            piece = self._open[k]
            tail += piece.tokens + self._sizer.newline
            if tail > soft:
                break
            left = self._used + cost - tail
            begins = 0 < piece.depth < depth
            if begins and left >= soft // 3:
                depth = piece.depth
                best = len(self._open) - k
        while 0 < best < len(self._open) and self._open[-best - 1].role is Role.HEADING:
            best += 1
        return best if best < len(self._open) else 0

    def _float(self, group: Group) -> Iterator[Chunk]:
        """A figure, table or captioned formula: chunks of its own, with the headings that stand right above."""
        k = len(self._open)
        while k and self._open[k - 1].role is Role.HEADING:
            k -= 1
        if sum(p.tokens for p in self._open[k:]) > self._room(self._path) // 3:
            k = len(self._open)
        lead_in = self._lead_in() if k and k == len(self._open) else ""
        yield from self._leave(self._take(k))
        heads = self._take(len(self._open))
        path, newline = self._under(group.block), self._sizer.newline
        room = self._room(path)
        table = group.block.table
        if table is not None and "".join(table_text(table).split()) == "".join(group.block.text.split()):
            frame: TableFrame | FloatFrame = TableFrame(_exact(group), path, self._sizer, lead_in, rows=self._rows)
            assert isinstance(frame, TableFrame)
            later = max(8, room - min(frame.later_context(), room // 2))
            first = max(8, self._room(heads[0].path if heads else path) - min(frame.lead_in_tokens(), room // 4))
            pieces = frame.pieces(most=max(8, later - newline))
        else:
            frame = FloatFrame(group, path, self._sizer)
            whole = frame.pieces(whole=room, most=max(8, room // 2 - newline))
            later, first, pieces = max(8, room // 2), room, whole
            if table is not None:
                pieces = [replace(p, flags=(*p.flags, TABLE_TEXT_DIFFERS)) for p in pieces]
        runs = pack([*heads, *pieces], first=first, later=later, newline=newline)
        waiting = next(runs)
        for run in runs:
            yield from self._maker.make(waiting, frame)
            waiting = run
        if isinstance(frame, TableFrame):
            self._last = (waiting, frame)
        else:
            yield from self._maker.make(waiting, frame)

    def _lead_in(self) -> str:
        """The last sentence of the open text, when it announces a table and is short."""
        last = self._open[-1]
        if not announces(last.own):
            return ""
        start, end = sentences(last.own)[-1]
        text = last.own[start:end]
        return text if self._sizer.size(text) <= self._sizer.limit // 6 else ""


def _in_flow(group: Group) -> bool:
    """Whether a float without captions goes with the running text: a formula, or a picture that says nothing."""
    return len(group.items) == 1 and (group.block.kind is Kind.FORMULA or not group.block.text.strip())


def _exact(group: Group) -> Group:
    """The group with the table's text as its cells give it, white space and all."""
    items = tuple(
        (i, replace(b, text=table_text(b.table)) if i == group.anchor and b.table else b) for i, b in group.items
    )
    return Group(items, group.anchor)
