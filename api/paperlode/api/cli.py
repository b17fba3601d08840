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

from paperlode.api import command
from paperlode.api.command import (
    end_after_reading,
    faces,
    open_archive,
    open_to_search,
    printable,
    scope_of,
    use_llm,
    write,
    write_text,
)
from paperlode.api.doctor_command import doctor
from paperlode.api.eval_command import evaluate
from paperlode.api.glossary_command import glossary
from paperlode.api.ingest_command import ingest
from paperlode.api.keys_command import keys_app
from paperlode.api.options import (
    IndexOption,
    InDocument,
    JsonOption,
    LimitOption,
    LLMModelOption,
    LLMOption,
    OfKind,
    OnPages,
    PasswordOption,
    RerankOption,
    WithFlag,
    WithoutFlag,
)
from paperlode.api.plan_command import plan
from paperlode.api.push_command import push
from paperlode.api.reindex_command import reindex
from paperlode.api.review_command import reparse, review
from paperlode.api.serve_command import serve
from paperlode.api.vllm_command import vllm_app
from paperlode.api.watch_command import watch
from paperlode.api.worker_command import worker
from paperlode.ingest.errors import InvalidRequest

if TYPE_CHECKING:
    from paperlode.api.archive import Archive
    from paperlode.ingest.document import Box

__all__ = ["app", "main"]

app = typer.Typer(
    name="paperlode",
    help="Documents in, cited answers out: every answer points at the page and the box it came from.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # as markup, [default: ...] in a help text would be taken for a tag, and vanish
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Pages are counted from 1 here, and from 0 in the JSON. PAPERLODE_INDEX names the index folder.",
)

app.add_typer(vllm_app)
app.add_typer(keys_app)


class Format(StrEnum):
    """Formats of ``export``."""

    json = "json"
    markdown = "markdown"
    html = "html"
    jsonl = "jsonl"
    docling = "docling"
    figures = "figures"


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            getattr(stream, "reconfigure")(errors="backslashreplace")  # noqa: B009  not every stream has it
    command.own_process = True
    _only(sys.argv[1] if len(sys.argv) > 1 else "")
    app()


def _only(name: str) -> None:
    """Leaves out of the process's ``app`` what is not called: making all commands takes longer than parsing one's arguments."""
    called = [c for c in app.registered_commands if name and name == (c.name or getattr(c.callback, "__name__", ""))]
    if called:
        app.registered_commands, app.registered_groups = called, []


@app.callback(invoke_without_command=True)
def common(
    version: Annotated[bool, typer.Option("--version", help="Say which paperlode this is.", is_eager=True)] = False,
) -> None:
    """Documents in, cited answers out: every answer points at the page and the box it came from."""
    if version:
        from paperlode.api.directory import package_version

        print(f"paperlode {package_version()}")
        raise typer.Exit


app.command()(plan)
app.command()(ingest)
app.command()(watch)
app.command()(review)
app.command()(reparse)
app.command()(reindex)
app.command()(glossary)
app.command()(push)
app.command(name="eval")(evaluate)


@app.command()
def search(
    question: Annotated[str, typer.Argument(help="In plain words.", show_default=False)],
    index: IndexOption = None,
    limit: LimitOption = 5,
    document: InDocument = None,
    kind: OfKind = None,
    pages: OnPages = None,
    flag: WithFlag = None,
    no_flag: WithoutFlag = None,
    rerank: RerankOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the best pages for a question, each with its box."""
    with faces(as_json=as_json), open_to_search(index, rerank) as archive:
        from paperlode.api import terminal, views

        scope = scope_of(document, kind, pages, flags=flag, without_flags=no_flag)
        hits = archive.search(question, limit=limit, scope=scope, on_notice=terminal.message)
        names = archive.names(hits)
        if as_json:
            terminal.print_json({"question": question, "hits": views.hit_objects(hits, names)})
        else:
            views.show_hits(hits, names)
        end_after_reading(archive)


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
    rerank: RerankOption = None,
    llm: LLMOption = None,
    model: LLMModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question, each statement with its page and box: with quotations, or by a language model and checked."""
    with faces(as_json=as_json), open_to_search(index, rerank) as archive:
        from paperlode.api import terminal, views

        scope = scope_of(document, kind, pages)
        use_llm(archive, llm, model)
        if archive.llm is not None and not as_json:
            hits = archive.search(question, limit=limit, scope=scope, on_notice=terminal.message)
            answer = views.show_pieces(archive.ask_in_pieces(question, hits))
        else:
            answer, hits = archive.ask(question, limit=limit, scope=scope, on_notice=terminal.message)
        if as_json:
            terminal.print_json(views.answer_object(question, answer, hits, archive.names(hits)))
        elif archive.llm is None:
            views.show_answer(answer)
        if picture and answer.citations:
            first = answer.citations[0]
            boxes = [r.box for r in first.boxes if r.page == first.page]
            write(picture, archive.page_picture(first.document, first.page, boxes=boxes))


@app.command()
def follow(
    document: Annotated[str, typer.Argument(help="Name, path or digest.", show_default=False)],
    label: Annotated[
        str,
        typer.Argument(help="What is referred to: 'Section 4.2(b)', 'Exhibit A', a defined term.", show_default=False),
    ],
    back: Annotated[bool, typer.Option("--back", help="Show what refers to it.")] = False,
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the clause, table or definition that a reference means, with its page and box."""
    with faces(as_json=as_json), open_archive(index) as archive:
        from paperlode.api import terminal, views

        chunks = archive.follow(document, label, referring=back)
        if as_json:
            terminal.print_json({"label": label, "passages": views.passage_objects(chunks)})
        else:
            views.show_passages(chunks, archive.document(document).name, label)


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
        Format,
        typer.Option(
            "--format",
            "-f",
            help="jsonl: one chunk a line. docling: a DoclingDocument. figures: one table cell a line.",
        ),
    ] = Format.markdown,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File, or existing folder for a file a document. [default: output]"),
    ] = None,
    index: IndexOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Write documents as values (json, docling), text (markdown, html), chunks (jsonl) or tables as data (figures)."""
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
            safe = json_safe if form in {Format.json, Format.jsonl, Format.docling, Format.figures} else printable
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


app.command()(doctor)
app.command()(serve)
app.command(hidden=True)(worker)
