"""Markdown of any reader as nodes: nothing lost, what belongs together kept together, the same ids every time."""

from __future__ import annotations

import pickle
import subprocess
import sys
import uuid
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.ingestion.pipeline import get_transformation_hash
from llama_index.core.node_parser import NodeParser
from llama_index.core.schema import Document, ImageDocument, MetadataMode, NodeRelationship, TextNode

from paperlode.ingest.document import Kind, ParsedDocument
from paperlode.ingest.errors import InvalidRequest, MissingExtra
from paperlode.ingest.llama_documents import BLOCKS, Sheet
from paperlode.ingest.llama_index import StructureNodeParser, blocks_of
from paperlode.ingest.markdown_blocks import markdown_blocks
from paperlode.ingest.minilm_tokens import MiniLMTokens
from paperlode.ingest.render import to_markdown

from .strategies import CHINESE, SOURCE, WORDS, WordCounter, documents, grid_table, text_block


def words(text: str) -> list[str]:
    """A tokenizer whose counts can be checked by eye."""
    return text.split()


def parser_of(size: int = 64, **options) -> StructureNodeParser:
    return StructureNodeParser(chunk_size=size, **{"tokenizer": words, **options})


def document(text: str, **metadata) -> Document:
    return Document(id_="d", text=text, metadata=metadata)


def parse(text: str, size: int = 64, **options) -> list[Any]:
    nodes = parser_of(size, **options).get_nodes_from_documents([document(text)])
    assert all(isinstance(n, TextNode) for n in nodes)
    return list(nodes)


def squeezed(text: str) -> str:
    return "".join(text.split())


def stretch(node: TextNode) -> str:
    """The node's own text, without what is repeated around it."""
    before, after = (int(n) for n in node.metadata.get("repeated", "0, 0").split(", "))
    return node.text[before : len(node.text) - after]


def table(rows: int, cols: int = 2) -> str:
    """A pipe table with a name a row."""
    lines = ["| name |" + " value |" * (cols - 1), "|---|" + "---|" * (cols - 1)]
    return "\n".join([*lines, *(f"| row{i} |" + f" {i}.5 |" * (cols - 1) for i in range(rows))])


def html_table(rows: int, *, head: str = "th", tied: int = 1) -> str:
    """An HTML table; the first cells span ``tied`` rows."""
    out = ["<table>", f"<tr><{head}>name</{head}><{head}>value</{head}></tr>"]
    for i in range(rows):
        first = f'<td rowspan="{tied}">row{i}</td>' if i % tied == 0 else ""
        out.append(f"<tr>{first}<td>{i}.5</td></tr>")
    return "\n".join([*out, "</table>"])


# ---------------------------------------------------------------------------------------------------------- generators


@st.composite
def pieces(draw: st.DrawFn) -> str:
    """A piece of Markdown, well formed or not."""

    def some(most: int = 40) -> str:
        chosen = Random(draw(st.integers(0, 999))).choices([*WORDS, *CHINESE], k=draw(st.integers(1, most)))
        return " ".join(chosen)

    sort = draw(
        st.sampled_from(["prose", "prose", "heading", "list", "table", "html", "formula", "code", "quote", "any"])
    )
    if sort == "heading":
        return "#" * draw(st.integers(1, 6)) + " " + some(8)
    if sort == "list":
        return "\n".join(
            f"{draw(st.sampled_from(['-', '1.', '  -']))} {some(12)}" for _ in range(draw(st.integers(1, 6)))
        )
    if sort == "table":
        return table(draw(st.integers(0, 30)), draw(st.integers(1, 4)))
    if sort == "html":
        return html_table(draw(st.integers(0, 20)), tied=draw(st.sampled_from([1, 1, 3])))
    if sort == "formula":
        return draw(
            st.sampled_from(["$$\n{}\n$$", "\\[ x = {} \\]", "so $$ {} $$ holds", "$$ {}", "\\[1\\] {}"])
        ).format(some(8))
    if sort == "code":
        return draw(st.sampled_from(["```py\n{}\n```", "~~~\n{}", "    {}"])).format(some(60).replace(" ", "\n"))
    if sort == "quote":
        return "> " + some().replace(". ", "\n> ")
    return some(120) if sort == "prose" else draw(st.text(max_size=80))


