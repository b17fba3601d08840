"""Chinese documents of the benchmark: the questions' truth is true, and a sample of them is answered from the right page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from paperlode.api.archive import Archive

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
DATA = json.loads((BENCHMARKS / "truth" / "chinese" / "questions.json").read_text(encoding="utf-8"))
QUESTIONS = DATA["questions"]
SAMPLE = ("henglan_2024_q1", "hk_policy", "loan_agreement")
"""Tables, clauses, a page in traditional characters; 11 of the 50 pages."""


def flat(text):
    """The text without white space."""
    return "".join(text.split())


def typeset(folder, *names):
    """The benchmark's PDFs of these documents, or of all."""
    wanted = [w for n in names for w in ("--doc", n)]
    subprocess.run([sys.executable, str(BENCHMARKS / "chinese_pages.py"), "--pdfs", str(folder), *wanted], check=True)


@pytest.fixture(scope="module")
def pdfs(tmp_path_factory):
    """All documents, typeset."""
    folder = tmp_path_factory.mktemp("chinese")
    typeset(folder)
    return folder


@pytest.fixture(scope="module")
def archive(pdfs, tmp_path_factory):
    """The sample, ingested with the embedded default."""
    with Archive.create(tmp_path_factory.mktemp("archive") / "index") as made:
        report = made.ingest([str(pdfs / f"{name}.pdf") for name in SAMPLE])
        assert not report.failed
        assert not report.page_problems
        yield made


def test_the_documents_are_the_same_each_time(pdfs, tmp_path):
    """Bytes do not depend on when, where or beside what a document is made."""
    typeset(tmp_path, "hk_policy")
    assert (tmp_path / "hk_policy.pdf").read_bytes() == (pdfs / "hk_policy.pdf").read_bytes()


def test_every_page_is_one_of_an_archive(pdfs):
    """50 pages in ten documents, as the questions file has them; none nearly empty."""
    import pymupdf

    pages = {}
    for path in pdfs.glob("*.pdf"):
        with pymupdf.open(path) as pdf:
            pages[path.stem] = [len(flat(p.get_text())) for p in pdf]
    assert {n: len(p) for n, p in pages.items()} == {n: d["pages"] for n, d in DATA["docs"].items()}
    assert min(min(p) for p in pages.values()) > 100
    assert sum(250 <= n <= 850 for p in pages.values() for n in p) >= 45


def test_all_evidence_stands_on_its_page(pdfs):
    """Each part of the evidence is in the page's text layer, and no other page of the document has them all."""
    import pymupdf

    text = {}
    for path in pdfs.glob("*.pdf"):
        with pymupdf.open(path) as pdf:
            text[path.stem] = [flat(p.get_text()) for p in pdf]
    for q in QUESTIONS:
        for e in q["evidence"]:
            parts = [flat(p) for p in e["text"].split(" | ")]
            assert [i for i, t in enumerate(text[e["doc"]]) if all(p in t for p in parts)] == [e["page"]], q


def test_evidence_is_in_the_chunks_of_its_page(archive):
    """After parsing too: what is asked for is in the text that is searched, and the chunk says the right page."""
    digests = {Path(d.name).stem: d.digest for d in archive.documents()}
    for name in SAMPLE:
        page = defaultdict(str)
        for chunk in map(json.loads, archive.export(digests[name], "jsonl")):
            for p in {p for p, *_ in chunk["regions"]}:
                page[p] += re.sub(r"[\s|]", "", chunk["context"] + chunk["text"])
        for q in QUESTIONS:
            for e in (e for e in q["evidence"] if e["doc"] == name):
                assert all(flat(p) in page[e["page"]] for p in e["text"].split(" | ")), (q["question"], e)


def test_halves_are_whole_documents():
    """At least 120 questions; a document is for development or held out, never both; ids and questions are distinct."""
    assert len(QUESTIONS) >= 120
    assert all(q["half"] == DATA["docs"][q["doc_name"]]["half"] for q in QUESTIONS)
    assert Counter(q["doc_name"] for q in QUESTIONS) == {n: d["q"] for n, d in DATA["docs"].items()}
    assert len({q["question_id"] for q in QUESTIONS}) == len({q["question"] for q in QUESTIONS}) == len(QUESTIONS)


def test_questions_are_answered_from_their_page(archive):
    """Over the sample's documents nine of ten questions have an evidence page among the first five hits."""
    names = {d.digest: Path(d.name).stem for d in archive.documents()}
    asked = [q for q in QUESTIONS if q["doc_name"] in SAMPLE]
    found = 0
    for q in asked:
        evidence = {(e["doc"], e["page"]) for e in q["evidence"]}
        hits = archive.search(q["question"], limit=5)
        found += any((names[h.document], p) in evidence for h in hits for p in h.pages)
    assert found >= 0.9 * len(asked), f"{found} of {len(asked)}"


@pytest.mark.parametrize(
    ("question", "document", "page"),
    [
        ("借款合同第二十一条", "loan_agreement", 3),
        ("借款合同第21條 違約事件", "loan_agreement", 3),
        ("保险单的保险期间从二〇二三年十月开始", "hk_policy", 0),
        ("股份回購的價格上限", "henglan_2024_q1", 2),
    ],
)
def test_the_way_of_writing_does_not_matter(archive, question, document, page):
    """Traditional or simplified, figures in words or digits: the page is the first hit."""
    names = {d.digest: Path(d.name).stem for d in archive.documents()}
    first = archive.search(question, limit=1)[0]
    assert (names[first.document], page) in {(document, p) for p in first.pages}
