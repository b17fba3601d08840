"""A small typesetter over PyMuPDF that remembers where every word was put.

Lengths are PDF points, origin top left, y down; ``y`` of a text is its baseline. Nothing here reads a clock or a random
source, and fonts are the ones built into PyMuPDF, so the same version writes the same bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import pymupdf

from making.regions import Region, spoken

Box = tuple[float, float, float, float]
Point = tuple[float, float]
Colour = tuple[float, float, float]
BLACK: Colour = (0.0, 0.0, 0.0)
GREY: Colour = (0.35, 0.35, 0.35)
DATE = "D:20250630090000Z"
SOFT_HYPHEN = "\u00ad"

FACES = {
    "serif": "tiro",
    "serif-b": "tibo",
    "serif-i": "tiit",
    "serif-bi": "tibi",
    "sans": "helv",
    "sans-b": "hebo",
    "sans-i": "heit",
    "sans-bi": "hebi",
    "mono": "cour",
    "mono-b": "cobo",
    "cjk": "china-s",
    "cjk-b": "china-s",
    "symbol": "symb",
}
_MARK = re.compile(r"(\*\*|\*|~|\^)")
_SIGNS = re.compile("([α-ωΑ-Ω∞≈≤≥∂√]+)")
_CJK_UNIT = re.compile(r"[0-9A-Za-z][0-9A-Za-z.,%+\-/]*[（]?|[（《“]?.[）》”，。、；：！？％]*")


@lru_cache(maxsize=32)
def font(face: str) -> Any:
    """The built-in font of a face."""
    return pymupdf.Font(FACES[face])


@lru_cache(maxsize=100_000)
def width(text: str, face: str, size: float) -> float:
    """Advance width of ``text``."""
    return float(font(face).text_length(text, fontsize=size))


@dataclass(frozen=True, slots=True)
class Token:
    """A printed word: its page, the column it stands in, its box and its text."""

    page: int
    frame: int
    box: Box
    text: str


@dataclass(frozen=True, slots=True)
class Run:
    """Characters of one face and size, raised by ``rise``."""

    text: str
    face: str
    size: float
    rise: float = 0.0

    @property
    def width(self) -> float:
        """Advance width."""
        return width(self.text, self.face, self.size)


Word = tuple[Run, ...]


def word_width(word: Word) -> float:
    return sum(r.width for r in word)


@dataclass(frozen=True, slots=True)
class Style:
    """How a paragraph is set."""

    family: str = "serif"
    size: float = 10.0
    leading: float = 13.0
    left: float = 0.0
    first: float = 0.0
    before: float = 0.0
    after: float = 6.0
    align: str = "left"
    bold: bool = False
    italic: bool = False
    colour: Colour = BLACK
    keep: float = 0.0
    """Room that must stay free below in the same frame, so that a heading is not left alone."""
    label: str = "text"
    """What a layout model calls it; empty for what belongs to the region before."""

    def but(self, **changes: Any) -> Style:
        """The same style with other values."""
        return replace(self, **changes)

    def face(self, *, bold: bool = False, italic: bool = False) -> str:
        """The face for emphasis on top of the style's own."""
        if self.family in {"cjk", "mono", "symbol"}:
            return self.family + ("-b" if bold or self.bold else "")
        marks = ("b" if bold != self.bold else "") + ("i" if italic != self.italic else "")
        return self.family + (f"-{marks}" if marks else "")


def words(text: str, style: Style) -> list[Word]:
    """Markup to words: ``**bold**``, ``*italic*``, ``~sub~``, ``^super^``; soft hyphens mark where a word may break.

    Chinese is set without its spaces; an ideographic or a no-break space stays.
    """
    if style.family == "cjk":
        return [_cjk_word(m.group(), style) for part in text.split(" ") for m in _CJK_UNIT.finditer(part)]
    bold = italic = sub = sup = False
    out: list[list[Run]] = [[]]
    for part in _MARK.split(text):
        if part == "**":
            bold = not bold
        elif part == "*":
            italic = not italic
        elif part == "~":
            sub = not sub
        elif part == "^":
            sup = not sup
        elif part:
            small = style.size * (0.7 if sub or sup else 1)
            rise = -0.18 * style.size if sub else 0.36 * style.size if sup else 0.0
            for i, piece in enumerate(part.split(" ")):
                if i:
                    out.append([])
                face = style.face(bold=bold, italic=italic)
                for bit in _SIGNS.split(piece):
                    if bit:
                        out[-1].append(Run(bit, "symbol" if _SIGNS.fullmatch(bit) else face, small, rise))
    return [tuple(w) for w in out if w]


