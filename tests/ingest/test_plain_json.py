"""Values read without pydantic are those that pydantic reads, and what is no value is refused."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings

from paperlode.ingest.assembly import assemble
from paperlode.ingest.card import DocumentCard
from paperlode.ingest.chunking import chunk
from paperlode.ingest.document import Chunk, ParsedDocument, ParsedPage, from_json, to_json
from paperlode.ingest.plain_json import plain_from_json

from .strategies import SOURCE, WordCounter, parsed_documents, parsed_pages

CHUNK = {
    "id": "1",
    "document": "d",
    "ordinal": 0,
    "text": "t",
    "kind": "text",
    "layer": "body",
    "regions": [[0, [1.0, 2.0, 3.0, 4.0]]],
    "span": [0, 1],
    "tokens": 3,
    "parser": "p",
}


@settings(max_examples=30, deadline=None)
@given(parsed_pages())
def test_chunks_are_read_as_pydantic_reads_them(pages: list[ParsedPage]) -> None:
    """Chunks of any pages, table parts included, come out equal, the types of their numbers too."""
    for c in chunk(assemble(pages), source=SOURCE, parser="fake-1", counter=WordCounter()):
        said = to_json(c)
        assert repr(plain_from_json(Chunk, said)) == repr(from_json(Chunk, said))


@settings(max_examples=20, deadline=None)
@given(parsed_documents())
def test_documents_are_read_as_pydantic_reads_them(document: ParsedDocument) -> None:
    """Documents with everything that is in them come back equal."""
    assert plain_from_json(ParsedDocument, to_json(document)) == document


def test_cards_are_read_as_pydantic_reads_them() -> None:
    """A card comes back equal."""
    card = DocumentCard("d", "a.pdf", names=("Acme Inc.",), kind="contract", year=2024)
    assert plain_from_json(DocumentCard, to_json(card)) == card == from_json(DocumentCard, to_json(card))


def test_whole_numbers_become_the_fields_kind() -> None:
    """A coordinate written without a point is a float all the same; a field that is unknown is passed over, as pydantic does."""
    said = json.dumps({**CHUNK, "regions": [[0, [1, 2, 3, 4]]], "later": 1})
    read = plain_from_json(Chunk, said)
    assert read == from_json(Chunk, said)
    assert isinstance(read.regions[0].box.x0, float)


@pytest.mark.parametrize(
    "change",
    [
        {"text": 5},
        {"ordinal": "five"},
        {"ordinal": True},
        {"kind": "nothing"},
        {"regions": [[0, [1.0, 2.0, 3.0]]]},
        {"regions": None},
        {"confidence": "high"},
        {"span": [0]},
        {"part": {"block": 0}},
    ],
)
def test_what_is_no_chunk_is_refused(change: dict) -> None:
    """A value of another type, one that is missing, and one too few are errors, each time as with pydantic."""
    for read in (plain_from_json, from_json):
        if change != {"ordinal": True} or read is plain_from_json:  # pydantic takes it for 1
            with pytest.raises(ValueError, match=r"."):
                read(Chunk, json.dumps({**CHUNK, **change}))


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", "null"])
def test_what_is_no_object_is_refused(text: str) -> None:
    """No JSON, and JSON of something else."""
    with pytest.raises(ValueError, match=r"."):
        plain_from_json(Chunk, text)


def test_a_few_need_no_pydantic_and_many_do() -> None:
    """The first values are read without that import; from ``FEW`` on it is made, and the values are the same."""
    code = f"""if True:
        import sys
        from paperlode.ingest.document import Chunk
        from paperlode.ingest.plain_json import FEW, few_from_json
        first = few_from_json(Chunk, {json.dumps(CHUNK)!r})
        assert 'pydantic' not in sys.modules
        assert all(few_from_json(Chunk, {json.dumps(CHUNK)!r}) == first for _ in range(FEW))
        assert 'pydantic' in sys.modules
    """
    subprocess.run([sys.executable, "-c", code], check=True)
