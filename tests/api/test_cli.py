"""The command line: what it prints, where, and with which exit code."""

import json
import os
import resource
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from paperlode.api import cli, terminal
from paperlode.api.archive import Archive
from paperlode.ingest.errors import InvalidRequest

EVIL = "\x1b[31mred\x1b[0m \x9b2J [bold]markup[/bold] \u202etxt.exe :smile:"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """An index with the embedded model, closed; and the folder of its files."""
    import pymupdf

    folder = tmp_path_factory.mktemp("cli")
    doc = pymupdf.open()
    for text in ("The rent is 1,250 euros a month.", "Either party may end this lease with ninety days of notice."):
        doc.new_page(width=612, height=792).insert_text((72, 100), text)
    doc.save(folder / "lease [draft].pdf")
    doc.close()
    (folder / "broken.pdf").write_text("no PDF")
    result = invoke("ingest", folder, "--index", folder / "index", "--json", "--workers", 1)
    assert result.exit_code == 0, result.output
    return folder / "index", json.loads(result.stdout)


@pytest.fixture
def paperlode(index):
    """Call a command on that index."""
    return lambda *args: invoke(*args, "--index", index[0])


def invoke(*args):
    return CliRunner().invoke(cli.app, [str(a) for a in args])


def test_help_imports_nothing_heavy_and_answers_at_once():
    """``paperlode --help`` needs under half a second of processor time, for none of the heavy packages is imported."""
    heavy = ("numpy", "pydantic", "fastapi", "sqlalchemy", "pymupdf", "onnxruntime", "qdrant_edge", "cv2", "torch")
    code = f"import sys, paperlode.api.cli; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-m", "paperlode", "--help"], capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert "ingest" in done.stdout
    assert min(spent) < 0.5


def test_every_command_has_help_and_json():
    """Each command explains itself, and offers --json and --index."""
    for command in ("ingest", "search", "ask", "status", "show", "export", "delete", "doctor", "serve"):
        text = invoke(command, "--help").output
        assert "--json" in text, command
        assert "--index" in text, command


def test_ingest_reports_as_json_and_for_people(index):
    """The report names what was ingested and what failed; a second run finds nothing to do and still succeeds."""
    folder, report = index
    assert [os.path.basename(d["path"]) for d in report["ingested"]] == ["lease [draft].pdf"]  # noqa: PTH119
    assert [f["code"] for f in report["failed"]] == ["source_unsupported"]
    assert report["index"]["pages"] == 2
    again = invoke("ingest", folder.parent / "lease [draft].pdf", "--index", folder)
    assert again.exit_code == 0
    assert "1 done before" in again.stderr
    assert again.stdout == ""


def test_nothing_done_is_exit_code_1(index, tmp_path):
    """Only bad files: code 1; each is listed with its reason."""
    (tmp_path / "empty.pdf").touch()
    result = invoke("ingest", tmp_path, "--index", index[0])
    assert result.exit_code == 1
    assert "empty" in result.stderr


def test_search_prints_citations(paperlode):
    """Name, page counted from 1, box, text; and the id that ``show`` takes."""
    result = paperlode("search", "How long is the notice?", "-n", 1)
    assert result.exit_code == 0
    assert "[1] lease [draft].pdf p." in result.stdout
    assert "ninety days" in result.stdout
    assert "(72," in result.stdout


def test_search_json_is_pure_and_complete(paperlode):
    """Standard output is one JSON value; a hit has document, 0-based page, boxes, score, text and id."""
    (hit,) = json.loads(paperlode("search", "notice", "-n", 1, "--json").stdout)["hits"]
    assert hit["name"] == "lease [draft].pdf"
    assert hit["page"] in hit["pages"]
    assert len(hit["boxes"][0]) == 4
    assert hit["score"] is not None
    assert "ninety" in hit["text"]


