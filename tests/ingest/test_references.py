"""Labels, references and defined terms: what leads from clause to clause."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paperlode.ingest.chunking import chunk
from paperlode.ingest.document import Block, Chunk, Kind, Layer, Link
from paperlode.ingest.labels import Labels, labels_of
from paperlode.ingest.numerals import chinese_number, roman_number
from paperlode.ingest.references import references_in
from paperlode.ingest.terms import MOST_TERMS, Glossary, defined_terms

from .strategies import SOURCE, WordCounter, documents, grid_table, text_block


def found(text: str) -> list[str]:
    return [r.label for r in references_in(text)]


def placed(*blocks: Block | str) -> list[tuple[str, ...]]:
    """The labels of blocks in their order; a string is a list item."""
    labels = Labels()
    return [labels.place(text_block(b, kind=Kind.LIST_ITEM) if isinstance(b, str) else b) for b in blocks]


def heading(text: str) -> Block:
    return text_block(text, kind=Kind.HEADING)


def chunks(*blocks: Block, most: int = 64) -> list[Chunk]:
    return list(chunk(blocks, source=SOURCE, parser="p", counter=WordCounter(most)))


# ---------------------------------------------------------------- references


@pytest.mark.parametrize(
    "text,labels",
    [
        ("as set forth in Section 4.2(b) hereof", ["4.2(b)"]),
        ("under Sections 4.2 and 4.3", ["4.2", "4.3"]),
        ("Sections 4.1 through 4.3 of this Agreement", ["4.1", "4.3"]),
        ("Sections 2(a)(i) and (ii), 3 and 5(c)", ["2(a)(i)", "2(a)(ii)", "3", "5(c)"]),
        ("Section 15(a), (b) or (c)", ["15(a)", "15(b)", "15(c)"]),
        ("of Article IV and ARTICLE 12(b)", ["Article4", "Article12(b)"]),
        ("paragraph (c) of Section 5", ["5(c)"]),
        ("clauses (a) and (b) of Section 4.2", ["4.2(a)", "4.2(b)"]),
        ("clause (i) of paragraph (c) of Section 5", ["5(c)(i)"]),
        ("see Exhibit A, Schedule “C” and Appendix 4", ["ExhibitA", "ScheduleC", "Appendix4"]),
        ("see Exhibits B-1 and 10.2", ["ExhibitB-1", "Exhibit10.2"]),
        ("see Note 7, Table 3, Fig. 2 and Items 1A and 7", ["Note7", "Table3", "Figure2", "Item1A", "Item7"]),
        ("Part II, Item 5", ["Part2", "Item5"]),
        ("§ 12.1 and Section \u200b4.1 below", ["12.1", "4.1"]),
        ("本协议第4.2条、第三章、第五条第二款和附件一，见表3", ["4.2", "第3章", "第5条第2款", "附件1", "表3"]),
    ],
)  # fmt: skip
def test_references(text: str, labels: list[str]) -> None:
    """References of all forms are found, lists and ranges number by number, in one spelling."""
    assert found(text) == labels


@pytest.mark.parametrize(
    "text",
    [
        "Section 16 of the Exchange Act", "Section 10(b) of the Securities Act of 1933", "Code Section 409A", "11 U.S.C. § 365",
        "Section 409A", "Item 601(b)(10) of Regulation S-K", "Section 5 of the Employment Agreement dated May 1",
        "Exhibit 10.1 to the Company’s Current Report on Form 8-K", "Section 365(n) thereof", "clause (i) above",
        "we exhibit a strong trend, schedule a call and part ways", "Notes due 2030", "Section heads met", "Section 5%",
        "PURSUANT TO SECTION 13 OR 15(d) OF THE SECURITIES EXCHANGE ACT",
        "Section 13(a) or Section 15(d) of the Exchange Act", "Section 1.368-1(b)", "(§240.12b-2)", "Regulation S-K, Item 601(b)",
        "Section 564(b)(1) of the FFDCA", "《公司法》第十二条", "代表一般的报表3",
        "Section 15.10 of the Distribution Agreement; provided that",
    ],
)  # fmt: skip
def test_no_references(text: str) -> None:
    """Statutes, regulations, other agreements and filings, and words that only look alike, are no references."""
    assert not found(text)


@pytest.mark.parametrize(
    "tail",
    ["of this Agreement", "of the Agreement", "shall apply", "and the Exchange Act", "of such Person under any Act"],
)
def test_own_document(tail: str) -> None:
    """What follows decides: this agreement's own sections stay references."""
    assert found("pursuant to Section 16 " + tail) == ["16"]


