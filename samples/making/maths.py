"""Display formulas set from real glyphs: boxes that know their width and their reach above and below the axis."""

from __future__ import annotations

from dataclasses import dataclass

from making.typeset import Box, Run, Sheets, width

AXIS = 0.25  # of the size: how high the fraction bar runs above the baseline


@dataclass(frozen=True, slots=True)
class Glyphs:
    """A run at an offset from the formula's origin (baseline, left end)."""

    dx: float
    dy: float
    run: Run


@dataclass(frozen=True, slots=True)
class Stroke:
    """A polyline at an offset from the formula's origin."""

    points: tuple[tuple[float, float], ...]
    weight: float


@dataclass(frozen=True, slots=True)
class Formula:
    """A piece of a formula: advance width, reach above and below the baseline, and its parts."""

    width: float
    up: float
    down: float
    parts: tuple[Glyphs | Stroke, ...]

    def moved(self, dx: float, dy: float) -> tuple[Glyphs | Stroke, ...]:
        """The parts shifted."""
        out: list[Glyphs | Stroke] = []
        for p in self.parts:
            if isinstance(p, Glyphs):
                out.append(Glyphs(p.dx + dx, p.dy + dy, p.run))
            else:
                out.append(Stroke(tuple((x + dx, y + dy) for x, y in p.points), p.weight))
        return tuple(out)


def run(text: str, face: str = "serif", size: float = 10.5) -> Formula:
    """Plain characters."""
    return Formula(width(text, face, size), 0.72 * size, 0.21 * size, (Glyphs(0, 0, Run(text, face, size)),))


def var(text: str, size: float = 10.5) -> Formula:
    """A variable: Latin letters in italics, Greek letters and signs from the symbol font."""
    greek = not text.isascii()
    f = run(text, "symbol" if greek else "serif-i", size)
    return f if greek else row(f, gap=0, after=0.08 * size)


def op(text: str, size: float = 10.5) -> Formula:
    """A relation or operator with room on both sides."""
    face = "serif" if text.isascii() else "symbol"
    f = run(text, face, size)
    pad = 0.28 * size
    return Formula(f.width + 2 * pad, f.up, f.down, f.moved(pad, 0))


def row(*parts: Formula, gap: float = 0.0, after: float = 0.0) -> Formula:
    """One after the other."""
    x = 0.0
    out: tuple[Glyphs | Stroke, ...] = ()
    for p in parts:
        out += p.moved(x, 0)
        x += p.width + gap
    return Formula(x - gap + after, max(p.up for p in parts), max(p.down for p in parts), out)


def frac(above: Formula, below: Formula, size: float = 10.5) -> Formula:
    """A fraction with its bar on the axis."""
    w = max(above.width, below.width) + 0.3 * size
    axis = -AXIS * size
    up, down = axis - 0.14 * size - above.down, axis + 0.16 * size + below.up
    parts = (
        *above.moved((w - above.width) / 2, up),
        Stroke(((0, axis), (w, axis)), 0.5),
        *below.moved((w - below.width) / 2, down),
    )
    side = 0.1 * size
    f = Formula(w, above.up - up, below.down + down, parts)
    return Formula(w + 2 * side, f.up, f.down, f.moved(side, 0))


def script(base: Formula, sub: Formula | None = None, sup: Formula | None = None) -> Formula:
    """Subscript and superscript behind ``base``."""
    parts, w, up, down = base.parts, base.width, base.up, base.down
    if sub:
        dy = 0.34 * base.up
        parts += sub.moved(base.width, dy)
        w, down = max(w, base.width + sub.width), max(down, sub.down + dy)
    if sup:
        dy = -(base.up - 0.55 * sup.up)
        parts += sup.moved(base.width, dy)
        w, up = max(w, base.width + sup.width), max(up, sup.up - dy)
    return Formula(w + 0.6, up, down, parts)


def limits(sign: str, below: Formula, above: Formula, size: float = 10.5) -> Formula:
    """A large operator with its limits below and above it."""
    big = run(sign, "symbol", 1.6 * size)
    w = max(big.width, below.width, above.width)
    drop, top, bottom = 0.28 * size, 1.15 * size, 0.75 * size
    parts = (
        *big.moved((w - big.width) / 2, drop),
        *above.moved((w - above.width) / 2, -top - above.down),
        *below.moved((w - below.width) / 2, bottom + below.up),
    )
    return Formula(w + 0.2 * size, top + above.down + above.up, bottom + below.up + below.down, parts)


def integral(below: Formula, above: Formula, size: float = 10.5) -> Formula:
    """An integral sign with its limits beside it."""
    big = run("∫", "symbol", 1.9 * size)
    parts = (
        *big.moved(0, 0.35 * size),
        *above.moved(big.width + 0.8, -0.95 * size),
        *below.moved(big.width * 0.62, 1.0 * size),
    )
    w = big.width + max(above.width, below.width - 0.33 * big.width)
    return Formula(w + 0.15 * size, 0.95 * size + above.up, 1.0 * size + below.down, parts)


def root(inside: Formula, size: float = 10.5) -> Formula:
    """A square root; its sign is the symbol font's glyph where that is tall enough, and a stroke above the radicand."""
    lead = 0.75 * size
    up, down = inside.up + 0.18 * size, inside.down
    hook = (
        (0, -0.2 * size),
        (0.18 * size, -0.3 * size),
        (0.42 * size, down),
        (lead, -up),
        (lead + inside.width + 1, -up),
    )
    return Formula(lead + inside.width + 2, up + 1, down, (Stroke(hook, 0.55), *inside.moved(lead + 0.5, 0)))


def fence(inside: Formula, size: float = 10.5, marks: str = "()") -> Formula:
    """Brackets as tall as what they hold."""
    tall = max(size, 1.02 * (inside.up + inside.down))
    left, right = run(marks[0], "serif", tall), run(marks[1], "serif", tall)
    middle = (inside.down - inside.up) / 2
    dy = middle + 0.25 * tall
    parts = (*left.moved(0, dy), *inside.moved(left.width, 0), *right.moved(left.width + inside.width, dy))
    return Formula(left.width + inside.width + right.width, inside.up + 1, inside.down + 1, parts)


def draw(sheets: Sheets, page: int, x: float, y: float, formula: Formula, *, frame: int = 0) -> Box:
    """Draw with the baseline at ``y``; returns the formula's box."""
    for p in formula.parts:
        if isinstance(p, Glyphs):
            sheets.put(page, x + p.dx, y + p.dy, (p.run,), frame=frame)
        else:
            shape = sheets.pdf[page].new_shape()
            shape.draw_polyline([(x + a, y + b) for a, b in p.points])
            shape.finish(color=(0, 0, 0), width=p.weight, closePath=False)
            shape.commit()
    return (x, y - formula.up, x + formula.width, y + formula.down)
