"""The one cell of a table that answers a question for one figure, or nothing where more than one might.

A cell is given when the question names its row (by the row's label, or a synonym), its column (by period, and by the name where
several columns are of that period), and leaves nothing open that another cell would answer as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paperlode.ingest.document import PageBox  # noqa: TC001  pydantic reads the annotations

from .assigned_periods import compatible
from .cell_naming import terms
from .periods import Period, blanked, periods
from .scripts import cjk_share
from .table_parts import with_neighbours
from .wording import without_brackets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from decimal import Decimal

    from paperlode.ingest.document import Chunk

    from .search import Hit
    from .table_meaning import FigureMeaning, ReadTable, TableMeaning

__all__ = ["FigureAnswer", "FigureFinder", "asks_one_figure"]

LEAST_SCORE = 0.75
"""Of a cell that is given; 1 where the question names its row, column and table whole and says nothing else."""
AHEAD = 0.06
"""By which the best cell must lead one with another value."""
_ASKS = re.compile(
    r"\b(?:what(?:'s|’s)?\s+(?:was|is|were|are|(?:percent|percentage|amount|number|value)\b)|how\s+(?:much|many)|specify|state|give|"
    r"(?:total|amount|value|number)\s+of|amount\b)|多少|是几|金额|数额|为何值|几(?:个|名|家|元)|(?:额|率|数|值|利润|收入|成本|费用)(?:是|为)?[?？]?$",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"\b(?:why|how did|which|who|when|where|does|did\b(?!.*\bhow much\b)|explain|describe|list|compare|both|respectively|each|"
    r"highest|lowest|largest|smallest|most|least|percent\w* of .* (?:to|over)|per\s?cent\w* change|and how)\b"
    r"|为什么|哪|如何|比较|谁|说明|列出|分别|最高|最低|最大",
    re.IGNORECASE,
)
_DERIVED_WORDS = """
change difference increase decrease growth grow grew decline drop combined average ratio calculate turnover
compounded cagr higher lower increased decreased changed between margin divided days outstanding conversion sum
"""
_DERIVED = frozenset(_DERIVED_WORDS.split())
_DERIVED_HAN = re.compile(r"增长|变动|变化|差额|相差|增加|减少|平均|合计占|同比|比率")
_SCALES = {2: "hundred", 3: "thousand", 4: "ten thousand", 6: "million", 8: "hundred million", 9: "billion"}
_HAN_SCALES = {3: "千", 4: "万", 6: "百万", 7: "千万", 8: "亿", 9: "十亿"}
_ASKED = """
what how much many was were is are did do doe the amount value number figure usd dollar dollars million billion
thousand us fiscal fy year quarter end ended ending beginning reported report according state stated statement
provide company companys total for during in as by its it from which that had have has give specify recorded shown
filing document k form annual answer question based information only draw conclusion unit round decimal place
"""
_ASKED_WORDS = frozenset(_ASKED.split())
_PERCENT = re.compile(r"\bpercent(?:age)?s?\b|%|\brates?\b|比例|占比|百分|率", re.IGNORECASE)
_MONEY = re.compile(r"\bhow much\b|\bdollars?\b|\bUSD\b|[$€£¥]|金额|多少元|万元|亿元", re.IGNORECASE)
_HAN = re.compile(r"[\u4e00-\u9fff]+")
_HAN_FILLER = re.compile(
    r"公司|本公司|集团|是多少|为多少|多少|金额|数额|期末|年度?|的|是|为|在|截至|请问|末|元|万|亿|吗|呢|全年"
)


@dataclass(frozen=True, slots=True)
class FigureAnswer:
    """A cell that answers a question.

    Attributes:
        row, column: what heads it, outermost first.
        printed: the cell as printed. value: in full, the scale applied. unit: ``USD``, ``%`` and the like; may be empty.
        scale: what the printed figure is multiplied by.
        period: as the column says it; empty where none does.
        page: 0-based. boxes: the cell's own, else its chunk's.
        quote: its row as printed.
        hit: the search's hit in whose table it stands: its rank.
    """

    row: tuple[str, ...]
    column: tuple[str, ...]
    printed: str
    value: Decimal
    unit: str
    scale: Decimal
    period: str
    page: int
    boxes: tuple[PageBox, ...]
    quote: str
    hit: int

    @property
    def text(self) -> str:
        """The figure in words: ``Total assets, December 31, 2022: $ 1,420 million``."""
        names = ", ".join((*(r.strip(" :：") for r in self.row), *([" ".join(self.column)] if self.column else [])))
        chinese = cjk_share(names) > 0.5
        power = self.scale.adjusted()
        word = (_HAN_SCALES if chinese else _SCALES).get(power, "") if self.scale != 1 else ""
        shown = (
            self.printed
            if self.unit in {"", "%", "$", "¥"} or self.unit in self.printed
            else f"{self.printed} {self.unit}"
        )
        if word:
            shown = f"{self.printed} {word}{'元' if chinese and self.unit in {'CNY', '¥', ''} else ''}"
            shown += f" {self.unit}" if not chinese and self.unit not in {"", "$", "¥"} else ""
        return f"{names}{'：' if chinese else ': '}{shown}"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question taken apart."""

    terms: frozenset[str]
    han: str
    periods: tuple[Period, ...]
    percent: bool
    money: bool
    synonyms: tuple[frozenset[str], ...]
    synonyms_han: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    score: float
    hit: Hit
    chunk: Chunk
    meaning: TableMeaning
    row: int
    col: int
    figure: FigureMeaning


