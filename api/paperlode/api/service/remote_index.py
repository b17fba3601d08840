"""The half of an index that writes, in a worker: all is handed to the process that has the embedded index."""

from __future__ import annotations

import socket
from threading import RLock
from typing import TYPE_CHECKING, Any

from paperlode.api.service.index_wire import Frame, pack_rows, pack_sparse, receive, send
from paperlode.ingest import errors
from paperlode.ingest.document import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.document import Chunk, DocumentCard
    from paperlode.retrieval.lexical import SparseVector

__all__ = ["OwnerGone", "RemoteIndex"]


class OwnerGone(errors.ArchiveError):
    """The process that has the index has ended, or closed it."""


class RemoteIndex:
    """A collection's index, to be written to; the methods are those of ``Index``, and raise what they raise there.

    What was staged and not published is discarded by the other side when the connection ends.

    Args:
        address: of the owner's socket.
        secret: it asks for.
        collection: id.

    Raises:
        OwnerGone: nobody is there, now or later.
    """

    def __init__(self, address: str, secret: str, collection: str) -> None:
        self._lock = RLock()
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._connection.connect(address)
        except OSError as exc:
            self._connection.close()
            raise _gone(exc) from exc
        try:
            self._ask("hello", {"secret": secret, "collection": collection})
        except BaseException:
            self._connection.close()
            raise

    def _ask(self, what: str, said: dict[str, Any] | None = None, arrays: Sequence[NDArray[Any]] = ()) -> Any:
        with self._lock:
            try:
                send(self._connection, Frame({"do": what, **(said or {})}, list(arrays)))
                answer = receive(self._connection)
            except (OSError, ValueError) as exc:
                raise _gone(exc) from exc
        if answer is None:
            raise _gone(None)
        if error := answer.said.get("error"):
            kind = getattr(errors, str(error["kind"]), errors.ArchiveError)
            raise kind(str(error["what"]), hint=str(error["hint"]))
        return answer.said.get("is")

    def stage(
        self,
        chunks: Sequence[Chunk],
        dense: NDArray[np.float32],
        sparse: Sequence[SparseVector],
        pages: Sequence[SparseVector] | None = None,
        rows: Sequence[NDArray[np.float32]] | None = None,
        *,
        pairs: Sequence[SparseVector] | None = None,
        roles: Sequence[tuple[str, ...]] | None = None,
    ) -> None:
        """See ``Index.stage``."""
        import numpy as np

        arrays: list[NDArray[Any]] = [dense.astype(np.float32, copy=False), *pack_sparse(sparse)]
        given = []
        for name, vectors in (("pages", pages), ("pairs", pairs)):
            if vectors is not None:
                given.append(name)
                arrays += pack_sparse(vectors)
        if rows is not None:
            given.append("rows")
            arrays += pack_rows(rows, dense.shape[1])
        said = {
            "chunks": [[c.document, to_json(c, brief=True)] for c in chunks],
            "roles": [list(r) for r in roles] if roles is not None else None,
        }
        self._ask("stage", {**said, "given": given}, arrays)

    def stage_card(self, card: DocumentCard, whole: SparseVector, version: str = "") -> None:
        """See ``Index.stage_card``."""
        said = {"card": to_json(card), "document": card.document, "version": version}
        self._ask("stage_card", said, pack_sparse([whole]))

    def hold(self, chunks: Sequence[Chunk]) -> set[str]:
        """See ``Index.hold``."""
        return set(self._ask("hold", {"chunks": [[c.document, to_json(c, brief=True)] for c in chunks]}))

    def publish(self, document: str) -> None:
        """See ``Index.publish``."""
        self._ask("publish", {"document": document})

    def discard(self, document: str, *, staged_only: bool = False) -> None:
        """See ``Index.discard``."""
        self._ask("discard", {"document": document, "staged_only": staged_only})

    def version(self, document: str) -> str:
        """See ``Index.version``."""
        return str(self._ask("version", {"document": document}))

    def count(self, document: str | None = None) -> int:
        """See ``Index.count``."""
        return int(self._ask("count", {"document": document}))

    def flush(self) -> None:
        """See ``Index.flush``."""
        self._ask("flush")

    def optimize(self) -> None:
        """See ``Index.optimize``."""
        self._ask("optimize")

    def close(self) -> None:
        """Ends the connection; the index stays open with its owner."""
        self._connection.close()


def _gone(why: Exception | None) -> OwnerGone:
    return OwnerGone(
        f"The service that has the index is gone{f' ({why})' if why else ''}.",
        hint="Start it again: the jobs go on where they were.",
    )