@pytest.mark.parametrize(
    "text",
    ["Section 4.2 Confidentiality.", "Section 4.2. The parties", "ARTICLE IV", "Table 3: Results", "第四条 保密"],
)
def test_own_number_is_no_reference(text: str) -> None:
    """The number a line begins with, and a name follows, is its own; a sentence that begins with a reference has one."""
    assert not found(text)
    assert not found("Before.\n" + text)
    assert found("Section 4.2 shall survive. Table 3 shows it.") == ["4.2", "Table3"]


def test_reference_offsets() -> None:
    """Offsets lead to what is printed."""
    text = "under Sections 4.2 and 4.3(a) or Exhibit A"
    assert [text[r.start : r.end] for r in references_in(text)] == ["Sections 4.2", "4.3(a)", "Exhibit A"]


WORDS = (
    "Section", "Sections", "4.2", "(a)", "(ii)", ",", "and", "of", "the", "Article", "IV", "Exhibit", "A", "\n", ";", "第", "条",
    "四", "附件", "Act", "\u200b", "§", "-", "“", "X",
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=40), st.text(max_size=30))
def test_any_text_is_read(words: list[str], tail: str) -> None:
    """Any mixture of words and marks gives references inside the text, in order, and never an error."""
    text = " ".join(words) + tail
    refs = references_in(text)
    assert all(0 <= r.start < r.end <= len(text) and r.label and not any(c.isspace() for c in r.label) for r in refs)
    assert [r.start for r in refs] == sorted(r.start for r in refs)
    assert all(isinstance(t, str) for t in (*labels_of(text_block(text)), *defined_terms(text)))


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize(
    "text,labels",
    [
        ("4.2 Confidentiality.", ("4.2",)), ("Section 4.2(b) Fees", ("4.2(b)",)), ("ARTICLE IV TERM", ("Article4", "ArticleIV")),
        ("第十二条 保密", ("第12条", "第十二条")), ("EXHIBIT A", ("ExhibitA",)), ("Schedule 1.1(f)", ("Schedule1.1(f)",)),
        ("Note 7. Debt", ("Note7",)), ("Item 7A. Market risk", ("Item7A",)), ("4.2 million were sold", ()), ("17", ()),
        ("9.Review of work. All", ("9", "Article9")),
        ("2021 was a good year", ()), ("Section 4.2 of this Agreement ends", ()), ("4.2 Fees ........... 17", ()), ("Fees", ()),
        ("附件一 价格", ("附件1", "附件一")),
    ],
)  # fmt: skip
def test_labels_of(text: str, labels: tuple[str, ...]) -> None:
    """A block's number is its label; figures, years, page numbers and lines of a contents page have none."""
    assert labels_of(text_block(text)) == labels


def test_labels_nest() -> None:
    """Marks stand under the clause and under each other, whichever way they are written, until the next number."""
    assert placed(
        heading("Section 4.2 Fees"), "(a) One", "(i) Two", "(ii) Three", "(A) Four", "(b) Five", text_block("Six."), "(c) Seven",
        "4.3 Term", "a. One", "b. Two", "5. Name. (a) One", "(b) Two",
    ) == [
        ("4.2",), ("4.2(a)",), ("4.2(a)(i)",), ("4.2(a)(ii)",), ("4.2(a)(ii)(A)",), ("4.2(b)",), (), ("4.2(c)",),
        ("4.3",), ("4.3(a)",), ("4.3(b)",), ("5", "Article5", "5(a)"), ("5(b)",),
    ]  # fmt: skip


