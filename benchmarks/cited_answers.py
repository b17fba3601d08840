"""Sentences of answers that cite a source, right ones and ones with a planted fault, made from chunks whose figures are known.

Each right sentence comes in one of several styles (scaled, rounded, negative, percent, dates, Chinese, words, computed), and for
each there is a sentence with one fault of a kind that language models make. The same seed gives the same sentences.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from paperlode.ingest.document import Chunk, Table

__all__ = ["DAY", "YEAR", "Case", "cases_of_table"]

WORDS = {Decimal(1000): "thousand", Decimal(10) ** 6: "million", Decimal(10) ** 9: "billion"}
YEAR = re.compile(r"(?<![\d.,$])(?:19|20)\d\d(?![\d,%]|\.\d)")
DAY = re.compile(
    r"\b(January|February|March|April|May|June|July|August|September|October|November|December) (\d{1,2}), ((?:19|20)\d\d)"
)


@dataclass(frozen=True)
class Case:
    """``kind`` is the style of a right sentence or the fault of a wrong one; ``text`` cites source 1, ``chunk``."""

    kind: str
    right: bool
    text: str
    chunk: Chunk


@dataclass(frozen=True)
class Said:
    """A cell to speak of: what a sentence calls it, its value in full, its scale, and how it is printed."""

    label: str
    when: str
    year: str
    value: Decimal
    scale: Decimal
    printed: str
    unit: str
    row: int
    col: int


def cases_of_table(chunk: Chunk, read: Callable[[Table], Any], rng: Random) -> Iterator[Case]:
    """A right sentence about one of the table's cells in each style that it allows, and one fault of each kind that it allows."""
    assert chunk.part is not None
    cells = list(_cells(read(chunk.part.table)))
    if len(cells) < 4:
        return
    for style in rng.sample(sorted(STYLES), 3):
        said = rng.choice(cells)
        text = STYLES[style](said, cells, rng)
        if text:
            yield Case(style, True, f"{text} [1].", chunk)
    for fault in rng.sample(sorted(FAULTS), 3):
        said = rng.choice(cells)
        text = FAULTS[fault](said, cells, rng)
        if text:
            yield Case(fault, False, f"{text} [1].", chunk)


def _cells(reading: Any) -> Iterator[Said]:
    """Figures that can be spoken of without doubt: the label is the only one of its name, the column has a year of its own."""
    table = reading.table
    labels: dict[str, int] = {}
    for r in range(reading.header, table.rows):
        if any(reading.value(r, c) is not None for c in range(table.cols)):
            label = _label(reading.row_paths[r])
            labels[label.lower()] = labels.get(label.lower(), 0) + 1
    years = {c: YEAR.findall(" ".join(reading.column_paths[c])) for c in range(table.cols)}
    single = [y[0] for y in years.values() if len(set(y)) == 1]
    for (r, c), cell in sorted(reading.cells.items()):
        said = reading.value(r, c)
        if said is None or said.number.nil or said.value == 0 or abs(said.number.value) < 2:
            continue
        label = _label(said.row_path)
        if len(set(years[c])) != 1 or single.count(years[c][0]) != 1:
            continue
        if labels[label.lower()] != 1 or len(re.findall(r"[A-Za-z]{3,}|[\u4e00-\u9fff]", label)) < 2 or len(label) > 90:
            continue
        if re.search(r"\d", label):
            continue
        year = years[c][0]
        yield Said(
            label, _when(year, " ".join(said.column_path)), year, said.value, said.scale, cell.text, said.unit, r, c
        )


def _label(path: tuple[str, ...]) -> str:
    own = re.sub(r"\s*[(（][^()（）]*[)）]|[:：*†]+$", "", path[-1] if path else "").strip()
    return own[0].lower() + own[1:] if own[1:2].islower() else own


def _when(year: str, head: str) -> str:
    return (
        f"at {d[0]} {d[1]}, {d[2]}"
        if (d := next(iter(DAY.findall(head)), None)) and "ended" not in head.lower()
        else f"in {year}"
    )


