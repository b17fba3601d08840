"""What the query API needs of an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from paperlode.api.values import Scope, Status
    from paperlode.ingest.document import Box, Chunk
    from paperlode.ingest.ledger_tables import DocumentRecord, FailedPage
    from paperlode.retrieval.answer import Answer
    from paperlode.retrieval.search import Hit

__all__ = ["ArchiveLike"]


class ArchiveLike(Protocol):
    """What the API asks of an archive. Calls come from changing threads, never two at a time but for ``answer``."""

    def search(self, question: str, *, limit: int = ..., scope: Scope | None = ...) -> list[Hit]:
        """The best pages for a question, best first."""
        ...

    def answer(self, question: str, hits: Sequence[Hit]) -> Answer:
        """An answer that cites the hits; called beside other calls, for a language model may take its time."""
        ...

    def names(self, hits: Sequence[Hit]) -> dict[str, str]:
        """File names of the hits' documents, by digest."""
        ...

    def hit(self, chunk: str) -> Chunk:
        """The chunk with this id. Raises DocumentNotFound."""
        ...

    def follow(self, document: str, label: str, *, referring: bool = ...) -> list[Chunk]:
        """The chunks that a label leads to, or that refer to it. Raises DocumentNotFound."""
        ...

    def status(self) -> Status:
        """What the archive holds."""
        ...

    def documents_after(self, last: tuple[str, str] | None, limit: int) -> list[DocumentRecord]:
        """The next searchable documents, by name and digest, after one of that name and digest; None for the first."""
        ...

    def document(self, ref: str) -> DocumentRecord:
        """One document, by digest, the beginning of it, or file name. Raises DocumentNotFound, InvalidRequest."""
        ...

    def failed_pages(self, document: str) -> list[FailedPage]:
        """Its pages that could not be parsed."""
        ...

    def original(self, document: str) -> Path:
        """The file that holds it. Raises DocumentNotFound, SourceError."""
        ...

    def export(self, document: str, form: str) -> Iterator[str]:
        """The document as ``json``, ``markdown`` or ``jsonl``, in pieces. Raises DocumentNotFound."""
        ...

    def page_picture(self, document: str, page: int, *, boxes: Sequence[Box] = ...) -> bytes:
        """The page, 0-based, as PNG with boxes drawn. Raises DocumentNotFound, SourceError, PageError."""
        ...
