"""A document's file on a node."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from paperlode.ingest.errors import SourceChanged
from paperlode.ingest.ray_ahead import Ahead
from paperlode.ingest.ray_files import FilesOfNode
from paperlode.ingest.sources import open_source

from .parsers import write_pdf

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def files(tmp_path: Path, monkeypatch):
    """With a temporary folder of their own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return FilesOfNode("run", most_bytes=4000)


def never() -> bytes:
    raise AssertionError


def test_the_path_of_the_driver_is_taken_where_its_bytes_are_the_same(files: FilesOfNode, tmp_path: Path) -> None:
    """Nothing is sent or copied. Another content of that size there is not taken."""
    source = open_source(write_pdf(tmp_path / "a.pdf", 1))
    assert files.found(source, never) == source
    assert not files.folder.exists()
    data = (tmp_path / "a.pdf").read_bytes()
    (tmp_path / "a.pdf").write_bytes(data[:-2] + b"\0\0")
    assert files.found(source, None) is None


def test_what_is_sent_is_written_once_and_judged(files: FilesOfNode, tmp_path: Path) -> None:
    """It lies where nobody else looks; bytes that are not the driver's are SourceChanged, and are not kept."""
    path = write_pdf(tmp_path / "a.pdf", 1)
    source, data = open_source(path), path.read_bytes()
    path.unlink()
    assert files.found(source, None) is None
    with pytest.raises(SourceChanged):
        files.found(source, lambda: data[:-2] + b"\0\0")
    here = files.found(source, lambda: data)
    assert here is not None
    assert open_source(here.uri).digest == source.digest
    assert files.folder.stat().st_mode & 0o077 == 0
    assert files.found(source, never) == here
    assert FilesOfNode("run").found(source, never) == here  # another worker of the node
    files.clear()
    assert not files.folder.exists()


def test_copies_used_long_ago_make_room(files: FilesOfNode, tmp_path: Path, monkeypatch) -> None:
    """Those in use stay, also where they are more than there should be."""
    kept = []
    for n in range(6):
        source = open_source(write_pdf(tmp_path / f"{n}.pdf", 1))
        assert files.found(replace(source, uri="nowhere"), (tmp_path / f"{n}.pdf").read_bytes)
        kept.append(len(list(files.folder.iterdir())) - 1)
    assert kept == [1, 2, 3, 4, 5, 6]
    monkeypatch.setattr("paperlode.ingest.ray_files.IN_USE", -1.0)
    source = open_source(write_pdf(tmp_path / "last.pdf", 1))
    assert files.found(replace(source, uri="nowhere"), (tmp_path / "last.pdf").read_bytes)
    total = sum(p.stat().st_size for p in files.folder.iterdir() if p.name != "lock")
    assert total <= 4000


def test_whoever_is_waited_for_gets_on() -> None:
    """The first document up to the bound, others while there is room, and each with something on its way."""
    ahead = Ahead()
    first, second = ahead.begin(), ahead.begin()
    second.untaken = 8
    assert ahead.may_send(first, 8)
    first.untaken = 7
    assert ahead.may_send(first, 8)
    assert not ahead.may_send(second, 8)
    first.untaken = 8
    assert not ahead.may_send(first, 8)
    assert ahead.may_send(ahead.begin(), 8)
    ahead.end(first)
    second.untaken = 7
    assert ahead.may_send(second, 8)
    assert first.rank < second.rank
