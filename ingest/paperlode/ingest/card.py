"""What a document is, in a few lines: its kind, who it is of, and which period it is about.

What is not known is left empty: a card is used to prefer documents, never to hide them.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DocumentCard"]


@dataclass(frozen=True, slots=True)
class DocumentCard:
    """What the index knows of a document as a whole.

    Attributes:
        document: digest. name: file name. title: as printed, or empty.
        kind: ``annual_report``, ``quarterly_report``, ``current_report``, ``release``, ``contract``, or empty.
        names: organisations that it is of or between, and their short names, in order of appearance.
        year: of the period it is about (a report's fiscal year), else of its date; None when unknown.
        quarter: 1 to 4; None when it is about no single quarter.
        date: ISO date of a contract or filing, or empty.
    """

    document: str
    name: str
    title: str = ""
    kind: str = ""
    names: tuple[str, ...] = ()
    year: int | None = None
    quarter: int | None = None
    date: str = ""
