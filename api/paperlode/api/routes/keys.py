"""API keys of the caller's tenant, for its admins."""

import time
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field, JsonValue

from paperlode.api.models import example
from paperlode.api.service.desk import desk_of
from paperlode.api.service.keys import KeyRecord, Scope

from .access import Admin

__all__ = ["router"]

router = APIRouter(prefix="/keys", tags=["keys"])

ScopeName = Literal["read", "write", "admin"]

_KEY: dict[str, JsonValue] = {
    "id": "0f3a9c51d27b",
    "name": "laptop",
    "scope": "write",
    "state": "good",
    "created": "2026-01-15T09:30:00Z",
    "expires": "2026-04-15T09:30:00Z",
}


class KeyOut(BaseModel):
    """A key, without what makes it one."""

    model_config = example(_KEY)

    id: str
    name: Annotated[str, Field(description="who or what uses it")]
    scope: ScopeName
    state: Literal["good", "revoked", "expired"]
    created: datetime
    expires: datetime | None

    @classmethod
    def of(cls, record: KeyRecord) -> Self:
        """From the value."""
        return cls.model_validate(_fields(record))


class KeyMade(KeyOut):
    """A key that was just made."""

    model_config = example({**_KEY, "key": "pk_0f3a9c51d27b_…"})

    key: Annotated[str, Field(description="told once, here: send it as Authorization: Bearer")]


class KeyList(BaseModel):
    """Keys, by when they were made."""

    model_config = example({"keys": [_KEY]})

    keys: list[KeyOut]


class NewKey(BaseModel):
    """A key to be made."""

    model_config = example({"name": "laptop", "scope": "write", "days": 90}, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100, description="who or what uses it")]
    scope: ScopeName = "read"
    days: Annotated[float | None, Field(gt=0, le=36_500, description="good for so long; null until revoked")] = None


@router.get("", summary="All keys")
def keys(request: Request, caller: Admin) -> KeyList:
    """Those of the caller's tenant, revoked and expired ones too."""
    return KeyList(keys=[KeyOut.of(k) for k in desk_of(request).service.keys.all(caller.tenant)])


@router.post("", summary="Make a key", status_code=201)
def make(request: Request, caller: Admin, wanted: NewKey) -> KeyMade:
    """A new key of the caller's tenant; only a hash of it is kept."""
    scope = Scope.named(wanted.scope)
    text, record = desk_of(request).service.keys.make(caller.tenant, name=wanted.name, scope=scope, days=wanted.days)
    return KeyMade.model_validate({**_fields(record), "key": text})


@router.delete("/{key}", summary="Revoke a key", status_code=204, response_class=Response)
def revoke(
    request: Request, caller: Admin, key: Annotated[str, Path(min_length=1, max_length=64, description="its id")]
) -> None:
    """From the next request on it is not good."""
    desk_of(request).service.keys.revoke(key, caller.tenant)


def _fields(record: KeyRecord) -> dict[str, object]:
    good = record.is_good(time.time())
    return {
        "id": record.id,
        "name": record.name,
        "scope": record.scope.name.lower(),
        "state": "good" if good else "revoked" if record.revoked is not None else "expired",
        "created": datetime.fromtimestamp(record.created, UTC),
        "expires": None if record.expires is None else datetime.fromtimestamp(record.expires, UTC),
    }
