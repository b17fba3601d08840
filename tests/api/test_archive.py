"""The archive: what it finds, what it gives back, and how it refuses."""

import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import uuid
from dataclasses import replace

import pytest

from paperlode.api.archive import Archive, IngestOptions, Scope
from paperlode.api.directory import Directory, Lock, Manifest
from paperlode.ingest.document import Box, ParsedDocument, from_json, make_card
from paperlode.ingest.errors import (
    ArchiveCorrupt,
    ArchiveError,
    ArchiveLocked,
    ArchiveNotFound,
    DocumentNotFound,
    InvalidRequest,
    ModelUnknown,
    SchemaMismatch,
    SourceChanged,
    SourceNotFound,
    StorageFull,
)
from paperlode.ingest.ledger import Arrival
from paperlode.ingest.sources import open_source, stamp
from paperlode.retrieval.edge import EdgeIndex
from paperlode.retrieval.lexical import sparse_document


def test_search_points_at_page_and_box(lasting):
    """The best hit for a question is the evidence that answers it, with boxes on the pages where it stands."""
    hit = lasting.search("ninety days of notice to end", limit=1)[0]
    assert lasting.names([hit])[hit.document] == "lease.pdf"
    assert "ninety days" in hit.chunk.text
    assert 1 in hit.pages
    assert {r.page for r in hit.regions} == set(hit.pages)
    assert all(r.box.area > 0 for r in hit.regions)


def test_ask_cites_documents_by_name(lasting):
    """An answer quotes, and names the file as people know it."""
    answer, hits = lasting.ask("How do I stop the pump?")
    assert answer.citations[0].name == "manual.pdf"
    assert "red button" in answer.text
    assert hits


def test_scope_restricts_to_documents_kinds_and_pages(lasting):
    """A document is named as people name it; an unknown one, or an unknown kind, is an error."""
    hits = lasting.search("rent button", limit=10, scope=Scope(documents=("manual",)))
    assert {lasting.names([h])[h.document] for h in hits} == {"manual.pdf"}
    assert {h.page for h in lasting.search("rent notice", limit=10, scope=Scope(pages=(1, 1)))} == {1}
    assert lasting.search("rent", scope=Scope(kinds=("table",))) == []
    with pytest.raises(DocumentNotFound):
        lasting.search("rent", scope=Scope(documents=("nothing",)))
    with pytest.raises(InvalidRequest, match="Known: title"):
        lasting.search("rent", scope=Scope(kinds=("poem",)))


def test_what_is_ingested_is_there_after_opening_again(archive, tmp_path, word_model, parser, docs):
    """A closed archive opens with all it had, fits together, and has nothing left to do."""
    archive.close()
    with Archive.open(tmp_path / "index", embedder=word_model) as again:
        assert again.check() == []
        assert [d.name for d in again.documents()] == ["lease.pdf", "manual.pdf"]
        report = again.ingest([docs], parser=parser)
        assert (len(report.skipped), parser.parsed) == (2, 0)


def test_status_counts(archive, docs):
    """The status tells what is searchable, what failed, and what it was made with."""
    (docs / "broken.pdf").write_text("no PDF")
    archive.ingest([docs])
    status = archive.status()
    assert (status.counts.documents, status.counts.pages, status.counts.failures) == (2, 3, 1)
    assert (status.embedder, status.dimensions) == ("words", 256)
    assert status.bytes > 0


def test_outdated_documents_are_counted_and_renewed(archive, docs, parser):
    """Documents of an older parser stay searchable, are counted, and are parsed anew when ingested again."""
    parser.fingerprint = "direct-2"
    archive.ingest([docs / "lease.pdf"], parser=parser)
    assert archive.status().outdated == 1
    assert archive.search("red button", limit=1)
    archive.ingest([docs], parser=parser)
    assert archive.status().outdated == 0


def test_seconds_tell_where_the_time_went(tmp_path, docs, word_model, parser):
    """Every stage of a run has its own seconds, and together they are no more than the whole."""
    with Archive.create(tmp_path / "index", embedder=word_model) as archive:
        report = archive.ingest([docs], parser=parser)
    assert set(report.seconds) >= {"parse wait", "assemble", "chunk", "embed", "lexical", "index"}
    assert all(v >= 0 for v in report.seconds.values())


