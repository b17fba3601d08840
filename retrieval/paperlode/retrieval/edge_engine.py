"""Pieces of Qdrant Edge as the embedded index uses them: how a shard is kept, made and opened, and the engine's filters."""

from __future__ import annotations

import contextlib
import ctypes
from functools import cache
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import StorageFull

from .lexical import SparseVector
from .points import DENSE, INTEGERS, KEYWORDS, ROWS, SPARSE, STAGED, STATE, SWAPPED

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "EXACT_KB", "all_of", "between", "create_shard", "engine_sparse", "equals", "full_disk", "give_memory_back",
    "load_shard", "most_segments", "own_vector", "says_full", "segments_without_small", "staged_of", "uuid_text",
]  # fmt: skip

EXACT_KB = 32_000
"""Kilobytes of vectors up to which they are searched exactly."""


ANY = 10_000
"""Segments that are kept while a run writes: none is merged, each has its graph made once (some 20,000 chunks)."""
SEGMENTS = 4
"""Segments beside the full ones that are left at its end; of more the smallest are merged."""
SEGMENT_KB = 400_000
"""Kilobytes of vectors (some 130,000 to 260,000 chunks) up to which they are: merging takes time and memory by size. With four
times as much a million chunks were not merged after a quarter of an hour, in 3.1 GB."""
FULL = 0.75
"""Part of it from which on a segment is full."""
SMALL = 1 / 3
"""Part of it up to which a segment is small: any three fit into one."""
MOST_SMALL = 8
"""Small segments that there may be while a run writes: of more those that fit are merged into one. Each makes every later write
longer (.65 µs a chunk), a hundred take a quarter of an hour to merge at the end, and an index that is opened after a crash took
16 s with them."""


def full_disk(path: Path, why: str) -> StorageFull:
    """The error for a disk without room."""
    return StorageFull(f"There is no room to write the index in {path}: {why}.", hint="Free some space and run again.")


def give_memory_back() -> None:
    """Gives the system what the engine has freed: glibc keeps it otherwise, hundreds of megabytes after segments were merged."""
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such call, and nothing is lost
        ctypes.CDLL(None).malloc_trim(0)


def says_full(exc: BaseException) -> bool:
    """Whether an error of the engine tells of a disk without room."""
    text = str(exc)
    return "No space left" in text or "os error 28" in text or "Not enough space" in text


def config(dimensions: int, segments: int = ANY) -> Any:
    """How a shard is kept: with so many segments.

    Of more the engine merges the smallest into one, whose graph is made anew. Were that done on the way with four, every 8,000
    chunks of a large index would be merged with all before them that fit: seven graphs for each chunk, where two are enough.
    """
    from qdrant_edge import (
        Distance,
        EdgeConfig,
        EdgeOptimizersConfig,
        EdgeSparseVectorParams,
        EdgeVectorParams,
        HnswIndexConfig,
        Modifier,
        MultiVectorComparator,
        MultiVectorConfig,
    )

    best = MultiVectorConfig(comparator=MultiVectorComparator.MaxSim)
    no_graph = HnswIndexConfig(m=0, ef_construct=4, full_scan_threshold=0)  # rows are gone through whatever there is
    return EdgeConfig(
        vectors={
            DENSE: EdgeVectorParams(size=dimensions, distance=Distance.Cosine),
            ROWS: EdgeVectorParams(
                size=dimensions, distance=Distance.Cosine, multivector_config=best, hnsw_config=no_graph
            ),
        },
        sparse_vectors={name: EdgeSparseVectorParams(modifier=Modifier.Idf, on_disk=True) for name in SPARSE},
        optimizers=EdgeOptimizersConfig(
            indexing_threshold=EXACT_KB, default_segment_number=segments, max_segment_size=SEGMENT_KB
        ),
    )


def create_shard(path: Path, dimensions: int) -> Any:
    """A new, empty shard."""
    from qdrant_edge import EdgeShard, IntegerIndexParams, Memory, PayloadSchemaType, UpdateOperation

    shard = EdgeShard.create(str(path), config(dimensions))
    for field in KEYWORDS:
        shard.update(UpdateOperation.create_field_index(field, PayloadSchemaType.Keyword))
    for field in INTEGERS:
        ranges_only = IntegerIndexParams(lookup=False, range=True, memory=Memory.Cold)  # nobody asks for single numbers
        shard.update(UpdateOperation.create_field_index(field, ranges_only))
    shard.update(UpdateOperation.create_field_index(SWAPPED, PayloadSchemaType.Keyword))
    shard.flush()
    return shard


def load_shard(path: Path, dimensions: int, segments: int = ANY) -> Any:
    """The shard in a folder, to be kept with so many segments."""
    from qdrant_edge import EdgeShard

    return EdgeShard.load(str(path), config(dimensions, segments))


def most_segments(path: Path) -> int | None:
    """How many segments a shard should have that has more, with one that is written to; None if it has not."""
    sizes = _sizes(path)
    most = SEGMENTS + sum(kb > FULL * SEGMENT_KB for kb in sizes)
    return most if len(sizes) > most + 1 else None


def segments_without_small(path: Path) -> int | None:
    """The same, of one that is still written to: all but the small ones, and one that comes of those; None if they are few."""
    sizes = _sizes(path)
    small = sum(kb < SMALL * SEGMENT_KB for kb in sizes) - 1  # without the one that is written to
    return len(sizes) - small if small >= MOST_SMALL else None


def _sizes(path: Path) -> list[float]:
    return [_vector_kb(segment) for segment in (path / "segments").iterdir()]


def _vector_kb(segment: Path) -> float:
    dense, rows = (
        sum(f.stat().st_size for f in (segment / f"vector_storage-{name}").rglob("*") if f.is_file())
        for name in (DENSE, ROWS)
    )
    return (dense + rows / 2) / 1024  # the engine keeps up to as much room again for more rows


def engine_sparse(vector: SparseVector) -> Any:
    """The engine's form of a sparse vector."""
    made: Any = _sparse_class()  # tuples are taken too; copies as lists cost 10 µs a chunk
    return made(vector.indices, vector.values)


@cache
def _sparse_class() -> type[Any]:
    """Imported once: finding an imported module takes longer than making a vector of it."""
    from qdrant_edge import SparseVector as EdgeSparseVector

    return EdgeSparseVector


def uuid_text(number: int) -> str:
    """A UUID in words, by its number; ``str`` of the library's takes four times as long."""
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def own_vector(vector: Any) -> Any:
    """The engine's vector as ``StoredPoint`` has it."""
    return SparseVector(tuple(vector.indices), tuple(vector.values)) if hasattr(vector, "indices") else vector


def equals(key: str, value: str) -> Any:
    """The condition: the field has this word."""
    from qdrant_edge import FieldCondition, MatchValue

    return FieldCondition(key, match=MatchValue(value))


def between(key: str, first: int, last: int | None) -> Any:
    """The condition: the field has a number in that range, both ends included."""
    from qdrant_edge import FieldCondition, RangeFloat

    return FieldCondition(key, range=RangeFloat(gte=first, lte=last))


def all_of(*conditions: Any) -> Any:
    """The filter: all of these hold."""
    from qdrant_edge import Filter as EdgeFilter

    return EdgeFilter(must=list(conditions))


def staged_of(document: str) -> Any:
    """The filter: points of the document that wait to be published."""
    return all_of(equals("document", document), equals(STATE, STAGED))
