"""Pages that want a look: what the judge said of them, kept beside the pages, and pages read again put in their place."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from paperlode.ingest.document import Box, Finding, PageBox
from paperlode.ingest.ledger_tables import documents, findings, pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paperlode.ingest.document import ParsedPage

__all__ = [
    "FlaggedPage",
    "adopt_pages",
    "base_of",
    "count_flagged",
    "flagged_pages",
    "mended",
    "put_findings",
    "read_with",
]

_MENDED = "+mended-"


@dataclass(frozen=True, slots=True)
class FlaggedPage:
    """A page that wants a look.

    Attributes:
        document: digest. name: of its file.
        page: 0-based.
        findings: why; for a page that failed, one of the failure's code with its message.
        failed: whether it could not be parsed at all.
    """

    document: str
    name: str
    page: int
    findings: tuple[Finding, ...]
    failed: bool = False


def mended(parser: str, by: str, numbers: Sequence[int]) -> str:
    """The fingerprint of a document read by ``parser``, of which these pages were read again ``by`` another."""
    said = "\x1f".join((parser, by, *map(str, sorted(numbers))))
    return f"{base_of(parser)}{_MENDED}{hashlib.sha256(said.encode()).hexdigest()[:12]}"


def base_of(parser: str) -> str:
    """The fingerprint that the document was read with at first."""
    return parser.partition(_MENDED)[0]


def read_with(parser: str) -> sa.ColumnElement[bool]:
    """The condition for documents read with that parser, pages that were read again since notwithstanding."""
    return (documents.c.parser == parser) | documents.c.parser.startswith(parser + _MENDED, autoescape=True)


def put_findings(db: sa.Connection, digest: str, parser: str, parsed: Sequence[ParsedPage]) -> None:
    """Note what the judge says of these pages, in place of what it said before."""
    numbers = [p.page for p in parsed]
    db.execute(findings.delete().where(*_of(digest, parser), findings.c.page.in_(numbers)))
    rows = [
        {
            "digest": digest, "parser": parser, "page": p.page, "place": i,
            "code": f.code, "reason": f.reason, "regions": json.dumps([[r.page, *r.box] for r in f.regions]),
        }
        for p in parsed
        for i, f in enumerate(p.concerns)
    ]  # fmt: skip
    if rows:
        db.execute(findings.insert(), rows)


def _of(digest: str, parser: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return findings.c.digest == digest, findings.c.parser == parser


def _joined(table: sa.Table) -> sa.ColumnElement[bool]:
    return (table.c.digest == documents.c.content) & (table.c.parser == documents.c.parser)


def count_flagged(db: sa.Connection) -> int:
    """Pages of searchable documents that were parsed and want a look."""
    found = sa.select(findings.c.digest, findings.c.page).distinct().join(documents, _joined(findings))
    some = found.where(documents.c.status == "indexed").subquery()
    return db.scalar(sa.select(sa.func.count()).select_from(some)) or 0


def flagged_pages(db: sa.Connection, digest: str | None) -> Iterator[FlaggedPage]:
    """Pages of one searchable document or of all, by name of the document and page, that failed or have findings."""
    mine = [documents.c.status == "indexed", *([documents.c.digest == digest] if digest else [])]
    said = (
        sa.select(documents.c.name, documents.c.digest.label("document"), findings)
        .join(documents, _joined(findings))
        .where(*mine)
    )
    failed = sa.select(documents.c.name, documents.c.digest, pages.c.page, pages.c.code, pages.c.message)
    failed = failed.join(documents, _joined(pages)).where(*mine, pages.c.code != "")
    found: dict[tuple[str, str, int], list[Finding]] = {}
    for row in db.execute(said.order_by(findings.c.page, findings.c.place)):
        found.setdefault((row.name, row.document, row.page), []).append(
            Finding(row.code, row.reason, _regions(row.regions))
        )
    lost = {(r.name, r.digest, r.page): Finding(r.code, r.message) for r in db.execute(failed)}
    for key in sorted({*found, *lost}):
        name, document, page = key
        why = (*([lost[key]] if key in lost else []), *found.get(key, ()))
        yield FlaggedPage(document, name, page, why, key in lost)


def _regions(text: str) -> tuple[PageBox, ...]:
    return tuple(PageBox(int(page), Box(*box)) for page, *box in json.loads(text))


def adopt_pages(db: sa.Connection, digest: str, old: str, new: str) -> None:
    """Keep the pages read with ``old`` as read with ``new`` too, in place of what was kept so."""
    for table in (pages, findings):
        db.execute(table.delete().where(table.c.digest == digest, table.c.parser == new))
        names = [c.name for c in table.columns]
        source = [sa.literal(new).label("parser") if c.name == "parser" else c for c in table.columns]
        chosen: Any = sa.select(*source).where(table.c.digest == digest, table.c.parser == old)
        db.execute(table.insert().from_select(names, chosen))
