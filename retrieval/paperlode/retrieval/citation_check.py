"""Whether what an answer says stands where it says it stands: numbers, dates, names with digits, and quoted phrases.

A sentence passes when it cites a source and every one of these in it stands in a source it cites, or follows from figures
there by one operation that the sentence speaks of. What is said without numbers or quotation marks is not judged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from paperlode.ingest.document import PageBox  # noqa: TC001  pydantic reads the annotations

from .amounts import Amount, Measure, amounts, plain_characters, said_scales
from .arithmetic import Operand, derivation
from .assigned_periods import compatible, periods_of
from .evidence import folded
from .periods import Period, periods
from .wording import computed, direction, hedge, says_loss, says_negative

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .answer_sentences import Sentence
    from .evidence import Evidence, Figure

__all__ = ["CheckedFigure", "SentenceCheck", "check_sentence"]

ROUNDING = Decimal("0.05")
"""A figure may be rounded to the places it is said with, and not be further off than this share of itself."""
LONGEST = 2000
"""Characters of a sentence that is checked; a longer one does not pass."""
_PHRASES = re.compile(
    r"“([^”]{2,400})”|\"([^\"\n]{2,400})\"|「([^」]{2,400})」|『([^』]{2,400})』|‘([^’]{12,400})’(?!\w)"
)
_NAMES = re.compile(
    r"(?<![\w.$€£¥])(?:[A-Za-z]{1,12}-?\d{1,6}[A-Za-z]{0,3}|\d{1,4}-?[A-Za-z]{1,2}|\d+(?:\.\d+){2,})(?:\([a-z0-9]{1,3}\))*(?![\w%])"
)
_NO_NAME = re.compile(
    r"\d+(?:x|k|st|nd|rd|th|pp|bn|mn|s)|(?:fy|q|f)['’]?\d+|(?:usd|eur|gbp|rmb|cny|jpy|us|hk)\d+", re.IGNORECASE
)
_EXPRESSION = re.compile(r"[(][^()]*\d[^()]*\s[-/÷+×x*]\s[^()]*\d[^()]*[)]")
"""Figures that are computed with: ``(15,441 / 17,606)``."""
_ELLIPSIS = re.compile(r"\.{3}|…|\[\.\.\.\]")


@dataclass(frozen=True, slots=True)
class CheckedFigure:
    """A number or quoted phrase of an answer, and what came of looking for it.

    Attributes:
        text: as the answer says it.
        found: the row or sentence it stands in, as printed; empty where it does not.
        citation: the number of the source, None where it was not found.
        derived: how it was computed from the source's figures; empty where it stands there itself.
        problem: why it does not pass; empty where it does.
        boxes: where it stands.
    """

    text: str
    found: str = ""
    citation: int | None = None
    derived: str = ""
    problem: str = ""
    boxes: tuple[PageBox, ...] = ()


@dataclass(frozen=True, slots=True)
class SentenceCheck:
    """A sentence of an answer, and whether the sources it cites support it.

    Attributes:
        text: without citation marks. citations: numbers of the sources it cites.
        supported: whether it passes. problems: why it does not, for a person.
        figures: its numbers, dates and quoted phrases.
        lead: white space before it in the answer.
    """

    text: str
    citations: tuple[int, ...]
    supported: bool
    problems: tuple[str, ...] = ()
    figures: tuple[CheckedFigure, ...] = ()
    lead: str = ""


def check_sentence(sentence: Sentence, sources: Mapping[int, Evidence], *, question: str = "") -> SentenceCheck:
    """Compares a sentence with the sources it cites.

    Args:
        sentence: without its marks.
        sources: by their numbers in the prompt.
        question: names with digits (``3M``) may be repeated from it.
    """
    unknown = [n for n in sentence.cited if n not in sources]
    cited = [sources[n] for n in sentence.cited if n in sources]
    problems = [f"There is no source [{n}]." for n in unknown]
    if not sentence.cited:
        problems.append("It cites no source.")
    figures: list[CheckedFigure] = []
    if len(sentence.text) > LONGEST:
        problems.append("It is too long to be checked.")
    elif cited:
        figures = list(_Check(sentence.text, cited, question).figures())
        problems += [f.problem for f in figures if f.problem]
    return SentenceCheck(sentence.text, sentence.cited, not problems, tuple(problems), tuple(figures), sentence.lead)


class _Check:
    """One sentence against the sources it cites."""

    def __init__(self, text: str, cited: Sequence[Evidence], question: str) -> None:
        self._text = plain_characters(text)
        self._cited = cited
        self._question = folded(question)
        quoted = [m.span() for m in _PHRASES.finditer(self._text)]  # looked up as they are
        self._named = [p for p in periods(self._text) if not any(s <= p.start < e for s, e in quoted)]
        names = [*quoted, *_spans(_NAMES, self._text)]
        self._amounts = [a for a in amounts(self._text, self._named) if not any(s <= a.start < e for s, e in names)]
        self._scales = said_scales(self._text)

    def figures(self) -> Iterator[CheckedFigure]:
        """Everything in the sentence that can be looked up."""
        yield from self._phrases()
        yield from self._names()
        yield from map(self._period, self._named)
        open_: list[Amount] = []
        found: list[tuple[Amount, Figure, Evidence]] = []
        reasons: dict[int, str] = {}
        for a in self._amounts:
            hit, why = self._find(a)
            if hit is None:
                open_.append(a)
                reasons[a.start] = why
            else:
                found.append((a, *hit))
                yield CheckedFigure(a.text, hit[0].quote, hit[1].n, boxes=hit[0].boxes)
        for a in open_:
            derived, source = self._derived(a, found)
            if derived:
                yield CheckedFigure(a.text, citation=source, derived=derived)
            else:
                where = ", ".join(f"[{e.n}]" for e in self._cited)
                yield CheckedFigure(a.text, problem=reasons[a.start] or f"{a.text!r} does not stand in {where}.")

    # -- phrases, names, dates

    def _phrases(self) -> Iterator[CheckedFigure]:
        for m in _PHRASES.finditer(self._text):
            phrase = next(g for g in m.groups() if g)
            parts = [p for part in _ELLIPSIS.split(folded(phrase)) if (p := part.strip(" .,;:。，；"))]
            source = next((e for e in self._cited if all(p in e.folded for p in parts)), None)
            if source is not None or (len(phrase) < 30 and parts and all(p in self._question for p in parts)):
                yield CheckedFigure(phrase, phrase, source.n if source else None)
            else:
                yield CheckedFigure(phrase, problem=f"The words {phrase!r} do not stand there.")

    def _names(self) -> Iterator[CheckedFigure]:
        for m in _NAMES.finditer(self._text):
            name = m[0].lower()
            quoted = any(q.start() <= m.start() < q.end() for q in _PHRASES.finditer(self._text))
            if quoted or _NO_NAME.fullmatch(name) or any(p.start <= m.start() < p.end for p in self._named):
                continue
            source = next((e for e in self._cited if name in e.known), None)
            if source is None and name not in self._question:
                yield CheckedFigure(m[0], problem=f"{m[0]!r} does not stand there.")

    def _period(self, p: Period) -> CheckedFigure:
        said = self._text[p.start : p.end]
        source = next((e for e in self._cited if _stands(p, e)), None)
        if source is None:
            return CheckedFigure(said, problem=f"{said!r} is not named there.")
        return CheckedFigure(said, said, source.n)

    # -- amounts

    def _find(self, a: Amount) -> tuple[tuple[Figure, Evidence] | None, str]:
        """The figure that ``a`` repeats, with its source; else the reason that comes nearest to the truth."""
        why = ""
        for e in self._cited:
            for f in e.figures:
                if not self._agrees(a, f):
                    if not why and a.printed == f.printed and a.measure is f.measure and f.value != f.printed:
                        why = f"{a.text!r} stands there with another scale: {f.value:,f}."
                    continue
                reason = self._contradiction(a, f, e)
                if not reason:
                    return (f, e), ""
                why = why or reason
        return None, why

    def _agrees(self, a: Amount, f: Figure) -> bool:
        """Whether the values agree, as far as the answer rounds, and no measure or currency contradicts."""
        if a.currency and f.currency and a.currency != f.currency and len(a.currency) == len(f.currency) == 3:
            return False
        mine = [(a.value, a.step, a.measure)]
        if a.borrowed:
            mine.append((a.borrowed[0], a.step * (a.borrowed[0] / a.value if a.value else 1), a.borrowed[1]))
        if not a.scaled and a.measure is Measure.NUMBER and self._scales:
            mine += [(a.value * s, a.step * s, a.measure) for s in self._scales]
        theirs = [(f.value, f.step, f.measure), *f.others]
        how = hedge(self._text[: a.start])
        if any(_rounds(m, t, how, f) for m in mine for t in theirs):
            return True
        bare = not (a.scaled or a.currency or self._scales or a.borrowed) and a.measure is Measure.NUMBER
        return bare and f.measure is not Measure.PERCENT and a.value == f.printed

    def _contradiction(self, a: Amount, f: Figure, e: Evidence) -> str:
        """Why an equal figure is not the one meant: another sign, period, row or column; empty if it may be."""
        before, after = self._text[: a.start], self._text[a.end :]
        reason = _wrong_sign(a, f, before, after)
        if reason:
            return reason
        mine = periods_of(self._text, a, self._amounts, self._named)
        if mine and not all(compatible(p, f.periods) for p in mine):
            return f"{a.text!r} stands there for another period than {self._text[mine[0].start : mine[0].end]!r}."
        if f.table is None or f.row is None or f.col is None:
            return ""
        labels = e.tables[f.table]
        windows = self._windows(a)
        if windows == [self._text] and labels.names(f.row, self._text):
            return ""
        for place, column in ((f.row, False), (f.col, True)):
            other = labels.another(place, windows, column=column)
            if other:
                of = f.head if column else f.label
                return f"{a.text!r} is the figure of {of!r} there, not of {other!r}."
        return ""

    def _windows(self, a: Amount) -> list[str]:
        """The words around an amount in the order in which they name it."""
        if any(m.start() < a.start < m.end() for m in _EXPRESSION.finditer(self._text)):
            return [self._text]
        at = self._amounts.index(a)
        end = self._amounts[at + 1].start if at + 1 < len(self._amounts) else len(self._text)
        after = re.split(r"[,;，；。]", self._text[a.end : end])[0]
        starts = [0, *(b.end for b in self._amounts[:at])]
        before = [self._text[s : a.start] for s in reversed(starts)]
        if re.match(r"\s*(?:of|in|from|for)\b|\s*(?:was|were|came)\s+(?:from|for)\b", after):
            return [after, *before, self._text]
        return [*before[:-1], *([] if at else before[-1:]), after, self._text]

    def _derived(self, a: Amount, found: Sequence[tuple[Amount, Figure, Evidence]]) -> tuple[str, int | None]:
        operations = computed(self._text)
        if not operations:
            return "", None
        half = a.step / 2 if hedge(self._text[: a.start]) == "" else a.step
        way = direction(self._text[: a.start], self._text[a.end :])
        said = [
            Operand(f, _year(periods_of(self._text, b, self._amounts, self._named) or f.periods)) for b, f, _ in found
        ]
        how = derivation(a, operations=operations, way=way, operands=said[:6], slack=half)
        if how:
            return how, found[0][2].n
        for e in self._cited:
            for operands, allowed in self._beside(a, e):
                how = derivation(a, operations=operations & allowed, way=way, operands=operands, slack=half)
                if how:
                    return how, e.n
        return "", None

    def _beside(self, a: Amount, e: Evidence) -> Iterator[tuple[list[Operand], frozenset[str]]]:
        """Figures that were not said, but belong to what was: of one named row in two columns, of two rows in one."""
        mine = periods_of(self._text, a, self._amounts, self._named)
        figures = [f for f in e.figures if f.table is not None and f.row is not None]
        for t, labels in enumerate(e.tables):
            rows = labels.named(self._text)[:3]
            by_row = {r: [f for f in figures if f.table == t and f.row == r] for r in rows}
            for cells in by_row.values():
                for i, x in enumerate(cells):
                    if mine and not all(compatible(p, x.periods) for p in mine):
                        continue
                    for y in cells[max(0, i - 1) : i + 2]:
                        if y is not x:
                            yield (
                                [Operand(x, _year(x.periods)), Operand(y, _year(y.periods))],
                                frozenset({"growth", "difference"}),
                            )
            if len(rows) == 2:
                for x in by_row[rows[0]]:
                    for y in by_row[rows[1]]:
                        if x.col == y.col and (not mine or all(compatible(p, x.periods) for p in mine)):
                            yield [Operand(x, None), Operand(y, None)], frozenset({"ratio", "difference", "sum"})


def _rounds(
    mine: tuple[Decimal, Decimal, Measure], theirs: tuple[Decimal, Decimal, Measure], how: str, f: Figure
) -> bool:
    """Whether the answer's value is the source's, rounded to the answer's last place or as its words say."""
    (a, step, kind), (b, fine, other) = mine, theirs
    if kind is not other and not (
        kind is Measure.PERCENT and other is Measure.NUMBER and f.percent_context and not f.currency
    ):
        return False
    if a == b:
        return True
    if fine > step or abs(a - b) > ROUNDING * max(abs(b), step):
        return False
    if how == "above":
        return a <= b < a + step
    if how == "below":
        return a - step < b <= a
    if how == "about":
        step = max(step, _round_place(a))
    return abs(a - b) <= step / 2


