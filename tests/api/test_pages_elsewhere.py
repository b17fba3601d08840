"""An archive that keeps its parsed pages in a folder or an object store."""

from __future__ import annotations

import json
import uuid

import pytest

from paperlode.api.archive import Archive
from paperlode.api.directory import Directory, Manifest
from paperlode.ingest.errors import InvalidRequest


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_pages_are_kept_there_and_found_again(tmp_path, docs, parser, word_model, kind):
    """Also by the next process, which is told by the manifest; the export is made of them."""
    where = str(tmp_path / "pages") if kind == "folder" else f"memory://{uuid.uuid4().hex}"
    with Archive.create(tmp_path / "index", embedder=word_model, pages=where) as archive:
        archive.ingest([docs], parser=parser)
    if kind == "folder":
        assert len([p for p in (tmp_path / "pages").rglob("*") if p.is_file()]) == parser.parsed
    assert Manifest.read(Directory(tmp_path / "index")).pages == where
    with Archive.open_or_create(tmp_path / "index", embedder=word_model, pages=where) as again:
        name = again.documents()[0].name
        text = json.loads("".join(again.export(name, "json")))
        assert text["blocks"]
        assert again.check() == []


def test_another_place_is_refused(tmp_path, word_model):
    """Pages do not move with an option; and what would be stored with a password is no address."""
    with Archive.create(tmp_path / "index", embedder=word_model):
        pass
    with pytest.raises(InvalidRequest, match="keeps its pages in its ledger"):
        Archive.open_or_create(tmp_path / "index", embedder=word_model, pages=str(tmp_path / "pages"))
    for address in ("s3://key:secret@bucket/pages", "memory://bucket/pages?sig=abc"):
        with pytest.raises(InvalidRequest, match="password or parameters") as caught:
            Archive.create(tmp_path / "other", embedder=word_model, pages=address)
        assert "secret" not in str(caught.value)
    with pytest.raises(InvalidRequest, match="nonsense"):
        Archive.create(tmp_path / "other", embedder=word_model, pages="nonsense://bucket")
    assert not (tmp_path / "other").exists()
