"""What leads from chunk to chunk: the labels of the blocks that begin in one, and what its own text refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paperlode.ingest.document import Layer
from paperlode.ingest.labels import Labels
from paperlode.ingest.references import references_in
from paperlode.ingest.terms import Glossary, defined_terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.pieces import Piece

__all__ = ["MOST", "TERM", "Threads"]

TERM = "term:"
"""In front of a defined term among labels and references: ``term:Confidential Information``."""
MOST = 400
"""Labels, and references, of one chunk: the first ones."""


class Threads:
    """The open clauses and the defined terms of one document; its chunks' pieces go through in their order."""

    def __init__(self) -> None:
        self._labels = Labels()
        self._terms = Glossary()
        self._last = -1

    def follow(self, pieces: Sequence[Piece]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Labels and references of a chunk made of these pieces, each once, in order.

        A term is a label of the chunk whose own text defines it, and a reference of every later chunk that uses it. What
        begins in the chunk is no reference of it. Running headers and footers have neither.
        """
        labels: dict[str, None] = {}
        referred: dict[str, None] = {}
        new: list[str] = []
        for p, own in _stretches(pieces):
            if p.index > self._last:
                self._last = p.index
                labels |= dict.fromkeys(self._labels.place(p.block))
            if p.block.layer is not Layer.FURNITURE and own:
                terms = defined_terms(own)
                new += terms
                labels |= dict.fromkeys(TERM + t for t in terms)
                referred |= dict.fromkeys(r.label for r in references_in(own))
                referred |= dict.fromkeys(TERM + t for t in self._terms.used_in(own))
        self._terms.add(new)
        return tuple(labels)[:MOST], tuple(r for r in referred if r not in labels)[:MOST]


def _stretches(pieces: Sequence[Piece]) -> list[tuple[Piece, str]]:
    """The first piece of each run in one block, with the run's text."""
    out: list[tuple[Piece, str]] = []
    first: Piece | None = None
    for p in pieces:
        if first is not None and p.index == first.index:
            out[-1] = (first, p.text[first.start : p.end])
        else:
            first = p
            out.append((p, p.own))
    return out
