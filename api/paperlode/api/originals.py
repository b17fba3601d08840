"""The file or object that a document came from, to be read once more."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from paperlode.ingest.addresses import is_url
from paperlode.ingest.errors import SourceChanged, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paperlode.ingest.copies import Copies
    from paperlode.ingest.ledger import DocumentRecord

__all__ = ["found_source", "local_source"]


@contextmanager
def found_source(record: DocumentRecord, copies: Copies) -> Iterator[tuple[str, str]]:
    """Where the document's bytes still lie (a path or URL), and a path on this machine: the same, or a copy while it lasts.

    Raises:
        SourceError: of the last place tried: gone, unreadable, or it holds something else now.
        MissingExtra: what reads such URLs is not installed.
    """
    problem: SourceError = SourceError(f"No file is known to hold {record.name!r}.", hint="Ingest it again.")
    with ExitStack() as stack:
        for place in sorted(dict.fromkeys((*record.paths, record.uri)), key=is_url):  # what is here already comes first
            try:
                here = stack.enter_context(_here(place, record, copies))
                break
            except SourceError as exc:
                problem = exc
        else:
            raise problem
        yield place, here


def local_source(record: DocumentRecord) -> Path:
    """The file of this machine that holds the document's bytes. Raises SourceError of the last place tried."""
    problem: SourceError = SourceError(
        f"{record.name!r} lies elsewhere: {record.uri!r}.",
        hint="Fetch it from there; pages of it are shown all the same.",
    )
    for place in dict.fromkeys((*record.paths, record.uri)):
        if is_url(place):
            continue
        try:
            with _here(place, record, None) as path:
                return Path(path)
        except SourceError as exc:
            problem = exc
    raise problem


@contextmanager
def _here(place: str, record: DocumentRecord, copies: Copies | None) -> Iterator[str]:
    from paperlode.ingest.sources import open_source

    if not is_url(place):
        if open_source(place).digest != record.content:
            raise _other(place)
        yield place
        return
    assert copies is not None
    from paperlode.ingest.copies import shown_as
    from paperlode.ingest.objects import remote_file

    file = remote_file(place).look()
    if file.size not in {None, record.size}:
        raise _other(place)
    copies.most_bytes = max(copies.most_bytes, record.size)  # it was fetched before
    with copies.of(file) as copy, shown_as(place, copy.path):
        if open_source(copy.path).digest != record.content:
            raise _other(place)
        yield str(copy.path)


def _other(place: str) -> SourceChanged:
    return SourceChanged(f"{place!r} holds other bytes than when it was ingested.", hint="Ingest it again.")
