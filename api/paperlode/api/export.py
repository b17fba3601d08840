"""A document out of the archive again: as values, or as text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from paperlode.ingest.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paperlode.ingest.document import ParsedDocument, Source
    from paperlode.ingest.ledger import DocumentRecord, Ledger
    from paperlode.retrieval.index import Index

__all__ = ["EXTENSIONS", "export", "rebuild", "source_of"]

EXTENSIONS = {
    "json": ".json",
    "markdown": ".md",
    "html": ".html",
    "jsonl": ".jsonl",
    "docling": ".docling.json",
    "figures": ".figures.jsonl",
}
"""The formats, and the extension of a file in each."""


def export(ledger: Ledger, index: Index, record: DocumentRecord, form: str) -> Iterator[str]:
    """The document in that format, in pieces of text; see ``Archive.export``."""
    if form not in EXTENSIONS:
        raise InvalidRequest(f"There is no export format {form!r}.", hint=f"Known: {', '.join(EXTENSIONS)}.")
    if form == "jsonl":
        return _chunk_lines(index, record)
    if form == "figures":
        return _figure_lines(ledger, record)
    return iter([_whole(rebuild(ledger, record), form)])


def _chunk_lines(index: Index, record: DocumentRecord) -> Iterator[str]:
    from paperlode.ingest.document import to_json

    for chunk in index.chunks(record.digest):
        yield json.dumps({**json.loads(to_json(chunk)), "name": record.name}, ensure_ascii=False) + "\n"


def _figure_lines(ledger: Ledger, record: DocumentRecord) -> Iterator[str]:
    """The figures of the tables, one a line; the document streams."""
    from paperlode.ingest.assembly import assemble
    from paperlode.ingest.figures import figures

    for f in figures(assemble(ledger.pages(record.content, record.recipe.parser))):
        line = {
            "name": record.name, "table": f.table, "caption": f.caption, "row": f.row, "column": f.col,
            "row_path": f.row_path, "column_path": f.column_path, "text": f.text, "value": f"{f.value:f}", "unit": f.unit,
            "scale": f"{f.scale:f}", "page": f.region.page if f.region else None, "box": f.region.box if f.region else None,
        }  # fmt: skip
        yield json.dumps(line, ensure_ascii=False) + "\n"


def rebuild(ledger: Ledger, record: DocumentRecord) -> ParsedDocument:
    """The document as values, assembled again from the pages kept in the ledger."""
    from paperlode.ingest.assembly import assemble_document

    return assemble_document(source_of(record), ledger.pages(record.content, record.recipe.parser))


def source_of(record: DocumentRecord) -> Source:
    """The version of the document that is searchable."""
    from paperlode.ingest.document import Source

    later = record.digest if record.digest != record.content else ""
    return Source(record.uri, record.name, record.media_type, record.content, record.size, later)


def _whole(document: ParsedDocument, form: str) -> str:
    from paperlode.ingest.document import to_json
    from paperlode.ingest.render import to_html, to_markdown

    if form == "json":
        return to_json(document) + "\n"
    if form == "docling":
        from paperlode.ingest.docling_export import docling_json

        return docling_json(document) + "\n"
    return to_markdown(document) if form == "markdown" else to_html(document)
