"""Memory of the production parser over many pages: flat, or does it grow?

    python benchmarks/memory.py [--pages 10000] [--regions 10] [--workers N] [--dpi 36]

One PDF of so many small pages is made and read by ``PaddleOCRVLParser`` as it is: real worker processes, threads, sockets and
pictures; pages are taken as they come and dropped. Two parts are STAND-INS: the layout model, which knows where the
regions are, and the server, a process of its own that gives every crop the same short answer at once.

Each tenth of the pages gives one line: the mean and the highest sum over this process and its workers (without the server), as
resident set size (RSS), and the mean as proportional set size (PSS). PSS rises when other programs on the machine that use
the same libraries end, so RSS counts here. The last line is JSON; ``last_over_second`` is the mean RSS of the last tenth over
that of the second, and must be at most 1.05.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from paperlode.ingest.document import Box
from paperlode.ingest.parsing.layout import Region
from paperlode.ingest.parsing.paddleocr_vl import PaddleOCRVLParser, VLOptions
from paperlode.ingest.sources import open_source
from paperlode.ingest.vllm.client import VLLMRecogniser
from paperlode.ingest.vllm.loops import LoopWatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paperlode.ingest.document import ParsedPage

MODEL = "PaddleOCR-VL-0.9B"
WIDTH, HEIGHT = 400.0, 560.0
ANSWER = "The quick brown fox jumps over it."


# ----------------------------------------------------------------------------------------------------- stand-ins


def _stream() -> bytes:
    """A whole streamed answer, as vLLM sends it with ``--stream-interval 16``."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": MODEL}
    tokens = [{"token": w, "logprob": -0.1, "bytes": None, "top_logprobs": []} for w in ANSWER.split(" ")]
    tokens = [{**t, "token": f"{t['token']} "} for t in tokens[:-1]] + tokens[-1:]
    first = {"index": 0, "delta": {"content": ANSWER}, "logprobs": {"content": tokens}, "finish_reason": "stop"}
    usage = {"usage": {"completion_tokens": len(tokens)}, "choices": []}
    events = [json.dumps({**head, "choices": [first]}), json.dumps({**head, **usage}), "[DONE]"]
    body = "".join(f"data: {e}\n\n" for e in events).encode()
    kind = b"text/event-stream"
    return b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s" % (kind, len(body), body)


async def _serve() -> None:
    """The STAND-IN server; writes its port to standard output."""
    models = json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}).encode()
    shown = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(models), models)
    answer = _stream()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = head.partition(b"content-length:")[2].partition(b"\r\n")[0].strip()
                await reader.readexactly(int(length or 0))
                writer.write(answer if head.startswith(b"post") else shown)
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class KnownLayout:
    """The STAND-IN layout model: the same regions on every page, one under the other."""

    def __init__(self, regions: int) -> None:
        self._regions = regions

    def detect(self, picture: Any) -> tuple[Region, ...]:
        """The regions in pixels of the picture (h, w, 3)."""
        scale = picture.shape[1] / WIDTH
        return tuple(
            Region("text", 0.9, Box(30 * scale, (y - 10) * scale, 370 * scale, (y + 5) * scale), order=n)
            for n, y in enumerate(_lines(self._regions))
        )


def _lines(regions: int) -> list[float]:
    """Base lines in points, from the top."""
    return [40 + (HEIGHT - 80) * n / regions for n in range(regions)]


