"""Tables of which the parser saw a part of a page only: a header that is repeated shows what else on the page are its rows.

A page that begins with the header of the table before it, word for word and column by column, goes on with that table. So
what stands under that header, line by line in the table's columns, are rows (until something crosses columns), and so is
what stands in its columns between the table's end and the foot of the page before. Nothing is joined here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Box, Cell, Kind, Layer, PageBox, ParsedPage, Table
from paperlode.ingest.header_match import CONTINUED
from paperlode.ingest.line_rows import Piece, pieces_of, rows_from
from paperlode.ingest.table_columns import Edge, edges_of, first_cells, same_place
from paperlode.ingest.table_headers import infer_header_rows, is_figure
from paperlode.ingest.table_joins import merge_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["whole_tables"]

TOUCH = 3.0
"""Points by which boxes that stand one under the other may overlap."""
SMALL_GAP = 12.0
"""Points between the two parts of a table that was parted on one page."""
SAME_SIDES = 4.0
"""Points by which their left and right sides may differ."""
FEWEST_WORDS = 3
"""Words of a header by which it is known again."""

_ROWS = frozenset({Kind.TEXT, Kind.LIST_ITEM, Kind.HEADING, Kind.TABLE})


@dataclass(frozen=True, slots=True)
class _Head:
    """A table's header: the words over each column, and where the columns stand."""

    words: tuple[Counter[str], ...]
    edges: tuple[Edge, ...]

    @property
    def cols(self) -> int:
        return len(self.edges)


def whole_tables(pages: Iterable[ParsedPage]) -> Iterator[ParsedPage]:
    """The pages, blocks that are shown to be a table's rows made rows. One page is held; failed ones pass as they are."""
    held: ParsedPage | None = None
    head: _Head | None = None
    for new in pages:
        page = _unparted(new)
        if held is not None and (held.failure or page.page != held.page + 1):
            head = None
        if held is not None and head is not None and (top := _top(page, head)) is not None:
            held = _grown(held, head)
            page = _with_rows(page, head, top)
        if held is not None:
            yield held
        held, head = page, _head_after(page, head)
    if held is not None:
        yield held


def _unparted(page: ParsedPage) -> ParsedPage:
    """The page with tables made one that stand right under each other in the same columns, the lower without a header."""
    out: list[Block] = []
    for b in page.blocks:
        one = _one(out[-1], b) if out else None
        if one is None:
            out.append(b)
        else:
            out[-1] = one
    return page if len(out) == len(page.blocks) else replace(page, blocks=tuple(out))


def _one(first: Block, second: Block) -> Block | None:
    a, b = first.table, second.table
    if a is None or b is None or a.cols < 2 or a.cols != b.cols or not first.regions or not second.regions:
        return None
    over, under = first.regions[-1].box, second.regions[0].box
    if b.caption or b.header_rows or first.layer is not second.layer or not over.y0 < under.y0 <= over.y1 + SMALL_GAP:
        return None
    if max(abs(over.x0 - under.x0), abs(over.x1 - under.x1)) > SAME_SIDES:
        return None
    pairs = list(zip(edges_of(a), edges_of(b), strict=True))
    if any(x is None or y is None or not same_place(x, y) for x, y in pairs) or infer_header_rows(b):
        return None
    one = merge_tables(replace(first, table=replace(a, header_rows=a.header_rows or infer_header_rows(a))), second)
    return replace(one, text=one.table.to_text()) if one and one.table else None


def _head_after(page: ParsedPage, before: _Head | None) -> _Head | None:
    """The header under which the page ends: of its last table that has one, or the one before, which it goes on."""
    for b in reversed(page.blocks):
        if b.table is None or b.layer is not Layer.BODY or b.table.cols < 2 or not b.regions:
            continue
        found = edges_of(b.table, b.regions[-1].page)
        edges = tuple(e for e in found if e is not None)
        if len(edges) < len(found):
            continue
        if rows := b.table.header_rows or infer_header_rows(b.table):
            return _head(b.table, rows, edges)
        if before and len(edges) == before.cols and all(map(same_place, edges, before.edges)):
            return _Head(before.words, edges)
    return None


