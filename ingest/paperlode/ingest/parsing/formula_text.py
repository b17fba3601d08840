"""A digital formula's characters as LaTeX: scripts by size and baseline, fractions and roots by their rules.

Where anything is in doubt (an unmapped glyph, characters upon each other, pieces of tall brackets) the answer is None
and the caller keeps the characters as they are: an honest line of characters is better than wrong LaTeX.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from paperlode.ingest.document import Box
from paperlode.ingest.parsing.formula_glyphs import Glyph
from paperlode.ingest.parsing.formula_signs import ACCENTS, BIG, FUNCTIONS, latex_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["formula_latex", "is_wordy", "may_be_formula"]

MOST_GLYPHS = 600
"""Characters; a longer formula is left as it is."""
_SMALL = 0.88  # of the row's font size: less is a script (TeX sets 7 on 10, word processors 0.58 to 0.71)
_SHIFT = 0.12  # font sizes off the baseline that make a script
_TALL_SHIFT = 0.4
_NEAR = 1.0  # font sizes between a fraction's rule and what stands on or under it
_REACH = 1.45  # font sizes from a row's baseline to the baseline of its scripts and limits
_WIDE_GAP = 2.0  # font sizes before an equation's number
_SPACE = 0.22  # font sizes between two letters that are not of one word or product
_BRACKETS = frozenset("()[]{}|‖⟨⟩⌈⌉⌊⌋")
_WORDS = 3
_LONGEST = 200  # characters of a formula among the text
_NUMBER = re.compile(r"\([A-Z]?\.?\d{1,3}(?:\.\d{1,3})*[a-z]?\)")
_RELATION = re.compile(r"[=<>≤≥≈≡≠∼∝∈⊂⊆→∫∑∏√]")


def may_be_formula(text: str) -> bool:
    """Whether a line of characters can be a formula: a relation or a great sign, letters, and no words."""
    if len(text) > _LONGEST or not _RELATION.search(text):
        return False
    words = re.findall(r"[^\W\d_]{3,}", text)
    return all(w.lower() in FUNCTIONS for w in words) and any(c.isalpha() for c in text)


def is_wordy(text: str) -> bool:
    """Whether what was taken for a formula is words: several of them, and no relation among them."""
    words = [w for w in re.findall(r"[^\W\d_]{3,}", text) if w.lower() not in FUNCTIONS]
    return len(words) >= _WORDS and not _RELATION.search(text)


def formula_latex(glyphs: Sequence[Glyph], rules: Sequence[Box]) -> str | None:
    """The formula as LaTeX without dollar signs; rows under each other stand in ``gathered``. None when unsure.

    Equation numbers at the end of a row are set off by a wide blank.
    """
    if not glyphs or len(glyphs) > MOST_GLYPHS:
        return None
    plain, numbers = _numbered(glyphs)
    usual = max((g.size for g in plain if g.char not in BIG and g.char not in _BRACKETS), default=0.0)
    known: list[Glyph] = []
    for g in plain:
        latex = latex_of(g.char, italic=g.italic, bold=g.bold, font=g.font)
        if latex is None:
            return None
        tall = g.char in BIG or (g.char in _BRACKETS and g.size > 1.05 * usual)
        known.append(_centred(replace(g, latex=latex), usual) if tall else replace(g, latex=latex))
    parts = _built(known, rules) if usual else None
    rows = _rows(parts) if parts else []
    written = [(_row(r), _baseline(r)) for r in rows]
    lines = [latex for latex, _ in written if latex]
    if not lines or len(lines) < len(written):
        return None
    for baseline, number in numbers:
        at = min(range(len(lines)), key=lambda i: abs(written[i][1] - baseline))
        lines[at] += f" \\qquad {number}"
    return lines[0] if len(lines) == 1 else "\\begin{gathered}\n" + " \\\\\n".join(lines) + "\n\\end{gathered}"


def _numbered(glyphs: Sequence[Glyph]) -> tuple[list[Glyph], list[tuple[float, str]]]:
    """The glyphs without the equation numbers at the right of their rows, and those with their baselines."""
    rest = list(glyphs)
    numbers: list[tuple[float, str]] = []
    for last in [g for g in glyphs if g.char == ")"]:
        row = sorted((g for g in glyphs if abs(g.baseline - last.baseline) < 1), key=lambda g: g.box.x0)
        if row[-1] is not last:
            continue
        first = len(row) - 1
        while first and row[first].box.x0 - row[first - 1].box.x1 < 0.5 * last.size:
            first -= 1
        run = row[first:]
        text = "".join(g.char for g in run)
        others = [
            g for g in glyphs if not any(g is r for r in run) and g.box.y1 > run[0].box.y0 and g.box.y0 < run[0].box.y1
        ]
        apart = all(run[0].box.x0 - g.box.x1 > _WIDE_GAP * last.size for g in others)
        if _NUMBER.fullmatch(text) and others and apart:
            numbers.append((last.baseline, text))
            rest = [g for g in rest if not any(g is r for r in run)]
    return rest, numbers


def _centred(sign: Glyph, size: float) -> Glyph:
    """A tall sign on the baseline of the row whose axis it stands on: TeX's own hang from their origin."""
    return replace(sign, size=size, baseline=(sign.box.y0 + sign.box.y1) / 2 + 0.25 * size)


