"""The command line. Nothing heavy is imported before a command runs: ``paperlode --help`` answers at once.

Exit codes: 0 done (also when some files failed), 1 nothing could be done or the run could not go on, 2 wrong usage,
130 interrupted.
"""
# ruff: noqa: PLR0917  Typer passes every argument by name

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paperlode.api.command import (
    faces,
    log_to_stderr,
    open_archive,
    printable,
    scope_of,
    settings_of,
    terminate_like_interrupt,
    write,
    write_text,
)
from paperlode.api.vllm_command import vllm_app
from paperlode.ingest.errors import InvalidRequest

if TYPE_CHECKING:
    from paperlode.api.archive import Archive
    from paperlode.api.settings import Settings
    from paperlode.ingest.document import Box

__all__ = ["app", "main"]

app = typer.Typer(
    name="paperlode",
    help="Documents in, cited answers out: every answer points at the page and the box it came from.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Pages are counted from 1 here, and from 0 in the JSON. PAPERLODE_INDEX names the index folder.",
)

app.add_typer(vllm_app)

IndexOption = Annotated[
    Path | None,
    typer.Option(
        "--index", "-i", help="Index folder. [env: PAPERLODE_INDEX; default: paperlode-index]", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on standard output; its pages count from 0.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many pages to find.")]
InDocument = Annotated[
    list[str] | None,
    typer.Option("--document", "-d", help="Only in this document: name, path or digest. May be repeated."),
]
OfKind = Annotated[
    list[str] | None,
    typer.Option("--kind", "-k", help="Only blocks of this kind: text, table, formula, ...; repeatable."),
]
OnPages = Annotated[str | None, typer.Option("--pages", help="Only these pages, counted from 1: 7, 3-9, 5- or -4.")]
PasswordOption = Annotated[
    str | None,
    typer.Option("--password", envvar="PAPERLODE_PASSWORD", help="For encrypted documents.", show_envvar=True),
]


class Format(StrEnum):
    """Formats of ``export``."""

    json = "json"
    markdown = "markdown"
    html = "html"
    jsonl = "jsonl"


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            getattr(stream, "reconfigure")(errors="backslashreplace")  # noqa: B009  not every stream has it
    app()


@app.callback(invoke_without_command=True)
def common(
    version: Annotated[bool, typer.Option("--version", help="Say which paperlode this is.", is_eager=True)] = False,
) -> None:
    """Documents in, cited answers out: every answer points at the page and the box it came from."""
    if version:
        from paperlode.api.directory import package_version

        print(f"paperlode {package_version()}")
        raise typer.Exit


@app.command()
def ingest(
    paths: Annotated[
        list[str], typer.Argument(help="Files, folders, globs: PDF, PNG, JPEG, TIFF, WebP.", show_default=False)
    ],
    index: IndexOption = None,
    password: PasswordOption = None,
    model: Annotated[str | None, typer.Option(help="Embedding model of a new index: minilm, or st:NAME.")] = None,
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
    server: Annotated[
        list[str] | None,
        typer.Option(help="Address of a recognition server (paperlode vllm serve); repeatable.", show_default=False),
    ] = None,
    vl_version: Annotated[
        str | None, typer.Option(help="Version of PaddleOCR-VL served. [default: 1.6]", show_default=False)
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="Folder or hub name of PP-DocLayout. [default: V3]", show_default=False)
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Where the layout model runs: cpu, cuda. [default: cpu]", show_default=False)
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Parse pages again that failed before.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens, with tracebacks.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take in documents. What is done already is skipped; Ctrl-C keeps what is done, and a second run goes on."""
    with faces(as_json=as_json):
        settings = settings_of(
            index=index,
            model=model,
            workers=workers,
            page_timeout=page_timeout,
            memory_limit=memory_limit,
            min_free=min_free,
            parser=parser,
            server=",".join(server) if server else None,
            vl_version=vl_version,
            layout=layout,
            device=device,
        )
        log_to_stderr(verbose=verbose)
        terminate_like_interrupt()
        code = _ingest(paths, settings, password=password, retry_failed=retry_failed, as_json=as_json)
    raise typer.Exit(code)


def _ingest(paths: list[str], settings: "Settings", *, password: str | None, retry_failed: bool, as_json: bool) -> int:
    from paperlode.api import terminal, views
    from paperlode.api.archive import Archive, IngestOptions
    from paperlode.api.parsers import Recognition
    from paperlode.api.progress import progress_bar
    from paperlode.ingest.workers import WorkerLimits

    options = IngestOptions(
        parser=settings.parser,
        recognition=Recognition(
            servers=tuple(s for part in settings.server.split(",") if (s := part.strip())),
            key=settings.server_key,
            version=settings.vl_version,
            layout=settings.layout,
            device=settings.device,
        ),
        password=password,
        workers=settings.workers,
        limits=WorkerLimits(seconds=settings.page_timeout, memory_mb=settings.memory_limit),
        retry_failed=retry_failed,
        free_bytes=settings.min_free * 1_000_000,
    )
    with Archive.open_or_create(settings.index, embedder=settings.model) as archive:
        try:
            with progress_bar() as show:
                report = archive.ingest(paths, options=options, on_progress=show)
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
    return 0 if report.ingested or report.skipped else 1


@app.command()
def search(
    question: Annotated[str, typer.Argument(help="In plain words.", show_default=False)],
    index: IndexOption = None,
    limit: LimitOption = 5,
    document: InDocument = None,
    kind: OfKind = None,
    pages: OnPages = None,
    as_json: JsonOption = False,
) -> None:
    """Find the best pages for a question, each with its box."""
    with faces(as_json=as_json), open_archive(index) as archive:
        from paperlode.api import terminal, views

        hits = archive.search(question, limit=limit, scope=scope_of(document, kind, pages))
        names = archive.names(hits)
        if as_json:
            terminal.print_json({"question": question, "hits": views.hit_objects(hits, names)})
        else:
            views.show_hits(hits, names)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="In plain words.", show_default=False)],
    index: IndexOption = None,
    limit: LimitOption = 5,
    document: InDocument = None,
    kind: OfKind = None,
    pages: OnPages = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Write the first citation's page as PNG, its boxes drawn.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question with quotations, each with its page and box."""
    with faces(as_json=as_json), open_archive(index) as archive:
        from paperlode.api import terminal, views

        answer, hits = archive.ask(question, limit=limit, scope=scope_of(document, kind, pages))
        if as_json:
            terminal.print_json(views.answer_object(question, answer, hits, archive.names(hits)))
        else:
            views.show_answer(answer)
        if picture and answer.citations:
            first = answer.citations[0]
            boxes = [r.box for r in first.boxes if r.page == first.page]
            write(picture, archive.page_picture(first.document, first.page, boxes=boxes))


@app.command()
def status(index: IndexOption = None, as_json: JsonOption = False) -> None:
    """Say what the index holds, and which files failed."""
    with faces(as_json=as_json), open_archive(index) as archive:
        from paperlode.api import terminal, views

        found, documents = archive.status(), archive.documents()
        if as_json:
            terminal.print_json(views.status_object(found, documents))
        else:
            views.show_status(found, documents)


@app.command()
def show(
    ref: Annotated[str, typer.Argument(metavar="HIT|DOCUMENT", help="Id of a hit, or a document.", show_default=False)],
    page: Annotated[
        int | None, typer.Option("--page", "-p", min=1, help="Counted from 1. [default: the hit's, or 1]")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG file to write.")] = Path("page.png"),
    dpi: Annotated[int, typer.Option(min=20, max=400, help="Resolution.")] = 110,
    password: PasswordOption = None,
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a page, with the boxes of a hit."""
    with faces(as_json=as_json), open_archive(index) as archive:
        from paperlode.api import terminal

        document, number, boxes = _place(archive, ref, page)
        picture = archive.page_picture(document, number, boxes=boxes, dpi=dpi, password=password)
        write(output, picture, say=not as_json)
        if as_json:
            name = archive.document(document).name
            terminal.print_json(
                {
                    "output": str(output),
                    "document": document,
                    "name": name,
                    "page": number,
                    "boxes": [list(b) for b in boxes],
                }
            )


def _place(archive: "Archive", ref: str, page: int | None) -> "tuple[str, int, list[Box]]":
    """Digest, 0-based page and boxes of a hit or document."""
    import uuid

    try:
        chunk = archive.hit(str(uuid.UUID(ref))) if len(ref) in {32, 36} else None
    except ValueError:
        chunk = None
    if chunk is None:
        return archive.document(ref).digest, (page or 1) - 1, []
    number = page - 1 if page else chunk.pages[0]
    if number not in chunk.pages:
        raise InvalidRequest(
            f"That hit does not stand on page {number + 1}.",
            hint=f"It stands on {', '.join(str(p + 1) for p in chunk.pages)}.",
        )
    return chunk.document, number, [r.box for r in chunk.regions if r.page == number]


@app.command()
def export(
    documents: Annotated[
        list[str] | None, typer.Argument(help="Documents; all when none is named.", show_default=False)
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", "-f", help="jsonl gives one chunk a line, with its id.")
    ] = Format.markdown,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File, or existing folder for a file a document. [default: output]"),
    ] = None,
    index: IndexOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Write documents as values (json), text (markdown, html) or chunks (jsonl)."""
    with faces(as_json=as_json), open_archive(index) as archive:
        from paperlode.api.export import EXTENSIONS
        from paperlode.api.terminal import json_safe

        form = Format.json if as_json else form
        records = [archive.document(d) for d in documents] if documents else archive.documents()
        if output and output.is_dir():
            for r in records:
                name = f"{Path(r.name).stem}-{r.digest[:8]}{EXTENSIONS[form]}"
                write_text(output / name, archive.export(r.digest, form))
        elif output:
            write_text(output, (piece for r in records for piece in archive.export(r.digest, form)))
        else:
            safe = json_safe if form in {Format.json, Format.jsonl} else printable
            for r in records:
                for piece in archive.export(r.digest, form):
                    sys.stdout.write(safe(piece))


@app.command()
def delete(
    documents: Annotated[list[str], typer.Argument(help="Documents: name, path or digest.", show_default=False)],
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take documents out of the index. The files themselves are not touched."""
    with faces(as_json=as_json), open_archive(index) as archive:
        from paperlode.api import terminal, views

        chosen = {r.digest: r for r in (archive.document(d) for d in documents)}
        for digest in chosen:
            archive.delete(digest)
        if as_json:
            terminal.print_json({"deleted": [views.document_object(r) for r in chosen.values()]})
        else:
            for r in chosen.values():
                terminal.console().print(terminal.styled(f"{r.name} ({r.digest[:12]}) is out of the index."))


@app.command()
def doctor(
    index: IndexOption = None,
    model: Annotated[str | None, typer.Option(help="Model to check.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the installation and the index: versions, model, workers, disk, index."""
    with faces(as_json=as_json):
        from dataclasses import asdict

        from paperlode.api import terminal
        from paperlode.api.doctor import examine

        settings = settings_of(index=index, model=model)
        out, checks = terminal.console(), []
        for check in examine(settings.index, model=settings.model, min_free=settings.min_free):
            checks.append(check)
            if not as_json:
                mark = ("ok   ", "bold green") if check.ok else ("FAIL ", "bold red")
                out.print(terminal.styled(mark, (check.name, "bold"), f": {check.found} ", (check.hint, "italic")))
        if as_json:
            terminal.print_json({"ok": all(c.ok for c in checks), "checks": [asdict(c) for c in checks]})
    raise typer.Exit(0 if all(c.ok for c in checks) else 1)


@app.command()
def serve(
    index: IndexOption = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]", show_default=False)
    ] = None,
    port: Annotated[int | None, typer.Option(help="[default: 8765]", show_default=False)] = None,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="Host name to answer to, beside localhost; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Errors as JSON on standard output.")] = False,
) -> None:
    """Answer over HTTP, under /v1; /openapi.json describes it. Nobody is asked for a key: keep it on this machine."""
    with faces(as_json=as_json):
        import uvicorn

        from paperlode.api import terminal
        from paperlode.api.app import LOOPBACK, create_app

        settings = settings_of(index=index, host=host, port=port)
        hosts: tuple[str, ...] = (*LOOPBACK, *(name or ()))
        if settings.host not in LOOPBACK:
            hosts = hosts if name else ("*",)
            terminal.message(
                ("Warning: ", "bold yellow"),
                f"everyone who can reach {settings.host}:{settings.port} can read this archive: there are no keys yet.",
            )
        with open_archive(settings.index) as archive:
            _ = archive.embedder  # a model that cannot be loaded is an error now, not at the first question
            uvicorn.run(create_app(archive, hosts=hosts), host=settings.host, port=settings.port, log_level="info")
