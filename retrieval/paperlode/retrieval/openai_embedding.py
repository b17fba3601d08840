"""Embedding models served by vLLM, or by anything else with OpenAI's ``/v1/embeddings`` (extra ``vllm``: httpx)."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import ServerIncompatible

from .embedding import ENDPOINT, ModelOptions, too_long
from .endpoint import Endpoint, split_address
from .model_families import split_family
from .token_counts import BOUND, TokenCounts, bound, cut_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["EndpointEmbedder"]

DEFAULT_MAX_TOKENS = 512
"""Where neither the server, nor the model's family, nor the options say it: what the shortest of today's models read."""

log = logging.getLogger(__name__)


class EndpointEmbedder:
    """A model that a server embeds with.

    Its vectors may differ in the last digits with what the server computes at the same time; counts and cuts do not.

    Args:
        model: ``MODEL@URL``, with ``#FAMILY`` where the model's name does not tell what it wants in front of a text.
        options: key, address, tokenizer, and how hard the server is pressed.

    Attributes:
        name, dimensions, max_tokens: as in ``Embedder``; the dimensions are found by embedding one word.

    Raises:
        MissingExtra: httpx is not installed.
        InvalidRequest: an address that is none.
        ServerError: the server cannot be used, or does not serve the model.
    """

    def __init__(self, model: str, *, options: ModelOptions | None = None) -> None:
        self._options = options = options or ModelOptions()
        self.name = f"{ENDPOINT}{model}"
        plain, self._family = split_family(model)
        self._model, url = split_address(plain, ENDPOINT, options.url)
        if plain == model:  # no family was named: the address is no part of what tells it
            self._family = split_family(self._model)[1]
        self._endpoint = Endpoint(
            url,
            key=options.key,
            key_name="PAPERLODE_EMBEDDING_KEY",
            timeout=options.timeout,
            attempts=options.attempts,
            backoff=options.backoff,
            connections=options.concurrency,
        )
        self._lazily = threading.Lock()
        self._counts: TokenCounts | None = None
        self._pool: ThreadPoolExecutor | None = None
        self.dimensions = 0
        self.dimensions = len(self._request(["word"])[0])
        self.max_tokens = (
            options.max_tokens
            or self._endpoint.served_length(self._model)
            or self._family.max_tokens
            or DEFAULT_MAX_TOKENS
        )

    @property
    def counting(self) -> TokenCounts:
        """How its tokens are counted; found when first needed, for a question seldom needs it.

        Raises:
            ModelUnknown: the tokenizer that the options name cannot be loaded.
        """
        with self._lazily:
            if self._counts is None:
                self._counts = TokenCounts(
                    self._model, self._endpoint, tokenizer=self._options.tokenizer, folder=self._options.folder
                )
                if self._counts.way == BOUND:
                    log.warning("%s", self._by_bytes)
            return self._counts

    @property
    def note(self) -> str:
        """What a person should know before many texts are cut for it; empty where there is nothing."""
        return self._by_bytes if self.counting.way == BOUND else ""

    @property
    def _by_bytes(self) -> str:
        return (
            f"No tokenizer of {self._model} is at hand: its texts are counted by their bytes, so that chunks become three to "
            "five times shorter than they need be. Name one in PAPERLODE_EMBEDDING_TOKENIZER."
        )

    def count(self, text: str) -> int:
        """Tokens of ``text`` as a document, special tokens and prefix included; never too few."""
        return self.counting(self._family.document + text)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors ``(n, dimensions)``, several batches at a time; InvalidRequest for a text over ``max_tokens``.

        Raises:
            ServerError: the server stayed busy or broken, or refuses.
        """
        import numpy as np

        whole = [self._family.document + text for text in texts]
        for text in whole:
            if bound(text) > self.max_tokens and (n := self.counting(text)) > self.max_tokens:
                raise too_long(n, self.max_tokens, text)
        size = self._options.batch
        batches = [whole[i : i + size] for i in range(0, len(whole), size)]
        with self._endpoint.together():
            parts = list((map if len(batches) < 2 else self._workers().map)(self._request, batches))
        return np.concatenate(parts) if parts else np.zeros((0, self.dimensions), dtype=np.float32)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """The unit vector ``(dimensions,)`` of a question; a long one is cut at its end. Raises like ``embed``."""
        whole = self._family.query + text
        if bound(whole) > self.max_tokens:
            whole = cut_to(whole, self.max_tokens, self.counting)
        with self._endpoint.together():
            vector: NDArray[np.float32] = self._request([whole])[0]
        return vector

    def reads(self, text: str) -> float:
        """What the model's family tells; else 1."""
        known = self._family.reads(text)
        return 1.0 if known is None else known

    def _workers(self) -> ThreadPoolExecutor:
        with self._lazily:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._options.concurrency, thread_name_prefix="embed")
            return self._pool

    def _request(self, texts: list[str]) -> NDArray[np.float32]:
        answer = self._endpoint.post(
            "/v1/embeddings", {"model": self._model, "input": texts, "encoding_format": "float"}
        )
        return self._vectors(answer.get("data"), len(texts))

    def _vectors(self, data: Any, wanted: int) -> NDArray[np.float32]:
        """The vectors in the order of their texts, normalised.

        Raises:
            ServerIncompatible: not one vector of the right length for each text.
        """
        import numpy as np

        where = f"{self._endpoint.url}/v1/embeddings"
        hint = f"Is {self._model!r} an embedding model, and served as one?"
        try:
            rows = sorted(data, key=lambda d: int(d["index"]))
            order = [int(d["index"]) for d in rows]
            vectors = np.array([d["embedding"] for d in rows], dtype=np.float32)
        except (TypeError, KeyError, ValueError) as exc:
            raise ServerIncompatible(f"{where} answered without vectors.", hint=hint) from exc
        if (
            order != list(range(wanted))
            or vectors.ndim != 2
            or vectors.shape[1] != (self.dimensions or vectors.shape[1])
        ):
            raise ServerIncompatible(
                f"{where} answered with vectors of shape {vectors.shape} to {wanted} texts"
                f"{f', {self.dimensions} numbers each were expected' if self.dimensions else ''}.",
                hint=hint,
            )
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or not (lengths > 0).all():
            raise ServerIncompatible(f"{where} answered with a vector that has no direction.", hint=hint)
        unit: NDArray[np.float32] = vectors / lengths
        return unit
