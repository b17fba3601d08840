"""The owner's side of ``RemoteIndex``: a socket that only this user may connect to, and a thread for each worker.

Edge admits one process to a shard. It is the one that answers searches; workers hand their chunks to it.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import os
import secrets
import shutil
import socket
import socketserver
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from paperlode.api.service.index_wire import Frame, receive, send, unpack_rows, unpack_sparse
from paperlode.ingest.document import Chunk, DocumentCard, from_json
from paperlode.ingest.errors import ArchiveError, PaperlodeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from paperlode.retrieval.index import Index

__all__ = ["IndexOwner"]

_SPARSE = 4
"""Arrays that a list of sparse vectors is."""
_ROWS = 2

log = logging.getLogger(__name__)


class IndexOwner:
    """Takes what workers write, until ``close``.

    Args:
        index_of: the index of a collection (its id), open as long as the context lasts; raises DocumentNotFound.

    Attributes:
        address: of the socket.
        secret: that a worker has to say.
    """

    def __init__(self, index_of: Callable[[str], AbstractContextManager[Index]]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="paperlode-"))  # a short path, which a socket's has to be
        self.address, self.secret = str(self._folder / "index.sock"), secrets.token_urlsafe(32)
        self._server = _Server(self.address, _Handler)
        self._server.index_of, self._server.secret = index_of, self.secret
        Path(self.address).chmod(0o600)
        self._thread = threading.Thread(target=self._server.serve_forever, name="index-owner", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No more is taken; workers that are connected find the owner gone. Idempotent."""
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()
        shutil.rmtree(self._folder, ignore_errors=True)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    index_of: Callable[[str], AbstractContextManager[Index]]
    secret: str

    def __init__(self, address: str, handler: type[socketserver.BaseRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        super().__init__(address, handler)

    def turn(self, collection: str) -> threading.Lock:
        """One worker at a time: what a dead one staged is cleared away before the next begins, which may stage the same."""
        with self._lock:
            return self._turns.setdefault(collection, threading.Lock())

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Ends the connections that there are."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):  # it has ended by itself
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(socketserver.BaseRequestHandler):
    request: socket.socket

    def handle(self) -> None:
        server = cast("_Server", self.server)
        hello = receive(self.request)
        if hello is None or not hmac.compare_digest(str(hello.said.get("secret")), server.secret):
            return
        collection = str(hello.said["collection"])
        try:
            with server.turn(collection), server.index_of(collection) as index:
                send(self.request, Frame({"is": os.getpid()}))
                self._serve(index)
        except PaperlodeError as exc:
            with contextlib.suppress(OSError):  # nobody is there to hear it
                send(self.request, _error(exc))

    def _serve(self, index: Index) -> None:
        staged: set[str] = set()
        try:
            while (frame := receive(self.request)) is not None:
                try:
                    answer = Frame({"is": _do(index, frame, staged)})
                except PaperlodeError as exc:
                    answer = _error(exc)
                except Exception as exc:
                    log.exception("a worker's %s failed", frame.said.get("do"))
                    answer = _error(ArchiveError(f"The index could not do that: {type(exc).__name__}."))
                send(self.request, answer)
        except (OSError, ValueError) as exc:
            log.info("a worker is gone: %s", exc)
        finally:
            for document in sorted(staged):
                index.discard(document, staged_only=True)


def _error(exc: PaperlodeError) -> Frame:
    return Frame({"error": {"kind": type(exc).__name__, "what": exc.what, "hint": exc.hint}})


def _do(index: Index, frame: Frame, staged: set[str]) -> Any:
    """One call. ``staged`` are the documents of which something is staged."""
    said, arrays = frame.said, iter(frame.arrays)

    def taken(n: int) -> list[Any]:
        return [next(arrays) for _ in range(n)]

    document = said.get("document")
    match said["do"]:
        case "stage":
            chunks = [from_json(Chunk, text) for _, text in said["chunks"]]
            staged.update(c.document for c in chunks)
            dense, sparse, given = next(arrays), unpack_sparse(taken(_SPARSE)), said["given"]
            pages = unpack_sparse(taken(_SPARSE)) if "pages" in given else None
            pairs = unpack_sparse(taken(_SPARSE)) if "pairs" in given else None
            rows = unpack_rows(taken(_ROWS)) if "rows" in given else None
            roles = [tuple(r) for r in said["roles"]] if said["roles"] is not None else None
            index.stage(chunks, dense, sparse, pages, rows, pairs=pairs, roles=roles)
        case "stage_card":
            staged.add(str(document))
            (whole,) = unpack_sparse(taken(_SPARSE))
            index.stage_card(from_json(DocumentCard, said["card"]), whole, said["version"])
        case "hold":
            chunks = [from_json(Chunk, text) for _, text in said["chunks"]]
            staged.update(c.document for c in chunks)
            return sorted(index.hold(chunks))
        case "publish":
            index.publish(str(document))
            staged.discard(str(document))
        case "discard":
            index.discard(str(document), staged_only=bool(said["staged_only"]))
            staged.discard(str(document))
        case "version":
            return index.version(str(document))
        case "count":
            return index.count(document)
        case "flush":
            index.flush()
        case "optimize":
            index.optimize()
        case other:
            raise ArchiveError(f"There is no call {other!r}.")
    return None
