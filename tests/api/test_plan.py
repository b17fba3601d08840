"""``paperlode plan``: from files to figures."""

import json

import pytest
from typer.testing import CliRunner

from paperlode.api import cli, plan_command
from paperlode.api.plan_view import bytes_text, time_text
from paperlode.api.planning import PlanOptions, make_plan
from paperlode.ingest.errors import InvalidRequest
from paperlode.ingest.plan_servers import PAGES_PER_SECOND


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A folder with two leases of 3 pages and a broken file, and the plan of it by the command line."""
    import pymupdf

    folder = tmp_path_factory.mktemp("plan")
    for name in ("one", "two"):
        doc = pymupdf.open()
        for n in range(3):
            page = doc.new_page()
            for k in range(10):
                page.insert_text(
                    (72, 100 + 20 * k), f"The tenant of {name} shall pay rent number {10 * n + k} in advance."
                )
        doc.save(folder / f"{name}.pdf")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    result = invoke("plan", folder, "--index", folder / "index", "--seconds", 10, "--workers", 1, "--json")
    assert result.exit_code == 0, result.output
    return folder, json.loads(result.stdout)


def invoke(*args):
    return CliRunner().invoke(cli.app, [str(a) for a in args])


def test_a_plan_counts_what_there_is(planned):
    """Two documents, six digital pages, one file that does not open; chunks, seconds and bytes are more than none."""
    _, plan = planned
    assert plan["documents"]["value"] == 2
    assert plan["unreadable_files"]["value"] == 1
    assert plan["pages"] == {"value": 6, "low": 6, "high": 6}
    assert plan["kinds"]["plain"]["measured"] == 6
    for name in ("chunks", "cpu_seconds", "wall_seconds", "ledger_bytes", "index_bytes", "index_memory"):
        assert plan[name]["low"] <= plan[name]["value"] <= plan[name]["high"], name
        assert plan[name]["value"] > 0, name
    assert plan["server"]["gpu_hours"]["value"] == pytest.approx(6 / PAGES_PER_SECOND / 0.978 / 3600)


def test_a_plan_leaves_no_index(planned):
    """The folder of the index is not made."""
    assert not (planned[0] / "index").exists()


def test_what_is_ingested_already_does_not_count(planned, archive_of):
    """After one of the leases was ingested, the other one is left; after both, there is nothing to plan."""
    folder, before = planned
    index = archive_of(folder / "one.pdf")
    result = invoke(
        "plan", folder / "one.pdf", folder / "two.pdf", "--index", index, "--seconds", 10, "--workers", 1, "--json"
    )
    assert result.exit_code == 0, result.output
    plan = json.loads(result.stdout)
    assert plan["pages"]["value"] == 3 < before["pages"]["value"]
    assert any("1 files are in the index already" in n for n in plan["notes"])
    done = invoke("plan", folder / "one.pdf", "--index", index, "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"]["code"] == "invalid_request"


@pytest.fixture
def archive_of(tmp_path):
    """Ingests a file, made long enough ago to be known by its stamp, and gives the index folder."""
    import os

    from paperlode.api.archive import Archive

    def made(path):
        os.utime(path, (1_600_000_000, 1_600_000_000))
        with Archive.create(tmp_path / "index") as archive:
            archive.ingest([path])
        return tmp_path / "index"

    return made


def test_nothing_to_plan_is_an_error_that_says_why(tmp_path, word_model):
    """An empty folder, and a file that is not there."""
    with pytest.raises(InvalidRequest, match="holds no documents"):
        make_plan([tmp_path], lambda: word_model)
    with pytest.raises(InvalidRequest, match="There is no file"):
        make_plan([tmp_path / "nothing.pdf"], lambda: word_model)


def test_files_that_do_not_open_make_a_plan_of_none(tmp_path, word_model):
    """Only broken files: no page, no chunk, and no crash."""
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    plan = make_plan([tmp_path], lambda: word_model, options=PlanOptions(seconds=5, workers=1))
    assert plan.pages.value == 0
    assert plan.unreadable_files.value == 1


def test_a_plan_for_people_names_what_it_rests_on(planned):
    """Pages by kind, the bottleneck, and each assumption about GPUs are printed; control characters of names are not."""
    text = invoke(
        "plan", planned[0], "--index", planned[0] / "index", "--seconds", 5, "--workers", 1, "--gpus", 4
    ).output
    for part in ("Pages", "digital, plain prose", "Bottleneck", "4 GPUs", "Assumed:", "not measured here", "Rests on"):
        assert part in text, part


def test_the_rate_in_the_help_is_the_one_that_is_used():
    """The default of --pages-per-second."""
    assert plan_command.RATE == PAGES_PER_SECOND


@pytest.mark.parametrize(
    ("seconds", "text"), [(5.25, "5.2 s"), (600, "10 min"), (7200, "2.0 h"), (864_000, "10 days"), (89, "89 s")]
)
def test_times_are_told_in_their_unit(seconds, text):
    """Seconds, minutes, hours, days."""
    assert time_text(seconds) == text


def test_bytes_are_told_in_their_unit():
    """From kB to TB."""
    assert [bytes_text(n) for n in (1500, 2e7, 3.4e9, 12e12)] == ["1.5 kB", "20 MB", "3.4 GB", "12 TB"]
