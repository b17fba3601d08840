"""Collections on a Qdrant server: made, described, found behind their alias, swapped and dropped.

An archive's name is an alias. The collection behind it is called ``NAME-1``, a rebuilt one ``NAME-2``; giving the alias to
the new one is one request that takes the old one out at the same moment. What a collection was written with stands in
its metadata, under ``paperlode``.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import ArchiveNotFound, IndexServerFailed, InvalidRequest, SchemaMismatch

from .index import Schema
from .points import DENSE, INTEGERS, KEYWORDS, ROWS, SPARSE, SWAPPED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .server_options import CollectionOptions
    from .server_wire import Wire

__all__ = [
    "KEPT",
    "PUSH",
    "REINDEX",
    "Described",
    "behind",
    "create",
    "describe",
    "drop",
    "generations",
    "make",
    "new_name",
    "note",
    "notes_of",
    "point_alias",
    "search_params",
]

OURS = "paperlode"
KEPT = "kept"
"""In a collection's metadata: the ``CollectionOptions`` that it was made with."""
REINDEX = "reindex"
"""In the metadata of a collection that is made to take the place of another, of another model: which one."""
PUSH = "push"
"""In the metadata of a collection that was made as a copy: what it is a copy of, and whether it is finished."""
NODE_KEYWORDS = ("doc_id",)
"""Payload fields that LlamaIndex's stock store filters by."""


@dataclass(frozen=True, slots=True)
class Described:
    """What a collection says of itself.

    Attributes:
        schema: what it was written with.
        notes: the rest of our part of its metadata.
        quantized: whether its vectors are quantised.
        shards: how many parts its points are spread over.
        optimized: whether the server has indexed all there is in it.
    """

    schema: Schema
    notes: Mapping[str, Any]
    quantized: bool
    shards: int
    optimized: bool


def describe(wire: Wire, name: str) -> Described:
    """The collection with this name or alias.

    Raises:
        ArchiveNotFound: there is none.
        SchemaMismatch: it is not ours, or was written by another version of paperlode.
    """
    info = wire.call("opened", "get_collection", collection_name=name)
    config = info.config
    ours = (config.metadata or {}).get(OURS)
    if not isinstance(ours, dict) or not isinstance(ours.get("schema"), dict):
        raise SchemaMismatch(
            f"The collection {name!r} on {wire.options.url} was not written by paperlode.",
            hint="Take another name with --collection.",
        )
    try:
        schema = Schema.from_dict(ours["schema"])
        schema.check()
    except SchemaMismatch as exc:
        raise SchemaMismatch(f"{exc.what} (Collection {name!r} on {wire.options.url}.)", hint=exc.hint) from exc
    vectors = config.params.vectors
    held = vectors[DENSE].size if isinstance(vectors, dict) and DENSE in vectors else None
    if held != schema.dimensions:
        raise SchemaMismatch(
            f"The collection {name!r} on {wire.options.url} holds vectors of {held} dimensions, not {schema.dimensions}.",
            hint="It was changed by another program: push or ingest into another collection.",
        )
    notes = {k: v for k, v in ours.items() if k != "schema"}
    status = str(getattr(info.status, "value", info.status))
    return Described(
        schema, notes, config.quantization_config is not None, config.params.shard_number or 1, status == "green"
    )


def create(wire: Wire, name: str, schema: Schema, options: CollectionOptions, **notes: Any) -> None:
    """Makes an empty collection with all its indexes; one of ours that is there already and was made the same is taken.

    Raises:
        SchemaMismatch: there is another one of that name.
    """
    from qdrant_client import models as m

    cosine = m.Distance.COSINE
    disk = options.vectors_on_disk
    best = m.MultiVectorConfig(comparator=m.MultiVectorComparator.MAX_SIM)
    sparse = m.SparseVectorParams(modifier=m.Modifier.IDF, index=m.SparseIndexParams(on_disk=options.hnsw_on_disk))
    try:
        wire.call(
            "made",
            "create_collection",
            collection_name=name,
            vectors_config={
                DENSE: m.VectorParams(size=schema.dimensions, distance=cosine, on_disk=disk),
                ROWS: m.VectorParams(size=schema.dimensions, distance=cosine, on_disk=disk, multivector_config=best),
            },
            sparse_vectors_config=dict.fromkeys(SPARSE, sparse),
            shard_number=options.shards,
            replication_factor=options.replicas,
            write_consistency_factor=options.write_consistency,
            on_disk_payload=options.payload_on_disk,
            hnsw_config=m.HnswConfigDiff(
                m=options.hnsw_m, ef_construct=options.hnsw_ef_construct, on_disk=options.hnsw_on_disk
            ),
            quantization_config=_quantization(options),
            metadata={OURS: {**_said(schema, options), **notes}},
        )
    except IndexServerFailed as exc:
        if "already exists" not in exc.what or describe(wire, name).schema != schema:  # an answer that was lost
            raise
    kinds = dict.fromkeys(KEYWORDS, m.PayloadSchemaType.KEYWORD) | dict.fromkeys(INTEGERS, m.PayloadSchemaType.INTEGER)
    kinds |= {SWAPPED: m.PayloadSchemaType.BOOL}
    if options.llama_index:
        kinds |= dict.fromkeys(NODE_KEYWORDS, m.PayloadSchemaType.KEYWORD)
    for field, kind in kinds.items():
        wire.call("made", "create_payload_index", collection_name=name, field_name=field, field_schema=kind, wait=True)


