"""From the picture of a page to an answered question, through STAND-INS THAT READ (see ``tests/ingest/vllm/reading.py``).

They answer from the samples' truth what they see in the crops that arrive. So these tests show that the way of the content is
whole: cutting, sending, retrying, structure, index, answer. They say nothing about how well PaddleOCR-VL reads.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest

from paperlode.api.archive import Archive, IngestOptions
from paperlode.api.values import Recognition
from paperlode.ingest.document import Box
from paperlode.ingest.parsing import layout as layout_module
from paperlode.ingest.parsing.paddleocr_vl import PaddleOCRVLParser, VLOptions
from paperlode.ingest.sources import open_source
from paperlode.ingest.vllm.client import Limits, VLLMRecogniser
from paperlode.ingest.vllm.loops import LoopWatch
from paperlode.ingest.vllm.replicas import Patience

from ..ingest.vllm.reading import SampleLayout, SampleReader, samples  # noqa: TID252  no root to import tests from
from ..ingest.vllm.standin import Fault, serving  # noqa: TID252
from .sample_scores import SAMPLES, Scores, edits, score_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paperlode.ingest.document import ParsedPage
    from paperlode.retrieval.answer import Citation

    from ..ingest.vllm.standin import Asked, StandIn  # noqa: TID252

TRUTH: dict[str, Any] = json.loads((SAMPLES / "truth.json").read_text(encoding="utf-8"))
FILES = {file.rpartition(".")[0]: SAMPLES / "archive" / file for file in TRUTH["docs"]}
SCANS = ("service_agreement_scan", "chinese_report_scan", "receipt_photo", "upside_down")
GOOD = 0.99
LIMITS = Limits(
    deadline=60.0,
    silence=3.0,
    pause=0.01,
    longest_pause=0.1,
    patience=Patience(first_answer=5.0, comeback=20.0, probe_first=0.02, probe_longest=0.1),
)
NO_BLOCK = {"inline_formula", "reference"}
"""Labels whose regions go in favour of others: a formula in its paragraph, a frame around references."""


@pytest.fixture(scope="module")
def reads() -> tuple[SampleLayout, SampleReader]:
    """The stand-ins, for all samples."""
    return samples()


def parsed(layout: SampleLayout, url: str, docs: Sequence[str]) -> Iterator[tuple[str, list[ParsedPage]]]:
    """All pages of the documents, through the server."""
    parser = PaddleOCRVLParser(
        lambda: VLLMRecogniser(url, watch=lambda _: LoopWatch(), limits=LIMITS),
        lambda: layout,
        options=VLOptions(cpu_fallback=False),
        workers=1,
    )
    try:
        for doc in docs:
            source = open_source(str(FILES[doc]))
            yield doc, list(parser.parse(source, range(parser.page_count(source))))
    finally:
        parser.close()


def scored(
    reads: tuple[SampleLayout, SampleReader], docs: Sequence[str], **options: Any
) -> tuple[Scores, list[ParsedPage], StandIn]:
    """Scores, pages, and the server that answered; the layout's count begins anew."""
    layout, reader = reads
    layout.detected.clear()
    reader.illegible = 0
    scores, pages = Scores(), []
    with serving(reader, **options) as (server, _):
        for doc, read in parsed(layout, server.url, docs):
            assert [p.failure for p in read] == [None] * len(read)
            score_document(doc, read, scores)
            pages += read
    return scores, pages, server


@pytest.mark.slow
def test_all_samples_are_read_as_they_are(reads, capsys):
    """28 pages: text, cells and formulas reach .99 each, every region found has its block, and no crop is unknown."""
    scores, pages, server = scored(reads, tuple(FILES))
    layout, reader = reads
    with capsys.disabled():
        print(f"\nSTAND-IN that reads: {scores}; below 1: {scores.worst_pages() or 'none'}")  # noqa: T201
    assert (len(pages), reader.illegible) == (28, 0)
    assert (scores.cells_true, scores.formulas_true) == (655, 7)
    assert min(scores.text, scores.cells, scores.formulas) >= GOOD, scores.worst_pages()
    assert sum(len(p.blocks) for p in pages) == sum(n for label, n in layout.detected.items() if label not in NO_BLOCK)
    assert len(server.asked) == sum(len(p.blocks) for p in pages) - layout.detected["image"]


