"""A table as chunks: cut between rows, each part with caption, units and header rows, and with its cells.

One exception, flagged, where the embedder's limit leaves no choice (guarantee 4 comes before guarantee 2): rows tied
together by a row span that are longer than the embedder reads are cut between rows (``row_span_split``; the spanning
cells are repeated as context), and a single row that is longer is cut between cells, or inside one (``row_split``; the
row's first cell is repeated as context). Header rows longer than that are cut between rows too (``header_split``), and
a caption like text (``caption_split``; where rows follow, the whole of it is context).
Nothing is lost, and the part still knows the whole rows. A table whose text is not what its cells say (a parser's fault)
is cut as text and has no rows (``table_text_differs``).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from paperlode.ingest.document import Box, Cell, Kind, PageBox, Table, TablePart
from paperlode.ingest.pieces import CAPTION_SPLIT, Path, Piece, Role, Sizer, paragraph_pieces, text_regions
from paperlode.ingest.row_entries import row_entries
from paperlode.ingest.table_headers import is_section_row, row_text, rows_of, without_figures
from paperlode.ingest.text_cuts import Span, cut, first_words, trimmed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.document import Entry
    from paperlode.ingest.floats import Group

__all__ = ["HEADER_SPLIT", "ROW_SPAN_SPLIT", "ROW_SPLIT", "TableFrame"]

ROW_SPLIT = "row_split"
ROW_SPAN_SPLIT = "row_span_split"
HEADER_SPLIT = "header_split"
ENTRY_TOKENS = 24
"""Most tokens of a row's search entry: its path, and column heads where there is room. Entries of any length find no more
(measured on reports and contracts), and cost the embedder three times as much."""
LABEL_TOKENS = 16
"""Most tokens of a repeated row label or spanning cell."""


class TableFrame:
    """A table with its captions.

    Args:
        group: the table and the caption blocks beside it.
        path: headings above it.
        sizer: counts tokens.
        lead_in: sentence that announced it (``... as follows:``), context of every part; empty if none.
        rows: whether its rows are searched one by one.
    """

    def __init__(self, group: Group, path: Path, sizer: Sizer, lead_in: str = "", *, rows: bool = True) -> None:
        assert group.anchor is not None
        table = group.block.table
        assert table is not None
        self.kind: Kind | None = group.block.kind
        self.span: tuple[int, int] | None = group.span
        self._entries_wanted = rows
        self._entries: tuple[Entry, ...] | None = None
        self._last_part: TablePart | None = None
        self._group, self._path, self._sizer, self._lead_in = group, path, sizer, lead_in
        self._index, self._block, self._table = group.anchor, group.block, table
        self._rows = rows_of(table)
        self._texts = [row_text(r) for r in self._rows]
        self._sections = [r for r, cells in enumerate(self._rows) if r >= table.header_rows and is_section_row(cells)]
        self._spanning = [c for c in table.cells if c.row_span > 1]
        self._header = min(table.header_rows, table.rows)
        self._text = group.block.text
        self._starts = self._row_starts()
        self._header_text = "\n".join(t for t in self._texts[: self._header] if t)
        self._header_cells = [_clipped(c, 0, self._header, 0) for r in range(self._header) for c in self._rows[r]]
        self._boxes = [_page_boxes(cells) for cells in self._rows]
        self._short: dict[tuple[str, str, str, int], str] = {}

    def _row_starts(self) -> list[int]:
        """Where each row's text begins in the table's text; a row without text begins where the next one does."""
        at = len(self._table.caption) + 1 if self._table.caption else 0
        starts = []
        for t in self._texts:
            starts.append(at)
            at += len(t) + 1 if t else 0
        return [*starts, at]

    def pieces(self, *, most: int) -> list[Piece]:
        """Captions, header and groups of rows that may not be parted, none over ``most`` tokens."""
        out: list[Piece] = []
        for i, b in self._group.items:
            if i == self._index:
                out += self._table_pieces(most)
            else:
                out += paragraph_pieces(i, b, self._path, self._sizer, whole=most, most=most, role=Role.CAPTION)
        return out

    def _table_pieces(self, most: int) -> list[Piece]:
        table = self._table
        out = self._caption_pieces(most)
        marks = sorted(table.cut_rows())
        edges = [0, *(m for m in marks if m > 0), table.rows] if table.rows else []
        pending = 0  # first row not yet in a piece: rows without text go with their neighbours
        for a, b in pairwise(edges):
            found = self._group_pieces(a, b, most)
            if not found:
                continue
            found[0] = replace(found[0], row_start=pending)
            if out and out[-1].role is Role.ROWS and pending < a:
                out[-1] = replace(out[-1], row_end=a)
                found[0] = replace(found[0], row_start=a)
            out += found
            pending = b
        if out and out[-1].role is Role.ROWS:
            out[-1] = replace(out[-1], row_end=table.rows)
        else:  # no row says anything: they keep their place
            end = len(self._text)
            out.append(self._piece((end, end), Role.EMPTY, 0, (0, table.rows)))
        return out

    def _caption_pieces(self, most: int) -> list[Piece]:
        if not self._table.caption.strip():
            return []
        end = len(self._table.caption)
        parts = cut(self._text, 0, end, size=self._sizer.size, limit=most)
        flags = (CAPTION_SPLIT,) if len(parts) > 1 else ()
        return [self._piece(span, Role.CAPTION, n, (0, 0), flags) for span, n in parts]

    def _group_pieces(self, first: int, last: int, most: int) -> list[Piece]:
        """The rows ``first`` to ``last`` (exclusive) as one piece, or as few as the limit leaves."""
        start, end = trimmed(self._text, self._starts[first], min(self._starts[last], len(self._text)))
        if start >= end:
            return []
        sizes = [self._sizer.size(t) + self._sizer.newline if t else 0 for t in self._texts[first:last]]
        if sum(sizes) <= most:
            return [self._piece((start, end), Role.ROWS, sum(sizes), (first, last))]
        if last - first == 1:
            parts = cut(self._text, start, end, size=self._sizer.size, limit=most, cells=True)
            flags = (ROW_SPLIT,) if len(parts) > 1 else ()
            return [self._piece(span, Role.ROWS, n, (first, last), flags) for span, n in parts]
        out: list[Piece] = []
        for r in range(first, last):
            tied = ((HEADER_SPLIT,) if r < self._header else ()) + ((ROW_SPAN_SPLIT,) if last > self._header else ())
            out += [replace(p, flags=(*p.flags, *tied)) for p in self._group_pieces(r, r + 1, most)]
        return self._cover(out, first, last)

    @staticmethod
    def _cover(pieces: list[Piece], first: int, last: int) -> list[Piece]:
        """The pieces with the rows without text between them given to the one before (or the first one)."""
        pieces = list(pieces)
        for k, p in enumerate(pieces):
            begin = first if k == 0 else p.row_start
            following = pieces[k + 1].row_start if k + 1 < len(pieces) else last
            pieces[k] = replace(p, row_start=begin, row_end=max(p.row_end, following))
        return pieces

    def _piece(self, span: Span, role: Role, tokens: int, rows: tuple[int, int], flags: tuple[str, ...] = ()) -> Piece:
        return Piece(self._index, self._block, self._text, *span, tokens, role, self._path, *rows, flags)

    def later_context(self) -> int:
        """Tokens of what a part in the middle of the table repeats."""
        captions = [b.text.strip() for _, b in self._group.captions]
        text = "\n".join(t for t in (self._lead_in, *captions, self._table.caption, self._header_text) if t)
        labels = LABEL_TOKENS if self._sections or self._spanning else 0
        return (self._sizer.size(text) + self._sizer.newline if text else 0) + labels

    def lead_in_tokens(self) -> int:
        """Tokens of the announcing sentence."""
        return self._sizer.size(self._lead_in) + self._sizer.newline if self._lead_in else 0

    def context(self, pieces: Sequence[Piece]) -> str:
        """Lead-in, and of captions, header rows and row labels those that are not among the pieces."""
        captions, header, labels = self._missing(pieces)
        return "\n".join(t for t in (self._lead_in, captions, header, labels) if t)

    def shortened(self, pieces: Sequence[Piece], limit: int) -> str:
        """Captions cut to a third, header cells to their first words, so that every column keeps its name if it can."""
        captions, header, labels = self._missing(pieces)
        key = (captions, header, labels, limit)
        if key not in self._short:
            size = self._sizer.size
            left = limit
            if labels:
                labels = first_words(labels, size=size, limit=left // 4)
                left -= size(labels)
            if captions:
                captions = first_words(captions, size=size, limit=left // 3 if header else left)
                left -= size(captions)
            if header:
                header = self._short_header(left)
            self._short[key] = "\n".join(t for t in (captions, header, labels) if t)
        return self._short[key]

    def embedded(self, text: str) -> str:
        """The words: a vector of meaning gains nothing from figures, and they are a third of the tokens of tables.

        Measured on 287 questions about reports: see docs/benchmarks.md. The lexical vector keeps every figure.
        """
        return without_figures(text) or text

    def _short_header(self, limit: int) -> str:
        text = ""
        for words in (12, 8, 6, 4, 3, 2, 1):
            rows = [[replace(c, text=_words(c.text, words)) for c in r] for r in self._rows[: self._header]]
            text = "\n".join(t for r in rows if (t := row_text(r)))
            if self._sizer.size(text) <= limit:
                return text
        return first_words(text, size=self._sizer.size, limit=limit)

    def _missing(self, pieces: Sequence[Piece]) -> tuple[str, str, str]:
        """Captions, header rows and labels that the pieces lack.

        Labels are the section row over the part, cells that span into it, the first cell of a row in parts.
        """
        rows = [p for p in pieces if p.role is Role.ROWS]
        captions = [b.text.strip() for i, b in self._group.captions if not _says_all(pieces, i, b.text, rows)]
        if not _says_all(pieces, self._index, self._table.caption, rows):
            captions.append(self._table.caption)
        whole = {r for p in rows if ROW_SPLIT not in p.flags for r in range(p.row_start, p.row_end)}
        header = "" if all(r in whole or not self._texts[r] for r in range(self._header)) else self._header_text
        return "\n".join(c for c in captions if c), header, self._labels(rows)

    def _labels(self, rows: Sequence[Piece]) -> str:
        if not rows or rows[0].row_end <= self._header:
            return ""
        first = max(rows[0].row_start, self._header)
        section = bisect_left(self._sections, first) - 1
        out = [self._texts[self._sections[section]]] if section >= 0 and first not in self._sections else []
        out += [c.text for c in self._spanning if self._header <= c.row < first <= c.row_end]
        if ROW_SPLIT in rows[0].flags and rows[0].start > self._starts[rows[0].row_start]:
            cells = [c for r in range(rows[0].row_start, rows[0].row_end) for c in self._rows[r] if c.text.strip()]
            out += [c.text for c in cells[:1]]
        size = self._sizer.size
        texts = (first_words(" ".join(t.split()), size=size, limit=LABEL_TOKENS) for t in out)
        return "\n".join(dict.fromkeys(t for t in texts if t))

    def regions(self, pieces: Sequence[Piece]) -> list[PageBox]:
        """One box a page around the part's cells; the first part also has what no cell covers (the caption)."""
        rows = _row_range(pieces)
        others = text_regions([p for p in pieces if p.index != self._index])
        everything = rows is None or (rows == (0, self._table.rows) and all(ROW_SPLIT not in p.flags for p in pieces))
        if everything:
            return [*others, *(r for r in self._block.regions if r not in others)]
        assert rows is not None
        boxes: dict[int, Box] = {}
        for r in range(*rows):
            for page, box in self._boxes[r].items():
                boxes[page] = boxes[page].union(box) if page in boxes else box
        if not boxes:
            return [*others, *(r for r in self._block.regions if r not in others)]
        own = [PageBox(page, boxes[page].rounded()) for page in sorted(boxes)]
        if rows[0] == 0:
            own = [r for r in self._block.regions if self._bare(r)] + own
        return [*others, *(r for r in own if r not in others)]

    def _bare(self, region: PageBox) -> bool:
        """Whether no cell stands in the region: it is a caption's."""
        page, box = region
        first = next((c.region for c in self._table.cells if c.region is not None), None)
        if first is None or page > first.page:
            return False
        return not any(
            c.region is not None and c.region.page == page and c.region.box.overlap(box) > 0 for c in self._table.cells
        )

    def entries(self, pieces: Sequence[Piece]) -> tuple[Entry, ...]:
        """The rows that begin in the pieces, each told in few words; rows told alike once in the table."""
        if not self._entries_wanted:
            return ()
        if self._entries is None:  # the table is read once, for all its parts
            size, rows = self._sizer.size, self._table.rows
            self._entries = row_entries(
                self._table, first=0, stop=rows, size=size, limit=min(ENTRY_TOKENS, self._sizer.room)
            )
        begin = {
            r
            for p in pieces
            if p.role is Role.ROWS
            for r in range(p.row_start, p.row_end)
            if self._starts[r] >= p.start
        }
        return tuple(e for e in self._entries if e.row in begin)

    def part(self, pieces: Sequence[Piece]) -> TablePart | None:
        """The part's rows with the header rows over them, re-based."""
        start, end = _row_range(pieces) or (0, 0)
        if self._last_part is None or (self._last_part.row_start, self._last_part.row_end) != (start, end):
            self._last_part = self._part(start, end)  # parts of one long row share it
        return self._last_part

    def _part(self, start: int, end: int) -> TablePart:
        table, header = self._table, self._header
        body = range(max(start, header), max(end, header))
        cells: list[Cell] = list(self._header_cells)
        shift = header - body.start
        cells += [
            _clipped(c, body.start, body.stop, shift)
            for c in self._spanning
            if header <= c.row < body.start <= c.row_end and body
        ]
        cells += [_clipped(c, body.start, body.stop, shift) for r in body for c in self._rows[r]]
        rows = header + len(body)
        small = Table(rows=rows, cols=table.cols, cells=tuple(cells), header_rows=header, caption=table.caption)
        return TablePart(block=self._index, row_start=start, row_end=end, rows=table.rows, table=small)


