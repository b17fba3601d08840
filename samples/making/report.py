"""The annual report: prose, and a table of two header rows that runs over three pages."""

from __future__ import annotations

import random
from dataclasses import dataclass

from making.contract import SMALL, furniture
from making.tables import Cell, Grid
from making.truth import CONTENT, Made, questions
from making.typeset import Flow, Sheets, Style

TEXT = Style(size=10.5, leading=14.4, after=8)
HEAD = Style(family="sans", size=15, leading=19, before=14, after=7, bold=True, keep=44, label="paragraph_title")
SUB = HEAD.but(size=11.5, leading=15, before=8, after=4, keep=30)
CAPTION = Style(family="sans", size=9, leading=12, after=2, bold=True, label="figure_title")
CELL = Style(family="sans", size=8.5, leading=11)
RESULTS = "Table 1. Results by segment and half year"
UNITS = "(in millions of US dollars, except per share data)"
PEOPLE = "Table 2. Employees by region at year end (full-time equivalents)"

Halves = tuple[int, int, int, int]
"""Tenths of a million: first and second half of fiscal 2025, then of fiscal 2024."""

SEGMENTS = (
    ("Pumps and Drives", 4120, 0.345, 0.061, 0.128),
    ("Water Treatment", 2485, 0.298, 0.038, 0.119),
    ("Marine Cooling", 1860, 0.317, 0.029, 0.131),
    ("Grid Storage", 745, 0.148, 0.047, 0.102),
    ("Field Services", 1590, 0.274, 0.006, 0.116),
)
"""Name, revenue of the first half of 2024, and gross margin, research and selling costs as shares of revenue."""
SHARES = (884, 897, 901, 912)  # basic and diluted of 2025, of 2024, in tenths of a million
STAFF = (
    ("North America", 2604, 2671),
    ("Europe", 2187, 2140),
    ("Asia and Pacific", 1792, 1598),
    ("South America", 335, 309),
)


@dataclass(frozen=True, slots=True)
class Line:
    """A printed row: values of four halves; full years are added up unless given (per share data)."""

    item: str
    values: Halves
    years: tuple[str, str] = ("", "")
    bold: bool = False


def segment(name: str, base: int, margin: float, research: float, selling: float) -> list[Line]:
    """Eight rows that add up, from a fixed seed."""
    rng = random.Random(name)
    revenue: Halves = tuple(round(base * (f + rng.uniform(-0.01, 0.01))) for f in (1.085, 1.142, 1.0, 1.046))  # type: ignore[assignment]
    lift = (-0.006, 0.078, -0.05, -0.035) if name == "Grid Storage" else (0.006, 0.011, -0.004, 0.0)

    def part(share: float, wobble: float = 0.03) -> list[int]:
        return [round(v * share * (1 + rng.uniform(-wobble, wobble))) for v in revenue]

    gross = [round(v * (margin + d)) for v, d in zip(revenue, lift, strict=True)]
    cost = [v - g for v, g in zip(revenue, gross, strict=True)]
    rd, sa = part(research), part(selling)
    income = [g - r - s for g, r, s in zip(gross, rd, sa, strict=True)]
    rows = (revenue, cost, gross, rd, sa, income, part(0.041, 0.25), part(0.034, 0.05))
    names = (
        "Net revenue",
        "Cost of revenue",
        "Gross profit",
        "Research and development",
        "Selling and administrative",
        "Segment operating income",
        "Capital expenditure",
        "Depreciation",
    )
    return [Line(n, tuple(v), bold=n.startswith("Segment")) for n, v in zip(names, rows, strict=True)]  # type: ignore[arg-type]