markdown = st.lists(pieces(), max_size=8).flatmap(
    lambda found: st.sampled_from(["\n\n", "\n", "\r\n\r\n"]).map(lambda gap: gap.join(found))
)


# ---------------------------------------------------------------------------------------------------------- guarantees


@settings(max_examples=150, deadline=None)
@given(markdown, st.integers(32, 120))
def test_every_character_that_is_no_white_space_is_in_the_nodes_once_and_in_order(text, size):
    nodes = parse(text, size)
    spans = [(n.start_char_idx, n.end_char_idx) for n in nodes]
    assert squeezed("".join(text[s:e] for s, e in spans)) == squeezed(text)
    assert spans == sorted(spans)
    assert all(stretch(n) == text[s:e] for n, (s, e) in zip(nodes, spans, strict=True))


@settings(max_examples=100, deadline=None)
@given(markdown, st.integers(32, 120))
def test_no_node_is_longer_than_the_limit_but_for_a_formula_and_that_one_says_so(text, size):
    for node in parse(text, size):
        if "over_limit" in node.metadata.get("flags", ""):
            assert "embedded_prefix" in node.metadata["flags"]
        else:
            assert len(words(node.get_content(metadata_mode=MetadataMode.EMBED))) <= size


@settings(max_examples=100, deadline=None)
@given(markdown, st.integers(48, 120))
def test_a_row_is_cut_only_where_it_is_longer_than_a_node_and_that_is_said(text, size):
    nodes = parse(text, size)
    rows = [row for b in markdown_blocks(text) if b.table for row in b.table.rows]
    for start, stop in rows:
        end = start + len(text[start:stop].rstrip())
        touching = [n for n in nodes if n.start_char_idx < end and n.end_char_idx > start]
        assert len(touching) == 1 or all("row_split" in n.metadata["flags"] for n in touching)


@settings(max_examples=60, deadline=None)
@given(markdown)
def test_formulas_are_whole(text):
    nodes = parse(text, 48)
    for b in markdown_blocks(text):
        if b.kind is Kind.FORMULA:
            assert any(n.start_char_idx <= b.start and b.end <= n.end_char_idx for n in nodes)


@settings(max_examples=40, deadline=None)
@given(markdown)
def test_the_same_document_gives_the_same_nodes_with_ids_of_their_own(text):
    first, again = parse(text), parse(text)
    assert [n.to_dict() for n in first] == [n.to_dict() for n in again]
    assert len({n.node_id for n in first}) == len(first)
    assert all(str(uuid.UUID(n.node_id)) == n.node_id for n in first)


@settings(max_examples=60, deadline=None)
@given(documents())
def test_nothing_of_our_own_markdown_is_lost_either(blocks):
    text = to_markdown(ParsedDocument(SOURCE, (), tuple(blocks)))
    nodes = parse(text, 80)
    assert squeezed("".join(stretch(n) for n in nodes)) == squeezed(text)


# ------------------------------------------------------------------------------------------------------------- by hand


def test_nodes_know_the_headings_above_them_without_markdown():
    nodes = parse(
        "# The *Report*\n\n" + "intro " * 30 + "\n\n## 2 [Costs](x) of `it`\n\n" + "cost " * 40 + "\n\n" + "more " * 40
    )
    assert nodes[-1].metadata["heading_path"] == "The Report > 2 Costs of it"


def test_a_long_table_is_cut_between_rows_and_its_header_rows_are_repeated():
    nodes = parse("# Sales\n\n*Table 1: by name*\n\n" + table(60), 64)
    parts = [n for n in nodes if n.metadata["kind"] == "table"]
    assert len(parts) > 3
    for n in parts[1:]:
        assert n.text.startswith("*Table 1: by name*\n\n| name | value |\n|---|---|\n| row")
        assert n.metadata["heading_path"] == "Sales"
    assert "".join(stretch(n) for n in parts).count("| name |") == 1


