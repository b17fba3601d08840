"""``paperlode reindex``: the archive embedded anew with another model."""

from typing import TYPE_CHECKING, Annotated

import typer

from paperlode.api.command import faces, log_to_stderr, settings_of, terminate_like_interrupt
from paperlode.api.options import IndexOption, JsonOption

if TYPE_CHECKING:
    from paperlode.api.reindex import ReindexReport

__all__ = ["reindex"]


def reindex(
    embedding: Annotated[
        str,
        typer.Option(
            "--embedding",
            help="The new model: minilm, multilingual, bge-m3, qwen3-0.6b, ..., st:NAME, or openai:MODEL@URL.",
            show_default=False,
        ),
    ],
    index: IndexOption = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens, with tracebacks.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Embed the archive anew with another model, without parsing; the old vectors count until all is done.

    Ctrl-C keeps the archive as it was, and what was embedded so far for the next run of the same command. To drop that
    instead, name the model that the archive has.
    """
    with faces(as_json=as_json):
        settings = settings_of(index=index)
        log_to_stderr(verbose=verbose)
        terminate_like_interrupt()
        from dataclasses import asdict

        from paperlode.api import terminal
        from paperlode.api.archive import Archive

        with Archive.open(settings.index, models=settings.embedding_models, server_key=settings.qdrant_key) as archive:
            try:
                from paperlode.api.progress import reindex_bar

                with reindex_bar() as show:
                    report = archive.reindex(embedding, on_progress=show)
            except KeyboardInterrupt:
                terminal.message(
                    ("Interrupted. ", "bold yellow"),
                    "The archive is as it was; run the same command again to go on.",
                )
                raise
        if as_json:
            terminal.print_json(asdict(report))
        else:
            _tell(report)


def _tell(report: "ReindexReport") -> None:
    from paperlode.api import terminal

    if not report.needed:
        terminal.message(f"The archive is embedded with {report.embedder} already.")
        return
    terminal.message(
        (f"{report.documents:,} documents, {report.chunks:,} chunks", "bold"),
        f" embedded with {report.embedder} in {report.seconds:,.1f} s; they were with {report.before}.",
    )
    if report.kept:
        terminal.message(f"{report.kept:,} of the documents had been embedded before.")
    if report.cut_anew:
        some = ", ".join(report.cut_anew[:5]) + (", ..." if len(report.cut_anew) > 5 else "")
        terminal.message(
            f"{len(report.cut_anew):,} of them had something longer than the model reads, and were cut anew: {some}."
        )
