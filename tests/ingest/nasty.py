"""Documents that are nasty on purpose, each made by a seed: pages as a parser could hand them on, and loose blocks.

``pages(seed)`` gives pages in ascending order; ``blocks(seed)`` the same content without assembly, with what only a
faulty parser makes (tables whose text is not their cells'). The same seed gives the same document everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Cell, Kind, Layer, PageFailure, ParsedPage, Table

from .nasty_writer import ARABIC, CHINESE, HEBREW, HEIGHT, ODD, WIDTH, WORDS, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SCENES", "ByteCounter", "blocks", "budget", "pages"]

FORMULAS = (
    r"E = mc^2",
    r"\frac{a}{b} = \sum_{i=1}^{n} x_i \qquad (3)",
    r"\begin{aligned} f(x) &= ax^2 + bx + c \\ g(x) &= \int_0^1 f(t)\,dt \end{aligned}",
    "x",
)
CODE = "def run(items):\n    for item in items:\n        if item:\n            yield item.name\n\n\treturn None\n"


class ByteCounter:
    """Counts two bytes of UTF-8 a token and two special ones: emoji and Chinese weigh more than letters."""

    def __init__(self, max_tokens: int) -> None:
        self.max_tokens = max_tokens

    def count(self, text: str) -> int:
        """Half the bytes, rounded up, and two."""
        return -(-len(text.encode()) // 2) + 2


class SpaceCounter:
    """Counts words and two special tokens, however long the words are."""

    def __init__(self, max_tokens: int) -> None:
        self.max_tokens = max_tokens

    def count(self, text: str) -> int:
        """Words and two."""
        return len(text.split()) + 2


def budget(seed: int) -> ByteCounter | SpaceCounter:
    """A counter for the document of that seed: tiny, ordinary or large."""
    rng = Random(f"budget {seed}")
    most = rng.choice((16, 17, 20, 24, 32, 48, 64, 64, 100, 128, 256, 256, 512, 8192))
    return rng.choice((ByteCounter, SpaceCounter))(most)


# ---------------------------------------------------------------- scenes


def _prose(w: Writer) -> None:
    for _ in range(w.rng.randint(1, 4)):
        w.put(w.sentences(w.rng.randint(1, 9)))


def _over_the_break(w: Writer) -> None:
    w.put(w.sentences(2) + " and it was understood that the")
    w.break_page()
    w.put("parties go on without a stop. " + w.sentences(1))


def _right_to_left(w: Writer) -> None:
    w.put(w.words(w.rng.randint(5, 200), w.rng.choice((ARABIC, HEBREW))))
    w.table(Table(2, 2, (Cell(0, 0, ARABIC[0]), Cell(0, 1, HEBREW[0]), Cell(1, 0, "١٢"), Cell(1, 1, "34")), 1))


def _chinese(w: Writer) -> None:
    w.put("".join(w.rng.choices(CHINESE, k=w.rng.randint(5, 300))))
    w.put("第三条 " + "".join(w.rng.choices(CHINESE, k=40)), Kind.LIST_ITEM)


def _wall(w: Writer) -> None:
    length = 100_000 if w.rng.random() < 0.05 else w.rng.randint(100, 4000)
    w.put(w.rng.choice("xZ9的").__mul__(length), w.rng.choice((Kind.TEXT, Kind.CODE, Kind.LIST_ITEM, Kind.FIGURE)))


def _odd_characters(w: Writer) -> None:
    w.put(w.words(w.rng.randint(1, 60), ODD, w.rng.choice(("", " "))))
    w.put(w.words(20, (*ODD, *WORDS)), w.rng.choice((Kind.HEADING, Kind.LIST_ITEM, Kind.CAPTION)), level=2)
    w.put(w.rng.choice(("", " ", "\n\n", "\u200b", "\x00")), w.rng.choice(list(set(Kind) - {Kind.TABLE})))


def _headings(w: Writer) -> None:
    deep = w.rng.randint(1, 12)
    for level in range(1, deep + 1):
        w.put(f"{level}. " + w.words(w.rng.randint(1, 8)), Kind.HEADING, level=w.rng.choice((level, level, None)))
    if w.rng.random() < 0.4:
        w.put(w.words(w.rng.randint(30, 400)), Kind.HEADING, level=w.rng.randint(1, 6))
    if w.rng.random() < 0.5:
        w.put(w.sentences(2))


def _title(w: Writer) -> None:
    w.put(w.words(w.rng.choice((2, 5, 60))), Kind.TITLE)


def _empty_tables(w: Writer) -> None:
    blank = tuple(Cell(r, c, w.rng.choice(("", " ", "\n"))) for r in range(3) for c in range(2))
    options = (
        Table(0, 0, ()),
        Table(2, 2, ()),
        Table(3, 2, blank),
        Table(3, 2, blank, 3),
        Table(1, 1, (), 1, "In millions"),
    )
    w.table(w.rng.choice(options))


def _plain_table(w: Writer) -> None:
    caption = w.rng.choice(("", "(In millions)", "Table 1\n(in thousands)", w.words(90)))
    if w.rng.random() < 0.4:
        w.put(w.sentences(1) + " The amounts were as follows:")
    w.table(w.grid(w.rng.randint(1, 40), w.rng.randint(1, 6), w.rng.randint(0, 3), caption))
    if w.rng.random() < 0.4:
        w.put("See accompanying notes.")


def _spans(w: Writer) -> None:
    rows, cols = w.rng.randint(2, 20), w.rng.randint(2, 5)
    cells: list[Cell] = []
    taken: set[tuple[int, int]] = set()
    for r in range(rows):
        for c in range(cols):
            down, right = w.rng.choice((1, 1, 1, 2, 5, 30)), w.rng.choice((1, 1, 1, 2))
            down, right = min(down, rows - r), min(right, cols - c)
            places = {(r + i, c + j) for i in range(down) for j in range(right)}
            if not places & taken:
                taken |= places
                cells.append(Cell(r, c, w.cell(), down, right))
    w.table(Table(rows, cols, tuple(cells), w.rng.randint(0, min(3, rows))))


def _colliding(w: Writer) -> None:
    rows, cols = w.rng.randint(1, 6), w.rng.randint(1, 4)
    cells = [
        Cell(
            w.rng.randint(-1, rows + 1), w.rng.randint(-1, cols + 1), w.cell(), w.rng.randint(1, 4), w.rng.randint(1, 4)
        )
        for _ in range(w.rng.randint(1, 12))
    ]  # fmt: skip
    w.table(Table(rows, cols, tuple(cells), w.rng.randint(0, rows + 2)))


def _huge_cell(w: Writer) -> None:
    table = w.grid(w.rng.randint(2, 5), w.rng.randint(1, 3), w.rng.randint(0, 1))
    k = w.rng.randrange(len(table.cells))
    text = w.rng.choice((w.sentences(40), "y" * 2500, "".join(w.rng.choices(CHINESE, k=300)), w.words(300, ARABIC)))
    cells = list(table.cells)
    cells[k] = replace(cells[k], text=text)
    w.table(replace(table, cells=tuple(cells)))


def _wide_table(w: Writer) -> None:
    rows = 1 if w.rng.random() < 0.5 else w.rng.randint(2, 3)
    w.table(w.grid(rows, 300, w.rng.choice((0, 0, 0, 1, 2))))


def _formulas_in_cells(w: Writer) -> None:
    rows = w.rng.randint(2, 8)
    cells = [Cell(r, c, f"\\({w.rng.choice(FORMULAS)}\\)") for r in range(rows) for c in range(2)]
    w.table(Table(rows, 2, tuple(cells), 1))


def _table_over_pages(w: Writer) -> None:
    cols, header = w.rng.randint(2, 4), w.rng.randint(0, 2)
    first = w.grid(w.rng.randint(3, 25), cols, header, w.rng.choice(("", "Table 2. Segments")))
    if w.rng.random() < 0.4:  # a span that hangs over the break
        last = first.rows - 2
        keep = [c for c in first.cells if not (c.row == last + 1 and c.col == 0)]
        first = replace(first, cells=tuple(replace(c, row_span=2) if (c.row, c.col) == (last, 0) else c for c in keep))
    w.table(first)
    for _ in range(w.rng.randint(1, 3)):
        if w.rng.random() < 0.3:
            w.put("Page footer text", Kind.PAGE_FOOTER, Layer.FURNITURE)
        w.break_page(failed=w.rng.random() < 0.25, skip=1 if w.rng.random() < 0.1 else 0)
        if w.rng.random() < 0.3:
            w.put(w.rng.choice(("(continued)", "Table 2. Segments (continued)", "A header")), Kind.CAPTION)
        more = w.grid(w.rng.randint(1, 20), cols + w.rng.choice((0, 0, 0, 1)), header)
        if w.rng.random() < 0.6:  # the header once more
            head = [c for c in first.cells if c.row < header]
            body = [c for c in more.cells if c.row >= header]
            more = replace(more, cells=(*head, *body))
        w.table(more)


def _captions(w: Writer) -> None:
    for _ in range(w.rng.randint(1, 6)):
        sort = w.rng.choice(("caption", "caption", "figure", "formula", "table", "chart", "long", "text"))
        if sort == "caption":
            w.put(w.rng.choice(("Figure 2: how it works", "Table 3. Results", "图 1 结构", "")), Kind.CAPTION)
        elif sort == "long":
            w.put("Figure 9: " + w.words(150), Kind.CAPTION)
        elif sort == "figure":
            w.put(w.rng.choice(("", "drawn words", w.words(120))), Kind.FIGURE)
        elif sort == "formula":
            w.put(w.rng.choice(FORMULAS), Kind.FORMULA)
        elif sort == "table":
            w.table(w.grid(w.rng.randint(1, 12), 3))
        elif sort == "chart":
            w.table(w.grid(w.rng.randint(1, 9), 2), Kind.CHART)
        else:
            w.put(w.sentences(1))


def _formulas(w: Writer) -> None:
    w.put(w.sentences(w.rng.randint(0, 4)) + w.rng.choice((" It is given by:", " It is given by", " This holds.")))
    formula = w.rng.choice((*FORMULAS, "".join(w.rng.choices(FORMULAS, k=60)), "x" * 700))
    w.put(formula, Kind.FORMULA)
    w.put(w.rng.choice(("where x is the rate. ", "其中 x 为利率。", "Therefore. ")) + w.sentences(w.rng.randint(1, 5)))


def _clauses(w: Writer) -> None:
    for n in range(1, w.rng.randint(2, 5)):
        w.put(f"{n}. Term and Termination. " + w.sentences(w.rng.randint(1, 4)), Kind.LIST_ITEM)
        for m in range(1, w.rng.randint(1, 4)):
            w.put(f"{n}.{m} " + w.sentences(w.rng.randint(1, 12)) + w.rng.choice(("", " as follows:")))
            for letter in "abcd"[: w.rng.randint(0, 4)]:
                w.put(f"({letter}) " + w.sentences(w.rng.randint(1, 3)), Kind.LIST_ITEM)
            if w.rng.random() < 0.2:
                w.break_page()


def _lists(w: Writer) -> None:
    w.put(w.sentences(w.rng.randint(0, 3)) + " The Company shall do the following:")
    for _ in range(w.rng.randint(1, 15)):
        w.put("• " + w.words(w.rng.randint(1, 40)), Kind.LIST_ITEM)


def _code(w: Writer) -> None:
    w.put("It runs like this:")
    w.put(CODE * w.rng.randint(1, 8) + w.rng.choice(("", "x = " + "1 + " * 400)), Kind.CODE)


def _notes_and_furniture(w: Writer) -> None:
    w.put("ACME INC. 2022 REPORT", Kind.PAGE_HEADER, Layer.FURNITURE)
    w.put("1 " + w.sentences(1), Kind.FOOTNOTE, Layer.NOTE)
    w.put(str(w.page + 1), Kind.PAGE_NUMBER, Layer.FURNITURE)
    kind = w.rng.choice((Kind.TOC, Kind.REFERENCE, Kind.SEAL, Kind.ASIDE))
    w.put("\n".join(w.words(8) for _ in range(w.rng.randint(1, 12))), kind)


SCENES: tuple[Callable[[Writer], None], ...] = (
    _prose, _over_the_break, _right_to_left, _chinese, _wall, _odd_characters, _headings, _title, _empty_tables,
    _plain_table, _spans, _colliding, _huge_cell, _wide_table, _formulas_in_cells, _table_over_pages, _captions,
    _formulas, _clauses, _lists, _code, _notes_and_furniture,
)  # fmt: skip


def pages(seed: int) -> list[ParsedPage]:
    """The pages of the document of that seed, ascending; now and then none, or only failed ones."""
    rng = Random(f"pages {seed}")
    if rng.random() < 0.01:
        failed = ParsedPage(0, WIDTH, HEIGHT, "nasty-1", failure=PageFailure("page_crashed", "no more"))
        return rng.choice(([], [failed], [ParsedPage(0, WIDTH, HEIGHT, "nasty-1")]))
    w = Writer(rng)
    headings_only = rng.random() < 0.02
    for _ in range(rng.randint(1, 6)):
        (_headings if headings_only else rng.choice(SCENES))(w)
        if rng.random() < 0.4:
            w.break_page(failed=rng.random() < 0.1, skip=rng.choice((0, 0, 0, 3)))
    w.break_page()
    return w.done


def blocks(seed: int) -> list[Block]:
    """The same document's blocks as they come, not assembled: wrong layers, and tables whose text is not their cells'."""
    rng = Random(f"blocks {seed}")
    out: list[Block] = []
    for page in pages(seed):
        for b in page.blocks:
            changed = b
            if rng.random() < 0.05:
                changed = replace(changed, layer=rng.choice(list(Layer)))
            if b.table is not None and rng.random() < 0.1:
                changed = replace(changed, text=rng.choice(("", "something else", b.text + " and more")))
            out.append(changed)
    return out
