"""The index on a server: what is acknowledged is stored, nothing is seen half, and every failure says what to do."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qdrant_client import QdrantClient

from paperlode.ingest.errors import (
    ArchiveNotFound,
    IndexServerBusy,
    IndexServerFailed,
    IndexServerIncompatible,
    IndexServerKeyRefused,
    IndexServerUnreachable,
    InvalidRequest,
    PaperlodeError,
    SchemaMismatch,
    StorageFull,
)
from paperlode.retrieval.index import HybridQuery, Schema
from paperlode.retrieval.lexical import sparse_document, sparse_query
from paperlode.retrieval.server import QdrantIndex
from paperlode.retrieval.server_collections import behind, create, describe, drop, generations, new_name, point_alias
from paperlode.retrieval.server_options import PRESETS, CollectionOptions, ServerOptions, preset
from paperlode.retrieval.server_wire import Wire

from .qdrant_standin import StandIn, standing_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from paperlode.ingest.document import Chunk

    from .qdrant_standin import Request

    ChunkOf = Callable[..., Chunk]

SCHEMA = Schema("minilm", 384)
NEW = CollectionOptions()


@pytest.fixture
def server() -> Iterator[StandIn]:
    with standing_in() as state:
        yield state


def options(server: StandIn, **other: Any) -> ServerOptions:
    return ServerOptions(**{"url": server.url, "collection": "leases", "patience": 20.0, **other})


def opened(server: StandIn, *, new: bool = True, recover: bool = False, **other: Any) -> QdrantIndex:
    """An index that waits for nothing between two tries."""
    wanted = options(server, **other)
    wire = Wire(wanted, sleep=lambda _: None)
    return QdrantIndex(wanted, SCHEMA, create=NEW if new else None, recover=recover, wire=wire)


def stage(index: QdrantIndex, chunks: list[Chunk]) -> None:
    dense = np.ones((len(chunks), 384), dtype=np.float32)
    index.stage(chunks, dense, [sparse_document(c.text) for c in chunks])


def texts(index: QdrantIndex) -> set[str]:
    """Texts that a search for a word of all chunks finds."""
    found = index.search(HybridQuery(None, sparse_query("zebra"), 50))
    return {c.text for c in index.get([s.id for s in found])}


# Writing


def test_batches_by_count_and_by_bytes(server: StandIn, chunk_of: ChunkOf) -> None:
    """No request has more points, or is longer, than was said; nothing is lost on the way."""
    chunks = [chunk_of(f"Zebra {i} " + "stripes " * 200, ordinal=i) for i in range(20)]
    index = opened(server, batch_points=8)
    stage(index, chunks)
    index.publish("d1")
    by_count = [r.size for r in server.paths("/points") if r.method == "PUT"]
    assert len(by_count) == 3
    assert index.count() == 20
    small = opened(server, batch_bytes=40_000)
    stage(small, [replace(c, document="d2", id=c.id[:-1] + ("0" if c.id[-1] != "0" else "1")) for c in chunks])
    small.publish("d2")
    by_bytes = [r.size for r in server.paths("/points") if r.method == "PUT"][3:]
    assert len(by_bytes) > 3
    assert max(by_bytes) < 44_000
    assert small.count() == 40
    index.close()
    small.close()


def test_writers_are_held_to_the_pace_of_the_server(server: StandIn, chunk_of: ChunkOf) -> None:
    """Never more requests under way than were allowed, and ``flush`` returns only when all are stored."""
    index = opened(server, batch_points=2, parallel=3)
    server.pause = 0.05
    stage(index, [chunk_of("Zebra", ordinal=i) for i in range(30)])
    index.flush()
    writes = [r for r in server.paths("/points") if r.method == "PUT"]
    assert len(writes) == 15
    assert max(r.under_way for r in writes) == 3
    assert all("wait=true" in r.query for r in writes)
    assert server.client.count("leases").count == 30
    index.close()


def once(status: int, after: str | None = None, *, part: str = "/points") -> Callable[[Request], Any]:
    """The first request whose path ends like that gets this status."""
    left = [1]

    def fault(request: Request) -> tuple[int, str | None] | None:
        if request.path.endswith(part) and request.method == "PUT" and left:
            left.pop()
            return status, after
        return None

    return fault


@pytest.mark.parametrize(
    ("status", "after"), [(429, None), (429, "2"), (503, None), (502, None), (408, None), (500, None)]
)
def test_what_may_pass_is_tried_again(server: StandIn, chunk_of: ChunkOf, status: int, after: str | None) -> None:
    """Busy, away, or broken once: the batch is sent again after a pause, as long as the server asks for."""
    pauses: list[float] = []
    wanted = options(server)
    index = QdrantIndex(wanted, SCHEMA, create=NEW, wire=Wire(wanted, sleep=pauses.append))
    server.faults = once(status, after)
    stage(index, [chunk_of("Zebra")])
    index.publish("d1")
    assert index.count() == 1
    assert pauses == [2.0 if after else 0.25]
    index.close()


def test_an_answer_that_is_lost_does_no_harm(server: StandIn, chunk_of: ChunkOf) -> None:
    """Every kind of request is sent again when its connection breaks after the work is done; the result is the same."""
    seen: set[str] = set()

    def first_of_its_kind(request: Request) -> bool:
        kind = f"{request.method} {request.path}"
        return not (kind in seen or seen.add(kind))  # type: ignore[func-returns-value]

    server.lost = first_of_its_kind
    index = opened(server)
    stage(index, [chunk_of("Zebra one"), chunk_of("Zebra two", ordinal=1)])
    index.publish("d1")
    stage(index, [chunk_of("Zebra one"), chunk_of("Zebra anew", ordinal=1, version="2")])
    index.publish("d1")
    assert texts(index) == {"Zebra one", "Zebra anew"}
    assert server.client.count("leases").count == 2
    assert len(server.client.get_collections().collections) == 1
    index.close()


def test_a_document_with_a_lost_batch_is_never_published(server: StandIn, chunk_of: ChunkOf) -> None:
    """The failure comes up at the latest with ``publish``; staged anew, the document is whole."""
    index = opened(server, batch_points=2, patience=0.0)
    server.faults = once(503)
    chunks = [chunk_of(f"Zebra {i}", ordinal=i) for i in range(4)]
    with pytest.raises(IndexServerBusy):
        stage(index, chunks)
        index.flush()
    with pytest.raises(IndexServerFailed, match="Ingest again"):
        index.publish("d1")
    assert index.count() == 0
    index.discard("d1", staged_only=True)
    stage(index, chunks)
    index.publish("d1")
    assert index.count() == 4
    index.close()


# Publishing


class Breaking:
    """A client that dies at the n-th write of a publication, as its process would: before or after it was done."""

    def __init__(self, client: QdrantClient, *, at: int, done: bool) -> None:
        self._client, self._at, self._done = client, at, done
        self._inner = client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in {"set_payload", "delete", "delete_payload"}:
            return method

        def counted(*args: Any, **kwargs: Any) -> Any:
            self._at -= 1
            if self._at == 0 and not self._done:
                raise KeyboardInterrupt
            result = method(*args, **kwargs)
            if self._at == 0:
                raise KeyboardInterrupt
            return result

        return counted


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_writer_that_dies_while_publishing(chunk_of: ChunkOf, at: int, done: bool) -> None:
    """Another reader sees all of the old or all of the new at every step; the next writer finishes or forgets."""
    client = QdrantClient(":memory:")
    there = ServerOptions(url="http://localhost", collection="leases")
    writer = QdrantIndex(there, SCHEMA, create=NEW, wire=Wire(there, Breaking(client, at=99, done=False)))
    stage(writer, [chunk_of("Zebra kept"), chunk_of("Zebra old", ordinal=1), chunk_of("Zebra gone", ordinal=2)])
    writer.publish("d1")
    dying = QdrantIndex(there, SCHEMA, wire=Wire(there, Breaking(client, at=at, done=done)))
    stage(dying, [chunk_of("Zebra kept"), chunk_of("Zebra new", ordinal=1, version="2")])
    with pytest.raises(KeyboardInterrupt):
        dying.publish("d1")
    old, new = {"Zebra kept", "Zebra old", "Zebra gone"}, {"Zebra kept", "Zebra new"}
    swapped = (at, done) != (1, False)
    reader = QdrantIndex(there, SCHEMA, wire=Wire(there, client))
    assert texts(reader) == (new if swapped else old)
    assert reader.count() == len(new if swapped else old)
    assert {c.text for c in reader.chunks("d1")} == (new if swapped else old)
    after = QdrantIndex(there, SCHEMA, recover=True, wire=Wire(there, client))
    assert texts(after) == (new if swapped else old)
    assert client.count("leases").count == after.count()
    stage(after, [chunk_of("Zebra last", version="3")])
    after.publish("d1")
    assert texts(after) == {"Zebra last"}
    assert client.count("leases").count == 1


def test_a_publication_that_failed_is_finished_by_the_same_writer(server: StandIn, chunk_of: ChunkOf) -> None:
    """The server goes away between the swap and the clearing up: the new version is seen, and the next publish clears up."""
    index = opened(server, patience=0.0)
    stage(index, [chunk_of("Zebra old")])
    index.publish("d1")
    stage(index, [chunk_of("Zebra new", version="2")])
    server.faults = lambda r: (503, None) if r.path.endswith("/delete") and "payload" not in r.path else None
    with pytest.raises(IndexServerBusy):
        index.publish("d1")
    assert texts(index) == {"Zebra new"}
    server.faults = lambda _: None
    index.publish("d1")
    assert texts(index) == {"Zebra new"}
    assert server.client.count("leases").count == 1
    index.close()


def test_a_reader_beside_the_writer_sees_one_whole_version(chunk_of: ChunkOf) -> None:
    """Through one index object, threads that search while a document is published again and again find it once, whole."""
    there = ServerOptions(url="http://localhost", collection="leases")
    one_at_a_time = threading.Lock()

    class Piecewise:
        """Applies a swap point by point, as a server may; the simulation itself is not made for threads."""

        def __init__(self) -> None:
            self._inner = QdrantClient(":memory:")
            self._client = self._inner._client

        def __getattr__(self, name: str) -> Any:
            method = getattr(self._inner, name)

            def guarded(*args: Any, **kwargs: Any) -> Any:
                with one_at_a_time:
                    return method(*args, **kwargs)

            return guarded

        def set_payload(self, collection_name: str, payload: Any, points: Any, **_: Any) -> None:
            found, _ = self.scroll(collection_name, points, limit=100)
            for p in found:
                self.__getattr__("set_payload")(collection_name, payload, [p.id])
                threading.Event().wait(0.002)

    index = QdrantIndex(there, SCHEMA, create=NEW, wire=Wire(there, Piecewise()))
    versions = [[chunk_of(f"Zebra {v} {i}", ordinal=i, version=str(v)) for i in range(5)] for v in range(6)]
    stage(index, versions[0])
    index.publish("d1")
    whole = {frozenset(c.id for c in v) for v in versions}
    seen: set[frozenset[str]] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(frozenset(s.id for s in index.search(HybridQuery(None, sparse_query("zebra"), 50))))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for t in readers:
        t.start()
    for version in versions[1:]:
        stage(index, version)
        index.publish("d1")
    stop.set()
    for t in readers:
        t.join()
    assert seen <= whole
    assert len(seen) > 1


def test_only_the_one_that_writes_throws_away_what_is_staged(server: StandIn, chunk_of: ChunkOf) -> None:
    """A reader that opens the collection meanwhile leaves the writer's work alone."""
    writer = opened(server)
    stage(writer, [chunk_of("Zebra")])
    writer.flush()
    opened(server, new=False)
    writer.publish("d1")
    assert writer.count() == 1
    stage(writer, [chunk_of("Zebra two", ordinal=1)])
    writer.flush()
    again = opened(server, new=False, recover=True)
    assert server.client.count("leases").count == again.count() == 1


