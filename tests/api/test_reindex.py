"""An archive embedded anew: what is kept, what is swapped when, and what a run that was broken off leaves."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from paperlode.api import cli
from paperlode.api.archive import Archive
from paperlode.api.directory import Manifest
from paperlode.ingest.document import PageFailure, ParsedPage
from paperlode.ingest.errors import ArchiveCorrupt, ArchiveError, ModelUnknown, SchemaMismatch, ServerUnreachable
from paperlode.ingest.ledger_reindex import ReindexBooks
from paperlode.retrieval.embedding import ModelOptions

from ..retrieval.standin import ModelServer  # noqa: TID252
from .conftest import DirectParser, WordModel


class OtherModel(WordModel):
    """The same idea in fewer dimensions; it counts what it embeds, and can be told to give up."""

    name = "other"
    dimensions = 64

    def __init__(self, *, reads=128, gives_up_after=None):
        self.max_tokens = reads
        self.texts = []
        self.gives_up_after = gives_up_after

    def embed(self, texts):
        if self.gives_up_after is not None and len(self.texts) >= self.gives_up_after:
            raise KeyboardInterrupt
        self.texts += texts
        return super().embed(texts)


def stored(archive):
    """Every chunk of the archive but for its length, which is the model's."""
    return {c.id: replace(c, tokens=0) for d in archive.documents() for c in archive._index.chunks(d.digest)}


def shards(archive):
    return [p.name for p in archive.directory.shards()]


def test_everything_is_there_as_before_with_the_new_model(archive):
    """The same chunks with the same ids, found by the new vectors, and nothing parsed; the old shard is gone."""
    before = stored(archive)
    model = OtherModel()
    report = archive.reindex(model)
    assert (report.documents, report.chunks, report.cut_anew, report.kept) == (2, len(before), [], 0)
    assert (report.before, report.embedder, report.needed) == ("words", "other", True)
    assert stored(archive) == before
    assert archive.check() == []
    assert (archive.status().embedder, archive.status().dimensions) == ("other", 64)
    assert "red button" in archive.search("red button to stop the pump", limit=1)[0].chunk.text
    assert shards(archive) == ["edge-2"]
    chunks = [c for d in archive.documents() for c in archive._index.chunks(d.digest)]
    assert all(c.tokens == model.count(c.embedded_text) for c in chunks)


def test_it_opens_again_and_goes_on_with_the_new_model(archive, docs, parser, pdf_writer, tmp_path):
    """What is ingested already is skipped; a new document gets the new model's vectors; the old model is refused."""
    archive.reindex(OtherModel())
    archive.close()
    model = OtherModel()
    pdf_writer(docs / "new.pdf", [["The heron stands in the water."]])
    with Archive.open(tmp_path / "index", embedder=model) as again:
        assert again.check() == []
        report = again.ingest([docs], parser=parser)
        assert (len(report.skipped), len(report.ingested), parser.parsed) == (2, 1, 1)
        assert any("heron" in t for t in model.texts)
        assert again.search("heron in the water", limit=1)[0].document == again.document("new").digest
        assert again.reindex(WordModel()).documents == 3
        assert shards(again) == ["edge-3"]
    with pytest.raises(SchemaMismatch, match="paperlode reindex --embedding other"):
        Archive.open(tmp_path / "index", embedder="other")


def test_what_is_too_long_for_the_new_model_is_cut_anew_from_the_kept_pages(archive, docs, parser):
    """Without parsing; the others keep their chunks; the books say what cut them, so that ingest skips them."""
    before = stored(archive)
    model = OtherModel(reads=20)
    report = archive.reindex(model)
    assert report.cut_anew == ["lease.pdf"]
    assert all(model.count(t) <= 20 for t in model.texts)
    lease, manual = archive.document("lease"), archive.document("manual")
    after = stored(archive)
    assert lease.chunks > sum(c.document == lease.digest for c in before.values())
    assert {i for i, c in after.items() if c.document == manual.digest} == {
        i for i, c in before.items() if c.document == manual.digest
    }
    words = " ".join(c.text for c in sorted(after.values(), key=lambda c: c.ordinal) if c.document == lease.digest)
    assert "ninety days of notice" in words
    assert archive.check() == []
    assert all(c.read_by == ("direct-1",) for c in after.values())
    assert len(archive.ingest([docs], parser=parser).skipped) == 2
    assert parser.parsed == 0


