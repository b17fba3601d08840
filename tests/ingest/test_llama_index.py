"""The LlamaIndex reader: Documents with provenance that lasts, nothing lost, nothing blocked."""

from __future__ import annotations

import asyncio
import json
import pickle
import subprocess
import sys
import threading
import time
import uuid
from itertools import pairwise
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]
from hypothesis import given, settings
from llama_index.core import SimpleDirectoryReader
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import MarkdownNodeParser, SentenceSplitter
from llama_index.core.readers.base import ReaderConfig
from llama_index.core.schema import MetadataMode, TextNode, TransformComponent
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.utils import node_to_metadata_dict

from paperlode.ingest import PaddleOCRVLReader
from paperlode.ingest.document import Block, Kind, Layer, PageFailure, ParsedPage
from paperlode.ingest.errors import (
    InvalidRequest,
    PageTimeout,
    PaperlodeError,
    SourceEncrypted,
    SourceNotFound,
    SourceUnreadable,
    SourceUnsupported,
)
from paperlode.ingest.llama_documents import BlockPlace, Sheet, places
from paperlode.ingest.llama_index import KeepOwnBlocks, blocks_of, failed_pages_of
from paperlode.ingest.render import markdown_blocks
from paperlode.ingest.report import PageProblem, SourceProblem

from .strategies import documents, grid_table, page_of, text_block

ARCHIVE = Path(__file__).parents[2] / "samples" / "archive"
PROSE = (
    "The supplier shall deliver the goods named in annex {} on the day agreed. Late goods may be refused by the buyer."
)


class Pages:
    """A parser that knows its pages beforehand, whatever the file says; counts what it gives out."""

    fingerprint = "pages-1"
    documents_at_once = 2

    def __init__(self, *pages: ParsedPage, pause: float = 0.0) -> None:
        self.pages, self.pause = pages, pause
        self.given, self.left, self.closed = 0, 0, 0
        self.at_once, self.most_at_once = 0, 0
        self._lock = threading.Lock()

    def stands(self, read_by):
        return False

    def page_prints(self, source, stop):
        return ()

    def page_count(self, source):
        return len(self.pages)

    def parse(self, source, pages):
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            for n in pages:
                time.sleep(self.pause)
                with self._lock:
                    self.given += 1
                yield self.pages[n]
        finally:
            with self._lock:
                self.at_once -= 1
                self.left += 1

    def close(self):
        self.closed += 1


def failed(page: int, message: str = "page 2 took too long") -> ParsedPage:
    return ParsedPage(page, 0.0, 0.0, "pages-1", failure=PageFailure("page_timeout", message))


def name(page: int, line: int) -> str:
    """Of letters: lines that differ in digits only would be taken for running headers."""
    return chr(97 + page % 26) * 3 + chr(97 + line)


def prose(page: int, lines: int = 3) -> ParsedPage:
    texts = (PROSE.format(name(page, i)) for i in range(lines))
    return page_of(page, *(text_block(t, page=page, y=100.0 + 50 * i) for i, t in enumerate(texts)))


def reader_of(*pages: ParsedPage, **options) -> PaddleOCRVLReader:
    return PaddleOCRVLReader(custom=Pages(*pages), **options)


@pytest.fixture
def pdf(tmp_path):
    path = tmp_path / "report.pdf"
    path.write_bytes(b"%PDF-1.7 report")
    return path


@pytest.fixture(scope="module")
def local():
    with PaddleOCRVLReader(parser="local", workers=1) as reader:
        yield reader


# ------------------------------------------------------------------------------------------------------- the import


