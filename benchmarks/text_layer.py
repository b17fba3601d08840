"""What keeping a trustworthy text layer spares the recognition server (``VLOptions.text_layer = "keep"``).

    python benchmarks/text_layer.py [--pdfs DIR …] [--docs 5] [--pages 20]

On the digital samples and on the first ``--docs`` PDFs of each folder, ``--pages`` pages each, evenly spread. The regions are
NOT those of PP-DocLayout: they come from the local layout engine (PyMuPDF's), its classes mapped onto PP-DocLayout's
labels, so that no weights are needed; it finds no charts, seals or inline formulas. Crops are those that would be sent.
Output tokens are estimated: a token for every 4 characters (1.5 of Chinese), and one more for each cell of a table.

The last line is JSON, by source: ``pages``, ``kept_pages`` (with a layer that is trusted), ``regions`` that are read at all, and
the shares of ``regions``, ``crop_pixels`` and ``output_tokens`` that are not sent; ``same_words``: of the words kept, those
that the local engine reads in the same region too (mean, by words); ``cpu_ms``: of judging and reading the layer, a
page.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from paperlode.ingest.document import Box, Kind
from paperlode.ingest.errors import PaperlodeError
from paperlode.ingest.pages import PageRef, count_pages, open_pdf
from paperlode.ingest.parsing.crops import budget_for, grid_size
from paperlode.ingest.parsing.engine import read_layout
from paperlode.ingest.parsing.layout import Region
from paperlode.ingest.parsing.lines import is_cjk
from paperlode.ingest.parsing.turning import turned_page
from paperlode.ingest.parsing.vl_plan import piece_of, plan_page
from paperlode.ingest.parsing.vl_render import prepare_page

if TYPE_CHECKING:
    from paperlode.ingest.document import Block
    from paperlode.ingest.parsing.vl_plan import Part
    from paperlode.ingest.parsing.vl_render import PreparedPage

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "archive"
VERSION = "1.6"
LABELS = {
    Kind.TITLE: "doc_title",
    Kind.HEADING: "paragraph_title",
    Kind.TABLE: "table",
    Kind.CAPTION: "figure_title",
    Kind.FIGURE: "image",
    Kind.FORMULA: "display_formula",
    Kind.FOOTNOTE: "footnote",
    Kind.PAGE_HEADER: "header",
    Kind.PAGE_FOOTER: "footer",
}
"""Of the local engine's kinds; all others are ``text``."""


def tokens(text: str, cells: int = 0) -> float:
    wide = sum(map(is_cjk, text))
    return wide / 1.5 + (len(text) - wide) / 4 + cells


def regions(ref: PageRef, page: PreparedPage) -> list[tuple[Region, Block]]:
    pdf = turned_page(open_pdf(ref.path, ref.password)[ref.page], page.turn)
    return [
        (Region(LABELS.get(b.kind, "text"), 0.9, Box(*(v / page.scale for v in b.regions[0].box)), order=n), b)
        for n, b in enumerate(read_layout(pdf, ref.page))
    ]


def agreeing(own: str, engine: str) -> tuple[int, int]:
    a, b = Counter(own.split()), Counter(engine.split())
    return sum((a & b).values()), sum(a.values())


def measure(ref: PageRef, count: Counter[str]) -> None:
    page = prepare_page(ref, dpi=200, upright=True, layer=True)
    begun = time.process_time()
    prepare_page(ref, dpi=20, upright=False, layer=True)
    count["cpu_ms"] += 1000 * (time.process_time() - begun)
    begun = time.process_time()
    prepare_page(ref, dpi=20, upright=False, layer=False)
    count["cpu_ms"] -= 1000 * (time.process_time() - begun)
    found = regions(ref, page)
    begun = time.process_time()
    kept = plan_page(page.picture, [r for r, _ in found], version=VERSION, layer=page.layer, scale=page.scale).parts
    count["cpu_ms"] += 1000 * (time.process_time() - begun)
    begun = time.process_time()
    plan_page(page.picture, [r for r, _ in found], version=VERSION)
    count["cpu_ms"] -= 1000 * (time.process_time() - begun)
    count["pages"] += 1
    count["kept_pages"] += page.layer is not None
    for part in kept:
        if part.task is not None:
            weigh(part, page, dict(found).get(part.region), count)


def weigh(part: Part, page: PreparedPage, block: Block | None, count: Counter[str]) -> None:
    tall, wide = piece_of(page.picture, part).shape[:2]
    w, h = grid_size(wide, tall, budget_for(VERSION))
    said = block.text if block is not None else ""
    out = tokens(said, len(block.table.cells) if block is not None and block.table else 0)
    for name, amount in (("regions", 1), ("crop_pixels", w * h), ("output_tokens", out)):
        count[name] += amount  # type: ignore[assignment]
        count[f"kept_{name}"] += amount if part.own is not None else 0  # type: ignore[assignment]
    if part.own is not None and block is not None:
        same, words = agreeing(" ".join(part.own.text.split()), block.text)
        count["same"] += same
        count["words"] += words


def refs(folder: Path, docs: int | None, pages: int) -> list[PageRef]:
    out: list[PageRef] = []
    for path in sorted(folder.glob("*.pdf"))[:docs]:
        try:
            total = count_pages(PageRef(str(path), 0, pdf=True))
        except PaperlodeError as e:
            print(f"left out: {e}")
            continue
        some = range(total) if total <= pages else (round(k * (total - 1) / (pages - 1)) for k in range(pages))
        out += [PageRef(str(path), p, pdf=True) for p in some]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pdfs", type=Path, action="append", default=[])
    parser.add_argument("--docs", type=int, default=5)
    parser.add_argument("--pages", type=int, default=20)
    args = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    for folder in (SAMPLES, *args.pdfs):
        docs = None if folder is SAMPLES else args.docs
        count: Counter[str] = Counter()
        for ref in refs(folder, docs, args.pages):
            try:
                measure(ref, count)
            except PaperlodeError as e:
                print(f"left out: {e}")
        shares = {n: count[f"kept_{n}"] / max(1, count[n]) for n in ("regions", "crop_pixels", "output_tokens")}
        figures[folder.name] = {
            "pages": count["pages"],
            "kept_pages": count["kept_pages"],
            "regions": count["regions"],
            "not_sent": {n: round(s, 3) for n, s in shares.items()},  # type: ignore[dict-item]
            "same_words": round(count["same"] / max(1, count["words"]), 4),
            "cpu_ms": round(count["cpu_ms"] / max(1, count["pages"]), 1),
        }
    print(json.dumps({"regions_from": "the local layout engine, not PP-DocLayout", **figures}))


if __name__ == "__main__":
    main()