def test_where_the_kept_pages_are_gone_it_says_so(archive):
    """The archive stays as it was."""
    record = archive.document("lease")
    archive._ledger.forget_pages(record.digest, record.recipe.parser)
    with pytest.raises(ArchiveError, match="0 of its 2 pages"):
        archive.reindex(OtherModel(reads=20))
    assert archive.status().embedder == "words"
    assert archive.search("rent")


def test_a_document_with_failed_pages_comes_along(tmp_path, docs):
    """Cut anew or not; its failed pages stay recorded."""

    class Failing(DirectParser):
        def parse(self, source, pages):
            for page in super().parse(source, pages):
                bad = page.page == 1
                failure = PageFailure("page_crashed", "It crashed.")
                yield ParsedPage(page.page, page.width, page.height, "direct-1", (), failure=failure) if bad else page

    for reads in (128, 16):
        with Archive.create(tmp_path / f"index-{reads}", embedder=WordModel()) as archive:
            archive.ingest([docs], parser=Failing())
            archive.reindex(OtherModel(reads=reads))
            assert archive.check() == []
            assert [p.page for p in archive.failed_pages("lease")] == [1]
            assert archive.search("monthly rent")[0].document == archive.document("lease").digest


def test_the_old_vectors_are_searched_until_the_swap(archive):
    """At every step the archive answers, and its manifest names the old shard."""
    seen = []

    def look(progress):
        hits = archive.search("red button to stop the pump", limit=1)
        seen.append((hits[0].chunk.text, Manifest.read(archive.directory).shard, progress))

    archive.reindex(OtherModel(), on_progress=look)
    assert {(("red button" in text), shard) for text, shard, _ in seen} == {(True, "edge")}
    first, last = seen[0][2], seen[-1][2]
    assert (first.documents_done, first.documents_total, first.chunks_done) == (0, 2, 0)
    assert (last.documents_done, last.chunks_done) == (2, last.chunks_total)


def test_an_interrupted_run_goes_on_where_it_was(archive, tmp_path):
    """The archive is as it was, also after opening again; documents that were through are not embedded again."""
    whole = OtherModel()
    texts = len(stored(archive))
    with pytest.raises(KeyboardInterrupt):
        archive.reindex(OtherModel(gives_up_after=1))
    assert archive.search("red button")
    assert (archive.status().embedder, archive.check()) == ("words", [])
    archive.close()
    with Archive.open(tmp_path / "index", embedder=WordModel()) as again:
        assert shards(again) == ["edge", "edge-2"]
        report = again.reindex(whole)
        assert (report.kept, report.documents, report.chunks) == (1, 2, texts)
        assert 0 < len(whole.texts) < texts
        assert again.check() == []
        assert shards(again) == ["edge-2"]
        assert again._ledger.reindex.under_way() is None


def test_what_changed_between_the_two_runs_is_noticed(archive, docs, parser, pdf_writer):
    """A document deleted since is not in the new index, one made anew since is embedded again."""
    with pytest.raises(KeyboardInterrupt):
        archive.reindex(OtherModel(gives_up_after=1))
    archive.delete("lease")  # the first by name, which was through
    report = archive.reindex(OtherModel())
    assert (report.documents, report.kept) == (1, 0)
    assert archive.check() == []
    archive.ingest([docs], parser=parser)
    with pytest.raises(KeyboardInterrupt):
        archive.reindex(WordModelThatStops())
    parser.fingerprint = "direct-2"
    archive.ingest([docs], parser=parser)
    report = archive.reindex(WordModel())
    assert (report.documents, report.kept) == (2, 0)
    assert archive.check() == []


