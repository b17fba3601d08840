"""Documents as Docling's values: opened by docling-core itself, nothing lost."""

# pyright: reportPrivateImportUsage=false
from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from paperlode.ingest.docling_export import docling_json, to_docling
from paperlode.ingest.document import Block, Cell, Kind, Layer, Line, Link, PageBox, ParsedDocument, ParsedPage, Table
from paperlode.ingest.errors import MissingExtra

from .strategies import SOURCE, parsed_documents, squeezed, text_block

if TYPE_CHECKING:
    from docling_core.types.doc import ContentLayer, DoclingDocument

pytest.importorskip("docling_core", reason="needs paperlode[docling]")


def opened(document: ParsedDocument) -> DoclingDocument:
    """What docling-core reads out of our JSON."""
    from docling_core.types.doc import DoclingDocument

    return DoclingDocument.model_validate_json(docling_json(document))


def document(*blocks: Block) -> ParsedDocument:
    return ParsedDocument(SOURCE, tuple(ParsedPage(n, 612, 792, "fake") for n in range(3)), blocks)


@settings(max_examples=40, deadline=None)
@given(parsed_documents())
def test_docling_core_opens_it_and_has_every_text_cell_and_page(doc: ParsedDocument) -> None:
    """docling-core validates our JSON, and it holds each block's text, each cell and each page's size."""
    got = opened(doc)
    said = squeezed("".join(t.text for t in got.texts))
    cells = [c.text for t in got.tables for c in t.data.table_cells]
    for b in doc.blocks:
        if b.table is None:
            assert squeezed(b.text) in said
        else:
            assert all(c.text in cells for c in b.table.cells)
            assert squeezed(b.table.caption) in said
    assert {p.page + 1: (p.width, p.height) for p in doc.pages} == {
        n: (p.size.width, p.size.height) for n, p in got.pages.items()
    }


@settings(max_examples=20, deadline=None)
@given(parsed_documents())
def test_every_region_is_a_provenance(doc: ParsedDocument) -> None:
    """Each region of each block is there as page (1-based) and box with its origin at the top left."""
    boxes = {
        (p.page_no, p.bbox.l, p.bbox.t, p.bbox.r, p.bbox.b, p.bbox.coord_origin.value)
        for item, _ in opened(doc).iterate_items(traverse_pictures=True, included_content_layers=set(_layers()))
        for p in getattr(item, "prov", [])
    }
    for b in doc.blocks:
        for r in b.regions:
            assert (r.page + 1, *r.box, "TOPLEFT") in boxes


def _layers() -> list[ContentLayer]:
    from docling_core.types.doc import ContentLayer

    return list(ContentLayer)


def test_kinds_levels_and_layers() -> None:
    """A title, headings with levels, a list, a formula, code, a running header and a note are what they are there."""
    doc = document(
        replace(text_block("Report", 0), kind=Kind.TITLE),
        replace(text_block("1.2 Scope", 0), kind=Kind.HEADING, level=2),
        replace(text_block("first", 0), kind=Kind.LIST_ITEM),
        replace(text_block("second", 0), kind=Kind.LIST_ITEM),
        replace(text_block("E=mc^2", 0), kind=Kind.FORMULA),
        replace(text_block("x = 1", 0), kind=Kind.CODE),
        replace(text_block("ACME", 0), kind=Kind.PAGE_HEADER, layer=Layer.FURNITURE),
        replace(text_block("1 unaudited", 0), kind=Kind.FOOTNOTE, layer=Layer.NOTE),
    )
    got = opened(doc)
    assert [t.label.value for t in got.texts] == [
        "title", "section_header", "list_item", "list_item", "formula", "code", "page_header", "footnote",
    ]  # fmt: skip
    assert getattr(got.texts[1], "level") == 2  # noqa: B009
    assert got.texts[2].parent == got.texts[3].parent
    assert [t.content_layer.value for t in got.texts][-2:] == ["furniture", "notes"]


def test_table_with_spans_headers_and_caption() -> None:
    """Spans, header cells, the caption and the cells' boxes come through."""
    cell = Cell(0, 0, "2023", col_span=2, region=PageBox(0, text_block("x", 0).regions[0].box))
    table = Table(2, 2, (cell, Cell(1, 0, "a"), Cell(1, 1, "b")), header_rows=1, caption="in millions")
    block = replace(text_block(table.to_text(), 0), kind=Kind.TABLE, table=table)
    got = opened(document(block)).tables[0]
    first = got.data.table_cells[0]
    assert (first.col_span, first.column_header, got.data.num_rows, got.data.num_cols) == (2, True, 2, 2)
    assert first.bbox is not None
    assert got.caption_text(opened(document(block))) == "in millions"


def test_captions_and_notes_are_tied() -> None:
    """A caption block and a footnote stand in the lists of what they are linked to."""
    figure = replace(text_block("", 0), kind=Kind.FIGURE, ref="p0.0")
    caption = replace(text_block("Figure 1", 0), kind=Kind.CAPTION, ref="p0.1", links=(Link("caption", "p0.0"),))
    table = Table(1, 1, (Cell(0, 0, "5*"),))
    grid = replace(text_block("5*", 0), kind=Kind.TABLE, table=table, ref="p0.2")
    note = replace(
        text_block("* net", 0), kind=Kind.FOOTNOTE, layer=Layer.NOTE, ref="p0.3", links=(Link("note", "p0.2", 1, 2),)
    )
    got = opened(document(figure, caption, grid, note))
    assert got.pictures[0].caption_text(got) == "Figure 1"
    assert [r.resolve(got).text for r in got.tables[0].footnotes] == ["* net"]


def test_a_paragraph_over_two_pages_says_which_words_stand_where() -> None:
    """Each provenance has the stretch of characters of its page."""
    one, two = text_block("x", 0).regions[0], text_block("x", 1).regions[0]
    block = Block(Kind.TEXT, "on one on two", (one, two), lines=(Line(0, 6, one), Line(7, 13, two)))
    got = opened(document(block)).texts[0].prov
    assert [(p.page_no, tuple(p.charspan)) for p in got] == [(1, (0, 6)), (2, (7, 13))]


def test_without_docling_core_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is missing, the message says what to install."""
    monkeypatch.setitem(sys.modules, "docling_core.types.doc", None)
    with pytest.raises(MissingExtra, match="docling-core") as raised:
        to_docling(document())
    assert "paperlode[docling]" in raised.value.hint


def test_schema_version_is_docling_s() -> None:
    """The JSON names the schema it follows."""
    data = json.loads(docling_json(document()))
    assert data["schema_name"] == "DoclingDocument"
    assert data["version"].startswith("1.")
