"""Which parser read what: told by the archive, the command line and the query API alike, also for a mixed index."""

import json

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from paperlode.api import cli
from paperlode.api.app import create_app
from paperlode.api.archive import Archive
from paperlode.api.views import show_hits, show_report, show_status
from paperlode.api.wording import pages_read_by, reader, readers

SERVED = "paddleocr-vl-1.6-1-v3-200-png"


class NamedParser:
    """Reads with another parser, and names pages by its ways in turn."""

    documents_at_once = 2

    def __init__(self, inner, name, *ways):
        self.inner, self.fingerprint, self.ways = inner, name, ways

    def stands(self, read_by):
        return False

    def page_prints(self, source, stop):
        return ()

    def page_count(self, source):
        return self.inner.page_count(source)

    def parse(self, source, pages):
        from dataclasses import replace

        for page in self.inner.parse(source, pages):
            yield replace(page, parser=self.fingerprint + self.ways[page.page % len(self.ways)])

    def close(self):
        pass


@pytest.fixture
def mixed(tmp_path, docs, word_model, parser):
    """``manual.pdf`` (one page) read on the CPU, then ``lease.pdf`` (two) by PaddleOCR-VL, one page by its text layer."""
    with Archive.create(tmp_path / "index", embedder=word_model) as archive:
        archive.ingest([docs / "manual.pdf"], parser=NamedParser(parser, "local-3", "/scan"))
        report = archive.ingest([docs / "lease.pdf"], parser=NamedParser(parser, SERVED, "", "/text-layer"))
        yield archive, report


COUNTS = {"local-3/scan": 1, SERVED: 1, f"{SERVED}/text-layer": 1}


def test_a_mixed_index_tells_both_parsers(mixed):
    """The status sums over documents of both; each document has its own counts, and each hit what read its page."""
    archive, report = mixed
    assert archive.status().counts.read_by == COUNTS
    by_name = {d.name: d.read_by for d in archive.documents()}
    assert by_name == {"manual.pdf": {"local-3/scan": 1}, "lease.pdf": {SERVED: 1, f"{SERVED}/text-layer": 1}}
    assert report.read_by == {SERVED: 1, f"{SERVED}/text-layer": 1}
    (pump,) = archive.search("red button to stop the pump", limit=1)
    assert pump.chunk.read_by == ("local-3/scan",)
    assert all(h.chunk.read_by == archive.hit(h.chunk.id).read_by for h in archive.search("lease", limit=5))
    lines = [json.loads(line) for line in "".join(archive.export("manual", "jsonl")).splitlines()]
    assert {tuple(line["read_by"]) for line in lines} == {("local-3/scan",)}


def test_it_is_kept_when_the_archive_is_opened_again_and_goes_with_the_document(mixed, tmp_path, word_model):
    """Counts are stored, not remembered; a deleted document takes its own."""
    mixed[0].close()
    with Archive.open(tmp_path / "index", embedder=word_model) as again:
        assert again.status().counts.read_by == COUNTS
        again.delete("lease.pdf")
        assert again.status().counts.read_by == {"local-3/scan": 1}


def test_people_are_told_in_words(mixed, capsys):
    """At the end of a run, in the status and its table, and with every hit."""
    archive, report = mixed
    show_report(report, archive.status())
    assert "Pages: 1 by paddleocr-vl-1.6, 1 by paddleocr-vl-1.6 with text layer." in capsys.readouterr().err
    show_status(archive.status(), archive.documents())
    said = capsys.readouterr().out
    assert "Pages: 1 by paddleocr-vl-1.6, 1 by paddleocr-vl-1.6 with text layer, 1 local scan." in said
    (row,) = (line for line in said.splitlines() if "manual.pdf" in line)
    assert "local scan" in row
    hits = archive.search("red button to stop the pump", limit=1)
    show_hits(hits, archive.names(hits))
    assert capsys.readouterr().out.rstrip().endswith("local scan")


