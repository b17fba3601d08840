"""The way of the content from page to blocks, through STAND-INS that read: no recognition is measured here.

    python benchmarks/reading.py [--doc NAME ...] [--media-type image/png]

A layout stand-in and a recognition stand-in (``tests/ingest/vllm/reading.py``) know the truth of the sample pages. They answer
over vLLM's wire format what they see in the crops that PaddleOCRVLParser sends; the pages that come out are held against
``samples/truth.json`` and ``samples/layout.json`` (scores: ``tests/end_to_end/sample_scores.py``). What is missing from 1 was
lost or changed by paperlode: in rendering, cutting, sending, or in making blocks of the answers.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.end_to_end.sample_scores import SAMPLES, Scores, score_document
from tests.ingest.vllm.reading import samples
from tests.ingest.vllm.standin import serving

from paperlode.ingest.parsing.paddleocr_vl import PaddleOCRVLParser, VLOptions
from paperlode.ingest.sources import open_source
from paperlode.ingest.vllm.client import VLLMRecogniser
from paperlode.ingest.vllm.loops import LoopWatch


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    files = {p.stem: p for p in sorted((SAMPLES / "archive").iterdir())}
    ap.add_argument("--doc", action="append", choices=files, help="only this sample; may be given again")
    ap.add_argument("--media-type", default="image/png", help="of the crops")
    a = ap.parse_args()
    start = time.perf_counter()
    layout, reader = samples()
    ready = time.perf_counter()
    scores = Scores()
    with serving(reader) as (server, _):
        parser = PaddleOCRVLParser(
            lambda: VLLMRecogniser(server.url, watch=lambda _: LoopWatch()),
            lambda: layout,
            options=VLOptions(media_type=a.media_type, cpu_fallback=False),
        )
        try:
            for doc in a.doc or files:
                source = open_source(str(files[doc]))
                pages = list(parser.parse(source, range(parser.page_count(source))))
                for p in pages:
                    if p.failure:
                        print(f"{doc} page {p.page + 1}: {p.failure.message}", file=sys.stderr)
                score_document(doc, pages, scores)
        finally:
            parser.close()
    print("STAND-IN layout and recognition, which know the truth; not PaddleOCR-VL")
    print(f"text      {scores.text:.4f}  1 - edits / characters, {len(scores.pages)} pages")
    print(f"tables    {scores.cells:.4f}  cell F1 (text, place, span), {scores.cells_true} cells")
    print(f"formulas  {scores.formulas:.4f}  F1 of exact LaTeX in place, {scores.formulas_true} formulas")
    print(f"below 1: {'; '.join(scores.worst_pages(10)) or 'no page'}")
    print(
        f"{len(server.asked)} requests, {reader.illegible} of them for crops that are on no page; "
        f"{time.perf_counter() - ready:.0f} s, after {ready - start:.0f} s for the stand-ins",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