def _cjk_word(text: str, style: Style) -> Word:
    """One character with its punctuation, or a Latin word; digits and Latin letters come from the serif face."""
    parts = re.findall(r"[\x20-\x7e\xa0]+|[^\x20-\x7e\xa0]+", text)
    latin = "serif-b" if style.bold else "serif"
    return tuple(Run(p, latin if p[0] <= "\xa0" else style.face(), style.size) for p in parts)


def wrap(ws: list[Word], style: Style, measure: float, first: float = 0.0) -> list[list[Word]]:
    """Greedy line breaking; a word too long for the rest of a line breaks at its last fitting soft hyphen."""
    gap = 0.0 if style.family == "cjk" else width(" ", style.face(), style.size)
    lines: list[list[Word]] = [[]]
    x = first
    todo = list(reversed(ws))
    while todo:
        w = todo.pop()
        step = gap if lines[-1] else 0.0
        if x + step + word_width(_plain(w)) <= measure + 0.01:
            lines[-1].append(_plain(w))
            x += step + word_width(_plain(w))
            continue
        cut = _hyphenate(w, measure - x - step)
        if cut:
            lines[-1].append(cut[0])
            w = cut[1]
        if not lines[-1]:
            raise ValueError(f"{w!r} does not fit into {measure} points")
        lines.append([])
        x = 0.0
        todo.append(w)
    return lines


def _plain(word: Word) -> Word:
    return tuple(replace(r, text=r.text.replace(SOFT_HYPHEN, "")) for r in word)


def _hyphenate(word: Word, room: float) -> tuple[Word, Word] | None:
    if len(word) != 1 or SOFT_HYPHEN not in word[0].text:
        return None
    parts = word[0].text.split(SOFT_HYPHEN)
    for n in range(len(parts) - 1, 0, -1):
        head = replace(word[0], text="".join(parts[:n]) + "-")
        if head.width <= room:
            return (head,), (replace(word[0], text=SOFT_HYPHEN.join(parts[n:])),)
    return None


@dataclass
class Sheets:
    """A document being set: its pages, and every word placed on them."""

    width: float
    height: float
    title: str
    author: str
    tokens: list[Token] = field(default_factory=list)
    pdf: Any = field(default_factory=pymupdf.open)
    regions: list[Region] = field(default_factory=list)
    _label: str = ""
    _open: Region | None = None
    _writers: dict[tuple[int, Colour, bool], Any] = field(default_factory=dict)

    @property
    def pages(self) -> int:
        """Pages so far."""
        return int(self.pdf.page_count)

    def add_page(self) -> int:
        """A new empty page; returns its number."""
        self.pdf.new_page(width=self.width, height=self.height)
        return self.pages - 1

    def begin(self, label: str) -> None:
        """What is set from here on is a new region, or one a page and column; in none when ``label`` is empty."""
        self._label, self._open = label, None

    def region(self, label: str, page: int, box: Box, *, frame: int = 0) -> Region:
        """A region of a known box; the words set in it from here on are not recorded one by one."""
        self.begin("")
        self.regions.append(Region(label, page, frame, box=box))
        return self.regions[-1]

    def put(
        self, page: int, x: float, y: float, word: Word, *, frame: int = 0, colour: Colour = BLACK, space: bool = False
    ) -> float:
        """Set one word with its baseline at ``y``, remember it, and return where it ends. ``frame`` -1 is furniture."""
        start, top, bottom = x, y, y
        for i, r in enumerate(word):
            last = i == len(word) - 1
            text = r.text + (" " if space and last else "")
            self._writer(page, colour, r.face).append((x, y - r.rise), text, font=font(r.face), fontsize=r.size)
            x += r.width
            high, low = (0.88, 0.14) if r.face.startswith("cjk") else (0.74, 0.22)
            top, bottom = min(top, y - r.rise - high * r.size), max(bottom, y - r.rise + low * r.size)
        if frame >= 0:
            text = "".join(r.text for r in word).replace("\u00a0", " ")
            self.tokens.append(Token(page, frame, (start, top, x, bottom), text))
        if self._label:
            if self._open is None or self._open.page != page or (frame >= 0 and self._open.frame != frame):
                self._open = Region(self._label, page, frame)
                self.regions.append(self._open)
            self._open.words.append((y, (start, top, x, bottom), spoken(word)))
        return x

    def text(
        self, page: int, x: float, y: float, text: str, style: Style, *, frame: int = 0, align: str = "left"
    ) -> float:
        """Set one line without breaking it; ``x`` is its left end, middle or right end by ``align``."""
        ws = [_plain(w) for w in words(text, style)]
        gap = 0.0 if style.family == "cjk" else width(" ", style.face(), style.size)
        total = sum(word_width(w) for w in ws) + gap * (len(ws) - 1)
        x -= {"left": 0.0, "center": total / 2, "right": total}[align]
        for i, w in enumerate(ws):
            space = i < len(ws) - 1 and gap > 0
            x = self.put(page, x, y, w, frame=frame, colour=style.colour, space=space) + (gap if space else 0)
        return x

    def rule(self, page: int, start: Point, end: Point, *, weight: float = 0.5, colour: Colour = BLACK) -> None:
        """A straight line."""
        self.pdf[page].draw_line(start, end, color=colour, width=weight)

    def bytes(self) -> bytes:
        """The PDF: fonts embedded and cut to what is used, dates fixed, no random identifier."""
        for (page, colour, bold), writer in sorted(self._writers.items()):
            writer.write_text(self.pdf[page], color=colour, render_mode=2 if bold else 0)
        self._writers.clear()
        self.pdf.set_metadata(
            {
                "title": self.title,
                "author": self.author,
                "creator": "make_samples.py",
                "creationDate": DATE,
                "modDate": DATE,
            }
        )
        self.pdf.subset_fonts()
        return bytes(self.pdf.tobytes(garbage=4, deflate=True, no_new_id=True))

    def _writer(self, page: int, colour: Colour, face: str) -> Any:
        key = (page, colour, face == "cjk-b")
        if key not in self._writers:
            self._writers[key] = pymupdf.TextWriter(pymupdf.Rect(0, 0, self.width, self.height))
        return self._writers[key]


