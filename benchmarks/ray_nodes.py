"""A node of a Ray cluster is lost in the middle of a run: is the index that of an undisturbed run without Ray?

    python -m benchmarks.ray_nodes [PATH ...] [--nodes 3] [--lose 1]

Run from the repository's root, with the extra ``ray``. PATH: what is ingested; default a made-up archive of PDFs of plain
prose, so that a run takes as long as the workers' start. The nodes are raylets of their own with one worker each, on this
machine: their processes are killed with -9 as those of a machine that fails, but they share its disk, and its network cannot
fail. Once a third of the pages is read, ``--lose`` nodes are killed; the run goes on with those that are left. Then every stored
point (id, payload, vectors) of the index is compared with that of a run with the local engine. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paperlode.api.archive import Archive, IngestOptions

if TYPE_CHECKING:
    from paperlode.ingest.pipeline import Progress

ROOT = Path(__file__).parents[1]
NOTICED = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 1000, "health_check_failure_threshold": 5}
"""Ray's own defaults take some 20 seconds to give a node up."""
STORE = 80_000_000


def made_up(folder: Path, *, documents: int = 8, pages: int = 12) -> int:
    """Writes PDFs of prose; returns their pages."""
    import pymupdf

    for d in range(documents):
        doc = pymupdf.open()
        for n in range(pages):
            page = doc.new_page()
            for line in range(30):
                said = f"Clause {n}.{line} of contract {d}: party {line} answers within {n + line} days."
                page.insert_text((60, 80 + 20 * line), said, fontsize=10)
        doc.save(folder / f"contract_{d:02}.pdf")
    return documents * pages


def stored(archive: Archive) -> dict[str, Any]:
    """Every point of the index."""
    points = archive._index.points()  # type: ignore[attr-defined]  # noqa: SLF001
    return {p.id: (dict(p.payload), {k: str(v) for k, v in p.vectors.items()}) for p in points}


def main() -> None:
    """See the module."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("paths", nargs="*")
    ap.add_argument("--nodes", type=int, default=3)
    ap.add_argument("--lose", type=int, default=1)
    a = ap.parse_args()
    warnings.simplefilter("ignore")
    roots = (ROOT, *(ROOT / part for part in ("ingest", "retrieval", "api")))
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, roots))
    from paperlode.ingest.ray_cluster import import_ray

    import_ray()
    from ray.cluster_utils import Cluster as Nodes

    with tempfile.TemporaryDirectory() as work:
        paths = a.paths
        if not paths:
            (Path(work) / "made_up").mkdir()
            made_up(Path(work) / "made_up")
            paths = [str(Path(work) / "made_up")]
        began = time.perf_counter()
        with Archive.create(Path(work) / "local") as archive:
            alone = archive.ingest(paths, options=IngestOptions(parser="local", workers=1))
            undisturbed = stored(archive)
        print(f"local: {alone.pages_parsed} pages in {time.perf_counter() - began:.0f} s", flush=True)
        head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False, "_system_config": NOTICED}
        nodes = Nodes(initialize_head=True, head_node_args=head)
        try:
            others = [nodes.add_node(num_cpus=1, object_store_memory=STORE) for _ in range(a.nodes)]
            lost_at: list[int] = []

            def on_progress(progress: Progress) -> None:
                if not lost_at and progress.pages_done >= alone.pages_parsed / 3:
                    lost_at.append(progress.pages_done)
                    for node in others[: a.lose]:
                        nodes.remove_node(node, allow_graceful=False)

            options = IngestOptions(parser="local", engine="ray", address=nodes.address, embedders=1)
            began = time.perf_counter()
            with Archive.create(Path(work) / "ray") as archive:
                report = archive.ingest(paths, options=options, on_progress=on_progress)
                disturbed = stored(archive)
        finally:
            nodes.shutdown()
    print(
        json.dumps(
            {
                "nodes": a.nodes,
                "lost": a.lose if lost_at else 0,
                "lost_after_pages": lost_at[0] if lost_at else None,
                "pages": report.pages_parsed,
                "failed_pages": len(report.page_problems),
                "failed_documents": len(report.failed),
                "points": len(disturbed),
                "points_undisturbed": len(undisturbed),
                "same_index": disturbed == undisturbed,
                "seconds": round(time.perf_counter() - began, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
