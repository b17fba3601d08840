"""How often page pictures are turned the right way, and what that costs.

    python benchmarks/upright.py [--folder DIR …] [--pages 3] [--dpi 200]

Every page of the samples, and the first ``--pages`` pages of the PDFs and pictures in each folder, is turned in four directions
and judged by its picture alone (text layers are not looked at). Pages are taken to stand as they are displayed, but for
``upside_down.pdf`` of the samples. Wrong answers are listed. The last line is JSON: by source ``pages``, ``judged`` (4 a page),
``right``, ``blank`` (no turn can be told) and ``turned_wrongly`` (a page that stood is laid down, or one that lies is turned
the wrong way: worse than not turning it); ``cpu_ms``: median and 95th percentile of pages that stand and of pages that lie.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter, defaultdict
from pathlib import Path

from paperlode.ingest.errors import PaperlodeError
from paperlode.ingest.pages import PageRef, count_pages, read_picture
from paperlode.ingest.parsing.uprightness import turn_of, turned

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "archive"
ENDINGS = {".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff"}
LYING = {"upside_down.pdf": 180}


def refs(folder: Path, most: int | None) -> list[PageRef]:
    out: list[PageRef] = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in ENDINGS:
            continue
        pdf = path.suffix.lower() == ".pdf"
        try:
            pages = count_pages(PageRef(str(path), 0, pdf))
        except PaperlodeError as e:
            print(f"left out: {e}")
            continue
        out += [PageRef(str(path), p, pdf) for p in range(min(pages, most or pages))]
    return out


def spread(milliseconds: list[float]) -> dict[str, float]:
    ordered = sorted(milliseconds)
    at = min(len(ordered) - 1, round(0.95 * len(ordered)))
    return {"median": round(statistics.median(ordered), 1), "p95": round(ordered[at], 1)} if ordered else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, action="append", default=[])
    parser.add_argument("--pages", type=int, default=3)
    parser.add_argument("--dpi", type=int, default=200)
    args = parser.parse_args()
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    costs: dict[str, list[float]] = defaultdict(list)
    ways: Counter[str] = Counter()
    warm = False
    for folder, most in [(SAMPLES, None), *((f, args.pages) for f in args.folder)]:
        count = counts[folder.name]
        for ref in refs(folder, most):
            try:
                picture, _, _ = read_picture(ref, dpi=args.dpi)
            except PaperlodeError as e:
                print(f"left out: {e}")
                continue
            count["pages"] += 1
            if not warm:  # loads the models
                turn_of(turned(picture, 180))
                warm = True
            for turn in (0, 90, 180, 270):
                lying = turned(picture, turn)
                begun = time.process_time()
                found = turn_of(lying)
                cost = 1000 * (time.process_time() - begun)
                wanted = (LYING.get(Path(ref.path).name, 0) - turn) % 360
                ways[found.by] += 1
                count["judged"] += 1
                count["right"] += found.turn == wanted and found.by != "blank"
                count["blank"] += found.by == "blank"
                count["turned_wrongly"] += found.turn not in {0, wanted}
                costs["stands" if wanted == 0 else "lies"].append(cost)
                if found.turn != wanted and found.by != "blank":
                    print(
                        f"{Path(ref.path).name} page {ref.page + 1} turned by {turn}: {found.turn}, not {wanted} ({found.by})"
                    )
    figures = {"cpu_ms": {k: spread(v) for k, v in costs.items()}, "by": dict(ways)}
    print(json.dumps({**{k: dict(v) for k, v in counts.items()}, **figures}))


if __name__ == "__main__":
    main()
