"""The first part of a plan: which files there are, how many pages they have, and of which kinds."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import (
    PageError,
    PaperlodeError,
    SourceEmpty,
    SourceError,
    SourceUnreadable,
    SourceUnsupported,
)
from paperlode.ingest.pages import PageRef, count_pages
from paperlode.ingest.plan_pages import Look, PageKind, look_at
from paperlode.ingest.plan_sample import FileSeen, FoundFile, opening_order, pages_to_look_at
from paperlode.ingest.sources import discover, media_type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from paperlode.ingest.plan_crowd import Clock
    from paperlode.ingest.workers import WorkerPool

__all__ = ["find_files", "open_files", "page_ref", "without_twins"]

_HEAD = 1024
_AHEAD = 4
"""Files on their way for each worker."""


def find_files(paths: Iterable[str | Path]) -> tuple[list[FoundFile], list[SourceError]]:
    """Every document under ``paths``, and why there is none where there is none."""
    files: list[FoundFile] = []
    problems: list[SourceError] = []
    for item in discover(paths):
        if isinstance(item, SourceError):
            problems.append(item)
            continue
        try:
            files.append(FoundFile(item, item.stat().st_size))
        except OSError:
            files.append(FoundFile(item, 0))  # counted, and found unreadable when it is opened
    return files, problems


def without_twins(files: Sequence[FoundFile], seconds: float) -> list[FoundFile]:
    """The files without those that have the content of another, which a run reads once.

    Files of equal size are hashed, for so many seconds; those not come to are kept.
    """
    same: dict[int, list[FoundFile]] = defaultdict(list)
    for f in files:
        same[f.size].append(f)
    until = time.monotonic() + seconds
    dropped: set[int] = set()
    for group in same.values():
        known: set[bytes] = set()
        for f in group if len(group) > 1 else ():
            if time.monotonic() > until:
                break
            try:
                with f.path.open("rb") as data:
                    digest = hashlib.file_digest(data, "sha256").digest()
            except OSError:
                continue
            if digest in known:
                dropped.add(id(f))
            known.add(digest)
    return [f for f in files if id(f) not in dropped]


def open_files(
    files: Sequence[FoundFile],
    pool: WorkerPool,
    *,
    seed: int,
    clock: Clock,
    until: float,
    password: str | None = None,
    tick: Callable[[], None] = lambda: None,
) -> list[FileSeen]:
    """Opens files in the seed's order until the ``clock`` says so, and looks at their pages; at one file at least.

    Each step runs in a worker, under its limits. A file or page that is damaged is one that is unreadable.
    """
    counting: deque[tuple[FoundFile, Any]] = deque()
    looking: deque[tuple[FoundFile, Any]] = deque()
    order = opening_order(files, seed)
    seen: list[FileSeen] = []
    more, most = True, _AHEAD * pool.workers
    while more or counting or looking:
        while more and len(counting) < most:
            late = clock.now() > until and bool(seen or counting or looking)
            if late or (file := next(order, None)) is None:
                more = False
            else:
                counting.append((file, _counting(pool, file, password)))
        if counting and len(looking) < most:
            file, call = counting.popleft()
            looking.append((file, _looking(pool, file, call)))
        elif looking:
            seen.append(_seen(pool, clock, *looking.popleft()))
        tick()
    return seen


def page_ref(file: FoundFile, page: int, password: str | None) -> PageRef:
    """The page; whether the file is a PDF is judged by its bytes, as a run does.

    Raises:
        OSError: it cannot be read.
    """
    with file.path.open("rb") as data:
        kind = media_type_of(data.read(_HEAD))
    return PageRef(str(file.path), page, pdf=kind == "application/pdf", password=password)


def _counting(pool: WorkerPool, file: FoundFile, password: str | None) -> Any:
    """The call that counts the file's pages, or the code of the error that there is already."""
    try:
        if file.path.exists() and not file.path.is_file():
            return SourceUnsupported("").code
        with file.path.open("rb") as data:
            if media_type_of(data.read(_HEAD)) is None:
                return (SourceUnsupported("") if file.size else SourceEmpty("")).code
        ref = page_ref(file, 0, password)
    except OSError:
        return SourceUnreadable("").code
    return ref, pool.submit(count_pages, ref)


def _looking(pool: WorkerPool, file: FoundFile, counting: Any) -> Any:
    """The calls that look at its pages, with how many it has; or the error's code."""
    if isinstance(counting, str):
        return counting
    ref, call = counting
    try:
        count: int = pool.result(call, str(file.path))
    except PaperlodeError as exc:
        return exc.code
    return count, [(pages, pool.submit(look_at, ref, pages)) for pages in pages_to_look_at(count)]


def _seen(pool: WorkerPool, clock: Clock, file: FoundFile, looking: Any) -> FileSeen:
    if isinstance(looking, str):
        return FileSeen(file, error=looking)
    count, calls = looking
    looks: list[Look] = []
    for pages, call in calls:
        try:
            found, cpu = pool.result(call, str(file.path))
            looks += found
            clock.worked(cpu)
        except (PageError, SourceError):
            looks += [Look(n, PageKind.UNREADABLE) for n in pages]
    return FileSeen(file, count, tuple(looks))
