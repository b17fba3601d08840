"""What a plan draws: by its seed, from every stratum, and with the right weights."""

from pathlib import Path

from paperlode.ingest.plan_pages import Look, PageKind
from paperlode.ingest.plan_sample import (
    MOST_LOOKED_AT,
    FileSeen,
    FoundFile,
    Run,
    opening_order,
    pages_to_look_at,
    reading_order,
    runs_of,
)


def files(count, suffix=".pdf", size=10_000):
    return [FoundFile(Path(f"/docs/{n:04d}{suffix}"), size) for n in range(count)]


def test_the_order_depends_on_the_seed_alone():
    """The same files in any order are opened in the same order; another seed takes another one."""
    some = files(50)
    first = list(opening_order(some, 3))
    assert first == list(opening_order(some[::-1], 3))
    assert first != list(opening_order(some, 4))
    assert sorted(f.path for f in first) == [f.path for f in some]


def test_every_stratum_comes_early():
    """One large file among many small ones, and one picture, are among the first tenth that is opened."""
    some = [*files(500), FoundFile(Path("/docs/large.pdf"), 900_000_000), FoundFile(Path("/docs/a.png"), 50_000)]
    first = {f.path.name for f in list(opening_order(some, 0))[:50]}
    assert {"large.pdf", "a.png"} <= first


def test_long_files_are_looked_at_in_stretches_from_end_to_end():
    """Of a short file each page once; of a long one no more than the limit, first and last page among them."""
    assert [n for s in pages_to_look_at(30) for n in s] == list(range(30))
    looked = [n for s in pages_to_look_at(5000) for n in s]
    assert len(set(looked)) == len(looked) == MOST_LOOKED_AT
    assert (looked[0], looked[-1]) == (0, 4999)
    assert pages_to_look_at(0) == []


def test_runs_hold_neighbours_of_like_kind():
    """Scans and digital pages are read apart, a gap ends a run, and every page is in one run."""
    kinds = [PageKind.PLAIN, PageKind.LAYOUT, PageKind.PLAIN, PageKind.SCAN, PageKind.SCAN, PageKind.SCAN]
    looks = (*(Look(n, k) for n, k in enumerate(kinds)), Look(40, PageKind.PLAIN))
    runs = runs_of(FileSeen(files(1)[0], 50, looks), 2.0)
    assert [[look.page for look in r.looks] for r in runs] == [[0, 1, 2], [3, 4], [5], [40]]
    assert [r.kind for r in runs] == [PageKind.PLAIN, PageKind.SCAN, PageKind.SCAN, PageKind.PLAIN]


def test_pages_that_stand_for_more_are_read_first():
    """Of runs with ten times the weight more are drawn early, though not all; the draw is the seed's."""
    heavy = [Run(f, (Look(0, PageKind.PLAIN),), PageKind.PLAIN, 10.0) for f in files(100, "-h.pdf")]
    light = [Run(f, (Look(0, PageKind.PLAIN),), PageKind.PLAIN, 1.0) for f in files(100, "-l.pdf")]
    order = reading_order([*light, *heavy], 1)[PageKind.PLAIN][::-1]
    early = sum(r.weight > 1 for r in order[:50])
    assert 38 <= early < 50
    assert order == reading_order([*heavy, *light], 1)[PageKind.PLAIN][::-1]
