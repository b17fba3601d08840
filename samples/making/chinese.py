"""A page of a Chinese annual report, scanned."""

from __future__ import annotations

from making.scan import Look, scan
from making.tables import Cell, Grid
from making.truth import CONTENT, Made, questions
from making.typeset import Flow, Sheets, Style

TEXT = Style(family="cjk", size=11, leading=18, after=4, first=22, align="justify")
HEAD = Style(family="cjk", size=13, leading=20, before=6, after=6, bold=True, align="center", label="paragraph_title")
SUB = Style(family="cjk", size=11.5, leading=18, before=6, after=3, bold=True, label="paragraph_title")
CAPTION = "单位：人民币元"
ROWS = (
    ("营业收入", "1,284,563,210.45", "1,143,154,854.46", "12.37%"),
    ("归属于上市公司股东的净利润", "163,920,587.16", "150,468,686.58", "8.94%"),
    ("经营活动产生的现金流量净额", "187,415,902.73", "201,338,640.20", "-6.91%"),
    ("基本每股收益（元/股）", "0.78", "0.71", "9.86%"),
    ("总资产", "2,356,781,094.62", "2,087,430,115.38", "12.90%"),
    ("归属于上市公司股东的净资产", "1,502,668,347.09", "1,398,107,760.93", "7.48%"),
)


def figures() -> Grid:
    """The ruled table of key figures."""
    cells = [
        Cell(0, i, t, align="center", bold=True) for i, t in enumerate(("项目", "2024年", "2023年", "本年比上年增减"))
    ]
    cells += [Cell(r, i, t) for r, line in enumerate(ROWS, 1) for i, t in enumerate(line)]
    style = Style(family="cjk", size=10, leading=14)
    return Grid([162, 108, 108, 82], ["left", "right", "right", "right"], cells, 1, style)


def chinese_report() -> Made:
    """The page."""
    name = "chinese_report_scan"
    s = Sheets(595, 842, "2024年年度报告", "澜川精密仪器股份有限公司")
    flow = Flow(s, [(68, 64, 528, 792)])
    grid = figures()
    for part in (CONTENT / "chinese_report.txt").read_text(encoding="utf-8").split("\n\n"):
        mark, _, rest = part.strip().partition(" ")
        if mark == "!":
            flow.para(rest, HEAD.but(size=16, leading=24, after=0, label="doc_title"))
        elif mark in {"!!", "#"}:
            flow.para(rest, HEAD)
        elif mark == "##":
            flow.para(rest, SUB)
        elif mark == "@table":
            flow.para(CAPTION, TEXT.but(first=0, align="right", size=10, after=1, label="figure_title"))
            flow.y = grid.draw(s, 0, 68, flow.y, range(grid.rows)) + 8
        else:
            flow.para(part.strip(), TEXT)
    s.begin("number")
    s.text(0, 297.5, 816, "第 12 页", Style(family="cjk", size=9), frame=-1, align="center")
    data, moves = scan(s.bytes(), [Look(dpi=170, angle=-0.9, seed=31, noise=4.5)], "扫描件")
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