def _says_all(pieces: Sequence[Piece], index: int, caption: str, rows: Sequence[Piece]) -> bool:
    """Whether a caption is whole among the pieces, or some of it is and no row that would have to be read under it."""
    mine = [p for p in pieces if p.role is Role.CAPTION and p.index == index]
    return bool(mine) and (not rows or mine[-1].end - mine[0].start >= len(caption.strip()))


def _row_range(pieces: Sequence[Piece]) -> tuple[int, int] | None:
    rows = [p for p in pieces if p.role in (Role.ROWS, Role.EMPTY) and p.row_end > p.row_start]
    return (min(p.row_start for p in rows), max(p.row_end for p in rows)) if rows else None


def _page_boxes(cells: Sequence[Cell]) -> dict[int, Box]:
    """One box a page around the cells."""
    boxes: dict[int, list[Box]] = {}
    for c in cells:
        if c.region is not None:
            boxes.setdefault(c.region.page, []).append(c.region.box)
    return {page: Box.around(found) for page, found in boxes.items()}


def _clipped(cell: Cell, first: int, stop: int, shift: int) -> Cell:
    """The cell in a part that holds the rows ``first`` to ``stop``, moved by ``shift`` rows."""
    row, end = max(cell.row, first), min(cell.row_end + 1, stop)
    if row == cell.row and end == cell.row_end + 1 and not shift:
        return cell
    return replace(cell, row=row + shift, row_span=max(1, end - row))


def _words(text: str, count: int) -> str:
    words = text.split()
    return " ".join(words[:count]) + ("…" if len(words) > count else "")
