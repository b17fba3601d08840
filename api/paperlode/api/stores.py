"""The two stores of an index folder, the index and the ledger: opened together, and made to agree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paperlode.ingest.errors import ArchiveCorrupt, ArchiveNotFound, InvalidRequest

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from paperlode.api.directory import Directory, Manifest
    from paperlode.api.late_ledger import LateLedger
    from paperlode.ingest.ledger import Ledger
    from paperlode.retrieval.index import Index, Schema
    from paperlode.retrieval.server import QdrantIndex
    from paperlode.retrieval.server_options import CollectionOptions

__all__ = ["clear_shards", "clear_stores", "clear_strays", "open_on_server", "open_stores", "settle"]


def open_stores(
    directory: Directory,
    manifest: Manifest,
    stack: ExitStack,
    *,
    server_key: str | None = None,
    collection: CollectionOptions | None = None,
) -> tuple[Index, LateLedger]:
    """The index and the ledger of a locked folder, made to agree; ``stack`` closes them.

    Where a glance at the ledger says that all is settled, it is not opened in full.

    Args:
        directory: locked by this process.
        manifest: its manifest; written as ready where it is new.
        stack: closes both.
        server_key: of the server of an index that is on one.
        collection: how a new collection there is kept; None for the default.

    Raises:
        ArchiveCorrupt: one is missing or damaged, or they do not fit together. SchemaMismatch: another version wrote it.
        ArchiveError: the server of the index, or of the ledger, cannot be used.
    """
    from paperlode.api.late_ledger import LateLedger

    schema = manifest.stored_schema(directory.root)
    if manifest.ready and not manifest.ledger and not directory.ledger.exists():
        raise ArchiveCorrupt(
            f"The ledger {str(directory.ledger)!r} is missing.",
            hint="Restore it from a backup, or delete the folder and ingest again.",
        )
    late = LateLedger(directory.ledger, manifest)
    stack.callback(late.close)
    seen = late.glance() if manifest.ready else None
    ledger = None if seen and seen.settled else late.whole()
    index: Index
    if manifest.server:
        if ledger:
            _finish_reindex(manifest, ledger, server_key)
        index = on_server = open_on_server(manifest, schema, server_key, collection)
        stack.callback(on_server.close)
        on_server.claim()  # a move to the server may have ended before this
        clear_shards(directory)
    else:
        from paperlode.retrieval.edge import EdgeIndex

        if ledger:
            ledger.reindex.take_over(
                manifest.shard
            )  # a run that embedded anew may have ended between manifest and ledger
        clear_strays(directory, manifest, ledger)
        shard = directory.shard(manifest.shard)
        gone = not shard.exists()
        if gone and manifest.ready:
            ledger = late.whole()
            ledger.forget_index()  # its folder was deleted: the next ingest makes it anew from the pages kept
        index = EdgeIndex(shard, schema, create=gone)
        stack.callback(index.close)
    if not manifest.ready:
        replace(manifest, ready=True).write(directory)
    if ledger or not seen or index.count() != seen.chunks:
        settle(index, late.whole(), directory.shard(manifest.shard))
    return index, late


def _finish_reindex(manifest: Manifest, ledger: Ledger, key: str | None) -> None:
    """A run that embedded anew may have ended between manifest and alias: the manifest decides."""
    import json

    making = ledger.reindex.under_way()
    if making and json.loads(making[1]) == manifest.schema:
        from paperlode.api.places import server_at
        from paperlode.api.reindex_places import finish_swap

        finish_swap(server_at(manifest.server or {}, key), making[0])
        ledger.reindex.take_over(making[0])


def open_on_server(
    manifest: Manifest, schema: Schema, key: str | None, collection: CollectionOptions | None = None
) -> QdrantIndex:
    """The index of an archive whose manifest names a server; made there where the archive is new."""
    from paperlode.api.places import server_at
    from paperlode.retrieval.server import QdrantIndex
    from paperlode.retrieval.server_options import CollectionOptions

    server = server_at(manifest.server or {}, key)
    new = None if manifest.ready else collection or CollectionOptions()
    try:
        index = QdrantIndex(server, schema, create=new, recover=True)
    except ArchiveNotFound as exc:  # to whoever opens the archive this is not "there is no archive"
        raise ArchiveCorrupt(
            exc.what, hint="Restore it from a snapshot, or delete the folder and ingest again."
        ) from exc
    if new and index.count():
        index.close()
        raise InvalidRequest(
            f"The collection {server.place} is not empty: it belongs to another archive.",
            hint="Take another name with --collection.",
        )
    return index


def settle(index: Index, ledger: Ledger, shard: Path) -> None:
    """Clears away what a killed run left, then compares the index in the folder ``shard`` with the ledger.

    Raises:
        ArchiveCorrupt: chunks are missing, or there are more than were recorded.
    """
    from paperlode.api.sink import Cleaner
    from paperlode.ingest.recovery import recover

    recover(Cleaner(index), ledger)
    held, recorded = index.count(), ledger.counts().chunks
    if held != recorded and (place := getattr(index, "place", None)):
        raise ArchiveCorrupt(
            f"The collection {place} holds {held:,} chunks, {recorded:,} are recorded: another program has changed it.",
            hint="Restore it from a snapshot, or ingest into another folder and collection.",
        )
    if held != recorded:
        raise ArchiveCorrupt(
            f"The index in {str(shard)!r} holds {held:,} chunks, {recorded:,} are recorded: it is damaged.",
            hint="Delete that folder and ingest again; pages that were read before are not read twice.",
        )


def clear_strays(directory: Directory, manifest: Manifest, ledger: Ledger | None) -> None:
    """Removes every shard but the one that counts and, where a ``ledger`` is given, the one being made to take its place."""
    import shutil

    making = ledger.reindex.under_way() if ledger else None
    for shard in directory.shards():
        if shard.name not in {manifest.shard, making and making[0]}:
            shutil.rmtree(shard, ignore_errors=True)


def clear_shards(directory: Directory) -> None:
    """Removes every embedded index of the folder."""
    import shutil

    for shard in directory.shards():
        shutil.rmtree(shard, ignore_errors=True)


def clear_stores(directory: Directory) -> None:
    """What a creation that was broken off has left."""
    clear_shards(directory)
    for path in directory.root.glob(f"{directory.ledger.name}*"):
        path.unlink()
