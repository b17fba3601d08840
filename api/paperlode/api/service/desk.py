"""The desk of a service: keys become callers, and names of collections the doors to their archives."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

from paperlode.api.routes.gate import Gate
from paperlode.api.service.keys import Caller, Scope
from paperlode.api.service.metrics import Metrics
from paperlode.api.service.tenants import DEFAULT_COLLECTION, LOCAL
from paperlode.ingest.errors import DocumentNotFound

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from fastapi import Request

    from paperlode.api.archive import Archive
    from paperlode.api.service.limiter import Limiter
    from paperlode.api.service.service import Service
    from paperlode.api.service.tenants import CollectionRecord

__all__ = ["ServiceDesk", "desk_of"]


class ServiceDesk:
    """Where the requests to a service are received; see ``routes.access.Desk``.

    Args:
        service: open; it is not closed here.
        with_keys: whether a key is asked for; None: as soon as there is one. Without, whoever calls may do everything, as the
            tenant ``local``.
        patience: as for ``Gate``.
        limiter: how much a caller may ask for; None for any amount.

    Attributes:
        local: id of the tenant whose admins run the service.
        metrics: of the service.
    """

    def __init__(
        self, service: Service, *, with_keys: bool | None, patience: float = 30.0, limiter: Limiter | None = None
    ) -> None:
        self.service = service
        self._with_keys = with_keys
        self.local = service.tenants.id_of(LOCAL)
        self.metrics = Metrics(service)
        self._whoever = Caller(self.local, Scope.ADMIN)
        self.limiter: Limiter | None = limiter
        self._patience = patience
        self._gates: dict[str, Gate] = {}
        self._lock = threading.Lock()

    @property
    def keyless(self) -> Caller | None:
        """Who calls without a key; None where one is asked for."""
        asks = self.service.keys.any() if self._with_keys is None else self._with_keys
        return None if asks else self._whoever

    def caller(self, key: str) -> Caller | None:
        """Who calls with this key."""
        return self.service.keys.caller(key)

    def collection(self, caller: Caller, name: str) -> CollectionRecord:
        """The caller's collection of that name; ``default`` is made when it is first asked for. Raises DocumentNotFound."""
        try:
            return self.service.tenants.collection(caller.tenant, name)
        except DocumentNotFound:
            if name != DEFAULT_COLLECTION:
                raise
            return self.service.tenants.make_collection(caller.tenant, name)

    def gate(self, caller: Caller, collection: str) -> Gate:
        """The door to the caller's collection of that name. Raises DocumentNotFound."""
        record = self.collection(caller, collection)

        def opened() -> AbstractContextManager[Archive]:
            return self.service.shelf.archive(record.id)

        with self._lock:
            return self._gates.setdefault(record.id, Gate(opened, patience=self._patience))

    def forget(self, collection: str) -> None:
        """The collection (its id) is gone."""
        with self._lock:
            self._gates.pop(collection, None)


def desk_of(request: Request) -> ServiceDesk:
    """The desk at which the request was received, of an app over a service."""
    return cast("ServiceDesk", request.app.state.desk)