# -- how a figure is said


def _grouped(value: Decimal, places: int = 0) -> str:
    return f"{value:,.{places}f}"


def _chinese(said: Said) -> bool:
    return bool(re.search(r"[\u4e00-\u9fff]", said.label))


def _places(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def _money(said: Said) -> str:
    return "$" if said.unit in {"USD", "$"} else ""


def _amount(said: Said, value: Decimal | None = None) -> str:
    """``$1,577 million``; negative ones in brackets or with a minus."""
    value = said.value if value is None else value
    if said.unit == "%":
        return f"{_grouped(value, _places(value))}%"
    if said.unit.endswith("per share"):
        return f"${_grouped(value, _places(value))} per share"
    bare = value / said.scale
    word = WORDS.get(said.scale, "")
    if _chinese(said):
        return _han(value)
    text = f"{_money(said)}{_grouped(abs(bare), _places(bare))}{' ' + word if word else ''}"
    return f"-{text}" if value < 0 else text


def _han(value: Decimal, unit: str = "元") -> str:
    for power, name in ((8, "亿"), (4, "万")):
        if abs(value) >= Decimal(10) ** power:
            part = value.scaleb(-power)
            return f"{_grouped(part, _places(part))}{name}{unit}"
    return f"{_grouped(value, _places(value))}{unit}"


def _sentence(said: Said, amount: str, rng: Random) -> str:
    if _chinese(said):
        return rng.choice((f"{said.year}年，{said.label}为{amount}", f"公司{said.year}年{said.label}达{amount}"))
    return rng.choice(
        (
            f"{_capital(said.label)} was {amount} {said.when}",
            f"{_capital(said.when)}, {said.label} amounted to {amount}",
            f"The report puts {said.label} at {amount} for fiscal {said.year}" if said.when.startswith("in") else
            f"{_capital(said.label)} stood at {amount} {said.when}",
        )
    )  # fmt: skip


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _full(said: Said, _: list[Said], rng: Random) -> str:
    return _sentence(said, _amount(said), rng)


def _rounded(said: Said, _: list[Said], rng: Random) -> str:
    size = abs(said.value)
    if said.unit == "%" or said.unit.endswith("per share") or size < 10**6 or said.scale == 1:
        return ""
    if _chinese(said):
        return _sentence(said, f"约{said.value.scaleb(-8):.2f}亿元", rng) if size >= 10**8 else ""
    power = 9 if size >= 10**9 else 6
    if power == 6 and said.scale == 10**6:
        return ""
    word = WORDS[Decimal(10) ** power]
    sign = "-" if said.value < 0 else ""
    places = rng.choice((1, 2)) if size >= Decimal(3) * 10**power else 2
    return _sentence(
        said,
        f"{rng.choice(('about ', 'approximately ', ''))}{sign}{_money(said)}{size.scaleb(-power):.{places}f} {word}",
        rng,
    )


def _negative(said: Said, _: list[Said], rng: Random) -> str:
    if said.value >= 0 or _chinese(said) or said.unit == "%":
        return ""
    bare = _amount(said, -said.value)
    return _sentence(said, rng.choice((f"-{bare}", f"({bare})", f"negative {bare}")), rng)


def _unit_said(said: Said, _: list[Said], __: Random) -> str:
    if said.scale not in WORDS or said.value < 0 or _chinese(said) or said.unit not in {"USD", "$", ""}:
        return ""
    bare = said.value / said.scale
    return f"{_capital(said.label)} {said.when} (in {WORDS[said.scale]}s): {_grouped(bare, _places(bare))}"


def _two_years(said: Said, cells: list[Said], rng: Random) -> str:
    other = _other(said, cells, rng, same_row=True)
    if other is None:
        return ""
    if _chinese(said):
        return f"{said.label}{said.year}年为{_amount(said)}，{other.year}年为{_amount(other)}"
    return rng.choice(
        (
            f"{_capital(said.label)} was {_amount(said)} {said.when}, compared with {_amount(other)} {other.when}",
            f"{_capital(said.label)} went from {_amount(other)} {other.when} to {_amount(said)} {said.when}",
            f"{_capital(said.label)} was {_amount(said)} and {_amount(other)} in {said.year} and {other.year}, respectively",
        )
    )


def _two_rows(said: Said, cells: list[Said], rng: Random) -> str:
    other = _other(said, cells, rng, same_row=False)
    if other is None or _chinese(said):
        return ""
    return f"{_capital(said.when)}, {said.label} was {_amount(said)} and {other.label} was {_amount(other)}"


def _growth(said: Said, cells: list[Said], rng: Random) -> str:
    other = _other(said, cells, rng, same_row=True)
    if other is None or said.value <= 0 or other.value <= 0 or said.unit == "%":
        return ""
    if int(said.year) < int(other.year):
        said, other = other, said
    change = (said.value - other.value) / other.value * 100
    if abs(change) < Decimal("0.1") or abs(change) > 900:
        return ""
    return _grown(said, other, change)


def _grown(said: Said, other: Said, change: Decimal) -> str:
    if _chinese(said):
        way = "增长" if change > 0 else "下降"
        moved = f"由{other.year}年的{_amount(other)}变为{said.year}年的{_amount(said)}"
        return f"{said.label}{moved}，{way}{abs(change):.1f}%"
    verb = "increased" if change > 0 else "decreased"
    return f"{_capital(said.label)} {verb} {abs(change):.1f}%, from {_amount(other)} {other.when} to {_amount(said)} {said.when}"


def _ratio(said: Said, cells: list[Said], rng: Random) -> str:
    other = _other(said, cells, rng, same_row=False)
    if other is None or _chinese(said) or said.value <= 0 or other.value <= 0 or "%" in {said.unit, other.unit}:
        return ""
    share = said.value / other.value * 100
    if not 1 <= share <= 500 or said.scale != other.scale or said.unit != other.unit:
        return ""
    return f"{_capital(said.when)}, {said.label} was {share:.1f}% of {other.label} ({_amount(said)} / {_amount(other)})"


STYLES: dict[str, Callable[[Said, list[Said], Random], str]] = {
    "in full": _full, "rounded": _rounded, "negative": _negative, "unit in brackets": _unit_said, "two years": _two_years,
    "two rows": _two_rows, "growth computed": _growth, "ratio computed": _ratio,
}  # fmt: skip


# -- faults


def _other(said: Said, cells: list[Said], rng: Random, *, same_row: bool) -> Said | None:
    """Another cell of the same row, or one of the same column, that says another value."""
    near = [
        c
        for c in cells
        if c.value not in {said.value, -said.value}
        and (
            (c.row == said.row and c.col != said.col and c.year != said.year)
            if same_row
            else (c.row != said.row and c.col == said.col)
        )
    ]
    return rng.choice(near) if near else None


def _digits(text: str) -> list[int]:
    return [i for i, c in enumerate(text) if c.isdigit()]


def _digit_changed(said: Said, _: list[Said], rng: Random) -> str:
    text = _amount(said)
    at = rng.choice(_digits(text))
    new = rng.choice([d for d in "123456789" if d != text[at]])
    return _sentence(said, text[:at] + new + text[at + 1 :], rng)


def _transposed(said: Said, _: list[Said], rng: Random) -> str:
    text = _amount(said)
    places = [
        (i, j)
        for i, j in zip(_digits(text), _digits(text)[1:], strict=False)
        if text[i] != text[j] and not (text[j] == "0" and i == _digits(text)[0])
    ]
    if not places:
        return ""
    i, j = rng.choice(places)
    out = list(text)
    out[i], out[j] = out[j], out[i]
    return _sentence(said, "".join(out), rng)


def _scale_wrong(said: Said, _: list[Said], rng: Random) -> str:
    text = _amount(said)
    for a, b in (("million", "billion"), ("billion", "million"), ("thousand", "million"), ("亿", "万"), ("万", "亿")):
        if a in text:
            return _sentence(said, text.replace(a, rng.choice((b, "thousand" if a == "million" else b))), rng)
    return ""


def _scale_left_out(said: Said, _: list[Said], rng: Random) -> str:
    if said.scale == 1 or not _money(said) or _chinese(said):
        return ""
    return _sentence(said, _amount(said).rpartition(" ")[0], rng)


def _sign_wrong(said: Said, _: list[Said], rng: Random) -> str:
    if _chinese(said):
        return _sentence(said, _amount(said, -said.value), rng) if said.value > 0 else ""
    outflow = re.search(NEGATIVE, said.label, re.IGNORECASE)
    if said.value > 0 and not outflow and said.unit != "%":
        return rng.choice(
            (
                _sentence(said, _amount(said, -said.value), rng),
                f"{_capital(said.when)} there was a loss of {_amount(said)} in {said.label}",
            )
        )
    if said.value < 0 and not outflow:
        return _sentence(said, _amount(said, -said.value), rng)
    return ""


NEGATIVE = (
    r"loss|used|paid|pay|purchas|acqui|dividend|distribut|expens|cost|charge|tax|deduct|treasury|amorti|depreci|impair|redem|with"
    r"h|elimin|allowance|accumulated|decreas|declin|lower|reduc|expenditure|capital|invest|spen|settle|forfeit|cancel|unrecog|hedg|"
    r"financing|outlay|addition|provision|retire|less|repa|negative|deficit|dispos|write|buyback|repurch"
)


def _other_row(said: Said, cells: list[Said], rng: Random) -> str:
    other = _other(said, cells, rng, same_row=False)
    return _sentence(said, _amount(other), rng) if other else ""


def _other_year(said: Said, cells: list[Said], rng: Random) -> str:
    other = _other(said, cells, rng, same_row=True)
    return _sentence(said, _amount(other), rng) if other else ""


def _years_swapped(said: Said, cells: list[Said], rng: Random) -> str:
    other = _other(said, cells, rng, same_row=True)
    if other is None or _chinese(said):
        return ""
    return f"{_capital(said.label)} was {_amount(other)} {said.when}, compared with {_amount(said)} {other.when}"


def _year_unknown(said: Said, _: list[Said], rng: Random) -> str:
    wrong = str(int(said.year) - rng.choice((11, 13, 17)))
    return _sentence(said, _amount(said), rng).replace(said.year, wrong)


def _rounded_wrong(said: Said, _: list[Said], rng: Random) -> str:
    size = abs(said.value)
    if (
        said.value <= 0
        or size < 10**9
        or said.scale not in {Decimal(1000), Decimal(10) ** 6}
        or _chinese(said)
        or said.unit not in {"USD", "$", ""}
    ):
        return ""
    value = size.scaleb(-9).quantize(Decimal("0.01")) + rng.choice((-1, 1)) * rng.choice((1, 2, 3)) * Decimal("0.01")
    return _sentence(said, f"{_money(said)}{value} billion", rng)


def _growth_wrong(said: Said, cells: list[Said], rng: Random) -> str:
    other = _other(said, cells, rng, same_row=True)
    if other is None or said.value <= 0 or other.value <= 0 or said.unit == "%":
        return ""
    if int(said.year) < int(other.year):
        said, other = other, said
    change = (said.value - other.value) / other.value * 100
    if abs(change) < 1 or abs(change) > 900:
        return ""
    wrong = rng.choice((-change, change + rng.choice((-1, 1)) * Decimal(rng.choice(("0.3", "1.1", "4")))))
    return _grown(said, other, wrong) if abs(wrong) >= Decimal("0.1") and wrong != change else ""


FAULTS: dict[str, Callable[[Said, list[Said], Random], str]] = {
    "digit changed": _digit_changed, "digits transposed": _transposed, "scale wrong": _scale_wrong,
    "scale left out": _scale_left_out,
    "sign wrong": _sign_wrong, "other row's figure": _other_row, "other year's figure": _other_year,
    "years swapped": _years_swapped,
    "year not there": _year_unknown, "rounded wrong": _rounded_wrong, "computed wrong": _growth_wrong,
}  # fmt: skip