def test_ask_prints_quotes_and_draws_the_first(paperlode, tmp_path):
    """The answer has numbered citations; --picture writes the page with the quote's box."""
    result = paperlode("ask", "How long is the notice to end the lease?", "--picture", tmp_path / "a" / "answer.png")
    assert result.exit_code == 0, result.output
    assert "ninety days of notice. [1]" in result.stdout
    assert "[1] lease [draft].pdf p.2" in result.stdout
    assert (tmp_path / "a" / "answer.png").read_bytes().startswith(b"\x89PNG")
    data = json.loads(paperlode("ask", "How long is the notice?", "--json").stdout)
    assert data["citations"][0]["page"] == 1
    assert data["citations"][0]["boxes"]


def test_show_draws_a_hit_or_a_page(paperlode, tmp_path):
    """By a hit's id with its boxes, or by a document's name and a page counted from 1."""
    (hit,) = json.loads(paperlode("search", "notice", "-n", 1, "--json").stdout)["hits"]
    shown = json.loads(paperlode("show", hit["id"], "-o", tmp_path / "hit.png", "--json").stdout)
    assert shown["boxes"]
    result = paperlode("show", "lease [draft]", "--page", 2, "-o", tmp_path / "page.png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "page.png").exists()
    missing = paperlode("show", "lease [draft]", "--page", 9, "-o", tmp_path / "none.png")
    assert missing.exit_code == 1
    assert "its pages are 1 to 2" in missing.stderr
    assert not (tmp_path / "none.png").exists()


def test_status_lists_documents_and_failures(paperlode):
    """For people a table, for programs an object."""
    result = paperlode("status")
    assert "1 documents, 2 pages" in result.stdout
    data = json.loads(paperlode("status", "--json").stdout)
    assert [d["name"] for d in data["documents"]] == ["lease [draft].pdf"]


@pytest.mark.parametrize("form", ["json", "markdown", "html", "jsonl"])
def test_export_to_standard_output_and_folder(paperlode, tmp_path, form):
    """Each format holds the text; into a folder it writes one file a document."""
    result = paperlode("export", "lease [draft]", "--format", form)
    assert result.exit_code == 0, result.output
    assert "ninety days" in result.stdout
    if form == "jsonl":
        assert all(json.loads(line)["id"] for line in result.stdout.splitlines())
    assert paperlode("export", "--format", form, "-o", tmp_path).exit_code == 0
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("lease [draft]-")


def test_delete_takes_out(tmp_path, index):
    """A deleted document is gone from the status; an unknown one is an error."""
    folder = tmp_path / "index"
    assert invoke("ingest", index[0].parent / "lease [draft].pdf", "--index", folder, "--workers", 1).exit_code == 0
    deleted = json.loads(invoke("delete", "lease [draft]", "--index", folder, "--json").stdout)["deleted"]
    assert [d["name"] for d in deleted] == ["lease [draft].pdf"]
    assert invoke("delete", "lease [draft]", "--index", folder).exit_code == 1


def test_a_missing_file_is_told_and_taken_out_when_asked(tmp_path, index):
    """Its document stays searchable until ``--remove-missing``; then the run succeeds though nothing is left to read."""
    folder, lease = tmp_path / "index", tmp_path / "docs" / "lease.pdf"
    lease.parent.mkdir()
    shutil.copy(index[0].parent / "lease [draft].pdf", lease)
    assert invoke("ingest", lease.parent, "--index", folder, "--workers", 1).exit_code == 0
    lease.unlink()
    told = invoke("ingest", lease.parent, "--index", folder)
    assert "1 files are gone" in told.stderr
    assert "--remove-missing" in told.stderr
    assert json.loads(invoke("status", "--index", folder, "--json").stdout)["documents"]
    done = invoke("ingest", lease.parent, "--index", folder, "--remove-missing", "--json")
    assert done.exit_code == 0
    assert [(g["path"], g["removed"]) for g in json.loads(done.stdout)["gone"]] == [(str(lease), True)]
    assert not json.loads(invoke("status", "--index", folder, "--json").stdout)["documents"]


def test_doctor_finds_everything_well(paperlode):
    """Versions, model, a worker, cache, disk and index are looked at; a sound index passes."""
    data = json.loads(paperlode("doctor", "--json").stdout)
    assert data["ok"], data
    names = [c["name"] for c in data["checks"]]
    assert names == ["versions", "embedding model", "worker process", "cache folder", "disk space", "index"]


def test_errors_are_told_without_a_traceback(tmp_path):
    """What happened and what to do on standard error, code 1; with --json also an object on standard output."""
    result = invoke("search", "x", "--index", tmp_path / "none", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["code"] == "archive_not_found"
    assert "paperlode ingest" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "args", [["ingest"], ["search"], ["search", "x", "-n", "0"], ["fly"], ["export", "-f", "docx"]]
)
def test_wrong_usage_is_exit_code_2(args):
    """Missing arguments, values out of range, unknown commands."""
    assert invoke(*args).exit_code == 2


def test_the_environment_gives_defaults(index, monkeypatch):
    """PAPERLODE_INDEX names the folder; a senseless variable is an error that names it."""
    monkeypatch.setenv("PAPERLODE_INDEX", str(index[0]))
    assert invoke("status").exit_code == 0
    monkeypatch.setenv("PAPERLODE_WORKERS", "many")
    result = invoke("status")
    assert result.exit_code == 1
    assert "PAPERLODE_WORKERS" in result.stderr


@pytest.mark.parametrize(
    ("text", "pages"), [("7", (6, 6)), ("3-9", (2, 8)), ("5-", (4, 999_999)), ("-4", (0, 3)), ("1-1", (0, 0))]
)
def test_page_ranges_count_from_1(text, pages):
    """As people write them."""
    from paperlode.api.command import page_range

    assert page_range(text) == pages


@pytest.mark.parametrize("text", ["0", "0-3", "9-3", "-", "x", "1-2-3"])
def test_page_ranges_that_make_no_sense(text):
    """Refused, with examples."""
    from paperlode.api.command import page_range

    with pytest.raises(InvalidRequest, match="Count from 1"):
        page_range(text)


def test_document_text_cannot_steer_the_terminal(capsys):
    """Escape sequences, C1 controls and direction marks are dropped; markup and emoji codes stay as they are written."""
    terminal.console().print(terminal.styled(EVIL, (EVIL, "bold")))
    terminal.message(EVIL)
    out, err = capsys.readouterr()
    for text in (out, err):
        assert not set(text) & set("\x1b\x9b\u202e")
        assert "[bold]markup[/bold]" in text
        assert ":smile:" in text


def test_json_output_cannot_steer_the_terminal_and_loses_nothing(capsys):
    """Controls are escaped, not dropped: the value reads back as it was."""
    value = {"text": EVIL + "第\u2028\udcff"}
    terminal.print_json(value)
    out = capsys.readouterr().out
    assert not set(out) & set("\x1b\x9b\u202e\u2028")
    assert "第" in out
    assert json.loads(out) == value


def test_hits_and_failures_are_cleaned_on_their_way_out(index, capsys):
    """A heading and a text full of controls are printed harmless."""
    from dataclasses import replace

    from paperlode.api.views import show_hits

    with Archive.open(index[0]) as archive:
        (hit,) = archive.search("notice", limit=1)
    show_hits([replace(hit, chunk=replace(hit.chunk, text=EVIL, heading_path=(EVIL,)))], {hit.document: EVIL})
    out = capsys.readouterr().out
    assert not set(out) & set("\x1b\x9b\u202e")
    assert out.count("[bold]markup[/bold]") == 3


def test_serve_answers_on_loopback_and_ends_with_ctrl_c(index):
    """The service answers over HTTP, holds the index meanwhile, and lets go of it when interrupted."""
    import signal
    import socket
    import time
    from urllib.error import URLError
    from urllib.request import urlopen

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "paperlode", "serve", "--index", str(index[0]), "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        health = None
        while health is None and process.poll() is None:
            try:
                with urlopen(f"http://127.0.0.1:{port}/v1/health", timeout=5) as answer:
                    health = json.load(answer)
            except URLError:
                time.sleep(0.1)
        assert health is not None, process.communicate()
        assert health["documents"] == 1
        locked = invoke("status", "--index", index[0])
        assert f"in use by process {process.pid}" in locked.stderr
        process.send_signal(signal.SIGINT)
        messages = process.communicate(timeout=20)[1]
    finally:
        process.kill()
        process.communicate()
    assert "Warning" not in messages
    assert "Traceback" not in messages
    assert invoke("status", "--index", index[0]).exit_code == 0
