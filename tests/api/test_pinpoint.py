"""A citation points at the lines that were quoted."""

from paperlode.api.pinpoint import pinpoint
from paperlode.ingest.document import Block, Box, Kind, Line, PageBox, ParsedPage
from paperlode.retrieval.answer import Citation


def block(page, y, *texts):
    """A block of printed lines, 10 points apart."""
    lines, at = [], 0
    for k, text in enumerate(texts):
        lines.append(Line(at, at + len(text), PageBox(page, Box(72, y + 10 * k, 500, y + 10 * k + 9))))
        at += len(text) + 1
    region = PageBox(page, Box(72, y, 500, y + 10 * len(texts)))
    return Block(Kind.TEXT, "\n".join(texts), (region,), lines=tuple(lines))


PAGES = [
    ParsedPage(0, 612, 792, "p", (block(0, 100, "The rent is due", "each month. Pets"), block(0, 600, "are fine."))),
    ParsedPage(1, 612, 792, "p", (block(1, 50, "Notice is ninety days."), block(1, 700, "The rent is due"))),
]


def cite(quote, *boxes):
    return Citation(
        1, "d", "lease.pdf", 0, boxes or tuple(r for p in PAGES for b in p.blocks for r in b.regions), quote
    )


def test_a_quote_has_its_own_page_and_lines():
    """Of a chunk over two pages only the page and line that were quoted remain."""
    found = pinpoint(cite("Notice is ninety days."), PAGES)
    assert (found.page, found.boxes) == (1, PAGES[1].blocks[0].regions)


def test_a_sentence_over_lines_has_all_of_them():
    """White space at line ends does not matter; lines of one block are one box."""
    found = pinpoint(cite("The rent is due each month."), PAGES)
    assert found.boxes == (PageBox(0, Box(72, 100, 500, 119)),)


def test_a_sentence_over_blocks_has_a_box_in_each():
    """A sentence that goes on in another block, as over a page break, is boxed in both."""
    found = pinpoint(cite("Pets are fine."), PAGES)
    assert found.boxes == (PageBox(0, Box(72, 110, 500, 119)), PAGES[0].blocks[1].regions[0])


def test_only_the_chunk_is_searched():
    """The same words elsewhere on the page are not taken for the quote."""
    chunk = PAGES[1].blocks[1].regions
    assert pinpoint(cite("The rent is due", *chunk), PAGES).boxes == chunk


def test_what_is_not_found_stays():
    """A quote that is not in the text as printed keeps the chunk's boxes."""
    for quote in ("Something else.", ""):
        assert pinpoint(cite(quote), PAGES) == cite(quote)
