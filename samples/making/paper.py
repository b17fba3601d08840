"""The two-column paper with display formulas, a figure and references."""

from __future__ import annotations

import math
import random

from making.maths import Formula, draw, fence, frac, integral, limits, op, root, row, run, script, var
from making.tables import Cell, Grid
from making.truth import CONTENT, FormulaTruth, Made, questions
from making.typeset import SOFT_HYPHEN, Flow, Sheets, Style

TEXT = Style(size=9.6, leading=11.9, after=0, first=11, align="justify")
HEAD = Style(size=11, leading=14, before=9, after=4, bold=True, keep=26, label="paragraph_title")
SUB = HEAD.but(size=10)
SMALL = Style(size=8.4, leading=10.2, after=6, align="justify")
TABLE = "Table 1. Fitted parameters and drying times of beds with L = 12 mm"
FIGURE = (
    "**Figure 1.** Depth of the drying front in sand A (circles) and in the mixture of clay and sand (squares). "
    "Lines: Eq. (4) with the parameters of Table 1."
)
MATERIALS = (
    ("Sand A", 110, 0.42, 14.8, 1.6, 6.3),
    ("Sand B", 240, 0.40, 15.3, 1.7, 6.1),
    ("Glass beads", 500, 0.38, 16.1, 1.9, 5.7),
    ("Clay and sand", 65, 0.46, 11.2, 1.4, 8.4),
)
"""Name, grain size in micrometers, porosity, K in mm2/h, film thickness in mm, observed drying time in h."""
DEPTH = 12.0
HYPHENS = (
    "cap-il-lary", "char-ac-ter-is-tic", "com-put-ing", "con-cen-tra-tion", "con-stant", "dif-fu-siv-ity",
    "dis-tri-bu-tion", "dry-ing", "ef-fec-tive", "evap-o-ra-tion", "ex-pres-sions", "in-te-gra-tion", "in-tro-duced",
    "ki-netic", "ma-te-rial", "mix-ture", "mois-ture", "pa-ram-e-ters", "po-ros-ity", "re-ced-ing", "re-sis-tance",
    "sim-u-la-tions", "tem-per-a-ture", "thick-ness", "un-der-es-ti-mated",
)  # fmt: skip


def sub(base: str, low: str) -> Formula:
    """A variable with its subscript."""
    return script(var(base), run(low, "serif" if low.isascii() else "symbol", 7.2))


def formulas() -> dict[str, tuple[Formula, str]]:
    """The numbered formulas and their LaTeX."""
    d = run("d")  # an upright differential
    drop = row(sub("c", "s"), op("−"), sub("c", "∞"))
    two_kt = row(run("2"), var("K"), var("t"))
    mean = script(var("θ"), run("m", "serif-i", 7.2))
    square = script(fence(row(sub("s", "i"), op("−"), var("s"), fence(sub("t", "i")))), None, run("2", "serif", 7.2))
    return {
        "1": (
            row(var("J"), op("="), sub("D", "e"), frac(drop, row(var("s"), op("+"), var("δ"))), run(" ,")),
            r"J = D_e \frac{c_s - c_\infty}{s + \delta}",
        ),
        "2": (
            row(var("ρ"), var("φ"), frac(row(d, var("s")), row(d, var("t"))), op("="), var("J"), run(" .")),
            r"\rho \varphi \frac{ds}{dt} = J",
        ),
        "3": (
            row(var("K"), op("="), frac(row(sub("D", "e"), fence(drop)), row(var("ρ"), var("φ"))), run(" ,")),
            r"K = \frac{D_e (c_s - c_\infty)}{\rho \varphi}",
        ),
        "4": (
            row(
                var("s"),
                fence(var("t")),
                op("="),
                root(row(script(var("δ"), None, run("2", "serif", 7.2)), op("+"), two_kt)),
                op("−"),
                var("δ"),
                run(" ."),
            ),
            r"s(t) = \sqrt{\delta^2 + 2 K t} - \delta",
        ),
        "5": (
            row(
                mean,
                op("="),
                frac(run("1"), var("L")),
                integral(run("0", "serif", 7.2), run("L", "serif-i", 7.2)),
                var("θ"),
                fence(row(var("x"), run(", "), var("t"))),
                run(" "),
                d,
                var("x"),
                op("="),
                var("φ"),
                fence(row(run("1"), op("−"), frac(var("s"), var("L")))),
                run(" ."),
            ),
            r"\theta_m = \frac{1}{L} \int_0^L \theta(x, t) \, dx = \varphi \left(1 - \frac{s}{L}\right)",
        ),
        "6": (
            row(
                sub("t", "d"),
                op("="),
                frac(row(var("L"), fence(row(var("L"), op("+"), run("2"), var("δ")))), row(run("2"), var("K"))),
                run(" ."),
            ),
            r"t_d = \frac{L (L + 2 \delta)}{2 K}",
        ),
        "7": (
            row(
                var("E"),
                op("="),
                root(
                    row(
                        frac(run("1"), var("N")),
                        limits("∑", run("i = 1", "serif", 7.2), run("N", "serif-i", 7.2)),
                        square,
                    )
                ),
                run(" ."),
            ),
            r"E = \sqrt{\frac{1}{N} \sum_{i=1}^{N} \left(s_i - s(t_i)\right)^2}",
        ),
    }


