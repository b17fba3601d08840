"""Parsed samples against their truth: text, cells of tables, formulas. Nothing here is taken from the code that is measured.

- Text: what stands outside tables, pictures and display formulas, in reading order, white space collapsed. The score is
  1 - (edits / characters of the truth), over all pages; LaTeX in the line counts as characters.
- Tables: F1 of the cells with text, each with its row, column, both spans and its text; over the assembled document, so that a
  table over pages is one. A table that is not in the truth counts as wrong cells.
- Formulas: F1 of the display formulas whose LaTeX is that of the truth but for white space, and whose box covers the truth's.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paperlode.ingest.assembly import assemble
from paperlode.ingest.document import Box, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from paperlode.ingest.document import ParsedPage, Table

__all__ = ["SAMPLES", "Scores", "edits", "expected_text", "flat", "page_text", "score_document"]

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
_TRUTH: dict[str, Any] = json.loads((SAMPLES / "truth.json").read_text(encoding="utf-8"))
_LAYOUT: dict[str, Any] = json.loads((SAMPLES / "layout.json").read_text(encoding="utf-8"))
_NO_TEXT = {"table", "image", "display_formula"}
_NO_TEXT_KINDS = {Kind.TABLE, Kind.FIGURE, Kind.FORMULA}
_COVERED = 0.5  # of a formula's box


@dataclass
class Scores:
    """Sums over documents. ``pages`` are (document, page, edits, characters)."""

    pages: list[tuple[str, int, int, int]] = field(default_factory=list)
    cells_right: int = 0
    cells_found: int = 0
    cells_true: int = 0
    formulas_right: int = 0
    formulas_found: int = 0
    formulas_true: int = 0

    @property
    def text(self) -> float:
        """Of all characters."""
        return 1 - sum(p[2] for p in self.pages) / max(1, sum(p[3] for p in self.pages))

    @property
    def cells(self) -> float:
        """F1."""
        return _f1(self.cells_right, self.cells_found, self.cells_true)

    @property
    def formulas(self) -> float:
        """F1."""
        return _f1(self.formulas_right, self.formulas_found, self.formulas_true)

    def worst_pages(self, most: int = 3) -> list[str]:
        """The pages with the lowest score below 1."""
        wrong = sorted((1 - e / max(1, n), doc, page) for doc, page, e, n in self.pages if e)
        return [f"{doc} page {page + 1}: {share:.4f}" for share, doc, page in wrong[:most]]

    def __str__(self) -> str:
        return (
            f"text {self.text:.4f} of {sum(p[3] for p in self.pages)} characters on {len(self.pages)} pages; "
            f"tables {self.cells:.4f} (cell F1, {self.cells_true} cells); "
            f"formulas {self.formulas:.4f} ({self.formulas_true} formulas)"
        )


def _f1(right: int, found: int, true: int) -> float:
    return 2 * right / (found + true) if found + true else 1.0


def score_document(doc: str, pages: Sequence[ParsedPage], scores: Scores) -> None:
    """Adds the pages of a sample (file name without ending) to the scores; a page not given counts as not asked for."""
    for p in pages:
        want, got = expected_text(doc, p.page), page_text(p)
        scores.pages.append((doc, p.page, edits(want, got), len(want)))
    read = {p.page for p in pages}
    _score_tables(doc, pages, read, scores)
    _score_formulas(doc, pages, read, scores)


def expected_text(doc: str, page: int) -> str:
    """What a reader who makes no mistake gives for a page."""
    said = []
    for r in _LAYOUT["regions"]:
        if (r["doc"], r["page"]) == (doc, page) and r["label"] not in _NO_TEXT:
            said += [_closed_up(line[3]).replace(r"\(", "$").replace(r"\)", "$") for line in r["lines"]]
    return flat(" ".join(said))


def page_text(page: ParsedPage) -> str:
    """What was read of a page."""
    return flat(" ".join(b.text for b in page.blocks if b.kind not in _NO_TEXT_KINDS))


def flat(text: str) -> str:
    """White space collapsed."""
    return " ".join(text.split())


def _closed_up(line: str) -> str:
    """Without the spaces beside Chinese characters, which the layout file has between all words."""
    return re.sub(r"(?<=[\u2e80-\uffff]) | (?=[\u2e80-\uffff])", "", line)


def edits(a: str, b: str) -> int:
    """Levenshtein distance, by Myers' bit vectors in Hyyrö's form: a column of the matrix in one integer."""
    if not a:
        return len(b)
    places: dict[str, int] = {}
    for i, c in enumerate(a):
        places[c] = places.get(c, 0) | 1 << i
    mask, last = (1 << len(a)) - 1, 1 << (len(a) - 1)
    up, down, distance = mask, 0, len(a)
    for c in b:
        here = places.get(c, 0)
        same = (((here & up) + up) ^ up) | here | down
        more, less = down | ~(same | up), up & same
        distance += bool(more & last) - bool(less & last)
        more = more << 1 | 1
        up = ((less << 1) | ~(same | more)) & mask
        down = more & same & mask
    return distance


def _score_tables(doc: str, pages: Iterable[ParsedPage], read: set[int], scores: Scores) -> None:
    truth = [_true_cells(t) for t in _TRUTH["tables"] if t["doc"] == doc and read >= set(t["pages"])]
    found = [_found_cells(b.table) for b in assemble(pages) if b.table is not None]
    scores.cells_true += sum(t.total() for t in truth)
    scores.cells_found += sum(f.total() for f in found)
    for want in truth:
        if best := max(found, key=lambda f: (want & f).total(), default=None):
            scores.cells_right += (want & best).total()
            found.remove(best)


def _true_cells(table: dict[str, Any]) -> Counter[Any]:
    return Counter(
        (c["row"], c["col"], c["row_span"], c["col_span"], flat(c["text"])) for c in table["cells"] if c["text"]
    )


def _found_cells(table: Table) -> Counter[Any]:
    return Counter((c.row, c.col, c.row_span, c.col_span, flat(c.text)) for c in table.cells if c.text.strip())


def _score_formulas(doc: str, pages: Iterable[ParsedPage], read: set[int], scores: Scores) -> None:
    truth = [f for f in _TRUTH["formulas"] if f["doc"] == doc and f["page"] in read]
    found = [(p.page, b.regions[0].box, flat(b.text)) for p in pages for b in p.blocks if b.kind is Kind.FORMULA]
    scores.formulas_true += len(truth)
    scores.formulas_found += len(found)
    for f in truth:
        box = Box(*f["box"])
        scores.formulas_right += any(
            page == f["page"] and latex == flat(f["latex"]) and where.overlap(box) >= _COVERED * box.area
            for page, where, latex in found
        )
