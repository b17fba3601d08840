"""The documents of the archive, and pictures of their pages."""

from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from paperlode.api.models import (
    MAX_PAGE,
    DocumentDetail,
    DocumentList,
    DocumentOut,
    FailedPageOut,
    PassageOut,
    Passages,
)
from paperlode.ingest.document import Box, Chunk
from paperlode.ingest.errors import DocumentNotFound
from paperlode.ingest.ledger_tables import DocumentRecord

from .access import GateDep
from .cursor import read_cursor, write_cursor

__all__ = ["router"]

router = APIRouter(prefix="/documents", tags=["documents"])

MOST_LISTED = 500

Key = Annotated[
    str,
    Path(
        min_length=1,
        max_length=1024,
        description="digest, the beginning of one (6 or more digits), or file name",
        examples=["8f4b1c9e6a2d"],
    ),
]


@router.get("", summary="All documents")
def documents(
    gate: GateDep,
    *,
    cursor: Annotated[str | None, Query(max_length=2000, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = MOST_LISTED,
) -> DocumentList:
    """The searchable documents of the collection, by name, page by page."""
    last = cast("tuple[str, str]", read_cursor(cursor, str, str)) if cursor is not None else None
    with gate.enter() as archive:
        found = archive.documents_after(last, limit + 1)
    page, more = found[:limit], len(found) > limit
    return DocumentList(
        documents=[DocumentOut.of(r) for r in page],
        next=write_cursor(page[-1].name, page[-1].digest) if more else None,
    )


@router.get("/{key}", summary="One document")
def document(gate: GateDep, key: Key) -> DocumentDetail:
    """One document, by its digest or name, with the pages that could not be parsed."""
    with gate.enter() as archive:
        record = archive.document(key)
        failed = archive.failed_pages(record.digest)
    failures = [FailedPageOut(page=f.page, code=f.code, message=f.message) for f in failed]
    return DocumentDetail(**dict(DocumentOut.of(record)), failures=failures)


@router.get("/{key}/follow", summary="Follow a reference")
def follow(
    gate: GateDep,
    key: Key,
    label: Annotated[
        str,
        Query(min_length=1, max_length=200, description="what is referred to, as printed", examples=["Section 7.2"]),
    ],
    *,
    back: Annotated[bool, Query(description="what refers to it, in place of what it means")] = False,
) -> Passages:
    """The clause, table or definition that a reference means, each with its pages and boxes."""
    with gate.enter() as archive:
        found = archive.follow(key, label, referring=back)
    return Passages(label=label, passages=[PassageOut.of(c) for c in found])


@router.get(
    "/{key}/pages/{page}/picture.png",
    summary="Picture of a page",
    response_class=Response,
    responses={
        200: {"description": "The page", "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}
    },
)
def picture(
    gate: GateDep,
    key: Key,
    page: Annotated[int, Path(ge=0, le=MAX_PAGE, description="0-based: 0 is the first page", examples=[3])],
    hit: Annotated[UUID | None, Query(description="id of a hit: its boxes are marked on the page")] = None,
) -> Response:
    """The page as PNG, with the boxes of a hit marked. Pages are 0-based."""
    with gate.enter() as archive:
        record = archive.document(key)
        boxes = _boxes(archive.hit(str(hit)), record, page) if hit else ()
        png = archive.page_picture(record.digest, page, boxes=boxes)
    return Response(png, media_type="image/png")


def _boxes(chunk: Chunk, record: DocumentRecord, page: int) -> tuple[Box, ...]:
    """The chunk's boxes on that page. Raises DocumentNotFound when it does not stand there."""
    boxes = tuple(r.box for r in chunk.regions if r.page == page)
    if chunk.document != record.digest or not boxes:
        raise DocumentNotFound(
            f"The hit {chunk.id!r} is not on page {page} (0-based) of {record.name!r}.",
            hint="A hit names its document and its pages; ask for the picture of one of them.",
        )
    return boxes