def drying_time(k: float, film: float) -> float:
    """Hours, by Eq. (6)."""
    return DEPTH * (DEPTH + 2 * film) / (2 * k)


def parameters() -> Grid:
    """Table 1."""
    heads = (
        "Material",
        "Grain size (μm)",
        "φ",
        "*K* (mm^2^/h)",
        "δ (mm)",
        "*t*~d~ (h), Eq. (6)",
        "*t*~d~ (h), observed",
    )
    cells = [Cell(0, i, h, align="left" if not i else "right") for i, h in enumerate(heads)]
    for r, (name, size, porosity, k, film, observed) in enumerate(MATERIALS, 1):
        numbers = (
            str(size),
            f"{porosity:.2f}",
            f"{k:.1f}",
            f"{film:.1f}",
            f"{drying_time(k, film):.2f}",
            f"{observed:.1f}",
        )
        cells += [Cell(r, 0, name), *(Cell(r, i, t) for i, t in enumerate(numbers, 1))]
    style = Style(size=8.2, leading=9.8)
    return Grid([53, 30, 24, 35, 26, 33, 41], ["left"] + ["right"] * 6, cells, 1, style, "plain", 2.0)


def figure(flow: Flow) -> None:
    """Figure 1: axes, curves from Eq. (4), readings with scatter, and the caption below."""
    flow.need(215)
    flow.skip(6)
    s, page, (x0, _, x1, _) = flow.sheets, flow.page, flow.box
    left, right, top, bottom = x0 + 34, x1 - 8, flow.y + 6, flow.y + 146
    label = Style(family="sans", size=7.5, leading=9)
    s.region("image", page, (x0 + 8, top - 4, right + 6, bottom + 25), frame=flow.frame)

    def at(hours: float, depth: float) -> tuple[float, float]:
        return left + (right - left) * hours / 9, bottom - (bottom - top) * depth / 14

    shape = s.pdf[page].new_shape()
    shape.draw_rect((left, top, right, bottom))
    for h in range(0, 10, 3):
        shape.draw_line((at(h, 0)[0], bottom), (at(h, 0)[0], bottom - 4))
        s.text(page, at(h, 0)[0], bottom + 10, str(h), label, frame=flow.frame, align="center")
    for v in range(0, 15, 2):
        shape.draw_line((left, at(0, v)[1]), (left + 4, at(0, v)[1]))
        s.text(page, left - 4, at(0, v)[1] + 2.6, str(v), label, frame=flow.frame, align="right")
    shape.finish(color=(0, 0, 0), width=0.6)
    rng = random.Random(4)
    for n, (name, (_, _, _, k, film, _)) in enumerate((("Sand A", MATERIALS[0]), ("Clay and sand", MATERIALS[3]))):
        colour = ((0.1, 0.3, 0.65), (0.75, 0.25, 0.1))[n]
        end = drying_time(k, film)
        shape.draw_polyline([at(end * i / 60, math.sqrt(film**2 + 2 * k * end * i / 60) - film) for i in range(61)])
        shape.finish(color=colour, width=0.9, closePath=False)
        for i in range(1, 14):
            hours = end * i / 13.5
            late = max(0.0, 1.3 - 0.15 * i) if n else 0.0
            x, y = at(hours, max(0.05, math.sqrt(film**2 + 2 * k * hours) - film - late + rng.uniform(-0.22, 0.22)))
            if n:
                shape.draw_rect((x - 1.9, y - 1.9, x + 1.9, y + 1.9))
            else:
                shape.draw_circle((x, y), 2.0)
        shape.finish(color=colour, fill=(1, 1, 1), width=0.7)
        s.text(page, right - 8, bottom - 26 + 12 * n, name, label.but(colour=colour), frame=flow.frame, align="right")
    shape.commit()
    s.text(page, (left + right) / 2, bottom + 21, "Time (h)", label, frame=flow.frame, align="center")
    s.text(page, left + 6, top + 10, "Depth of the front (mm)", label, frame=flow.frame)
    flow.y = bottom + 27
    flow.para(FIGURE, SMALL.but(after=9, label="figure_title"))


