"""How many planted faults the judge of quality finds, and how often it cries out on pages without any.

    python benchmarks/judge.py --pdfs DIR [--pdfs DIR …] [--parsed DIR …] [--faults 600] [--clean 600] [--seed 0] [--show 0]

Digital pages of the PDFs are parsed by the local parser (or read from ``--parsed``: for each ``--pdfs`` a folder with
``NAME.jsonl``, one ``ParsedPage`` a line, as ``to_json`` writes it). A fifth of the faults each:

- ``row``: a row of a table is dropped, the rows below move up; ``row_bare``: the same, without boxes of cells (as a
  vision-language model leaves them; counted with ``row``);
- ``digit``: one digit changed in a column whose sum is stated, as found by trying all runs of rows above a number (below);
- ``loop``: a phrase said 4 to 20 times where it is said once, or a row of a table;
- ``paragraph``: a paragraph or list item of 60 characters or more left out;
- ``shift``: a block with all its boxes moved by 1.5 to 6 heights of its lines up or down, or by 15 to 40 % of the page.

Each faulty page is judged twice: with its text layer as evidence (``words``), and with its picture alone (``ink``). A fault is
found when there is a finding that the page without the fault does not have, on the block or at the place of the fault.
False alarms are pages as they were parsed with any finding at all. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

from paperlode.ingest.document import Block, Box, Finding, Kind, Line, PageBox, ParsedPage, Table, from_json
from paperlode.ingest.errors import PaperlodeError
from paperlode.ingest.pages import PageRef, count_pages, read_picture
from paperlode.ingest.parsing.evidence import INK_DPI, Evidence, evidence_of, ink_of
from paperlode.ingest.parsing.local import LocalOptions, parse_page
from paperlode.ingest.parsing.quality import judge_page

KINDS = ("row", "digit", "loop", "paragraph", "shift")
PROSE = (Kind.TEXT, Kind.LIST_ITEM)


@dataclass(frozen=True)
class Fault:
    """A page with a fault: the index of the block (None where it is gone), and where the fault shows."""

    page: ParsedPage
    kind: str
    block: int | None
    places: tuple[PageBox, ...]
    what: str


Planter = Callable[[ParsedPage, random.Random], "Fault | None"]


def with_block(page: ParsedPage, index: int, block: Block) -> ParsedPage:
    return replace(page, blocks=(*page.blocks[:index], block, *page.blocks[index + 1 :]))


def with_table(block: Block, table: Table) -> Block:
    return replace(block, table=table, text=table.to_text())


def tables(page: ParsedPage) -> list[tuple[int, Block, Table]]:
    return [(i, b, b.table) for i, b in enumerate(page.blocks) if b.table is not None]


def drop_row(page: ParsedPage, rng: random.Random) -> Fault | None:
    spots: list[tuple[int, Block, Table, int]] = []
    for i, b, t in tables(page):
        crossed = {r for c in t.cells if c.row_span > 1 for r in range(c.row, c.row_end + 1)}
        spots += [(i, b, t, r) for r in range(1, t.rows) if r not in crossed and len(t.row_cells(r)) > 1]
    if not spots:
        return None
    i, b, t, row = rng.choice(spots)
    gone = tuple(c.region for c in t.row_cells(row) if c.region)
    cells = tuple(replace(c, row=c.row - (c.row > row)) for c in t.cells if c.row != row)
    bare = rng.random() < 0.3
    if bare:
        cells = tuple(replace(c, region=None) for c in cells)
    block = with_table(b, replace(t, rows=t.rows - 1, cells=cells))
    return Fault(with_block(page, i, block), "row_bare" if bare else "row", i, gone or b.regions, t.row_text(row))


NUMBER = re.compile(r"[($¥€£\s-]*(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?[)\s]*$")


def value(text: str) -> Fraction | None:
    m = NUMBER.match(text)
    if not m:
        return None
    size = Fraction(m[1].replace(",", "") + (m[2] or ""))
    return -size if "(" in text or text.strip().startswith("-") else size


def summed(table: Table) -> list[tuple[int, int, int]]:
    """(column, first row, row of the sum): all rows between add up to it, and another column does so, or they are three."""
    grid = table.grid()
    found: list[tuple[int, int, int, int]] = []
    for col in range(table.cols):
        values = [value(grid[r][col]) for r in range(table.rows)]
        for at in range(2, table.rows):
            goal = values[at]
            if goal is None or abs(goal) < 100:
                continue
            total, count = Fraction(0), 0
            for first in range(at - 1, -1, -1):
                v = values[first]
                if v is None and grid[first][col].strip() not in ("", "—", "-", "$"):
                    break
                total, count = total + (v or 0), count + bool(v)
                if v and total == goal and count >= 2:
                    found.append((col, first, at, count))
                    break
    rows = Counter((first, at) for _, first, at, _ in found)
    return [(c, first, at) for c, first, at, n in found if n > 2 or rows[first, at] > 1]


def change_digit(page: ParsedPage, rng: random.Random) -> Fault | None:
    spots: list[tuple[int, Block, Table, int, int]] = []
    for i, b, t in tables(page):
        grid = t.grid()
        for col, first, at in summed(t):
            spots += [(i, b, t, r, col) for r in range(first, at + 1) if value(grid[r][col])]
    if not spots:
        return None
    i, b, t, row, col = rng.choice(spots)
    cell = next(c for c in t.cells if (c.row, c.col) == (row, col))
    at = rng.choice([k for k, c in enumerate(cell.text) if c.isdigit()])
    digit = rng.choice([d for d in "0123456789" if d != cell.text[at]])
    said = cell.text[:at] + digit + cell.text[at + 1 :]
    cells = tuple(replace(c, text=said) if c is cell else c for c in t.cells)
    page = with_block(page, i, with_table(b, replace(t, cells=cells)))
    return Fault(page, "digit", i, b.regions, f"{cell.text} -> {said}")


def loop(page: ParsedPage, rng: random.Random) -> Fault | None:
    found = tables(page)
    if found and rng.random() < 0.3:
        i, b, t = rng.choice(found)
        rows = [r for r in range(t.rows) if sum(map(str.isalpha, t.row_text(r))) > 10]
        if rows:
            looped = row_loop(t, rng.choice(rows), rng.randint(4, 20))
            return Fault(with_block(page, i, with_table(b, looped)), "loop", i, b.regions, "a row")
    prose = [(i, b) for i, b in enumerate(page.blocks) if b.kind in PROSE and len(b.text.split()) >= 12]
    if not prose:
        return None
    i, b = rng.choice(prose)
    spans = [m.span() for m in re.finditer(r"\S+", b.text)]
    size = rng.randint(4, min(12, len(spans)))
    last = rng.randrange(size - 1, len(spans)) if rng.random() < 0.5 else len(spans) - 1
    start, end = spans[last - size + 1][0], spans[last][1]
    more = (" " + b.text[start:end]) * rng.randint(3, 19)
    lines = tuple(
        Line(ln.start + len(more) * (ln.start >= end), ln.end + len(more) * (ln.end >= end), ln.region, ln.confidence)
        for ln in b.lines
    )
    block = replace(b, text=b.text[:end] + more + b.text[end:], lines=lines)
    return Fault(with_block(page, i, block), "loop", i, b.regions, b.text[start:end])


def row_loop(t: Table, row: int, copies: int) -> Table:
    below = [replace(c, row=c.row + copies - 1) for c in t.cells if c.row > row]
    again = [replace(c, row=row + k) for k in range(1, copies) for c in t.cells if c.row == row]
    kept = [c for c in t.cells if c.row <= row]
    return replace(t, rows=t.rows + copies - 1, cells=(*kept, *again, *below))


def drop_paragraph(page: ParsedPage, rng: random.Random) -> Fault | None:
    prose = [i for i, b in enumerate(page.blocks) if b.kind in PROSE and len(b.text) >= 60]
    if not prose:
        return None
    i = rng.choice(prose)
    gone = page.blocks[i]
    page = replace(page, blocks=(*page.blocks[:i], *page.blocks[i + 1 :]))
    return Fault(page, "paragraph", None, gone.regions, gone.text[:60])


def shift(page: ParsedPage, rng: random.Random) -> Fault | None:
    some = [i for i, b in enumerate(page.blocks) if b.kind is not Kind.FIGURE and sum(map(str.isalnum, b.text)) >= 20]
    if not some:
        return None
    i = rng.choice(some)
    b = page.blocks[i]
    heights = sorted(ln.region.box.height for ln in b.lines) or sorted(
        c.region.box.height for c in (b.table.cells if b.table else ()) if c.region
    )
    if not heights:
        return None
    around = Box.around(r.box for r in b.regions)
    tall = heights[len(heights) // 2]
    ways = [
        (0.0, s * rng.uniform(1.5, 6) * tall) for s in (1, -1)
    ] + [(s * rng.uniform(0.15, 0.4) * page.width, 0.0) for s in (1, -1)] + [
        (0.0, s * rng.uniform(0.15, 0.4) * page.height) for s in (1, -1)
    ]  # fmt: skip
    inside = [
        (x, y)
        for x, y in ways
        if (x == 0 or (around.x0 + x > -0.1 * page.width and around.x1 + x < 1.1 * page.width))
        and around.y0 + y >= 0
        and around.y1 + y <= page.height
    ]
    if not inside:
        return None
    x, y = rng.choice(inside)

    def moved(r: PageBox) -> PageBox:
        o = r.box
        return PageBox(r.page, Box(o.x0 + x, o.y0 + y, o.x1 + x, o.y1 + y).rounded())

    block = replace(
        b,
        regions=tuple(map(moved, b.regions)),
        lines=tuple(replace(ln, region=moved(ln.region)) for ln in b.lines),
        table=b.table
        and replace(
            b.table, cells=tuple(replace(c, region=moved(c.region) if c.region else None) for c in b.table.cells)
        ),
    )
    places = (*b.regions, *block.regions)
    return Fault(with_block(page, i, block), "shift", i, places, f"{x:.0f} {y:.0f} {b.kind} {b.text[:40]}")


PLANTERS: dict[str, Planter] = {
    "row": drop_row,
    "digit": change_digit,
    "loop": loop,
    "paragraph": drop_paragraph,
    "shift": shift,
}


def findings(page: ParsedPage) -> Iterator[tuple[int | None, Finding]]:
    yield from ((None, f) for f in page.findings)
    for i, b in enumerate(page.blocks):
        yield from ((i, f) for f in b.findings)


def found(fault: Fault, evidence: Evidence, clean: ParsedPage) -> list[Finding]:
    """Findings that are new, and on the block or at the place of the fault."""
    known = {f for _, f in findings(clean)}
    new = [(i, f) for i, f in findings(judge_page(fault.page, evidence)) if f not in known]
    return [f for i, f in new if (i is not None and i == fault.block) or any(map(fault_at(fault), f.regions))]


def fault_at(fault: Fault) -> Callable[[PageBox], bool]:
    return lambda region: any(region.box.overlap(p.box) > 0 for p in fault.places)


@dataclass(frozen=True)
class Stored:
    """A page to be had: parsed now, or read from its line."""

    ref: PageRef
    line: str = ""

    def parsed(self) -> ParsedPage:
        """The page."""
        return from_json(ParsedPage, self.line) if self.line else parse_page(self.ref, LocalOptions())


def stored_pages(folder: Path, parsed: Path | None) -> Iterator[Stored]:
    for path in sorted(folder.glob("*.pdf")):
        if parsed is None:
            try:
                total = count_pages(PageRef(str(path), 0, pdf=True))
            except PaperlodeError as e:
                print(f"left out: {e}")
                continue
            yield from (Stored(PageRef(str(path), n, pdf=True)) for n in range(total))
        elif (lines := parsed / f"{path.stem}.jsonl").exists():
            with lines.open() as f:
                yield from (Stored(PageRef(str(path), n, pdf=True), line) for n, line in enumerate(f))


@dataclass
class Tally:
    """What was counted, by (kind, mode)."""

    planted: Counter[tuple[str, str]]
    found: Counter[tuple[str, str]]
    clean: Counter[str]
    alarms: Counter[str]
    codes: Counter[tuple[str, str]]
    judge_ms: Counter[str]


def modes(stored: Stored, page: ParsedPage) -> dict[str, Evidence]:
    return {
        "words": evidence_of(stored.ref, page),
        "ink": Evidence(None, ink_of(*read_picture(stored.ref, dpi=INK_DPI))),
    }


def try_page(
    stored: Stored, want: dict[str, int], *, clean: bool, tally: Tally, rng: random.Random, show: bool
) -> bool:
    page = stored.parsed()
    if page.failure or page.parser.rsplit("/", 1)[-1] not in ("plain", "layout"):
        return False
    faults = [f for k in KINDS if want[k] > 0 and (f := PLANTERS[k](page, rng)) is not None]
    if not faults and not clean:
        return False
    for mode, evidence in modes(stored, page).items():
        begun = time.process_time()
        judged = judge_page(page, evidence)
        tally.judge_ms[mode] += 1000 * (time.process_time() - begun)  # type: ignore[assignment]
        codes = {f.code for _, f in findings(judged)}
        tally.clean[mode] += 1
        tally.alarms[mode] += bool(codes)
        tally.codes.update((mode, c) for c in codes)
        if codes and show:
            for i, f in findings(judged):
                where = [tuple(map(round, r.box)) for r in f.regions[:3]]
                print(f"alarm {mode} {stored.ref} block {i}: {f.code}: {f.reason} {where}")
        for fault in faults:
            tally.planted[fault.kind, mode] += 1
            hit = found(fault, evidence, judged)
            tally.found[fault.kind, mode] += bool(hit)
            if not hit and show:
                print(f"missed {mode} {stored.ref} {fault.kind} block {fault.block}: {fault.what}")
    for fault in faults:
        want[fault.kind.removesuffix("_bare")] -= 1
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pdfs", type=Path, action="append", required=True)
    parser.add_argument("--parsed", type=Path, action="append", default=[])
    parser.add_argument("--faults", type=int, default=600)
    parser.add_argument("--clean", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true")
    args = parser.parse_args()
    rng = random.Random(args.seed)  # noqa: S311  seeded on purpose
    folders = [(d, args.parsed[n] if args.parsed else None) for n, d in enumerate(args.pdfs)]
    pages = list(chain.from_iterable(stored_pages(d, p) for d, p in folders))
    rng.shuffle(pages)
    want = {k: args.faults // len(KINDS) for k in KINDS}
    tally = Tally(Counter(), Counter(), Counter(), Counter(), Counter(), Counter())
    done = 0
    for stored in pages:
        if done >= args.clean and not any(n > 0 for n in want.values()):
            break
        done += try_page(stored, want, clean=done < args.clean, tally=tally, rng=rng, show=args.show)
    report(tally)


def report(tally: Tally) -> None:
    planted, hits = sum(tally.planted.values()), sum(tally.found.values())
    by = {
        f"{k} {m}": f"{tally.found[k, m]}/{n} = {tally.found[k, m] / n:.3f}"
        for (k, m), n in sorted(tally.planted.items())
    }
    alarms = {m: f"{tally.alarms[m]}/{n} = {tally.alarms[m] / n:.4f}" for m, n in tally.clean.items()}
    codes = {f"{m} {c}": n for (m, c), n in sorted(tally.codes.items())}
    for title, rows in (("found", by), ("pages with alarms", alarms), ("their codes", codes)):
        print(title)
        for name, figure in rows.items():
            print(f"  {name:<28} {figure}")
    print(
        json.dumps(
            {
                "faults": planted // 2,
                "found": round(hits / max(1, planted), 4),
                "false_alarms": round(sum(tally.alarms.values()) / max(1, sum(tally.clean.values())), 4),
                "clean_pages": max(tally.clean.values(), default=0),
                "judge_ms": {m: round(t / max(1, tally.clean[m]), 2) for m, t in tally.judge_ms.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
