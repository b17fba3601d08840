"""Pages a second through a SIMULATED GPU server: our client beside the server's own limit, and beside PaddleX's policy.

    python -m benchmarks.throughput [--replicas 1,8,64] [--card published] [--part limit|paddlex|faults|documents]

Run from the repository's root. Time is virtual, so that a figure does not depend on this machine. What is simulated, and where
its rates come from, stands in ``tests/ingest/vllm/simulated``: ``clock``, ``engine``, ``server``, and ``work`` for the pages.
Real are ``VLLMRecogniser``, with nothing set, and ``ReadAhead``, used as by ``paddleocr_vl`` (``ours``). PaddleX's policy is
RESTATED (``paddlex``); its code is not run. Nothing here was measured on a GPU.

Parts:

- ``limit``: replicas as addresses of their own (``many``) and behind one address (``one``). ``found_s``: virtual seconds after
  which the server does at least .95 of its own limit in every 10 s. ``share``: of its limit from 30 s on, by the work that
  it does (exact), and by the crops read (with chance, and late while streams are added). ``share_by_pages``: whole pages
  in the second half of the run, since the slowest crop ends a page and takes minutes.
- ``paddlex``: work a second from 30 s on, beside PaddleX, which takes one address; one call for all documents.
- ``faults``: with 1 % slow or failing crops (``work`` has the kinds), by the sound crops read.
- ``documents``: both with documents of 20 pages; PaddleX one call a document, we as many at a time as a run takes.

``--card`` takes another server, to see that nothing hangs on one: see ``engine.CARDS``. 64 replicas take many minutes of CPU.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING, Any

from tests.ingest.vllm.simulated.engine import CARDS
from tests.ingest.vllm.simulated.limit import limit
from tests.ingest.vllm.simulated.ours import ours
from tests.ingest.vllm.simulated.paddlex import paddlex
from tests.ingest.vllm.simulated.server import one_address
from tests.ingest.vllm.simulated.work import Work

from paperlode.ingest.vllm.connections import raise_open_files

if TYPE_CHECKING:
    from tests.ingest.vllm.simulated.engine import Card
    from tests.ingest.vllm.simulated.limit import Limit
    from tests.ingest.vllm.simulated.ours import Read

FROM = 30.0
SHORT = {1: 900.0, 8: 300.0}
"""Virtual seconds of a run, by replicas; 70 for more."""
FAULTY = {1: 600.0, 8: 240.0}
"""The same with faults; 100 for more."""
THEIRS = 1500.0
"""Of a run of PaddleX's policy, which costs little."""
DOCUMENT = 20
PARTS = ("limit", "paddlex", "faults", "documents")


class Bench:
    """The runs for one number of replicas."""

    def __init__(self, card: Card, replicas: int, own: Limit) -> None:
        self._card, self._n, self._own = card, replicas, own
        self._one = one_address(replicas, card)
        self.result: dict[str, Any] = {"replicas": replicas, "limit_pages_per_s": round(own.pages * replicas, 2)}
        self._sound: Read | None = None

    def run(self, part: str) -> None:
        """Adds the part's figures to ``result``."""
        getattr(self, f"_{part}")()

    def _ours(self) -> Read:
        if self._sound is None:
            self._sound = ours(Work(), self._one, seconds=SHORT.get(self._n, 70.0))
        return self._sound

    def _limit(self) -> None:
        many = {f"http://replica-{i}:8000": [self._card] for i in range(self._n)}
        for name in ("one", "many"):
            start = time.perf_counter()
            read = self._ours() if name == "one" else ours(Work(), many, seconds=SHORT.get(self._n, 70.0))
            end = read.seconds[-1].at
            row = {
                "found_s": round(read.found_after(0.95 * self._own.work * self._n), 1),
                "share_by_work": round(read.work(FROM, end) / self._own.work / self._n, 3),
                "share_by_crops": round(read.rate(FROM, end) / self._own.pages / self._n, 3),
                "share_by_pages": round(
                    sum(end / 2 <= t < end for t in read.pages) / (end / 2) / self._own.pages / self._n, 3
                ),
                "pages_per_s": round(read.rate(FROM, end), 2),
                "at_once": read.seconds[-1].at_once,
                "slots": self._card.slots * self._n,
                "lost": read.lost,
                "most_open": read.most_open,
                "most_kept": read.most_kept,
                "cpu_s": round(time.perf_counter() - start),
            }
            self.result[name] = row
            print(f"{self._n} replicas, {name}: {row}", flush=True)

    def _compare(self, name: str, read: Read, theirs: Read, *, by_work: bool) -> None:
        ends = read.seconds[-1].at, theirs.seconds[-1].at
        if by_work:  # in pages of the limit
            a, b = (
                r.work(FROM, e) * self._own.pages / self._own.work for r, e in zip((read, theirs), ends, strict=True)
            )
        else:
            a, b = read.rate(FROM, ends[0]), theirs.rate(FROM, ends[1])
        row = {"ours": round(a, 2), "paddlex": round(b, 2), "times": round(a / b, 2) if b else None}
        row |= {"ours_lost_crops": read.lost, "paddlex_ended_calls": theirs.lost}
        self.result[name] = row
        print(f"{self._n} replicas, {name}: {row}", flush=True)

    def _paddlex(self) -> None:
        self._compare("sound", self._ours(), paddlex(Work(), self._one, seconds=THEIRS), by_work=True)

    def _faults(self) -> None:
        read = ours(Work(faulty=0.01), self._one, seconds=FAULTY.get(self._n, 100.0))
        self._compare("faulty", read, paddlex(Work(faulty=0.01), self._one, seconds=THEIRS), by_work=False)

    def _documents(self) -> None:
        seconds = FAULTY.get(self._n, 100.0)
        for faulty in (0.0, 0.01):
            theirs = paddlex(Work(faulty=faulty), self._one, seconds=THEIRS, document=DOCUMENT)
            read = ours(Work(faulty=faulty), self._one, seconds=seconds, document=DOCUMENT)
            self._compare(f"documents, {faulty:.0%} faulty", read, theirs, by_work=not faulty)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--replicas", default="1,8,64")
    ap.add_argument("--card", default="published", choices=sorted(CARDS))
    ap.add_argument("--part", choices=PARTS, action="append")
    a = ap.parse_args()
    raise_open_files()  # as ``paperlode ingest`` does
    card = CARDS[a.card]
    own = limit(card, Work())
    print(f"{a.card}: one replica does {own.pages:.3f} pages/s at its limit", flush=True)
    benches = [Bench(card, int(n), own) for n in a.replicas.split(",")]
    for bench in benches:
        for part in a.part or PARTS:
            bench.run(part)
    print(json.dumps({"card": a.card, "simulated": True, "runs": [b.result for b in benches]}))


if __name__ == "__main__":
    main()
