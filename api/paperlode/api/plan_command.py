"""``paperlode plan``: what a run would take, before it."""
# ruff: noqa: PLR0917  Typer passes every argument by name

from typing import TYPE_CHECKING, Annotated

import typer

from paperlode.api.command import faces, settings_of
from paperlode.api.options import EmbeddingOption, IndexOption, JsonOption, PasswordOption

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from paperlode.api.settings import Settings
    from paperlode.retrieval.embedding import Embedder

__all__ = ["plan"]

RATE = 1.22
"""As ``plan_servers.PAGES_PER_SECOND``, which is not imported for a help text; a test holds the two together."""


def plan(
    paths: Annotated[
        list[str], typer.Argument(help="Files, folders, globs: PDF, PNG, JPEG, TIFF, WebP.", show_default=False)
    ],
    index: IndexOption = None,
    seconds: Annotated[
        float, typer.Option(min=5, help="How long to sample, about; up to three times that on a busy machine.")
    ] = 60.0,
    seed: Annotated[int, typer.Option(help="Of the sample: the same takes the same pages in the same order.")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes that parse. [default: one a core]", show_default=False)
    ] = None,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs for PaddleOCR-VL; 0 leaves that out.")] = 1,
    replicas: Annotated[
        int | None, typer.Option(min=1, help="Servers on them. [default: one a GPU]", show_default=False)
    ] = None,
    pages_per_second: Annotated[
        float,
        typer.Option(
            min=0.001,
            help="Of one replica. The default is remembered of an A100, not measured.",
        ),
    ] = RATE,
    embedding: EmbeddingOption = None,
    password: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Estimate what ingesting would take: pages by kind, hours, GPU-hours, disk, memory, and what would hold it up.

    Opens files, looks at pages, and really reads, chunks, embeds and indexes a few in a folder that is thrown away: pages are
    drawn by a seed, from files of every type and size. Each figure has a 90 % interval from resampling. With --index, files
    that it holds already do not count. Nothing is written to the index.
    """
    with faces(as_json=as_json):
        from paperlode.api import terminal
        from paperlode.api.plan_view import plan_object, show_plan
        from paperlode.api.planning import PlanOptions, make_plan
        from paperlode.api.progress import counting_bar

        settings = settings_of(index=index, embedding=embedding, workers=workers)
        options = PlanOptions(
            seconds=seconds,
            seed=seed,
            workers=settings.workers,
            password=password,
            gpus=gpus,
            replicas=replicas or 0,
            pages_per_second=pages_per_second,
        )
        done = _done(settings)
        with counting_bar("sampling", "s") as show:
            tick = None if show is None else lambda gone: show(round(gone), max(round(seconds), round(gone)))
            found = make_plan(paths, lambda: _embedder(settings), options=options, done=done, on_progress=tick)
        if as_json:
            terminal.print_json(plan_object(found))
        else:
            show_plan(found)


def _embedder(settings: "Settings") -> "Embedder":
    from paperlode.api.archive_folder import DEFAULT_EMBEDDER, load_model

    return load_model(settings.embedder or DEFAULT_EMBEDDER, settings.embedding_models)


def _done(settings: "Settings") -> "Callable[[Sequence[str]], Iterable[str]] | None":
    """Which files the index holds as they are now; None where there is no index yet."""
    from paperlode.api.archive import Archive
    from paperlode.api.directory import Directory

    if not Directory(settings.index.expanduser()).manifest.exists():
        return None

    def held(files: "Sequence[str]") -> "Iterable[str]":
        with Archive.open(settings.index, server_key=settings.qdrant_key) as archive:
            return archive.held_unchanged(files)

    return held