class WordModelThatStops(WordModel):
    def __init__(self):
        self.calls = 0

    def embed(self, texts):
        self.calls += 1
        if self.calls > 1:
            raise KeyboardInterrupt
        return super().embed(texts)


def test_what_was_begun_is_dropped_for_another_model_or_the_present_one(archive):
    """A half-made shard is of use to its own model alone; naming the archive's own model drops it."""
    with pytest.raises(KeyboardInterrupt):
        archive.reindex(OtherModel(gives_up_after=1))
    third = OtherModel()
    third.name = "third"
    assert archive.reindex(third).kept == 0
    assert shards(archive) == ["edge-2"]
    with pytest.raises(KeyboardInterrupt):
        archive.reindex(OtherModel(gives_up_after=1))
    assert len(shards(archive)) == 2
    report = archive.reindex(third)
    assert not report.needed
    assert shards(archive) == ["edge-2"]
    assert archive.search("rent")


def test_a_half_made_shard_that_is_damaged_is_made_anew(archive):
    """It is no loss: nothing in it counts yet."""
    with pytest.raises(KeyboardInterrupt):
        archive.reindex(OtherModel(gives_up_after=1))
    (archive.directory.shard("edge-2") / "edge_config.json").write_text("{")
    assert archive.reindex(OtherModel()).kept == 0
    assert archive.check() == []


KILLED = """
import importlib.util, os, sys
from paperlode.api.archive import Archive
spec = importlib.util.spec_from_file_location("made", sys.argv[1])
made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)
class Dying(made.WordModel):
    name, dimensions, calls = "other", 64, 0
    def embed(self, texts):
        self.calls += 1
        if self.calls == int(sys.argv[3]):
            os._exit(9)
        return super().embed(texts)
Archive.open(sys.argv[2], embedder=made.WordModel()).reindex(Dying())
"""


@pytest.mark.parametrize("call", [1, 2])
def test_a_killed_run_costs_nothing(archive, tmp_path, call):
    """Before the first document is through, and after it: the archive opens as it was, and the next run completes."""
    archive.close()
    conftest = Path(__file__).with_name("conftest.py")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(conftest), str(tmp_path / "index"), str(call)],
        check=False,
        capture_output=True,
    )
    assert done.returncode == 9, done.stderr.decode()
    with Archive.open(tmp_path / "index", embedder=WordModel()) as again:
        assert again.check() == []
        assert again.search("red button")
        assert len(shards(again)) == call  # what no document was through of is cleared away
        assert again.reindex(OtherModel()).kept == call - 1
        assert again.check() == []
    with Archive.open(tmp_path / "index", embedder=OtherModel()) as again:
        assert again.search("red button")


@pytest.mark.parametrize("reads", [128, 20])
def test_a_death_between_manifest_and_ledger_is_mended_at_the_next_opening(archive, docs, parser, monkeypatch, reads):
    """The manifest decides: the new shard counts, the ledger follows, the old shard is cleared away."""

    class Died(BaseException):
        pass

    def die(*_):
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(ReindexBooks, "take_over", die)
        with pytest.raises(Died):
            archive.reindex(OtherModel(reads=reads))
    archive.close()
    assert Manifest.read(archive.directory).shard == "edge-2"
    with Archive.open(archive.directory.root, embedder=OtherModel(reads=reads)) as again:
        assert again.check() == []
        assert shards(again) == ["edge-2"]
        assert len(again.ingest([docs], parser=parser).skipped) == 2
        assert again.search("red button")


def test_a_model_that_cannot_be_had_costs_nothing(archive):
    """Neither an unknown name nor a server that is away leaves anything."""
    archive._models = ModelOptions(attempts=1)
    before = sorted(p.name for p in archive.directory.root.iterdir())
    with pytest.raises(ModelUnknown):
        archive.reindex("no-such-model")
    with pytest.raises(ServerUnreachable):
        archive.reindex("openai:m@http://127.0.0.1:9")
    assert sorted(p.name for p in archive.directory.root.iterdir()) == before
    assert archive.search("rent")


