"""Every kind of bad input: a clear message, the rest goes on, and exit code 1 only where nothing could be done.

The real command line, parser, model and index; only the files are made here.
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from paperlode.api import cli
from paperlode.api.archive import Archive
from paperlode.ingest.parsing.local import LocalParser


def run(*args):
    """A command, in this process."""
    return CliRunner().invoke(cli.app, [str(a) for a in args])


def ingest(index, *args):
    """Exit code, report and messages of ``paperlode ingest --json``."""
    result = run("ingest", *args, "--index", index, "--workers", 1, "--json")
    assert "Traceback" not in result.output, result.output
    return result.exit_code, json.loads(result.stdout), " ".join(result.stderr.split())


def failures(report):
    """File name -> code of the files that failed."""
    return {os.path.basename(f["path"]): f["code"] for f in report["failed"]}  # noqa: PTH119


def pdf(path, *texts, **options):
    """A PDF with a line of text a page."""
    import pymupdf

    doc = pymupdf.open()
    for text in texts:
        doc.new_page(width=612, height=792).insert_text((72, 100), text)
    doc.save(path, **options)
    doc.close()
    return path


def raw_pdf(path, pages):
    """A PDF written by hand, with any number of pages, all of the same content; 0 is allowed."""
    stream = b"BT /F 12 Tf 72 700 Td (The same line on every page of a very long document.) Tj ET"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%s]>>" % (pages, b" ".join(b"%d 0 R" % (5 + n) for n in range(pages))),
        b"<</Length %d>>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        *[
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 3 0 R/Resources<</Font<</F 4 0 R>>>>>>"
            for _ in range(pages)
        ],
    ]
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % o for o in offsets)
    out += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start)
    path.write_bytes(out)
    return path


def test_ten_good_and_three_bad_files(tmp_path):
    """The 10 are searchable, the 3 are listed with their reasons, and the exit code is 0."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for n in range(10):
        pdf(docs / f"good{n}.pdf", f"Document number {n} tells about subject {n}.")
    (docs / "empty.pdf").touch()
    (docs / "letter.pdf").write_text("Dear Sir")
    (docs / "cut.pdf").write_bytes((docs / "good1.pdf").read_bytes()[:60])
    code, report, messages = ingest(tmp_path / "index", docs)
    assert code == 0
    assert len(report["ingested"]) == 10
    assert failures(report) == {
        "empty.pdf": "source_empty",
        "letter.pdf": "source_unsupported",
        "cut.pdf": report["failed"][0]["code"],
    }
    assert report["failed"][0]["code"] in {"source_corrupt", "source_empty"}
    for name in ("empty.pdf", "letter.pdf", "cut.pdf"):
        assert name in messages
    found = json.loads(run("search", "subject 7", "-n", 1, "--index", tmp_path / "index", "--json").stdout)
    assert found["hits"][0]["name"] == "good7.pdf"
    status = json.loads(run("status", "--index", tmp_path / "index", "--json").stdout)
    assert len(status["failures"]) == 3


def test_an_encrypted_pdf_needs_its_password(tmp_path):
    """Without, and with a wrong password: listed, with the option to use. With the right one: taken, and shown."""
    import pymupdf

    secret = pdf(
        tmp_path / "secret.pdf",
        "The code word is nightingale.",
        encryption=pymupdf.PDF_ENCRYPT_AES_256,
        user_pw="sesame",
        owner_pw="owner",
    )
    index = tmp_path / "index"
    code, report, messages = ingest(index, secret)
    assert (code, failures(report)) == (1, {"secret.pdf": "source_encrypted"})
    assert "--password" in messages
    code, report, messages = ingest(index, secret, "--password", "wrong")
    assert (code, failures(report)) == (1, {"secret.pdf": "source_encrypted"})
    code, report, _ = ingest(index, secret, "--password", "sesame")
    assert (code, len(report["ingested"])) == (0, 1)
    assert report["index"]["failures"] == 0
    assert "nightingale" in run("ask", "What is the code word?", "--index", index).stdout
    picture = tmp_path / "page.png"
    assert run("show", "secret", "-o", picture, "--index", index).exit_code == 1
    assert run("show", "secret", "-o", picture, "--index", index, "--password", "sesame").exit_code == 0