def test_the_room_is_imported_without_llama_index():
    """``import paperlode.ingest`` imports nothing of LlamaIndex; asking for the reader does."""
    code = (
        "import sys, paperlode.ingest as i; a = 'llama_index' in sys.modules;"
        "i.PaddleOCRVLReader; print(a, 'llama_index' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "True"]


def test_without_llama_index_the_error_names_the_command():
    """MissingExtra says what to install."""
    code = "import sys; sys.modules['llama_index.core'] = None; from paperlode.ingest import PaddleOCRVLReader"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.returncode
    assert "MissingExtra" in out.stderr
    assert "pip install 'paperlode[llama-index]'" in out.stderr


# ------------------------------------------------------------------------------------------------ what a Document is


@settings(max_examples=60, deadline=None)
@given(documents())
def test_each_block_stands_where_its_place_says(blocks: list[Block]) -> None:
    """The text between a place's offsets is the block's Markdown, places go up, and all of the text is in one."""
    sheet = Sheet(None)
    for b in blocks:
        sheet.add(b, furniture=True)
    sheet.finish()
    assert len(sheet.places) == len(blocks)
    for b, p in zip(blocks, sheet.places, strict=True):
        assert sheet.text[p.start : p.end] == "".join(markdown_blocks([b], furniture=True))
        assert (p.kind, p.regions, p.layer) == (b.kind, b.regions, b.layer)
    spans = [p for p in sheet.places if p.end > p.start]
    assert all(sheet.text[a.end : b.start] == "\n\n" for a, b in pairwise(spans))
    assert sheet.text == "\n\n".join(markdown_blocks(blocks, furniture=True))


@settings(max_examples=60, deadline=None)
@given(documents())
def test_places_come_back_from_json(blocks: list[Block]) -> None:
    """A place read back from its record is the same, boxes to 1/100 point."""
    sheet = Sheet(None)
    for b in blocks:
        sheet.add(b, furniture=True)
    text = json.dumps([p.record() for p in sheet.places])
    for before, after in zip(sheet.places, places(text), strict=True):
        assert (before.kind, before.start, before.end, before.flags) == (
            after.kind,
            after.start,
            after.end,
            after.flags,
        )
        assert [r.page for r in before.regions] == [r.page for r in after.regions]
        for one, other in zip(before.regions, after.regions, strict=True):
            assert other.box == pytest.approx(one.box, abs=0.006)


def test_blocks_that_are_not_ours_are_refused():
    """Metadata from elsewhere gives an error of ours, not a KeyError."""
    for text in ("", "{}x", '[{"kind": "text"}]', '[{"kind":"cat","start":0,"end":1,"boxes":[]}]', "[1]"):
        with pytest.raises(InvalidRequest):
            places(text)


def test_a_document_a_page_by_default(pdf):
    """Each page with text is a Document that knows its file, page, parser and blocks."""
    docs = reader_of(prose(0), prose(1)).load_data(pdf)
    assert [d.metadata["page_label"] for d in docs] == ["1", "2"]
    assert [d.metadata["page_index"] for d in docs] == [0, 1]
    m = docs[1].metadata
    assert (m["file_name"], m["file_path"], m["page_count"]) == ("report.pdf", str(pdf), 2)
    assert m["parser"] == prose(1).parser
    assert [b.regions[0].page for b in blocks_of(docs[1])] == [1, 1, 1]
    assert docs[1].text.count("\n\n") == 2


def test_metadata_is_flat(pdf):
    """Strings and numbers only: stores that refuse nested values take it."""
    (doc, _) = reader_of(prose(0), failed(1), prose(2)).load_data(pdf)
    node_to_metadata_dict(doc, flat_metadata=True)
    assert all(isinstance(v, str | int | float) for v in doc.metadata.values())


def test_one_document_for_all(pdf):
    """With granularity ``document`` the pages stand in one text, and the blocks know their pages."""
    (doc,) = reader_of(prose(0), prose(1), granularity="document").load_data(pdf)
    assert f"annex {name(0, 0)}" in doc.text
    assert f"annex {name(1, 2)}" in doc.text
    assert [b.regions[0].page for b in blocks_of(doc)] == [0, 0, 0, 1, 1, 1]
    assert "page_label" not in doc.metadata


def test_a_table_over_two_pages_stands_whole_on_the_first(pdf):
    """Its rows are in one Document, with boxes of both pages; the page left without text is named."""
    first = grid_table([["Item", "Price"], ["Bolt", "1.00"]], page=0, header_rows=1)
    second = grid_table([["Item", "Price"], ["Nut", "2.00"]], page=1, header_rows=1)
    (doc,) = reader_of(page_of(0, first), page_of(1, second)).load_data(pdf)
    assert "| Bolt | 1.00 |\n| Nut | 2.00 |" in doc.text
    (block,) = blocks_of(doc)
    assert [r.page for r in block.regions] == [0, 1]
    assert doc.metadata["pages_without_text"] == "2"


def test_a_formula_stands_whole(pdf):
    """Between its delimiters, untouched."""
    (doc,) = reader_of(page_of(0, text_block(r"\frac{a_1}{b} < c", kind=Kind.FORMULA))).load_data(pdf)
    assert doc.text == "$$\n\\frac{a_1}{b} < c\n$$"


def test_furniture_only_on_request(pdf):
    """Running headers and footers are out of the text unless asked for."""
    footer = text_block("Confidential", kind=Kind.PAGE_FOOTER, layer=Layer.FURNITURE)
    pages = page_of(0, text_block("Body."), footer)
    assert reader_of(pages).load_data(pdf)[0].text == "Body."
    assert "Confidential" in reader_of(pages, furniture=True).load_data(pdf)[0].text


def test_a_picture_without_text_keeps_its_box(pdf):
    """A figure gives no Markdown, but its place is known."""
    figure = text_block("", kind=Kind.FIGURE)
    (doc,) = reader_of(page_of(0, text_block("Above."), figure)).load_data(pdf)
    assert blocks_of(doc)[1].kind is Kind.FIGURE
    assert blocks_of(doc)[1].regions == figure.regions


def test_noise_is_neither_embedded_nor_prompted(pdf):
    """The embedding reads the text alone; the prompt has file name and page to cite by."""
    doc = reader_of(prose(0), failed(1)).load_data(pdf, extra_info={"topic": "steel"})[0]
    assert doc.get_content(MetadataMode.EMBED) == f"topic: steel\n\n{doc.text}"
    prompt = doc.get_content(MetadataMode.LLM).removesuffix(doc.text).split()
    assert prompt == ["file_name:", "report.pdf", "topic:", "steel", "page_label:", "1"]


def test_ids_are_of_bytes_page_and_parser(pdf, tmp_path):
    """The same bytes under another name have the same ids; another parser, page or content has not. All are UUIDs."""
    copy = tmp_path / "copy.pdf"
    copy.write_bytes(pdf.read_bytes())
    ids = [d.id_ for d in reader_of(prose(0), prose(1)).load_data(pdf)]
    assert [d.id_ for d in reader_of(prose(0), prose(1)).load_data(copy)] == ids
    assert len({uuid.UUID(i) for i in ids}) == 2
    other = Pages(prose(0), prose(1))
    other.fingerprint = "pages-2"
    assert not {d.id_ for d in PaddleOCRVLReader(custom=other).load_data(pdf)} & set(ids)
    copy.write_bytes(b"%PDF-1.7 another")
    assert not {d.id_ for d in reader_of(prose(0), prose(1)).load_data(copy)} & set(ids)


def by_path(*pages: ParsedPage, fingerprint: str = "pages-1") -> PaddleOCRVLReader:
    parser = Pages(*pages)
    parser.fingerprint = fingerprint
    return PaddleOCRVLReader(custom=parser, ids="path")


def test_by_path_only_the_documents_of_changed_pages_change(pdf):
    """Other bytes, size and dates, a page more, another parser: ids stay, and so does the hash of a page that is the same."""
    before = by_path(prose(0), prose(1)).load_data(pdf, {"last_modified_date": "2024-01-01", "tag": "t"})
    pdf.write_bytes(b"%PDF-1.7 another, longer report")
    pages = (prose(0), prose(1, 4), prose(2), page_of(3))
    after = by_path(*pages, fingerprint="pages-2").load_data(pdf, {"last_modified_date": "2024-02-02", "tag": "t"})
    assert [d.id_ for d in after][:2] == [d.id_ for d in before]
    assert len({uuid.UUID(d.id_) for d in after}) == 3
    assert after[0].hash == before[0].hash
    assert after[1].hash != before[1].hash
    assert (before[0].metadata["tag"], before[0].metadata["file_path"]) == ("t", str(pdf))
    gone = {"file_digest", "file_size", "page_count", "pages_without_text", "last_modified_date"}
    assert not gone & before[0].metadata.keys()


def test_by_path_a_copy_is_another_document(pdf, tmp_path):
    """The same bytes under two names are two files, neither left out: each may change without the other."""
    (tmp_path / "copy.pdf").write_bytes(pdf.read_bytes())
    reader = by_path(prose(0))
    docs = reader.load_data(tmp_path)
    assert len({d.id_ for d in docs}) == 2
    assert reader.problems == ()
    assert [d.id_ for d in by_path(prose(0)).load_data([str(pdf), str(pdf)])] == [docs[1].id_]


def test_by_path_a_failed_page_is_told_all_the_same(pdf):
    """On the pages that are left."""
    (doc,) = by_path(prose(0), failed(1)).load_data(pdf)
    assert [p.page for p in failed_pages_of(doc)] == [1]


def test_extra_info_describes_the_file_but_keeps_provenance(pdf):
    """The caller's file name counts; blocks and page stay ours."""
    info = {"file_name": "Contract", "blocks": "x", "page_index": 77, "tag": "t"}
    (doc,) = reader_of(prose(0)).load_data(pdf, extra_info=info)
    assert (doc.metadata["file_name"], doc.metadata["tag"], doc.metadata["page_index"]) == ("Contract", "t", 0)
    assert len(blocks_of(doc)) == 3


# ---------------------------------------------------------------------------------------------------------- node parsers


@pytest.mark.parametrize("granularity", ["page", "document"])
def test_nodes_lead_back_to_the_boxes_of_their_blocks(pdf, granularity):
    """After a SentenceSplitter each node has exactly the blocks whose text it holds, whole or in part."""
    docs = reader_of(prose(0, 12), prose(1, 12), granularity=granularity).load_data(pdf)
    nodes = SentenceSplitter(chunk_size=90, chunk_overlap=20).get_nodes_from_documents(docs)
    assert len(nodes) > 6
    by_id = {d.id_: d for d in docs}
    for node in nodes:
        assert isinstance(node, TextNode)
        assert node.start_char_idx is not None
        assert node.end_char_idx is not None
        doc = by_id[str(node.ref_doc_id)]
        found = blocks_of(node)
        assert found
        for block in blocks_of(doc):
            whole = doc.text[block.start : block.end]
            inside = doc.text[max(block.start, node.start_char_idx) : min(block.end, node.end_char_idx)]
            assert (block in found) == (bool(inside) and inside in whole and inside in node.text)
    reached = {(b.kind, b.start, r) for n in nodes for b in blocks_of(n) for r in b.regions}
    assert reached == {(b.kind, b.start, r) for d in docs for b in blocks_of(d) for r in b.regions}


def test_only_own_blocks_are_kept(pdf):
    """KeepOwnBlocks changes nothing of what a node leads back to, and takes the rest away, also from its neighbours."""
    (doc,) = reader_of(*(prose(n, 12) for n in range(5)), granularity="document").load_data(pdf)
    splitter = SentenceSplitter(chunk_size=90, chunk_overlap=20)
    full = splitter.get_nodes_from_documents([doc])
    before, size = [blocks_of(n) for n in full], len(full[3].model_dump_json())
    kept = KeepOwnBlocks()(full)
    assert [blocks_of(n) for n in kept] == before
    assert len(kept[3].model_dump_json()) < size / 5
    assert len(blocks_of(doc)) == 60


def test_a_parser_that_rewrites_text_leaves_all_blocks(pdf):
    """Where a node does not know its place, the blocks of its page are what is known."""
    title = text_block("Terms", kind=Kind.TITLE)
    docs = reader_of(page_of(0, title, text_block("Pay in 30 days.", y=400))).load_data(pdf)
    for node in MarkdownNodeParser().get_nodes_from_documents(docs):
        assert {b.kind for b in blocks_of(node)} >= {Kind.TEXT}


class Counting(TransformComponent):
    """Counts the nodes that pass."""

    passed: int = 0

    def __call__(self, nodes, **kwargs):
        self.passed += len(nodes)
        return nodes


def test_a_second_run_upserts_nothing(pdf):
    """With a docstore, only what changed passes the pipeline again: nothing, then the page that failed before."""
    counting = Counting()
    pipeline = IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=90, chunk_overlap=0), KeepOwnBlocks(), counting, MockEmbedding(embed_dim=4)],
        docstore=SimpleDocumentStore(), vector_store=SimpleVectorStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS, disable_cache=True,
    )  # fmt: skip
    pipeline.run(documents=reader_of(prose(0), prose(1)).load_data(pdf))
    first = counting.passed
    assert first
    assert pipeline.run(documents=reader_of(prose(0), prose(1)).load_data(pdf)) == []
    assert counting.passed == first
    pipeline.run(documents=reader_of(prose(0), prose(1, 4)).load_data(pdf))
    assert first < counting.passed < 2 * first + 3
    assert len(pipeline.docstore.docs) == 2


