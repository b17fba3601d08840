"""Headings told from text, and how deep each is: numbers, faces, bookmarks, contents pages, first pages."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlode.ingest.assembly import assemble
from paperlode.ingest.document import Block, Bookmark, Box, Kind, Layer, Line, PageBox, ParsedPage
from paperlode.ingest.heading_forms import is_no_heading, names_document, reads_as_title
from paperlode.ingest.numbering import number_of

from .strategies import page_of

if TYPE_CHECKING:
    from collections.abc import Sequence

PROSE = (
    "The parties agree on what follows here and on nothing else, in the words of this paragraph and no others, which runs "
    "over several printed lines so that nobody takes it for anything but running text."
)
LEVELS = {"caps": 2, "bold": 3, "bold italic": 4, "italic": 5}


def head(text: str, face: str = "bold", page: int = 0, y: float = 0.0, size: float = 10.0) -> Block:
    """A heading as the local parser hands it on."""
    box = PageBox(page, Box(72, y, 72 + 5 * len(text), y + size))
    level = LEVELS["caps"] if text.isupper() else LEVELS[face]
    line = (Line(0, len(text), box),)
    return Block(Kind.HEADING, text, (box,), level=level, lines=line, size=size, bold="bold" in face)


def prose(text: str = PROSE, page: int = 0, y: float = 0.0, kind: Kind = Kind.TEXT) -> Block:
    """Running text, or an item."""
    box = PageBox(page, Box(72, y, 540, y + 12))
    return Block(kind, text, (box,), lines=(Line(0, len(text), box),), size=10.0, bold=False)


def laid(*blocks: Block, page: int = 0) -> ParsedPage:
    """The blocks one below the other."""
    out: list[Block] = []
    for i, b in enumerate(blocks):
        box = b.regions[0].box
        region = PageBox(page, Box(box.x0, 100 + 22 * i, box.x1, 100 + 22 * i + box.height))
        out.append(replace(b, regions=(region,), lines=tuple(replace(ln, region=region) for ln in b.lines)))
    return page_of(page, *out)


def levels(*pages: ParsedPage) -> list[tuple[str, int | None]]:
    return [(b.text, b.level) for b in assemble(pages) if b.kind is Kind.HEADING and b.layer is Layer.BODY]


def depths(*blocks: Block) -> list[int | None]:
    """Levels of the headings, prose after each so that none leads another."""
    return [n for _, n in levels(laid(*(b for h in blocks for b in (h, prose()))))]


# ---------------------------------------------------------------- levels


def test_faces_nest() -> None:
    """Under an item: bold, then bold italic, then italic; the next bold one closes both."""
    got = depths(
        head("PART I"), head("Item 1. Business"), head("General"), head("Our people", "bold italic"),
        head("Health", "italic"), head("Safety", "italic"), head("Properties we own"), head("Item 2. Properties"),
    )  # fmt: skip
    assert got == [1, 2, 3, 4, 5, 5, 3, 2]


def test_larger_type_stands_higher() -> None:
    """Size comes before weight and capitals."""
    got = depths(
        head("Strategy", "italic", size=14), head("OUR MARKETS"), head("Our people"), head("Outlook", "italic", size=14)
    )
    assert got == [1, 2, 3, 1]


def test_which_face_stands_higher_is_learned() -> None:
    """Where an italic heading comes right before a bold one, bold goes under italic from then on."""
    page = laid(
        head("Item 1. Business"), head("General", "italic"), head("Consumers"), prose(), head("Companies"), prose(),
        head("Distribution", "italic"), prose(), head("Shops"), prose(),
    )  # fmt: skip
    assert [n for _, n in levels(page)] == [1, 2, 3, 3, 2, 3]


def test_equal_headings_with_nothing_between_nest() -> None:
    """A heading right over another set like it is its parent; the next that leads closes both."""
    page = laid(
        head("Results"), head("Sales"), prose(), head("Costs"), prose(), head("Liquidity"), head("Cash"), prose()
    )
    assert levels(page) == [("Results", 1), ("Sales", 2), ("Costs", 2), ("Liquidity", 1), ("Cash", 2)]


def test_numbers_nest_whatever_the_face() -> None:
    """2.1 goes under 2, A1 under A, Section 4.2 under Article IV; what has no number goes under what has."""
    assert depths(head("2. Price", "italic"), head("2.1 Money"), head("2.1.1 Coins"), head("3. Term", "italic")) == [
        1,
        2,
        3,
        1,
    ]
    assert depths(
        head("Note 9. Claims"),
        head("A. Courts", "italic"),
        head("A1. Patents", "italic"),
        head("Actions"),
        head("B. Rest", "italic"),
    ) == [1, 2, 3, 4, 2]
    assert depths(
        head("ARTICLE IV PRICE"), head("Section 4.1. Money"), head("Section 4.2. Tax"), head("ARTICLE V TERM")
    ) == [1, 2, 2, 1]


def test_chinese_numbers_nest() -> None:
    """第一节, 一、, （一） and 1、 go under each other in this order."""
    names = ["第一节 重要提示", "一、基本情况", "（一）主要数据", "1、收入", "（二）其他", "二、治理", "第二节 公司"]
    assert depths(*(head(n) for n in names)) == [1, 2, 3, 4, 3, 2, 1]


def test_front_matter_has_nothing_under_it() -> None:
    """Recitals and contents are closed by whatever comes next."""
    assert depths(head("TABLE OF CONTENTS"), head("WHEREAS:"), head("1. Definitions"), head("2. Price")) == [1, 1, 1, 1]


def test_exhibits_close_articles() -> None:
    """An exhibit stands beside the articles, an appendix to it under it."""
    assert depths(
        head("ARTICLE I TERMS"), head("Section 1.1 Words"), head("EXHIBIT A PRICES"), head("APPENDIX 1 TO EXHIBIT A")
    ) == [1, 2, 1, 2]


def test_i_after_h_is_a_letter() -> None:
    """``I.`` after ``H.`` stays in the series, and opens Roman numbers elsewhere."""
    assert depths(head("Note 1. All"), *(head(f"{c}. Thing {c}") for c in "ABCDEFGHIJ")) == [1, *[2] * 10]
    assert depths(head("I. One"), head("A. Sub"), head("II. Two"), head("A. Sub again"), head("III. Three")) == [
        1,
        2,
        1,
        2,
        1,
    ]


def test_bookmarks_decide_where_they_have_levels() -> None:
    """The PDF's outline comes before the face; the offset of its levels does not matter."""
    names = ["Item 1. Business", "General", "Markets", "Law"]
    blocks = [
        b for n, face in zip(names, ["bold", "italic", "bold", "bold"], strict=True) for b in (head(n, face), prose())
    ]
    marks = (Bookmark(3, names[0]), Bookmark(4, "General"), Bookmark(5, "Markets"), Bookmark(4, "Law"))
    page = replace(laid(*blocks), bookmarks=marks)
    assert [n for _, n in levels(page)] == [1, 2, 3, 2]
    flat = replace(page, bookmarks=tuple(replace(m, level=1) for m in marks))
    assert [n for _, n in levels(flat)] == [1, 2, 2, 2]


