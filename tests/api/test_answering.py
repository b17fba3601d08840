"""A language model writes the archive's answers through every face, and only what is checked is said."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from paperlode.api import cli
from paperlode.api.app import create_app
from paperlode.api.archive import Archive
from paperlode.ingest.errors import InvalidRequest
from paperlode.retrieval.llm_answer import AnswerDone, AnswerSources, AnswerText

from ..retrieval.chat import ChatServer, ScriptedLLM  # noqa: TID252

RIGHT = "The notice is 90 days [1]."
WRONG = "The notice is 60 days [1]."
QUESTION = "How long is the notice to end the lease?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An index of one lease, made with the embedded model."""
    import pymupdf

    where = tmp_path_factory.mktemp("answering")
    doc = pymupdf.open()
    for text in ("The rent is 1,250 euros a month.", "Either party may end this lease with ninety days of notice."):
        doc.new_page(width=612, height=792).insert_text((72, 100), text)
    doc.save(where / "lease.pdf")
    doc.close()
    result = CliRunner().invoke(cli.app, ["ingest", str(where), "--index", str(where / "index"), "--workers", "1"])
    assert result.exit_code == 0, result.output
    return where / "index"


@pytest.fixture
def archive(folder):
    """That archive, open."""
    with Archive.open(folder) as opened:
        yield opened


def ask(folder, *args):
    return CliRunner().invoke(cli.app, ["ask", QUESTION, "--index", str(folder), "-n", "1", *map(str, args)])


def test_the_archive_answers_with_its_model(archive):
    """Checked, with the quoted line's own box."""
    archive.llm = ScriptedLLM(RIGHT)
    answer, hits = archive.ask(QUESTION, limit=1)
    assert (answer.text, answer.model, answer.refused) == ("The notice is 90 days. [1]", "scripted", False)
    (citation,) = answer.citations
    assert (citation.name, citation.page) == ("lease.pdf", 1)
    assert citation.boxes
    assert len(hits) == 1


def test_it_refuses_with_quotations(archive):
    """What nothing supports is not said; the nearest passages are."""
    archive.llm = ScriptedLLM(WRONG)
    answer, _ = archive.ask(QUESTION)
    assert answer.refused
    assert "60" not in answer.text
    assert "ninety days of notice. [1]" in answer.text


def test_it_answers_in_pieces(archive):
    """Sources, a sentence, the whole; and closing it stops the model."""
    archive.llm = ScriptedLLM(f"{RIGHT} " * 3)
    hits = archive.search(QUESTION, limit=1)
    events = list(archive.ask_in_pieces(QUESTION, hits))
    assert isinstance(events[0], AnswerSources)
    assert isinstance(events[1], AnswerText)
    assert isinstance(events[-1], AnswerDone)
    with closing(archive.ask_in_pieces(QUESTION, hits)) as pieces:
        next(e for e in pieces if isinstance(e, AnswerText))
    assert archive.llm.ended[-1] == "closed"
    archive.llm = None
    with pytest.raises(InvalidRequest, match="No language model"):
        next(archive.ask_in_pieces(QUESTION, hits))


def test_it_is_a_query_engine(archive):
    """Its nodes, pages and boxes, and its checks."""
    response = archive.as_query_engine(ScriptedLLM(RIGHT), similarity_top_k=1).query(QUESTION)
    assert str(response) == "The notice is 90 days. [1]"
    assert response.metadata["citations"][0]["page"] == 1
    assert response.metadata["citations"][0]["file_name"] == "lease.pdf"
    refused = archive.as_query_engine(ScriptedLLM(WRONG), similarity_top_k=1).query(QUESTION)
    assert refused.metadata["refused"]


def test_the_command_line_streams_a_checked_answer(folder, monkeypatch):
    """With the options, and with the settings; what was left out is told on standard error."""
    with ChatServer(f"{RIGHT} {WRONG}", key="secret") as server:
        monkeypatch.setenv("PAPERLODE_LLM_KEY", "secret")
        result = ask(folder, "--llm", server.url, "--model", "m")
        assert result.exit_code == 0, result.output
        assert "The notice is 90 days. [1]" in result.stdout
        assert "[1] lease.pdf p.2" in result.stdout
        assert "60" not in result.stdout
        assert "Left out: The notice is 60 days." in result.stderr
        monkeypatch.setenv("PAPERLODE_LLM_URL", server.url)
        monkeypatch.setenv("PAPERLODE_LLM_MODEL", "m")
        data = json.loads(ask(folder, "--json").stdout)
    assert (data["text"], data["model"], data["refused"]) == ("The notice is 90 days. [1]", "m", False)
    assert [s["supported"] for s in data["sentences"]] == [True, False]
    assert data["citations"][0]["boxes"]


def test_a_refusal_is_shown_with_passages(folder):
    """On standard output, as an answer is."""
    with ChatServer(WRONG) as server:
        result = ask(folder, "--llm", server.url, "--model", "m")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("No answer can be given")
    assert "ninety days of notice. [1]" in result.stdout


def test_a_model_that_cannot_be_asked_is_said(folder):
    """Half an address, and a server that is not there."""
    assert "--model" in ask(folder, "--llm", "http://127.0.0.1:9").stderr
    assert "--llm" in ask(folder, "--model", "m").stderr
    gone = ask(folder, "--llm", "http://127.0.0.1:9", "--model", "m")
    assert gone.exit_code == 1
    assert "PAPERLODE_LLM_URL" in gone.stderr


def test_the_api_answers_with_the_archives_model(archive):
    """The same, with the checks; a server that refuses is a bad gateway."""
    archive.llm = ScriptedLLM(f"{RIGHT} {WRONG}")
    with TestClient(create_app(archive), base_url="http://localhost") as client:
        body = client.post("/v1/ask", json={"question": QUESTION, "limit": 1}).json()
        assert (body["text"], body["model"]) == ("The notice is 90 days. [1]", "scripted")
        assert [s["supported"] for s in body["sentences"]] == [True, False]
        from paperlode.retrieval.llm_connection import connect_llm

        archive.llm = connect_llm("http://127.0.0.1:9", "m", attempts=1)
        assert client.post("/v1/ask", json={"question": QUESTION}).status_code == 502
