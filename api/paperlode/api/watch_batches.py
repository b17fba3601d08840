"""Batches of what is watched, taken into an archive that is open no longer than that."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from paperlode.ingest.errors import SchemaMismatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from paperlode.api.archive import Archive, IngestOptions
    from paperlode.ingest.parsing.base import Parser
    from paperlode.ingest.pipeline import Progress, RunReport
    from paperlode.retrieval.embedding import Embedder

__all__ = ["IntoArchive", "Taker"]

log = logging.getLogger(__name__)


class Taker(Protocol):
    """Takes a batch in."""

    def __call__(self, paths: Sequence[str | Path], gone_from: Sequence[str | Path], *, remove: bool) -> RunReport:
        """Take in ``paths``, and look in ``gone_from`` for files that are gone; ``remove`` their documents."""
        ...


class IntoArchive:
    """Opens the archive for each batch, and lets go of it; the model is kept.

    Args:
        open_archive: opens it with that model, or the one that it names.
        options: for every batch.
        parser: makes one for a batch; None for the one that the options ask for.
        notice: as for ``Archive.ingest``; told once.
        progress: around each batch; gives what is told how far it is, or None.
    """

    def __init__(
        self,
        open_archive: Callable[[Embedder | None], Archive],
        options: IngestOptions,
        *,
        parser: Callable[[], Parser] | None = None,
        notice: Callable[[str], None] | None = None,
        progress: Callable[[], AbstractContextManager[Callable[[Progress], None] | None]] = nullcontext,
    ) -> None:
        self._progress = progress
        self._open_archive, self._options, self._parser, self._notice = open_archive, options, parser, notice
        self._model: Embedder | None = None

    def __call__(self, paths: Sequence[str | Path], gone_from: Sequence[str | Path], *, remove: bool) -> RunReport:
        """See ``Taker``."""
        options = replace(self._options, gone_from=tuple(gone_from), remove_missing=remove)
        parser = self._parser() if self._parser else None
        with self._open() as archive, self._progress() as show:
            report = archive.ingest(paths, options=options, parser=parser, on_progress=show, on_notice=self._notice)
            self._model = archive.embedder
        self._notice = log.info if self._notice else None
        return report

    def _open(self) -> Archive:
        try:
            return self._open_archive(self._model)
        except SchemaMismatch:
            if self._model is None:
                raise
            self._model = None  # the archive was embedded anew meanwhile, with another
            return self._open_archive(None)
