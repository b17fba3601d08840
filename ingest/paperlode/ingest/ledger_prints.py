"""What pages show, and the pages that were read of the same: a file that changed keeps what did not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import sqlalchemy as sa

from paperlode.ingest.ledger_tables import pages, prints
from paperlode.ingest.renumbering import renumbered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from paperlode.ingest.document import ParsedPage

__all__ = ["PrintBooks"]

_BATCH = 64


class _Load(Protocol):
    def __call__(self, wanted: Sequence[tuple[str, int, str]]) -> list[ParsedPage]: ...


class _Keep(Protocol):
    def __call__(self, digest: str, parser: str, parsed: Sequence[ParsedPage]) -> None: ...


class PrintBooks:
    """Part of a ``Ledger``: use ``Ledger.prints``.

    Args:
        work: begins a transaction.
        load: gives pages: each by digest, number and the name under which it is kept.
        keep: keeps pages.
    """

    def __init__(self, work: Callable[[], AbstractContextManager[sa.Connection]], load: _Load, keep: _Keep) -> None:
        self._work = work
        self._load = load
        self._keep = keep

    def save(self, digest: str, found: Sequence[str]) -> None:
        """Note what the document's pages show, the first page first; pages of which it is unknown are left out."""
        rows = [{"digest": digest, "page": n, "print": p} for n, p in enumerate(found) if p]
        with self._work() as db:
            db.execute(prints.delete().where(prints.c.digest == digest))
            if rows:
                db.execute(prints.insert(), rows)

    def known(self, digest: str) -> bool:
        """Whether it was noted of the document."""
        with self._work() as db:
            return db.scalar(sa.select(sa.literal(1)).where(prints.c.digest == digest).limit(1)) is not None

    def seen(self, shown: str) -> bool:
        """Whether a page of any document shows this."""
        with self._work() as db:
            return (
                bool(shown) and db.scalar(sa.select(sa.literal(1)).where(prints.c.print == shown).limit(1)) is not None
            )

    def adopt(self, digest: str, parser: str, found: Sequence[str], missing: Sequence[int]) -> set[int]:
        """Keep for the document the pages that the parser has read of the same; failed ones are not taken.

        Args:
            digest: of the document.
            parser: fingerprint of the parser.
            found: what each of its pages shows.
            missing: 0-based numbers of the pages that are wanted.

        Returns:
            The numbers of the pages that need not be read.
        """
        taken: set[int] = set()
        wanted = [n for n in missing if found[n]]
        for start in range(0, len(wanted), _BATCH):
            taken |= self._adopt(digest, parser, {n: found[n] for n in wanted[start : start + _BATCH]})
        return taken

    def _adopt(self, digest: str, parser: str, wanted: dict[int, str]) -> set[int]:
        source = sa.and_(prints.c.digest == pages.c.digest, prints.c.page == pages.c.page)
        same = [prints.c.print.in_(set(wanted.values())), pages.c.parser == parser, pages.c.code == ""]
        query = sa.select(prints.c.print, pages.c.digest, pages.c.page, pages.c.blob).join(pages, source).where(*same)
        places: dict[str, list[tuple[str, int, str]]] = {}
        with self._work() as db:
            for shown, *place in db.execute(query.order_by(pages.c.digest, pages.c.page)):
                places.setdefault(shown, []).append((place[0], place[1], place[2]))
        found = {n: places[shown] for n, shown in wanted.items() if shown in places}
        chosen = {n: next((p for p in those if p[1] == n), those[0]) for n, those in found.items()}
        pages_found = self._load(list(chosen.values()))
        self._keep(digest, parser, [renumbered(page, n) for n, page in zip(chosen, pages_found, strict=True)])
        return set(chosen)
