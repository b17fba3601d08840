"""The two contracts: one digital with schedules, one short and scanned."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from making.scan import Look, scan
from making.tables import Cell, Grid
from making.truth import CONTENT, Made, questions
from making.typeset import GREY, Flow, Sheets, Style, width

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = Style(size=11, leading=14.6, after=7.5, align="justify")
SMALL = Style(size=9, leading=11.5)
HEAD = Style(size=11.5, leading=15, before=9, after=5, bold=True, keep=32, label="paragraph_title")
PART = HEAD.but(size=13, leading=18, before=14, keep=60)
TITLE = Style(size=15, leading=20, after=10, align="center", bold=True, label="doc_title")
CAPTION = Style(size=10, leading=14.6, after=5, bold=True, label="figure_title")
CELL = Style(size=9.5, leading=12)
_CLAUSE = re.compile(r"(\d+\.\d+|\([a-z0-9A-Z]\)) (.*)", re.DOTALL)

Entry = tuple[str, int]

PRODUCTS = (
    ("Propeller hubs", "C95800", "BC-1100", "Hub, 4 blades, 1.4 m", 96, 318000),
    ("Propeller hubs", "C95800", "BC-1110", "Hub, 4 blades, 1.8 m", 120, 486000),
    ("Propeller hubs", "C95800", "BC-1120", "Hub, 5 blades, 2.2 m", 64, 742500),
    ("Propeller blades", "C95800", "BC-2100", "Blade, 1.4 m", 384, 114500),
    ("Propeller blades", "C95800", "BC-2110", "Blade, 1.8 m", 480, 169000),
    ("Propeller blades", "C95800", "BC-2120", "Blade, skewed, 2.2 m", 256, 231500),
    ("Stern gear", "C90500", "BC-3100", "Stern tube bush", 210, 61500),
    ("Stern gear", "C90500", "BC-3110", "Stern tube housing", 210, 198000),
    ("Stern gear", "C90500", "BC-3120", "Shaft bracket", 140, 224000),
    ("Tunnel thruster", "C95500", "BC-4100", "Tunnel ring", 75, 335000),
    ("Tunnel thruster", "C95500", "BC-4110", "Gear housing", 75, 510500),
    ("Tunnel thruster", "C95500", "BC-4120", "Nozzle segment", 150, 127500),
)
"""Family, alloy, part number, description, pieces a year, unit price in cents; families are three parts each."""
PRICES_CAPTION = "Table 1. Products, estimated quantities and prices for Contract Year 1 (prices in euros)"
INDICATORS = (
    ("Deliveries complete and on time", "per cent of order lines", "97.0", "92.0", "1.0% of the month’s invoices"),
    ("Parts rejected", "parts per million", "350", "900", "EUR 4,000"),
    ("Time to answer a claim", "Business Days", "2", "5", "EUR 500 per claim"),
    ("Certificates missing at arrival", "deliveries per quarter", "0", "3", "EUR 750 per delivery"),
    ("Forecast capacity kept free", "per cent of binding Forecast", "115", "105", "none"),
)
INDICATORS_CAPTION = "Table 2. Performance indicators and service credits"
EXHIBIT = (
    ("Ammonia compressor, 250 kW", "3", "monthly", "October 14, 2025"),
    ("Evaporative condenser", "2", "quarterly", "November 4, 2025"),
    ("Screw air compressor, 90 kW", "4", "monthly", "September 22, 2025"),
    ("Main switchboard, 480 V", "1", "yearly", "March 9, 2026"),
    ("Standby generator, 600 kVA", "1", "half-yearly", "January 12, 2026"),
)
EXHIBIT_CAPTION = "Exhibit A. Equipment and inspections"


def euros(cents: int) -> str:
    return f"{cents // 100:,}.{cents % 100:02d}"


def heads(*texts: str) -> list[Cell]:
    """One header row."""
    return [Cell(0, i, t, align="center", bold=True) for i, t in enumerate(texts)]


def price_table() -> Grid:
    """Schedule 1: product families span their rows."""
    cells = heads("Family", "Alloy", "Part number", "Description", "Quantity per year", "Unit price", "Value per year")
    total = 0
    for row, (family, alloy, number, text, quantity, price) in enumerate(PRODUCTS, 1):
        if row % 3 == 1:
            cells += [Cell(row, 0, family, row_span=3), Cell(row, 1, alloy, row_span=3)]
        value = quantity * price
        total += value
        cells += [Cell(row, i, t) for i, t in enumerate((number, text, str(quantity), euros(price), euros(value)), 2)]
    last = len(PRODUCTS) + 1
    cells += [Cell(last, 0, "Total", col_span=6, bold=True), Cell(last, 6, euros(total), bold=True)]
    aligns = ["left", "left", "left", "left", "right", "right", "right"]
    return Grid([66, 48, 56, 104, 52, 56, 74], aligns, cells, 1, CELL)


def indicator_table() -> Grid:
    """Schedule 2."""
    cells = heads("Indicator", "Unit", "Target", "Threshold", "Credit below threshold")
    cells += [Cell(r, i, t) for r, line in enumerate(INDICATORS, 1) for i, t in enumerate(line)]
    return Grid([136, 104, 48, 60, 108], ["left", "left", "right", "right", "left"], cells, 1, CELL)


def exhibit_table() -> Grid:
    """Exhibit A of the scanned contract."""
    cells = heads("Equipment", "Units", "Inspection", "First inspection")
    cells += [Cell(r, i, t) for r, line in enumerate(EXHIBIT, 1) for i, t in enumerate(line)]
    return Grid([186, 50, 96, 120], ["left", "right", "left", "left"], cells, 1, CELL.but(size=10, leading=12.5))


def pour(flow: Flow, name: str, style: Style, head: Style, inserts: dict[str, Callable[[], None]]) -> list[Entry]:
    """Pour a contract's text with its inserts (``@name``); returns its headings and the pages they fell on."""
    entries = []
    for part in (CONTENT / name).read_text(encoding="utf-8").split("\n\n"):
        text = part.strip()
        if text.startswith("@"):
            inserts[text[1:]]()
        elif text.startswith("## "):
            flow.para(text[3:], PART)
            entries.append((text[3:], flow.page))
        elif text.startswith("# "):
            number, title = text[2:].split(" ", 1)
            flow.para(title, head.but(left=36), number, 36)
            entries.append((text[2:], flow.page))
        elif text.startswith("= "):
            flow.para(text[2:], style.but(left=36))
        elif m := _CLAUSE.match(text):
            deep = m[1].startswith("(") and m[1][1].islower()
            flow.para(m[2], style.but(left=58 if deep else 36), m[1], 22 if deep else 36)
        else:
            flow.para(text, style)
    return entries