def test_letter_after_h() -> None:
    """(i) after (h) is a letter; (v) after (u) too; a mark that begins and goes on from nothing names nothing."""
    assert placed("7. Cases:", "(g) One", "(h) Two")[1:] == [(), ()]
    marks = [f"({c}) Case" for c in "abcdefghij"]
    assert placed("7. Cases:", *marks)[1:] == [(f"7({c})",) for c in "abcdefghij"]


def test_list_inside_a_clause() -> None:
    """Numbers that begin again at 1 inside a clause are its list; the clause after it goes on."""
    assert placed("4. Fees", "1. One", "2. Two", "5. Term")[1:] == [("4(1)",), ("4(2)",), ("5", "Article5")]


def test_articles_and_sections_are_apart() -> None:
    """Where articles have their own headings, a plain number is none; elsewhere it may be called article or section."""
    assert placed("4. Fees") == [("4", "Article4")]
    assert placed(heading("ARTICLE I"), "1. Fees", "(a) Late") == [("Article1", "ArticleI"), ("1",), ("1(a)",)]
    assert placed(heading("ARTICLE II"), "(b) Late")[1] == ("Article2(b)",)


def test_notes_to_statements() -> None:
    """Numbered headings under the notes to the financial statements are notes."""
    blocks = [
        heading("NOTES TO CONSOLIDATED FINANCIAL STATEMENTS"),
        heading("1. Debt"),
        heading("Item 9. Controls"),
        heading("1. Debt"),
    ]
    assert ["Note1" in labels for labels in placed(*blocks)] == [False, True, False, False]


def test_part_of_a_note() -> None:
    """A lettered part of a note is referred to with its letter alone."""
    assert placed(heading("Note 13. Segments"), heading("B. Geography"))[1] == ("Note13(B)", "Note13B")


def test_footnote_of_a_table_is_no_clause() -> None:
    """A paragraph that is tied to a table as its note has no label, and the clause goes on after it."""
    note = text_block("(1) Net of tax", links=(Link("note", "p0.1", 1, 4),))
    assert placed("4.2 Fees", "(a) One", note, "(b) Two")[2:] == [(), ("4.2(b)",)]


def test_labels_of_floats_and_furniture() -> None:
    """A table has the number of its caption; running headers have none and change nothing."""
    assert placed(grid_table([["a", "Table 9"]], caption="Table 3: Results\n(in thousands)")) == [("Table3",)]
    assert labels_of(text_block("Figure 2. Sales", kind=Kind.CAPTION)) == ("Figure2",)
    running = text_block("Section 9. Running", layer=Layer.FURNITURE)
    assert placed("4.2 Fees", running, "(a) One")[1:] == [(), ("4.2(a)",)]


def test_numerals() -> None:
    """Roman and Chinese numerals are read; what is none gives None."""
    assert [roman_number(t) for t in ("IV", "XIV", "XL", "IIII", "VX", "", "iv")] == [4, 14, 40, None, None, None, None]
    assert [chinese_number(t) for t in ("十二", "二十", "一百零三", "二〇", "12", "甲")] == [12, 20, 103, 20, 12, None]


# ---------------------------------------------------------------- terms


@pytest.mark.parametrize(
    "text,terms",
    [
        ("“Confidential Information” means all data.", ("Confidential Information",)),
        ('"Net Sales" shall mean the amount', ("Net Sales",)),
        ('ABC Inc. (the "Company") and B ("Buyer" or the "Purchaser")', ("Company", "Buyer", "Purchaser")),
        ("(hereinafter referred to as “Seller”)", ("Seller",)),
        ("甲公司（以下简称“甲方”）与乙公司（下称「乙方」）。“产品”是指软件", ("甲方", "乙方", "产品")),
        ('(see the "Notes" in our report) and "quoted words" say', ()),
        ("“the” means nothing; “” means less", ()),
    ],
)
def test_defined_terms(text: str, terms: tuple[str, ...]) -> None:
    """Terms are found where they are defined, not wherever something is quoted."""
    assert defined_terms(text) == terms