def test_a_manifest_never_names_a_folder_elsewhere(archive, tmp_path):
    """A shard is a folder beside the manifest, of our naming."""
    archive.close()
    path = tmp_path / "index" / "archive.json"
    data = json.loads(path.read_text())
    for wrong in ("../docs", "/etc", "edge-x", "", None):
        path.write_text(json.dumps(data | {"shard": wrong}))
        with pytest.raises(ArchiveCorrupt):
            Archive.open(tmp_path / "index", embedder=WordModel())
    path.write_text(json.dumps({k: v for k, v in data.items() if k != "shard"}))
    with Archive.open(tmp_path / "index", embedder=WordModel()) as again:  # as written before there was a choice
        assert again.search("rent")


def test_the_command_says_what_was_done(tmp_path, docs):
    """From the embedded model to a served one, whose key stays out of the folder; searches then ask the server."""
    index = tmp_path / "made"

    def run(*args, **env):
        return CliRunner(env=env).invoke(cli.app, [*map(str, args), "--index", str(index)])

    assert run("ingest", docs, "--workers", 1).exit_code == 0
    with ModelServer(key="sesame") as server:
        name = f"openai:tiny@{server.url}"
        env = {"PAPERLODE_EMBEDDING_KEY": "sesame"}
        result = run("reindex", "--embedding", name, "--json", **env)
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout)
        assert (report["documents"], report["embedder"], report["before"]) == (2, name, "minilm")
        again = run("reindex", "--embedding", name, **env)
        assert "already" in again.stderr
        found = run("search", "red button", "--json", **env)
        assert json.loads(found.stdout)["hits"][0]["name"] == "manual.pdf"
        skipped = run("ingest", docs, "--json", "--workers", 1, **env)
        assert len(json.loads(skipped.stdout)["skipped"]) == 2
        assert run("search", "red button").exit_code == 1
        moved = {"PAPERLODE_EMBEDDING_KEY": "sesame", "PAPERLODE_EMBEDDING_URL": server.url}
        data = json.loads((index / "archive.json").read_text())
        data["schema"]["embedder"] = "openai:tiny@http://127.0.0.1:9"
        (index / "archive.json").write_text(json.dumps(data))
        assert run("search", "red button", **moved).exit_code == 0
    assert not any(b"sesame" in p.read_bytes() for p in index.rglob("*") if p.is_file())
    assert run("reindex", "--embedding", "gpt-9").exit_code == 1


def test_searches_are_reranked_where_that_is_asked_for(tmp_path, docs):
    """By option or setting; a server that is away is told on standard error, and the search's own order comes."""
    index = tmp_path / "made"

    def run(*args, **env):
        return CliRunner(env=env).invoke(cli.app, [*map(str, args), "--index", str(index)])

    assert run("ingest", docs, "--workers", 1).exit_code == 0
    plain = json.loads(run("search", "pets", "--json").stdout)["hits"]
    with ModelServer() as server:
        name = f"vllm:tiny@{server.url}"
        result = run("search", "pets", "--json", "--rerank", name)
        assert result.exit_code == 0, result.output
        hits = json.loads(result.stdout)["hits"]
        assert hits[0]["score"] == 1.0
        assert {h["id"] for h in hits} == {h["id"] for h in plain}
        assert "/v1/score" in server.paths()
        asked = len(server.asked)
        assert run("ask", "Are pets allowed?", PAPERLODE_RERANK=name).exit_code == 0
        assert len(server.asked) > asked
        gone = server.url
    result = run("search", "pets", "--json", "--rerank", f"vllm:tiny@{gone}")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["hits"] == plain
    assert "search's own order" in " ".join(result.stderr.split())
    assert run("search", "pets", "--rerank", "nonsense").exit_code == 1
