"""Which leading rows of a table are column headers, when the parser does not know."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.document import Cell, Table

__all__ = [
    "MAX_HEADER_ROWS",
    "carried_rows",
    "heads_figures",
    "infer_header_rows",
    "is_figure",
    "is_section_row",
    "is_units_line",
    "row_text",
    "rows_of",
    "table_text",
    "without_figures",
]

CELL_GAP = " | "
"""Between two cells of a row's text."""
MAX_HEADER_ROWS = 4
"""No table is given more header rows than this."""
LONGEST_HEADER = 60
"""Characters of a cell that can head a column of text."""
LONGEST_IN_HEADER = 100
"""Characters of a cell above which its row is no header, whatever it says."""

_UNITS = re.compile(
    r"(?:.{0,30}\b(?:in|expressed in|amounts? in|figures in|dollars in)\s+(?:\w+\s+){0,4}"
    r"(?:millions?|thousands?|billions?|hundreds?|dollars|euros?|units?|percent|[$€£¥%]|usd|eur|gbp|cny|rmb)\b.{0,90}"
    r"|.{0,20}(?:[$€£¥]|us\$|usd|eur|gbp|rmb)\s*(?:in\s+)?(?:millions?|thousands?|billions?|000|['’]000|m|bn|k)?.{0,60}"
    r"|(?:un)?audited|as (?:restated|reported)|[%$€£¥]"
    r"|(?:金额)?(?:单位|单位名称|货币单位|币种)\s*[:：].{0,40}|.{0,8}(?:百万|千|万|亿)?(?:元|美元|港元|港币|人民币))",
    re.IGNORECASE | re.DOTALL,
)
_FIGURES = re.compile(r"\d(?<!000)(?!00|0\b)")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATE = re.compile(
    rf"{_MONTH}\s*\d{{1,2}}\b,?|\b\d{{1,2}}\s+{_MONTH}(?!\w)|\b(?:19|20)\d\d\b|\d{{1,2}}月(?:\d{{1,2}}日)?",
    re.IGNORECASE,
)
_DAY = re.compile(r"(?<!\S)(?:[12]?\d,|3[01],|28|29|30|31)(?!\S)")
_SENTENCE = re.compile(r"\w{4,}[.;]\s*$|[。；]\s*$")
_YEAR = re.compile(
    r"(?:fy|cy|fiscal(?: year)?|[1-4]q|q[1-4]|h[12])?\s*['’]?(?:(?:19|20)\d\d)(?:\s*[-–/]\s*(?:19|20)?\d\d)?"
    r"\s*(?:年度?|e|a|f|财年)?(?:\s*[(（]?[\da-z*†‡]{1,2}[)）])?[*†‡]?(?:\s*(?:\$|%|€|£))?",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?:[($€£¥+\-−–—~<>≤≥≈%\[]|us\$|usd|eur|gbp|rmb|hk\$|c\$|a\$|约|人民币)*\s*"
    r"(?:\d[\d,.\s'’]*|[\d.,]*\.\d+)\s*"
    r"(?:%|[)\]x×]|bps?|bp|pts?|pp|million|billion|thousand|[mbk]|(?:百万|千|万|亿)?元?|[*†‡]|\([\da-z]{1,2}\)|[$€£¥])*",
    re.IGNORECASE,
)
_CARRIED = re.compile(
    r"(?:(?:sub-?total|total|balance|amount|page total)s?\s*[,:–—-]?\s*)?"
    r"(?:(?:carried|brought|carry|bring)[\s-]*(?:forward|fwd|down|over)|[cb]\s?/\s?(?:f|fwd|d|o)\.?)"
    r"(?:\s*(?:to|from)\s+(?:the\s+)?(?:next|previous|last|page)\b.{0,20})?"
    r"|(?:本页)?(?:合计|小计|余额)?[(（]?(?:承前页|过次页|承上页|转下页|接前页|承前|过次|转次页|接上页)[)）]?(?:合计|小计|余额)?",
    re.IGNORECASE,
)
_FORMULA = re.compile(r"\\\((.+)\\\)|\$([^$]+)\$", re.DOTALL)
_COMMAND = re.compile(r"\\(?:[A-Za-z]+|.)")
_NOTHING = re.compile(r"(?:[-–—−.…*]+|n\.?\s?/?\s?[am]\.?|nm|nil|none|不适用|无|\(?\$?\s*[-–—]\s*\)?%?)", re.IGNORECASE)


def rows_of(table: Table) -> list[list[Cell]]:
    """For each row the cells that start in it, left to right; in one pass over the cells."""
    rows: list[list[Cell]] = [[] for _ in range(table.rows)]
    for c in table.cells:
        if 0 <= c.row < table.rows:
            rows[c.row].append(c)
    for r in rows:
        r.sort(key=lambda c: c.col)
    return rows


def row_text(cells: Sequence[Cell]) -> str:
    """As ``Table.row_text``, from the row's cells."""
    return CELL_GAP.join(t for c in cells if (t := " ".join(c.text.split())))


def table_text(table: Table) -> str:
    """As ``Table.to_text``, in one pass over the cells: tables of thousands of rows occur."""
    lines = [table.caption] if table.caption else []
    lines += [t for r in rows_of(table) if (t := row_text(r))]
    return "\n".join(lines)


def without_figures(text: str) -> str:
    """The lines of a table's text without the cells that are only numbers, dashes or ``n/a``; years, dates and units stay.

    Lines that say the same then stand once. Empty when nothing but figures was there.
    """
    lines = []
    for line in text.split("\n"):
        cells = line.split(CELL_GAP)
        if len(cells) > 1:
            cells = [c for c in cells if _kind(c) != "data"]
        lines.append(CELL_GAP.join(cells))
    return "\n".join(t for t in dict.fromkeys(lines) if t)


def is_units_line(text: str) -> bool:
    """Whether the text only says what the figures mean: ``(In millions, except per share data)``, ``单位：元``."""
    t = " ".join(text.split()).strip()
    bare = t.strip("()（）[]【】 .:：")
    if not bare or _FIGURES.search(bare) or len(t) > 140 or (t.endswith((".", "。")) and not t.startswith(("(", "（"))):
        return False
    wrapped = t[0] in "(（[【" and t.rstrip(":：.")[-1] in ")）]】"
    return bool(_UNITS.fullmatch(bare)) and (wrapped or len(bare.split()) <= 8)


def is_section_row(cells: Sequence[Cell]) -> bool:
    """Whether only the row's first cell says something: ``Assets:`` over the rows it heads."""
    filled = [c for c in cells if c.text.strip()]
    return len(filled) == 1 and filled[0].col == 0 and not is_units_line(filled[0].text)


def infer_header_rows(table: Table) -> int:
    """The number of leading rows without data, 0 when in doubt, at most ``MAX_HEADER_ROWS``.

    Years, dates and units are header content; numbers, dashes and ``n/a`` are data. The first column never decides. A
    section row ends the header, unless it stands above the first row of column names. A table without any figures
    has one header row when its first row is full and short, and none otherwise. At least one row is left as data.
    """
    rows = rows_of(table)
    if table.rows < 2 or table.cols < 2:
        return 0
    count, years, named = 0, False, False
    for r, cells in enumerate(rows):
        kinds = {_kind(c.text) for c in cells if c.col > 0 and c.text.strip()}
        if any(len(c.text) > LONGEST_IN_HEADER and c.col > 0 for c in cells):
            kinds.add("data")
        if "data" in kinds and _is_date(cells):
            kinds = {"name"}
        if "data" in kinds or (kinds == {"year"} and years and _label(cells)):
            break
        if r >= MAX_HEADER_ROWS:
            return _text_header(rows, table.cols)
        if not kinds:
            units = any(is_units_line(c.text) for c in cells)
            if named and not units and any(c.text.strip() for c in cells):
                break
        else:
            named = True
            years = years or "year" in kinds
            count = r + 1
    else:
        return _text_header(rows, table.cols)
    if named:  # a units row right under the names belongs to the header
        while count < MAX_HEADER_ROWS and count < table.rows - 1 and _only_units(rows[count]):
            count += 1
    return min(count, table.rows - 1)


def carried_rows(table: Table) -> frozenset[int]:
    """Rows that only carry a sum over a page break: ``Carried forward``, ``Balance b/f``, ``承前页``, ``过次页``.

    They repeat what other rows say: a check of sums leaves them out.
    """
    out = set[int]()
    for r, cells in enumerate(rows_of(table)):
        names = [t for c in cells if (t := " ".join(c.text.split()).strip(" .:：")) and _kind(t) == "name"]
        if r >= table.header_rows and names and _CARRIED.fullmatch(names[0]):
            out.add(r)
    return frozenset(out)


def is_figure(text: str) -> bool:
    """Whether a cell is data: a number with its signs and units, a dash, ``n/a``; not a year."""
    return _kind(text) == "data"


def heads_figures(table: Table) -> bool:
    """Whether the first row under the header holds figures: a header found over them is no guess."""
    if not 0 < table.header_rows < table.rows:
        return False
    below = (c for c in table.cells if c.row == table.header_rows and c.col > 0)
    return any(_kind(c.text) == "data" for c in below if c.text.strip())


def _label(cells: Sequence[Cell]) -> bool:
    return any(c.col == 0 and c.text.strip() and not is_units_line(c.text) for c in cells)


def _is_date(cells: Sequence[Cell]) -> bool:
    """Whether the row is a date that was parted: ``Year ended December | 31,``."""
    text = " ".join(" ".join(c.text.split()) for c in cells)
    return bool(re.search(_MONTH, text, re.IGNORECASE)) and not re.search(r"\d", _DAY.sub(" ", _DATE.sub(" ", text)))


def _only_units(cells: Sequence[Cell]) -> bool:
    filled = [c for c in cells if c.text.strip()]
    return bool(filled) and all(is_units_line(c.text) for c in filled)


def _text_header(rows: Sequence[Sequence[Cell]], cols: int) -> int:
    """Header rows of a table whose first rows hold no figures: one, if the first row looks like names of columns."""
    first = [c for c in rows[0] if c.text.strip()]
    covered = sum(c.col_span for c in first)
    names = all(len(c.text) <= LONGEST_HEADER and not _SENTENCE.search(c.text) for c in first)
    longer = any(len(c.text) > LONGEST_HEADER for r in rows[1:] for c in r) or len(rows) > 2
    return 1 if covered >= max(2, cols - (cols > 2)) and names and longer else 0


def _kind(text: str) -> str:
    t = " ".join(text.split())
    if _YEAR.fullmatch(t):
        return "year"
    if _NOTHING.fullmatch(t) or _NUMBER.fullmatch(t) or _is_figure_in_latex(t):
        return "data"
    return "name"


def _is_figure_in_latex(text: str) -> bool:
    r"""Whether the whole cell is a formula without letters: ``\(99.93\pm0.02\)``, ``$\mathbf{4.1}$``, ``$10^{-3}$``."""
    m = _FORMULA.fullmatch(text)
    said = _COMMAND.sub(" ", m[1] or m[2]) if m else ""
    return any(c.isdecimal() for c in said) and not any(c.isalpha() for c in said)