@given(st.lists(st.tuples(st.sampled_from(["PART I", "Item 2. X", "3. Y", "3.1 Z", "(a) W", "Plain", "EXHIBIT B", "第二章 总则"]),
                          st.sampled_from(["bold", "italic", "bold italic"]), st.booleans()), max_size=25))  # fmt: skip
def test_levels_have_no_gaps(spec: list[tuple[str, str, bool]]) -> None:
    """Whatever comes in whatever order, no heading is more than one level below the one before it."""
    blocks = [
        b
        for text, face, text_after in spec
        for b in ((head(text, face), prose()) if text_after else (head(text, face),))
    ]
    before = 0
    for _, level in levels(laid(*blocks)) if blocks else ():
        assert level is not None
        assert 1 <= level <= before + 1
        before = level


# ---------------------------------------------------------------- what is a heading


def test_clauses_of_a_series_become_headings() -> None:
    """A numbered line in title case over text or deeper clauses is a heading; a run-in clause and a plain list are none."""
    items = [
        "1. Provision of Services.",
        "(a) Nexstar shall provide to the station what it needs.",
        "2. Payment. The owner pays at once.",
    ]
    page = laid(*(prose(t, kind=Kind.LIST_ITEM) for t in items), prose())
    assert levels(page) == [("1. Provision of Services.", 1)]
    apples = laid(*(prose(t, kind=Kind.LIST_ITEM) for t in ("1. Apples", "2. Pears", "3. Plums")), prose())
    assert [t for t, _ in levels(apples)][:2] == [] or "1. Apples" not in [t for t, _ in levels(apples)]


