"""The values everything else speaks: sources, pages, blocks, tables, documents, chunks.

All values are frozen. Boxes are in PDF points (1/72 inch), origin at the top left of the page as it is displayed
(its ``/Rotate`` applied), x to the right, y down. Pages are 0-based. JSON is lossless: ``from_json(to_json(v)) == v``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import TypeAdapter

__all__ = [
    "SCHEMA_VERSION",
    "Block",
    "Box",
    "Cell",
    "Chunk",
    "Kind",
    "Layer",
    "Line",
    "PageBox",
    "PageFailure",
    "ParsedDocument",
    "ParsedPage",
    "Source",
    "Table",
    "TablePart",
    "from_json",
    "to_json",
]

T = TypeVar("T")

SCHEMA_VERSION = 1
"""Version of the JSON form of every value here; raised when a reader of the old form would misread the new one."""


class Box(NamedTuple):
    """An axis-parallel rectangle on a page: points, origin top left, ``x0 <= x1`` and ``y0 <= y1``."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Horizontal extent in points."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Vertical extent in points."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Square points; never negative."""
        return max(0.0, self.width) * max(0.0, self.height)

    def union(self, other: Box) -> Box:
        """The smallest box around both."""
        return Box(min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1))

    def overlap(self, other: Box) -> float:
        """Area shared with ``other``, in square points."""
        w = min(self.x1, other.x1) - max(self.x0, other.x0)
        h = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(0.0, w) * max(0.0, h)

    def rounded(self) -> Box:
        """Coordinates rounded to 1/100 point, so that stored values are short and stable."""
        return Box(*(round(v, 2) for v in self))

    @classmethod
    def around(cls, boxes: Iterable[Box]) -> Box:
        """The smallest box around all of ``boxes``. Raises ValueError when there is none."""
        xs = list(boxes)
        if not xs:
            raise ValueError("no boxes to put a box around")
        return cls(min(b.x0 for b in xs), min(b.y0 for b in xs), max(b.x1 for b in xs), max(b.y1 for b in xs))


class PageBox(NamedTuple):
    """A box and the 0-based page it lies on."""

    page: int
    box: Box


class Kind(StrEnum):
    """What a block is. The names follow the layout labels of PP-DocLayout, joined where readers do not differ."""

    TITLE = "title"
    HEADING = "heading"
    TEXT = "text"
    LIST_ITEM = "list_item"
    TABLE = "table"
    CAPTION = "caption"
    FIGURE = "figure"
    CHART = "chart"
    FORMULA = "formula"
    FOOTNOTE = "footnote"
    PAGE_HEADER = "page_header"
    PAGE_FOOTER = "page_footer"
    PAGE_NUMBER = "page_number"
    TOC = "toc"
    REFERENCE = "reference"
    CODE = "code"
    SEAL = "seal"
    ASIDE = "aside"


