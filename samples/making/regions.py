r"""What stands where on the set pages: regions with the labels of PP-DocLayout in reading order, and what each says.

Recorded while a document is set. A region's text is what a recognition model shall read there: lines as printed, variables with
indices and signs as LaTeX between ``\(`` and ``\)``, LaTeX for a display formula, cells for a table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from making.truth import Made
    from making.typeset import Run, Word

Box = tuple[float, float, float, float]

FURNITURE = frozenset({"header", "footer", "number"})
SIGNS = {
    "α": r"\alpha", "δ": r"\delta", "θ": r"\theta", "μ": r"\mu", "ρ": r"\rho", "φ": r"\varphi",
    "∞": r"\infty", "≈": r"\approx", "≤": r"\le", "≥": r"\ge", "∂": r"\partial",
}  # fmt: skip
_ROOM = (2.0, 1.0)
"""Points that a region is wider and higher than its words on each side, as detectors leave it; less than half a line's gap."""


@dataclass
class Region:
    """A thing on a set page; ``words`` are (baseline, box, text), ``frame`` the column they stand in.

    ``box`` is given where the words do not fill the region: tables and pictures. ``cells`` are those printed there, rows
    counted from the part's own first.
    """

    label: str
    page: int
    frame: int = 0
    words: list[tuple[float, Box, str]] = field(default_factory=list)
    box: Box | None = None
    cells: list[dict[str, Any]] = field(default_factory=list)
    latex: str = ""

    def outline(self) -> Box:
        """The box as set."""
        if self.box:
            return self.box
        boxes = [b for _, b, _ in self.words]
        x, y = _ROOM
        return (
            min(b[0] for b in boxes) - x,
            min(b[1] for b in boxes) - y,
            max(b[2] for b in boxes) + x,
            max(b[3] for b in boxes) + y,
        )

    def lines(self) -> list[list[Any]]:
        """Each line: top, bottom, the ends of its words on x, and its words with one space between."""
        rows: list[list[tuple[float, Box, str]]] = []
        for word in self.words:
            if not rows or abs(word[0] - rows[-1][-1][0]) > 1.0:
                rows.append([])
            rows[-1].append(word)
        out = []
        for row in rows:
            row.sort(key=lambda w: w[1][0])
            boxes = [b for _, b, _ in row]
            xs = [round(v, 1) for b in boxes for v in (b[0], b[2])]
            top, bottom = min(b[1] for b in boxes), max(b[3] for b in boxes)
            out.append([round(top, 1), round(bottom, 1), xs, " ".join(t for _, _, t in row)])
        return out


def spoken(word: Word) -> str:
    """A word as a recognition model writes it: pieces with an index, a power or a sign as LaTeX, the rest as printed."""
    out, piece = "", []
    for run in (*word, None):
        if run is not None and _in_formula(run):
            piece.append(run)
            continue
        if piece:
            plain = all(r.rise == 0 and r.face != "symbol" for r in piece)
            out += "".join(r.text for r in piece) if plain else rf"\({_latex(piece)}\)"
            piece = []
        out += run.text if run else ""
    return out


def _in_formula(run: Run) -> bool:
    return run.rise != 0 or run.face == "symbol" or (run.face.endswith("-i") and len(run.text) == 1)


def _latex(runs: list[Run]) -> str:
    out = ""
    for r in runs:
        text = "".join(SIGNS.get(c, c) for c in r.text)
        out += f"_{{{text}}}" if r.rise < 0 else f"^{{{text}}}" if r.rise > 0 else text
    return out


def in_reading_order(regions: list[Region], height: float) -> list[Region]:
    """By page; on each the header first, then as set, then the footer."""

    def place(r: Region) -> tuple[int, int]:
        if r.label not in FURNITURE:
            return r.page, 1
        return r.page, 0 if r.outline()[1] < height / 2 else 2

    return sorted(regions, key=place)


def layout(made: list[Made]) -> dict[str, Any]:
    """The layout file."""
    pages, regions = [], []
    for m in made:
        for n, size in enumerate(m.sizes):
            move = [round(float(v), 9) for v in m.moves[n].ravel()] if m.moves else None
            pages.append({"doc": m.name, "file": m.file, "page": n, "size": [round(v, 2) for v in size], "move": move})
        for r in in_reading_order(m.regions, max(r.outline()[3] for r in m.regions)):
            entry: dict[str, Any] = {"doc": m.name, "page": r.page, "frame": r.frame, "label": r.label}
            entry["box"] = [round(v, 1) for v in r.outline()]
            if r.words:
                entry["lines"] = r.lines()
            if r.cells:
                entry["cells"] = r.cells
            if r.latex:
                entry["latex"] = r.latex
            regions.append(entry)
    return {
        "name": "paperlode samples: what stands where",
        "page_base": 0,
        "box": "points as set, origin top left; a page's move (3 x 3, by rows) takes them to points as displayed",
        "lines": "top, bottom, left and right ends of the words, the words",
        "pages": pages,
        "regions": regions,
    }
