"""Folders and buckets followed: what is new, changed, moved or gone is taken in, a batch at a time.

A file is taken once it has settled. The archive is open only while a batch is taken in, so that others can search between.
"""

from __future__ import annotations

import glob
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paperlode.ingest.addresses import is_url, local_file
from paperlode.ingest.errors import (
    ArchiveLocked,
    IndexServerBusy,
    IndexServerUnreachable,
    LedgerServerUnreachable,
    PaperlodeError,
    ServerError,
    SourceError,
    SourceNotFound,
    StorageFull,
)
from paperlode.ingest.sources import discover, is_document

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paperlode.api.watch_batches import Taker
    from paperlode.api.watch_changes import Changes
    from paperlode.ingest.pipeline import RunReport

__all__ = ["Told", "Watch", "WatchOptions"]

_EMPTY_PATIENCE = 30
"""Times longer that an empty file is waited for: browsers make one before they fill it."""
_GONE_PATIENCE = 10
"""Times longer that the taking of what is gone waits for files that have not settled: it may be one of them, moved."""
_LOCKED_AGAIN = 1.0
_PARTIAL = frozenset({".part", ".crdownload", ".partial", ".filepart", ".download", ".tmp", ".swp"})
"""Endings of what browsers, transfers and editors make meanwhile: it goes without having been a document."""
_PASSING = (StorageFull, ServerError, IndexServerBusy, IndexServerUnreachable, LedgerServerUnreachable)
"""Errors of a run that may be over in a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """How it is watched.

    Attributes:
        settle: seconds without a change after which a file is taken.
        full_every: seconds between two passes over everything, in case that an event was lost.
        remove_missing: take documents out of the index whose files are gone.
        patience: seconds that an index is waited for at the start, where another process holds it.
        again: seconds after which a batch is tried again that could not be taken in.
    """

    settle: float = 2.0
    full_every: float = 3600.0
    remove_missing: bool = False
    patience: float = 10.0
    again: float = 30.0


@dataclass(frozen=True, slots=True)
class Told:
    """Something that happened.

    Attributes:
        kind: ``taken``, ``failed``, ``moved``, ``gone``, ``removed``; ``waiting``, ``warning`` and ``note`` are about
            the whole; ``watching``: the first pass is through.
        path: which file or URL; empty where it is none.
        what: more, for people.
    """

    kind: str
    path: str = ""
    what: str = ""


@dataclass(slots=True)
class _Unsettled:
    state: tuple[int, int]
    since: float


class Watch:
    """Follows ``paths``.

    Args:
        paths: folders, files, globs, URLs.
        changes: tells where to look.
        take: takes batches in.
        tell: told what happened.
        options: see ``WatchOptions``.
        index: folder of the index; what happens in it is no change of documents.
        clock: seconds, for tests.

    Raises:
        SourceNotFound: one of the paths is none.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        changes: Changes,
        take: Taker,
        tell: Callable[[Told], None],
        *,
        options: WatchOptions | None = None,
        index: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        places = [local_file(p) for p in paths]
        self._urls = [str(p) for p in places if is_url(p)]
        self._files = [_checked(Path(p).expanduser().absolute()) for p in places if not is_url(p)]
        self._roots = {f: _identity(f) for f in self._files if f.is_dir()}
        self._changes, self._take, self._tell = changes, take, tell
        self._options = options or WatchOptions()
        self._index = index.expanduser().absolute() if index else None
        self._clock = clock
        self._unsettled: dict[str, _Unsettled] = {}
        self._ready: dict[str, None] = {}
        self._gone: dict[str, float] = {}
        self._full_at = self._not_before = clock()
        self._started = False
        self._said: dict[tuple[str, str], str] = {}
        self._held: set[Path] = set()

    def run(self) -> None:
        """Watch until it is interrupted.

        Raises:
            KeyboardInterrupt: what was under way is dropped, what is done is kept.
            PaperlodeError: it makes no sense to go on.
        """
        try:
            while True:
                self.turn()
        finally:
            self._changes.close()

    def turn(self) -> None:
        """Wait for a change or until something is due, and take in what is ready."""
        for change in self._changes.wait(self._patience()):
            self._note(change)
        now = self._clock()
        full = now >= self._full_at
        if full:
            self._look_through()
            self._full_at = now + self._options.full_every
        self._settle(now)
        if now < self._not_before:
            if full:
                self._full_at = self._not_before
            return
        due = [] if full else self._gone_due(now)
        gone_from = self._gone_from(set(self._roots) if full else self._folders_of(due))
        if (self._ready or gone_from or not self._started) and not self._batch(gone_from):
            self._full_at = self._not_before if full else self._full_at
            return
        for place in list(self._gone) if full else due:
            self._gone.pop(place, None)

    def _patience(self) -> float:
        now, settle = self._clock(), self._options.settle
        waits = [self._full_at - now]
        if self._unsettled or self._gone:
            waits.append(settle / 4)
        if self._ready:
            waits.append(self._not_before - now)
        return max(0.0, min(waits))

    # -- what there is to do

    def _note(self, place: str) -> None:
        if is_url(place):
            self._ready[place] = None
            return
        path = Path(place)
        if self._index and path.is_relative_to(self._index):
            return
        if path.is_dir():
            for item in discover([path]) if not self._hidden(path) else ():
                if not isinstance(item, SourceError):
                    self._note(str(item.absolute()))
            return
        state = _state(path)
        if state is None:
            self._unsettled.pop(place, None)
            self._ready.pop(place, None)
            if path.suffix.lower() not in _PARTIAL and not path.name.startswith("~$") and not self._hidden(path):
                self._gone[place] = self._clock()  # a document, or a folder of them
        elif self._wanted(path):
            self._gone.pop(place, None)
            self._ready.pop(place, None)
            self._unsettled[place] = _Unsettled(state, self._clock())

    def _wanted(self, path: Path) -> bool:
        """Whether it is a document of those that are watched; parts of downloads and locks of programs are none."""
        if path in self._files:
            return True
        return is_document(path) and not path.name.startswith("~$") and not self._hidden(path)

    def _hidden(self, path: Path) -> bool:
        root = self._root_of(path)
        return root is not None and any(part.startswith(".") for part in path.relative_to(root).parts)

    def _look_through(self) -> None:
        """Everything there is: files that nobody has written to lately have settled."""
        self._ready |= dict.fromkeys(self._urls)
        wall = time.time()
        for given in self._files:
            for item in discover([given]):
                if not isinstance(item, SourceError):
                    self._found(item.absolute(), wall)
                elif given not in self._roots or not isinstance(item, SourceNotFound):  # an empty folder may fill
                    self._say("warning", str(given), str(item))

    def _found(self, path: Path, wall: float) -> None:
        place, state = str(path), _state(path)
        if place in self._unsettled or state is None or not self._wanted(path):
            return
        if state[0] and wall - state[1] / 1e9 >= self._options.settle:
            self._ready[place] = None
        else:
            self._unsettled[place] = _Unsettled(state, self._clock())

    def _settle(self, now: float) -> None:
        for place, seen in list(self._unsettled.items()):
            state = _state(Path(place))
            need = self._options.settle * (1 if seen.state[0] else _EMPTY_PATIENCE)
            if state is None:
                del self._unsettled[place]
                self._gone[place] = now
            elif state != seen.state:
                self._unsettled[place] = _Unsettled(state, now)
            elif now - seen.since >= need:
                del self._unsettled[place]
                self._ready[place] = None

    def _gone_due(self, now: float) -> list[str]:
        """What has been gone for long enough to be no move that is under way."""
        wait = self._options.settle * (_GONE_PATIENCE if self._unsettled else 1)
        return [p for p, since in self._gone.items() if now - since >= wait]

    def _folders_of(self, places: Sequence[str]) -> set[Path]:
        """The folders that are still there, nearest above."""
        found: set[Path] = set()
        for place in places:
            if (root := self._root_of(Path(place))) is not None:
                found.add(next(p for p in (*Path(place).parents, root) if p == root or p.is_dir()))
        return found

    def _gone_from(self, folders: set[Path]) -> list[str | Path]:
        """Where is to be looked for what is gone: in those of the folders that are sound, and in buckets that are looked at."""
        sound = [f for f in sorted(folders) if self._is_sound(f)]
        return [*sound, *(u for u in self._urls if u in self._ready)]

    def _is_sound(self, folder: Path) -> bool:
        """Whether files may be taken for gone there: not where a disk was unmounted or swapped, which looks the same."""
        root = self._root_of(folder) or folder
        now = _identity(root)
        if now is None or now != self._roots[root]:
            why = "is not there" if now is None else "is another one than when watching began"
            self._say(
                "warning", str(root), f"The folder {why} (a disk unmounted?): none of its files is taken for gone."
            )
            return False
        if all(isinstance(item, SourceError) for item in discover([root])):
            if root in self._held:
                words = "The folder holds no documents any more (a disk unmounted?): none is taken for gone."
                self._say("warning", str(root), f"{words} If it is so, run: paperlode ingest {root} --remove-missing")
            return False
        self._held.add(root)
        return True

    def _root_of(self, path: Path) -> Path | None:
        return next((r for r in self._roots if path.is_relative_to(r)), None)

    # -- taking it in

    def _batch(self, gone_from: Sequence[str | Path]) -> bool:
        """Take in what is ready; False where that has to wait."""
        batch = [p for p in self._ready if is_url(p) or _state(Path(p)) is not None]
        try:
            report = self._taken(batch, gone_from)
        except PaperlodeError as exc:
            if not self._started or not isinstance(exc, (ArchiveLocked, *_PASSING)):
                raise
            self._put_off(exc)
            return False
        self._show(report)
        if report.stopped:
            self._put_off(report.stopped)
            return False
        self._said.pop(("waiting", ""), None)
        self._ready.clear()
        self._held |= {root for p in batch if (root := self._root_of(Path(p))) is not None}
        if not self._started:
            self._started = True
            counts = f"{len(report.ingested)} documents taken, {len(report.skipped)} known, {len(report.failed)} failed"
            self._tell(Told("watching", what=f"{counts}; waiting for changes"))
        return True

    def _taken(self, batch: Sequence[str], gone_from: Sequence[str | Path]) -> RunReport:
        """At the start an index that somebody searches just now is waited for."""
        until = self._clock() + self._options.patience
        while True:
            try:
                return self._take(batch, gone_from, remove=self._options.remove_missing)
            except ArchiveLocked:
                if self._started or self._clock() >= until:
                    raise
            time.sleep(0.2)

    def _put_off(self, why: PaperlodeError) -> None:
        """The batch stays for later."""
        again = _LOCKED_AGAIN if isinstance(why, ArchiveLocked) else self._options.again
        self._not_before = self._clock() + again
        self._say("waiting", "", str(why))

    def _show(self, report: RunReport) -> None:
        for d in report.ingested:
            failed = f" ({d.failed_pages} failed)" if d.failed_pages else ""
            self._said.pop(("failed", d.path), None)
            self._tell(Told("taken", d.path, f"{d.pages} pages{failed}, {d.chunks} chunks"))
        for f in report.failed:
            self._say("failed", f.path, f"{f.what} {f.hint}".strip())
        for g in report.gone:
            if g.held_by:
                self._tell(Told("moved", g.path, f"its document is at {g.held_by}"))
            elif g.removed:
                self._tell(Told("removed", g.path, "the file is gone"))
            else:
                self._say("gone", g.path, "its document stays searchable (--remove-missing takes such out)")

    def _say(self, kind: str, path: str, what: str) -> None:
        """Tell it, unless the same was told before."""
        if self._said.get((kind, path)) != what:
            self._said[kind, path] = what
            self._tell(Told(kind, path, what))


def _checked(path: Path) -> Path:
    if not path.exists() and not glob.has_magic(str(path)):
        raise SourceNotFound(
            f"There is no file or folder {str(path)!r}.", hint="Check the spelling and the folder you are in."
        )
    return path


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time (ns since 1970); None where there is nothing."""
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_size, info.st_mtime_ns


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        info = os.stat(folder)  # noqa: PTH116
    except OSError:
        return None
    return info.st_dev, info.st_ino
