"""Collections: indexes of their own, each with its documents and jobs."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from paperlode.api.job_models import CollectionList, CollectionOut, NewCollection
from paperlode.api.service.desk import desk_of
from paperlode.api.service.removal import remove_collection

from .access import Reader, Writer

__all__ = ["router"]

router = APIRouter(prefix="/collections", tags=["collections"])

Name = Annotated[str, Path(min_length=1, max_length=63, description="name of the collection", examples=["contracts"])]


@router.get("", summary="All collections")
def collections(request: Request, caller: Reader) -> CollectionList:
    """The caller's collections, by name."""
    desk = desk_of(request)
    return CollectionList(collections=[CollectionOut.of(c) for c in desk.service.tenants.collections(caller.tenant)])


@router.post("", summary="Make a collection", status_code=201)
def make(request: Request, caller: Writer, wanted: NewCollection) -> CollectionOut:
    """A new collection, empty; that of the same name, if there is one."""
    desk = desk_of(request)
    most = desk.service.limits.collections
    return CollectionOut.of(desk.service.tenants.make_collection(caller.tenant, wanted.name, most=most))


@router.delete("/{name}", summary="Delete a collection", status_code=204, response_class=Response)
def delete(request: Request, caller: Writer, name: Name) -> None:
    """Deletes the collection with its documents, their files and its jobs; what runs of these is ended first."""
    desk = desk_of(request)
    remove_collection(desk.service, caller.tenant, name)
