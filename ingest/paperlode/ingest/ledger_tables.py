"""The ledger's tables and rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from paperlode.ingest.ledger_glance import LEDGER_VERSION
from paperlode.ingest.ledger_text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "LEDGER_VERSION",
    "Counts",
    "DocumentRecord",
    "FailedPage",
    "FailureRecord",
    "Recipe",
    "documents",
    "failures",
    "findings",
    "loose",
    "meta",
    "metadata",
    "pages",
    "paths",
    "prints",
    "read_by",
]

metadata = sa.MetaData()

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", Text(), primary_key=True),
    sa.Column("value", Text(), nullable=False),
)
documents = sa.Table(
    "documents",
    metadata,
    sa.Column("digest", Text(64), primary_key=True),  # of the bytes it was first seen with: its identity
    sa.Column("content", Text(64), nullable=False, index=True),  # digest of the bytes of the version that is searchable
    sa.Column("coming", Text(64), nullable=False),  # digest of the version begun last; the same, unless it is under way
    sa.Column("uri", Text(), nullable=False),
    sa.Column("name", Text(), nullable=False, index=True),
    sa.Column("media_type", Text(), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("page_count", sa.Integer, nullable=False),
    sa.Column("status", Text(16), nullable=False, index=True),
    sa.Column("parser", Text(), nullable=False),
    sa.Column("chunker", Text(), nullable=False),
    sa.Column("embedder", Text(), nullable=False),
    sa.Column("chunks", sa.Integer, nullable=False),
    sa.Column("failed_pages", sa.Integer, nullable=False),
    sa.Column("staging", sa.Boolean, nullable=False, index=True),
    sa.Column("updated", sa.Float, nullable=False),
)
paths = sa.Table(
    "paths",
    metadata,
    sa.Column("path", Text(), primary_key=True),
    sa.Column("digest", Text(64), nullable=False, index=True),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("inode", sa.BigInteger, nullable=False),
)
pages = sa.Table(
    "pages",
    metadata,
    sa.Column("digest", Text(64), primary_key=True),
    sa.Column("parser", Text(), primary_key=True),
    sa.Column("page", sa.Integer, primary_key=True),
    sa.Column("code", Text(), nullable=False),  # of the failure; empty when the page was parsed
    sa.Column("message", Text(), nullable=False),
    sa.Column("blob", Text(64), nullable=False, index=True),  # under which its JSON is kept (``page_store``)
)
loose = sa.Table(  # blobs that lost a page: those that no page names any more are let go of at the end of a run
    "loose",
    metadata,
    sa.Column("blob", Text(64), primary_key=True),
)
failures = sa.Table(
    "failures",
    metadata,
    sa.Column("path", Text(), primary_key=True),
    sa.Column("digest", Text(64), nullable=False),  # empty when the file could not be read at all
    sa.Column("code", Text(), nullable=False),
    sa.Column("what", Text(), nullable=False),
    sa.Column("hint", Text(), nullable=False),
    sa.Column("updated", sa.Float, nullable=False),
)


read_by = sa.Table(  # pages of searchable documents by what read them; an older ledger gets the table when it is opened
    "read_by",
    metadata,
    sa.Column("digest", Text(64), primary_key=True),
    sa.Column("parser", Text(), primary_key=True),  # ``ParsedPage.parser``
    sa.Column("pages", sa.Integer, nullable=False),
    sa.Index("read_by_parser", "parser", "pages"),
)


prints = sa.Table(  # what pages show (``page_prints``); an older ledger gets the table when it is opened
    "prints",
    metadata,
    sa.Column("digest", Text(64), primary_key=True),
    sa.Column("page", sa.Integer, primary_key=True),
    sa.Column("print", Text(32), nullable=False),
    sa.Index("prints_print", "print"),
)


findings = sa.Table(  # what the judge said of pages; an older ledger gets the table when it is opened
    "findings",
    metadata,
    sa.Column("digest", Text(64), primary_key=True),
    sa.Column("parser", Text(), primary_key=True),
    sa.Column("page", sa.Integer, primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),  # among the findings of the page
    sa.Column("code", Text(), nullable=False),
    sa.Column("reason", Text(), nullable=False),
    sa.Column("regions", Text(), nullable=False),  # JSON: [[page, x0, y0, x1, y1], ...]
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes chunks out of bytes: fingerprints of the parser, the chunker and the embedder."""

    parser: str
    chunker: str
    embedder: str

    def version(self, content: str) -> str:
        """A name of what it makes of the bytes with that digest."""
        said = f"{content}\x1f{self.parser}\x1f{self.chunker}\x1f{self.embedder}"
        return hashlib.sha256(said.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """What the ledger knows of a document.

    Attributes:
        digest: the identity of the document (``Source.document``): digest of the bytes that it was first seen with.
        content: digest of the bytes that it holds now, under which its pages are kept.
        name, media_type, size: as in ``Source``. uri: where it was first read from.
        page_count: its pages; ``failed_pages`` of them could not be parsed.
        status: ``pending`` (begun, not finished), ``indexed`` (searchable) or ``failed``.
        recipe: what the indexed version was made with.
        chunks: in the index.
        updated: seconds since 1970 (UTC).
        paths: the files that hold it, sorted.
        read_by: pages by what read them (``ParsedPage.parser``), without those that failed; by the parser's fingerprint
            for a document ingested before this was noted.
    """

    digest: str
    uri: str
    name: str
    media_type: str
    size: int
    page_count: int
    status: str
    recipe: Recipe
    chunks: int
    failed_pages: int
    updated: float
    paths: tuple[str, ...] = ()
    content: str = ""
    read_by: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """A file that could not be taken: why, and what to do. ``digest`` is empty when its bytes could not be read."""

    path: str
    digest: str
    code: str
    what: str
    hint: str
    updated: float


@dataclass(frozen=True, slots=True)
class FailedPage:
    """A 0-based page that could not be parsed, with the error's code and message."""

    page: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums over the indexed documents, and the number of files that failed; ``read_by`` as in ``DocumentRecord``.

    ``flagged_pages`` were parsed, and the judge wants a person to look at them.
    """

    documents: int
    pages: int
    failed_pages: int
    chunks: int
    failures: int
    read_by: Mapping[str, int] = field(default_factory=dict)
    flagged_pages: int = 0