def _head(table: Table, rows: int, edges: tuple[Edge, ...]) -> _Head | None:
    """The header, or None when it is no names over single columns."""
    words = [Counter[str]() for _ in edges]
    for c in first_cells(table, rows):
        if c.text.strip() and (c.col_span > 1 or not 0 <= c.col < len(words)):
            return None
        if c.text.strip():
            words[c.col].update(_words(c.text))
    named = [w for w in words if any(not is_figure(x) for x in w)]
    enough = sum(w.total() for w in words) >= FEWEST_WORDS
    return _Head(tuple(words), edges) if len(named) > 1 and enough else None


def _words(text: str) -> list[str]:
    return CONTINUED.sub(" ", text).casefold().split()


def _top(page: ParsedPage, head: _Head) -> list[Piece] | None:
    """The pieces with which the page begins when they say the header, running lines over them aside."""
    wanted = [Counter(w) for w in head.words]
    pieces = [p for i, b in enumerate(page.blocks) for p in _first_pieces(i, b, head)]
    taken: list[Piece] = []
    for p in sorted(pieces, key=lambda p: (p.box.y0, p.box.x0)):
        words = Counter(_words(p.text))
        if p.col is not None and words and not words - wanted[p.col]:
            wanted[p.col] -= words
            taken.append(p)
            if not any(wanted):
                return taken
        elif taken or page.blocks[p.block].layer is not Layer.FURNITURE:
            return None
    return None


def _first_pieces(at: int, block: Block, head: _Head) -> list[Piece]:
    """The block's pieces; of a table those that stand in its first rows."""
    if block.table is None:
        return pieces_of(at, block, head.edges)
    cells = first_cells(block.table, 3)
    few = replace(block, table=replace(block.table, cells=tuple(cells)))
    return [p for p in pieces_of(at, few, head.edges) if p.text]


def _with_rows(page: ParsedPage, head: _Head, top: Sequence[Piece]) -> ParsedPage:
    """The page with what stands under the header, in its columns, as a table of its own; as it was where there is one."""
    blocks = page.blocks
    if any((t := blocks[p.block].table) is not None and t.cols > 1 for p in top):
        return page
    start, bottom = min(p.box.y0 for p in top), max(p.box.y1 for p in top)
    owners = {p.block for p in top}
    said = {(p.block, p.start) for p in top}
    fits: dict[int, list[Piece]] = {}
    limit = page.height
    for i, b in enumerate(blocks):
        if not b.regions or (b.layer is Layer.FURNITURE and i not in owners):
            continue
        box = Box.around(r.box for r in b.regions)
        if i not in owners and box.y1 <= start + TOUCH:
            continue
        mine = pieces_of(i, b, head.edges) if i in owners or b.kind in _ROWS else []
        good = bool(mine) and all(p.col is not None for p in mine)
        if not good and (i in owners or box.y0 < bottom - TOUCH):
            return page
        if good and (i in owners or (b.table is None or b.table.cols < head.cols)):
            fits[i] = [p for p in mine if (p.block, p.start) not in said]
        else:
            limit = min(limit, box.y0)
    limit = _limit(blocks, fits, limit)
    rest = {i: ps for i, ps in fits.items() if i in owners or _bottom(ps) <= limit + TOUCH}
    if any(_bottom(ps) > limit + TOUCH for ps in rest.values()):
        return page
    pieces = [p for ps in rest.values() for p in ps]
    if not any(p.col for p in pieces):
        return page
    header = rows_from(blocks, top, head.cols, one=True)
    body = rows_from(blocks, pieces, head.cols)
    table = Table(len(body) + 1, head.cols, _stacked(header[0], 1, body), header_rows=1)
    return _replaced(page, sorted(rest), table)


