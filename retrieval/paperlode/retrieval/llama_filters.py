"""LlamaIndex metadata filters as the engine's.

A node's metadata is stored a second time to be filtered by (``filterable``), because the engine has ways of its own: keys
are made into plain names, so that a dot or a quote in a key means nothing; truth values are 1 and 0, as in Python; strings
are kept folded to lower case beside. What is compared with what, as LlamaIndex's own stores have it:

- A missing value passes ``!=`` and ``nin`` only. ``is_empty`` is true of a missing value, null, ``""`` and ``[]``.
- A list is compared by its elements: ``==``, ``in`` and ``contains`` pass when one of them does.
- ``<`` and the like compare numbers, and dates in ISO form (``2023-05-01``, also with a time) where the value is one.
- ``text_match`` finds a part of a string, ``text_match_insensitive`` whatever its case.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from paperlode.ingest.errors import InvalidRequest

from .node_shard import REF_DOC

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["condition_of", "filterable", "restriction"]

META, FOLDED = "meta", "folded"
"""Payload fields with the metadata to be filtered by, and with its strings in lower case."""
NOT_KEPT = frozenset({"blocks", "failed_pages"})
"""Metadata of our reader that nobody filters by, and that is long: boxes, and what failed."""
EXACT_INTEGERS = 1 << 53
"""Above it a float does not tell neighbouring integers apart."""

_PLAIN = re.compile(r"[A-Za-z0-9_]+")
_RANGES = {
    FilterOperator.GT: "gt", FilterOperator.GTE: "gte", FilterOperator.LT: "lt", FilterOperator.LTE: "lte",
}  # fmt: skip


def filterable(metadata: Mapping[str, Any], ref_doc_id: str | None) -> dict[str, Any]:
    """The payload fields that a node with this metadata is filtered by."""
    known = {k: ref_doc_id for k in ("ref_doc_id", "document_id", "doc_id") if ref_doc_id is not None}
    values = {_name(str(k)): _value(v) for k, v in {**known, **metadata}.items() if k not in NOT_KEPT}
    kept = {k: v for k, v in values.items() if v is not _UNUSABLE}
    folded = {k: f for k, v in kept.items() if (f := _folded(v)) is not None}
    return {META: kept, FOLDED: folded}


_UNUSABLE = object()


def _name(key: str) -> str:
    return f"k_{key}" if _PLAIN.fullmatch(key) else f"x_{key.encode('utf-8', 'surrogatepass').hex()}"


def _value(value: Any, *, inner: bool = False) -> Any:
    """A JSON value as the engine can store it; ``_UNUSABLE`` for what nothing can be compared with."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else _UNUSABLE
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list) and not inner:
        return [v for one in value if (v := _value(one, inner=True)) is not _UNUSABLE]
    return None if value is None else json.dumps(value)  # what is nested is not empty, and no more can be asked


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return value.lower()
    if isinstance(value, list):
        return [v.lower() for v in value if isinstance(v, str)] or None
    return None


def restriction(
    filters: MetadataFilters | None = None,
    *,
    ids: Sequence[str] | None = None,
    ref_doc_ids: Sequence[str] | None = None,
) -> Any:
    """The engine's filter for all of these; None when nothing is restricted.

    Args:
        filters: by metadata.
        ids: points (not node ids) of which it must be one.
        ref_doc_ids: documents of which it must come.

    Raises:
        InvalidRequest: a filter that cannot be meant.
    """
    from qdrant_edge import FieldCondition, Filter, HasIdCondition, MatchAny

    must: list[Any] = []
    if ids is not None:
        must.append(HasIdCondition(set(ids)))
    if ref_doc_ids is not None:
        must.append(FieldCondition(REF_DOC, match=MatchAny(list(ref_doc_ids))))
    if filters is not None and filters.filters:
        must.append(condition_of(filters))
    return Filter(must=must) if must else None


def condition_of(filters: MetadataFilters) -> Any:
    """Filters joined by and, or, not (none of them), nested as they are; without any it lets all pass."""
    from qdrant_edge import Filter

    parts = [condition_of(f) if isinstance(f, MetadataFilters) else _condition(f) for f in filters.filters]
    if not parts:
        return Filter(must=[])
    if filters.condition == FilterCondition.OR:
        return Filter(should=parts)
    if filters.condition == FilterCondition.NOT:
        return Filter(must_not=parts)
    return Filter(must=parts)


