"""The values everything else speaks: sources, pages, blocks, tables, documents, chunks.

All values are frozen. Boxes are in PDF points (1/72 inch), origin at the top left of the page as it is displayed
(its ``/Rotate`` applied), x to the right, y down. Pages are 0-based. JSON is lossless: ``from_json(to_json(v)) == v``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from paperlode.ingest.boxes import Box, PageBox
from paperlode.ingest.card import DocumentCard
from paperlode.ingest.ids import chunk_id, document_mark, mark_of
from paperlode.ingest.plain_json import few_from_json
from paperlode.ingest.tables import Cell, Table, TablePart

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "SCHEMA_VERSION",
    "Block",
    "Bookmark",
    "Box",
    "Cell",
    "Chunk",
    "DocumentCard",
    "Entry",
    "Finding",
    "Kind",
    "Layer",
    "Line",
    "Link",
    "PageBox",
    "PageFailure",
    "ParsedDocument",
    "ParsedPage",
    "Source",
    "Table",
    "TablePart",
    "chunk_id",
    "document_mark",
    "few_from_json",
    "from_json",
    "make_card",
    "mark_of",
    "to_json",
]

T = TypeVar("T")

SCHEMA_VERSION = 1
"""Version of the JSON form of every value here; raised when a reader of the old form would misread the new one."""


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
        digest: sha256 of the bytes, hexadecimal.
        size: bytes.
        version_of: the document of which these bytes are a later version; empty where they are the first.
    """

    uri: str
    name: str
    media_type: str
    digest: str
    size: int
    version_of: str = ""

    @property
    def document(self) -> str:
        """The identity of the document: the digest of the bytes that it was first seen with."""
        return self.version_of or self.digest


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
class Finding:
    """Something that wants a look: ``code`` names the check, ``reason`` tells a person what was seen, ``regions`` where."""

    code: str
    reason: str
    regions: tuple[PageBox, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """What a block is tied to: ``target`` is the other block's ``ref``, ``relation`` how this block belongs to it.

    Relations: ``caption`` (this block is the caption of the target), ``note`` (this footnote is called in the target).
    ``start`` and ``end`` are offsets into the target's text where its mark stands; both 0 where there is none.
    """

    relation: str
    target: str
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Bookmark:
    """An entry of a PDF's outline that leads to this page: ``level`` 1 the highest, ``y`` in points or None."""

    level: int
    title: str
    y: float | None = None


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
        size: font size of most of its characters in points, None when unknown (a recognised page: see the lines' heights).
        bold: whether most of it is set in bold, None when unknown.
        ref: name within the document, given by the assembly (``p12.3``: page, place on it); what links point to.
        links: what it is the caption or note of.
        findings: what the judge says about it.
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
    size: float | None = None
    bold: bool | None = None
    ref: str = ""
    links: tuple[Link, ...] = ()
    findings: tuple[Finding, ...] = ()

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
        parser: name, version and path taken, for example ``local-3/plain`` or ``local-3/scan``.
        blocks: in reading order.
        rotation: degrees clockwise by which the content had to be turned to stand upright (0, 90, 180, 270).
        skew: degrees of deskewing applied on top of it.
        flags: for example ``text_layer_garbage``.
        bookmarks: entries of the PDF's outline that lead here, in their order.
        findings: what the judge says about the page as a whole; each block has its own.
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
    bookmarks: tuple[Bookmark, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def concerns(self) -> tuple[Finding, ...]:
        """What the judge says about the page and its blocks."""
        return (*self.findings, *(f for b in self.blocks for f in b.findings))

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
class Entry:
    """A row of a table as it is searched by itself, leading to its chunk: ``row`` is 0-based in the whole table.

    ``text`` names the table, the row and its columns in few words; it is embedded and never shown.
    """

    row: int
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document, small enough for the embedder, that knows where it came from.

    Attributes:
        id: UUID made from a hash of its document, what its pages say, and everything below but its place in the order
            (``ordinal``, ``span``, the table's block) and ``tokens``: what stays when another page of the document changes.
        document: of which it is a piece (``Source.document``).
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
        title: the document's title, embedded and not shown; empty when it has none.
        labels: what it can be referred to by, without spaces: clause numbers (``4.2(b)``), ``Article4`` (for IV too),
            ``Table3``, ``ExhibitA``, and ``term:Confidential Information`` for a term it defines.
        references: labels of what it refers to, and of the terms it uses that were defined before it.
        entries: its rows as they are searched one by one.
        findings: what the judge says about its blocks.
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
    title: str = ""
    labels: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def pages(self) -> tuple[int, ...]:
        """The pages it stands on, ascending, without repeats."""
        return tuple(sorted({r.page for r in self.regions}))

    @property
    def embedded_text(self) -> str:
        """What the embedder reads: title, heading path, context, own text, unless ``embedded`` says otherwise."""
        return self.embedded or embedded_text(self.heading_path, self.context, self.text, self.title)

    @property
    def searched_text(self) -> str:
        """What words are found in: title, heading path, context and own text, whole."""
        return embedded_text(self.heading_path, self.context, self.text, self.title)

    @property
    def shown_text(self) -> str:
        """What a person reads: context (header rows, caption) and own text, without title and heading path."""
        return f"{self.context}\n{self.text}" if self.context else self.text


def embedded_text(heading_path: tuple[str, ...], context: str, text: str, title: str = "") -> str:
    """The text an embedder reads for a chunk: title and heading path on one line, then context, then own text.

    A title that the heading path or the own text begins with is not said twice.
    """
    if title and heading_path and same_title(title, heading_path[0]):
        heading_path = heading_path[1:]
    elif title and not heading_path and same_title(title, " ".join(text[: len(title) + 80].split())[: len(title)]):
        title = ""
    names = (title, *heading_path) if title else heading_path
    return "\n".join(t for t in (" > ".join(names), context, text) if t)


def same_title(title: str, heading: str) -> bool:
    """Whether a heading is the title, which may be shortened (``Annual report for …``)."""
    return heading == title or (title.endswith("…") and heading.startswith(title[:-1]))


_ADAPTERS: dict[str, TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind.__name__ not in _ADAPTERS:
        from pydantic import TypeAdapter  # imported where used: the command line must start fast

        _ADAPTERS[kind.__name__] = TypeAdapter(kind)
    return _ADAPTERS[kind.__name__]


def to_json(value: Any, *, indent: int | None = None, brief: bool = False, leave_out: set[str] | None = None) -> str:
    """Any value of this module as JSON, losslessly; ``brief`` leaves out what has its default value.

    ``leave_out``: fields of the value itself that are not written either.
    """
    data: bytes = _adapter(type(value)).dump_json(value, indent=indent, exclude=leave_out, exclude_defaults=brief)
    return data.decode()


def make_card(document: str, name: str, title: str, front: str) -> DocumentCard:
    """The card of a document (its digest), from its file name, its title and the text of its first two pages (lines kept)."""
    from paperlode.ingest.card_maker import card_of  # its patterns take longer to compile than a search has

    return card_of(document, name, title, front)


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
