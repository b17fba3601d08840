"""The six guarantees of a chunk, told from a document's blocks and its chunks alone: nothing of the chunker is called.

``violations`` names what it found, each with the number of the guarantee (see HOUSE.md); exceptions count only where
their flag stands (see ``table_chunks``) and where the budget left no choice.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from paperlode.ingest.document import Block, Chunk, Kind, Layer, ParsedPage, Table, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from paperlode.ingest.chunking import TokenCounter

__all__ = ["Violation", "assembly_violations", "violations"]

FLOATS = (Kind.FIGURE, Kind.CHART, Kind.TABLE, Kind.FORMULA)
HEADINGS = (Kind.TITLE, Kind.HEADING)
LONGEST_NAME = 300
"""Characters that a heading keeps in the paths (the chunker's own promise, as is the ``…`` behind them)."""


SLACK = 40
"""Tokens by which counts of parts may miss that of the whole: labels of rows, line breaks."""


class Violation(NamedTuple):
    """A guarantee that does not hold: its number (0 for assembly), what was seen, at which block or chunk."""

    guarantee: int
    what: str
    where: int = -1


def squeezed(text: str) -> str:
    """Without white space."""
    return "".join(text.split())


def _bare(text: str) -> str:
    """Without white space and the marks between cells: lines that become rows of a table get some."""
    return squeezed(text).replace("|", "")


def assembly_violations(pages: Sequence[ParsedPage], blocks: Sequence[Block]) -> list[Violation]:
    """Text that assembly lost or doubled: every block of every page must be in the document, and nothing twice.

    A block counts as kept when its text is in the document as it stands, or, where it became rows of a table or repeats
    a header, when every one of its words is; but no more characters may go than header rows that tables over pages repeat.
    """
    out: list[Violation] = []
    text = "\n".join(b.text for b in blocks)
    whole, words = _hyphenless(text), {_hyphenless(w) for w in text.split()}
    before = sum(len(_bare(b.text)) for p in pages for b in p.blocks)
    after = sum(len(_bare(b.text)) for b in blocks)
    if after > before + sum(len(b.table.caption) + 1 for b in blocks if b.table):
        out.append(Violation(0, f"{after} characters of {before}"))
    gone = sum(len(_hyphenless(b.text)) for p in pages for b in p.blocks) - sum(
        len(_hyphenless(b.text)) for b in blocks
    )
    if gone > (repeated := sum(_repeated(b) for b in blocks)):
        out.append(Violation(0, f"{gone} characters gone, headers repeat {repeated} at most"))
    for p in pages:
        for b in p.blocks:
            texts = [b.text] if b.table is None else [c.text for c in b.table.cells if 0 <= c.row < b.table.rows]
            lost = [t for t in texts if _hyphenless(t) not in whole]
            lost = [t for t in lost if any(_hyphenless(w) not in words for w in t.split())]
            out += [Violation(0, f"lost: {t[:60]!r}", p.page) for t in lost]
    at = [b.regions[0].page for b in blocks if b.layer is Layer.BODY]
    if at != sorted(at):
        out.append(Violation(0, "pages out of order"))
    return out


def _repeated(block: Block) -> int:
    """Characters of header rows that the parts of a table over pages can have repeated."""
    if block.table is None or len({r.page for r in block.regions}) < 2:
        return 0
    header = [c for c in block.table.cells if c.row < max(block.table.header_rows, 1)]
    return sum(len(_hyphenless(c.text)) for c in header) * (len(block.regions) - 1)


def _hyphenless(text: str) -> str:
    return squeezed(text).replace("-", "").replace("\u00ad", "").replace("|", "")


def violations(
    blocks: Sequence[Block],
    chunks: Sequence[Chunk],
    *,
    counter: TokenCounter,
    limit: int,
    again: Sequence[Chunk],
    other: Iterable[Chunk] = (),
) -> list[Violation]:
    """What does not hold.

    Args:
        blocks: the document's.
        chunks: made of them.
        counter: what counted.
        limit: the most tokens of a chunk.
        again: chunks made a second time of the same.
        other: chunks of the same under another digest.
    """
    owners = _owners(blocks, chunks)
    out = list(_lossless(blocks, chunks, owners))
    if out:
        return out  # nothing else can be told
    for i, b in enumerate(blocks):
        if b.table is not None and b.text.strip() and squeezed(_text_of(b.table)) == squeezed(b.text):
            parts = [c for c in chunks if c.part and c.part.block == i]
            out += _table(i, b, b.table, parts)
            out += _honest(b.table, parts, counter, limit)
    out += _kept_together(blocks, chunks, owners, counter, limit)
    out += _lengths(chunks, counter, limit)
    out += _identity(chunks, again, other)
    out += _places(blocks, chunks, owners)
    return out


# ---------------------------------------------------------------- 1


def _owners(blocks: Sequence[Block], chunks: Sequence[Chunk]) -> list[list[int]]:
    """For each chunk the blocks its own text comes from, by where it lies in the document's text."""
    ends = list(accumulate(len(squeezed(b.text)) for b in blocks))
    out, at = [], 0
    for c in chunks:
        stop = at + len(squeezed(c.text))
        first, last = bisect_right(ends, at), bisect_right(ends, stop - 1)
        mine = [i for i in range(first, min(last + 1, len(blocks))) if squeezed(blocks[i].text)] if stop > at else []
        out.append(mine)
        at = stop
    return out


def _lossless(blocks: Sequence[Block], chunks: Sequence[Chunk], owners: Sequence[Sequence[int]]) -> Iterable[Violation]:
    mine, theirs = squeezed("".join(c.text for c in chunks)), squeezed("".join(b.text for b in blocks))
    if mine != theirs:
        at = next(
            (k for k, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), min(len(mine), len(theirs))
        )
        yield Violation(1, f"text differs: {mine[at : at + 40]!r} for {theirs[at : at + 40]!r}", at)
        return
    if {i for c in chunks for i in range(*c.span)} != set(range(len(blocks))):
        yield Violation(1, "a block is in no span")
    if [c.ordinal for c in chunks] != list(range(len(chunks))):
        yield Violation(1, "ordinals have gaps")
    for k, c in enumerate(chunks):
        if any(not c.span[0] <= i < c.span[1] for i in owners[k]):
            yield Violation(1, "own text of a block outside the span", k)
        for line in c.context.split("\n"):
            if squeezed(line.removesuffix("…")) not in theirs:
                yield Violation(1, f"context from nowhere: {line[:60]!r}", k)
        if c.shown_text != (f"{c.context}\n{c.text}" if c.context else c.text):
            yield Violation(1, "shown text is not context and own text", k)


# ---------------------------------------------------------------- 2


def _row(table: Table, row: int) -> str:
    cells = sorted((c for c in table.cells if c.row == row), key=lambda c: c.col)
    return " | ".join(t for c in cells if (t := " ".join(c.text.split())))


def _text_of(table: Table) -> str:
    by_row: dict[int, list[tuple[int, str]]] = {}
    for c in table.cells:
        by_row.setdefault(c.row, []).append((c.col, c.text))
    rows = [
        "|".join(t for _, t in sorted(by_row.get(r, []), key=lambda x: x[0]) if t.strip()) for r in range(table.rows)
    ]
    return "\n".join([table.caption, *rows])


def _table(i: int, block: Block, table: Table, parts: Sequence[Chunk]) -> Iterable[Violation]:
    if not parts:
        yield Violation(2, "a table without parts", i)
        return
    ranges = [(c.part.row_start, c.part.row_end) for c in parts if c.part]
    filled = [x for x in ranges if x[0] < x[1]]  # a part of nothing but a caption has no rows
    if {r for a, b in ranges for r in range(a, b)} != set(range(table.rows)) or filled != sorted(filled):
        yield Violation(2, f"rows not covered in order: {ranges}", i)
    tied = {r for c in table.cells for r in range(c.row + 1, c.row + c.row_span)}
    head = min(table.header_rows, table.rows)
    header = [squeezed(_row(table, r)) for r in range(head)]
    caption = squeezed(table.caption)
    for c, (start, end) in zip(parts, ranges, strict=True):
        flags, shown = set(c.flags), squeezed(c.shown_text)
        if 0 < start < head and not flags & {"header_split", "row_split"}:
            yield Violation(2, "cut in the header without its flag", c.ordinal)
        if 0 < start >= head and start in tied and not flags & {"row_span_split", "row_split", "header_split"}:
            yield Violation(2, "cut through a row span without its flag", c.ordinal)
        if caption not in shown and "caption_split" not in flags:
            yield Violation(2, "a part without the caption", c.ordinal)
        if end > head and not flags & {"header_split", "row_split"} and any(h not in shown for h in header):
            yield Violation(2, "a part without a header row", c.ordinal)
        yield from _part(table, c, head)
    rows = [c for c in parts if c.part and c.part.row_start < c.part.row_end]
    for one, two, c in zip(filled, filled[1:], rows[1:], strict=False):
        split = "row_split" in c.flags and (one == two or one[1] == two[0] + 1)  # rows without text go with the row
        if one[1] != two[0] and not split:
            yield Violation(2, "a row in two parts without its flag", c.ordinal)
    pages = {r.page for c in parts for r in c.regions}
    places = {r.page for r in block.regions}
    cells = {c.region.page for c in table.cells if c.region and c.text.strip() and 0 <= c.row < table.rows}
    if not (places & cells if cells else places) <= pages:
        yield Violation(2, f"pages {sorted(places & cells)} not all among the parts' {sorted(pages)}", i)


def _part(table: Table, chunk: Chunk, head: int) -> Iterable[Violation]:
    assert chunk.part is not None
    part = chunk.part
    body = range(max(part.row_start, head), max(part.row_end, head))
    small = part.table
    if (small.rows, small.header_rows, small.cols, small.caption) != (
        head + len(body),
        head,
        table.cols,
        table.caption,
    ):
        yield Violation(2, "a part's table has other measures", chunk.ordinal)
    if part.rows != table.rows:
        yield Violation(2, "a part does not know the table's rows", chunk.ordinal)
    there = {(c.row, c.col, c.text, c.region) for c in small.cells}
    for new, old in enumerate([*range(head), *body]):
        if any((new, c.col, c.text, c.region) not in there for c in table.cells if c.row == old):
            yield Violation(2, f"a cell of row {old} is not in its part", chunk.ordinal)


def _honest(table: Table, parts: Sequence[Chunk], counter: TokenCounter, limit: int) -> Iterable[Violation]:
    """An exception's flag is only allowed where what was cut does not fit with all its context."""
    head = min(table.header_rows, table.rows)
    crossed = {r for c in table.cells for r in range(c.row + 1, c.row + c.row_span)}
    for c in parts:
        if c.part is None:
            continue
        above = [
            " > ".join((c.title, *c.heading_path)),
            c.context,
            *(_row(table, r) for r in range(head)),
            table.caption,
        ]
        rows = range(c.part.row_start, c.part.row_end)
        tied = [range(r, r + 1) for r in rows]
        if "row_span_split" in c.flags:
            tied = [_tied(r, crossed, head, table.rows) for r in rows]
        elif "row_split" not in c.flags:
            continue
        longest = max((counter.count("\n".join((*above, *(_row(table, r) for r in t)))) for t in tied), default=limit)
        if longest + SLACK <= limit:
            yield Violation(2, f"cut without need: {longest} tokens of {limit}, {c.flags}", c.ordinal)


def _tied(row: int, crossed: set[int], head: int, rows: int) -> range:
    """The rows that spans tie together around a row; the header's rows are tied to each other."""
    first, stop = row, row + 1
    while first > 0 and (first in crossed or first < head):
        first -= 1
    while stop < rows and (stop in crossed or stop < head):
        stop += 1
    return range(first, stop)


# ---------------------------------------------------------------- 3


def _kept_together(
    blocks: Sequence[Block],
    chunks: Sequence[Chunk],
    owners: Sequence[Sequence[int]],
    counter: TokenCounter,
    limit: int,
) -> Iterable[Violation]:
    holders: dict[int, list[int]] = {}
    for k, mine in enumerate(owners):
        for i in mine:
            holders.setdefault(i, []).append(k)
    for i, b in enumerate(blocks):
        held = holders.get(i, [])
        if (
            b.kind is Kind.FORMULA
            and b.table is None
            and (len(held) > 1 or any(b.text.strip() not in chunks[k].text for k in held))
        ):
            yield Violation(3, f"a formula in {len(held)} chunks", i)
        near = [j for j in _neighbours(blocks, i) if blocks[j].kind in FLOATS and blocks[j].layer is b.layer]
        if b.kind is Kind.CAPTION and b.text.strip() and near:
            spans = [chunks[k].span for k in held]
            if not any(all(s <= j < e for s, e in spans) for j in near):
                yield Violation(3, "a caption without its float", i)
    for k, c in enumerate(chunks):
        if "embedded_prefix" in c.flags and counter.count(c.searched_text) <= limit:
            yield Violation(3, "a prefix embedded of what fits", k)


def _neighbours(blocks: Sequence[Block], i: int) -> list[int]:
    """The blocks right before and after, other captions of its layer passed over."""
    out = []
    for step in (-1, 1):
        j = i + step
        while 0 <= j < len(blocks) and blocks[j].kind is Kind.CAPTION and blocks[j].layer is blocks[i].layer:
            j += step
        if 0 <= j < len(blocks):
            out.append(j)
    return out


# ---------------------------------------------------------------- 4 and 5


def _lengths(chunks: Sequence[Chunk], counter: TokenCounter, limit: int) -> Iterable[Violation]:
    for k, c in enumerate(chunks):
        tokens = counter.count(c.embedded_text)
        if tokens != c.tokens or tokens > limit:
            yield Violation(4, f"{tokens} tokens, noted {c.tokens}, limit {limit}", k)
        if c.part is None and "embedded_prefix" not in c.flags and not c.embedded_text.endswith(c.text):
            yield Violation(4, "own text that is not embedded, without its flag", k)
        if any(counter.count(e.text) > limit for e in c.entries):
            yield Violation(4, "a row's entry longer than the limit", k)
        if c.entries and (c.part is None or any(not c.part.row_start <= e.row < c.part.row_end for e in c.entries)):
            yield Violation(4, "an entry of a row that is not in the part", k)
        if not c.searched_text.endswith(c.text):
            yield Violation(4, "own text that is not searched", k)


def _identity(chunks: Sequence[Chunk], again: Sequence[Chunk], other: Iterable[Chunk]) -> Iterable[Violation]:
    ids = {c.id for c in chunks}
    if len(ids) != len(chunks):
        yield Violation(5, "an id twice")
    if list(chunks) != list(again):
        yield Violation(5, "the same input gave other chunks")
    if ids & {c.id for c in other}:
        yield Violation(5, "another document has the same ids")


# ---------------------------------------------------------------- 6


def _places(blocks: Sequence[Block], chunks: Sequence[Chunk], owners: Sequence[Sequence[int]]) -> Iterable[Violation]:
    paths = _paths(blocks)
    stands = [set[int]() for _ in blocks]
    for c, mine in zip(chunks, owners, strict=True):
        for i in mine:
            stands[i] |= set(c.pages)
    for i, b in enumerate(blocks):
        if stands[i] and b.table is None and not {r.page for r in b.regions} <= stands[i]:
            yield Violation(6, "a page of a block is not among those of its chunks", i)
    for k, (c, mine) in enumerate(zip(chunks, owners, strict=True)):
        spanned = blocks[slice(*c.span)]
        if not c.regions:
            yield Violation(6, "no regions", k)
        places = [r for b in spanned for r in b.regions]
        places += [x.region for b in spanned if b.table for x in b.table.cells if x.region]
        for page in {r.page for r in c.regions}:
            boxes = [r.box for r in places if r.page == page]
            inside = bool(boxes) and all(
                r.box.x0 >= min(b.x0 for b in boxes) - 1 and r.box.y0 >= min(b.y0 for b in boxes) - 1
                and r.box.x1 <= max(b.x1 for b in boxes) + 1 and r.box.y1 <= max(b.y1 for b in boxes) + 1
                for r in c.regions if r.page == page
            )  # fmt: skip
            if not inside:
                yield Violation(6, f"a region on page {page} where its blocks are not", k)
        if {b.layer for b in spanned} != {c.layer}:
            yield Violation(6, "layers are mixed", k)
        if c.kind not in {b.kind for b in spanned}:
            yield Violation(6, f"no block is a {c.kind}", k)
        if mine and any(f not in c.flags for i in mine for f in blocks[i].flags):
            yield Violation(6, "a block's flag is not on its chunk", k)
        known = [blocks[i].confidence for i in mine]
        if any(x is not None and (c.confidence is None or c.confidence > x) for x in known):
            yield Violation(6, "confidence higher than a block's", k)
        if any(f not in c.findings for i in mine if blocks[i].table is None for f in blocks[i].findings):
            yield Violation(6, "a finding is not on its chunk", k)
        if mine and c.heading_path != _common([paths[i] for i in mine]):
            yield Violation(6, f"heading path {c.heading_path} for {_common([paths[i] for i in mine])}", k)
        if k % 5 == 0 and from_json(Chunk, to_json(c)) != c:  # a fifth: it takes the most time
            yield Violation(6, "JSON gives another chunk", k)


def _paths(blocks: Sequence[Block]) -> list[tuple[str, ...]]:
    """The headings above each block, its own not among them; furniture has none."""
    out, path = [], list[tuple[int, str]]()
    for b in blocks:
        if b.kind in HEADINGS and b.layer is Layer.BODY and b.text.strip():
            level = 0 if b.kind is Kind.TITLE else max(1, b.level or 1)
            path = [h for h in path if h[0] < level]
            out.append(tuple(t for _, t in path))
            text = " ".join(b.text.split())
            path.append((level, text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME].rstrip() + "…"))
        else:
            out.append(() if b.layer is Layer.FURNITURE else tuple(t for _, t in path))
    return out


def _common(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    first = paths[0]
    for other in paths[1:]:
        n = next((k for k, (a, b) in enumerate(zip(first, other, strict=False)) if a != b), min(len(first), len(other)))
        first = first[:n]
    return first
