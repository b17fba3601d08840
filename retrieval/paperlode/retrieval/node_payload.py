"""A chunk as a LlamaIndex node in the payload of its point, as LlamaIndex's stock ``QdrantVectorStore`` reads it.

The store takes a node whole from the JSON under ``_node_content``, its text included: one that is left out is empty in the
node, so the text stands in a point twice. It filters by the payload itself, in which ``document``, ``kind``, ``layer``,
``pages``, ``flags`` and the like stand anyway, and by ``doc_id``. LlamaIndex is not needed to write this.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .points import CARD, chunk_from

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paperlode.ingest.document import Chunk

__all__ = ["NODE_FIELDS", "node_metadata", "node_payload"]

NODE_FIELDS = ("_node_content", "_node_type", "doc_id")
"""What ``node_payload`` adds to a payload."""
_IN_PROMPT = ("heading_path", "page_label")
"""Metadata that a language model is shown; the rest is for programs. None is embedded: the vector is there already."""


def node_metadata(chunk: Chunk) -> dict[str, Any]:
    """The metadata of a chunk's node: strings, numbers and lists of them.

    ``pages`` count from 0 and ``page_label`` from 1; ``heading_path`` is joined by `` > ``; ``boxes`` is JSON, a list of
    ``[page, x0, y0, x1, y1]`` in PDF points with the origin top left.
    """
    on = [str(p + 1) for p in chunk.pages]
    boxes = [[r.page, *r.box] for r in chunk.regions]
    return {
        "document": chunk.document,
        "ordinal": chunk.ordinal,
        "kind": str(chunk.kind),
        "layer": str(chunk.layer),
        "pages": list(chunk.pages),
        "page_label": "-".join(on[:1] + on[1:][-1:]),
        "heading_path": " > ".join(chunk.heading_path),
        "flags": list(chunk.flags),
        "boxes": json.dumps(boxes, separators=(",", ":")),
    }


def node_payload(point: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """What is added to the payload of a chunk's or a card's point so that the stock store finds a node in it."""
    document = str(payload["document"])
    if CARD in payload:
        text, metadata = "", {"document": document, "kind": CARD}  # no vector leads to it; it is met by listing all
    else:
        chunk = chunk_from(point, payload)
        text, metadata = chunk.shown_text, node_metadata(chunk)
    source: dict[str, Any] = {
        "node_id": document,
        "node_type": "4",  # a document
        "metadata": {},
        "hash": None,
        "class_name": "RelatedNodeInfo",
    }
    node = {
        "id_": point,
        "embedding": None,
        "metadata": metadata,
        "excluded_embed_metadata_keys": list(metadata),
        "excluded_llm_metadata_keys": [k for k in metadata if k not in _IN_PROMPT],
        "relationships": {"1": source},  # its source
        "text": text,
        "mimetype": "text/plain",
        "class_name": "TextNode",
    }
    content = json.dumps(node, ensure_ascii=False, separators=(",", ":"))
    return {"_node_content": content, "_node_type": "TextNode", "doc_id": document}
