"""The engine ray from end to end: an archive ingested by a Ray on this machine is the archive ingested without."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from paperlode.api.archive import Archive, IngestOptions
from paperlode.api.cli import app
from paperlode.api.ray_engine import engine_of
from paperlode.ingest.errors import ClusterUnavailable, InvalidRequest, MissingExtra

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(ROOT), *(str(ROOT / r) for r in ("ingest", "retrieval", "api"))]),
}
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Ray is not installed: NOTHING of the engine ray is tested. Run: pip install 'paperlode[ray]'",
)


def stored(archive: Archive) -> dict[str, object]:
    """Every stored point by its id: payload and vectors."""
    points = archive._index.points()  # type: ignore[attr-defined]
    return {p.id: (dict(p.payload), {k: str(v) for k, v in p.vectors.items()}) for p in points}


def run(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    """A command, with vectors made by a worker too."""
    command = [sys.executable, "-W", "ignore", "-m", "paperlode", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, "PAPERLODE_RAY_EMBEDDERS": "1"},
        check=False,
        timeout=240,
        **options,
    )


@needs_ray
@pytest.mark.slow
def test_the_index_is_that_of_a_run_without_ray(tmp_path, docs):
    """Documents, chunks, ids, vectors and failures; the vectors are made by workers too. A local run finds all done."""
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    found = run("ingest", docs, "--index", tmp_path / "ray", "--engine", "ray", "--workers", 1, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    with Archive.create(tmp_path / "local") as local:
        report = local.ingest([docs], options=IngestOptions(workers=1))
        with Archive.open(tmp_path / "ray") as ray:
            assert stored(ray) == stored(local)
            assert ray.status().failures[0].code == local.status().failures[0].code
            again = ray.ingest([docs], options=IngestOptions(workers=1))
            assert (len(again.ingested), len(again.skipped)) == (0, len(report.ingested))


SCRIPT = """
import sys
from functools import partial
from pathlib import Path
from paperlode.api.archive import Archive
from paperlode.ingest.ray import RayOptions, RayParser
from paperlode.ingest.ray_cluster import Cluster
from tests.ingest.ray.parsers import SlowParser
index, docs, notes, engine = sys.argv[1:]
make = partial(SlowParser, 0.03, Path(notes))
with Archive.open_or_create(index) as archive:
    tell = lambda p: print(p.pages_done, flush=True)
    if engine == "ray":
        with Cluster.joined(cpus=2) as cluster:
            report = archive.ingest([docs], parser=RayParser(cluster, make(), make, RayOptions(workers=2)), on_progress=tell)
    else:
        report = archive.ingest([docs], parser=make(), on_progress=tell)
    print("kept", report.pages_kept, flush=True)
