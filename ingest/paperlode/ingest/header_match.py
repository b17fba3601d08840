"""Whether a table's first rows repeat another table's header, or are a header of its own."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from enum import Enum
from typing import TYPE_CHECKING

from paperlode.ingest.table_columns import first_cells
from paperlode.ingest.table_headers import heads_figures, is_figure, is_units_line, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.document import Cell, Table

__all__ = ["CONTINUED", "Match", "Top", "label_of", "match_header", "plain", "says_continued"]

CONTINUED = re.compile(
    r"[\s(（\[–—-]*(?<![A-Za-z])(?:(?:cont(?:inue)?['’]?d|cont)\b\.?"
    r"(?:\s+(?:from|on)\s+(?:the\s+)?(?:(?:previous|preceding|next|following)\s+page|page(?:\s+\d{1,4})?))?"
    r"|(?:(?<![\u3400-\u9fff])|(?<=表))续(?:表|上表|前表)?(?![\u3400-\u9fff])"
    r"|(?:接|续)(?:上|前)(?:页|表)|(?:转|接)下页)[\s)）\]]*",
    re.IGNORECASE,
)
"""The mark that a table or title goes on from the page before, or on the next."""
MOST_ROWS = 6
"""Rows at the top of a table that are looked at."""
SAME_WORD = 0.8
"""Likeness of two recognised words above which they are one, misread."""
SAMPLE = 40
"""Rows that show what a column usually holds."""
USUAL = 0.9
"""Share of a column's cells that must be of one sort before a cell of another sort stands out."""
FEWEST = 5
"""Cells of a column without which nothing is usual in it."""
LONG = 30
"""Characters of a cell that is no name; Chinese ones count double."""

_LABEL = re.compile(
    r"(?:table|tab\.|schedule|exhibit|表格?|附表)\s*([\dA-Z一二三四五六七八九十]{1,3}(?:[.\-–][\dA-Za-z]{1,3})*)(?![A-Za-z])",
    re.IGNORECASE,
)
_NAMES = re.compile(
    r"(?:.*\b)?(?:name|title|type|description|date|number|no\.?|item|amount|quantity|qty|unit|units|price|status|country|"
    r"remarks?|notes?|code|category|class|region|state|term|meaning|definition|owner|location|address|position|role|"
    r"value|rate|percent|currency|period|year|total|product|service|party|jurisdiction|department|reference|ref\.?)s?"
    r"|.*(?:项目|名称|编号|序号|日期|金额|数量|单位|备注|类型|类别|状态|地区|国家|说明|单价|比例|币种|期间|年度|职务|姓名|地址|内容)",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\d{1,4}[-/.年]\d{1,2}[-/.月]\d{1,4}日?|\d{1,2}[- ]?[A-Za-z]{3,9}\.?[- ,]*\d{2,4}|[A-Za-z]{3,9}\.? \d{1,2}, ?\d{4}"
)
_DATED = re.compile(
    r"(?:19|20)\d\d|\b[qh][1-4]\b|^(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?$|^\d{1,2},?$|quarter|months?|[年月]",
    re.IGNORECASE,
)
_MIXED = str.maketrans({"o": "0", "l": "1", "i": "1", "s": "5"})


class Match(Enum):
    """What the first rows of the second table say."""

    REPEATED = "the header of the first"
    OWN = "a header of its own"
    NONE = "no header"


@dataclass(frozen=True, slots=True)
class Top:
    """The verdict, and how many leading rows only repeat the first table's and can be left out."""

    match: Match
    repeated: int = 0


def says_continued(text: str) -> bool:
    """Whether a line of the text is marked as going on: at its end, in brackets or before a colon, not within a sentence."""
    for line in text.split("\n"):
        for m in CONTINUED.finditer(line):
            rest = line[m.end() :].lstrip()
            if not rest or any(ch in "()（）[]" for ch in m[0]) or not (rest[0].isalnum() or rest[0] in "'’"):
                return True
    return False


def plain(text: str) -> str:
    """A caption or heading without a mark of continuation, case, spaces and final colons."""
    return "".join(CONTINUED.sub(" ", text).casefold().split()).rstrip(".:：-–—")


def label_of(text: str) -> str:
    """``3`` of ``Table 3 (continued)``; empty where there is no label at the start."""
    m = _LABEL.match(text.strip())
    return m[1].casefold() if m else ""


