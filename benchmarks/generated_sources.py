"""Chunks with figures known by construction: financial tables and paragraphs, English and Chinese. The seed decides all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paperlode.ingest.document import Box, Cell, Chunk, Kind, Layer, PageBox, Table, TablePart

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

__all__ = ["generated_chunks"]

ROWS = (
    "Net sales", "Cost of goods sold", "Gross profit", "Research and development", "Selling and administrative expenses",
    "Operating income", "Interest income", "Income before income taxes", "Net earnings", "Cash and cash equivalents",
    "Accounts receivable, net", "Inventories", "Total current assets", "Property and equipment, net", "Goodwill", "Total assets",
    "Accounts payable", "Deferred revenue", "Long-term debt", "Total liabilities", "Retained earnings", "Working capital",
    "Net cash provided by operating activities", "Free cash flow", "Change in receivables", "Foreign currency translation",
)  # fmt: skip
PERCENT_ROWS = ("Gross margin", "Effective tax rate", "Return on equity", "Operating margin")
ZH_ROWS = (
    "营业收入", "营业成本", "研发费用", "销售费用", "管理费用", "营业利润", "利润总额", "净利润", "货币资金", "应收账款", "存货",
    "流动资产合计", "固定资产", "资产总计", "短期借款", "应付账款", "负债合计", "未分配利润",
)  # fmt: skip
SCALES = (
    ("(in millions)", 6),
    ("(In thousands of U.S. dollars)", 3),
    ("(Dollars in millions, except percentages)", 6),
    ("(US$ in billions)", 9),
)
ZH_SCALES = (("单位：万元", 4), ("单位：百万元", 6), ("单位：元", 0))
PLACES = (
    "the Northern region",
    "Europe",
    "Asia Pacific",
    "the Consumer segment",
    "the Industrial segment",
    "our online stores",
)
SUBJECTS = (
    "Net revenue",
    "Operating income",
    "Capital expenditure",
    "Cash from operations",
    "Service revenue",
    "Order intake",
    "Backlog",
)


def generated_chunks(rng: Random, count: int) -> Iterator[Chunk]:
    """``count`` chunks: two of three are tables, a quarter is Chinese."""
    for i in range(count):
        chinese = rng.random() < 0.25
        if rng.random() < 0.67:
            yield _table(rng, i, chinese=chinese)
        elif not chinese:
            yield _chunk(i, _paragraph(rng))
        else:
            yield _chunk(i, _zh_paragraph(rng))


def _chunk(i: int, text: str, table: Table | None = None) -> Chunk:
    part = TablePart(i, table.header_rows, table.rows, table.rows, table) if table else None
    kind = Kind.TABLE if table else Kind.TEXT
    region = PageBox(i % 40, Box(50.0, 60.0, 550.0, 300.0))
    return Chunk(f"c{i}", f"{i:08x}", i, text, kind, Layer.BODY, (region,), (i, i + 1), 100, "generated", part=part)


def _table(rng: Random, i: int, *, chinese: bool) -> Chunk:
    caption, power = rng.choice(ZH_SCALES if chinese else SCALES)
    last = rng.randint(2009, 2025)
    years = list(range(last, last - rng.choice((2, 3)), -1))
    names = rng.sample(ZH_ROWS if chinese else ROWS, rng.randint(5, 11))
    if not chinese and rng.random() < 0.5:
        names.append(rng.choice(PERCENT_ROWS))
    header = 2 if rng.random() < 0.4 and not chinese else 1
    cells: list[Cell] = []
    if header == 2:
        cells.append(Cell(0, 1, rng.choice(("Years ended December 31,", "Fiscal year")), col_span=len(years)))
    cells += [Cell(header - 1, c, f"{y}年" if chinese else str(y)) for c, y in enumerate(years, 1)]
    for r, name in enumerate(names, header):
        cells.append(Cell(r, 0, name))
        size = rng.randint(2, 5)
        for c in range(1, len(years) + 1):
            cells.append(
                Cell(r, c, _cell(rng, name, size, power, dollar=r == header and not chinese), region=_place(i, r, c))
            )
    table = Table(header + len(names), len(years) + 1, tuple(cells), header_rows=header, caption=caption)
    return _chunk(i, table.to_text(), table)


def _place(i: int, row: int, col: int) -> PageBox:
    return PageBox(i % 40, Box(200.0 + 90 * col, 80.0 + 15 * row, 280.0 + 90 * col, 92.0 + 15 * row))


def _cell(rng: Random, name: str, size: int, power: int, *, dollar: bool) -> str:
    if name in PERCENT_ROWS:
        return f"{rng.uniform(2, 60):.1f}%"
    value = rng.uniform(10**size, 10 ** (size + 1)) / (1000 if power == 9 else 1)
    text = f"{value:,.{3 if power == 9 else rng.choice((0, 0, 1)) if power else 2}f}"
    negative = rng.random() < 0.3 if name.startswith(("Change", "Foreign", "Working", "Free")) else rng.random() < 0.03
    text = f"({text})" if negative else text
    return f"${text}" if dollar else text


def _paragraph(rng: Random) -> str:
    year = rng.randint(2009, 2025)
    out = []
    for subject in rng.sample(SUBJECTS, 4):
        a, b = rng.uniform(1, 900), rng.uniform(1, 900)
        up, change = a > b, abs(a - b) / b * 100
        word = rng.choice(("million", "billion"))
        verb = "increased" if up else "decreased"
        out.append(
            rng.choice(
                (
                    f"{subject} in {rng.choice(PLACES)} {verb} {change:.1f}% to ${a:,.1f} {word} in {year}.",
                    (
                        f"For the year ended December 31, {year}, {subject.lower()} was ${a:,.1f} {word}, "
                        f"compared with ${b:,.1f} {word} in {year - 1}."
                    ),
                    (
                        f"{subject} {verb} by ${abs(a - b):,.1f} {word}, mainly because of {rng.choice(PLACES)}, "
                        f"which closed {rng.randint(13, 99)} sites."
                    ),
                    (
                        f"On March {rng.randint(2, 28)}, {year}, the Company agreed to pay ${a:,.2f} million "
                        f"over {rng.randint(2, 12)} years for {rng.choice(PLACES)}."
                    ),
                )
            )
        )
    return " ".join(out)


def _zh_paragraph(rng: Random) -> str:
    year = rng.randint(2012, 2025)
    a, change = rng.uniform(1, 900), rng.uniform(1, 60)
    return (
        f"{year}年公司实现营业收入{a:.2f}亿元，同比增长{change:.1f}%。"
        f"截至{year}年12月31日，公司员工总数为{rng.randint(1200, 9800):,}人。"
        f"研发投入{rng.uniform(100, 9000):,.0f}万元，占营业收入的{rng.uniform(1, 20):.2f}%。"
    )