def test_terms_are_whole_words() -> None:
    """Terms are found as whole words in their own capitals, the longest first; a plural is the term."""
    glossary = Glossary()
    glossary.add(["Product", "Product License", "Net Sales", "甲方"])
    text = "Productivity and products; the Product\nLicense, Products, net sales and 甲方的Net Sales."
    assert glossary.used_in(text) == ("Product License", "Product", "甲方", "Net Sales")


def test_glossary_is_bounded() -> None:
    """After ``MOST_TERMS`` terms no more are kept."""
    glossary = Glossary()
    glossary.add(f"Term{n}" for n in range(MOST_TERMS + 5))
    assert glossary.used_in(f"Term{MOST_TERMS - 1} and Term{MOST_TERMS + 1}") == (f"Term{MOST_TERMS - 1}",)


# ---------------------------------------------------------------- chunks


def test_chunks_know_labels_and_references() -> None:
    """A chunk has the labels of what begins in it and the references of its own text; a term leads to its definition."""
    body = "The parties agree to what is said in this clause in so many words. " * 4
    out = chunks(
        text_block("“Net Sales” means the sales of Section 4.2(b). " + body),
        text_block("4.2 Fees. " + body, kind=Kind.LIST_ITEM),
        text_block("(b) On Net Sales, as in Exhibit A and Section 4.2(b). " + body, kind=Kind.LIST_ITEM),
    )  # fmt: skip
    by_label = {x: c for c in out for x in c.labels}
    assert {"term:Net Sales", "4.2", "4.2(b)"} <= set(by_label)
    assert by_label["term:Net Sales"].references == ("4.2(b)",)
    assert by_label["4.2(b)"].references == ("ExhibitA", "term:Net Sales")
    assert "4.2(b)" in by_label["4.2(b)"].text or "On Net Sales" in by_label["4.2(b)"].text


def test_term_before_its_definition_is_no_reference() -> None:
    """A use before the definition gives no reference: the chunk before does not know it."""
    body = "The parties agree to what is said in this clause in so many words. " * 4
    out = chunks(text_block("On Net Sales. " + body), text_block("“Net Sales” means sales. " + body))
    assert "term:Net Sales" not in out[0].references


@settings(max_examples=40, deadline=None)
@given(documents())
def test_labels_of_chunks_are_unique(blocks: list[Block]) -> None:
    """Labels and references are unique in each chunk, apart from each other, and the same on every run."""
    once, again = chunks(*blocks), chunks(*blocks)
    assert once == again
    for c in once:
        assert len(set(c.labels)) == len(c.labels)
        assert len(set(c.references)) == len(c.references)
        assert not set(c.labels) & set(c.references)


@pytest.mark.parametrize(
    "piece",
    [
        "Section ", "Section 4.2(a), ", "paragraph (c) of ", "(", "第", "(a)", "Sections 1, 2, ", "A ", '("A" or ', '"',
        "“A” or “B” ", "“A” of ", "4.2.", "Section 4 of the A ",
    ],
)  # fmt: skip
def test_long_blocks_take_linear_time(piece: str) -> None:
    """A block made of what the patterns look for: four times as long takes some four times as long, where squared it were 16."""

    def seconds(length: int) -> float:
        text = (piece * (length // len(piece) + 1))[:length]
        start = time.process_time()
        references_in(text)
        labels_of(text_block(text))
        glossary = Glossary()
        glossary.add(
            [*defined_terms(text), *("A" + " A" * n for n in range(40)), *(f"Section {'x' * n}" for n in range(70))]
        )
        glossary.used_in(text)
        return time.process_time() - start

    short = max(seconds(25_000), seconds(25_000))
    assert min(seconds(100_000), seconds(100_000)) < 8 * short + 0.1
