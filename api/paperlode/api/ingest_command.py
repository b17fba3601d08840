"""``paperlode ingest``: documents in."""
# ruff: noqa: PLR0917  Typer passes every argument by name

from typing import TYPE_CHECKING, Annotated

import typer

from paperlode.api.command import faces, log_to_stderr, settings_of, terminate_like_interrupt
from paperlode.api.options import (
    CollectionOption,
    DeviceOption,
    EmbeddingOption,
    IndexOption,
    JsonOption,
    LayoutOption,
    LedgerOption,
    PasswordOption,
    PresetOption,
    QdrantOption,
    ServerOption,
    TextLayerOption,
    VersionOption,
)

if TYPE_CHECKING:
    from paperlode.api.archive import IngestOptions
    from paperlode.api.settings import Settings

__all__ = ["ingest", "ingest_options"]


def ingest(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders, globs, URLs (s3://, gs://, https://, ...): PDF, PNG, JPEG, TIFF, WebP.",
            show_default=False,
        ),
    ],
    index: IndexOption = None,
    password: PasswordOption = None,
    embedding: EmbeddingOption = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that parse. [default: one a core]", show_default=False)
    ] = None,
    page_timeout: Annotated[
        float | None, typer.Option(help="Seconds one page may take. [default: 180]", show_default=False)
    ] = None,
    memory_limit: Annotated[
        int | None, typer.Option(help="MB of memory one worker may take. [default: 1800]", show_default=False)
    ] = None,
    min_free: Annotated[
        int | None, typer.Option(help="MB that must stay free on the disk. [default: 256]", show_default=False)
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
    engine: Annotated[
        str | None,
        typer.Option(
            help="local: processes of this machine; ray: workers of a Ray cluster. [default: local]", show_default=False
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="Of the Ray cluster: auto, or HOST:PORT. [default: a Ray is started here for the run]",
            show_default=False,
        ),
    ] = None,
    qdrant: QdrantOption = None,
    collection: CollectionOption = None,
    pages: Annotated[
        str | None,
        typer.Option(
            help="Where parsed pages are kept: a folder, or an address like s3://bucket/pages; for a new index. "
            "[env: PAPERLODE_PAGES; default: in the index]",
            show_default=False,
        ),
    ] = None,
    ledger: LedgerOption = None,
    preset: PresetOption = "memory",
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Parse pages again that failed before.")] = False,
    remove_missing: Annotated[
        bool,
        typer.Option(
            "--remove-missing",
            help="Take out documents whose files are gone from the folders given (of an empty one: all).",
        ),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens, with tracebacks.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take in documents. What is done already is skipped; Ctrl-C keeps what is done, and a second run goes on."""
    with faces(as_json=as_json):
        settings = settings_of(
            index=index,
            embedding=embedding,
            workers=workers,
            page_timeout=page_timeout,
            memory_limit=memory_limit,
            min_free=min_free,
            parser=parser,
            server=",".join(server) if server else None,
            vl_version=vl_version,
            text_layer=text_layer,
            layout=layout,
            device=device,
            engine=engine,
            address=address,
            qdrant=qdrant,
            collection=collection,
            pages=pages,
            ledger=ledger,
        )
        log_to_stderr(verbose=verbose)
        terminate_like_interrupt()
        if settings.servers:
            from paperlode.ingest.vllm.connections import raise_open_files

            raise_open_files()
        code = _ingest(
            paths,
            settings,
            preset=preset,
            as_json=as_json,
            password=password,
            retry_failed=retry_failed,
            remove_missing=remove_missing,
        )
    raise typer.Exit(code)


def ingest_options(
    settings: "Settings", *, password: str | None, retry_failed: bool = False, remove_missing: bool = False
) -> "IngestOptions":
    """How files are taken in, as the settings have it."""
    from paperlode.api.archive import IngestOptions
    from paperlode.api.parsers import Recognition
    from paperlode.ingest.workers import WorkerLimits

    return IngestOptions(
        parser=settings.parser,
        recognition=Recognition.of(settings),
        password=password,
        workers=settings.workers,
        limits=WorkerLimits(seconds=settings.page_timeout, memory_mb=settings.memory_limit),
        retry_failed=retry_failed,
        remove_missing=remove_missing,
        free_bytes=settings.min_free * 1_000_000,
        fetch_bytes=settings.fetch_limit * 1_000_000,
        engine=settings.engine,
        address=settings.address or None,
        embedders=settings.ray_embedders,
    )


def _ingest(
    paths: list[str],
    settings: "Settings",
    *,
    preset: str,
    as_json: bool,
    password: str | None,
    retry_failed: bool,
    remove_missing: bool,
) -> int:
    from paperlode.api import terminal, views
    from paperlode.api.archive import Archive
    from paperlode.api.progress import progress_bar
    from paperlode.retrieval.server_options import preset as kept_as

    options = ingest_options(settings, password=password, retry_failed=retry_failed, remove_missing=remove_missing)
    with Archive.open_or_create(
        settings.index,
        embedder=settings.embedder,
        models=settings.embedding_models,
        server=settings.qdrant_server,
        server_key=settings.qdrant_key,
        collection=kept_as(preset),
        pages=settings.pages,
        ledger=settings.ledger,
    ) as archive:
        try:
            with progress_bar() as show:
                report = archive.ingest(paths, options=options, on_progress=show, on_notice=terminal.message)
        except KeyboardInterrupt:
            counts = archive.status().counts
            terminal.message(
                ("Interrupted. ", "bold yellow"),
                f"{counts.documents} documents are searchable; pages parsed of the others are kept. "
                "Run the same command again to go on.",
            )
            raise
        status = archive.status()
    views.show_report(report, status)
    if as_json:
        terminal.print_json(views.report_object(report, status))
    if report.stopped:
        terminal.error(report.stopped)
        return 1
    return 0 if report.ingested or report.skipped or any(g.removed for g in report.gone) else 1