def _built(glyphs: list[Glyph], rules: Sequence[Box]) -> list[Glyph] | None:
    """Fractions and roots made one part each, from the shortest rule to the longest, so that inner ones come first."""
    parts = list(glyphs)
    for rule in sorted(rules, key=lambda r: r.width):
        inside = [p for p in parts if rule.x0 - 1.5 <= (p.box.x0 + p.box.x1) / 2 <= rule.x1 + 1.5]
        size = max((p.size for p in inside), default=0.0)
        y = (rule.y0 + rule.y1) / 2
        above = _stacked([p for p in inside if p.box.y1 <= y + 0.15 * p.size], y, size)
        below = _stacked([p for p in inside if p.box.y0 >= y - 0.15 * p.size], y, size)
        sign = next(
            (
                p
                for p in parts
                if p.char == "√"
                and abs(p.box.x1 - rule.x0) < 0.3 * max(p.size, size)
                and abs(p.box.y0 - y) < 0.35 * size
            ),
            None,
        )
        if sign is not None:  # all that stands between its rule and its foot
            foot = sign.box.y1 + 0.15 * size
            below = [
                p for p in inside if p is not sign and p.box.y0 >= y - 0.15 * size and p.box.y1 <= foot + 0.3 * size
            ]
        if sign is not None and below:
            part = _one([sign, *below], rule, "\\sqrt{%s}", [below])
            gone = {id(p) for p in (sign, *below)}
        elif above and below:
            part = _one([*above, *below], rule, "\\frac{%s}{%s}", [above, below])
            gone = {id(p) for p in (*above, *below)}
        elif above or below:
            return None if _touches(rule, [*above, *below]) else _built(parts, [r for r in rules if r is not rule])
        else:
            continue
        if part is None:
            return None
        parts = [p for p in parts if id(p) not in gone] + [part]
    return parts


def _stacked(parts: Sequence[Glyph], y: float, size: float) -> list[Glyph]:
    """Of the parts on one side of a rule at ``y`` those next to it, and those beside them in their row."""
    near = [p for p in parts if min(abs(y - p.box.y1), abs(p.box.y0 - y)) < _NEAR * size]
    if not near:
        return []
    reach = Box.around(p.box for p in near)
    return [p for p in parts if reach.y0 <= (p.box.y0 + p.box.y1) / 2 <= reach.y1]


def _touches(rule: Box, near: Sequence[Glyph]) -> bool:
    """Whether a rule without a fraction is an overline or underline that would be lost."""
    return any(min(abs(rule.y0 - p.box.y1), abs(p.box.y0 - rule.y1)) < 0.35 * p.size for p in near)


def _one(parts: Sequence[Glyph], rule: Box, form: str, groups: Sequence[Sequence[Glyph]]) -> Glyph | None:
    inner: list[str] = []
    for group in groups:
        rows = _rows(list(group))
        latex = _row(rows[0]) if len(rows) == 1 else None
        if not latex:
            return None
        inner.append(latex)
    box = Box.around([rule, *(p.box for p in parts)])
    size = max(p.size for p in parts)
    root = form.startswith("\\sqrt")
    line = max((p.baseline for p in groups[0] if p.size >= _SMALL * size), default=box.y1)
    baseline = line if root else (rule.y0 + rule.y1) / 2 + 0.25 * size
    return Glyph("", box, baseline, size, latex=form % tuple(inner))


def _rows(parts: list[Glyph]) -> list[list[Glyph]]:
    """Parts of full size clustered by baseline, top to bottom; each smaller part goes to the row that is nearest."""
    size = max(p.size for p in parts)
    full = sorted((p for p in parts if p.size >= _SMALL * size), key=lambda p: p.baseline)
    rows: list[list[Glyph]] = []
    for p in full:
        if rows and p.baseline - rows[-1][-1].baseline <= _SHIFT * size:
            rows[-1].append(p)
        else:
            rows.append([p])
    lines = [_baseline(r) for r in rows]
    merged: list[list[Glyph]] = []
    heights: list[float] = []
    for row, line in zip(rows, lines, strict=True):  # full-size marks that are merely shifted: primes, tall signs
        if merged and line - heights[-1] < 0.75 * size:
            heavier = len(row) > len(merged[-1])
            merged[-1] += row
            heights[-1] = line if heavier else heights[-1]
        else:
            merged.append(list(row))
            heights.append(line)
    for p in parts:
        if p.size < _SMALL * size:
            at = min(range(len(merged)), key=lambda i: _distance(p, merged[i], heights[i]))
            merged[at].append(p)
    return merged


def _distance(part: Glyph, row: Sequence[Glyph], baseline: float) -> float:
    """From a script to a row: up or down from its baseline, and sideways to its nearest part of full size."""
    sideways = min(max(0.0, p.box.x0 - part.box.x1, part.box.x0 - p.box.x1) for p in row)
    return abs(part.baseline - baseline) + 0.5 * sideways


