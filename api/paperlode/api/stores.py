"""The two stores of an index folder, the index and the ledger: opened together, and made to agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paperlode.ingest.errors import ArchiveCorrupt

if TYPE_CHECKING:
    from contextlib import ExitStack

    from paperlode.api.directory import Directory, Manifest
    from paperlode.ingest.ledger import Ledger
    from paperlode.retrieval.edge import EdgeIndex

__all__ = ["clear_stores", "open_stores", "settle"]


def open_stores(directory: Directory, manifest: Manifest, stack: ExitStack) -> tuple[EdgeIndex, Ledger]:
    """The index and the ledger of a locked folder; ``stack`` closes them.

    Raises:
        ArchiveCorrupt: one is missing or damaged. SchemaMismatch: another version wrote it.
    """
    from paperlode.ingest.ledger import Ledger
    from paperlode.retrieval.edge import EdgeIndex

    schema = manifest.stored_schema(directory.root)
    if manifest.ready and not directory.ledger.exists():
        raise ArchiveCorrupt(
            f"The ledger {str(directory.ledger)!r} is missing.",
            hint="Restore it from a backup, or delete the folder and ingest again.",
        )
    ledger = Ledger.open(directory.ledger)
    stack.callback(ledger.close)
    gone = not directory.index.exists()
    if gone and manifest.ready:
        ledger.forget_index()  # its folder was deleted: the next ingest makes it anew from the pages kept
    index = EdgeIndex(directory.index, schema, create=gone)
    stack.callback(index.close)
    return index, ledger


def settle(index: EdgeIndex, ledger: Ledger, directory: Directory) -> None:
    """Clears away what a killed run left, then compares the index with the ledger.

    Raises:
        ArchiveCorrupt: chunks are missing, or there are more than were recorded.
    """
    from paperlode.api.sink import Cleaner
    from paperlode.ingest.pipeline import recover

    again = [digest for digest, status in ledger.staging().items() if status == "indexed"]
    recover(Cleaner(index), ledger)
    for digest in again:  # its new version may have become searchable just before the end, unrecorded
        if index.count(digest) != ledger.document(digest).chunks:
            index.discard(digest)
            ledger.forget_index(digest)
    held, recorded = index.count(), ledger.counts().chunks
    if held != recorded:
        raise ArchiveCorrupt(
            f"The index in {str(directory.index)!r} holds {held:,} chunks, {recorded:,} are recorded: it is damaged.",
            hint="Delete that folder and ingest again; pages that were read before are not read twice.",
        )


def clear_stores(directory: Directory) -> None:
    """What a creation that was broken off has left."""
    import shutil

    shutil.rmtree(directory.index, ignore_errors=True)
    for path in directory.root.glob(f"{directory.ledger.name}*"):
        path.unlink()