def test_damaged_files(tmp_path):
    """No pages, cut short, and nothing but a header: each fails with its reason; alone, the exit code is 1."""
    raw_pdf(tmp_path / "nopages.pdf", 0)
    (tmp_path / "header.pdf").write_bytes(b"%PDF-1.7\n")
    whole = pdf(tmp_path / "whole.pdf", *(f"Page {n}." for n in range(20)))
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 50)
    data = whole.read_bytes()
    whole.unlink()
    (tmp_path / "halved.pdf").write_bytes(data[: len(data) // 2])
    code, report, _ = ingest(tmp_path / "index", tmp_path)
    failed = failures(report)
    assert failed["nopages.pdf"] == "source_empty"
    assert failed["header.pdf"] in {"source_corrupt", "source_empty"}
    assert failed["cut.png"] == "source_corrupt"
    taken = {os.path.basename(d["path"]): d for d in report["ingested"]}  # noqa: PTH119
    # what half a file still holds depends on where its page tree stood: all of it is listed one way or the other
    assert ("halved.pdf" in failed) != ("halved.pdf" in taken)
    assert code == (0 if taken else 1)
    assert all(f["what"] and str(tmp_path) in f["what"] for f in report["failed"])


def test_a_wrong_extension_does_not_matter(tmp_path):
    """A PDF called .jpg in a folder, and one called .txt named by itself, are read as what they are."""
    pdf(tmp_path / "a.pdf", "The first file is about whales.").rename(tmp_path / "a.jpg")
    pdf(tmp_path / "b.pdf", "The second file is about herons.").rename(tmp_path / "b.txt")
    code, report, _ = ingest(tmp_path / "index", tmp_path, tmp_path / "b.txt")
    assert (code, len(report["ingested"]), report["failed"]) == (0, 2, [])


def test_a_folder_without_documents_and_a_missing_path(tmp_path):
    """Each is named; nothing could be done, so the code is 1."""
    (tmp_path / "empty").mkdir()
    code, report, messages = ingest(
        tmp_path / "index", tmp_path / "empty", tmp_path / "missing.pdf", tmp_path / "*.pdf"
    )
    assert code == 1
    assert {f["code"] for f in report["failed"]} == {"source_not_found"}
    assert len(report["failed"]) == 3
    assert "holds no documents" in messages


def test_files_that_cannot_be_read(tmp_path):
    """A dangling link and a named pipe are listed; the pipe does not hang the run."""
    (tmp_path / "link.pdf").symlink_to(tmp_path / "gone.pdf")
    os.mkfifo(tmp_path / "pipe.pdf")
    pdf(tmp_path / "good.pdf", "This one is fine.")
    code, report, _ = ingest(tmp_path / "index", tmp_path)
    assert (code, len(report["ingested"])) == (0, 1)
    assert failures(report) == {"link.pdf": "source_not_found", "pipe.pdf": "source_unsupported"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything; see tests/ingest/test_sources.py")
def test_a_file_without_permission(tmp_path):
    """It is listed with what to do."""
    pdf(tmp_path / "private.pdf", "Nobody reads this.").chmod(0)
    code, report, messages = ingest(tmp_path / "index", tmp_path)
    assert (code, failures(report)) == (1, {"private.pdf": "source_unreadable"})
    assert "permissions" in messages


def test_very_wide_pictures(tmp_path):
    """30,000 pixels wide: a narrow one is taken or fails as a page; one with too many pixels says how many it may have."""
    from PIL import Image

    Image.new("1", (30_000, 10_000), 1).save(tmp_path / "huge.png")
    Image.new("1", (30_000, 100), 1).save(tmp_path / "wide.png")
    code, report, messages = ingest(tmp_path / "index", tmp_path)
    through = len(report["ingested"]) + len(report["failed"])
    assert through == 2
    assert failures(report).get("huge.png") == "source_corrupt"
    assert "30000 by 10000 pixels" in messages
    assert code in {0, 1}
    assert "page_too_large" in {p["code"] for p in report["failed_pages"]}


def test_a_20000_page_pdf_streams_and_can_be_interrupted(tmp_path):
    """Pages are saved from the start; Ctrl-C ends the run at once with code 130, and a second run repeats none."""
    long = raw_pdf(tmp_path / "long.pdf", 20_000)
    index = tmp_path / "index"
    kept = interrupted(index, long, until=50)
    with sqlite3.connect(index / "ledger.sqlite") as db:
        before = dict(db.execute("select page, rowid from pages"))
        assert db.execute("select page_count, status from documents").fetchall() == [(20_000, "pending")]
    db.close()
    assert len(before) >= kept
    assert run("status", "--index", index).exit_code == 0
    interrupted(index, long, until=len(before) + 50)
    with sqlite3.connect(index / "ledger.sqlite") as db:
        after = dict(db.execute("select page, rowid from pages"))
    db.close()
    assert {p: after[p] for p in before} == before
    assert len(after) > len(before)


def interrupted(index, path, *, until):
    """Ingests in another process, sends it Ctrl-C once that many pages are saved, and tells how many they were."""
    command = [sys.executable, "-m", "paperlode", "ingest", path, "--index", index, "--workers", "1"]
    process = subprocess.Popen([str(c) for c in command], stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        saved, deadline = 0, time.monotonic() + 90
        while saved < until and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
            saved = count_pages(index)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
        sent = time.monotonic()
        messages = process.communicate(timeout=40)[1]
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 130, messages
    assert "Interrupted" in messages
    assert "Traceback" not in messages
    assert time.monotonic() - sent < 20
    assert saved >= until
    return saved


def count_pages(index):
    try:
        with sqlite3.connect(f"file:{index}/ledger.sqlite?mode=ro", uri=True) as db:
            (count,) = db.execute("select count(*) from pages").fetchone()
    except sqlite3.Error:
        return 0
    db.close()
    return count


def test_too_little_disk_space(tmp_path):
    """Before a document is begun the free space is checked; both numbers are told; a later run goes on."""
    path = pdf(tmp_path / "a.pdf", "Something to keep.")
    code, report, messages = ingest(tmp_path / "index", path, "--min-free", 10**9)
    assert code == 1
    assert report["stopped"]["code"] == "storage_full"
    assert "1,000,000,000 MB are wanted" in messages
    assert ingest(tmp_path / "index", path)[0] == 0


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", folder], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("no permission to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_is_full(tmp_path, small_disk):
    """On a disk that fills up the run ends with a message, what was done is searchable, and a later run goes on."""
    index = small_disk / "index"
    first = pdf(tmp_path / "first.pdf", "The first document is about whales.")
    second = pdf(tmp_path / "second.pdf", "The second document is about herons.")
    assert ingest(index, first, "--min-free", 0)[0] == 0
    free = shutil.disk_usage(small_disk).free
    filler = small_disk / "filler"
    filler.write_bytes(b"\0" * (free - 40_000))
    result = run("ingest", second, "--index", index, "--workers", 1, "--min-free", 0)
    assert result.exit_code == 1
    assert "Free some space" in " ".join(result.stderr.split())
    filler.unlink()
    assert "whales" in run("search", "whales", "--index", index).stdout
    assert ingest(index, second, "--min-free", 0)[0] == 0
    assert "herons" in run("search", "herons", "--index", index).stdout


def test_a_second_process_is_told_who_has_the_index(tmp_path):
    """Ingest and search both refuse, naming the process; after it ends they work."""
    index = tmp_path / "index"
    path = pdf(tmp_path / "a.pdf", "One process at a time.")
    assert ingest(index, path)[0] == 0
    code = f"from paperlode.api.archive import Archive; a = Archive.open({str(index)!r}); print('open', flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "open\n"
    for command in (["search", "process"], ["ingest", path]):
        result = run(*command, "--index", index)
        assert result.exit_code == 1
        assert f"in use by process {holder.pid}" in " ".join(result.stderr.split())
    holder.communicate("\n")
    assert run("search", "process", "--index", index).exit_code == 0


@pytest.mark.parametrize("way", ["file", "standard input"])
def test_a_script_without_a_main_guard(tmp_path, way):
    """Five lines in a script, or piped into Python, ingest and search: the workers do not run them again."""
    path = pdf(tmp_path / "a.pdf", "The heron stands in the water.")
    script = f"""
from paperlode.api.archive import Archive
with Archive.create({str(tmp_path / "index")!r}) as archive:
    archive.ingest([{str(path)!r}])
    print(archive.search("heron")[0].chunk.text)
"""
    file = tmp_path / "mine.py"
    file.write_text(script)
    command = [sys.executable, str(file)] if way == "file" else [sys.executable, "-"]
    done = subprocess.run(command, input=script, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "The heron stands in the water.", done.stderr


def test_a_corrupt_index(tmp_path):
    """A damaged manifest, ledger or vector store: code 1 and the way out. Without edge/ nothing is parsed again."""
    index = tmp_path / "index"
    path = pdf(tmp_path / "a.pdf", "The heron stands in the water.")
    assert ingest(index, path)[0] == 0
    for name in ("archive.json", "ledger.sqlite", "edge/edge_config.json"):
        saved = (index / name).read_bytes()
        for log in index.glob("ledger.sqlite-*"):
            log.unlink()
        (index / name).write_bytes(b"\x00garbage" * 600)
        for command in (["search", "heron"], ["ingest", path]):
            result = run(*command, "--index", index)
            assert result.exit_code == 1, name
            assert "ingest again" in " ".join(result.stderr.split()), name
            assert "Traceback" not in result.output
        (index / name).write_bytes(saved)
    shutil.rmtree(index / "edge")
    code, report, _ = ingest(index, path)
    assert (code, report["pages_parsed"], report["pages_kept"]) == (0, 0, 1)
    assert "heron" in run("search", "heron", "--index", index).stdout


def test_an_unknown_model(tmp_path):
    """The known ones are named, and no folder is made."""
    path = pdf(tmp_path / "a.pdf", "Text.")
    result = run("ingest", path, "--index", tmp_path / "index", "--model", "gpt-9")
    assert result.exit_code == 1
    assert "minilm" in result.stderr
    assert not (tmp_path / "index").exists()
    assert ingest(tmp_path / "index", path)[0] == 0
    result = run("ingest", path, "--index", tmp_path / "index", "--model", "st:other")
    assert "'minilm', not 'st:other'" in " ".join(result.stderr.split())


def test_a_file_that_changes_while_it_is_read(tmp_path):
    """It is listed as changed and nothing of it is searchable; the next run takes it."""

    class Meddler(LocalParser):
        def parse(self, source, pages):
            for page in super().parse(source, pages):
                if source.name == "moving.pdf":
                    with open(source.uri, "ab") as file:  # noqa: PTH123
                        file.write(b"%more\n")
                yield page

    docs = tmp_path / "docs"
    docs.mkdir()
    pdf(docs / "moving.pdf", "One.", "Two.", "Three.")
    pdf(docs / "still.pdf", "The still file.")
    with Archive.create(tmp_path / "index") as archive:
        report = archive.ingest([docs], parser=Meddler(workers=1))
        assert [f.code for f in report.failed] == ["source_changed"]
        assert [d.name for d in archive.documents()] == ["still.pdf"]
        assert not archive.ingest([docs], parser=LocalParser(workers=1)).failed
        assert len(archive.documents()) == 2
        assert archive.check() == []
