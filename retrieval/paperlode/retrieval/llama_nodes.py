"""LlamaIndex nodes as stored points, and back: the same node, of the same class, with all it had but its vector."""

from __future__ import annotations

import json
import math
import uuid
from typing import TYPE_CHECKING, Any

from llama_index.core.schema import BaseNode, MetadataMode, TextNode

from paperlode.ingest.errors import InvalidRequest

from .lexical import sparse_document
from .llama_filters import filterable
from .node_shard import NODE, REF_DOC, NodePoint

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["node_from", "point_id", "point_of"]

_NAMES = uuid.UUID("0b9d8a52-1f04-5d5e-9f2b-6d1f3c0e7a11")
"""Of node ids that are no UUIDs."""


def point_id(node_id: str) -> str:
    """The UUID of a node's point: its own id where that is one, as it is usually, else made from it."""
    try:
        known = str(uuid.UUID(node_id))
    except ValueError:
        known = ""
    return known if known == node_id else str(uuid.uuid5(_NAMES, node_id))


def point_of(node: BaseNode) -> NodePoint:
    """A node with its vector as it is stored.

    Raises:
        InvalidRequest: it has no vector, or one that is no numbers, or metadata that is no JSON.
    """
    vector = node.embedding
    if not vector or not all(map(math.isfinite, vector)):
        raise InvalidRequest(
            f"The node {node.node_id!r} has {'a vector that is not finite' if vector else 'no vector'}.",
            hint="Embed nodes before they are added, for example by an embedding model as the pipeline's last step.",
        )
    try:
        fields = node.model_dump(mode="json", exclude={"embedding"})
        written = json.dumps(fields, ensure_ascii=False)
    except (TypeError, ValueError) as exc:  # pydantic's serialisation error is a ValueError
        raise InvalidRequest(
            f"The node {node.node_id!r} cannot be stored: {next(iter(str(exc).splitlines()), '')[:200]}",
            hint="Metadata must be strings, numbers, truth values, null, lists and objects of these.",
        ) from exc
    if not _is_unicode(written):
        written = json.dumps(fields)  # lone surrogates pass as escapes only
    payload: dict[str, Any] = {NODE: written, **filterable(fields.get("metadata") or {}, node.ref_doc_id)}
    if node.ref_doc_id is not None:
        payload[REF_DOC] = node.ref_doc_id
    words = sparse_document(node.get_content(metadata_mode=MetadataMode.EMBED))
    return NodePoint(point_id(node.node_id), vector, words, payload)


def node_from(written: str) -> BaseNode:
    """The node back."""
    fields = json.loads(written)
    kind = _classes().get(str(fields.get("class_name")), TextNode)
    return kind.from_dict(fields)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _classes() -> dict[str, type[BaseNode]]:
    """Every class of nodes that is known to this process, by its name; LlamaIndex's own before others of that name."""
    found: dict[str, type[BaseNode]] = {}
    for kind in _below(BaseNode):  # type: ignore[type-abstract]
        found.setdefault(kind.class_name(), kind)
    return found


def _below(kind: type[BaseNode]) -> Iterator[type[BaseNode]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _below(inner)