def results() -> list[tuple[str, list[Line]]]:
    """All groups of rows: five segments, corporate, and the company."""
    groups = [(s[0], segment(*s)) for s in SEGMENTS]

    def total(i: int) -> Halves:
        return tuple(sum(g[1][i].values[h] for g in groups) for h in range(4))  # type: ignore[return-value]

    corporate: Halves = (212, 219, 204, 208)
    restructuring: Halves = (94, 47, 0, 0)
    interest: Halves = (61, 98, 58, 57)
    income: Halves = tuple(total(5)[h] - corporate[h] - restructuring[h] for h in range(4))  # type: ignore[assignment]
    before: Halves = tuple(income[h] - interest[h] for h in range(4))  # type: ignore[assignment]
    tax: Halves = tuple(round(v * 0.24) for v in before)  # type: ignore[assignment]
    net: Halves = tuple(b - t for b, t in zip(before, tax, strict=True))  # type: ignore[assignment]
    company = [Line(groups[0][1][i].item, total(i)) for i in range(5)]
    company += [
        Line("Unallocated corporate costs", corporate),
        Line("Restructuring charges", restructuring),
        Line("Operating income", income, bold=True),
        Line("Net interest expense", interest),
        Line("Income before income taxes", before),
        Line("Income taxes", tax),
        Line("Net income", net, bold=True),
        per_share("Basic earnings per share", net, SHARES[0], SHARES[2]),
        per_share("Diluted earnings per share", net, SHARES[1], SHARES[3]),
    ]
    groups.append(
        ("Corporate", [Line("Unallocated corporate costs", corporate), Line("Restructuring charges", restructuring)])
    )
    return [*groups, ("Calderwick Corporation", company)]


def per_share(item: str, net: Halves, now: int, then: int) -> Line:
    """Dollars in cents; the full year is divided anew."""
    cents: Halves = tuple(round(100 * v / d) for v, d in zip(net, (now, now, then, then), strict=True))  # type: ignore[assignment]
    years = tuple(f"{(net[i] + net[i + 1]) / d:.2f}" for i, d in ((0, now), (2, then)))
    return Line(item, cents, years)  # type: ignore[arg-type]


def amount(tenths: int) -> str:
    text = f"{abs(tenths) / 10:,.1f}"
    return "—" if not tenths else f"({text})" if tenths < 0 else text


def printed(line: Line) -> list[str]:
    """The six numbers of a row."""
    v = line.values
    if line.years[0]:
        cents = [f"{x / 100:.2f}" for x in v]
        return [cents[0], cents[1], line.years[0], cents[2], cents[3], line.years[1]]
    return [amount(x) for x in (v[0], v[1], v[0] + v[1], v[2], v[3], v[2] + v[3])]


def results_table() -> Grid:
    """Table 1."""
    cells = [
        Cell(0, 0, "Segment", row_span=2, bold=True, align="left"),
        Cell(0, 1, "Item", row_span=2, bold=True, align="left"),
        Cell(0, 2, "Fiscal 2025", col_span=3, bold=True, align="center"),
        Cell(0, 5, "Fiscal 2024", col_span=3, bold=True, align="center"),
    ]
    cells += [Cell(1, i, t, bold=True) for i, t in enumerate(("First half", "Second half", "Full year") * 2, 2)]
    row, breaks = 2, set()
    for name, lines in results():
        breaks.add(row)
        cells.append(Cell(row, 0, name, row_span=len(lines), bold=True))
        for line in lines:
            cells.append(Cell(row, 1, line.item, bold=line.bold))
            cells += [Cell(row, i, t, bold=line.bold) for i, t in enumerate(printed(line), 2)]
            row += 1
    aligns = ["left", "left"] + ["right"] * 6
    return Grid([74, 128, 42, 50, 46, 42, 50, 46], aligns, cells, 2, CELL, "statement", 4.2, frozenset(breaks))


def people_table() -> Grid:
    """Table 2."""
    cells = [Cell(0, i, t, bold=True) for i, t in enumerate(("Region", "June 30, 2025", "June 30, 2024", "Change"))]
    total = ("Total", sum(s[1] for s in STAFF), sum(s[2] for s in STAFF))
    for r, (name, now, then) in enumerate((*STAFF, total), 1):
        change = f"{now - then:+,}".replace("-", "\u2212")
        texts = (name, f"{now:,}", f"{then:,}", change)
        cells += [Cell(r, i, t, bold=name == "Total") for i, t in enumerate(texts)]
    return Grid([170, 90, 90, 80], ["left", "right", "right", "right"], cells, 1, CELL.but(size=9), "plain", 3.5)