def _baseline(row: Sequence[Glyph]) -> float:
    votes = Counter(round(p.baseline, 1) for p in row)
    return max(votes, key=lambda y: (votes[y], y))


def _row(parts: Sequence[Glyph]) -> str | None:
    """One row left to right: a base, what is above and below it, the next base."""
    size = max(p.size for p in parts)
    base = _baseline([p for p in parts if p.size >= _SMALL * size])
    ordered = sorted(parts, key=lambda p: (p.box.x0, p.baseline))
    bases = [p for p in ordered if p.size >= _SMALL * size and abs(p.baseline - base) <= _slack(p) * size]
    others = [p for p in ordered if p not in bases]
    if not bases or any(abs(p.baseline - base) > _REACH * size or p.size >= _SMALL * size for p in others):
        return None
    marks = [p for p in bases if p.char in ACCENTS]
    bases = _accented(bases, marks)
    if not bases or any(
        b.box.x0 < a.box.x1 - 0.5 * min(a.box.width, b.box.width)
        for a, b in pairwise(bases)
        if min(a.box.width, b.box.width) > 1
    ):
        return None
    owned: dict[int, list[Glyph]] = {}
    for p in others:
        owned.setdefault(_owner(p, bases), []).append(p)
    if -1 in owned:
        return None
    out: list[tuple[Glyph, str]] = []
    for i, b in enumerate(bases):
        scripts = _scripts(owned.get(i, []), base, size)
        if scripts is None:
            return None
        out.append((b, b.latex + scripts))
    return _written(out, size)


def _slack(part: Glyph) -> float:
    """Font sizes off the baseline at which a part still stands on it: tall signs stand on the axis, and not exactly."""
    return _TALL_SHIFT if part.char in BIG or part.char in _BRACKETS or "\\sqrt" in part.latex[:5] else _SHIFT


def _accented(parts: Sequence[Glyph], marks: Sequence[Glyph]) -> list[Glyph]:
    """The bases with hats, bars and dots put on the letters they stand over; none where one stands over nothing."""
    out = [p for p in parts if p not in marks]
    for m in marks:
        middle = (m.box.x0 + m.box.x1) / 2
        at = next((i for i, p in enumerate(out) if p.box.x0 - 0.5 <= middle <= p.box.x1 + 0.5), None)
        if at is None:
            return []
        out[at] = replace(out[at], latex=f"\\{ACCENTS[m.char]}{{{out[at].latex}}}")
    return out


def _owner(part: Glyph, bases: Sequence[Glyph]) -> int:
    """Index of the base a script belongs to: the tall sign it stands over or under, else the last one left of it."""
    middle = (part.box.x0 + part.box.x1) / 2
    for i, b in enumerate(bases):
        outside = part.box.y1 <= b.box.y0 + 1 or part.box.y0 >= b.box.y1 - 1
        if b.char in BIG and outside and b.box.x0 - 1.2 * part.size <= middle <= b.box.x1 + 0.3 * part.size:
            return i
    return max((i for i, b in enumerate(bases) if b.box.x0 < part.box.x0 + 0.1), default=-1)


def _scripts(parts: Sequence[Glyph], base: float, size: float) -> str | None:
    low = [p for p in parts if p.baseline > base + 0.02 * size]
    high = [p for p in parts if p.baseline <= base + 0.02 * size]
    out = ""
    for mark, group in (("_", low), ("^", high)):
        if not group:
            continue
        rows = _rows(group)
        latex = _row(rows[0]) if len(rows) == 1 else None
        if latex is None:
            return None
        primes = mark == "^" and re.fullmatch(r"(?:\\prime ?)+", latex)
        out += "'" * latex.count("prime") if primes else f"{mark}{{{latex}}}"
    return out


def _written(parts: Sequence[tuple[Glyph, str]], size: float) -> str:
    """The row's parts as LaTeX: upright letters that touch are one word, letters apart keep a blank."""
    out = ""
    i = 0
    while i < len(parts):
        glyph, latex = parts[i]
        j = i + 1
        if _upright(glyph) and latex == glyph.latex:
            while j < len(parts) and _upright(parts[j][0]) and parts[j][0].box.x0 - parts[j - 1][0].box.x1 < 0.2 * size:
                j += 1
                if parts[j - 1][1] != parts[j - 1][0].latex:
                    break
            word = "".join(g.char for g, _ in parts[i:j])
            if len(word) > 1:
                last, with_scripts = parts[j - 1]
                latex = (f"\\{word}" if word in FUNCTIONS else f"\\mathrm{{{word}}}") + with_scripts[len(last.latex) :]
        gap = glyph.box.x0 - parts[i - 1][0].box.x1 if i else 0.0
        if re.search(r"\\[A-Za-z]+$", out):
            out += " " if latex[:1].isalpha() else ""
        elif i and gap > _SPACE * size and _letter(glyph) and _letter(parts[i - 1][0]):
            out += "\\ "
        out += latex
        i = j
    return out


def _letter(glyph: Glyph) -> bool:
    return glyph.char.isascii() and glyph.char.isalpha()


def _upright(glyph: Glyph) -> bool:
    return _letter(glyph) and not glyph.italic and not glyph.bold