"""


@needs_ray
@pytest.mark.slow
def test_a_run_whose_driver_was_killed_with_9_goes_on(tmp_path):
    """The same command takes up the pages that were kept, and the index is the same; nothing of the first Ray is left."""
    from tests.ingest.ray.parsers import write_pdf

    docs, notes, script = tmp_path / "docs", tmp_path / "notes", tmp_path / "run.py"
    docs.mkdir()
    notes.mkdir()
    script.write_text(SCRIPT)
    for n in range(3):
        write_pdf(docs / f"{n}.pdf", 90)
    command = [sys.executable, "-W", "ignore", str(script)]

    def arguments(index, engine):
        return [*command, str(tmp_path / index), str(docs), str(notes), engine]

    with subprocess.Popen(arguments("ray", "ray"), stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as first:
        for line in first.stdout:
            if line.strip().isdigit() and int(line) >= 100:
                break
        first.kill()
    before = sum(len(p.read_text().splitlines()) for p in notes.iterdir())
    assert before < 270
    second = subprocess.run(arguments("ray", "ray"), capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert second.returncode == 0, second.stderr
    kept = int(second.stdout.split("kept")[1])
    assert kept > 0
    alone = subprocess.run(arguments("local", "local"), capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert alone.returncode == 0, alone.stderr
    with Archive.open(tmp_path / "ray") as ray, Archive.open(tmp_path / "local") as local:
        assert stored(ray) == stored(local)
        assert ray.status().counts == local.status().counts


@needs_ray
@pytest.mark.slow
@pytest.mark.parametrize("processes", [5, 9])
def test_ctrl_c_ends_the_run_and_the_ray_that_was_started_for_it(tmp_path, processes):
    """With the exit code and the message of a run without Ray; no process is left. Also while that Ray starts."""
    from tests.ingest.ray.parsers import write_pdf

    docs = tmp_path / "docs"
    docs.mkdir()
    for n in range(40):
        write_pdf(docs / f"{n}.pdf", 50)
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "paperlode",
        "ingest",
        str(docs),
        "--index",
        str(tmp_path / "index"),
    ]
    with subprocess.Popen(
        [*command, "--engine", "ray", "--workers", "1"],
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        start_new_session=True,
    ) as process:
        pages = tmp_path / "index"
        until = time.monotonic() + 120
        while not any(pages.rglob("*.sqlite*")) or len(_descendants(process.pid)) < processes:
            assert time.monotonic() < until
            time.sleep(0.2)
        inside = _descendants(process.pid)
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted" in said
    until = time.monotonic() + 20
    while left := [p for p in inside if p.is_running() and p.status() != "zombie"]:
        assert time.monotonic() < until, left
        time.sleep(0.2)


def _descendants(pid: int):
    import psutil

    return psutil.Process(pid).children(recursive=True)


@needs_ray
def test_the_embedding_workers_make_the_model_s_own_vectors():
    """In as many calls as there are workers twice; a text that is too long is the same error."""
    from paperlode.api.ray_embedder import RayEmbedder
    from paperlode.ingest.ray_cluster import Cluster
    from paperlode.retrieval.embedding import load_embedder

    alone = load_embedder("minilm")
    texts = [f"The notice period of party {n} is {n} days." for n in range(37)]
    before, os.environ["PYTHONPATH"] = os.environ.get("PYTHONPATH", ""), ENVIRONMENT["PYTHONPATH"]
    try:
        with Cluster.joined(cpus=2) as cluster:
            model = RayEmbedder(cluster, alone, workers=2)
            try:
                assert np.array_equal(model.embed(texts), alone.embed(texts))
                assert model.embed([]).shape == (0, 384)
                assert model.count(texts[0]) == alone.count(texts[0])
                os.kill(model.pool.ready[0].pid, signal.SIGKILL)
                assert np.array_equal(model.embed(texts), alone.embed(texts))
                with pytest.raises(InvalidRequest, match="longer than"):
                    model.embed(["word " * 400])
            finally:
                model.close()
    finally:
        os.environ["PYTHONPATH"] = before


def test_without_the_extra_the_pip_command_is_named(monkeypatch, tmp_path, docs):
    """Before anything is read."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(MissingExtra, match=r"pip install 'paperlode\[ray\]'"),
        Archive.create(tmp_path / "i") as archive,
    ):
        archive.ingest([docs], options=IngestOptions(engine="ray"))
    found = CliRunner().invoke(app, ["ingest", str(docs), "--index", str(tmp_path / "i"), "--engine", "ray"])
    assert found.exit_code == 1
    assert "paperlode[ray]" in found.output.replace("\n", "")


def test_an_engine_or_address_that_makes_no_sense_is_said():
    """With what is known."""
    with pytest.raises(InvalidRequest, match="local, ray"):
        engine_of(IngestOptions(engine="spark"))
    with pytest.raises(InvalidRequest, match="--engine ray"):
        engine_of(IngestOptions(address="auto"))


@needs_ray
def test_a_cluster_that_is_not_there_is_said_at_once(tmp_path, docs):
    """With how to start one."""
    with Archive.create(tmp_path / "i") as archive, pytest.raises(ClusterUnavailable, match="ray start --head"):
        archive.ingest([docs], options=IngestOptions(engine="ray", address="127.0.0.1:1"))
