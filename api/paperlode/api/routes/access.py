"""Who calls, what for, and with which collection: asked of every request before anything else."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Annotated, Protocol

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from paperlode.api.archive_like import ArchiveLike
from paperlode.api.service.keys import Caller, Scope
from paperlode.api.service.limiter import Limiter
from paperlode.ingest.errors import DocumentNotFound, KeyRefused, NotAllowed

from .gate import Gate

__all__ = ["Admin", "CollectionName", "Desk", "GateDep", "OneArchive", "Reader", "Writer", "allowed"]

DEFAULT = "default"

CollectionName = Annotated[
    str, Query(alias="collection", min_length=1, max_length=63, description="name of the collection")
]


class Desk(Protocol):
    """Where requests are received.

    Attributes:
        limiter: how much a caller may ask for; None for any amount.
    """

    limiter: Limiter | None

    @property
    def keyless(self) -> Caller | None:
        """Who calls without a key; None where one is asked for."""
        ...

    def caller(self, key: str) -> Caller | None:
        """Who calls with this key; None for one that is not good."""
        ...

    def gate(self, caller: Caller, collection: str) -> Gate:
        """The door to a collection. Raises DocumentNotFound where the caller has none of that name."""
        ...


class OneArchive:
    """One open archive, for whoever calls; nothing can be changed in it.

    Args:
        archive: called from worker threads, one call at a time.
        patience: as for ``Gate``.
    """

    def __init__(self, archive: ArchiveLike, *, patience: float = 30.0) -> None:
        self._whoever = Caller("", Scope.READ)
        self.limiter: Limiter | None = None
        self._gate = Gate(lambda: nullcontext(archive), patience=patience)

    @property
    def keyless(self) -> Caller | None:
        """Whoever calls, to read."""
        return self._whoever

    def caller(self, key: str) -> Caller | None:  # noqa: ARG002
        """Keys are not looked at."""
        return self._whoever

    def gate(self, caller: Caller, collection: str) -> Gate:  # noqa: ARG002
        """To the archive, which is called ``default``."""
        if collection != DEFAULT:
            raise DocumentNotFound(f"There is no collection {collection!r}.", hint="GET /v1/collections lists them.")
        return self._gate


_bearer = HTTPBearer(
    auto_error=False, scheme_name="key", description="An API key: paperlode keys create NAME --scope read|write|admin"
)


def allowed(scope: Scope) -> Callable[..., Iterator[Caller]]:
    """The dependency that lets in whoever has a key of that scope, or more, and tells who it is."""

    def caller(
        request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Iterator[Caller]:
        desk: Desk = request.app.state.desk
        found = desk.keyless if given is None else desk.caller(given.credentials)
        if found is None:
            raise KeyRefused(
                "This service wants a key." if given is None else "This key is not good.",
                hint="Send it as: Authorization: Bearer pk_…. Make one with: paperlode keys create NAME",
            )
        request.state.caller = found  # before it is refused: that is noted too
        if found.scope < scope:
            raise NotAllowed(
                f"This key allows {found.scope.name.lower()}, and {scope.name.lower()} is wanted.",
                hint=f"Make one with: paperlode keys create NAME --scope {scope.name.lower()}",
            )
        with desk.limiter.turn(found.key or found.tenant) if desk.limiter else nullcontext():
            yield found

    return caller


Reader = Annotated[Caller, Depends(allowed(Scope.READ))]
Writer = Annotated[Caller, Depends(allowed(Scope.WRITE))]
Admin = Annotated[Caller, Depends(allowed(Scope.ADMIN))]


def _gate(request: Request, caller: Reader, collection: CollectionName = DEFAULT) -> Gate:
    desk: Desk = request.app.state.desk
    return desk.gate(caller, collection)


GateDep = Annotated[Gate, Depends(_gate)]
