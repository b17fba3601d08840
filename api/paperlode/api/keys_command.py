"""``paperlode keys``: who may call the service, and what for."""
# ruff: noqa: PLR0917  Typer passes every argument by name

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paperlode.api.command import faces, printable, settings_of
from paperlode.api.options import IndexOption, JsonOption

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from paperlode.api.service.database import ServiceDatabase
    from paperlode.api.service.keys import KeyRecord

__all__ = ["keys_app"]

keys_app = typer.Typer(
    name="keys",
    help="API keys of the service: made, listed, revoked. Only a hash of each is kept.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


class ScopeName(StrEnum):
    """What a key allows; each allows what those before it do."""

    read = "read"
    write = "write"
    admin = "admin"


TenantOption = Annotated[
    str,
    typer.Option(
        "--tenant",
        help="Whose key it is; made if there is none. Tenants see nothing of each other. The index folder is local's.",
    ),
]


@keys_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who or what uses it.", show_default=False)],
    tenant: TenantOption = "local",
    scope: Annotated[
        ScopeName, typer.Option(help="read: search, ask, look. write: also upload and delete. admin: also keys.")
    ] = ScopeName.read,
    days: Annotated[
        float | None, typer.Option(min=0.001, help="Good for so long. [default: until revoked]", show_default=False)
    ] = None,
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key. It is printed once, on standard output, and cannot be had again."""
    with faces(as_json=as_json):
        from paperlode.api.service.keys import Keys, Scope
        from paperlode.api.service.tenants import Tenants

        with _database(index, create=True) as database:
            owner = Tenants(database).id_of(tenant)
            text, record = Keys(database).make(owner, name=name, scope=Scope.named(scope), days=days)
        if as_json:
            typer.echo(_json([{**_shown(record, tenant), "key": text}]))
        else:
            until = f"until {_day(record.expires)}" if record.expires else "until it is revoked"
            typer.echo(f"Key {record.id} of {tenant}, {scope}, good {until}:", err=True)
            typer.echo(text)


@keys_app.command("list")
def list_keys(index: IndexOption = None, as_json: JsonOption = False) -> None:
    """All keys, revoked and expired ones too."""
    with faces(as_json=as_json):
        from paperlode.api.service.keys import Keys
        from paperlode.api.service.tenants import Tenants

        with _database(index) as database:
            names = Tenants(database).names()
            rows = [_shown(k, names.get(k.tenant, "")) for k in Keys(database).all()]
        if as_json:
            typer.echo(_json(rows))
            return
        for row in rows:
            state = "revoked" if row["revoked"] else "expired" if row["state"] == "expired" else "good"
            typer.echo(printable(f"{row['id']}  {row['tenant']}  {row['scope']:5}  {state:7}  {row['name']}"))


@keys_app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="Its id, as `paperlode keys list` shows it.", show_default=False)],
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """From now on the key is not good; whoever is connected with it is refused at the next request."""
    with faces(as_json=as_json):
        from paperlode.api.service.keys import Keys
        from paperlode.api.service.tenants import Tenants

        with _database(index) as database:
            record = Keys(database).revoke(key)
            names = Tenants(database).names()
        if as_json:
            typer.echo(_json([_shown(record, names.get(record.tenant, ""))]))
        else:
            typer.echo(printable(f"Key {record.id} ({record.name}) is revoked."))


def _database(index: Path | None, *, create: bool = False) -> "AbstractContextManager[ServiceDatabase]":
    from contextlib import closing

    from paperlode.api.service.database import ServiceDatabase
    from paperlode.api.service.places import Places
    from paperlode.ingest.errors import ArchiveNotFound

    settings = settings_of(index=index)
    places = Places(settings.index.expanduser().absolute())
    if create:
        places.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    elif not places.database.exists():
        raise ArchiveNotFound(
            f"There are no keys in {str(places.root)!r}.", hint="Make one with: paperlode keys create NAME"
        )
    return closing(ServiceDatabase.open(places.database))


def _shown(record: "KeyRecord", tenant: str) -> dict[str, object]:
    import time

    good = record.is_good(time.time())
    return {
        "id": record.id,
        "tenant": tenant,
        "name": record.name,
        "scope": record.scope.name.lower(),
        "state": "good" if good else "revoked" if record.revoked else "expired",
        "created": _day(record.created),
        "expires": _day(record.expires),
        "revoked": _day(record.revoked),
    }


def _day(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _json(rows: list[dict[str, object]]) -> str:
    import json

    return json.dumps({"keys": rows}, ensure_ascii=False, indent=1)
