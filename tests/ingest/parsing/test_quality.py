"""The judge of quality: each fault that can be seen is told with its reason and place, and a sound page is left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlode.ingest.document import (
    Block,
    Box,
    Cell,
    Kind,
    Line,
    PageBox,
    PageFailure,
    ParsedPage,
    Table,
    from_json,
    to_json,
)
from paperlode.ingest.pages import PageRef
from paperlode.ingest.parsing.evidence import Evidence, Ink, Word, evidence_of
from paperlode.ingest.parsing.local import LocalOptions, parse_page
from paperlode.ingest.parsing.quality import NOT_JUDGED, judge_page, judged, wants_look
from paperlode.ingest.parsing.quality_rows import bands_left_over

if TYPE_CHECKING:
    from collections.abc import Iterable

ARCHIVE = Path(__file__).resolve().parents[3] / "samples" / "archive"
TEXT = "The annual report of the company tells of revenue, costs and the outlook for the coming years."
WIDTH, HEIGHT, LINE = 600, 800, 10.0
LETTER = 5.0


def words(text: str, y: float, *, x: float = 50) -> list[Word]:
    """The words of a line that begins at (x, y), each letter 5 points wide."""
    out: list[Word] = []
    for w in text.split():
        out.append(Word(w, Box(x, y, x + LETTER * len(w), y + LINE)))
        x += LETTER * (len(w) + 1)
    return out


def block(text: str, y: float, *, x: float = 50, kind: Kind = Kind.TEXT, confidence: float | None = None) -> Block:
    """A block of one line where ``words`` puts it."""
    where = PageBox(0, Box(x, y, x + LETTER * len(text), y + LINE))
    return Block(kind, text, (where,), lines=(Line(0, len(text), where),), confidence=confidence)


def page(*blocks: Block) -> ParsedPage:
    """A page of those blocks."""
    return ParsedPage(0, WIDTH, HEIGHT, "local-3/plain", blocks)


def printed(layer: Iterable[Word]) -> Ink:
    """Ink as print has it: a stroke of four dots and a gap of one for every letter."""
    grid = np.zeros((HEIGHT, WIDTH), dtype=bool)
    for w in layer:
        for n in range(len(w.text)):
            x = int(w.box.x0 + n * LETTER)
            grid[int(w.box.y0) + 1 : int(w.box.y1) - 2 : 2, x : x + 4] = True
            grid[int(w.box.y0) + 1 : int(w.box.y1) - 2, x] = True
    return Ink.of(grid)


def codes(page: ParsedPage) -> set[str]:
    """All of a judged page."""
    return {f.code for f in (*page.findings, *(f for b in page.blocks for f in b.findings))}


def table(*rows: tuple[str, ...], y: float = 300, cells: bool = True) -> tuple[Block, list[Word]]:
    """A table, its rows 15 points apart and its columns 150, and its words."""
    placed = [
        Cell(r, c, text, region=PageBox(0, Box(50 + 150 * c, y + 15 * r, 200 + 150 * c, y + 15 * r + 12)))
        for r, row in enumerate(rows)
        for c, text in enumerate(row)
    ]
    layer = [w for c in placed if c.region for w in words(c.text, c.region.box.y0 + 1, x=c.region.box.x0 + 2)]
    if not cells:
        placed = [replace(c, region=None) for c in placed]
    value = Table(len(rows), len(rows[0]), tuple(placed), header_rows=1)
    where = PageBox(0, Box(50, y, 50 + 150 * len(rows[0]), y + 15 * len(rows)))
    return Block(Kind.TABLE, value.to_text(), (where,), table=value), layer


ROWS = (
    ("Segment", "2023", "2022"),
    ("Flexible packaging", "1,284", "1,190"),
    ("Rigid packaging", "410", "395"),
    ("Speciality cartons", "77", "81"),
    ("Closures", "310", "288"),
    ("Total", "2,081", "1,954"),
)


def without_row(b: Block, row: int) -> Block:
    """The table without that row, those below moved up; places of cells stay."""
    assert b.table
    cells = tuple(replace(c, row=c.row - (c.row > row)) for c in b.table.cells if c.row != row)
    value = replace(b.table, rows=b.table.rows - 1, cells=cells)
    return replace(b, table=value, text=value.to_text())


def test_a_sound_page_has_no_findings() -> None:
    """Text and table said as they stand, with either evidence."""
    grid, cells = table(*ROWS)
    layer = [*words(TEXT, 100), *cells]
    for evidence in (Evidence(tuple(layer)), Evidence(ink=printed(layer)), Evidence(tuple(layer), printed(layer))):
        result = judge_page(page(block(TEXT, 100), grid), evidence)
        assert codes(result) == set()
        assert not wants_look(result)
        assert result == page(block(TEXT, 100), grid)


def test_a_missing_paragraph() -> None:
    """Words, or print, that no block covers are told on the page with their place."""
    layer = [*words(TEXT, 100), *words(TEXT, 200)]
    for evidence, code in ((Evidence(tuple(layer)), "missing_text"), (Evidence(ink=printed(layer)), "uncovered_ink")):
        result = judge_page(page(block(TEXT, 100)), evidence)
        assert {f.code for f in result.findings} == {code}
        assert result.flags == (code,)
        assert all(195 < r.box.y0 < 215 for f in result.findings for r in f.regions)
        assert wants_look(result)


def test_a_page_of_which_nothing_was_read() -> None:
    """An empty result over print is told; an empty one over nothing is not."""
    assert codes(judge_page(page(), Evidence(ink=printed(words(TEXT, 100))))) == {"uncovered_ink"}
    assert codes(judge_page(page(), Evidence(ink=printed([])))) == set()


@pytest.mark.parametrize("said", ["2,081", "2,061 and 5"])
def test_digits_are_compared_strictly(said: str) -> None:
    """A changed digit and an invented number disagree with the text layer."""
    result = judge_page(
        page(block(f"Sales were {said} million", 100)), Evidence(tuple(words("Sales were 2,061 million", 100)))
    )
    assert [f.code for f in result.blocks[0].findings] == ["text_disagrees"]
    assert result.blocks[0].flags == ("text_disagrees",)
    assert "“081”" in result.blocks[0].findings[0].reason or "“5”" in result.blocks[0].findings[0].reason


def test_words_are_compared_leniently() -> None:
    """A hyphen at the line's end, another order and another case are no disagreement."""
    layer = (*words("the inter- national report", 100), *words("of 2023", 112))
    said = replace(
        block("of 2023 The international report", 100), regions=(PageBox(0, Box(50, 100, 300, 122)),), lines=()
    )
    assert codes(judge_page(page(said), Evidence(layer))) == set()