def test_export_gives_every_format(lasting):
    """JSON reads back as a document, Markdown and HTML hold the text, JSON Lines one chunk a line with its id."""
    document = from_json(ParsedDocument, "".join(lasting.export("lease", "json")))
    assert len(document.pages) == 2
    assert "ninety days" in document.text
    assert "ninety days" in "".join(lasting.export("lease", "markdown"))
    assert "<p" in "".join(lasting.export("lease", "html"))
    lines = [json.loads(line) for line in "".join(lasting.export("lease.pdf", "jsonl")).splitlines()]
    assert len(lines) == lasting.document("lease").chunks
    assert lasting.hit(lines[0]["id"]).text == lines[0]["text"]
    with pytest.raises(InvalidRequest, match="Known: json"):
        lasting.export("lease", "docx")


def test_delete_takes_a_document_out(archive):
    """A deleted document is neither found nor recorded; the file is untouched, and can be ingested again."""
    path = archive.document("lease").paths[0]
    archive.delete("lease")
    assert {archive.names([h]).get(h.document) for h in archive.search("rent notice deposit")} <= {"manual.pdf"}
    assert archive.check() == []
    with pytest.raises(DocumentNotFound):
        archive.document("lease")
    assert os.path.exists(path)  # noqa: PTH110


def test_a_deletion_that_was_cut_off_is_completed(archive, tmp_path, word_model):
    """When the process dies between the two stores, opening again removes the rest."""
    record = archive.document("lease")
    archive._ledger.begin_removal(record.digest)
    archive.close()
    with Archive.open(tmp_path / "index", embedder=word_model) as again:
        assert again.check() == []
        assert record.digest not in again._index.documents()


def test_a_page_picture_has_its_boxes(lasting):
    """The picture is the page at the resolution asked for, and differs where a box is drawn."""
    from PIL import Image

    record = lasting.document("lease")
    plain = Image.open(io.BytesIO(lasting.page_picture("lease", 1, dpi=72)))
    boxed = Image.open(io.BytesIO(lasting.page_picture("lease", 1, dpi=72, boxes=[Box(72, 300, 200, 400)])))
    assert plain.size == (612, 792)
    assert plain.getpixel((130, 350)) == (255, 255, 255)
    assert boxed.getpixel((130, 350)) != (255, 255, 255)
    with pytest.raises(DocumentNotFound, match="pages are 1 to 2"):
        lasting.page_picture(record.digest, 2)


def test_a_picture_needs_the_file_as_it_was(archive, docs):
    """When the file is gone, or holds something else, the error says so; a copy elsewhere is found."""
    (docs / "copy.pdf").write_bytes((docs / "lease.pdf").read_bytes())
    archive.ingest([docs])
    (docs / "lease.pdf").write_bytes(b"%PDF-other")
    assert archive.page_picture("lease", 0)
    (docs / "copy.pdf").unlink()
    with pytest.raises(SourceChanged, match="other bytes"):
        archive.page_picture("lease", 0)
    (docs / "lease.pdf").unlink()
    with pytest.raises(SourceNotFound):
        archive.page_picture("lease", 0)


def test_one_process_at_a_time(archive, tmp_path):
    """A second opener is told who holds the index; after close it may."""
    with pytest.raises(ArchiveLocked, match="in use by this process"):
        Archive.open(tmp_path / "index")
    code = f"from paperlode.api.archive import Archive; Archive.open({str(tmp_path / 'index')!r})"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"in use by process {os.getpid()}" in other.stderr
    archive.close()
    Lock(Directory(tmp_path / "index")).release()


def test_an_archive_that_does_not_open_lets_go_of_its_lock(archive, tmp_path):
    """After a refused opening the folder is free."""
    archive.close()
    (tmp_path / "index" / "ledger.sqlite").write_bytes(b"garbage" * 999)
    for _ in range(2):
        with pytest.raises(ArchiveCorrupt):
            Archive.open(tmp_path / "index")


def test_no_index_is_told_with_the_command_that_makes_one(tmp_path):
    """A folder without an index, and one that does not exist."""
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(ArchiveNotFound, match="paperlode ingest"):
            Archive.open(folder)