def test_it_reads_for_a_pipeline(pdf):
    """As a ReaderConfig of an IngestionPipeline."""
    config = ReaderConfig(reader=reader_of(prose(0)), reader_args=[str(pdf)])
    nodes = IngestionPipeline(readers=[config], transformations=[SentenceSplitter()]).run()
    assert [b.kind for b in blocks_of(nodes[0])] == [Kind.TEXT] * 3


# ------------------------------------------------------------------------------------------------------------ failures


def test_a_failed_page_is_metadata_of_the_others(pdf):
    """No Document for it, no error text in any; the reason is on the others and in ``problems``."""
    reader = reader_of(prose(0), failed(1), prose(2))
    docs = reader.load_data(pdf)
    assert [d.metadata["page_label"] for d in docs] == ["1", "3"]
    assert not any("too long" in d.text for d in docs)
    expected = PageProblem(str(pdf), 1, "page_timeout", "page 2 took too long")
    assert [failed_pages_of(d) for d in docs] == [(expected,), (expected,)]
    assert reader.problems == (expected,)
    reader.clear_problems()
    assert reader.problems == ()
    node = SentenceSplitter(chunk_size=90, chunk_overlap=0).get_nodes_from_documents(docs)[-1]
    assert failed_pages_of(node) == (expected,)


