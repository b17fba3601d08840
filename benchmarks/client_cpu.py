"""CPU that one page costs the client of a recognition server: cutting, ink, resizing, encoding, sending, reading the stream.

    python benchmarks/client_cpu.py [FILE…] [--media-type image/png] [--at-once 64] [--rounds 3]

Pages (default: the samples) are rendered and laid out beforehand, by the local parser, which is not counted; their regions
are then read through ``Judge`` and ``VLLMRecogniser`` as in ``PaddleOCRVLParser``, with a STAND-IN for vLLM in another process
that answers each crop with as many tokens as its text has, 4 in an event (``--stream-interval 4``, as ``paperlode vllm serve``
starts it) and then 1 in an event (vLLM's default). CPU is the process's own, all threads. Wanted: under 60 ms a page.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paperlode.ingest.vllm.connections import new_event_loop

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.parsing.layout import Region
    from paperlode.ingest.vllm.values import Task

SAMPLES = Path(__file__).parent.parent / "samples" / "archive"
_LETTERS = random.Random(1)  # noqa: S311
_WORDS = [" " + "".join(_LETTERS.choices("abcdefghiklmnoprstuvw", k=4)) for _ in range(4096)]  # no loop in them


@dataclass
class Page:
    """A rendered page with what is to be read on it: (region, task, output tokens)."""

    picture: NDArray[np.uint8]
    regions: list[tuple[Region, Task, int]]


def laid_out(files: list[Path]) -> list[Page]:
    """All pages of the files, regions and tasks as the local parser finds them."""
    from paperlode.ingest.document import Box, Kind
    from paperlode.ingest.pages import PageRef, read_picture
    from paperlode.ingest.parsing.layout import Region
    from paperlode.ingest.parsing.local import LocalParser
    from paperlode.ingest.sources import open_source
    from paperlode.ingest.vllm.values import Task

    tasks = {Kind.TABLE: Task.TABLE, Kind.FORMULA: Task.FORMULA}
    parser, pages = LocalParser(), []
    for file in files:
        source = open_source(file)
        for page in parser.parse(source, range(parser.page_count(source))):
            ref = PageRef(source.uri, page.page, pdf=source.media_type == "application/pdf")
            picture, width, _ = read_picture(ref, dpi=200)
            scale = picture.shape[1] / width
            pages.append(
                Page(
                    picture,
                    [
                        (
                            Region("text", 0.9, Box(*(v * scale for v in b.regions[0].box)), order=n),
                            tasks.get(b.kind, Task.OCR),
                            max(4, len(b.text) // 3),
                        )
                        for n, b in enumerate(page.blocks)
                        if b.regions
                    ],
                )
            )
    parser.close()
    return pages


def serve(port: Any, interval: int) -> None:
    """The stand-in: speaks the wire format and recognises nothing. A prompt ends in the number of tokens wanted."""

    def event(value: dict[str, Any]) -> bytes:
        head = {"id": "chatcmpl-" + "0123456789abcdef" * 2, "object": "chat.completion.chunk", "created": 1_700_000_000}
        data = b"data: " + json.dumps({**head, "model": "stand-in", **value}, separators=(",", ":")).encode() + b"\n\n"
        return b"%x\r\n%s\r\n" % (len(data), data)

    def pieces(tokens: int) -> list[bytes]:
        out = []
        for start in range(0, tokens, interval):
            words = _WORDS[start : min(start + interval, tokens)]
            logprobs = [{"token": w, "logprob": -0.0123, "bytes": list(w.encode()), "top_logprobs": []} for w in words]
            choice = {"index": 0, "delta": {"content": "".join(words)}, "logprobs": {"content": logprobs}}
            out.append(event({"choices": [choice | {"finish_reason": None}]}))
        return out

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next((int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")), 0)
                body = await reader.readexactly(length)
                if head.startswith(b"GET"):
                    models = json.dumps({"object": "list", "data": [{"id": "stand-in"}]}).encode()
                    writer.write(b"HTTP/1.1 200 x\r\ncontent-length: %d\r\n\r\n%s" % (len(models), models))
                    continue
                tokens = json.loads(body)["max_completion_tokens"]
                writer.write(b"HTTP/1.1 200 x\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
                await asyncio.sleep(0.05)
                for piece in pieces(tokens):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.004 * interval)
                writer.write(event({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]}))
                end = b"data: [DONE]\n\n"
                writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(end), end))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass

    async def main() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=64 << 20)
        port.put(server.sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    asyncio.run(main())


async def read(pages: list[Page], url: str, *, at_once: int, media_type: str, rounds: int) -> float:
    """CPU seconds a page."""
    from paperlode.ingest.parsing.crops import budget_for, cut
    from paperlode.ingest.parsing.judge import Judge
    from paperlode.ingest.vllm.client import VLLMRecogniser
    from paperlode.ingest.vllm.loops import LoopWatch

    threads = ThreadPoolExecutor(4)
    loop = asyncio.get_running_loop()
    async with VLLMRecogniser(url, watch=lambda _: LoopWatch(), most_at_once=at_once) as recogniser:

        async def one(page: Page) -> None:
            async def region(where: Region, task: Task, tokens: int) -> None:
                judge = Judge(
                    recogniser,
                    budget=lambda task: budget_for("1.6", task),
                    in_thread=lambda f, *a: loop.run_in_executor(threads, f, *a),
                    media_type=media_type,
                    max_tokens=tokens,
                )
                await judge.read(cut(page.picture, where), task, name="page")

            await asyncio.gather(*(region(*r) for r in page.regions))

        async def all_pages() -> None:
            room = asyncio.Semaphore(16)  # more than 64 crops, fewer pictures than pages

            async def in_turn(page: Page) -> None:
                async with room:
                    await one(page)

            await asyncio.gather(*(in_turn(p) for p in pages))

        await all_pages()  # the limit on requests settles
        before = time.process_time()
        for _ in range(rounds):
            await all_pages()
        return (time.process_time() - before) / rounds / len(pages)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("files", type=Path, nargs="*", default=sorted(SAMPLES.iterdir()))
    ap.add_argument("--media-type", default="image/jpeg", choices=["image/png", "image/jpeg"])
    ap.add_argument("--at-once", type=int, default=64)
    ap.add_argument("--rounds", type=int, default=3)
    a = ap.parse_args()
    pages = laid_out(a.files)
    regions = sum(len(p.regions) for p in pages)
    tokens = sum(t for p in pages for *_, t in p.regions)
    print(
        f"{len(pages)} pages, {regions / len(pages):.1f} regions and {tokens / len(pages):.0f} tokens a page, {a.media_type}"
    )
    for interval in (4, 1):
        ports: Any = multiprocessing.Queue()
        server = multiprocessing.Process(target=serve, args=(ports, interval), daemon=True)
        server.start()
        try:
            url = f"http://127.0.0.1:{ports.get()}"
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                cpu = runner.run(read(pages, url, at_once=a.at_once, media_type=a.media_type, rounds=a.rounds))
        finally:
            server.kill()
        print(f"{interval:3d} tokens an event: {1e3 * cpu:.1f} ms of CPU a page (wanted: under 60)")


if __name__ == "__main__":
    main()
