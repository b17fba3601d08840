"""What a run that was killed left behind is cleared away before anything is read or written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from paperlode.ingest.ledger import Ledger

__all__ = ["Remover", "recover"]


class Remover(Protocol):
    """The half of a sink that takes things away, and says what is there."""

    def version(self, document: str) -> str:
        """The version of the document that is visible; empty where there is none, or one without a word."""
        ...

    def count(self, document: str) -> int:
        """Visible chunks of the document."""
        ...

    def discard(self, document: str) -> None:
        """Drop what is staged of the document; a visible version stays. Nothing staged is no error."""
        ...

    def remove(self, document: str) -> None:
        """Drop the document altogether. No such document is no error."""
        ...


def recover(sink: Remover, ledger: Ledger) -> None:
    """Clear away what a crashed run left: staged chunks, and documents that no file holds any more.

    A version that became visible just before the end is noted now. Another document that never was finished is removed.
    """
    for arrival in ledger.arrivals():
        document = arrival.source.document
        visible = sink.version(document)
        if visible == arrival.version or not (visible or arrival.chunks or sink.count(document)):
            sink.discard(document)
            ledger.finish(arrival)
    for digest, status in ledger.staging().items():
        if status == "indexed":
            sink.discard(digest)
        else:
            sink.remove(digest)
        ledger.leave(digest)
    for digest in ledger.orphans():
        sink.remove(digest)
        ledger.remove(digest)
