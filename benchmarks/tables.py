"""Tables found by the local parser in PDFs, digital or rendered to pictures first.

    python benchmarks/tables.py --pdfs DIR [--render DPI [--degrade]] --out FILE

Writes one line a document, ``{"doc", "tables": [{"page", "cells": [{"row", "col", "row_end", "col_end", "text"}]}]}``.
With ``--render`` each page becomes a picture of that resolution, without any text layer, and is read as a scan;
``--degrade`` makes it a poor one: turned by one degree, with noise, stored as JPEG (the same each time).
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from paperlode.ingest.document import ParsedPage, Source, Table
from paperlode.ingest.pages import PageRef, render_page
from paperlode.ingest.parsing.local import LocalOptions, LocalParser

if TYPE_CHECKING:
    from PIL.Image import Image

SKEW = 1.0  # degrees
NOISE = 7.0  # standard deviation, of 255
JPEG_QUALITY = 70


def cells(table: Table) -> list[dict[str, object]]:
    return [
        {"row": c.row, "col": c.col, "row_end": c.row_end, "col_end": c.col_end, "text": c.text} for c in table.cells
    ]


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pdfs", type=Path, required=True)
    ap.add_argument("--render", type=int, metavar="DPI", help="read pictures of the pages instead of the PDF")
    ap.add_argument("--degrade", action="store_true", help="with --render: skew, noise and JPEG")
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--route", default="auto", help="force one way of reading: auto, plain, layout, scan")
    a = ap.parse_args()
    if a.degrade and not a.render:
        ap.error("--degrade works on pictures: give --render DPI too")
    files = sorted(a.pdfs.glob("*.pdf"))
    if not files:
        sys.exit(f"{a.pdfs}: no PDFs")
    parser = LocalParser(options=LocalOptions(a.route))
    start, pages = time.perf_counter(), 0
    with tempfile.TemporaryDirectory() as scratch, a.out.open("w", encoding="utf-8") as out:
        try:
            for f in files:
                parsed = list(read(parser, f, a.render, Path(scratch), degrade=a.degrade))
                pages += len(parsed)
                for p in parsed:
                    if p.failure:
                        print(f"{f.name} page {p.page + 1}: {p.failure.message}", file=sys.stderr)
                tables = [{"page": p.page, "cells": cells(b.table)} for p in parsed for b in p.blocks if b.table]
                out.write(json.dumps({"doc": f.stem, "tables": tables}, ensure_ascii=False) + "\n")
                print(
                    f"{f.name}: {len(parsed)} pages, {len(tables)} tables, {', '.join(sorted({p.parser for p in parsed}))}",
                    file=sys.stderr,
                )
        finally:
            parser.close()
    print(f"{pages} pages in {time.perf_counter() - start:.0f} s", file=sys.stderr)


def degraded(picture: Image, seed: int) -> Image:
    """The RGB picture as a poor scan: skew, noise and JPEG, the same for the same seed."""
    import numpy as np
    from PIL import Image as Images

    turned = picture.rotate(-SKEW, Images.Resampling.BICUBIC, expand=False, fillcolor=(255, 255, 255))
    noise = np.random.default_rng(seed).normal(0.0, NOISE, (turned.height, turned.width, 1))
    noisy = np.clip(np.asarray(turned, dtype=np.float64) + noise, 0, 255).round().astype(np.uint8)
    jpeg = io.BytesIO()
    Images.fromarray(noisy).save(jpeg, "JPEG", quality=JPEG_QUALITY)
    return Images.open(jpeg).convert("RGB")


def read(parser: LocalParser, file: Path, dpi: int | None, scratch: Path, *, degrade: bool = False) -> list[ParsedPage]:
    """All pages of the file, each first made a picture when ``dpi`` is given."""
    source = Source(str(file), file.name, "application/pdf", "", file.stat().st_size)
    count = parser.page_count(source)
    if not dpi:
        return list(parser.parse(source, range(count)))
    from PIL import Image

    frames = []
    for i in range(count):
        target = scratch / f"{file.stem}-{i}.png"
        png = parser.pool.call(render_page, PageRef(str(file), i, pdf=True), dpi, what=f"{file.name} page {i + 1}")
        target.write_bytes(png)
        frame = Image.open(target).convert("RGB")
        frames.append(degraded(frame, seed=i) if degrade else frame)
    tiff = scratch / f"{file.stem}.tiff"
    frames[0].save(tiff, save_all=True, append_images=frames[1:], dpi=(dpi, dpi), compression="tiff_lzw")
    picture = Source(str(tiff), tiff.name, "image/tiff", "", tiff.stat().st_size)
    return list(parser.parse(picture, range(count)))


if __name__ == "__main__":
    main()
