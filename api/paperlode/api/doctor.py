"""Is everything there that a run needs? Each check says what it found, and what to do if it is not good."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paperlode.ingest.errors import ArchiveNotFound, PaperlodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from paperlode.api.parsers import Recognition

__all__ = ["SKIPPED", "WARNING", "Check", "examine"]

WARNING, SKIPPED = "warning", "skipped"

_PACKAGES = ("paperlode", "pymupdf", "rapidocr", "onnxruntime", "qdrant-edge-py", "tokenizers", "sqlalchemy", "pebble")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at.

    Attributes:
        name: what it is.
        ok: False when a run would fail or give something wrong.
        found: what was seen.
        hint: what to do.
        mark: ``warning`` for what should be better, ``skipped`` for what could not be looked at; else empty.
    """

    name: str
    ok: bool
    found: str
    hint: str = ""
    mark: str = ""


def examine(
    index: Path, *, model: str | None = None, min_free: int = 256, recognition: Recognition | None = None
) -> Iterator[Check]:
    """Look at the installation, the index folder and the recognition servers, one thing after the other.

    Args:
        index: the folder; one that does not exist is no fault.
        model: embedding model to load; None for the index's, or the default.
        min_free: MB that should be free on the index's disk.
        recognition: the servers; None or none of them: nothing is looked at.
    """
    checks: list[tuple[str, Callable[[], str]]] = [
        ("versions", _versions),
        ("embedding model", lambda: _model(index, model)),
        ("worker process", _worker),
        ("cache folder", _cache),
        ("disk space", lambda: _space(index, min_free)),
        ("index", lambda: _index(index)),
    ]
    for name, look in checks:
        try:
            yield Check(name, ok=True, found=look())
        except PaperlodeError as exc:
            yield Check(name, ok=False, found=exc.what, hint=exc.hint)
        except Exception as exc:  # noqa: BLE001  a doctor reports whatever is broken
            yield Check(name, ok=False, found=f"{type(exc).__name__}: {exc}", hint="Install paperlode again.")
    if recognition is not None and recognition.servers:
        from paperlode.api.server_check import check_servers

        yield from check_servers(recognition)


def _versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    found, missing = [f"Python {sys.version.split()[0]}"], []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        raise PaperlodeError(f"Not installed: {', '.join(missing)}.", hint="Run: pip install paperlode")
    return ", ".join(found)


def _model(index: Path, model: str | None) -> str:
    from paperlode.api.archive import DEFAULT_EMBEDDER
    from paperlode.api.directory import Directory, Manifest
    from paperlode.api.settings import read_settings
    from paperlode.retrieval.embedding import load_embedder, named_address

    try:
        stored = str(Manifest.read(Directory(index)).schema.get("embedder"))
    except PaperlodeError:
        stored = DEFAULT_EMBEDDER
    models = read_settings().embedding_models
    embedder = load_embedder(model or stored, options=named_address(model, models) if model else models)
    shape = embedder.embed(["paperlode"]).shape
    return f"{embedder.name}: {shape[1]} dimensions, reads {embedder.max_tokens} tokens"


def _worker() -> str:
    from paperlode.ingest.pages import PageRef, render_page
    from paperlode.ingest.workers import WorkerPool

    with tempfile.TemporaryDirectory() as folder, WorkerPool(workers=1) as pool:
        path = Path(folder) / "page.png"
        path.write_bytes(_white_png())
        picture = pool.call(render_page, PageRef(str(path), 0, pdf=False), 72, what="a test page")
    return f"started, and rendered a page ({len(picture)} bytes)"


def _white_png() -> bytes:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (60, 80), "white").save(out, "PNG")
    return out.getvalue()


def _cache() -> str:
    """Where prepared dictionaries are kept between runs (see ``paperlode.retrieval.lexical``)."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(os.environ.get("PAPERLODE_CACHE") or Path(home) / "paperlode")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return str(folder)
    except OSError as exc:
        raise PaperlodeError(
            f"{folder} cannot be written: {exc.strerror}.", hint="Set PAPERLODE_CACHE to a folder that can."
        ) from exc


def _space(index: Path, min_free: int) -> str:
    from paperlode.ingest.feed import check_space

    place = index.absolute()
    while not place.exists():
        place = place.parent
    check_space(place, min_free * 1_000_000)
    return f"{shutil.disk_usage(place).free / 1e9:.1f} GB free where {index} lies"


def _index(index: Path) -> str:
    from paperlode.api.archive import Archive
    from paperlode.api.settings import read_settings

    try:
        with Archive.open(index, server_key=read_settings().qdrant_key) as archive:
            problems, counts, server = archive.check(), archive.status().counts, archive.server
            ledger = archive.ledger_place
            shard = archive.directory.shard(archive.shard)
    except ArchiveNotFound:
        return f"none in {index} yet"
    if problems:
        anew = f"Delete {shard} and ingest again; pages are kept."
        hint = (
            "Restore the collection from a snapshot, or ingest into another folder and collection." if server else anew
        )
        raise PaperlodeError("; ".join(problems), hint=hint)
    where = f", in the collection {server['collection']!r} on {server['url']}" if server else ""
    books = f", ledger in {ledger}" if ledger else ""
    return f"{index}: sound, {counts.documents} documents, {counts.chunks} chunks{where}{books}"