def asks_one_figure(question: str) -> bool:
    """Whether a question asks for a single figure that may stand in a table as it is."""
    return bool(_ASKS.search(question)) and not _OTHER.search(question)


class FigureFinder:
    """Finds the cell for a question among the tables of hits.

    Args:
        read_table: what cells mean (``paperlode.ingest.table_reading.read_table``).
        name_of: name of a document, by its digest: its words in a question name the document and no row.
        more_of: the other parts of a hit's table.
        expand: other names of what a question asks for (``capex`` gives ``capital expenditures``).
    """

    def __init__(
        self,
        read_table: ReadTable,
        *,
        name_of: Callable[[str], str] = lambda digest: digest[:12],
        more_of: Callable[[Hit], Sequence[Chunk]] = lambda _: (),
        expand: Callable[[str], Sequence[str]] = lambda _: (),
    ) -> None:
        self._read_table = read_table
        self._name_of = name_of
        self._more_of = more_of
        self._expand = expand

    def find(self, question: str, hits: Sequence[Hit]) -> FigureAnswer | None:
        """The cell that answers, or None where none does for certain."""
        if not asks_one_figure(question):
            return None
        asked = self._asked(question, hits)
        if len({p.year for p in asked.periods}) > 1:
            return None
        found = sorted(
            (f for hit in hits if hit.chunk.part is not None for f in self._cells(asked, hit)),
            key=lambda f: (-f.score, f.hit.rank),
        )
        if not found or found[0].score < LEAST_SCORE:
            return None
        best = found[0]
        if any(f.score > best.score - AHEAD and f.figure.value != best.figure.value for f in found[1:]):
            return None
        return _answer(best)

    def _asked(self, question: str, hits: Sequence[Hit]) -> _Asked:
        named = tuple(periods(question))
        left = blanked(question, list(named))
        documents = {h.document for h in hits}
        about = " ".join(re.sub(r"[_\W\d]+", " ", self._name_of(d)) for d in documents)
        names = terms(about) | terms(" ".join(h.chunk.title for h in hits[:1]))
        words = frozenset(t for t in terms(left) if t not in _ASKED_WORDS and t not in names)
        han = "".join(_HAN.findall(without_brackets(left)))
        also = tuple(self._expand(question))
        return _Asked(
            words,
            han,
            tuple(p for p in named if p.year is not None or p.quarter is not None),
            bool(_PERCENT.search(left)),
            bool(_MONEY.search(question)),
            tuple(terms(a) for a in also if terms(a)),
            tuple(a for a in also if cjk_share(a) > 0.5),
        )

    def _cells(self, asked: _Asked, hit: Hit) -> Iterator[_Found]:
        chunk = with_neighbours(hit.chunk, self._more_of(hit))
        assert chunk.part is not None
        meaning = self._read_table(chunk.part.table)
        around = f"{chunk.part.table.caption} {' '.join(chunk.heading_path)} {chunk.context}"
        said = terms(around)
        columns = {c: _columns_fit(asked, path, around) for c, path in enumerate(meaning.column_paths)}
        for row, path in enumerate(meaning.row_paths):
            score, explained = _row_fit(asked, path)
            if not score:
                continue
            for col, (fits, words) in columns.items():
                figure = meaning.value(row, col)
                if figure is None or figure.number.nil or not fits or not _unit_fits(asked, figure):
                    continue
                total = score * fits * _told(asked, explained | words, said) - 0.01 * (hit.rank - 1)
                yield _Found(total, hit, chunk, meaning, row, col, figure)