class NowAndThen:
    """That share of the pictures fails when it is first asked for, the same ones in every run, each kind of fault in turn."""

    def __init__(self, share: float, kinds: Sequence[Fault]) -> None:
        self._share, self._kinds = share, kinds
        self._seen: set[bytes] = set()
        self.chosen: Counter[str] = Counter()

    def __call__(self, asked: Asked) -> Fault | None:
        drawn = hashlib.sha256(asked.image).digest()
        if drawn in self._seen or int.from_bytes(drawn[:4], "big") >= self._share * 2**32:
            return None
        self._seen.add(drawn)
        kind = self._kinds[self.chosen.total() % len(self._kinds)]
        self.chosen[kind] += 1
        return kind


@pytest.mark.slow
def test_faults_cost_no_content(reads, capsys):
    """Slow answers, and each fourth picture refused, hung, cut or looping at first: no block is lost, none is flagged."""
    kinds = (Fault.BUSY, Fault.FAILED, Fault.HANG, Fault.CUT, Fault.LOOP, Fault.ABORT, Fault.GARBAGE)
    fault = NowAndThen(0.25, kinds)
    scores, pages, _ = scored(reads, ("paper_two_columns", "chinese_report_scan"), fault=fault, latency=0.05)
    layout, _ = reads
    with capsys.disabled():
        faults = ", ".join(f"{n} {kind}" for kind, n in fault.chosen.items())
        print(f"\nSTAND-IN that reads, with faults ({faults}): {scores}")  # noqa: T201
    assert set(fault.chosen) == set(kinds)
    assert min(scores.text, scores.cells, scores.formulas) >= GOOD, scores.worst_pages()
    assert sum(len(p.blocks) for p in pages) == sum(n for label, n in layout.detected.items() if label not in NO_BLOCK)
    flags = {f for p in pages for b in p.blocks for f in b.flags}
    assert flags <= {"read_again", "unsure_token"}


def test_garbage_costs_only_the_blocks_it_came_for(reads):
    """What is no answer at all, asked for twice: its blocks stand empty and say why, all others are as without."""
    _, (whole,), _ = scored(reads, ("chinese_report_scan",))

    def fault(asked: Asked) -> Fault | None:
        return Fault.GARBAGE if hashlib.sha256(asked.image).digest()[0] < 51 else None

    _, (page,), _ = scored(reads, ("chinese_report_scan",), fault=fault)
    lost = [b for b in page.blocks if "server_incompatible" in b.flags]
    assert 0 < len(lost) < len(page.blocks)
    for was, now in zip(whole.blocks, page.blocks, strict=True):
        assert (now.kind, now.regions) == (was.kind, was.regions)
        assert now.text == ("" if now in lost else was.text)


class LoadedLayout:
    """In place of ``DocLayout``: ``load`` gives the stand-in, whatever is asked for."""

    def __init__(self, layout: SampleLayout) -> None:
        self._layout = layout

    def load(self, *_: Any, **__: Any) -> SampleLayout:
        return self._layout


@pytest.fixture(scope="module")
def ask(reads, tmp_path_factory):
    """Asks an index of the scans and the photograph, which ``paperlode ingest --server`` would make as well."""
    layout, reader = reads
    patch = pytest.MonkeyPatch()
    patch.setattr(layout_module, "DocLayout", LoadedLayout(layout))
    with (
        patch.context(),
        serving(reader) as (server, _),
        Archive.create(tmp_path_factory.mktemp("scans") / "i") as archive,
    ):
        options = IngestOptions(parser="paddleocr-vl", recognition=Recognition(servers=(server.url,)), workers=1)
        report = archive.ingest([FILES[d] for d in SCANS], options=options)
        assert not report.failed
        assert not report.page_problems
        yield lru_cache(lambda question: archive.ask(question)[0])
    patch.undo()


