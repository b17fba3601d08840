"""Ids of chunks: hashes, which begin with a mark of their document, so that a search needs to read nothing to tell it."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from uuid import UUID

__all__ = ["chunk_id", "document_mark", "mark_of"]

BYTES = 6
"""Of the mark. 80 bits of the UUID (RFC 9562) are left for the chunk, less six for version and variant."""


def chunk_id(document: str, made_of: str) -> str:
    """The id of a chunk: a UUID in lower case.

    Args:
        document: its digest.
        made_of: what makes it what it is.
    """
    own = hashlib.sha256(f"{document}\x1f{made_of}".encode()).digest()
    return str(UUID(bytes=bytes.fromhex(document_mark(document)) + own[: 16 - BYTES], version=5))


@lru_cache(maxsize=4096)
def document_mark(document: str) -> str:
    """What the ids of a document's chunks begin with, in hexadecimal digits; two of a million documents rarely share one."""
    return hashlib.sha256(document.encode()).digest()[:BYTES].hex()


def mark_of(chunk: str) -> str:
    """The mark of a chunk's document, by the chunk's id."""
    return chunk[:8] + chunk[9:13]
