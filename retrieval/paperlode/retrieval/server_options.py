"""How a Qdrant server is reached, and how a collection on it is kept: small presets, each number to be overridden."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal, get_args
from urllib.parse import urlsplit

from paperlode.ingest.errors import InvalidRequest

__all__ = ["PRESETS", "CollectionOptions", "Quantization", "ServerOptions", "preset"]

Quantization = Literal["none", "int8", "binary", "product"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Where a collection is, and how hard to try.

    Attributes:
        url: of the server, or of any node of a cluster; port 6333 where it names none. No key and no password in it: it
            is stored and shown.
        collection: the alias that readers and writers use; the collection behind it is called that and a number.
        api_key: sent with every request; never stored, never shown.
        prefer_grpc: send points and questions over gRPC (``grpc_port``): about a third of the bytes.
        grpc_port: of the same host.
        timeout: seconds one request may take.
        patience: seconds that one request is tried again for while the server is away, busy or too slow.
        batch_points, batch_bytes: a batch of points is sent once it has so many, or is about so long as JSON; a server
            refuses requests over 32 MB unless told otherwise.
        parallel: batches under way at a time; ``stage`` waits while there are so many.
    """

    url: str
    collection: str
    api_key: str | None = field(default=None, repr=False, compare=False)
    prefer_grpc: bool = False
    grpc_port: int = 6334
    timeout: int = 30
    patience: float = 60.0
    batch_points: int = 256
    batch_bytes: int = 8_000_000
    parallel: int = 2

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)
            secret = parts.username is not None or parts.password is not None
            _ = parts.port
        except ValueError:
            fits = secret = False
        if secret:
            raise InvalidRequest(
                "The server's URL holds a name or password.",
                hint="Give the key with PAPERLODE_QDRANT_KEY: the URL is stored and shown.",
            )
        if not fits:
            raise InvalidRequest(
                f"{self.url!r} is no URL of a Qdrant server.", hint="Write it like https://qdrant.example.org:6333."
            )
        if not _NAME.fullmatch(self.collection):
            raise InvalidRequest(
                f"{self.collection!r} cannot be the name of a collection.",
                hint="Take letters, digits, '-', '_' and '.', at most 200, a letter or digit first.",
            )
        small = [n for n in ("timeout", "batch_points", "batch_bytes", "parallel") if getattr(self, n) < 1]
        if small or self.patience < 0:
            raise InvalidRequest(f"{', '.join(small) or 'patience'} is too small.", hint="Leave it at its default.")

    @property
    def place(self) -> str:
        """The collection and its server, for messages."""
        return f"{self.collection!r} on {self.url}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionOptions:
    """How a new collection is kept. Sizes and costs: docs/qdrant.md.

    Attributes:
        quantization: what the graph is searched with; the best ``oversampling`` times as many are then scored with the
            vectors as they are. ``int8``: a quarter of the memory, nearly the same results. ``product``: a sixteenth, slow
            to build. ``binary``: a thirty-second; for models of 1,000 dimensions or more.
        quantized_in_memory: keep the quantised vectors in memory where the others are on the disk.
        vectors_on_disk, payload_on_disk, hnsw_on_disk: on the disk, cached as memory allows, rather than in memory.
        hnsw_m: links of a node of the graph. hnsw_ef_construct: width of the search that builds it.
        search_ef: width of the search in the graph; None for the server's default.
        oversampling: see ``quantization``.
        shards: parts the points are spread over; cannot be changed later but on Qdrant Cloud.
        replicas: nodes that hold each shard. write_consistency: replicas that must have taken a write before it counts.
        llama_index: store each chunk as a LlamaIndex node too, for its stock ``QdrantVectorStore``; costs the text twice.
    """

    quantization: Quantization = "none"
    quantized_in_memory: bool = True
    vectors_on_disk: bool = False
    payload_on_disk: bool = False
    hnsw_on_disk: bool = False
    hnsw_m: int = 16
    hnsw_ef_construct: int = 100
    search_ef: int | None = None
    oversampling: float = 2.0
    shards: int = 1
    replicas: int = 1
    write_consistency: int = 1
    llama_index: bool = True

    def __post_init__(self) -> None:
        if self.quantization not in get_args(Quantization):
            raise InvalidRequest(
                f"There is no quantization {self.quantization!r}.", hint=f"Known: {', '.join(get_args(Quantization))}."
            )
        if min(self.shards, self.replicas, self.write_consistency) < 1 or self.write_consistency > self.replicas:
            raise InvalidRequest(
                f"{self.shards} shards, {self.replicas} replicas and a write consistency of {self.write_consistency} "
                "do not go together.",
                hint="Each is at least 1, and no write can wait for more replicas than there are.",
            )
        if self.hnsw_m < 0 or self.hnsw_ef_construct < 4 or self.oversampling < 1:
            raise InvalidRequest("The numbers for HNSW or oversampling are too small.", hint="Leave them out.")


PRESETS: dict[str, CollectionOptions] = {
    "memory": CollectionOptions(),
    "balanced": CollectionOptions(quantization="int8", vectors_on_disk=True, payload_on_disk=True),
    "disk": CollectionOptions(
        quantization="int8", quantized_in_memory=False, vectors_on_disk=True, payload_on_disk=True, hnsw_on_disk=True
    ),
}
"""``memory``: fastest, everything in memory. ``balanced``: int8 vectors and the graph in memory, the rest on the disk.
``disk``: everything on the disk, memory only as cache."""


def preset(name: str, **changes: object) -> CollectionOptions:
    """The preset of that name, with the ``changes`` that are not None.

    Raises:
        InvalidRequest: there is none, or the numbers make no sense.
    """
    if name not in PRESETS:
        raise InvalidRequest(f"There is no preset {name!r}.", hint=f"Known: {', '.join(PRESETS)}.")
    return replace(PRESETS[name], **{k: v for k, v in changes.items() if v is not None})  # type: ignore[arg-type]