ASKED = [q for q in TRUTH["questions"] if q["doc_name"] in SCANS]
MISQUOTED = {
    "receipt_photo_total": "the answerer joins the lines of a text block: the whole head of the receipt is one sentence",
    "receipt_photo_change": "likewise",
}
"""Questions whose right page is quoted in a wrong place, and why; not the fault of the way there: the text is in the index."""


def squeezed(text: str) -> str:
    """Without white space and the bars between cells."""
    return re.sub(r"[\s|]", "", text)


def shows(citation: Citation, mark: dict[str, Any]) -> bool:
    """Whether a citation names file and page of a piece of evidence, covers half of its box, and quotes its words."""
    box = Box(*mark["box"])
    covered = sum(r.box.overlap(box) for r in citation.boxes if r.page == mark["page"])
    right_page = (citation.name, citation.page) == (FILES[mark["doc"]].name, mark["page"])
    return right_page and covered >= 0.5 * box.area and squeezed(mark["text"]) in squeezed(citation.quote)


@pytest.mark.parametrize("question", [pytest.param(q, id=q["question_id"]) for q in ASKED])
def test_questions_about_scans_are_answered_from_their_page(ask, question):
    """Asked over all documents, what is cited first stands on the page of the evidence."""
    first = ask(question["question"]).citations[0]
    assert (first.name, first.page) in {(FILES[e["doc"]].name, e["page"]) for e in question["evidence"]}


@pytest.mark.parametrize(
    "question",
    [
        pytest.param(q, id=q["question_id"], marks=[pytest.mark.xfail(reason=why, strict=True)] if why else [])
        for q in ASKED
        for why in [MISQUOTED.get(q["question_id"], "")]
    ],
)
def test_answers_quote_the_evidence_in_its_place(ask, question):
    """For each piece of evidence a citation quotes its words, and its boxes lie on them."""
    citations = ask(question["question"]).citations
    for mark in question["evidence"]:
        assert any(shows(c, mark) for c in citations), (mark, citations)


def test_the_llama_index_reader_reads_through_the_server(reads, monkeypatch):
    """Its Documents hold the scan's table and text whole, with their places, also as SimpleDirectoryReader's extractor."""
    from llama_index.core import SimpleDirectoryReader

    from paperlode.ingest import PaddleOCRVLReader
    from paperlode.ingest.llama_index import blocks_of

    layout, reader = reads
    monkeypatch.setattr(layout_module, "DocLayout", LoadedLayout(layout))
    file = FILES["chinese_report_scan"]
    with serving(reader) as (server, _), PaddleOCRVLReader(servers=server.url, workers=1) as ours:
        (doc,) = ours.load_data(file)
        (other,) = SimpleDirectoryReader(input_files=[file], file_extractor={".pdf": ours}).load_data()
    assert other.text == doc.text
    assert other.id_ == doc.id_
    (table,) = [t for t in TRUTH["tables"] if t["doc"] == "chinese_report_scan"]
    assert all(squeezed(c["text"]) in squeezed(doc.text) for c in table["cells"])
    assert {b.kind for b in blocks_of(doc)} >= {"table", "text"}
    assert doc.metadata["parser"].startswith("paddleocr-vl-1.0-")  # from the name that is served


def test_edits_are_levenshteins():
    """The distance is that of the plain algorithm."""

    def plain(a: str, b: str) -> int:
        row = list(range(len(b) + 1))
        for i, x in enumerate(a, 1):
            before, row[0] = row[0], i
            for k, y in enumerate(b, 1):
                before, row[k] = row[k], min(row[k] + 1, row[k - 1] + 1, before + (x != y))
        return row[-1]

    words = [
        "",
        "a",
        "kitten",
        "sitting",
        "drying fronts",
        "dry fonts in",
        "公司研发投入",
        "公司全年研发投入",
        "abab" * 20,
    ]
    for a in words:
        for b in words:
            assert edits(a, b) == plain(a, b), (a, b)
