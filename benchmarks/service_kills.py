"""A service that is killed with -9 again and again while it takes in files: is every page there in the end, and once?

    python benchmarks/service_kills.py --work DIR [--kills 200] [--seed 0] [--files DIR] [--workers 1] [--most 10]

Starts ``paperlode serve``, uploads the files (default ``samples/archive``, each round with some bytes more behind the end of the
file, so that it is another document), and kills at random moments a worker, the service, or both at once; the service is started
again each time. When the files of a round are through, the next round is uploaded, until there were so many kills. Then it waits
for all jobs, ends the service as Ctrl-C does, and looks into the archive:

``not_done``: jobs that are not done. ``lost_pages``, ``lost_chunks``, ``other_chunks``, ``duplicates``: beside an archive that is
made of the same files undisturbed. ``done_twice``: pages that were written into the ledger a second time, as a trigger in its
database notes. ``problems``: what the archive's own check says. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import psutil

from paperlode.api.archive import Archive

ROOT = Path(__file__).parents[1]


class Service:
    """A running service."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder, self.workers = folder, workers
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.log = (folder.parent / "serve.log").open("ab")

    def start(self) -> None:
        """Until it answers."""
        where = ["--index", str(self.folder), "--port", str(self.port), "--ingesters", str(self.workers)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "paperlode", "serve", *where], stdout=self.log, stderr=self.log
        )
        for _ in range(1200):
            try:
                self.ask("/health/live")
            except (URLError, ConnectionError):
                if self.process.poll() is not None:
                    raise SystemExit(f"the service does not start: see {self.log.name}") from None
                time.sleep(0.05)
            else:
                return
        raise SystemExit("the service does not answer")

    def ask(self, path: str, data: bytes | None = None, **query: Any) -> Any:
        """What it answers, as JSON."""
        url = f"http://127.0.0.1:{self.port}{path}" + (f"?{urlencode(query)}" if query else "")
        request = Request(url, data, {"Content-Type": "application/octet-stream"})
        with urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)

    def ingesters(self) -> list[int]:
        """Process ids of its workers."""
        assert self.process is not None
        try:
            children = psutil.Process(self.process.pid).children()
            return [c.pid for c in children if "worker" in c.cmdline()]
        except psutil.Error:
            return []

    def kill(self, what: str) -> None:
        """With -9."""
        assert self.process is not None
        workers = self.ingesters()
        for pid in workers if what != "service" else ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if what != "worker":
            self.process.kill()
            self.process.wait()
            self.start()

    def jobs(self) -> list[dict[str, Any]]:
        """All of them."""
        out: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.ask("/v1/jobs", limit=200, **cursor)
            out += page["jobs"]
            if page["next"] is None:
                return out
            cursor = {"cursor": page["next"]}

    def end(self) -> None:
        """As Ctrl-C."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)


def upload(service: Service, files: list[Path], round_: int, kept: Path) -> int:
    """The files of one round, which lie in ``kept`` afterwards as they were sent."""
    for path in files:
        data = path.read_bytes() + f"\n%% round {round_}\n".encode()
        (kept / f"{round_}-{path.name}").write_bytes(data)
        while True:
            try:
                service.ask("/v1/documents", data, name=f"{round_}-{path.name}")
            except (URLError, ConnectionError):
                time.sleep(0.1)
            else:
                break
    return len(files)


def campaign(a: argparse.Namespace, service: Service, files: list[Path], kept: Path) -> dict[str, Any]:
    rng = random.Random(a.seed)  # noqa: S311
    kills: dict[str, int] = dict.fromkeys(("worker", "service", "both"), 0)
    uploaded, rounds = 0, 0
    while sum(kills.values()) < a.kills:
        if all(j["state"] not in {"queued", "running"} for j in service.jobs()):
            uploaded += upload(service, files, rounds, kept)
            rounds += 1
        time.sleep(rng.uniform(0.05, a.most))
        what = rng.choice(list(kills))
        service.kill(what)
        kills[what] += 1
        print(f"{sum(kills.values())} kills, {rounds} rounds", file=sys.stderr, flush=True)
    while any(j["state"] in {"queued", "running"} for j in service.jobs()):
        time.sleep(0.5)
    return {"kills": kills, "rounds": rounds, "uploaded": uploaded}


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--work", type=Path, required=True)
    ap.add_argument("--kills", type=int, default=200)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--files", type=Path, default=ROOT / "samples" / "archive")
    ap.add_argument("--workers", type=int, default=1)
    ap.add_argument("--most", type=float, default=10.0, help="seconds between two kills")
    a = ap.parse_args()
    kept = a.work / "kept"
    kept.mkdir(parents=True)
    files = sorted(p for p in a.files.iterdir() if p.suffix.lower() == ".pdf")
    service = Service(a.work / "index", a.workers)
    began = time.time()
    service.start()
    watch_pages(a.work)
    try:
        result = campaign(a, service, files, kept)
        jobs = service.jobs()
    finally:
        service.end()
    result |= looked_at(a.work, jobs, kept)
    print(json.dumps({**result, "seconds": round(time.time() - began)}))


def watch_pages(work: Path) -> None:
    """Has the ledger's database note each page that is written into it."""
    with closing(sqlite3.connect(work / "index" / "ledger.sqlite", timeout=30)) as db:
        db.execute("CREATE TABLE noted (digest, parser, page)")
        db.execute(
            "CREATE TRIGGER note AFTER INSERT ON pages BEGIN INSERT INTO noted VALUES (new.digest, new.parser, new.page); END"
        )
        db.commit()


def noted_pages(work: Path) -> list[tuple[str, str, int]]:
    """Those, as often as they were written."""
    with closing(sqlite3.connect(work / "index" / "ledger.sqlite")) as db:
        return db.execute("SELECT digest, parser, page FROM noted").fetchall()


def looked_at(work: Path, jobs: list[dict[str, Any]], kept: Path) -> dict[str, Any]:
    """What is in the archive, beside one that was made of the same files undisturbed."""
    not_done = [(j["name"], j["state"], j["reason"]) for j in jobs if j["state"] != "done"]
    with Archive.create(work / "undisturbed") as wanted:
        wanted.ingest([kept])
        chunks = {i for d in wanted.documents() for i in (c.id for c in wanted.index.chunks(d.digest))}
        pages = {d.content: d.page_count for d in wanted.documents()}
    with Archive.open(work / "index") as archive:
        problems = archive.check()
        found = [c.id for d in archive.documents() for c in archive.index.chunks(d.digest)]
        there = {d.content: d.page_count for d in archive.documents()}
    noted = noted_pages(work)
    return {
        "jobs": len(jobs),
        "not_done": not_done,
        "pages": sum(pages.values()),
        "lost_pages": sum(n for c, n in pages.items() if there.get(c) != n),
        "pages_read": len(noted),
        "done_twice": len(noted) - len(set(noted)),
        "chunks": len(chunks),
        "lost_chunks": len(chunks - set(found)),
        "other_chunks": len(set(found) - chunks),
        "duplicates": len(found) - len(set(found)),
        "problems": problems,
    }


if __name__ == "__main__":
    main()
