"""What the commands share: errors as messages, settings, the archive, files written."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from paperlode.ingest.errors import InvalidRequest, PaperlodeError

if TYPE_CHECKING:
    from paperlode.api.archive import Archive, Scope
    from paperlode.api.settings import Settings

__all__ = [
    "end_after_reading",
    "faces",
    "log_to_stderr",
    "open_archive",
    "open_to_search",
    "page_range",
    "printable",
    "scope_of",
    "settings_of",
    "terminate_like_interrupt",
    "use_llm",
    "write",
    "write_text",
]

SOON = 0.0005
"""Seconds after which a thread that waits gets the interpreter. The model loads in one, in many small steps: with Python's 5 ms
a search from the shell took 5 % longer."""

own_process = False
"""Whether this process ends with its command, as that of the console script does."""


@contextmanager
def faces(*, as_json: bool) -> Iterator[None]:
    """Our errors become a message and exit code 1, Ctrl-C becomes 130."""
    try:
        yield
    except PaperlodeError as exc:
        from paperlode.api import terminal

        terminal.error(exc, as_json=as_json)
        raise typer.Exit(1) from exc
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def settings_of(**given: Any) -> "Settings":
    """The settings, options that were given in front of the environment."""
    from paperlode.api.settings import read_settings

    return read_settings(**given)


def open_archive(index: Path | None, *, to_search: bool = False) -> "Archive":
    """The archive in that folder, or in the one of the settings."""
    if to_search and own_process:
        sys.setswitchinterval(SOON)
    from paperlode.api.archive import Archive

    settings = settings_of(index=index)
    models = settings.embedding_models
    return Archive.open(settings.index, models=models, server_key=settings.qdrant_key, to_search=to_search)


def open_to_search(index: Path | None, rerank: str | None = None) -> "Archive":
    """The archive with the reranker that is given, or that of the settings."""
    settings = settings_of(index=index, rerank=rerank)
    archive = open_archive(settings.index, to_search=True)
    if settings.rerank:
        from paperlode.retrieval.rerank import RerankOptions, load_reranker

        try:
            archive.reranker = load_reranker(settings.rerank, options=settings.rerank_models)
            archive.reranking = RerankOptions(candidates=settings.rerank_candidates, seconds=settings.rerank_seconds)
        except BaseException:
            archive.close()
            raise
    return archive


def end_after_reading(archive: "Archive") -> None:
    """Ends the process of a command that has only read an embedded index, with exit code 0; inside another program, nothing.

    Closing the engine writes to the disk what has not changed, and waits for it; the process's end takes nothing from an index
    that was only read. What was printed is out before, or the error of that is raised.
    """
    if own_process and archive.server is None:
        sys.stdout.flush()
        sys.stderr.flush()
        archive.leave()
        os._exit(0)


def use_llm(archive: "Archive", url: str | None = None, model: str | None = None) -> None:
    """Gives the archive the language model that is named, or that of the settings; none where there is none.

    Raises:
        InvalidRequest: an address without a model's name, or a name without an address.
        MissingExtra: the client is not installed.
    """
    settings = settings_of(llm_url=url, llm_model=model)
    if not settings.llm_url and not model:
        return
    if not settings.llm_url or not settings.llm_model:
        missing = "--model (or PAPERLODE_LLM_MODEL)" if settings.llm_url else "--llm (or PAPERLODE_LLM_URL)"
        raise InvalidRequest("A language model needs an address and a name.", hint=f"Give {missing} too.")
    from paperlode.retrieval.llm_connection import connect_llm

    archive.llm = connect_llm(settings.llm_url, settings.llm_model, key=settings.llm_key, context=settings.llm_context)


def scope_of(
    documents: list[str] | None,
    kinds: list[str] | None,
    pages: str | None,
    *,
    flags: list[str] | None = None,
    without_flags: list[str] | None = None,
) -> "Scope":
    """The scope that the search options describe."""
    from paperlode.api.archive import Scope

    return Scope(
        documents=tuple(documents or ()),
        kinds=tuple(kinds or ()),
        pages=page_range(pages) if pages else None,
        flags=tuple(flags or ()),
        without_flags=tuple(without_flags or ()),
    )


def page_range(text: str) -> tuple[int, int]:
    """``3-9`` as people count -> (2, 8)."""
    first, dash, last = text.partition("-")
    try:
        low = int(first) if first else 1
        high = int(last) if last else (1_000_000 if dash else low)
    except ValueError:
        low = high = 0
    if not 1 <= low <= high or text == "-":
        raise InvalidRequest(f"--pages {text!r} is no range of pages.", hint="Count from 1: 7, 3-9, 5- or -4.")
    return low - 1, high - 1


def write(path: Path, data: bytes, *, say: bool = True) -> None:
    """Write a file, and say so on standard error."""
    from paperlode.api import terminal

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as exc:
        raise InvalidRequest(f"{str(path)!r} cannot be written: {exc.strerror}.") from exc
    if say:
        terminal.message(f"Written: {path}")


def write_text(path: Path, pieces: Iterator[str]) -> None:
    """Write a file piece by piece."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
    except OSError as exc:
        raise InvalidRequest(f"{str(path)!r} cannot be written: {exc.strerror}.") from exc


def printable(text: str) -> str:
    """Text for a terminal; a pipe or file gets it as it is."""
    from paperlode.api.terminal import clean

    return clean(text) if sys.stdout.isatty() else text


def log_to_stderr(*, verbose: bool) -> None:
    """Log what happens when ``verbose``; otherwise nothing but messages is printed."""
    import logging

    level = logging.INFO if verbose else logging.CRITICAL
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")


def terminate_like_interrupt() -> None:
    """SIGTERM (a service manager, a container) ends a run as cleanly as Ctrl-C."""
    import signal

    def interrupt(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
