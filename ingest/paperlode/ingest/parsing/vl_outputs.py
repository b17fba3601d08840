r"""The outputs of PaddleOCR-VL that are no OTSL: text, formulas, charts, seals, and text with its places.

LaTeX comes between ``\( \)`` in the line and ``\[ \]`` on its own, sometimes doubled. PaddleX deletes every ``$`` of such a
block to make room for Markdown's delimiters, prices included; here none is deleted that stands for money.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from paperlode.ingest.document import Box, Cell, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "Quad",
    "SpottedLine",
    "clean_formula",
    "clean_seal",
    "clean_table",
    "clean_text",
    "parse_chart",
    "parse_spotting",
]

Quad = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
"""Four corners (x, y), as the model gives them: top left, top right, bottom right, bottom left of the writing."""

_SCALE = 1000
"""``<|LOC_n|>`` counts thousandths of the picture's sides (PaddleX, ``post_process_for_spotting``)."""

_MARK = re.compile(r"\\[\\$]|\\[()\[\]]")  # an escaped backslash first: the bracket of \\[2pt] opens nothing
_LINE_END = re.compile(
    r"(?<!\\)\\n(?!(?:abla|atural|cong|e|earrow|eg|eq|ewcommand|ewline|exists|geq|gtr|i|leq|leftarrow|less|mid|obreak|"
    r"oindent|olimits|onumber|ormalsize|ot|otag|otin|parallel|prec|rightarrow|sim|subseteq|succ|supseteq|u|vdash|warrow)(?![A-Za-z]))"
)
_CLOSED_BY = {r"\(": r"\)", r"\[": r"\]"}
_DOLLAR = re.compile(r"\\.|(\$)", re.DOTALL)


def clean_text(text: str) -> str:
    r"""Text of the OCR task: lines as they are, ``\( \)`` as ``$ $`` and ``\[ \]`` as ``$$ $$``.

    Every character outside a formula stays: ``costs $5 and \(x^2\)`` becomes ``costs $5 and $x^2$``. A space is put where a
    formula would touch a ``$`` or a digit, and be taken for a price. A delimiter without its partner stays as it is.
    """
    out: list[str] = []
    after_formula, last = False, ""
    for kind, said in _parts(text.replace("\r\n", "\n").replace("\r", "\n")):
        piece = _formula(kind, said) if kind else said
        if not piece:
            continue
        if last == "$" and (kind or (after_formula and (piece[0] == "$" or piece[0].isdecimal()))):
            piece = f" {piece}"
        out.append(piece)
        after_formula, last = bool(kind), piece[-1]
    return "".join(out).strip()


def clean_formula(text: str) -> str:
    r"""Text of the formula task: LaTeX without delimiters, for display; ``\tag`` and all else stays.

    Several formulas become lines (``\\``). Words beside a formula stay beside it.
    """
    parts = [(kind, latex) for kind, said in _parts(text) if (latex := _bare(said))]
    out = [parts[0][1]] if parts else []
    for (before, _), (kind, latex) in pairwise(parts):
        out.append((" \\\\\n" if before and kind else " ") + latex)
    return "".join(out)


def clean_seal(text: str) -> str:
    """Text of the seal task: its lines without the blank ones."""
    return "\n".join(t for line in clean_text(text).split("\n") if (t := line.strip()))


def clean_table(table: Table) -> Table:
    r"""The table with the LaTeX in its cells and its caption as in ``clean_text``, and lines in cells as lines.

    The model writes a line end within a cell as the two characters ``\n`` (seen in recorded outputs of 1.6); a LaTeX command that
    begins with them, as ``\nu``, stays.
    """
    cells = tuple(replace(c, text=clean_text(_lines(c.text))) for c in table.cells)
    return replace(table, cells=cells, caption=clean_text(table.caption))


def _lines(text: str) -> str:
    if r"\n" not in text:
        return text
    pieces = ((kind, said if kind else _LINE_END.sub("\n", said)) for kind, said in _parts(text))
    return "".join(f"{kind}{said}{_CLOSED_BY[kind]}" if kind else said for kind, said in pieces)


def _formula(kind: str, said: str) -> str:
    latex = _bare(said)
    if not latex:
        return ""
    return f"${' '.join(latex.split())}$" if kind == r"\(" else f"$${latex}$$"


def _parts(text: str) -> Iterator[tuple[str, str]]:
    r"""The text in order: the outermost delimiter (``\(`` or ``\[``; empty for plain text) and what stands in it.

    Delimiters around delimiters, as in ``\[\[ x \]\]``, count once. One pass: linear also for thousands that never close.
    """
    told = 0  # end of what was yielded
    opened: list[str] = []  # delimiters around what is being read, the outermost first
    before = start = 0  # where they begin, and where the formula begins
    to_close: list[str] = []  # outer delimiters of the formula just yielded
    for m in _MARK.finditer(text):
        mark = m[0]
        if mark in _CLOSED_BY:
            if not opened or text[start : m.start()].strip():
                opened, before = [], m.start()
            opened, start, to_close = [*opened[-8:], mark], m.end(), []
        elif opened and mark == _CLOSED_BY[opened[-1]]:
            yield "", text[told:before]
            yield opened[0], text[start : m.start()]
            told, to_close, opened = m.end(), opened[:-1], []
        elif to_close and mark in _CLOSED_BY.values():
            if mark == _CLOSED_BY[to_close[-1]] and not text[told : m.start()].strip():
                told, to_close = m.end(), to_close[:-1]
            else:
                to_close = []
    yield "", text[told:]