def match_header(a: Table, b: Table, *, recognised: bool = False) -> Top:
    """What the first rows of ``b`` say, where ``a`` stands before it.

    Header words are compared as a whole, wherever the parser drew the lines between cells; the words of the first
    column are compared apart, as it may hold the first row's label. ``recognised`` allows for misread letters.
    """
    rows_a, rows_b = _rows(a), _rows(b)
    titles_a, titles_b = _titles(rows_a), _titles(rows_b)
    known = {plain(t) for t in a.caption.split("\n")} | {plain(t) for t in titles_a}
    labels = {x for t in (*a.caption.split("\n"), *titles_a) if (x := label_of(t))}
    for t in titles_b:
        if (x := label_of(t)) and labels and x not in labels and plain(t) not in known:
            return Top(Match.OWN)
    own = sum(plain(t) in known for t in titles_b)
    top = max(a.header_rows, len(titles_a) + 1)
    head_a = rows_a[len(titles_a) : top]
    rest = rows_b[len(titles_b) :]
    count = _repeated_rows(head_a, rest, b.header_rows - len(titles_b))
    if not count and a.header_rows and (names := _names_below(rows_a, top)):
        count = _equal_rows(names, rest)
        head_a = [*head_a, *names] if count else head_a
    if count:
        if own < len(titles_b):  # the same header under a title that is not the first's
            new = [t for t in titles_b if plain(t) not in known and not says_continued(t)]
            if new and (a.caption or titles_a):
                return Top(Match.OWN)
        whole = len(titles_b) + count
        return Top(
            Match.REPEATED, whole if _said(rows_a[: len(titles_a) + len(head_a)], rows_b[:whole], a.caption) else 0
        )
    if a.header_rows and (
        _run_together(head_a, rest, words=not _over_figures(b, rows_b))
        or any(_less_some(head_a, rest[:k]) for k in range(1, max(1, b.header_rows) + 1))
    ):
        return Top(Match.REPEATED)
    if a.header_rows and _misread(head_a, rest[: len(head_a)], recognised=recognised):
        return Top(Match.REPEATED)
    left_out = own if own == len(titles_b) and own and _said(rows_a, rows_b[:own], a.caption) else 0
    if (b.header_rows > len(titles_b) and _over_figures(b, rows_b)) or _stands_out(a, b, rows_a, rest):
        return Top(Match.OWN)
    return Top(Match.NONE, left_out)


def _rows(table: Table) -> list[list[Cell]]:
    few = min(table.rows, MOST_ROWS + SAMPLE)
    cells = tuple(first_cells(table, few))
    return [[c for c in r if c.text.strip()] for r in rows_of(replace(table, rows=few, cells=cells))]


def _titles(rows: Sequence[Sequence[Cell]]) -> list[str]:
    """The texts of the leading rows that hold one cell of words each, above a row of several."""
    out: list[str] = []
    for r in rows[:MOST_ROWS]:
        if len(r) != 1 or is_figure(r[0].text):
            break
        out.append(r[0].text)
    else:
        return []
    return out if all(label_of(t) or says_continued(t) for t in out) else [t for t in out[:1] if label_of(t)]


def _plain_words(text: str) -> list[str]:
    return CONTINUED.sub(" ", text).casefold().split()


def _words(cells: Sequence[Cell], *, first: bool) -> Counter[str]:
    out: Counter[str] = Counter()
    for c in cells:
        if (c.col == 0) is first:
            out.update(CONTINUED.sub(" ", c.text).casefold().split())
    return out


def _equal_rows(head: Sequence[Sequence[Cell]], rows: Sequence[Sequence[Cell]]) -> int:
    """How many leading ``rows`` say what ``head`` says; 0 when they say something else."""
    cells = [c for r in head for c in r]
    wanted, corner = _words(cells, first=False), _words(cells, first=True)
    if not wanted:
        return 0
    if not any(any(ch.isalpha() for ch in w) for w in wanted + corner) and len(cells) < 2:
        return 0
    so_far: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    for k, r in enumerate(rows[:MOST_ROWS], 1):
        so_far += _words(r, first=False)
        labels += _words(r, first=True)
        if so_far == wanted:
            return k if not corner or not labels or corner == labels else 0
        if so_far - wanted:
            return 0
    return 0


def _said(first: Sequence[Sequence[Cell]], second: Sequence[Sequence[Cell]], caption: str) -> bool:
    """Whether every word of ``second`` stands in ``first`` or in the caption: it can be left out without a loss."""
    if not second or any(c.row_end > second[-1][0].row for r in second[:-1] for c in r if second[-1]):
        return False
    if any(c.row_span > 1 for c in second[-1]):
        return False
    mine = Counter(w for r in first for c in r for w in _plain_words(c.text)) + Counter(_plain_words(caption))
    return not Counter(w for r in second for c in r for w in _plain_words(c.text)) - mine


def _repeated_rows(head: Sequence[Sequence[Cell]], rows: Sequence[Sequence[Cell]], own: int) -> int:
    """How many leading ``rows`` repeat ``head``, or its lower or upper rows: a title may stand over it, data under it."""
    for end in range(len(head), 0, -1):
        for start in range(end):
            count = _equal_rows(head[start:end], rows)
            if count and (end == len(head) or count >= own):
                return count
    return 0