def place(flow: Flow, grid: Grid, caption: str, style: Style, after: float) -> None:
    """A table under its caption, centred, never parted from it."""
    flow.need(style.before + style.leading + style.after + sum(grid.height(r) for r in range(grid.rows)))
    flow.para(caption, style)
    x = (flow.box[0] + flow.box[2] - sum(grid.widths)) / 2
    flow.y = grid.draw(flow.sheets, flow.page, x, flow.y, range(grid.rows)) + after


def contents(flow: Flow, entries: list[Entry]) -> None:
    """The table of contents with dot leaders."""
    flow.para("Contents", HEAD.but(size=14, leading=20, after=12, keep=0))
    dot = width(".", TEXT.face(), TEXT.size)
    flow.sheets.begin("content")
    for title, page in entries:
        base = flow.y + 14
        flow.sheets.text(flow.page, flow.box[2], base, str(page + 1), TEXT, align="right")
        end = flow.sheets.text(flow.page, flow.box[0], base, title, TEXT)
        dots = "." * int((flow.box[2] - 26 - end) / dot)
        flow.sheets.text(flow.page, flow.box[2] - 20, base, dots, TEXT.but(colour=GREY), frame=-1, align="right")
        flow.y += 20.5


def signature(flow: Flow, party: str, person: str, role: str, date: str) -> None:
    """A signature block with a scribble of its own."""
    flow.need(110)
    flow.para(f"Signed for **{party}**", TEXT.but(before=22, after=38, align="left"))
    x, y, s = flow.box[0], flow.y, flow.sheets
    high = [4 + ord(c) * (i + 5) % 19 for i, c in enumerate(person)]
    pen = [(x + 8 + 6.5 * i, y - 5 - (h if i % 2 else h / 5)) for i, h in enumerate(high)]
    shape = s.pdf[flow.page].new_shape()
    for i in range(0, len(pen) - 3, 2):
        a, b, c, d = pen[i : i + 4]
        shape.draw_bezier(((a[0] + b[0]) / 2, (a[1] + b[1]) / 2), b, c, ((c[0] + d[0]) / 2, (c[1] + d[1]) / 2))
    shape.finish(color=(0.08, 0.12, 0.45), width=1.0, closePath=False)
    shape.commit()
    s.rule(flow.page, (x, y), (x + 210, y))
    s.begin("text")
    s.text(flow.page, x + 260, y - 3, f"Date: {date}", TEXT)
    flow.para(f"{person}, {role}", TEXT.but(align="left"))


def furniture(sheets: Sheets, head: str, foot: str, first: int = 0) -> None:
    """Running header and footer with the page's number of all pages."""
    left, right = 72.0, sheets.width - 72.0
    grey = SMALL.but(colour=GREY)
    for n in range(first, sheets.pages):
        sheets.begin("header")
        sheets.text(n, left, 46, head, grey.but(italic=True), frame=-1)
        sheets.rule(n, (left, 51), (right, 51), weight=0.4, colour=GREY)
        sheets.begin("footer")
        sheets.text(n, left, sheets.height - 40, foot, grey, frame=-1)
        sheets.begin("number")
        sheets.text(n, right, sheets.height - 40, f"Page {n + 1} of {sheets.pages}", grey, frame=-1, align="right")