def test_a_table_that_fits_stays_whole_with_its_caption():
    nodes = parse("word " * 40 + "\n\n*Table 1: by name*\n\n" + table(6) + "\n\n" + "word " * 40)
    (found,) = [n for n in nodes if n.metadata["kind"] == "table"]
    assert found.text == "*Table 1: by name*\n\n" + table(6)


@pytest.mark.parametrize("head", ["th", "td"])
def test_parts_of_an_html_table_are_tables_with_the_header(head):
    nodes = parse(html_table(60, head=head).replace("</tr>", "</tr>\n\n", 3), 32)
    assert len(nodes) > 3
    for n in nodes:
        assert n.text.startswith("<table>\n<tr>")
        assert n.text.endswith("</table>")
        assert n.text.count(f"<{head}>name</{head}>") == 1
        assert n.text.count("<tr>") == n.text.count("</tr>")


def test_rows_of_an_html_table_tied_by_a_span_stay_together():
    nodes = parse(html_table(60, tied=4), 24)
    assert len(nodes) > 3
    assert all(stretch(n).count("<td>") == 4 * stretch(n).count("rowspan") for n in nodes)


def test_an_html_table_within_another_is_part_of_its_cell():
    inner = "<table><tr><td>a</td></tr></table>"
    (node,) = parse(f"<table><tr><td>{inner}</td><td>b</td></tr></table>")
    assert node.text == f"<table><tr><td>{inner}</td><td>b</td></tr></table>"


def test_a_list_that_fits_stays_whole_and_a_longer_one_is_cut_between_items():
    short = "\n".join(f"- item {i} of it" for i in range(8))
    nodes = parse("word " * 40 + "\n\nThese count:\n\n" + short)
    assert any(n.text.endswith("These count:\n\n" + short) for n in nodes)
    long = "\n".join(f"- item {i} of the list" for i in range(40))
    assert all(ln.startswith("- item") for n in parse(long) for ln in stretch(n).splitlines())


def test_code_that_fits_is_whole_and_parts_of_longer_code_are_fenced():
    code = "```py\n" + "\n".join(f"x{i} = {i}" for i in range(60)) + "\n```"
    nodes = parse("Intro.\n\n" + code)
    parts = [n.text for n in nodes if n.metadata["kind"] == "code"]
    assert len(parts) > 2
    assert all(p.removeprefix("Intro.\n\n").startswith("```py\nx") and p.endswith("\n```") for p in parts)


def test_formulas_between_either_marks_are_blocks_and_escaped_brackets_and_money_are_text():
    text = "$$\na = b\n$$\n\n\\[ c = d \\]\n\nsee \\[1\\] and \\[Table\\], $$e$$ too\n\n$$ 5 million\n\nlost $$ 6\n"
    formulas = [text[b.start : b.end] for b in markdown_blocks(text) if b.kind is Kind.FORMULA]
    assert formulas == ["$$\na = b\n$$", "\\[ c = d \\]", "$$e$$"]


def test_nodes_know_their_document_and_their_neighbours():
    nodes = parse("\n\n".join("word " * 40 for _ in range(4)))
    assert all(n.ref_doc_id == "d" for n in nodes)
    assert nodes[1].prev_node.node_id == nodes[0].node_id
    assert nodes[1].next_node.node_id == nodes[2].node_id
    assert NodeRelationship.PREVIOUS not in nodes[0].relationships


def test_a_text_that_did_not_change_keeps_its_id_when_another_one_of_the_document_does():
    paragraphs = [f"{w} " * 50 for w in ("one", "two", "three")]
    before = parse("\n\n".join(paragraphs))
    paragraphs[1] = "other " * 50
    after = parse("\n\n".join(paragraphs))
    assert [a.node_id == b.node_id for a, b in zip(before, after, strict=True)] == [True, False, True]


def test_texts_said_twice_have_offsets_and_ids_of_their_own():
    nodes = parse("\n\n".join(["same " * 50] * 3))
    assert [n.start_char_idx for n in nodes] == [0, 252, 504]
    assert len({n.node_id for n in nodes}) == 3