# Collections


def test_the_schema_stands_in_the_collection(server: StandIn) -> None:
    """It is read from there, and checked: another model, another version or another program's collection is refused."""
    opened(server).close()
    wanted = options(server)
    wire = Wire(wanted, sleep=lambda _: None)
    assert QdrantIndex(wanted, wire=wire).schema == SCHEMA
    with pytest.raises(
        SchemaMismatch, match=r"'leases' on http.*'minilm' \(384 dimensions\), not with 'st:other' \(768\)"
    ):
        QdrantIndex(wanted, Schema("st:other", 768), wire=wire)
    server.client.update_collection("leases-1", metadata={"paperlode": {"schema": {**SCHEMA.to_dict(), "version": 99}}})
    with pytest.raises(SchemaMismatch, match=r"version 99.*'leases'"):
        QdrantIndex(wanted, wire=wire)
    server.client.create_collection("foreign", {"dense": _params()})
    with pytest.raises(SchemaMismatch, match=r"'foreign'.*not written by paperlode"):
        QdrantIndex(options(server, collection="foreign"), wire=wire)
    wire.close()


def _params() -> Any:
    from qdrant_client import models as m

    return m.VectorParams(size=4, distance=m.Distance.DOT)


def test_vectors_of_other_dimensions_are_refused(server: StandIn, chunk_of: ChunkOf) -> None:
    """Before anything is sent."""
    index = opened(server)
    with pytest.raises(SchemaMismatch, match="shape"):
        index.stage([chunk_of("a")], np.ones((1, 768), dtype=np.float32), [sparse_document("a")])
    index.close()