class Layer(StrEnum):
    """Where a block's text belongs: the running body, page furniture (headers, footers, numbers), or notes."""

    BODY = "body"
    FURNITURE = "furniture"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Source:
    """One document as it lies in storage.

    Attributes:
        uri: where it was read from (a path).
        name: file name, shown to people.
        media_type: judged by the bytes, for example ``application/pdf``.
        digest: sha256 of the bytes, hexadecimal: the identity of the document.
        size: bytes.
    """

    uri: str
    name: str
    media_type: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Line:
    """One printed line of a block: where its characters stand in ``Block.text`` and where its ink stands on the page.

    ``start`` and ``end`` are offsets into the block's text; ``confidence`` is 0 to 1, or None for a digital text layer.
    """

    start: int
    end: int
    region: PageBox
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A table cell at the 0-based ``row`` and ``col`` of its top left corner, covering ``row_span`` by ``col_span``."""

    row: int
    col: int
    text: str
    row_span: int = 1
    col_span: int = 1
    region: PageBox | None = None

    @property
    def row_end(self) -> int:
        """Last row covered, inclusive."""
        return self.row + self.row_span - 1

    @property
    def col_end(self) -> int:
        """Last column covered, inclusive."""
        return self.col + self.col_span - 1


@dataclass(frozen=True, slots=True)
class Table:
    """Cells on a grid of ``rows`` by ``cols``; the first ``header_rows`` are column headers.

    ``caption`` holds the caption and the units line ("in millions"), as printed; empty when there is none.
    Grid positions covered by no cell are empty.
    """

    rows: int
    cols: int
    cells: tuple[Cell, ...]
    header_rows: int = 0
    caption: str = ""

    def row_cells(self, row: int) -> tuple[Cell, ...]:
        """Cells whose top row is ``row``, left to right."""
        return tuple(sorted((c for c in self.cells if c.row == row), key=lambda c: c.col))

    def row_text(self, row: int) -> str:
        """The row as one line, its non-empty cells joined by `` | `` (inner line breaks become spaces)."""
        return " | ".join(t for c in self.row_cells(row) if (t := " ".join(c.text.split())))

    def to_text(self) -> str:
        """Caption, then one line a non-empty row: the text of a table block."""
        lines = [self.caption] if self.caption else []
        lines += [t for r in range(self.rows) if (t := self.row_text(r))]
        return "\n".join(lines)

    def grid(self) -> list[list[str]]:
        """``rows`` lists of ``cols`` strings; a spanning cell's text stands at its top left, its other places are empty."""
        out = [[""] * self.cols for _ in range(self.rows)]
        for c in self.cells:
            out[c.row][c.col] = c.text
        return out

    def cut_rows(self) -> frozenset[int]:
        """Rows before which the table may be cut: every row that no row span runs into and that is no header row."""
        crossed = {r for c in self.cells for r in range(c.row + 1, c.row_end + 1)}
        return frozenset(r for r in range(max(1, self.header_rows), self.rows) if r not in crossed)


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, heading, table, formula or other unit of layout.

    Attributes:
        kind: what it is.
        layer: body, furniture or note.
        text: what it says; for a table ``Table.to_text()``, for a formula LaTeX or its characters.
        regions: where its ink stands, in reading order; more than one when it runs over columns or pages.
        level: depth of a heading, 1 the highest; None for other kinds.
        confidence: 0 to 1 of the recognition; None when the text was not recognised but read.
        lines: printed lines with their offsets into ``text`` (empty for tables).
        table: the cells, when ``kind`` is ``table``.
        flags: what a reader should know, for example ``low_confidence``.
        raw: what a recognition model put out, where ``text`` was made from it (OTSL of a table); else empty.
    """

    kind: Kind
    text: str
    regions: tuple[PageBox, ...]
    layer: Layer = Layer.BODY
    level: int | None = None
    confidence: float | None = None
    lines: tuple[Line, ...] = ()
    table: Table | None = None
    flags: tuple[str, ...] = ()
    raw: str = ""

    @property
    def page(self) -> int:
        """The page it starts on."""
        return self.regions[0].page

    def regions_of(self, start: int, end: int) -> tuple[PageBox, ...]:
        """Where the characters ``start`` to ``end`` stand: one box a page and run of lines; all regions if unknown."""
        hit = [ln.region for ln in self.lines if ln.start < end and ln.end > start]
        if not hit or (start <= 0 and end >= len(self.text)):
            return self.regions
        out: list[PageBox] = []
        for r in hit:
            same = (
                out and out[-1].page == r.page and r.box.y0 >= out[-1].box.y0 - 1 and _columns_meet(out[-1].box, r.box)
            )
            if same:
                out[-1] = PageBox(r.page, out[-1].box.union(r.box).rounded())
            else:
                out.append(r)
        return tuple(out)


def _columns_meet(a: Box, b: Box) -> bool:
    return min(a.x1, b.x1) > max(a.x0, b.x0)


@dataclass(frozen=True, slots=True)
class PageFailure:
    """Why a page has no blocks: the error's ``code`` (see ``errors``) and its message."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ParsedPage:
    """One page as values: parsed (``failure`` is None) or failed with the reason.

    Attributes:
        page: 0-based index in the document.
        width, height: points, as displayed.
        parser: name, version and path taken, for example ``local-1/plain`` or ``local-1/scan``.
        blocks: in reading order.
        rotation: degrees clockwise by which the content had to be turned to stand upright (0, 90, 180, 270).
        skew: degrees of deskewing applied on top of it.
        flags: for example ``text_layer_garbage``.
    """

    page: int
    width: float
    height: float
    parser: str
    blocks: tuple[Block, ...] = ()
    rotation: int = 0
    skew: float = 0.0
    flags: tuple[str, ...] = ()
    failure: PageFailure | None = None

    @property
    def text(self) -> str:
        """All blocks' text in reading order."""
        return "\n".join(b.text for b in self.blocks)


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A whole document: its pages (without their blocks, which moved on) and its assembled blocks in reading order."""

    source: Source
    pages: tuple[ParsedPage, ...]
    blocks: tuple[Block, ...]
    schema_version: int = SCHEMA_VERSION

    @property
    def text(self) -> str:
        """The document's text: every block's text in order, separated by newlines."""
        return "\n".join(b.text for b in self.blocks)

    @property
    def failed_pages(self) -> tuple[ParsedPage, ...]:
        """Pages that failed, each with its reason."""
        return tuple(p for p in self.pages if p.failure)


@dataclass(frozen=True, slots=True)
class TablePart:
    """The rows ``row_start`` to ``row_end`` (exclusive) of a table, with what is needed to read them alone.

    ``table`` holds the header rows followed by the part's rows, re-based to row 0, with the caption of the whole;
    ``header_rows`` of them repeat the header (also in the first part, where they are own text and not context).
    ``block`` is the table's index in ``ParsedDocument.blocks``.
    """

    block: int
    row_start: int
    row_end: int
    rows: int
    table: Table


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document, small enough for the embedder, that knows where it came from.

    Attributes:
        id: UUID made from a hash of document digest, span, parser and chunker versions.
        document: digest of the source.
        ordinal: 0-based place among the document's chunks.
        text: its own text: all chunks' own text, in order, is the document's text once.
        context: text repeated from elsewhere (caption and header rows of a table's later parts); not own text.
        heading_path: headings above it, outermost first.
        kind: the kind of its first block that is no heading.
        layer: body, furniture or note; one chunk never mixes layers.
        regions: where its own text stands, in reading order.
        span: first and last (exclusive) block index in the document.
        tokens: length of ``embedded_text`` counted by the embedder's tokenizer, special tokens included.
        parser: fingerprint of the run's parser. confidence: lowest of its blocks, None when all were read from a text layer.
        part: the rows, when it is (part of) a table.
        embedded: what the embedder reads where that is not heading path, context and own text whole (a table's rows
            without their figures, a shortened heading path or header, a formula longer than the embedder reads);
            empty where it is.
        read_by: what read its pages (``ParsedPage.parser``), in their order, each once; empty where that was not noted.
    """

    id: str
    document: str
    ordinal: int
    text: str
    kind: Kind
    layer: Layer
    regions: tuple[PageBox, ...]
    span: tuple[int, int]
    tokens: int
    parser: str
    context: str = ""
    heading_path: tuple[str, ...] = ()
    confidence: float | None = None
    flags: tuple[str, ...] = ()
    part: TablePart | None = None
    embedded: str = ""
    read_by: tuple[str, ...] = ()

    @property
    def pages(self) -> tuple[int, ...]:
        """The pages it stands on, ascending, without repeats."""
        return tuple(sorted({r.page for r in self.regions}))

    @property
    def embedded_text(self) -> str:
        """What the embedder reads: heading path, context, own text, unless ``embedded`` says otherwise."""
        return self.embedded or embedded_text(self.heading_path, self.context, self.text)

    @property
    def searched_text(self) -> str:
        """What words are found in: heading path, context and own text, whole."""
        return embedded_text(self.heading_path, self.context, self.text)

    @property
    def shown_text(self) -> str:
        """What a person reads: context (header rows, caption) and own text, without the heading path."""
        return f"{self.context}\n{self.text}" if self.context else self.text


