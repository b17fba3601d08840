"""The arithmetic of docs/scale.md: what 10 thousand to 100 million pages come to, from unit figures.

    python benchmarks/scale.py [--index DIR] [--driver-ms 20] [--pages-per-second 1.22] [--gpus 64]

With ``--index`` (an embedded index of real documents) chunks, table rows and bytes a page are counted in it; without, they are
those of the 17 annual reports that docs/benchmarks.md speaks of. The rest are constants, each with its source. Nothing is
measured on a GPU. Prints the unit figures and a table in Markdown.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from paperlode.ingest.plan_servers import CLIENT_CPU, PAGES_PER_SECOND, SHARE_OF_LIMIT

SIZES = (10_000, 1_000_000, 10_000_000, 100_000_000)
DIMENSIONS = 384


@dataclass(frozen=True, slots=True)
class Units:
    """Of a page; bytes as they lie on the disk."""

    chunks: float
    rows: float
    ledger_bytes: float
    index_bytes: float
    driver_ms: float
    client_ms: float = 1000 * CLIENT_CPU
    gpu_rate: float = PAGES_PER_SECOND * SHARE_OF_LIMIT


REPORTS = Units(chunks=6.39, rows=7.27, ledger_bytes=4_916, index_bytes=99_917, driver_ms=20.0)
"""Counted with ``--index`` on the 17 annual reports (1,529 pages); ``driver_ms`` is from nine of them (docs/benchmarks.md)."""


def counted(index: Path, units: Units) -> Units:
    """The units with what an index of real documents has."""
    from paperlode.api.archive import Archive
    from paperlode.retrieval.points import ROWS

    def in_use(name: str) -> int:
        files = (f for f in index.rglob("*") if f.is_file() and f.relative_to(index).parts[0].startswith(name))
        return sum(f.stat().st_blocks * 512 for f in files)

    with Archive.open(index) as archive:
        found = archive.status().counts
        rows = sum(len(p.vectors.get(ROWS, ())) for p in archive._index.points())  # noqa: SLF001
    return replace(
        units,
        chunks=found.chunks / found.pages,
        rows=rows / found.pages,
        ledger_bytes=in_use("ledger") / found.pages,
        index_bytes=in_use("edge") / found.pages,
    )


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours / 24:,.0f} days" if hours >= 72 else f"{hours:,.1f} h"


def _bytes(n: float) -> str:
    for unit in ("MB", "GB", "TB"):
        n /= 1000
        if n < 1000_000:
            return f"{n / 1000:,.1f} {unit}"
    return f"{n / 1000:,.1f} PB"


def rows_of(units: Units, gpus: int) -> list[tuple[str, list[str]]]:
    """The table: what, and the figure for each of ``SIZES``."""
    vectors = 4 * DIMENSIONS * (units.chunks + units.rows)
    each = [
        ("GPU-hours to recognise every page", lambda n: f"{n / units.gpu_rate / 3600:,.0f}"),
        (f"the same by {gpus} GPUs", lambda n: _hours(n / units.gpu_rate / gpus)),
        ("CPU-hours of the client beside them", lambda n: f"{n * units.client_ms / 3.6e6:,.0f}"),
        ("one driver: assembling, chunking, writing", lambda n: _hours(n * units.driver_ms / 1000)),
        ("chunks; table rows", lambda n: f"{n * units.chunks / 1e6:,.2f}; {n * units.rows / 1e6:,.2f} million"),
        ("vectors of meaning, 4 bytes a number", lambda n: _bytes(n * vectors)),
        ("the same in int8", lambda n: _bytes(n * vectors / 4)),
        ("index on the disk, as Edge keeps it", lambda n: _bytes(n * units.index_bytes)),
        ("ledger with the pages as they were read", lambda n: _bytes(n * units.ledger_bytes)),
    ]
    return [(what, [figure(n) for n in SIZES]) for what, figure in each]


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--index", type=Path)
    ap.add_argument("--driver-ms", type=float, default=REPORTS.driver_ms)
    ap.add_argument("--pages-per-second", type=float, default=PAGES_PER_SECOND)
    ap.add_argument("--gpus", type=int, default=64)
    a = ap.parse_args()
    units = replace(REPORTS, driver_ms=a.driver_ms, gpu_rate=a.pages_per_second * SHARE_OF_LIMIT)
    if a.index:
        units = counted(a.index, units)
    print(units)
    print("| Pages | " + " | ".join(f"{n:,}" for n in SIZES) + " |\n|" + "---|" * (len(SIZES) + 1))
    for what, figures in rows_of(units, a.gpus):
        print(f"| {what} | " + " | ".join(figures) + " |")


if __name__ == "__main__":
    main()
