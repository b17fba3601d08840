"""What is asked of the archive, and where the answers stand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from making.scan import Matrix, move

if TYPE_CHECKING:
    from making.regions import Region
    from making.typeset import Box, Token

CONTENT = Path(__file__).resolve().parent.parent / "content"


@dataclass(frozen=True, slots=True)
class Question:
    """A question; each quote is looked up among the words that were set. ``source`` is text, table or formula."""

    id: str
    question: str
    answer: str
    quotes: tuple[str, ...]
    source: str = "text"


def questions(name: str) -> list[Question]:
    """The questions written for a document."""
    entries = json.loads((CONTENT / "questions.json").read_text(encoding="utf-8"))[name]
    return [Question(**{**e, "quotes": tuple(e["quotes"])}) for e in entries]


@dataclass(frozen=True, slots=True)
class FormulaTruth:
    """A display formula: LaTeX, number, where it stands."""

    page: int
    box: Box
    latex: str
    number: str


@dataclass
class Made:
    """A finished file with its truth. ``moves`` takes set points to points as displayed, one matrix a page."""

    file: str
    data: bytes
    sizes: list[tuple[float, float]]
    tokens: list[Token]
    questions: list[Question]
    tables: list[dict[str, Any]] = field(default_factory=list)
    formulas: list[FormulaTruth] = field(default_factory=list)
    moves: list[Matrix] | None = None
    layer: str = "digital"
    regions: list[Region] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The file name without its suffix: how questions call the document."""
        return self.file.rsplit(".", 1)[0]

    def shown(self, page: int, box: Box) -> list[float]:
        """A set box as displayed, rounded to 1/100 point."""
        return [round(v, 2) for v in (move(self.moves[page], box) if self.moves else box)]

    def entries(self) -> list[dict[str, Any]]:
        """The questions as the truth file has them."""
        return [
            {
                "question_id": f"{self.name}_{q.id}",
                "question": q.question,
                "answer": q.answer,
                "doc_name": self.name,
                "evidence_source": q.source,
                "evidence": [e for quote in q.quotes for e in self._evidence(q, quote)],
            }
            for q in self.questions
        ]

    def table_entries(self) -> list[dict[str, Any]]:
        """The tables, their cells' boxes as displayed."""
        out = []
        for t in self.tables:
            x = [{**c, "box": self.shown(c["page"], tuple(c["box"]))} for c in t["cells"]]
            out.append({**t, "cells": x})
        return out

    def formula_entries(self) -> list[dict[str, Any]]:
        """The display formulas."""
        return [
            {"doc": self.name, "page": f.page, "box": self.shown(f.page, f.box), "latex": f.latex, "number": f.number}
            for f in self.formulas
        ]

    def _evidence(self, q: Question, quote: str) -> list[dict[str, Any]]:
        if q.source == "formula":
            f = next(f for f in self.formulas if f.number == quote)
            return [{"doc": self.name, "page": f.page, "box": self.shown(f.page, f.box), "text": f.latex}]
        return [
            {"doc": self.name, "page": page, "box": self.shown(page, box), "text": text}
            for page, box, text in find(self.tokens, quote)
        ]


def find(tokens: list[Token], quote: str) -> list[tuple[int, Box, str]]:
    """Where ``quote`` was set: one entry a page and column. Raises ValueError unless it was set exactly once."""
    flat = "".join("".join(t.text.split()) for t in tokens)
    want = "".join(quote.split())
    at = flat.find(want)
    if at < 0 or flat.find(want, at + 1) >= 0:
        raise ValueError(f"set {'more than once' if at >= 0 else 'nowhere'}: {quote!r}")
    hit, pos = [], 0
    for t in tokens:
        end = pos + len("".join(t.text.split()))
        if end > at and pos < at + len(want):
            hit.append(t)
        pos = end
    out = []
    for key in dict.fromkeys((t.page, t.frame) for t in hit):
        part = [t for t in hit if (t.page, t.frame) == key]
        xs = [t.box for t in part]
        box = (min(b[0] for b in xs), min(b[1] for b in xs), max(b[2] for b in xs), max(b[3] for b in xs))
        cjk = any("\u4e00" <= c <= "\u9fff" for c in quote)
        out.append((key[0], box, ("" if cjk else " ").join(t.text for t in part)))
    return out
