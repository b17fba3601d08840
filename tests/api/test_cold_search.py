"""A search from the shell: what it leaves out to answer soon, and that nothing is lost by it."""

import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from typer.testing import CliRunner

from paperlode.api import cli, command, terminal
from paperlode.api.archive import Archive
from paperlode.ingest.errors import ArchiveCorrupt, ModelChecksumMismatch
from paperlode.retrieval import minilm
from paperlode.retrieval.ahead import Ahead

QUESTION = "How is the filter cleaned?"


@pytest.fixture
def folder(docs, tmp_path, parser):
    """An index made with the embedded model, closed."""
    with Archive.create(tmp_path / "index") as archive:
        archive.ingest([docs], parser=parser)
    return tmp_path / "index"


def shell(*args, options=()):
    return subprocess.run(
        [sys.executable, *options, "-m", "paperlode", *map(str, args)], capture_output=True, text=True, check=False
    )


def test_a_process_that_ends_after_reading_leaves_the_index_sound(folder):
    """It prints what the command prints inside another program, exits with 0, and can be followed by any other command."""
    expected = CliRunner().invoke(cli.app, ["search", QUESTION, "--index", str(folder)])
    assert expected.exit_code == 0
    held = sorted(p.name for p in folder.iterdir())
    for _ in range(3):
        done = shell("search", QUESTION, "--index", folder)
        assert (done.returncode, done.stdout, done.stderr) == (0, expected.stdout, "")
        assert sorted(p.name for p in folder.iterdir()) == held
    with Archive.open(folder) as archive:
        assert archive.check() == []
        name = archive.documents()[0].name
    narrowed = shell("search", QUESTION, "--index", folder, "--document", name)
    assert narrowed.returncode == 0
    assert sorted(p.name for p in folder.iterdir()) == held
    assert shell("delete", name, "--index", folder).returncode == 0
    with Archive.open(folder) as archive:
        assert archive.check() == []
        assert name not in {d.name for d in archive.documents()}


def test_nothing_ends_inside_another_program(folder):
    """Only the console script's process is ended by a command; elsewhere the archive is closed."""
    assert command.own_process is False
    assert CliRunner().invoke(cli.app, ["search", QUESTION, "--index", str(folder)]).exit_code == 0
    Archive.open(folder).close()  # not locked


def test_a_search_imports_nothing_that_it_does_not_need(folder):
    """Where all is settled: no database toolkit, no validation, no HTTP, no model compiler, no PDF engine."""
    done = shell("search", QUESTION, "--index", folder, options=("-X", "importtime"))
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {"onnxruntime", "qdrant_edge"} <= imported
    needless = {"sqlalchemy", "pydantic", "pydantic_settings", "onnx", "pymupdf", "fastapi", "httpx", "jieba", "torch"}
    assert imported & needless == set()


def test_only_the_command_that_is_called_is_made():
    """Its help is whole; the others are there where none, an unknown one or a group is called."""
    assert "--limit" in shell("search", "--help").stdout
    assert "--make" in shell("eval", "--help").stdout
    assert "serve" in shell("vllm", "--help").stdout
    assert "Did you mean 'search'?" in shell("serach", "x").stderr
    assert all(f" {name} " in shell("--help").stdout for name in ("ingest", "search", "eval", "vllm"))


def test_lines_for_a_pipe_are_those_of_rich(monkeypatch, capsys):
    """Without Rich and with it, the same characters come out, unsafe ones left out, tabs spread, long lines not broken."""
    parts: list[list[Any]] = [
        ["plain"],
        [("[1] ", "bold"), ("a\x1b[31m\u202eb [bold]c[/bold] :smile:", "bold cyan"), (" p.1 ", "bold"), "(1,2)-(3,4)"],
        ["    ", "a\tb\tc"],
        ["    ", "第 1 条\t" + "长" * 200],
        ["    ", ("word " * 100 + ".", "dim")],
    ]
    lines, console = terminal.Lines(), terminal.console()
    for line in parts:
        lines.print(*line)
    plain = capsys.readouterr().out
    for line in parts:
        console.print(terminal.styled(*line))
    assert plain == capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    terminal.Lines().print(("bold", "bold"))
    assert capsys.readouterr().out == "\x1b[1mbold\x1b[0m\n"


def test_what_is_not_settled_is_settled_first(folder):
    """A removal that was begun and not finished is finished when the archive is opened to be searched."""
    with Archive.open(folder) as archive:
        record = archive.documents()[0]
        archive._ledger.begin_removal(record.digest)
    assert shell("search", QUESTION, "--index", folder).returncode == 0
    with Archive.open(folder) as archive:
        assert record.digest not in {d.digest for d in archive.documents()}
        assert archive.check() == []


def test_an_output_that_breaks_off_is_no_success(folder):
    """A reader that went away is noticed before the process ends."""
    script = [sys.executable, "-m", "paperlode", "search", QUESTION, "--index", str(folder)]
    process = subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(60) != 0
    process.stderr.close()
    Archive.open(folder).close()


def test_a_model_that_cannot_be_loaded_is_an_error_where_it_is_needed(folder, tmp_path, monkeypatch):
    """Opening does not fail for it; each question does, in the words of the model; what needs no model works."""
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / minilm.WEIGHTS).write_bytes(b"other")
    monkeypatch.setattr(minilm, "published_weights", lambda: tmp_path / "weights")
    with Archive.open(folder, to_search=True) as archive:
        for _ in range(2):
            with pytest.raises(ModelChecksumMismatch, match="the published MiniLM has 53aa51172d14"):
                archive.search(QUESTION)
        assert archive.status().counts.documents
    assert "ahead" not in {t.name for t in threading.enumerate()}


def test_an_archive_that_does_not_open_says_so_at_once(folder):
    """The model is on its way meanwhile, and is not waited for."""
    (folder / "ledger.sqlite").unlink()
    with pytest.raises(ArchiveCorrupt, match="ledger"):
        Archive.open(folder, to_search=True)


def test_a_value_made_ahead_is_waited_for():
    """It is begun at once, in a thread, and given to all who ask."""
    begun, go = threading.Event(), threading.Event()

    def make():
        begun.set()
        go.wait(10)
        return 5

    ahead = Ahead(make)
    assert begun.wait(10)
    go.set()
    assert (ahead.result(), ahead.result()) == (5, 5)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_is_raised_where_the_value_is_asked_for(error):
    """Whatever it is, and each time."""

    def make():
        raise error("why")

    ahead = Ahead(make)
    time.sleep(0.01)
    for _ in range(2):
        with pytest.raises(error, match="why"):
            ahead.result()