def cover(flow: Flow) -> None:
    """The title page."""
    flow.y, middle = 190, TEXT.but(align="center")
    flow.para("MASTER SUPPLY AGREEMENT", TITLE.but(size=19, leading=25, after=24))
    flow.para("for bronze castings and machined parts", middle.but(italic=True, after=40))
    parties = ("**TIDEWELL PROPULSION AS**", "as Buyer", "and", "**BRACKENFELL CASTINGS LIMITED**", "as Supplier")
    for line in ("between", *parties):
        flow.para(line, middle.but(after=10, size=12))
    flow.para("dated 3 March 2025", middle.but(before=44, after=4))
    flow.para("Contract number TP-MSA-2025-031", middle)
    flow.next_page()


def set_supply(entries: list[Entry]) -> tuple[Sheets, list[Entry], list[dict[str, Any]]]:
    """One pass over the contract; returns where its headings fell, for the table of contents of the next pass."""
    s = Sheets(612, 792, "Master Supply Agreement", "Tidewell Propulsion AS")
    flow = Flow(s, [(72, 78, 540, 726)])
    cover(flow)
    contents(flow, entries)
    flow.next_page()
    flow.para("MASTER SUPPLY AGREEMENT", TITLE)
    grids = [price_table(), indicator_table()]

    def sign() -> None:
        signature(flow, "TIDEWELL PROPULSION AS", "Ragnhild Moe Tveit", "Chief Executive Officer", "3 March 2025")
        signature(flow, "BRACKENFELL CASTINGS LIMITED", "Alasdair J. Pym", "Commercial Director", "3 March 2025")

    inserts = {
        "page": flow.next_page,
        "prices": lambda: place(flow, grids[0], PRICES_CAPTION, CAPTION, 14),
        "indicators": lambda: place(flow, grids[1], INDICATORS_CAPTION, CAPTION, 16),
        "signatures": sign,
    }
    found = pour(flow, "supply_agreement.txt", TEXT, HEAD, inserts)
    head = "Master Supply Agreement – Tidewell Propulsion AS / Brackenfell Castings Limited"
    furniture(s, head, "TP-MSA-2025-031", 1)
    captions = (PRICES_CAPTION, INDICATORS_CAPTION)
    return s, found, [g.truth("supply_agreement", c) for g, c in zip(grids, captions, strict=True)]


def supply_agreement() -> Made:
    """The digital contract."""
    _, entries, _ = set_supply([])
    s, again, tables = set_supply(entries)
    if again != entries:
        raise RuntimeError("the table of contents moved the text")
    sizes = [(s.width, s.height)] * s.pages
    return Made(
        "supply_agreement.pdf", s.bytes(), sizes, s.tokens, questions("supply_agreement"), tables, regions=s.regions
    )


def service_agreement() -> Made:
    """The scanned contract: three pages, each fed a little differently."""
    name = "service_agreement_scan"
    s = Sheets(612, 792, "Maintenance Services Agreement", "Kestrel & Rowe Facilities LLC")
    flow = Flow(s, [(74, 70, 540, 734)])
    style = Style(size=10.5, leading=13.2, after=5)
    flow.para("FACILITY MAINTENANCE SERVICES AGREEMENT", TITLE.but(size=14, leading=20))
    grid = exhibit_table()

    def sign() -> None:
        signature(flow, "LINDENMOOR FOODS, INC.", "Theodora K. Vance", "Plant Manager", "August 18, 2025")
        signature(flow, "KESTREL & ROWE FACILITIES LLC", "Marcus Oyelaran", "Contract Director", "August 18, 2025")

    inserts = {
        "exhibit": lambda: place(flow, grid, EXHIBIT_CAPTION, style.but(bold=True, before=8, label="figure_title"), 12),
        "signatures": sign,
    }
    pour(flow, "service_agreement.txt", style, HEAD.but(size=11, leading=14, before=6, after=4), inserts)
    for n in range(s.pages):
        s.begin("number")
        s.text(n, 306, 762, f"- {n + 1} -", style, frame=-1, align="center")
    looks = [Look(angle=1.3, seed=11), Look(angle=1.1, seed=12, shade=16), Look(angle=-1.4, seed=13)]
    data, moves = scan(s.bytes(), looks, "Scan 2025-08-19")
    tables = [grid.truth(name, EXHIBIT_CAPTION)]
    sizes = [(s.width, s.height)] * s.pages
    return Made(
        f"{name}.pdf", data, sizes, s.tokens, questions(name), tables, moves=moves, layer="scan", regions=s.regions
    )