def _names_below(rows: Sequence[list[Cell]], top: int) -> list[list[Cell]]:
    """The row of names right under what was taken for the header, when that was a title set over several columns."""
    under = rows[top] if top < len(rows) else []
    return [under] if len(under) > 2 and not any(is_figure(c.text) or len(c.text) > LONG for c in under) else []


def _over_figures(table: Table, rows: Sequence[Sequence[Cell]]) -> bool:
    """Whether figures stand under the header, section rows aside: then it is no guess."""
    below = (r for r in rows[table.header_rows :] if len(r) > 1)
    return heads_figures(table) or any(is_figure(c.text) for c in next(below, ()) if c.col > 0)


def _run_together(head: Sequence[Sequence[Cell]], rows: Sequence[Sequence[Cell]], *, words: bool) -> bool:
    """Whether one of the two headers was read into one row with what stands over or under it (the first's: over ``words``)."""
    if len(head) != 1 or not rows or len(head[0]) < 2:
        return False
    said, tops = [plain(c.text) for c in head[0]], [plain(c.text) for c in rows[0]]
    if "".join(said) == "".join(tops):
        return True
    if len(said) != len(tops):
        return False
    pairs = list(zip(said, tops, strict=True))
    if all(len(t) > len(s) and (t.startswith(s) or t.endswith(s)) for s, t in pairs):
        return True
    longer = sum(len(s) > len(t) for s, t in pairs)
    return words and longer > 1 and all(s.startswith(t) for s, t in pairs)


def _less_some(head: Sequence[Sequence[Cell]], rows: Sequence[Sequence[Cell]]) -> bool:
    """Whether the rows say most of the header and nothing else: a line of it was read as text, no date among it."""
    mine = Counter(w for r in head for w in (*_words(r, first=True).elements(), *_words(r, first=False).elements()))
    other = Counter(w for r in rows for w in (*_words(r, first=True).elements(), *_words(r, first=False).elements()))
    missing = mine - other
    if other - mine or 10 * sum(other.values()) < 6 * sum(mine.values()):
        return False
    return sum(other.values()) >= 3 and not any(_DATED.search(w) for w in missing)


def _misread(head: Sequence[Sequence[Cell]], rows: Sequence[Sequence[Cell]], *, recognised: bool) -> bool:
    """Whether the words are the header's but for letters taken for digits, or (recognised) a letter or two."""
    mine = sorted(w for r in head for c in r for w in CONTINUED.sub(" ", c.text).casefold().split())
    other = sorted(w for r in rows for c in r for w in CONTINUED.sub(" ", c.text).casefold().split())
    if not mine or len(mine) != len(other) or mine == other:
        return False
    a, b = list((Counter(mine) - Counter(other)).elements()), list((Counter(other) - Counter(mine)).elements())
    if 2 * len(a) > len(mine):
        return False
    for x in a:
        fit = next((y for y in b if x.translate(_MIXED) == y.translate(_MIXED)), None)
        if fit is None and recognised and len(x) > 3 and not any(ch.isdigit() for ch in x):
            fit = next((y for y in b if SequenceMatcher(None, x, y).ratio() >= SAME_WORD), None)
        if fit is None:
            return False
        b.remove(fit)
    return True


def _stands_out(a: Table, b: Table, rows_a: Sequence[Sequence[Cell]], rows_b: Sequence[Sequence[Cell]]) -> bool:
    """Whether the first row of ``b`` names columns: a name where a column otherwise holds dates, codes, long texts."""
    if len(rows_b) < 2 or len(rows_b[0]) < 2:
        return False
    first = rows_b[0]
    if any(is_figure(c.text) or len(c.text) > 2 * LONG for c in first):
        return False
    names = sum(bool(_NAMES.fullmatch(_bare(c))) for c in first)
    if a.header_rows and len(first) >= b.cols - 1 and names >= max(2, len(first) / 2):
        return True
    if len(first) < b.cols:
        return False
    above = rows_a[a.header_rows :] if a.cols == b.cols else []
    below = (*above, *rows_b[1:])[-SAMPLE:]
    for c in first:
        sorts = Counter(_sort(x.text) for r in below for x in r if x.col == c.col)
        total = sum(sorts.values())
        if total >= FEWEST:
            usual, n = sorts.most_common(1)[0]
            if usual != "name" and n >= USUAL * total and _sort(c.text) == "name":
                return True
    return False


def _bare(cell: Cell) -> str:
    return " ".join(cell.text.split()).strip(" :：()（）*")


def _sort(text: str) -> str:
    t = " ".join(text.split())
    if is_figure(t):
        return "figure"
    if _DATE.fullmatch(t):
        return "date"
    if len(t) + sum(ch > "\u2e7f" for ch in t) > LONG:
        return "long"
    if any(ch.isdigit() for ch in t) and " " not in t and not is_units_line(t):
        return "code"
    return "name"
