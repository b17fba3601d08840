"""A document as Docling's ``DoclingDocument``, so that the tools of that ecosystem open it.

Pages are 1-based there; boxes stay in points with the origin at the top left (``CoordOrigin.TOPLEFT``). Every block becomes
an item in reading order, headings with their level, furniture and notes in their layers. A block over several pages has
one provenance a region, each with its stretch of the text. Captions and footnotes are tied to what they belong to. What
Docling has no place for (confidence, flags, findings, lines) is in our own JSON only.
"""

# pyright: reportPrivateImportUsage=false
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import Block, Kind, Layer, PageBox, ParsedDocument, Table
from paperlode.ingest.errors import MissingExtra

if TYPE_CHECKING:
    from docling_core.types.doc import DoclingDocument

__all__ = ["docling_json", "to_docling"]

_LABELS = {
    Kind.CAPTION: "caption",
    Kind.FOOTNOTE: "footnote",
    Kind.PAGE_HEADER: "page_header",
    Kind.PAGE_FOOTER: "page_footer",
    Kind.PAGE_NUMBER: "page_footer",
    Kind.REFERENCE: "reference",
}
"""Kinds on Docling's labels; others are ``text``."""
_LAYERS = {Layer.BODY: "body", Layer.FURNITURE: "furniture", Layer.NOTE: "notes"}
_DEEPEST = 100  # levels that Docling takes


def to_docling(document: ParsedDocument) -> DoclingDocument:
    """The document as Docling's value (docling-core's schema 1.x).

    Raises:
        MissingExtra: docling-core is not installed.
    """
    written: DoclingDocument = _Writer(document).run()
    return written


def docling_json(document: ParsedDocument) -> str:
    """The document as the JSON that ``DoclingDocument.load_from_json`` reads. Raises like ``to_docling``."""
    return to_docling(document).model_dump_json(by_alias=True, exclude_none=True)


@dataclass(slots=True)
class _Writer:
    """One document on its way; ``made`` holds what became of each block with a name."""

    source: ParsedDocument
    out: Any = None
    made: dict[str, Any] = field(default_factory=dict)
    group: Any = None

    def run(self) -> Any:
        try:
            from docling_core.types.doc import DoclingDocument, DocumentOrigin, Size
        except ImportError as exc:
            raise MissingExtra.named("docling-core", "docling") from exc
        source = self.source.source
        number = int(source.digest[:16] or "0", 16) if _is_hex(source.digest[:16]) else 0
        origin = DocumentOrigin(mimetype=source.media_type, binary_hash=number, filename=source.name)
        self.out = DoclingDocument(name=source.name.rsplit(".", 1)[0], origin=origin)
        for page in self.source.pages:
            self.out.add_page(page_no=page.page + 1, size=Size(width=page.width, height=page.height))
        for block in self.source.blocks:
            item = self._add(block)
            for more in block.regions[1:]:
                item.prov.append(_provenance(block, more))
            if block.ref:
                self.made[block.ref] = item
        self._tie()
        return self.out

    def _add(self, block: Block) -> Any:
        from docling_core.types.doc import ContentLayer, DocItemLabel

        first = _provenance(block, block.regions[0]) if block.regions else None
        common = {"prov": first, "content_layer": ContentLayer(_LAYERS[block.layer])}
        if block.kind is Kind.LIST_ITEM and block.layer is Layer.BODY:
            self.group = self.group or self.out.add_list_group()
            return self.out.add_list_item(block.text, parent=self.group, **common)
        if block.layer is Layer.BODY:
            self.group = None
        if block.table is not None and block.kind is not Kind.CHART:
            return self._table(block.table, common)
        if block.kind in (Kind.FIGURE, Kind.CHART, Kind.SEAL):
            return self._picture(block, common)
        if block.kind is Kind.TITLE:
            return self.out.add_title(block.text, **common)
        if block.kind is Kind.HEADING:
            return self.out.add_heading(block.text, level=min(max(block.level or 1, 1), _DEEPEST), **common)
        if block.kind is Kind.FORMULA:
            return self.out.add_formula(block.text, **common)
        if block.kind is Kind.CODE:
            return self.out.add_code(block.text, **common)
        return self.out.add_text(DocItemLabel(_LABELS.get(block.kind, "text")), block.text, **common)

    def _table(self, table: Table, common: dict[str, Any], parent: Any = None) -> Any:
        from docling_core.types.doc import DocItemLabel

        caption = None
        if table.caption.strip():
            layer = common["content_layer"]
            caption = self.out.add_text(DocItemLabel.CAPTION, table.caption, prov=common["prov"], content_layer=layer)
        return self.out.add_table(_data(table), caption=caption, parent=parent, **common)

    def _picture(self, block: Block, common: dict[str, Any]) -> Any:
        """The picture, with what stands in it as its children."""
        from docling_core.types.doc import DocItemLabel

        picture = self.out.add_picture(**common)
        if block.table is not None:
            self._table(block.table, common, parent=picture)
        elif block.text.strip():
            self.out.add_text(DocItemLabel.TEXT, block.text, parent=picture, **common)
        return picture

    def _tie(self) -> None:
        for block in self.source.blocks:
            item: Any = self.made.get(block.ref)
            if item is None:
                continue
            for link in block.links:
                target = self.made.get(link.target)
                places = {"caption": "captions", "note": "footnotes"}
                owned = getattr(target, places.get(link.relation, ""), None) if target is not None else None
                if owned is not None:
                    owned.append(item.get_ref())


def _is_hex(text: str) -> bool:
    return bool(text) and all(c in "0123456789abcdef" for c in text)


def _provenance(block: Block, region: PageBox) -> Any:
    from docling_core.types.doc import ProvenanceItem

    return ProvenanceItem(page_no=region.page + 1, bbox=_bbox(region), charspan=_stretch(block, region))


def _bbox(region: PageBox) -> Any:
    from docling_core.types.doc import BoundingBox, CoordOrigin

    b = region.box
    return BoundingBox(l=b.x0, t=b.y0, r=b.x1, b=b.y1, coord_origin=CoordOrigin.TOPLEFT)


def _stretch(block: Block, region: PageBox) -> tuple[int, int]:
    """The characters of the block's text that stand in the region, as its lines tell; all of them where there is one."""
    if len(block.regions) < 2:
        return 0, len(block.text)
    mine = [
        ln
        for ln in block.lines
        if ln.region.page == region.page and ln.region.box.overlap(region.box) > 0.5 * ln.region.box.area
    ]
    return (min(ln.start for ln in mine), max(ln.end for ln in mine)) if mine else (0, 0)


def _data(table: Table) -> Any:
    from docling_core.types.doc import TableCell, TableData

    cells = [
        TableCell(
            bbox=_bbox(c.region) if c.region else None,
            row_span=c.row_span,
            col_span=c.col_span,
            start_row_offset_idx=c.row,
            end_row_offset_idx=c.row_end + 1,
            start_col_offset_idx=c.col,
            end_col_offset_idx=c.col_end + 1,
            text=c.text,
            column_header=c.row < table.header_rows,
        )
        for c in table.cells
    ]
    return TableData(table_cells=cells, num_rows=table.rows, num_cols=table.cols)