def test_an_alias_is_swapped_in_one_request(server: StandIn, chunk_of: ChunkOf) -> None:
    """A rebuilt collection takes the place of the old one; an index that is open follows; the old one can then go."""
    index = opened(server)
    stage(index, [chunk_of("Zebra old")])
    index.publish("d1")
    wire = Wire(options(server))
    assert behind(wire, "leases") == "leases-1"
    name = new_name(wire, "leases")
    create(wire, name, SCHEMA, NEW)
    rebuilt = QdrantIndex(options(server, collection=name), SCHEMA)
    stage(rebuilt, [chunk_of("Zebra new", version="2")])
    rebuilt.publish("d1")
    assert texts(index) == {"Zebra old"}
    before = len(server.paths("/collections/aliases"))
    assert point_alias(wire, "leases", name) == "leases-1"
    assert len(server.paths("/collections/aliases")) == before + 1
    assert texts(index) == {"Zebra new"}
    assert generations(wire, "leases") == ["leases-1", "leases-2"]
    drop(wire, "leases-1")
    assert generations(wire, "leases") == ["leases-2"]
    assert point_alias(wire, "leases", name) is None
    for one in (index, rebuilt, wire):
        one.close()


def test_a_collection_of_the_alias_own_name_is_left_alone(server: StandIn) -> None:
    """It can be no alias; the message says what to do."""
    server.client.create_collection("leases", {"dense": _params()})
    with pytest.raises(InvalidRequest, match="--collection"):
        opened(server)


