"""Where an archive's index, its pages and its ledger are, when not in its folder: as the manifest has it, without keys."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import ArchiveError, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paperlode.api.directory import Directory
    from paperlode.retrieval.server_options import ServerOptions

__all__ = ["claimed", "elsewhere", "pages_place", "place_of", "server_at"]


def pages_place(given: str) -> str:
    """What a manifest keeps of where pages are kept: an absolute path, or the address as it is; empty for the ledger.

    Raises:
        InvalidRequest: the address holds a password or parameters, which would be stored.
    """
    from urllib.parse import urlsplit

    if not given or "://" not in given:
        return str(Path(given).expanduser().absolute()) if given else ""
    parts = urlsplit(given)
    if parts.username or parts.password or parts.query:
        raise InvalidRequest(
            "The address for pages holds a user, a password or parameters.",
            hint="Give it without; keys come from the environment, as the store's client finds them.",
        )
    return given


def claimed(given: str, directory: Directory) -> tuple[str, str]:
    """What the manifest of a new archive keeps of where its ledger is, and its id there; both empty for a file in the folder.

    Raises:
        InvalidRequest: no address that can be taken, or the schema is another archive's.
        MissingExtra, ArchiveError: the database cannot be used.
    """
    import uuid

    from paperlode.api.directory import Manifest
    from paperlode.ingest.ledger_place import DatabasePlace

    if not given:
        return "", ""
    from paperlode.ingest.ledger_postgres import check_place

    place, archive = DatabasePlace.parse(given), uuid.uuid4().hex
    with suppress(ArchiveError):  # one that was begun here, and never finished, has the schema already
        begun = Manifest.read(directory)
        archive = begun.archive if begun.ledger == str(place) and not begun.ready else archive
    check_place(place, archive)
    return str(place), archive


def place_of(server: ServerOptions) -> dict[str, Any]:
    """What a manifest keeps of a server."""
    return {"url": server.url, "collection": server.collection, "grpc": server.prefer_grpc}


def server_at(place: Mapping[str, Any], key: str | None) -> ServerOptions:
    """The server that a manifest names, reached with a key.

    Raises:
        InvalidRequest: what the manifest says is no URL and no name of a collection.
    """
    from paperlode.retrieval.server_options import ServerOptions

    return ServerOptions(
        url=str(place.get("url", "")),
        collection=str(place.get("collection", "")),
        prefer_grpc=bool(place.get("grpc")),
        api_key=key,
    )


def elsewhere(root: Path, place: Mapping[str, Any] | None, asked: ServerOptions) -> InvalidRequest:
    """The error for an archive whose index is not where it was asked to be."""
    where = (
        f"in the collection {place.get('collection')!r} on {place.get('url')}" if place else "embedded in its folder"
    )
    return InvalidRequest(
        f"The index of {str(root)!r} is {where}, not in {asked.place}.",
        hint="Leave out --qdrant (PAPERLODE_QDRANT), or take another folder with --index; an embedded index is copied there "
        "with: paperlode push.",
    )