def embedded_text(heading_path: tuple[str, ...], context: str, text: str) -> str:
    """The text an embedder reads for a chunk: heading path on one line, then context, then own text."""
    return "\n".join(t for t in (" > ".join(heading_path), context, text) if t)


_ADAPTERS: dict[str, TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # imported where used: the command line must start fast

    if kind.__name__ not in _ADAPTERS:
        _ADAPTERS[kind.__name__] = TypeAdapter(kind)
    return _ADAPTERS[kind.__name__]


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Any value of this module as JSON, losslessly."""
    data: bytes = _adapter(type(value)).dump_json(value, indent=indent)
    return data.decode()


def from_json(kind: type[T], data: str | bytes) -> T:
    """The value back from its JSON.

    Raises:
        SchemaMismatch: a document of another schema version.
        pydantic.ValidationError: not JSON of that kind.
    """
    value: T = _adapter(kind).validate_json(data)
    if isinstance(value, ParsedDocument) and value.schema_version != SCHEMA_VERSION:
        from paperlode.ingest.errors import SchemaMismatch

        raise SchemaMismatch(
            f"The document JSON has schema version {value.schema_version}, this paperlode reads {SCHEMA_VERSION}.",
            hint="Parse the document again, or read it with the paperlode that wrote it.",
        )
    return value


def without_blocks(page: ParsedPage) -> ParsedPage:
    """The page's record once its blocks have moved into the document."""
    return replace(page, blocks=())