def _row_fit(asked: _Asked, path: Sequence[str]) -> tuple[float, frozenset[str]]:
    """How well the question names the row, 0 to 1, and which of its words that explains."""
    if not path:
        return 0.0, frozenset()
    own = re.sub(r"\s*[(（][^()（）]*[)）]", " ", path[-1])
    if cjk_share(own) > 0.5:
        label = re.sub(r"^[一二三四五六七八九十]+[、.]|^(?:其中|加|减)[:：]", "", "".join(own.split())).strip(":：")
        label = "".join(_HAN.findall(label))
        if len(label) > 1 and (label in asked.han or label in asked.synonyms_han):
            return (1.0 if label in asked.han else 0.95), frozenset({label})
        return 0.0, frozenset()
    label_terms = terms(own) - {"total"} or terms(own)
    above = terms(" ".join(path[:-1]))
    if not label_terms:
        return 0.0, frozenset()
    if label_terms <= asked.terms:
        return 1.0, (label_terms | above) & asked.terms
    for phrase in asked.synonyms:
        if label_terms == phrase - {"total"}:
            return 0.9, asked.terms
    missing = label_terms - asked.terms - {"net", "expense", "other", "cost", "amount"}
    if not missing and len(label_terms & asked.terms) >= 2:
        return 0.9, (label_terms | above) & asked.terms
    return 0.0, frozenset()


def _told(asked: _Asked, explained: frozenset[str], around: frozenset[str]) -> float:
    """Share of the question's words that row, column and table explain; those of the table's surroundings count in part."""
    if not asked.terms:  # Chinese: what the label leaves over
        rest = asked.han
        for word in sorted(explained, key=len, reverse=True):
            rest = rest.replace(word, "")
        if _DERIVED_HAN.search(rest):
            return 0.0
        return 1.0 if len(_HAN_FILLER.sub("", rest)) <= 6 else 0.5
    open_ = asked.terms - explained
    if open_ & _DERIVED:
        return 0.0
    left = sum(0.4 if t in around else 1.0 for t in open_)
    return max(0.0, 1.0 - left / len(asked.terms))


def _columns_fit(asked: _Asked, path: Sequence[str], around: str) -> tuple[float, frozenset[str]]:
    """How well a column fits the question's period, and which words its name explains."""
    head = " ".join(path)
    own = tuple(periods(head))
    words = terms(blanked(head, list(own))) & asked.terms
    foreign = terms(blanked(head, list(own))) - asked.terms - _COLUMN_FILLER
    fits = 1.0
    if asked.periods:
        if own:
            fits = 1.0 if all(compatible(p, own) for p in asked.periods) else 0.0
        else:
            stated = periods(around)
            fits = 0.85 if stated and any(compatible(p, (s,)) for p in asked.periods for s in stated if s.year) else 0.0
        part = re.search(r"\b(?:three|six|nine) months|quarter|thirteen weeks|13 weeks|季", head, re.IGNORECASE)
        if part and not any(p.quarter for p in asked.periods):
            fits *= 0.8
        if not part and any(p.quarter for p in asked.periods):
            fits *= 0.6
    elif own:
        fits = 0.9
    if foreign:
        fits *= 0.85
    return fits, words


_IN_COLUMNS = """
year ended ending end december january february march april may june july august september october november month
dollar million billion thousand usd amount fiscal as restated unaudited audited total
"""
_COLUMN_FILLER = frozenset(_IN_COLUMNS.split())


def _unit_fits(asked: _Asked, figure: FigureMeaning) -> bool:
    percent = figure.unit == "%"
    if percent:
        return asked.percent
    if asked.percent and not asked.money and figure.unit in {"USD", "$", "CNY", "EUR"}:
        return False
    return not (asked.money and figure.unit == "shares")


def _answer(found: _Found) -> FigureAnswer:
    figure, meaning = found.figure, found.meaning
    boxes = (figure.region,) if figure.region else found.chunk.regions
    head = " ".join(figure.column_path)
    named = periods(head)
    period = head[named[0].start : named[-1].end] if named else ""
    return FigureAnswer(
        figure.row_path,
        figure.column_path,
        " ".join(meaning.cells[found.row, found.col].text.split()),
        figure.value,
        figure.unit,
        figure.scale,
        period,
        boxes[0].page if boxes else found.hit.page,
        boxes,
        meaning.table.row_text(found.row),
        found.hit.rank,
    )