def _document(path: Path, pages: int, regions: int) -> None:
    """A PDF of so many pages, each with its own text; written by hand, since libraries take minutes for so many."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(pages))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {pages}/Kids[{kids}]>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for n in range(pages):
        text = "".join(f"BT /F 11 Tf 35 {HEIGHT - y:.1f} Td ({ANSWER} Page {n + 1}.) Tj ET\n" for y in _lines(regions))
        box = f"/MediaBox[0 0 {WIDTH:.0f} {HEIGHT:.0f}]"
        objects += [
            f"<</Type/Page/Parent 2 0 R{box}/Resources<</Font<</F 3 0 R>>>>/Contents {5 + 2 * n} 0 R>>",
            f"<</Length {len(text)}>>stream\n{text}endstream",
        ]
    at, places = 9, []
    with path.open("wb") as out:
        out.write(b"%PDF-1.4\n")
        for number, body in enumerate(objects, 1):
            places.append(at)
            at += out.write(f"{number} 0 obj\n{body}\nendobj\n".encode())
        table = "".join(f"{p:010} 00000 n \n" for p in places)
        size = len(objects) + 1
        out.write(f"xref\n0 {size}\n0000000000 65535 f \n{table}".encode())
        out.write(f"trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{at}\n%%EOF\n".encode())


# ------------------------------------------------------------------------------------------------------ measuring


@contextmanager
def _server() -> Iterator[tuple[int, int]]:
    """Port and process of the stand-in."""
    process = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline()), process.pid
    finally:
        process.kill()
        process.wait()


class Samples:
    """Sums of memory over this process and its children but one, in MB, by tenth of the pages."""

    def __init__(self, pages: int, without: int) -> None:
        self.done = 0
        self.by_tenth: list[list[tuple[float, float]]] = [[] for _ in range(10)]
        self._pages, self._without = pages, without
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(0.5):
            pss = rss = 0
            for p in [me, *me.children(recursive=True)]:
                if p.pid == self._without:
                    continue
                try:
                    full = p.memory_full_info()
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
                pss += getattr(full, "pss", full.rss)
                rss += full.rss
            self.by_tenth[min(9, 10 * self.done // self._pages)].append((pss / 2**20, rss / 2**20))

    def end(self) -> None:
        """No more samples."""
        self._stop.set()
        self._thread.join()


def read(path: Path, a: argparse.Namespace, port: int, without: int) -> tuple[Samples, int, float]:
    """Samples, pages that were not read whole, and seconds."""
    parser = PaddleOCRVLParser(
        lambda: VLLMRecogniser(f"http://127.0.0.1:{port}", watch=lambda _: LoopWatch()),
        lambda: KnownLayout(a.regions),
        options=VLOptions(dpi=a.dpi, media_type="image/jpeg", cpu_fallback=False),
        workers=a.workers,
    )
    source = open_source(str(path))
    samples = Samples(a.pages, without)
    start, broken = time.perf_counter(), 0
    try:
        for page in parser.parse(source, range(a.pages)):
            samples.done += 1
            broken += not _whole(page, a.regions)
            if samples.done % 500 == 0:
                print(f"{samples.done} pages, {time.perf_counter() - start:.0f} s", file=sys.stderr)
    finally:
        samples.end()
        parser.close()
    return samples, broken, time.perf_counter() - start


def _whole(page: ParsedPage, regions: int) -> bool:
    return page.failure is None and [b.text for b in page.blocks] == [ANSWER] * regions


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pages", type=int, default=10_000)
    ap.add_argument("--regions", type=int, default=10)
    ap.add_argument("--workers", type=int, default=None)
    ap.add_argument("--dpi", type=int, default=36)
    ap.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    a = ap.parse_args()
    if a.serve:
        asyncio.run(_serve())
        return
    with tempfile.TemporaryDirectory() as scratch, _server() as (port, without):
        path = Path(scratch) / "pages.pdf"
        _document(path, a.pages, a.regions)
        samples, broken, seconds = read(path, a, port, without)
    means = []
    for n, tenth in enumerate(samples.by_tenth, 1):
        pss, rss = zip(*tenth, strict=True) if tenth else ((0.0,), (0.0,))
        means.append(statistics.fmean(rss))
        print(f"tenth {n:2}: RSS {means[-1]:6.0f} MB (highest {max(rss):6.0f}), PSS {statistics.fmean(pss):6.0f} MB")
    result = {
        "pages": samples.done,
        "not_whole": broken,
        "pages_per_s": round(samples.done / seconds, 1),
        "second_tenth_mb": round(means[1]),
        "last_tenth_mb": round(means[9]),
        "last_over_second": round(means[9] / means[1], 3) if means[1] else None,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
