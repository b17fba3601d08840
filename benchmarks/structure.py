"""Heading levels and paragraph joins against hand-made truth (``benchmarks/truth/structure``).

    python benchmarks/structure.py --pages FOLDER     pages parsed before: FOLDER/SET/NAME.jsonl, one ParsedPage a line
    python benchmarks/structure.py --pdfs ROOT        ROOT/SET/pdfs/NAME.pdf, parsed now by the local parser

Truth has page (0-based), box (points, origin top left), level (1 the highest, 0 the document's title), and no text. Boxes
are matched by overlap: a heading of the truth is found when one of our headings shares half of the smaller one, and the
level of the first such heading counts. A join is right when one assembled block stands in both boxes of a break, or none
does where the truth says that the text does not go on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paperlode.ingest.assembly import assemble
from paperlode.ingest.boxes import Box, PageBox
from paperlode.ingest.document import Block, Kind, Layer, ParsedPage, Source, from_json
from paperlode.ingest.parsing.local import LocalParser

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TRUTH = Path(__file__).parent / "truth" / "structure"
MUST = {"levels": 0.90, "joins": 0.97}
SHARED = 0.5
"""Share of the smaller width and height that two boxes must have in common to be one heading."""
AHEAD = 3
"""Pages read past the last page with truth, so that what looks ahead can."""


@dataclass(slots=True)
class Score:
    """Counts of one document or of several.

    Attributes:
        levels, headings: headings with the right level, of all in the truth. found: of them found at all.
        ours, invented: our headings on the truth's pages, and those of them that the truth does not have.
        order, pairs: heading and next heading of the truth whose levels compare (deeper, equal, higher) as ours, of all found.
        joins, breaks: right joins, of all breaks. wrong: text joined that does not go on.
    """

    levels: int = 0
    headings: int = 0
    found: int = 0
    ours: int = 0
    invented: int = 0
    order: int = 0
    pairs: int = 0
    joins: int = 0
    breaks: int = 0
    wrong: int = 0
    misses: list[str] = field(default_factory=list)

    def add(self, other: Score) -> None:
        """Adds the other's counts."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def line(self, name: str) -> str:
        """One row of the report."""
        real = self.ours - self.invented
        return (
            f"{name[:44]:44s} levels {_share(self.levels, self.headings)}  found {_share(self.found, self.headings)}"
            f"  invented {self.invented:3d} (precision {real / max(1, self.ours):.3f})"
            f"  order {_share(self.order, self.pairs)}  joins {_share(self.joins, self.breaks)} (wrong {self.wrong})"
        )


def main() -> int:
    """Prints a row for each document and for all; exit status 1 when a measure is short."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = ap.add_mutually_exclusive_group(required=True)
    source.add_argument("--pages", type=Path, help="folder of parsed pages as JSON lines")
    source.add_argument("--pdfs", type=Path, help="folder of the PDFs, parsed now")
    ap.add_argument("--only", default="", help="documents whose name has this in it, several by |")
    ap.add_argument("--misses", action="store_true", help="list what is wrong")
    args = ap.parse_args()
    total, spent, pages = Score(), 0.0, 0
    for path in sorted(TRUTH.glob("*.json")):
        truth = json.loads(path.read_text())
        if not any(part in path.name for part in args.only.split("|")):
            continue
        parsed = list(_parsed(truth, args.pages, args.pdfs))
        began = time.process_time()
        blocks = list(assemble(parsed))
        spent += time.process_time() - began
        pages += len(parsed)
        score = scored(truth, blocks)
        total.add(score)
        print(score.line(path.stem))
        if args.misses:
            print("\n".join(score.misses))
    print(total.line("all"))
    print(f"assembly {1000 * spent / max(1, pages):.1f} ms a page over {pages} pages")
    got = {"levels": total.levels / max(1, total.headings), "joins": total.joins / max(1, total.breaks)}
    return int(any(got[k] < MUST[k] for k in MUST))


def scored(truth: dict[str, Any], blocks: Sequence[Block]) -> Score:
    """The score of one document's assembled blocks."""
    out = Score()
    _headings(truth, blocks, out)
    _breaks(truth, blocks, out)
    return out