def test_a_file_of_failed_pages_is_an_error(pdf):
    """Nothing left: raised for a single file under the first failure's name, listed for a folder."""
    with pytest.raises(PageTimeout, match=r"1 of 2 pages failed.*took too long"):
        reader_of(page_of(0), failed(1)).load_data(pdf)
    reader = reader_of(failed(0), failed(1))
    assert reader.load_data(pdf.parent) == []
    assert [type(p) for p in reader.problems] == [PageProblem, PageProblem, SourceProblem]


def test_a_blank_file_is_listed(pdf):
    """No text is no error, but it is said."""
    reader = reader_of(page_of(0))
    assert reader.load_data(pdf) == []
    assert [p.code for p in reader.problems] == ["no_text"]


def test_what_cannot_be_opened_is_raised_or_listed(pdf, caplog):
    """By default raised for one file and listed for several; ``raise_on_error`` decides otherwise."""
    bad = pdf.with_name("bad.pdf")
    bad.write_text("no PDF")
    with pytest.raises(SourceUnsupported):
        reader_of(prose(0)).load_data(bad)
    for several in (pdf.parent, [bad, pdf], str(pdf.parent / "*.pdf")):
        reader = reader_of(prose(0))
        assert [d.metadata["file_name"] for d in reader.load_data(several)] == ["report.pdf"]
        assert [(p.path, p.code) for p in reader.problems] == [(str(bad), "source_unsupported")]
        with pytest.raises(SourceUnsupported):
            reader_of(prose(0), raise_on_error=True).load_data(several)
    assert "neither a PDF nor a picture" in caplog.text
    quiet = reader_of(prose(0), raise_on_error=False)
    assert quiet.load_data(bad) == []
    assert len(quiet.problems) == 1


