"""Filters as a Qdrant server takes them, and which points of a collection are there to be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .points import STAGED, STATE, SWAPPED, restricted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .index import Filter

__all__ = ["all_of", "among", "between", "equals", "is_hidden", "new", "old", "staged", "unfinished", "visible"]


def equals(key: str, value: str | bool) -> Any:
    """Points with that value in that field."""
    from qdrant_client import models as m

    return m.FieldCondition(key=key, match=m.MatchValue(value=value))


def among(key: str, values: Sequence[str]) -> Any:
    """Points with one of the values in that field."""
    from qdrant_client import models as m

    return m.FieldCondition(key=key, match=m.MatchAny(any=[str(v) for v in values]))


def between(key: str, first: int, last: int | None) -> Any:
    """Points with a number in that range, both ends included."""
    from qdrant_client import models as m

    return m.FieldCondition(key=key, range=m.Range(gte=first, lte=last))


def all_of(*must: Any, none_of: Sequence[Any] = ()) -> Any:
    """A filter."""
    from qdrant_client import models as m

    return m.Filter(must=list(must) or None, must_not=list(none_of) or None)


def staged(*also: Any) -> Any:
    """Points that wait to be published."""
    return all_of(equals(STATE, STAGED), *also, none_of=[equals(SWAPPED, value=True)])


def new(*also: Any) -> Any:
    """Points that were published by a swap which is not cleared up yet: visible."""
    return all_of(equals(STATE, STAGED), equals(SWAPPED, value=True), *also)


def old(*also: Any) -> Any:
    """Points that such a swap took out: hidden, and to be deleted."""
    return all_of(equals(SWAPPED, value=True), *also, none_of=[equals(STATE, STAGED)])


def unfinished() -> Any:
    """Points of a publication that did not come to its end."""
    from qdrant_client import models as m

    return m.Filter(should=[equals(STATE, STAGED), equals(SWAPPED, value=True)])


def is_hidden(payload: Mapping[str, Any]) -> bool:
    """Whether a point with this payload is not to be seen."""
    return (payload.get(STATE) == STAGED) != bool(payload.get(SWAPPED))


def visible(only: Filter, *also: Any, none_of: Sequence[Any] = ()) -> Any:
    """The published points that ``only`` lets through."""
    from qdrant_client import models as m

    must = [among(key, values) for key, values in restricted(only) if values]
    if only.pages:
        must.append(between("pages", *only.pages))
    must_not = [staged(), old(), *none_of]
    if only.without_flags:
        must_not.append(among("flags", only.without_flags))
    return m.Filter(must=[*must, *also] or None, must_not=must_not)