def test_an_unknown_model_makes_no_folder(tmp_path):
    """The model is looked up before anything is written."""
    with pytest.raises(ModelUnknown, match="minilm"):
        Archive.create(tmp_path / "index", embedder="nonsense")
    assert not (tmp_path / "index").exists()


def test_another_model_is_refused_naming_both(archive, tmp_path):
    """An index answers only to the model it was made with."""
    archive.close()
    with pytest.raises(SchemaMismatch, match="'words', not 'minilm'"):
        Archive.open(tmp_path / "index", embedder="minilm")


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"version": 99}, SchemaMismatch, "version 99"),
        ({"format": "other"}, ArchiveCorrupt, "not what paperlode writes"),
        ({"colour": "red"}, ArchiveCorrupt, "unknown fields"),
        ({"schema": {"embedder": "words"}}, SchemaMismatch, "fields"),
        ({"schema": {"embedder": "words", "dimensions": 256, "version": 99, "lexical": 1}}, SchemaMismatch, "99"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(archive, tmp_path, change, error, match):
    """Another version or damaged manifest: a clear error, and never a guess."""
    archive.close()
    path = tmp_path / "index" / "archive.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(error, match=match):
        Archive.open(tmp_path / "index")


def test_a_lost_index_folder_is_made_again_without_parsing(archive, tmp_path, word_model, parser, docs):
    """When edge/ is deleted, as the message for a damaged one advises, the next run fills it from the pages kept."""
    archive.close()
    shutil.rmtree(tmp_path / "index" / "edge")
    with Archive.open(tmp_path / "index", embedder=word_model) as again:
        assert again.documents() == []
        report = again.ingest([docs], parser=parser)
        assert (len(report.ingested), report.pages_kept, parser.parsed) == (2, 3, 0)
        assert again.search("red button", limit=1)[0].page == 0


def test_a_damaged_index_says_what_to_do(archive, tmp_path):
    """A file of the engine overwritten: ArchiveCorrupt with a way out."""
    archive.close()
    (tmp_path / "index" / "edge" / "edge_config.json").write_text("{")
    with pytest.raises(ArchiveCorrupt, match="ingest again"):
        Archive.open(tmp_path / "index")


def test_an_index_that_lost_chunks_is_damaged(archive, tmp_path):
    """Fewer chunks than the ledger records are never searched in silence."""
    digest = archive.document("manual.pdf").digest
    archive.close()
    edge = EdgeIndex(tmp_path / "index" / "edge", Manifest.read(Directory(tmp_path / "index")).stored_schema(tmp_path))
    edge.discard(digest)
    edge.close()
    with pytest.raises(ArchiveCorrupt, match=r"holds \d+ chunks, \d+ are recorded.*ingest again"):
        Archive.open(tmp_path / "index")


@pytest.mark.parametrize("published", [True, False])
def test_a_version_published_but_not_recorded_is_recorded_at_the_next_opening(
    archive, tmp_path, parser, word_model, published
):
    """What the index holds after a kill between the two is what the books say: the new version, or else the old one."""
    record = archive.document("manual.pdf")
    path = record.paths[0]
    first = next(archive._index.chunks(record.digest))
    more = [replace(first, id=str(uuid.uuid4()), ordinal=n) for n in range(5)]
    source, recipe = open_source(path), replace(record.recipe, chunker="other")
    archive._ledger.begin(source, record.page_count, recipe)
    arrival = Arrival(source, recipe, stamp(path), pages=record.page_count, chunks=5)
    archive._ledger.arriving(arrival)
    archive._index.stage(more, word_model.embed(["x"] * 5), [sparse_document("x")] * 5)
    card = make_card(record.digest, record.name, "", "")
    archive._index.stage_card(card, sparse_document("x"), arrival.version)
    if published:
        archive._index.publish(record.digest)  # and then the lights went out
    archive.close()
    with Archive.open(tmp_path / "index", embedder=word_model) as again:
        now = again.document("manual.pdf")
        assert (now.status, now.chunks) == ("indexed", 5 if published else record.chunks)
        assert again.check() == []
        assert len(again.ingest([path], parser=parser).ingested) == published  # this recipe is not that of the run
        assert again.document("manual.pdf").chunks == record.chunks
        assert again.check() == []


def test_a_missing_ledger_is_corrupt(archive, tmp_path):
    """The index without its ledger is not silently taken for an empty one."""
    archive.close()
    (tmp_path / "index" / "ledger.sqlite").unlink()
    with pytest.raises(ArchiveCorrupt, match="ledger"):
        Archive.open(tmp_path / "index")


def test_a_kill_while_the_manifest_is_written_leaves_no_foreign_folder(tmp_path, word_model):
    """A half-written manifest beside the lock: the next run makes the index there."""
    root = tmp_path / "index"
    root.mkdir()
    (root / "lock").write_text("7")
    (root / "archive.new").write_text('{"schema": ')
    with Archive.open_or_create(root, embedder=word_model) as made:
        assert made.documents() == []
    assert not (root / "archive.new").exists()


def test_a_creation_that_was_cut_off_is_repeated(tmp_path, word_model):
    """A folder whose creation was not finished is no index, and is made anew."""
    with Archive.create(tmp_path / "index", embedder=word_model):
        pass
    path = tmp_path / "index" / "archive.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "ready": False}))
    with pytest.raises(ArchiveNotFound, match="never finished"):
        Archive.open(tmp_path / "index")
    with Archive.open_or_create(tmp_path / "index", embedder=word_model) as archive:
        assert archive.check() == []


def test_a_folder_with_other_files_is_left_alone(tmp_path, word_model):
    """An index is made in a new or empty folder only."""
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(ArchiveError, match="other files"):
        Archive.create(tmp_path, embedder=word_model)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.doc"]


def test_too_little_space_stops_the_run(archive, docs, pdf_writer):
    """The run stops with the reason; what was there stays searchable."""
    pdf_writer(docs / "new.pdf", [["Something new."]])
    report = archive.ingest([docs], options=IngestOptions(free_bytes=10**18))
    assert isinstance(report.stopped, StorageFull)
    assert len(archive.documents()) == 2


def test_changed_files_replace_their_old_version(archive, docs, parser, pdf_writer):
    """After a change only the new text is found."""
    pdf_writer(docs / "manual.pdf", [["Pull the blue lever to stop the pump."]])
    archive.ingest([docs], parser=parser)
    texts = " ".join(h.chunk.text for h in archive.search("stop the pump", limit=10))
    assert "blue lever" in texts
    assert "red button" not in texts
    assert archive.check() == []


def test_the_ledger_is_an_ordinary_database(archive, tmp_path):
    """It can be read with any SQLite tool while the archive is open."""
    with sqlite3.connect(tmp_path / "index" / "ledger.sqlite") as db:
        assert db.execute("select count(*) from documents where status = 'indexed'").fetchone() == (2,)
    db.close()


def test_tables_are_exported_as_data(tmp_path, docs, word_model):
    """One figure a line, in full, with paths, unit, page and box; other text gives none."""
    from paperlode.ingest.document import Block, Cell, Kind, PageBox, ParsedPage, Table

    class Tabled:
        fingerprint = "tabled-1"
        documents_at_once = 1

        def stands(self, read_by):
            return False

        def page_prints(self, source, stop):
            return ()

        def page_count(self, source):
            return 1

        def parse(self, source, pages):
            where = PageBox(0, Box(100, 100, 150, 112))
            cells = (Cell(0, 1, "2023"), Cell(1, 0, "Revenue"), Cell(1, 1, "1,234.5", region=where))
            table = Table(2, 2, cells, header_rows=1, caption="(in millions of euros)")
            for n in pages:
                block = Block(Kind.TABLE, table.to_text(), (PageBox(n, Box(72, 90, 500, 200)),), table=table)
                yield ParsedPage(n, 612, 792, "tabled-1", (block,))

        def close(self):
            pass

    with Archive.create(tmp_path / "index", embedder=word_model) as archive:
        archive.ingest([docs / "manual.pdf"], parser=Tabled())
        (line,) = archive.export("manual", "figures")
        figure = json.loads(line)
        assert (figure["value"], figure["row_path"], figure["column_path"]) == ("1234500000", ["Revenue"], ["2023"])
        assert (figure["unit"], figure["page"], figure["box"]) == ("EUR", 0, [100, 100, 150, 112])
        assert json.loads("".join(archive.export("manual", "docling")))["tables"][0]["data"]["num_rows"] == 2