def values() -> dict[str, str]:
    """What the prose takes from the table."""
    groups = dict(results())
    company = {x.item: x for x in groups["Calderwick Corporation"]}

    def year(item: str, first: int) -> int:
        return company[item].values[first] + company[item].values[first + 1]

    now, then = year("Net revenue", 0), year("Net revenue", 2)
    diluted = company["Diluted earnings per share"].years
    return {
        "revenue_25": amount(now),
        "revenue_24": amount(then),
        "growth": f"{100 * (now / then - 1):.1f}",
        "income_25": amount(year("Operating income", 0)),
        "restructuring_25": amount(year("Restructuring charges", 0)),
        "research_25": amount(year("Research and development", 0)),
        "diluted_25": diluted[0],
        "diluted_24": diluted[1],
        "grid_second_25": amount(groups["Grid Storage"][5].values[1]),
    }


def annual_report() -> Made:
    """The report; the big table starts below prose, fills a page, and ends above prose."""
    s = Sheets(612, 792, "Annual Report 2025", "Calderwick Corporation")
    flow = Flow(s, [(72, 80, 540, 722)])
    flow.y = 150
    big, small = results_table(), people_table()
    text = (CONTENT / "annual_report.txt").read_text(encoding="utf-8").format(**values())
    for part in text.split("\n\n"):
        mark, _, rest = part.strip().partition(" ")
        if mark == "!":
            flow.para(rest, HEAD.but(size=26, leading=34, before=0, after=2, label="doc_title"))
        elif mark == "!!":
            flow.para(rest, HEAD.but(size=13, leading=20, bold=False, after=26, label="text"))
        elif mark == "#":
            flow.para(rest, HEAD)
        elif mark == "##":
            flow.para(rest, SUB)
        elif mark == "@page":
            flow.next_page()
        elif mark == "@results":
            run_table(flow, big)
        elif mark == "@employees":
            flow.need(150)
            flow.para(PEOPLE, CAPTION.but(before=4, after=5))
            flow.y = small.draw(s, flow.page, 72, flow.y, range(small.rows)) + 16
        else:
            flow.para(part.strip(), TEXT)
    furniture(s, "Calderwick Corporation  |  Annual Report 2025", "Fiscal year ended June 30, 2025", 1)
    tables = [big.truth("annual_report", f"{RESULTS} {UNITS}"), small.truth("annual_report", PEOPLE)]
    sizes = [(s.width, s.height)] * s.pages
    return Made("annual_report.pdf", s.bytes(), sizes, s.tokens, questions("annual_report"), tables, regions=s.regions)


def run_table(flow: Flow, grid: Grid) -> None:
    """The long table: caption and units above its first part, header rows on every part, a note below its last."""
    flow.need(40 + sum(grid.height(r) for r in range(min(grid.breaks - {grid.header_rows}))))
    flow.para(RESULTS, CAPTION.but(before=4))
    flow.para(UNITS, CAPTION.but(bold=False, italic=True, after=5))
    row = 0
    while row < grid.rows:
        end = grid.fits(row, flow.room - 14)
        if end > row:
            x = (flow.sheets.width - sum(grid.widths)) / 2
            flow.y = grid.draw(flow.sheets, flow.page, x, flow.y, range(row, end))
            row = end
        if row < grid.rows:
            note = SMALL.but(italic=True)
            flow.sheets.begin("vision_footnote")
            flow.sheets.text(
                flow.page, flow.box[2], flow.y + 11, "continued on next page", note, frame=-1, align="right"
            )
            flow.next_page()
    flow.y += 4
    flow.para(
        "A dash means that there was none. Earnings per share of the halves need not add up to those of the year.",
        SMALL.but(after=14, label="vision_footnote"),
    )
