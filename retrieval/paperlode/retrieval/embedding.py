"""Text to vectors: the protocol of an embedding model, and the models known by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from paperlode.ingest.errors import InvalidRequest, MissingExtra, ModelUnknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Embedder", "SentenceTransformerEmbedder", "load_embedder", "too_long"]

DEFAULT = "minilm"
SENTENCE_TRANSFORMERS = "st:"


class Embedder(Protocol):
    """A model that turns text into unit vectors, and counts text in its own tokens.

    Attributes:
        name: what ``load_embedder`` takes to load it again; stored with an index.
        dimensions: length of a vector.
        max_tokens: the longest text it reads, special tokens included.
    """

    @property
    def name(self) -> str:
        """What ``load_embedder`` takes to load it again."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        ...

    @property
    def max_tokens(self) -> int:
        """The longest text it reads, special tokens included."""
        ...

    def count(self, text: str) -> int:
        """Tokens of ``text``, special tokens included; never cut at ``max_tokens``."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """L2-normalised vectors, shape ``(len(texts), dimensions)``.

        Raises:
            InvalidRequest: a text is longer than ``max_tokens``: nothing is ever cut in silence.
        """
        ...

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """The vector of a question, shape ``(dimensions,)``; a question longer than ``max_tokens`` is cut."""
        ...

    def reads(self, text: str) -> float:
        """The share of ``text``, 0 to 1, written in a script that the model was trained on."""
        ...


def load_embedder(name: str = DEFAULT, *, threads: int | None = None) -> Embedder:
    """The model called ``name``: ``minilm`` (embedded), or ``st:NAME`` for any sentence-transformers model.

    Args:
        name: see above.
        threads: texts embedded at the same time; None takes one a core.

    Raises:
        ModelUnknown: no model has that name.
        ModelChecksumMismatch: the weights are not the published ones.
        MissingExtra: ``st:`` without the extra ``torch``.
    """
    if name == DEFAULT:
        from .minilm import MiniLM

        return MiniLM(threads=threads)
    if name.startswith(SENTENCE_TRANSFORMERS) and name != SENTENCE_TRANSFORMERS:
        return SentenceTransformerEmbedder(name.removeprefix(SENTENCE_TRANSFORMERS), threads=threads)
    raise ModelUnknown(
        f"No embedding model is called {name!r}.",
        hint=f"Known: {DEFAULT!r} (embedded), or 'st:NAME' with the name or folder of a sentence-transformers model.",
    )


def too_long(tokens: int, limit: int, text: str) -> InvalidRequest:
    """The error for a text of ``tokens`` tokens where the model reads ``limit``."""
    return InvalidRequest(
        f"A text of {tokens} tokens is longer than the {limit} the embedding model reads: {text[:60]!r}…",
        hint="Cut it into chunks counted with this model's tokenizer.",
    )


class SentenceTransformerEmbedder:
    """Any sentence-transformers model, on torch (extra ``torch``)."""

    def __init__(self, model: str, *, threads: int | None = None) -> None:
        try:
            import torch
            from sentence_transformers import SentenceTransformer
        except ImportError as exc:
            raise MissingExtra.named("sentence-transformers", "torch") from exc
        if threads:
            torch.set_num_threads(threads)
        try:
            self._model: Any = SentenceTransformer(model)
        except (OSError, ValueError) as exc:
            raise ModelUnknown(
                f"sentence-transformers cannot load {model!r}: {str(exc).splitlines()[0]}",
                hint="Give the name of a model on the Hugging Face hub, or a folder that holds one.",
            ) from exc
        self.name = f"{SENTENCE_TRANSFORMERS}{model}"
        self.dimensions = int(self._model.get_embedding_dimension() or 0)
        self.max_tokens = int(self._model.max_seq_length or 512)
        self._unknown: int | None = self._model.tokenizer.unk_token_id

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._model.tokenizer(text, truncation=False, verbose=False)["input_ids"]
        return ids

    def count(self, text: str) -> int:
        """Tokens of ``text``, special tokens included."""
        return len(self._ids(text))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors ``(n, dimensions)``; InvalidRequest for a text that the model would cut."""
        for text in texts:
            if (n := self.count(text)) > self.max_tokens:
                raise too_long(n, self.max_tokens, text)
        return self._encode(self._model.encode_document, list(texts)).reshape(len(texts), self.dimensions)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """The unit vector ``(dimensions,)`` of a question; a long one is cut."""
        return self._encode(self._model.encode_query, text)

    def _encode(self, encode: Any, text: str | list[str]) -> NDArray[np.float32]:
        out: NDArray[np.float32] = encode(text, normalize_embeddings=True, show_progress_bar=False)
        return out

    def reads(self, text: str) -> float:
        """The share of the tokens that are in the model's vocabulary."""
        ids = self._ids(text)
        return 1 - ids.count(self._unknown) / len(ids) if self._unknown is not None and ids else 1.0
