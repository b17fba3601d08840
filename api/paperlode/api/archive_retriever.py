"""An archive as a LlamaIndex retriever."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from paperlode.api.values import Scope
from paperlode.ingest.errors import DocumentNotFound, InvalidRequest

if TYPE_CHECKING:
    from paperlode.api.archive import Archive
    from paperlode.retrieval.index import Filter
    from paperlode.retrieval.llama_index import PaperlodeRetriever
    from paperlode.retrieval.search import Hit

__all__ = ["ArchiveSearcher", "retriever_over"]


def retriever_over(archive: Archive, **options: Any) -> PaperlodeRetriever:
    """A retriever over the archive; see ``Archive.as_retriever``."""
    from paperlode.retrieval.llama_index import PaperlodeRetriever

    def named(digest: str) -> str:
        try:
            return archive.document(digest).name
        except DocumentNotFound:  # deleted since it was found
            return ""

    def digest_of(name: str) -> str:
        return archive.document(name).digest

    return PaperlodeRetriever(ArchiveSearcher(archive), name_of=named, digest_of=digest_of, **options)


class ArchiveSearcher:
    """Searches an archive as every other face of it does."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def search(self, question: str, *, limit: int, filters: Filter | None) -> list[Hit]:
        """The best hits; see ``Archive.search``.

        Raises:
            InvalidRequest: a filter that archives do not have.
        """
        asked = {f.name: v for f in fields(filters) if (v := getattr(filters, f.name))} if filters is not None else {}
        unknown = asked.keys() - {f.name for f in fields(Scope)}
        if unknown:
            raise InvalidRequest(f"An archive cannot be filtered by {', '.join(sorted(unknown))}.")
        return self._archive.search(question, limit=limit, scope=Scope(**asked) if asked else None)
