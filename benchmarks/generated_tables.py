"""Seeded documents with tables over several pages, and look-alikes that are two tables, drawn as PDFs with their truth.

    python benchmarks/generated_tables.py --count N --out DIR

Every fourth document is a trap: two tables that must stay apart, or one that a page which fails cuts in two. The same
number gives the same documents. Boxes are points, origin top left; pages are 0-based.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from drawn_tables import (
    BOTTOM,
    COUNTRIES,
    FURTHER,
    LANDSCAPE,
    LEFT,
    PHRASES,
    PLACES,
    PORTRAIT,
    ROW,
    THINGS,
    TOP,
    ZH_COUNTRIES,
    ZH_FURTHER,
    ZH_PHRASES,
    ZH_PLACES,
    ZH_THINGS,
    Put,
    Sheet,
    Style,
    draw_frame,
    draw_row,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Document", "Logical", "documents", "write_pdf"]


@dataclass(frozen=True)
class Logical:
    """One table as a reader sees it: for each of its pages the words that occur in its rows and nowhere else."""

    marks: tuple[tuple[str, ...], ...]
    body_rows: int


@dataclass(frozen=True)
class Document:
    """A generated document: its sheets, what it tests, its tables, and the pages to be taken as failed."""

    name: str
    traits: tuple[str, ...]
    sheets: tuple[Sheet, ...]
    tables: tuple[Logical, ...]
    failed: tuple[int, ...] = ()


def documents(count: int, first: int = 0) -> Iterator[Document]:
    """The documents numbered ``first`` to ``first + count``."""
    for seed in range(first, first + count):
        yield _Maker(seed).trap() if seed % 4 == 3 else _Maker(seed).table()


def write_pdf(document: Document, path: Path) -> None:
    """Draws it, with the fonts that every PDF reader has."""
    import pymupdf

    pdf: Any = pymupdf.open()
    for sheet in document.sheets:
        page = pdf.new_page(width=sheet.width, height=sheet.height)
        for p in sheet.puts:
            font = "china-s" if any(ord(c) > 0x2E80 for c in p.text) else "hebo" if p.bold else "helv"
            x = p.x - pymupdf.get_text_length(p.text, fontname=font, fontsize=p.size) if p.right else p.x
            page.insert_text((x, p.y), p.text, fontname=font, fontsize=p.size)
        for x0, y0, x1, y1 in sheet.lines:
            page.draw_line((x0, y0), (x1, y1), width=0.6)
    pdf.save(str(path), garbage=3, deflate=True)
    pdf.close()


class _Maker:
    """One document from one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = Random(seed)  # noqa: S311  nothing secret: the same number must give the same document
        self.zh = self.rng.random() < 0.35
        self.size = LANDSCAPE if self.rng.random() < 0.2 else PORTRAIT
        self.traits: list[str] = ["zh" if self.zh else "en"]
        if self.size is LANDSCAPE:
            self.traits.append("landscape")
        self.sheets: list[Sheet] = []
        self.taken: set[str] = set()

    # ------------------------------------------------------------ documents

    def table(self) -> Document:
        """One table over two to five pages."""
        rng = self.rng
        style = self._style()
        repeat = rng.choice(["no", "yes", "yes", "title", "cell"])
        pages = rng.choice([2, 2, 3, 3, 4, 5])
        extra = rng.choice(["plain", "cut", "carried", "note", "remark", "empty", "shifted", "section", "plain"])
        if extra == "cut" and not style.words:
            style = self._style(words=True)
        if extra in ("carried", "empty", "section") and style.words:
            style = self._style(words=False)
        self.traits += [
            style.border,
            f"repeat_{repeat}",
            extra,
            "words" if style.words else "figures",
            f"{len(style.header)}_header",
        ]
        caption = self._caption(3)
        marks: list[tuple[str, ...]] = []
        rows = 0
        rest = ""
        for n in range(pages):
            sheet = self._sheet(n)
            y = TOP
            if n == 0:
                y = self._paragraphs(sheet, y, 2)
                y = self._title(sheet, y, caption)
            elif repeat == "title":
                y = self._title(
                    sheet,
                    y,
                    caption
                    + (rng.choice(["（续）", "(续)"]) if self.zh else rng.choice([" (continued)", " (Cont'd)"])),
                )
            elif extra == "remark":
                y = self._remark(sheet, y)
            head = style.header if n == 0 or repeat != "no" else []
            if n and repeat == "cell":
                head = [list(r) for r in head]
                head[-1][0] += "(续)" if self.zh else " (continued)"
            here = self._shifted(style) if n and extra == "shifted" else style
            start = y
            for i, r in enumerate(head):
                y = draw_row(sheet, here, y, r, bold=True, rule=i == len(head) - 1)
            if rest:
                y = draw_row(sheet, here, y, ["", rest, *[""] * (style.cols - 2)])
                rest = ""
            last = n == pages - 1
            room = self.size[1] - BOTTOM - 24 - (26 if extra in ("note", "remark", "carried") else 0)
            many = rng.randint(4, 9) if last else int((room - y) / ROW)
            mine: list[str] = []
            if extra == "carried" and n:
                y = self._carried(sheet, here, y, down=False)
                rows += 1
            for k in range(many):
                if extra == "section" and k % 7 == 3:
                    label = self._label()
                    y = draw_row(sheet, here, y, [label, *[""] * (style.cols - 1)], bold=True)
                else:
                    cells = self._cells(style)
                    label = cells[0]
                    if extra == "empty" and n == 1:
                        cells[-2] = ""
                    if extra == "cut" and not last and k == many - 1:
                        cells[1] = rng.choice(ZH_PHRASES if self.zh else PHRASES)[: 40 if not self.zh else 19]
                        rest = rng.choice(ZH_FURTHER if self.zh else FURTHER)
                    y = draw_row(sheet, here, y, cells)
                mine.append(label)
                rows += 1
            if extra == "carried" and not last:
                y = self._carried(sheet, here, y, down=True)
                rows += 1
            draw_frame(sheet, here, start, y)
            if extra == "note" and not last:
                text = "(1) 经重述后的金额。" if self.zh else "(1) As restated for the change of method."
                sheet.puts.append(Put(LEFT, y + 14, text, 7))
            if extra == "remark" and not last and not self.zh:
                sheet.puts.append(
                    Put(LEFT, y + 14, rng.choice(["(continued on next page)", "See accompanying notes."]), 8)
                )
            if last:
                self._paragraphs(sheet, y + 24, 2)
            marks.append(tuple(mine))
        return self._document((Logical(tuple(marks), rows),))

    def trap(self) -> Document:
        """Two tables that look like one, or one that a failed page cuts."""
        rng = self.rng
        kind = rng.choice(
            [
                "other_header",
                "other_header",
                "new_caption",
                "new_heading",
                "other_dates",
                "failed_page",
                "other_words",
                "lead_in",
            ]
        )
        self.traits.append(f"trap_{kind}")
        style = self._style(
            words=kind == "other_words", header_rows=1 if kind in ("other_words", "other_dates") else None
        )
        self.traits += [style.border, "words" if style.words else "figures"]
        if kind == "failed_page":
            return self._failed(style)
        labelled = kind == "new_caption" or rng.random() < 0.4
        other = Style(style.zh, style.edges, self._other_header(style, kind), style.border, style.words)
        tables: list[Logical] = []
        for n, s in enumerate((style, other)):
            sheet = self._sheet(n)
            y = TOP
            if n == 0:
                y = self._paragraphs(sheet, y, 2)
            if (n == 0 and labelled) or kind == "new_caption":
                y = self._title(sheet, y, self._caption(3 + n))
            elif n and kind == "new_heading":
                text = (
                    rng.choice(["三、其他资产", "四、分部情况"])
                    if self.zh
                    else rng.choice(["5. Other assets", "Southern division"])
                )
                sheet.puts.append(Put(LEFT, y, text, 13, bold=True))
                y += 22
            elif n and kind == "lead_in":
                text = "各分部的明细列示如下：" if self.zh else "The amounts of the other division were as follows:"
                sheet.puts.append(Put(LEFT, y, text, 10))
                y += 18
            start = y
            for i, r in enumerate(s.header):
                y = draw_row(sheet, s, y, r, bold=True, rule=i == len(s.header) - 1)
            many = int((self.size[1] - BOTTOM - 24 - y) / ROW) if n == 0 else rng.randint(5, 12)
            mine = []
            for _ in range(many):
                cells = self._cells(s)
                mine.append(cells[0])
                y = draw_row(sheet, s, y, cells)
            draw_frame(sheet, s, start, y)
            if n:
                self._paragraphs(sheet, y + 24, 2)
            tables.append(Logical((tuple(mine),), many))
        return self._document(tuple(tables))

    def _failed(self, style: Style) -> Document:
        marks = []
        for n in range(3):
            sheet = self._sheet(n)
            y = TOP
            if n == 0:
                y = self._title(sheet, self._paragraphs(sheet, y, 2), self._caption(3))
            start = y
            for i, r in enumerate(style.header):
                y = draw_row(sheet, style, y, r, bold=True, rule=i == len(style.header) - 1)
            mine = []
            for _ in range(int((self.size[1] - BOTTOM - 24 - y) / ROW) if n < 2 else 6):
                cells = self._cells(style)
                mine.append(cells[0])
                y = draw_row(sheet, style, y, cells)
            draw_frame(sheet, style, start, y)
            if n != 1:
                marks.append(tuple(mine))
        return self._document(tuple(Logical((m,), len(m)) for m in marks), failed=(1,))

    def _document(self, tables: tuple[Logical, ...], failed: tuple[int, ...] = ()) -> Document:
        return Document(f"tables-{self.seed:04d}", tuple(self.traits), tuple(self.sheets), tables, failed)

    # ------------------------------------------------------------ parts

    def _style(self, *, words: bool | None = None, header_rows: int | None = None) -> Style:
        rng = self.rng
        is_words = rng.random() < 0.3 if words is None else words
        cols = (
            rng.randint(3, 4) if is_words else rng.choice([3, 4, 5, 5, 7] if self.size is LANDSCAPE else [3, 4, 5, 5])
        )
        width = self.size[0] - 2 * LEFT
        if is_words:
            shares = [0.24, 0.5, 0.26] if cols == 3 else [0.2, 0.46, 0.17, 0.17]
        else:
            shares = [0.34, *[0.66 / (cols - 1)] * (cols - 1)]
        edges = [LEFT]
        for s in shares:
            edges.append(edges[-1] + s * width)
        nested = not is_words and cols >= 5 and rng.random() < 0.5 and cols % 2 == 1
        if header_rows == 1:
            nested = False
        return Style(
            self.zh, edges, self._header(cols, is_words, nested), rng.choice(["ruled", "rules", "none"]), is_words
        )

    def _header(self, cols: int, words: bool, nested: bool) -> list[list[str]]:
        zh = self.zh
        if words:
            names = ["名称", "内容说明", "所在国家", "编号"] if zh else ["Name", "Description", "Country", "Code"]
            return [names[:cols]]
        if nested:
            half = (cols - 1) // 2
            top = [""] + [
                x
                for g in (("截至2023年", "截至2022年") if zh else ("Year 2023", "Year 2022"))
                for x in [g, *[""] * (half - 1)]
            ]
            sub = [["成本", "净值", "折旧"], ["Cost", "Net value", "Change"]][not zh][:half]
            return [top, ["项目" if zh else "Item", *sub, *sub]]
        years = [str(2023 - i) for i in range(cols - 1)]
        return [["项目" if zh else "Item", *(f"{y}年" if zh else y for y in years)]]

    def _other_header(self, style: Style, kind: str) -> list[list[str]]:
        zh, cols = self.zh, style.cols
        if kind in ("new_caption", "new_heading", "lead_in"):
            return style.header
        if kind == "other_dates":
            years = [str(2019 - i) for i in range(cols - 1)]
            return [[style.header[-1][0], *(f"{y}年" if zh else y for y in years)]]
        if kind == "other_words":  # by the number, not by chance: words of any kind may head a column
            plain = self.seed % 8 == 3
            english = (
                ["Department", "Responsibility", "Region", "Grade"] if plain else ["Vessel", "Cargo", "Flag", "Berth"]
            )
            return [(["部门", "职责范围", "地区", "级别"] if zh else english)[:cols]]
        names = (
            ["数量", "单价", "比例", "余额", "期末", "期初"]
            if zh
            else ["Shares", "Price", "Cost", "Rate", "Opening", "Closing"]
        )
        return [["类别" if zh else "Class", *self.rng.sample(names, cols - 1)]]

    def _label(self) -> str:
        while True:
            n = self.rng.randint(10, 999)
            text = (
                f"{self.rng.choice(ZH_PLACES)}第{n}{self.rng.choice(ZH_THINGS)}"
                if self.zh
                else f"{self.rng.choice(PLACES)} {self.rng.choice(THINGS)} no. {n}"
            )
            if text not in self.taken and not any(text in t or t in text for t in self.taken):
                self.taken.add(text)
                return text

    def _cells(self, style: Style) -> list[str]:
        rng = self.rng
        if style.words:
            phrase = rng.choice(ZH_PHRASES if self.zh else PHRASES)[: 19 if self.zh else 38].rstrip()
            more = [rng.choice(ZH_COUNTRIES if self.zh else COUNTRIES), f"{rng.choice('ABCD')}-{rng.randint(100, 999)}"]
            return [self._label(), phrase, *more][: style.cols]
        return [self._label(), *(self._figure() for _ in range(style.cols - 1))]

    def _figure(self) -> str:
        n = self.rng.randint(100, 999_999)
        return self.rng.choice([f"{n:,}", f"{n:,}", f"({n:,})", f"{n:,}", "-"])

    def _caption(self, number: int) -> str:
        if self.zh:
            return f"表{number} 各地{self.rng.choice(['资产', '合同', '存货'])}明细"
        return f"Table {number}. {self.rng.choice(['Assets', 'Contracts', 'Inventories'])} by place"

    def _sheet(self, n: int) -> Sheet:
        sheet = Sheet(*self.size)
        sheet.puts.append(
            Put(LEFT, 45, "示例股份有限公司年度报告" if self.zh else "Example Holdings plc annual report", 8)
        )
        sheet.puts.append(Put(self.size[0] / 2, self.size[1] - 35, str(n + 11), 8))
        self.sheets.append(sheet)
        return sheet

    def _paragraphs(self, sheet: Sheet, y: float, lines: int) -> float:
        text = (
            "本公司及其子公司在报告期内继续经营上述业务，相关情况在本节中说明，各项目的计量方法与上年一致。"
            if self.zh
            else "The company and its subsidiaries went on with their business during the year, and this section says how."
        )
        for _ in range(lines):
            sheet.puts.append(Put(LEFT, y, text[: 44 if self.zh else 104], 9.5))
            y += 13
        return y + 14

    def _title(self, sheet: Sheet, y: float, text: str) -> float:
        sheet.puts.append(Put(LEFT, y, text, 10, bold=True))
        return y + 12

    def _remark(self, sheet: Sheet, y: float) -> float:
        sheet.puts.append(Put(LEFT, y, "（接上页）" if self.zh else "(continued from previous page)", 8))
        return y + 14

    def _shifted(self, style: Style) -> Style:
        edges = [e + (self.rng.uniform(-5, 5) if 0 < i < style.cols else 0) for i, e in enumerate(style.edges)]
        return Style(style.zh, edges, style.header, style.border, style.words)

    def _carried(self, sheet: Sheet, style: Style, y: float, *, down: bool) -> float:
        text = ("过次页" if down else "承前页") if self.zh else ("Carried forward" if down else "Brought forward")
        return draw_row(sheet, style, y, [text, *(self._figure() for _ in range(style.cols - 1))], bold=True)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--count", type=int, default=320)
    ap.add_argument("--out", type=Path, required=True)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    for doc in documents(a.count):
        write_pdf(doc, a.out / f"{doc.name}.pdf")


if __name__ == "__main__":
    main()
