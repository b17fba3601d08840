"""Files that are gone from the folders of a run: where another file holds the document it was moved, else it is missing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paperlode.ingest.addresses import is_url, local_file, shown
from paperlode.ingest.objects import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from paperlode.ingest.ledger import Ledger
    from paperlode.ingest.recovery import Remover

__all__ = ["GoneFile", "sweep"]


@dataclass(frozen=True, slots=True)
class GoneFile:
    """A file that was ingested and is not there any more.

    Attributes:
        path: where it was.
        document: digest of what it held.
        held_by: the file that holds it now; empty where none does.
        removed: whether the document was taken out of the index for that.
    """

    path: str
    document: str
    held_by: str = ""
    removed: bool = False


def sweep(paths: Iterable[str | Path], ledger: Ledger, sink: Remover, *, remove: bool) -> Iterator[GoneFile]:
    """The files that are gone, by path. Those that were moved, or of which there is a copy, leave the books.

    Args:
        paths: as given to the run. Only in folders that are there it is looked for: what was named by itself, or a folder
            that is gone as a whole, says nothing. An empty folder where a disk should be mounted has lost all its files; of a
            bucket that holds nothing or cannot be listed whole, nothing is said.
        ledger: the books.
        sink: from which documents are removed.
        remove: take a document that no file holds any more out of the index; else it stays searchable, and is told each time.
    """
    gone: dict[str, str] = {}
    for place in map(local_file, paths):
        if is_url(place):
            url = str(place)
            if (there := listed(url)) is not None:
                folder = shown(url).rstrip("/")
                gone |= {p: digest for p, digest in ledger.paths_in(folder) if p not in there}
                failed = [f.path for f in ledger.failures() if f.path not in there]
                ledger.forget_failures([p for p in failed if p.rstrip("/") == folder or p.startswith(f"{folder}/")])
        elif (path := Path(place).expanduser()).is_dir():
            gone |= {p: digest for p, digest in ledger.paths_in(str(path.absolute())) if _is_gone(p)}
    removed: set[str] = set()
    for lost, digest in sorted(gone.items()):
        others = [] if digest in removed else [p for p in ledger.document(digest).paths if p not in gone]
        if others:
            ledger.drop_path(lost, others[0])
        elif remove and digest not in removed:
            ledger.begin_removal(digest)
            sink.remove(digest)
            ledger.remove(digest)
            removed.add(digest)
        yield GoneFile(lost, digest, held_by=others[0] if others else "", removed=digest in removed)


def _is_gone(path: str) -> bool:
    """Only where the system says so: a folder that may not be looked into, or a mount that does not answer, says nothing."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        pass
    return False