def test_nothing_is_made_where_nothing_is_asked_to_be(server: StandIn) -> None:
    """Opening a collection that is not there says so."""
    with pytest.raises(ArchiveNotFound, match="'leases' on http://127"):
        opened(server, new=False)
    assert server.client.get_collections().collections == []


# Errors


def raised(server: StandIn, **other: Any) -> PaperlodeError:
    with pytest.raises(PaperlodeError) as caught:
        opened(server, **other)
    return caught.value


def test_a_key_is_sent_and_never_shown(server: StandIn) -> None:
    """Every request carries it; a wrong one is named as the fault, and stands in no message and no representation."""
    server.key = "s3cret"
    opened(server, api_key="s3cret").close()
    assert {r.key for r in server.requests} == {"s3cret"}
    error = raised(server, api_key="wr0ng")
    assert isinstance(error, IndexServerKeyRefused)
    assert "wr0ng" not in str(error)
    assert "PAPERLODE_QDRANT_KEY" in error.hint
    assert "wr0ng" not in repr(options(server, api_key="wr0ng"))
    assert isinstance(raised(server), IndexServerKeyRefused)


def test_a_server_that_is_away() -> None:
    """IndexServerUnreachable with address and collection, once patience is over."""
    there = ServerOptions(url="http://127.0.0.1:9", collection="leases", patience=1.0)
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.raises(IndexServerUnreachable, match=r"'leases' on http://127.0.0.1:9"):
        QdrantIndex(there, SCHEMA, wire=Wire(there, sleep=sleep, clock=lambda: now[0]))
    assert 0.5 < now[0] <= 1.0


def test_a_server_that_does_not_answer_in_time(server: StandIn, chunk_of: ChunkOf) -> None:
    """Each request has its time limit."""
    index = opened(server, timeout=1, patience=0.0)
    server.pause = 1.5
    stage(index, [chunk_of("Zebra")])
    with pytest.raises(IndexServerUnreachable):
        index.flush()
    index.close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, IndexServerKeyRefused),
        (400, IndexServerFailed),
        (500, IndexServerFailed),
        (503, IndexServerBusy),
        (504, IndexServerUnreachable),
        (507, StorageFull),
    ],
)
def test_every_status_is_an_error_of_ours(server: StandIn, status: int, kind: type[PaperlodeError]) -> None:
    """With server, and what the server said."""
    server.faults = lambda r: (status, None) if r.path != "/" else None
    error = raised(server, patience=1.0)
    assert type(error) is kind
    assert server.url in error.what
    assert "as ordered" in error.what
    assert error.hint


