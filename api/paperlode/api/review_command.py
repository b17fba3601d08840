"""``paperlode review`` and ``paperlode reparse``: pages that want a look, listed and read again."""
# ruff: noqa: PLR0917  Typer passes every argument by name

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paperlode.api.command import faces, log_to_stderr, open_archive, settings_of, terminate_like_interrupt, write_text
from paperlode.api.options import (
    DeviceOption,
    IndexOption,
    JsonOption,
    LayoutOption,
    PasswordOption,
    ServerOption,
    TextLayerOption,
    VersionOption,
)
from paperlode.ingest.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paperlode.api.reparse import PageOutcome, ReparseReport
    from paperlode.ingest.ledger import FlaggedPage

__all__ = ["reparse", "review"]

Documents = Annotated[
    list[str] | None,
    typer.Argument(help="Documents: name, path or digest; all when none is named.", show_default=False),
]
Codes = Annotated[
    list[str] | None, typer.Option("--code", "-c", help="Only pages with this finding: sum_mismatch, ...; repeatable.")
]


def review(
    documents: Documents = None,
    code: Codes = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="CSV file to write: one line a finding.", show_default=False)
    ] = None,
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the pages that want a look, and why: pages that failed, sums that do not add up, ink that no text covers."""
    with faces(as_json=as_json), open_archive(index) as archive:
        from paperlode.api import terminal
        from paperlode.api.reparse import chosen

        pages = [p for found in chosen(archive.flagged(documents or ()), codes=code or ()).values() for p in found]
        total = archive.status().counts.pages
        if output:
            write_text(output, _csv(pages))
            terminal.message(f"Written: {output}")
        if as_json:
            terminal.print_json({"pages": total, "flagged": [_object(p) for p in pages]})
        elif not output:
            _show(pages, total)


def reparse(
    documents: Documents = None,
    flagged: Annotated[bool, typer.Option("--flagged", help="The pages that paperlode review lists.")] = False,
    code: Codes = None,
    parser: Annotated[
        str | None,
        typer.Option(help="auto, local or paddleocr-vl; auto takes a server where one is given.", show_default=False),
    ] = None,
    server: ServerOption = None,
    vl_version: VersionOption = None,
    text_layer: TextLayerOption = None,
    layout: LayoutOption = None,
    device: DeviceOption = None,
    password: PasswordOption = None,
    index: IndexOption = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens, with tracebacks.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read pages again that want a look, with another parser; all other pages stay as they were read."""
    with faces(as_json=as_json):
        if not flagged:
            raise InvalidRequest(
                "Say which pages to read again.", hint="--flagged takes those that paperlode review lists."
            )
        settings = settings_of(
            index=index,
            parser=parser,
            server=",".join(server) if server else None,
            vl_version=vl_version,
            text_layer=text_layer,
            layout=layout,
            device=device,
        )
        log_to_stderr(verbose=verbose)
        terminate_like_interrupt()
        from paperlode.api import terminal
        from paperlode.api.archive import Archive, IngestOptions
        from paperlode.api.parsers import Recognition

        options = IngestOptions(
            parser=settings.parser, recognition=Recognition.of(settings), password=password, workers=settings.workers
        )
        with Archive.open(settings.index, models=settings.embedding_models, server_key=settings.qdrant_key) as archive:
            report = archive.reparse(
                documents or (),
                codes=code or (),
                options=options,
                on_page=None if as_json else _tell,
                on_notice=terminal.message,
            )
        if as_json:
            terminal.print_json(_report_object(report))
        else:
            _tell_report(report)


def _object(page: "FlaggedPage") -> dict[str, Any]:
    return {
        "document": page.document,
        "name": page.name,
        "page": page.page,
        "failed": page.failed,
        "findings": [
            {"code": f.code, "reason": f.reason, "regions": [{"page": r.page, "box": list(r.box)} for r in f.regions]}
            for f in page.findings
        ],
    }


def _csv(pages: "Sequence[FlaggedPage]") -> "Iterator[str]":
    """One line a finding; pages counted from 1. Cells that a spreadsheet would take for formulas begin with a quote."""
    import csv
    import io

    def line(cells: "Sequence[object]") -> str:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerow([_inert(str(c)) for c in cells])
        return out.getvalue()

    yield line(("document", "page", "finding", "reason", "x0", "y0", "x1", "y1", "digest"))
    for p in pages:
        for f in p.findings:
            box = next((tuple(r.box) for r in f.regions if r.page == p.page), ("", "", "", ""))
            yield line((p.name, p.page + 1, f.code, f.reason, *box, p.document))


def _inert(cell: str) -> str:
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell


def _show(pages: "Sequence[FlaggedPage]", total: int) -> None:
    from rich.table import Table

    from paperlode.api.terminal import box_text, console, styled

    out = console()
    if not pages:
        out.print(f"None of {total} pages wants a look.")
        return
    table = Table(title=f"{len(pages)} of {total} pages want a look", title_justify="left")
    for column in ("Document", "Page", "Finding", "Why", "Where"):
        table.add_column(column, overflow="fold")
    for p in pages:
        for f in p.findings:
            where = box_text([r.box for r in f.regions if r.page == p.page][:1])
            table.add_row(styled(p.name), str(p.page + 1), f.code, styled(f.reason), where)
    out.print(table)
    out.print(
        "Look at a page with: paperlode show DOCUMENT --page N. Read them again with: paperlode reparse --flagged."
    )


def _tell(page: "PageOutcome") -> None:
    from paperlode.api import terminal

    if page.why:
        said = f"could not be read: {page.why}" + (" It stays as it was." if page.kept else "")
    elif page.after:
        said = f"still wants a look: {', '.join(page.after)}"
    else:
        said = f"is sound now (was: {', '.join(page.before)})"
    terminal.message((page.name, "bold cyan"), f" p.{page.page + 1} ", said)


def _tell_report(report: "ReparseReport") -> None:
    from paperlode.api import terminal

    if not report.pages:
        terminal.message("No page wants a look.")
        return
    terminal.message(
        f"{len(report.pages)} pages read again, {report.sound} of them are sound now; "
        f"{len(report.documents)} documents renewed in the index."
    )


def _report_object(report: "ReparseReport") -> dict[str, Any]:
    from dataclasses import asdict

    return {"pages": [asdict(p) for p in report.pages], "sound": report.sound, "documents": report.documents}