def test_invented_words() -> None:
    """A sentence that is not on the page disagrees; a recognised block may be off by some letters."""
    layer = tuple(words(TEXT, 100))
    more = replace(block(TEXT, 100), text=TEXT + " It was a good year for all.")
    assert codes(judge_page(page(more), Evidence(layer))) == {"text_disagrees"}
    misread = block(TEXT.replace("revenue", "revemie"), 100, confidence=0.95)
    assert codes(judge_page(page(misread), Evidence(layer))) == set()


def test_a_block_that_leaves_out_words() -> None:
    """Half a paragraph is told on the block."""
    said = replace(block(TEXT, 100), text=TEXT[:50], lines=())
    result = judge_page(page(said), Evidence(tuple(words(TEXT, 100))))
    assert [f.code for f in result.blocks[0].findings] == ["missing_text"]


@pytest.mark.parametrize("move", [(0, 40), (0, -40), (120, 0)])
def test_a_shifted_box(move: tuple[float, float]) -> None:
    """Down, up or aside: what the block says stands elsewhere."""
    layer = words(TEXT, 100)
    moved = block(TEXT, 100 + move[1], x=50 + move[0])
    result = judge_page(page(moved), Evidence(tuple(layer)))
    assert codes(result) == {"text_outside_box"}
    assert result.findings == ()  # nothing is missing
    assert "uncovered_ink" in codes(judge_page(page(moved), Evidence(ink=printed(layer))))
    if move[1]:
        seen = judge_page(page(moved), Evidence(ink=printed(layer)))
        assert [f.code for f in seen.blocks[0].findings] == ["text_outside_box"]


