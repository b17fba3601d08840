"""Any sentence-transformers model, on torch (extra ``torch``)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import MissingExtra, ModelUnknown

from .embedding import SENTENCE_TRANSFORMERS, ModelOptions, too_long
from .model_families import split_family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SentenceTransformerEmbedder", "found", "how_to_get"]

_QUERY = ("query", "retrieval.query", "search_query", "s2p_query")
_DOCUMENT = ("document", "passage", "corpus", "retrieval.passage", "search_document")
"""Names that models give to their prompts for questions and for documents, the first that is there counts."""


class SentenceTransformerEmbedder:
    """A sentence-transformers model: asked with its own prompts, or with those of its family where it has none.

    Code that comes with a model is never run.

    Args:
        model: name on the hub or folder; with ``#FAMILY`` where that does not tell the model's family.
        options: threads, and the folder with models.
        asked: how the caller named it, for the message.

    Raises:
        MissingExtra: the extra ``torch`` is not installed.
        ModelUnknown: the model cannot be had.
    """

    def __init__(self, model: str, *, options: ModelOptions | None = None, asked: str = "") -> None:
        try:
            import torch
            from sentence_transformers import SentenceTransformer
        except ImportError as exc:
            raise MissingExtra.named("sentence-transformers", "torch") from exc
        options = options or ModelOptions()
        if options.threads:
            torch.set_num_threads(options.threads)
        where, self._family = split_family(model)
        try:
            self._model: Any = SentenceTransformer(found(where, options.folder))
        except Exception as exc:  # the hub's client, transformers and torch each raise their own
            why = next(iter(str(exc).splitlines()), "") or type(exc).__name__
            raise ModelUnknown(
                f"sentence-transformers cannot load {asked or where!r}: {why[:300]}", hint=how_to_get(where)
            ) from exc
        self.name = f"{SENTENCE_TRANSFORMERS}{model}"
        self.dimensions = int(self._model.get_embedding_dimension() or 0)
        self.max_tokens = int(self._model.max_seq_length or 512)
        self._alone = threading.Lock()  # the tokenizer's padding and cutting are settings of it, set anew at each call
        self._unknown: int | None = self._model.tokenizer.unk_token_id
        self._query, self._document = _prompts(self._model.prompts, self._model.default_prompt_name) or (
            self._family.query,
            self._family.document,
        )

    def _ids(self, text: str) -> list[int]:
        with self._alone:
            ids: list[int] = self._model.tokenizer(text, truncation=False, verbose=False)["input_ids"]
        return ids

    def count(self, text: str) -> int:
        """Tokens of ``text`` as a document, special tokens and prefix included."""
        return len(self._ids(self._document + text))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors ``(n, dimensions)``; InvalidRequest for a text that the model would cut."""
        for text in texts:
            if (n := self.count(text)) > self.max_tokens:
                raise too_long(n, self.max_tokens, text)
        vectors = self._encode(self._model.encode_document, list(texts), self._document)
        return vectors.reshape(len(texts), self.dimensions)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """The unit vector ``(dimensions,)`` of a question; a long one is cut at its end."""
        return self._encode(self._model.encode_query, text, self._query)

    def _encode(self, encode: Any, text: str | list[str], prompt: str) -> NDArray[np.float32]:
        with self._alone:
            out: NDArray[np.float32] = encode(text, prompt=prompt, normalize_embeddings=True, show_progress_bar=False)
        return out

    def reads(self, text: str) -> float:
        """What the model's family tells; else the share of the tokens that are in the model's vocabulary."""
        known = self._family.reads(text)
        if known is not None:
            return known
        ids = self._ids(text)
        return 1 - ids.count(self._unknown) / len(ids) if self._unknown is not None and ids else 1.0


def _prompts(prompts: Mapping[str, str | None], default: str | None) -> tuple[str, str] | None:
    """The model's own, for questions and for documents; None where its configuration has none.

    The library adds empty ones for ``query`` and ``document``, so an empty one says nothing. The default counts only where
    none of the others is for questions or documents.
    """
    if not any(prompts.values()):
        return None
    query, document = (next((p for n in names if (p := prompts.get(n))), "") for names in (_QUERY, _DOCUMENT))
    if not query and not document and default:
        query = document = prompts.get(default) or ""
    return query, document


def found(model: str, folder: Path | None) -> str:
    """The model's folder among those put there by hand, by its last name or by both; else its name."""
    if folder is not None:
        for name in (model, model.rpartition("/")[2]):
            if name and (folder / name).is_dir():
                return str(folder / name)
    return model


def how_to_get(model: str) -> str:
    """What to do where a model is not there."""
    last = model.rstrip("/").rpartition("/")[2]
    return (
        "Give the name of a model on the Hugging Face hub, or a folder that holds one. Where there is no network, get it "
        f"elsewhere with: hf download {model} --local-dir MODELS/{last}, and set PAPERLODE_MODELS to the folder MODELS."
    )
