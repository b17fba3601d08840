"""A worker of a run on a Ray cluster: an actor that reads pages with a parser of its own.

Limits and crashes are the parser's business: its pages are read, or rendered, in a process of its ``WorkerPool``, a child
of the actor. So a page that crashes, hangs or grows too large ends that child, as in a run without Ray, not the actor.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import ClusterUnavailable, PaperlodeError
from paperlode.ingest.ray_pool import Begun

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paperlode.ingest.document import ParsedPage, Source
    from paperlode.ingest.parsing.base import Parser

__all__ = ["Outcome", "PageWorker"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call.

    Attributes:
        value: its result: pages, or prints.
        error: why there is none.
        missing: there is none because the node has not the file.
    """

    value: Sequence[Any] = ()
    error: PaperlodeError | None = None
    missing: bool = False


class PageWorker:
    """The actor. Its methods are called in several threads.

    Args:
        make: the parser.
        fingerprint: that it must have, so that all nodes read alike.
        run: name of the run, for the copies of files on this node.
    """

    def __init__(self, make: Callable[[], Parser], fingerprint: str, run: str) -> None:
        self._make, self._fingerprint, self._run = make, fingerprint, run
        self._parser: Any = None
        self._files: Any = None

    def begin(self) -> Begun:
        """Makes the parser."""
        import ray

        from paperlode.ingest.ray_files import FilesOfNode

        node = ray.get_runtime_context().get_node_id()
        try:
            self._files = FilesOfNode(self._run)
            self._parser = self._make()
            if self._parser.fingerprint != self._fingerprint:
                raise ClusterUnavailable(
                    f"A node of the cluster would read pages with {self._parser.fingerprint}, not with {self._fingerprint}.",
                    hint="Install the same version of paperlode on all nodes.",
                )
        except PaperlodeError as exc:
            return Begun(node, os.getpid(), exc)
        return Begun(node, os.getpid())

    def read(self, source: Source, pages: Sequence[int], sent: Sequence[Any] = ()) -> Outcome:
        """The pages in the order asked for.

        Args:
            source: as the driver saw it.
            pages: their 0-based indexes.
            sent: a reference to the file's bytes, where the driver has sent them.
        """
        return self._with_file(source, sent, lambda here: self._read(source, here, pages))

    def prints(self, source: Source, stop: int, sent: Sequence[Any] = ()) -> Outcome:
        """What the pages before ``stop`` show; see ``parsing.base.Parser``."""
        return self._with_file(source, sent, lambda here: self._parser.page_prints(here, stop))

    def _with_file(
        self, source: Source, sent: Sequence[Any], then: Callable[[Source], Sequence[ParsedPage | str]]
    ) -> Outcome:
        try:
            here = self._files.found(source, (lambda: _bytes(sent[0])) if sent else None)
            return Outcome(missing=True) if here is None else Outcome(then(here))
        except PaperlodeError as exc:
            return Outcome(error=exc)

    def _read(self, source: Source, here: Source, pages: Sequence[int]) -> list[ParsedPage]:
        read = list(self._parser.parse(here, pages))
        return read if here is source else [_named(p, here.uri, source.uri) for p in read]

    def end(self) -> None:
        """Before the actor is ended: its copies of files go."""
        self._files.clear()
        self._parser.close()


def _named(page: ParsedPage, copy: str, name: str) -> ParsedPage:
    """The page, whose failure names the file as the driver does."""
    if page.failure is None:
        return page
    return replace(page, failure=replace(page.failure, message=page.failure.message.replace(copy, name)))


def _bytes(reference: Any) -> Any:
    import ray

    return ray.get(reference)
