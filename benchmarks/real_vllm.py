"""The real vLLM, without a GPU: nothing is lost while it is killed, and it refuses what was recorded.

    PAPERLODE_TEST_VLLM=ENVIRONMENT python benchmarks/real_vllm.py [--kills N] [--crops N] [FILE …]

ENVIRONMENT is what ``make vllm-env`` makes (``.venv-vllm``). The model is ``tests/ingest/vllm/tiny_vl.py``'s: its weights are
random, so nothing is said of recognition, and its size says nothing of speed. Regions come from a STAND-IN for the
layout model: nine bands a page, eight of which are read. Each server is started by ``paperlode vllm serve``.

1. The documents (the sample archive) are read; the server is killed with -9 while it works on crops, evenly spread over the
   pages, and started again by the command. Sent: regions of which a crop was sent. Accounted for: those whose block has
   text, or says what is wrong. Answered: those whose block does not say that the server could not be used.
2. Crops given to the client all at once; what the server itself counted beside it.
3. Each of the recorded refusals provoked again: the same status, body and error, or what differs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.ingest.vllm.provoked import EMBEDDING, KEY, PROVOKED, STRICT, Asking, difference, picture
from tests.ingest.vllm.real import ARCHIVE, VARIABLE, Serving, read_through, write_tiny

from paperlode.ingest.vllm.client import VLLMRecogniser
from paperlode.ingest.vllm.values import Crop, Recognition, Task


def killed_in_the_middle(model: Path, files: list[Path], pages: int, kills: int) -> bool:
    """Reads the files; True when nothing was lost."""
    with Serving(model, options=["--restarts", str(kills)]) as served:
        served.ready()
        done: list[str] = []

        def kill(read: int, under_way: int) -> None:
            back = served.said.count("1 of 1 ready") > len(done)
            if len(done) < kills and back and under_way and read >= pages * (len(done) + 1) // (kills + 1):
                done.append(f"after page {read} with {under_way} crops at the server")
                os.kill(served.pid, signal.SIGKILL)

        began = time.monotonic()
        account = read_through(served.url, files, on_page=kill)
        print(f"{len(files)} documents, {account.pages} pages in {time.monotonic() - began:.0f} s, restarts included")
        print(f"killed {len(done)} times: {'; '.join(done) or 'never'}")
        print(f"regions found {account.found}, to be read {account.to_read}, of these blank {account.blank}")
        print(f"sent {account.sent} ({account.requests} crops), accounted for {account.sent - len(account.lost)}")
        print(f"answered {account.answered}, blocks {account.blocks}, failed pages {account.failed}")
        for name in account.lost:
            print(f"lost: {name}")
        served.send(signal.SIGTERM)
        print(f"ended by SIGTERM with {served.ends()}, processes left: {len(served.left)}")
        whole = account.blocks == account.found and account.sent + account.blank == account.to_read
        return whole and len(done) == kills and account.answered == account.sent and not account.failed


def all_at_once(url: str, crops: int) -> bool:
    """True when each was read exactly once."""

    async def read() -> tuple[list[Recognition | BaseException], int]:
        made = [Crop(picture(grey=n % 256), "image/png", 280, 56, Task.OCR, f"crop {n}") for n in range(crops)]
        async with VLLMRecogniser(url) as client:
            asked = asyncio.gather(*(client.recognise(c, max_tokens=32) for c in made), return_exceptions=True)
            most = 0
            while not asked.done():
                await asyncio.wait([asked], timeout=0.05)
                most = max(most, client.under_way)
            return await asked, most

    before = finished(url)
    read_, most = asyncio.run(read())
    answered = sum(isinstance(r, Recognition) for r in read_)
    counted = finished(url) - before
    print(f"{crops} crops at once: {answered} answered, {counted:.0f} counted by the server, at most {most} under way")
    return answered == counted == crops


def finished(url: str) -> float:
    """Requests that the server says it has answered."""
    lines = Asking(url).send("GET", "/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:request_success_total{"))


def provoke(kind: str, served: Serving, key: str | None = None) -> int:
    """Provokes what that server can refuse; how many came as recorded."""
    same = 0
    for name, row in PROVOKED.items():
        if row.server == kind:
            differs = difference(name, row.how(Asking(served.url, key, served.worker)))
            print(f"{name}: {row.error.__name__}{', but ' if differs else ''}{differs}")
            same += not differs
    return same


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--kills", type=int, default=3)
    ap.add_argument("--crops", type=int, default=256)
    ap.add_argument("files", type=Path, nargs="*", metavar="FILE")
    a = ap.parse_args()
    if not os.environ.get(VARIABLE):
        sys.exit(f"{VARIABLE} must name the environment of vLLM: make vllm-env makes .venv-vllm")
    files = a.files or sorted(ARCHIVE.iterdir())
    with tempfile.TemporaryDirectory() as folder:
        tiny = write_tiny(Path(folder) / "tiny-paddleocr-vl")
        good = killed_in_the_middle(tiny, files, pages_of(files), a.kills)
        with Serving(tiny) as plain:
            good &= all_at_once(plain.ready().url, 64)
            good &= all_at_once(plain.url, a.crops)
            same = provoke("plain", plain)
        with Serving(tiny, *EMBEDDING) as embedding:
            same += provoke("embedding", embedding.ready())
        with Serving(tiny, *STRICT, options=["--restarts", "0"], variables={"VLLM_API_KEY": KEY}) as strict:
            same += provoke("strict", strict.ready(), KEY)
    print(f"refusals as recorded: {same} of {len(PROVOKED)}")
    sys.exit(not (good and same == len(PROVOKED)))


def pages_of(files: list[Path]) -> int:
    """Pages of all files together."""
    from paperlode.ingest.pages import PageRef, count_pages

    return sum(count_pages(PageRef(str(f), 0, pdf=f.suffix.lower() == ".pdf")) for f in files)


if __name__ == "__main__":
    main()