def test_what_is_not_there(tmp_path):
    """A missing file is an error; an empty folder, or one of several paths, is listed under its name."""
    with pytest.raises(SourceNotFound):
        reader_of().load_data(tmp_path / "no.pdf")
    reader = reader_of()
    assert reader.load_data(tmp_path) == []
    assert reader.load_data([tmp_path / "no.pdf"]) == []
    assert [p.path for p in reader.problems] == [str(tmp_path), str(tmp_path / "no.pdf")]
    with pytest.raises(InvalidRequest):
        reader.load_data(12)


def test_a_second_copy_is_left_out_and_listed(pdf):
    """Two Documents of one id in one load would overwrite each other at every run."""
    pdf.with_name("zz.pdf").write_bytes(pdf.read_bytes())
    reader = reader_of(prose(0))
    assert [d.metadata["file_name"] for d in reader.load_data(pdf.parent)] == ["report.pdf"]
    assert [(p.path, p.code) for p in reader.problems] == [(str(pdf.with_name("zz.pdf")), "duplicate")]


# ----------------------------------------------------------------------------------------------- where files come from


@pytest.fixture
def memory():
    fs = MemoryFileSystem()
    for path, data in {
        "a.pdf": b"%PDF-1.7 report", ".b.pdf": b"%PDF-1.7 b", "sub/c.png": b"\x89PNG\r\n\x1a\n", "d.txt": b"",
    }.items():  # fmt: skip
        fs.pipe(f"/reader/{path}", data)
    yield fs
    fs.rm("/reader", recursive=True)


