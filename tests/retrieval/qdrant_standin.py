"""A Qdrant server on loopback, as far as the client's simulation goes: the real wire, with faults to order.

Requests are read with the client's own models, done by its local mode in memory, and answered as a server does. It notes
what came, and answers with a status of the test's choice where that is set.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, TypeAdapter
from qdrant_client import QdrantClient
from qdrant_client import models as m

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

C = r"/collections/([^/]+)"


@dataclass
class Request:
    """One that came."""

    method: str
    path: str
    size: int
    key: str | None
    under_way: int
    query: str


@dataclass
class StandIn:
    """The server's state.

    Attributes:
        url: where it listens.
        faults: called with each request; a status (and seconds for ``Retry-After``) to answer in place of doing it, or None.
        lost: called with each request; true where it is done, but its answer never comes.
        key: the one it wants, None for none.
        version: it says it is.
        pause: seconds each write takes.
    """

    url: str = ""
    faults: Callable[[Request], tuple[int, str | None] | None] = lambda _: None
    lost: Callable[[Request], bool] = lambda _: False
    key: str | None = None
    version: str = "1.19.1"
    pause: float = 0.0
    requests: list[Request] = field(default_factory=list)
    client: Any = field(default_factory=lambda: QdrantClient(":memory:"))
    lock: Any = field(default_factory=threading.Lock)
    under_way: int = 0

    def paths(self, part: str) -> list[Request]:
        """The requests whose path ends like that."""
        return [r for r in self.requests if r.path.endswith(part)]


def _upsert(c: Any, name: str, body: Any) -> Any:
    mode = m.UpdateMode(body["update_mode"]) if body.get("update_mode") else None
    points = TypeAdapter(list[m.PointStruct]).validate_python(body["points"])
    return c.upsert(name, points, update_mode=mode)


def _selector(body: Any) -> Any:
    if body.get("filter"):
        return m.FilterSelector(filter=m.Filter(**body["filter"]))
    return m.PointIdsList(points=body["points"])


def _scroll(c: Any, name: str, body: Any) -> Any:
    r = m.ScrollRequest(**body)
    points, offset = c.scroll(
        name, r.filter, r.limit or 10, offset=r.offset, with_payload=r.with_payload, with_vectors=r.with_vector or False
    )
    return {"points": _plain(points), "next_page_offset": offset}


def _retrieve(c: Any, name: str, body: Any) -> Any:
    r = m.PointRequest(**body)
    return c.retrieve(name, r.ids, with_payload=r.with_payload, with_vectors=r.with_vector or False)


def _query(c: Any, name: str, body: Any) -> Any:
    r = m.QueryRequest(**body)
    return c.query_points(
        name,
        r.query,
        using=r.using,
        query_filter=r.filter,
        search_params=r.params,
        limit=r.limit or 10,
        with_payload=r.with_payload or False,
    )


def _facet(c: Any, name: str, body: Any) -> Any:
    r = m.FacetRequest(**body)
    return c.facet(name, r.key, r.filter, r.limit or 10)


def _create(c: Any, name: str, body: Any) -> Any:
    r = m.CreateCollection(**body)
    return c.create_collection(name, r.vectors, r.sparse_vectors, metadata=r.metadata)


def _set_payload(c: Any, name: str, body: Any) -> Any:
    return c.set_payload(name, body["payload"], _selector(body))


def _batch(c: Any, name: str, body: Any) -> Any:
    return [_set_payload(c, name, operation["set_payload"]) for operation in body["operations"]]


def _delete_payload(c: Any, name: str, body: Any) -> Any:
    return c.delete_payload(name, body["keys"], _selector(body))


def _aliases(c: Any, body: Any) -> Any:
    return c.update_collection_aliases(m.ChangeAliasesOperation(**body).actions)


ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/collections", lambda c, b: c.get_collections()),
    ("GET", "/aliases", lambda c, b: c.get_aliases()),
    ("POST", "/collections/aliases", _aliases),
    ("GET", C, lambda c, n, b: c.get_collection(n)),
    ("PUT", C, _create),
    ("PATCH", C, lambda c, n, b: c.update_collection(n, metadata=b["metadata"])),
    ("DELETE", C, lambda c, n, b: c.delete_collection(n)),
    ("GET", C + "/exists", lambda c, n, b: {"exists": c.collection_exists(n)}),
    ("PUT", C + "/index", lambda c, n, b: {"operation_id": 0, "status": "completed"}),
    ("PUT", C + "/points", _upsert),
    ("POST", C + "/points", _retrieve),
    ("POST", C + "/points/scroll", _scroll),
    ("POST", C + "/points/count", lambda c, n, b: c.count(n, m.CountRequest(**b).filter)),
    ("POST", C + "/points/delete", lambda c, n, b: c.delete(n, _selector(b))),
    ("POST", C + "/points/payload", _set_payload),
    ("POST", C + "/points/batch", _batch),
    ("POST", C + "/points/payload/delete", _delete_payload),
    ("POST", C + "/facet", _facet),
    ("POST", C + "/points/query", _query),
    (
        "POST",
        C + "/points/query/batch",
        lambda c, n, b: c.query_batch_points(n, m.QueryRequestBatch(**b).searches),
    ),
]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    return [_plain(v) for v in value] if isinstance(value, list) else value


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    state: StandIn
    _counted = False

    def _answer(self) -> None:
        state, parts = self.state, urlsplit(self.path)
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size) or b"null") if size else None
        path = parts.path
        writes = self.command == "PUT" and path.endswith("/points")
        with state.lock:
            self._counted = writes
            state.under_way += writes
            request = Request(self.command, path, size, self.headers.get("api-key"), state.under_way, parts.query)
            state.requests.append(request)
        try:
            if writes and state.pause:
                threading.Event().wait(state.pause)
            self._do(request, body)
        finally:
            self._through()

    def _through(self) -> None:
        """The request is under way no longer: before its answer is sent, upon which the next one may come."""
        with self.state.lock:
            self.state.under_way -= self._counted
            self._counted = False

    def _do(self, request: Request, body: Any) -> None:
        state = self.state
        if state.key and request.key != state.key:
            return self._send(401, {"status": {"error": f"Invalid API key {request.key}"}})
        if fault := state.faults(request):
            return self._send(fault[0], {"status": {"error": "as ordered"}}, after=fault[1])
        if request.path == "/":
            return self._send(200, {"title": "stand-in", "version": state.version})
        for method, pattern, do in ROUTES:
            match = re.fullmatch(pattern, request.path)
            if method == request.method and match:
                try:
                    with state.lock:
                        result = do(state.client, *map(unquote, match.groups()), body)
                except ValueError as exc:
                    missing = "not found" in str(exc)
                    return self._send(404 if missing else 409, {"status": {"error": str(exc)}})
                if state.lost(request):
                    self.close_connection = True
                    return None
                return self._send(200, {"result": _plain(result), "status": "ok", "time": 0.0})
        return self._send(405, {"status": {"error": f"{request.method} {request.path} is not simulated"}})

    def _send(self, status: int, body: Any, *, after: str | None = None) -> None:
        data = json.dumps(body).encode()
        self._through()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if after is not None:
            self.send_header("Retry-After", after)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Silent."""


@contextmanager
def standing_in() -> Iterator[StandIn]:
    """A server that runs while the block does."""
    state = StandIn()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"state": state}))
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