def _headings(truth: dict[str, Any], blocks: Sequence[Block], out: Score) -> None:
    first, last = truth["pages"]
    kinds = (Kind.HEADING, Kind.TITLE)
    ours = [b for b in blocks if b.kind in kinds and b.layer is Layer.BODY]
    ours = [b for b in ours if b.regions and first <= b.regions[0].page <= last]
    real: set[int] = set()
    previous: tuple[int, int] | None = None
    for head in truth["headings"]:
        want = PageBox(head["page"], Box(*head["box"]))
        hits = [i for i, b in enumerate(ours) if any(_meet(r, want) for r in _places(b))]
        real.update(hits)
        out.headings += 1
        if not hits:
            out.misses.append(f"   missed  {_at(want)} level {head['level']}: {_texts(blocks, want)}")
            continue
        block = ours[hits[0]]
        got = 0 if block.kind is Kind.TITLE else block.level or 1
        out.found += 1
        out.levels += got == head["level"]
        if got != head["level"]:
            out.misses.append(f"   level   {_at(want)} {head['level']}, ours {got}: {block.text[:70]!r}")
        if previous:
            out.pairs += 1
            out.order += _sign(head["level"] - previous[0]) == _sign(got - previous[1])
        previous = (head["level"], got)
    out.ours = len(ours)
    for i, b in enumerate(ours):
        if i not in real:
            out.invented += 1
            out.misses.append(f"   invented {_at(b.regions[0])} level {b.level}: {b.text[:70]!r}")


def _breaks(truth: dict[str, Any], blocks: Sequence[Block], out: Score) -> None:
    for b in truth["breaks"]:
        one, two = PageBox(b["from_page"], Box(*b["first"])), PageBox(b["to_page"], Box(*b["second"]))
        joined = any(_stands_in(x, one) and _stands_in(x, two) for x in blocks if len(x.regions) > 1)
        out.breaks += 1
        out.joins += joined == b["joined"]
        if joined != b["joined"]:
            out.wrong += joined
            what = "joined wrongly" if joined else "not joined"
            out.misses.append(f"   {what} {_at(one)}: {_texts(blocks, one)} | {_texts(blocks, two)}")


def _places(block: Block) -> list[PageBox]:
    return [*block.regions, *(ln.region for ln in block.lines)]


def _meet(ours: PageBox, want: PageBox) -> bool:
    """Whether each shares half of the smaller's width and height: a line's box may begin with its leading blanks."""
    if ours.page != want.page:
        return False
    a, b = ours.box, want.box
    wide = min(a.x1, b.x1) - max(a.x0, b.x0) > SHARED * min(a.width, b.width)
    return wide and min(a.y1, b.y1) - max(a.y0, b.y0) > SHARED * min(a.height, b.height)


def _stands_in(block: Block, place: PageBox) -> bool:
    return any(r.page == place.page and r.box.overlap(place.box) > 0 for r in block.regions)


def _sign(n: int) -> int:
    return (n > 0) - (n < 0)


def _at(place: PageBox) -> str:
    return f"p{place.page} y{place.box.y0:.0f}"


def _texts(blocks: Sequence[Block], want: PageBox) -> str:
    hit = [f"{b.kind.value} {b.text[:60]!r}…{b.text[-30:]!r}" for b in blocks if any(_meet(r, want) for r in b.regions)]
    return "; ".join(hit[:3])


def _share(part: int, whole: int) -> str:
    return f"{part / max(1, whole):.3f} ({part}/{whole})"


def _parsed(truth: dict[str, Any], cache: Path | None, pdfs: Path | None) -> Iterator[ParsedPage]:
    last = truth["pages"][1] + AHEAD
    if cache is not None:
        with (cache / truth["set"] / f"{Path(truth['document']).stem}.jsonl").open(encoding="utf-8") as file:
            for text in file:
                page = from_json(ParsedPage, text)
                if page.page > last:
                    return
                yield page
        return
    assert pdfs is not None
    file = pdfs / truth["set"] / "pdfs" / truth["document"]
    source = Source(str(file), file.name, "application/pdf", "", file.stat().st_size)
    parser = LocalParser(workers=1)
    try:
        yield from parser.parse(source, range(min(last + 1, parser.page_count(source))))
    finally:
        parser.close()


if __name__ == "__main__":
    sys.exit(main())
