"""What is in an archive: documents, chunks, pages, and whether they fit together."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from paperlode.api.archive_folder import OpenFolder
from paperlode.api.values import Scope, Status
from paperlode.ingest.errors import DocumentNotFound, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from paperlode.ingest.document import Box, Chunk
    from paperlode.ingest.ledger import DocumentRecord, FailedPage, FlaggedPage
    from paperlode.ingest.workers import WorkerPool
    from paperlode.retrieval.search import Hit

__all__ = ["Contents"]

_ASKED = 256
"""Files the ledger is asked about at a time."""


class Contents(OpenFolder):
    """The reading half of an archive, but for questions."""

    def status(self) -> Status:
        """What the archive holds."""
        from paperlode.ingest.ledger_findings import base_of

        m = self._manifest
        documents = self._ledger.documents()
        indexed = [d for d in documents if d.status == "indexed"]
        return Status(
            folder=str(self.directory.root),
            bytes=self.directory.size(),
            embedder=str(m.schema["embedder"]),
            dimensions=int(m.schema["dimensions"]),
            parser=m.parser,
            chunker=m.chunker,
            counts=self._ledger.counts(),
            failures=self._ledger.failures(),
            outdated=sum((base_of(d.recipe.parser), d.recipe.chunker) != (m.parser, m.chunker) for d in indexed),
            pending=sum(d.status == "pending" for d in documents),
            server=self.server,
            ledger=self.ledger_place,
        )

    def documents(self) -> list[DocumentRecord]:
        """Every searchable document, by name."""
        return [d for d in self._ledger.documents() if d.status == "indexed"]

    def documents_after(self, last: tuple[str, str] | None, limit: int) -> list[DocumentRecord]:
        """The next searchable documents, by name and digest, after one of that name and digest; None for the first."""
        return self._ledger.documents_after(last, limit)

    def held_unchanged(self, files: Sequence[str]) -> list[str]:
        """Of files (absolute paths), those that are searchable as they are now, made as in the last run; told by their stamps.

        A file that was only touched since is not among them, though a run would find it to be the same.
        """
        from paperlode.ingest.errors import SourceError
        from paperlode.ingest.ledger import Recipe
        from paperlode.ingest.sources import stamp

        m = self._manifest
        recipe = Recipe(m.parser, m.chunker, str(m.schema["embedder"]))
        held: list[str] = []
        for start in range(0, len(files), _ASKED):
            for name, seen in self._ledger.done_among(files[start : start + _ASKED], recipe).items():
                with suppress(SourceError):  # gone, or unreadable: whoever asks finds out
                    held += [name] if stamp(name) == seen else []
        return held

    def document(self, ref: str) -> DocumentRecord:
        """The document named by digest, 6 or more digits of it, path, file name, or file name without extension.

        Raises:
            DocumentNotFound, InvalidRequest: none, or several, are called that.
        """
        return self._ledger.document(ref)

    def failed_pages(self, document: str) -> list[FailedPage]:
        """The document's pages that could not be parsed, with the reasons."""
        record = self.document(document)
        return self._ledger.failed_pages(record.content, record.recipe.parser)

    def export(self, document: str, form: str) -> Iterator[str]:
        """The document as ``json``, ``markdown``, ``html``, ``docling``, ``jsonl`` (chunks) or ``figures``, in pieces of text.

        Raises:
            DocumentNotFound, InvalidRequest: no such document or format.
        """
        from paperlode.api.export import export

        return export(self._ledger, self._index, self.document(document), form)

    def original(self, document: str) -> Path:
        """The file of this machine that holds the document, byte for byte as it was ingested.

        Raises:
            DocumentNotFound: no such document.
            SourceError: the file is gone, or holds something else now; or the document lies elsewhere (a bucket, a URL).
        """
        from paperlode.api.originals import local_source

        return local_source(self.document(document))

    def page_picture(
        self, document: str, page: int, *, boxes: Sequence[Box] = (), dpi: int = 110, password: str | None = None
    ) -> bytes:
        """A page (0-based) as PNG, with boxes (points) drawn on it.

        Raises:
            DocumentNotFound: no such document or page.
            SourceError: the file is gone, or holds something else now, or needs a password. What lies elsewhere is fetched.
            PageError: the page cannot be rendered.
        """
        from paperlode.api.originals import found_source
        from paperlode.ingest.copies import shown_as
        from paperlode.ingest.pages import PageRef, render_page

        record = self.document(document)
        if not 0 <= page < record.page_count:
            raise DocumentNotFound(
                f"{record.name!r} has no page {page + 1}; its pages are 1 to {record.page_count}.",
                hint="People count pages from 1, the JSON from 0.",
            )
        with found_source(record, self.copies) as (place, path):
            ref = PageRef(path, page, pdf=record.media_type == "application/pdf", password=password)
            with shown_as(place, path):
                return self._workers().call(render_page, ref, dpi, tuple(boxes), what=f"page {page + 1} of {place}")

    def _workers(self) -> WorkerPool:
        from paperlode.ingest.workers import WorkerPool

        with self._lazily:
            if self._pool is None:
                self._pool = WorkerPool(workers=1)
            return self._pool

    def check(self) -> list[str]:
        """What does not fit together in the folder, in words; empty when it is sound."""
        indexed = {d.digest: d for d in self.documents()}
        held = self._index.documents()
        problems = [
            f"{d.name} is recorded, but not in the index" for d in indexed.values() if d.chunks and d.digest not in held
        ]
        problems += [f"the index holds {digest[:12]}, which is not recorded" for digest in sorted(held - set(indexed))]
        count, recorded = self._index.count(), sum(d.chunks for d in indexed.values())
        if count != recorded:
            problems.append(f"the index holds {count} chunks, {recorded} are recorded")
        return problems

    def flagged(self, documents: Sequence[str] = ()) -> list[FlaggedPage]:
        """Pages that failed or that the judge wants looked at, with reasons and boxes, by document and page.

        Raises:
            DocumentNotFound, InvalidRequest: no document, or several, are called that.
        """
        if not documents:
            return self._ledger.flagged_pages()
        return [p for d in documents for p in self._ledger.flagged_pages(self.document(d).digest)]

    def names(self, hits: Sequence[Hit]) -> dict[str, str]:
        """File names of the documents of the hits and of their copies, by digest."""
        return self._late_ledger.names({h.document for h in hits} | {c.document for h in hits for c in h.copies})

    def hit(self, chunk: str) -> Chunk:
        """The chunk with this id.

        Raises:
            DocumentNotFound: there is none.
        """
        found = self._index.get([chunk])
        if not found:
            raise DocumentNotFound(f"There is no hit {chunk!r} in the index.", hint="Ids are in the search's output.")
        return found[0]

    def follow(self, document: str, label: str, *, referring: bool = False) -> list[Chunk]:
        """Where the document says what is referred to by ``label``: ``Section 4.2(b)``, ``Exhibit A``, a defined term.

        Args:
            document: as for ``document``.
            label: as printed, or as in ``Chunk.references``. Of a mark that has no place of its own, the clause around it.
            referring: the chunks that refer to it, in place of what they refer to.

        Raises:
            DocumentNotFound, InvalidRequest: no document, or several, are called that.
        """
        from paperlode.api.follow import candidates

        digest = self.document(document).digest
        for one in candidates(label):
            if found := self._index.labelled(digest, one, referring=referring):
                return found
        return []

    def _name_of(self, digest: str) -> str:
        return self._late_ledger.names({digest}).get(digest, "")

    def _filter(self, scope: Scope | None) -> Any:
        from paperlode.ingest.document import Kind, Layer
        from paperlode.retrieval.index import Filter

        scope = scope or Scope()
        return Filter(
            documents=tuple(self.document(d).digest for d in scope.documents),
            kinds=_members(Kind, scope.kinds, "kind"),
            pages=scope.pages,
            layers=_members(Layer, scope.layers, "layer"),
            flags=scope.flags,
            without_flags=scope.without_flags,
            roles=scope.roles,
            labels=scope.labels,
        )


_M = TypeVar("_M", bound=StrEnum)


def _members(kind: type[_M], names: Sequence[str], what: str) -> tuple[_M, ...]:
    try:
        return tuple(kind(n) for n in names)
    except ValueError:
        known = ", ".join(kind)
        raise InvalidRequest(f"There is no {what} among {', '.join(names)!r}.", hint=f"Known: {known}.") from None