def test_more_characters_than_fit() -> None:
    """A line of print that is said to hold a page of text."""
    long = " ".join(f"word{n}" for n in range(200))
    said = replace(block(TEXT, 100), text=long, lines=())
    assert "text_outside_box" in codes(judge_page(page(said), Evidence(ink=printed(words(TEXT, 100)))))


@pytest.mark.parametrize("row", [1, 2, 3])
def test_a_dropped_row(row: int) -> None:
    """Words, and print, at a height where the table has no row."""
    grid, layer = table(*ROWS)
    for evidence in (Evidence(tuple(layer)), Evidence(ink=printed(layer))):
        assert "table_row_missing" in codes(judge_page(page(without_row(grid, row)), evidence))


def test_a_dropped_row_without_boxes_of_cells() -> None:
    """A band of print is left over when each row has taken its own."""
    rows = [
        ("segment", "2023", "2022"),
        *((f"{w} products", "1284", "1190") for w in ("board", "glass and metal", "pulp")),
    ]
    grid, layer = table(*rows, ("other", "77", "81"), ("all of it", "4052", "3651"), cells=False)
    assert "table_row_missing" not in codes(judge_page(page(grid), Evidence(ink=printed(layer))))
    found = judge_page(page(without_row(grid, 3)), Evidence(ink=printed(layer)))
    (where,) = next(f.regions for f in found.blocks[0].findings if f.code == "table_row_missing")
    assert 340 < where.box.y0 < 360


def test_wrapped_rows_leave_no_band_over() -> None:
    """Three lines of a cell are one row."""
    value = Table(4, 1, tuple(Cell(r, 0, t) for r, t in enumerate(("a" * 20, "b" * 20, "c" * 60, "d" * 20))))
    bands = [(Box(0, 10 * n, 100, 10 * n + 8), 100.0) for n in range(6)]
    assert bands_left_over(value, bands) == []


def test_a_sum_that_fails() -> None:
    """A changed digit is found by the picture's evidence through the sum."""
    grid, layer = table(*ROWS)
    assert grid.table
    cells = tuple(replace(c, text="418") if c.text == "410" else c for c in grid.table.cells)
    wrong = replace(grid.table, cells=cells)
    result = judge_page(page(replace(grid, table=wrong, text=wrong.to_text())), Evidence(ink=printed(layer)))
    assert codes(result) == {"sum_mismatch"}
    assert result.blocks[0].findings[0].regions


@pytest.mark.parametrize(("total", "told"), [("2,081", False), ("2,083", False), ("2,481", True)])
def test_a_sum_that_the_text_layer_has_too(total: str, told: bool) -> None:
    """A slip of the author that matters is told; what rounding explains is not, nor a table all of whose sums fail."""
    grid, layer = table(*ROWS[:-1], ("Total", total, "1,954"))
    assert codes(judge_page(page(grid), Evidence(tuple(layer)))) == ({"sum_mismatch"} if told else set())
    other, layer = table(*ROWS[:-1], ("Total", "9,081", "8,954"))
    assert codes(judge_page(page(other), Evidence(tuple(layer)))) == set()


@pytest.mark.parametrize("copies", [3, 10])
def test_a_loop(copies: int) -> None:
    """A phrase said three times in a row, where the page cannot be asked; told once where its text layer denies it."""
    looped = TEXT + " for the coming years." * copies
    said = replace(block(TEXT, 100), text=looped)
    assert codes(judge_page(page(said), Evidence())) == {"text_repeats"}
    assert codes(judge_page(page(said), Evidence(tuple(words(TEXT, 100))))) == {"text_repeats"}


