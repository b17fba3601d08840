"""The pages that a ledger keeps: what was parsed of which bytes, by which parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from paperlode.ingest.document import ParsedPage, from_json, to_json
from paperlode.ingest.errors import ArchiveCorrupt
from paperlode.ingest.ledger_findings import FlaggedPage, adopt_pages, flagged_pages
from paperlode.ingest.ledger_rows import drop_pages, pages_of, put_pages
from paperlode.ingest.ledger_tables import FailedPage, findings, loose, pages
from paperlode.ingest.page_store import few, packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from paperlode.ingest.page_store import PageStore

__all__ = ["KeptPages"]

_BATCH = 64


class KeptPages:
    """Part of a ``Ledger``. Pages are kept under the digest of the bytes that they were read from."""

    _name: str
    _store: PageStore
    _work: Callable[[], AbstractContextManager[sa.Connection]]

    def save_page(self, digest: str, parser: str, page: ParsedPage) -> None:
        """Keep one page."""
        self.save_pages(digest, parser, [page])

    def save_pages(self, digest: str, parser: str, parsed: Sequence[ParsedPage]) -> None:
        """Keep pages, replacing earlier ones of the same number, in one transaction."""
        if not parsed:
            return
        kept = [packed(to_json(p)) for p in parsed]
        self._store.put(dict(kept))
        with self._work() as db:
            put_pages(db, digest, parser, parsed, [name for name, _ in kept])

    def take_over(self, digest: str, parser: str, stands: Callable[[str], bool]) -> set[int]:
        """Keep for ``parser`` the pages that others read, and that it would read the same; none that it has read itself.

        Args:
            digest: of the bytes.
            parser: fingerprint of the parser.
            stands: whether it would, by what read a page (``ParsedPage.parser``).

        Returns:
            The numbers of the pages taken over.
        """
        with self._work() as db:
            others = sa.select(pages.c.parser).where(pages.c.digest == digest, pages.c.parser != parser).distinct()
            known = db.scalars(others.order_by(pages.c.parser)).all()
        taken: set[int] = set()
        for other in known:
            mine = self.done_pages(digest, parser) | taken
            batch: list[ParsedPage] = []
            for page in self.pages(digest, other):
                if page.failure is None and page.page not in mine and stands(page.parser):
                    taken.add(page.page)
                    batch.append(page)
                if len(batch) >= _BATCH:
                    self.save_pages(digest, parser, batch)
                    batch = []
            self.save_pages(digest, parser, batch)
        return taken

    def adopt_pages(self, digest: str, old: str, new: str) -> None:
        """Keep the pages that the parser ``old`` read as pages of ``new`` too: some of them will be read again."""
        with self._work() as db:
            drop_pages(db, *pages_of(digest, new))
            adopt_pages(db, digest, old, new)

    def forget_pages(self, digest: str, parser: str) -> None:
        """Drop the pages kept for a document (they were read from other bytes)."""
        with self._work() as db:
            drop_pages(db, *pages_of(digest, parser))
            db.execute(findings.delete().where(findings.c.digest == digest, findings.c.parser == parser))

    def prune_pages(self) -> None:
        """Let go of what was kept of pages that no document has any more. While no page is being saved."""
        with self._work() as db:
            lost = list(db.scalars(sa.select(loose.c.blob)))
        for names in few(lost):
            with self._work() as db:
                named = set(db.scalars(sa.select(pages.c.blob).where(pages.c.blob.in_(names))))
            self._store.drop([n for n in names if n not in named])
            with self._work() as db:
                db.execute(loose.delete().where(loose.c.blob.in_(names)))

    def done_pages(self, digest: str, parser: str, *, whole: bool = False) -> set[int]:
        """Pages kept; with ``whole``, only those that did not fail."""
        where = [*pages_of(digest, parser), *([pages.c.code == ""] if whole else [])]
        with self._work() as db:
            return set(db.scalars(sa.select(pages.c.page).where(*where)))

    def pages(self, digest: str, parser: str, *, start: int = 0, stop: int | None = None) -> Iterator[ParsedPage]:
        """The pages kept from ``start`` to ``stop`` (exclusive), ascending, a few at a time."""
        after = start - 1
        while True:
            query = sa.select(pages.c.page, pages.c.blob).where(*pages_of(digest, parser), pages.c.page > after)
            if stop is not None:
                query = query.where(pages.c.page < stop)
            with self._work() as db:
                rows = db.execute(query.order_by(pages.c.page).limit(_BATCH)).all()
            yield from self._load([(digest, number, blob) for number, blob in rows])
            if len(rows) < _BATCH:
                return
            after = rows[-1][0]

    def _load(self, wanted: Sequence[tuple[str, int, str]]) -> list[ParsedPage]:
        """Pages, each by its document's bytes, its number, and the name under which it is kept."""
        found = self._store.get({blob for _, _, blob in wanted})
        return [self._decode(digest, number, blob, found.get(blob)) for digest, number, blob in wanted]

    def _decode(self, digest: str, number: int, blob: str, data: bytes | None) -> ParsedPage:
        try:
            if data is None:
                raise ValueError(f"{blob} is not there")
            return from_json(ParsedPage, unpacked(blob, data))
        except ValueError as exc:
            raise ArchiveCorrupt(
                f"Page {number + 1} of document {digest[:12]}, as kept by the ledger {self._name}, is damaged or missing.",
                hint="Delete the document from the index and ingest it again.",
            ) from exc

    def failed_pages(self, digest: str, parser: str) -> list[FailedPage]:
        """The document's pages that could not be parsed, ascending."""
        query = sa.select(pages.c.page, pages.c.code, pages.c.message).where(
            *pages_of(digest, parser), pages.c.code != ""
        )
        with self._work() as db:
            return [FailedPage(*row) for row in db.execute(query.order_by(pages.c.page))]

    def flagged_pages(self, digest: str | None = None) -> list[FlaggedPage]:
        """Pages of a searchable document, or of all, that failed or that the judge wants looked at; by name and page."""
        with self._work() as db:
            return list(flagged_pages(db, digest))