@pytest.mark.parametrize("version", ["1.18.3", "0.9.0", "", "x.y"])
def test_an_old_server_is_refused(server: StandIn, version: str) -> None:
    """It would overwrite published points with staged ones."""
    server.version = version
    assert isinstance(raised(server), IndexServerIncompatible)
    assert [r.path for r in server.requests] == ["/"]


def test_what_is_no_qdrant_at_all(server: StandIn) -> None:
    """An answer that is not Qdrant's is called that."""
    server.version = ["a", "list"]  # type: ignore[assignment]
    assert isinstance(raised(server), IndexServerIncompatible)


# Options


@pytest.mark.parametrize(
    "url",
    ["", "localhost:6333", "ftp://x", "http://", "http://user:pw@x:6333", "http://x:6333?api-key=1", "http://x:99999"],
)
def test_urls_that_are_none_or_hold_a_secret(url: str) -> None:
    """They are refused before anything is sent or stored."""
    with pytest.raises(InvalidRequest) as caught:
        ServerOptions(url=url, collection="leases")
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("name", ["", ".", "../x", "a/b", "a b", "x" * 201])
def test_names_that_no_collection_can_have(name: str) -> None:
    """A name becomes part of an address."""
    with pytest.raises(InvalidRequest, match="letters"):
        ServerOptions(url="http://localhost", collection=name)


def test_presets_are_known_by_name_and_changed_by_numbers() -> None:
    """None leaves a number as the preset has it."""
    assert preset("disk", shards=3, replicas=2, hnsw_m=None) == replace(PRESETS["disk"], shards=3, replicas=2)
    for wrong in (
        lambda: preset("tiny"),
        lambda: preset("disk", quantization="int4"),
        lambda: preset("disk", shards=0),
    ):
        with pytest.raises(InvalidRequest):
            wrong()
    with pytest.raises(InvalidRequest, match="replicas"):
        CollectionOptions(write_consistency=2)


@pytest.mark.parametrize("quantization", ["none", "int8", "binary", "product"])
def test_a_collection_is_made_as_was_asked(quantization: Any) -> None:
    """What the server is told, read back with the client's own models."""
    told: dict[str, Any] = {}

    class Noting(Breaking):
        def __getattr__(self, name: str) -> Any:
            if name == "create_collection":
                return told.update
            return getattr(self._inner, name)

    there = ServerOptions(url="http://localhost", collection="leases")
    wire = Wire(there, Noting(QdrantClient(":memory:"), at=0, done=False))
    wanted = preset(
        "disk", quantization=quantization, shards=6, replicas=2, write_consistency=2, hnsw_m=8, search_ef=64
    )
    with pytest.raises(ArchiveNotFound):  # the indexes are made next, and there is no collection
        create(wire, "leases-1", SCHEMA, wanted)
    assert (told["shard_number"], told["replication_factor"], told["write_consistency_factor"]) == (6, 2, 2)
    assert told["vectors_config"]["dense"].on_disk
    assert told["vectors_config"]["rows"].multivector_config.comparator == "max_sim"
    assert told["sparse_vectors_config"]["page"].modifier == "idf"
    assert (told["hnsw_config"].m, told["hnsw_config"].on_disk, told["on_disk_payload"]) == (8, True, True)
    kept = told["quantization_config"]
    name = {"int8": "scalar"}.get(quantization, quantization)
    assert (kept is None) if quantization == "none" else (getattr(kept, name).always_ram is False)
    assert told["metadata"]["paperlode"]["search"] == {"ef": 64, "oversampling": 2.0}


def test_a_quantised_collection_is_searched_with_rescoring(server: StandIn) -> None:
    """Whoever opens it finds in the collection how it wants to be searched."""
    from qdrant_client import models as m

    from paperlode.retrieval.server_collections import search_params

    opened(server).close()
    wire = Wire(options(server))
    plain = describe(wire, "leases")
    assert search_params(plain) is None
    assert search_params(plain, exact=True) == m.SearchParams(exact=True)
    found = search_params(replace(plain, quantized=True, notes={"search": {"ef": 64, "oversampling": 3.0}}))
    assert found == m.SearchParams(hnsw_ef=64, quantization=m.QuantizationSearchParams(rescore=True, oversampling=3.0))
    wire.close()
