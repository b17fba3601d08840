"""The documents of the archive, and pictures of their pages."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from paperlode.api.models import MAX_PAGE, DocumentList, DocumentOut

from .gate import GateDep

__all__ = ["router"]

router = APIRouter(prefix="/documents", tags=["documents"])

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
def documents(gate: GateDep) -> DocumentList:
    """Every document of the archive, by name."""
    with gate.enter() as archive:
        records = archive.documents()
    return DocumentList(documents=[DocumentOut.of(r) for r in records])


@router.get("/{key}", summary="One document")
def document(gate: GateDep, key: Key) -> DocumentOut:
    """One document, by its digest or name."""
    with gate.enter() as archive:
        return DocumentOut.of(archive.document(key))


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
    hit: Annotated[
        str | None, Query(min_length=1, max_length=100, description="id of a hit: its boxes are marked on the page")
    ] = None,
) -> Response:
    """The page as PNG, with the boxes of a hit marked. Pages are 0-based."""
    with gate.enter() as archive:
        png = archive.page_picture(archive.document(key).digest, page, hit=hit)
    return Response(png, media_type="image/png")
