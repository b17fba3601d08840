"""Where no neighbour repeats it, furniture is told by place and form; footnotes, signatures, dates and titles stay."""

from __future__ import annotations

import pytest

from paperlode.ingest.document import Block, Box, Kind, Layer, Line, PageBox, ParsedPage
from paperlode.ingest.furniture import mark_furniture
from paperlode.ingest.margins import lone_furniture, says_it_is_furniture

HEIGHT, WIDTH = 800.0, 600.0


def line(
    text: str,
    y: float,
    *,
    x: float = 60,
    size: float = 10,
    kind: Kind = Kind.TEXT,
    layer: Layer = Layer.BODY,
    bold: bool = False,
) -> Block:
    """One printed line whose baseline box starts at ``y``."""
    region = PageBox(0, Box(x, y, min(x + 0.5 * size * len(text), 590), y + 0.7 * size))
    return Block(kind, text, (region,), layer, lines=(Line(0, len(text), region),), size=size, bold=bold)


def page_of(*blocks: Block, number: int = 0) -> ParsedPage:
    """A page with running text in its middle and the blocks around it."""
    about = ("ships", "wool", "corn", "coal", "iron")[
        number
    ]  # pages that differ in digits only would repeat each other
    prose = [
        line(f"This is a sentence about {about}, which goes on and on, for all of the page.", y)
        for y in (200, 214, 228)
    ]
    top = [b for b in blocks if b.regions[0].box.y0 < 200]
    rest = [b for b in blocks if b.regions[0].box.y0 >= 200]
    return ParsedPage(number, WIDTH, HEIGHT, "test", (*top, *prose, *rest))


def furniture(*blocks: Block) -> list[tuple[str, Kind]]:
    """Text and kind of what ends up as furniture on a page alone."""
    (page,) = mark_furniture([page_of(*blocks)])
    return [(b.text, b.kind) for b in page.blocks if b.layer is Layer.FURNITURE]


def test_a_folio_is_furniture() -> None:
    """A number at one end of the top row, apart from the running title and chapter, makes the row furniture."""
    row = (
        line("400", 60, x=60),
        line("BRITISH HUSBANDRY.", 60, x=250, kind=Kind.HEADING),
        line("[Ch. XIX.", 60, x=500),
    )
    assert furniture(*row) == [
        ("400", Kind.PAGE_NUMBER),
        ("BRITISH HUSBANDRY.", Kind.PAGE_HEADER),
        ("[Ch. XIX.", Kind.PAGE_HEADER),
    ]
    assert furniture(line("1", 60, x=60), line("Introduction", 60, x=75, kind=Kind.HEADING)) == []


def test_what_stands_beside_known_furniture() -> None:
    """A short line in one row with what the parser knew to be a footer is a footer too."""
    known = line("A Company", 770, kind=Kind.PAGE_FOOTER, layer=Layer.FURNITURE)
    assert furniture(known, line("Annual meeting", 770, x=400)) == [
        ("A Company", Kind.PAGE_FOOTER),
        ("Annual meeting", Kind.PAGE_FOOTER),
    ]


def test_a_logo_beside_the_page_number() -> None:
    """Words of a logo, in two lines or in a picture, are furniture beside a known page number; a sentence is not."""
    known = line("1", 765, x=580, kind=Kind.PAGE_NUMBER, layer=Layer.FURNITURE)
    two = Block(
        Kind.TEXT,
        "ROCKET WORKS",
        (PageBox(0, Box(400, 755, 500, 780)),),
        lines=(Line(0, 6, PageBox(0, Box(400, 755, 460, 764))), Line(7, 12, PageBox(0, Box(400, 771, 450, 780)))),
    )
    picture = line("POWER SYSTEMS, INC.", 760, kind=Kind.FIGURE)
    assert len(furniture(picture, two, known)) == 3
    assert furniture(picture) == []
    assert len(furniture(line("and so it is left to the other party, which will see.", 764), known)) == 1


@pytest.mark.parametrize("text", ["7", "- 7 -", "Page 7 of 9", "xiv", "A-3"])
def test_page_numbers(text: str) -> None:
    """Arabic, roman and lettered numbers alone at the foot are the page's number."""
    assert furniture(line(text, 760, x=295)) == [(text, Kind.PAGE_NUMBER)]


def test_a_number_that_ends_a_short_page() -> None:
    """In the middle of the width and well under the text it is the page's number, at whatever height; else it stays."""
    assert furniture(line("62", 500, x=295)) == [("62", Kind.PAGE_NUMBER)]
    assert furniture(line("62", 500, x=60)) == []
    assert furniture(line("62", 240, x=295)) == []


def test_notices() -> None:
    """What says that it was downloaded is no body, on any page of a document."""
    assert says_it_is_furniture("Download date: 28 Dec 2018")
    assert not says_it_is_furniture("Download dates are given in the table.")
    pages = [page_of(line(t, 780), number=n) for n, t in enumerate(["Downloaded from the archive", "b", "c", "d"])]
    assert [b.text for b in next(mark_furniture(pages)).blocks if b.layer is Layer.FURNITURE] == [
        "Downloaded from the archive"
    ]


def test_small_type_and_the_very_edge() -> None:
    """Small type in the margin, and type of the body's size at the very edge, are furniture when well apart."""
    assert furniture(line("Conference 2015", 730, size=6)) == [("Conference 2015", Kind.PAGE_FOOTER)]
    assert furniture(line("Journal of Things 12", 20)) == [("Journal of Things 12", Kind.PAGE_HEADER)]
    assert furniture(line("Conference 2015", 720)) == []


@pytest.mark.parametrize(
    ("text", "y", "size", "bold"),
    [
        ("* Doncaster Report, p. 8.", 740, 7, False),
        ("1 See the annual report of the year before.", 740, 7, False),
        ("Source: company data", 740, 7, False),
        ("By: ____________________", 780, 10, False),
        ("12 March 2021", 20, 10, False),
        ("(in millions)", 60, 7, False),
        ("Report of the Directors", 30, 18, False),
        ("Report of the Directors", 30, 10, True),
        ("and therefore the parties have agreed to it as it stands.", 770, 10, False),
        ("1999", 760, 10, False),
    ],
)
def test_what_stays_in_the_body(text: str, y: float, size: float, *, bold: bool) -> None:
    """Footnotes, sources, signatures, dates, units, titles, ends of sentences and years are no furniture."""
    assert furniture(line(text, y, size=size, bold=bold)) == []


def test_a_page_keeps_a_body() -> None:
    """A page that has nothing but such lines keeps them: they are what it says."""
    page = ParsedPage(0, WIDTH, HEIGHT, "test", (line("Deed No. 12 of the archive", 20), line("xiv", 770, x=295)))
    assert lone_furniture(page) == {}


def test_with_neighbours_place_alone_does_not_decide() -> None:
    """Among pages that could repeat a line, one that does not repeat stays."""
    pages = [page_of(line("Journal of Things" if n == 1 else f"{'abcde'[n]} words", 20), number=n) for n in range(5)]
    assert all(b.layer is Layer.BODY for p in mark_furniture(pages) for b in p.blocks)
