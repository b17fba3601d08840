"""Ids of chunks: UUIDs that tell their document, and nothing else of two chunks alike."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from paperlode.ingest.document import chunk_id, document_mark, mark_of

TEXTS = st.text(max_size=40)


@given(TEXTS, TEXTS, TEXTS)
def test_an_id_is_a_uuid_that_tells_its_document(document: str, made_of: str, other: str) -> None:
    """The same input gives the same id, of version 5; other content another one with the same mark."""
    made = chunk_id(document, made_of)
    assert str(uuid.UUID(made)) == made == chunk_id(document, made_of)
    assert uuid.UUID(made).version == 5
    assert mark_of(made) == document_mark(document) == mark_of(chunk_id(document, other))
    assert (made == chunk_id(document, other)) == (made_of == other)


def test_documents_differ_in_mark_and_rest() -> None:
    """The same place of two documents has nothing in common."""
    one, two = chunk_id("a" * 64, "3"), chunk_id("b" * 64, "3")
    assert mark_of(one) != mark_of(two)
    assert one[14:] != two[14:]
