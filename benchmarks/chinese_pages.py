"""Typesets the texts of ``benchmarks/truth/chinese`` into PDFs, with the typesetter and the fonts of the samples.

    python benchmarks/chinese_pages.py --pdfs DIR [--doc NAME ...]

The same version of PyMuPDF writes the same bytes. A text is parts divided by blank lines; a part is a paragraph, or begins with
``@head`` and ``@foot`` (furniture), ``!`` and ``!!`` (title, lines below it), ``#`` and ``##`` (headings), ``@page`` (a new
page), ``@unit`` (caption or unit above a table), ``@table`` (kept on a page) and ``@rows`` (may run over pages), each with its
columns' widths in points and then a row a line, or ``@formula`` with its number in brackets and the typesetter's marks.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TEXTS = HERE / "truth" / "chinese"
sys.path.insert(0, str(HERE.parent / "samples"))

from making.tables import Cell, Grid  # noqa: E402
from making.typeset import GREY, Flow, Sheets, Style, font  # noqa: E402

FRAME = (84.0, 88.0, 511.0, 760.0)
TEXT = Style(family="cjk", size=11.5, leading=21, after=5, first=23, align="justify")
TITLE = TEXT.but(size=19, leading=32, first=0, after=10, align="center", bold=True)
LINE = TEXT.but(size=12, first=0, align="center")
HEAD = TEXT.but(size=14, leading=24, first=0, before=10, after=6, align="center", bold=True, keep=50)
SUB = TEXT.but(size=12, first=0, before=6, after=3, align="left", bold=True, keep=40)
UNIT = TEXT.but(size=9.5, leading=14, first=0, before=4, after=3, align="right", keep=60)
CELL = Style(family="cjk", size=9.5, leading=13.5)
FORMULA = Style(family="serif", size=12, leading=30, after=6, align="center")
SMALL = Style(family="cjk", size=8.5, leading=12, colour=GREY)
_FIGURE = re.compile(r"-?[\d,.]+%?|不适用")


def names() -> list[str]:
    """The documents that there are texts of."""
    return sorted(p.stem for p in TEXTS.glob("*.txt"))


def typeset(name: str) -> bytes:
    """The document as a PDF.

    Raises:
        ValueError: the font lacks a character of the text, which would be printed as a box.
    """
    text = (TEXTS / f"{name}.txt").read_text(encoding="utf-8")
    parts = [_spaced(p.strip()) for p in text.split("\n\n") if p.strip()]
    chinese = {c for p in parts if not p.startswith("@formula") for c in p} - set("\n\u00a0")
    if missing := sorted(c for c in chinese if not font("cjk").has_glyph(ord(c))):
        raise ValueError(f"{name}: no glyph for {' '.join(missing)}")
    title = next(p[2:] for p in parts if p.startswith("! "))
    sheets = Sheets(595, 842, title, "")
    flow = Flow(sheets, [FRAME])
    head = foot = ""
    for part in parts:
        mark, _, rest = part.partition(" ")
        if mark == "@head":
            head = rest
        elif mark == "@foot":
            foot = rest
        elif mark == "@page":
            flow.next_page()
        elif mark in {"@table", "@rows"}:
            _table(flow, rest, whole=mark == "@table")
        elif mark == "@formula":
            number, _, formula = rest.partition(" ")
            flow.para(formula, FORMULA)
            at = flow.y - FORMULA.after - 0.28 * FORMULA.size
            sheets.text(flow.page, FRAME[2], at, number, FORMULA, align="right")
        elif style := {"!": TITLE, "!!": LINE, "#": HEAD, "##": SUB, "@unit": UNIT}.get(mark):
            flow.para(rest, style)
        else:
            flow.para(part, TEXT)
    for page in range(sheets.pages):
        sheets.text(page, FRAME[0], 56, head, SMALL, frame=-1)
        sheets.rule(page, (FRAME[0], 62), (FRAME[2], 62), weight=0.4, colour=GREY)
        sheets.text(page, FRAME[0], 796, foot, SMALL, frame=-1)
        sheets.text(page, FRAME[2], 796, f"第{page + 1}页 共{sheets.pages}页", SMALL, frame=-1, align="right")
    return sheets.bytes()


def _spaced(part: str) -> str:
    """The part with the spaces that are printed: wide beside Chinese, a no-break space between Latin words and figures."""
    mark, gap, text = part.partition(" ") if part[0] in "@!#" else ("", "", part)
    if mark in {"@table", "@rows", "@formula"}:
        return part
    return mark + gap + re.sub(r"(?<=\S) (?=\S)", _gap, text)


def _gap(m: re.Match[str]) -> str:
    return "\u00a0" if m.string[m.start() - 1] < "\u0370" and m.string[m.end()] < "\u0370" else "\u3000"


def _table(flow: Flow, text: str, *, whole: bool) -> None:
    """A ruled table with one header row; ``whole`` keeps it on a page."""
    columns, *lines = text.split("\n")
    rows = [[_spaced(c.strip()) for c in line.split("|")] for line in lines]
    widths = [float(w) for w in columns.split()]
    aligns = ["right" if all(_FIGURE.fullmatch(r[i]) for r in rows[1:]) else "left" for i in range(len(widths))]
    cells = [Cell(0, i, c, align="center", bold=True) for i, c in enumerate(rows[0])]
    cells += [Cell(r, i, c) for r, row in enumerate(rows[1:], 1) for i, c in enumerate(row)]
    grid = Grid(widths, aligns, cells, 1, CELL)
    if whole:
        flow.need(sum(grid.height(r) for r in range(grid.rows)))
    row = 0
    while row < grid.rows:
        end = grid.fits(row, flow.room)
        if end > row:
            flow.y = grid.draw(flow.sheets, flow.page, FRAME[0], flow.y, range(row, end)) + 10
            flow.top, row = False, end
        if row < grid.rows:
            flow.next_page()


def write(folder: Path, wanted: list[str] | None = None) -> list[Path]:
    """The PDFs of all documents, or of those that are wanted, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for name in wanted or names():
        out.append(folder / f"{name}.pdf")
        out[-1].write_bytes(typeset(name))
    return out


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pdfs", type=Path, required=True)
    ap.add_argument("--doc", action="append", choices=names(), help="only this document; may be given again")
    a = ap.parse_args()
    for path in write(a.pdfs, a.doc):
        print(path)


if __name__ == "__main__":
    main()