def _condition(f: MetadataFilter) -> Any:
    from qdrant_edge import FieldCondition, Filter, IsEmptyCondition, MatchSubstring

    if f.key in NOT_KEPT:
        raise InvalidRequest(f"Nodes cannot be filtered by {f.key!r}.", hint="Filter by page_label or file_name.")
    op, field = f.operator, f"{META}.{_name(f.key)}"
    if op is FilterOperator.IS_EMPTY:
        return Filter(should=[IsEmptyCondition(field), _equals(field, "", f)])
    if op is FilterOperator.EQ or op is FilterOperator.CONTAINS:
        return _equals(field, _single(f), f)
    if op is FilterOperator.NE:
        return Filter(must_not=[_equals(field, _single(f), f)])
    if op in (FilterOperator.IN, FilterOperator.ANY):
        return _any(field, f)
    if op is FilterOperator.NIN:
        return Filter(must_not=[_any(field, f)])
    if op is FilterOperator.ALL:
        return Filter(must=[_equals(field, v, f) for v in _several(f)], must_not=[IsEmptyCondition(field)])
    if op in _RANGES:
        return FieldCondition(field, range=_range(_RANGES[op], _single(f), f))
    if op is FilterOperator.TEXT_MATCH:
        return FieldCondition(field, match=MatchSubstring(_words(f)))
    if op is FilterOperator.TEXT_MATCH_INSENSITIVE:
        return FieldCondition(f"{FOLDED}.{_name(f.key)}", match=MatchSubstring(_words(f).lower()))
    raise _refused(f, "is an operator that this store does not know")


def _equals(field: str, value: float | str, f: MetadataFilter) -> Any:
    """The condition that a value, or one of a list, is this one: 2 is 2.0."""
    from qdrant_edge import FieldCondition, MatchValue, RangeFloat

    if isinstance(value, str):
        return FieldCondition(field, match=MatchValue(value.encode("utf-8", "replace").decode()))
    if isinstance(value, int) and abs(value) >= EXACT_INTEGERS and -(1 << 63) <= value < 1 << 63:
        return FieldCondition(field, match=MatchValue(value))
    if not math.isfinite(value):
        raise _refused(f, "is no number that anything equals")
    return FieldCondition(field, range=RangeFloat(gte=float(value), lte=float(value)))


def _any(field: str, f: MetadataFilter) -> Any:
    from qdrant_edge import Filter, HasIdCondition

    values = _several(f)
    return Filter(should=[_equals(field, v, f) for v in values]) if values else Filter(must=[HasIdCondition(set())])


def _range(bound: str, value: float | str, f: MetadataFilter) -> Any:
    from qdrant_edge import RangeDateTime, RangeFloat

    if not isinstance(value, str):
        if math.isnan(value):
            raise _refused(f, "cannot be compared")
        return RangeFloat(**{bound: float(value)})
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _refused(
            f, "cannot be compared", hint="Compare numbers, or dates in ISO form: '2023-05-01', '2023-05-01T12:00:00Z'."
        ) from None
    return RangeDateTime(**{bound: moment.isoformat()})


def _single(f: MetadataFilter) -> float | str:
    if f.value is None:
        raise _refused(f, "compares with nothing", hint="Use the operator is_empty.")
    if isinstance(f.value, list):
        raise _refused(f, "takes one value", hint="Use in, nin, any or all.")
    return f.value


def _several(f: MetadataFilter) -> Sequence[float | str]:
    if f.value is None:
        raise _refused(f, "takes a list of values")
    return f.value if isinstance(f.value, list) else [f.value]


def _words(f: MetadataFilter) -> str:
    if not isinstance(f.value, str) or not f.value:
        raise _refused(f, "takes a text")
    return f.value.encode("utf-8", "replace").decode()


def _refused(f: MetadataFilter, why: str, *, hint: str = "") -> InvalidRequest:
    return InvalidRequest(f"The filter {f.key!r} {f.operator.value} {f.value!r} {why}.", hint=hint)
