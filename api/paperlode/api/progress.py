"""A bar for a run: pages done of those expected, pages a second, time left."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from paperlode.api.terminal import clean, console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from paperlode.ingest.pipeline import Progress

__all__ = ["progress_bar"]


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None] | None]:
    """Shows what it is called with, on standard error; None where that is no terminal."""
    out = console(stderr=True)
    if not out.is_terminal:
        yield None
        return
    from rich.markup import escape
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} pages  {task.fields[speed]:.1f} pages/s"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[files]}"),
    )
    with Bar(*columns, console=out, transient=True) as bar:
        task = bar.add_task("starting", total=0, speed=0.0, files="")

        def show(p: Progress) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            failed = f", {p.documents_failed} failed" if p.documents_failed else ""
            bar.update(
                task,
                description=escape(clean(p.document)[:32]),
                completed=p.pages_done,
                total=max(p.pages_expected, p.pages_done),
                speed=(p.pages_done - p.pages_kept) / elapsed if elapsed > 0 else 0.0,
                files=f"{p.documents_done} of {p.documents_total} files{failed}",
            )

        yield show
