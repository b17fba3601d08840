"""What a stored point is, the same on Qdrant Edge and on a server: its vectors' names, its payload, and the way back."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid5

from paperlode.ingest.document import Chunk, DocumentCard, Kind, Layer, few_from_json, to_json

from .index import Passage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .index import Filter
    from .lexical import SparseVector

__all__ = [
    "CARD",
    "DENSE",
    "INTEGERS",
    "KEYWORDS",
    "LEXICAL",
    "MEANT",
    "PAGE",
    "PAIRS",
    "PASSAGE_FIELDS",
    "PLACE",
    "ROWS",
    "SPARSE",
    "STAGED",
    "STATE",
    "SWAPPED",
    "VERSION",
    "WHOLE",
    "StoredPoint",
    "card_from",
    "card_point",
    "chunk_from",
    "lies_at",
    "passage_from",
    "payload_of",
    "place_in_order",
    "restricted",
    "vectors_of",
]

DENSE, ROWS = "dense", "rows"
"""Vectors of meaning (cosine): of the chunk, and of the rows of its table (a multivector, the best of them counts)."""
LEXICAL, PAGE, PAIRS, WHOLE = "lexical", "page", "pairs", "whole"
"""Sparse vectors (BM25: with the inverse document frequency as modifier): of the chunk, of the page it starts on, of its pairs
of terms; and of a whole document, on the point of its card."""
SPARSE = (LEXICAL, PAGE, PAIRS, WHOLE)
CARD = "card"
"""The kind of a point that is a document's card, and the field in which it stands as JSON."""
VERSION = "version"
"""Payload field of a card: which version of its document is published with it."""
STATE, STAGED = "state", "staged"
"""A point that is not published yet has ``state: staged``; one that is published has no such field."""
KEYWORDS = ("document", "kind", "layer", "flags", "labels", "references", "roles", STATE)
"""Payload fields with an index of words."""
SWAPPED = "swapped"
"""While a document is published, its points that are to change, old and new, have this field: the old are hidden by it and the
new shown, in one operation."""
_APART = {"id", "document", "ordinal", "text", "context", "kind", "layer", "span", "read_by"}
"""Fields of a chunk that are not in the payload's ``rest``."""
_BLANK = '{"id":"","document":"","ordinal":0,"text":"","kind":"text","layer":"body","span":[0,0],'
"""Stands in front of ``rest`` for those that every chunk has; where they are in it, as in older points, the latter count."""
PLACE = ("ordinal", "start", "blocks", "table")
"""Payload fields that say where a chunk stands in the order of its document: they change when others before it do."""
INTEGERS = ("pages", "ordinal")
"""Payload fields with an index of numbers."""
MEANT = {layer for layer in Layer if layer is not Layer.FURNITURE}
"""Layers whose chunks have a vector of meaning."""


@dataclass(frozen=True, slots=True)
class StoredPoint:
    """A published point as it lies in an index, to be copied into another.

    Attributes:
        id: the chunk's.
        payload: as ``payload_of`` made it.
        vectors: by name: lists of floats, lists of such lists, or ``SparseVector``.
    """

    id: str
    payload: Mapping[str, Any]
    vectors: Mapping[str, Any]


def vectors_of(
    chunk: Chunk,
    dense: NDArray[np.float32],
    lexical: SparseVector,
    *,
    page: SparseVector | None,
    rows: NDArray[np.float32] | None,
    pairs: SparseVector | None = None,
    sparse: Callable[[SparseVector], Any],
) -> dict[str, Any]:
    """The vectors of a chunk's point, by name; ``sparse`` makes an engine's own sparse vector."""
    vectors: dict[str, Any] = {LEXICAL: sparse(lexical)}
    if chunk.layer is not Layer.FURNITURE:
        vectors[DENSE] = dense.tolist()
    if page is not None:
        vectors[PAGE] = sparse(page)
    if pairs is not None:
        vectors[PAIRS] = sparse(pairs)
    if rows is not None and len(rows):
        vectors[ROWS] = rows.tolist()
    return vectors


