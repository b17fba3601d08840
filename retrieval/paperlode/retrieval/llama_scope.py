"""LlamaIndex metadata filters as the index's own ``Filter``, for what a hit's metadata says of where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from paperlode.ingest.document import Kind, Layer
from paperlode.ingest.errors import InvalidRequest

from .index import Filter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from enum import StrEnum

__all__ = ["scope_of"]

Op = FilterOperator
_DOCUMENT = frozenset({"document", "file_digest", "doc_id", "ref_doc_id", "document_id", "file_name"})
_PAGES = {"page_index": 0, "page_label": 1}
"""Keys of a page, and what its first one is called."""
_MEMBERS: dict[str, type[StrEnum]] = {"kind": Kind, "layer": Layer}
_ANY_OF = frozenset({"flags", "roles", "labels"})
"""Keys whose values are lists, of which one has to be among those asked for."""
_KNOWN = "document, file_name, file_digest, page_label, page_index, kind, layer, flags, roles, labels"
_LAST = 1 << 31
_POSITIVE = frozenset({Op.EQ, Op.IN, Op.ANY, Op.CONTAINS})
_NEGATIVE = frozenset({Op.NE, Op.NIN})
_INVERTED = {
    Op.EQ: Op.NE, Op.NE: Op.EQ, Op.IN: Op.NIN, Op.NIN: Op.IN, Op.ANY: Op.NIN, Op.CONTAINS: Op.NE,
    Op.GT: Op.LTE, Op.LTE: Op.GT, Op.LT: Op.GTE, Op.GTE: Op.LT,
}  # fmt: skip


def scope_of(filters: MetadataFilters | None, *, digest_of: Callable[[str], str] | None = None) -> Filter | None:
    """The ``Filter`` that means the same; None when nothing can pass it.

    Args:
        filters: on ``document`` (also ``file_digest``, ``file_name``), ``page_label`` (from 1) or ``page_index`` (from
            0), ``kind``, ``layer``, ``flags``, ``roles``, ``labels``.
        digest_of: the digest of a document by what people call it; needed for ``file_name``.

    Raises:
        InvalidRequest: filters that the index cannot tell; the message says which, and what it can.
    """
    scope = _Scope(digest_of)
    if filters is not None:
        scope.take(filters)
    return scope.filter()


@dataclass(slots=True)
class _Scope:
    """What is left after each filter, None for all of it."""

    digest_of: Callable[[str], str] | None
    documents: frozenset[str] | None = None
    members: dict[str, frozenset[str]] = field(default_factory=dict)
    any_of: dict[str, frozenset[str]] = field(default_factory=dict)
    without_flags: set[str] = field(default_factory=set)
    first: int = 0
    last: int = _LAST

    def filter(self) -> Filter | None:
        sets = [self.documents, *self.members.values(), *self.any_of.values()]
        if self.first > self.last or any(s is not None and not s for s in sets):
            return None
        by_key: dict[str, Any] = {k: tuple(sorted(v)) for k, v in self.any_of.items()}
        return Filter(
            documents=tuple(sorted(self.documents or ())),
            kinds=tuple(Kind(k) for k in sorted(self.members.get("kind", ()))),
            layers=tuple(Layer(v) for v in sorted(self.members.get("layer", ()))),
            pages=(self.first, self.last) if (self.first, self.last) != (0, _LAST) else None,
            without_flags=tuple(sorted(self.without_flags)),
            **by_key,
        )

    def take(self, filters: MetadataFilters) -> None:
        condition = filters.condition or FilterCondition.AND
        alone = condition == FilterCondition.OR and len(filters.filters) < 2
        if condition == FilterCondition.AND or alone:
            for f in filters.filters:
                if isinstance(f, MetadataFilters):
                    self.take(f)
                else:
                    self._one(f)
            return
        leaves = [f for f in filters.filters if isinstance(f, MetadataFilter)]
        if len(leaves) < len(filters.filters):
            raise _cannot(f"cannot nest filters within {condition.value!r}")
        if condition == FilterCondition.NOT:
            for f in leaves:
                if f.operator not in _INVERTED:
                    raise _refused(f, "cannot be turned round")
                self._one(f.model_copy(update={"operator": _INVERTED[f.operator]}))
            return
        if len({f.key for f in leaves}) > 1 or any(f.operator not in _POSITIVE for f in leaves):
            raise _cannot("joins with 'or' only values of one key")
        values = [v for f in leaves for v in _values(f)]
        self._one(MetadataFilter.model_construct(key=leaves[0].key, value=values, operator=Op.IN))

    def _one(self, f: MetadataFilter) -> None:
        if f.key in _DOCUMENT:
            self._document(f)
        elif f.key in _PAGES:
            self._page(f, _PAGES[f.key])
        elif f.key in _MEMBERS:
            self._member(f, _MEMBERS[f.key])
        elif f.key in _ANY_OF:
            self._listed(f)
        else:
            raise _refused(f, "is on a key that hits have not", hint=f"Known: {_KNOWN}.")

    def _document(self, f: MetadataFilter) -> None:
        if f.operator not in _POSITIVE:
            raise _refused(f, "cannot be told: documents can be named, not left out")
        if f.key == "file_name" and self.digest_of is None:
            raise _refused(f, "cannot be told without the documents' names", hint="Filter by file_digest.")
        find = self.digest_of or str
        self.documents = _meet(self.documents, {find(str(v)) for v in _values(f)})

    def _page(self, f: MetadataFilter, base: int) -> None:
        pages = sorted(_page_number(v, f) - base for v in _values(f))
        if not pages:
            self.first, self.last = 1, 0
            return
        low, high = pages[0], pages[-1]
        if f.operator in _POSITIVE:
            if high - low + 1 != len(set(pages)):
                raise _refused(f, "has gaps", hint="Pages can be one range: page_label >= 3 and page_label <= 7.")
        elif f.operator in (Op.GT, Op.GTE):
            low, high = (low + 1 if f.operator == Op.GT else low), _LAST
        elif f.operator in (Op.LT, Op.LTE):
            low, high = 0, (high - 1 if f.operator == Op.LT else high)
        else:
            raise _refused(f, "cannot be told: pages can be one range")
        self.first, self.last = max(self.first, low), min(self.last, high)

    def _member(self, f: MetadataFilter, of: type[StrEnum]) -> None:
        known = frozenset(m.value for m in of)
        asked = {str(v) for v in _values(f)}
        if not asked <= known:
            raise _refused(f, f"is no {f.key}", hint=f"Known: {', '.join(sorted(known))}.")
        if f.operator in _NEGATIVE:
            asked = set(known) - asked
        elif f.operator not in _POSITIVE:
            raise _refused(f, "cannot be told")
        self.members[f.key] = _meet(self.members.get(f.key), asked)

    def _listed(self, f: MetadataFilter) -> None:
        asked = frozenset(str(v) for v in _values(f))
        if f.operator in _NEGATIVE and f.key == "flags":
            self.without_flags |= asked
            return
        single = f.operator == Op.ALL and len(asked) == 1
        if f.operator not in _POSITIVE and not single:
            raise _refused(f, "cannot be told", hint="Ask for any of some values; flags can also be left out.")
        if self.any_of.setdefault(f.key, asked) != asked:
            raise _refused(f, "is a second list, of which also one would have to be met")


def _meet(have: frozenset[str] | None, asked: set[str]) -> frozenset[str]:
    return frozenset(asked) if have is None else have & asked


def _values(f: MetadataFilter) -> Sequence[Any]:
    if f.value is None:
        raise _refused(f, "compares with nothing")
    return f.value if isinstance(f.value, list) else [f.value]


def _page_number(value: Any, f: MetadataFilter) -> int:
    try:
        number = int(value)
    except (ValueError, OverflowError):
        number = None
    if number is None or (isinstance(value, float) and value != number):
        raise _refused(f, "is no page")
    return number


def _cannot(what: str) -> InvalidRequest:
    return InvalidRequest(f"The archive {what}.", hint="Filters that are not joined all have to be met.")


def _refused(f: MetadataFilter, why: str, *, hint: str = "") -> InvalidRequest:
    return InvalidRequest(f"The filter {f.key!r} {f.operator.value} {f.value!r} {why}.", hint=hint)
