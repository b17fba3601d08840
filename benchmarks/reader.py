"""Readers who search all the while as documents are updated: nobody sees two versions of a document, half of one, or none.

    python benchmarks/reader.py [--documents 20] [--updates 5] [--readers 2]

Every page of a document says which version it is of. Readers search within single documents (every page of one version must be
found) and over all of them (no document may appear in two versions) while ``--updates`` runs change every document. A small
parser and a model made of hashes stand for the real ones (``crash_archive.py``); all else is what users run. The last line is
JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

from crash_archive import HashModel, LineParser

from paperlode.api.archive import Archive, IngestOptions, Scope

SAYS = re.compile(r"Record (\d+) is in version (\d+)")
PAGES = 6


def write(folder: Path, document: int, version: int) -> None:
    """A document of which every page tells its version; every other page says nothing new."""
    pages = [
        f"=Chapter {n}|Record {document} is in version {version} on page {n}, as the office of records says.|"
        f"{' '.join(f'word{n}{i}' for i in range(60))}."
        for n in range(PAGES)
    ]
    (folder / f"record{document}.pdf").write_text("\n".join(("%PDF-lines", *pages)), encoding="utf-8")


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--documents", type=int, default=20)
    ap.add_argument("--updates", type=int, default=5)
    ap.add_argument("--readers", type=int, default=2)
    a = ap.parse_args()
    seen: Counter[str] = Counter()
    wrong: list[str] = []
    versions: set[tuple[int, int]] = set()
    stop = threading.Event()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "files"
        folder.mkdir()
        for document in range(a.documents):
            write(folder, document, 0)
        with Archive.create(Path(scratch) / "index", embedder=HashModel()) as archive:
            archive.ingest([folder], parser=LineParser(), options=IngestOptions(free_bytes=1))
            digests = {n: archive.document(f"record{n}.pdf").digest for n in range(a.documents)}

            def read(seed: int) -> None:
                rng = Random(seed)  # noqa: S311
                while not stop.is_set():
                    document = rng.randrange(a.documents)
                    question = f"in which version is record {document} as the office says"
                    within = rng.random() < 0.7
                    scope = Scope(documents=(digests[document],)) if within else None
                    hits = archive.search(question, limit=50, scope=scope)
                    found: dict[int, dict[int, set[int]]] = {}
                    for hit in hits:
                        for number, version in SAYS.findall(hit.chunk.shown_text + "\n" + hit.passage):
                            found.setdefault(int(number), {}).setdefault(int(version), set()).add(hit.page)
                    seen["within" if within else "over all"] += 1
                    if any(len(v) > 1 for v in found.values()):
                        wrong.append(f"two versions: {found}")
                    if within and [len(pages) for pages in found.get(document, {}).values()] != [PAGES]:
                        wrong.append(f"not whole: {found}")
                    versions.update((number, version) for number, by in found.items() for version in by)

            def reading(seed: int) -> None:
                try:
                    read(seed)
                except Exception as exc:  # noqa: BLE001  a reader that ends has seen nothing
                    wrong.append(f"a reader ended: {type(exc).__name__}: {exc}")

            readers = [threading.Thread(target=reading, args=(n,)) for n in range(a.readers)]
            for reader in readers:
                reader.start()
            start = time.perf_counter()
            for version in range(1, a.updates + 1):
                for document in range(a.documents):
                    write(folder, document, version)
                report = archive.ingest([folder], parser=LineParser(), options=IngestOptions(free_bytes=1))
                if len(report.ingested) != a.documents:
                    wrong.append(f"run {version}: {len(report.ingested)} documents ingested, {report.failed}")
            seconds = time.perf_counter() - start
            stop.set()
            for reader in readers:
                reader.join()
    result = {
        "updates": a.updates * a.documents, "searches": dict(seen), "versions_seen": len(versions),
        "of": a.documents * (a.updates + 1), "wrong": len(wrong), "first_wrong": wrong[:3], "seconds": round(seconds, 1),
    }  # fmt: skip
    print(json.dumps(result))
    sys.exit(bool(wrong) or not seen or len(versions) <= a.documents)  # who saw no update has shown nothing


if __name__ == "__main__":
    main()
