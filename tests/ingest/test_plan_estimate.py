"""From a sample to the archive: totals, intervals, hours and what holds up the rest."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from paperlode.ingest.plan_arithmetic import plan_of
from paperlode.ingest.plan_estimate import draws, estimate_of, page_weights
from paperlode.ingest.plan_pages import Look, PageKind
from paperlode.ingest.plan_sample import FileSeen, FoundFile, Run
from paperlode.ingest.plan_values import COSTS, Machine, MeasuredPage, MeasuredRun, Survey

MACHINE = Machine(
    cores=4,
    workers=4,
    embedders=4,
    share=1.0,
    start_cpu=1.0,
    loading={PageKind.PLAIN: 1.0, PageKind.SCAN: 4.0},
    per_document=0.01,
    disk_wait=0.0,
    fixed_bytes=1e6,
    ledger_bytes=1e5,
    other_bytes=5000.0,
    log_bytes=7000.0,
    memory_bytes=1000.0,
    page_factor=1.2,
    dimensions=384,
)
COST = {"parse": 0.1, "structure": 0.02, "embed": 0.2, "index": 0.03, "chunks": 5.0, "rows": 1.0, "page_bytes": 2000.0}


def seen(number, pages=10, kind=PageKind.PLAIN):
    file = FoundFile(Path(f"/docs/{number:05d}.pdf"), 10_000)
    return FileSeen(file, pages, tuple(Look(n, kind) for n in range(pages)))


def measured(source, kind=PageKind.PLAIN, **changed):
    costs = tuple({**COST, **changed}.get(name, 0.0) for name in COSTS)
    size = 500.0 if kind is PageKind.PLAIN else 1.0
    pages = tuple(MeasuredPage(look.kind, size, costs) for look in source.looks)
    return MeasuredRun(Run(source.file, source.looks, kind), pages)


def survey_of(files, opened):
    return Survey(files=tuple(s.file for s in files), seen=tuple(opened))


def test_an_archive_that_was_read_whole_has_no_interval():
    """All files opened, all pages measured: the plan is the sum, without doubt."""
    files = [seen(n) for n in range(8)]
    plan = plan_of(survey_of(files, files), [measured(s, parse=0.1 * (n + 1)) for n, s in enumerate(files)], MACHINE)
    assert plan.pages.value == plan.pages.low == plan.pages.high == 80
    assert plan.chunks.value == plan.chunks.high == pytest.approx(400)
    assert plan.stages["layout"] == pytest.approx(10 * 0.1 * sum(range(1, 9)))
    assert plan.cpu_seconds.low == pytest.approx(plan.cpu_seconds.high)


def test_files_that_were_not_opened_count_as_those_like_them():
    """A tenth of the files opened: pages and costs are ten times theirs, and one page stands for ten."""
    files = [seen(n) for n in range(100)]
    survey = survey_of(files, files[:10])
    plan = plan_of(survey, [measured(s) for s in files[:5]], MACHINE)
    assert plan.pages.value == pytest.approx(1000)
    assert plan.chunks.value == pytest.approx(5000)
    assert {w for _, w in page_weights(survey)} == {10.0}


def test_a_file_that_does_not_open_is_counted():
    """Two of ten opened files of a hundred are broken: twenty are thought to be."""
    files = [seen(n, pages=0 if n < 2 else 10) for n in range(100)]
    plan = plan_of(survey_of(files, files[:10]), [measured(files[5])], MACHINE)
    assert plan.unreadable_files.value == pytest.approx(20)
    assert plan.unreadable_files.low < 20 < plan.unreadable_files.high
    assert plan.documents.value == pytest.approx(80)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """90 % intervals from 40 of 400 files, with 20 of their pages measured, hold the archive's total in 32 to 40 of 40 trials."""
    random = Random(5)
    files = [seen(n, pages=random.choice([2, 5, 10, 30])) for n in range(400)]
    cost = {s.file.path: random.uniform(0.05, 0.5) for s in files}
    truth = sum(s.pages * cost[s.file.path] for s in files)
    held = 0
    for trial in range(40):
        opened = random.sample(files, 40)
        weights = {id(s): s.pages for s in opened}
        read = random.choices(opened, [weights[id(s)] for s in opened], k=20)
        one = [
            replace(measured(s, parse=cost[s.file.path]), pages=measured(s, parse=cost[s.file.path]).pages[:1])
            for s in read
        ]
        found = estimate_of(draws(survey_of(files, opened), one, trial, 100), lambda d: d.total("parse"))
        held += found.low <= truth <= found.high
    assert 32 <= held <= 40


def test_the_bottleneck_is_what_takes_most_of_the_slowest_part():
    """Scans: recognition. Much to embed on few threads: embedding. Slow writes: the index. One lock: finding lines."""
    scans = [seen(0, kind=PageKind.SCAN)]
    survey = survey_of(scans, scans)
    run = measured(scans[0], PageKind.SCAN, parse=6.0, alone=1.0)
    assert plan_of(survey, [run], MACHINE).bottleneck == "recognition"
    many = replace(MACHINE, cores=32, workers=32)
    assert plan_of(survey, [run], many).bottleneck == "finding lines"
    files = [seen(0)]
    survey = survey_of(files, files)
    assert plan_of(survey, [measured(files[0])], many).bottleneck == "embedding"
    slow = plan_of(survey, [measured(files[0], index=2.0)], many)
    assert slow.bottleneck == "index"
    assert "--qdrant" in slow.advice[0]


def test_more_workers_help_until_another_part_is_slower():
    """Wall time falls with workers, and stops where the indexing process is the limit."""
    files = [seen(n) for n in range(20)]
    machine = replace(MACHINE, cores=16, workers=16)
    by = plan_of(survey_of(files, files), [measured(s, parse=1.0) for s in files], machine).by_workers
    assert by[1].value > 1.8 * by[2].value > 3 * by[4].value
    assert by[16].value == pytest.approx(by[8].value, rel=0.5)


def test_gpu_hours_follow_from_the_rate():
    """At 2 pages/s a replica 72,000 pages take 10 GPU-hours over the share of the limit; more replicas than GPUs gain nothing."""
    files = [seen(0, pages=100)]
    big = replace(files[0], pages=72_000)
    survey = survey_of([big], [big])
    plans = [plan_of(survey, [measured(files[0])], MACHINE, gpus=2, replicas=r, pages_per_second=2.0) for r in (2, 8)]
    for plan in plans:
        assert plan.server is not None
        assert plan.server.gpu_hours.value == pytest.approx(10 / 0.978)
        assert any("as you say" in a for a in plan.server.assumptions)


def test_a_kind_of_which_nothing_was_read_costs_as_the_kind_most_like_it():
    """Pages with tables, none measured, count as prose; blank pages cost nothing."""
    files = [seen(0), seen(1, kind=PageKind.LAYOUT), seen(2, kind=PageKind.BLANK)]
    plan = plan_of(survey_of(files, files), [measured(files[0])], MACHINE)
    assert plan.chunks.value == pytest.approx(100)
    assert plan.kinds[PageKind.LAYOUT].measured == 0


def test_one_run_of_a_kind_is_no_certainty():
    """Of ten files of scans one was read: the interval is wide, for nothing is known of the others."""
    scans = [seen(n, kind=PageKind.SCAN) for n in range(10)]
    plan = plan_of(survey_of(scans, scans), [measured(scans[0], PageKind.SCAN, parse=6.0)], MACHINE)
    assert plan.cpu_seconds.low < 0.6 * plan.cpu_seconds.value
    assert plan.cpu_seconds.high > 1.4 * plan.cpu_seconds.value
