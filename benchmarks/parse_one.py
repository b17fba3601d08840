"""Parses one file and reports as JSON on the last line: status, pages, failed pages.

    python benchmarks/parse_one.py FILE [--password P] [--seconds S]

``status``: ``ok`` (every page parsed), ``partial`` (some pages failed, each listed with its reason), ``failed`` (no page
could be parsed, or the file could not be opened; ``error`` says why). Exit code 0 for ok and partial, 1 for failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from paperlode.ingest.errors import PaperlodeError
from paperlode.ingest.parsing.local import LocalParser
from paperlode.ingest.sources import open_source
from paperlode.ingest.workers import WorkerLimits


def parse(file: str, password: str | None, seconds: float) -> dict[str, object]:
    parser = LocalParser(password=password, workers=1, limits=WorkerLimits(seconds=seconds))
    try:
        source = open_source(file)
        pages = list(parser.parse(source, range(parser.page_count(source))))
    except PaperlodeError as e:
        return {"status": "failed", "pages": 0, "failed_pages": 0, "error": e.code, "message": str(e)}
    finally:
        parser.close()
    failed = [{"page": p.page, "code": p.failure.code, "message": p.failure.message} for p in pages if p.failure]
    return {
        "status": "ok" if not failed else "partial" if len(failed) < len(pages) else "failed",
        "pages": len(pages),
        "failed_pages": len(failed),
        "failures": failed,
        "chars": sum(len(b.text) for p in pages for b in p.blocks),
        "parsers": sorted({p.parser for p in pages}),
    }


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("file")
    ap.add_argument("--password")
    ap.add_argument("--seconds", type=float, default=180.0, help="time limit of a page")
    a = ap.parse_args()
    start = time.perf_counter()
    report = parse(a.file, a.password, a.seconds)
    report["seconds"] = round(time.perf_counter() - start, 2)
    print(json.dumps(report, ensure_ascii=False))
    sys.exit(1 if report["status"] == "failed" else 0)


if __name__ == "__main__":
    main()
