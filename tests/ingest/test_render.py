"""Markdown and HTML: readable, escaped, nothing lost."""

from __future__ import annotations

from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from paperlode.ingest.document import (
    Block,
    Box,
    Cell,
    Finding,
    Kind,
    Layer,
    Link,
    PageBox,
    PageFailure,
    ParsedDocument,
    ParsedPage,
    Table,
)
from paperlode.ingest.render import table_html, table_markdown, to_html, to_markdown

from .strategies import SOURCE, grid_table, parsed_documents, squeezed, table_of, tables, text_block


class Reader(HTMLParser):
    """The text and the tags of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes it."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Notes it."""
        self.text.append(data)


def document(*blocks: Block, pages: tuple[ParsedPage, ...] = ()) -> ParsedDocument:
    return ParsedDocument(SOURCE, pages, blocks)


@settings(max_examples=40, deadline=None)
@given(parsed_documents())
def test_html_holds_every_block(doc: ParsedDocument) -> None:
    """Each block's text is in the page, escaped; a table's is in its cells."""
    html = to_html(doc)
    seen = squeezed(unescape(html))
    for b in doc.blocks:
        for text in [c.text for c in b.table.cells] if b.table else [b.text]:
            assert squeezed(text).replace("\x00", "") in seen.replace("\x00", "") or "&" in text


def test_html_is_escaped() -> None:
    """Tags and attributes in a document's text stay text."""
    html = to_html(document(text_block('<script>alert("x")</script> & <b a="1">'), grid_table([["<i>", "&amp;"]])))
    tags = {t for t, _ in Reader(html).tags}
    assert not tags & {"script", "b", "i"}
    assert '<script>alert("x")</script> & <b a="1">' in "".join(Reader(html).text)
    assert "&amp;amp;" in html


def test_html_knows_places() -> None:
    """Elements carry page, box, kind and layer."""
    block = text_block("Hello", page=3, kind=Kind.PAGE_FOOTER, layer=Layer.FURNITURE)
    attrs = next(a for t, a in Reader(to_html(document(block))).tags if t == "footer")
    assert attrs == {
        "data-kind": "page_footer", "data-layer": "furniture", "data-page": "3", "data-box": "3:72,300,540,312",
    }  # fmt: skip


def caption(text: str, target: str, ref: str = "p0.9") -> Block:
    """A caption that is linked to a block."""
    return text_block(text, kind=Kind.CAPTION, ref=ref, links=(Link("caption", target),))


def test_html_names_blocks() -> None:
    """A block's name is its id, its flags and the codes of its findings are attributes; quotes in them are escaped."""
    block = text_block(
        'a "b"', ref='p3."x"', flags=("low_confidence", "rotated"), findings=(Finding("loop", "<again>"),) * 2
    )
    attrs = next(a for t, a in Reader(to_html(document(block))).tags if t == "p")
    assert attrs["id"] == attrs["data-ref"] == 'p3."x"'
    assert attrs["data-flags"] == "low_confidence rotated"
    assert attrs["data-findings"] == "loop"


def test_html_figure_with_caption() -> None:
    """A linked caption over or under a float stands in one figure with it, as its ``figcaption``."""
    figure = text_block("", kind=Kind.FIGURE, ref="p0.1")
    under = "".join(to_html(document(figure, caption("Figure 1: <Sales>", "p0.1"))).split("\n"))
    assert '<figure id="p0.1"' in under
    assert under.count("<figure") == 1
    assert "<em>Figure 1: &lt;Sales&gt;</em></p></figcaption></figure>" in under
    table = to_html(document(caption("Table 1", "p0.2"), replace(grid_table([["a", "b"]]), ref="p0.2")))
    assert table.index("<figure>") < table.index("<figcaption>") < table.index("Table 1") < table.index("<table")
    assert table.count("</table></figure>") == 1


def test_html_captions_that_stand_alone() -> None:
    """A caption without a link, or not beside what it is linked to, is a paragraph; the next float does not take it."""
    other = text_block("b", kind=Kind.FORMULA, ref="p0.2")
    html = to_html(document(caption("Figure 1", "p0.1"), other, text_block("Free", kind=Kind.CAPTION)))
    assert "<figure" not in html.partition("</head>")[2]
    assert html.count("<em>Figure 1</em>") == html.count("<em>Free</em>") == 1