def test_bytes_are_read_under_their_name(pdf):
    """Like the file with these bytes, but for its path; no trace of the copy that is read."""
    (doc,) = reader_of(prose(0)).load_data(pdf.read_bytes(), name="inbox/report.pdf")
    (same,) = reader_of(prose(0)).load_data(pdf)
    assert (doc.id_, doc.text) == (same.id_, same.text)
    assert (doc.metadata["file_name"], doc.metadata["file_path"]) == ("report.pdf", "inbox/report.pdf")
    with pytest.raises(InvalidRequest, match="name"):
        reader_of().load_data(b"%PDF-")
    with pytest.raises(SourceUnsupported, match=r"'x\.pdf'"):
        reader_of().load_data(b"nothing", name="x.pdf")


def test_a_file_system_of_fsspec(memory):
    """A file, a folder and a glob of it; hidden files and other extensions are left out; paths are URLs."""
    reader = reader_of(prose(0))
    assert [d.metadata["file_path"] for d in reader.load_data("/reader/a.pdf", fs=memory)] == ["memory:///reader/a.pdf"]
    for several in ("/reader", "memory://reader", "/reader/**"):
        names = [d.metadata["file_name"] for d in reader.load_data(several, fs=memory)]
        assert names == ["a.pdf", "c.png"]
    with pytest.raises(SourceNotFound):
        reader.load_data("/reader/no.pdf", fs=memory)
    assert len(reader.load_data(["/reader/no.pdf", "/reader/a.pdf"], fs=memory)) == 1


class Refusing(MemoryFileSystem):  # type: ignore[misc]
    """Answers like a store whose key is wrong."""

    cachable = False

    def isdir(self, path):
        return False

    def _open(self, path, mode="rb", **kwargs):
        raise RuntimeError("403 Forbidden")


def test_whatever_a_file_system_raises_is_named():
    """Errors of other libraries become one of ours."""
    with pytest.raises(SourceUnreadable, match=r"memory:///k\.pdf cannot be read: RuntimeError: 403 Forbidden"):
        reader_of().load_data("/k.pdf", fs=Refusing())


def test_a_local_file_system_is_no_detour(pdf):
    """The same path in the metadata as without it."""
    (doc,) = reader_of(prose(0)).load_data(pdf, fs=LocalFileSystem())
    assert doc.metadata["file_path"] == str(pdf)


def test_failures_of_a_copy_name_the_original(memory):
    """The path of a temporary copy would change the Documents' hash with every run."""

    class Naming(Pages):
        def parse(self, source, pages):
            yield prose(0)
            yield failed(1, f"page 2 of {source.uri} broke")

    (doc,) = PaddleOCRVLReader(custom=Naming(prose(0), prose(1))).load_data("/reader/a.pdf", fs=memory)
    assert failed_pages_of(doc)[0].message == "page 2 of memory:///reader/a.pdf broke"


# ------------------------------------------------------------------------------------------------- the real CPU parser


def test_simple_directory_reader_with_the_local_parser(local, tmp_path):
    """As a file extractor on a real PDF: SimpleDirectoryReader's metadata and ours, tables whole, nodes with boxes."""
    import pymupdf

    with pymupdf.open(ARCHIVE / "supply_agreement.pdf") as doc:
        doc.select([0, 1])
        doc.save(tmp_path / "supply.pdf")
    docs = SimpleDirectoryReader(str(tmp_path), file_extractor={".pdf": local}, raise_on_error=True).load_data()
    assert [d.metadata["page_label"] for d in docs] == ["1", "2"]
    assert all(d.metadata["last_modified_date"] and d.metadata["parser"].startswith("local-3/") for d in docs)
    assert "file_path" not in docs[0].get_content(MetadataMode.EMBED)
    nodes = SentenceSplitter(chunk_size=200, chunk_overlap=0).get_nodes_from_documents(docs)
    assert all(blocks_of(n) for n in nodes)
    assert {r.page for n in nodes for b in blocks_of(n) for r in b.regions} == {0, 1}


