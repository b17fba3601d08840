"""Bars for long work, on standard error; none where that is no terminal."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from paperlode.api.terminal import clean, console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from paperlode.api.reindex import ReindexProgress
    from paperlode.ingest.pipeline import Progress

__all__ = ["counting_bar", "progress_bar", "reindex_bar"]


@contextmanager
def counting_bar(what: str, unit: str = "") -> Iterator[Callable[[int, int], None] | None]:
    """A bar of ``what`` is done, to be told how many of how many ``unit``; None where nobody would see it."""
    with _bar(unit) as show:
        yield None if show is None else lambda done, total: show(what, done, total, "")


@contextmanager
def reindex_bar() -> Iterator[Callable[[ReindexProgress], None] | None]:
    """A bar for embedding anew: the document, its chunks, documents done."""
    with _bar("chunks") as show:
        yield (
            None
            if show is None
            else lambda p: show(
                p.document, p.chunks_done, p.chunks_total, f"{p.documents_done} of {p.documents_total} documents"
            )
        )


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None] | None]:
    """A bar for a run: pages done of those expected, pages a second, time left, files done and failed."""
    began = time.perf_counter()
    with _bar("pages") as show:
        if show is None:
            yield None
            return

        def told(p: Progress) -> None:
            speed = (p.pages_done - p.pages_kept) / max(time.perf_counter() - began, 1e-9)
            failed = f", {p.documents_failed} failed" if p.documents_failed else ""
            files = f"{speed:.1f} pages/s  {p.documents_done} of {p.documents_total} files{failed}"
            show(p.document, p.pages_done, max(p.pages_expected, p.pages_done), files)

        yield told


@contextmanager
def _bar(unit: str) -> Iterator[Callable[[str, int, int, str], None] | None]:
    """To be told what is worked at, how much of how much is done, and what else to say; the texts are nobody's markup."""
    out = console(stderr=True)
    if not out.is_terminal:
        yield None
        return
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(f"{{task.completed:,.0f}}/{{task.total:,.0f}} {unit}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[more]}"),
    )
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task("starting", total=0, more="")

        def show(what: str, done: int, total: int, more: str) -> None:
            bar.update(task, description=escape(clean(what)[:32]), completed=done, total=total, more=more)

        yield show