def test_html_note_leads_to_its_call() -> None:
    """A note has a link to the block that calls it, one however often it is called there, and the target has that id."""
    links = (Link("note", "p0.1", 5, 6), Link("note", "p0.1", 9, 10))
    note = text_block("1 Net of tax.", kind=Kind.FOOTNOTE, layer=Layer.NOTE, ref="p0.2", links=links)
    html = to_html(document(text_block("sales1 and1", ref="p0.1"), note))
    tags = Reader(html).tags
    assert [a["href"] for t, a in tags if t == "a"] == ["#p0.1"]
    assert [a["id"] for t, a in tags if a.get("id")] == ["p0.1", "p0.2"]
    assert "> 1 Net of tax." in to_markdown(document(note))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["figure", "table", "text", "item", "caption", "caption2"]), max_size=9))
def test_html_loses_no_caption(kinds: list[str]) -> None:
    """Whatever stands next to whatever, each block's text is in the page once and each name is one id."""
    made = []
    for i, kind in enumerate(kinds):
        ref = f"p0.{i}"
        if kind.startswith("caption"):
            made.append(caption(f"text{i};", f"p0.{i - 1 if kind == 'caption' else i + 1}", ref))
        elif kind == "table":
            made.append(replace(grid_table([[f"text{i};"]]), ref=ref))
        else:
            sort = {"figure": Kind.FIGURE, "item": Kind.LIST_ITEM}.get(kind, Kind.TEXT)
            made.append(text_block(f"text{i};", kind=sort, ref=ref))
    html = to_html(document(*made))
    assert [html.count(f"text{i};") for i in range(len(made))] == [1] * len(made)
    assert sorted(str(a["id"]) for _, a in Reader(html).tags if a.get("id")) == sorted(b.ref for b in made)


@settings(max_examples=40, deadline=None)
@given(tables())
def test_table_html_covers_the_grid(table: Table) -> None:
    """Every place of the grid is covered by exactly one cell, spans counted, and header cells are ``th``."""
    covered, row = [], -1
    free: set[tuple[int, int]] = set()
    for tag, attrs in Reader(table_html(table)).tags:
        if tag == "tr":
            row += 1
        elif tag in ("td", "th"):
            col = next(c for c in range(table.cols + 1) if (row, c) not in free)
            places = [
                (row + i, col + j)
                for i in range(int(attrs.get("rowspan") or 1))
                for j in range(int(attrs.get("colspan") or 1))
            ]
            free.update(places)
            covered += places
            assert (tag == "th") == (row < table.header_rows)
    assert sorted(covered) == [(r, c) for r in range(table.rows) for c in range(table.cols)]


def test_markdown_table() -> None:
    """A plain table is written with pipes, bars in cells escaped; one with spans as HTML."""
    block = grid_table([["Name", "2023"], ["a|b", "1"]], header_rows=1, caption="(In millions)")
    assert table_markdown(table_of(block)) == "*(In millions)*\n\n| Name | 2023 |\n| --- | --- |\n| a\\|b | 1 |"
    spanning = Table(2, 2, (Cell(0, 0, "x", col_span=2), Cell(1, 0, "y"), Cell(1, 1, "z")), header_rows=1)
    assert '<th colspan="2">x</th>' in table_markdown(spanning)


def test_cells_have_places_in_html_alone() -> None:
    """Markdown goes into chunks and prompts: numbers of boxes would fill them."""
    cell = Cell(0, 0, "x", col_span=2, region=PageBox(3, Box(1.0, 2.0, 30.0, 40.0)))
    assert 'data-box="3:1,2,30,40"' in table_html(Table(1, 2, (cell,)))
    assert "data-" not in table_markdown(Table(1, 2, (cell,)))


def test_markdown() -> None:
    """Headings, lists, formulas and captions have their marks; what would be a mark by chance is escaped."""
    doc = document(
        text_block("Annual report", kind=Kind.TITLE),
        text_block("Business", kind=Kind.HEADING, level=2),
        text_block("1. no list, *no* emphasis, # no heading <b>"),
        text_block("• an item", kind=Kind.LIST_ITEM),
        text_block(r"\frac{a}{b}", kind=Kind.FORMULA),
        text_block("Figure 1", kind=Kind.CAPTION),
        text_block("17", kind=Kind.PAGE_NUMBER, layer=Layer.FURNITURE),
    )
    assert to_markdown(doc) == (
        "# Annual report\n\n### Business\n\n1\\. no list, \\*no\\* emphasis, # no heading &lt;b>\n\n- an item\n\n"
        "$$\n\\frac{a}{b}\n$$\n\n*Figure 1*\n"
    )
    assert "> 17" in to_markdown(doc, furniture=True)


def test_failed_pages_are_named() -> None:
    """Both forms say which page is missing, and why."""
    failed = ParsedPage(4, 10, 10, "fake-1", failure=PageFailure("page_timeout", "It took over 60 s."))
    for text in (to_markdown(document(pages=(failed,))), to_html(document(pages=(failed,)))):
        assert "Page 5 could not be read: It took over 60 s." in text
