"""An archive whose ledger is in PostgreSQL: the same index, other books."""

from __future__ import annotations

import json
import shutil

import pytest
from typer.testing import CliRunner

from paperlode.api.archive import Archive
from paperlode.api.cli import app
from paperlode.api.directory import Directory, Manifest
from paperlode.api.values import IngestOptions
from paperlode.ingest.errors import (
    ArchiveCorrupt,
    ArchiveNotFound,
    InvalidRequest,
    LedgerServerUnreachable,
)


def ids(archive):
    """Of all chunks, with what is stored of each."""
    return {c.id: c for d in archive.documents() for c in archive._index.chunks(d.digest)}


def shown(record):
    """What stands in the books of a document, but for the time."""
    return (record.digest, record.content, record.name, record.status, record.chunks, record.recipe, record.paths)


def test_the_index_is_the_same_as_with_sqlite(tmp_path, docs, parser, word_model, fresh_schema, pdf_writer):  # noqa: PLR0917
    """Through a first run, one that changes nothing, a changed page, and a file that is gone; each time ids and books agree."""
    parsed = {}
    with (
        Archive.create(tmp_path / "here", embedder=word_model) as here,
        Archive.create(tmp_path / "there", embedder=word_model, ledger=fresh_schema) as there,
    ):

        def step(*expected):
            for archive in (here, there):
                before = parser.parsed
                report = archive.ingest([docs], parser=parser, options=IngestOptions(remove_missing=True))
                parsed[archive] = parser.parsed - before
                assert (len(report.ingested), len(report.skipped), report.failed) == (*expected, [])
                assert archive.check() == []
            assert parsed[here] == parsed[there]
            assert ids(here) == ids(there)
            assert [shown(d) for d in here.documents()] == [shown(d) for d in there.documents()]

        step(2, 0)
        assert len(ids(there)) == 2
        step(0, 2)
        assert parsed[there] == 0
        pdf_writer(docs / "manual.pdf", [["Press the green button to stop the pump."]])
        step(1, 1)
        assert "green" in there.search("which button stops the pump", limit=1)[0].passage
        (docs / "lease.pdf").unlink()
        step(0, 1)
        assert [d.name for d in there.documents()] == ["manual.pdf"]
        name = there.names(there.search("pump", limit=1))
        assert set(name.values()) == {"manual.pdf"}
    assert not (tmp_path / "there" / "ledger.sqlite").exists()
    with Archive.open(tmp_path / "there", embedder=word_model) as again:
        assert [d.name for d in again.documents()] == ["manual.pdf"]


def test_a_server_that_stops_ends_the_run_and_the_next_goes_on(  # noqa: PLR0917
    tmp_path, docs, parser, word_model, postgres, fresh_schema, pdf_writer
):
    """With an error that says so; what was read is not read again, and the index is that of a run without trouble."""
    pdf_writer(docs / "long.pdf", [[f"Clause {n} of the long agreement."] for n in range(80)])
    with Archive.create(tmp_path / "calm", embedder=word_model) as calm:
        calm.ingest([docs], parser=parser)
        wanted = ids(calm)
    total, parser.parsed, parse = parser.parsed, 0, parser.parse

    def until_it_stops(source, pages):
        for page in parse(source, pages):
            if page.page == 50:
                postgres.stop()
            yield page

    parser.parse = until_it_stops
    with Archive.create(tmp_path / "index", embedder=word_model, ledger=fresh_schema) as archive:
        try:
            with pytest.raises(LedgerServerUnreachable, match="goes on where it was"):
                archive.ingest([docs], parser=parser)
            with pytest.raises(LedgerServerUnreachable):
                archive.status()
        finally:
            postgres.start()
        parser.parse = parse
        assert parser.parsed < total
        archive.ingest([docs], parser=parser)  # also without opening it again
        assert total <= parser.parsed < total + 50
        assert ids(archive) == wanted
        assert archive.check() == []


def test_a_server_that_stops_between_publishing_and_noting_loses_nothing(  # noqa: PLR0917
    tmp_path, docs, parser, word_model, postgres, fresh_schema
):
    """The books are behind the index then; the next opening puts them right."""
    with Archive.create(tmp_path / "index", embedder=word_model, ledger=fresh_schema) as archive:
        publish = archive._index.publish

        def and_stop(*arguments, **options):
            publish(*arguments, **options)
            postgres.stop("fast")

        archive._index.publish = and_stop  # type: ignore[method-assign]
        try:
            with pytest.raises(LedgerServerUnreachable):
                archive.ingest([docs / "lease.pdf"], parser=parser)
        finally:
            postgres.start()
    with Archive.open(tmp_path / "index", embedder=word_model) as again:
        assert [d.name for d in again.documents()] == ["lease.pdf"]
        assert again.check() == []
        assert len(again.ingest([docs], parser=parser).skipped) == 1