def test_an_encrypted_pdf_wants_its_password(local, tmp_path):
    """Without it the file is an error that names the file; with it, it is read."""
    import pymupdf

    with pymupdf.open() as doc:
        doc.new_page().insert_text((72, 100), "Nobody but the owner reads this sentence.")
        data = doc.tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="open")
    with pytest.raises(SourceEncrypted, match=r"^sealed\.pdf is encrypted"):
        local.load_data(data, name="sealed.pdf")
    with PaddleOCRVLReader(parser="local", workers=1, password="open") as reader:  # noqa: S106
        assert "Nobody but the owner" in reader.load_data(data, name="sealed.pdf")[0].text


# --------------------------------------------------------------------------------------------------------------- async


def test_the_event_loop_stays_free(pdf):
    """While pages are read, other tasks run; the result is that of ``load_data``."""
    parser = Pages(*(prose(n) for n in range(6)), pause=0.05)
    reader = PaddleOCRVLReader(custom=parser)

    async def both():
        load = asyncio.create_task(reader.aload_data(pdf))
        ticks = 0
        while not load.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return await load, ticks

    docs, ticks = asyncio.run(both())
    assert [d.hash for d in docs] == [d.hash for d in reader.load_data(pdf)]
    assert ticks > 3


async def until(true):
    while not true():  # noqa: ASYNC110  what is waited for happens in another thread
        await asyncio.sleep(0.01)


class Gated(Pages):
    """Stands still before its third page until the gate opens."""

    def __init__(self, *pages: ParsedPage) -> None:
        super().__init__(*pages)
        self.gate = threading.Event()

    def parse(self, source, pages):
        for page in super().parse(source, pages):
            if self.given == 3:
                self.gate.wait(10)
            yield page


def test_a_cancelled_load_ends_the_work(pdf):
    """The task ends at once, while a page is still being read; the parser ends after that page, its iterator closed."""
    parser = Gated(*(prose(n) for n in range(20)))
    before = set(threading.enumerate())

    async def cancelled():
        load = asyncio.create_task(PaddleOCRVLReader(custom=parser).aload_data(pdf))
        await until(lambda: parser.given == 3)
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await load
        assert not parser.left
        parser.gate.set()
        await until(lambda: parser.left)
        assert parser.given == 3
        await until(lambda: set(threading.enumerate()) <= before)

    asyncio.run(asyncio.wait_for(cancelled(), 5))


def _folder(path: Path, files: int) -> Path:
    for n in range(files):
        (path / f"{n:02d}.pdf").write_bytes(f"%PDF-1.7 {n}".encode())
    return path


def test_lazily_a_few_files_ahead(tmp_path):
    """Both lazy ways read as many files ahead as the parser takes at once; a left iteration reads no more."""
    folder = _folder(tmp_path, 30)
    parser = Pages(prose(0))
    reader = PaddleOCRVLReader(custom=parser)
    work = reader.lazy_load_data(folder)
    assert next(work).metadata["file_name"] == "00.pdf"
    work.close()  # type: ignore[attr-defined]
    assert 1 <= parser.left <= 1 + parser.documents_at_once

    async def two():
        names = []
        async for d in reader.alazy_load_data(folder):
            names.append(d.metadata["file_name"])
            if len(names) == 2:
                break
        return names

    assert asyncio.run(two()) == ["00.pdf", "01.pdf"]
    assert parser.left <= 2 * (2 + parser.documents_at_once)


def test_an_iteration_that_ends_in_a_reading_thread_is_ended(tmp_path):
    """The garbage collector may find a left iteration in any thread, also one that reads for it: nothing waits for itself."""
    held, given, cleared = [], threading.Event(), threading.Event()

    class Drops(Pages):
        def page_prints(self, source, stop):
            return ()

        def page_count(self, source):
            if not source.name.startswith("00"):
                given.wait(5)
                held.clear()  # the last reference: it is closed here
                cleared.set()
            return super().page_count(source)

    before = set(threading.enumerate())
    held.append(PaddleOCRVLReader(custom=Drops(prose(0))).lazy_load_data(_folder(tmp_path, 6)))
    assert next(held[0]).metadata["file_name"] == "00.pdf"
    given.set()
    assert cleared.wait(5)
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()


def test_short_files_are_read_side_by_side(tmp_path):
    """As many as the parser takes at once, in the folder's order: one-page files alone would not fill a server."""
    parser = Pages(prose(0), pause=0.1)
    parser.documents_at_once = 6
    docs = PaddleOCRVLReader(custom=parser).load_data(_folder(tmp_path, 12))
    assert [d.metadata["file_name"] for d in docs] == [f"{n:02d}.pdf" for n in range(12)]
    assert 2 < parser.most_at_once <= 6


