"""How often the cheap path is the wrong choice: the layout engine reads every page that the choice calls plain.

    python benchmarks/routing.py --pdfs DIR [--pdfs DIR …] [--every N]

A choice is wrong when the engine finds a table of at least 3 rows and 2 columns, or a formula, on a page that was called
plain (missed), and wasteful when it finds neither, and one column, on a page that was sent to it (waste). The engine is the
judge here, not the truth: it also calls some forms and signature blocks tables.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from paperlode.ingest.document import Kind, ParsedPage
from paperlode.ingest.parsing.local import LocalOptions, LocalParser
from paperlode.ingest.sources import open_source


def structured(page: ParsedPage) -> bool:
    """True when the engine found what the cheap path cannot keep."""
    tables = any(b.table and b.table.rows >= 3 and b.table.cols >= 2 for b in page.blocks)
    return tables or any(b.kind is Kind.FORMULA and b.text for b in page.blocks) or columns(page)


def columns(page: ParsedPage) -> bool:
    """True when two text blocks of some height stand side by side."""
    body = [b.regions[0].box for b in page.blocks if b.kind is Kind.TEXT and b.regions[0].box.height > 30]
    return any(
        a.x1 < b.x0 and min(a.y1, b.y1) - max(a.y0, b.y0) > 30
        for i, a in enumerate(body)
        for b in body[i + 1 :] + body[:i]
    )


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pdfs", type=Path, required=True, action="append")
    ap.add_argument("--every", type=int, default=1, help="take every N-th page")
    a = ap.parse_args()
    chosen, judge = LocalParser(), LocalParser(options=LocalOptions("layout"))
    count: Counter[str] = Counter()
    try:
        for f in sorted(f for d in a.pdfs for f in d.glob("*.pdf")):
            source = open_source(f)
            pages = range(0, chosen.page_count(source), a.every)
            for mine, theirs in zip(chosen.parse(source, pages), judge.parse(source, pages), strict=True):
                way = mine.parser.rsplit("/", 1)[-1]
                if way not in ("plain", "layout"):
                    count[way] += 1
                    continue
                right = "structure" if structured(theirs) else "prose"
                count[f"{way}, engine sees {right}"] += 1
                if way == "plain" and right == "structure":
                    print(f"missed: {f.name} page {mine.page + 1}", file=sys.stderr)
    finally:
        chosen.close()
        judge.close()
    plain = count["plain, engine sees prose"] + count["plain, engine sees structure"]
    for k, n in sorted(count.items()):
        print(f"{k}: {n}")
    if plain:
        print(f"called plain and wrong: {count['plain, engine sees structure'] / plain:.1%} of {plain}")


if __name__ == "__main__":
    main()