def make(wire: Wire, schema: Schema | None, options: CollectionOptions, **notes: Any) -> str:
    """A new empty collection with the alias, where there is none; returns the name of what is behind the alias.

    Raises:
        InvalidRequest: a collection has the alias's name.
    """
    alias = wire.options.collection
    if there := behind(wire, alias):
        return there
    if schema is None:
        raise ArchiveNotFound(f"There is no collection {wire.options.place}.", hint="Ingest documents into it first.")
    name = new_name(wire, alias)
    create(wire, name, schema, options, **notes)
    point_alias(wire, alias, name)
    return name


def note(wire: Wire, name: str, **notes: Any) -> None:
    """Adds to our part of a collection's metadata."""
    ours = wire.call("opened", "get_collection", collection_name=name).config.metadata[OURS]
    wire.call("written", "update_collection", collection_name=name, metadata={OURS: {**ours, **notes}})


def notes_of(wire: Wire, name: str) -> Mapping[str, Any] | None:
    """Our part of a collection's metadata, whatever version wrote it; None where the collection is not ours."""
    ours = (wire.call("opened", "get_collection", collection_name=name).config.metadata or {}).get(OURS)
    return ours if isinstance(ours, dict) else None


def behind(wire: Wire, alias: str) -> str | None:
    """Name of the collection behind an alias; None where there is no such alias."""
    found = wire.call("opened", "get_aliases").aliases
    return next((str(a.collection_name) for a in found if a.alias_name == alias), None)


def generations(wire: Wire, alias: str) -> list[str]:
    """Names of the collections made for an alias, oldest first, whether it points at them or not."""
    named = re.compile(re.escape(alias) + r"-(\d+)")
    found = ((c.name, named.fullmatch(c.name)) for c in wire.call("opened", "get_collections").collections)
    return [name for _, name in sorted((int(match[1]), name) for name, match in found if match)]


def new_name(wire: Wire, alias: str) -> str:
    """Name for the next collection of an alias.

    Raises:
        InvalidRequest: there is a collection of the alias's own name, so that it can be none.
    """
    if alias in {c.name for c in wire.call("opened", "get_collections").collections}:
        raise InvalidRequest(
            f"There is a collection {alias!r} itself on {wire.options.url}, so that name can be no alias.",
            hint="Take another name with --collection.",
        )
    last = generations(wire, alias)
    return f"{alias}-{int(last[-1].rpartition('-')[2]) + 1 if last else 1}"


def point_alias(wire: Wire, alias: str, name: str) -> str | None:
    """Gives the alias to a collection, in one request; returns the one that had it."""
    from qdrant_client import models as m

    old = behind(wire, alias)
    if old == name:
        return None
    steps: list[Any] = [m.DeleteAliasOperation(delete_alias=m.DeleteAlias(alias_name=alias))] if old else []
    steps.append(m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name=name, alias_name=alias)))
    wire.call("swapped in", "update_collection_aliases", change_aliases_operations=steps)
    return old


def drop(wire: Wire, name: str) -> None:
    """Deletes a collection with all that is in it."""
    wire.call("deleted", "delete_collection", collection_name=name)


def search_params(described: Described, *, exact: bool = False) -> Any:
    """How a collection wants to be searched; None for the server's defaults."""
    from qdrant_client import models as m

    if exact:
        return m.SearchParams(exact=True)
    wanted = described.notes.get("search") or {}
    quantized = None
    if described.quantized:
        quantized = m.QuantizationSearchParams(rescore=True, oversampling=float(wanted.get("oversampling", 2.0)))
    ef = wanted.get("ef")
    return m.SearchParams(hnsw_ef=ef, quantization=quantized) if ef or quantized else None


def _said(schema: Schema, options: CollectionOptions) -> dict[str, Any]:
    """What a collection says of itself from the beginning."""
    search = {"ef": options.search_ef, "oversampling": options.oversampling}
    return {"schema": schema.to_dict(), "search": search, "nodes": options.llama_index, KEPT: asdict(options)}


def _quantization(options: CollectionOptions) -> Any:
    from qdrant_client import models as m

    memory = options.quantized_in_memory
    if options.quantization == "int8":
        scalar = m.ScalarQuantizationConfig(type=m.ScalarType.INT8, quantile=0.99, always_ram=memory)
        return m.ScalarQuantization(scalar=scalar)
    if options.quantization == "binary":
        return m.BinaryQuantization(binary=m.BinaryQuantizationConfig(always_ram=memory))
    if options.quantization == "product":
        return m.ProductQuantization(
            product=m.ProductQuantizationConfig(compression=m.CompressionRatio.X16, always_ram=memory)
        )
    return None