def test_blank_texts_give_no_nodes():
    assert parser_of().get_nodes_from_documents([document(""), document(" \n\n\t")]) == []


def test_nodes_and_pictures_with_text_are_parsed_like_documents():
    given_nodes = [TextNode(text="# A\n\nb", id_="n"), ImageDocument(text="c", image=b"x", id_="i")]
    assert [n.get_content() for n in parser_of()(given_nodes)] == ["# A\n\nb", "c"]


# ----------------------------------------------------------------------------------------------------- the reader's own


def sheet_document(*blocks) -> Document:
    sheet = Sheet(None)
    for b in blocks:
        sheet.add(b, furniture=False)
    sheet.finish()
    from paperlode.ingest.llama_documents import compact

    records = compact([p.record() for p in sheet.places])
    return Document(id_="d", text=sheet.text, metadata={BLOCKS: records, "file_name": "a.pdf"},
                    excluded_embed_metadata_keys=[BLOCKS], excluded_llm_metadata_keys=[BLOCKS])  # fmt: skip


def test_nodes_of_the_readers_documents_keep_their_own_blocks_with_boxes():
    blocks = [text_block(f"{w} " * 40, page=i, y=100.0) for i, w in enumerate(("alpha", "beta", "gamma"))]
    source = sheet_document(*blocks, grid_table([["Name", "Value"], ["a", "1"]], page=2))
    nodes = parser_of().get_nodes_from_documents([source])
    found = [b for n in nodes for b in blocks_of(n)]
    assert [b.regions for b in found] == [b.regions for b in blocks_of(source)]
    assert [n.metadata["page_label"] for n in nodes] == ["1", "2", "3", "3"]
    assert [n.metadata["page_index"] for n in nodes] == [0, 1, 2, 2]
    for n in nodes:
        assert all(BLOCKS not in r.metadata for r in n.relationships.values())


def test_boxes_and_kinds_are_neither_embedded_nor_shown_to_a_model_and_the_headings_are():
    source = sheet_document(
        text_block("Costs", kind=Kind.HEADING, level=1), *(text_block("word " * 50) for _ in range(2))
    )
    node = parser_of().get_nodes_from_documents([source])[-1]
    for mode in (MetadataMode.EMBED, MetadataMode.LLM):
        seen = node.get_content(metadata_mode=mode)
        assert "heading_path: Costs" in seen
        assert "boxes" not in seen
        assert "kind" not in seen


def test_metadata_called_blocks_that_is_not_ours_is_left_alone():
    nodes = parser_of().get_nodes_from_documents([document("a", blocks="three"), document("b", blocks=3)])
    assert [n.metadata["blocks"] for n in nodes] == ["three", 3]


# ---------------------------------------------------------------------------------------------- as LlamaIndex has it


def test_it_is_a_node_parser():
    assert NodeParser.__name__ in [b.__name__ for b in StructureNodeParser.__mro__]
    assert StructureNodeParser.class_name() == "StructureNodeParser"


def test_it_comes_back_from_dict_json_and_pickle():
    parser = StructureNodeParser(chunk_size=100, include_prev_next_rel=False)
    for again in (
        StructureNodeParser.from_dict(parser.to_dict()),
        StructureNodeParser.from_json(parser.to_json()),
        pickle.loads(pickle.dumps(parser)),  # noqa: S301
        StructureNodeParser.from_defaults(chunk_size=100, include_prev_next_rel=False),
    ):
        assert again.to_dict() == parser.to_dict()
        assert again.get_nodes_from_documents([document("# a\n\nb")]) == parser.get_nodes_from_documents(
            [document("# a\n\nb")]
        )


def test_a_tokenizer_of_ones_own_is_named_and_has_to_be_given_again():
    parser = parser_of()
    assert parser.counted_by.endswith(".words")
    assert pickle.loads(pickle.dumps(parser)).counted_by == parser.counted_by  # noqa: S301
    with pytest.raises(InvalidRequest, match="counts with"):
        StructureNodeParser.from_dict(parser.to_dict())
    assert StructureNodeParser.from_dict(parser.to_dict(), tokenizer=words).to_dict() == parser.to_dict()


