"""Hypothesis generators of documents, and the small fakes the tests of this room share."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from paperlode.ingest.document import (
    Block,
    Box,
    Cell,
    Kind,
    Layer,
    Line,
    PageBox,
    PageFailure,
    ParsedDocument,
    ParsedPage,
    Source,
    Table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = Source(uri="a.pdf", name="a.pdf", media_type="application/pdf", digest="ab" * 32, size=10)
WIDTH, HEIGHT = 612.0, 792.0

WORDS = (
    "the",
    "of",
    "revenue",
    "Company",
    "agreement",
    "shall",
    "2022",
    "1,284.50",
    "(5)",
    "net",
    "income",
    "Section",
    "2.01",
    "pursuant",
    "e.g.",
    "Inc.",
    "$",
    "30%",
    "notwithstanding",
    "antidisestablishmentarianism",
    "Year",
    "ended",
    "December",
    "31,",
    "—",
    "|",
    ">",
    "…",
    "naïve",
    "co-operate",
    "fifteen",
)
CHINESE = (
    "营业收入",
    "本公司",
    "截至二〇二二年",
    "，",
    "。",
    "现金流量表",
    "单位：元",
    "1,284,563,210.45",
    "；",
    "股东",
)


class WordCounter:
    """Counts words, with two special tokens: the least a tokenizer can see."""

    def __init__(self, max_tokens: int = 64) -> None:
        self.max_tokens = max_tokens

    def count(self, text: str) -> int:
        """Words and two."""
        return len(text.split()) + 2


class CharCounter:
    """Counts two characters a token, spaces and line breaks included: sums of parts are not the count of the whole."""

    def __init__(self, max_tokens: int = 128) -> None:
        self.max_tokens = max_tokens

    def count(self, text: str) -> int:
        """Half the characters, rounded up, and two."""
        return -(-len(text) // 2) + 2


counters = st.one_of(
    st.integers(64, 256).map(WordCounter),
    st.integers(64, 256).map(CharCounter),
)


@st.composite
def sentences(draw: st.DrawFn, most: int = 40) -> str:
    """A sentence of words, of Chinese, a long word, or any text at all."""

    def some(parts: Sequence[str]) -> list[str]:  # one draw instead of forty: generating is what takes the time
        return Random(draw(st.integers(0, 999))).choices(parts, k=draw(st.integers(0, most)))

    sort = draw(st.sampled_from(["words", "words", "words", "chinese", "long", "any"]))
    if sort == "words":
        return " ".join(some(WORDS)) + draw(st.sampled_from(["", ".", ".", "!", ":", ";"]))
    if sort == "chinese":
        return "".join(some(CHINESE))
    if sort == "long":
        return draw(st.sampled_from("xZ9的")) * draw(st.integers(1, 600))
    return draw(st.text(max_size=60))


def texts(most: int = 8) -> st.SearchStrategy[str]:
    """Paragraphs: empty, short or long."""
    return st.lists(sentences(), max_size=most).map(" ".join)


@st.composite
def boxes(draw: st.DrawFn, pages: int = 4) -> PageBox:
    """A box on a letter page."""
    x, y = draw(st.integers(0, 500)), draw(st.integers(0, 700))
    box = Box(float(x), float(y), float(x + draw(st.integers(1, 100))), float(y + draw(st.integers(1, 80))))
    return PageBox(draw(st.integers(0, pages - 1)), box)


@st.composite
def tables(draw: st.DrawFn, *, most_rows: int = 12, huge: bool = True) -> Table:
    """A table with header rows, row and column spans, empty and huge cells, on one or two pages."""
    rows, cols = draw(st.integers(1, most_rows)), draw(st.integers(1, 4))
    header = draw(st.integers(0, min(3, rows)))
    taken: set[tuple[int, int]] = set()
    cells = []
    short = st.one_of(st.sampled_from(["", "12", "1,234", "Total", "2022", "—", "收入"]), sentences(most=6))
    texts_ = st.one_of(short, short, short, texts()) if huge else st.sampled_from(["", "12", "a b", "Total"])
    for r in range(rows):
        for c in range(cols):
            if (r, c) in taken:
                continue
            down = draw(st.sampled_from([1, 1, 1, 1, 1, 2, 4]))
            right = draw(st.sampled_from([1, 1, 1, 1, 2]))
            down, right = min(down, rows - r), min(right, cols - c)
            places = {(r + i, c + j) for i in range(down) for j in range(right)}
            if places & taken:
                down, right, places = 1, 1, {(r, c)}
            taken |= places
            region = PageBox(r // 8, Box(50.0 + 100 * c, 60.0 + 20 * (r % 8), 140.0 + 100 * c, 75.0 + 20 * (r % 8)))
            text = draw(texts_)
            if draw(st.booleans()) or text:
                cells.append(Cell(r, c, text, down, right, draw(st.sampled_from([region, region, None]))))
    caption = draw(st.sampled_from(["", "", "(In millions)", "Table 1\n(in thousands)", " ".join(WORDS * 3)]))
    return Table(rows=rows, cols=cols, cells=tuple(cells), header_rows=header, caption=caption)


_LAYERS = st.sampled_from([Layer.BODY] * 8 + [Layer.FURNITURE, Layer.NOTE])
_KINDS = st.sampled_from(
    [Kind.TEXT] * 6
    + [Kind.HEADING] * 3
    + [Kind.LIST_ITEM] * 2
    + [Kind.CAPTION] * 2
    + [Kind.FIGURE] * 2
    + [k for k in Kind if k is not Kind.TABLE]
)


@st.composite
def blocks(draw: st.DrawFn, pages: int = 4) -> Block:
    """A block of any kind and layer, sometimes empty, sometimes with its printed lines."""
    layer = draw(_LAYERS)
    regions = tuple(draw(st.lists(boxes(pages), min_size=1, max_size=2)))
    confidence = draw(st.sampled_from([None, None, 0.5, 0.875]))
    flags = draw(st.sampled_from([(), (), ("low_confidence",)]))
    if draw(st.integers(0, 5)) == 0:
        table = draw(tables())
        return Block(Kind.TABLE, table.to_text(), regions, layer, None, confidence, (), table, flags)
    kind = draw(_KINDS)
    text = draw(st.one_of(st.just(""), sentences(), texts()))
    level = draw(st.sampled_from([None, 1, 2, 3])) if kind is Kind.HEADING else None
    lines: list[Line] = []
    if draw(st.booleans()) and len(text) > 2:
        middle = len(text) // 2
        lines = [Line(0, middle, regions[0], confidence), Line(middle, len(text), regions[-1], confidence)]
    return Block(kind, text, regions, layer, level, confidence, tuple(lines), None, flags)


def documents(most: int = 12) -> st.SearchStrategy[list[Block]]:
    """Blocks of a document in reading order."""
    return st.lists(blocks(), max_size=most)


@st.composite
def parsed_pages(draw: st.DrawFn, most: int = 4) -> list[ParsedPage]:
    """Pages in order, some failed, their blocks on the page they belong to, some lines repeated in the margins."""
    out = []
    running = draw(st.sampled_from(["", "ACME INC. {}", "Page {} of 9", "{}"]))
    for n in range(draw(st.integers(1, most))):
        if draw(st.integers(0, 9)) == 0:
            out.append(ParsedPage(n, WIDTH, HEIGHT, "fake-1", failure=PageFailure("page_timeout", "too slow")))
            continue
        body = [_on_page(b, n) for b in draw(st.lists(blocks(), max_size=5))]
        if running:
            body.insert(0, text_block(running.format(n + 1), n, y=20.0))
        out.append(ParsedPage(n, WIDTH, HEIGHT, "fake-1", tuple(body)))
    return out


def _on_page(block: Block, page: int) -> Block:
    regions = tuple(PageBox(page, r.box) for r in block.regions)
    lines = tuple(replace(ln, region=PageBox(page, ln.region.box)) for ln in block.lines)
    return replace(block, regions=regions, lines=lines)


@st.composite
def parsed_documents(draw: st.DrawFn) -> ParsedDocument:
    """A whole document as a value."""
    return ParsedDocument(SOURCE, tuple(draw(parsed_pages())), tuple(draw(documents())))


# ---------------------------------------------------------------- by hand


def text_block(
    text: str, page: int = 0, *, y: float = 300.0, kind: Kind = Kind.TEXT, height: float = 12.0, **more: Any
) -> Block:
    """A block of text over the page's width, at height ``y``."""
    region = PageBox(page, Box(72.0, y, 540.0, y + height))
    return Block(kind, text, (region,), **more)


def grid_table(
    rows: Sequence[Sequence[str]], page: int = 0, *, y: float = 100.0, header_rows: int = 0, caption: str = ""
) -> Block:
    """A table block with 1x1 cells, each with its box."""
    cols = max(len(r) for r in rows)
    width = 468.0 / cols
    cells = tuple(
        Cell(r, c, t, region=PageBox(page, Box(72 + c * width, y + 15 * r, 72 + (c + 1) * width - 4, y + 15 * r + 12)))
        for r, row in enumerate(rows)
        for c, t in enumerate(row)
    )
    table = Table(len(rows), cols, cells, header_rows, caption)
    region = PageBox(page, Box(72.0, y, 540.0, y + 15 * len(rows)))
    return Block(Kind.TABLE, table.to_text(), (region,), table=table)


def table_of(block: Block) -> Table:
    """The block's table, which it must have."""
    assert block.table is not None
    return block.table


def page_of(page: int, *content: Block) -> ParsedPage:
    """A page of these blocks."""
    return ParsedPage(page, WIDTH, HEIGHT, "fake-1", content)


def squeezed(text: str) -> str:
    """Without white space."""
    return "".join(text.split())