def _round_place(a: Decimal) -> Decimal:
    """The place of the last digit that is not 0, at least two digits in: about 1,400 may be 1,417."""
    digits = a.normalize()
    exponent = digits.as_tuple().exponent
    places = len(digits.as_tuple().digits)
    return Decimal(1).scaleb(int(exponent) - (places < 2))


def _wrong_sign(a: Amount, f: Figure, before: str, after: str) -> str:
    """Why the sentence gives the figure a sign or a direction that it does not have there; empty if it does not."""
    if not f.value or f.negative is None:
        return ""
    way = direction(before, after)
    in_text = f.row is None
    theirs = direction(f.before, f.after) if in_text else 0
    if {way, theirs} == {1, -1}:
        return f"{a.text!r} goes the other way there."
    there = f"{f.before[-60:]} {f.after[:30]}" if in_text else f.own
    minus = a.negative or way < 0
    if f.negative:
        if minus:
            return ""
        if way == 1:
            return f"{a.text!r} goes the other way there."
        clause = f"{re.split(r'[;；。]', before)[-1]} {re.split(r'[,;，；。]', after)[0]}"
        return "" if says_negative(clause) or says_negative(there) else f"{a.text!r} is negative there."
    if minus and theirs >= 0 and not says_loss(there) and f.measure is not Measure.POINTS:
        return f"{a.text!r} is not negative there, and no decrease or loss."
    return ""


def _stands(p: Period, e: Evidence) -> bool:
    """Whether a source names the period: its year, its month and day, its quarter, though not always together."""
    found = e.periods
    if p.year is not None and not any(
        f.year == p.year or (p.fiscal and f.year == p.year + 1 and f.month is not None and f.month <= 3) for f in found
    ):
        bare = re.search(rf"(?<![\d.,]){p.year}(?![\d,])", e.known)
        if not bare:
            return False
    if p.day is not None:
        days = [f for f in found if f.day == p.day and f.month == p.month]
        if not any(p.year is None or f.year in {p.year, None} for f in days):
            return False
    if p.month is not None and not any(f.month == p.month for f in found):
        return False
    if p.quarter is not None and not any(f.quarter == p.quarter for f in found):
        return "three months" in e.known or "quarter" in e.known or "thirteen weeks" in e.known or "季" in e.known
    return True


def _year(found: Sequence[Period]) -> int | None:
    years = {p.year for p in found if p.year is not None}
    return years.pop() if len(years) == 1 else None


def _spans(pattern: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    return [m.span() for m in pattern.finditer(text) if not _NO_NAME.fullmatch(m[0])]