def test_the_query_api_tells_it(mixed):
    """Health, the list of documents, one document, hits and citations."""
    with TestClient(create_app(mixed[0]), base_url="http://localhost") as client:
        assert client.get("/v1/health").json()["read_by"] == COUNTS
        listed = {d["name"]: d["read_by"] for d in client.get("/v1/documents").json()["documents"]}
        assert listed["manual.pdf"] == {"local-3/scan": 1}
        assert client.get("/v1/documents/lease.pdf").json()["read_by"] == {SERVED: 1, f"{SERVED}/text-layer": 1}
        found = client.get("/v1/search", params={"q": "red button to stop the pump", "limit": 1}).json()
        assert [h["read_by"] for h in found["hits"]] == [["local-3/scan"]]
        asked = client.post("/v1/ask", json={"question": "How do I stop the pump?"}).json()
        assert asked["citations"][0]["read_by"] == ["local-3/scan"]


def invoke(*args):
    return CliRunner().invoke(cli.app, [str(a) for a in args])


def test_the_command_line_tells_it(tmp_path, docs):
    """On the CPU for want of a server: one line at the start says so, and what to do; the end and --json count pages."""
    ingested = invoke("ingest", docs, "--index", tmp_path / "index", "--workers", 1, "--json")
    assert ingested.exit_code == 0, ingested.output
    (start,) = (line for line in ingested.stderr.splitlines() if "No recognition server is configured" in line)
    assert "paperlode vllm serve" in start
    assert "--server" in start
    assert "Pages: 3 local plain." in ingested.stderr
    report = json.loads(ingested.stdout)
    assert report["read_by"] == report["index"]["read_by"] == {"local-3/plain": 3}
    status = json.loads(invoke("status", "--index", tmp_path / "index", "--json").stdout)
    assert status["counts"]["read_by"] == {"local-3/plain": 3}
    assert [d["read_by"] for d in status["documents"]] == [{"local-3/plain": 2}, {"local-3/plain": 1}]
    for command in ("search", "ask"):
        found = json.loads(invoke(command, "stop the pump", "--index", tmp_path / "index", "--json").stdout)
        assert found["hits"][0]["read_by"] == ["local-3/plain"]
    asked_for = invoke("ingest", docs, "--index", tmp_path / "index", "--workers", 1, "--parser", "local")
    assert "No recognition server" not in asked_for.stderr


def test_a_server_that_is_not_there_ends_the_command(tmp_path, docs):
    """Before anything is read: its address and what to do, exit code 1; nothing is read on the CPU in silence."""
    result = invoke("ingest", docs, "--index", tmp_path / "index", "--server", "http://127.0.0.1:9", "--json")
    assert result.exit_code == 1
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "server_unreachable"
    assert "http://127.0.0.1:9" in error["what"]
    assert json.loads(invoke("status", "--index", tmp_path / "index", "--json").stdout)["documents"] == []


@pytest.mark.parametrize(
    ("parser", "words"),
    [
        ("local-3/scan", "local scan"),
        ("local-3/blank", "blank"),
        ("local-3", "local"),
        (SERVED, "paddleocr-vl-1.6"),
        (f"{SERVED}/text-layer", "paddleocr-vl-1.6 with text layer"),
        (f"{SERVED}/blank", "blank"),
        ("mine-2/fast", "mine-2 fast"),
    ],
)
def test_a_parser_in_words(parser, words):
    """Without versions of builds and options; a parser of one's own is called what it calls itself."""
    assert reader(parser) == words


def test_counts_in_words_are_joined_and_ordered():
    """What is called alike is added up; the most come first, then by name; nothing known is nothing said."""
    counts = {"local-3/scan": 3, SERVED: 100, "paddleocr-vl-1.6-1-v2-200-png": 20, f"{SERVED}/text-layer": 14, "x": 3}
    assert (
        pages_read_by(counts) == "120 by paddleocr-vl-1.6, 14 by paddleocr-vl-1.6 with text layer, 3 by x, 3 local scan"
    )
    assert pages_read_by({}) == pages_read_by({"x": 0}) == ""
    assert readers([SERVED, f"{SERVED}/text-layer", SERVED]) == "paddleocr-vl-1.6, paddleocr-vl-1.6 with text layer"
