"""Chunks and a real model for the tests of this room."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from paperlode.ingest.document import Box, Chunk, Kind, Layer, PageBox, chunk_id
from paperlode.retrieval.edge import EdgeIndex
from paperlode.retrieval.index import Schema
from paperlode.retrieval.minilm import MiniLM
from paperlode.retrieval.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def make_chunk(text: str, *, document: str = "d1", ordinal: int = 0, page: int = 0, **other: Any) -> Chunk:
    """A chunk of one paragraph, its id a hash of document, ordinal and ``version``."""
    version = other.pop("version", "1")
    pages = other.pop("pages", (page,))
    return Chunk(
        id=chunk_id(document, f"{ordinal}/{version}"),
        document=document,
        ordinal=ordinal,
        text=text,
        kind=other.pop("kind", Kind.TEXT),
        layer=other.pop("layer", Layer.BODY),
        regions=tuple(PageBox(p, Box(72.0, 72.25 + ordinal, 500.0, 90.5 + ordinal)) for p in pages),
        span=(ordinal, ordinal + 1),
        tokens=len(text.split()) + 2,
        parser=f"test-{version}",
        **other,
    )


@pytest.fixture(scope="session")
def embedder() -> MiniLM:
    """The embedded model, on one thread."""
    return MiniLM(threads=1)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory, embedder: MiniLM) -> Path:
    """The folder of an empty index, to be copied: making one takes over a second."""
    path = tmp_path_factory.mktemp("empty") / "edge"
    EdgeIndex(path, Schema.of(embedder), create=True).close()
    return path


@pytest.fixture
def folder(tmp_path: Path, empty: Path) -> Path:
    """The folder of an empty index of this test's own."""
    return Path(shutil.copytree(empty, tmp_path / "edge"))


@pytest.fixture
def index(folder: Path, embedder: MiniLM) -> Iterator[EdgeIndex]:
    """An empty index."""
    opened = EdgeIndex(folder, Schema.of(embedder))
    yield opened
    opened.close()


@pytest.fixture
def write(index: EdgeIndex, embedder: MiniLM) -> Callable[[Sequence[Chunk]], None]:
    """Publishes the chunks of one document."""

    def publish(chunks: Sequence[Chunk]) -> None:
        writer = Writer(index, embedder)
        document = chunks[0].document
        writer.begin(document)
        writer.add(chunks)
        writer.commit(document)

    return publish


@pytest.fixture
def chunk_of() -> Callable[..., Chunk]:
    """The factory of chunks."""
    return make_chunk
