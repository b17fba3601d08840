"""Recognition of page pictures by the local parser.

    python benchmarks/ocr.py --images DIR --out FILE

Writes one line a picture, ``{"page_id", "text", "parser", "seconds"}``: the text of every block that the parser returns,
in reading order. A picture that fails is written with an empty text and its ``failure``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from paperlode.ingest.document import Block, Source
from paperlode.ingest.parsing.local import LocalParser

PICTURES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"}


def spoken(block: Block) -> str:
    """The block's text without the separators that only our row form adds."""
    if block.table is None:
        return block.text
    return " ".join(c.text for c in block.table.cells)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--images", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--workers", type=int)
    a = ap.parse_args()
    files = sorted(p for p in a.images.iterdir() if p.suffix.lower() in PICTURES)
    if not files:
        sys.exit(f"{a.images}: no pictures")
    parser = LocalParser(workers=a.workers)
    try:
        with a.out.open("w", encoding="utf-8") as out:
            for f in files:
                start = time.perf_counter()
                source = Source(str(f), f.name, "image/any", "", f.stat().st_size)
                (page,) = parser.parse(source, [0])
                record = {
                    "page_id": f.stem,
                    "text": "\n".join(spoken(b) for b in page.blocks),
                    "parser": page.parser,
                    "seconds": round(time.perf_counter() - start, 2),
                }
                if page.failure:
                    record["failure"] = page.failure.message
                out.write(json.dumps(record, ensure_ascii=False) + "\n")
                print(f"{f.name}: {len(page.blocks)} blocks, {record['seconds']} s", file=sys.stderr)
    finally:
        parser.close()


if __name__ == "__main__":
    main()
