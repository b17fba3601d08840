"""What a plan sees of a page at a glance is what reading it comes to; and files that are no documents are counted."""

import io
from pathlib import Path

import pytest

from paperlode.ingest.pages import PageRef
from paperlode.ingest.parsing.local import LocalOptions, parse_page
from paperlode.ingest.plan_crowd import Clock
from paperlode.ingest.plan_pages import PageKind, look_at, read_and_time
from paperlode.ingest.plan_survey import find_files, open_files, without_twins
from paperlode.ingest.workers import WorkerPool

SAMPLES = Path(__file__).parents[2] / "samples" / "archive"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A PDF with prose, a table, a picture of text, and an empty page; a picture file; three files that are no documents."""
    import pymupdf

    folder = tmp_path_factory.mktemp("mixed")
    doc = pymupdf.open()
    page = doc.new_page()
    for n in range(12):
        page.insert_text(
            (72, 100 + 20 * n), "The tenant shall pay the rent on the first day of each month of the year."
        )
    picture = page.get_pixmap(dpi=60).tobytes("png")
    page = doc.new_page()
    for n in range(8):
        for k in range(4):
            page.insert_text((72 + 120 * k, 100 + 20 * n), f"cell {n} {k}")
    doc.new_page().insert_image(pymupdf.Rect(0, 0, 595, 842), stream=io.BytesIO(picture))
    doc.new_page()
    doc.save(folder / "mixed.pdf")
    (folder / "page.png").write_bytes(picture)
    (folder / "page copy.png").write_bytes(picture)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    (folder / "empty.pdf").write_bytes(b"")
    (folder / "text.pdf").write_text("no PDF at all")
    return folder


def test_kinds_at_a_glance(mixed):
    """Prose, table, scan, blank; every frame of a picture file is a picture."""
    looks, cpu = look_at(PageRef(str(mixed / "mixed.pdf"), 0, pdf=True), (0, 1, 2, 3))
    assert [look.kind for look in looks] == [PageKind.PLAIN, PageKind.LAYOUT, PageKind.SCAN, PageKind.BLANK]
    assert looks[0].chars > 800
    assert cpu > 0
    looks, _ = look_at(PageRef(str(mixed / "page.png"), 0, pdf=False), (0,))
    assert looks[0].kind is PageKind.PICTURE


def test_a_glance_agrees_with_the_parser():
    """On the digital samples, the kind seen at a glance is the way that the parser takes, for each page."""
    ways = {"plain": PageKind.PLAIN, "layout": PageKind.LAYOUT, "blank": PageKind.BLANK}
    seen = 0
    for path in sorted(SAMPLES.glob("*.pdf")):
        ref = PageRef(str(path), 0, pdf=True)
        looks, _ = look_at(ref, (0, 1))
        for look in looks:
            if look.kind in ways.values():
                parsed = parse_page(PageRef(str(path), look.page, pdf=True), LocalOptions())
                assert ways[parsed.parser.rpartition("/")[2]] is look.kind, (path.name, look.page)
                seen += 1
    assert seen >= 6


def test_reading_says_what_it_costs_and_what_came_of_it(mixed):
    """Two pages read: CPU seconds of each; loading is told once, and apart."""
    costs = read_and_time(PageRef(str(mixed / "mixed.pdf"), 0, pdf=True), (0, 3), PageKind.PLAIN, LocalOptions())
    assert [c.parsed.page for c in costs] == [0, 3]
    assert costs[0].parsed.blocks
    assert all(0 < c.cpu < 60 for c in costs)
    assert costs[0].loading > 0
    assert costs[1].loading == 0


def test_files_are_opened_counted_and_no_bad_one_is_fatal(mixed):
    """Of six files two open, and one is the copy of another; the others are named by why they do not open."""
    files, problems = find_files([mixed, mixed / "nowhere"])
    assert [p.code for p in problems] == ["source_not_found"]
    assert len(files) == 6
    unique = without_twins(files, 10)
    assert len(unique) == 5
    with WorkerPool(1) as pool:
        seen = open_files(unique, pool, seed=0, clock=Clock(), until=60)
    found = {s.file.path.name: (s.pages, s.error) for s in seen}
    assert found.pop("mixed.pdf") == (4, "")
    assert (found.pop("page.png", None) or found.pop("page copy.png")) == (1, "")
    assert {name: error for name, (pages, error) in found.items() if not pages} == {
        "broken.pdf": "source_corrupt",
        "empty.pdf": "source_empty",
        "text.pdf": "source_unsupported",
    }


def test_opening_ends_when_the_time_is_up_but_not_before_one_file(mixed):
    """Without any time one file is opened all the same."""
    files, _ = find_files([mixed])
    with WorkerPool(1) as pool:
        seen = open_files(files, pool, seed=0, clock=Clock(), until=-1.0)
    assert len(seen) == 1