def _limit(blocks: Sequence[Block], fits: dict[int, list[Piece]], limit: float) -> float:
    """The height at which the rows end: at what crosses columns, or at a heading with nothing beside it."""
    for i, ps in fits.items():
        if ps and blocks[i].kind is Kind.HEADING:
            y0, y1 = min(p.box.y0 for p in ps), _bottom(ps)
            beside = (p for j, qs in fits.items() if j != i for p in qs)
            if not any(p.box.y0 < y1 and p.box.y1 > y0 for p in beside):
                limit = min(limit, y0)
    for ps in sorted((ps for ps in fits.values() if ps), key=_bottom, reverse=True):
        top = min(p.box.y0 for p in ps)
        if _bottom(ps) > limit + TOUCH:
            limit = min(limit, top)
        elif all(p.col == 0 for p in ps) and not _beside(ps, fits, limit):
            limit = min(limit, top)  # a last line under the first column alone is a note or a heading
        else:
            break
    return limit


def _beside(ps: Sequence[Piece], fits: dict[int, list[Piece]], limit: float) -> bool:
    """Whether something over the limit stands right of these pieces, at their height or under it."""
    top = min(p.box.y0 for p in ps)
    return any(p.col and p.box.y1 > top and p.box.y1 <= limit + TOUCH for qs in fits.values() for p in qs)


def _bottom(pieces: Sequence[Piece]) -> float:
    return max((p.box.y1 for p in pieces), default=0.0)


def _grown(page: ParsedPage, head: _Head) -> ParsedPage:
    """The page with all that stands under its last whole table, when all of it stands in its columns, as its rows."""
    blocks = page.blocks
    at = next((i for i in range(len(blocks) - 1, -1, -1) if (t := blocks[i].table) and t.cols == head.cols), None)
    if at is None or not blocks[at].regions or blocks[at].layer is not Layer.BODY:
        return page
    table, bottom = blocks[at].table, blocks[at].regions[-1].box.y1
    assert table is not None
    pieces: list[Piece] = []
    under: list[int] = []
    for i, b in enumerate(blocks):
        if i == at or b.layer is not Layer.BODY or not b.regions or (i < at and b.regions[-1].box.y1 <= bottom):
            continue
        mine = pieces_of(i, b, head.edges) if b.kind in _ROWS else []
        if not mine or any(p.col is None or p.box.y0 < bottom - TOUCH for p in mine):
            return page
        pieces += mine
        under.append(i)
    if not any(p.col for p in pieces):
        return page
    more = rows_from(blocks, pieces, head.cols)
    whole = _stacked(table.cells, table.rows, more)
    return _replaced(page, [at, *under], replace(table, rows=table.rows + len(more), cells=whole))


def _stacked(upper: Sequence[Cell], count: int, rows: Sequence[Sequence[Cell]]) -> tuple[Cell, ...]:
    outside = (c if c.row < count else replace(c, row=c.row + len(rows)) for c in upper)
    return (*outside, *(replace(c, row=c.row + count) for r in rows for c in r))


def _replaced(page: ParsedPage, indices: Sequence[int], table: Table) -> ParsedPage:
    """The page with the blocks of these indices made the one table, at the place of the first."""
    mine = [page.blocks[i] for i in indices]
    known = [b.confidence for b in mine if b.confidence is not None]
    block = Block(
        Kind.TABLE,
        table.to_text(),
        (PageBox(page.page, Box.around(r.box for b in mine for r in b.regions).rounded()),),
        confidence=min(known) if known else None,
        table=table,
        flags=tuple(dict.fromkeys(f for b in mine for f in b.flags)),
        findings=tuple(f for b in mine for f in b.findings),
    )
    first, gone = indices[0], set(indices)
    return replace(
        page, blocks=tuple(block if i == first else b for i, b in enumerate(page.blocks) if i == first or i not in gone)
    )
