"""Where a text goes on after a break, and where it does not: the evidence on both sides, and what lies between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paperlode.ingest.assembly import assemble
from paperlode.ingest.document import Block, Box, Kind, Layer, Line, PageBox, PageFailure, ParsedPage

from .strategies import HEIGHT, WIDTH, page_of

LONG = "As of the Closing Date the seller shall, or shall cause the members of its group to, give to the buyer"
FULL = "all that is needed to obtain the consents and the approvals of"
MORE = "shall pay to the seller what is left of the price on that day."


def text(*lines: str, page: int = 0, y: float = 300.0, kind: Kind = Kind.TEXT) -> Block:
    """A block of these printed lines, each as wide as it has characters."""
    whole, placed = "", []
    for i, t in enumerate(lines):
        start = len(whole) + (1 if whole else 0)
        whole += f" {t}" if whole else t
        box = Box(72.0, y + 12 * i, 72.0 + 4 * len(t), y + 12 * i + 10)
        placed.append(Line(start, len(whole), PageBox(page, box)))
    region = PageBox(page, Box.around(ln.region.box for ln in placed))
    return Block(kind, whole, (region,), lines=tuple(placed))


def bodies(*pages: ParsedPage) -> list[Block]:
    return [b for b in assemble(pages) if b.layer is Layer.BODY]


def over_a_page(a: Block, b: Block) -> list[Block]:
    moved = replace(
        b,
        regions=tuple(PageBox(1, r.box) for r in b.regions),
        lines=tuple(replace(ln, region=PageBox(1, ln.region.box)) for ln in b.lines),
    )
    return bodies(page_of(0, a), page_of(1, moved))


@pytest.mark.parametrize(
    ("last", "second"),
    [
        (f"{FULL} each Third Party", "Agreements. The buyer will pay what it owes on that day."),
        (f"{FULL} the drug ZYTIGA", "(abiraterone acetate), a treatment for patients with what it treats."),
        (f'{FULL} it, see "Item 1A.', '- Raw Materials — Prices" below, and what follows it.'),
        ("in the end to", "$22.3 billion in the year of the sale."),
        ("the parties", "deliver what they owe."),
    ],
)
@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.LIST_ITEM])
def test_what_goes_on(last: str, second: str, kind: Kind) -> None:
    """Running text that stops at the end of a full line goes on, also with a capital, a bracket, or inside a quotation."""
    (block,) = over_a_page(text(LONG, last, kind=kind), text(second))
    assert block.kind is kind
    assert [r.page for r in block.regions] == [0, 1]
    assert [block.text[ln.start : ln.end] for ln in block.lines] == [LONG, last, second]


@pytest.mark.parametrize(
    ("last", "second"),
    [
        ("what it owes", f"The buyer {MORE}"),
        (f"{FULL} each third party.", f"The buyer {MORE}"),
        (f"{FULL} each Third Party", "Schedule of Prices"),
        (f"{FULL} each Third Party", f"(b) The buyer {MORE}"),
        (f"{FULL} the Enhanced Inc.", f"Without limiting this, the buyer {MORE}"),
        (f"{FULL} it, as follows:", f"the buyer {MORE}"),
    ],
)
def test_what_does_not(last: str, second: str) -> None:
    """A short last line, the end of a sentence, a title, an item, a company's name, an announcement begin anew."""
    assert len(over_a_page(text(LONG, last), text(second))) == 2


def test_names_do_not_go_on() -> None:
    """Lines of names and offices have no end of a sentence, and are none."""
    names = text("Chief Executive Officer", "Acme Holdings International Incorporated")
    assert len(over_a_page(names, text(f"The undersigned {MORE}"))) == 2


def test_a_lone_number_within_a_page() -> None:
    """Filings set in one width carry old page breaks: the number between the halves becomes furniture and follows them."""
    number = text("7", y=340)
    page = page_of(0, text(LONG, y=300), number, text("what it owes on that day.", y=360))
    got = list(assemble([page]))
    assert [(b.text, b.kind, b.layer) for b in got] == [
        (f"{LONG} what it owes on that day.", Kind.TEXT, Layer.BODY),
        ("7", Kind.PAGE_NUMBER, Layer.FURNITURE),
    ]


@pytest.mark.parametrize("number", ["- 12 -", "A-3", "Page 9", "iv"])
def test_forms_of_lone_numbers(number: str) -> None:
    """Dashes, letters, the word and Roman numerals; a number after a finished sentence stays what it is."""
    joined = bodies(page_of(0, text(LONG), text(number, y=340), text("what it owes.", y=360)))
    assert len(joined) == 1
    ended = bodies(page_of(0, text(f"{LONG} all."), text(number, y=340), text("what it owes.", y=360)))
    assert [b.text for b in ended] == [f"{LONG} all.", number, "what it owes."]


def test_nothing_joins_within_a_page_without_a_break() -> None:
    """Two blocks of one column stay apart."""
    assert len(bodies(page_of(0, text(LONG), text("what it owes.", y=360)))) == 2


def test_a_picture_between() -> None:
    """A figure at the head of the next page, or on a page of its own, does not part a sentence; it follows it."""

    def figure(page: int) -> Block:
        return Block(Kind.FIGURE, "", (PageBox(page, Box(72, 60, 540, 280)),))

    one = [page_of(0, text(LONG)), page_of(1, figure(1), text("what it owes.", page=1))]
    two = [page_of(0, text(LONG)), page_of(1, figure(1)), page_of(2, text("what it owes.", page=2))]
    for pages in (one, two):
        assert [b.kind for b in assemble(pages)] == [Kind.TEXT, Kind.FIGURE]


def test_an_empty_page_between() -> None:
    """A blank page is passed over, a failed one is not."""
    halves = page_of(0, text(LONG)), page_of(2, text("what it owes.", page=2))
    assert len(bodies(halves[0], ParsedPage(1, WIDTH, HEIGHT, "fake-1"), halves[1])) == 1
    failed = ParsedPage(1, WIDTH, HEIGHT, "fake-1", failure=PageFailure("page_timeout", "too slow"))
    assert len(bodies(halves[0], failed, halves[1])) == 2


def test_a_bold_sentence_over_a_page_break_stays_one_heading() -> None:
    """A heading of several lines that the page cuts goes on in what the parser took for bold text."""

    def bold(block: Block, kind: Kind) -> Block:
        return replace(block, kind=kind, bold=True, size=10.0, level=3 if kind is Kind.HEADING else None)

    a = bold(
        text("If we are not able to take advantage of new technology, or are hindered for any reason, we"), Kind.HEADING
    )
    (block,) = over_a_page(a, bold(text("may experience a decline in the demand for what we sell."), Kind.TEXT))
    assert block.kind is Kind.HEADING
    assert block.level == 1
    assert [r.page for r in block.regions] == [0, 1]