def payload_of(chunk: Chunk, roles: Sequence[str] = ()) -> dict[str, Any]:
    """What is filtered or shown, each under its name, where it has any; the rest of the chunk as JSON.

    Words and lists that are empty are left out, and a list of one is that one: the engine takes 4 µs to store a word, 15 to
    store a list, and to give them back; to its filters and indexes it is all the same.
    """
    rest = replace(chunk, part=replace(chunk.part, block=0)) if chunk.part else chunk
    fields = {
        "document": chunk.document,
        **{k: v for k, v in place_in_order(chunk).items() if (k, v) != ("blocks", 1)},
        "kind": str(chunk.kind),
        "layer": str(chunk.layer),
        "pages": _few(chunk.pages),
        "text": chunk.text,
        "context": chunk.context,
        "read_by": _few(chunk.read_by),
        "flags": _few(chunk.flags),
        "labels": _few(chunk.labels),
        "references": _few(chunk.references),
        "roles": _few(roles),
        "rest": to_json(rest, brief=True, leave_out=_APART),
    }
    return {k: v for k, v in fields.items() if v not in ("", [])}


def _few(values: Sequence[Any]) -> Any:
    return values[0] if len(values) == 1 else list(values)


def _many(value: Any) -> tuple[Any, ...]:
    """Back from ``_few``, and from a list of one as well."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def place_in_order(chunk: Chunk) -> dict[str, Any]:
    """The payload fields ``PLACE`` of a chunk: start and number of blocks of its span; only one of a table has the last."""
    table = {"table": chunk.part.block} if chunk.part else {}
    start, end = chunk.span
    return {"ordinal": chunk.ordinal, "start": start, "blocks": end - start, **table}


def lies_at(payload: Mapping[str, Any], place: Mapping[str, Any]) -> bool:
    """Whether a stored point has that place in the order."""
    return all(payload.get(k, 1 if k == "blocks" else None) == v for k, v in place.items())


def chunk_from(point_id: str, payload: Mapping[str, Any]) -> Chunk:
    """The chunk back from its point."""
    rest = few_from_json(Chunk, _BLANK + payload["rest"][1:])
    own = {"document": payload["document"], "ordinal": payload["ordinal"]}
    own |= {"kind": Kind(payload["kind"]), "layer": Layer(payload["layer"])}
    own |= {k: payload.get(k, "") for k in ("text", "context")}
    part = replace(rest.part, block=payload["table"]) if rest.part else None
    span = payload["start"], payload["start"] + payload.get("blocks", 1)
    return replace(rest, id=point_id, span=span, part=part, read_by=_many(payload.get("read_by", ())), **own)


def card_point(card: DocumentCard, whole: SparseVector, version: str) -> tuple[str, dict[str, Any]]:
    """Id and payload of the point of a document's card; another card, with other terms or of another version, has another id."""
    text = to_json(card)
    terms = struct.pack(f"<{len(whole.indices)}I{len(whole.values)}d", *whole.indices, *whole.values)
    point = str(uuid5(NAMESPACE_OID, f"{text}\x1f{hashlib.sha256(terms).hexdigest()}\x1f{version}"))
    return point, {"document": card.document, "kind": CARD, CARD: text, VERSION: version}


def card_from(payload: Mapping[str, Any]) -> DocumentCard:
    """The card back from its point."""
    return _card(payload[CARD])


@lru_cache(maxsize=4096)
def _card(text: str) -> DocumentCard:
    return few_from_json(DocumentCard, text)


PASSAGE_FIELDS = ("document", "ordinal", "pages", "layer", "text", "context", "table")
"""Payload fields that a passage is made of."""


def passage_from(point_id: str, p: Mapping[str, Any]) -> Passage:
    """The passage of a point."""
    place = (p["document"], p["ordinal"], _many(p.get("pages", ())), Layer(p["layer"]))
    return Passage(point_id, *place, p.get("text", ""), p.get("context", ""), p.get("table"))


def restricted(only: Filter) -> tuple[tuple[str, Sequence[str]], ...]:
    """Payload fields and the words that a filter wants any of in them; none where it does not restrict."""
    named = (("document", only.documents), ("kind", only.kinds), ("layer", only.layers), ("flags", only.flags))
    return *named, ("roles", only.roles), ("labels", only.labels)
