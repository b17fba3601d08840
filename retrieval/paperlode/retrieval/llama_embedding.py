"""``PaperlodeEmbedding``: paperlode's embedding models as LlamaIndex's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr

from .embedding import DEFAULT, load_embedder

if TYPE_CHECKING:
    from llama_index.core.base.embeddings.base import Embedding

    from .embedding import Embedder

__all__ = ["PaperlodeEmbedding"]


class PaperlodeEmbedding(BaseEmbedding):
    """An embedding model by the name that ``load_embedder`` knows; by default MiniLM, embedded, nothing downloaded.

    Vectors are L2-normalised. Nothing is cut in silence: a text longer than the model reads is an error, so cut with
    ``StructureNodeParser(tokenizer=embedding.embedder)``. A query that is longer is cut. Async calls run in a thread.

    Attributes:
        model_name: ``minilm``, ``multilingual``, ``st:NAME``, ``openai:MODEL@URL``; see ``load_embedder``.
        options: ``ModelOptions``: keys, tokenizers, addresses. Neither shown nor serialised.

    Raises:
        ModelUnknown, MissingExtra, ServerError: at the first text, where the model cannot be had.
        InvalidRequest: a text that is longer than the model reads.
    """

    model_name: str = DEFAULT
    options: Any = Field(default=None, exclude=True, repr=False)

    _made: Any = PrivateAttr(default=None)

    @classmethod
    def class_name(cls) -> str:
        """Name under which LlamaIndex serialises it."""
        return "PaperlodeEmbedding"

    @property
    def embedder(self) -> Embedder:
        """The model; loaded when it is first asked for. It counts tokens, too."""
        if self._made is None:
            self._made = load_embedder(self.model_name, options=self.options)
        made: Embedder = self._made
        return made

    def __getstate__(self) -> dict[str, Any]:
        return {  # the name is all it takes: another process loads the model anew
            "__dict__": {k: v for k, v in self.__dict__.items() if k != "callback_manager"},
            "__pydantic_extra__": None,
            "__pydantic_fields_set__": set(self.model_fields_set),
            "__pydantic_private__": None,
        }

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        vectors: list[list[float]] = self.embedder.embed(texts).tolist()
        return vectors

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> Embedding:
        vector: list[float] = self.embedder.embed_query(query).tolist()
        return vector

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return await asyncio.to_thread(self._get_query_embedding, query)