def test_a_page_that_repeats_itself_is_no_loop() -> None:
    """The text layer says it as often."""
    looped = "sign here now " * 6
    assert codes(judge_page(page(block(looped.strip(), 100)), Evidence(tuple(words(looped, 100))))) == set()


def test_rows_that_repeat() -> None:
    """Six rows of one label and figure are a loop; empty rows and rows of zeros with labels of their own are none."""
    grid, _ = table(ROWS[0], *[("Flexible packaging", "1,284", "1,190")] * 6)
    assert "text_repeats" in codes(judge_page(page(grid), Evidence()))
    fine, _ = table(ROWS[0], *((f"Segment {c}", "—", "—") for c in "abcdef"))
    assert codes(judge_page(page(fine), Evidence())) == set()


def test_garbage() -> None:
    """Unmapped characters, and words without vowels."""
    assert codes(judge_page(page(block("Re\ufffdenue \ue001\ue002 in m\ufffdllions", 100)), Evidence())) == {
        "garbled_text"
    }
    nonsense = "Wkh dqqxdo uhsruw ri wkh frpsdqb whoov ri uhyhqxh frvwv dqg wkh rxwornr iru wkh frplqj bhduv"
    assert codes(judge_page(page(block(nonsense.replace("u", "v").replace("o", "l"), 100)), Evidence())) == {
        "garbled_text"
    }
    assert codes(judge_page(page(block("\uf0b7 First item of the list", 100)), Evidence())) == set()


def test_another_script() -> None:
    """Chinese in the middle of an English page is told, unless the text layer has it or other blocks do."""
    mixed = block("The report 年度报告显示收入增长 of the company", 100)
    plain = block(TEXT, 200)
    assert codes(judge_page(page(mixed, plain), Evidence())) == {"script_changes"}
    layer = (*words(mixed.text, 100), *words(TEXT, 200))
    assert codes(judge_page(page(mixed, plain), Evidence(layer))) == set()
    twice = replace(mixed, regions=(PageBox(0, Box(50, 300, 300, 310)),), lines=())
    assert codes(judge_page(page(mixed, plain, twice), Evidence())) == set()


def test_doubt() -> None:
    """A low confidence, and outputs that stayed unsound."""
    unsure = block(TEXT, 100, confidence=0.4)
    result = judge_page(page(unsure), Evidence())
    assert [f.code for f in result.blocks[0].findings] == ["low_confidence"]
    assert "0.40" in result.blocks[0].findings[0].reason
    looped = replace(block(TEXT, 100), flags=("output_loop", "read_on_cpu"))
    result = judge_page(page(looped), Evidence())
    assert codes(result) == {"output_loop"}
    assert result.blocks[0].flags == ("output_loop", "read_on_cpu")


def test_text_said_twice() -> None:
    """Two blocks in one place with one text."""
    again = replace(block(TEXT, 101), kind=Kind.CAPTION)
    assert codes(judge_page(page(block(TEXT, 100), again), Evidence())) == {"boxes_overlap"}
    other = replace(block(TEXT, 101), text="Nothing of the kind is said by this other block.")
    assert codes(judge_page(page(block(TEXT, 100), other), Evidence())) == set()


def test_an_order_that_jumps() -> None:
    """A block read after the one below it in its column; another column, and a note, may stand higher."""
    first, second = block(TEXT, 100), block(TEXT.replace("annual", "interim"), 200)
    assert codes(judge_page(page(first, second), Evidence())) == set()
    result = judge_page(page(second, first), Evidence())
    assert [f.code for f in result.blocks[1].findings] == ["order_jumps"]
    lying = replace(page(second, first), rotation=180)  # upside down, what stands lower is read first
    assert codes(judge_page(lying, Evidence())) == set()
    right = replace(first, regions=(PageBox(0, Box(560, 100, 590, 300)),), lines=())
    assert codes(judge_page(page(second, right), Evidence())) == set()
    assert codes(judge_page(page(second, replace(first, kind=Kind.FOOTNOTE)), Evidence())) == set()