@dataclass
class Flow:
    """Paragraphs poured into frames (columns), page after page."""

    sheets: Sheets
    frames: list[Box]
    later: list[Box] | None = None
    """Frames of the second page and on, where they differ."""
    page: int = 0
    frame: int = 0
    y: float = 0.0
    top: bool = True

    def __post_init__(self) -> None:
        if not self.sheets.pages:
            self.sheets.add_page()
        self.page = self.sheets.pages - 1
        self.y = self.box[1]

    @property
    def box(self) -> Box:
        """The frame being filled."""
        return self.frames[self.frame]

    @property
    def room(self) -> float:
        """Height left in the frame."""
        return self.box[3] - self.y

    def next_frame(self) -> None:
        """Go on in the next column, or on a new page."""
        self.frame += 1
        if self.frame == len(self.frames):
            self.next_page()
            return
        self.y, self.top = self.box[1], True

    def next_page(self) -> None:
        """Go on at the top of a new page."""
        self.page, self.frame = self.sheets.add_page(), 0
        self.frames = self.later or self.frames
        self.y, self.top = self.box[1], True

    def need(self, height: float) -> None:
        """Make sure that ``height`` is left in this frame, going on to the next if it is not."""
        if self.room < height:
            self.next_frame()

    def skip(self, height: float) -> None:
        """White space, except at the top of a frame."""
        if not self.top:
            self.y += height

    def para(self, text: str, style: Style, label: str = "", hang: float = 0.0) -> None:
        """A paragraph; ``label`` stands ``hang`` points left of the text on its first line."""
        measure = self.box[2] - self.box[0] - style.left
        lines = wrap(words(text, style), style, measure, style.first)
        self.skip(style.before)
        self.need(min(len(lines), 2) * style.leading + style.keep)
        if style.label:
            self.sheets.begin(style.label)
        for i, line in enumerate(lines):
            if self.room < style.leading or (len(lines) - i == 2 and self.room < 2 * style.leading):
                self.next_frame()
            base = self.y + style.leading - 0.28 * style.size
            x = self.box[0] + style.left
            if i == 0 and label:
                self.sheets.text(self.page, x - hang, base, label, style, frame=self.frame)
            self._line(line, x + (style.first if i == 0 else 0), base, style, last=i == len(lines) - 1)
            self.y += style.leading
            self.top = False
        self.y += style.after

    def _line(self, line: list[Word], x: float, base: float, style: Style, *, last: bool) -> None:
        gap = 0.0 if style.family == "cjk" else width(" ", style.face(), style.size)
        slack = self.box[2] - x - sum(word_width(w) for w in line) - gap * (len(line) - 1)
        if style.align == "center":
            x += slack / 2
        elif style.align == "right":
            x += slack
        elif style.align == "justify" and not last and len(line) > 1 and slack / (len(line) - 1) < 0.6 * style.size:
            gap += slack / (len(line) - 1)
        for i, w in enumerate(line):
            space = i < len(line) - 1 and style.family != "cjk"
            x = self.sheets.put(self.page, x, base, w, frame=self.frame, colour=style.colour, space=space)
            x += gap if i < len(line) - 1 else 0.0
