"""Where an archive's new vectors are made beside the old, and how they take their place: a folder, or a collection."""

from __future__ import annotations

import logging
import shutil
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Protocol

from paperlode.ingest.errors import ArchiveCorrupt, SchemaMismatch
from paperlode.retrieval.server_collections import KEPT, REINDEX

if TYPE_CHECKING:
    from paperlode.api.directory import Directory, Manifest
    from paperlode.retrieval.index import Index, Schema
    from paperlode.retrieval.server_options import CollectionOptions, ServerOptions
    from paperlode.retrieval.server_wire import Wire

__all__ = ["CollectionPlace", "Place", "ShardPlace", "finish_swap"]

log = logging.getLogger(__name__)


class Place(Protocol):
    """Where the new index is made."""

    def begun(self, name: str) -> Index | None:
        """The index of that name that an earlier run has begun; None where it cannot be gone on with."""
        ...

    def fresh(self) -> tuple[Index, str]:
        """An empty one, and its name."""
        ...

    def forget(self) -> None:
        """Take away what was begun."""
        ...

    def manifest(self, name: str) -> Manifest:
        """The manifest that makes it the one that counts."""
        ...

    def swap(self, index: Index, name: str) -> Index:
        """Once that manifest is written: let it take the old one's place; returns it, open."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class ShardPlace:
    """In the archive's folder; the manifest's write is the swap."""

    def __init__(self, directory: Directory, manifest: Manifest, schema: Schema) -> None:
        self._directory, self._manifest, self._schema = directory, manifest, schema

    def begun(self, name: str) -> Index | None:
        """The shard in that folder; None where it is gone or damaged."""
        from paperlode.retrieval.edge import EdgeIndex

        folder = self._directory.shard(name)
        if not folder.exists():
            return None
        try:
            return EdgeIndex(folder, self._schema)
        except ArchiveCorrupt as exc:
            log.warning("what was embedded before cannot be used: %s", exc)
            return None

    def fresh(self) -> tuple[Index, str]:
        """A shard in a folder of its own."""
        from paperlode.retrieval.edge import EdgeIndex

        name = self._directory.next_shard()
        return EdgeIndex(self._directory.shard(name), self._schema, create=True), name

    def forget(self) -> None:
        """Remove every shard but the one that counts."""
        for shard in self._directory.shards():
            if shard.name != self._manifest.shard:
                shutil.rmtree(shard, ignore_errors=True)

    def manifest(self, name: str) -> Manifest:
        """Names the shard."""
        return replace(self._manifest, schema=self._schema.to_dict(), shard=name)

    def swap(self, index: Index, name: str) -> Index:  # noqa: ARG002
        """Nothing is left to do."""
        return index

    def close(self) -> None:
        """Nothing to let go of."""


class CollectionPlace:
    """On the archive's server, kept as the old one is; the manifest decides, and the alias follows.

    Args:
        server: its ``collection`` is the alias.
        manifest: of the archive.
        schema: of the new vectors.
    """

    def __init__(self, server: ServerOptions, manifest: Manifest, schema: Schema) -> None:
        from paperlode.retrieval.server_wire import Wire

        self._server, self._manifest, self._schema = server, manifest, schema
        self._wire = Wire(server)

    def begun(self, name: str) -> Index | None:
        """The collection of that name; None where it is gone or was made with something else."""
        from paperlode.retrieval.server import QdrantIndex
        from paperlode.retrieval.server_collections import generations

        if name not in generations(self._wire, self._server.collection):
            return None
        try:
            return QdrantIndex(replace(self._server, collection=name), self._schema, recover=True, wire=self._wire)
        except SchemaMismatch as exc:
            log.warning("what was embedded before cannot be used: %s", exc)
            return None

    def fresh(self) -> tuple[Index, str]:
        """A collection without an alias."""
        from paperlode.retrieval.server import QdrantIndex
        from paperlode.retrieval.server_collections import behind, create, new_name

        name, old = new_name(self._wire, self._server.collection), behind(self._wire, self._server.collection)
        note = {REINDEX: {"replaces": old}}
        create(self._wire, name, self._schema, _kept(self._wire, self._server.collection), **note)
        return QdrantIndex(replace(self._server, collection=name), self._schema, wire=self._wire), name

    def forget(self) -> None:
        """Drop the collections that were begun like this one."""
        from paperlode.retrieval.server_collections import behind, drop, generations, notes_of

        counts = behind(self._wire, self._server.collection)
        for name in generations(self._wire, self._server.collection):
            if name != counts and isinstance((notes_of(self._wire, name) or {}).get(REINDEX), dict):
                drop(self._wire, name)

    def manifest(self, name: str) -> Manifest:  # noqa: ARG002  it names the alias
        """Says what the collection behind the alias is made with."""
        return replace(self._manifest, schema=self._schema.to_dict())

    def swap(self, index: Index, name: str) -> Index:
        """Gives it the alias, and drops the old one."""
        from paperlode.retrieval.server import QdrantIndex

        index.close()
        _take_place(self._wire, self._server.collection, name)
        return QdrantIndex(self._server, self._schema)

    def close(self) -> None:
        """Lets go of the connection."""
        self._wire.close()


def finish_swap(server: ServerOptions, name: str) -> None:
    """Gives the alias to a collection that a manifest says is behind it already: its writer died before it came to that."""
    from paperlode.retrieval.server_wire import Wire

    wire = Wire(server)
    try:
        _take_place(wire, server.collection, name)
    finally:
        wire.close()


def _take_place(wire: Wire, alias: str, name: str) -> None:
    from paperlode.retrieval.server_collections import drop, generations, note, notes_of, point_alias

    made = (notes_of(wire, name) or {}).get(REINDEX)
    point_alias(wire, alias, name)
    if not isinstance(made, dict):  # all of it is done
        return
    old = made.get("replaces")
    if old in generations(wire, alias) and old != name:
        drop(wire, str(old))
    note(wire, name, **{REINDEX: None})


def _kept(wire: Wire, name: str) -> CollectionOptions:
    """How a collection was asked to be kept when it was made."""
    from paperlode.retrieval.server_collections import notes_of
    from paperlode.retrieval.server_options import CollectionOptions

    said = (notes_of(wire, name) or {}).get(KEPT) or {}
    known = {f.name for f in fields(CollectionOptions)}
    return CollectionOptions(**{k: v for k, v in said.items() if k in known})
