"""The values: JSON keeps everything, and refuses what another version wrote."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from paperlode.ingest.assembly import assemble
from paperlode.ingest.chunking import chunk
from paperlode.ingest.document import SCHEMA_VERSION, Chunk, ParsedDocument, ParsedPage, from_json, to_json
from paperlode.ingest.errors import SchemaMismatch

from .strategies import SOURCE, WordCounter, parsed_documents, parsed_pages


@settings(max_examples=60, deadline=None)
@given(parsed_documents())
def test_document_json_is_lossless(document: ParsedDocument) -> None:
    """A document of any blocks, tables, lines and failed pages comes back equal from its JSON."""
    assert from_json(ParsedDocument, to_json(document)) == document


@settings(max_examples=30, deadline=None)
@given(parsed_pages())
def test_page_and_chunk_json_are_lossless(pages: list[ParsedPage]) -> None:
    """Pages come back equal, and so do the chunks made of them, table parts included."""
    for page in pages:
        assert from_json(ParsedPage, to_json(page)) == page
    for c in chunk(assemble(pages), source=SOURCE, parser="fake-1", counter=WordCounter()):
        assert from_json(Chunk, to_json(c)) == c


def test_another_schema_version_is_refused() -> None:
    """A document written by another schema version is refused with both versions in the message."""
    old = replace(ParsedDocument(SOURCE, (), ()), schema_version=SCHEMA_VERSION + 1)
    with pytest.raises(SchemaMismatch, match=rf"{SCHEMA_VERSION + 1}.*{SCHEMA_VERSION}"):
        from_json(ParsedDocument, to_json(old))
