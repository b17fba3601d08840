"""What the commands share: errors as messages, settings, the archive, files written."""

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
    "faces",
    "log_to_stderr",
    "open_archive",
    "page_range",
    "printable",
    "scope_of",
    "settings_of",
    "terminate_like_interrupt",
    "write",
    "write_text",
]


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


def open_archive(index: Path | None) -> "Archive":
    """The archive in that folder, or in the one of the settings."""
    from paperlode.api.archive import Archive

    return Archive.open(settings_of(index=index).index)


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