def test_what_is_not_compared() -> None:
    """A figure need not say its words, a formula says LaTeX, invisible words need not be said."""
    layer = [*words("axis 10 20 30", 100), *words("E = m c2", 200), *words("hidden", 300)]
    layer[-1] = layer[-1]._replace(printed=False)
    figure = replace(block("", 100, kind=Kind.FIGURE), regions=(PageBox(0, Box(40, 90, 400, 120)),), lines=())
    formula = block(r"E = mc^{2}", 200, kind=Kind.FORMULA)
    assert codes(judge_page(page(figure, formula), Evidence(tuple(layer)))) == set()


def test_a_failed_page() -> None:
    """Wants a look, and is not judged."""
    failed = replace(page(), failure=PageFailure("page_unreadable", "broken"))
    assert judge_page(failed, Evidence(tuple(words(TEXT, 100)))) == failed
    assert wants_look(failed)


def test_judging_again_replaces_what_was_found() -> None:
    """Twice is as once; with evidence that clears the page, nothing is left."""
    missing = page(block(TEXT, 100))
    layer = (*words(TEXT, 100), *words(TEXT, 200))
    once = judge_page(missing, Evidence(layer))
    assert judge_page(once, Evidence(layer)) == once
    assert judge_page(once, Evidence(tuple(words(TEXT, 100)))) == missing
    assert from_json(ParsedPage, to_json(once)) == once


def test_a_fault_of_the_judge_costs_no_page() -> None:
    """Nor does one of gathering the evidence; the page wants a look, with the reason, and a later judgement clears it."""
    broken = Evidence(ink=Ink(HEIGHT, WIDTH, b"no grid"))
    read = page(block(TEXT, 100))

    def torn() -> Evidence:
        raise RuntimeError("cannot be rendered")

    for fails in (lambda: broken, torn):
        got = judged(read, fails)
        assert (got.flags, got.blocks) == ((NOT_JUDGED,), read.blocks)
        assert wants_look(got)
        assert "could not be compared" in got.findings[0].reason
        assert judge_page(got, Evidence(tuple(words(TEXT, 100)))) == read


NASTY = st.text(alphabet="ab 12,.\n\ufffd\u5e74\ud7ff$(", max_size=80)
BOXES = st.tuples(*[st.floats(-50, 900)] * 4).map(
    lambda v: Box(min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]), max(v[1], v[3]))
)


@given(
    st.lists(st.tuples(NASTY, BOXES, st.sampled_from(Kind)), max_size=5),
    st.lists(st.tuples(NASTY.filter(str.strip), BOXES), max_size=8),
)
def test_nothing_is_lost_on_any_page(blocks: list[tuple[str, Box, Kind]], layer: list[tuple[str, Box]]) -> None:
    """Whatever the boxes and texts: only findings and flags are added, and judging never fails."""
    before = page(*(Block(k, t, (PageBox(0, b),)) for t, b, k in blocks))
    some = [Word(t, b) for t, b in layer]
    after = judge_page(before, Evidence(tuple(some), printed(words(TEXT, 300))))
    assert [replace(b, findings=(), flags=()) for b in after.blocks] == list(before.blocks)
    assert all(f.code in b.flags for b in after.blocks for f in b.findings)
    assert all(f.code in after.flags for f in after.findings)


@pytest.mark.parametrize("name", ["annual_report", "paper_two_columns", "supply_agreement"])
def test_the_samples(name: str) -> None:
    """A page judged while it is parsed has the findings that judging it afterwards finds."""
    ref = PageRef(str(ARCHIVE / f"{name}.pdf"), 0, pdf=True)
    parsed = parse_page(ref, LocalOptions())
    assert NOT_JUDGED not in parsed.flags
    assert judge_page(parsed, evidence_of(ref, parsed)) == parsed
