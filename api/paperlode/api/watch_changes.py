"""What tells that files changed: the system's own events for folders, and looking again and again for everything else."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from paperlode.ingest.addresses import is_url, local_file
from paperlode.ingest.errors import MissingExtra, SourceError, SourceUnreadable
from paperlode.ingest.objects import RemoteFile, discover_all

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

__all__ = ["Changes", "FolderEvents", "Looking", "Several", "changes_of"]

OBJECTS_SECONDS = 60.0
"""Between two looks at a bucket."""
FILES_SECONDS = 5.0
"""Between two looks at files and globs, which the system's events do not follow."""
_TURN = 0.5


class Changes(Protocol):
    """Tells where something may have happened: files and folders (absolute paths), and URLs as they were given."""

    def wait(self, seconds: float) -> Collection[str]:
        """Where, since the last call; waits for it, so many seconds at most. None is missed while nobody waits."""
        ...

    def close(self) -> None:
        """No more. Idempotent."""
        ...


def changes_of(paths: Sequence[str | Path], *, poll: float | None) -> Changes:
    """For folders the system's events, for files, globs and URLs looking; with ``poll`` (seconds), looking for all.

    Raises:
        MissingExtra: events need watchfiles, which is not installed.
        SourceUnreadable: the system refuses to tell of the folders.
    """
    places = [local_file(p) for p in paths]
    urls = [p for p in places if is_url(p)]
    folders = [Path(p).expanduser().absolute() for p in places if not is_url(p) and Path(p).expanduser().is_dir()]
    others = [p for p in places if not is_url(p) and not Path(p).expanduser().is_dir()]
    parts: list[Changes] = []
    if poll is not None:
        others = [*others, *folders]
    elif folders:
        parts.append(FolderEvents(folders))
    if others:
        parts.append(Looking(others, every=poll or FILES_SECONDS))
    parts += [Looking([url], every=poll or OBJECTS_SECONDS) for url in urls]
    return Several(parts)


@dataclass(slots=True)
class Several:
    """All that several tell."""

    parts: Sequence[Changes]

    def wait(self, seconds: float) -> Collection[str]:
        """See ``Changes``."""
        until = time.monotonic() + seconds
        while True:
            found = {c for part in self.parts for c in part.wait(0)}
            left = until - time.monotonic()
            if found or left <= 0:
                return found
            if self.parts:
                found |= set(self.parts[0].wait(min(left, _TURN)))
            if found:
                return found

    def close(self) -> None:
        """See ``Changes``."""
        for part in self.parts:
            part.close()


class FolderEvents:
    """The system's events of folders and all below them, by watchfiles. Network mounts have none: look there.

    A folder that is replaced by another (removed and made anew, unmounted and mounted) is followed in its new form.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        try:
            import watchfiles  # noqa: F401
        except ImportError:
            missing = MissingExtra.named("watchfiles", "watch")
            raise MissingExtra(missing.what, hint=f"{missing.hint}, or look every 30 s with --poll 30.") from None
        self._folders = folders
        self._known: dict[Path, tuple[int, int]] = {}
        self._events: Any = None
        self._follow()

    def wait(self, seconds: float) -> Collection[str]:
        """See ``Changes``."""
        if self._known != _identities(self._folders):
            self._follow()
            return {str(f) for f in self._known}
        if self._events is None:
            time.sleep(seconds)
            return ()
        told = self._events.watch(100, 50, max(1, round(1000 * seconds)), None)
        if told == "signal":
            raise KeyboardInterrupt
        return {path for _, path in told} if isinstance(told, set) else ()

    def _follow(self) -> None:
        from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

        self.close()
        self._known = _identities(self._folders)
        if not self._known:
            return
        try:
            self._events = RustNotify([str(f) for f in self._known], False, False, 300, True, True)
        except (OSError, RuntimeError, WatchfilesRustInternalError) as exc:
            raise SourceUnreadable(
                f"The system does not tell of changes in {', '.join(map(str, self._known))}: {exc}.",
                hint="Look every 30 s with --poll 30, or raise fs.inotify.max_user_watches.",
            ) from exc

    def close(self) -> None:
        """See ``Changes``."""
        if self._events is not None:
            self._events.close()
            self._events = None


def _identities(folders: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    """Device and number of those that are there."""
    found: dict[Path, tuple[int, int]] = {}
    for folder in folders:
        try:
            info = folder.stat()
        except OSError:
            continue
        found[folder] = (info.st_dev, info.st_ino)
    return found


class Looking:
    """Looks every so many seconds, and compares with what was there before: names with sizes and times, or versions of objects.

    Args:
        paths: as for ``discover_all``. Of URLs only is told that something in them changed.
        every: seconds between two looks.
        clock: seconds, for tests.
    """

    def __init__(
        self, paths: Sequence[str | Path], *, every: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._paths, self._every, self._clock = paths, every, clock
        self._before = self._look()
        self._due = clock() + every

    def wait(self, seconds: float) -> Collection[str]:
        """See ``Changes``."""
        left = self._due - self._clock()
        if left > seconds:
            time.sleep(seconds)
            return ()
        time.sleep(max(0.0, left))
        now, before = self._look(), self._before
        self._before, self._due = now, self._clock() + self._every
        return {place for key, (place, _) in (now | before).items() if now.get(key) != before.get(key)}

    def _look(self) -> dict[str, tuple[str, Any]]:
        """What there is: name -> (what is told when it changes, what shows that it did)."""
        seen: dict[str, tuple[str, Any]] = {}
        for path in self._paths:
            for asked, item in discover_all([path]):
                if isinstance(item, SourceError):
                    seen[str(asked)] = (str(path), item.what)
                elif isinstance(item, RemoteFile):
                    seen[item.uri] = (str(path), _version_of(item))
                else:
                    name = str(item.expanduser().absolute())
                    seen[name] = (name, _size_and_time(item))
        return seen

    def close(self) -> None:
        """See ``Changes``."""


def _version_of(item: RemoteFile) -> Any:
    try:
        return item.version or item.look().version
    except SourceError as exc:
        return exc.what


def _size_and_time(path: Path) -> Any:
    try:
        info = os.stat(path)  # noqa: PTH116  Path.stat is the same
    except OSError as exc:
        return exc.errno
    return info.st_size, info.st_mtime_ns