def test_awaiting_the_lazy_way_gives_a_list(pdf):
    """As BaseReader has it."""

    async def awaited():
        return [d.metadata["page_label"] for d in await reader_of(prose(0), prose(1)).alazy_load_data(pdf)]

    assert asyncio.run(awaited()) == ["1", "2"]


def test_an_async_error_is_raised(tmp_path):
    """As in the other ways."""
    with pytest.raises(SourceNotFound):
        asyncio.run(reader_of().aload_data(tmp_path / "no.pdf"))


def test_many_async_loads_are_bounded(tmp_path):
    """SimpleDirectoryReader starts all files at once; no more than ``files_at_once`` are read at a time, on any loop."""
    for n in range(12):
        (tmp_path / f"{n:02}.pdf").write_bytes(f"%PDF-1.7 {n}".encode())
    parser = Pages(prose(0), pause=0.02)
    reader = PaddleOCRVLReader(custom=parser, files_at_once=3)
    directory = SimpleDirectoryReader(str(tmp_path), file_extractor={".pdf": reader})
    for _ in range(2):
        docs = asyncio.run(directory.aload_data())
        assert [d.metadata["file_name"] for d in docs] == [f"{n:02}.pdf" for n in range(12)]
    assert parser.most_at_once == 3


# ------------------------------------------------------------------------------------------------- options and lifetime


def test_auto_takes_the_server_that_is_configured():
    """With an address PaddleOCR-VL, which says at once that its layout model is not there; without one the CPU."""
    with PaddleOCRVLReader() as cpu:
        assert cpu._parser().fingerprint == "local-3"
        assert not cpu.is_remote
    with PaddleOCRVLReader(servers="http://127.0.0.1:9", version="1.5", layout="no/such/folder") as remote:
        assert remote.is_remote
        with pytest.raises(PaperlodeError, match="no/such/folder"):
            remote._parser()
    with pytest.raises(InvalidRequest, match="needs a recognition server"):
        PaddleOCRVLReader(parser="paddleocr-vl")


def test_secrets_are_neither_shown_nor_serialised():
    """Key and password are in no form of the reader but a pickle."""
    reader = PaddleOCRVLReader(servers="http://127.0.0.1:9", key="k-123", password="p-456", granularity="document")  # noqa: S106
    for shown in (repr(reader), str(reader), reader.to_json()):
        assert "k-123" not in shown
        assert "p-456" not in shown
    back = PaddleOCRVLReader.from_dict(reader.to_dict())
    assert (back.servers, back.granularity, back.key) == (reader.servers, "document", None)
    other = pickle.loads(pickle.dumps(reader))  # noqa: S301
    assert other.key == "k-123"
    assert other.problems == ()


def test_a_custom_parser_cannot_be_serialised():
    """Rather than coming back as another parser."""
    with pytest.raises(InvalidRequest):
        reader_of().to_dict()
    with pytest.raises(TypeError):
        pickle.dumps(reader_of())  # it holds a lock
    with pytest.raises(InvalidRequest):
        PaddleOCRVLReader(custom=12)


def test_a_factorys_parser_is_closed_and_a_given_one_is_not(pdf):
    """What the reader made it ends, at ``close`` or when it is garbage; it may be used again after ``close``."""
    made: list[Pages] = []

    def make():
        made.append(Pages(prose(0)))
        return made[-1]

    reader = PaddleOCRVLReader(custom=make)
    assert not made
    reader.load_data(pdf)
    reader.close()
    reader.close()
    assert [p.closed for p in made] == [1]
    reader.load_data(pdf)
    del reader
    assert [p.closed for p in made] == [1, 1]
    mine = Pages(prose(0))
    with PaddleOCRVLReader(custom=mine) as reader:
        reader.load_data(pdf)
    assert not mine.closed


def test_place_meets_what_it_touches():
    """Half-open spans; a place without text meets where it stands."""
    place = BlockPlace(Kind.TEXT, 10, 20, ())
    assert [place.meets(*s) for s in ((0, 10), (0, 11), (19, 30), (20, 30))] == [False, True, True, False]
    assert BlockPlace(Kind.FIGURE, 20, 20, ()).meets(10, 20)
