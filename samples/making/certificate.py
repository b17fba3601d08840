"""A calibration certificate that went through the scanner upside down."""

from __future__ import annotations

from making.scan import Look, scan
from making.tables import Cell, Grid
from making.truth import CONTENT, Made, questions
from making.typeset import Flow, Sheets, Style

TEXT = Style(family="sans", size=10.5, leading=14.5, after=7)
HEAD = Style(family="sans", size=20, leading=26, after=4, bold=True, align="center", label="doc_title")
SUB = Style(family="sans", size=12, leading=16, before=6, after=5, bold=True, label="paragraph_title")
CAPTION = "Table 1. Readings at 21.4 °C (in bar)"
READINGS = (
    ("0.000", "0.002", "+0.002", "0.008"),
    ("4.000", "4.005", "+0.005", "0.008"),
    ("8.000", "8.011", "+0.011", "0.009"),
    ("12.000", "12.016", "+0.016", "0.009"),
    ("16.000", "16.019", "+0.019", "0.010"),
    ("20.000", "20.027", "+0.027", "0.011"),
)


def readings() -> Grid:
    """The ruled table of readings."""
    heads = ("Reference pressure", "Reading", "Deviation", "Uncertainty (k = 2)")
    cells = [Cell(0, i, t, align="center", bold=True) for i, t in enumerate(heads)]
    cells += [Cell(r, i, t) for r, line in enumerate(READINGS, 1) for i, t in enumerate(line)]
    style = Style(family="sans", size=10, leading=13)
    return Grid([120, 90, 90, 126], ["right"] * 4, cells, 1, style, pad=4)


def upside_down() -> Made:
    """The page, turned by 180 degrees and a little more."""
    name = "upside_down"
    s = Sheets(612, 792, "Certificate of calibration", "Meridian Gauge Laboratory")
    flow = Flow(s, [(84, 84, 528, 740)])
    grid = readings()
    for part in (CONTENT / "certificate.txt").read_text(encoding="utf-8").split("\n\n"):
        mark, _, rest = part.strip().partition(" ")
        if mark == "!":
            flow.para(rest, HEAD)
        elif mark == "!!":
            flow.para(rest, TEXT.but(align="center", after=16))
        elif mark == "##":
            flow.para(rest, SUB)
        elif mark == "@table":
            flow.para(CAPTION, TEXT.but(bold=True, after=4, label="figure_title"))
            flow.y = grid.draw(s, 0, 93, flow.y, range(grid.rows)) + 14
        elif ": " in part and len(part) < 90:
            label, value = part.strip().split(": ", 1)
            s.begin("text")
            s.text(0, 84, flow.y + 11.5, f"{label}:", TEXT)
            flow.para(value, TEXT.but(left=132, after=3, label=""))
        else:
            flow.para(part.strip(), TEXT.but(before=4))
    s.rule(0, (84, 742), (528, 742), weight=0.6)
    s.begin("footer")
    s.text(0, 306, 756, "This certificate may be copied only in full.", TEXT.but(size=8.5), frame=-1, align="center")
    data, moves = scan(s.bytes(), [Look(dpi=150, angle=180.7, seed=41, noise=4.5, speckles=40)], "Scan 0042")
    tables = [grid.truth(name, CAPTION)]
    return Made(
        f"{name}.pdf",
        data,
        [(s.width, s.height)],
        s.tokens,
        questions(name),
        tables,
        moves=moves,
        layer="scan",
        regions=s.regions,
    )
