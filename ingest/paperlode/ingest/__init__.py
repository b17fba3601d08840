"""Documents in, chunks out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paperlode.ingest.llama_index import PaddleOCRVLReader

__all__ = ["PaddleOCRVLReader"]


def __getattr__(name: str) -> Any:
    """The LlamaIndex reader, imported when it is asked for: LlamaIndex takes a second.

    Raises:
        MissingExtra: LlamaIndex is not installed.
    """
    if name == "PaddleOCRVLReader":
        from paperlode.ingest.llama_index import PaddleOCRVLReader

        return PaddleOCRVLReader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