def test_the_cache_tells_parsers_apart_and_knows_one_again():
    nodes = [document("a")]
    options: list[dict[str, Any]] = [{}, {"chunk_size": 32}, {"tokenizer": words}, {"target_size": 20}]
    made = [get_transformation_hash(nodes, StructureNodeParser(**o)) for o in options]
    assert len(set(made)) == len(made)
    assert made == [get_transformation_hash(nodes, StructureNodeParser(**o)) for o in options]


def test_ids_can_be_ones_own():
    nodes = parser_of(id_func=lambda i, doc: f"{doc.node_id}-{i}").get_nodes_from_documents([document("word " * 200)])
    assert [n.node_id for n in nodes] == [f"d-{i}" for i in range(len(nodes))]


def test_parsing_is_a_callback_event():
    debug = LlamaDebugHandler(print_trace_on_end=False)
    parser_of(callback_manager=CallbackManager([debug])).get_nodes_from_documents([document("a")])
    assert len(debug.get_event_pairs(CBEventType.NODE_PARSING)) == 1


async def _asynchronously(parser, documents):
    return await parser.acall(documents)


def test_it_parses_asynchronously_too():
    import asyncio

    assert asyncio.run(_asynchronously(parser_of(), [document("# a\n\nb")])) == parse("# a\n\nb")


def test_metadata_counts_and_is_an_error_when_it_leaves_no_room():
    long = {"note": "word " * 30}
    nodes = parser_of().get_nodes_from_documents([document("text " * 100, **long)])
    assert all(len(words(n.get_content(metadata_mode=MetadataMode.EMBED))) <= 64 for n in nodes)
    with pytest.raises(InvalidRequest, match="metadata of d takes"):
        parser_of(40).get_nodes_from_documents([document("text", **long)])
    bare = parser_of(40, include_metadata=False).get_nodes_from_documents([document("text", **long)])
    assert "note" not in bare[0].metadata


def test_the_default_counts_with_the_embedded_model_and_an_embedder_with_its_own():
    text = "notwithstanding antidisestablishmentarianism " * 100
    counter = MiniLMTokens()
    nodes = StructureNodeParser().get_nodes_from_documents([document(text)])
    assert max(counter.count(n.get_content(metadata_mode=MetadataMode.EMBED)) for n in nodes) in range(100, 257)
    nodes = StructureNodeParser(tokenizer=WordCounter(40)).get_nodes_from_documents([document(text)])
    assert max(len(n.get_content().split()) for n in nodes) <= 38


def test_padding_that_a_tokenizer_counts_is_reckoned_with():
    padded = "| name                 | value |\n|---|---|\n" + "\n".join(f"| {i:<20} | {i:>20} |" for i in range(40))
    nodes = StructureNodeParser(chunk_size=200, tokenizer=list).get_nodes_from_documents([document(padded)])
    assert all(len(n.get_content(metadata_mode=MetadataMode.EMBED)) <= 200 for n in nodes)


@pytest.mark.parametrize("options", [{"tokenizer": 3}, {"counted_by": "another"}])
def test_what_makes_no_sense_is_refused(options):
    with pytest.raises(InvalidRequest):
        StructureNodeParser(**options)


def test_a_partial_function_is_a_tokenizer():
    assert StructureNodeParser(tokenizer=partial(words)).counted_by.endswith(".words")
    assert StructureNodeParser(tokenizer=str.split).counted_by == "builtins.str.split"


def test_without_markdown_it_the_extra_is_named():
    code = (
        "import sys; sys.modules['markdown_it'] = None\n"
        "from paperlode.ingest.markdown_blocks import markdown_blocks\n"
        "from paperlode.ingest.errors import MissingExtra\n"
        "try: markdown_blocks('a')\n"
        "except MissingExtra as e: print(e)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "paperlode[llama-index]" in out
    assert MissingExtra.named("x", "y").hint
