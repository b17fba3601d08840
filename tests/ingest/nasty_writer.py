"""What nasty documents are written with: words of several scripts, and a pen that puts blocks on pages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paperlode.ingest.document import (
    Block,
    Box,
    Cell,
    Finding,
    Kind,
    Layer,
    Line,
    PageBox,
    PageFailure,
    ParsedPage,
    Table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

__all__ = ["ARABIC", "CHINESE", "HEBREW", "HEIGHT", "ODD", "WIDTH", "WORDS", "Writer"]

WIDTH, HEIGHT = 612.0, 792.0
WORDS = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "a",
    "agreement",
    "shall",
    "Company",
    "revenue",
    "net",
    "income",
    "Section",
    "4.2(b)",
    "pursuant",
    "notwithstanding",
    "e.g.",
    "Inc.",
    "U.S.",
    "$1,284.50",
    "(5)",
    "30%",
    "2022",
    "antidisestablishmentarianism",
    "naïve",
    "co-operate",
    "—",
    "|",
    ">",
    "…",
    "No.",
    "Fig.",
    "fifteen",
    "ended",
    "December",
]
ARABIC = ["تعتبر", "الشركة", "مسؤولة", "عن", "جميع", "الالتزامات", "المالية", "بموجب", "هذا", "العقد", "،", "١٢٣", "؟"]
HEBREW = ["החברה", "אחראית", "לכל", "ההתחייבויות", "על", "פי", "הסכם", "זה", "2022"]
CHINESE = "营业收入 本公司 截至二〇二二年十二月三十一日 ， 。 现金流量表 单位：元 ； 股东 第三条".split()  # noqa: SIM905
_ODD = (
    "👩\u200d👩\u200d👧\u200d👦|🇩🇪|👍🏽|e\u0301\u0323\u0302|Z\u0351\u036b\u0343\u0353\u0349|\u200b|\ufeff|\u202eabc\u202c|\x00|\x01\x02"
    "|\x1b[31m|\x85|\u2028|\xa0|\u3000|\x0b|\x0c|\x1c|\u00ad|\ufffd|\U0010ffff|ﬁ|𝒳|कि"
)
ODD = tuple(_ODD.split("|"))
FLAGS = ("low_confidence", "text_layer_garbage")


class Writer:
    """Puts blocks down a page, and pages behind each other."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.done: list[ParsedPage] = []
        self.page = 0
        self.y = 60.0
        self.open: list[Block] = []

    def box(self, height: float) -> PageBox:
        rng = self.rng
        odd = rng.random()
        if odd < 0.04:  # no size
            x, y = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)
            return PageBox(self.page, Box(x, y, x + rng.choice((0.0, 50.0)), y))
        if odd < 0.08:  # over others, or off the page
            x, y = rng.uniform(-50, WIDTH), rng.uniform(-50, HEIGHT)
            return PageBox(self.page, Box(x, y, x + rng.uniform(0, 400), y + rng.uniform(0, 600)))
        box = Box(72.0, self.y, 540.0, self.y + height)
        self.y = min(self.y + height + rng.choice((2.0, 6.0, 14.0)), HEIGHT - 40)
        return PageBox(self.page, box)

    def put(self, text: str, kind: Kind = Kind.TEXT, layer: Layer = Layer.BODY, level: int | None = None) -> None:
        rng = self.rng
        count = min(30, 1 + len(text) // 80)
        region = self.box(12.0 * count)
        lines: list[Line] = []
        confidence = rng.choice((None, None, 0.5, 0.875))
        if rng.random() < 0.6 and len(text) > count:
            height = region.box.height / count
            edges = [round(i * len(text) / count) for i in range(count + 1)]
            for i in range(count):
                b = region.box
                own = PageBox(self.page, Box(b.x0, b.y0 + i * height, b.x1, b.y0 + (i + 1) * height))
                lines.append(Line(edges[i], edges[i + 1], own, confidence))
        flags = (rng.choice(FLAGS),) if rng.random() < 0.1 else ()
        findings = (Finding("ink_uncovered", "ink beside the block", (region,)),) if rng.random() < 0.1 else ()
        self.open.append(
            Block(kind, text, (region,), layer, level, confidence, tuple(lines), None, flags, findings=findings)
        )

    def table(self, table: Table, kind: Kind = Kind.TABLE) -> None:
        region = self.box(15.0 * max(1, min(table.rows, 40)))
        width = max(1.0, region.box.width / max(1, table.cols))
        cells = []
        for c in table.cells:
            x, y = region.box.x0 + c.col * width, region.box.y0 + 15.0 * (c.row % 40)
            place = PageBox(self.page, Box(x, y, x + width * c.col_span, y + 15.0 * c.row_span))
            cells.append(replace(c, region=place if self.rng.random() < 0.9 else None))
        table = replace(table, cells=tuple(cells))
        confidence = self.rng.choice((None, 0.75))
        regions = tuple(c.region for c in cells[:1] if c.region)
        findings = (Finding("sum_differs", "a total does not add up", regions),) if self.rng.random() < 0.3 else ()
        self.open.append(Block(kind, table.to_text(), (region,), confidence=confidence, table=table, findings=findings))

    def break_page(self, *, failed: bool = False, skip: int = 0) -> None:
        content = list(self.open)
        if self.rng.random() < 0.1:
            self.rng.shuffle(content)  # a reading order that jumps
        self.done.append(ParsedPage(self.page, WIDTH, HEIGHT, "nasty-1", tuple(content)))
        self.open, self.y = [], 60.0
        if failed:
            self.page += 1
            failure = PageFailure("page_timeout", "took too long")
            self.done.append(ParsedPage(self.page, WIDTH, HEIGHT, "nasty-1", failure=failure))
        self.page += 1 + skip

    # ------------------------------------------------------------ words

    def words(self, count: int, of: Sequence[str] = WORDS, glue: str = " ") -> str:
        return glue.join(self.rng.choices(of, k=count))

    def sentences(self, count: int) -> str:
        ends = (".", ".", ".", "?", ";", "")
        return " ".join(
            "The " + self.words(self.rng.randint(2, 25)) + self.rng.choice(ends) for _ in range(max(1, count))
        )

    def cell(self) -> str:
        options = (
            "",
            "",
            "12",
            "(1,234)",
            "Total",
            "2022",
            "—",
            "$",
            "n/a",
            "收入",
            "Net income",
            "a | b",
            "two\nlines",
        )
        return self.rng.choice(options) if self.rng.random() < 0.9 else self.words(self.rng.randint(1, 9))

    def grid(self, rows: int, cols: int, header: int = 1, caption: str = "") -> Table:
        cells = [Cell(r, c, f"Item {r}" if c == 0 else self.cell()) for r in range(rows) for c in range(cols)]
        return Table(rows, cols, tuple(cells), min(header, rows), caption)