def _bare(said: str) -> str:
    r"""LaTeX without ``$`` around it; one inside is money and becomes ``\$``, or opens a formula within ``\text``."""
    latex = said.strip()
    dollars = [m.start() for m in _DOLLAR.finditer(latex) if m[1]]
    for wide in (2, 1):
        around = [*range(wide), *range(len(latex) - wide, len(latex))]
        if len(latex) > 2 * wide and dollars == around:
            return latex[wide:-wide].strip()
    nested = len(dollars) % 2 == 0 and re.search(r"\\(?:text|mbox|hbox)", latex)
    swaps = iter([(r"\(", r"\)")[i % 2] if nested else r"\$" for i in range(len(dollars))])
    return _DOLLAR.sub(lambda m: next(swaps) if m[1] else m[0], latex)


_BAR = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r":?-{3,}:?|:-+:?|-+:")


def parse_chart(text: str) -> Table | None:
    """The figures of a chart: a row a line, cells parted by ``|``, the first line with one the header; None without any ``|``.

    Lines before that are the caption; a later line without ``|`` is a row of one cell. Markdown's outer bars and its rule under
    the header are left out, and short rows stay short.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    barred = [line for line in lines if _BAR.search(line)]
    if not barred:
        return None
    boxed = all(len(line) > 1 and line[0] == line[-1] == "|" for line in barred)
    first = lines.index(barred[0])
    rows = [_chart_row(line, boxed=boxed) for line in lines[first:]]
    if len(rows) > 1 and all(_RULE.fullmatch(t) for t in rows[1]):
        del rows[1]
    cells = tuple(Cell(r, c, t) for r, row in enumerate(rows) for c, t in enumerate(row) if t)
    caption = "\n".join(clean_text(line) for line in lines[:first])
    return Table(len(rows), max(map(len, rows)), cells, min(1, len(rows) - 1), caption)


def _chart_row(line: str, *, boxed: bool) -> list[str]:
    if not _BAR.search(line):
        return [clean_text(line)]
    inner = line[1:-1] if boxed else line
    return [clean_text(t.replace(r"\|", "|")) for t in _BAR.split(inner)]


@dataclass(frozen=True, slots=True)
class SpottedLine:
    """A piece of text in a picture, and where it stands: None when the model gave no place that can be used."""

    text: str
    quad: Quad | None = None

    @property
    def box(self) -> Box | None:
        """The box around the quad."""
        if self.quad is None:
            return None
        xs, ys = [x for x, _ in self.quad], [y for _, y in self.quad]
        return Box(min(xs), min(ys), max(xs), max(ys))


_PLACE = re.compile(r"(?:<\|LOC_BEGIN\|>\s*)?((?:<\|LOC_[0-9]{1,4}\|>\s*)+)(?:<\|LOC_END\|>)?")
_NUMBER = re.compile(r"<\|LOC_([0-9]{1,4})\|>")
_SPOTTING_TAG = re.compile(r"<\|(?:TEXT_START|TEXT_END|LOC_BEGIN|LOC_END|LOC_SEP)\|>|</s>")


def parse_spotting(text: str, *, width: float, height: float) -> tuple[SpottedLine, ...]:
    """The pieces of text of the spotting task, in the model's order.

    Both forms are read that the model is known to write: text and place in their tags, and a text followed by eight numbers.
    A text without exactly one quad of numbers from 0 to 1000 is kept without a place. A place without text says nothing, and
    is left out.

    Args:
        text: the output, its special tokens not skipped.
        width: of the picture, in the units that the quads shall have.
        height: likewise.
    """
    out: list[SpottedLine] = []
    end = 0
    for m in _PLACE.finditer(text):
        said = _said(text[end : m.start()])
        out += [SpottedLine(t) for t in said[:-1]]
        if said:
            out.append(SpottedLine(said[-1], _quad([int(n) for n in _NUMBER.findall(m[1])], width, height)))
        end = m.end()
    return (*out, *(SpottedLine(t) for t in _said(text[end:])))


def _said(text: str) -> list[str]:
    """The texts of a stretch without places: each in its tags, else each line."""
    outside, *started = text.split("<|TEXT_START|>")
    texts = outside.split("\n")
    for part in started:
        inside, _, outside = part.partition("<|TEXT_END|>")
        texts += [inside, *outside.split("\n")]
    return [t for x in texts if (t := _SPOTTING_TAG.sub(" ", x).strip())]


def _quad(numbers: Sequence[int], width: float, height: float) -> Quad | None:
    if len(numbers) != 8 or max(numbers) > _SCALE:
        return None
    a, b, c, d = ((x * width / _SCALE, y * height / _SCALE) for x, y in zip(numbers[::2], numbers[1::2], strict=True))
    return a, b, c, d
