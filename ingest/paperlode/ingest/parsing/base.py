"""The seam between files and structure: what a parser must do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paperlode.ingest.document import ParsedPage, Source

__all__ = ["Parser"]


class Parser(Protocol):
    """Turns pages of a source into values, in the order asked for.

    ``fingerprint`` names the parser, its version and every option that changes its result: pages parsed under the
    same fingerprint need no second parse.
    """

    @property
    def fingerprint(self) -> str:
        """Name, version and result-changing options, for example ``local-3``."""
        ...

    @property
    def documents_at_once(self) -> int:
        """Documents worth parsing side by side: short ones alone would not keep it busy."""
        ...

    def page_count(self, source: Source) -> int:
        """Number of pages. Raises SourceEncrypted, SourceCorrupt or SourceEmpty."""
        ...

    def page_prints(self, source: Source, stop: int) -> Sequence[str]:
        """What the pages before ``stop`` show, as hashes: where two are equal, so is what would be read.

        Empty for a page that equals no other, because it cannot be told.
        """
        ...

    def stands(self, read_by: str) -> bool:
        """Whether a page that was read before would come out the same, by what read it then (``ParsedPage.parser``).

        So a new version reads only those pages again that it would change.
        """
        ...

    def parse(self, source: Source, pages: Sequence[int]) -> Iterator[ParsedPage]:
        """The pages with these 0-based indexes, in that order; one that fails is a value with its reason."""
        ...

    def close(self) -> None:
        """Ends workers and connections. Idempotent."""
        ...
