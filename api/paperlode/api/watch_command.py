"""``paperlode watch``: folders and buckets followed."""
# ruff: noqa: PLR0917  Typer passes every argument by name

import signal
import time
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from paperlode.api.command import faces, log_to_stderr, settings_of
from paperlode.api.options import (
    CollectionOption,
    DeviceOption,
    EmbeddingOption,
    IndexOption,
    LayoutOption,
    PasswordOption,
    PresetOption,
    QdrantOption,
    ServerOption,
    TextLayerOption,
    VersionOption,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from paperlode.api.settings import Settings
    from paperlode.api.watch import Told, WatchOptions
    from paperlode.retrieval.embedding import Embedder

__all__ = ["watch"]


def watch(
    paths: Annotated[
        list[str], typer.Argument(help="Folders, files, globs, URLs (s3://, gs://, https://, ...).", show_default=False)
    ],
    index: IndexOption = None,
    poll: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Look every so many seconds, in place of the system's events: for network mounts; also how often buckets are "
            "looked at. [default: events; buckets 60]",
            show_default=False,
        ),
    ] = None,
    settle: Annotated[float, typer.Option(min=0.1, help="Seconds without a change after which a file is taken.")] = 2.0,
    full_every: Annotated[
        float, typer.Option(min=1, help="Seconds between passes over everything, in case an event was lost.")
    ] = 3600.0,
    remove_missing: Annotated[
        bool,
        typer.Option(
            "--remove-missing",
            help="Take out documents whose files are gone; not where a whole folder is empty or gone.",
        ),
    ] = False,
    password: PasswordOption = None,
    embedding: EmbeddingOption = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that parse. [default: one a core]", show_default=False)
    ] = None,
    parser: Annotated[
        str | None,
        typer.Option(help="auto, local or paddleocr-vl; auto takes a server where one is given.", show_default=False),
    ] = None,
    server: ServerOption = None,
    vl_version: VersionOption = None,
    text_layer: TextLayerOption = None,
    layout: LayoutOption = None,
    device: DeviceOption = None,
    qdrant: QdrantOption = None,
    collection: CollectionOption = None,
    preset: PresetOption = "memory",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens, with tracebacks.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Take in documents as they come, change, move and go, until Ctrl-C. The index can be searched between batches."""
    with faces(as_json=as_json):
        from paperlode.api.watch import WatchOptions

        settings = settings_of(
            index=index,
            embedding=embedding,
            workers=workers,
            parser=parser,
            server=",".join(server) if server else None,
            vl_version=vl_version,
            text_layer=text_layer,
            layout=layout,
            device=device,
            qdrant=qdrant,
            collection=collection,
        )
        log_to_stderr(verbose=verbose)
        if settings.servers:
            from paperlode.ingest.vllm.connections import raise_open_files

            raise_open_files()
        options = WatchOptions(settle=settle, full_every=full_every, remove_missing=remove_missing)
        tell = _tell_json if as_json else _tell
        terminated = _on_termination()
        try:
            _watch(paths, settings, options, poll=poll, password=password, preset=preset, tell=tell)
        except KeyboardInterrupt:
            if terminated:  # a service that is stopped has ended well
                raise typer.Exit(0) from None
            raise


def _watch(
    paths: list[str],
    settings: "Settings",
    options: "WatchOptions",
    *,
    poll: float | None,
    password: str | None,
    preset: str,
    tell: "Callable[[Told], None]",
) -> None:
    from paperlode.api.archive import Archive
    from paperlode.api.ingest_command import ingest_options
    from paperlode.api.progress import progress_bar
    from paperlode.api.watch import Told, Watch
    from paperlode.api.watch_batches import IntoArchive
    from paperlode.api.watch_changes import changes_of
    from paperlode.ingest.objects import check_addresses
    from paperlode.retrieval.server_options import preset as kept_as

    def open_archive(model: "Embedder | None") -> Archive:
        return Archive.open_or_create(
            settings.index,
            embedder=model or settings.embedder,
            models=settings.embedding_models,
            server=settings.qdrant_server,
            server_key=settings.qdrant_key,
            collection=kept_as(preset),
            pages=settings.pages,
            ledger=settings.ledger,
        )

    check_addresses(paths)
    take = IntoArchive(
        open_archive,
        ingest_options(settings, password=password),
        notice=lambda words: tell(Told("note", what=words)),
        progress=progress_bar,
    )
    Watch(paths, changes_of(paths, poll=poll), take, tell, options=options, index=settings.index).run()


def _tell(told: "Told") -> None:
    from paperlode.api.terminal import Lines

    style = {"failed": "red", "warning": "yellow", "waiting": "yellow", "taken": "green"}.get(told.kind, "")
    parts = [p for p in (told.path, told.what) if p]
    Lines().print(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  ", (f"{told.kind:8}", style), "  ", ": ".join(parts))
    _flush()


def _tell_json(told: "Told") -> None:
    import json

    from paperlode.api.terminal import json_safe

    row = {"time": time.time(), "event": told.kind, "path": told.path, "what": told.what}
    print(json_safe(json.dumps(row, ensure_ascii=False)))
    _flush()


def _flush() -> None:
    import sys

    sys.stdout.flush()


def _on_termination() -> list[int]:
    """SIGTERM (a service manager, a container) ends the watch as cleanly as Ctrl-C; the list says that it came."""
    came: list[int] = []

    def interrupt(number: int, _frame: object) -> NoReturn:
        came.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    return came