def title(flow: Flow) -> None:
    """Title, authors and their addresses across both columns."""
    s = flow.sheets
    s.begin("doc_title")
    s.text(0, 306, 92, "Drying fronts in thin porous beds:", Style(size=17, bold=True), align="center")
    s.text(0, 306, 113, "a model with two parameters", Style(size=17, bold=True), align="center")
    s.begin("text")
    s.text(0, 306, 138, "Ines Karlowitz^1^, Olubayo Thorne^1,2^ and Mei-Lin Raske^2^", Style(size=11), align="center")
    small = Style(size=8.8, italic=True)
    s.begin("text")
    s.text(0, 306, 155, "^1^Institute of Particle Processing, University of Varnhem", small, align="center")
    s.text(0, 306, 167, "^2^Aldermoor Laboratory for Soil Physics, Port Ellery", small, align="center")
    s.begin("text")
    s.text(0, 306, 183, "Received 11 February 2025; accepted 2 May 2025", Style(size=8.8), align="center")


def hyphenated(text: str) -> str:
    """The text with soft hyphens in the words of ``HYPHENS``."""
    for word in HYPHENS:
        text = text.replace(word.replace("-", ""), word.replace("-", SOFT_HYPHEN))
    return text


def paper() -> Made:
    """The paper."""
    s = Sheets(612, 792, "Drying fronts in thin porous beds", "Ines Karlowitz, Olubayo Thorne, Mei-Lin Raske")
    columns = [(54.0, 70.0, 297.0, 734.0), (315.0, 70.0, 558.0, 734.0)]
    flow = Flow(s, [(x0, 205.0, x1, y1) for x0, _, x1, y1 in columns], columns)
    title(flow)
    shown, placed, grid, fresh = formulas(), [], parameters(), True
    label = "abstract"
    for part in hyphenated((CONTENT / "paper.txt").read_text(encoding="utf-8")).split("\n\n"):
        mark, _, rest = part.strip().partition(" ")
        if mark == "@formula":
            placed.append(display(flow, rest, *shown[rest]))
            fresh = True
        elif mark == "@figure":
            figure(flow)
        elif mark == "@table":
            flow.need(130)
            flow.para(
                "**Table 1.**" + TABLE.removeprefix("Table 1.").replace(" L ", " *L* "),
                SMALL.but(before=8, after=4, label="figure_title"),
            )
            flow.y = grid.draw(s, flow.page, flow.box[0], flow.y, range(grid.rows), frame=flow.frame) + 12
        elif mark in {"#", "##"}:
            flow.para(rest, HEAD if mark == "#" else SUB)
            fresh = True
        elif mark.startswith("["):
            flow.para(rest, SMALL.but(left=17, after=2.5, label="reference_content"), mark, 17)
        else:
            style = TEXT.but(label=label)
            flow.para(part.strip(), style.but(first=0) if fresh else style)
            fresh, label = False, "text"
    for n in range(s.pages):
        s.begin("header")
        s.text(n, 54, 48, "Granular Transport Letters 12 (2025) 0417", Style(size=8.4, italic=True), frame=-1)
        s.begin("number")
        s.text(n, 558, 48, f"0417–{n + 1}", Style(size=8.4), frame=-1, align="right")
    sizes = [(s.width, s.height)] * s.pages
    tables = [grid.truth("paper_two_columns", TABLE)]
    return Made(
        "paper_two_columns.pdf",
        s.bytes(),
        sizes,
        s.tokens,
        questions("paper_two_columns"),
        tables,
        placed,
        regions=s.regions,
    )


def display(flow: Flow, number: str, formula: Formula, latex: str) -> FormulaTruth:
    """A formula on a line of its own, its number at the right edge of the column."""
    pad = 6.0
    flow.need(formula.up + formula.down + 2 * pad)
    base = flow.y + pad + formula.up
    x = flow.box[0] + max(0.0, (flow.box[2] - flow.box[0] - 22 - formula.width) / 2)
    s = flow.sheets
    s.begin("")
    box = draw(s, flow.page, x, base, formula, frame=flow.frame)
    around = (box[0] - 2, box[1] - 2, box[2] + 2, box[3] + 2)
    s.region("display_formula", flow.page, around, frame=flow.frame).latex = latex
    s.begin("formula_number")
    s.text(flow.page, flow.box[2], base, f"({number})", Style(size=9.6), frame=flow.frame, align="right")
    flow.y, flow.top = base + formula.down + pad, False
    return FormulaTruth(flow.page, box, latex, number)