def test_a_label_and_its_title_are_one() -> None:
    """ARTICLE III over its title: one heading, both boxes, lines with offsets that fit."""
    page = laid(head("ARTICLE III"), head("THIRD PARTY AGREEMENTS"), prose())
    block = next(b for b in assemble([page]) if b.kind is Kind.HEADING)
    assert block.text == "ARTICLE III THIRD PARTY AGREEMENTS"
    assert len(block.regions) == 2
    assert [block.text[ln.start : ln.end] for ln in block.lines] == ["ARTICLE III", "THIRD PARTY AGREEMENTS"]


def test_rows_of_one_heading_are_one() -> None:
    """A row that breaks off in a phrase, and centred capitals over such, go on in the row under it; two titles do not."""

    def rows(first: str, second: str) -> list[str]:
        a, b = head(first, y=100), head(second, y=112)
        middle = b.regions[0].box.width / 2
        box = Box(72 + a.regions[0].box.width / 2 - middle, 112, 72 + a.regions[0].box.width / 2 + middle, 122)
        return [t for t, _ in levels(page_of(0, a, replace(b, regions=(PageBox(0, box),)), prose(y=140)))]

    assert rows("Condition and Results of", "Operations") == ["Condition and Results of Operations"]
    assert rows("RISKS OF THE INDEPENDENT", "PUBLIC ACCOUNTANTS") == ["RISKS OF THE INDEPENDENT PUBLIC ACCOUNTANTS"]
    assert rows("Results", "Sales of the Year") == ["Results", "Sales of the Year"]


def test_contents_lines_are_no_headings_and_announce_some() -> None:
    """Lines with leaders stay text; a line of text equal to an entry becomes a heading."""
    names = ["Conveyance of Assets", "Licensed Materials", "Third Party Rights"]
    contents = laid(*(head(f"{n} ......... {i + 2}") for i, n in enumerate(names)))
    page = laid(prose(), prose("Licensed Materials"), prose(), page=1)
    got = list(assemble([contents, page]))
    assert [b.text for b in got if b.kind is Kind.HEADING] == ["Licensed Materials"]
    assert sum("...." in b.text for b in got) == 3


def test_a_bookmark_makes_a_heading() -> None:
    """A line of text that the PDF's outline names is one."""
    page = replace(laid(prose(), prose("how we are paid"), prose()), bookmarks=(Bookmark(1, "How we are paid"),))
    assert levels(page) == [("how we are paid", 1)]


@pytest.mark.parametrize(
    "text",
    [
        "($ in millions) 2023 2022",
        "Year Ended June 30, 2023", "See Note 4.", "TOTAL: $0", "Z = 365", "JUNE 30, 2001", "BETWEEN",
        "MONIQUE HERENA —", "By: ______________",
        "TABLE 1: SUMMARY OF PERFORMANCE", "“Products” means:", "[Company seal is affixed]",
        "and others, as they are", "CONFIDENTIAL TREATMENT REQUESTED FOR PORTIONS OF THIS", "-#ME960283 -- 11/22/98",
    ],
)  # fmt: skip
def test_what_is_no_heading(text: str) -> None:
    """Column heads, form lines, formulas, dates, lead-ins and sentences are text, whatever the parser took them for."""
    assert is_no_heading(replace(head(text), bold=False), text)


@pytest.mark.parametrize(
    "text",
    [
        "Liquidity",
        "Results of Operations",
        "5G",
        "Second Quarter of 2023 vs. Second Quarter of 2022",
        "Item 6. [Reserved]",
        "总则",
    ],
)
def test_what_is_one(text: str) -> None:
    """Short titles, also with figures, stay headings."""
    assert not is_no_heading(head(text), text)


def test_the_title_of_the_document() -> None:
    """Under a filing label the first line that says what the document is becomes its title, also where it stands again."""
    first = laid(head("Exhibit 10.3"), head("SUPPLY AGREEMENT"), head("BETWEEN"), head("ACME INC."))
    again = laid(head("SUPPLY AGREEMENT"), prose(), head("1. Definitions"), prose(), page=1)
    got = list(assemble([first, again]))
    assert [b.text for b in got if b.kind is Kind.TITLE] == ["SUPPLY AGREEMENT"] * 2
    assert [(b.text, b.level) for b in got if b.kind is Kind.HEADING] == [("1. Definitions", 1)]
    assert names_document("Master Services Agreement")
    assert not names_document("This Agreement is made today by both of them.")