def test_the_manifest_says_where_and_whose(tmp_path, word_model, fresh_schema):
    """The address without a password, and an id; another address is refused, and so is one for an archive without."""
    with Archive.create(tmp_path / "index", embedder=word_model, ledger=fresh_schema) as archive:
        assert archive.status().ledger == archive.ledger_place
        with pytest.raises(InvalidRequest, match="another archive"):
            Archive.create(tmp_path / "other", embedder=word_model, ledger=fresh_schema)
        assert not (tmp_path / "other").exists()
    manifest = Manifest.read(Directory(tmp_path / "index"))
    assert manifest.ledger == archive.ledger_place
    assert len(manifest.archive) == 32
    Archive.open_or_create(tmp_path / "index", embedder=word_model, ledger=fresh_schema).close()
    with pytest.raises(InvalidRequest, match="has its ledger postgresql://"):
        Archive.open_or_create(tmp_path / "index", embedder=word_model, ledger=f"{fresh_schema}x")
    Archive.create(tmp_path / "plain", embedder=word_model).close()
    with pytest.raises(InvalidRequest, match="has its ledger in its folder"):
        Archive.open_or_create(tmp_path / "plain", embedder=word_model, ledger=fresh_schema)
    with pytest.raises(InvalidRequest, match="holds a password"):
        Archive.create(tmp_path / "other", embedder=word_model, ledger="postgresql://u:pw@h/db")


def test_a_folder_with_the_ledger_of_another_is_refused(tmp_path, word_model, postgres, fresh_schema):
    """Whose schema is dropped, or in whose manifest another one's stands, is told; nothing is taken for an empty archive."""
    for name, place in (("a", fresh_schema), ("b", f"{fresh_schema}_b")):
        Archive.create(tmp_path / name, embedder=word_model, ledger=place).close()
    path = tmp_path / "b" / "archive.json"
    written = path.read_text()
    mine = json.loads(written)["ledger"]
    path.write_text(written.replace(mine, mine.removesuffix("_b")))
    with pytest.raises(ArchiveCorrupt, match="that of another archive"):
        Archive.open(tmp_path / "b")
    path.write_text(written)
    postgres.sql(f"DROP SCHEMA {mine.partition('schema=')[2]} CASCADE")
    with pytest.raises(ArchiveCorrupt, match="is missing"):
        Archive.open(tmp_path / "b")


def test_a_creation_that_was_cut_off_is_repeated(tmp_path, word_model, fresh_schema):
    """The schema that it has taken already is its own."""
    Archive.create(tmp_path / "index", embedder=word_model, ledger=fresh_schema).close()
    path = tmp_path / "index" / "archive.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "ready": False}))
    with pytest.raises(ArchiveNotFound, match="never finished"):
        Archive.open(tmp_path / "index")
    Archive.create(tmp_path / "index", embedder=word_model, ledger=fresh_schema).close()
    Archive.open(tmp_path / "index").close()


def test_the_shard_can_be_made_anew_from_its_pages(tmp_path, docs, parser, word_model, fresh_schema):
    """Where the folder of the index was deleted, nothing is parsed again."""
    with Archive.create(tmp_path / "index", embedder=word_model, ledger=fresh_schema) as archive:
        archive.ingest([docs], parser=parser)
        before = ids(archive)
    shutil.rmtree(tmp_path / "index" / "edge")
    with Archive.open(tmp_path / "index", embedder=word_model) as archive:
        report = archive.ingest([docs], parser=parser)
        assert (report.pages_parsed, ids(archive)) == (0, before)


def test_the_commands_take_it_and_say_where_it_is(tmp_path, docs, postgres, fresh_schema, monkeypatch):
    """As an option or in the environment; status and doctor say where the ledger is, delete and reindex work on it."""
    index = str(tmp_path / "index")

    def call(*arguments, code=0):
        result = CliRunner().invoke(app, [*arguments, "--index", index])
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    said = call("ingest", str(docs), "--ledger", "postgresql://u:geheim@h/db", code=1)
    assert "geheim" not in said
    assert "PGPASSWORD" in said
    monkeypatch.setenv("PAPERLODE_LEDGER", fresh_schema)
    call("ingest", str(docs), "--workers", "1")
    monkeypatch.delenv("PAPERLODE_LEDGER")
    place = Manifest.read(Directory(tmp_path / "index")).ledger
    assert json.loads(call("status", "--json"))["ledger"] == place
    assert f"The ledger is in {place}".replace(" ", "") in call("status").replace(" ", "")
    assert "manual.pdf" in call("search", "button to stop the pump")
    assert f"ledger in {place}".replace(" ", "") in call("doctor").replace(" ", "")
    call("delete", "manual.pdf")
    call("reindex", "--embedding", "minilm")
    assert json.loads(call("status", "--json"))["counts"]["documents"] == 1
    postgres.stop()
    try:
        assert "no connection" in call("status", code=1)
    finally:
        postgres.start()
    assert "lease.pdf" in call("status")
