"""The SIMULATED server behind a real socket, in real time: for clients in several processes.

    python -m tests.ingest.vllm.simulated.served --replicas 8 --token 0.02

Prints one line, the addresses separated by commas, and serves until its standard input ends. Every crop gets an answer of
as many tokens, whatever is on it, one in ``--token`` seconds from each replica, alike for all streams as long as its slots
last: a GPU that is far from its limit. Nothing is read; what comes back is made-up words.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import sys
from typing import Any

import httpx
import uvicorn

from paperlode.ingest.vllm.values import Task

from .engine import Card
from .server import SimulatedServers
from .work import Piece

__all__ = ["main"]

TOKENS = 60


class _Same:
    """Work in which all crops are alike."""

    def __init__(self, tokens: int) -> None:
        self.pieces = [Piece(0, Task.OCR, 28, 28, tokens)]


class _App:
    """One replica, as an ASGI application."""

    def __init__(self, token: float, slots: int) -> None:
        self._card = Card(slots=slots, base=token, each=0.0, read=0.0, api=0.0)
        self._servers: SimulatedServers | None = None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if self._servers is None:
            self._servers = SimulatedServers(_Same(TOKENS), {"http://replica": [self._card]})  # type: ignore[arg-type]
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        if body:
            asked = json.loads(body)
            picture = asked["messages"][0]["content"][0]["image_url"]
            picture["url"] = "data:image/png;base64," + base64.b64encode(bytes(8)).decode()  # the piece's number
            body = json.dumps(asked).encode()
        request = httpx.Request(scope["method"], f"http://replica{scope['path']}", content=body)
        response = await self._servers.handle_async_request(request)
        headers = [(k.lower().encode(), v.encode()) for k, v in response.headers.items()]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        try:
            async for piece in response.aiter_raw() if response.is_stream_consumed is False else _whole(response):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            await response.aclose()
        await send({"type": "http.response.body", "body": b""})


async def _whole(response: httpx.Response) -> Any:
    yield response.content


async def _serve(replicas: int, token: float, slots: int) -> None:
    servers = []
    for _ in range(replicas):
        config = uvicorn.Config(_App(token, slots), host="127.0.0.1", port=0, log_level="error", lifespan="off")
        servers.append(uvicorn.Server(config))
    tasks = [asyncio.create_task(s.serve()) for s in servers]
    while not all(s.started for s in servers):  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.02)
    ports = [s.servers[0].sockets[0].getsockname()[1] for s in servers]
    print(",".join(f"http://127.0.0.1:{p}" for p in ports), flush=True)  # noqa: T201  what it is started for
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for s in servers:
        s.force_exit = s.should_exit = True
    await asyncio.gather(*tasks)


def main() -> None:
    """See the module."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--replicas", type=int, default=1)
    ap.add_argument("--token", type=float, default=0.02, help="seconds")
    ap.add_argument("--slots", type=int, default=256)
    a = ap.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(a.replicas, a.token, a.slots))


if __name__ == "__main__":
    main()