def test_a_row_of_a_running_header_is_furniture() -> None:
    """What the parser split off a header that runs on the pages around is no heading."""

    def top(page: int, *texts: str) -> list[Block]:
        at = [PageBox(page, Box(72, 30 + 12 * i, 300, 40 + 12 * i)) for i in range(len(texts))]
        return [Block(Kind.HEADING, t, (r,), level=3, size=9.0, bold=True) for t, r in zip(texts, at, strict=True)]

    whole = "ACME AND COMPANIES NOTES TO THE STATEMENTS"
    pages = [
        page_of(
            0, *(replace(b, kind=Kind.PAGE_HEADER, layer=Layer.FURNITURE) for b in top(0, whole)), prose(page=0, y=200)
        ),
        page_of(1, *top(1, "ACME AND COMPANIES", "NOTES TO THE STATEMENTS"), prose(page=1, y=200)),
    ]
    assert levels(*pages) == []


def test_a_named_line_at_the_head_of_a_page_is_a_heading() -> None:
    """PART II taken for a page header opens its part; a header that runs does not."""

    def header(text: str, page: int) -> Block:
        return replace(head(text, page=page, y=30), kind=Kind.PAGE_HEADER, layer=Layer.FURNITURE)

    pages = [
        page_of(n, header("PART II" if n == 2 else "Acme Report Of The Year", n), prose(page=n, y=200))
        for n in range(5)
    ]
    assert levels(*pages) == [("PART II", 1)]


# ---------------------------------------------------------------- forms


@pytest.mark.parametrize(
    ("text", "form", "values"),
    [
        ("PART II. OTHER", "part", (2,)), ("Item 1A. Risk Factors", "item", (1, 1)), ("ARTICLE IV", "article", (4,)),
        ("Section 11.13. Headings", "section", (11, 13)), ("Note 12. Claims", "note", (12,)), ("2.0 Price", "decimal", (2,)),
        ("3.1.4 Deep", "decimal", (3, 1, 4)), ("A1. Patents", "lettered", (1, 1)), ("11L. Air", "lettered", (11, 12)),
        ("IV. Results", "upper_roman", (4,)), ("(ii) more", "(lower_roman", (2,)), ("(aa) far", "(lower", (27,)),
        ("第十二章 总则", "zh_chapter", (12,)), ("二、数据", "zh_list", (2,)), ("（三）其他", "zh_paren", (3,)),
        ("Exhibit A-1", "exhibit", (1, 1)), ("附件二", "exhibit", (2,)),
    ],
)  # fmt: skip
def test_numbers_of_headings(text: str, form: str, values: Sequence[int]) -> None:
    """Forms and values, English and Chinese."""
    number = number_of(text)
    assert number is not None
    assert (number.form, number.values) == (form, tuple(values))


@pytest.mark.parametrize(
    "text", ["2024 results", "Particular matters", "5G", "I am here", "Schedule of investments", "U.S. law", ""]
)
def test_what_has_no_number(text: str) -> None:
    """Years, words and abbreviations are none."""
    assert number_of(text) is None


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Third Party Agreements", True), ("Rights and Remedies of the Parties", True), ("TERM", True), ("总则", True),
        ("the party shall pay", False), ("Payment. The owner pays", False), ("Price and Term;", False), ("", False),
    ],
)  # fmt: skip
def test_title_case(text: str, title: bool) -> None:
    """Capitals on every word of weight, no sentence inside."""
    assert reads_as_title(text) is title


@pytest.mark.parametrize(
    "text", ["(in millions 2023 " * 40, "- " * 300, "As of and for the years " * 30, ". . " * 200, "I" * 500]
)
def test_untrusted_text_costs_no_time(text: str) -> None:
    """Long runs of what the patterns look for are judged at once."""
    began = time.perf_counter()
    list(assemble([laid(head(text[:590]), head(text), prose(text), prose(text, kind=Kind.LIST_ITEM))]))
    assert time.perf_counter() - began < 2.0
